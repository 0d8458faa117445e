"""`lyricsep transcribe`: songs to timed lyrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    FormatsOption,
    OverwriteOption,
    PlotOption,
    SongsArgument,
    VerboseOption,
    with_options,
)
from lyricsep.cli.plots import draw_song, plot_suffixes
from lyricsep.cli.run import CommandRun
from lyricsep.cli.settings import chosen_formats
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown
from lyricsep.formats import file_suffixes, render_lyrics, write_lyrics
from lyricsep.manifest import new_manifest
from lyricsep.plan import Plan, TranscribeOptions, language_for, resolve
from lyricsep.remote import renamed

if TYPE_CHECKING:
    from lyricsep.inputs import SongFile
    from lyricsep.session import Job, Outcome

__all__ = ["transcribe"]

STDOUT = Path("-")


@with_options
def transcribe(
    songs: SongsArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results, created if missing; - prints the lyrics (as txt, or one --format).",
        ),
    ] = Path("lyrics"),
    formats: FormatsOption = None,
    *,
    options: TranscribeOptions,
    plot: PlotOption = None,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Transcribe songs into timed lyrics.

    Prints the path of every file it writes. The lyrics of an instrumental are empty. A song that fails does not stop
    the others, and the exit code is then 1.
    """
    show_logs(verbose=verbose)
    to_stdout = output == STDOUT
    wanted = chosen_formats(formats, to_stdout=to_stdout)
    plots = plot_suffixes(plot)
    if plots and to_stdout:
        raise ConfigError(f"--plot {plot}: --output - prints only lyrics; choose a folder for --output")
    plan = resolve(options)
    say(plan.summary)
    run = CommandRun(None if to_stdout else output, [*file_suffixes(wanted), *plots], overwrite=overwrite)
    found = run.find(songs, remote=True, offline=options.offline)
    jobs = _jobs(found, plan)

    from lyricsep.session import Session

    with run.recorded(new_manifest("transcribe", plan, formats=wanted, plot=plot), plan.weights):
        if not found:
            return
        with watching(len(found)) as progress:
            session = Session(plan, keep_signals=bool(plots), on_progress=progress)
            session.load()
            for outcome in session.stream(jobs):
                _take(outcome, run, wanted, plan)
                progress(outcome.path, "done", 1.0)


def _jobs(songs: Sequence[SongFile], plan: Plan) -> Iterator[Job | Outcome]:
    """Return the jobs of songs; remote ones are downloaded when they are asked for, and removed after."""
    from lyricsep.session import Job, Outcome

    # Read them before the work, so that a wrong name in a list fails at once.
    languages = [language_for(song.language, plan.model) for song in songs]

    def jobs() -> Iterator[Job | Outcome]:
        for song, language in zip(songs, languages, strict=True):
            try:
                with song.local_copy() as copy:
                    yield Job(copy.path, language, source=song)
            except LyricsepError as error:
                yield Outcome(Job(song.path, language, source=song), error=error)

    return jobs()


def _take(outcome: Outcome, run: CommandRun, formats: Sequence[str], plan: Plan) -> None:
    """Write the lyrics of a song, and its plots where its signals were kept; or print why there are none."""
    song, lyrics = outcome.job.source, outcome.lyrics
    if outcome.error:
        run.fail(song.name, renamed(outcome.error, outcome.path, song.name) if song.url else outcome.error)
        return
    # A file name may not be valid text; the title in a file must be.
    title = shown(Path(song.stem.name))
    try:
        for name, path in zip(formats, run.results(song), strict=False):
            write_lyrics(path, lyrics, name, overwrite=run.overwrite, title=title)
        if outcome.signals:
            draw_song(run.results(song)[len(formats) :], outcome, plan.segmentation, title, overwrite=run.overwrite)
    except LyricsepError as error:
        run.fail(song.name, error)
        return
    if run.output is None:
        typer.echo(render_lyrics(lyrics, formats[0], title=title), nl=False)
    n_doubtful = sum(bool(line.flags) for line in lyrics.lines)
    run.done(
        song,
        vocals_found=bool(lyrics.segments),
        language=lyrics.language,
        duration=lyrics.duration,
        lines=len(lyrics.lines),
        doubtful_lines=n_doubtful,
        seconds={stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
        damage=[asdict(damage) for damage in outcome.damage],
    )
    if n_doubtful:
        where = " (flags in the json)" if "json" in formats else ""
        say(f"{song.name}: {n_doubtful} of {len(lyrics.lines)} lines are doubtful{where}")
