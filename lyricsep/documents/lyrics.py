"""The lyrics document: everything a `Lyrics` holds, as ``song.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self, TypeVar

from lyricsep.documents.base import Document
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word

TIME_DIGITS = 3
"""Times are written in milliseconds: a frame of the alignment lasts 20 of them."""

PROBABILITY_DIGITS = 4

_Span = TypeVar("_Span", Segment, Word, Line, Decoding)


@dataclass(frozen=True)
class LyricsDocument(Document):
    """The lyrics of a song.

    Parameters
    ----------
    title, artist : str or None
        As the song's metadata state them.
    language : str or None
        ISO 639-1 code; null where nothing was sung.
    duration : float
        Length of the song in seconds.
    vocals_found : bool
        False for an instrumental, which has no segments and no lines.
    flagged : tuple of int
        Which lines (from 0) carry flags.
    segments : tuple of Segment
        The sung spans that were decoded.
    decodings : tuple of Decoding
        How each segment was decoded.
    lines : tuple of Line
        The lines in order of start, with their words.
    unwritten : tuple of Line
        What is sung and not written in the known lyrics, as the model hears it.
    closing : str
        What known lyrics have below the last line and nobody sings.
    """

    SCHEMA: ClassVar[str] = "lyricsep/lyrics"
    VERSION: ClassVar[int] = 2
    REMEDY: ClassVar[str] = "write it again with {format=json}"

    title: str | None = None
    artist: str | None = None
    language: str | None = None
    duration: float = 0.0
    vocals_found: bool = False
    flagged: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = ()
    decodings: tuple[Decoding, ...] = ()
    lines: tuple[Line, ...] = ()
    unwritten: tuple[Line, ...] = field(default=(), metadata={"omit_default": True})
    closing: str = field(default="", metadata={"omit_default": True})

    @classmethod
    def of(cls, lyrics: Lyrics, *, title: str | None = None, artist: str | None = None) -> Self:
        """Return the document of lyrics, which are written `rounded`."""
        kept = rounded(lyrics)
        return cls(
            title=title,
            artist=artist,
            language=kept.language,
            duration=kept.duration,
            vocals_found=bool(kept.segments),
            flagged=tuple(index for index, line in enumerate(kept.lines) if line.flags),
            segments=kept.segments,
            decodings=kept.decodings,
            lines=kept.lines,
            unwritten=kept.unwritten,
            closing=kept.closing,
        )

    @property
    def lyrics(self) -> Lyrics:
        """The lyrics of the document."""
        return Lyrics(**{each.name: getattr(self, each.name) for each in fields(Lyrics)})

    @classmethod
    def upgraded(cls, document: Any, version: int) -> Mapping[str, Any]:
        """Return version 1 as version 2; how its words join is in the text of their line."""
        return {key: value for key, value in document.items() if key not in ("vocals_found", "flagged")}


def rounded(lyrics: Lyrics) -> Lyrics:
    """Return lyrics with times rounded to milliseconds, and probabilities of words and lines to four digits."""
    return replace(
        lyrics,
        duration=_seconds(lyrics.duration),
        segments=tuple(map(_rounded, lyrics.segments)),
        decodings=tuple(map(_rounded, lyrics.decodings)),
        lines=tuple(map(_rounded_line, lyrics.lines)),
        unwritten=tuple(map(_rounded_line, lyrics.unwritten)),
    )


def _rounded_line(line: Line) -> Line:
    confidence = None if line.confidence is None else round(line.confidence, PROBABILITY_DIGITS)
    return replace(_rounded(line), words=tuple(map(_rounded_word, line.words)), confidence=confidence)


def _rounded(span: _Span) -> _Span:
    return replace(span, start=_seconds(span.start), end=_seconds(span.end))


def _rounded_word(word: Word) -> Word:
    return replace(_rounded(word), probability=round(word.probability, PROBABILITY_DIGITS))


def _seconds(time: float) -> float:
    return round(float(time), TIME_DIGITS)
