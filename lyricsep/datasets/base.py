"""Datasets: songs with reference lyrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lyricsep.errors import DatasetError
from lyricsep.formats import match_names
from lyricsep.languages import language_code
from lyricsep.lyrics import Line


@dataclass(frozen=True)
class Song:
    """A song with its reference lyrics.

    Parameters
    ----------
    id : str
        Unique in its dataset; also the file name of hypotheses.
    dataset : str
        The dataset's name.
    language : str
        ISO 639-1.
    text : str
        The lyrics: one line of lyrics per line, sections separated by a blank line. Non-lexical words are between
        ``<nl>`` and ``</nl>``, if the dataset tags them; backing vocals are in parentheses.
    lines : tuple of Line
        With times, in order of start, tagged as `text`; empty if the dataset has none. `Line.words` is filled if the
        dataset has word times.
    audio : Path or None
        The mixture; None if the dataset has no audio.
    stems : mapping of str to Path
        Files by stem name, such as ``vocals``.
    split : str
        ``test`` or ``train``.
    title, artist, genre, licence : str or None
        If the dataset has them.
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
    """Songs with reference lyrics.

    Parameters
    ----------
    name : str
        Name in the catalogue, or name of the folder.
    songs : tuple of Song
        In the order of the dataset.
    folder : Path
        Folder of the dataset.
    revision : str or None
        The commit that was pulled; None if unknown.
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
        """Return a dataset of the songs that pass every filter; empty filters pass all, `limit` keeps the first.

        Languages are written in any way that `lyricsep.languages.language_code` reads.

        Raises
        ------
        ConfigError
            If there is no such language.
        DatasetError
            If a requested song does not exist, or no song passes the filters.
        """
        named = match_names(songs, {song.id: song.id for song in self.songs})
        missing = sorted(set(songs) - set(named))
        if missing:
            raise DatasetError(f"{self.name}: no song is called {missing[0]!r}; `lyricsep datasets show` lists them")
        codes = {language_code(language) for language in languages}
        kept = [
            song
            for song in self.songs
            if (not codes or song.language in codes)
            and (not splits or song.split in splits)
            and (not songs or song.id in named.values())
        ][:limit]
        if not kept:
            raise DatasetError(
                f"{self.name}: none of its {len(self.songs)} songs passes the filters",
                hint="change {language}, {split} or {song}",
            )
        return replace(self, songs=tuple(kept))
