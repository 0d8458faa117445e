"""Jam-ALT, in the three layouts in which it was published.

The hub's layout: ``metadata.jsonl``, one song per row, with relative file names; the same for the whole set and for
``subsets/<language>``. The older layout: ``metadata.csv``, ``lyrics/*.txt`` and ``audio/``. The paper's line times:
``line_timings/*.csv`` and ``lyrics_tagged/*.txt`` in addition to the older layout. Source: the dataset
``jamendolyrics/jam-alt``; Cífka et al., ISMIR 2024 (arXiv 2408.06370); Syed et al., 2025 (arXiv 2506.15514).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from lyricsep.datasets.base import Song
from lyricsep.datasets.tables import (
    DatasetFolder,
    DatasetRecord,
    SongRow,
    check_name,
    read_csv,
    read_jsonl,
    read_lyrics,
    song_id,
)
from lyricsep.formats.transcript import in_order


def lyrics_of(record: DatasetRecord) -> tuple[str, str]:
    """Return the text of a row, tagged if available, and the preferred text field of its lines."""
    return record.text("text_tagged", "text").strip("\n"), "text_tagged" if record.has("text_tagged") else "text"


def songs_of_table(folder: DatasetFolder, table: str, audio: str, dataset: str) -> Iterator[SongRow]:
    """Yield from the table layout of Jam-ALT and JamendoLyrics, whose audio folder is `audio`.

    Yields
    ------
    record : DatasetRecord
        The row.
    stem : str
        Name of the song's other files, without suffix.
    song : Song
        With an empty text.
    """
    for record in read_csv(folder.path / table, ("Filepath", "Language")):
        name = record.text("Filepath")
        check_name(name, record, "Filepath")
        stem = PurePosixPath(name).stem
        yield (
            record,
            stem,
            Song(
                id=song_id(stem, record, "Filepath"),
                dataset=dataset,
                language=record.language("Language"),
                text="",
                audio=folder.locate(f"{audio}/{name}", record, "Filepath"),
                title=record.optional("Title"),
                artist=record.optional("Artist"),
                genre=record.optional("Genre"),
                licence=record.optional("LicenseType"),
            ),
        )


def read_hub(folder: DatasetFolder, dataset: str) -> Iterator[SongRow]:
    """Yield the songs of the hub's layout; tagged texts are preferred."""
    for record in read_jsonl(folder.path / "metadata.jsonl"):
        file_name = record.text("file_name")
        audio = folder.locate(file_name, record, "file_name")
        field = "name" if record.has("name") else "file_name"
        text, line_text = lyrics_of(record)
        lines = record.children("lines") if record.has("lines") else []
        yield (
            record,
            field,
            Song(
                id=song_id(record.optional("name") or PurePosixPath(file_name).stem, record, field),
                dataset=dataset,
                language=record.language("language"),
                text=text,
                lines=in_order(line.line("start", "end", line_text, "text") for line in lines),
                audio=audio,
                title=record.optional("title"),
                artist=record.optional("artist"),
                genre=record.optional("genre"),
                licence=record.optional("license_type"),
            ),
        )


def read_legacy(folder: DatasetFolder, dataset: str) -> Iterator[SongRow]:
    """Yield the songs of the older layout, with line times if there are any; tagged texts are preferred."""
    has_times = (folder.path / "line_timings").is_dir()
    for record, stem, song in songs_of_table(folder, "metadata.csv", "audio", dataset):
        tagged = folder.locate(f"lyrics_tagged/{stem}.txt", record, "Filepath")
        plain = folder.locate(f"lyrics/{stem}.txt", record, "Filepath")
        times = folder.locate(f"line_timings/{stem}.csv", record, "Filepath")
        lines = read_csv(times, ("start", "end", "text")) if has_times else ()
        yield (
            record,
            "Filepath",
            replace(
                song,
                text=read_lyrics(tagged if tagged.exists() else plain),
                lines=in_order(line.line("start", "end", "text") for line in lines),
            ),
        )
