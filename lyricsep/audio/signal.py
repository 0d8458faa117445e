"""Audio samples with their rate, and the damaged spans of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory.

    Parameters
    ----------
    samples : torch.Tensor
        float32, shape (channels, n_samples), on any device; full scale is -1 to 1, louder is allowed.
    sample_rate : int
        Samples per second and channel, positive.

    Raises
    ------
    ValueError
        If the samples or the rate are not of that kind.
    """

    samples: torch.Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        """Check the samples and the rate."""
        check_samples(self.samples)
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, got {self.sample_rate!r}")

    @property
    def n_channels(self) -> int:
        """How many channels; at least 1."""
        return self.samples.shape[0]

    @property
    def n_samples(self) -> int:
        """How many samples each channel has."""
        return self.samples.shape[1]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, order=True, slots=True)
class Damage:
    """A span of a file that was lost.

    Parameters
    ----------
    start, end : float
        Seconds on the clock of the decoded file. Inside the file the span holds silence; a span that reaches
        beyond the end of the decoded audio is missing from it.
    reason : str
        Why, in a few words.
    """

    start: float
    end: float
    reason: str


def downmix(samples: torch.Tensor) -> torch.Tensor:
    """Mix all channels into one by their mean, as `librosa.to_mono` does.

    Parameters
    ----------
    samples : torch.Tensor
        float32, shape (channels, n_samples).

    Returns
    -------
    torch.Tensor
        float32, shape (1, n_samples).

    Raises
    ------
    ValueError
        If the samples are not of that kind.
    """
    check_samples(samples)
    return samples.mean(dim=0, keepdim=True)


def check_samples(samples: torch.Tensor) -> None:
    """Raise a `ValueError` unless samples are float32 of shape (channels, n_samples), with at least one channel."""
    import torch

    if samples.dtype != torch.float32 or samples.ndim != 2 or samples.shape[0] == 0:
        raise ValueError(
            "samples must be float32 of shape (channels, n_samples) with at least one channel, "
            f"got {samples.dtype} of shape {tuple(samples.shape)}"
        )
