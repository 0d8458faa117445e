"""Alignment of known lyrics: words and a song in, times out."""

from lyricsep.aligners.base import AlignmentOptions, KnownClips, LyricsAligner
from lyricsep.aligners.reading import from_transcript, known_lyrics, read_known, read_text
from lyricsep.aligners.words import KnownLine, KnownLyrics

__all__ = [
    "AlignmentOptions",
    "KnownClips",
    "KnownLine",
    "KnownLyrics",
    "LyricsAligner",
    "from_transcript",
    "known_lyrics",
    "read_known",
    "read_text",
]
