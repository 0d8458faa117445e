"""Style, fonts and files of all plots.

The palette is that of Okabe and Ito (https://jfly.uni-koeln.de/color), which is distinguishable by colour-blind
readers; no plot relies on colour alone. Text is 8 pt if a plot is printed at its original width.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.errors import ConfigError
from lyricsep.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOT_FORMATS = ("png", "svg", "pdf")

COLUMN, PAGE = 3.5, 7.16
"""Widths of a column and of a two-column page in inches (IEEE)."""

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#999999"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)

_FONT = "DejaVu Sans"  # comes with matplotlib
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.titlesize": 9,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 200,
    "text.parse_math": False,  # names of songs and separators may contain $
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "svg.hashsalt": "lyricsep",
    "pdf.fonttype": 42,  # publishers refuse Type 3
}


def check_plots() -> None:
    """Raise a `ConfigError` if matplotlib is not installed, to fail before long work."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'lyricsep[plots]'") from error


@contextmanager
def drawing(texts: Iterable[str] = ()) -> Iterator[None]:
    """Set the style of everything that is drawn and saved in the block, ignoring the user's matplotlibrc.

    For the texts of the plot, in any script, installed fonts with their letters are used.
    """
    check_plots()
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context(), warnings.catch_warnings():
        # Letters that no font has are drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        rcdefaults()
        rcParams.update(_STYLE | {"font.family": [_FONT, *_fonts_for(texts)]})
        yield


def save_figure(figure: Figure, path: Path, *, overwrite: bool = True) -> None:
    """Write a figure atomically, within `drawing`; the suffix of the path is one of `PLOT_FORMATS`.

    The same figure gives the same bytes.
    """
    # Omit dates, so that the same numbers give the same file.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with replacing(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)


def save_figures(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure in all formats, within `drawing`; `stem` is the files' name without a suffix."""
    paths = [stem.with_name(f"{stem.name}.{name}") for name in PLOT_FORMATS]
    for path in paths:
        save_figure(figure, path)
    return paths


def _fonts_for(texts: Iterable[str]) -> list[str]:
    """Return font families with the letters that `_FONT` lacks, the one with most of them first."""
    from matplotlib.font_manager import FontEntry, findfont, fontManager, get_font

    wanted = {ord(letter) for text in texts for letter in text if letter.isprintable()}
    wanted -= set(get_font(findfont(_FONT)).get_charmap())
    if not wanted:
        return []
    entries: dict[str, FontEntry] = {}
    for entry in fontManager.ttflist:
        is_plain = entry.style == "normal" and entry.weight in (400, "normal", "regular")
        # Last Resort, matplotlib's own fallback, has a box for every letter.
        if is_plain and not entry.name.startswith("Last Resort"):
            entries.setdefault(entry.name, entry)
    letters = {name: wanted & set(get_font(entry.fname).get_charmap()) for name, entry in sorted(entries.items())}
    found = []
    while wanted and letters:
        best = max(letters, key=lambda name: len(letters[name] & wanted))
        if not letters[best] & wanted:
            break
        wanted -= letters.pop(best)
        found.append(best)
    return found
