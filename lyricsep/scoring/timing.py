"""Score line and word times against the reference: mean errors, and shares within a tolerance.

Task: lyrics are transcribed, not given, so only correctly transcribed words can be compared. Words are compared if
the alignment of the texts matches them; a line of the reference is compared with the line of the hypothesis that has
most of its words, and excluded if none of its words was hit.

Metrics, as in lyrics-to-audio alignment: the average absolute error (AAE), and the share of onsets within
`TOLERANCE` (PCO, percentage of correct onsets). In alignment, every word is matched by definition; here, these
metrics must be read together with the coverage.

Counts are summed over songs; rates are derived from the sums.

References
----------
MIREX, Automatic Lyrics-to-Audio Alignment; ``absolute_error`` and ``percentage_correct`` of mir_eval.alignment.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from lyricsep.lyrics import Line, Word
from lyricsep.scoring.counts import share
from lyricsep.scoring.tokens import letters_of, spread, tokenize
from lyricsep.scoring.words import score

TOLERANCE = 0.3
"""Largest error of a correct onset, in seconds (MIREX)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Position of a scored word: its line, and its `Word` in `Line.words`, both from 0; several words may share one.

    The `Word` is None if its time is unknown.
    """

    line: int
    word: int | None = None


@dataclass(frozen=True, slots=True)
class TimingCounts:
    """Timing errors of one or more songs.

    Parameters
    ----------
    n_lines, n_matched : int
        Lines of the reference, and those matched to a line of the hypothesis.
    sum_start_error, sum_end_error : float
        Sums of absolute errors of the matched lines, in seconds.
    n_start_within : int
        Matched lines that start within `TOLERANCE`.
    n_timed_words, n_words : int
        Scored words of the reference with a known time, and those of them that were hit by a word with a known time.
    sum_word_start_error, sum_word_end_error : float
        Sums of absolute errors of these hits, in seconds.
    n_word_start_within : int
        Hits that start within `TOLERANCE`.
    """

    n_lines: int = 0
    n_matched: int = 0
    sum_start_error: float = 0.0
    sum_end_error: float = 0.0
    n_start_within: int = 0
    n_timed_words: int = 0
    n_words: int = 0
    sum_word_start_error: float = 0.0
    sum_word_end_error: float = 0.0
    n_word_start_within: int = 0

    def __add__(self, other: TimingCounts) -> TimingCounts:
        return TimingCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def coverage(self) -> float:
        """Share of the reference's lines that are matched; NaN without lines."""
        return share(self.n_matched, self.n_lines)

    @property
    def start_error(self) -> float:
        """Mean absolute error of the starts of matched lines, seconds; NaN if none is matched."""
        return share(self.sum_start_error, self.n_matched)

    @property
    def end_error(self) -> float:
        """Mean absolute error of the ends of matched lines, seconds; NaN if none is matched."""
        return share(self.sum_end_error, self.n_matched)

    @property
    def start_within(self) -> float:
        """Share of the matched lines that start within `TOLERANCE`; NaN if none is matched."""
        return share(self.n_start_within, self.n_matched)

    @property
    def word_coverage(self) -> float:
        """Share of the reference's timed words that were hit by a timed word; NaN without timed words."""
        return share(self.n_words, self.n_timed_words)

    @property
    def word_start_error(self) -> float:
        """Mean absolute error of the starts of words (AAE), seconds; NaN if no timed word was hit."""
        return share(self.sum_word_start_error, self.n_words)

    @property
    def word_end_error(self) -> float:
        """Mean absolute error of the ends of words, seconds; NaN if no timed word was hit."""
        return share(self.sum_word_end_error, self.n_words)

    @property
    def word_start_within(self) -> float:
        """Share of the words that start within `TOLERANCE` (PCO); NaN if no timed word was hit."""
        return share(self.n_word_start_within, self.n_words)


def time_lines(reference: Sequence[Line], hypothesis: Sequence[Line], language: str) -> TimingCounts:
    """Align the words of lines, and compare the times of matched words and lines.

    Parameters
    ----------
    reference, hypothesis : sequence of Line
        The lines, with tags or without.
    language : str
        ISO 639 code, used to tokenize both.
    """
    pairs, n_reference, n_hypothesis = [], 0, 0
    for edit in score(_text(reference), _text(hypothesis), language).edits:
        if edit.kind == "hit":
            pairs.append((n_reference, n_hypothesis))
        n_reference += edit.reference is not None
        n_hypothesis += edit.hypothesis is not None
    return score_timing(reference, hypothesis, pairs, _owners(reference, language), _owners(hypothesis, language))


def _text(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _owners(lines: Sequence[Line], language: str) -> list[Owner]:
    """Return the position of every scored word; each line is tokenized independently of the others."""
    owners = []
    for index, line in enumerate(lines):
        letters = [number for number, word in enumerate(line.words) for _ in letters_of(word.text)]
        words = [word.text for word in tokenize(line.text, language).words]
        owners += [Owner(index, word) for word in spread(words, letters)]
    return owners


def score_timing(
    reference: Sequence[Line],
    hypothesis: Sequence[Line],
    pairs: Sequence[tuple[int, int]],
    reference_words: Sequence[Owner],
    hypothesis_words: Sequence[Owner],
) -> TimingCounts:
    """Compare the times of matched lines and words.

    Parameters
    ----------
    reference, hypothesis : sequence of Line
        The lines.
    pairs : sequence of tuple of int
        The hits of the word alignment: index into `reference_words`, index into `hypothesis_words`.
    reference_words, hypothesis_words : sequence of Owner
        Position of each scored word.
    """
    _check_owners("reference", reference_words, reference)
    _check_owners("hypothesis", hypothesis_words, hypothesis)
    _check_hits("reference", [pair[0] for pair in pairs], len(reference_words))
    _check_hits("hypothesis", [pair[1] for pair in pairs], len(hypothesis_words))
    hits = [(reference_words[of_reference], hypothesis_words[of_hypothesis]) for of_reference, of_hypothesis in pairs]
    lines = [(reference[a], hypothesis[b]) for a, b in _match_lines(hits).items()]
    words = [
        (reference[a.line].words[a.word], hypothesis[b.line].words[b.word])
        for a, b in hits
        if a.word is not None and b.word is not None
    ]
    start, end, within = _errors(lines)
    word_start, word_end, word_within = _errors(words)
    return TimingCounts(
        n_lines=len(reference),
        n_matched=len(lines),
        sum_start_error=start,
        sum_end_error=end,
        n_start_within=within,
        n_timed_words=sum(owner.word is not None for owner in reference_words),
        n_words=len(words),
        sum_word_start_error=word_start,
        sum_word_end_error=word_end,
        n_word_start_within=word_within,
    )


def _match_lines(hits: Sequence[tuple[Owner, Owner]]) -> dict[int, int]:
    """Return for each line of the reference the line of the hypothesis with most hits; the earlier one in a tie."""
    shared = Counter((a.line, b.line) for a, b in hits)
    best: dict[int, int] = {}
    for (of_reference, of_hypothesis), n_hits in sorted(shared.items()):
        if of_reference not in best or n_hits > shared[of_reference, best[of_reference]]:
            best[of_reference] = of_hypothesis
    return best


def _errors(matched: Sequence[tuple[Line, Line]] | Sequence[tuple[Word, Word]]) -> tuple[float, float, int]:
    """Return the sums of absolute start and end errors, and the number of starts within the tolerance."""
    starts = [abs(a.start - b.start) for a, b in matched]
    ends = [abs(a.end - b.end) for a, b in matched]
    # Round to microseconds: the error of 1.3 against 1.0 is 0.3 despite rounding errors.
    return math.fsum(starts), math.fsum(ends), sum(round(error, 6) <= TOLERANCE for error in starts)


def _check_owners(of: str, owners: Sequence[Owner], lines: Sequence[Line]) -> None:
    for index, owner in enumerate(owners):
        is_there = 0 <= owner.line < len(lines)
        if is_there and (owner.word is None or 0 <= owner.word < len(lines[owner.line].words)):
            continue
        raise ValueError(f"word {index} of the {of} belongs to no line or word of its {len(lines)} lines: {owner}")


def _check_hits(of: str, indices: Sequence[int], n_words: int) -> None:
    if len(set(indices)) < len(indices) or not all(0 <= index < n_words for index in indices):
        raise ValueError(f"expected each of the {n_words} words of the {of} to be hit at most once, got {indices}")
