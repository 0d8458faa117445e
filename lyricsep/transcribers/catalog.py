"""The catalogue of Whisper models, and transcribers made from it."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.catalogs import look_up, read_catalog
from lyricsep.errors import ConfigError
from lyricsep.files import at_home, is_there, shown
from lyricsep.weights import (
    WeightFile,
    cache_folder,
    check_whisper,
    fetch,
    fetch_folder,
    is_available_offline,
    load_openai_checkpoint,
    pinned_here,
    read_whisper,
    whisper_dims,
    write_whisper,
)

if TYPE_CHECKING:
    import torch
    from whisper import Whisper

    from lyricsep.transcribers.base import WhisperOptions
    from lyricsep.transcribers.whisper import Backend, WhisperTranscriber

BACKENDS = ("openai-whisper", "ctranslate2")
OLD_BACKENDS = {"faster-whisper": "ctranslate2"}  # names of earlier releases
ALIASES = {"turbo": "large-v3-turbo", "large": "large-v3"}  # as openai-whisper names them
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")  # of a CTranslate2 folder, which holds one of them


@dataclass(frozen=True)
class WhisperSpec:
    """A Whisper model of the catalogue, or one of the user's.

    Parameters
    ----------
    name : str
        Shown to the user; for a model of the catalogue, the name that selects it.
    summary : str
        Shown to the user.
    openai : WeightFile or None
        The checkpoint of openai-whisper; None if there is only a CTranslate2 folder.
    ctranslate2 : tuple of WeightFile
        The same weights as a CTranslate2 folder; empty where none is known.

    Raises
    ------
    ValueError
        If there is neither.
    """

    name: str
    summary: str
    openai: WeightFile | None
    ctranslate2: tuple[WeightFile, ...] = ()

    def __post_init__(self) -> None:
        """Check that the model has weights."""
        if self.openai is None and not self.ctranslate2:
            raise ValueError(f"{self.name}: a model has a checkpoint or the files of a CTranslate2 folder")

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """The files this machine would use: those that are installed, otherwise the checkpoint."""
        if self.openai is None or (self.ctranslate2 and all(map(is_available_offline, self.ctranslate2))):
            return self.ctranslate2
        return (self.openai,)


@cache
def model_catalog() -> Mapping[str, WhisperSpec]:
    """Every Whisper model by name, in the catalogue's order."""
    specs = [
        WhisperSpec(
            name=table["name"],
            summary=table["summary"],
            openai=WeightFile.from_toml(table["openai"]),
            ctranslate2=tuple(WeightFile.from_toml(file) for file in table.get("ctranslate2", ())),
        )
        for table in read_catalog("lyricsep.transcribers")["model"]
    ]
    return {spec.name: spec for spec in specs}


def find_model(name: str) -> WhisperSpec:
    """Return a model by name or path.

    Parameters
    ----------
    name : str
        A name of the catalogue, or of `ALIASES`; or the path of a model of your own: a checkpoint of openai-whisper,
        or a CTranslate2 folder (``model.bin``, ``config.json``, ``vocabulary.json`` or ``.txt``). A name that ends
        in ``.pt``, holds a slash, or exists as a file is a path, unless the catalogue has it: ``./base`` is never
        the published model.

    Returns
    -------
    WhisperSpec
        A model of your own is named after its file without the suffix, or after its folder. Its files are pinned by
        their present content, hashed once per process; after a change they are another model.

    Raises
    ------
    ConfigError
        If no model has that name (the message suggests the nearest), or the path is missing or holds no model.
    WeightsError
        If a file cannot be read.
    """
    if name in model_catalog() or not name:
        return look_up(model_catalog(), name, "Whisper model")
    if name in ALIASES and not is_there(Path(name)):
        return model_catalog()[ALIASES[name]]
    path = at_home(name)
    try:
        if path.is_dir():
            return _user_folder(path)
        if path.is_file():
            return WhisperSpec(_user_model_name(path, path.stem), f"checkpoint {path.name}", pinned_here(path))
    except OSError as error:
        raise ConfigError(
            f"{shown(path)}: cannot be read ({error.strerror or error})", hint="check the path"
        ) from error
    if path.suffix == ".pt" or {"/", os.sep} & set(name):
        raise ConfigError(
            f"{shown(path)}: there is no such file or folder",
            hint="set {model} to a checkpoint (.pt), a CTranslate2 folder, or a model of `lyricsep models list`",
        )
    return look_up(model_catalog(), name, "Whisper model")


def _user_folder(path: Path) -> WhisperSpec:
    inside = [path / name for name in ("model.bin", "config.json", *VOCABULARIES)]
    found = [file for file in inside if file.is_file()]
    missing = [file.name for file in inside[:2] if file not in found]
    if not set(inside[2:]) & set(found):
        missing.append(" or ".join(VOCABULARIES))
    if missing:
        raise ConfigError(
            f"{shown(path)}: is not a CTranslate2 model, it has no {' and no '.join(missing)}",
            hint="choose a folder with these files, or convert a Hugging Face model with ct2-transformers-converter",
        )
    name = _user_model_name(path, path.name)
    return WhisperSpec(name, f"CTranslate2 folder {name}", None, tuple(map(pinned_here, found)))


def _user_model_name(path: Path, name: str) -> str:
    """Return a name that is also valid for a folder, unlike "." and ".."."""
    return re.sub(r"[^\w.+ -]", "_", name if name.strip(".") else path.resolve().name) or "model"


def backend_name(name: str) -> str:
    """Return the canonical name of a Whisper backend.

    Parameters
    ----------
    name : str
        One of `BACKENDS`, or ``faster-whisper``, the former name of ``ctranslate2``.

    Raises
    ------
    ConfigError
        If no backend has that name; the message lists those that exist.
    """
    canonical = OLD_BACKENDS.get(name, name)
    if canonical not in BACKENDS:
        raise ConfigError(f"no Whisper backend is called {name!r}; choose from {', '.join(BACKENDS)}")
    return canonical


def default_backend(device: torch.device) -> str:
    """Return the fastest backend that is installed and runs on the device."""
    is_fast = device.type != "mps" and importlib.util.find_spec("ctranslate2") is not None
    return "ctranslate2" if is_fast else "openai-whisper"


def create_transcriber(
    spec: WhisperSpec,
    device: torch.device,
    options: WhisperOptions | None = None,
    *,
    backend: str = "openai-whisper",
    compute_type: str | None = None,
    offline: bool = False,
) -> WhisperTranscriber:
    """Load the weights, build the model and move it to the device.

    Parameters
    ----------
    spec : WhisperSpec
        From `find_model`, or your own.
    device : torch.device
        The device to run on.
    options : WhisperOptions, optional
        Decoding options.
    backend : {"openai-whisper", "ctranslate2"}
        The library that runs the network; also the former name ``faster-whisper``.
    compute_type : str, optional
        Number format of ``ctranslate2``; by default int8 on the CPU and float16 on CUDA.
    offline : bool
        Make no network requests.

    Raises
    ------
    WeightsError
        If the weights cannot be downloaded or loaded.
    ConfigError
        If the backend does not exist, is not installed, or does not run on the device.
    """
    from lyricsep.transcribers.whisper import WhisperTranscriber

    backend = backend_name(backend)
    runner: Backend
    if backend == "openai-whisper":
        from lyricsep.transcribers.openai_whisper import OpenAIWhisper

        runner = OpenAIWhisper(f"openai-whisper {spec.name}", _openai_model(spec, offline=offline), device)
    else:
        if importlib.util.find_spec("ctranslate2") is None:
            raise ConfigError("ctranslate2 is not installed", hint="run: pip install 'lyricsep[ctranslate2]'")
        if device.type == "mps":
            raise ConfigError("ctranslate2 does not run on mps", hint="set {backend=openai-whisper} or {device=cpu}")
        from lyricsep.transcribers.ctranslate2 import CTranslate2Whisper

        folder = _ctranslate2_folder(spec, offline=offline)
        runner = CTranslate2Whisper(f"ctranslate2 {spec.name}", folder, device, compute_type)
    return WhisperTranscriber(runner, options)


def _openai_model(spec: WhisperSpec, *, offline: bool) -> Whisper:
    from lyricsep.transcribers.whisper_internals import empty_whisper, set_alignment_heads

    if spec.files == spec.ctranslate2:
        dims, state, heads = read_whisper(fetch_folder(spec.name, spec.ctranslate2, offline=offline))
    else:
        dims, state, heads = _read_checkpoint(*spec.files, offline=offline)
    model = empty_whisper(dims)
    model.load_state_dict(state)
    if heads:
        set_alignment_heads(model, heads)
    return model


def _ctranslate2_folder(spec: WhisperSpec, *, offline: bool) -> Path:
    if spec.files == spec.ctranslate2:
        folder = fetch_folder(spec.name, spec.ctranslate2, offline=offline)
        check_whisper(folder)
        return folder
    (checkpoint,) = spec.files
    folder = cache_folder() / "converted" / checkpoint.sha256[:16] / spec.name
    if not folder.is_dir():
        read = _read_checkpoint(checkpoint, offline=offline)
        if not folder.is_dir():  # another process may have converted it while this one loaded
            write_whisper(folder, *read)
    return folder


def _read_checkpoint(
    checkpoint: WeightFile, *, offline: bool
) -> tuple[dict[str, int], dict[str, torch.Tensor], list[tuple[int, int]]]:
    """Return the dimensions, the weights and, where known, the alignment heads."""
    from lyricsep.transcribers.whisper_internals import published_alignment_heads

    dims, state = load_openai_checkpoint(fetch(checkpoint, offline=offline))
    return dims, state, published_alignment_heads(_published_name(checkpoint, dims), dims)


def _published_name(checkpoint: WeightFile, dims: Mapping[str, int]) -> str:
    """Return the published model that a checkpoint is or was fine-tuned from; empty where that is not certain.

    It is identified by its hash, or else by its dimensions, which fine-tuning keeps, if only one published model has
    them: large-v1 and large-v2 have the same dimensions but different heads.
    """
    same = [name for name, spec in model_catalog().items() if spec.openai and spec.openai.sha256 == checkpoint.sha256]
    alike = same or [name for name in model_catalog() if whisper_dims(name) == dims]
    return alike[0] if len(alike) == 1 else ""
