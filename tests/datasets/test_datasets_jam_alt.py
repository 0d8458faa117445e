"""Jam-ALT in its three layouts, whole and damaged."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from published import HEADER, write_csv, write_jsonl, write_text

from lyricsep.datasets import Song, open_dataset
from lyricsep.errors import DatasetError
from lyricsep.lyrics import Line

WORDS = {"en": "English", "fr": "French", "de": "German", "es": "Spanish"}

Row = dict[str, Any]


def write_legacy(folder: Path, rows: list[Row], *, line_timings: bool) -> Path:
    """Write rows of the hub's layout in the older one."""
    table = []
    for row in rows:
        stem = row["name"]
        table.append(
            (
                *(row["url"], f"{stem}.mp3", row["artist"], row["title"], row["genre"], row["license_type"]),
                *(WORDS[row["language"]], "False", "True", "True"),
            )
        )
        if line_timings:
            write_text(folder / "lyrics_tagged" / f"{stem}.txt", row.get("text_tagged", row["text"]))
            times = [(line["start"], line["end"], line.get("text_tagged", line["text"])) for line in row["lines"]]
            write_csv(folder / "line_timings" / f"{stem}.csv", ("start", "end", "text"), times)
        else:
            write_text(folder / "lyrics" / f"{stem}.txt", row["text"])
    write_csv(folder / "metadata.csv", HEADER, table)
    return folder


def without_audio(songs: tuple[Song, ...]) -> list[Song]:
    return [replace(song, audio=None) for song in songs]


def test_hub_layout(tmp_path: Path, hub_row: Row) -> None:
    folder = tmp_path / "jam-alt"
    write_jsonl(folder / "metadata.jsonl", [hub_row])
    dataset = open_dataset(folder)
    assert (dataset.name, dataset.folder, dataset.revision) == ("jam-alt", folder, None)
    assert dataset.songs == (
        Song(
            id="Été_[live]_-_L'Été",
            dataset="jam-alt",
            language="fr",
            text="<nl> La la la </nl>\nOn s'en va (va)\n\nBonsoir",
            lines=(
                Line(1.5, 2.5, "<nl> La la la </nl>"),
                Line(3.0, 4.25, "On s'en va (va)"),
                Line(6.0, 7.0, "Bonsoir"),
            ),
            audio=folder / "subsets/fr/audio/Été_[live]_-_L'Été.mp3",
            title="Été",
            artist="L'Été",
            genre="Pop",
            licence="CC BY-SA",
        ),
    )


def test_untagged_texts_are_taken_where_there_are_no_others(tmp_path: Path, hub_row: Row) -> None:
    del hub_row["text_tagged"], hub_row["name"]
    write_jsonl(tmp_path / "metadata.jsonl", [{**hub_row, "title": None, "lines": None}])
    (song,) = open_dataset(tmp_path).songs
    assert song.text == "La la la\nOn s'en va (va)\n\nBonsoir"
    assert (song.id, song.title, song.lines) == ("Été_[live]_-_L'Été", None, ())


@pytest.mark.parametrize("line_timings", [False, True])
def test_legacy_layouts(tmp_path: Path, hub_row: Row, line_timings: bool) -> None:
    write_jsonl(tmp_path / "hub" / "metadata.jsonl", [hub_row])
    (expected,) = open_dataset(tmp_path / "hub").songs
    write_legacy(tmp_path / "old", [hub_row], line_timings=line_timings)
    (song,) = open_dataset(tmp_path / "old").songs
    assert song.audio == tmp_path / "old/audio/Été_[live]_-_L'Été.mp3"
    tagged = {} if line_timings else {"text": hub_row["text"].strip(), "lines": ()}
    assert replace(song, audio=None, dataset="hub") == replace(expected, audio=None, **tagged)


def test_lines_are_in_order_of_start(tmp_path: Path, hub_row: Row) -> None:
    hub_row["lines"] = hub_row["lines"][::-1]
    write_jsonl(tmp_path / "metadata.jsonl", [hub_row])
    assert [line.start for line in open_dataset(tmp_path).songs[0].lines] == [1.5, 3.0, 6.0]


def test_names_are_found_however_their_accents_are_composed(tmp_path: Path, hub_row: Row) -> None:
    kept = write_text(tmp_path / unicodedata.normalize("NFD", hub_row["file_name"]), "sound")
    write_jsonl(tmp_path / "metadata.jsonl", [hub_row])
    (song,) = open_dataset(tmp_path).songs
    assert song.audio is not None
    assert song.audio.samefile(kept)
    decomposed = {**hub_row, "name": unicodedata.normalize("NFD", hub_row["name"])}
    write_jsonl(tmp_path / "metadata.jsonl", [decomposed])
    assert open_dataset(tmp_path).songs[0].id == song.id


def test_bom_and_crlf_change_nothing(tmp_path: Path, hub_row: Row) -> None:
    write_legacy(tmp_path / "a" / "set", [hub_row], line_timings=True)
    expected = without_audio(open_dataset(tmp_path / "a" / "set").songs)
    for path in (tmp_path / "a").rglob("*.*"):
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert without_audio(open_dataset(tmp_path / "b" / "set").songs) == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"file_name": 5}, r"row 2, field 'file_name': expected text, got 5"),
        ({"file_name": None}, r"row 2, field 'file_name': expected text, got nothing"),
        ({"file_name": "../../etc/passwd"}, r"row 2, field 'file_name': expected a name inside"),
        ({"name": "../x"}, r"row 2, field 'name': expected a name inside"),
        ({"name": ["x"]}, r"row 2, field 'name': expected text, got \['x'\]"),
        ({"name": "first"}, r"row 2, field 'name': expected a unique song, got 'first'"),
        (
            {"language": "Elvish"},
            r"row 2, field 'language': expected a language such as French or fr, got 'Elvish'",
        ),
        ({"language": None}, r"row 2, field 'language': expected text, got nothing"),
        ({"text": None, "text_tagged": None}, r"row 2, field 'text': expected text, got nothing"),
        ({"lines": "x"}, r"row 2, field 'lines': expected a list of objects, got 'x'"),
        ({"lines": [3]}, r"row 2, field 'lines': expected a list of objects, got \[3\]"),
        ({"title": 3}, r"row 2, field 'title': expected text, got 3"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, hub_row: Row, change: Row, told: str) -> None:
    first = {**hub_row, "name": "first"}
    path = write_jsonl(tmp_path / "metadata.jsonl", [first, {**hub_row, **change}])
    with pytest.raises(DatasetError, match=told) as raised:
        open_dataset(tmp_path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"start": "1"}, r"row 1, field 'lines\[1\].start': expected a number, got '1'"),
        ({"start": True}, r"row 1, field 'lines\[1\].start': expected a number, got True"),
        ({"end": float("nan")}, r"row 1, field 'lines\[1\].end': expected a number, got nan"),
        ({"end": 10**400}, r"row 1, field 'lines\[1\].end': expected a number, got 1000"),
        ({"end": None}, r"row 1, field 'lines\[1\].end': expected a number, got nothing"),
        ({"start": -1}, r"row 1, field 'lines\[1\].start': expected a time of 0 s or later, got -1"),
        ({"end": 2.5}, r"row 1, field 'lines\[1\].end': expected a time of 3 s \(start\) or later, got 2.5"),
        ({"text": None, "text_tagged": None}, r"row 1, field 'lines\[1\].text': expected text, got nothing"),
        ({"text_tagged": "a\nb"}, r"row 1, field 'lines\[1\].text': expected one line of text"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, hub_row: Row, change: Row, told: str) -> None:
    hub_row["lines"][1] |= change
    write_jsonl(tmp_path / "metadata.jsonl", [hub_row])
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"name": "a"\n', r"row 1: is not JSON"),
        (b"\n\n[1]\n", r"row 3: expected a JSON object, got \[1\]"),
        (b"[" * 100_000, r"row 1: is not JSON \(RecursionError\)"),
        (b'{}\n{"name": "\xe9"}', r"row 2: is not UTF-8 \(byte 0xe9\)"),
        (b'{"name": "a\0"}', r"row 1: expected text, got a null character"),
        (b"", r"the dataset has no songs"),
    ],
)
def test_what_is_no_jsonl_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "metadata.jsonl").write_bytes(content)
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("Filepath,Title\nx.mp3,X\n", r"row 1, field 'Language': no such column in 'Filepath', 'Title'"),
        ("", r"row 1, field 'Filepath': no such column in an empty file"),
        ("Filepath,Language\nx.mp3\n", r"row 2, field 'Language': expected 2 values in the row, got 1"),
        ("Filepath,Language\nx.mp3,English\n\ny.mp3,German,1\n", r"row 4, field 'Language': expected 2 values"),
        ('Filepath,Language\n"x.mp3,English\n', r"row 2: is not CSV"),
        (
            "Filepath,Language\nx.mp3,english\nx.mp3,English\n",
            r"row 3, field 'Filepath': expected a unique song",
        ),
        ("Filepath,Language\n../x.mp3,English\n", r"row 2, field 'Filepath': expected a name inside"),
        ("Filepath,Language\ny.mp3,English\n", r"lyrics/y.txt: cannot be read \(No such file or directory\)"),
        ("Filepath,Language\nx.mp3,Elvish\n", r"row 2, field 'Language': expected a language"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, table: str, told: str) -> None:
    write_text(tmp_path / "metadata.csv", table)
    write_text(tmp_path / "lyrics" / "x.txt", "la")
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ("start,end,text\n1,2,a\n3,2,b\n", r"x.csv: row 3, field 'end': expected a time of 3 s \(start\) or later"),
        ("start,end,text\n1,nan,a\n", r"x.csv: row 2, field 'end': expected a number, got 'nan'"),
        ("start,end,text\n1,,a\n", r"x.csv: row 2, field 'end': expected a number, got ''"),
        ("start,text\n1,a\n", r"x.csv: row 1, field 'end': no such column"),
        ('start,end,text\n1,2,"a\nb"\n', r"x.csv: row 2, field 'text': expected one line of text"),
    ],
)
def test_broken_line_timings_are_named(tmp_path: Path, times: str, told: str) -> None:
    write_text(tmp_path / "metadata.csv", "Filepath,Language\nx.mp3,English\n")
    write_text(tmp_path / "lyrics_tagged" / "x.txt", "a")
    write_text(tmp_path / "line_timings" / "x.csv", times)
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


def test_lyrics_in_another_encoding_are_named_by_their_row(tmp_path: Path) -> None:
    write_text(tmp_path / "metadata.csv", "Filepath,Language\nx.mp3,French\n")
    (tmp_path / "lyrics").mkdir()
    (tmp_path / "lyrics" / "x.txt").write_bytes("la\nété\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"x.txt: row 2: is not UTF-8 \(byte 0xe9\); save it as UTF-8"):
        open_dataset(tmp_path)


def test_the_real_songs_are_equal_in_all_layouts(tmp_path: Path, shared: Path) -> None:
    real = shared / "jam-alt"
    songs = open_dataset(real).songs
    assert [song.language for song in songs] == ["es", "es", "fr", "fr", "de"]
    assert all(song.audio and song.audio.is_file() for song in songs)
    rows = [json.loads(row) for row in (real / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    timed = write_legacy(tmp_path / "timed" / "jam-alt", rows, line_timings=True)
    assert without_audio(open_dataset(timed).songs) == without_audio(songs)
    plain = write_legacy(tmp_path / "plain" / "jam-alt", rows, line_timings=False)
    texts = [row["text"].strip("\n") for row in rows]
    expected = [replace(song, text=text, lines=()) for song, text in zip(songs, texts, strict=True)]
    assert without_audio(open_dataset(plain).songs) == without_audio(tuple(expected))


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_a_subset_of_the_real_songs_is_a_dataset(shared: Path, language: str) -> None:
    songs = open_dataset(shared / "jam-alt" / "subsets" / language).songs
    whole = open_dataset(shared / "jam-alt").select(languages=[language]).songs
    assert [replace(song, dataset="jam-alt") for song in songs] == [*whole]
