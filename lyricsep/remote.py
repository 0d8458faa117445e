"""List, download and upload files behind URLs, through fsspec.

Credentials come from the configuration of fsspec and of its drivers. A URL may hold a password or a signature:
messages and records use `shown_url`, which holds neither.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lyricsep.errors import AudioError, ConfigError, LyricsepError, OutputError, reason_of
from lyricsep.files import shown

# Two letters at least: one is a drive of Windows.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/]*)(.*)", re.DOTALL)
_WEB = ("http", "https")
_HERE = ("file", "local", "memory")  # no connection is opened for these

# What the file systems call that which changes with the content, best first.
_VERSIONS = (
    "ETag", "etag", "md5Hash", "Content-MD5", "content_md5", "blob_id", "generation",
    "LastModified", "Last-Modified", "last_modified", "updated", "modify", "mtime", "created",
)  # fmt: skip
LONGEST_NAME = 200  # bytes of the name of a local copy


def is_url(name: str) -> bool:
    """Return whether a name begins with a scheme such as ``s3://``."""
    return _URL.match(name) is not None


def shown_url(url: str) -> str:
    """Return a URL for messages and records: on one line, without password and signature."""
    scheme, place, rest = _parts(url)
    # A token may stand alone in front of a web server; elsewhere that is a user, or a container.
    user, _, host = place.rpartition("@")
    if user and scheme not in _WEB:
        host = f"{user.partition(':')[0]}@{host}"
    path, hidden = _path_and_query(scheme, rest)
    text = f"{scheme}://{host}{path}{'?...' if hidden else ''}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def path_of(url: str) -> Path:
    """Return a path that identifies a URL and names its results; no such file exists.

    Names of the web are decoded. Parts that the path cannot hold, such as a query, are replaced by a digest.
    """
    scheme, _, rest = _parts(url)
    path, hidden = _path_and_query(scheme, rest)
    parts = _decoded(scheme, path.removeprefix("/"))
    kept = _names(parts)
    if hidden or (kept and kept != parts):
        kept[-1:-1] = [sha256(rest.encode(errors="surrogateescape")).hexdigest()[:8]]
    place = shown_url(url).partition("://")[2].partition("/")[0]
    return Path("/", f"{scheme}:", place, *kept)


def check_driver(url: str, *, offline: bool = False) -> None:
    """Check that a URL can be opened here, before any work.

    Raises
    ------
    ConfigError
        If fsspec or the driver of this scheme is not installed, there is none, or `offline` forbids its use.
    """
    scheme = _parts(url)[0]
    if offline and scheme not in _HERE:
        raise ConfigError(
            f"{shown_url(url)}: is remote, and offline runs open no connection",
            hint="leave {offline} out or name a local file",
        )
    try:
        import fsspec
    except ImportError as error:
        raise ConfigError(f"{shown_url(url)}: URLs need fsspec: pip install 'lyricsep[remote]'") from error
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise ConfigError(
            f"{shown_url(url)}: the driver of {scheme}:// is not installed ({reason_of(error)})"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{shown_url(url)}: fsspec knows no file system {scheme}://; correct the URL") from error


@dataclass(frozen=True)
class Listed:
    """A file that a file system listed.

    Parameters
    ----------
    url : str
        Of the file.
    relative : Path
        Below what was listed, decoded, without ``..``.
    state : tuple of int and str
        As `state_of`.
    """

    url: str
    relative: Path
    state: tuple[int, str]


def find_below(url: str) -> list[Listed] | None:
    """List the files of a folder, to the bottom; None where it is no folder.

    A folder of the web ends in a slash, unlike a file. Raise a `ConfigError` if it cannot be listed.
    """
    if _parts(url)[0] in _WEB and not url.endswith("/"):
        return None
    with _describing(url, ConfigError, "cannot be listed ({})", hint="check the URL and the permissions"):
        system, path = _opened(url)
        if not system.isdir(path):
            return [] if url.endswith("/") else None
        return _below(url, path, system.find(path, detail=True))


def find_matching(url: str) -> list[Listed] | None:
    """List the files that match a pattern, relative to its fixed part; None where it is no pattern.

    Raise a `ConfigError` if they cannot be listed.
    """
    scheme, place, rest = _parts(url)
    magic = "*" if scheme in _WEB else "*?["  # others have a meaning in the web
    if not any(sign in rest for sign in magic):
        return None
    with _describing(url, ConfigError, "cannot be listed ({})", hint="check the URL and the permissions"):
        system, path = _opened(url)
        if "*" not in rest and system.exists(path):
            return None  # a name with magic is a file where there is one
        folders = rest.split("/")
        n_fixed = next(i for i, part in enumerate(folders) if any(sign in part for sign in magic))
        top = f"{scheme}://{place}{'/'.join(folders[:n_fixed])}"
        found = system.glob(path, detail=True)
        files = {name: info for name, info in found.items() if info["type"] == "file"}
        return _below(top, system._strip_protocol(top), files)


def state_of(url: str) -> tuple[int, str]:
    """Return size and version of a file, which change with its content; -1 and "" where unknown."""
    try:
        with _describing(url, AudioError, "{}"):
            system, path = _opened(url)
            return _state(system.info(path))
    except LyricsepError:
        return -1, ""


@dataclass(frozen=True)
class Copy:
    """A local copy of a song, or the local file itself.

    Parameters
    ----------
    path : Path
        The file.
    version : str
        As the file system told it of the remote one (`state_of`).
    """

    path: Path
    version: str = ""


@contextmanager
def local_copy(url: str, folder: Path | None = None) -> Iterator[Copy]:
    """Download a file for the duration of the block; errors that name the copy name the URL instead.

    The copy lies in `folder`, which `sweep` empties; by default where the system keeps temporary files.

    Raises
    ------
    AudioError
        If it does not exist, may not be read, or the download is incomplete.
    """
    check_driver(url)
    with _place(folder) as place:
        path = place / _local_name(url)
        version = _fetch(url, path)
        try:
            yield Copy(path, version)
        except LyricsepError as error:
            raise renamed(error, path, shown_url(url)) from error


def renamed(error: LyricsepError, path: Path, name: str) -> LyricsepError:
    """Return an error about the copy of a song as an error about the song."""
    return type(error)(str(error.args[0]).replace(shown(path), name), hint=error.hint)


def sweep(folder: Path) -> None:
    """Remove the copies that killed workers left, unless other processes still use copies there."""
    if not folder.is_dir():
        return
    import shutil

    with suppress(OSError), (folder / "lock").open("ab") as lock:
        _hold(lock.fileno(), alone=True)
        for place in folder.glob("song-*"):
            shutil.rmtree(place, ignore_errors=True)


def put(files: Iterable[Path], folder: Path, url: str) -> None:
    """Copy files to below a URL, each under its path below `folder`; raise an `OutputError` if that fails."""
    check_driver(url)
    for file in files:
        target = f"{url.rstrip('/')}/{file.relative_to(folder).as_posix()}"
        with _describing(target, OutputError, "cannot be copied there ({})", hint="check {copy_to} and run again"):
            system, path = _opened(target)
            try:
                system.put_file(str(file), path)
            except FileNotFoundError:  # a folder; object stores have none, and may not let us ask
                system.makedirs(posixpath.dirname(path), exist_ok=True)
                system.put_file(str(file), path)


def _parts(url: str) -> tuple[str, str, str]:
    """Split a URL into its scheme, the part before the first slash, and the rest."""
    match = _URL.match(url)
    if match is None:
        raise ValueError("expected a URL with a scheme")
    return match[1].lower(), match[2], match[3]


def _path_and_query(scheme: str, rest: str) -> tuple[str, str]:
    # Only the web has queries; elsewhere these signs are part of names.
    path = re.split(r"[?#]", rest, maxsplit=1)[0] if scheme in _WEB else rest
    return path, rest[len(path) :]


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path of the file in it."""
    import fsspec

    scheme, place, _ = _parts(url)
    # Without its path, in which "::" would chain file systems.
    system, _ = fsspec.url_to_fs(f"{scheme}://{place}")
    return system, system._strip_protocol(url)


def _below(top: str, top_path: str, files: Mapping[str, dict[str, Any]]) -> list[Listed]:
    """Return every file with its URL, built from `top`: the file system may drop the user and the host."""
    found, scheme = [], _parts(top)[0]
    start = top_path.rstrip("/") + "/" if top_path else ""
    for path, info in sorted(files.items()):
        if path.startswith(start) and path != start:
            relative = path[len(start) :].lstrip("/")
            names = _names(_decoded(scheme, relative))
            found.append(Listed(f"{top.rstrip('/')}/{relative}", Path(*names), _state(info)))
    return found


def _decoded(scheme: str, path: str) -> list[str]:
    """Split a path into names; only web servers encode them."""
    parts = path.split("/")
    return [unquote(part, errors="surrogateescape") for part in parts] if scheme in _WEB else parts


def _names(parts: Iterable[str]) -> list[str]:
    """Return the parts of a path that are valid file names."""
    return [part.replace("/", "_").replace("\0", "_") for part in parts if part not in ("", ".", "..")]


def _state(info: dict[str, Any]) -> tuple[int, str]:
    size = info.get("size")
    version = next((f"{key} {info[key]}" for key in _VERSIONS if info.get(key)), "")
    return (-1 if size is None else int(size)), version


def _fetch(url: str, path: Path) -> str:
    """Download a file to `path` and return its version."""
    with _describing(url, AudioError, "cannot be downloaded ({})", hint="check the URL and run again"):
        system, remote = _opened(url)
        # Asked before, not after: what was replaced meanwhile is found out by the next run.
        size, version = _state(system.info(remote))
        system.get_file(remote, str(path))
    got = path.stat().st_size
    if size >= 0 and got != size:
        raise AudioError(f"{shown_url(url)}: the download ended after {got} of {size} bytes; run again")
    return version


@contextmanager
def _describing(url: str, kind: type[LyricsepError], message: str, *, hint: str = "") -> Iterator[None]:
    """Describe in one line whatever a driver raises; its text may hold the URL with its secrets."""
    try:
        yield
    except LyricsepError:
        raise
    except Exception as error:  # every driver has errors of its own
        raise kind(f"{shown_url(url)}: {message.format(_reason(error, url))}", hint=hint) from error


def _reason(error: BaseException, url: str) -> str:
    # The web's file system calls all that goes wrong not found, and says why in the cause.
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return "not found" if status in (404, 410) else f"the server answered {status}"
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, PermissionError):
        return "no permission"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, NotImplementedError):
        return "not possible with this kind of URL"
    reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return _without_secrets(str(reason), url)[:200]


def _without_secrets(text: str, url: str) -> str:
    scheme, place, rest = _parts(url)
    user = place.rpartition("@")[0]
    secrets = {url, user, unquote(user), user.partition(":")[2], unquote(user.partition(":")[2])}
    secrets.add(_path_and_query(scheme, rest)[1])
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "...")
    return text


def _local_name(url: str) -> str:
    """Return a file name for the copy: that of the song, whose suffix decoders need, shortened if too long."""
    name = path_of(url).name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    while len(os.fsencode(stem + suffix[:16])) > LONGEST_NAME:
        stem = stem[:-1]
    return (stem + suffix[:16]).replace("/", "_")


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """Yield a temporary folder for one copy."""
    with ExitStack() as stack:
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((folder / "lock").open("ab"))
                with suppress(OSError):  # some network drives have no locks
                    _hold(lock.fileno(), alone=False)
            made = tempfile.TemporaryDirectory(prefix="song-", dir=folder, ignore_cleanup_errors=True)
        except OSError as error:
            where = shown(folder or Path(tempfile.gettempdir()))
            raise OutputError(f"{where}: cannot be written ({error.strerror or error}); free some space") from error
        yield Path(stack.enter_context(made))


def _hold(handle: int, *, alone: bool) -> None:
    """Lock a file until the process ends; Windows needs no lock, since open files cannot be removed there."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
