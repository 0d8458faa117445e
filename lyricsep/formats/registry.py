"""Formats by name, as the command line offers them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lyricsep.documents import LyricsDocument
from lyricsep.errors import ConfigError, DatasetError
from lyricsep.files import write_text
from lyricsep.formats import labels, tables
from lyricsep.formats.ass import render_ass
from lyricsep.formats.lrc import render_lrc
from lyricsep.formats.sections import render_txt
from lyricsep.formats.subtitles import render_srt, render_vtt
from lyricsep.formats.textgrid import render_lyrics_textgrid, render_segments_textgrid
from lyricsep.formats.transcript import Transcript
from lyricsep.formats.ttml import render_ttml
from lyricsep.lyrics import INVENTED, Lyrics, Segment, sung_only

logger = logging.getLogger(__name__)

# All have the same signature; formats without title and artist ignore them.
_LYRICS: Mapping[str, Callable[[Lyrics, str | None, str | None], str]] = {
    "txt": lambda lyrics, _title, _artist: render_txt(lyrics),
    "lrc": lambda lyrics, title, artist: render_lrc(lyrics, title=title, artist=artist),
    "srt": lambda lyrics, _title, _artist: render_srt(lyrics),
    "vtt": lambda lyrics, _title, _artist: render_vtt(lyrics),
    "json": lambda lyrics, title, artist: LyricsDocument.of(lyrics, title=title, artist=artist).to_json(),
    "elrc": lambda lyrics, title, artist: render_lrc(lyrics, word_times=True, title=title, artist=artist),
    "ass": lambda lyrics, title, _artist: render_ass(lyrics, title=title),
    "ttml": lambda lyrics, title, _artist: render_ttml(lyrics, title=title),
    "csv": lambda lyrics, _title, _artist: tables.render_table(lyrics, ","),
    "tsv": lambda lyrics, _title, _artist: tables.render_table(lyrics, "\t"),
    "textgrid": lambda lyrics, _title, _artist: render_lyrics_textgrid(lyrics),
    "audacity": lambda lyrics, _title, _artist: tables.render_audacity(lyrics),
}

_COMPLETE = ("txt", "json")  # formats that also hold the lines that nobody sings

# Called with the segments, the name of the song and its duration.
_SEGMENTS: Mapping[str, Callable[[Sequence[Segment], str, float], str]] = {
    "csv": lambda segments, _name, _duration: labels.render_csv(segments),
    "json": lambda segments, _name, _duration: labels.render_json(segments),
    "audacity": lambda segments, _name, _duration: labels.render_audacity(segments),
    "rttm": lambda segments, name, _duration: labels.render_rttm(segments, name=name),
    "textgrid": lambda segments, _name, duration: render_segments_textgrid(segments, duration=duration),
}

_SUFFIXES: Mapping[str, str] = {"elrc": ".lrc", "textgrid": ".TextGrid", "audacity": ".labels.txt"}
_SEGMENT_SUFFIXES: Mapping[str, str] = {
    "audacity": ".segments.txt",
    "rttm": ".rttm",
    "textgrid": ".segments.TextGrid",
}

FORMATS: tuple[str, ...] = tuple(_LYRICS)
"""Lyrics formats; `file_suffixes` returns their file suffixes."""

SEGMENT_FORMATS: tuple[str, ...] = tuple(_SEGMENTS)
"""Segment formats."""


def file_suffixes(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the suffixes of a song's lyrics files, one for each format, all different.

    Most are the format's name. Players expect both kinds of LRC as ``.lrc``; if both are requested, the one with
    word times is ``.words.lrc``.

    Parameters
    ----------
    formats : sequence of str
        Names from `FORMATS`, each at most once.
    """
    return tuple(
        ".words.lrc" if name == "elrc" and "lrc" in formats else _SUFFIXES.get(name, f".{name}") for name in formats
    )


def segments_suffix(format: str) -> str:
    """Return the suffix of a song's segments file in one of `SEGMENT_FORMATS`."""
    return _SEGMENT_SUFFIXES.get(format, f".segments.{format}")


def render_lyrics(lyrics: Lyrics, format: str, *, title: str | None = None, artist: str | None = None) -> str:
    """Return lyrics as the text of a file; lyrics without lines give a valid file too.

    Lines with the flags ``not-sung`` and ``invented`` stand in txt and json only.

    Parameters
    ----------
    lyrics : Lyrics
        Lines in order of start.
    format : str
        One of `FORMATS`.
    title, artist : str, optional
        Written if the format supports them.

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if format not in _LYRICS:
        raise ConfigError(_unknown("lyrics", format, FORMATS))
    return _LYRICS[format](lyrics if format in _COMPLETE else sung_only(lyrics), title, artist)


def write_lyrics(
    path: Path,
    lyrics: Lyrics,
    format: str,
    *,
    overwrite: bool = True,
    title: str | None = None,
    artist: str | None = None,
) -> None:
    """Write `render_lyrics` to `path` as UTF-8 without a byte order mark, atomically.

    Raises
    ------
    ConfigError
        If there is no such format.
    OutputError
        If the file cannot be written, or exists and `overwrite` is False.
    """
    write_text(path, render_lyrics(lyrics, format, title=title, artist=artist), overwrite=overwrite)


def warn_left_out(lyrics: Lyrics, formats: Sequence[str], name: str) -> None:
    """Warn of lines of words that are probably not sung, where formats leave them out; see `render_lyrics`.

    Parameters
    ----------
    lyrics : Lyrics
        What is written.
    formats : sequence of str
        Names from `FORMATS`.
    name : str
        Of the song, in the warning.
    """
    n_lines = sum(INVENTED in line.flags for line in lyrics.lines)
    without = [each for each in formats if each not in _COMPLETE]
    if n_lines and without:
        lines = "1 line" if n_lines == 1 else f"{n_lines} lines"
        logger.warning("%s: %s of words that are probably not sung left out of %s", name, lines, ", ".join(without))


def render_transcript(transcript: Transcript, format: str, *, name: str) -> str:
    """Return the content of one lyrics file as the text of another; everything the new format supports is kept.

    Plain text keeps the sections of the file; all other formats use `render_lyrics`.

    Parameters
    ----------
    transcript : Transcript
        As read.
    format : str
        One of `FORMATS`.
    name : str
        Name of the file in error messages: its path.

    Raises
    ------
    ConfigError
        If there is no such format.
    DatasetError
        If the format needs times and the file has none.
    """
    if format == "txt":
        has_headers = any(line.section for line in transcript.lines)
        return render_lyrics(transcript.lyrics, "txt") if has_headers else transcript.text
    if transcript.text and not transcript.lines:
        raise DatasetError(
            f"{name}: has no times, which {format} needs", hint="choose {format=txt}, or a file with times"
        )
    return render_lyrics(transcript.lyrics, format, title=transcript.title, artist=transcript.artist)


def render_segments(segments: Sequence[Segment], format: str, *, name: str = "song", duration: float = 0.0) -> str:
    """Return segments as the text of a file; no segments give a valid file too.

    Parameters
    ----------
    segments : sequence of Segment
        In order.
    format : str
        One of `SEGMENT_FORMATS`.
    name : str
        Name of the song, for formats that store it (rttm).
    duration : float
        Duration of the song in seconds, for formats that store it (textgrid).

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if format not in _SEGMENTS:
        raise ConfigError(_unknown("segments", format, SEGMENT_FORMATS))
    return _SEGMENTS[format](segments, name, duration)


def _unknown(of: str, name: str, known: Sequence[str]) -> str:
    return f"there is no format {name!r} for {of}; choose one of {', '.join(known)}"
