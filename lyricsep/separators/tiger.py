"""TIGER: few weights, shared by repeated blocks over the bands and the frames of a spectrogram.

Each band of a complex spectrum is normalised over a chunk and mapped to as many features. One block goes over them,
first from band to band, then from frame to frame, `n_repeats` times with the same weights. Every band then gives a
complex mask per source; the masks of a bin add up to 1, so sources add up to the mixture, and keep its gain.

One layout of weights, two published models:

* speech: two speakers at 16 kHz, in any order, bands up to 8 kHz;
* DnR ("divide and remaster"): three whole networks in one file, prefixed ``dialog.``, ``effect.`` and ``music.``,
  each trained for all three sources and published for one: of them only one is kept here.

Here chunks fade into each other. The authors hear speech in one piece, which was learnt from pieces of 3 s; for DnR
they take the mean of three chunks of 12 s that are 4 s apart.

References
----------
Xu, Li, Chen, Hu: "TIGER: time-frequency interleaved gain extraction and reconstruction for efficient speech
separation", ICLR 2025, arXiv 2410.01469. Names and shapes of layers are those of the published checkpoints.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError
from lyricsep.separators.engine import Chunking, Network, choose_source
from lyricsep.separators.state import describing, filled, one_file, read_state, tensor_of
from lyricsep.weights import fetch

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

HOPS_PER_WINDOW = 4  # of both publications: 40 ms, 10 ms apart; 46 ms, 12 ms apart
KERNEL = 5  # places that a convolution over bands or frames sees
BAND_EPSILON = torch.finfo(torch.float32).eps  # under the root of the norm of a band's spectrum
GLOBAL_EPSILON = 1e-8  # under that of norms of all channels and places
CHANNEL_EPSILON = 1e-5  # under that of norms of the channels of one place


@dataclass(frozen=True)
class TigerOptions:
    """The sizes of a TIGER.

    Parameters
    ----------
    bands : tuple of int
        Bins of every band from 0 Hz on, together half an even window and one.
    n_features : int
        N, channels of a band; the heads divide it.
    n_hidden : int
        Channels where several scales are looked at.
    n_scales : int
        D, those scales, at least 3; each has half of the places of the one before.
    n_heads : int
        Heads of the attention.
    n_attention : int
        E, channels of a head's queries and keys.
    n_sources : int
        C; divides the features.
    n_repeats : int
        B, how often the block is gone through.
    """

    bands: tuple[int, ...]
    n_features: int
    n_hidden: int
    n_scales: int
    n_heads: int
    n_attention: int
    n_sources: int
    n_repeats: int

    def __post_init__(self) -> None:
        """Check the sizes."""
        sizes = (self.n_hidden, self.n_heads, self.n_attention, self.n_sources, self.n_repeats, self.n_features)
        if min(*sizes, *self.bands, len(self.bands)) < 1 or self.n_scales < 3 or self.n_fft % (2 * HOPS_PER_WINDOW):
            raise ValueError(f"sizes are positive, scales 3 or more, bins a multiple of 4 and one, got {self}")
        if self.n_features % self.n_heads or self.n_features % self.n_sources:
            raise ValueError(
                f"{self.n_features} features cannot be split into {self.n_heads} heads and {self.n_sources} sources"
            )

    @property
    def n_fft(self) -> int:
        """Samples per window."""
        return 2 * (sum(self.bands) - 1)


class Tiger(nn.Module):
    """Sources from a mixture, as waveforms that add up to it.

    Scaling the mixture scales the sources, but for what the norms do near silence.
    """

    def __init__(self, options: TigerOptions) -> None:
        super().__init__()
        o = self.options = options
        self.bands = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(1, 2 * n_bins, BAND_EPSILON), nn.Conv1d(2 * n_bins, o.n_features, 1))
            for n_bins in o.bands
        )
        self.frequency = _Path(o)
        self.frames = _Path(o)
        self.merge = nn.Sequential(nn.Conv2d(o.n_features, o.n_features, 1, groups=o.n_features), nn.PReLU())
        self.masks = nn.ModuleList(
            nn.Sequential(nn.PReLU(), nn.Conv1d(o.n_features, 4 * o.n_sources * n_bins, 1, groups=o.n_sources))
            for n_bins in o.bands
        )
        self.register_buffer("window", torch.hann_window(o.n_fft), persistent=False)

    def forward(self, mixture: Tensor) -> Tensor:
        """Separate; ``(batch, n_samples)`` to ``(batch, n_sources, n_samples)``; more than half a window."""
        window = cast(Tensor, self.window)
        sizes = (self.options.n_fft, self.options.n_fft // HOPS_PER_WINDOW)
        spectrum = torch.stft(mixture, *sizes, window=window, pad_mode="reflect", return_complex=True)
        masked = self.mask(spectrum) * spectrum[:, None]
        sources: Tensor = torch.istft(masked.flatten(0, 1), *sizes, window=window, length=mixture.shape[-1])
        return sources.reshape(*masked.shape[:2], -1)

    def mask(self, spectrum: Tensor) -> Tensor:
        """Estimate complex masks that add up to 1.

        The spectrum of the mixture, ``(batch, n_bins, n_frames)``, to ``(batch, n_sources, n_bins, n_frames)``.
        """
        pieces = torch.split(spectrum, list(self.options.bands), dim=1)
        features = [
            band(torch.cat([piece.real, piece.imag], dim=1)) for band, piece in zip(self.bands, pieces, strict=True)
        ]
        x = first = torch.stack(features, dim=2)
        for i in range(self.options.n_repeats):
            x = self.frequency((self.merge(first + x) if i else x).mT).mT
            x = self.frames(x)
        masks = torch.cat([self._of_band(mask(x[:, :, i])) for i, mask in enumerate(self.masks)], dim=2)
        return masks + (1 - masks.sum(dim=1, keepdim=True)) / self.options.n_sources

    def _of_band(self, x: Tensor) -> Tensor:
        """Return the complex mask of a band, ``(batch, n_sources, n_bins, n_frames)``, from 4 times as many reals."""
        value, gate = x.reshape(len(x), 2, 2, self.options.n_sources, -1, x.shape[-1]).unbind(1)
        real, imaginary = (value * torch.sigmoid(gate)).unbind(1)
        return torch.complex(real, imaginary)


class _Path(nn.Module):
    """Half a block: over the last axis, on several scales, then by attention; ``(batch, n_features, rows, places)``.

    The scales see each row alone, the attention whole columns.
    """

    def __init__(self, options: TigerOptions) -> None:
        super().__init__()
        self.scales = _Scales(options)
        self.attention = _Attention(options)
        self.last = _ChannelNorm(options.n_features)

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.scales(x.transpose(1, 2).flatten(0, 1))
        hidden = rows.reshape(len(x), -1, *rows.shape[1:]).transpose(1, 2)
        out: Tensor = x + self.last(self.attention(hidden))
        return out


class _Scales(nn.Module):
    """Multi-scale selective attention (MSA): what all scales say together decides what is kept of each."""

    def __init__(self, options: TigerOptions) -> None:
        super().__init__()
        n_features, n_hidden, n_scales = options.n_features, options.n_hidden, options.n_scales
        self.expand = _normed(nn.Conv1d(n_features, n_hidden, 1), act=nn.PReLU())
        self.steps = nn.ModuleList(
            _normed(nn.Conv1d(n_hidden, n_hidden, KERNEL, 2 if i else 1, KERNEL // 2, groups=n_hidden))
            for i in range(n_scales)
        )
        self.mix = nn.Sequential(
            OrderedDict(
                fc1=_normed(nn.Conv1d(n_hidden, n_hidden, 1, bias=False)),
                dwconv=nn.Conv1d(n_hidden, n_hidden, KERNEL, padding=KERNEL // 2, groups=n_hidden),
                act=nn.ReLU(),
                fc2=_normed(nn.Conv1d(n_hidden, n_hidden, 1, bias=False)),
            )
        )
        self.fusions = nn.ModuleList(_Selection(n_hidden, 1) for _ in range(n_scales - 1))
        self.ups = nn.ModuleList(_Selection(n_hidden, KERNEL) for _ in range(n_scales - 1))
        self.contract = nn.Conv1d(n_hidden, n_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        scales: list[Tensor] = [self.expand(x)]
        for step in self.steps:
            scales.append(step(scales[-1]))
        del scales[0]
        coarsest = scales[-1].shape[-1]
        everything = self.mix(torch.stack([F.adaptive_avg_pool1d(scale, coarsest) for scale in scales]).sum(dim=0))
        fused = [fusion(scale, everything) for fusion, scale in zip(self.fusions, scales, strict=False)]
        # As published: the way back begins with the scale above, and the coarsest one is only heard in the mix.
        out = fused[-2]
        for up, scale in zip(reversed(self.ups), reversed(fused), strict=True):
            out = up(scale, out)
        return x + cast(Tensor, self.contract(out))


class _Selection(nn.Module):
    """Opens and closes what is here by what is elsewhere, and adds that."""

    def __init__(self, n_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.local, self.gate, self.added = (
            _normed(
                nn.Conv1d(
                    n_channels, n_channels, kernel_size, padding=kernel_size // 2, groups=n_channels, bias=False
                )
            )
            for _ in range(3)
        )

    def forward(self, here: Tensor, elsewhere: Tensor) -> Tensor:
        n_places = here.shape[-1]
        gate = F.interpolate(torch.sigmoid(self.gate(elsewhere)), n_places)
        return cast(Tensor, self.local(here)) * gate + F.interpolate(self.added(elsewhere), n_places)


class _Attention(nn.Module):
    """Full-frequency-frame attention (F3A): between places, each of them with all of its rows."""

    def __init__(self, options: TigerOptions) -> None:
        super().__init__()
        n_features, n_heads = options.n_features, options.n_heads
        self.queries, self.keys, self.values = (
            nn.ModuleList(_projection(n_features, n_outputs) for _ in range(n_heads))
            for n_outputs in (options.n_attention, options.n_attention, n_features // n_heads)
        )
        self.output = _projection(n_features, n_features)

    def forward(self, x: Tensor) -> Tensor:
        heads = []
        for query, key, value in zip(self.queries, self.keys, self.values, strict=True):
            asked, offered, given = (
                projection(x).permute(0, 3, 1, 2).flatten(2) for projection in (query, key, value)
            )
            found = F.scaled_dot_product_attention(asked, offered, given)
            heads.append(found.reshape(len(x), x.shape[3], -1, x.shape[2]).permute(0, 2, 3, 1))
        return x + cast(Tensor, self.output(torch.cat(heads, dim=1)))


class _ChannelNorm(nn.Module):
    """Every place of ``(batch, n_channels, rows, places)`` over its channels."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, n_channels, 1, 1))
        self.offset = nn.Parameter(torch.zeros(1, n_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        # Several times faster than torch.var_mean along this axis.
        centred = x - x.mean(dim=1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + CHANNEL_EPSILON)
        return centred * scale * self.gain + self.offset


def _normed(conv: nn.Conv1d, **more: nn.Module) -> nn.Sequential:
    """Put a norm of all channels and places behind a convolution."""
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.GroupNorm(1, conv.out_channels, GLOBAL_EPSILON), **more))


def _projection(n_inputs: int, n_outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(n_inputs, n_outputs, 1)
    return nn.Sequential(OrderedDict(conv=conv, act=nn.PReLU(), norm=_ChannelNorm(n_outputs)))


class TigerNetwork(Network):
    """TIGER as the engine runs it, every channel for itself.

    Parameters
    ----------
    model : Tiger
        The network.
    sample_rate : int
        Samples per second it was trained at.
    segment : float
        Seconds per chunk, a window at least. Norms and attention are over a whole chunk.
    overlap : float
        Share of a chunk that the next one sees too, 0 to below 1.
    source : int or None
        Which of its sources the vocals are, from 0; see `choose_source`.
    """

    n_channels = 1

    def __init__(self, model: Tiger, *, sample_rate: int, segment: float, overlap: float, source: int | None) -> None:
        super().__init__()
        options = model.options
        length = int(segment * sample_rate)
        is_there = source is None or 0 <= source < options.n_sources
        if not is_there or length < options.n_fft or not 0 <= overlap < 1:
            raise ValueError(
                f"TIGER needs a source of 0 to {options.n_sources - 1}, chunks of {options.n_fft} samples or more "
                f"and an overlap of 0 to below 1, got {source=}, {length} samples, {overlap=}"
            )
        self.model = model
        self.sample_rate = sample_rate
        self.shortest = options.n_fft
        self.chunking = Chunking.triangular(length, overlap)
        self.source = source

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, 1, n_samples)`` to vocals of the same shape."""
        return choose_source(self.model(chunks[:, 0]), self.source)[:, None]


def load_tiger(spec: SeparatorSpec, *, offline: bool) -> TigerNetwork:
    """Build a TIGER from its one checkpoint.

    The settings of the catalogue say what checkpoints do not: ``sample_rate``; ``repeats``, how often the block is
    gone through; ``segment``, seconds per chunk, and ``overlap``; ``source``, left out where the order of the sources
    means nothing; and ``part``, the prefix of the one network to take, where there are several.
    """
    settings = spec.settings
    file = one_file(spec, "TIGER", "sample_rate", "repeats", "segment", "overlap")
    path = fetch(file, offline=offline)
    with describing(f"{file.name}: not a TIGER checkpoint"):
        # Of several networks, the one called `part`.
        prefix = f"{settings['part']}." if settings.get("part") else ""
        state = {key.removeprefix(prefix): value for key, value in read_state(path).items() if key.startswith(prefix)}
        model = _build(state, settings["repeats"])
    try:
        return TigerNetwork(
            model,
            sample_rate=settings["sample_rate"],
            segment=settings["segment"],
            overlap=settings["overlap"],
            source=settings.get("source"),
        )
    except ValueError as error:
        raise ConfigError(f"{spec.name}: {error}; correct the catalogue entry") from error


def _build(state: Mapping[str, Any], n_repeats: int) -> Tiger:
    """Build the network that a state is of, with the sizes that the state shows."""
    options = _options(state, n_repeats)
    # The coarsest scale has a selection that nothing in the authors' network looks at.
    unused = rf"separator\.(freq|frame)_path\.0\.loc_glo_fus\.{options.n_scales - 1}\..*"
    return filled(Tiger(options), state, _published, unused=unused)


def _options(state: Mapping[str, Any], n_repeats: int) -> TigerOptions:
    path = "separator.freq_path"
    # One at least, so that what is missing has a name.
    n_bands = max(1, _count(state, r"BN\.\d+\.0\.weight"))
    bands = tuple(_size(state, f"BN.{i}.0.weight") // 2 for i in range(n_bands))
    return TigerOptions(
        bands=bands,
        n_features=_size(state, "BN.0.1.weight"),
        n_hidden=_size(state, f"{path}.0.proj_1x1.conv.weight"),
        n_scales=_count(state, re.escape(path) + r"\.0\.spp_dw\.\d+\.conv\.weight"),
        n_heads=_count(state, re.escape(path) + r"\.1\.Queries\.\d+\.conv\.weight"),
        n_attention=_size(state, f"{path}.1.Queries.0.conv.weight"),
        n_sources=_size(state, "mask.0.1.weight") // max(1, 4 * bands[0]),
        n_repeats=n_repeats,
    )


def _count(state: Mapping[str, Any], pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, key)) for key in state)


def _size(state: Mapping[str, Any], key: str) -> int:
    shape = tensor_of(state, key).shape
    if not shape:
        raise ValueError(f"{key} is a single number")
    return shape[0]


_PUBLISHED = {
    "bands": "BN",
    "frequency": "separator.freq_path",
    "frames": "separator.frame_path",
    "merge": "separator.concat_block",
    "masks": "mask",
    "scales": "0",
    "attention": "1",
    "last": "2",
    "expand": "proj_1x1",
    "steps": "spp_dw",
    "mix": "globalatt",
    "fusions": "loc_glo_fus",
    "ups": "last_layer",
    "contract": "res_conv",
    "local": "local_embedding",
    "gate": "global_act",
    "added": "global_embedding",
    "queries": "Queries",
    "keys": "Keys",
    "values": "Values",
    "output": "attn_concat_proj",
    "gain": "gamma",
    "offset": "beta",
}


def _published(ours: str) -> str:
    """Return the published name of one of our tensors."""
    return ".".join(_PUBLISHED.get(part, part) for part in ours.split("."))
