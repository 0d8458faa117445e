"""Find a font that has every letter of a song."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from lyricsep.errors import ConfigError
from lyricsep.files import is_file, shown

# Clear on a screen and wide-spread; the last one comes with matplotlib.
_PREFERRED = ("Noto Sans", "Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
_JOINING = ("Mn", "Mc")  # marks that a letter carries
_UNSEEN = ("Zs", "Cf")  # spaces and joiners
_SELECTORS = set(map(chr, range(0xFE00, 0xFE10)))  # choose between pictures of a letter


def find_font(name: str | None, texts: Iterable[str] = (), *, song: str = "") -> Path:
    """Return the file of a font with all letters of texts.

    Parameters
    ----------
    name : str, optional
        A family that is installed, or the path of a file. By default a well-known font of the system, else any that
        has the letters.
    texts : iterable of str
        What is to be written.
    song : str
        Whose lyrics they are, for messages.

    Raises
    ------
    ConfigError
        If there is no such font, it lacks letters, or the letters are written from right to left or join, and what
        lays them out is not installed.
    """
    from matplotlib.ft2font import FT2Font

    letters = {
        letter for text in texts for letter in text if unicodedata.category(letter) not in _UNSEEN
    } - _SELECTORS
    _check_layout(letters)
    missing = letters
    for path in [_named(name)] if name else _installed():
        try:
            lacks = letters - set(map(chr, FT2Font(str(path)).get_charmap()))
        except (OSError, RuntimeError) as error:
            if name:
                raise ConfigError(f"{shown(path)}: is no font", hint="set {font} to another") from error
            continue
        if not lacks:
            return path
        missing = min(missing, lacks, key=len)
    examples = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in sorted(missing)[:3])
    which = f"the font {shown(Path(name))}" if name else "no font has all letters; the best one"
    raise ConfigError(
        f"{f'{song}: ' if song else ''}{which} lacks {len(missing)}: {examples}",
        hint="set {font} to one that has them",
    )


def _check_layout(letters: Iterable[str]) -> None:
    from PIL import features

    needs = [c for c in letters if unicodedata.bidirectional(c) in ("R", "AL") or unicodedata.category(c) in _JOINING]
    if needs and not (features.check("raqm") and features.check("fribidi")):
        raise ConfigError(
            f"letters such as {needs[0]} (U+{ord(needs[0]):04X}) need Pillow with Raqm and FriBiDi, which lay them "
            "out; install libraqm and libfribidi"
        )


def _named(name: str) -> Path:
    from matplotlib.font_manager import FontProperties, findfont

    if is_file(Path(name)):
        return Path(name)
    try:
        return Path(findfont(FontProperties(family=[name], weight="bold"), fallback_to_default=False))
    except ValueError as error:
        raise ConfigError(f"no font is called {name}", hint="set {font} to an installed family, or a file") from error


def _installed() -> Iterator[Path]:
    """Yield the files of fonts: those that are preferred, then bold ones, then all."""
    from matplotlib.font_manager import FontEntry, fontManager

    def order(entry: FontEntry) -> tuple[int, bool, str]:
        rank = _PREFERRED.index(entry.name) if entry.name in _PREFERRED else len(_PREFERRED)
        return rank, entry.weight not in (700, "bold"), entry.name

    # Last Resort, matplotlib's own fallback, has a box for every letter.
    entries = [e for e in fontManager.ttflist if e.style == "normal" and not e.name.startswith("Last Resort")]
    yield from (Path(entry.fname) for entry in sorted(entries, key=order))
