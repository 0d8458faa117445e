"""A plain folder: ``song.mp3`` with lyrics in ``song.txt`` next to it.

The language is the name of a parent folder (``fr/song.mp3``) or an argument; vocals may be next to the song as
``song.vocals.wav``. Ids are paths without suffix, like the results of `lyricsep transcribe`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lyricsep.datasets.base import Song
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord, SongRow, song_id
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats import match_names, read_lyrics
from lyricsep.inputs import AUDIO_SUFFIXES
from lyricsep.languages import folder_language

logger = logging.getLogger(__name__)

VOCALS = ".vocals"


def songs_of_folder(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield the name (relative to the folder) and the lyrics file of each song with lyrics, sorted by name.

    Songs without lyrics are skipped with a warning.
    """
    songs, texts = [], {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts) or not path.is_file():
            continue
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.stem.endswith(VOCALS):
            songs.append(name)
        elif path.suffix.lower() == ".txt":
            texts[name.with_suffix("").as_posix()] = path
    lyrics = match_names(dict.fromkeys(name.with_suffix("").as_posix() for name in songs), texts)
    for name in songs:
        beside = lyrics.get(name.with_suffix("").as_posix())
        if beside is not None:
            yield PurePosixPath(name.as_posix()), beside
        else:
            logger.warning("%s: skipped, there is no %s.txt next to it", shown(folder / name), shown(Path(name.stem)))


def read_plain_folder(folder: DatasetFolder, dataset: str, language: str | None = None) -> Iterator[SongRow]:
    """Yield the songs of a folder, searched recursively, that have lyrics next to them.

    `language` is the ISO 639-1 code for songs that are not in a folder named after a language.
    """
    for name, lyrics in songs_of_folder(folder.path):
        path = folder.path / name
        record = DatasetRecord({"name": str(name)}, path)
        codes = [code for part in name.parent.parts if (code := folder_language(part))]
        spoken = codes[-1] if codes else language
        if spoken is None:
            raise DatasetError(
                f"{shown(path)}: its language is not known",
                hint="set {language}, or put it into a folder named by a language, such as fr",
            )
        vocals, transcript = _vocals(path), read_lyrics(lyrics)
        yield (
            record,
            "name",
            Song(
                id=song_id(name.with_suffix("").as_posix(), record, "name"),
                dataset=dataset,
                language=spoken,
                text=transcript.text.strip("\n"),
                lines=transcript.lines,
                audio=path,
                stems={"vocals": vocals} if vocals else {},
                title=name.stem,
            ),
        )


def _vocals(song: Path) -> Path | None:
    for suffix in (".wav", *sorted(AUDIO_SUFFIXES)):
        path = song.with_name(song.stem + VOCALS + suffix)
        if path.is_file():
            return path
    return None
