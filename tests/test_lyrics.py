"""Lyrics as data: what cannot be is refused, and what is keeps its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Line, Lyrics, Segment, Word, find_words, join_words

KINDS: list[Callable[[float, float], object]] = [
    Segment,
    lambda start, end: Word(start, end, "a"),
    lambda start, end: Line(start, end, "a"),
]

nan, inf = float("nan"), float("inf")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("start", "end"), [(-0.1, 1), (2, 1), (nan, 1), (0, nan), (0, inf), (inf, inf)])
def test_spans_no_clock_can_show(kind: Callable[[float, float], object], start: float, end: float) -> None:
    with pytest.raises(ValueError, match="needs 0 <= start <= end < inf in seconds, got start="):
        kind(start, end)


@pytest.mark.parametrize("kind", KINDS)
def test_an_instant_is_a_span(kind: Callable[[float, float], object]) -> None:
    assert kind(0, 0) == kind(0.0, 0.0)


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\r\n"])
def test_a_line_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="a Line holds one line of text"):
        Line(0, 1, text)


def test_duration() -> None:
    assert Segment(1.5, 4.0).duration == 2.5


def test_text() -> None:
    assert Lyrics((Line(0, 1, "one"), Line(1, 2, "two"))).text == "one\ntwo"
    assert Lyrics().text == ""


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Segment(0, 1).start = 2  # type: ignore[misc]


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 99)).map(sorted)))
def test_segments_sort_by_start_then_end(spans: list[list[float]]) -> None:
    segments = sorted(Segment(*span) for span in spans)
    assert [[s.start, s.end] for s in segments] == sorted(spans)


def test_a_table_has_a_row_per_word_and_one_for_a_line_without_words() -> None:
    words = (Word(1.0, 1.5, "One", 0.9), Word(1.5, 2.0, "two,", 0.5))
    table = Lyrics((Line(1, 2, "One two,", words), Line(3, 4.5, "three four"))).to_dataframe()
    assert list(table.columns) == ["line", "word", "start", "end", "text", "probability"]
    assert table["line"].tolist() == [0, 0, 1]
    assert table["word"].isna().tolist() == [False, False, True]
    assert table["word"].dropna().tolist() == [0, 1]
    assert table["start"].tolist() == [1.0, 1.5, 3.0]
    assert table["end"].tolist() == [1.5, 2.0, 4.5]
    assert table["text"].tolist() == ["One", "two,", "three four"]
    assert table["probability"].dropna().tolist() == [0.9, 0.5]


def test_the_table_of_an_instrumental_has_its_columns_and_types_but_no_rows() -> None:
    table = Lyrics().to_dataframe()
    assert table.empty
    filled = Lyrics((Line(0, 1, "a", (Word(0, 1, "a"),)),)).to_dataframe()
    numbers = ["line", "word", "start", "end", "probability"]
    assert table[numbers].dtypes.to_dict() == filled[numbers].dtypes.to_dict()
