"""Resolve the names that a user gave (files, folders, patterns, lists, URLs) to songs and names of results."""

from __future__ import annotations

import csv
import glob
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from lyricsep import remote
from lyricsep.errors import ConfigError, reason_of
from lyricsep.files import shown
from lyricsep.lists import LIST_SUFFIXES, find_listed, is_list, is_remote, read_list

# What is taken from a folder or a pattern; a file that is named is taken whatever its suffix.
# fmt: off
AUDIO_SUFFIXES = frozenset((
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".caf", ".dts", ".flac", ".m4a",
    ".m4b", ".mka", ".mp2", ".mp3", ".mpc", ".oga", ".ogg", ".opus", ".ra", ".spx", ".tta", ".wav", ".wave",
    ".wma", ".wv", ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv",
))
# fmt: on

# Names may have 255 bytes where results are usually kept; a result's suffix and number need some of them.
LONGEST_NAME = 225  # bytes


@dataclass(frozen=True)
class SongFile:
    """An input file and the name of its results.

    Parameters
    ----------
    path : Path
        The file; for a remote song, a path that identifies it (`lyricsep.remote.path_of`).
    stem : Path
        Relative path of the results, without a suffix: folders below a named folder are kept, and two songs never
        share a stem.
    language : str or None
        As the list spells it.
    lyrics : Path or None
        File of its lyrics, as the list states it.
    url : str
        URL of a remote song; it may hold a password, so messages and records use `name`.
    listed : tuple of int and str
        Size and version from a folder listing, which saves one request per song (`lyricsep.remote.state_of`).
    row : str
        The list and row that name it, for messages.
    """

    path: Path
    stem: Path
    language: str | None = None
    lyrics: Path | None = None
    url: str = field(default="", repr=False)
    listed: tuple[int, str] = field(default=(-1, ""), repr=False, compare=False)
    row: str = field(default="", repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name in messages and records."""
        return _name(self.path, self.url)

    def local_copy(self, folder: Path | None = None) -> AbstractContextManager[remote.Copy]:
        """Return a context that yields the local file: the file itself, or a temporary copy of a remote one."""
        return remote.local_copy(self.url, folder) if self.url else nullcontext(remote.Copy(self.path))

    def result(self, folder: Path, suffix: str) -> Path:
        """Return the path of the result with a suffix such as ``.lrc``."""
        return folder / self.stem.parent / (self.stem.name + suffix)


@dataclass(frozen=True)
class Found:
    """The songs that were found.

    Parameters
    ----------
    songs : tuple of SongFile
        Each once, in order.
    empty : tuple of str
        Folders and patterns without songs, as text for messages.
    """

    songs: tuple[SongFile, ...]
    empty: tuple[str, ...]


def find_songs(names: Iterable[str], *, offline: bool = False) -> Found:
    """Find the songs that files, folders, patterns, lists and URLs name.

    Results are named like their songs, in the subfolders of a named folder or pattern. Songs that would share a name
    keep their suffix, or else the folders that distinguish them.

    Parameters
    ----------
    names : iterable of str
        Files; folders, searched to the bottom; patterns such as ``"albums/*.mp3"`` or ``"**/*.flac"``. A file that
        does not exist is left to whoever opens it. What is hidden (``.name``) is a song only when it is named.
        Lists: a ``.txt`` with one path per line, a playlist (``.m3u``, ``.m3u8``, ``.pls``, ``.cue``), or a ``.csv``,
        ``.tsv`` or ``.parquet`` with a column ``path`` and perhaps ``id`` (the name of its results), ``language``
        and ``lyrics`` (a file). Their paths start where the list lies. Empty rows are passed over, and in a ``.txt``
        or M3U what begins with ``#`` and is no file.
        Files, folders, patterns and the paths of lists may be URLs, such as ``"s3://bucket/albums/**/*.flac"``. A
        folder of the web ends in a slash.
    offline : bool
        Refuse URLs that need a connection.

    Raises
    ------
    ConfigError
        If a list cannot be read, its ids are not names of their own, or lists say two things of one song; if a
        remote folder cannot be listed, or the driver of a URL is not installed.
    """
    found: dict[Path, _Named] = {}
    empty = []
    for name in names:
        songs = list(_named(name, offline=offline))
        if not songs:
            empty.append(_name(Path(name), name if remote.is_url(name) else ""))
        for song in songs:
            if song.url:
                remote.check_driver(song.url, offline=offline)
            key = _absolute(song.path)
            found[key] = _merged(found.get(key, song), song)
    stems = _named_apart({key: song.relative for key, song in found.items() if not song.id})
    ids = {key: Path(song.id) for key, song in found.items() if song.id}
    _refuse_shared(ids, stems)
    stems |= ids
    songs_found = (
        SongFile(song.path, stems[key], song.language, song.lyrics, song.url, song.listed, song.row)
        for key, song in found.items()
    )
    return Found(tuple(songs_found), tuple(empty))


@dataclass(frozen=True)
class _Named:
    """A song, the relative path of its results, and its entry in a list."""

    path: Path
    relative: Path
    id: str = ""
    language: str | None = None
    url: str = ""
    listed: tuple[int, str] = (-1, "")
    lyrics: Path | None = None
    row: str = ""


def _name(path: Path, url: str) -> str:
    return remote.shown_url(url) if url else shown(path)


def _named(name: str, *, offline: bool) -> Iterator[_Named]:
    """Return the songs of one name."""
    if remote.is_url(name):
        remote.check_driver(name, offline=offline)
        return _remote_songs(name)
    is_file = os.path.isfile(name)  # noqa: PTH113
    return _listed(Path(name)) if is_file and is_list(Path(name)) else (_Named(*song) for song in _songs_of(name))


def _merged(first: _Named, second: _Named) -> _Named:
    """Merge two entries of the same song; a list entry wins over a plain name."""
    facts = [(song.id, song.language, song.lyrics) for song in (first, second)]
    if facts[1] in (("", None, None), facts[0]):
        return first
    if facts[0] == ("", None, None):
        return second
    raise ConfigError(
        f"{_name(second.path, second.url)}: is listed twice, with different ids, languages or lyrics "
        f"({first.id or '-'}, {first.language or '-'} and {second.id or '-'}, {second.language or '-'}); keep one row"
    )


def _listed(path: Path) -> Iterator[_Named]:
    """Read a list of songs."""
    try:
        rows = read_list(path)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(
            f"{shown(path)}: cannot be read as a list of songs ({reason_of(error)}); correct it"
        ) from error
    _refuse_prose(path, rows)
    for number, row in rows:
        if "path" not in row:
            columns = ", ".join(row)[:100]
            raise ConfigError(
                f"{shown(path)}: has no column 'path' (columns: {columns}); name the columns in the first row"
            )
        if not any(row.values()):
            continue
        if not row["path"]:
            raise ConfigError(f"{shown(path)}: row {number} has no path; add one")
        url = row["path"] if is_remote(path, row["path"]) else ""
        song = remote.path_of(url) if url else find_listed(path, row["path"])
        if not song.name or "\0" in row["path"]:
            raise ConfigError(f"{shown(path)}: row {number}: a path must name a file, got {row['path'][:60]!r}")
        id_ = row.get("id", "")
        if id_ and (Path(id_).is_absolute() or ".." in Path(id_).parts or not Path(id_).name or "\0" in id_):
            raise ConfigError(f"{shown(path)}: row {number}: an id must be a file name, got {id_[:60]!r}")
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(id_).parts):
            raise ConfigError(
                f"{shown(path)}: row {number}: an id has at most {LONGEST_NAME} bytes, got {id_[:60]!r}..."
            )
        relative = Path(song.name) if url else _below(song, path.parent)
        lyrics = find_listed(path, row["lyrics"]) if row.get("lyrics") else None
        yield _Named(
            song, relative, id_, row.get("language") or None, url, lyrics=lyrics, row=f"{shown(path)}: row {number}"
        )


def _refuse_prose(path: Path, rows: Sequence[tuple[int, Mapping[str, str]]]) -> None:
    """Refuse a text file that is no list of songs, such as lyrics: nothing in it is a file or looks like one."""
    names = [row["path"] for _, row in rows if row.get("path")]
    is_prose = not any(
        remote.is_url(name) or Path(name).suffix.lower() in AUDIO_SUFFIXES or os.path.lexists(find_listed(path, name))
        for name in names
    )
    if path.suffix.lower() == ".txt" and names and is_prose:
        raise ConfigError(
            f"{shown(path)}: is not a list of songs, as {names[0][:60]!r} is no file; name a song, or a list "
            "with one path per line"
        )


def _refuse_shared(ids: Mapping[Path, Path], stems: Mapping[Path, Path]) -> None:
    taken = {_key(stem): song for song, stem in stems.items()}
    for song, stem in ids.items():
        other = taken.setdefault(_key(stem), song)
        if other != song:
            raise ConfigError(
                f"the id {str(stem)!r} is given to {shown(other)} and to {shown(song)}; make them different"
            )


def _songs_of(name: str) -> list[tuple[Path, Path]]:
    """Return the songs of one name, each with the relative path of its results."""
    # The functions of os.path call a name that no file can have missing, where those of Path raise.
    if os.path.isdir(name):  # noqa: PTH112
        top, paths = Path(name), sorted(Path(name).rglob("*"))
    elif glob.has_magic(name) and not os.path.exists(name):  # noqa: PTH110
        top, paths = _matches(name)
    else:
        path = Path(name)
        return [(path, Path(_absolute(path).name))] if name else []
    relatives = [(path, _below(path, top)) for path in paths]
    return [(path, relative) for path, relative in relatives if _is_song(path, relative)]


def _remote_songs(url: str) -> Iterator[_Named]:
    """Yield the songs of a URL; no request is made for one with an audio suffix."""
    path = remote.path_of(url)
    if path.suffix.lower() in LIST_SUFFIXES:
        raise ConfigError(f"{remote.shown_url(url)}: lists must be local files; download it")
    pattern = remote.find_matching(url)
    if pattern is not None:
        found = pattern
    elif path.suffix.lower() in AUDIO_SUFFIXES and not url.endswith("/"):
        found = None
    else:
        found = remote.find_below(url)
    if found is None:
        yield _Named(path, Path(path.name), url=url)
        return
    for file in found:
        if _is_named_as_song(file.relative):
            yield _Named(remote.path_of(file.url), file.relative, url=file.url, listed=file.state)


def _matches(pattern: str) -> tuple[Path, list[Path]]:
    """Return the folder before the first wildcard of a pattern, and the files that it matches.

    Brackets, as in ``music [2020]/*.mp3``, belong to a name where it exists, or where the pattern finds nothing.
    """
    parts = Path(pattern).parts
    n_fixed, top = 0, Path()
    while n_fixed < len(parts) and (not glob.has_magic(parts[n_fixed]) or os.path.lexists(top / parts[n_fixed])):
        top /= parts[n_fixed]
        n_fixed += 1
    fixed = glob.escape(str(top)) if n_fixed else ""
    found: list[str] = []
    for escaped in ("[", "[[]"):
        rest = [part.replace("[", escaped) for part in parts[n_fixed:]]
        # Path.glob refuses absolute patterns.
        found = found or glob.glob(os.path.join(fixed, *rest), recursive=True)  # noqa: PTH118, PTH207
    return top, sorted(map(Path, found))


def _absolute(path: Path) -> Path:
    """Return the absolute path of a file, without following links, and without ``..``."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _below(path: Path, top: Path) -> Path:
    """Return the path of a file relative to `top`, or its name if it is outside `top`."""
    path, top = _absolute(path), _absolute(top)
    return path.relative_to(top if path.is_relative_to(top) else path.parent)


def _is_song(path: Path, relative: Path) -> bool:
    # A link that leads nowhere is a song that is missing, which is not for us to keep quiet about.
    return _is_named_as_song(relative) and (path.is_file() or (path.is_symlink() and not path.exists()))


def _is_named_as_song(relative: PurePath) -> bool:
    # Results of our own, and stems that lie beside a song, are not songs.
    is_stem = relative.stem.endswith((".vocals", ".accompaniment", ".instrumental"))
    is_audio = relative.suffix.lower() in AUDIO_SUFFIXES and not is_stem
    # Nor is what is hidden: unfinished results, and what macOS and others keep beside files.
    return is_audio and not any(part.startswith(".") for part in relative.parts)


def _named_apart(relatives: Mapping[Path, Path]) -> dict[Path, Path]:
    """Assign a unique stem to every song, known by its absolute path."""
    stems = {song: _stem(song, relative) for song, relative in relatives.items()}
    for clash in _clashes({song: song.with_name(stem.name) for song, stem in stems.items()}):
        for song in clash:
            suffix = song.suffix if song.suffix.lower() in AUDIO_SUFFIXES else ""
            stems[song] = stems[song].with_name(stems[song].name + suffix)
    for n_folders in range(1, max((len(song.parts) for song in stems), default=1)):
        for clash in _clashes(stems):
            if len({_key(song.parent) for song in clash}) > 1:
                stems |= {song: Path(*song.parent.parts[1:][-n_folders:], stems[song].name) for song in clash}
    return _numbered(stems)


def _numbered(stems: Mapping[Path, Path]) -> dict[Path, Path]:
    """Append a number to the stems that are still equal."""
    taken: set[str] = set()
    numbered = {}
    for song, stem in stems.items():
        candidate, number = stem, 1
        while _key(candidate) in taken:
            number += 1
            candidate = stem.with_name(f"{stem.name} ({number})")
        taken.add(_key(candidate))
        numbered[song] = candidate
    return numbered


def _clashes(stems: Mapping[Path, Path]) -> list[list[Path]]:
    """Return the groups of songs whose stems a file system may treat as equal."""
    songs = defaultdict(list)
    for song, stem in stems.items():
        songs[_key(stem)].append(song)
    return [clash for clash in songs.values() if len(clash) > 1]


def _key(stem: Path) -> str:
    return unicodedata.normalize("NFC", str(stem).casefold())


def _stem(song: Path, relative: Path) -> Path:
    name = relative.name
    # A dot in a name that ends in no audio suffix is part of the name.
    if song.suffix.lower() in AUDIO_SUFFIXES and song.stem.strip("."):
        name = song.stem
    while len(os.fsencode(name)) > LONGEST_NAME:
        name = name[:-1]
    return relative.with_name(name)
