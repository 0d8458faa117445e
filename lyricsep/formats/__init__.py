"""Lyrics and segments → files that people, players and programs read."""

from lyricsep.formats.clock import SECTION_GAP
from lyricsep.formats.document import lyrics_from_json, lyrics_to_json
from lyricsep.formats.reading import LYRICS_SUFFIXES, Transcript, read_lyrics
from lyricsep.formats.registry import (
    FORMATS,
    SEGMENT_FORMATS,
    render_lyrics,
    render_segments,
    write_lyrics,
)

__all__ = [
    "FORMATS",
    "LYRICS_SUFFIXES",
    "SECTION_GAP",
    "SEGMENT_FORMATS",
    "Transcript",
    "lyrics_from_json",
    "lyrics_to_json",
    "read_lyrics",
    "render_lyrics",
    "render_segments",
    "write_lyrics",
]
