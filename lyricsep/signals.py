"""From a file to the signals that the later stages need: mixture and vocals, mono at 16 kHz.

A song is decoded and separated block by block, so an hour takes about half a gigabyte; the next blocks are decoded
while one is separated. Before, it is decoded once to measure its level and the polarity of its channels
(`lyricsep.audio.normalising`).
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.audio import (
    AudioReader,
    Damage,
    Normalisation,
    StreamResampler,
    downmix,
    measured,
    open_audio,
    sound_file,
)
from lyricsep.audio.normalising import Channels
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
LOUDEST = 2.0**32  # times full scale: unscaled integers are below, a misread file above

STEMS = ("vocals", "accompaniment", "instrumental")
"""Stems of a song: what the separator returns, and the song without it, by either of two names."""

# Vocals with less of the song's energy are what a separator lets through of a band.
FAINT = 0.01

logger = logging.getLogger(__name__)

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
    gain : float
        What the song was multiplied by, so that its level is ordinary.
    """

    mixture: NDArray[np.float32]
    vocals: NDArray[np.float32]
    damage: tuple[Damage, ...] = ()
    gain: float = 1.0

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.mixture) / SAMPLE_RATE

    def recorded(self) -> Signals:
        """Return the same at the level of the file."""
        if self.gain == 1:
            return self
        return Signals(self.mixture / np.float32(self.gain), self.vocals / np.float32(self.gain), self.damage)


def load_signals(
    path: Path,
    separator: Separator,
    *,
    track: int | None = None,
    stems: Mapping[str, Path] | None = None,
    on_progress: Progress | None = None,
) -> Signals:
    """Decode a song, separate it, and keep both as mono at 16 kHz, at an ordinary level.

    Vocals that a mono mix would cancel are separated again from a song with inverted channels.

    Parameters
    ----------
    path : Path
        The song.
    separator : Separator
        From `lyricsep.separators.create_separator`.
    track : int, optional
        As in `lyricsep.audio.open_audio`.
    stems : mapping, optional
        Also write stems into files, as `save_stems` does, and replace what exists.
    on_progress : callable, optional
        See `Progress`.

    Raises
    ------
    AudioError
        If it cannot be decoded or separated, or is no sound.
    ConfigError, OutputError
        If a stem cannot be written.
    """
    report = on_progress or _silent
    report(path, "separating", 0.0)
    normalisation, energy = _measured(path, track)
    signals, channels = _separated(path, separator, track, normalisation, report, stems or {})
    if channels.polarity and channels.energy > FAINT * energy * normalisation.gain**2:
        logger.warning("%s: its vocals have opposite phases in its channels; %s", shown(path), _INVERTED)
        inverted = normalisation.inverted(channels.polarity)
        again, _ = _separated(path, separator, track, inverted, report, {}, quiet=True)
        signals = replace(signals, vocals=again.vocals)
    return signals


_INVERTED = "one was inverted, since they cancel each other in mono"


def _measured(path: Path, track: int | None) -> tuple[Normalisation, float]:
    """Return how a song is to be normalised, and the energy of all its samples."""
    with open_audio(path, track=track, quiet=True) as reader:
        meter = measured(reader.blocks(1.0), reader.sample_rate)
    if not meter.peak < LOUDEST:
        raise AudioError(
            f"{shown(path)}: the song has samples beyond {LOUDEST:.0e} times full scale; export or download it again"
        )
    if meter.polarity:
        logger.warning("%s: its channels have opposite phases; %s", shown(path), _INVERTED)
    return meter.normalisation, meter.energy


def _separated(
    path: Path,
    separator: Separator,
    track: int | None,
    normalisation: Normalisation,
    report: Progress,
    stems: Mapping[str, Path],
    *,
    quiet: bool = False,
) -> tuple[Signals, Channels]:
    """Return the signals of a song, and how the channels of the vocals go together."""
    channels = Channels()
    with open_audio(path, track=track, quiet=quiet) as reader:
        mixture, vocals = _Mono(reader.sample_rate), _Mono(reader.sample_rate)
        with _stem_files(stems, reader, separator, normalisation, overwrite=True) as files:

            def overhear(block: Tensor) -> None:
                mixture.feed(block)
                files.overhear(block)

            with _mixture(reader, normalisation, report, overhear) as blocks:
                for block in separator.stream(blocks):
                    channels.feed(block)
                    vocals.feed(block)
                    files.feed(block)
        signals = Signals(mixture.finish(), vocals.finish(), reader.damage, normalisation.gain)
    _check(signals, path, separator)
    return signals, channels


def save_stems(
    path: Path,
    targets: Mapping[str, Path],
    separator: Separator,
    *,
    track: int | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> tuple[Damage, ...]:
    """Separate a song of any length into files, block by block.

    Each has the rate, channels, length and level of the song, and vocals and accompaniment add up to it; but for
    ``.mp3`` and ``.opus``, which lose a little.

    Parameters
    ----------
    path : Path
        The song.
    targets : mapping
        File of each stem, by its name in `STEMS`; see `lyricsep.audio.sound_file`.
    separator : Separator
        From `lyricsep.separators.create_separator`.
    track : int, optional
        As in `lyricsep.audio.open_audio`.
    overwrite : bool
        Replace files that exist.
    on_progress : callable, optional
        See `Progress`.

    Returns
    -------
    tuple of Damage
        What could not be decoded.
    """
    report = on_progress or _silent
    report(path, "separating", 0.0)
    normalisation, _ = _measured(path, track)
    with open_audio(path, track=track) as reader:
        with (
            _stem_files(targets, reader, separator, normalisation, overwrite=overwrite) as files,
            _mixture(reader, normalisation, report, files.overhear) as blocks,
        ):
            for block in separator.stream(blocks):
                files.feed(block)
        return reader.damage


class _Stems:
    """Writes stems while vocals come out of a separator, some blocks after the mixture went in.

    Attributes
    ----------
    n_heard, n_separated : int
        Samples of mixture and vocals.
    """

    def __init__(self, writers: Mapping[str, Callable[[Tensor], None]], normalisation: Normalisation) -> None:
        self.n_heard = self.n_separated = 0
        self._writers = writers
        self._normalisation = normalisation
        self._waiting: deque[Tensor] = deque()  # mixture whose vocals are to come

    def overhear(self, block: Tensor) -> None:
        """Keep a block of the mixture until its vocals come."""
        self.n_heard += block.shape[-1]
        if self._writers:
            self._waiting.append(block)

    def feed(self, vocals: Tensor) -> None:
        """Write the next block of vocals, and what is left of the mixture without them."""
        self.n_separated += vocals.shape[-1]
        while vocals.shape[-1] and self._waiting:
            mixture = self._waiting.popleft()
            n_samples = min(mixture.shape[-1], vocals.shape[-1])
            if n_samples < mixture.shape[-1]:
                self._waiting.appendleft(mixture[:, n_samples:])
            part, vocals = vocals[:, :n_samples], vocals[:, n_samples:]
            for name, write in self._writers.items():
                write(self._normalisation.undo(part if name == "vocals" else mixture[:, :n_samples] - part))


@contextmanager
def _stem_files(
    targets: Mapping[str, Path],
    reader: AudioReader,
    separator: Separator,
    normalisation: Normalisation,
    *,
    overwrite: bool,
) -> Iterator[_Stems]:
    """Open the files of stems; refuse vocals that are not as long as the song."""
    with ExitStack() as files:
        writers = {
            name: files.enter_context(sound_file(path, reader.sample_rate, reader.n_channels, overwrite=overwrite))
            for name, path in targets.items()
        }
        stems = _Stems(writers, normalisation)
        yield stems
        if stems.n_separated != stems.n_heard:
            durations = (stems.n_separated / reader.sample_rate, stems.n_heard / reader.sample_rate)
            raise _wrong_length(reader.path, separator, *durations)


def _wrong_length(path: Path, separator: Separator, vocals: float, song: float) -> AudioError:
    return AudioError(
        f"{shown(path)}: {separator.name} returned {vocals:.2f} s of vocals for a song of {song:.2f} s; this is a "
        "bug in the separator",
        hint="choose another {separator}",
    )


def find_vocal_segments(signals: Signals, options: RmsVadOptions) -> list[Segment]:
    """Segment the vocals of a song, with a floor that follows a quiet recording down; empty for an instrumental."""
    return segment(signals.vocals, options_for(signals, options))


def options_for(signals: Signals, options: RmsVadOptions) -> RmsVadOptions:
    """Return options whose floor follows a recording that is quieter than masters are, at the level of `signals`."""
    if options.floor_db is None or not len(signals.mixture):
        return options
    power = float(np.vdot(signals.mixture, signals.mixture)) / len(signals.mixture)
    too_quiet = min(0.0, 10 * np.log10(max(power, 1e-12)) - QUIETEST_MASTER)
    return replace(options, floor_db=max(options.floor_db + too_quiet, min(options.floor_db, LOWEST_FLOOR)))


def recorded_options(signals: Signals, options: RmsVadOptions) -> RmsVadOptions:
    """Return the options of `options_for` at the level of the file, for `Signals.recorded`."""
    found = options_for(signals, options)
    if found.floor_db is None or signals.gain == 1:
        return found
    return replace(found, floor_db=min(0.0, found.floor_db - 20 * math.log10(signals.gain)))


def _check(signals: Signals, path: Path, separator: Separator) -> None:
    """Refuse vocals that no later stage could work with."""
    if len(signals.vocals) != len(signals.mixture):
        raise _wrong_length(path, separator, len(signals.vocals) / SAMPLE_RATE, signals.duration)
    # Two extremes see every sample without a copy; NaN fails the comparison.
    if len(signals.vocals) and not max(signals.vocals.max(), -signals.vocals.min()) < LOUDEST:
        raise AudioError(
            f"{shown(path)}: the output of {separator.name} has samples beyond {LOUDEST:.0e} times full scale, or "
            "samples that are no numbers (NaN)",
            hint="choose another {separator}",
        )


@contextmanager
def _mixture(
    reader: AudioReader,
    normalisation: Normalisation,
    report: Progress,
    overhear: Callable[[Tensor], None] | None = None,
) -> Iterator[Mixture]:
    """Yield a file, normalised, as a `Mixture`; pass each block to `overhear` and the progress to `report`.

    A thread decodes the next blocks while the separator works. It has ended when the ``with`` block ends, so the file
    can be closed then.
    """

    def decoded() -> Iterator[Tensor]:
        for block in map(normalisation.apply, reader.blocks()):
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
        yield Mixture(blocks(), reader.sample_rate, reader.n_channels, reader.path, normalisation)


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
