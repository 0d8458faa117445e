"""RoFormers, SCNet, MDX23C, Bandit, Apollo: published keys, bands and sizes, known masks, and no checkpoints."""

from __future__ import annotations

import io
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
import safetensors.torch
import torch
from signals import decibels, layout_of, noise, saved, separated
from torch import Tensor

from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec, find_separator
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.msst import _NOTES, MsstNetwork, _build, load_msst

pytest.importorskip("pymss_core", reason="pymss-core is not installed: pip install 'lyricsep[msst]'")

CPU = torch.device("cpu")
RATE = 44_100
# `layout_of` each published checkpoint.
PUBLISHED = {
    "mel_band_roformer_kim": "d3c2012558c79730",
    "bs_roformer_viperx": "5478cc25f3e0fb86",
    "bs_roformer_sw": "3a6dde4391a76944",
    "scnet": "95b7ae833a7ea880",
    "scnet_xl": "a3a220aa20c97605",
    "mdx23c": "9b633f482b5c14cf",
    "bandit": "cf4a4e0edbb4b95c",
    "apollo": "131fb5a5bd0adb06",
}

_ROFORMER = {
    "dim": 12,
    "depth": 2,
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 4,
    "heads": 2,
}
SMALL: dict[str, dict[str, Any]] = {
    "mel_band_roformer": {
        "model": "mel_band_roformer",
        "segment": 4096 / RATE,
        "overlap": 0.5,
        "source": -1,
        "options": _ROFORMER
        | {"num_bands": 8, "stft_n_fft": 256, "stft_hop_length": 64, "stft_win_length": 256}
        | {"mask_estimator_depth": 3, "zero_dc": False, "match_input_audio_length": True},
    },
    "bs_roformer": {
        "model": "bs_roformer",
        "segment": 4096 / RATE,
        "overlap": 0.5,
        "source": 2,
        "options": _ROFORMER
        | {"num_stems": 3, "freqs_per_bands": [3, 5, 5, 52], "mask_estimator_depth": 2}
        | {"stft_n_fft": 128, "stft_hop_length": 32, "stft_win_length": 128},
    },
    "scnet": {
        "model": "scnet",
        "segment": 4096 / RATE,
        "overlap": 0.75,
        "source": 1,
        "normalizes": True,
        "options": {"sources": ["drums", "vocals"], "dims": [4, 8, 16], "nfft": 256, "hop_size": 64, "win_size": 256}
        | {"num_dplayer": 2},
    },
    "mdx23c": {
        "model": "mdx23c",
        "segment": 64 * 63 / RATE,
        "overlap": 0.5,
        "source": 0,
        "options": {"instruments": ["vocals", "other"], "n_fft": 256, "hop_length": 64, "dim_f": 128, "act": "gelu"}
        | {"norm": "InstanceNorm", "bottleneck_factor": 4, "growth": 8, "num_blocks_per_scale": 2}
        | {"num_channels": 8, "num_scales": 2, "num_subbands": 4, "scale": [2, 2]},
    },
    "bandit": {
        "model": "bandit",
        "segment": 4096 / RATE,
        "overlap": 0.5,
        "source": 1,
        "options": {"in_channel": 1, "stems": ["music", "speech", "effects"], "band_specs": "musical", "n_bands": 8}
        | {"fs": RATE, "n_sqm_modules": 2, "emb_dim": 8, "rnn_dim": 6, "rnn_type": "GRU", "mlp_dim": 12}
        | {"n_fft": 256, "win_length": 256, "hop_length": 64},
    },
    "apollo": {
        "model": "apollo",
        "segment": 4096 / RATE,
        "overlap": 0.5,
        "source": -1,
        "normalizes": "peak",
        "options": {"sr": RATE, "win": 20, "feature_dim": 16, "layer": 1},
    },
}
MODELS = list(SMALL)


def random_state(name: str, options: Mapping[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Random weights, such that sounds go through; what is no weight (frequencies, windows, bands) as it is made."""
    generator = torch.Generator().manual_seed(seed)
    spec = SeparatorSpec("mine", "msst", "", "", "", settings={"model": name, "options": options})
    state = dict(_build(spec).state_dict())
    for key, value in state.items():
        if key.endswith(("rotary_embed.freqs", "window", "cos_freq", "sin_freq")) or "freq_weights" in key:
            continue
        noise = torch.randn(value.shape, generator=generator)
        is_gain = value.ndim == 1 and key.endswith(("gamma", ".weight"))
        state[key] = 1 + 0.1 * noise if is_gain else noise / math.sqrt(max(1, math.prod(value.shape[1:])))
    return state


@pytest.fixture
def load(spec_of) -> Callable[..., MsstNetwork]:
    def read(data: bytes, name: str, *, suffix: str = ".ckpt", **changes: object) -> MsstNetwork:
        return load_msst(spec_of("msst", {f"net{suffix}": data}, SMALL[name] | changes), offline=True)

    return read


def small(name: str) -> bytes:
    return saved(random_state(name, SMALL[name]["options"]))


@pytest.mark.parametrize(("name", "layout"), PUBLISHED.items())
def test_networks_of_the_catalogue_are_those_of_the_published_files(name, layout) -> None:
    """Names and shapes; sizes: numbers, and of each tensor its name, place and checksum, about 400 bytes."""
    spec = find_separator(name)
    # Where the bands are computed it cannot be built without memory.
    with torch.device("cpu" if spec.settings["model"] in ("mel_band_roformer", "bandit") else "meta"):
        state = _build(spec).state_dict()
    assert layout_of(state) == layout
    over = spec.files[0].size - sum(value.nbytes for value in state.values())
    assert 250 * len(state) < over < 450 * len(state)


def identity(name: str, gains: list[float]) -> dict[str, Tensor]:
    """A network whose masks are these numbers, one for each stem: what the last layer is, under its gate."""
    options = SMALL[name]["options"]
    state = random_state(name, options)
    if name == "bandit":
        lasts = {
            f"bsrnn.mask_estim.{stem}.norm_mlp.": gain for stem, gain in zip(options["stems"], gains, strict=True)
        }
        last = ".output.0."
    else:
        lasts = {f"mask_estimators.{i}.": gain for i, gain in enumerate(gains)}
        last = f".0.{2 * (options['mask_estimator_depth'] - 1)}."
    for key, value in state.items():
        for prefix, gain in lasts.items():
            if key.startswith(prefix) and last in key:
                value.zero_()
                if key.endswith("bias"):
                    half = len(value) // 2
                    value[:half:2] = gain
                    value[half:] = 30
    return state


@pytest.mark.parametrize("name", ["mel_band_roformer", "bs_roformer", "bandit"])
@pytest.mark.parametrize("n_samples", [1000, 4096, 15_001])
def test_known_masks(load, name, n_samples) -> None:
    """Through the engine: whole song or in chunks, any channels, and the stem that was asked for."""
    network = load(saved(identity(name, [0.5, 2.0, -3.0])), name)
    gain = {"mel_band_roformer": 0.5, "bs_roformer": -3.0, "bandit": 2.0}[name]
    mixture = noise(3, n_samples)
    vocals = NetworkSeparator("mine", network, CPU).separate(Audio(mixture, RATE)).samples
    assert vocals.shape == mixture.shape
    assert decibels(vocals, gain * mixture) < -100


def test_a_mask_of_its_own_for_each_band(load) -> None:
    """The lowest of the published bands is what a mask of that band alone lets through."""
    state = identity("bs_roformer", [1.0, 1.0, 1.0])
    for key, value in state.items():
        if ".to_freqs." in key and key.split(".")[3] != "1" and key.endswith(".0.2.bias"):
            value[: len(value) // 2] = 0
    network = load(saved(state), "bs_roformer")
    time = torch.arange(4096) / RATE
    # Bins 3 to 7 of 128 per frame: 1.03 to 2.4 kHz, with what a window smears.
    for hertz, gain in ((1722.7, 1.0), (6000.0, 0.0), (12_000.0, 0.0)):
        tone = torch.sin(2 * math.pi * hertz * time).expand(1, 2, -1)
        with torch.inference_mode():
            inside = (network(tone) - gain * tone)[..., 500:-500]
        assert inside.abs().max() < 0.02


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_samples", [1, 4095, 9001])
def test_any_length_and_batch(load, name, n_samples) -> None:
    network = load(small(name), name)
    mixture = Audio(noise(3, n_samples), RATE)
    vocals, batched = separated(network, mixture), separated(network, mixture, 5)
    assert (vocals - batched).abs().max() < 1e-5 * max(1.0, float(vocals.abs().max()))


@pytest.mark.parametrize("name", MODELS)
def test_silence_is_silence(load, name) -> None:
    network = load(small(name), name)
    with torch.inference_mode():
        vocals = network(torch.zeros(1, network.n_channels, round(SMALL[name]["segment"] * RATE)))
    assert vocals.abs().max() < 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_the_stem_of_the_vocals(load, name) -> None:
    """As the library's own class gives it, with the same weights loaded by torch."""
    model = _build(SeparatorSpec("mine", "msst", "", "", "", settings=SMALL[name])).eval()
    model.load_state_dict(random_state(name, SMALL[name]["options"]))
    network = load(small(name), name, normalizes=False)
    mixture = noise(2, network.n_channels, round(SMALL[name]["segment"] * RATE))
    with torch.inference_mode():
        stems = model(mixture)
        vocals = stems if stems.ndim == 3 else stems[:, SMALL[name]["source"]]
        assert decibels(network.eval()(mixture), vocals) < -90
    assert vocals.std() > 1e-4


def test_the_last_chunk_is_mirrored(load) -> None:
    network = load(saved(identity("mel_band_roformer", [1.0])), "mel_band_roformer")
    seen = []
    network.model.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    chunks = torch.zeros(1, 2, 4096)
    for n_samples in (3000, 1500):
        chunks[..., :n_samples] = noise(1, 2, n_samples)
        chunks[..., n_samples:] = 0
        with torch.inference_mode():
            network.finish(chunks, n_samples)
    assert torch.equal(seen[0][..., 3000:], seen[0][..., 2999 - 1096 : 2999].flip(-1))
    assert torch.equal(seen[1], chunks)


def test_levels_are_those_of_chunks(load) -> None:
    network = load(small("scnet"), "scnet")
    seen = []
    network.model.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    with torch.inference_mode():
        network(torch.stack([40 * noise(2, 4096) + 7, noise(2, 4096)]))
    assert torch.allclose(seen[0].mean(dim=(1, 2)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(seen[0].std(dim=(1, 2)), torch.ones(2), atol=1e-4)


def test_peaks_are_those_of_chunks(load) -> None:
    network = load(small("apollo"), "apollo")
    seen = []
    network.model.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    with torch.inference_mode():
        network(torch.stack([40 * noise(1, 4096), noise(1, 4096)]))
    assert torch.equal(seen[0].abs().amax(dim=(1, 2)), torch.ones(2))


def test_only_the_masks_of_the_vocals_stay(load) -> None:
    for name, prefix in (("bs_roformer", "mask_estimators."), ("bandit", "bsrnn.mask_estim.")):
        keys = load(small(name), name).model.state_dict()
        assert len({key.removeprefix(prefix).split(".")[0] for key in keys if key.startswith(prefix)}) == 1


def as_saved_by_the_author(state: Mapping[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What Apollo's author saved: his settings as an OmegaConf (these stand for its classes), and torch's version."""
    names = ["dictconfig.DictConfig", "listconfig.ListConfig", "nodes.AnyNode"]
    names += ["base.ContainerMetadata", "base.Metadata"]
    kinds: dict[str, Any] = {}
    modules = {"omegaconf": ModuleType("omegaconf")}
    for name in names:
        module, kind = name.split(".")
        kinds[kind] = type(kind, (), {"__module__": f"omegaconf.{module}"})
        there = modules.setdefault(f"omegaconf.{module}", ModuleType(module))
        setattr(there, kind, kinds[kind])
    for module, there in modules.items():
        monkeypatch.setitem(sys.modules, module, there)

    def made(kind: str, **content: object) -> object:
        value = kinds[kind]()
        vars(value).update(content)
        return value

    about = {"ref_type": Any, "object_type": dict, "key_type": int, "resolver_cache": defaultdict(dict)}
    nodes = {"sr": made("AnyNode", _metadata=made("Metadata", ref_type=Any), _val=RATE)}
    listed = made("ListConfig", _metadata=made("ContainerMetadata", object_type=list), _content=list(nodes.values()))
    arguments = made("DictConfig", _metadata=made("ContainerMetadata", **about), _content=nodes | {"more": listed})
    infos = {"software_versions": {"torch_version": torch.__version__, "pytorch_lightning_version": "2.2"}}
    return saved({"model_name": "Apollo", "state_dict": dict(state), "model_args": arguments, "infos": infos})


def test_the_author_s_notes_are_not_made(load, monkeypatch) -> None:
    state = random_state("apollo", SMALL["apollo"]["options"])
    data = as_saved_by_the_author(state, monkeypatch)
    # The list that a public project allows for the published file, to load it.
    assert set(torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))) == set(_NOTES)
    for name in [name for name in sys.modules if name.startswith("omegaconf")]:
        monkeypatch.setitem(sys.modules, name, None)
    loaded = load(data, "apollo", suffix=".bin").model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


@pytest.mark.parametrize("wrapper", ["state", "state_dict", "model_state_dict"])
def test_states_in_what_training_scripts_save(load, wrapper) -> None:
    state = random_state("mdx23c", SMALL["mdx23c"]["options"])
    halves = {key: value.half() for key, value in state.items()}
    network = load(saved({wrapper: halves, "epoch": 3}), "mdx23c")
    loaded = network.model.state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float32}
    assert all(torch.equal(loaded[key], halves[key].float()) for key in state)


def test_safetensors(load) -> None:
    state = random_state("scnet", SMALL["scnet"]["options"])
    loaded = load(safetensors.torch.save(state), "scnet", suffix=".safetensors").model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state, key: state.pop(key), "it lacks "),
        (lambda state, key: state.update({"extra.weight": torch.zeros(3)}), "'extra.weight' is not known to "),
        (lambda state, key: state.update({key: torch.zeros(8, 13)}), r"has the shape \(8, 13\), expected "),
        (lambda state, key: state.update({key: torch.zeros(3, dtype=torch.int64)}), "is not a tensor of weights"),
        (lambda state, key: state.update({key: "weights"}), "is not a tensor of weights"),
        (lambda state, key: state.clear(), "it lacks "),
    ],
    ids=["missing", "unknown", "shape", "whole numbers", "text", "empty"],
)
def test_wrong_states(load, name, change, reason) -> None:
    state = random_state(name, SMALL[name]["options"])
    change(state, next(iter(state)))
    with pytest.raises(WeightsError, match=reason) as caught:
        load(saved(state), name)
    assert str(caught.value).startswith("net.ckpt: not a checkpoint of mine")


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        (
            "scnet",
            {"model": "htdemucs"},
            "model is one of mel_band_roformer, bs_roformer, scnet, mdx23c, bandit, apollo, got 'htdemucs'",
        ),
        ("scnet", {"model": 3}, "the setting model is missing or of another kind, got 3"),
        ("scnet", {"source": True}, "the setting source is missing or of another kind"),
        ("scnet", {"chunk": 3}, "chunk is not a setting of msst"),
        ("scnet", {"overlap": 1.0}, "overlap is 0 to below 1"),
        ("scnet", {"normalizes": 1}, "normalizes is true, false or peak, got 1"),
        ("apollo", {"normalizes": "rms"}, "normalizes is true, false or peak, got 'rms'"),
        ("scnet", {"source": 2}, "source is 0 to 1 for 2 stems, got 2"),
        ("scnet", {"source": -1}, "source is 0 to 1 for 2 stems, got -1"),
        ("mel_band_roformer", {"source": 0}, "source is -1 for 1 stems, got 0"),
        ("scnet", {"segment": 0.001}, "a segment has 256 samples or more, got 44"),
        ("bandit", {"segment": 0.001}, "a segment has 256 samples or more, got 44"),
        ("apollo", {"segment": 0.001}, "a segment has 882 samples or more, got 44"),
        ("bandit", {"source": 3}, "source is 0 to 2 for 3 stems, got 3"),
        ("bandit", {"options": SMALL["bandit"]["options"] | {"in_channel": 2}}, "in_channel is 1, each channel"),
        ("bandit", {"options": SMALL["bandit"]["options"] | {"band_specs": "few"}}, "the options make no bandit"),
        ("apollo", {"options": {"sr": RATE}}, "the options make no apollo .*win"),
        ("scnet", {"options": SMALL["scnet"]["options"] | {"num_dplayer": 3}}, "num_dplayer is even, got 3"),
        ("mdx23c", {"segment": 0.1}, "a segment of mdx23c has a multiple of 4 frames here, got 69"),
        ("bs_roformer", {"options": {"dim": 12}}, "the options make no bs_roformer .*depth"),
        ("bs_roformer", {"options": {"freq_bands": 12}}, "freq_bands is not an option of bs_roformer"),
        ("bs_roformer", {"options": {"dim": 8, "depth": 1, "freqs_per_bands": [3, 4]}}, "must equal 1025"),
        ("mdx23c", {"options": {"act": "gelu"}}, "the options make no mdx23c .*is missing"),
        (
            "mdx23c",
            {"options": SMALL["mdx23c"]["options"] | {"act": "tanh"}},
            "act is gelu, relu or elu and a number",
        ),
    ],
)
def test_wrong_catalogue_entries(load, name, changes, reason) -> None:
    """Said before anything is fetched: here there is nothing to fetch."""
    with pytest.raises(ConfigError, match=reason) as caught:
        load(b"", name, **changes)
    assert str(caught.value).startswith("mine: ")
    assert str(caught.value).endswith("; correct the catalogue entry")


def test_one_file() -> None:
    with pytest.raises(ConfigError, match="needs one file, got 0"):
        load_msst(SeparatorSpec("mine", "msst", "", "", "", (), SMALL["scnet"]), offline=True)


def test_without_the_library(load, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pymss_core.modules.scnet", None)
    with pytest.raises(ConfigError, match=r"mine: needs pymss-core .*pip install 'lyricsep\[msst\]'"):
        load(b"", "scnet")
