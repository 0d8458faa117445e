"""What the tests of the datasets have in common, apart from fixtures: files as they are published, and a hub."""

from __future__ import annotations

import csv
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import soundfile

HEADER = (
    *("URL", "Filepath", "Artist", "Title", "Genre", "LicenseType", "Language"),
    *("LyricOverlap", "Polyphonic", "NonLexical"),
)

Rows = Sequence[Mapping[str, Any]]


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_sound(path: Path, duration: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(int(duration * 8000)) * 0.3) * 0.3, 8000)
    return path


class FakeHub:
    """Answers as the hub does, for one dataset of which there are several commits."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.commits: dict[str, dict[str, bytes]] = {}
        self.names: dict[str, str] = {}
        self.large: set[str] = set()
        self.cut: dict[str, int] = {}
        self.damaged: dict[str, bytes] = {}
        self.status: int | None = None
        self.seen: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self, with_content=True)

            def do_HEAD(self) -> None:
                hub.answer(self, with_content=False)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            block_on_close = False

            def handle_error(self, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def commit(self, name: str, files: Mapping[str, bytes]) -> str:
        """Add a commit, which `name` stands for from now on."""
        sha = git_hash(repr(sorted(files.items())).encode())
        self.commits[sha] = dict(files)
        self.names[name] = sha
        return sha

    def answer(self, request: BaseHTTPRequestHandler, *, with_content: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        self.seen.append(path)
        api, resolve = f"/api/datasets/{self.repository}/", f"/datasets/{self.repository}/resolve/"
        if self.status:
            request.send_error(self.status)
        elif path.startswith(api):
            kind, _, rest = path.removeprefix(api).partition("/")
            content = self._api(kind, rest)
            if content is None:
                self._missing(request, "RevisionNotFound")
            else:
                self._send(request, json.dumps(content).encode(), {"Content-Type": "application/json"}, with_content)
        elif path.startswith(resolve):
            sha, _, name = path.removeprefix(resolve).partition("/")
            content = self.commits[sha][name]
            headers = {"ETag": f'"{self._oid(name, content)}"', "X-Repo-Commit": sha}
            start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            content = self.damaged.get(name, content)
            self._send(request, content, headers, with_content, start, self.cut.get(name))
        else:
            self._missing(request, "RepoNotFound")

    def _api(self, kind: str, rest: str) -> object:
        sha = self.names.get(rest, rest)
        if kind == "commits":
            return [
                {
                    "id": sha,
                    "authors": [{"user": "x"}],
                    "date": "2024-01-01T00:00:00.000Z",
                    "title": "t",
                    "message": "",
                }
                for sha in self.commits
            ]
        if sha not in self.commits:
            return None
        if kind == "revision":
            siblings = [{"rfilename": name} for name in self.commits[sha]]
            return {"_id": "1", "id": self.repository, "sha": sha, "siblings": siblings, "tags": []}
        return [self._entry(name, content) for name, content in self.commits[sha].items()]

    def _entry(self, name: str, content: bytes) -> dict[str, object]:
        entry: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        if name in self.large:
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return entry

    def _oid(self, name: str, content: bytes) -> str:
        return hashlib.sha256(content).hexdigest() if name in self.large else git_hash(content)

    @staticmethod
    def _missing(request: BaseHTTPRequestHandler, code: str) -> None:
        request.send_response(404)
        request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        content: bytes,
        headers: Mapping[str, str],
        with_content: bool,
        start: int = 0,
        cut: int | None = None,
    ) -> None:
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        if with_content:
            request.wfile.write(content[start:cut])
        request.close_connection = cut is not None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
