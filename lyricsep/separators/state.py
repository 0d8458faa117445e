"""Load published weights into our networks: check every name and shape, and refuse unknown tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lyricsep.errors import ConfigError, WeightsError, reason_of
from lyricsep.separators.base import SeparatorSpec
from lyricsep.weights import WeightFile, load_checkpoint, load_safetensors

Model = TypeVar("Model", bound=nn.Module)


@contextmanager
def describing(
    what: str,
    *,
    advice: str = "pull the model again",
    errors: tuple[type[Exception], ...] = (ValueError, RuntimeError, MemoryError),
) -> Iterator[None]:
    """Turn what content of the wrong kind raises into a `WeightsError`.

    Parameters
    ----------
    what : str
        The file and what it is not; the reason comes behind it.
    advice : str
        What to try next.
    errors : tuple of type
        What is caught.
    """
    try:
        yield
    except errors as error:
        raise WeightsError(f"{what} ({reason_of(error)}); {advice}") from error


def one_file(spec: SeparatorSpec, network: str, *settings: str) -> WeightFile:
    """Return the only file of a catalogue entry.

    Raise a `ConfigError` if there is not one file, or one of these settings is missing.
    """
    if len(spec.files) == 1 and spec.settings.keys() >= set(settings):
        return spec.files[0]
    needed = f" and the settings {', '.join(settings)}" if settings else ""
    got = f" and {', '.join(spec.settings) or 'none'}" if settings else ""
    raise ConfigError(
        f"{spec.name}: {network} needs one file{needed}, got {len(spec.files)}{got}; correct the catalogue entry"
    )


def read_state(path: Path, *, allow: Sequence[Any] = (), wrappers: Sequence[str] = ()) -> dict[str, Any]:
    """Read the tensors of a checkpoint of either format, by name; whether they are tensors is not checked.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or one of `torch.save`.
    allow : sequence
        As `load_checkpoint`.
    wrappers : sequence of str
        Keys under which training scripts save the state, beside what else they save.
    """
    state = load_safetensors(path)[0] if path.suffix == ".safetensors" else load_checkpoint(path, allow=allow)
    if isinstance(state, dict):
        state = next((state[key] for key in wrappers if isinstance(state.get(key), dict)), state)
    return as_state(state)


def as_state(value: object) -> dict[str, Any]:
    """Return a dictionary of names as it is; raise a `ValueError` if it is something else."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"expected a dictionary of tensors, got {type(value).__name__}")
    return value


def filled(
    model: Model,
    state: Mapping[str, Any],
    published: Callable[[str], str | Sequence[str]],
    *,
    prefix: str = "",
    unused: str = r"(?!)",
) -> Model:
    """Load all weights of a network.

    Parameters
    ----------
    model : Module
        Returned in evaluation mode, with the weights in single precision.
    state : mapping
        The published tensors.
    published : callable
        Name of a tensor of the network to that of the published one, or to those that are stacked in it.
    prefix : str
        What all names of this network begin with in the state, and `published` does not say; other names are not
        looked at.
    unused : str
        Regular expression of published names, without the prefix, that nothing looks at; by default there are none.

    Raises
    ------
    ValueError
        If tensors are missing, of other shapes, or unknown.
    """
    ours: dict[str, Tensor] = {}
    known: set[str] = set()
    for name, tensor in model.state_dict().items():
        names = published(name)
        keys = [prefix + key for key in ([names] if isinstance(names, str) else names)]
        known.update(keys)
        if name.endswith("num_batches_tracked"):  # matters to the training alone
            ours[name] = tensor
            continue
        expected = (tensor.shape[0] // len(keys), *tensor.shape[1:]) if len(keys) > 1 else tuple(tensor.shape)
        parts = [tensor_of(state, key) for key in keys]
        for key, part in zip(keys, parts, strict=True):
            if part.shape != expected:
                raise ValueError(f"{key} has the shape {tuple(part.shape)}, expected {expected}")
        joined = torch.cat(parts) if len(parts) > 1 else parts[0]
        ours[name] = joined.to(torch.float32).contiguous()
    own = [key for key in state if key.startswith(prefix) and key not in known]
    if unknown := [key for key in own if not re.fullmatch(unused, key.removeprefix(prefix))]:
        raise ValueError(f"{min(unknown)[:60]!r} is not known to {type(model).__name__}")
    # Assigned, not copied: some are a gigabyte.
    model.load_state_dict(ours, assign=True)
    return model.eval()


def shape_of(state: Mapping[str, Any], key: str, n_dimensions: int) -> tuple[int, ...]:
    """Return the shape of a published tensor, from which the sizes of a network follow.

    Raise a `ValueError` if it is missing, no tensor of weights, empty, or of other dimensions.
    """
    tensor = tensor_of(state, key)
    if tensor.ndim != n_dimensions or 0 in tensor.shape:
        raise ValueError(f"{key} has the shape {tuple(tensor.shape)}, expected {n_dimensions} dimensions")
    return tuple(tensor.shape)


def tensor_of(state: Mapping[str, Any], key: str) -> Tensor:
    """Return a published tensor; raise a `ValueError` if it is missing, or no tensor of weights."""
    if key not in state:
        raise ValueError(f"it lacks {key}")
    tensor = state[key]
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise ValueError(f"{key} is not a tensor of weights")
    return tensor
