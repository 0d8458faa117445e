"""Demucs by its own classes, on checkpoints like the published ones: fetched, verified, loaded, and as Demucs."""

from __future__ import annotations

import copy
import functools
import importlib.util
import io
import json
import math
import warnings
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.utils import center_trim
from julius.resample import resample_frac
from signals import decibels, layout_of, saved
from torch import Tensor, nn

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, LyricsepError, WeightsError
from lyricsep.separators import SeparatorSpec, create_separator
from lyricsep.separators.demucs import DemucsNetwork, WaveformDemucs
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.weights import WeightFile

CPU = torch.device("cpu")
RATE = 8000
SOURCES = ["drums", "bass", "other", "vocals"]
# The least that has every part of the real ones: both branches, where they meet, the transformer.
KINDS: dict[str, tuple[type[nn.Module], dict[str, object]]] = {
    "HTDemucs": (
        HTDemucs,
        {"channels": 8, "nfft": 512, "depth": 3, "t_layers": 1, "t_heads": 2, "bottom_channels": 16},
    ),
    "HDemucs": (HDemucs, {"channels": 8, "nfft": 256, "depth": 4}),
    "Demucs": (Demucs, {"channels": 8, "depth": 4}),
}


def keywords(kind: str, **changes: object) -> dict[str, object]:
    segment = {"HTDemucs": Fraction(6, 5), "HDemucs": 1.5, "Demucs": 1.5}[kind]
    return {"sources": SOURCES, "samplerate": RATE, "segment": segment, **KINDS[kind][1], **changes}


@functools.cache
def trained(kind: str, seed: int = 0) -> nn.Module:
    """A model whose weights are random, but as half precision holds them, as all published ones."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KINDS[kind][0](**keywords(kind))
    return model.half().float().eval()


def package(kind: str, seed: int = 0, **changes: object) -> dict[str, object]:
    """What Demucs saves: the class itself, its arguments, the state in half precision, notes on the training."""
    return {
        "klass": KINDS[kind][0],
        "args": (),
        "kwargs": keywords(kind) | {"only_training_knew": 1},
        "state": {key: value.half() for key, value in trained(kind, seed).state_dict().items()},
        "training_args": {"lr": np.float64(3e-4), "seed": np.int64(42), "dset": {"segment": Fraction(39, 5)}},
        **changes,
    }


def as_package(value: object, *, renamed: tuple[bytes, bytes] = (b"numpy._core.", b"numpy.core.")) -> bytes:
    """A ``.th`` file; NumPy 1 wrote the published ones."""
    saved, rewritten = io.BytesIO(), io.BytesIO()
    torch.save(value, saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(rewritten, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(*renamed) if name.endswith("data.pkl") else data)
    return rewritten.getvalue()


def as_safetensors(kind: str, seed: int = 0, **changes: str) -> bytes:
    def encoded(value: object) -> dict[str, object]:
        assert isinstance(value, Fraction)
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}

    klass = KINDS[kind][0]
    metadata = {
        "klass": f"{klass.__module__}.{klass.__name__}",
        "args": json.dumps([]),
        "kwargs": json.dumps(keywords(kind), default=encoded),
        **changes,
    }
    state = {key: value.half().contiguous() for key, value in trained(kind, seed).state_dict().items()}
    return safetensors.torch.save(state, metadata)


@pytest.fixture
def served(web, pinned, cache) -> Callable[..., WeightFile]:
    """Give a function that serves bytes, and pins them."""

    def serve(data: bytes, name: str, *answers: object) -> WeightFile:
        return pinned(data, web.serve(f"/{name}", *(answers or [web.whole(data)])), name=name)

    return serve


def made_of(*files: WeightFile, **options: object) -> SeparatorSpec:
    return SeparatorSpec("mine", "demucs", "", "", "", files, options)


def refused(spec: SeparatorSpec, match: str, error: type[LyricsepError] = WeightsError) -> None:
    with pytest.raises(error, match=match) as caught:
        create_separator(spec, CPU)
    assert str(caught.value).isprintable()  # one line
    assert len(str(caught.value)) < 700


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def noise(n_samples: int, seed: int = 0) -> Tensor:
    return torch.randn(2, n_samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def published(model: nn.Module | BagOfModels, mixture: Tensor, segment: float | None = None) -> Tensor:
    """The vocals as the library makes them."""
    with torch.inference_mode():
        return apply_model(model, mixture[None], shifts=0, split=True, overlap=0.25, segment=segment)[0, 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
def test_from_the_network_to_vocals(served, cache, kind, suffix) -> None:
    data = as_package(package(kind)) if suffix == ".th" else as_safetensors(kind)
    separator = create_separator(made_of(served(data, f"model{suffix}")), CPU)
    assert files_in(cache) == [f"model{suffix}"]
    mixture = noise(5 * RATE + 123)
    vocals = separator.separate(Audio(mixture, RATE)).samples
    assert decibels(vocals, published(trained(kind), mixture)) <= -100  # the claim is -50, inside the song
    assert all(value.dtype == torch.float32 for value in separator.network.state_dict().values())


@pytest.mark.parametrize("renamed", [(b"", b""), (b"numpy._core.", b"numpy.core.")], ids=["numpy 2", "numpy 1"])
def test_numbers_of_either_numpy(served, renamed) -> None:
    # Even where the network itself is told one.
    value = package("HTDemucs", kwargs=keywords("HTDemucs", t_dropout=np.float32(0.25), t_layers=np.int64(1)))
    separator = create_separator(made_of(served(as_package(value, renamed=renamed), "model.th")), CPU)
    assert separator.network.models[0].crosstransformer.layers[0].dropout.p == 0.25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segment", [None, 0.9])
@pytest.mark.parametrize("n_samples", [1, 2, 100, 5000, 7200, 9600, 9601, 12_001, 27_000, 27_001, 40_123])
def test_the_same_as_the_library(kind, segment, n_samples) -> None:
    mixture = noise(n_samples)
    network = DemucsNetwork([copy.deepcopy(trained(kind))], segment)
    vocals = NetworkSeparator("test", network, CPU, 3).separate(Audio(mixture, RATE)).samples
    expected = published(trained(kind), mixture, segment)
    # Where a single sample is left over, the library divides by its standard deviation, which is none.
    known = expected.isfinite()
    assert known[:, :-1].all()
    assert vocals.isfinite().all()
    if n_samples > 1 and known.any():
        assert decibels(vocals[known], expected[known]) <= -90


@pytest.mark.parametrize("segment", [None, 0.7])
def test_a_collection_is_the_mean_of_its_models(served, segment) -> None:
    kinds = ["HDemucs", "Demucs", "HDemucs"]
    files = [served(as_package(package(kind, seed)), f"{seed}.th") for seed, kind in enumerate(kinds)]
    options = {} if segment is None else {"segment": segment}
    separator = create_separator(made_of(*files, **options), CPU)
    mixture = noise(3 * RATE)
    vocals = separator.separate(Audio(mixture, RATE)).samples
    models = [copy.deepcopy(trained(kind, seed)) for seed, kind in enumerate(kinds)]
    assert decibels(vocals, published(BagOfModels(models, segment=segment), mixture)) <= -90
    assert decibels(vocals, published(models[0], mixture)) > -30


def test_a_transformer_is_not_asked_for_more_than_it_learnt() -> None:
    mixture = noise(3 * RATE)
    network = DemucsNetwork([copy.deepcopy(trained("HTDemucs"))], 44)
    vocals = NetworkSeparator("test", network, CPU).separate(Audio(mixture, RATE)).samples
    bag = BagOfModels([copy.deepcopy(trained("HTDemucs"))], segment=44)
    assert decibels(vocals, published(bag, mixture)) <= -90


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_quiet(kind) -> None:
    vocals = NetworkSeparator("test", DemucsNetwork([trained(kind)]), CPU).separate(Audio(torch.zeros(2, RATE), RATE))
    assert vocals.samples.abs().max() < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.exec",
        "demucs.htdemucs.torch",
        "HDemucs",
        "",
        "demucs.hdemucs.\nHDemucs",
    ],
)
def test_a_class_that_is_not_demucs(served, tmp_path, name) -> None:
    data = as_safetensors("HDemucs", klass=name, args=json.dumps([f"touch {tmp_path}/executed"]), kwargs="{}")
    refused(made_of(served(data, "model.safetensors")), r"model\.safetensors: names the class '.*'; only demucs\.htd")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"kwargs": "{"},
        {"args": "null"},
        {"kwargs": "[1, 2]"},
        {"kwargs": '{"sources": ["vocals"], "segment": {"_type": "fraction", "numerator": 1, "denominator": 0}}'},
        {"kwargs": '{"sources": ["vocals"], "segment": {"_type": "fraction"}}'},
        {"kwargs": "[" * 100_000},
        {"kwargs": '{"sources": ["vocals"], "stride": 0}'},
        {"kwargs": '{"sources": ["vocals"], "wiener_iters": 1}'},
        {"kwargs": '{"sources": 3}'},
        {"kwargs": '{"sources": ["vocals"]}'},
        {"args": '["too", "many", "arguments"]'},
        {"kwargs": json.dumps(keywords("HDemucs", segment=-1))},
        {"kwargs": json.dumps(keywords("HDemucs", segment="long"))},
        {"kwargs": json.dumps(keywords("HDemucs", sources=["drums", "bass", "other", "singing"]))},
    ],
    ids=str,
)
def test_metadata_that_makes_no_sense(served, changes) -> None:
    refused(made_of(served(as_safetensors("HDemucs", **changes), "model.safetensors")), "^(model.safetensors|mine): ")


def test_safetensors_that_are_not_demucs(served) -> None:
    plain = safetensors.torch.save({"weight": torch.zeros(3)})
    refused(
        made_of(served(plain, "a.safetensors")), r"a\.safetensors: not a Demucs checkpoint \(expected the metadata"
    )
    refused(made_of(served(b"\x00" * 100, "b.safetensors")), r"b\.safetensors: is not a safetensors file")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2, 3], "expected klass, args, kwargs and state"),
        ({"klass": HDemucs}, "expected klass, args, kwargs and state"),
        (package("HDemucs", klass=Fraction), "its class is <class 'fractions.Fraction'>"),
        (package("HDemucs", klass=torch.zeros(3)), "its class is tensor"),
        (package("HDemucs", klass="os.system"), "its class is os.system"),
        (package("HDemucs", args=3), "does not fit HDemucs"),
        (package("HDemucs", kwargs=None), "does not fit HDemucs"),
        (package("HDemucs", kwargs=[("sources", SOURCES)]), "does not fit HDemucs"),
        (package("HDemucs", kwargs={}), "does not fit HDemucs"),
        (package("HDemucs", state=None), "does not fit HDemucs"),
        (package("HDemucs", state={}), "does not fit HDemucs"),
        (package("HDemucs", klass=Demucs), "does not fit Demucs"),
        (package("HDemucs", state=package("HDemucs")["state"] | {"more": torch.zeros(1)}), "does not fit HDemucs"),
        (package("HDemucs", training_args=np.array(["a"])), "refused, as loading it would run numpy"),
        (package("HDemucs", training_args=np.datetime64(0, "s")), "is not a torch checkpoint, or is damaged"),
    ],
)
def test_packages_that_make_no_sense(served, value, reason) -> None:
    refused(made_of(served(as_package(value), "model.th")), rf"model\.th: .*{reason}")


def test_models_that_do_not_fit_together(served) -> None:
    files = [
        served(as_package(package("HDemucs")), "one.th"),
        served(
            as_safetensors("HDemucs", kwargs=json.dumps(keywords("HDemucs", samplerate=16_000))), "two.safetensors"
        ),
    ]
    refused(made_of(*files), "^mine: its checkpoints do not make a Demucs .*must agree on sources, rate and channels")
    refused(made_of(), "^mine: its checkpoints do not make a Demucs")
    refused(made_of(files[0], segment=0.0), "^mine: its checkpoints do not make a Demucs")


def test_a_quantised_model_needs_what_reads_it(served, monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "diffq" else found(name))
    data = as_package(package("HDemucs", state={"__quantized": True, "quantized": [torch.zeros(3)]}))
    refused(made_of(served(data, "model.th")), r"model\.th: .*pip install 'lyricsep\[quantized\]'", ConfigError)


def test_a_quantised_model(served) -> None:
    diffq = pytest.importorskip("diffq", reason="diffq is not installed: pip install 'lyricsep[quantized]'")
    model = copy.deepcopy(trained("HDemucs"))
    quantizer = diffq.DiffQuantizer(model, min_size=0.001, group_size=4)
    state = quantizer.get_quantized_state() | {"__quantized": True}
    separator = create_separator(made_of(served(as_package(package("HDemucs", state=state)), "model.th")), CPU)
    quantizer.detach()
    model = copy.deepcopy(trained("HDemucs"))
    diffq.restore_quantized_state(model, state)
    mixture = noise(2 * RATE)
    assert decibels(separator.separate(Audio(mixture, RATE)).samples, published(model, mixture)) <= -90
    assert decibels(published(model, mixture), published(trained("HDemucs"), mixture)) > -100  # it was quantised


# Demucs 2: what its files hold, and no more.


def waveform_state(channels: int = 8, depth: int = 4) -> dict[str, Tensor]:
    """Random weights under the published names, such that sounds go through."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, value in WaveformDemucs(SOURCES, RATE, channels=channels, depth=depth).state_dict().items():
        shape = value.shape
        # Transposed convolutions: each sample is of two frames.
        n_seen = 2 * shape[0] if key.startswith("decoder") and ".2.weight" in key else math.prod(shape[1:])
        state[key] = torch.randn(shape, generator=generator) * math.sqrt(2 / max(1, n_seen))
        if key.endswith("bias") or "bias_" in key:
            state[key] *= 0.05
    return state


def of_waveform(state: dict[str, Tensor]) -> WaveformDemucs:
    depth = sum(key.startswith("encoder") and key.endswith(".0.weight") for key in state)
    model = WaveformDemucs(SOURCES, RATE, channels=state["encoder.0.0.weight"].shape[0], depth=depth)
    model.load_state_dict(state)
    return model.eval()


def of_library(state: dict[str, Tensor]) -> Demucs:
    """Demucs as it is today, without what it did not have then."""
    then = {"lstm_layers": 2, "gelu": False, "dconv_mode": 0, "norm_starts": 4, "context": 1, "resample": True}
    model = Demucs(SOURCES, channels=8, depth=4, samplerate=RATE, **then)
    model.load_state_dict(dict(state))  # it knows "previous generation Demucs models"
    return model.eval()


WAVEFORM = {"sources": SOURCES, "sample_rate": RATE, "segment": 1.5}


def test_the_published_waveform_network() -> None:
    with torch.device("meta"):
        model = WaveformDemucs(SOURCES, 44_100)
    # Activations count in the published names; two recurrent layers of both directions.
    assert layout_of(model.state_dict()) == "970b05783674d297"
    # Those of the package demucs 2.0.3; 1.06 GB, as the published file.
    assert sum(value.numel() for value in model.parameters()) == 265_679_496


@pytest.mark.parametrize("n_samples", [1000, 12_001])
def test_waveforms_as_by_the_library_s_layers(n_samples) -> None:
    """By the layers of today's class, their padding taken away, as its forerunner says; the class itself does not."""
    state = waveform_state()
    ours, library = of_waveform(state), of_library(state)
    seen = ours.valid_length(n_samples)
    mixture = noise(seen)[None]
    mono = mixture.mean(dim=1, keepdim=True)
    with torch.inference_mode():
        x = resample_frac((mixture - mono.mean()) / (1e-5 + mono.std()), 1, 2)
        passed = []
        for block in library.encoder:
            x = block(x)
            passed.append(x)
        x = library.lstm(x)
        for block in library.decoder:
            block[0].padding = (0,)
            x = block(x + center_trim(passed.pop(), x))
        x = resample_frac(x, 2, 1) * mono.std() + mono.mean()
        found = ours(mixture)
        assert found.shape[:3] == (1, 4, 2)
        assert n_samples <= found.shape[-1] < n_samples + 4**4
        assert decibels(found.flatten(1, 2), x) <= -100
        # The library's class as it is: the same but for the ends, where it hears silence.
        padded = of_library(state)(mixture)
    edge = (padded.shape[-1] - found.shape[-1]) // 2
    inside = padded[..., edge:][..., : found.shape[-1]]
    assert decibels(found, inside) > -60
    if n_samples > 10_000:
        assert decibels(found[..., 1000:-1000], inside[..., 1000:-1000]) <= -90


def by_chunks(model: WaveformDemucs, mixture: Tensor, segment: int) -> Tensor:
    """The vocals as Demucs 2 says: each chunk hears the song around it, and fades into the next."""
    n_samples = mixture.shape[-1]
    total, weights = torch.zeros_like(mixture), torch.zeros(n_samples)
    for start in range(0, n_samples, segment * 3 // 4):
        length = min(segment, n_samples - start)
        seen = model.valid_length(length)
        first = start - (seen - length) // 2
        heard = nn.functional.pad(mixture, (seen, seen))[None, :, seen + first :][..., :seen]
        fade = torch.arange(1, segment // 2 + 1)
        weight = torch.cat([fade, fade.flip(0)])[:length]
        with torch.inference_mode():
            total[:, start : start + length] += weight * center_trim(model(heard)[0, 3], length)
        weights[start : start + length] += weight
    return total / weights


@pytest.mark.parametrize("n_samples", [1, 2, 5000, 12_000, 12_001, 40_123])
def test_waveforms_of_any_length_and_batch(n_samples) -> None:
    model = of_waveform(waveform_state())
    mixture = noise(n_samples)
    vocals = NetworkSeparator("test", DemucsNetwork([model], 1.5), CPU).separate(Audio(mixture, RATE)).samples
    assert vocals.shape == mixture.shape
    assert vocals.isfinite().all()
    network = DemucsNetwork([model], 1.5)
    batched = NetworkSeparator("test", network, CPU, batch_size=8).separate(Audio(mixture, RATE)).samples
    assert n_samples == 1 or decibels(batched, vocals) <= -90
    if n_samples > 1:
        assert decibels(vocals, by_chunks(model, mixture, 12_000)) <= -100


@pytest.mark.parametrize("gain", [0.1, 8.0])
def test_waveforms_keep_the_gain(gain) -> None:
    network = DemucsNetwork([of_waveform(waveform_state())], 1.5)
    mixture = noise(2 * RATE)
    vocals, scaled = (
        NetworkSeparator("test", network, CPU).separate(Audio(factor * mixture, RATE)).samples for factor in (1, gain)
    )
    assert vocals.std() > 1e-3
    assert decibels(scaled, gain * vocals) <= -50
    silence = NetworkSeparator("test", network, CPU).separate(Audio(0 * mixture, RATE)).samples
    assert (silence == 0).all()


@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
def test_waveforms_from_a_file(served, suffix) -> None:
    state = waveform_state()
    data = saved(state) if suffix == ".th" else safetensors.torch.save(state)
    separator = create_separator(made_of(served(data, f"model{suffix}"), **WAVEFORM), CPU)
    mixture = noise(3 * RATE)
    vocals = separator.separate(Audio(mixture, RATE)).samples
    expected = NetworkSeparator("test", DemucsNetwork([of_waveform(state)], 1.5), CPU)
    assert decibels(vocals, expected.separate(Audio(mixture, RATE)).samples) <= -100


FIRST, LAST = "encoder.0.0.weight", "lstm.linear.bias"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({LAST: None}, 'Missing key.* "lstm.linear.bias"'),
        ({"more": torch.zeros(1)}, 'Unexpected key.* "more"'),
        ({LAST: torch.zeros(3)}, "size mismatch for lstm.linear.bias"),
        ({LAST: "weights"}, "does not fit Demucs 2"),
        ({FIRST: torch.zeros(8)}, "does not fit Demucs 2"),
        ({FIRST: 3}, "does not fit Demucs 2"),
        ({FIRST: torch.zeros(8, 1, 8)}, "does not fit Demucs 2"),
        ({f"encoder.{level}.0.weight": torch.zeros(1) for level in range(4, 200)}, "does not fit Demucs 2"),
        ({FIRST: None}, r"not a Demucs checkpoint \(expected klass, args, kwargs and state"),
    ],
    ids=["missing", "unknown", "shape", "text", "sizes", "number", "mono", "deep", "another"],
)
def test_waveforms_that_are_none(served, change, reason) -> None:
    state: dict[str, object] = {**waveform_state(), **change}
    state = {key: value for key, value in state.items() if value is not None}
    refused(made_of(served(saved(state), "model.th"), **WAVEFORM), rf"^model\.th: .*{reason}")


def test_waveforms_without_what_their_file_does_not_say(served) -> None:
    data = saved(waveform_state())
    for settings_ in ({}, {"sources": SOURCES}, {"sample_rate": RATE}):
        spec = made_of(served(data, "model.th"), **settings_)
        refused(spec, "mine: model.th needs the settings sources and sample_rate", ConfigError)
    for sources in (["vocals"], ["a", "b", "c", "d"], 3):
        refused(made_of(served(data, "model.th"), sources=sources, sample_rate=RATE), "Demucs")
