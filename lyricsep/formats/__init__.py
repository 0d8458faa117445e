"""Read and write files of lyrics and segments."""

from lyricsep.formats.reading import (
    CORRECTED,
    HISTORY,
    LYRICS_SUFFIXES,
    TIMED_SUFFIXES,
    find_lyrics,
    lyrics_stem,
    match_key,
    match_names,
    read_lyrics,
)
from lyricsep.formats.registry import (
    FORMATS,
    SEGMENT_FORMATS,
    file_suffixes,
    render_lyrics,
    render_segments,
    render_transcript,
    segments_suffix,
    warn_left_out,
    write_lyrics,
)
from lyricsep.formats.sections import SECTION_GAP
from lyricsep.formats.transcript import Transcript

__all__ = [
    "CORRECTED",
    "FORMATS",
    "HISTORY",
    "LYRICS_SUFFIXES",
    "SECTION_GAP",
    "SEGMENT_FORMATS",
    "TIMED_SUFFIXES",
    "Transcript",
    "file_suffixes",
    "find_lyrics",
    "lyrics_stem",
    "match_key",
    "match_names",
    "read_lyrics",
    "render_lyrics",
    "render_segments",
    "render_transcript",
    "segments_suffix",
    "warn_left_out",
    "write_lyrics",
]
