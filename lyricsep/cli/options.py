"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lyricsep.formats import FORMATS
from lyricsep.presets import PRESETS
from lyricsep.reports.figures import PLOT_FORMATS
from lyricsep.transcribers import BACKENDS

__all__ = [
    "BatchSizeOption",
    "BeamSizeOption",
    "DeviceOption",
    "FloorOption",
    "FormatsOption",
    "LanguageOption",
    "LanguagesOption",
    "LimitOption",
    "MinSilenceOption",
    "MixBackOption",
    "ModelOption",
    "MusdbOption",
    "NativeOption",
    "NoRepeatOption",
    "OfflineOption",
    "OffsetOption",
    "OnsetOption",
    "OutputOption",
    "OverwriteOption",
    "PlotOption",
    "PresetOption",
    "QueryOption",
    "ReferenceOption",
    "ResultsArgument",
    "SeedOption",
    "SeparatorOption",
    "SongsArgument",
    "SongsFolderOption",
    "SplitOption",
    "TemperaturesOption",
    "ThenOption",
    "TimestampsOption",
    "TranscriberOption",
    "VerboseOption",
    "VocalsFolderOption",
    "WordTimesOption",
]

SongsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SONG...",
        help="Audio or video files, folders (searched to the bottom), quoted patterns such as 'albums/**/*.flac', or "
        "lists: a .txt with a path a line, or a .csv, .tsv or .parquet with columns path, id and language; or URLs "
        "of songs, folders and patterns (s3://..., https://...).",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the results; made when missing.", file_okay=False)
]
ResultsArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Lyrics: the --output of a run, or any folder of them.", show_default=False),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="What was sung, to compare with: a file of lyrics, a folder of them, or a dataset.",
        show_default="none",
    ),
]
SongsFolderOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the songs, which are called as their lyrics.",
        show_default="where the run found them",
        file_okay=False,
    ),
]
VocalsFolderOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of vocals, as `lyricsep separate` writes them.",
        show_default="beside the lyrics or the songs",
        file_okay=False,
    ),
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        help="Who separates the vocals: a name of `lyricsep models list`; `none` for the mixture itself, `stems` for "
        "vocals that lie beside the song, or the path of an entry of your own (.toml).",
        show_default="the preset's",
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option(help="What to separate, for separators that take a query.", show_default="its own: singing voice"),
]
ThenOption = Annotated[
    str | None,
    typer.Option(
        help="A second model, for the vocals of the first: to part a duet (mossformer2), or restore them (apollo).",
        show_default="none",
    ),
]
FormatsOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help=f"Formats, with commas between: {', '.join(FORMATS)}.",
        show_default="txt,lrc,json; for --output -: txt",
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", help="Language of the songs (en, fr, ...).", show_default="voted by each song"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Never open a connection.", envvar="LYRICSEP_OFFLINE")]
PlotOption = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FORMAT",
        help=f"Also draw each song, and its spectrograms: {', '.join(PLOT_FORMATS)}.",
        show_default="no",
    ),
]
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
PresetOption = Annotated[
    str | None,
    typer.Option(
        help="; ".join(
            f"{name}: {preset.summary} ({preset.separator} + {preset.model})" for name, preset in PRESETS.items()
        ),
        show_default="what the hardware can bear",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="Whisper model: a name of `lyricsep models list`, or the path of one of your own: a checkpoint of "
        "openai-whisper (.pt) or a CTranslate2 folder.",
        show_default="the preset's",
    ),
]
TranscriberOption = Annotated[
    str | None,
    typer.Option(help=f"Who runs Whisper: {' or '.join(BACKENDS)}.", show_default="the quickest that is installed"),
]
MixBackOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of the accompaniment mixed back into the vocals that Whisper hears; 0 is the vocals alone, 1 "
        "the mixture.",
        show_default="0.3; paper: 0",
    ),
]
BeamSizeOption = Annotated[
    int | None, typer.Option(min=1, help="Beams of Whisper's search; 1 is greedy.", show_default="5")
]
BatchSizeOption = Annotated[
    int | None, typer.Option(min=1, help="Segments decoded together.", show_default="the preset's")
]
SeedOption = Annotated[
    int | None, typer.Option(help="Start of the random numbers of temperatures above 0.", show_default="0")
]
NoRepeatOption = Annotated[
    str | None,
    typer.Option(
        help="Decode a segment that repeats itself again with no so many tokens in a row twice; several sizes, with "
        "commas between, are tried in turn. 0: leave it.",
        show_default="8,3; 0 with --native",
    ),
]
TemperaturesOption = Annotated[
    str | None,
    typer.Option(
        help="Temperatures, with commas between: of the first attempt and of more where --no-repeat has not helped; "
        "above 0 words are drawn.",
        show_default="0; Whisper's own with --native",
    ),
]
TimestampsOption = Annotated[
    bool | None,
    typer.Option(
        "--timestamps/--no-timestamps",
        help="Let Whisper time its own phrases and make them the lines; without, lines come from aligned words.",
        show_default="no",
    ),
]
WordTimesOption = Annotated[
    bool, typer.Option("--word-times", help="Also write the time of every word (json, elrc, vtt, ass, textgrid).")
]
NativeOption = Annotated[
    bool, typer.Option("--native", help="No segmentation: Whisper's own 30 s windows over the whole song.")
]
