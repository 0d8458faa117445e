"""A folder of results, as a run leaves it, whose song is the example."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from night_train import EXAMPLE, HEARD, TIMED

from lyricsep.formats import write_lyrics
from lyricsep.pages import Results, find_results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The results of a run over two songs in a folder; one is in several formats."""
    results, songs = tmp_path / "lyrics", tmp_path / "songs" / "été"
    songs.mkdir(parents=True)
    shutil.copy(EXAMPLE / "night_train.mp3", songs / "night train.mp3")
    for name, suffix in (("json", "json"), ("lrc", "lrc"), ("txt", "txt"), ("vtt", "vtt"), ("elrc", "words.lrc")):
        write_lyrics(results / "été" / f"night train.{suffix}", HEARD, name, title="Night Train")
    write_lyrics(results / "other.json", replace(HEARD, lines=HEARD.lines[:2]), "json")
    return results


@pytest.fixture
def results(folder: Path) -> Results:
    """The folder, as it is found."""
    return find_results(folder, songs=folder.parent / "songs")


@pytest.fixture
def timed(tmp_path: Path) -> Results:
    """The results of a run over the example, with word times."""
    songs = tmp_path / "songs"
    songs.mkdir()
    shutil.copy(EXAMPLE / "night_train.mp3", songs / "song.mp3")
    write_lyrics(tmp_path / "lyrics" / "song.json", TIMED, "json")
    return find_results(tmp_path / "lyrics", songs=songs)
