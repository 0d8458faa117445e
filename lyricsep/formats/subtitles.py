"""Subtitles, which video players show: SubRip (SRT) and WebVTT.

Times are rounded to milliseconds; hours grow beyond 99. Lines that overlap, as backing vocals do, are cues
that overlap. A cue is shown for at least `MIN_CUE`; a line without text is no cue. WebVTT also says when each
word is sung, where words have times: ``some <00:00:01.500><c>words</c>``; a time at the edge of its cue may not
stand there, so that a single word that lasts as long as its line is told by the line alone.

References
----------
WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import MIN_CUE, from_minutes, hms, to_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.transcript import Transcript, in_order, sectioned
from lyricsep.lyrics import Line, Lyrics, Word

__all__ = ["read_srt", "read_vtt", "render_srt", "render_vtt"]

# A row that starts like the times of a cue, and one that holds them.
_CUE_ROW = re.compile(r"\s*\d+:\S*\s*[-–—]+>")
_CUE_CLOCK = r"(?:(\d+):)?([0-5]?\d):([0-5]?\d[.,]\d{1,3})"
_CUE_TIMES = re.compile(rf"\s*{_CUE_CLOCK}\s*-->\s*{_CUE_CLOCK}(?:\s|$)")

# SubRip knows these tags only; what else stands in angle brackets are words. Braces are from SubStation.
_SRT_TAG = re.compile(r"</?(?:[bius]|font|c)(?:[ .][^>]*)?>|<\d+:\d\d:\d\d[.,]\d+>|\{\\[^}]*\}", re.IGNORECASE)
_VTT_TAG = re.compile(r"<[^>]*>")
_VTT_STAMP = re.compile(rf"<{_CUE_CLOCK}>")


def render_srt(lyrics: Lyrics) -> str:
    """Render SubRip; the empty string for an instrumental."""
    cues = [f"{number}\n{_span(line, ',')}\n{line.text}\n" for number, line in enumerate(_shown(lyrics), start=1)]
    return "\n".join(cues)


def render_vtt(lyrics: Lyrics) -> str:
    """Render WebVTT; only the header for an instrumental."""
    return "\n".join(["WEBVTT\n", *(f"{_span(line, '.')}\n{_with_word_times(line)}\n" for line in _shown(lyrics))])


def _shown(lyrics: Lyrics) -> list[Line]:
    # An empty line ends a cue in both formats.
    return [line for line in lyrics.lines if line.text.strip()]


def _span(line: Line, point: str) -> str:
    start = to_ticks(line.start, 1000)
    end = max(to_ticks(line.end, 1000), start + to_ticks(MIN_CUE, 1000))
    return f"{hms(start, point)} --> {hms(end, point)}"


def _with_word_times(line: Line) -> str:
    # Times must rise, and lie inside the cue.
    start, end = to_ticks(line.start, 1000), to_ticks(line.end, 1000)
    last, parts = start, []
    for time, text in marks(line, 1000):
        if last < time < end:
            parts.append(f"<{hms(time)}>")
            last = time
        # Only what stands in a tag can be styled by whether its time has come.
        parts.append(f"<c>{_escape(text)}</c>" if text.strip() else text)
    return "".join(parts) if last > start else _escape(line.text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_srt(text: str, name: str) -> Transcript:
    """Read SubRip; see `lyricsep.formats.reading.read_lyrics`.

    Raises
    ------
    DatasetError
        If times are broken, or text belongs to none.
    """
    rows = _cue_rows(text.split("\n"), name, is_numbered=True)
    return _transcript(Line(start, end, _SRT_TAG.sub("", row).strip()) for start, end, row in rows)


def read_vtt(text: str, name: str) -> Transcript:
    """Read WebVTT; see `lyricsep.formats.reading.read_lyrics`.

    Raises
    ------
    DatasetError
        If it does not begin as WebVTT, or times are broken.
    """
    if text.strip() and not text.startswith("WEBVTT"):
        raise DatasetError(f"{name}: expected WEBVTT in the first row; add it, or rename the file if it is no WebVTT")
    rows = _cue_rows(text.split("\n"), name, is_numbered=False)
    return _transcript(
        Line(start, end, _plain_vtt(row).strip(), _vtt_words(start, end, row)) for start, end, row in rows
    )


def _transcript(lines: Iterable[Line]) -> Transcript:
    kept = in_order(line for line in lines if line.text)
    return Transcript(sectioned(kept), kept)


def _plain_vtt(row: str) -> str:
    # An escape can stand for a line break, which a line cannot hold.
    return re.sub(r"[\r\n]", " ", html.unescape(_VTT_TAG.sub("", row)))


def _vtt_words(start: float, end: float, row: str) -> tuple[Word, ...]:
    stamps = list(_VTT_STAMP.finditer(row))
    if not stamps:
        return ()
    times = [min(end, max(start, _seconds(*match.groups()))) for match in stamps]
    edges = [0, *(edge for match in stamps for edge in match.span()), len(row)]
    texts = [_plain_vtt(row[begin:stop]) for begin, stop in zip(edges[::2], edges[1::2], strict=True)]
    return words_of((*span, text) for span, text in zip(pairwise([start, *times, end]), texts, strict=True))


def _cue_rows(rows: list[str], name: str, *, is_numbered: bool) -> Iterator[tuple[float, float, str]]:
    """Give start, end and text of each row of each cue; a cue goes on until a blank row.

    Between cues stand their names and, in WebVTT, comments and styles; where cues are only numbered, anything
    else is text that has lost its times, and is refused.
    """
    span: tuple[float, float] | None = None
    for number, (row, following) in enumerate(zip(rows, [*rows[1:], ""], strict=True), start=1):
        if _CUE_ROW.match(row):
            span = _cue_span(row, f"{name}: row {number}")
        elif not row.strip():
            span = None
        elif row.strip().isdigit() and _CUE_ROW.match(following):
            continue  # the next cue's number, with no blank row before it
        elif span is not None:
            yield *span, row
        elif is_numbered and not row.strip().isdigit():
            raise DatasetError(f"{name}: row {number} belongs to no cue; put its times above it, without a blank row")


def _cue_span(row: str, where: str) -> tuple[float, float]:
    times = _CUE_TIMES.match(row)
    if times is not None:
        start, end = _seconds(*times.groups()[:3]), _seconds(*times.groups()[3:])
        if start <= end:
            return start, end
    raise DatasetError(f"{where}: expected 'start --> end' as hh:mm:ss.xxx, got {row.strip()[:60]!r}; correct it")


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return from_minutes(60 * int(hours or 0) + int(minutes), seconds.replace(",", "."))
