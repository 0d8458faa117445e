"""Alignment of known lyrics against word times: errors and speed for every song of a dataset, in one table.

    python scripts/benchmark_alignment.py ../shared/jamendolyrics --peer ../shared/jamendolyrics/align_baseline.json

Every song is aligned by `lyricsep.Aligner` with the lyrics of its dataset (``lyrics/NAME.txt``), and the starts of
its words are scored as by `lyricsep score --times`. The models are loaded before the first song. `--option` sets an
option of the aligner.

`--peer` reads the figures of another aligner: JSON with ``what`` (a description) and ``songs``, one object per song
and audio, with ``song`` (its name, or the beginning of it), ``hears`` (the audio), ``AAE`` and ``median`` in seconds,
and ``PCO_03`` and ``PCO_01`` in percent. Its means are over the songs that were aligned here. `--json` prints a JSON
object instead of the table, with shares instead of percent.

The exit code is 1 if any song fails.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyricsep.datasets import Song
    from lyricsep.lyrics import Lyrics
    from lyricsep.scoring import AlignmentScore
    from lyricsep.tables import Table

    Align = Callable[..., Lyrics]

OURS = "lyricsep"
SECONDS = ("AAE", "median")
SHARES = ("PCO_03", "PCO_01")
OTHERS = {"perceptual": 2, "seconds": 1, "audio": 1}  # decimals
HEADERS = ("song", "by", "AAE", "median", "PCO@0.3", "PCO@0.1", "perceptual", "seconds", "audio")

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Aligned:
    """A song as it was aligned: its score, the seconds that took, and the length of the song in seconds."""

    song: Song
    score: AlignmentScore
    seconds: float
    audio: float

    def figures(self) -> dict[str, float]:
        """Return the figures of the score, and the seconds."""
        return self.score.figures() | {"seconds": self.seconds, "audio": self.audio}


@dataclass(frozen=True)
class Peer:
    """Another aligner: a description, and figures by audio and song; shares are 0 to 1."""

    what: str
    figures: Mapping[str, Mapping[str, Figures]]


def _align(song: Song, align: Align) -> Aligned:
    from lyricsep.errors import DatasetError
    from lyricsep.scoring import score_song_times

    if song.audio is None:
        raise DatasetError(f"{song.id}: came without its audio; see `lyricsep datasets show`")
    if not any(line.words for line in song.lines):
        raise DatasetError(f"{song.id}: has no word times to compare with; name another dataset")
    began = time.perf_counter()
    lyrics = align(song.audio, song.text, language=song.language)
    seconds = time.perf_counter() - began
    score = score_song_times(song, lyrics.lines).words
    if score is None or not score.n_matched:
        raise DatasetError(f"{song.id}: none of its words was aligned; its lyrics and times must agree")
    return Aligned(song, score, seconds, lyrics.duration)


def _read_peer(path: Path, songs: Sequence[str]) -> Peer:
    """Read the figures of a peer for these songs; others are ignored."""
    from lyricsep.errors import DatasetError

    figures: dict[str, dict[str, Figures]] = defaultdict(dict)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        for row in document["songs"]:
            name = unicodedata.normalize("NFC", row["song"])
            for song in (song for song in songs if unicodedata.normalize("NFC", song).startswith(name)):
                figures[row["hears"]][song] = {
                    **{name: float(row[name]) for name in SECONDS},
                    **{name: float(row[name]) / 100 for name in SHARES},
                }
        return Peer(str(document["what"]), figures)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: expected figures of an aligner as JSON ({error!r}); see --help") from error


def _only(peer: Peer, songs: Sequence[str]) -> Peer:
    """Return the figures of a peer for these songs."""
    kept = {by: {song: of[song] for song in songs if song in of} for by, of in peer.figures.items()}
    return Peer(peer.what, {by: of for by, of in kept.items() if of})


def _mean(figures: Sequence[Figures]) -> dict[str, float]:
    """Return the mean over songs of each figure."""
    return {name: fmean(one[name] for one in figures) for name in figures[0]}


def _mean_of(songs: Collection[object]) -> str:
    return f"mean of {len(songs)} song{'s' * (len(songs) != 1)}"


def _row(name: str, by: str, figures: Figures) -> tuple[str, ...]:
    from lyricsep.tables import decimal, percent

    cells = [decimal(figures[name]) for name in SECONDS] + [percent(figures[name]) for name in SHARES]
    others = [decimal(figures.get(name, math.nan), digits) for name, digits in OTHERS.items()]
    return (name, by, *cells, *others)


def _table(name: str, aligned: Sequence[Aligned], peer: Peer | None) -> Table:
    from lyricsep.scoring import alignment_notes
    from lyricsep.tables import Table

    of_peer = peer.figures if peer else {}
    rows = []
    for one in aligned:
        rows.append(_row(one.song.id, OURS, one.figures()))
        rows += [_row("", by, songs[one.song.id]) for by, songs in of_peer.items() if one.song.id in songs]
    rows.append(_row(_mean_of(aligned), OURS, _mean([one.figures() for one in aligned])))
    rows += [_row(_mean_of(songs), by, _mean(list(songs.values()))) for by, songs in of_peer.items()]
    notes = [f"{OURS}: {note}" for note in alignment_notes({one.song.id: one.score for one in aligned})]
    notes.append("starts of words; AAE, median, seconds taken and audio in seconds, PCO in percent")
    notes += [
        f"{one.song.id}: {one.score.n_matched} of {one.score.n_reference} words were aligned"
        for one in aligned
        if one.score.matched < 1
    ]
    notes += [f"others: {peer.what}"] if of_peer and peer else []
    return Table(f"Alignment: {name}", HEADERS, tuple(rows), 2, tuple(notes))


def _document(name: str, aligned: Sequence[Aligned], failed: Mapping[str, str], peer: Peer | None) -> dict[str, Any]:
    from lyricsep.documents import finite
    from lyricsep.scoring import mean_alignment
    from lyricsep.version import __version__

    def known(figures: Figures) -> dict[str, float | None]:
        return {name: finite(value) for name, value in figures.items()}

    means = mean_alignment([one.score for one in aligned])
    songs = [
        {"song": one.song.id, "language": one.song.language, "words": one.score.n_reference, **known(one.figures())}
        for one in aligned
    ]
    return {
        "dataset": name,
        "lyricsep": __version__,
        "failed": dict(failed),
        "songs": songs,
        "mean": known(_mean([one.figures() for one in aligned])),
        "intervals": {name: [finite(mean.low), finite(mean.high)] for name, mean in means.items()},
        "peer": None
        if peer is None
        else {
            "what": peer.what,
            "songs": {by: {song: known(one) for song, one in songs.items()} for by, songs in peer.figures.items()},
            "mean": {by: known(_mean(list(songs.values()))) for by, songs in peer.figures.items()},
        },
    }


def _option(text: str) -> tuple[str, Any]:
    name, mark, value = text.partition("=")
    if not mark:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("dataset", metavar="DATASET", help="songs with word times: name or folder, as JamendoLyrics")
    add("--peer", type=Path, metavar="FILE", help="figures of another aligner, shown next to ours")
    add(
        "--option", type=_option, action="append", default=[], metavar="NAME=VALUE", help="option of `lyricsep.align`"
    )
    add("--song", action="append", default=[], metavar="NAME", help="only this song; may be repeated")
    add("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> bool:
    """Align, score and print; return whether every song was aligned."""
    import lyricsep
    from lyricsep.datasets import open_dataset
    from lyricsep.errors import LyricsepError

    align = lyricsep.Aligner(**dict(arguments.option)).align
    dataset = open_dataset(arguments.dataset).select(songs=arguments.song)
    peer = _read_peer(arguments.peer, [song.id for song in dataset.songs]) if arguments.peer else None
    aligned, failed = [], {}
    for song in dataset.songs:
        print(f"{song.id}: aligning", file=sys.stderr)
        try:
            aligned.append(_align(song, align))
        except LyricsepError as error:
            failed[song.id] = str(error)
            print(f"failed: {error}", file=sys.stderr)
    if not aligned:
        return False
    peer = peer and _only(peer, [one.song.id for one in aligned])
    if arguments.json:
        print(json.dumps(_document(dataset.name, aligned, failed, peer), ensure_ascii=False, indent=1))
    else:
        print(_table(dataset.name, aligned, peer).text(), end="")
    return not failed


def main() -> None:
    """Align the songs, score them, and print the figures."""
    arguments = _parse()

    from lyricsep.errors import LyricsepError

    try:
        if not _measure(arguments):
            sys.exit(1)
    except LyricsepError as error:
        sys.exit(f"benchmark_alignment: {error}")


if __name__ == "__main__":
    main()
