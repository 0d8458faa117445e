"""ResUNet30: a network that extracts from a mixture what a vector, the condition, describes.

A U-Net of residual blocks over the magnitudes of a mono spectrogram at 32 kHz estimates a complex mask. Each block
adds a bias per channel to what its norms give, and a linear layer makes those biases from the condition (FiLM
without its gains). What a condition is differs between the two publications, told apart by what else is in their
checkpoints:

* ``uss``: 527 probabilities of the AudioSet classes, as an audio tagger (Cnn14 of the PANNs, in the same checkpoint)
  hears them. For a query of classes, ``27`` or ``27,28,255``, the tagger hears every chunk of the mixture, the
  probabilities of all other classes are set to 0, and a chunk in which no class of the query reaches
  `THRESHOLD` is silent. A query may also be an example: an audio file, whose probabilities are averaged.
* ``audiosep``: 512 numbers, the embedding of a text by CLAP, of which the checkpoint holds the half that is needed.

For both, a query may be the path of a condition that was made before: a file ``.npy`` or ``.safetensors``.

Here chunks fade into each other; the authors of ``uss`` put theirs end to end, those of ``audiosep`` hear a song in
one piece, or drop a second at both ends of chunks of five.

References
----------
Kong, Chen, Liu, Du, Berg-Kirkpatrick, Dubnov, Plumbley: "Universal source separation with weakly labelled data",
arXiv 2305.07447, 2023. Liu, Kong, Zhao, Liu, Yuan, Liu, Xia, Wang, Plumbley, Wang: "Separate anything you describe",
arXiv 2308.05037, 2023. Kong, Cao, Iqbal, Wang, Wang, Plumbley: "PANNs: large-scale pretrained audio neural networks
for audio pattern recognition", TASLP 28, 2020. Names and shapes of layers are those of the published checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.audio import downmix, load_audio, resample
from lyricsep.errors import ConfigError, WeightsError, reason_of
from lyricsep.files import shown
from lyricsep.separators.clap_text import ClapText, ClapTokenizer
from lyricsep.separators.embeddings import text_embedding
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing, filled, read_state, shape_of
from lyricsep.weights import fetch, load_safetensors

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

SAMPLE_RATE = 32_000
HOP_LENGTH = 320  # samples between frames of both networks: 10 ms
TAGGER_FFT = 1024  # samples per frame of the tagger
THRESHOLD = 0.2  # a class less probable than this is not there, in the authors' separation by classes
AUDIBLE = 0.02  # windows of an example whose peak is not above this are left out, as the authors do
AUDIBLE_WINDOW = 0.1  # seconds
LEAK = 0.01  # of every leaky rectifier
MIN_MAGNITUDE = 1e-5  # of what the U-Net sees
MIN_PHASE = 1e-10  # length below which a mask has no phase
MIN_POWER = 1e-10  # of what the tagger hears
WIDTHS = (32, 64, 128, 256, 384, 384)  # channels of the encoder's blocks
TAGGER_WIDTHS = (64, 128, 256, 512, 1024, 2048)

# Where the spectrogram is halved after each block of the encoder: (time, frequency).
_HALVINGS = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (1, 2))
_FRAMES = 2**5  # a whole number of these goes through
_BINS = 2**6


class ResUNet30(nn.Module):
    """Extracts what a condition describes from a mixture of waveforms.

    Scaling the mixture does not quite scale the result: the network knows the level that it was trained at.

    Parameters
    ----------
    condition_size : int
        Numbers per condition; published: 527 and 512.
    widths : sequence of int
        Channels of the encoder's six blocks.
    n_fft : int
        Samples per frame, a multiple of 128, at least 640.
    n_channels : int
        Audio channels, seen together; published: 1.
    """

    def __init__(
        self, condition_size: int, widths: Sequence[int] = WIDTHS, n_fft: int = 2048, n_channels: int = 1
    ) -> None:
        super().__init__()
        if (
            len(widths) != len(_HALVINGS)
            or min(condition_size, *widths, n_fft, n_channels) < 1
            or n_fft % (2 * _BINS)
            or n_fft < 2 * HOP_LENGTH
        ):
            raise ValueError(
                f"ResUNet30 needs {len(_HALVINGS)} widths, positive sizes, and an n_fft of {2 * HOP_LENGTH} or more "
                f"that {2 * _BINS} divides, got {condition_size=}, {widths=}, {n_fft=}, {n_channels=}"
            )
        self.n_fft = n_fft
        self.n_channels = n_channels
        self.condition_size = condition_size
        self.norm = nn.BatchNorm2d(n_fft // 2 + 1)
        self.input = nn.Conv2d(n_channels, widths[0], 1)
        # The seventh is the bottom of the U.
        inputs = (widths[0], *widths)
        outputs = (*widths, widths[-1])
        self.encoders = nn.ModuleList(
            _ResidualBlock(i, o, condition_size) for i, o in zip(inputs, outputs, strict=True)
        )
        self.decoders = nn.ModuleList(
            _Decoder(i, o, condition_size, halving)
            for i, o, halving in zip(outputs[:0:-1], widths[::-1], _HALVINGS[::-1], strict=True)
        )
        self.output = nn.Conv2d(widths[0], 3 * n_channels, 1)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, mixture: Tensor, condition: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to the same, given ``(batch, condition_size)``.

        More than half of `n_fft` samples.
        """
        window = cast(Tensor, self.window)
        n_samples = mixture.shape[-1]
        spectrum = torch.stft(
            mixture.flatten(0, 1), self.n_fft, HOP_LENGTH, window=window, pad_mode="reflect", return_complex=True
        )
        spectrum = spectrum.mT.reshape(*mixture.shape[:2], -1, self.n_fft // 2 + 1)
        separated = spectrum * self.mask(spectrum.abs(), condition)
        samples: Tensor = torch.istft(
            separated.flatten(0, 1).mT, self.n_fft, HOP_LENGTH, window=window, length=n_samples
        )
        return samples.reshape(mixture.shape)

    def mask(self, magnitude: Tensor, condition: Tensor) -> Tensor:
        """Estimate the complex mask, of magnitudes up to 1 and 0 in the highest bin.

        The shapes are (batch, n_channels, n_frames, n_bins) of the mixture's magnitude and the mask, and
        (batch, condition_size).
        """
        n_frames = magnitude.shape[2]
        x = self.norm(magnitude.clamp(min=MIN_MAGNITUDE).transpose(1, 3)).transpose(1, 3)
        x = self.input(F.pad(x, (0, -1, 0, -n_frames % _FRAMES)))
        skips = []
        for block, halving in zip(self.encoders[:-1], _HALVINGS, strict=True):
            skips.append(block(x, condition))
            x = F.avg_pool2d(skips[-1], halving)
        x = self.encoders[-1](x, condition)
        for decoder, skip in zip(self.decoders, reversed(skips), strict=True):
            x = decoder(x, skip, condition)
        x = self.output(x)[:, :, :n_frames].reshape(len(x), self.n_channels, 3, n_frames, -1)
        phase = torch.complex(torch.tanh(x[:, :, 1]), torch.tanh(x[:, :, 2]))
        phase = phase / phase.abs().clamp(min=MIN_PHASE)
        return F.pad(torch.sigmoid(x[:, :, 0]) * phase, (0, 1))


class _Activation(nn.Module):
    """Norm, a bias per channel that the condition asks for, rectifier."""

    def __init__(self, n_channels: int, condition_size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_channels)
        self.bias = nn.Linear(condition_size, n_channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(x) + self.bias(condition)[:, :, None, None], LEAK)


class _ResidualBlock(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, n_inputs: int, n_outputs: int, condition_size: int) -> None:
        super().__init__()
        self.activation1 = _Activation(n_inputs, condition_size)
        self.conv1 = nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False)
        self.activation2 = _Activation(n_outputs, condition_size)
        self.conv2 = nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden = self.conv1(self.activation1(x, condition))
        out: Tensor = self.shortcut(x) + self.conv2(self.activation2(hidden, condition))
        return out


class _Decoder(nn.Module):
    """Undoes a halving, and a block over that and what the encoder had there."""

    def __init__(self, n_inputs: int, n_outputs: int, condition_size: int, halving: tuple[int, int]) -> None:
        super().__init__()
        self.activation1 = _Activation(n_inputs, condition_size)
        self.up = nn.ConvTranspose2d(n_inputs, n_outputs, halving, halving, bias=False)
        self.block = _ResidualBlock(2 * n_outputs, n_outputs, condition_size)

    def forward(self, x: Tensor, skip: Tensor, condition: Tensor) -> Tensor:
        larger = self.up(self.activation1(x, condition))
        out: Tensor = self.block(torch.cat([larger, skip], dim=1), condition)
        return out


class Cnn14(nn.Module):
    """The tagger of the PANNs: how probable each AudioSet class is in a piece of mono audio.

    Parameters
    ----------
    n_classes : int
        Classes; published: 527.
    widths : sequence of int
        Channels of the blocks.
    n_mels : int
        Mel bands, at least ``2 ** (len(widths) - 1)``; published: 64. The filters come with the weights.
    n_hidden : int
        Width of the layer below the classes; published: 2048.
    """

    def __init__(
        self, n_classes: int = 527, widths: Sequence[int] = TAGGER_WIDTHS, n_mels: int = 64, n_hidden: int = 2048
    ) -> None:
        super().__init__()
        if not widths or min(n_classes, *widths, n_hidden) < 1 or n_mels < 2 ** (len(widths) - 1):
            raise ValueError(
                "Cnn14 needs positive sizes and at least one mel band per halving, "
                f"got {n_classes=}, {widths=}, {n_mels=}, {n_hidden=}"
            )
        self.n_classes = n_classes
        self.filters = nn.Parameter(torch.zeros(TAGGER_FFT // 2 + 1, n_mels), requires_grad=False)
        self.norm = nn.BatchNorm2d(n_mels)
        self.blocks = nn.ModuleList(_TaggerBlock(i, o) for i, o in zip((1, *widths), widths, strict=False))
        self.hidden = nn.Linear(widths[-1], n_hidden)
        self.classes = nn.Linear(n_hidden, n_classes)
        self.register_buffer("window", torch.hann_window(TAGGER_FFT), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Estimate probabilities; ``(batch, n_samples)`` at 32 kHz to ``(batch, n_classes)``.

        At least 0.31 s, for six blocks.
        """
        window = cast(Tensor, self.window)
        spectrum = torch.stft(samples, TAGGER_FFT, HOP_LENGTH, window=window, pad_mode="reflect", return_complex=True)
        mel = spectrum.abs().square().mT @ self.filters
        decibels = 10 * torch.log10(mel.clamp(min=MIN_POWER))[:, None]
        x = self.norm(decibels.transpose(1, 3)).transpose(1, 3)
        for i, block in enumerate(self.blocks):
            x = block(F.avg_pool2d(x, 2) if i else x)
        x = x.mean(dim=3)
        x = x.amax(dim=2) + x.mean(dim=2)
        return torch.sigmoid(self.classes(F.relu(self.hidden(x))))


class _TaggerBlock(nn.Module):
    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_outputs)
        self.conv2 = nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class Fixed(nn.Module):
    """The same condition, of shape (condition_size,), for every chunk."""

    def __init__(self, condition: Tensor) -> None:
        super().__init__()
        self.register_buffer("condition", condition.float())

    def forward(self, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the condition of each chunk, ``(batch, condition_size)``, and that it is present, ``(batch,)``."""
        condition = cast(Tensor, self.condition)
        return condition.expand(len(chunks), -1), torch.ones(len(chunks), dtype=torch.bool, device=chunks.device)


class Classes(nn.Module):
    """The probabilities of some classes in each chunk, by the tagger, which must know them (`ValueError`)."""

    def __init__(self, tagger: Cnn14, indices: Sequence[int]) -> None:
        super().__init__()
        if not indices or not all(0 <= index < tagger.n_classes for index in indices):
            raise ValueError(f"classes are 0 to {tagger.n_classes - 1}, got {list(indices)}")
        self.tagger = tagger
        wanted = torch.zeros(tagger.n_classes)
        wanted[list(indices)] = 1
        self.register_buffer("wanted", wanted)

    def forward(self, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the condition of each chunk, ``(batch, n_classes)``, and whether a class is in it, ``(batch,)``."""
        condition = self.tagger(chunks.mean(dim=1)) * cast(Tensor, self.wanted)
        return condition, condition.amax(dim=1) >= THRESHOLD


class ResUNetNetwork(Network):
    """ResUNet30 as the engine runs it, with what to look for.

    Parameters
    ----------
    segment : float
        Seconds per chunk; published: what the training saw, 2 (uss) and 5 (audiosep).
    overlap : float
        Share of a chunk seen by the next one too, 0 to below 1.
    """

    def __init__(self, model: ResUNet30, query: Fixed | Classes, *, segment: float, overlap: float) -> None:
        super().__init__()
        length = int(segment * SAMPLE_RATE)
        shortest = max(model.n_fft, (_FRAMES - 1) * HOP_LENGTH)
        if length < shortest or not 0 <= overlap < 1:
            raise ValueError(
                f"ResUNet30 needs chunks of {shortest} samples or more that overlap by less than all of themselves, "
                f"got {length} samples, {overlap=}"
            )
        self.model = model
        self.query = query
        self.sample_rate = SAMPLE_RATE
        self.n_channels = model.n_channels
        self.chunking = Chunking.triangular(length, overlap)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to vocals of the same shape."""
        condition, is_there = self.query(chunks)
        vocals = torch.zeros_like(chunks)
        if bool(is_there.any()):
            vocals[is_there] = self.model(chunks[is_there], condition[is_there])
        return vocals


def load_resunet(spec: SeparatorSpec, *, offline: bool, query: str | None = None) -> ResUNetNetwork:
    """Build ResUNet30 from a checkpoint of uss or audiosep.

    Parameters
    ----------
    spec : SeparatorSpec
        The checkpoint and, where texts can be asked for, the ``vocab.json`` and ``merges.txt`` of RoBERTa; the
        settings `segment` and `overlap`, and `query_default` where there is one.
    offline : bool
        Never open a connection.
    query : str, optional
        AudioSet classes (``27,28``) or an audio file where the checkpoint has a tagger, a text where it has not; or
        the path of a condition, ``.npy`` or ``.safetensors``. By default that of the settings.

    Raises
    ------
    AudioError
        If the query is an audio file that cannot be read.
    """
    if len(spec.files) not in (1, 3) or not {"segment", "overlap"} <= set(spec.settings):
        raise ConfigError(
            f"{spec.name}: ResUNet30 needs one file or three, and the settings segment and overlap, "
            f"got {len(spec.files)} and {', '.join(sorted(spec.settings)) or 'none'}; correct the catalogue entry"
        )
    file = spec.files[0]
    path = fetch(file, offline=offline)
    with describing(f"{file.name}: not a ResUNet30 checkpoint"):
        state = read_state(path, wrappers=["state_dict"])
        model, tagger = _build_model(state), _build_tagger(state)
        if tagger is not None and tagger.n_classes != model.condition_size:
            raise ValueError(f"a tagger of {tagger.n_classes} classes, conditions of {model.condition_size}")
    if query is None:
        query = str(spec.settings.get("query_default", ""))
    if query.endswith((".npy", ".safetensors")):
        asked: Fixed | Classes = Fixed(_read_condition(spec.name, Path(query), model.condition_size))
    elif tagger is not None:
        asked = _ask_tagger(spec, query, tagger)
    else:
        asked = Fixed(_embed(spec, query, state, model.condition_size, offline=offline))
    try:
        return ResUNetNetwork(model, asked, segment=spec.settings["segment"], overlap=spec.settings["overlap"])
    except ValueError as error:
        raise ConfigError(f"{spec.name}: {error}; correct the catalogue entry") from error


def _ask_tagger(spec: SeparatorSpec, query: str, tagger: Cnn14) -> Fixed | Classes:
    """Read a query of classes, or listen to an example."""
    if re.fullmatch(r"\s*[0-9]+(\s*,\s*[0-9]+)*\s*", query):
        try:
            return Classes(tagger, [int(index) for index in query.split(",")])
        except ValueError as error:
            raise ConfigError(f"{spec.name}: {error}", hint="correct {query}") from error
    if Path(query).is_file():
        return Fixed(_hear_example(spec, Path(query), tagger))
    raise ConfigError(
        f"{spec.name}: expected AudioSet classes such as 27,28, an audio file with an example of the sound, or a "
        f"condition (.npy, .safetensors), got {shown(Path(query))!r}",
        hint="correct {query}",
    )


def _embed(spec: SeparatorSpec, text: str, state: Mapping[str, Any], size: int, *, offline: bool) -> Tensor:
    """Return the embedding of a text."""
    if not text.strip() or len(spec.files) != 3:
        raise ConfigError(
            f"{spec.name}: expected a text, which needs two tokenizer files in the catalogue entry, or the CLAP "
            f"embedding of a text ({size} numbers, .npy or .safetensors), got {shown(Path(text))[:60]!r}",
            hint="correct {query}",
        )

    def compute() -> Tensor:
        vocabulary, merges = (fetch(file, offline=offline) for file in spec.files[1:])
        prefix = "query_encoder.model."
        clap = ClapText.of({key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)})
        tokens = ClapTokenizer.read(vocabulary, merges).tokens(text)
        with torch.no_grad():
            return cast(Tensor, clap(torch.tensor([tokens]))[0])

    try:
        return text_embedding(text, spec.files, spec.family, size, compute)
    except (ValueError, RuntimeError, IndexError, MemoryError) as error:
        raise WeightsError(
            f"{spec.name}: cannot embed a text ({reason_of(error)})",
            hint="pull the model again, or set {query} to the file of an embedding (.npy)",
        ) from error


def _read_condition(name: str, path: Path, size: int) -> Tensor:
    """Read a condition that was made before: one vector, or a batch of one."""
    try:
        if path.suffix == ".npy":
            found = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32, casting="same_kind"))
        else:
            tensors, _ = load_safetensors(path)
            if len(tensors) != 1:
                raise ValueError(f"{len(tensors)} tensors")
            (found,) = tensors.values()
    except (OSError, ValueError, TypeError, EOFError, WeightsError) as error:
        raise ConfigError(
            f"{name}: {shown(path)} cannot be read as a condition ({reason_of(error)})", hint="correct {query}"
        ) from error
    if found.shape not in ((size,), (1, size)) or not found.is_floating_point() or not bool(found.isfinite().all()):
        raise ConfigError(
            f"{name}: {shown(path)} holds {found.dtype} of the shape {tuple(found.shape)}, expected {size} finite "
            "floats",
            hint="correct {query}",
        )
    return found.reshape(size).float()


def _hear_example(spec: SeparatorSpec, path: Path, tagger: Cnn14) -> Tensor:
    """Average the tagger's output over the audible parts of a file, in segments as long as chunks."""
    audio = load_audio(path)
    samples = resample(downmix(audio.samples), audio.sample_rate, SAMPLE_RATE)[0]
    windows = torch.split(samples, int(AUDIBLE_WINDOW * SAMPLE_RATE))
    audible = [window for window in windows if window.abs().max() > AUDIBLE]
    if not audible:
        raise ConfigError(f"{spec.name}: {shown(path)} is silent", hint="set {query} to an audible example")
    length = int(spec.settings["segment"] * SAMPLE_RATE)
    heard = []
    with torch.inference_mode():
        for piece in torch.split(torch.cat(audible), length):
            whole = piece.repeat(-(-length // len(piece)))[:length]
            heard.append(tagger(whole[None])[0])
    return torch.stack(heard).mean(dim=0)


def _build_model(state: Mapping[str, Any]) -> ResUNet30:
    prefix = "ss_model."
    widths = [shape_of(state, f"{prefix}base.encoder_block{i}.conv_block1.conv2.weight", 4)[0] for i in range(1, 7)]
    model = ResUNet30(
        shape_of(state, f"{prefix}film.encoder_block1->conv_block1->beta1.weight", 2)[1],
        widths,
        2 * (shape_of(state, f"{prefix}base.bn0.weight", 1)[0] - 1),
        shape_of(state, f"{prefix}base.pre_conv.weight", 4)[1],
    )
    # Fourier matrices, and layers of the decoder that nothing in the authors' network looks at.
    unused = r"base\.i?stft\..*|base\.decoder_block\d\.bn2\..*|film\.decoder_block\d->beta2\..*"
    return filled(model, state, _model_key, prefix=prefix, unused=unused)


def _build_tagger(state: Mapping[str, Any]) -> Cnn14 | None:
    """Build the tagger, where the checkpoint has one."""
    prefix = "query_net.base."
    if not any(key.startswith(prefix) for key in state):
        return None
    blocks = sorted(key for key in state if re.fullmatch(rf"{re.escape(prefix)}conv_block\d\.conv2\.weight", key))
    tagger = Cnn14(
        shape_of(state, f"{prefix}fc_audioset.weight", 2)[0],
        [shape_of(state, key, 4)[0] for key in blocks],
        shape_of(state, f"{prefix}logmel_extractor.melW", 2)[1],
        shape_of(state, f"{prefix}fc1.weight", 2)[0],
    )
    return filled(tagger, state, _tagger_key, prefix=prefix, unused=r"spectrogram_extractor\..*")


def _model_key(ours: str) -> str:
    """Return the published name of one of our tensors of ResUNet30."""
    match ours.split("."):
        case ["encoders", number, *rest]:
            place = ["conv_block7a" if number == "6" else f"encoder_block{int(number) + 1}", "conv_block1"]
        case ["decoders", number, *rest]:
            place = [f"decoder_block{int(number) + 1}"]
        case rest:
            place = []
    names = {"norm": "bn0", "input": "pre_conv", "output": "after_conv", "up": "conv1", "block": "conv_block2"}
    match rest:
        case [*inner, "activation1" | "activation2" as activation, part, leaf]:
            place += [names[name] for name in inner] + [("bn" if part == "norm" else "beta") + activation[-1]]
        case [*inner, leaf]:
            place += [names.get(name, name) for name in inner]
    return ".".join(["film", "->".join(place), leaf] if place[-1].startswith("beta") else ["base", *place, leaf])


def _tagger_key(ours: str) -> str:
    """Return the published name of one of our tensors of Cnn14."""
    names = {"filters": "logmel_extractor.melW", "norm": "bn0", "hidden": "fc1", "classes": "fc_audioset"}
    match ours.split("."):
        case ["blocks", number, part, leaf]:
            return f"conv_block{int(number) + 1}.{part.replace('norm', 'bn')}.{leaf}"
        case [first, *rest]:
            return ".".join([names[first], *rest])
    raise AssertionError(ours)
