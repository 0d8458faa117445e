"""How far a batch is, and whether its table tells it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lyricsep.aligners import AlignmentOptions
from lyricsep.aligners.ctc_models import CtcSpec
from lyricsep.cli.console import in_flags
from lyricsep.engines import Batch, Delivery, Record, Task
from lyricsep.errors import ConfigError
from lyricsep.files import file_digest
from lyricsep.inputs import SongFile
from lyricsep.plan import Plan


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    """Three songs with results."""
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(name.encode())
        (tmp_path / f"{name}.txt").write_text("la")
    return [Task(SongFile(tmp_path / f"{name}.wav", Path(name)), "en") for name in "abc"]


def done(task: Task, plan: Plan) -> Record:
    key = plan.lyrics_key(("x",), "en")
    return Record.of(task.id, task.song.path).done(
        results={"a.txt": ""}, audio=("x",), key=key, vocals_found=True, versions=plan.versions
    )


def test_what_is_to_be_done_again_is_left(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    assert batch.begin(tasks, plan, delivery).todo == tuple(tasks)
    batch.journal.add(done(tasks[0], plan))
    batch.journal.add(replace(done(tasks[1], plan), status="failed", error="no"))
    status = batch.status()
    assert (status.n_done, status.n_left, status.n_recent, in_flags(status.failures["b"])) == (1, 1, 2, "no")

    # The same again: what failed is tried again, what is done stays.
    assert [task.id for task in batch.begin(tasks, plan, delivery).todo] == ["b", "c"]
    status = batch.status()
    assert (status.n_done, status.n_left, status.n_recent, dict(status.failures)) == (1, 2, 0, {})

    # Other options: refused before anything changes, naming what differs; or all is to be done again.
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = replace(plan, segmentation=None)
    with pytest.raises(ConfigError, match=r"holds results of other options \(native False → True, .*\)"):
        batch.begin(tasks, other, delivery)
    beams = replace(plan, transcription=replace(plan.transcription, beam_size=5))
    with pytest.raises(ConfigError, match=r"other options \(beam_size 1 → 5\); choose another output, or"):
        batch.begin(tasks, beams, delivery)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert batch.begin(tasks, other, replace(delivery, overwrite=True)).todo[0].id == "a"
    assert batch.status().n_left == 3


def test_another_aligner_is_refused_by_its_name(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    aligning = replace(plan, alignment=AlignmentOptions())
    batch.begin(tasks, aligning, delivery)
    batch.journal.add(done(tasks[0], aligning))
    ctc = replace(aligning, model=None, backend="", aligner=CtcSpec("tones", tmp_path, (), "mit"))
    differences = r"\(model tiny\.en → none, backend ctranslate2 → none, aligner none → tones, weights of .*\)"
    with pytest.raises(ConfigError, match=f"holds results of other options {differences}"):
        batch.begin(tasks, ctc, delivery)


def test_an_alignment_of_what_was_transcribed_is_refused_in_words(
    plan: Plan, tasks: list[Task], tmp_path: Path
) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    batch.begin(tasks, plan, delivery)
    batch.journal.add(done(tasks[0], plan))
    with pytest.raises(
        ConfigError, match=r"holds lyrics that were transcribed, and in this run they are aligned; choose another out"
    ):
        batch.begin(tasks, replace(plan, alignment=AlignmentOptions()), delivery)
    other = Batch(tmp_path / "other")
    other.begin(tasks, replace(plan, alignment=AlignmentOptions()), Delivery(tmp_path / "other", ("txt",)))
    other.journal.add(done(tasks[0], plan))
    with pytest.raises(ConfigError, match=r"that were aligned, and in this run they are transcribed; choose"):
        other.begin(tasks, plan, Delivery(tmp_path / "other", ("txt",)))


def test_a_run_that_is_refused_changes_nothing(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))

    def refused(todo: list[Task], *records: Record) -> None:
        with batch.unchanged_if_refused():
            batch.begin(todo, plan, delivery)
            for record in records:
                batch.journal.add(record)
            raise ConfigError("Ray is missing")

    with pytest.raises(ConfigError, match="Ray is missing"):
        refused(tasks)
    with pytest.raises(ConfigError, match="no batch was run in this folder"):
        batch.status()
    batch.begin(tasks, plan, delivery)
    batch.journal.add(done(tasks[0], plan))
    with pytest.raises(ConfigError, match="Ray is missing"):
        refused(tasks[:1])
    assert (batch.status().n_songs, batch.status().n_done) == (3, 1)
    with pytest.raises(ConfigError, match="Ray is missing"):
        refused(tasks[:2], done(tasks[1], plan))
    assert batch.status().n_songs == 2


def test_results_of_an_older_version_are_done_and_told(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    batch.begin(tasks, plan, delivery)
    batch.journal.add(replace(done(tasks[0], plan), versions="decoding 0, separation 0"))
    batch.journal.add(done(tasks[1], plan))
    beginning = batch.begin(tasks, plan, delivery)
    assert ([task.id for task in beginning.todo], beginning.n_older) == (["c"], 1)
    beginning = batch.begin(tasks, plan, replace(delivery, refresh=True))
    assert ([task.id for task in beginning.todo], beginning.n_older) == (["a", "c"], 0)


def test_results_of_songs_that_are_gone_are_told_and_pruned(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, delivery = Batch(tmp_path), Delivery(tmp_path, ("txt",))
    batch.begin(tasks, plan, delivery)
    for task in tasks:
        path = tmp_path / f"{task.id}.txt"
        batch.journal.add(replace(done(task, plan), results={str(path): file_digest(path)[0]}))
    (tmp_path / "b.txt").write_text("corrected by hand")
    assert batch.begin(tasks[:1], plan, delivery).n_gone == 2
    assert (tmp_path / "c.txt").exists()
    beginning = batch.begin(tasks[:1], plan, delivery, prune=True)
    assert (beginning.n_gone, beginning.kept) == (2, (str(tmp_path / "b.txt"),))
    assert [(tmp_path / f"{name}.txt").exists() for name in "abc"] == [True, True, False]
    (csv, *_) = batch.write_table()
    assert [row.split(",")[0] for row in csv.read_text().splitlines()] == ["id", "a"]
    assert batch.begin(tasks[:1], plan, delivery).n_gone == 0


def test_a_batch_that_is_damaged_is_none(plan: Plan, tmp_path: Path) -> None:
    Batch(tmp_path).begin([], plan, Delivery(tmp_path, ("txt",)))
    assert Batch(tmp_path).status().n_songs == 0
    (tmp_path / ".lyricsep" / "batch.json").write_text("[]")
    with pytest.raises(ConfigError, match="no batch was run in this folder; name the output folder"):
        Batch(tmp_path).status()


def test_a_table_is_as_new_as_the_journal(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    assert batch.has_table  # there is nothing to tell
    batch.journal.add(done(tasks[0], plan))
    assert not batch.has_table
    (csv, *_) = batch.write_table()
    assert batch.has_table
    os.utime(csv, ns=(0, batch.journal.path.stat().st_mtime_ns - 1))  # killed between a song and the table
    assert not batch.has_table


@pytest.mark.parametrize("plan_json", ["[1]", "3", "[" * 100_000, ""])
def test_a_damaged_plan_refuses_nothing(plan: Plan, tasks: list[Task], tmp_path: Path, plan_json: str) -> None:
    batch = Batch(tmp_path)
    batch.begin(tasks, plan, Delivery(tmp_path, ("txt",)))
    batch.journal.add(done(tasks[0], plan))
    (tmp_path / ".lyricsep" / "plan.json").write_text(plan_json)
    assert batch.begin(tasks, plan, Delivery(tmp_path, ("txt",))).todo == tuple(tasks[1:])


def test_options_need_not_be_text(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch, odd = Batch(tmp_path), replace(plan, query="caf\udce9")
    batch.begin(tasks, odd, Delivery(tmp_path, ("txt",)))
    batch.journal.add(done(tasks[0], odd))
    batch.begin(tasks, odd, Delivery(tmp_path, ("txt",)))  # the same options, as they were read again
    with pytest.raises(ConfigError, match="holds results of other options"):
        batch.begin(tasks, plan, Delivery(tmp_path, ("txt",)))


def test_times_that_are_none_are_passed_over_or_told(plan: Plan, tasks: list[Task], tmp_path: Path) -> None:
    batch = Batch(tmp_path)
    batch.begin(tasks, plan, Delivery(tmp_path, ("txt",)))
    batch.journal.add(done(tasks[0], plan))
    batch.journal.add(replace(done(tasks[1], plan), at="99-01-01"))
    assert (batch.status().n_done, batch.status().n_left) == (1, 2)
    state = tmp_path / ".lyricsep" / "batch.json"
    state.write_text(state.read_text().replace('"started": "2', '"started": "x'))
    with pytest.raises(ConfigError, match="no batch was run in this folder"):
        batch.status()
