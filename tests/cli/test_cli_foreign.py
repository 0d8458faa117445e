"""Files and names as people and other programs leave them, from command to result."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Outcome

Run = Callable[..., Outcome]

LATIN = os.fsdecode(b"caf\xe9")
ODD = (LATIN, "a\nb", "-dash", "n" * 220, "🎵 song", "\u200frtl \u202eevil", 'tab\there "q"', "#9 %20", "red\x1b[31m")
LRC = "[00:00.10]hello there\n[00:01.00]my friend\n"
TEXT = "hello there\nmy fiend\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def content(page: Path) -> dict[str, Any]:
    found = re.search(r'id="content">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    document: dict[str, Any] = json.loads(found[1])
    return document


@pytest.fixture
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("the files of public reports (../shared/cases) are missing")
    return shared / "cases"


# Files of other programs


def test_a_folder_of_whisper_is_scored_converted_and_reported(run: Run, cases: Path, tmp_path: Path) -> None:
    write(tmp_path, {"refs/song.txt": "one bright morning\nwe sail away\n"})
    for path in (cases / "whisper-folder-json" / "out").glob("song.*"):
        write(tmp_path, {f"out/{path.name}": path.read_text(encoding="utf-8")})
    scored = run("score", "refs", "out", "--json", "-l", "en")
    assert (scored.code, json.loads(scored.out)["rates"]["WER"]) == (0, 0.0)
    converted = run("convert", "out", "-f", "lrc", "-o", "new")
    assert (converted.code, converted.written) == (0, [Path("new/song.lrc")])
    assert "[00:01.00]we sail away" in (tmp_path / "new" / "song.lrc").read_text(encoding="utf-8")
    assert run("report", "out", "--reference", "refs", "-l", "en", "--audio", "none").code == 0
    assert [line["text"] for line in content(tmp_path / "out" / "report.html")["lines"]] == [
        "One bright morning",
        "we sail away",
    ]


def test_a_folder_of_ours_is_converted(run: Run, cases: Path, tmp_path: Path) -> None:
    done = run("convert", cases / "convert-own-folder" / "d", "-f", "txt", "-o", "new")
    assert (done.code, done.written, done.err) == (0, [Path("new/clip.txt")], "")
    lines = (tmp_path / "new" / "clip.txt").read_text(encoding="utf-8").split("\n")
    assert [line for line in lines if line][-1] == "and the wind begins to blow"


def test_a_broken_file_costs_itself(run: Run, tmp_path: Path) -> None:
    write(tmp_path, {"in/a.json": '{"schema": ', "in/b.lrc": LRC, "in/c.txt": "a\0\0b", "in/d.srt": ""})
    done = run("convert", "in", "-f", "txt", "-o", "out")
    assert (done.code, done.written) == (1, [Path("out/b.txt"), Path("out/d.txt")])
    assert "failed: in/a.json: not JSON" in done.err
    assert "failed: in/c.txt: row 1: expected text, got a null character" in done.err
    assert "2 of 4 songs done; 2 failed" in done.err


def test_timed_lyrics_called_txt_are_scored_without_their_times(run: Run, cases: Path, tmp_path: Path) -> None:
    for name in ("lt.ref.txt", "lrcin.txt", "srtin.txt", "lt.txt"):
        write(tmp_path, {name: (cases / "timed-file-called-txt" / name).read_text(encoding="utf-8")})
    for name in ("lrcin.txt", "srtin.txt", "lt.txt"):
        done = run("score", "lt.ref.txt", name, "-l", "en", "--json")
        assert (done.code, json.loads(done.out)["rates"]["WER"]) == (0, 0.0), name
        assert done.err.count("which its content is") == 1


def test_a_dataset_of_timed_texts_is_scored_without_their_times(run: Run, tmp_path: Path) -> None:
    write(tmp_path, {"data/a.mp3": "", "data/a.txt": LRC, "hyp/a.txt": "hello there\nmy friend\n"})
    done = run("score", "data", "hyp", "-l", "en", "--json")
    assert (done.code, json.loads(done.out)["rates"]["WER"]) == (0, 0.0)


# Lyrics without times


def test_untimed_lyrics_with_a_reference_are_reported(run: Run, cases: Path, tmp_path: Path) -> None:
    text = (cases / "report-txt-reference" / "h" / "song.txt").read_text(encoding="utf-8")
    write(tmp_path, {"h/song.txt": text, "r/song.txt": text})
    done = run("report", "h", "--reference", "r", "-l", "en", "--audio", "none")
    assert (done.code, done.written) == (0, [Path("h/report.html")])
    rows = content(tmp_path / "h" / "report.html")["reference"]["rows"]
    assert [" ".join(word["heard"].strip() for word in row["words"]) for row in rows] == text.splitlines()


def test_songs_with_and_without_times_are_reported_together(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path, {"h/a.txt": TEXT, "h/b.lrc": LRC, "r/a.txt": TEXT, "r/b.lrc": LRC, "v/a.lrc": LRC, "v/b.txt": TEXT}
    )
    done = run("report", "h", "--reference", "r", "--versus", "v", "-l", "en", "--audio", "none")
    assert (done.code, len(done.written)) == (0, 3)
    for name, expected in {"a": [(None, None)] * 2, "b": [(0, 0.1), (1, 1.0)]}.items():
        rows = content(tmp_path / "h" / "report" / f"{name}.html")["reference"]["rows"]
        assert [(row["line"], row["start"]) for row in rows] == expected


# Names


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Lyrics and references under names that break rows, terminals and encodings."""
    for name in ODD:
        write(tmp_path, {f"hyp/{name}.lrc": LRC, f"ref/{name}.txt": TEXT})
    return tmp_path


def test_odd_names_are_scored_and_compared(run: Run, odd: Path) -> None:
    told = run("score", "ref", "hyp", "-l", "en")
    assert told.code == 0
    assert "\ncaf\\udce9 " in told.out
    assert "\na\\nb " in told.out
    assert not set("\x1b\u202e") & set(told.out)
    scored = run("score", "ref", "hyp", "-l", "en", "--json")
    scored.out.encode()  # UTF-8
    songs = {song["song"] for song in json.loads(scored.out)["songs"]}
    assert songs == {"caf\\udce9", *ODD[1:]}
    (odd / "a.json").write_text(scored.out, encoding="utf-8")
    compared = run("compare", "a.json", "a.json", "--json")
    assert (compared.code, json.loads(compared.out)[0]["songs"]) == (0, len(ODD))
    assert run("score", "ref", "hyp", "-l", "en", "--times").code == 1  # the references have no times


def test_odd_names_are_converted_and_reported(run: Run, odd: Path) -> None:
    assert run("convert", "hyp", "-f", "json,ass,ttml,srt", "-o", "new").code == 0
    assert os.path.exists(b"new/caf\xe9.json")  # noqa: PTH110 - by its bytes
    assert run("report", "new", "--reference", "ref", "-l", "en", "--audio", "none").code == 0
    page = (odd / "new" / "report.html").read_text(encoding="utf-8")
    assert 'href="report/caf%E9.html"' in page
    assert os.path.exists(b"new/report/caf\xe9.html")  # noqa: PTH110
    assert run("correct", "new", "--with", "ref", "-o", "corrected").code == 0


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_match_in_every_command(run: Run, tmp_path: Path, form: str) -> None:
    ours = unicodedata.normalize(form, "Été")
    theirs = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "été")
    write(
        tmp_path,
        {f"ref/{ours}.txt": TEXT, f"hyp/{theirs}.lrc": LRC, f"data/{ours}.mp3": "", f"data/{theirs}.txt": TEXT},
    )
    for reference in ("ref", "data"):
        scored = run("score", reference, "hyp", "-l", "fr", "--json")
        assert (scored.code, json.loads(scored.out)["rates"]["WER"]) == (0, 0.25)
    (tmp_path / "a.json").write_text(scored.out, encoding="utf-8")
    (tmp_path / "b.json").write_text(
        scored.out.replace(unicodedata.normalize("NFC", "Été"), theirs), encoding="utf-8"
    )
    assert json.loads(run("compare", "a.json", "b.json", "--json").out)[0]["songs"] == 1
    assert run("correct", "hyp", "--with", "ref", "-o", "new").code == 0
    assert run("report", "hyp", "--reference", "ref", "-l", "fr", "--audio", "none").code == 0
    shown = run("datasets", "show", "data", "-l", "fr")
    assert shown.code == 0


def test_names_that_differ_only_in_case_are_told(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        {"ref/Song.txt": TEXT, "ref/b.txt": TEXT, "hyp/SONG.lrc": LRC, "hyp/song.lrc": LRC, "hyp/b.lrc": LRC},
    )
    done = run("score", "ref", "hyp", "-l", "en")
    assert done.code == 1
    assert "SONG and song differ only in case or Unicode normal form, so neither is matched; rename one" in done.err
    assert "failed: Song: no hypothesis" in done.err
