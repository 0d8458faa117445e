"""Where the sections of a song end: its verses and refrains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from lyricsep.lyrics import Lyrics

__all__ = ["SECTION_GAP", "section_ends"]

SECTION_GAP = 1.5
"""Seconds without a line that end a section, unless the song takes its time."""

SECTION_GAP_OF_PAUSES = 3.0
"""The same, times the median pause between lines: slow songs pause within their sections too."""

SECTION_LINES = 4
"""Lines that are sung again together make a section, such as a refrain."""

SECTION_LIKENESS = 0.6
"""Share of a line's letters that are the same where it is sung again, and heard a little differently."""


def section_ends(lyrics: Lyrics) -> Iterator[float | None]:
    """Tell for each line when the section it closes ends, or None where the section goes on.

    A section ends where no line begins for more than `SECTION_GAP` after all lines before have ended, and for more
    than `SECTION_GAP_OF_PAUSES` says; before and after `SECTION_LINES` or more lines that are sung again elsewhere;
    and with the song. Its end is that of its line that ends last, as backing vocals may outlast what follows them,
    but no later than the next section begins.

    On five songs of Jam-ALT, F1 of the section breaks is 70.0 for transcriptions of the preset fast and 75.9 for the
    lines of the reference; pauses of more than 3 s alone give 51.0 for the former (``scripts/benchmark_lines.py``).
    """
    ends = list(accumulate((line.end for line in lyrics.lines), max))
    starts = [line.start for line in lyrics.lines[1:]]
    pauses = [start - end for start, end in zip(starts, ends[:-1], strict=True)]
    edges = _passage_edges([line.text for line in lyrics.lines])
    longest = _longest_pause(pauses)
    for index, (end, start, pause) in enumerate(zip(ends[:-1], starts, pauses, strict=True), start=1):
        yield min(end, start) if pause > longest or index in edges else None
    yield from ends[-1:]


def _longest_pause(pauses: Sequence[float]) -> float:
    """Give the longest pause within a section; a few lines do not tell what is usual in a song."""
    if len(pauses) < 2 * SECTION_LINES:
        return SECTION_GAP
    return max(SECTION_GAP, SECTION_GAP_OF_PAUSES * median(pauses))


def _passage_edges(texts: Sequence[str]) -> set[int]:
    """Find where passages of `SECTION_LINES` or more lines that are sung again begin, and where they have ended."""
    if len(texts) < 2 * SECTION_LINES:
        return set()

    import numpy as np
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    plain = ["".join(filter(str.isalnum, text.lower())) for text in texts]
    alike = process.cdist(plain, plain, scorer=Levenshtein.normalized_similarity, score_cutoff=SECTION_LIKENESS) > 0
    edges: set[int] = set()
    loops: list[_Loop] = []
    for distance in range(1, len(plain)):
        changes = np.diff(alike.diagonal(distance), prepend=False, append=False)
        for first, last in np.flatnonzero(changes).reshape(-1, 2).tolist():
            length, end = last - first, last + distance
            if any(loop.explains(first, last, distance) for loop in loops):
                continue
            if length >= distance:
                loops.append(_Loop(first, end, distance))
            if min(length, distance) >= SECTION_LINES:
                edges |= {*range(first, end, distance), end}
                if length < distance:
                    edges.add(last)
    return edges


@dataclass(frozen=True)
class _Loop:
    """Lines that are sung over and over: from the first to behind the last, the same again after `period` lines."""

    first: int
    last: int
    period: int

    def explains(self, first: int, last: int, distance: int) -> bool:
        """Tell whether lines are like those at a distance only because of the loop."""
        copies = [(first, last), (first + distance, last + distance)]
        inside = [self.first <= start and end <= self.last for start, end in copies]
        # Of syllables that are sung again elsewhere, every part is like every other.
        is_part = self.period < SECTION_LINES and any(inside) and (self.first, self.last) not in copies
        return all(inside) or is_part
