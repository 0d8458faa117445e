"""Songs behind URLs: found, fetched whole or not at all, removed again, and never telling a password."""

from __future__ import annotations

import builtins
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep import remote
from lyricsep.errors import AudioError, ConfigError, OutputError
from lyricsep.inputs import find_songs
from lyricsep.remote import is_url, local_copy, path_of, put, shown_url, state_of, sweep

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'lyricsep[remote]'")


@pytest.fixture
def memory() -> Iterator[Any]:
    """Two buckets in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


def stems(*names: str) -> dict[str, str]:
    return {song.name: song.stem.as_posix() for song in find_songs(names).songs}


def fill(memory: Any, *names: str) -> None:
    for name in names:
        memory.pipe(f"/{name}", b"sound")


def test_folders_and_patterns_are_mirrored_as_local_ones(memory: Any) -> None:
    fill(
        memory,
        "one/a b.mp3",
        "one/cd 1/söng.flac",
        "one/x%20y.wav",
        "one/.trash/z.mp3",
        "one/a.vocals.wav",
        "one/n.txt",
    )
    everything = {
        "memory://one/a b.mp3": "a b",
        "memory://one/cd 1/söng.flac": "cd 1/söng",
        "memory://one/x%20y.wav": "x%20y",  # no name of the web, so nothing is decoded
    }
    assert stems("memory://one") == stems("memory://one/") == stems("memory://one/**") == everything
    assert stems("memory://one/**/*.flac") == {"memory://one/cd 1/söng.flac": "cd 1/söng"}
    assert stems("memory://one/cd 1") == {"memory://one/cd 1/söng.flac": "söng"}
    assert stems("memory://one", "memory://one/a b.mp3", "memory://one/*.mp3") == everything  # each once


def test_songs_of_one_name_in_two_buckets_are_told_apart(memory: Any) -> None:
    fill(memory, "one/x/a.mp3", "two/x/a.mp3")
    apart = {"memory://one/x/a.mp3": "one/x/a", "memory://two/x/a.mp3": "two/x/a"}
    assert stems("memory://one", "memory://two") == apart
    assert stems(*apart) == apart


def test_a_url_that_ends_as_songs_do_is_left_to_whoever_opens_it(memory: Any) -> None:
    fill(memory, "one/song [live].mp3", "one/song l.mp3", "one/odd")
    assert stems("memory://one/gone.mp3") == {"memory://one/gone.mp3": "gone"}
    assert stems("memory://one/song [live].mp3") == {"memory://one/song [live].mp3": "song [live]"}
    assert stems("memory://one/odd") == {"memory://one/odd": "odd"}


def test_what_holds_no_song_is_told(memory: Any) -> None:
    fill(memory, "one/note.txt")
    found = find_songs(["memory://one", "memory://one/*.mp3", "memory://u:secret@nowhere/"])
    assert found.songs == ()
    assert found.empty == ("memory://one", "memory://one/*.mp3", "memory://u@nowhere/")


def test_a_list_may_hold_urls(memory: Any, tmp_path: Path) -> None:
    listing = tmp_path / "l.csv"
    listing.write_text("path,id,language\nmemory://one/a.mp3,1,en\nb.mp3,,\nfile:///far/b.mp3,,\n")
    songs = find_songs([str(listing)]).songs
    assert [(song.name, song.stem.as_posix(), song.language) for song in songs] == [
        ("memory://one/a.mp3", "1", "en"),
        (str(tmp_path / "b.mp3"), f"{tmp_path.name}/b", None),
        ("file:///far/b.mp3", "far/b", None),
    ]
    listing.write_text("path,id\nftp://u:secret@h/a.mp3,1\nftp://u:secret@h/a.mp3,2\n")
    with pytest.raises(ConfigError, match=r"^ftp://u@h/a.mp3: is listed twice"):
        find_songs([str(listing)])


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("s3://b/cd 1/a.mp3", "s3://b/cd 1/a.mp3", "/s3:/b/cd 1/a.mp3"),
        ("s3://b/a?b#c.mp3", "s3://b/a?b#c.mp3", "/s3:/b/a?b#c.mp3"),
        ("https://h.org/my%20s%C3%B6ng.mp3", "https://h.org/my%20s%C3%B6ng.mp3", "/https:/h.org/my söng.mp3"),
        ("https://u:secret@h.org/a.mp3", "https://h.org/a.mp3", "/https:/h.org/a.mp3"),
        ("https://secret@h.org/a.mp3", "https://h.org/a.mp3", "/https:/h.org/a.mp3"),
        ("ftp://anna:se@cret@h:21/a.mp3", "ftp://anna@h:21/a.mp3", "/ftp:/anna@h:21/a.mp3"),
        ("abfs://box@account/a.mp3", "abfs://box@account/a.mp3", "/abfs:/box@account/a.mp3"),
        ("S3://b/a\n.mp3", r"s3://b/a\n.mp3", "/s3:/b/a\n.mp3"),
        ("s3://b", "s3://b", "/s3:/b"),
    ],
)  # fmt: skip
def test_what_is_told_of_a_url(url: str, shown: str, path: str) -> None:
    assert is_url(url)
    assert shown_url(url) == shown
    assert path_of(url).as_posix() == path


def test_a_path_is_no_url() -> None:
    assert not any(
        map(is_url, ["a.mp3", "/a/b.mp3", "C:/a.mp3", "c://a.mp3", "s3:/b/a.mp3", "what://".lstrip("what")])
    )


@pytest.mark.parametrize(
    "urls",
    [
        ["https://h/get?id=1", "https://h/get?id=2", "https://h/get"],
        ["s3://b/x/a.mp3", "s3://b//x/a.mp3", "s3://b/./x/a.mp3", "s3://b/y/../x/a.mp3"],
        ["https://h/x/a.mp3", "https://h/x%2Fa.mp3", "https://h/x_a.mp3"],
    ],
)
def test_urls_that_differ_are_different_songs(urls: list[str]) -> None:
    assert len({path_of(url) for url in urls}) == len(urls)
    assert all(".." not in path_of(url).parts for url in urls)


@given(st.text("/.%2Fa:?#*é\0\n ", max_size=12), st.sampled_from(["https://h", "s3://b", "ftp://u:secret@h"]))
def test_no_url_leads_out_of_a_folder(rest: str, place: str) -> None:
    url = f"{place}/{rest}"
    assert ".." not in path_of(url).parts
    assert "\0" not in str(path_of(url))
    assert shown_url(url).isprintable()
    assert "secret" not in shown_url(url) + str(path_of(url))


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("memory://b/l.csv", "^memory://b/l.csv: lists must be local files; download it$"),
        ("nope://b/a.mp3", "^nope://b/a.mp3: fsspec knows no file system nope://; correct the URL$"),
        (
            "made://u:secret@b/a.mp3",
            r"^made://u@b/a.mp3: the driver of made:// is not installed \(Install madefs .*\)$",
        ),
    ],
)
def test_what_cannot_be_opened_is_told_before_any_work(url: str, match: str, monkeypatch) -> None:
    from fsspec.registry import known_implementations

    known = {"class": "madefs.FileSystem", "err": "Install madefs to access made"}
    monkeypatch.setitem(known_implementations, "made", known)
    with pytest.raises(ConfigError, match=match):
        find_songs([url])


def test_without_fsspec(monkeypatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"^s3://b/a.mp3: URLs need fsspec: pip install 'lyricsep\[remote\]'$"):
        find_songs(["s3://b/a.mp3"])


def test_offline_means_offline(memory: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ftp://h/a.mp3: is remote, and offline runs open no connection"):
        find_songs(["ftp://h/a.mp3"], offline=True)
    (tmp_path / "l.txt").write_text("ftp://h/a.mp3\n")
    with pytest.raises(ConfigError, match=r"ftp://h/a.mp3: is remote"):
        find_songs([str(tmp_path / "l.txt")], offline=True)
    assert len(find_songs(["memory://b/a.mp3", f"file://{tmp_path}/a.mp3"], offline=True).songs) == 2


def test_a_song_is_at_hand_for_as_long_as_it_is_needed(memory: Any, tmp_path: Path) -> None:
    fill(memory, "one/söng 1.mp3")
    folder = tmp_path / "incoming"
    (song,) = find_songs(["memory://one"]).songs
    with song.local_copy(folder) as copy:
        assert (copy.path.name, copy.path.read_bytes()) == ("söng 1.mp3", b"sound")
        assert folder in copy.path.parents
        assert (5, copy.version) == state_of(song.url)
        assert copy.version
        sweep(folder)  # another run begins; what is in use stays
        assert copy.path.exists()
        with (
            pytest.raises(AudioError, match=r"^memory://one/söng 1.mp3: is no music$"),
            song.local_copy(folder) as other,
        ):
            raise AudioError(f"{other.path}: is no music")
    assert not copy.path.exists()
    assert [path.name for path in folder.iterdir()] == ["lock"]
    with song.local_copy() as copy:
        assert copy.path.exists()
    assert not copy.path.parent.exists()


def test_what_killed_workers_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "incoming" / "song-x" / "a.mp3"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of it")
    sweep(tmp_path / "incoming")
    assert not left.parent.exists()
    sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_name_may_be_as_long_as_it_likes(memory: Any) -> None:
    fill(memory, f"one/{'é' * 300}.mp3")
    with local_copy(f"memory://one/{'é' * 300}.mp3") as copy:
        assert copy.path.suffix == ".mp3"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("secret"), "not found"),
        (PermissionError("secret"), "no permission"),
        (TimeoutError(), "it took too long"),
        (RuntimeError("no: \n ftp://u:secret@one/a.mp3 for secret"), "no: ... for ..."),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_a_driver_raises_is_one_line(memory: Any, monkeypatch, error: Exception, reason: str) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(remote, "_opened", fail)
    with (
        pytest.raises(
            AudioError, match=rf"^ftp://u@one/a.mp3: cannot be downloaded \({reason}\); check the URL"
        ) as told,
        local_copy("ftp://u:secret@one/a.mp3"),
    ):
        pass
    assert "secret" not in str(told.value)
    with pytest.raises(ConfigError, match=rf"^ftp://u@one/\*.mp3: cannot be listed \({reason[:5]}"):
        find_songs(["ftp://u:secret@one/*.mp3"])
    assert state_of("ftp://u:secret@one/a.mp3") == (-1, "")


def test_a_file_that_came_in_part_is_no_song(memory: Any, monkeypatch) -> None:
    fill(memory, "one/a.mp3")
    monkeypatch.setattr(type(memory), "get_file", lambda self, source, target: Path(target).write_bytes(b"sou"))
    with (
        pytest.raises(AudioError, match=r"^memory://one/a.mp3: the download ended after 3 of 5 bytes; run again$"),
        local_copy("memory://one/a.mp3"),
    ):
        pass


def test_a_full_disk_is_still_known_as_one(memory: Any, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fill(memory, "one/a.mp3")
    monkeypatch.setattr(type(memory), "get_file", full)
    with pytest.raises(AudioError, match="No space left on device") as told, local_copy("memory://one/a.mp3"):
        pass
    assert isinstance(told.value.__cause__, OSError)
    (blocked := Path("/dev/null/x")).parent.exists()
    with pytest.raises(OutputError, match="cannot be written"), local_copy("memory://one/a.mp3", blocked):
        pass


def test_results_are_put_below_a_url(memory: Any, tmp_path: Path) -> None:
    file = tmp_path / "cd 1" / "söng.lrc"
    file.parent.mkdir()
    file.write_text("la")
    put([file], tmp_path, "memory://out/lyrics/")
    assert memory.cat("/out/lyrics/cd 1/söng.lrc") == b"la"


def test_a_copy_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_text("la")
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match=r"taken/a.lrc: cannot be copied there \(.*\); check copy_to and run again"):
        put([tmp_path / "a.lrc"], tmp_path, f"file://{tmp_path}/taken")


class TestWeb:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'lyricsep[remote]'")

    def test_a_song_of_the_web(self, web) -> None:
        url = web.serve("/my%20s%C3%B6ng.mp3?key=secret", web.whole(b"sound"))
        (song,) = find_songs([url]).songs
        assert (song.stem.name, song.name) == ("my söng", f"{web.address}/my%20s%C3%B6ng.mp3?...")
        with song.local_copy() as copy:
            assert (copy.path.name, copy.path.read_bytes()) == ("my söng.mp3", b"sound")

    @pytest.mark.parametrize(
        ("code", "reason"), [(404, "not found"), (403, "the server answered 403"), (503, "the server answered 503")]
    )
    def test_what_the_server_refuses(self, web, code: int, reason: str) -> None:
        url = web.serve("/a.mp3?key=secret", web.status(code))
        with (
            pytest.raises(AudioError, match=rf"/a.mp3\?...: cannot be downloaded \({reason}\)") as told,
            local_copy(url),
        ):
            pass
        assert "secret" not in str(told.value)

    def test_a_connection_that_breaks_off_gives_no_song(self, web) -> None:
        url = web.serve("/a.mp3?key=secret", web.cut(b"sound" * 1000, 100))
        with (
            pytest.raises(AudioError, match=r"a.mp3\?...: (cannot be downloaded|the download ended)") as told,
            local_copy(url),
        ):
            pass
        assert "\n" not in str(told.value)
        assert "secret" not in str(told.value)

    def test_the_links_of_a_page_are_a_folder(self, web) -> None:
        page = b'<a href="b%20c.mp3">b c</a> <a href="cd/">cd</a> <a href="notes.txt">notes</a>'
        web.serve("/albums/", web.whole(page))
        web.serve("/albums/cd", web.redirect("/albums/cd/"))
        web.serve("/albums/cd/", web.whole(b'<a href="d.mp3">d</a> <a href="../">up</a>'))
        assert stems(f"{web.address}/albums/") == {
            f"{web.address}/albums/b%20c.mp3": "b c",
            f"{web.address}/albums/cd/d.mp3": "cd/d",
        }
