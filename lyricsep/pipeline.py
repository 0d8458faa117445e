"""The whole job: a stream of songs through separation, segmentation and transcription.

One song that fails costs one song. A song is decoded and separated block by block and kept as two mono signals at
16 kHz, so an hour takes about half a gigabyte; the next blocks are decoded while one is separated, and the next song
is heard while songs are transcribed.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.audio import AudioReader, AudioWriter, Damage, StreamResampler, downmix, open_audio
from lyricsep.errors import AudioError, LyricsepError
from lyricsep.files import shown
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.segmentation import RmsVadOptions, segment
from lyricsep.separators import Mixture, Separator
from lyricsep.tables import as_html
from lyricsep.transcribers import SAMPLE_RATE, Job, Transcriber

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = [
    "Failure",
    "Heard",
    "Progress",
    "Result",
    "find_vocal_segments",
    "hear",
    "options_for",
    "save_vocals",
    "transcribe_songs",
]

logger = logging.getLogger(__name__)

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


@dataclass(frozen=True, eq=False)
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
        Time spent by stage. Songs share batches: transcription is counted for the song that was finished by it. What
        is heard while others are transcribed takes its time as well: the sum may be more than the time that passed.
    heard : Heard or None
        What was transcribed, where `transcribe_songs` was asked to keep it.
    """

    path: Path
    lyrics: Lyrics
    damage: tuple[Damage, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    heard: Heard | None = None

    def _repr_html_(self) -> str:
        took = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.seconds.items())
        damage = f"; {len(self.damage)} passages could not be decoded" if self.damage else ""
        return f"<p><b>{as_html(shown(self.path))}</b> {took}{damage}</p>{self.lyrics._repr_html_()}"


@dataclass(frozen=True)
class Failure:
    """A song that did not go through, and why."""

    path: Path
    error: LyricsepError

    def _repr_html_(self) -> str:
        return f"<p><b>{as_html(shown(self.path))}</b> failed: {as_html(str(self.error))}</p>"


def transcribe_songs(
    paths: Iterable[Path],
    separator: Separator,
    segmentation: RmsVadOptions | None,
    transcriber: Transcriber,
    *,
    language: str | Mapping[Path, str | None] | None = None,
    keep_heard: bool = False,
    on_progress: Progress | None = None,
) -> Iterator[Result | Failure]:
    """Transcribe a stream of songs.

    Parameters
    ----------
    paths : iterable of Path
        Read lazily; segments of neighbouring songs share a batch. While songs are transcribed, a thread decodes and
        separates the next one.
    separator : Separator
        From `lyricsep.separators.create_separator`.
    segmentation : RmsVadOptions or None
        None leaves the windows to Whisper ("native").
    transcriber : Transcriber
        From `lyricsep.transcribers.create_transcriber`.
    language : str or mapping, optional
        ISO 639-1 code of all songs, or of each by its path; the segments of songs without vote.
    keep_heard : bool
        Hand on what was heard with each result.
    on_progress : callable, optional
        See `Progress`.

    Yields
    ------
    Result or Failure
        One for every path; a failure may come before songs that were named earlier.
    """
    report = on_progress or _silent
    failures: deque[Failure] = deque()
    started: deque[Result] = deque()
    waited = 0.0  # seconds for the next song to be heard, since the last one was finished
    is_over = False

    def listening(path: Path, stage: str, share: float) -> None:
        if is_over:
            raise _NobodyListensError
        report(path, stage, share)

    def jobs() -> Iterator[Job]:
        nonlocal waited
        clock = _Clock()
        coming = ahead.submit(next, songs, None)
        while song := coming.result():
            waited += clock.total()
            coming = ahead.submit(next, songs, None)
            if isinstance(song, Failure):
                failures.append(song)
            else:
                started.append(song.result(keep_heard=keep_heard))
                known = language.get(song.path) if isinstance(language, Mapping) else language
                yield song.job(known, report)
            del song  # the next one needs the room
            clock = _Clock()
        waited += clock.total()

    songs = _listen(paths, separator, segmentation, listening)
    with ThreadPoolExecutor(1, "lyricsep-listen") as ahead:
        try:
            last = time.perf_counter()
            for lyrics in transcriber.transcribe(jobs()):
                result = replace(started.popleft(), lyrics=lyrics)
                result.seconds["transcription"] = taken = time.perf_counter() - last - waited
                logger.info("%s: transcription %.1f s, %d lines", shown(result.path), taken, len(lyrics.lines))
                while failures:
                    yield failures.popleft()
                yield result
                del result
                last, waited = time.perf_counter(), 0.0
        finally:
            is_over = True
    yield from failures


@dataclass(frozen=True, eq=False)
class _Listened:
    """A song that waits to be transcribed."""

    path: Path
    heard: Heard
    segments: list[Segment] | None
    seconds: dict[str, float]

    def job(self, language: str | None, report: Progress) -> Job:
        report(self.path, "transcribing", 0.0)
        told = partial(report, self.path, "transcribing")
        return Job(self.heard.mixture, self.heard.vocals, self.segments, language, told)

    def result(self, *, keep_heard: bool) -> Result:
        """Give the result that still lacks its lyrics."""
        return Result(self.path, Lyrics(), self.heard.damage, self.seconds, self.heard if keep_heard else None)


class _NobodyListensError(Exception):
    """Ends the thread that hears the next song, in the middle of it."""


def _listen(
    paths: Iterable[Path], separator: Separator, segmentation: RmsVadOptions | None, report: Progress
) -> Iterator[_Listened | Failure]:
    """Hear and segment song after song."""
    for path in paths:
        clock = _Clock()
        try:
            heard = hear(path, separator, on_progress=report)
            clock.lap("separation")
            segments = None if segmentation is None else find_vocal_segments(heard, segmentation)
            clock.lap("segmentation")
        except LyricsepError as error:
            yield Failure(path, error)
            continue
        _log_heard(path, heard, segments, clock.seconds)
        yield _Listened(path, heard, segments, clock.seconds)
        del heard


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
        with _mixture(reader, report, mixture.feed) as blocks:
            for block in separator.stream(blocks):
                vocals.feed(block)
        heard = Heard(mixture.finish(), vocals.finish(), reader.damage)
    _check(heard, path, separator)
    return heard


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
        _mixture(reader, report) as blocks,
    ):
        for block in separator.stream(blocks):
            writer.write(block)
        return reader.damage


def find_vocal_segments(heard: Heard, options: RmsVadOptions) -> list[Segment]:
    """Segment the vocals of a song, with a floor that follows a quiet recording down.

    Returns
    -------
    list of Segment
        As `lyricsep.segmentation.segment`; empty for an instrumental.
    """
    return segment(heard.vocals, options_for(heard, options))


def options_for(heard: Heard, options: RmsVadOptions) -> RmsVadOptions:
    """Let the floor of the segmenter follow a recording that is quieter than masters are."""
    if options.floor_db is None or not len(heard.mixture):
        return options
    power = float(np.vdot(heard.mixture, heard.mixture)) / len(heard.mixture)
    too_quiet = min(0.0, 10 * np.log10(max(power, 1e-12)) - QUIETEST_MASTER)
    return replace(options, floor_db=max(options.floor_db + too_quiet, min(options.floor_db, LOWEST_FLOOR)))


def _check(heard: Heard, path: Path, separator: Separator) -> None:
    """Refuse what no later stage could work with.

    Raises
    ------
    AudioError
        Saying whether the song or the separator is to blame.
    """
    if len(heard.vocals) != len(heard.mixture):
        raise AudioError(
            f"{shown(path)}: {separator.name} gave {len(heard.vocals) / SAMPLE_RATE:.2f} s of vocals for a song of "
            f"{heard.duration:.2f} s; this is a bug in the separator, try another --separator"
        )
    for what, samples in (("the song", heard.mixture), (f"what {separator.name} gave", heard.vocals)):
        # Two extremes see every sample without a copy; NaN fails the comparison.
        if len(samples) and not max(samples.max(), -samples.min()) < LOUDEST:
            raise AudioError(
                f"{shown(path)}: {what} holds samples beyond {LOUDEST:.0e} times full scale, or none at all (NaN), "
                "which is no sound; export or fetch the song again"
            )


@contextmanager
def _mixture(
    reader: AudioReader, report: Progress, overhear: Callable[[Tensor], None] | None = None
) -> Iterator[Mixture]:
    """Give the blocks of a file to a separator, to whoever overhears them, and their progress to `report`.

    A thread decodes and overhears the next ones while the separator works. It has ended when the block ends, so the
    file may be closed then.
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


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._first = self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now

    def total(self) -> float:
        return time.perf_counter() - self._first


def _log_heard(path: Path, heard: Heard, segments: Sequence[Segment] | None, seconds: dict[str, float]) -> None:
    logger.info(
        "%s: decoding and separation %.1f s for %.1f s of audio", shown(path), seconds["separation"], heard.duration
    )
    if segments is not None:
        sung = sum(s.duration for s in segments)
        logger.info(
            "%s: segmentation %.1f s, %d segments, %.1f s sung",
            shown(path),
            seconds["segmentation"],
            len(segments),
            sung,
        )


def _silent(path: Path, stage: str, share: float) -> None:
    pass
