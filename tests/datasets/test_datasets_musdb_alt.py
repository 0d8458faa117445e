"""MUSDB-ALT, and the audio of MUSDB18-HQ where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from published import write_jsonl, write_text

from lyricsep.datasets import open_dataset
from lyricsep.errors import DatasetError
from lyricsep.lyrics import Line

NAME = "AM Contra - Heart Peripheral"


@pytest.fixture
def row() -> dict[str, Any]:
    return {
        "name": NAME,
        "text": "Ooh\nMy heart (heart)\n",
        "text_tagged": "<nl> Ooh </nl>\nMy heart (heart)\n",
        "lines": [
            {"start": 0.5, "end": 1, "text": "Ooh\n", "text_tagged": "<nl> Ooh </nl>\n"},
            {"start": 1.5, "end": 2.25, "text": "My heart (heart)", "text_tagged": "My heart (heart)"},
        ],
    }


def test_lyrics_without_audio(tmp_path: Path, row: dict[str, Any]) -> None:
    write_jsonl(tmp_path / "data" / "test.jsonl", [row])
    (song,) = open_dataset(tmp_path).songs
    assert (song.id, song.artist, song.title) == (NAME, "AM Contra", "Heart Peripheral")
    assert (song.language, song.split, song.audio, song.stems) == ("en", "test", None, {})
    assert song.text == "<nl> Ooh </nl>\nMy heart (heart)"
    # With or without a line break at its end, a line is a line.
    assert song.lines == (Line(0.5, 1.0, "<nl> Ooh </nl>"), Line(1.5, 2.25, "My heart (heart)"))


@pytest.mark.parametrize("place", ["inside", "given", "given above"])
def test_audio_is_found(tmp_path: Path, row: dict[str, Any], place: str) -> None:
    write_jsonl(tmp_path / "alt" / "data" / "test.jsonl", [row])
    top = tmp_path / ("alt" if place == "inside" else "elsewhere") / "musdb18hq"
    song_folder = top / "test" / NAME
    for part in ("mixture", "vocals", "drums", "bass", "other"):
        write_text(song_folder / f"{part}.wav", "")
    given = {"inside": None, "given": top, "given above": top.parent}[place]
    (song,) = open_dataset(tmp_path / "alt", musdb18hq=given).songs
    assert song.audio == song_folder / "mixture.wav"
    assert song.stems == {part: song_folder / f"{part}.wav" for part in ("vocals", "drums", "bass", "other")}


def test_a_folder_that_is_not_musdb_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    write_jsonl(tmp_path / "data" / "test.jsonl", [row])
    with pytest.raises(DatasetError, match="expected MUSDB18-HQ with its folder 'test', got none"):
        open_dataset(tmp_path, musdb18hq=tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": None}, r"test.jsonl: row 2, field 'name': expected text, got nothing"),
        ({"name": NAME}, r"row 2, field 'name': expected a unique song"),
        ({"name": "/elsewhere"}, r"row 2, field 'name': expected a name inside"),
        ({"lines": None}, r"row 2, field 'lines': expected a list of objects, got nothing"),
        ({"lines": [{"start": 2, "end": 1, "text": "x"}]}, r"row 2, field 'lines\[0\].end': expected a time of 2 s"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, Any], change: dict[str, Any], told: str) -> None:
    write_jsonl(tmp_path / "data" / "test.jsonl", [row, {**row, "name": "Other - Song", **change}])
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)
