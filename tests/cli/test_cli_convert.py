"""Lyrics from one format to others, as a user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import manifest_of

from lyricsep.formats import FORMATS, file_suffixes, read_lyrics, write_lyrics
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word

HOURS = 3 * 3600.0
SONG = Lyrics(
    lines=(
        Line(1.0, 2.5, "Même si", (Word(1.0, 1.75, "Même", 0.5), Word(2.0, 2.5, "si", 0.9)), ("loop",)),
        Line(1.5, 3.0, "(ouh & 👋)", (Word(1.5, 2.25, "(ouh"), Word(2.25, 2.5, "&"), Word(2.5, 3.0, "👋)"))),
        Line(HOURS, HOURS + 1.25, "¡Grüße!", (Word(HOURS, HOURS + 1, "¡Grüße!"),)),
    ),
    language="fr",
    duration=HOURS + 2,
    segments=(Segment(0.9, 3.1), Segment(HOURS, HOURS + 1.25)),
    decodings=(Decoding(0.9, 3.1, 0.0, -0.25, 0.0, 1.5, flags=("loop",)),),
)
WITH_WORDS = ("json", "elrc", "vtt", "ass", "textgrid")
WITH_ENDS = ("json", "elrc", "srt", "vtt", "ass", "ttml", "csv", "tsv", "textgrid", "audacity")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A folder with one song in two formats, and another below it."""
    folder = tmp_path / "in"
    write_lyrics(folder / "Été [1].json", SONG, "json", title="Été", artist="Les Uns")
    write_lyrics(folder / "Été [1].txt", SONG, "txt")
    write_lyrics(folder / "sub" / "leer.srt", Lyrics(), "srt")
    return folder


def test_a_folder_into_every_format(run: Callable, songs: Path, tmp_path: Path) -> None:
    done = run("convert", "in", "-o", "out", "-f", ",".join(FORMATS))
    assert (done.code, done.err) == (0, "2 of 2 songs done; 0 failed\n")
    suffixes = file_suffixes(FORMATS)
    assert done.written == [
        Path("out") / f"{stem}{suffix}" for stem in ("sub/leer", "Été [1]") for suffix in suffixes
    ]
    for name, suffix in zip(FORMATS, suffixes, strict=True):
        found = read_lyrics(tmp_path / "out" / f"Été [1]{suffix}")
        assert found.text == "Même si\n(ouh & 👋)\n\n¡Grüße!\n", name
        assert [line.start for line in found.lines] == ([] if name == "txt" else [1.0, 1.5, HOURS]), name
        if name in WITH_ENDS:
            assert [line.end for line in found.lines] == [line.end for line in SONG.lines], name
        if name in WITH_WORDS and name != "json":
            words = [tuple((word.start, word.end, word.text) for word in line.words) for line in SONG.lines]
            assert [tuple((w.start, w.end, w.text) for w in line.words) for line in found.lines] == words, name
        assert read_lyrics(tmp_path / "out" / "sub" / f"leer{suffix}").lines == (), name
    record = manifest_of(tmp_path / "out")
    assert (record["command"][:2], record["plan"]["formats"]) == (["lyricsep", "convert"], list(FORMATS))


def test_json_loses_nothing(run: Callable, songs: Path, tmp_path: Path) -> None:
    assert run("convert", songs, "-f", "json").code == 0
    assert (tmp_path / "lyrics" / "Été [1].json").read_bytes() == (songs / "Été [1].json").read_bytes()


def test_to_stdout(run: Callable, songs: Path, tmp_path: Path) -> None:
    done = run("convert", songs / "Été [1].json", "-f", "elrc", "-o", "-")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        "[ti:Été]\n[ar:Les Uns]\n[length:180:02]\n[re:lyricsep]\n[00:01.00]<00:01.00>Même<00:01.75>"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert run("convert", songs / "sub" / "leer.srt", "-f", "txt", "-o", "-").out == ""


def test_only_one_kind_of_lrc_is_called_lrc(run: Callable, songs: Path) -> None:
    assert run("convert", songs / "Été [1].json", "-f", "elrc").written == [Path("lyrics/Été [1].lrc")]
    refused = run("convert", songs / "Été [1].json", "-f", "lrc")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "failed: lyrics/Été [1].lrc: exists already; set --overwrite to replace it\n"
    assert run("convert", songs / "Été [1].json", "-f", "lrc,elrc", "--overwrite").written == [
        Path("lyrics/Été [1].lrc"),
        Path("lyrics/Été [1].words.lrc"),
    ]


def test_nothing_is_written_where_anything_exists(run: Callable, songs: Path, tmp_path: Path) -> None:
    (tmp_path / "lyrics").mkdir()
    (tmp_path / "lyrics" / "Été [1].ass").write_text("mine")
    done = run("convert", songs, "-f", "srt,ass")
    assert done.code == 1
    assert done.written == [Path("lyrics/sub/leer.srt"), Path("lyrics/sub/leer.ass")]
    assert not (tmp_path / "lyrics" / "Été [1].srt").exists()
    assert (tmp_path / "lyrics" / "Été [1].ass").read_text() == "mine"
    assert run("convert", songs, "-f", "srt,ass", "--overwrite").code == 0


def test_a_file_may_be_replaced_by_itself(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_text("[00:01.00][00:05.00]x\n")
    assert run("convert", "a.lrc", "-f", "lrc", "-o", ".", "--overwrite").code == 0
    assert "[00:01.00]x\n[00:05.00]x\n" in (tmp_path / "a.lrc").read_text()


def test_one_bad_file_costs_that_file(run: Callable, songs: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.srt").write_text("hello\n")
    (tmp_path / "song.mp3").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    done = run(
        "convert", "bad.srt", "gone.lrc", "song.mp3", "empty", songs / "Été [1].txt", songs / "sub", "-f", "vtt"
    )
    assert (done.code, done.written) == (1, [Path("lyrics/leer.vtt")])
    failures = done.err.splitlines()
    assert failures[0].startswith("failed: bad.srt: row 1 belongs to no cue")
    assert failures[1] == "failed: gone.lrc: no such file or folder; check the name"
    assert failures[2].startswith("failed: song.mp3: expected a suffix among ")
    assert failures[3] == "failed: empty: no lyrics files found; name a file, or a folder that holds some"
    assert "Été [1].txt: has no times, which vtt needs" in failures[4]
    assert failures[5:] == ["1 of 6 songs done; 5 failed"]


def test_two_files_never_share_a_result(run: Callable, songs: Path, tmp_path: Path) -> None:
    write_lyrics(tmp_path / "other" / "Été [1].srt", SONG, "srt")
    names = [songs / "Été [1].json", tmp_path / "other" / "Été [1].srt"]
    done = run("convert", *names, names[0], "-f", "csv")
    assert (done.code, done.written) == (1, [Path("lyrics/Été [1].csv")])
    assert "its results would overwrite those of" in done.err
    assert run("convert", *names, names[0], "-f", "csv", "-o", "-").out.count("start,end,text") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("x.lrc", "Missing option '--format'"),
        ("-f srt", "Missing argument 'IN'"),
        ("x.lrc -f doc", "--format doc: choose from txt, lrc, srt, vtt, json, elrc, ass"),
        ("x.lrc -f srt,vtt -o -", "--output - prints one format"),
    ],
)
def test_wrong_usage(run: Callable, tmp_path: Path, arguments: str, message: str) -> None:
    told = run("convert", *arguments.split())
    assert (told.code, told.out) == (2, "")
    assert message in told.err
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
