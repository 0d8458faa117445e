"""The catalogue of separators: names to specifications to running separators."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lyricsep.catalogs import look_up, read_catalog
from lyricsep.errors import ConfigError
from lyricsep.files import shown
from lyricsep.separators.base import SeparatorSpec, Status
from lyricsep.separators.plugins import create_plugin, plugin_catalog
from lyricsep.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from lyricsep.separators.base import Separator
    from lyricsep.separators.engine import Network

__all__ = ["create_separator", "find_separator", "separator_catalog"]

logger = logging.getLogger(__name__)

_TEXTS = ("name", "family", "summary", "licence", "citation", "status", "reason", "setup", "query")
_FLAGS = ("vocals", "generative")


@cache
def separator_catalog() -> Mapping[str, SeparatorSpec]:
    """Every separator by name: those of the catalogue in its order, then those of plugins."""
    return {**_built_in(), **plugin_catalog(_built_in())}


@cache
def _built_in() -> Mapping[str, SeparatorSpec]:
    specs = [_spec(table) for table in read_catalog("lyricsep.separators")["separator"]]
    return {spec.name: spec for spec in specs}


def find_separator(name: str) -> SeparatorSpec:
    """Look up a separator that can be selected.

    Parameters
    ----------
    name : str
        A name of the catalogue, or the path of a recipe that ends in ``.toml`` (see `lyricsep.separators.bridge`).

    Raises
    ------
    ConfigError
        If no separator has that name (the message names the nearest), or it is listed as unavailable or broken (the
        message says why), or the recipe cannot be read.
    """
    if name.endswith(".toml"):
        return _read_recipe(Path(name))
    # Plugins are only asked where they are needed: they may be slow to import.
    built_in = _built_in()
    spec = built_in[name] if name in built_in else look_up(separator_catalog(), name, "separator")
    _require_usable(spec)
    return spec


def create_separator(
    spec: SeparatorSpec,
    device: torch.device,
    *,
    batch_size: int | None = None,
    offline: bool = False,
    query: str | None = None,
) -> Separator:
    """Fetch the weights, build the network, put it on the device.

    Parameters
    ----------
    spec : SeparatorSpec
        From `find_separator`, or your own.
    device : torch.device
        Where to run.
    batch_size : int, optional
        Chunks per call, at least 1; by default 1 on the CPU, where more only costs memory, and 8 elsewhere.
    offline : bool
        Never open a connection.
    query : str, optional
        What to look for, for separators that take a query; by default their own.

    Raises
    ------
    WeightsError
        If the weights cannot be had or loaded.
    ConfigError
        If the model is unavailable, takes no query, needs an environment or an extra that is not installed, more
        memory than the device has, or a family that does not exist.
    """
    _require_usable(spec)
    if query is not None and not spec.query:
        raise ConfigError(f"{spec.name}: takes no query; leave --query out, or see `lyricsep models list`")
    separator = _create(spec, device, batch_size, query, offline=offline)
    _warn(spec.name, generative=spec.generative, licence=spec.licence if spec.is_non_commercial else "")
    return separator


def _create(
    spec: SeparatorSpec, device: torch.device, batch_size: int | None, query: str | None, *, offline: bool
) -> Separator:
    if spec.create is not None:
        return create_plugin(spec, device)
    if spec.family == "passthrough":
        from lyricsep.separators.passthrough import Passthrough

        return Passthrough()
    if spec.family == "stems":
        from lyricsep.separators.stems import Stems

        return Stems()
    if spec.family == "exec":
        from lyricsep.separators.bridge import Bridge

        return Bridge(spec, device, query=query, offline=offline)

    from lyricsep.separators.engine import NetworkSeparator

    network = _load_network(spec, query, offline=offline)
    if batch_size is None:
        batch_size = 1 if device.type == "cpu" else 8
    return NetworkSeparator(spec.name, network, device, batch_size)


def _load_network(spec: SeparatorSpec, query: str | None, *, offline: bool) -> Network:
    """Call ``load_<family>`` of the module ``lyricsep.separators.<family>``; with the query, where it takes one."""
    module = f"lyricsep.separators.{spec.family}"
    load = None
    if spec.family.isidentifier() and importlib.util.find_spec(module):
        load = getattr(importlib.import_module(module), f"load_{spec.family}", None)
    if load is None:
        raise ConfigError(f"{spec.name}: no family is called {spec.family!r}; correct the catalogue entry")
    network: Network = load(spec, offline=offline, **({"query": query} if spec.query else {}))
    return network


def _require_usable(spec: SeparatorSpec) -> None:
    if spec.status in ("unavailable", "broken"):
        raise ConfigError(f"{spec.name}: {spec.status}: {spec.reason}; choose another --separator")


@cache
def _warn(name: str, *, generative: bool, licence: str) -> None:
    """Say once what a user of this separator must know."""
    if generative:
        # SDR agrees with listeners on generative models at 0.18 (Spearman): Bereuter et al., WASPAA 2025.
        logger.warning("%s: makes its vocals up: it may invent words, and must not be ranked by SDR", name)
    if licence:
        logger.warning("%s: its licence forbids commercial use (%s)", name, licence)


def _read_recipe(path: Path) -> SeparatorSpec:
    """Read a recipe of the user's own."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{shown(path)}: cannot be read ({error.strerror or error}); name a recipe") from error
    except ValueError as error:  # no TOML, or no text
        raise ConfigError(f"{shown(path)}: no TOML ({' '.join(str(error).split())}); correct it") from error
    table = {
        "name": path.stem,
        "family": "exec",
        "summary": f"Recipe {path.name}",
        "licence": "-",
        "citation": "-",
        "status": "needs setup",
        **table,
    }
    settings = table.get("settings")
    if table["family"] != "exec" or not isinstance(settings, dict):
        raise ConfigError(f"{shown(path)}: a recipe is of the family exec and has a table [settings]; correct it")
    folder = path.absolute().parent
    for key, default in (("folder", "."), ("python", "")):
        value = settings.get(key, default)
        if isinstance(value, str) and value:
            settings[key] = str(folder / Path(value).expanduser())
    try:
        spec = _spec(table)
    except ConfigError as error:
        raise ConfigError(f"{shown(path)}: {error}; correct it") from error

    from lyricsep.separators.bridge import Recipe

    Recipe.of(spec)
    return spec


def _spec(table: Mapping[str, Any]) -> SeparatorSpec:
    """Read a table of the catalogue.

    Raises
    ------
    ConfigError
        If a key is unknown or of another kind.
    """
    for key, value in table.items():
        wanted = str if key in _TEXTS else bool if key in _FLAGS else {"files": list, "settings": dict}.get(key)
        if wanted is None:
            raise ConfigError(f"unknown key {key!r}")
        if not isinstance(value, wanted):
            raise ConfigError(f"{key} is of another kind, got {value!r}")
    if table.get("status", "works") not in get_args(Status):
        raise ConfigError(f"status is one of {', '.join(get_args(Status))}, got {table['status']!r}")
    files = tuple(WeightFile.from_toml(file) for file in table.get("files", ()))
    return SeparatorSpec(**{**table, "files": files})
