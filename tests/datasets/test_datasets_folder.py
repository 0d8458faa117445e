"""Plain folders of songs with their lyrics beside them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from published import write_text

from lyricsep.datasets import open_dataset
from lyricsep.errors import ConfigError, DatasetError


def test_languages_are_folders_or_given(tmp_path: Path) -> None:
    for name in ("b.mp3", "b.vocals.wav", "fr/Été.FLAC", "album/de/c.d.ogg", ".hidden/x.mp3"):
        write_text(tmp_path / name, "")
    for name in ("b.txt", "fr/Été.txt", "album/de/c.d.txt", ".hidden/x.txt", "README.txt"):
        write_text(tmp_path / name, f"\nla {name}\r\n")
    songs = open_dataset(tmp_path, language="English").songs
    assert [(song.id, song.language, song.title) for song in songs] == [
        ("album/de/c.d", "de", "c.d"),
        ("b", "en", "b"),
        ("fr/Été", "fr", "Été"),
    ]
    assert [song.text for song in songs] == ["la album/de/c.d.txt", "la b.txt", "la fr/Été.txt"]
    assert [song.audio for song in songs] == [
        tmp_path / name for name in ("album/de/c.d.ogg", "b.mp3", "fr/Été.FLAC")
    ]
    assert [song.stems for song in songs] == [{}, {"vocals": tmp_path / "b.vocals.wav"}, {}]


def test_a_song_without_lyrics_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("en/a.mp3", "en/a.txt", "en/b.mp3"):
        write_text(tmp_path / name, "la")
    with caplog.at_level(logging.WARNING):
        assert [song.id for song in open_dataset(tmp_path).songs] == ["en/a"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'en/b.mp3'}: skipped, there is no b.txt next to it"
    ]


def test_a_missing_language_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "a.mp3", "")
    write_text(tmp_path / "a.txt", "la")
    with pytest.raises(
        DatasetError, match=r"a.mp3: its language is not known; set language, or put it into a folder named"
    ):
        open_dataset(tmp_path)
    with pytest.raises(ConfigError, match="no language is called 'elvish'"):
        open_dataset(tmp_path, language="elvish")


def test_two_songs_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("en/a.mp3", "en/a.wav", "en/a.txt"):
        write_text(tmp_path / name, "la")
    with pytest.raises(DatasetError, match=r"a.wav: field 'name': expected a unique song"):
        open_dataset(tmp_path)


def test_lyrics_in_another_encoding_are_named(tmp_path: Path) -> None:
    write_text(tmp_path / "fr" / "a.mp3", "")
    (tmp_path / "fr" / "a.txt").write_bytes("été".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"a.txt: row 1: is not UTF-8"):
        open_dataset(tmp_path)


def test_empty_lyrics_are_lyrics(tmp_path: Path) -> None:
    for name in ("en/a.mp3", "en/a.txt"):
        write_text(tmp_path / name, "")
    assert open_dataset(tmp_path).songs[0].text == ""
