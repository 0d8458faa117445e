"""Read and write weights without running code from a file.

Safetensors are plain data. The other formats are pickles, which are small programs: they are read by
interpreters that know a handful of harmless instructions and refuse the rest: torch's own for checkpoints
(``weights_only=True``), and the one below for NumPy arrays.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from lyricsep.errors import OutputError, WeightsError
from lyricsep.files import replacing

if TYPE_CHECKING:
    import torch

# torch.save stores without compression, and weights hardly shrink: what grows more than this is none.
MAX_EXPANSION = 8
MAX_SMALL = 1 << 20  # bytes that are never too many

# What interpreters of pickles, and readers of zips and arrays, are known to raise on bytes that make no sense.
UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    ImportError,
    MemoryError,
)


def load_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a safetensors file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tensors : dict
        On the CPU, in the dtypes of the file.
    metadata : dict
        The strings the file says about itself.

    Raises
    ------
    WeightsError
        If the file cannot be read, is truncated or is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, "a safetensors file", error) from error


def save_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    tensors : mapping
        No two may share memory.
    metadata : mapping
        Strings the file shall say about itself.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, dict(metadata))
        except SafetensorError as error:
            raise OutputError(f"{path}: cannot be written ({_first_line(error)}); free some space") from error


class Ignored:
    """Placeholder for objects that a training script stored beside the weights and that are not needed.

    ``(Ignored, "full.name")`` among what `load_checkpoint` allows lets objects of that class, or what a function of
    that name gives, be in a file, without anything of theirs being made or called.
    """

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Ignore it."""


def load_checkpoint(path: Path, *, allow: Sequence[type] = ()) -> object:
    """Read a torch checkpoint on the CPU, without running code from it.

    Parameters
    ----------
    path : Path
        A file of `torch.save`.
    allow : sequence of type
        Classes that may be made besides tensors and plain data: those a known family of models needs.

    Returns
    -------
    object
        What was saved.

    Raises
    ------
    WeightsError
        If the file cannot be read, is damaged, asks for what is not allowed, or would unpack into far more
        bytes than it has.
    """
    import torch

    _refuse_bomb(path)
    try:
        with torch.serialization.safe_globals(list(allow)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise _damaged(path, "a torch checkpoint", error) from error


def load_numpy_pickle(path: Path) -> object:
    """Read a pickle of NumPy arrays of numbers, plain or inside the zip of `torch.save`.

    Allowed are Python's plain data and numeric arrays and scalars; nothing else is even looked up.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        What was pickled, with writable arrays of their own.

    Raises
    ------
    WeightsError
        As `load_checkpoint`.
    """
    _refuse_bomb(path)
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return _load_arrays(file)
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
                if len(names) != 1:
                    raise ValueError("no data.pkl inside")
                with archive.open(names[0]) as member:
                    return _load_arrays(member)
    except UNREADABLE as error:
        raise _damaged(path, "a pickle of NumPy arrays", error) from error


class _Array:
    """An array before its state is set: a pickle builds the empty object first, then its content."""

    __slots__ = ("content",)

    content: np.ndarray

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), tuple(shape), _DType(code=str(code)), bool(by_columns), bytes(content)):
                flat = np.frombuffer(content, code)
                self.content = flat.reshape(shape, order="F" if by_columns else "C").copy()
            case _:
                raise pickle.UnpicklingError("an array whose content is not numbers")


class _DType:
    """A dtype of numbers. NumPy's own would let a pickle change how long its numbers are."""

    __slots__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), "<" | ">" | "=" | "|" as order, None, None, None, -1, -1, 0, *_):
                self.code = order + self.code
            case _:
                raise pickle.UnpicklingError("a dtype that is not of numbers")


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler that maps the few names that pickled arrays use to harmless replacements."""

    def find_class(self, module: str, name: str) -> object:
        known = {
            "numpy.ndarray": _Array,
            "numpy.dtype": self._dtype,
            "numpy.core.multiarray._reconstruct": self._array,
            "numpy.core.multiarray.scalar": self._scalar,
            "_codecs.encode": self._encode,
            "__builtin__.bytes": self._empty,
        }
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if full not in known:
            raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {module}.{name}")
        return known[full]

    def _array(self, kind: object, *_shape_and_code: object) -> _Array:
        if kind is not _Array:
            raise pickle.UnpicklingError("an array of an unknown kind")
        return _Array()

    def _dtype(self, code: object, *_align_and_copy: object) -> _DType:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]|c(8|16)", code):
            raise pickle.UnpicklingError("a dtype that is not of numbers")
        return _DType(code)

    def _scalar(self, dtype: object, content: object) -> np.generic:
        if not isinstance(dtype, _DType) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("a scalar that is not a number")
        scalar: np.generic
        (scalar,) = np.frombuffer(content, dtype.code)
        return scalar

    def _encode(self, text: object, encoding: object) -> bytes:
        # How the older pickle protocols write bytes.
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("bytes in an unknown encoding")
        return text.encode("latin1")

    def _empty(self) -> bytes:
        # How they write no bytes at all.
        return b""


def _load_arrays(file: IO[bytes]) -> object:
    value = _ArrayUnpickler(file).load()
    if file.read(1):
        raise pickle.UnpicklingError("it continues after its end")
    return _finished(value, {})


def _finished(value: object, seen: dict[int, object]) -> object:
    """Replace the placeholders by their arrays, in nested plain containers too."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        return value
    # Once each: a pickle may refer to the same list any number of times.
    if id(value) not in seen:
        if isinstance(value, dict):
            seen[id(value)] = {_finished(key, seen): _finished(item, seen) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            seen[id(value)] = type(value)(_finished(item, seen) for item in value)
        elif isinstance(value, _Array):
            seen[id(value)] = value.content
        else:
            raise pickle.UnpicklingError(f"a {type(value).__name__} is not a weight")
    return seen[id(value)]


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
        size = path.stat().st_size
    except zipfile.BadZipFile:
        return
    except (OSError, ValueError, NotImplementedError, struct.error) as error:
        raise _damaged(path, "a checkpoint", error) from error
    if declared > max(MAX_EXPANSION * size, MAX_SMALL):
        raise WeightsError(
            f"{path}: refused, its {size} bytes would unpack into {declared}; "
            "weights do not compress that well: download the file again from its author"
        )


def _damaged(path: Path, kind: str, error: Exception) -> WeightsError:
    if isinstance(error, OSError) and error.strerror:
        return WeightsError(f"{path}: cannot be read ({error.strerror}); check the path")
    if wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return WeightsError(
            f"{path}: refused, as loading it would run {wanted[1]}; "
            "use a safetensors file, or a file from a source that you trust"
        )
    return WeightsError(f"{path}: is not {kind}, or is damaged ({_first_line(error)}); get it again")


def _first_line(error: Exception) -> str:
    # PyTorch puts its reason below advice for programmers.
    reason = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    lines = reason.splitlines() or [""]
    return lines[0][:120].strip() or type(error).__name__
