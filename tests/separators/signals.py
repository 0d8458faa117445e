"""What the tests of the families measure with, and what they feed their networks."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lyricsep.audio import Audio
from lyricsep.separators.engine import Network, NetworkSeparator


class Hostile:
    """Makes a file when it is unpickled by those who let it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.marker}",)


def decibels(found: Tensor, expected: Tensor) -> float:
    """Power of the difference over that of what was expected, -300 for none."""
    error = (found - expected).double().square().sum()
    return float(10 * torch.log10(error / expected.double().square().sum() + 1e-30))


def si_sdr(found: Tensor, expected: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB; a loss when negated."""
    scaled = expected * (found * expected).sum() / expected.square().sum()
    return 10 * torch.log10(scaled.square().sum() / (found - scaled).square().sum())


def noise(*shape: int, seed: int = 1) -> Tensor:
    """White noise at -20 dBFS, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.1


def saved(value: object, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes, in its zip or as before."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def sung(
    n_samples: int,
    rate: int,
    *,
    chords: Sequence[float] = (131.0, 165.0, 196.0, 1046.0),
    words: float = 2.0,
    hits: float = 30.0,
) -> tuple[Tensor, Tensor]:
    """A voice with vibrato and words, and a band of chords and hits, equally loud; (n_samples,) each."""
    time = torch.arange(n_samples) / rate
    phase = 2 * math.pi * (220 * time + 1.5 * torch.sin(2 * math.pi * 5.5 * time))
    voice = sum(torch.sin(k * phase) / k for k in range(1, 8)) * (torch.sin(2 * math.pi * words * time) > -0.4)
    band = sum(torch.sin(2 * math.pi * f * time + f) for f in chords)
    band = band + hits * noise(n_samples) * torch.exp(-20 * (time % 0.25))
    return 0.1 * voice / voice.std(), 0.1 * band / band.std()


def separated(network: Network, mixture: Audio, batch_size: int = 1) -> Tensor:
    """Run a network on a song; vocals are as long and finite."""
    vocals = NetworkSeparator("mine", network, torch.device("cpu"), batch_size).separate(mixture).samples
    assert vocals.shape == mixture.samples.shape
    assert vocals.isfinite().all()
    return vocals


def check_gradients(model: nn.Module) -> None:
    """Refuse a model with a weight that no gradient has reached."""
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
