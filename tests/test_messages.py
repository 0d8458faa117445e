"""Messages of the library name options as data (`lyricsep.errors`); only the command line knows flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lyricsep

PACKAGE = Path(lyricsep.__file__).parent
FLAG = re.compile(r"(?<![\w-])--[a-z]")

# Arguments of other programs.
OTHERS = {("weights/ctranslate2.py", "convert it again with ct2-transformers-converter --quantization float16")}

MODULES = sorted(
    name
    for name in (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    if not name.startswith("cli/")
)


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and value of the string literals of a module, parts of f-strings too, but not its docstrings."""
    # A string that is a statement of its own documents what stands around it.
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def flags(name: str, source: str) -> list[str]:
    return [
        f"{name}:{line}: {text}"
        for line, text in texts(ast.parse(source))
        if FLAG.search(text) and (name, text) not in OTHERS
    ]


@pytest.mark.parametrize("name", MODULES)
def test_no_message_names_a_flag(name: str) -> None:
    assert flags(name, (PACKAGE / name).read_text(encoding="utf-8")) == []


def test_flags_are_found_in_messages_alone() -> None:
    source = '"""Takes --a."""\n"""--b."""\nf(f"{x}: add --overwrite", "a--b", "---", "use\\n--device cpu")\n# --c'
    assert [found.partition(": ")[0] for found in flags("m.py", source)] == ["m.py:3", "m.py:3"]


def test_every_exception_is_in_use() -> None:
    for name, text in OTHERS:
        assert text in (value for _, value in texts(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))))
