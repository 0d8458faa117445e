"""CLIPSep: the published layouts, both networks against the papers' arithmetic, and tokens."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from signals import Shapes, decibels, noise, norm_shapes, saved, separated
from torch import Tensor
from torch.nn import functional as F

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.clip_text import ClipText, ClipTokenizer
from lyricsep.separators.clipsep import ClipSep, ClipSepNetwork, load_clipsep
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.weights import WeightFile, fetch

CPU = torch.device("cpu")
RATE = 16_000
LENGTH = 65_535
NARROW = (3, 4, 5, 6)
NARROW_TEXT = {"n_tokens": 30, "n_positions": 9, "width": 128, "n_hidden": 20, "n_layers": 2, "size": 6}


# The published layouts, written out: every key and shape of the checkpoints.


def unet_shapes(widths: tuple[int, ...], n_features: int) -> Shapes:
    shapes: Shapes = {}
    key, n_outer = "sound_net.unet_block", 1
    for i, width in enumerate(widths):
        if i == 0:
            shapes |= {f"{key}.model.0.weight": (width, 1, 4, 4)}
            shapes |= {f"{key}.model.4.weight": (n_features, 2 * width, 3, 3), f"{key}.model.4.bias": (n_features,)}
            key += ".model.1"
        elif i < len(widths) - 1:
            shapes |= {f"{key}.model.1.weight": (width, n_outer, 4, 4)} | norm_shapes(f"{key}.model.2", width)
            shapes |= {f"{key}.model.6.weight": (n_outer, 2 * width, 3, 3)}
            shapes |= norm_shapes(f"{key}.model.7", n_outer)
            key += ".model.3"
        else:
            shapes |= {f"{key}.model.1.weight": (width, n_outer, 4, 4)}
            shapes |= {f"{key}.model.4.weight": (n_outer, width, 3, 3)} | norm_shapes(f"{key}.model.5", n_outer)
        n_outer = width
    return shapes | norm_shapes("sound_net.bn0", 1)


def model_shapes(widths: tuple[int, ...], n_features: int, size: int, *, nit: bool) -> Shapes:
    """CLIPSep; with the heads for noise, CLIPSep-NIT."""
    shapes = unet_shapes(widths, n_features)
    shapes |= {"frame_net.weight": (n_features, size), "frame_net.bias": (n_features,)}
    for i in range(2 * nit):
        shapes |= {f"pit_nets.{i}.weight": (n_features, n_features), f"pit_nets.{i}.bias": (n_features,)}
    shapes |= {"synth_net.scale": (n_features,), "synth_net.bias": (1,)}
    return {f"module.{key}": shape for key, shape in shapes.items()}


def text_shapes(n_tokens, n_positions, width, n_hidden, n_layers, size) -> Shapes:
    place = "text_model.embeddings"
    shapes: Shapes = {f"{place}.position_ids": (1, n_positions), f"{place}.token_embedding.weight": (n_tokens, width)}
    shapes |= {f"{place}.position_embedding.weight": (n_positions, width), "text_projection.weight": (size, width)}

    def layer(key: str, *shape: int) -> Shapes:
        return {f"text_model.{key}.weight": shape, f"text_model.{key}.bias": shape[:1]}

    for i in range(n_layers):
        place = f"encoder.layers.{i}"
        for part in "qkv":
            shapes |= layer(f"{place}.self_attn.{part}_proj", width, width)
        shapes |= layer(f"{place}.self_attn.out_proj", width, width)
        shapes |= layer(f"{place}.layer_norm1", width) | layer(f"{place}.layer_norm2", width)
        shapes |= layer(f"{place}.mlp.fc1", n_hidden, width) | layer(f"{place}.mlp.fc2", width, n_hidden)
    # Beside the half that reads there is the one that sees.
    return shapes | layer("final_layer_norm", width) | {"logit_scale": (), "visual_projection.weight": (3, 4)}


def random_state(shapes: Shapes, seed: int = 0) -> OrderedDict[str, Tensor]:
    """Random weights under the published names; such that sounds go through, so none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)

    def weights(key: str, shape: tuple[int, ...]) -> Tensor:
        if key.endswith(("num_batches_tracked", "position_ids")):
            return torch.ones(shape, dtype=torch.int64)
        noise = torch.randn(shape, generator=generator)
        if key.endswith("running_var"):
            return noise.abs() + 0.1
        if key.endswith("scale") or (len(shape) == 1 and key.endswith("weight")):
            return 1 + 0.2 * noise
        return 0.2 * noise if len(shape) < 2 else noise / math.sqrt(math.prod(shape[1:]))

    return OrderedDict((key, weights(key, shape)) for key, shape in shapes.items())


def small_model(*, nit: bool = True) -> OrderedDict[str, Tensor]:
    return random_state(model_shapes(NARROW, 5, 6, nit=nit))


def small_text() -> OrderedDict[str, Tensor]:
    return random_state(text_shapes(**NARROW_TEXT))


# A little language: letters, letters at the end of a word, what they merge to, and the marks around a text.
MERGES = ["s i", "n g</w>", "si n", "si ng</w>", "a b</w>"]
LETTERS = [*"singab'!", *(f"{letter}</w>" for letter in "singab'!")]
VOCABULARY = [*LETTERS, *(merge.replace(" ", "") for merge in MERGES), "<|startoftext|>", "<|endoftext|>"]


@pytest.fixture
def load(spec_of) -> Callable[..., ClipSepNetwork]:
    def read(
        model: bytes | None = None, text: bytes | None = None, query: str | None = None, *, default: str = "sing"
    ) -> ClipSepNetwork:
        contents = {
            "clipsep.pt": saved(small_model()) if model is None else model,
            "clip.bin": saved(small_text()) if text is None else text,
            "vocab.json": json.dumps({token: i for i, token in enumerate(VOCABULARY)}).encode(),
            "merges.txt": "\n".join(["#version: 0.2", *MERGES, ""]).encode(),
        }
        spec = spec_of("clipsep", contents, {"query_default": default}, query="text")
        return load_clipsep(spec, offline=True, query=query)

    return read


# The network from the published state, by functions of torch alone, in doubles: blocks within blocks.


def frequency_grid(n_to: int, n_frames: int, *, warps: bool) -> Tensor:
    """Where to read a spectrogram, -1 to 1: along frequency by powers of 21, or back by their logarithms."""
    place = torch.linspace(-1, 1, n_to, dtype=torch.float64)
    y = (21 ** ((place + 1) / 2) - 11) / 10 if warps else torch.log(place * 10 + 11) / math.log(21) * 2 - 1
    x = torch.linspace(-1, 1, n_frames, dtype=torch.float64)
    return torch.stack([x.expand(n_to, -1), y.clamp(-1, 1)[:, None].expand(-1, n_frames)], dim=-1)[None]


def published_norm(s: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(s[f"{key}.{name}"] for name in names))


def published_block(s: dict[str, Tensor], key: str, x: Tensor, depth: int) -> Tensor:
    """One block, with those inside of it; `depth` of them, itself included."""

    def up(x: Tensor, layer: int) -> Tensor:
        larger = F.interpolate(F.relu(x), scale_factor=2, mode="bilinear", align_corners=True)
        return F.conv2d(larger, s[f"{key}.model.{layer}.weight"], s.get(f"{key}.model.{layer}.bias"), padding=1)

    if ".model" not in key:
        inner = F.conv2d(x, s[f"{key}.model.0.weight"], stride=2, padding=1)
        return up(published_block(s, f"{key}.model.1", inner, depth - 1), 4)
    inner = F.conv2d(F.leaky_relu(x, 0.2), s[f"{key}.model.1.weight"], stride=2, padding=1)
    if depth == 1:
        return torch.cat([x, published_norm(s, f"{key}.model.5", up(inner, 4))], dim=1)
    inner = published_norm(s, f"{key}.model.2", inner)
    inner = published_block(s, f"{key}.model.3", inner, depth - 1)
    return torch.cat([x, published_norm(s, f"{key}.model.7", up(inner, 6))], dim=1)


def reference(state: dict[str, Tensor], n_levels: int, magnitude: Tensor, query: Tensor) -> Tensor:
    s = {key.removeprefix("module."): value.double() for key, value in state.items()}
    n_bins, n_frames = magnitude.shape
    x = magnitude.double()[None, None] + 1e-10
    x = F.grid_sample(x, frequency_grid(256, n_frames, warps=True), align_corners=True)
    x = published_norm(s, "sound_net.bn0", torch.log(x))
    features = published_block(s, "sound_net.unet_block", x, n_levels)
    channels = torch.sigmoid(s["frame_net.weight"] @ query.double() + s["frame_net.bias"]) * s["synth_net.scale"]
    odds = (channels[:, None, None] * features[0]).sum(dim=0) + s["synth_net.bias"]
    grid = frequency_grid(n_bins, n_frames, warps=False)
    return F.grid_sample(torch.sigmoid(odds)[None, None], grid, align_corners=True)[0, 0]


@pytest.mark.parametrize("nit", [True, False])
@pytest.mark.parametrize("n_frames", [16, 48])
def test_the_network_is_the_paper_s(load, nit, n_frames) -> None:
    state = small_model(nit=nit)
    network = load(saved(state))
    magnitude, query = noise(513, n_frames).abs(), 10 * noise(6, seed=2)
    with torch.inference_mode():
        found = network.model(magnitude[None], query)[0]
    expected = reference(state, len(NARROW), magnitude, query)
    assert expected.std() > 0.01
    assert decibels(found, expected) < -90


def test_what_is_above_one_half_stays() -> None:
    """Bins of the mixture, as they are, or nothing."""

    class Striped(ClipSep):
        def forward(self, magnitude: Tensor, query: Tensor) -> Tensor:
            n_bins = magnitude.shape[1]
            return torch.where(torch.arange(n_bins) < 64, 0.51, 0.5)[:, None].expand_as(magnitude)

    network = ClipSepNetwork(Striped(6, 5, NARROW), torch.zeros(6))
    time = torch.arange(LENGTH) / RATE
    low, high = torch.sin(2 * math.pi * 440 * time), torch.sin(2 * math.pi * 2000 * time)
    with torch.inference_mode():
        found = network((low + high)[None, None])[0, 0]
    inside = slice(1024, -1024)
    assert decibels(found[inside], low[inside]) < -60


# Tokens and texts.


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("sing", ["sing</w>"]),
        ("  SING\tsinging ", ["sing</w>", "sin", "g", "i", "ng</w>"]),
        ("ab! ba's", ["ab</w>", "!</w>", "b", "a</w>", "'", "s</w>"]),
        ("", []),
    ],
)
def test_tokens(tmp_path, text, tokens) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(VOCABULARY)}))
    (tmp_path / "merges.txt").write_text("\n".join(MERGES))
    tokenizer = ClipTokenizer.read(tmp_path / "vocab.json", tmp_path / "merges.txt")
    expected = ["<|startoftext|>", *tokens, "<|endoftext|>"]
    assert [VOCABULARY[number] for number in tokenizer.tokens(text)] == expected
    with pytest.raises(ValueError, match="the vocabulary lacks 'x</w>'"):
        tokenizer.tokens("x")


def read_by_hand(state: dict[str, Tensor], tokens: list[int], n_layers: int) -> Tensor:
    """CLIP's paper in NumPy's doubles."""
    s = {key.removeprefix("text_model."): value.double().numpy() for key, value in state.items()}

    def norm(key: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        return x * s[f"{key}.weight"] + s[f"{key}.bias"]

    def linear(key: str, x: np.ndarray) -> np.ndarray:
        return x @ s[f"{key}.weight"].T + s[f"{key}.bias"]

    x = s["embeddings.token_embedding.weight"][tokens] + s["embeddings.position_embedding.weight"][: len(tokens)]
    for i in range(n_layers):
        key = f"encoder.layers.{i}"
        h = norm(f"{key}.layer_norm1", x)
        q, k, v = (np.split(linear(f"{key}.self_attn.{part}_proj", h), x.shape[1] // 64, axis=1) for part in "qkv")
        heads = []
        for query, offer, value in zip(q, k, v, strict=True):
            scores = query @ offer.T / 8
            scores[np.triu_indices(len(tokens), 1)] = -np.inf  # nobody sees what comes later
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ value)
        x = x + linear(f"{key}.self_attn.out_proj", np.concatenate(heads, axis=1))
        h = linear(f"{key}.mlp.fc1", norm(f"{key}.layer_norm2", x))
        x = x + linear(f"{key}.mlp.fc2", h / (1 + np.exp(-1.702 * h)))
    return torch.from_numpy(s["text_projection.weight"] @ norm("final_layer_norm", x)[-1])


def test_the_text_network_is_the_paper_s() -> None:
    state = small_text()
    model = ClipText.of(state)
    tokens = [21, 5, 0, 16, 5, 22]
    with torch.inference_mode():
        found = model(torch.tensor([tokens]))[0]
        # What does not fit is left out, but for the last.
        long = model(torch.tensor([[*range(12), 22]]))[0]
    assert decibels(found, read_by_hand(state, tokens, 2)) < -100
    assert decibels(long, read_by_hand(state, [*range(8), 22], 2)) < -100


def test_a_query_is_a_text(load) -> None:
    network = load()
    tokens = [VOCABULARY.index(token) for token in ("<|startoftext|>", "sing</w>", "<|endoftext|>")]
    assert decibels(network.query, read_by_hand(small_text(), tokens, 2)) < -100
    assert torch.equal(load(query="SING").query, network.query)
    assert not torch.equal(load(query="ab").query, network.query)
    # Both halves of what is asked for come to the mask.
    mixture = noise(1, 1, LENGTH)
    with torch.inference_mode():
        assert not torch.equal(network(mixture), load(query="ab")(mixture))
    for empty in ("", "  "):
        with pytest.raises(
            ConfigError, match="mine: needs a text, got none; set query to a text such as 'singing voice'"
        ):
            load(query=empty)
    with pytest.raises(ConfigError, match="needs a text, got none"):
        load(default="")


def test_a_text_is_read_once(load, monkeypatch) -> None:
    """The second time without CLIP: its files are neither fetched nor loaded."""
    query = load().query

    def fetch_model(file: WeightFile, *, offline: bool) -> Path:
        if file.name != "clipsep.pt":
            raise WeightsError(f"{file.name} is not here")
        return fetch(file, offline=offline)

    monkeypatch.setattr("lyricsep.separators.clipsep.fetch", fetch_model)
    assert torch.equal(load().query, query)
    with pytest.raises(WeightsError, match=r"clip\.bin is not here"):
        load(query="ab")
    with pytest.raises(WeightsError, match=r"clip\.bin is not here"):
        load(text=saved(random_state(text_shapes(**NARROW_TEXT), seed=1)))


@pytest.mark.parametrize("n_samples", [1, 700, LENGTH + 20_000])
def test_any_length_and_batch(load, n_samples) -> None:
    network = load()
    mixture = Audio(noise(3, n_samples), RATE)
    vocals, batched = separated(network, mixture), separated(network, mixture, 2)
    # A bin at one half may fall on either side.
    assert decibels(batched, vocals) < -40


def test_the_last_chunk_is_filled_with_itself(load) -> None:
    network = load()
    mixture = noise(1, 1, 30_000)
    with torch.inference_mode():
        expected = network(torch.cat([mixture, mixture, mixture], dim=2)[..., :LENGTH])[0, :, :30_000]
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture[0], RATE)).samples
    assert decibels(vocals, expected) < -60


def changed(state: OrderedDict[str, Tensor], change: Callable[[dict[str, object]], object]) -> bytes:
    change(state)
    return saved(state)


DOWN = "module.sound_net.unet_block.model.1.model.1.weight"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("module.synth_net.bias"), "it lacks synth_net.bias"),
        (lambda state: state.pop("module.frame_net.weight"), "it lacks frame_net.weight"),
        (lambda state: state.update({DOWN: torch.zeros(4)}), r"has the shape \(4,\), expected 4 dimensions"),
        (lambda state: state.pop(DOWN), "2 to 8 widths"),
        (lambda state: state.update({3: torch.zeros(3)}), "expected a dictionary of tensors"),
        (lambda state: state.clear(), "it lacks sound_net.unet_block.model.0.weight"),
    ],
    ids=["missing", "query", "rank", "one level", "number", "empty"],
)
def test_wrong_states(load, change, reason) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load(changed(small_model(), change))
    assert str(caught.value).startswith("clipsep.pt: not the file that mine needs (")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("text_projection.weight"), "it lacks text_projection.weight"),
        (
            lambda state: state.update({"text_projection.weight": torch.zeros(7, 128)}),
            "it gives 7 numbers, expected 6",
        ),
        (
            lambda state: state.update({"text_model.embeddings.token_embedding.weight": torch.zeros(9, 128)}),
            "index out of range",
        ),
        (lambda state: state.clear(), "it lacks text_model.embeddings.token_embedding.weight"),
    ],
    ids=["missing", "size", "few tokens", "empty"],
)
def test_another_clip(load, change, reason) -> None:
    with pytest.raises(WeightsError, match=f"^clip.bin: not the file that mine needs .*{reason}"):
        load(text=changed(small_text(), change))


def test_words_that_the_vocabulary_cannot_spell(load) -> None:
    with pytest.raises(WeightsError, match="the vocabulary lacks 'v'"):
        load(query="voice")


def test_a_checkpoint_that_nobody_put_there(load, pinned, tmp_path) -> None:
    load()
    files = tuple(pinned(b"", f"file:{tmp_path}/{name}") for name in ("nothing.pt", "a", "b", "c"))
    spec = SeparatorSpec("mine", "clipsep", "", "", "", files, {"query_default": "sing"}, query="text")
    with pytest.raises(
        WeightsError, match=r"^mine: .*authors' share, and `lyricsep models show mine` explains where"
    ):
        load_clipsep(spec, offline=True)
    spec = SeparatorSpec("mine", "clipsep", "", "", "", files[:3], {"query_default": "sing"}, query="text")
    with pytest.raises(ConfigError, match=r"CLIPSep needs four files, .* got 3; correct the catalogue entry"):
        load_clipsep(spec, offline=True)


@pytest.mark.parametrize("wrong", [{"query_size": 0}, {"n_features": 0}, {"widths": (3,)}, {"widths": (3,) * 9}])
def test_wrong_sizes(wrong) -> None:
    with pytest.raises(ValueError, match="CLIPSep needs positive sizes and 2 to 8 widths"):
        ClipSep(**{"query_size": 6, "n_features": 5, "widths": NARROW} | wrong)
