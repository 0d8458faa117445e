"""TextGrid, which Praat and phoneticians' tools show and edit beside the sound.

Times are rounded to microseconds. The intervals of a tier follow each other without gap or overlap, so that lines
that overlap, as backing vocals do, stand in tiers of their own: ``lines``, ``lines 2`` and so on, each with its
``words`` tier where any word has a time; words that no space separates, such as *l* and *'un*, share an interval. An
interval lasts at least `SHORTEST`; a text without letters is no interval.

References
----------
Praat: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import logging
import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import to_ticks
from lyricsep.formats.karaoke import whole_words
from lyricsep.formats.transcript import Transcript, sung, timed
from lyricsep.lyrics import LONGEST, Line, Lyrics, Segment, Word

logger = logging.getLogger(__name__)

SHORTEST = 0.001
"""Seconds; Praat refuses intervals that end when they begin."""

_PER_SECOND = 1_000_000
_LEAST = to_ticks(SHORTEST, _PER_SECOND)

# Praat heeds only what stands free: strings, numbers and flags; the words around them are for people.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)|(<exists>|<absent>)|![^\n]*')
_LINES = re.compile(r"lines(?: (\d+))?", re.IGNORECASE)

_Span = tuple[int, int, str]
"""Start and end in microseconds, and the text."""


def render_lyrics_textgrid(lyrics: Lyrics) -> str:
    """Render the TextGrid of lyrics; one empty interval for an instrumental."""
    tiers: dict[str, list[_Span]] = {}
    for number, lines in enumerate(_without_overlap(lyrics.lines) or [[]], start=1):
        own = "" if number == 1 else f" {number}"
        tiers[f"lines{own}"] = _apart(lines)
        words = [Line(*_inside(word, line), word.text) for line in lines for word in whole_words(line)]
        if words:
            tiers[f"words{own}"] = _apart(words)
    return _render(tiers, lyrics.duration)


def render_segments_textgrid(segments: Sequence[Segment], *, duration: float = 0.0) -> str:
    """Render the TextGrid of segments, which are in order and do not overlap: one tier, ``vocals``.

    The grid lasts at least as long as its segments, and `duration`, the seconds of the song.
    """
    return _render({"vocals": _apart([Line(segment.start, segment.end, "vocals") for segment in segments])}, duration)


def _without_overlap(lines: Iterable[Line]) -> list[list[Line]]:
    """Deal lines to as few tiers as hold them: each to the first that is free."""
    tiers: list[list[Line]] = []
    ends: list[int] = []
    for line in lines:
        if not line.text.strip():
            continue
        start = to_ticks(line.start, _PER_SECOND)
        tier = next((number for number, end in enumerate(ends) if end <= start), len(tiers))
        if tier == len(tiers):
            tiers.append([])
            ends.append(0)
        tiers[tier].append(line)
        ends[tier] = max(to_ticks(line.end, _PER_SECOND), start + _LEAST)
    return tiers


def _inside(word: Word, line: Line) -> tuple[float, float]:
    start = min(max(word.start, line.start), line.end)
    return start, min(max(word.end, start), line.end)


def _apart(spans: Sequence[Line]) -> list[_Span]:
    """Round to whole microseconds, cut what overlaps the next, and push on what would have no length."""
    found: list[_Span] = []
    now = 0
    starts = [to_ticks(span.start, _PER_SECOND) for span in spans]
    for number, span in enumerate(spans, start=1):
        begin = max(now, starts[number - 1])
        now = max(begin + _LEAST, min([to_ticks(span.end, _PER_SECOND), *starts[number : number + 1]]))
        found.append((begin, now, span.text))
    return found


def _render(tiers: Mapping[str, Sequence[_Span]], duration: float) -> str:
    ends = [spans[-1][1] for spans in tiers.values() if spans]
    last = max(to_ticks(duration, _PER_SECOND), _LEAST, *ends)
    rows = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    rows += ["xmin = 0", f"xmax = {_number(last)}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), start=1):
        intervals = list(_contiguous(spans, last))
        rows += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        rows += ["        xmin = 0", f"        xmax = {_number(last)}", f"        intervals: size = {len(intervals)}"]
        for index, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            rows += [f"        intervals [{index}]:", f"            xmin = {_number(start)}"]
            rows += [f"            xmax = {_number(end)}", f'            text = "{quoted}"']
    return "\n".join(rows) + "\n"


def _contiguous(spans: Sequence[_Span], last: int) -> Iterator[_Span]:
    now = 0
    for start, end, text in spans:
        if start > now:
            yield now, start, ""
        yield start, end, text
        now = end
    if now < last:
        yield now, last, ""


def _number(ticks: int) -> str:
    return f"{ticks // _PER_SECOND}.{ticks % _PER_SECOND:06d}".rstrip("0").rstrip(".")


def read_textgrid(text: str, name: str) -> Transcript:
    """Read a TextGrid, long or short; see `lyricsep.formats.reading.read_lyrics`.

    Lines are the intervals of the tiers ``lines``, ``lines 2`` and so on, or those of the only tier of intervals;
    their words are the intervals of ``words``, ``words 2`` and so on that have their middle in them. A warning names
    the other tiers with text.
    """
    if not text.strip():
        return Transcript("")
    try:
        duration, tiers, points = _parse(text)
        if duration >= LONGEST:
            raise ValueError(f"a duration of {duration:g} s")
    except (StopIteration, TypeError) as error:
        raise DatasetError(f"{name}: not a complete TextGrid; save it again from Praat as a text file") from error
    except ValueError as error:
        raise DatasetError(f"{name}: {error}; correct it in Praat") from error
    chosen = [tier for tier in tiers if _LINES.fullmatch(tier)] or (list(tiers) if len(tiers) == 1 else [])
    if not chosen:
        raise DatasetError(f"{name}: expected a tier called lines, got {', '.join(tiers) or 'none'}; rename one")
    words = {tier: key for tier in chosen for key in tiers if key.lower() == _words_tier(tier)}
    others = [*(tier for tier in tiers if tiers[tier] and tier not in chosen and tier not in words.values()), *points]
    if others:
        logger.warning("%s: read the lines of %s; skipped %s", name, ", ".join(chosen), ", ".join(others))
    lines = [line for tier in chosen for line in _with_words(tiers[tier], tiers.get(words.get(tier, ""), []))]
    return timed(sung(lines, name), duration=duration)


def _parse(text: str) -> tuple[float, dict[str, list[Line]], list[str]]:
    """Return the duration, the intervals with text of each tier of intervals, and the tiers of points with text.

    Tiers of the same name are one.
    """
    tokens = (
        match[1].replace('""', '"') if match[1] is not None else float(match[2])
        for match in _TOKEN.finditer(text)
        if match[1] is not None or match[2]
    )
    # Older programs write "ooTextFile short" above a short file.
    if (_string(tokens).removesuffix(" short"), _string(tokens)) != ("ooTextFile", "TextGrid"):
        raise ValueError("expected an ooTextFile that is a TextGrid")
    _float(tokens)
    duration = _float(tokens)
    tiers: dict[str, list[Line]] = {}
    points = []
    for _ in range(int(_float(tokens))):
        kind, tier = _string(tokens), " ".join(_string(tokens).split())
        _float(tokens), _float(tokens)
        n_items = int(_float(tokens))
        if kind == "IntervalTier":
            intervals = [(_float(tokens), _float(tokens), _string(tokens)) for _ in range(n_items)]
            lines = (Line(start, end, " ".join(label.split("\n")).strip()) for start, end, label in intervals)
            tiers[tier] = sorted(
                [*tiers.get(tier, []), *(line for line in lines if line.text)], key=lambda line: line.start
            )
        else:
            labels = [(_float(tokens), _string(tokens))[1] for _ in range(n_items)]
            points += [tier] if "".join(labels).strip() else []
    return duration, tiers, points


def _string(tokens: Iterator[str | float]) -> str:
    token = next(tokens)
    if not isinstance(token, str):
        raise TypeError
    return token


def _float(tokens: Iterator[str | float]) -> float:
    token = next(tokens)
    if not isinstance(token, float):
        raise TypeError
    if not math.isfinite(token):
        raise ValueError("expected finite numbers, got one of hundreds of digits")
    return token


def _words_tier(lines: str) -> str:
    number = _LINES.fullmatch(lines)
    return f"words {number[1]}" if number and number[1] else "words"


def _with_words(lines: Sequence[Line], words: Sequence[Line]) -> Iterator[Line]:
    starts = [line.start for line in lines]
    owned: dict[int, list[Word]] = {}
    for word in words:
        owner = bisect_right(starts, (word.start + word.end) / 2) - 1
        owned.setdefault(owner, []).append(Word(word.start, word.end, word.text))
    for number, line in enumerate(lines):
        yield replace(line, words=tuple(owned.get(number, ())))
