"""Neighbours joined, up to what Whisper sees at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Segment
from lyricsep.segmentation import MAX_DURATION, merge_segments

# Edges in tenths of a second, in order.
segment_lists = st.lists(st.integers(0, 2000), unique=True, max_size=40).map(
    lambda edges: [
        Segment(start / 10, end / 10) for start, end in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)
    ]
)


def test_nothing() -> None:
    assert merge_segments([]) == []


def test_joined_while_it_fits() -> None:
    segments = [Segment(0, 10), Segment(12, 20), Segment(21, 29.5), Segment(31, 32), Segment(100, 101)]
    assert merge_segments(segments) == [Segment(0, 29.5), Segment(31, 32), Segment(100, 101)]


def test_exactly_what_fits_is_joined() -> None:
    # 31.2 - 1.2 is a little less, 30.1 - 0.1 exactly and 30.3 - 0.3 a little more than 30 in floats.
    for start in (1.2, 0.1, 0.3, 4.4):
        assert len(merge_segments([Segment(start, start + 1), Segment(start + 2, start + 30)])) == 1
    assert len(merge_segments([Segment(0, 1), Segment(2, 30 + 1 / 16_000)])) == 2


def test_a_long_one_stays() -> None:
    assert merge_segments([Segment(0, 8), Segment(9, 10)], max_duration=5) == [Segment(0, 8), Segment(9, 10)]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="max_duration must be above 0 s, got 0"):
        merge_segments([], max_duration=0)
    with pytest.raises(ValueError, match=r"in order and not overlap, got Segment\(start=1, end=3\)"):
        merge_segments([Segment(0, 2), Segment(1, 3)])


@given(segment_lists)
def test_merging_covers_all_and_is_greedy(segments: list[Segment]) -> None:
    merged = merge_segments(segments)
    assert all(any(whole.start <= part.start and part.end <= whole.end for whole in merged) for part in segments)
    assert {whole.start for whole in merged} <= {part.start for part in segments}
    assert {whole.end for whole in merged} <= {part.end for part in segments}
    for left, right in pairwise(merged):
        assert left.end < right.start
        # The first part of the right one did not fit any more.
        first = next(part for part in segments if part.start == right.start)
        assert first.end - left.start > MAX_DURATION - 1e-6


@given(segment_lists)
def test_a_merged_list_of_parts_that_fit_is_short(segments: list[Segment]) -> None:
    parts = [part for part in segments if part.duration <= MAX_DURATION]
    assert all(whole.duration <= MAX_DURATION + 1e-9 for whole in merge_segments(parts))
