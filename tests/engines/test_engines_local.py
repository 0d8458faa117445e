"""Processes that die, hang and disagree: one song costs one song, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lyricsep.cli.console import in_flags
from lyricsep.engines import Delivery, Record, Seat, StopError, Task, run_local, seats_of
from lyricsep.inputs import find_songs
from lyricsep.plan import Plan
from lyricsep.separators import find_separator

SEATS = [Seat("cpu", 1)] * 2
LONG = 6.0  # seconds; songs from here on make the recipes below do harm


def tasks_of(folder: Path) -> list[Task]:
    return [Task(song, "en") for song in find_songs([str(folder)]).songs]


def with_recipe(plan: Plan, folder: Path, harm: str) -> Plan:
    """Separate by a command that gives the mixture back, and does harm to whoever runs it on a long song."""
    code = textwrap.dedent(f"""
        import os, shutil, signal, sys, time, wave
        from pathlib import Path
        source, target, mark = sys.argv[1:]
        seconds = (os.path.getsize(source) - 80) / (16000 * 4)
        if seconds > {LONG}:
            {harm}
        shutil.copy(source, target)
    """)
    (folder / "harmful.py").write_text(code)
    (folder / "harmful.toml").write_text(
        f"""[settings]
        command = ["{sys.executable}", "harmful.py", "{{input}}", "{{output_dir}}/vocals.wav", "{folder / "mark"}"]
        output = "*.wav"
        sample_rate = 16000
        channels = 1
        """
    )
    return replace(plan, separators=(find_separator(str(folder / "harmful.toml")),))


@pytest.fixture
def with_a_long_one(songs: Path, excerpt: np.ndarray) -> list[Task]:
    """The songs, and one of more than `LONG` seconds that comes first."""
    soundfile.write(songs / "a long one.wav", np.concatenate([excerpt, excerpt[:44100]]), 44100)
    return tasks_of(songs)


def run(tasks: list[Task], plan: Plan, out: Path, **options: object) -> dict[str, Record]:
    records = list(run_local(tasks, plan, Delivery(out, ("txt",)), SEATS, **options))
    assert sorted(record.id for record in records) == sorted(task.id for task in tasks)
    return {record.id: record for record in records}


def test_songs_are_done_by_processes(plan: Plan, songs: Path, tmp_path: Path) -> None:
    records = run(tasks_of(songs), plan, tmp_path / "out")
    assert {record.status for record in records.values()} == {"done"}
    assert {record.fresh for record in records.values()} == {True}
    texts = {path.read_text() for path in (tmp_path / "out").rglob("*.txt")}
    assert all("train" in text for text in texts)
    # The names of all are kept, with their folders.
    assert sorted(records) == ["disc 1/söng 1", "disc 2/söng 2", "disc 3/söng 3"]


def test_no_songs_start_no_processes(plan: Plan, tmp_path: Path) -> None:
    assert list(run_local([], plan, Delivery(tmp_path, ("txt",)), [])) == []


def test_a_worker_that_is_killed_is_replaced_and_its_song_done(
    plan: Plan, with_a_long_one: list[Task], tmp_path: Path
) -> None:
    """Once, as the kernel does where memory runs out: the second attempt goes well."""
    once = "Path(mark).exists() or (Path(mark).touch(), os.kill(os.getppid(), signal.SIGKILL))"
    records = run(with_a_long_one, with_recipe(plan, tmp_path, once), tmp_path / "out")
    assert (tmp_path / "mark").exists()
    assert {record.status for record in records.values()} == {"done"}
    assert len({record.worker for record in records.values()}) >= 2


def test_a_song_that_kills_its_workers_is_given_up(plan: Plan, with_a_long_one: list[Task], tmp_path: Path) -> None:
    always = "with open(mark, 'a') as file: print(1, file=file)\n            os.kill(os.getppid(), signal.SIGKILL)"
    records = run(with_a_long_one, with_recipe(plan, tmp_path, always), tmp_path / "out")
    assert (tmp_path / "mark").read_text() == "1\n1\n"  # twice, no more
    lost = records.pop("a long one")
    assert lost.status == "failed"
    assert in_flags(lost.failure) == (
        "its worker stopped 2 times (SIGKILL, probably out of memory); use fewer --workers or a smaller --model"
    )
    assert {record.status for record in records.values()} == {"done"}


@pytest.mark.slow
def test_a_song_that_takes_too_long_is_given_up(plan: Plan, with_a_long_one: list[Task], tmp_path: Path) -> None:
    records = run(with_a_long_one, with_recipe(plan, tmp_path, "time.sleep(3600)"), tmp_path / "out", time_limit=30)
    lost = records.pop("a long one")
    assert in_flags(lost.failure) == "took longer than 30 s; raise --time-limit and run again"
    assert {record.status for record in records.values()} == {"done"}


def test_models_that_cannot_be_had_stop_all(plan: Plan, songs: Path, tmp_path: Path, cache) -> None:
    missing = replace(plan, separators=(find_separator("htdemucs"),))
    with pytest.raises(StopError, match=r"955717e8-8726e21a.th: could not be obtained: .*offline"):
        run(tasks_of(songs), missing, tmp_path / "out")


def made_of(kind: type[Plan], plan: Plan) -> Plan:
    return kind(**{each.name: getattr(plan, each.name) for each in fields(plan)})


class Unlucky(Plan):
    """Prints as libraries do, and meets what no room foresaw."""

    def load_backend(self, *_: Any, **__: Any) -> Any:
        print("Welcome!")
        raise PermissionError("no entry")


def test_a_worker_neither_dies_in_silence_nor_talks_among_the_results(
    plan: Plan, songs: Path, tmp_path: Path, capfd
) -> None:
    (record,) = run(tasks_of(songs)[:1], made_of(Unlucky, plan), tmp_path / "out").values()
    assert (record.status, record.error) == ("failed", "its worker stopped 2 times (exit code 1, see above)")
    told = capfd.readouterr()
    assert told.out == ""
    assert "Welcome!" in told.err
    assert "PermissionError: no entry" in told.err


def test_workers_that_never_get_ready_stop_all(plan: Plan, songs: Path, tmp_path: Path) -> None:
    """As on a machine whose memory does not even hold the libraries: here, a device that does not exist."""
    with pytest.raises(StopError, match=r"workers stop before their first song \(exit code 1, see above\)"):
        list(run_local(tasks_of(songs), plan, Delivery(tmp_path, ("txt",)), [Seat("no device", 1)]))


@pytest.mark.parametrize(
    ("cores", "n_workers", "expected"),
    [(1, None, [1]), (2, None, [2]), (8, None, [2] * 4), (2, 2, [1, 1]), (8, 3, [2, 2, 2]), (2, 5, [1] * 5)],
)
def test_seats_on_a_cpu(monkeypatch, cores: int, n_workers: int | None, expected: list[int]) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert seats_of("cpu", n_workers) == [Seat("cpu", n) for n in expected]


def test_seats_on_gpus(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert [seat.device for seat in seats_of("cuda")] == ["cuda:0", "cuda:1", "cuda:2"]
    assert [seat.device for seat in seats_of("cuda", 4)] == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert [seat.device for seat in seats_of("cuda:1")] == ["cuda:1"]


@pytest.mark.skipif(sys.platform == "win32", reason="ends workers without a signal")
@pytest.mark.parametrize(("when", "code"), [("start", -signal.SIGTERM), ("song", 0)])
def test_a_signal_in_a_callback_of_a_library_ends_the_worker(when: str, code: int) -> None:
    # An exception in such a callback is printed, and goes no further.
    script = textwrap.dedent("""
        import os, signal, sys, types, weakref
        from lyricsep.engines import local

        class Thing: pass

        def ended_in_a_callback():
            thing = Thing()
            kept = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
            del thing

        class Pipe:
            n_received = 0
            def send(self, message):
                print(message, file=sys.stderr)
                if message == "ready" and sys.argv[1] == "start":
                    ended_in_a_callback()
            def recv(self):
                self.n_received += 1
                if self.n_received > 1:
                    raise EOFError
                return "task"

        local.replace = lambda plan, **_: plan
        local.Worker = lambda *_: types.SimpleNamespace(do=lambda task: ended_in_a_callback())
        sys.unraisablehook = lambda _: None
        local._work(Pipe(), local.Seat("cpu", 1), None, None)
    """)
    done = subprocess.run([sys.executable, "-c", script, when], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "ready\n")
