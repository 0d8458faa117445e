"""Lyrics as data: what cannot be is refused, and what is keeps its order."""

from __future__ import annotations

from collections.abc import Callable

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
    with pytest.raises(ValueError, match=r"needs 0 <= start <= end < 3.6e\+12 s, got start="):
        kind(start, end)


@pytest.mark.parametrize("kind", KINDS)
def test_an_instant_is_a_span(kind: Callable[[float, float], object]) -> None:
    assert kind(0, 0) == kind(0.0, 0.0)


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\r\n"])
def test_a_line_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="a Line holds one line of text"):
        Line(0, 1, text)


def test_text() -> None:
    assert Lyrics((Line(0, 1, "one"), Line(1, 2, "two"))).text == "one\ntwo"
    assert Lyrics().text == ""


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 99)).map(sorted)))
def test_segments_sort_by_start_then_end(spans: list[list[float]]) -> None:
    segments = sorted(Segment(*span) for span in spans)
    assert [[s.start, s.end] for s in segments] == sorted(spans)


def test_the_line_says_which_words_a_space_precedes() -> None:
    words = (Word(0, 1, "l", space_before=False), Word(1, 2, "'un"), Word(2, 3, "a-t"), Word(3, 4, "-il"))
    line = Line(0, 4, "l'un a-t-il", words)
    assert [word.space_before for word in line.words] == [True, False, True, False]
    assert join_words(line.words) == line.text
    # Where the words are not those of the text, nothing is known.
    assert Line(0, 4, "something else", words).words == words
    assert Line(0, 4, "l'un", (Word(0, 1, " "),)).words == (Word(0, 1, " "),)
    assert Line(0, 4, "l'un").words == ()


def test_words_are_found_in_order() -> None:
    words = [Word(0, 1, "a"), Word(1, 2, "b"), Word(2, 3, "a")]
    assert find_words("a b a", words) == [0, 2, 4]
    assert find_words("a a b", words) == find_words("", words) == find_words("a", []) == []
