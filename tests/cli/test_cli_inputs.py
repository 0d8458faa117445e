"""What songs are in real life: damaged, silent, strangely named, in folders. Each costs at most itself."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from command_line import EXAMPLE, QUICK, QUICKEST, Outcome, finish, manifest_of

LONG = "x" * 120
LONGEST = "y" * 251  # with its suffix as long as names may be

# Name: the one line that is said of it. All the others must be done in the same command.
FAILING = {
    "empty.mp3": "empty.mp3: is empty (0 bytes)",
    "header.wav": "header.wav: holds no audio samples",
    "text.mp3": "text.mp3: FFmpeg cannot read it as audio",
    "huge.wav": "huge.wav: the song has samples beyond 4e+09 times full scale",
    "missing.wav": "missing.wav: no such file",
    "silent folder": "silent folder: no audio files found",
    "*.ogg": "*.ogg: no audio files found",
    "z" * 300: "cannot be opened (File name too long)",
}
WITHOUT_VOCALS = ("silence.wav", "one.wav", "nan.wav", "noise.wav")
SUNG = (
    "8k.wav", "192k.wav", "some nan.wav", "truncated.mp3", "wrong.mp3", "wrong.txt",
    "two\nlines.wav", "emoji 🎵 ¡é.wav", f"{LONG}.wav", f"{LONGEST}.wav", "-dash.wav", "[live].wav",
)  # fmt: skip


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory, excerpt: np.ndarray) -> Path:
    """A folder of songs that are hard to take."""
    folder = tmp_path_factory.mktemp("hard")
    noise = np.random.default_rng(0).standard_normal(excerpt.shape).astype(np.float32)
    some_nan, far_too_loud = excerpt.copy(), excerpt.copy()
    some_nan[1000:2000] = np.nan
    far_too_loud[1000:2000] = 1e30
    mono = excerpt.mean(axis=1)
    write = soundfile.write
    (folder / "empty.mp3").write_bytes(b"")
    write(folder / "header.wav", excerpt[:0], 44100)
    assert (folder / "header.wav").stat().st_size == 44
    (folder / "text.mp3").write_text("no music at all\n" * 500)
    (folder / "silent folder" / "below").mkdir(parents=True)
    (folder / "silent folder" / "below" / "cover.jpg").write_bytes(b"\xff\xd8")
    write(folder / "huge.wav", far_too_loud, 44100, subtype="FLOAT")
    write(folder / "silence.wav", np.zeros((5 * 44100, 2)), 44100)
    write(folder / "one.wav", np.full((1, 1), 0.5), 44100)
    write(folder / "nan.wav", np.full((44100, 2), np.nan), 44100, subtype="FLOAT")
    write(folder / "noise.wav", noise * 1e-4, 44100, subtype="FLOAT")
    write(folder / "8k.wav", soxr.resample(mono, 44100, 8000), 8000)
    eight = np.repeat(soxr.resample(mono, 44100, 192_000)[:, None], 8, axis=1)
    write(folder / "192k.wav", eight, 192_000)
    write(folder / "some nan.wav", some_nan, 44100, subtype="FLOAT")
    (folder / "truncated.mp3").write_bytes(EXAMPLE.read_bytes()[:200_000])
    for name in ("wrong.mp3", "wrong.txt", *SUNG[6:]):
        write(folder / name, excerpt, 44100, format="WAV")
    return folder


@pytest.fixture(scope="module")
def done(hard: Path) -> Outcome:
    """All of them, transcribed by one command."""
    return finish("transcribe", *QUICKEST, "--", *FAILING, *WITHOUT_VOCALS, *SUNG, cwd=hard)


def results(hard: Path, name: str) -> list[Path]:
    stem = name if name == "wrong.txt" else name.removesuffix(".wav").removesuffix(".mp3")
    paths = [hard / "lyrics" / f"{stem[:225]}.{suffix}" for suffix in ("json", "lrc", "txt")]
    return [path for path in paths if path.exists()]


def test_some_failed(done: Outcome) -> None:
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"{len(WITHOUT_VOCALS) + len(SUNG)} of {len(FAILING) + len(WITHOUT_VOCALS) + len(SUNG)} songs done, "
        f"{len(WITHOUT_VOCALS)} of them without vocals; {len(FAILING)} failed"
    )


def test_every_line_is_about_one_song_and_no_library_adds_its_noise(done: Outcome) -> None:
    first, *lines, _ = done.err.splitlines()
    assert first.startswith("preset ")
    # Three are damaged, and said to be.
    warned = [line for line in lines if line.startswith("WARNING: ") and ": damaged in " in line]
    assert len(warned) == 3
    known = re.compile(
        r"failed: .+|WARNING: .+: damaged in \d places?, .+|.+: no vocals found|.+ are doubtful.*|\[\d+/.+"
        r"|WARNING: .+: \d lines? of words that are probably not sung left out of .+"
    )
    assert [line for line in lines if not known.fullmatch(line)] == []


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_says_why_in_one_line_and_leaves_nothing(done: Outcome, hard: Path, name: str) -> None:
    about = [line for line in done.err.splitlines() if FAILING[name] in line]
    assert len(about) == 1
    assert about[0].startswith(f"failed: {name}: ")
    assert results(hard, name) == []


@pytest.mark.parametrize("name", WITHOUT_VOCALS)
def test_what_has_no_vocals_is_done_and_said(done: Outcome, hard: Path, name: str) -> None:
    assert f"{name}: no vocals found" in done.err.splitlines()
    as_json, as_lrc, as_txt = results(hard, name)
    assert as_txt.read_text() == ""
    assert as_lrc.exists()
    lyrics = json.loads(as_json.read_text())
    assert (lyrics["lines"], lyrics["segments"], lyrics["vocals_found"]) == ([], [], False)


@pytest.mark.parametrize("name", SUNG)
def test_what_can_be_heard_is_transcribed(done: Outcome, hard: Path, name: str) -> None:
    _, _, as_txt = results(hard, name)
    assert "train" in as_txt.read_text(encoding="utf-8")


def test_stdout_is_paths_that_exist(done: Outcome, hard: Path) -> None:
    # One of them has a line break in its name.
    paths = re.findall(r"(?s)lyrics/.+?\.(?:txt|lrc|json)\n", done.out)
    assert "".join(paths) == done.out
    assert all((hard / path.removesuffix("\n")).is_file() for path in paths)
    assert len(paths) == 3 * (len(WITHOUT_VOCALS) + len(SUNG))
    assert [path.name for path in (hard / "lyrics").iterdir() if path.name.startswith(".")] == [".lyricsep"]


def test_the_manifest_records_every_song(done: Outcome, hard: Path) -> None:
    songs = {song["path"]: song for song in manifest_of(hard / "lyrics")["songs"]}
    assert len(songs) == len(FAILING) + len(WITHOUT_VOCALS) + len(SUNG)
    assert {name for name, song in songs.items() if song["status"] == "failed"} == set(FAILING)
    assert FAILING["text.mp3"] in songs["text.mp3"]["error"]
    assert {name for name, song in songs.items() if song["vocals_found"] is False} == set(WITHOUT_VOCALS)
    assert songs["two\\nlines.wav"]["results"][0] == "lyrics/two\\nlines.txt"


def test_a_truncated_song_is_transcribed_as_far_as_it_goes(done: Outcome, hard: Path) -> None:
    songs = {song["path"]: song for song in manifest_of(hard / "lyrics")["songs"]}
    (damage,) = songs["truncated.mp3"]["damage"]
    assert damage["reason"] == "the file ends early"
    assert damage["start"] == pytest.approx(songs["truncated.mp3"]["duration"], abs=0.01)
    assert damage["end"] == pytest.approx(49.53, abs=0.1)
    lyrics = json.loads((hard / "lyrics" / "truncated.json").read_text(encoding="utf-8"))
    assert 0 < max(line["end"] for line in lyrics["lines"]) <= damage["start"] + 0.01


def test_an_instrumental_has_empty_lyrics(run: Callable, tmp_path: Path) -> None:
    """A minute of the example without its voice, some of which the separator takes for one."""
    mixture, rate = soundfile.read(EXAMPLE)
    vocals, _ = soundfile.read(EXAMPLE.with_suffix(".vocals.ogg"))
    band = mixture - vocals
    soundfile.write(tmp_path / "band.wav", np.concatenate([band, band])[: 60 * rate], rate)
    told = run("transcribe", "band.wav", "-f", "txt", *QUICK)
    assert told.code == 0
    assert told.err.splitlines()[1:] == ["band.wav: no vocals found"]
    assert (tmp_path / "lyrics" / "band.txt").read_text() == ""


def test_a_name_that_is_not_text(run: Callable, song: Path, tmp_path: Path) -> None:
    latin = Path(os.fsdecode(b"caf\xe9.wav"))
    try:
        shutil.move(song, tmp_path / latin)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes only names that are text")
    told = finish("transcribe", latin, "-f", "txt,lrc,json", *QUICKEST, cwd=tmp_path, errors="surrogateescape")
    assert told.code == 0, told.err
    assert [os.fsencode(path) for path in told.written] == [b"lyrics/caf\xe9." + s for s in (b"txt", b"lrc", b"json")]
    assert all((tmp_path / path).is_file() for path in told.written)


@pytest.mark.parametrize("command", ["transcribe", "separate", "segment"])
def test_a_folder_of_results_that_cannot_be_made(run: Callable, song: Path, command: str) -> None:
    told = run(command, song, "-o", song / "results", "--separator", "none")
    assert (told.code, told.out) == (1, "")
    assert told.err.splitlines()[-1].startswith(f"lyricsep: {song}/results: cannot be written (Not a directory)")
    assert len(told.err.splitlines()) == 2
