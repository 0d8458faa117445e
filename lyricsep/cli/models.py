"""`lyricsep models`: list, show, download, verify and convert models."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.catalogs import look_up
from lyricsep.cli.console import in_flags, say, show_logs
from lyricsep.cli.options import JsonOption, OfflineOption, OverwriteOption, VerboseOption
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import file_digest, is_there, shown
from lyricsep.presets import PRESETS
from lyricsep.separators import SeparatorSpec, find_separator, separator_catalog
from lyricsep.separators.bridge import environment_variable, has_environment
from lyricsep.tables import Table
from lyricsep.transcribers import WhisperSpec, find_model, model_catalog
from lyricsep.transcribers.catalog import ALIASES
from lyricsep.weights import WeightFile, check_file, convert_checkpoint, fetch, is_available_offline, pinned

models = typer.Typer(help="List, show, download and check models.", no_args_is_help=True)

Spec = SeparatorSpec | WhisperSpec

COLUMNS = 80  # of the list
WHISPER = "whisper"  # family and kind of every Whisper model

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name from `lyricsep models list`, or the path of a catalogue entry (.toml) or a Whisper model.",
    ),
]


@models.command("list")
def list_models(
    family: Annotated[
        str | None, typer.Option(help="Only this family: demucs, exec, whisper, ...", show_default="all")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Only licences that contain this text: MIT, NC, ...", show_default="all")
    ] = None,
    installed: Annotated[bool, typer.Option("--installed", help="Only models that run without a download.")] = False,
    vocals: Annotated[bool, typer.Option("--vocals", help="Only separators that output the vocals.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List separators and Whisper models.

    Shows what is recommended for which hardware; whether each is installed, its licence, and why it cannot be used,
    if so.
    """
    everything: list[Spec] = [*separator_catalog().values(), *model_catalog().values()]
    families = sorted({_family(spec) for spec in everything})
    if family is not None and family.casefold() not in map(str.casefold, families):
        raise ConfigError(f"no family is called {family!r}; choose from {', '.join(families)}")
    specs = [
        spec
        for spec in everything
        if (family is None or family.casefold() == _family(spec).casefold())
        and (licence is None or licence.casefold() in _licence(spec).casefold())
        and (not installed or _is_installed(spec))
        and (not vocals or (isinstance(spec, SeparatorSpec) and spec.vocals))
    ]
    if as_json:
        typer.echo(json.dumps([_described(spec) for spec in specs], ensure_ascii=False, indent=2))
        return
    separators = [spec for spec in specs if isinstance(spec, SeparatorSpec)]
    others = [spec for spec in specs if isinstance(spec, WhisperSpec)]
    everything_is_shown = not (family or licence or installed or vocals)
    tables = [_recommended()] if everything_is_shown else []
    tables += [_models("Separators (--separator)", separators), _models("Whisper models (--model)", others)]
    typer.echo("\n".join(table for table in tables if table), nl=False)
    if not specs:
        say("no matching models; `lyricsep models list` without options shows all")


@models.command("show")
def show_model(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show the licence, status and files of a model.

    Also shows its citation, and how to set it up.
    """
    spec = _find(name)
    described = _described(spec)
    if as_json:
        typer.echo(json.dumps(described, ensure_ascii=False, indent=2))
        return
    for key, value in described.items():
        if key not in ("setup", "settings", "files") and value not in ("", None, []):
            typer.echo(f"{key + ':':<16}{_in_words(value)}")
    for key, setting in spec.settings.items() if isinstance(spec, SeparatorSpec) else ():
        typer.echo(f"{'setting:':<16}{key} = {json.dumps(setting, ensure_ascii=False)}")
    for file in spec.files:
        size = "" if file.size is None else f", {file.size / 1e6:.0f} MB"
        state = "installed" if is_available_offline(file) else "needs download"
        typer.echo(f"{'file:':<16}{file.name} ({state}{size}; sha256 {_hash(file)})")
        for source in file.sources:
            typer.echo(f"{'':<16}  {source}")
    if described.get("setup"):
        typer.echo(f"\n{described['setup']}", nl=False)


@models.command("pull")
def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names from `lyricsep models list`.")],
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Download and verify the weights of models.

    Prints their paths.
    """
    show_logs(verbose=verbose)
    failed = False
    for spec in [_find(name) for name in names]:
        try:
            for file in spec.files:
                typer.echo(fetch(file, offline=offline))
        except LyricsepError as error:
            failed = True
            say(f"failed: {in_flags(error)}")
    if failed:
        raise typer.Exit(1)


@models.command("verify")
def verify_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Names from `lyricsep models list`.", show_default="all installed"),
    ] = None,
) -> None:
    """Verify installed weights.

    Prints one line per problem; the exit code is 1 if there are any.
    """
    specs = [_find(name) for name in names or (*separator_catalog(), *model_catalog())]
    files = {(file.name, file.sources): file for spec in specs for file in _known_files(spec)}
    problems = []
    n_checked = 0
    for file in files.values():
        problem = check_file(file)
        if problem is not None:
            n_checked += 1
            problems += [problem] if problem else []
    if names:
        # Of a model that is named, every file is expected.
        problems += [
            f"{spec.name}: {file.name} is not installed; run `lyricsep models pull {spec.name}`"
            for spec in specs
            for file in spec.files
            if check_file(file) is None and not is_available_offline(file)
        ]
    for problem in problems:
        typer.echo(problem)
    say(f"files checked: {n_checked}, problems: {len(problems)}")
    if problems:
        raise typer.Exit(1)


@models.command("convert")
def convert_model(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help="Checkpoint written by torch.save: .pth, .pt, .th, .ckpt, ..."),
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write: NAME.safetensors.")],
    sha256: Annotated[
        str,
        typer.Option(help="Expected SHA-256 of the checkpoint: 64 hexadecimal digits.", show_default="not checked"),
    ] = "",
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle", help="Unpickle a checkpoint that asks to run code; use only for a source you trust."
        ),
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Convert a pickled checkpoint to safetensors.

    A safetensors file cannot run code. Prints the [[files]] table for your own catalogue entry (--separator
    ./mine.toml).
    """
    n_tensors = convert_checkpoint(
        checkpoint, target, sha256=sha256.lower(), allow_pickle=allow_pickle, overwrite=overwrite
    )
    digest, size = file_digest(target)
    say(f"{shown(target)}: {n_tensors} tensors")
    name = json.dumps(target.name, ensure_ascii=False)
    typer.echo(
        f'[[files]]\nname = {name}\nsha256 = "{digest}"\nsize = {size}\n'
        f"sources = [{json.dumps('file:' + target.name, ensure_ascii=False)}]"
    )


def _find(name: str) -> Spec:
    if name in separator_catalog():
        return separator_catalog()[name]  # including those that cannot be selected
    if name in model_catalog() or name in ALIASES:
        return find_model(name)
    aliases = {alias for spec in separator_catalog().values() for alias in spec.aliases}
    if name.endswith(".toml") or name.startswith("uvr:") or name in aliases:
        return find_separator(name)
    if name.endswith(".pt") or "/" in name or is_there(Path(name)):
        return find_model(name)
    every: dict[str, Spec] = {**separator_catalog(), **model_catalog()}
    return look_up(every, name, "model")


def _family(spec: Spec) -> str:
    return spec.family if isinstance(spec, SeparatorSpec) else WHISPER


def _licence(spec: Spec) -> str:
    if isinstance(spec, SeparatorSpec):
        return spec.licence
    return "MIT" if model_catalog().get(spec.name) is spec else "-"


def _known_files(spec: Spec) -> Sequence[WeightFile]:
    if isinstance(spec, SeparatorSpec):
        return spec.files
    return (*spec.ctranslate2, *([spec.openai] if spec.openai else []))


def _is_installed(spec: Spec) -> bool:
    if isinstance(spec, SeparatorSpec) and spec.family == "exec":
        return has_environment(spec)
    works = not isinstance(spec, SeparatorSpec) or spec.status == "works"
    return works and all(map(is_available_offline, spec.files))


def _state(spec: Spec) -> str:
    """Return whether a model is installed, needs a download, or why it cannot be used."""
    if _is_installed(spec):
        return "installed"
    status = spec.status if isinstance(spec, SeparatorSpec) else "works"
    return "needs download" if status == "works" else status


def _labels(spec: Spec) -> str:
    if isinstance(spec, WhisperSpec):
        return ""
    labels = {
        "generative": spec.generative,
        f"{spec.query} query": bool(spec.query),
        "no vocals": not spec.vocals,
        "non-commercial": spec.is_non_commercial,
    }
    return ", ".join(label for label, is_so in labels.items() if is_so)


def _recommended() -> str:
    rows = [(name, f"{preset.separator} + {preset.model}", preset.summary) for name, preset in PRESETS.items()]
    return _table("Recommended (--preset)", ("preset", "separator + model", "for"), rows)


def _models(title: str, specs: Sequence[Spec]) -> str:
    rows = [(spec.name, _state(spec), _what(spec)) for spec in specs]
    return _table(title, ("name", "state", "what"), rows) if rows else ""


def _table(title: str, headers: tuple[str, str, str], rows: Sequence[tuple[str, str, str]]) -> str:
    """Return a table that fits a terminal: the texts of its last column are wrapped."""
    room = COLUMNS - sum(2 + max(map(len, column)) for column in list(zip(*rows, strict=True))[:2])
    wrapped = []
    for first, second, text in rows:
        line, *others = textwrap.wrap(text, room)
        wrapped += [(first, second, line), *(("", "", other) for other in others)]
    return Table(title, headers, tuple(wrapped), n_labels=3).text()


def _what(spec: Spec) -> str:
    reason = spec.reason if isinstance(spec, SeparatorSpec) else ""
    licence = _licence(spec)
    parts = [f"{spec.summary} ({reason})" if reason else spec.summary, _labels(spec), licence.removeprefix("-")]
    return "; ".join(filter(None, parts))


def _described(spec: Spec) -> dict[str, object]:
    described: dict[str, object] = {
        "name": spec.name,
        "kind": "separator" if isinstance(spec, SeparatorSpec) else WHISPER,
        "family": _family(spec),
        "summary": spec.summary,
        "licence": _licence(spec),
        "state": _state(spec),
        "installed": _is_installed(spec),
    }
    if isinstance(spec, SeparatorSpec):
        described |= {
            "aliases": list(spec.aliases),
            "status": spec.status,
            "reason": spec.reason,
            "citation": spec.citation,
            "vocals": spec.vocals,
            "generative": spec.generative,
            "non_commercial": spec.is_non_commercial,
            "query": spec.query,
            "query_default": spec.settings.get("query_default", ""),
            "environment": environment_variable(spec.name) if spec.family == "exec" else "",
            "settings": dict(spec.settings),
            "setup": spec.setup,
        }
    files = [
        {
            "name": file.name,
            "sha256": pinned(file).sha256,
            "size": file.size,
            "sources": [str(source) for source in file.sources],
            "installed": is_available_offline(file),
        }
        for file in spec.files
    ]
    return described | {"files": files}


def _in_words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _hash(file: WeightFile) -> str:
    known = pinned(file)
    if known.is_pinned:
        return known.sha256
    return f"{known.sha256}…, pinned by the first download" if known.sha256 else "not known; pinned by a download"
