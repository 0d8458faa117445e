"""Draw pages: each twice, as nobody and as everything has been sung, between which columns are swept."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lyricsep.errors import ConfigError
from lyricsep.files import shown
from lyricsep.karaoke.pages import LEAD_IN, Page, SungText

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1920, 1080  # pixels, as all lengths here
MARGIN = 120  # on both sides: televisions cut off up to a twentieth
SMALLEST = 12  # letters
LEADING = 1.22  # of the size of the letters, from row to row
OUTLINE = 6
EVEN = ~1  # colour is stored for squares of two pixels

Colour = tuple[int, int, int]

SKY: tuple[Colour, Colour] = ((14, 17, 40), (46, 24, 70))  # top and bottom, without a picture
DARK: Colour = (8, 8, 20)
WHITE: Colour = (255, 255, 255)
GREY: Colour = (168, 170, 192)
AMBER: Colour = (255, 180, 30)
BROWN: Colour = (150, 116, 62)


class _Place(NamedTuple):
    """Where a text stands: its middle, the size of its letters, and its colours before and after it is sung."""

    y: int
    size: int
    plain: Colour
    swept: Colour


_PLACES = {
    "title": _Place(480, 120, WHITE, WHITE),
    "artist": _Place(640, 64, AMBER, AMBER),
    "header": _Place(200, 60, GREY, GREY),
    "above": _Place(240, 84, GREY, BROWN),
    "middle": _Place(540, 96, WHITE, AMBER),
    "below": _Place(840, 84, GREY, GREY),
}
_BAR = (388, 404)  # top and bottom of the bar that counts in
_BAR_SPAN = (WIDTH // 2 - 210, WIDTH // 2 + 210)


@dataclass(frozen=True, eq=False)
class Band:
    """Rows of pixels in which a text is swept.

    Parameters
    ----------
    top, bottom, left, right : int
        Of the text, with its outline.
    times, widths : ndarray
        How many pixels from its first letter on are swept at which seconds.
    from_right : bool
        Whether it is written from right to left.
    """

    top: int
    bottom: int
    left: int
    right: int
    times: NDArray[np.float64]
    widths: NDArray[np.float64]
    from_right: bool = False

    def columns(self, time: float) -> tuple[int, int]:
        """Return the first swept column, and the one after the last."""
        width = float(np.interp(time, self.times, self.widths))
        if width <= self.widths[0]:
            return self.left, self.left
        if width >= self.widths[-1]:
            return self.left, self.right
        if self.from_right:
            return round(self.right - OUTLINE - width) & EVEN, self.right
        return self.left, round(self.left + OUTLINE + width) & EVEN


@dataclass(frozen=True, eq=False)
class Picture:
    """A page as it is drawn.

    Parameters
    ----------
    plain, swept : ndarray of uint8, shape (HEIGHT * 3 // 2, WIDTH)
        As nothing and as everything has been sung, in the layout of FFmpeg's yuv420p.
    bands : tuple of Band
        Where it is swept.
    """

    plain: NDArray[np.uint8]
    swept: NDArray[np.uint8]
    bands: tuple[Band, ...]

    def at(self, time: float) -> NDArray[np.uint8]:
        """Return the picture at a time in seconds, in the layout of `plain`."""
        frame = self.plain.copy()
        for band in self.bands:
            left, right = band.columns(time)
            for target, source, step in zip(_planes(frame), _planes(self.swept), (1, 2, 2), strict=True):
                part = slice(band.top // step, band.bottom // step), slice(left // step, right // step)
                target[part] = source[part]
        return frame


def _planes(frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield brightness and both colours of a frame, as views."""
    yield frame[:HEIGHT]
    for half in np.split(frame[HEIGHT:], 2):
        yield half.reshape(HEIGHT // 2, WIDTH // 2)


def check_drawing() -> None:
    """Raise a `ConfigError` if what draws is not installed, to fail before long work."""
    try:
        import matplotlib  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as error:
        raise ConfigError("karaoke videos need Pillow and matplotlib: pip install 'lyricsep[karaoke]'") from error


class Painter:
    """Draws pages with one font on one background.

    Parameters
    ----------
    font : Path
        A file that has every letter (`lyricsep.karaoke.find_font`).
    picture : Path, optional
        Shown darkened behind the text, cut to the shape of the screen.

    Raises
    ------
    ConfigError
        If the picture cannot be read.
    """

    def __init__(self, font: Path, picture: Path | None = None) -> None:
        self._font_file = font
        self._background = _sky() if picture is None else _dimmed(picture)
        self._font = lru_cache(self._load_font)

    def draw(self, page: Page) -> Picture:
        """Draw a page."""
        from PIL import ImageDraw

        plain, swept = self._background.copy(), self._background.copy()
        pens = ImageDraw.Draw(plain), ImageDraw.Draw(swept)
        bands: list[Band] = []
        for place, text in page.rows.items():
            bands += self._write(pens, _PLACES[place], text)
        if page.count_in is not None:
            bands.append(_count_in(pens, page.count_in))
        return Picture(_to_yuv(plain), _to_yuv(swept), tuple(bands))

    def _write(self, pens: tuple[ImageDraw, ImageDraw], place: _Place, sung: SungText) -> Iterator[Band]:
        """Write a text in one row, or two where it is too wide; smaller where two are not enough."""
        from_right = next(
            (c in ("R", "AL") for c in map(unicodedata.bidirectional, sung.text) if c in ("L", "R", "AL")), False
        )
        size = place.size
        while True:
            font = self._font(size)
            rows = _rows(font, sung)
            widest = max(font.getlength(sung.text[begin:end].strip()) for begin, end in rows)
            if widest <= WIDTH - 2 * MARGIN or size == SMALLEST:
                break
            size = max(SMALLEST, int(size * min(0.97, (WIDTH - 2 * MARGIN) / widest)))
        for number, (begin, end) in enumerate(rows):
            text = sung.text[begin:end].rstrip()
            width = font.getlength(text)
            x, y = (WIDTH - width) / 2, place.y + size * LEADING * (number - (len(rows) - 1) / 2)
            for pen, colour in zip(pens, (place.plain, place.swept), strict=True):
                pen.text((x, y), text, colour, font, anchor="lm", stroke_width=OUTLINE, stroke_fill=DARK)
            if sung.times and place.plain != place.swept:
                inside = [min(max(count - begin, 0), len(text)) for count in sung.letters]
                # A letter begins with its ink, not with the space around it.
                edges = [0.0 if from_right else _bearing(font, text[count:]) for count in inside]
                widths = [font.getlength(text[:count]) + edge for count, edge in zip(inside, edges, strict=True)]
                height = size * LEADING / 2
                yield Band(
                    int(y - height) & EVEN,
                    int(y + height) & EVEN,
                    int(x - OUTLINE) & EVEN,
                    int(x + width + OUTLINE + 2) & EVEN,
                    np.array(sung.times),
                    np.array(widths),
                    from_right,
                )

    def _load_font(self, size: int) -> FreeTypeFont:
        from PIL import ImageFont

        return ImageFont.truetype(self._font_file, size)


def _bearing(font: FreeTypeFont, text: str) -> float:
    """Return the pixels before the first letter of a text."""
    mask, offset = font.getmask2(text, "L", anchor="ls")
    box = mask.getbbox()
    return float(offset[0] + box[0]) if box else 0.0


def _rows(font: FreeTypeFont, sung: SungText) -> list[tuple[int, int]]:
    """Return the span of each row: the whole text, or two of about the same width."""
    text = sung.text
    if font.getlength(text) <= WIDTH - 2 * MARGIN:
        return [(0, len(text))]
    breaks = [place + 1 for place, letter in enumerate(text) if letter.isspace()]
    breaks = breaks or [count for count in sung.letters if 0 < count < len(text)]
    if not breaks:
        return [(0, len(text))]
    middle = min(breaks, key=lambda cut: max(font.getlength(text[:cut].rstrip()), font.getlength(text[cut:])))
    return [(0, middle), (middle, len(text))]


def _count_in(pens: tuple[ImageDraw, ImageDraw], start: float) -> Band:
    """Draw a bar that fills until a line starts."""
    (left, right), (top, bottom) = _BAR_SPAN, _BAR
    for pen, colour in zip(pens, (DARK, AMBER), strict=True):
        pen.rounded_rectangle((left, top, right, bottom), 8, colour, GREY, 2)
    times, widths = np.array([start - LEAD_IN, start]), np.array([0.0, right - left])
    return Band(top, bottom + 2, left, right + 2, times, widths)


def _sky() -> Image:
    from PIL import Image

    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    top, bottom = (np.array(colour) for colour in SKY)
    rows = np.broadcast_to(top + share * (bottom - top), (HEIGHT, WIDTH, 3))
    return Image.fromarray(rows.round().astype(np.uint8))


def _dimmed(path: Path) -> Image:
    from PIL import Image, ImageEnhance, ImageOps

    try:
        with Image.open(path) as picture:
            filled = ImageOps.fit(ImageOps.exif_transpose(picture).convert("RGB"), (WIDTH, HEIGHT))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(
            f"{shown(path)}: is no picture that can be read", hint="set {picture} to another"
        ) from error
    return ImageEnhance.Brightness(filled).enhance(0.4)


def _to_yuv(image: Image) -> NDArray[np.uint8]:
    import av
    from av.video.reformatter import Colorspace

    frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709).to_ndarray().astype(np.uint8)
