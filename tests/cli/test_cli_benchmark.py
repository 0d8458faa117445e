"""`lyricsep benchmark` with real models on clips of the example: killed, resumed, run again."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import finish, start
from numpy.typing import NDArray

from lyricsep.documents import BenchmarkSummary

GRID = """
title = "Clips"
datasets = ["songs"]
audio = ["mixture", "stem"]
segmentation = ["native", "fixed", "groups", "lines"]
model = "tiny.en"
seeds = [0, 1]
[transcription]
beam_size = 1
best_of = 2
temperatures = [0.0]
[transcription.native]
temperatures = [0.8]     # always sampled
logprob_threshold = -10.0
"""
FIXED_ALONE = GRID.replace('["native", "fixed", "groups", "lines"]', '["fixed"]').replace(
    "[transcription.native]", "[transcription.fixed]"
)
LINES = ("I left my home, I ride the train", "The streets were shining in the rain")
# What is the same in every run; times and dates are not.
REPORT = ("songs.csv", "songs.parquet", "edits.csv", "edits.parquet", "summary.json", "tables.txt", "tables.md")
REPORT += ("tables.tex", "wer.png", "wer.svg", "report.json")


@pytest.fixture
def songs(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """Three clips of two lines in the layout of Jam-ALT; one has its vocals beside it."""
    rows = []
    for index, name in enumerate(("Été", "b", "c")):
        path = tmp_path / "songs" / "audio" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, excerpt * (1 - 0.2 * index), 44100)
        lines = [{"start": 0.2 + 2.6 * i, "end": 2.7 + 2.6 * i, "text": text} for i, text in enumerate(LINES)]
        row = {"file_name": f"audio/{name}.wav", "name": name, "language": "en", "genre": "Pop", "lines": lines}
        rows.append(row | {"text": "\n".join(LINES) + "\n"})
    (tmp_path / "songs" / "metadata.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    return tmp_path / "songs"


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "songs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid(run: Callable, songs: Path, tmp_path: Path) -> None:
    told = run("benchmark", "grid.toml", "-o", "out")
    assert told.code == 0, told.err
    # No song has a stem; seeds of what is not sampled are one.
    assert "24 hypotheses" in told.err
    assert len(re.findall(r" (?:s|min) left\n", told.err)) == 14, "nothing is left after the last"
    out = tmp_path / "out"
    rows = rows_of(out)
    assert len(rows) == 3 * 4 * 2
    assert {row["audio"] for row in rows} == {"mixture"}
    assert [row["error"] for row in rows] == [""] * len(rows)
    assert all(float(row["WER"]) < 1 for row in rows if row["segmentation"] == "fixed")
    summary = BenchmarkSummary.from_json((out / "summary.json").read_text(encoding="utf-8"))
    assert [(song.song, song.segmentation, song.seed) for song in summary.songs] == [
        (row["song"], row["segmentation"], int(row["seed"])) for row in rows
    ]
    edits = pd.read_parquet(out / "edits.parquet")
    n_words = sum(int(row["hits"]) + int(row["substitutions"]) + int(row["deletions"]) for row in rows)
    assert edits["reference"].notna().sum() == n_words == 24 * 15
    assert len(pd.read_csv(out / "edits.csv")) == len(edits)
    (pooled,) = [group for group in summary.groups if (group.segmentation, group.group) == ("lines", "all")]
    own = [row for row in rows if row["segmentation"] == "lines"]
    assert pooled.counts["hits"] == sum(int(row["hits"]) for row in own)
    assert (pooled.n_songs, pooled.n_seeds, pooled.seeds and pooled.seeds["std"]) == (3, 2, 0)
    for suffix in ("txt", "md", "tex"):
        assert "mixture" in (out / f"tables.{suffix}").read_text(encoding="utf-8")
    manifest = json.loads(next((out / ".lyricsep").glob("manifest-*.json")).read_text(encoding="utf-8"))
    assert (manifest["counts"]["n_hypotheses"], manifest["failures"]) == (24, {})
    assert {file["name"] for file in manifest["weights"]} >= {"model.bin"}
    assert manifest["plan"]["grid"]["seeds"] == [0, 1]

    # Its lyrics score the same by themselves.
    told = run("score", songs, out / "hypotheses" / "songs" / "mixture_fixed" / "seed-0", "--normalise", "--json")
    fixed = [row for row in rows if row["segmentation"] == "fixed" and row["seed"] == "0"]
    assert [one["counts"]["substitutions"] for one in json.loads(told.out)["songs"]] == [
        int(row["substitutions"]) for row in fixed
    ]

    # Conditions compare, and a second run does nothing.
    assert run("compare", "out#mixture, fixed", "out#mixture, lines").code == 0
    before = {name: (out / name).stat().st_mtime_ns for name in REPORT}
    told = run("benchmark", "grid.toml", "-o", "out")
    assert "nothing to do: all 24 hypotheses and the report are in out" in told.err
    assert told.out == (out / "tables.txt").read_text(encoding="utf-8")
    assert {name: (out / name).stat().st_mtime_ns for name in REPORT} == before


@pytest.mark.slow
def test_killed_and_resumed_is_as_undisturbed(songs: Path, tmp_path: Path) -> None:
    undisturbed = finish("benchmark", "grid.toml", "-o", "whole", cwd=tmp_path)
    assert undisturbed.code == 0, undisturbed.err
    kept = tmp_path / "killed" / "store" / "hypotheses"
    for n_kept in (2, 6, 11):
        process = start("benchmark", "grid.toml", "-o", "killed", cwd=tmp_path)
        while len(list(kept.rglob("*.json"))) < n_kept and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.communicate()
        assert process.returncode == -9
    resumed = finish("benchmark", "grid.toml", "-o", "killed", cwd=tmp_path)
    assert resumed.code == 0
    assert "hypotheses done: " in resumed.err
    for name in REPORT:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_broken_song_is_counted_and_tried_again(run: Callable, songs: Path, tmp_path: Path) -> None:
    good = (songs / "audio" / "b.wav").read_bytes()
    (songs / "audio" / "b.wav").write_bytes(b"no sound")
    grid = GRID.replace('["native", "fixed", "groups", "lines"]', '["fixed"]').replace(
        "seeds = [0, 1]", "seeds = [0]"
    )
    (tmp_path / "grid.toml").write_text(
        grid.replace("[transcription.native]", "[transcription.fixed]"), encoding="utf-8"
    )
    told = run("benchmark", "grid.toml", "-o", "out")
    assert told.code == 1
    assert "1 of 3 hypotheses failed" in told.err
    assert "2 of 3" in told.out
    assert "FAILED" in told.out
    (failed,) = [row for row in rows_of(tmp_path / "out") if row["error"]]
    assert failed["song"] == "b"
    assert failed["hits"] == ""
    (songs / "audio" / "b.wav").write_bytes(good)
    told = run("benchmark", "grid.toml", "-o", "out", "--seeds", "1")
    assert told.code == 0
    assert "hypotheses done: 2, to do: 1" in told.err
    assert not [row for row in rows_of(tmp_path / "out") if row["error"]]


def test_what_changes_is_done_again(run: Callable, songs: Path, tmp_path: Path) -> None:
    grid = GRID.replace('["native", "fixed", "groups", "lines"]', '["fixed"]').replace(
        "[transcription.native]", "[transcription.fixed]"
    )
    (tmp_path / "grid.toml").write_text(grid, encoding="utf-8")
    assert run("benchmark", "grid.toml", "-o", "out", "--limit", "1", "--seeds", "1").code == 0
    more = run("benchmark", "grid.toml", "-o", "out", "--limit", "1", "--seeds", "2")
    assert "hypotheses done: 1, to do: 1" in more.err
    (tmp_path / "grid.toml").write_text(FIXED_ALONE.replace("beam_size = 1", "beam_size = 2"), encoding="utf-8")
    assert "hypotheses done: " not in run("benchmark", "grid.toml", "-o", "out", "--limit", "1", "--seeds", "2").err
    shutil.copy(songs / "audio" / "c.wav", songs / "audio" / "Été.wav")
    assert "hypotheses done: " not in run("benchmark", "grid.toml", "-o", "out", "--limit", "1", "--seeds", "2").err


def test_wrong_usage(run: Callable, songs: Path, tmp_path: Path) -> None:
    for arguments, told in (
        (("nothing",), "no such grid or file; choose from paper-long, paper-short, lyricsep"),
        (("grid.toml", "--preset", "slow"), "no preset is called 'slow'"),
        (("grid.toml", "--backend", "ears"), "no Whisper backend is called 'ears'"),
        (("grid.toml", "--model", "tin"), "no Whisper model is called 'tin'"),
    ):
        outcome = run("benchmark", *arguments)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1), outcome.err
        assert told in outcome.err
    assert run("benchmark", "grid.toml", "--dataset", "gone").code == 1


def test_a_missing_library_is_said_before_the_work(
    run: Callable, songs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else real(name))
    told = run("benchmark", "grid.toml")
    assert (told.code, told.out) == (2, "")
    assert told.err == "lyricsep: benchmark needs pyarrow; run: pip install 'lyricsep[benchmark]'\n"
