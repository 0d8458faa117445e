"""Subtitles for video players: SubRip (SRT) and WebVTT.

Times are rounded to milliseconds; hours may exceed 99. Overlapping lines, such as backing vocals, become overlapping
cues. A cue lasts at least `MIN_CUE`; lines without text are skipped. WebVTT also has word times, if there are any:
``some <00:00:01.500><c>words</c>``. A time at the edge of its cue is not allowed, so a single word as long as its
line has no time of its own.

References
----------
WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import cue_ticks, from_minutes, hms, to_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.transcript import Transcript, timed
from lyricsep.lyrics import Line, Lyrics, Word

# A row that starts like the times of a cue, and a well-formed one.
_CUE_ROW = re.compile(r"\s*\d+:\S*\s*[-–—]+>")
_CUE_CLOCK = r"(?:(\d+):)?([0-5]?\d):([0-5]?\d[.,]\d{1,3})"
_CUE_TIMES = re.compile(rf"\s*{_CUE_CLOCK}\s*-->\s*{_CUE_CLOCK}(?:\s|$)")

# SubRip has only these tags; anything else in angle brackets is text. Braces are from SubStation.
_SRT_TAG = re.compile(r"</?(?:[bius]|font|c)(?:[ .][^>]*)?>|<\d+:\d\d:\d\d[.,]\d+>|\{\\[^}]*\}", re.IGNORECASE)
_VTT_TAG = re.compile(r"<[^>]*>")
_VTT_STAMP = re.compile(rf"<{_CUE_CLOCK}>")


def render_srt(lyrics: Lyrics) -> str:
    """Return lyrics as SubRip; the empty string for an instrumental."""
    cues = [f"{number}\n{_span(line, ',')}\n{line.text}\n" for number, line in enumerate(_shown(lyrics), start=1)]
    return "\n".join(cues)


def render_vtt(lyrics: Lyrics) -> str:
    """Return lyrics as WebVTT; only the header for an instrumental."""
    return "\n".join(["WEBVTT\n", *(f"{_span(line, '.')}\n{_with_word_times(line)}\n" for line in _shown(lyrics))])


def _shown(lyrics: Lyrics) -> list[Line]:
    # An empty line ends a cue in both formats.
    return [line for line in lyrics.lines if line.text.strip()]


def _span(line: Line, point: str) -> str:
    start, end = cue_ticks(line.start, line.end, 1000)
    return f"{hms(start, point)} --> {hms(end, point)}"


def _with_word_times(line: Line) -> str:
    # Times must increase, and be inside the cue.
    start, end = to_ticks(line.start, 1000), to_ticks(line.end, 1000)
    last, parts = start, []
    for time, text in marks(line, 1000):
        if last < time < end:
            parts.append(f"<{hms(time)}>")
            last = time
        # Only text in a tag can be styled by its time.
        parts.append(f"<c>{_escape(text)}</c>" if text.strip() else text)
    return "".join(parts) if last > start else _escape(line.text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_srt(text: str, name: str) -> Transcript:
    """Read SubRip; see `lyricsep.formats.reading.read_lyrics`."""
    rows = _cue_rows(text.split("\n"), name, is_numbered=True)
    return timed(Line(start, end, _SRT_TAG.sub("", row).strip()) for start, end, row in rows)


def read_vtt(text: str, name: str) -> Transcript:
    """Read WebVTT; see `lyricsep.formats.reading.read_lyrics`."""
    if text.strip() and not text.startswith("WEBVTT"):
        raise DatasetError(
            f"{name}: expected WEBVTT in the first row; add it, or rename the file if it is not WebVTT"
        )
    rows = _cue_rows(text.split("\n"), name, is_numbered=False)
    return timed(Line(start, end, _plain_vtt(row).strip(), _vtt_words(start, end, row)) for start, end, row in rows)


def _plain_vtt(row: str) -> str:
    # An escape may be a line break, which a line cannot contain.
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
    """Yield start, end and text of each row of each cue; a cue ends at a blank row.

    Rows between cues are their names and, in WebVTT, comments and styles. If cues are only numbered, any other row is
    text without times, which is an error.
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
