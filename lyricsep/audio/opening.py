"""Open a file, and read what its container says beside the sound."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import AudioError
from lyricsep.files import shown

if TYPE_CHECKING:
    import av
    from av.audio.codeccontext import AudioCodecContext
    from av.container import InputContainer


def open_container(path: Path) -> InputContainer:
    """Open a file by FFmpeg.

    Raises
    ------
    AudioError
        If there is no such file, or it is empty, cannot be read, or is of no kind that FFmpeg knows.
    """
    import av

    _check_file(path)
    try:
        # The protocol is given, so that no name is taken for a URL or an option.
        return av.open(f"file:{path}", metadata_errors="replace")
    except av.FFmpegError as error:
        raise AudioError(
            f"{shown(path)}: FFmpeg cannot read it as audio ({error.strerror or error}); "
            "download it again if it should be a song, or convert it to .wav"
        ) from error


def _check_file(path: Path) -> None:
    """Raise a specific error for the common failures, which FFmpeg reports as one."""
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
    if not container.streams.audio:
        found = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise AudioError(
            f"{shown(path)}: has no audio stream (it is {container.format.name} with {found}); name a file with sound"
        )
    stream = container.streams.audio[0]
    # PyAV's annotation leaves out that a stream whose codec is unknown has no context.
    context: AudioCodecContext | None = stream.codec_context
    if context is None:
        raise AudioError(
            f"{shown(path)}: FFmpeg has no decoder for its audio stream ({container.format.name}); convert it to .wav"
        )
    if context.name == "flac":
        # Without it a damaged frame is decoded to noise at full scale.
        context.options = {"err_detect": "crccheck+explode"}
    return stream


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
