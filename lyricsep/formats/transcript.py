"""What a file of lyrics holds, and how its text is tidied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lyricsep.formats.plain import render_txt
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment

__all__ = ["Transcript", "in_order", "sectioned", "tidy"]


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
        As the file says it (json, ttml).
    duration : float
        Seconds of the song, where the file says (json, textgrid, lrc); else 0.
    segments, decodings : tuple
        As in `Lyrics`, where the file says (json).
    title, artist : str or None
        Where the file says (json, lrc; the title also ass and ttml).
    """

    text: str
    lines: tuple[Line, ...] = ()
    language: str | None = None
    duration: float = 0.0
    segments: tuple[Segment, ...] = ()
    decodings: tuple[Decoding, ...] = ()
    title: str | None = None
    artist: str | None = None

    @property
    def lyrics(self) -> Lyrics:
        """The same as `Lyrics`.

        What a format does not hold is told from the lines: that somebody sings while there is a line, and that
        the song lasts until the last one ends.
        """
        last = max((line.end for line in self.lines), default=0.0)
        segments = self.segments or _sung(self.lines)
        return Lyrics(self.lines, self.language, max(self.duration, last), segments, self.decodings)


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
    """Sort by start; lines of one start stay as they are."""
    return tuple(sorted(lines, key=lambda line: line.start))


def tidy(rows: Iterable[str]) -> str:
    """Join rows into `Transcript.text`: nothing blank at the ends, never two blank lines."""
    kept: list[str] = []
    for row in map(str.strip, rows):
        if row or (kept and kept[-1]):
            kept.append(row)
    return "\n".join(kept).rstrip("\n") + "\n" if kept else ""


def sectioned(lines: tuple[Line, ...]) -> str:
    """Give `Transcript.text` for lines whose file does not part its sections."""
    return tidy(render_txt(Lyrics(lines)).split("\n"))
