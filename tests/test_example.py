"""The example song: the files that ship keep their promises, and the script that makes them is exact."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
from script_modules import load_script

from lyricsep.formats import read_lyrics

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "example"
MIB = 1 << 20
ROOM = 0.4  # seconds in which the voice's reverberation dies


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load_script("make_example")


@pytest.fixture(scope="module")
def singer(maker: ModuleType) -> ModuleType:
    """The script, where the two packages that only it needs are installed."""
    for package in ("espeakng_loader", "pyworld"):
        pytest.importorskip(package, reason=f"{package} is needed only to make the example anew")
    return maker


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "night_train.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def mixture() -> tuple[np.ndarray, int]:
    return soundfile.read(FOLDER / "night_train.mp3", always_2d=True)


@pytest.fixture(scope="module")
def vocals() -> tuple[np.ndarray, int]:
    return soundfile.read(FOLDER / "night_train.vocals.ogg", always_2d=True)


def _dbfs(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-12))


def _snr(clean: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(clean**2) / np.sum((clean - other) ** 2)))


def _span(audio: tuple[np.ndarray, int], start: float, end: float) -> np.ndarray:
    samples, sample_rate = audio
    return samples[round(start * sample_rate) : round(end * sample_rate)]


def _pauses(about: dict[str, Any]) -> list[tuple[float, float]]:
    """Give the intro, the gaps between lines that outlast the room, and the outro."""
    starts = [line["start"] for line in about["lines"]] + [about["duration"]]
    ends = [0.0] + [line["end"] + ROOM for line in about["lines"]]
    return [(end, start - 0.02) for end, start in zip(ends, starts, strict=True) if start - end > 0.1]


def test_files_are_small() -> None:
    files = sorted(path.name for path in FOLDER.iterdir())
    assert files == [f"night_train.{kind}" for kind in ("json", "lrc", "mp3", "txt", "vocals.ogg")]
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < MIB


def test_the_lrc_has_the_same_lines(about: dict[str, Any]) -> None:
    lines = read_lyrics(FOLDER / "night_train.lrc").lines
    assert [line.text for line in lines] == [line["text"] for line in about["lines"]]
    assert [line.start for line in lines] == pytest.approx([line["start"] for line in about["lines"]], abs=0.006)


def test_mixture_and_vocals_are_stereo_on_one_clock(
    about: dict[str, Any], mixture: tuple[np.ndarray, int], vocals: tuple[np.ndarray, int]
) -> None:
    assert mixture[1] == vocals[1] == 44100
    assert mixture[0].shape == vocals[0].shape == (round(about["duration"] * 44100), 2)
    # The vocals are part of the mixture just where they are: a shift of one sample subtracts worse.
    residues = [np.sum((mixture[0][10:-10] - np.roll(vocals[0], lag, axis=0)[10:-10]) ** 2) for lag in (-1, 0, 1)]
    assert np.argmin(residues) == 1


def test_text_is_the_lines(about: dict[str, Any]) -> None:
    text = (FOLDER / "night_train.txt").read_text(encoding="utf-8")
    assert text.splitlines() == [line["text"] for line in about["lines"]]
    assert len(set(text.splitlines())) < len(text.splitlines()), "the chorus comes back"


def test_line_times_are_ordered_and_inside(about: dict[str, Any]) -> None:
    times = [time for line in about["lines"] for time in (line["start"], line["end"])]
    assert times == sorted(times)
    assert times[0] >= 4, "an intro"
    assert times[-1] < about["duration"]
    assert max(np.diff(times)[1::2]) >= 6, "a break"


def test_licence_and_origin_are_told(about: dict[str, Any]) -> None:
    assert about["license"] == "CC0-1.0"
    assert "eSpeak NG" in about["made_with"]
    assert about["language"] == "en"


def test_vocals_are_silent_where_nobody_sings(about: dict[str, Any], vocals: tuple[np.ndarray, int]) -> None:
    pauses = _pauses(about)
    assert len(pauses) >= 3
    for start, end in pauses:
        assert _dbfs(_span(vocals, start, end)) < -60, (start, end)


def test_vocals_are_audible_in_every_line(about: dict[str, Any], vocals: tuple[np.ndarray, int]) -> None:
    for line in about["lines"]:
        assert _dbfs(_span(vocals, line["start"], line["end"])) > -30, line["text"]
        # The voice begins and ends with the line, not somewhere inside.
        assert _dbfs(_span(vocals, line["start"], line["start"] + 0.25)) > -50, line["text"]
        assert _dbfs(_span(vocals, line["end"] - 0.25, line["end"])) > -50, line["text"]


def test_sung_pitch_is_the_melody(maker: ModuleType, vocals: tuple[np.ndarray, int]) -> None:
    line = maker.LINES[4]
    frequencies, times = maker.parse_melody(line)
    voice = librosa.resample(_span(vocals, times[0], times[-1]).mean(axis=1), orig_sr=44100, target_sr=22050)
    f0, voiced, _ = librosa.pyin(voice, fmin=75, fmax=500, sr=22050, frame_length=2048, hop_length=256)
    clock = times[0] + np.arange(len(f0)) * 256 / 22050
    note = np.searchsorted(times, clock, side="right") - 1
    note = np.clip(note, 0, len(frequencies) - 1)
    # Away from the glides between notes.
    steady = voiced & (clock - np.array(times)[note] > 0.06) & (np.array(times)[note + 1] - clock > 0.06)
    cents = 1200 * np.log2(f0[steady] / np.array(frequencies)[note[steady]])
    assert steady.sum() > 50
    assert np.mean(np.abs(cents) <= 50) > 0.95


@pytest.mark.parametrize(("note", "hertz"), [("A4", 440.0), ("A3", 220.0), ("C4", 261.6256), ("F#3", 184.9972)])
def test_frequency(maker: ModuleType, note: str, hertz: float) -> None:
    assert maker.frequency(note) == pytest.approx(hertz, rel=1e-6)


def test_parse_melody_counts_beats_from_its_bar(maker: ModuleType) -> None:
    frequencies, times = maker.parse_melody(maker.SungLine("la la", 2, "A4:-0.5 A3:1 | 3"))
    assert frequencies == [440, 220]
    assert times == pytest.approx([2 * maker.BAR + beat * maker.BEAT for beat in (-0.5, 1, 3)])


def test_place_phonemes_puts_vowels_on_beats_and_keeps_consonants(maker: ModuleType) -> None:
    spoken = [("m", 0.0, 0.1), ("aI", 0.1, 0.3), ("t", 0.3, 0.4), ("'eI", 0.4, 0.6), ("n", 0.6, 0.7)]
    sung, source = maker.place_phonemes(tuple(maker.Phoneme(*phoneme) for phoneme in spoken), [2.0, 3.0, 4.0])
    where = dict(zip(np.round(source, 6).tolist(), sung.tolist(), strict=True))
    assert where[0.0] == pytest.approx(1.9)
    assert where[0.1] == pytest.approx(2.0)
    assert where[0.3] == pytest.approx(2.9)
    assert where[0.4] == pytest.approx(3.0)
    assert where[0.6] == pytest.approx(3.9)
    assert where[0.7] == pytest.approx(4.0)
    assert np.all(np.diff(sung) > 0)
    assert np.all(np.diff(source) > 0)


def test_place_phonemes_refuses_a_note_too_many(maker: ModuleType) -> None:
    with pytest.raises(ValueError, match="2 notes for 1 syllables: m aI"):
        maker.place_phonemes((maker.Phoneme("m", 0, 0.1), maker.Phoneme("aI", 0.1, 0.3)), [0.0, 1.0, 2.0])


@pytest.mark.slow
def test_making_it_again_gives_the_same_song(
    singer: ModuleType, about: dict[str, Any], mixture: tuple[np.ndarray, int], vocals: tuple[np.ndarray, int]
) -> None:
    first, second = singer.make_song(), singer.make_song()
    assert singer.fingerprint(first.mixture) == singer.fingerprint(second.mixture)
    assert singer.fingerprint(first.vocals) == singer.fingerprint(second.vocals)
    # And it is the song that ships, but for what the lossy coders cost.
    assert [{"start": x.start, "end": x.end, "text": x.text} for x in first.lines] == about["lines"]
    assert _snr(first.mixture.T / 32768, mixture[0]) > 15
    assert _snr(first.vocals.T / 32768, vocals[0]) > 25


def test_written_song_is_whole(maker: ModuleType, tmp_path: Path) -> None:
    pcm = (np.random.default_rng(0).standard_normal((2, 50_000)) * 3000).astype(np.int16)
    song = maker.Song(pcm, pcm // 2, (maker.TimedLine(0.25, 1.0, "la la"),))
    maker.write_song(song, tmp_path)
    for name in ("night_train.mp3", "night_train.vocals.ogg"):
        assert soundfile.info(tmp_path / name).frames == 50_000
    assert json.loads((tmp_path / "night_train.json").read_text())["lines"] == [
        {"start": 0.25, "end": 1.0, "text": "la la"}
    ]
    assert "[00:00.25]la la\n[00:01.00]\n" in (tmp_path / "night_train.lrc").read_text()
