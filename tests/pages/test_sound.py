"""Sound for a page: what is encoded is what was read, at the time at which it was."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lyricsep.audio import Audio, load_audio, resample, save_audio
from lyricsep.pages import FoundSong, song_sound
from lyricsep.pages.sound import MIXTURE_BIT_RATE, OPUS_RATE, PEAKS_PER_SECOND, VOCALS_BIT_RATE, data_uri, read_sound
from lyricsep.segmentation import RmsVadOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Browser

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"


def decoded(webm: bytes, tmp_path: Path) -> Audio:
    path = tmp_path / "page.webm"
    path.write_bytes(webm)
    return load_audio(path)


def lag(signal: NDArray[np.float32], original: NDArray[np.float32]) -> int:
    """Samples by which a signal comes later than the original."""
    n = 2 * max(len(signal), len(original))
    products = np.fft.irfft(np.fft.rfft(signal, n) * np.conj(np.fft.rfft(original, n)), n)
    at = int(np.argmax(products))
    return at if at < n // 2 else at - n


def noise(n_channels: int, n_samples: int) -> torch.Tensor:
    return 0.2 * torch.randn(n_channels, n_samples, generator=torch.Generator().manual_seed(0)).clamp(-4, 4)


@pytest.mark.parametrize("name", ["night_train.mp3", "night_train.vocals.ogg"])
def test_time_0_stays_time_0(name: str, tmp_path: Path) -> None:
    source = load_audio(EXAMPLE / name)
    sound = read_sound(EXAMPLE / name, bit_rate=MIXTURE_BIT_RATE)
    played = decoded(sound.webm, tmp_path)
    original = resample(source.samples, source.sample_rate, OPUS_RATE)
    assert played.sample_rate == OPUS_RATE
    assert sound.duration == pytest.approx(source.duration, abs=1e-4)
    assert played.n_samples == original.shape[1]
    for start in (0, original.shape[1] - 10 * OPUS_RATE):  # and it does not drift
        part = slice(start, start + 10 * OPUS_RATE)
        assert abs(lag(played.samples.mean(0)[part].numpy(), original.mean(0)[part].numpy())) <= 48  # 1 ms


def test_a_browser_plays_it_at_that_time(browser: Browser) -> None:
    source = load_audio(EXAMPLE / "night_train.mp3")
    uri = data_uri(read_sound(EXAMPLE / "night_train.mp3", bit_rate=MIXTURE_BIT_RATE).webm)
    page = browser.new_page()
    samples = page.evaluate(
        """async (base64) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes.buffer);
            return { length: sound.length, start: [...sound.getChannelData(0).subarray(0, 240000)] };
        }""",
        uri.partition(",")[2],
    )
    original = resample(source.samples, source.sample_rate, OPUS_RATE)
    assert abs(lag(np.float32(samples["start"]), original[0, :240000].numpy())) < 5 * 48  # 5 ms
    assert samples["length"] == pytest.approx(original.shape[1], abs=5 * 48)
    page.close()


@pytest.mark.parametrize(
    ("n_channels", "rate", "kept"), [(1, 8000, 1), (2, 22050, 2), (2, 96000, 2), (8, 44100, 1), (3, 11025, 1)]
)
def test_odd_channels_and_rates(n_channels: int, rate: int, kept: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    audio = Audio(noise(n_channels, 2 * rate), rate)
    save_audio(path, audio)
    sound = read_sound(path, bit_rate=MIXTURE_BIT_RATE)
    played = decoded(sound.webm, tmp_path)
    assert (played.n_channels, played.n_samples) == (kept, 2 * OPUS_RATE)
    assert sound.duration == 2.0
    assert len(sound.peaks) == 2 * PEAKS_PER_SECOND


@pytest.mark.parametrize("n_samples", [1, 479, 481, 48_000 * 10 + 7])
def test_any_length_keeps_its_length(n_samples: int, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    save_audio(path, Audio(noise(1, n_samples), OPUS_RATE))
    sound = read_sound(path, bit_rate=VOCALS_BIT_RATE)
    assert sound.duration == n_samples / OPUS_RATE
    assert len(sound.peaks) == -(-n_samples * PEAKS_PER_SECOND // OPUS_RATE)
    # A packet lasts 20 ms; what is shorter than the first cannot be cut.
    assert 0 <= decoded(sound.webm, tmp_path).n_samples - n_samples < 960


def test_silence_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    save_audio(path, Audio(torch.zeros(2, 44100), 44100))
    sound = read_sound(path, bit_rate=MIXTURE_BIT_RATE)
    assert set(sound.peaks) == {0}
    assert decoded(sound.webm, tmp_path).samples.abs().max() < 1e-3


def test_peaks_are_the_loudest_samples(tmp_path: Path) -> None:
    path = tmp_path / "clicks.wav"
    samples = torch.zeros(2, OPUS_RATE)
    samples[1, 100] = -0.5  # in the first hundredth of a second, on one side alone
    samples[0, 4799] = 0.25  # at the end of the tenth
    samples[0, 24000] = 7.0  # beyond full scale
    save_audio(path, Audio(samples, OPUS_RATE))
    peaks = np.frombuffer(read_sound(path, bit_rate=None).peaks, np.uint8)
    assert {int(index): int(peaks[index]) for index in np.flatnonzero(peaks)} == {0: 128, 9: 64, 50: 255}


def test_without_a_bit_rate_nothing_is_encoded() -> None:
    assert read_sound(EXAMPLE / "night_train.mp3", bit_rate=None).webm == b""


def test_ten_minutes_fit_into_a_page() -> None:
    rng = np.random.default_rng(0)
    loud = rng.uniform(-1, 1, 16_000 * 30).astype(np.float32)  # nothing is harder to compress
    both = sum(len(read_sound(loud, bit_rate=rate).webm) for rate in (MIXTURE_BIT_RATE, VOCALS_BIT_RATE))
    assert 20 * both * 4 / 3 < 14e6


def test_vocals_from_memory_and_from_a_file_are_one(tmp_path: Path) -> None:
    vocals = load_audio(EXAMPLE / "night_train.vocals.ogg")
    mono = resample(vocals.samples.mean(0, keepdim=True), vocals.sample_rate, 16_000)[0].numpy()
    lyrics = tmp_path / "x.json"
    from_file = song_sound(FoundSong("x", lyrics, None, EXAMPLE / "night_train.vocals.ogg"), encode=False)
    from_memory = song_sound(FoundSong("x", lyrics), vocals=mono, encode=False)
    assert from_file.mixture is None
    assert from_file.envelope is not None
    assert from_memory.envelope is not None
    assert from_file.vocals
    assert from_memory.vocals
    assert from_file.vocals.duration == pytest.approx(from_memory.vocals.duration, abs=1e-3)
    levels = [np.frombuffer(base64.b64decode(s.envelope["levels"]), np.uint8) for s in (from_file, from_memory)]
    assert np.abs(levels[0].astype(int) - levels[1]).max() <= 2


def test_the_envelope_and_its_thresholds() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000 * 4) / 16_000).astype(np.float32)
    tone[: 16_000 * 2] *= 0.05
    envelope = song_sound(FoundSong("x", Path("x.json")), vocals=tone, encode=False).envelope
    assert envelope is not None
    levels = np.frombuffer(base64.b64decode(envelope["levels"]), np.uint8)
    assert envelope["rate"] == 31.25
    assert len(levels) == 126
    # A sine of full scale is at -3 dBFS; 60 dB are 255 steps.
    assert levels[100] == round(255 * (1 - 3.01 / 60))
    assert levels[30] == pytest.approx(255 * (1 - (3.01 + 26.02) / 60), abs=1)
    assert envelope["onset"] == pytest.approx(-23.01, abs=0.02)
    high = RmsVadOptions(onset=0.5, offset=0.2, floor_db=-12)
    found = song_sound(FoundSong("x", Path("x.json")), vocals=tone, encode=False, segmentation=high).envelope
    assert found is not None
    assert (found["onset"], found["offset"]) == (pytest.approx(-9.03, abs=0.02), -12)


def test_vocals_that_are_silent_have_an_envelope() -> None:
    sound = song_sound(FoundSong("x", Path("x.json")), vocals=np.zeros(16_000, np.float32), encode=False)
    assert sound.envelope is not None
    assert set(base64.b64decode(sound.envelope["levels"])) == {0}
