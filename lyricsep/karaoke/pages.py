"""What stands on the screen at which time: the line that is sung, those around it, and title and artist before."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from lyricsep.formats.karaoke import marks
from lyricsep.lyrics import Line, Lyrics, sung_only

# Seconds.
LEAD_IN = 3.0
"""How long before a line, after a pause of more than this, singers are counted in."""

APPEARS = 3.5  # how long before it is sung the first line appears
TURNS = 0.3  # after the end of a line the next one takes its place, or earlier where it is sung by then
STAYS = 5.0  # a line that was sung is cleared so long after its end
SHORTEST_TITLE = 1.0  # titles that would be shown for less stand above the first line


@dataclass(frozen=True)
class SungText:
    """A text, and how much of it is sung at which time.

    Parameters
    ----------
    text : str
        In one row; tabs and the like become spaces, which every font has.
    times : tuple of float
        Seconds, never falling; empty for a text that nobody sings.
    letters : tuple of int
        How many characters are sung at each of these times; in between they are swept evenly.
    """

    text: str
    times: tuple[float, ...] = ()
    letters: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Replace what no font draws."""
        text = "".join(" " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in self.text)
        object.__setattr__(self, "text", text)

    @classmethod
    def of(cls, line: Line) -> SungText:
        """Return the text of a line, swept word by word; evenly where its words have no times."""
        pieces = marks(line, 1000)
        if not pieces:
            return cls(line.text, (line.start, line.end), (0, len(line.text)))
        letters = accumulate((len(text) for _, text in pieces[:-1]), initial=0)
        return cls(line.text, tuple(time / 1000 for time, _ in pieces), tuple(letters))


@dataclass(frozen=True)
class Page:
    """What stands on the screen until the next page.

    Parameters
    ----------
    start : float
        Seconds.
    rows : mapping
        Texts by their place: ``title``, ``artist``, ``above``, ``middle``, ``below``, or ``header`` in place of
        ``above``.
    count_in : float or None
        When the line in the middle starts, where a pause ends there.
    """

    start: float
    rows: Mapping[str, SungText] = field(default_factory=dict)
    count_in: float | None = None


def make_pages(lyrics: Lyrics, title: str, artist: str | None = None) -> list[Page]:
    """Lay out a song.

    A line stands in the middle while it is sung, the next one below, the last one above. Lines that overlap are all
    swept where they stand. Lines that nobody sings are left out.

    Parameters
    ----------
    lyrics : Lyrics
        Their times.
    title : str
        Shown before the first line, or above it where there is no time before.
    artist : str, optional
        Shown with the title.

    Returns
    -------
    list of Page
        In order of start, the first at 0.
    """
    lines = [line for line in sung_only(lyrics).lines if line.text.strip()]
    opening = {"title": SungText(title)} | ({"artist": SungText(artist)} if artist else {})
    if not lines:
        return [Page(0.0, opening)]
    texts = [SungText.of(line) for line in lines]
    appears = lines[0].start - APPEARS
    pages = [Page(0.0, opening)] if appears >= SHORTEST_TITLE else []
    appears = appears if pages else 0.0
    last_end = 0.0
    for number, (line, text) in enumerate(zip(lines, texts, strict=True)):
        rows = {"middle": text}
        if number == 0:
            rows["header"] = SungText(" – ".join(filter(None, (artist, title))))
        else:
            rows["above"] = texts[number - 1]
            appears = max(appears, min(line.start, last_end + TURNS))
        if number + 1 < len(lines):
            rows["below"] = texts[number + 1]
        pages.append(Page(appears, rows, line.start if line.start - last_end > LEAD_IN else None))
        if number and last_end + STAYS < line.start:
            rows = {place: row for place, row in rows.items() if place != "above"}
            pages.append(replace(pages[-1], start=last_end + STAYS, rows=rows))
        if pages[-1].count_in is not None:
            pages.append(replace(pages[-1], start=line.start, count_in=None))
        last_end = max(last_end, line.end)
    pages.append(Page(last_end + STAYS))
    return [page for page, following in pairwise(pages) if page.start < following.start] + pages[-1:]
