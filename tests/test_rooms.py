"""The rooms of the house import each other in one direction, also where an import is late or only for types."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import lyricsep

HOUSE = Path(lyricsep.__file__).parent


def room_of(module: str) -> str:
    """Return the folder or file of `lyricsep` that a module is in."""
    return module.split(".")[1] if "." in module else module


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module == "lyricsep":
            names = [
                f"lyricsep.{name}" if (HOUSE / name).exists() or (HOUSE / f"{name}.py").exists() else "lyricsep"
                for name in names
            ]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        rooms |= {room_of(name) for name in names if name.split(".")[0] == "lyricsep"}
    return rooms


def test_no_circle_of_imports() -> None:
    graph: dict[str, set[str]] = {}
    for path in HOUSE.rglob("*.py"):
        parts = path.relative_to(HOUSE).parts
        room = "lyricsep" if parts == ("__init__.py",) else Path(parts[0]).stem
        graph.setdefault(room, set()).update(imported_rooms(path) - {room})
    assert len(graph) > 30
    assert "plan" in graph["session"]
    assert list(TopologicalSorter(graph).static_order())  # a CycleError names the circle
