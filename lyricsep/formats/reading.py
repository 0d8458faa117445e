"""Files of lyrics, ours and others' → what is scored.

Every format gives the same text for the same lyrics, up to what it can hold:

- txt and lrc hold everything the text needs (lrc marks the end of each section with a timed empty line).
- srt and vtt have no sections; they are told from the pauses, as the txt writer does. A cue shorter than
  `lyricsep.formats.subtitles.MIN_CUE` was lengthened when it was written, by which a pause that hardly exceeds
  `SECTION_GAP` may be lost.
- srt has no escapes: a text that looks like a styling tag is taken for one. Other angle brackets are text.

References
----------
LRC: https://en.wikipedia.org/wiki/LRC_(file_format)
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats.document import lyrics_from_json
from lyricsep.formats.plain import render_txt
from lyricsep.lyrics import Line, Lyrics, Word

__all__ = ["LYRICS_SUFFIXES", "Transcript", "read_lyrics"]

LYRICS_SUFFIXES = (".json", ".txt", ".lrc", ".srt", ".vtt")
"""What is read, from the format that tells most of a text to that which tells least."""

# LRC: minutes, seconds, fraction; some write the fraction behind a colon or a comma.
_CLOCK = r"(\d+):([0-5]?\d)(?:[.:,](\d{1,3}))?"
_STAMPS = re.compile(rf"(?:\[{_CLOCK}\])+")
_STAMP = re.compile(rf"\[{_CLOCK}\]")
_WORD_STAMP = re.compile(rf"<{_CLOCK}>")
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)

# Subtitles: a row that starts like the times of a cue, and one that holds them.
_CUE_ROW = re.compile(r"\s*\d+:\S*\s*[-–—]+>")
_CUE_CLOCK = r"(?:(\d+):)?([0-5]?\d):([0-5]?\d[.,]\d{1,3})"
_CUE_TIMES = re.compile(rf"\s*{_CUE_CLOCK}\s*-->\s*{_CUE_CLOCK}(?:\s|$)")

# SubRip knows these tags only; what else stands in angle brackets are words. Braces are from SubStation.
_SRT_TAG = re.compile(r"</?(?:[bius]|font|c)(?:[ .][^>]*)?>|<\d+:\d\d:\d\d[.,]\d+>|\{\\[^}]*\}", re.IGNORECASE)
_VTT_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Transcript:
    """The lyrics that a file holds.

    Parameters
    ----------
    text : str
        What is scored: a line a line, sections parted by one blank line, each line ended by a line break; the
        empty string where there are no lyrics.
    lines : tuple of Line
        With times, in order of start; empty where the format has none (txt).
    language : str or None
        ISO 639-1, where the file says (json).
    """

    text: str
    lines: tuple[Line, ...] = ()
    language: str | None = None


def read_lyrics(path: Path) -> Transcript:
    """Read a file of lyrics; its suffix tells the format: txt, lrc, srt, vtt or json.

    - An empty file is empty lyrics, except for json, where it is a file cut short.
    - lrc: several times before one text repeat the line, ``[offset:]`` is heeded (a positive one makes the lyrics
      come sooner), other tags are not. Word times (``<mm:ss.xx>``) become `Line.words`; pieces that no space
      parts are one word. A line ends at the next time, or with its words where the file says when they end; the
      last line, else, where it starts.
    - srt, vtt: styling and karaoke tags are left out; each row of a cue is a line with the times of the cue.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 with a byte order mark; any line ends.

    Raises
    ------
    DatasetError
        If the suffix is none of these, or the file cannot be read, is in another encoding or is malformed.
    """
    name = shown(path)
    reader = _READERS.get(path.suffix.lower().removeprefix("."))
    if reader is None:
        known = ", ".join(f".{suffix}" for suffix in _READERS)
        raise DatasetError(f"{name}: lyrics are read from {known}, got {path.suffix!r}; rename or convert it")
    return reader(_read_text(path, name), name)


def _read_text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read ({error.strerror or error}); check the path") from error
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name}: expected UTF-8, got byte 0x{data[error.start]:02x} at {error.start}; save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_txt(text: str, _name: str) -> Transcript:
    return Transcript(_tidy(text.split("\n")))


def _read_json(text: str, name: str) -> Transcript:
    lyrics = lyrics_from_json(text, name=name)
    return Transcript(_sectioned(lyrics.lines), lyrics.lines, lyrics.language)


def _tidy(rows: Iterable[str]) -> str:
    """Join rows into `Transcript.text`: nothing blank at the ends, never two blank lines."""
    tidy: list[str] = []
    for row in map(str.strip, rows):
        if row or (tidy and tidy[-1]):
            tidy.append(row)
    return "\n".join(tidy).rstrip("\n") + "\n" if tidy else ""


def _sectioned(lines: tuple[Line, ...]) -> str:
    return _tidy(render_txt(Lyrics(lines)).split("\n"))


# LRC


def _read_lrc(text: str, name: str) -> Transcript:
    offset = _OFFSET.search(text)
    sooner = int(offset[1]) / 1000 if offset else 0.0
    rows: list[tuple[float, float, str]] = []  # its time, the first time of its row, and the text
    for number, row in enumerate(text.split("\n"), start=1):
        stamps = _STAMPS.match(row.strip())
        if stamps:
            times = [_seconds(match) for match in _STAMP.finditer(stamps[0])]
            rows += [(time, times[0], row.strip()[stamps.end() :]) for time in times]
        elif not re.fullmatch(r"(\[.*\])?", row.strip()):
            raise DatasetError(f"{name}: row {number} has no time [mm:ss.xx]; add one, or save it as .txt")
    rows.sort(key=lambda row: row[0])
    later = _later_times([time for time, _, _ in rows])
    lines = [
        _lrc_line(time - sooner, None if end is None else end - sooner, time - first - sooner, content)
        for (time, first, content), end in zip(rows, later, strict=True)
    ]
    timed = tuple(line for line in lines if line.text)
    return Transcript(_tidy(line.text for line in lines), timed)


def _seconds(match: re.Match[str]) -> float:
    return _from_minutes(int(match[1]), f"{match[2]}.{match[3] or 0}")


def _from_minutes(minutes: int, seconds: str) -> float:
    # In whole milliseconds, so that a time is the float of its decimal number.
    return (60_000 * minutes + round(1000 * float(seconds))) / 1000


def _later_times(times: list[float]) -> list[float | None]:
    """Give for each of the sorted times the next that is later, or None."""
    later: list[float | None] = []
    following = None
    for index in reversed(range(len(times))):
        if index + 1 < len(times) and times[index + 1] > times[index]:
            following = times[index + 1]
        later.append(following)
    return later[::-1]


def _lrc_line(start: float, end: float | None, shift: float, content: str) -> Line:
    """Make a line of what follows its time; `shift` is added to the times of its words."""
    first, *rest = _split_at_word_times(content, shift)
    if not rest:
        return _line(start, end, content.strip(), [])
    text = " ".join((first[1] + "".join(piece for _, piece in rest)).split())
    starts = [time for time, _ in rest]
    # A time with nothing behind it says when the last word ends.
    end = starts[-1] if not rest[-1][1].strip() else end
    edges = [*starts, starts[-1] if end is None else end]
    pieces = [(begin, stop, piece) for (begin, stop), (_, piece) in zip(pairwise(edges), rest, strict=True)]
    pieces.insert(0, (start, starts[0], first[1]))
    return _line(start, edges[-1], text, _words(pieces))


def _split_at_word_times(content: str, shift: float) -> list[tuple[float, str]]:
    """Split at ``<mm:ss.xx>`` into times and the text behind each; the time of the first piece means nothing."""
    stamps = list(_WORD_STAMP.finditer(content))
    edges = [*(match.start() for match in stamps), len(content)]
    times = [_seconds(match) + shift for match in stamps]
    pieces = [content[match.end() : edge] for match, edge in zip(stamps, edges[1:], strict=True)]
    return [(0.0, content[: edges[0]]), *zip(times, pieces, strict=True)]


def _words(pieces: list[tuple[float, float, str]]) -> list[Word]:
    """Cut pieces at their spaces, and join what no space parts: syllables have times of their own."""
    words: list[Word] = []
    is_open = False  # the last word may go on
    for start, end, piece in pieces:
        parts = piece.split()
        for index, part in enumerate(parts):
            begin, before = max(0.0, start), ""
            if index == 0 and is_open and not piece[0].isspace():
                word = words.pop()
                begin, before = word.start, word.text
            words.append(Word(begin, max(begin, end), before + part))
        if piece:
            is_open = not piece[-1].isspace()
    return words


def _line(start: float, end: float | None, text: str, words: list[Word]) -> Line:
    start = max(0.0, start)
    return Line(start, start if end is None else max(start, end), text, tuple(words))


# Subtitles


def _read_srt(text: str, name: str) -> Transcript:
    return _from_cues(_cue_rows(text.split("\n"), name, is_numbered=True), lambda row: _SRT_TAG.sub("", row))


def _read_vtt(text: str, name: str) -> Transcript:
    if text.strip() and not text.startswith("WEBVTT"):
        raise DatasetError(f"{name}: expected WEBVTT in the first row; add it, or rename the file if it is no WebVTT")
    return _from_cues(_cue_rows(text.split("\n"), name, is_numbered=False), _plain_vtt)


def _plain_vtt(row: str) -> str:
    # An escape can stand for a line break, which a line cannot hold.
    return re.sub(r"[\r\n]", " ", html.unescape(_VTT_TAG.sub("", row)))


def _from_cues(rows: Iterable[tuple[float, float, str]], plain: Callable[[str], str]) -> Transcript:
    lines = [Line(start, end, text) for start, end, row in rows if (text := plain(row).strip())]
    in_order = tuple(sorted(lines, key=lambda line: line.start))
    return Transcript(_sectioned(in_order), in_order)


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
        start, end = (
            _from_minutes(60 * int(hours or 0) + int(minutes), seconds.replace(",", "."))
            for hours, minutes, seconds in (times.groups()[:3], times.groups()[3:])
        )
        if start <= end:
            return start, end
    raise DatasetError(f"{where}: expected 'start --> end' as hh:mm:ss.xxx, got {row.strip()[:60]!r}; correct it")


_READERS: Mapping[str, Callable[[str, str], Transcript]] = {
    "txt": _read_txt,
    "lrc": _read_lrc,
    "srt": _read_srt,
    "vtt": _read_vtt,
    "json": _read_json,
}
