"""The manifest says what a result was made of, in JSON that everybody reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from fake_models import a_plan

from lyricsep.devices import describe_device
from lyricsep.documents import Manifest
from lyricsep.errors import OutputError
from lyricsep.manifest import new_manifest, state_folder, write_manifest
from lyricsep.transcribers import find_model
from lyricsep.version import __version__, library_versions


@dataclass(frozen=True)
class Inner:
    shares: tuple[float, ...] = (0.3, 0.0)


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    folder: Path = Path("a/b")
    nothing: None = None


def test_it_says_what_is_about_to_run(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    plan = a_plan(model="base")
    manifest = new_manifest("transcribe", plan, given=Outer(), native=False)
    given = {"inner": {"shares": [0.3, 0.0]}, "folder": str(Path("a/b")), "nothing": None}
    chosen = {"stages": plan.versions, "preset": plan.preset, **plan.describe(), **plan.names}
    assert manifest.plan == {**chosen, "given": given, "native": False}
    assert (manifest.plan["model"], manifest.plan["temperatures"]) == ("base", [0.0])
    assert (manifest.device, manifest.lyricsep) == (describe_device(plan.device), __version__)
    assert manifest.songs == ()
    assert before <= datetime.fromisoformat(manifest.started) <= datetime.now(UTC)
    path = write_manifest(tmp_path, manifest)
    assert Manifest.from_json(path.read_text(encoding="utf-8"), name=path.name) == manifest
    weights = [(file.name, file.sha256) for file in find_model("base").files]
    assert [(record.name, record.sha256) for record in manifest.weights] == weights


def test_a_command_without_models_has_no_weights(tmp_path: Path) -> None:
    manifest = new_manifest("score", None, normalise=True)
    assert (manifest.plan, manifest.weights, manifest.device) == ({"normalise": True}, (), "none")
    written = json.loads(write_manifest(tmp_path, manifest).read_text(encoding="utf-8"))
    assert (written["schema"], written["version"]) == ("lyricsep/manifest", 2)


def test_versions_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library_versions()["numpy"] == metadata.version("numpy")

    def version(name: str) -> str:
        if name == "ctranslate2":
            raise metadata.PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    versions = library_versions()
    assert versions["ctranslate2"] is None
    assert {version for name, version in versions.items() if name != "ctranslate2"} == {"1.2"}


def test_earlier_manifests_stay(tmp_path: Path) -> None:
    manifest = replace(new_manifest("x", None), started="2026-01-02T03:04:05+00:00", device="¡é")
    paths = [write_manifest(tmp_path, replace(manifest, seed=number)) for number in range(3)]
    assert [path.name for path in paths] == [
        "manifest-20260102T030405.json",
        "manifest-20260102T030405-2.json",
        "manifest-20260102T030405-3.json",
    ]
    assert {path.parent for path in paths} == {state_folder(tmp_path)} == {tmp_path / ".lyricsep"}
    assert [json.loads(path.read_text(encoding="utf-8"))["seed"] for path in paths] == [0, 1, 2]
    assert "¡é" in paths[0].read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"manifest-20260102T030405\.json: cannot be written"):
        write_manifest(tmp_path / "file", replace(new_manifest("x", None), started="2026-01-02T03:04:05+00:00"))
