"""Ready vocals beside the song, and no separation at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lyricsep.audio import Audio, load_audio, save_audio
from lyricsep.errors import AudioError
from lyricsep.separators import Mixture, create_separator, find_separator

RATE = 16000


def sound(n_channels: int, n_samples: int, rate: int = RATE) -> Audio:
    time = torch.arange(n_samples, dtype=torch.float64) / rate
    tones = torch.stack([0.4 * torch.sin(2 * torch.pi * (220.0 + 110 * k) * time) for k in range(n_channels)])
    return Audio(tones.float(), rate)


def vocals_of(song: Path, mixture: Audio) -> torch.Tensor:
    separator = create_separator(find_separator("stems"), torch.device("cpu"))
    vocals = separator.separate(mixture, path=song)
    assert (vocals.sample_rate, vocals.samples.shape) == (mixture.sample_rate, mixture.samples.shape)
    return vocals.samples


@pytest.mark.parametrize(
    ("song", "vocals"),
    [
        ("song.mp3", "song.vocals.wav"),
        ("song.mp3", "song.vocals.flac"),
        ("song.mp3", "song/vocals.wav"),
        ("song.flac", "song/vocals.flac"),
        ("mixture.wav", "vocals.wav"),
        ("01. Straße (été) [¡Olé!].mp3", "01. Straße (été) [¡Olé!].vocals.wav"),
        ("歌 №1.mp3", "歌 №1/vocals.flac"),
    ],
)
def test_vocals_are_found(tmp_path, song, vocals) -> None:
    expected = sound(2, 5001)
    save_audio(tmp_path / "Mélodie ß" / vocals, expected)
    found = vocals_of(tmp_path / "Mélodie ß" / song, sound(2, 5001))
    assert (found - expected.samples).abs().max() <= 2**-15


def test_the_nearest_name_wins(tmp_path) -> None:
    for gain, name in ((1.0, "mixture.vocals.flac"), (0.5, "mixture/vocals.wav"), (0.25, "vocals.wav")):
        save_audio(tmp_path / name, Audio(sound(1, 100).samples * gain, RATE))
    found = vocals_of(tmp_path / "mixture.wav", sound(1, 100))
    assert (found - sound(1, 100).samples).abs().max() <= 2**-15


@pytest.mark.parametrize("name", ["vocals.wav", "other.vocals.wav", "song.vocals.txt", "song.vocals"])
def test_what_is_not_of_the_song_is_not_taken(tmp_path, name) -> None:
    save_audio(tmp_path / "vocals.wav", sound(1, 100))
    (tmp_path / "vocals.wav").rename(tmp_path / name)
    (tmp_path / "song.vocals.wav").mkdir()
    with pytest.raises(
        AudioError, match=r"song\.mp3: no vocals file next to it \(looked for song\.vocals\.wav, song/voc"
    ):
        vocals_of(tmp_path / "song.mp3", sound(1, 100))


def test_a_name_as_long_as_a_name_may_be(tmp_path) -> None:
    song = tmp_path / ("x" * 250 + ".mp3")
    with pytest.raises(AudioError, match="no vocals file next to it"):
        vocals_of(song, sound(1, 100))
    save_audio(tmp_path / ("x" * 250) / "vocals.wav", sound(1, 100))
    vocals_of(song, sound(1, 100))


def test_the_message_is_one_line_whatever_the_name() -> None:
    with pytest.raises(AudioError, match="no vocals") as caught:
        vocals_of(Path("two\nlines\r.mp3"), sound(1, 100))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("difference", [-1601, 1601, -8000, 8000])
def test_another_length_is_refused(tmp_path, difference) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(2, RATE + difference))
    longer = "longer" if difference > 0 else "shorter"
    seconds = f"{abs(difference) / RATE:.2f}"
    with pytest.raises(AudioError, match=rf"song\.vocals\.wav: the vocals are {seconds} s {longer} than .*song\.mp3"):
        vocals_of(tmp_path / "song.mp3", sound(2, RATE))


@pytest.mark.parametrize("difference", [-1600, -1, 0, 1, 1600])
def test_what_codecs_add_or_cut_is_mended(tmp_path, difference) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(2, RATE + difference))
    found = vocals_of(tmp_path / "song.mp3", sound(2, RATE))
    end = RATE + min(0, difference)
    assert (found[:, :end] - sound(2, RATE).samples[:, :end]).abs().max() <= 2**-15
    assert (found[:, end:] == 0).all()


def test_mono_vocals_of_a_stereo_song(tmp_path) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(1, 3000))
    found = vocals_of(tmp_path / "song.mp3", sound(2, 3000))
    assert (found - sound(1, 3000).samples).abs().max() <= 2**-15


def test_stereo_vocals_of_a_mono_song(tmp_path) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(2, 3000))
    found = vocals_of(tmp_path / "song.mp3", sound(1, 3000))
    assert (found - sound(2, 3000).samples.mean(dim=0)).abs().max() <= 2**-15


def test_other_channels_are_refused(tmp_path) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(2, 3000))
    with pytest.raises(AudioError, match=r"song\.vocals\.wav: 2 channels, but the song has 6; make both the same"):
        vocals_of(tmp_path / "song.mp3", sound(6, 3000))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_rate(tmp_path, rate) -> None:
    save_audio(tmp_path / "song.vocals.wav", sound(2, 2 * rate, rate))
    found = vocals_of(tmp_path / "song.mp3", sound(2, 2 * RATE))
    inside = slice(RATE // 10, -RATE // 10)
    assert (found - sound(2, 2 * RATE).samples)[:, inside].abs().max() <= 1e-4


def test_vocals_that_are_no_audio(tmp_path) -> None:
    (tmp_path / "song.vocals.wav").write_bytes(b"RIFF????")
    with pytest.raises(AudioError, match=r"song\.vocals\.wav"):
        vocals_of(tmp_path / "song.mp3", sound(2, 3000))


def test_audio_without_a_file() -> None:
    with pytest.raises(AudioError, match="stems: audio without a file has no vocals beside it"):
        create_separator(find_separator("stems"), torch.device("cpu")).separate(sound(1, 10))


def test_none_is_the_mixture_itself(shared) -> None:
    path = shared / "jam-alt/subsets/fr/audio/Confession_-_Quesabe.mp3"
    mixture = load_audio(path)
    separator = create_separator(find_separator("none"), torch.device("cpu"))
    assert separator.name == "none"
    assert torch.equal(separator.separate(mixture).samples, mixture.samples)
    blocks = [mixture.samples[:, :100], mixture.samples[:, 100:]]
    assert [b.shape for b in separator.stream(Mixture(blocks, 44100, 2))] == [b.shape for b in blocks]
