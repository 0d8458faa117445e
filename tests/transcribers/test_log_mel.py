"""Spectrograms: Whisper's own, in less memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram

from lyricsep.transcribers.log_mel import BLOCK_FRAMES, clip_log_mel, song_log_mel

RNG = np.random.default_rng(0)


def noise(n_samples: int) -> np.ndarray:
    return (0.1 * RNG.standard_normal(n_samples)).astype(np.float32)


def assert_is_whispers(song: np.ndarray, n_mels: int = 80) -> None:
    theirs = log_mel_spectrogram(torch.from_numpy(song), n_mels, padding=N_SAMPLES)[:, :-N_FRAMES]
    ours = song_log_mel(song, n_mels)
    assert ours.shape == theirs.shape == (n_mels, len(song) // 160)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 199, 200, 201, 399, 400, 401, N_SAMPLES, 70 * 16_000 + 77])
def test_song_of_any_length(n_samples) -> None:
    assert_is_whispers(noise(n_samples))


@pytest.mark.parametrize("extra", [-161, -1, 0, 1, 160])
def test_song_longer_than_a_block(extra) -> None:
    assert_is_whispers(noise(BLOCK_FRAMES * 160 + extra))


def test_song_in_128_bands() -> None:
    assert_is_whispers(noise(50_000), 128)


@pytest.mark.parametrize("n_samples", [399, 559, 16_000, 16_080, 16_159])
def test_song_whose_very_end_is_loudest(n_samples) -> None:
    """The loudest frame sets the floor of all, also where it begins after the last whole hop."""
    song = 1e-4 * noise(n_samples)
    song[-30:] = 1.0
    assert_is_whispers(song)


def test_silent_song() -> None:
    assert_is_whispers(np.zeros(16_000, np.float32))


@pytest.mark.parametrize("n_samples", [0, 1, 399, 16_000, N_SAMPLES - 1, N_SAMPLES])
def test_clip_is_padded_as_sound(n_samples) -> None:
    clip = noise(n_samples)
    padded = np.pad(clip, (0, N_SAMPLES - n_samples))
    ours = clip_log_mel(clip, 80)
    assert ours.shape == (80, N_FRAMES)
    torch.testing.assert_close(ours, log_mel_spectrogram(torch.from_numpy(padded), 80))


def test_clip_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="a clip lasts at most 30 s"):
        clip_log_mel(noise(N_SAMPLES + 1), 80)


def test_memory_of_a_long_song_is_that_of_a_block(monkeypatch) -> None:
    """The spectrum, ten times the size of the rest, is never there as a whole."""
    largest = 0
    stft = torch.stft

    def watched(signal: torch.Tensor, *args: object, **options: object) -> torch.Tensor:
        nonlocal largest
        spectrum = stft(signal, *args, **options)
        largest = max(largest, spectrum.shape[-1])
        return spectrum

    monkeypatch.setattr(torch, "stft", watched)
    song_log_mel(noise(400 * 16_000), 80)
    assert 0 < largest <= BLOCK_FRAMES
