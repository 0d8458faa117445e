"""Networks run on one thread here, from files of an entry called ``mine``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lyricsep.separators import SeparatorSpec
from lyricsep.weights import WeightFile


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """On a busy machine several threads wait for each other ten times longer than they work."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def spec_of(tmp_path: Path, cache: Path, pinned: Callable[..., WeightFile]) -> Callable[..., SeparatorSpec]:
    """Give a function that writes files, and describes a separator of a family that has them."""

    def make(
        family: str, contents: Mapping[str, bytes], settings: Mapping[str, Any] | None = None, **more: Any
    ) -> SeparatorSpec:
        files = []
        for name, data in contents.items():
            (tmp_path / name).write_bytes(data)
            files.append(pinned(data, f"file:{tmp_path / name}", name=name))
        return SeparatorSpec("mine", family, "", "", "", tuple(files), settings or {}, **more)

    return make
