"""Segments as CSV, JSON, RTTM and Audacity label tracks.

CSV and RTTM round to milliseconds, Audacity labels to microseconds; JSON keeps full precision.

References
----------
RTTM: NIST, The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan, appendix A
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lyricsep.formats.clock import decimal, to_ticks
from lyricsep.lyrics import Segment


def render_csv(segments: Sequence[Segment]) -> str:
    """Return CSV with the columns ``start`` and ``end`` in seconds."""
    rows = (f"{decimal(segment.start, 3)},{decimal(segment.end, 3)}\n" for segment in segments)
    return "".join(["start,end\n", *rows])


def render_json(segments: Sequence[Segment]) -> str:
    """Return ``{"schema": "lyricsep/segments", "version": 1, "segments": [{"start", "end"}, ...]}``."""
    spans = [{"start": segment.start, "end": segment.end} for segment in segments]
    return json.dumps({"schema": "lyricsep/segments", "version": 1, "segments": spans}, indent=2) + "\n"


def render_audacity(segments: Sequence[Segment]) -> str:
    """Return tab-separated start, end and number, for Audacity (File, Import, Labels)."""
    return "".join(
        f"{decimal(segment.start, 6)}\t{decimal(segment.end, 6)}\t{number}\n"
        for number, segment in enumerate(segments, start=1)
    )


def render_rttm(segments: Sequence[Segment], *, name: str = "song") -> str:
    """Return RTTM, the format of speaker diarisation tools, with one speaker, ``vocals``.

    Spaces in the name of the song, which separate fields, become underscores.
    """
    file = "_".join(name.split()) or "song"
    rows = []
    for segment in segments:
        start, end = to_ticks(segment.start, 1000), to_ticks(segment.end, 1000)
        rows.append(f"SPEAKER {file} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} <NA> <NA> vocals <NA> <NA>\n")
    return "".join(rows)
