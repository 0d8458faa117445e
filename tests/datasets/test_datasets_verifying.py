"""Datasets whose files, texts, times and audio do not fit each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from published import FakeHub, write_jsonl, write_sound, write_text

from lyricsep.datasets import open_dataset, pull, verify


@pytest.fixture
def row(tmp_path: Path, hub_row: dict[str, Any]) -> dict[str, Any]:
    """A row whose audio is there, 8 s long."""
    write_sound(tmp_path / "a.wav", 8.0)
    return {**hub_row, "file_name": "a.wav", "name": "a"}


def problems(folder: Path, row: dict[str, Any]) -> list[str]:
    write_jsonl(folder / "metadata.jsonl", [row])
    return verify(open_dataset(folder))


def test_nothing_is_wrong(tmp_path: Path, row: dict[str, Any]) -> None:
    assert problems(tmp_path, row) == []


def test_nothing_is_wrong_with_the_real_songs(shared: Path) -> None:
    assert verify(open_dataset(shared / "jam-alt")) == []


def test_audio_that_is_missing_or_no_audio(tmp_path: Path, row: dict[str, Any]) -> None:
    write_text(tmp_path / "text.wav", "la la la " * 100)
    (missing,) = problems(tmp_path, {**row, "file_name": "gone.wav"})
    assert missing.endswith(f"a: {tmp_path / 'gone.wav'}: the audio is missing")
    (damaged,) = problems(tmp_path, {**row, "file_name": "text.wav"})
    assert "text.wav: " in damaged


def test_audio_that_was_cut(tmp_path: Path, row: dict[str, Any]) -> None:
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 4])
    told = problems(tmp_path, row)
    assert any("a.wav: 2.0 to 2.0 s: the file ends" in problem for problem in told)
    assert any("3 lines end after the audio, which is 2.0 s long: the first at 2.5 s" in problem for problem in told)


def test_lines_after_the_end_of_the_audio(tmp_path: Path, row: dict[str, Any]) -> None:
    row["lines"][2]["end"] = 8.4
    assert problems(tmp_path, row) == []
    row["lines"][2]["end"] = 9.0
    (late,) = problems(tmp_path, row)
    assert late.endswith("a: 1 lines end after the audio, which is 8.0 s long: the first at 9.0 s, 'Bonsoir'")


def test_text_that_is_not_that_of_the_lines(tmp_path: Path, row: dict[str, Any]) -> None:
    row["lines"][2] |= {"text": "Bonjour toi", "text_tagged": "Bonjour toi"}
    assert [problem.partition(": a: ")[2] for problem in problems(tmp_path, row)] == [
        "1 words of the text are not in the lines: 'Bonsoir'",
        "2 words of the lines are not in the text: 'Bonjour', 'toi'",
    ]


def test_order_and_tags_are_no_disagreement(tmp_path: Path, row: dict[str, Any]) -> None:
    row["lines"][0]["text_tagged"] = "<nl>La la</nl> <nl>la</nl>"
    row["lines"][2] |= {"start": 1.0, "end": 2.0}
    assert problems(tmp_path, row) == []


@pytest.mark.parametrize("text", ["", "\n \n", "<nl> </nl>"])
def test_empty_lyrics(tmp_path: Path, row: dict[str, Any], text: str) -> None:
    (empty,) = problems(tmp_path, {**row, "text": text, "text_tagged": text, "lines": []})
    assert empty.endswith("a: has no lyrics")


def test_musdb_without_audio_or_stems(tmp_path: Path, row: dict[str, Any]) -> None:
    write_jsonl(tmp_path / "alt" / "data" / "test.jsonl", [row, {**row, "name": "b"}])
    assert verify(open_dataset(tmp_path / "alt")) == ["alt: 2 of 2 songs have no audio"]
    for part in ("mixture", "vocals", "drums", "bass"):
        write_sound(tmp_path / "hq" / "test" / "a" / f"{part}.wav", 8.0)
    told = verify(open_dataset(tmp_path / "alt", musdb18hq=tmp_path / "hq").select(songs=["a"]))
    assert told == [f"alt: a: {tmp_path / 'hq/test/a/other.wav'}: the stem 'other' is missing"]


def test_files_that_changed_since_the_pull(
    tmp_path: Path, row: dict[str, Any], new_hub: Callable[[str], FakeHub]
) -> None:
    hub = new_hub("jamendolyrics/jamendolyrics")
    metadata = json.dumps(row).encode()
    hub.commit("main", {"metadata.jsonl": metadata, "a.wav": (tmp_path / "a.wav").read_bytes(), "README.md": b"x"})
    folder = pull("jamendolyrics", endpoint=hub.address)
    assert verify(open_dataset("jamendolyrics")) == []
    (folder / "metadata.jsonl").write_bytes(metadata.replace(b"Pop", b"Rap"))
    (folder / "README.md").unlink()
    changed, missing = sorted(verify(open_dataset("jamendolyrics")), key=len, reverse=True)
    assert changed.startswith(f"{folder / 'metadata.jsonl'}: has changed since it was pulled (sha256 was ")
    assert missing == f"{folder / 'README.md'}: is missing; pull the dataset again"
