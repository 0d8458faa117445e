"""`lyricsep separate`: songs to vocals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    DeviceOption,
    OfflineOption,
    OutputOption,
    OverwriteOption,
    SeparatorOption,
    SongsArgument,
    VerboseOption,
)
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import check_writable
from lyricsep.inputs import find_songs
from lyricsep.presets import PRESETS, preset_for
from lyricsep.separators import find_separator

__all__ = ["separate"]

FORMATS = ("wav", "flac")


def separate(
    songs: SongsArgument,
    output: OutputOption = Path("vocals"),
    file_format: Annotated[str, typer.Option("--format", "-f", help="wav (32 bit float) or flac (24 bit).")] = "wav",
    separator: SeparatorOption = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Chunks separated together.", show_default="1 on a CPU, else 8")
    ] = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Separate the vocals of songs.

    Writes NAME.vocals.wav at the song's own rate, channels, length and level, and prints every path it writes.
    """
    show_logs(verbose=verbose)
    if file_format not in FORMATS:
        raise ConfigError(f"--format {file_format}: choose from {', '.join(FORMATS)}")
    found = find_songs(songs)
    check_writable(output)

    from lyricsep.devices import choose_device, describe_device
    from lyricsep.pipeline import save_vocals
    from lyricsep.separators import create_separator

    chosen = choose_device(device)
    spec = find_separator(separator or PRESETS[preset_for(chosen)].separator)
    say(f"separator {spec.name}, {describe_device(chosen)}")
    separates = create_separator(spec, chosen, batch_size=batch_size, offline=offline)
    n_failed = 0
    with watching(len(found)) as progress:
        for song in found:
            target = song.result(output, f".vocals.{file_format}")
            try:
                save_vocals(song.path, target, separates, overwrite=overwrite, on_progress=progress)
                typer.echo(target)
            except LyricsepError as error:
                n_failed += 1
                say(f"failed: {error}")
            progress(song.path, "done", 1.0)
    if n_failed:
        raise typer.Exit(1)
