"""The formats by name; the command line offers exactly these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lyricsep.errors import ConfigError
from lyricsep.files import write_text
from lyricsep.formats.document import lyrics_to_json
from lyricsep.formats.labels import render_audacity, render_csv, render_json
from lyricsep.formats.lrc import render_lrc
from lyricsep.formats.plain import render_txt
from lyricsep.formats.subtitles import render_srt, render_vtt
from lyricsep.lyrics import Lyrics, Segment

__all__ = ["FORMATS", "SEGMENT_FORMATS", "render_lyrics", "render_segments", "write_lyrics"]

# All are called alike; a format that cannot show title and artist does not take them.
_LYRICS: Mapping[str, Callable[[Lyrics, str | None, str | None], str]] = {
    "txt": lambda lyrics, _title, _artist: render_txt(lyrics),
    "lrc": lambda lyrics, title, artist: render_lrc(lyrics, title=title, artist=artist),
    "srt": lambda lyrics, _title, _artist: render_srt(lyrics),
    "vtt": lambda lyrics, _title, _artist: render_vtt(lyrics),
    "json": lambda lyrics, title, artist: lyrics_to_json(lyrics, title=title, artist=artist),
}

_SEGMENTS: Mapping[str, Callable[[Sequence[Segment]], str]] = {
    "csv": render_csv,
    "json": render_json,
    "audacity": render_audacity,
}

FORMATS: tuple[str, ...] = tuple(_LYRICS)
"""Formats of lyrics; each name is also the file's suffix."""

SEGMENT_FORMATS: tuple[str, ...] = tuple(_SEGMENTS)
"""Formats of segments."""


def render_lyrics(
    lyrics: Lyrics,
    format: str,  # noqa: A002 - the command line's word
    *,
    title: str | None = None,
    artist: str | None = None,
) -> str:
    """Turn lyrics into the text of a file; lyrics without lines give a valid file too.

    Parameters
    ----------
    lyrics : Lyrics
        Lines in order of start.
    format : str
        One of `FORMATS`.
    title, artist : str, optional
        Written where the format has a place for them.

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if format not in _LYRICS:
        raise ConfigError(_unknown("lyrics", format, FORMATS))
    return _LYRICS[format](lyrics, title, artist)


def write_lyrics(
    path: Path,
    lyrics: Lyrics,
    format: str,  # noqa: A002 - the command line's word
    *,
    overwrite: bool = True,
    title: str | None = None,
    artist: str | None = None,
) -> None:
    """Write `render_lyrics` to `path` as UTF-8 without a byte order mark, whole or not at all.

    Raises
    ------
    ConfigError
        If there is no such format.
    OutputError
        If the file cannot be written, or exists and `overwrite` is False.
    """
    write_text(path, render_lyrics(lyrics, format, title=title, artist=artist), overwrite=overwrite)


def render_segments(
    segments: Sequence[Segment],
    format: str,  # noqa: A002 - the command line's word
) -> str:
    """Turn segments into the text of a file; no segments give a valid file too.

    Parameters
    ----------
    segments : sequence of Segment
        In order.
    format : str
        One of `SEGMENT_FORMATS`.

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if format not in _SEGMENTS:
        raise ConfigError(_unknown("segments", format, SEGMENT_FORMATS))
    return _SEGMENTS[format](segments)


def _unknown(of: str, name: str, known: Sequence[str]) -> str:
    return f"there is no format {name!r} for {of}; choose one of {', '.join(known)}"
