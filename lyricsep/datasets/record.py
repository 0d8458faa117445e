"""The record of a pull: the origin of a dataset, and the sha256 of its files.

The record is written last, so a folder without it was not pulled completely.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lyricsep.datasets.tables import DatasetFolder, DatasetRecord, parse_object, read_text
from lyricsep.errors import DatasetError
from lyricsep.files import file_digest, shown, write_text
from lyricsep.weights import cache_folder

RECORD = "lyricsep-dataset.json"


@dataclass(frozen=True)
class FileRecord:
    """The sha256 of a file in hexadecimal digits, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class PullRecord:
    """A completed pull.

    Parameters
    ----------
    name : str
        Name of the dataset in the catalogue.
    repository : str
        Repository on the hub.
    asked : str
        The requested revision: a branch, a tag, or a commit.
    commit : str
        Its commit, 40 hexadecimal digits.
    files : mapping of str to FileRecord
        By name relative to the folder, with ``/`` between parts.
    """

    name: str
    repository: str
    asked: str
    commit: str
    files: Mapping[str, FileRecord]


def pulled_folder(name: str) -> Path:
    """Return the cache folder of a dataset; it need not exist."""
    return cache_folder() / "datasets" / name


def read_record(folder: Path) -> PullRecord | None:
    """Read the record of a folder; None if there is none. Raise a `DatasetError` if it is damaged."""
    path = folder / RECORD
    if not path.exists():
        return None
    record = DatasetRecord(parse_object(read_text(path), path), path)
    files = record.child("files")
    inside = DatasetFolder(folder)
    entries = {}
    for name in files.values:
        inside.locate(name, files, name)
        entry = files.child(name)
        entries[name] = FileRecord(entry.text("sha256"), int(entry.number("size")))
    name, repository, asked, commit = (record.text(field) for field in ("name", "repository", "asked", "commit"))
    return PullRecord(name, repository, asked, commit, entries)


def write_record(folder: Path, record: PullRecord) -> None:
    """Write the record of a folder atomically, as `lyricsep.files.replacing` does."""
    write_text(folder / RECORD, json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n")


def hash_file(path: Path) -> FileRecord:
    """Compute the sha256 and the size of a file; raise a `DatasetError` if it cannot be read."""
    try:
        return FileRecord(*file_digest(path))
    except OSError as error:
        raise DatasetError(
            f"{shown(path)}: cannot be read ({error.strerror or error}); pull the dataset again"
        ) from error
