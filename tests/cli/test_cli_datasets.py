"""`lyricsep datasets`: list, pull, verify and show, as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lyricsep.datasets import dataset_catalog
from lyricsep.datasets.record import PullRecord, hash_file, write_record


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; unlike `cache` it leaves the command offline."""
    monkeypatch.setenv("LYRICSEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three songs: a French one with line times, and two English ones."""
    top = tmp_path / "songs"
    rows: list[dict[str, Any]] = []
    for name, language in (("Été", "fr"), ("b", "en"), ("c", "en")):
        rows.append(
            {
                "file_name": f"audio/{name}.wav",
                "name": name,
                "language": language,
                "text": "<nl> La </nl>\n\nmy (my) song\n",
            }
        )
        path = top / "audio" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin(np.arange(800_000) * 0.1) * 0.2, 10_000)
    times = {"La": (1.0, 2.0), "my (my) song": (60.0, 76.5)}
    rows[0]["lines"] = [{"start": a, "end": b, "text": text} for text, (a, b) in times.items()]
    (top / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return top


def test_list(run: Callable, own_cache: Path) -> None:
    told = run("datasets", "list")
    assert (told.code, told.err) == (0, "")
    header, _rule, *rows = told.out.splitlines()
    assert header.split() == ["name", "status", "songs", "languages", "what"]
    assert [row.split()[0] for row in rows] == list(dataset_catalog())
    assert "needs download" in rows[0]
    assert "by request" in rows[3]


def test_list_as_json_tells_what_is_installed(run: Callable, own_cache: Path, folder: Path) -> None:
    pulled = own_cache / "datasets" / "jam-alt"
    pulled.parent.mkdir(parents=True)
    folder.rename(pulled)
    files = {"metadata.jsonl": hash_file(pulled / "metadata.jsonl")}
    write_record(pulled, PullRecord("jam-alt", "jamendolyrics/jam-alt", "0e15962", "0e15962" + "0" * 33, files))
    listed = {spec["name"]: spec for spec in json.loads(run("datasets", "list", "--json").out)}
    assert listed["jam-alt"]["status"] == "installed"
    assert listed["musdb-alt"]["status"] == "needs download"
    assert all(spec["citation"] and spec["licence"] for spec in listed.values())
    shown = json.loads(run("datasets", "show", "jam-alt", "--json").out)
    assert (shown["name"], shown["revision"][:7], len(shown["songs"])) == ("jam-alt", "0e15962", 3)
    # The record fits, so nothing has to be pulled; the tests are offline.
    told = run("datasets", "pull", "jam-alt")
    assert (told.code, told.written) == (0, [pulled])


def test_pull_fails_in_a_line_each(run: Callable, own_cache: Path) -> None:
    told = run("datasets", "pull", "jam-alt", "dali")
    assert (told.code, told.out) == (1, "")
    first, second = told.err.splitlines()
    assert first == (
        "failed: jam-alt: 0e15962 is not in the cache, and network access is off (offline mode); pull it while online"
    )
    assert second.startswith("failed: dali: cannot be pulled: ask its authors")


def test_pull_of_what_does_not_exist_is_wrong_usage(run: Callable, own_cache: Path) -> None:
    told = run("datasets", "pull", "jam-art")
    assert (told.code, told.out) == (2, "")
    assert "no dataset is called 'jam-art'; did you mean 'jam-alt'?" in told.err
    told = run("datasets", "pull", "jam-alt", "musdb-alt", "--revision", "main")
    assert told.code == 2
    assert "one revision for 2 datasets; pull one dataset at a time with --revision" in told.err


def test_show_a_table(run: Callable, folder: Path) -> None:
    told = run("datasets", "show", folder)
    assert (told.code, told.err) == (0, "")
    header, _rule, *rows = [row.split() for row in told.out.splitlines()]
    assert [header, *rows] == [
        ["id", "language", "lyrics", "lines", "words", "stems"],
        ["Été", "fr", "1:15", "2", "4", "-"],
        ["b", "en", "-", "2", "4", "-"],
        ["c", "en", "-", "2", "4", "-"],
    ]


def test_show_a_song(run: Callable, folder: Path) -> None:
    told = run("datasets", "show", folder, "--song", "Été")
    assert (told.code, told.out) == (0, "<nl> La </nl>\n\nmy (my) song\n")
    (song,) = json.loads(run("datasets", "show", folder, "--song", "Été", "--json").out)["songs"]
    assert song["lyrics_duration"] == 75.5
    assert song["lines"][0] == {"start": 1.0, "end": 2.0, "text": "La"}
    assert song["text"] == "<nl> La </nl>\n\nmy (my) song"
    assert run("datasets", "show", folder, "--song", "E\u0301T").out == told.out, "a part, in another spelling"
    told = run("datasets", "show", folder, "--song", "x")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("lyricsep: --song x: no song has this name; choose from ")
    assert "Été" in told.err


def test_filters(run: Callable, folder: Path) -> None:
    def ids(*arguments: str) -> list[str]:
        return [song["id"] for song in json.loads(run("datasets", "show", folder, "--json", *arguments).out)["songs"]]

    assert ids("--language", "en") == ["b", "c"]
    assert ids("--language", "en", "--limit", "1") == ["b"]
    assert ids("-l", "English", "-l", "FR") == ["Été", "b", "c"]
    assert ids("--split", "test") == ["Été", "b", "c"]
    told = run("datasets", "show", folder, "--split", "train")
    assert (told.code, told.out) == (1, "")
    assert "none of its 3 songs passes the filters" in told.err


def test_show_of_what_is_not_there(run: Callable, own_cache: Path, tmp_path: Path) -> None:
    told = run("datasets", "show", "jam-alt")
    assert (told.code, told.err) == (
        1,
        "lyricsep: jam-alt: was not pulled; run `lyricsep datasets pull jam-alt`, or name its folder\n",
    )
    assert run("datasets", "show", tmp_path / "gone").code == 1


def test_verify(run: Callable, folder: Path) -> None:
    told = run("datasets", "verify", folder)
    assert (told.code, told.out, told.err) == (0, "", "songs: songs: 3, problems: 0\n")
    (folder / "audio" / "b.wav").unlink()
    told = run("datasets", "verify", folder)
    assert told.code == 1
    assert told.out == f"songs: b: {folder / 'audio' / 'b.wav'}: the audio is missing\n"
    assert told.err == "songs: songs: 3, problems: 1\n"
    assert run("datasets", "verify", folder, "--language", "fr").code == 0
