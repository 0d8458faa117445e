"""The commands over songs, given URLs: the same bytes as of local files, twice the first time and never again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import QUICKEST, manifest_of
from numpy.typing import NDArray

from lyricsep.engines import Journal

pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'lyricsep[remote]'")

OPTIONS = (*QUICKEST, "--language", "en", "-f", "txt,json")


@pytest.fixture
def library(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """Two songs and a broken one."""
    folder = tmp_path / "library"
    for number in range(2):
        path = folder / f"disc {number}" / f"sång {number}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, excerpt * (1 - number / 20), 44100)
    (folder / "broken.mp3").write_bytes(b"no music")
    return folder


def results(folder: Path) -> dict[str, bytes]:
    files = [*folder.rglob("*.txt"), *folder.rglob("*.json")]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if ".lyricsep" not in path.parts and not path.name.startswith("lyricsep-")
    }


def test_a_batch_of_urls(run: Callable, library: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    run("batch", "run", "library", "-o", "here", *OPTIONS, "--workers", 1)
    arguments = ("batch", "run", f"file://{library}/", "-o", "there", *OPTIONS, "--workers", 1)
    told = run(*arguments, "--copy-to", f"file://{copies}")
    assert told.code == 1
    assert f"broken: failed: file://{library}/broken.mp3: FFmpeg cannot read it as audio" in told.err
    assert results(tmp_path / "here") == results(tmp_path / "there") == results(copies)
    assert len(results(copies)) == 4
    assert {path.name for path in copies.iterdir()} >= {"songs.csv", "songs.parquet"}
    assert (copies / "songs.csv").read_bytes() == Path("there/songs.csv").read_bytes()
    assert [path.read_bytes() for path in copies.glob(".lyricsep/manifest-*.json")] == [
        path.read_bytes() for path in Path("there").glob(".lyricsep/manifest-*.json")
    ]
    assert not list(Path("there").rglob("*.wav"))  # no copy of a song is left

    (library / "broken.mp3").unlink()
    before = len(list(Journal(Path("there/.lyricsep/journal.jsonl"))))
    again = run(*arguments, "--copy-to", f"file://{copies}")
    assert again.code == 0
    assert "songs: 2, already done: 2" in again.err
    assert len(list(Journal(Path("there/.lyricsep/journal.jsonl")))) == before

    # Elsewhere: the copies alone are made.
    moved = run(*arguments, "--copy-to", f"file://{tmp_path}/elsewhere")
    assert moved.err.count("reused") == 2
    assert results(tmp_path / "elsewhere") == results(copies)


def test_transcribe_takes_urls(run: Callable, library: Path, tmp_path: Path) -> None:
    names = [f"file://{library}/disc 0/sång 0.wav", f"file://{library}/gone.mp3", f"file://{library}/broken.mp3"]
    run("transcribe", "library/disc 0/sång 0.wav", "-o", "here", *OPTIONS)
    told = run("transcribe", *names, "-o", "there", *OPTIONS)
    assert told.code == 1
    assert results(tmp_path / "there") == results(tmp_path / "here")
    assert f"failed: {names[1]}: cannot be downloaded (not found); check the URL and run again\n" in told.err
    assert f"failed: {names[2]}: FFmpeg cannot read it as audio" in told.err
    songs = manifest_of(Path("there"))["songs"]
    assert {song["path"]: song["status"] for song in songs} == dict(
        zip(names, ("done", "failed", "failed"), strict=True)
    )


def test_other_commands_say_that_they_cannot(run: Callable, library: Path) -> None:
    name = f"file://{library}/disc 0/sång 0.wav"
    told = run("separate", name, "-o", "out", "--separator", "none")
    assert told.code == 1
    assert f"failed: {name}: is a URL, which this command cannot read; download it first\n" in told.err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["library", "--copy-to", "folder"], "folder: expected a URL such as s3://bucket/lyrics; set --copy-to"),
        (["library", "--copy-to", "s3://u:secret@x"], "s3://u@x: is remote, and offline runs"),
        (["https://u:secret@h/a.mp3"], "https://h/a.mp3: is remote, and offline runs open no connection"),
    ],
)
def test_wrong_usage(run: Callable, library: Path, arguments: list[str], match: str) -> None:
    told = run("batch", "run", *arguments, "-o", "out", *QUICKEST)
    assert told.code == 2
    assert match in told.err
    assert "secret" not in told.err
