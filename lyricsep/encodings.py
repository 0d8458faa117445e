"""Decode text files: UTF-8, UTF-16 and UTF-32, each with or without a byte order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from lyricsep.errors import DatasetError, reason_of
from lyricsep.files import read_bytes, shown

# UTF-32 comes first: the mark of UTF-16 is the beginning of its mark.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_encoding(data: bytes) -> str:
    """Return the name of the codec that a text is written in, as its mark or its null bytes tell; else ``utf-8-sig``.

    A text without a mark is UTF-16 or UTF-32 only if it holds null bytes, as those of spaces and line ends do, and no
    null characters.
    """
    for mark, name in _MARKS:
        # The text "\0" in UTF-16 begins like UTF-32, whose characters are 4 bytes.
        if data.startswith(mark) and (name == "utf-16" or len(data) % 4 == 0):
            return name
    if b"\0" in data:
        # Two characters of UTF-16 are beyond the last of UTF-32.
        for name in ("utf-32-le", "utf-32-be", _utf_16(data)):
            try:
                if "\0" not in data.decode(name):
                    return name
            except UnicodeDecodeError:
                continue
    return "utf-8-sig"


def _utf_16(data: bytes) -> str:
    """Return the codec of UTF-16 by where the null bytes are: the high bytes of spaces and Latin letters."""
    first, second = data[::2].count(0), data[1::2].count(0)
    # The text of another encoding with a null byte here and there is not UTF-16.
    if min(first, second) > 0 or (_is_plain(data) and 4 * max(first, second) < len(data)):
        return "utf-8-sig"
    return "utf-16-le" if second else "utf-16-be"


def _is_plain(data: bytes) -> bool:
    """Return whether a text is UTF-8 with few control characters, but for null bytes."""
    try:
        text = data.replace(b"\0", b"").decode()
    except UnicodeDecodeError:
        return False
    return 10 * sum(not character.isprintable() and character not in "\r\n" for character in text) <= len(text)


def decode_text(data: bytes, name: str) -> str:
    r"""Decode a text, and return it with line feeds for line ends.

    Parameters
    ----------
    data : bytes
        The content of a file.
    name : str
        What errors call it.

    Raises
    ------
    DatasetError
        If it is in another encoding, or holds null characters.
    """
    encoding = text_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise DatasetError(
                f"{name}: expected {encoding.upper()}, got {error.reason} at byte {error.start}; save it as UTF-8"
            ) from error
        row, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise DatasetError(f"{name}: row {row}: is not UTF-8 (byte 0x{byte:02x}); save it as UTF-8") from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise DatasetError(f"{name}: row {row}: expected text, got a null character; the file is damaged, or no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """Return the text of a file; see `decode_text`.

    Raises
    ------
    DatasetError
        If it cannot be read, is in another encoding, or holds null characters.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read ({reason_of(error)}); check the path") from error
    return decode_text(data, shown(path))
