"""The server answers its own pages, and nobody else."""

from __future__ import annotations

import copy
import http.client
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from night_train import EXAMPLE, HEARD, corrected, document

from lyricsep.errors import ConfigError
from lyricsep.formats import write_lyrics
from lyricsep.pages import Results, find_results
from lyricsep.review import Corrections, ReviewServer, server

NAME = "été/night train"
SONG = "/songs/%C3%A9t%C3%A9/night%20train"
AUDIO = "/audio/%C3%A9t%C3%A9/night%20train/mixture"
SAVE = "/api/songs/%C3%A9t%C3%A9/night%20train"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        assert self.headers["content-type"] == "application/json"
        (error,) = json.loads(self.body).values()
        assert isinstance(error, str)
        return error


class Client:
    """Sends what it is told to, as it is told to."""

    def __init__(self, review: ReviewServer) -> None:
        address = urlsplit(review.url)
        self.host, self.token = address.netloc, address.query.removeprefix("token=")
        self.port = int(self.host.partition(":")[2])
        self.own = {"X-Lyricsep-Token": self.token}

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
        """Ask with the token; a header that is empty is left out."""
        own = {**self.own, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in own, skip_accept_encoding=True)
            data = body.encode() if isinstance(body, str) else body
            if data is not None and "Content-Length" not in own:
                own["Content-Length"] = str(len(data))
            for name, value in own.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def with_headers(self, **headers: str) -> Client:
        """The same client, with these headers in the place of that of the token."""
        other = copy.copy(self)
        other.own = {name.replace("_", "-"): value for name, value in headers.items()}
        return other

    def save(self, base: object = 0, lyrics: object = None, **headers: str) -> Answer:
        wanted = json.loads(document(corrected())) if lyrics is None else lyrics
        return self.ask("PUT", SAVE, json.dumps({"revision": base, "lyrics": wanted}), **headers)

    def raw(self, data: bytes, *, wait: float = 30.0) -> bytes:
        """Send bytes, and give all that comes until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def review(results: Results) -> Iterator[ReviewServer]:
    with ReviewServer(results) as started:
        yield started


@pytest.fixture
def client(review: ReviewServer) -> Client:
    return Client(review)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server that stays, for tests that change nothing: its sound is encoded once."""
    folder = tmp_path_factory.mktemp("standing")
    for name in (NAME, "other"):
        write_lyrics(folder / "lyrics" / f"{name}.json", HEARD, "json")
    (folder / "songs" / "été").mkdir(parents=True)
    (folder / "songs" / f"{NAME}.mp3").write_bytes((EXAMPLE / "night_train.mp3").read_bytes())
    with ReviewServer(find_results(folder / "lyrics", songs=folder / "songs")) as started:
        yield Client(started)


def test_the_list_names_the_songs(client: Client, review: ReviewServer, results: Results) -> None:
    client.save()
    page = client.ask("GET", "/")
    text = page.body.decode()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f'<a href="{SONG}">été/night train</a>' in text
    assert "<td>revision 1</td>" in text
    assert '<a href="/songs/other">other</a>' in text
    assert '>0:50</td><td class="number size">2</td><td class="number">1</td><td>no</td>' in text
    assert review.saved == {NAME: 1}


def test_the_list_says_what_the_machine_made_anew(client: Client, folder: Path) -> None:
    client.save()
    write_lyrics(folder / f"{NAME}.json", HEARD, "json", title="another")
    assert "revision 1; the machine’s version has changed since" in client.ask("GET", "/").body.decode()


def test_names_are_text(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", 'a"b&c', "?#%25 name", "..", "new\nline", "été"]
    paths = [tmp_path / "in" / (name.replace("/", "∕") + ".json") for name in names]
    paths.append(Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.json")))
    for path in paths:
        write_lyrics(path, replace(HEARD, lines=()), "json")
    with ReviewServer(find_results(tmp_path / "in")) as review:
        client = Client(review)
        text = client.ask("GET", "/").body.decode()
        assert "<script>alert" not in text
        for name in find_results(tmp_path / "in").songs:
            path = urlsplit(review.url_of(name.name)).path
            assert f'href="{path}"' in text
            body = json.dumps({"revision": 0, "lyrics": json.loads(document(HEARD))})
            assert client.ask("PUT", "/api" + path, body).status == 200


def test_a_page_holds_the_last_revision_and_what_was_heard(client: Client) -> None:
    client.save()
    page = client.ask("GET", SONG).body.decode()
    content = json.loads(page.partition('id="content">')[2].partition("</script>")[0])
    assert content["lines"][0]["text"] == "Red lights on the railway line"
    assert content["audio"] == {"mixture": AUDIO, "vocals": None}
    told = content["review"]
    assert [line["text"] for line in told.pop("machine")] == [line.text for line in HEARD.lines]
    assert told == {
        "save": SAVE,
        "align": None,
        "vocals": None,
        "revision": 1,
        "token": client.token,
        "changed": False,
        "home": "/",
    }


def test_a_song_whose_sound_is_broken_can_be_corrected(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "songs" / "other.mp3").write_bytes(b"no sound")
    with ReviewServer(find_results(folder, songs=tmp_path / "songs")) as review:
        client = Client(review)
        assert client.ask("GET", "/songs/other").status == 200
        assert client.ask("GET", "/audio/other/mixture").status == 500
        assert "cannot read it as audio" in client.ask("GET", "/audio/other/mixture").error


def test_saving(client: Client, folder: Path) -> None:
    answer = client.save()
    assert answer.status == 200
    told = json.loads(answer.body)
    assert told["revision"] == 1
    assert str(folder / "corrected" / f"{NAME}.vtt") in told["files"]
    assert all(Path(file).is_file() for file in told["files"])
    assert json.loads(client.save(1, json.loads(document(corrected("two")))).body)["revision"] == 2


def test_an_old_revision(client: Client, results: Results) -> None:
    Corrections(results).save(NAME, 0, document(corrected("theirs")))
    answer = client.save()
    assert answer.status == 409
    assert "was saved by someone else" in answer.error


GOOD = json.loads(document(HEARD))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "expected JSON"),
        ("[]", "expected JSON"),
        ('{"revision": 0}', "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ('{"revision": "0", "lyrics": {}}', "expected JSON with an integer called 'revision'"),
        ('{"revision": true, "lyrics": {}}', "expected JSON with an integer called 'revision'"),
        ('{"revision": 0, "lyrics": {}}', "schema and version"),
        (json.dumps({"revision": 0, "lyrics": {**GOOD, "lines": 3}}), "lines: expected a list"),
        (json.dumps({"revision": 0, "lyrics": {**GOOD, "duration": float("nan")}}), "duration: expected"),
        (
            json.dumps({"revision": 0, "lyrics": {**GOOD, "lines": GOOD["lines"][::-1]}}),
            "lines[1] starts at 9.9 s, before lines[0] at 20 s",
        ),
        (
            json.dumps({"revision": 0, "lyrics": {**GOOD, "lines": [{**GOOD["lines"][0], "end": 99.0}]}}),
            "ends at 99 s, after the song",
        ),
    ],
)
def test_what_is_no_lyrics(client: Client, folder: Path, body: str, message: str) -> None:
    answer = client.ask("PUT", SAVE, body)
    assert answer.status == 400
    assert message in answer.error
    assert not (folder / "corrected").exists()


def test_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = client.save()
    assert answer.status == 500
    assert "cannot be written (No space left on device)" in answer.error
    assert json.loads(client.save().body)["revision"] == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "[::1]:{port}"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://evil.example:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},  # another origin than that of the host, to a browser
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_who_is_not_from_here_is_refused(client: Client, folder: Path, method: str, headers: dict[str, str]) -> None:
    sent = {name.replace("-", "_"): value.format(port=client.port) for name, value in headers.items()}
    body = json.dumps({"revision": 0, "lyrics": GOOD}) if method == "PUT" else None
    answer = client.ask(method, SAVE if method == "PUT" else "/", body, **sent)
    assert answer.status == 403
    assert client.token.encode() not in answer.body
    assert not (folder / "corrected").exists()
    assert {name for name in answer.headers if name.startswith("access-control")} == set()


def test_two_hosts(standing: Client) -> None:
    request = (
        f"GET / HTTP/1.1\r\nHost: {standing.host}\r\nHost: evil.example\r\nX-Lyricsep-Token: {standing.token}\r\n\r\n"
    )
    assert standing.raw(request.encode()).startswith(b"HTTP/1.1 403 ")


def test_its_own_pages_are_answered(client: Client) -> None:
    for host in (client.host, f"localhost:{client.port}", f"LOCALHOST:{client.port}"):
        origin = f"http://{host.lower()}"
        assert client.ask("GET", "/", Host=host).status == 200
        assert client.ask("GET", "/", Host=host, Origin=origin, Sec_Fetch_Site="same-origin").status == 200
        assert client.save(Host=host, Origin=origin, Sec_Fetch_Site="same-origin").status == 200


@pytest.mark.parametrize("path", ["/", SONG, AUDIO, "/nothing"])
@pytest.mark.parametrize("token", ["", "x", "wrong" * 9, "\xff\xfe", "X" * 20_000])
def test_without_the_token_nothing_is_told(standing: Client, path: str, token: str) -> None:
    stranger = standing.with_headers(X_Lyricsep_Token=token)
    answers = [stranger.ask("GET", path), stranger.ask("GET", f"{path}?token={token.encode().hex()}")]
    answers.append(stranger.ask("GET", path, Cookie=f"lyricsep-{standing.port}={token[:4000]}"))
    assert {answer.status for answer in answers} == {403}
    assert {answer.error for answer in answers} == {
        "the token is missing or wrong; open the address that `lyricsep review` printed"
    }


def test_the_token_in_the_address_becomes_a_cookie(standing: Client) -> None:
    browser = standing.with_headers()
    first = browser.ask("GET", f"{SONG}?token={standing.token}")
    assert (first.status, first.headers["location"], first.body) == (303, SONG, b"")
    cookie, *rules = first.headers["set-cookie"].split("; ")
    assert cookie == f"lyricsep-{standing.port}={standing.token}"
    assert set(rules) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert browser.ask("GET", "/", Cookie=f"other=1; {cookie}").status == 200
    assert browser.ask("GET", "/", Cookie=f"lyricsep-1={standing.token}").status == 403
    assert browser.ask("GET", "//evil.example/?token=" + standing.token).status == 404


@pytest.mark.parametrize("where", ["cookie", "query"])
def test_only_the_header_lets_save(client: Client, folder: Path, where: str) -> None:
    browser = client.with_headers()
    body = json.dumps({"revision": 0, "lyrics": GOOD})
    cookie = f"lyricsep-{client.port}={client.token}" if where == "cookie" else ""
    path = f"{SAVE}?token={client.token}" if where == "query" else SAVE
    assert browser.ask("PUT", path, body, Cookie=cookie).status == 403
    assert not (folder / "corrected").exists()


@pytest.mark.parametrize("kind", ["/songs/", "/api/songs/", "/audio/", "/"])
@pytest.mark.parametrize(
    "name",
    [
        "../other",
        "..%2fother",
        "%2e%2e/other",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "....//other",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "other/",
        "other%00",
        "other%00.json",
        "other.json",
        "OTHER",
        "corrected/other",
        ".history",
        "x/mixture",
        "..%5cother",
        "%ff",
        "%",
        "[",
        "other;x",
    ],
)
def test_only_names_of_songs_are_found(standing: Client, kind: str, name: str) -> None:
    for method in ("GET", "HEAD", "PUT"):
        answer = standing.ask(method, kind + name, "{}" if method == "PUT" else None)
        assert answer.status == 404
        assert b"root:" not in answer.body


def test_a_slash_may_be_encoded(standing: Client) -> None:
    assert standing.ask("GET", AUDIO.replace("/night", "%2fnight"), Range="bytes=0-0").status == 206


@pytest.mark.parametrize("target", ["http://[", "*", "//", "?token=%", "/?" + "a=b&" * 2000])
def test_odd_targets(standing: Client, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: {standing.host}\r\nX-Lyricsep-Token: {standing.token}\r\n"
    status = standing.raw(request.encode() + b"Connection: close\r\n\r\n").split(b" ")[1]
    assert status in (b"200", b"400", b"404")


def test_a_very_long_address(standing: Client) -> None:
    assert standing.ask("GET", "/" + "a" * 60_000).status == 404
    assert standing.ask("GET", "/" + "a" * 70_000).status == 414


def test_very_many_headers(standing: Client) -> None:
    request = f"GET / HTTP/1.1\r\nHost: {standing.host}\r\n" + "".join(f"X-{n}: y\r\n" for n in range(200)) + "\r\n"
    assert standing.raw(request.encode()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_other_methods(standing: Client, method: str) -> None:
    answer = standing.ask(method, "/")
    assert answer.status == 501
    assert "access-control-allow-origin" not in answer.headers


def test_methods_of_other_addresses(standing: Client) -> None:
    for path in (SONG, AUDIO):
        answer = standing.ask("PUT", path, "{}")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    for path, method in (
        (SAVE, "PUT"),
        (SAVE.replace("songs", "times"), "POST"),
        (SAVE.replace("songs", "vocals"), "POST"),
    ):
        answer = standing.ask("GET", path)
        assert (answer.status, answer.headers["allow"]) == (405, method)
    assert standing.ask("POST", "/", "{}").status == 404
    assert standing.ask("POST", SAVE.replace("songs", "times"), '{"text": "one"}').status == 400  # without models


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 411),
        ("Transfer-Encoding: chunked\r\n", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 411),
        ("Content-Length: 2\r\nContent-Length: 5\r\n", 411),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: +2\r\n", 400),
        ("Content-Length: 2, 2\r\n", 400),
        ("Content-Length: ٢\r\n", 400),
        ("Content-Length: 1e3\r\n", 400),
        (f"Content-Length: {server.MAX_BODY + 1}\r\n", 413),
        (f"Content-Length: {'9' * 18}\r\n", 413),
        (f"Content-Length: {'9' * 400}\r\n", 400),
    ],
)
def test_bodies_without_an_honest_length(standing: Client, headers: str, status: int) -> None:
    request = (
        f"PUT {SAVE} HTTP/1.1\r\nHost: {standing.host}\r\nX-Lyricsep-Token: {standing.token}\r\n{headers}\r\n{{}}"
    )
    assert standing.raw(request.encode()).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_that_is_too_large_is_told_to_who_sends_it_all(standing: Client) -> None:
    answer = standing.ask("PUT", SAVE, b"x" * (server.MAX_BODY + 1))
    assert answer.status == 413
    assert "lyrics may have" in answer.error


def test_a_body_that_ends_early(client: Client, folder: Path) -> None:
    body = json.dumps({"revision": 0, "lyrics": GOOD})
    request = f"PUT {SAVE} HTTP/1.1\r\nHost: {client.host}\r\nX-Lyricsep-Token: {client.token}\r\n"
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
        connection.sendall(f"{request}Content-Length: {len(body) + 9}\r\n\r\n{body}".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert not (folder / "corrected").exists()


def test_what_follows_a_body_is_a_request_of_its_own(client: Client) -> None:
    body = json.dumps({"revision": 0, "lyrics": GOOD})
    request = f"PUT {SAVE} HTTP/1.1\r\nHost: {client.host}\r\nX-Lyricsep-Token: {client.token}\r\n"
    smuggled = f"GET / HTTP/1.1\r\nHost: {client.host}\r\nConnection: close\r\n\r\n"
    told = client.raw(f"{request}Content-Length: {len(body)}\r\n\r\n{body}{smuggled}".encode())
    assert re.findall(rb"HTTP/1\.1 (\d+)", told) == [b"200", b"403"]


def test_a_body_where_none_belongs(standing: Client) -> None:
    assert standing.ask("GET", "/", "{}").status == 400


def test_no_http(standing: Client) -> None:
    assert b"error" in standing.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert b"lights" not in standing.raw(b"GET /\r\n\r\n")
    assert standing.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_who_sends_a_byte_now_and_then_is_hung_up_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.5)
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        n_bytes = 0
        with suppress(ConnectionError):
            while n_bytes < 300:  # 15 s
                connection.sendall(b"X")
                n_bytes += 1
                time.sleep(0.05)
        assert n_bytes < 100
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
        assert connection.recv(1) == b""  # who says nothing, too


def test_too_many_at_once_are_hung_up_on(client: Client) -> None:
    idle = [socket.create_connection(("127.0.0.1", client.port), timeout=30) for _ in range(server.MAX_CONNECTIONS)]
    try:
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for connection in idle:
            connection.close()
    for _ in range(300):
        try:
            assert client.ask("GET", "/").status == 200
            break
        except (ConnectionError, http.client.HTTPException):  # their threads have not ended yet
            time.sleep(0.02)
    else:
        pytest.fail("the places were never free again")


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-100", 206, slice(-100, None)),
        ("bytes=0-", 206, slice(0, None)),
        ("bytes=0-99999999999", 206, slice(0, None)),
        ("bytes=-99999999999", 206, slice(0, None)),
        ("bytes=99999999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=5-4", 200, slice(0, None)),
        ("bytes=-", 200, slice(0, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("bytes=a-b", 200, slice(0, None)),
        ("bytes=٠-٣", 200, slice(0, None)),
        ("bytes=0-" + "9" * 40, 200, slice(0, None)),
        ("lines=0-1", 200, slice(0, None)),
        ("", 200, slice(0, None)),
    ],
)
def test_parts_of_the_sound(standing: Client, asked: str, status: int, part: slice | None) -> None:
    whole = standing.ask("GET", AUDIO).body
    header = {"Range": asked.encode().decode("latin-1")}
    answer, head = standing.ask("GET", AUDIO, **header), standing.ask("HEAD", AUDIO, **header)
    assert (answer.status, head.status, head.body) == (status, status, b"")
    del answer.headers["date"], head.headers["date"]
    assert answer.headers == head.headers
    if part is None:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        return
    assert answer.body == whole[part]
    assert answer.headers["accept-ranges"] == "bytes"
    first, stop, _ = part.indices(len(whole))
    told = f"bytes {first}-{stop - 1}/{len(whole)}" if status == 206 else None
    assert answer.headers.get("content-range") == told


def test_a_sound_that_nobody_has(standing: Client) -> None:
    answer = standing.ask("GET", AUDIO.replace("mixture", "vocals"))
    assert (answer.status, answer.error) == (404, "no audio file of the vocals of this song")
    assert standing.ask("GET", AUDIO.replace("mixture", "drums")).status == 404


@pytest.mark.parametrize("path", ["/", SONG, AUDIO, "/nothing"])
def test_what_every_answer_says(standing: Client, path: str) -> None:
    answer = standing.ask("GET", path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["server"] == "lyricsep"
    if answer.headers["content-type"].startswith("text/html"):
        assert b'http-equiv="Content-Security-Policy" content="default-src' in answer.body
    head = standing.ask("HEAD", path)
    assert (head.status, head.body) == (answer.status, b"")
    assert head.headers["content-length"] == str(len(answer.body))


def test_it_listens_on_this_machine_alone(standing: Client) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in sorted(str(address) for address in others if not str(address).startswith("127.")):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, standing.port), timeout=5)
    with socket.socket() as another:
        another.bind(("127.0.0.2", standing.port))  # taken, if it listened everywhere


def test_a_port_that_is_taken(results: Results, client: Client) -> None:
    with pytest.raises(ConfigError, match=rf"port {client.port}: .*; choose another port, or 0 for a free one"):
        ReviewServer(results, port=client.port)
    with pytest.raises(ConfigError, match="port 70000: there is no such port"):
        ReviewServer(results, port=70_000)


def test_it_starts_from_what_a_crash_left(results: Results, folder: Path) -> None:
    Corrections(results).save(NAME, 0, document(corrected()))
    (folder / "corrected" / f"{NAME}.json").unlink()
    (folder / "corrected" / "metadata.jsonl").unlink()
    with ReviewServer(results):
        assert (folder / "corrected" / f"{NAME}.json").is_file()
        assert (folder / "corrected" / "metadata.jsonl").is_file()


def test_many_pages_save_at_once(client: Client, results: Results) -> None:
    told: list[int] = []

    def save(number: int) -> None:
        told.append(client.save(0, json.loads(document(corrected(f"{number}")))).status)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [200] + [409] * 7
    assert Corrections(results).latest(NAME) == 1


def test_the_end(results: Results) -> None:
    before = threading.active_count()
    with ReviewServer(results) as review:
        client = Client(review)
        client.ask("GET", AUDIO)
        folder = Path(review._content._folder.name)
        assert [path.suffix for path in folder.iterdir()] == [".webm"]
        idle = socket.create_connection(("127.0.0.1", client.port), timeout=30)
    # Who kept a connection open is hung up on; no thread is left, nor the sound.
    with suppress(ConnectionResetError):
        assert idle.recv(1) == b""
    idle.close()
    assert threading.active_count() == before
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        client.ask("GET", "/")


def test_what_is_being_saved_is_saved(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(handle: int) -> None:
        begun.set()
        go_on.wait(30)
        fsync(handle)

    def save(client: Client) -> None:
        with suppress(ConnectionError, http.client.HTTPException):  # the answer may not come through any more
            client.save()

    with ReviewServer(results) as review:
        monkeypatch.setattr(os, "fsync", slow)
        page = threading.Thread(target=save, args=(Client(review),))
        page.start()
        assert begun.wait(30)
        threading.Timer(0.2, go_on.set).start()
    page.join()
    assert Corrections(results).load(NAME).transcript.lines[0].text == corrected().lines[0].text


def test_the_log_does_not_hold_the_token(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lyricsep")
    client.ask("GET", f"/?x=1&token={client.token}&y=2")
    request = f"GET /nothing\x1b[31m?token={client.token[:-1]} HTTP/1.1\r\nHost: {client.host}\r\n\r\n"
    client.raw(request.encode())
    client.save()
    assert client.token[:-1] not in caplog.text
    assert "\x1b" not in caplog.text
    assert '"GET /?x=1&token=***&y=2 HTTP/1.1" 303' in caplog.text
    assert "night train: saved as revision 1" in caplog.text


def test_lyrics_corrected_with_a_text_show_what_was_heard(results: Results) -> None:
    corrections = Corrections(results)
    lyrics = corrected("Red light on railway lines")
    corrections.save(NAME, 0, document(replace(lyrics, lines=lyrics.lines[:3])), text="words.txt")

    def reference(client: Client) -> Any:
        page = client.ask("GET", SONG).body.decode()
        return json.loads(page.partition('id="content">')[2].partition("</script>")[0])["reference"]

    with ReviewServer(results) as review:
        client = Client(review)
        found = reference(client)
        assert (found["lines"], found["is_machine"]) == ([], True)
        first, *_, last = found["rows"]
        assert [(word["kind"], word.get("heard"), word.get("sung")) for word in first["words"]] == [
            ("hit", "Red ", "Red "),
            ("substitution", "light ", "lights "),
            ("hit", "on ", "on "),
            ("deletion", None, "the "),
            ("hit", "railway ", "railway "),
            ("substitution", "lines", "bend"),
        ]
        assert (last["line"], last["start"]) == (None, HEARD.lines[3].start)
        body = json.dumps({"revision": 1, "lyrics": json.loads(document(lyrics))})
        assert client.ask("PUT", SAVE, body).status == 200
        assert reference(client) is None
