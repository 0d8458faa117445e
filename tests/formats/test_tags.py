"""Lyrics in tags, read back by mutagen and by FFmpeg; sound and all other tags are as they were."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from lyricsep.audio import load_audio
from lyricsep.errors import AudioError, ConfigError, DatasetError, OutputError
from lyricsep.formats import Transcript
from lyricsep.formats.tags import read_tagged, write_tagged
from lyricsep.lyrics import Line, Word

mutagen = pytest.importorskip("mutagen")

TIMED = Transcript(
    "Même si\n(ouh 日本)\n\n[fin]\n",
    (Line(0.5, 1.0, "Même si"), Line(0.75, 1.2345, "(ouh 日本)"), Line(10800.25, 10801.0, "[fin]")),
    "fr",
    10802.0,
    title="Été",
)
TEXT = "Même si\n(ouh 日本)\n\n[fin]"
LRC = (
    "[length:180:02]\n[re:lyricsep]\n[00:00.50]Même si\n[00:00.75](ouh 日本)\n[00:01.23]\n"
    "[180:00.25] [fin]\n[180:01.00]"
)
PLAIN = Transcript("la la\n")

# Suffix → codec and rate.
KINDS = {
    ".mp3": ("libmp3lame", 44100),
    ".wav": ("pcm_s16le", 44100),
    ".aiff": ("pcm_s16be", 44100),
    ".flac": ("flac", 44100),
    ".ogg": ("vorbis", 44100),
    ".opus": ("libopus", 48000),
    ".m4a": ("aac", 44100),
}
ID3, VORBIS = (".mp3", ".wav", ".aiff"), (".flac", ".ogg", ".opus")


def make_song(path: Path, codec: str, rate: int, container: str | None = None, *, seconds: int = 1) -> Path:
    """Write noise with a title."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, seconds * rate)).astype(np.float32)
    with av.open(
        str(path), "w", format=container, options={"write_id3v2": "1"} if path.suffix == ".aiff" else {}
    ) as out:
        out.metadata["title"], out.metadata["artist"] = "Title 題", "Artist"
        stream = out.add_stream(codec, rate=rate, options={"strict": "-2"})
        stream.layout = "stereo"
        context = stream.codec_context
        context.open()
        frame = av.AudioFrame.from_ndarray(noise, "fltp", "stereo")
        frame.sample_rate = rate
        resampler = av.AudioResampler(context.format.name, "stereo", rate, context.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    return lambda suffix: make_song(tmp_path / f"song{suffix}", *KINDS[suffix])


def sound(path: Path) -> NDArray[np.float32]:
    return load_audio(path).samples.numpy()


def ffmpeg_tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {**container.metadata, **container.streams[0].metadata}


def mutagen_tags(path: Path) -> dict[str, str]:
    tags = mutagen.File(path).tags
    return {key: str(value) for key, value in (tags.items() if tags is not None else ())}


def is_lyrics(key: str) -> bool:
    return any(word in key.lower() for word in ("lyrics", "uslt", "sylt", "\xa9lyr"))


@pytest.mark.parametrize("suffix", KINDS)
def test_sound_and_other_tags_stay(make: Callable, tmp_path: Path, suffix: str) -> None:
    song, copy = make(suffix), tmp_path / "out" / f"copy{suffix}"
    before = song.read_bytes()
    write_tagged(song, copy, TIMED)
    assert song.read_bytes() == before
    np.testing.assert_array_equal(sound(copy), sound(song))
    for tags_of in (ffmpeg_tags, mutagen_tags):
        old, new = tags_of(song), tags_of(copy)
        assert {key: value for key, value in new.items() if not is_lyrics(key)} == old
        assert any(is_lyrics(key) for key in new)
    assert "Title 題" in ffmpeg_tags(copy).values()


@pytest.mark.parametrize("suffix", ID3)
def test_id3_has_the_text_and_the_times(make: Callable, tmp_path: Path, suffix: str) -> None:
    copy = tmp_path / f"copy{suffix}"
    assert write_tagged(make(suffix), copy, TIMED) == ("USLT", "SYLT")
    tags = mutagen.File(copy).tags
    (text,), (times,) = tags.getall("USLT"), tags.getall("SYLT")
    assert (text.text, text.lang, text.desc) == (TEXT, "fre", "")
    assert times.text == [("Même si", 500), ("(ouh 日本)", 750), ("[fin]", 10_800_250)]
    assert (times.lang, times.format, times.type) == ("fre", 2, 1)
    assert ffmpeg_tags(copy)["lyrics-fre"] == TEXT


@pytest.mark.parametrize("suffix", VORBIS)
def test_vorbis_comments_hold_lrc_and_the_text(make: Callable, tmp_path: Path, suffix: str) -> None:
    copy = tmp_path / f"copy{suffix}"
    assert write_tagged(make(suffix), copy, TIMED) == ("LYRICS", "UNSYNCEDLYRICS")
    tags = mutagen.File(copy).tags
    assert (tags["lyrics"], tags["unsyncedlyrics"]) == ([LRC], [TEXT])
    read = ffmpeg_tags(copy)
    assert (read["LYRICS"], read["UNSYNCEDLYRICS"]) == (LRC, TEXT)


def test_mp4_holds_the_text(make: Callable, tmp_path: Path) -> None:
    copy = tmp_path / "copy.m4a"
    assert write_tagged(make(".m4a"), copy, TIMED) == ("\xa9lyr",)
    assert mutagen.File(copy).tags["\xa9lyr"] == [TEXT]
    assert ffmpeg_tags(copy)["lyrics"] == TEXT


@pytest.mark.parametrize("suffix", KINDS)
def test_lyrics_without_times(make: Callable, tmp_path: Path, suffix: str) -> None:
    copy = tmp_path / f"copy{suffix}"
    (name,) = write_tagged(make(suffix), copy, PLAIN)
    assert name == ("USLT" if suffix in ID3 else "LYRICS" if suffix in VORBIS else "\xa9lyr")
    (value,) = [value for key, value in ffmpeg_tags(copy).items() if is_lyrics(key)]
    assert value == "la la"
    assert [key for key in mutagen_tags(copy) if "SYLT" in key] == []


@pytest.mark.parametrize("suffix", KINDS)
def test_lyrics_that_are_there_stay_unless_asked(make: Callable, tmp_path: Path, suffix: str) -> None:
    song, copy, again = make(suffix), tmp_path / f"copy{suffix}", tmp_path / f"again{suffix}"
    write_tagged(song, copy, TIMED)
    before = copy.read_bytes()
    for target in (copy, again):
        with pytest.raises(OutputError, match=r"has lyrics already \(.+\); set overwrite=True"):
            write_tagged(copy, target, PLAIN)
    assert (copy.read_bytes(), again.exists()) == (before, False)
    write_tagged(copy, copy, PLAIN, overwrite=True)
    # None of the old ones is left, timed or not.
    assert [value for key, value in ffmpeg_tags(copy).items() if is_lyrics(key)] == ["la la"]
    assert len([key for key in mutagen_tags(copy) if is_lyrics(key)]) == 1
    np.testing.assert_array_equal(sound(copy), sound(song))


@pytest.mark.parametrize(
    ("known", "asked", "code"),
    [
        ("fr", None, "fre"),
        ("fr", "de", "ger"),
        (None, "en", "eng"),
        ("zh", None, "chi"),
        ("yue", None, "yue"),
        ("haw", None, "haw"),
        ("jw", None, "jav"),
        (None, None, "XXX"),
        ("??", None, "XXX"),
    ],
)
def test_languages(make: Callable, tmp_path: Path, known: str | None, asked: str | None, code: str) -> None:
    copy = tmp_path / "copy.mp3"
    write_tagged(make(".mp3"), copy, Transcript("la\n", (Line(0, 1, "la"),), known), language=asked)
    tags = mutagen.File(copy).tags
    assert [frame.lang for frame in (*tags.getall("USLT"), *tags.getall("SYLT"))] == [code, code]


@pytest.mark.parametrize("version", [3, 4])
def test_id3_keeps_its_version_and_what_is_only_in_it(make: Callable, tmp_path: Path, version: int) -> None:
    from mutagen.id3 import APIC, ID3, PRIV, TDRC, TYER

    song, copy = make(".mp3"), tmp_path / "copy.mp3"
    tags = ID3(song)
    tags.add(APIC(mime="image/png", type=3, desc="", data=bytes(range(256)) * 40))
    tags.add(PRIV(owner="x", data=b"\0\1"))
    tags.add(TYER(text="1999") if version == 3 else TDRC(text="1999-02-03"))
    tags.save(song, v2_version=version)
    before = ID3(song, translate=False)
    write_tagged(song, copy, TIMED)
    after = ID3(copy, translate=False)
    assert after.version == before.version == (2, version, 0)
    assert {key: frame for key, frame in after.items() if not is_lyrics(key)} == dict(before.items())
    assert after.getall("TYER" if version == 3 else "TDRC")


def test_mp3_without_any_tags(make: Callable, tmp_path: Path) -> None:
    song, copy = make(".mp3"), tmp_path / "copy.mp3"
    mutagen.File(song).delete()
    assert not song.read_bytes().startswith(b"ID3")
    write_tagged(song, copy, TIMED)
    assert mutagen.File(copy).tags.version == (2, 3, 0)
    np.testing.assert_array_equal(sound(copy), sound(song))


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    song = make_song(tmp_path / "flac.mp3", "flac", 44100, "flac")
    assert write_tagged(song, song, TIMED) == ("LYRICS", "UNSYNCEDLYRICS")
    assert song.read_bytes().startswith(b"fLaC")
    assert ffmpeg_tags(song)["LYRICS"] == LRC


def test_in_place_keeps_permissions_and_what_a_link_leads_to(make: Callable, tmp_path: Path) -> None:
    song = make(".flac")
    song.chmod(0o640)
    link = tmp_path / "link.flac"
    link.symlink_to(song)
    write_tagged(link, link, TIMED)
    assert link.is_symlink()
    assert stat.S_IMODE(song.stat().st_mode) == 0o640
    assert ffmpeg_tags(song)["LYRICS"] == LRC
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.flac", "song.flac"]


def test_a_read_only_song_is_left(make: Callable, tmp_path: Path) -> None:
    song = make(".mp3")
    song.chmod(0o444)
    before = song.read_bytes()
    with pytest.raises(OutputError, match="is read-only; make it writable, or write a copy with output"):
        write_tagged(song, song, TIMED)
    assert song.read_bytes() == before
    write_tagged(song, tmp_path / "copy.mp3", TIMED)
    assert os.access(tmp_path / "copy.mp3", os.W_OK)


def test_an_instrumental_has_nothing_to_embed(make: Callable, tmp_path: Path) -> None:
    song, copy = make(".mp3"), tmp_path / "copy.mp3"
    before = song.read_bytes()
    assert write_tagged(song, copy, Transcript(" \n")) == ()
    assert write_tagged(song, copy, Transcript(""), overwrite=True) == ()
    assert write_tagged(song, song, Transcript("")) == ()
    assert copy.read_bytes() == song.read_bytes() == before


@pytest.mark.parametrize(
    ("suffix", "refused"),
    [
        (".mp3", ""),
        (".flac", ""),
        (".ogg", ""),
        (".opus", ""),
        # Tags behind sound that lacks its end would become sound.
        (".wav", "cannot be tagged without changing its audio"),
        (".aiff", "cannot be tagged without changing its audio"),
        # What the file holds is told at its end.
        (".m4a", "FFmpeg cannot read it as audio"),
    ],
)
def test_a_truncated_song_keeps_its_sound_or_is_refused(tmp_path: Path, suffix: str, refused: str) -> None:
    song, copy = make_song(tmp_path / f"song{suffix}", *KINDS[suffix], seconds=5), tmp_path / f"copy{suffix}"
    song.write_bytes(song.read_bytes()[: song.stat().st_size * 2 // 3])
    before = song.read_bytes()
    if refused:
        with pytest.raises(AudioError, match=refused):
            write_tagged(song, copy, TIMED)
        assert not copy.exists()
    else:
        write_tagged(song, copy, TIMED)
        np.testing.assert_array_equal(sound(copy), sound(song))
    assert song.read_bytes() == before
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_files_that_hold_no_lyrics(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.mka", "pcm_s16le", 44100)
    with pytest.raises(AudioError, match=r"its format \(matroska\) has no tag for lyrics"):
        write_tagged(song, tmp_path / "copy.mka", TIMED)
    (tmp_path / "text.mp3").write_text("la la la")
    with pytest.raises(AudioError, match="FFmpeg cannot read it as audio"):
        write_tagged(tmp_path / "text.mp3", tmp_path / "copy.mp3", TIMED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.mka", "text.mp3"]


def test_a_full_disk_leaves_the_song(make: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    song = make(".flac")
    before = song.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(OutputError, match=r"song\.flac: cannot be written \(No space left on device\)"):
            write_tagged(song, song, TIMED)
    # What mutagen meets while it writes comes wrapped.
    monkeypatch.setattr("mutagen.flac.FLAC.save", lambda _: full_in_mutagen(full))
    with pytest.raises(OutputError, match=r"song\.flac: cannot be written \(No space left on device\)"):
        write_tagged(song, song, TIMED)
    assert song.read_bytes() == before
    assert list(tmp_path.iterdir()) == [song]


def full_in_mutagen(full: Callable[[], None]) -> None:
    try:
        full()
    except OSError as error:
        raise mutagen.MutagenError(error) from error


def test_sound_that_would_change_is_noticed(make: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make(".wav")
    before = song.read_bytes()
    copyfile = shutil.copyfile

    def spoil(source: Path, target: Path) -> None:
        copyfile(source, target)
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)

    monkeypatch.setattr(shutil, "copyfile", spoil)
    with pytest.raises(AudioError, match="cannot be tagged without changing its audio"):
        write_tagged(song, song, TIMED)
    assert song.read_bytes() == before


@pytest.mark.parametrize(
    "step", ["shutil.copyfile", "lyricsep.formats.tags._tag", "os.fsync", "pathlib.Path.replace"]
)
def test_a_kill_leaves_the_song(make: Callable, step: str) -> None:
    song = make(".mp3")
    before = song.read_bytes()
    code = (
        "import os, pkgutil, signal, sys\n"
        "from pathlib import Path\n"
        "import lyricsep.formats.tags as tags\n"
        "from lyricsep.formats import Transcript\n"
        f"owner, name = pkgutil.resolve_name({step.rpartition('.')[0]!r}), {step.rpartition('.')[2]!r}\n"
        "setattr(owner, name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))\n"
        "tags.write_tagged(Path(sys.argv[1]), Path(sys.argv[1]), Transcript('la\\n'))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(song)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert song.read_bytes() == before


def names_in(suffix: str) -> tuple[str | None, str | None]:
    # FFmpeg writes those of wav beside ID3.
    return (None, None) if suffix == ".wav" else ("Title 題", "Artist")


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("written", [TIMED, PLAIN])
def test_what_was_written_is_read(make: Callable, suffix: str, written: Transcript) -> None:
    song = make(suffix)
    assert read_tagged(song) is None
    write_tagged(song, song, written)
    read = read_tagged(song)
    assert (read.text, read.title, read.artist) == (written.text, *names_in(suffix))
    assert [line.text for line in read.lines] == ([] if suffix == ".m4a" else [line.text for line in written.lines])
    assert read.language == (written.language if suffix in ID3 else None)
    if read.lines:
        starts = [line.start for line in written.lines]
        np.testing.assert_allclose([line.start for line in read.lines], starts, atol=0.01)


def add_id3(song: Path, name: str, **values: object) -> None:
    file = mutagen.File(song)
    if file.tags is None:
        file.add_tags()
    file.tags.add(getattr(mutagen.id3, name)(encoding=3, **values))
    file.save()


def add_text(song: Path, key: str, value: object) -> None:
    file = mutagen.File(song)
    file.tags[key] = value
    file.save()


def add_ape(song: Path, key: str, value: str) -> None:
    tags = mutagen.apev2.APEv2()
    tags[key] = value
    tags.save(song)


STAMPED = "[ar:Ann]\n[00:01.00]la la\n[00:02.50]lo\n[00:03.00]"
LINES = (Line(1, 2.5, "la la"), Line(2.5, 3, "lo"))


@pytest.mark.parametrize("text", ["la la\n\nlo", "la la\r\n\r\n\r\nlo \r\n", "la la\r\rlo", STAMPED])
@pytest.mark.parametrize(
    ("suffix", "add"),
    [
        (".mp3", lambda song, text: add_id3(song, "USLT", lang="XXX", desc="x", text=text)),
        (".wav", lambda song, text: add_id3(song, "USLT", lang="eng", desc="", text=text)),
        (".mp3", lambda song, text: add_id3(song, "TXXX", desc="LYRICS", text=[text])),
        (".aiff", lambda song, text: add_id3(song, "TXXX", desc="UnsyncedLyrics", text=[text])),
        (".mp3", lambda song, text: add_ape(song, "Lyrics", text)),
        (".flac", lambda song, text: add_text(song, "LYRICS", text)),
        (".ogg", lambda song, text: add_text(song, "UnsyncedLyrics", ["", text])),
        (".opus", lambda song, text: add_text(song, "SYNCEDLYRICS", text)),
        (".m4a", lambda song, text: add_text(song, "\xa9lyr", text)),
        (".m4a", lambda song, text: add_text(song, "----:com.apple.iTunes:LYRICS", text.encode())),
    ],
)
def test_tags_of_other_programs(make: Callable, suffix: str, add: Callable, text: str) -> None:
    song = make(suffix)
    add(song, text)
    read = read_tagged(song)
    assert (read.lines, read.text) == ((LINES, "la la\nlo\n") if text == STAMPED else ((), "la la\n\nlo\n"))
    title, artist = names_in(suffix)
    assert (read.title, read.artist, read.language) == (title, artist or ("Ann" if read.lines else None), None)


def test_timed_lyrics_are_preferred(make: Callable) -> None:
    song = make(".flac")
    add_text(song, "LYRICS", "other words")
    add_text(song, "UNSYNCEDLYRICS", "la la\n\nlo")
    add_text(song, "SYNCEDLYRICS", STAMPED)
    read = read_tagged(song)
    assert (read.lines, read.text) == (LINES, "la la\n\nlo\n")
    add_text(song, "UNSYNCEDLYRICS", "la\nla\n\nlo")  # other lines
    assert read_tagged(song).text == "la la\nlo\n"


OLD = "old words"
OLD_LRC = "[00:01.00]old words"


def add_front_id3(song: Path, **frames: object) -> None:
    """Put ID3 in front of a file of another format."""
    tags = mutagen.id3.ID3()
    tags.add(mutagen.id3.TALB(encoding=3, text="Album"))
    for name, values in frames.items():
        tags.add(getattr(mutagen.id3, name)(encoding=3, **values))
    tags.save(song)


def add_end(song: Path, end: bytes) -> None:
    with song.open("ab") as file:
        file.write(end)


def lyrics3(**values: bytes) -> bytes:
    """Return a Lyrics3 block of version 2."""
    block = b"LYRICSBEGIN" + b"".join(b"%b%05d%b" % (k.encode(), len(v), v) for k, v in values.items())
    return block + b"%06dLYRICS200" % len(block)


ID3V1 = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + bytes(64) + b"\xff"

OTHERS = [
    (".mp3", lambda song: add_id3(song, "TXXX", desc="LYRICS", text=[OLD_LRC]), "TXXX:LYRICS"),
    (".mp3", lambda song: add_id3(song, "TXXX", desc="Unsynced Lyrics", text=[OLD]), "TXXX:Unsynced Lyrics"),
    (".mp3", lambda song: add_id3(song, "TXXX", desc="USLT", text=[OLD]), "TXXX:USLT"),
    # FFmpeg writes what it read from USLT, to ID3 and to all others.
    (".mp3", lambda song: add_id3(song, "TXXX", desc="lyrics-eng", text=[OLD]), "TXXX:lyrics"),
    (".flac", lambda song: add_text(song, "lyrics-eng", OLD), "LYRICS"),
    (".wav", lambda song: add_id3(song, "TXXX", desc="SYNCEDLYRICS", text=[OLD_LRC]), "TXXX:SYNCEDLYRICS"),
    (".aiff", lambda song: add_id3(song, "USLT", lang="deu", desc="x", text=OLD), "USLT"),
    (".mp3", lambda song: add_id3(song, "SYLT", lang="eng", desc="", format=2, type=1, text=[(OLD, 5)]), "SYLT"),
    (".mp3", lambda song: add_ape(song, "Lyrics", OLD), "LYRICS"),
    (".mp3", lambda song: (add_ape(song, "UNSYNCEDLYRICS", OLD), add_end(song, ID3V1)), "UNSYNCEDLYRICS"),
    (".mp3", lambda song: add_end(song, lyrics3(IND=b"110", LYR=b"[00:01]old words", EAL=b"Album")), "Lyrics3"),
    (".mp3", lambda song: add_end(song, lyrics3(LYR=b"old words\r\nmore") + ID3V1), "Lyrics3"),
    (".mp3", lambda song: add_end(song, b"LYRICSBEGINold words\r\nmoreLYRICSEND" + ID3V1), "Lyrics3"),
    (".flac", lambda song: add_front_id3(song, USLT={"lang": "eng", "desc": "", "text": OLD}), "USLT"),
    (".flac", lambda song: add_front_id3(song, TXXX={"desc": "LYRICS", "text": [OLD]}), "TXXX:LYRICS"),
    (".flac", lambda song: add_ape(song, "Lyrics", OLD), "LYRICS"),
    (".flac", lambda song: add_text(song, "SyncedLyrics", OLD_LRC), "SYNCEDLYRICS"),
    (".ogg", lambda song: add_text(song, "UNSYNCED LYRICS", OLD), "UNSYNCED LYRICS"),
    (".opus", lambda song: add_text(song, "UnsynchronisedLyrics", OLD), "UNSYNCHRONISEDLYRICS"),
    (
        ".m4a",
        lambda song: add_text(song, "----:com.apple.iTunes:LYRICS", OLD.encode()),
        "----:com.apple.iTunes:LYRICS",
    ),
    (
        ".m4a",
        lambda song: add_text(song, "----:org.example:Unsynced Lyrics", [OLD.encode(), b""]),
        "----:org.example:Unsynced Lyrics",
    ),
]


@pytest.mark.parametrize(("suffix", "add", "name"), OTHERS, ids=[f"{suffix}-{name}" for suffix, _, name in OTHERS])
def test_lyrics_of_other_programs_are_told_and_replaced(
    make: Callable, tmp_path: Path, suffix: str, add: Callable, name: str
) -> None:
    copy = tmp_path / f"copy{suffix}"
    for has_ours in (False, True):
        song = make(suffix)
        if has_ours:
            write_tagged(song, song, TIMED)
        add(song)
        assert has_ours or OLD in read_tagged(song).text
        with pytest.raises(OutputError, match=rf"has lyrics already \(.*{re.escape(name)}.*\); set overwrite=True"):
            write_tagged(song, copy, PLAIN)
        assert not copy.exists()
        others = {key: value for key, value in ffmpeg_tags(song).items() if not is_lyrics(key)}
        write_tagged(song, copy, PLAIN, overwrite=True)
        assert (read_tagged(copy).text, read_tagged(copy).lines) == ("la la\n", ())
        assert OLD.encode() not in copy.read_bytes()
        assert {key: value for key, value in ffmpeg_tags(copy).items() if not is_lyrics(key)} == others
        np.testing.assert_array_equal(sound(copy), sound(song))
        copy.unlink()


def test_what_is_beside_old_lyrics_stays(make: Callable, tmp_path: Path) -> None:
    song, copy = make(".mp3"), tmp_path / "copy.mp3"
    ape = mutagen.apev2.APEv2()
    ape.update({"Lyrics": OLD, "Album": "APE album", "Cover": mutagen.apev2.APEValue(b"\0\1", mutagen.apev2.BINARY)})
    ape.save(song)
    add_end(song, lyrics3(IND=b"110", LYR=b"old words", EAL=b"Album") + ID3V1)
    write_tagged(song, copy, PLAIN, overwrite=True)
    end = copy.read_bytes()
    assert end[-128:] == mutagen.id3.MakeID3v1(mutagen.id3.ID3(copy))
    assert end.endswith(lyrics3(IND=b"010", EAL=b"Album") + end[-128:])
    tags = mutagen.apev2.APEv2(io.BytesIO(end[: end.rindex(b"LYRICSBEGIN")]))
    assert {key: bytes(value) if value.kind == 1 else str(value) for key, value in tags.items()} == {
        "Album": "APE album",
        "Cover": b"\0\1",
    }
    song = make(".flac")
    add_front_id3(song, USLT={"lang": "eng", "desc": "", "text": OLD}, TPE2={"text": "Band"})
    write_tagged(song, song, PLAIN, overwrite=True)
    assert {str(frame) for frame in mutagen.id3.ID3(song).values()} == {"Album", "Band"}
    assert mutagen.flac.FLAC(song)["lyrics"] == ["la la"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("TXXX:LYRICIST", "Ann"), ("TXXX:Lyrics by", "Ann"), ("TXXX:LYRICS_SOURCE", "x"), ("USLT", " \n")],
)
def test_what_is_no_lyrics_stays(make: Callable, tmp_path: Path, key: str, value: str) -> None:
    song = make(".mp3")
    name, _, desc = key.partition(":")
    add_id3(song, name, **({"desc": desc, "text": [value]} if desc else {"lang": "eng", "desc": "", "text": value}))
    assert read_tagged(song) is None
    write_tagged(song, song, PLAIN)
    tags = mutagen.File(song).tags
    assert [frame.text for frame in tags.getall("USLT")] == ["la la"]
    assert [frame.text for frame in tags.getall("TXXX") if desc in frame.HashKey] == ([[value]] if desc else [])


def test_lyrics_of_id3v2_2(make: Callable, tmp_path: Path) -> None:
    song, copy = make(".mp3"), tmp_path / "copy.mp3"
    mutagen.File(song).delete()
    frames = b"".join(
        name + len(value).to_bytes(3, "big") + value
        for name, value in (
            (b"TT2", b"\0Title"),
            (b"ULT", b"\0eng\0" + OLD.encode()),
            (b"TXX", b"\0LYRICS\0old words"),
        )
    )
    song.write_bytes(b"ID3\2\0\0\0\0\0" + bytes([len(frames)]) + frames + song.read_bytes())
    assert (read_tagged(song).text, read_tagged(song).title) == ("old words\n", "Title")
    with pytest.raises(OutputError, match=r"has lyrics already \(TXXX:LYRICS, USLT\)"):
        write_tagged(song, copy, PLAIN)
    write_tagged(song, copy, PLAIN, overwrite=True)
    assert (read_tagged(copy).text, read_tagged(copy).title) == ("la la\n", "Title")
    assert OLD.encode() not in copy.read_bytes()


def test_apev2_that_cannot_be_read(make: Callable, caplog: pytest.LogCaptureFixture) -> None:
    song = make(".mp3")
    add_end(song, b"APETAGEX" + struct.pack("<4I", 2000, 32 + 9, 5, 0) + bytes(8))
    write_tagged(song, song, PLAIN)
    assert read_tagged(song).text == "la la\n"
    assert "song.mp3: its APEv2 tags cannot be read (" in caplog.text


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8"])
@pytest.mark.parametrize(
    ("riff", "data"),
    [(2**32 - 1, 2**32 - 1), (0, 0), (0x7FFFF024, 0x7FFFF000), (2**32 - 1, None), (None, 0), (0, None)],
)
def test_a_wav_without_sizes(tmp_path: Path, codec: str, riff: int | None, data: int | None) -> None:
    song, copy = make_song(tmp_path / "song.wav", codec, 11025), tmp_path / "copy.wav"
    content = bytearray(song.read_bytes())
    assert content[36:40] == b"LIST"  # a chunk in front of the sound
    at = content.index(b"data") + 4
    n_bytes = int.from_bytes(content[at : at + 4], "little")
    if codec == "pcm_u8":  # an odd size, without padding at the end
        n_bytes -= 1
        del content[at + 4 + n_bytes :]
    content[4:8] = struct.pack("<I", len(content) - 8 if riff is None else riff)
    content[at : at + 4] = struct.pack("<I", n_bytes if data is None else data)
    song.write_bytes(content)
    write_tagged(song, copy, TIMED)
    np.testing.assert_array_equal(sound(copy), sound(song))
    assert read_tagged(copy).text == TIMED.text
    assert song.read_bytes() == content
    written = copy.read_bytes()
    assert struct.unpack("<I", written[4:8]) == (len(written) - 8,)
    with wave.open(str(copy)) as file:  # another reader
        assert file.readframes(10**6) == bytes(content[at + 4 : at + 4 + n_bytes])


def test_whatever_a_tagger_raises_costs_one_song(make: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make(".flac")
    before = song.read_bytes()
    for error in (struct.error("too large"), IndexError("no item"), AssertionError(), MemoryError(), EOFError()):
        for method, call in (("load", read_tagged), ("save", lambda song: write_tagged(song, song, PLAIN))):

            def fails(*_: object, error: Exception = error, **__: object) -> None:
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(f"mutagen.flac.FLAC.{method}", fails)
                reason = str(error) or type(error).__name__
                with pytest.raises(AudioError, match=rf"song\.flac: its tags cannot be read or written \({reason}\)"):
                    call(song)
    assert song.read_bytes() == before


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("la la", 1000), ("lo", 2500), ("", 3000)], LINES),
        ([("lo", 2500), ("la la", 1000)], (Line(1, 2.5, "la la"), Line(2.5, 2.5, "lo"))),
        (
            [("\nla ", 1000), ("la", 2000), ("\nlo", 2500), ("lo", 2750), ("", 3000)],
            (
                Line(1, 2.5, "la la", (Word(1, 2, "la"), Word(2, 2.5, "la"))),
                Line(2.5, 3, "lolo", (Word(2.5, 3, "lolo"),)),
            ),
        ),
        (
            [("la", 1000), (" la\n", 2000), ("lo", 2500), ("", 3000)],
            (
                Line(1, 2.5, "la la", (Word(1, 2, "la"), Word(2, 2.5, "la"))),
                Line(2.5, 3, "lo", (Word(2.5, 3, "lo"),)),
            ),
        ),
        ([], None),
        ([("", 0)], None),
    ],
)
def test_entries_of_sylt(make: Callable, entries: list[tuple[str, int]], expected: tuple[Line, ...] | None) -> None:
    song = make(".mp3")
    add_id3(song, "SYLT", lang="XXX", desc="", format=2, type=1, text=entries)
    add_id3(song, "SYLT", lang="XXX", desc="frames", format=1, type=1, text=[("hey", 5)])
    read = read_tagged(song)
    assert (read and read.lines) == expected


@pytest.mark.parametrize(
    "add", [lambda _: None, lambda song: add_id3(song, "USLT", lang="XXX", desc="", text=" \n ")]
)
def test_songs_without_lyrics(make: Callable, add: Callable) -> None:
    song = make(".mp3")
    add(song)
    assert read_tagged(song) is None
    mutagen.File(song).delete()
    assert read_tagged(song) is None


def test_songs_of_other_formats_and_names(tmp_path: Path) -> None:
    song = make_song(tmp_path / "flac.mp3", "flac", 44100, "flac")
    write_tagged(song, song, PLAIN)
    assert read_tagged(song).text == "la la\n"
    assert read_tagged(make_song(tmp_path / "song.mka", "pcm_s16le", 44100)) is None
    wma = make_song(tmp_path / "song.wma", "pcm_s16le", 44100, "asf")
    add_text(wma, "WM/Lyrics", "la la")
    read = read_tagged(wma)
    assert (read.text, read.title, read.artist) == ("la la\n", "Title 題", "Artist")


def test_songs_whose_tags_cannot_be_read(make: Callable, tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("la la la")
    for path in (tmp_path / "text.mp3", tmp_path / "missing.mp3"):
        with pytest.raises(AudioError, match="its tags cannot be read"):
            read_tagged(path)
    song = make(".flac")
    add_text(song, "LYRICS", "1\n00:00:01,000 --> 00:00:02,000\nla\n\nlo")
    with pytest.raises(DatasetError, match=r"song\.flac: row 5 belongs to no cue"):
        read_tagged(song)


def test_without_mutagen(make: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make(".mp3")
    for name in [name for name in sys.modules if name.split(".")[0] == "mutagen"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mutagen", None)
    with pytest.raises(ConfigError, match=r"tags need mutagen: pip install 'lyricsep\[tags\]'"):
        write_tagged(song, tmp_path / "copy.mp3", TIMED)
    assert list(tmp_path.iterdir()) == [song]
    with pytest.raises(ConfigError, match="tags need mutagen"):
        read_tagged(song)
