"""Stems as files: each like its song, together the song, in any format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import NONE, Fickle, tone
from torch import Tensor

from lyricsep.audio import load_audio, resample
from lyricsep.errors import AudioError, ConfigError
from lyricsep.separators import Mixture, Separator
from lyricsep.signals import load_signals, save_stems


class Late(Separator):
    """Returns a third of the song, a second late and in blocks of its own, as networks do."""

    name = "late"

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        waiting = torch.zeros(mixture.n_channels, 0)
        for block in mixture.blocks:
            waiting = torch.cat([waiting, block / 3], dim=1)
            while waiting.shape[1] > mixture.sample_rate:
                yield waiting[:, :777]
                waiting = waiting[:, 777:]
        yield waiting


def noise(path: Path, seconds: float, rate: int = 44_100, n_channels: int = 2, gain: float = 0.2) -> np.ndarray:
    samples = gain * np.random.default_rng(1).standard_normal((round(seconds * rate) + 13, n_channels))
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return samples


def decibels(error: np.ndarray, signal: np.ndarray) -> float:
    return 10 * np.log10(np.sum(error**2) / np.sum(signal**2))


@pytest.mark.parametrize(
    ("rate", "n_channels", "gain"), [(44_100, 2, 0.2), (8_000, 1, 0.2), (48_000, 6, 0.2), (44_100, 2, 2e-4)]
)
def test_vocals_and_accompaniment_add_up_to_the_song(tmp_path: Path, rate: int, n_channels: int, gain: float) -> None:
    song = noise(tmp_path / "song.wav", 25, rate, n_channels, gain)
    targets = {name: tmp_path / f"song.{name}.wav" for name in ("accompaniment", "vocals")}
    assert save_stems(tmp_path / "song.wav", targets, Late()) == ()
    vocals, accompaniment = (soundfile.read(targets[name], always_2d=True)[0] for name in ("vocals", "accompaniment"))
    assert vocals.shape == accompaniment.shape == song.shape
    assert soundfile.info(targets["accompaniment"]).samplerate == rate
    assert decibels(vocals - song / 3, song) < -90
    assert decibels(vocals + accompaniment - song, song) < -90


def test_channels_of_opposite_phase_add_up_too(tmp_path: Path) -> None:
    """One is inverted while the song is separated."""
    left = tone(12, 16_000)
    song = np.stack([left, -left], axis=1)
    soundfile.write(tmp_path / "song.wav", song, 16_000, subtype="FLOAT")
    targets = {name: tmp_path / f"{name}.wav" for name in ("vocals", "accompaniment")}
    save_stems(tmp_path / "song.wav", targets, Late())
    vocals, accompaniment = (soundfile.read(path)[0] for path in targets.values())
    assert decibels(vocals - song / 3, song) < -90
    assert decibels(vocals + accompaniment - song, song) < -90


def test_without_separation_nothing_is_left(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 2)
    save_stems(tmp_path / "song.wav", {"instrumental": tmp_path / "rest.wav"}, NONE)
    assert not soundfile.read(tmp_path / "rest.wav")[0].any()


@pytest.mark.parametrize(
    ("suffix", "rate", "error"), [("flac", 44_100, -90), ("mp3", 44_100, -30), ("opus", 48_000, -15)]
)
def test_stems_in_other_formats(tmp_path: Path, suffix: str, rate: int, error: float) -> None:
    """Lossy formats keep time and level, and most of the waveform of a tone that rises from 200 to 1,400 Hz."""
    clock = np.arange(30 * 44_100) / 44_100
    samples = 0.3 * np.sin(2 * np.pi * (200 + 20 * clock) * clock)[:, None].repeat(2, axis=1)
    soundfile.write(tmp_path / "song.wav", samples, 44_100, subtype="FLOAT")
    target = tmp_path / f"rest.{suffix}"
    save_stems(tmp_path / "song.wav", {"accompaniment": target}, Late())
    found = load_audio(target)
    assert found.sample_rate == rate
    assert found.duration == pytest.approx(30, abs=0.001)
    sound = resample(found.samples, rate, 44_100).numpy().T[: len(samples)]
    assert decibels(sound - samples[: len(sound)] * 2 / 3, samples) < error


def test_too_many_channels_for_a_lossy_format(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 1, n_channels=6)
    with pytest.raises(ConfigError, match=r"rest\.mp3: \.mp3 holds at most 2 channels, the song has 6"):
        save_stems(tmp_path / "song.wav", {"accompaniment": tmp_path / "rest.mp3"}, NONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]


@pytest.mark.parametrize("drops", [1, 1000])
def test_vocals_of_another_length_leave_no_files(tmp_path: Path, drops: int) -> None:
    noise(tmp_path / "song.wav", 1)
    targets = {name: tmp_path / f"{name}.wav" for name in ("vocals", "accompaniment")}
    with pytest.raises(AudioError, match=r"fickle returned .* s of vocals for a song of 1\.00 s"):
        save_stems(tmp_path / "song.wav", targets, Fickle(drops=drops))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]


def test_stems_that_are_kept_beside_signals(tmp_path: Path) -> None:
    song = noise(tmp_path / "song.wav", 12)
    targets = {name: tmp_path / f"{name}.wav" for name in ("vocals", "accompaniment")}
    targets["vocals"].write_text("an older one")
    plain, signals = (load_signals(tmp_path / "song.wav", Late(), stems=stems) for stems in ({}, targets))
    np.testing.assert_array_equal(signals.vocals, plain.vocals)
    vocals, accompaniment = (soundfile.read(path)[0] for path in targets.values())
    assert decibels(vocals + accompaniment - song, song) < -90
