"""JamendoLyrics: songs with line and word times.

``JamendoLyrics.csv`` lists the songs. ``lyrics/<stem>.txt`` has the text, ``lyrics/<stem>.words.txt`` its words, one
per row, ``annotations/lines/<stem>.csv`` and ``annotations/words/<stem>.csv`` the times; a word with ``line_end`` is
the last of its line. Source: the repository ``f90/jamendolyrics``; Durand et al., 2023
(arXiv 2306.07744).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from lyricsep.datasets.jam_alt import songs_of_table
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord, SongRow, read_csv, read_lyrics
from lyricsep.files import shown
from lyricsep.formats.transcript import in_order
from lyricsep.lyrics import Line, Word

logger = logging.getLogger(__name__)


def read_jamendo_lyrics(folder: DatasetFolder, dataset: str) -> Iterator[SongRow]:
    """Yield the songs.

    If the number of word times differs from the number of words, the song has no word times and a warning is logged.
    """
    for record, stem, song in songs_of_table(folder, "JamendoLyrics.csv", "mp3", dataset):
        text, words, line_times, word_times = (
            folder.locate(name, record, "Filepath")
            for name in (
                f"lyrics/{stem}.txt",
                f"lyrics/{stem}.words.txt",
                f"annotations/lines/{stem}.csv",
                f"annotations/words/{stem}.csv",
            )
        )
        columns = ("start_time", "end_time", "lyrics_line")
        lines = [row.line(*columns) for row in read_csv(line_times, columns)] if line_times.exists() else []
        if lines and word_times.exists():
            lines = _with_words(lines, word_times, read_lyrics(words).split("\n") if words.exists() else None)
        yield record, "Filepath", replace(song, text=read_lyrics(text), lines=in_order(lines))


def _with_words(lines: list[Line], path: Path, texts: list[str] | None) -> list[Line]:
    """Return the lines with their words, or unchanged if words and times do not match."""
    rows = list(read_csv(path, ("word_start", "word_end")))
    spans = [row.span("word_start", "word_end") for row in rows]
    sizes = [len(line.text.split()) for line in lines]
    ends = [i + 1 for i, row in enumerate(rows) if _is_last(row)]
    if texts is None or len(texts) != len(rows):
        texts = [word for line in lines for word in line.text.split()]
    if len(ends) != len(lines) or ends[-1:] != [len(rows)]:
        ends = list(accumulate(sizes))
    if len(texts) != len(rows) or ends[-1] != len(rows):
        logger.warning("%s: %d times for %d words, so the song has no word times", shown(path), len(rows), sum(sizes))
        return lines
    words = [Word(*span, text.strip()) for span, text in zip(spans, texts, strict=True)]
    return [replace(line, words=tuple(words[a:b])) for line, (a, b) in zip(lines, pairwise([0, *ends]), strict=True)]


def _is_last(row: DatasetRecord) -> bool:
    # Empty cells are NaN in files that were written by pandas.
    return (row.optional("line_end") or "nan").lower() != "nan"
