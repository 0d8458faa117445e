"""What the tests of the command line have in common, apart from fixtures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example" / "night_train.mp3"

# The quickest that still hears words: the smallest model, greedy, one hearing.
QUICK = ("--model", "tiny.en", "--mix-back", "0.3", "--beam-size", "1")
# Quicker still, where the words are not the point.
QUICKEST = (*QUICK, "--separator", "none")


@dataclass(frozen=True)
class Outcome:
    """What a command left for its caller."""

    code: int
    out: str
    err: str

    @property
    def written(self) -> list[Path]:
        """The paths on stdout."""
        return [Path(line) for line in self.out.splitlines()]


def start(*arguments: str | Path, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own, which opens no connection and minds Ctrl-C."""
    command = [sys.executable, "-m", "lyricsep", *map(str, arguments)]
    environment = {**os.environ, "LYRICSEP_OFFLINE": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Tests that run in the background of a shell inherit that interrupts are ignored.
    minding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, **{**streams, **minding, **options})


def finish(*arguments: str | Path, cwd: Path, **options: Any) -> Outcome:
    """Run a command in a process of its own."""
    process = start(*arguments, cwd=cwd, **options)
    out, err = process.communicate()
    return Outcome(process.returncode, out, err)


def manifest_of(folder: Path) -> dict[str, Any]:
    """Read the only manifest of a folder of results."""
    (path,) = folder.glob(".lyricsep/manifest-*.json")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
