"""Score many songs: match references and hypotheses by name, and return their scores as a document."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.datasets import Song, is_dataset, open_dataset
from lyricsep.documents import Scores, SongScores, finite
from lyricsep.encodings import decode_text
from lyricsep.errors import DatasetError
from lyricsep.files import is_file, is_folder, read_bytes, shown
from lyricsep.formats import LYRICS_SUFFIXES, find_lyrics, match_names, read_lyrics
from lyricsep.languages import language_code
from lyricsep.scoring.certainty import bootstrap
from lyricsep.scoring.counts import FIELDS, RATES, Counts, counts_from_dict, known_rates, pool, rates
from lyricsep.scoring.timing import TimingCounts, time_lines
from lyricsep.scoring.words import score
from lyricsep.tables import Table, percent, with_interval

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class SongScore:
    """The score of one song.

    Parameters
    ----------
    song : Song
        With its reference.
    counts : Counts
        Its counts.
    timing : TimingCounts or None
        Its timing errors, if both reference and hypothesis have line times.
    """

    song: Song
    counts: Counts
    timing: TimingCounts | None


@dataclass(frozen=True)
class ScoredRun:
    """The scores of several songs.

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
        counts = [scored.counts for scored in self.songs]
        pooled = pool(counts)
        return Scores(
            normalise=self.normalise,
            missing=tuple(self.missing),
            songs=tuple(
                SongScores(
                    song=scored.song.id,
                    language=scored.song.language,
                    genre=scored.song.genre,
                    rates=known_rates(scored.counts),
                    counts=scored.counts.as_fields(),
                    timing=asdict(scored.timing) if scored.timing else None,
                )
                for scored in self.songs
            ),
            counts=pooled.as_fields(),
            rates=known_rates(pooled),
            intervals={
                name: (finite(interval.low), finite(interval.high))
                for name, interval in bootstrap(counts).items()
                if not math.isnan(interval.low)
            },
        )

    def as_document(self) -> dict[str, Any]:
        """Return the scores as the dicts and lists of their JSON."""
        return self.scores().as_dict()

    def to_dataframe(self) -> DataFrame:
        """Return a table with one row per scored song.

        Returns
        -------
        pandas.DataFrame
            ``song``, ``dataset``, ``language``, ``genre`` : str; the genre is missing where it is not known.
            A column of integers for each count of `FIELDS`, then a column of floats for each rate of `RATES`: shares
            (0.25, not 25 %), NaN where there is nothing to divide by.

        Notes
        -----
        The rates of all songs together are not the mean of this table's rates: add the counts up (`pool`) and derive
        the rates from the sums (`rates`).
        """
        import pandas as pd

        columns = ["song", "dataset", "language", "genre", *FIELDS, *RATES]
        rows = [
            {
                "song": scored.song.id,
                "dataset": scored.song.dataset,
                "language": scored.song.language,
                "genre": scored.song.genre,
                **scored.counts.as_fields(),
                **rates(scored.counts),
            }
            for scored in self.songs
        ]
        types = {**dict.fromkeys(FIELDS, "int64"), **dict.fromkeys(RATES, "float64")}
        return pd.DataFrame(rows, columns=columns).astype(types)

    def _repr_html_(self) -> str:
        rows = [(scored.song.id, scored.song.language, *_summary(scored.counts)) for scored in self.songs]
        notes = [f"{len(self.missing)} songs without a hypothesis: {', '.join(self.missing)}"] if self.missing else []
        if self.songs:
            counts = [scored.counts for scored in self.songs]
            wer = bootstrap(counts)["WER"]
            _, *words = _summary(pool(counts))
            total = ", ".join(f"{name} {number}" for name, number in zip(_SUMMARY[1:], words, strict=True))
            interval = ", 95 % over songs" if len(counts) > 1 else ""
            notes.insert(
                0, f"all: WER {with_interval(wer.value, wer.low, wer.high)}{interval}; {total}; rates in percent"
            )
        title, headers = f"Scores of {len(self.songs)} songs", ("song", "language", *_SUMMARY)
        return Table(title, headers, tuple(rows), 2, tuple(notes)).html()


_SUMMARY = ("WER", "words", "S", "D", "I")


def _summary(counts: Counts) -> tuple[str, ...]:
    words = counts.words
    numbers = (words.n_reference, words.substitutions, words.deletions, words.insertions)
    return (percent(rates(counts)["WER"]), *map(str, numbers))


def find_references(name: str, language: str | None = None, suffixes: Sequence[str] = LYRICS_SUFFIXES) -> list[Song]:
    """Return the reference songs of a dataset (name or folder), a folder of lyrics files, or one lyrics file.

    Parameters
    ----------
    name : str
        Name or path.
    language : str, optional
        Language of songs for which the reference has none.
    suffixes : sequence of str
        Suffixes of the files in a folder; of several files of a song, the one whose suffix comes first.

    Raises
    ------
    DatasetError, ConfigError
        If there are no references, or they cannot be read.
    """
    language = None if language is None else language_code(language)
    path = Path(name)
    if is_file(path):
        return [_song_of(path, path.stem, language)]
    found = find_lyrics(path, suffixes) if is_folder(path) and not is_dataset(path) else {}
    if found:
        return [_song_of(file, song, language) for song, file in found.items()]
    return list(open_dataset(name, language=language).songs)


def find_hypotheses(path: Path, songs: Sequence[Song], suffixes: Sequence[str] = LYRICS_SUFFIXES) -> dict[str, Path]:
    """Return the hypothesis of each song: one file, or the files in a folder that are named after the songs.

    Parameters
    ----------
    path : Path
        File or folder.
    songs : sequence of Song
        The references.
    suffixes : sequence of str
        As in `find_references`.

    Returns
    -------
    dict of str to Path
        Paths by song; songs without a hypothesis are missing.

    Raises
    ------
    DatasetError
        If there is no such file or folder, it has no file for any song, or one file is given for several songs.
    """
    if is_file(path):
        if len(songs) != 1:
            raise DatasetError(f"{shown(path)}: one file for {len(songs)} references; name a folder of lyrics")
        return {songs[0].id: path}
    if not is_folder(path):
        raise DatasetError(f"{shown(path)}: no such file or folder; check the name")
    files = find_lyrics(path, suffixes)
    hypotheses = match_names((song.id for song in songs), files, anywhere=True)
    if not hypotheses:
        raise DatasetError(
            f"{shown(path)}: none of its {len(files)} lyrics files is named after a reference, such as "
            f"{shown(Path(songs[0].id))}.txt"
        )
    return hypotheses


def score_songs(songs: Iterable[Song], hypotheses: Mapping[str, Path], *, normalise: bool = False) -> ScoredRun:
    """Score the songs that have a hypothesis; the others are listed in `ScoredRun.missing`.

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
        hypothesis = read_lyrics(hypotheses[song.id])
        counts = score(song.text, hypothesis.text, song.language, normalise=normalise).counts
        has_times = song.lines and hypothesis.lines
        timing = time_lines(song.lines, hypothesis.lines, song.language) if has_times else None
        scored.append(SongScore(song, counts, timing))
    return ScoredRun(tuple(scored), tuple(missing), normalise)


def read_runs(path: Path) -> dict[str, dict[str, Counts]]:
    """Read the counts of runs: JSON of `lyricsep score`, or the folder of a benchmark.

    Returns
    -------
    dict of str to dict of str to Counts
        By condition, such as ``mixture, native`` (a document has one, named after its file), then by song. The counts
        of a song are summed over seeds; a song that failed with any seed is excluded.

    Raises
    ------
    DatasetError
        If it is neither, or malformed.
    """
    try:
        if is_folder(path):
            return _runs_of_benchmark(path / "songs.csv")
        scores = Scores.from_json(decode_text(read_bytes(path), shown(path)), name=shown(path))
        return {path.stem: {scored.song: counts_from_dict(scored.counts) for scored in scores.songs}}
    except OSError as error:
        raise DatasetError(
            f"{shown(path)}: no scores to read ({error.strerror or error}); "
            "name JSON of `lyricsep score` or a folder of `lyricsep benchmark`"
        ) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(
            f"{shown(path)}: expected a folder of `lyricsep benchmark` or JSON of `lyricsep score` ({error})"
        ) from error


def _runs_of_benchmark(table: Path) -> dict[str, dict[str, Counts]]:
    runs: dict[str, dict[str, Counts]] = defaultdict(dict)
    failed = set()
    with table.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if None in row or None in row.values():
                raise ValueError(f"row {number} has more or fewer cells than the first row")
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
    transcript = read_lyrics(path)
    song_language = transcript.language or language
    if song_language is None:
        raise DatasetError(
            f"{shown(path)}: its language is not known, and word splitting depends on it",
            hint="set it, for example {language=en}",
        )
    code = language_code(song_language)
    return Song(id=name, dataset=path.parent.name, language=code, text=transcript.text, lines=transcript.lines)
