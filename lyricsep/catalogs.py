"""Read the catalogues of models, TOML tables that ship with a subpackage, and look up models by name."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, TypeVar

from lyricsep.errors import ConfigError

Spec = TypeVar("Spec")


def read_catalog(room: str) -> dict[str, Any]:
    """Read the ``catalog.toml`` of a subpackage, such as ``lyricsep.separators``."""
    return tomllib.loads(resources.files(room).joinpath("catalog.toml").read_text(encoding="utf-8"))


def look_up(catalog: Mapping[str, Spec], name: str, kind: str) -> Spec:
    """Find a model by its name; raise a `ConfigError` that names the nearest if no model of that kind has it."""
    if name in catalog:
        return catalog[name]
    raise ConfigError(
        f"no {kind} is called {name!r}; {did_you_mean(name, catalog)}`lyricsep models list` lists them all"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest of the known names, or one that contains the name; empty if none is near."""
    within = [other for other in known if name and name.lower() in other.lower()]
    near = difflib.get_close_matches(name, known, n=1) or within
    return f"did you mean {near[0]!r}? " if near else ""
