"""Counts, and the rates derived from them.

Counts are summed over songs, seeds and segments; rates are derived from the sums and never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from lyricsep.documents import finite
from lyricsep.tables import Table, percent


@dataclass(frozen=True, slots=True)
class Edits:
    """Edit operations that transform a reference into a hypothesis.

    Parameters
    ----------
    hits, substitutions, deletions, insertions : int
        ``hits + substitutions + deletions`` is the length of the reference, ``hits + substitutions + insertions``
        that of the hypothesis.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Edits) -> Edits:
        return Edits(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def n_reference(self) -> int:
        """Length of the reference."""
        return self.hits + self.substitutions + self.deletions


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts of a hypothesis compared with a reference.

    Parameters
    ----------
    words : Edits
        Edits of words, case-insensitive.
    near_misses : int
        Substitutions by a word so similar that it may be a spelling variant (`lyricsep.scoring.words`).
    case_errors : int
        Hits that differ in case.
    hallucinated_insertions, hallucinated_substitutions : int
        Words in runs of more than 10 insertions, and of more than 10 substitutions (arXiv 2506.15514).
    nonlexical, backing : Edits
        Edits of the reference's words between ``<nl>`` tags, and of those in parentheses. Only the reference is
        tagged, so there are no insertions.
    punctuation, parentheses, line_breaks, section_breaks : Edits
        Edits of the other tokens, aligned together with the words (arXiv 2408.06370).
    characters : Edits
        Edits of the letters, digits and apostrophes of the words, case-insensitive, without spaces.
    """

    words: Edits = field(default_factory=Edits)
    near_misses: int = 0
    case_errors: int = 0
    hallucinated_insertions: int = 0
    hallucinated_substitutions: int = 0
    nonlexical: Edits = field(default_factory=Edits)
    backing: Edits = field(default_factory=Edits)
    punctuation: Edits = field(default_factory=Edits)
    parentheses: Edits = field(default_factory=Edits)
    line_breaks: Edits = field(default_factory=Edits)
    section_breaks: Edits = field(default_factory=Edits)
    characters: Edits = field(default_factory=Edits)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def as_fields(self) -> dict[str, int]:
        """Return the counts as named integers, such as ``substitutions`` (of words) and ``nonlexical_deletions``."""
        flat: dict[str, int] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Edits):
                prefix = "" if f.name == "words" else f.name + "_"
                flat |= {prefix + part.name: getattr(value, part.name) for part in fields(value)}
            else:
                flat[f.name] = value
        return flat

    def _repr_html_(self) -> str:
        words, found = self.words, rates(self)
        note = (
            f"{words.n_reference} words of the reference: {words.hits} hits, {words.substitutions} substituted, "
            f"{words.deletions} deleted, {words.insertions} inserted; rates in percent"
        )
        row = tuple(percent(found[name]) for name in RATES_SHOWN)
        return Table("Counts", RATES_SHOWN, (row,), 0, (note,)).html()


RATES_SHOWN = ("WER", "SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_case", "CER", "F1_punc", "F1_line", "F1_sect")

MOST = 10**12

FIELDS: tuple[str, ...] = tuple(Counts().as_fields())
"""Names of `Counts.as_fields`, in order."""


def counts_from_dict(flat: Mapping[str, int]) -> Counts:
    """Return the counts from the result of `Counts.as_fields`; other names are ignored.

    Raises
    ------
    KeyError
        If a count is missing.
    ValueError
        If a count is negative or `MOST`, which no songs have.
    """

    def count(name: str) -> int:
        value = int(flat[name])
        if not 0 <= value < MOST:
            raise ValueError(f"{name} is no count of words")
        return value

    values: list[Edits | int] = []
    for f in fields(Counts):
        prefix = "" if f.name == "words" else f.name + "_"
        if f.type == "Edits":
            values.append(Edits(*(count(prefix + part.name) for part in fields(Edits))))
        else:
            values.append(count(f.name))
    return Counts(*values)  # type: ignore[arg-type]


def pool(counts: Iterable[Counts]) -> Counts:
    """Return the sum of counts; all 0 for none."""
    return sum(counts, Counts())


def most_changed(first: Mapping[str, Counts], second: Mapping[str, Counts]) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the ten songs of two runs whose number of word errors changed most, the largest change first.

    Each comes with the steps of substitutions, deletions and insertions, second minus first; songs without any are
    left out.
    """
    words = {song: (counts.words, second[song].words) for song, counts in first.items()}
    order = sorted(words, key=lambda song: -abs(words[song][1].errors - words[song][0].errors))
    return [
        (song, (b.substitutions - a.substitutions, b.deletions - a.deletions, b.insertions - a.insertions))
        for song, (a, b) in ((song, words[song]) for song in order[:10])
        if a != b
    ]


def rates(counts: Counts) -> dict[str, float]:
    """Compute every rate of `RATES`; NaN if the denominator is 0."""
    columns = {name: np.array([value], np.float64) for name, value in counts.as_fields().items()}
    return {name: float(values[0]) for name, values in rates_of_fields(columns).items()}


def known_rates(counts: Counts) -> dict[str, float | None]:
    """Compute every rate of `RATES` as JSON has it: None if the denominator is 0."""
    return {name: finite(value) for name, value in rates(counts).items()}


def rates_of_fields(n: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Compute every rate of `RATES` for many samples at once.

    `n` has a column for each name of `FIELDS`; columns and rates have the shape (n_samples,).
    """
    length = n["hits"] + n["substitutions"] + n["deletions"]
    heard = n["hits"] + n["substitutions"] + n["insertions"]
    errors = n["substitutions"] + n["deletions"] + n["insertions"]
    n_characters = n["characters_hits"] + n["characters_substitutions"] + n["characters_deletions"]
    characters = n["characters_substitutions"] + n["characters_deletions"] + n["characters_insertions"]
    found = {
        "WER": _share(errors, length),
        "SR": _share(n["substitutions"], length),
        "DR": _share(n["deletions"], length),
        "IR": _share(n["insertions"], length),
        "IR_hal": _share(n["hallucinated_insertions"], length),
        "IR_hal_sub": _share(n["hallucinated_insertions"] + n["hallucinated_substitutions"], length),
        "DR_NL": _share(n["nonlexical_deletions"], length),
        "DR_BV": _share(n["backing_deletions"], length),
        "near": _share(n["near_misses"], length),
        "WER_near": _share(errors - n["near_misses"], length),
        "ER_case": _share(n["case_errors"], length),
        "WER_case": _share(errors + n["case_errors"], length),
        "MER": _share(errors, n["hits"] + errors),
        # 1 for an empty hypothesis, as in jiwer.
        "WIL": 1 - _share(n["hits"], length) * np.where(heard == 0, 0.0, _share(n["hits"], heard)),
        "CER": _share(characters, n_characters),
    }
    for short, kind in _KINDS.items():
        hits, substitutions = n[f"{kind}_hits"], n[f"{kind}_substitutions"]
        precision = _share(hits, hits + substitutions + n[f"{kind}_insertions"])
        recall = _share(hits, hits + substitutions + n[f"{kind}_deletions"])
        found[f"P_{short}"], found[f"R_{short}"] = precision, recall
        both = precision + recall
        # 0 where both are 0, NaN where one of them is.
        found[f"F1_{short}"] = np.where(both == 0, 0.0, _share(2 * precision * recall, both))
    return found


RATES: Mapping[str, str] = {
    "WER": "word error rate: substitutions, deletions and insertions over the words of the reference",
    "SR": "substitutions over the words of the reference",
    "DR": "deletions over the words of the reference",
    "IR": "insertions over the words of the reference",
    "IR_hal": "words in runs of over 10 insertions over the words of the reference (the paper's short-form table)",
    "IR_hal_sub": "IR_hal plus words in runs of over 10 substitutions (the paper's long-form table)",
    "DR_NL": "deleted non-lexical words over all words of the reference",
    "DR_BV": "deleted words of backing vocals over all words of the reference",
    "near": "near misses over the words of the reference",
    "WER_near": "word error rate that counts near misses as hits",
    "ER_case": "hits that differ in case over the words of the reference",
    "WER_case": "case-sensitive word error rate",
    "MER": "match error rate: errors over hits and errors",
    "WIL": "word information lost",
    "CER": "character error rate of the words, without spaces",
    **{
        f"{letter}{short}": f"{what} of {kind}"
        for short, kind in (
            ("punc", "punctuation"),
            ("pare", "parentheses"),
            ("line", "line breaks"),
            ("sect", "section breaks"),
        )
        for letter, what in (("P_", "precision"), ("R_", "recall"), ("F1_", "F-score"))
    },
}
"""The rates and their definitions."""

_KINDS = {"punc": "punctuation", "pare": "parentheses", "line": "line_breaks", "sect": "section_breaks"}


def share(part: float, whole: float) -> float:
    """Return a part of a whole; NaN if that is 0."""
    return part / whole if whole else math.nan


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole != 0, part / whole, np.nan)
