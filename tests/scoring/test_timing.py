"""Lines and words with known errors; the mistakes one makes with them; then invariants."""

from __future__ import annotations

from dataclasses import fields, replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Line, Word
from lyricsep.scoring.timing import TOLERANCE, Owner, TimingCounts, score_timing

REFERENCE = (
    Line(1.0, 2.0, "a b", (Word(1.0, 1.5, "a"), Word(1.5, 2.0, "b"))),
    Line(4.0, 6.0, "c d", (Word(4.0, 5.0, "c"), Word(5.0, 6.0, "d"))),
)
OWNERS = (Owner(0, 0), Owner(0, 1), Owner(1, 0), Owner(1, 1))
ALL = [(0, 0), (1, 1), (2, 2), (3, 3)]


def moved(lines: tuple[Line, ...], *shifts: float) -> tuple[Line, ...]:
    """Shift each line with its words."""
    return tuple(
        replace(
            line,
            start=line.start + shift,
            end=line.end + shift,
            words=tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in line.words),
        )
        for line, shift in zip(lines, shifts, strict=True)
    )


def test_the_same_times() -> None:
    found = score_timing(REFERENCE, REFERENCE, ALL, OWNERS, OWNERS)
    assert found == TimingCounts(
        n_lines=2, n_matched=2, n_start_within=2, n_timed_words=4, n_words=4, n_word_start_within=4
    )
    assert found.coverage == found.start_within == found.word_coverage == found.word_start_within == 1
    assert found.start_error == found.end_error == found.word_start_error == found.word_end_error == 0


def test_early_and_late_do_not_cancel() -> None:
    found = score_timing(REFERENCE, moved(REFERENCE, 0.25, -0.5), ALL, OWNERS, OWNERS)
    assert (found.sum_start_error, found.sum_end_error, found.n_start_within) == (0.75, 0.75, 1)
    assert (found.sum_word_start_error, found.sum_word_end_error, found.n_word_start_within) == (1.5, 1.5, 2)
    assert found.start_error == found.word_start_error == 0.375
    assert found.start_within == found.word_start_within == 0.5


def test_starts_and_ends_are_told_apart() -> None:
    late = (replace(REFERENCE[0], start=1.25, end=3.0, words=(Word(1.125, 1.75, "a"), Word(2.0, 3.0, "b"))),)
    found = score_timing(REFERENCE[:1], late, ALL[:2], OWNERS[:2], OWNERS[:2])
    assert (found.start_error, found.end_error, found.n_start_within) == (0.25, 1.0, 1)
    assert (found.word_start_error, found.word_end_error) == (0.3125, 0.625)
    assert found.n_word_start_within == 1


@pytest.mark.parametrize(("start", "n_within"), [(1.3, 1), (0.7, 1), (1.301, 0), (0.699, 0)])
def test_the_tolerance_itself_is_within(start: float, n_within: int) -> None:
    assert TOLERANCE == 0.3
    hypothesis = [Line(start, 2.0, "a b")]
    assert score_timing(REFERENCE[:1], hypothesis, [(0, 0)], OWNERS[:2], [Owner(0)]).n_start_within == n_within


def test_words_without_times_match_lines_only() -> None:
    untimed = [replace(owner, word=None) for owner in OWNERS]
    found = score_timing(REFERENCE, REFERENCE, ALL, OWNERS, untimed)
    assert (found.n_matched, found.n_timed_words, found.n_words, found.word_coverage) == (2, 4, 0, 0)
    assert isnan(found.word_start_error)
    found = score_timing(REFERENCE, REFERENCE, ALL, untimed, OWNERS)
    assert (found.n_matched, found.n_timed_words, found.n_words) == (2, 0, 0)
    assert isnan(found.word_coverage)


def test_what_was_not_hit_is_not_timed() -> None:
    # The first line was heard wrong; its times are far off, and count as not covered.
    found = score_timing(REFERENCE, moved(REFERENCE, 20, 0.125), [(3, 2)], OWNERS, OWNERS)
    assert (found.n_lines, found.n_matched, found.coverage) == (2, 1, 0.5)
    assert found.start_error == 0.125
    # Word 3 of the reference was hit by word 2 of the hypothesis, which is a second earlier.
    assert (found.n_words, found.word_coverage, found.word_start_error) == (1, 0.25, 0.875)


def test_a_line_is_matched_where_most_of_its_words_are() -> None:
    reference = [Line(10, 20, "a b c")]
    hypothesis = [Line(3, 10.5, "x a"), Line(10.25, 21, "b c")]
    found = score_timing(
        reference, hypothesis, [(0, 1), (1, 2), (2, 3)], [Owner(0)] * 3, [Owner(0)] * 2 + [Owner(1)] * 2
    )
    assert (found.sum_start_error, found.sum_end_error) == (0.25, 1.0)


def test_of_equals_the_earlier_line_is_matched() -> None:
    reference = [Line(10, 20, "a b")]
    hypothesis = [Line(9, 12, "a"), Line(13, 20, "b")]
    for pairs in ([(0, 0), (1, 1)], [(1, 1), (0, 0)]):
        found = score_timing(reference, hypothesis, pairs, [Owner(0)] * 2, [Owner(0), Owner(1)])
        assert (found.sum_start_error, found.sum_end_error) == (1, 8)


def test_one_line_may_match_two() -> None:
    reference = [Line(1, 2, "a"), Line(2, 3, "b")]
    found = score_timing(reference, [Line(1, 3, "a b")], [(0, 0), (1, 1)], [Owner(0), Owner(1)], [Owner(0)] * 2)
    assert (found.n_matched, found.sum_start_error, found.sum_end_error) == (2, 1, 1)


def test_the_first_of_a_pair_is_the_reference() -> None:
    # Three words against two: swapped, the indices do not even exist.
    reference, hypothesis = [Line(0, 1, "a b c")], [Line(0.5, 3, "b c")]
    pairs = [(1, 0), (2, 1)]
    found = score_timing(reference, hypothesis, pairs, [Owner(0)] * 3, [Owner(0)] * 2)
    assert (found.sum_start_error, found.sum_end_error) == (0.5, 2)
    with pytest.raises(ValueError, match="each of the 2 words of the reference to be hit at most once"):
        score_timing(hypothesis, reference, pairs, [Owner(0)] * 2, [Owner(0)] * 3)


def test_nothing() -> None:
    empty = score_timing([], [], [], [], [])
    assert empty == TimingCounts()
    for name in ("coverage", "start_error", "end_error", "start_within"):
        assert isnan(getattr(empty, name))
        assert isnan(getattr(empty, f"word_{name}"))
    silent = score_timing(REFERENCE, [], [], OWNERS, [])
    assert (silent.coverage, silent.word_coverage) == (0, 0)
    assert isnan(silent.start_error)


@pytest.mark.parametrize("pairs", [[(4, 0)], [(0, 4)], [(-1, 0)], [(0, -1)], [(0, 0), (0, 1)], [(0, 1), (1, 1)]])
def test_hits_that_cannot_be(pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"each of the 4 words of the \w+ to be hit at most once"):
        score_timing(REFERENCE, REFERENCE, pairs, OWNERS, OWNERS)


@pytest.mark.parametrize("owner", [Owner(2), Owner(-1), Owner(0, 2), Owner(0, -1)])
def test_words_that_stand_nowhere(owner: Owner) -> None:
    with pytest.raises(ValueError, match="word 1 of the reference belongs to no line or word"):
        score_timing(REFERENCE, REFERENCE, [], [OWNERS[0], owner], OWNERS)
    with pytest.raises(ValueError, match="word 0 of the hypothesis belongs to no line or word"):
        score_timing(REFERENCE, REFERENCE, [], OWNERS, [owner])


shifts = st.integers(-64, 64).map(lambda n: n / 64)  # no rounding


@given(shifts, shifts, st.sets(st.sampled_from(ALL)))
def test_swapping_the_sides_keeps_the_errors(first: float, second: float, hits: set[tuple[int, int]]) -> None:
    # Both sides have the same lines, so that each line matches its own.
    other = moved(REFERENCE, first, second)
    there = score_timing(REFERENCE, other, sorted(hits), OWNERS, OWNERS)
    assert there == score_timing(other, REFERENCE, sorted(hits), OWNERS, OWNERS)
    touched = {OWNERS[index].line for index, _ in hits}
    assert there.n_matched == len(touched)
    assert there.sum_start_error == sum(abs((first, second)[line]) for line in touched)
    assert there.n_words == len(hits)


@given(shifts, shifts)
def test_counts_of_songs_add_up(first: float, second: float) -> None:
    of_lines = [
        score_timing((line,), moved((line,), shift), ALL[:2], OWNERS[:2], OWNERS[:2])
        for line, shift in zip(REFERENCE, (first, second), strict=True)
    ]
    whole = score_timing(REFERENCE, moved(REFERENCE, first, second), ALL, OWNERS, OWNERS)
    assert of_lines[0] + of_lines[1] == whole
    assert of_lines[0] + TimingCounts() == of_lines[0]
    assert all(getattr(whole, f.name) >= 0 for f in fields(whole))
