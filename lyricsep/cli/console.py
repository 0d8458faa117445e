"""Messages of the commands on stderr, one line each, and their progress."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import LyricsepError
from lyricsep.files import shown
from lyricsep.terminal import can_show_status, status

if TYPE_CHECKING:
    from lyricsep.signals import Progress

Start = Callable[[str], None]
"""Called with the name of what starts."""

Finish = Callable[[str, str, str], None]
"""Called with the name of what ended, its outcome, and the error, if any."""


def in_flags(error: Exception) -> str:
    """Return the text of an error, with its options written as flags of the command line."""
    return error.render(_flag) if isinstance(error, LyricsepError) else str(error)


def _flag(name: str, value: str) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value in ("", "True") else f"--no-{flag[2:]}" if value == "False" else f"{flag} {value}"


def say(message: str) -> None:
    """Print a line to stderr; stdout is for data."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def show_logs(*, verbose: bool) -> None:
    """Send what the library logs to stderr: warnings, and with `verbose` the work of every stage."""
    logger = logging.getLogger("lyricsep")
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(message)s" if verbose else "%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)


class _Lines(logging.Handler):
    """Handler that prints through `say`, and so to the current stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def watching(n_songs: int) -> Iterator[Progress]:
    """Show the progress of songs (`lyricsep.signals.Progress`): of the first that is not done, on a terminal.

    Elsewhere, print a line for each of several songs that is done; one that failed has a line already.
    """
    lock = threading.Lock()  # stages report from several threads
    doing: dict[Path, tuple[str, float]] = {}
    n_done = 0

    with status("loading models") as shown_status:
        began = shown_status.began

        def show(path: Path, stage: str, share: float) -> None:
            nonlocal n_done
            with lock:
                if stage in ("done", "failed"):
                    doing.pop(path, None)
                    n_done += 1
                    left = _left(began, n_done, n_songs)
                    if stage == "done" and n_songs > 1 and not can_show_status():
                        parts = [spoken(time.monotonic() - began), left]
                        say(f"[{n_done}/{n_songs}] {shown(path)}: {'; '.join(filter(None, parts))}")
                    shown_status.left = left
                else:
                    doing[path] = stage, share
                number = f"[{n_done + 1}/{n_songs}] " if n_songs > 1 else ""
                for first, (doing_now, done) in doing.items():
                    shown_status.text = f"{number}{doing_now} {shown(Path(first.name))}"
                    shown_status.share = done
                    break

        yield show


@contextmanager
def counting(n_items: int) -> Iterator[tuple[Start, Finish]]:
    """Show how many items are done and the time left: on a terminal below all lines, else one line per item."""
    n_done = 0
    if not n_items:
        yield lambda name: None, lambda name, outcome, error: None
        return
    with status(f"0 of {n_items} done") as shown_status:
        began = shown_status.began

        def start(name: str) -> None:
            shown_status.text = f"[{n_done + 1}/{n_items}] {name}"

        def finish(name: str, outcome: str, error: str) -> None:
            nonlocal n_done
            n_done += 1
            left = _left(began, n_done, n_items)
            if not can_show_status():
                parts = [f"failed: {error}" if error else outcome, left]
                say(f"[{n_done}/{n_items}] {name}: {'; '.join(filter(None, parts))}")
            elif error:
                say(f"failed: {name}: {error}")
            shown_status.text = f"{n_done} of {n_items} done: {name}"
            shown_status.share = n_done / n_items
            shown_status.left = left

        yield start, finish


def _left(began: float, n_done: int, n_items: int) -> str:
    seconds = (time.monotonic() - began) / n_done * (n_items - n_done)
    return f"about {spoken(seconds)} left" if n_done < n_items else ""


def spoken(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, such as 12 s or 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
