"""Plain folders of songs with their lyrics beside them."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest
from published import write_text

from lyricsep.datasets import open_dataset
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord
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


def test_names_match_in_any_case_and_normal_form(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    composed, parted = "fr/Été", unicodedata.normalize("NFD", "fr/été")
    write_text(tmp_path / f"{composed}.mp3", "")
    write_text(tmp_path / f"{parted}.TXT", "la")
    write_text(tmp_path / "fr" / "b.mp3", "")
    for name in ("B.txt", "b .txt"):
        write_text(tmp_path / "fr" / name, "b")
    dataset = open_dataset(tmp_path)
    assert [(song.id, song.text) for song in dataset.songs] == [("fr/b", "b"), (composed, "la")]
    assert [song.id for song in dataset.select(songs=[parted.upper()]).songs] == [composed]
    with pytest.raises(DatasetError, match="no song is called 'fr/c'"):
        dataset.select(songs=["fr/c"])
    assert caplog.messages == []


def test_files_of_a_table_are_found_in_any_case_and_normal_form(tmp_path: Path) -> None:
    folder = DatasetFolder(tmp_path)
    write_text(tmp_path / "Lyrics" / unicodedata.normalize("NFD", "Été.txt"), "la")
    record = DatasetRecord({}, tmp_path)
    assert folder.locate("lyrics/été.TXT", record, "name").read_text() == "la"
    write_text(tmp_path / "Lyrics" / "ÉTÉ.txt", "which?")
    assert not DatasetFolder(tmp_path).locate("lyrics/été.TXT", record, "name").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32-be"])
def test_timed_lyrics_called_txt_keep_their_times(tmp_path: Path, encoding: str) -> None:
    write_text(tmp_path / "fr" / "a.mp3", "")
    (tmp_path / "fr" / "a.txt").write_bytes("[00:01.00]été\n[00:02.50]là\n".encode(encoding))
    (song,) = open_dataset(tmp_path).songs
    assert song.text == "été\nlà"
    assert [(line.start, line.text) for line in song.lines] == [(1.0, "été"), (2.5, "là")]
