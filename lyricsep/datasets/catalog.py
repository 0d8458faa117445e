"""The catalogue of datasets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from lyricsep.catalogs import did_you_mean, read_catalog
from lyricsep.errors import ConfigError


@dataclass(frozen=True)
class DatasetSpec:
    """One entry of the catalogue of datasets.

    Parameters
    ----------
    name : str
        Name of the dataset in the command line and in `open_dataset`.
    summary, licence, citation : str
        Descriptions for display.
    languages : tuple of str
        ISO 639-1.
    n_songs : int
        Songs in the published set.
    repository : str or None
        Repository on the Hugging Face hub; None if there is none.
    revision : str or None
        Branch, tag or (abbreviated) commit to pull.
    access : str
        Manual steps to get the data; empty if there are none.
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
    """Return all datasets by name, in the order of the catalogue."""
    tables = read_catalog("lyricsep.datasets")["dataset"]
    specs = [DatasetSpec(**{**table, "languages": tuple(table["languages"])}) for table in tables]
    return {spec.name: spec for spec in specs}


def find_dataset(name: str) -> DatasetSpec:
    """Return the dataset with this name; raise a `ConfigError` that suggests the closest name if there is none."""
    if name in dataset_catalog():
        return dataset_catalog()[name]
    hint = did_you_mean(name, dataset_catalog())
    raise ConfigError(f"no dataset is called {name!r}; {hint}`lyricsep datasets list` shows them all")
