"""`lyricsep score --times` on files, folders and a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from lyricsep.documents import AlignmentScores, read_schema
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment, Word


def lyrics_of(*texts: str, late: float = 0.0, words: bool = True) -> Lyrics:
    """Lines every 4 s, in which a word starts every half second."""
    lines = []
    for index, text in enumerate(texts):
        start = 4.0 * index + late
        timed = tuple(Word(start + k / 2, start + k / 2 + 0.5, word) for k, word in enumerate(text.split()) if words)
        lines.append(Line(start, start + 2, text, timed))
    return Lyrics(tuple(lines), "en", 60.0, (Segment(0.0, 30.0),))


def rows(text: str) -> list[list[str]]:
    return [row.split() for row in text.splitlines()]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three songs, of which one estimate is 0.25 s late, one 6 s, and one missing."""
    for name, late in {"a": 0.25, "sub/b": 6.0, "c": 0.0}.items():
        write_lyrics(tmp_path / "refs" / f"{name}.json", lyrics_of("one two", "three four"), "json")
        if name != "c":
            write_lyrics(tmp_path / "hyps" / f"{name}.json", lyrics_of("One, two", "three four!", late=late), "json")
    return tmp_path / "refs", tmp_path / "hyps"


def test_folders(run: Callable, folders: tuple[Path, Path]) -> None:
    told = run("score", "--times", *folders)
    assert told.code == 1
    assert told.err == f"failed: c: no hypothesis in {folders[1]}; it is not scored\n"
    table = rows(told.out)
    assert table[0] == ["Times"]
    assert ["a", "en", "4", "100.00", "0.25", "0.25", "100.00", "0.00", "0.43"] in table
    assert ["sub/b", "en", "4", "100.00", "6.00", "6.00", "0.00", "0.00", "0.00"] in table
    assert ["mean", "of", "2", "songs", "8", "100.00", "3.12", "3.12", "50.00", "0.00", "0.22"] in table
    assert "AAE 3.12 [0.25, 6.00] s, PCO@0.3 50.00 [0.00, 100.00], 95 % over songs" in told.out
    assert "lost (AAE over 5 s): sub/b" in told.out


def test_json(run: Callable, folders: tuple[Path, Path]) -> None:
    told = run("score", "--times", *folders, "--json")
    document = json.loads(told.out)
    jsonschema.Draft202012Validator(read_schema(AlignmentScores)).validate(document)
    assert (document["schema"], document["version"]) == ("lyricsep/alignment-scores", 1)
    assert (document["missing"], document["untimed"]) == (["c"], [])
    assert [song["song"] for song in document["songs"]] == ["a", "sub/b"]
    first = document["songs"][0]
    assert (first["words"]["n_reference"], first["words"]["n_matched"], first["words"]["AAE"]) == (4, 4, 0.25)
    assert (first["lines"]["n_reference"], first["lines"]["PCO_03"], first["lines"]["lost"]) == (2, 1, 0)
    assert (document["words"]["AAE"], document["words"]["lost"], document["lines"]["PCO_03"]) == (3.125, 0.5, 0.5)
    assert document["word_intervals"]["AAE"] == document["line_intervals"]["AAE"] == [0.25, 6.0]
    assert AlignmentScores.from_json(told.out).songs[0].song == "a"


def test_the_format_with_the_best_times_is_read(run: Callable, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "refs" / "a.json", lyrics_of("one two"), "json")
    write_lyrics(tmp_path / "hyps" / "a.txt", lyrics_of("one two"), "txt")
    write_lyrics(tmp_path / "hyps" / "a.lrc", lyrics_of("one two", late=2), "lrc")
    write_lyrics(tmp_path / "hyps" / "a.words.lrc", lyrics_of("one two", late=1), "elrc")
    assert "a     en            2   100.00  1.00" in run("score", "--times", tmp_path / "refs", tmp_path / "hyps").out


def test_tables_in_a_folder_are_no_lyrics(run: Callable, folders: tuple[Path, Path]) -> None:
    for folder in folders:
        (folder / "songs.csv").write_text("path,status\na,done\n", encoding="utf-8")
    assert "songs" not in run("score", "--times", *folders).err


def test_songs_without_word_times_have_their_own_table(run: Callable, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_lyrics(tmp_path / "refs" / f"{name}.json", lyrics_of("one two"), "json")
        write_lyrics(tmp_path / "hyps" / f"{name}.json", lyrics_of("one two", words=name == "a"), "json")
    told = run("score", "--times", tmp_path / "refs", tmp_path / "hyps")
    words, lines = told.out.split("\n\n")[:2]
    assert [row[:3] for row in rows(words)][1:4:2] == [["song", "language", "words"], ["a", "en", "2"]]
    assert [row[:3] for row in rows(lines)][1:4:2] == [["song", "language", "lines"], ["b", "en", "1"]]


def test_nothing_matches(run: Callable, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "ref.json", lyrics_of("one two"), "json")
    write_lyrics(tmp_path / "hyp.json", lyrics_of("five"), "json")
    told = run("score", "--times", tmp_path / "ref.json", tmp_path / "hyp.json")
    assert ["ref", "en", "2", "0.00", *["–"] * 5] in rows(told.out)
    document = json.loads(run("score", "--times", tmp_path / "ref.json", tmp_path / "hyp.json", "--json").out)
    assert (document["words"]["AAE"], document["words"]["lost"], document["words"]["matched"]) == (None, None, 0)


def test_what_has_no_times(run: Callable, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "ref.json", lyrics_of("one two"), "json")
    (tmp_path / "hyp.txt").write_text("one two\n", encoding="utf-8")
    told = run("score", "--times", tmp_path / "ref.json", tmp_path / "hyp.txt")
    assert told.code == 1
    assert told.err == f"failed: ref: no times in the reference or in {tmp_path / 'hyp.txt'}; it is not scored\n"
    assert told.out == ""


@pytest.mark.parametrize("option", [["--normalise"], ["--show", "ref"]])
def test_options_of_words_are_refused(run: Callable, tmp_path: Path, option: list[str]) -> None:
    write_lyrics(tmp_path / "ref.json", lyrics_of("one two"), "json")
    told = run("score", "--times", tmp_path / "ref.json", tmp_path / "ref.json", *option)
    assert told.code == 2
    assert f"--times: cannot be combined with {option[0]}" in told.err
