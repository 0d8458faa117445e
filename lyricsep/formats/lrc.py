"""LRC: timed lines for music and karaoke players, ``[mm:ss.xx]text``.

Times are rounded to hundredths; minutes may exceed 99. A timed line without text ends each section, which
clears the screen during instrumental parts. Enhanced LRC (elrc) also has word times, before each word and at the
end of a word that is followed by a pause: ``[mm:ss.xx]<mm:ss.xx>some <mm:ss.xx>words<mm:ss.xx>``.

LRC has no escapes: text that looks like a word time is read as one.

References
----------
LRC: https://en.wikipedia.org/wiki/LRC_(file_format)
"""

from __future__ import annotations

import re
from itertools import pairwise

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import from_minutes, to_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.sections import section_ends
from lyricsep.formats.transcript import Transcript, tidy
from lyricsep.lyrics import Line, Lyrics

# Minutes, seconds, fraction; some files have a colon or a comma before the fraction.
_CLOCK = r"(\d+):([0-5]?\d)(?:[.:,](\d{1,3}))?"
_STAMPS = re.compile(rf"(?:\[{_CLOCK}\])+")
_STAMP = re.compile(rf"\[{_CLOCK}\]")
_WORD_STAMP = re.compile(rf"<{_CLOCK}>")
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)
_LENGTH = re.compile(rf"\[length:\s*{_CLOCK}\s*\]", re.IGNORECASE)


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
    for line, end in zip(lyrics.lines, section_ends(lyrics), strict=True):
        text = (_with_word_times(line) if word_times else "") or line.text
        # A bracket directly after the time would be read as another time.
        rows.append(f"[{_time(to_ticks(line.start, 100))}]" + (" " if text.startswith("[") else "") + text)
        if end is not None:
            rows.append(f"[{_time(to_ticks(end, 100))}]")
    return "\n".join(rows) + "\n"


def _with_word_times(line: Line) -> str:
    """Return the text with word times, or the empty string if there are none."""
    pieces = marks(line, 100)
    end = to_ticks(line.end, 100)
    if pieces and pieces[-1][0] < end:
        pieces.append((end, ""))
    return "".join(f"<{_time(time)}>{text}" for time, text in pieces)


def _time(hundredths: int) -> str:
    seconds, hundredths = divmod(hundredths, 100)
    return f"{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}"


def read_lrc(text: str, name: str) -> Transcript:
    """Read LRC, plain or enhanced; see `lyricsep.formats.reading.read_lyrics`. Every text needs a time."""
    offset, length = _OFFSET.search(text), _LENGTH.search(text)
    sooner = int(offset[1]) / 1000 if offset else 0.0
    rows: list[tuple[float, float, str]] = []  # time, first time of its row, text
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
        _line(time - sooner, None if end is None else end - sooner, time - first - sooner, content)
        for (time, first, content), end in zip(rows, later, strict=True)
    ]
    return Transcript(
        tidy(line.text for line in lines),
        tuple(line for line in lines if line.text),
        duration=_seconds(length) if length else 0.0,
        title=_tag("ti", text),
        artist=_tag("ar", text),
    )


def _tag(key: str, text: str) -> str | None:
    found = re.search(rf"^\s*\[{key}:(.*)\]\s*$", text, re.IGNORECASE | re.MULTILINE)
    return found[1].strip() or None if found else None


def _seconds(match: re.Match[str]) -> float:
    return from_minutes(int(match[1]), f"{match[2]}.{match[3] or 0}")


def _later_times(times: list[float]) -> list[float | None]:
    """Return for each of the sorted times the next later one, or None."""
    later: list[float | None] = []
    following = None
    for index in reversed(range(len(times))):
        if index + 1 < len(times) and times[index + 1] > times[index]:
            following = times[index + 1]
        later.append(following)
    return later[::-1]


def _line(start: float, end: float | None, shift: float, content: str) -> Line:
    """Return a line from the text after its time; `shift` is added to its word times."""
    stamps = list(_WORD_STAMP.finditer(content))
    if not stamps:
        start = max(0.0, start)
        return Line(start, start if end is None else max(start, end), content.strip())
    times = [_seconds(match) + shift for match in stamps]
    edges = [*(match.start() for match in stamps), len(content)]
    texts = [content[match.end() : edge] for match, edge in zip(stamps, edges[1:], strict=True)]
    # A time without text after it is the end of the last word.
    last = times[-1] if end is None or not texts[-1].strip() else end
    spans = pairwise([start, *times, last])
    pieces = [(*span, piece) for span, piece in zip(spans, [content[: edges[0]], *texts], strict=True)]
    text = " ".join("".join(piece for _, _, piece in pieces).split())
    start = max(0.0, start)
    return Line(start, max(start, last), text, words_of(pieces))
