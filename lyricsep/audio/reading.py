"""Decode any file that FFmpeg can, through PyAV, which includes its own FFmpeg.

The clock of a file of sound alone: time 0 is the first sample that FFmpeg gives, even where the container says that
it starts late. The clock of a video is that of a player, so that subtitles fit: time 0 is the first picture, or the
first sample where sound comes first, and sound that starts after the first picture has silence before it. The cover
of an album makes no video. The silence that encoders put in front is gone where the file says how long it is.

What cannot be decoded is replaced by silence, so that all after it stays at its time (`lyricsep.audio.timeline`);
what is lost before the first sample of a file of sound alone moves the clock, since nothing tells how long it was. An
Ogg file of several links (songs of a stream, one after the other) is decoded link by link.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lyricsep.audio.blocks import BlockBuilder, FrameConverter
from lyricsep.audio.opening import (
    ByteSpan,
    check_file,
    choose_audio_stream,
    ends_within_ogg_page,
    matroska_duration,
    ogg_links,
    open_container,
    picture_start,
    with_completed_header,
    xing_duration,
)
from lyricsep.audio.signal import Audio, Damage
from lyricsep.audio.timeline import (
    LONGEST_GAP,
    ByteClock,
    Clock,
    DecodedFrame,
    adts_frame_size,
    mpeg_frame_size,
    with_gaps,
)
from lyricsep.errors import AudioError
from lyricsep.files import shown

if TYPE_CHECKING:
    import av
    import torch

logger = logging.getLogger(__name__)

_LOAD_SAMPLES = 2**23
"""Samples of all channels in a block of `load_audio`: 32 MiB, from where on the C library gives the memory of a
freed block back to the system at once, so that a long file is never held twice."""

_SHORT_BY = 0.5
"""Seconds. A file that ends this much before the end its header declares was cut; less is padding."""

_MERGE_WITHIN = 0.05
"""Seconds between two damaged spans with the same reason that are told as one."""

_MOST_READ_ERRORS = 100
"""Read errors in a row after which nothing more is expected of a file; a damaged Ogg page gives one."""

_SAMPLE_COUNTING = frozenset({"flac", "ogg"})
"""Formats whose timestamps are numbers of samples."""

_GUESSED_DURATION = frozenset({"aac", "mp3", "ac3", "eac3", "dts", "dtshd", "truehd", "mlp", "loas"})
"""Formats without a duration in the header: FFmpeg divides the size of the file by its bit rate."""


def open_audio(path: Path | str, *, track: int | None = None, quiet: bool = False) -> AudioReader:
    """Open the sound of a file for reading in blocks.

    Parameters
    ----------
    path : Path or str
        A file of any kind that FFmpeg can decode, videos included.
    track : int or None
        Which of several audio tracks, from 1. None takes the one that is flagged as default, or the first, and a
        warning names them all.
    quiet : bool
        Whether to leave out all warnings.

    Returns
    -------
    AudioReader
        To be used in a ``with`` statement.

    Raises
    ------
    AudioError
        If there is no such file or track, or it cannot be read, is empty, damaged beyond reading, without sound, or
        of an unknown kind.
    """
    path = Path(path)
    resources = ExitStack()
    try:
        return AudioReader(path, resources, track=track, quiet=quiet)
    except BaseException:
        resources.close()
        raise


def load_audio(path: Path | str, *, track: int | None = None) -> Audio:
    """Decode a whole file at its own rate and channels; damage is logged and replaced by silence.

    Parameters
    ----------
    path, track
        As `open_audio`.

    Returns
    -------
    Audio
        At least one sample, on the CPU.

    Raises
    ------
    AudioError
        As `open_audio`.
    """
    import torch

    with open_audio(path, track=track) as reader:
        blocks = deque(reader.blocks(_LOAD_SAMPLES / reader.n_channels / reader.sample_rate))
        if len(blocks) == 1:
            return Audio(blocks[0], reader.sample_rate)
        samples = torch.empty(reader.n_channels, sum(block.shape[1] for block in blocks))
        start = 0
        while blocks:
            block = blocks.popleft()
            samples[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return Audio(samples, reader.sample_rate)


class AudioReader:
    """The decoded sound of a file, one block after the other, in constant memory.

    Made by `open_audio`; closes its file at the end of a ``with`` statement.

    Attributes
    ----------
    path : Path
        The file.
    sample_rate : int
        Samples per second, as decoded.
    n_channels : int
        Channels, as decoded. A file that changes its rate or channels midway is converted to those it began with.
    estimated_duration : float or None
        Seconds, as far as the header tells; it may be wrong, and is None where nothing is known.
    """

    def __init__(self, path: Path, resources: ExitStack, *, track: int | None, quiet: bool) -> None:
        self.path = path
        self._resources = resources
        self._opened = resources.enter_context(ExitStack())
        self._track = track
        self._quiet = quiet
        self._damage: list[Damage] = []
        self._is_read = False
        self._converter: FrameConverter | None = None
        self._lead = 0.0
        self._open(None)
        links = ogg_links(path) if self._format == "ogg" else []
        self._later_links = links[1:]
        if self._later_links:
            self._open(links[0])
        self._last_packet_is_corrupt = False
        self._header_bytes = 0
        pieces = self._pieces()
        first = next(pieces, None)
        if first is None or self._converter is None:
            raise AudioError(
                f"{shown(path)}: holds no audio samples that can be decoded ({self._format}); "
                "download it again if it should be a song"
            )
        self._lead = self._find_lead(first.start)
        if first.doubtful:
            self._damage.append(Damage(0.0, self._lead, "the beginning could not be decoded"))
        self._all_pieces: Iterator[DecodedFrame] = chain([first], pieces)
        self.sample_rate: int = self._converter.sample_rate
        self.n_channels: int = self._converter.n_channels
        self._declared_duration: float | None = self._find_declared_duration(first.start or 0.0)
        self.estimated_duration: float | None = self._declared_duration or self._find_duration()
        if self.estimated_duration is not None:
            # A chain has no duration of its own.
            share = (links[0][1] - links[0][0]) / links[-1][1] if self._later_links else 1.0
            self.estimated_duration = self.estimated_duration / share + self._lead
        if self._choice and not quiet:
            logger.warning("%s: %s", shown(path), self._choice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What was lost in the blocks read so far, in order; complete after the last block."""
        return tuple(self._damage)

    def blocks(self, block_duration: float = 10.0) -> Iterator[torch.Tensor]:
        """Decode the file, once, from its beginning to its end.

        Parameters
        ----------
        block_duration : float
            Seconds in each block but the last, which may be shorter; positive.

        Yields
        ------
        torch.Tensor
            float32, shape (channels, n_samples), at least one sample; each block is the caller's to keep.

        Raises
        ------
        ValueError
            If the duration is not positive, or the file was read before.
        AudioError
            If the file cannot be read any more (a lost disk); damage within the file does not raise.
        """
        if not block_duration > 0:
            raise ValueError(f"block_duration must be positive, got {block_duration!r}")
        if self._is_read:
            raise ValueError(f"{self.path} was read already; open it again to read it again")
        self._is_read = True
        return self._blocks(max(1, round(block_duration * self.sample_rate)))

    def _blocks(self, block_length: int) -> Iterator[torch.Tensor]:
        builder = BlockBuilder(self.n_channels, block_length)
        yield from builder.add_silence(round(self._lead * self.sample_rate))
        duration = self._declared_duration or self._find_duration()
        yield from self._add_pieces(builder, self._all_pieces, duration, self.path.stat().st_size)
        for link in self._later_links:
            yield from self._add_link(builder, link)
        if self._converter is not None:
            yield from builder.add(self._converter.rest())
        yield from builder.rest()
        self._check_end(builder.n_samples / self.sample_rate)
        self._log_damage()

    def _add_link(self, builder: BlockBuilder, link: tuple[int, int]) -> Iterator[torch.Tensor]:
        """Go on with the next link of a chain."""
        self._declared_duration = None
        start = builder.n_samples
        if self._clock.lost_at_end() is not None:
            self._add_damage(start, start, "the end of a link could not be decoded")
        try:
            self._open(link)
        except AudioError:
            pass
        else:
            yield from self._add_pieces(builder, self._pieces(), self._find_duration(), link[1] - link[0])
        if builder.n_samples == start:
            self._add_damage(start, start, "a link of the chain could not be decoded")

    def _add_pieces(
        self, builder: BlockBuilder, pieces: Iterator[DecodedFrame], duration: float | None, n_bytes: int
    ) -> Iterator[torch.Tensor]:
        exact = self._format in _SAMPLE_COUNTING
        for missing, piece in with_gaps(pieces, exact=exact, duration=duration, n_bytes=n_bytes):
            n_missing = round(missing * self.sample_rate)
            if n_missing:
                reason = "could not be decoded" if piece.doubtful else "missing from the file"
                self._add_damage(builder.n_samples, builder.n_samples + n_missing, reason)
                yield from builder.add_silence(n_missing)
            self._silence_non_finite(piece.samples, builder.n_samples)
            yield from builder.add(piece.samples)

    def _open(self, link: tuple[int, int] | None) -> None:
        """Open the file, or one link of it, and choose its stream."""
        self._opened.close()  # a recorded stream has hundreds of links
        check_file(self.path)
        part = ByteSpan(self.path, *link) if link else with_completed_header(self.path)
        if part:
            self._opened.enter_context(part)
        self._container = open_container(self.path, part)
        self._opened.callback(self._container.close)
        self._stream, self._choice = choose_audio_stream(self.path, self._container, self._track)
        self._format = self._container.format.name
        self._clock = self._make_clock()

    def _make_clock(self) -> Clock:
        frame_size = {"mp3": mpeg_frame_size, "aac": adts_frame_size}.get(self._format)
        if frame_size is None:
            return Clock(counts_samples=self._format == "flac")
        return ByteClock(self._opened.enter_context(self.path.open("rb")), frame_size)

    def _find_lead(self, start: float | None) -> float:
        """Return the seconds of silence before the sound: 0 but in a video whose sound starts late."""
        picture = picture_start(self._container)
        if picture is None or start is None:
            return 0.0
        lead = start - picture[0]
        longest = LONGEST_GAP if picture[1] is None else min(LONGEST_GAP, picture[1])
        return lead if 0 < lead <= longest else 0.0

    def _pieces(self) -> Iterator[DecodedFrame]:
        import av

        for packet in self._packets():
            self._last_packet_is_corrupt = packet.is_corrupt if packet.size else self._last_packet_is_corrupt
            try:
                frames = [frame for frame in self._stream.decode(packet) if frame.samples]
            except av.FFmpegError:
                self._clock.refused(packet)
                continue
            size = packet.size
            for frame, (start, doubtful) in zip(frames, self._clock.place(packet, frames), strict=True):
                if self._converter is None:
                    self._converter = FrameConverter(frame)
                    self._header_bytes = packet.pos or 0
                try:
                    samples = self._converter.convert(frame)
                except av.FFmpegError:  # a damaged frame, of a rate or channels that there cannot be
                    self._clock.refused(packet)
                    continue
                duration = frame.samples / frame.sample_rate
                yield DecodedFrame(samples, duration, start, doubtful, packet.pos, size)
                size = 0

    def _packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        import av

        n_errors = 0
        while n_errors < _MOST_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    n_errors = 0
                    yield packet
            except OSError as error:
                raise AudioError(
                    f"{shown(self.path)}: cannot be read any further ({error.strerror or error}); "
                    "check the disk or the network it is on"
                ) from error
            except (av.FFmpegError, IndexError):
                # The demuxer has moved on: the next attempt starts behind the damage. PyAV raises IndexError where
                # damage looks like a packet of a stream that does not exist.
                n_errors += 1
                self._clock.refused(None)
            else:
                return

    def _silence_non_finite(self, samples: NDArray[np.float32], position: int) -> None:
        finite = np.isfinite(samples)
        if not finite.all():
            columns = np.flatnonzero(~finite.all(axis=0))
            samples[~finite] = 0
            start, end = position + int(columns[0]), position + int(columns[-1]) + 1
            self._add_damage(start, end, "non-finite samples (NaN or infinity)")

    def _add_damage(self, start: int, end: int, reason: str) -> None:
        damage = Damage(start / self.sample_rate, end / self.sample_rate, reason)
        last = self._damage[-1] if self._damage else None
        if last and last.reason == reason and damage.start - last.end <= _MERGE_WITHIN:
            self._damage[-1] = Damage(last.start, damage.end, reason)
        else:
            self._damage.append(damage)

    def _find_duration(self) -> float | None:
        """Return what FFmpeg takes for the duration of the sound, or of the file, in seconds."""
        if not self._stream.duration or not self._stream.time_base:
            return self._container.duration / 1_000_000 if self._container.duration else None
        if self._format == "flac":
            return self._stream.duration / self.sample_rate  # as the frames say: the header may be wrong
        return float(self._stream.duration * self._stream.time_base)

    def _find_declared_duration(self, start: float) -> float | None:
        """Return the duration in seconds that the header declares for the sound; None if it declares none."""
        if self._format == "mp3":
            return xing_duration(self.path, self._header_bytes, self.sample_rate)
        if self._format in _GUESSED_DURATION:
            return None
        # A header's duration of the whole file is that of the sound where nothing else is in the file.
        is_alone = len(self._container.streams) == 1
        duration = self._find_duration() if self._stream.duration or is_alone else None
        if self._format.startswith("matroska"):
            # Matroska tells the end, and tells it about a track in a tag.
            duration = matroska_duration(self._stream.metadata) or (duration if is_alone else None)
            return duration - start if duration else None
        return duration

    def _check_end(self, end: float) -> None:
        lost = self._clock.lost_at_end()
        declared = None if self._declared_duration is None else self._declared_duration + self._lead
        if declared is not None and declared - end > _SHORT_BY:
            self._damage.append(Damage(end, declared, "the file ends early"))
        elif self._last_packet_is_corrupt or (self._format == "ogg" and ends_within_ogg_page(self.path)):
            self._damage.append(Damage(end, end, "the file ends within a frame"))
        elif lost is not None:
            self._damage.append(Damage(end, end + lost, "the end could not be decoded"))

    def _log_damage(self) -> None:
        if self._damage and not self._quiet:
            first = self._damage[0]
            lost = sum(damage.end - damage.start for damage in self._damage)
            logger.warning(
                "%s: damaged in %d place%s, %s; the first at %.2f s: %s",
                shown(self.path),
                len(self._damage),
                "" if len(self._damage) == 1 else "s",
                f"{lost:.2f} s lost in all" if lost >= 0.005 else "how much is lost is not known",
                first.start,
                first.reason,
            )
