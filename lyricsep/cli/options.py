"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DeviceOption",
    "FloorOption",
    "LanguageOption",
    "LanguagesOption",
    "LimitOption",
    "MinSilenceOption",
    "MusdbOption",
    "OfflineOption",
    "OffsetOption",
    "OnsetOption",
    "OutputOption",
    "OverwriteOption",
    "QueryOption",
    "SeparatorOption",
    "SongsArgument",
    "SplitOption",
    "ThenOption",
    "VerboseOption",
]

SongsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SONG...",
        help="Audio or video files, folders (searched to the bottom), or quoted patterns such as 'albums/**/*.flac'.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the results; made when missing.", file_okay=False)
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        help="Who separates the vocals: a name of `lyricsep models list`; `none` for the mixture itself, `stems` for "
        "vocals that lie beside the song, or the path of a recipe (.toml).",
        show_default="the preset's",
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option(help="What to separate, for separators that take a query.", show_default="its own: singing voice"),
]
ThenOption = Annotated[
    str | None,
    typer.Option(help="A second separator, for the vocals of the first: to part a duet, say.", show_default="none"),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", help="Language of the songs (en, fr, ...).", show_default="voted by each song"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Never open a connection.", envvar="LYRICSEP_OFFLINE")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what each stage did and how long it took.")
]
OnsetOption = Annotated[
    float | None,
    typer.Option(
        min=0.001, max=1.0, help="Level that starts a segment, as a share of the loudest.", show_default="0.1"
    ),
]
OffsetOption = Annotated[
    float | None,
    typer.Option(min=0.001, max=1.0, help="Level below which a segment may end.", show_default="0.1"),
]
MinSilenceOption = Annotated[
    float | None, typer.Option(min=0.0, help="Seconds of silence that end a segment.", show_default="1.0")
]
FloorOption = Annotated[
    float | None,
    typer.Option(help="Level in dBFS under which nothing counts as sung.", show_default="-40"),
]
LanguagesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        "-l",
        help="Only songs in this language (en, fr, ...); may be repeated. The first is also the language of a plain "
        "folder's songs.",
        show_default="all",
    ),
]
SplitOption = Annotated[str | None, typer.Option(help="Only this split: test or train.", show_default="all")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only that many songs.", show_default="all")]
MusdbOption = Annotated[
    Path | None,
    typer.Option(
        "--musdb18hq", help="Folder of MUSDB18-HQ, for the audio of MUSDB-ALT.", show_default="none", file_okay=False
    ),
]
