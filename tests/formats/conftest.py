"""Files of any content, read as lyrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lyricsep.formats import Transcript, read_lyrics


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str | bytes, str], Transcript]:
    """Give a function that writes a file and reads it as lyrics."""

    def write_and_read(content: str | bytes, suffix: str) -> Transcript:
        path = tmp_path / f"Grüße{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_lyrics(path)

    return write_and_read
