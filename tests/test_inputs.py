"""Names to songs, and songs to names of results that never meet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lyricsep.errors import ConfigError
from lyricsep.inputs import Found, find_songs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of our own, deep enough that no name of a test leads to the folders of others."""
    folder = tmp_path / "far" / "away" / "from" / "all"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def stems(found: Found) -> dict[str, str]:
    return {song.path.as_posix(): song.stem.as_posix() for song in found.songs}


def test_files_are_taken_in_order_whatever_their_suffix(here: Path) -> None:
    touch("b.mp3", "a.wav", "notes.pdf")
    assert stems(find_songs(["b.mp3", "a.wav", "notes.pdf"])) == {
        "b.mp3": "b",
        "a.wav": "a",
        "notes.pdf": "notes.pdf",
    }


def test_a_missing_file_is_left_to_whoever_opens_it(here: Path) -> None:
    assert stems(find_songs(["gone.mp3", "no/such.mp3"])) == {"gone.mp3": "gone", "no/such.mp3": "such"}
    assert stems(find_songs(["a" * 5000])) == {"a" * 5000: "a" * 225}


def test_a_folder_is_searched_to_the_bottom_and_mirrored(here: Path) -> None:
    touch("music/z.mp3", "music/cd 1/a.FLAC", "music/cd 2/deep/b.mkv", "music/cover.jpg", "music/a.txt")
    assert stems(find_songs(["music"])) == {
        "music/cd 1/a.FLAC": "cd 1/a",
        "music/cd 2/deep/b.mkv": "cd 2/deep/b",
        "music/z.mp3": "z",
    }
    assert stems(find_songs(["music/"])) == stems(find_songs(["music"]))


def test_results_stems_and_hidden_files_are_no_songs_unless_they_are_named(here: Path) -> None:
    touch("m/a.mp3", "m/a.vocals.wav", "m/._a.mp3", "m/.trash/b.mp3", "m/.lyricsep-x.wav", ".hidden/c.mp3")
    assert stems(find_songs(["m"])) == {"m/a.mp3": "a"}
    assert stems(find_songs(["m/a.vocals.wav", ".hidden"])) == {"m/a.vocals.wav": "a.vocals", ".hidden/c.mp3": "c"}


def test_a_pattern_mirrors_what_it_spans(here: Path) -> None:
    touch("test/A - B/mixture.wav", "test/C/mixture.wav", "test/C/drums.wav", "test/readme.txt")
    assert stems(find_songs(["test/*/mixture.wav"])) == {
        "test/A - B/mixture.wav": "A - B/mixture",
        "test/C/mixture.wav": "C/mixture",
    }
    assert list(stems(find_songs(["**/*.wav"])).values()) == [
        "test/A - B/mixture", "test/C/drums", "test/C/mixture",
    ]  # fmt: skip
    assert list(stems(find_songs([f"{here}/test/**"])).values()) == ["A - B/mixture", "C/drums", "C/mixture"]


def test_a_name_with_magic_is_a_file_where_there_is_one(here: Path) -> None:
    touch("song [live].mp3", "song l.mp3")
    assert stems(find_songs(["song [live].mp3"])) == {"song [live].mp3": "song [live]"}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("music [2020]/*.mp3", {"a": "music [2020]/a.mp3", "b [live]": "music [2020]/b [live].mp3"}),
        ("music [2020]/**/*.mp3", {"a": "music [2020]/a.mp3", "b [live]": "music [2020]/b [live].mp3"}),
        ("music [2020]/* [live].mp3", {"b [live]": "music [2020]/b [live].mp3"}),
        ("*/b [live].mp3", {"music [2020]/b [live]": "music [2020]/b [live].mp3"}),
        ("music [[]2020]/[a].mp3", {"music [2020]/a": "music [2020]/a.mp3"}),
        ("what?/*.wav", {"c*": "what?/c*.wav"}),
        ("what?/c*.wav", {"c*": "what?/c*.wav"}),
    ],
)
def test_brackets_and_wildcards_that_are_names(here: Path, pattern: str, found: dict[str, str]) -> None:
    touch("music [2020]/a.mp3", "music [2020]/b [live].mp3", "music 2/x.mp3", "what?/c*.wav")
    expected = {path: Path(stem).name if pattern == "what?/c*.wav" else stem for stem, path in found.items()}
    assert stems(find_songs([pattern])) == expected


def test_what_holds_no_song_is_told(here: Path) -> None:
    touch("a.mp3", "folder/cover.jpg")
    found = find_songs(["folder", "a.mp3", "*.ogg", ""])
    assert stems(found) == {"a.mp3": "a"}
    assert found.empty == ("folder", "*.ogg", ".")


def test_nothing_named_finds_nothing() -> None:
    assert find_songs([]) == Found((), ())


def test_a_song_counts_once(here: Path) -> None:
    touch("m/a.mp3", "m/b.mp3")
    names = ["m/a.mp3", "./m/a.mp3", "m/../m/a.mp3", f"{here}/m/a.mp3", "m", "m/*.mp3"]
    assert stems(find_songs(names)) == {"m/a.mp3": "a", "m/b.mp3": "b"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # In one folder the suffix tells them apart,
        (["x/a.mp3", "x/a.wav"], ["a.mp3", "a.wav"]),
        # else as many folders as it takes.
        (["x/a.mp3", "y/a.mp3"], ["x/a", "y/a"]),
        (["x/cd/a.mp3", "y/cd/a.mp3", "b.mp3"], ["x/cd/a", "y/cd/a", "b"]),
        (["x/a.mp3", "x/a.wav", "y/a.mp3"], ["a.mp3", "a.wav", "a"]),
        # File systems may ignore case and how accents are composed.
        (["x/A.mp3", "y/a.mp3"], ["x/A", "y/a"]),
        (["x/\u00e9.mp3", "y/e\u0301.mp3"], ["x/\u00e9", "y/e\u0301"]),
        (["x/A.mp3", "x/a.mp3"], ["A.mp3", "a.mp3 (2)"]),
        (["x/a.foo", "x/a.foo.mp3"], ["a.foo", "a.foo.mp3"]),
    ],
)
def test_songs_of_one_name_are_told_apart(here: Path, names: list[str], expected: list[str]) -> None:
    assert [song.stem.as_posix() for song in find_songs(names).songs] == expected


LISTED = {"a, b.mp3": "1", "cd/c.mp3": "x/2"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.csv", b'path,id\n"a, b.mp3",1\ncd/c.mp3,x/2\n'),
        ("l.csv", b'\xef\xbb\xbf ID ,Path\r\n1,"a, b.mp3"\r\n,\r\n\r\nx/2,cd/c.mp3\r\n'),
        ("l.csv", b'year,path,id\r1999,"a, b.mp3",1,more\r,,\r2000, cd/c.mp3 ,x/2\r'),
        ("l.TSV", b"path\tid\na, b.mp3\t1\ncd/c.mp3\tx/2\n"),
        ("l.tsv", "path\tid\r\na, b.mp3\t1\r\ncd/c.mp3\tx/2\r\n".encode("utf-16")),
        ("l.tsv", "path\tid\r\na, b.mp3\t1\r\ncd/c.mp3\tx/2\r\n".encode("utf-16-le")),
        ("l.csv", 'path,id\n"a, b.mp3",1\ncd/c.mp3,x/2\n'.encode("utf-16-be")),
        ("l.csv", 'path,id\n"a, b.mp3",1\ncd/c.mp3,x/2\n'.encode("utf-32")),
        ("l.csv", b'path;id\r\na, b.mp3;1\r\n"cd/c.mp3";x/2\r\n'),
        ("l.csv", b'"id";"path"\r\n1;"a, b.mp3"\r\nx/2;"cd/c.mp3"\r\n'),
        ("l.csv", b"sep=;\r\npath;id\r\na, b.mp3;1\r\ncd/c.mp3;x/2\r\n"),
        ("l.csv", b"path\tid\na, b.mp3\t1\ncd/c.mp3\tx/2\n"),
    ],
)
def test_a_list_names_songs_and_their_results(here: Path, name: str, content: bytes) -> None:
    """As spreadsheets and people write them: marks, line ends, empty rows, other columns."""
    Path("lists").mkdir(exist_ok=True)
    Path("lists", name).write_bytes(content)
    assert stems(find_songs([f"lists/{name}"])) == {f"lists/{path}": id_ for path, id_ in LISTED.items()}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_list_has_a_path_a_line(here: Path, end: str, encoding: str) -> None:
    touch("#9 Dream.mp3")
    lines = ["# our songs", "", "#9 Dream.mp3", "  a/b\u2028c.mp3 ", "#gone.mp3", str(here / "é.mp3"), ""]
    Path("l.txt").write_bytes(end.join(lines).encode(encoding))
    songs = find_songs(["l.txt"]).songs
    # What is no line end to an editor is none here.
    assert [song.path.as_posix() for song in songs] == ["#9 Dream.mp3", "a/b\u2028c.mp3", f"{here}/é.mp3"]


def test_a_parquet_list(here: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"Path": ["a.mp3", "b.mp3", None], "ID": [7, None, None], "language": ["en", None, None]})
    table.to_parquet("l.parquet")  # its ids are 7.0 and NaN
    assert [(s.path.name, str(s.stem), s.language) for s in find_songs(["l.parquet"]).songs] == [
        ("a.mp3", "7", "en"), ("b.mp3", "b", None),
    ]  # fmt: skip
    table[:2].set_index("Path").to_parquet("l.parquet")
    assert [s.path.name for s in find_songs(["l.parquet"]).songs] == ["a.mp3", "b.mp3"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            "file;id\na.mp3;1\n",
            "l.csv: has no column 'path' .columns: file;id.; name the columns in the first row",
        ),
        ("a.mp3,1\n\nb.mp3,2\n", "l.csv: has no column 'path' .columns: a.mp3, 1.; name the columns"),
        ("path,id\n\n,\na.mp3,1\n,2\n", "l.csv: row 5 has no path; add one"),
        ("path\n.\n", "l.csv: row 2: a path must name a file, got '.'"),
        ("path,id\na.mp3,../x\n", "l.csv: row 2: an id must be a file name, got '../x'"),
        ("path,id\na.mp3,/x\n", "l.csv: row 2: an id must be a file name, got '/x'"),
        (f"path,id\na.mp3,x/{'é' * 113}\n", "l.csv: row 2: an id has at most 225 bytes, got 'x/é"),
        ("path,id\na.mp3,X\nb.mp3,x\n", "the id 'x' is given to .*a.mp3 and to .*b.mp3; make them different"),
        (
            "path,id\na.mp3,1\na.mp3,2\n",
            "a.mp3: is listed twice, with different ids, languages or lyrics .1, - and 2, -.; keep",
        ),
        ("path,language\na.mp3,en\n./a.mp3,fr\n", "a.mp3: is listed twice, .* .-, en and -, fr.; keep one row"),
        ('path,id\n"a.mp3,1\n', "l.csv: cannot be read as a list of songs .unexpected end of data.; correct it"),
    ],
)
def test_a_list_that_is_wrong_says_where(here: Path, content: str, match: str) -> None:
    Path("l.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=match) as error:
        find_songs(["l.csv"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.m3u", "#EXTM3U\r\n#EXTINF:123,Café – Ça\r\nCafé/ça.mp3\r\n\r\n#EXTINF:1,b\r\n{here}/b 1.mp3\r\n"),
        ("l.M3U8", "\ufeff#EXTM3U\nCafé\\ça.mp3\nb%201.mp3\n"),
        ("l.m3u8", "#EXTM3U\nCafe\u0301/c\u0327a.mp3\nB 1.MP3\n"),
        ("l.m3u", "file://{here}/Caf%C3%A9/%C3%A7a.mp3\nfile://{here}/b%201.mp3\n"),
        ("l.pls", "[playlist]\nFile2=b 1.mp3\nTitle2=x\nfile1=Café/ça.mp3\nLength1=-1\nNumberOfEntries=2\n"),
        (
            "l.cue",
            'TITLE "x"\nFILE "Café/ça.wav" WAVE\n  TRACK 01 AUDIO\n    TITLE "FILE"\n'
            "FILE b 1.mp3 MP3\n  TRACK 02 AUDIO\n",
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le"])
def test_a_playlist_names_songs(here: Path, name: str, content: str, encoding: str) -> None:
    touch("Café/ça.mp3", "b 1.mp3")
    try:
        Path(name).write_bytes(content.format(here=here).encode(encoding))
    except UnicodeEncodeError:
        pytest.skip("not in this encoding")
    assert [song.path.as_posix().removeprefix(f"{here}/") for song in find_songs([name]).songs] == [
        "Café/ça.mp3",
        "b 1.mp3",
    ]


def test_names_that_are_no_text_are_found(here: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp3")
    touch(name)
    Path("l.m3u").write_bytes(b"caf\xe9.mp3\n")
    assert [song.path.name for song in find_songs(["l.m3u"]).songs] == [name]


def test_a_missing_song_of_a_playlist_is_left_to_whoever_opens_it(here: Path) -> None:
    Path("l.m3u").write_text("C:\\Music\\gone.mp3\n", encoding="utf-8")
    assert [song.path.name for song in find_songs(["l.m3u"]).songs] == ["C:\\Music\\gone.mp3"]


def test_the_parts_of_a_stream_are_no_list(here: Path) -> None:
    Path("l.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n1.ts\n", encoding="utf-8")
    assert stems(find_songs(["l.m3u8"])) == {"l.m3u8": "l.m3u8"}


def test_a_cue_sheet_of_one_file_says_so(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch("disc.flac", "disc.jpg")
    tracks = "".join(f'  TRACK {number:02d} AUDIO\n    TITLE "Song {number}"\n' for number in range(1, 13))
    Path("disc.cue").write_text(f'FILE "disc.wav" WAVE\n{tracks}', encoding="utf-8")
    assert stems(find_songs(["disc.cue"])) == {"disc.flac": "disc"}
    assert caplog.messages == ["disc.cue: disc.wav holds 12 tracks, which are taken as one song"]


def test_a_sound_file_called_txt_is_no_list(here: Path) -> None:
    Path("song.txt").write_bytes(b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0" + bytes(range(256)) * 8)
    assert stems(find_songs(["song.txt"])) == {"song.txt": "song.txt"}


def test_lyrics_are_not_a_list_of_songs(here: Path) -> None:
    Path("song.txt").write_text("I left my home,\nI ride the train\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"song.txt: is not a list of songs, as 'I left my home,' is no file"):
        find_songs(["song.txt"])
    Path("songs.txt").write_text("gone.mp3\nI ride the train\n", encoding="utf-8")
    assert [song.path.name for song in find_songs(["songs.txt"]).songs] == ["gone.mp3", "I ride the train"]


def test_what_a_list_says_of_a_song_holds_wherever_else_it_is_named(here: Path) -> None:
    touch("m/a.mp3", "m/b.mp3")
    Path("l.csv").write_text("path,id\nm/a.mp3,1\nm/a.mp3,1\n")
    for names in (["m", "l.csv"], ["l.csv", "m"]):
        assert stems(find_songs(names)) == {"m/a.mp3": "1", "m/b.mp3": "b"}


def test_a_link_that_leads_nowhere_is_a_song_that_is_missing(here: Path) -> None:
    touch("m/a.mp3", "m/folder.mp3/b.mp3")
    Path("m/gone.mp3").symlink_to("nowhere.mp3")
    Path("m/loop.mp3").symlink_to("loop.mp3")
    Path("m/link.mp3").symlink_to("folder.mp3")
    assert sorted(stems(find_songs(["m"])).values()) == ["a", "folder.mp3/b", "gone", "loop"]


def test_a_dot_in_a_name_is_no_suffix(here: Path) -> None:
    names = ["Mr. Blue", "Vol. 2.mp3", "..mp3", "...mp3", ".mp3"]
    assert [song.stem.name for song in find_songs(names).songs] == ["Mr. Blue", "Vol. 2", "..mp3", "...mp3", ".mp3"]


def test_results_are_named_after_the_stem(here: Path) -> None:
    touch("m/cd 1/Mr. Blue.mp3")
    (song,) = find_songs(["m"]).songs
    assert song.result(Path("out"), ".lrc") == Path("out/cd 1/Mr. Blue.lrc")


letters = st.sampled_from("aAéE.\u0301 -[*\n") | st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
part = st.text(letters, min_size=1, max_size=12) | st.just("..")
suffix = st.sampled_from(["", ".mp3", ".MP3", ".wav", ".vocals.wav", ".foo"])
named = st.builds(lambda parts, end: "/".join(parts) + end, st.lists(part, min_size=1, max_size=4), suffix)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(named, max_size=8))
@example(["../../etc/passwd.mp3", "/etc/passwd.mp3", "..", "a/.."])
@example(["\u212a.mp3", "x/K.mp3", "x/k.mp3"])
def test_results_never_meet_and_never_leave_their_folder(here: Path, names: list[str]) -> None:
    found = find_songs(names)
    results = [song.result(Path("out"), ".txt") for song in found.songs]
    assert len({str(path).casefold() for path in results}) == len(results)
    for path in results:
        assert Path(os.path.normpath(path)).is_relative_to("out")
        assert ".." not in PurePosixPath(path).parts
    assert len({os.path.normpath(here / song.path) for song in found.songs}) == len(found.songs)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.text("éa", min_size=100, max_size=125), max_size=4), st.sampled_from([".mp3", ".wav"]))
def test_results_fit_into_a_folder_entry(here: Path, names: Iterable[str], end: str) -> None:
    found = find_songs([name + end for name in names] + [name + ".flac" for name in names])
    for song in found.songs:
        assert len(os.fsencode(song.result(Path("out"), ".segments.json").name)) <= 255
