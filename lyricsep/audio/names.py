"""Title and artist of a song, as its own tags state them; FFmpeg reads the tags of every format, also of videos."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from lyricsep.audio.opening import open_container


def read_names(path: Path) -> tuple[str | None, str | None]:
    """Return title and artist of a song, each in one row of text; None for what its tags do not state.

    Only the header is read.

    Raises
    ------
    AudioError
        If the file cannot be opened.
    """
    with open_container(path) as container:
        # Ogg has the tags of a song in its stream; elsewhere those of a stream describe a track.
        in_stream = container.format.name == "ogg" and container.streams.audio
        tags = {**container.metadata, **(container.streams.audio[0].metadata if in_stream else {})}
    return _value(tags, "title"), _value(tags, "artist")


def _value(tags: Mapping[str, str], name: str) -> str | None:
    values = (_in_one_row(value) for key, value in tags.items() if key.lower() == name)
    return next(filter(None, values), None)


def _in_one_row(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())
