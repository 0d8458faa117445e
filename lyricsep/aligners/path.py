"""One path through a whole song: when each letter of the lyrics is sung, and where nobody sings between words.

A model that listens gives evidence: for a passage of the song and a passage of the lyrics, a matrix of how strongly
each letter is heard at each tick. Passages may overlap; where several cover the same letter and tick, their mean
counts. The path goes through all letters in order, and may pause before every word: a pause scores by how silent the
vocals are, so that a word neither starts nor lasts in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TICK = 0.02  # seconds, of Whisper's encoder
TICK_SAMPLES = 320  # at 16 kHz

LOUD_PERCENTILE = 95  # of the levels of the vocals: as loud as this song is sung
QUIET_BY = 20.0  # dB below that, a tick is as likely silent as sung
SLOPE = 3.0  # dB that change the odds by a factor of e

# In units of the evidence, which is near 1 where a letter is clearly heard and near 0.05 elsewhere.
PAUSE = 0.06  # score of a pause where somebody sings
SILENCE = 1.0  # gained by a pause in silence
UNHEARD = -1.0  # score of a letter at a tick that no evidence covers


@dataclass(frozen=True, eq=False)
class Evidence:
    """How strongly the letters of a passage are heard at each tick.

    Parameters
    ----------
    first_letter, first_tick : int
        Where the matrix begins in the lyrics and in the song.
    scores : ndarray, shape (n_letters, n_ticks)
        At least one of each.
    """

    first_letter: int
    first_tick: int
    scores: NDArray[np.float32]

    @property
    def letters(self) -> slice:
        """Its letters, in the lyrics."""
        return slice(self.first_letter, self.first_letter + self.scores.shape[0])

    @property
    def ticks(self) -> slice:
        """Its ticks, in the song."""
        return slice(self.first_tick, self.first_tick + self.scores.shape[1])


class NoPathError(ValueError):
    """Letters do not fit where they should be sung."""


@dataclass(frozen=True, eq=False)
class WordPath:
    """What a path found.

    Parameters
    ----------
    starts, ends : ndarray of int, shape (n_words,)
        First tick of each word, and the tick after its last.
    letters : ndarray of int, shape (n_ticks,)
        The letter sung at each tick; -1 in a pause.
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    letters: NDArray[np.intp]


def silence_of(vocals: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute how silent the vocals are at each tick: 0 where somebody sings, 1 where nobody does.

    Parameters
    ----------
    vocals : ndarray, shape (n_samples,)
        float32 mono at 16 kHz.

    Returns
    -------
    ndarray, shape (n_ticks,)
        Of whole ticks and the one that the signal ends in.
    """
    if not len(vocals):
        return np.empty(0)
    n_ticks = -(-len(vocals) // TICK_SAMPLES)
    padded = np.zeros(n_ticks * TICK_SAMPLES, np.float32)
    padded[: len(vocals)] = vocals
    frames = padded.reshape(n_ticks, TICK_SAMPLES)
    power = np.pad(np.einsum("ij,ij->i", frames, frames) / TICK_SAMPLES, 1, mode="edge").astype(np.float64)
    level = 10 * np.log10((power[:-2] + power[1:-1] + power[2:]) / 3 + 1e-10)
    quiet = np.percentile(level, LOUD_PERCENTILE) - QUIET_BY
    silence: NDArray[np.float64] = 1 / (1 + np.exp(np.clip((level - quiet) / SLOPE, -30, 30)))
    return silence


def find_path(
    evidence: Sequence[Evidence], word_starts: Sequence[int], n_letters: int, silence: NDArray[np.float64]
) -> WordPath:
    """Find the best path, by the Viterbi algorithm.

    Parameters
    ----------
    evidence : sequence of Evidence
        Every letter is in at least one, and their ticks leave room for all.
    word_starts : sequence of int
        The first letter of each word; rises from 0.
    n_letters : int
        Of all words.
    silence : ndarray, shape (n_ticks,)
        From `silence_of`; ticks that no evidence covers count as silent.

    Raises
    ------
    NoPathError
        If there are more letters than ticks, in all or between two passages.
    """
    # States: a pause before each word and one after the last, and the letters between them.
    firsts = np.asarray(word_starts)
    n_words, n_ticks = len(firsts), len(silence)
    letter_states = np.arange(n_letters) + np.searchsorted(firsts, np.arange(n_letters), side="right")
    pause_states = np.append(firsts + np.arange(n_words), n_letters + n_words)
    n_states = n_letters + n_words + 1
    is_pause = np.zeros(n_states, bool)
    is_pause[pause_states] = True
    may_skip = np.append([False, False], is_pause[1:-1])  # from the word before, without the pause
    lows, highs = _bands(evidence, n_ticks, n_letters)
    covering = _covering(evidence, n_ticks)

    def rows() -> Iterator[tuple[int, NDArray[np.float64]]]:
        for tick in range(n_ticks):
            low = int(letter_states[lows[tick]]) - 1 if lows[tick] < n_letters else n_states - 1
            high = int(letter_states[highs[tick] - 1]) + 2 if highs[tick] else 1
            emission = np.full(high - low, PAUSE + SILENCE * (silence[tick] if covering[tick] else 1.0))
            passages = [evidence[index] for index in covering[tick]]
            emission[letter_states[lows[tick] : highs[tick]] - low] = _heard(passages, tick, lows[tick], highs[tick])
            yield low, emission

    states = best_states(rows(), may_skip)
    if states is None:
        raise NoPathError(f"{n_letters} letters do not fit into {n_ticks} ticks")
    first_states = letter_states[firsts]
    starts = np.searchsorted(states, first_states)
    ends = np.searchsorted(states, letter_states[np.append(firsts[1:], n_letters) - 1], side="right")
    letters = np.where(is_pause[states], -1, states - np.searchsorted(pause_states, states, side="right"))
    return WordPath(starts, ends, letters)


def best_states(
    rows: Iterable[tuple[int, NDArray[np.float64]]], may_skip: NDArray[np.bool_]
) -> NDArray[np.intp] | None:
    """Return the best states by the Viterbi algorithm; None if no way leads from the first to the last.

    Parameters
    ----------
    rows : iterable of (int, ndarray)
        At each tick the first state that is possible, and the scores of it and those after it.
    may_skip : ndarray of bool, shape (n_states,)
        From each state a way leads to itself and to the next one; to these states also from the one before that.

    Returns
    -------
    ndarray of int, shape (n_ticks,), or None
        Rises from the first or second state to the last or the one before it.
    """
    n_states = len(may_skip)
    scores = np.full(n_states, -np.inf)
    scores[0] = 0.0
    moves: list[tuple[int, NDArray[np.int8]]] = []
    for low, emission in rows:
        width = len(emission)
        high = low + width
        reach = np.full((3, width), -np.inf)  # stay, go on, go on over one
        for step in range(3):
            coming = scores[max(0, low - step) : max(0, high - step)]
            reach[step, width - len(coming) :] = coming
        reach[2, ~may_skip[low:high]] = -np.inf
        move = reach.argmax(axis=0).astype(np.int8)
        best = reach[move, np.arange(width)] + emission
        scores = np.full(n_states, -np.inf)
        scores[low:high] = best
        moves.append((low, move))
    last = n_states - 1 if scores[-1] >= scores[-2] else n_states - 2
    if not np.isfinite(scores[last]):
        return None
    states = np.empty(len(moves), np.intp)
    for tick in range(len(moves) - 1, -1, -1):
        states[tick] = last
        low, move = moves[tick]
        last -= int(move[last - low])
    return states


def _bands(evidence: Sequence[Evidence], n_ticks: int, n_letters: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the letters that may be sung at each tick: those of passages that have begun and have not ended."""
    lows = np.full(n_ticks, n_letters)
    highs = np.zeros(n_ticks, np.intp)
    for one in evidence:
        lows[: one.ticks.stop] = np.minimum(lows[: one.ticks.stop], one.letters.start)
        highs[one.ticks.start :] = np.maximum(highs[one.ticks.start :], one.letters.stop)
    return lows, highs


def _covering(evidence: Sequence[Evidence], n_ticks: int) -> list[list[int]]:
    covering: list[list[int]] = [[] for _ in range(n_ticks)]
    for index, one in enumerate(evidence):
        for tick in range(one.ticks.start, min(one.ticks.stop, n_ticks)):
            covering[tick].append(index)
    return covering


def _heard(passages: Sequence[Evidence], tick: int, low: int, high: int) -> NDArray[np.float64]:
    """Return the score of each letter of a band at a tick."""
    total, count = np.zeros(max(0, high - low)), np.zeros(max(0, high - low))
    for one in passages:
        band = slice(one.letters.start - low, one.letters.stop - low)
        total[band] += one.scores[:, tick - one.first_tick]
        count[band] += 1
    return np.where(count > 0, total / np.maximum(count, 1), UNHEARD)
