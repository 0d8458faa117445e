"""`lyricsep datasets`: list, download, verify and show datasets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import in_flags, say, show_logs
from lyricsep.cli.options import (
    JsonOption,
    LanguagesOption,
    LimitOption,
    MusdbOption,
    OfflineOption,
    SplitOption,
    VerboseOption,
)
from lyricsep.cli.settings import find_names
from lyricsep.datasets import Dataset, DatasetSpec, Song, dataset_catalog, find_dataset, is_pulled, open_dataset
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.tables import Table

datasets = typer.Typer(help="List, download, verify and show datasets.", no_args_is_help=True)

DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="A name from `lyricsep datasets list`, or a folder.")
]


@datasets.command("list")
def list_datasets(as_json: JsonOption = False) -> None:
    """List datasets, and whether they are installed."""
    specs = list(dataset_catalog().values())
    if as_json:
        typer.echo(json.dumps([_described(spec) for spec in specs], ensure_ascii=False, indent=2))
        return
    rows = [(spec.name, _status(spec), str(spec.n_songs), ",".join(spec.languages), spec.summary) for spec in specs]
    table = Table("", ("name", "status", "songs", "languages", "what"), tuple(rows), n_labels=5)
    typer.echo(table.text(), nl=False)


@datasets.command("pull")
def pull_datasets(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names from `lyricsep datasets list`.")],
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit on the hub.", show_default="the pinned one")
    ] = None,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Download datasets from the Hugging Face hub.

    Checks them, and prints their folders.
    """
    from lyricsep.datasets import pull

    show_logs(verbose=verbose)
    specs = [find_dataset(name) for name in names]
    if revision and len(specs) > 1:
        raise ConfigError(
            f"one revision for {len(specs)} datasets", hint="pull one dataset at a time with {revision}"
        )
    failed = False
    for spec in specs:
        try:
            typer.echo(pull(spec.name, revision=revision, offline=offline))
        except ConfigError:
            raise
        except LyricsepError as error:
            failed = True
            say(f"failed: {in_flags(error)}")
        else:
            if spec.access:
                say(f"{spec.name}: {spec.access}")
    if failed:
        raise typer.Exit(1)


@datasets.command("verify")
def verify_dataset(
    dataset: DatasetArgument,
    languages: LanguagesOption = None,
    split: SplitOption = None,
    limit: LimitOption = None,
    musdb18hq: MusdbOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check the files of a dataset.

    Prints one line per problem with files, audio, times or texts; the exit code is 1 if there are any.
    """
    from lyricsep.datasets import verify

    show_logs(verbose=verbose)
    opened = open_selected(dataset, languages, split, limit, None, musdb18hq)
    problems = verify(opened)
    for problem in problems:
        typer.echo(problem)
    say(f"{opened.name}: songs: {len(opened.songs)}, problems: {len(problems)}")
    if problems:
        raise typer.Exit(1)


@datasets.command("show")
def show_dataset(
    dataset: DatasetArgument,
    song: Annotated[
        str | None,
        typer.Option(
            help="Show the lyrics of this song, by its name or a part of it.", show_default="a table of all"
        ),
    ] = None,
    languages: LanguagesOption = None,
    split: SplitOption = None,
    limit: LimitOption = None,
    musdb18hq: MusdbOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the songs of a dataset, or the lyrics of one."""
    show_logs(verbose=verbose)
    opened = open_selected(dataset, languages, split, limit, [song] if song is not None else None, musdb18hq)
    if as_json:
        shown = {
            "name": opened.name,
            "folder": str(opened.folder),
            "revision": opened.revision,
            "songs": [_facts(one, with_text=song is not None) for one in opened.songs],
        }
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    elif song is not None:
        typer.echo(opened.songs[0].text)
    else:
        header = ("id", "language", "lyrics", "lines", "words", "stems")
        typer.echo(Table("", header, tuple(map(_row, opened.songs)), n_labels=len(header)).text(), nl=False)


def open_selected(
    name: str,
    languages: Sequence[str] | None,
    split: str | None,
    limit: int | None,
    songs: Sequence[str] | None,
    musdb18hq: Path | None,
) -> Dataset:
    """Open a dataset and select songs by the options of a command."""
    wanted = languages or ()
    opened = open_dataset(name, language=wanted[0] if wanted else None, musdb18hq=musdb18hq)
    chosen = find_names(songs or (), [song.id for song in opened.songs], "--song")
    return opened.select(languages=wanted, splits=[split] if split else (), songs=chosen, limit=limit)


def _status(spec: DatasetSpec) -> str:
    if spec.repository is None:
        return "by request"
    return "installed" if is_pulled(spec.name) else "needs download"


def _described(spec: DatasetSpec) -> dict[str, object]:
    return {"name": spec.name, "status": _status(spec), **asdict(spec)}


def _row(song: Song) -> tuple[str, ...]:
    facts = _facts(song, with_text=False)
    sung = facts["lyrics_duration"]
    lasts = f"{int(sung) // 60}:{int(sung) % 60:02d}" if isinstance(sung, float) else "-"
    return (song.id, song.language, lasts, str(facts["n_lines"]), str(facts["n_words"]), ",".join(song.stems) or "-")


def _facts(song: Song, *, with_text: bool) -> dict[str, object]:
    from lyricsep.scoring.tokens import tokenize

    lines = [line for line in song.text.split("\n") if line.strip()]
    facts: dict[str, object] = {
        "id": song.id,
        "language": song.language,
        "split": song.split,
        "title": song.title,
        "artist": song.artist,
        "genre": song.genre,
        "licence": song.licence,
        "audio": str(song.audio) if song.audio else None,
        "stems": {name: str(path) for name, path in song.stems.items()},
        "lyrics_duration": max(line.end for line in song.lines) - song.lines[0].start if song.lines else None,
        "n_lines": len(lines),
        "n_timed_lines": len(song.lines),
        "n_words": len(tokenize(song.text, song.language).words),  # as they are scored
        "n_timed_words": sum(len(line.words) for line in song.lines),
    }
    if with_text:
        facts["text"] = song.text
        facts["lines"] = [{"start": line.start, "end": line.end, "text": line.text} for line in song.lines]
    return facts
