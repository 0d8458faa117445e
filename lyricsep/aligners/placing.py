"""Which words are sung in which segment: the partition of known lyrics by their likelihood.

A state is "so many words are placed after this segment". From each of the best states, one pass of the model over
the next words gives the log-probability of every token and, after every word, of the end of the text; dynamic
programming over the segments gives the best partition of the song. Words may be left out between two segments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_STATES = 16  # from which the next segment is tried
# Beyond the best ones, states a few words apart are one: a passage that could stand in several places keeps them all,
# and the words at the border of two segments are timed together anyway.
N_BEST, APART = 4, 2
BEHIND = 40.0  # nats behind the best, from which on a state is given up: half of the passes, for the same result
N_LEFT_OUT = 8  # further states, in which lines are left out
WORTH = 2.5  # nats that a token gains by being placed, or few words would always be the most probable
FLOOR = -7.0  # nats; a token that is heard even worse is one that Whisper does not know
# Nats that a word costs at most, or one wrong word among right ones would cost more than a line that is left out.
UNKNOWN_WORD = 4.0
LEFT_OUT = 0.5  # nats that a word costs which is placed nowhere
LEAVING_OUT = 30.0  # nats that a run of them costs: a verse is left out as a whole, a word that is ill heard is not
# First, so many standard deviations more words than expected are heard; all where the best number is near their end.
AHEAD, NEAR_END = 2.0, 0.8
# Nobody sings many times faster here than there: an expected number of words by the segment's share of the sung
# time, with a standard deviation of a quarter of it and three words.
RATE = 2.0
SPREAD, SPREAD_WORDS = 0.25, 3.0
MOST_RATE = 20.0  # nats; a song within a long mix, or without one of its verses, is not by this rule


@dataclass(frozen=True, eq=False)
class Likelihoods:
    """What the model says of the words from one on, in one segment.

    Parameters
    ----------
    tokens : ndarray, shape (n_tokens,)
        Log-probability of each token, given those before.
    ends : ndarray, shape (n_words + 1,)
        Log-probability that the text ends before the first word, and after each.
    counts : ndarray of int, shape (n_words + 1,)
        Tokens up to there; ``counts[0]`` is 0.
    """

    tokens: NDArray[np.float64]
    ends: NDArray[np.float64]
    counts: NDArray[np.intp]


@dataclass(frozen=True)
class Placement:
    """The words of a segment.

    Parameters
    ----------
    first, last : int
        From the first word up to, not including, the last.
    logprobs : tuple of float
        Mean log-probability of the tokens of each of these words.
    """

    first: int
    last: int
    logprobs: tuple[float, ...]


def place_words(
    resumptions: Sequence[int],
    n_words: int,
    durations: Sequence[float],
    listen: Callable[[int, Sequence[int], int], Sequence[Likelihoods]],
) -> list[Placement]:
    """Place words into segments.

    Parameters
    ----------
    resumptions : sequence of int
        Words that may follow words that are left out: the first of each section, or of each line.
    n_words : int
        Of the lyrics.
    durations : sequence of float
        Seconds of each segment.
    listen : callable
        Called with a segment, some first words, and a number of words; returns, from each of them on, the likelihoods
        of so many words, or of fewer where the lyrics end or no more can be sung there.

    Returns
    -------
    list of Placement
        One for each segment, in order; a segment may hold no words, and a word may be in none.
    """
    states: dict[int, _State] = {0: _State(0.0, ())}
    total = sum(durations)
    for segment, duration in enumerate(durations):
        starts = _best(states)
        expected = n_words * duration / total
        reached: dict[int, tuple[float, int, Likelihoods, int]] = {}
        n_heard = max(1, round(expected + AHEAD * (SPREAD * expected + SPREAD_WORDS)))
        hearings = dict(zip(starts, listen(segment, starts, n_heard), strict=True))
        more = [
            first
            for first, heard in hearings.items()
            if len(heard.counts) == n_heard + 1 and _gains(heard, expected).argmax() > NEAR_END * n_heard
        ]
        if more:
            hearings |= dict(zip(more, listen(segment, more, n_words), strict=True))
        for first, heard in hearings.items():
            worths = states[first].worth + _gains(heard, expected)
            for count, worth in enumerate(worths.tolist()):
                if first + count not in reached or worth > reached[first + count][0]:
                    reached[first + count] = worth, first, heard, count
        states = {
            end: _State(worth, (*states[first].placements, _placement(first, heard, count)))
            for end, (worth, first, heard, count) in reached.items()
        }
        states |= _left_out(states, [*resumptions, n_words])
    return list(states[n_words].placements)


def _gains(heard: Likelihoods, expected: float) -> NDArray[np.float64]:
    """Return what a segment gains by each number of words, of which some are expected in it; (n_words + 1,)."""
    n_words = np.arange(len(heard.counts))
    rate = np.minimum(RATE * ((n_words - expected) / (SPREAD * expected + SPREAD_WORDS)) ** 2, MOST_RATE)
    tokens = np.append(0.0, np.cumsum(np.maximum(heard.tokens, FLOOR) + WORTH))[heard.counts]
    words = np.append(0.0, np.cumsum(np.maximum(np.diff(tokens), -UNKNOWN_WORD)))
    gains: NDArray[np.float64] = words + np.maximum(heard.ends, FLOOR) - rate
    return gains


@dataclass(frozen=True)
class _State:
    """So many words are placed or left out after a segment; this is what it is worth, and where they are."""

    worth: float
    placements: tuple[Placement, ...]
    is_left_out: bool = False


def _left_out(states: Mapping[int, _State], resumptions: Sequence[int]) -> dict[int, _State]:
    """Return the states in which words are left out up to a resumption, where they are worth more."""
    found = {}
    for n in resumptions:
        before = [(state.worth - LEAVING_OUT - LEFT_OUT * (n - m), m) for m, state in states.items() if m < n]
        if before:
            worth, m = max(before)
            if n not in states or worth > states[n].worth:
                found[n] = _State(worth, states[m].placements, is_left_out=True)
    return found


def _best(states: Mapping[int, _State]) -> list[int]:
    """Return the states to go on from, the best first."""
    ranked = sorted(states, key=lambda n: -states[n].worth)
    least = states[ranked[0]].worth - BEHIND
    kept: list[int] = []
    for n in ranked:
        is_apart = len(kept) < N_BEST or all(abs(n - other) > APART for other in kept)
        if is_apart and states[n].worth >= least and not states[n].is_left_out:
            kept.append(n)
    return kept[:N_STATES] + [n for n in ranked if states[n].is_left_out][:N_LEFT_OUT]


def _placement(first: int, heard: Likelihoods, count: int) -> Placement:
    sums = np.append(0.0, np.cumsum(heard.tokens))[heard.counts[: count + 1]]
    means = np.diff(sums) / np.diff(heard.counts[: count + 1])
    return Placement(first, first + count, tuple(means.tolist()))
