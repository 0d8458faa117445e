"""What produced a result: versions, weights, options, device, and what became of every song."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.files import write_text
from lyricsep.version import __version__
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    from lyricsep.weights import WeightFile

__all__ = ["library_versions", "new_manifest", "plain", "write_manifest"]

SCHEMA = "lyricsep/manifest"
LIBRARIES = (
    "alt-eval",
    "av",
    "ctranslate2",
    "demucs",
    "jiwer",
    "numpy",
    "openai-whisper",
    "safetensors",
    "soundfile",
    "soxr",
    "torch",
)


def library_versions() -> dict[str, str | None]:
    """Version of every library that can change a result; None where it is not installed."""
    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def new_manifest(
    command: str, options: Mapping[str, object], weights: Iterable[WeightFile], device: str
) -> dict[str, Any]:
    """Say what is about to run.

    Parameters
    ----------
    command : str
        The command's name.
    options : mapping
        Everything that can change the result; dataclasses are taken apart.
    weights : iterable of WeightFile
        The model files that are used.
    device : str
        Where it runs, for people.

    Returns
    -------
    dict
        For `write_manifest`; the caller adds ``songs``.
    """
    return {
        "schema": SCHEMA,
        "version": 1,
        "lyricsep": __version__,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": plain(dict(options)),
        "weights": list(weights),
        "device": device,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "libraries": library_versions(),
        "songs": [],
    }


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write a manifest beside the results; earlier ones stay.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    # Hashes that nobody knew before the run are known after it.
    weights = [{"name": file.name, "sha256": content_hash(file)} for file in manifest.get("weights", ())]
    stamp = str(manifest["started"]).split("+")[0].replace("-", "").replace(":", "")
    path = folder / f"lyricsep-{stamp}.json"
    number = 2
    while path.exists():
        path = folder / f"lyricsep-{stamp}-{number}.json"
        number += 1
    write_text(path, json.dumps({**manifest, "weights": weights}, ensure_ascii=False, indent=2) + "\n")
    return path


def plain(value: object) -> object:
    """Turn dataclasses, mappings, sequences and paths into what JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
