"""`lyricsep transcribe`: songs to timed lyrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    FormatsOption,
    KeepStemsOption,
    OverwriteOption,
    PlotOption,
    SongsArgument,
    VerboseOption,
    with_options,
)
from lyricsep.cli.plots import draw_song, plot_suffixes
from lyricsep.cli.run import CommandRun
from lyricsep.cli.settings import STDOUT, chosen_formats, languages_of
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown
from lyricsep.formats import file_suffixes, render_lyrics, warn_left_out, write_lyrics
from lyricsep.lyrics import NOT_SUNG, clock
from lyricsep.manifest import new_manifest
from lyricsep.plan import Plan, TranscribeOptions, resolve
from lyricsep.remote import renamed

if TYPE_CHECKING:
    from lyricsep.aligners import KnownLyrics
    from lyricsep.inputs import SongFile
    from lyricsep.session import Job, Outcome

LyricsOutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder for the results, created if missing; - prints the lyrics (as txt, or one --format).",
    ),
]


@with_options
def transcribe(
    songs: SongsArgument,
    output: LyricsOutputOption = Path("lyrics"),
    formats: FormatsOption = None,
    *,
    options: TranscribeOptions,
    plot: PlotOption = None,
    keep_stems: KeepStemsOption = False,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Transcribe songs into timed lyrics.

    Prints the path of every file it writes. The lyrics of an instrumental are empty. A song that fails does not stop
    the others, and the exit code is then 1.
    """
    wanted = Wanted(output, formats, plot, keep_stems=keep_stems, overwrite=overwrite, verbose=verbose)
    make_lyrics("transcribe", songs, resolve(options), wanted)


@dataclass(frozen=True)
class Wanted:
    """What a command writes and shows, as its flags say."""

    output: Path
    formats: str | None
    plot: str | None
    keep_stems: bool
    overwrite: bool
    verbose: bool


def make_lyrics(
    command: str,
    names: Sequence[str],
    plan: Plan,
    wanted: Wanted,
    known: Callable[[Sequence[SongFile]], Sequence[KnownLyrics | LyricsepError]] | None = None,
) -> None:
    """Transcribe or align songs, and write their lyrics.

    Parameters
    ----------
    command : str
        For the manifest.
    names : sequence of str
        Of the songs, as `lyricsep.inputs.find_songs` takes them.
    plan : Plan
        What to do.
    wanted : Wanted
        What to write.
    known : callable, optional
        Returns the lyrics of each song, or why there are none, for a plan that aligns.
    """
    show_logs(verbose=wanted.verbose)
    to_stdout = wanted.output == STDOUT
    formats = chosen_formats(wanted.formats, to_stdout=to_stdout)
    plots = plot_suffixes(wanted.plot)
    if plots and to_stdout:
        raise ConfigError(f"--plot {wanted.plot}: --output - prints only lyrics; choose a folder for --output")
    if wanted.keep_stems and to_stdout:
        raise ConfigError("--keep-stems: --output - prints only lyrics; choose a folder for --output")
    stems = ("vocals", "accompaniment") if wanted.keep_stems else ()
    suffixes = [*file_suffixes(formats), *plots, *(f".{name}.wav" for name in stems)]
    run = CommandRun(None if to_stdout else wanted.output, suffixes, overwrite=wanted.overwrite)
    say(plan.summary)
    found = run.find(names, remote=True, offline=plan.offline)
    targets = [dict(zip(stems, run.results(song)[len(formats) + len(plots) :], strict=True)) for song in found]
    jobs = song_jobs(found, plan, known(found) if known else [None] * len(found), targets)

    from lyricsep.session import Session

    with run.recorded(new_manifest(command, plan, formats=formats, plot=wanted.plot), plan.weights):
        if not found:
            return
        with watching(len(found)) as progress:
            session = Session(plan, keep_signals=bool(plots), on_progress=progress)
            session.load()
            for outcome in session.stream(jobs):
                n_failed = run.n_failed
                _take(outcome, run, formats, plan)
                progress(outcome.path, "done" if run.n_failed == n_failed else "failed", 1.0)


def song_jobs(
    songs: Sequence[SongFile],
    plan: Plan,
    known: Sequence[KnownLyrics | LyricsepError | None],
    stems: Sequence[Mapping[str, Path]],
) -> Iterator[Job | Outcome]:
    """Return the jobs of songs; remote ones are downloaded when they are asked for, and removed after.

    Parameters
    ----------
    songs : sequence of SongFile
        The source of each job.
    plan : Plan
        What to do.
    known : sequence of KnownLyrics, LyricsepError or None
        The lyrics of each song, why there are none, or None for songs that are transcribed.
    stems : sequence of mapping
        Files for the stems of each song, as `lyricsep.session.Job` takes them.
    """
    from lyricsep.session import Job, Outcome

    # Read them before the work, so that a wrong name in a list fails at once.
    languages = languages_of(songs, plan.model)

    def jobs() -> Iterator[Job | Outcome]:
        for song, language, lyrics, files in zip(songs, languages, known, stems, strict=True):
            try:
                if isinstance(lyrics, LyricsepError):
                    raise lyrics
                with song.local_copy() as copy:
                    yield Job(copy.path, language, source=song, known=lyrics, stems=files)
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
    title, artist = outcome.title or shown(Path(song.stem.name)), outcome.artist
    try:
        for name, path in zip(formats, run.results(song), strict=False):
            write_lyrics(path, lyrics, name, overwrite=run.overwrite, title=title, artist=artist)
        if outcome.signals:
            plots = [path for path in run.results(song)[len(formats) :] if path not in outcome.job.stems.values()]
            draw_song(plots, outcome, plan.segmentation, title, overwrite=run.overwrite)
    except LyricsepError as error:
        run.fail(song.name, error)
        return
    if run.output is None:
        typer.echo(render_lyrics(lyrics, formats[0], title=title, artist=artist), nl=False)
    n_unsung = sum(NOT_SUNG in line.flags for line in lyrics.lines)
    n_doubtful = sum(bool(line.flags) for line in lyrics.lines) - n_unsung
    run.done(
        song,
        vocals_found=bool(lyrics.segments),
        language=lyrics.language,
        duration=lyrics.duration,
        lines=len(lyrics.lines),
        doubtful_lines=n_doubtful + n_unsung,
        seconds={stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
        damage=[asdict(damage) for damage in outcome.damage],
    )
    warn_left_out(lyrics, formats, song.name)
    if n_doubtful:
        where = " (flags in the json)" if "json" in formats else ""
        say(f"{song.name}: {n_doubtful} of {len(lyrics.lines)} lines are doubtful{where}")
    for line in lyrics.lines:
        if NOT_SUNG in line.flags:
            say(f"{song.name}: not sung, so without a time: {line.text}")
    for line in lyrics.unwritten:
        say(f"{song.name}: sung at {clock(line.start)}, but not in its lyrics: {line.text}")
