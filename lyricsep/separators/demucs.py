"""Demucs, by the classes of the `demucs` library, on weights that we fetch, verify and load ourselves.

The library would fall back in silence to pickles that may run code; here a checkpoint is a safetensors file with
the class and its arguments as metadata (as `demucs` 4.1 publishes them), or a ``.th`` file read by an unpickler
that knows nothing but tensors, numbers and the Demucs classes.

Demucs's own front end also normalises the whole song and averages over random shifts. The networks normalise every
chunk themselves, so the first changes nothing worth naming, and the second would give another result every time.

References
----------
Défossez: "Hybrid spectrogram and waveform source separation", ISMIR MDX workshop 2021. Rouard, Massa, Défossez:
"Hybrid transformers for music source separation", ICASSP 2023.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators.engine import Chunking, Network
from lyricsep.weights import fetch, load_checkpoint, load_safetensors

if TYPE_CHECKING:
    from lyricsep.separators.catalog import SeparatorSpec

__all__ = ["DemucsNetwork", "load_demucs"]

# The only classes a checkpoint may name.
CLASSES = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")
OVERLAP = 0.25  # of neighbouring chunks, as published (demucs.apply.apply_model)


class DemucsNetwork(Network):
    """The vocals of one Demucs model, or the mean of several.

    Parameters
    ----------
    models : sequence of nn.Module
        Demucs, HDemucs or HTDemucs, with the attributes ``sources``, ``samplerate``, ``audio_channels`` and
        ``segment`` (seconds).
    segment : float, optional
        Seconds per chunk, where the published collection of models wants other chunks than its models.

    Raises
    ------
    ValueError
        If the models do not fit together or have no vocals.
    """

    def __init__(self, models: Sequence[nn.Module], segment: float | None = None) -> None:
        super().__init__()
        layouts = {(tuple(_sources(m)), int(m.samplerate), int(m.audio_channels)) for m in models}  # type: ignore[arg-type]
        if len(layouts) != 1:
            raise ValueError(f"the models of a collection must agree on sources, rate and channels, got {layouts}")
        sources, self.sample_rate, self.n_channels = layouts.pop()
        if "vocals" not in sources:
            raise ValueError(f"a Demucs model with the sources {sources} has no vocals")
        self.vocals = sources.index("vocals")
        self.models = nn.ModuleList(models)
        duration = min(_duration(m) for m in models) if segment is None else segment
        self.chunking = Chunking.triangular(int(duration * self.sample_rate), OVERLAP)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, chunking.length)`` to vocals of the same shape."""
        return torch.stack([self._vocals(model, chunks) for model in self.models]).mean(dim=0)

    def _vocals(self, model: nn.Module, chunks: Tensor) -> Tensor:
        length = chunks.shape[-1]
        # Convolutions without padding want certain lengths: zeros on both sides, cut off again.
        excess = max(0, int(model.valid_length(length)) - length) if hasattr(model, "valid_length") else 0  # type: ignore[operator]
        stems: Tensor = model(F.pad(chunks, (excess // 2, excess - excess // 2)))
        start = (stems.shape[-1] - length) // 2
        return stems[:, self.vocals, :, start : start + length]


def load_demucs(spec: SeparatorSpec, *, offline: bool) -> DemucsNetwork:
    """Build a Demucs from its checkpoints.

    Raises
    ------
    WeightsError
        If a checkpoint cannot be had, or is not that of a Demucs.
    ConfigError
        If the checkpoint is quantised and `diffq` is not installed.
    """
    models = []
    for file in spec.files:
        path = fetch(file, offline=offline)
        load = _load_safetensors if path.suffix == ".safetensors" else _load_package
        models.append(load(path, file.name))
    try:
        return DemucsNetwork(models, spec.settings.get("segment"))
    except (AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"{spec.name}: its checkpoints do not make a Demucs ({error})") from error


def _load_safetensors(path: Path, name: str) -> nn.Module:
    state, metadata = load_safetensors(path)
    try:
        klass = _class(metadata["klass"], name)
        args = json.loads(metadata["args"], object_hook=_with_fractions)
        kwargs = json.loads(metadata["kwargs"], object_hook=_with_fractions)
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"{name}: not a Demucs checkpoint (expected the metadata klass, args and kwargs: {error})"
        ) from error
    return _build(klass, args, kwargs, state, name)


def _load_package(path: Path, name: str) -> nn.Module:
    allowed: list[type] = [Fraction, *(_class(qualified, name) for qualified in CLASSES)]
    if importlib.util.find_spec("diffq"):
        allowed.append(importlib.import_module("diffq").DiffQuantizer)
    package = load_checkpoint(path, allow=allowed)
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise WeightsError(f"{name}: not a Demucs checkpoint (expected klass, args, kwargs and state)")
    if package["klass"] not in allowed[1:4]:
        raise WeightsError(f"{name}: not a Demucs checkpoint (its class is {package['klass']!r})")
    return _build(package["klass"], package["args"], package["kwargs"], package["state"], name)


def _build(klass: type, args: Sequence[object], kwargs: Mapping[str, object], state: object, name: str) -> nn.Module:
    from demucs.states import load_model

    if isinstance(state, dict) and state.get("__quantized") and not importlib.util.find_spec("diffq"):
        raise ConfigError(f"{name}: the model is quantised; install what reads it: pip install 'lyricsep[quantized]'")
    package = {"klass": klass, "args": args, "kwargs": dict(kwargs), "state": state}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells of arguments that only training knew
            model: nn.Module = load_model(package)  # type: ignore[no-untyped-call]
    except (TypeError, RuntimeError, KeyError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{name}: the checkpoint does not fit {klass.__name__} ({reason})") from error
    return model.eval()


def _class(qualified: str, name: str) -> type:
    if qualified not in CLASSES:
        raise WeightsError(f"{name}: names the class {qualified!r}; only {', '.join(CLASSES)} may be built")
    module, _, klass = qualified.rpartition(".")
    found: type = getattr(importlib.import_module(module), klass)
    return found


def _with_fractions(value: dict[str, object]) -> object:
    if value.get("_type") == "fraction":
        return Fraction(int(str(value["numerator"])), int(str(value["denominator"])))
    return value


def _duration(model: nn.Module) -> float:
    return float(model.segment)  # type: ignore[arg-type]  # seconds, a float or a Fraction


def _sources(model: nn.Module) -> Sequence[str]:
    sources: Sequence[str] = model.sources  # type: ignore[assignment]
    return sources
