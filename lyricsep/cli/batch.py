"""`lyricsep batch`: whole libraries, by many workers, resumed by running it again."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import counting, in_flags, say, show_logs, spoken
from lyricsep.cli.known import LyricsOption, known_for
from lyricsep.cli.options import FormatsOption, JsonOption, OutputOption, SongsArgument, with_options
from lyricsep.cli.settings import check_folder, chosen_formats, languages_of
from lyricsep.documents import Manifest
from lyricsep.engines import (
    Batch,
    BatchOptions,
    Beginning,
    Delivery,
    Record,
    Status,
    Task,
    run_local,
    run_ray,
    seats_of,
)
from lyricsep.errors import ConfigError, OutputError
from lyricsep.files import check_writable, is_there
from lyricsep.formats import file_suffixes
from lyricsep.inputs import find_songs
from lyricsep.manifest import new_manifest, state_folder, write_manifest
from lyricsep.plan import LibraryOptions, Plan, aligning, resolve
from lyricsep.remote import check_driver, put
from lyricsep.weights import fetch

TABLES = ("songs.csv", "songs.parquet")  # about all songs

batch = typer.Typer(help="Transcribe large libraries with many workers.", no_args_is_help=True)


@batch.command("run")
@with_options
def run_batch(
    songs: SongsArgument,
    output: OutputOption,
    formats: FormatsOption = None,
    lyrics: LyricsOption = None,
    *,
    options: LibraryOptions,
    running: BatchOptions,
) -> None:
    """Transcribe a library, or align its lyrics, with many workers.

    Run it again to resume, or to add songs. Finished songs are reused, also after files are renamed, and after an
    upgrade of lyricsep. Prints the path of every file it writes. Also writes a table of all songs (songs.csv,
    songs.parquet).
    """
    show_logs(verbose=False)
    wanted = chosen_formats(formats)
    if running.copy_to:
        check_driver(running.copy_to, offline=options.offline)
    if lyrics is None and options.aligner != LibraryOptions.aligner:
        raise ConfigError(f"--aligner {options.aligner}: nothing is aligned without --lyrics")
    plan = resolve(options if lyrics is None else aligning(options))
    check_folder(output)
    say(plan.summary)
    check_writable(output)
    found = find_songs(songs, offline=options.offline)
    for named in found.empty:
        say(f"failed: {named}: no audio files found; name a song, a folder of songs, or a list of songs")
    known = [None] * len(found.songs) if lyrics is None else known_for(found.songs, lyrics)
    languages = languages_of(found.songs, plan.model)
    tasks = [Task(*each) for each in zip(found.songs, languages, known, strict=True)]
    delivery = Delivery(
        output,
        tuple(wanted),
        overwrite=running.overwrite,
        keep_vocals=running.keep_vocals,
        refresh=running.refresh,
        copy_to=running.copy_to or "",
    )
    the_batch = Batch(output)
    with the_batch.alone(), the_batch.unchanged_if_refused():
        beginning = the_batch.begin(tasks, plan, delivery, prune=running.prune)
        todo = beginning.todo
        _tell(beginning, len(tasks), pruned=running.prune)
        manifest = new_manifest("batch", plan, formats=wanted, running=running)
        if todo:
            for file in plan.weights:  # once, rather than by every worker
                fetch(file, offline=plan.offline)
        records = _records(todo, plan, delivery, running)
        try:
            _follow(the_batch, records, len(todo), delivery, {task.id: task for task in todo})
        except ConfigError:
            raise
        except BaseException:  # Ctrl-C too: write the table of what is done, then raise
            with suppress(OutputError):  # a full disk is reported once
                _conclude(the_batch, manifest, plan)
            raise
        if todo or (running.prune and beginning.n_gone) or not the_batch.has_table:
            for table in _conclude(the_batch, manifest, plan):
                typer.echo(table)
        if running.copy_to:  # also what an earlier run could not copy
            about_all = [output / name for name in TABLES] + sorted(state_folder(output).glob("manifest-*.json"))
            put([path for path in about_all if is_there(path)], output, running.copy_to)
        status = the_batch.status()
        say(_summary(status))
        if status.failures or status.n_left or found.empty:
            raise typer.Exit(1)


def _tell(beginning: Beginning, n_songs: int, *, pruned: bool) -> None:
    """Print what is already done."""
    say(f"songs: {n_songs}, already done: {n_songs - len(beginning.todo)}")
    if beginning.n_older:
        say(f"results of an older version: {beginning.n_older}; set --refresh to redo them")
    if beginning.n_gone and not pruned:
        say(f"results of songs that are no longer listed: {beginning.n_gone}; set --prune to delete them")
    elif beginning.n_gone:
        say(f"songs whose results were deleted: {beginning.n_gone}")
        for path in beginning.kept:
            say(f"{path}: kept, as it was changed after lyricsep wrote it")


def _records(
    todo: Sequence[Task], plan: Plan, delivery: Delivery, running: BatchOptions
) -> Generator[Record, None, None]:
    if running.engine == "ray":
        return run_ray(
            todo,
            plan,
            delivery,
            address=running.address,
            n_workers=running.workers,
            time_limit=running.time_limit,
        )
    seats = seats_of(str(plan.device), running.workers)
    if todo:
        say(f"workers: {len(seats)}, with {seats[0].n_threads} threads each")
    return run_local(todo, plan, delivery, seats[: len(todo)], time_limit=running.time_limit)


@batch.command("status")
def show_status(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --output of a batch, running or not.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Show the progress of a batch.

    Prints why songs failed, how many are done, failed and left, the speed, and the time left.
    """
    status = Batch(folder).status()
    if as_json:
        failures = {song: in_flags(error) for song, error in status.failures.items()}
        document = {
            **asdict(replace(status, failures={})),
            "failures": failures,
            "n_failed": len(failures),
            "n_left": status.n_left,
            "time_left": status.time_left,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for song, error in sorted(status.failures.items(), key=lambda failure: failure[0]):
        typer.echo(f"failed: {song}: {in_flags(error)}")
    typer.echo(_summary(status))


def _follow(
    the_batch: Batch,
    records: Generator[Record, None, None],
    n_songs: int,
    delivery: Delivery,
    tasks: Mapping[str, Task],
) -> None:
    """Record and show the outcome of each song."""
    with counting(n_songs) as (_, finish), closing(records):
        for record in records:
            the_batch.journal.add(record)
            how = f"{record.seconds.get('all', 0.0):.1f} s for {record.duration:.0f} s of sound, {record.lines} lines"
            if not record.vocals_found:
                how = "no vocals found"
            finish(record.id, how if record.fresh else "reused", in_flags(record.failure) if record.failure else "")
            if record.status == "done":
                for suffix in file_suffixes(delivery.formats):
                    typer.echo(tasks[record.id].song.result(delivery.folder, suffix))


def _conclude(the_batch: Batch, manifest: Manifest, plan: Plan) -> list[Path]:
    """Write the table and the manifest."""
    tables = the_batch.write_table()
    status = the_batch.status()
    counts = {"n_songs": status.n_songs, "n_done": status.n_done, "n_failed": len(status.failures)}
    failures = {song: in_flags(error) for song, error in status.failures.items()}
    # The outcome of each song is in the journal.
    write_manifest(the_batch.folder, replace(manifest, counts=counts, failures=failures), plan.weights)
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
