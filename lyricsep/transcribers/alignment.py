"""Conversion of aligned tokens to words with times, the same for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.transcribers.tokens import TICK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.transcribers.whisper_internals import Tokenizer

# Punctuation that belongs to the next and to the previous word (openai-whisper `add_word_timestamps`)
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True)
class AlignedWord:
    """A word with times in its clip.

    Parameters
    ----------
    tokens : tuple of int
        The word's tokens, including its punctuation.
    start, end : float
        Seconds from the start of the clip.
    probability : float
        Mean probability of its tokens, 0 to 1.
    """

    tokens: tuple[int, ...]
    start: float
    end: float
    probability: float


def aligned_words(
    tokenizer: Tokenizer,
    tokens: Sequence[int],
    path: tuple[NDArray[np.integer], NDArray[np.integer]],
    probabilities: Sequence[float],
) -> list[AlignedWord]:
    """Group aligned tokens into words with times (openai-whisper `find_alignment`).

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the language, which decides where words end.
    tokens : sequence of int
        Text without timestamps; at least one.
    path : pair of ndarray
        Warping path: for each step the index of a token, and the tick at which it is sung. Indices rise from 0 to
        ``len(tokens)``, which is the end of the text.
    probabilities : sequence of float
        Of each token, 0 to 1.

    Returns
    -------
    list of AlignedWord
        In order; their concatenated tokens are `tokens`.
    """
    from lyricsep.transcribers.whisper_internals import TokenizedWord, merge_punctuation

    indices, ticks = path
    starts = ticks[np.diff(indices, prepend=-1) > 0] * TICK
    texts, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    bounds = np.cumsum([0, *(len(group) for group in groups[:-1])])
    words = [
        TokenizedWord(
            text, group, float(starts[first]), float(starts[last]), float(np.mean(probabilities[first:last]))
        )
        for text, group, first, last in zip(texts[:-1], groups[:-1], bounds[:-1], bounds[1:], strict=True)
    ]
    merged = merge_punctuation(words, PREPENDED, APPENDED)
    return [AlignedWord(tuple(w.tokens), w.start, w.end, w.probability) for w in merged]


def warping_path(costs: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the path of lowest cost through a matrix, by dynamic time warping.

    The same path as openai-whisper's `dtw_cpu`, including ties and rounding, without the two seconds that compiling
    it takes in every process: the cells of an antidiagonal depend only on the two antidiagonals before it, so they
    are computed together.

    Parameters
    ----------
    costs : ndarray, shape (n_tokens, n_ticks)
        Both at least 1.

    Returns
    -------
    tokens, ticks : ndarray, shape (n_steps,)
        From (0, 0) to the last token and tick; neither decreases.
    """
    n, m = costs.shape
    totals = np.full((n + 1, m + 1), np.inf, np.float32)
    totals[0, 0] = 0
    moves = np.zeros((n + 1, m + 1), np.int8)  # 0 both, 1 the next token, 2 the next tick
    for diagonal in range(2, n + m + 1):
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        both, token, tick = totals[i - 1, j - 1], totals[i - 1, j], totals[i, j - 1]
        move = np.where((both < token) & (both < tick), 0, np.where((token < both) & (token < tick), 1, 2))
        moves[i, j] = move
        totals[i, j] = costs[i - 1, j - 1] + np.choose(move, (both, token, tick))
    moves[0, :], moves[:, 0] = 2, 1
    path = []
    i, j = n, m
    while i or j:
        path.append((i - 1, j - 1))
        move = moves[i, j]
        i, j = i - (move != 2), j - (move != 1)
    tokens, ticks = np.array(path[::-1]).T
    return tokens, ticks
