"""Decoded frames into float32 blocks of one rate, one number of channels and one length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av
    import torch


class BlockBuilder:
    """Gathers sound into blocks of equal length.

    Parameters
    ----------
    n_channels : int
        Channels of all that is added.
    block_length : int
        Samples per channel in every block but the last.

    Attributes
    ----------
    n_samples : int
        Samples per channel that were added so far.
    """

    def __init__(self, n_channels: int, block_length: int) -> None:
        self.n_samples = 0
        self._shape = (n_channels, block_length)
        self._block: NDArray[np.float32] | None = None
        self._filled = 0

    def add(self, samples: NDArray[np.float32]) -> Iterator[torch.Tensor]:
        """Append sound; yield the blocks that it fills."""
        start = 0
        while start < samples.shape[1]:
            room = self._room(samples.shape[1] - start)
            room[:] = samples[:, start : start + room.shape[1]]
            start += room.shape[1]
            yield from self._full()

    def add_silence(self, n_samples: int) -> Iterator[torch.Tensor]:
        """Append silence; yield the blocks that it fills."""
        while n_samples:
            room = self._room(n_samples)
            room[:] = 0
            n_samples -= room.shape[1]
            yield from self._full()

    def rest(self) -> Iterator[torch.Tensor]:
        """Yield the last block, if it holds anything."""
        import torch

        if self._block is not None:
            yield torch.from_numpy(self._block[:, : self._filled].copy())

    def _room(self, wanted: int) -> NDArray[np.float32]:
        if self._block is None:
            self._block = np.empty(self._shape, np.float32)
            self._filled = 0
        room = self._block[:, self._filled : self._filled + wanted]
        self._filled += room.shape[1]
        self.n_samples += room.shape[1]
        return room

    def _full(self) -> Iterator[torch.Tensor]:
        import torch

        if self._block is not None and self._filled == self._shape[1]:
            block, self._block = self._block, None
            yield torch.from_numpy(block)


class FrameConverter:
    """Turns frames into float32 of one rate and one number of channels, those of the first frame."""

    def __init__(self, first: av.AudioFrame) -> None:
        self.sample_rate = first.sample_rate
        self.n_channels = first.layout.nb_channels
        self._layout = {1: "mono", 2: "stereo"}.get(self.n_channels, first.layout.name)
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[int, str] | None = None

    def convert(self, frame: av.AudioFrame) -> NDArray[np.float32]:
        """Return the samples of a frame as a new array, shape (channels, n_samples)."""
        import av

        if (frame.sample_rate, frame.layout.nb_channels) == (self.sample_rate, self.n_channels):
            frames = [*self._flush(), frame]
        else:
            source = (frame.sample_rate, frame.layout.name)
            frames = [] if source == self._source else self._flush()
            if self._resampler is None:
                self._resampler = av.AudioResampler("fltp", self._layout, self.sample_rate)
                self._source = source
            frame.pts = None
            resampler, self._resampler = self._resampler, None  # one that fails is of no further use
            frames += resampler.resample(frame)
            self._resampler = resampler
        return self._joined(frames)

    def rest(self) -> NDArray[np.float32]:
        """Return the samples that a conversion still holds, shape (channels, n_samples)."""
        return self._joined(self._flush())

    def _joined(self, frames: list[av.AudioFrame]) -> NDArray[np.float32]:
        empty = np.empty((self.n_channels, 0), np.float32)
        return np.concatenate([empty, *(_to_float(frame) for frame in frames)], axis=1)

    def _flush(self) -> list[av.AudioFrame]:
        resampler, self._resampler, self._source = self._resampler, None, None
        return resampler.resample(None) if resampler else []


def _to_float(frame: av.AudioFrame) -> NDArray[np.float32]:
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, which the reader reports
        samples: NDArray[np.float32] = data.astype(np.float32)
    if data.dtype.kind != "f":
        samples -= 128 if data.dtype == np.uint8 else 0
        samples /= 2 ** (8 * data.dtype.itemsize - 1)
    return samples
