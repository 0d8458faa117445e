"""CTranslate2's Whisper models as openai-whisper checkpoints: the same numbers, the same tokens."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from whisper.model import ModelDimensions, Whisper

from lyricsep.errors import WeightsError
from lyricsep.weights import read_whisper

TYPE_OF = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
DIMS = {
    "n_mels": 5,
    "n_audio_ctx": 7,
    "n_audio_state": 6,
    "n_audio_head": 3,
    "n_audio_layer": 2,
    "n_vocab": 11,
    "n_text_ctx": 9,
    "n_text_state": 6,
    "n_text_head": 2,
    "n_text_layer": 3,
}
HEADS = [[1, 0], [2, 1]]

Variables = dict[str, np.ndarray]


def named(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def written(
    variables: Variables, aliases: dict[str, str], *, version: int = 6, kind: str = "WhisperSpec", revision: int = 3
) -> bytes:
    content = struct.pack("<I", version) + named(kind) + struct.pack("<II", revision, len(variables))
    for name, value in sorted(variables.items()):
        content += named(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        content += struct.pack("<BI", TYPE_OF[value.dtype.name], value.nbytes) + value.tobytes()
    content += struct.pack("<I", len(aliases))
    return content + b"".join(named(alias) + named(name) for alias, name in aliases.items())


def as_ctranslate2(state: dict[str, torch.Tensor], dtype: str) -> Variables:
    """Name the weights of a Whisper model as CTranslate2 does, and join what it joins."""
    rest = {name: value.numpy().astype(dtype) for name, value in state.items()}
    variables: Variables = {
        "encoder/num_heads": np.int16(DIMS["n_audio_head"]),
        "decoder/num_heads": np.int16(DIMS["n_text_head"]),
        "decoder/pre_norm": np.int8(1),
        "encoder/position_encodings/encodings": rest.pop("encoder.positional_embedding"),
        "decoder/position_encodings/encodings": rest.pop("decoder.positional_embedding"),
        "decoder/embeddings/weight": rest.pop("decoder.token_embedding.weight"),
    }
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            variables[f"encoder/{conv}/{part}"] = rest.pop(f"encoder.{conv}.{part}")
    norms = {"encoder/layer_norm": "encoder.ln_post", "decoder/layer_norm": "decoder.ln"}
    linears = {}
    for side, count in (("encoder", DIMS["n_audio_layer"]), ("decoder", DIMS["n_text_layer"])):
        for index in range(count):
            ours, theirs = f"{side}.blocks.{index}", f"{side}/layer_{index}"
            norms[f"{theirs}/self_attention/layer_norm"] = f"{ours}.attn_ln"
            norms[f"{theirs}/ffn/layer_norm"] = f"{ours}.mlp_ln"
            linears[f"{theirs}/self_attention/linear_0"] = [f"{ours}.attn.{x}" for x in ("query", "key", "value")]
            linears[f"{theirs}/self_attention/linear_1"] = [f"{ours}.attn.out"]
            linears[f"{theirs}/ffn/linear_0"] = [f"{ours}.mlp.0"]
            linears[f"{theirs}/ffn/linear_1"] = [f"{ours}.mlp.2"]
            if side == "decoder":
                norms[f"{theirs}/attention/layer_norm"] = f"{ours}.cross_attn_ln"
                linears[f"{theirs}/attention/linear_0"] = [f"{ours}.cross_attn.query"]
                linears[f"{theirs}/attention/linear_1"] = [f"{ours}.cross_attn.{x}" for x in ("key", "value")]
                linears[f"{theirs}/attention/linear_2"] = [f"{ours}.cross_attn.out"]
    for theirs, ours in norms.items():
        variables[f"{theirs}/gamma"], variables[f"{theirs}/beta"] = (
            rest.pop(f"{ours}.weight"),
            rest.pop(f"{ours}.bias"),
        )
    for theirs, parts in linears.items():
        weights = [rest.pop(f"{part}.weight") for part in parts]
        biases = [rest.pop(f"{part}.bias", np.zeros(len(weights[0]), dtype)) for part in parts]
        variables[f"{theirs}/weight"], variables[f"{theirs}/bias"] = np.concatenate(weights), np.concatenate(biases)
    assert not rest
    return variables


def random_state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    state = Whisper(ModelDimensions(**DIMS)).state_dict()
    return {name: torch.randn(value.shape, generator=generator) for name, value in state.items()}


STATE = random_state()
ALIASES = {"decoder/projection/weight": "decoder/embeddings/weight"}


def put(folder: Path, content: bytes, config: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    (folder / "config.json").write_text(json.dumps({"alignment_heads": HEADS} if config is None else config))
    return folder


def refused(folder: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        read_whisper(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_small_model_comes_back_as_it_was(tmp_path, dtype) -> None:
    dims, state, heads = read_whisper(put(tmp_path, written(as_ctranslate2(STATE, dtype), ALIASES)))
    assert dims == DIMS
    assert heads == [(1, 0), (2, 1)]
    assert state.keys() == STATE.keys()
    for name, value in STATE.items():
        assert torch.equal(state[name], value.to(getattr(torch, dtype))), name
    Whisper(ModelDimensions(**dims)).load_state_dict(state)


def test_the_weights_outlive_the_file(tmp_path) -> None:
    folder = put(tmp_path, written(as_ctranslate2(STATE, "float32"), ALIASES))
    state = read_whisper(folder)[1]
    (folder / "model.bin").write_bytes(b"")
    state["decoder.ln.weight"] += 1
    assert torch.equal(state["decoder.ln.weight"], STATE["decoder.ln.weight"] + 1)
    assert len({tensor.untyped_storage().data_ptr() for tensor in state.values()}) == len(state)


def test_a_model_without_alignment_heads(tmp_path) -> None:
    assert read_whisper(put(tmp_path, written(as_ctranslate2(STATE, "float32"), ALIASES), {}))[2] == []


def test_equal_variables_may_be_aliases(tmp_path) -> None:
    state = dict(STATE)
    state["decoder.ln.weight"] = state["encoder.ln_post.weight"]
    variables = as_ctranslate2(state, "float32")
    del variables["encoder/layer_norm/gamma"]
    content = written(variables, ALIASES | {"encoder/layer_norm/gamma": "decoder/layer_norm/gamma"})
    loaded = read_whisper(put(tmp_path, content))[1]
    assert torch.equal(loaded["encoder.ln_post.weight"], state["encoder.ln_post.weight"])


def changed(name: str, value: np.ndarray | None) -> Variables:
    variables = as_ctranslate2(STATE, "float32")
    if value is None:
        del variables[name]
    else:
        variables[name] = value
    return variables


KEYED = np.zeros(18, np.float32)
KEYED[6] = 1e-3


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("encoder/conv1/bias", None, "has no encoder/conv1/bias"),
        ("decoder/layer_1/ffn/linear_0/weight", None, "has no decoder/layer_1/ffn/linear_0/weight"),
        ("decoder/layer_1/ffn/linear_0/weight", np.zeros((24, 6), np.int8), "is quantised as int8"),
        ("decoder/embeddings/weight", np.zeros((11, 6), np.int16), "is quantised as int16"),
        ("encoder/conv1/weight", np.zeros((6, 5, 4), np.float32), r"shape \(6, 5, 4\), expected \(6, 5, 3\)"),
        ("decoder/layer_norm/beta", np.zeros(7, np.float32), r"shape \(7,\), expected \(6,\)"),
        ("encoder/layer_0/self_attention/linear_0/bias", KEYED, "has a bias for keys"),
        ("decoder/position_encodings/encodings", np.zeros((9, 8), np.float32), "encoder is 6 wide, its decoder 8"),
        ("encoder/position_encodings/encodings", np.zeros(6, np.float32), "expected 2 dimensions"),
        ("encoder/num_heads", np.int16(4), "its audio width cannot be shared"),
        ("encoder/num_heads", np.int16(0), "encoder/num_heads is not a positive number"),
        ("encoder/num_heads", np.zeros(2, np.int16), "encoder/num_heads is not a positive number"),
        ("encoder/layer_5/ffn/linear_0/bias", np.zeros(24, np.float32), "has no encoder/layer_2/"),
        ("decoder/projection/weight", np.zeros((11, 6), np.float32), "its last layer differs from its embedding"),
    ],
)
def test_a_model_that_does_not_fit(tmp_path, name, value, complaint) -> None:
    aliases = {} if name == "decoder/projection/weight" else ALIASES
    refused(put(tmp_path, written(changed(name, value), aliases)), complaint)


def test_bfloat16_is_named(tmp_path, monkeypatch) -> None:
    content = written(as_ctranslate2(STATE, "float16"), ALIASES)
    shape = struct.pack("<B3I", 3, 6, 5, 3)
    assert content.count(shape + b"\x04") == 1
    refused(put(tmp_path, content.replace(shape + b"\x04", shape + b"\x05")), "is stored as bfloat16")


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ({"version": 5}, r"not a CTranslate2 model of binary version 6 \(it says 5\)"),
        ({"kind": "TransformerSpec"}, "holds a 'TransformerSpec' of revision 3, expected WhisperSpec"),
        ({"revision": 2}, "holds a 'WhisperSpec' of revision 2"),
    ],
)
def test_another_kind_of_model(tmp_path, header, complaint) -> None:
    refused(put(tmp_path, written(as_ctranslate2(STATE, "float32"), ALIASES, **header)), complaint)


def test_an_alias_of_nothing(tmp_path) -> None:
    refused(put(tmp_path, written(as_ctranslate2(STATE, "float32"), {"a": "b"})), "calls a the same as b")


def test_a_truncated_model(tmp_path) -> None:
    content = written(as_ctranslate2(STATE, "float32"), ALIASES)
    for length in [*range(0, len(content), 997), len(content) - 1]:
        refused(put(tmp_path, content[:length]), "ends at byte|is empty")
    refused(put(tmp_path, content + b"\0"), f"has {len(content) + 1} bytes, expected {len(content)}")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_damage_anywhere_is_one_kind_of_error(tmp_path, changes) -> None:
    content = bytearray(written(as_ctranslate2(STATE, "float32"), ALIASES))
    # Names and shapes, not the weights between them, are what can lead astray: half of the changes hit the head.
    for position, value in changes:
        content[position % (400 if position % 2 else len(content))] = value
    try:
        read_whisper(put(tmp_path, bytes(content)))
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"\6\0\0\0\xff\xff", b"\6\0\0\0\1\0x"])
def test_garbage(tmp_path, content) -> None:
    refused(put(tmp_path, content), "model.bin: (is not a CTranslate2|ends at|is damaged)")


@pytest.mark.parametrize("config", [[], {"alignment_heads": 3}, {"alignment_heads": [[1]]}, {"alignment_heads": "a"}])
def test_a_config_that_makes_no_sense(tmp_path, config) -> None:
    content = written(as_ctranslate2(STATE, "float32"), ALIASES)
    refused(put(tmp_path, content, config), r"config\.json: is not the config\.json")


@pytest.mark.parametrize("heads", [[[3, 0]], [[0, 2]], [[-1, 0]], [["a", 0]]])
def test_heads_that_do_not_exist(tmp_path, heads) -> None:
    content = written(as_ctranslate2(STATE, "float32"), ALIASES)
    refused(put(tmp_path, content, {"alignment_heads": heads}), "alignment heads that the model lacks")


def test_missing_files(tmp_path) -> None:
    refused(tmp_path, r"model\.bin: cannot be read \(No such file")
    put(tmp_path, written(as_ctranslate2(STATE, "float32"), ALIASES))
    (tmp_path / "config.json").unlink()
    refused(tmp_path, r"config\.json: cannot be read \(No such file")


def test_a_real_model_says_what_ctranslate2_says(clip, real_whisper) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    import whisper

    folder = real_whisper("tiny.en")
    found, state, heads = read_whisper(folder)
    assert tuple(found.values()) == (80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4)
    assert len(heads) == 8
    ours = Whisper(ModelDimensions(**found))
    ours.load_state_dict(state)
    ours.eval()
    theirs = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    assert ours.is_multilingual == theirs.is_multilingual
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(clip))[None]

    features = theirs.encode(ctranslate2.StorageView.from_array(mel.numpy()))
    with torch.no_grad():
        np.testing.assert_allclose(ours.embed_audio(mel).numpy(), np.array(features), atol=2e-3)

    tokenizer = whisper.tokenizer.get_tokenizer(
        ours.is_multilingual, num_languages=ours.num_languages, language="en", task="transcribe"
    )
    prompt = list(tokenizer.sot_sequence_including_notimestamps)
    options = whisper.DecodingOptions(language="en", without_timestamps=True, fp16=False)
    tokens = ours.decode(mel[0], options).tokens
    (result,) = theirs.generate(features, [prompt], beam_size=1)
    assert len(tokens) > 5, "the clip has words"
    assert tokens == result.sequences_ids[0]
