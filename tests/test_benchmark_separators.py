"""The table of separators: worth as the benchmark tells it, costs of processes of their own, and what stems are."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from script_modules import load_script, run_script

from lyricsep.audio import Audio, load_audio, save_audio
from lyricsep.documents import GroupSummary
from lyricsep.errors import ConfigError
from lyricsep.lyrics import Line
from lyricsep.reports.plots import Estimate, TradeOff
from lyricsep.scoring import score_activity
from lyricsep.segmentation import rms_envelope
from lyricsep.separators.passthrough import Passthrough
from lyricsep.signals import load_signals

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example"
CUT = (4.0, 14.5)  # seconds of the example: its first three lines
COSTS = {
    "real_time_factor": 0.0321,
    "peak_memory_bytes": 640_000_000,
    "peak_cuda_bytes": 0,
    "load_seconds": 1.0,
    "separation_seconds": 3.21,
    "audio_seconds": 100.0,
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("benchmark_separators")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of one song with times of lines: ten seconds of the example."""
    start, end = CUT
    sung = load_audio(EXAMPLE / "night_train.mp3")
    first, last = (round(second * sung.sample_rate) for second in CUT)
    save_audio(tmp_path / "songs" / "cut.wav", Audio(sung.samples[:, first:last], sung.sample_rate))
    about = json.loads((EXAMPLE / "night_train.json").read_text(encoding="utf-8"))
    lines = [line for line in about["lines"] if line["start"] >= start and line["end"] <= end]
    lines = [{**line, "start": line["start"] - start, "end": line["end"] - start} for line in lines]
    song = {
        "file_name": "cut.wav",
        "language": "en",
        "text": "\n".join(line["text"] for line in lines),
        "lines": lines,
    }
    (tmp_path / "songs" / "metadata.jsonl").write_text(json.dumps(song) + "\n", encoding="utf-8")
    return tmp_path / "songs"


@pytest.mark.slow
def test_the_smallest_table(
    script: ModuleType,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stems that are the mixture are worth what the mixture is."""
    out = tmp_path / "out"
    options = ["--separator", "none", "--separator", "stems", "--stems-from", "none", "--model", "tiny.en"]
    run_script(script, monkeypatch, "--dataset", dataset, "-o", out, *options, "--device", "cpu")
    document = json.loads((out / "table.json").read_text(encoding="utf-8"))
    none, stems = document["rows"]
    assert (none["separator"], stems["separator"]) == ("none", "stems")
    assert (none["songs"], none["songs_failed"]) == (1, 0)
    (song,) = [json.loads(line) for line in (dataset / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    signals = load_signals(dataset / "cut.wav", Passthrough())
    lines = [Line(line["start"], line["end"], line["text"]) for line in song["lines"]]
    expected = score_activity([], lines, signals.duration, rms_envelope(signals.vocals)).auc
    assert none["auc"] == pytest.approx(expected, abs=1e-9)
    assert 0.5 < none["auc"] < 1
    assert none["wer"] < 0.5
    assert (stems["auc"], stems["wer"]) == (pytest.approx(none["auc"]), none["wer"])
    assert stems["change"] == 0
    for row in (none, stems):
        assert row["real_time_factor"] == pytest.approx(row["separation_seconds"] / 10.5)
        assert 100e6 < row["peak_memory_bytes"] < 3e9  # torch and ten seconds
        assert row["peak_cuda_bytes"] == 0
    about = document["about"]
    assert about["plan"] == {
        "dataset": "songs",
        "separators": ["none", "stems"],
        "stems_from": "none",
        "model": "tiny.en",
        "transcriber": about["plan"]["transcriber"],
    }
    assert about["libraries"]["torch"] == torch.__version__
    assert about["songs"] == ["cut"]
    assert about["cpu"]
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["wer"]) for row in rows] == [none["wer"], stems["wer"]]
    markdown = (out / "table.md").read_text(encoding="utf-8")
    assert "| stems | 1 |" in markdown
    assert "stems: vocals that none made before" in markdown
    assert about["cpu"] in markdown
    for suffix in ("png", "svg", "pdf"):
        assert (out / f"trade_off.{suffix}").stat().st_size > 1000
    assert ">stems</text>" in (out / "trade_off.svg").read_text(encoding="utf-8")
    assert "stems: vocals that none made before" in capsys.readouterr().out
    assert sorted(path.name for path in dataset.iterdir()) == ["cut.wav", "metadata.jsonl"]


def test_cells_by_hand(script: ModuleType) -> None:
    bare = GroupSummary("d", "a", "rms-vad", "all", n_songs=0, n_failed=5, n_seeds=1, rates={"WER": None})
    summary = replace(
        bare,
        n_songs=4,
        n_failed=1,
        rates={"WER": 0.4412},
        intervals={"WER": (0.4037, 0.4872)},
        activity={"auc": 0.9651},
        from_first={"WER": (0.0182, -0.021, 0.05, 0.4)},
    )
    rows = [script._row("a", COSTS, bare), script._row("b", COSTS | {"peak_cuda_bytes": 2_500_000_000}, summary)]
    options = {"dataset": "d", "model": "base", "transcriber": "t", "stems_from": None}
    about = {"plan": options, "libraries": {"torch": "2", "av": None}, "cpu": "c", "cores": 2, "memory_gb": 8.0}
    about |= {"load": 0.25, "device": "cpu", "platform": "p", "lyricsep": "1", "python": "3"}
    table = script._table(rows, about)
    assert dict(zip(table.headers, table.rows[1], strict=True)) == {
        "separator": "b",
        "songs": "4, 1 failed",
        "AUC": "0.965",
        "WER [95 % over songs]": "44.12 [40.37, 48.72]",
        "Δ WER from a [95 %]": "1.82 [-2.10, 5.00]",
        "real-time factor": "0.0321",
        "peak memory, GB": "0.64",
        "peak CUDA, GB": "2.50",
    }
    assert table.rows[0] == ("a", "0, 5 failed", "–", "–", "–", "0.0321", "0.64", "–")
    assert "stems" not in "".join(table.notes)
    assert "torch 2" in table.notes[-1]
    assert "av" not in table.notes[-1]


def test_the_plot_by_hand(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[list[TradeOff], dict[str, str]]] = []
    monkeypatch.setattr(
        "lyricsep.reports.plots.plot_trade_off", lambda _, points, **labels: drawn.append((points, labels))
    )
    rows = [
        {"separator": "a", "wer": None, "wer_low": None, "wer_high": None, **COSTS},
        {"separator": "b", "wer": 0.25, "wer_low": 0.2, "wer_high": 0.3, **COSTS},
    ]
    script._plot(rows, {"plan": {"dataset": "jam-alt"}}, tmp_path / "trade_off")
    (((unknown, known), labels),) = drawn
    assert math.isnan(unknown.worth.value)
    assert (known.name, known.cost, known.worth) == ("b", 0.0321, Estimate(25.0, 20.0, 30.0))
    assert labels["title"] == "Separators: jam-alt"


def test_what_is_wrong_is_one_line(
    script: ModuleType, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("-o", tmp_path / "out")
    with pytest.raises(SystemExit, match=r"^benchmark_separators: no separator is called 'spleter'"):
        run_script(script, monkeypatch, "--dataset", dataset, *out, "--separator", "spleter")
    (dataset / "cut.wav").write_bytes(b"no sound")
    with pytest.raises(
        SystemExit, match=r"^benchmark_separators: none: cannot separate the songs \(.*cut\.wav: .*\)"
    ):
        run_script(script, monkeypatch, "--dataset", dataset, *out, "--separator", "none", "--model", "tiny.en")
    assert not (tmp_path / "out").exists()


def test_a_process_that_dies(script: ModuleType) -> None:
    with pytest.raises(ConfigError, match=r"^x: cannot separate the songs \(the end\); choose another --separator$"):
        script._run("x", [sys.executable, "-c", "raise SystemExit('once\\nthe end')"])
    with pytest.raises(ConfigError, match=r"\(ended with 3\)"):
        script._run("x", [sys.executable, "-c", "raise SystemExit(3)"])
    assert script._run("x", [sys.executable, "-c", "print('fine')"]) == "fine\n"
