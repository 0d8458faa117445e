"""The path of the warping: openai-whisper's own, and right where one can see it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.timing import dtw_cpu

from lyricsep.transcribers.alignment import warping_path


def test_a_path_that_can_be_seen() -> None:
    costs = np.ones((3, 6))
    costs[0, :2] = costs[1, 2] = costs[2, 3:] = 0
    tokens, ticks = warping_path(costs)
    assert tokens.tolist() == [0, 0, 1, 2, 2, 2]
    assert ticks.tolist() == [0, 1, 2, 3, 4, 5]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.sampled_from(["noise", "ties", "attention"])
)
@settings(max_examples=60, deadline=None)
def test_the_same_as_openai_whisper_ties_and_rounding_included(seed: int, n: int, m: int, kind: str) -> None:
    dice = np.random.default_rng(seed)
    costs = {
        "noise": lambda: dice.standard_normal((n, m)),
        "ties": lambda: dice.integers(0, 3, (n, m)).astype(float),
        "attention": lambda: -(dice.random((n, m)).astype(np.float32).astype(float) ** 4),
    }[kind]()
    for ours, theirs in zip(warping_path(costs), dtw_cpu(costs), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 1), (224, 1500)])
def test_the_smallest_and_the_largest(shape: tuple[int, int]) -> None:
    costs = np.random.default_rng(1).standard_normal(shape)
    for ours, theirs in zip(warping_path(costs), dtw_cpu(costs), strict=True):
        assert np.array_equal(ours, theirs)
