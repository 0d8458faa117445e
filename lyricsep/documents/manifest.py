"""The manifest: what produced the results of a run, and what became of every song."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lyricsep.documents.base import Document
from lyricsep.documents.fields import FieldError


@dataclass(frozen=True)
class SongRecord:
    """What became of a song.

    Parameters
    ----------
    path : str
        The file, or its URL without credentials.
    status : str
        "done" or "failed"; an instrumental is done.
    sha256 : str or None
        Digest of the audio file; null where it was not read.
    error : str or None
        Why it failed, in one line.
    results : tuple of str
        The files written.
    vocals_found : bool or None
        False for an instrumental; null where nobody looked for vocals.
    language : str or None
        ISO 639-1 code of the lyrics.
    duration : float or None
        Seconds of audio.
    lines, doubtful_lines : int or None
        Lines of the lyrics, and those of them with a flag.
    seconds : dict
        Time spent by stage.
    damage : tuple
        Passages of the file that could not be decoded: start, end and reason.
    details : dict
        Anything else that the command reports of a song, such as the quality of its vocals.
    """

    path: str
    status: str
    sha256: str | None = None
    error: str | None = None
    results: tuple[str, ...] = ()
    vocals_found: bool | None = None
    language: str | None = None
    duration: float | None = None
    lines: int | None = None
    doubtful_lines: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    damage: tuple[Any, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether the song has results."""
        return self.status == "done"


@dataclass(frozen=True)
class WeightRecord:
    """A file of model weights.

    Parameters
    ----------
    name : str
        The file's name; several files may share one, such as config.json.
    sha256 : str or None
        Digest of its content.
    """

    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class DatasetRevision:
    """A dataset that the songs or references came from.

    Parameters
    ----------
    name : str
        As `lyricsep datasets list` names it, or a folder.
    revision : str or None
        Commit or version of the dataset.
    """

    name: str
    revision: str | None = None


@dataclass(frozen=True)
class Manifest(Document):
    """What produced the results of a run.

    Parameters
    ----------
    lyricsep : str
        Version of lyricsep.
    command : tuple of str
        The command line, one item per argument, starting with "lyricsep"; of version 1, the command alone.
    started : str
        ISO 8601, UTC.
    seconds : float or None
        How long the run took.
    plan : dict
        Every resolved option that can change the result.
    filters : dict
        Which songs of the input were selected: languages, split, limit and so on.
    songs : tuple of SongRecord
        In the order in which they ended.
    failures : dict or None
        Songs of a batch that failed in this or an earlier run and are still missing, and why; null where the command
        is no batch.
    counts : dict
        Totals of the run, such as n_songs, n_done and n_failed of a batch.
    datasets : tuple of DatasetRevision
        Datasets used.
    weights : tuple of WeightRecord
        Model files used.
    libraries : dict
        Version of every library that can change a result; null where it is not installed.
    device : str
        The hardware, in words.
    seed : int or None
        Seed of the random numbers; null where there are none.
    python : str
        Version of Python.
    platform : str
        Operating system and processor.
    """

    SCHEMA: ClassVar[str] = "lyricsep/manifest"
    VERSION: ClassVar[int] = 2
    REMEDY: ClassVar[str] = "delete it, or restore it from a copy"

    lyricsep: str
    command: tuple[str, ...]
    started: str
    seconds: float | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    filters: dict[str, Any] = field(default_factory=dict)
    songs: tuple[SongRecord, ...] = ()
    failures: dict[str, str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    datasets: tuple[DatasetRevision, ...] = ()
    weights: tuple[WeightRecord, ...] = ()
    libraries: dict[str, str | None] = field(default_factory=dict)
    device: str = ""
    seed: int | None = None
    python: str = ""
    platform: str = ""

    @classmethod
    def upgraded(cls, document: Any, version: int) -> Mapping[str, Any]:
        """Return version 1 as version 2.

        ``options`` become the plan; further keys of a song become its details; the failures of a benchmark, a list,
        become a dict.
        """
        options = document.get("options", {})
        if not isinstance(options, dict):
            raise FieldError("options: expected an object")
        command = document.get("command")
        named = options.get("datasets")
        datasets = [{"name": name, "revision": revision} for name, revision in _dict(named).items()]
        failures = document.get("failures")
        if isinstance(failures, list):
            failures = {str(_dict(one).get("unit", "")): str(_dict(one).get("error", "")) for one in failures}
        counts = {key: value for key, value in document.items() if key.startswith("n_") and type(value) is int}
        return {
            **document,
            "command": ["lyricsep", command] if isinstance(command, str) else command,
            "plan": options,
            "songs": [_upgraded_song(song) for song in _list(document.get("songs"))],
            "failures": failures,
            "counts": counts,
            "datasets": datasets,
            "filters": {},
            "seed": _seed(options),
        }


_OF_A_SONG = frozenset(SongRecord.__dataclass_fields__)


def _upgraded_song(song: object) -> object:
    if not isinstance(song, dict):
        return song
    known = {key: value for key, value in song.items() if key in _OF_A_SONG}
    return known | {"details": {key: value for key, value in song.items() if key not in _OF_A_SONG}}


def _seed(options: Mapping[str, Any]) -> int | None:
    seed = _dict(_dict(options.get("settings")).get("transcription")).get("seed")
    return seed if type(seed) is int else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
