"""Write lyrics into the tags of audio files, and read them.

- ID3 (mp3, wav, aiff): ``USLT``, the text, and for timed lyrics also ``SYLT``, in milliseconds. Its entries are
  lines, because players show each entry as a line.
- Vorbis comments (flac, ogg, opus): ``LYRICS``, for timed lyrics as LRC; ``UNSYNCEDLYRICS`` then has the text
  without times. These names are a convention of tools and players, not a standard.
- MP4 (m4a): ``©lyr``, the text. MP4 has no tag for times.

Other programs also use ``TXXX`` frames of ID3, freeform tags of MP4, APEv2 tags, and LRC in any tag for text; these
are read.

References
----------
ID3v2.3, sections 4.9 and 4.10: https://id3.org/id3v2.3.0
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lyricsep.audio.opening import first_audio_stream, open_container
from lyricsep.errors import AudioError, ConfigError, OutputError
from lyricsep.files import replacing, shown
from lyricsep.formats.clock import to_ticks
from lyricsep.formats.karaoke import words_of
from lyricsep.formats.lrc import render_lrc
from lyricsep.formats.reading import timed_reader
from lyricsep.formats.transcript import Transcript, tidy, timed
from lyricsep.languages import iso_639_2b, known_language, language_code
from lyricsep.lyrics import Line, sung_only

_Held = Callable[[Any], list[str]]
_Put = Callable[[Any, Transcript, str | None], tuple[str, ...]]

_VORBIS_NAMES = ("lyrics", "unsyncedlyrics", "syncedlyrics", "unsynced lyrics")
_MP4_NAME = "\xa9lyr"

# Names of tags in lower case, without the prefix of free names, in order of preference.
_LYRICS_NAMES = ("syncedlyrics", "lyrics", "unsyncedlyrics", "unsynced lyrics", "uslt", _MP4_NAME, "wm/lyrics")
_TITLE_NAMES = ("tit2", "title", "\xa9nam")
_ARTIST_NAMES = ("tpe1", "artist", "\xa9art", "author")
_FREE_NAME = re.compile(r"txxx:|----:com\.apple\.itunes:")

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


def read_tagged(song: Path) -> Transcript | None:
    """Read the lyrics in the tags of a song, with title and artist; None where there are none.

    Timed lyrics (``SYLT``, or LRC in any tag) are preferred to text.

    Raises
    ------
    ConfigError
        If mutagen is not installed.
    AudioError
        If the song cannot be read.
    DatasetError
        If a tag holds malformed LRC.
    """
    mutagen = _mutagen()
    try:
        tags = [tags for tags in (_tags_of(song), _ape_tags(song)) if tags]
    except mutagen.MutagenError as error:
        raise _unreadable(song, error) from error
    texts: dict[str, list[str]] = {}
    for key, value in (item for each in tags for item in each.items()):
        name = _FREE_NAME.sub("", key.lower())
        name = "uslt" if name.startswith("uslt:") else name
        if name in (*_LYRICS_NAMES, *_TITLE_NAMES, *_ARTIST_NAMES):
            texts.setdefault(name, []).extend(_strings(value))
    frames = [frame for each in tags if hasattr(each, "getall") for frame in each.getall("SYLT")]
    lyrics = [_from_entries(frame.text) for frame in frames if frame.format == _MILLISECONDS]
    lyrics += [_from_text(text, shown(song)) for name in _LYRICS_NAMES for text in texts.get(name, ())]
    lyrics = [each for each in lyrics if each.text]
    if not lyrics:
        return None
    best = next((each for each in lyrics if each.lines), lyrics[0])
    same = (each.text for each in lyrics if not each.lines and _rows(each) == _rows(best))
    return replace(
        best,
        text=next(same, best.text),  # text without times has its sections
        language=_language(tags),
        title=_first(texts, _TITLE_NAMES) or best.title,
        artist=_first(texts, _ARTIST_NAMES) or best.artist,
    )


def _mutagen(name: str = "") -> Any:
    """Return mutagen, or one of its modules or classes."""
    module, _, class_name = name.partition(".")
    try:
        import mutagen

        found = importlib.import_module(f"mutagen.{module}") if module else mutagen
    except ImportError as error:
        raise ConfigError("tags need mutagen: pip install 'lyricsep[tags]'") from error
    return getattr(found, class_name) if class_name else found


def _unreadable(song: Path, error: Exception) -> AudioError:
    return AudioError(
        f"{shown(song)}: its tags cannot be read or written ({' '.join(str(error).split())}); convert it, or "
        "download it again"
    )


def _tags_of(song: Path) -> Any:
    try:
        name, *_ = _KINDS[_kind_of(song)]
    except AudioError:  # a format that lyrics are only read from
        file = _mutagen().File(song)
    else:
        file = _mutagen(name)(song)
    return file and file.tags


def _ape_tags(song: Path) -> Any:
    apev2 = _mutagen("apev2")
    try:
        return apev2.APEv2(song)
    except apev2.APENoHeaderError:
        return None


def _strings(value: Any) -> list[str]:
    """Return the texts of a tag's value: a frame, bytes, text or a list of them."""
    value = getattr(value, "text", value)
    values = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    return [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in values]


def _first(texts: Mapping[str, list[str]], names: Iterable[str]) -> str | None:
    return next((text.strip() for name in names for text in texts.get(name, ()) if text.strip()), None)


def _rows(transcript: Transcript) -> list[str]:
    return [" ".join(row.split()) for row in transcript.text.split("\n") if row]


def _language(tags: Iterable[Any]) -> str | None:
    """Return the language of ID3 lyrics; None for English, which programs write where they do not know."""
    frames = [
        frame for each in tags if hasattr(each, "getall") for name in ("SYLT", "USLT") for frame in each.getall(name)
    ]
    codes = (known_language(frame.lang) for frame in frames)
    return next((code for code in codes if code and code != "en"), None)


def _from_text(text: str, name: str) -> Transcript:
    text = "\n".join(text.splitlines())
    reader = timed_reader(text)
    return reader(text, name) if reader else Transcript(tidy(text.split("\n")))


def _from_entries(entries: Sequence[tuple[str, int]]) -> Transcript:
    """Return the lyrics of SYLT: entries are lines, or syllables if any has a line break."""
    in_syllables = any("\n" in text for text, _ in entries[1:])
    rows: list[list[tuple[float, float, str]]] = []
    for start, end, text in _spans(entries):
        if not rows or not in_syllables or text.startswith("\n") or rows[-1][-1][2].endswith("\n"):
            rows.append([])
        rows[-1].append((start, end, text))
    return timed(
        Line(
            row[0][0],
            row[-1][1],
            " ".join("".join(text for _, _, text in row).split()),
            words_of(row) if in_syllables else (),
        )
        for row in rows
    )


def _spans(entries: Sequence[tuple[str, int]]) -> Iterator[tuple[float, float, str]]:
    """Yield start, end and text of entries in order; the last ends at its start."""
    in_time = sorted(entries, key=lambda entry: entry[1])
    for (text, start), (_, end) in zip(in_time, [*in_time[1:], *in_time[-1:]], strict=True):
        yield start / 1000, end / 1000, text


def _tag(
    path: Path, kind: str, song: Path, transcript: Transcript, language: str | None, *, overwrite: bool
) -> tuple[str, ...]:
    """Write the lyrics into the tags of a copy of the song."""
    name, held_in, put = _KINDS[kind]
    opens = _mutagen(name)
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
    except _mutagen().MutagenError as error:
        cause = error.args[0] if error.args else None
        if isinstance(cause, OSError):
            raise cause from error
        raise _unreadable(song, error) from error


def _kind_of(song: Path) -> str:
    """Return the key of `_KINDS` for a file, from its content, not its name.

    Raise an `AudioError` if its format has no tag for lyrics.
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
        entries = [(line.text, to_ticks(line.start, 1000)) for line in sung_only(transcript.lyrics).lines]
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
        lyrics = {"LYRICS": render_lrc(sung_only(transcript.lyrics)).rstrip("\n"), "UNSYNCEDLYRICS": text}
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
