"""Songs behind URLs and results put behind one: what is done is not done again, and nothing is left lying about."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lyricsep.engines import Batch, Delivery, Record, Seat, Task, Work, Worker, run_local
from lyricsep.engines import work as work_module
from lyricsep.engines.cluster import _as_bytes, _from_bytes
from lyricsep.engines.work import incoming_folder
from lyricsep.inputs import find_songs

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'lyricsep[remote]'")

CPU = torch.device("cpu")


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


def worker(work: Work, delivery: Delivery) -> Worker:
    return Worker(work, delivery, CPU, offline=True)


def forbidden(*_: object) -> None:
    raise AssertionError("this was done already")


def test_a_remote_song_gives_what_the_local_one_gives(
    work: Work, songs: Path, bucket: Any, tmp_path: Path, monkeypatch
) -> None:
    here, there = Delivery(tmp_path / "here", ("txt", "json")), Delivery(tmp_path / "there", ("txt", "json"))
    local, *_ = tasks_of(str(songs))
    task, *others = tasks_of("memory://music")
    assert task.id == local.id == "disc 1/söng 1"
    first, second = worker(work, here).do(local), worker(work, there).do(task)
    assert (second.status, second.path) == ("done", "memory://music/disc 1/söng 1.wav")
    assert (second.key, second.audio, second.size) == (first.key, first.audio, first.size)
    for suffix in (".txt", ".json"):
        assert (
            task.song.result(there.folder, suffix).read_bytes() == task.song.result(here.folder, suffix).read_bytes()
        )
    assert [path.name for path in incoming_folder(there.folder).iterdir()] == ["lock"]

    # Another run asks for no more than whether it changed.
    batch = Batch(there.folder)
    batch.journal.add(second)
    monkeypatch.setattr(type(bucket), "get_file", forbidden)
    assert batch.begin([task, *others], work, there, CPU) == others
    bucket.pipe("/music/disc 1/söng 1.wav", b"no music")
    (changed, *_) = tasks_of("memory://music")
    assert batch.begin([changed, *others], work, there, CPU) == [changed, *others]
    monkeypatch.undo()
    record = worker(work, replace(there, overwrite=True)).do(changed)
    assert record.status == "failed"
    assert record.error.startswith("memory://music/disc 1/söng 1.wav: FFmpeg cannot read it as audio")


def test_what_nothing_tells_from_its_next_version_is_fetched_again(work: Work, bucket: Any, tmp_path: Path) -> None:
    """And found in the store."""
    delivery = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of("memory://music")
    first = worker(work, delivery).do(task)
    assert task.is_done(first, work, delivery, CPU)
    assert not task.is_done(replace(first, version=""), work, delivery, CPU)
    assert not task.is_done(replace(first, size=3), work, delivery, CPU)
    again = worker(work, delivery).do(task)
    assert (again.status, again.fresh) == ("done", False)


def test_what_a_listing_told_is_not_asked_again(work: Work, songs: Path, tmp_path: Path, monkeypatch) -> None:
    delivery = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of(f"file://{songs}")
    record = worker(work, delivery).do(task)
    monkeypatch.setattr(work_module, "state_of", forbidden)
    assert task.is_done(record, work, delivery, CPU)


def test_a_song_that_is_gone_fails_alone(work: Work, bucket: Any, tmp_path: Path) -> None:
    (task,) = tasks_of("memory://music/gone.mp3")
    record = worker(work, Delivery(tmp_path, ("txt",))).do(task)
    assert (record.status, record.size, record.path) == ("failed", -1, "memory://music/gone.mp3")
    assert record.error == "memory://music/gone.mp3: cannot be downloaded (not found); check the URL and run again"


def test_a_connection_that_breaks_off_costs_its_song(work: Work, songs: Path, web, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'lyricsep[remote]'")
    sound = (songs / "disc 1" / "söng 1.wav").read_bytes()
    urls = [
        web.serve("/cut.wav?key=secret", web.cut(sound, len(sound) // 2)),
        web.serve("/whole.wav?key=secret", web.whole(sound)),
    ]
    delivery = Delivery(tmp_path / "out", ("txt",))
    cut, whole = (worker(work, delivery).do(task) for task in tasks_of(*urls))
    assert (cut.status, whole.status) == ("failed", "done")
    assert cut.error.startswith(f"{web.address}/cut.wav?...: ")
    assert "secret" not in f"{cut} {whole}"
    assert not (tmp_path / "out" / "cut.txt").exists()


class Killed(Work):
    """Dies with a song in its hands."""

    def load_transcriber(self, *_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_worker_leaves_is_removed_by_the_next_run(work: Work, songs: Path, tmp_path: Path) -> None:
    delivery = Delivery(tmp_path / "out", ("txt",))
    tasks = tasks_of(f"file://{songs}")[:1]
    (record,) = run_local(tasks, Killed(**vars(work)), delivery, [Seat("cpu", 1)], offline=True)
    assert "its worker died 2 times" in record.error
    assert record.path == f"file://{songs}/disc 1/söng 1.wav"
    incoming = incoming_folder(delivery.folder)
    assert len(list(incoming.rglob("*.wav"))) == 2
    Batch(delivery.folder).begin(tasks, work, delivery, CPU)
    assert [path.name for path in incoming.iterdir()] == ["lock"]


def test_results_are_copied_before_a_song_is_done(work: Work, songs: Path, bucket: Any, tmp_path: Path, monkeypatch):
    plain = Delivery(tmp_path / "out", ("txt",))
    task, *_ = tasks_of(str(songs))
    first = worker(work, plain).do(task)
    copied = replace(plain, copy_to="memory://anna:secret@out/lyrics")
    assert task.is_done(first, work, plain, CPU)
    assert not task.is_done(first, work, copied, CPU)

    monkeypatch.setattr(Worker, "_transcribe", forbidden)  # the copy alone is left
    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "put_file", lambda *_: (_ for _ in ()).throw(PermissionError("secret")))
        failed = worker(work, copied).do(task)
    assert failed.status == "failed"
    assert failed.error == (
        "memory://anna@out/lyrics/disc 1/söng 1.txt: cannot be copied there (no permission); "
        "check copy_to and run again"
    )
    done = worker(work, copied).do(task)
    assert (done.status, done.fresh, done.copied_to) == ("done", False, "memory://anna@out/lyrics")
    text = task.song.result(tmp_path / "out", ".txt").read_bytes()
    assert bucket.cat(bucket._strip_protocol(f"{copied.copy_to}/disc 1/söng 1.txt")) == text
    assert task.is_done(done, work, copied, CPU)
    assert task.is_done(done, work, plain, CPU)
    assert not task.is_done(done, work, replace(copied, copy_to="memory://elsewhere"), CPU)


def test_records_of_before_there_were_urls_are_still_read() -> None:
    entry = {key: value for key, value in vars(Record("a", "a.mp3")).items() if key not in ("version", "copied_to")}
    assert Record.from_entry(entry) == Record("a", "a.mp3")


def test_a_url_travels_through_a_cluster() -> None:
    (task,) = tasks_of("memory://b/a.mp3")
    assert _from_bytes(_as_bytes(task)) == task
