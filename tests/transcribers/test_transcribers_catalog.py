"""The catalogue of models, and running transcribers made of both layouts of weights."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from lyricsep.errors import ConfigError, WeightsError
from lyricsep.lyrics import Segment
from lyricsep.transcribers import (
    BACKENDS,
    Clips,
    WhisperOptions,
    WhisperSpec,
    backend_name,
    create_transcriber,
    default_backend,
    find_model,
    model_catalog,
)
from lyricsep.transcribers.whisper import Attempt
from lyricsep.transcribers.whisper_internals import published_alignment_heads
from lyricsep.weights import Source, WeightFile

CPU = torch.device("cpu")
ONCE = WhisperOptions(mix_back=0.0, no_repeat_ngram_sizes=(), beam_size=1, word_times=True)

# Layers and heads of the published models' decoders (Whisper paper, table 1; turbo: its release notes)
DECODERS = {"tiny": (4, 6), "base": (6, 8), "small": (12, 12), "medium": (24, 16), "large": (32, 20)}


def decoder(name: str) -> tuple[int, int]:
    return (4, 20) if name == "large-v3-turbo" else DECODERS[name.split("-")[0].removesuffix(".en")]


def test_every_official_model_is_there_with_its_official_address() -> None:
    catalog = model_catalog()
    aliases = {"large": "large-v3", "turbo": "large-v3-turbo"}
    assert set(catalog) == {aliases.get(name, name) for name in whisper.available_models()}
    for name, spec in catalog.items():
        assert spec.name == name
        assert spec.summary
        (source,) = spec.openai.sources
        assert str(source) == whisper._MODELS[name]
        # openai-whisper takes the hash from the address, too.
        assert spec.openai.sha256 == str(source).split("/")[-2]


def test_ctranslate2_layouts_are_whole() -> None:
    layouts = {name: spec.ctranslate2 for name, spec in model_catalog().items() if spec.ctranslate2}
    assert set(layouts) == {"base", "tiny.en"}
    for files in layouts.values():
        assert {file.name for file in files} == {"model.bin", "config.json", "vocabulary.txt"}


@pytest.mark.parametrize("name", model_catalog())
def test_official_heads_are_those_of_openai_whisper(name) -> None:
    n_layers, n_heads = decoder(name)
    heads = published_alignment_heads(name, {"n_text_layer": n_layers, "n_text_head": n_heads})
    shell = Whisper(ModelDimensions(80, 10, n_heads, n_heads, 1, 10, 10, n_heads, n_heads, n_layers))
    shell.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    assert sorted(heads) == sorted(map(tuple, shell.alignment_heads.indices().T.tolist()))
    assert heads


@pytest.mark.parametrize("name", ["base", "tiny.en"])
def test_official_heads_are_those_of_the_installed_weights(real, name) -> None:
    n_layers, n_heads = decoder(name)
    heads = published_alignment_heads(name, {"n_text_layer": n_layers, "n_text_head": n_heads})
    assert sorted(map(tuple, real(name, "openai-whisper")._heads)) == sorted(heads)


def test_a_model_of_ones_own_has_nopublished_alignment_heads() -> None:
    assert published_alignment_heads("mine", {"n_text_layer": 4, "n_text_head": 6}) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bse", "did you mean 'base'"),
        ("large-v4", "did you mean 'large-v"),
        ("Tiny.en", "did you mean 'tiny.en'"),
        ("turb", "did you mean 'large-v3-turbo'"),
    ],
)
def test_a_name_that_is_nearly_right(name, hint) -> None:
    with pytest.raises(ConfigError, match=f"no Whisper model is called '{name}'; {hint}"):
        find_model(name)


def test_names_of_openai_whisper_are_aliases_unless_a_file_has_them(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [find_model(name).name for name in ("turbo", "large")] == ["large-v3-turbo", "large-v3"]
    (tmp_path / "turbo").mkdir()
    with pytest.raises(ConfigError, match="turbo: is not a CTranslate2 model"):
        find_model("turbo")


@pytest.mark.parametrize("name", ["xyzzy", ""])
def test_a_name_that_is_not_right_at_all(name) -> None:
    with pytest.raises(ConfigError, match=f"no Whisper model is called '{name}'; `lyricsep models list`"):
        find_model(name)


def test_what_is_at_hand_is_taken(tmp_path) -> None:
    here = tmp_path / "model.bin"
    here.write_bytes(b"weights")
    official = pinned("base.pt", b"official", "https://example.org/base.pt")
    local = pinned("model.bin", b"weights", f"file:{here}")
    missing = pinned("config.json", b"config", f"file:{tmp_path / 'config.json'}")
    assert WhisperSpec("a", "", official).files == (official,)
    assert WhisperSpec("a", "", official, (local,)).files == (local,)
    assert WhisperSpec("a", "", official, (local, missing)).files == (official,)


def test_the_quickest_backend_that_is_installed(monkeypatch) -> None:
    assert default_backend(torch.device("mps")) == "openai-whisper"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert default_backend(CPU) == "ctranslate2"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert default_backend(CPU) == "openai-whisper"


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("openai-whisper", "openai-whisper"), ("ctranslate2", "ctranslate2"), ("faster-whisper", "ctranslate2")],
)
def test_backend_names(name, canonical) -> None:
    assert backend_name(name) == canonical


def test_a_backend_that_does_not_exist() -> None:
    message = "no Whisper backend is called 'whisperx'; choose from openai-whisper, ctranslate2"
    with pytest.raises(ConfigError, match=message):
        backend_name("whisperx")
    with pytest.raises(ConfigError, match=message):
        create_transcriber(find_model("base"), CPU, backend="whisperx")


def test_a_backend_that_is_not_installed(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="ctranslate2 is not installed; run: pip install 'lyricsep"):
        create_transcriber(find_model("base"), CPU, backend="ctranslate2")


def test_a_backend_that_does_not_run_there() -> None:
    pytest.importorskip("ctranslate2")
    with pytest.raises(
        ConfigError, match="ctranslate2 does not run on mps; set backend='openai-whisper' or device='cpu'"
    ):
        create_transcriber(find_model("base"), torch.device("mps"), backend="ctranslate2")


def test_a_model_that_is_not_at_hand_offline() -> None:
    with pytest.raises(WeightsError, match="large-v1"):
        create_transcriber(find_model("large-v1"), CPU, offline=True)


# Checkpoints of openai-whisper


def pinned(name: str, content: bytes, uri: str) -> WeightFile:
    return WeightFile(name, hashlib.sha256(content).hexdigest(), None, (Source.from_uri(uri),))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> WhisperSpec:
    """A tiny Whisper of chance, as openai-whisper would publish it."""
    dims = ModelDimensions(80, 1500, 16, 2, 2, 51865, 448, 16, 2, 2)
    torch.manual_seed(0)
    model = Whisper(dims)
    for parameter in model.parameters():
        # Weights that float16 can hold: both layouts are then the same.
        parameter.data = (0.3 * torch.randn(parameter.shape)).half().float()
    path: Path = tmp_path_factory.mktemp("checkpoint") / "chance.pt"
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return WhisperSpec("chance", "", pinned("chance.pt", path.read_bytes(), f"file:{path}"))


@pytest.fixture(scope="module")
def chance(checkpoint) -> Callable[[str], object]:
    return lambda backend: create_transcriber(checkpoint, CPU, ONCE, backend=backend, compute_type="float32")


def test_both_backends_run_an_official_checkpoint(chance) -> None:
    pytest.importorskip("ctranslate2")
    ours, theirs = (chance(name) for name in BACKENDS)
    assert (ours.name, theirs.name) == ("openai-whisper chance", "ctranslate2 chance")
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    features = ours.backend.encode(mel)
    torch.testing.assert_close(theirs.backend.encode(mel), features, atol=1e-3, rtol=0)
    tokenizer = whisper.tokenizer.get_tokenizer(True, language="en", task="transcribe")
    attempt = Attempt(0.0, timestamps=False)
    mine, other = (t.backend.decode(features, tokenizer, attempt, ONCE)[0][0] for t in (ours, theirs))
    assert mine.tokens == other.tokens
    words = [
        t.backend.align(features, tokenizer, [tokenizer.encode(" one two three")], [3000])[0] for t in (ours, theirs)
    ]
    assert [word.tokens for word in words[0]] == [word.tokens for word in words[1]]
    # Whisper takes all heads of the later half for a model it does not know, and so does the file for CTranslate2.
    assert ours.backend._heads == [[1, 0], [1, 1]]
    assert [w.start for w in words[0]] == pytest.approx([w.start for w in words[1]], abs=0.021)


def test_opening_a_model_draws_no_weights_first(chance) -> None:
    """For large-v2 that would be thirteen seconds."""
    before = torch.get_rng_state()
    model = chance("openai-whisper").backend.model
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_a_checkpoint_is_converted_once(checkpoint, chance, monkeypatch) -> None:
    pytest.importorskip("ctranslate2")
    chance("ctranslate2")

    def refuse(*args: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr("lyricsep.transcribers.catalog.write_whisper", refuse)
    assert chance("ctranslate2").backend.is_multilingual


def test_another_process_may_convert_it_meanwhile(checkpoint, monkeypatch, tmp_path) -> None:
    pytest.importorskip("ctranslate2")
    from lyricsep.transcribers import catalog

    monkeypatch.setenv("LYRICSEP_CACHE", str(tmp_path))
    load = catalog.load_openai_checkpoint

    def slowly(path: Path) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
        monkeypatch.setattr(catalog, "load_openai_checkpoint", load)
        create_transcriber(checkpoint, CPU, backend="ctranslate2")
        return load(path)

    monkeypatch.setattr(catalog, "load_openai_checkpoint", slowly)
    assert create_transcriber(checkpoint, CPU, backend="ctranslate2").backend.n_mels == 80


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_chance_says_has_the_shape_of_lyrics(chance, backend) -> None:
    """Nonsense of any kind ends as lines and words inside their segments."""
    if backend == "ctranslate2":
        pytest.importorskip("ctranslate2")
    noise = (0.1 * np.random.default_rng(0).standard_normal(12 * 16_000)).astype(np.float32)
    job = Clips(noise, noise, [Segment(3.0, 3.01), Segment(5.0, 5.0), Segment(6.0, 12.0)], "de")
    transcriber = chance(backend)
    for timestamps, segments in ((False, job.segments), (True, job.segments), (True, None)):
        transcriber.options = replace(ONCE, timestamps=timestamps)
        (lyrics,) = transcriber.transcribe([replace(job, segments=segments)])
        assert lyrics.lines
        assert len(lyrics.decodings) == len(lyrics.segments) == (3 if segments else 1)
        for line in lyrics.lines:
            assert any(s.start <= line.start <= line.end <= s.end for s in lyrics.segments)
            assert all(line.start <= word.start <= word.end <= line.end for word in line.words)


def test_a_device_gets_no_sparse_tensors(chance) -> None:
    """Not every device can hold the alignment heads as openai-whisper keeps them."""
    assert not any(buffer.is_sparse for buffer in chance("openai-whisper").backend.model.buffers())
