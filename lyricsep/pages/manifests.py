"""What the manifests of a run say: which songs failed, and under which options it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["changes", "facts", "failures", "plan_of", "separators_of", "settings_of"]

# What no option is: when it ran, what it was about, and what became of it.
_OF_THE_SONGS = frozenset(
    ("schema", "version", "started", "seconds", "songs", "counts", "n_songs", "n_done", "n_failed", "failures")
)


def failures(manifests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Give the songs that failed and never went through, and why.

    Parameters
    ----------
    manifests : iterable of mapping
        Oldest first.
    """
    failed: dict[str, str] = {}
    of_batch: dict[str, str] = {}
    done: set[str] = set()
    for manifest in manifests:
        if isinstance(manifest.get("failures"), dict):
            # A batch tells of all its songs every time.
            of_batch = {str(song): str(error) for song, error in manifest["failures"].items()}
        songs = manifest.get("songs")
        for song in songs if isinstance(songs, list) else []:
            path = str(song.get("path", ""))
            if song.get("status") == "done":
                done.add(path)
            else:
                failed[path] = str(song.get("error", ""))
    # A song that is done fails when it is asked for again without --overwrite; it is there all the same.
    return of_batch | {path: error for path, error in failed.items() if path not in done}


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Lay out all that can change a result, by dotted names such as ``options.settings.model``."""
    shown = {key: value for key, value in manifest.items() if key not in _OF_THE_SONGS}
    if isinstance(shown.get("command"), list):
        shown["command"] = " ".join(map(str, shown["command"]))
    return dict(_flat(shown))


def plan_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved options of a run, which version 1 calls ``options``; empty where there are none."""
    plan = manifest.get("plan", manifest.get("options"))
    return plan if isinstance(plan, dict) else {}


def settings_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the options that names the models; in version 2 it may be all of them."""
    plan = plan_of(manifest)
    settings = plan.get("settings", plan if "plan" in manifest else None)
    return settings if isinstance(settings, dict) else {}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Give what differs between two manifests: its name, its value then, and now; a dash where there is none."""
    old, new = facts(before), facts(now)
    return [
        (name, old.get(name, "–"), new.get(name, "–"))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def separators_of(manifest: Mapping[str, Any]) -> tuple[str, str | None, str | None] | None:
    """Give the separator of a run, its query, and a second one; None where there was none, or nobody knows."""
    plan = plan_of(manifest)
    name = settings_of(manifest).get("separator")
    if not isinstance(name, str) or name == "none":
        return None
    query, then = (plan.get(key) for key in ("query", "then"))
    return name, query if isinstance(query, str) else None, then if isinstance(then, str) else None


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        # Files of models: several may be called alike, such as config.json.
        files: dict[str, list[str]] = {}
        for one in value:
            files.setdefault(f"{name}.{one['name']}", []).append(_told(one.get("sha256")))
        yield from ((file, ", ".join(digests)) for file, digests in files.items())
    elif isinstance(value, list):
        yield name, ", ".join(map(_told, value))
    else:
        yield name, _told(value)


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
