"""Convert Whisper models of CTranslate2 to openai-whisper checkpoints and back, without CTranslate2.

A CTranslate2 ``model.bin`` of binary version 6 is, in little-endian order and without padding:

- the version (uint32), the name of the model's kind, its revision (uint32), the number of variables (uint32);
- for each variable its name, rank (uint8), dimensions (uint32 each), type (uint8), bytes (uint32), content;
- the number of aliases (uint32); for each alias its name, and the name of the variable it stands for.

A name is a length (uint16, counting the final NUL), the bytes, and the NUL. The facts are those of
``ctranslate2.specs.model_spec`` and ``ctranslate2.specs.whisper_spec`` of CTranslate2 4.8.

There the queries, keys and values of self-attention are one matrix, as are the keys and values of
cross-attention. Whisper's keys have no bias, so their share of the joined bias is zero. Variables stand in the
order of their names; the last layer is an alias of the embedding.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.errors import WeightsError
from lyricsep.weights.loading import load_checkpoint
from lyricsep.weights.vocabulary import whisper_token_ids, whisper_tokenizer, whisper_vocabulary

if TYPE_CHECKING:
    import torch

BINARY_VERSION = 6
KIND = "WhisperSpec"
REVISION = 3
TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")  # CTranslate2's DataType, by number
BYTES = (4, 1, 2, 4, 2, 2)

EMBEDDING = "decoder/embeddings/weight"
PROJECTION = "decoder/projection/weight"

# What every Whisper model tells CTranslate2 besides its weights and heads: the type, and the number.
SETTINGS = {
    "decoder/activation": ("<i1", 3),  # GELU without approximation
    "decoder/alibi": ("<i1", 0),
    "decoder/alignment_heads": ("<i2", 1),  # with the layer -1: no such heads; Whisper's are in config.json
    "decoder/alignment_layer": ("<i2", -1),
    "decoder/pre_norm": ("<i1", 1),
    "decoder/scale_embeddings": ("<i1", 0),
    "decoder/start_from_zero_embedding": ("<i1", 0),
}

# The fields of `whisper.model.ModelDimensions`.
DIMENSIONS = (
    *("n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"),
)

# By n_vocab: whether the model is multilingual, and how many languages its vocabulary names.
VOCABULARIES = {51864: (False, 99), 51865: (True, 99), 51866: (True, 100)}


def read_whisper(folder: Path) -> tuple[dict[str, int], dict[str, torch.Tensor], list[tuple[int, int]]]:
    """Read the Whisper model of a CTranslate2 folder.

    Parameters
    ----------
    folder : Path
        Holds ``model.bin`` (float32 or float16) and ``config.json``.

    Returns
    -------
    dims : dict
        The arguments of `whisper.model.ModelDimensions`.
    state : dict
        The ``model_state_dict`` for `whisper.model.Whisper`, complete, in the dtype of the file.
    alignment_heads : list of (int, int)
        Decoder layer and head, both from 0, of the heads whose attention follows time; empty where the model
        does not know.

    Raises
    ------
    WeightsError
        If a file is missing, damaged, quantised, or not a Whisper model.
    """
    with _reading(folder / "model.bin") as variables:
        dims = _dims(variables)
        state = _state(variables, dims)
        _check_tied(variables)
        return dims, state, _alignment_heads(folder / "config.json", dims)


def check_whisper(folder: Path) -> None:
    """Check that a CTranslate2 folder is complete and that its vocabulary belongs to its model.

    Only the outlines of ``model.bin`` are read, so it takes milliseconds; weights may be of any type.

    Parameters
    ----------
    folder : Path
        Holds ``model.bin``, ``config.json``, and ``vocabulary.json`` or ``vocabulary.txt``.

    Raises
    ------
    WeightsError
        If a file is missing, damaged, or not of a Whisper model, if the vocabulary is not of the size of the model's
        or not one of Whisper's, or if ``config.json`` names no alignment heads, without which CTranslate2 times no
        words.
    """
    config = folder / "config.json"
    with _reading(folder / "model.bin") as variables:
        dims = _dims(variables)
        n_tokens = _n_tokens(folder)
        if n_tokens != dims["n_vocab"] or n_tokens not in VOCABULARIES:
            known = ", ".join(map(str, VOCABULARIES))
            raise _UnfitError(f"has {dims['n_vocab']} tokens and a vocabulary of {n_tokens}, expected one of {known}")
        heads = _alignment_heads(config, dims)
    if not heads:
        raise WeightsError(f"{config}: names no alignment_heads, which the times of words need; {_UnfitError.advice}")


def write_whisper(
    folder: Path,
    dims: Mapping[str, int],
    state: Mapping[str, torch.Tensor],
    alignment_heads: Sequence[tuple[int, int]],
) -> None:
    """Write a Whisper model as a CTranslate2 folder in float16, atomically: the inverse of `read_whisper`.

    The folder holds ``model.bin``, ``config.json`` and ``vocabulary.json`` for CTranslate2, and for faster-whisper
    ``tokenizer.json`` and ``preprocessor_config.json``. One weight at a time is converted.

    Parameters
    ----------
    folder : Path
        To be made; may exist if it is empty.
    dims, state
        As `read_whisper` and `load_openai_checkpoint` give them; the weights may be of any floating dtype, on any
        device.
    alignment_heads : sequence of (int, int)
        As `read_whisper`. Where it is empty, all heads of the later half of the decoder's layers are written,
        which openai-whisper takes too for a model it knows no heads of; CTranslate2 needs some.

    Raises
    ------
    ValueError
        If the model has not these alignment heads.
    WeightsError
        If `dims` and `state` are no Whisper model, a weight does not fit into float16, `folder` holds something
        already, or it cannot be written. Nothing is left behind.
    """
    try:
        _check_checkpoint(dims, state)
        if dims["n_vocab"] not in VOCABULARIES:
            known = ", ".join(map(str, VOCABULARIES))
            raise _UnfitError(f"it has a vocabulary of {dims['n_vocab']} tokens, expected one of {known}")
        heads = list(alignment_heads) or _later_heads(dims)
        if not _has_heads(dims, heads):
            raise ValueError(f"alignment_heads are pairs of a decoder layer and a head of the model, got {heads}")
        _assemble(folder, dims, state, heads)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(
            f"{folder}: cannot be written ({reason}); free some space or choose another folder"
        ) from error
    except _UnfitError as error:
        raise WeightsError(f"{folder}: not written, {error}; get the checkpoint again") from error


def load_openai_checkpoint(path: Path) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Read a checkpoint of openai-whisper, without running code from it.

    Parameters
    ----------
    path : Path
        A ``.pt`` file: a dictionary of ``dims`` and ``model_state_dict``.

    Returns
    -------
    dims, state
        As `read_whisper`.

    Raises
    ------
    WeightsError
        As `load_checkpoint`, and if the file holds no whole Whisper model.
    """
    checkpoint = load_checkpoint(path)
    try:
        match checkpoint:
            case {"dims": dict(dims), "model_state_dict": dict(state)}:
                _check_checkpoint(dims, state)
                return dims, dict(state)
            case _:
                raise _UnfitError("it does not hold dims and a model_state_dict")
    except _UnfitError as error:
        raise WeightsError(
            f"{path}: is not an openai-whisper checkpoint, {error}; get it again, or one that openai-whisper can load"
        ) from error


class _UnfitError(Exception):
    """The model cannot be read; the text follows the path of the file."""

    advice = "convert it again with ct2-transformers-converter --quantization float16"


class _DamagedError(_UnfitError):
    """The bytes cannot be parsed."""

    advice = "download the model again"


@contextmanager
def _reading(model: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield the variables of a file; errors in the block are named by it."""
    try:
        yield _Reader(model).variables()
    except OSError as error:
        name = error.filename or model
        raise WeightsError(f"{name}: cannot be read ({error.strerror or error}); download the model again") from error
    except _UnfitError as error:
        raise WeightsError(f"{model}: {error}; {error.advice}") from error


class _Reader:
    """Parses the bytes of a model, skipping those that are not needed."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise _DamagedError("is empty")
        self._bytes = np.memmap(path, np.uint8, mode="r")
        self._position = 0

    def variables(self) -> dict[str, np.ndarray]:
        """Return all variables by name, aliases included, as views of the file."""
        (version,) = self._numbers("I")
        if version != BINARY_VERSION:
            raise _UnfitError(f"is not a CTranslate2 model of binary version {BINARY_VERSION} (it says {version})")
        kind = self._name()
        (revision, count) = self._numbers("II")
        if (kind, revision) != (KIND, REVISION):
            raise _UnfitError(f"holds a {kind!r} of revision {revision}, expected {KIND} of revision {REVISION}")
        variables = dict(self._variable() for _ in range(count))
        (count,) = self._numbers("I")
        for _ in range(count):
            alias, name = self._name(), self._name()
            if name not in variables:
                raise _DamagedError(f"calls {alias} the same as {name}, which it lacks")
            variables[alias] = variables[name]
        if self._position != len(self._bytes):
            raise _DamagedError(f"has {len(self._bytes)} bytes, expected {self._position}")
        return variables

    def _variable(self) -> tuple[str, np.ndarray]:
        name = self._name()
        (rank,) = self._numbers("B")
        shape = self._numbers(f"{rank}I")
        kind, length = self._numbers("BI")
        if kind >= len(TYPES) or length != math.prod(shape) * BYTES[kind]:
            raise _DamagedError(f"is damaged at {name}: {length} bytes for the shape {shape}")
        # NumPy has no bfloat16; the checks further on name it.
        dtype = "V2" if TYPES[kind] == "bfloat16" else f"<{TYPES[kind][0]}{BYTES[kind]}"
        return name, self._take(length).view(dtype).reshape(shape)

    def _name(self) -> str:
        (length,) = self._numbers("H")
        raw = bytes(self._take(length))
        if not raw.endswith(b"\0") or not raw[:-1].isascii():
            raise _DamagedError("is damaged: a name in it is not readable")
        return raw[:-1].decode("ascii")

    def _numbers(self, layout: str) -> tuple[int, ...]:
        layout = f"<{layout}"
        return struct.unpack(layout, bytes(self._take(struct.calcsize(layout))))

    def _take(self, length: int) -> np.ndarray:
        end = self._position + length
        if end > len(self._bytes):
            raise _DamagedError(f"ends at byte {len(self._bytes)}, expected more")
        taken = self._bytes[self._position : end]
        self._position = end
        return taken


@dataclass(frozen=True, slots=True)
class _Entry:
    """A variable of the file, and the weights of openai-whisper that are stacked in it; None stands for zeros."""

    name: str
    shape: tuple[int, ...]
    parts: tuple[str | None, ...]

    @property
    def part_shape(self) -> tuple[int, ...]:
        return self.shape[0] // len(self.parts), *self.shape[1:]


def _entries(dims: Mapping[str, int]) -> Iterator[_Entry]:
    """List all weights of a model under both their names."""
    n_state = dims["n_audio_state"]
    yield from _affine("encoder/conv1", ["encoder.conv1"], n_state, dims["n_mels"], 3)
    yield from _affine("encoder/conv2", ["encoder.conv2"], n_state, n_state, 3)
    yield _Entry(EMBEDDING, (dims["n_vocab"], n_state), ("decoder.token_embedding.weight",))
    for side, kind, norm in (("encoder", "audio", "ln_post"), ("decoder", "text", "ln")):
        positions = (dims[f"n_{kind}_ctx"], n_state)
        yield _Entry(f"{side}/position_encodings/encodings", positions, (f"{side}.positional_embedding",))
        yield from _norm(f"{side}/layer_norm", f"{side}.{norm}", n_state)
        for index in range(dims[f"n_{kind}_layer"]):
            name, target = f"{side}/layer_{index}", f"{side}.blocks.{index}"
            yield from _self_attention(f"{name}/self_attention", target, n_state)
            if side == "decoder":
                yield from _cross_attention(f"{name}/attention", target, n_state)
            yield from _feed_forward(f"{name}/ffn", target, n_state)


def _self_attention(name: str, target: str, n_state: int) -> Iterator[_Entry]:
    yield from _norm(f"{name}/layer_norm", f"{target}.attn_ln", n_state)
    stacked = [f"{target}.attn.{part}" for part in ("query", "key", "value")]
    yield from _affine(f"{name}/linear_0", stacked, n_state, n_state)
    yield from _affine(f"{name}/linear_1", [f"{target}.attn.out"], n_state, n_state)


def _cross_attention(name: str, target: str, n_state: int) -> Iterator[_Entry]:
    yield from _norm(f"{name}/layer_norm", f"{target}.cross_attn_ln", n_state)
    yield from _affine(f"{name}/linear_0", [f"{target}.cross_attn.query"], n_state, n_state)
    stacked = [f"{target}.cross_attn.{part}" for part in ("key", "value")]
    yield from _affine(f"{name}/linear_1", stacked, n_state, n_state)
    yield from _affine(f"{name}/linear_2", [f"{target}.cross_attn.out"], n_state, n_state)


def _feed_forward(name: str, target: str, n_state: int) -> Iterator[_Entry]:
    yield from _norm(f"{name}/layer_norm", f"{target}.mlp_ln", n_state)
    yield from _affine(f"{name}/linear_0", [f"{target}.mlp.0"], 4 * n_state, n_state)
    yield from _affine(f"{name}/linear_1", [f"{target}.mlp.2"], n_state, 4 * n_state)


def _affine(name: str, parts: Sequence[str], n_out: int, *n_in: int) -> Iterator[_Entry]:
    """List the weight and bias of layers that are stacked in one."""
    n_rows = len(parts) * n_out
    biases = (None if part.endswith(".key") else f"{part}.bias" for part in parts)
    yield _Entry(f"{name}/weight", (n_rows, *n_in), tuple(f"{part}.weight" for part in parts))
    yield _Entry(f"{name}/bias", (n_rows,), tuple(biases))


def _norm(name: str, target: str, n_state: int) -> Iterator[_Entry]:
    yield _Entry(f"{name}/gamma", (n_state,), (f"{target}.weight",))
    yield _Entry(f"{name}/beta", (n_state,), (f"{target}.bias",))


def _dims(variables: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Find the sizes of the model in a file."""
    n_audio_ctx, n_audio_state = _shape(variables, "encoder/position_encodings/encodings", 2)
    n_text_ctx, n_text_state = _shape(variables, "decoder/position_encodings/encodings", 2)
    dims = {
        "n_mels": _shape(variables, "encoder/conv1/weight", 3)[1],
        "n_audio_ctx": n_audio_ctx,
        "n_audio_state": n_audio_state,
        "n_audio_head": _count(variables, "encoder/num_heads"),
        "n_audio_layer": _layers(variables, "encoder"),
        "n_vocab": _shape(variables, EMBEDDING, 2)[0],
        "n_text_ctx": n_text_ctx,
        "n_text_state": n_text_state,
        "n_text_head": _count(variables, "decoder/num_heads"),
        "n_text_layer": _layers(variables, "decoder"),
    }
    _check_dims(dims)
    return dims


def _check_dims(dims: Mapping[str, int]) -> None:
    for side in ("audio", "text"):
        if dims[f"n_{side}_state"] % dims[f"n_{side}_head"]:
            raise _UnfitError(f"its {side} width cannot be shared among its heads")
    if dims["n_audio_state"] != dims["n_text_state"]:
        raise _UnfitError(f"its encoder is {dims['n_audio_state']} wide, its decoder {dims['n_text_state']}")


def _variable(variables: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in variables:
        raise _UnfitError(f"has no {name}, so it is not a Whisper model")
    return variables[name]


def _shape(variables: Mapping[str, np.ndarray], name: str, rank: int) -> tuple[int, ...]:
    shape = _variable(variables, name).shape
    if len(shape) != rank or 0 in shape:
        raise _UnfitError(f"{name} has the shape {shape}, expected {rank} dimensions")
    return shape


def _count(variables: Mapping[str, np.ndarray], name: str) -> int:
    variable = _variable(variables, name)
    if variable.shape != () or variable.dtype.kind != "i" or variable < 1:
        raise _UnfitError(f"{name} is not a positive number")
    return int(variable)


def _layers(variables: Mapping[str, np.ndarray], side: str) -> int:
    prefix = f"{side}/layer_"
    names = (name.removeprefix(prefix).partition("/")[0] for name in variables if name.startswith(prefix))
    count = len({name for name in names if name.isdecimal()})
    if not count:
        raise _UnfitError(f"its {side} has no layers")
    return count


def _weights(variables: Mapping[str, np.ndarray], entry: _Entry) -> np.ndarray:
    """Return a variable as stored in the file, after checking its shape and type."""
    variable = _variable(variables, entry.name)
    if variable.dtype.kind != "f":
        stored = "bfloat16" if variable.dtype.kind == "V" else variable.dtype.name
        word = "quantised" if variable.dtype.kind == "i" else "stored"
        raise _UnfitError(f"is {word} as {stored}, expected float16 or float32")
    if variable.shape != entry.shape:
        raise _UnfitError(f"{entry.name} has the shape {variable.shape}, expected {entry.shape}")
    return variable


def _state(variables: Mapping[str, np.ndarray], dims: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Split the variables of a file into the weights of openai-whisper."""
    import torch

    state = {}
    for entry in _entries(dims):
        rows = np.split(_weights(variables, entry), len(entry.parts))
        for part, weights in zip(entry.parts, rows, strict=True):
            if part is not None:
                # The copy is aligned, writable, and outlives the file.
                state[part] = torch.from_numpy(np.array(weights, subok=False))
            elif weights.any():
                raise _UnfitError(f"{entry.name} has a bias for keys, which Whisper lacks")
    return state


def _check_checkpoint(dims: Mapping[str, int], state: Mapping[str, torch.Tensor]) -> None:
    """Refuse what openai-whisper could not load: as these come from a file, they may be anything."""
    import torch

    if set(dims) != set(DIMENSIONS):
        raise _UnfitError(f"its dims are not {', '.join(DIMENSIONS)}")
    for name, value in dims.items():
        if type(value) is not int or value < 1:
            raise _UnfitError(f"its {name} is not a positive number")
    _check_dims(dims)
    unknown = set(state)
    for entry in _entries(dims):
        for part in filter(None, entry.parts):
            weights = state.get(part)
            if not isinstance(weights, torch.Tensor) or not weights.is_floating_point():
                raise _UnfitError(f"it has no weights {part}")
            if weights.shape != entry.part_shape:
                raise _UnfitError(f"{part} has the shape {tuple(weights.shape)}, expected {entry.part_shape}")
            unknown.remove(part)
    if unknown:
        raise _UnfitError(f"it has {min(map(repr, unknown))}, which Whisper lacks")


def _assemble(
    folder: Path, dims: Mapping[str, int], state: Mapping[str, torch.Tensor], heads: Sequence[tuple[int, int]]
) -> None:
    tokens = VOCABULARIES[dims["n_vocab"]]
    if folder.is_dir() and any(folder.iterdir()):
        raise WeightsError(f"{folder}: is not empty; remove it or choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".lyricsep-", dir=folder.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        _write_model(fresh / "model.bin", dims, state)
        _write_json(fresh / "config.json", {"alignment_heads": heads} | whisper_token_ids(*tokens))
        _write_json(fresh / "vocabulary.json", whisper_vocabulary(*tokens))
        _write_json(fresh / "tokenizer.json", whisper_tokenizer(*tokens))
        _write_json(fresh / "preprocessor_config.json", {"feature_size": dims["n_mels"]})
        try:
            fresh.replace(folder)
        except OSError:
            if not _has_files_of(folder, fresh):
                raise
            # Another process was quicker with the same model.


def _has_files_of(folder: Path, fresh: Path) -> bool:
    written = ((folder / path.name, path.stat().st_size) for path in fresh.iterdir())
    return all(path.is_file() and path.stat().st_size == size for path, size in written)


def _write_model(path: Path, dims: Mapping[str, int], state: Mapping[str, torch.Tensor]) -> None:
    heads = {"encoder/num_heads": ("<i2", dims["n_audio_head"]), "decoder/num_heads": ("<i2", dims["n_text_head"])}
    settings = SETTINGS | heads
    entries = {entry.name: entry for entry in _entries(dims)}
    with path.open("wb") as file:
        count = len(settings) + len(entries)
        file.write(struct.pack("<I", BINARY_VERSION) + _named(KIND) + struct.pack("<II", REVISION, count))
        for name in sorted([*settings, *entries]):
            if name in entries:
                value = _stacked(entries[name], state)
            else:
                dtype, number = settings[name]
                value = np.array(number, dtype)
            file.write(_named(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape))
            file.write(struct.pack("<BI", TYPES.index(value.dtype.name), value.nbytes))
            file.write(value.data)
        file.write(struct.pack("<I", 1) + _named(PROJECTION) + _named(EMBEDDING))
        file.flush()
        # The folder's name promises a whole model, also after a power cut.
        os.fsync(file.fileno())


def _stacked(entry: _Entry, state: Mapping[str, torch.Tensor]) -> np.ndarray:
    import torch

    parts = [
        torch.zeros(entry.part_shape, dtype=torch.float16)
        if part is None
        else state[part].detach().to("cpu", torch.float16)
        for part in entry.parts
    ]
    value = torch.cat(parts) if len(parts) > 1 else parts[0].contiguous()
    # The extremes are not finite if any number is not; a mask would need as much memory again.
    if not torch.stack(value.aminmax()).isfinite().all():
        raise _UnfitError(f"its {entry.parts[0]} holds numbers that float16 cannot")
    return value.numpy().astype("<f2", copy=False)


def _named(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode("ascii") + b"\0"


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


def _check_tied(variables: Mapping[str, np.ndarray]) -> None:
    """Whisper's last layer is its embedding; a model that has learned another cannot be written that way."""
    embedding = variables[EMBEDDING]
    projection = variables.get(PROJECTION, embedding)
    if projection is not embedding and not np.array_equal(projection, embedding):
        raise _UnfitError(
            "its last layer differs from its embedding, which openai-whisper cannot hold; use the backend ctranslate2"
        )


def _alignment_heads(path: Path, dims: Mapping[str, int]) -> list[tuple[int, int]]:
    try:
        heads = json.loads(path.read_bytes()).get("alignment_heads") or []
        pairs = [(layer, head) for layer, head in heads]
        fit = _has_heads(dims, pairs)
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: is not the config.json of a CTranslate2 model; download the model again"
        ) from error
    if not fit:
        raise WeightsError(f"{path}: names alignment heads that the model lacks; download the model again")
    return pairs


def _n_tokens(folder: Path) -> int:
    """Count the tokens of a vocabulary: the one that CTranslate2 would take, the JSON before the text."""
    listed = folder / "vocabulary.json"
    if not listed.exists():
        return len((folder / "vocabulary.txt").read_bytes().removesuffix(b"\n").split(b"\n"))
    try:
        tokens = json.loads(listed.read_bytes())
    except ValueError as error:
        raise WeightsError(f"{listed}: is not valid JSON; download the model again") from error
    return len(tokens) if isinstance(tokens, list) else 0


def _has_heads(dims: Mapping[str, int], heads: Sequence[tuple[int, int]]) -> bool:
    layers, width = range(dims["n_text_layer"]), range(dims["n_text_head"])
    return all(layer in layers and head in width for layer, head in heads)


def _later_heads(dims: Mapping[str, int]) -> list[tuple[int, int]]:
    n_layers = dims["n_text_layer"]
    return list(product(range(n_layers // 2, n_layers), range(dims["n_text_head"])))
