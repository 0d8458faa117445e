"""`lyricsep segment`: songs to the spans in which somebody sings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    DeviceOption,
    FloorOption,
    MinSilenceOption,
    OfflineOption,
    OffsetOption,
    OnsetOption,
    OutputOption,
    OverwriteOption,
    PlotOption,
    QueryOption,
    SeparatorOption,
    SongsArgument,
    ThenOption,
    VerboseOption,
)
from lyricsep.cli.plots import draw_song, plot_suffixes
from lyricsep.cli.run import Run
from lyricsep.cli.settings import segmentation_of
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown, write_text
from lyricsep.formats import SEGMENT_FORMATS, render_segments, segments_suffix
from lyricsep.manifest import new_manifest
from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import find_separator

__all__ = ["segment"]


def segment(
    songs: SongsArgument,
    output: OutputOption = Path("segments"),
    file_format: Annotated[str, typer.Option("--format", "-f", help=f"{', '.join(SEGMENT_FORMATS)}.")] = "csv",
    separator: SeparatorOption = None,
    query: QueryOption = None,
    then: ThenOption = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Start from the published options: no floor, nothing taken for bleed.")
    ] = False,
    onset: OnsetOption = None,
    offset: OffsetOption = None,
    min_silence: MinSilenceOption = None,
    floor_db: FloorOption = None,
    plot: PlotOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Find when somebody sings.

    Separates the vocals (--separator none for files that are vocals already), then RMS-VAD. Segments are those
    that Whisper would decode, at most 30 s each. Prints every path it writes.
    """
    show_logs(verbose=verbose)
    if file_format not in SEGMENT_FORMATS:
        raise ConfigError(f"--format {file_format}: choose from {', '.join(SEGMENT_FORMATS)}")
    plots = plot_suffixes(plot)
    options = segmentation_of(
        PAPER if paper else RmsVadOptions(), onset=onset, offset=offset, min_silence=min_silence, floor_db=floor_db
    )

    from lyricsep.devices import choose_device, describe_device
    from lyricsep.pipeline import find_vocal_segments, hear
    from lyricsep.separators import create_separator

    chosen = choose_device(device)
    spec = find_separator(separator or PRESETS[preset_for(chosen)].separator)
    then_spec = find_separator(then) if then else None
    say(f"separator {spec.name} on {describe_device(chosen)}")
    run = Run(output, [segments_suffix(file_format), *plots], overwrite=overwrite)
    todo = run.find(songs)
    described = {
        "separator": spec.name,
        "query": query,
        "then": then,
        "segmentation": options,
        "format": file_format,
        "plot": plot,
    }
    weights = [*spec.files, *(then_spec.files if then_spec else ())]
    with run.recorded(new_manifest("segment", described, weights, describe_device(chosen))):
        if not todo:
            return
        separates = create_separator(spec, chosen, offline=offline, query=query, then=then_spec)
        with watching(len(todo)) as progress:
            for song in todo:
                started = perf_counter()
                try:
                    heard = hear(song.path, separates, on_progress=progress)
                    segments = find_vocal_segments(heard, options)
                    target, *drawn = run.results(song)
                    title = shown(Path(song.stem.name))
                    text = render_segments(segments, file_format, name=title, duration=heard.duration)
                    write_text(target, text, overwrite=overwrite)
                    draw_song(drawn, heard, segments, options, title=title, overwrite=overwrite)
                except LyricsepError as error:
                    run.fail(song.path, error)
                else:
                    run.done(
                        song,
                        vocals_found=bool(segments),
                        duration=heard.duration,
                        segments=len(segments),
                        seconds={"segment": round(perf_counter() - started, 3)},
                        damage=[asdict(damage) for damage in heard.damage],
                    )
                progress(song.path, "done", 1.0)
