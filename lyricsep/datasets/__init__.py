"""Songs with reference lyrics: published datasets of lyrics transcription, and your own folders."""

from lyricsep.datasets.base import Dataset, Song
from lyricsep.datasets.catalog import DatasetSpec, dataset_catalog, find_dataset
from lyricsep.datasets.opening import is_dataset, open_dataset
from lyricsep.datasets.pulling import is_pulled, pull
from lyricsep.datasets.verifying import verify

__all__ = [
    "Dataset",
    "DatasetSpec",
    "Song",
    "dataset_catalog",
    "find_dataset",
    "is_dataset",
    "is_pulled",
    "open_dataset",
    "pull",
    "verify",
]
