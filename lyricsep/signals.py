"""From a file to the signals that the later stages need: mixture and vocals, mono at 16 kHz.

A song is decoded and separated block by block, so an hour takes about half a gigabyte; the next blocks are decoded
while one is separated.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.audio import AudioReader, AudioWriter, Damage, StreamResampler, downmix, open_audio
from lyricsep.errors import AudioError
from lyricsep.files import shown
from lyricsep.lyrics import Segment
from lyricsep.segmentation import RmsVadOptions, segment
from lyricsep.separators import Mixture, Separator
from lyricsep.transcribers import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# The absolute floor of the segmenter is made for masters, at -12 to -21 dBFS, and follows quieter recordings down.
# At this level it stays 17 dB under the mixture: the vocals of an instrumental, which are what the separator let
# through, are 19 dB under it but for the loudest 5 % (the example without its voice), and five real songs lose at
# most 1 % of their sung time, played as they are or up to 24 dB quieter.
QUIETEST_MASTER = -23.0  # dBFS
LOWEST_FLOOR = -60.0  # dBFS, above the noise of 16 bit recordings

BLOCKS_AHEAD = 2  # of 10 s each
LOUDEST = 1e6  # times full scale: unscaled integers are below, a misread file above

Progress = Callable[[Path, str, float], None]
"""Called with a song, what is being done with it, and the share done, 0 to 1; from more than one thread."""


@dataclass(frozen=True, eq=False)
class Signals:
    """A song as the later stages need it.

    Parameters
    ----------
    mixture, vocals : ndarray, shape (n_samples,)
        float32 mono at 16 kHz, equally long.
    damage : tuple of Damage
        What could not be decoded.
    """

    mixture: NDArray[np.float32]
    vocals: NDArray[np.float32]
    damage: tuple[Damage, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.mixture) / SAMPLE_RATE


def load_signals(path: Path, separator: Separator, *, on_progress: Progress | None = None) -> Signals:
    """Decode a song, separate it, and keep both as mono at 16 kHz; raise an `AudioError` if that fails."""
    report = on_progress or _silent
    report(path, "separating", 0.0)
    with open_audio(path) as reader:
        mixture = _Mono(reader.sample_rate)
        vocals = _Mono(reader.sample_rate)
        with _mixture(reader, report, mixture.feed) as blocks:
            for block in separator.stream(blocks):
                vocals.feed(block)
        signals = Signals(mixture.finish(), vocals.finish(), reader.damage)
    _check(signals, path, separator)
    return signals


def save_vocals(
    path: Path, target: Path, separator: Separator, *, overwrite: bool = False, on_progress: Progress | None = None
) -> tuple[Damage, ...]:
    """Separate a song of any length into a file, block by block.

    Parameters
    ----------
    path, target : Path
        The song, and a ``.wav`` or ``.flac`` of the same rate, channels, length and level.
    separator : Separator
        From `lyricsep.separators.create_separator`.
    overwrite : bool
        Replace a file that exists.
    on_progress : callable, optional
        See `Progress`.

    Returns
    -------
    tuple of Damage
        What could not be decoded.
    """
    report = on_progress or _silent
    report(path, "separating", 0.0)
    with (
        open_audio(path) as reader,
        AudioWriter(target, reader.sample_rate, reader.n_channels, overwrite=overwrite) as writer,
        _mixture(reader, report) as blocks,
    ):
        for block in separator.stream(blocks):
            writer.write(block)
        return reader.damage


def find_vocal_segments(signals: Signals, options: RmsVadOptions) -> list[Segment]:
    """Segment the vocals of a song, with a floor that follows a quiet recording down; empty for an instrumental."""
    return segment(signals.vocals, options_for(signals, options))


def options_for(signals: Signals, options: RmsVadOptions) -> RmsVadOptions:
    """Return options whose floor follows a recording that is quieter than masters are."""
    if options.floor_db is None or not len(signals.mixture):
        return options
    power = float(np.vdot(signals.mixture, signals.mixture)) / len(signals.mixture)
    too_quiet = min(0.0, 10 * np.log10(max(power, 1e-12)) - QUIETEST_MASTER)
    return replace(options, floor_db=max(options.floor_db + too_quiet, min(options.floor_db, LOWEST_FLOOR)))


def _check(signals: Signals, path: Path, separator: Separator) -> None:
    """Refuse what no later stage could work with, saying whether the song or the separator is to blame."""
    if len(signals.vocals) != len(signals.mixture):
        raise AudioError(
            f"{shown(path)}: {separator.name} returned {len(signals.vocals) / SAMPLE_RATE:.2f} s of vocals for a "
            f"song of {signals.duration:.2f} s; this is a bug in the separator",
            hint="choose another {separator}",
        )
    for what, samples in (("the song", signals.mixture), (f"the output of {separator.name}", signals.vocals)):
        # Two extremes see every sample without a copy; NaN fails the comparison.
        if len(samples) and not max(samples.max(), -samples.min()) < LOUDEST:
            raise AudioError(
                f"{shown(path)}: {what} has samples beyond {LOUDEST:.0e} times full scale, or samples that are no "
                "numbers (NaN); export or download the song again"
            )


@contextmanager
def _mixture(
    reader: AudioReader, report: Progress, overhear: Callable[[Tensor], None] | None = None
) -> Iterator[Mixture]:
    """Yield a file as a `Mixture`; pass each block to `overhear` and the progress to `report`.

    A thread decodes the next blocks while the separator works. It has ended when the ``with`` block ends, so the file
    can be closed then.
    """

    def decoded() -> Iterator[Tensor]:
        for block in reader.blocks():
            if overhear:
                overhear(block)
            yield block

    def blocks() -> Iterator[Tensor]:
        n_samples = 0
        coming = deque(ahead.submit(next, source, None) for _ in range(BLOCKS_AHEAD))
        while (block := coming.popleft().result()) is not None:
            coming.append(ahead.submit(next, source, None))
            n_samples += block.shape[-1]
            done = n_samples / reader.sample_rate / (reader.estimated_duration or math.inf)
            report(reader.path, "separating", min(1.0, done))
            yield block

    source = decoded()
    with ThreadPoolExecutor(1, "lyricsep-decode") as ahead:
        yield Mixture(blocks(), reader.sample_rate, reader.n_channels, reader.path)


class _Mono:
    """Blocks of any rate and channels, collected as mono at 16 kHz in one array that grows in place.

    A list of blocks would cost an hour-long song twice: once in pieces, once joined.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = StreamResampler(sample_rate, SAMPLE_RATE, 1)
        self._samples = np.empty(0, np.float32)
        self._n_samples = 0

    def feed(self, block: Tensor) -> None:
        self._add(self._resampler.feed(downmix(block)))

    def finish(self) -> NDArray[np.float32]:
        self._add(self._resampler.flush())
        self._samples.resize(self._n_samples, refcheck=False)
        return self._samples

    def _add(self, mono: Tensor) -> None:
        first, self._n_samples = self._n_samples, self._n_samples + mono.shape[-1]
        if self._n_samples > len(self._samples):
            self._samples.resize(self._n_samples + self._n_samples // 4, refcheck=False)
        self._samples[first : self._n_samples] = mono[0].numpy()


def _silent(path: Path, stage: str, share: float) -> None:
    pass
