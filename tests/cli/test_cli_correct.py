"""Lyrics are corrected with a text, as a user asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lyricsep.formats import read_lyrics, write_lyrics
from lyricsep.lyrics import Line, Lyrics, Word
from lyricsep.pages import find_results
from lyricsep.review import Corrections

TEXT = "[Verse 1]\nI left my home, I ride the train,\nThe streets were shining in the rain.\n"
HEARD = ("I left my home I rode the trane yeah", "the streets were shining in the rain")
CORRECTED = "I left my home, I ride the train, yeah\nThe streets were shining in the rain.\n"
REPORT = (
    "1: I left my home I rode the trane yeah → I left my home, I ride the train, yeah\n"
    "{}: 13 words kept, 2 respelled, 0 replaced, 1 only heard, 0 only in the text\n"
)


def heard_lyrics() -> Lyrics:
    lines = []
    for row, begin in zip(HEARD, (1.0, 7.0), strict=True):
        words = tuple(Word(begin + n / 2, begin + (n + 1) / 2, text, 0.9) for n, text in enumerate(row.split()))
        lines.append(Line(begin, words[-1].end, row, words))
    return Lyrics(tuple(lines), "en", 12.0)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A folder with two songs, and one with their texts."""
    for name in ("song", "sub/other"):
        write_lyrics(tmp_path / "in" / f"{name}.json", heard_lyrics(), "json", title="Night Train")
        text = tmp_path / "texts" / f"{name}.txt"
        text.parent.mkdir(exist_ok=True)
        text.write_text(TEXT)
    return tmp_path / "in"


def test_a_song_gets_a_revision_for_the_review(run: Callable, songs: Path) -> None:
    done = run("correct", "in/song.json", "--with", "texts/song.txt")
    assert (done.code, done.err) == (0, REPORT.format("in/song.json"))
    assert done.written == [Path(f"in/corrected/song.{suffix}") for suffix in ("txt", "lrc", "json")]
    assert (songs / "corrected" / "song.txt").read_text() == CORRECTED
    found = read_lyrics(songs / "corrected" / "song.json")
    assert (found.title, found.language, found.duration) == ("Night Train", "en", 12.0)
    assert [(line.start, line.end) for line in found.lines] == [(1.0, 5.5), (7.0, 10.5)]

    corrections = Corrections(find_results(songs))
    revision = corrections.load("song")
    assert (revision.number, revision.text) == (1, "song.txt")
    assert not corrections.is_outdated(revision, "song")
    assert [song.name for song in find_results(songs).songs] == ["song", "sub/other"]


def test_names_are_those_of_the_text_or_of_the_lyrics(run: Callable, songs: Path) -> None:
    write_lyrics(songs / "song.json", heard_lyrics(), "json", title="Tag", artist="Band", overwrite=True)
    for text, names in ((TEXT, ("Tag", "Band")), (f"Title: Night Train\n\n{TEXT}", ("Night Train", "Band"))):
        (songs.parent / "texts" / "song.txt").write_text(text)
        done = run("correct", "in/song.json", "--with", "texts/song.txt", "-o", "out", "-f", "json", "--overwrite")
        assert done.code == 0
        found = read_lyrics(Path("out/song.json"))
        assert (found.title, found.artist) == names


def test_corrections_of_a_person_are_not_replaced(run: Callable, songs: Path) -> None:
    assert run("correct", "in/song.json", "--with", "texts/song.txt").code == 0
    again = run("correct", "in/song.json", "--with", "texts/song.txt")
    assert (again.code, again.out) == (1, "")
    assert again.err == (
        "failed: in/corrected/song.json: exists already, as revision 1; set --overwrite to add a revision\n"
    )
    (songs.parent / "texts" / "song.txt").write_text(TEXT.replace("rain", "snow and rain"))
    assert run("correct", "in/song.json", "--with", "texts/song.txt", "--overwrite").code == 0
    history = sorted((songs / "corrected" / ".history" / "song").iterdir())
    assert [path.name for path in history] == ["0001.json", "0002.json"]


def test_a_folder_into_another(run: Callable, songs: Path, tmp_path: Path) -> None:
    done = run("correct", "in", "--with", "texts", "-o", "out", "-f", "lrc,json")
    assert (done.code, done.written) == (
        0,
        [Path(f"out/{name}.{suffix}") for name in ("song", "sub/other") for suffix in ("lrc", "json")],
    )
    assert done.err == "".join(
        [*(REPORT.format(f"in/{name}.json") for name in ("song", "sub/other")), "2 of 2 songs done; 0 failed\n"]
    )
    assert not (songs / "corrected").exists()
    (manifest,) = (tmp_path / "out").glob(".lyricsep/manifest-*.json")
    assert json.loads(manifest.read_text())["plan"]["text"] == "texts"
    again = run("correct", "in", "--with", "texts", "-o", "out", "-f", "lrc")
    assert (again.code, again.out) == (1, "")
    assert "failed: out/song.lrc: exists already; set --overwrite to replace it\n" in again.err


@pytest.mark.parametrize("suffix", ["lrc", "srt", "vtt"])
def test_other_formats_to_stdout(run: Callable, tmp_path: Path, suffix: str) -> None:
    write_lyrics(tmp_path / f"song.{suffix}", heard_lyrics(), suffix)
    (tmp_path / "text.lrc").write_text(
        "[00:50.00]I left my home, I ride the train,\n[00:55.00]" + TEXT.split("\n")[2]
    )
    done = run("correct", f"song.{suffix}", "--with", "text.lrc", "-o", "-")
    assert (done.code, done.out) == (0, CORRECTED)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"song.{suffix}", "text.lrc"])
    done = run("correct", f"song.{suffix}", "--with", "text.lrc", "-o", "-", "-f", "lrc")
    assert done.out.split("\n")[-3].startswith("[00:07.00]The streets")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.json", "--with", "texts"], 1, "none.json: no such file or folder; check"),
        (["in/song.json", "--with", "tags"], 2, "tags: no such file or folder, for lyrics"),
        (["in/song.json", "--with", "none.txt"], 2, "none.txt: no such file or folder, for lyrics"),
        (["in", "--with", "texts/song.txt"], 2, "texts/song.txt: one file of lyrics for 2 songs"),
        (["in", "--with", "texts", "-o", "-"], 2, "--output -: prints the lyrics of one song, and there are 2"),
        (["in", "--with", "texts", "-f", "srt"], 2, "--format srt: needs --output"),
        (["in", "--with", "texts", "-o", "out", "-f", "x"], 2, "--format x: choose from txt, lrc"),
        (["in/song.json"], 2, "Missing option '--with'"),
    ],
)
def test_wrong_usage(run: Callable, songs: Path, arguments: list[str], code: int, message: str) -> None:
    done = run("correct", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("lyrics", "text", "message"),
    [
        (None, "Frère Jacques, dormez-vous ?", "song.json: only 0 of 3 words agree with the text; check that it is"),
        (None, "", "text.txt: has no lyrics"),
        ("{", TEXT, "song.json: "),
        (json.dumps({"schema": "lyricsep/lyrics", "version": 9}), TEXT, "song.json: "),
    ],
)
def test_lyrics_that_cannot_be_corrected(
    run: Callable, songs: Path, tmp_path: Path, lyrics: str | None, text: str, message: str
) -> None:
    if lyrics is not None:
        (songs / "song.json").write_text(lyrics)
    (tmp_path / "text.txt").write_text(text)
    done = run("correct", "in/song.json", "--with", "text.txt")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("failed: ")
    assert message in done.err
    assert not (songs / "corrected").exists()


def test_lyrics_without_times_or_words(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_text(TEXT)
    write_lyrics(tmp_path / "silent.json", Lyrics(duration=9.0), "json")
    (tmp_path / "texts").mkdir()
    for name in ("song", "silent"):
        (tmp_path / "texts" / f"{name}.txt").write_text(TEXT)
    done = run("correct", "song.txt", "--with", "texts")
    assert (done.code, done.err) == (1, "failed: song.txt: has no times; align the lyrics with the song first\n")
    done = run("correct", "silent.json", "--with", "texts")
    assert (done.code, done.err) == (1, "failed: silent.json: there are no words in the lyrics\n")
