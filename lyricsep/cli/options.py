"""Options that mean the same in every command, and flags derived from the options classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from lyricsep.errors import ConfigError
from lyricsep.formats import FORMATS
from lyricsep.plan import SeparateOptions, about
from lyricsep.reports.figures import PLOT_FORMATS

_SHORT = {"language": "-l"}
_VARIABLES = {"offline": "LYRICSEP_OFFLINE"}
_SHARED = about(SeparateOptions)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Derive the flags of a command: a parameter that is an options class becomes a flag for each of its fields.

    Names, defaults, ranges and help come from the class (`lyricsep.plan.About`); the command gets an instance of it.
    """
    hints = get_type_hints(command, include_extras=True)
    classes = {name: hint for name, hint in hints.items() if hasattr(hint, "__dataclass_fields__")}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in classes:
            parameters += _flags(classes[parameter.name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY  # as Typer calls commands
            parameters.append(parameter.replace(annotation=hints[parameter.name], kind=kind))

    @wraps(command)
    def derived(**values: Any) -> None:
        for name, options in classes.items():
            given = {each.name: values.pop(each.name) for each in fields(options)}
            values[name] = _made(options, given)
        command(**values)

    derived.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    derived.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return derived


def _flags(options: Any) -> list[inspect.Parameter]:
    hints, described = get_type_hints(options), about(options)
    parameters = []
    for each in fields(options):
        option = described[each.name]
        flag = f"--{each.name.replace('_', '-')}"
        kind = str if _numbers(hints[each.name]) else hints[each.name]
        shown = option.default or (each.default is not None and each.default is not False)
        info = typer.Option(
            flag,
            *([_SHORT[each.name]] if each.name in _SHORT else []),
            help=option.help,
            min=option.min,
            max=option.max,
            show_default=shown,
            envvar=_VARIABLES.get(each.name),
        )
        if kind is str and hints[each.name] is not str:
            kind = str | None
        default = inspect.Parameter.empty if each.default is MISSING else each.default
        parameters.append(
            inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
            )
        )
    return parameters


def _made(options: Any, given: dict[str, Any]) -> Any:
    hints = get_type_hints(options)
    for name, value in given.items():
        number = _numbers(hints[name])
        if number and isinstance(value, str):
            given[name] = _read_numbers(name, value, number)
    try:
        return options(**given)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _numbers(hint: Any) -> type[int] | type[float] | None:
    """Return the type of the numbers that an option holds several of; None for other options."""
    for part in get_args(hint) if get_origin(hint) is UnionType else (hint,):
        if get_origin(part) is Sequence:
            (number,) = get_args(part)
            return number if number in (int, float) else None
    return None


def _read_numbers(name: str, text: str, number: type[int] | type[float]) -> tuple[float, ...]:
    """Read comma-separated numbers; a single 0 of whole numbers stands for none."""
    if number is int and text.strip() == "0":
        return ()
    try:
        return tuple(number(part) for part in text.split(","))
    except ValueError as error:
        kind = "whole numbers such as 8,3, or 0 for none" if number is int else "numbers such as 0,0.2,0.4"
        raise ConfigError(f"--{name.replace('_', '-')} {text}: expected {kind}") from error


_LOCAL_SONGS = (
    "Audio or video files, folders (searched recursively), quoted patterns such as 'albums/**/*.flac', or lists: a "
    ".txt with one path per line, a playlist (.m3u, .m3u8, .pls, .cue), or a .csv, .tsv or .parquet with a column "
    "path and, optionally, id (name of the results), language and lyrics (a file)."
)
LocalSongsArgument = Annotated[list[str], typer.Argument(metavar="SONG", help=_LOCAL_SONGS, show_default=False)]
SongsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SONG",
        help=f"{_LOCAL_SONGS} Any of them may be a URL (s3://..., https://...), except lists.",
        show_default=False,
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; created if missing.")]
ResultsArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Folder of lyrics: the --output of a run, or any other.", show_default=False),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="Reference lyrics to compare with: a file, a folder, or a dataset.",
        show_default="none",
    ),
]
ReferenceLanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", help="Language of references that do not state it.", show_default="required"),
]
SongsFolderOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the songs, which have the names of their lyrics.",
        show_default="where the run found them",
        file_okay=False,
    ),
]
VocalsFolderOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of vocals, as `lyricsep separate` writes them.",
        show_default="next to the lyrics or the songs",
        file_okay=False,
    ),
]
FormatsOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help=f"Comma-separated formats: {', '.join(FORMATS)}.",
        show_default="txt,lrc,json",
    ),
]
DeviceOption = Annotated[str, typer.Option(help=_SHARED["device"].help)]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help=_SHARED["offline"].help, envvar=_VARIABLES["offline"])]
PlotOption = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FORMAT",
        help=f"Also plot each song and its spectrograms, in this format: {', '.join(PLOT_FORMATS)}.",
        show_default="no plots",
    ),
]
KeepStemsOption = Annotated[
    bool, typer.Option("--keep-stems", help="Also write NAME.vocals.wav and NAME.accompaniment.wav.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what each stage did and how long it took.")
]
LanguagesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        "-l",
        help="Only songs in this language (en, fr, ...); repeatable. The first is also the language of the songs of "
        "a plain folder.",
        show_default="all",
    ),
]
SongOption = Annotated[
    list[str] | None,
    typer.Option(help="Only this song, by its name or a part of it; repeatable.", show_default="all"),
]
SplitOption = Annotated[str | None, typer.Option(help="Only this split: test or train.", show_default="all")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many songs.", show_default="all")]
MusdbOption = Annotated[
    Path | None,
    typer.Option(
        "--musdb18hq",
        help="Folder of MUSDB18-HQ, which has the audio of MUSDB-ALT.",
        show_default="none",
        file_okay=False,
    ),
]
