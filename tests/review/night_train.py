"""What was heard in the example, for tests of its correction."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from lyricsep.documents import LyricsDocument
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"

HEARD = Lyrics(
    (
        Line(4.6, 7.0, "Red lights on the railway bend", (Word(4.6, 5.0, "Red", 0.4), Word(5.0, 5.5, "lights", 0.9))),
        Line(7.4, 9.8, "Somebody is waiting at the end", flags=("low-confidence",)),
        Line(9.9, 12.5, "¿Qué pasa, <b>Müller</b>?"),
        Line(20.0, 22.0, "Night train"),
    ),
    "en",
    50.3,
    (Segment(4.5, 12.6), Segment(19.8, 22.1)),
    (Decoding(4.5, 12.6, 0.0, -0.3, 0.01, 1.4), Decoding(19.8, 22.1, 0.2, -0.5, 0.02, 1.1, 2, ("low-confidence",))),
)


def document(lyrics: Lyrics, *, title: str | None = "Night Train") -> str:
    """What a page sends."""
    return LyricsDocument.of(lyrics, title=title).to_json()


def corrected(text: str = "Red lights on the railway line") -> Lyrics:
    """The lyrics with another first line."""
    first = replace(HEARD.lines[0], text=text)
    return replace(HEARD, lines=(first, *HEARD.lines[1:]))


def rows_of(folder: Path) -> list[dict[str, object]]:
    """The table of the dataset of corrected lyrics."""
    return [json.loads(line) for line in (folder / "corrected" / "metadata.jsonl").read_text().splitlines()]
