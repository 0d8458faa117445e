"""What a pull leaves beside a dataset: where it is from, and the sha256 of its files.

The record is written last, so a folder without it was not pulled to the end.
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

__all__ = ["FileRecord", "PullRecord", "hash_file", "pulled_folder", "read_record", "write_record"]

RECORD = "lyricsep-dataset.json"


@dataclass(frozen=True)
class FileRecord:
    """A file of a dataset: its sha256 in hexadecimal digits, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class PullRecord:
    """A pull that was finished.

    Parameters
    ----------
    name : str
        The dataset's name in the catalogue.
    repository : str
        Of the hub.
    asked : str
        The revision that was asked for: a branch, a tag, or a commit.
    commit : str
        What it was, 40 hexadecimal digits.
    files : mapping of str to FileRecord
        By their names relative to the folder, with ``/`` between parts.
    """

    name: str
    repository: str
    asked: str
    commit: str
    files: Mapping[str, FileRecord]


def pulled_folder(name: str) -> Path:
    """Name the folder of the cache that a dataset is pulled to; it need not exist."""
    return cache_folder() / "datasets" / name


def read_record(folder: Path) -> PullRecord | None:
    """Read the record of a folder; None where there is none.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
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
    """Write the record of a folder, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text(folder / RECORD, json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n")


def hash_file(path: Path) -> FileRecord:
    """Read a file to its end.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    try:
        return FileRecord(*file_digest(path))
    except OSError as error:
        raise DatasetError(
            f"{shown(path)}: cannot be read ({error.strerror or error}); pull the dataset again"
        ) from error
