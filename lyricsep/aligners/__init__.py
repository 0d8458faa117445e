"""Alignment of known lyrics: words and a song in, times out."""

from lyricsep.aligners.base import AlignmentJob, AlignmentOptions, LyricsAligner
from lyricsep.aligners.reading import from_transcript, known_lyrics, read_known, read_text
from lyricsep.aligners.words import KnownLine, KnownLyrics

__all__ = [
    "AlignmentJob",
    "AlignmentOptions",
    "KnownLine",
    "KnownLyrics",
    "LyricsAligner",
    "from_transcript",
    "known_lyrics",
    "read_known",
    "read_text",
]
