"""Known lyrics with the times that an aligner found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from lyricsep.aligners.words import KnownLyrics
from lyricsep.lyrics import NOT_SUNG, Line, Lyrics, Segment, Word

LINE_SLACK = 0.5  # seconds that a word may be sung before or after the time of its line

Spans = Mapping[int, tuple[float, float]]
"""Start and end of words in seconds, by their index."""


def timed_lyrics(
    known: KnownLyrics,
    spans: Spans,
    found: Lyrics,
    probabilities: Mapping[int, float] | None = None,
    *,
    doubtful: float = -math.inf,
) -> Lyrics:
    """Return the lines as they are written, with the times of their words.

    Parameters
    ----------
    known : KnownLyrics
        The lyrics.
    spans : mapping
        Of the words that are sung; a line without any is not sung.
    found : Lyrics
        What is known of the song apart from its lines.
    probabilities : mapping, optional
        Of each word; by default 0.
    doubtful : float
        A line whose words have a lower mean log-probability has the flag ``low-confidence``.
    """
    probabilities = probabilities or {}
    by_line: dict[int, list[int]] = {}
    for index, word in enumerate(known.words):
        by_line.setdefault(word.line, []).append(index)
    lines: list[Line] = []
    now = 0.0
    for number, line in enumerate(known.lines):
        section = line.section if number else line.section or ""
        indices = by_line.get(number, [])
        words = []
        for index in indices if any(index in spans for index in indices) else ():
            start, end = spans.get(index, (now, now))
            now = end
            word = known.words[index]
            words.append(Word(start, end, word.text, probabilities.get(index, 0.0), word.space_before))
        if words:
            mean = fmean(math.log(max(word.probability, 1e-9)) for word in words)
            flags = ("low-confidence",) if mean < doubtful else ()
            lines.append(Line(words[0].start, words[-1].end, line.text, tuple(words), flags, section))
        else:
            lines.append(Line(now, now, line.text, (), (NOT_SUNG,), section))
    return replace(found, lines=tuple(lines), closing=known.closing)


def line_spans(known: KnownLyrics, duration: float) -> dict[int, Segment]:
    """Return where the words of lines with times may be sung: a little before to a little after.

    Keys are indices of lines; those without a time, out of order, or after the end of the song have no span.
    """
    starts = sorted({line.start for line in known.lines if line.start is not None})
    spans: dict[int, Segment] = {}
    latest = 0.0
    for number, line in enumerate(known.lines):
        if line.start is None or line.start >= duration or line.start + LINE_SLACK < latest:
            continue
        latest = max(0.0, line.start - LINE_SLACK)
        following = next((start for start in starts if start > line.start), duration)
        spans[number] = Segment(latest, min(duration, max(line.end or 0.0, following) + LINE_SLACK))
    return spans
