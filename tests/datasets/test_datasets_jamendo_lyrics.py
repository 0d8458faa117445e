"""JamendoLyrics with its times of lines and words, whole and damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from published import HEADER, write_csv, write_text

from lyricsep.datasets import open_dataset
from lyricsep.errors import DatasetError
from lyricsep.lyrics import Line, Word

STEM = "Songwriterz_-_Back_In_Time"
LINE_HEADER = ("start_time", "end_time", "lyrics_line")
WORD_HEADER = ("word_start", "word_end", "line_end")
LINES = [(1.0, 2.5, "Back in time"), (3.0, 4.0, "So, goodbye")]
WORDS = [(1.0, 1.25, ""), (1.25, 1.5, ""), (1.5, 2.25, 2.5), (3.0, 3.25, ""), (3.25, 3.75, 4.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    row = ["", f"{STEM}.mp3", "Songwriterz", "Back In Time", "Pop", "CC BY", "English", "False", "True", "False"]
    write_csv(tmp_path / "JamendoLyrics.csv", HEADER, [row])
    write_text(tmp_path / "lyrics" / f"{STEM}.txt", "Back in time\n\nSo, goodbye\n")
    write_text(tmp_path / "lyrics" / f"{STEM}.words.txt", "back\nin\ntime\nso\ngoodbye\n")
    write_csv(tmp_path / "annotations" / "lines" / f"{STEM}.csv", LINE_HEADER, LINES)
    write_csv(tmp_path / "annotations" / "words" / f"{STEM}.csv", WORD_HEADER, WORDS)
    return tmp_path


def rewrite_words(folder: Path, rows: list[tuple[object, ...]]) -> None:
    write_csv(folder / "annotations" / "words" / f"{STEM}.csv", WORD_HEADER, rows)


EXPECTED = (
    Line(1.0, 2.5, "Back in time", (Word(1.0, 1.25, "back"), Word(1.25, 1.5, "in"), Word(1.5, 2.25, "time"))),
    Line(3.0, 4.0, "So, goodbye", (Word(3.0, 3.25, "so"), Word(3.25, 3.75, "goodbye"))),
)


def test_the_published_form(folder: Path) -> None:
    (song,) = open_dataset(folder).songs
    assert (song.id, song.language, song.text) == (STEM, "en", "Back in time\n\nSo, goodbye")
    assert (song.audio, song.licence) == (folder / "mp3" / f"{STEM}.mp3", "CC BY")
    assert song.lines == EXPECTED


def test_words_come_from_the_lines_where_they_are_not_listed(folder: Path) -> None:
    (folder / "lyrics" / f"{STEM}.words.txt").unlink()
    (song,) = open_dataset(folder).songs
    assert [[word.text for word in line.words] for line in song.lines] == [["Back", "in", "time"], ["So,", "goodbye"]]


@pytest.mark.parametrize("last", ["", "nan", "NaN"])
def test_lines_part_the_words_where_their_ends_are_not_marked(folder: Path, last: str) -> None:
    rewrite_words(folder, [(start, end, last) for start, end, _ in WORDS])
    assert open_dataset(folder).songs[0].lines == EXPECTED


def test_marks_part_the_words_where_lines_are_written_otherwise(folder: Path) -> None:
    lines = [(1.0, 2.5, "Back-in-time"), (3.0, 4.0, "So, goodbye")]
    write_csv(folder / "annotations" / "lines" / f"{STEM}.csv", LINE_HEADER, lines)
    assert [len(line.words) for line in open_dataset(folder).songs[0].lines] == [3, 2]


def test_words_that_fit_no_text_are_left_out_and_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rewrite_words(folder, WORDS[:4])
    with caplog.at_level(logging.WARNING):
        (song,) = open_dataset(folder).songs
    assert song.lines == (Line(1.0, 2.5, "Back in time"), Line(3.0, 4.0, "So, goodbye"))
    assert "4 times for 5 words, so the song has no word times" in caplog.text


def test_without_annotations_there_is_text_alone(folder: Path) -> None:
    (folder / "annotations" / "lines" / f"{STEM}.csv").unlink()
    (song,) = open_dataset(folder).songs
    assert (song.lines, song.text) == ((), "Back in time\n\nSo, goodbye")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([(1, 2, ""), (3, 2, "")], rf"words/{STEM}.csv: row 3, field 'word_end': expected a time of 3 s"),
        ([("x", 2, "")], r"row 2, field 'word_start': expected a number, got 'x'"),
        ([("nan", 2, "")], r"row 2, field 'word_start': expected a number, got 'nan'"),
        ([(1, 2)], r"row 2, field 'line_end': expected 3 values in the row, got 2"),
    ],
)
def test_broken_times_of_words_are_named(folder: Path, rows: list[tuple[object, ...]], told: str) -> None:
    rewrite_words(folder, rows)
    with pytest.raises(DatasetError, match=told):
        open_dataset(folder)


def test_broken_times_of_lines_and_missing_lyrics_are_named(folder: Path) -> None:
    path = write_csv(folder / "annotations" / "lines" / f"{STEM}.csv", LINE_HEADER, [(-1, 2, "x")])
    with pytest.raises(DatasetError, match=rf"lines/{STEM}.csv: row 2, field 'start_time': expected a time of 0 s"):
        open_dataset(folder)
    path.unlink()
    (folder / "lyrics" / f"{STEM}.txt").unlink()
    with pytest.raises(DatasetError, match=rf"lyrics/{STEM}.txt: cannot be read"):
        open_dataset(folder)
