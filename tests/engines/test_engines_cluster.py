"""The same songs on a Ray cluster: the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lyricsep.engines import Delivery, Seat, StopError, Task, Work, run_local, run_ray
from lyricsep.errors import ConfigError
from lyricsep.inputs import Song, find_songs

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lyricsep[ray]'")


def outputs(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".lyricsep" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_a_cluster_gives_what_this_machine_gives(work: Work, songs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # relative names hold on every node
    odd = songs / "n\udcffme.wav"
    odd.write_bytes((songs / "disc 1" / "söng 1.wav").read_bytes())
    (songs / "broken.mp3").write_bytes(b"no music")
    tasks = [Task(song, "en") for song in find_songs(["songs"]).songs]
    assert len(tasks) == 5
    here = list(run_local(tasks, work, Delivery(Path("here"), ("txt", "json")), [Seat("cpu", 2)], offline=True))
    there = list(run_ray(tasks, work, Delivery(Path("there"), ("txt", "json")), "cpu", n_workers=1, offline=True))
    assert outputs(tmp_path / "here") == outputs(tmp_path / "there")
    assert len(outputs(tmp_path / "there")) == 8

    def facts(records: list) -> dict[str, tuple]:
        return {r.id: (r.status, r.error, r.fresh, r.key, r.lines, r.duration, r.path) for r in records}

    assert facts(here) == facts(there)
    # What stops one worker stops the batch.
    missing = replace(work, settings=replace(work.settings, separator="htdemucs"))
    monkeypatch.setenv("LYRICSEP_CACHE", str(tmp_path / "no cache"))
    with pytest.raises(StopError, match=r"955717e8-8726e21a.th: no source gave it: .*offline"):
        list(run_ray(tasks, missing, Delivery(Path("there"), ("txt",)), "cpu", n_workers=1, offline=True))


def test_no_cluster_there(work: Work, tmp_path: Path) -> None:
    task = Task(Song(tmp_path / "a.mp3", Path("a")))
    with pytest.raises(
        ConfigError, match=r"--address 127.0.0.1:1: no Ray cluster there \(.*\); see `ray start`"
    ) as e:
        list(run_ray([task], work, Delivery(tmp_path, ("txt",)), "cpu", address="127.0.0.1:1"))
    assert "\n" not in str(e.value)
