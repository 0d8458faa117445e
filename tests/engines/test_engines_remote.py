"""Songs behind URLs and results put behind one: what is done is not done again, and nothing is left lying about."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tagged_songs import make

from lyricsep.engines import Batch, Delivery, Seat, Task, Worker, run_local
from lyricsep.engines import work as worker_module
from lyricsep.engines.work import incoming_folder
from lyricsep.inputs import find_songs
from lyricsep.plan import Plan
from lyricsep.session import Session

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'lyricsep[remote]'")


@pytest.fixture
def bucket(songs: Path) -> Iterator[Any]:
    """The three songs in memory, below ``/music``, and nothing below ``/out``."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    for path in songs.rglob("*.wav"):
        system.pipe(f"/music/{path.relative_to(songs).as_posix()}", path.read_bytes())
    yield system
    system.store.clear()


def tasks_of(*names: str) -> list[Task]:
    return [Task(song, "en") for song in find_songs(names).songs]


def worker(plan: Plan, delivery: Delivery) -> Worker:
    return Worker(plan, delivery)


def forbidden(*_: object) -> None:
    raise AssertionError("this was done already")


def test_a_remote_song_gives_what_the_local_one_gives(
    plan: Plan, songs: Path, bucket: Any, excerpt: NDArray[np.float32], tmp_path: Path, monkeypatch
) -> None:
    here, there = Delivery(tmp_path / "here", ("txt", "json")), Delivery(tmp_path / "there", ("txt", "json"))
    local, *_ = tasks_of(str(songs))
    task, *others = tasks_of("memory://music")
    assert task.id == local.id == "disc 1/söng 1"
    first, second = worker(plan, here).do(local), worker(plan, there).do(task)
    assert (second.status, second.path) == ("done", "memory://music/disc 1/söng 1.wav")
    assert (second.key, second.audio, second.size) == (first.key, first.audio, first.size)
    for suffix in (".txt", ".json"):
        assert (
            task.song.result(there.folder, suffix).read_bytes() == task.song.result(here.folder, suffix).read_bytes()
        )
    assert [path.name for path in incoming_folder(there.folder).iterdir()] == ["lock"]

    # Title and artist are those of the copy that was heard.
    tagged = make(tmp_path / "tagged.mp3", {"title": "Title", "artist": "Artist"}, samples=excerpt.T.copy())
    bucket.pipe("/tagged/a.mp3", tagged.read_bytes())
    (named,) = tasks_of("memory://tagged")
    assert worker(plan, replace(there, formats=("lrc",))).do(named).status == "done"
    assert named.song.result(there.folder, ".lrc").read_text().startswith("[ti:Title]\n[ar:Artist]\n")

    # Another run asks for no more than whether it changed.
    batch = Batch(there.folder)
    batch.journal.add(second)
    monkeypatch.setattr(type(bucket), "get_file", forbidden)
    assert batch.begin([task, *others], plan, there).todo == tuple(others)
    bucket.pipe("/music/disc 1/söng 1.wav", b"no music")
    (changed, *_) = tasks_of("memory://music")
    assert [each.id for each in batch.begin([changed, *others], plan, there).todo] == [
        t.id for t in (changed, *others)
    ]
    monkeypatch.undo()
    record = worker(plan, replace(there, overwrite=True)).do(changed)
    assert record.status == "failed"
    assert record.error.startswith("memory://music/disc 1/söng 1.wav: FFmpeg cannot read it as audio")


def test_what_nothing_tells_from_its_next_version_is_fetched_again(plan: Plan, bucket: Any, tmp_path: Path) -> None:
    """And found in the store."""
    delivery = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of("memory://music")
    first = worker(plan, delivery).do(task)
    assert task.is_done(first, plan, delivery)
    assert not task.is_done(replace(first, version=""), plan, delivery)
    assert not task.is_done(replace(first, size=3), plan, delivery)
    again = worker(plan, delivery).do(task)
    assert (again.status, again.fresh) == ("done", False)


def test_what_a_listing_told_is_not_asked_again(plan: Plan, songs: Path, tmp_path: Path, monkeypatch) -> None:
    delivery = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of(f"file://{songs}")
    record = worker(plan, delivery).do(task)
    monkeypatch.setattr(worker_module, "state_of", forbidden)
    assert task.is_done(record, plan, delivery)


def test_a_song_that_is_gone_fails_alone(plan: Plan, bucket: Any, tmp_path: Path) -> None:
    (task,) = tasks_of("memory://music/gone.mp3")
    record = worker(plan, Delivery(tmp_path, ("txt",))).do(task)
    assert (record.status, record.size, record.path) == ("failed", -1, "memory://music/gone.mp3")
    assert (
        str(record.failure)
        == "memory://music/gone.mp3: cannot be downloaded (not found); check the URL and run again"
    )


def test_a_connection_that_breaks_off_costs_its_song(plan: Plan, songs: Path, web, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'lyricsep[remote]'")
    sound = (songs / "disc 1" / "söng 1.wav").read_bytes()
    urls = [
        web.serve("/cut.wav?key=secret", web.cut(sound, len(sound) // 2)),
        web.serve("/whole.wav?key=secret", web.whole(sound)),
    ]
    delivery = Delivery(tmp_path / "out", ("txt",))
    cut, whole = (worker(plan, delivery).do(task) for task in tasks_of(*urls))
    assert (cut.status, whole.status) == ("failed", "done")
    assert cut.error.startswith(f"{web.address}/cut.wav?...: ")
    assert "secret" not in f"{cut} {whole}"
    assert not (tmp_path / "out" / "cut.txt").exists()


def made_of(kind: type[Plan], plan: Plan) -> Plan:
    return kind(**{each.name: getattr(plan, each.name) for each in fields(plan)})


class Killed(Plan):
    """Dies with a song in its hands."""

    def load_backend(self, *_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_worker_leaves_is_removed_by_the_next_run(plan: Plan, songs: Path, tmp_path: Path) -> None:
    delivery = Delivery(tmp_path / "out", ("txt",))
    tasks = tasks_of(f"file://{songs}")[:1]
    (record,) = run_local(tasks, made_of(Killed, plan), delivery, [Seat("cpu", 1)])
    assert "its worker stopped 2 times" in record.error
    assert record.path == f"file://{songs}/disc 1/söng 1.wav"
    incoming = incoming_folder(delivery.folder)
    assert len(list(incoming.rglob("*.wav"))) == 2
    Batch(delivery.folder).begin(tasks, plan, delivery)
    assert [path.name for path in incoming.iterdir()] == ["lock"]


def test_results_are_copied_before_a_song_is_done(plan: Plan, songs: Path, bucket: Any, tmp_path: Path, monkeypatch):
    plain = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of(str(songs))
    first = worker(plan, plain).do(task)
    copied = replace(plain, copy_to="memory://anna:secret@out/lyrics")
    assert task.is_done(first, plan, plain)
    assert not task.is_done(first, plan, copied)

    monkeypatch.setattr(Session, "_load_signals", forbidden)  # the copy alone is left
    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "put_file", lambda *_: (_ for _ in ()).throw(PermissionError("secret")))
        failed = worker(plan, copied).do(task)
    assert failed.status == "failed"
    assert str(failed.failure) == (
        "memory://anna@out/lyrics/disc 1/söng 1.txt: cannot be copied there (no permission); "
        "check copy_to and run again"
    )
    done = worker(plan, copied).do(task)
    assert (done.status, done.fresh, done.copied_to) == ("done", False, "memory://anna@out/lyrics")
    text = task.song.result(tmp_path / "out", ".txt").read_bytes()
    assert bucket.cat(bucket._strip_protocol(f"{copied.copy_to}/disc 1/söng 1.txt")) == text
    assert task.is_done(done, plan, copied)
    assert task.is_done(done, plan, plain)
    assert not task.is_done(done, plan, replace(copied, copy_to="memory://elsewhere"))


def test_a_url_travels_through_a_cluster() -> None:
    (task,) = tasks_of("memory://b/a.mp3")
    task = replace(task, written={"b/a.txt": "1f"}, song=replace(task.song, stem=Path("n\udcffme")))
    assert pickle.loads(pickle.dumps(task)) == task
