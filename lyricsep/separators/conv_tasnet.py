"""Conv-TasNet: a learnt filterbank, masks from a stack of dilated convolutions, and a learnt synthesis.

One network, three published layouts of its weights, told apart by their keys:

* ``demucs``: the music version of the Demucs authors, stereo at 44.1 kHz, four stems; a plain state dict.
* ``torchaudio``: two speakers at 8 kHz; a plain state dict.
* ``asteroid``: ``{model_name, model_args, state_dict}``, among them singing from DAMP karaoke recordings.

They differ in more than names. The Demucs version has no biases, rectifies the filterbank's output, normalises it
frame by frame (cLN) and takes the masks from the last block; the others sum skip connections of all blocks.
Torchaudio pads by half a filter on both sides, the others lose what does not fill a last filter.

Networks trained for SI-SDR (torchaudio's surely, asteroid's perhaps) are free in the gain and the polarity of each
source they give. Theirs get, chunk by chunk, the gains with which they add up to the mixture best: least squares
with a little ridge, under which a source that is next to silent stays so. The Demucs version was trained on
waveforms and keeps its own.

References
----------
Luo, Mesgarani: "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech separation", IEEE/ACM
TASLP 27(8), 2019, arXiv 1809.07454; the letters N, L, B, H, Sc, P, X, R, C below are its table I. Défossez et al.:
"Music source separation in the waveform domain", arXiv 1911.13254, for music. Names and shapes of layers are those of
the published checkpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.separators.engine import Chunking, Network, choose_source
from lyricsep.separators.state import as_state, describing, filled, one_file, shape_of, tensor_of
from lyricsep.weights import Ignored, fetch, load_checkpoint, load_safetensors

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

EPSILON = 1e-8  # under the root of every norm, in all three publications
OVERLAP = 0.25  # of neighbouring chunks, as the Demucs authors published for their version
RIDGE = 1e-4  # of the mean energy of sources: what is 40 dB below it keeps half of its gain


@dataclass(frozen=True)
class ConvTasNetOptions:
    """The sizes of a Conv-TasNet, and where the publications differ.

    Parameters
    ----------
    n_filters : int
        N, filters of the encoder.
    filter_length : int
        L, samples per filter, even; filters are half of that apart.
    n_bottleneck : int
        B, channels between blocks.
    n_hidden : int
        H, channels inside a block.
    n_skip : int
        Sc, channels of the skip connections; 0 makes the masks from the last block instead.
    kernel_size : int
        P, frames per depthwise convolution, odd.
    n_blocks : int
        X, blocks per repeat; dilations are 1, 2, 4, ... 2 ** (X - 1).
    n_repeats : int
        R.
    n_sources : int
        C.
    n_channels : int
        Audio channels, which share their masks.
    has_biases : bool
        Whether convolutions between encoder and decoder have biases.
    is_framewise : bool
        Whether the first norm is over the channels of a frame (cLN) instead of the whole chunk (gLN).
    rectifies_input : bool
        Whether the encoder's output is rectified.
    sigmoid_masks : bool
        Whether masks end in a sigmoid, in 0 to 1, instead of a rectifier, in 0 to infinity.
    pads_edges : bool
        Whether half a filter of zeros goes on both sides, so that all samples are in two filters.

    Raises
    ------
    ValueError
        If a size is not positive, the filter length is odd or the kernel size is even.
    """

    n_filters: int
    filter_length: int
    n_bottleneck: int
    n_hidden: int
    n_skip: int
    kernel_size: int
    n_blocks: int
    n_repeats: int
    n_sources: int
    n_channels: int = 1
    has_biases: bool = True
    is_framewise: bool = False
    rectifies_input: bool = False
    sigmoid_masks: bool = False
    pads_edges: bool = False

    def __post_init__(self) -> None:
        """Check the sizes."""
        sizes = [value for name, value in vars(self).items() if type(value) is int and name != "n_skip"]
        if min(sizes) < 1 or self.n_skip < 0 or self.filter_length % 2 or not self.kernel_size % 2:
            raise ValueError(f"sizes are positive, filter_length is even, kernel_size is odd, got {self}")


class ConvTasNet(nn.Module):
    """Sources from a mixture, as waveforms.

    Scaling the mixture scales the sources, but for what `EPSILON` does near silence.
    """

    def __init__(self, options: ConvTasNetOptions) -> None:
        super().__init__()
        o = self.options = options
        stride = o.filter_length // 2
        self.encoder = nn.Conv1d(o.n_channels, o.n_filters, o.filter_length, stride, bias=False)
        self.norm = _FrameNorm(o.n_filters) if o.is_framewise else _global_norm(o.n_filters)
        self.bottleneck = nn.Conv1d(o.n_filters, o.n_bottleneck, 1, bias=o.has_biases)
        n_blocks = o.n_repeats * o.n_blocks
        self.blocks = nn.ModuleList(
            _ConvBlock(o, dilation=2 ** (i % o.n_blocks), goes_on=i < n_blocks - 1) for i in range(n_blocks)
        )
        if o.n_skip:
            self.mask_prelu = nn.PReLU()
        self.mask = nn.Conv1d(o.n_skip or o.n_bottleneck, o.n_sources * o.n_filters, 1, bias=o.has_biases)
        self.decoder = nn.ConvTranspose1d(o.n_filters, o.n_channels, o.filter_length, stride, bias=False)

    def forward(self, mixture: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to ``(batch, n_sources, n_channels, n_samples)``.

        At least `filter_length` samples. Where edges are not padded, what is left over after the last filter is 0.
        """
        n_samples = mixture.shape[-1]
        stride = self.options.filter_length // 2
        edge = stride if self.options.pads_edges else 0
        if edge:
            mixture = F.pad(mixture, (edge, edge + -n_samples % stride))
        frames = self.encoder(mixture)
        if self.options.rectifies_input:
            frames = F.relu(frames)
        masked = frames[:, None] * self.masks(frames)
        sources: Tensor = self.decoder(masked.flatten(0, 1))[..., edge : edge + n_samples]
        return F.pad(sources, (0, n_samples - sources.shape[-1])).reshape(*masked.shape[:2], -1, n_samples)

    def masks(self, frames: Tensor) -> Tensor:
        """Estimate masks; ``(batch, n_filters, n_frames)`` to ``(batch, n_sources, n_filters, n_frames)``."""
        x = self.bottleneck(self.norm(frames))
        total = torch.zeros((), device=x.device)
        for block in self.blocks:
            x, skip = block(x)
            total = total + skip
        scores: Tensor = self.mask(self.mask_prelu(total) if self.options.n_skip else x)
        scores = scores.reshape(len(scores), self.options.n_sources, self.options.n_filters, -1)
        return torch.sigmoid(scores) if self.options.sigmoid_masks else F.relu(scores)


class _ConvBlock(nn.Module):
    """1 x 1 convolution, depthwise dilated convolution, and the ways out (figure 1C of the paper)."""

    def __init__(self, options: ConvTasNetOptions, dilation: int, goes_on: bool) -> None:
        super().__init__()
        o = options
        self.expand = nn.Conv1d(o.n_bottleneck, o.n_hidden, 1, bias=o.has_biases)
        self.prelu1 = nn.PReLU()
        self.norm1 = _global_norm(o.n_hidden)
        self.depthwise = nn.Conv1d(
            o.n_hidden,
            o.n_hidden,
            o.kernel_size,
            padding=(o.kernel_size - 1) // 2 * dilation,
            dilation=dilation,
            groups=o.n_hidden,
            bias=o.has_biases,
        )
        self.prelu2 = nn.PReLU()
        self.norm2 = _global_norm(o.n_hidden)
        # Nothing would look at what the last block adds where there are skip connections.
        needs_residual = goes_on or not o.n_skip
        self.residual = nn.Conv1d(o.n_hidden, o.n_bottleneck, 1, bias=o.has_biases) if needs_residual else None
        self.skip = nn.Conv1d(o.n_hidden, o.n_skip, 1, bias=o.has_biases) if o.n_skip else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        hidden = self.norm1(self.prelu1(self.expand(x)))
        hidden = self.norm2(self.prelu2(self.depthwise(hidden)))
        skip = 0.0 if self.skip is None else self.skip(hidden)
        return (x if self.residual is None else x + self.residual(hidden)), skip


class _FrameNorm(nn.LayerNorm):
    """The paper's cLN without its memory: every frame over its channels."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def _global_norm(n_channels: int) -> nn.GroupNorm:
    """Apply the paper's gLN: normalise all channels and frames of a chunk together."""
    return nn.GroupNorm(1, n_channels, eps=EPSILON)


class ConvTasNetNetwork(Network):
    """Conv-TasNet as the engine runs it.

    Parameters
    ----------
    model : ConvTasNet
        The network.
    sample_rate : int
        Samples per second it was trained at.
    segment : float
        Seconds per chunk, a filter at least. The norms are over a whole chunk: it is best what the training saw.
    source : int or None
        Which of its sources the vocals are, from 0; see `choose_source`.
    keeps_gain : bool
        Whether it was trained to give sources at the mixture's gain.
    """

    def __init__(
        self, model: ConvTasNet, *, sample_rate: int, segment: float, source: int | None, keeps_gain: bool
    ) -> None:
        super().__init__()
        options = model.options
        length = int(segment * sample_rate)
        if (source is not None and not 0 <= source < options.n_sources) or length < options.filter_length:
            raise ValueError(
                f"Conv-TasNet needs a source of 0 to {options.n_sources - 1} and chunks of {options.filter_length} "
                f"samples or more, got source={source}, {length} samples"
            )
        self.model = model
        self.sample_rate = sample_rate
        self.shortest = options.filter_length
        self.n_channels = options.n_channels
        self.chunking = Chunking.triangular(length, OVERLAP)
        self.source = source
        self.keeps_gain = keeps_gain

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to vocals of the same shape."""
        sources: Tensor = self.model(chunks)
        if not self.keeps_gain:
            sources = sources * _gains(chunks, sources)[..., None, None]
        return choose_source(sources, self.source)


def _gains(mixture: Tensor, sources: Tensor) -> Tensor:
    """Return (batch, n_sources) factors with which the sum of the sources is closest to the mixture."""
    flat = sources.flatten(2)
    products = flat @ flat.mT
    energy = products.diagonal(dim1=1, dim2=2).mean(dim=1)
    ridge = (RIDGE * energy).clamp(min=torch.finfo(energy.dtype).tiny)
    products = products + torch.diag_embed(ridge[:, None].expand(-1, flat.shape[1]))
    gains: Tensor = torch.linalg.solve(products, flat @ mixture.flatten(1)[..., None])
    return gains[..., 0]


@dataclass(frozen=True)
class _Layout:
    """A publication: its layer names (blocks are {index}, or {place} in {repeat}) and its differences."""

    name: str
    keys: Mapping[str, str]
    norm_leaves: Mapping[str, str]
    traits: Mapping[str, bool]
    keeps_gain: bool

    def key(self, ours: str, n_blocks: int) -> str:
        """Return the published name of one of our tensors, of a network with that many blocks per repeat."""
        index = 0
        if ours.startswith("blocks."):
            _, number, ours = ours.split(".", 2)
            index = int(number)
        layer, _, leaf = ours.rpartition(".")
        if layer in ("norm", "norm1", "norm2"):
            leaf = self.norm_leaves[leaf]
        template = self.keys.get(ours) or f"{self.keys[layer]}.{leaf}"
        return template.format(index=index, repeat=index // n_blocks, place=index % n_blocks)


def _with_blocks(start: str, *ends: str, **others: str) -> dict[str, str]:
    """Return the names of layers: those of a block, in the order in which it runs them, and the others."""
    ours = ("expand", "prelu1", "norm1", "depthwise", "prelu2", "norm2", "residual", "skip")
    return {name: start + end for name, end in zip(ours, ends, strict=False)} | others


_LAYOUTS = (
    _Layout(
        "demucs",
        _with_blocks(
            "separator.network.2.{repeat}.{place}.net.",
            *("0", "1", "2", "3.net.0", "3.net.1", "3.net.2", "3.net.3"),
            encoder="encoder.conv1d_U",
            norm="separator.network.0",
            bottleneck="separator.network.1",
            mask="separator.network.3",
            decoder="decoder.basis_signals",
        ),
        {"weight": "gamma", "bias": "beta"},
        {"has_biases": False, "is_framewise": True, "rectifies_input": True},
        keeps_gain=True,
    ),
    _Layout(
        "torchaudio",
        _with_blocks(
            "mask_generator.conv_layers.{index}.",
            *(*(f"conv_layers.{place}" for place in range(6)), "res_out", "skip_out"),
            encoder="encoder",
            norm="mask_generator.input_norm",
            bottleneck="mask_generator.input_conv",
            mask_prelu="mask_generator.output_prelu",
            mask="mask_generator.output_conv",
            decoder="decoder",
        ),
        {"weight": "weight", "bias": "bias"},
        {"sigmoid_masks": True, "pads_edges": True},
        keeps_gain=False,
    ),
    _Layout(
        "asteroid",
        _with_blocks(
            "masker.TCN.{index}.",
            *(*(f"shared_block.{place}" for place in range(6)), "res_conv", "skip_conv"),
            norm="masker.bottleneck.0",
            bottleneck="masker.bottleneck.1",
            mask_prelu="masker.mask_net.0",
            mask="masker.mask_net.1",
        )
        | {"encoder.weight": "encoder.filterbank._filters", "decoder.weight": "decoder.filterbank._filters"},
        {"weight": "gamma", "bias": "beta"},
        {},  # its model_args say
        keeps_gain=False,
    ),
)
TORCHAUDIO_BLOCKS = 8  # X of its published model, which its keys do not tell

# What asteroid may have been asked for: name, and the values that are built here, its default first.
_ASTEROID_KNOWN: dict[str, tuple[object, ...]] = {
    "fb_name": ("free", "FreeFB"),
    "norm_type": ("gLN",),
    "causal": (False,),
    "mask_act": ("sigmoid", "relu"),
    "encoder_activation": (None, "linear", "relu"),
}


# Asteroid keeps scores of the training beside the state, which are NumPy's numbers.
_NUMPY = ("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")


def load_conv_tasnet(spec: SeparatorSpec, *, offline: bool) -> ConvTasNetNetwork:
    """Build a Conv-TasNet from its one checkpoint, of any of the three layouts.

    The settings of the catalogue say what checkpoints do not: ``sample_rate``, ``segment`` (seconds per chunk), and
    ``source``, left out where the order of the sources means nothing (see `ConvTasNetNetwork`).
    """
    file = one_file(spec, "Conv-TasNet", "sample_rate", "segment")
    path = fetch(file, offline=offline)
    source = spec.settings.get("source")
    with describing(f"{file.name}: not a Conv-TasNet checkpoint"):
        model, layout = _build(*_read(path))
        return ConvTasNetNetwork(
            model,
            sample_rate=int(spec.settings["sample_rate"]),
            segment=spec.settings["segment"],
            source=None if source is None else int(source),
            keeps_gain=layout.keeps_gain,
        )


def _read(path: Path) -> tuple[dict[str, Any], Mapping[str, object]]:
    """Read the state and what asteroid says about it."""
    checkpoint: Any
    arguments: Any = {}
    if path.suffix == ".safetensors":
        checkpoint, metadata = load_safetensors(path)
        arguments = json.loads(metadata.get("model_args", "{}"))
    else:
        allowed: list[Any] = [(Ignored, name) for name in _NUMPY]
        checkpoint = load_checkpoint(path, allow=allowed)
        if isinstance(checkpoint, dict) and "state_dict" in checkpoint:
            checkpoint, arguments = checkpoint["state_dict"], checkpoint.get("model_args", {})
    return as_state(checkpoint), as_state(arguments)


def _build(state: dict[str, Any], arguments: Mapping[str, object]) -> tuple[ConvTasNet, _Layout]:
    """Build the network that a state is of, with the sizes that the state shows."""
    layout = _layout(state)
    options = _options(layout, state, arguments)
    model = ConvTasNet(options)
    if layout.name == "demucs":
        # Norms have three dimensions; rows of the decoder's matrix are the samples of one channel, then the next.
        norms = {key: tensor_of(state, key).flatten() for key in state if key.endswith((".gamma", ".beta"))}
        key = layout.key("decoder.weight", options.n_blocks)
        n_filters, n_channels, length = model.decoder.weight.shape
        matrix = tensor_of(state, key)
        if matrix.shape != (n_channels * length, n_filters):
            raise ValueError(
                f"{key} has the shape {tuple(matrix.shape)}, expected {(n_channels * length, n_filters)}"
            )
        state = state | norms | {key: matrix.T.reshape(n_filters, n_channels, length)}
    # Asteroid stores what the last block would add, though nothing looks at it.
    last = re.escape(layout.key(f"blocks.{len(model.blocks) - 1}.residual.weight", options.n_blocks))
    unused = f"{last.removesuffix('weight')}(weight|bias)"
    return filled(model, state, lambda name: layout.key(name, options.n_blocks), unused=unused), layout


def _layout(state: Mapping[str, Any]) -> _Layout:
    for layout in _LAYOUTS:
        if layout.key("bottleneck.weight", 1) in state:
            return layout
    names = ", ".join(layout.name for layout in _LAYOUTS)
    raise ValueError(f"expected the layout of {names}, got keys like {min(state, default='none')[:60]!r}")


def _options(layout: _Layout, state: Mapping[str, Any], arguments: Mapping[str, object]) -> ConvTasNetOptions:
    def sizes(ours: str) -> tuple[int, ...]:
        return shape_of(state, layout.key(ours, 1), 3)

    n_filters, n_channels, filter_length = sizes("encoder.weight")
    n_hidden, n_bottleneck, _ = sizes("blocks.0.expand.weight")
    n_repeats, n_blocks = _depth(layout, state, arguments)
    traits = dict(layout.traits)
    if layout.name == "asteroid":
        traits |= _asteroid_traits(arguments, filter_length // 2)
    return ConvTasNetOptions(
        n_filters=n_filters,
        filter_length=filter_length,
        n_bottleneck=n_bottleneck,
        n_hidden=n_hidden,
        n_skip=sizes("blocks.0.skip.weight")[0] if "skip" in layout.keys else 0,
        kernel_size=sizes("blocks.0.depthwise.weight")[2],
        n_blocks=n_blocks,
        n_repeats=n_repeats,
        n_sources=sizes("mask.weight")[0] // n_filters,
        n_channels=n_channels,
        **traits,
    )


def _depth(layout: _Layout, state: Mapping[str, Any], arguments: Mapping[str, object]) -> tuple[int, int]:
    """Count repeats, and blocks per repeat."""
    prefix, _, rest = layout.keys["expand"].partition("{")
    places = {tuple(key.removeprefix(prefix).split(".")[:2]) for key in state if key.startswith(prefix)}
    n_first = len({place[0] for place in places})
    if rest.startswith("repeat"):
        return n_first, len(places) // n_first
    n_blocks = TORCHAUDIO_BLOCKS if layout.name == "torchaudio" else arguments.get("n_blocks")
    if type(n_blocks) is not int or n_blocks < 1 or n_first % n_blocks:
        raise ValueError(f"{n_first} blocks are not a multiple of {str(n_blocks)[:20]}")
    return n_first // n_blocks, n_blocks


def _asteroid_traits(arguments: Mapping[str, object], stride: int) -> dict[str, bool]:
    for name, values in (_ASTEROID_KNOWN | {"stride": (stride,)}).items():
        value = arguments.get(name, values[0])
        if value not in values:
            raise ValueError(f"{name} is {str(value)[:40]!r}, expected {' or '.join(map(str, values))}")
    return {
        "rectifies_input": arguments.get("encoder_activation") == "relu",
        "sigmoid_masks": arguments.get("mask_act", "sigmoid") == "sigmoid",
    }
