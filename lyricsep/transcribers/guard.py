"""Detection of hallucinated words.

Whisper falls into loops and writes credits over silence. Both can be detected: a loop compresses well, text over
silence lies where the vocals have no energy, and guesses have a low probability. Segments that repeat themselves are
decoded again; segments that remain doubtful are kept and flagged, never deleted, so that a person or a score decides.

A chorus is not a loop. It compresses too, but less, and every repetition is sung, so its words are no faster than
singing: only segments that repeat themselves more than refrains do are retried, and they are flagged only when they
are too fast to be sung.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.lyrics import INVENTED, NOT_SUNG, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.transcribers.base import WhisperOptions

FLAGS = {
    "loop": "the words repeat faster than they can be sung",
    "over-silence": "the vocals are silent here",
    "low-confidence": "the model has low confidence in the words",
    INVENTED: "these words are probably not sung",
    NOT_SUNG: "the words of the lyrics are not sung",
    "no-speech": "the model detects no speech",
}

# Fast rap reaches 8 syllables per second, lines of the tests' five songs stay below 4; a loop that fills Whisper's
# 224 tokens has more.
MAX_SYLLABLES_PER_SECOND = 9.0
LETTERS_PER_SYLLABLE = 2.5  # roughly, in the languages written with an alphabet

FRAME_LENGTH = 320  # samples
FRAME_DURATION = FRAME_LENGTH / 16_000  # seconds
ROUNDING = 1e-6  # frames; a time on a frame boundary belongs to the frame it starts
BREATH_FRAMES = 15  # 0.3 s; shorter silence is part of a word, longer silence is a pause
RELATIVE_LEVEL = 0.03  # of the loudest frame: -30 dB, well below the RMS-VAD's 0.1
ABSOLUTE_LEVEL = 10 ** (-55 / 20)  # full scale is 1; quieter than any intended voice


# The chance that a word is right, as a logistic function of its own logit and of the mean log-probability of its
# segment: fitted to the words of five songs (base, preset fast); `scripts/benchmark_doubt.py` fits it anew.
CONSTANT, PER_LOGIT, PER_LOGPROB = 1.64, 0.32, 4.6
SUREST = 0.999  # probability; beyond it, and below what is left of 1, probabilities say no more
DOUBTFUL = 0.5  # a line of which more than half of the words are expected to be wrong
# With a minute of their accompaniment in front, five songs get 2 lines there, both below it; of the 182 others, 1 is.
UNBELIEVABLE = 0.1


def confidence_of(probability: float, avg_logprob: float) -> float:
    """Return the chance that a word is right, 0 to 1.

    Parameters
    ----------
    probability : float
        Of its tokens according to the model, 0 to 1, which is too sure of itself.
    avg_logprob : float
        Mean natural log-probability of the tokens of its segment.
    """
    kept = min(max(probability, 1 - SUREST), SUREST)
    logit = CONSTANT + PER_LOGIT * math.log(kept / (1 - kept)) + PER_LOGPROB * avg_logprob
    return 1 / (1 + math.exp(-logit))


class Activity:
    """Where the vocals have energy, in frames of 20 ms.

    Parameters
    ----------
    vocals : ndarray, shape (n_samples,)
        float32 mono at 16 kHz.
    """

    def __init__(self, vocals: NDArray[np.float32]) -> None:
        n_frames = vocals.shape[-1] // FRAME_LENGTH
        frames = vocals[: n_frames * FRAME_LENGTH].reshape(n_frames, FRAME_LENGTH)
        level = np.sqrt(np.einsum("ij,ij->i", frames, frames) / FRAME_LENGTH)
        threshold = max(ABSOLUTE_LEVEL, RELATIVE_LEVEL * float(level.max(initial=0.0)))
        self._active = level >= threshold

    def share(self, start: float, end: float) -> float:
        """Return the fraction of frames between two times in seconds that have energy; 0 after the vocals' end."""
        frames = self._active[self._frames(start, end)]
        return float(frames.mean()) if frames.size else 0.0

    def trimmed(self, start: float, end: float, *, to_last: bool = False) -> tuple[float, float]:
        """Trim a span to a part of it that is sung without a pause; a silent span is returned unchanged.

        Parameters
        ----------
        start, end : float
            The span, in seconds.
        to_last : bool
            Keep the last such part; by default the first.
        """
        span = self._frames(start, end)
        active = span.start + np.flatnonzero(self._active[span])
        if not active.size:
            return start, end
        stretches = np.split(active, np.flatnonzero(np.diff(active) > BREATH_FRAMES) + 1)
        kept = stretches[-1 if to_last else 0]
        first, last = np.clip([kept[0] * FRAME_DURATION, (kept[-1] + 1) * FRAME_DURATION], start, end)
        return float(first), float(last)

    def _frames(self, start: float, end: float) -> slice:
        """Return the frames that overlap a span; at least one."""
        first = math.floor(start / FRAME_DURATION + ROUNDING)
        return slice(first, max(first + 1, math.ceil(end / FRAME_DURATION - ROUNDING)))


def compression_ratio(text: str) -> float:
    """Return the bytes of a text over those of its zlib compression (openai-whisper); 0 for the empty text."""
    content = text.encode()
    return len(content) / len(zlib.compress(content)) if content else 0.0


def is_accepted(text: str, avg_logprob: float, options: WhisperOptions) -> bool:
    """Return whether Whisper would keep a decoded segment: it is neither repetitive nor improbable."""
    return not repeats_itself(text, options) and avg_logprob >= options.logprob_threshold


def repeats_itself(text: str, options: WhisperOptions) -> bool:
    """Return whether a text compresses too well: a loop, or a chorus."""
    return compression_ratio(text) > options.compression_ratio_threshold


def flags_of(
    text: str, span: Segment, avg_logprob: float, no_speech_prob: float, activity: Activity, options: WhisperOptions
) -> tuple[str, ...]:
    """Return the reasons to doubt a decoded segment, in the order of `FLAGS`; empty if there are none.

    Parameters
    ----------
    text : str
        The decoded text.
    span : Segment
        The segment.
    avg_logprob, no_speech_prob : float
        As in `lyricsep.lyrics.Decoding`.
    activity : Activity
        Of the song's vocals.
    options : WhisperOptions
        The thresholds.
    """
    if not text:
        return ()
    guessed = avg_logprob < options.logprob_threshold
    share = activity.share(span.start, span.end)
    n_syllables = sum(map(str.isalpha, text)) / LETTERS_PER_SYLLABLE
    doubts = {
        "loop": repeats_itself(text, options) and n_syllables > MAX_SYLLABLES_PER_SECOND * share * span.duration,
        "over-silence": share == 0,
        "low-confidence": guessed,
        "no-speech": guessed and no_speech_prob > options.no_speech_threshold,
    }
    return tuple(flag for flag in FLAGS if doubts.get(flag))
