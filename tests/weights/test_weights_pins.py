"""Hashes that nobody knew: pinned by the first download, and held against every later one."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
import torch

from lyricsep.errors import WeightsError
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.plan import Plan
from lyricsep.separators import find_separator
from lyricsep.transcribers import WhisperSpec
from lyricsep.weights import (
    Source,
    WeightFile,
    check_file,
    fetch,
    fetch_folder,
    is_available_offline,
    local_path,
    pinned,
)

DATA = random.Random(1).randbytes(50_000)
OTHER = random.Random(2).randbytes(50_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def unpinned(url: str, sha256: str = "", name: str = "model.bin") -> WeightFile:
    return WeightFile(name, sha256, None, (Source.from_uri(url),))


@pytest.mark.parametrize("known", ["", SHA256[:8]])
def test_the_first_download_pins(web, cache, policy, known, caplog) -> None:
    file = unpinned(web.serve("/model.bin", web.whole(DATA)), known)
    assert (pinned(file), local_path(file), is_available_offline(file), check_file(file)) == (file, None, False, None)
    path = fetch(file, policy=policy)
    assert path == cache / "weights" / SHA256[:16] / "model.bin"
    assert path.read_bytes() == DATA
    assert f"pinned to that of this download: {SHA256}" in caplog.text
    assert (pinned(file).sha256, local_path(file), check_file(file)) == (SHA256, path, "")
    assert fetch(file, policy=policy) == path
    assert len(web.seen) == 1
    path.write_bytes(OTHER)
    assert "is damaged; its sha256 starts with" in str(check_file(file))


def test_a_later_change_is_refused(web, cache, policy) -> None:
    file = unpinned(web.serve("/model.bin", web.whole(DATA)))
    fetch(file, policy=policy).unlink()
    web.serve("/model.bin", web.whole(OTHER))
    with pytest.raises(WeightsError, match=f"expected {SHA256[:16]}: damaged, or another file") as caught:
        fetch(file, policy=policy)
    (pin,) = (cache / "pins").iterdir()
    assert f"remove {pin}, which pins the first download" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((cache / "weights").rglob("*.bin*")) == []
    pin.unlink()
    assert fetch(file, policy=policy).read_bytes() == OTHER


def test_the_digits_of_a_name_are_held_against_the_first_download(web, cache, policy) -> None:
    file = unpinned(web.serve("/model.bin", web.whole(OTHER)), SHA256[:8])
    with pytest.raises(WeightsError, match=f"expected {SHA256[:8]}: damaged"):
        fetch(file, policy=policy)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_files_of_one_name_have_pins_of_their_own(web, cache, policy) -> None:
    first = unpinned(web.serve("/a/model.bin", web.whole(DATA)))
    second = unpinned(web.serve("/b/model.bin", web.whole(OTHER)))
    assert fetch(first, policy=policy).read_bytes() == DATA
    assert fetch(second, policy=policy).read_bytes() == OTHER
    assert pinned(first).sha256 != pinned(second).sha256


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sha256": 5}', '{"sha256": "ab"}', "\x00"])
def test_a_broken_pin_is_none(web, cache, policy, text) -> None:
    file = unpinned(web.serve("/model.bin", web.whole(DATA)))
    fetch(file, policy=policy)
    (pin,) = (cache / "pins").iterdir()
    pin.write_text(text, encoding="utf-8")
    assert pinned(file) == file
    assert fetch(file, policy=policy).read_bytes() == DATA
    assert pinned(file).sha256 == SHA256


def test_a_pin_that_contradicts_the_catalogue_is_none(web, cache, policy) -> None:
    url = web.serve("/model.bin", web.whole(DATA))
    fetch(unpinned(url), policy=policy)
    other = unpinned(url, "00000000")
    assert pinned(other) == other


def test_folders_and_manifests_know_the_pin(web, cache, policy, tmp_path: Path) -> None:
    file = unpinned(web.serve("/model.bin", web.whole(DATA)))
    model = WhisperSpec("model", "", file)
    manifest = new_manifest("test", Plan("", (find_separator("none"),), torch.device("cpu"), None, model=model))
    folder = fetch_folder("model", [file], policy=policy)
    assert (folder / "model.bin").read_bytes() == DATA
    written = json.loads(write_manifest(tmp_path / "out", manifest, [file]).read_text(encoding="utf-8"))
    assert written["weights"] == [{"name": "model.bin", "sha256": SHA256}]


def test_a_local_file_of_unknown_hash_is_used_where_it_lies(cache, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)
    file = unpinned(path.as_uri())
    assert fetch(file) == path
    assert not (cache / "pins").exists()
