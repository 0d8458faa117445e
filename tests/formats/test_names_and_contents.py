"""Which file belongs to which song, and what a file holds whatever it is called."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from lyricsep.formats import TIMED_SUFFIXES, Transcript, find_lyrics, match_names, read_lyrics

Read = Callable[[str | bytes, str], Transcript]

NFC, NFD = "Café", unicodedata.normalize("NFD", "Café")


def test_names_match_in_any_case_and_normal_form(caplog: pytest.LogCaptureFixture) -> None:
    files = {NFD: 1, "night train": 2, "fr/chanson": 3, "other": 4}
    assert match_names([NFC, "Night Train", "FR/Chanson", "none"], files) == {
        NFC: 1,
        "Night Train": 2,
        "FR/Chanson": 3,
    }
    assert caplog.messages == []


def test_the_equal_name_comes_first_and_serves_no_other(caplog: pytest.LogCaptureFixture) -> None:
    assert match_names(["song", "SONG"], {"song": 1, "SONG": 2}) == {"song": 1, "SONG": 2}
    assert match_names(["song", "SONG"], {"song": 1}) == {"song": 1}
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("names", "files"),
    [(["song"], {"Song": 1, "SONG": 2}), (["Song", "SONG"], {"song": 1}), ([NFC.upper()], {NFC: 1, NFD: 2})],
)
def test_what_is_not_clear_is_told_and_not_guessed(
    names: list[str], files: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert match_names(names, files, anywhere=True) == {}
    one, other = files if len(files) == 2 else names
    assert caplog.messages == [
        f"{one} and {other} differ only in case or Unicode normal form, so neither is matched; rename one"
    ]


def test_folders_may_be_kept_or_not(caplog: pytest.LogCaptureFixture) -> None:
    assert match_names(["fr/Été", "b"], {unicodedata.normalize("NFD", "été"): 1, "en/B": 2}, anywhere=True) == {
        "fr/Été": 1,
        "b": 2,
    }
    assert match_names(["fr/a"], {"a": 1}) == {}
    with caplog.at_level(logging.WARNING):
        assert match_names(["fr/a", "en/a"], {"a": 1}, anywhere=True) == {}
    assert caplog.messages == [
        "fr/a and en/a have the same name in different folders, so neither is matched; rename one"
    ]


# Contents


LRC = "[00:01.00]hello there\n[00:03.00]my friend\n"
LABELS = "1.000000\t2.000000\thello there\n\\\t100.0\t200.0\n3.000000\t4.000000\tmy friend\n"
SRT = "1\n00:00:01,000 --> 00:00:02,000\nhello there\n\n2\n00:00:03,000 --> 00:00:04,000\nmy friend\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Start, End, Text\n"
    "Dialogue: 0:00:01.00,0:00:02.00,hello there\nDialogue: 0:00:03.00,0:00:04.00,my friend\n"
)
TTML = (
    '<?xml version="1.0"?>\n<!-- a -->\n<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    '<p begin="1s" end="2s">hello there</p><p begin="3s" end="4s">my friend</p></div></body></tt>'
)
WHISPER = json.dumps(
    {
        "text": "",
        "segments": [{"start": 1, "end": 2, "text": " hello there"}, {"start": 3, "end": 4, "text": " my friend"}],
    }
)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (LRC, ".lrc"),
        ("[ti:A]\n[by: me]\n\n" + LRC, ".lrc"),
        ("Artist - Title\n" + LRC, ".lrc"),
        (LABELS, ".labels.txt"),
        (SRT, ".srt"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n\n00:03.000 --> 00:04.000\nmy friend\n", ".vtt"),
        (ASS, ".ass"),
        (TTML, ".ttml"),
        ("start\tend\ttext\n1000\t2000\thello there\n3000\t4000\tmy friend\n", ".tsv"),
        ("start,end,text\n1.0,2.0,hello there\n3.0,4.0,my friend\n", ".csv"),
        (WHISPER, ".json"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_timed_lyrics_called_txt(
    read: Read, content: str, suffix: str, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        found = read(content.encode(encoding), ".txt")
        assert found.text == "hello there\nmy friend\n"
        assert [line.start for line in found.lines] == [1.0, 3.0]
    (told,) = [message for message in caplog.messages if "skipped row" not in message]
    assert told.endswith(f"Grüße.txt: is read as {suffix}, which its content is; rename it")


@pytest.mark.parametrize(
    "text",
    [
        "[Chorus]\nhello\n",
        "{hello}\n",
        "1\nhello\n2\nthere\n",
        "10:30 I wake up\nI wait\nI eat\nI go\n",
        "the end, the start\nthe text\n",
        "3\thello\n4\tthere\n",
        '{"a": 1}\n',
    ],
)
def test_plain_text_stays_text(read: Read, text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert read(text, ".txt") == Transcript(text)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("0:01\nhello there\n0:03\nmy friend\n", 2),
        ("(1:02:03) hello there\nmy friend\n", 1),
        ("[00:01.00] hello there\nmy friend\nnow\n", 1),
        ("0:00:01.000,0:00:02.000\nhello there\n", 1),
        ("{24}{48}hello there\n", 1),
        ("[10][20] hello there\n", 1),
        ("1,000000\t2,000000\thello there\n3,000000\t4,000000\tmy friend\n", 2),
    ],
)
def test_times_that_are_read_as_words_are_told(
    read: Read, text: str, n: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(text, ".txt") == Transcript(text)
    (told,) = caplog.messages
    n_rows = text.count("\n")
    assert told.endswith(
        f"Grüße.txt: {n} of {n_rows} rows begin with a time, which is read as words; convert it to srt or lrc"
    )


# Folders


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def test_what_is_beside_lyrics_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        tmp_path,
        {
            "songs.csv": "id,path,status\na,a.mp3,done\n",
            "b.segments.csv": "start,end\n0.000,1.000\n",
            "b.segments.json": '{"schema": "lyricsep/segments", "version": 1, "segments": []}',
            "b.segments.txt": "0.000000\t1.000000\t1\n",
            "b.segments.TextGrid": 'File type = "ooTextFile"\n',
            "scores.json": '{"schema": "lyricsep/scores", "version": 2}',
            "a.csv": "start,end,text\n1.0,2.0,hello\n",
            "c.tsv": "start\tend\ttext\n",
            "d.json": '{"schema": ',
            "e.json": WHISPER,
            "e.srt": SRT,
        },
    )
    assert find_lyrics(tmp_path, TIMED_SUFFIXES) == {
        "a": tmp_path / "a.csv",
        "c": tmp_path / "c.tsv",
        "d": tmp_path / "d.json",
        "e": tmp_path / "e.json",
    }
    assert caplog.messages == []


def test_json_of_others_gives_way_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, {"a.json": '{"id": 3}', "a.srt": SRT, "a.info.json": '{"id": 3}'})
    with caplog.at_level(logging.WARNING):
        assert find_lyrics(tmp_path) == {"a": tmp_path / "a.srt"}
    assert caplog.messages == [f"{tmp_path / 'a.json'} (and 1 more): skipped, as JSON of another kind"]


# The files of public reports


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("the files of public reports (../shared/cases) are missing")
    return shared / "cases"


@pytest.mark.parametrize("name", ["lrcin", "srtin", "lt"])
def test_timed_files_called_txt_of_a_report(cases: Path, name: str) -> None:
    found = read_lyrics(cases / "timed-file-called-txt" / f"{name}.txt")
    assert found.text == (cases / "timed-file-called-txt" / "lt.ref.txt").read_text(encoding="utf-8")
    assert [line.start for line in found.lines] == [1.0, 3.0]


def test_a_folder_of_whisper_of_a_report(cases: Path) -> None:
    folder = cases / "whisper-folder-json" / "out"
    for suffixes in (TIMED_SUFFIXES, (".json", ".txt", ".srt")):
        assert find_lyrics(folder, suffixes) == {name: folder / f"{name}.json" for name in ("b", "song")}
    found = read_lyrics(folder / "song.json")
    assert found.language == "en"
    assert [(line.start, line.end, line.text) for line in found.lines] == [
        (0.0, 1.0, "One bright morning"),
        (1.0, 2.0, "we sail away"),
    ]


def test_a_folder_of_ours_of_a_report(cases: Path) -> None:
    folder = cases / "convert-own-folder" / "d"
    assert find_lyrics(folder, TIMED_SUFFIXES) == {"clip": folder / "clip.json"}
