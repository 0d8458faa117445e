"""README says what is true: commands, presets and the library example are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from lyricsep.cli.app import app
from lyricsep.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_stands_in_the_readme() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert commands
    for name in commands:
        assert f"lyricsep {name}" in README


def test_every_option_of_the_readme_exists() -> None:
    group = typer.main.get_command(app)
    known = {"--version"}
    pending = list(group.commands.values())  # type: ignore[attr-defined]
    while pending:
        command = pending.pop()
        pending.extend(getattr(command, "commands", {}).values())
        known.update(flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts))
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S)) + "\n".join(re.findall(r"`(--[^`]*)`", README))
    ours = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shell))
    assert ours - known == set()


def test_the_preset_table_is_the_presets() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\S+` \+ `\S+)` \|", README, re.M))
    assert rows == {name: f"{preset.separator}` + `{preset.model}" for name, preset in PRESETS.items()}


def test_the_scripts_of_the_readme_exist() -> None:
    for script in re.findall(r"(?:sh|python) (scripts/\w+\.\w+)", README):
        assert (ROOT / script).is_file(), script


def test_the_library_example_names_what_exists() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    imports = "\n".join(line for line in example.splitlines() if line.startswith(("from", "import")))
    exec(compile(imports, "README.md", "exec"), {})  # noqa: S102
    compile(example, "README.md", "exec")
