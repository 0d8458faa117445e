"""The same songs on a Ray cluster: the same bytes. Ray lives in processes of its own here: it may end them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lyricsep.engines import Delivery, Journal, Record, Task, run_ray
from lyricsep.errors import ConfigError
from lyricsep.inputs import SongFile
from lyricsep.plan import Plan

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lyricsep[ray]'"
)
QUICKEST = ("--separator", "none", "--model", "tiny.en", "-l", "en", "--offline")


def batch(folder: Path, output: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lyricsep", "batch", "run", "songs"]
    return subprocess.run(
        [*command, "-o", output, "-f", "txt,json", *QUICKEST, "--workers", "1", *options],
        cwd=folder,  # relative names hold on every node
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def outputs(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*.*") if path.is_file() and path.suffix in (".txt", ".json")]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if ".lyricsep" not in path.parts and not path.name.startswith("lyricsep-")
    }


@pytest.mark.slow
@pytest.mark.parametrize("work", [("--beam-size", "1"), ("--lyrics", "words")], ids=["transcribe", "align"])
def test_a_cluster_gives_what_this_machine_gives(songs: Path, tmp_path: Path, work: tuple[str, ...]) -> None:
    odd = songs / "n\udcffme.wav"
    odd.write_bytes((songs / "disc 1" / "söng 1.wav").read_bytes())
    for song in songs.rglob("*.wav"):
        words = tmp_path / "words" / song.relative_to(songs).with_suffix(".txt")
        words.parent.mkdir(parents=True, exist_ok=True)
        words.write_text("I left my home, I ride the train\nThe streets were shining in the rain\n")
    (songs / "broken.mp3").write_bytes(b"no music")
    here, there = batch(tmp_path, "here", *work), batch(tmp_path, "there", *work, "--engine", "ray")
    assert (here.returncode, there.returncode) == (1, 1)  # one is broken, and has no lyrics
    assert "4 of 5 songs done; 1 failed" in there.stderr
    assert outputs(tmp_path / "here") == outputs(tmp_path / "there")
    assert len(outputs(tmp_path / "there")) == 8

    def facts(folder: str) -> dict[str, Record]:
        records = Journal(tmp_path / folder / ".lyricsep" / "journal.jsonl")
        plain = {"results": {}, "worker": "", "at": "", "seconds": {}, "fresh": False}
        # Two songs hold the same sound: the second is known from the first.
        return {record.id: replace(record, **plain) for record in records}

    assert facts("here") == facts("there")


STOP = """
from pathlib import Path
from lyricsep.engines import Delivery, StopError, Task, run_ray
from lyricsep.inputs import find_songs
from lyricsep.plan import TranscribeOptions, resolve

if __name__ == "__main__":
    plan = resolve(TranscribeOptions(separator="htdemucs", model="tiny.en", offline=True))
    tasks = [Task(song, "en") for song in find_songs(["songs"]).songs]
    try:
        list(run_ray(tasks, plan, Delivery(Path("there"), ("txt",)), n_workers=1))
    except StopError as error:
        print(error)
"""


@pytest.mark.slow
def test_what_stops_one_worker_stops_the_cluster(songs: Path, tmp_path: Path) -> None:
    """Here, weights that cannot be had: by the library, for the command line has fetched them before."""
    (tmp_path / "stop.py").write_text(STOP)
    environment = {**os.environ, "LYRICSEP_CACHE": str(tmp_path / "no cache")}
    told = subprocess.run(
        [sys.executable, "stop.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0
    assert told.stdout.startswith("955717e8-8726e21a.th: could not be obtained: ")


def test_no_cluster_there(plan: Plan, tmp_path: Path) -> None:
    task = Task(SongFile(tmp_path / "a.mp3", Path("a")))
    with pytest.raises(ConfigError, match=r"127.0.0.1:1: no Ray cluster there \(.*\); see `ray start`") as e:
        list(run_ray([task], plan, Delivery(tmp_path, ("txt",)), address="127.0.0.1:1"))
    assert "\n" not in str(e.value)
