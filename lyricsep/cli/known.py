"""Find the known lyrics of songs: named, beside them, in a list, or in their tags."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.aligners import KnownLyrics, from_transcript, read_known
from lyricsep.errors import ConfigError, DatasetError, LyricsepError, reason_of
from lyricsep.files import shown
from lyricsep.formats import find_lyrics, match_names
from lyricsep.inputs import SongFile

TAGS = "tags"
BESIDE = "beside"

_NAMED = (
    f"a folder of files named like the songs; `{TAGS}`, those in the songs' own tags; or `{BESIDE}`, the files "
    "beside the songs, or in the column lyrics of a list."
)
LyricsArgument = Annotated[
    str,
    typer.Argument(metavar="LYRICS", help=f"Lyrics: a file (txt, lrc, srt, vtt, ass, ttml, json); {_NAMED}"),
]
LyricsOption = Annotated[
    str | None,
    typer.Option(
        "--lyrics",
        metavar="LYRICS",
        help=f"Align known lyrics instead of transcribing: {_NAMED}",
        show_default="transcribe",
    ),
]


def known_for(
    songs: Sequence[SongFile], lyrics: str, *, fill_repeats: bool = False
) -> list[KnownLyrics | LyricsepError]:
    """Read the known lyrics of songs.

    Parameters
    ----------
    songs : sequence of SongFile
        As `lyricsep.inputs.find_songs` finds them.
    lyrics : str
        A file for one song, a folder, ``tags``, or ``beside``.
    fill_repeats : bool
        As in `lyricsep.aligners.known_lyrics`.

    Returns
    -------
    list of KnownLyrics or LyricsepError
        Of each song, or why there are none.

    Raises
    ------
    ConfigError
        If there is no such file or folder, or one file is to serve several songs.
    """
    files: Mapping[str, Path | LyricsepError]
    if lyrics == TAGS:
        files = {}
    elif lyrics == BESIDE:
        files = _beside(songs)
    elif os.path.isdir(lyrics):  # noqa: PTH112 - Path raises for a name that no file can have
        files = match_names((song.stem.as_posix() for song in songs), find_lyrics(Path(lyrics)))
    elif not os.path.exists(lyrics):  # noqa: PTH110
        raise ConfigError(f"{shown(Path(lyrics))}: no such file or folder, for lyrics; check the name")
    elif len(songs) > 1:
        raise ConfigError(
            f"{shown(Path(lyrics))}: one file of lyrics for {len(songs)} songs; name a folder of lyrics"
        )
    else:
        files = {song.stem.as_posix(): Path(lyrics) for song in songs}
    return [_known(song, lyrics, files, fill_repeats=fill_repeats) for song in songs]


def _known(
    song: SongFile, lyrics: str, files: Mapping[str, Path | LyricsepError], *, fill_repeats: bool
) -> KnownLyrics | LyricsepError:
    try:
        if lyrics == TAGS:
            return _tagged(song, fill_repeats=fill_repeats)
        path = files.get(song.stem.as_posix())
        if isinstance(path, LyricsepError):
            return path
        if path is None:
            where = "beside it" if lyrics == BESIDE else f"in {shown(Path(lyrics))}"
            return DatasetError(
                f"{song.name}: found no lyrics named {shown(Path(song.stem.name))} {where}; add them, or name a file"
            )
        return read_known(path, fill_repeats=fill_repeats)
    except LyricsepError as error:
        return error


def _tagged(song: SongFile, *, fill_repeats: bool) -> KnownLyrics:
    from lyricsep.formats.tags import read_tagged

    if song.url:
        raise DatasetError(f"{song.name}: is remote, so its tags cannot be read; name its lyrics")
    transcript = read_tagged(song.path)
    if transcript is None:
        raise DatasetError(f"{song.name}: holds no lyrics in its tags; name a file of lyrics")
    return from_transcript(transcript, fill_repeats=fill_repeats)


def _beside(songs: Sequence[SongFile]) -> dict[str, Path | LyricsepError]:
    """Return the lyrics of each song that a list states, or that lie beside it under its name."""
    found: dict[str, Path | LyricsepError] = {}
    folders = defaultdict(list)
    for song in songs:
        if song.lyrics:
            found[song.stem.as_posix()] = _as_on_disk(song.lyrics)
        elif not song.url:
            folders[song.path.parent].append(song)
    for folder, some in folders.items():
        try:
            files = match_names({song.path.stem for song in some}, find_lyrics(folder, below=False))
        except OSError as error:
            unread = DatasetError(f"{shown(folder)}: cannot be read ({reason_of(error)}); check the folder")
            found |= {song.stem.as_posix(): unread for song in some}
            continue
        found |= {song.stem.as_posix(): files[song.path.stem] for song in some if song.path.stem in files}
    return found


def _as_on_disk(path: Path) -> Path:
    """Return the file that a list means, whose name may differ in case or Unicode normal form."""
    # Path.exists raises for a name that no file can have.
    if os.path.exists(path) or not os.path.isdir(path.parent):  # noqa: PTH110, PTH112
        return path
    return match_names([path.name], {entry.name: entry for entry in path.parent.iterdir()}).get(path.name, path)
