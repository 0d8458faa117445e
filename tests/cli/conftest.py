"""The command line as a user meets it, and songs short enough to be tried often."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import Outcome
from numpy.typing import NDArray

from lyricsep.cli import main

Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test open a connection, neither here nor in a process of its own."""

    def refuse(*_: object) -> None:
        raise AssertionError("a test opened a socket")

    monkeypatch.setenv("LYRICSEP_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in this process, in a folder of its own; what C libraries print is caught too."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["lyricsep", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        assert isinstance(left.value.code, int)
        captured = capfd.readouterr()
        return Outcome(left.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def song(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """The excerpt as a file."""
    path = tmp_path / "song.wav"
    soundfile.write(path, excerpt, 44100)
    return path
