"""Scoring many songs: references and hypotheses found by name, and the scores as a document.

The document is `lyricsep.documents.Scores`.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lyricsep.datasets import Song, is_dataset, open_dataset
from lyricsep.documents import Scores, SongScores, finite
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats import Transcript, find_lyrics, read_lyrics
from lyricsep.scoring.certainty import bootstrap
from lyricsep.scoring.counts import Counts, counts_from_dict, pool, rates
from lyricsep.scoring.timing import TimingCounts, time_lines
from lyricsep.scoring.words import score
from lyricsep.tables import Table, percent, with_interval

__all__ = ["Run", "SongScore", "find_hypotheses", "find_references", "read_runs", "score_songs"]


@dataclass(frozen=True)
class SongScore:
    """One song of a run.

    Parameters
    ----------
    song : Song
        With its reference.
    counts : Counts
        What was counted.
    timing : TimingCounts or None
        Where both sides have times of lines.
    """

    song: Song
    counts: Counts
    timing: TimingCounts | None


@dataclass(frozen=True)
class Run:
    """Songs that were scored together.

    Parameters
    ----------
    songs : tuple of SongScore
        In the order of the references.
    missing : tuple of str
        Songs without a hypothesis.
    normalise : bool
        As in `score`.
    """

    songs: tuple[SongScore, ...]
    missing: tuple[str, ...] = ()
    normalise: bool = False

    def scores(self) -> Scores:
        """Return the scores as a document."""
        counts = [one.counts for one in self.songs]
        pooled = pool(counts)
        return Scores(
            normalise=self.normalise,
            missing=tuple(self.missing),
            songs=tuple(
                SongScores(
                    song=one.song.id,
                    language=one.song.language,
                    genre=one.song.genre,
                    rates=_finite_rates(one.counts),
                    counts=one.counts.as_fields(),
                    timing=asdict(one.timing) if one.timing else None,
                )
                for one in self.songs
            ),
            counts=pooled.as_fields(),
            rates=_finite_rates(pooled),
            intervals={
                name: (finite(interval.low), finite(interval.high))
                for name, interval in bootstrap(counts).items()
                if not math.isnan(interval.low)
            },
        )

    def as_document(self) -> dict[str, Any]:
        """Return the scores as the dicts and lists of their JSON."""
        return self.scores().as_dict()

    def _repr_html_(self) -> str:
        rows = [(one.song.id, one.song.language, *_summary(one.counts)) for one in self.songs]
        notes = [f"{len(self.missing)} songs without a hypothesis: {', '.join(self.missing)}"] if self.missing else []
        if self.songs:
            counts = [one.counts for one in self.songs]
            wer = bootstrap(counts)["WER"]
            _, *words = _summary(pool(counts))
            total = ", ".join(f"{name} {number}" for name, number in zip(_SUMMARY[1:], words, strict=True))
            told = ", 95 % over songs" if len(counts) > 1 else ""
            notes.insert(
                0, f"all: WER {with_interval(wer.value, wer.low, wer.high)}{told}; {total}; rates in percent"
            )
        title, headers = f"Scores of {len(self.songs)} songs", ("song", "language", *_SUMMARY)
        return Table(title, headers, tuple(rows), 2, tuple(notes)).html()


_SUMMARY = ("WER", "words", "S", "D", "I")


def _summary(counts: Counts) -> tuple[str, ...]:
    words = counts.words
    numbers = (words.n_reference, words.substitutions, words.deletions, words.insertions)
    return (percent(rates(counts)["WER"]), *map(str, numbers))


def find_references(name: str, language: str | None = None) -> list[Song]:
    """Find the references: a dataset by name or folder, a folder of lyrics, or one file of lyrics.

    Parameters
    ----------
    name : str
        As the user named it.
    language : str, optional
        Of those for which nothing else tells it.

    Raises
    ------
    DatasetError, ConfigError
        If there are none, or they cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return [_song_of(path, path.stem, language)]
    found = find_lyrics(path) if path.is_dir() and not is_dataset(path) else {}
    if found:
        return [_song_of(file, song, language) for song, file in found.items()]
    return list(open_dataset(name, language=language).songs)


def find_hypotheses(path: Path, songs: Sequence[Song]) -> dict[str, Path]:
    """Find the lyrics that were heard in songs: a file, or a folder of files named by the songs.

    Returns
    -------
    dict of str to Path
        By song; those without a hypothesis are missing.

    Raises
    ------
    DatasetError
        If there is no such file or folder, nothing in it belongs to the songs, or one file is given for several.
    """
    if path.is_file():
        if len(songs) != 1:
            raise DatasetError(f"{shown(path)}: one file, but {len(songs)} references; name a folder of hypotheses")
        return {songs[0].id: path}
    if not path.is_dir():
        raise DatasetError(f"{shown(path)}: no such file or folder")
    files = find_lyrics(path)
    by_name = {Path(name).name: file for name, file in files.items()}
    # Folders of the songs may be kept or not; a whole path wins.
    found = {song.id: files.get(song.id) or by_name.get(Path(song.id).name) for song in songs}
    hypotheses = {song: file for song, file in found.items() if file is not None}
    if not hypotheses:
        raise DatasetError(
            f"{shown(path)}: none of its {len(files)} files of lyrics is named as a reference, such as "
            f"{shown(Path(songs[0].id))}.txt"
        )
    return hypotheses


def score_songs(songs: Iterable[Song], hypotheses: Mapping[str, Path], *, normalise: bool = False) -> Run:
    """Score songs that have a hypothesis, and name the others.

    Raises
    ------
    DatasetError
        If a hypothesis cannot be read.
    """
    scored, missing = [], []
    for song in songs:
        if song.id not in hypotheses:
            missing.append(song.id)
            continue
        heard = read_lyrics(hypotheses[song.id])
        found = score(song.text, heard.text, song.language, normalise=normalise)
        timing = time_lines(song.lines, heard.lines, song.language) if song.lines and heard.lines else None
        scored.append(SongScore(song, found.counts, timing))
    return Run(tuple(scored), tuple(missing), normalise)


def read_runs(path: Path) -> dict[str, dict[str, Counts]]:
    """Read the counts of runs: the JSON of `lyricsep score`, or the folder of a benchmark.

    Returns
    -------
    dict of str to dict of str to Counts
        By condition, such as ``mixture, native`` (a document has one, called by its file), then by song. The seeds
        of a song are added up; a song that failed with any of them is left out.

    Raises
    ------
    DatasetError
        If it is neither, or broken.
    """
    try:
        if path.is_dir():
            return _runs_of_benchmark(path / "songs.csv")
        scores = Scores.from_json(path.read_text(encoding="utf-8"), name=shown(path))
        return {path.stem: {one.song: counts_from_dict(one.counts) for one in scores.songs}}
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{shown(path)}: expected the folder of `lyricsep benchmark` or the JSON of `lyricsep score` ({error})"
        ) from error


def _runs_of_benchmark(table: Path) -> dict[str, dict[str, Counts]]:
    runs: dict[str, dict[str, Counts]] = defaultdict(dict)
    failed = set()
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            condition, song = f"{row['audio']}, {row['segmentation']}", f"{row['dataset']}/{row['song']}"
            if row["error"]:
                failed.add((condition, song))
                continue
            counts = counts_from_dict({name: int(value) for name, value in row.items() if value.isdecimal()})
            runs[condition][song] = runs[condition].get(song, Counts()) + counts
    return {
        condition: {song: counts for song, counts in songs.items() if (condition, song) not in failed}
        for condition, songs in runs.items()
    }


def _song_of(path: Path, name: str, language: str | None) -> Song:
    found: Transcript = read_lyrics(path)
    spoken = found.language or language
    if spoken is None:
        raise DatasetError(
            f"{shown(path)}: nothing says its language, which the words are split by; add --language en"
        )
    return Song(id=name, dataset=path.parent.name, language=spoken, text=found.text, lines=found.lines)


def _finite_rates(counts: Counts) -> dict[str, float | None]:
    return {name: finite(value) for name, value in rates(counts).items()}
