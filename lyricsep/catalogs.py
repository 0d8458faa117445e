"""Read the catalogues of models, TOML tables that ship with a subpackage, and look up models by name."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, TypeVar

from lyricsep.errors import ConfigError

__all__ = ["look_up", "read_catalog"]

Spec = TypeVar("Spec")


def read_catalog(room: str) -> dict[str, Any]:
    """Read the ``catalog.toml`` of a subpackage, such as ``lyricsep.separators``."""
    return tomllib.loads(resources.files(room).joinpath("catalog.toml").read_text(encoding="utf-8"))


def look_up(catalog: Mapping[str, Spec], name: str, kind: str) -> Spec:
    """Find a model by its name.

    Raises
    ------
    ConfigError
        If no model of that kind has that name; the message names the nearest.
    """
    if name in catalog:
        return catalog[name]
    within = [known for known in catalog if name and name.lower() in known.lower()]
    near = difflib.get_close_matches(name, catalog, n=1) or within
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"no {kind} is called {name!r}; {hint}`lyricsep models list` lists them all")
