"""`lyricsep review` as a user meets it: an address, a browser, Ctrl-C, and a dataset that is left."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from command_line import start
from numpy.typing import NDArray

from lyricsep.cli.review import _port_of
from lyricsep.documents import LyricsDocument
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.pages import find_results
from lyricsep.review import Corrections

HEARD = Lyrics(
    (Line(0.3, 2.8, "I left my home, I ride the rain"), Line(3.0, 5.4, "The streets were shining in the rain")),
    "en",
    5.5,
    (Segment(0.2, 5.5),),
)
SUNG = Lyrics((Line(0.3, 2.8, "I left my home, I ride the train"), HEARD.lines[1]), "en", 5.5, HEARD.segments)

# Tests of the command line open no connection of their own: this does what a page does.
PAGE = """
import json, sys, urllib.request
url, name, lyrics, page = sys.argv[1:]
address, token = url.split("/?token=")
headers = {"X-Lyricsep-Token": token}
page = urllib.request.urlopen(urllib.request.Request(address + page, headers=headers)).read().decode()
body = json.dumps({"revision": 0, "lyrics": json.loads(lyrics)}).encode()
save = urllib.request.Request(address + "/api/songs/" + name, body, headers, method="PUT")
print(json.dumps([page, json.load(urllib.request.urlopen(save))]))
"""


def correct(url: str, name: str, lyrics: Lyrics, page: str = "/") -> tuple[str, dict[str, object]]:
    """Look at a page, by default the list, and save a song."""
    call = [sys.executable, "-c", PAGE, url, name, LyricsDocument.of(lyrics).to_json(), page]
    text, answer = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    return text, answer


@pytest.fixture
def lyrics(tmp_path: Path, excerpt: NDArray) -> Path:
    """The results of a run, and the song beside them."""
    write_lyrics(tmp_path / "lyrics" / "song.json", HEARD, "json")
    write_lyrics(tmp_path / "lyrics" / "song.srt", HEARD, "srt")
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.flac", excerpt, 44100)
    return tmp_path / "lyrics"


def test_from_the_address_to_the_end(lyrics: Path, tmp_path: Path) -> None:
    process = start("review", "lyrics", "--songs", "songs", "--no-browser", cwd=tmp_path)
    assert process.stdout is not None
    url = process.stdout.readline().rstrip("\n")
    assert url.startswith("http://127.0.0.1:")
    page, answer = correct(url, "song", SUNG)
    assert ">song</a>" in page
    assert answer == {"revision": 1, "files": [f"lyrics/corrected/song.{suffix}" for suffix in _SUFFIXES]}
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (0, "")
    assert err.splitlines() == [
        "songs: 1; press Ctrl-C to stop",
        "stopped",
        "saved: song, revision 1",
        "songs saved: 1, in lyrics/corrected",
    ]


_SUFFIXES = ("txt", "lrc", "srt", "json")


def test_what_was_done_is_told_by_the_verbose(lyrics: Path, tmp_path: Path) -> None:
    process = start("review", "lyrics", "--no-browser", "-v", cwd=tmp_path)
    assert process.stdout is not None
    url = process.stdout.readline().rstrip("\n")
    correct(url, "song", SUNG)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert '"PUT /api/songs/song HTTP/1.1" 200' in err
    assert url.partition("=")[2] not in err


def test_the_browser_opens_the_page(lyrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    process = start("review", "lyrics", cwd=tmp_path)
    assert process.stdout is not None
    url = process.stdout.readline()
    for _ in range(500):
        if (tmp_path / "opened").exists() and (tmp_path / "opened").read_text() == url:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the browser was not called")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 0
    assert err.splitlines()[-1] == "songs saved: 0"


def test_the_reference_is_shown_beside(lyrics: Path, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "sung.json", SUNG, "json")
    process = start("review", "lyrics", "--reference", "sung.json", "--no-browser", cwd=tmp_path)
    assert process.stdout is not None
    url = process.stdout.readline().rstrip("\n")
    page, _ = correct(url, "song", SUNG, page="/songs/song")
    content = json.loads(page.partition('id="content">')[2].partition("</script>")[0])
    assert [line["text"] for line in content["reference"]["lines"]] == [line.text for line in SUNG.lines]
    assert content["scores"]["counts"]["substitutions"] == 1
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0


def test_killed_servers_leave_what_was_saved(lyrics: Path, tmp_path: Path) -> None:
    process = start("review", "lyrics", "--no-browser", cwd=tmp_path)
    assert process.stdout is not None
    correct(process.stdout.readline().rstrip("\n"), "song", SUNG)
    process.kill()
    process.communicate()
    assert Corrections(find_results(lyrics)).load("song").transcript.lines == SUNG.lines


def test_wrong_usage(run: Callable, lyrics: Path) -> None:
    for name in ("one", "two"):
        write_lyrics(lyrics.parent / "others" / f"{name}.json", SUNG, "json")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (("nowhere",), 1, "lyricsep: nowhere: no such folder"),
            (("songs",), 1, "lyricsep: songs: no lyrics in this folder"),
            (("lyrics", "--songs", "nowhere"), 1, "lyricsep: nowhere: no such folder"),
            (("lyrics", "--reference", "nowhere"), 1, "lyricsep: nowhere: no such file or folder"),
            (
                ("lyrics", "--reference", "others"),
                1,
                "lyricsep: others: none of its 2 references has the name",
            ),
            (("lyrics", "--language", "Klingonese"), 2, "lyricsep: no language is called 'Klingonese'; use an ISO"),
            (("lyrics", "--port", port), 2, f"lyricsep: port {port}: Address already in use; choose another --port"),
            (("lyrics", "--port", "70000"), 2, "lyricsep review: Invalid value for '--port'"),
        ]
        for arguments, code, message in cases:
            told = run("review", *arguments, "--no-browser")
            assert (told.code, told.out) == (code, "")
            assert len(told.err.splitlines()) == 1
            assert told.err.startswith(message)


@pytest.fixture
def corrected(lyrics: Path) -> Path:
    """The lyrics, of which the first line was corrected."""
    results = find_results(lyrics, songs=lyrics.parent / "songs")
    Corrections(results).save("song", 0, LyricsDocument.of(SUNG).to_json())
    return lyrics / "corrected"


def test_what_is_corrected_is_a_reference(run: Callable, corrected: Path, lyrics: Path) -> None:
    told = run("score", corrected, lyrics, "--json")
    assert told.code == 0, told.err
    counts = json.loads(told.out)["counts"]
    assert (counts["hits"], counts["substitutions"]) == (14, 1)
    told = run("datasets", "verify", corrected)
    assert (told.code, told.out, told.err) == (0, "", "corrected: songs: 1, problems: 0\n")
    assert run("datasets", "show", corrected, "--song", "song").out.startswith("I left my home, I ride the train\n")


@pytest.mark.slow
def test_what_is_corrected_is_benchmarked(run: Callable, corrected: Path, tmp_path: Path) -> None:
    grid = 'title = "Corrected"\ndatasets = ["songs"]\naudio = ["mixture"]\nsegmentation = ["lines"]\n'
    (tmp_path / "grid.toml").write_text(
        grid + 'model = "tiny.en"\n[transcription]\nbeam_size = 1\n', encoding="utf-8"
    )
    told = run("benchmark", "grid.toml", "--dataset", corrected, "-o", "out", "--seeds", "1")
    assert told.code == 0, told.err
    assert "song" in (tmp_path / "out" / "songs.csv").read_text(encoding="utf-8")


def test_a_folder_has_a_port_of_its_own_unless_that_is_taken(tmp_path: Path) -> None:
    port = _port_of(tmp_path)
    assert port == _port_of(tmp_path / "inner" / "..")
    assert port != _port_of(tmp_path / "inner")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert _port_of(tmp_path) == 0
