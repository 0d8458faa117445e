"""LRC: timed lines for music and karaoke players, ``[mm:ss.xx]text``.

Times are rounded to hundredths; minutes may exceed 99. A timed line without text ends each section, which
clears the screen during instrumental parts; where the next section starts at once, a blank row does. Enhanced LRC
(elrc) also has word times, before each word and at the end of a word that is followed by a pause:
``[mm:ss.xx]<mm:ss.xx>some <mm:ss.xx>words<mm:ss.xx>``.

LRC has no escapes: an invisible word joiner (U+2060) keeps text that looks like a time or a voice from being one.

References
----------
LRC: https://en.wikipedia.org/wiki/LRC_(file_format)
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import from_minutes, to_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.sections import section_ends
from lyricsep.formats.transcript import Transcript, in_parentheses, is_sung, sung, tidy, warn_skipped
from lyricsep.lyrics import Line, Lyrics

logger = logging.getLogger(__name__)

# Minutes, seconds, fraction; some files have a colon or a comma before the fraction, long songs have hours.
_CLOCK = r"(?:(\d{1,3}):(?=\d{1,2}:\d{1,2}[.,]))?(\d{1,9}):([0-5]?\d)(?:[.:,](\d{1,9}))?"
_STAMP = re.compile(rf"\[{_CLOCK}\]")
_STAMPS = re.compile(rf"(?:\[{_CLOCK}\]\s*)+")
_WORD_STAMP = re.compile(rf"[\[<]{_CLOCK}[\]>]")
_BACKGROUND = re.compile(r"\[bg:(.*)\]", re.IGNORECASE)
# Who sings: first, second or more voices; in Walaoke male, female, duet.
_VOICE = re.compile(r"\s*(?:v\d{1,4}|[MFD]):\s*")
# Rows without lyrics: tags, and those of RhythmicaLyrics. What begins as a time, or has no colon, may be lyrics.
_TAGS = re.compile(r"\[(?!\d+:)[^\[\]:]*:.*\]|@\w+=.*")

_JOINER = "\u2060"
_LIKE_MARK = re.compile(rf"(?<=[\[<])(?={_CLOCK}[\]>])|(?<=^\[)(?=bg:)|(?<=^[vMFD])(?=\d{{0,4}}:)")
_JOINED = re.compile(rf"(?<=[\[<vMFD]){_JOINER}")


def render_lrc(
    lyrics: Lyrics, *, word_times: bool = False, title: str | None = None, artist: str | None = None
) -> str:
    """Return lyrics, whose lines are in order of start, as LRC; only the tags for an instrumental.

    Words get times if there are any and they match the text of their line. Players show title (``[ti:]``) and artist
    (``[ar:]``).
    """
    minutes, seconds = divmod(to_ticks(lyrics.duration, 1), 60)
    tags = {
        "ti": title,
        "ar": artist,
        "length": f"{minutes:02d}:{seconds:02d}" if lyrics.duration else None,
        "re": "lyricsep",
    }
    # A tag must be one line, but metadata may contain line breaks.
    rows = [f"[{key}:{' '.join(value.split())}]" for key, value in tags.items() if value]
    starts = [to_ticks(line.start, 100) for line in lyrics.lines]
    following = [*starts, None][1:]
    for line, end, start, after in zip(lyrics.lines, section_ends(lyrics), starts, following, strict=True):
        text = (_with_word_times(line) if word_times else "") or _escape(line.text)
        # A bracket directly after the time would be read as another time.
        rows.append(f"[{_time(start)}]" + (" " if text.startswith("[") else "") + text)
        if end is not None:
            # Where the next line starts at once, a timed empty row would hide it in some players.
            is_apart = after is None or to_ticks(end, 100) < after
            rows.append(f"[{_time(to_ticks(end, 100))}]" if is_apart else "")
    return "\n".join(rows) + "\n"


def _with_word_times(line: Line) -> str:
    """Return the text with word times, or the empty string if there are none."""
    pieces = marks(line, 100)
    end = to_ticks(line.end, 100)
    if pieces and pieces[-1][0] < end:
        pieces.append((end, ""))
    return "".join(f"<{_time(time)}>{_escape(text)}" for time, text in pieces)


def _escape(text: str) -> str:
    return _LIKE_MARK.sub(_JOINER, text)


def _time(hundredths: int) -> str:
    seconds, hundredths = divmod(hundredths, 100)
    return f"{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}"


class _Row(NamedTuple):
    """A text at one of the times of its row."""

    time: float
    first: float  # of the times of its row, which those of its words belong to
    content: str
    is_background: bool


def read_lrc(text: str, name: str) -> Transcript:
    """Read LRC, plain or enhanced; see `lyricsep.formats.reading.read_lyrics`.

    Rows without a time are skipped with a warning; a file of such rows only is an error.
    """
    is_own = _tag("re", text) == "lyricsep"
    rows: list[_Row] = []
    skipped: list[int] = []
    for number, row in enumerate(map(str.strip, text.split("\n")), start=1):
        found = _timed(row, rows[-1].time if rows else None)
        rows += found
        if is_own and rows and not row:
            rows.append(rows[-1]._replace(content=""))  # a section that ends where the next begins
        elif row and not found and not _TAGS.fullmatch(row):
            skipped.append(number)
    if skipped and not rows:
        raise DatasetError(f"{name}: row {skipped[0]} has no time [mm:ss.xx]; add one, or save it as .txt")
    warn_skipped(name, skipped, "no time [mm:ss.xx] that can be read")
    rows.sort(key=lambda row: row.time)
    sooner = _offset(text, name)
    times = sorted({row.time for row in rows if not row.is_background})
    after = [*times, None]
    lines = [_line(row, sooner, after[bisect_right(times, row.time)]) for row in rows]
    length = re.fullmatch(_CLOCK, _tag("length", text) or "")
    return Transcript(
        tidy(line.text if is_sung(line.text) else "" for line in lines),
        tuple(sung(lines, name)),
        duration=_seconds(length) if length else 0.0,
        title=_tag("ti", text),
        artist=_tag("ar", text),
    )


def _timed(row: str, before: float | None) -> list[_Row]:
    """Return the text of a row at each of its times; without any, at that of its first word.

    Background vocals without any time at all have that of the row before.
    """
    leading = _STAMPS.match(row)
    stamps = list(_STAMP.finditer(leading[0])) if leading else []
    times = [_seconds(stamp) for stamp in stamps]
    content = row[leading.end() :] if leading else row
    background = _BACKGROUND.fullmatch(content.strip())
    content = background[1] if background else content
    word = _WORD_STAMP.search(content)
    if not times and word and (background or word.start() == 0):
        times = [_seconds(word)]
    elif not times and background and before is not None:
        times = [before]
    if len(stamps) == 2 and word and word[0].startswith("[") and times[0] <= times[1] < _seconds(word):
        times, content = times[:1], row[stamps[1].start() :]  # the other is that of the first word
    voice = _VOICE.match(content)
    content = content[voice.end() :] if voice else content
    return [_Row(time, times[0], content, bool(background)) for time in dict.fromkeys(times)]


def _offset(text: str, name: str) -> float:
    """Return the seconds by which the lyrics come sooner than their times."""
    value = _tag("offset", text) or "0"
    if re.fullmatch(r"[+-]?\d{1,9}", value):
        return int(value) / 1000
    logger.warning("%s: ignored [offset:%s], which is not whole milliseconds", name, value[:20])
    return 0.0


def _tag(key: str, text: str) -> str | None:
    found = re.search(rf"^[ \t]*\[{key}:(.*)\][ \t]*$", text, re.IGNORECASE | re.MULTILINE)
    return found[1].strip() or None if found else None


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds, fraction = match.groups()
    return from_minutes(60 * int(hours or 0) + int(minutes), f"{seconds}.{fraction or 0}")


def _line(row: _Row, sooner: float, later: float | None) -> Line:
    """Return the line of a row, whose times come `sooner`; `later` is the next time of another row, or None.

    A time behind the text is the end of the line, those between its words are theirs.
    """
    stamps = list(_WORD_STAMP.finditer(row.content))
    edges = [0, *(edge for match in stamps for edge in match.span()), len(row.content)]
    texts = [_JOINED.sub("", row.content[begin:stop]) for begin, stop in zip(edges[::2], edges[1::2], strict=True)]
    if row.is_background:
        _parenthesize(texts)
    start, shift = row.time - sooner, row.time - row.first - sooner
    times = [_seconds(match) + shift for match in stamps]
    end = None if later is None else later - sooner
    if times and times[-1] > start and (end is None or not texts[-1].strip()):
        end = times[-1]
    end = start if end is None else end
    pieces = [(*span, text) for span, text in zip(pairwise([start, *times, end]), texts, strict=True)]
    words = words_of(pieces) if any(text.strip() for text in texts[1:]) else ()
    text = "".join(texts).strip()
    start = max(0.0, start)
    return Line(start, max(start, end), " ".join(text.split()) if stamps else text, words)


def _parenthesize(texts: list[str]) -> None:
    """Put a text, which is cut into pieces, into parentheses."""
    filled = [number for number, text in enumerate(texts) if text.strip()]
    text = "".join(texts).strip()
    if filled and in_parentheses(text) != text:
        texts[filled[0]] = re.sub(r"^\s*", r"\g<0>(", texts[filled[0]], count=1)
        texts[filled[-1]] = re.sub(r"\s*$", r")\g<0>", texts[filled[-1]], count=1)
