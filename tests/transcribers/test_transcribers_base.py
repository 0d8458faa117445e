"""Options and jobs: what is refused, and that it says why."""

from __future__ import annotations

import numpy as np
import pytest

from lyricsep.lyrics import Segment
from lyricsep.transcribers import Clips, WhisperOptions

SECOND = np.zeros(16_000, np.float32)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"beam_size": 0}, "must be at least 1"),
        ({"best_of": 0}, "must be at least 1"),
        ({"batch_size": 0}, "must be at least 1"),
        ({"mix_back": 1.1}, "mix_back must be a number from 0 to 1, got 1.1"),
        ({"mix_back": -0.1}, "mix_back"),
        ({"mix_back": float("nan")}, "mix_back"),
        ({"no_repeat_ngram_sizes": (8, 1)}, r"no_repeat_ngram_sizes must be at least 2 each, got \(8, 1\)"),
        ({"temperatures": ()}, r"temperatures must be one or more numbers from 0 up, got \(\)"),
        ({"temperatures": (0.0, -0.2)}, "temperatures"),
        ({"temperatures": (float("nan"),)}, "temperatures"),
        ({"temperatures": (0.0, float("nan"))}, "temperatures"),
    ],
)
def test_options_out_of_range(options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        WhisperOptions(**options)


@pytest.mark.parametrize(
    ("mixture", "vocals"),
    [
        (SECOND, SECOND[:-1]),
        (SECOND.astype(np.float64), SECOND.astype(np.float64)),
        (SECOND[None], SECOND[None]),
        (SECOND, SECOND.astype(np.float64)),
    ],
)
def test_signals_that_do_not_fit_together(mixture, vocals) -> None:
    with pytest.raises(ValueError, match=r"mixture and vocals are float32 of one shape \(n_samples,\), got float"):
        Clips(mixture, vocals, None)


def test_a_segment_that_whisper_cannot_hear_at_once() -> None:
    long = np.zeros(40 * 16_000, np.float32)
    with pytest.raises(ValueError, match=r"a segment lasts at most 30 s, got 30\.00"):
        Clips(long, long, [Segment(0.0, 1.0), Segment(2.0, 32.001)])


@pytest.mark.parametrize("start", [0.0, 0.1, 1 / 3, 0.5 / 16_000, 3.5 / 16_000])
def test_half_a_minute_is_half_a_minute_wherever_it_starts(start, fake) -> None:
    """No rounding of its ends may make it a sample too long."""
    from lyricsep.transcribers.whisper import WhisperTranscriber

    long = np.zeros(41 * 16_000, np.float32)
    for end in (start + 30, np.nextafter(start + 30, 99.0)):
        job = Clips(long, long, [Segment(start, end)], "en")
        (lyrics,) = WhisperTranscriber(fake(), WhisperOptions(mix_back=0.0)).transcribe([job])
        assert len(lyrics.decodings) == 1
