"""Contents of the manifests of a run: which songs failed, and the options of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Entries that are no options: times, songs and outcomes.
_OF_THE_SONGS = frozenset(("schema", "version", "command", "started", "seconds", "songs", "counts", "failures"))


def failures(manifests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the songs that failed and never succeeded, with the reason, from manifests, the oldest first."""
    failed: dict[str, str] = {}
    of_batch: dict[str, str] = {}
    done: set[str] = set()
    for manifest in manifests:
        if isinstance(manifest.get("failures"), dict):
            # The manifest of a batch covers all its songs.
            of_batch = {str(song): str(error) for song, error in manifest["failures"].items()}
        songs = manifest.get("songs")
        for song in songs if isinstance(songs, list) else []:
            path = str(song.get("path", ""))
            if song.get("status") == "done":
                done.add(path)
            else:
                failed[path] = str(song.get("error", ""))
    # A song that is done fails when it is run again without overwriting; its result exists.
    return of_batch | {path: error for path, error in failed.items() if path not in done}


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return all entries that can change a result, by dotted names such as ``plan.model``."""
    return dict(_flat({key: value for key, value in manifest.items() if key not in _OF_THE_SONGS}))


def plan_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved options of a run; empty where there are none."""
    plan = manifest.get("plan")
    return plan if isinstance(plan, dict) else {}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the differences between two manifests as (name, old value, new value); a dash where there is none."""
    old, new = facts(before), facts(now)
    return [
        (name, old.get(name, "–"), new.get(name, "–"))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def separators_of(manifest: Mapping[str, Any]) -> tuple[str, str | None, str | None] | None:
    """Return the separator of a run, its query, and a second one; None where there was none or it is not known."""
    plan = plan_of(manifest)
    name, query, then = (plan.get(key) for key in ("separator", "query", "then"))
    if not isinstance(name, str) or name == "none":
        return None
    return name, query if isinstance(query, str) else None, then if isinstance(then, str) else None


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(file, dict) and "name" in file for file in value):
        # Model files: several may have the same name, such as config.json.
        files: dict[str, list[str]] = {}
        for file in value:
            files.setdefault(f"{name}.{file['name']}", []).append(_text(file.get("sha256")))
        yield from ((key, ", ".join(digests)) for key, digests in files.items())
    elif isinstance(value, list):
        yield name, ", ".join(map(_text, value))
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
