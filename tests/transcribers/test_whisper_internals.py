"""The contract with openai-whisper: each part that lyricsep uses is in its place, and takes and returns the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from dataclasses import fields
from functools import reduce
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import whisper
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import ModelDimensions, Whisper
from whisper.timing import WordTiming, median_filter
from whisper.tokenizer import get_tokenizer

import lyricsep
from lyricsep.transcribers import whisper_internals
from lyricsep.transcribers.whisper_internals import (
    Tokenizer,
    decode_batch,
    decoder_attention,
    empty_whisper,
    share_cross_attention,
    smoothed,
    take_alignment_heads,
)

ROOT = Path(lyricsep.__file__).parent
ADAPTER = "lyricsep/transcribers/whisper_internals.py"
BROKEN = f"openai-whisper {version('openai-whisper')} differs from what {ADAPTER} expects: "

# Where each function is and its parameters; methods that lyricsep overrides must be called as they were.
SIGNATURES = {
    "whisper.audio.log_mel_spectrogram": "audio n_mels padding device",
    "whisper.audio.mel_filters": "device n_mels",
    "whisper.decoding.DecodingTask.__init__": "self model options",
    "whisper.decoding.DecodingTask._detect_language": "self audio_features tokens",
    "whisper.decoding.DecodingTask._get_audio_features": "self mel",
    "whisper.decoding.DecodingTask._main_loop": "self audio_features tokens",
    "whisper.decoding.DecodingTask.run": "self mel",
    "whisper.decoding.LogitFilter.apply": "self logits tokens",
    "whisper.decoding.MaximumLikelihoodRanker.__init__": "self length_penalty",
    "whisper.decoding.MaximumLikelihoodRanker.rank": "self tokens sum_logprobs",
    "whisper.model.MultiHeadAttention.forward": "self x xa mask kv_cache",
    "whisper.model.TextDecoder.forward": "self x xa kv_cache",
    "whisper.model.Whisper.__init__": "self dims",
    "whisper.model.disable_sdpa": "",
    "whisper.timing.median_filter": "x filter_width",
    "whisper.timing.merge_punctuations": "alignment prepended appended",
    "whisper.tokenizer.Tokenizer.decode": "self token_ids kwargs",
    "whisper.tokenizer.Tokenizer.encode": "self text kwargs",
    "whisper.tokenizer.Tokenizer.split_to_word_tokens": "self tokens",
    "whisper.tokenizer.get_tokenizer": "multilingual num_languages language task",
}
DIMENSIONS = [
    *("n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"),
]
# Modules that may import these few names themselves, from `whisper.tokenizer`.
TOKENIZER_NAMES = {"LANGUAGES", "TO_LANGUAGE_CODE", "Tokenizer", "get_tokenizer"}


@pytest.fixture
def model() -> Whisper:
    """A tiny Whisper of chance."""
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(80, 1500, 16, 2, 2, 51865, 448, 16, 2, 2)).eval()
    # openai-whisper leaves what this holds to the memory it gets, which may be no number.
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)
    return model


@pytest.mark.parametrize("path", SIGNATURES)
def test_a_function_is_where_it_was(path) -> None:
    package, module, *names = path.split(".")
    try:
        function = reduce(getattr, names, importlib.import_module(f"{package}.{module}"))
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{BROKEN}{path} is gone ({error})")
    parameters = " ".join(inspect.signature(function).parameters)
    assert parameters == SIGNATURES[path], f"{BROKEN}{path} takes ({parameters}), expected ({SIGNATURES[path]})"


def test_data_classes_have_the_fields_they_had() -> None:
    found = [field.name for field in fields(ModelDimensions)]
    assert found == DIMENSIONS, f"{BROKEN}ModelDimensions"
    found = [field.name for field in fields(WordTiming)]
    assert found == ["word", "tokens", "start", "end", "probability"], f"{BROKEN}WordTiming"
    options = {field.name for field in fields(DecodingOptions)}
    used = {"language", "temperature", "beam_size", "best_of", "without_timestamps", "fp16", "length_penalty"}
    assert used <= options, f"{BROKEN}DecodingOptions lacks {used - options}"


@pytest.mark.parametrize("multilingual", [True, False])
def test_the_tokenizer_has_what_the_protocol_names(multilingual) -> None:
    tokenizer = get_tokenizer(multilingual)
    names = {*Tokenizer.__annotations__, *(name for name in vars(Tokenizer) if not name.startswith("_"))}
    assert len(names) > 10
    missing = sorted(name for name in names if not hasattr(tokenizer, name))
    assert not missing, f"{BROKEN}Tokenizer lacks {', '.join(missing)}"
    # What `lyricsep.weights.vocabulary` reads.
    assert tokenizer.encoding.n_vocab > tokenizer.timestamp_begin > tokenizer.eot
    assert tokenizer.encoding.decode_single_token_bytes(tokenizer.eot) == b"<|endoftext|>"


def test_a_task_has_the_attributes_it_had(model) -> None:
    task = DecodingTask(model, DecodingOptions(language="en", beam_size=2, fp16=False))
    for name in ("logit_filters", "sample_begin", "sequence_ranker", "n_group", "options"):
        assert hasattr(task, name), f"{BROKEN}DecodingTask has no {name}"
    assert isinstance(task.logit_filters, list)


def test_a_task_ranks_with_its_ranker_and_runs_its_own_methods() -> None:
    """An overridden method that is no longer called would change results without an error."""
    source = inspect.getsource(DecodingTask.run)
    for call in ("_get_audio_features(", "_detect_language(", "_main_loop(", "sequence_ranker.rank("):
        assert f"self.{call}" in source, f"{BROKEN}DecodingTask.run does not call {call})"
    assert "[:: self.n_group]" in source, f"{BROKEN}DecodingTask.run keeps a row of features for every text"


def test_alignment_heads_are_packed_as_they_were(model) -> None:
    assert set(whisper.available_models()) == set(whisper._ALIGNMENT_HEADS), f"{BROKEN}_ALIGNMENT_HEADS"
    heads = model._buffers.get("alignment_heads")
    assert heads is not None, f"{BROKEN}Whisper has no buffer alignment_heads"
    assert heads.is_sparse, f"{BROKEN}Whisper.alignment_heads is not sparse"


def test_an_empty_model_has_all_weights_and_draws_none() -> None:
    before = torch.get_rng_state()
    dims = dict(zip(DIMENSIONS, (80, 1500, 16, 2, 2, 51865, 448, 16, 2, 2), strict=True))
    names = set(empty_whisper(dims).state_dict())
    assert torch.equal(torch.get_rng_state(), before)
    assert names == set(Whisper(ModelDimensions(**dims)).state_dict())


def test_attention_is_returned_for_the_chosen_heads(model) -> None:
    feature = torch.randn(1500, 16, generator=torch.Generator().manual_seed(0))
    attention, logits = decoder_attention(model, feature, [50258, 50259, 1, 2], [(1, 0), (0, 1), (1, 1)])
    assert attention.shape == (3, 4, 1500), f"{BROKEN}MultiHeadAttention.forward returns other attention"
    assert logits.shape == (4, 51865)
    # The module must be asked for attention itself, and left as it was.
    assert whisper.model.MultiHeadAttention.use_sdpa


def test_several_clips_with_several_beams(model) -> None:
    heads = take_alignment_heads(model)
    assert heads == [[1, 0], [1, 1]]
    assert model.alignment_heads is None
    share_cross_attention(model)
    features = torch.randn(3, 1500, 16, generator=torch.Generator().manual_seed(1))
    options = DecodingOptions(language="en", beam_size=2, fp16=False, without_timestamps=True, sample_len=8)
    together = decode_batch(model, features, options, no_repeat_ngram_size=3)
    for feature, texts in zip(features, together, strict=True):
        assert len(texts) == 2
        assert texts[0].avg_logprob * (len(texts[0].tokens) + 1) < 0
        assert 0 <= texts[0].no_speech_prob <= 1
        (alone,) = decode_batch(model, feature[None], options, no_repeat_ngram_size=3)
        assert [text.tokens for text in texts] == [text.tokens for text in alone]


def test_no_other_module_uses_what_is_private() -> None:
    """All else imports only what `whisper` itself names, and the names of the tokenizer."""
    offenders = []
    for path in ROOT.rglob("*.py"):
        shown = path.relative_to(ROOT.parent).as_posix()
        if shown == ADAPTER:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                offenders += [f"{shown}: import {a.name}" for a in node.names if a.name.split(".")[0] == "whisper"]
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "whisper":
                names = {alias.name for alias in node.names}
                allowed = TOKENIZER_NAMES if node.module == "whisper.tokenizer" else set()
                if node.module == "whisper":
                    allowed = {name for name in vars(whisper) if not name.startswith("_")}
                offenders += [f"{shown}: from {node.module} import {name}" for name in sorted(names - allowed)]
    assert not offenders, f"use {ADAPTER} instead: {offenders}"


def test_the_release_is_limited() -> None:
    """A release that nobody has tried must not be installed unseen."""
    project = ROOT.parent / "pyproject.toml"
    if not project.is_file():
        pytest.skip("needs a checkout")
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    (limits,) = [line for line in dependencies if line.startswith("openai-whisper")]
    lowest, highest = re.fullmatch(r"openai-whisper>=(\d+),<(\d+)", limits).groups()
    assert int(lowest) <= int(version("openai-whisper")) < int(highest)


def test_what_is_exported_exists() -> None:
    assert all(hasattr(whisper_internals, name) for name in whisper_internals.__all__)


@pytest.mark.parametrize("n_ticks", [1, 2, 3, 50])
def test_the_median_of_three_is_whisper_s(n_ticks: int) -> None:
    weights = torch.randn(4, 7, n_ticks, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smoothed(weights, 3), median_filter(weights, 3))
