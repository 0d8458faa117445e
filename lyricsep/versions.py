"""Versions of what each stage computes.

Raise a number by hand when the results of that stage change, which a golden test (`tests/test_versions.py`) reports.
Keys and records hold these numbers, never a digest of source files: a comment or a release alone makes nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

VOCALS: Mapping[str, int] = MappingProxyType({"decoding": 1, "separation": 1})
"""Stages that make the vocals of a song."""

LYRICS: Mapping[str, int] = MappingProxyType({**VOCALS, "segmentation": 1, "transcription": 3})
"""Stages that make its lyrics."""

ALIGNMENT: Mapping[str, int] = MappingProxyType({**VOCALS, "segmentation": LYRICS["segmentation"], "alignment": 2})
"""Stages that time known lyrics."""

SCORES = 1
"""Counts and rates of lyrics against a reference."""


def stamp(stages: Mapping[str, int] = LYRICS) -> str:
    """Return the versions of stages as a text such as ``decoding 1, separation 1``."""
    return ", ".join(f"{stage} {version}" for stage, version in stages.items())
