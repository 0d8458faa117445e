"""Short songs, and the quickest work that hears words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lyricsep.plan import Plan, TranscribeOptions, resolve


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
