"""Times as the formats write them, and the sections of a song."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from lyricsep.lyrics import Lyrics

__all__ = ["SECTION_GAP", "section_ends", "to_ticks"]

SECTION_GAP = 3.0
"""Seconds without a line that end a section.

Of the longer pauses between the lines of five Jam-ALT songs, 77 % are where the reference begins a new stanza
(of those over 1 s 48 %, over 5 s 89 %). Most stanzas follow each other faster, and no pause tells them.
"""


def to_ticks(time: float, per_second: int) -> int:
    """Round a time to whole ticks, halves up, as one rounds the decimal number that is printed for it.

    Rounding never changes the order of times.

    Parameters
    ----------
    time : float
        Seconds, at least 0.
    per_second : int
        Ticks per second: 100 for centiseconds.
    """
    return int((Decimal(repr(float(time))) * per_second).to_integral_value(ROUND_HALF_UP))


def section_ends(lyrics: Lyrics) -> Iterator[float | None]:
    """Tell for each line when the section it closes ends, or None where the section goes on.

    A section ends where no line begins for more than `SECTION_GAP` after all lines before have ended, and
    with the song. Its end is that of its line that ends last: backing vocals may outlast what follows them.
    """
    end = 0.0
    for line, following in pairwise([*lyrics.lines, None]):
        if line is not None:
            end = max(end, line.end)
            yield end if following is None or following.start - end > SECTION_GAP else None
