"""Audio for a page: Opus that any browser plays, peaks to draw, and the level of the vocals.

Opus in WebM (RFC 6716; the container states the encoder delay) keeps time 0 of the
song at time 0 of the page, to the sample.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lyricsep.audio import StreamResampler, downmix, open_audio
from lyricsep.segmentation import SAMPLE_RATE, RmsVadOptions, rms_envelope, thresholds

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from numpy.typing import NDArray
    from torch import Tensor

    from lyricsep.pages.results import FoundSong

# Ten minutes of both are 9 MB, 12 MB as text in a page. Opus is close to transparent at 96 kbit/s in stereo;
# a voice alone needs less than half.
MIXTURE_BIT_RATE = 80_000
VOCALS_BIT_RATE = 40_000

OPUS_RATE = 48_000
PEAKS_PER_SECOND = 100
"""At the closest zoom, where a second is 1000 pixels wide, a peak is ten of them."""

QUIETEST = -60.0
"""dBFS of the lowest level of an envelope."""


@dataclass(frozen=True)
class PageSound:
    """Audio as a page holds it.

    Parameters
    ----------
    webm : bytes
        Opus in WebM; empty if only the peaks were requested.
    peaks : bytes
        The largest absolute sample of every 1 / `PEAKS_PER_SECOND` seconds; 255 is full scale or more.
    duration : float
        Seconds.
    """

    webm: bytes
    peaks: bytes
    duration: float


@dataclass(frozen=True)
class SongSound:
    """Audio that a page plays and draws.

    Parameters
    ----------
    mixture, vocals : PageSound or None
        None if unknown.
    envelope : dict or None
        Level of the vocals, ready for JSON: ``rate`` (levels a second), ``levels`` (base64; a byte each,
        0 is ``quietest`` dBFS or less, 255 is 0 dBFS or more), ``quietest``, and the thresholds ``onset`` and
        ``offset`` of the segmenter in dBFS; None without vocals.
    """

    mixture: PageSound | None = None
    vocals: PageSound | None = None
    envelope: dict[str, Any] | None = None


def song_sound(
    found: FoundSong,
    *,
    vocals: NDArray[np.float32] | None = None,
    encode: bool = True,
    segmentation: RmsVadOptions | None = None,
) -> SongSound:
    """Read the audio of a song.

    Parameters
    ----------
    found : FoundSong
        The song; its files are read where they exist.
    vocals : ndarray of float32, shape (n_samples,), optional
        Mono at 16 kHz, for a song without a file of its vocals.
    encode : bool
        False leaves out the Opus.
    segmentation : RmsVadOptions, optional
        Options whose thresholds the envelope shows.

    Raises
    ------
    AudioError
        If a file cannot be decoded.
    """
    source = vocals if found.vocals is None else found.vocals
    return SongSound(
        None if found.audio is None else read_sound(found.audio, bit_rate=MIXTURE_BIT_RATE if encode else None),
        None if source is None else read_sound(source, bit_rate=VOCALS_BIT_RATE if encode else None, mono=True),
        None if source is None else _envelope(_at_16_khz(source), segmentation or RmsVadOptions()),
    )


def read_sound(source: Path | NDArray[np.float32], *, bit_rate: int | None, mono: bool = False) -> PageSound:
    """Read audio for a page, block by block.

    Parameters
    ----------
    source : Path or ndarray of float32, shape (n_samples,)
        A file, or mono at 16 kHz.
    bit_rate : int or None
        Bits a second of the Opus; None makes none.
    mono : bool
        Downmix to one channel. More than two channels are always downmixed.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    """
    encoder = _Encoder(bit_rate) if bit_rate else None
    peaks = bytearray()
    n_samples = 0
    for block in _by_whole_peaks(_blocks(source, OPUS_RATE, mono=mono)):
        n_samples += block.shape[1]
        if encoder:
            encoder.feed(block)
        peaks += _peaks(block)
    return PageSound(encoder.finish() if encoder else b"", bytes(peaks), n_samples / OPUS_RATE)


def data_uri(webm: bytes) -> str:
    """Return Opus in WebM as a data URI."""
    return "data:audio/webm;base64," + base64.b64encode(webm).decode()


class _Encoder:
    """Blocks at 48 kHz → Opus in WebM, in memory."""

    def __init__(self, bit_rate: int) -> None:
        import av

        self._bit_rate = bit_rate
        self._file = io.BytesIO()
        self._container: OutputContainer = av.open(self._file, "w", format="webm")
        self._stream: AudioStream | None = None
        self._n_samples = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        import av

        layout = "mono" if len(block) == 1 else "stereo"
        if self._stream is None:
            # Without this, Opus exceeds the bit rate by up to 40 %.
            options = {"vbr": "constrained"}
            self._stream = self._container.add_stream("libopus", rate=OPUS_RATE, layout=layout, options=options)
            self._stream.bit_rate = self._bit_rate
        packed = np.ascontiguousarray(np.clip(block, -1, 1).T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = OPUS_RATE
        frame.pts = self._n_samples
        self._n_samples += block.shape[1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()


def _blocks(source: Path | NDArray[np.float32], rate: int, *, mono: bool) -> Iterator[NDArray[np.float32]]:
    """Yield audio in blocks at a sample rate, with one or two channels."""
    import torch

    def resampled(blocks: Iterator[Tensor], from_rate: int) -> Iterator[NDArray[np.float32]]:
        stream: StreamResampler | None = None
        for block in blocks:
            mixed = downmix(block) if mono or block.shape[0] > 2 else block
            stream = stream or StreamResampler(from_rate, rate, mixed.shape[0])
            yield np.nan_to_num(stream.feed(mixed).numpy())
        if stream:
            yield np.nan_to_num(stream.flush().numpy())

    if isinstance(source, Path):
        with open_audio(source) as reader:
            yield from resampled(reader.blocks(), reader.sample_rate)
    else:
        step = 10 * SAMPLE_RATE
        parts = (source[first : first + step] for first in range(0, len(source), step))
        yield from resampled((torch.from_numpy(part)[None] for part in parts), SAMPLE_RATE)


def _by_whole_peaks(blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield the samples in blocks that, except the last, hold whole peaks."""
    rest: NDArray[np.float32] | None = None
    for block in blocks:
        joined = block if rest is None else np.concatenate([rest, block], axis=1)
        whole = joined.shape[1] - joined.shape[1] % (OPUS_RATE // PEAKS_PER_SECOND)
        rest = joined[:, whole:]
        if whole:
            yield joined[:, :whole]
    if rest is not None and rest.shape[1]:
        yield rest


def _peaks(block: NDArray[np.float32]) -> bytes:
    length = OPUS_RATE // PEAKS_PER_SECOND
    loudest = np.abs(block).max(axis=0)
    padded = np.pad(loudest, (0, -len(loudest) % length)).reshape(-1, length).max(axis=1)
    return bytes((np.minimum(padded, 1) * 255).round().astype(np.uint8))


def _at_16_khz(source: Path | NDArray[np.float32]) -> NDArray[np.float32]:
    if isinstance(source, Path):
        return np.concatenate([block[0] for block in _blocks(source, SAMPLE_RATE, mono=True)])
    return source


def _envelope(vocals: NDArray[np.float32], options: RmsVadOptions) -> dict[str, Any]:
    rms = rms_envelope(vocals, frame_length=options.frame_length, hop_length=options.hop_length)
    levels = 1 - _decibels(rms) / QUIETEST
    onset, offset = _decibels(np.array(thresholds(rms, options), np.float32))
    return {
        "rate": SAMPLE_RATE / options.hop_length,
        "levels": base64.b64encode((np.clip(levels, 0, 1) * 255).round().astype(np.uint8).tobytes()).decode(),
        "quietest": QUIETEST,
        "onset": float(onset),
        "offset": float(offset),
    }


def _decibels(rms: NDArray[np.float32]) -> NDArray[np.float32]:
    return 20 * np.log10(np.maximum(rms, np.float32(1e-9)))
