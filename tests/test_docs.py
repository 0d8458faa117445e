"""The documentation covers the app: commands, options, presets, links and the Python example are its own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import lyricsep
from lyricsep.cli.app import app
from lyricsep.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lyricsep"
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = sorted((ROOT / "data" / "results").glob("*.md"))
PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *RESULTS)
}
USER_PAGES = "\n".join(text for name, text in PAGES.items() if name != "CONTRIBUTING.md")


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every group and command of a Typer app, by its full name."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{path} {name}")


COMMANDS = dict(walk(typer.main.get_command(app), "lyricsep"))
LEAVES = [path for path, command in COMMANDS.items() if not getattr(command, "commands", {})]
OPTIONS = [
    pytest.param(parameter, id=f"{path} {parameter.opts[-1]}")
    for path, command in COMMANDS.items()
    for parameter in command.params
]
FLAGS = {
    flag
    for command in COMMANDS.values()
    for parameter in command.params
    for flag in (*parameter.opts, *parameter.secondary_opts)
}


def shell_lines(text: str) -> Iterator[str]:
    """Yield what the page asks a reader to type: lines of shell blocks, and code within lines."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        yield from (line.split(" #")[0].strip() for line in block.splitlines())
    without_blocks = re.sub(r"```.*?```", "", text, flags=re.S)
    yield from (" ".join(code.split()) for code in re.findall(r"`([^`]+)`", without_blocks))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_app_is_walked() -> None:
    assert {"lyricsep transcribe", "lyricsep batch run", "lyricsep models convert"} <= set(LEAVES)
    assert "--output" in FLAGS


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help(path: str) -> None:
    summary = (COMMANDS[path].help or "").strip().splitlines()
    assert summary, path
    assert summary[0].endswith("."), summary[0]


@pytest.mark.parametrize("parameter", OPTIONS)
def test_every_option_has_help(parameter: Any) -> None:
    assert (parameter.help or "").strip()


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_stands_in_the_documentation(path: str) -> None:
    assert re.search(rf"\b{re.escape(path)}\b(?!-)", USER_PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_exists(page: str) -> None:
    groups = {path for path in COMMANDS if path not in LEAVES}
    for line in shell_lines(PAGES[page]):
        words = line.split()
        if not words or words[0] != "lyricsep":
            continue
        path = words.pop(0)
        while words and path in groups and re.fullmatch(r"[a-z]+", words[0]):
            path = f"{path} {words.pop(0)}"
        assert path in COMMANDS, f"{page}: {line}"
        known = {f for parameter in COMMANDS[path].params for f in (*parameter.opts, *parameter.secondary_opts)}
        flags = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert flags <= known, f"{page}: {line}"


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"CONTRIBUTING.md"}))
def test_every_option_of_a_page_exists(page: str) -> None:
    codes = [line for line in shell_lines(PAGES[page]) if not line.startswith(("python scripts/", "sh scripts/"))]
    flags = {flag for line in codes for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)}
    assert flags - FLAGS == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_script_of_a_page_exists(page: str) -> None:
    for script in re.findall(r"(?:sh|python) (scripts/\w+\.\w+)", PAGES[page]):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *RESULTS], ids=lambda path: path.name)
def test_every_relative_link_exists(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8"))
    for link in links:
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [path.name for path in RESULTS])
def test_every_page_of_results_is_headed_by_its_command(page: str) -> None:
    introduction, *sections = re.split(r"^## ", PAGES[page], flags=re.M)
    assert "```sh" in introduction or all("```sh" in section for section in sections)


def test_the_first_command_of_the_readme_comes_at_once() -> None:
    first = README.splitlines()[:20]
    assert any(line.startswith("pip install") for line in first)
    assert any(line.startswith("lyricsep transcribe") for line in first)


def test_every_extra_of_the_project_is_in_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    internal = {"dev", "example", "faster-whisper"}  # for development, and the former name of ctranslate2
    extras = set(project["optional-dependencies"]) - internal
    assert {name for name in extras if f"`{name}`" not in README and f"[{name}]" not in USER_PAGES} == set()


def test_the_preset_table_is_the_presets() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\S+` \+ `\S+)` \|", README, re.M))
    assert rows == {name: f"{preset.separator}` + `{preset.model}" for name, preset in PRESETS.items()}


def test_the_python_example_names_what_exists() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    compile(example, "README.md", "exec")
    for name in re.findall(r"\blyricsep\.(\w+)", example):
        assert hasattr(lyricsep, name), name


@pytest.mark.parametrize("page", [*(PACKAGE / "pages").rglob("*.js"), *(PACKAGE / "pages").rglob("*.j2")])
def test_every_command_on_a_page_of_results_exists(page: Path) -> None:
    for command in re.findall(r"lyricsep [a-z][^<`\"]*--[a-z-]+", page.read_text(encoding="utf-8")):
        assert set(re.findall(r"--[a-z][a-z-]+", command)) <= FLAGS, command
