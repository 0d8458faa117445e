"""The guard: loops and choruses, silence and song, doubt, and that doubt deletes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Segment
from lyricsep.transcribers import WhisperOptions
from lyricsep.transcribers.guard import FLAGS, Activity, compression_ratio, confidence_of, flags_of, is_accepted

OPTIONS = WhisperOptions()
PHRASE = "I want to hold your hand tonight"
RNG = np.random.default_rng(0)


def sung(*spans: tuple[float, float], duration: float = 30.0, level: float = 0.1) -> Activity:
    """Vocals with noise at `level` in the spans, silence elsewhere."""
    vocals = np.zeros(round(duration * 16_000), np.float32)
    for start, end in spans:
        first, last = round(start * 16_000), round(end * 16_000)
        vocals[first:last] = level * RNG.standard_normal(last - first)
    return Activity(vocals)


def flags(
    text: str, span: Segment, activity: Activity, *, logprob: float = -0.3, silence: float = 0.1, options=OPTIONS
):
    return flags_of(text, span, logprob, silence, activity, options)


ALL_SUNG = sung((0, 30))


def test_a_loop_is_flagged() -> None:
    loop = " ".join([PHRASE] * 60)
    assert flags(loop, Segment(0, 10), ALL_SUNG) == ("loop",)


def test_a_chorus_is_not_a_loop() -> None:
    chorus = ", ".join([PHRASE] * 4)
    assert compression_ratio(chorus) > OPTIONS.compression_ratio_threshold, "Whisper would call it one"
    assert flags(chorus, Segment(0, 20), ALL_SUNG) == ()


def test_a_chorus_over_a_short_shout_is_a_loop() -> None:
    chorus = ", ".join([PHRASE] * 4)
    assert flags(chorus, Segment(0, 20), sung((3, 4))) == ("loop",)


def test_the_loop_threshold_is_an_option() -> None:
    chorus = " ".join([PHRASE] * 60)
    assert flags(chorus, Segment(0, 10), ALL_SUNG, options=WhisperOptions(compression_ratio_threshold=99.0)) == ()


def test_text_over_silent_vocals_is_flagged() -> None:
    assert flags("Thanks for watching!", Segment(10, 20), sung((0, 9), (21, 30))) == ("over-silence",)
    assert flags("Thanks for watching!", Segment(10, 20), sung((0, 9), (19, 30))) == ()


def test_text_over_a_silent_song_is_flagged() -> None:
    assert flags("Thanks for watching!", Segment(0, 20), Activity(np.zeros(480_000, np.float32))) == ("over-silence",)


@pytest.mark.parametrize(
    ("logprob", "silence", "expected"),
    [
        (-0.99, 0.9, ()),
        (-1.0, 0.9, ()),
        (-1.01, 0.1, ("low-confidence",)),
        (-1.01, 0.6, ("low-confidence",)),
        (-1.01, 0.61, ("low-confidence", "no-speech")),
    ],
)
def test_doubt(logprob, silence, expected) -> None:
    assert flags("la", Segment(0, 5), ALL_SUNG, logprob=logprob, silence=silence) == expected


def test_doubts_thresholds_are_options() -> None:
    options = WhisperOptions(logprob_threshold=-0.2, no_speech_threshold=0.05)
    assert flags("la", Segment(0, 5), ALL_SUNG, options=options) == ("low-confidence", "no-speech")


@given(st.text(max_size=50), st.floats(-5, 0), st.floats(0, 1), st.floats(0, 40), st.floats(0, 30))
def test_flags_are_known_ordered_and_none_without_text(text, logprob, silence, start, length) -> None:
    found = flags(text, Segment(start, start + length), ALL_SUNG, logprob=logprob, silence=silence)
    assert [flag for flag in FLAGS if flag in found] == list(found)
    assert text or not found


@pytest.mark.parametrize(
    ("text", "logprob", "accepted"),
    [
        ("a line that is sung once", -0.5, True),
        ("a line that is sung once", -1.0, True),
        ("a line that is sung once", -1.1, False),
        (" ".join([PHRASE] * 60), -0.1, False),
        ("", -0.1, True),
    ],
)
def test_accepted_as_whisper_does(text, logprob, accepted) -> None:
    assert is_accepted(text, logprob, OPTIONS) is accepted


@given(st.text(max_size=300))
def test_compression_ratio_is_whispers(text) -> None:
    from whisper.utils import compression_ratio as whispers

    assert compression_ratio(text) == pytest.approx(whispers(text) if text else 0.0)


@pytest.mark.parametrize(
    ("start", "end", "share"),
    [(0, 10, 0.5), (2, 3, 0.0), (5, 6, 1.0), (4.5, 5.5, 0.5), (5.001, 5.002, 1.0), (5.0, 5.0, 1.0), (40, 50, 0.0)],
)
def test_share(start, end, share) -> None:
    assert sung((5, 10)).share(start, end) == pytest.approx(share)


def test_quiet_vocals_count_by_their_own_loudest_but_hiss_does_not() -> None:
    assert sung((5, 10), level=0.01).share(5, 10) == 1.0
    assert sung((5, 10), level=0.0005).share(5, 10) == 0.0


@pytest.mark.parametrize(
    ("span", "to_last", "kept"),
    [
        # Silence goes off both ends.
        ((4.0, 7.0), False, (5.0, 6.0)),
        ((4.0, 7.0), True, (5.0, 6.0)),
        ((5.2, 5.4), False, (5.2, 5.4)),
        # All silence stays.
        ((1.0, 3.0), True, (1.0, 3.0)),
        ((50.0, 60.0), False, (50.0, 60.0)),
        # 10.0 to 10.4, a breath, 10.6 to 11.0, a pause, 12.0 to 12.5: two stretches.
        ((9.0, 14.0), False, (10.0, 11.0)),
        ((9.0, 14.0), True, (12.0, 12.5)),
    ],
)
def test_trimmed(span, to_last, kept) -> None:
    activity = sung((5, 6), (10, 10.4), (10.6, 11), (12, 12.5))
    assert activity.trimmed(*span, to_last=to_last) == pytest.approx(kept)


@pytest.mark.parametrize(("gap", "is_one"), [(0.28, True), (0.30, False), (0.32, False)])
def test_a_breath_is_shorter_than_a_pause(gap, is_one) -> None:
    end = 6 + gap + 1
    kept = sung((5, 6), (6 + gap, end)).trimmed(5, 9)
    assert kept == pytest.approx((5, end if is_one else 6))


SPRINKLED = Activity((RNG.random(1500).repeat(320) > 0.7).astype(np.float32))


@given(st.integers(0, 3200) | st.floats(0, 32), st.integers(0, 100) | st.floats(0, 3), st.booleans())
def test_trimmed_stays_inside(start, length, to_last) -> None:
    # Whole numbers are hundredths, where times meet the edges of frames.
    start = start / 100 if isinstance(start, int) else start
    end = start + (length / 100 if isinstance(length, int) else length)
    first, last = SPRINKLED.trimmed(start, end, to_last=to_last)
    assert start <= first <= last <= end
    if SPRINKLED.share(start, end) > 0 and last > first:
        assert SPRINKLED.share(first, last) > 0


def test_vocals_shorter_than_a_frame() -> None:
    activity = Activity(np.ones(100, np.float32))
    assert activity.share(0, 1) == 0.0
    assert activity.trimmed(0, 0.005) == (0, 0.005)


@pytest.mark.parametrize(
    ("probability", "avg_logprob", "chance"),
    [(0.9, -0.2, 0.806), (0.9, -0.6, 0.397), (0.3, -0.2, 0.610), (0.3, -0.6, 0.199), (1.0, 0.0, 0.979)],
)
def test_a_word_is_less_likely_to_be_right_than_the_model_thinks(probability, avg_logprob, chance) -> None:
    assert confidence_of(probability, avg_logprob) == pytest.approx(chance, abs=0.001)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-5, 0))
def test_a_more_probable_word_is_more_likely_to_be_right(first, second, avg_logprob) -> None:
    low, high = sorted((first, second))
    assert 0 <= confidence_of(low, avg_logprob) <= confidence_of(high, avg_logprob) <= 1
    assert confidence_of(first, avg_logprob) <= confidence_of(first, 0.0)
