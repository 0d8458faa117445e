"""Lines whose words last half a second each, or as given."""

from __future__ import annotations

from lyricsep.lyrics import Line, Word


def sung(start: float, text: str, *starts: float) -> Line:
    words = text.split()
    begins = list(starts) or [start + 0.5 * number for number in range(len(words))]
    timed = [Word(begin, begin + 0.5, word) for begin, word in zip(begins, words, strict=True)]
    return Line(start, timed[-1].end, text, tuple(timed))
