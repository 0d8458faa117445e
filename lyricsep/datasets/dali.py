"""DALI version 2: songs with times of words, lines and paragraphs; annotations only.

A song is a gzipped pickle (``annot_tismir/<id>.gz``) of an object of DALI's own class, or an export of it as JSON
(``<id>.json`` with ``info`` and ``annotations``). A pickle is a small program: here it is read by an interpreter
that accepts plain containers, strings and numbers, and substitutes an empty class for DALI's class, which is never
imported; any other class or function in a pickle is refused before it is looked up. Source: Meseguer-Brocal et al.,
Transactions of ISMIR 3(1), 2020.
"""

from __future__ import annotations

import gzip
import json
import pickle
import pickletools
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path

from lyricsep.datasets.base import Song
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord, SongRow, parse_object, read_text, song_id
from lyricsep.errors import DatasetError, reason_of
from lyricsep.files import shown
from lyricsep.formats.transcript import in_order
from lyricsep.lyrics import Line, Word
from lyricsep.weights.loading import UNREADABLE

MAX_BYTES = 64 << 20
"""Largest unpacked song in bytes; real ones have about a hundredth of that."""

PICKLE_FOLDER = "annot_tismir"


def dali_files(folder: Path) -> list[Path]:
    """Return the files of songs in a folder, sorted: pickles, or else JSON exports."""
    pickles = sorted((folder / PICKLE_FOLDER).glob("*.gz")) or sorted(folder.glob("*.gz"))
    return pickles or sorted(folder.glob("*.json"))


def is_dali(folder: Path) -> bool:
    """Return whether a folder has the layout of DALI; JSON is recognised by the first file."""
    files = dali_files(folder)
    if not files or files[0].suffix != ".json":
        return bool(files)
    try:
        exported = json.loads(files[0].read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(exported, dict) and {"info", "annotations"} <= exported.keys()


def read_dali(folder: DatasetFolder, dataset: str, language: str | None = None) -> Iterator[SongRow]:
    """Yield the annotated songs; the audio is ``audio/<id>.mp3``, if it exists.

    `language` is the ISO 639-1 code for songs without a language.
    """
    for path in dali_files(folder.path):
        if path.suffix == ".json":
            record = DatasetRecord(parse_object(read_text(path), path), path)
        else:
            record = DatasetRecord(_unpickle(path), path)
        info = record.child("info")
        name = song_id(info.text("id"), info, "id")
        audio = folder.locate(f"audio/{name}.mp3", info, "id")
        lines, text = _lyrics(record.child("annotations"))
        metadata = info.child("metadata")
        needs_language = language is None or metadata.has("language")
        yield (
            info,
            "id",
            Song(
                id=name,
                dataset=dataset,
                language=metadata.language("language") if needs_language else str(language),
                text=text,
                lines=in_order(lines),
                audio=audio if audio.exists() else None,
                split="train",
                title=info.optional("title"),
                artist=info.optional("artist"),
                genre=_genre(metadata),
            ),
        )


def _lyrics(annotations: DatasetRecord) -> tuple[list[Line], str]:
    """Return the lines with their words, and the text with a blank line between paragraphs."""
    if annotations.values.get("type", "horizontal") != "horizontal":
        raise annotations.error("type", "'horizontal', as DALI publishes it")
    levels = annotations.child("annot")
    rows = levels.children("lines")
    words: defaultdict[int, list[Word]] = defaultdict(list)
    for word in levels.children("words") if levels.has("words") else ():
        words[_index(word, rows)].append(Word(*word.pair("time"), word.text("text").strip()))
    lines = [Line(*row.pair("time"), row.one_line("text"), tuple(words[i])) for i, row in enumerate(rows)]
    paragraphs = groupby(zip(rows, lines, strict=True), key=lambda pair: pair[0].number("index"))
    text = "\n\n".join("\n".join(line.text for _, line in paragraph) for _, paragraph in paragraphs)
    return lines, text


def _index(word: DatasetRecord, lines: Sequence[DatasetRecord]) -> int:
    index = word.number("index")
    if not index.is_integer() or not 0 <= index < len(lines):
        raise word.error("index", f"one of the {len(lines)} lines, counted from 0")
    return int(index)


def _genre(metadata: DatasetRecord) -> str | None:
    genres = metadata.values.get("genres")
    if isinstance(genres, list | tuple):
        return ", ".join(genre for genre in genres if isinstance(genre, str)) or None
    return metadata.optional("genres")


class _Unpickler(pickle.Unpickler):
    """Unpickler that accepts only DALI's class, and substitutes an empty class for it."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        # One class per file, because a pickle may also set attributes of the class.
        self.shell = type("Annotations", (), {})

    def find_class(self, module: str, name: str) -> type:
        if name == "Annotations" and module in ("DALI", "DALI.Annotations"):
            return self.shell
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")


def _check_memory(content: bytes) -> None:
    """Refuse a pickle with object numbers so high that the memo table would exhaust memory."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(argument, int) and argument > len(content):
            raise pickle.UnpicklingError(f"object number {argument}")


def _unpickle(path: Path) -> dict[str, object]:
    """Return the attributes of a pickled song without running code from the pickle."""
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{shown(path)}: cannot be decompressed ({reason}); get it again") from error
    if len(content) > MAX_BYTES:
        raise DatasetError(
            f"{shown(path)}: refused, it decompresses to more than {MAX_BYTES >> 20} MiB; get it again"
        )
    unpickler = _Unpickler(BytesIO(content))
    try:
        _check_memory(content)
        value = unpickler.load()
    except UNREADABLE as error:
        if wanted := re.fullmatch(r"GLOBAL ([\w.]+)", str(error)):
            raise DatasetError(
                f"{shown(path)}: refused, it would run {wanted[1]}, and annotations need not run code; "
                "get it from its authors, or export it as JSON"
            ) from error
        raise DatasetError(
            f"{shown(path)}: is not a song of DALI, or is damaged ({reason_of(error)}); get it again"
        ) from error
    if type(value) is unpickler.shell:
        value = vars(value)
    if not isinstance(value, dict):
        raise DatasetError(f"{shown(path)}: holds a {type(value).__name__}, not a song of DALI; get it again")
    return value
