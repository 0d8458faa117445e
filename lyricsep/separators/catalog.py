"""The catalogue of separators: names to specifications to running separators."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lyricsep.catalogs import look_up, read_catalog
from lyricsep.errors import ConfigError
from lyricsep.files import at_home, shown
from lyricsep.separators.base import Chain, SeparatorSpec, Status
from lyricsep.separators.plugins import create_plugin, plugin_catalog
from lyricsep.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from lyricsep.separators.base import Separator
    from lyricsep.separators.engine import Network

logger = logging.getLogger(__name__)

_KINDS = {
    str: ("name", "family", "summary", "licence", "citation", "status", "reason", "setup", "query"),
    bool: ("vocals", "generative"),
    list: ("files", "aliases"),
    dict: ("settings",),
}


@cache
def separator_catalog() -> Mapping[str, SeparatorSpec]:
    """Every separator by name: those of the catalogue in its order, then those of plugins."""
    return {**_built_in(), **plugin_catalog(_built_in())}


@cache
def _built_in() -> Mapping[str, SeparatorSpec]:
    specs = [_spec(table) for table in read_catalog("lyricsep.separators")["separator"]]
    return {spec.name: spec for spec in specs}


@cache
def _aliases() -> Mapping[str, str]:
    return {alias: spec.name for spec in _built_in().values() for alias in spec.aliases}


def find_separator(name: str) -> SeparatorSpec:
    """Look up a separator by its name, alias, UVR file or recipe.

    Parameters
    ----------
    name : str
        A name or an alias of the catalogue; ``uvr:`` and a file (see `lyricsep.separators.uvr`); or the path of an
        entry of your own that ends in ``.toml``: a recipe (see `lyricsep.separators.bridge`), or a model of any
        family, with the keys of ``catalog.toml``.

    Raises
    ------
    ConfigError
        If no separator has that name (the message names the nearest), or it is listed as unavailable or broken (the
        message says why), or the recipe cannot be read.
    """
    if name.endswith(".toml"):
        return _read_own(Path(name))
    if name.startswith("uvr:"):
        from lyricsep.separators.uvr import find_uvr

        return find_uvr(name)
    name = _aliases().get(name, name)
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
    then: SeparatorSpec | None = None,
) -> Separator:
    """Download the weights, build the network and move it to the device.

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
    then : SeparatorSpec, optional
        A second one, for the vocals of the first.

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
        raise ConfigError(f"{spec.name}: takes no query", hint="leave {query} out, or see `lyricsep models list`")
    separator = _create(spec, device, batch_size, query, offline=offline)
    _warn(spec.name, generative=spec.generative, licence=spec.licence if spec.is_non_commercial else "")
    if then is None:
        return separator
    return Chain(separator, create_separator(then, device, batch_size=batch_size, offline=offline))


def _create(
    spec: SeparatorSpec, device: torch.device, batch_size: int | None, query: str | None, *, offline: bool
) -> Separator:
    if spec.create is not None:
        return create_plugin(spec, device)
    if spec.family == "passthrough":
        from lyricsep.separators.passthrough import Passthrough

        return Passthrough()
    if spec.family == "stems":
        from lyricsep.separators.stems import ExistingVocals

        return ExistingVocals()
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
        raise ConfigError(f"{spec.name}: {spec.status}: {spec.reason}", hint="choose another {separator}")


@cache
def _warn(name: str, *, generative: bool, licence: str) -> None:
    """Warn once about a generative separator or a non-commercial licence."""
    if generative:
        # SDR agrees with listeners on generative models at 0.18 (Spearman): Bereuter et al., WASPAA 2025.
        logger.warning("%s: generates its vocals: it may invent words and must not be ranked by SDR", name)
    if licence:
        logger.warning("%s: its licence forbids commercial use (%s)", name, licence)


def _read_own(path: Path) -> SeparatorSpec:
    """Read an entry of the user's own, with paths relative to it: a recipe, unless it says another family."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{shown(path)}: cannot be read ({error.strerror or error}); name an entry") from error
    except ValueError as error:  # no TOML, or no text
        raise ConfigError(f"{shown(path)}: not valid TOML ({' '.join(str(error).split())}); correct it") from error
    folder = path.absolute().parent
    is_recipe = table.get("family", "exec") == "exec"
    table = {
        "name": path.stem,
        "family": "exec",
        "summary": f"{'Recipe' if is_recipe else 'Model of'} {path.name}",
        "licence": "-",
        "citation": "-",
        "status": "needs setup" if is_recipe else "works",
        **table,
    }
    try:
        spec = _spec(table)
    except ConfigError as error:
        raise ConfigError(f"{shown(path)}: {error}; correct it") from error
    if is_recipe:
        return _own_recipe(spec, path)
    if not spec.files:
        raise ConfigError(
            f"{shown(path)}: the family {spec.family} needs files: add [[files]], see the documentation"
        )
    return replace(spec, files=tuple(file.relative_to(folder) for file in spec.files))


def _own_recipe(spec: SeparatorSpec, path: Path) -> SeparatorSpec:
    if not spec.settings:
        raise ConfigError(
            f"{shown(path)}: a recipe has a table [settings]; correct it, or add the family of the model"
        )
    folder = path.absolute().parent
    settings = dict(spec.settings)
    for key, default in (("folder", "."), ("python", "")):
        value = settings.get(key, default)
        if isinstance(value, str) and value:
            settings[key] = str(folder / at_home(value))
    spec = replace(spec, settings=settings)

    from lyricsep.separators.bridge import Recipe

    Recipe.of(spec)
    return spec


def _spec(table: Mapping[str, Any]) -> SeparatorSpec:
    """Read a table of the catalogue; raise a `ConfigError` if a key is unknown or of another kind."""
    for key, value in table.items():
        wanted = next((kind for kind, keys in _KINDS.items() if key in keys), None)
        if wanted is None:
            raise ConfigError(f"unknown key {key!r}")
        if not isinstance(value, wanted):
            raise ConfigError(f"{key} has the wrong type, got {value!r}")
    if table.get("status", "works") not in get_args(Status):
        raise ConfigError(f"status is one of {', '.join(get_args(Status))}, got {table['status']!r}")
    aliases = tuple(table.get("aliases", ()))
    if not all(isinstance(alias, str) for alias in aliases):
        raise ConfigError(f"aliases are names, got {table['aliases']!r}")
    for file in table.get("files", ()):
        if not isinstance(file, dict):
            raise ConfigError(f"a file is a table, got {file!r}")
    files = tuple(WeightFile.from_toml(file) for file in table.get("files", ()))
    return SeparatorSpec(**{**table, "files": files, "aliases": aliases})
