"""Open-Unmix: a spectrogram mask from a bidirectional LSTM over the whole excerpt.

Only the model of the vocals is used, and its mask goes onto the mixture's spectrogram as it is: the vocals'
magnitude with the mixture's phase, what the authors' ``Separator`` gives for one target and ``niter=0``. Their
published scores are those of four models whose estimates one round of a multichannel Wiener filter refines, at four
times the cost: do not expect the same here.

The authors run a song through the LSTM in one piece; the engine's chunks of half a minute, five times what it was
trained on, fade into each other instead.

References
----------
Stöter, Uhlich, Liutkus, Mitsufuji: "Open-Unmix - a reference implementation for music source separation", JOSS 4(41),
2019. Names and shapes of layers are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing, filled, one_file, read_state, shape_of
from lyricsep.weights import fetch

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

SAMPLE_RATE = 44_100
HOPS_PER_FRAME = 4  # 4096 samples per frame, 1024 between frames
SEGMENT = 30.0  # seconds per chunk
OVERLAP = 0.25  # of neighbouring chunks
N_LAYERS = 3  # of the LSTM

# Buffers of the training script that older checkpoints hold: nothing here uses them.
_UNUSED = r"stft\.window|transform\.0\.window|sample_rate"


class OpenUnmix(nn.Module):
    """The magnitude of one stem from the magnitude of the mixture.

    Parameters
    ----------
    n_bins : int
        Bins of a spectrum, half the samples of a frame and one.
    n_seen : int
        Lowest bins that the network sees, at most `n_bins`; published: up to 16 kHz.
    n_hidden : int
        Width, even; published: 512, and 1024 for umxl.
    n_channels : int
        Audio channels, seen together.
    """

    def __init__(self, n_bins: int = 2049, n_seen: int = 1487, n_hidden: int = 512, n_channels: int = 2) -> None:
        super().__init__()
        if not (1 <= n_seen <= n_bins and n_channels >= 1 and n_hidden >= 2 and n_hidden % 2 == 0):
            raise ValueError(
                "Open-Unmix needs 1 <= n_seen <= n_bins and an even n_hidden, "
                f"got {n_seen=}, {n_bins=}, {n_hidden=}, {n_channels=}"
            )
        self.n_bins = n_bins
        self.n_channels = n_channels
        self.input_mean = nn.Parameter(torch.zeros(n_seen))  # its negative, as published
        self.input_scale = nn.Parameter(torch.ones(n_seen))  # its inverse
        self.fc1 = nn.Linear(n_channels * n_seen, n_hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(n_hidden)
        self.lstm = nn.LSTM(n_hidden, n_hidden // 2, N_LAYERS, batch_first=True, bidirectional=True, dropout=0.4)
        self.fc2 = nn.Linear(2 * n_hidden, n_hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_channels * n_bins, bias=False)
        self.bn3 = nn.BatchNorm1d(n_channels * n_bins)
        self.output_scale = nn.Parameter(torch.ones(n_bins))
        self.output_mean = nn.Parameter(torch.ones(n_bins))

    def forward(self, magnitude: Tensor) -> Tensor:
        """Estimate the mask, at least 0; ``(batch, n_channels, n_bins, n_frames)`` to the same.

        The stem's magnitude is the mask times that of the mixture.
        """
        x = magnitude.permute(0, 3, 1, 2)[..., : len(self.input_mean)]
        x = (x + self.input_mean) * self.input_scale
        x = torch.tanh(_per_bin(self.bn1, self.fc1(x.flatten(2))))
        x = torch.cat([x, self.lstm(x)[0]], dim=-1)
        x = F.relu(_per_bin(self.bn2, self.fc2(x)))
        x = _per_bin(self.bn3, self.fc3(x)).reshape(*x.shape[:2], self.n_channels, self.n_bins)
        return F.relu(x * self.output_scale + self.output_mean).permute(0, 2, 3, 1)


def _per_bin(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Normalise ``(batch, n_frames, n_features)`` over batch and frames."""
    normalised: Tensor = norm(x.flatten(0, 1))
    return normalised.reshape(x.shape)


class OpenUnmixNetwork(Network):
    """Open-Unmix as the engine runs it, in chunks of `segment` seconds, which are a frame at least."""

    def __init__(self, vocals: OpenUnmix, sample_rate: int = SAMPLE_RATE, segment: float = SEGMENT) -> None:
        super().__init__()
        self.n_fft = self.shortest = 2 * (vocals.n_bins - 1)
        length = int(segment * sample_rate)
        if length < self.n_fft:
            raise ValueError(f"Open-Unmix needs chunks of {self.n_fft} samples or more, got {length}")
        self.vocals = vocals
        self.sample_rate = sample_rate
        self.n_channels = vocals.n_channels
        self.chunking = Chunking.triangular(length, OVERLAP)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to vocals of the same shape, `n_fft` samples at least."""
        window = cast(Tensor, self.window)
        hop_length = self.n_fft // HOPS_PER_FRAME
        spectrum = torch.stft(
            chunks.flatten(0, 1), self.n_fft, hop_length, window=window, pad_mode="reflect", return_complex=True
        )
        spectrum = spectrum.reshape(*chunks.shape[:2], *spectrum.shape[1:])
        masked = self.vocals(spectrum.abs()) * spectrum
        vocals = torch.istft(masked.flatten(0, 1), self.n_fft, hop_length, window=window, length=chunks.shape[-1])
        return vocals.reshape(chunks.shape)


def load_umx(spec: SeparatorSpec, *, offline: bool) -> OpenUnmixNetwork:
    """Build Open-Unmix from the one checkpoint of its vocals."""
    file = one_file(spec, "Open-Unmix")
    path = fetch(file, offline=offline)
    with describing(f"{file.name}: not an Open-Unmix checkpoint"):
        return OpenUnmixNetwork(_build(read_state(path)))


def _build(state: Mapping[str, Any]) -> OpenUnmix:
    """Build the network that a state is of, with the sizes that the state shows."""
    n_hidden, n_inputs = shape_of(state, "fc1.weight", 2)
    (n_seen,), (n_bins,) = shape_of(state, "input_mean", 1), shape_of(state, "output_mean", 1)
    return filled(OpenUnmix(n_bins, n_seen, n_hidden, n_inputs // n_seen), state, str, unused=_UNUSED)
