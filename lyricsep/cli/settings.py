"""Reading the values of options that several commands share."""

from __future__ import annotations

from lyricsep.errors import ConfigError
from lyricsep.formats import FORMATS


def chosen_formats(names: str | None, *, to_stdout: bool = False) -> list[str]:
    """Read the value of ``--format``; raise a `ConfigError` for an unknown format, or more than one for stdout."""
    if names is None:
        return ["txt"] if to_stdout else ["txt", "lrc", "json"]
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(f"--format {names}: choose from {', '.join(FORMATS)}")
    if to_stdout and len(wanted) > 1:
        raise ConfigError(
            f"--format {names}: --output - prints one format; name a single one, or choose a folder for --output"
        )
    return wanted
