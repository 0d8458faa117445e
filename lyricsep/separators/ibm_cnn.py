"""IBM-CNN: a convolutional network that estimates for every time-frequency bin how likely it is voice.

It was trained by cross entropy against ideal binary masks, on windows of nine frames of a magnitude spectrogram. A
song is seen window by window, a frame apart; only the middle frame of each is kept. What the network says is used as
a soft mask, but for what is below 0.15, which becomes 0, and goes onto the mixture with the mixture's phase.

The authors share a TensorFlow 1 checkpoint, whose variables must be written into an ``.npz`` where TensorFlow is
installed::

    reader = tf.train.load_checkpoint(path)
    np.savez("ibm_cnn.npz", **{name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})

Sizes, padding and order of axes follow from the published shapes and the number of parameters. Four things do not,
and could not be checked against the checkpoint: rectifiers between layers, pooling by the maximum, a sigmoid at the
end, and magnitudes of samples of -1 to 1 that are scaled by nothing but the window.

References
----------
Lin, Balamurali, Koh, Lui, Herremans: "Singing voice separation using a deep convolutional neural network trained by
ideal binary mask and cross entropy", Neural Computing and Applications 32, 2020, arXiv 1812.01278.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import WeightsError
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing, one_file
from lyricsep.weights import fetch
from lyricsep.weights.loading import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from lyricsep.separators.base import SeparatorSpec

SAMPLE_RATE = 22_050
WINDOWS_PER_FFT = 4  # spectra of 4096 samples, of which a Hann window shows 1024
HOPS_PER_WINDOW = 4  # 256 samples between frames
N_FRAMES = 9  # of a window of the network
POOL = 12  # bins
THRESHOLD = 0.15  # of the mask; what is below becomes 0
SEGMENT = 10.0  # seconds of vocals per chunk, about
WINDOWS_AT_ONCE = {"cpu": 4}  # what its caches hold, measured
WINDOWS_AT_ONCE_ELSEWHERE = 64  # 3.5 MB each
MAX_BYTES = 1 << 30  # of unpacked variables; those published are 78 MB, three times that with Adam's

_LAYERS = ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2", "output")
# What optimisers of TensorFlow call their memories of a variable, behind its name.
_SLOTS = {"Adam", "Adam_1", "Adadelta", "Adadelta_1", "Adagrad", "ExponentialMovingAverage", "Momentum", "RMSProp"}
_DAMAGE = (*UNREADABLE, zlib.error, tokenize.TokenError)


class IbmCnn(nn.Module):
    """Estimates the odds of voice in every bin of a window of frames.

    Parameters
    ----------
    n_bins : int
        Bins of a spectrum.
    channels : tuple of four int
        Of the convolutions; the second and the last are pooled over bins.
    hidden : tuple of two int
        Widths of the layers between the last pooling and the output.
    """

    def __init__(
        self,
        n_bins: int = 2049,
        channels: tuple[int, int, int, int] = (32, 16, 64, 32),
        hidden: tuple[int, int] = (2048, 512),
    ) -> None:
        super().__init__()
        self.n_bins = n_bins
        below = (1, *channels[:3])
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv2d(n_in, n_out, (3, POOL)) for n_in, n_out in zip(below, channels, strict=True)
        )
        n_pooled = math.ceil(math.ceil(n_bins / POOL) / POOL)
        self.fc1 = nn.Linear(N_FRAMES * n_pooled * channels[3], hidden[0])
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.output = nn.Linear(hidden[1], N_FRAMES * n_bins)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Compute the log-odds; ``(batch, N_FRAMES, n_bins)`` to the same.

        Their sigmoid is the mask, and what cross entropy is taken of.
        """
        x = magnitude[:, None]
        x = _pool(_convolve(self.conv2, _convolve(self.conv1, x)))
        x = _pool(_convolve(self.conv4, _convolve(self.conv3, x)))
        x = x.permute(0, 2, 3, 1).flatten(1)  # frames, bins, channels: TensorFlow's order
        x = F.relu(self.fc2(F.relu(self.fc1(x))))
        odds: Tensor = self.output(x)
        return odds.reshape(magnitude.shape)


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    # TensorFlow's "same" padding of an even kernel: the odd one goes behind.
    return F.relu(layer(F.pad(x, ((POOL - 1) // 2, POOL // 2, 1, 1))))


def _pool(x: Tensor) -> Tensor:
    # The same for the steps of pooling. Rectified values are not below 0, so zeros never are the maximum of others.
    missing = -x.shape[-1] % POOL
    return F.max_pool2d(F.pad(x, (missing // 2, missing - missing // 2)), (1, POOL))


class IbmCnnNetwork(Network):
    """IBM-CNN as the engine runs it, every channel for itself.

    A chunk holds everything that has a say in its middle, which is all that is kept of it: together the chunks are
    what the whole song in one piece would give.

    Parameters
    ----------
    model : IbmCnn
        The network; its bins tell the lengths of spectra, windows and hops.
    sample_rate : int
        Samples per second it was trained at.
    segment : float
        Seconds of vocals per chunk, rounded to hops.

    Raises
    ------
    ValueError
        If the bins are not 8, 16, ... and one, or a segment is shorter than a hop.
    """

    n_channels = 1

    def __init__(self, model: IbmCnn, sample_rate: int = SAMPLE_RATE, segment: float = SEGMENT) -> None:
        super().__init__()
        self.n_fft = 2 * (model.n_bins - 1)
        window_length = self.n_fft // WINDOWS_PER_FFT
        self.hop_length = window_length // HOPS_PER_WINDOW
        hops_per_fft = WINDOWS_PER_FFT * HOPS_PER_WINDOW
        if not self.hop_length or self.n_fft % hops_per_fft or segment * sample_rate < self.hop_length:
            raise ValueError(
                f"IBM-CNN needs a multiple of {hops_per_fft // 2} bins and one, and a segment "
                f"of a hop or more, got {model.n_bins} bins, {segment} s at {sample_rate} Hz"
            )
        # A sample is in frames up to half a window off, whose masks are made from frames around, each half a window.
        self.margin = window_length + N_FRAMES // 2 * self.hop_length
        hop = int(segment * sample_rate) // self.hop_length * self.hop_length
        self.model = model
        self.sample_rate = sample_rate
        weight = F.pad(torch.ones(hop), (self.margin, self.margin))
        self.chunking = Chunking(hop + 2 * self.margin, hop, self.margin, weight)
        self.register_buffer("window", torch.hann_window(window_length), persistent=False)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, 1, n_samples)`` to vocals of the same shape, whole hops."""
        window = cast(Tensor, self.window)
        sizes = (self.n_fft, self.hop_length, len(window), window)
        spectrum = torch.stft(chunks[:, 0], *sizes, pad_mode="constant", return_complex=True)
        masked = self.mask(spectrum.abs()) * spectrum
        return torch.istft(masked, *sizes, length=chunks.shape[-1])[:, None]

    def mask(self, magnitude: Tensor) -> Tensor:
        """Estimate the mask, 0 or `THRESHOLD` to 1; ``(batch, n_bins, n_frames)`` to the same."""
        around = N_FRAMES // 2
        windows = F.pad(magnitude, (around, around)).unfold(2, N_FRAMES, 1).permute(0, 2, 3, 1)
        n_at_once = WINDOWS_AT_ONCE.get(magnitude.device.type, WINDOWS_AT_ONCE_ELSEWHERE)
        odds = [
            self.model(some.flatten(0, 1))[:, around].reshape(*some.shape[:2], -1)
            for some in torch.split(windows, max(1, n_at_once // len(windows)), dim=1)
        ]
        mask = torch.cat(odds, dim=1).sigmoid().mT
        return mask * (mask >= THRESHOLD)

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        """Separate; at the end of a song without what has no say in it."""
        n_hops = -(-(n_samples + self.margin) // self.hop_length)
        n_seen = min(n_hops * self.hop_length, chunks.shape[-1])
        vocals: Tensor = self(chunks[..., :n_seen])
        return F.pad(vocals, (0, chunks.shape[-1] - n_seen))


def load_ibm_cnn(spec: SeparatorSpec, *, offline: bool) -> IbmCnnNetwork:
    """Build IBM-CNN from the one file with the variables of its TensorFlow checkpoint."""
    file = one_file(spec, "IBM-CNN")
    try:
        path = fetch(file, offline=offline)
    except WeightsError as error:
        raise WeightsError(
            f"{spec.name}: {error}; the file is made from the authors' checkpoint, and `lyricsep models show "
            f"{spec.name}` says how"
        ) from error
    with describing(
        f"{file.name}: not the variables of IBM-CNN", advice="make it from the checkpoint again", errors=_DAMAGE
    ):
        with torch.device("meta"):
            model = IbmCnn()
        model.load_state_dict(from_tensorflow(_read(path)), assign=True)
    return IbmCnnNetwork(model)


def from_tensorflow(variables: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """Turn the variables of the published checkpoint into the state of an `IbmCnn`.

    Layers are told by the shapes of their weights, all of which differ, and their biases by the scope they share;
    of the names only the scopes matter. Counters, and what optimisers remember, are left out.

    Parameters
    ----------
    variables : mapping
        Names such as ``Conv1/weights`` to arrays. Kernels are of (height, width, in, out), matrices of (in, out).

    Returns
    -------
    dict
        Float32 tensors, for `IbmCnn.load_state_dict`.

    Raises
    ------
    ValueError
        If a variable is missing, unknown, there twice, or no array of floats.
    """
    wanted = _published_shapes()
    scopes = _scopes(variables)
    state: dict[str, Tensor] = {}
    for scope, arrays in scopes.items():
        shapes = sorted((array.shape for array in arrays), key=len)
        layer = wanted.get(shapes[-1])
        if layer is None or shapes != [shapes[-1][-1:], shapes[-1]]:
            raise ValueError(f"{scope[:60]!r} has variables of shapes {shapes}, which is not a layer of IBM-CNN")
        if f"{layer}.weight" in state:
            raise ValueError(f"{layer} is there twice, the second time as {scope[:60]!r}")
        for array in arrays:
            if array.dtype.kind != "f":
                raise ValueError(f"{scope[:60]!r} holds {array.dtype}, expected floats")
            tensor = torch.from_numpy(array.astype(np.float32))
            leaf = "bias" if tensor.ndim == 1 else "weight"
            tensor = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T if tensor.ndim == 2 else tensor
            state[f"{layer}.{leaf}"] = tensor.contiguous()
    for shape, layer in wanted.items():
        if f"{layer}.weight" not in state:
            raise ValueError(f"it lacks the weights of {layer}, of shape {shape}, with their biases")
    return state


def _published_shapes() -> dict[tuple[int, ...], str]:
    """Return the layers, keyed by the shapes of TensorFlow's weights."""
    with torch.device("meta"):
        state = IbmCnn().state_dict()
    shapes = {}
    for layer in _LAYERS:
        n_out, n_in, *kernel = state[f"{layer}.weight"].shape
        shapes[(*kernel, n_in, n_out)] = layer
    return shapes


def _scopes(variables: Mapping[str, NDArray[np.generic]]) -> dict[str, list[NDArray[np.generic]]]:
    """Gather what belongs together: arrays by everything of their names before the last slash."""
    scopes: dict[str, list[NDArray[np.generic]]] = {}
    for name, array in variables.items():
        scope, _, leaf = name.removesuffix(":0").rpartition("/")
        if array.ndim and leaf not in _SLOTS:
            scopes.setdefault(scope, []).append(array)
    return scopes


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read an ``.npz``, without the pickles that NumPy could hold."""
    with zipfile.ZipFile(path) as archive:
        declared = sum(member.file_size for member in archive.infolist())
    if declared > MAX_BYTES:
        raise ValueError(f"it would unpack into {declared} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        found: dict[str, object] = {name: arrays[name] for name in arrays.files}
    # NumPy gives the bytes of members that are no arrays.
    if others := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
        raise ValueError(f"{others[0][:60]!r} is not an array")
    return cast(dict[str, NDArray[np.generic]], found)
