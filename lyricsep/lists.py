"""Read lists of songs: a path per line, tables, and the playlists of players (M3U, PLS, CUE)."""

from __future__ import annotations

import csv
import importlib.util
import io
import logging
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from lyricsep.encodings import text_encoding
from lyricsep.errors import ConfigError
from lyricsep.files import read_bytes, shown
from lyricsep.remote import is_url

TABLES = (".csv", ".tsv", ".parquet")
PLAYLISTS = (".m3u", ".m3u8", ".pls", ".cue")
LIST_SUFFIXES = (".txt", *TABLES, *PLAYLISTS)

_CUE_FILE = re.compile(
    r'FILE\s+(?:"(?P<quoted>[^"]*)"|(?P<plain>.+?)(?:\s+(?:WAVE|MP3|AIFF|FLAC|BINARY|MOTOROLA))?$)', re.IGNORECASE
)
_DELIMITERS = (",", ";", "\t")  # a comma is a decimal point where spreadsheets write semicolons

logger = logging.getLogger(__name__)


def is_list(path: Path) -> bool:
    """Return whether a file that exists is a list of songs; sound comes under any suffix."""
    suffix = path.suffix.lower()
    if suffix not in LIST_SUFFIXES or suffix == ".parquet":
        return suffix == ".parquet"
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return suffix != ".txt"
    if suffix == ".m3u8" and b"#EXT-X-" in start:
        return False  # the parts of one stream
    return suffix != ".txt" or b"\0" not in start or text_encoding(start) != "utf-8-sig"


def read_list(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of a list, with the numbers that an editor shows.

    Returns
    -------
    list of int and dict of str to str
        By names of columns in lower case; those of a table, else only ``path``.

    Raises
    ------
    ConfigError
        If pyarrow is needed and missing.
    OSError, ValueError, csv.Error
        If the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        if not importlib.util.find_spec("pyarrow"):
            raise ConfigError(f"{shown(path)}: reading parquet needs pyarrow: pip install 'lyricsep[benchmark]'")
        import pyarrow.parquet as pq

        # Not pandas, which hides columns that it made an index of.
        return [(number, _cleaned(row)) for number, row in enumerate(pq.read_table(path).to_pylist(), 1)]
    text = _text(read_bytes(path))
    if suffix in TABLES:
        return _table(text, "\t" if suffix == ".tsv" else None)
    lines = list(enumerate((line.strip() for line in text.split("\n")), 1))
    if suffix == ".pls":
        found = [(number, re.fullmatch(r"File(\d+)\s*=\s*(.+)", line, re.IGNORECASE)) for number, line in lines]
        entries = sorted((int(entry[1]), number, entry[2]) for number, entry in found if entry)
        return [(number, {"path": name}) for _, number, name in entries]
    if suffix == ".cue":
        return _cue_sheet(path, lines)
    return [(number, {"path": line}) for number, line in lines if not _is_comment(line, path.parent)]


def is_remote(path: Path, name: str) -> bool:
    """Return whether a list names a song behind a URL; ``file://`` in a playlist is a local file."""
    return is_url(name) and not (path.suffix.lower() in PLAYLISTS and name.lower().startswith("file://"))


def find_listed(path: Path, name: str) -> Path:
    """Return the file that a list names, in the spelling in which it exists.

    Lists come from other systems: names in Latin-1 or in another normal form of Unicode, backslashes; in playlists
    also ``file://`` URLs, escaped characters, and the suffix that the sound of a cue sheet had before it was
    compressed.
    """
    if name.lower().startswith("file://") and not is_remote(path, name):
        name = unquote("/" + name[len("file://") :].partition("/")[2], errors="surrogateescape")
    candidates = [name]
    if not name.isascii():
        candidates.append(name.encode("utf-8", "surrogateescape").decode("cp1252", "replace"))
    candidates += [PureWindowsPath(each).as_posix() for each in candidates if "\\" in each]
    if path.suffix.lower() in PLAYLISTS:
        candidates += [unquote(each) for each in candidates if "%" in each]
    places = [path.parent / each for each in candidates]
    for place in places:
        found = _existing(place)
        if found:
            return found
    if path.suffix.lower() == ".cue":
        alike = [other for place in places for other in _siblings(place.parent) if other.stem == place.stem]
        sound = [other for other in alike if other.suffix.lower() in (".flac", ".ape", ".wv", ".mp3", ".m4a", ".wav")]
        if sound:
            return sound[0]
    return places[0]


def _existing(place: Path) -> Path | None:
    """Return a path as its folders spell it, in whatever case and normal form; None if there is none."""
    if os.path.lexists(place):
        return place
    found = Path()
    for part in place.parts:
        key = _key(part)
        alike = (other for other in _siblings(found) if _key(other.name) == key)
        inner = found / part if os.path.lexists(found / part) else next(alike, None)
        if inner is None:
            return None
        found = inner
    return found


def _siblings(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):  # a NUL in the name
        return []


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _text(content: bytes) -> str:
    # What is not UTF-8 keeps its bytes: they may be those of a name, in whatever encoding.
    text = content.decode(text_encoding(content), errors="surrogateescape")
    return io.StringIO(text, newline=None).read().lstrip("\ufeff")


def _table(text: str, delimiter: str | None) -> list[tuple[int, dict[str, str]]]:
    first, _, rest = text.partition("\n")
    n_before = 0
    named = re.fullmatch(r"sep=([,;\t|])", first.strip("\r \ufeff"))  # as Excel writes it
    if named:
        delimiter, text, n_before = named[1], rest, 1
        first = rest.partition("\n")[0]
    if delimiter is None:
        names = {each: [cell.strip(' "').lower() for cell in first.split(each)] for each in _DELIMITERS}
        delimiter = next((each for each in _DELIMITERS if "path" in names[each]), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [(reader.line_num + n_before, _cleaned(row)) for row in reader]


def _cue_sheet(path: Path, lines: list[tuple[int, str]]) -> list[tuple[int, dict[str, str]]]:
    """Return the files of a cue sheet; one that holds several tracks is reported."""
    rows: list[tuple[int, dict[str, str]]] = []
    n_tracks: list[int] = []
    for number, line in lines:
        file = _CUE_FILE.match(line)
        if file:
            rows.append((number, {"path": file["quoted"] if file["plain"] is None else file["plain"]}))
            n_tracks.append(0)
        elif re.match(r"TRACK\s", line, re.IGNORECASE) and rows:
            n_tracks[-1] += 1
    for (_, row), n in zip(rows, n_tracks, strict=True):
        if n > 1:
            name = shown(Path(row["path"]))
            logger.warning("%s: %s holds %d tracks, which are taken as one song", shown(path), name, n)
    return rows


def _is_comment(line: str, folder: Path) -> bool:
    # "#9 Dream.mp3" is a song where there is one.
    return line.startswith("#") and not os.path.exists(folder / line)  # noqa: PTH110


def _cleaned(row: Mapping[Any, object]) -> dict[str, str]:
    return {str(key).strip().lower(): _cell(value).strip() for key, value in row.items()}


def _cell(value: object) -> str:
    # Empty cells are None or NaN, the only value that is not itself; a column with gaps makes fractions of numbers.
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
