"""`lyricsep karaoke`: songs to what is sung from: instrumental, karaoke subtitles and video."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.audio import SOUND_FORMATS
from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.known import LyricsOption, known_for
from lyricsep.cli.options import OutputOption, OverwriteOption, SongsArgument, VerboseOption, with_options
from lyricsep.cli.run import CommandRun
from lyricsep.cli.transcribe import song_jobs
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown, write_text
from lyricsep.formats.ass import render_ass
from lyricsep.lyrics import sung_only
from lyricsep.manifest import new_manifest
from lyricsep.plan import LibraryOptions, aligning, resolve
from lyricsep.remote import renamed

if TYPE_CHECKING:
    from lyricsep.session import Outcome
    from lyricsep.signals import Progress


@with_options
def karaoke(
    songs: SongsArgument,
    lyrics: LyricsOption = None,
    output: OutputOption = Path("karaoke"),
    sound_format: Annotated[
        str, typer.Option("--format", "-f", help=f"Format of the instrumental: {', '.join(SOUND_FORMATS)}.")
    ] = "wav",
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture behind the lyrics, which is darkened.", show_default="none", dir_okay=False),
    ] = None,
    font: Annotated[
        str | None,
        typer.Option(help="Font of the lyrics: a family, or a file.", show_default="one with all their letters"),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Also write one PNG per line, to look at.")] = False,
    *,
    options: LibraryOptions,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make karaoke of songs: instrumental, subtitles and video.

    Writes NAME.instrumental.wav, NAME.ass (the words swept, for players and editors) and NAME.mp4 (1920 x 1080,
    H.264 and AAC), and prints their paths. Songs are transcribed, or aligned with --lyrics, whose words are then
    right.
    """
    from lyricsep.karaoke import check_drawing

    show_logs(verbose=verbose)
    if sound_format not in SOUND_FORMATS:
        raise ConfigError(f"--format {sound_format}: choose from {', '.join(SOUND_FORMATS)}")
    if lyrics is None and options.aligner != LibraryOptions.aligner:
        raise ConfigError(f"--aligner {options.aligner}: nothing is aligned without --lyrics")
    check_drawing()
    style = Style(picture, font, preview=preview)
    style.check()
    plan = resolve(options if lyrics is None else aligning(options))
    say(plan.summary)
    run = CommandRun(output, [f".instrumental.{sound_format}", ".ass", ".mp4"], overwrite=overwrite)
    found = run.find(songs, remote=True, offline=plan.offline)
    known = [None] * len(found) if lyrics is None else known_for(found, lyrics)
    jobs = song_jobs(found, plan, known, [{"instrumental": run.results(song)[0]} for song in found])

    from lyricsep.session import Session

    chosen = {"format": sound_format, "picture": picture, "font": font}
    with run.recorded(new_manifest("karaoke", plan, **chosen), plan.weights):
        if not found:
            return
        with watching(len(found)) as progress:
            session = Session(plan, on_progress=progress)
            session.load()
            for outcome in session.stream(jobs):
                n_failed = run.n_failed
                _take(outcome, run, style, progress)
                progress(outcome.path, "done" if run.n_failed == n_failed else "failed", 1.0)


@dataclass(frozen=True)
class Style:
    """How the video looks, and whether pictures of it are wanted too."""

    picture: Path | None
    font: str | None
    preview: bool

    def check(self) -> None:
        """Fail before long work where picture or font are missing."""
        from lyricsep.karaoke import Painter, find_font

        Painter(find_font(self.font), self.picture)


def _take(outcome: Outcome, run: CommandRun, style: Style, progress: Progress) -> None:
    """Write the subtitles and the video of a song; or print why there are none."""
    from lyricsep.karaoke import LEAD_IN, Painter, find_font, make_pages, save_preview, write_video

    song, lyrics = outcome.job.source, sung_only(outcome.lyrics)
    if outcome.error:
        run.fail(song.name, renamed(outcome.error, outcome.path, song.name) if song.url else outcome.error)
        return
    title, artist = outcome.title or shown(Path(song.stem.name)), outcome.artist
    sound, subtitles, video = run.results(song)
    previews = []
    started = perf_counter()
    try:
        write_text(subtitles, render_ass(lyrics, title=title, lead_in=LEAD_IN), overwrite=run.overwrite)
        pages = make_pages(lyrics, title, artist)
        texts = {text.text for page in pages for text in page.rows.values()}
        painter = Painter(find_font(style.font, texts, song=song.name), style.picture)
        for number, line in enumerate(lyrics.lines if style.preview else (), start=1):
            previews.append(song.result(run.output, f".preview/{number:03d}.png"))
            middle = (line.start + line.end) / 2
            save_preview(previews[-1], pages, painter, middle, overwrite=run.overwrite)
        write_video(
            video,
            sound,
            pages,
            painter,
            title=title,
            artist=artist,
            overwrite=run.overwrite,
            on_progress=partial(progress, outcome.path, "drawing"),
        )
    except LyricsepError as error:
        run.fail(song.name, error)
        return
    drawing = {"drawing": perf_counter() - started}
    run.done(
        song,
        vocals_found=bool(lyrics.segments),
        language=lyrics.language,
        duration=lyrics.duration,
        lines=len(lyrics.lines),
        seconds={stage: round(seconds, 3) for stage, seconds in (outcome.seconds | drawing).items()},
        damage=[asdict(damage) for damage in outcome.damage],
    )
    for path in previews:
        typer.echo(path)
