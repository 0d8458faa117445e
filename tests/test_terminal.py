"""The line of a status fits, whatever the columns and the letters."""

from __future__ import annotations

import time

import pytest

from lyricsep.tables import text_width
from lyricsep.terminal import Status, shortened


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("song.wav", 8, "song.wav"),
        ("song.wav", 7, "song..."),
        ("歌の名前", 8, "歌の名前"),
        ("歌の名前", 7, "歌の..."),
        ("歌の名前", 6, "歌..."),
        ("song.wav", 2, ".."),
        ("song.wav", -3, ""),
    ],
)
def test_shortened(text: str, columns: int, expected: str) -> None:
    assert shortened(text, columns) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (79, "[2/3] separating song.wav  45% 1:05, about 2 min left"),
        (40, "[2/3] separating song.wav  45% 1:05"),
        (30, "[2/3] separating ...  45% 1:05"),
    ],
)
def test_figures_stay_where_there_is_little_room(columns: int, expected: str) -> None:
    status = Status("[2/3] separating song.wav", 0.45, "about 2 min left", began=time.monotonic() - 65.2)
    line = status.line(columns)
    assert text_width(line) <= columns
    assert line == expected
