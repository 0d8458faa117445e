"""From a file to its signals: on one clock, at one level, read ahead by as much as was meant, damage included."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import NONE, Fickle, tone
from torch import Tensor

from lyricsep.audio import AudioReader, downmix, load_audio, resample, resampled_length
from lyricsep.errors import AudioError, LyricsepError, OutputError
from lyricsep.lyrics import Segment
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import Mixture
from lyricsep.signals import BLOCKS_AHEAD, Signals, find_vocal_segments, load_signals, save_stems
from lyricsep.transcribers import SAMPLE_RATE

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six songs of 1 to 6 s."""
    folder = tmp_path_factory.mktemp("songs")
    paths = [folder / f"{seconds}.wav" for seconds in range(1, 7)]
    for seconds, path in enumerate(paths, start=1):
        soundfile.write(path, tone(seconds), 16_000)
    return paths


def _decoding(monkeypatch, fails_at: int = 99) -> list[int]:
    """Collect the numbers of the blocks that are decoded."""
    decoded: list[int] = []
    blocks = AudioReader.blocks

    def watched(reader: AudioReader, block_duration: float = 10.0) -> Iterator[Tensor]:
        if block_duration != 10.0:  # the song is measured
            yield from blocks(reader, block_duration)
            return
        for number, block in enumerate(blocks(reader)):
            if number == fails_at:
                raise AudioError("the disk is gone")
            decoded.append(number)
            yield block

    monkeypatch.setattr(AudioReader, "blocks", watched)
    return decoded


def test_the_next_blocks_are_decoded_while_one_is_separated(tmp_path: Path, monkeypatch) -> None:
    decoded, song = _decoding(monkeypatch), tmp_path / "song.wav"

    class Waits(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            for number, block in enumerate(mixture.blocks):
                deadline = time.monotonic() + 60
                while len(decoded) < min(8, number + 1 + BLOCKS_AHEAD) and time.monotonic() < deadline:
                    time.sleep(0.01)
                # Those ahead, and no more: a slow separator does not fill the memory.
                assert decoded == list(range(min(8, number + 1 + BLOCKS_AHEAD)))
                yield block

    soundfile.write(song, tone(80, 8_000), 8_000)
    signals = load_signals(song, Waits())
    assert len(signals.mixture) == len(signals.vocals) == 80 * SAMPLE_RATE


def test_nobody_decodes_a_file_that_is_closed(tmp_path: Path, monkeypatch) -> None:
    decoded, song = _decoding(monkeypatch), tmp_path / "song.wav"

    class Fails(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield next(iter(mixture.blocks))
            raise AudioError("out of order")

    soundfile.write(song, tone(80, 8_000), 8_000)
    with pytest.raises(AudioError, match="out of order"):
        load_signals(song, Fails())
    assert len(decoded) <= 1 + BLOCKS_AHEAD
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lyricsep-decode")]


def test_a_file_that_fails_while_it_is_decoded_fails(tmp_path: Path, monkeypatch) -> None:
    _decoding(monkeypatch, fails_at=4)
    song = tmp_path / "song.wav"
    soundfile.write(song, tone(80, 8_000), 8_000)
    with pytest.raises(AudioError, match="the disk is gone"):
        load_signals(song, NONE)


@pytest.mark.parametrize(("rate", "n_channels"), [(16_000, 1), (44_100, 2), (48_000, 1), (8_000, 2), (192_000, 8)])
def test_mixture_and_vocals_are_on_one_clock(tmp_path: Path, rate: int, n_channels: int) -> None:
    """An impulse comes out of both where it went in, however the file was sampled."""
    samples = np.zeros((3 * rate + 7, n_channels))
    samples[rate + 11] = 0.9
    soundfile.write(tmp_path / "impulse.wav", samples, rate)
    signals = load_signals(tmp_path / "impulse.wav", Fickle())
    assert len(signals.mixture) == len(signals.vocals) == resampled_length(len(samples), rate, 16_000)
    assert signals.duration == pytest.approx(len(samples) / rate, abs=1 / 16_000)
    for signal in (signals.mixture, signals.vocals):
        assert signal.dtype == np.float32
        assert abs(int(np.argmax(np.abs(signal))) - (rate + 11) * 16_000 / rate) <= 1
    np.testing.assert_allclose(signals.vocals, signals.mixture / 2, atol=1e-7)


def test_without_separation_the_vocals_are_the_mixture() -> None:
    signals = load_signals(EXAMPLE, NONE)
    np.testing.assert_array_equal(signals.vocals, signals.mixture)
    whole = load_audio(EXAMPLE)
    expected = resample(downmix(whole.samples), whole.sample_rate, 16_000)[0].numpy()
    np.testing.assert_allclose(signals.mixture, expected, atol=1e-5)


@pytest.mark.parametrize("drops", [1, 1000])
def test_vocals_of_another_length_are_the_separators_fault(songs: list[Path], drops: int) -> None:
    with pytest.raises(AudioError, match=r"3\.wav: fickle returned .* s of vocals for a song of 3\.00 s"):
        load_signals(songs[2], Fickle(drops=drops))


@pytest.mark.parametrize("amplitude", [1e10, 1e30])
def test_what_is_no_sound_is_refused(tmp_path: Path, amplitude: float) -> None:
    soundfile.write(tmp_path / "wild.wav", tone(1, amplitude=amplitude), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"wild\.wav: the song has samples beyond 4e\+09 times full scale"):
        load_signals(tmp_path / "wild.wav", NONE)


def test_what_no_separator_may_give_is_refused(songs: list[Path]) -> None:
    class Mad(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield from (block * float("nan") for block in mixture.blocks)

    with pytest.raises(AudioError, match=r"1\.wav: the output of fickle has samples beyond"):
        load_signals(songs[0], Mad())


def test_unscaled_integers_are_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", tone(2, amplitude=32_767), 16_000, subtype="FLOAT")
    assert find_vocal_segments(load_signals(tmp_path / "loud.wav", NONE), RmsVadOptions()) == [Segment(0.0, 2.0)]


def test_silence_stands_where_sound_was_lost(tmp_path: Path) -> None:
    """So what follows keeps its time."""
    samples = tone(4).astype(np.float32)
    samples[16_000:24_000] = np.nan
    soundfile.write(tmp_path / "damaged.wav", samples, 16_000, subtype="FLOAT")
    signals = load_signals(tmp_path / "damaged.wav", NONE)
    assert len(signals.mixture) == 64_000
    assert not signals.mixture[16_000:24_000].any()
    (damage,) = signals.damage
    assert (damage.start, damage.end) == (1.0, 1.5)


@pytest.fixture(scope="module")
def sung() -> Signals:
    """The example with its true vocals."""
    mixture = load_audio(EXAMPLE)
    vocals = load_audio(EXAMPLE.with_suffix(".vocals.ogg"))
    signals = [
        resample(one.samples.mean(dim=0, keepdim=True), one.sample_rate, 16_000)[0].numpy()
        for one in (mixture, vocals)
    ]
    return Signals(*signals)


def quieter(signals: Signals, decibels: float) -> Signals:
    gain = np.float32(10 ** (-decibels / 20))
    return Signals(signals.mixture * gain, signals.vocals * gain)


@pytest.mark.parametrize("decibels", [-6, 6, 12, 18, 24])
def test_the_floor_follows_a_quiet_recording(sung: Signals, decibels: float) -> None:
    expected = find_vocal_segments(sung, RmsVadOptions())
    assert len(expected) >= 2
    found = find_vocal_segments(quieter(sung, decibels), RmsVadOptions())
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.033), "a frame at most"


@pytest.mark.parametrize("decibels", [0, 12, 24])
def test_the_floor_keeps_bleed_out_at_any_level(sung: Signals, decibels: float) -> None:
    """What a separator lets through of a band lies far under the mixture, and is no voice."""
    band = sung.mixture - sung.vocals
    bleed = Signals(band, band * np.float32(10 ** (-26 / 20)))
    assert find_vocal_segments(quieter(bleed, decibels), RmsVadOptions()) == []
    assert find_vocal_segments(quieter(bleed, decibels), PAPER) != [], "the published method has no floor"


@pytest.mark.parametrize("decibels", [80.0, 95.0])
@pytest.mark.parametrize("kind", ["noise", "hum", "silence"])
def test_next_to_nothing_is_nothing(decibels: float, kind: str) -> None:
    signal = {
        "noise": np.random.default_rng(0).standard_normal(20 * 16_000),
        "hum": tone(20, amplitude=1.4),
        "silence": np.zeros(20 * 16_000),
    }[kind].astype(np.float32)
    assert find_vocal_segments(quieter(Signals(signal, signal), decibels), RmsVadOptions()) == []


def test_a_floor_that_was_chosen_is_heeded(sung: Signals) -> None:
    options = RmsVadOptions()
    assert find_vocal_segments(sung, replace(options, floor_db=-5.0)) == []
    assert find_vocal_segments(quieter(sung, 60), options) == []
    assert find_vocal_segments(quieter(sung, 60), replace(options, floor_db=None)) != []
    # One below the lowest that the floor follows to stays as it is.
    assert find_vocal_segments(quieter(sung, 60), replace(options, floor_db=-110.0)) != []


def test_an_empty_song_has_no_segments() -> None:
    nothing = np.zeros(0, dtype=np.float32)
    assert find_vocal_segments(Signals(nothing, nothing), RmsVadOptions()) == []


def test_vocals_are_saved_like_the_song(tmp_path: Path) -> None:
    target = tmp_path / "new" / "song.vocals.wav"
    assert save_stems(EXAMPLE, {"vocals": target}, Fickle()) == ()
    mixture, vocals = load_audio(EXAMPLE), load_audio(target)
    assert vocals.sample_rate == mixture.sample_rate
    torch.testing.assert_close(vocals.samples, mixture.samples / 2)


@pytest.mark.parametrize("error", [AudioError, OutputError])
def test_vocals_are_saved_whole_or_not_at_all(songs: list[Path], tmp_path: Path, error: type[LyricsepError]) -> None:
    target = tmp_path / "song.vocals.wav"
    if error is OutputError:
        target.write_text("mine")
    with pytest.raises(error):
        save_stems(songs[0], {"vocals": target}, Fickle(fails_on=["1.wav"]))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"] * (error is OutputError)
