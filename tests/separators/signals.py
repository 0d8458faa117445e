"""What the tests of the families measure with, and what they feed their networks."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.separators.engine import Network, NetworkSeparator


def decibels(found: Tensor, expected: Tensor) -> float:
    """Power of the difference over that of what was expected, -300 for none."""
    error = (found - expected).double().square().sum()
    return float(10 * torch.log10(error / expected.double().square().sum() + 1e-30))


def noise(*shape: int, seed: int = 1) -> Tensor:
    """White noise at -20 dBFS, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.1


def saved(value: object, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes, in its zip or as before."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def separated(network: Network, mixture: Audio, batch_size: int = 1) -> Tensor:
    """Run a network on a song; vocals are as long and finite."""
    vocals = NetworkSeparator("mine", network, torch.device("cpu"), batch_size).separate(mixture).samples
    assert vocals.shape == mixture.samples.shape
    assert vocals.isfinite().all()
    return vocals


# Names and shapes of published tensors.
Shapes = dict[str, tuple[int, ...]]


def layout_of(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and shapes, the first digits; those in the tests are of the published checkpoints."""
    rows = "".join(f"{key} {tuple(state[key].shape)}\n" for key in sorted(state))
    return hashlib.sha256(rows.encode()).hexdigest()[:16]


def norm_shapes(key: str, n: int) -> Shapes:
    """Batch normalisation of `n` channels."""
    shapes: Shapes = {f"{key}.{leaf}": (n,) for leaf in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {f"{key}.num_batches_tracked": ()}


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
