"""CLIPSep: extracts from a mixture what a text describes, trained on videos without text.

A U-Net over the logarithms of a magnitude spectrogram, its frequencies warped to be finer below, makes as many
pictures of a mixture as a query has channels. Weighted by those they give the mask, which as the authors publish it
is 1 above one half and 0 elsewhere, and goes onto the mixture with the mixture's phase.

The query was learnt from CLIP's embeddings of video frames, next to which lie those of texts about them. The network
knows the level that it was trained at: half of what sounds have in a video.

The checkpoint is on a share of an author, so its user brings it: plain CLIPSep, or CLIPSep-NIT, of which the heads
for noise are left out.

References
----------
Dong, Takahashi, Mitsufuji, McAuley, Berg-Kirkpatrick: "CLIPSep: learning text-queried sound separation with noisy
unlabeled videos", ICLR 2023, arXiv 2212.07065. Zhao et al.: "The sound of pixels", ECCV 2018, for the U-Net. Names
and shapes of layers are those of the published code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators.clip_text import ClipText, ClipTokenizer
from lyricsep.separators.embeddings import text_embedding
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing, filled, read_state, shape_of
from lyricsep.weights import fetch

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec
    from lyricsep.weights import WeightFile

SAMPLE_RATE = 16_000
N_FFT, HOP_LENGTH = 1024, 256  # samples
LENGTH = 65_535  # samples per chunk, which are 256 frames: the excerpts of the training
OVERLAP = 0.25  # of neighbouring chunks; the authors hear a file in one piece
N_WARPED = 256  # bins that the U-Net sees
WARP = 20.0  # how much finer the lowest are than the highest, less one
LEAK = 0.2  # of the rectifiers on the way down
MIN_MAGNITUDE = 1e-10
THRESHOLD = 0.5  # of the mask
WIDTHS = (64, 128, 256, 512, 512, 512, 512)  # channels on the way down


class ClipSep(nn.Module):
    """Estimates the mask of what an embedding describes.

    Parameters
    ----------
    query_size : int
        Numbers of an embedding.
    n_features : int
        Channels of a query.
    widths : sequence of int
        Channels of the U-Net on its way down, at least 2; published: 7 of them.
    """

    def __init__(self, query_size: int = 512, n_features: int = 32, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if min(query_size, n_features, *widths) < 1 or not 2 <= len(widths) <= math.log2(N_WARPED):
            raise ValueError(
                f"CLIPSep needs positive sizes and 2 to {math.log2(N_WARPED):.0f} widths, "
                f"got {query_size=}, {n_features=}, {widths=}"
            )
        self.norm = nn.BatchNorm2d(1)
        self.levels = nn.ModuleList(
            _Level(outer, width, n_features if i == 0 else outer, is_first=i == 0, is_last=i == len(widths) - 1)
            for i, (outer, width) in enumerate(zip((1, *widths), widths, strict=False))
        )
        self.query = nn.Linear(query_size, n_features)
        self.scale = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(1))
        n_bins = N_FFT // 2 + 1
        place = torch.linspace(0, 1, N_WARPED, dtype=torch.float64)
        self.register_buffer("warp", _between(((1 + WARP) ** place - 1) / WARP, n_bins), persistent=False)
        place = torch.linspace(0, 1, n_bins, dtype=torch.float64)
        unwarp = _between(torch.log1p(WARP * place) / math.log1p(WARP), N_WARPED)
        self.register_buffer("unwarp", unwarp, persistent=False)

    def forward(self, magnitude: Tensor, query: Tensor) -> Tensor:
        """Estimate how likely each bin is of what was asked for, 0 to 1.

        `magnitude`, of the mixture, and what is returned have the shape (batch, 513, n_frames), where `n_frames` is
        halved as often as there are levels. `query` is the embedding, shape (query_size,).
        """
        return cast(Tensor, self.unwarp) @ torch.sigmoid(self.odds(magnitude, query))

    def odds(self, magnitude: Tensor, query: Tensor) -> Tensor:
        """Return the log-odds in warped bins, the input of the cross entropy; (batch, 256, n_frames)."""
        warped = cast(Tensor, self.warp) @ (magnitude + MIN_MAGNITUDE)
        x = self.norm(torch.log(warped)[:, None])
        levels = [cast(_Level, level) for level in self.levels]
        skips = []
        for level in levels:
            skips.append(x)
            x = level.down(x if level.is_first else F.leaky_relu(x, LEAK))
            x = level.down_norm(x)
        for level, skip in zip(reversed(levels), reversed(skips), strict=True):
            larger = F.interpolate(F.relu(x), scale_factor=2, mode="bilinear", align_corners=True)
            x = level.up_norm(level.up(larger))
            x = x if level.is_first else torch.cat([skip, x], dim=1)
        channels = torch.sigmoid(self.query(query)) * self.scale
        return torch.einsum("c,bcft->bft", channels, x) + self.bias


class _Level(nn.Module):
    """One step down and the one up again; norms where the authors have them."""

    def __init__(self, n_inputs: int, width: int, n_outputs: int, *, is_first: bool, is_last: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.down = nn.Conv2d(n_inputs, width, 4, stride=2, padding=1, bias=False)
        self.down_norm = nn.Identity() if is_first or is_last else nn.BatchNorm2d(width)
        self.up = nn.Conv2d(width if is_last else 2 * width, n_outputs, 3, padding=1, bias=is_first)
        self.up_norm = nn.Identity() if is_first else nn.BatchNorm2d(n_outputs)


def _between(places: Tensor, n_values: int) -> Tensor:
    """Return the matrix that interpolates values, evenly spaced from 0 to 1, linearly at other positions."""
    index = (places * (n_values - 1)).clamp(0, n_values - 1)
    distance = (index[:, None] - torch.arange(n_values, dtype=index.dtype)).abs()
    return (1 - distance).clamp(min=0).float()


class ClipSepNetwork(Network):
    """CLIPSep as the engine runs it, every channel for itself, for the embedding of a query, shape (query_size,)."""

    sample_rate = SAMPLE_RATE
    n_channels = 1

    def __init__(self, model: ClipSep, query: Tensor) -> None:
        super().__init__()
        self.model = model
        self.chunking = Chunking.triangular(LENGTH, OVERLAP)
        self.register_buffer("query", query.float())
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, 1, LENGTH)`` to vocals of the same shape."""
        sizes = (N_FFT, HOP_LENGTH, N_FFT, cast(Tensor, self.window))
        spectrum = torch.stft(chunks[:, 0], *sizes, pad_mode="constant", return_complex=True)
        mask = self.model(spectrum.abs(), cast(Tensor, self.query)) > THRESHOLD
        return torch.istft(spectrum * mask, *sizes, length=chunks.shape[-1])[:, None]

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        """Separate; the last chunk of a song is what is left of it again and again, as the authors fill theirs."""
        length = chunks.shape[-1]
        whole = chunks[..., :n_samples].repeat(1, 1, -(-length // n_samples))[..., :length]
        vocals: Tensor = self(whole)
        return F.pad(vocals[..., :n_samples], (0, length - n_samples))


def load_clipsep(spec: SeparatorSpec, *, offline: bool, query: str | None = None) -> ClipSepNetwork:
    """Build CLIPSep from its checkpoint, for a text: `query`, or by default the setting `query_default`.

    The four files are the checkpoint, CLIP's, and the latter's ``vocab.json`` and ``merges.txt``.
    """
    if len(spec.files) != 4:
        raise ConfigError(
            f"{spec.name}: CLIPSep needs four files, its checkpoint, CLIP's, a vocabulary and merges, "
            f"got {len(spec.files)}; correct the catalogue entry"
        )
    text = str(spec.settings.get("query_default", "")) if query is None else query
    if not text.strip():
        raise ConfigError(
            f"{spec.name}: needs a text, got none", hint="set {query} to a text such as 'singing voice'"
        )
    try:
        path = fetch(spec.files[0], offline=offline)
    except WeightsError as error:
        raise WeightsError(
            f"{spec.name}: {error}; the file comes from the authors' share, and `lyricsep models show {spec.name}` "
            "explains where to put it"
        ) from error
    about: Any = {"advice": "get it again", "errors": (ValueError, RuntimeError, IndexError, MemoryError)}
    with describing(f"{spec.files[0].name}: not the file that {spec.name} needs", **about):
        model = _build(_read(path))
    with describing(f"{spec.files[1].name}: not the file that {spec.name} needs", **about):
        compute = partial(_embed, text, spec.files[1:], offline=offline)
        embedding = text_embedding(text, spec.files[1:], spec.family, model.query.in_features, compute)
    return ClipSepNetwork(model, embedding)


def _embed(text: str, files: Sequence[WeightFile], *, offline: bool) -> Tensor:
    """Return CLIP's embedding of a text."""
    clip, vocabulary, merges = (fetch(file, offline=offline) for file in files)
    tokens = ClipTokenizer.read(vocabulary, merges).tokens(text)
    with torch.no_grad():
        return cast(Tensor, ClipText.of(_read(clip))(torch.tensor([tokens]))[0])


def _read(path: Path) -> Mapping[str, Any]:
    """Read a state, without the prefix that training on several GPUs gives to names."""
    return {key.removeprefix("module."): value for key, value in read_state(path).items()}


def _build(state: Mapping[str, Any]) -> ClipSep:
    """Build the network that a state is of, with the sizes that the state shows."""
    widths = [shape_of(state, _published("levels.0.down.weight", 2), 4)[0]]
    while (key := _published(f"levels.{len(widths)}.down.weight", len(widths) + 2)) in state:
        widths.append(shape_of(state, key, 4)[0])
    n_features, query_size = shape_of(state, "frame_net.weight", 2)
    model = ClipSep(query_size, n_features, widths)
    # The heads for noise matter to the training alone.
    return filled(model, state, lambda name: _published(name, len(widths)), unused=r"pit_nets\..*")


_PUBLISHED = {"norm": "sound_net.bn0", "query": "frame_net", "scale": "synth_net.scale", "bias": "synth_net.bias"}


def _published(ours: str, n_levels: int) -> str:
    """Return the published name of one of our tensors; published levels are nested, their layers in sequence."""
    match ours.split("."):
        case ["levels", number, layer, leaf]:
            level = int(number)
            is_end = level in (0, n_levels - 1)
            places = {
                "down": 1 if level else 0,
                "down_norm": 2,
                "up": 4 if is_end else 6,
                "up_norm": 5 if is_end else 7,
            }
            inside = ".model.1" * min(level, 1) + ".model.3" * max(level - 1, 0)
            return f"sound_net.unet_block{inside}.model.{places[layer]}.{leaf}"
        case [first, *rest]:
            return ".".join([_PUBLISHED[first], *rest])
    raise AssertionError(ours)
