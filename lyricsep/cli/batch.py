"""`lyricsep batch`: whole libraries, by many workers, resumed by running it again."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lyricsep.cli.console import counting, say, show_logs, spoken
from lyricsep.cli.options import (
    BatchSizeOption,
    BeamSizeOption,
    DeviceOption,
    FloorOption,
    FormatsOption,
    LanguageOption,
    MinSilenceOption,
    MixBackOption,
    ModelOption,
    NativeOption,
    NoRepeatOption,
    OfflineOption,
    OffsetOption,
    OnsetOption,
    OverwriteOption,
    PresetOption,
    QueryOption,
    SeedOption,
    SeparatorOption,
    SongsArgument,
    TemperaturesOption,
    ThenOption,
    TimestampsOption,
    TranscriberOption,
    WordTimesOption,
)
from lyricsep.cli.settings import choose_work, chosen_formats, chosen_languages, chosen_sizes, chosen_temperatures
from lyricsep.engines import CPU_THREADS, Batch, Delivery, Record, Status, Task, run_local, run_ray, seats_of
from lyricsep.errors import ConfigError, OutputError
from lyricsep.files import check_writable
from lyricsep.formats import file_suffixes
from lyricsep.inputs import find_songs
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.remote import check_driver, is_url, put
from lyricsep.weights import fetch

__all__ = ["batch"]

ENGINES = ("local", "ray")
ABOUT_ALL = ("songs.csv", "songs.parquet", "lyricsep-*.json")  # the results that are of no song alone

batch = typer.Typer(help="Transcribe whole libraries, and see how far that is.", no_args_is_help=True)


@batch.command("run")
def run_batch(
    songs: SongsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results; made when missing.", file_okay=False)
    ],
    formats: FormatsOption = None,
    language: LanguageOption = None,
    preset: PresetOption = None,
    separator: SeparatorOption = None,
    query: QueryOption = None,
    then: ThenOption = None,
    model: ModelOption = None,
    transcriber: TranscriberOption = None,
    mix_back: MixBackOption = None,
    beam_size: BeamSizeOption = None,
    batch_size: BatchSizeOption = None,
    no_repeat: NoRepeatOption = None,
    temperatures: TemperaturesOption = None,
    seed: SeedOption = None,
    timestamps: TimestampsOption = None,
    word_times: WordTimesOption = False,
    native: NativeOption = False,
    onset: OnsetOption = None,
    offset: OffsetOption = None,
    min_silence: MinSilenceOption = None,
    floor_db: FloorOption = None,
    device: DeviceOption = "auto",
    engine: Annotated[
        str, typer.Option(help="Who runs the workers: local (this machine) or ray (a cluster; lyricsep[ray]).")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster: auto, 10.0.0.1:6379, ...", show_default="one is made here"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Songs at a time.", show_default=f"one for each GPU, or for every {CPU_THREADS} cores"
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds that one song may take.", show_default="none")
    ] = None,
    keep_vocals: Annotated[
        bool,
        typer.Option(
            "--keep-vocals", help="Keep the vocals (FLAC), so that another transcription does not separate again."
        ),
    ] = False,
    copy_to: Annotated[
        str | None,
        typer.Option(
            "--copy-to",
            metavar="URL",
            help="Put all results there too (s3://bucket/lyrics, ...); lyricsep[remote].",
            show_default="no",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
) -> None:
    """Transcribe a library with many workers; run it again to go on after a stop, or with more songs.

    What is done is not done again: not after a kill, nor for a file that was renamed, nor for what earlier runs into
    this folder did with the same options. Prints the path of every file it writes. The folder also gets a table of
    all songs (songs.csv, songs.parquet) and a manifest.
    """
    show_logs(verbose=False)
    wanted = chosen_formats(formats)
    if engine not in ENGINES:
        raise ConfigError(f"no engine is called {engine!r}; there are {' and '.join(ENGINES)}")
    if address and engine != "ray":
        raise ConfigError("--address is that of a Ray cluster; add --engine ray")
    if copy_to:
        if not is_url(copy_to):
            raise ConfigError(f"--copy-to {copy_to}: expected a URL such as s3://bucket/lyrics")
        check_driver(copy_to, offline=offline)

    from lyricsep.devices import choose_device, describe_device

    chosen = choose_device(device)
    name, work, language = choose_work(
        chosen,
        language=language,
        preset=preset,
        separator=separator,
        query=query,
        then=then,
        model=model,
        transcriber=transcriber,
        native=native,
        segmentation={"onset": onset, "offset": offset, "min_silence": min_silence, "floor_db": floor_db},
        transcription={
            "mix_back": mix_back,
            "beam_size": beam_size,
            "batch_size": batch_size,
            "no_repeat_ngram_sizes": chosen_sizes(no_repeat),
            "temperatures": chosen_temperatures(temperatures),
            "seed": seed,
            "timestamps": timestamps,
            "word_times": word_times or "elrc" in wanted or None,
        },
    )
    check_writable(output)
    found = find_songs(songs, offline=offline)
    for named in found.empty:
        say(f"failed: {named}: no audio files there; name a song, a folder of songs, or a list of them")
    languages = chosen_languages(found.songs, language, work.settings.model)
    tasks = [Task(song, languages[song.path]) for song in found.songs]
    delivery = Delivery(output, tuple(wanted), overwrite, keep_vocals, copy_to or "")
    the_batch = Batch(output)
    with the_batch.alone():
        todo = the_batch.begin(tasks, work, delivery, chosen)
        say(f"songs: {len(tasks)}, done already: {len(tasks) - len(todo)}")
        options = {"preset": name, **vars(work), "language": language, "formats": wanted, "engine": engine}
        manifest = new_manifest("batch", options, work.weights, describe_device(chosen))
        if todo:
            for file in work.weights:  # once, before every worker wants them
                fetch(file, offline=offline)
        if engine == "ray":
            records = run_ray(
                todo,
                work,
                delivery,
                str(chosen),
                address=address,
                n_workers=workers,
                offline=offline,
                time_limit=time_limit,
            )
        else:
            seats = seats_of(str(chosen), workers)
            say(f"workers: {len(seats)}, with {seats[0].n_threads} threads each")
            records = run_local(todo, work, delivery, seats[: len(todo)], offline=offline, time_limit=time_limit)
        try:
            _follow(the_batch, records, len(todo), delivery, {task.id: task for task in todo})
        except BaseException:  # Ctrl-C too: what is done gets its table, and the error goes on
            with suppress(OutputError):  # a full disk is told once
                _conclude(the_batch, manifest)
            raise
        if todo or not the_batch.has_table:
            for table in _conclude(the_batch, manifest):
                typer.echo(table)
        if copy_to:  # also what an earlier run could not copy
            put([path for kind in ABOUT_ALL for path in sorted(output.glob(kind))], output, copy_to)
        status = the_batch.status()
        say(_summary(status))
        if status.failures or status.n_left or found.empty:
            raise typer.Exit(1)


@batch.command("status")
def show_status(
    folder: Annotated[Path, typer.Argument(help="The --output of a batch, running or not.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how far a batch is: done, failed and why, left, its speed, and the time that the rest may take."""
    status = Batch(folder).status()
    if as_json:
        told = {**asdict(status), "n_failed": len(status.failures), "n_left": status.n_left}
        typer.echo(json.dumps({**told, "time_left": status.time_left}, ensure_ascii=False, indent=2))
        return
    for song, error in sorted(status.failures.items()):
        typer.echo(f"failed: {song}: {error}")
    typer.echo(_summary(status))


def _follow(
    the_batch: Batch,
    records: Generator[Record, None, None],
    n_songs: int,
    delivery: Delivery,
    tasks: Mapping[str, Task],
) -> None:
    """Write down and show what becomes of the songs."""
    with counting(n_songs) as (_, finish), closing(records):
        for record in records:
            the_batch.journal.add(record)
            how = f"{record.seconds.get('all', 0.0):.1f} s for {record.duration:.0f} s of sound, {record.lines} lines"
            if not record.vocals_found:
                how = "no vocals were found"
            finish(record.id, how if record.fresh else "known already", record.error)
            if record.status == "done":
                for suffix in file_suffixes(delivery.formats):
                    typer.echo(tasks[record.id].song.result(delivery.folder, suffix))


def _conclude(the_batch: Batch, manifest: Mapping[str, Any]) -> list[Path]:
    """Write the table and the manifest."""
    tables = the_batch.write_table()
    status = the_batch.status()
    counts = {"n_songs": status.n_songs, "n_done": status.n_done, "n_failed": len(status.failures)}
    write_manifest(the_batch.folder, {**manifest, "songs": [], **counts, "failures": status.failures})
    return tables


def _summary(status: Status) -> str:
    without = f" ({status.n_without_vocals} without vocals)" if status.n_without_vocals else ""
    parts = [f"{status.n_done} of {status.n_songs} songs done{without}", f"{len(status.failures)} failed"]
    if status.n_left:
        left = status.time_left
        parts.append(f"{status.n_left} left" + (f", about {spoken(left)}" if left is not None else ""))
    if status.speed:
        parts.append(f"{status.speed:.1f} x real time")
    return "; ".join(parts)
