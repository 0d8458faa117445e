"""Open-Unmix: the published state, and the network against its arithmetic."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.torch
import torch
from signals import decibels, layout_of, noise, saved, separated, sigmoid
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.umx import OpenUnmix, OpenUnmixNetwork, load_umx

CPU = torch.device("cpu")
RATE = 44_100
UMXHQ = {"n_bins": 2049, "n_seen": 1487, "n_hidden": 512}
UMXL = UMXHQ | {"n_hidden": 1024}
SMALL = {"n_bins": 129, "n_seen": 90, "n_hidden": 12}


def random_state(sizes: dict[str, int], seed: int = 0) -> OrderedDict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = OrderedDict()
    for key, value in OpenUnmix(**sizes).state_dict().items():
        shape = value.shape
        noise = torch.randn(shape, generator=generator)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(1000)
        elif key.endswith("running_var"):
            state[key] = 0.5 + noise.square()
        elif len(shape) == 1:  # norms centred at 0, or no unit behind them would be active
            state[key] = (1 if key.endswith(("scale", "put_mean", ".weight")) else 0) + 0.3 * noise
        else:
            state[key] = noise / math.sqrt(shape[1])
    return state


@pytest.fixture
def load(spec_of) -> Callable[..., OpenUnmixNetwork]:
    return lambda data, suffix=".pth": load_umx(spec_of("umx", {f"vocals{suffix}": data}), offline=True)


# The network in NumPy's doubles, from the paper's figure and the published state.


def lstm(x: np.ndarray, s: dict[str, np.ndarray], suffix: str) -> np.ndarray:
    """One direction of one layer; (n_frames, n_in) to (n_frames, n_hidden / 2)."""
    bias = s[f"lstm.bias_ih_{suffix}"] + s[f"lstm.bias_hh_{suffix}"]
    state = cell = np.zeros(s[f"lstm.weight_hh_{suffix}"].shape[1])
    out = []
    for frame in x:
        gates = s[f"lstm.weight_ih_{suffix}"] @ frame + s[f"lstm.weight_hh_{suffix}"] @ state + bias
        enter, forget, fresh, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(fresh)
        state = sigmoid(leave) * np.tanh(cell)
        out.append(state)
    return np.stack(out)


def batch_norm(x: np.ndarray, s: dict[str, np.ndarray], name: str) -> np.ndarray:
    scale = s[f"{name}.weight"] / np.sqrt(s[f"{name}.running_var"] + 1e-5)
    return (x - s[f"{name}.running_mean"]) * scale + s[f"{name}.bias"]


def reference_mask(state: dict[str, Tensor], magnitude: np.ndarray) -> np.ndarray:
    """(2, n_bins, n_frames) to the same."""
    s = {key: value.double().numpy() for key, value in state.items()}
    n_bins, n_seen = len(s["output_mean"]), len(s["input_mean"])
    x = (magnitude[:, :n_seen].transpose(2, 0, 1) + s["input_mean"]) * s["input_scale"]
    x = np.tanh(batch_norm(x.reshape(len(x), -1) @ s["fc1.weight"].T, s, "bn1"))
    y = x
    for layer in range(3):
        y = np.concatenate([lstm(y, s, f"l{layer}"), lstm(y[::-1], s, f"l{layer}_reverse")[::-1]], axis=1)
    x = np.maximum(batch_norm(np.concatenate([x, y], axis=1) @ s["fc2.weight"].T, s, "bn2"), 0)
    x = batch_norm(x @ s["fc3.weight"].T, s, "bn3").reshape(len(x), 2, n_bins)
    return np.maximum(x * s["output_scale"] + s["output_mean"], 0).transpose(1, 2, 0)


def reference(state: dict[str, Tensor], mixture: Tensor) -> Tensor:
    """A whole song at once: frames a quarter apart, centred, edges mirrored; overlap-add by the window's square."""
    n_fft = 2 * (len(state["output_mean"]) - 1)
    hop, n_samples = n_fft // 4, mixture.shape[1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(mixture.double().numpy(), ((0, 0), (n_fft // 2,) * 2), mode="reflect")
    starts = range(0, padded.shape[1] - n_fft + 1, hop)
    spectrum = np.stack([np.fft.rfft(window * padded[:, t : t + n_fft]) for t in starts], axis=2)
    masked = reference_mask(state, np.abs(spectrum)) * spectrum
    total, weight = np.zeros((2, padded.shape[1])), np.full(padded.shape[1], 1e-12)
    for k, start in enumerate(starts):
        total[:, start : start + n_fft] += window * np.fft.irfft(masked[..., k])
        weight[start : start + n_fft] += window**2
    return torch.from_numpy((total / weight)[:, n_fft // 2 : n_fft // 2 + n_samples]).float()


@pytest.mark.parametrize(("sizes", "layout"), [(UMXHQ, "3367179ebff2967d"), (UMXL, "860f33ebc2c22732")])
def test_names_and_shapes_are_the_published_ones(sizes, layout) -> None:
    assert layout_of(OpenUnmix(**sizes).state_dict()) == layout


@pytest.mark.parametrize("n_samples", [256, 1000, 4096])
def test_the_network_is_the_published_one(load, n_samples) -> None:
    network = load(saved(random_state(SMALL)))
    mixture = noise(2, n_samples)
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, RATE)).samples
    expected = reference(random_state(SMALL), mixture)
    assert expected.std() > 1e-2
    assert decibels(vocals, expected) < -90


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [1, 100, 3000])
def test_any_length_and_batch(load, n_channels, n_samples) -> None:
    model = load(saved(random_state(SMALL))).vocals
    network = OpenUnmixNetwork(model, 8000, segment=0.1)
    mixture = Audio(noise(n_channels, n_samples), 8000)
    vocals, batched = separated(network, mixture), separated(network, mixture, 5)
    assert (vocals - batched).abs().max() < 1e-5


def test_halves_and_safetensors(load) -> None:
    state = {key: value for key, value in random_state(SMALL).items() if "num_batches" not in key}
    found = load(safetensors.torch.save({key: value.half() for key, value in state.items()}), ".safetensors")
    for key, value in state.items():
        loaded = found.vocals.state_dict()[key]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, value.half().float()), key


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fc3.weight": None}, "it lacks fc3.weight"),
        ({"input_mean": None}, "it lacks input_mean"),
        ({"lstm.weight_ih_l2_reverse": None}, "it lacks lstm.weight_ih_l2_reverse"),
        ({"extra.weight": torch.zeros(3)}, "'extra.weight' is not known to OpenUnmix"),
        ({"fc2.weight": torch.zeros(12, 12)}, r"fc2.weight has the shape \(12, 12\), expected \(12, 24\)"),
        ({"fc1.weight": torch.zeros(12)}, r"fc1.weight has the shape \(12,\), expected 2 dimensions"),
        ({"fc1.weight": torch.zeros(13, 180)}, "an even n_hidden"),
        ({"input_mean": torch.zeros(0)}, r"input_mean has the shape \(0,\)"),
        ({"input_mean": torch.zeros(180)}, "1 <= n_seen <= n_bins"),
        ({"bn1.weight": "weights"}, "bn1.weight is not a tensor of weights"),
        ({"bn1.weight": torch.zeros(12, dtype=torch.int32)}, "bn1.weight is not a tensor of weights"),
        ({3: torch.zeros(3)}, "expected a dictionary of tensors, got "),
    ],
)
def test_wrong_states(load, changes, reason) -> None:
    state = {key: value for key, value in (random_state(SMALL) | changes).items() if value is not None}
    with pytest.raises(WeightsError, match=reason) as caught:
        load(saved(state))
    assert str(caught.value).startswith("vocals.pth: not an Open-Unmix checkpoint")


def test_wrong_arguments(pinned) -> None:
    file = pinned(b"", "file:nothing")
    for files in ((), (file, file)):
        with pytest.raises(ConfigError, match=r"mine: Open-Unmix needs one file, got [02]; correct"):
            load_umx(SeparatorSpec("mine", "umx", "", "", "", files), offline=True)
    with pytest.raises(ValueError, match="an even n_hidden"):
        OpenUnmix(n_hidden=7)
    with pytest.raises(ValueError, match="chunks of 256 samples or more, got 80"):
        OpenUnmixNetwork(OpenUnmix(**SMALL), 8000, segment=0.01)
