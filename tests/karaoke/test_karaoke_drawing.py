"""Fonts that have the letters, and text that fits and is swept in its direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from sung_lines import sung

from lyricsep.errors import ConfigError
from lyricsep.karaoke import Page, Painter, SungText, find_font
from lyricsep.karaoke.drawing import HEIGHT, MARGIN, WIDTH
from lyricsep.lyrics import Line

DEJAVU = find_font("DejaVu Sans")


def middle(text: str) -> Page:
    return Page(0.0, {"middle": SungText.of(sung(1.0, text))})


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(DEJAVU)


def swept(painter: Painter, page: Page, time: float) -> np.ndarray:
    """Return which pixels have changed."""
    picture = painter.draw(page)
    return picture.at(time)[:HEIGHT] != picture.plain[:HEIGHT]


def test_a_named_font_and_one_that_has_all_letters() -> None:
    assert DEJAVU.name == "DejaVuSans-Bold.ttf"
    assert find_font(str(DEJAVU), ["Straße"]) == DEJAVU
    assert "DejaVu" in find_font(None, ["ﻻ ♪ ж ❤\ufe0f"]).name


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("DejaVu Sans", "夜の列車", r"the font DejaVu Sans lacks 4: の \(U\+306E\), 列 \(U\+5217\), 夜 \(U\+591C\)"),
        ("DejaVu Sans", "\ue123", r"lacks 1: .* \(U\+E123\)"),
        (None, "\U0001e900", r"no font has all letters; the best one lacks 1: .* set font"),
        ("No Such Font", "", "no font is called No Such Font"),
        (__file__, "a", "is no font"),
    ],
)
def test_letters_are_never_drawn_as_boxes(name: str | None, text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        find_font(name, [text])


@pytest.mark.parametrize("text", ["שלום", "नमस्ते"])
def test_without_what_joins_letters_nothing_is_drawn_wrong(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ConfigError, match="need Pillow with Raqm and FriBiDi"):
        find_font(None, [text])
    assert find_font("DejaVu Sans", ["déjà"]) == DEJAVU


def test_a_line_is_swept_from_its_first_letter_on(painter: Painter) -> None:
    page = middle("one two three")
    assert not swept(painter, page, 1.0).any()
    columns = np.flatnonzero(swept(painter, page, 2.0).any(axis=0))
    everything = np.flatnonzero(swept(painter, page, 9.0).any(axis=0))
    assert columns[0] == everything[0]
    assert columns[-1] < everything[-1] - 100
    np.testing.assert_array_equal(painter.draw(page).at(9.0), painter.draw(page).swept)


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no Raqm")
def test_what_is_written_from_right_to_left_is_swept_so(painter: Painter) -> None:
    page = middle("שלום לכולם זה")
    columns = np.flatnonzero(swept(painter, page, 1.5).any(axis=0))
    everything = np.flatnonzero(swept(painter, page, 9.0).any(axis=0))
    assert columns[-1] == everything[-1]
    assert columns[0] > everything[0] + 100


@pytest.mark.parametrize(
    "page",
    [
        middle(
            "a line that is far too long for one row of a screen, at the size of letters that is read from a sofa"
        ),
        middle(" ".join(["and one for which two rows are not enough"] * 4)),
        Page(0.0, {"middle": SungText.of(Line(1, 2, "Rhabarberbarbarabar" * 8))}),
    ],
)
def test_text_stays_inside_the_margins(painter: Painter, page: Page) -> None:
    letters = np.argwhere(swept(painter, page, 99.0))
    (top, left), (bottom, right) = letters.min(axis=0), letters.max(axis=0)
    assert left >= MARGIN - 8
    assert right <= WIDTH - MARGIN + 8
    assert top >= HEIGHT / 2 - 150
    assert bottom <= HEIGHT / 2 + 150
    assert abs(left + right - WIDTH) < 30


def test_text_of_any_length_is_drawn(painter: Painter) -> None:
    assert swept(painter, Page(0.0, {"middle": SungText.of(Line(1, 2, "la " * 999 + "x" * 5000))}), 99.0).any()


def test_two_rows_are_sung_one_after_the_other(painter: Painter) -> None:
    page = middle(" ".join(["word"] * 10))
    end_of_first = np.argwhere(swept(painter, page, 3.5))
    assert end_of_first[:, 0].max() < HEIGHT / 2 + 5
    assert np.argwhere(swept(painter, page, 4.0))[:, 0].max() > HEIGHT / 2 + 40


def test_a_picture_is_darkened_and_fills_the_screen(tmp_path: Path) -> None:
    Image.new("RGB", (300, 500), (250, 250, 250)).save(tmp_path / "picture.png")
    brightness = Painter(DEJAVU, tmp_path / "picture.png").draw(Page(0.0)).plain[:HEIGHT]
    assert brightness.shape == (HEIGHT, WIDTH)
    assert brightness.min() == brightness.max()
    assert 80 < brightness.max() < 130


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_text("no")
    with pytest.raises(ConfigError, match=r"picture\.png: is no picture"):
        Painter(DEJAVU, tmp_path / "picture.png")


def test_the_bar_fills_until_the_line_starts(painter: Painter) -> None:
    page = Page(0.0, count_in=5.0)
    n_columns = [int(swept(painter, page, time).any(axis=0).sum()) for time in (2.0, 3.5, 5.0)]
    assert n_columns[0] == 0
    assert n_columns[1] == pytest.approx(n_columns[2] / 2, abs=8)
