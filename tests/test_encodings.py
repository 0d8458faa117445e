"""Texts in UTF-8, UTF-16 and UTF-32, with and without a mark, and files that are no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from lyricsep.encodings import decode_text, read_text, text_encoding
from lyricsep.errors import DatasetError

FRENCH = "L'été, déjà\r\nle cœur\n"
RUSSIAN = "Широка страна моя родная,\nМного в ней лесов, полей и рек!\n"
TEXTS = (FRENCH, RUSSIAN, "君が代は 千代に\nさざれ石の\n", "사랑해 당신을\n정말로\n", "मेरा दिल\nतेरा\n", "🎵 la\n")
CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("text", TEXTS)
def test_every_unicode_encoding(text: str, codec: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(codec))
    assert read_text(tmp_path / "a.txt") == text.replace("\r\n", "\n")


@pytest.mark.parametrize("mark", [b"\xfe\xff", b"\x00\x00\xfe\xff"])
def test_marks_of_big_endian(mark: bytes) -> None:
    codec = "utf-16-be" if len(mark) == 2 else "utf-32-be"
    assert decode_text(mark + FRENCH.encode(codec), "a") == "L'été, déjà\nle cœur\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("la\nété".encode("latin-1"), r"^a: row 2: is not UTF-8 \(byte 0xe9\); save it as UTF-8$"),
        (b"\xff\xfel\0a", r"^a: expected UTF-16, got truncated data at byte 4; save it as UTF-8$"),
        (b"hello\0there\n", r"^a: row 1: expected text, got a null character; the file is damaged, or no text$"),
        (b"hello\nthere\n" + bytes(4), r"^a: row 3: expected text, got a null character"),
        (bytes(4096), r"^a: row 1: expected text, got a null character"),
        (b"a\0\0b", "got a null character"),
    ],
)
def test_what_is_no_unicode_text_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        decode_text(data, "a")


def test_sound_is_not_utf_16() -> None:
    header = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    assert text_encoding(header) == "utf-8-sig"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt: cannot be read \(No such file or directory\); check the path$"):
        read_text(tmp_path / "a.txt")
