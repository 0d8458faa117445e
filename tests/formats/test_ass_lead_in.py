"""ASS to sing from: lines that appear before they are sung, and words that are swept."""

from __future__ import annotations

import pysubs2

from lyricsep.formats.ass import read_ass, render_ass
from lyricsep.lyrics import Line, Lyrics, Word

LYRICS = Lyrics(
    (
        Line(1.0, 2.0, "one two", (Word(1.0, 1.5, "one"), Word(1.5, 2.0, "two"))),
        Line(2.5, 3.0, "three", (Word(2.5, 3.0, "three"),)),
        Line(2.8, 3.5, "(echo)"),
        Line(9.0, 9.5, "four", (Word(9.2, 9.5, "four"),)),
    )
)


def test_lines_appear_early_but_not_before_the_last_one_ends() -> None:
    text = render_ass(LYRICS, lead_in=3.0)
    events = pysubs2.SSAFile.from_string(text).events
    assert [(event.start, event.end, event.text) for event in events] == [
        (0, 2000, r"{\kf100}{\kf50}one {\kf50}two{\kf0}"),
        (2000, 3000, r"{\kf50}{\kf50}three{\kf0}"),
        (2800, 3500, "(echo)"),
        (6000, 9500, r"{\kf320}{\kf30}four{\kf0}"),
    ]
    assert [line.words for line in read_ass(text, "x.ass").lines] == [line.words for line in LYRICS.lines]


def test_without_a_lead_in_lines_appear_when_they_are_sung() -> None:
    events = pysubs2.SSAFile.from_string(render_ass(LYRICS)).events
    assert [(event.start, event.text) for event in events][:2] == [
        (1000, r"{\k50}one {\k50}two{\k0}"),
        (2500, r"{\k50}three{\k0}"),
    ]
