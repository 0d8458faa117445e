"""Find the known lyrics of songs: named, beside them, in a list, or in their tags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.aligners import KnownLyrics, from_transcript, read_known
from lyricsep.errors import ConfigError, DatasetError, LyricsepError, reason_of
from lyricsep.files import shown
from lyricsep.formats import find_lyrics, match_key
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
    if lyrics in (TAGS, BESIDE):
        files: Mapping[str, Path] = {}
    elif os.path.isdir(lyrics):  # noqa: PTH112 - Path raises for a name that no file can have
        files = {match_key(stem): path for stem, path in find_lyrics(Path(lyrics)).items()}
    elif not os.path.exists(lyrics):  # noqa: PTH110
        raise ConfigError(f"{shown(Path(lyrics))}: no such file or folder, for lyrics; check the name")
    elif len(songs) > 1:
        raise ConfigError(
            f"{shown(Path(lyrics))}: one file of lyrics for {len(songs)} songs; name a folder of lyrics"
        )
    else:
        files = {match_key(song.stem.as_posix()): Path(lyrics) for song in songs}
    return [_known(song, lyrics, files, fill_repeats=fill_repeats) for song in songs]


def _known(
    song: SongFile, lyrics: str, files: Mapping[str, Path], *, fill_repeats: bool
) -> KnownLyrics | LyricsepError:
    try:
        if lyrics == TAGS:
            return _tagged(song, fill_repeats=fill_repeats)
        path = (song.lyrics or _beside(song)) if lyrics == BESIDE else files.get(match_key(song.stem.as_posix()))
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


def _beside(song: SongFile) -> Path | None:
    """Return the lyrics beside a song: the same name, with a suffix of lyrics."""
    if song.url:
        return None
    return _in_folder(song.path.parent).get(match_key(song.path.stem))


@cache
def _in_folder(folder: Path) -> Mapping[str, Path]:
    try:
        return {match_key(stem): path for stem, path in find_lyrics(folder, below=False).items()}
    except OSError as error:
        raise DatasetError(f"{shown(folder)}: cannot be read ({reason_of(error)}); check the folder") from error
