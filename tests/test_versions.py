"""What each stage computes on the example, against what it computed when its version was last raised.

The figures are rounded, so that another CPU or library gives the same. Where they change on purpose, raise the
version of the stage in ``lyricsep/versions.py`` and record them anew: ``python tests/test_versions.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lyricsep.aligners import KnownLine, KnownLyrics
from lyricsep.errors import LyricsepError
from lyricsep.lyrics import Lyrics
from lyricsep.plan import AlignOptions, TranscribeOptions, resolve
from lyricsep.segmentation import rms_envelope
from lyricsep.session import Job, Models, Session
from lyricsep.signals import Signals
from lyricsep.transcribers import BACKENDS, SAMPLE_RATE
from lyricsep.versions import ALIGNMENT, LYRICS, VOCALS, stamp

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"
GOLDEN = Path(__file__).resolve().parent / "golden" / "versions.json"
SECONDS = 12
_CTRANSLATE2 = next(name for name in BACKENDS if name != "openai-whisper")
MODELS = (("base", _CTRANSLATE2), ("tiny.en", "openai-whisper"))
VERSIONS = {**LYRICS, **ALIGNMENT}
SHARED = Models()


def session(model: str, backend: str, separator: str = "spleeter") -> Session:
    options = TranscribeOptions(
        preset="fast", separator=separator, model=model, backend=backend, language="en", device="cpu", offline=True
    )
    return Session(resolve(options), models=SHARED, together=False, keep_signals=True)


def excerpt(folder: Path) -> Path:
    """Write the first seconds of the example, decoded by another library than ours, in 16 bits."""
    path = folder / "excerpt.wav"
    samples, rate = soundfile.read(EXAMPLE, frames=SECONDS * 44_100, dtype="int16")
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def rounded(values: np.ndarray, step: float) -> list[float]:
    return [round(round(float(value) / step) * step, 6) for value in values]


def levels(signal: np.ndarray) -> list[float]:
    """Return the level of every quarter of a second."""
    frames = signal[: len(signal) // (SAMPLE_RATE // 4) * (SAMPLE_RATE // 4)].reshape(-1, SAMPLE_RATE // 4)
    return rounded(np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1)), 1e-4)


def words(lyrics: Lyrics) -> dict[str, Any]:
    times = [[round(word.start, 2), round(word.end, 2)] for line in lyrics.lines for word in line.words]
    return {"text": lyrics.text, "words": times}


def decoding(folder: Path) -> Mapping[str, Any]:
    """The mixture of the MP3 itself: its start, length and levels."""
    mixture = session(*MODELS[0], separator="none").load_signals(EXAMPLE).mixture
    return {"n_samples": len(mixture), "levels": levels(mixture)}


def separation(folder: Path) -> Mapping[str, Any]:
    """The vocals of spleeter."""
    return {"levels": levels(vocals(folder))}


def segmentation(folder: Path) -> Mapping[str, Any]:
    """The segments of the true vocals, which no separator changes."""
    from lyricsep.audio import load_audio, resample
    from lyricsep.segmentation import PAPER, RmsVadOptions
    from lyricsep.signals import find_vocal_segments

    pair = [load_audio(path) for path in (EXAMPLE, EXAMPLE.with_suffix(".vocals.ogg"))]
    mono = [resample(one.samples.mean(dim=0, keepdim=True), one.sample_rate, SAMPLE_RATE)[0].numpy() for one in pair]
    n_samples = min(map(len, mono))
    signals = Signals(mono[0][:n_samples], mono[1][:n_samples])
    found = {
        name: [[round(one.start, 3), round(one.end, 3)] for one in find_vocal_segments(signals, options)]
        for name, options in (("default", RmsVadOptions()), ("paper", PAPER))
    }
    return {**found, "envelope": rounded(rms_envelope(signals.vocals)[::50], 1e-3)}


def transcription(folder: Path) -> Mapping[str, Any]:
    """The words of both backends, of the excerpt as spleeter separates it."""
    found = {}
    for model, backend in MODELS:
        (outcome,) = session(model, backend).stream([Job(excerpt(folder))])
        found[model] = words(outcome.unwrap())
    return found


def alignment(folder: Path) -> Mapping[str, Any]:
    """The times of the lines that are sung in the excerpt."""
    rows = EXAMPLE.with_suffix(".txt").read_text(encoding="utf-8").split("\n")[:3]
    options = AlignOptions(preset="fast", language="en", device="cpu", offline=True)
    known = KnownLyrics(tuple(map(KnownLine, rows)))
    (outcome,) = Session(resolve(options), models=SHARED).stream([Job(excerpt(folder), known=known)])
    return words(outcome.unwrap())


def vocals(folder: Path) -> np.ndarray:
    return session(*MODELS[0]).load_signals(excerpt(folder)).vocals


STAGES: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "decoding": decoding,
    "separation": separation,
    "segmentation": segmentation,
    "transcription": transcription,
    "alignment": alignment,
}
TOLERANCES = {"levels": 1e-3, "envelope": 1e-2, "words": 0.05, "default": 0.034, "paper": 0.034}


@cache
def golden() -> dict[str, Any]:
    document = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def differences(now: Any, then: Any, name: str = "", tolerance: float = 0.0) -> list[str]:
    """List where two documents of figures differ by more than their tolerance."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in dict.fromkeys([*then, *now])
            for line in differences(now.get(key), then.get(key), f"{name} {key}".strip(), TOLERANCES.get(key, 0.0))
        ]
    if isinstance(then, list) and isinstance(now, list) and np.shape(then) == np.shape(now):
        apart = float(np.max(np.abs(np.subtract(now, then)), initial=0.0))
        return [f"{name}: {apart:.4f} apart"] if apart > tolerance else []
    return [] if now == then else [f"{name}: {then!r} became {now!r}"]


def test_there_are_figures_of_every_stage() -> None:
    assert set(STAGES) == set(VERSIONS) == set(golden())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_computes_what_its_version_did(stage: str, tmp_path: Path) -> None:
    recorded = golden()[stage]
    assert recorded["version"] == VERSIONS[stage], (
        f"the version of {stage} was changed; record its figures anew: python tests/test_versions.py"
    )
    try:
        now = STAGES[stage](tmp_path)
    except LyricsepError as error:
        pytest.skip(str(error))
    found = differences(now, recorded["figures"])
    assert not found, (
        f"{stage} computes something else: {'; '.join(found)[:600]}. If this is meant, raise the version of "
        f"{stage!r} in lyricsep/versions.py, then record its figures anew: python tests/test_versions.py"
    )


def test_differences_are_found_where_they_matter() -> None:
    then = {"levels": [0.1, 0.2], "text": "one", "words": [[0.0, 1.0]]}
    assert differences(then, then) == []
    assert differences({**then, "levels": [0.1005, 0.2]}, then) == []
    assert differences({**then, "levels": [0.102, 0.2]}, then) == ["levels: 0.0020 apart"]
    assert differences({**then, "text": "two"}, then) == ["text: 'one' became 'two'"]
    assert len(differences({**then, "words": [[0.0, 1.0], [1.0, 2.0]]}, then)) == 1
    assert len(differences({"levels": then["levels"], "text": "one"}, then)) == 1


def test_the_stamp_names_every_stage() -> None:
    assert stamp({"decoding": 1, "separation": 3}) == "decoding 1, separation 3"
    assert stamp(VOCALS) in stamp() == stamp(LYRICS)
    assert [part.split()[0] for part in stamp(ALIGNMENT).split(", ")] == [*VOCALS, "segmentation", "alignment"]


def record() -> None:
    """Record what the stages compute now."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        document = {
            stage: {"version": VERSIONS[stage], "figures": compute(Path(folder))} for stage, compute in STAGES.items()
        }
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(record())
