"""TIGER: the published layouts, and the network against the paper's arithmetic."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import Shapes, decibels, noise, prelu, saved, separated, sigmoid
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.tiger import Tiger, TigerNetwork, TigerOptions, load_tiger

CPU = torch.device("cpu")


def band_widths(rate: int, n_fft: int, widths: list[tuple[int, int]]) -> tuple[int, ...]:
    """Bins of bands that are so many Hz wide, so many of each; the last band has what is left."""
    n_bins = n_fft // 2 + 1
    bands = [int(hertz / (rate / 2) * n_bins) for hertz, n in widths for _ in range(n)]
    return (*bands, n_bins - sum(bands))


# To 1, 2, 4 and 8 kHz; to 1, 2, 4, 8, 16, 20 kHz and beyond.
PUBLISHED_BANDS = {
    "speech": band_widths(16_000, 640, [(25, 40), (100, 10), (250, 8), (500, 8)]),
    "dnr": band_widths(44_100, 2048, [(50, 20), (100, 10), (250, 8), (500, 8), (1000, 8), (2000, 2)]),
}
# n and h: channels of a band and within the scales; d scales; heads of e channels; c sources.
SMALL = {
    "speech": {"bands": (1, 2, 2, 3, 5), "n": 8, "h": 5, "d": 3, "heads": 2, "e": 3, "c": 2},
    "dnr": {"bands": (1, 1, 2, 2, 3, 4), "n": 12, "h": 7, "d": 4, "heads": 4, "e": 2, "c": 3},
}
# What the catalogue says of the published models.
SETTINGS = {
    "speech": {"sample_rate": 16_000, "repeats": 8, "segment": 8, "overlap": 0.25},
    "dnr": {"sample_rate": 44_100, "repeats": 8, "segment": 12, "overlap": 0.5, "part": "dialog", "source": 2},
}
LAYOUTS = list(SMALL)
FIRST = {"speech": "BN.0.1.weight", "dnr": "dialog.BN.0.1.weight"}


def normed_shapes(key: str, n_out: int, n_in: int, kernel: int, *, bias: bool = True) -> Shapes:
    shapes: Shapes = {f"{key}.conv.weight": (n_out, n_in, kernel)} | ({f"{key}.conv.bias": (n_out,)} if bias else {})
    return shapes | {f"{key}.norm.weight": (n_out,), f"{key}.norm.bias": (n_out,)}


def projection_shapes(key: str, n_out: int, n_in: int) -> Shapes:
    shapes: Shapes = {
        f"{key}.conv.weight": (n_out, n_in, 1, 1),
        f"{key}.conv.bias": (n_out,),
        f"{key}.act.weight": (1,),
    }
    return shapes | {f"{key}.norm.gamma": (1, n_out, 1, 1), f"{key}.norm.beta": (1, n_out, 1, 1)}


def network_shapes(bands, n, h, d, heads, e, c) -> Shapes:
    shapes: Shapes = {}
    for i, width in enumerate(bands):
        shapes |= {f"BN.{i}.0.weight": (2 * width,), f"BN.{i}.0.bias": (2 * width,)}
        shapes |= {f"BN.{i}.1.weight": (n, 2 * width, 1), f"BN.{i}.1.bias": (n,)}
        shapes |= {f"mask.{i}.0.weight": (1,)}
        shapes |= {f"mask.{i}.1.weight": (4 * width * c, n // c, 1), f"mask.{i}.1.bias": (4 * width * c,)}
    for path in ("separator.freq_path", "separator.frame_path"):
        shapes |= normed_shapes(f"{path}.0.proj_1x1", h, n, 1) | {f"{path}.0.proj_1x1.act.weight": (1,)}
        for i in range(d):
            shapes |= normed_shapes(f"{path}.0.spp_dw.{i}", h, 1, 5)
        for layer, number, kernel in (("loc_glo_fus", d, 1), ("last_layer", d - 1, 5)):
            for i in range(number):
                for part in ("local_embedding", "global_embedding", "global_act"):
                    shapes |= normed_shapes(f"{path}.0.{layer}.{i}.{part}", h, 1, kernel, bias=False)
        shapes |= {f"{path}.0.res_conv.weight": (n, h, 1), f"{path}.0.res_conv.bias": (n,)}
        for layer in ("fc1", "fc2"):
            shapes |= normed_shapes(f"{path}.0.globalatt.{layer}", h, h, 1, bias=False)
        shapes |= {f"{path}.0.globalatt.dwconv.weight": (h, 1, 5), f"{path}.0.globalatt.dwconv.bias": (h,)}
        for part, width in (("Queries", e), ("Keys", e), ("Values", n // heads)):
            for i in range(heads):
                shapes |= projection_shapes(f"{path}.1.{part}.{i}", width, n)
        shapes |= projection_shapes(f"{path}.1.attn_concat_proj", n, n)
        shapes |= {f"{path}.2.gamma": (1, n, 1, 1), f"{path}.2.beta": (1, n, 1, 1)}
    shapes |= {"separator.concat_block.0.weight": (n, 1, 1, 1), "separator.concat_block.0.bias": (n,)}
    return shapes | {"separator.concat_block.1.weight": (1,)}


def layout_shapes(layout: str, sizes: dict[str, object]) -> Shapes:
    shapes = network_shapes(**sizes)
    if layout == "speech":
        return shapes
    return {f"{part}.{key}": shape for part in ("dialog", "effect", "music") for key, shape in shapes.items()}


def random_state(layout: str, sizes: dict[str, object], seed: int = 0) -> OrderedDict[str, Tensor]:
    """Random weights under the published names; such that sounds go through, so none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)

    def weights(key: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if shape == (1,):
            return 0.25 + 0.05 * noise
        if key.endswith(("gamma", "norm.weight", ".0.weight")) and len(shape) != 3:
            return 1 + 0.2 * noise
        is_bias = len(shape) == 1 or key.endswith("beta")
        return 0.2 * noise if is_bias else noise / math.sqrt(math.prod(shape[1:]))

    return OrderedDict((key, weights(key, shape)) for key, shape in layout_shapes(layout, sizes).items())


@pytest.fixture
def load(spec_of) -> Callable[..., TigerNetwork]:
    def read(data: bytes, layout: str, *, suffix: str = ".safetensors", **changes: object) -> TigerNetwork:
        return load_tiger(spec_of("tiger", {f"model{suffix}": data}, SETTINGS[layout] | changes), offline=True)

    return read


def small(layout: str) -> bytes:
    return safetensors.torch.save(random_state(layout, SMALL[layout]))


# The network in NumPy's doubles, from the paper and the published state: no layer of torch, no name of ours.


def whole_norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, epsilon: float = 1e-8) -> np.ndarray:
    """Over all of (channels, places)."""
    return gain[:, None] * (x - x.mean()) / np.sqrt(x.var() + epsilon) + bias[:, None]


class Reference:
    """What a state means, for one mixture."""

    def __init__(self, state: dict[str, Tensor], sizes: dict[str, object], n_repeats: int) -> None:
        self.s = {key: value.double().numpy() for key, value in state.items()}
        self.sizes = sizes
        self.n_repeats = n_repeats

    def conv(self, key: str, x: np.ndarray, stride: int = 1) -> np.ndarray:
        """Correlate (channels, places), padded; depthwise where the weight has one input channel."""
        weight = self.s[f"{key}.weight"]
        kernel = weight.shape[2]
        if kernel == 1:
            out = weight[:, :, 0] @ x if weight.shape[1] == len(x) else weight[:, 0] * x
        else:
            padded = np.pad(x, ((0, 0), (kernel // 2,) * 2))
            out = sum(weight[:, 0, k, None] * padded[:, k : k + x.shape[1]] for k in range(kernel))[:, ::stride]
        return out + self.s[f"{key}.bias"][:, None] if f"{key}.bias" in self.s else out

    def normed(self, key: str, x: np.ndarray, stride: int = 1) -> np.ndarray:
        return whole_norm(
            self.conv(f"{key}.conv", x, stride), self.s[f"{key}.norm.weight"], self.s[f"{key}.norm.bias"]
        )

    def select(self, key: str, here: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
        n = here.shape[1]
        nearest = [place * elsewhere.shape[1] // n for place in range(n)]
        gate = sigmoid(self.normed(f"{key}.global_act", elsewhere))[:, nearest]
        added = self.normed(f"{key}.global_embedding", elsewhere)[:, nearest]
        return self.normed(f"{key}.local_embedding", here) * gate + added

    def scales(self, key: str, x: np.ndarray) -> np.ndarray:
        """One row, (channels, places)."""
        h = prelu(self.normed(f"{key}.proj_1x1", x), self.s[f"{key}.proj_1x1.act.weight"])
        scales = []
        for i in range(self.sizes["d"]):
            h = self.normed(f"{key}.spp_dw.{i}", h, 2 if i else 1)
            scales.append(h)
        n_coarse = h.shape[1]
        mix = np.zeros_like(h)
        for scale in scales:
            n = scale.shape[1]
            for place in range(n_coarse):
                mix[:, place] += scale[:, place * n // n_coarse : -(-(place + 1) * n // n_coarse)].mean(axis=1)
        mix = self.conv(f"{key}.globalatt.dwconv", self.normed(f"{key}.globalatt.fc1", mix))
        mix = self.normed(f"{key}.globalatt.fc2", np.maximum(mix, 0))
        fused = [self.select(f"{key}.loc_glo_fus.{i}", scale, mix) for i, scale in enumerate(scales)]
        last = self.sizes["d"] - 2
        out = self.select(f"{key}.last_layer.{last}", fused[last], fused[last - 1])
        for i in range(last - 1, -1, -1):
            out = self.select(f"{key}.last_layer.{i}", fused[i], out)
        return x + self.conv(f"{key}.res_conv", out)

    def channel_norm(self, key: str, x: np.ndarray) -> np.ndarray:
        """Every place of (channels, rows, places)."""
        x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        return self.s[f"{key}.gamma"][0] * x + self.s[f"{key}.beta"][0]

    def project(self, key: str, x: np.ndarray) -> np.ndarray:
        x = np.tensordot(self.s[f"{key}.conv.weight"][:, :, 0, 0], x, 1) + self.s[f"{key}.conv.bias"][:, None, None]
        return self.channel_norm(f"{key}.norm", prelu(x, self.s[f"{key}.act.weight"]))

    def attend(self, key: str, x: np.ndarray) -> np.ndarray:
        heads = []
        for i in range(self.sizes["heads"]):
            query, offer, value = (self.project(f"{key}.{part}.{i}", x) for part in ("Queries", "Keys", "Values"))
            scores = np.einsum("erp,erq->pq", query, offer) / math.sqrt(query.shape[0] * query.shape[1])
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(np.einsum("pq,crq->crp", weights / weights.sum(axis=1, keepdims=True), value))
        return x + self.project(f"{key}.attn_concat_proj", np.concatenate(heads))

    def path(self, key: str, x: np.ndarray) -> np.ndarray:
        rows = np.stack([self.scales(f"{key}.0", x[:, row]) for row in range(x.shape[1])], axis=1)
        return x + self.channel_norm(f"{key}.2", self.attend(f"{key}.1", rows))

    def masks(self, spectrum: np.ndarray) -> np.ndarray:
        bands = np.split(spectrum, np.cumsum(self.sizes["bands"])[:-1])
        epsilon = np.finfo(np.float32).eps
        features = []
        for i, band in enumerate(bands):
            parts = np.concatenate([band.real, band.imag])
            parts = whole_norm(parts, self.s[f"BN.{i}.0.weight"], self.s[f"BN.{i}.0.bias"], epsilon)
            features.append(self.conv(f"BN.{i}.1", parts))
        x = first = np.stack(features, axis=1)
        for repeat in range(self.n_repeats):
            if repeat:
                weight = self.s["separator.concat_block.0.weight"][:, :, 0]
                x = weight * (first + x) + self.s["separator.concat_block.0.bias"][:, None, None]
                x = prelu(x, self.s["separator.concat_block.1.weight"])
            x = self.path("separator.freq_path", x.transpose(0, 2, 1)).transpose(0, 2, 1)
            x = self.path("separator.frame_path", x)
        n_sources = self.sizes["c"]
        masks = []
        for i, width in enumerate(self.sizes["bands"]):
            h = prelu(x[:, i], self.s[f"mask.{i}.0.weight"])
            # Each group of features makes its share of the numbers, whatever they are for.
            weights = np.split(self.s[f"mask.{i}.1.weight"][:, :, 0], n_sources)
            out = np.concatenate([w @ part for w, part in zip(weights, np.split(h, n_sources), strict=True)])
            out = (out + self.s[f"mask.{i}.1.bias"][:, None]).reshape(2, 2, n_sources, width, -1)
            real, imaginary = out[0] * sigmoid(out[1])
            masks.append(real + 1j * imaginary)
        masks = np.concatenate(masks, axis=1)
        return masks + (1 - masks.sum(axis=0)) / n_sources

    def separate(self, mixture: np.ndarray) -> np.ndarray:
        n_fft = 2 * (sum(self.sizes["bands"]) - 1)
        hop, window = n_fft // 4, np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2
        padded = np.pad(mixture, n_fft // 2, mode="reflect")
        starts = range(0, len(padded) - n_fft + 1, hop)
        spectrum = np.stack([np.fft.rfft(window * padded[start : start + n_fft]) for start in starts], axis=1)
        masked = self.masks(spectrum) * spectrum
        out, total = np.zeros((len(masked), len(padded))), np.zeros(len(padded))
        for i, start in enumerate(starts):
            out[:, start : start + n_fft] += window * np.fft.irfft(masked[:, :, i], n_fft)
            total[start : start + n_fft] += window**2
        inside = slice(n_fft // 2, n_fft // 2 + len(mixture))
        return out[:, inside] / total[inside]


@pytest.mark.parametrize("n_samples", [60, 73, 181])
@pytest.mark.parametrize("n_repeats", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_network_is_the_paper_s(load, layout, n_repeats, n_samples) -> None:
    network = load(small(layout), layout, repeats=n_repeats)
    mixture = noise(n_samples)
    with torch.inference_mode():
        found = network.model(mixture[None])[0]
        model = network.model.double()
        model.window.copy_(torch.hann_window(len(model.window), dtype=torch.float64))
        exact = model(mixture.double()[None])[0]
    state = random_state(layout, SMALL[layout])
    state = {key.removeprefix("dialog."): value for key, value in state.items() if not key.startswith(("eff", "mus"))}
    expected = torch.from_numpy(Reference(state, SMALL[layout], n_repeats).separate(mixture.double().numpy()))
    assert found.shape == (SMALL[layout]["c"], n_samples)
    # Each source is far from the mixture in equal parts, which masks of nothing would give.
    assert decibels(expected, (mixture / len(expected)).expand_as(expected)) > -10
    assert decibels(exact, expected) < -200
    assert decibels(found.double(), expected) < -90


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_one_network_is_kept(load, layout) -> None:
    """Of three in the file; and how often it is gone through is no matter of weights."""
    n_parameters = sum(parameter.numel() for parameter in load(small(layout), layout).parameters())
    shapes = network_shapes(**SMALL[layout])
    unused = 2 * 3 * 3 * SMALL[layout]["h"]  # the selections of the coarsest scale
    assert n_parameters == sum(map(math.prod, shapes.values())) - unused
    if layout == "dnr":
        music, dialog = (load(small(layout), layout, part=part).model for part in ("music", "dialog"))
        assert not torch.equal(music.bands[0][1].weight, dialog.bands[0][1].weight)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_halves_and_torch_checkpoints(load, layout) -> None:
    state = random_state(layout, SMALL[layout])
    network = load(safetensors.torch.save({key: value.half() for key, value in state.items()}), layout)
    expected = load(saved(state), layout, suffix=".bin")
    # The selections of the coarsest scale, which nothing looks at, may be missing.
    last = f".loc_glo_fus.{SMALL[layout]['d'] - 1}."
    fewer = load(saved({key: value for key, value in state.items() if last not in key}), layout, suffix=".bin")
    for key, value in network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.allclose(value, expected.state_dict()[key], atol=1e-2), key
        assert torch.equal(fewer.state_dict()[key], expected.state_dict()[key]), key


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.1, 50), layout=st.sampled_from(LAYOUTS))
def test_gain_goes_through(gain, layout) -> None:
    torch.manual_seed(0)
    model = small_model(layout)
    mixture = 10 * noise(1, 200)
    with torch.inference_mode():
        assert decibels(model(gain * mixture), gain * model(mixture)) < -60
        assert (model(0 * mixture) == 0).all()


def small_model(layout: str, **changes: object) -> Tiger:
    sizes = SMALL[layout] | changes
    return Tiger(
        TigerOptions(
            bands=sizes["bands"],
            n_features=sizes["n"],
            n_hidden=sizes["h"],
            n_scales=sizes["d"],
            n_heads=sizes["heads"],
            n_attention=sizes["e"],
            n_sources=sizes["c"],
            n_repeats=sizes.get("b", 2),
        )
    ).eval()


class Fixed(Tiger):
    """Gives every other handful of samples to the other source."""

    def __init__(self) -> None:
        super().__init__(TigerOptions((1, 4), 2, 2, 3, 1, 1, 2, 1))

    def forward(self, mixture: Tensor) -> Tensor:
        first = mixture * (torch.arange(mixture.shape[-1]) % 8 < 4)
        return torch.stack([first, mixture - first], dim=1)


def test_the_louder_speaker_is_the_one_in_front() -> None:
    mixture = noise(2, 1, 800)
    in_first = torch.arange(800) % 8 < 4
    mixture[0, :, in_first] *= 0.5
    mixture[1, :, ~in_first] *= 0.5
    first = mixture * in_first

    def vocals(source: int | None) -> Tensor:
        return TigerNetwork(Fixed(), sample_rate=800, segment=1, overlap=0, source=source)(mixture)

    assert torch.equal(vocals(0), first)
    assert torch.equal(vocals(1), mixture - first)
    assert torch.equal(vocals(None), torch.stack([(mixture - first)[0], first[1]]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_samples", [1, 13, 999, 2501])
def test_any_length_and_batch(load, layout, n_samples) -> None:
    network = load(small(layout), layout, sample_rate=1000, segment=0.5, repeats=2)
    mixture = Audio(noise(3, n_samples), 1000)
    vocals, batched = separated(network, mixture), separated(network, mixture, 5)
    assert decibels(batched, vocals) < -60


def test_a_song_of_one_chunk_is_seen_as_it_is(load) -> None:
    """No zeros after it, which the norms would notice."""
    network = load(small("dnr"), "dnr", sample_rate=1000)
    mixture = noise(1, 777)
    with torch.inference_mode():
        expected = network.model(mixture)[:, 2]
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, 1000)).samples
    assert decibels(vocals, expected) < -90


def changed(layout: str, change: Callable[[dict[str, object]], None]) -> bytes:
    state = random_state(layout, SMALL[layout])
    change(state)
    return saved(state)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state, key: state.pop(key), "it lacks BN.0.1.weight"),
        (lambda state, key: state.update({key: torch.zeros(())}), "BN.0.1.weight is a single number"),
        (lambda state, key: state.update({key: torch.zeros(5, 2, 1)}), "5 features cannot be split into"),
        (lambda state, key: state.clear(), "it lacks BN.0.0.weight"),
        (
            lambda state, key: state.update({key.replace("1.weight", "0.weight"): torch.zeros(4)}),
            "bins a multiple of 4 and one",
        ),
    ],
    ids=["bands", "scalar", "features", "empty", "bins"],
)
def test_wrong_states(load, layout, change, reason) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load(changed(layout, lambda state: change(state, FIRST[layout])), layout, suffix=".bin")
    assert str(caught.value).startswith("model.bin: not a TIGER checkpoint (")


def test_another_part_or_another_model(load) -> None:
    for layout, wrong in (("dnr", {"part": ""}), ("dnr", {"part": "vocals"}), ("speech", {"part": "dialog"})):
        with pytest.raises(WeightsError, match=r"it lacks BN\.0\.0\.weight"):
            load(small(layout), layout, **wrong)


def test_wrong_catalogue_entries(load, pinned) -> None:
    file = pinned(b"", "file:nothing")
    for files, wrong in [((), SETTINGS["speech"]), ((file, file), SETTINGS["speech"]), ((file,), {"segment": 8})]:
        with pytest.raises(ConfigError, match="one file and the settings sample_rate, repeats, segment, overlap"):
            load_tiger(SeparatorSpec("mine", "tiger", "", "", "", files, wrong), offline=True)
    for wrong in ({"source": 2}, {"source": -1}, {"segment": 0.001}, {"overlap": 1}):
        with pytest.raises(
            ConfigError, match="mine: TIGER needs a source of 0 to 1, chunks of 24 samples or more and"
        ):
            load(small("speech"), "speech", **wrong)


@pytest.mark.parametrize("wrong", [{"bands": (1, 3)}, {"bands": ()}, {"d": 2}, {"b": 0}, {"e": 0}, {"heads": 3}])
def test_wrong_sizes(wrong) -> None:
    with pytest.raises(ValueError, match=r"sizes are positive|cannot be split"):
        small_model("speech", **wrong)
