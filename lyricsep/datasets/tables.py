"""Validated reading of dataset files: every error names the file, the row and the field.

Rows are counted as in an editor or a spreadsheet: from 1; the header of a CSV is row 1.
"""

from __future__ import annotations

import csv
import io
import json
import math
import reprlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from lyricsep.datasets.base import Song
from lyricsep.encodings import decode_text
from lyricsep.errors import DatasetError
from lyricsep.files import read_bytes, shown
from lyricsep.formats import match_key
from lyricsep.languages import known_language
from lyricsep.lyrics import Line


@dataclass(frozen=True)
class DatasetRecord:
    """Named values from a file, and their position in it.

    Each method raises a `DatasetError` where the value of a field is not what the method returns.

    Parameters
    ----------
    values : mapping
        Values by field: any JSON type, or text only if `is_csv`.
    file : Path
        The file.
    row : int or None
        Row of the file; None if the file has a single record.
    parents : str
        The fields that lead to this record, such as ``lines[3].``.
    is_csv : bool
        Whether numbers are stored as text.
    """

    values: Mapping[str, object]
    file: Path
    row: int | None = None
    parents: str = ""
    is_csv: bool = False

    def error(self, field: str, expected: str) -> DatasetError:
        """Return the error for a field with an unexpected value."""
        value = self.values.get(field)
        got = "nothing" if value is None else reprlib.repr(value)
        row = "" if self.row is None else f"row {self.row}, "
        return DatasetError(
            f"{shown(self.file)}: {row}field {self.parents + field!r}: expected {expected}, got {got}; "
            "correct it, or get the dataset again"
        )

    def has(self, field: str) -> bool:
        """Return whether the field exists and is not null."""
        return self.values.get(field) is not None

    def text(self, *fields: str) -> str:
        """Return the text of the first of these fields that exists, with Unix line ends."""
        field = next((field for field in fields if self.has(field)), fields[-1])
        value = self.values.get(field)
        if not isinstance(value, str):
            raise self.error(field, "text")
        return _unix(value)

    def optional(self, field: str) -> str | None:
        """Return a text without surrounding spaces, or None if there is none."""
        return (self.text(field).strip() or None) if self.has(field) else None

    def number(self, field: str) -> float:
        """Return a finite number."""
        return self._number(field, self.values.get(field), "a number")

    def span(self, start: str, end: str) -> tuple[float, float]:
        """Return two fields as times in seconds, ``0 <= start <= end``."""
        times = (self.number(start), self.number(end))
        if times[0] < 0:
            raise self.error(start, "a time of 0 s or later")
        if times[1] < times[0]:
            raise self.error(end, f"a time of {times[0]:g} s ({start}) or later")
        return times

    def pair(self, field: str) -> tuple[float, float]:
        """Return ``0 <= start <= end`` in seconds from one field."""
        expected = "[start, end] in seconds, 0 <= start <= end"
        value = self.values.get(field)
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise self.error(field, expected)
        start, end = (self._number(field, time, expected) for time in value)
        if not 0 <= start <= end:
            raise self.error(field, expected)
        return start, end

    def language(self, field: str) -> str:
        """Return the code of a language, written in any way that `lyricsep.languages.language_code` reads."""
        code = known_language(self.text(field))
        if code is None:
            raise self.error(field, "a language such as French or fr")
        return code

    def line(self, start: str, end: str, *texts: str) -> Line:
        """Return a single line of lyrics from two time fields and the first text field that exists."""
        return Line(*self.span(start, end), self.one_line(*texts))

    def one_line(self, *fields: str) -> str:
        """Return the text of the first of these fields that exists, which is one line, without surrounding spaces."""
        text = self.text(*fields).strip()
        if "\n" in text:
            raise self.error(fields[-1], "one line of text")
        return text

    def child(self, field: str) -> DatasetRecord:
        """Return the record in a field that contains an object."""
        value = self.values.get(field)
        if not isinstance(value, dict):
            raise self.error(field, "an object")
        return DatasetRecord(value, self.file, self.row, f"{self.parents}{field}.")

    def children(self, field: str) -> list[DatasetRecord]:
        """Return the records in a field that contains a list of objects."""
        values = self.values.get(field)
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.error(field, "a list of objects")
        return [
            DatasetRecord(value, self.file, self.row, f"{self.parents}{field}[{i}].")
            for i, value in enumerate(values)
        ]

    def _number(self, field: str, value: object, expected: str) -> float:
        if isinstance(value, bool) or not isinstance(value, str if self.is_csv else int | float):
            raise self.error(field, expected)
        try:
            number = float(value)
        except (ValueError, OverflowError) as error:
            raise self.error(field, expected) from error
        if not math.isfinite(number):
            raise self.error(field, expected)
        return number


class DatasetFolder:
    """The folder of a dataset; names that point outside of it are refused.

    Names match as those of songs and lyrics do (`lyricsep.formats.match_key`): file names of macOS (NFD) differ in
    bytes from those in the metadata (NFC).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listings: dict[Path, dict[str, list[Path]]] = {}

    def locate(self, name: str, record: DatasetRecord, field: str) -> Path:
        """Return the path of a file by its name below the folder, with ``/`` between its parts; it need not exist.

        `record` and `field` are where the name stands, for the `DatasetError` of a name that `check_name` refuses.
        """
        check_name(name, record, field)
        path = self.path
        for part in PurePosixPath(name).parts:
            path = self._entry(path, part)
        return path

    def _entry(self, folder: Path, part: str) -> Path:
        exact = folder / part
        if exact.exists():
            return exact
        if folder not in self._listings:
            listing = self._listings[folder] = defaultdict(list)
            for entry in folder.iterdir() if folder.is_dir() else ():
                listing[match_key(entry.name)].append(entry)
        fitting = self._listings[folder].get(match_key(part), [])
        return fitting[0] if len(fitting) == 1 else exact


def check_name(name: str, record: DatasetRecord, field: str) -> None:
    """Raise a `DatasetError` for a name that points outside of its folder on any system, or is no valid file name."""
    windows = PureWindowsPath(name)
    leads_out = bool(windows.anchor) or ".." in windows.parts or not windows.parts
    if leads_out or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise record.error(field, "a name inside the dataset's folder")


def song_id(name: str, record: DatasetRecord, field: str) -> str:
    """Return the id for a name that `check_name` accepts: NFC-normalised and valid as a file name."""
    check_name(name, record, field)
    return _composed(name)


SongRow = tuple[DatasetRecord, str, Song]
"""A song with its record and the field of its id, for error messages."""


def unique_songs(songs: Iterable[SongRow]) -> tuple[Song, ...]:
    """Return songs; raise a `DatasetError` if two of them share an id."""
    kept: dict[str, Song] = {}
    for record, field, song in songs:
        if song.id in kept:
            raise record.error(field, "a unique song")
        kept[song.id] = song
    return tuple(kept.values())


def read_text(path: Path) -> str:
    """Read a file as `lyricsep.encodings.decode_text` does.

    Raises
    ------
    DatasetError
        If it cannot be read, or is in another encoding.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise DatasetError(
            f"{shown(path)}: cannot be read ({error.strerror or error}); the dataset is incomplete: get it again"
        ) from error
    return decode_text(content, shown(path))


def read_lyrics(path: Path) -> str:
    """Read a lyrics file as `read_text` does, without leading and trailing blank lines."""
    return read_text(path).strip("\n")


def read_jsonl(path: Path) -> Iterator[DatasetRecord]:
    """Read a file with one JSON object per row, each checked by `parse_object`; blank rows are skipped."""
    # JSON may contain other Unicode line separators, which splitlines would split at.
    for row, text in enumerate(read_text(path).split("\n"), start=1):
        if text.strip():
            yield DatasetRecord(parse_object(text, path, f"row {row}: "), path, row)


def parse_object(text: str, path: Path, where: str = "") -> dict[str, object]:
    """Parse a JSON object; raise a `DatasetError` for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise DatasetError(f"{shown(path)}: {where}is not JSON ({reason}); get the dataset again") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{shown(path)}: {where}expected a JSON object, got {reprlib.repr(value)}")
    return value


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[DatasetRecord]:
    """Read a table with a header that has at least these columns; blank rows are skipped.

    Raises
    ------
    DatasetError
        If the file cannot be read, is not CSV, lacks a column, or a row has more or fewer values than the header.
    """
    rows = csv.reader(io.StringIO(read_text(path)), strict=True)
    n_rows = 0
    try:
        header = [name.strip() for name in next(rows, [])]
        for column in columns:
            if column not in header:
                found = ", ".join(map(repr, header)) or "an empty file"
                raise DatasetError(
                    f"{shown(path)}: row 1, field {column!r}: no such column in {found}; get the dataset again"
                )
        for n_rows, values in enumerate(rows, start=1):
            if not values:
                continue
            if len(values) != len(header):
                raise DatasetError(
                    f"{shown(path)}: row {n_rows + 1}, field {header[min(len(values), len(header) - 1)]!r}: expected "
                    f"{len(header)} values in the row, got {len(values)}; put quotes around commas, or get it again"
                )
            yield DatasetRecord(dict(zip(header, values, strict=True)), path, n_rows + 1, is_csv=True)
    except csv.Error as error:
        raise DatasetError(f"{shown(path)}: row {n_rows + 2}: is not CSV ({error}); get the dataset again") from error


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
