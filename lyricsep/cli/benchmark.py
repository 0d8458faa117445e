"""`lyricsep benchmark`: a grid of conditions over datasets, resumed where it was left."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import counting, say, show_logs
from lyricsep.cli.datasets import open_selected
from lyricsep.cli.options import (
    DeviceOption,
    LanguagesOption,
    LimitOption,
    MusdbOption,
    OfflineOption,
    SongOption,
    SplitOption,
    VerboseOption,
)
from lyricsep.cli.settings import check_folder
from lyricsep.documents import DatasetRevision
from lyricsep.errors import ConfigError
from lyricsep.files import check_writable, shown, write_text
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.presets import PRESETS
from lyricsep.transcribers import BACKENDS, backend_name, default_backend, find_model
from lyricsep.version import __version__
from lyricsep.versions import SCORES, stamp

if TYPE_CHECKING:
    from lyricsep.benchmark.grid import Grid
    from lyricsep.benchmark.running import Runner

REPORT = "report.json"  # what the files of a report were made from


def benchmark(
    grid: Annotated[
        str,
        typer.Argument(
            metavar="GRID",
            help="Grid of conditions: paper-long, paper-short, lyricsep, or your own TOML file.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            help="A name from `lyricsep datasets list`, or a folder; repeatable.", show_default="the grid's"
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the report and for results that are reused; created if missing.",
        ),
    ] = Path("benchmark"),
    preset: Annotated[
        str | None,
        typer.Option(
            help="Use the separator and model of this preset, such as fast.", show_default="the grid's models"
        ),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Use this separator instead of those of the grid.", show_default="the grid's")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whisper model, by name or by path.", show_default="the grid's")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help=f"Whisper backend: {' or '.join(BACKENDS)}.", show_default="the fastest that is installed"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of random seeds, counted from 0.", show_default="the grid's")
    ] = None,
    language: LanguagesOption = None,
    split: SplitOption = None,
    song: SongOption = None,
    limit: LimitOption = None,
    musdb18hq: MusdbOption = None,
    device: DeviceOption = "auto",
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Transcribe and score datasets under a grid of conditions.

    Run it again to resume after an interruption, or to add a seed, a song or a condition; finished results are
    reused. Prints tables of scores with confidence intervals, and writes them as text, Markdown and LaTeX, together
    with songs and edits (CSV and parquet), plots, the lyrics, and a manifest.
    """
    show_logs(verbose=verbose)
    from lyricsep.benchmark.grid import read_grid
    from lyricsep.benchmark.running import Runner
    from lyricsep.devices import choose_device, describe_device
    from lyricsep.store import Store

    # Check now, so that hours of work do not end at a missing library.
    missing_libraries = [name for name in ("matplotlib", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing_libraries:
        raise ConfigError(f"benchmark needs {missing_libraries[0]}; run: pip install 'lyricsep[benchmark]'")
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}; choose from {', '.join(PRESETS)}")
    chosen = choose_device(device)
    backend = backend_name(backend) if backend else default_backend(chosen)
    wanted = read_grid(grid).with_models(
        separator or (preset and PRESETS[preset].separator), model or (preset and PRESETS[preset].model)
    )
    wanted = replace(
        wanted,
        datasets=tuple(dataset or wanted.datasets),
        seeds=wanted.seeds if seeds is None else tuple(range(seeds)),
    )
    datasets = [open_selected(name, language, split, limit, song, musdb18hq) for name in wanted.datasets]
    check_folder(output)
    check_writable(output)
    runner = Runner(wanted, datasets, Store(output / "store"), chosen, backend=backend, offline=offline)
    name = find_model(wanted.model).name
    say(f"{wanted.title}: {len(runner.units)} hypotheses, {name} by {backend} on {describe_device(chosen)}")

    missing = len(runner.missing())
    if not missing and _written(output) == _content(runner, wanted):
        say(f"nothing to do: all {len(runner.units)} hypotheses and the report are in {shown(output)}")
        typer.echo((output / "tables.txt").read_text(encoding="utf-8"), nl=False)
        return
    if missing < len(runner.units):
        say(f"hypotheses done: {len(runner.units) - missing}, to do: {missing}")
    manifest = replace(
        new_manifest("benchmark", None, stages=stamp(), grid=wanted, backend=backend),
        device=describe_device(chosen),
        datasets=tuple(DatasetRevision(opened.name, opened.revision) for opened in datasets),
        filters={"language": language, "split": split, "song": song, "limit": limit},
    )

    from lyricsep.benchmark.results import write_report

    failures = {}
    with counting(missing) as (start, finish):
        for hypothesis in runner.run(lambda unit: start(unit.name)):
            if hypothesis.is_new:
                finish(hypothesis.unit.name, f"{hypothesis.seconds:.1f} s", hypothesis.error)
            if hypothesis.error:
                failures[hypothesis.unit.name] = hypothesis.error
    tables = write_report(output, runner.results(), wanted)
    n_units = len(runner.units)
    counts = {"n_hypotheses": n_units, "n_new": missing}
    write_manifest(output, replace(manifest, counts=counts, failures=failures), runner.weights)
    write_text(output / REPORT, json.dumps({"content": None if failures else _content(runner, wanted)}) + "\n")
    typer.echo("\n".join(table.text() for table in tables), nl=False)
    if failures:
        say(f"{len(failures)} of {n_units} hypotheses failed (songs.csv says why); run again to retry them")
        raise typer.Exit(1)


def _content(runner: Runner, grid: Grid) -> str:
    """Return the digest of all that the report says."""
    from lyricsep.store import key_of

    return key_of(
        {
            "grid": grid,
            "songs": [unit.song for unit in runner.units],
            "hypotheses": [runner.key(unit) for unit in runner.units],
            "versions": {"scores": SCORES, "lyricsep": __version__},
        }
    )


def _written(folder: Path) -> str | None:
    """Return the digest of the report that is there."""
    try:
        content: str | None = json.loads((folder / REPORT).read_text(encoding="utf-8"))["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content
