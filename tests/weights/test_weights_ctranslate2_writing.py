"""openai-whisper checkpoints as CTranslate2 folders: the published files to the byte, the same words sung."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from lyricsep.errors import WeightsError
from lyricsep.weights import ctranslate2 as room
from lyricsep.weights import load_openai_checkpoint, read_whisper, whisper_vocabulary, write_whisper
from lyricsep.weights.vocabulary import whisper_tokenizer

FILES = ["config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"]
DIMS = {
    "n_mels": 5,
    "n_audio_ctx": 7,
    "n_audio_state": 6,
    "n_audio_head": 3,
    "n_audio_layer": 2,
    "n_vocab": 51864,
    "n_text_ctx": 9,
    "n_text_state": 6,
    "n_text_head": 2,
    "n_text_layer": 3,
}
# The pattern of large-v3-turbo, made small: 128 bands, Cantonese, more layers that listen than layers that write.
TURBO = DIMS | {
    "n_mels": 128,
    "n_audio_ctx": 1500,
    "n_audio_state": 64,
    "n_audio_head": 4,
    "n_audio_layer": 12,
    "n_vocab": 51866,
    "n_text_ctx": 448,
    "n_text_state": 64,
    "n_text_head": 4,
    "n_text_layer": 2,
}


def random_state(dims: dict[str, int]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    state = Whisper(ModelDimensions(**dims)).state_dict()
    return {name: torch.randn(value.shape, generator=generator) / 4 for name, value in state.items()}


STATE = random_state(DIMS)
HEADS = [(1, 0), (2, 1)]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read(tmp_path, dtype) -> None:
    state = {name: value.to(dtype) for name, value in STATE.items()}
    write_whisper(tmp_path / "new" / "small", DIMS, state, HEADS)
    dims, found, heads = read_whisper(tmp_path / "new" / "small")
    assert (dims, heads) == (DIMS, HEADS)
    assert found.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(found[name], value.half()), name
    assert entries(tmp_path / "new") == ["small"]
    assert entries(tmp_path / "new" / "small") == FILES


@pytest.mark.parametrize("n_vocab", [51864, 51865, 51866])
def test_tokens_follow_the_vocabulary(tmp_path, n_vocab) -> None:
    dims = DIMS | {"n_vocab": n_vocab}
    write_whisper(tmp_path / "small", dims, random_state(dims), HEADS)
    ours = Whisper(ModelDimensions(**dims))
    assert len(json.loads((tmp_path / "small" / "vocabulary.json").read_text())) == n_vocab
    tokenizer = get_tokenizer(ours.is_multilingual, num_languages=ours.num_languages)
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert config["lang_ids"] == sorted(tokenizer.all_language_tokens)
    assert tokenizer.no_speech in config["suppress_ids"]
    assert config["suppress_ids_begin"] == [220, tokenizer.eot]


def test_weights_may_be_parameters_and_views(tmp_path) -> None:
    state = {name: value.t().contiguous().t() if value.ndim == 2 else value for name, value in STATE.items()}
    write_whisper(tmp_path / "a", DIMS, STATE, HEADS)
    write_whisper(tmp_path / "b", DIMS, {name: torch.nn.Parameter(value) for name, value in state.items()}, HEADS)
    assert sha256(tmp_path / "a" / "model.bin") == sha256(tmp_path / "b" / "model.bin")


def test_without_alignment_heads_those_of_openai_whisper_are_written(tmp_path) -> None:
    write_whisper(tmp_path / "small", DIMS, STATE, [])
    expected = Whisper(ModelDimensions(**DIMS)).alignment_heads.indices().T.tolist()
    assert (
        read_whisper(tmp_path / "small")[2] == [tuple(pair) for pair in expected] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    )


@pytest.mark.parametrize("model", ["base", "tiny.en"])
def test_real_models_come_back_to_the_byte(tmp_path, model, real_whisper) -> None:
    original = real_whisper(model)
    dims, state, heads = read_whisper(original)
    checkpoint = tmp_path / "model.pt"
    torch.save({"dims": dims, "model_state_dict": state}, checkpoint)
    folder = tmp_path / "folder"
    write_whisper(folder, *load_openai_checkpoint(checkpoint), heads)
    assert sha256(folder / "model.bin") == sha256(original / "model.bin")

    found, expected = (json.loads((place / "config.json").read_text()) for place in (folder, original))
    if model == "tiny.en":
        # The published file begins with the second language; nothing asks an English model for its languages.
        expected["lang_ids"].insert(0, 50258)
    assert found == expected
    if model == "base":
        assert sha256(folder / "config.json") == sha256(original / "config.json")


@pytest.mark.parametrize(
    ("model", "multilingual", "renamed"),
    [
        ("base", True, {"<|nocaptions|>": "<|nospeech|>"}),
        ("tiny.en", False, {"<|nocaptions|>": "<|nospeech|>", "<|iw|>": "<|he|>"}),
    ],
)
def test_the_vocabulary_is_the_published_one(model, multilingual, renamed, real_whisper) -> None:
    published = (real_whisper(model) / "vocabulary.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert set(renamed) <= set(published)
    # Later models say "nospeech" and "he", and CTranslate2 knows both.
    assert whisper_vocabulary(multilingual, 99) == [renamed.get(token, token) for token in published]


def test_large_v3_adds_cantonese() -> None:
    older, newer = whisper_vocabulary(True, 99), whisper_vocabulary(True, 100)
    assert newer == [*older[:50358], "<|yue|>", *older[50358:]]
    assert len(set(newer)) == len(newer) == 51866
    assert newer[-1] == "<|30.00|>"


@pytest.mark.parametrize(("model", "multilingual", "lost"), [("base", True, {"Ġ t"}), ("tiny.en", False, set())])
def test_the_merges_are_the_published_ones(model, multilingual, lost, real_whisper) -> None:
    published = json.loads((real_whisper(model) / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    ours = whisper_tokenizer(multilingual, 99)["model"]
    assert ours["vocab"] == {
        token: index for token, index in published["vocab"].items() if index < len(ours["vocab"])
    }
    assert [merge for merge in ours["merges"] if merge not in lost] == published["merges"]


@pytest.fixture(scope="module", params=[(False, 99), (True, 100)], ids=["English", "multilingual"])
def tokenizers_of_both(request):
    tokenizers = pytest.importorskip("tokenizers")
    multilingual, n_languages = request.param
    ours = tokenizers.Tokenizer.from_str(json.dumps(whisper_tokenizer(multilingual, n_languages)))
    return ours, get_tokenizer(multilingual, num_languages=n_languages)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text("theTHE t'lsré ñß愛夢🎵\n", max_size=40))
def test_text_is_tokenised_as_by_openai_whisper(tokenizers_of_both, text) -> None:
    ours, theirs = tokenizers_of_both
    ids = ours.encode(text, add_special_tokens=False).ids
    # A "<|…|>" that a text spells out is a control token for one and text for the other, but nobody sings it.
    assert "<|" in text or ids == theirs.encode(text)
    assert "<|" in text or ours.decode(ids) == text


def test_control_tokens_have_the_ids_of_openai_whisper(tokenizers_of_both) -> None:
    ours, theirs = tokenizers_of_both
    assert {name: ours.token_to_id(name) for name in theirs.special_tokens} == theirs.special_tokens
    assert ours.get_vocab_size() == theirs.encoding.n_vocab


def heard(folder: Path, clip: np.ndarray) -> dict[str, object]:
    """What CTranslate2 makes of the clip: the languages, greedy tokens, silence, and the times of words."""
    import ctranslate2
    import whisper

    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(clip), n_mels=model.n_mels)[None]
    features = model.encode(ctranslate2.StorageView.from_array(mel.numpy()))
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language="en")
    prompt = list(tokenizer.sot_sequence_including_notimestamps)
    (result,) = model.generate(features, [prompt], beam_size=1, max_length=40, return_no_speech_prob=True)
    (words,) = model.align(features, list(tokenizer.sot_sequence), [[400, 500]], [mel.shape[-1] // 2])
    languages = model.detect_language(features)[0] if model.is_multilingual else None
    return {
        "tokens": result.sequences_ids[0],
        "spelled": result.sequences[0],
        "silence": result.no_speech_prob,
        "times": words.alignments,
        "languages": languages,
        "kind": (model.is_multilingual, model.n_mels, model.num_languages),
    }


def test_ctranslate2_runs_the_pattern_of_turbo(tmp_path, clip) -> None:
    pytest.importorskip("ctranslate2")
    state = random_state(TURBO)
    write_whisper(tmp_path / "folder", TURBO, state, [])
    result = heard(tmp_path / "folder", clip)
    assert result["kind"] == (True, 128, 100)
    assert len(result["languages"]) == 100
    assert "<|yue|>" in dict(result["languages"])
    assert result["times"]

    # The same numbers as openai-whisper: each weight is at its place, also of the layers 10 and 11.
    import whisper

    ours = Whisper(ModelDimensions(**TURBO)).eval()
    ours.load_state_dict({name: value.half().float() for name, value in state.items()})
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(clip), n_mels=128)[None]
    with torch.no_grad():
        _, languages = ours.detect_language(mel)
    theirs = {token.strip("<|>"): probability for token, probability in result["languages"]}
    assert theirs == pytest.approx(languages[0], rel=1e-3, abs=1e-6)


def test_faster_whisper_counts_the_bands(tmp_path, clip) -> None:
    faster_whisper = pytest.importorskip("faster_whisper")
    write_whisper(tmp_path / "folder", TURBO, random_state(TURBO), [])
    model = faster_whisper.WhisperModel(str(tmp_path / "folder"), device="cpu", compute_type="float32")
    assert model.detect_language(clip)[0] in get_tokenizer(True, num_languages=100).all_language_codes


def changed(name: str, value: object) -> dict[str, torch.Tensor]:
    return {**STATE, name: value}


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in STATE.items() if key != name}


WRONG = [
    (DIMS, without("decoder.ln.bias"), r"it has no weights decoder\.ln\.bias"),
    (DIMS, without("encoder.blocks.1.attn.key.weight"), r"no weights encoder\.blocks\.1\.attn\.key\.weight"),
    (DIMS, changed("encoder.conv1.bias", None), r"no weights encoder\.conv1\.bias"),
    (DIMS, changed("encoder.conv1.bias", torch.zeros(6, dtype=torch.int8)), r"no weights encoder\.conv1\.bias"),
    (DIMS, changed("encoder.conv1.weight", torch.zeros(6, 5, 4)), r"shape \(6, 5, 4\), expected \(6, 5, 3\)"),
    (DIMS, changed("decoder.blocks.2.cross_attn.value.weight", torch.zeros(6)), r"shape \(6,\), expected \(6, 6\)"),
    (
        DIMS,
        changed("encoder.blocks.0.attn.key.bias", torch.zeros(6)),
        r"'encoder\.blocks\.0\.attn\.key\.bias', which",
    ),
    (DIMS | {"n_text_layer": 2}, STATE, r"it has 'decoder\.blocks\.2\.[\w.]+', which Whisper lacks"),
    (DIMS | {"n_text_layer": 10**12}, STATE, r"it has no weights decoder\.blocks\.3\.attn_ln\.weight"),
    (DIMS | {"n_mels": 80}, STATE, r"shape \(6, 5, 3\), expected \(6, 80, 3\)"),
    (DIMS | {"n_text_state": 8}, STATE, "its encoder is 6 wide, its decoder 8"),
    (DIMS | {"n_audio_head": 4}, STATE, "its audio width cannot be shared among its heads"),
    (DIMS | {"n_audio_head": 0}, STATE, "its n_audio_head is not a positive number"),
    (DIMS | {"n_mels": "5\n"}, STATE, "its n_mels is not a positive number"),
    (DIMS | {"n_mels": True}, STATE, "its n_mels is not a positive number"),
    (DIMS | {"extra": 1}, STATE, "its dims are not n_mels, n_audio_ctx"),
    ({}, STATE, "its dims are not n_mels, n_audio_ctx"),
]


@pytest.mark.parametrize(("dims", "state", "complaint"), WRONG)
def test_what_is_no_whisper_model_is_not_written(tmp_path, dims, state, complaint) -> None:
    with pytest.raises(WeightsError, match=complaint) as caught:
        write_whisper(tmp_path / "folder", dims, state, [])
    assert str(caught.value).startswith(f"{tmp_path / 'folder'}: not written, ")
    assert "\n" not in str(caught.value)
    assert entries(tmp_path) == []


def test_an_unknown_vocabulary(tmp_path) -> None:
    dims = DIMS | {"n_vocab": 11}
    with pytest.raises(WeightsError, match="a vocabulary of 11 tokens, expected one of 51864, 51865, 51866"):
        write_whisper(tmp_path / "folder", dims, changed("decoder.token_embedding.weight", torch.zeros(11, 6)), [])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 65520.0])
def test_numbers_that_float16_has_not(tmp_path, number) -> None:
    weights = STATE["decoder.blocks.1.mlp.0.weight"].clone()
    weights[3, 2] = number
    with pytest.raises(
        WeightsError, match=r"its decoder\.blocks\.1\.mlp\.0\.weight holds numbers that float16 cannot"
    ):
        write_whisper(tmp_path / "folder", DIMS, changed("decoder.blocks.1.mlp.0.weight", weights), [])
    assert entries(tmp_path) == []


@pytest.mark.parametrize("heads", [[(3, 0)], [(0, 2)], [(-1, 0)], [(1, 1), (9, 9)]])
def test_heads_that_do_not_exist(tmp_path, heads) -> None:
    # CTranslate2 would crash on them, not complain.
    with pytest.raises(ValueError, match="alignment_heads are pairs of a decoder layer and a head"):
        write_whisper(tmp_path / "folder", DIMS, STATE, heads)
    assert entries(tmp_path) == []


def test_a_folder_that_holds_something(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WeightsError, match="is not empty; remove it or choose another folder"):
        write_whisper(tmp_path, DIMS, STATE, HEADS)
    assert entries(tmp_path) == ["notes.txt"]


def test_an_empty_folder_is_filled(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    write_whisper(tmp_path / "folder", DIMS, STATE, HEADS)
    assert entries(tmp_path / "folder") == FILES


def test_a_folder_that_is_a_file(tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WeightsError, match=r"cannot be written \(.*\); free some space") as caught:
            write_whisper(folder, DIMS, STATE, HEADS)
        assert isinstance(caught.value.__cause__, OSError)
    assert entries(tmp_path) == ["file"]


@pytest.mark.parametrize("limit", [0, 1000, 700_000])
def test_no_space(tmp_path, limit) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(WeightsError, match=r"folder: cannot be written \(File too large\); free some space"):
            write_whisper(tmp_path / "folder", DIMS, STATE, HEADS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert entries(tmp_path) == []


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "_write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whisper(tmp_path / "folder", DIMS, STATE, HEADS)
    assert entries(tmp_path) == []


@pytest.mark.parametrize("same", [True, False])
def test_another_process_that_is_quicker(tmp_path, monkeypatch, same) -> None:
    folder = tmp_path / "folder"
    write_json = room._write_json

    def overtaken(path: Path, content: object) -> None:
        write_json(path, content)
        if not folder.exists():
            monkeypatch.undo()
            if same:
                write_whisper(folder, DIMS, STATE, HEADS)
            else:
                folder.mkdir()
                (folder / "notes.txt").write_text("mine")

    monkeypatch.setattr(room, "_write_json", overtaken)
    if same:
        write_whisper(folder, DIMS, STATE, HEADS)
        assert read_whisper(folder)[0] == DIMS
    else:
        with pytest.raises(WeightsError, match=r"cannot be written \(Directory not empty\)"):
            write_whisper(folder, DIMS, STATE, HEADS)
        assert entries(folder) == ["notes.txt"]
    assert entries(tmp_path) == ["folder"]


def test_permissions_are_the_users(tmp_path) -> None:
    before = os.umask(0o027)
    try:
        write_whisper(tmp_path / "folder", DIMS, STATE, HEADS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "folder").iterdir()} == {0o640}


def test_a_checkpoint_of_openai_whisper(tmp_path) -> None:
    import whisper

    path = tmp_path / "ß.pt"
    torch.save({"dims": DIMS, "model_state_dict": OrderedDict(STATE)}, path)
    dims, state = load_openai_checkpoint(path)
    assert dims == DIMS
    theirs = whisper.load_model(str(path), device="cpu").state_dict()
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("dims", "state", "complaint"), WRONG)
def test_a_checkpoint_that_does_not_fit(tmp_path, dims, state, complaint) -> None:
    path = tmp_path / "model.pt"
    torch.save({"dims": dims, "model_state_dict": state}, path)
    with pytest.raises(WeightsError, match=complaint) as caught:
        load_openai_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: is not an openai-whisper checkpoint, ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [STATE, {"dims": DIMS}, {"model_state_dict": STATE}, {"dims": 3, "model_state_dict": STATE}, [1], None, {}],
    ids=["bare weights", "no weights", "no dims", "dims of no kind", "list", "nothing", "empty"],
)
def test_a_checkpoint_of_something_else(tmp_path, content) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"pytorch_model\.bin: .* it does not hold dims and a model_state_dict"):
        load_openai_checkpoint(path)


def test_a_checkpoint_with_names_of_other_kinds(tmp_path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"dims": DIMS, "model_state_dict": {**STATE, 3: torch.zeros(1)}}, path)
    with pytest.raises(WeightsError, match="it has 3, which Whisper lacks"):
        load_openai_checkpoint(path)


def test_a_checkpoint_that_would_run_code(tmp_path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"dims": DIMS, "model_state_dict": STATE, "run": os.system}, path)
    with pytest.raises(WeightsError, match=r"would run posix\.system"):
        load_openai_checkpoint(path)
