"""Convert a pickled checkpoint to safetensors, its description as metadata.

A checkpoint that asks to run code, as those of training frameworks do, is refused like anywhere else, unless its user
trusts it and names its sha256: then it is unpickled once, here, and never again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lyricsep.errors import ConfigError, OutputError, WeightsError
from lyricsep.files import shown
from lyricsep.weights.loading import load_checkpoint, save_safetensors

if TYPE_CHECKING:
    import torch

# Under these names training scripts keep the weights, beside what else they save.
_WRAPPERS = ("state_dict", "state", "model_state_dict", "model")
# What families want to know of a checkpoint beside its weights: Demucs its class and arguments, Asteroid its sizes.
_FACTS = ("klass", "args", "kwargs", "model_name", "model_args")


def convert_checkpoint(
    path: Path, target: Path, *, sha256: str = "", allow_pickle: bool = False, overwrite: bool = False
) -> int:
    """Write the weights of a torch checkpoint as safetensors.

    Parameters
    ----------
    path : Path
        A file of `torch.save`: a dictionary of tensors, or one that holds such a dictionary under a usual name.
    target : Path
        The file to make; its name ends in ``.safetensors``.
    sha256 : str
        Expected hash of `path`; empty if unknown.
    allow_pickle : bool
        Unpickle what the safe reader refuses, which may run any code. Demands `sha256`.
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    int
        The number of tensors.

    Raises
    ------
    ConfigError
        If `target` has another suffix, `sha256` is no hash, or `allow_pickle` comes without it.
    WeightsError
        If the file is damaged, is not what its hash promises, asks to run code, or holds no weights.
    OutputError
        If `target` exists, or cannot be written.
    """
    if target.suffix != ".safetensors":
        raise ConfigError(f"{shown(target)}: the new file must end in .safetensors; choose such a name")
    if target.exists() and not overwrite:
        raise OutputError(f"{shown(target)}: exists already", hint="choose another name or set {overwrite=True}")
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigError(f"a sha256 is 64 lower-case hexadecimal digits, got {sha256!r}", hint="correct {sha256}")
    if allow_pickle and not sha256:
        raise ConfigError(
            "unpickling may run any code that is in the file", hint="set {sha256} too, as its author published it"
        )
    checkpoint = _unpickled(path, sha256) if allow_pickle else _read(path, sha256)
    state, facts = _taken_apart(path, checkpoint)
    save_safetensors(target, _apart(state), facts)
    return len(state)


def _read(path: Path, sha256: str) -> object:
    if sha256:
        _open(path, sha256).close()
    try:
        return load_checkpoint(path)
    except WeightsError as error:
        if "loading it would run" not in str(error):
            raise
        raise WeightsError(
            str(error), hint="if you trust its author, set {allow_pickle=True} and the {sha256} of the file"
        ) from error


def _unpickled(path: Path, sha256: str) -> object:
    import torch

    with _open(path, sha256) as file:
        try:
            return torch.load(file, map_location="cpu", weights_only=False)
        except Exception as error:  # whatever the code in it raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise WeightsError(
                f"{shown(path)}: cannot be unpickled ({reason}); install what it was saved with, or get it again"
            ) from error


def _open(path: Path, sha256: str) -> BinaryIO:
    """Open a file and check its hash; what is read later is what was hashed."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read ({error.strerror or error}); check the path") from error
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        file.close()
        raise WeightsError(f"{shown(path)}: its sha256 is {found}, expected {sha256}; get the file again")
    file.seek(0)
    return file


def _taken_apart(path: Path, checkpoint: object) -> tuple[Mapping[str, torch.Tensor], dict[str, str]]:
    """Return the weights of a checkpoint, and its metadata as JSON."""
    import torch

    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f"{shown(path)}: holds a {type(checkpoint).__name__}, expected a dictionary of tensors")
    state = next((checkpoint[key] for key in _WRAPPERS if isinstance(checkpoint.get(key), Mapping)), checkpoint)
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            raise WeightsError(
                f"{shown(path)}: {str(key)[:60]!r} is not a plain tensor but a {type(value).__name__}; this is not "
                "a weights file that lyricsep knows"
            )
    facts = checkpoint if state is not checkpoint else {}
    return state, {key: _fact(facts[key]) for key in _FACTS if key in facts}


def _fact(value: object) -> str:
    # The published safetensors of Demucs name their class as it is, and fractions in this way.
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return value if isinstance(value, str) else json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)


def _apart(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors that share memory: safetensors files cannot hold shared weights."""
    seen: set[int] = set()
    tensors = {}
    for key, tensor in state.items():
        storage = tensor.untyped_storage().data_ptr()
        tensors[key] = tensor.detach().clone() if storage in seen else tensor.detach()
        seen.add(storage)
    return tensors
