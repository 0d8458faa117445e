"""Alignment of known lyrics: words and a song in, times out."""

from lyricsep.aligners.base import AlignmentJob, AlignmentOptions, LyricsAligner
from lyricsep.aligners.reading import known_from, known_lyrics, read_known
from lyricsep.aligners.words import KnownLine, KnownLyrics

__all__ = [
    "AlignmentJob",
    "AlignmentOptions",
    "KnownLine",
    "KnownLyrics",
    "LyricsAligner",
    "known_from",
    "known_lyrics",
    "read_known",
]
