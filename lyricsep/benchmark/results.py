"""Results of a benchmark: scores by song, summaries with confidence intervals, and the files of a report."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.benchmark.running import Hypothesis, passages_of
from lyricsep.documents import BenchmarkSummary, GroupSummary, SongResult, finite
from lyricsep.errors import ConfigError
from lyricsep.files import replacing, write_text
from lyricsep.formats import write_lyrics
from lyricsep.scoring import (
    FIELDS,
    RATES,
    ActivityCounts,
    Counts,
    Edit,
    TimingCounts,
    bootstrap,
    compare,
    known_rates,
    pool,
    rates,
    score,
    spread_over_seeds,
    time_lines,
)
from lyricsep.tables import Table, percent, with_interval

if TYPE_CHECKING:
    from lyricsep.benchmark.grid import Condition, Grid
    from lyricsep.benchmark.running import Unit
    from lyricsep.reports.plots import Estimate


@dataclass(frozen=True)
class ScoredSong:
    """A hypothesis, without its texts, and what was counted in it.

    Failures have no counts, and only timed lyrics have times.
    """

    hypothesis: Hypothesis
    counts: Counts | None
    timing: TimingCounts | None = None

    @property
    def unit(self) -> Unit:
        """Song, condition and seed."""
        return self.hypothesis.unit


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


def summarise(scored: Sequence[ScoredSong], grid: Grid) -> list[GroupSummary]:
    """Pool the songs of every dataset and condition, whole and by language and genre."""
    summaries = []
    for dataset in dict.fromkeys(one.unit.song.dataset for one in scored):
        first: dict[str, dict[str, Counts]] = {}
        for condition in grid.conditions:
            own = [one for one in scored if _is_of(one, dataset, condition)]
            for group, members in _groups(own).items():
                by_song = _by_song(members)
                base = first.setdefault(group, by_song)
                from_first = None
                if base is not by_song and set(base) == set(by_song) and by_song:
                    from_first = {
                        name: tuple(map(finite, (*astuple(d.difference), d.p)))
                        for name, d in compare(base, by_song).items()
                        if name in grid.columns
                    }
                named = (dataset, condition.audio, condition.segmentation, group)
                summaries.append(replace(_summary(named, members, by_song), from_first=from_first))
    return summaries


def _summary(
    named: tuple[str, str, str, str], members: Sequence[ScoredSong], by_song: Mapping[str, Counts]
) -> GroupSummary:
    seeds = sorted({one.unit.seed for one in members})
    pooled = pool(by_song.values())
    activity = [one.hypothesis.activity for one in members if one.hypothesis.activity]
    timing = [one.timing for one in members if one.timing]
    spread: dict[str, float | None] | None = None
    intervals: dict[str, tuple[float | None, ...]] | None = None
    if by_song:
        intervals = {name: (finite(i.low), finite(i.high)) for name, i in bootstrap(list(by_song.values())).items()}
        by_seed = [[one.counts for one in members if one.counts and one.unit.seed == seed] for seed in seeds]
        found = spread_over_seeds(by_seed)
        spread = {name: finite(getattr(found, name)) for name in ("mean", "std", "low", "high")}
    return GroupSummary(
        *named,
        n_songs=len(by_song),
        n_failed=len({one.unit.song.id for one in members if one.counts is None}),
        n_seeds=len(seeds),
        counts=pooled.as_fields(),
        rates=known_rates(pooled),
        activity=_derived(sum(activity, ActivityCounts()), _ACTIVITY) if activity else None,
        timing=_derived(sum(timing, TimingCounts()), _TIMING) if timing else None,
        intervals=intervals,
        seeds=spread,
    )


_ACTIVITY = ("precision", "recall", "f1", "missed", "silence_decoded", "auc")
_TIMING = ("start_error", "start_within", "end_error", "coverage")


def _derived(counts: ActivityCounts | TimingCounts, names: Sequence[str]) -> dict[str, float | None]:
    """Return sums and the rates that follow from them."""
    return asdict(counts) | {name: finite(getattr(counts, name)) for name in names}


def _by_song(members: Iterable[ScoredSong]) -> dict[str, Counts]:
    """Return the counts of each song, summed over seeds; a song with a failed seed is left out."""
    found: dict[str, Counts] = {}
    failed = set()
    for one in members:
        if one.counts is None:
            failed.add(one.unit.song.id)
        else:
            found[one.unit.song.id] = found.get(one.unit.song.id, Counts()) + one.counts
    return {song: counts for song, counts in found.items() if song not in failed}


def _groups(own: Sequence[ScoredSong]) -> dict[str, list[ScoredSong]]:
    groups: dict[str, list[ScoredSong]] = defaultdict(list)
    for one in own:
        groups["all"].append(one)
        groups[f"language {one.unit.song.language}"].append(one)
        if one.unit.song.genre:
            groups[f"genre {one.unit.song.genre}"].append(one)
    return groups


def _is_of(one: ScoredSong, dataset: str, condition: Condition) -> bool:
    return one.unit.song.dataset == dataset and one.unit.condition == condition


def tables(summaries: Sequence[GroupSummary], grid: Grid) -> list[Table]:
    """Make the table of each dataset, its differences, and its groups, with what is published beside."""
    found = []
    for dataset in dict.fromkeys(summary.dataset for summary in summaries):
        own = [summary for summary in summaries if summary.dataset == dataset]
        whole = [summary for summary in own if summary.group == "all"]
        found += [_main_table(dataset, whole, grid), _difference_table(dataset, whole, grid)]
        timed = [
            (summary, summary.activity, summary.timing) for summary in whole if summary.activity and summary.timing
        ]
        if timed:
            found.append(_timing_table(dataset, timed))
        for kind in ("language", "genre"):
            of_kind = [summary for summary in own if summary.group.startswith(kind)]
            if len({summary.group for summary in of_kind}) > 1:
                found.append(_group_table(dataset, kind, of_kind))
    return found


def _main_table(dataset: str, own: Sequence[GroupSummary], grid: Grid) -> Table:
    n_seeds = max((summary.n_seeds for summary in own), default=1)
    columns = [name for name in grid.columns if name != "WER"]
    headers = ["audio", "segmentation", "songs", "WER [95 % over songs]", *(["± seeds"] if n_seeds > 1 else [])]
    rows = []
    for condition in grid.conditions:
        labels = (condition.audio, condition.segmentation)
        mine = [summary for summary in own if (summary.audio, summary.segmentation) == labels]
        rows += [(*labels, *_cells(summary, columns, with_seeds=n_seeds > 1)) for summary in mine]
        for row in grid.published:
            if (row.dataset, row.audio, row.segmentation) == (dataset, *labels):
                wer, *cells = (percent(row.rates.get(name, math.nan) / 100) for name in ("WER", *columns))
                blank = [""] if n_seeds > 1 else []
                rows.append((f"  published, {row.published_audio}", "", "", wer, *blank, *cells))
    notes = [f"model {grid.model}; rates in percent; lyrics {'' if grid.normalise else 'not '}normalised"]
    failed = sum(summary.n_failed > 0 for summary in own)
    if failed:
        notes.append(
            f"songs FAILED under {failed} of {len(own)} conditions and are not in their rows: songs.csv says why"
        )
    if any(row.dataset == dataset for row in grid.published):
        notes.append(f"published: {grid.published_source}")
    return Table(f"{grid.title}: {dataset}", (*headers, *columns), tuple(rows), 2, tuple(notes))


def _cells(summary: GroupSummary, columns: Sequence[str], *, with_seeds: bool) -> list[str]:
    total = summary.n_songs + summary.n_failed
    songs = str(total) if not summary.n_failed else f"{summary.n_songs} of {total}"
    cells = [songs, with_interval(*_wer(summary))]
    if with_seeds:
        cells.append(percent(_number((summary.seeds or {}).get("std"))))
    return cells + [percent(_number(summary.rates[name])) for name in columns]


def _wer(summary: GroupSummary) -> tuple[float, float, float]:
    """Return the WER and its interval."""
    low, high = (summary.intervals or {}).get("WER", (None, None))
    return _number(summary.rates["WER"]), _number(low), _number(high)


def _difference_table(dataset: str, own: Sequence[GroupSummary], grid: Grid) -> Table:
    names = [name for name in grid.columns if name in ("WER", "SR", "DR", "IR")]
    headers = ("audio", "segmentation", *(f"Δ {name} [95 %]" for name in names), "p of Δ WER")
    rows = []
    for summary in own[1:]:
        found = summary.from_first
        cells = ["songs differ"] + ["–"] * len(names)
        if found:
            cells = [with_interval(*map(_number, found[name][:3])) for name in names]
            cells.append(f"{_number(found['WER'][3]):.3f}")
        rows.append((summary.audio, summary.segmentation, *cells))
    title = f"Difference from {own[0].audio}, {own[0].segmentation}: {dataset}"
    note = "paired over songs: bootstrap intervals, permutation p; points of percent"
    return Table(title, headers, tuple(rows), 2, (note,))


_Numbers = Mapping[str, float | None]


def _timing_table(dataset: str, timed: Sequence[tuple[GroupSummary, _Numbers, _Numbers]]) -> Table:
    columns = ("precision", "recall", "missed, s", "silence, s", "AUC", "error, s", "in 0.3 s")
    rows = [
        (
            summary.audio,
            summary.segmentation,
            percent(_number(activity["precision"])),
            percent(_number(activity["recall"])),
            f"{_number(activity['missed']) / summary.n_seeds:.1f}",
            f"{_number(activity['silence_decoded']) / summary.n_seeds:.1f}",
            f"{_number(activity['auc']):.3f}",
            f"{_number(timing['start_error']):.2f}",
            percent(_number(timing["start_within"])),
        )
        for summary, activity, timing in timed
    ]
    notes = (
        "decoded segments against the reference lines: share sung, share found, sung seconds missed, silence;",
        "AUC of the vocals' envelope; mean error of the starts of matched lines, and share of them within 0.3 s",
    )
    headers = ("audio", "segmentation", *columns)
    return Table(f"Vocal activity and times of lines: {dataset}", headers, tuple(rows), 2, notes)


def _group_table(dataset: str, kind: str, own: Sequence[GroupSummary]) -> Table:
    groups = sorted({summary.group for summary in own})
    rows = []
    for labels in dict.fromkeys((summary.audio, summary.segmentation) for summary in own):
        of = {s.group: percent(_wer(s)[0]) for s in own if (s.audio, s.segmentation) == labels}
        rows.append((*labels, *(of.get(group, "–") for group in groups)))
    counts = [max(summary.n_songs for summary in own if summary.group == group) for group in groups]
    headers = [f"{group.partition(' ')[2]} ({n})" for group, n in zip(groups, counts, strict=True)]
    return Table(f"WER by {kind} (songs): {dataset}", ("audio", "segmentation", *headers), tuple(rows), 2)


def write_report(folder: Path, hypotheses: Iterable[Hypothesis], grid: Grid) -> list[Table]:
    """Score, and write everything but the manifest: tables (which are returned), plots, songs, edits, hypotheses.

    Texts and alignments are written as they come; only counts are held.
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
    songs = tuple(map(_song_result, scored))
    summary = BenchmarkSummary(grid.title, grid.model, grid.normalise, tuple(summaries), songs)
    write_text(folder / "summary.json", summary.to_json())
    renderers: Mapping[str, Callable[[Table], str]] = {"txt": Table.text, "md": Table.markdown, "tex": Table.latex}
    for suffix, render in renderers.items():
        write_text(folder / f"tables.{suffix}", "\n".join(map(render, found)))
    _write_frame(folder / "songs", [_row(one, song) for one, song in zip(scored, songs, strict=True)])
    _write_timings(folder / "timings.csv", scored)
    from lyricsep.reports.plots import plot_bars, plot_boxes

    plot_boxes(folder / "wer", _wer_by_condition(scored, grid), title=grid.title, ylabel="WER of each song, %")
    languages = _wer_by_language(summaries)
    if languages:
        plot_bars(folder / "wer_by_language", languages, title=grid.title, ylabel="WER, %")
    return found


def _song_result(one: ScoredSong) -> SongResult:
    song, counts = one.unit.song, one.counts
    return SongResult(
        **_labels(one),
        language=song.language,
        genre=song.genre,
        duration=one.hypothesis.duration or None,
        error=one.hypothesis.error or None,
        rates=known_rates(counts) if counts else {},
        counts=counts.as_fields() if counts else {},
    )


def _row(one: ScoredSong, song: SongResult) -> dict[str, Any]:
    """Return a row of the table of songs: what it is, counts, and the rates derived from them."""
    facts = {"language": song.language, "genre": song.genre, "duration": song.duration, "error": song.error or ""}
    values = (song.counts or dict.fromkeys(FIELDS)) | (song.rates or dict.fromkeys(RATES))
    values |= _prefixed("activity", one.hypothesis.activity or ActivityCounts())
    return _labels(one) | facts | values | _prefixed("timing", one.timing or TimingCounts())


def _prefixed(prefix: str, counts: ActivityCounts | TimingCounts) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in asdict(counts).items()}


@contextmanager
def _edit_tables(stem: Path) -> Iterator[Callable[[ScoredSong, Sequence[Edit]], None]]:
    """Open the tables of alignments, a row for each edit, hits included; they are complete when the block ends well.

    Yields a function that adds the edits of a song.
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
    song, condition = one.unit.song, one.unit.condition
    named = {"dataset": song.dataset, "song": song.id, "audio": condition.audio}
    return named | {"segmentation": condition.segmentation, "seed": one.unit.seed}


def _write_frame(stem: Path, rows: list[dict[str, Any]]) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows).convert_dtypes()
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
    for dataset in dict.fromkeys(one.unit.song.dataset for one in scored):
        found[dataset] = {}
        for condition in grid.conditions:
            by_song = _by_song([one for one in scored if _is_of(one, dataset, condition)])
            values = [100 * rates(counts)["WER"] for counts in by_song.values()]
            if values:
                found[dataset][condition.name] = [value for value in values if not math.isnan(value)]
    return found


def _wer_by_language(summaries: Sequence[GroupSummary]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Return the WER in percent by dataset, language and condition; of datasets in several languages alone."""
    from lyricsep.reports.plots import Estimate

    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for summary in sorted(summaries, key=lambda summary: summary.group):
        kind, _, language = summary.group.partition(" ")
        if kind == "language":
            of_language = found.setdefault(summary.dataset, {}).setdefault(language, {})
            wer = Estimate(*(100 * value for value in _wer(summary)))
            of_language[f"{summary.audio}, {summary.segmentation}"] = wer
    return {dataset: languages for dataset, languages in found.items() if len(languages) > 1}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
