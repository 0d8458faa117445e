"""Pulling from a hub that is slow, broken, hostile, or has moved on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from published import FakeHub

from lyricsep.datasets import find_dataset, is_pulled, open_dataset, pull
from lyricsep.errors import ConfigError, DatasetError

NewHub = Callable[[str], FakeHub]

AUDIO = "subsets/fr/audio/Été_[live]_-_L'Été.mp3"


@pytest.fixture
def files(hub_row: dict[str, Any]) -> dict[str, bytes]:
    return {
        "README.md": b"# A dataset\n",
        "metadata.jsonl": json.dumps(hub_row).encode() + b"\n",
        AUDIO: bytes(range(256)) * 400,
    }


@pytest.fixture
def hub(new_hub: NewHub, files: dict[str, bytes]) -> FakeHub:
    """A hub with JamendoLyrics, whose pinned revision is a branch."""
    hub = new_hub("jamendolyrics/jamendolyrics")
    hub.large = {AUDIO}
    hub.commit("main", files)
    return hub


def test_a_dataset_is_pulled_recorded_and_opened(hub: FakeHub, cache: Path, files: dict[str, bytes]) -> None:
    assert not is_pulled("jamendolyrics")
    folder = pull("jamendolyrics", endpoint=hub.address)
    assert folder == cache / "datasets" / "jamendolyrics"
    assert {name: (folder / name).read_bytes() for name in files} == files
    record = json.loads((folder / "lyricsep-dataset.json").read_text(encoding="utf-8"))
    assert record == {
        "name": "jamendolyrics",
        "repository": "jamendolyrics/jamendolyrics",
        "asked": "main",
        "commit": hub.names["main"],
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        },
    }
    assert is_pulled("jamendolyrics")
    dataset = open_dataset("jamendolyrics")
    assert (dataset.name, dataset.revision) == ("jamendolyrics", hub.names["main"])
    assert dataset.songs[0].audio == folder / AUDIO


def test_what_is_there_is_not_pulled_again(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pull("jamendolyrics", endpoint=hub.address)
    hub.seen.clear()
    assert pull("jamendolyrics", endpoint=hub.address) == folder
    assert not [path for path in hub.seen if "/resolve/" in path]
    hub.seen.clear()
    assert pull("jamendolyrics", endpoint=hub.address, offline=True) == folder
    monkeypatch.setenv("LYRICSEP_OFFLINE", "1")
    assert pull("jamendolyrics", revision=hub.names["main"], endpoint=hub.address) == folder
    assert hub.seen == []


def test_offline_without_a_pull_is_told(hub: FakeHub) -> None:
    with pytest.raises(
        DatasetError, match=r"main is not in the cache, and network access is off .offline mode.; pull it while"
    ):
        pull("jamendolyrics", endpoint=hub.address, offline=True)
    pull("jamendolyrics", endpoint=hub.address)
    with pytest.raises(DatasetError, match="v2 is not in the cache, and network access is off"):
        pull("jamendolyrics", revision="v2", endpoint=hub.address, offline=True)


def test_a_missing_file_is_pulled_again(hub: FakeHub, files: dict[str, bytes]) -> None:
    folder = pull("jamendolyrics", endpoint=hub.address)
    (folder / AUDIO).unlink()
    with pytest.raises(DatasetError, match="network access is off"):
        pull("jamendolyrics", endpoint=hub.address, offline=True)
    pull("jamendolyrics", endpoint=hub.address)
    assert (folder / AUDIO).read_bytes() == files[AUDIO]


def test_an_abbreviated_commit_is_resolved(new_hub: NewHub, files: dict[str, bytes]) -> None:
    hub = new_hub("jamendolyrics/jam-alt")
    # The commit of the catalogue cannot be made up, so another abbreviated one is asked for.
    commit = hub.commit("main", files)
    hub.commit("main", {**files, "README.md": b"newer"})
    folder = pull("jam-alt", revision=commit[:7], endpoint=hub.address)
    assert open_dataset("jam-alt").revision == commit
    assert (folder / "README.md").read_bytes() == files["README.md"]
    hub.seen.clear()
    assert pull("jam-alt", revision=commit[:9], endpoint=hub.address) == folder
    assert hub.seen == []
    assert find_dataset("jam-alt").revision == "0e15962"
    with pytest.raises(DatasetError, match=r"jam-alt: the hub has no jamendolyrics/jam-alt at 0e15962 \(404\)"):
        pull("jam-alt", endpoint=hub.address)


def test_a_moved_revision_is_refused_unless_asked_for(hub: FakeHub, files: dict[str, bytes]) -> None:
    old = hub.names["main"]
    folder = pull("jamendolyrics", endpoint=hub.address)
    new_files = {"metadata.jsonl": files["metadata.jsonl"], AUDIO: b"new"}
    new = hub.commit("main", new_files)
    told = f"main was commit {old[:12]} when it was pulled, and is {new[:12]} now; .*set revision to the new commit"
    with pytest.raises(DatasetError, match=told):
        pull("jamendolyrics", endpoint=hub.address)
    assert open_dataset("jamendolyrics").revision == old
    assert (folder / AUDIO).read_bytes() == files[AUDIO]
    pull("jamendolyrics", revision=new[:12], endpoint=hub.address)
    assert open_dataset("jamendolyrics").revision == new
    assert (folder / AUDIO).read_bytes() == b"new"
    # What the new commit has not is gone.
    assert not (folder / "README.md").exists()


def test_a_pull_that_breaks_off_is_known_and_goes_on(hub: FakeHub, files: dict[str, bytes]) -> None:
    hub.cut = {AUDIO: 1000}
    with pytest.raises(
        DatasetError, match=r"jamendolyrics: .* could not be downloaded .*; try again with a working net"
    ) as e:
        pull("jamendolyrics", endpoint=hub.address)
    assert "\n" not in str(e.value)
    assert not is_pulled("jamendolyrics")
    with pytest.raises(DatasetError, match="was not pulled completely; run `lyricsep datasets pull jamendolyrics`"):
        open_dataset("jamendolyrics")
    hub.cut = {}
    folder = pull("jamendolyrics", endpoint=hub.address)
    assert (folder / AUDIO).read_bytes() == files[AUDIO]


@pytest.mark.parametrize("name", [AUDIO, "README.md"])
def test_damage_on_the_way_is_found(hub: FakeHub, files: dict[str, bytes], name: str) -> None:
    hub.damaged = {name: files[name][:-1] + b"!"}
    with pytest.raises(DatasetError, match="was damaged during the download and has been removed; pull again"):
        pull("jamendolyrics", endpoint=hub.address)
    assert not is_pulled("jamendolyrics")
    hub.damaged = {}
    assert (pull("jamendolyrics", endpoint=hub.address) / name).read_bytes() == files[name]


def test_an_old_pull_that_is_replaced_and_breaks_off_is_no_dataset(hub: FakeHub, files: dict[str, bytes]) -> None:
    pull("jamendolyrics", endpoint=hub.address)
    hub.commit("v2", {**files, AUDIO: b"new" * 1000})
    hub.cut = {AUDIO: 10}
    with pytest.raises(DatasetError, match="could not be downloaded"):
        pull("jamendolyrics", revision="v2", endpoint=hub.address)
    assert not is_pulled("jamendolyrics")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            401,
            r"restricts access to .*, or has no such dataset \(401\); request access on its page, and set HF_TOKEN",
        ),
        (403, r"restricts access to .*, or has no such dataset \(403\)"),
        (404, r"the hub has no jamendolyrics/jamendolyrics at main \(404\); check revision and HF_ENDPOINT"),
        (500, r"jamendolyrics/jamendolyrics could not be downloaded \(answered 500\); try again"),
    ],
)
def test_refusals_are_told_in_one_line(hub: FakeHub, status: int, told: str) -> None:
    hub.status = status
    with pytest.raises(DatasetError, match=told) as raised:
        pull("jamendolyrics", endpoint=hub.address)
    assert "\n" not in str(raised.value)


def test_no_network_is_told_in_one_line(hub: FakeHub) -> None:
    hub.close()
    with pytest.raises(DatasetError, match="try again with a working network, or name a folder that holds") as raised:
        pull("jamendolyrics", endpoint=hub.address)
    assert "\n" not in str(raised.value)


def test_a_hub_that_names_files_outside_of_the_folder_is_refused(hub: FakeHub, cache: Path) -> None:
    hub.commit("main", {"../../outside": b"x"})
    with pytest.raises(DatasetError, match="expected a name inside the dataset's folder"):
        pull("jamendolyrics", endpoint=hub.address)
    assert not (cache / "outside").exists()


def test_without_the_client_the_extra_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"pip install 'lyricsep\[benchmark\]'"):
        pull("jam-alt")


def test_dali_tells_how_it_is_had(cache: Path) -> None:
    with pytest.raises(DatasetError, match="dali: cannot be pulled: ask its authors"):
        pull("dali")
    with pytest.raises(ConfigError, match="no dataset is called 'jam-art'; did you mean 'jam-alt'"):
        pull("jam-art")


def test_a_damaged_record_is_named(hub: FakeHub) -> None:
    path = pull("jamendolyrics", endpoint=hub.address) / "lyricsep-dataset.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for change, told in (
        ({"commit": 3}, r"field 'commit': expected text, got 3"),
        ({"files": {"../x": {"sha256": "", "size": 1}}}, r"field 'files.../x': expected a name inside"),
        ({"files": {"x": {"sha256": "", "size": "1"}}}, r"field 'files.x.size': expected a number, got '1'"),
    ):
        path.write_text(json.dumps({**whole, **change}), encoding="utf-8")
        with pytest.raises(DatasetError, match=rf"lyricsep-dataset.json: {told}"):
            open_dataset("jamendolyrics")
