"""The catalogue of Whisper models: names to specifications to running transcribers."""

from __future__ import annotations

import base64
import gzip
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.catalogs import look_up, read_catalog
from lyricsep.errors import ConfigError
from lyricsep.weights import (
    WeightFile,
    cache_folder,
    fetch,
    fetch_folder,
    is_available_offline,
    load_openai_checkpoint,
    read_whisper,
    write_whisper,
)

if TYPE_CHECKING:
    import torch
    from whisper.model import Whisper

    from lyricsep.transcribers.base import WhisperOptions
    from lyricsep.transcribers.whisper import Backend, WhisperTranscriber

__all__ = ["BACKENDS", "WhisperSpec", "create_transcriber", "default_backend", "find_model", "model_catalog"]

BACKENDS = ("openai-whisper", "faster-whisper")


@dataclass(frozen=True)
class WhisperSpec:
    """One Whisper model, as the catalogue describes it.

    Parameters
    ----------
    name : str
        What ``--model`` takes.
    summary : str
        For people.
    openai : WeightFile
        The official checkpoint.
    ctranslate2 : tuple of WeightFile
        The same weights as a CTranslate2 folder; empty where none is known.
    """

    name: str
    summary: str
    openai: WeightFile
    ctranslate2: tuple[WeightFile, ...] = ()

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """What this machine would use: what is at hand, else the official checkpoint."""
        if self.ctranslate2 and all(map(is_available_offline, self.ctranslate2)):
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
    """Look a name up.

    Raises
    ------
    ConfigError
        If no model has that name; the message names the nearest.
    """
    return look_up(model_catalog(), name, "Whisper model")


def default_backend(device: torch.device) -> str:
    """Choose the quickest backend that is installed and runs on the device."""
    quick = device.type != "mps" and importlib.util.find_spec("ctranslate2") is not None
    return "faster-whisper" if quick else "openai-whisper"


def create_transcriber(
    spec: WhisperSpec,
    device: torch.device,
    options: WhisperOptions | None = None,
    *,
    backend: str = "openai-whisper",
    compute_type: str | None = None,
    offline: bool = False,
) -> WhisperTranscriber:
    """Fetch the weights, build the model, put it on the device.

    Parameters
    ----------
    spec : WhisperSpec
        From `find_model`, or your own.
    device : torch.device
        Where to run.
    options : WhisperOptions, optional
        How to decode.
    backend : {"openai-whisper", "faster-whisper"}
        Who runs the network.
    compute_type : str, optional
        CTranslate2's number format, for faster-whisper; by default int8 on the CPU and float16 on CUDA.
    offline : bool
        Never open a connection.

    Raises
    ------
    WeightsError
        If the weights cannot be had or loaded.
    ConfigError
        If the backend does not exist, is not installed, or does not run on the device.
    """
    from lyricsep.transcribers.whisper import WhisperTranscriber

    runner: Backend
    if backend == "openai-whisper":
        from lyricsep.transcribers.openai_whisper import OpenAIWhisper

        runner = OpenAIWhisper(f"openai-whisper {spec.name}", _openai_model(spec, offline=offline), device)
    elif backend == "faster-whisper":
        if importlib.util.find_spec("ctranslate2") is None:
            raise ConfigError("faster-whisper is not installed: pip install 'lyricsep[faster-whisper]'")
        if device.type == "mps":
            raise ConfigError("faster-whisper does not run on mps; use --transcriber openai-whisper or --device cpu")
        from lyricsep.transcribers.faster_whisper import FasterWhisper

        folder = _ctranslate2_folder(spec, offline=offline)
        runner = FasterWhisper(f"faster-whisper {spec.name}", folder, device, compute_type)
    else:
        raise ConfigError(f"no transcriber is called {backend!r}; there are {' and '.join(BACKENDS)}")
    return WhisperTranscriber(runner, options)


def _openai_model(spec: WhisperSpec, *, offline: bool) -> Whisper:
    import torch
    from whisper.model import ModelDimensions, Whisper

    if spec.files == spec.ctranslate2:
        dims, state, heads = read_whisper(fetch_folder(spec.name, spec.ctranslate2, offline=offline))
    else:
        dims, state = load_openai_checkpoint(fetch(spec.openai, offline=offline))
        heads = _official_heads(spec.name, dims)
    model = Whisper(ModelDimensions(**dims))
    model.load_state_dict(state)
    if heads:
        mask = torch.zeros(dims["n_text_layer"], dims["n_text_head"], dtype=torch.bool)
        mask[tuple(zip(*heads, strict=True))] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model


def _ctranslate2_folder(spec: WhisperSpec, *, offline: bool) -> Path:
    if spec.files == spec.ctranslate2:
        return fetch_folder(spec.name, spec.ctranslate2, offline=offline)
    folder = cache_folder() / "converted" / spec.openai.sha256[:16] / spec.name
    if not folder.is_dir():
        dims, state = load_openai_checkpoint(fetch(spec.openai, offline=offline))
        if not folder.is_dir():  # loading takes seconds, in which another process may have been quicker
            write_whisper(folder, dims, state, _official_heads(spec.name, dims))
    return folder


def _official_heads(name: str, dims: Mapping[str, int]) -> list[tuple[int, int]]:
    """Find the decoder layers and heads that follow time; none for a model that openai-whisper does not know."""
    import numpy as np
    from whisper import _ALIGNMENT_HEADS

    if name not in _ALIGNMENT_HEADS:
        return []
    mask = np.frombuffer(gzip.decompress(base64.b85decode(_ALIGNMENT_HEADS[name])), dtype=bool)
    pairs = np.argwhere(mask.reshape(dims["n_text_layer"], dims["n_text_head"]))
    return [(int(layer), int(head)) for layer, head in pairs]
