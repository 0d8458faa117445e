"""What every dataset becomes: songs with reference lyrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lyricsep.errors import DatasetError
from lyricsep.languages import language_code
from lyricsep.lyrics import Line

__all__ = ["Dataset", "Song"]


@dataclass(frozen=True)
class Song:
    """A song with its reference lyrics.

    Parameters
    ----------
    id : str
        Unique in its dataset; also the name of files of hypotheses.
    dataset : str
        The dataset's name.
    language : str
        ISO 639-1.
    text : str
        The lyrics: a line a line, sections parted by a blank line. Where the dataset tags them, non-lexical words
        stand between ``<nl>`` and ``</nl>``; backing vocals stand in parentheses.
    lines : tuple of Line
        With times, in order of start, texts tagged as `text`; empty where the dataset has none. `Line.words` are
        filled where it has times of words.
    audio : Path or None
        The mixture; None where the dataset comes without.
    stems : mapping of str to Path
        Such as ``vocals``.
    split : str
        ``test`` or ``train``.
    title, artist, genre, licence : str or None
        Where the dataset says.
    """

    id: str
    dataset: str
    language: str
    text: str
    lines: tuple[Line, ...] = ()
    audio: Path | None = None
    stems: Mapping[str, Path] = field(default_factory=dict)
    split: str = "test"
    title: str | None = None
    artist: str | None = None
    genre: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Songs that belong together.

    Parameters
    ----------
    name : str
        Its name in the catalogue, or the folder's.
    songs : tuple of Song
        In the order of the dataset.
    folder : Path
        Where it lies.
    revision : str or None
        The commit that was pulled; None where nobody knows.
    """

    name: str
    songs: tuple[Song, ...]
    folder: Path
    revision: str | None = None

    def select(
        self,
        *,
        languages: Collection[str] = (),
        splits: Collection[str] = (),
        songs: Collection[str] = (),
        limit: int | None = None,
    ) -> Dataset:
        """Keep the songs that pass every filter; an empty filter passes all, `limit` keeps the first.

        Languages are written in any way that `lyricsep.languages.language_code` reads.

        Raises
        ------
        ConfigError
            If there is no such language.
        DatasetError
            If a song is asked for that is not there, or nothing is left.
        """
        missing = sorted(set(songs) - {song.id for song in self.songs})
        if missing:
            raise DatasetError(f"{self.name}: no song is called {missing[0]!r}; `lyricsep datasets show` lists them")
        codes = {language_code(language) for language in languages}
        kept = [
            song
            for song in self.songs
            if (not codes or song.language in codes)
            and (not splits or song.split in splits)
            and (not songs or song.id in songs)
        ][:limit]
        if not kept:
            raise DatasetError(f"{self.name}: none of its {len(self.songs)} songs passes the filters; ask for less")
        return replace(self, songs=tuple(kept))
