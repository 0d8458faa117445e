"""Which lyrics are those of a song, in folders, beside songs and in lists."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest

from lyricsep.aligners import KnownLyrics
from lyricsep.cli.known import BESIDE, known_for
from lyricsep.errors import DatasetError
from lyricsep.inputs import SongFile, find_songs

NFC, NFD = "Été", unicodedata.normalize("NFD", "été")


def texts(songs: list[SongFile], lyrics: str) -> list[str | None]:
    """Return the first line of the lyrics of each song; None where it has none."""
    known = known_for(songs, lyrics)
    assert all(isinstance(one, KnownLyrics | DatasetError) for one in known)
    return [one.lines[0].text if isinstance(one, KnownLyrics) else None for one in known]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def songs(tmp_path: Path) -> list[SongFile]:
    for name in (NFC, "fr/a", "b"):
        write(tmp_path / "songs" / f"{name}.mp3", "")
    return list(find_songs([str(tmp_path / "songs")]).songs)


def test_a_folder(songs: list[SongFile], tmp_path: Path) -> None:
    for name in (f"{NFD}.txt", "FR/A.lrc", "c.txt"):
        write(tmp_path / "lyrics" / name, f"[00:01.00]of {name[-5:-4]}\n")
    assert {
        song.path.stem: text for song, text in zip(songs, texts(songs, str(tmp_path / "lyrics")), strict=True)
    } == {
        NFC: f"of {NFD[-1]}",
        "a": "of A",
        "b": None,
    }


def test_beside(songs: list[SongFile], tmp_path: Path) -> None:
    write(tmp_path / "songs" / f"{NFD}.txt", "summer")
    write(tmp_path / "songs" / "fr" / "A.txt", "of a")
    write(tmp_path / "songs" / "b.info.json", '{"id": 3}')
    assert sorted(map(str, texts(songs, BESIDE))) == ["None", "of a", "summer"]


def test_a_list(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", "")
    write(tmp_path / f"{NFD}.txt", "summer")
    write(tmp_path / "list.csv", f"path,lyrics\na.mp3,{NFC}.txt\n")
    assert texts(list(find_songs([str(tmp_path / "list.csv")]).songs), BESIDE) == ["summer"]


def test_two_files_that_differ_in_case_are_told(
    songs: list[SongFile], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("B.txt", "b.lrc"):
        write(tmp_path / "lyrics" / name, "[00:01.00]la\n")
    (song,) = [song for song in songs if song.path.stem == "b"]
    assert texts([song], str(tmp_path / "lyrics")) == ["la"]
    (tmp_path / "lyrics" / "b.lrc").rename(tmp_path / "lyrics" / "b .lrc")
    assert texts([song], str(tmp_path / "lyrics")) == ["la"]
    assert caplog.messages == []
    write(tmp_path / "lyrics" / f"{NFD}.txt", "la")
    write(tmp_path / "lyrics" / f"{NFD.upper()}.txt", "la")
    (song,) = [song for song in songs if song.path.stem == NFC]
    with caplog.at_level(logging.WARNING):
        assert texts([song], str(tmp_path / "lyrics")) == [None]
    assert "differ only in case or Unicode normal form, so neither is matched" in caplog.messages[0]


@pytest.mark.parametrize("name", ["whisper.json", "a.txt"])
def test_lyrics_of_whisper_keep_their_times(songs: list[SongFile], tmp_path: Path, name: str) -> None:
    write(tmp_path / name, '{"language": "fr", "segments": [{"start": 1.5, "end": 2.0, "text": " la la"}]}')
    (known,) = known_for(songs[:1], str(tmp_path / name))
    assert isinstance(known, KnownLyrics)
    assert [(line.text, line.start, line.end) for line in known.lines] == [("la la", 1.5, 2.0)]
