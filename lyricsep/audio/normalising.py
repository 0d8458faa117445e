"""One gain and the polarity of the channels of a whole song, so that every stage hears it at an ordinary level.

Networks and thresholds are made for masters. Recordings that are far quieter, floats far beyond full scale, and
integers that were stored as floats are brought to a master's level before separation, and what is written gets the
song's own level back. The gain is a power of two, so that it changes no digit of a float, and exactly 1 for a song
whose level is ordinary.

The level is a high percentile of short windows: neither a click nor a pause moves it. What is hardly louder than the
dither of 16 bits is silence, and a faint sound that is as loud in every window is hiss or hum: both stay as they are,
so that no words are heard in them.

A mono mix cancels channels of opposite polarity; where that takes most of the energy, the channels that oppose the
loudest are inverted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 0.1  # seconds
FEWEST = 10  # windows; what is shorter is no song, and nothing is known of its level
PERCENTILE = 90  # of the windows: a sound that fills less than a tenth of a file is not what the file is about

# Levels in dBFS of that percentile. Five real songs lie at -9 to -17; twenty decibels below, segments and words are
# still theirs. A sine at full scale is at -3, and a square wave at 0.
MASTER = -14.0
ORDINARY = (-30.0, 0.0)
SILENCE = -87.0  # dither of 16 bits is at -96; a song that was turned down by 60 dB is at -77

# dB by which the percentile is above the median. Hiss and dither: 0.3; the five songs: 2.5 to 5.9.
STEADY = 1.0

# A mono mix of two channels without anything in common loses 3 dB, one of wide stereo seldom more than 5.
CANCELLED = 4.0  # times as much energy in the mix with inverted channels: 6 dB


@dataclass(frozen=True)
class Normalisation:
    """What a song is multiplied by before it is separated.

    Parameters
    ----------
    gain : float
        A power of two.
    polarity : tuple of int
        1 or -1 for each channel; empty: 1 for all.
    """

    gain: float = 1.0
    polarity: tuple[int, ...] = ()

    def apply(self, block: Tensor) -> Tensor:
        """Return a block of shape (n_channels, n_samples) as the later stages hear it."""
        return block if self == Normalisation() else block * self._factors(block)

    def undo(self, block: Tensor) -> Tensor:
        """Return a block at the level and polarity of the song."""
        return block if self == Normalisation() else block / self._factors(block)

    def inverted(self, polarity: tuple[int, ...]) -> Normalisation:
        """Return the same with channels inverted once more."""
        before = self.polarity or (1,) * len(polarity)
        return Normalisation(self.gain, tuple(a * b for a, b in zip(before, polarity, strict=True)))

    def _factors(self, block: Tensor) -> Tensor:
        signs = self.polarity or (1,) * block.shape[0]
        return block.new_tensor([self.gain * sign for sign in signs])[:, None]


class Channels:
    """Measures how the channels of a sound go together, block by block."""

    def __init__(self) -> None:
        self._products: NDArray[np.float64] | None = None

    def feed(self, block: Tensor) -> None:
        """Measure a block of shape (n_channels, n_samples), on the CPU."""
        samples = block.numpy().astype(np.float64)
        products = samples @ samples.T
        self._products = products if self._products is None else self._products + products

    @property
    def energy(self) -> float:
        """Sum of the squares of all samples of all channels."""
        return 0.0 if self._products is None else float(np.trace(self._products))

    @property
    def polarity(self) -> tuple[int, ...]:
        """The signs of the channels with which a mono mix keeps the sound; empty where the plain mix keeps it."""
        products = self._products
        if products is None or len(products) < 2:
            return ()
        loudest = int(np.argmax(np.diag(products)))
        signs = np.where(products[loudest] < 0, -1, 1)
        if not signs @ products @ signs > CANCELLED * products.sum():
            return ()
        return tuple(int(sign) for sign in signs)


class Meter(Channels):
    """Measures the level and the channels of a song, block by block.

    Parameters
    ----------
    sample_rate : int
        Samples per second.

    Attributes
    ----------
    peak : float
        The largest sample so far, without its sign.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.peak = 0.0
        self._window = max(1, round(WINDOW * sample_rate))
        self._powers: list[float] = []

    def feed(self, block: Tensor) -> None:
        """Measure a block of shape (n_channels, n_samples), on the CPU."""
        super().feed(block)
        samples = block.numpy()
        if samples.size:
            self.peak = max(self.peak, float(samples.max()), -float(samples.min()))
            power = np.square(samples, dtype=np.float64).mean(axis=0)
            starts = range(0, len(power), self._window)
            self._powers += [float(power[start : start + self._window].mean()) for start in starts]

    def level(self, percentile: float = PERCENTILE) -> float:
        """Return a percentile of the level of the windows in dBFS; minus infinity for digital silence."""
        power = float(np.percentile(self._powers, percentile)) if self._powers else 0.0
        return 10 * math.log10(power) if power > 0 else -math.inf

    @property
    def normalisation(self) -> Normalisation:
        """What brings the song to about the level of a master, unless it is ordinary or no song, and in phase."""
        if len(self._powers) < FEWEST:
            return Normalisation()
        level, gain = self.level(), 1.0
        is_faint = SILENCE <= level < ORDINARY[0] and level - self.level(50) > STEADY
        if is_faint or ORDINARY[1] < level < math.inf:
            gain = 2.0 ** round((MASTER - level) / (20 * math.log10(2)))
        return Normalisation(gain, self.polarity)


def measured(blocks: Iterable[Tensor], sample_rate: int) -> Meter:
    """Return the meter of a whole song."""
    meter = Meter(sample_rate)
    for block in blocks:
        for start in range(0, block.shape[1], sample_rate):  # a song in memory would be there twice
            meter.feed(block[:, start : start + sample_rate])
    return meter
