"""`lyricsep separate --reference`: the numbers, where they go, and stems that do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import manifest_of
from numpy.typing import NDArray

from lyricsep.audio import load_audio
from lyricsep.scoring.separation import available_metrics, score_separation

RECIPE = """
generative = {generative}
[settings]
command = ["cp", "{{input}}", "{{output_dir}}/vocals.wav"]
output = "vocals.wav"
sample_rate = 44100
channels = 2
"""

METRICS = ["SI-SDR [dB]", "SDR [dB]", "SDR, median of 1 s [dB]", "MR-STFT (lower is better)"]

needs_auraloss = pytest.mark.skipif("mr_stft" not in available_metrics(), reason="the extra `quality` is missing")


@pytest.fixture
def stem(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """Half of the song: against it, the song itself has an SDR of 0 dB."""
    path = tmp_path / "stem.wav"
    soundfile.write(path, excerpt / 2, 44100, subtype="FLOAT")
    return path


def numbers(out: str) -> dict[str, str]:
    """The rows of the table."""
    rows = (re.fullmatch(r"(.+?)  +(\S+)", line) for line in out.splitlines())
    return {row[1]: row[2] for row in rows if row and row[1] in METRICS}


@needs_auraloss
def test_numbers_are_printed_after_the_path_and_recorded(run: Callable, song: Path, stem: Path) -> None:
    told = run("separate", song, "--separator", "none", "--reference", stem)
    assert told.code == 0, told.err
    path, header, rule, *rows = told.out.splitlines()
    assert path == "vocals/song.vocals.wav"
    assert header.split("  ")[0] == "vocals against the reference"
    assert set(rule) <= {"-", " "}
    assert len(rows) == 4
    values = numbers(told.out)
    assert list(values) == METRICS
    assert (values["SDR [dB]"], values["SDR, median of 1 s [dB]"]) == ("0.00", "0.00")
    assert float(values["SI-SDR [dB]"]) > 70  # the song is a file of 16 bit
    # Twice as loud: 1 + log 2 for what is above the library's floor.
    assert 1 < float(values["MR-STFT (lower is better)"]) < 1.7
    found = manifest_of(Path("vocals"))
    assert found["plan"]["reference"] == str(stem)
    quality = found["songs"][0]["details"]["quality"]
    assert list(quality) == ["si_sdr", "sdr", "bss_sdr", "mr_stft"]
    assert quality == score_separation(load_audio(stem), load_audio(song)).as_document()


def test_without_a_reference_nothing_is_measured(run: Callable, song: Path) -> None:
    told = run("separate", song, "--separator", "none")
    assert told.out == "vocals/song.vocals.wav\n"
    assert manifest_of(Path("vocals"))["songs"][0]["details"]["quality"] is None


def test_without_the_library_its_number_is_a_dash(
    run: Callable, song: Path, stem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyricsep.scoring.separation.available_metrics", lambda: ("si_sdr", "sdr", "bss_sdr"))
    told = run("separate", song, "--separator", "none", "--reference", stem)
    assert told.code == 0, told.err
    assert numbers(told.out)["MR-STFT (lower is better)"] == "–"
    assert told.out.splitlines()[-1] == "MR-STFT needs a library: pip install 'lyricsep[quality]'"
    assert "mr_stft" not in manifest_of(Path("vocals"))["songs"][0]["details"]["quality"]


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the metric that takes the time."""
    monkeypatch.setattr("lyricsep.scoring.separation.available_metrics", lambda: ("si_sdr", "sdr", "bss_sdr"))


@pytest.mark.usefixtures("without_library")
def test_silence_and_the_song_itself(run: Callable, song: Path, tmp_path: Path, excerpt: NDArray[np.float32]) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros_like(excerpt), 44100)
    told = run("separate", song, "-o", "one", "--separator", "none", "--reference", "silence.wav")
    assert told.code == 0, told.err
    assert set(numbers(told.out).values()) == {"–"}
    assert manifest_of(Path("one"))["songs"][0]["details"]["quality"] == {
        "si_sdr": None,
        "sdr": None,
        "bss_sdr": None,
    }
    told = run("separate", song, "-o", "two", "--separator", "none", "--reference", song)
    assert numbers(told.out)["SDR [dB]"] == "inf"
    assert manifest_of(Path("two"))["songs"][0]["details"]["quality"]["sdr"] == "inf"


@pytest.mark.usefixtures("without_library")
def test_generative_separators_are_not_ranked_by_sdr(run: Callable, song: Path, stem: Path, tmp_path: Path) -> None:
    for generative in ("true", "false"):
        (tmp_path / f"{generative}.toml").write_text(RECIPE.format(generative=generative))
        told = run("separate", song, "-o", generative, "--separator", f"{generative}.toml", "--reference", stem)
        assert told.code == 0, told.err
        assert ("warning: this separator generates its vocals, so compare it by MR-STFT" in told.out) == (
            generative == "true"
        )


def test_a_stem_of_another_song_keeps_the_vocals_and_fails(run: Callable, song: Path, stem: Path) -> None:
    samples, rate = soundfile.read(stem)
    soundfile.write(stem, samples[: 2 * rate], rate)
    told = run("separate", song, "--separator", "none", "--reference", stem)
    assert (told.code, told.out) == (1, "")
    assert (
        "failed: vocals/song.vocals.wav: written, but not compared with --reference: the reference lasts 2.00 s "
        "and the estimate 5.50 s"
    ) in told.err
    assert soundfile.info("vocals/song.vocals.wav").duration == 5.5
    assert manifest_of(Path("vocals"))["songs"][0]["status"] == "failed"


def test_what_is_wrong_is_said_before_any_work(
    run: Callable, song: Path, stem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyricsep.separators.create_separator", None)
    told = run("separate", song, stem, "--reference", stem)
    assert told.code == 2
    assert f"lyricsep: --reference {stem}: belongs to one song; name a single song" in told.err
    told = run("separate", song, "--reference", "gone.wav")
    assert told.code == 1
    assert "lyricsep: gone.wav: no such file" in told.err
    mine = tmp_path / "song.vocals.wav"
    stem.rename(mine)
    before = mine.read_bytes()
    told = run("separate", song, "-o", ".", "--overwrite", "--reference", mine)
    assert told.code == 2
    assert f"--reference {mine}: the separated vocals would overwrite it; choose another --output" in told.err
    assert mine.read_bytes() == before
