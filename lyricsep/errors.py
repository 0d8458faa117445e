"""Errors raised when a file, checkpoint, dataset, network or option fails.

A wrong argument in code is a plain ``ValueError``. Everything a user can meet is a `LyricsepError`: one line that
says what failed, on which object, what was expected and found, and, as its hint, what to try next. A hint names
options as ``{overwrite=True}`` or ``{device=cpu}``: Python shows an argument, the command line shows its flag.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_OPTION = re.compile(r"\{([a-z]\w*)(?:=([^{}]*))?\}")  # {separator}, {overwrite=True}, {device=cpu}


class LyricsepError(Exception):
    """Base of all errors a user can meet; its text is one line that can be shown as it is.

    Parameters
    ----------
    message : str
        What failed, on which object, expected and found.
    hint : str
        What to try next, in which ``{name}`` or ``{name=value}`` stands for an option.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return self.render(_argument)

    def render(self, option: Callable[[str, str], str]) -> str:
        """Return message and hint as one line.

        `option` takes the name and the value of an option ("" where the hint gives none) and returns how to write it.
        """
        message = super().__str__()
        if not self.hint:
            return message
        hint = _OPTION.sub(lambda found: option(found[1], found[2] or ""), self.hint)
        return f"{message}; {hint}"


class AudioError(LyricsepError):
    """An audio file cannot be read, or holds nothing that can be used."""


class WeightsError(LyricsepError):
    """Model weights cannot be found, downloaded, verified or safely loaded."""


class DatasetError(LyricsepError):
    """A dataset or a lyrics file is missing, incomplete or malformed."""


class ConfigError(LyricsepError):
    """Options that do not exist, contradict each other, or need something that is not installed."""


class OutputError(LyricsepError):
    """A result cannot be written: no permission, no space, or it exists already."""


def reason_of(error: BaseException) -> str:
    """Return why something failed, for a message: one line of at most 200 characters."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:200] or type(error).__name__


def _argument(name: str, value: str) -> str:
    if not value:
        return name
    return f"{name}={value if value in ('True', 'False') or value.isdigit() else repr(value)}"
