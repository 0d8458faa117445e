"""The catalogue of separators: names to specifications to running separators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from lyricsep.catalogs import look_up, read_catalog
from lyricsep.errors import ConfigError
from lyricsep.separators.base import SeparatorSpec
from lyricsep.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from lyricsep.separators.base import Separator

__all__ = ["create_separator", "find_separator", "separator_catalog"]


@cache
def separator_catalog() -> Mapping[str, SeparatorSpec]:
    """Every separator by name, in the catalogue's order."""
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
        for table in read_catalog("lyricsep.separators")["separator"]
    ]
    return {spec.name: spec for spec in specs}


def find_separator(name: str) -> SeparatorSpec:
    """Look a name up.

    Raises
    ------
    ConfigError
        If no separator has that name; the message names the nearest.
    """
    return look_up(separator_catalog(), name, "separator")


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
