"""Segments as tables: CSV, JSON, and the label track of Audacity.

CSV rounds to milliseconds, Audacity labels to microseconds; JSON keeps every digit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lyricsep.formats.clock import to_ticks
from lyricsep.lyrics import Segment

__all__ = ["render_audacity", "render_csv", "render_json"]


def render_csv(segments: Sequence[Segment]) -> str:
    """Render ``start,end`` in seconds, below a header."""
    rows = (f"{_seconds(segment.start, 3)},{_seconds(segment.end, 3)}\n" for segment in segments)
    return "".join(["start,end\n", *rows])


def render_json(segments: Sequence[Segment]) -> str:
    """Render ``{"schema": "lyricsep/segments", "version": 1, "segments": [{"start", "end"}, ...]}``."""
    spans = [{"start": segment.start, "end": segment.end} for segment in segments]
    return json.dumps({"schema": "lyricsep/segments", "version": 1, "segments": spans}, indent=2) + "\n"


def render_audacity(segments: Sequence[Segment]) -> str:
    """Render tab-separated start, end and number, as Audacity imports them (File, Import, Labels)."""
    return "".join(
        f"{_seconds(segment.start, 6)}\t{_seconds(segment.end, 6)}\t{number}\n"
        for number, segment in enumerate(segments, start=1)
    )


def _seconds(time: float, digits: int) -> str:
    seconds, fraction = divmod(to_ticks(time, 10**digits), 10**digits)
    return f"{seconds}.{fraction:0{digits}d}"
