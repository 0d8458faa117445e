"""`--plot`: a song's plots beside its results."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import QUICKEST, manifest_of

pytest.importorskip("matplotlib")


def texts_of(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


def test_transcribe_draws_what_it_wrote(run: Callable, song: Path, tmp_path: Path) -> None:
    told = run("transcribe", song, *QUICKEST, "-f", "json", "--plot", "svg")
    assert told.code == 0, told.err
    assert told.written == [Path("lyrics") / f"song{end}" for end in (".json", ".plot.svg", ".spectrogram.svg")]
    lines = json.loads(told.written[0].read_text(encoding="utf-8"))["lines"]
    drawn = texts_of(told.written[1])
    assert {"song", "transcribed", "onset", *(line["text"] for line in lines)} <= set(drawn)
    assert "reference" not in drawn
    assert {"mixture", "vocals", "frequency, Hz"} <= set(texts_of(told.written[2]))
    assert "Warning" not in told.err
    record = manifest_of(Path("lyrics"))
    assert record["plan"]["plot"] == "svg"
    assert record["songs"][0]["results"] == [str(path) for path in told.written]
    again = run("transcribe", song, *QUICKEST, "-f", "txt", "--plot", "svg")
    assert again.code == 1
    assert "lyrics/song.plot.svg: exists already; set --overwrite" in again.err


def test_whole_windows_have_no_thresholds(run: Callable, song: Path) -> None:
    told = run("transcribe", song, *QUICKEST, "-f", "txt", "--native", "--plot", "svg")
    assert told.code == 0, told.err
    assert "onset" not in texts_of(Path("lyrics/song.plot.svg"))


def test_each_song_gets_its_own_plot(run: Callable, song: Path, tmp_path: Path) -> None:
    """A song that fails, and one without a voice, come between two that do not."""
    (tmp_path / "bad.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(3 * 16000), 16000)
    samples, rate = soundfile.read(song)
    soundfile.write(tmp_path / "twice.wav", np.concatenate([samples, samples]), rate)
    told = run("transcribe", song, "bad.wav", "none.wav", "twice.wav", *QUICKEST, "-f", "txt", "--plot", "svg")
    assert told.code == 1
    plots = {path.name: texts_of(path) for path in told.written if path.name.endswith(".plot.svg")}
    assert set(plots) == {"song.plot.svg", "none.plot.svg", "twice.plot.svg"}
    ends = {name: [text for text in texts if re.fullmatch(r"\d+:\d\d", text)][-1] for name, texts in plots.items()}
    assert ends == {"song.plot.svg": "0:05", "none.plot.svg": "0:03", "twice.plot.svg": "0:10"}


def test_segment_draws_its_segments(run: Callable, song: Path) -> None:
    told = run("segment", song, "--separator", "none", "--plot", "png")
    assert told.code == 0, told.err
    assert told.written == [
        Path("segments") / f"song{end}" for end in (".segments.csv", ".plot.png", ".spectrogram.png")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in told.written[1:])
    told = run("segment", song, "--separator", "none", "--plot", "pdf", "--overwrite")
    assert told.written[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("command", ["transcribe", "segment"])
def test_what_is_wrong_is_said_before_the_work(
    run: Callable, song: Path, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = run(command, song, "--plot", "gif")
    assert (told.code, told.err) == (2, "lyricsep: --plot gif: choose from png, svg, pdf\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = run(command, song, "--plot", "png")
    assert (told.code, told.err) == (2, "lyricsep: plots need matplotlib: pip install 'lyricsep[plots]'\n")
    assert list(tmp_path.iterdir()) == [song]


def test_stdout_holds_no_plots(run: Callable, song: Path) -> None:
    told = run("transcribe", song, "-o", "-", "--plot", "png")
    assert (told.code, told.out) == (2, "")
    assert "--plot png: --output - prints only lyrics" in told.err
