"""The whole job: a stream of songs through separation, segmentation and transcription.

One song that fails costs one song. A song is decoded and separated block by block and kept as two mono signals at
16 kHz, so an hour takes about half a gigabyte.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.audio import AudioReader, AudioWriter, Damage, StreamResampler, downmix, open_audio
from lyricsep.errors import LyricsepError
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.segmentation import RmsVadOptions, segment
from lyricsep.separators import Mixture, Separator
from lyricsep.transcribers import SAMPLE_RATE, Job, Transcriber

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Failure", "Heard", "Progress", "Result", "find_vocal_segments", "hear", "save_vocals", "transcribe_songs"]

logger = logging.getLogger(__name__)

# The vocals of an instrumental are what the separator let through, some 30 dB under the mixture; the absolute
# floor of the segmenter is made for masters at -12 to -21 dBFS and follows the mixture down for quieter ones.
FLOOR_BELOW_MIXTURE = 20.0  # dB
LOWEST_FLOOR = -60.0  # dBFS, above the noise of 16 bit recordings

Progress = Callable[[Path, str, float], None]
"""Called with a song, what is being done with it, and the share done, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Heard:
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


@dataclass(frozen=True)
class Result:
    """A song that went through.

    Parameters
    ----------
    path : Path
        The song.
    lyrics : Lyrics
        Empty where no vocals were found.
    damage : tuple of Damage
        What could not be decoded.
    seconds : dict
        Time spent by stage. Songs share batches: transcription is counted for the song that was finished by it.
    """

    path: Path
    lyrics: Lyrics
    damage: tuple[Damage, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A song that did not go through, and why."""

    path: Path
    error: LyricsepError


def transcribe_songs(
    paths: Iterable[Path],
    separator: Separator,
    segmentation: RmsVadOptions | None,
    transcriber: Transcriber,
    *,
    language: str | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Result | Failure]:
    """Transcribe a stream of songs.

    Parameters
    ----------
    paths : iterable of Path
        Read lazily; segments of neighbouring songs share a batch.
    separator : Separator
        From `lyricsep.separators.create_separator`.
    segmentation : RmsVadOptions or None
        None leaves the windows to Whisper ("native").
    transcriber : Transcriber
        From `lyricsep.transcribers.create_transcriber`.
    language : str, optional
        ISO 639-1 code of all songs; by default each song's segments vote.
    on_progress : callable, optional
        See `Progress`.

    Yields
    ------
    Result or Failure
        One for every path; a failure may come before songs that were named earlier.
    """
    report = on_progress or _silent
    failures: deque[Failure] = deque()
    started: deque[tuple[Path, Heard, dict[str, float]]] = deque()
    hearing = 0.0  # seconds since the last song was finished

    def jobs() -> Iterator[Job]:
        nonlocal hearing
        for path in paths:
            clock = _Clock()
            try:
                heard = hear(path, separator, on_progress=report)
                clock.lap("separation")
                segments = None if segmentation is None else find_vocal_segments(heard, segmentation)
                clock.lap("segmentation")
            except LyricsepError as error:
                failures.append(Failure(path, error))
                continue
            finally:
                hearing += sum(clock.seconds.values())
            _log_heard(path, heard, segments, clock.seconds)
            started.append((path, heard, clock.seconds))
            report(path, "transcribing", 0.0)
            yield Job(heard.mixture, heard.vocals, segments, language, partial(report, path, "transcribing"))

    last = time.perf_counter()
    for lyrics in transcriber.transcribe(jobs()):
        path, heard, seconds = started.popleft()
        now = time.perf_counter()
        seconds["transcription"] = now - last - hearing
        last, hearing = now, 0.0
        logger.info("%s: transcription %.1f s, %d lines", path.name, seconds["transcription"], len(lyrics.lines))
        while failures:
            yield failures.popleft()
        yield Result(path, lyrics, heard.damage, seconds)
    yield from failures


def hear(path: Path, separator: Separator, *, on_progress: Progress | None = None) -> Heard:
    """Decode a song, separate it, and keep both as mono at 16 kHz.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    LyricsepError
        What the separator raises.
    """
    report = on_progress or _silent
    report(path, "separating", 0.0)
    with open_audio(path) as reader:
        mixture = _Mono(reader.sample_rate)
        vocals = _Mono(reader.sample_rate)
        for block in separator.stream(_mixture(reader, report, mixture.feed)):
            vocals.feed(block)
        return Heard(mixture.finish(), vocals.finish(), reader.damage)


def save_vocals(
    path: Path, target: Path, separator: Separator, *, overwrite: bool = False, on_progress: Progress | None = None
) -> None:
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

    Raises
    ------
    AudioError, OutputError
        If the song cannot be decoded, or the vocals not be written.
    """
    report = on_progress or _silent
    report(path, "separating", 0.0)
    with (
        open_audio(path) as reader,
        AudioWriter(target, reader.sample_rate, reader.n_channels, overwrite=overwrite) as writer,
    ):
        for block in separator.stream(_mixture(reader, report)):
            writer.write(block)


def find_vocal_segments(heard: Heard, options: RmsVadOptions) -> list[Segment]:
    """Segment the vocals of a song, with a floor that follows a quiet recording down.

    Returns
    -------
    list of Segment
        As `lyricsep.segmentation.segment`; empty for an instrumental.
    """
    if options.floor_db is not None and len(heard.mixture):
        power = float(np.mean(np.square(heard.mixture, dtype=np.float64)))
        follows = 10 * np.log10(max(power, 1e-12)) - FLOOR_BELOW_MIXTURE
        options = replace(options, floor_db=min(options.floor_db, max(LOWEST_FLOOR, follows)))
    return segment(heard.vocals, options)


def _mixture(reader: AudioReader, report: Progress, overhear: Callable[[Tensor], None] | None = None) -> Mixture:
    """Give the blocks of a file to a separator, to whoever overhears them, and their progress to `report`."""

    def blocks() -> Iterator[Tensor]:
        n_samples = 0
        for block in reader.blocks():
            if overhear:
                overhear(block)
            n_samples += block.shape[-1]
            if reader.estimated_duration:
                done = n_samples / reader.sample_rate / reader.estimated_duration
                report(reader.path, "separating", min(1.0, done))
            yield block

    return Mixture(blocks(), reader.sample_rate, reader.n_channels, reader.path)


class _Mono:
    """Blocks of any rate and channels, collected as mono at 16 kHz."""

    def __init__(self, sample_rate: int) -> None:
        self._resampler = StreamResampler(sample_rate, SAMPLE_RATE, 1)
        self._blocks: list[NDArray[np.float32]] = []

    def feed(self, block: Tensor) -> None:
        self._blocks.append(self._resampler.feed(downmix(block))[0].numpy())

    def finish(self) -> NDArray[np.float32]:
        self._blocks.append(self._resampler.flush()[0].numpy())
        return np.concatenate(self._blocks)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def _log_heard(path: Path, heard: Heard, segments: Sequence[Segment] | None, seconds: dict[str, float]) -> None:
    logger.info(
        "%s: decoding and separation %.1f s for %.1f s of audio", path.name, seconds["separation"], heard.duration
    )
    if segments is not None:
        sung = sum(s.duration for s in segments)
        logger.info(
            "%s: segmentation %.1f s, %d segments, %.1f s sung",
            path.name,
            seconds["segmentation"],
            len(segments),
            sung,
        )


def _silent(path: Path, stage: str, share: float) -> None:
    pass
