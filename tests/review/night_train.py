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


TIMED = Lyrics(
    (
        Line(
            5.0, 8.0, "Red lights ahead", (Word(5.0, 6.0, "Red"), Word(6.0, 6.1, "lights"), Word(6.1, 8.0, "ahead"))
        ),
        Line(8.0, 10.0, "I ride", (Word(8.0, 9.0, "I"), Word(9.0, 10.0, "ride"))),
        Line(12.0, 14.0, "the train", (Word(12.0, 13.0, "the"), Word(13.0, 14.0, "train"))),
        Line(20.0, 24.0, "Night train", (Word(20.0, 22.0, "Night"), Word(22.0, 24.0, "train"))),
    ),
    "en",
    49.5,
    (Segment(4.5, 14.5), Segment(19.5, 24.5)),
)
"""Lines with a time for every word; the first two touch."""


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
