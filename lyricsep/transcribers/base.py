"""Interface of transcribers: what is heard of songs in, lyrics out, many songs per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lyricsep.lyrics import Lyrics, Segment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, of every job; Whisper's
MAX_SEGMENT = 30  # seconds, the length of Whisper's input


@dataclass(frozen=True, eq=False)
class Clips:
    """What is heard of a song, and where it is sung.

    Parameters
    ----------
    mixture, vocals : ndarray, shape (n_samples,)
        The song and its vocals: float32 mono at `SAMPLE_RATE`, synchronous and of equal length.
    segments : sequence of Segment or None
        The sung spans, each at most 30 s. None: the whole song, in windows, as openai-whisper does.
    language : str or None
        As `lyricsep.languages.language_code` reads it; None lets the sung segments vote.
    on_progress : callable, optional
        Called with the fraction of the song that is decoded, 0 to 1.

    Raises
    ------
    ValueError
        If the signals differ in type or length, or a segment is longer than 30 s.
    """

    mixture: NDArray[np.float32]
    vocals: NDArray[np.float32]
    segments: Sequence[Segment] | None
    language: str | None = None
    on_progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        """Check here what would fail later, in a batch of many songs."""
        kinds = [f"{signal.dtype} {signal.shape}" for signal in (self.mixture, self.vocals)]
        if kinds[0] != kinds[1] or kinds[0] != f"float32 ({len(self.mixture)},)":
            raise ValueError(f"mixture and vocals are float32 of one shape (n_samples,), got {' and '.join(kinds)}")
        longest = max((segment.duration for segment in self.segments or ()), default=0.0)
        if round(longest * SAMPLE_RATE) > MAX_SEGMENT * SAMPLE_RATE:
            raise ValueError(f"a segment lasts at most {MAX_SEGMENT} s, got {longest} s")


class LyricsTranscriber(Protocol):
    """Converts what is heard to lyrics."""

    @property
    def name(self) -> str:
        """Backend and model, as shown to the user."""
        ...

    def transcribe(self, jobs: Iterable[Clips]) -> Iterator[Lyrics]:
        """Yield the lyrics of each job, in order; segments of several jobs share a batch."""
        ...


@dataclass(frozen=True)
class WhisperOptions:
    """Decoding options of Whisper.

    Parameters
    ----------
    mix_back : float
        Gain of the accompaniment that is mixed back into the vocals: 0 is only the vocals, 1 the mixture.
    timestamps : bool
        Let the model write timestamps around every phrase, and use those phrases as lines. Without timestamps it
        loops less; lines and their times then come from the alignment of the words. Whole songs always need them.
    beam_size : int
        Beams of the attempts at temperature 0; 1 is greedy.
    no_repeat_ngram_sizes : tuple of int
        A segment that repeats itself is decoded again by a beam search that forbids repeated n-grams of tokens, with
        each of these sizes in turn until it is accepted; each at least 2. Empty: it is not decoded again.
    temperatures : tuple of float
        The temperature of the first attempt, then those of further attempts where all sizes have failed. 0 is beam
        search; above 0, `best_of` samples are drawn, and the most probable accepted one is used. (In whole songs, as
        in openai-whisper, every failure is decoded again, and the most probable of all samples is used.)
    best_of : int
        Samples per segment at temperatures above 0.
    compression_ratio_threshold : float
        Text that compresses better than this counts as repetition: a failure.
    logprob_threshold : float
        A mean log-probability of the tokens below this is a failure.
    no_speech_threshold : float
        A segment with a log-probability below `logprob_threshold` and a no-speech probability above this is silence.
    word_times : bool
        Find the time of every word also where lines do not need it: with `timestamps`, and in whole songs.
    batch_size : int
        Segments decoded together.
    seed : int
        Seed of the random numbers at temperatures above 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    # Spleeter and Whisper base on the five Jam-ALT songs, pooled WER: 0.441 with 0.3, 0.467 with 0, 0.478 with 1
    # (measured at the time; `lyricsep benchmark lyricsep` measures again).
    mix_back: float = 0.3
    # With timestamps, Whisper base loops far more often on singing.
    timestamps: bool = False  # the reference implementation of the paper decodes its clips without timestamps, too
    beam_size: int = 5  # the paper, section 3
    # Loops survive the low temperatures of openai-whisper's retries (`NATIVE`), and 1 gives random words; samples
    # at 0.6 and 0.8 are no better than the most probable words without the loop, take five times as long, and are
    # random.
    # Pooled WER of Whisper base on the five Jam-ALT songs, with 20 settings of which each loops somewhere, and
    # processor seconds of all retries: 48.6 without any; 46.2 and 46.5 (two seeds) and 190 with temperatures 0.6 and
    # 0.8; 46.0 and 26 with these sizes. With `timestamps`, 3 settings: 77.7; 48.6 and 48.3 and 71; 48.0 and 31. Every
    # text that compressed beyond 2.4 was a loop there.
    no_repeat_ngram_sizes: tuple[int, ...] = (8, 3)
    temperatures: tuple[float, ...] = (0.0,)
    best_of: int = 5
    # openai-whisper's 2.4 is meant for speech: refrains reach 2.7, and are misspelt where repetition is forbidden.
    # WER of the 20 settings above with 2.4, 2.7 and 3: 45.95, 46.04 and 46.4; retries take 26, 9 and 6 s.
    compression_ratio_threshold: float = 2.7
    logprob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    word_times: bool = True
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that all numbers are in range."""
        if min(self.beam_size, self.best_of, self.batch_size) < 1:
            raise ValueError("beam_size, best_of and batch_size must be at least 1")
        if not 0 <= self.mix_back <= 1:
            raise ValueError(f"mix_back must be a number from 0 to 1, got {self.mix_back}")
        if min(self.no_repeat_ngram_sizes, default=2) < 2:
            raise ValueError(f"no_repeat_ngram_sizes must be at least 2 each, got {self.no_repeat_ngram_sizes}")
        if not self.temperatures or not all(0 <= temperature < float("inf") for temperature in self.temperatures):
            raise ValueError(f"temperatures must be one or more numbers from 0 up, got {self.temperatures}")


NATIVE = WhisperOptions(
    no_repeat_ngram_sizes=(),
    temperatures=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    compression_ratio_threshold=2.4,
    word_times=False,
)
"""How openai-whisper decodes whole songs (`transcribe`)."""
