"""What a benchmark runs: a grid of conditions, written in TOML.

::

    title = "Long form"
    datasets = ["jam-alt"]                   # names or folders
    audio = ["mixture", "spleeter", "spleeter+0.3", "stem"]
    segmentation = ["native", "rms-vad"]     # also fixed, lines, groups
    segment_by = "spleeter"                  # whose vocals RMS-VAD listens to; default: the audio's own
    rms_vad = "paper"                        # or "default"
    model = "base"                           # a name of the catalogue, or the path of one of your own
    seeds = [0, 1, 2]                        # each is a run of its own where something is sampled
    normalise = true                         # as `lyricsep.scoring.score`
    sort_by = "audio"                        # rows; or "segmentation"
    columns = ["WER", "CER"]                 # rates of the table
    published_source = "arXiv 2506.15514"    # of the rows shown beside the results

    [transcription]                          # of `WhisperOptions`, for every condition
    beam_size = 5
    [transcription.lines]                    # for one segmentation
    temperatures = [0.0]
    [[published]]                            # a row for each condition, in percent
    dataset = "jam-alt"
    audio = "mixture"
    segmentation = "native"
    WER = 22.36

An audio is the mixture, the dataset's own vocal stem, or the vocals of a separator, ``+0.3`` with that share of the
accompaniment mixed back.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from lyricsep.documents.fields import FieldError, from_json
from lyricsep.errors import ConfigError
from lyricsep.files import read_bytes, shown
from lyricsep.scoring import RATES
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import find_separator
from lyricsep.transcribers import NATIVE, WhisperOptions, find_model

SEGMENTATIONS = ("native", "rms-vad", "fixed", "lines", "groups")
"""Whisper's own windows; RMS-VAD; windows of 30 s; the reference's merged lines; groups of them up to 30 s."""

GRIDS = ("paper-long", "paper-short", "lyricsep")
"""Grids that ship."""

_RMS_VAD = {"paper": PAPER, "default": RmsVadOptions()}
_FIXED_NAMES = {"mixture": "none", "stem": "stems"}  # audio to the separator that gives it


@dataclass(frozen=True)
class Condition:
    """One row of the table: an audio of the grid, and one of `SEGMENTATIONS`."""

    audio: str
    segmentation: str

    @property
    def separator(self) -> str:
        """Name in the catalogue of separators."""
        name = self.audio.partition("+")[0]
        return _FIXED_NAMES.get(name, name)

    @property
    def mix_back(self) -> float:
        """Share of the accompaniment, 0 to 1."""
        return float(self.audio.partition("+")[2] or 0)

    @property
    def name(self) -> str:
        """For tables and folders."""
        return f"{self.audio}, {self.segmentation}"


@dataclass(frozen=True)
class Published:
    """A published row.

    Parameters
    ----------
    dataset, audio, segmentation : str
        Beside which condition it stands.
    published_audio : str
        Which audio it was published for; another than `audio` where a separator was overridden.
    rates : mapping of str to float
        In percent, such as ``{"WER": 22.36}``.
    """

    dataset: str
    audio: str
    segmentation: str
    published_audio: str
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Grid:
    """What to run; the module describes the keys. `transcription` is by segmentation."""

    title: str
    datasets: tuple[str, ...]
    audio: tuple[str, ...]
    segmentation: tuple[str, ...]
    model: str
    seeds: tuple[int, ...] = (0,)
    segment_by: str | None = None
    rms_vad: RmsVadOptions = field(default_factory=RmsVadOptions)
    normalise: bool = True
    sort_by: str = "audio"
    columns: tuple[str, ...] = ("WER", "SR", "DR", "IR", "IR_hal", "DR_NL", "DR_BV")
    transcription: Mapping[str, WhisperOptions] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    published_source: str = ""

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every row, in order."""
        if self.sort_by == "segmentation":
            return tuple(Condition(audio, how) for how, audio in product(self.segmentation, self.audio))
        return tuple(Condition(audio, how) for audio, how in product(self.audio, self.segmentation))

    def listens_to(self, condition: Condition) -> str | None:
        """Return the separator whose vocals are segmented; None where nothing is."""
        if condition.segmentation != "rms-vad":
            return None
        return self.segment_by or condition.separator

    def with_models(self, separator: str | None, model: str | None) -> Grid:
        """Return the grid with another separator, or another model, in all conditions; published rows stay."""
        grid = replace(self, model=model or self.model)
        find_model(grid.model)
        if separator is None:
            return grid
        find_separator(separator)

        def renamed(audio: str) -> str:
            name, plus, share = audio.partition("+")
            return audio if name in _FIXED_NAMES else separator + plus + share

        return replace(
            grid,
            audio=tuple(dict.fromkeys(map(renamed, self.audio))),
            segment_by=self.segment_by and separator,
            published=tuple(replace(row, audio=renamed(row.audio)) for row in self.published),
        )


def read_grid(name: str) -> Grid:
    """Read a grid that ships, or one's own file.

    Raise a `ConfigError` if there is no such grid, or the file is wrong; the message names the key.
    """
    if name in GRIDS:
        grids = resources.files("lyricsep.benchmark") / "presets"
        text = (grids / f"{name}.toml").read_text(encoding="utf-8")
    else:
        try:
            text = read_bytes(Path(name)).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{shown(Path(name))}: no such grid or file; choose from {', '.join(GRIDS)}, or name a TOML file"
            ) from error
    try:
        return _grid(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValueError, ConfigError, FieldError) as error:
        raise ConfigError(f"{shown(Path(name))}: not a valid grid: {error}") from error


_KINDS = {
    **dict.fromkeys(("title", "model", "segment_by", "rms_vad", "sort_by", "published_source"), str),
    **dict.fromkeys(("datasets", "audio", "segmentation", "columns"), tuple[str, ...]),
    "seeds": tuple[int, ...],
    "normalise": bool,
    "transcription": dict[str, Any],
    "published": tuple[dict[str, Any], ...],
}


def _grid(table: dict[str, Any]) -> Grid:
    values = {}
    for key, value in table.items():
        if key not in _KINDS:
            raise ConfigError(f"unknown key {key!r}; choose from {', '.join(_KINDS)}")
        values[key] = from_json(_KINDS[key], value, key)
        if isinstance(value, list) and (twice := [item for n, item in enumerate(value) if item in value[:n]]):
            raise ConfigError(f"{key}: {twice[0]!r} is listed twice")
    missing = [key for key in ("title", "datasets", "audio", "segmentation", "model") if not table.get(key)]
    missing += ["seeds"] if table.get("seeds") == [] else []
    if missing:
        raise ConfigError(f"{missing[0]} is missing")
    _check_names("segmentation", values["segmentation"], SEGMENTATIONS)
    for audio in values["audio"]:
        _check_audio(audio)
    find_model(values["model"])
    if "segment_by" in values:
        find_separator(values["segment_by"])
    _check_names("columns", values.get("columns", ()), tuple(RATES))
    _check_names("sort_by", (values.get("sort_by", "audio"),), ("audio", "segmentation"))
    rms_vad = values.get("rms_vad", "default")
    _check_names("rms_vad", (rms_vad,), tuple(_RMS_VAD))
    values["rms_vad"] = _RMS_VAD[rms_vad]
    values["transcription"] = _options(values.get("transcription", {}), values["segmentation"])
    values["published"] = tuple(_published(row) for row in values.get("published", ()))
    return Grid(**values)


def _check_audio(audio: str) -> None:
    find_separator(Condition(audio, "native").separator)
    name, plus, share = audio.partition("+")
    try:
        is_right = not plus or (name not in _FIXED_NAMES and 0 < float(share) < 1)
    except ValueError:
        is_right = False
    if not is_right:
        raise ConfigError(f"audio: {audio!r} should be mixture, stem, or a separator, which may end in +0.3")


def _check_names(key: str, names: Sequence[object], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{key}: unknown name {name!r}; choose from {', '.join(known)}")


def default_options(segmentation: str) -> WhisperOptions:
    """Return the options that a grid does not set: whole songs are decoded as Whisper itself does."""
    return NATIVE if segmentation == "native" else WhisperOptions()


def _options(table: Mapping[str, Any], segmentations: Sequence[str]) -> dict[str, WhisperOptions]:
    common = {key: value for key, value in table.items() if key not in SEGMENTATIONS}
    known = {f.name for f in fields(WhisperOptions)} - {"mix_back", "seed"}
    options = {}
    for segmentation in segmentations:
        of_it = table.get(segmentation, {})
        if not isinstance(of_it, dict):
            raise ConfigError(f"transcription.{segmentation} should be a table, got {of_it!r}")
        own = common | of_it
        _check_names(f"transcription for {segmentation}", tuple(own), sorted(known))
        own = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
        try:
            options[segmentation] = replace(default_options(segmentation), **own)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"transcription for {segmentation}: {error}") from error
    return options


def _published(row: Mapping[str, Any]) -> Published:
    named = ("dataset", "audio", "segmentation")
    for key in named:
        if not isinstance(row.get(key), str):
            raise ConfigError(f"published: {key} should be a name, got {row.get(key)!r}")
    rates = {key: value for key, value in row.items() if key not in named}
    _check_names("published", tuple(rates), tuple(RATES))
    for key, value in rates.items():
        if type(value) not in (int, float):
            raise ConfigError(f"published: {key} should be a number, got {value!r}")
    rates = {key: float(value) for key, value in rates.items()}
    return Published(row["dataset"], row["audio"], row["segmentation"], row["audio"], rates)
