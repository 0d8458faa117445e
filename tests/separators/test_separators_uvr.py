"""UVR's models: known spectra through ONNX, its list and folders, YAML into msst, and files that are none of it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import decibels, noise, saved
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec, create_separator, find_separator, uvr
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.msst import _build
from lyricsep.separators.uvr import MdxNetwork, MdxOptions, _facts, _listed, _msst_settings, find_uvr, load_uvr
from lyricsep.weights import Source, WeightFile, pinned

runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'lyricsep[uvr]'")

CPU = torch.device("cpu")
RATE = 44_100
N_FFT, N_BINS, N_FRAMES = 2048, 768, 16  # up to 16.5 kHz, chunks of a third of a second
LENGTH = 1024 * (N_FRAMES - 1)
VOCALS = MdxOptions(N_FFT, 1.0, is_vocals=True)


# ONNX files, written out field by field: a number is a varint, all else bytes with their length in front.


def part(*fields: tuple[int, object]) -> bytes:
    data = bytearray()
    for field, value in fields:
        is_number = isinstance(value, int)
        content = value.encode() if isinstance(value, str) else value
        data += varint(field << 3 | (0 if is_number else 2)) + varint(value if is_number else len(content))
        data += b"" if is_number else content
    return bytes(data)


def varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def node(kind: str, inputs: str, outputs: str, **numbers: int | list[int]) -> bytes:
    attributes = []
    for key, value in numbers.items():
        values = [(3, value), (20, 2)] if isinstance(value, int) else [*[(8, one) for one in value], (20, 7)]
        attributes.append((5, part((1, key), *values)))
    return part(*[(1, name) for name in inputs.split()], (2, outputs), (4, kind), *attributes)


def tensor(name: str, values: np.ndarray) -> bytes:
    kind = {"float32": 1, "int64": 7}[values.dtype.name]
    return part(*[(1, n) for n in values.shape], (2, kind), (8, name), (9, values.tobytes()))


def value_info(name: str, shape: Sequence[int | str], kind: int = 1) -> bytes:
    dims = [(1, part((1 if isinstance(n, int) else 2, n))) for n in shape]
    return part((1, name), (2, part((1, part((1, kind), (2, part(*dims)))))))


Shape = Sequence[int | str]


def onnx(
    nodes: Sequence[bytes],
    weights: Sequence[bytes] = (),
    *,
    takes: Shape = ("batch", 4, N_BINS, N_FRAMES),
    gives: Shape | None = None,
    kinds: tuple[int, int] = (1, 1),
    more: Sequence[bytes] = (),
) -> bytes:
    inputs = [value_info("input", takes, kinds[0]), *more]
    outputs = [value_info("output", takes if gives is None else gives, kinds[1])]
    graph = part(
        *[(1, one) for one in nodes],
        (2, "net"),
        *[(5, one) for one in weights],
        *[(11, one) for one in inputs],
        *[(12, one) for one in outputs],
    )
    return part((1, 8), (7, graph), (8, part((1, ""), (2, 13))))


def times(gains: object, **kind: Any) -> bytes:
    """A network that multiplies the spectrum by these numbers."""
    return onnx([node("Mul", "input gains", "output")], [tensor("gains", np.float32(gains))], **kind)


def network(model: bytes, options: MdxOptions = VOCALS) -> MdxNetwork:
    return MdxNetwork("mine", model, options)


def separated(found: MdxNetwork, samples: Tensor, rate: int = RATE, batch_size: int = 1) -> Tensor:
    vocals = NetworkSeparator("mine", found, CPU, batch_size).separate(Audio(samples, rate)).samples
    assert vocals.shape == samples.shape
    return vocals


def tone(hertz: float, n_samples: int, *, channels: int = 2, rate: int = RATE, phase: float = 0.0) -> Tensor:
    """A cosine that swells and fades, so that it has no more than its own frequency."""
    time = torch.arange(n_samples, dtype=torch.float64) / rate
    swell = torch.hann_window(n_samples, dtype=torch.float64)
    return (0.5 * swell * torch.cos(2 * math.pi * hertz * time + phase)).float().expand(channels, -1)


@pytest.fixture
def uvr_folder(tmp_path, cache) -> Callable[..., Path]:
    """UVR's folder of models with a file in it, and what UVR keeps of it beside."""

    def make(name: str, data: bytes, **beside: object) -> Path:
        folder = tmp_path / "MDX_Net_Models"
        (folder / "model_data" / "mdx_c_configs").mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        digest = hashlib.md5(data[-10_240_000:], usedforsecurity=False).hexdigest()
        for key, value in beside.items():
            text = value if isinstance(value, str) else json.dumps(value)
            file = {"record": f"model_data/{digest}.json", "records": "model_data/model_data.json"}.get(key, key)
            (folder / file).write_text(text.replace("DIGEST", digest))
        return folder / name

    return make


RECORD = {"mdx_n_fft_scale_set": N_FFT, "compensate": 1.0, "primary_stem": "Vocals", "mdx_dim_t_set": 4}


def load(path: Path) -> Any:
    return load_uvr(find_uvr(f"uvr:{path}"), offline=True)


# The spectrum.


@pytest.mark.parametrize("n_samples", [LENGTH // 2, LENGTH, 5 * LENGTH + 123])
@pytest.mark.parametrize("gain", [1.0, 0.5, -3.0])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_mask(n_samples, gain, channels) -> None:
    """Whole song or in chunks: below the highest bin all comes through, at the level of the mask."""
    mixture = tone(440, n_samples, channels=channels) + tone(9000, n_samples, channels=channels, phase=1)
    assert decibels(separated(network(times(gain)), mixture), gain * mixture) < -60


@pytest.mark.parametrize(("hertz", "gain"), [(150.0, 1.0), (16_000.0, 1.0), (17_000.0, 0.0), (5.0, 0.0)])
@pytest.mark.parametrize("is_vocals", [True, False])
def test_the_band(hertz, gain, is_vocals) -> None:
    """Bins 3 to 767 of 21.53 Hz each; the same for what an instrumental leaves, here all."""
    found = network(times(float(is_vocals)), MdxOptions(N_FFT, 1.0, is_vocals=is_vocals))
    mixture = tone(hertz, 6 * LENGTH)
    error = separated(found, mixture) - gain * mixture
    assert error.std() < 0.01 * mixture.std()


@pytest.mark.parametrize(("mask", "compensate", "left"), [(1.0, 1.0, 0.0), (0.5, 1.0, 0.5), (0.5, 1.5, 0.25)])
def test_what_a_network_makes_at_its_right_level(mask, compensate, left) -> None:
    """Vocals are that, or what an instrumental leaves of the mixture."""
    options = MdxOptions(N_FFT, compensate, is_vocals=False)
    mixture = tone(1000, 4 * LENGTH)
    vocals = separated(network(times(mask), options), mixture)
    assert decibels(vocals + mixture, (1 + left) * mixture) < -60
    direct = separated(network(times(mask), MdxOptions(N_FFT, compensate, is_vocals=True)), mixture)
    assert decibels(direct, (1 - left) * mixture) < -60


def test_the_order_of_the_planes() -> None:
    """Left before right, real before imaginary: a network that turns the left by a quarter and leaves no right."""
    swap = tensor("swap", np.int64([1, 0, 3, 2]))
    gains = tensor("gains", np.float32([-1, 1, 0, 0]).reshape(1, 4, 1, 1))
    nodes = [node("Gather", "input swap", "turned", axis=1), node("Mul", "turned gains", "output")]
    model = onnx(nodes, [swap, gains])
    vocals = separated(network(model), tone(1000, 4 * LENGTH))
    assert decibels(vocals[0], tone(1000, 4 * LENGTH, phase=math.pi / 2)[0]) < -40
    assert vocals[1].abs().max() < 1e-6


def test_a_mask_of_bins_and_frames() -> None:
    """Bins go up from 0 Hz, and frames are 1024 samples apart, the first centred on a chunk's first sample."""
    gains = np.zeros((1, 1, N_BINS, N_FRAMES), np.float32)
    gains[:, :, 300:, 4:12] = 1
    found = network(times(gains))
    with torch.inference_mode():
        high, low = found(tone(8000, LENGTH)[None])[0], found(tone(5000, LENGTH)[None])[0]
    assert decibels(high[:, 5 * 1024 : 10 * 1024], tone(8000, LENGTH)[:, 5 * 1024 : 10 * 1024]) < -60
    assert high[:, : 3 * 1024].abs().max() < 1e-3
    assert high[:, 13 * 1024 :].abs().max() < 1e-3
    assert low.abs().max() < 1e-2


@settings(max_examples=15, deadline=None)
@given(n_samples=st.integers(0, 3 * LENGTH), channels=st.integers(1, 8), batch_size=st.integers(1, 5))
def test_any_song(n_samples, channels, batch_size) -> None:
    mixture = noise(channels, n_samples)
    one, many = (network(times(2.0, takes=(n, 4, N_BINS, N_FRAMES))) for n in (1, "batch"))
    found = separated(many, mixture, batch_size=batch_size)
    assert found.isfinite().all()
    assert torch.allclose(found, separated(one, mixture, batch_size=batch_size), atol=1e-6)
    assert torch.allclose(found, separated(many, mixture), atol=1e-6)


@pytest.mark.parametrize(
    ("n_fft", "n_bins", "n_frames"),
    [
        (5120, 2048, 256),
        (5120, 2560, 256),
        (6144, 2048, 256),
        (6144, 3072, 256),
        (7680, 3072, 256),
        (6144, 2048, 512),
    ],
)
def test_published_frames(n_fft, n_bins, n_frames) -> None:
    """Of the shapes of the published files; the last are those of KUIELab."""
    model = times(1.0, takes=(1, 4, n_bins, n_frames))
    found = network(model, MdxOptions(n_fft, 1.0, is_vocals=True))
    assert found.chunking.length == 1024 * (n_frames - 1)
    mixture = tone(1000, 5 * RATE)
    assert decibels(separated(found, mixture), mixture) < -60


# What UVR knows of its files.


def test_the_facts() -> None:
    models, parameters = _facts()["models"], _facts()["parameters"]
    for name, config in models.items():
        assert (name.endswith(".onnx"), config) == (True, "") or (name.endswith(".ckpt") and config.endswith(".yaml"))
    options = []
    for digest, record in parameters.items():
        assert len(digest) == 32
        assert record.keys() == {"mdx_n_fft_scale_set", "compensate", "primary_stem"}
        if record["primary_stem"] in ("Vocals", "Instrumental"):
            options.append(MdxOptions.of(record))
    # As many ONNX files of the list are known by their content, with those for subscribers left out here.
    assert len(options) >= sum(name.endswith(".onnx") for name in models)
    assert {one.n_fft for one in options} == {5120, 6144, 7680}


def test_a_model_of_the_list() -> None:
    spec = find_uvr("uvr:UVR-MDX-NET-Voc_FT.onnx")
    assert (spec.name, spec.family, spec.status, spec.vocals) == ("uvr:UVR-MDX-NET-Voc_FT.onnx", "uvr", "works", True)
    (file,) = spec.files
    assert (file.name, file.sha256, file.size) == ("UVR-MDX-NET-Voc_FT.onnx", "", None)
    assert [str(source).rpartition("/")[0] for source in file.sources] == [
        "https://github.com/TRvlvr/model_repo/releases/download/all_public_uvr_models",
        "https://github.com/nomadkaraoke/python-audio-separator/releases/download/model-configs",
        "hub:Politrees/UVR_resources@main/models/MDXNet",
    ]
    assert find_uvr("UVR-MDX-NET-Voc_FT.onnx") == spec


def test_a_checkpoint_of_the_list() -> None:
    checkpoint, config = find_uvr("uvr:BS-Roformer-SW.ckpt").files
    assert (checkpoint.name, config.name) == ("BS-Roformer-SW.ckpt", "BS-Roformer-SW.yaml")
    assert len(checkpoint.sources) == len(config.sources) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Kim_Vocal_3.onnx", r"'uvr:Kim_Vocal_3\.onnx': neither a UVR model .*did you mean 'Kim_Vocal_[12]\.onnx'\?"),
        ("", "'uvr:': neither a UVR model with vocals nor a"),
        ("/nowhere/net.onnx", r"'uvr:/nowhere/net\.onnx': neither"),
        ("~nobody-here/net.onnx", "neither a UVR model"),
        ("n" * 5000 + ".onnx", "neither a UVR model"),
        ("kuielab_a_drums.onnx", "neither a UVR model with vocals"),
        ("1_HP-UVR.pth", r"networks of the VR architecture \(\.pth\) are not supported; choose an MDX-Net"),
        ("a\nb.onnx", r"'uvr:a\\nb\.onnx': neither"),
    ],
)
def test_names_that_are_none(name, reason) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        find_uvr(f"uvr:{name}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("stem", ["Vocals", "Instrumental"])
def test_a_file_of_uvr_s_folder(uvr_folder, stem) -> None:
    """With what its user told UVR of it, under the digest of its end."""
    path = uvr_folder("net.onnx", times(0.25), record=RECORD | {"primary_stem": stem})
    mixture = tone(1000, 2 * LENGTH)
    assert decibels(separated(load(path), mixture), (0.25 if stem == "Vocals" else 0.75) * mixture) < -60


def test_through_the_catalogue(uvr_folder) -> None:
    """48 kHz and five channels, as `lyricsep separate` would."""
    path = uvr_folder("net.onnx", times(0.5), record=RECORD)
    separator = create_separator(find_uvr(f"uvr:{path}"), CPU, offline=True)
    assert separator.name == f"uvr:{path}"
    mixture = tone(3000, 96_000, channels=5, rate=48_000)
    vocals = separator.separate(Audio(mixture, 48_000)).samples
    assert decibels(vocals, 0.5 * mixture) < -45


def test_a_file_of_uvr_s_own_table(uvr_folder) -> None:
    path = uvr_folder("net.onnx", times(0.25), records='{"DIGEST": ' + json.dumps(RECORD) + "}")
    assert load(path).options == VOCALS


def test_a_file_is_known_by_its_end(uvr_folder, monkeypatch) -> None:
    data = bytes(300) + os.urandom(10_240_000)
    path = uvr_folder("net.onnx", data, record={"found": 1})
    assert uvr._record(path) == {"found": 1}
    digest = hashlib.md5(data[300:], usedforsecurity=False).hexdigest()
    monkeypatch.setattr(uvr, "_facts", lambda: {"models": {}, "parameters": {digest: {"found": 2}}})
    assert uvr._record(path) == {"found": 2}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"primary_stem": "Drums"}, "it gives 'Drums', expected 'Vocals' or 'Instrumental'"),
        ({"primary_stem": None}, "it gives None"),
        ({"mdx_n_fft_scale_set": 2047}, "is an even number of samples from 2048, got 2047"),
        ({"mdx_n_fft_scale_set": 1024}, "is an even number of samples from 2048, got 1024"),
        ({"mdx_n_fft_scale_set": "6144"}, "is an even number of samples from 2048, got '6144'"),
        ({"mdx_n_fft_scale_set": 1 << 40}, "is an even number of samples"),
        ({"compensate": 0}, "compensate is a gain above 0, got 0"),
        ({"compensate": None}, "compensate is a gain above 0, got None"),
        ({"compensate": float("nan")}, "compensate is a gain above 0, got nan"),
    ],
)
def test_wrong_parameters(uvr_folder, record, reason) -> None:
    path = uvr_folder("net.onnx", times(1.0), record=RECORD | record)
    with pytest.raises(ConfigError, match=reason):
        load(path)


def test_unknown_parameters(uvr_folder) -> None:
    path = uvr_folder("net.onnx", times(1.0))
    with pytest.raises(ConfigError, match=r"net\.onnx: UVR publishes no parameters for this file; set them in UVR"):
        load(path)
    for text in ("[" * 100_000, "{", "\x00"):
        uvr_folder("net.onnx", times(1.0), record=text)
        with pytest.raises(ConfigError, match=r"\.json: not valid JSON"):
            load(path)
    uvr_folder("net.onnx", times(1.0), record="3", records="[]")
    with pytest.raises(ConfigError, match="UVR publishes no parameters"):
        load(path)


def test_an_entry_of_one_s_own(uvr_folder) -> None:
    """Its settings go before what UVR knows."""
    path = uvr_folder("net.onnx", times(1.0), record=RECORD | {"primary_stem": "Drums"})
    file = WeightFile("net.onnx", "", None, (Source.from_uri(f"file:{path}"),))
    spec = SeparatorSpec("mine", "uvr", "", "", "", (file,), RECORD | {"compensate": 1.5})
    assert load_uvr(spec, offline=True).options == MdxOptions(N_FFT, 1.5, is_vocals=True)
    for files in ((), (file, file)):
        with pytest.raises(ConfigError, match="mine: uvr needs an ONNX file, or a checkpoint"):
            load_uvr(SeparatorSpec("mine", "uvr", "", "", "", files), offline=True)


def test_downloads(web, cache, monkeypatch) -> None:
    """From the second place where the first has lost it; what came is pinned."""
    model = times(0.5)
    digest = hashlib.md5(model, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(uvr, "_RELEASE", web.address + "/release")
    monkeypatch.setattr(uvr, "_OTHERS", web.address + "/others")
    monkeypatch.setattr(uvr, "_facts", lambda: {"models": {"Kim.onnx": ""}, "parameters": {digest: RECORD}})
    web.serve("/release/Kim.onnx", web.status(404))
    web.serve("/others/Kim.onnx", web.whole(model))
    found = load_uvr(find_uvr("uvr:Kim.onnx"), offline=False)
    assert (found.options, found.name) == (VOCALS, "uvr:Kim.onnx")
    assert pinned(_listed("Kim.onnx")).sha256 == hashlib.sha256(model).hexdigest()
    assert load_uvr(find_uvr("uvr:Kim.onnx"), offline=True).options == VOCALS


# Files that are none.


def refused(model: bytes, reason: str, folder: Callable[..., Path]) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load(folder("net.onnx", model, record=RECORD))
    line = str(caught.value)
    assert line.startswith("net.onnx: not an MDX-Net (")
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("where", ["beside", "above", "absolute"])
def test_weights_in_other_files(uvr_folder, tmp_path, monkeypatch, where) -> None:
    """Refused wherever they are, before ONNX Runtime sees them."""
    path = uvr_folder("net.onnx", b"")
    secret = {"beside": path.parent, "above": tmp_path, "absolute": tmp_path}[where] / "weights.bin"
    np.ones(4, np.float32).tofile(secret)
    monkeypatch.chdir(path.parent)
    name = {"beside": "weights.bin", "above": "../weights.bin", "absolute": str(secret)}[where]
    outside = part((1, 4), (2, 1), (8, "gains"), (13, part((1, "location"), (2, name))), (14, 1))
    monkeypatch.setattr(runtime, "InferenceSession", None)
    model = onnx([node("Mul", "input gains", "output")], [outside])
    refused(model, "refused, it reads weights from another file", uvr_folder)


def test_the_other_format_of_the_library(uvr_folder, tmp_path) -> None:
    """ONNX Runtime reads a format of its own too, where it is not told to."""
    choices = runtime.SessionOptions()
    choices.optimized_model_filepath = str(tmp_path / "net.ort")
    choices.add_session_config_entry("session.save_model_format", "ORT")
    runtime.InferenceSession(times(1.0), choices, providers=["CPUExecutionProvider"])
    model = (tmp_path / "net.ort").read_bytes()
    runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    refused(model, "not an MDX-Net", uvr_folder)


COPY = [node("Identity", "input", "output")]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (onnx(COPY, takes=("batch", 2, N_BINS, N_FRAMES)), "expected 4 planes"),
        (onnx(COPY, takes=("batch", 4, N_BINS)), "expected spectra"),
        (onnx(COPY, takes=("batch", 4, N_BINS, "frames")), "expected 4 planes of as many bins and frames as it says"),
        (onnx(COPY, takes=(2, 4, N_BINS, N_FRAMES)), "expected 4 planes"),
        (onnx(COPY, takes=("batch", 4, 1026, N_FRAMES)), "it takes 1026 bins, and frames of 2048 samples have fewer"),
        (onnx(COPY, takes=("batch", 4, 3, N_FRAMES)), "it takes 3 bins"),
        (onnx(COPY, takes=("batch", 4, N_BINS, 3)), "its 3 frames are 2048 samples, expected 2048 to 5292000"),
        (onnx(COPY, takes=("batch", 4, N_BINS, 1 << 40)), "its 1099511627776 frames are"),
        (onnx(COPY, kinds=(7, 7)), r"it makes tensor\(int64\) of tensor\(int64\)"),
        (onnx([node("Cast", "input", "output", to=7)], kinds=(1, 7)), r"it makes tensor\(int64\) of tensor\(float\)"),
        (onnx(COPY, more=[value_info("extra", (1,))]), "it has not one input and one output"),
        (onnx([node("Conjure", "input", "output")]), "Conjure"),
        (onnx([node("Identity", "nothing", "output")]), "nothing"),
    ],
)
def test_other_networks(uvr_folder, model, reason) -> None:
    refused(model, reason, uvr_folder)


def test_networks_that_give_something_else() -> None:
    axes, sizes = tensor("axes", np.int64([3])), tensor("sizes", np.int64([4, 5]))
    shorter = onnx([node("ReduceSum", "input axes", "output")], [axes], gives=("a", "b", "c", "d"))
    with pytest.raises(WeightsError, match=rf"mine: returned shape \(1, 4, {N_BINS}, 1\) .* so it is not an MDX-Net"):
        separated(network(shorter), noise(2, LENGTH))
    impossible = onnx([node("Reshape", "input sizes", "output")], [sizes], gives=("a", "b"))
    with pytest.raises(WeightsError, match="mine: ONNX Runtime cannot run it") as caught:
        separated(network(impossible), noise(2, LENGTH))
    assert str(caught.value).isprintable()


def test_out_of_memory(monkeypatch) -> None:
    """ONNX Runtime's word for it is the engine's: smaller batches, and the same vocals."""
    found = network(times(0.5))
    mixture = noise(2, 8 * LENGTH)
    expected = separated(found, mixture, batch_size=8)
    answer, sizes = found._answer, []

    def small(planes: Tensor) -> Tensor:
        sizes.append(len(planes))
        if len(planes) > 2:
            raise RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9")
        return answer(planes)

    monkeypatch.setattr(found, "_answer", small)
    assert torch.allclose(separated(found, mixture, batch_size=8), expected, atol=1e-6)
    assert sizes[:3] == [8, 4, 2]
    monkeypatch.setattr(found, "_answer", lambda planes: small(planes.expand(3, -1, -1, -1)))
    with pytest.raises(ConfigError, match="one chunk does not fit into the memory of cpu"):
        separated(found, mixture)


@pytest.mark.parametrize("has_cuda", [True, False])
def test_cuda_is_used_where_the_library_has_it(monkeypatch, caplog, has_cuda) -> None:
    asked = []
    own = ["CUDAExecutionProvider", "CPUExecutionProvider"] if has_cuda else ["CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: own)
    monkeypatch.setattr(runtime, "InferenceSession", lambda *_, providers: asked.extend(providers))
    uvr._open(times(1.0), torch.device("cuda", 1))
    assert asked == [("CUDAExecutionProvider", {"device_id": 1})] * has_cuda + ["CPUExecutionProvider"]
    assert ("has no CUDA, so the network runs on the CPU" in caplog.text) != has_cuda


def test_without_the_library(uvr_folder, monkeypatch) -> None:
    path = uvr_folder("net.onnx", times(1.0), record=RECORD)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"needs onnxruntime .*pip install 'lyricsep\[uvr\]'"):
        load(path)


# Checkpoints and their YAML.

KIM = """
audio: {chunk_size: 352800, dim_f: 1024, dim_t: 256, hop_length: 441, n_fft: 2048, sample_rate: 44100}
model:
  dim: 384
  depth: 6
  stereo: true
  num_stems: 1
  time_transformer_depth: 1
  freq_transformer_depth: 1
  num_bands: 60
  dim_head: 64
  heads: 8
  attn_dropout: 0
  ff_dropout: 0
  flash_attn: True
  dim_freqs_in: 1025
  sample_rate: 44100
  stft_n_fft: 2048
  stft_hop_length: 441
  stft_win_length: 2048
  stft_normalized: False
  mask_estimator_depth: 2
  multi_stft_resolution_loss_weight: 1.0
  multi_stft_resolutions_window_sizes: !!python/tuple
  - 4096
  - 2048
  multi_stft_hop_size: 147
  multi_stft_normalized: False
training: {instruments: [Vocals, Instrumental], target_instrument: Vocals}
inference: {batch_size: 1, dim_t: 1101, num_overlap: 1, chunk_size: 352800}
"""
MDX23C = """
audio: {chunk_size: 261120, dim_f: 4096, dim_t: 256, hop_length: 1024, n_fft: 8192, sample_rate: 44100}
model:
  act: gelu
  bottleneck_factor: 4
  growth: 128
  norm: InstanceNorm
  num_blocks_per_scale: 2
  num_channels: 128
  num_scales: 5
  num_subbands: 4
  scale: [2, 2]
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {batch_size: 1, dim_t: 256, num_overlap: 4}
"""
SCNET = """
audio: {chunk_size: 485100, num_channels: 2, sample_rate: 44100, min_mean_abs: 0.000}
model:
  sources: [drums, bass, other, vocals]
  audio_channels: 2
  dims: [4, 32, 64, 128]
  nfft: 4096
  hop_size: 1024
  win_size: 4096
  normalized: True
  band_SR: [0.175, 0.392, 0.433]
  band_stride: [1, 4, 16]
  band_kernel: [3, 4, 16]
  conv_depths: [3, 2, 1]
  compress: 4
  conv_kernel: 3
  num_dplayer: 6
  expand: 1
training: {instruments: [Drums, Bass, Other, Vocals], target_instrument: null}
inference: {batch_size: 8, dim_t: 256, num_overlap: 4, normalize: true}
"""
SMALL = """
audio: {chunk_size: 4096, hop_length: 32, n_fft: 128, sample_rate: 44100}
model:
  dim: 12
  depth: 1
  stereo: true
  num_stems: NUMBER
  time_transformer_depth: 1
  freq_transformer_depth: 1
  freqs_per_bands: !!python/tuple
  - 3
  - 5
  - 5
  - 52
  dim_head: 4
  heads: 2
  dim_freqs_in: 65
  stft_n_fft: 128
  stft_hop_length: 32
  stft_win_length: 128
  mask_estimator_depth: 2
  multi_stft_hop_size: 147
training: {instruments: [Other, Vocals], target_instrument: TARGET}
inference: {num_overlap: 4}
"""


def read(text: str, tmp_path: Path) -> Any:
    (tmp_path / "net.yaml").write_text(text)
    return uvr._read_yaml(tmp_path / "net.yaml", "mine")


@pytest.mark.parametrize(
    ("name", "text"), [("mel_band_roformer_kim", KIM), ("mdx23c", MDX23C), ("scnet", SCNET)], ids=["kim", "mdx", "sc"]
)
def test_published_yaml(tmp_path, name, text) -> None:
    """It says what our catalogue says of the same network, and of its training nothing."""
    pytest.importorskip("yaml")
    found, is_rest = _msst_settings(read(text, tmp_path))
    expected = find_separator(name).settings
    options = dict(found["options"])
    names = options.pop("instruments", None)
    assert names in (None, ["Vocals", "Instrumental"])
    for key in ("flash_attn", "attn_dropout", "ff_dropout"):
        options.pop(key, None)
    wanted = {key: value for key, value in expected["options"].items() if key != "instruments"}
    assert (is_rest, options) == (False, wanted)
    assert abs(found["segment"] - expected["segment"]) < 1e-5
    for key in ("model", "source", "overlap"):
        assert found[key] == expected[key]
    assert found.get("normalizes") == expected.get("normalizes")


def small(target: str | None) -> tuple[str, bytes, Any]:
    """A small Band-Split RoFormer: its YAML, its checkpoint, and the library's own network with these weights."""
    text = SMALL.replace("NUMBER", "1" if target else "2").replace("TARGET", target or "null")
    torch.manual_seed(0)
    config = {"dim": 12, "depth": 1, "stereo": True, "num_stems": 1 if target else 2, "time_transformer_depth": 1}
    config |= {"freq_transformer_depth": 1, "freqs_per_bands": [3, 5, 5, 52], "dim_head": 4, "heads": 2}
    config |= {"stft_n_fft": 128, "stft_hop_length": 32, "stft_win_length": 128, "mask_estimator_depth": 2}
    model = _build(SeparatorSpec("", "msst", "", "", "", (), {"model": "bs_roformer", "options": config}))
    return text, saved(model.state_dict()), model.eval()


@pytest.mark.parametrize("target", ["vocals", "Instrumental", "other", None])
def test_checkpoints(uvr_folder, target) -> None:
    """The stem of the vocals, or what the instrumental leaves; at the end of a song, too."""
    pytest.importorskip("pymss_core")
    text, checkpoint, model = small(target)
    found = load(uvr_folder("net.ckpt", checkpoint, **{"net.yaml": text})).eval()
    assert (found.chunking.length, found.chunking.hop) == (4096, 1024)
    mixture = noise(2, 2, 4096)
    ended = torch.cat([mixture[..., :3000], torch.zeros(2, 2, 1096)], dim=-1)
    mirrored = torch.cat([mixture[..., :3000], mixture[..., 2999 - 1096 : 2999].flip(-1)], dim=-1)
    with torch.inference_mode():
        whole, last = found(mixture), found.finish(ended, 3000)
        for seen, given, vocals in ((mixture, mixture, whole), (mirrored, ended, last)):
            stems = model(seen)
            expected = {None: stems[:, 1], "vocals": stems}.get(target, given - stems if target else stems)
            assert decibels(vocals, expected) < -90
    assert separated(found, noise(3, 9001)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "yaml"),
    [
        ("net.ckpt", "net.yaml"),
        ("net.ckpt", "model_data/mdx_c_configs/net.yaml"),
        ("net.ckpt", "model_data/mdx_c_configs/of_its_content.yaml"),
        ("melband_roformer_inst_v1.ckpt", "model_data/mdx_c_configs/config_melbandroformer_inst.yaml"),
    ],
)
def test_where_the_yaml_lies(uvr_folder, name, yaml) -> None:
    path = uvr_folder(name, b"weights", record={"config_yaml": "of_its_content.yaml"})
    with pytest.raises(ConfigError, match=rf"{name}: its YAML {path.stem}\.yaml is not next to it"):
        find_uvr(f"uvr:{path}")
    (path.parent / yaml).write_text("")
    checkpoint, config = find_uvr(f"uvr:{path}").files
    assert str(checkpoint.sources[0]) == f"file:{path}"
    assert str(config.sources[0]) == f"file:{path.parent / yaml}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("sample_rate: 44100", "sample_rate: 48000"), "expected 44100 Hz, got 48000"),
        (("target_instrument: other", "target_instrument: drums"), "it gives drums, not vocals"),
        (("freqs_per_bands", "bands_per_freqs"), "expected one of num_bands, freqs_per_bands, num_subbands, band_SR"),
        (("audio:", "sound:"), "'audio' is missing"),
        (("chunk_size: 4096", "chunk_size: [4096]"), r"describes no network known here \("),
        (("chunk_size: 4096", "chunk_size: 1000000000"), "chunk_size is a number of samples, got 1000000000"),
        (("chunk_size: 4096", "chunk_size: .nan"), "chunk_size is a number of samples, got nan"),
        (("num_overlap: 4", "num_overlap: many"), r"describes no network known here \("),
        ((SMALL, "[audio, model, training]"), r"describes no network known here \("),
        (("  heads: 2", "  heads: 2\n  conjures: 3"), "conjures is not an option of bs_roformer"),
    ],
)
def test_other_yaml(uvr_folder, change, reason) -> None:
    """Said before the checkpoint is read, and here there is none."""
    pytest.importorskip("pymss_core")
    text = SMALL.replace("NUMBER", "1").replace("TARGET", "other").replace(*change)
    text = change[1] if change[0] == SMALL else text
    with pytest.raises(ConfigError, match=reason) as caught:
        load(uvr_folder("net.ckpt", b"", **{"net.yaml": text}))
    assert str(caught.value).isprintable()


def test_hostile_yaml(uvr_folder, tmp_path) -> None:
    """Nothing of it is executed."""
    texts = [
        f"audio: !!python/object/apply:os.system ['touch {tmp_path}/executed']",
        "a: &a [x, x]\nb: !!python/name:os.system",
        "[" * 5000,
        "{",
        "a: \x00",
        " " * (1 << 20) + "a: 1",
    ]
    for text in texts:
        with pytest.raises(WeightsError, match=r"net\.yaml: (not the YAML file of a network|refused)") as caught:
            load(uvr_folder("net.ckpt", b"", **{"net.yaml": text}))
        assert str(caught.value).isprintable()
    assert not (tmp_path / "executed").exists()
