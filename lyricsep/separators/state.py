"""Load published weights into our networks: check every name and shape, and refuse unknown tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["filled", "shape_of"]

Model = TypeVar("Model", bound=nn.Module)


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
        Becomes the one that is given back, in evaluation mode.
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
        parts = [_tensor_of(state, key) for key in keys]
        for key, part in zip(keys, parts, strict=True):
            if part.shape != expected:
                raise ValueError(f"{key} has the shape {tuple(part.shape)}, expected {expected}")
        ours[name] = torch.cat(parts) if len(parts) > 1 else parts[0]
    own = [key for key in state if key.startswith(prefix) and key not in known]
    if unknown := [key for key in own if not re.fullmatch(unused, key.removeprefix(prefix))]:
        raise ValueError(f"{min(unknown)[:60]!r} is not known to {type(model).__name__}")
    model.load_state_dict(ours)
    return model.eval()


def shape_of(state: Mapping[str, Any], key: str, n_dimensions: int) -> tuple[int, ...]:
    """Return the shape of a published tensor, from which the sizes of a network follow.

    Raises
    ------
    ValueError
        If it is missing, no tensor of weights, empty, or of other dimensions.
    """
    tensor = _tensor_of(state, key)
    if tensor.ndim != n_dimensions or 0 in tensor.shape:
        raise ValueError(f"{key} has the shape {tuple(tensor.shape)}, expected {n_dimensions} dimensions")
    return tuple(tensor.shape)


def _tensor_of(state: Mapping[str, Any], key: str) -> Tensor:
    if key not in state:
        raise ValueError(f"it lacks {key}")
    tensor = state[key]
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise ValueError(f"{key} is not a tensor of weights")
    return tensor
