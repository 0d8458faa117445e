"""The engine: whatever the song's rate, channels and length, and whatever the network's chunks."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peak_memory import PEAK
from signals import decibels
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import AudioError, ConfigError
from lyricsep.separators import Mixture, Separator
from lyricsep.separators.engine import Chunking, Network, NetworkSeparator

CPU = torch.device("cpu")
RATE = 8000
LENGTH = 400
RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000)


class Identity(Network):
    """Gives the mixture for vocals, and remembers the batches it saw."""

    def __init__(self, chunking: Chunking, sample_rate: int = RATE, n_channels: int = 2) -> None:
        super().__init__()
        self.chunking = chunking
        self.sample_rate = sample_rate
        self.n_channels = n_channels
        self.batches: list[int] = []

    def forward(self, chunks: Tensor) -> Tensor:
        assert chunks.shape[1:] == (self.n_channels, self.chunking.length)
        self.batches.append(len(chunks))
        return chunks


class Convolution(Identity):
    """A linear network that looks around and mixes its channels."""

    def __init__(self, chunking: Chunking) -> None:
        super().__init__(chunking)
        self.convolution = torch.nn.Conv1d(2, 2, 9, padding=4, bias=False)
        torch.nn.init.normal_(self.convolution.weight, generator=torch.Generator().manual_seed(1))

    def forward(self, chunks: Tensor) -> Tensor:
        return self.convolution(super().forward(chunks))


class Small(Identity):
    """Has CUDA's way of saying that more than `most` chunks do not fit."""

    def __init__(self, most: int) -> None:
        super().__init__(TRIANGULAR)
        self.most = most
        self.held: list[weakref.ref[Tensor]] = []

    def forward(self, chunks: Tensor) -> Tensor:
        activations = super().forward(chunks) * 1
        if len(chunks) > self.most:
            self.held.append(weakref.ref(activations))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return activations


TRIANGULAR = Chunking.triangular(LENGTH, 0.25)
SEEN_AROUND = Chunking(LENGTH, 200, 90, torch.nn.functional.pad(Chunking.triangular(220, 0).weight, (90, 90)))
# As Spleeter's: the first sample of a chunk has no say, the edges little.
WINDOWED = Chunking(LENGTH, 300, 50, torch.hann_window(LENGTH).square())


def noise(n_channels: int, n_samples: int, seed: int = 0) -> Tensor:
    return torch.randn(n_channels, n_samples, generator=torch.Generator().manual_seed(seed)) * 0.3


def separated(network: Network, samples: Tensor, *, batch_size: int = 1, rate: int = RATE) -> Tensor:
    vocals = NetworkSeparator("test", network, CPU, batch_size).separate(Audio(samples, rate))
    assert vocals.sample_rate == rate
    assert vocals.samples.shape == samples.shape
    assert vocals.samples.dtype == torch.float32
    return vocals.samples


def in_blocks(samples: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    start = 0
    for size in sizes:
        yield samples[:, start : start + size]
        start += size
    yield samples[:, start:]


@pytest.mark.parametrize("n_samples", [0, 1, 2, 299, 300, 301, LENGTH - 1, LENGTH, LENGTH + 1, 5 * LENGTH + 7])
@pytest.mark.parametrize("chunking", [TRIANGULAR, SEEN_AROUND, WINDOWED], ids=["triangular", "around", "windowed"])
def test_an_identity_gives_the_mixture_back(chunking, n_samples) -> None:
    for n_channels in range(1, 9):
        for network_channels in (1, 2):
            mixture = noise(n_channels, n_samples)
            vocals = separated(Identity(chunking, n_channels=network_channels), mixture, batch_size=2)
            if n_samples:
                assert decibels(vocals, mixture) <= -120  # the claim is -90


@st.composite
def chunkings(draw: st.DrawFn) -> Chunking:
    before, middle, after = (draw(st.integers(low, 40)) for low in (0, 1, 0))
    weight = torch.zeros(before + middle + after)
    weight[before : before + middle] = torch.tensor(
        draw(st.lists(st.floats(0.0625, 1, width=32), min_size=middle, max_size=middle))
    )
    lead = draw(st.integers(before, before + middle - 1))
    return Chunking(len(weight), draw(st.integers(1, middle)), lead, weight)


@settings(max_examples=150, deadline=None)
@given(
    chunking=chunkings(),
    n_samples=st.integers(0, 150),
    sizes=st.lists(st.integers(0, 60), max_size=6),
    batch_size=st.integers(1, 5),
    n_channels=st.integers(1, 3),
)
def test_any_chunks_any_blocks_any_batches(chunking, n_samples, sizes, batch_size, n_channels) -> None:
    mixture = noise(n_channels, n_samples)
    separator = NetworkSeparator("test", Identity(chunking), CPU, batch_size)
    blocks = in_blocks(mixture, sizes)
    vocals = torch.cat([mixture[:, :0], *separator.stream(Mixture(blocks, RATE, n_channels))], dim=1)
    torch.testing.assert_close(vocals, mixture, rtol=1e-5, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=8), rate=st.sampled_from([RATE, 11025, 48000]))
def test_streaming_is_separating(sizes, rate) -> None:
    mixture = noise(2, 2501)
    network = Convolution(TRIANGULAR)
    separator = NetworkSeparator("test", network, CPU)
    streamed = torch.cat(list(separator.stream(Mixture(in_blocks(mixture, sizes), rate, 2))), dim=1)
    torch.testing.assert_close(streamed, separated(network, mixture, rate=rate), rtol=0, atol=1e-6)


def test_no_blocks_at_all() -> None:
    assert list(NetworkSeparator("test", Identity(TRIANGULAR), CPU).stream(Mixture([], RATE, 2))) == []


def test_vocals_come_before_the_song_is_over() -> None:
    consumed: list[int] = []

    def blocks() -> Iterator[Tensor]:
        for index in range(100):
            consumed.append(index)
            yield noise(2, LENGTH, index)

    vocals = NetworkSeparator("test", Identity(TRIANGULAR), CPU).stream(Mixture(blocks(), RATE, 2))
    n_given = next(vocals).shape[-1]
    while n_given == 0:
        n_given = next(vocals).shape[-1]
    assert len(consumed) <= 2


@pytest.mark.parametrize("network_rate", [16000, 44100])
@pytest.mark.parametrize("rate", RATES)
def test_every_rate(rate, network_rate) -> None:
    # Tones well inside what both rates can hold, fading in and out so that nothing is cut off at the ends.
    n_samples = rate + 1
    time = torch.arange(n_samples, dtype=torch.float64) / rate
    top = 0.3 * min(rate, network_rate)
    tones = torch.stack([torch.sin(2 * torch.pi * share * top * time) for share in (0.05, 0.5, 1.0)])
    mixture = (tones * torch.hann_window(n_samples, dtype=torch.float64)).float()
    vocals = separated(Identity(Chunking.triangular(4000, 0.25), network_rate), mixture, rate=rate)
    assert decibels(vocals, mixture) <= -90


@settings(max_examples=40, deadline=None)
@given(n_samples=st.integers(0, 3000), rate=st.integers(8000, 192000), network_rate=st.integers(8000, 48000))
def test_length_in_is_length_out(n_samples, rate, network_rate) -> None:
    separated(Identity(Chunking.triangular(1500, 0.25), network_rate), noise(1, n_samples), rate=rate)


@pytest.mark.parametrize("gain", [1e-4, 0.37, 300.0])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_the_gain_is_kept(gain, rate) -> None:
    network = Convolution(TRIANGULAR)
    mixture = noise(2, 1717)
    vocals = separated(network, mixture, rate=rate)
    assert vocals.abs().max() > 1  # nothing is normalised or clipped
    assert decibels(separated(network, mixture * gain, rate=rate), vocals * gain) <= -110


def test_chunks_fade_into_each_other() -> None:
    class Levels(Identity):
        """Chunk after chunk louder: 1, 2, 3, ..."""

        def forward(self, chunks: Tensor) -> Tensor:
            super().forward(chunks)
            return torch.full_like(chunks, len(self.batches))

    vocals = separated(Levels(Chunking.triangular(8, 0.5)), torch.zeros(2, 12))
    # Weights 1 2 3 4 4 3 2 1 of the chunk that goes, and of the one that comes four samples later.
    faded = [(4 * k + 1 * (k + 1)) / 5 for k in (1, 2)], [(1 * k + 4 * (k + 1)) / 5 for k in (1, 2)]
    assert vocals[0, :5].tolist() == pytest.approx([1, 1, 1, 1, faded[0][0]])
    assert vocals[0, [7, 8, 11]].tolist() == pytest.approx([faded[1][0], faded[0][1], faded[1][1]])


def test_a_song_of_more_channels_is_separated_pair_by_pair() -> None:
    network = Convolution(TRIANGULAR)
    mixture = noise(5, 1500)
    vocals = separated(network, mixture)
    torch.testing.assert_close(vocals[:2], separated(network, mixture[:2]))
    torch.testing.assert_close(vocals[2:4], separated(network, mixture[2:4]))
    # The odd one is both channels of its pair.
    last = separated(network, mixture[[4, 4]]).mean(dim=0, keepdim=True)
    torch.testing.assert_close(vocals[4:], last)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 8])
def test_batches_change_nothing(n_channels) -> None:
    mixture = noise(n_channels, 9 * LENGTH + 11)
    one = separated(Convolution(TRIANGULAR), mixture)
    for batch_size in range(2, 6):
        network = Convolution(TRIANGULAR)
        torch.testing.assert_close(separated(network, mixture, batch_size=batch_size), one)
        assert max(network.batches) == batch_size


def test_a_family_may_know_better_how_a_song_ends() -> None:
    class Ending(Identity):
        def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
            assert (chunks[..., n_samples:] == 0).all()
            ends.append(n_samples)
            return self(chunks) * 0

    ends: list[int] = []
    network = Ending(Chunking.triangular(LENGTH, 0))
    vocals = separated(network, noise(2, 3 * LENGTH + 5), batch_size=2)
    assert (vocals[:, : 3 * LENGTH] != 0).all()
    assert (vocals[:, 3 * LENGTH :] == 0).all()
    assert ends == [5]
    assert network.batches == [2, 1, 1]


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_out_of_memory_halves_the_batch(most, caplog) -> None:
    network = Small(most)
    separator = NetworkSeparator("small", network, CPU, 8)
    mixture = noise(3, 9 * LENGTH)
    with caplog.at_level(logging.WARNING):
        vocals = separator.separate(Audio(mixture, RATE)).samples
    assert decibels(vocals, mixture) <= -120
    settled = max(size for size in (8, 4, 2, 1) if size <= most)
    assert separator.batch_size == settled
    assert [record.message for record in caplog.records] == [
        f"small: out of GPU memory, continuing with batches of {size}" for size in (4, 2, 1) if size >= settled
    ]
    # For good: the next song does not try again what failed.
    network.batches.clear()
    separator.separate(Audio(mixture, RATE))
    assert max(network.batches) == settled


def test_what_did_not_fit_is_freed_before_the_next_attempt(monkeypatch) -> None:
    network = Small(1)
    alive: list[bool] = []
    monkeypatch.setattr(
        torch.cuda, "empty_cache", lambda: alive.append(any(ref() is not None for ref in network.held))
    )
    gc.disable()
    try:
        separated(network, noise(2, 9 * LENGTH), batch_size=4)
    finally:
        gc.enable()
    assert alive == [False, False]


def test_one_chunk_that_does_not_fit() -> None:
    with pytest.raises(
        ConfigError, match=r"^small: one chunk does not fit into the memory of cpu.*device='cpu'"
    ) as caught:
        NetworkSeparator("small", Small(0), CPU, 5).separate(Audio(noise(2, 3000), RATE))
    assert isinstance(caught.value.__cause__, torch.cuda.OutOfMemoryError)
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_fit() -> None:
    class Huge(Identity):
        def to(self, *args: object, **kwargs: object) -> Huge:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(ConfigError, match=r"^huge: the network does not fit into the memory of cpu"):
        NetworkSeparator("huge", Huge(TRIANGULAR), CPU)


def test_other_errors_of_a_network_are_not_swallowed() -> None:
    class Broken(Identity):
        def forward(self, chunks: Tensor) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        separated(Broken(TRIANGULAR), noise(2, 100), batch_size=4)


def test_an_hour_needs_no_more_memory_than_a_minute() -> None:
    program = """
        import torch
        from lyricsep.separators import Mixture
        from lyricsep.separators.engine import Chunking, Network, NetworkSeparator

        class Identity(Network):
            sample_rate, n_channels = 16000, 2
            chunking = Chunking.triangular(32000, 0.25)
            def forward(self, chunks):
                return chunks

        def run(minutes):
            blocks = (torch.ones(2, 160000) for _ in range(6 * minutes))
            vocals = NetworkSeparator("x", Identity(), torch.device("cpu"), 4).stream(Mixture(blocks, 16000, 2))
            assert sum(block.shape[-1] for block in vocals) == minutes * 60 * 16000
            return peak()

        torch.set_num_threads(1)  # more only wait for each other over such small work
        print(run(1), run(60))
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK + textwrap.dedent(program)], check=True, capture_output=True, text=True
    )
    minute, hour = (int(n_bytes) / 1024**2 for n_bytes in done.stdout.split())
    assert hour - minute < 60  # MiB; the hour itself is 439


@pytest.mark.parametrize(
    ("length", "hop", "lead", "weight"),
    [
        (4, 5, 0, torch.ones(4)),
        (4, 0, 0, torch.ones(4)),
        (4, 4, -1, torch.ones(4)),
        (4, 4, 4, torch.ones(4)),
        (4, 4, 0, torch.ones(3)),
        (4, 4, 0, torch.tensor([1.0, 1.0, -1.0, 1.0])),
        (4, 4, 0, torch.zeros(4)),
        (4, 4, 0, torch.full((4,), torch.nan)),
    ],
)
def test_chunks_that_cannot_be(length, hop, lead, weight) -> None:
    with pytest.raises(ValueError, match=r"^Chunking needs"):
        Chunking(length, hop, lead, weight)


def test_a_batch_of_nothing() -> None:
    with pytest.raises(ValueError, match="batch_size is at least 1, got 0"):
        NetworkSeparator("test", Identity(TRIANGULAR), CPU, 0)


def test_a_separator_that_loses_samples_is_found_out() -> None:
    class Careless(Separator):
        name = "careless"

        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            for block in mixture.blocks:
                yield block[:, 1:]

    with pytest.raises(
        AudioError, match=r"^careless: returned vocals of shape \(2, 9\) for a mixture of shape \(2, 10\)"
    ):
        Careless().separate(Audio(noise(2, 10), RATE))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_samples_may_lie_on_the_gpu() -> None:
    mixture = Audio(noise(2, 3000).cuda(), RATE)
    vocals = NetworkSeparator("test", Convolution(TRIANGULAR), torch.device("cuda"), 4).separate(mixture)
    assert vocals.samples.device == mixture.samples.device
    assert decibels(vocals.samples.cpu(), separated(Convolution(TRIANGULAR), mixture.samples.cpu())) <= -90
