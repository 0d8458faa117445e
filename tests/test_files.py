"""Files are whole or not there at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lyricsep.errors import OutputError
from lyricsep.files import at_home, file_digest, is_folder, is_there, read_bytes, replacing, write_text


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "Veränderung ¡é [1].txt"
    write_text(path, "é\n¡ß\n")
    assert path.read_bytes() == b"\xc3\xa9\n\xc2\xa1\xc3\x9f\n"


def test_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    with pytest.raises(OutputError, match=r"a\.txt: exists already; choose another output or set overwrite=True"):
        write_text(path, "three", overwrite=False)
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_refusing_costs_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one", overwrite=False)
    assert path.read_text() == "one"


@pytest.mark.parametrize("failure", [RuntimeError("half way"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_behind(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "a.wav"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_is_beside_with_the_same_suffix(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 240 + ".flac")  # as long as names may be
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".flac"
        assert not path.exists()
        temporary.write_bytes(b"data")
    assert path.read_bytes() == b"data"


def test_of_several_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def write() -> None:
        with replacing(path, overwrite=False) as temporary:
            temporary.write_text("ours")
            write_text(path, "theirs", overwrite=False)

    with pytest.raises(OutputError, match=r"a\.txt: exists already"):
        write()
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_where_files_cannot_have_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_of_several_writers_one_wins(tmp_path)
    write_text(tmp_path / "b.txt", "b", overwrite=False)
    assert (tmp_path / "b.txt").read_text() == "b"


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_content_is_on_the_disk_before_the_name_and_the_name_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    path = tmp_path / "a.txt"
    steps = []
    fsync = os.fsync

    def note(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        steps.append(("folder" if is_folder else os.pread(handle, 9, 0), path.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_text(path, "whole", overwrite=overwrite)
    assert steps == [(b"whole", False), ("folder", True)]


def test_folders_that_cannot_be_put_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuse(handle: int) -> None:  # as some network drives do
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"


def test_a_disk_that_fails_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(Input/output error\)"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_permissions_are_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(.*\); choose another output") as caught:
        write_text(tmp_path / "file" / "a.txt", "a")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_target_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(Is a directory\)"):
        write_text(tmp_path / "a.txt", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")

    def fill() -> None:
        with replacing(tmp_path / "a.txt"), full.open("w") as out:
            out.write("x")

    with pytest.raises(OutputError, match="No space left on device"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_the_digest_and_length_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"abc")
    assert file_digest(path) == ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none.mp3")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", "~nobody-of-that-name/x"])
def test_a_name_that_no_file_can_have_is_nowhere(name: str) -> None:
    assert not is_there(at_home(name) / "x")
    assert not is_folder(Path(name) / "x")


def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="is a device"):
        read_bytes(Path("/dev/zero"))
