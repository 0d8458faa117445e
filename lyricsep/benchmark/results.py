"""Results of a benchmark: scores by song, summaries with confidence intervals, and the files of a report."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.benchmark.running import Hypothesis, passages_of
from lyricsep.errors import ConfigError
from lyricsep.files import replacing, write_text
from lyricsep.formats import write_lyrics
from lyricsep.scoring import (
    FIELDS,
    ActivityCounts,
    Counts,
    Edit,
    TimingCounts,
    bootstrap,
    compare,
    pool,
    rates,
    score,
    spread_over_seeds,
    time_lines,
)
from lyricsep.tables import Table, percent, with_interval

if TYPE_CHECKING:
    from lyricsep.benchmark.grid import Condition, Grid
    from lyricsep.reports.plots import Estimate

__all__ = ["ScoredSong", "score_hypothesis", "summarise", "tables", "write_report"]


@dataclass(frozen=True)
class ScoredSong:
    """A hypothesis, without its texts, and what was counted in it.

    Failures have no counts, and only timed lyrics have times.
    """

    hypothesis: Hypothesis
    counts: Counts | None
    timing: TimingCounts | None = None


def score_hypothesis(hypothesis: Hypothesis, grid: Grid) -> tuple[ScoredSong, list[Edit]]:
    """Return the summed counts of a song, or of its passages each against its own text, and the alignments."""
    if hypothesis.error:
        return ScoredSong(hypothesis, None), []
    unit = hypothesis.unit
    passages = passages_of(unit.song, unit.condition, hypothesis.duration)
    references = [unit.song.text] if passages is None else [passage.text for passage in passages]
    scores = [
        score(reference, text, unit.song.language, normalise=grid.normalise)
        for reference, text in zip(references, hypothesis.texts, strict=True)
    ]
    timing = None
    if hypothesis.lyrics and unit.song.lines:
        timing = time_lines(unit.song.lines, hypothesis.lyrics.lines, unit.song.language)
    counts = pool(found.counts for found in scores)
    return (
        ScoredSong(replace(hypothesis, texts=(), lyrics=None), counts, timing),
        [edit for found in scores for edit in found.edits],
    )


def summarise(scored: Sequence[ScoredSong], grid: Grid) -> list[dict[str, Any]]:
    """Pool the songs of every dataset and condition, whole and by language and genre.

    Returns
    -------
    list of dict
        For JSON. Each holds ``dataset``, ``audio``, ``segmentation``, ``group`` (``all``, ``language fr``, ...), the
        number of songs, of failures and of seeds, counts, rates, intervals over songs, the spread over seeds, and
        the paired difference from the first condition of the dataset.
    """
    summaries = []
    datasets = dict.fromkeys(one.hypothesis.unit.song.dataset for one in scored)
    for dataset in datasets:
        first: dict[str, dict[str, Counts]] = {}
        for condition in grid.conditions:
            own = [one for one in scored if _is_of(one, dataset, condition)]
            for group, members in _groups(own).items():
                summary = _summary(members)
                by_song = _by_song(members)
                base = first.setdefault(group, by_song)
                if base is not by_song and set(base) == set(by_song) and by_song:
                    difference = compare(base, by_song)
                    summary["from_first"] = {
                        name: [_finite(v) for v in (d.difference.value, d.difference.low, d.difference.high, d.p)]
                        for name, d in difference.items()
                        if name in grid.columns
                    }
                named = {"dataset": dataset, "audio": condition.audio, "segmentation": condition.segmentation}
                summaries.append(named | {"group": group} | summary)
    return summaries


def _summary(members: Sequence[ScoredSong]) -> dict[str, Any]:
    by_song = _by_song(members)
    seeds = sorted({one.hypothesis.unit.seed for one in members})
    pooled = pool(by_song.values())
    summary: dict[str, Any] = {
        "n_songs": len(by_song),
        "n_failed": len({one.hypothesis.unit.song.id for one in members if one.counts is None}),
        "n_seeds": len(seeds),
        "counts": pooled.as_fields(),
        "rates": {name: _finite(value) for name, value in rates(pooled).items()},
    }
    activity = [one.hypothesis.activity for one in members if one.hypothesis.activity]
    if activity:
        summary["activity"] = _derived(sum(activity, ActivityCounts()), _ACTIVITY)
    timing = [one.timing for one in members if one.timing]
    if timing:
        summary["timing"] = _derived(sum(timing, TimingCounts()), _TIMING)
    if by_song:
        intervals = bootstrap(list(by_song.values()))
        by_seed = [
            [one.counts for one in members if one.counts and one.hypothesis.unit.seed == seed] for seed in seeds
        ]
        spread = spread_over_seeds(by_seed)
        summary["intervals"] = {name: [_finite(i.low), _finite(i.high)] for name, i in intervals.items()}
        summary["seeds"] = {
            "mean": _finite(spread.mean),
            "std": _finite(spread.std),
            "low": _finite(spread.low),
            "high": _finite(spread.high),
        }
    return summary


_ACTIVITY = ("precision", "recall", "f1", "missed", "silence_decoded", "auc")
_TIMING = ("start_error", "start_within", "end_error", "coverage")


def _derived(counts: ActivityCounts | TimingCounts, names: Sequence[str]) -> dict[str, float | None]:
    """Return summed counts and the rates derived from them."""
    return asdict(counts) | {name: _finite(getattr(counts, name)) for name in names}


def _by_song(members: Iterable[ScoredSong]) -> dict[str, Counts]:
    """Return the counts of each song, summed over seeds; a song with a failed seed is left out."""
    found: dict[str, Counts] = {}
    failed = set()
    for one in members:
        song = one.hypothesis.unit.song.id
        if one.counts is None:
            failed.add(song)
        else:
            found[song] = found.get(song, Counts()) + one.counts
    return {song: counts for song, counts in found.items() if song not in failed}


def _groups(own: Sequence[ScoredSong]) -> dict[str, list[ScoredSong]]:
    groups: dict[str, list[ScoredSong]] = defaultdict(list)
    for one in own:
        song = one.hypothesis.unit.song
        groups["all"].append(one)
        groups[f"language {song.language}"].append(one)
        if song.genre:
            groups[f"genre {song.genre}"].append(one)
    return groups


def _is_of(one: ScoredSong, dataset: str, condition: Condition) -> bool:
    return one.hypothesis.unit.song.dataset == dataset and one.hypothesis.unit.condition == condition


def tables(summaries: Sequence[Mapping[str, Any]], grid: Grid) -> list[Table]:
    """Return the tables of each dataset: rates next to published ones, differences, and groups."""
    found = []
    for dataset in dict.fromkeys(summary["dataset"] for summary in summaries):
        own = [summary for summary in summaries if summary["dataset"] == dataset]
        found.append(_main_table(dataset, [s for s in own if s["group"] == "all"], grid))
        found.append(_difference_table(dataset, [s for s in own if s["group"] == "all"], grid))
        timed = [s for s in own if s["group"] == "all" and "activity" in s and "timing" in s]
        if timed:
            found.append(_timing_table(dataset, timed))
        for kind in ("language", "genre"):
            of_kind = [s for s in own if s["group"].startswith(kind)]
            if len({s["group"] for s in of_kind}) > 1:
                found.append(_group_table(dataset, kind, of_kind))
    return found


def _main_table(dataset: str, own: Sequence[Mapping[str, Any]], grid: Grid) -> Table:
    n_seeds = max((summary["n_seeds"] for summary in own), default=1)
    headers = ["audio", "segmentation", "songs", "WER [95 % over songs]"]
    headers += ["± seeds"] if n_seeds > 1 else []
    headers += [name for name in grid.columns if name != "WER"]
    rows = []
    for condition in grid.conditions:
        labels = (condition.audio, condition.segmentation)
        summary = next((s for s in own if (s["audio"], s["segmentation"]) == labels), None)
        if summary:
            rows.append((*labels, *_cells(summary, grid, with_seeds=n_seeds > 1)))
        for row in grid.published:
            if (row.dataset, row.audio, row.segmentation) == (dataset, *labels):
                cells = [percent(row.rates.get(name, math.nan) / 100) for name in grid.columns if name != "WER"]
                wer = percent(row.rates.get("WER", math.nan) / 100)
                rows.append(
                    (f"  published, {row.published_audio}", "", "", wer, *([""] if n_seeds > 1 else []), *cells)
                )
    notes = [f"model {grid.model}; rates in percent; lyrics {'' if grid.normalise else 'not '}normalised"]
    failed = sum(summary["n_failed"] > 0 for summary in own)
    if failed:
        notes.append(
            f"songs FAILED under {failed} of {len(own)} conditions and are not in their rows: songs.csv says why"
        )
    if any(row.dataset == dataset for row in grid.published):
        notes.append(f"published: {grid.published_source}")
    return Table(f"{grid.title}: {dataset}", tuple(headers), tuple(rows), 2, tuple(notes))


def _cells(summary: Mapping[str, Any], grid: Grid, *, with_seeds: bool) -> list[str]:
    total = summary["n_songs"] + summary["n_failed"]
    songs = str(total) if not summary["n_failed"] else f"{summary['n_songs']} of {total}"
    low, high = map(_number, summary.get("intervals", {}).get("WER", (None, None)))
    cells = [songs, with_interval(_number(summary["rates"]["WER"]), low, high)]
    if with_seeds:
        cells.append(percent(_number(summary.get("seeds", {}).get("std"))))
    return cells + [percent(_number(summary["rates"][name])) for name in grid.columns if name != "WER"]


def _difference_table(dataset: str, own: Sequence[Mapping[str, Any]], grid: Grid) -> Table:
    first = own[0]
    names = [name for name in grid.columns if name in ("WER", "SR", "DR", "IR")]
    headers = ("audio", "segmentation", *(f"Δ {name} [95 %]" for name in names), "p of Δ WER")
    rows = []
    for summary in own[1:]:
        found = summary.get("from_first")
        cells = ["songs differ"] + ["–"] * len(names)
        if found:
            cells = [with_interval(*map(_number, found[name][:3])) for name in names]
            cells.append(f"{_number(found['WER'][3]):.3f}")
        rows.append((summary["audio"], summary["segmentation"], *cells))
    title = f"Difference from {first['audio']}, {first['segmentation']}: {dataset}"
    note = "paired over songs: bootstrap intervals, permutation p; percentage points"
    return Table(title, headers, tuple(rows), 2, (note,))


def _timing_table(dataset: str, own: Sequence[Mapping[str, Any]]) -> Table:
    headers = (
        "audio",
        "segmentation",
        "precision",
        "recall",
        "missed, s",
        "silence, s",
        "AUC",
        "error, s",
        "in 0.3 s",
    )
    rows = []
    for summary in own:
        activity, timing = summary["activity"], summary["timing"]
        seconds = (
            f"{activity['missed'] / summary['n_seeds']:.1f}",
            f"{activity['silence_decoded'] / summary['n_seeds']:.1f}",
        )
        rows.append(
            (
                summary["audio"],
                summary["segmentation"],
                percent(_number(activity["precision"])),
                percent(_number(activity["recall"])),
                *seconds,
                f"{_number(activity['auc']):.3f}",
                f"{_number(timing['start_error']):.2f}",
                percent(_number(timing["start_within"])),
            )
        )
    notes = (
        "decoded segments against the reference lines: share sung, share found, sung seconds missed, silence;",
        "AUC of the vocals' envelope; mean error of the starts of matched lines, and share of them within 0.3 s",
    )
    return Table(f"Vocal activity and times of lines: {dataset}", headers, tuple(rows), 2, notes)


def _group_table(dataset: str, kind: str, own: Sequence[Mapping[str, Any]]) -> Table:
    groups = sorted({summary["group"] for summary in own})
    conditions = dict.fromkeys((summary["audio"], summary["segmentation"]) for summary in own)
    rows = []
    for labels in conditions:
        of = {s["group"]: s for s in own if (s["audio"], s["segmentation"]) == labels}
        rows.append((*labels, *(percent(_number(of[g]["rates"]["WER"])) if g in of else "–" for g in groups)))
    counts = [max(s["n_songs"] for s in own if s["group"] == group) for group in groups]
    headers = [f"{group.partition(' ')[2]} ({n})" for group, n in zip(groups, counts, strict=True)]
    return Table(f"WER by {kind} (songs): {dataset}", ("audio", "segmentation", *headers), tuple(rows), 2)


def write_report(folder: Path, hypotheses: Iterable[Hypothesis], grid: Grid) -> list[Table]:
    """Score, and write everything but the manifest: tables, plots, songs, edits, hypotheses.

    Texts and alignments are written as they come; only counts are held.

    Returns
    -------
    list of Table
        As they were written.

    Raises
    ------
    ConfigError
        If a library of the extra ``benchmark`` is missing.
    OutputError
        If a file cannot be written.
    """
    scored = []
    with _edit_tables(folder / "edits") as add:
        for hypothesis in hypotheses:
            one, edits = score_hypothesis(hypothesis, grid)
            add(one, edits)
            _write_hypothesis(folder / "hypotheses", hypothesis)
            scored.append(one)
    summaries = summarise(scored, grid)
    found = tables(summaries, grid)
    write_text(folder / "summary.json", json.dumps(summaries, ensure_ascii=False, indent=1) + "\n")
    renderers: Mapping[str, Callable[[Table], str]] = {"txt": Table.text, "md": Table.markdown, "tex": Table.latex}
    for suffix, render in renderers.items():
        write_text(folder / f"tables.{suffix}", "\n".join(map(render, found)))
    _write_frame(folder / "songs", _song_columns(scored))
    _write_timings(folder / "timings.csv", scored)
    from lyricsep.reports.plots import plot_bars, plot_boxes

    plot_boxes(folder / "wer", _wer_by_condition(scored, grid), title=grid.title, ylabel="WER of each song, %")
    languages = _wer_by_language(summaries)
    if languages:
        plot_bars(folder / "wer_by_language", languages, title=grid.title, ylabel="WER, %")
    return found


def _song_columns(scored: Sequence[ScoredSong]) -> dict[str, list[Any]]:
    """Return a row for each hypothesis: song and condition, counts, and the rates derived from them."""
    columns: dict[str, list[Any]] = defaultdict(list)
    nothing = dict.fromkeys(FIELDS)
    for one in scored:
        unit = one.hypothesis.unit
        values: dict[str, Any] = _labels(one) | {
            "language": unit.song.language,
            "genre": unit.song.genre,
            "duration": one.hypothesis.duration or None,
            "error": one.hypothesis.error,
        }
        values |= one.counts.as_fields() if one.counts else nothing
        derived = rates(one.counts or Counts())
        values |= {name: _finite(rate) for name, rate in derived.items()}
        values |= _prefixed("activity", one.hypothesis.activity or ActivityCounts())
        values |= _prefixed("timing", one.timing or TimingCounts())
        for name, value in values.items():
            columns[name].append(value)
    return columns


def _prefixed(prefix: str, counts: ActivityCounts | TimingCounts) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in asdict(counts).items()}


@contextmanager
def _edit_tables(stem: Path) -> Iterator[Callable[[ScoredSong, Sequence[Edit]], None]]:
    """Open the tables of alignments, a row for each edit, hits included; they are complete when the block ends well.

    Yields
    ------
    callable
        Adds the edits of a song.
    """
    import csv

    import pyarrow as pa
    import pyarrow.parquet as pq

    text, flag, number = pa.string(), pa.bool_(), pa.int64()
    kinds = {"dataset": text, "song": text, "audio": text, "segmentation": text, "seed": number, "kind": text}
    kinds |= {"reference": text, "hypothesis": text, "run": number, "near_miss": flag, "hallucinated": flag}
    kinds |= {"nonlexical": flag, "backing": flag}
    schema = pa.schema(list(kinds.items()))
    with (
        replacing(stem.with_suffix(".csv")) as csv_path,
        replacing(stem.with_suffix(".parquet")) as parquet_path,
        csv_path.open("w", encoding="utf-8", newline="") as file,
        pq.ParquetWriter(parquet_path, schema) as parquet,
    ):
        rows = csv.DictWriter(file, list(kinds), lineterminator="\n")
        rows.writeheader()

        def add(one: ScoredSong, edits: Sequence[Edit]) -> None:
            labels = _labels(one)
            found = [labels | _edit_row(edit) for edit in edits]
            rows.writerows(found)
            if found:
                parquet.write_table(pa.Table.from_pylist(found, schema))

        yield add


def _edit_row(edit: Edit) -> dict[str, Any]:
    return {
        "kind": edit.kind,
        "reference": edit.reference and edit.reference.text,
        "hypothesis": edit.hypothesis and edit.hypothesis.text,
        "run": edit.run,
        "near_miss": edit.near_miss,
        "hallucinated": edit.hallucinated,
        "nonlexical": bool(edit.reference and edit.reference.nonlexical),
        "backing": bool(edit.reference and edit.reference.backing),
    }


def _labels(one: ScoredSong) -> dict[str, Any]:
    unit = one.hypothesis.unit
    return {
        "dataset": unit.song.dataset,
        "song": unit.song.id,
        "audio": unit.condition.audio,
        "segmentation": unit.condition.segmentation,
        "seed": unit.seed,
    }


def _write_frame(stem: Path, columns: Mapping[str, list[Any]]) -> None:
    import pandas as pd

    frame = pd.DataFrame(columns).convert_dtypes()
    with replacing(stem.with_suffix(".csv")) as temporary:
        frame.to_csv(temporary, index=False)
    try:
        with replacing(stem.with_suffix(".parquet")) as temporary:
            frame.to_parquet(temporary, index=False)
    except ImportError as error:
        raise ConfigError("parquet needs pyarrow: pip install 'lyricsep[benchmark]'") from error


def _write_timings(path: Path, scored: Sequence[ScoredSong]) -> None:
    """Write the timings into their own file, as the other numbers are the same in every run."""
    rows = ["dataset,song,audio,segmentation,seed,duration,transcription_seconds"]
    for one in scored:
        labels = ",".join(f'"{str(value).replace(chr(34), chr(34) * 2)}"' for value in _labels(one).values())
        rows.append(f"{labels},{one.hypothesis.duration:.3f},{one.hypothesis.seconds:.3f}")
    write_text(path, "\n".join(rows) + "\n")


def _write_hypothesis(folder: Path, hypothesis: Hypothesis) -> None:
    """Write the lyrics as `lyricsep score` reads them: a folder for each condition and seed."""
    unit, lyrics = hypothesis.unit, hypothesis.lyrics
    if hypothesis.error:
        return
    # A condition may be called after the path of a separator of the user's own.
    condition = unit.condition.name.replace(", ", "_").replace("/", "-").replace("\\", "-").lstrip(".-")
    place = folder / unit.song.dataset / condition / f"seed-{unit.seed}"
    if lyrics:
        write_lyrics(place / f"{unit.song.id}.json", lyrics, "json", title=unit.song.title, artist=unit.song.artist)
    else:
        write_text(place / f"{unit.song.id}.txt", "\n\n".join(hypothesis.texts) + "\n")


def _wer_by_condition(scored: Sequence[ScoredSong], grid: Grid) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    for dataset in dict.fromkeys(one.hypothesis.unit.song.dataset for one in scored):
        found[dataset] = {}
        for condition in grid.conditions:
            by_song = _by_song([one for one in scored if _is_of(one, dataset, condition)])
            values = [100 * rates(counts)["WER"] for counts in by_song.values()]
            if values:
                found[dataset][condition.name] = [value for value in values if not math.isnan(value)]
    return found


def _wer_by_language(summaries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Return the WER in percent by dataset, language and condition, for datasets in several languages."""
    from lyricsep.reports.plots import Estimate

    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for summary in sorted(summaries, key=lambda one: one["group"]):
        kind, _, language = summary["group"].partition(" ")
        if kind == "language":
            low, high = map(_number, summary.get("intervals", {}).get("WER", (None, None)))
            value = _number(summary["rates"]["WER"])
            condition = f"{summary['audio']}, {summary['segmentation']}"
            of_language = found.setdefault(summary["dataset"], {}).setdefault(language, {})
            of_language[condition] = Estimate(100 * value, 100 * low, 100 * high)
    return {dataset: languages for dataset, languages in found.items() if len(languages) > 1}


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else value
