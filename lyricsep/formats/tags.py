"""Write lyrics into the tags of audio files, and read them.

- ID3 (mp3, wav, aiff): ``USLT``, the text, and for timed lyrics also ``SYLT``, in milliseconds. Its entries are
  lines, because players show each entry as a line.
- Vorbis comments (flac, ogg, opus): ``LYRICS``, for timed lyrics as LRC; ``UNSYNCEDLYRICS`` then has the text
  without times. These names are a convention of tools and players, not a standard.
- MP4 (m4a): ``©lyr``, the text. MP4 has no tag for times.

Other programs also use ``TXXX`` frames of ID3, freeform tags of MP4, APEv2 tags, Lyrics3, ID3 in front of a FLAC
file, and LRC in any tag for text. These are read, and go when a song gets other lyrics: no player shows the old ones.

mutagen reads and writes the tags. What it raises for a damaged file may be anything, and costs that song alone.

References
----------
ID3v2.3, sections 4.9 and 4.10: https://id3.org/id3v2.3.0
Lyrics3: https://id3.org/Lyrics3, https://id3.org/Lyrics3v2
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
import os
import re
import shutil
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from lyricsep.audio.opening import first_audio_stream, open_container
from lyricsep.errors import AudioError, ConfigError, LyricsepError, OutputError
from lyricsep.files import replacing, shown
from lyricsep.formats.clock import to_ticks
from lyricsep.formats.karaoke import words_of
from lyricsep.formats.lrc import render_lrc
from lyricsep.formats.reading import timed_reader
from lyricsep.formats.transcript import Transcript, tidy, timed
from lyricsep.languages import iso_639_2b, known_language, language_code
from lyricsep.lyrics import Line, sung_only

logger = logging.getLogger(__name__)

_Put = Callable[[Any, Transcript, str | None], tuple[str, ...]]

_MP4_NAME = "\xa9lyr"

# Of any tags. What may follow the name is a description and a language; FFmpeg writes USLT as lyrics-eng.
_LYRICS_KEY = re.compile(
    r"(?:txxx:|----:[ -9;-~]*:)?"
    r"(?P<name>(?:wm/)?lyrics?|(?:un)?sync(?:ed|hroni[sz]ed)?[ _-]?lyrics?|uslt|sylt|\xa9lyr)"
    r"(?::.*|-(?:.*-)?[a-z]{3})?",
    re.DOTALL | re.IGNORECASE,
)
_FREE_NAME = re.compile(r"txxx:|----:com\.apple\.itunes:")
_TITLE_NAMES = ("tit2", "title", "\xa9nam")
_ARTIST_NAMES = ("tpe1", "artist", "\xa9art", "author")

# From here on the size of a chunk of WAV is none, as is 0: the program wrote to a pipe. FFmpeg writes 2**32 - 1.
_NO_SIZE = 0x7FFFF000
_ID3V1_BYTES = 128
_LYRICS3_BYTES = 2**20  # at most
_LYRICS3_FIELD = re.compile(rb"([A-Z]{3})(\d{5})")

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
        Replace lyrics already in the song, in whatever tags, and an existing `target`.

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
    is_empty = not transcript.text.strip()
    if in_place and is_empty:
        return ()
    # Replace the target of a symbolic link, not the link.
    place = target.resolve() if in_place else target
    with replacing(place, overwrite=overwrite or in_place) as temporary:
        shutil.copyfile(song, temporary)
        names: tuple[str, ...] = ()
        if not is_empty:
            names = _tag(temporary, kind, song, transcript, code, overwrite=overwrite)
        if _sound(temporary) != _sound(song):
            raise AudioError(f"{shown(song)}: cannot be tagged without changing its audio; convert it to .flac")
        # In a damaged file mutagen may put tags where nobody finds them, or leave the old ones.
        if names and not _is_tagged(temporary, song):
            raise AudioError(f"{shown(song)}: its tags are not found again as they were written; convert it to .flac")
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
    texts: dict[str, list[str]] = {}
    try:
        with _of_song(song):
            main = _tags_of(song)
            ending = _Ending.of(song)
            tags = [each for each in (main, *_other_tags(song, main, ending)) if each]
            for key, value in (item for each in tags for item in each.items()):
                texts.setdefault(_name(key), []).extend(_strings(value))
            frames = [frame for each in tags if hasattr(each, "getall") for frame in each.getall("SYLT")]
    except OSError as error:
        raise _unreadable(song, error) from error
    texts["lyrics"] = [*texts.get("lyrics", ()), *ending.lyrics]
    lyrics = [_from_entries(frame.text) for frame in frames if frame.format == _MILLISECONDS]
    names = sorted(filter(_LYRICS_KEY.fullmatch, texts), key=lambda name: (not name.startswith("sync"), name))
    lyrics += [_from_text(text, shown(song)) for name in names if name != "sylt" for text in texts[name]]
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
        f"{shown(song)}: its tags cannot be read or written ({_reason(error)}); convert it, or download it again"
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _of_song(song: Path) -> Iterator[None]:
    """Raise an `AudioError` for whatever mutagen raises in the block, but an OSError as it is."""
    try:
        yield
    except (LyricsepError, OSError):
        raise
    except Exception as error:  # damaged tags give struct.error, IndexError, MemoryError, ...
        cause = error.args[0] if error.args else None
        if isinstance(cause, OSError):
            raise cause from error
        raise _unreadable(song, error) from error


def _tags_of(song: Path) -> Any:
    try:
        name, *_ = _KINDS[_kind_of(song)]
    except AudioError:  # a format that lyrics are only read from
        file = _mutagen().File(song)
    else:
        file = _mutagen(name)(song)
    return file and file.tags


def _other_tags(song: Path, main: Any, ending: _Ending, *, warn: bool = True) -> list[Any]:
    """Return tags that a file has beside those of its format: ID3 in front of a FLAC file, APEv2 at its end.

    Those that cannot be read are left out, with a warning unless it was given before.
    """
    id3, apev2 = _mutagen("id3"), _mutagen("apev2")
    # mutagen finds no APEv2 in front of Lyrics3.
    file = io.BytesIO(song.read_bytes()[: ending.start]) if ending.fields else song
    opens: dict[str, Callable[[], Any]] = {"APEv2": lambda: apev2.APEv2(file)}
    if not isinstance(main, id3.ID3):
        opens["ID3"] = lambda: id3.ID3(song, translate=False, load_v1=False)
    tags = []
    for name, opened in opens.items():
        try:
            with _of_song(song):
                tags.append(opened())
        except AudioError as error:
            if warn and not isinstance(error.__cause__, apev2.APENoHeaderError | id3.ID3NoHeaderError):
                reason = _reason(error.__cause__ or error)
                logger.warning("%s: its %s tags cannot be read (%s) and stay as they are", shown(song), name, reason)
    return tags


def _name(key: str) -> str:
    """Return the name of a tag in lower case, without what programs put in front of it and behind."""
    lyrics = _LYRICS_KEY.fullmatch(key)
    return lyrics["name"].lower() if lyrics else _FREE_NAME.sub("", key.lower())


def _lyrics_keys(tags: Any) -> list[str]:
    """Return the keys of all lyrics in tags."""
    return sorted(filter(_LYRICS_KEY.fullmatch, tags.keys() if tags else ()))


def _held(tags: Any) -> list[str]:
    """Return the names of the lyrics in tags that are not empty."""
    keys = [key for key in _lyrics_keys(tags) if any(text.strip() for text in _strings(tags[key]))]
    matches = [_LYRICS_KEY.fullmatch(key) for key in keys]
    names = [match[0][: match.end("name")] for match in matches if match]
    return [name if ":" in name or name == _MP4_NAME else name.upper() for name in names]


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
    name, put = _KINDS[kind]
    if kind == "wav":
        _give_sizes(path)
    with _of_song(song):
        # Frames of older ID3 versions are kept, not converted.
        file = _mutagen(name)(path, **({"translate": False} if put is _put_id3 else {}))
        ending = _Ending.of(song)
        others = _other_tags(song, file.tags, ending)
        held = [name for tags in (file.tags, *others) for name in _held(tags)] + ["Lyrics3"] * bool(ending.lyrics)
        if held and not overwrite:
            raise OutputError(
                f"{shown(song)}: has lyrics already ({', '.join(dict.fromkeys(held))})",
                hint="set {overwrite=True} to replace them",
            )
        names = put(file, transcript, language)
        if ending.lyrics or any(map(_lyrics_keys, others)):
            _remove_others(path, others)
    return names


def _is_tagged(path: Path, song: Path) -> bool:
    """Return whether the copy of a song has lyrics where they belong, and nowhere else."""
    with _of_song(song):
        tags = _tags_of(path)
        return bool(_held(tags)) and not any(map(_held, _other_tags(path, tags, _Ending.of(path), warn=False)))


def _remove_others(path: Path, others: Iterable[Any]) -> None:
    """Remove the lyrics from tags beside those of the format, and from Lyrics3."""
    ending = _Ending.of(path)
    os.truncate(path, ending.start)  # mutagen would lose it, or write it anew
    for tags in others:
        _delete_lyrics(tags)
        if not tags:
            tags.delete(path)
        elif hasattr(tags, "getall"):
            tags.save(path, v2_version=_id3_version(tags))
        else:
            tags.save(path)
    with path.open("ab") as file:
        file.write(ending.without_lyrics())


def _delete_lyrics(tags: Any) -> None:
    for key in _lyrics_keys(tags):
        del tags[key]


def _give_sizes(path: Path) -> None:
    """Write the sizes into a WAV file that was written to a pipe, and its last byte, if it should be even.

    mutagen cannot do without, and puts tags where the sizes say that the file ends.
    """
    with path.open("rb+") as file:
        size, position = file.seek(0, os.SEEK_END), 12
        name, n_bytes = b"", 0
        while position + 8 <= size and name not in (b"data", bytes(4)):
            file.seek(position)
            name, n_bytes = struct.unpack("<4sI", file.read(8))
            position += 8 + (0 if name == b"data" else n_bytes + n_bytes % 2)
        if name != b"data" or size >= 2**32:
            return
        if not 0 < n_bytes < _NO_SIZE:
            n_bytes = size - position
            file.seek(position - 4)
            file.write(struct.pack("<I", n_bytes))
        is_odd = position + n_bytes == size and n_bytes % 2
        if is_odd:
            file.seek(0, os.SEEK_END)
            file.write(b"\0")
        file.seek(4)
        if is_odd or not 0 < int.from_bytes(file.read(4), "little") < _NO_SIZE:
            file.seek(4)
            file.write(struct.pack("<I", size + is_odd - 8))


@dataclass(frozen=True)
class _Ending:
    """What may be at the very end of a file: Lyrics3, and the 128 bytes of ID3v1.

    Parameters
    ----------
    sound_end : int
        Where APEv2 begins in front of it, in bytes; `start` where there is none.
    start : int
        Where it begins, in bytes.
    fields : mapping
        Of Lyrics3 version 2, by their three letters; the text of version 1 is ``LYR``.
    id3v1 : bytes
        Empty where there is none.
    """

    sound_end: int
    start: int
    fields: Mapping[bytes, bytes]
    id3v1: bytes

    @classmethod
    def of(cls, path: Path) -> Self:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LYRICS3_BYTES))
            end = file.read()
            id3v1 = end[-_ID3V1_BYTES:] if end[-_ID3V1_BYTES:].startswith(b"TAG") else b""
            end = end[: len(end) - len(id3v1)]
            block = end[end.rfind(b"LYRICSBEGIN") :] if b"LYRICSBEGIN" in end else b""
            fields: dict[bytes, bytes] = {}
            if block.endswith(b"LYRICSEND"):
                fields = {b"LYR": block[11:-9]}
            elif block.endswith(b"%06dLYRICS200" % (len(block) - 15)):
                position = 11
                while match := _LYRICS3_FIELD.match(block, position):
                    position = match.end() + int(match[2])
                    fields[match[1]] = block[match.end() : position]
            if fields:
                end = end[: -len(block)]
            start = sound_end = size - len(id3v1) - (len(block) if fields else 0)
            if end[-32:-24] == b"APETAGEX":
                header = start - int.from_bytes(end[-20:-16], "little") - 32
                file.seek(max(0, header))
                sound_end = header if file.read(8) == b"APETAGEX" else start
        return cls(sound_end, start, fields, id3v1)

    @property
    def lyrics(self) -> list[str]:
        """The text, in a list; an empty list where there is none."""
        text = self.fields.get(b"LYR", b"").decode("latin-1").strip()
        return [text] if text else []

    def without_lyrics(self) -> bytes:
        """Return it all again, but for the lyrics."""
        kept = {name: value for name, value in self.fields.items() if name != b"LYR"}
        if b"IND" in kept:
            kept[b"IND"] = b"0" + kept[b"IND"][1:]  # whether there are lyrics
        block = b"LYRICSBEGIN" + b"".join(b"%b%05d%b" % (name, len(value), value) for name, value in kept.items())
        return (block + b"%06dLYRICS200" % len(block) if kept.keys() - {b"IND"} else b"") + self.id3v1


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

    digest, end = hashlib.sha256(), _Ending.of(path).sound_end
    # PyAV raises IndexError where damage looks like a packet of a stream that does not exist.
    with open_container(path) as container, suppress(av.FFmpegError, IndexError):
        for packet in container.demux(first_audio_stream(path, container)):
            # FFmpeg takes tags that it does not know for sound.
            digest.update(bytes(packet)[: None if packet.pos is None else max(0, end - packet.pos)])
    return digest.digest()


def _id3_version(tags: Any) -> int:
    return 4 if tags.version >= (2, 4) else 3


def _put_id3(file: Any, transcript: Transcript, language: str | None) -> tuple[str, ...]:
    from mutagen.id3 import SYLT, USLT

    if file.tags is None:
        file.add_tags()
        version = 3  # the version that most players read
    else:
        version = _id3_version(file.tags)
    _delete_lyrics(file.tags)
    named = {"encoding": _UTF_16, "lang": iso_639_2b(language) if language else _UNKNOWN_LANGUAGE, "desc": ""}
    file.tags.add(USLT(text=transcript.text.rstrip("\n"), **named))  # type: ignore[no-untyped-call]
    if transcript.lines:
        entries = [(line.text, to_ticks(line.start, 1000)) for line in sung_only(transcript.lyrics).lines]
        file.tags.add(SYLT(format=_MILLISECONDS, type=_LYRICS, text=entries, **named))  # type: ignore[no-untyped-call]
    file.save(v2_version=version)
    return ("USLT", "SYLT") if transcript.lines else ("USLT",)


def _put_vorbis(file: Any, transcript: Transcript, _language: str | None) -> tuple[str, ...]:
    if file.tags is None:
        file.add_tags()
    _delete_lyrics(file.tags)
    text = transcript.text.rstrip("\n")
    lyrics = {"LYRICS": text}
    if transcript.lines:
        lyrics = {"LYRICS": render_lrc(sung_only(transcript.lyrics)).rstrip("\n"), "UNSYNCEDLYRICS": text}
    for name, value in lyrics.items():
        file.tags[name] = value
    file.save()
    return tuple(lyrics)


def _put_mp4(file: Any, transcript: Transcript, _language: str | None) -> tuple[str, ...]:
    if file.tags is None:
        file.add_tags()
    _delete_lyrics(file.tags)
    file.tags[_MP4_NAME] = [transcript.text.rstrip("\n")]
    file.save()
    return (_MP4_NAME,)


# By FFmpeg's format name: the mutagen class that opens the file, and the function that writes its lyrics.
_KINDS: Mapping[str, tuple[str, _Put]] = {
    "mp3": ("mp3.MP3", _put_id3),
    "wav": ("wave.WAVE", _put_id3),
    "aiff": ("aiff.AIFF", _put_id3),
    "flac": ("flac.FLAC", _put_vorbis),
    "ogg vorbis": ("oggvorbis.OggVorbis", _put_vorbis),
    "ogg opus": ("oggopus.OggOpus", _put_vorbis),
    "m4a": ("mp4.MP4", _put_mp4),
}
