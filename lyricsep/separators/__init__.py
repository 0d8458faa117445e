"""Mixture to vocals: every separator by name, one engine for all networks."""

from lyricsep.separators.base import Mixture, Separator, SeparatorSpec
from lyricsep.separators.catalog import create_separator, find_separator, separator_catalog

__all__ = [
    "Mixture",
    "Separator",
    "SeparatorSpec",
    "create_separator",
    "find_separator",
    "separator_catalog",
]
