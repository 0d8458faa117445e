"""Songs and videos in every container, with tags."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# Suffix → format, codec and rate.
KINDS = {
    ".mp3": ("mp3", "libmp3lame", 44100),
    ".flac": ("flac", "flac", 44100),
    ".ogg": ("ogg", "vorbis", 44100),
    ".opus": ("ogg", "libopus", 48000),
    ".m4a": ("ipod", "aac", 44100),
    ".wav": ("wav", "pcm_s16le", 44100),
    ".aiff": ("aiff", "pcm_s16be", 44100),
    ".mp4": ("mp4", "aac", 48000),
    ".mov": ("mov", "aac", 48000),
    ".mkv": ("matroska", "aac", 48000),
    ".webm": ("webm", "libopus", 48000),
    ".avi": ("avi", "pcm_s16le", 48000),
}
SILENCE = np.zeros((2, 22050), np.float32)
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")


def make(
    path: Path,
    tags: dict[str, str],
    track: dict[str, str] | None = None,
    *,
    samples: NDArray[np.float32] = SILENCE,
) -> Path:
    """Write sound, shape (2, n_samples) at 44.1 kHz, with tags of file and track; a video has a picture too."""
    kind, codec, rate = KINDS[path.suffix]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=kind, options={"write_id3v2": "1"} if kind == "aiff" else {}) as out:
        out.metadata.update(tags)
        video = path.suffix in VIDEOS and out.add_stream("vp8" if kind == "webm" else "mpeg4", rate=10)
        if video:
            video.width = video.height = 64
        stream = out.add_stream(codec, rate=rate, options={"strict": "-2"})
        stream.layout = "stereo"
        stream.metadata.update(track or {})
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        frame.sample_rate = 44100
        stream.codec_context.open()
        resampler = av.AudioResampler(stream.format.name, "stereo", rate, stream.codec_context.frame_size or None)
        if video:
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
            out.mux(video.encode(None))
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return path
