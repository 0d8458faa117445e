"""The catalogue of separators: names to specifications to running separators."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError
from lyricsep.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from lyricsep.separators.base import Separator

__all__ = ["SeparatorSpec", "create_separator", "find_separator", "separator_catalog"]


@dataclass(frozen=True)
class SeparatorSpec:
    """One separator, as the catalogue describes it.

    Parameters
    ----------
    name : str
        What ``--separator`` takes.
    family : str
        The module that builds it.
    summary, licence, citation : str
        For people.
    files : tuple of WeightFile
        What to fetch, in the order the family wants it.
    settings : mapping
        What the family needs to know beside the weights.
    """

    name: str
    family: str
    summary: str
    licence: str
    citation: str
    files: tuple[WeightFile, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)


@cache
def separator_catalog() -> Mapping[str, SeparatorSpec]:
    """Every separator by name, in the catalogue's order."""
    text = resources.files("lyricsep.separators").joinpath("catalog.toml").read_text(encoding="utf-8")
    specs = [
        SeparatorSpec(
            name=table["name"],
            family=table["family"],
            summary=table["summary"],
            licence=table["licence"],
            citation=table["citation"],
            files=tuple(WeightFile.from_toml(file) for file in table.get("files", ())),
            settings=table.get("settings", {}),
        )
        for table in tomllib.loads(text)["separator"]
    ]
    return {spec.name: spec for spec in specs}


def find_separator(name: str) -> SeparatorSpec:
    """Look a name up.

    Raises
    ------
    ConfigError
        If no separator has that name; the message names the nearest.
    """
    catalog = separator_catalog()
    if name in catalog:
        return catalog[name]
    near = difflib.get_close_matches(name, catalog, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"no separator is called {name!r}; {hint}`lyricsep models list` shows them all")


def create_separator(
    spec: SeparatorSpec, device: torch.device, *, batch_size: int | None = None, offline: bool = False
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

    Raises
    ------
    WeightsError
        If the weights cannot be had or loaded.
    ConfigError
        If the model needs an extra that is not installed, more memory than the device has, or a family that does
        not exist.
    """
    if spec.family == "passthrough":
        from lyricsep.separators.passthrough import Passthrough

        return Passthrough()
    if spec.family == "stems":
        from lyricsep.separators.stems import Stems

        return Stems()

    from lyricsep.separators.engine import Network, NetworkSeparator

    network: Network
    if spec.family == "spleeter":
        from lyricsep.separators.spleeter import load_spleeter

        network = load_spleeter(spec, offline=offline)
    elif spec.family == "demucs":
        from lyricsep.separators.demucs import load_demucs

        network = load_demucs(spec, offline=offline)
    else:
        raise ConfigError(f"{spec.name}: no family is called {spec.family!r}; correct the catalogue entry")
    if batch_size is None:
        batch_size = 1 if device.type == "cpu" else 8
    return NetworkSeparator(spec.name, network, device, batch_size)
