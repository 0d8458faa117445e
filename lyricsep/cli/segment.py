"""`lyricsep segment`: songs to sung segments."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    LocalSongsArgument,
    OutputOption,
    OverwriteOption,
    PlotOption,
    VerboseOption,
    with_options,
)
from lyricsep.cli.plots import draw_song, plot_suffixes
from lyricsep.cli.run import CommandRun
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown, write_text
from lyricsep.formats import SEGMENT_FORMATS, render_segments, segments_suffix
from lyricsep.manifest import new_manifest
from lyricsep.plan import SegmentOptions, resolve


@with_options
def segment(
    songs: LocalSongsArgument,
    output: OutputOption = Path("segments"),
    file_format: Annotated[
        str, typer.Option("--format", "-f", help=f"Format of the segments: {', '.join(SEGMENT_FORMATS)}.")
    ] = "csv",
    *,
    options: SegmentOptions,
    plot: PlotOption = None,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Find the sung segments of songs.

    Separates the vocals (use --separator none for files that are vocals already) and segments them by their energy
    (RMS-VAD). The segments are those that Whisper would decode, at most 30 s each. Prints every path it writes.
    """
    show_logs(verbose=verbose)
    if file_format not in SEGMENT_FORMATS:
        raise ConfigError(f"--format {file_format}: choose one of {', '.join(SEGMENT_FORMATS)}")
    plots = plot_suffixes(plot)
    plan = resolve(options)
    run = CommandRun(output, [segments_suffix(file_format), *plots], overwrite=overwrite)
    say(plan.summary)
    todo = run.find(songs)

    from lyricsep.session import Job, Session

    with run.recorded(new_manifest("segment", plan, format=file_format, plot=plot), plan.weights):
        if not todo:
            return
        with watching(len(todo)) as progress:
            session = Session(plan, keep_signals=True, on_progress=progress)
            session.load()
            for outcome in session.stream(Job(song.path, source=song) for song in todo):
                song, signals = outcome.job.source, outcome.signals
                try:
                    outcome.unwrap()
                    if signals is None or outcome.segments is None:
                        raise ValueError("a plan that segments gives segments")
                    target, *drawn = run.results(song)
                    title = shown(Path(song.stem.name))
                    text = render_segments(outcome.segments, file_format, name=title, duration=signals.duration)
                    write_text(target, text, overwrite=overwrite)
                    draw_song(drawn, outcome, plan.segmentation, title, overwrite=overwrite)
                except LyricsepError as error:
                    run.fail(song.path, error)
                    progress(song.path, "failed", 1.0)
                else:
                    run.done(
                        song,
                        vocals_found=bool(outcome.segments),
                        duration=signals.duration,
                        segments=len(outcome.segments),
                        seconds={stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
                        damage=[asdict(damage) for damage in outcome.damage],
                    )
                    progress(song.path, "done", 1.0)
