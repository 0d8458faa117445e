"""`lyricsep embed`: write lyrics into the tags of songs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.options import LocalSongsArgument
from lyricsep.cli.run import CommandRun
from lyricsep.errors import ConfigError, DatasetError, LyricsepError, OutputError
from lyricsep.files import is_there, shown
from lyricsep.formats import TIMED_SUFFIXES, find_lyrics, match_names, read_lyrics
from lyricsep.inputs import SongFile
from lyricsep.manifest import new_manifest


def embed(
    songs: LocalSongsArgument,
    lyrics: Annotated[
        Path,
        typer.Option(
            help="Folder of lyrics, as `lyricsep transcribe` writes it: one file per song, with the name of the "
            "song; or, for a single song, the file.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for tagged copies; created if missing.",
            show_default="none",
            file_okay=False,
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Tag the songs themselves; each is replaced atomically.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            "-l",
            help="Language of the lyrics (en, fr, ...), for mp3, wav and aiff.",
            show_default="that of the lyrics",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace lyrics already in a song, and existing copies.")
    ] = False,
) -> None:
    """Write lyrics into the tags of songs.

    mp3, wav and aiff get USLT, and SYLT if the lyrics have times; flac, ogg and opus get LYRICS, as LRC if they have
    times; m4a gets ©lyr. The audio and all other tags are unchanged. Writes copies (--output) or the songs themselves
    (--in-place), and prints the path of each. A song that has no lyrics, or whose tags hold some already, is skipped,
    and the exit code is then 1.
    """
    show_logs(verbose=False)
    if (output is None) is not in_place:
        raise ConfigError("choose either --output, for tagged copies, or --in-place, for the songs themselves")
    if language:
        from lyricsep.languages import language_code

        language = language_code(language)
    run = _Copies(output, [], overwrite=overwrite)
    options = {"lyrics": lyrics, "language": language, "in_place": in_place, "overwrite": overwrite}
    with _without_empty_folders(output):
        todo = run.find(songs)
        found = _find(lyrics, todo)
        if todo and not any(song.stem.as_posix() in found for song in todo):
            run.output = None  # nothing will be written, so no manifest either
        with run.recorded(new_manifest("embed", None, **options)):
            for song in todo:
                try:
                    _embed(song, found.get(song.stem.as_posix()), lyrics, run, language)
                except ConfigError:
                    raise
                except LyricsepError as error:
                    run.fail(song.path, error)


@contextmanager
def _without_empty_folders(output: Path | None) -> Iterator[None]:
    """Remove the folders that the block made for results, if they are empty."""
    folders = (output, *output.parents) if output else ()
    missing = [folder for folder in folders if not os.path.exists(folder)]  # noqa: PTH110
    try:
        yield
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


class _Copies(CommandRun):
    """A run whose results are tagged copies of the songs, or the songs themselves."""

    def results(self, song: SongFile) -> list[Path]:
        if self.output is None:
            return []
        # A stem that distinguishes two songs may end with the suffix already.
        name = song.path.name if song.stem.name in (song.path.stem, song.path.name) else song.stem.name
        suffix = "" if name == song.path.name else song.path.suffix
        return [self.output / song.stem.parent / (name + suffix)]


def _find(lyrics: Path, songs: list[SongFile]) -> dict[str, Path]:
    """Find the files of lyrics by the stems of songs; none may serve several songs."""
    # Unlike the methods of Path, these call a name that no file can have missing.
    if os.path.isdir(lyrics):  # noqa: PTH112
        files = find_lyrics(lyrics, TIMED_SUFFIXES)
        if not files:
            raise DatasetError(f"{shown(lyrics)}: no lyrics files found; name a file, or a folder that holds some")
        return match_names((song.stem.as_posix() for song in songs), files)
    if not os.path.exists(lyrics):  # noqa: PTH110
        raise ConfigError(f"--lyrics {shown(lyrics)}: no such file or folder; check the name")
    if len(songs) > 1:
        raise ConfigError(f"--lyrics {shown(lyrics)}: one file for {len(songs)} songs; name a folder of lyrics")
    return {song.stem.as_posix(): lyrics for song in songs}


def _embed(song: SongFile, file: Path | None, lyrics: Path, run: CommandRun, language: str | None) -> None:
    """Tag a song, or its copy."""
    from lyricsep.formats.tags import write_tagged

    if file is None:
        raise DatasetError(f"{shown(song.path)}: no lyrics named {shown(song.stem)} in {shown(lyrics)}; add them")
    (target,) = run.results(song) or [song.path]
    if run.output and is_there(target) and target.samefile(song.path):
        raise OutputError(
            f"{shown(song.path)}: its copy would overwrite it; choose another --output, or set --in-place"
        )
    transcript = read_lyrics(file)
    tags = write_tagged(song.path, target, transcript, language=language, overwrite=run.overwrite)
    run.done(song, lyrics=shown(file), tags=tags)
    if not tags:
        say(f"{shown(song.path)}: its lyrics are empty; no tags were written")
    elif run.output is None:
        typer.echo(target)
