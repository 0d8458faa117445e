"""Whisper models of CTranslate2 as openai-whisper checkpoints, read with NumPy alone.

A CTranslate2 ``model.bin`` of binary version 6 is, in little-endian order and without padding:

- the version (uint32), the name of the model's kind, its revision (uint32), the number of variables (uint32);
- for each variable its name, rank (uint8), dimensions (uint32 each), type (uint8), bytes (uint32), content;
- the number of aliases (uint32); for each alias its name, and the name of the variable it stands for.

A name is a length (uint16, counting the final NUL), the bytes, and the NUL. The facts are those of
``ctranslate2.specs.model_spec`` and ``ctranslate2.specs.whisper_spec`` of CTranslate2 4.8.

There the queries, keys and values of self-attention are one matrix, as are the keys and values of
cross-attention. Whisper's keys have no bias, so their share of the joined bias is zero.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import WeightsError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["read_whisper"]

BINARY_VERSION = 6
KIND = "WhisperSpec"
REVISION = 3
TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")  # CTranslate2's DataType, by number
BYTES = (4, 1, 2, 4, 2, 2)


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
    model = folder / "model.bin"
    try:
        variables = _Reader(model).variables()
        dims, state = _converted(variables)
        return dims, state, _alignment_heads(folder / "config.json", dims)
    except OSError as error:
        name = error.filename or model
        raise WeightsError(f"{name}: cannot be read ({error.strerror or error}); fetch the model again") from error
    except _UnfitError as error:
        raise WeightsError(f"{model}: {error}; {error.advice}") from error


class _UnfitError(Exception):
    """The model is not one that can be read; the text follows the path of the file."""

    advice = "convert it again with ct2-transformers-converter --quantization float16"


class _DamagedError(_UnfitError):
    """The bytes make no sense."""

    advice = "fetch the model again"


class _Reader:
    """Goes through the bytes of a model without reading those it does not need."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        if path.stat().st_size == 0:
            raise _DamagedError("is empty")
        self._bytes = np.memmap(path, np.uint8, mode="r")
        self._position = 0

    def variables(self) -> dict[str, np.ndarray]:
        """Give all variables by name, as views of the file, aliases included."""
        (version,) = self._numbers("I")
        if version != BINARY_VERSION:
            raise _UnfitError(f"is no CTranslate2 model of binary version {BINARY_VERSION} (it says {version})")
        kind = self._name()
        (revision, count) = self._numbers("II")
        if (kind, revision) != (KIND, REVISION):
            raise _UnfitError(f"holds a {kind!r} of revision {revision}, expected {KIND} of revision {REVISION}")
        variables = dict(self._variable() for _ in range(count))
        (count,) = self._numbers("I")
        for _ in range(count):
            alias, name = self._name(), self._name()
            if name not in variables:
                raise _DamagedError(f"calls {alias} the same as {name}, which it has not")
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


@dataclass
class _Conversion:
    """The variables of one file, and the checkpoint made from them so far."""

    variables: dict[str, np.ndarray]
    state: dict[str, torch.Tensor] = field(default_factory=dict)

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        shape = self._variable(name).shape
        if len(shape) != rank or 0 in shape:
            raise _UnfitError(f"{name} has the shape {shape}, expected {rank} dimensions")
        return shape

    def count(self, name: str) -> int:
        variable = self._variable(name)
        if variable.shape != () or variable.dtype.kind != "i" or variable < 1:
            raise _UnfitError(f"{name} is no positive number")
        return int(variable)

    def layers(self, side: str) -> int:
        prefix = f"{side}/layer_"
        names = (name.removeprefix(prefix).partition("/")[0] for name in self.variables if name.startswith(prefix))
        count = len({name for name in names if name.isdecimal()})
        if not count:
            raise _UnfitError(f"its {side} has no layers")
        return count

    def weights(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Give a variable as it lies in the file, if it is of this shape and holds weights."""
        variable = self._variable(name)
        if variable.dtype.kind != "f":
            stored = "bfloat16" if variable.dtype.kind == "V" else variable.dtype.name
            word = "quantised" if variable.dtype.kind == "i" else "stored"
            raise _UnfitError(f"is {word} as {stored}, expected float16 or float32")
        if variable.shape != shape:
            raise _UnfitError(f"{name} has the shape {variable.shape}, expected {shape}")
        return variable

    def put(self, name: str, weights: np.ndarray) -> None:
        import numpy as np
        import torch

        # The copy is aligned, writable, and outlives the file.
        self.state[name] = torch.from_numpy(np.array(weights, subok=False))

    def move(self, source: str, target: str, shape: tuple[int, ...]) -> None:
        self.put(target, self.weights(source, shape))

    def linear(self, source: str, target: str, n_out: int, n_in: int) -> None:
        self.move(f"{source}/weight", f"{target}.weight", (n_out, n_in))
        self.move(f"{source}/bias", f"{target}.bias", (n_out,))

    def norm(self, source: str, target: str, n_state: int) -> None:
        self.move(f"{source}/gamma", f"{target}.weight", (n_state,))
        self.move(f"{source}/beta", f"{target}.bias", (n_state,))

    def fused(self, source: str, target: str, parts: tuple[str, ...], n_state: int) -> None:
        """Take apart projections that are stacked in one matrix."""
        weight = self.weights(f"{source}/weight", (len(parts) * n_state, n_state))
        bias = self.weights(f"{source}/bias", (len(parts) * n_state,))
        for index, part in enumerate(parts):
            rows = slice(index * n_state, (index + 1) * n_state)
            self.put(f"{target}.{part}.weight", weight[rows])
            if part != "key":
                self.put(f"{target}.{part}.bias", bias[rows])
            elif bias[rows].any():
                raise _UnfitError(f"{source} has a bias for its keys, which Whisper has not")

    def _variable(self, name: str) -> np.ndarray:
        if name not in self.variables:
            raise _UnfitError(f"has no {name}, so it is no Whisper model")
        return self.variables[name]


def _converted(variables: dict[str, np.ndarray]) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    conversion = _Conversion(variables)
    n_audio_ctx, n_audio_state = conversion.shape("encoder/position_encodings/encodings", 2)
    n_text_ctx, n_text_state = conversion.shape("decoder/position_encodings/encodings", 2)
    dims = {
        "n_mels": conversion.shape("encoder/conv1/weight", 3)[1],
        "n_audio_ctx": n_audio_ctx,
        "n_audio_state": n_audio_state,
        "n_audio_head": conversion.count("encoder/num_heads"),
        "n_audio_layer": conversion.layers("encoder"),
        "n_vocab": conversion.shape("decoder/embeddings/weight", 2)[0],
        "n_text_ctx": n_text_ctx,
        "n_text_state": n_text_state,
        "n_text_head": conversion.count("decoder/num_heads"),
        "n_text_layer": conversion.layers("decoder"),
    }
    for side in ("audio", "text"):
        if dims[f"n_{side}_state"] % dims[f"n_{side}_head"]:
            raise _UnfitError(f"its {side} width cannot be shared among its heads")
    if n_audio_state != n_text_state:
        raise _UnfitError(f"its encoder is {n_audio_state} wide, its decoder {n_text_state}")
    _encoder(conversion, dims)
    _decoder(conversion, dims)
    return dims, conversion.state


def _encoder(conversion: _Conversion, dims: dict[str, int]) -> None:
    n_state = dims["n_audio_state"]
    for name, n_in in (("conv1", dims["n_mels"]), ("conv2", n_state)):
        conversion.move(f"encoder/{name}/weight", f"encoder.{name}.weight", (n_state, n_in, 3))
        conversion.move(f"encoder/{name}/bias", f"encoder.{name}.bias", (n_state,))
    positions = (dims["n_audio_ctx"], n_state)
    conversion.move("encoder/position_encodings/encodings", "encoder.positional_embedding", positions)
    conversion.norm("encoder/layer_norm", "encoder.ln_post", n_state)
    for source, target in _layers("encoder", dims["n_audio_layer"]):
        _self_attention(conversion, source, target, n_state)
        _feed_forward(conversion, source, target, n_state)


def _decoder(conversion: _Conversion, dims: dict[str, int]) -> None:
    n_state = dims["n_text_state"]
    _check_tied(conversion.variables)
    conversion.move("decoder/embeddings/weight", "decoder.token_embedding.weight", (dims["n_vocab"], n_state))
    positions = (dims["n_text_ctx"], n_state)
    conversion.move("decoder/position_encodings/encodings", "decoder.positional_embedding", positions)
    conversion.norm("decoder/layer_norm", "decoder.ln", n_state)
    for source, target in _layers("decoder", dims["n_text_layer"]):
        _self_attention(conversion, source, target, n_state)
        _cross_attention(conversion, source, target, n_state)
        _feed_forward(conversion, source, target, n_state)


def _layers(side: str, count: int) -> Iterator[tuple[str, str]]:
    return ((f"{side}/layer_{index}", f"{side}.blocks.{index}") for index in range(count))


def _self_attention(conversion: _Conversion, source: str, target: str, n_state: int) -> None:
    conversion.norm(f"{source}/self_attention/layer_norm", f"{target}.attn_ln", n_state)
    conversion.fused(f"{source}/self_attention/linear_0", f"{target}.attn", ("query", "key", "value"), n_state)
    conversion.linear(f"{source}/self_attention/linear_1", f"{target}.attn.out", n_state, n_state)


def _cross_attention(conversion: _Conversion, source: str, target: str, n_state: int) -> None:
    conversion.norm(f"{source}/attention/layer_norm", f"{target}.cross_attn_ln", n_state)
    conversion.linear(f"{source}/attention/linear_0", f"{target}.cross_attn.query", n_state, n_state)
    conversion.fused(f"{source}/attention/linear_1", f"{target}.cross_attn", ("key", "value"), n_state)
    conversion.linear(f"{source}/attention/linear_2", f"{target}.cross_attn.out", n_state, n_state)


def _feed_forward(conversion: _Conversion, source: str, target: str, n_state: int) -> None:
    conversion.norm(f"{source}/ffn/layer_norm", f"{target}.mlp_ln", n_state)
    conversion.linear(f"{source}/ffn/linear_0", f"{target}.mlp.0", 4 * n_state, n_state)
    conversion.linear(f"{source}/ffn/linear_1", f"{target}.mlp.2", n_state, 4 * n_state)


def _check_tied(variables: dict[str, np.ndarray]) -> None:
    """Whisper's last layer is its embedding; a model that has learned another cannot be written that way."""
    import numpy as np

    embedding = variables["decoder/embeddings/weight"]
    projection = variables.get("decoder/projection/weight", embedding)
    if projection is not embedding and not np.array_equal(projection, embedding):
        raise _UnfitError(
            "its last layer differs from its embedding, which openai-whisper cannot hold; use faster-whisper"
        )


def _alignment_heads(path: Path, dims: dict[str, int]) -> list[tuple[int, int]]:
    try:
        heads = json.loads(path.read_bytes()).get("alignment_heads") or []
        pairs = [(layer, head) for layer, head in heads]
        fit = all(
            layer in range(dims["n_text_layer"]) and head in range(dims["n_text_head"]) for layer, head in pairs
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: is not the config.json of a CTranslate2 model; fetch the model again") from error
    if not fit:
        raise WeightsError(f"{path}: names alignment heads that the model has not; fetch the model again")
    return pairs
