"""DALI's pickles and exports; and pickles that would rather do something else."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import Hostile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published import write_text

from lyricsep.datasets import dali, open_dataset
from lyricsep.errors import DatasetError
from lyricsep.lyrics import Line, Word

ID = "0a3cd469757e470389178d44808273ab"


@pytest.fixture
def entry() -> dict[str, Any]:
    """A song as DALI's class holds it, with two paragraphs."""

    def unit(text: str, start: float, end: float, index: int) -> dict[str, Any]:
        return {"text": text, "freq": (440.0, 466.2), "time": [start, end], "index": index}

    words = [("I", 1.0, 1.5, 0), ("sing", 1.5, 2.0, 0), ("you", 3.0, 3.5, 1), ("dance", 6.0, 7.0, 2)]
    lines = [("I sing", 1.0, 2.0, 0), ("you", 3.0, 3.5, 0), ("dance", 6.0, 7.0, 1)]
    return {
        "info": {
            "id": ID,
            "artist": "Somebody",
            "title": "Something",
            "dataset_version": 2.0,
            "ground-truth": False,
            "scores": {"NCC": 0.96, "manual": 0.0},
            "audio": {"url": "x", "path": "None", "working": True},
            "metadata": {"album": "A", "release_date": "2000", "genres": ["Pop", "Rock"], "language": "english"},
        },
        "annotations": {
            "type": "horizontal",
            "annot_param": {"fr": 86.13, "offset": 20.4},
            "annot": {
                "notes": [unit("I", 1.0, 1.5, 0)],
                "words": [unit(*word) for word in words],
                "lines": [unit(*line) for line in lines],
                "paragraphs": [unit("I sing you", 1.0, 3.5, 0), unit("dance", 6.0, 7.0, 1)],
            },
        },
    }


@pytest.fixture
def annotations() -> Iterator[type]:
    """DALI's class, where its own package would have it, while a file is written."""
    module = types.ModuleType("DALI.Annotations")
    kind = type("Annotations", (), {"__module__": "DALI.Annotations"})
    module.Annotations = kind  # type: ignore[attr-defined]
    sys.modules.update({"DALI": types.ModuleType("DALI"), "DALI.Annotations": module})
    yield kind
    for name in ("DALI", "DALI.Annotations"):
        sys.modules.pop(name, None)


def write_pickle(folder: Path, value: object, *, protocol: int = 4, name: str = ID) -> Path:
    return write_bytes(folder, pickle.dumps(value, protocol), name=name)


def write_bytes(folder: Path, content: bytes, *, name: str = ID) -> Path:
    path = folder / "annot_tismir" / f"{name}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content))
    return path


def as_object(kind: type, entry: dict[str, Any]) -> object:
    value = kind()
    vars(value).update(entry)
    return value


def remove_dali() -> None:
    for name in ("DALI", "DALI.Annotations"):
        sys.modules.pop(name)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles(tmp_path: Path, entry: dict[str, Any], annotations: type, protocol: int) -> None:
    write_pickle(tmp_path, as_object(annotations, entry), protocol=protocol)
    write_text(tmp_path / "audio" / f"{ID}.mp3", "")
    remove_dali()
    (song,) = open_dataset(tmp_path).songs
    assert (song.id, song.language, song.split, song.genre) == (ID, "en", "train", "Pop, Rock")
    assert (song.artist, song.title, song.audio) == ("Somebody", "Something", tmp_path / "audio" / f"{ID}.mp3")
    assert song.text == "I sing\nyou\n\ndance"
    assert song.lines == (
        Line(1.0, 2.0, "I sing", (Word(1.0, 1.5, "I"), Word(1.5, 2.0, "sing"))),
        Line(3.0, 3.5, "you", (Word(3.0, 3.5, "you"),)),
        Line(6.0, 7.0, "dance", (Word(6.0, 7.0, "dance"),)),
    )
    assert "DALI" not in sys.modules


def test_exports_as_json_are_equal_to_pickles(tmp_path: Path, entry: dict[str, Any], annotations: type) -> None:
    write_pickle(tmp_path / "a" / "dali", as_object(annotations, entry))
    write_text(tmp_path / "b" / "dali" / f"{ID}.json", json.dumps(entry))
    assert open_dataset(tmp_path / "a" / "dali").songs == open_dataset(tmp_path / "b" / "dali").songs


def test_a_language_is_given_to_songs_that_do_not_say_theirs(tmp_path: Path, entry: dict[str, Any]) -> None:
    del entry["info"]["metadata"]["language"]
    write_text(tmp_path / "x.json", json.dumps(entry))
    with pytest.raises(DatasetError, match=r"x.json: field 'info.metadata.language': expected text, got nothing"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, language="german").songs[0].language == "de"


class Evaluation(Hostile):
    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"__import__('os').mkdir({str(self.marker)!r})",)


@pytest.mark.parametrize("attack", [Hostile, Evaluation])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_is_never_executed(
    tmp_path: Path, entry: dict[str, Any], annotations: type, attack: type[Hostile], protocol: int
) -> None:
    target = tmp_path / "done"
    entry["info"]["title"] = attack(target)
    path = write_pickle(tmp_path / "dali", as_object(annotations, entry), protocol=protocol)
    with pytest.raises(DatasetError, match=r"refused, it would run \S+, and annotations need not") as raised:
        open_dataset(tmp_path / "dali")
    assert not target.exists()
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cDALI.Annotations\nAnnotations.__init__\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
        b"cDALI.Annotations\nos\n.",
        b"cbuiltins\ndict\n.",
    ],
)
def test_nothing_but_the_one_class_is_looked_up(tmp_path: Path, content: bytes) -> None:
    write_bytes(tmp_path, content)
    with pytest.raises(DatasetError, match="refused, it would run"):
        open_dataset(tmp_path)


def test_a_pickle_cannot_change_how_the_next_is_read(
    tmp_path: Path, entry: dict[str, Any], annotations: type
) -> None:
    # BUILD with a slot state on the class itself: sets an attribute of the class.
    hostile = b"\x80\x02cDALI.Annotations\nAnnotations\n(N}X\x0c\x00\x00\x00__setstate__K\x01stb."
    write_bytes(tmp_path, hostile, name="0")
    with pytest.raises(DatasetError, match="holds a type, not a song of DALI"):
        open_dataset(tmp_path)
    (tmp_path / "annot_tismir" / "0.gz").unlink()
    write_pickle(tmp_path, as_object(annotations, entry))
    assert len(open_dataset(tmp_path).songs) == 1


@pytest.mark.parametrize("content", [b"", b"x", b"\x80\x04.", b"\x80\xff.", b"K\x01.", b"].", b"\x80\x02}q\x01U"])
def test_what_is_no_song_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = write_bytes(tmp_path, content)
    with pytest.raises(DatasetError, match=r"not a song of DALI") as raised:
        open_dataset(tmp_path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "object number 2147483647"),
        (b"Np2147483647\n.", "object number 2147483647"),
        (b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"x.", "not a song of DALI"),
        (b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"x.", "not a song of DALI"),
    ],
)
def test_a_pickle_that_asks_for_all_memory_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    write_bytes(tmp_path, content)
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


def test_every_cut_of_a_pickle_is_refused(tmp_path: Path, entry: dict[str, Any], annotations: type) -> None:
    content = pickle.dumps(as_object(annotations, entry), 4)
    for n_bytes in range(0, len(content), 37):
        write_bytes(tmp_path, content[:n_bytes])
        with pytest.raises(DatasetError, match="not a song of DALI"):
            open_dataset(tmp_path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_read_or_refused(
    tmp_path: Path, entry: dict[str, Any], annotations: type, data: st.DataObject
) -> None:
    content = bytearray(pickle.dumps(as_object(annotations, entry), data.draw(st.sampled_from([2, 4]))))
    start = data.draw(st.integers(0, len(content)))
    content[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    write_bytes(tmp_path, bytes(content))
    try:
        told = ""
        assert len(open_dataset(tmp_path).songs) == 1
    except DatasetError as error:
        told = str(error)
    assert len(told.splitlines()) <= 1


def test_a_file_that_is_no_gzip_or_is_cut_is_refused(
    tmp_path: Path, entry: dict[str, Any], annotations: type
) -> None:
    path = write_pickle(tmp_path, as_object(annotations, entry))
    whole = path.read_bytes()
    for content in (b"nothing", whole[:60], whole[:20] + b"\xff" * 40 + whole[60:]):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=f"{ID}.gz: cannot be decompressed"):
            open_dataset(tmp_path)


def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dali, "MAX_BYTES", 1 << 20)
    write_bytes(tmp_path, b"\0" * (1 << 21))
    with pytest.raises(DatasetError, match="refused, it decompresses to more than 1 MiB"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("info", "id"), None, r"field 'info.id': expected text, got nothing"),
        (("info", "id"), "../x", r"field 'info.id': expected a name inside"),
        (("info",), 3, r"field 'info': expected an object, got 3"),
        (("info", "metadata", "language"), "elvish", r"field 'info.metadata.language': expected a language"),
        (("annotations", "type"), "vertical", r"field 'annotations.type': expected 'horizontal'"),
        (("annotations", "annot", "lines"), None, r"field 'annotations.annot.lines': expected a list of objects"),
        (("annotations", "annot", "lines", 1, "time"), [2], r"lines\[1\].time': expected \[start, end\] in seconds"),
        (("annotations", "annot", "lines", 1, "time"), [2, 1], r"lines\[1\].time': expected \[start, end\]"),
        (("annotations", "annot", "lines", 1, "time"), [1, "2"], r"lines\[1\].time': expected \[start, end\]"),
        (
            ("annotations", "annot", "words", 0, "time"),
            [1, float("nan")],
            r"words\[0\].time': expected \[start, end\]",
        ),
        (("annotations", "annot", "words", 0, "index"), 3, r"words\[0\].index': expected one of the 3 lines"),
        (("annotations", "annot", "words", 0, "index"), None, r"words\[0\].index': expected a number"),
        (("annotations", "annot", "words", 0, "text"), 3, r"words\[0\].text': expected text, got 3"),
    ],
)
def test_a_broken_field_is_named(
    tmp_path: Path, entry: dict[str, Any], place: tuple[Any, ...], value: object, told: str
) -> None:
    broken: Any = copy.deepcopy(entry)
    holder = broken
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    write_text(tmp_path / "x.json", json.dumps(broken))
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


def test_two_files_of_a_song_are_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    for name in ("a", "b"):
        write_text(tmp_path / f"{name}.json", json.dumps(entry))
    with pytest.raises(DatasetError, match=r"b.json: field 'info.id': expected a unique song"):
        open_dataset(tmp_path)
