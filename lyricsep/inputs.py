"""What the user named: files, folders and patterns to songs, and songs to names of results."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lyricsep.errors import AudioError
from lyricsep.files import shown

__all__ = ["AUDIO_SUFFIXES", "Song", "find_songs"]

# What is taken from a folder or a pattern; a file that is named is taken whatever its suffix.
# fmt: off
AUDIO_SUFFIXES = frozenset((
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".caf", ".dts", ".flac", ".m4a",
    ".m4b", ".mka", ".mp2", ".mp3", ".mpc", ".oga", ".ogg", ".opus", ".ra", ".spx", ".tta", ".wav", ".wave",
    ".wma", ".wv", ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv",
))
# fmt: on


@dataclass(frozen=True)
class Song:
    """A song and what its results are called.

    Parameters
    ----------
    path : Path
        The file.
    stem : Path
        Relative path of the results, without a suffix: folders below a named folder are kept, and two songs never
        share a stem.
    """

    path: Path
    stem: Path

    def result(self, folder: Path, suffix: str) -> Path:
        """Name the result of one kind, such as ``.lrc``."""
        return folder / self.stem.parent / (self.stem.name + suffix)


def find_songs(names: Iterable[str]) -> list[Song]:
    """Find the songs that the user named, each once, in order.

    Parameters
    ----------
    names : iterable of str
        Files; folders, searched to the bottom; patterns such as ``"albums/*.mp3"`` or ``"**/*.flac"``.

    Raises
    ------
    AudioError
        If a folder or pattern holds no song. A file that does not exist is left to whoever opens it.
    """
    found: dict[Path, Path] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            songs = [(song, song.relative_to(path)) for song in sorted(path.rglob("*")) if _is_song(song)]
        elif not path.exists() and glob.has_magic(name):
            # Path.glob refuses absolute patterns.
            matches = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207
            songs = [(song, Path(song.name)) for song in matches if _is_song(song)]
        else:
            songs = [(path, Path(path.name))]
        if not songs:
            raise AudioError(f"{shown(path)}: holds no audio files; name a file, a folder or a pattern that does")
        for song, relative in songs:
            found.setdefault(song, relative)
    return _named_apart(list(found.items()))


def _is_song(path: Path) -> bool:
    # Results of our own, and stems that lie beside a song, are not songs.
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.stem.endswith(".vocals") and path.is_file()


def _named_apart(songs: Sequence[tuple[Path, Path]]) -> list[Song]:
    """Give songs that would share a stem their suffix back, and a number if that does not tell them apart."""
    # File systems that ignore case exist, so names that differ in case alone are kept apart too.
    stems = Counter(str(relative.with_suffix("")).casefold() for _, relative in songs)
    taken: set[str] = set()
    named = []
    for path, relative in songs:
        stem = relative.with_suffix("")
        if stems[str(stem).casefold()] > 1:
            stem = relative
        number = 2
        candidate = stem
        while str(candidate).casefold() in taken:
            candidate = stem.with_name(f"{stem.name} ({number})")
            number += 1
        taken.add(str(candidate).casefold())
        named.append(Song(path, candidate))
    return named
