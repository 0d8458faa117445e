"""Subtitles, which video players show: SubRip (SRT) and WebVTT.

Times are rounded to milliseconds; hours grow beyond 99. Lines that overlap, as backing vocals do, are cues
that overlap. A cue is shown for at least `MIN_CUE`; a line without text is no cue.

References
----------
WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

from lyricsep.formats.clock import to_ticks
from lyricsep.lyrics import Line, Lyrics

__all__ = ["MIN_CUE", "render_srt", "render_vtt"]

MIN_CUE = 0.1
"""Seconds; players drop cues that end when they begin, and nobody sees much shorter ones."""


def render_srt(lyrics: Lyrics) -> str:
    """Render SubRip; the empty string for an instrumental."""
    cues = [f"{number}\n{_span(line, ',')}\n{line.text}\n" for number, line in enumerate(_shown(lyrics), start=1)]
    return "\n".join(cues)


def render_vtt(lyrics: Lyrics) -> str:
    """Render WebVTT; only the header for an instrumental."""
    return "\n".join(["WEBVTT\n", *(f"{_span(line, '.')}\n{_escape(line.text)}\n" for line in _shown(lyrics))])


def _shown(lyrics: Lyrics) -> list[Line]:
    # An empty line ends a cue in both formats.
    return [line for line in lyrics.lines if line.text.strip()]


def _span(line: Line, point: str) -> str:
    start = to_ticks(line.start, 1000)
    end = max(to_ticks(line.end, 1000), start + to_ticks(MIN_CUE, 1000))
    return f"{_time(start, point)} --> {_time(end, point)}"


def _time(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
