"""How far a batch is, and whether its table tells it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lyricsep.engines import Batch, Delivery, Record, Task, Work
from lyricsep.errors import ConfigError
from lyricsep.inputs import SongFile

CPU = torch.device("cpu")


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    """Three songs with results."""
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(name.encode())
        (tmp_path / f"{name}.txt").write_text("la")
    return [Task(SongFile(tmp_path / f"{name}.wav", Path(name)), "en") for name in "abc"]


def done(task: Task, work: Work) -> Record:
    key = work.lyrics_key(("x",), CPU, "en")
    return Record.of(task.id, task.song.path).done(results=["a.txt"], audio=("x",), key=key, vocals_found=True)


def test_what_is_to_be_done_again_is_left(work: Work, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    assert batch.begin(tasks, work, delivery, CPU) == tasks
    batch.journal.add(done(tasks[0], work))
    batch.journal.add(replace(done(tasks[1], work), status="failed", error="no"))
    status = batch.status()
    assert (status.n_done, status.n_left, status.n_recent, dict(status.failures)) == (1, 1, 2, {"b": "no"})

    # The same again: what failed is tried again, what is done stays.
    assert batch.begin(tasks, work, delivery, CPU) == tasks[1:]
    status = batch.status()
    assert (status.n_done, status.n_left, status.n_recent, dict(status.failures)) == (1, 2, 0, {})

    # Something else: nothing of it is done yet.
    assert batch.begin(tasks, replace(work, native=True), delivery, CPU) == tasks
    assert batch.status().n_left == 3


def test_a_batch_that_is_damaged_is_none(work: Work, tmp_path: Path) -> None:
    Batch(tmp_path).begin([], work, Delivery(tmp_path, ("txt",)), CPU)
    assert Batch(tmp_path).status().n_songs == 0
    (tmp_path / ".lyricsep" / "batch.json").write_text("[]")
    with pytest.raises(ConfigError, match="no batch ran here; name the --output of one"):
        Batch(tmp_path).status()


def test_a_table_is_as_new_as_the_journal(work: Work, tasks: list[Task], tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    assert batch.has_table  # there is nothing to tell
    batch.journal.add(done(tasks[0], work))
    assert not batch.has_table
    (csv, *_) = batch.write_table()
    assert batch.has_table
    os.utime(csv, ns=(0, batch.journal.path.stat().st_mtime_ns - 1))  # killed between a song and the table
    assert not batch.has_table
