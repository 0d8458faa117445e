"""Alignment of lyrics that are not quite those of the song: what is still right, for every kind of change.

    python scripts/benchmark_changed_lyrics.py ../shared/jamendolyrics --option preset=fast

Every song of a dataset with word times is separated once and then aligned with its lyrics changed in each of these
ways (`--change` chooses some):

plain          as they are
wrong-10       a tenth of the words replaced by words of other songs
wrong-20       a fifth
missing-verse  a fifth of the lines, in the middle, left out of the text
extra-verse    eight lines of another song put in
capitals       all in capitals
one-line       without line breaks
late           as they are, but the song starts after seven minutes of other songs
other-song     the lyrics of another song, which are to be refused

Printed for each song: the mean error of the starts of its own words in seconds (AAE), the share of them that start
within 0.3 s (PCO; a word without a time counts as wrong), the share that has no time (lost), the share of foreign
words that are left out, and the seconds that it took. The same seed makes the same changes.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.datasets import Song
    from lyricsep.lyrics import Lyrics
    from lyricsep.session import Session
    from lyricsep.signals import Signals

SAMPLE_RATE = 16_000
LATE = 420  # seconds
VERSE = 8  # lines
FOREIGN = -1

Row = tuple[str, list[int]]
"""A line, and of each of its words the index among the true ones, or FOREIGN."""


@dataclass(frozen=True, eq=False)
class Material:
    """A song, its lines and the starts of their words, and its signals."""

    song: Song
    rows: list[Row]
    starts: NDArray[np.float64]
    signals: Signals


@dataclass(frozen=True)
class Figures:
    """What is right in one song; NaN where there is nothing to count."""

    aae: float
    pco: float
    lost: float
    left_out: float
    seconds: float


def _words(rows: Sequence[Row]) -> list[str]:
    return [word for text, _ in rows for word in text.split()]


def _wrong(share: float) -> Callable[[Material, Material, random.Random], list[Row]]:
    def change(one: Material, other: Material, rng: random.Random) -> list[Row]:
        foreign = _words(other.rows)
        return [
            (" ".join(rng.choice(foreign) if rng.random() < share else word for word in text.split()), indices)
            for text, indices in one.rows
        ]

    return change


def _missing_verse(one: Material, _other: Material, rng: random.Random) -> list[Row]:
    n = len(one.rows)
    first = rng.randrange(n // 5, max(n // 5 + 1, 3 * n // 5))
    return [*one.rows[:first], *one.rows[first + max(3, n // 5) :]]


def _extra_verse(one: Material, other: Material, rng: random.Random) -> list[Row]:
    lines = [text for text, _ in other.rows if text]
    first = rng.randrange(max(1, len(lines) - VERSE))
    verse: list[Row] = [(text, [FOREIGN] * len(text.split())) for text in lines[first : first + VERSE]]
    at = rng.randrange(2, max(3, len(one.rows) - 2))
    return [*one.rows[:at], ("", []), *verse, ("", []), *one.rows[at:]]


def _capitals(one: Material, _other: Material, _rng: random.Random) -> list[Row]:
    return [(text.upper(), indices) for text, indices in one.rows]


def _one_line(one: Material, _other: Material, _rng: random.Random) -> list[Row]:
    return [(" ".join(_words(one.rows)), [index for _, indices in one.rows for index in indices])]


def _plain(one: Material, _other: Material, _rng: random.Random) -> list[Row]:
    return one.rows


def _other_song(_one: Material, other: Material, _rng: random.Random) -> list[Row]:
    return [(text, [FOREIGN] * len(indices)) for text, indices in other.rows]


CHANGES: dict[str, Callable[[Material, Material, random.Random], list[Row]]] = {
    "plain": _plain,
    "wrong-10": _wrong(0.1),
    "wrong-20": _wrong(0.2),
    "missing-verse": _missing_verse,
    "extra-verse": _extra_verse,
    "capitals": _capitals,
    "one-line": _one_line,
    "late": _plain,
    "other-song": _other_song,
}


def _material(session: Session, song: Song) -> Material:
    from lyricsep.aligners.words import split_words
    from lyricsep.errors import DatasetError

    if song.audio is None:
        raise DatasetError(f"{song.id}: came without its audio; see `lyricsep datasets show`")
    starts = np.array([word.start for line in song.lines for word in line.words])
    rows: list[Row] = []
    n = 0
    for text in song.text.splitlines():
        n_words = len(split_words(text))
        rows.append((text, list(range(n, n + n_words))))
        n += n_words
    if n != len(starts):
        raise DatasetError(f"{song.id}: has {n} words in its lyrics and {len(starts)} times of words")
    return Material(song, rows, starts, session.load_signals(song.audio))


def _late(one: Material, others: Sequence[Material]) -> tuple[Signals, float]:
    """Return the song after seven minutes of others, and how many seconds it starts later."""
    from lyricsep.signals import Signals

    n = LATE * SAMPLE_RATE
    mixture = np.concatenate([other.signals.mixture for other in others])
    vocals = np.concatenate([other.signals.vocals for other in others])
    late = Signals(
        np.append(np.resize(mixture, n), one.signals.mixture), np.append(np.resize(vocals, n), one.signals.vocals)
    )
    return late, float(LATE)


def _measure(session: Session, name: str, one: Material, others: Sequence[Material], seed: int) -> Figures:
    from lyricsep.aligners import KnownClips, read_text
    from lyricsep.errors import LyricsepError
    from lyricsep.signals import find_vocal_segments

    plan = session.plan
    assert plan.segmentation
    rng = random.Random(f"{seed} {name} {one.song.id}")  # noqa: S311 - reproducible
    rows = CHANGES[name](one, others[seed % len(others)], rng)
    signals, shift = _late(one, others) if name == "late" else (one.signals, 0.0)
    began = time.perf_counter()
    known = read_text("\n".join(text for text, _ in rows), one.song.id)
    segments = find_vocal_segments(signals, plan.segmentation)
    clips = KnownClips(signals.mixture, signals.vocals, segments, one.song.language, known=known)
    (lyrics,) = session.models.aligner(plan).align([clips])
    seconds = time.perf_counter() - began
    if isinstance(lyrics, LyricsepError):
        raise lyrics
    return _figures(lyrics, rows, one.starts + shift, seconds)


def _figures(lyrics: Lyrics, rows: Sequence[Row], starts: NDArray[np.float64], seconds: float) -> Figures:
    written = [(text, indices) for text, indices in rows if text.strip()]
    errors: list[float] = []
    foreign: list[bool] = []
    for line, (text, indices) in zip(lyrics.lines, written, strict=True):
        if line.text != text or (line.words and len(line.words) != len(indices)):
            raise ValueError(f"the line {text!r} came back as {line.text!r}")
        for position, index in enumerate(indices):
            if index == FOREIGN:
                foreign.append(not line.words)
            else:
                errors.append(abs(line.words[position].start - starts[index]) if line.words else math.inf)
    placed = [error for error in errors if error < math.inf]
    return Figures(
        fmean(placed) if placed else math.nan,
        fmean(error <= 0.3 for error in errors) if errors else math.nan,
        1 - len(placed) / len(errors) if errors else math.nan,
        fmean(foreign) if foreign else math.nan,
        seconds,
    )


def _row(change: str, name: str, figures: Figures) -> tuple[str, ...]:
    from lyricsep.tables import decimal, percent

    shares = [percent(share) for share in (figures.pco, figures.lost, figures.left_out)]
    return (change, name, decimal(figures.aae), *shares, decimal(figures.seconds, 1))


def _mean(figures: Sequence[Figures]) -> Figures:
    names = ("aae", "pco", "lost", "left_out", "seconds")
    columns = [[value for one in figures if not math.isnan(value := getattr(one, name))] for name in names]
    return Figures(*(fmean(column) if column else math.nan for column in columns))


def _option(text: str) -> tuple[str, Any]:
    name, mark, value = text.partition("=")
    if not mark:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main() -> None:
    """Change, align, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("dataset", metavar="DATASET", help="songs with word times: name or folder, as JamendoLyrics; two at least")
    add("--change", action="append", default=[], choices=CHANGES, help="only this change; may be repeated")
    add("--song", action="append", default=[], metavar="NAME", help="change only this song; may be repeated")
    add("--seed", type=int, default=0, help="of the changes [default: 0]")
    add(
        "--option", type=_option, action="append", default=[], metavar="NAME=VALUE", help="option of `lyricsep.align`"
    )
    arguments = parser.parse_args()

    from lyricsep.datasets import open_dataset
    from lyricsep.errors import LyricsepError
    from lyricsep.plan import AlignOptions, resolve
    from lyricsep.session import Session
    from lyricsep.tables import Table

    rows: list[tuple[str, ...]] = []
    try:
        dataset = open_dataset(arguments.dataset)
        chosen = {song.id for song in dataset.select(songs=arguments.song).songs}
        session = Session(resolve(AlignOptions(**dict(arguments.option))))
        materials = [_material(session, song) for song in dataset.songs]
        if len(materials) < 2:
            raise LyricsepError(f"{arguments.dataset}: holds one song; words of another are needed")
        for change in arguments.change or CHANGES:
            measured = []
            for number, one in enumerate(materials):
                if one.song.id in chosen:
                    print(f"{change}: {one.song.id}", file=sys.stderr)
                    others = [*materials[number + 1 :], *materials[:number]]
                    measured.append(_measure(session, change, one, others, arguments.seed))
                    rows.append(_row(change, one.song.id, measured[-1]))
            rows.append(_row(change, f"mean of {len(measured)}", _mean(measured)))
    except LyricsepError as error:
        sys.exit(f"benchmark_changed_lyrics: {error}")
    headers = ("change", "song", "AAE", "PCO@0.3", "lost", "foreign left out", "seconds")
    print(Table(f"Changed lyrics: {dataset.name}", headers, tuple(rows), 2).text(), end="")


if __name__ == "__main__":
    main()
