"""What every test may ask for: the shared real data, a cache of its own, and a web server that misbehaves."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from lyricsep.weights import DownloadPolicy, Source, WeightFile

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes depends on who else uses the machine.
settings.register_profile("lyricsep", deadline=None)
settings.load_profile("lyricsep")

SHARED = Path(__file__).resolve().parents[2] / "shared"
EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that are marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow tests unless `--slow` is given, or they are selected by ``-m slow`` or by name."""
    named = {argument.partition("[")[0] for argument in config.args if "::" in argument}
    if config.getoption("--slow") or config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --slow")
    for item in items:
        if item.get_closest_marker("slow") and not any(item.nodeid.startswith(name) for name in named):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real songs and reference outputs beside the project; skips where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("the shared real data (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def excerpt() -> NDArray[np.float32]:
    """The first two lines of the example, 5.5 s: shape (n_samples, 2) at 44.1 kHz."""
    from lyricsep.audio import load_audio

    samples = load_audio(EXAMPLE).samples.numpy().T
    return np.ascontiguousarray(samples[int(4.5 * 44100) : (10 * 44100)])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium that plays sound without being asked; skips where it is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser is installed under any of the names {', '.join(names)}")
    quiet = ["no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=found,
            args=[
                *(f"--{name}" for name in quiet),
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        yield opened
        opened.close()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache of weights."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LYRICSEP_CACHE", str(tmp_path_factory.mktemp("cache")))


Answer = Callable[[BaseHTTPRequestHandler], None]


class Web:
    """Serves what `routes` says; a route is a list of answers, of which the last is given for ever."""

    def __init__(self) -> None:
        self.routes: dict[str, list[Answer]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()
        self.go_on = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.seen.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
                answers = web.routes[self.path]
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            block_on_close = False

            def handle_error(self, *args: object) -> None:
                pass  # clients that hang up are what the tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, path: str, *answers: Answer) -> str:
        self.routes[path] = list(answers)
        return self.address + path

    def headers(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, headers in self.seen]

    @staticmethod
    def whole(data: bytes, *, ranges: bool = True) -> Answer:
        """The file, or the rest of it where asked and `ranges` allows it."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            asked = request.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
            if start >= len(data) and start:
                request.send_error(416)
                return
            request.send_response(206 if start else 200)
            if start:
                request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            request.send_header("Content-Length", str(len(data) - start))
            request.end_headers()
            request.wfile.write(data[start:])

        return answer

    @staticmethod
    def cut(data: bytes, at: int) -> Answer:
        """The file from where asked, but the connection breaks off at byte `at`."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            request.send_response(206 if start else 200)
            if start:
                request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            request.send_header("Content-Length", str(len(data) - start))
            request.end_headers()
            request.wfile.write(data[start:at])
            request.close_connection = True

        return answer

    def stall(self, data: bytes, at: int) -> Answer:
        """The first `at` bytes; the rest once `go_on` is set."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[:at])
            request.wfile.flush()
            self.go_on.wait(30)
            request.wfile.write(data[at:])

        return answer

    def hang(self) -> Answer:
        """No answer at all."""
        return lambda request: self.closing.wait(30) and None

    @staticmethod
    def lie(data: bytes, length: int | None) -> Answer:
        """`data`, said to be `length` bytes long; None says nothing about it."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            if length is not None:
                request.send_header("Content-Length", str(length))
            request.end_headers()
            request.wfile.write(data)
            request.close_connection = True

        return answer

    @staticmethod
    def status(code: int) -> Answer:
        return lambda request: request.send_error(code)

    @staticmethod
    def redirect(target: str) -> Answer:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        return answer

    def close(self) -> None:
        self.closing.set()
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def new_web() -> Iterator[Callable[[], Web]]:
    webs: list[Web] = []

    def make() -> Web:
        webs.append(Web())
        return webs[-1]

    yield make
    for web in webs:
        web.close()


@pytest.fixture
def web(new_web: Callable[[], Web]) -> Web:
    return new_web()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that says nothing else."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LYRICSEP_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("LYRICSEP_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def policy() -> DownloadPolicy:
    """A policy for tests: three tries, and no time to lose."""
    return DownloadPolicy(attempts=3, timeout=5.0, backoff=0.01)


@pytest.fixture
def pinned() -> Callable[..., WeightFile]:
    """Give a function that pins `data` under sources written as URIs."""

    def pin(data: bytes, *uris: str | list[str], name: str = "model.bin", size: bool = True) -> WeightFile:
        sources = tuple(Source.from_uri(uri) for uri in uris)
        return WeightFile(name, hashlib.sha256(data).hexdigest(), len(data) if size else None, sources)

    return pin
