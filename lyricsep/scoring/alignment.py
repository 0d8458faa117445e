"""Score the start times of known lyrics: absolute errors, and shares of starts within a tolerance.

Task: lyrics are given and were aligned to their song; reference and estimate have the same words. The figures of a
song are those of JamendoLyrics and MIREX, and as in mir_eval.alignment: mean (AAE) and median absolute error,
percentage of correct onsets (PCO), and the perceptual measure of karaoke. The figures of several songs are means over
songs, so every song counts alike.

Starts are paired by the letters of the lyrics; case and punctuation are ignored. If the letters are the same, so are
the pairs, however each side splits its words. If they differ, as in a transcription, only words that the alignment of
`lyricsep.scoring.words` matches are paired; the figures must then be read together with the share that is matched.

References
----------
Durand et al., 2023 (arXiv 2306.07744). MIREX, Automatic Lyrics-to-Audio Alignment. Lizé Masclef et al., User-centered
evaluation of lyrics-to-audio alignment, ISMIR 2021. ``mir_eval.alignment``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from lyricsep.lyrics import Line, join_words
from lyricsep.scoring.certainty import Interval, bootstrap_means
from lyricsep.scoring.counts import share
from lyricsep.scoring.tokens import letters_of, without_tags
from lyricsep.scoring.words import score

LOST = 5.0
"""A song is lost if its mean absolute error is larger, in seconds."""

ALIGNMENT_FIGURES: Mapping[str, str] = {
    "AAE": "mean absolute error of starts, seconds",
    "median": "median absolute error of starts, seconds",
    "PCO_03": "share of starts within 0.3 s",
    "PCO_01": "share of starts within 0.1 s",
    "perceptual": "perceptual measure of karaoke, 0 to 1",
    "matched": "share of the reference's starts that were compared",
    "lost": f"whether the mean absolute error exceeds {LOST:g} s; over songs, the share of such songs",
}
"""The figures and their definitions."""


@dataclass(frozen=True, slots=True)
class AlignmentScore:
    """Errors of the starts of one song's words or lines.

    Parameters
    ----------
    n_reference, n_matched : int
        Starts of the reference, and those that were compared. If none was, every error is NaN.
    mean_error, median_error : float
        Mean (AAE) and median absolute error, seconds.
    within_03, within_01 : float
        Shares of the compared starts with an error of at most 0.3 s and 0.1 s (PCO), 0 to 1.
    perceptual : float
        Mean of a skew normal curve of the errors, 0 to 1; an estimate that is early is judged milder than one that is
        late (Lizé Masclef et al., 2021).
    """

    n_reference: int
    n_matched: int
    mean_error: float
    median_error: float
    within_03: float
    within_01: float
    perceptual: float

    @property
    def matched(self) -> float:
        """Share of the reference's starts that were compared; NaN if there are none."""
        return share(self.n_matched, self.n_reference)

    @property
    def is_lost(self) -> bool:
        """Whether the mean absolute error exceeds `LOST`."""
        return self.mean_error > LOST

    def figures(self) -> dict[str, float]:
        """Return every figure of `ALIGNMENT_FIGURES`; ``lost`` is 0 or 1, NaN if no start was compared."""
        return {
            "AAE": self.mean_error,
            "median": self.median_error,
            "PCO_03": self.within_03,
            "PCO_01": self.within_01,
            "perceptual": self.perceptual,
            "matched": self.matched,
            "lost": float(self.is_lost) if self.n_matched else math.nan,
        }


def score_starts(reference: ArrayLike, estimate: ArrayLike, *, n_reference: int | None = None) -> AlignmentScore:
    """Compare the start times of the same words or lines.

    Parameters
    ----------
    reference, estimate : array_like of float, shape (n_matched,)
        Seconds; each start of the reference with its estimate.
    n_reference : int, optional
        Starts of the reference, including those without an estimate; by default there are none of these.

    Raises
    ------
    ValueError
        If the shapes differ or are not one-dimensional, a time is not finite, or `n_reference` is below `n_matched`.
    """
    wanted, found = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if wanted.ndim != 1 or wanted.shape != found.shape:
        raise ValueError(f"expected as many starts on both sides, got shapes {wanted.shape} and {found.shape}")
    if not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        raise ValueError("expected finite starts in seconds")
    total = len(wanted) if n_reference is None else n_reference
    if total < len(wanted):
        raise ValueError(f"expected at most {total} starts of the reference, got {len(wanted)}")
    if not len(wanted):
        return AlignmentScore(total, 0, *[math.nan] * 5)
    late = found - wanted
    errors = np.abs(late)
    # Round to microseconds: the error of 1.3 against 1.0 is 0.3 despite rounding errors.
    rounded = np.round(errors, 6)
    return AlignmentScore(
        n_reference=total,
        n_matched=len(wanted),
        mean_error=float(np.mean(errors)),
        median_error=float(np.median(errors)),
        within_03=float(np.mean(rounded <= 0.3)),
        within_01=float(np.mean(rounded <= 0.1)),
        perceptual=math.fsum(map(_perceived, late.tolist())) / len(late),
    )


def score_alignment(
    reference: Sequence[Line], estimate: Sequence[Line], language: str
) -> tuple[AlignmentScore | None, AlignmentScore | None]:
    """Compare the starts of words and of lines of one song.

    Parameters
    ----------
    reference, estimate : sequence of Line
        In the order of the text, with tags or without.
    language : str
        ISO 639 code, used to tokenize both if their letters differ.

    Returns
    -------
    words : AlignmentScore or None
        A word of the reference is compared if all its letters are matched, and a word of the estimate starts at the
        first. None if a side has no words with times.
    lines : AlignmentScore or None
        A line of the reference is compared if its first word is matched, and a line or word of the estimate starts
        there. None if a side has no lines.
    """
    wanted, found = _read(reference), _read(estimate)
    matched = _match_letters(wanted, found, language)
    words = _pair(wanted.words, found.words, matched) if wanted.words and found.words else None
    lines = _pair(wanted.lines, found.words | found.lines, matched) if wanted.lines and found.lines else None
    return words, lines


def mean_alignment(songs: Sequence[AlignmentScore]) -> dict[str, Interval]:
    """Return the mean over songs of each figure of `ALIGNMENT_FIGURES`, with its bootstrap interval over songs.

    Songs without a compared start count for ``matched`` only.

    Raises
    ------
    ValueError
        If there are no songs.
    """
    rows = [song.figures() for song in songs]
    return bootstrap_means({name: [row[name] for row in rows] for name in ALIGNMENT_FIGURES})


def _perceived(late: float) -> float:
    """Return how synchronous a start is perceived that is late by so many seconds.

    The density of a skew normal distribution, 2 / scale * pdf(z) * cdf(skewness * z), over its maximum; constants of
    ``mir_eval.alignment.karaoke_perceptual_metric``.
    """
    skewness, location, scale, maximum = 1.12244251, -0.22270315, 0.29779424, 1.6857
    z = (late - location) / scale
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (1 + math.erf(skewness * z / math.sqrt(2))) / scale
    return density / maximum


@dataclass(frozen=True, slots=True)
class _Start:
    """The start of a word or line in seconds, and the number of letters that must be matched for it."""

    time: float
    n_letters: int


@dataclass(slots=True)
class _Letters:
    """The letters of lyrics, and the words and lines that start at them, by the index of their first letter."""

    text: str = ""
    letters: list[str] = field(default_factory=list)
    words: dict[int, _Start] = field(default_factory=dict)
    lines: dict[int, _Start] = field(default_factory=dict)


def _read(lines: Sequence[Line]) -> _Letters:
    read = _Letters(text="\n".join(join_words(line.words) if line.words else line.text for line in lines))
    for line in lines:
        first_word = 0
        for text, start in [(word.text, word.start) for word in line.words] or _untimed_words(line):
            letters = [letter.lower() for letter in letters_of(without_tags(text))]
            if not letters:
                continue
            position = len(read.letters)
            if start is not None:
                read.words[position] = _Start(start, len(letters))
            if not first_word:
                first_word = len(letters)
                read.lines[position] = _Start(line.start, first_word)
            read.letters += letters
    return read


def _untimed_words(line: Line) -> list[tuple[str, None]]:
    return [(text, None) for text in without_tags(line.text).split()]


def _match_letters(reference: _Letters, estimate: _Letters, language: str) -> dict[int, int]:
    """Return for each matched letter of the reference the index of the estimate's letter."""
    if reference.letters == estimate.letters:
        return {index: index for index in range(len(reference.letters))}
    matched: dict[int, int] = {}
    of_reference = of_estimate = 0
    for edit in score(reference.text, estimate.text, language).edits:
        n_reference = len(letters_of(edit.reference.text)) if edit.reference else 0
        n_estimate = len(letters_of(edit.hypothesis.text)) if edit.hypothesis else 0
        if edit.kind == "hit":
            matched |= {of_reference + k: of_estimate + k for k in range(min(n_reference, n_estimate))}
        of_reference += n_reference
        of_estimate += n_estimate
    return matched


def _pair(
    reference: Mapping[int, _Start], estimate: Mapping[int, _Start], matched: Mapping[int, int]
) -> AlignmentScore:
    pairs = [
        (start.time, estimate[matched[first]].time)
        for first, start in reference.items()
        if matched.get(first) in estimate
        and all(matched.get(first + k) == matched[first] + k for k in range(start.n_letters))
    ]
    return score_starts([a for a, _ in pairs], [b for _, b in pairs], n_reference=len(reference))
