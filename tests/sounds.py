"""Bursts at known times, encoded in any container, and found again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from lyricsep.audio import AudioReader, load_audio, open_audio

RATE = 44100
FRAME = 4608  # samples; as FFmpeg encodes FLAC at this rate
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def bursts(rate: int = 44100, duration: float = 12, n_channels: int = 2) -> np.ndarray:
    """Soft noise with a tone burst at every whole second."""
    n_samples = int(rate * duration)
    sound = np.random.default_rng(0).normal(0, 0.01, n_samples)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate // 50) / rate)
    for second in range(1, int(duration)):
        sound[second * rate : second * rate + len(tone)] += tone
    return np.tile(sound.astype(np.float32), (n_channels, 1))


def onsets(samples: np.ndarray | torch.Tensor, rate: int) -> dict[int, float]:
    """Seconds at which the burst of each whole second starts, where there is one."""
    sound = np.abs(np.asarray(samples)[0])
    found = {}
    for second in range(1, len(sound) // rate + 1):
        first = int((second - 0.06) * rate)
        loud = np.flatnonzero(sound[first : first + int(0.12 * rate)] > 0.25)
        if len(loud):
            found[second] = (first + int(loud[0])) / rate
    return found


def streamed(path: Path) -> tuple[AudioReader, torch.Tensor]:
    """Read all blocks of a file."""
    with open_audio(path) as reader:
        return reader, torch.cat(list(reader.blocks()), dim=1)


def encode(
    path: Path,
    codec: str,
    sound: np.ndarray,
    rate: int = 44100,
    *,
    video: bool = False,
    delay: float = 0.0,
    bit_rate: int | None = None,
    **codec_options: str,
) -> Path:
    """Encode by FFmpeg, where asked with a video stream in front, or with audio that starts late."""
    with av.open(str(path), "w") as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=25)
            pictures.width = pictures.height = 64
            pictures.pix_fmt = "yuv420p"
        stream: Any = container.add_stream(codec, rate=rate, layout=LAYOUTS[len(sound)])
        stream.codec_context.options = codec_options
        if bit_rate:
            stream.bit_rate = bit_rate
        if video:
            for i in range(int(25 * sound.shape[1] / rate)):
                picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i % 255, np.uint8))
                picture.pts = i
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        resampler = av.AudioResampler(stream.format, stream.layout, rate)
        for start in range(0, sound.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[:, start : start + 4096]), "fltp", LAYOUTS[len(sound)]
            )
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(delay * rate)
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
        for converted in resampler.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def encoded(stream: Any, sound: np.ndarray) -> list[av.Packet]:
    """Encode in frames of one length."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", LAYOUTS[len(sound)])
    frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
    resampler = av.AudioResampler(stream.format, stream.layout, RATE, frame_size=FRAME)
    frames = [*resampler.resample(frame), *resampler.resample(None), None]
    return [packet for frame in frames for packet in stream.encode(frame)]


def several(path: Path, tracks: list[tuple[float, dict[str, str], bool]]) -> Path:
    """Write a tone of its own for each track: frequency, metadata, and whether it is the default."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for _, metadata, is_default in tracks:
            stream: Any = container.add_stream("flac", rate=RATE, layout="mono")
            stream.metadata.update(metadata)
            stream.disposition = av.stream.Disposition.default if is_default else av.stream.Disposition(0)
            streams.append(stream)
        for stream, (frequency, _, _) in zip(streams, tracks, strict=True):
            tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(2 * RATE) / RATE)
            container.mux(encoded(stream, tone.astype(np.float32)[None]))
    return path


def pitch(path: Path, track: int | None = None) -> int:
    audio = load_audio(path, track=track)
    spectrum = np.abs(np.fft.rfft(audio.samples[0].numpy()))
    return round(np.argmax(spectrum) / audio.duration)
