"""The JSON Schemas in the folder ``schemas`` of this package, one per document.

They are made from the dataclasses: after a change to one, run ``scripts/write_schemas.py``.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from lyricsep.documents.base import Document
from lyricsep.documents.lyrics import LyricsDocument
from lyricsep.documents.manifest import Manifest
from lyricsep.documents.scores import AlignmentScores, BenchmarkSummary, Scores

DOCUMENTS: tuple[type[Document], ...] = (LyricsDocument, Manifest, Scores, AlignmentScores, BenchmarkSummary)
"""All kinds of document."""


def schema_file_name(kind: type[Document]) -> str:
    """Return the name of the schema file of a kind of document, such as ``lyrics.schema.json``."""
    return f"{kind.SCHEMA.partition('/')[2]}.schema.json"


def read_schema(kind: type[Document]) -> dict[str, Any]:
    """Read the shipped JSON Schema of a kind of document."""
    file = resources.files("lyricsep.documents") / "schemas" / schema_file_name(kind)
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schema of every kind of document; return the files."""
    paths = []
    for kind in DOCUMENTS:
        path = folder / schema_file_name(kind)
        path.write_text(json.dumps(kind.json_schema(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        paths.append(path)
    return paths
