"""Download over HTTP: resumed, retried, limited in size, and untrusted until its hash is verified.

Nothing here decides whether the content is right: the caller knows its sha256. That is also why a download is
resumed without comparing entity tags: were the file another one by now, the hash of the whole would tell, and
the caller starts afresh.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from lyricsep.errors import WeightsError
from lyricsep.terminal import can_show_status, status
from lyricsep.weights.sources import is_safe_url

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 14  # bytes; when a connection breaks, what came of the last block is lost
PROGRESS = 1 << 20  # bytes
MAX_REDIRECTS = 10
MAX_BACKOFF = 60.0  # seconds
BUSY = (408, 425, 429)  # the answers below 500 that mean "later"


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """Attempts and timeouts of a download.

    Parameters
    ----------
    attempts : int
        Tries in a row that bring less than a mebibyte of new bytes, before giving up; at least 1.
    timeout : float
        Seconds without an answer or a byte after which a try has failed.
    backoff : float
        Seconds of pause after the first failed try; doubled after each further one, at most a minute.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    attempts: int = 4
    timeout: float = 20.0
    backoff: float = 1.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.attempts < 1 or not self.timeout > 0 or not self.backoff >= 0:
            raise ValueError(f"DownloadPolicy needs attempts >= 1, timeout > 0 and backoff >= 0, got {self}")


class _TransientError(Exception):
    """A failed attempt that is worth repeating."""


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    token: str | None
    start: int  # where in the file the bytes of this address begin
    limit: int | None  # bytes that may come at most
    exact: bool  # whether `limit` bytes must come


def download(
    url: str,
    handle: BinaryIO,
    *,
    label: str,
    token: str | None = None,
    start: int = 0,
    limit: int | None = None,
    exact: bool = True,
    policy: DownloadPolicy,
) -> None:
    """Download `url` to `handle` from position `start`, resuming after the bytes that are there.

    Parameters
    ----------
    url : str
        An ``https`` address, or ``http`` on this machine.
    handle : BinaryIO
        Open for reading and writing, not for appending. What lies behind `start` counts as downloaded before.
    label : str
        The name to show beside the progress.
    token : str or None
        Shown as a bearer token to the scheme, host and port of `url`, and to nobody it redirects to.
    start : int
        Bytes.
    limit : int or None
        Bytes that may come at most.
    exact : bool
        Whether less than `limit` bytes is a failure too.
    policy : DownloadPolicy
        How patient to be.

    Raises
    ------
    WeightsError
        With the reason only, without the address. The bytes so far are still in `handle`.
    """
    import requests

    request = _Request(url, token, start, limit, exact)
    failed, furthest = 0, handle.seek(0, os.SEEK_END)
    with requests.Session() as session, _progress(label, None if limit is None else start + limit) as show:
        while True:
            try:
                _try(session, request, handle, policy, show)
            except _TransientError as error:
                reached = handle.seek(0, os.SEEK_END)
                failed = 1 if reached - furthest >= PROGRESS else failed + 1
                furthest = max(furthest, reached)
                if failed >= policy.attempts:
                    tries = "1 try" if failed == 1 else f"{failed} tries"
                    raise WeightsError(f"{error} ({tries})") from error
                time.sleep(min(policy.backoff * 2 ** (failed - 1), MAX_BACKOFF))
            else:
                return


def _try(
    session: requests.Session,
    request: _Request,
    handle: BinaryIO,
    policy: DownloadPolicy,
    show: Callable[[int], None],
) -> None:
    import requests

    done = handle.seek(0, os.SEEK_END) - request.start
    if request.exact and request.limit is not None and done == request.limit > 0:
        return
    if request.limit is not None and done > request.limit:
        done = _restart(handle, request)
    try:
        with _get(session, request, done, policy.timeout) as response:
            done = _agreed_start(response, request, handle, done)
            total = _promised_total(response, request, done)
            for block in response.iter_content(BLOCK):
                done += len(block)
                if request.limit is not None and done > request.limit:
                    raise WeightsError(f"sends more than the expected {request.limit} bytes")
                handle.write(block)
                show(request.start + done)
    except requests.RequestException as error:
        raise _TransientError(_reason(error, policy)) from error
    finally:
        handle.flush()
    if total is not None and done < total:
        raise _TransientError(f"ended after {done} of {total} bytes")


def _restart(handle: BinaryIO, request: _Request) -> int:
    handle.truncate(request.start)
    handle.seek(request.start)
    return 0


def _get(session: requests.Session, request: _Request, done: int, timeout: float) -> requests.Response:
    """Follow redirects ourselves: the token stays with its host, and only https is followed."""
    url = request.url
    for _ in range(MAX_REDIRECTS):
        # Ranges count bytes of what is sent, so it must be the file itself and not a compressed form of it.
        headers = {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        bearer = _bearer(request.token) if request.token and _origin(url) == _origin(request.url) else None
        response = session.get(
            url, headers=headers, auth=bearer, stream=True, timeout=(timeout, timeout), allow_redirects=False
        )
        if not response.is_redirect:
            return response
        response.close()
        url = urljoin(url, response.headers["Location"])
        if not is_safe_url(url):
            raise WeightsError(f"redirects to {url}, which is not https")
    raise WeightsError(f"redirects more than {MAX_REDIRECTS} times")


def _bearer(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    # A header given the plain way would give way to an entry of ~/.netrc.
    def show(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {token}"
        return prepared

    return show


def _origin(url: str) -> tuple[str, str | None, int | None]:
    split = urlsplit(url)
    return split.scheme, split.hostname, split.port


def _agreed_start(response: requests.Response, request: _Request, handle: BinaryIO, done: int) -> int:
    """Check the status; give the count of bytes after which the body goes on, which is 0 or `done`."""
    status = response.status_code
    if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        return done
    if status == 200:
        return _restart(handle, request)
    if status in (206, 416):
        _restart(handle, request)
        raise _TransientError(f"HTTP {status}: would not resume at byte {done}")
    line = f"HTTP {status} {response.reason or ''}".rstrip()
    if status >= 500 or status in BUSY:
        raise _TransientError(line)
    if status in (401, 403):
        line += ", a login is needed (HF_TOKEN for the hub)"
    raise WeightsError(line)


def _promised_total(response: requests.Response, request: _Request, done: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    promised = done + int(length) if length.isdecimal() else None
    if promised is not None and request.limit is not None and promised > request.limit:
        raise WeightsError(f"would send {promised} bytes, expected {request.limit}")
    return request.limit if request.exact and request.limit is not None else promised


def _reason(error: requests.RequestException, policy: DownloadPolicy) -> str:
    """Return a short description of an error of the HTTP libraries."""
    import requests

    # A timeout inside the body arrives as a ConnectionError, known by its text alone.
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return f"no answer within {policy.timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "cannot connect, or the connection broke off"
    return f"not a usable answer ({type(error).__name__})"


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show the progress on a terminal, else print one plain line; yield a function that takes the bytes so far."""
    size = "" if total is None else f" ({total / 1e6:.1f} MB)"
    if not can_show_status():
        sys.stderr.write(f"downloading {label}{size}\n")
    with status(f"downloading {label}{size}") as shown:

        def show(done: int) -> None:
            if total:
                shown.share = done / total
            else:
                shown.text = f"downloading {label} ({done / 1e6:.1f} MB)"

        yield show
