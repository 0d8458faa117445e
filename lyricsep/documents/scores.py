"""The scores of a run (``lyricsep score --json``) and the summary of a benchmark (``summary.json``).

Counts are named as in `lyricsep.scoring.Counts.as_fields`, rates as in `lyricsep.scoring.RATES`, figures of
``lyricsep score --times`` as in `lyricsep.scoring.ALIGNMENT_FIGURES`. A value is null where there is nothing to
divide by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lyricsep.documents.base import Document


@dataclass(frozen=True)
class SongScores:
    """The scores of a song.

    Parameters
    ----------
    song : str
        Its name.
    language : str
        ISO 639 code.
    genre : str or None
        As its dataset states it.
    rates : dict
        WER and the other rates of this song; empty in version 1.
    counts : dict
        What the rates are derived from.
    timing : dict or None
        Errors of the times of lines and words, in seconds; null where either side has no times.
    """

    song: str
    language: str
    genre: str | None = None
    rates: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    timing: dict[str, float | None] | None = None


@dataclass(frozen=True)
class Scores(Document):
    """The scores of songs that were scored together.

    Parameters
    ----------
    normalise : bool
        Whether both sides were normalised as in arXiv 2506.15514.
    missing : tuple of str
        Songs without a hypothesis; they are not scored.
    songs : tuple of SongScores
        In the order of the references.
    counts : dict
        Of all songs together.
    rates : dict
        Of all songs together, derived from the counts.
    intervals : dict
        95 % bootstrap intervals over songs: rate to [low, high].
    """

    SCHEMA: ClassVar[str] = "lyricsep/scores"
    VERSION: ClassVar[int] = 2
    REMEDY: ClassVar[str] = "write it again with `lyricsep score`"

    normalise: bool = False
    missing: tuple[str, ...] = ()
    songs: tuple[SongScores, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class SongAlignmentScores:
    """The scores of a song's start times.

    Parameters
    ----------
    song : str
        Its name.
    language : str
        ISO 639 code.
    genre : str or None
        As its dataset states it.
    words : dict or None
        Numbers of starts and figures of its words; null where either side has no word times.
    lines : dict or None
        The same of its lines.
    """

    song: str
    language: str
    genre: str | None = None
    words: dict[str, float | None] | None = None
    lines: dict[str, float | None] | None = None


@dataclass(frozen=True)
class AlignmentScores(Document):
    """The scores of the start times of songs that were scored together.

    Parameters
    ----------
    missing : tuple of str
        Songs without a hypothesis; they are not scored.
    untimed : tuple of str
        Songs whose reference or hypothesis has no times; they are not scored.
    songs : tuple of SongAlignmentScores
        In the order of the references.
    words, lines : dict
        Mean over songs of each figure; empty if no song has any.
    word_intervals, line_intervals : dict
        95 % bootstrap intervals over songs: figure to [low, high].
    """

    SCHEMA: ClassVar[str] = "lyricsep/alignment-scores"
    VERSION: ClassVar[int] = 1
    REMEDY: ClassVar[str] = "score the times again with `lyricsep score`"

    missing: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()
    songs: tuple[SongAlignmentScores, ...] = ()
    words: dict[str, float | None] = field(default_factory=dict)
    lines: dict[str, float | None] = field(default_factory=dict)
    word_intervals: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    line_intervals: dict[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class SongResult:
    """A song under one condition of a benchmark.

    Parameters
    ----------
    dataset, song : str
        Their names.
    audio, segmentation : str
        The condition.
    seed : int
        Seed of the random numbers.
    language : str
        ISO 639 code.
    genre : str or None
        As its dataset states it.
    duration : float or None
        Length of the song in seconds.
    error : str or None
        Why it failed; it then has no counts and no rates.
    rates : dict
        WER and the other rates of this song.
    counts : dict
        What the rates are derived from.
    """

    dataset: str
    song: str
    audio: str
    segmentation: str
    seed: int
    language: str
    genre: str | None = None
    duration: float | None = None
    error: str | None = None
    rates: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupSummary:
    """The songs of a dataset under one condition, all or those of a language or genre.

    Parameters
    ----------
    dataset : str
        Its name.
    audio, segmentation : str
        The condition.
    group : str
        "all", "language fr", "genre pop" and so on.
    n_songs, n_failed, n_seeds : int
        Songs that were scored, songs that failed with any seed, and seeds.
    counts : dict
        Of all songs of the group and all seeds.
    rates : dict
        Derived from the counts.
    activity : dict or None
        Vocal activity: seconds, and the rates derived from them.
    timing : dict or None
        Errors of the times of lines, in seconds, and the rates derived from them.
    intervals : dict or None
        95 % bootstrap intervals over songs: rate to [low, high].
    seeds : dict or None
        Spread of the WER over seeds: mean, std, low and high.
    from_first : dict or None
        Paired difference from the first condition of the dataset: rate to [difference, low, high, p].
    """

    dataset: str
    audio: str
    segmentation: str
    group: str
    n_songs: int
    n_failed: int
    n_seeds: int
    counts: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float | None] = field(default_factory=dict)
    activity: dict[str, float | None] | None = None
    timing: dict[str, float | None] | None = None
    intervals: dict[str, tuple[float | None, ...]] | None = None
    seeds: dict[str, float | None] | None = None
    from_first: dict[str, tuple[float | None, ...]] | None = None


@dataclass(frozen=True)
class BenchmarkSummary(Document):
    """The results of a benchmark; version 1 was the list of groups alone.

    Parameters
    ----------
    title, model : str or None
        Of the benchmark's grid.
    normalise : bool or None
        Whether both sides were normalised as in arXiv 2506.15514.
    groups : tuple of GroupSummary
        By dataset, condition and group.
    songs : tuple of SongResult
        By dataset, condition, seed and song.
    """

    SCHEMA: ClassVar[str] = "lyricsep/benchmark-summary"
    VERSION: ClassVar[int] = 2
    REMEDY: ClassVar[str] = "run the benchmark again"

    title: str | None = None
    model: str | None = None
    normalise: bool | None = None
    groups: tuple[GroupSummary, ...] = ()
    songs: tuple[SongResult, ...] = ()

    @classmethod
    def identify(cls, document: object) -> tuple[object, object]:
        """Return schema and version; a list is version 1."""
        return (cls.SCHEMA, 1) if isinstance(document, list) else super().identify(document)

    @classmethod
    def upgraded(cls, document: Any, version: int) -> Mapping[str, Any]:
        """Return version 1, a list of groups, as version 2."""
        return {"groups": document}
