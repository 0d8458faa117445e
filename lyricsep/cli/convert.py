"""`lyricsep convert`: convert lyrics between formats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import show_logs
from lyricsep.cli.options import OverwriteOption
from lyricsep.cli.run import CommandRun
from lyricsep.cli.settings import chosen_formats
from lyricsep.errors import DatasetError, LyricsepError, OutputError
from lyricsep.files import check_writable, is_there, shown, write_text
from lyricsep.formats import (
    FORMATS,
    TIMED_SUFFIXES,
    file_suffixes,
    find_lyrics,
    lyrics_stem,
    match_key,
    read_lyrics,
    render_transcript,
    warn_left_out,
)
from lyricsep.inputs import SongFile
from lyricsep.manifest import new_manifest

STDOUT = Path("-")


def convert(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="IN",
            help=f"Files of lyrics ({', '.join(suffix.removeprefix('.') for suffix in TIMED_SUFFIXES)}), or folders, "
            "searched recursively. Of files that share a name, only the first of these formats is read.",
            show_default=False,
        ),
    ],
    formats: Annotated[
        str,
        typer.Option("--format", "-f", help=f"Comma-separated formats: {', '.join(FORMATS)}.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results, created if missing; - prints the lyrics.")
    ] = Path("lyrics"),
    overwrite: OverwriteOption = False,
) -> None:
    """Convert lyrics to other formats.

    Only json keeps everything; elrc, ass, vtt and textgrid keep word times. Prints the path of every file it writes.
    A file that fails is skipped, and the exit code is then 1.
    """
    show_logs(verbose=False)
    to_stdout = output == STDOUT
    wanted = chosen_formats(formats, to_stdout=to_stdout)
    run = CommandRun(None if to_stdout else output, file_suffixes(wanted), overwrite=overwrite)
    if run.output:
        check_writable(run.output)
    with run.recorded(new_manifest("convert", None, formats=wanted, overwrite=overwrite)):
        for song in _find(sources, run):
            try:
                _convert(song, run, wanted)
            except LyricsepError as error:
                run.fail(song.path, error)


def _find(names: Iterable[str], run: CommandRun) -> Iterator[SongFile]:
    """Yield the files that the user named, each once; a path without lyrics is recorded as failed."""
    taken: dict[str, Path] = {}
    seen: set[str] = set()
    for name in names:
        path = Path(name)
        # Unlike the methods of Path, these call a name that no file can have missing.
        if not os.path.exists(name):  # noqa: PTH110
            run.fail(path, DatasetError(f"{shown(path)}: no such file or folder; check the name"))
            continue
        is_folder = os.path.isdir(name)  # noqa: PTH112
        found = find_lyrics(path, TIMED_SUFFIXES) if is_folder else {lyrics_stem(path): path}
        if not found:
            run.fail(
                path, DatasetError(f"{shown(path)}: no lyrics files found; name a file, or a folder that holds some")
            )
        for stem, file in found.items():
            absolute = os.path.abspath(file)  # noqa: PTH100
            if absolute in seen:
                continue
            seen.add(absolute)
            other = taken.setdefault(match_key(stem), file)
            if other is file or run.output is None:
                yield SongFile(file, Path(stem))
            else:
                problem = f"{shown(file)}: its results would overwrite those of {shown(other)}"
                run.fail(file, OutputError(f"{problem}; convert it alone, to another --output"))


def _convert(song: SongFile, run: CommandRun, formats: Sequence[str]) -> None:
    """Convert a file to all formats, or to none if one fails."""
    results = run.results(song)
    existing = [path for path in results if is_there(path)]
    if existing and not run.overwrite:
        raise OutputError(f"{shown(existing[0])}: exists already", hint="set {overwrite=True} to replace it")
    transcript = read_lyrics(song.path)
    texts = [render_transcript(transcript, name, name=shown(song.path)) for name in formats]
    warn_left_out(transcript.lyrics, formats, shown(song.path))
    for path, text in zip(results, texts, strict=bool(results)):
        write_text(path, text, overwrite=run.overwrite)
    if run.output is None:
        typer.echo(texts[0], nl=False)
    run.done(song, language=transcript.language, lines=len(transcript.lines))
