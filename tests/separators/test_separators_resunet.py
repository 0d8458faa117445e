"""ResUNet30: the published layouts, the network against the paper's arithmetic, and every kind of query."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.torch
import torch
from hostile import Hostile
from hypothesis import given
from hypothesis import strategies as st
from signals import Shapes, decibels, noise, norm_shapes, saved, separated
from torch import Tensor
from torch.nn import functional as F

from lyricsep.audio import Audio, save_audio
from lyricsep.errors import AudioError, ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.clap_text import ClapText, ClapTokenizer, TextSizes
from lyricsep.separators.resunet import Classes, Cnn14, Fixed, ResUNet30, ResUNetNetwork, load_resunet

RATE = 32_000
SETTINGS = {
    "uss": {"segment": 2, "overlap": 0.25, "query_default": "27,28"},
    "audiosep": {"segment": 5, "overlap": 0.4, "query_default": "singing voice"},
}
NARROW = (2, 3, 3, 4, 4, 5)
NARROW_TAGGER = (2, 3, 3, 4, 4, 5)
N_FFT = 1024  # of the narrow ones; published: 2048, with Fourier matrices of 50 MB


# The published layout, written out: every key and shape of the checkpoints.


def block_shapes(key: str, n_in: int, n_out: int) -> Shapes:
    shapes = norm_shapes(f"{key}.bn1", n_in) | norm_shapes(f"{key}.bn2", n_out)
    shapes |= {f"{key}.conv1.weight": (n_out, n_in, 3, 3), f"{key}.conv2.weight": (n_out, n_out, 3, 3)}
    if n_in != n_out:
        shapes |= {f"{key}.shortcut.weight": (n_out, n_in, 1, 1), f"{key}.shortcut.bias": (n_out,)}
    return shapes


def film_shapes(key: str, n: int, size: int) -> Shapes:
    return {f"{key}.weight": (n, size), f"{key}.bias": (n,)}


def model_shapes(size: int, widths, n_fft: int) -> Shapes:
    n_bins = n_fft // 2 + 1
    shapes: Shapes = {f"base.stft.conv_{part}.weight": (n_bins, 1, n_fft) for part in ("real", "imag")}
    shapes |= {"base.istft.ola_window": (n_fft,)}
    shapes |= {f"base.istft.conv_{part}.weight": (n_fft, n_fft, 1) for part in ("real", "imag")}
    shapes |= norm_shapes("base.bn0", n_bins)
    shapes |= {"base.pre_conv.weight": (widths[0], 1, 1, 1), "base.pre_conv.bias": (widths[0],)}
    shapes |= {"base.after_conv.weight": (3, widths[0], 1, 1), "base.after_conv.bias": (3,)}
    encoders = [f"encoder_block{i}" for i in range(1, 7)] + ["conv_block7a"]
    for name, n_in, n_out in zip(encoders, (widths[0], *widths), (*widths, widths[-1]), strict=True):
        shapes |= block_shapes(f"base.{name}.conv_block1", n_in, n_out)
        shapes |= film_shapes(f"film.{name}->conv_block1->beta1", n_in, size)
        shapes |= film_shapes(f"film.{name}->conv_block1->beta2", n_out, size)
    outputs = widths[::-1]
    for i, (n_in, n_out) in enumerate(zip((widths[-1], *outputs), outputs, strict=False), 1):
        name = f"decoder_block{i}"
        shapes |= norm_shapes(f"base.{name}.bn1", n_in) | norm_shapes(f"base.{name}.bn2", n_in)
        shapes |= {f"base.{name}.conv1.weight": (n_in, n_out, 1 if i == 1 else 2, 2)}
        shapes |= block_shapes(f"base.{name}.conv_block2", 2 * n_out, n_out)
        shapes |= film_shapes(f"film.{name}->beta1", n_in, size) | film_shapes(f"film.{name}->beta2", n_in, size)
        shapes |= film_shapes(f"film.{name}->conv_block2->beta1", 2 * n_out, size)
        shapes |= film_shapes(f"film.{name}->conv_block2->beta2", n_out, size)
    return {f"ss_model.{key}": shape for key, shape in shapes.items()}


def tagger_shapes(n_classes: int, widths, n_mels: int, n_hidden: int) -> Shapes:
    shapes: Shapes = {f"spectrogram_extractor.stft.conv_{part}.weight": (513, 1, 1024) for part in ("real", "imag")}
    shapes |= {"logmel_extractor.melW": (513, n_mels)} | norm_shapes("bn0", n_mels)
    for i, (n_in, n_out) in enumerate(zip((1, *widths), widths, strict=False), 1):
        block = f"conv_block{i}"
        shapes |= {f"{block}.conv1.weight": (n_out, n_in, 3, 3), f"{block}.conv2.weight": (n_out, n_out, 3, 3)}
        shapes |= norm_shapes(f"{block}.bn1", n_out) | norm_shapes(f"{block}.bn2", n_out)
    shapes |= {"fc1.weight": (n_hidden, widths[-1]), "fc1.bias": (n_hidden,)}
    shapes |= {"fc_audioset.weight": (n_classes, n_hidden), "fc_audioset.bias": (n_classes,)}
    return {f"query_net.base.{key}": shape for key, shape in shapes.items()}


def text_shapes(n_tokens, n_positions, width, n_hidden, n_layers, size) -> Shapes:
    shapes: Shapes = {"text_branch.embeddings.position_ids": (1, n_positions)}
    shapes |= {"text_branch.embeddings.word_embeddings.weight": (n_tokens, width)}
    shapes |= {"text_branch.embeddings.position_embeddings.weight": (n_positions, width)}
    shapes |= {"text_branch.embeddings.token_type_embeddings.weight": (1, width)}

    def layer(key: str, *shape: int) -> Shapes:
        return {f"text_branch.{key}.weight": shape, f"text_branch.{key}.bias": shape[:1]}

    shapes |= layer("embeddings.LayerNorm", width)
    for i in range(n_layers):
        place = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= layer(f"{place}.attention.{part}", width, width)
        shapes |= layer(f"{place}.attention.output.LayerNorm", width) | layer(f"{place}.output.LayerNorm", width)
        shapes |= layer(f"{place}.intermediate.dense", n_hidden, width)
        shapes |= layer(f"{place}.output.dense", width, n_hidden)
    shapes |= layer("pooler.dense", width, width)
    shapes |= {"text_projection.0.weight": (size, width), "text_projection.0.bias": (size,)}
    shapes |= {"text_projection.2.weight": (size, size), "text_projection.2.bias": (size,)}
    return {f"query_encoder.model.{key}": shape for key, shape in shapes.items()}


SMALL_TEXT = {"n_tokens": 30, "n_positions": 12, "width": 128, "n_hidden": 20, "n_layers": 2, "size": 6}
SMALL = {
    "uss": model_shapes(30, NARROW, N_FFT) | tagger_shapes(30, NARROW_TAGGER, 32, 7),
    "audiosep": model_shapes(6, NARROW, N_FFT) | text_shapes(**SMALL_TEXT),
}


def random_state(shapes: Shapes, seed: int = 0) -> OrderedDict[str, Tensor]:
    """Random weights under the published names; such that sounds go through, so none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)

    def weights(key: str, shape: tuple[int, ...]) -> Tensor:
        if key.endswith(("num_batches_tracked", "position_ids")):
            return torch.ones(shape, dtype=torch.int64)
        # What nothing looks at need not cost time.
        if "stft" in key:
            return torch.zeros(shape)
        noise = torch.randn(shape, generator=generator)
        if key.endswith(("running_var", "melW")):
            return noise.abs() + 0.1
        if "Norm.weight" in key or (len(shape) == 1 and key.endswith("weight")):
            return 1 + 0.2 * noise
        return 0.2 * noise if len(shape) == 1 else noise / math.sqrt(math.prod(shape[1:]))

    return OrderedDict((key, weights(key, shape)) for key, shape in shapes.items())


def checkpoint(family: str, **changes: object) -> dict[str, object]:
    """What a training run saves; beside the state what nothing here looks at."""
    state = random_state(SMALL[family])
    other = {"anchor_segment_detector.sed_model.bn0.weight": torch.ones(3), "query_encoder.model.logit_scale_a": 3.0}
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]}
    state |= other | changes
    return {"epoch": 99, "state_dict": state, "optimizer_states": [optimizer], "pytorch-lightning_version": "2.0"}


# A vocabulary of letters, in which a few pairs merge.
MERGES = "#version: 0.2\ni n\ns in\nin g\nsin g\nĠ v\n"
VOCABULARY = ["<s>", "<pad>", "</s>", *"singvoce", "Ġ", "in", "sin", "ing", "sing", "Ġv"]


@pytest.fixture
def load(spec_of) -> Callable[..., ResUNetNetwork]:
    def read(
        data: bytes,
        family: str,
        query: str | None = None,
        *,
        suffix: str = ".ckpt",
        texts: bool = True,
        **changes: object,
    ) -> ResUNetNetwork:
        files = {f"net{suffix}": data}
        if family == "audiosep" and texts:
            numbers = {token: number for number, token in enumerate(VOCABULARY)}
            files |= {"vocab.json": json.dumps(numbers).encode(), "merges.txt": MERGES.encode()}
        return load_resunet(spec_of("resunet", files, SETTINGS[family] | changes), offline=True, query=query)

    return read


# The networks from the papers and the published state, in doubles: no name and no module of ours.


def reference_norm(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    leaves = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{key}.{leaf}"][:, None, None] for leaf in leaves)
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def reference(state: dict[str, Tensor], mixture: Tensor, condition: Tensor) -> Tensor:
    """One mono mixture; x is (channels, frames, bins)."""
    s = {key.removeprefix("ss_model."): value.double() for key, value in state.items()}
    n_samples, window = len(mixture), torch.hann_window(N_FFT, dtype=torch.float64)
    padded = F.pad(mixture.double()[None, None], (N_FFT // 2, N_FFT // 2), mode="reflect")[0, 0]
    spectrum = torch.fft.rfft(padded.unfold(0, N_FFT, 320) * window)
    n_frames = len(spectrum)

    def shift(*place: str) -> Tensor:
        film = f"film.{'->'.join(place)}"
        return (s[f"{film}.weight"] @ condition.double() + s[f"{film}.bias"])[:, None, None]

    def rectified(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.01 * x)

    def block(x: Tensor, *place: str) -> Tensor:
        base = f"base.{'.'.join(place)}"
        y = rectified(reference_norm(s, f"{base}.bn1", x) + shift(*place, "beta1"))
        y = F.conv2d(y[None], s[f"{base}.conv1.weight"], padding=1)[0]
        y = rectified(reference_norm(s, f"{base}.bn2", y) + shift(*place, "beta2"))
        y = F.conv2d(y[None], s[f"{base}.conv2.weight"], padding=1)[0]
        if f"{base}.shortcut.weight" in s:
            x = torch.einsum("oi,itf->otf", s[f"{base}.shortcut.weight"][..., 0, 0], x)
            x = x + s[f"{base}.shortcut.bias"][:, None, None]
        return x + y

    magnitude = spectrum.abs().clamp(min=1e-5)
    x = reference_norm(s, "base.bn0", magnitude.T[..., None])[..., 0].T[None]
    x = F.pad(x, (0, 0, 0, -n_frames % 32))[..., : N_FFT // 2]
    x = s["base.pre_conv.weight"][:, :, 0] * x + s["base.pre_conv.bias"][:, None, None]
    skips = []
    for i in range(1, 7):
        x = block(x, f"encoder_block{i}", "conv_block1")
        skips.append(x)
        time = 2 if i < 6 else 1
        x = x.reshape(len(x), x.shape[1] // time, time, x.shape[2] // 2, 2).mean(dim=(2, 4))
    x = block(x, "conv_block7a", "conv_block1")
    for i in range(1, 7):
        name = f"decoder_block{i}"
        x = rectified(reference_norm(s, f"base.{name}.bn1", x) + shift(name, "beta1"))
        # Every point of the input becomes a rectangle of its own.
        x = torch.einsum("itf,ioab->otafb", x, s[f"base.{name}.conv1.weight"]).flatten(3).flatten(1, 2)
        x = block(torch.cat([x, skips[-i]]), name, "conv_block2")
    x = torch.einsum("oi,itf->otf", s["base.after_conv.weight"][..., 0, 0], x)[:, :n_frames]
    size, real, imaginary = x + s["base.after_conv.bias"][:, None, None]
    phase = torch.complex(torch.tanh(real), torch.tanh(imaginary))
    mask = F.pad(torch.sigmoid(size) * phase / phase.abs(), (0, 1))
    frames = torch.fft.irfft(mask * spectrum, n=N_FFT) * window
    out = torch.zeros(len(padded), dtype=torch.float64)
    weight = torch.zeros_like(out)
    for t, frame in enumerate(frames):
        out[320 * t : 320 * t + N_FFT] += frame
        weight[320 * t : 320 * t + N_FFT] += window.square()
    return (out / weight.clamp(min=1e-11))[N_FFT // 2 : N_FFT // 2 + n_samples].float()


def reference_tags(state: dict[str, Tensor], samples: Tensor) -> Tensor:
    s = {key.removeprefix("query_net.base."): value.double() for key, value in state.items()}
    window = torch.hann_window(1024, dtype=torch.float64)
    padded = F.pad(samples.double()[None, None], (512, 512), mode="reflect")[0, 0]
    power = torch.fft.rfft(padded.unfold(0, 1024, 320) * window).abs().square()
    mel = 10 * torch.log10((power @ s["logmel_extractor.melW"]).clamp(min=1e-10))
    x = reference_norm(s, "bn0", mel.T[..., None])[..., 0].T[None]
    for i in range(1, 7):
        for j in (1, 2):
            x = F.conv2d(x[None], s[f"conv_block{i}.conv{j}.weight"], padding=1)[0]
            x = reference_norm(s, f"conv_block{i}.bn{j}", x).clamp(min=0)
        if i < 6:
            x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
            x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean(dim=(2, 4))
    x = x.mean(dim=2)
    x = x.max(dim=1).values + x.mean(dim=1)
    x = (s["fc1.weight"] @ x + s["fc1.bias"]).clamp(min=0)
    return torch.sigmoid(s["fc_audioset.weight"] @ x + s["fc_audioset.bias"]).float()


def reference_embedding(state: dict[str, Tensor], tokens: list[int]) -> Tensor:
    """Attention head by head, over x of shape (tokens, width)."""
    s = {key.removeprefix("query_encoder.model."): value.double() for key, value in state.items()}

    def linear(x: Tensor, key: str) -> Tensor:
        return x @ s[f"{key}.weight"].T + s[f"{key}.bias"]

    def norm(x: Tensor, key: str) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        scale = (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
        return centred / scale * s[f"{key}.weight"] + s[f"{key}.bias"]

    place = "text_branch.embeddings"
    x = s[f"{place}.word_embeddings.weight"][tokens]
    x = x + s[f"{place}.position_embeddings.weight"][2 : 2 + len(tokens)] + s[f"{place}.token_type_embeddings.weight"]
    x = norm(x, f"{place}.LayerNorm")
    for i in range(SMALL_TEXT["n_layers"]):
        place = f"text_branch.encoder.layer.{i}"
        query, key, value = (linear(x, f"{place}.attention.self.{one}") for one in ("query", "key", "value"))
        heads = []
        for head in range(0, x.shape[1], 64):
            span = slice(head, head + 64)
            scores = query[:, span] @ key[:, span].T / 8
            heads.append(torch.softmax(scores, dim=1) @ value[:, span])
        x = norm(
            x + linear(torch.cat(heads, dim=1), f"{place}.attention.output.dense"),
            f"{place}.attention.output.LayerNorm",
        )
        hidden = linear(x, f"{place}.intermediate.dense")
        hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        x = norm(x + linear(hidden, f"{place}.output.dense"), f"{place}.output.LayerNorm")
    pooled = torch.tanh(linear(x[:1], "text_branch.pooler.dense"))
    out = linear(linear(pooled, "text_projection.0").clamp(min=0), "text_projection.2")[0]
    return (out / out.norm()).float()


@pytest.mark.parametrize("n_samples", [3000, 10_239, 12_345])
def test_the_network_is_the_paper_s(load, n_samples) -> None:
    network = load(saved(checkpoint("uss")), "uss")
    mixture, condition = noise(n_samples), noise(30, seed=2) * 5
    with torch.inference_mode():
        found = network.model(mixture[None, None], condition[None])[0, 0]
    expected = reference(random_state(SMALL["uss"]), mixture, condition)
    assert found.shape == (n_samples,)
    assert expected.std() > 0.005
    assert decibels(found, expected) < -90


@pytest.mark.parametrize("n_samples", [9920, 64_000, 64_123])
def test_the_tagger_is_the_paper_s(load, n_samples) -> None:
    tagger = load(saved(checkpoint("uss")), "uss").query.tagger
    samples = noise(n_samples)
    samples[n_samples // 2 :] = 0
    with torch.inference_mode():
        found = tagger(samples[None])[0]
    expected = reference_tags(random_state(SMALL["uss"]), samples)
    assert expected.std() > 0.03
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_text_encoder_is_the_paper_s(load) -> None:
    tokens = [0, VOCABULARY.index("sing"), VOCABULARY.index("ing"), VOCABULARY.index("Ġv"), *(4, 10, 4), 2]
    assert [VOCABULARY[token] for token in tokens[1:-1]] == ["sing", "ing", "Ġv", "i", "e", "i"]
    network = load(saved(checkpoint("audiosep")), "audiosep", "singing viei")
    expected = reference_embedding(random_state(SMALL["audiosep"]), tokens)
    assert expected.std() > 0.1
    assert torch.allclose(network.query.condition, expected, atol=1e-5)


@pytest.mark.parametrize("family", ["uss", "audiosep"])
@pytest.mark.parametrize("n_samples", [1, 3 * 44_100 + 7, 5 * 44_100])
def test_any_length_rate_and_batch(load, family, n_samples) -> None:
    network = load(saved(checkpoint(family)), family)
    mixture = Audio(noise(2, n_samples), 44_100)
    vocals = separated(network, mixture)
    assert vocals.abs().max() > 0
    # A mask can only take away.
    assert vocals.std() <= mixture.samples.std() or n_samples == 1
    batched = separated(network, mixture, 3)
    assert (vocals - batched).abs().max() < 1e-5


def test_plain_states_safetensors_and_halves(load) -> None:
    state = random_state(SMALL["audiosep"])
    expected = load(saved(state), "audiosep").model.state_dict()
    data = safetensors.torch.save(
        {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    )
    network = load(data, "audiosep", suffix=".safetensors")
    for key, value in network.model.state_dict().items():
        assert torch.equal(value, expected[key].half().float() if value.is_floating_point() else value), key


# Queries.


@pytest.mark.parametrize("family", ["uss", "audiosep"])
@pytest.mark.parametrize("form", ["vector", "batch", "double", "safetensors"])
def test_a_condition_from_a_file(load, family, form, tmp_path) -> None:
    size = {"uss": 30, "audiosep": 6}[family]
    condition = noise(size, seed=3)
    path = tmp_path / ("mine.safetensors" if form == "safetensors" else "mine.npy")
    if form == "safetensors":
        safetensors.torch.save_file({"anything": condition}, path)
    else:
        array = condition.double().numpy() if form == "double" else condition.numpy()
        np.save(path, array[None] if form == "batch" else array)
    network = load(saved(checkpoint(family)), family, str(path), texts=False)
    assert isinstance(network.query, Fixed)
    assert torch.equal(network.query.condition, condition)
    mixture = noise(1, 1, network.chunking.length)
    with torch.inference_mode():
        assert torch.equal(network(mixture), network.model(mixture, condition[None]))


def test_the_condition_decides(load) -> None:
    model = load(saved(checkpoint("audiosep")), "audiosep").model
    mixture, conditions = noise(1, 1, 8000).expand(2, -1, -1), noise(2, 6, seed=4) * 10
    with torch.inference_mode():
        first, second = model(mixture, conditions)
        alone = model(mixture[:1], conditions[1:])[0]
    assert decibels(first, second) > -20
    assert decibels(second, alone) < -90


def test_conditions_that_are_none(load, tmp_path) -> None:
    def condition(name: str, array: object) -> str:
        np.save(tmp_path / name, array, allow_pickle=True)
        return str(tmp_path / name)

    data = saved(checkpoint("audiosep"))
    marker = tmp_path / "executed"
    wrong = {
        condition("short.npy", np.zeros(5, np.float32)): r"\(5,\), expected 6 finite floats",
        condition("two.npy", np.zeros((2, 6), np.float32)): r"\(2, 6\), expected 6 finite floats",
        condition("nan.npy", np.full(6, np.nan, np.float32)): "expected 6 finite floats",
        condition("words.npy", np.array(["a"] * 6)): "cannot be read as a condition",
        condition("hostile.npy", np.array([Hostile(marker)], dtype=object)): "cannot be read as a condition",
        str(tmp_path / "missing.npy"): "cannot be read as a condition",
    }
    (tmp_path / "page.safetensors").write_bytes(b"<html>404</html>")
    safetensors.torch.save_file({"a": torch.zeros(6), "b": torch.zeros(6)}, tmp_path / "pair.safetensors")
    wrong[str(tmp_path / "page.safetensors")] = "cannot be read as a condition"
    wrong[str(tmp_path / "pair.safetensors")] = r"cannot be read as a condition \(2 tensors\)"
    for query, reason in wrong.items():
        with pytest.raises(ConfigError, match=reason) as caught:
            load(data, "audiosep", query)
        assert str(caught.value).isprintable()
    assert not marker.exists()


def test_classes_are_heard_in_every_chunk(load) -> None:
    network = load(saved(checkpoint("uss")), "uss", " 3, 17 ")
    chunks = noise(2, 1, 2 * RATE) * torch.tensor([1.0, 0.01])[:, None, None]
    with torch.inference_mode():
        heard = torch.stack([reference_tags(random_state(SMALL["uss"]), chunk[0]) for chunk in chunks])
        condition, is_there = network.query(chunks)
    wanted = torch.zeros(30)
    wanted[[3, 17]] = 1
    assert torch.allclose(condition, heard * wanted, atol=1e-5)
    assert torch.equal(is_there, heard[:, [3, 17]].amax(dim=1) >= 0.2)
    assert decibels(condition[0], condition[1]) > -60


class Loud(Cnn14):
    """Hears class 1 in what is loud, class 2 elsewhere."""

    def __init__(self) -> None:
        super().__init__(3, (2,), 4, 2)

    def forward(self, samples: Tensor) -> Tensor:
        loud = samples.std(dim=1) > 0.05
        return torch.stack([torch.ones_like(loud), loud, ~loud], dim=1) * torch.tensor([1, 0.21, 0.19])


def test_where_no_class_is_heard_there_are_no_vocals() -> None:
    model = ResUNet30(3, NARROW).eval()
    chunks = noise(3, 1, 2 * RATE) * torch.tensor([1.0, 0.1, 1.0])[:, None, None]
    with torch.inference_mode():
        found = ResUNetNetwork(model, Classes(Loud(), [1]), segment=2, overlap=0)(chunks)
        assert (found[1] == 0).all()
        expected = model(chunks, torch.tensor([[0, 0.21, 0]]).expand(3, -1))
        assert decibels(found[[0, 2]], expected[[0, 2]]) < -90
        # 0.19 is not 0.2, and then the network is not even asked.
        model.forward = None
        assert (ResUNetNetwork(model, Classes(Loud(), [2]), segment=2, overlap=0)(chunks) == 0).all()


def test_an_example(load, tmp_path) -> None:
    """Silence is left out, the last segment repeats itself, and the mean of the segments counts."""
    data = saved(checkpoint("uss"))
    sounding = noise(1, 3 * RATE)
    silence = 0.01 * torch.ones(1, RATE)
    save_audio(tmp_path / "example.wav", Audio(torch.cat([sounding[:, :RATE], silence, sounding[:, RATE:]], 1), RATE))
    network = load(data, "uss", str(tmp_path / "example.wav"))
    state = random_state(SMALL["uss"])
    last = sounding[0, 2 * RATE :].repeat(2)
    expected = torch.stack([reference_tags(state, sounding[0, : 2 * RATE]), reference_tags(state, last)]).mean(dim=0)
    assert isinstance(network.query, Fixed)
    assert torch.allclose(network.query.condition, expected, atol=1e-3)
    save_audio(tmp_path / "silent.wav", Audio(silence, RATE))
    with pytest.raises(ConfigError, match=r"silent\.wav is silent"):
        load(data, "uss", str(tmp_path / "silent.wav"))
    (tmp_path / "note.wav").write_text("no sound")
    with pytest.raises(AudioError):
        load(data, "uss", str(tmp_path / "note.wav"))


@pytest.mark.parametrize(
    ("family", "query", "reason"),
    [
        ("uss", "30", r"classes are 0 to 29, got \[30\]; correct query"),
        ("uss", "singing", "expected AudioSet classes such as 27,28, an audio file"),
        ("uss", "27;28", "expected AudioSet classes"),
        ("uss", "-1", "expected AudioSet classes"),
        ("uss", "", "expected AudioSet classes"),
        ("audiosep", " ", "expected a text"),
    ],
)
def test_wrong_queries(load, family, query, reason) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(saved(checkpoint(family)), family, query)


def test_texts_need_tokens_and_their_encoder(load) -> None:
    with pytest.raises(ConfigError, match="or the CLAP embedding of a text"):
        load(saved(checkpoint("audiosep")), "audiosep", "singing", texts=False)
    with pytest.raises(WeightsError, match=r"cannot embed a text \(the vocabulary lacks 'z'"):
        load(saved(checkpoint("audiosep")), "audiosep", "zoo")
    only = {key: value for key, value in random_state(SMALL["audiosep"]).items() if key.startswith("ss_model.")}
    with pytest.raises(
        WeightsError, match=r"cannot embed a text \(it lacks text_branch\.embeddings\.word_embeddings"
    ):
        load(saved(only), "audiosep")
    key = "query_encoder.model.text_branch.encoder.layer.1.attention.self.key.weight"
    for wrong in (torch.zeros(127, 128), torch.zeros(128), "weights"):
        with pytest.raises(WeightsError, match=r"cannot embed a text \(text_branch"):
            load(saved(checkpoint("audiosep", **{key: wrong})), "audiosep")


def test_a_text_is_read_once(load, monkeypatch) -> None:
    """The second time without tokens and CLAP; another text, or another checkpoint, needs them."""
    data, other = saved(checkpoint("audiosep")), saved(checkpoint("audiosep", more=torch.zeros(1)))
    condition = load(data, "audiosep").query.condition
    monkeypatch.setattr("lyricsep.separators.resunet.ClapText.of", lambda state: pytest.fail("CLAP is built"))
    assert torch.equal(load(data, "audiosep").query.condition, condition)
    for again in ((data, "audiosep", "sing"), (other, "audiosep")):
        with pytest.raises(pytest.fail.Exception, match="CLAP is built"):
            load(*again)


@pytest.fixture
def tokenizer(tmp_path) -> ClapTokenizer:
    (tmp_path / "v.json").write_text(json.dumps({token: number for number, token in enumerate(VOCABULARY)}))
    (tmp_path / "m.txt").write_text(MERGES)
    return ClapTokenizer.read(tmp_path / "v.json", tmp_path / "m.txt")


def test_tokens_by_hand(tokenizer) -> None:
    def named(text: str) -> list[str]:
        return [VOCABULARY[number] for number in tokenizer.tokens(text)]

    assert named("singing voice") == ["<s>", "sing", "ing", "Ġv", "o", "i", "c", "e", "</s>"]
    assert named("  in") == ["<s>", "Ġ", "Ġ", "in", "</s>"]
    assert named("nini") == ["<s>", "n", "in", "i", "</s>"]
    assert tokenizer.tokens("") == [0, 2]


@given(text=st.text(max_size=40))
def test_no_text_is_lost(text) -> None:
    """With all bytes in the vocabulary and nothing merged, tokens are the bytes."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    characters = {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    numbers = ClapTokenizer(characters, {}).tokens(text)[1:-1]
    assert bytes(numbers) == text.encode()


def test_files_of_tokens_that_are_none(tmp_path) -> None:
    good = {"v": json.dumps({"a": 1}), "m": "a b\n"}
    for wrong in ({"v": "[1]"}, {"v": '{"a": "b"}'}, {"v": "{"}, {"m": "a b c\n"}, {"m": "\udcff"}):
        for name, text in (good | wrong).items():
            (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ValueError, match=r"tokens cannot be read|no dictionary|not pairs"):
            ClapTokenizer.read(tmp_path / "v", tmp_path / "m")


def test_long_texts_keep_their_end() -> None:
    torch.manual_seed(0)
    model = ClapText(TextSizes(30, 12, 64, 8, 1, 4)).eval()
    tokens = torch.randint(3, 30, (1, 15))
    with torch.inference_mode():
        found = model(tokens)
        assert torch.allclose(found, model(torch.cat([tokens[:, :9], tokens[:, -1:]], dim=1)))
        assert not torch.allclose(found, model(tokens[:, :10]))
    assert found.norm() == pytest.approx(1, abs=1e-6)


# The network.


# What is no checkpoint.


FIRST = "ss_model.base.encoder_block2.conv_block1.conv1.weight"
WIDTH = "ss_model.base.encoder_block2.conv_block1.conv2.weight"
FILM = "ss_model.film.decoder_block3->conv_block2->beta1.weight"
TAGS = "query_net.base.conv_block3.bn2.running_var"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop(FIRST), "it lacks ss_model.base.encoder_block2.conv_block1.conv1.weight"),
        (lambda state: state.pop(FILM), "it lacks ss_model.film.decoder_block3->conv_block2->beta1.weight"),
        (lambda state: state.pop(TAGS), "it lacks query_net.base.conv_block3.bn2.running_var"),
        (lambda state: state.pop(WIDTH), "it lacks ss_model.base.encoder_block2.conv_block1.conv2"),
        (lambda state: state.update({"query_net.base.more": torch.zeros(3)}), "base.more' is not known to Cnn14"),
        (lambda state: state.update({FIRST: torch.zeros(3, 2)}), r"the shape \(3, 2\), expected \("),
        (lambda state: state.update({WIDTH: torch.zeros(0, 2, 3, 3)}), r"\(0, 2, 3, 3\), expected 4 dimensions"),
        (lambda state: state.update({3: torch.zeros(3)}), "expected a dictionary of tensors"),
        (lambda state: state.update({"ss_model.base.bn0.weight": torch.zeros(512)}), "ResUNet30 needs 6 widths"),
        (
            lambda state: state.update(random_state(tagger_shapes(29, NARROW_TAGGER, 32, 7))),
            "a tagger of 29 classes, conditions of 30",
        ),
        (lambda state: state.clear(), "it lacks ss_model"),
    ],
)
def test_wrong_states(load, change, reason) -> None:
    value = checkpoint("uss")
    change(value["state_dict"])
    with pytest.raises(WeightsError, match=reason) as caught:
        load(saved(value), "uss")
    assert str(caught.value).startswith("net.ckpt: not a ResUNet30 checkpoint")


def test_wrong_catalogue_entries(load, pinned) -> None:
    file = pinned(b"", "file:nothing")
    for files, table in [((), SETTINGS["uss"]), ((file, file), SETTINGS["uss"]), ((file,), {"segment": 2})]:
        with pytest.raises(ConfigError, match="needs one file or three, and the settings segment and overlap"):
            load_resunet(SeparatorSpec("mine", "resunet", "", "", "", files, table), offline=True)
    for wrong in ({"segment": 0.1}, {"overlap": 1}, {"overlap": -0.5}):
        with pytest.raises(ConfigError, match="chunks of 9920 samples or more"):
            load(saved(checkpoint("uss")), "uss", **wrong)


def test_wrong_sizes() -> None:
    for wrong in ({"condition_size": 0}, {"widths": (1, 2)}, {"n_fft": 1000}, {"n_fft": 512}, {"n_channels": 0}):
        with pytest.raises(ValueError, match="ResUNet30 needs 6 widths"):
            ResUNet30(**{"condition_size": 2, **wrong})
    for wrong in ({"n_classes": 0}, {"widths": ()}, {"n_mels": 31}):
        with pytest.raises(ValueError, match="Cnn14 needs"):
            Cnn14(**wrong)
    for wrong in ({"width": 100}, {"n_layers": 0}):
        with pytest.raises(ValueError, match="sizes are positive, and 64 divides the width"):
            TextSizes(
                **dict.fromkeys(("n_tokens", "n_positions", "width", "n_hidden", "n_layers", "size"), 64) | wrong
            )
    for wrong in ([], [3], [-1]):
        with pytest.raises(ValueError, match="classes are 0 to 2"):
            Classes(Loud(), wrong)
