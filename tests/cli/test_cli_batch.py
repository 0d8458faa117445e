"""`lyricsep batch`: libraries that are killed half-way, and gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import QUICKEST, finish, manifest_of, start
from numpy.typing import NDArray

from lyricsep.cli import batch as cli_batch
from lyricsep.engines import Batch, Journal, Record, StopError
from lyricsep.errors import OutputError

OPTIONS = ("-o", "out", *QUICKEST, "--language", "en")


@pytest.fixture
def library(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """Four songs in folders, one of them without vocals, and a broken one."""
    for number in range(3):
        path = tmp_path / "library" / f"disc {number % 2}" / f"sång {number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, excerpt * (1 - number / 20), 44100)
    soundfile.write(tmp_path / "library" / "silence.wav", np.zeros((44100, 1)), 44100)
    (tmp_path / "library" / "broken.mp3").write_bytes(b"no music")
    return tmp_path / "library"


@pytest.fixture(params=["transcribe", pytest.param("align", marks=pytest.mark.slow)])
def options(request: pytest.FixtureRequest, library: Path, tmp_path: Path) -> tuple[str, ...]:
    """What a run does with the library: transcribe it, or align lyrics that are known of all its songs."""
    if request.param == "transcribe":
        return OPTIONS
    for song in library.rglob("*.*"):
        path = tmp_path / "words" / song.relative_to(library).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("I left my home, I ride the train\nThe streets were shining in the rain\n")
    return ("-o", "out", "--separator", "none", "--model", "tiny.en", "--language", "en", "--lyrics", "words")


def journal(folder: Path) -> list[Record]:
    return list(Journal(folder / "out" / ".lyricsep" / "journal.jsonl"))


def lyrics(output: Path) -> dict[str, bytes]:
    """Return the lyrics below a folder of results, with all times, by their names."""
    paths = [path for path in output.rglob("*.json") if ".lyricsep" not in path.parts]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def test_a_library_from_the_first_run_to_the_last(run: Callable, library: Path, tmp_path: Path) -> None:
    told = run("batch", "run", "library", *OPTIONS, "--workers", 1)
    assert told.code == 1  # one song is broken
    assert told.err.splitlines()[-1].startswith("4 of 5 songs done (1 without vocals); 1 failed; ")
    assert told.err.splitlines()[-1].endswith(" x real time")
    assert "broken: failed: library/broken.mp3: FFmpeg cannot read it as audio" in told.err
    assert set(lyrics(Path("out"))) == {
        "disc 0/sång 0.json", "disc 0/sång 2.json", "disc 1/sång 1.json", "silence.json"
    }  # fmt: skip
    assert [path for path in told.written if not path.exists()] == []
    assert len(told.written) == 4 * 3 + 2  # lyrics in three formats, and the table in two

    table = pd.read_parquet("out/songs.parquet")
    assert list(table["id"]) == ["broken", "disc 0/sång 0", "disc 0/sång 2", "disc 1/sång 1", "silence"]
    assert list(table["status"]) == ["failed", "done", "done", "done", "done"]
    assert list(table["vocals_found"]) == [False, True, True, True, False]
    assert table["error"][0].startswith("library/broken.mp3: FFmpeg")
    assert table["duration"][1] == pytest.approx(5.5)
    with Path("out/songs.csv").open(encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == list(table["id"])
    document = manifest_of(Path("out"))
    assert (document["command"][1], document["counts"]) == ("batch", {"n_songs": 5, "n_done": 4, "n_failed": 1})
    assert document["plan"]["model"] == "tiny.en"
    assert list(document["failures"]) == ["broken"]

    shown = run("batch", "status", "out")
    assert shown.code == 0
    assert shown.out.startswith("failed: broken: library/broken.mp3: FFmpeg cannot read it")
    assert "\n4 of 5 songs done (1 without vocals); 1 failed; " in shown.out
    status = json.loads(run("batch", "status", "out", "--json").out)
    assert (status["n_songs"], status["n_done"], status["n_failed"], status["n_left"]) == (5, 4, 1, 0)

    # Again: only what failed is tried.
    before = lyrics(Path("out"))
    n_records = len(journal(tmp_path))
    (library / "broken.mp3").write_bytes((library / "disc 0" / "sång 0.wav").read_bytes())  # mended; known sound
    (library / "silence.wav").rename(library / "instrumental.wav")
    again = run("batch", "run", "library", *OPTIONS, "--workers", 1)
    assert again.code == 0
    assert "songs: 5, already done: 3" in again.err
    assert "results of songs that are no longer listed: 1; set --prune to delete them" in again.err
    assert Counter((r.id, r.fresh) for r in journal(tmp_path)[n_records:]) == {
        ("broken", False): 1,
        ("instrumental", False): 1,
    }
    assert {**lyrics(Path("out")), **before} == lyrics(Path("out"))
    assert Path("out/broken.txt").read_bytes() == Path("out/disc 0/sång 0.txt").read_bytes()

    # Killed between the last song and the table: there is one after the next run.
    Path("out/songs.csv").unlink()
    table_alone = run("batch", "run", "library", *OPTIONS)
    assert (table_alone.code, table_alone.out) == (0, "out/songs.csv\nout/songs.parquet\n")
    assert len(pd.read_csv("out/songs.csv")) == 6  # with the silence under its earlier name

    # Pruned: its results and its row are gone.
    pruned = run("batch", "run", "library", *OPTIONS, "--prune")
    assert (pruned.code, pruned.out) == (0, "out/songs.csv\nout/songs.parquet\n")
    assert "songs whose results were deleted: 1" in pruned.err
    assert not Path("out/silence.txt").exists()
    assert Path("out/instrumental.txt").exists()
    assert len(pd.read_csv("out/songs.csv")) == 5

    # Another option: refused before any work, with nothing changed.
    files = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    other = run("batch", "run", "library", *OPTIONS, "--mix-back", "0.5")
    assert (other.code, other.out) == (2, "")
    assert other.err.splitlines()[-1] == (
        "lyricsep: out: holds results of other options (mix_back 0.3 → 0.5); choose another --output, or set "
        "--overwrite to replace them"
    )
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == files

    # And once more: nothing at all, and no worker is started for it.
    idle = run("batch", "run", "library", *OPTIONS)
    assert (idle.code, idle.out) == (0, "")
    assert idle.err.splitlines()[-1] == "5 of 5 songs done (1 without vocals); 0 failed"


def test_a_killed_batch_goes_on(options: tuple[str, ...], tmp_path: Path) -> None:
    """The one who watches dies without a word; nothing is lost, and nothing that was finished is done twice.

    While it lives nobody else may do the same songs; its death lets others in. The results are those of a run that
    nobody disturbed, by another number of workers.
    """
    process = start("batch", "run", "library", *options, "--workers", "1", cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(journal(tmp_path)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)  # so that songs are left when it dies
    before = (tmp_path / "out" / ".lyricsep" / "batch.json").read_bytes()
    other = finish("batch", "run", "library", *options, cwd=tmp_path)
    assert (other.code, other.out) == (2, "")
    assert other.err.splitlines()[-1].startswith("lyricsep: out: another run is using it (see `lyricsep batch")
    assert (tmp_path / "out" / ".lyricsep" / "batch.json").read_bytes() == before
    process.kill()
    process.communicate()
    assert 2 <= len(journal(tmp_path)) < 5
    _wait_for_orphans(tmp_path)
    done = finish("batch", "run", "library", *options, "--workers", "1", cwd=tmp_path)
    assert done.code == 1
    assert "4 of 5 songs done (1 without vocals); 1 failed" in done.err
    records = journal(tmp_path)
    assert max(Counter(record.id for record in records if record.status == "done").values()) == 1
    assert max(Counter(record.key for record in records if record.fresh).values()) == 1
    undisturbed = finish("batch", "run", "library", *options, "-o", "whole", "--workers", "2", cwd=tmp_path)
    assert undisturbed.code == 1
    assert len(lyrics(tmp_path / "out")) == 4
    assert lyrics(tmp_path / "out") == lyrics(tmp_path / "whole")


def _wait_for_orphans(folder: Path) -> None:
    """Workers finish the song in their hands."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        here = [p for p in Path("/proc").glob("[0-9]*/cwd") if _is_link_to(p, folder)]
        if not here:
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived its batch")


def _is_link_to(path: Path, folder: Path) -> bool:
    try:
        return path.readlink() == folder
    except OSError:
        return False


def test_ctrl_c_keeps_what_is_done(options: tuple[str, ...], tmp_path: Path) -> None:
    process = start("batch", "run", "library", *options, "--workers", "1", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not journal(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("lyricsep: interrupted; finished results are kept\n")
    assert "Traceback" not in err
    n_done = len(journal(tmp_path))
    assert 1 <= n_done < 5
    assert len(pd.read_csv(tmp_path / "out" / "songs.csv")) == n_done
    assert f"{5 - n_done} left" in finish("batch", "status", "out", cwd=tmp_path).out


def test_a_full_disk_is_told_with_what_to_do(run: Callable, library: Path, monkeypatch) -> None:
    """Not with the table that could not be written after it."""

    def full(*_: object, **__: object) -> Iterator[Record]:
        yield from ()
        raise StopError("a: cannot be written (No space left on device); then run again: what is done is kept")

    def full_too(_: Batch) -> list[Path]:
        raise OutputError("songs.csv: cannot be written (No space left on device)")

    monkeypatch.setattr(cli_batch, "run_local", full)
    monkeypatch.setattr(Batch, "write_table", full_too)
    told = run("batch", "run", "library", *OPTIONS)
    assert told.code == 1
    assert told.err.endswith(
        "lyricsep: a: cannot be written (No space left on device); then run again: what is done is kept\n"
    )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--engine", "slurm"], "no engine is called 'slurm'; choose from local, ray"),
        (["--address", "auto"], "only a Ray cluster has an address; set --engine ray"),
        (["--preset", "nice"], "no preset is called 'nice'"),
        (["--language", "fr"], "language fr: tiny.en transcribes English only; set --model tiny"),
    ],
)
def test_wrong_usage(run: Callable, library: Path, arguments: list[str], match: str) -> None:
    told = run("batch", "run", "library", "-o", "out", *QUICKEST, *arguments)
    assert told.code == 2
    assert match in told.err
    assert len(told.err.splitlines()) <= 2


def test_a_run_without_ray_changes_nothing(run: Callable, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = run("batch", "run", "library", *OPTIONS, "--engine", "ray")
    assert told.code == 2
    assert told.err.splitlines()[-1].endswith("pip install 'lyricsep[ray]'")
    assert run("batch", "status", "out").err.startswith("lyricsep: out: no batch was run in this folder; ")
    assert [path.name for path in Path("out").rglob("*") if path.is_file() and path.name != "lock"] == []


def test_no_batch_there(run: Callable, tmp_path: Path) -> None:
    told = run("batch", "status", "nowhere")
    assert (told.code, told.err) == (
        2,
        "lyricsep: nowhere: no batch was run in this folder; name the --output folder of `lyricsep batch run`\n",
    )
