"""Write lyrics into the tags of audio files.

- ID3 (mp3, wav, aiff): ``USLT``, the text, and for timed lyrics also ``SYLT``, in milliseconds. Its entries are
  lines, because players show each entry as a line.
- Vorbis comments (flac, ogg, opus): ``LYRICS``, for timed lyrics as LRC; ``UNSYNCEDLYRICS`` then has the text
  without times. These names are a convention of tools and players, not a standard.
- MP4 (m4a): ``©lyr``, the text. MP4 has no tag for times.

References
----------
ID3v2.3, sections 4.9 and 4.10: https://id3.org/id3v2.3.0
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lyricsep.audio.opening import first_audio_stream, open_container
from lyricsep.errors import AudioError, ConfigError, OutputError
from lyricsep.files import replacing, shown
from lyricsep.formats.clock import to_ticks
from lyricsep.formats.lrc import render_lrc
from lyricsep.formats.transcript import Transcript
from lyricsep.languages import iso_639_2b, known_language, language_code

__all__ = ["write_tagged"]

_Held = Callable[[Any], list[str]]
_Put = Callable[[Any, Transcript, str | None], tuple[str, ...]]

_VORBIS_NAMES = ("lyrics", "unsyncedlyrics", "syncedlyrics", "unsynced lyrics")
_MP4_NAME = "\xa9lyr"

_UNKNOWN_LANGUAGE = "XXX"  # ID3v2.4, section 4
_MILLISECONDS, _LYRICS = 2, 1  # time stamp format and content type of SYLT
_UTF_16 = 1  # the only encoding for all scripts in every version of ID3v2


def write_tagged(
    song: Path, target: Path, transcript: Transcript, *, language: str | None = None, overwrite: bool = False
) -> tuple[str, ...]:
    """Write a copy of a song with lyrics in its tags; the audio and all other tags are unchanged.

    The encoded audio of the copy is compared with that of the song before it replaces anything.

    Parameters
    ----------
    song, target : Path
        The song, and the file to write. If they are the same path, the song is replaced atomically.
    transcript : Transcript
        The lyrics. If they are empty, the copy is unchanged; a song that would be replaced is not touched.
    language : str, optional
        As `lyricsep.languages.language_code` reads it; that of the transcript where it is left out.
    overwrite : bool
        Replace lyrics already in the song, and an existing `target`.

    Returns
    -------
    tuple of str
        Names of the tags that were written; empty if there are no lyrics.

    Raises
    ------
    ConfigError
        If mutagen is not installed, or there is no such language.
    AudioError
        If the song cannot be read, or its format has no tag for lyrics.
    OutputError
        If the song has lyrics already, is read-only and would be replaced, or cannot be written.
    """
    code = known_language(transcript.language) if language is None else language_code(language)
    in_place = target == song
    kind = _kind_of(song)
    before = song.stat()
    if in_place and not before.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise OutputError(f"{shown(song)}: is read-only", hint="make it writable, or write a copy with {output}")
    if in_place and not transcript.text:
        return ()
    # Replace the target of a symbolic link, not the link.
    place = target.resolve() if in_place else target
    with replacing(place, overwrite=overwrite or in_place) as temporary:
        shutil.copyfile(song, temporary)
        names: tuple[str, ...] = ()
        if transcript.text:
            names = _tag(temporary, kind, song, transcript, code, overwrite=overwrite)
        if _sound(temporary) != _sound(song):
            raise AudioError(f"{shown(song)}: cannot be tagged without changing its audio; convert it to .flac")
    if in_place:
        place.chmod(stat.S_IMODE(before.st_mode))
        with suppress(PermissionError):  # only root may change the owner
            os.chown(place, before.st_uid, before.st_gid)
    return names


def _tag(
    path: Path, kind: str, song: Path, transcript: Transcript, language: str | None, *, overwrite: bool
) -> tuple[str, ...]:
    """Write the lyrics into the tags of a copy of the song."""
    name, held_in, put = _KINDS[kind]
    module, _, class_name = name.partition(".")
    try:
        from mutagen import MutagenError

        opens = getattr(importlib.import_module(f"mutagen.{module}"), class_name)
    except ImportError as error:
        raise ConfigError("tags need mutagen: pip install 'lyricsep[tags]'") from error
    # Frames of older ID3 versions are kept, not converted.
    options = {"translate": False} if put is _put_id3 else {}
    try:
        file = opens(path, **options)
        held = held_in(file)
        if held and not overwrite:
            raise OutputError(
                f"{shown(song)}: has lyrics already ({', '.join(held)})",
                hint="set {overwrite=True} to replace them",
            )
        return put(file, transcript, language)
    except MutagenError as error:
        cause = error.args[0] if error.args else None
        if isinstance(cause, OSError):
            raise cause from error
        raise AudioError(
            f"{shown(song)}: its tags cannot be read or written ({' '.join(str(error).split())}); convert it, "
            "or download it again"
        ) from error


def _kind_of(song: Path) -> str:
    """Return the key of `_KINDS` for a file, from its content, not its name.

    Raises
    ------
    AudioError
        If its format has no tag for lyrics.
    """
    with open_container(song) as container:
        names = container.format.name.split(",")
        codec = first_audio_stream(song, container).codec_context.name
    kind = next((name for name in (*names, f"ogg {codec}") if name in _KINDS), None)
    if kind is None:
        raise AudioError(
            f"{shown(song)}: its format ({names[0]}) has no tag for lyrics that players read; convert it to .flac, "
            ".mp3 or .m4a"
        )
    return kind


def _sound(path: Path) -> bytes:
    """Return a hash of the encoded audio of a file, up to the first packet that cannot be read."""
    import av

    digest = hashlib.sha256()
    with open_container(path) as container, suppress(av.FFmpegError):
        for packet in container.demux(first_audio_stream(path, container)):
            digest.update(bytes(packet))
    return digest.digest()


def _id3_lyrics(file: Any) -> list[str]:
    return [frame.FrameID for name in ("USLT", "SYLT") for frame in (file.tags.getall(name) if file.tags else [])]


def _put_id3(file: Any, transcript: Transcript, language: str | None) -> tuple[str, ...]:
    from mutagen.id3 import SYLT, USLT

    if file.tags is None:
        file.add_tags()
        version = 3  # the version that most players read
    else:
        version = 4 if file.tags.version >= (2, 4) else 3
    file.tags.delall("USLT")
    file.tags.delall("SYLT")
    named = {"encoding": _UTF_16, "lang": iso_639_2b(language) if language else _UNKNOWN_LANGUAGE, "desc": ""}
    file.tags.add(USLT(text=transcript.text.rstrip("\n"), **named))  # type: ignore[no-untyped-call]
    if transcript.lines:
        entries = [(line.text, to_ticks(line.start, 1000)) for line in transcript.lines]
        file.tags.add(SYLT(format=_MILLISECONDS, type=_LYRICS, text=entries, **named))  # type: ignore[no-untyped-call]
    file.save(v2_version=version)
    return ("USLT", "SYLT") if transcript.lines else ("USLT",)


def _vorbis_lyrics(file: Any) -> list[str]:
    return [name.upper() for name in _VORBIS_NAMES if name in (file.tags or ())]


def _put_vorbis(file: Any, transcript: Transcript, _language: str | None) -> tuple[str, ...]:
    if file.tags is None:
        file.add_tags()
    for name in _VORBIS_NAMES:
        if name in file.tags:
            del file.tags[name]
    text = transcript.text.rstrip("\n")
    lyrics = {"LYRICS": text}
    if transcript.lines:
        lyrics = {"LYRICS": render_lrc(transcript.lyrics).rstrip("\n"), "UNSYNCEDLYRICS": text}
    for name, value in lyrics.items():
        file.tags[name] = value
    file.save()
    return tuple(lyrics)


def _mp4_lyrics(file: Any) -> list[str]:
    return [_MP4_NAME] if file.tags and _MP4_NAME in file.tags else []


def _put_mp4(file: Any, transcript: Transcript, _language: str | None) -> tuple[str, ...]:
    if file.tags is None:
        file.add_tags()
    file.tags[_MP4_NAME] = [transcript.text.rstrip("\n")]
    file.save()
    return (_MP4_NAME,)


_ID3 = (_id3_lyrics, _put_id3)
_VORBIS = (_vorbis_lyrics, _put_vorbis)
_MP4 = (_mp4_lyrics, _put_mp4)

# By FFmpeg's format name: the mutagen class that opens the file, and functions that list and write its lyrics.
_KINDS: Mapping[str, tuple[str, _Held, _Put]] = {
    "mp3": ("mp3.MP3", *_ID3),
    "wav": ("wave.WAVE", *_ID3),
    "aiff": ("aiff.AIFF", *_ID3),
    "flac": ("flac.FLAC", *_VORBIS),
    "ogg vorbis": ("oggvorbis.OggVorbis", *_VORBIS),
    "ogg opus": ("oggopus.OggOpus", *_VORBIS),
    "m4a": ("mp4.MP4", *_MP4),
}
