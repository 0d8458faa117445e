"""Mixture to vocals: every separator by name, one engine for all networks."""

from lyricsep.separators.base import Mixture, Separator, StreamingSeparator
from lyricsep.separators.catalog import SeparatorSpec, create_separator, find_separator, separator_catalog

__all__ = [
    "Mixture",
    "Separator",
    "SeparatorSpec",
    "StreamingSeparator",
    "create_separator",
    "find_separator",
    "separator_catalog",
]
