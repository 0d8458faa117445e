"""Times of decoded words, the same for every backend.

The decoder is made to write the text once more, spelled: every word as a space, its first letter, and the rest. In a
pause its attention waits at the space, and once the first letter is written, it is where the word begins. As it was
decoded, a word would take the silence before it, and start 0.14 s early.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.transcribers.tokens import TICK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.transcribers.whisper_internals import TokenizedWord, Tokenizer

# Punctuation that belongs to the next and to the previous word (openai-whisper `add_word_timestamps`)
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"

# The attention reaches a letter after its onset: in the median of a song by 0.03 to 0.11 s, on each of the five songs
# of `data/results/alignment.md`.
LATE = 0.05  # seconds
LETTER = re.compile(r"\w")


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


@dataclass(frozen=True)
class Spelling:
    """A text as the decoder is made to write it, so that its attention times the words.

    Parameters
    ----------
    tokens : tuple of int
        What the decoder writes.
    starts, ends : tuple of int
        For each word, the number of tokens that are written when it starts and when it ends.
    late : float
        Seconds by which the attention follows the voice.
    """

    tokens: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    late: float


def decoded_words(tokenizer: Tokenizer, tokens: Sequence[int], probabilities: Sequence[float]) -> list[TokenizedWord]:
    """Group the tokens of a text into words that include their punctuation; none has times yet.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the language, which decides where words end.
    tokens : sequence of int
        Text without timestamps; at least one.
    probabilities : sequence of float
        Of each token, 0 to 1; a word's is the mean of its own, without those of its punctuation.

    Returns
    -------
    list of TokenizedWord
        In order; their concatenated tokens are `tokens`.
    """
    from lyricsep.transcribers.whisper_internals import TokenizedWord, merge_punctuation

    texts, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    bounds = np.cumsum([0, *map(len, groups[:-1])])
    words = [
        TokenizedWord(text, group, 0.0, 0.0, float(np.mean(probabilities[first:last])))
        for text, group, first, last in zip(texts[:-1], groups[:-1], bounds[:-1], bounds[1:], strict=True)
    ]
    return merge_punctuation(words, PREPENDED, APPENDED)


def spelled(tokenizer: Tokenizer, words: Sequence[TokenizedWord], most: int) -> Spelling:
    """Spell a text: every word as a space where it is written apart, its first letter, and the rest.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the language.
    words : sequence of TokenizedWord
        From `decoded_words`.
    most : int
        Maximum number of tokens. A text that is too long when spelled is written as it was decoded.
    """
    tokens: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    for word in words:
        bare = word.text.strip()
        is_apart = bool(bare) and (not tokens or word.text[0].isspace())
        tokens += tokenizer.encode(" ") if is_apart else []
        before = len(tokens)
        first, rest = _after_first_letter(bare or word.text)
        tokens += tokenizer.encode(first, disallowed_special=())
        starts.append(len(tokens))
        # The word before has ended when the space is written; without a space, it lasts until this one starts.
        ends.append(before if is_apart else len(tokens))
        tokens += tokenizer.encode(rest, disallowed_special=()) if rest else []
    tokens += tokenizer.encode(" ")
    if len(tokens) > most:
        bounds = [0, *np.cumsum([len(word.tokens) for word in words]).tolist()]
        written = tuple(token for word in words for token in word.tokens)
        return Spelling(written, tuple(bounds[:-1]), tuple(bounds[1:]), 0.0)
    return Spelling(tuple(tokens), tuple(starts), (*ends[1:], len(tokens)), LATE)


def _after_first_letter(text: str) -> tuple[str, str]:
    """Split a word after its first letter, or after its first character if it has none."""
    letter = LETTER.search(text)
    end = letter.end() if letter else 1
    return text[:end], text[end:]


def aligned_words(
    words: Sequence[TokenizedWord], spelling: Spelling, path: tuple[NDArray[np.integer], NDArray[np.integer]]
) -> list[AlignedWord]:
    """Return words with their times.

    Parameters
    ----------
    words : sequence of TokenizedWord
        From `decoded_words`.
    spelling : Spelling
        Of these words.
    path : pair of ndarray
        Warping path of the spelling: for each step the number of tokens that are written, and the tick that is
        attended to then. The numbers rise from 0 to all.
    """
    numbers, ticks = path
    times = np.maximum(ticks[np.diff(numbers, prepend=-1) > 0] * TICK - spelling.late, 0.0)
    return [
        AlignedWord(tuple(word.tokens), float(times[start]), float(times[end]), word.probability)
        for word, start, end in zip(words, spelling.starts, spelling.ends, strict=True)
    ]


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
