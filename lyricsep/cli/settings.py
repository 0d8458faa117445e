"""Reading the values of options that several commands share."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError
from lyricsep.files import is_folder, is_there, shown
from lyricsep.formats import FORMATS, TIMED_SUFFIXES, match_key
from lyricsep.inputs import AUDIO_SUFFIXES, SongFile
from lyricsep.plan import language_for

if TYPE_CHECKING:
    from lyricsep.transcribers import WhisperSpec

STDOUT = Path("-")  # as --output: print the result


def chosen_formats(names: str | None, *, to_stdout: bool = False) -> list[str]:
    """Read the value of ``--format``; raise a `ConfigError` for an unknown format, or more than one for stdout."""
    if names is None:
        return ["txt"] if to_stdout else ["txt", "lrc", "json"]
    wanted = [name.strip().lower().removeprefix(".") for name in names.split(",")]  # .SRT is srt
    wanted = list(dict.fromkeys(filter(None, wanted)))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(f"--format {names}: choose from {', '.join(FORMATS)}")
    if to_stdout and len(wanted) > 1:
        raise ConfigError(
            f"--format {names}: --output - prints one format; name a single one, or choose a folder for --output"
        )
    return wanted


def check_folder(output: Path) -> None:
    """Raise a `ConfigError` if ``--output`` is a file, or was meant to be one."""
    if output == STDOUT:
        raise ConfigError("--output -: this command writes files; name a folder")
    if is_folder(output):
        return
    if is_there(output):
        raise ConfigError(f"--output {shown(output)}: is a file; name a folder for the results")
    suffix = output.suffix.lower()
    if suffix in TIMED_SUFFIXES or suffix in AUDIO_SUFFIXES:
        raise ConfigError(
            f"--output {shown(output)}: names a folder for the results, which are named like their songs; "
            f"leave out {suffix}"
        )


def languages_of(songs: Sequence[SongFile], model: WhisperSpec | None) -> list[str | None]:
    """Return the languages that lists state; raise a `ConfigError` that names the row of one that is not known."""
    codes = []
    for song in songs:
        try:
            codes.append(language_for(song.language, model))
        except ConfigError as error:
            raise ConfigError(
                f"{song.row}: {error.args[0]}",
                hint="change the row, or leave its language empty to let it be detected",
            ) from error
    return codes


def find_names(wanted: Sequence[str], known: Sequence[str], option: str) -> list[str]:
    """Return the names of songs that an option selects, in whatever case and normal form, or by a part of a name.

    Raises
    ------
    ConfigError
        If no song has such a name, or a part of a name belongs to several; the message names some.
    """
    keys = {name: match_key(name) for name in known}
    found = []
    for name in wanted:
        key = match_key(name)
        fitting = [name] if name in keys else [other for other in known if keys[other] == key]
        fitting = fitting or [other for other in known if key and key in keys[other]]
        if len(fitting) != 1:
            near = fitting or [
                other for other in known if keys[other] in difflib.get_close_matches(key, keys.values())
            ]
            problem = f"{len(fitting)} songs have it in their names" if fitting else "no song has this name"
            examples = ", ".join(shown(Path(other)) for other in (near or known)[:5])
            more = ", ..." if len(near or known) > 5 else ""
            raise ConfigError(f"{option} {shown(Path(name))}: {problem}; choose from {examples}{more}")
        found += fitting
    return found
