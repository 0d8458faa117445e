"""Place decoded frames on the clock of the file, and find how much is missing before them.

A decoder silently leaves out what it cannot decode, so counting samples makes everything after a damaged spot
early. Containers say when a frame sounds, and that is used here, with care: timestamps are rounded (Matroska, ASF
and FLV count milliseconds), they wobble where Vorbis changes its block size, recorders stamp them with a wall
clock, and MPEG-TS wraps around. So only jumps count, never a slow drift, and a jump counts only when the frame
after it agrees. A timestamp can be wrong by hours, so what is missing is believed only as far as the file is long:
never beyond the duration that is known, and in all never more than what all its bytes would last at the mean bit rate
of the sound before the gap.

MP3 and ADTS files have no timestamps at all: FFmpeg numbers the packets it finds, however many bytes it had to
skip between them. There the bytes are the clock: what was skipped, over the mean size of the frames before it, is
the number of frames lost. That is exact at a constant bit rate and a good estimate at a variable one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

LONGEST_GAP = 600.0
"""Seconds. A longer jump is a new start of the timestamps (a spliced stream), not a hole in the sound."""

LOOSE_TOLERANCE = 0.1
"""Seconds. Jumps up to this are the wobble of a recorder's clock, unless the decoder complained as well."""

_SEARCH_WINDOW = 2**22
"""Bytes within which the next frame is looked for after a damaged spot: minutes of sound."""

_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")

_MPEG_KBPS = {
    # (whether MPEG 1, layer): kbit/s by index; index 0 is the free format, whose size no header tells.
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = (44100, 48000, 32000)


@dataclass(frozen=True, eq=False, slots=True)
class DecodedFrame:
    """The sound of one decoded frame.

    Parameters
    ----------
    samples : numpy.ndarray
        float32, shape (channels, n_samples).
    duration : float
        Seconds that the frame lasts on the clock of the container.
    start : float or None
        When it starts on that clock, in seconds; None where the container does not say.
    doubtful : bool
        Whether the decoder refused something just before.
    offset : int or None
        Where its packet starts in the file, in bytes; None where the container does not say.
    size : int
        Bytes of the packet; 0 for frames of it after the first.
    """

    samples: NDArray[np.float32]
    duration: float
    start: float | None
    doubtful: bool
    offset: int | None = None
    size: int = 0


class Clock:
    """The clock of containers that know when their frames sound.

    Parameters
    ----------
    counts_samples : bool
        Whether timestamps are numbers of samples, as in .flac, whatever unit the header makes of them.
    """

    def __init__(self, *, counts_samples: bool = False) -> None:
        self._counts_samples = counts_samples
        self._doubtful = False

    def refused(self, packet: av.Packet[av.AudioStream] | None) -> None:
        """Record a packet that could not be decoded (None: not even read)."""
        self._doubtful = True

    def place(
        self, packet: av.Packet[av.AudioStream], frames: Sequence[av.AudioFrame]
    ) -> list[tuple[float | None, bool]]:
        """Return the start in seconds (None: unknown) of each frame of a packet, and whether to doubt it."""
        places: list[tuple[float | None, bool]] = []
        for frame in frames:
            start = frame.time
            if self._counts_samples and frame.pts is not None:
                start = frame.pts / frame.sample_rate
            places.append((start, self._doubtful))
            self._doubtful = False
        return places

    def lost_at_end(self) -> float | None:
        """Return the seconds that could not be decoded after the last frame; None where nothing was refused.

        Here 0: for how long the last packets would have sounded is not known.
        """
        return 0.0 if self._doubtful else None


class ByteClock(Clock):
    """The clock of MP3 and ADTS files, which consist of nothing but frames.

    Parameters
    ----------
    file : BinaryIO
        The file, open for this clock alone.
    frame_size : callable
        From the bytes of a frame to the size in bytes that its header declares; None without a valid header.
    """

    def __init__(self, file: BinaryIO, frame_size: Callable[[bytes], int | None]) -> None:
        super().__init__()
        self._file = file
        self._frame_size = frame_size
        self._sizes: deque[int] = deque(maxlen=128)  # about 3 s: the local mean of a variable bit rate
        self._frame_duration = 0.0
        self._offset: int | None = None
        self._lost_bytes = 0
        self._next = 0.0
        self._is_cut = False

    def refused(self, packet: av.Packet[av.AudioStream] | None) -> None:
        """Record a packet that could not be decoded (None: not even read)."""
        if packet is None:
            return
        data = bytes(packet)
        self._lost_bytes += self._lost_before(packet, data)
        # Tags at the end, and between songs that were joined byte by byte, are not sound.
        if data.strip(b"\0") and not data.startswith(_TAGS):
            self._lost_bytes += len(data)
            self._is_cut = (self._frame_size(data) or 0) > len(data)

    def place(
        self, packet: av.Packet[av.AudioStream], frames: Sequence[av.AudioFrame]
    ) -> list[tuple[float | None, bool]]:
        """Return the start in seconds of each frame of a packet, and whether bytes were lost before it."""
        data = bytes(packet)
        self._lost_bytes += self._lost_before(packet, data)
        if not frames:
            return []
        # FFmpeg drops what it skips, or hands it on in front of the next frame (where zeros do not keep MP3 from
        # being decoded) or behind the frame before (ADTS).
        position = len(data) - len(data.lstrip(b"\0"))
        self._lost_bytes += position
        n_lost = self._n_lost_frames()
        self._next += n_lost * self._frame_duration
        places: list[tuple[float | None, bool]] = []
        for frame in frames:
            places.append((self._next, n_lost > 0 and not places))
            self._next += frame.samples / frame.sample_rate
            size = self._frame_size(data[position:]) or len(data) - position
            if size:
                self._sizes.append(size)
            position += size
        if packet.duration and packet.time_base:
            self._frame_duration = float(packet.duration * packet.time_base)
        self._is_cut = position > len(data)
        rest = data[position:]
        self._lost_bytes = 0 if rest.startswith(_TAGS) else len(rest)
        return places

    def lost_at_end(self) -> float | None:
        """Return the seconds that could not be decoded after the last frame; None where nothing was refused."""
        n_lost = self._n_lost_frames()
        return n_lost * self._frame_duration if n_lost or self._is_cut else None

    def _n_lost_frames(self) -> int:
        if not self._sizes:
            return 0
        return round(self._lost_bytes * len(self._sizes) / sum(self._sizes))

    def _lost_before(self, packet: av.Packet[av.AudioStream], data: bytes) -> int:
        """Find a packet in the file, since FFmpeg does not report it, and return the bytes skipped before it."""
        if self._offset is None:
            self._offset = packet.pos or 0
        probe = data[:32]
        self._file.seek(self._offset)
        skipped = b""
        if self._file.read(len(probe)) != probe:
            self._file.seek(self._offset)
            window = self._file.read(_SEARCH_WINDOW)
            skipped = window[: max(0, window.find(probe))]
        self._offset += len(skipped) + len(data)
        return 0 if skipped.startswith(_TAGS) else len(skipped)


def mpeg_frame_size(data: bytes) -> int | None:
    """Return the size in bytes of the MPEG audio frame (MP1, MP2, MP3) that starts here; None if none does.

    Source: ISO/IEC 11172-3 section 2.4.1.3 and 13818-3; MPEG 2.5 halves the rates of MPEG 2.
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    kbps_index, rate_index, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or kbps_index in (0, 15) or rate_index == 3:
        return None
    is_first = version == 3
    bit_rate = 1000 * _MPEG_KBPS[is_first, layer][kbps_index]
    rate = _MPEG_RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bit_rate // rate + padding) * 4
    return (72 if layer == 3 and not is_first else 144) * bit_rate // rate + padding


def adts_frame_size(data: bytes) -> int | None:
    """Return the size in bytes of the ADTS frame (raw AAC) that starts here; None if none does.

    Source: ISO/IEC 13818-7 section 6.2, ``aac_frame_length``.
    """
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    return (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5


def with_gaps(
    pieces: Iterable[DecodedFrame], *, exact: bool, duration: float | None, n_bytes: int | None = None
) -> Iterator[tuple[float, DecodedFrame]]:
    """Yield every frame with the seconds that are missing before it.

    Parameters
    ----------
    pieces : iterable of DecodedFrame
        In the order of decoding.
    exact : bool
        Whether the timestamps count samples, so that half a frame is already a gap.
    duration : float or None
        Length of the file in seconds as far as it is known; a gap that would end beyond it is not believed.
    n_bytes : int or None
        Size of the file; gaps that together would last longer than its bytes are not believed.

    Yields
    ------
    tuple of (float, DecodedFrame)
        Seconds of lost sound before the frame, 0 for almost all; and the frame.
    """
    expected: float | None = None
    position = 0.0
    budget = _Budget(n_bytes)
    for piece, following in _with_next(pieces):
        missing = 0.0
        start = expected if piece.start is None else piece.start
        if start is not None and expected is not None:
            jump = start - expected
            tolerance = piece.duration / 2 if exact or piece.doubtful else LOOSE_TOLERANCE
            end = start + piece.duration
            is_agreed = _is_confirmed(piece, end, following, tolerance) or (
                following is None and duration is not None and abs(duration - position - end + expected) < tolerance
            )
            if abs(jump) > tolerance and not is_agreed:
                start = expected
            elif tolerance < jump <= min(_longest_gap(position, duration), budget.left):
                missing = jump
        expected = None if start is None else start + piece.duration
        position += missing + piece.duration
        budget.count(missing, piece)
        yield missing, piece


def _longest_gap(position: float, duration: float | None) -> float:
    # A duration that was reached already was wrong.
    if duration is None or position > duration:
        return LONGEST_GAP
    return min(LONGEST_GAP, duration + 1.0 - position)


class _Budget:
    """How much sound may be missing: as much as the bytes of the file would last at the rate of what was decoded."""

    def __init__(self, n_bytes: int | None) -> None:
        self._n_bytes = n_bytes
        self._missing = self._decoded = 0.0
        self._n_packed = self._n_passed = 0  # bytes of the packets alone, and with what stands between them
        self._offset: int | None = None

    @property
    def left(self) -> float:
        """Seconds."""
        n_decoded = max(self._n_packed, self._n_passed)
        if self._n_bytes is None or not n_decoded:
            return LONGEST_GAP
        return self._n_bytes * self._decoded / n_decoded - self._missing

    def count(self, missing: float, piece: DecodedFrame) -> None:
        """Count a frame, and what is missing before it."""
        if piece.offset is not None and self._offset is not None and not missing:
            self._n_passed += max(0, piece.offset - self._offset)
        self._offset = piece.offset
        self._missing += missing
        self._decoded += piece.duration
        self._n_packed += piece.size


def _with_next(pieces: Iterable[DecodedFrame]) -> Iterator[tuple[DecodedFrame, DecodedFrame | None]]:
    iterator = iter(pieces)
    piece = next(iterator, None)
    while piece is not None:
        following = next(iterator, None)
        yield piece, following
        piece = following


def _is_confirmed(piece: DecodedFrame, end: float, following: DecodedFrame | None, tolerance: float) -> bool:
    """Return whether the decoder or the next frame confirms that a frame ended at `end`."""
    if following is None:
        return piece.doubtful
    if following.start is None:
        return True
    # Between two holes a frame stands alone.
    return following.start > end - tolerance and (piece.doubtful or following.start < end + tolerance)
