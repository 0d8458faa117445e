"""The level and the polarity of a song: the same signals at every level, as they are where it is ordinary."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import NONE, Fickle, tone
from torch import Tensor

from lyricsep.audio import Audio, Normalisation, load_audio, measured
from lyricsep.audio.normalising import SILENCE
from lyricsep.cli.plots import draw_song
from lyricsep.segmentation import RmsVadOptions
from lyricsep.separators import Mixture, Separator
from lyricsep.separators.stems import ExistingVocals
from lyricsep.session import Job, Outcome
from lyricsep.signals import find_vocal_segments, load_signals, recorded_options, save_stems

RATE = 16_000
EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """The example, float32 of shape (n_samples, 2), at 44.1 kHz."""
    return load_audio(EXAMPLE).samples.numpy().T


def write(path: Path, samples: np.ndarray, rate: int = 44_100) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def noise(decibels: float, duration: float = 20, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise of this RMS in dBFS."""
    return 10 ** (decibels / 20) * np.random.default_rng(seed).standard_normal(int(duration * rate))


def beats(decibels: float, duration: float = 20) -> np.ndarray:
    """Noise that is 6 dB softer in two of three halves of a second."""
    sound = noise(decibels, duration)
    return sound * np.where(np.arange(len(sound)) // (RATE // 2) % 3, 0.5, 1.0)


def gain_of(samples: np.ndarray, rate: int = RATE) -> float:
    block = torch.from_numpy(np.atleast_2d(samples.T).astype(np.float32))
    return measured([block], rate).normalisation.gain


# --- level --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decibels", [-29, -20, -14, -6, -1])
def test_an_ordinary_level_is_left_alone(decibels: float) -> None:
    assert gain_of(noise(decibels)) == 1


@pytest.mark.parametrize("decibels", [-86, -60, -40, -31, 1, 30, 90, 180])
def test_any_other_level_becomes_that_of_a_master(decibels: float) -> None:
    gain = gain_of(beats(decibels))
    assert math.log2(gain) == round(math.log2(gain)), "a power of two"
    assert decibels + 20 * math.log10(gain) == pytest.approx(-14, abs=3.3)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.zeros(0),
        noise(-90),
        beats(-90),
        noise(-80),
        noise(-50),
        np.round(np.random.default_rng(0).triangular(-1, 0, 1, 20 * RATE)) / 2**15,
        np.full(RATE, np.nan),
    ],
    ids=["zeros", "empty", "dither", "faint", "hiss", "louder hiss", "16 bits", "NaN"],
)
def test_silence_and_hiss_are_not_amplified(samples: np.ndarray) -> None:
    assert gain_of(samples) == 1


@pytest.mark.parametrize("duration", [10, 200])
@pytest.mark.parametrize("level", [-60.0, -40.0])
def test_a_pop_and_a_short_intro_do_not_set_the_level(duration: float, level: float) -> None:
    samples = beats(level, duration)
    expected = gain_of(samples)
    assert expected > 1
    samples[100] = 1.0
    samples[int(0.3 * RATE * duration) :][: int(0.06 * RATE * duration)] = noise(-10, 0.06 * duration)
    assert gain_of(samples) == expected
    silent = np.zeros(duration * RATE)
    silent[5000:5010] = 1.0
    assert gain_of(silent) == 1


def test_pauses_do_not_set_the_level() -> None:
    """A voice memo: somebody speaks a fifth of the time."""
    memo = noise(-70, 60)
    memo[20 * RATE : 32 * RATE] += noise(-25, 12, seed=1)
    assert gain_of(memo) == 1


def test_a_gain_is_undone_to_the_last_bit() -> None:
    block = torch.from_numpy(noise(-60, 1).astype(np.float32)).reshape(2, -1)
    for normalisation in (Normalisation(128.0, (1, -1)), Normalisation(2.0**-100), Normalisation()):
        assert torch.equal(normalisation.undo(normalisation.apply(block)), block)
    assert Normalisation().apply(block) is block
    assert Normalisation(2.0, (1, -1)).inverted((-1, -1)) == Normalisation(2.0, (-1, 1))


@pytest.mark.parametrize("decibels", [-60.0, -40.0, 30.0, 90.0])
def test_a_song_has_the_same_signals_and_segments_at_every_level(
    tmp_path: Path, song: np.ndarray, decibels: float
) -> None:
    ordinary = load_signals(EXAMPLE, NONE)
    moved = load_signals(write(tmp_path / "moved.wav", song * np.float32(10 ** (decibels / 20))), NONE)
    assert ordinary.gain == 1
    assert 20 * math.log10(moved.gain) == pytest.approx(-decibels, abs=3.1)
    scale = moved.gain * 10 ** (decibels / 20)
    np.testing.assert_allclose(moved.vocals, ordinary.vocals * np.float32(scale), atol=1e-6)
    options = RmsVadOptions()
    expected, found = (find_vocal_segments(signals, options) for signals in (ordinary, moved))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.033)


def test_levels_that_differ_by_powers_of_two_give_the_same_bits(tmp_path: Path, song: np.ndarray) -> None:
    paths = [write(tmp_path / f"{power}.wav", song * np.float32(2.0**power)) for power in (-10, -7, 5, 20)]
    first, *others = (load_signals(path, Fickle()) for path in paths)
    for other in others:
        np.testing.assert_array_equal(other.mixture, first.mixture)
        np.testing.assert_array_equal(other.vocals, first.vocals)


@pytest.mark.parametrize("n_bits", [16, 24, 32])
def test_integers_stored_as_floats_are_sound(tmp_path: Path, n_bits: int) -> None:
    path = write(tmp_path / "unscaled.wav", tone(2, amplitude=2.0 ** (n_bits - 1) - 1), RATE)
    signals = load_signals(path, NONE)
    assert np.abs(signals.mixture).max() == pytest.approx(0.2, rel=0.45)


@pytest.mark.parametrize("name", ["quiet-float/q40.wav", "integer-scale-float/f.wav"])
def test_the_cases_reach_the_level_of_a_master(shared: Path, name: str) -> None:
    signals = load_signals(shared / "cases" / name, NONE)
    assert 10 * np.log10(np.mean(signals.mixture**2)) == pytest.approx(-17, abs=4)


@pytest.mark.parametrize("decibels", [-60.0, 0.0, 90.0])
def test_vocals_are_saved_at_the_level_of_the_song(tmp_path: Path, song: np.ndarray, decibels: float) -> None:
    path = write(tmp_path / "song.wav", song * np.float32(10 ** (decibels / 20)))
    save_stems(path, {"vocals": tmp_path / "vocals.wav"}, Fickle())
    assert torch.equal(load_audio(tmp_path / "vocals.wav").samples, load_audio(path).samples / 2)
    audio = load_audio(path)
    assert torch.equal(Fickle().separate(audio).samples, audio.samples / 2), "in memory as well"


def test_vocals_of_a_file_get_the_gain_of_the_song(tmp_path: Path) -> None:
    mixture, vocals = beats(-50), noise(-80, seed=1)
    path = write(tmp_path / "song.wav", mixture, RATE)
    write(tmp_path / "song.vocals.wav", vocals, RATE)
    signals = load_signals(path, ExistingVocals())
    np.testing.assert_allclose(signals.vocals, (vocals * signals.gain).astype(np.float32), rtol=1e-6)
    assert signals.gain == 64


@pytest.mark.parametrize("decibels", [-40.0, 0.0, 60.0])
def test_plots_show_the_level_of_the_file(
    tmp_path: Path, song: np.ndarray, decibels: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []
    monkeypatch.setattr("lyricsep.reports.song_plots.plot_song", lambda path, *signals, **rest: shown.extend(signals))
    monkeypatch.setattr("lyricsep.reports.song_plots.plot_spectrograms", lambda *arguments, **rest: None)
    path = write(tmp_path / "song.wav", song * np.float32(10 ** (decibels / 20)))
    signals = load_signals(path, NONE)
    outcome = Outcome(Job(path), signals=signals)
    draw_song([tmp_path / "a.svg", tmp_path / "b.svg"], outcome, RmsVadOptions(), "song", overwrite=False)
    whole = load_signals(EXAMPLE, NONE).mixture * 10 ** (decibels / 20)
    for signal in shown:
        np.testing.assert_allclose(signal, whole, rtol=1e-3, atol=1e-5 * np.abs(whole).max())
    floor = recorded_options(signals, RmsVadOptions()).floor_db
    assert floor == pytest.approx(min(0.0, -40 + decibels), abs=3.1)


def test_the_floor_of_silence_is_between_dither_and_a_song_turned_down_by_60_db() -> None:
    assert -96 < SILENCE < -17 - 60


# --- polarity -----------------------------------------------------------------------------------------------------


class Opposite(Separator):
    """Finds a voice that has opposite phases in both channels, until one of them is inverted."""

    name = "opposite"

    def __init__(self, voice: np.ndarray) -> None:
        self.voice = torch.from_numpy(voice.astype(np.float32))
        self.n_songs = 0

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        self.n_songs += 1
        list(mixture.blocks)
        yield torch.stack([self.voice, self.voice if mixture.normalisation.polarity else -self.voice])


def test_channels_in_opposite_phase_are_mixed_by_their_difference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = tone(4)
    path = write(tmp_path / "opposite.wav", np.stack([left, -left], axis=1), RATE)
    signals = load_signals(path, NONE)
    np.testing.assert_allclose(signals.mixture, left, atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its channels have opposite phases; one was inverted, since they cancel each other in mono"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    save_stems(path, {"vocals": tmp_path / "vocals.wav"}, Fickle())
    assert torch.equal(load_audio(tmp_path / "vocals.wav").samples, load_audio(path).samples / 2), "as the song"


def test_the_antiphase_case_is_heard(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = shared / "cases" / "antiphase" / "antiphase.flac"
    signals = load_signals(path, NONE)
    assert 10 * np.log10(np.mean(signals.mixture**2)) == pytest.approx(-19, abs=2)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its channels have opposite phases; one was inverted, since they cancel each other in mono"
    ]


def test_a_voice_in_opposite_phase_is_separated_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    voice, band = tone(4, amplitude=0.3), noise(-16, 4)
    path = write(tmp_path / "voice.wav", np.stack([band + voice, band - voice], axis=1), RATE)

    separator = Opposite(voice)
    signals = load_signals(path, separator)
    assert separator.n_songs == 2
    np.testing.assert_allclose(signals.vocals, voice, atol=1e-6)
    np.testing.assert_allclose(signals.mixture, band, atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its vocals have opposite phases in its channels; one was inverted, since they cancel each other in "
        "mono"
    ]


def test_faint_vocals_in_opposite_phase_are_no_voice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "band.wav", np.stack([noise(-16, 4), noise(-16, 4)], axis=1), RATE)

    separator = Opposite(noise(-42, 4))
    load_signals(path, separator)
    assert (separator.n_songs, caplog.records) == (1, [])


@pytest.mark.parametrize(
    "channels",
    [
        [noise(-16), noise(-16, seed=1)],
        [noise(-16) + 0.5 * noise(-16, seed=1), noise(-16) - 0.5 * noise(-16, seed=1)],
        [noise(-16) + 0.7 * noise(-16, seed=1), noise(-16) - 1.2 * noise(-16, seed=1)],
        [noise(-16), 0 * noise(-16)],
        [noise(-16)],
        [noise(-16), noise(-16), noise(-16, seed=1), 0 * noise(-16), noise(-26, seed=2), noise(-26, seed=3)],
    ],
    ids=["two rooms", "wide", "wider", "one side", "mono", "5.1"],
)
def test_ordinary_stereo_is_left_alone(channels: list[np.ndarray]) -> None:
    block = torch.from_numpy(np.stack(channels).astype(np.float32))
    assert measured([block], RATE).normalisation == Normalisation()


def test_five_songs_and_the_example_are_left_alone(shared: Path) -> None:
    songs = sorted(shared.glob("jam-alt/subsets/*/audio/*.mp3"))
    assert len(songs) == 5
    for path in [*songs, EXAMPLE]:
        audio = load_audio(path)
        assert measured([audio.samples], audio.sample_rate).normalisation == Normalisation(), path


def test_only_the_channels_that_oppose_the_loudest_are_inverted() -> None:
    one = noise(-16)
    block = torch.from_numpy(np.stack([one, -one, one, -0.9 * one]).astype(np.float32))
    assert measured([block], RATE).normalisation == Normalisation(1.0, (1, -1, 1, -1))
    audio = Audio(block, RATE)
    assert torch.equal(Fickle().separate(audio).samples, block / 2)
