"""Write sound of any length by the suffix of a file; MP3, Opus and AAC are encoded by FFmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from lyricsep.audio.writing import AudioWriter
from lyricsep.errors import ConfigError
from lyricsep.files import replacing, shown

if TYPE_CHECKING:
    import av
    import av.container
    import torch

_LOSSY = {".mp3": "libmp3lame", ".opus": "libopus"}
_BIT_RATES = {"libmp3lame": 256_000, "libopus": 160_000, "aac": 192_000}  # per second, for two channels
HIGHEST_RATE = 48_000  # samples per second that every player knows

SOUND_FORMATS = ("wav", "flac", "mp3", "opus")
"""What `writing` writes: 32-bit float, 24-bit, and two that lose a little."""


class SoundEncoder:
    """A stream of lossy sound in a file that FFmpeg writes.

    Parameters
    ----------
    container : av.container.OutputContainer
        The file.
    codec : str
        ``libmp3lame``, ``libopus`` or ``aac``.
    sample_rate : int
        Samples per second of what is written; the stream has the same or the next rate that the codec knows, at
        most `HIGHEST_RATE`.
    n_channels : int
        1 or 2.
    """

    def __init__(
        self, container: av.container.OutputContainer, codec: str, sample_rate: int, n_channels: int
    ) -> None:
        import av

        known = [rate for rate in av.Codec(codec, "w").audio_rates or () if rate <= HIGHEST_RATE]
        rate = min((one for one in known if one >= sample_rate), default=HIGHEST_RATE)
        self._layout = "mono" if n_channels == 1 else "stereo"
        self._container = container
        self._sample_rate = sample_rate
        self._n_written = 0
        stream = container.add_stream(codec, rate=rate, layout=self._layout, bit_rate=_BIT_RATES[codec])
        self._stream = cast("av.AudioStream", stream)

    def write(self, block: torch.Tensor) -> None:
        """Append a block, float32 of shape (n_channels, n_samples)."""
        import av

        if not block.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.cpu().numpy()), "fltp", self._layout)
        frame.sample_rate = self._sample_rate
        frame.pts, frame.time_base = self._n_written, Fraction(1, self._sample_rate)
        self._n_written += block.shape[1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def sound_file(
    path: Path, sample_rate: int, n_channels: int, *, overwrite: bool = False
) -> Iterator[Callable[[torch.Tensor], None]]:
    """Open a file for sound; it appears under its name when the block ends well.

    Parameters
    ----------
    path : Path
        Ends in ``.wav``, ``.flac``, ``.mp3`` or ``.opus``.
    sample_rate : int
        Samples per second. MP3 and Opus get the same or the next rate that they know, at most 48 kHz.
    n_channels : int
        Channels of every block.
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    callable
        Appends a block, float32 of shape (n_channels, n_samples).

    Raises
    ------
    ConfigError
        If the file cannot hold this rate or number of channels.
    OutputError
        If it cannot be written, or exists and `overwrite` is False.
    """
    import av

    codec = _LOSSY.get(path.suffix.lower())
    if codec is None:
        with AudioWriter(path, sample_rate, n_channels, overwrite=overwrite) as writer:
            yield writer.write
        return
    if n_channels > 2:
        raise ConfigError(
            f"{shown(path)}: {path.suffix} holds at most 2 channels, the song has {n_channels}",
            hint="set {format=wav} or {format=flac}",
        )
    with replacing(path, overwrite=overwrite) as temporary, av.open(temporary, "w") as container:
        encoder = SoundEncoder(container, codec, sample_rate, n_channels)
        yield encoder.write
        encoder.finish()
