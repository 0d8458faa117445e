"""Spleeter, two stems: a pair of small U-Nets whose squared magnitudes make a ratio mask.

References
----------
Hennequin, Khlif, Voituret, Moussallam: "Spleeter: a fast and efficient music source separation tool with
pre-trained models", JOSS 5(50), 2020. Jansson et al.: "Singing voice separation with deep U-Net convolutional
networks", ISMIR 2017. Layer names and shapes are those of the published checkpoints.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing
from lyricsep.weights import fetch, load_numpy_pickle

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

SAMPLE_RATE = 44_100
N_FFT = 4096  # samples per frame
HOP_LENGTH = 1024  # samples between frames
N_FRAMES = 512  # frames a network sees at once, about 11.9 s
N_BINS = 1024  # lowest bins a network sees, up to 11 kHz; the mask is 0 above, as published
MAX_HALF = 8 * N_FFT / 4  # magnitude of a sine at eight times full scale; beyond, half precision overflows
EPSILON = 1e-10  # keeps the ratio defined where both estimates are silent, as published


class UNet(nn.Module):
    """The magnitude of one stem from the magnitude of the mixture.

    Six encoder blocks (5 x 5 convolution, stride 2) of 16 to 512 channels, six decoder blocks, skips taken before
    the activation, and a sigmoid mask on the input.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = [2, 16, 32, 64, 128, 256, 512]
        for i, (below, above) in enumerate(pairwise(channels), start=1):
            # TensorFlow's "same" padding for an even input: one in front, two behind.
            convolution = nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(below, above, 5, stride=2))
            self.add_module(f"down{i}_conv", convolution)
            self.add_module(f"down{i}_act", nn.Sequential(_batch_norm(above), nn.LeakyReLU(0.2)))
        for i, (below, above) in enumerate(
            [(512, 256), (512, 128), (256, 64), (128, 32), (64, 16), (32, 1)], start=1
        ):
            deconvolution = nn.ConvTranspose2d(below, above, 5, stride=2)
            # A negative padding cuts what "same" padding would not have made.
            crop = nn.ZeroPad2d((-1, -2, -1, -2))
            self.add_module(f"up{i}", nn.Sequential(deconvolution, crop, nn.ReLU(), _batch_norm(above)))
        self.up7 = nn.Sequential(nn.Conv2d(1, 2, 4, dilation=2, padding=3), nn.Sigmoid())

    def forward(self, magnitude: Tensor) -> Tensor:
        """Estimate the stem; ``(batch, 2, frames, bins)`` to the same, both multiples of 64."""
        skips: list[Tensor] = []
        x = magnitude
        for i in range(1, 7):
            skips.append(self.get_submodule(f"down{i}_conv")(x))
            if i < 6:  # the bottleneck goes up without its activation
                x = self.get_submodule(f"down{i}_act")(skips[-1])
        x = self.get_submodule("up1")(skips.pop())
        for i in range(2, 7):
            x = self.get_submodule(f"up{i}")(torch.cat([skips.pop(), x], dim=1))
        mask: Tensor = self.up7(x)
        return mask * magnitude


class SpleeterNetwork(Network):
    """Spleeter as the engine runs it: stereo chunks of 512 frames in, vocals out.

    The masks of a whole song are made window by window of 512 frames, so a chunk holds just the samples those
    frames see, and its share in the overlap is what its frames hold of the synthesis window. Joined that way, the
    chunks give the whole song's result.
    """

    sample_rate = SAMPLE_RATE
    n_channels = 2
    half_is_safe = True  # its vocals differ by -60 dB from those in single precision, measured on a real song

    def __init__(self, vocals: UNet, accompaniment: UNet) -> None:
        super().__init__()
        self.vocals = vocals.eval()
        self.accompaniment = accompaniment.eval()
        window = torch.hann_window(N_FFT)
        self.register_buffer("window", window, persistent=False)
        self.chunking = Chunking(
            length=(N_FRAMES - 1) * HOP_LENGTH + N_FFT,
            hop=N_FRAMES * HOP_LENGTH,
            lead=N_FFT // 2,  # frame 0 is centred on sample 0
            weight=_overlap_add(window.square().expand(1, N_FRAMES, N_FFT))[0],
        )

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, 2, chunking.length)`` to vocals of the same shape."""
        batch, channels, _ = chunks.shape
        window = cast(Tensor, self.window)
        frames = chunks.unfold(-1, N_FFT, HOP_LENGTH) * window
        spectrum = torch.fft.rfft(frames)  # (batch, 2, frames, bins)
        low = spectrum[..., :N_BINS]
        magnitude = low.abs()
        with self.autocast() if magnitude.amax() <= MAX_HALF else nullcontext():
            vocals = self.vocals(magnitude)
            accompaniment = self.accompaniment(magnitude)
        vocals, accompaniment = vocals.float().square(), accompaniment.float().square()
        mask = (vocals + EPSILON / 2) / (vocals + accompaniment + EPSILON)
        low = F.pad(low * mask, (0, N_FFT // 2 + 1 - N_BINS))
        frames = torch.fft.irfft(low, n=N_FFT) * window
        synthesis = _overlap_add(frames.reshape(batch * channels, N_FRAMES, N_FFT)).reshape(chunks.shape)
        # The engine weighs the chunk by `weight` again; where that is (almost) nothing, so is this chunk's say.
        weight = self.chunking.weight.to(synthesis.device)
        return synthesis / weight.clamp(min=1e-8)


def load_spleeter(spec: SeparatorSpec, *, offline: bool) -> SpleeterNetwork:
    """Build Spleeter from its two checkpoints (vocals, accompaniment)."""
    if len(spec.files) != 2:
        raise ConfigError(
            f"{spec.name}: Spleeter needs two files, vocals and accompaniment, got {len(spec.files)}; "
            "correct the catalogue entry"
        )
    networks = []
    for file in spec.files:
        network = UNet()
        _load_state(network, load_numpy_pickle(fetch(file, offline=offline)), file.name)
        networks.append(network)
    return SpleeterNetwork(*networks)


def _load_state(network: nn.Module, arrays: object, name: str) -> None:
    # Counters of training batches are not in the checkpoints and not used.
    wanted = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
    with describing(
        f"{name}: not a Spleeter two-stem checkpoint", errors=(KeyError, TypeError, ValueError, RuntimeError)
    ):
        if not isinstance(arrays, dict):
            raise TypeError(f"expected a dictionary of arrays, got {type(arrays).__name__}")
        network.load_state_dict({key: torch.from_numpy(arrays[key]) for key in wanted}, strict=False)


def _batch_norm(n_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n_channels, eps=1e-3)


def _overlap_add(frames: Tensor) -> Tensor:
    """Add frames at their hops; ``(n, frames, N_FFT)`` to ``(n, samples)``."""
    n_samples = (frames.shape[1] - 1) * HOP_LENGTH + N_FFT
    folded = F.fold(
        frames.transpose(1, 2), output_size=(1, n_samples), kernel_size=(1, N_FFT), stride=(1, HOP_LENGTH)
    )
    return folded.reshape(frames.shape[0], n_samples)
