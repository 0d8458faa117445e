"""Songs with reference lyrics: published datasets of lyrics transcription, and your own folders."""

from lyricsep.datasets.base import Dataset, Song
from lyricsep.datasets.catalog import DatasetSpec, dataset_catalog, find_dataset
from lyricsep.datasets.opening import is_dataset, open_dataset
from lyricsep.datasets.pulling import is_pulled, pull
from lyricsep.datasets.short_form import Passage, groups, merged_lines
from lyricsep.datasets.verifying import verify

__all__ = [
    "Dataset",
    "DatasetSpec",
    "Passage",
    "Song",
    "dataset_catalog",
    "find_dataset",
    "groups",
    "is_dataset",
    "is_pulled",
    "merged_lines",
    "open_dataset",
    "pull",
    "verify",
]
