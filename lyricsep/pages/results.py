"""Contents of a folder of results: the lyrics of each song, its audio where that can be found, and the manifests.

A run is the output of `lyricsep transcribe` or `lyricsep batch run`, or any other folder of lyrics. Corrections and
manifests inside it are not lyrics of the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from lyricsep.datasets import Song
from lyricsep.documents import Manifest
from lyricsep.engines import Journal
from lyricsep.errors import AudioError, DatasetError
from lyricsep.files import is_file, is_folder, is_there, shown
from lyricsep.formats import TIMED_SUFFIXES, find_lyrics, lyrics_stem, match_names
from lyricsep.inputs import find_songs
from lyricsep.manifest import state_folder
from lyricsep.scoring import find_references
from lyricsep.separators.stems import find_vocals


@dataclass(frozen=True)
class FoundSong:
    """A song of a run.

    Parameters
    ----------
    name : str
        The path of its lyrics relative to the folder, without a suffix, with ``/`` between parts; unique.
    lyrics : Path
        The file with the most detailed times.
    audio, vocals : Path or None
        Files of the song and of its vocals, where they can be found.
    """

    name: str
    lyrics: Path
    audio: Path | None = None
    vocals: Path | None = None


@dataclass(frozen=True)
class Results:
    """A folder of results.

    Parameters
    ----------
    folder : Path
        Where it lies.
    songs : tuple of FoundSong
        In order of their names.
    manifests : tuple of dict
        Manifests of the runs into this folder, oldest first.
    """

    folder: Path
    songs: tuple[FoundSong, ...]
    manifests: tuple[dict[str, Any], ...] = ()


def find_results(folder: Path, *, songs: Path | None = None, vocals: Path | None = None) -> Results:
    """Find the lyrics of a run and the audio they belong to.

    Parameters
    ----------
    folder : Path
        Of the lyrics.
    songs : Path, optional
        A folder of the songs, which have the names of their lyrics. Without it, or where it has no such song, they
        are looked for where the run found them, then beside the lyrics.
    vocals : Path, optional
        A folder of vocals: ``NAME.vocals.wav`` as `lyricsep separate` writes them, ``NAME/vocals.wav`` or
        ``NAME.wav``. Without it, or where it has none, they are looked for beside the lyrics and beside the song.

    Raises
    ------
    DatasetError
        If there is no such folder, or no lyrics in it.
    """
    for wanted in filter(None, (folder, songs, vocals)):
        if not is_folder(wanted):
            problem = "is a file, not a folder" if is_there(wanted) else "no such folder"
            raise DatasetError(f"{shown(wanted)}: {problem}", hint="name a folder that exists")
    found = find_lyrics(folder, TIMED_SUFFIXES)  # a page follows the audio
    if not found:
        raise DatasetError(
            f"{shown(folder)}: no lyrics in this folder ({', '.join(TIMED_SUFFIXES)})",
            hint="name the {output} folder of `lyricsep transcribe` or `lyricsep batch run`",
        )
    manifests = tuple(_manifests(folder))
    named = match_names(found, _songs_below(songs), anywhere=True) if songs else {}
    recorded = _recorded_songs(folder, found, manifests)
    beside = match_names(found, _songs_below(folder))
    results = []
    for name, lyrics in found.items():
        audio = named.get(name) or recorded.get(name) or beside.get(name)
        results.append(FoundSong(name, lyrics, audio, _vocals(name, folder, audio, vocals)))
    return Results(folder, tuple(results), manifests)


def references_of(results: Results, references: Iterable[Song]) -> dict[str, Song]:
    """Return the reference of each song of a run, by the name of the song; songs without one are left out.

    Folders of the songs may be kept or not, as in `lyricsep.scoring.find_hypotheses`.
    """
    by_id = {song.id: song for song in references}
    return match_names((song.name for song in results.songs), by_id, anywhere=True)


def named_references(name: str, language: str | None, results: Results) -> tuple[list[Song], dict[str, Song]]:
    """Find references, named as for `lyricsep score`.

    Parameters
    ----------
    name : str
        A file of lyrics, a folder of them, or a dataset.
    language : str or None
        ISO 639-1 code of references that do not state theirs.
    results : Results
        The run they are references for.

    Returns
    -------
    list of Song
        All of them.
    dict of str to Song
        Those of the songs, by the songs' names.

    Raises
    ------
    DatasetError
        If there are none, or none is of any song.
    """
    references = find_references(name, language)
    known = references_of(results, references)
    if not known and len(references) == len(results.songs) == 1:
        known = {results.songs[0].name: references[0]}  # one file for one song, whatever their names
        references = [replace(references[0], id=results.songs[0].name)]
    if not known:
        raise DatasetError(
            f"{name}: none of its {len(references)} references has the name of a song in {shown(results.folder)}",
            hint="name references like the lyrics they belong to, or choose another {reference}",
        )
    return references, known


def with_sound_of(results: Results, references: Mapping[str, Song]) -> Results:
    """Add the audio files of a dataset to songs without any; `references` are by the names of the songs."""

    def completed(found: FoundSong) -> FoundSong:
        reference = references.get(found.name)
        if reference is None:
            return found
        audio, vocals = (
            path if path and is_file(path) else None for path in (reference.audio, reference.stems.get("vocals"))
        )
        return replace(found, audio=found.audio or audio, vocals=found.vocals or vocals)

    return replace(results, songs=tuple(map(completed, results.songs)))


def manifests_of(results: Results) -> dict[str, dict[str, Any]]:
    """Return the last manifest that mentions each song; for songs that none mentions, the last of all."""
    names = {shown(Path(song.name)): song.name for song in results.songs}
    found = dict.fromkeys(names.values(), results.manifests[-1]) if results.manifests else {}
    for manifest in results.manifests:
        for _, _, paths in _entries(manifest):
            for path in paths:
                name = _name_in(_without_suffix(path), names)
                if name:
                    found[name] = manifest
    return found


def _manifests(folder: Path) -> Iterator[dict[str, Any]]:
    # Their names hold the time of the run, and a number where several share it. A broken manifest is skipped: the
    # lyrics can be shown without it.
    for path in sorted(
        state_folder(folder).glob("manifest-*.json"),
        key=lambda path: (path.stem.split("-")[1], len(path.stem), path.stem),
    ):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(manifest, dict) and manifest.get("schema") == Manifest.SCHEMA:
            yield manifest


def _songs_below(folder: Path) -> dict[str, Path]:
    """Return the songs of a folder by the names that their results have."""
    return {song.stem.as_posix(): song.path for song in find_songs([str(folder)]).songs}


def _recorded_songs(
    folder: Path, found: Mapping[str, Path], manifests: Iterable[Mapping[str, Any]]
) -> dict[str, Path]:
    """Return the source file of each of the lyrics, from journal and manifests; of several the last that exists."""
    songs: dict[str, Path] = {}
    names = {shown(Path(name)): name for name in found}
    # Paths are relative to the folder in which the run started, which follows from where the results are.
    last = Journal(state_folder(folder) / "journal.jsonl").last()
    entries = [(entry.id, entry.path, list(entry.results)) for entry in last.values()]
    entries += [entry for manifest in manifests for entry in _entries(manifest)]
    for id_, path, results in entries:
        for stem in map(_without_suffix, results):
            name = id_ if id_ in found else _name_in(stem, names)
            audio = name and _existing(path, _started_in(stem, found[name]))
            if name and audio:
                songs[name] = audio
    return songs


def _entries(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield id (empty), path and results of each song in a manifest."""
    for song in _list(manifest.get("songs")):
        if isinstance(song, dict):
            results = [result for result in _list(song.get("results")) if isinstance(result, str)]
            yield "", str(song.get("path", "")), results


def _without_suffix(result: str) -> Path:
    return Path(result).with_name(lyrics_stem(Path(result)))


def _name_in(stem: Path, names: Mapping[str, str]) -> str | None:
    """Return the longest name that the path of a result ends with."""
    ends = (Path(*stem.parts[first:]).as_posix() for first in range(len(stem.parts)))
    return next((names[end] for end in ends if end in names), None)


def _started_in(stem: Path, lyrics: Path) -> Path:
    """Return the folder that the relative path of a result starts in; the current one if it is unknown."""
    here = lyrics.absolute().with_name(lyrics_stem(lyrics)).parts
    n_parts = len(stem.parts)
    return Path(*here[:-n_parts]) if not stem.is_absolute() and here[-n_parts:] == stem.parts else Path()


def _existing(path: str, started: Path) -> Path | None:
    for spelling in (path, _as_it_was(path)):
        for candidate in (started / spelling, Path(spelling)):
            try:
                if is_file(candidate):
                    return candidate
            except (OSError, ValueError):  # a name that no file can have
                continue
    return None


def _as_it_was(name: str) -> str:
    r"""Undo `shown`, as far as possible: a name may hold ``\n`` as two letters."""
    return re.sub(r"\\(?:[nrt]|x..|u.{4}|U.{8})", lambda match: _unescaped(match[0]), name)


def _unescaped(escape: str) -> str:
    try:
        return escape.encode("ascii").decode("unicode_escape")
    except UnicodeError:
        return escape


def _vocals(name: str, folder: Path, audio: Path | None, vocals: Path | None) -> Path | None:
    stems = [vocals / name, vocals / PurePath(name).name] if vocals else []
    # `find_vocals` is asked by the name of the song, whose suffix does not count.
    songs = [stem.with_name(stem.name + ".wav") for stem in [*stems, folder / name]]
    for song in [*songs, *([audio] if audio else [])]:
        try:
            return find_vocals(song)
        except AudioError:
            if song in songs[: len(stems)] and is_file(song):
                return song
    return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
