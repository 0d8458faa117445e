"""The status line: what is being done, at the bottom of the terminal, out of the way of everything that is printed.

Lines are erased with spaces: no escape code, no colour. Elsewhere than on a terminal nothing is shown.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

from lyricsep.tables import clock, text_width

PAUSE = 0.4  # seconds between two drawings, and after what is printed, so that a pipe can print it too


@dataclass(eq=False)
class Status:
    """What is being done; its fields may change at any time.

    Parameters
    ----------
    text : str
        What, in one line; shortened to fit. Nothing is shown while it is empty.
    share : float or None
        The share done, 0 to 1.
    left : str
        The time left, in words.
    began : float
        When, by `time.monotonic`.
    """

    text: str
    share: float | None = None
    left: str = ""
    began: float = field(default_factory=time.monotonic)

    def line(self, columns: int) -> str:
        """Return the line that is shown, of at most this many columns."""
        share = "" if self.share is None else f" {min(self.share, 1.0):4.0%}"
        figures = f"{share} {clock(time.monotonic() - self.began)}"
        if self.left and len(figures) + len(self.left) + 2 <= columns // 2:
            figures += f", {self.left}"
        return f"{shortened(self.text, columns - len(figures))}{figures}"


@contextmanager
def status(text: str) -> Iterator[Status]:
    """Show a status while the block runs; of several, the one that began last."""
    entry = Status(text)
    if not can_show_status():
        yield entry
        return
    _LINE.add(entry)
    try:
        yield entry
    finally:
        _LINE.remove(entry)


def can_show_status() -> bool:
    """Return whether stderr is a terminal on which a line can be replaced."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def make_room() -> None:
    """Erase the status line of the parent process before each line that this process prints to stderr."""
    if sys.stderr and can_show_status():
        sys.stderr = cast("TextIO", _Printed(sys.stderr, _Line(sys.stderr, is_shared=True)))


def shortened(text: str, columns: int) -> str:
    """Return a text that fits into so many columns."""
    if text_width(text) <= columns:
        return text
    while text and text_width(text) > max(0, columns - 3):
        text = text[:-1]
    return f"{text}..."[: max(0, columns)]


class _Line:
    """The last line of a terminal."""

    def __init__(self, terminal: TextIO | None = None, *, is_shared: bool = False) -> None:
        self.lock = threading.RLock()
        self._terminal = terminal
        self._is_shared = is_shared  # whether another process draws it
        self._entries: list[Status] = []
        self._is_over = threading.Event()
        self._streams: list[tuple[str, Any, Any]] = []
        self._printed = 0.0  # when, by `time.monotonic`
        self._is_free = True  # whether nothing else stands in the line
        self._is_drawn = is_shared

    def add(self, entry: Status) -> None:
        with self.lock:
            self._entries.append(entry)
            if len(self._entries) == 1:
                self._begin()

    def remove(self, entry: Status) -> None:
        with self.lock:
            self._entries.remove(entry)
            self.clear()
            if not self._entries:
                self._is_over.set()
                for name, stream, printed in self._streams:
                    if getattr(sys, name) is printed:
                        setattr(sys, name, stream)

    def _begin(self) -> None:
        self._terminal = sys.stderr
        self._is_over = threading.Event()
        # What goes into a pipe may come back to this terminal: `| tee list.txt`.
        streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        self._streams = [(name, stream, _Printed(stream, self)) for name, stream in streams.items() if stream]
        for name, _, printed in self._streams:
            setattr(sys, name, printed)
        threading.Thread(target=self._tick, args=(self._is_over,), name="lyricsep-status", daemon=True).start()

    def _tick(self, is_over: threading.Event) -> None:
        while not is_over.wait(PAUSE):
            with self.lock:
                entry = self._entries[-1] if self._entries else None
                if entry and entry.text and self._is_free and time.monotonic() - self._printed > PAUSE / 2:
                    columns = self._columns()
                    line = entry.line(columns - 2)  # the terminal shows ^C behind it
                    self._write(f"\r{line}{' ' * (columns - text_width(line))}\r{line}")
                    self._is_drawn = True

    def print(self, stream: TextIO, text: str) -> int:
        """Print a text where the status line was."""
        with self.lock:
            if self._is_free:
                self.clear()
            written = stream.write(text)
            stream.flush()
            self._printed = time.monotonic()
            if stream.isatty():
                self._is_free = text.endswith(("\n", "\r"))
            return written

    def clear(self) -> None:
        """Erase the status line."""
        if self._is_drawn:
            self._write(f"\r{' ' * self._columns()}\r")
            self._is_drawn = self._is_shared

    def _write(self, text: str) -> None:
        if self._terminal:
            with suppress(OSError, ValueError):  # the terminal is gone
                self._terminal.write(text)
                self._terminal.flush()

    def _columns(self) -> int:
        """Return how many columns can be written without a line break."""
        try:
            return max(1, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
        except (OSError, ValueError):
            return 79


class _Printed:
    """A stream, of which everything that is printed takes the place of the status line."""

    def __init__(self, stream: TextIO, line: _Line) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        return self._line.print(self._stream, text) if text else self._stream.write(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_LINE = _Line()
