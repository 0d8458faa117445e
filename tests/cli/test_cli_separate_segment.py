"""`lyricsep separate` and `lyricsep segment`: the first two stages on their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import EXAMPLE, QUICKEST, manifest_of


def test_vocals_have_the_songs_rate_channels_length_and_level(run: Callable, tmp_path: Path) -> None:
    mixture, rate = soundfile.read(EXAMPLE, frames=15 * 44100)
    voice, _ = soundfile.read(EXAMPLE.with_suffix(".vocals.ogg"), frames=15 * 44100)
    soundfile.write(tmp_path / "song.wav", mixture, rate)
    told = run("separate", "song.wav")
    assert told.code == 0, told.err
    assert told.written == [Path("vocals/song.vocals.wav")]
    vocals, vocals_rate = soundfile.read(told.written[0])
    assert (vocals_rate, vocals.shape) == (rate, mixture.shape)
    # The voice at its own level: what is left of the difference is well below both.
    share = np.sum(vocals * voice) / np.sum(voice * voice)
    assert share == pytest.approx(1, abs=0.25)
    assert np.sum((vocals - voice) ** 2) < 0.3 * np.sum((mixture - voice) ** 2)


@pytest.mark.parametrize("options", [("--stems", "vocals,accompaniment"), ("--two-stems", "vocals")])
def test_stems_add_up_to_the_song(run: Callable, song: Path, options: tuple[str, str]) -> None:
    told = run("separate", song, "--preset", "fast", *options)
    assert told.code == 0, told.err
    assert told.written == [Path("vocals/song.vocals.wav"), Path("vocals/song.accompaniment.wav")]
    mixture, (vocals, accompaniment) = soundfile.read(song)[0], [soundfile.read(path)[0] for path in told.written]
    assert vocals.shape == accompaniment.shape == mixture.shape
    assert np.sum(vocals**2) > 0.05 * np.sum(mixture**2)
    assert np.sum(accompaniment**2) > 0.05 * np.sum(mixture**2)
    assert np.sum((vocals + accompaniment - mixture) ** 2) < 1e-9 * np.sum(mixture**2)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--stems", "vocals,drums"), "--stems vocals,drums: separators give vocals, accompaniment, instrumental"),
        (("--stems", ""), "--stems : separators give vocals"),
        (("--two-stems", "drums"), "--two-stems drums: only vocals and their accompaniment are separated"),
        (("--stems", "accompaniment", "--reference", "song.wav"), "--reference song.wav: scores the vocals"),
    ],
)
def test_stems_that_no_separator_gives(run: Callable, song: Path, options: tuple[str, ...], error: str) -> None:
    told = run("separate", song, *options)
    assert (told.code, told.out) == (2, "")
    assert error in told.err


def test_separated_vocals_then_serve_as_stems(run: Callable, song: Path, tmp_path: Path) -> None:
    assert run("separate", song, "-o", ".", "--format", "flac").out == "song.vocals.flac\n"
    told = run("transcribe", "song.wav", "-v", *QUICKEST, "--separator", "stems", "-f", "txt")
    assert told.code == 0, told.err
    assert "vocals from" in told.err
    assert "train" in (tmp_path / "lyrics" / "song.txt").read_text()


def test_stems_that_are_not_there(run: Callable, song: Path) -> None:
    told = run("segment", song, "--separator", "stems")
    assert told.code == 1
    assert f"failed: {song}: no vocals file next to it" in told.err


@pytest.mark.parametrize("command", ["separate", "segment"])
def test_existing_results_are_refused_before_any_work(
    run: Callable, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    suffix = {"separate": ".vocals.wav", "segment": ".segments.csv"}[command]
    old = tmp_path / "out" / f"song{suffix}"
    old.parent.mkdir()
    old.write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr("lyricsep.separators.create_separator", None)
        told = run(command, song, "-o", "out")
    assert (told.code, told.out) == (1, "")
    assert f"failed: out/song{suffix}: exists already; set --overwrite to replace it" in told.err
    assert old.read_text() == "mine"
    told = run(command, song, "-o", "out", "--overwrite", "--separator", "none")
    assert (told.code, told.out) == (0, f"out/song{suffix}\n")
    assert old.read_bytes() != b"mine"


@pytest.mark.parametrize("command", ["separate", "segment"])
def test_one_song_that_fails_costs_one_song(run: Callable, song: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    told = run(command, "empty.wav", "gone.wav", song, "-o", "out", "--separator", "none")
    assert told.code == 1
    assert len(told.written) == 1
    _, empty, gone, done, total = told.err.splitlines()
    assert empty == "failed: empty.wav: is empty (0 bytes); download it again"
    assert gone == "failed: gone.wav: no such file; check the name and the folder"
    assert done.startswith(f"[3/3] {song}: ")
    assert total == "1 of 3 songs done; 2 failed"
    assert len([path for path in (tmp_path / "out").iterdir() if path.is_file()]) == 1
    recorded = manifest_of(tmp_path / "out")
    assert recorded["command"][1] == command
    assert recorded["plan"]["separator"] == "none"
    assert [record["status"] for record in recorded["songs"]] == ["failed", "failed", "done"]
    assert sum(recorded["songs"][2]["seconds"].values()) > 0


@pytest.fixture
def two_bursts(tmp_path: Path) -> Path:
    """Twelve seconds of a tone that sounds from 2 to 4 and from 6 to 9 s."""
    clock = np.arange(12 * 16000) / 16000
    sounds = ((clock >= 2) & (clock < 4)) | ((clock >= 6) & (clock < 9))
    path = tmp_path / "bursts.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * clock) * sounds, 16000)
    return path


def spans_of(text: str, file_format: str) -> list[tuple[float, float]]:
    if file_format == "json":
        loaded = json.loads(text)
        segments = loaded["segments"] if isinstance(loaded, dict) else loaded
        return [(one["start"], one["end"]) for one in segments]
    lines = text.splitlines()[1:] if file_format == "csv" else text.splitlines()
    cells = [line.split("," if file_format == "csv" else "\t") for line in lines]
    return [(float(cell[0]), float(cell[1])) for cell in cells]


@pytest.mark.parametrize(
    ("file_format", "name"),
    [("csv", "bursts.segments.csv"), ("json", "bursts.segments.json"), ("audacity", "bursts.segments.txt")],
)
def test_segments_are_where_the_sound_is(run: Callable, two_bursts: Path, file_format: str, name: str) -> None:
    told = run("segment", two_bursts, "--separator", "none", "--format", file_format)
    assert told.code == 0, told.err
    assert told.written == [Path("segments") / name]
    # Both fit into one segment of 30 s; half a frame (64 ms) and the padding (200 ms) stand before and behind.
    (span,) = spans_of(told.written[0].read_text(), file_format)
    assert span == pytest.approx((2 - 0.264, 9 + 0.264), abs=0.04)


def test_options_of_segmentation_are_heeded(run: Callable, two_bursts: Path) -> None:
    told = run("segment", two_bursts, "--separator", "none", "--floor-db", "-5")
    assert told.code == 0
    assert f"{two_bursts}: no vocals found" in told.err
    assert spans_of(told.written[0].read_text(), "csv") == []
    assert run("segment", two_bursts, "--separator", "none", "--preset", "paper", "--overwrite").code == 0
    (options,) = [
        json.loads(path.read_text())["plan"]
        for path in Path("segments").glob(".lyricsep/manifest-*.json")
        if json.loads(path.read_text())["plan"]["floor_db"] is None
    ]
    assert options["min_sung"] == 0


def test_damage_is_said_and_recorded(run: Callable, song: Path, excerpt: np.ndarray) -> None:
    damaged = excerpt.copy()
    damaged[44100:88200] = np.nan
    soundfile.write(song, damaged, 44100, subtype="FLOAT")
    for command in ("separate", "segment"):
        told = run(command, song, "-o", "out", "--separator", "none")
        assert told.code == 0
        assert "damaged in 1 place, 1.00 s lost in all; the first at 1.00 s: non-finite samples" in told.err
        records = [json.loads(path.read_text()) for path in Path("out").glob(".lyricsep/manifest-*.json")]
        (record,) = next(record["songs"] for record in records if record["command"][1] == command)
        assert record["damage"] == [{"start": 1.0, "end": 2.0, "reason": "non-finite samples (NaN or infinity)"}]
