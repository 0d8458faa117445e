"""Lyrics into the tags of songs, as a user asks for it."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import manifest_of

from lyricsep.formats import read_lyrics, write_lyrics
from lyricsep.formats.tags import read_tagged
from lyricsep.lyrics import Line, Lyrics

mutagen = pytest.importorskip("mutagen")

SONG = Lyrics((Line(0.25, 0.75, "la la"), Line(0.75, 1.0, "la")), "fr", 1.0)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three songs, one of them below, and the lyrics of two."""
    folder = tmp_path / "album"
    (folder / "CD 2").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal((44100, 2))
    soundfile.write(folder / "Été.flac", noise, 44100)
    soundfile.write(folder / "CD 2" / "two.mp3", noise, 44100)
    soundfile.write(folder / "solo.ogg", noise, 44100)
    write_lyrics(tmp_path / "lyrics" / "Été.json", SONG, "json")
    write_lyrics(tmp_path / "lyrics" / "Été.txt", SONG, "txt")
    write_lyrics(tmp_path / "lyrics" / "CD 2" / "two.lrc", SONG, "lrc")
    return folder


def test_copies_lie_as_the_songs_do(run: Callable, album: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in album.rglob("*.*")}
    told = run("embed", album, "--lyrics", "lyrics", "-o", "tagged")
    assert (told.code, told.written) == (1, [Path("tagged/CD 2/two.mp3"), Path("tagged/Été.flac")])
    assert told.err.splitlines() == [
        f"failed: {album}/solo.ogg: no lyrics named solo in lyrics; add them",
        "2 of 3 songs done; 1 failed",
    ]
    assert {path: path.read_bytes() for path in album.rglob("*.*")} == before
    assert mutagen.File("tagged/Été.flac").tags["unsyncedlyrics"] == ["la la\nla"]
    # lrc does not tell the language, and --language was not given.
    assert mutagen.File("tagged/CD 2/two.mp3").tags.getall("SYLT")[0].text == [("la la", 250), ("la", 750)]
    assert mutagen.File("tagged/CD 2/two.mp3").tags.getall("USLT")[0].lang == "XXX"
    record = manifest_of(Path("tagged"))
    assert record["command"][1] == "embed"
    assert [
        (song["status"], song["details"].get("lyrics"), song["details"].get("tags")) for song in record["songs"]
    ] == [
        ("done", "lyrics/CD 2/two.lrc", ["USLT", "SYLT"]),
        ("failed", None, None),
        ("done", "lyrics/Été.json", ["LYRICS", "UNSYNCEDLYRICS"]),
    ]
    again = run("embed", album, "--lyrics", "lyrics", "-o", "tagged")
    assert (again.code, again.out) == (1, "")
    assert "failed: tagged/Été.flac: exists already; set --overwrite to replace it" in again.err
    assert len(run("embed", album, "--lyrics", "lyrics", "-o", "tagged", "--overwrite").written) == 2


def test_in_place(run: Callable, album: Path, tmp_path: Path) -> None:
    song = album / "Été.flac"
    told = run("embed", song, "--lyrics", "lyrics/Été.txt", "--in-place")
    assert (told.code, told.written, told.err) == (0, [song], "")
    assert mutagen.File(song).tags["lyrics"] == ["la la\nla"]
    told = run("embed", song, "--lyrics", "lyrics", "--in-place")
    assert (told.code, told.out) == (1, "")
    assert told.err == f"failed: {song}: has lyrics already (LYRICS); set --overwrite to replace them\n"
    told = run("embed", song, "--lyrics", "lyrics", "--in-place", "--overwrite")
    assert (told.code, told.written) == (0, [song])
    assert mutagen.File(song).tags["lyrics"][0].endswith("[00:00.25]la la\n[00:00.75]la\n[00:01.00]")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "lyrics"]


def test_a_copy_never_replaces_its_song(run: Callable, album: Path) -> None:
    before = (album / "Été.flac").read_bytes()
    told = run("embed", album / "Été.flac", "--lyrics", "lyrics", "-o", album, "--overwrite")
    assert (told.code, told.out) == (1, "")
    assert "its copy would overwrite it; choose another --output, or set --in-place" in told.err
    assert (album / "Été.flac").read_bytes() == before


def test_songs_of_one_name_and_other_suffixes(run: Callable, album: Path, tmp_path: Path) -> None:
    shutil.copy(album / "solo.ogg", album / "Été.ogg")
    # Lyrics are called as `transcribe` would call them.
    for name in ("Été.flac", "Été.ogg"):
        write_lyrics(tmp_path / "both" / f"{name}.json", SONG, "json")
    told = run("embed", album / "Été.flac", album / "Été.ogg", "--lyrics", "both", "-o", "tagged")
    assert (told.code, told.written) == (0, [Path("tagged/Été.flac"), Path("tagged/Été.ogg")])


def test_an_instrumental_is_no_failure(run: Callable, album: Path, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("")
    told = run("embed", album / "solo.ogg", "--lyrics", "none.txt", "-o", "tagged")
    assert (told.code, told.written) == (0, [Path("tagged/solo.ogg")])
    assert told.err == f"{album}/solo.ogg: its lyrics are empty; no tags were written\n"
    assert (tmp_path / "tagged" / "solo.ogg").read_bytes() == (album / "solo.ogg").read_bytes()
    told = run("embed", album / "solo.ogg", "--lyrics", "none.txt", "--in-place")
    assert (told.code, told.out) == (0, "")


def test_the_language_may_be_told(run: Callable, album: Path) -> None:
    assert run("embed", album, "--lyrics", "lyrics", "-o", "tagged", "-l", "French").code == 1
    assert mutagen.File("tagged/CD 2/two.mp3").tags.getall("USLT")[0].lang == "fre"


def test_no_lyrics_leave_no_folder(run: Callable, album: Path, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "others" / "else.txt", SONG, "txt")
    (tmp_path / "empty").mkdir()
    for lyrics, code, message in (
        ("empty", 1, "empty: no lyrics files found; name a file, or a folder that holds some"),
        ("others", 1, "0 of 3 songs done; 3 failed"),
        ("others/else.txt", 2, "one file for 3 songs; name a folder of lyrics"),
    ):
        told = run("embed", album, "--lyrics", lyrics, "-o", "deep/tagged")
        assert (told.code, told.out) == (code, "")
        assert message in told.err
        assert not (tmp_path / "deep").exists()
    (tmp_path / "deep").mkdir()
    assert run("embed", album, "--lyrics", "empty", "-o", "deep").code == 1
    assert (tmp_path / "deep").is_dir()  # it was there before


def test_a_song_that_the_tagger_cannot_write_costs_itself(
    run: Callable, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise struct.error("argument out of range")

    monkeypatch.setattr("mutagen.mp3.MP3.save", fails)
    told = run("embed", album, "--lyrics", "lyrics", "-o", "tagged")
    assert (told.code, told.written) == (1, [Path("tagged/Été.flac")])
    assert f"failed: {album}/CD 2/two.mp3: its tags cannot be read or written (argument out of range)" in told.err
    assert not (Path("tagged") / "CD 2" / "two.mp3").exists()


def test_a_streamed_wav(run: Callable, shared: Path) -> None:
    folder = shared / "cases" / "embed-streamed-wav"
    told = run("embed", folder / "in", "--lyrics", folder / "ly", "-o", "out")
    assert (told.code, told.written) == (0, [Path("out/a_stream.wav"), Path("out/b_ok.mp3")])
    for path in told.written:
        assert mutagen.File(path).tags.getall("USLT")
        assert read_tagged(path).lines == read_lyrics(folder / "ly" / f"{path.stem}.lrc").lines


@pytest.mark.parametrize("name", ["txxx.mp3", "itun.m4a"])
def test_lyrics_under_other_names(run: Callable, shared: Path, tmp_path: Path, name: str) -> None:
    song = shared / "cases" / "embed-other-lyrics-tags" / name
    write_lyrics(tmp_path / "new.lrc", SONG, "lrc")
    told = run("embed", song, "--lyrics", "new.lrc", "-o", "tagged")
    assert (told.code, told.out) == (1, "")
    assert re.search(r"has lyrics already \(.+LYRICS, .+UNSYNCEDLYRICS\); set --overwrite to replace them", told.err)
    assert run("embed", song, "--lyrics", "new.lrc", "-o", "tagged", "--overwrite").code == 0
    assert read_tagged(Path("tagged") / name).text == "la la\nla\n"
    assert "old" not in str({k: v for k, v in mutagen.File(Path("tagged") / name).tags.items() if k != "covr"})


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--lyrics lyrics", 2, "choose either --output, for tagged copies, or --in-place"),
        ("--lyrics lyrics -o out --in-place", 2, "choose either --output, for tagged copies, or --in-place"),
        ("--in-place", 2, "Missing option '--lyrics'"),
        (
            "--lyrics lyrics/Été.txt -o out",
            2,
            "--lyrics lyrics/Été.txt: one file for 3 songs; name a folder of lyrics",
        ),
        (
            "--lyrics lyrics -o out -l Elvish",
            2,
            "no language is called 'Elvish'; did you mean English? Set --language en",
        ),
        ("--lyrics gone -o out", 2, "--lyrics gone: no such file or folder; check the name"),
        ("--lyrics album -o out", 1, "album: no lyrics files found; name a file, or a folder that holds some"),
    ],
)
def test_wrong_usage(run: Callable, album: Path, options: str, code: int, message: str) -> None:
    told = run("embed", "album", *options.split())
    assert (told.code, told.out) == (code, "")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_without_mutagen(run: Callable, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mutagen", None)
    told = run("embed", album, "--lyrics", "lyrics", "-o", "out")
    assert (told.code, told.out) == (2, "")
    assert told.err == "lyricsep: tags need mutagen: pip install 'lyricsep[tags]'\n"
