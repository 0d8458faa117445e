"""What the commands show: one line a fact on stderr, a progress bar where somebody watches."""

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
    from rich.console import Console
    from rich.progress import TaskID

    from lyricsep.signals import Progress

__all__ = ["Finish", "Start", "counting", "in_flags", "say", "show_logs", "spoken", "watching"]

Start = Callable[[str], None]
"""Called with the name of what is begun."""

Finish = Callable[[str, str, str], None]
"""Called with the name of what ended, how it went, and the error if there is one."""


def in_flags(error: Exception) -> str:
    """Return the text of an error, with its options written as flags of the command line."""
    return error.render(_flag) if isinstance(error, LyricsepError) else str(error)


def _flag(name: str, value: str) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value in ("", "True") else f"--no-{flag[2:]}" if value == "False" else f"{flag} {value}"


def say(message: str) -> None:
    """Print a line for people, out of the way of data."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def show_logs(*, verbose: bool) -> None:
    """Send what the library logs to stderr: warnings, and with `verbose` what every stage did."""
    logger = logging.getLogger("lyricsep")
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(message)s" if verbose else "%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)


class _Lines(logging.Handler):
    """Prints through `say`, that is through whatever stderr is just then, so that bars and lines do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def watching(n_songs: int) -> Iterator[Progress]:
    """Show how far the songs are: a bar for each on a terminal, nothing elsewhere.

    Yields
    ------
    callable
        See `lyricsep.signals.Progress`.
    """
    if not sys.stderr.isatty():
        yield lambda path, stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console: Console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[Path, TaskID] = {}
    # What goes to stdout is data: it is moved out of the way of the bars only where both are on the terminal.
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
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
def counting(n_things: int) -> Iterator[tuple[Start, Finish]]:
    """Show how many of many things are done and how long the rest may take: a bar on a terminal, else a line each."""
    began = time.monotonic()
    n_done = 0

    def line(name: str, how: str, error: str) -> None:
        nonlocal n_done
        n_done += 1
        left = max(0.0, (time.monotonic() - began) / n_done * (n_things - n_done))
        say(f"[{n_done}/{n_things}] {name}: {f'failed: {error}' if error else how}; about {spoken(left)} left")

    if not sys.stderr.isatty() or not n_things:
        yield lambda name: None, line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console: Console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        task = bars.add_task("", total=n_things)

        def finished(name: str, how: str, error: str) -> None:
            bars.advance(task)
            bars.update(task, description=name)
            if error:
                say(f"failed: {name}: {error}")

        yield lambda name: bars.update(task, description=name), finished


def spoken(seconds: float) -> str:
    """Give a span of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
