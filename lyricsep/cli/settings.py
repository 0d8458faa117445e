"""From options to the work they ask for, the same for every command that transcribes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lyricsep.cli.console import say
from lyricsep.engines.work import Work
from lyricsep.errors import ConfigError
from lyricsep.formats import FORMATS
from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import RmsVadOptions
from lyricsep.transcribers import NATIVE, WhisperOptions, backend_name, default_backend, find_model, language_code

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from lyricsep.inputs import Song

__all__ = [
    "choose_work",
    "chosen_formats",
    "chosen_languages",
    "chosen_sizes",
    "chosen_temperatures",
    "segmentation_of",
]


def choose_work(
    device: torch.device,
    *,
    language: str | None,
    preset: str | None,
    separator: str | None,
    query: str | None,
    then: str | None,
    model: str | None,
    transcriber: str | None,
    native: bool,
    segmentation: Mapping[str, float | None],
    transcription: Mapping[str, object],
) -> tuple[str, Work, str | None]:
    """Put together a preset and what was asked for beside it, and say what that is.

    Parameters
    ----------
    segmentation, transcription : mapping
        Options that were given, or None.

    Returns
    -------
    preset : str
        Its name.
    work : Work
        Whose models exist; they are not loaded yet.
    language : str or None
        As a code that the model knows.

    Raises
    ------
    ConfigError
        If something does not exist, or does not go together.
    """
    from lyricsep.devices import describe_device

    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}; there are {', '.join(PRESETS)}")
    if native and any(value is not None for value in segmentation.values()):
        raise ConfigError("--native does not segment; leave out --onset, --offset, --min-silence and --floor-db")
    name = preset or preset_for(device)
    base = PRESETS[name]
    if native:
        own = ("no_repeat_ngram_sizes", "temperatures", "compression_ratio_threshold")
        base = replace(
            base, transcription=_changed(base.transcription, **{name: getattr(NATIVE, name) for name in own})
        )
    settings = replace(
        base,
        separator=separator or base.separator,
        model=model or base.model,
        segmentation=segmentation_of(base.segmentation, **segmentation),
        transcription=_changed(base.transcription, **transcription),
    )
    work = Work(settings, backend_name(transcriber or default_backend(device)), query, then, native)
    known = _language(language, find_model(settings.model).name)
    separators = " then ".join(spec.name for spec in work.separators)
    say(
        f"preset {name}{'' if preset else ' (chosen for this device)'}: {separators} + "
        f"{find_model(settings.model).name} by {work.transcriber} on {describe_device(device)}"
    )
    return name, work, known


def segmentation_of(options: RmsVadOptions, **changes: float | None) -> RmsVadOptions:
    """Override segmentation options that were given.

    Raises
    ------
    ConfigError
        If they contradict each other.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if "onset" in given and "offset" not in given:
        given["offset"] = min(options.offset, given["onset"])
    try:
        return replace(options, **given)  # type: ignore[arg-type]
    except ValueError as error:
        # The rule that is broken says it all; the message goes on with all the options.
        raise ConfigError(f"segmentation: {str(error).partition(', got ')[0]}") from error


def _changed(options: WhisperOptions, **changes: object) -> WhisperOptions:
    try:
        return replace(options, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"transcription: {error}") from error


def chosen_formats(names: str | None, *, to_stdout: bool = False) -> list[str]:
    """Read the value of ``--format``.

    Raises
    ------
    ConfigError
        If there is no such format, or more than one for stdout.
    """
    if names is None:
        return ["txt"] if to_stdout else ["txt", "lrc", "json"]
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(f"--format {names}: choose from {', '.join(FORMATS)}")
    if to_stdout and len(wanted) > 1:
        raise ConfigError(f"--format {names}: --output - prints one format; choose one, or a folder for --output")
    return wanted


def chosen_sizes(numbers: str | None) -> tuple[int, ...] | None:
    """Read the value of ``--no-repeat``, where 0 stands for none.

    Raises
    ------
    ConfigError
        If it is not numbers.
    """
    if numbers is None:
        return None
    try:
        return tuple(int(number) for number in numbers.split(",")) if numbers.strip() != "0" else ()
    except ValueError as error:
        raise ConfigError(f"--no-repeat {numbers}: expected whole numbers such as 8,3, or 0 for none") from error


def chosen_temperatures(numbers: str | None) -> tuple[float, ...] | None:
    """Read the value of ``--temperatures``.

    Raises
    ------
    ConfigError
        If it is not numbers.
    """
    if numbers is None:
        return None
    try:
        return tuple(float(number) for number in numbers.split(","))
    except ValueError as error:
        raise ConfigError(f"--temperatures {numbers}: expected numbers such as 0,0.2,0.4") from error


def _language(name: str | None, model: str) -> str | None:
    """Read a language, for a model that must know it."""
    if name is None:
        return None
    code = language_code(name)
    if model.endswith(".en") and code != "en":
        raise ConfigError(
            f"--language {name}: {model} knows English alone; choose --model {model.removesuffix('.en')}"
        )
    return code


def chosen_languages(songs: Iterable[Song], default: str | None, model: str) -> dict[Path, str | None]:
    """Give the language of every song: the one its list tells, else `default`, which is known to the model.

    Raises
    ------
    ConfigError
        If there is no such language, or the model knows English alone.
    """
    return {song.path: _language(song.language, model) if song.language else default for song in songs}
