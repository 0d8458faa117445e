"""Hashes that the catalogue does not know: the first download pins them, and a later change is refused.

Where the full sha256 of a file could not be had, its catalogue entry holds the eight digits that its name tells, or
none. What the first download brings is then written down beside the cache, one small file for each, and from then on
the file counts as if the catalogue had known its hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

from lyricsep.files import write_text
from lyricsep.weights.folder import cache_folder
from lyricsep.weights.sources import WeightFile


def pinned(file: WeightFile) -> WeightFile:
    """Return a file with its full sha256, from the catalogue or an earlier download; else the file unchanged."""
    if file.is_pinned:
        return file
    try:
        sha256 = json.loads(pin_path(file).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return file
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256) or not sha256.startswith(file.sha256):
        return file
    return replace(file, sha256=sha256)


def pin(file: WeightFile, sha256: str) -> WeightFile:
    """Record the hash of a download."""
    entry = {"name": file.name, "sha256": sha256, "sources": [str(source) for source in file.sources]}
    write_text(pin_path(file), json.dumps(entry, indent=1) + "\n")
    return replace(file, sha256=sha256)


def pin_path(file: WeightFile) -> Path:
    """Name the file that holds the hash; files are told apart by their name and their first source."""
    digest = hashlib.sha256(f"{file.name} {file.sources[0]}".encode()).hexdigest()
    return cache_folder() / "pins" / f"{digest[:16]}.json"
