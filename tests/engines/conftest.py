"""Short songs, and the quickest work that hears words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lyricsep.audio import load_audio
from lyricsep.plan import Plan, TranscribeOptions, resolve

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example" / "night_train.mp3"


@pytest.fixture(scope="session")
def excerpt() -> NDArray[np.float32]:
    """The first two lines of the example: shape (n_samples, 2) at 44.1 kHz."""
    samples = load_audio(EXAMPLE).samples.numpy().T
    return np.ascontiguousarray(samples[int(4.5 * 44100) : (10 * 44100)])


@pytest.fixture
def songs(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """A folder of three songs that differ in level alone."""
    folder = tmp_path / "songs"
    for number, gain in enumerate((1.0, 0.9, 0.8), 1):
        path = folder / f"disc {number}" / f"söng {number}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, excerpt * gain, 44100)
    return folder


@pytest.fixture
def plan() -> Plan:
    """No separation, the smallest model, greedy."""
    options = TranscribeOptions(
        separator="none",
        model="tiny.en",
        beam_size=1,
        no_repeat_ngram_sizes=(),
        device="cpu",
        offline=True,
        batch_size=16,
        backend="ctranslate2",
    )
    return resolve(options)
