"""Find and read files whatever their names, and write them atomically: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lyricsep.errors import OutputError


def at_home(name: str | os.PathLike[str]) -> Path:
    """Return a path whose ``~`` is the home folder of a user, if there is such a user."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where there is none


def is_folder(path: Path) -> bool:
    """Return whether there is such a folder; not so for a name that no file can have, where `Path.is_dir` raises."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Return whether there is such a file; not so for a name that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113


def is_there(path: Path) -> bool:
    """Return whether there is such a file or folder; not so for a name that no file can have."""
    return os.path.exists(path)  # noqa: PTH110


def read_bytes(path: Path) -> bytes:
    """Return the content of a file or pipe.

    Raises
    ------
    OSError
        If it cannot be read, or is a device, which may never end.
    """
    if stat.S_ISCHR(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is a device", str(path))
    return path.read_bytes()


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` and move it to `path` when the block succeeds.

    The folder is made when missing. When the block raises, the temporary file is removed and `path` is untouched.
    What was moved is on the disk: it is there after a power cut too.

    Parameters
    ----------
    path : Path
        The file to make.
    overwrite : bool
        False refuses to replace a file that exists, were it made while the block ran: of several writers one wins.

    Yields
    ------
    Path
        Where to write; same folder, same suffix, an empty file of our own.

    Raises
    ------
    OutputError
        If the folder cannot be written, the disk is full, or the file exists and `overwrite` is False.
    """
    if not overwrite and path.exists():
        raise _taken(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name of the target may be as long as the file system allows, so it is not part of ours.
        handle, name = tempfile.mkstemp(prefix=".lyricsep-", suffix=path.suffix[:16], dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _output_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are for everyone the user's umask lets in.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _sync_file(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _claim(path, temporary)
        _sync_folder(path.parent)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Create an output folder; raise an `OutputError` if nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _output_error(folder, error) from error


def write_text(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write `text` as UTF-8 with Unix line endings, as `replacing` does."""
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def file_digest(path: Path) -> tuple[str, int]:
    """Return the sha256 of a file and its size in bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def shown(path: Path) -> str:
    """Return the name of a file with unprintable characters escaped, so that a message stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def _sync_file(path: Path) -> None:
    """Flush the content of a file to the disk.

    Otherwise a file system may store the new name before the content, and a power cut leaves an empty file. Flushing
    takes some milliseconds, against seconds of work for any result.
    """
    with path.open("rb+") as file:  # Windows wants a file that may be written
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, where the system can: Windows cannot, nor can some network drives."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _claim(path: Path, temporary: Path) -> None:
    """Move a finished file to its name, unless the name is taken."""
    try:
        path.hardlink_to(temporary)  # the one call that both names a whole file and refuses a name that is taken
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:  # a file system without links; between the two lines another writer may get in
        if path.exists():
            raise _taken(path) from error
        temporary.replace(path)


def _taken(path: Path) -> OutputError:
    return OutputError(f"{shown(path)}: exists already", hint="choose another {output} or set {overwrite=True}")


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space or choose another {output}" if is_full else "choose another {output}"
    return OutputError(f"{shown(path)}: cannot be written ({reason})", hint=hint)
