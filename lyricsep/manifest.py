"""What produced a result: versions, weights, options, device, and what became of every song."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lyricsep.documents import Manifest, WeightRecord, plain
from lyricsep.files import write_text
from lyricsep.version import __version__, library_versions
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    from lyricsep.plan import Plan
    from lyricsep.weights import WeightFile


def new_manifest(command: str, plan: Plan | None, **options: object) -> Manifest:
    """Describe what is about to run, completely enough to run it again; the caller adds the songs.

    Parameters
    ----------
    command : str
        The command's name.
    plan : Plan or None
        The resolved options and models; None where no model is used.
    **options
        Everything else that can change the result; dataclasses are taken apart.
    """
    from lyricsep.devices import describe_device

    chosen = {"stages": plan.versions, "preset": plan.preset, **plan.describe(), **plan.names} if plan else {}
    return Manifest(
        lyricsep=__version__,
        command=("lyricsep", *(sys.argv[1:] or [command])),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=cast("dict[str, Any]", plain({**chosen, **options})),
        weights=_records(plan.weights) if plan else (),
        libraries=library_versions(),
        device=describe_device(plan.device) if plan else "none",
        seed=plan.transcription.seed if plan and plan.model else None,
        python=platform.python_version(),
        platform=f"{sys.platform} {platform.machine()}",
    )


def _records(weights: Iterable[WeightFile]) -> tuple[WeightRecord, ...]:
    return tuple(WeightRecord(file.name, content_hash(file)) for file in weights)


def write_manifest(folder: Path, manifest: Manifest, weights: Iterable[WeightFile] = ()) -> Path:
    """Write a manifest to ``.lyricsep`` in the folder of the results; earlier ones stay.

    `weights` are the model files: a hash that nobody knew before the run is known after it.
    """
    manifest = replace(manifest, weights=_records(weights) or manifest.weights)
    stamp = manifest.started.split("+")[0].replace("-", "").replace(":", "")
    path = state_folder(folder) / f"manifest-{stamp}.json"
    number = 2
    while path.exists():
        path = path.with_name(f"manifest-{stamp}-{number}.json")
        number += 1
    write_text(path, manifest.to_json())
    return path


def state_folder(folder: Path) -> Path:
    """Return the folder, within that of the results, for the manifests, and for the store and journal of a batch."""
    return folder / ".lyricsep"
