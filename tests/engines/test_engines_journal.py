"""The journal: every line that was written whole is read, whatever happened around it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lyricsep.engines import Journal, Record
from lyricsep.errors import AudioError, OutputError


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal.jsonl")


def done(name: str, **facts: object) -> Record:
    record = Record.of(name, Path(__file__))
    return record.done(**{"results": {f"{name}.txt": "1f"}, "audio": ("ab",), "key": "k", "lines": 3, **facts})


def test_what_goes_in_comes_out(journal: Journal) -> None:
    records = [
        done("a", seconds={"all": 1.5}, language="de"),
        Record.of("b\udcff", Path("gone.mp3")).failed(AudioError("gone.mp3: no such file")),
        done("ç\n", vocals_found=True, duration=12.345),
    ]
    for record in records:
        journal.add(record)
    assert list(journal) == records
    assert records[0].size == Path(__file__).stat().st_size
    assert records[1].size == -1
    assert records[1].error == "gone.mp3: no such file"
    assert list(Journal(journal.path)) == records


def test_no_journal_is_an_empty_one(journal: Journal) -> None:
    assert list(journal) == []
    assert journal.last() == {}


def test_the_last_record_of_a_song_counts(journal: Journal) -> None:
    first, second = Record.of("a", Path("a")).failed(AudioError("no")), done("a")
    for record in (first, done("b"), second):
        journal.add(record)
    assert journal.last()["a"] == second
    assert list(journal.last()) == ["a", "b"]


@pytest.mark.parametrize("n_bytes", [1, 10, 100])
def test_a_line_that_was_cut_off_costs_itself_alone(journal: Journal, n_bytes: int) -> None:
    """As a kill leaves it; the next line does not go on where it stopped."""
    for name in "abc":
        journal.add(done(name))
    with journal.path.open("rb+") as file:
        file.truncate(journal.path.stat().st_size - n_bytes)
    kept = ["a", "b", "c"] if n_bytes == 1 else ["a", "b"]  # without its newline alone, it is whole
    assert [record.id for record in journal] == kept
    journal.add(done("d"))
    assert [record.id for record in journal] == [*kept, "d"]


@pytest.mark.parametrize("line", ["", "[]", "null", "{}", '{"id": 3', "\x00\x00", '{"id": "x", "results": 3}'])
def test_what_is_no_record_is_passed_over(journal: Journal, line: str) -> None:
    journal.add(done("a"))
    with journal.path.open("a") as file:
        file.write(line + "\n")
    journal.add(done("b"))
    assert [record.id for record in journal] == ["a", "b"]


def test_what_later_versions_add_is_passed_over(journal: Journal) -> None:
    journal.path.parent.mkdir()
    journal.path.write_text(json.dumps({**asdict(done("a")), "mood": "blue"}) + "\n")
    (record,) = journal
    assert record.id == "a"


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full, which Linux has")
    (tmp_path / "journal.jsonl").symlink_to(full)
    with pytest.raises(
        OutputError, match=r"journal.jsonl: cannot be written .No space left on device.; free some"
    ) as e:
        Journal(tmp_path / "journal.jsonl").add(done("a"))
    assert "\n" not in str(e.value)


def test_a_file_that_changed_is_another(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"1234")
    record = Record.of("a", path)
    assert record.is_of(path)
    path.write_bytes(b"12345")
    assert not record.is_of(path)
    assert not replace(record, size=-1).is_of(tmp_path / "gone")
