"""Separators against the benchmark: what each is worth to the lyrics, and what it costs, in one table.

    python scripts/benchmark_separators.py --dataset ../shared/jam-alt -o separators

Worth is that of `lyricsep benchmark`: WER of the default transcription, and the AUC by which the envelope of the
vocals tells sung from unsung. Costs are of separation alone, each separator in a process of its own. `stems` reads
vocals that another separator (--stems-from) wrote beside links to the songs.

Writes table.md, table.csv and table.json, and a plot of worth against cost, trade_off.png, .svg and .pdf; transcripts
are kept in the folder and not done again. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyricsep.datasets import Dataset
    from lyricsep.documents import GroupSummary
    from lyricsep.tables import Table

SEPARATORS = ("none", "spleeter", "stems")
LYRICSEP = (sys.executable, "-m", "lyricsep")


def _peak_memory() -> int:
    """Give the most bytes that this process ever held."""
    # Linux counts what a parent held at the fork into ru_maxrss, but not into this.
    status = Path("/proc/self/status")
    if status.exists() and (match := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(match[1]) * 1024
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _separate(name: str, device: str, *songs: str) -> None:
    """Run as the process whose costs are measured, and print them."""
    import torch

    from lyricsep.devices import choose_device
    from lyricsep.errors import LyricsepError
    from lyricsep.separators import create_separator, find_separator
    from lyricsep.signals import load_signals

    began, chosen = time.perf_counter(), choose_device(device)
    try:
        separator = create_separator(find_separator(name), chosen)
        loaded = time.perf_counter()
        audio = sum(load_signals(Path(song), separator).duration for song in songs)
    except LyricsepError as error:
        sys.exit(str(error))
    ended = time.perf_counter()
    costs = {
        "real_time_factor": (ended - loaded) / audio,
        "peak_memory_bytes": _peak_memory(),
        "peak_cuda_bytes": torch.cuda.max_memory_allocated(chosen) if chosen.type == "cuda" else 0,
        "load_seconds": loaded - began,
        "separation_seconds": ended - loaded,
        "audio_seconds": audio,
    }
    print(json.dumps(costs))


def _run(name: str, command: Sequence[str]) -> str:
    """Run a process to its end, which must be good, and give what it printed."""
    from lyricsep.errors import ConfigError

    print(f"{name}: separating", file=sys.stderr)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise ConfigError(f"{name}: cannot separate the songs ({said[-1][:300]}); choose another --separator")
    return done.stdout


def _with_vocals(dataset: Dataset, separator: str, device: str, folder: Path) -> Dataset:
    """Link the songs into a folder, and have vocals made beside them."""
    from lyricsep.files import check_writable

    check_writable(folder)
    songs = []
    for song in dataset.songs:
        assert song.audio is not None
        link = folder / f"{song.id}{song.audio.suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(song.audio.resolve())
        songs.append(replace(song, audio=link, stems={"vocals": folder / f"{song.id}.vocals.wav"}))
    command = [*LYRICSEP, "separate", *(str(song.audio) for song in songs), "-o", str(folder), "--overwrite"]
    _run(f"stems, by {separator}", [*command, "--separator", separator, "--device", device])
    return replace(dataset, songs=tuple(songs))


def _score(names: Sequence[str], dataset: Dataset, options: argparse.Namespace) -> list[GroupSummary]:
    """Transcribe the songs with each separator's vocals, and score them; a summary for each."""
    from lyricsep.benchmark.grid import Grid
    from lyricsep.benchmark.results import score_hypothesis, summarise
    from lyricsep.benchmark.running import Runner
    from lyricsep.devices import choose_device
    from lyricsep.store import Store
    from lyricsep.transcribers import WhisperOptions, default_backend

    audio = tuple(f"{name}+{WhisperOptions().mix_back}" for name in names)
    grid = Grid("Separators", (dataset.name,), audio, ("rms-vad",), options.model)
    device = choose_device(options.device)
    runner = Runner(grid, [dataset], Store(options.output / "store"), device, backend=default_backend(device))
    scored = []
    for hypothesis in runner.run(lambda unit: print(unit.name, file=sys.stderr)):
        if hypothesis.error:
            print(f"failed: {hypothesis.unit.name}: {hypothesis.error}", file=sys.stderr)
        scored.append(score_hypothesis(hypothesis, grid)[0])
    return [summary for summary in summarise(scored, grid) if summary.group == "all"]


def _row(name: str, costs: Mapping[str, float], summary: GroupSummary) -> dict[str, Any]:
    low, high = (summary.intervals or {}).get("WER", (None,) * 2)
    change, change_low, change_high, p = (summary.from_first or {}).get("WER", (None,) * 4)
    found: dict[str, Any] = {"separator": name, "songs": summary.n_songs, "songs_failed": summary.n_failed}
    found |= {"auc": (summary.activity or {}).get("auc"), "wer": summary.rates["WER"]}
    found |= {"wer_low": low, "wer_high": high}
    return found | {"change": change, "change_low": change_low, "change_high": change_high, "change_p": p, **costs}


def _table(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Table:
    from lyricsep.tables import Table, with_interval

    def numbers(row: Mapping[str, Any], *keys: str) -> list[float]:
        return [math.nan if row[key] is None else row[key] for key in keys]

    asked, first = about["plan"], rows[0]["separator"]
    headers = ["separator", "songs", "AUC", "WER [95 % over songs]", f"Δ WER from {first} [95 %]"]
    headers += ["real-time factor", "peak memory, GB", "peak CUDA, GB"]
    cells = [
        (
            row["separator"],
            str(row["songs"]) + (f", {row['songs_failed']} failed" if row["songs_failed"] else ""),
            "–" if row["auc"] is None else f"{row['auc']:.3f}",
            with_interval(*numbers(row, "wer", "wer_low", "wer_high")),
            with_interval(*numbers(row, "change", "change_low", "change_high")),
            f"{row['real_time_factor']:.4f}",
            f"{row['peak_memory_bytes'] / 1e9:.2f}",
            f"{row['peak_cuda_bytes'] / 1e9:.2f}" if row["peak_cuda_bytes"] else "–",
        )
        for row in rows
    ]
    versions = ", ".join(f"{name} {version}" for name, version in about["libraries"].items() if version)
    notes = (
        f"AUC of the vocals' envelope against the lines of the reference; WER in percent, {asked['model']} by "
        f"{asked['transcriber']}, lyricsep's defaults, segments found in each separator's own vocals; "
        "real-time factor: seconds of separation a second of audio, with decoding, without loading; peak memory of a "
        "process that does that alone"
        + (f"; stems: vocals that {asked['stems_from']} made before" if asked["stems_from"] else ""),
        f"{about['cpu']}, {about['cores']} cores (load {about['load']:.1f} before), {about['memory_gb']} GB; "
        f"{about['device']}; {about['platform']}; lyricsep {about['lyricsep']}, Python {about['python']}, {versions}",
    )
    return Table(f"Separators: {asked['dataset']}", tuple(headers), tuple(cells), 1, notes)


def _about(names: Sequence[str], dataset: Dataset, options: argparse.Namespace, load: float) -> dict[str, Any]:
    """Say what ran on what: the manifest of a run, and the hardware."""
    from lyricsep.devices import choose_device, describe_device, describe_machine
    from lyricsep.manifest import new_manifest
    from lyricsep.separators import find_separator
    from lyricsep.transcribers import default_backend, find_model
    from lyricsep.weights import content_hash

    device, stems_from = choose_device(options.device), options.stems_from if "stems" in names else None
    asked = {"dataset": dataset.name, "separators": names, "stems_from": stems_from, "model": options.model}
    asked |= {"transcriber": default_backend(device)}
    separators = [find_separator(name) for name in dict.fromkeys((*names, stems_from)) if name]
    files = [file for spec in separators for file in spec.files] + list(find_model(options.model).files)
    return new_manifest("benchmark_separators", None, **asked).as_dict() | {
        "device": describe_device(device),
        "weights": [{"name": file.name, "sha256": content_hash(file)} for file in files],
        "songs": [song.id for song in dataset.songs],
        **describe_machine(),
        "load": load,
    }


def _plot(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any], stem: Path) -> None:
    from lyricsep.reports.plots import Estimate, TradeOff, plot_trade_off

    def percent(value: float | None) -> float:
        return math.nan if value is None else 100 * value

    points = [
        TradeOff(
            row["separator"],
            row["real_time_factor"],
            Estimate(*(percent(row[key]) for key in ("wer", "wer_low", "wer_high"))),
        )
        for row in rows
    ]
    plot_trade_off(
        stem,
        points,
        title=f"Separators: {about['plan']['dataset']}",
        xlabel="real-time factor: seconds of separation a second of audio",
        ylabel="WER, % [95 % over songs]",
    )


def _record(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any], folder: Path) -> None:
    """Write the table and its plot, and print it."""
    import pandas

    from lyricsep.files import replacing, write_text

    table = _table(rows, about)
    write_text(folder / "table.md", table.markdown())
    write_text(folder / "table.json", json.dumps({"about": about, "rows": rows}, ensure_ascii=False, indent=1) + "\n")
    with replacing(folder / "table.csv") as path:
        pandas.DataFrame(rows).to_csv(path, index=False)
    _plot(rows, about, folder / "trade_off")
    print(table.text(), end="")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="folder of the table and of what is kept")
    add("--dataset", default="jam-alt", help="songs with lyrics, as for `lyricsep benchmark` (default: %(default)s)")
    add("-l", "--language", default="en", help="of songs whose dataset does not say it (default: %(default)s)")
    add("--separator", action="append", help=f"may be repeated (default: {', '.join(SEPARATORS)})")
    add("--stems-from", default="spleeter", help="who makes the vocals that `stems` reads (default: %(default)s)")
    add("--model", default="base", help="Whisper model (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Measure, score, and write the table."""
    if sys.argv[1:2] == ["--worker"]:
        _separate(*sys.argv[2:])
        return
    options, load = _parse(), os.getloadavg()[0]

    from lyricsep.datasets import open_dataset
    from lyricsep.errors import DatasetError, LyricsepError
    from lyricsep.separators import find_separator
    from lyricsep.transcribers import find_model

    try:
        names = list(dict.fromkeys(options.separator or SEPARATORS))
        for name in (*names, options.stems_from):
            find_separator(name)
        find_model(options.model)
        dataset = open_dataset(options.dataset, language=options.language)
        if not all(song.audio for song in dataset.songs):
            raise DatasetError(f"{options.dataset}: came without its audio; see `lyricsep datasets show`")
        if "stems" in names:
            folder = options.output / f"songs-and-{Path(options.stems_from).stem}"
            dataset = _with_vocals(dataset, options.stems_from, options.device, folder)
        costs, songs = {}, [str(song.audio) for song in dataset.songs]
        for name in names:
            # Linux counts what is held here when a process starts into its peak: torch, say, must not be loaded yet.
            worker = [sys.executable, __file__, "--worker", name, options.device, *songs]
            costs[name] = json.loads(_run(name, worker).splitlines()[-1])
        summaries = _score(names, dataset, options)
        rows = [_row(name, costs[name], summary) for name, summary in zip(names, summaries, strict=True)]
        _record(rows, _about(names, dataset, options, load), options.output)
    except LyricsepError as error:
        sys.exit(f"benchmark_separators: {error}")


if __name__ == "__main__":
    main()
