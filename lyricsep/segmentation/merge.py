"""Neighbouring segments joined into the spans that Whisper decodes.

Whisper sees `MAX_DURATION` seconds at a time. Few long spans give it more context and cost fewer passes than
many short ones, so neighbours are joined, silence between them included, for as long as the whole still fits.
"""

from __future__ import annotations

from collections.abc import Iterable

from lyricsep.lyrics import Segment

SAMPLE_RATE = 16_000
"""Hz; Whisper's, and the grid on which segmentation does its arithmetic."""

MAX_DURATION = 30.0
"""Seconds; the length of Whisper's window."""


def merge_segments(segments: Iterable[Segment], max_duration: float = MAX_DURATION) -> list[Segment]:
    """Join neighbours while the joined span, from first start to last end, is at most `max_duration`.

    Parameters
    ----------
    segments : iterable of Segment
        In order, not overlapping.
    max_duration : float
        Seconds, above 0. A single segment that is longer stays as it is.

    Returns
    -------
    list of Segment
        In order, not overlapping, covering at least what `segments` cover.

    Raises
    ------
    ValueError
        If `max_duration` is not positive, or the segments are out of order or overlap.

    References
    ----------
    "Cut and merge" of arXiv 2506.15514, itself after WhisperX, arXiv 2303.00747, section 2.2.
    """
    if not max_duration > 0:
        raise ValueError(f"max_duration must be above 0 s, got {max_duration!r}")
    merged: list[Segment] = []
    for segment in segments:
        if merged and segment.start < merged[-1].end:
            raise ValueError(f"segments must be in order and not overlap, got {segment} after {merged[-1]}")
        if merged and _n_samples(segment.end) - _n_samples(merged[-1].start) <= max_duration * SAMPLE_RATE:
            merged[-1] = Segment(merged[-1].start, segment.end)
        else:
            merged.append(segment)
    return merged


def _n_samples(time: float) -> int:
    # Differences of seconds such as 31.2 - 1.2 are not exact, differences of samples are.
    return round(time * SAMPLE_RATE)
