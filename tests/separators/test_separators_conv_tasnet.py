"""Conv-TasNet: the three published layouts, and the network against the paper's arithmetic."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.torch
import torch
from signals import Shapes, decibels, noise, prelu, saved, separated
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.conv_tasnet import ConvTasNet, ConvTasNetNetwork, ConvTasNetOptions, load_conv_tasnet
from lyricsep.separators.engine import NetworkSeparator

CPU = torch.device("cpu")

# The letters of the paper: N filters (of L taps), B and H channels, Sc of the skips, X blocks R times, C sources.
SMALL = {
    "demucs": {"n": 12, "taps": 6, "b": 8, "h": 10, "p": 3, "x": 3, "r": 2, "c": 4},
    "torchaudio": {"n": 12, "taps": 6, "b": 8, "h": 10, "sc": 8, "p": 3, "x": 8, "r": 1, "c": 2},
    "asteroid": {"n": 12, "taps": 6, "b": 8, "h": 10, "sc": 7, "p": 3, "x": 3, "r": 2, "c": 2},
}
PUBLISHED_TAPS = {"demucs": 20, "torchaudio": 16, "asteroid": 20}
# What the catalogue says of the published models: rate, seconds per chunk, which source the vocals are.
SETTINGS = {
    "demucs": {"sample_rate": 44_100, "segment": 8, "source": 3},
    "torchaudio": {"sample_rate": 8000, "segment": 8},
    "asteroid": {"sample_rate": 16_000, "segment": 4, "source": 0},
}
LAYOUTS = list(SMALL)


def demucs_shapes(n, taps, b, h, p, x, r, c) -> Shapes:
    """Stereo, no biases, norms of three dimensions, a matrix as decoder."""
    shapes: Shapes = {"encoder.conv1d_U.weight": (n, 2, taps)}
    shapes |= {"separator.network.0.gamma": (1, n, 1), "separator.network.0.beta": (1, n, 1)}
    shapes |= {"separator.network.1.weight": (b, n, 1)}
    for repeat in range(r):
        for place in range(x):
            net = f"separator.network.2.{repeat}.{place}.net"
            shapes |= {f"{net}.0.weight": (h, b, 1), f"{net}.1.weight": (1,)}
            shapes |= {f"{net}.2.gamma": (1, h, 1), f"{net}.2.beta": (1, h, 1)}
            shapes |= {f"{net}.3.net.0.weight": (h, 1, p), f"{net}.3.net.1.weight": (1,)}
            shapes |= {f"{net}.3.net.2.gamma": (1, h, 1), f"{net}.3.net.2.beta": (1, h, 1)}
            shapes |= {f"{net}.3.net.3.weight": (b, h, 1)}
    return shapes | {"separator.network.3.weight": (c * n, b, 1), "decoder.basis_signals.weight": (2 * taps, n)}


def torchaudio_shapes(n, taps, b, h, sc, p, x, r, c) -> Shapes:
    """Mono, biases, no residual in the last block."""
    shapes: Shapes = {"encoder.weight": (n, 1, taps), "decoder.weight": (n, 1, taps)}
    mask = "mask_generator"
    shapes |= {f"{mask}.input_norm.weight": (n,), f"{mask}.input_norm.bias": (n,)}
    shapes |= {f"{mask}.input_conv.weight": (b, n, 1), f"{mask}.input_conv.bias": (b,)}
    for i in range(x * r):
        block = f"{mask}.conv_layers.{i}"
        shapes |= {f"{block}.conv_layers.0.weight": (h, b, 1), f"{block}.conv_layers.0.bias": (h,)}
        shapes |= {f"{block}.conv_layers.1.weight": (1,), f"{block}.conv_layers.4.weight": (1,)}
        shapes |= {f"{block}.conv_layers.{j}.{leaf}": (h,) for j in (2, 5) for leaf in ("weight", "bias")}
        shapes |= {f"{block}.conv_layers.3.weight": (h, 1, p), f"{block}.conv_layers.3.bias": (h,)}
        shapes |= {f"{block}.skip_out.weight": (sc, h, 1), f"{block}.skip_out.bias": (sc,)}
        if i < x * r - 1:
            shapes |= {f"{block}.res_out.weight": (b, h, 1), f"{block}.res_out.bias": (b,)}
    shapes |= {f"{mask}.output_prelu.weight": (1,)}
    return shapes | {f"{mask}.output_conv.weight": (c * n, sc, 1), f"{mask}.output_conv.bias": (c * n,)}


def asteroid_shapes(n, taps, b, h, sc, p, x, r, c) -> Shapes:
    """Mono, biases, a residual in the last block too."""
    shapes: Shapes = {"encoder.filterbank._filters": (n, 1, taps), "decoder.filterbank._filters": (n, 1, taps)}
    shapes |= {"masker.bottleneck.0.gamma": (n,), "masker.bottleneck.0.beta": (n,)}
    shapes |= {"masker.bottleneck.1.weight": (b, n, 1), "masker.bottleneck.1.bias": (b,)}
    for i in range(x * r):
        block = f"masker.TCN.{i}"
        shapes |= {f"{block}.shared_block.0.weight": (h, b, 1), f"{block}.shared_block.0.bias": (h,)}
        shapes |= {f"{block}.shared_block.1.weight": (1,), f"{block}.shared_block.4.weight": (1,)}
        shapes |= {f"{block}.shared_block.{j}.{leaf}": (h,) for j in (2, 5) for leaf in ("gamma", "beta")}
        shapes |= {f"{block}.shared_block.3.weight": (h, 1, p), f"{block}.shared_block.3.bias": (h,)}
        shapes |= {f"{block}.res_conv.weight": (b, h, 1), f"{block}.res_conv.bias": (b,)}
        shapes |= {f"{block}.skip_conv.weight": (sc, h, 1), f"{block}.skip_conv.bias": (sc,)}
    shapes |= {"masker.mask_net.0.weight": (1,)}
    return shapes | {"masker.mask_net.1.weight": (c * n, sc, 1), "masker.mask_net.1.bias": (c * n,)}


SHAPES: dict[str, Callable[..., Shapes]] = {
    "demucs": demucs_shapes,
    "torchaudio": torchaudio_shapes,
    "asteroid": asteroid_shapes,
}


def random_state(layout: str, sizes: dict[str, int], seed: int = 0) -> OrderedDict[str, Tensor]:
    """Random weights under the published names; such that sounds go through, so none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)

    def weights(key: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if shape == (1,):
            return 0.25 + 0.05 * noise
        if key.endswith((".gamma", ".2.weight", ".5.weight", "norm.weight")):
            return 1 + 0.2 * noise
        return noise / math.sqrt(max(1, math.prod(shape[1:])))

    return OrderedDict((key, weights(key, shape)) for key, shape in SHAPES[layout](**sizes).items())


def model_args(sizes: dict[str, int], **changes: object) -> dict[str, object]:
    """What asteroid saves beside the state."""
    names = {"n": "n_filters", "taps": "kernel_size", "b": "bn_chan", "h": "hid_chan", "sc": "skip_chan"}
    names |= {"p": "conv_kernel_size", "x": "n_blocks", "r": "n_repeats", "c": "n_src"}
    arguments: dict[str, object] = {name: sizes[letter] for letter, name in names.items()}
    arguments |= {"fb_name": "FreeFB", "stride": sizes["taps"] // 2, "in_chan": sizes["n"], "out_chan": sizes["n"]}
    return arguments | {"norm_type": "gLN", "mask_act": "relu"} | changes


def checkpoint(layout: str, sizes: dict[str, int], seed: int = 0, **changes: object) -> object:
    state = random_state(layout, sizes, seed)
    if layout != "asteroid":
        return state
    # The scores of its training are NumPy's numbers.
    infos = {"metrics": {"si_sdr": np.float64(14.02), "sdr": np.float32(14.5)}}
    return {
        "model_name": "ConvTasNet",
        "model_args": model_args(sizes, **changes),
        "state_dict": state,
        "infos": infos,
    }


@pytest.fixture
def load(spec_of) -> Callable[..., ConvTasNetNetwork]:
    def read(data: bytes, layout: str, *, suffix: str = ".th", **changes: float) -> ConvTasNetNetwork:
        spec = spec_of("conv_tasnet", {f"net{suffix}": data}, SETTINGS[layout] | changes)
        return load_conv_tasnet(spec, offline=True)

    return read


# The network in NumPy's doubles, from the paper and the published state: no convolution of torch, no name of ours.


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, dilation: int = 1) -> np.ndarray:
    """Correlate (channels, frames), padded to as many frames; depthwise where the weight has one input channel."""
    kernel = weight.shape[2]
    padded = np.pad(x, ((0, 0), ((kernel - 1) // 2 * dilation,) * 2))
    taps = [padded[:, k * dilation : k * dilation + x.shape[1]] for k in range(kernel)]
    out = sum(weight[:, 0, k, None] * tap for k, tap in enumerate(taps)) if kernel > 1 else weight[:, :, 0] @ x
    return out if bias is None else out + bias[:, None]


def layer_norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray, *, framewise: bool = False) -> np.ndarray:
    axis = 0 if framewise else None
    centred = x - x.mean(axis=axis, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=axis, keepdims=True) + 1e-8)
    return gain.reshape(-1, 1) * centred / scale + bias.reshape(-1, 1)


def reference(layout: str, state: dict[str, Tensor], sizes: dict[str, int], mixture: Tensor) -> Tensor:
    s = {key: value.double().numpy() for key, value in state.items()}
    n_filters, length, n_blocks = sizes["n"], sizes["taps"], sizes["x"]
    stride, n_samples = length // 2, mixture.shape[1]
    names = {
        "demucs": ("encoder.conv1d_U.weight", "separator.network.0", "separator.network.1", "separator.network.3"),
        "torchaudio": (
            "encoder.weight",
            *(f"mask_generator.{n}" for n in ("input_norm", "input_conv", "output_conv")),
        ),
        "asteroid": (
            "encoder.filterbank._filters",
            "masker.bottleneck.0",
            "masker.bottleneck.1",
            "masker.mask_net.1",
        ),
    }
    encoder, norm, bottleneck, mask = names[layout]
    gain, bias = ("weight", "bias") if layout == "torchaudio" else ("gamma", "beta")
    edge = stride if layout == "torchaudio" else 0
    x = np.pad(mixture.double().numpy(), ((0, 0), (edge, edge + (-n_samples % stride if edge else 0))))
    starts = range(0, x.shape[1] - length + 1, stride)
    frames = np.stack([np.tensordot(s[encoder], x[:, t : t + length], 2) for t in starts], axis=1)
    if layout == "demucs":
        frames = np.maximum(frames, 0)
    h = layer_norm(frames, s[f"{norm}.{gain}"], s[f"{norm}.{bias}"], framewise=layout == "demucs")
    h = conv(h, s[f"{bottleneck}.weight"], s.get(f"{bottleneck}.bias"))
    total = 0
    for i in range(n_blocks * sizes["r"]):
        if layout == "demucs":
            block = f"separator.network.2.{i // n_blocks}.{i % n_blocks}.net"
            layers = [f"{block}.{j}" for j in (0, 1, 2)] + [f"{block}.3.net.{j}" for j in (0, 1, 2)]
            residual, skip = f"{block}.3.net.3", None
        elif layout == "torchaudio":
            block = f"mask_generator.conv_layers.{i}"
            layers = [f"{block}.conv_layers.{j}" for j in range(6)]
            residual, skip = f"{block}.res_out", f"{block}.skip_out"
        else:
            block = f"masker.TCN.{i}"
            layers = [f"{block}.shared_block.{j}" for j in range(6)]
            residual, skip = f"{block}.res_conv", f"{block}.skip_conv"
        y = prelu(conv(h, s[f"{layers[0]}.weight"], s.get(f"{layers[0]}.bias")), s[f"{layers[1]}.weight"])
        y = layer_norm(y, s[f"{layers[2]}.{gain}"], s[f"{layers[2]}.{bias}"])
        y = conv(y, s[f"{layers[3]}.weight"], s.get(f"{layers[3]}.bias"), 2 ** (i % n_blocks))
        y = layer_norm(prelu(y, s[f"{layers[4]}.weight"]), s[f"{layers[5]}.{gain}"], s[f"{layers[5]}.{bias}"])
        if skip:
            total = total + conv(y, s[f"{skip}.weight"], s[f"{skip}.bias"])
        if f"{residual}.weight" in s:
            h = h + conv(y, s[f"{residual}.weight"], s.get(f"{residual}.bias"))
    if layout != "demucs":
        slope = {"torchaudio": "mask_generator.output_prelu.weight", "asteroid": "masker.mask_net.0.weight"}[layout]
        h = prelu(total, s[slope])
    scores = conv(h, s[f"{mask}.weight"], s.get(f"{mask}.bias")).reshape(sizes["c"], n_filters, -1)
    masks = 1 / (1 + np.exp(-scores)) if layout == "torchaudio" else np.maximum(scores, 0)
    if layout == "demucs":
        basis = s["decoder.basis_signals.weight"].reshape(2, length, n_filters).transpose(2, 0, 1)
    else:
        basis = s["decoder.weight" if layout == "torchaudio" else "decoder.filterbank._filters"]
    out = np.zeros((sizes["c"], x.shape[0], x.shape[1]))
    for k, start in enumerate(starts):
        out[..., start : start + length] += np.tensordot(masks[:, :, k] * frames[:, k], basis, 1)
    return torch.from_numpy(out[..., edge : edge + n_samples]).float()


@pytest.mark.parametrize("n_samples", [300, 301, 305])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_network_is_the_paper_s(load, layout, n_samples) -> None:
    network = load(saved(checkpoint(layout, SMALL[layout])), layout)
    mixture = noise(network.n_channels, n_samples)
    with torch.inference_mode():
        found = network.model(mixture[None])[0]
    expected = reference(layout, random_state(layout, SMALL[layout]), SMALL[layout], mixture)
    assert found.shape == (SMALL[layout]["c"], network.n_channels, n_samples)
    assert expected.abs().max() > 1e-3
    assert decibels(found, expected) < -100


def test_asteroid_says_what_its_activations_are(load) -> None:
    sizes = SMALL["asteroid"]
    network = load(saved(checkpoint("asteroid", sizes, mask_act="sigmoid", encoder_activation="relu")), "asteroid")
    assert network.model.options.sigmoid_masks
    assert network.model.options.rectifies_input
    # Asteroid's own defaults.
    told = checkpoint("asteroid", sizes)
    del told["model_args"]["mask_act"]
    network = load(saved(told), "asteroid")
    assert network.model.options.sigmoid_masks
    assert not network.model.options.rectifies_input


@pytest.mark.parametrize("layout", LAYOUTS)
def test_safetensors_and_halves(load, layout) -> None:
    state = random_state(layout, SMALL[layout])
    metadata = {"model_args": json.dumps(model_args(SMALL[layout]))} if layout == "asteroid" else None
    data = safetensors.torch.save({key: value.half() for key, value in state.items()}, metadata)
    network = load(data, layout, suffix=".safetensors")
    expected = load(saved(checkpoint(layout, SMALL[layout])), layout)
    for key, value in network.model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected.model.state_dict()[key].half().float()), key


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gain", [0.125, 4.0])
def test_gain_goes_through(load, layout, gain) -> None:
    network = load(saved(checkpoint(layout, SMALL[layout])), layout)
    mixture = 10 * noise(1, network.n_channels, 4000)
    with torch.inference_mode():
        assert decibels(network(gain * mixture), gain * network(mixture)) < -60
        assert (network(0 * mixture) == 0).all()


class Fixed(ConvTasNet):
    """Gives every other handful of samples to the other source, at gains of its own."""

    def __init__(self, gains: list[float]) -> None:
        super().__init__(ConvTasNetOptions(4, 4, 2, 2, 2, 3, 1, 1, 2))
        self.gains = gains

    def forward(self, mixture: Tensor) -> Tensor:
        first = mixture * (torch.arange(mixture.shape[-1]) % 8 < 4)
        return torch.stack([first, mixture - first], dim=1) * torch.tensor(self.gains).reshape(1, 2, 1, 1)


@pytest.mark.parametrize("gains", [[1.0, 1.0], [40.0, 40.0], [0.02, 0.03], [-3.0, 2.0]])
def test_sources_add_up_to_the_mixture(gains) -> None:
    """Whatever gains and polarities a network trained for SI-SDR has; and the louder voice is the one in front."""
    mixture = noise(3, 1, 800)
    in_first = torch.arange(800) % 8 < 4
    mixture[0, :, in_first] *= 0.5
    mixture[1, :, ~in_first] *= 0.5
    mixture[2, :, ~in_first] *= 1e-5
    first = mixture * in_first

    def vocals(**options: object) -> Tensor:
        return ConvTasNetNetwork(Fixed(gains), sample_rate=800, segment=1, **options)(mixture)

    assert decibels(vocals(source=0, keeps_gain=False), first) < -60
    found = vocals(source=None, keeps_gain=False)
    assert decibels(found[1:], first[1:]) < -60
    assert decibels(found[:1], (mixture - first)[:1]) < -60
    # What is next to nothing does not become something.
    assert vocals(source=1, keeps_gain=False)[2].std() < 1e-5
    assert torch.equal(vocals(source=0, keeps_gain=True), gains[0] * first)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_samples", [1, 5, 7999, 20_001])
def test_any_length_and_batch(load, layout, n_samples) -> None:
    network = load(saved(checkpoint(layout, SMALL[layout])), layout, sample_rate=8000, segment=0.5)
    mixture = Audio(noise(3, n_samples), 8000)
    vocals, batched = separated(network, mixture), separated(network, mixture, 5)
    assert (vocals - batched).abs().max() < 1e-5


def test_a_song_of_one_chunk_is_seen_as_it_is(load) -> None:
    """No zeros after it, which the norms would notice."""
    network = load(saved(checkpoint("demucs", SMALL["demucs"])), "demucs", sample_rate=8000)
    mixture = noise(2, 3001)
    with torch.inference_mode():
        expected = network.model(mixture[None])[0, 3]
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, 8000)).samples
    assert decibels(vocals, expected) < -100


FIRST = {
    "demucs": "separator.network.1.weight",
    "torchaudio": "mask_generator.input_conv.weight",
    "asteroid": "masker.bottleneck.1.weight",
}


def changed(layout: str, change: Callable[[dict[str, object]], None]) -> bytes:
    value = checkpoint(layout, SMALL[layout])
    change(value["state_dict"] if layout == "asteroid" else value)
    return saved(value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state, key: state.pop(next(reversed(state))), "it lacks "),
        (lambda state, key: state.pop(key), "expected the layout of demucs, torchaudio, asteroid"),
        (lambda state, key: state.clear(), "got keys like 'none'"),
    ],
    ids=["missing", "another network", "empty"],
)
def test_wrong_states(load, layout, change, reason) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load(changed(layout, lambda state: change(state, FIRST[layout])), layout)
    assert str(caught.value).startswith("net.th: not a Conv-TasNet checkpoint")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm_type": "cgLN"}, "norm_type is 'cgLN', expected gLN"),
        ({"causal": True}, "causal is 'True', expected False"),
        ({"fb_name": "STFTFB"}, "fb_name is 'STFTFB'"),
        ({"mask_act": "softmax"}, "mask_act is 'softmax', expected sigmoid or relu"),
        ({"stride": 2}, "stride is '2', expected 3"),
        ({"n_blocks": 4}, "6 blocks are not a multiple of 4"),
        ({"n_blocks": "3"}, "6 blocks are not a multiple of 3"),
        ({"n_blocks": 0}, "6 blocks are not a multiple of 0"),
    ],
)
def test_what_asteroid_could_do_and_is_not_here(load, changes, reason) -> None:
    with pytest.raises(WeightsError, match=reason):
        load(saved(checkpoint("asteroid", SMALL["asteroid"], **changes)), "asteroid")


def test_lists_and_notes_are_no_checkpoints(load) -> None:
    for value in ({"state_dict": [1]}, {"state_dict": {}, "model_args": 3}):
        with pytest.raises(WeightsError, match="not a Conv-TasNet checkpoint"):
            load(saved(value), "asteroid")


def test_wrong_catalogue_entries(load, pinned) -> None:
    file = pinned(b"", "file:nothing")
    for files, settings_ in [((), SETTINGS["demucs"]), ((file, file), SETTINGS["demucs"]), ((file,), {"segment": 8})]:
        with pytest.raises(ConfigError, match="needs one file and the settings sample_rate, segment, got"):
            load_conv_tasnet(SeparatorSpec("mine", "conv_tasnet", "", "", "", files, settings_), offline=True)
    for wrong in ({"source": 4}, {"source": -1}, {"segment": 0.0001}):
        with pytest.raises(WeightsError, match="needs a source of 0 to 3 and chunks of 6 samples"):
            load(saved(checkpoint("demucs", SMALL["demucs"])), "demucs", **wrong)


@pytest.mark.parametrize("wrong", [{"n_filters": 0}, {"n_skip": -1}, {"filter_length": 15}, {"kernel_size": 2}])
def test_wrong_sizes(wrong) -> None:
    sizes = {"n_filters": 48, "filter_length": 16, "n_bottleneck": 24, "n_hidden": 48, "n_skip": 24}
    sizes |= {"kernel_size": 3, "n_blocks": 4, "n_repeats": 2, "n_sources": 2}
    with pytest.raises(ValueError, match="sizes are positive"):
        ConvTasNetOptions(**{**sizes, **wrong})
