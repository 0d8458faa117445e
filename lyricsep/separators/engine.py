"""The one engine that runs networks over songs of any length.

A family (Spleeter, Demucs, ...) brings a `Network`: chunks of audio in, vocals out. Everything else is here, once:
sample rates, mono and many channels, chunks and their overlap-add, batches, half precision, running out of GPU
memory. Vocals keep the mixture's rate, channels, length and gain.

A whole family is one file of this folder, here ``tilt.py``, that hands over such a network::

    import torch
    from torch import Tensor, nn

    from lyricsep.errors import WeightsError
    from lyricsep.separators.base import SeparatorSpec
    from lyricsep.separators.engine import Chunking, Network
    from lyricsep.weights import fetch, load_safetensors


    class TiltNetwork(Network):
        sample_rate = 44_100
        n_channels = 2

        def __init__(self, gains: Tensor, segment: float) -> None:
            super().__init__()
            self.gains = nn.Parameter(gains)
            self.chunking = Chunking.triangular(round(segment * self.sample_rate), overlap=0.25)

        def forward(self, chunks: Tensor) -> Tensor:
            return chunks * self.gains[:, None]


    def load_tilt(spec: SeparatorSpec, *, offline: bool) -> TiltNetwork:
        (file,) = spec.files
        tensors, _ = load_safetensors(fetch(file, offline=offline))
        if "gains" not in tensors or tensors["gains"].shape != (2,):
            raise WeightsError(f"{file.name}: not a checkpoint of Tilt; pull the model again")
        return TiltNetwork(tensors["gains"], spec.settings["segment"])

and each of its models is one entry, in ``catalog.toml`` after ``[[separator]]``, or in a file of its own::

    family = "tilt"
    summary = "Tilt: another gain for each channel"
    licence = "MIT"
    citation = "-"
    settings = { segment = 2.0 }

    [[files]]
    name = "tilt.safetensors"
    sha256 = ""
    sources = ["file:tilt.safetensors"]

(``[[separator.files]]`` in ``catalog.toml``). A family with queries takes ``query: str | None`` too. All of these
functions raise `WeightsError` if a file cannot be had or is not one of the family, and `ConfigError` if the entry has
other files than the family needs, or lacks settings.
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
from lyricsep.separators.base import Mixture, Separator

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
        The say of each sample of a chunk where chunks overlap; not negative, and 0 where a network only wants to
        see what is around.

    Raises
    ------
    ValueError
        If the chunks would leave samples out, or the weights are not of that kind.
    """

    length: int
    hop: int
    lead: int
    weight: Tensor

    def __post_init__(self) -> None:
        """Check that chunks leave no gaps."""
        if not (1 <= self.hop <= self.length and 0 <= self.lead < self.length):
            raise ValueError(
                "Chunking needs 1 <= hop <= length and 0 <= lead < length in samples, "
                f"got length={self.length}, hop={self.hop}, lead={self.lead}"
            )
        if self.weight.shape != (self.length,) or not bool((self.weight >= 0).all() and (self.weight > 0).any()):
            raise ValueError(f"Chunking needs {self.length} weights, not negative nor all 0, got {self.weight}")

    @property
    def first_say(self) -> int:
        """Index of the first sample with a weight above 0."""
        return int(self.weight.nonzero()[0])

    @classmethod
    def triangular(cls, length: int, overlap: float) -> Chunking:
        """Return overlapping chunks with triangular weights.

        `overlap` is the share of a chunk seen by the next one too, 0 to below 1. Demucs publishes 0.25.
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
    shortest: int | None = None

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        """Separate chunks at the end of a song, of which only the first `n_samples` are of it, the rest zeros.

        A network with norms or memory over a whole chunk sets `shortest`, the fewest samples that it takes: its last
        chunk is as short as what is left, as if the song were one piece.
        """
        n_seen = chunks.shape[-1] if self.shortest is None else max(n_samples, self.shortest)
        vocals: Tensor = self(chunks[..., :n_seen])
        return nn.functional.pad(vocals, (0, chunks.shape[-1] - n_seen))

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context: half precision on CUDA for networks whose result it does not change, else none."""
        device = next(self.parameters()).device
        if self.half_is_safe and device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.float16)
        return nullcontext()


def choose_source(sources: Tensor, source: int | None) -> Tensor:
    """Return one of the sources of each chunk; ``(batch, n_sources, ...)`` to ``(batch, ...)``.

    None, for networks that give speakers in any order, is the one with the most energy, chosen anew for every chunk:
    the voice in front, not always the same singer.
    """
    if source is not None:
        return sources[:, source]
    loudest = sources.flatten(2).square().sum(dim=2).argmax(dim=1)
    return sources[torch.arange(len(sources), device=sources.device), loudest]


class NetworkSeparator(Separator):
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
        Chunks per call, at least 1; halved, for good, when CUDA runs out of memory. A song of more channels than
        the network takes is several chunks at a time.

    Raises
    ------
    ValueError
        If `batch_size` is below 1.
    ConfigError
        If the network does not fit into the device's memory.
    """

    def __init__(self, name: str, network: Network, device: torch.device, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is at least 1, got {batch_size}")
        self.name = name
        self.device = device
        self.batch_size = batch_size
        try:
            self.network = network.to(device).eval()
        except torch.cuda.OutOfMemoryError as error:
            raise self._too_small("the network") from error

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield consecutive blocks of vocals, together as long as the mixture.

        Raise a `ConfigError` if not even one chunk fits into the device's memory.
        """
        network = self.network
        groups = _Groups(mixture.n_channels, network.n_channels)
        source = _Counted(groups.arrange(block) for block in mixture.blocks)
        vocals = self._overlap_add(_resampled(source, mixture.sample_rate, network.sample_rate))
        for block in _as_long_as(source, _resampled(vocals, network.sample_rate, mixture.sample_rate)):
            yield groups.restore(block)

    def _overlap_add(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Cut, run, join; blocks of shape (n_groups, n_channels, n_samples), as many samples out as in."""
        source = _Counted(blocks)
        joined = _Joined(self.network.chunking)
        for chunks, n_inside in self._batches(source):
            for vocals in self._run(chunks, n_inside):
                yield joined.add(vocals, n_inside)
        if source.n_samples:
            yield joined.rest(source.n_samples)

    def _batches(self, blocks: Iterable[Tensor]) -> Iterator[tuple[list[Tensor], int]]:
        """Gather chunks with as many samples inside the song."""
        length = self.network.chunking.length
        waiting: list[Tensor] = []
        for chunk, n_inside in _cut(blocks, self.network.chunking):
            if n_inside == length:
                waiting.append(chunk)
            if waiting and (n_inside < length or len(waiting) * len(chunk) >= self.batch_size):
                yield waiting, length
                waiting = []
            if n_inside < length:
                yield [chunk], n_inside
        if waiting:
            yield waiting, length

    def _run(self, chunks: list[Tensor], n_inside: int) -> Iterable[Tensor]:
        """Run the network over chunks of shape (n_groups, n_channels, length), in batches that fit."""
        waiting = torch.cat(chunks)
        done: list[Tensor] = []
        while len(waiting):
            vocals = self._attempt(waiting[: self.batch_size], n_inside)
            if vocals is not None:
                done.append(vocals)
                waiting = waiting[len(vocals) :]
        return torch.cat(done).reshape(len(chunks), *chunks[0].shape)

    def _attempt(self, batch: Tensor, n_inside: int) -> Tensor | None:
        """Run the network once; None after a failure for lack of memory that a smaller batch may mend."""
        try:
            with torch.inference_mode():
                batch = batch.to(self.device)
                is_end = n_inside < batch.shape[-1]
                vocals: Tensor = self.network.finish(batch, n_inside) if is_end else self.network(batch)
                return vocals.float().cpu()
        except torch.cuda.OutOfMemoryError as error:
            if len(batch) == 1:
                raise self._too_small("one chunk") from error
        # Not in the handler: the error holds on to the memory of what was being computed.
        torch.cuda.empty_cache()
        self.batch_size = len(batch) // 2
        logger.warning("%s: out of GPU memory, continuing with batches of %d", self.name, self.batch_size)
        return None

    def _too_small(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self.name}: {what} does not fit into the memory of {self.device}",
            hint="close other programs that use it, or set {device=cpu}",
        )


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
    """Iterates over blocks and counts their samples."""

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
    """Cut or pad the few samples by which two resamplings differ in length."""
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
    """Yield each chunk that contributes to the song, with how many of its samples lie before the song's end.

    What lies outside the song is zeros.
    """
    kept: Tensor | None = None  # the song from the start of the next chunk on
    fresh: list[Tensor] = []  # what came after it, joined only when it is enough: blocks may be tiny
    n_kept = n_samples = 0
    for block in blocks:
        if kept is None:
            kept = block.new_zeros((*block.shape[:-1], chunking.lead))
            n_kept = chunking.lead
        fresh.append(block)
        n_kept += block.shape[-1]
        n_samples += block.shape[-1]
        if n_kept >= chunking.length:
            kept = torch.cat([kept, *fresh], dim=-1)
            fresh = []
            while n_kept >= chunking.length:
                yield kept[..., : chunking.length], chunking.length
                kept = kept[..., chunking.hop :]
                n_kept -= chunking.hop
    if kept is None or n_samples == 0:
        return
    kept = nn.functional.pad(torch.cat([kept, *fresh], dim=-1), (0, chunking.length))
    while n_kept > chunking.first_say:
        yield kept[..., : chunking.length], n_kept
        kept = kept[..., chunking.hop :]
        n_kept -= chunking.hop


class _Joined:
    """Overlap-add of consecutive chunks; returns samples once no later chunk changes them."""

    def __init__(self, chunking: Chunking) -> None:
        self.chunking = chunking
        self.position = -chunking.lead  # of the first sample kept
        self.total = torch.zeros(())
        self.weight = torch.zeros(chunking.length)

    def add(self, vocals: Tensor, n_inside: int) -> Tensor:
        """Add the next chunk, of which `n_inside` samples are before the song's end; the samples that are final."""
        hop = self.chunking.hop
        self.total = self.total + vocals * self.chunking.weight
        self.weight = self.weight + self.chunking.weight
        final = self._mean(min(hop, n_inside))
        self.total = nn.functional.pad(self.total[..., hop:], (0, hop))
        self.weight = nn.functional.pad(self.weight[hop:], (0, hop))
        self.position += hop
        return final

    def rest(self, n_samples: int) -> Tensor:
        """Return the remaining samples of a song of `n_samples`."""
        return self._mean(n_samples - self.position)

    def _mean(self, stop: int) -> Tensor:
        span = slice(max(0, -self.position), max(0, stop))
        # Where no chunk has a say the sum is 0 as well.
        return self.total[..., span] / self.weight[span].clamp(min=1e-8)
