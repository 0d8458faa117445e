"""The server of the review: on this machine only, for holders of the token.

Threats, and how it meets them:

- Other machines: it listens on 127.0.0.1.
- Other pages in the same browser: Host must name this server, which stops DNS rebinding, and Origin, if sent, must be
  this server. Saving needs the token in a header, which no foreign page can send; the cookie for links and audio
  allows reading only, and other sites do not send it.
- Other users of the machine: every request needs the token.
- Malformed requests: size, time and number are limited, and no file path is built from a request.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from lyricsep.errors import ConfigError, DatasetError, LyricsepError
from lyricsep.files import shown
from lyricsep.pages import FoundSong, Redo, Results
from lyricsep.review.content import Content, url_of
from lyricsep.review.saving import Corrections, StaleError

if TYPE_CHECKING:
    from lyricsep.datasets import Song

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
TOKEN_HEADER = "X-Lyricsep-Token"  # noqa: S105 - what it is called

MAX_BODY = 16 * 2**20
"""Bytes; three hours of lyrics with a time for every word are a third of that."""

PATIENCE = 20.0
"""Seconds that a request may take to arrive, and a part of an answer to be sent."""

MAX_CONNECTIONS = 64
"""A browser opens six."""

_END = 2.0  # seconds that the threads may take to end
_CHUNK = 2**16  # bytes of a file that are sent at a time

_METHODS = {"api/songs": "PUT", "api/vocals": "POST", "api/times": "POST"}

_HEADERS = {
    # Each page has a policy of its own. These hold for all pages, and work only as headers.
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ReviewServer:
    """Serve a folder of results for correction, from background threads, while entered as a context manager.

    Parameters
    ----------
    results : Results
        The results to correct.
    references : mapping of str to Song, optional
        Reference lyrics, by the name of the song.
    language : str, optional
        ISO 639-1 code of lyrics that do not state theirs.
    port : int
        Port to listen on; 0 takes a free one.
    redo : Redo, optional
        Separates vocals of which there is no file, and times texts.

    Raises
    ------
    ConfigError
        If the port is not available.
    DatasetError, OutputError
        As `Corrections.restore`.
    """

    def __init__(
        self,
        results: Results,
        *,
        references: Mapping[str, Song] | None = None,
        language: str | None = None,
        port: int = 0,
        redo: Redo | None = None,
    ) -> None:
        token = secrets.token_urlsafe(32)
        corrections = Corrections(results, language)
        corrections.restore()
        try:
            self._server = _Server(port, token)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise ConfigError(f"port {port}: {reason}", hint="choose another {port}, or 0 for a free one") from error
        self._server.content = self._content = Content(results, corrections, references or {}, token, redo)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """The address of the list of songs, with the token."""
        return self._address("/")

    @property
    def saved(self) -> Mapping[str, int]:
        """The last revision of each song that was saved."""
        return dict(self._server.saved)

    def url_of(self, name: str) -> str:
        """Return the address of the page of a song, with the token."""
        return self._address(url_of("songs", name))

    def wait(self) -> None:
        """Wait for an interrupt."""
        while True:
            self._thread.join(3600.0)  # without a timeout, Windows would not notice Ctrl-C

    def close(self) -> None:
        """Stop the server, after saves in progress have finished."""
        self._server.shutdown()
        self._content.corrections.wait()
        self._server.server_close()
        self._content.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _address(self, path: str) -> str:
        return f"http://{ADDRESS}:{self._server.port}{path}?token={self._server.token}"


class _Server(socketserver.ThreadingTCPServer):
    """One thread per connection, up to a limit; closing ends them all."""

    # Elsewhere it means that others may listen on the same port.
    allow_reuse_address = os.name == "posix"
    daemon_threads = True
    block_on_close = False  # `server_close` waits for them
    request_queue_size = MAX_CONNECTIONS

    content: Content

    def __init__(self, port: int, token: str) -> None:
        self.token = token
        self.saved: dict[str, int] = {}
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((ADDRESS, port), _Handler)
        self.port = self.socket.getsockname()[1]
        self.hosts = {f"{host}:{self.port}" for host in (ADDRESS, "localhost")}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread, or close the connection if there are too many."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer all requests of a connection."""
        self._connections[threading.current_thread()] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._connections[threading.current_thread()]
            self._places.release()

    def server_close(self) -> None:
        """Stop listening, close all connections, and wait a little for the threads."""
        super().server_close()
        left = dict(self._connections)
        for connection in left.values():
            with suppress(OSError):  # already closed
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _END
        for thread in left:
            thread.join(max(0.0, deadline - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show errors, except closed connections, which are normal."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Requests(io.RawIOBase):
    """Bytes that a connection sends until a deadline, which a slow sender cannot extend."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of a connection, one after the other."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def setup(self) -> None:
        super().setup()
        self._requests = _Requests(self.connection)
        self.rfile = io.BufferedReader(self._requests)

    def handle_one_request(self) -> None:
        self._requests.deadline = time.monotonic() + PATIENCE
        super().handle_one_request()

    def do_GET(self) -> None:
        """Send a page, or sound."""
        if not self._is_admitted(by_header_alone=False):
            return
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.BAD_REQUEST, "a GET request must not have a body")
            return
        kind, song = self.server.content.find(self._target[0])
        if kind in _METHODS:
            self._refuse_method(_METHODS[kind])
        elif not kind:
            self.send_error(HTTPStatus.NOT_FOUND, "no such page; the songs are listed at /")
        elif kind in ("list", "songs") and self._target[1]:
            self._send_on()
        else:
            try:
                self._send_content(kind, song)
            except LyricsepError as error:
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def do_HEAD(self) -> None:
        """Send the headers that `do_GET` would send."""
        self.do_GET()

    def do_PUT(self) -> None:
        """Save a song."""
        self._act("api/songs", self._save)

    def do_POST(self) -> None:
        """Separate the vocals of a song, or find the times of a text."""
        content = self.server.content
        if self._target[0].startswith("/api/vocals/"):
            self._act("api/vocals", lambda song, _body: content.make_vocals(song))
        else:
            self._act("api/times", content.make_times)

    def _save(self, song: FoundSong, body: bytes) -> dict[str, Any]:
        number, files = self.server.content.save(song, body)
        self.server.saved[song.name] = number
        logger.info("%s: saved as revision %d", shown(Path(song.name)), number)
        return {"revision": number, "files": [shown(file) for file in files]}

    def _act(self, wanted: str, act: Callable[[FoundSong, bytes], dict[str, Any]]) -> None:
        """Answer a request that changes or makes something, with JSON."""
        if not self._is_admitted(by_header_alone=True):
            return
        kind, song = self.server.content.find(self._target[0])
        if song is None:
            self.send_error(HTTPStatus.NOT_FOUND, "no such song")
        elif kind != wanted:
            self._refuse_method(_METHODS.get(kind, "GET, HEAD"))
        elif (body := self._body()) is not None:
            try:
                answer = act(song, body)
            except LyricsepError as error:
                kinds = {StaleError: HTTPStatus.CONFLICT, DatasetError: HTTPStatus.BAD_REQUEST}
                self.send_error(kinds.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR), str(error))
                return
            self._send(json.dumps(answer), "application/json")

    def version_string(self) -> str:
        """Return the name of the server, without the version of Python."""
        return "lyricsep"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
        """Log as all of lyricsep does; the token is a secret."""
        logger.info("%s", shown(Path(re.sub(r"token=[^ &\"]*", "token=***", format % args))))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send an error as JSON, and close the connection."""
        self._fail(code, message or HTTPStatus(code).phrase, {})

    def _fail(self, code: int, message: str, headers: Mapping[str, str]) -> None:
        body = json.dumps({"error": message}).encode()
        self._begin(code, "application/json", len(body), {**headers, "Connection": "close"})
        if self.command != "HEAD":
            self.wfile.write(body)
        # A client that is still sending would lose the answer if the connection were closed now.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            left = 4 * MAX_BODY
            while left > 0 and (received := self.rfile.read1(_CHUNK)):
                left -= len(received)

    def _refuse_method(self, allowed: str) -> None:
        self._fail(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed} is supported here", {"Allow": allowed})

    @property
    def _target(self) -> tuple[str, list[str]]:
        """The requested path, and the tokens in its query."""
        try:
            parts = urlsplit(self.path)
            return unquote(parts.path, errors="surrogateescape"), parse_qs(parts.query).get("token", [])
        except ValueError:  # such as http://[
            return "", []

    @property
    def _cookie_name(self) -> str:
        return f"lyricsep-{self.server.port}"  # cookies are shared between ports

    def _is_admitted(self, *, by_header_alone: bool) -> bool:
        """Refuse requests from elsewhere or without the token."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        is_ours = len(hosts) == 1 and hosts[0].strip().lower() in self.server.hosts
        if not is_ours or any(origin.lower() != f"http://{hosts[0].strip().lower()}" for origin in origins):
            self.send_error(HTTPStatus.FORBIDDEN, f"only pages of {ADDRESS}:{self.server.port} are accepted")
            return False
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self.send_error(HTTPStatus.FORBIDDEN, "links from other sites are not followed")
            return False
        offered = self.headers.get_all(TOKEN_HEADER, [])
        if not by_header_alone:
            offered += [*self._target[1], *self._cookies()]
        token = self.server.token.encode()
        if not any(secrets.compare_digest(value.encode("utf-8", "replace"), token) for value in offered):
            self.send_error(
                HTTPStatus.FORBIDDEN, "the token is missing or wrong; open the address that `lyricsep review` printed"
            )
            return False
        return True

    def _cookies(self) -> list[str]:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie_name)
        except CookieError:
            return []
        return [cookie.value] if cookie else []

    def _body(self) -> bytes | None:
        """Return the body of a request; None if it was refused."""
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED, "exactly one Content-Length is required")
        elif not re.fullmatch("[0-9]{1,18}", lengths[0]):
            self.send_error(HTTPStatus.BAD_REQUEST, f"Content-Length: expected bytes, got {lengths[0]!r:.40}")
        elif int(lengths[0]) > MAX_BODY:
            self.send_error(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"lyrics may have {MAX_BODY} bytes, not {lengths[0]}"
            )
        elif len(body := self.rfile.read(int(lengths[0]))) < int(lengths[0]):
            self.send_error(HTTPStatus.BAD_REQUEST, f"expected {lengths[0]} bytes, got {len(body)}")
        else:
            return body
        return None

    def _send_on(self) -> None:
        """Redirect to the address without the token, which the browser gets as a cookie."""
        cookie = f"{self._cookie_name}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
        location = urlsplit(self.path).path
        self._begin(HTTPStatus.SEE_OTHER, "text/plain", 0, {"Location": location, "Set-Cookie": cookie})

    def _send_content(self, kind: str, song: FoundSong | None) -> None:
        content = self.server.content
        if song is None:
            self._send(content.list_page(), "text/html; charset=utf-8")
        elif kind == "songs":
            self._send(content.song_page(song), "text/html; charset=utf-8")
        elif (sound := content.sound(song, kind)) is not None:
            self._send_file(sound, "audio/webm")
        else:
            self.send_error(HTTPStatus.NOT_FOUND, f"no audio file of the {kind} of this song")

    def _send(self, text: str, kind: str) -> None:
        body = text.encode()
        self._begin(HTTPStatus.OK, kind, len(body), {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_file(self, path: Path, kind: str) -> None:
        size = path.stat().st_size
        asked = self.headers.get("Range")
        part = _part(asked, size)
        headers = {"Accept-Ranges": "bytes"}
        if part is None:
            self._begin(HTTPStatus.OK, kind, size, headers)
        elif not part:
            beyond = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            self._fail(beyond, f"{asked}: there are {size} bytes", {"Content-Range": f"bytes */{size}"})
            return
        else:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            self._begin(HTTPStatus.PARTIAL_CONTENT, kind, len(part), headers)
        if self.command != "HEAD":
            with path.open("rb") as file:
                file.seek(part.start if part else 0)
                left = len(part) if part else size
                while left > 0 and (piece := file.read(min(_CHUNK, left))):
                    self.wfile.write(piece)
                    left -= len(piece)

    def _begin(self, code: int, kind: str, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _part(asked: str | None, size: int) -> range | None:
    """Read the header ``Range`` (RFC 9110, 14.2).

    Returns
    -------
    range or None
        Of bytes; empty where the file has none of them; None for all of it, also for
        unsupported values and several ranges at once.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", asked or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)
