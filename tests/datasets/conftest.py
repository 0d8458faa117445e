"""Datasets in their published forms, made small, and a hub to pull them from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from published import FakeHub


@pytest.fixture
def hub_row() -> dict[str, Any]:
    """A row of ``metadata.jsonl``, with all its fields."""
    return {
        "file_name": "subsets/fr/audio/Été_[live]_-_L'Été.mp3",
        "name": "Été_[live]_-_L'Été",
        "language": "fr",
        "license_type": "CC BY-SA",
        "artist": "L'Été",
        "title": "Été",
        "genre": "Pop",
        "url": "https://example.org/1",
        "text": "La la la\nOn s'en va (va)\n\nBonsoir\n\n",
        "text_tagged": "<nl> La la la </nl>\nOn s'en va (va)\n\nBonsoir\n\n",
        "lines": [
            {"start": 1.5, "end": 2.5, "text": "La la la", "text_tagged": "<nl> La la la </nl>"},
            {"start": 3, "end": 4.25, "text": "On s'en va (va)", "text_tagged": "On s'en va (va)"},
            {"start": 6.0, "end": 7.0, "text": "Bonsoir", "text_tagged": "Bonsoir"},
        ],
    }


@pytest.fixture
def new_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], FakeHub]]:
    """Give a function that makes a hub with one repository; retries take no time."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hubs: list[FakeHub] = []

    def make(repository: str) -> FakeHub:
        hubs.append(FakeHub(repository))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.close()
