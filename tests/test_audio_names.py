"""Title and artist in the tags of songs and videos, as FFmpeg reads them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tagged_songs import KINDS, make

from lyricsep.audio import read_names
from lyricsep.errors import AudioError


@pytest.mark.parametrize("suffix", KINDS)
def test_every_container_states_both(tmp_path: Path, suffix: str) -> None:
    song = make(tmp_path / f"song{suffix}", {"title": "Été 題", "artist": "Zoë & Co."})
    assert read_names(song) == ("Été 題", "Zoë & Co.")
    assert read_names(make(tmp_path / f"none{suffix}", {})) == (None, None)
    assert read_names(make(tmp_path / f"blank{suffix}", {"title": " \t ", "artist": "A"})) == (None, "A")


def test_the_name_of_a_track_is_not_that_of_the_song(tmp_path: Path) -> None:
    track = {"title": "Commentary", "artist": "Nobody"}
    assert read_names(make(tmp_path / "a.mkv", {}, track)) == (None, None)
    assert read_names(make(tmp_path / "b.mkv", {"title": "Song"}, track)) == ("Song", None)


def test_the_case_of_names_does_not_matter(tmp_path: Path) -> None:
    assert read_names(make(tmp_path / "a.flac", {"TITLE": "T", "Artist": "A"})) == ("T", "A")
    assert read_names(make(tmp_path / "b.ogg", {"Title": "T", "ARTIST": "A"})) == ("T", "A")
    assert read_names(make(tmp_path / "c.flac", {"ALBUM_ARTIST": "A", "SUBTITLE": "T"})) == (None, None)


def test_id3v1_alone(tmp_path: Path) -> None:
    song = without_id3(make(tmp_path / "a.mp3", {}))
    end = b"TAG" + b"A title of more than thirty ch" + b"Artist".ljust(30, b"\0") + bytes(64) + b"\xff"
    song.write_bytes(song.read_bytes() + end)
    assert read_names(song) == ("A title of more than thirty ch", "Artist")


def without_id3(song: Path) -> Path:
    content = song.read_bytes()
    song.write_bytes(content[content.index(b"\xff\xfb") :])
    return song


def id3v2(**frames: bytes) -> bytes:
    """Return a tag of version 2.3."""
    content = b"".join(b"%b%b\0\0%b" % (k.encode(), struct.pack(">I", len(v)), v) for k, v in frames.items())
    assert len(content) < 128
    return b"ID3\3\0\0\0\0\0" + bytes([len(content)]) + content


def test_values_are_one_row_of_text(tmp_path: Path) -> None:
    song = without_id3(make(tmp_path / "a.mp3", {}))
    song.write_bytes(
        id3v2(TIT2=b"\0Two\r\nrows \x1b[31m", TPE1=b"\1" + "日本\0".encode("utf-16")) + song.read_bytes()
    )
    assert read_names(song) == ("Two rows [31m", "日本")
    assert read_names(make(tmp_path / "b.flac", {"title": "  a\t\tb\n", "artist": "\u200cنمی‌خواهم"})) == (
        "a b",
        "\u200cنمی‌خواهم",  # of this script it is a letter's form
    )
    song = make(tmp_path / "c.flac", {"title": "Ete"})
    song.write_bytes(song.read_bytes().replace(b"Ete", b"\xc9t\xe9"))  # not UTF-8
    assert read_names(song) == ("\ufffdt\ufffd", None)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read_names(tmp_path / "gone.mp3")
