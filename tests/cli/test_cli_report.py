"""`lyricsep report` on a song, on runs, and on what is broken or missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from command_line import EXAMPLE

from lyricsep.cli import report as command
from lyricsep.documents import Manifest
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.manifest import new_manifest, write_manifest

TEXTS = {"a": "one two three", "disc/b": "four five", "c": "six seven eight nine"}


def write(folder: Path, name: str, text: str) -> None:
    lyrics = Lyrics((Line(0.5, 4.0, text),), "en", 5.5, (Segment(0.5, 4.0),))
    write_lyrics(folder / f"{name}.json", lyrics, "json")


def leave_manifest(folder: Path, song: Path, *names: str, separator: str = "none") -> None:
    manifest = {**new_manifest("transcribe", None).as_dict(), "plan": {"separator": separator, "model": "base"}}
    results = [str(folder / f"{name}.json") for name in names]
    songs = [{"path": str(song), "status": "done", "results": results}]
    write_manifest(folder, Manifest.from_dict({**manifest, "songs": songs}))


def content(page: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="content">(.*?)</script>', page.read_text(encoding="utf-8")
    )
    assert found
    document = json.loads(found[1])
    assert isinstance(document, dict)
    return document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three songs whose sound is nowhere."""
    for name, text in TEXTS.items():
        write(tmp_path / "out", name, text)
    return tmp_path / "out"


@pytest.fixture
def one(tmp_path: Path, song: Path) -> Path:
    """A run of one song."""
    write(tmp_path / "out", "song", "one two three")
    leave_manifest(tmp_path / "out", song, "song")
    return tmp_path / "out"


def test_one_song_gets_its_page_with_its_sound(run: Callable, one: Path) -> None:
    told = run("report", one)
    assert (told.code, told.err, told.written) == (0, "", [one / "report.html"])
    page = content(one / "report.html")
    assert page["audio"]["mixture"].startswith("data:audio/webm")
    assert page["audio"]["vocals"] is None
    assert page["manifest"]["plan"]["separator"] == "none"
    assert not (one / "report").exists()


def test_vocals_that_are_nowhere_are_separated_as_the_run_did(run: Callable, one: Path, song: Path) -> None:
    leave_manifest(one, song, "song", separator="spleeter")
    assert run("report", one, "--no-separation").code == 0
    assert content(one / "report.html")["audio"]["vocals"] is None
    told = run("report", one, "--overwrite")
    assert (told.code, told.err) == (0, "")
    assert content(one / "report.html")["audio"]["vocals"].startswith("data:audio/webm")


def test_a_separator_that_is_gone_costs_the_vocals_alone(run: Callable, one: Path, song: Path) -> None:
    leave_manifest(one, song, "song", separator="once there was")
    told = run("report", one)
    assert told.code == 0
    assert "once there was" in told.err
    assert "the page of song has no vocals" in told.err


def test_sound_is_linked_or_left_out(run: Callable, one: Path, song: Path) -> None:
    assert run("report", one, "--audio", "link").code == 0
    linked = content(one / "report.html")["audio"]["mixture"]
    assert (one / unquote(linked)).samefile(song)
    assert run("report", one, "--audio", "none", "--overwrite").code == 0
    assert content(one / "report.html")["audio"] == {"mixture": None, "vocals": None}


def test_several_songs_get_a_page_each_and_one_of_all(run: Callable, folder: Path) -> None:
    told = run("report", folder)
    assert told.code == 0
    names = ["report/a.html", "report/c.html", "report/disc/b.html", "report.html"]
    assert told.written == [folder / name for name in names]
    assert [song["page"] for song in content(folder / "report.html")["songs"]] == names[:-1]
    lines = told.err.splitlines()
    assert next(line for line in lines if "audio file not found" in line).startswith("a: ")
    assert sum("[3/3] disc/b: 0." in line for line in lines) == 1


def test_many_songs_are_linked(run: Callable, folder: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_manifest(folder, song, "a", "c", "disc/b")
    monkeypatch.setattr(command, "MOST_EMBEDDED", 2)
    assert run("report", folder).code == 0
    assert (folder / "report/disc" / unquote(content(folder / "report/disc/b.html")["audio"]["mixture"])).samefile(
        song
    )
    monkeypatch.setattr(command, "MOST_EMBEDDED", 3)
    assert run("report", folder, "--overwrite").code == 0
    assert content(folder / "report/disc/b.html")["audio"]["mixture"].startswith("data:")


def test_references_give_scores_and_what_they_lack_is_told(run: Callable, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "ref", "a", "one two four")
    write(tmp_path / "ref", "b", "four five")
    write(tmp_path / "ref", "z", "never heard")
    told = run("report", folder, "--reference", tmp_path / "ref")
    assert told.code == 0
    assert "z: no lyrics for this reference in" in told.err
    assert content(folder / "report/a.html")["scores"]["rates"]["WER"] == pytest.approx(1 / 3)
    assert content(folder / "report/c.html")["scores"] is None
    assert "20.0 %" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_reference_of_one_song_need_not_be_called_like_it(run: Callable, one: Path, tmp_path: Path) -> None:
    (tmp_path / "lyrics.txt").write_text("one two\n", encoding="utf-8")
    assert run("report", one, "--reference", tmp_path / "lyrics.txt", "--language", "en").code == 0
    assert content(one / "report.html")["scores"]["rates"]["WER"] == 0.5


def test_a_dataset_brings_its_sound(run: Callable, tmp_path: Path) -> None:
    write(tmp_path / "out", "night_train", "night train")
    told = run("report", tmp_path / "out", "--reference", EXAMPLE.parent, "--language", "en", "--audio", "link")
    assert (told.code, told.err) == (0, "")
    linked = content(tmp_path / "out" / "report.html")["audio"]
    assert [Path(unquote(linked[name])).name for name in ("mixture", "vocals")] == [
        "night_train.mp3",
        "night_train.vocals.ogg",
    ]


def test_references_of_other_songs_are_refused(run: Callable, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "ref", "other", "one")
    told = run("report", folder, "--reference", tmp_path / "ref")
    assert told.code == 1
    assert "none of its 1 references has the name of a song in" in told.err
    assert not (folder / "report.html").exists()


def test_two_runs_are_compared(run: Callable, folder: Path, tmp_path: Path) -> None:
    for name in TEXTS:
        write(tmp_path / "ref", name, TEXTS[name])
        write(tmp_path / "before", name, "one two")
    told = run("report", folder, "--reference", tmp_path / "ref", "--versus", tmp_path / "before")
    assert told.code == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Compared with before" in page
    assert "p is above 0.05" in page
    assert content(folder / "report.html")["songs"][0]["versus"] == [["one", "two", ["d", "three", ""]]]


def test_nothing_is_replaced_unless_asked(run: Callable, folder: Path) -> None:
    (folder / "report").mkdir()
    (folder / "report/c.html").write_text("mine", encoding="utf-8")
    told = run("report", folder)
    assert told.code == 1
    assert re.fullmatch(r"lyricsep: .*c\.html: exists already; set --overwrite to replace it\n", told.err)
    assert [path.name for path in folder.rglob("*.html")] == ["c.html"]
    assert run("report", folder, "--overwrite").code == 0
    assert content(folder / "report/c.html")["name"] == "c"


def test_lyrics_that_cannot_be_read_cost_that_song(run: Callable, folder: Path) -> None:
    (folder / "c.json").write_text("{", encoding="utf-8")
    told = run("report", folder)
    assert told.code == 1
    assert "c: failed: " in told.err
    assert [path.name for path in told.written] == ["a.html", "b.html", "report.html"]
    assert "not JSON" in (folder / "report.html").read_text(encoding="utf-8")


def test_sound_that_cannot_be_read_costs_the_sound(run: Callable, one: Path, song: Path) -> None:
    song.write_bytes(b"no sound")
    told = run("report", one)
    assert told.code == 0
    assert re.fullmatch(r".*song\.wav: .*; the page of song has no audio\n", told.err)
    assert content(one / "report.html")["audio"]["mixture"] is None


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--audio", "flac"), 2, "--audio flac: choose from embed, link, none"),
        (("--versus", "."), 2, "add --reference"),
        (("--songs", "nowhere"), 1, "nowhere: no such folder"),
        (("--reference", "nowhere"), 1, "nowhere: no such file or folder, and no dataset of that name"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    run: Callable, folder: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    told = run("report", folder, *options)
    assert (told.code, told.out) == (code, "")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_a_folder_without_lyrics_is_told_in_one_line(run: Callable, tmp_path: Path) -> None:
    told = run("report", tmp_path)
    assert (told.code, told.out) == (1, "")
    assert "no lyrics in this folder" in told.err
