"""Messages of the commands on stderr, one line each, and progress bars on a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import LyricsepError
from lyricsep.files import shown

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn, TaskID

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
    """Handler that prints through `say`, and so to the current stderr; bars and lines do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def watching(n_songs: int) -> Iterator[Progress]:
    """Show the progress of the songs (`lyricsep.signals.Progress`): one bar each on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda path, stage, share: None
        return
    from rich.progress import TaskProgressColumn

    tasks: dict[Path, TaskID] = {}
    with _bars(TaskProgressColumn()) as bars:
        total = bars.add_task(f"{n_songs} songs", total=n_songs) if n_songs > 1 else None
        stages: dict[Path, str] = {}

        def show(path: Path, stage: str, share: float) -> None:
            if stage == "done":
                bars.remove_task(tasks.pop(path))
                if total is not None:
                    bars.advance(total)
                return
            if path not in tasks:
                tasks[path] = bars.add_task("", total=1.0)
            if stages.get(path) != stage:
                stages[path] = stage
                bars.reset(tasks[path], description=f"{stage} {shown(Path(path.name))}")
            bars.update(tasks[path], completed=share)

        yield show


@contextmanager
def counting(n_items: int) -> Iterator[tuple[Start, Finish]]:
    """Show how many items are done and the time left: a bar on a terminal, one line per item elsewhere."""
    began = time.monotonic()
    n_done = 0

    def line(name: str, outcome: str, error: str) -> None:
        nonlocal n_done
        n_done += 1
        left = max(0.0, (time.monotonic() - began) / n_done * (n_items - n_done))
        say(f"[{n_done}/{n_items}] {name}: {f'failed: {error}' if error else outcome}; about {spoken(left)} left")

    if not sys.stderr.isatty() or not n_items:
        yield lambda name: None, line
        return
    from rich.progress import MofNCompleteColumn

    with _bars(MofNCompleteColumn()) as bars:
        task = bars.add_task("", total=n_items)

        def finished(name: str, outcome: str, error: str) -> None:
            bars.advance(task)
            bars.update(task, description=name)
            if error:
                say(f"failed: {name}: {error}")

        yield lambda name: bars.update(task, description=name), finished


def _bars(done: ProgressColumn) -> Bars:
    """Return bars on stderr with a column that tells how much is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), done, TimeRemainingColumn())
    # stdout holds data: it is redirected around the bars only where both are on the terminal.
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


def spoken(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, such as 12 s or 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
