"""The JSON document: everything a `Lyrics` knows, without loss.

Schema, version 1; times are seconds, null stands for unknown::

    {
      "schema": "lyricsep/lyrics",
      "version": 1,
      "title": str or null,
      "artist": str or null,
      "language": str or null,
      "duration": number,
      "vocals_found": bool,     # false: an instrumental, with nothing in the lists below
      "flagged": [int, ...],    # which lines (from 0) carry flags
      "segments": [{"start", "end"}, ...],
      "decodings": [{"start", "end", "temperature", "avg_logprob", "no_speech_prob",
                     "compression_ratio", "attempts", "flags": [str, ...],
                     "no_repeat_ngram_size"}, ...],
      "lines": [{"start", "end", "text", "flags": [str, ...],
                 "words": [{"start", "end", "text", "probability"}, ...]}, ...]
    }

``vocals_found`` and ``flagged`` repeat what the lists say, for readers in a hurry. Keys that a reader does
not know are to be ignored; a version it does not know is to be refused.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from lyricsep.errors import DatasetError
from lyricsep.lyrics import Lyrics

__all__ = ["lyrics_from_json", "lyrics_to_json", "read_document"]

SCHEMA = "lyricsep/lyrics"
VERSION = 1

_HALVES = re.compile("[\ud800-\udfff]")


def lyrics_to_json(lyrics: Lyrics, *, title: str | None = None, artist: str | None = None) -> str:
    """Render the JSON document; `lyrics_from_json` gives the same lyrics back, to the last digit.

    Raises
    ------
    ValueError
        If a number in a decoding is not finite: JSON has no word for it.
    """
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "title": title,
        "artist": artist,
        "language": lyrics.language,
        "duration": lyrics.duration,
        "vocals_found": bool(lyrics.segments),
        "flagged": [index for index, line in enumerate(lyrics.lines) if line.flags],
        "segments": [asdict(segment) for segment in lyrics.segments],
        "decodings": [asdict(decoding) for decoding in lyrics.decodings],
        "lines": [asdict(line) for line in lyrics.lines],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def lyrics_from_json(text: str, *, name: str = "lyrics JSON") -> Lyrics:
    """Read the JSON document.

    Parameters
    ----------
    text : str
        What `lyrics_to_json` made.
    name : str
        What errors call the document: its path.

    Raises
    ------
    DatasetError
        If the text is not such a document; the message names the field.
    """
    return read_document(text, name)[0]


def read_document(text: str, name: str) -> tuple[Lyrics, str | None, str | None]:
    """Read the JSON document: the lyrics, the title and the artist.

    Raises
    ------
    DatasetError
        As `lyrics_from_json`.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{name}: not JSON ({error}); write it again with --format json") from error
    found = (document.get("schema"), document.get("version")) if isinstance(document, dict) else None
    if found != (SCHEMA, VERSION):
        raise DatasetError(
            f"{name}: schema and version are {found}, expected {(SCHEMA, VERSION)}; "
            "write it again with --format json, or update lyricsep"
        )
    try:
        lyrics: Lyrics = _read(Lyrics, document, "")
        title, artist = (_read(str | None, document.get(key), key) for key in ("title", "artist"))
    except _FieldError as error:
        raise DatasetError(f"{name}: {error}; write it again with --format json") from error
    return lyrics, title, artist


class _FieldError(Exception):
    """A field is missing or is not what the schema says."""


def _read(kind: Any, value: Any, where: str) -> Any:
    """Check `value` against the type of the field it is for, and turn it into that."""
    if isinstance(kind, UnionType):  # only ever "something or null"
        return None if value is None else _read(get_args(kind)[0], value, where)
    if get_origin(kind) is tuple:  # only ever of one type and any length
        if not isinstance(value, list):
            _refuse(where, "a list", value)
        return tuple(_read(get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if is_dataclass(kind):
        return _read_object(kind, value, where)
    # JSON can say halves of characters, which no file of text can hold.
    if kind is str and isinstance(value, str) and not _HALVES.search(value):
        return value
    if kind is int and type(value) is int:
        return value
    # NaN fails the comparison; a bool is no number here.
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    return _refuse(where, {str: "a string", int: "an integer", float: "a finite number"}[kind], value)


def _read_object(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        _refuse(where, "an object", value)
    kinds = _kinds(kind)
    read = {}
    for field in fields(kind):
        path = f"{where}.{field.name}" if where else field.name
        if field.name in value:
            read[field.name] = _read(kinds[field.name], value[field.name], path)
        elif field.default is MISSING:
            raise _FieldError(f"{path} is missing")
    try:
        return kind(**read)
    except ValueError as error:
        raise _FieldError(f"{where}: {error}") from error


@cache  # they are told from their names, which takes longer than all the rest
def _kinds(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    got = repr(value)
    raise _FieldError(f"{where}: expected {expected}, got {got if len(got) <= 60 else got[:60] + '…'}")
