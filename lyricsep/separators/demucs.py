"""Demucs, by the classes of the `demucs` library, on weights that lyricsep downloads, verifies and loads.

The library would fall back in silence to pickles that may run code; here a checkpoint is a safetensors file with
the class and its arguments as metadata (as `demucs` 4.1 publishes them), or a ``.th`` file read by an unpickler
that knows nothing but tensors, numbers and the Demucs classes.

The networks of Demucs 2 were published as nothing but tensors, and the library of today pads their convolutions,
which they were trained without: `WaveformDemucs` does as the library did then. The settings of the catalogue say what
their files do not: ``sources``, in order, and ``sample_rate``.

Vocals are those of `demucs.apply.apply_model` without its random shifts, which would give another result every
time. Demucs's own front end also normalises the whole song; the networks normalise every chunk themselves, so that
changes nothing worth naming. Those of Demucs 2 did not, and do here.

References
----------
Défossez, Usunier, Bottou, Bach: "Music source separation in the waveform domain", arXiv 1911.13254, 2019.
Défossez: "Hybrid spectrogram and waveform source separation", ISMIR MDX workshop 2021. Rouard, Massa, Défossez:
"Hybrid transformers for music source separation", ICASSP 2023.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError, WeightsError, reason_of
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing
from lyricsep.weights import fetch, load_checkpoint, load_safetensors

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

# The only classes a checkpoint may name.
CLASSES = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")
OVERLAP = 0.25  # of neighbouring chunks, as published (demucs.apply.apply_model)

# Demucs 2, as published.
KERNEL, STRIDE = 8, 4  # of the layers
CONTEXT = 3  # frames that a layer of the decoder hears
WAVEFORM_SEGMENT = 40  # seconds per chunk
FLOOR = 1e-5  # beside the deviation of a chunk
FIRST = "encoder.0.0.weight"  # in its files, and in none of the others

# What the Demucs classes are known to raise on arguments and states that make no sense.
_MISFIT = (
    TypeError,
    ValueError,
    RuntimeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)


class DemucsNetwork(Network):
    """The vocals of one Demucs model, or the mean of several.

    Parameters
    ----------
    models : sequence of nn.Module
        Demucs, HDemucs, HTDemucs or WaveformDemucs, with the attributes ``sources``, ``samplerate``,
        ``audio_channels`` and ``segment`` (seconds).
    segment : float, optional
        Seconds per chunk, where the published collection of models wants other chunks than its models. A
        transformer, which knows no positions beyond those it was trained on, keeps its own where that is shorter.

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
        self._length = int(self.sample_rate * min(_segment(m, segment) for m in models))
        published = Chunking.triangular(self._length, OVERLAP)
        # What may be seen on each side: half a chunk at the song's end, and what convolutions without padding want.
        excess = max(_seen(m, self._length, self._length) for m in models) - self._length
        margin = self._length // 2 + excess
        self.chunking = Chunking(
            self._length + 2 * margin, published.hop, margin, F.pad(published.weight, (margin, margin))
        )

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, chunking.length)`` to vocals of the same shape."""
        return self.finish(chunks, chunks.shape[-1])

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        """Separate; at the end of a song a chunk is as short as what is left of it, as published."""
        # Two samples at least: the networks divide by a standard deviation.
        length = max(2, min(self._length, n_samples - self.chunking.lead))
        return torch.stack([self._separate(model, chunks, length) for model in self.models]).mean(dim=0)

    def _separate(self, model: nn.Module, chunks: Tensor, length: int) -> Tensor:
        lead = self.chunking.lead
        seen = _seen(model, length, self._length)
        start = lead - (seen - length) // 2
        stems: Tensor = model(chunks[..., start : start + seen])
        vocals = _middle(stems[:, self.vocals], length)
        return F.pad(vocals, (lead, chunks.shape[-1] - lead - length))


class WaveformDemucs(nn.Module):
    """Demucs 2: convolutions of the waveform, at twice its rate, around a recurrent network.

    It has the weights of `demucs.demucs.Demucs` without its later parts, but no padding: it separates the middle of
    what it sees. See `valid_length`.

    Parameters
    ----------
    sources : sequence of str
        Names of what it separates, in order.
    sample_rate : int
        Samples per second of mixture and sources.
    channels : int
        Of the first layer; each has twice as many as the one before. Published: 64.
    depth : int
        Layers. Published: 6.
    audio_channels : int
        Channels of mixture and sources.
    """

    def __init__(
        self, sources: Sequence[str], sample_rate: int, *, channels: int = 64, depth: int = 6, audio_channels: int = 2
    ) -> None:
        super().__init__()
        self.sources = list(sources)
        self.samplerate = sample_rate
        self.audio_channels = audio_channels
        self.segment = WAVEFORM_SEGMENT
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        widths = [audio_channels, *(channels * 2**level for level in range(depth))]
        for n_outer, n_inner in pairwise(widths):
            self.encoder.append(
                nn.Sequential(
                    nn.Conv1d(n_outer, n_inner, KERNEL, STRIDE),
                    nn.ReLU(),
                    nn.Conv1d(n_inner, 2 * n_inner, 1),
                    nn.GLU(1),
                )
            )
            is_last = len(self.decoder) == 0  # they come from the inside out
            n_given = len(self.sources) * audio_channels if is_last else n_outer
            block = [nn.Conv1d(n_inner, 2 * n_inner, CONTEXT), nn.GLU(1)]
            block += [nn.ConvTranspose1d(n_inner, n_given, KERNEL, STRIDE), *([] if is_last else [nn.ReLU()])]
            self.decoder.insert(0, nn.Sequential(*block))
        widest = widths[-1]
        self.lstm = nn.ModuleDict(
            {"lstm": nn.LSTM(widest, widest, 2, bidirectional=True), "linear": nn.Linear(2 * widest, widest)}
        )

    def valid_length(self, length: int) -> int:
        """Count the samples it wants to see, in the middle of which it separates `length`."""
        n_frames = 2 * length
        for _ in self.encoder:
            n_frames = max(1, math.ceil((n_frames - KERNEL) / STRIDE) + 1) + CONTEXT - 1
        for _ in self.encoder:
            n_frames = (n_frames - 1) * STRIDE + KERNEL
        return math.ceil(n_frames / 2)

    def forward(self, mixture: Tensor) -> Tensor:
        """Separate; ``(batch, audio_channels, n_samples)`` to ``(batch, n_sources, audio_channels, fewer)``."""
        from julius.resample import resample_frac

        mono = mixture.mean(dim=1, keepdim=True)
        mean, level = mono.mean(dim=2, keepdim=True), mono.std(dim=2, keepdim=True)
        x = resample_frac((mixture - mean) / (level + FLOOR), 1, 2)
        passed = []
        for block in self.encoder:
            x = block(x)
            passed.append(x)
        x = self.lstm["linear"](self.lstm["lstm"](x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        for block in self.decoder:
            x = block(x + _middle(passed.pop(), x.shape[-1]))
        stems: Tensor = resample_frac(x, 2, 1) * level + mean
        return stems.reshape(len(stems), len(self.sources), self.audio_channels, -1)


def load_demucs(spec: SeparatorSpec, *, offline: bool) -> DemucsNetwork:
    """Build a Demucs from its checkpoints.

    Raise a `ConfigError` if one is quantised and `diffq` is not installed, or is of Demucs 2 and the settings do not
    say its sources and rate.
    """
    models = []
    for file in spec.files:
        path = fetch(file, offline=offline)
        load = _load_safetensors if path.suffix == ".safetensors" else _load_package
        models.append(load(path, file.name, spec))
    with describing(f"{spec.name}: its checkpoints do not make a Demucs", errors=_MISFIT):
        return DemucsNetwork(models, spec.settings.get("segment"))


def _load_safetensors(path: Path, name: str, spec: SeparatorSpec) -> nn.Module:
    state, metadata = load_safetensors(path)
    if "klass" not in metadata and FIRST in state:
        return _build_waveform(state, name, spec)
    try:
        klass = _class(metadata["klass"], name)
        args = json.loads(metadata["args"], object_hook=_with_fractions)
        kwargs = json.loads(metadata["kwargs"], object_hook=_with_fractions)
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise WeightsError(
            f"{name}: not a Demucs checkpoint (expected the metadata klass, args and kwargs: {reason_of(error)})"
        ) from error
    return _build(klass, args, kwargs, state, name)


def _load_package(path: Path, name: str, spec: SeparatorSpec) -> nn.Module:
    classes = [_class(qualified, name) for qualified in CLASSES]
    # Published packages hold notes on their training, with NumPy numbers under NumPy's older and newer names.
    allowed: list[Any] = [Fraction, *classes, _PickledDType, (_PickledDType, "numpy.dtype")]
    allowed += [(_number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    if importlib.util.find_spec("diffq"):
        allowed.append(importlib.import_module("diffq").DiffQuantizer)
    package = load_checkpoint(path, allow=allowed)
    if isinstance(package, dict) and FIRST in package:
        return _build_waveform(package, name, spec)
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise WeightsError(f"{name}: not a Demucs checkpoint (expected klass, args, kwargs and state)")
    if not any(package["klass"] is klass for klass in classes):
        raise WeightsError(f"{name}: not a Demucs checkpoint (its class is {str(package['klass'])[:200]})")
    return _build(package["klass"], package["args"], package["kwargs"], package["state"], name)


class _PickledDType:
    """Replaces `numpy.dtype` in a pickle: the real one accepts any item size that the pickle states."""

    def __init__(self, code: object, *_flags: object) -> None:
        self.code = str(code)

    def __setstate__(self, state: object) -> None:
        """Ignore the byte order: checkpoints are written by little-endian machines."""


def _number(dtype: _PickledDType, content: bytes) -> object:
    """Replace NumPy's constructor of scalars in a pickle."""
    if dtype.code not in ("b1", "i4", "i8", "f2", "f4", "f8"):
        raise ValueError(f"a NumPy scalar of the type {dtype.code!r}")
    (number,) = np.frombuffer(content, f"<{dtype.code}")
    return number.item()


def _build(klass: type, args: object, kwargs: object, state: object, name: str) -> nn.Module:
    from demucs.states import load_model

    # The library would end the program.
    if isinstance(state, dict) and "__quantized" in state and not importlib.util.find_spec("diffq"):
        raise ConfigError(f"{name}: the model is quantised; install what reads it: pip install 'lyricsep[quantized]'")
    package = {"klass": klass, "args": args, "kwargs": kwargs, "state": state}
    with (
        describing(f"{name}: the checkpoint does not fit {klass.__name__}", errors=_MISFIT),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # it tells of arguments that only training knew
        model: nn.Module = load_model(package)  # type: ignore[no-untyped-call]
    return model.eval()


def _build_waveform(state: Mapping[str, Tensor], name: str, spec: SeparatorSpec) -> nn.Module:
    """Build the network that a state is of, with the sizes that the state shows."""
    if not {"sources", "sample_rate"} <= spec.settings.keys():
        raise ConfigError(
            f"{spec.name}: {name} needs the settings sources and sample_rate; correct the catalogue entry"
        )
    with describing(f"{name}: the checkpoint does not fit Demucs 2", errors=_MISFIT):
        channels, audio_channels, _ = state[FIRST].shape
        depth = sum(re.fullmatch(r"encoder\.\d+\.0\.weight", key) is not None for key in state)
        sources, rate = spec.settings["sources"], int(spec.settings["sample_rate"])
        with torch.device("meta"):  # a gigabyte of random numbers takes its time
            model = WaveformDemucs(sources, rate, channels=channels, depth=depth, audio_channels=audio_channels)
        model.load_state_dict({key: value.to(torch.float32) for key, value in state.items()}, assign=True)
    return model.eval()


def _class(qualified: str, name: str) -> type:
    if qualified not in CLASSES:
        raise WeightsError(f"{name}: names the class {qualified[:80]!r}; only {', '.join(CLASSES)} may be built")
    module, _, klass = qualified.rpartition(".")
    found: type = getattr(importlib.import_module(module), klass)
    return found


def _with_fractions(value: dict[str, object]) -> object:
    if value.get("_type") == "fraction":
        return Fraction(int(str(value["numerator"])), int(str(value["denominator"])))
    return value


def _segment(model: nn.Module, wanted: float | None) -> float | Fraction:
    from demucs.htdemucs import HTDemucs

    own: float | Fraction = model.segment  # type: ignore[assignment]  # seconds
    return own if wanted is None or (isinstance(model, HTDemucs) and wanted > own) else wanted


def _seen(model: nn.Module, length: int, longest: int) -> int:
    """Count the samples that a model sees, in the middle of which it separates `length`."""
    from demucs.demucs import Demucs
    from demucs.htdemucs import HTDemucs

    if isinstance(model, HTDemucs):
        return longest  # positions are learnt for this length
    if isinstance(model, Demucs | WaveformDemucs):
        return int(model.valid_length(length))  # their convolutions have no padding
    return length


def _sources(model: nn.Module) -> Sequence[str]:
    sources: Sequence[str] = model.sources  # type: ignore[assignment]
    return sources


def _middle(x: Tensor, length: int) -> Tensor:
    start = (x.shape[-1] - length) // 2
    return x[..., start : start + length]
