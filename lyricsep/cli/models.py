"""`lyricsep models`: what can be selected, what is at hand, and fetching the rest."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.options import OfflineOption, VerboseOption
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.separators import SeparatorSpec, find_separator, separator_catalog
from lyricsep.transcribers import WhisperSpec, find_model, model_catalog
from lyricsep.weights import fetch, is_available_offline

__all__ = ["models"]

models = typer.Typer(help="List, show and fetch models.", no_args_is_help=True)

Spec = SeparatorSpec | WhisperSpec


@models.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every separator and Whisper model, and whether its weights are at hand."""
    specs: list[Spec] = [*separator_catalog().values(), *model_catalog().values()]
    if as_json:
        typer.echo(json.dumps([_described(spec) for spec in specs], ensure_ascii=False, indent=2))
        return
    width = max(len(spec.name) for spec in specs)
    for kind in (SeparatorSpec, WhisperSpec):
        typer.echo("Separators (--separator)" if kind is SeparatorSpec else "\nWhisper models (--model)")
        for spec in specs:
            if isinstance(spec, kind):
                typer.echo(f"  {spec.name:<{width}}  {_status(spec):<9}  {spec.summary}")


@models.command("show")
def show_model(name: Annotated[str, typer.Argument(help="A name of `lyricsep models list`.")]) -> None:
    """Show all that is known of a model, as JSON."""
    typer.echo(json.dumps(_described(_find(name)), ensure_ascii=False, indent=2))


@models.command("pull")
def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of `lyricsep models list`.")],
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fetch and verify the weights of models, and print where they lie."""
    show_logs(verbose=verbose)
    failed = False
    for spec in [_find(name) for name in names]:
        try:
            for file in spec.files:
                typer.echo(fetch(file, offline=offline))
        except LyricsepError as error:
            failed = True
            say(f"failed: {error}")
    if failed:
        raise typer.Exit(1)


def _find(name: str) -> Spec:
    if name in separator_catalog():
        return find_separator(name)
    if name in model_catalog():
        return find_model(name)
    raise ConfigError(f"no model is called {name!r}; `lyricsep models list` shows them all")


def _status(spec: Spec) -> str:
    return "at hand" if all(map(is_available_offline, spec.files)) else "to fetch"


def _described(spec: Spec) -> dict[str, object]:
    described: dict[str, object] = {
        "name": spec.name,
        "kind": "separator" if isinstance(spec, SeparatorSpec) else "whisper",
        "summary": spec.summary,
        "status": _status(spec),
    }
    if isinstance(spec, SeparatorSpec):
        described |= {"family": spec.family, "licence": spec.licence, "citation": spec.citation}
    files = [
        {
            "name": file.name,
            "sha256": file.sha256,
            "size": file.size,
            "sources": [str(source) for source in file.sources],
            "at_hand": is_available_offline(file),
        }
        for file in spec.files
    ]
    return described | {"files": files}
