"""Mutated files and command lines: nothing may end in a traceback, take too long, or exit with the wrong code.

    python scripts/fuzz.py --jobs 2 --keep failures

lyrics     lyrics files in the formats of lyricsep and of other programs: each is read, written in every format, and
           what was written is read back
sound      sound files of 22 containers: decoded, mixed to mono at 16 kHz, their tags read; a twentieth is tagged
lists      lists of songs, datasets, and the folders of runs, scores and benchmarks, read by the commands for them
commands   command lines of every command with good, bad and absurd values, in a folder of small songs and lyrics

A case fails where anything but a `LyricsepError` comes out, where that error is no readable line, where it takes more
than ``--seconds`` of computing or ``--gigabytes`` of memory (every song is shorter than a minute), where the process
dies or hangs, where letters are lost once lyrics are written and read again, or where an exit code lies: 0 after a
failure was told, 1 or 2 without a word, 2 after a result was written, 0 where a printed path is no file.

Cases are made from seed, kind and number alone, and ``--only sound:1234`` runs one again; the files of
``../shared/cases`` are mutated too where they exist. No model runs: weights cannot be found, workers of a batch fail
every song, and the server of ``lyricsep review`` stops at once. Typer's own options that change the user's shell
(``--install-completion``, ``--show-completion``) are left out. Needs Linux, and lyricsep[tags,benchmark].

Prints one table; exits with 1 where a case failed.
"""

from __future__ import annotations

import argparse
import csv
import faulthandler
import gzip
import importlib
import importlib.metadata
import io
import json
import logging
import multiprocessing
import os
import pickle
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from lyricsep.errors import LyricsepError, WeightsError

SEEDS = Path(__file__).resolve().parent / "fuzz_seeds"  # files as other programs write them
SHARED = Path(__file__).resolve().parents[2] / "shared" / "cases"
HANG = 60  # seconds by the clock
ADDRESS_SPACE = 8e9  # bytes beyond those in use
LONGEST_MESSAGE = 2000  # characters

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]
"""A mutation: from the bytes of a file, and those of others to take from, to other bytes."""


class FindingError(Exception):
    """What a case found wrong that is no exception of lyricsep itself; `details` are those of this case alone."""

    def __init__(self, what: str, details: str = "") -> None:
        super().__init__(what)
        self.add_note(details)


# Mutations


def _span(data: bytes, dice: random.Random) -> slice:
    start = dice.randrange(len(data) + 1)
    return slice(start, start + dice.choice((1, 2, 4, 16, 64, 1024, len(data) // 4 + 1)))


def _flip(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8) if data else 0):
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _delete(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    span = _span(data, dice)
    return data[: span.start] + data[span.stop :]


def _repeat(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    span = _span(data, dice)
    most = 50 if len(data[span]) < 1024 else 1
    return data[: span.stop] + data[span] * dice.choice((1, 1, 3, most)) + data[span.stop :]


def _insert(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    start = _span(data, dice).start
    return data[:start] + dice.randbytes(dice.choice((1, 4, 64))) + data[start:]


def _overwrite(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    span = _span(data, dice)
    return data[: span.start] + dice.choice((b"\0", b"\xff", b"\x80")) * len(data[span]) + data[span.stop :]


def _truncate(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _splice(data: bytes, dice: random.Random, others: Sequence[bytes]) -> bytes:
    other = dice.choice(others)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


def _swap(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    a, b, c = sorted(dice.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _header(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    """Replace a number of two, four or eight bytes near the beginning by one at the edge of its range."""
    size = dice.choice((2, 4, 8))
    number = dice.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2**15, 255))
    start = dice.randrange(min(len(data), 1024) + 1)
    return data[:start] + number.to_bytes(size, dice.choice(("big", "little"))) + data[start + size :]


BYTE_MUTATIONS: tuple[Mutation, ...] = (_flip, _delete, _repeat, _insert, _overwrite, _truncate, _splice, _swap)
SOUND_MUTATIONS: tuple[Mutation, ...] = (*BYTE_MUTATIONS, _header, _header)

# fmt: off
NUMBERS = (
    "0", "-0", "-1", "-0.001", "1.5", "59.999", "60", "61.5", "99", "100", "999999", "1e400", "-1e400", "1e-400",
    "nan", "inf",
    "-inf", "Infinity", "NaN", "9" * 20, "9" * 400, "9" * 5000, "0." + "0" * 400 + "1", "4294967296",
    "9223372036854775808", "1_000", "0x10", "１２", "٣٤", "²", "1,5", "", ".", "-", "1.2.3", "true", "None",
)
TOKENS = (
    "\0", "\u2028", "\x85", "\x0b", "\x1c", "\ufeff", "\u200b", "\u202e", "\ufffd", "\x1b[31m", "e\u0301" * 50,
    "👩‍👩‍👧‍👦", "日本語", "שלום",
    "<", ">", "&", "&amp;lt;", "&#x110000;", "&#55296;", "]]>", "<!--", "<![CDATA[", "<br/>", "</p>", "\\N", "\\h",
    "{\\k-5}", "{\\k" + "9" * 30 + "}", "{", "}", "<00:00:01.000>", "<00:61.00>", " --> ", "[00:01.00]", "[99:99.99]",
    "[offset:" + "9" * 25 + "]", "[offset:nan]", "[re:]", "[", "]", "[]", "\t", "\t\t", '"', '""', "'", ",", ";",
    ":", "=",
    "\n", "\n\n\n", "\r", " ", "  ", "\u3000", "\xa0", "WEBVTT", "NOTE", "#", "##", "...", "♪", "(x2)", "[Chorus]",
    "-", "1",
    "x" * 3000, "la " * 700,
)
RAW_JSON = (  # values that json.dumps would not write
    "9" * 5000, "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "-0", '"\\ud800"', '"\\u0000"', '"\\n"', "1E+2", "",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.5, 1e308, 10**400, "", " ", "x", "1", "nan", "en", "xx", "a\nb",
    "x" * 3000, [], {},
    [None], [1, 2], ["a"], {"a": 1}, {"start": 1, "end": 0, "text": "x"}, [[]], [{}],
)
ENCODINGS = (
    "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig", "latin-1", "cp1252", "shift_jis",
    "gb18030",
    "koi8-r", "cp037",
)
# fmt: on


def _text(change: Callable[[str, random.Random], str]) -> Mutation:
    """Return a mutation of the text in a file; what is no text stays as it is."""

    def mutate(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
        return change(data.decode("utf-8", "surrogateescape"), dice).encode("utf-8", "surrogateescape")

    return mutate


def _rows(text: str, dice: random.Random) -> str:
    """Swap, repeat, drop, join or indent rows."""
    rows = text.split("\n")
    i, j = dice.randrange(len(rows)), dice.randrange(len(rows))
    kind = dice.randrange(5)
    if kind == 0:
        rows[i], rows[j] = rows[j], rows[i]
    elif kind == 1:
        rows[i:i] = rows[j : j + 4] * dice.choice((1, 1, 100))
    elif kind == 2:
        del rows[i : i + dice.randint(1, 3)]
    elif kind == 3:
        rows[i : i + 2] = [dice.choice(("", " ", "\t")).join(rows[i : i + 2])]
    else:
        rows[i] = dice.choice(("", " ", "\t", "\n", rows[i] + " ", " " + rows[i], rows[i].upper()))
    return "\n".join(rows)


def _number(text: str, dice: random.Random) -> str:
    """Replace one number, or part of it, by another."""
    numbers = list(re.finditer(dice.choice((r"\d+", r"\d+(?:[.,:]\d+)*")), text))
    if not numbers:
        return text
    one = dice.choice(numbers)
    return text[: one.start()] + dice.choice(NUMBERS) + text[one.end() :]


def _token(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(TOKENS) + text[at:]


def _encode(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    text = data.decode("utf-8", "replace")
    if dice.random() < 0.2:
        return text.replace("\n", dice.choice(("\r", "\r\n", "\n\r", "\0\n"))).encode()
    return text.encode(dice.choice(ENCODINGS), "replace")


def _json(data: bytes, dice: random.Random, _others: Sequence[bytes]) -> bytes:
    """Replace, drop or rename a value of a JSON document, or of a row of it; what is no JSON stays as it is."""
    rows = data.split(b"\n")
    is_rows = len(rows) > 2 and rows[1].startswith(b"{")
    at = dice.randrange(len(rows)) if is_rows else 0
    try:
        document = [json.loads(rows[at] if is_rows else data)]
    except (ValueError, RecursionError):
        return data
    parent, key = dice.choice(list(_places(document)))
    kind = dice.randrange(4)
    if kind == 0 and isinstance(parent, dict):
        value = parent.pop(key)
        if dice.random() < 0.5:
            parent[dice.choice((str(key).upper(), "", "text", "start", "words"))] = value
    else:
        parent[key] = ("raw value", dice.choice(VALUES), [parent[key]], {"x": parent[key]})[kind]
    text = json.dumps(document[0], ensure_ascii=dice.random() < 0.5).replace('"raw value"', dice.choice(RAW_JSON))
    changed = text.encode("utf-8", "surrogatepass")
    return b"\n".join([*rows[:at], changed, *rows[at + 1 :]]) if is_rows else changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container in a JSON value with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


TEXT_MUTATIONS: tuple[Mutation, ...] = (
    *BYTE_MUTATIONS,
    *(_text(change) for change in (_rows, _rows, _number, _number, _number, _token, _token, _token)),
    _encode,
    _json,
    _json,
    _json,
)


def mutated(data: bytes, dice: random.Random, others: Sequence[bytes], mutations: Sequence[Mutation]) -> bytes:
    """Return bytes after one to three mutations."""
    for _ in range(dice.choice((1, 1, 2, 3))):
        data = dice.choice(mutations)(data, dice, others)
    return data


# Lyrics


def _own_lyrics() -> Iterator[tuple[str, bytes]]:
    """Yield files of lyricsep's own writers, in every format."""
    from lyricsep.formats import FORMATS, file_suffixes, render_lyrics
    from lyricsep.lyrics import NOT_SUNG, Decoding, Line, Lyrics, Segment, Word

    rain = "Night train & rain <3"
    texts = (rain, "東京の夜", "l'été, ça va", "مرحبا بالعالم", '[la] {la} "la" \\N', "42", rain)
    sections = ("[Verse]", None, None, "", None, None, "Chorus:")
    lines = []
    for number, (text, section) in enumerate(zip(texts, sections, strict=True)):
        start = 3.0 * number + 0.123
        words = tuple(Word(start + i / 2, start + (i + 1) / 2, part, 0.9) for i, part in enumerate(text.split()))
        flags = ("loop",) if number == 4 else ()
        lines.append(Line(start, words[-1].end, text, words if number % 3 else (), flags, section))
    lines.insert(3, Line(6.2, 6.2, "(nobody sings this)", (), (NOT_SUNG,)))
    whole = Lyrics(
        tuple(lines),
        "en",
        60.0,
        (Segment(0.0, 25.0),),
        (Decoding(0.0, 25.0, 0.0, -0.3, 0.01, 1.2),),
        (Line(21.0, 22.0, "oh"),),
        "Written by nobody",
    )
    rows = tuple(Line(2.0 * i, 2.0 * i + 1.5, f"line {i}") for i in range(6))
    plain = Lyrics(rows, "fr", 15.0, (Segment(0.0, 12.0),))
    for name, lyrics in (("whole", whole), ("plain", plain), ("empty", Lyrics())):
        for format_, suffix in zip(FORMATS, file_suffixes(FORMATS), strict=True):
            yield name + suffix, render_lyrics(lyrics, format_, title="Rain", artist="Nobody").encode()


def _cases(suffixes: Iterable[str], largest: int = 1_000_000) -> Iterator[tuple[str, bytes]]:
    """Yield the files of ``../shared/cases`` with these suffixes."""
    wanted = tuple(suffix.lower() for suffix in suffixes)
    for path in sorted(SHARED.rglob("*")):
        if path.name.lower().endswith(wanted) and path.is_file() and path.stat().st_size <= largest:
            yield path.name, path.read_bytes()


@cache
def lyrics_files() -> tuple[tuple[str, bytes], ...]:
    """Return names and contents of lyrics files to mutate."""
    from lyricsep.formats import TIMED_SUFFIXES

    foreign = [(path.name, path.read_bytes()) for path in sorted((SEEDS / "lyrics").iterdir())]
    return (*_own_lyrics(), *foreign, *foreign, *_cases(TIMED_SUFFIXES))


def try_lyrics(dice: random.Random, folder: Path) -> str:
    """Read a mutated file, write it in every format, and read that."""
    from lyricsep.formats import FORMATS, TIMED_SUFFIXES, file_suffixes, read_lyrics, render_transcript
    from lyricsep.formats.reading import timed_reader
    from lyricsep.lyrics import sung_only

    name, data = dice.choice(lyrics_files())
    if dice.random() < 0.05:
        name += dice.choice(TIMED_SUFFIXES)
    path = folder / name
    path.write_bytes(mutated(data, dice, [data for _, data in lyrics_files()], TEXT_MUTATIONS))
    try:
        transcript = read_lyrics(path)
    except LyricsepError as error:
        return refused(error)
    for format_ in FORMATS:
        copy = folder / f"written{file_suffixes([format_])[0]}"
        try:
            text = render_transcript(transcript, format_, name=str(path))
        except LyricsepError as error:
            refused(error)
            if transcript.lines or not transcript.text:
                raise FindingError(f"cannot be written as {format_}") from error
            continue
        copy.write_text(text, encoding="utf-8", newline="")
        sung = "\n".join(line.text for line in sung_only(transcript.lyrics).lines) or transcript.text
        if format_ == "srt":  # has no escapes: what looks like a tag is one
            sung = re.sub(r"\{\\[^}]*\}|<[^>]*>", "", sung)
        if format_ == "txt" and timed_reader(text):  # sung text that looks like LRC is read as LRC
            continue
        if lost := _letters(sung) - _letters(read_lyrics(copy).text):
            raise FindingError(f"it loses letters once written as {format_}", f"{lost}"[:1000])
    return "read"


def _letters(text: str) -> Counter[str]:
    """Count the letters and digits of a text, which every format can hold."""
    return Counter(character for character in text if character.isalnum())


def refused(error: LyricsepError) -> str:
    """Return ``refused`` for an error that can be shown as one line; raise a `FindingError` for any other."""
    text = str(error)
    if not text.isprintable() or len(text) > LONGEST_MESSAGE:
        raise FindingError("its message is no readable line") from error
    return "refused"


# Sound

# fmt: off
CONTAINERS = (  # suffix, FFmpeg's format, codec, samples per second
    (".wav", "wav", "pcm_s16le", 44100), (".aiff", "aiff", "pcm_s16be", 44100), (".flac", "flac", "flac", 44100),
    (".mp3", "mp3", "libmp3lame", 44100), (".aac", "adts", "aac", 44100), (".m4a", "ipod", "aac", 44100),
    (".mp4", "mp4", "aac", 44100), (".opus", "ogg", "libopus", 48000), (".mkv", "matroska", "aac", 44100),
    (".webm", "webm", "libopus", 48000), (".wma", "asf", "wmav2", 44100), (".caf", "caf", "pcm_s16le", 44100),
    (".au", "au", "pcm_s16be", 44100), (".ac3", "ac3", "ac3", 44100), (".ts", "mpegts", "mp2", 44100),
    (".flv", "flv", "libmp3lame", 44100), (".w64", "w64", "pcm_f32le", 44100), (".tta", "tta", "tta", 44100),
    (".wv", "wv", "wavpack", 44100), (".avi", "avi", "libmp3lame", 44100), (".mov", "mov", "alac", 44100),
)
# fmt: on
SOUND_SECONDS = 2


def _encoded(path: Path, format_: str, codec: str, rate: int) -> None:
    """Write two seconds of two tones with noise, and a picture where the format is mp4."""
    import av

    t = np.arange(SOUND_SECONDS * rate) / rate
    sound = np.stack([np.sin(2 * np.pi * 220 * t), np.sin(2 * np.pi * 330 * t)]) * 0.3
    sound += np.random.default_rng(0).standard_normal(sound.shape) * 0.01
    frame = av.AudioFrame.from_ndarray((sound * 32767).astype(np.int16), format="s16p", layout="stereo")
    frame.sample_rate = rate
    with av.open(str(path), "w", format=format_, options={"fflags": "+bitexact"}) as container:
        container.metadata.update(title="Rain", artist="Nobody", lyrics="one two\nthree")
        streams: list[tuple[Any, Any]] = [(container.add_stream(codec, rate=rate, layout="stereo"), frame)]
        streams[0][0].codec_context.bit_rate = 96_000
        if format_ == "mp4":
            black = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")
            streams.append((container.add_stream("mpeg4", rate=5, width=32, height=32, pix_fmt="yuv420p"), black))
        for stream, content in streams:
            container.mux(stream.encode(content) + stream.encode(None))


@cache
def sound_files() -> tuple[tuple[str, bytes], ...]:
    """Return names and contents of sound files to mutate; those that lyricsep can tag have lyrics."""
    import soundfile

    from lyricsep.formats.tags import write_tagged
    from lyricsep.inputs import AUDIO_SUFFIXES

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for suffix, format_, codec, rate in CONTAINERS:
            paths.append(Path(folder) / f"song{suffix}")
            _encoded(paths[-1], format_, codec, rate)
        paths.append(Path(folder) / "song.ogg")  # FFmpeg's build has no Vorbis encoder
        samples, rate = soundfile.read(Path(folder) / "song.wav")
        soundfile.write(paths[-1], samples, rate, format="OGG", subtype="VORBIS")
        for path in paths:
            try:
                write_tagged(path, path, _timed(), overwrite=True)
            except LyricsepError:  # a container without a tag for lyrics
                continue
        return (*((path.name, path.read_bytes()) for path in paths), *_cases(AUDIO_SUFFIXES))


def _timed() -> Any:
    from lyricsep.formats.transcript import timed
    from lyricsep.lyrics import Line

    return timed([Line(0.1, 0.9, "one two"), Line(1.0, 1.9, "été 東京")], title="Rain")


def try_sound(dice: random.Random, folder: Path) -> str:
    """Decode a mutated file, in its own rate and as the later stages need it, and read its tags."""
    from lyricsep.audio import load_audio
    from lyricsep.formats.tags import read_tagged, write_tagged
    from lyricsep.separators.passthrough import Passthrough
    from lyricsep.signals import load_signals

    name, data = dice.choice(sound_files())
    path = folder / name
    path.write_bytes(mutated(data, dice, [data for _, data in sound_files()], SOUND_MUTATIONS))
    outcome = "read"
    try:
        load_audio(path)
        signals = load_signals(path, Passthrough())
        if not np.isfinite(signals.mixture).all():
            raise FindingError("it decodes to samples that are not finite")
    except LyricsepError as error:
        outcome = refused(error)
    try:
        read_tagged(path)
        if dice.random() < 0.05:
            copy = folder / f"copy{path.suffix}"
            write_tagged(path, copy, _timed(), overwrite=True)
            again = read_tagged(copy)
            if again is None or again.text.split() != _timed().text.split():
                raise FindingError("the lyrics in its tags are others than those that were written")
    except LyricsepError as error:
        refused(error)
    return outcome


# Lists, datasets and folders of results


@dataclass(frozen=True)
class Layout:
    """Files that belong together, and the command lines that read them.

    Parameters
    ----------
    files : mapping of str to bytes
        By path; sound files are not mutated.
    commands : tuple of str
        Without ``lyricsep``; spaces separate arguments.
    """

    files: Mapping[str, bytes]
    commands: tuple[str, ...]


def _silence(seconds: float = 0.2, rate: int = 16_000) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * rate)), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder by their paths."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


# What is run on the files of each folder of `SEEDS`; {} is the name of the list.
USES: Mapping[str, tuple[str, ...]] = {
    "lists": (
        "segment {} -o out --separator none",
        "batch run {} -o out --separator none",
        "align {} beside -o out --separator none",
        "embed {} --lyrics ref -o out",
    ),
    "datasets": (
        "datasets show . -l en",
        "datasets show . -l en --json",
        "datasets verify . -l en",
        "score . heard -l en",
        "score --times . heard -l en --json",
    ),
    "run": (
        "report run --audio none",
        "report run --audio none --reference ref -l en",
        "report run --audio link --reference ref -l en --versus run --songs . --vocals .",
        "batch status run",
        "batch status run --json",
        "batch run one.wav -o run --separator none",
        "batch run one.wav -o run --separator none --overwrite",
        "review run --no-browser --reference ref -l en",
        "score ref run -l en --show one",
        "convert run -f srt,ttml -o out",
        "correct run --with ref -o out",
    ),
    "scores": (
        "compare a.json b.json",
        "compare A B",
        "compare A B --json",
        "compare a.json A",
        "compare b.json a.json --json",
    ),
}
SOUNDS = (
    *("one.wav", "two.wav", "a/two.wav", "en/one.wav"),
    *("audio/one.wav", "audio/two.wav", "audio/one.mp3", "mp3/one.mp3"),
)
HEARD = ("one", "two", "abc", "Nobody - Rain")


@cache
def layouts() -> tuple[Layout, ...]:
    """Return lists of songs, datasets in every layout, the folder of a run, and scores."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lyricsep.lists import LIST_SUFFIXES

    lists = _files(SEEDS / "lists")
    parquet = io.BytesIO()
    rows = csv.DictReader(lists["list.csv"].decode().splitlines())
    pq.write_table(pa.Table.from_pylist([{**row, "number": None} for row in rows]), parquet)
    lists["list.parquet"] = parquet.getvalue()
    datasets = [_files(folder) for folder in sorted((SEEDS / "datasets").iterdir())]
    dali = json.loads(next(files["abc.json"] for files in datasets if "abc.json" in files))
    datasets.append({"annot_tismir/abc.gz": gzip.compress(pickle.dumps(dali, 2), mtime=0)})
    run, scores = _files(SEEDS / "run"), _files(SEEDS / "scores")
    others = {name: data for name, data in run.items() if name.startswith("ref/")} | dict.fromkeys(SOUNDS, _silence())
    others |= {f"heard/{name}.lrc": b"[00:00.50]One two three\n[00:02.50]four (oh)\n" for name in HEARD}
    found = [
        Layout({**others, name: data}, tuple(use.format(name) for use in USES["lists"]))
        for name, data in lists.items()
        if Path(name).suffix in LIST_SUFFIXES
    ]
    found += [Layout({**others, **files}, USES["datasets"]) for files in datasets]
    return (*found, Layout({**others, **run}, USES["run"]), Layout(scores, USES["scores"]))


def written(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def try_lists(dice: random.Random, folder: Path) -> str:
    """Mutate one file of a layout, and run a command on it."""
    from lyricsep.inputs import AUDIO_SUFFIXES

    layout = dice.choice(layouts())
    chosen = dice.choice([name for name in layout.files if Path(name).suffix not in AUDIO_SUFFIXES])
    data = layout.files[chosen]
    if chosen.endswith(".gz") and dice.random() < 0.7:
        data = gzip.compress(mutated(gzip.decompress(data), dice, [data], BYTE_MUTATIONS), mtime=0)
    else:
        data = mutated(data, dice, list(layout.files.values()), TEXT_MUTATIONS)
    written({**layout.files, chosen: data}, folder)
    return checked(dice.choice(layout.commands).split(), folder)


# Command lines

PRINT_PATHS = ("transcribe", "align", "separate", "segment", "convert", "correct", "embed", "report")
_FAILURE = re.compile(r"^(\[\d+/\d+\] .*: )?failed: |^lyricsep\b[^:\n]*: |^ERROR", re.MULTILINE)


def checked(arguments: Sequence[str], folder: Path) -> str:
    """Run ``lyricsep`` in a folder; return its exit code as text, and raise a `FindingError` where that lies."""
    (folder / ".command").write_bytes("\n".join(arguments).encode("utf-8", "surrogateescape"))
    os.chdir(folder)
    before = _state(folder)
    code, out, err = _run(arguments)
    details = f"{' '.join(arguments)!r} exited with {code}, and told:\n{err}"
    name = " ".join(next((words for words, _ in commands() if words == tuple(arguments[: len(words)])), ()))
    if "Traceback (most recent call last)" in err or "--- Logging error ---" in err:
        raise FindingError(f"{name}: traceback on stderr", details)
    if code not in (0, 1, 2):
        raise FindingError(f"{name}: exit code {code}", details)
    if code == 0 and _FAILURE.search(err):
        raise FindingError(f"{name}: exit code 0 after a failure", details)
    if code and not err.strip():
        raise FindingError(f"{name}: exit code {code} without a message", details)
    if code == 2 and _state(folder) != before:
        raise FindingError(f"{name}: exit code 2 after files were written", details)
    to_stdout = {"-", "--help", "-h"} & set(arguments) or any(argument.endswith("=-") for argument in arguments)
    if code == 0 and arguments[:1] and arguments[0] in PRINT_PATHS and not to_stdout:
        missing = [path for path in out.splitlines() if not os.path.exists(path)]  # noqa: PTH110 - any name may come
        if missing:
            raise FindingError(f"{name}: exit code 0, and printed a path that is no file", f"{missing}\n{details}")
    return f"exit {code}"


def _state(folder: Path) -> dict[str, int]:
    """Return the files below a folder, but for the records of runs, and when each was written."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".lyricsep" not in path.parts)
    return {str(path): path.stat().st_mtime_ns for path in paths}


def _run(arguments: Sequence[str]) -> tuple[object, str, str]:
    """Return exit code, stdout and stderr of a command line, run in this process."""
    from lyricsep.cli import main

    out, err = io.BytesIO(), io.BytesIO()
    stdout, stderr = io.TextIOWrapper(out, "utf-8"), io.TextIOWrapper(err, "utf-8", errors="backslashreplace")
    sys.argv = ["lyricsep", *arguments]
    code: object = 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    stdout.flush()
    stderr.flush()
    return code, out.getvalue().decode("utf-8", "surrogateescape"), err.getvalue().decode()


# fmt: off
FILES = (
    "song.wav", "song.mp3", "broken.flac", "empty.wav", "album [1]", "album [1]/one.wav", "caf\udce9.wav", "list.txt",
    "list.csv", "song.txt", "song.lrc", "song.json", "latin.txt", "texts", "set", "hub", "run", "a.json", "b.json",
    ".",
)
ABSURD = (
    "", " ", "-", "-1", "0", "1", "0.5", "1e400", "nan", "inf", "9" * 400, "nosuch", "nosuch.wav", "a/b", "é",
    "e\u0301", "\udcff", "日本", "x" * 300, "x" * 5000, "a,b,,", ",", "*", "[", "[a", "*.wav", "**/*.wav",
    "s3://x/y.wav", "https://", "file:///nosuch", "http://[", "a\nb", "~nosuch/x", "/dev/null", "/dev/full",
    "{x}", "%s", "<b>", "--", "song.wav/x", "None", "true", "#", "run#", "run#x",
)
GOOD: Mapping[str, tuple[str, ...]] = {
    "--aligner": ("whisper", "ctc:nosuch"), "--audio": ("none", "link", "embed"),
    "--backend": ("openai-whisper", "ctranslate2"), "--copy-to": ("copies", "file:copies"),
    "--dataset": ("set", "hub", "jam-alt"), "--device": ("cpu", "auto", "cuda", "mps"), "--engine": ("local", "ray"),
    "--family": ("demucs",),
    "--format": ("txt", "lrc,json", "srt,vtt,elrc,ass,ttml,tsv", "csv,json", "rttm", "textgrid"),
    "--language": ("en", "fr", "English", "fr-FR", "klingon"), "--licence": ("MIT",),
    "--lyrics": ("texts", "song.txt", "tags", "beside"), "--model": ("base", "tiny.en", "turbo", "song.txt", "set"),
    "--musdb18hq": (".",), "--no-repeat-ngram-sizes": ("8,3", "0"),
    "--output": ("out", "out", "out/deep", "-", "song.txt", "run", "texts"), "--plot": ("png", "pdf,svg"),
    "--port": ("0", "65535"), "--preset": ("fast", "balanced", "best", "paper"),
    "--reference": ("texts", "set", "song.wav"), "--revision": ("main",), "--seeds": ("2",),
    "--separator": ("none", "none", "none", "spleeter", "nosuch", "./mine.toml"),
    "--sha256": ("0" * 64,), "--show": ("one", "song"), "--song": ("one", "en/one"), "--songs": (".",),
    "--split": ("test", "train"), "--temperatures": ("0,0.2", "0"), "--then": ("none", "apollo"),
    "--time-limit": ("10",),
    "--versus": ("run",), "--vocals": (".",), "--with": ("texts", "song.txt"), "--workers": ("1",),
}
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "checkpoint": ("broken.flac", "song.json"), "dataset": ("set", "hub", "jam-alt"), "first": ("a.json", "run"),
    "folder": ("run", "texts", "set"), "grid": ("lyricsep", "paper-long", "song.txt", "mine.toml"),
    "lyrics": ("texts", "song.txt", "tags", "beside", "song.lrc"), "name": ("htdemucs", "base"),
    "names": ("spleeter", "base", "jam-alt", "musdb-alt"), "second": ("b.json", "run"),
    "sources": ("song.lrc", "song.json", "texts", "run"), "target": ("out.safetensors",),
}
LEFT_OUT = ("--install-completion", "--show-completion")
# fmt: on


@cache
def room() -> Mapping[str, bytes]:
    """Return the files of the folder in which command lines are run."""
    songs = {Path(name).suffix: data for name, data in sound_files()[: len(CONTAINERS)]}
    run, hub = _files(SEEDS / "run"), _files(SEEDS / "datasets" / "jam-alt")
    text = b"One two three\nfour five\n"
    return {
        "song.wav": _silence(1.0),
        "song.mp3": songs[".mp3"],
        "broken.flac": songs[".flac"][:100] + b"\0" * 100,
        "empty.wav": b"",
        "album [1]/one.wav": _silence(1.0),
        "caf\udce9.wav": _silence(),
        "list.txt": b"song.wav\nalbum [1]/one.wav\n",
        "list.csv": b"path,id,language,lyrics\nsong.wav,x,en,song.txt\nnosuch.wav,y,klingon,\n",
        "song.txt": text,
        "song.lrc": b"[00:00.10]One two\n[00:00.60]three\n",
        "song.json": run["run/one.json"],
        "latin.txt": "été\n".encode("latin-1"),
        "texts/song.txt": text,
        "texts/one.txt": text,
        "set/en/one.wav": _silence(1.0),
        "set/en/one.txt": text,
        "mine.toml": b"[mine]\nfamily = 'x'\n",
        **{f"hub/{name}": data for name, data in hub.items()},
        **run,
        **_files(SEEDS / "scores"),
    }


def _leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command of a Typer app that has none below it."""
    below = getattr(command, "commands", {})
    for name, child in below.items():
        yield from _leaves(child, (*words, name))
    if not below:
        yield words, command


@cache
def application() -> Any:
    """Return what Typer makes of lyricsep's commands."""
    import typer.main

    from lyricsep.cli.app import app

    return typer.main.get_command(app)


@cache
def commands() -> tuple[tuple[tuple[str, ...], Any], ...]:
    """Return every command of lyricsep: its words, and what Typer made of it."""
    return tuple(_leaves(application()))


def command_line(dice: random.Random) -> list[str]:
    """Return the arguments of a command line with good and absurd values."""
    words, command = dice.choice(commands())
    given: list[list[str]] = []
    for parameter in command.params:
        flags = [flag for flag in (*parameter.opts, *parameter.secondary_opts) if flag.startswith("-")]
        is_needed = parameter.required or "--separator" in flags
        if dice.random() > (0.97 if is_needed or not flags else 0.12) or set(flags) & set(LEFT_OUT):
            continue
        good = GOOD.get(flags[0], ABSURD) if flags else ARGUMENTS.get(parameter.name, FILES)
        n_values = 1 if flags or parameter.nargs == 1 else dice.choice((1, 1, 2, 3))
        pools = dice.choices((good, FILES, ABSURD), (7, 1, 1 if flags else 0.5), k=n_values)
        values = [dice.choice(pool) for pool in pools]
        if getattr(parameter, "is_flag", False):
            given.append([dice.choice(flags)])
        elif flags and dice.random() < 0.2:
            given.append([f"{flags[0]}={values[0]}"])
        else:
            given.append([dice.choice(flags), *values] if flags else values)
    if dice.random() < 0.1:
        dice.shuffle(given)
    arguments = [*words, *(part for parts in given for part in parts)]
    if dice.random() < 0.03:
        arguments.insert(dice.randrange(len(arguments) + 1), dice.choice(("--help", "--nosuch", "-z", *ABSURD)))
    return arguments


def try_commands(dice: random.Random, folder: Path) -> str:
    """Run a command line in a folder of small songs and lyrics."""
    written(room(), folder)
    return checked(command_line(dice), folder)


# Running cases


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    Parameters
    ----------
    attempt : callable
        Makes and tries a case in an empty folder; returns what became of it, raises what is wrong.
    count : int
        Cases by default.
    per_process : int
        Cases that a process runs before a fresh one takes over.
    """

    attempt: Callable[[random.Random, Path], str]
    count: int
    per_process: int = 1000


KINDS: Mapping[str, Kind] = {
    "lyrics": Kind(try_lyrics, 50_000),
    "sound": Kind(try_sound, 10_000),
    "lists": Kind(try_lists, 2_000, per_process=1),
    "commands": Kind(try_commands, 2_000, per_process=1),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Parameters
    ----------
    number : int
        The case.
    result : str
        Such as ``read`` or ``refused``; empty where it failed.
    failure : str
        What is wrong, in one line that is the same for the same cause; empty where nothing is.
    details : str
        Traceback, where there is one.
    seconds : float
        Time of computing.
    memory : int
        Mutation by which the process grew.
    """

    number: int
    result: str
    failure: str = ""
    details: str = ""
    seconds: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Limits:
    """The most that a case may take: seconds of computing, and GB of memory."""

    seconds: float = 10.0
    gigabytes: float = 1.0


def attempted(kind: str, seed: int, number: int, folder: Path, limits: Limits) -> Outcome:
    """Try a case in this process."""
    folder.mkdir()
    failure = details = result = ""
    base, began = _memory(), time.process_time()
    try:
        result = KINDS[kind].attempt(random.Random(f"{seed} {kind} {number}"), folder)  # noqa: S311 - reproducible
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - that nothing else comes out is what is tested
        failure, details = _cause(error).replace(f"{folder}{os.sep}", ""), traceback.format_exc()
    seconds, memory = time.process_time() - began, max(0, _memory("VmHWM") - base)
    if not failure and seconds > limits.seconds:
        failure = f"takes longer than {limits.seconds:g} s"
    if not failure and memory > limits.gigabytes * 1e9:
        failure = f"takes more than {limits.gigabytes:g} GB of memory"
    return Outcome(number, "" if failure else result, failure, details, seconds, memory)


def _cause(error: BaseException) -> str:
    """Return the exception and the line of lyricsep, or else the last line, that it comes from."""
    if isinstance(error, FindingError):
        return f"{error}: {_cause(error.__cause__)}" if error.__cause__ else str(error)
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if "/lyricsep/" in frame.filename), frames[-1])
    return f"{type(error).__name__} at {'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"


def _memory(field: str = "VmRSS") -> int:
    """Return the memory of this process in bytes; ``VmRSS`` also makes the peak, ``VmHWM``, begin anew."""
    if field == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


class _Strict(logging.Handler):
    """Handler that formats every record, so that one which cannot be shown fails the case."""

    def emit(self, record: logging.LogRecord) -> None:
        """Check a record."""
        self.format(record).encode()


# What the commands import when they need it.
MODULES = (
    "lyricsep.aligners.ctc",
    "lyricsep.benchmark.running",
    "lyricsep.cli.app",
    "lyricsep.correction",
    "lyricsep.devices",
    "lyricsep.formats.tags",
    "lyricsep.pages",
    "lyricsep.review.server",
    "lyricsep.scoring",
    "lyricsep.session",
    "lyricsep.transcribers.openai_whisper",
    "alt_eval",
    "iso639",
    "jiwer",
    "mutagen.id3",
    "pandas",
    "soxr",
    "torch",
)


def _load() -> None:
    """Import and make what all cases need, once: processes are forks of this one."""
    for module in MODULES:
        importlib.import_module(module)
    with suppress(ImportError):
        importlib.import_module("pydantic.type_adapter")  # used by Typer where it is installed
    for make in (lyrics_files, sound_files, layouts, commands, room):
        make()


def _prepare(scratch: Path) -> None:
    """Make a process ready to try cases: no network, no models, no reading from the terminal, bounded memory."""
    import socket
    import webbrowser

    import torch
    import typer.main

    import lyricsep.cli.batch
    import lyricsep.review.server
    import lyricsep.weights.cache
    from lyricsep.engines import Record

    def refuse(*_: object, **__: object) -> Any:
        raise WeightsError("no weights here")

    def fail(tasks: Iterable[Any], *_: object, **__: object) -> Iterator[Record]:
        for task in tasks:
            yield Record.of(task.id, task.song.path).failed(WeightsError("no workers here"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(HOME=str(scratch), LYRICSEP_CACHE=str(scratch / "cache"), LYRICSEP_OFFLINE="1", COLUMNS="100")
    for owner, name, instead in (
        (socket.socket, "connect", refuse),
        (webbrowser, "open", lambda *_: False),
        (typer.main, "get_command", lambda _: application()),  # made once: it takes longer than most commands
        (lyricsep.weights.cache, "locate", refuse),
        (lyricsep.cli.batch, "fetch", lambda *_, **__: None),
        (lyricsep.cli.batch, "run_local", fail),
        (lyricsep.cli.batch, "run_ray", fail),
        (lyricsep.review.server.ReviewServer, "wait", interrupt),
    ):
        patch.object(owner, name, instead).start()
    logging.getLogger("lyricsep").handlers[:] = [_Strict()]
    logging.getLogger("lyricsep").propagate = False
    most = _memory("VmSize") + int(ADDRESS_SPACE)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _work(connection: Connection, kind: str, seed: int, scratch: Path, limits: Limits, log: Path) -> None:
    """Process: try the cases whose numbers come through the pipe."""
    _prepare(scratch)
    with log.open("w") as file:
        faulthandler.enable(file)
        while (number := connection.recv()) is not None:
            faulthandler.dump_traceback_later(HANG, exit=True, file=file)
            outcome = attempted(kind, seed, number, scratch / f"{kind}-{number}", limits)
            faulthandler.cancel_dump_traceback_later()
            connection.send(outcome)
    os._exit(0)  # threads that a case left must not keep the process


class _Worker:
    """A process that tries cases of a kind, one after the other."""

    def __init__(self, kind: str, seed: int, scratch: Path, limits: Limits) -> None:
        context = multiprocessing.get_context("fork")  # what is imported and made once is there for all
        handle, name = tempfile.mkstemp(dir=scratch, suffix=".log")
        os.close(handle)
        self.log = Path(name)
        self.n_left = KINDS[kind].per_process
        self.connection, child = context.Pipe()
        self.process = context.Process(target=_work, args=(child, kind, seed, scratch, limits, self.log), daemon=True)
        self.process.start()
        child.close()

    def start(self, number: int) -> None:
        """Start a case."""
        self.number = number
        self.n_left -= 1
        self.connection.send(number)

    def outcome(self) -> Outcome:
        """Return the outcome of the case, which is at hand; where the process died, that is a failure."""
        try:
            found: Outcome = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.n_left = 0
            code, said = self.process.exitcode, self.log.read_text()
            how = f"hangs for {HANG} s" if said.startswith("Timeout") else f"the process died ({code})"
            own = re.findall(r'lyricsep/(\S+)", line (\d+)', said)
            return Outcome(self.number, "", f"{how} at {':'.join(own[0]) if own else '?'}", said)
        return found

    def end(self) -> None:
        """End the process."""
        if self.process.is_alive():
            self.connection.send(None)
        self.process.join()
        self.connection.close()
        self.log.unlink()


def fuzz(
    kind: str,
    numbers: Iterable[int],
    *,
    seed: int = 0,
    jobs: int = 1,
    limits: Limits = Limits(),
    keep: Path | None = None,
) -> Iterator[Outcome]:
    """Try cases in processes of their own, and yield what became of each, in the order in which they end.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    numbers : iterable of int
        The cases.
    seed : int
        Other seeds make other cases.
    jobs : int
        Processes at a time.
    limits : Limits
        The most that a case may take.
    keep : Path, optional
        Folder for the files of cases that fail, each with ``why.txt``.
    """
    _load()
    todo = iter(numbers)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        working: dict[Connection, _Worker] = {}

        def proceed(worker: _Worker | None) -> None:
            number = next(todo, None)
            if worker and (number is None or not worker.n_left):
                worker.end()
                worker = None
            if number is not None:
                worker = worker or _Worker(kind, seed, scratch, limits)
                worker.start(number)
                working[worker.connection] = worker

        for _ in range(jobs):
            proceed(None)
        while working:
            for connection in wait(list(working)):
                assert isinstance(connection, Connection)
                worker = working.pop(connection)
                outcome = worker.outcome()
                proceed(worker)
                case = scratch / f"{kind}-{outcome.number}"
                if outcome.failure and keep:
                    shutil.copytree(case, keep / case.name, dirs_exist_ok=True)
                    (keep / case.name / "why.txt").write_text(
                        f"{outcome.failure}\n\n{outcome.details}", errors="backslashreplace"
                    )
                shutil.rmtree(case, ignore_errors=True)
                yield outcome


def table(found: Mapping[str, Sequence[Outcome]], seed: int) -> str:
    """Return the figures as a table of Markdown, and below it the causes of failures."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("av", "mutagen", "pyarrow"))
    rows = [
        f"Seed {seed}, Python {sys.version.split()[0]}, {versions}.",
        "",
        "| kind | cases | outcomes | failed | longest | most memory |",
        "|---|---|---|---|---|---|",
    ]
    causes = Counter((kind, outcome.failure) for kind, outcomes in found.items() for outcome in outcomes)
    for kind, outcomes in found.items():
        results = Counter(outcome.result for outcome in outcomes if outcome.result)
        told = ", ".join(f"{n:,} {result}" for result, n in sorted(results.items()))
        n_failed = sum(bool(outcome.failure) for outcome in outcomes)
        longest, most = max(outcome.seconds for outcome in outcomes), max(outcome.memory for outcome in outcomes)
        rows.append(f"| {kind} | {len(outcomes):,} | {told} | {n_failed:,} | {longest:.1f} s | {most / 1e9:.2f} GB |")
    for (kind, failure), n in causes.most_common():
        if failure:
            example = min(outcome.number for outcome in found[kind] if outcome.failure == failure)
            rows.append(f"- {n} x {kind}: {failure} (--only {kind}:{example})")
    return "\n".join(rows)


def _counted(text: str) -> tuple[str, int]:
    """Read KIND=N or KIND:N."""
    kind, _, number = text.replace(":", "=").partition("=")
    if kind not in KINDS or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a kind and a number, such as sound=100, got {text!r}")
    return kind, int(number)


def main() -> None:
    """Try the cases that are asked for, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("kinds", nargs="*", metavar="KIND", help=f"some of {', '.join(KINDS)} [default: all]")
    counts = " ".join(f"{name}={kind.count}" for name, kind in KINDS.items())
    add("--count", type=_counted, nargs="+", default=[], metavar="KIND=N", help=f"cases [default: {counts}]")
    add("--seed", type=int, default=0, help="other seeds make other cases [default: 0]")
    add("--only", type=_counted, action="append", default=[], metavar="KIND:N", help="only this case; repeatable")
    add("--jobs", type=int, default=1, help="processes at a time [default: 1]")
    add("--keep", type=Path, help="folder for the files of cases that fail")
    add("--seconds", type=float, default=10.0, help="the most computing of a case [default: 10]")
    add("--gigabytes", type=float, default=1.0, help="the most memory of a case [default: 1]")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no kind {', '.join(sorted(unknown))}; choose from {', '.join(KINDS)}")
    cases: dict[str, Iterable[int]] = {
        kind: range(dict(options.count).get(kind, KINDS[kind].count)) for kind in options.kinds or KINDS
    }
    if options.only:
        cases = {kind: [number for each, number in options.only if each == kind] for kind, _ in options.only}
    found: dict[str, list[Outcome]] = {}
    for kind, numbers in cases.items():
        found[kind] = []
        limits = Limits(options.seconds, options.gigabytes)
        for outcome in fuzz(kind, numbers, seed=options.seed, jobs=options.jobs, limits=limits, keep=options.keep):
            found[kind].append(outcome)
            if outcome.failure:
                print(f"{kind}:{outcome.number}: {outcome.failure}", file=sys.stderr, flush=True)
            if options.only and outcome.details:
                print(outcome.details, file=sys.stderr, flush=True)
    print(table({kind: outcomes for kind, outcomes in found.items() if outcomes}, options.seed))
    sys.exit(int(any(outcome.failure for outcomes in found.values() for outcome in outcomes)))


if __name__ == "__main__":
    main()
