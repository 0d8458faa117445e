"""Plain text: one line of lyrics per line, sections separated by a blank line."""

from __future__ import annotations

from lyricsep.formats.sections import section_ends
from lyricsep.lyrics import Lyrics

__all__ = ["render_txt"]


def render_txt(lyrics: Lyrics) -> str:
    """Return lyrics as plain text; the empty string for an instrumental.

    A blank line separates sections (`section_ends`).
    """
    parts = [
        line.text + ("\n" if end is None else "\n\n")
        for line, end in zip(lyrics.lines, section_ends(lyrics), strict=True)
    ]
    return "".join(parts).removesuffix("\n") if parts else ""
