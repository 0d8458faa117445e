"""What a transcriber is: jobs in, lyrics out, many songs a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lyricsep.lyrics import Lyrics, Segment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NATIVE", "SAMPLE_RATE", "Job", "Transcriber", "WhisperOptions"]

SAMPLE_RATE = 16_000  # of every job, Whisper's own
MAX_SEGMENT = 30  # seconds that Whisper hears at once


@dataclass(frozen=True, eq=False)
class Job:
    """A song to transcribe.

    Parameters
    ----------
    mixture, vocals : ndarray, shape (n_samples,)
        The song and its vocals: float32 mono at `SAMPLE_RATE`, on one clock, equally long.
    segments : sequence of Segment or None
        The sung spans, each at most 30 s. None: the whole song, window by window as Whisper itself does.
    language : str or None
        As `lyricsep.languages.language_code` reads it; None lets the sung segments vote.
    on_progress : callable, optional
        Called with the share of the song that is decoded, 0 to 1.

    Raises
    ------
    ValueError
        If the signals are not two of a kind, or a segment is too long for Whisper.
    """

    mixture: NDArray[np.float32]
    vocals: NDArray[np.float32]
    segments: Sequence[Segment] | None
    language: str | None = None
    on_progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        """Refuse here what would stop a batch of many songs later."""
        kinds = [f"{signal.dtype} {signal.shape}" for signal in (self.mixture, self.vocals)]
        if kinds[0] != kinds[1] or kinds[0] != f"float32 ({len(self.mixture)},)":
            raise ValueError(f"mixture and vocals are float32 of one shape (n_samples,), got {' and '.join(kinds)}")
        longest = max((segment.duration for segment in self.segments or ()), default=0.0)
        if round(longest * SAMPLE_RATE) > MAX_SEGMENT * SAMPLE_RATE:
            raise ValueError(f"a segment lasts at most {MAX_SEGMENT} s, got {longest} s")


class Transcriber(Protocol):
    """Jobs in, lyrics out."""

    @property
    def name(self) -> str:
        """Backend and model, for people."""
        ...

    def transcribe(self, jobs: Iterable[Job]) -> Iterator[Lyrics]:
        """Yield the lyrics of each job, in order; segments of several jobs share a batch."""
        ...


@dataclass(frozen=True)
class WhisperOptions:
    """How Whisper decodes.

    Parameters
    ----------
    mix_back : float
        Share of the accompaniment mixed back into the vocals: 0 is the vocals alone, 1 the mixture.
    timestamps : bool
        Let the model write the time of every phrase between its words, and make those phrases the lines. Off, it
        writes words alone, which loops less; lines and their times then come from the alignment of the words.
        Whole songs always need them.
    beam_size : int
        Beams of the deterministic attempts; 1 is greedy.
    no_repeat_ngram_sizes : tuple of int
        A segment that repeats itself is decoded again, until it is accepted, by a beam search in which no so many
        tokens in a row come twice; for each of these sizes in turn, each at least 2. None of them: it is left.
    temperatures : tuple of float
        That of the first attempt, and those of more attempts where all sizes have failed. 0 is beam search; above
        it, `best_of` samples are drawn, and the most probable of those that pass is taken. (In whole songs, as
        published, all that fails is tried again, and the most probable of all samples is taken.)
    best_of : int
        Samples per segment at temperatures above 0.
    compression_ratio_threshold : float
        Text that compresses better than this repeats itself: a failure.
    logprob_threshold : float
        A mean log-probability of the tokens below this is a failure.
    no_speech_threshold : float
        With a log-probability below `logprob_threshold`, a probability of silence above this means silence.
    word_times : bool
        Find the time of every word also where lines do not need it: with `timestamps`, and in whole songs.
    batch_size : int
        Segments decoded together.
    seed : int
        Start of the random numbers of temperatures above 0.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    # Spleeter and Whisper base on the five Jam-ALT songs, pooled WER: 0.441 with 0.3, 0.467 with 0, 0.478 with 1
    # (then measured; `lyricsep benchmark lyricsep` measures anew).
    mix_back: float = 0.3
    # With timestamps Whisper base loops far more often on singing.
    timestamps: bool = False  # the reference implementation of the paper decodes its clips without, too
    beam_size: int = 5  # the paper, section 3
    # Loops survive the low temperatures of Whisper's own ladder (`NATIVE`), and 1 writes salad; what is drawn at 0.6
    # and 0.8 is no better than the most probable words without the loop, costs five times as much, and is chance.
    # Pooled WER of Whisper base on the five Jam-ALT songs, heard in 20 ways of which each loops somewhere, and
    # processor seconds of all retries: 48.6 without any; 46.2 and 46.5 (two seeds) and 190 with temperatures 0.6 and
    # 0.8; 46.0 and 26 with these sizes. With `timestamps`, in 3 ways: 77.7; 48.6 and 48.3 and 71; 48.0 and 31. All
    # that compresses beyond 2.4 was a loop there.
    no_repeat_ngram_sizes: tuple[int, ...] = (8, 3)
    temperatures: tuple[float, ...] = (0.0,)
    best_of: int = 5
    # Whisper's own 2.4 is made for speech: refrains reach 2.7, and come back misspelt where they may not repeat
    # themselves. WER of the 20 ways above with 2.4, 2.7 and 3: 45.95, 46.04 and 46.4; retries take 26, 9 and 6 s.
    compression_ratio_threshold: float = 2.7
    logprob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    word_times: bool = True
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
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
"""How Whisper itself decodes whole songs (openai-whisper `transcribe`)."""
