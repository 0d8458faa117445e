"""Open a dataset: a pulled one by name, any other by folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lyricsep.catalogs import did_you_mean
from lyricsep.datasets.base import Dataset
from lyricsep.datasets.catalog import dataset_catalog
from lyricsep.datasets.dali import PICKLE_FOLDER, dali_files, is_dali, read_dali
from lyricsep.datasets.folder import read_plain_folder, songs_of_folder
from lyricsep.datasets.jam_alt import read_hub, read_legacy
from lyricsep.datasets.jamendo_lyrics import read_jamendo_lyrics
from lyricsep.datasets.musdb_alt import read_musdb_alt
from lyricsep.datasets.record import pulled_folder, read_record
from lyricsep.datasets.tables import DatasetFolder, SongRow, unique_songs
from lyricsep.errors import DatasetError
from lyricsep.files import at_home, is_folder, shown
from lyricsep.languages import language_code

# A layout is recognised by a characteristic file; if a folder has several, the first one applies.
LAYOUTS: Mapping[str, Callable[[DatasetFolder, str], Iterator[SongRow]]] = {
    "JamendoLyrics.csv": read_jamendo_lyrics,
    "metadata.jsonl": read_hub,
    "metadata.csv": read_legacy,
}
MUSDB_ALT = Path("data", "test.jsonl")


def open_dataset(
    name_or_path: str | os.PathLike[str], *, language: str | None = None, musdb18hq: Path | None = None
) -> Dataset:
    """Open a dataset; its layout is recognised by its files.

    Parameters
    ----------
    name_or_path : str or path
        Name of a pulled dataset of the catalogue, or a folder. Pass a folder with the name of a dataset of the
        catalogue as a `Path`, or as ``./jam-alt``.
    language : str, optional
        Language of songs for which the dataset has none, as in a plain folder. Not a filter: see `Dataset.select`.
    musdb18hq : Path, optional
        The folder of MUSDB18-HQ, for the audio of MUSDB-ALT; ignored for other datasets.

    Returns
    -------
    Dataset
        Songs in the order of the dataset. Their audio is not checked: see `verify`.

    Raises
    ------
    ConfigError
        If there is no such language.
    DatasetError
        If there is no such dataset, or it has an unknown layout, is incomplete or is malformed.
    """
    code = None if language is None else language_code(language)
    folder, name = _locate(name_or_path)
    record = read_record(folder)
    if record:
        name = record.name
    songs = unique_songs(_read(DatasetFolder(folder), name, code, musdb18hq))
    if not songs:
        raise DatasetError(f"{shown(folder)}: the dataset has no songs; get it again")
    return Dataset(name, songs, folder, record.commit if record else None)


def is_dataset(folder: Path) -> bool:
    """Return whether a folder has a layout that `open_dataset` knows; its content is not checked."""
    has_mark = any((folder / mark).is_file() for mark in (MUSDB_ALT.as_posix(), *LAYOUTS))
    return has_mark or is_dali(folder) or next(songs_of_folder(folder), None) is not None


def _read(folder: DatasetFolder, name: str, language: str | None, musdb18hq: Path | None) -> Iterator[SongRow]:
    path = folder.path
    if (path / MUSDB_ALT).is_file():
        return read_musdb_alt(folder, name, musdb18hq)
    for mark, read in LAYOUTS.items():
        if (path / mark).is_file():
            return read(folder, name)
    if next(songs_of_folder(path), None) is not None:
        return read_plain_folder(folder, name, language)
    if dali_files(path):
        return read_dali(folder, name, language)
    known = ", ".join([*LAYOUTS, MUSDB_ALT.as_posix(), f"{PICKLE_FOLDER}/*.gz"])
    raise DatasetError(
        f"{shown(path)}: unknown dataset layout; expected one of {known}, or songs with .txt files next to them"
    )


def _locate(name_or_path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return the folder and the name of a dataset."""
    if isinstance(name_or_path, str) and name_or_path in dataset_catalog():
        return _pulled(name_or_path), name_or_path
    path = at_home(name_or_path)
    if is_folder(path):
        return path, path.absolute().name
    raise _not_there(str(name_or_path))


def _pulled(name: str) -> Path:
    folder = pulled_folder(name)
    if read_record(folder):
        return folder
    spec = dataset_catalog()[name]
    if spec.repository is None:
        raise DatasetError(f"{name}: cannot be pulled: {spec.access}")
    state = "was not pulled completely" if folder.exists() else "was not pulled"
    raise DatasetError(f"{name}: {state}; run `lyricsep datasets pull {name}`, or name its folder")


def _not_there(name: str) -> DatasetError:
    return DatasetError(
        f"{shown(Path(name))}: no such file or folder, and no dataset of that name; "
        f"{did_you_mean(name, dataset_catalog())}`lyricsep datasets list` shows them all"
    )
