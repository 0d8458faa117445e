"""`lyricsep segment`: songs to the spans in which somebody sings."""

from __future__ import annotations

from pathlib import Path
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
    SeparatorOption,
    SongsArgument,
    VerboseOption,
)
from lyricsep.cli.transcribe import segmentation_of
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import check_writable, shown, write_text
from lyricsep.formats import SEGMENT_FORMATS, render_segments
from lyricsep.inputs import find_songs
from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import find_separator

__all__ = ["segment"]

SUFFIXES = {"csv": ".segments.csv", "json": ".segments.json", "audacity": ".segments.txt"}


def segment(
    songs: SongsArgument,
    output: OutputOption = Path("segments"),
    file_format: Annotated[str, typer.Option("--format", "-f", help=f"{', '.join(SEGMENT_FORMATS)}.")] = "csv",
    separator: SeparatorOption = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Start from the published options: no floor, nothing taken for bleed.")
    ] = False,
    onset: OnsetOption = None,
    offset: OffsetOption = None,
    min_silence: MinSilenceOption = None,
    floor_db: FloorOption = None,
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
    options = segmentation_of(
        PAPER if paper else RmsVadOptions(), onset=onset, offset=offset, min_silence=min_silence, floor_db=floor_db
    )
    found = find_songs(songs)
    check_writable(output)

    from lyricsep.devices import choose_device, describe_device
    from lyricsep.pipeline import find_vocal_segments, hear
    from lyricsep.separators import create_separator

    chosen = choose_device(device)
    spec = find_separator(separator or PRESETS[preset_for(chosen)].separator)
    say(f"separator {spec.name}, {describe_device(chosen)}")
    separates = create_separator(spec, chosen, offline=offline)
    n_failed = 0
    with watching(len(found)) as progress:
        for song in found:
            target = song.result(output, SUFFIXES[file_format])
            try:
                segments = find_vocal_segments(hear(song.path, separates, on_progress=progress), options)
                write_text(target, render_segments(segments, file_format), overwrite=overwrite)
                typer.echo(target)
                if not segments:
                    say(f"{shown(song.path)}: no vocals were found")
            except LyricsepError as error:
                n_failed += 1
                say(f"failed: {error}")
            progress(song.path, "done", 1.0)
    if n_failed:
        raise typer.Exit(1)
