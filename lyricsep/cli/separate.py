"""`lyricsep separate`: songs to vocals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    DeviceOption,
    OfflineOption,
    OutputOption,
    OverwriteOption,
    QueryOption,
    SeparatorOption,
    SongsArgument,
    ThenOption,
    VerboseOption,
)
from lyricsep.cli.run import Run
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.manifest import new_manifest
from lyricsep.presets import PRESETS, preset_for
from lyricsep.separators import find_separator

__all__ = ["separate"]

FORMATS = ("wav", "flac")


def separate(
    songs: SongsArgument,
    output: OutputOption = Path("vocals"),
    file_format: Annotated[str, typer.Option("--format", "-f", help="wav (32 bit float) or flac (24 bit).")] = "wav",
    separator: SeparatorOption = None,
    query: QueryOption = None,
    then: ThenOption = None,
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

    from lyricsep.devices import choose_device, describe_device
    from lyricsep.pipeline import save_vocals
    from lyricsep.separators import Chain, create_separator

    chosen = choose_device(device)
    spec = find_separator(separator or PRESETS[preset_for(chosen)].separator)
    then_spec = find_separator(then) if then else None
    say(f"separator {spec.name} on {describe_device(chosen)}")
    run = Run(output, [f".vocals.{file_format}"], overwrite=overwrite)
    todo = run.find(songs)
    described = {"separator": spec.name, "query": query, "then": then, "format": file_format}
    weights = [*spec.files, *(then_spec.files if then_spec else ())]
    with run.recorded(new_manifest("separate", described, weights, describe_device(chosen))):
        if not todo:
            return
        separates = create_separator(spec, chosen, batch_size=batch_size, offline=offline, query=query)
        if then_spec:
            separates = Chain(separates, create_separator(then_spec, chosen, offline=offline))
        with watching(len(todo)) as progress:
            for song in todo:
                started = perf_counter()
                try:
                    (target,) = run.results(song)
                    damage = save_vocals(song.path, target, separates, overwrite=overwrite, on_progress=progress)
                except LyricsepError as error:
                    run.fail(song.path, error)
                else:
                    run.done(
                        song,
                        seconds={"separate": round(perf_counter() - started, 3)},
                        damage=[asdict(one) for one in damage],
                    )
                progress(song.path, "done", 1.0)
