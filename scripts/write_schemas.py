#!/usr/bin/env python3
"""Write the JSON Schemas in lyricsep/documents/schemas from the dataclasses of the documents."""

from __future__ import annotations

from pathlib import Path

from lyricsep.documents import write_schemas

if __name__ == "__main__":
    folder = Path(__file__).parent.parent / "lyricsep" / "documents" / "schemas"
    print(*write_schemas(folder), sep="\n")
