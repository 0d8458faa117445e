"""What produced a result: versions, weights, options, device, and what became of every song."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.files import write_text
from lyricsep.version import __version__
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    from lyricsep.plan import Plan

__all__ = ["library_versions", "manifest_folder", "new_manifest", "plain", "write_manifest"]

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


def new_manifest(command: str, plan: Plan | None, **options: object) -> dict[str, Any]:
    """Describe what is about to run, completely enough to run it again.

    Parameters
    ----------
    command : str
        The command's name.
    plan : Plan or None
        The resolved options and models; None where no model is used.
    **options
        Everything else that can change the result; dataclasses are taken apart.

    Returns
    -------
    dict
        For `write_manifest`; the caller adds ``songs``.
    """
    from lyricsep.devices import describe_device

    return {
        "schema": SCHEMA,
        "version": 2,
        "lyricsep": __version__,
        "stages": plan.versions if plan else "",
        "command": command,
        "argv": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plain(plan.describe()) if plan else {},
        "options": plain(dict(options)),
        "weights": plan.weights if plan else [],
        "device": describe_device(plan.device) if plan else "none",
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "libraries": library_versions(),
        "songs": [],
    }


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Write a manifest to ``.lyricsep`` in the folder of the results; earlier ones stay.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    # Hashes that nobody knew before the run are known after it.
    weights = [{"name": file.name, "sha256": content_hash(file)} for file in manifest.get("weights", ())]
    stamp = str(manifest["started"]).split("+")[0].replace("-", "").replace(":", "")
    path = manifest_folder(folder) / f"manifest-{stamp}.json"
    number = 2
    while path.exists():
        path = path.with_name(f"manifest-{stamp}-{number}.json")
        number += 1
    write_text(path, json.dumps({**manifest, "weights": weights}, ensure_ascii=False, indent=2) + "\n")
    return path


def manifest_folder(folder: Path) -> Path:
    """Return where the manifests of a folder of results lie."""
    return folder / ".lyricsep"


def plain(value: object) -> object:
    """Turn dataclasses, mappings, sequences and paths into what JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
