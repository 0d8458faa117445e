"""Open a file, and read what its container says beside the sound."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lyricsep.audio.headers import completed_header
from lyricsep.errors import AudioError
from lyricsep.files import shown

if TYPE_CHECKING:
    import av
    from av.audio.codeccontext import AudioCodecContext
    from av.container import InputContainer


_OGG_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ", b"\x80theora", b"fishead\0", b"CELT    ")


class ByteSpan(io.RawIOBase):
    """The bytes from `start` to `end` of a file, as a file of their own, of which the first may be replaced."""

    def __init__(self, path: Path, start: int, end: int, header: bytes = b"") -> None:
        self._file = path.open("rb")
        self._start, self._size = start, end - start
        self._header = header
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset; return the new position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        left = max(0, self._size - self._position)
        self._file.seek(self._start + self._position)
        data = self._file.read(left if size < 0 else min(size, left))
        replaced = self._header[self._position :][: len(data)]
        self._position += len(data)
        return replaced + data[len(replaced) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def open_container(path: Path, part: ByteSpan | None = None) -> InputContainer:
    """Open a file by FFmpeg, or the part of it that is to be read.

    Raises
    ------
    AudioError
        If there is no such file, or it is empty, cannot be read, or is of no kind that FFmpeg knows.
    """
    import av

    check_file(path)
    try:
        # The protocol is given, so that no name is taken for a URL or an option.
        return av.open(part or f"file:{path}", "r", metadata_errors="replace")
    except av.FFmpegError as error:
        raise AudioError(
            f"{shown(path)}: FFmpeg cannot read it as audio ({error.strerror or error}); "
            "download it again if it should be a song, or convert it to .wav"
        ) from error


def with_completed_header(path: Path) -> ByteSpan | None:
    """Return a file that was written into a pipe with the sizes that its header lacks; None for all others."""
    header = completed_header(path)
    return ByteSpan(path, 0, path.stat().st_size, header) if header else None


def check_file(path: Path) -> None:
    """Raise an `AudioError` for the common failures, which FFmpeg reports as one."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise AudioError(f"{shown(path)}: no such file; check the name and the folder") from error
    except IsADirectoryError as error:
        raise AudioError(f"{shown(path)}: is a folder, not an audio file; name a file in it") from error
    except OSError as error:
        raise AudioError(
            f"{shown(path)}: cannot be opened ({error.strerror or error}); check its permissions"
        ) from error
    if size == 0:
        raise AudioError(f"{shown(path)}: is empty (0 bytes); download it again")


def first_audio_stream(path: Path, container: InputContainer) -> av.AudioStream:
    """Return the first audio stream, ready to be decoded; raise an `AudioError` if it or its decoder is missing."""
    return _ready(path, container, _audio_tracks(path, container)[0])


def choose_audio_stream(
    path: Path, container: InputContainer, track: int | None = None
) -> tuple[av.AudioStream, str]:
    """Return an audio stream, ready to be decoded, and a line about the choice, empty where there was none.

    Parameters
    ----------
    path : Path
        For messages.
    container : InputContainer
        Open for reading.
    track : int or None
        Number of the stream among those of sound, from 1. None takes the first that is flagged as default, or else
        the first, of those that can be decoded.

    Raises
    ------
    AudioError
        If there is no such stream, or no decoder for it.
    """
    tracks = _audio_tracks(path, container)
    if track is not None and not 1 <= track <= len(tracks):
        count = "1 audio track" if len(tracks) == 1 else f"{len(tracks)} audio tracks"
        raise AudioError(
            f"{shown(path)}: has {count}, but track {track} is asked for", hint="set {track} to one that is there"
        )
    chosen = _best_track(tracks) if track is None else track - 1
    stream = _ready(path, container, tracks[chosen])
    if len(tracks) == 1 or track is not None:
        return stream, ""
    listed = "; ".join(f"{number}: {_described(each)}" for number, each in enumerate(tracks, 1))
    return stream, f"has {len(tracks)} audio tracks ({listed}); track {chosen + 1} is read"


def _audio_tracks(path: Path, container: InputContainer) -> Sequence[av.AudioStream]:
    if not container.streams.audio:
        found = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise AudioError(
            f"{shown(path)}: has no audio stream (it is {container.format.name} with {found}); name a file with sound"
        )
    return container.streams.audio


def _ready(path: Path, container: InputContainer, stream: av.AudioStream) -> av.AudioStream:
    context = _context(stream)
    if context is None:
        raise AudioError(
            f"{shown(path)}: FFmpeg has no decoder for its audio stream ({container.format.name}); convert it to .wav"
        )
    if context.name == "flac":
        # Without it a damaged frame is decoded to noise at full scale.
        context.options = {"err_detect": "crccheck+explode"}
    return stream


def _context(stream: av.AudioStream) -> AudioCodecContext | None:
    # PyAV's annotation leaves out that a stream whose codec is unknown has no context.
    return stream.codec_context


def _best_track(tracks: Sequence[av.AudioStream]) -> int:
    """Return the index of the first track that is flagged as default, among those with a decoder if there are any."""
    from av.stream import Disposition

    readable = [index for index, stream in enumerate(tracks) if _context(stream)]
    default = [index for index in readable if tracks[index].disposition & Disposition.default]
    return next(iter(default or readable), 0)


def _described(stream: av.AudioStream) -> str:
    from av.stream import Disposition

    context = _context(stream)
    words = [
        stream.metadata.get("language", ""),
        stream.metadata.get("title", ""),
        context.name if context else "unknown codec",
        "default" if stream.disposition & Disposition.default else "",
    ]
    return ", ".join(shown(Path(word)) for word in words if word)


def picture_start(container: InputContainer) -> tuple[float, float | None] | None:
    """Return when the first picture of a video is shown and how long they last, in seconds; None without a video.

    The cover of an album is no video.
    """
    from av.stream import Disposition

    for stream in container.streams.video:
        if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            continue
        duration = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
        if duration is None and container.duration:
            duration = container.duration / 1_000_000
        if stream.start_time is None or stream.time_base is None:
            return 0.0, duration
        return float(stream.start_time * stream.time_base), duration
    return None


def xing_duration(path: Path, first_packet: int, sample_rate: int) -> float | None:
    """Return the duration in seconds that the Xing header of an MP3 declares, in the frame before the sound.

    FFmpeg reads it too, but replaces it by a guess where the file is longer than the header says.
    Source: the layout of the Xing header as LAME writes it: tag, flags, then the number of frames if flag 1 is set.
    """
    with path.open("rb") as file:
        file.seek(max(0, first_packet - 2048))
        header = file.read(min(2048, first_packet))
        first = file.read(4)
    tag = max(header.rfind(b"Xing"), header.rfind(b"Info"))
    if tag < 0 or len(header) < tag + 12 or len(first) < 4:
        return None
    flags, n_frames = struct.unpack(">II", header[tag + 4 : tag + 12])
    is_first_version = first[1] >> 3 & 3 == 3
    return n_frames * (1152 if is_first_version else 576) / sample_rate if flags & 1 else None


def matroska_duration(tags: Mapping[str, str]) -> float | None:
    """Return the end of a Matroska track in seconds, by its tag ``DURATION`` (hours:minutes:seconds)."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tags.get("DURATION", "").strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def ends_within_ogg_page(path: Path) -> bool:
    """Return whether the last page of an Ogg file declares more bytes than there are (RFC 3533, section 6)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2**16 - 512))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return page.startswith(b"OggS")
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def ogg_links(path: Path) -> list[tuple[int, int]]:
    """Return the first byte and the end of each link of a chained Ogg file, of which FFmpeg reads the first alone.

    A link starts where pages that begin streams follow pages of data (RFC 3533, section 4).
    """
    starts = [0]
    among_data = False
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        position = 0
        while position < size:
            file.seek(position)
            header = file.read(27 + 255)
            if len(header) < 27 or not header.startswith(b"OggS"):
                position = _next_ogg_page(file, position + 1)
                continue
            n_segments = header[26]
            begins = header[5] & 2 and header[27 + n_segments :].startswith(_OGG_CODECS)
            if begins and among_data:
                starts.append(position)
            among_data = not begins
            position += 27 + n_segments + sum(header[27 : 27 + n_segments])
    return list(pairwise([*starts, size]))


def _next_ogg_page(file: BinaryIO, position: int) -> int:
    """Return where the next page starts, from a position on; the end of the file if there is none."""
    file.seek(position)
    while window := file.read(2**16):
        found = window.find(b"OggS")
        if found >= 0:
            return position + found
        if len(window) < 2**16:
            break
        position += len(window) - 3
        file.seek(position)
    return file.seek(0, os.SEEK_END)
