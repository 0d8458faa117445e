"""Results → HTML pages: one for a song, one for a run."""

from lyricsep.pages.redo import Redo
from lyricsep.pages.results import (
    FoundSong,
    Results,
    find_results,
    manifests_of,
    named_references,
    references_of,
    with_sound_of,
)
from lyricsep.pages.run import RunContent, run_content
from lyricsep.pages.run_view import render_run_page
from lyricsep.pages.song import render_song_page, song_content
from lyricsep.pages.sound import PageSound, SongSound, song_sound

__all__ = [
    "FoundSong",
    "PageSound",
    "Redo",
    "Results",
    "RunContent",
    "SongSound",
    "find_results",
    "manifests_of",
    "named_references",
    "references_of",
    "render_run_page",
    "render_song_page",
    "run_content",
    "song_content",
    "song_sound",
    "with_sound_of",
]
