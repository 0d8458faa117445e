r"""Subtitles for video players: SubRip (SRT) and WebVTT.

Times are rounded to milliseconds; hours may exceed 99. Overlapping lines, such as backing vocals, become overlapping
cues. A cue lasts at least `MIN_CUE`; lines without text are skipped. WebVTT also has word times, if there are any:
``some <00:00:01.500><c>words</c>``. A time at the edge of its cue is not allowed, so a single word as long as its
line has no time of its own.

SubRip has no escapes: an invisible word joiner (U+2060) keeps text that looks like a tag, an entity of HTML or a
break of SubStation (``\N``) from being one.

References
----------
WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html.entities import html5
from itertools import pairwise

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import cue_ticks, from_minutes, hms, to_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.transcript import Transcript, sung, timed, warn_skipped
from lyricsep.lyrics import Line, Lyrics

# A row that starts like the times of a cue, and a well-formed one.
_CUE_ROW = re.compile(r"\s*\d+:\S{0,40}\s*[-–—]+>")
_CUE_CLOCK = r"(?:(\d{1,9}):)?([0-5]?\d):([0-5]?\d[.,]\d{1,9})"
_CUE_TIMES = re.compile(rf"\s*{_CUE_CLOCK}\s*-->\s*{_CUE_CLOCK}(?:\s|$)")

# SubRip has only these tags; anything else in angle brackets is text. Braces are from SubStation.
_SRT_TAG = re.compile(r"</?(?:[bius]|font|c)(?:[ .][^<>]*)?>|<\d+:\d\d:\d\d[.,]\d+>|\{\\[^{}]*\}", re.IGNORECASE)
_SRT_BREAK = re.compile(r"<br\s*/?>|\\[Nn]", re.IGNORECASE)
# The text of a ruby is how its base is read aloud.
_VTT_TAG = re.compile(r"<rt(?:[ .][^<>]*)?>[^<]*</rt>|<[^<>]*>")
_VTT_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_VTT_STAMP = re.compile(rf"<{_CUE_CLOCK}>")
_VTT_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION|WEBVTT)\b|X-TIMESTAMP-MAP=")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]*);", re.IGNORECASE)
_SRT_MARK = re.compile(rf"{_SRT_TAG.pattern}|{_SRT_BREAK.pattern}|{_ENTITY.pattern}|\\h", re.IGNORECASE)
_JOINER = "\u2060"

# The word that is sung, in cues that show the whole line once for each of its words.
_HIGHLIGHT = re.compile(r"<(u|font)\b[^<>]*>[^<>]*</\1>", re.IGNORECASE)

_FLASH = 0.05
"""Longest cue, in seconds, that shows nothing new: rolling captions of YouTube have some of 0.01 s between others."""

_ROLLED_ROWS = 4
"""Most rows that rolling captions of television show again."""

_NEXT = 0.1
"""Longest time in seconds from a cue to the one that rolls it up."""


def render_srt(lyrics: Lyrics) -> str:
    """Return lyrics as SubRip; the empty string for an instrumental."""
    cues = [
        f"{number}\n{_span(line, ',')}\n{_escape_srt(line.text)}\n"
        for number, line in enumerate(_shown(lyrics), start=1)
    ]
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


def _escape_srt(text: str) -> str:
    if _CUE_ROW.match(text):
        text = text.replace(":", _JOINER + ":", 1)
    return re.sub(r"[<{&\\]", lambda at: at[0] + _JOINER * bool(_SRT_MARK.match(text, at.start())), text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_srt(text: str, name: str) -> Transcript:
    """Read SubRip; see `lyricsep.formats.reading.read_lyrics`."""
    cues = _shown_once(_cues(text.split("\n"), name, is_srt=True), _plain_srt)
    pieces = [(cue.start, cue.end, piece) for cue in cues for row in cue.rows for piece in _SRT_BREAK.split(row)]
    return timed(sung((Line(start, end, _plain_srt(piece)) for start, end, piece in pieces), name))


def read_vtt(text: str, name: str) -> Transcript:
    """Read WebVTT; see `lyricsep.formats.reading.read_lyrics`."""
    if text.strip() and not text.startswith("WEBVTT"):
        raise DatasetError(
            f"{name}: expected WEBVTT in the first row; add it, or rename the file if it is not WebVTT"
        )
    cues = _shown_once(_cues(text.split("\n"), name, is_srt=False), _plain_vtt)
    return timed(sung((line for cue in cues for line in _vtt_lines(cue)), name))


def _plain_srt(row: str) -> str:
    plain = _unescape(_SRT_TAG.sub("", row).replace("\\h", " "))
    return re.sub(rf"(?<=[<{{&\\]){_JOINER}|(?<=\d){_JOINER}(?=:)", "", plain).strip()


def _plain_vtt(row: str) -> str:
    return _unescape(_VTT_TAG.sub("", row)).strip()


def _unescape(text: str) -> str:
    return _ENTITY.sub(_character, text)


def _character(entity: re.Match[str]) -> str:
    is_known = entity[0][1] == "#" or entity[0][1:] in html5
    character = html.unescape(entity[0]) if is_known else entity[0]
    # No-break spaces are for layout; a line break cannot stand in a line.
    return " " if character.isspace() else character


def _vtt_lines(cue: _Cue) -> Iterator[Line]:
    """Yield a line for each row of a cue; a row has words if a time stands in it or at its edge."""
    content = _VTT_BREAK.sub("\n", "\n".join(cue.rows))
    stamps = list(_VTT_STAMP.finditer(content))
    times = [min(cue.end, max(cue.start, _seconds(*match.groups()))) for match in stamps]
    edges = [0, *(edge for match in stamps for edge in match.span()), len(content)]
    texts = [content[begin:stop] for begin, stop in zip(edges[::2], edges[1::2], strict=True)]
    rows: list[list[tuple[float, float, str]]] = [[]]
    for span, text in zip(pairwise([cue.start, *times, cue.end]), texts, strict=True):
        first, *others = _unescape(_VTT_TAG.sub("", text)).split("\n")
        rows[-1].append((*span, first))
        rows += [[(*span, other)] for other in others]
    for row in rows:
        text = "".join(piece for _, _, piece in row).strip()
        yield Line(cue.start, cue.end, text, words_of(row) if len(row) > 1 else ())


@dataclass
class _Cue:
    """A cue with its rows, and the number above it if there is one: -1 if it is no plausible one."""

    start: float
    end: float
    number: int | None
    rows: list[str] = field(default_factory=list)


def _cues(rows: Sequence[str], name: str, *, is_srt: bool) -> list[_Cue]:
    """Return the cues of a file with the rows that are not blank.

    An empty row ends a cue, one of spaces does not. Behind it, a number that is not that of a cue is sung. Any other
    text there is an error in SubRip; in WebVTT it is a name or a comment, or is skipped with a warning.
    """
    cues: list[_Cue] = []
    number: int | None = None
    is_open, is_first, is_block = False, True, False
    skipped: list[int] = []
    for position, (row, following) in enumerate(zip(rows, [*rows[1:], ""], strict=True), start=1):
        is_above = _CUE_ROW.match(following) is not None
        is_number = row.strip().isdecimal()
        if _CUE_ROW.match(row):
            cues.append(_Cue(*_cue_span(row, f"{name}: row {position}"), number))
            is_open, number = True, None
        elif not row.strip():
            is_open = is_open and bool(row)
        elif is_number and is_above and (is_first or not is_open or _is_above_cue(row, cues)):
            number = _number(row)
        elif is_open or (is_number and cues and not is_block):
            cues[-1].rows.append(row)
        elif is_srt and not is_number:
            raise DatasetError(
                f"{name}: row {position} belongs to no cue; put its times above it, without a blank row"
            )
        elif is_first and (not cues or is_above or _VTT_BLOCK.match(row)):
            is_block = True
        elif not is_block:
            skipped.append(position)
        is_first = not row.strip()
        is_block = is_block and bool(row)
    warn_skipped(name, skipped, "no cue, as a blank row is above")
    return cues


def _is_above_cue(number: str, cues: Sequence[_Cue]) -> bool:
    """Return whether a number, with no blank row above it, is that of the next cue rather than sung."""
    last = cues[-1]
    if last.rows:
        return last.number is not None or _number(number) == len(cues) + 1
    return last.number is not None and _number(number) == last.number + 1


def _number(row: str) -> int:
    digits = row.strip()
    return int(digits) if len(digits) < 10 else -1


def _shown_once(cues: Sequence[_Cue], plain: Callable[[str], str]) -> Iterator[_Cue]:
    """Yield cues without text that is shown again, but not sung again."""
    return _unrolled(_without_highlights(cues, plain), plain)


def _without_highlights(cues: Sequence[_Cue], plain: Callable[[str], str]) -> list[_Cue]:
    """Return cues, of which those that highlight one word of a line after the other are one.

    Whisper and others write such files. A highlight that does not move on is that of a line that is sung again.
    """
    found = [_HIGHLIGHT.search("\n".join(cue.rows)) for cue in cues]
    parts = [
        highlight and plain(highlight[0]) != plain(" ".join(cue.rows))
        for highlight, cue in zip(found, cues, strict=True)
    ]
    if 2 * sum(map(bool, parts)) < len(cues) or len(cues) < 2:
        return list(cues)
    joined: list[_Cue] = []
    position = -1
    for cue, highlight in zip(cues, found, strict=True):
        last = joined[-1] if joined else None
        is_same = last and abs(cue.start - last.end) <= _NEXT and [*map(plain, cue.rows)] == [*map(plain, last.rows)]
        if last and is_same and (not highlight or highlight.start() > position):
            joined[-1] = replace(last, end=cue.end)
        else:
            joined.append(cue)
            position = -1
        position = highlight.start() if highlight else position
    return joined


def _unrolled(cues: Sequence[_Cue], plain: Callable[[str], str]) -> Iterator[_Cue]:
    """Yield cues without the rows that rolling captions show again.

    Each cue of such a file begins with the last rows of the one before; one that holds nothing else is very short. A
    refrain, which is sung again, is no such file: most cues must do so, and show something new or flash.
    """
    shown = [[text for row in cue.rows if (text := plain(row))] for cue in cues]
    again = [0]
    n_next = n_rolled = 0
    for (last, cue), (above, rows) in zip(pairwise(cues), pairwise(shown), strict=True):
        is_next = bool(above and rows) and abs(cue.start - last.end) <= _NEXT
        n_most = min(len(above), len(rows), _ROLLED_ROWS)
        n_same = (n for n in range(n_most, 0, -1) if above[-n:] == rows[:n])
        again.append(next(n_same, 0) if is_next else 0)
        n_next += is_next
        is_new = again[-1] < len(rows) and rows[again[-1]] != rows[again[-1] - 1]
        n_rolled += again[-1] > 0 and (is_new or cue.end - cue.start <= _FLASH)
    is_rolling = n_rolled > 1 and 2 * n_rolled >= n_next
    for cue, n_again in zip(cues, again, strict=False):
        rows = [row for row in cue.rows if plain(row)]
        yield replace(cue, rows=rows[n_again:]) if is_rolling else cue


def _cue_span(row: str, where: str) -> tuple[float, float]:
    times = _CUE_TIMES.match(row)
    if times is not None:
        start, end = _seconds(*times.groups()[:3]), _seconds(*times.groups()[3:])
        if start <= end:
            return start, end
    raise DatasetError(f"{where}: expected 'start --> end' as hh:mm:ss.xxx, got {row.strip()[:60]!r}; correct it")


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return from_minutes(60 * int(hours or 0) + int(minutes), seconds.replace(",", "."))
