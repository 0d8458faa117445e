"""Separation scores: known answers, and the mistakes that must show (sign, order, gain, delay)."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lyricsep.audio import Audio, resample
from lyricsep.errors import AudioError, ConfigError
from lyricsep.scoring.separation import METRICS, SeparationScore, available_metrics, score_separation

RATE = 8000
PLAIN = ("si_sdr", "sdr", "bss_sdr")

needs_auraloss = pytest.mark.skipif("mr_stft" not in available_metrics(), reason="the extra `quality` is missing")


def audio(samples: NDArray[np.floating], rate: int = RATE) -> Audio:
    """Samples of shape (n_samples,) or (channels, n_samples)."""
    return Audio(torch.from_numpy(np.atleast_2d(samples).astype(np.float32)), rate)


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> NDArray[np.float64]:
    return level * np.random.default_rng(seed).standard_normal(shape)


def orthogonal(samples: NDArray[np.float64], seed: int = 1) -> NDArray[np.float64]:
    """Noise of the same energy that holds nothing of the samples."""
    other = noise(*samples.shape, seed=seed)
    other -= samples * np.vdot(samples, other) / np.vdot(samples, samples)
    return other * np.sqrt(np.vdot(samples, samples) / np.vdot(other, other))


@pytest.mark.parametrize("level_db", [-20.0, 0.0, 6.5, 40.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_noise_of_a_known_level(level_db: float, channels: int) -> None:
    s = noise(channels, RATE)
    score = score_separation(audio(s), audio(s + orthogonal(s) * 10 ** (-level_db / 20)), PLAIN)
    # More signal than error is positive.
    assert score.si_sdr == pytest.approx(level_db, abs=1e-3)
    assert score.sdr == pytest.approx(level_db, abs=1e-3)
    assert score.bss_sdr == pytest.approx(level_db, abs=1e-3)
    assert score.mr_stft is None


@pytest.mark.parametrize(
    ("gain", "sdr"), [(2.0, 0.0), (0.5, 20 * math.log10(2)), (0.9, 20.0), (-1.0, -20 * math.log10(2))]
)
def test_gain_is_an_error_of_sdr_alone(gain: float, sdr: float) -> None:
    s = noise(1, RATE)
    score = score_separation(audio(s), audio(gain * s), PLAIN)
    assert score.sdr == pytest.approx(sdr, abs=1e-4)
    assert score.bss_sdr == pytest.approx(sdr, abs=1e-4)
    # Only the rounding of 32 bit is left.
    assert score.si_sdr is not None
    assert score.si_sdr > 130


def test_si_sdr_of_the_paper() -> None:
    """Le Roux et al.: for s_hat = s + n, SI-SDR is cot^2 of the angle between s and s_hat."""
    s, s_hat = np.array([1.0, 2.0, -1.0, 0.5]), np.array([0.5, 2.5, -1.5, 1.0])
    # <s, s_hat> = 7.5, ||s||^2 = 6.25, ||s_hat||^2 = 9.75: a target of 9, an error of 0.75; s - s_hat: 4 * 0.25.
    score = score_separation(audio(s), audio(s_hat), PLAIN)
    assert score.si_sdr == pytest.approx(10 * math.log10(9 / 0.75))
    assert score.sdr == pytest.approx(10 * math.log10(6.25 / 1))
    assert score.bss_sdr == score.sdr  # shorter than a frame: the whole is one


def test_a_mean_is_not_removed() -> None:
    s = noise(1, RATE)
    offset = np.sqrt(np.mean(s**2))
    assert score_separation(audio(s), audio(s + offset), ["si_sdr"]).si_sdr == pytest.approx(0, abs=0.1)


def test_channels_share_one_gain() -> None:
    s = noise(2, RATE)
    s[1] *= np.linalg.norm(s[0]) / np.linalg.norm(s[1])
    # A voice that left one side: the best common gain is 1/2, target and error are of one energy.
    score = score_separation(audio(s), audio(s * [[1.0], [0.0]]), PLAIN)
    assert score.si_sdr == pytest.approx(0, abs=1e-4)
    assert score.sdr == pytest.approx(10 * math.log10(2), abs=1e-4)


@pytest.mark.parametrize("frequency", [200.0, 1000.0])
def test_one_sample_of_delay_shows(frequency: float) -> None:
    clock = np.arange(RATE + 1) / RATE
    tone = 0.5 * np.sin(2 * np.pi * frequency * clock)
    score = score_separation(audio(tone[1:]), audio(tone[:-1]), PLAIN)
    # |1 - exp(-j w)| = 2 sin(w / 2), and the angle between the two is w.
    w = 2 * np.pi * frequency / RATE
    assert score.sdr == pytest.approx(-20 * math.log10(2 * math.sin(w / 2)), abs=1e-3)
    assert score.si_sdr == pytest.approx(-20 * math.log10(math.tan(w)), abs=1e-3)
    voice = noise(1, RATE + 1)
    late = score_separation(audio(voice[:, 1:]), audio(voice[:, :-1]), PLAIN)
    assert late.sdr == pytest.approx(-3.01, abs=0.2)
    assert late.si_sdr is not None
    assert late.si_sdr < -20


def test_frames_of_one_second_and_their_median() -> None:
    s = noise(1, 6 * RATE - 1)
    levels = [10.0, 60.0, 20.0, 33.0, 15.0]
    s_hat = s.copy()
    for frame, level in enumerate(levels):
        span = slice(frame * RATE, (frame + 1) * RATE)
        s_hat[:, span] *= 1 + 10 ** (-level / 20)
    s_hat[:, 5 * RATE :] = -s[:, 5 * RATE :]  # a sample short of a frame
    assert score_separation(audio(s), audio(s_hat), ["bss_sdr"]).bss_sdr == pytest.approx(20, abs=1e-3)
    # Two frames to the sample: both count.
    two = [audio(x[:, : 2 * RATE]) for x in (s, s_hat)]
    assert score_separation(*two, ["bss_sdr"]).bss_sdr == pytest.approx(35, abs=1e-3)
    silenced = s_hat.copy()
    silenced[:, 2 * RATE : 3 * RATE] = 0  # the estimate is silent: 10, 15, 33, 60 are left
    assert score_separation(audio(s), audio(silenced), ["bss_sdr"]).bss_sdr == pytest.approx(24, abs=1e-3)
    paused = s.copy()
    paused[:, 1 * RATE : 2 * RATE] = 0  # the reference is: 10, 15, 20, 33
    assert score_separation(audio(paused), audio(s_hat), ["bss_sdr"]).bss_sdr == pytest.approx(17.5, abs=1e-3)


def framed_example() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s = noise(2, 5 * RATE + RATE // 2, seed=2)
    levels = np.repeat([0.01, 0.05, 0.02, 0.1, 0.03, 0.2], RATE)[: s.shape[1]]
    s_hat = s + noise(*s.shape, seed=3, level=1) * levels
    s[:, 2 * RATE : 3 * RATE] = 0
    return s.astype(np.float32).astype(np.float64), s_hat.astype(np.float32).astype(np.float64)


def test_bss_sdr_is_what_museval_gave() -> None:
    s, s_hat = framed_example()
    # museval 0.4.1, by frames: 20.0076, 6.0564, NaN, 0.0173, 10.4533.
    score = score_separation(audio(s), audio(s_hat), ["bss_sdr"])
    assert score.bss_sdr == pytest.approx(8.254838543, abs=1e-6)


@needs_auraloss
def test_mr_stft_of_a_gain() -> None:
    s = noise(2, RATE, level=1)
    # ||2 s - s|| / ||s|| + |log 2|; exchanged, the first is a half.
    louder = score_separation(audio(s), audio(2 * s), ["mr_stft"])
    assert louder.mr_stft == pytest.approx(1 + math.log(2), abs=0.01)
    assert score_separation(audio(2 * s), audio(s), ["mr_stft"]).mr_stft == pytest.approx(0.5 + math.log(2), abs=0.01)
    assert (louder.si_sdr, louder.sdr, louder.bss_sdr) == (None, None, None)
    assert score_separation(audio(s), audio(s), ["mr_stft"]).mr_stft == 0
    # Magnitudes have no sign.
    assert score_separation(audio(s), audio(-s), ["mr_stft"]).mr_stft == pytest.approx(0, abs=1e-5)


@needs_auraloss
def test_mr_stft_is_the_librarys() -> None:
    from auraloss.freq import MultiResolutionSTFTLoss

    sizes = [256, 512, 1024, 2048, 4096]
    published = MultiResolutionSTFTLoss(
        fft_sizes=sizes,
        hop_sizes=[64, 128, 256, 512, 1024],
        win_lengths=sizes,
        sample_rate=44100,
        perceptual_weighting=True,
    )
    s, s_hat = audio(noise(2, 44100), 44100), audio(noise(2, 44100, seed=1), 44100)
    channels = [published(s_hat.samples[None, [i]], s.samples[None, [i]]).item() for i in (0, 1)]
    assert score_separation(s, s_hat, ["mr_stft"]).mr_stft == pytest.approx(np.mean(channels), rel=1e-5)


@needs_auraloss
def test_mr_stft_of_silence_and_of_nearly_nothing() -> None:
    s = noise(2, RATE)
    one_sided = s * [[1.0], [0.0]]
    only = score_separation(audio(s[0]), audio(2 * s[0]), ["mr_stft"]).mr_stft
    assert score_separation(audio(one_sided), audio(2 * s), ["mr_stft"]).mr_stft == pytest.approx(only)
    mute = score_separation(audio(s), audio(0 * s), ["mr_stft"]).mr_stft
    assert mute is not None
    assert 1 < mute < 100
    for reference in (0 * s, s[:, :2048], s[:, :0]):
        value = score_separation(audio(reference), audio(reference), ["mr_stft"]).mr_stft
        assert value is not None
        assert math.isnan(value)
    assert score_separation(audio(s[:, :2049]), audio(s[:, :2049]), ["mr_stft"]).mr_stft == 0


def test_silence_has_defined_answers() -> None:
    s = audio(noise(2, 2 * RATE))
    mute = audio(np.zeros((2, 2 * RATE)))
    missed = score_separation(s, mute, PLAIN)
    assert (missed.si_sdr, missed.sdr) == (-math.inf, 0.0)
    assert missed.bss_sdr is not None
    assert math.isnan(missed.bss_sdr)
    for estimate in (s, mute):
        score = score_separation(mute, estimate, PLAIN)
        assert all(math.isnan(getattr(score, name)) for name in PLAIN)
    empty = audio(np.zeros((1, 0)))
    assert all(math.isnan(getattr(score_separation(empty, empty, PLAIN), name)) for name in PLAIN)


def test_the_reference_itself_scores_infinity() -> None:
    s = audio(noise(2, 2 * RATE))
    assert score_separation(s, s, PLAIN) == SeparationScore(math.inf, math.inf, math.inf)


def test_documents_are_json() -> None:
    assert SeparationScore(1.5, math.nan, math.inf).as_document() == {"si_sdr": 1.5, "sdr": None, "bss_sdr": "inf"}
    assert SeparationScore(-math.inf).as_document() == {"si_sdr": "-inf"}
    assert SeparationScore().as_document() == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    s = noise(1, 100)
    broken = s.copy()
    broken[0, 50] = bad
    with pytest.raises(AudioError, match="the estimate has samples that are not finite"):
        score_separation(audio(s), audio(broken), PLAIN)
    with pytest.raises(AudioError, match="the reference has samples that are not finite"):
        score_separation(audio(broken), audio(s), PLAIN)


def test_lengths_differ_at_the_end_alone() -> None:
    s = noise(1, 2 * RATE)
    within, beyond = round(0.1 * RATE), round(0.1 * RATE) + 1
    tail = noise(1, beyond, seed=5)
    # What is too much is cut off behind, on either side, ...
    longer = np.concatenate([s, tail[:, :within]], axis=1)
    assert score_separation(audio(s), audio(longer), ["sdr"]).sdr == math.inf
    assert score_separation(audio(longer), audio(s), ["sdr"]).sdr == math.inf
    # ... never before: that would be a delay.
    late = np.concatenate([tail[:, :1], s], axis=1)
    assert score_separation(audio(s), audio(late), ["sdr"]).sdr == pytest.approx(-3.01, abs=0.2)
    with pytest.raises(AudioError, match=r"the reference lasts 2\.00 s and the estimate 2\.10 s, .* within 0\.1 s"):
        score_separation(audio(s), audio(np.concatenate([s, tail], axis=1)), ["sdr"])
    with pytest.raises(AudioError, match=r"the reference lasts 2\.00 s and the estimate 1\.00 s"):
        score_separation(audio(s), audio(s[:, :RATE]), ["sdr"])


@pytest.mark.parametrize(("rate", "other"), [(44100, 48000), (48000, 44100), (16000, 44100)])
def test_rates_are_matched_without_a_delay(rate: int, other: int) -> None:
    clock = np.arange(2 * rate) / rate
    window = np.hanning(len(clock))
    s = audio(window * (np.sin(2 * np.pi * 440 * clock) + np.sin(2 * np.pi * 3001 * clock)) / 2, rate)
    estimate = Audio(resample(s.samples, rate, other), other)
    score = score_separation(s, estimate, PLAIN)
    # A delay of one sample at 48 kHz would leave 11 dB of the tone at 3 kHz.
    assert score.sdr is not None
    assert score.sdr > 60


def test_mono_and_stereo_are_compared_as_mono() -> None:
    left, right = noise(2, RATE)
    stereo, mono = audio(np.stack([left, right])), audio((left + right) / 2)
    for reference, estimate in ((mono, stereo), (stereo, mono)):
        score = score_separation(reference, estimate, PLAIN)
        assert score.sdr is not None
        assert score.sdr > 130
    # Two of two channels are not: exchanged sides are an error.
    assert score_separation(stereo, audio(np.stack([right, left])), ["sdr"]).sdr == pytest.approx(-3.01, abs=0.2)


def test_metrics_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    s = audio(noise(1, RATE))
    with pytest.raises(ValueError, match="expected metrics among si_sdr, sdr, bss_sdr, mr_stft, got sir"):
        score_separation(s, s, ["sdr", "sir"])
    assert score_separation(s, s, []) == SeparationScore()
    monkeypatch.setitem(sys.modules, "auraloss.freq", None)
    with pytest.raises(ConfigError, match=r"mr_stft needs auraloss and scipy: pip install 'lyricsep\[quality\]'"):
        score_separation(s, s)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "auraloss" else name)
    assert available_metrics() == PLAIN
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert available_metrics() == METRICS


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    gain=st.floats(0.05, 20) | st.floats(-20, -0.05),
    level=st.floats(-30, 60),
    channels=st.integers(1, 2),
)
def test_invariants(seed: int, gain: float, level: float, channels: int) -> None:
    s = noise(channels, 1200, seed=seed)
    s_hat = s + noise(*s.shape, seed=seed + 1) * 10 ** (-level / 20)
    score = score_separation(audio(s, 400), audio(s_hat, 400), PLAIN)
    assert score.si_sdr is not None
    assert score.sdr is not None
    assert score.bss_sdr is not None
    # Gain and sign of the estimate change nothing.
    scaled = score_separation(audio(s, 400), audio(gain * s_hat, 400), PLAIN)
    assert scaled.si_sdr == pytest.approx(score.si_sdr, abs=1e-2)
    # What is common to both changes nothing.
    both = score_separation(audio(gain * s, 400), audio(gain * s_hat, 400), PLAIN)
    assert both.sdr == pytest.approx(score.sdr, abs=1e-2)
    assert both.bss_sdr == pytest.approx(score.bss_sdr, abs=1e-2)
    sides = score_separation(audio(s[::-1].copy(), 400), audio(s_hat[::-1].copy(), 400), PLAIN)
    assert sides.sdr == pytest.approx(score.sdr, abs=1e-6)
    # A third of the way to the reference is nearer.
    nearer = score_separation(audio(s, 400), audio(s_hat + (s - s_hat) / 3, 400), PLAIN)
    assert nearer.sdr == pytest.approx(score.sdr + 20 * math.log10(1.5), abs=1e-2)
