"""The content of a lyrics file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lyricsep.formats.sections import render_txt
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment

logger = logging.getLogger(__name__)

_NOTES = frozenset("♩♪♫♬🎵🎶🎼…")
_MARKS = _NOTES | set(" .-–—*~#_()[]")


@dataclass(frozen=True, slots=True)
class Transcript:
    """The content of a lyrics file.

    Parameters
    ----------
    text : str
        The text to score: one line of lyrics per line, sections separated by one blank line, each line ended by a
        line break; the empty string if there are no lyrics.
    lines : tuple of Line
        With times, in order of start; empty if the format has none (txt).
    language : str or None
        If the file has it (json, ttml).
    duration : float
        Length of the song in seconds, if the file has it (json, textgrid, lrc); else 0.
    segments, decodings, unwritten, closing
        As in `Lyrics`, if the file has them (json).
    title, artist : str or None
        If the file has them (json, lrc; the title also ass and ttml).
    """

    text: str
    lines: tuple[Line, ...] = ()
    language: str | None = None
    duration: float = 0.0
    segments: tuple[Segment, ...] = ()
    decodings: tuple[Decoding, ...] = ()
    title: str | None = None
    artist: str | None = None
    unwritten: tuple[Line, ...] = ()
    closing: str = ""

    @property
    def lyrics(self) -> Lyrics:
        """The content as `Lyrics`.

        Missing segments and duration are inferred from the lines: every line is sung from start to end, and the song
        ends with the last line.
        """
        last = max((line.end for line in self.lines), default=0.0)
        segments = self.segments or _sung(self.lines)
        duration = max(self.duration, last)
        return Lyrics(self.lines, self.language, duration, segments, self.decodings, self.unwritten, self.closing)


def _sung(lines: Iterable[Line]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for line in lines:
        if segments and line.start <= segments[-1].end:
            last = segments.pop()
            segments.append(Segment(last.start, max(last.end, line.end)))
        else:
            segments.append(Segment(line.start, line.end))
    return tuple(segments)


def in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines sorted by start; lines with equal starts keep their order."""
    return tuple(sorted(lines, key=lambda line: line.start))


def timed(lines: Iterable[Line], *, duration: float = 0.0, title: str | None = None) -> Transcript:
    """Return the transcript of lines from a file without sections; lines without text are left out."""
    kept = in_order(line for line in lines if line.text)
    return Transcript(sectioned(kept), kept, duration=duration, title=title)


def is_sung(text: str) -> bool:
    """Return whether a text is more than the marks of music or silence, such as ♪ or "...", that subtitles show."""
    return not set(text) <= _MARKS or not (".." in text or _NOTES & set(text))


def sung(lines: Iterable[Line], name: str) -> list[Line]:
    """Return the lines that are `is_sung`; `name` is the file in the log."""
    read = [line for line in lines if line.text]
    kept = [line for line in read if is_sung(line.text)]
    if len(kept) < len(read):
        logger.info("%s: left out %d lines of marks without words", name, len(read) - len(kept))
    return kept


def in_parentheses(text: str) -> str:
    """Return a text, as background vocals are written: in parentheses, unless it stands in them already."""
    return text if text.startswith("(") and text.endswith(")") else f"({text})"


def warn_skipped(name: str, numbers: Sequence[int], reason: str) -> None:
    """Log a warning that names the skipped rows of a file, if there are any."""
    if numbers:
        shown = ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
        logger.warning("%s: skipped row%s %s: %s", name, "s" if len(numbers) > 1 else "", shown, reason)


def tidy(rows: Iterable[str]) -> str:
    """Return rows as `Transcript.text`: no blank lines at the ends, never two in a row."""
    kept: list[str] = []
    for row in map(str.strip, rows):
        if row or (kept and kept[-1]):
            kept.append(row)
    return "\n".join(kept).rstrip("\n") + "\n" if kept else ""


def sectioned(lines: tuple[Line, ...]) -> str:
    """Return `Transcript.text` for timed lines; headers of sections are not sung, and left out."""
    bare = tuple(replace(line, section="") if line.section else line for line in lines)
    return tidy(render_txt(Lyrics(bare)).split("\n"))
