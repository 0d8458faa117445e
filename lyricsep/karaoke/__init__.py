"""A video to sing from: the sung line in the middle of the picture, swept word by word."""

from lyricsep.karaoke.drawing import Painter, check_drawing
from lyricsep.karaoke.fonts import find_font
from lyricsep.karaoke.pages import LEAD_IN, Page, SungText, make_pages
from lyricsep.karaoke.video import save_preview, write_video

__all__ = [
    "LEAD_IN",
    "Page",
    "Painter",
    "SungText",
    "check_drawing",
    "find_font",
    "make_pages",
    "save_preview",
    "write_video",
]
