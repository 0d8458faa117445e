"""IBM-CNN: the published variables, the network against their arithmetic, and chunks against whole songs."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import decibels, noise
from torch import nn
from torch.nn import functional as F

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.ibm_cnn import IbmCnn, IbmCnnNetwork, from_tensorflow, load_ibm_cnn

CPU = torch.device("cpu")

# Kernels of height (frames), width (bins), in, out; matrices of in, out. Only the first and the last scope are known;
# those between are made up, and the loader does not look at them.
SHAPES = {
    "Conv1": (3, 12, 1, 32),
    "Conv2": (3, 12, 32, 16),
    "Conv3": (3, 12, 16, 64),
    "Conv4": (3, 12, 64, 32),
    "Dense1": (4320, 2048),
    "Dense2": (2048, 512),
    "ouputLayer": (512, 18441),
}
Variables = dict[str, np.ndarray]


def random_variables(seed: int = 0) -> Variables:
    generator = np.random.default_rng(seed)
    variables = {}
    for scope, shape in SHAPES.items():
        scale = math.sqrt(2 / math.prod(shape[:-1]))
        variables[f"{scope}/weights"] = generator.standard_normal(shape, np.float32) * np.float32(scale)
        variables[f"{scope}/biases"] = generator.standard_normal(shape[-1], np.float32) * np.float32(0.1)
    return variables


@pytest.fixture(scope="module")
def published() -> Variables:
    return random_variables()


def blank() -> Variables:
    """Variables of the published shapes that take no memory."""
    zero = np.zeros((), np.float32)
    variables = {}
    for scope, shape in SHAPES.items():
        variables[f"{scope}/weights"] = np.broadcast_to(zero, shape)
        variables[f"{scope}/biases"] = np.broadcast_to(zero, shape[-1:])
    return variables


def saved(variables: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **variables)
    return buffer.getvalue()


@pytest.fixture
def load(spec_of) -> Callable[[bytes], IbmCnnNetwork]:
    return lambda data: load_ibm_cnn(spec_of("ibm_cnn", {"ibm_cnn.npz": data}), offline=True)


def small(seed: int = 0, n_bins: int = 65) -> IbmCnn:
    """A network of spectra of 128 samples, windows of 32 and hops of 8, whose masks are anything."""
    torch.manual_seed(seed)
    model = IbmCnn(n_bins, (4, 3, 4, 3), (12, 10)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1 / math.sqrt(max(1, math.prod(parameter.shape[1:]))))
    nn.init.normal_(model.output.bias, std=2)
    return model


def small_network(segment: float = 0.5, seed: int = 0) -> IbmCnnNetwork:
    return IbmCnnNetwork(small(seed), sample_rate=8000, segment=segment)


# The network in NumPy's doubles, from the published variables, in TensorFlow's order of axes.


def convolve(x: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Correlate (frames, bins, in) with "same" padding, and rectify."""
    n_frames, n_bins, _ = x.shape
    padded = np.pad(x, ((1, 1), (5, 6), (0, 0)))
    out = sum(padded[i : i + n_frames, j : j + n_bins] @ weights[i, j] for i in range(3) for j in range(12))
    return np.maximum(out + biases, 0)


def pool(x: np.ndarray) -> np.ndarray:
    """The maxima of 12 bins; what is missing for "same" padding is split between both ends, the odd one behind."""
    missing = -x.shape[1] % 12
    padded = np.pad(x, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)), constant_values=-np.inf)
    return padded.reshape(x.shape[0], -1, 12, x.shape[2]).max(axis=2)


def reference(variables: Variables, magnitude: np.ndarray) -> np.ndarray:
    layers = [[variables[f"{scope}/{leaf}"].astype(float) for leaf in ("weights", "biases")] for scope in SHAPES]
    x = magnitude[:, :, None]
    x = pool(convolve(convolve(x, *layers[0]), *layers[1]))
    x = pool(convolve(convolve(x, *layers[2]), *layers[3]))
    assert x.shape == (9, 15, 32)
    x = x.reshape(-1)
    for weights, biases in layers[4:6]:
        x = np.maximum(x @ weights + biases, 0)
    weights, biases = layers[6]
    return (x @ weights + biases).reshape(9, 2049)


def test_the_network_is_that_of_the_variables(published) -> None:
    magnitude = np.abs(np.random.default_rng(1).standard_normal((2, 9, 2049)))
    model = IbmCnn()
    model.load_state_dict(from_tensorflow(published))
    with torch.inference_mode():
        found = model(torch.from_numpy(magnitude).float())
    for one, window in zip(found, magnitude, strict=True):
        expected = torch.from_numpy(reference(published, window))
        assert expected.std() > 0.1
        assert decibels(one, expected) < -100


def constant(probability: float) -> IbmCnnNetwork:
    """A network that says the same of every bin."""
    network = small_network()
    with torch.no_grad():
        network.model.output.weight.zero_()
        network.model.output.bias.fill_(math.log(probability / (1 - probability)))
    return network


@pytest.mark.parametrize(
    ("probability", "gain"), [(0.9999999, 1.0), (0.5, 0.5), (0.1501, 0.1501), (0.1499, 0.0), (0.01, 0.0)]
)
def test_what_is_hardly_the_voice_is_nothing(probability, gain) -> None:
    """A soft mask, 0 below 0.15; and the mixture's phase and gain."""
    network = constant(probability)
    mixture = noise(3, 9000)
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, 8000)).samples
    assert torch.allclose(vocals, gain * mixture, atol=1e-5)


def test_the_middle_frame_is_kept() -> None:
    network = small_network()
    magnitude = noise(2, 65, 21).abs()
    with torch.inference_mode():
        found = network.mask(magnitude)
        padded = F.pad(magnitude, (4, 4))
        for i in range(21):
            window = padded[:, :, i : i + 9].mT
            mask = network.model(window).sigmoid()[:, 4]
            assert torch.allclose(found[:, :, i], torch.where(mask < 0.15, 0.0, mask), atol=1e-5)
    kept = found[found > 0]
    assert kept.min() >= 0.15
    assert kept.max() <= 1
    assert 0 < len(kept) < found.numel()


@settings(max_examples=20, deadline=None)
@given(n_samples=st.integers(1, 3000), segment=st.sampled_from([0.001, 0.01, 0.07, 0.3]), seed=st.integers(0, 9))
def test_chunks_are_the_whole_song(n_samples, segment, seed) -> None:
    mixture = noise(2, n_samples, seed=seed)
    whole = small_network(seed=seed)
    assert whole.chunking.hop == 4000
    expected = NetworkSeparator("mine", whole, CPU).separate(Audio(mixture, 8000)).samples
    network = small_network(segment, seed)
    found = NetworkSeparator("mine", network, CPU, batch_size=4).separate(Audio(mixture, 8000)).samples
    assert found.shape == (2, n_samples)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_song_in_one_piece() -> None:
    """The spectrum of all of it, no engine."""
    network = small_network(0.05)
    mixture = noise(1, 4000)
    window = torch.hann_window(32)
    with torch.inference_mode():
        spectrum = torch.stft(mixture, 128, 8, 32, window, pad_mode="constant", return_complex=True)
        padded = F.pad(spectrum.abs(), (4, 4))
        masks = [network.model(padded[:, :, i : i + 9].mT).sigmoid()[:, 4] for i in range(spectrum.shape[2])]
        mask = torch.stack(masks, dim=2)
        expected = torch.istft(torch.where(mask < 0.15, 0, mask) * spectrum, 128, 8, 32, window, length=4000)
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, 8000)).samples
    # Of the frames at the very ends, those outside the song are silent but not missing: leave one window there.
    assert decibels(vocals[:, 100:-100], expected[:, 100:-100]) < -90


def test_silence_stays() -> None:
    vocals = NetworkSeparator("mine", small_network(), CPU).separate(Audio(torch.zeros(1, 5000), 8000)).samples
    assert (vocals == 0).all()


def test_names_between_do_not_matter() -> None:
    """Nor their order, nor what optimisers left behind."""
    variables: Variables = {"global_step": np.array(7), "beta1_power": np.array(0.9, np.float32)}
    for number, (name, value) in enumerate(reversed(random_variables().items())):
        scope, leaf = name.split("/")
        scope = f"net/{scope}" if scope == "ouputLayer" else f"net/layer{list(SHAPES).index(scope) * 7 % 5}{scope}"
        name = f"{scope}/{leaf if number % 4 else leaf.upper()}"
        variables |= {f"{name}:0": value, f"{name}/Adam": 0 * value, f"{name}/Adam_1": 0 * value}
    found = from_tensorflow(variables)
    expected = from_tensorflow(random_variables())
    assert found.keys() == expected.keys() == IbmCnn(65).state_dict().keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda v: v.pop("Conv2/biases"),
            r"'Conv2' has variables of shapes \[\(3, 12, 32, 16\)\], which is no",
        ),
        (lambda v: [v.pop(f"Conv2/{leaf}") for leaf in ("weights", "biases")], "it lacks the weights of conv2"),
        (lambda v: v.clear(), r"it lacks the weights of conv1, of shape \(3, 12, 1, 32\)"),
        (lambda v: v.update({"Conv1/gamma": np.zeros(32)}), "'Conv1' has variables of shapes"),
        (lambda v: v.update({"decoder/weights": np.zeros((5, 5))}), "'decoder' has variables of shapes"),
        (lambda v: v.update({"Conv1/weights": np.zeros((12, 3, 1, 32))}), "'Conv1' has variables of shapes"),
        (
            lambda v: v.update({"other/w": np.zeros((2048, 512)), "other/b": np.zeros(512)}),
            "fc2 is there twice, the second time as 'other'",
        ),
        (lambda v: v.update({"Conv1/biases": np.zeros(32, int)}), "'Conv1' holds int64, expected floats"),
        (lambda v: v.update({"Conv1/biases": np.array(["a"] * 32)}), "'Conv1' holds <U1, expected floats"),
    ],
    ids=["bias", "layer", "empty", "more", "unknown", "turned", "twice", "whole numbers", "texts"],
)
def test_wrong_variables(change, reason) -> None:
    variables = blank()
    change(variables)
    with pytest.raises(ValueError, match=reason):
        from_tensorflow(variables)


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_damaged_files(load) -> None:
    whole = saved({"Conv1/weights": np.ones((3, 12, 1, 32), np.float32)})
    flipped = bytearray(whole)
    flipped[200] ^= 255
    damaged = [
        b"",
        b"<html>404</html>",
        whole[: len(whole) // 2],
        bytes(flipped),
        archive(**{"a.npy": header("(10**9,)")}),
        archive(**{"a.npy": header("(999999999999,)")}),
        archive(**{"a.npy": header("(4,)") + b"123"}),
        archive(**{"a.npy": header("(" * 90)}),
        archive(**{"a.npy": b"\x93NUMPY\x01\x00\xff"}),
        archive(**{"a.npy": b"\x93NUMPY\x09\x00"}),
        archive(**{"a.txt": b"no array"}),
    ]
    for data in damaged:
        with pytest.raises(WeightsError, match=r"^ibm_cnn\.npz: not the variables of IBM-CNN") as caught:
            load(data)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


def test_a_zip_bomb(load, monkeypatch) -> None:
    monkeypatch.setattr("lyricsep.separators.ibm_cnn.MAX_BYTES", 1 << 20)
    data = archive(**{"a.npy": header("(1000000,)") + bytes(4_000_000)})
    assert len(data) < 10_000
    with pytest.raises(WeightsError, match="it would unpack into 4000128 bytes"):
        load(data)


def test_wrong_catalogue_entries(pinned, tmp_path, cache) -> None:
    file = pinned(b"", f"file:{tmp_path}/nothing", name="ibm_cnn.npz")
    for files in ((), (file, file)):
        with pytest.raises(ConfigError, match=r"mine: IBM-CNN needs one file, got [02]"):
            load_ibm_cnn(SeparatorSpec("mine", "ibm_cnn", "", "", "", files), offline=True)
    with pytest.raises(WeightsError, match=r"could not be obtained.*`lyricsep models show mine` says how$"):
        load_ibm_cnn(SeparatorSpec("mine", "ibm_cnn", "", "", "", (file,)), offline=True)


def test_wrong_sizes() -> None:
    for n_bins in (3, 64, 67):
        with pytest.raises(ValueError, match=f"IBM-CNN needs a multiple of 8 bins and one.*got {n_bins} bins"):
            IbmCnnNetwork(IbmCnn(n_bins, (1, 1, 1, 1), (1, 1)))
    with pytest.raises(ValueError, match="a segment of a hop or more"):
        small_network(0.0009)
