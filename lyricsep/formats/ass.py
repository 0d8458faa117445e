r"""ASS (Advanced SubStation Alpha): subtitles for video players and karaoke editors such as Aegisub.

Times are rounded to hundredths; hours may exceed 9. Overlapping lines become overlapping events, which players
stack. Where words have times, ``{\k50}`` before a word gives its duration in hundredths.

ASS has no escape for a backslash: an invisible word joiner (U+2060) after it keeps ``\N`` from being a line break.
``\{`` and ``\}`` are literal braces in libass, which VLC, mpv and FFmpeg use.

References
----------
libass: https://github.com/libass/libass/wiki/ASS-File-Format-Guide
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import cue_ticks
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.transcript import Transcript, sung, timed
from lyricsep.lyrics import Line, Lyrics

logger = logging.getLogger(__name__)

_FIELDS = ("Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text")

# Words change from the secondary colour (grey) to the primary (white) when they are sung.
_HEADER = """[Script Info]
{title}ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1280
PlayResY: 720

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, \
MarginV, Encoding
Style: Default,Arial,48,&H00FFFFFF,&H00909090,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,40,40,40,1

[Events]
Format: {fields}
"""

_CLOCK = re.compile(r"(\d{1,9}):([0-5]?\d):([0-5]?\d(?:[.,:]\d{1,9})?)")
_BLOCK = re.compile(r"(?<!\\)\{([^}]*)\}")
_SYLLABLE = re.compile(r"\\[kK][fo]?(\d+(?:\.\d+)?)")
_DRAWING = re.compile(r"\\p(\d+)")
# Styles of what viewers read but nobody sings.
_NOT_SUNG = re.compile(r"translat|translit|romani[sz]|furigana", re.IGNORECASE)


def render_ass(lyrics: Lyrics, *, title: str | None = None, lead_in: float = 0.0) -> str:
    r"""Return lyrics as ASS, with a title for editors; only the header for an instrumental.

    Lines are in order of start; those without text are skipped. With a lead-in, each line appears up to so many
    seconds before it is sung, though not before the last one ends, and its words are swept (``\kf``).
    """
    header = _HEADER.format(
        title=f"Title: {' '.join(title.split())}\n" if title and title.strip() else "", fields=", ".join(_FIELDS)
    )
    events, last_end = [], 0.0
    for line in lyrics.lines:
        if line.text.strip():
            appears = min(line.start, max(last_end, line.start - lead_in))
            events.append(f"Dialogue: {_event(line, appears, 'kf' if lead_in else 'k')}\n")
            last_end = max(last_end, line.end)
    return header + "".join(events)


def _event(line: Line, appears: float, effect: str) -> str:
    start, end = cue_ticks(appears, line.end, 100)
    text = _karaoke(line, start, end, effect) or _escape(line.text)
    return f"0,{_time(start)},{_time(end)},Default,,0,0,0,,{text}"


def _karaoke(line: Line, start: int, end: int, effect: str) -> str:
    pieces = marks(line, 100)
    if pieces and pieces[0][0] > start:
        pieces.insert(0, (start, ""))
    lengths = (
        [following - time for time, following in pairwise([*(time for time, _ in pieces), end])] if pieces else []
    )
    return "".join(
        f"{{\\{effect}{length}}}{_escape(text)}" for length, (_, text) in zip(lengths, pieces, strict=True)
    )


def _time(hundredths: int) -> str:
    seconds, hundredths = divmod(hundredths, 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{hundredths:02d}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")


def _unescape(text: str) -> str:
    return text.replace("\\h", " ").replace("\\{", "{").replace("\\}", "}").replace("\\\u2060", "\\")


def read_ass(text: str, name: str) -> Transcript:
    r"""Read ASS or its predecessor SSA; see `lyricsep.formats.reading.read_lyrics`.

    Each row of an event is a line. ``\k``, ``\K``, ``\kf`` and ``\ko`` become word times. Comments, drawings, copies
    of an event in other layers, and the effects of a karaoke template (whose source stands in comments) are ignored;
    styles of translations are ignored with a warning.
    """
    rows = [row.strip() for row in text.split("\n")]
    events = next((number for number, row in enumerate(rows) if row.lower() == "[events]"), None)
    if events is None:
        if text.strip():
            raise DatasetError(f"{name}: expected a row [Events]; add it, or rename the file if it is not ASS")
        return Transcript("")
    title = next((row[6:].strip() for row in rows[:events] if row.startswith("Title:")), None)
    found: list[_Event] = []
    fields: tuple[str, ...] = _FIELDS
    for number, row in enumerate(rows[events:], start=events + 1):
        key, _, value = row.partition(":")
        if key == "Format":
            fields = tuple(field.strip() for field in value.split(","))
        elif key in ("Dialogue", "Comment"):
            cells = dict(zip(fields, value.split(",", len(fields) - 1), strict=False))
            layer, style, effect = (cells.get(field, "").strip() for field in ("Layer", "Style", "Effect"))
            if key == "Dialogue" or effect == "karaoke":
                lines = tuple(_lines(cells, f"{name}: row {number}", value, len(fields)))
                found.append(_Event(key == "Comment", layer, style, effect, lines))
    return timed(sung(_shown_once(_sung_events(found, name)), name), title=title or None)


class _Event(NamedTuple):
    """The lines of an event, and what tells whether it is lyrics."""

    is_comment: bool
    layer: str
    style: str
    effect: str
    lines: tuple[Line, ...]


def _sung_events(events: Sequence[_Event], name: str) -> list[_Event]:
    """Return the events whose text is sung.

    A karaoke template makes many events of the effect fx from each comment of the effect karaoke.
    """
    is_made = {event.is_comment for event in events if event.is_comment or event.effect == "fx"} == {True, False}
    shown = [event for event in events if (event.effect != "fx" if is_made else not event.is_comment)]
    others = sorted({event.style for event in shown if event.lines and _NOT_SUNG.search(event.style)})
    kept = [event for event in shown if event.style not in others]
    if others and any(event.lines for event in kept):
        logger.warning("%s: skipped the lines of the styles that are not sung: %s", name, ", ".join(others))
        shown = kept
    _warn_of_translations(shown, name)
    return shown


def _warn_of_translations(events: Sequence[_Event], name: str) -> None:
    """Log a warning where most lines of a style have the times of another's, with another text."""
    styles: dict[str, dict[tuple[float, float], str]] = {}
    for event in events:
        styles.setdefault(event.style, {}).update({(line.start, line.end): line.text for line in event.lines})
    for (first, lines), (second, others) in combinations(styles.items(), 2):
        n_beside = sum(span in others and others[span] != text for span, text in lines.items())
        if n_beside > 1 and 2 * n_beside > min(len(lines), len(others)):
            logger.warning(
                "%s: the styles %s and %s have the same times; delete one if it translates", name, first, second
            )


def _shown_once(events: Sequence[_Event]) -> list[Line]:
    """Return the lines of events, without copies in other layers and styles such as shadows; word times are kept."""
    owners: dict[tuple[float, float, str], tuple[str, str]] = {}
    for event in sorted(events, key=lambda event: not any(line.words for line in event.lines)):
        for line in event.lines:
            owners.setdefault((line.start, line.end, line.text), (event.layer, event.style))
    return [
        line
        for event in events
        for line in event.lines
        if owners[line.start, line.end, line.text] == (event.layer, event.style)
    ]


def _lines(event: Mapping[str, str], where: str, value: str, n_fields: int) -> Iterator[Line]:
    start, end = (_milliseconds(event.get(field, "")) for field in ("Start", "End"))
    if not 0 <= start <= end or "Text" not in event:
        raise DatasetError(
            f"{where}: expected {n_fields} fields with Start and End as h:mm:ss.xx, got {value.strip()[:60]!r}; "
            "correct it"
        )
    has_times = any(map(_SYLLABLE.search, _parts(event["Text"])[1::2]))
    for row in _rows(event["Text"], start, end):
        content = "".join(piece for _, _, piece in row).strip()
        if content:
            timed = [(begin / 1000, stop / 1000, piece) for begin, stop, piece in row if has_times]
            yield Line(start / 1000, end / 1000, content, words_of(timed))


def _parts(text: str) -> list[str]:
    """Cut a text at its braces: text, content of braces, text and so on."""
    head, brace, tail = text.rpartition("}")  # only there can braces be open, which would be searched for long
    *parts, last = _BLOCK.split(head + brace)
    return [*parts, last + tail]


def _rows(text: str, start: int, end: int) -> list[list[tuple[int, int, str]]]:
    """Return the pieces of each row of an event: start and end in milliseconds, and text."""
    now, length, is_drawing = start, 0, False
    rows: list[list[tuple[int, int, str]]] = [[]]
    for index, part in enumerate(_parts(text)):
        if index % 2:  # the content of braces
            for hundredths in _SYLLABLE.findall(part):
                now += length
                length = round(min(10 * float(hundredths), end - now))
            for scale in _DRAWING.findall(part):
                is_drawing = scale.strip("0") != ""
        elif not is_drawing:
            first, *others = (_unescape(piece) for piece in re.split(r"\\[Nn]", part))
            rows[-1].append((now, now + length, first))
            rows += [[(now, now + length, piece)] for piece in others]
    return rows


def _milliseconds(clock: str) -> int:
    """Return a time in milliseconds, or -1 if it is malformed."""
    time = _CLOCK.fullmatch(clock.strip())
    if not time:
        return -1
    return 60_000 * (60 * int(time[1]) + int(time[2])) + round(1000 * float(re.sub("[,:]", ".", time[3])))
