"""What the tests of the families measure with, and what they feed their networks."""

from __future__ import annotations

import io

import torch
from torch import Tensor


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
