"""Try `lyricsep batch` as a library would: hundreds of songs, killed workers, a lost node, a killed run.

Makes short songs out of the example that ships, some of them broken, and transcribes them four times: on this machine
undisturbed; on this machine with a worker and then the whole run killed; on a Ray cluster of three nodes of this
machine undisturbed; and on such a cluster with a node and then the whole run killed. Then compares every byte of the
results, reads the journals for work that was done twice, and writes what it found as JSON, Markdown and a plot of
memory and pace. Needs lyricsep[embedded,ctranslate2,benchmark,ray].

usage: python scripts/trial_batch.py -o OUT [--songs 500] [--only local,local-killed,ray,ray-killed]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lyricsep.audio import Audio, load_audio, save_audio
from lyricsep.engines import Journal
from lyricsep.files import file_digest

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"
SHARE_BROKEN = 0.05
TRIALS = ("local", "local-killed", "ray", "ray-killed")
# The smallest model, greedy, on the mixture: what is tried is not the models.
QUICK = ("--separator", "none", "--model", "tiny.en", "--beam-size", "1", "-l", "en", "-f", "txt,json", "--offline")
N_WORKERS, N_NODES = 2, 3


@dataclass
class Trial:
    """What one of the four came to."""

    name: str
    seconds: float = 0.0
    exit_codes: list[int] = field(default_factory=list)
    disturbances: list[str] = field(default_factory=list)
    n_done: int = 0
    n_failed: int = 0
    n_transcribed: int = 0
    n_transcribed_twice: int = 0
    digest: str = ""
    memory: list[tuple[float, float, int]] = field(default_factory=list)  # seconds, GB of all processes, songs ended


def make_songs(folder: Path, n_songs: int, seed: int = 0) -> None:
    """Cut pieces of one to three seconds out of the example; every twentieth is broken in one of three ways."""
    if len(list(folder.glob("*/*"))) == n_songs:
        return
    example = load_audio(EXAMPLE)
    dice = random.Random(seed)  # noqa: S311
    for number in range(n_songs):
        path = folder / f"disc {number % 10}" / f"sång {number:04d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        length = dice.randrange(44100, 3 * 44100)
        start = dice.randrange(example.samples.shape[1] - length)
        save_audio(path, Audio(example.samples[:, start : start + length], 44100), subtype="PCM_16")
        if number % round(1 / SHARE_BROKEN) == 7:
            content = path.read_bytes()
            path.write_bytes((b"", b"no music", content[:30])[number // 20 % 3])


def main() -> None:
    """Run the trials that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the findings")
    parser.add_argument("--songs", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--only", default=",".join(TRIALS), help=f"some of {', '.join(TRIALS)}")
    options = parser.parse_args()
    folder: Path = options.output.absolute()
    songs = folder / f"songs-{options.songs}"
    make_songs(songs, options.songs)
    trials = []
    for name in options.only.split(","):
        engine, _, killed = name.partition("-")
        results = folder / name
        if results.exists():
            sys.exit(f"{results}: exists already; choose another --output")
        print(f"{name} ...", flush=True)
        trial = Trial(name)
        with _cluster() if engine == "ray" else _no_cluster() as (arguments, lose_a_node):
            _run(trial, songs, results, options.songs, [*arguments], lose_a_node, killed=bool(killed))
        _judge(trial, results)
        trials.append(trial)
        print(_row(trial), flush=True)
        _write(folder, trials, options.songs)
    if len({trial.digest for trial in trials}) > 1 or any(trial.n_transcribed_twice for trial in trials):
        sys.exit("the results differ, or work was done twice")


def _run(
    trial: Trial, songs: Path, results: Path, n_songs: int, arguments: list[str], lose_a_node: Any, *, killed: bool
) -> None:
    command = [sys.executable, "-m", "lyricsep", "batch", "run", str(songs)]
    command += ["-o", str(results), *QUICK, *arguments]
    journal = Journal(results / ".lyricsep" / "journal.jsonl")
    began = time.monotonic()
    plan = [(1 / 4, "part"), (1 / 2, "whole")] if killed else []
    while True:
        with (results.parent / f"{trial.name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            while process.poll() is None:
                time.sleep(0.5)
                n_ended = sum(1 for _ in journal)
                trial.memory.append((time.monotonic() - began, _memory_of(process.pid), n_ended))
                if plan and n_ended >= plan[0][0] * n_songs:
                    _, what = plan.pop(0)
                    if what == "whole":
                        process.kill()
                        told = "killed the run"
                    else:
                        told = lose_a_node() if lose_a_node else _kill_a_worker(process.pid)
                    trial.disturbances.append(f"{told} after {n_ended} songs")
        trial.exit_codes.append(process.returncode)
        if process.returncode >= 0:
            break
        time.sleep(3)  # for the song in the hands of the workers
    trial.seconds = time.monotonic() - began


def _judge(trial: Trial, results: Path) -> None:
    records = list(Journal(results / ".lyricsep" / "journal.jsonl"))
    last = {record.id: record for record in records}
    trial.n_done = sum(record.status == "done" for record in last.values())
    trial.n_failed = sum(record.status == "failed" for record in last.values())
    keys = Counter(record.key for record in records if record.fresh)
    trial.n_transcribed = sum(keys.values())
    trial.n_transcribed_twice = sum(count - 1 for count in keys.values())
    files = sorted(path for path in results.rglob("*/*.*") if ".lyricsep" not in path.parts)
    listing = "".join(f"{path.relative_to(results)} {file_digest(path)[0]}\n" for path in files)
    (results.parent / f"{trial.name}.sha256").write_text(listing, encoding="utf-8")
    trial.digest = file_digest(results.parent / f"{trial.name}.sha256")[0][:16]


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(status.parent.name))
    return found


def _memory_of(pid: int) -> float:
    """Give the memory of a process and all below it, in GB; what they share counts once for each."""
    total = 0
    for one in [pid, *_children(pid), *(grand for child in _children(pid) for grand in _children(child))]:
        try:
            match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
        except OSError:
            continue
        total += int(match[1]) if match else 0
    return total / 1e6


def _kill_a_worker(pid: int) -> str:
    workers = [child for child in _children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    return "killed a worker"


@contextmanager
def _no_cluster() -> Iterator[tuple[list[str], None]]:
    yield ["--workers", str(N_WORKERS)], None


@contextmanager
def _cluster() -> Iterator[tuple[list[str], Any]]:
    """Make a Ray cluster of nodes with a core each, on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(N_NODES - 1)]

    def lose() -> str:
        cluster.remove_node(others.pop(), allow_graceful=False)  # type: ignore[no-untyped-call]
        return "killed a node"

    try:
        yield ["--engine", "ray", "--address", cluster.address], lose
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


def _row(trial: Trial) -> str:
    peak = max((gigabytes for _, gigabytes, _ in trial.memory), default=0.0)
    parts = [
        trial.name,
        "; ".join(trial.disturbances) or "-",
        f"{trial.n_done} done, {trial.n_failed} failed",
        f"{trial.n_transcribed}, {trial.n_transcribed_twice} twice",
        f"{trial.seconds:.0f} s",
        f"{peak:.2f} GB",
        ", ".join(map(str, trial.exit_codes)),
        trial.digest,
    ]
    return "| " + " | ".join(parts) + " |"


def _write(folder: Path, trials: list[Trial], n_songs: int) -> None:
    heads = (
        "trial",
        "disturbed",
        "songs",
        "transcribed",
        "time",
        "peak memory",
        "exit codes",
        "digest of all results",
    )
    lines = [
        f"{n_songs} short songs, {os.cpu_count()} cores",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    (folder / "trial.md").write_text("\n".join([*lines, *map(_row, trials)]) + "\n", encoding="utf-8")
    (folder / "trial.json").write_text(json.dumps([vars(trial) for trial in trials], indent=1) + "\n")
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (pace, memory) = plt.subplots(2, 1, sharex=True, figsize=(8, 6))
    for trial in trials:
        seconds = [moment[0] for moment in trial.memory]
        pace.plot(seconds, [moment[2] for moment in trial.memory], label=trial.name)
        memory.plot(seconds, [moment[1] for moment in trial.memory], label=trial.name)
    pace.set(ylabel="songs ended", title=f"{n_songs} songs")
    memory.set(xlabel="seconds", ylabel="memory of the run, GB", ylim=(0, None))
    pace.legend()
    figure.savefig(folder / "trial.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
