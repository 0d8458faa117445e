"""Plugins: a real package that is installed, and the many ways to be broken."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lyricsep.audio import Audio
from lyricsep.errors import AudioError, ConfigError, LyricsepError
from lyricsep.separators import SeparatorSpec, create_separator, find_separator, separator_catalog

CPU = torch.device("cpu")
EXAMPLE = Path(__file__).parent / "example_plugin"

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages at the front of the path; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    known = set(sys.modules)
    separator_catalog.cache_clear()
    yield folder
    separator_catalog.cache_clear()
    for name in set(sys.modules) - known:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Give a function that lays a package down as an installer would."""

    def lay(name: str, code: str, target: str = "separators") -> None:
        (site / f"{name}.py").write_text(code, encoding="utf-8")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lyricsep.separators]\n{name} = {name}:{target}\n")
        importlib.invalidate_caches()
        separator_catalog.cache_clear()

    return lay


def plugin(body: str, name: str = "mine", extra: str = "") -> str:
    """The code of a plugin whose separator streams by `body`."""
    return f"""
import torch
from lyricsep.errors import AudioError
from lyricsep.separators import Mixture, Separator, SeparatorSpec

class Mine(Separator):
    name = "another name"
    def __init__(self, device):
        self.device = device
    def stream(self, mixture):
        {body}

def separators():
    return [SeparatorSpec({name!r}, "test", "A test", "MIT", "-", create=Mine{extra})]
"""


SONG = Audio(torch.linspace(-1, 1, 2000).reshape(2, 1000), 8000)


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pip", "setuptools"))), reason="pip and setuptools build the example"
)
def test_the_example_package_is_installed_listed_and_used(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *offline, str(source)], check=True)
    code = """
import json, torch
from lyricsep.audio import Audio
from lyricsep.separators import create_separator, find_separator, separator_catalog
vocals = create_separator(find_separator("centre"), torch.device("cpu")).separate(
    Audio(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), 8000))
print(json.dumps([list(separator_catalog())[-1], vocals.samples.tolist()]))
"""
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["centre", [[0.5, 0.25], [0.5, 0.25]]]
    assert done.stderr == ""


def test_a_plugin_gives_vocals_under_the_name_that_was_asked_for(install: Install) -> None:
    install("good", plugin("yield from (block / 2 for block in mixture.blocks)", extra=", generative=True"))
    assert list(separator_catalog())[-1] == "mine"
    separator = create_separator(find_separator("mine"), CPU)
    assert separator.name == "mine"
    assert torch.equal(separator.separate(SONG).samples, SONG.samples / 2)


def test_what_is_built_in_asks_no_plugin(install: Install) -> None:
    install("slow", "raise AssertionError('imported')")
    assert find_separator("spleeter").family == "spleeter"
    assert "slow" not in sys.modules


def test_names_that_are_built_in_cannot_be_taken(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    built_in = find_separator("spleeter")
    install("thief", plugin("yield", name="spleeter"))
    assert separator_catalog()["spleeter"] is built_in
    assert caplog.messages == ["plugin thief: its separator spleeter is left out, since a built-in one has that name"]


def test_the_first_of_two_plugins_has_the_name(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("a_plugin", plugin("yield from mixture.blocks", extra=", query='text'"))
    install("b_plugin", plugin("yield from mixture.blocks"))
    assert separator_catalog()["mine"].query == "text"
    assert caplog.messages == [
        "plugin b_plugin: its separator mine is left out, since one of another plugin has that name"
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def separators(:", "SyntaxError: "),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("", "AttributeError: "),
        ("separators = 3", "TypeError: "),
        ("def separators(): return None", "TypeError: "),
        ("def separators(): return ['mine']", "TypeError: expected a list of SeparatorSpec, got str in it"),
        ("def separators(): 1 / 0", "ZeroDivisionError: division by zero"),
        ("def separators(): yield 1 / 0", "ZeroDivisionError: division by zero"),
        (
            plugin("yield", extra=", create=None").replace("create=Mine, ", ""),
            "TypeError: mine: create is a function",
        ),
        (plugin("yield", name="mine.toml"), "ValueError: 'mine.toml' is not a valid separator name"),
        (plugin("yield", name=""), "ValueError: '' is not a valid separator name"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_costs_nothing_else(
    install: Install, code: str, reason: str
) -> None:
    install("faulty", code)
    install("good", plugin("yield from mixture.blocks", name="good_one"))
    spec = separator_catalog()["faulty"]
    assert (spec.status, spec.family) == ("broken", "plugin")
    assert spec.reason.startswith(reason)
    assert "\n" not in spec.reason
    assert separator_catalog()["good_one"].status == "works"
    with pytest.raises(ConfigError, match=r"^faulty: broken: .*; choose another separator$"):
        find_separator("faulty")


def test_a_broken_plugin_with_a_built_in_name_is_listed_beside_it(install: Install) -> None:
    install("spleeter", "raise ImportError('no')")
    assert separator_catalog()["spleeter"].status == "works"
    assert separator_catalog()["spleeter (spleeter:separators)"].reason == "ImportError: no"


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (
            "yield from (block[:, 1:] for block in mixture.blocks)",
            "returned 999 samples of vocals for a song of 1000; ",
        ),
        ("yield torch.zeros(2, 7)", "returned 7 samples of vocals for a song of 1000; "),
        ("return iter(())", "returned 0 samples of vocals for a song of 1000; "),
        (
            "yield torch.zeros(1, 1000)",
            r"returned torch.float32 \(1, 1000\), expected blocks of torch.float32 \(2, n_samp",
        ),
        ("yield torch.zeros(2, 1000).double()", r"returned torch.float64 \(2, 1000\), expected"),
        ("yield [0.0] * 1000", "returned list, expected"),
        ("yield from 3", r"failed \(TypeError: 'int' object is not iterable\); report it to its author"),
        (
            "yield next(iter(mixture.blocks)); raise RuntimeError('a\\nb')",
            r"failed \(RuntimeError: a b\); report it to its",
        ),
        ("yield from (); raise AudioError('the song is odd')", "^the song is odd$"),
    ],
)
def test_a_plugin_that_breaks_its_promises_costs_one_song(install: Install, body: str, match: str) -> None:
    install("careless", plugin(body))
    separator = create_separator(find_separator("mine"), CPU)
    with pytest.raises(AudioError, match=match) as caught:
        separator.separate(SONG)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("create", "match"),
    [
        (
            lambda device: 1 / 0,
            r"^mine: its plugin could not build it \(ZeroDivisionError: division by zero\); report",
        ),
        (lambda device: None, "^mine: its plugin returned NoneType instead of a Separator; report it to its author"),
        (lambda: None, r"^mine: its plugin could not build it \(TypeError: "),
    ],
)
def test_a_plugin_that_builds_nothing(create: Callable[[], None], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        create_separator(SeparatorSpec("mine", "test", "", "", "", create=create), CPU)  # type: ignore[arg-type]


def test_what_a_plugin_says_to_the_user_reaches_the_user() -> None:
    def create(device: torch.device) -> None:
        raise ConfigError("mine: install this and that")

    with pytest.raises(LyricsepError, match=r"^mine: install this and that$"):
        create_separator(SeparatorSpec("mine", "test", "", "", "", create=create), CPU)  # type: ignore[arg-type]


def test_without_plugins_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    separator_catalog.cache_clear()
    assert {spec.status for spec in separator_catalog().values()} == {"works", "needs setup", "unavailable"}
    assert caplog.messages == []
