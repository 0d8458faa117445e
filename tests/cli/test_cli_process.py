"""What only a process of its own shows: signals, pipes, terminals, full disks, an hour of music."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import EXAMPLE, QUICK, QUICKEST, finish, start
from peak_memory import PEAK

from lyricsep.audio import open_audio
from lyricsep.inputs import find_songs

resource = pytest.importorskip("resource", reason="limits of resources need a Unix")

GIB = 2**30


def _separating_the_second_song(song: Path, folder: Path) -> subprocess.Popen[str]:
    """Start the separation of two songs, and come back when the first is done."""
    process = start("separate", song, EXAMPLE, "-o", "out", cwd=folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "out/song.vocals.wav\n"
    return process


def test_interrupted(song: Path, tmp_path: Path) -> None:
    process = _separating_the_second_song(song, tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "lyricsep: interrupted; finished results are kept"
    assert "Traceback" not in err
    (manifest,) = (tmp_path / "out").glob(".lyricsep/manifest-*.json")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"song.vocals.wav", ".lyricsep"}
    (record,) = json.loads(manifest.read_text())["songs"]
    assert record["results"] == ["out/song.vocals.wav"]
    assert soundfile.info(tmp_path / "out" / "song.vocals.wav").frames == soundfile.info(song).frames


def test_interrupted_while_it_starts(tmp_path: Path) -> None:
    # In the middle of the imports, which take the first half second.
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = finish("--version", cwd=tmp_path)
    assert (done.code, done.out) == (130, "")
    assert done.err == "lyricsep: interrupted; finished results are kept\n"


def test_killed(song: Path, tmp_path: Path) -> None:
    process = _separating_the_second_song(song, tmp_path)
    process.kill()
    process.communicate()
    visible = [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]
    assert visible == ["song.vocals.wav"]
    # What the kill left behind is nobody's song.
    assert find_songs([str(tmp_path / "out")]).songs == ()


def test_whoever_reads_may_stop_reading(song: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start("segment", song, "--separator", "none", cwd=tmp_path, stdout=write)
    os.close(write)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.splitlines()[1:] == []


def _disk_of(n_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def test_no_room_for_the_lyrics(song: Path, tmp_path: Path) -> None:
    told = finish("transcribe", song, *QUICKEST, cwd=tmp_path, preexec_fn=_disk_of(8))
    assert (told.code, told.out) == (1, "")
    # Not even the manifest fits.
    _, of_lyrics, of_manifest = told.err.splitlines()
    assert of_lyrics.startswith("failed: lyrics/song.txt: cannot be written (File too large); free some space")
    assert of_manifest.startswith("lyricsep: lyrics/.lyricsep/manifest-")
    assert [path for path in (tmp_path / "lyrics").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_no_room_for_the_vocals(song: Path, tmp_path: Path, file_format: str) -> None:
    told = finish(
        "separate", song, "--separator", "none", "--format", file_format, cwd=tmp_path, preexec_fn=_disk_of(100_000)
    )
    assert (told.code, told.out) == (1, "")
    (line,) = told.err.splitlines()[1:]
    assert line.startswith(f"failed: vocals/song.vocals.{file_format}: cannot be written (")
    assert [path.name for path in (tmp_path / "vocals").iterdir()] == [".lyricsep"]


@pytest.mark.slow
def test_an_hour_takes_no_more_than_three_gigabytes(shared: Path, tmp_path: Path) -> None:
    minutes = 60
    _join(sorted((shared / "jam-alt" / "subsets" / "es").rglob("*.mp3")), tmp_path / "long.flac", minutes * 60)
    script = (
        f"{PEAK}\nfrom lyricsep.cli import main\ntry:\n    main()\nfinally:\n    print(peak(), file=sys.stderr)\n"
    )
    # The paper's options do not sample, which would only take longer: samples are few at a time. The smallest model
    # takes 0.1 GB less than base; what it makes of Spanish is not the point.
    options = ["-o", "out", "-f", "txt", "-v", "--separator", "spleeter", *QUICK]
    done = subprocess.run(
        [sys.executable, "-c", script, "transcribe", "long.flac", "--preset", "paper", "--device", "cpu", *options],
        cwd=tmp_path,
        env={**os.environ, "LYRICSEP_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *told, peak = done.stderr.splitlines()
    print(*told, f"{minutes} minutes: at most {int(peak) / GIB:.2f} GiB", sep="\n")
    assert int(peak) < 3e9
    assert len((tmp_path / "out" / "long.txt").read_text().splitlines()) > minutes


def _join(songs: list[Path], target: Path, seconds: int) -> None:
    """Write songs one after the other, over and over, until there are enough of them."""
    left = seconds * 44100
    with soundfile.SoundFile(target, "w", 44100, 2, subtype="PCM_16") as file:
        while left:
            for song in songs:
                with open_audio(song) as reader:
                    assert (reader.sample_rate, reader.n_channels) == (44100, 2)
                    for block in reader.blocks():
                        part: np.ndarray = block[:, :left].numpy().T
                        file.write(part)
                        left -= len(part)
