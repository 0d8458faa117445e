"""The catalogue of datasets: names to what they are and where they are from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from lyricsep.catalogs import read_catalog
from lyricsep.errors import ConfigError

__all__ = ["DatasetSpec", "dataset_catalog", "find_dataset"]


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset, as the catalogue describes it.

    Parameters
    ----------
    name : str
        What the commands take.
    summary, licence, citation : str
        For people.
    languages : tuple of str
        ISO 639-1.
    n_songs : int
        Songs in the published set.
    repository : str or None
        Of the hub; None where it is on none.
    revision : str or None
        What is pulled of it: a branch, a tag, or a commit, which may be abbreviated.
    access : str
        What has to be done by hand; empty where nothing has.
    """

    name: str
    summary: str
    licence: str
    citation: str
    languages: tuple[str, ...]
    n_songs: int
    repository: str | None = None
    revision: str | None = None
    access: str = ""


@cache
def dataset_catalog() -> Mapping[str, DatasetSpec]:
    """Every dataset by name, in the catalogue's order."""
    tables = read_catalog("lyricsep.datasets")["dataset"]
    specs = [DatasetSpec(**{**table, "languages": tuple(table["languages"])}) for table in tables]
    return {spec.name: spec for spec in specs}


def find_dataset(name: str) -> DatasetSpec:
    """Look a name up.

    Raises
    ------
    ConfigError
        If no dataset has that name; the message names the nearest.
    """
    if name in dataset_catalog():
        return dataset_catalog()[name]
    near = difflib.get_close_matches(name, dataset_catalog(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"no dataset is called {name!r}; {hint}`lyricsep datasets list` shows them all")
