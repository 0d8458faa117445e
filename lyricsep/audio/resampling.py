"""Change the sample rate, at once or block by block with the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lyricsep.audio.signal import check_samples

if TYPE_CHECKING:
    import soxr
    import torch

_QUALITY = "HQ"
"""The default of soxr, and the ``soxr_hq`` that librosa loads with: 20 bit precision, linear phase."""


def resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    """Compute the length after resampling: ``n_samples * to_rate / from_rate`` to the nearest (halves up).

    At least 1 where there was a sample. soxr rounds like this, so nothing is invented at the end.

    Parameters
    ----------
    n_samples : int
        Length in samples at `from_rate`.
    from_rate, to_rate : int
        Samples per second.
    """
    length = (2 * n_samples * to_rate + from_rate) // (2 * from_rate)
    return max(1, length) if n_samples else 0


def resample(samples: torch.Tensor, from_rate: int, to_rate: int) -> torch.Tensor:
    """Change the sample rate by band-limited interpolation, by soxr on the CPU.

    Parameters
    ----------
    samples : torch.Tensor
        float32, shape (channels, n_samples).
    from_rate, to_rate : int
        Samples per second, positive.

    Returns
    -------
    torch.Tensor
        float32, shape (channels, `resampled_length`), on the same device; `samples` itself where the rates are
        equal.

    Raises
    ------
    ValueError
        If the samples or a rate are not of that kind.
    """
    import soxr
    import torch

    check_samples(samples)
    _check_rates(from_rate, to_rate)
    if from_rate == to_rate:
        return samples
    length = resampled_length(samples.shape[1], from_rate, to_rate)
    output = torch.empty(samples.shape[0], length)
    for channel, result in zip(samples.cpu(), output, strict=True):
        data = soxr.resample(channel.numpy(), from_rate, to_rate, quality=_QUALITY)
        result[:] = _fit(torch.from_numpy(data)[None], length)[0]
    return output.to(samples.device)


class StreamResampler:
    """Resamples a stream of blocks; the concatenated output equals `resample` of the concatenated blocks.

    Parameters
    ----------
    from_rate, to_rate : int
        Samples per second, positive.
    n_channels : int
        Channels of every block, positive.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int) -> None:
        import soxr

        _check_rates(from_rate, to_rate)
        if n_channels <= 0:
            raise ValueError(f"n_channels must be positive, got {n_channels}")
        self._rates = (from_rate, to_rate)
        self._n_channels = n_channels
        self._n_in = 0
        self._n_out = 0
        self._is_flushed = False
        self._stream: soxr.ResampleStream | None = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(from_rate, to_rate, n_channels, dtype="float32", quality=_QUALITY)

    def feed(self, block: torch.Tensor) -> torch.Tensor:
        """Return the resampled samples that are ready after one more block.

        Parameters
        ----------
        block : torch.Tensor
            float32, shape (channels, n_samples), on the CPU.

        Returns
        -------
        torch.Tensor
            float32, shape (channels, n), n from 0.

        Raises
        ------
        ValueError
            If the block is not of that kind, or the stream was flushed.
        """
        check_samples(block)
        if block.shape[0] != self._n_channels:
            raise ValueError(f"expected blocks of {self._n_channels} channels, got {block.shape[0]}")
        if self._is_flushed:
            raise ValueError("the stream was flushed; make a new StreamResampler for the next one")
        self._n_in += block.shape[1]
        return block if self._stream is None else self._resample(self._stream, block, last=False)

    def flush(self) -> torch.Tensor:
        """Return the remaining samples, float32 of shape (channels, n), and end the stream."""
        import torch

        self._is_flushed = True
        empty = torch.empty(self._n_channels, 0)
        if self._stream is None:
            return empty
        due = resampled_length(self._n_in, *self._rates) - self._n_out
        return _fit(self._resample(self._stream, empty, last=True), due)

    def _resample(self, stream: soxr.ResampleStream, block: torch.Tensor, *, last: bool) -> torch.Tensor:
        import torch

        data = np.ascontiguousarray(block.numpy().T)
        output: NDArray[np.float32] = stream.resample_chunk(data, last=last)
        output = output.reshape(-1, self._n_channels)
        self._n_out += len(output)
        return torch.from_numpy(np.ascontiguousarray(output.T))


def _fit(samples: torch.Tensor, length: int) -> torch.Tensor:
    """Cut or pad by zeros to a length: resamplers differ in the last sample."""
    import torch

    return torch.nn.functional.pad(samples, (0, length - samples.shape[1]))


def _check_rates(from_rate: int, to_rate: int) -> None:
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate}")
