"""`lyricsep score` and `lyricsep compare`: score lyrics, and compare two runs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.options import JsonOption, SongOption
from lyricsep.cli.settings import find_names
from lyricsep.documents import finite
from lyricsep.errors import ConfigError, DatasetError
from lyricsep.files import is_folder, is_there, shown

if TYPE_CHECKING:
    from lyricsep.datasets import Song
    from lyricsep.scoring import AlignedRun, AlignmentScore, Comparison, Counts, ScoredRun, SongScore
    from lyricsep.tables import Table

RATE_COLUMNS = ("SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_case", "CER", "F1_punc", "F1_line", "F1_sect")
COMPARED = ("WER", "SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_case", "CER", "F1_line")


def score(
    reference: Annotated[
        str,
        typer.Argument(metavar="REF", help="Reference lyrics: a file, a folder, or a dataset.", show_default=False),
    ],
    hypothesis: Annotated[
        Path,
        typer.Argument(
            metavar="HYP",
            help="Transcribed or aligned lyrics: a file, or a folder (txt, lrc, srt, vtt, json, ...).",
            show_default=False,
        ),
    ],
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language",
            "-l",
            help="Only songs in this language (en, fr, ...); repeatable. The first is also the language of "
            "references that do not state it.",
            show_default="all; for references without a language, that of HYP",
        ),
    ] = None,
    song: SongOption = None,
    times: Annotated[
        bool,
        typer.Option(
            "--times",
            help="Score the times at which words start instead, or those of lines where either side has no word "
            "times. If the texts differ, only words that match are scored.",
        ),
    ] = False,
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise",
            help="Normalise both texts first, as in the paper: capitalise lines, and remove the punctuation at their "
            "end except !?'\".",
        ),
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="SONG",
            help="Also show the word alignment of this song, by its name or a part of it.",
            show_default="none",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score lyrics against reference lyrics.

    Prints the word error rate and the detailed error rates of alt-eval and arXiv 2506.15514, with confidence
    intervals over songs. With --times, prints the errors of start times as JamendoLyrics and MIREX define them. The
    exit code is 1 if any song has no hypothesis.
    """
    show_logs(verbose=False)
    if times:
        if show is not None or normalise:
            raise ConfigError(f"--times: cannot be combined with {'--normalise' if normalise else '--show'}")
        _score_times(reference, hypothesis, language or (), song or (), as_json=as_json)
        return
    from lyricsep.formats import LYRICS_SUFFIXES, read_lyrics
    from lyricsep.scoring import find_hypotheses, score_songs
    from lyricsep.scoring import score as score_text

    songs = _references(reference, hypothesis, language or (), song or (), LYRICS_SUFFIXES)
    hypotheses = find_hypotheses(hypothesis, songs)
    run = score_songs(songs, hypotheses, normalise=normalise)
    shown_song = None
    if show is not None:
        (name,) = find_names([show], [one.song.id for one in run.songs], "--show")
        shown_song = next(one.song for one in run.songs if one.song.id == name)
    if as_json:
        typer.echo(json.dumps(run.as_document(), ensure_ascii=False, indent=1))
    else:
        for table in _score_tables(run):
            typer.echo(table.text())
    if shown_song is not None and not as_json:
        from lyricsep.reports.alignment import render_alignment

        text, code = shown_song.text, shown_song.language
        # Alignments of all songs would fill the memory; only this one is computed again.
        heard = read_lyrics(hypotheses[shown_song.id]).text
        edits = score_text(text, heard, code, normalise=normalise).edits
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        typer.echo(render_alignment(text, edits, code, colour=colour))
    for name in run.missing:
        say(f"failed: {name}: no hypothesis in {shown(hypothesis)}; it is not scored")
    if run.missing:
        raise typer.Exit(1)


def _references(
    reference: str, hypothesis: Path, languages: Sequence[str], names: Sequence[str], suffixes: Sequence[str]
) -> list[Song]:
    """Return the references that pass the filters; one that states no language has that of the hypotheses."""
    from lyricsep.languages import language_code
    from lyricsep.scoring import find_references

    try:
        songs = find_references(reference, languages[0] if languages else None, suffixes)
    except DatasetError as error:
        code = _language_of(hypothesis) if "{language" in error.hint else None
        if code is None:
            raise
        say(f"language: {code}, as {shown(hypothesis)} states it")
        songs = find_references(reference, code, suffixes)
    codes = {language_code(language) for language in languages}
    chosen = set(find_names(names, [song.id for song in songs], "--song"))
    kept = [song for song in songs if (not codes or song.language in codes) and (not chosen or song.id in chosen)]
    if not kept:
        raise DatasetError(
            f"{shown(Path(reference))}: none of its {len(songs)} songs passes the filters",
            hint="change {language} or {song}",
        )
    return kept


def _language_of(hypothesis: Path) -> str | None:
    """Return the language that all lyrics of a file or folder state; None where they do not."""
    from lyricsep.formats import find_lyrics, read_lyrics

    files = find_lyrics(hypothesis).values() if is_folder(hypothesis) else [hypothesis]
    try:
        stated = {read_lyrics(file).language for file in files}
    except DatasetError:
        return None
    return stated.pop() if len(stated) == 1 else None


def _score_times(
    reference: str, hypothesis: Path, languages: Sequence[str], names: Sequence[str], *, as_json: bool
) -> None:
    from lyricsep.scoring import TIMES_SUFFIXES, find_hypotheses, score_times

    songs = _references(reference, hypothesis, languages, names, TIMES_SUFFIXES)
    run = score_times(songs, find_hypotheses(hypothesis, songs, TIMES_SUFFIXES))
    if as_json:
        typer.echo(json.dumps(run.scores().as_dict(), ensure_ascii=False, indent=1))
    else:
        for table in _time_tables(run):
            typer.echo(table.text())
    for name in run.missing:
        say(f"failed: {name}: no hypothesis in {shown(hypothesis)}; it is not scored")
    for name in run.untimed:
        say(f"failed: {name}: no times in the reference or in {shown(hypothesis)}; it is not scored")
    if run.missing or run.untimed:
        raise typer.Exit(1)


def _time_tables(run: AlignedRun) -> list[Table]:
    """Return a table of words, and one of lines of the songs that have no word times."""
    words, lines = run.scores_of("words"), run.scores_of("lines")
    lines = {song: score for song, score in lines.items() if song not in words}
    languages = {one.song.id: one.song.language for one in run.songs}
    return [_time_table(level, scores, languages) for level, scores in (("words", words), ("lines", lines)) if scores]


def _time_table(level: str, scores: Mapping[str, AlignmentScore], languages: Mapping[str, str]) -> Table:
    from lyricsep.scoring import alignment_notes, mean_alignment
    from lyricsep.tables import Table

    rows = [
        (song, languages[song], str(score.n_reference), *_time_row(score.figures())) for song, score in scores.items()
    ]
    if len(scores) > 1:
        means = {name: mean.value for name, mean in mean_alignment(list(scores.values())).items()}
        total = sum(score.n_reference for score in scores.values())
        rows.append((f"mean of {len(scores)} songs", "", str(total), *_time_row(means)))
    headers = ("song", "language", level, "matched", "AAE", "median", "PCO@0.3", "PCO@0.1", "perceptual")
    units = f"starts of {level}; AAE and median in seconds, matched and PCO in percent"
    return Table("Times", headers, tuple(rows), 2, (*alignment_notes(scores), units))


def _time_row(figures: Mapping[str, float]) -> tuple[str, ...]:
    from lyricsep.tables import decimal, percent

    shares = {"matched", "PCO_03", "PCO_01"}
    names = ("matched", "AAE", "median", "PCO_03", "PCO_01", "perceptual")
    return tuple((percent if name in shares else decimal)(figures[name]) for name in names)


def _score_tables(run: ScoredRun) -> list[Table]:
    from lyricsep.scoring import bootstrap, pool, rates
    from lyricsep.tables import Table, percent, with_interval

    counts = [one.counts for one in run.songs]
    rows = []
    if len(run.songs) > 1:
        rows = [(one.song.id, one.song.language, *_row(one.counts)) for one in run.songs]
    for language in sorted({one.song.language for one in run.songs}):
        own = [one.counts for one in run.songs if one.song.language == language]
        if 1 < len(own) < len(counts):
            rows.append((f"{len(own)} songs", language, *_row(pool(own))))
    interval = bootstrap(counts)["WER"]
    total = pool(counts)
    name = run.songs[0].song.id if len(counts) == 1 else f"all {len(counts)} songs"
    language = run.songs[0].song.language if len(counts) == 1 else ""
    rows.append((name, language, *_row(total)))
    note = f"WER {with_interval(interval.value, interval.low, interval.high)}"
    notes = [note + (", 95 % over songs" if not math.isnan(interval.low) else "")]
    notes.append(f"rates in percent; lyrics {'' if run.normalise else 'not '}normalised")
    notes += _timing_notes(run.songs)
    found = [Table("Words", ("song", "language", "words", "WER", "S", "D", "I"), tuple(rows), 2, tuple(notes))]
    finer = tuple(percent(rates(total)[name]) for name in RATE_COLUMNS)
    return [*found, Table("Finer errors", RATE_COLUMNS, (finer,), 0)]


def _timing_notes(songs: Sequence[SongScore]) -> list[str]:
    from lyricsep.scoring import TimingCounts
    from lyricsep.tables import percent

    timed = [one.timing for one in songs if one.timing]
    if not timed:
        return []
    timing = sum(timed, TimingCounts())
    return [
        f"lines start {timing.start_error:.2f} s off on average, {percent(timing.start_within)} % within 0.3 s "
        f"({timing.n_matched} of {timing.n_lines} lines matched)"
    ]


def _row(counts: Counts) -> tuple[str, ...]:
    from lyricsep.scoring import rates
    from lyricsep.tables import percent

    words = counts.words
    numbers = (words.substitutions, words.deletions, words.insertions)
    return (str(words.n_reference), percent(rates(counts)["WER"]), *map(str, numbers))


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A file of `lyricsep score --json`, or a folder of `lyricsep benchmark`; 'FOLDER#mixture, native' "
            "selects one condition.",
            show_default=False,
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Same as A, for the same songs.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Compare two runs on the same songs: differences are B - A.

    Prints the difference of each rate with a paired bootstrap interval over songs and the p-value of a paired
    permutation test, the songs that changed most, and by which kind of error. Two folders are compared condition by
    condition.
    """
    show_logs(verbose=False)
    from lyricsep.formats import match_names
    from lyricsep.scoring import compare as compare_songs

    documents = []
    for name, a, b in _pairs(_runs(first), _runs(second)):
        named = match_names(a, b)
        common = sorted(named)
        if not common:
            raise DatasetError(f"{name}: the runs have no song in common; score both on the same dataset")
        left_out = len(a) + len(b) - 2 * len(common)
        if left_out:
            say(f"{name}: {left_out} songs are in only one of the runs and are ignored")
        a, b = {song: a[song] for song in common}, {song: named[song] for song in common}
        differences = compare_songs(a, b)
        if as_json:
            documents.append(
                {
                    "name": shown(Path(name)),
                    "songs": len(common),
                    "rates": {
                        rate: {
                            "first": finite(d.first),
                            "second": finite(d.second),
                            "difference": finite(d.difference.value),
                            "interval": [finite(d.difference.low), finite(d.difference.high)],
                            "p": finite(d.p),
                        }
                        for rate, d in differences.items()
                    },
                }
            )
            continue
        for table in _comparison(name, a, b, differences):
            typer.echo(table.text())
    if as_json:
        typer.echo(json.dumps(documents, ensure_ascii=False, indent=1))


def _runs(name: str) -> dict[str, Mapping[str, Counts]]:
    from lyricsep.scoring import read_runs

    path, mark, condition = name.rpartition("#")
    if not mark or is_there(Path(name)):
        path, condition = name, ""
    if is_folder(Path(path)) and not _is_benchmark(Path(path)):
        raise ConfigError(
            f"{shown(Path(path))}: is a folder, but not of `lyricsep benchmark`; score its lyrics first "
            "(`lyricsep score REF DIR --json > FILE`) and name the file"
        )
    runs = read_runs(Path(path))
    if not condition:
        return dict(runs)
    if condition not in runs:
        raise ConfigError(f"{shown(Path(path))}: no condition {condition!r}; expected one of {'; '.join(runs)}")
    return {condition: runs[condition]}


def _is_benchmark(folder: Path) -> bool:
    try:
        with (folder / "songs.csv").open(encoding="utf-8", errors="replace") as file:
            return "segmentation" in file.readline().split(",")  # unlike the table of a batch
    except OSError:
        return False


def _pairs(
    first: Mapping[str, Mapping[str, Counts]], second: Mapping[str, Mapping[str, Counts]]
) -> list[tuple[str, Mapping[str, Counts], Mapping[str, Counts]]]:
    if len(first) == len(second) == 1:
        (a,), (b,) = first, second
        return [(a if a == b else f"{a} → {b}", first[a], second[b])]
    common = [name for name in first if name in second]
    if not common:
        raise ConfigError("the runs have no condition in common; select one of each, such as 'out#mixture, native'")
    return [(name, first[name], second[name]) for name in common]


def _comparison(name: str, a: Mapping[str, Counts], b: Mapping[str, Counts], differences: Comparison) -> list[Table]:
    from lyricsep.scoring import most_changed, rates
    from lyricsep.tables import Table, percent, with_interval

    rows = [
        (
            rate,
            percent(d.first),
            percent(d.second),
            with_interval(d.difference.value, d.difference.low, d.difference.high),
            "–" if math.isnan(d.p) else f"{d.p:.4f}",
        )
        for rate, d in differences.items()
        if rate in COMPARED
    ]
    notes = (
        f"{len(a)} song{'s' * (len(a) > 1)}; percent; paired over songs: bootstrap interval, permutation p",
        "differences are B - A: below 0, B has fewer errors",
        _kinds_note(a, b),
    )
    found = [Table(name, ("rate", "A", "B", "B - A [95 %]", "p"), tuple(rows), 1, notes)]
    songs = [
        (song, *(percent(rates(run[song])["WER"]) for run in (a, b)), *(f"{step:+d}" for step in steps))
        for song, steps in most_changed(a, b)
    ]
    if songs:
        found.append(Table("Songs that changed most", ("song", "WER A", "WER B", "S", "D", "I"), tuple(songs), 1))
    return found


def _kinds_note(a: Mapping[str, Counts], b: Mapping[str, Counts]) -> str:
    from lyricsep.scoring import pool

    of_a, of_b = pool(a.values()).as_fields(), pool(b.values()).as_fields()
    kinds = ("substitutions", "deletions", "insertions", "nonlexical_deletions", "backing_deletions", "case_errors")
    return "change in errors: " + ", ".join(
        f"{kind.replace('_', ' ')} {of_b[kind] - of_a[kind]:+d}" for kind in kinds
    )
