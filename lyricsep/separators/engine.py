"""The one engine that runs networks over songs of any length.

A family (Spleeter, Demucs, ...) brings a `Network`: chunks of audio in, vocals out. Everything else is here, once:
sample rates, mono and many channels, chunks and their overlap-add, batches, half precision, running out of GPU
memory. Vocals keep the mixture's rate, channels, length and gain.
"""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lyricsep.audio import StreamResampler
from lyricsep.errors import ConfigError
from lyricsep.separators.base import Mixture, StreamingSeparator

__all__ = ["Chunking", "Network", "NetworkSeparator"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Chunking:
    """How a network wants a song cut, in samples at its own rate.

    Chunk ``k`` holds the samples from ``k * hop - lead``, zeros outside the song; vocals are the mean of the
    chunks that see a sample, weighted by `weight`.

    Parameters
    ----------
    length : int
        Samples per chunk.
    hop : int
        Samples between the starts of chunks, at most `length`.
    lead : int
        Samples by which the first chunk starts before the song.
    weight : Tensor, shape (length,)
        The say of each sample of a chunk where chunks overlap; not negative.
    """

    length: int
    hop: int
    lead: int
    weight: Tensor

    @classmethod
    def triangular(cls, length: int, overlap: float) -> Chunking:
        """Cut into overlapping chunks that fade into each other, weights rising to the middle.

        Parameters
        ----------
        length : int
            Samples per chunk.
        overlap : float
            Share of a chunk seen by the next one too, 0 to below 1. Demucs publishes 0.25.
        """
        rise = torch.arange(1, length // 2 + 1, dtype=torch.float32)
        fall = torch.arange(length - length // 2, 0, -1, dtype=torch.float32)
        weight = torch.cat([rise, fall])
        return cls(length, max(1, int((1 - overlap) * length)), 0, weight / weight.max())


class Network(nn.Module, ABC):
    """A family's network: ``(batch, n_channels, chunking.length)`` of mixture to the same of vocals."""

    sample_rate: int
    n_channels: int
    chunking: Chunking
    half_is_safe: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        """Half precision on CUDA for networks whose result it does not change; else nothing."""
        device = next(self.parameters()).device
        if self.half_is_safe and device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.float16)
        return nullcontext()


class NetworkSeparator(StreamingSeparator):
    """The engine: runs a `Network` over a stream.

    Parameters
    ----------
    name : str
        The name in the catalogue.
    network : Network
        What does the work; moved to `device`.
    device : torch.device
        Where to run.
    batch_size : int
        Chunks per call; halved, for good, when CUDA runs out of memory.
    """

    def __init__(self, name: str, network: Network, device: torch.device, batch_size: int = 1) -> None:
        self.name = name
        self.network = network.to(device).eval()
        self.device = device
        self.batch_size = batch_size

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield consecutive blocks of vocals, together as long as the mixture.

        Raises
        ------
        ConfigError
            If not even one chunk fits into the device's memory.
        """
        groups = _Groups(mixture.n_channels, self.network.n_channels)
        arranged = _Counted(groups.arrange(block) for block in mixture.blocks)
        if mixture.sample_rate == self.network.sample_rate:
            vocals = self._overlap_add(arranged)
        else:
            there = _resampled(arranged, mixture.sample_rate, self.network.sample_rate)
            back = _resampled(self._overlap_add(there), self.network.sample_rate, mixture.sample_rate)
            vocals = _as_long_as(arranged, back)
        for block in vocals:
            yield groups.restore(block)

    def _overlap_add(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Cut, run, join; blocks of shape (n_groups, n_channels, n_samples), as many samples out as in."""
        joined = _Joined(self.network.chunking)
        waiting: list[Tensor] = []
        n_samples = 0
        for chunk, n_samples in _cut(blocks, self.network.chunking):
            waiting.append(chunk)
            if len(waiting) >= self.batch_size:
                for vocals in self._run(waiting):
                    yield joined.add(vocals, n_samples)
                waiting = []
        if n_samples == 0:
            return
        for vocals in self._run(waiting):
            yield joined.add(vocals, n_samples)
        yield joined.rest(n_samples)

    def _run(self, chunks: list[Tensor]) -> Iterator[Tensor]:
        """Run the network over chunks of shape (n_groups, n_channels, length) in batches that fit."""
        position = 0
        while position < len(chunks):
            batch = chunks[position : position + self.batch_size]
            try:
                with torch.inference_mode():
                    vocals = self.network(torch.cat(batch).to(self.device)).float().cpu()
            except torch.cuda.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise ConfigError(
                        f"{self.name}: one chunk does not fit into the memory of {self.device}; "
                        "close other programs that use it, or add --device cpu"
                    ) from error
                self.batch_size = len(batch) // 2
                logger.warning("%s: out of GPU memory, going on with %d chunks a batch", self.name, self.batch_size)
                torch.cuda.empty_cache()
                continue
            yield from vocals.split(chunks[0].shape[0])
            position += len(batch)


class _Groups:
    """Any number of channels as groups of as many channels as a network takes.

    A last group that is not full repeats its last channel; the mean of the repeats comes back.
    """

    def __init__(self, n_channels: int, group_size: int) -> None:
        self.n_groups = -(-n_channels // group_size)
        self.group_size = group_size
        self.n_channels = n_channels

    def arrange(self, block: Tensor) -> Tensor:
        n_repeats = self.n_groups * self.group_size - self.n_channels
        full = torch.cat([block, block[-1:].expand(n_repeats, -1)]) if n_repeats else block
        return full.reshape(self.n_groups, self.group_size, -1)

    def restore(self, block: Tensor) -> Tensor:
        flat = block.reshape(self.n_groups * self.group_size, -1)
        return torch.cat([flat[: self.n_channels - 1], flat[self.n_channels - 1 :].mean(dim=0, keepdim=True)])


class _Counted:
    """Blocks that remember how many samples went by."""

    def __init__(self, blocks: Iterable[Tensor]) -> None:
        self.blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[Tensor]:
        for block in self.blocks:
            self.n_samples += block.shape[-1]
            yield block


def _resampled(blocks: Iterable[Tensor], from_rate: int, to_rate: int) -> Iterator[Tensor]:
    resampler: StreamResampler | None = None
    shape: tuple[int, ...] = ()
    for block in blocks:
        if resampler is None:
            shape = tuple(block.shape[:-1])
            resampler = StreamResampler(from_rate, to_rate, shape[0] * shape[1])
        yield resampler.feed(block.flatten(0, 1)).reshape(*shape, -1)
    if resampler is not None:
        yield resampler.flush().reshape(*shape, -1)


def _as_long_as(source: _Counted, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Cut or fill what rounding of two resamplings left; at most a few samples."""
    n_given = 0
    last: Tensor | None = None
    for block in blocks:
        # Blocks come out after their samples went in, so what is over is over the end.
        last = block[..., : max(0, source.n_samples - n_given)]
        n_given += last.shape[-1]
        yield last
    if last is not None and n_given < source.n_samples:
        yield last.new_zeros((*last.shape[:-1], source.n_samples - n_given))


def _cut(blocks: Iterable[Tensor], chunking: Chunking) -> Iterator[tuple[Tensor, int]]:
    """Yield each chunk with the number of samples of the song seen so far."""
    n_samples = 0
    position = -chunking.lead
    pending: Tensor | None = None
    for block in blocks:
        n_samples += block.shape[-1]
        if pending is None:
            pending = block.new_zeros((*block.shape[:-1], chunking.lead))
        pending = torch.cat([pending, block], dim=-1)
        while pending.shape[-1] >= chunking.length:
            yield pending[..., : chunking.length], n_samples
            pending = pending[..., chunking.hop :]
            position += chunking.hop
    while pending is not None and position < n_samples:
        chunk = pending[..., : chunking.length]
        yield nn.functional.pad(chunk, (0, chunking.length - chunk.shape[-1])), n_samples
        pending = pending[..., chunking.hop :]
        position += chunking.hop


class _Joined:
    """Overlap-add of chunks that come in order, giving out what no later chunk can change."""

    def __init__(self, chunking: Chunking) -> None:
        self.chunking = chunking
        self.position = -chunking.lead  # of the first sample kept
        self.total = torch.zeros(())
        self.weight = torch.zeros(chunking.length)

    def add(self, vocals: Tensor, n_samples: int) -> Tensor:
        """Add the next chunk; the samples that are now final, none beyond `n_samples`."""
        hop = self.chunking.hop
        self.total = self.total + vocals * self.chunking.weight
        self.weight = self.weight + self.chunking.weight
        final = self._mean(0, min(hop, n_samples - self.position))
        self.total = nn.functional.pad(self.total[..., hop:], (0, hop))
        self.weight = nn.functional.pad(self.weight[hop:], (0, hop))
        self.position += hop
        return final

    def rest(self, n_samples: int) -> Tensor:
        """Give what is left of a song of `n_samples`."""
        return self._mean(0, n_samples - self.position)

    def _mean(self, start: int, stop: int) -> Tensor:
        span = slice(max(start, -self.position), max(stop, 0))
        # Where no chunk has a say the sum is 0 as well.
        return self.total[..., span] / self.weight[span].clamp(min=1e-8)
