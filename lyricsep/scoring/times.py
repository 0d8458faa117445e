"""Score the start times of many songs, and return them as a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lyricsep.datasets import Song
from lyricsep.documents import AlignmentScores, SongAlignmentScores, finite
from lyricsep.formats import TIMED_SUFFIXES, read_lyrics
from lyricsep.lyrics import Line, sung_only
from lyricsep.scoring.alignment import LOST, AlignmentScore, mean_alignment, score_alignment
from lyricsep.scoring.certainty import Interval
from lyricsep.tables import decimal, with_interval

TIMES_SUFFIXES = tuple(suffix for suffix in TIMED_SUFFIXES if suffix not in (".tsv", ".csv", ".txt"))
"""Suffixes that identify files of timed lyrics in a folder, from the most to the least complete times."""


@dataclass(frozen=True)
class SongAlignment:
    """The scores of one song's start times.

    Parameters
    ----------
    song : Song
        With its reference.
    words, lines : AlignmentScore or None
        As returned by `lyricsep.scoring.score_alignment`.
    """

    song: Song
    words: AlignmentScore | None
    lines: AlignmentScore | None


@dataclass(frozen=True)
class AlignedRun:
    """The scores of the start times of several songs.

    Parameters
    ----------
    songs : tuple of SongAlignment
        In the order of the references.
    missing : tuple of str
        Songs without a hypothesis.
    untimed : tuple of str
        Songs whose reference or hypothesis has no times.
    """

    songs: tuple[SongAlignment, ...]
    missing: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()

    def scores_of(self, level: Literal["words", "lines"]) -> dict[str, AlignmentScore]:
        """Return the scores of words or of lines by song; songs without them are left out."""
        found = {one.song.id: one.words if level == "words" else one.lines for one in self.songs}
        return {song: score for song, score in found.items() if score is not None}

    def scores(self) -> AlignmentScores:
        """Return the scores as a document."""
        words, lines = (self.scores_of(level) for level in ("words", "lines"))
        of_words, of_lines = (mean_alignment(list(found.values())) if found else {} for found in (words, lines))
        return AlignmentScores(
            missing=self.missing,
            untimed=self.untimed,
            songs=tuple(
                SongAlignmentScores(
                    song=one.song.id,
                    language=one.song.language,
                    genre=one.song.genre,
                    words=_figures(one.words),
                    lines=_figures(one.lines),
                )
                for one in self.songs
            ),
            words={name: finite(mean.value) for name, mean in of_words.items()},
            lines={name: finite(mean.value) for name, mean in of_lines.items()},
            word_intervals=_intervals(of_words),
            line_intervals=_intervals(of_lines),
        )


def score_song_times(song: Song, lines: Sequence[Line]) -> SongAlignment:
    """Score the start times of lines against those of a song."""
    return SongAlignment(song, *score_alignment(song.lines, lines, song.language))


def score_times(songs: Iterable[Song], hypotheses: Mapping[str, Path]) -> AlignedRun:
    """Score the start times of the songs that have a hypothesis.

    Raises
    ------
    DatasetError
        If a hypothesis cannot be read.
    """
    scored, missing, untimed = [], [], []
    for song in songs:
        if song.id not in hypotheses:
            missing.append(song.id)
            continue
        one = score_song_times(song, sung_only(read_lyrics(hypotheses[song.id]).lyrics).lines)
        if one.lines is None:
            untimed.append(song.id)
        else:
            scored.append(one)
    return AlignedRun(tuple(scored), tuple(missing), tuple(untimed))


def alignment_notes(scores: Mapping[str, AlignmentScore]) -> list[str]:
    """Return the notes below a table of songs: means with their intervals (of two songs or more), and lost songs."""
    notes = []
    if len(scores) > 1:
        means = mean_alignment(list(scores.values()))
        error, correct = means["AAE"], means["PCO_03"]
        notes.append(
            f"AAE {decimal(error.value)} [{decimal(error.low)}, {decimal(error.high)}] s, PCO@0.3 "
            f"{with_interval(correct.value, correct.low, correct.high)}, 95 % over songs"
        )
    lost = [song for song, score in scores.items() if score.is_lost]
    return [*notes, f"lost (AAE over {LOST:g} s): {', '.join(lost) or 'none'}"]


def _figures(score: AlignmentScore | None) -> dict[str, float | None] | None:
    if score is None:
        return None
    counts = {"n_reference": score.n_reference, "n_matched": score.n_matched}
    return counts | {name: finite(value) for name, value in score.figures().items()}


def _intervals(means: Mapping[str, Interval]) -> dict[str, tuple[float | None, ...]]:
    found = {name: (finite(mean.low), finite(mean.high)) for name, mean in means.items()}
    return {name: interval for name, interval in found.items() if None not in interval}
