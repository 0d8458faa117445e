"""Detect the ends of a song's sections, verses and refrains, and write plain text with a blank line after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

import numpy as np

from lyricsep.lyrics import Lyrics

SECTION_GAP = 1.5
"""Shortest pause between two sections in seconds; longer in slow songs (`SECTION_GAP_OF_PAUSES`)."""

SECTION_GAP_OF_PAUSES = 3.0
"""Shortest pause between two sections, as a multiple of the song's median pause between lines."""

SECTION_LINES = 4
"""Number of lines that make a section, such as a refrain, if they are repeated together."""

SECTION_LIKENESS = 0.6
"""Lowest normalised Levenshtein similarity at which two lines count as a repetition."""


SONG_LINES = 1000
"""Most lines among which repetitions are looked for: every line is compared with every other."""


def section_ends(lyrics: Lyrics) -> Iterator[float | None]:
    """Yield for each line the end of the section that it closes, or None if the section continues.

    Where lines open sections (`Line.section`), those are the sections. Else one ends at a pause longer than both
    `SECTION_GAP` and `SECTION_GAP_OF_PAUSES` median pauses; before and after `SECTION_LINES` or more lines that are
    repeated elsewhere; and at the end of the song. Its end is the latest end of its lines, as backing vocals may be
    longer than the lines after them, but no later than the start of the next section.

    On five songs of Jam-ALT, F1 of the section breaks is 68.9 for transcriptions of the preset fast and 75.9 for the
    lines of the reference; pauses of more than 3 s alone give 51.0 for the former (``scripts/benchmark_lines.py``).
    """
    ends = list(accumulate((line.end for line in lyrics.lines), max))
    starts = [line.start for line in lyrics.lines[1:]]
    pauses = [start - end for start, end in zip(starts, ends[:-1], strict=True)]
    if any(line.section is not None for line in lyrics.lines):
        for end, line in zip(ends[:-1], lyrics.lines[1:], strict=True):
            yield None if line.section is None else min(end, line.start)
        yield from ends[-1:]
        return
    edges = _passage_edges([line.text for line in lyrics.lines])
    longest = _longest_pause(pauses)
    for index, (end, start, pause) in enumerate(zip(ends[:-1], starts, pauses, strict=True), start=1):
        yield min(end, start) if pause > longest or index in edges else None
    yield from ends[-1:]


def render_txt(lyrics: Lyrics) -> str:
    """Return lyrics as plain text; the empty string for an instrumental.

    A blank line separates sections (`section_ends`), and their headers stand above them; the closing is one, too.
    """
    parts = [
        (f"{line.section}\n" if line.section else "") + line.text + ("\n" if end is None else "\n\n")
        for line, end in zip(lyrics.lines, section_ends(lyrics), strict=True)
    ]
    closing = [f"{lyrics.closing}\n\n"] if lyrics.closing else []
    return "".join(parts + closing).removesuffix("\n")


def _longest_pause(pauses: Sequence[float]) -> float:
    """Return the longest pause within a section; short songs have too few pauses for a median."""
    if len(pauses) < 2 * SECTION_LINES:
        return SECTION_GAP
    return max(SECTION_GAP, SECTION_GAP_OF_PAUSES * median(pauses))


def _passage_edges(texts: Sequence[str]) -> set[int]:
    """Return the first lines of repeated passages of `SECTION_LINES` or more lines, and the lines after them."""
    if not 2 * SECTION_LINES <= len(texts) <= SONG_LINES:
        return set()

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
    """Lines that repeat every `period` lines: from `first` up to, not including, `last`."""

    first: int
    last: int
    period: int

    def explains(self, first: int, last: int, distance: int) -> bool:
        """Return whether lines resemble those at a distance only because of the loop."""
        copies = [(first, last), (first + distance, last + distance)]
        inside = [self.first <= start and end <= self.last for start, end in copies]
        # In a loop of syllables that is repeated elsewhere, every part resembles every other.
        is_part = self.period < SECTION_LINES and any(inside) and (self.first, self.last) not in copies
        return all(inside) or is_part
