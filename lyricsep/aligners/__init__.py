"""Alignment of known lyrics: words and a song in, times out."""

from lyricsep.aligners.base import Aligner, AlignmentJob
from lyricsep.aligners.words import KnownLine, KnownLyrics

__all__ = ["Aligner", "AlignmentJob", "KnownLine", "KnownLyrics"]
