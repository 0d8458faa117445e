"""The option `track` from Python to the keys of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_models import NONE, FakeModels
from sounds import several

import lyricsep
from lyricsep.errors import AudioError
from lyricsep.plan import LibraryOptions, SegmentOptions, SeparateOptions, aligning, resolve
from lyricsep.session import Job, Session
from lyricsep.signals import load_signals
from lyricsep.store import KeptSignals, Store

TWO: list[tuple[float, dict[str, str], bool]] = [(300.0, {}, False), (500.0, {}, True)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two tracks, of 300 Hz and of 500 Hz, the default one."""
    return several(tmp_path / "film.mkv", TWO)


def heard(samples: np.ndarray, rate: int = 16_000) -> int:
    spectrum = np.abs(np.fft.rfft(samples))
    return round(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize(("track", "frequency"), [(None, 500), (1, 300), (2, 500)])
def test_signals_are_those_of_the_track(film: Path, track: int | None, frequency: int) -> None:
    signals = load_signals(film, NONE, track=track)
    assert (heard(signals.mixture), heard(signals.vocals)) == (frequency, frequency)


@pytest.mark.parametrize(("track", "frequency"), [(None, 500), (1, 300)])
def test_python_takes_a_track(film: Path, track: int | None, frequency: int) -> None:
    stems = lyricsep.separate(film, separator="none", track=track)
    assert heard(stems.vocals[0], stems.sample_rate) == frequency


def test_a_track_that_is_not_there_fails_the_song(film: Path) -> None:
    with pytest.raises(AudioError, match="has 2 audio tracks, but track 3 is asked for"):
        lyricsep.segment(film, separator="none", track=3)
    with pytest.raises(ValueError, match="track must be at least 1, got 0"):
        SeparateOptions(track=0)


def test_a_track_has_results_of_its_own(film: Path, tmp_path: Path) -> None:
    plans = [resolve(SegmentOptions(separator="none", track=track)) for track in (None, 1, 2)]
    keys = [plan.vocals_key(["0"]) for plan in plans]
    assert len(set(keys)) == 3
    assert [plan.describe()["track"] for plan in plans] == [None, 1, 2]
    assert replace(plans[1], track=None).vocals_key(["0"]) == keys[0]
    assert aligning(LibraryOptions(track=2)).track == 2
    for plan, frequency in zip(plans, (500, 300, 500), strict=True):
        for _ in range(2):  # made, and kept
            session = Session(
                plan, models=FakeModels(), keep_signals=True, signals=KeptSignals(Store(tmp_path / "kept"))
            )
            (outcome,) = session.stream([Job(film)])
            assert outcome.signals is not None
            assert heard(outcome.signals.mixture) == frequency


def test_one_track_is_no_choice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    load_signals(tmp_path / "a.wav", NONE)
    assert caplog.records == []
