"""MUSDB-ALT: lyrics with line times for the test songs of MUSDB18; the audio is separate.

``data/test.jsonl`` has one song per row; ``name`` is the name of a folder of MUSDB18-HQ with the mixture and four
stems. Source: the dataset ``jazasyed/musdb-alt``; Syed et al., 2025 (arXiv 2506.15514).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lyricsep.datasets.base import Song
from lyricsep.datasets.jam_alt import lyrics_of
from lyricsep.datasets.tables import DatasetFolder, SongRow, read_jsonl, song_id
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats.transcript import in_order

STEMS = ("vocals", "drums", "bass", "other")


def read_musdb_alt(folder: DatasetFolder, dataset: str, musdb18hq: Path | None = None) -> Iterator[SongRow]:
    """Yield the songs; the audio is that of MUSDB18-HQ.

    `musdb18hq` is its folder, which contains ``test``; default: ``musdb18hq`` in the folder of the dataset. Without
    either, the songs have no audio.
    """
    audio = _find_audio(folder, musdb18hq)
    for record in read_jsonl(folder.path / "data" / "test.jsonl"):
        name = song_id(record.text("name"), record, "name")
        artist, _, title = name.partition(" - ")
        text, line_text = lyrics_of(record)
        files = {part: audio.locate(f"{name}/{part}.wav", record, "name") for part in ("mixture", *STEMS) if audio}
        yield (
            record,
            "name",
            Song(
                id=name,
                dataset=dataset,
                language=record.language("language") if record.has("language") else "en",
                text=text,
                lines=in_order(line.line("start", "end", line_text, "text") for line in record.children("lines")),
                audio=files.get("mixture"),
                stems={part: files[part] for part in STEMS if part in files},
                title=title or None,
                artist=artist if title else None,
            ),
        )


def _find_audio(folder: DatasetFolder, musdb18hq: Path | None) -> DatasetFolder | None:
    top = folder.path if musdb18hq is None else musdb18hq
    for path in (top / "musdb18hq" / "test", top / "test"):
        if path.is_dir():
            return DatasetFolder(path)
    if musdb18hq is None:
        return None
    raise DatasetError(
        f"{shown(musdb18hq)}: expected MUSDB18-HQ with its folder 'test', got none; give its parent folder"
    )
