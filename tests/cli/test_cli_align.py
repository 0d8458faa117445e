"""`lyricsep align`: songs and their lyrics, wherever these are."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import EXAMPLE, finish
from numpy.typing import NDArray

OPTIONS = ("--separator", "none", "--model", "tiny.en", "--language", "en")
TEXT = """Artist: Ann Other
[Verse 1]
I left my home, I ride the train,
The streets were shining in the rain,

Lyrics by Ann Other
"""
LINES = ["I left my home, I ride the train,", "The streets were shining in the rain,"]
TRUE_STARTS = [0.29, 3.57]  # of the excerpt, which begins 4.5 s into the example


@pytest.fixture
def library(tmp_path: Path, excerpt: NDArray[np.float32]) -> Path:
    """Three songs, the lyrics of two of them in another folder, in other cases and normal forms."""
    for name in ("disc 1/Sång.wav", "disc 1/other.wav", "alone.wav"):
        path = tmp_path / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, excerpt, 44100)
    words = tmp_path / "words" / "disc 1"
    words.mkdir(parents=True)
    (words / unicodedata.normalize("NFD", "SÅNG.txt")).write_text(TEXT, encoding="utf-8")
    (words / "other.lrc").write_text("[ti:Other]\n[00:00.10]I left my home, I ride the train\n", encoding="utf-8")
    return tmp_path / "library"


def lines_of(path: Path) -> list[dict[str, object]]:
    loaded: list[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["lines"]
    return loaded


def test_the_readme_s_command_times_the_example(tmp_path: Path) -> None:
    """In a process of its own, with nothing chosen."""
    told = finish("align", EXAMPLE, EXAMPLE.with_suffix(".txt"), "--device", "cpu", cwd=tmp_path)
    assert told.code == 0, told.err
    assert told.written == [Path("lyrics") / f"night_train{suffix}" for suffix in (".txt", ".lrc", ".json")]
    assert told.err.startswith("preset fast")
    assert (tmp_path / "lyrics" / "night_train.txt").read_text(encoding="utf-8") == EXAMPLE.with_suffix(
        ".txt"
    ).read_text(encoding="utf-8")
    true = lines_of(EXAMPLE.with_suffix(".json"))
    found = lines_of(tmp_path / "lyrics" / "night_train.json")
    errors = np.array([line["start"] for line in found]) - [line["start"] for line in true]
    print(f"mean error of line starts: {np.abs(errors).mean():.3f} s")
    assert np.abs(errors).mean() < 0.2
    assert np.median(np.abs(errors)) < 0.06


def test_one_song_and_one_file(run: Callable, song: Path, tmp_path: Path) -> None:
    (tmp_path / "any name.txt").write_text(TEXT, encoding="utf-8")
    told = run("align", song, "any name.txt", *OPTIONS, "-f", "elrc,json,txt")
    assert told.code == 0, told.err
    found = lines_of(Path("lyrics/song.json"))
    assert [line["text"] for line in found] == LINES
    assert [line["start"] for line in found] == pytest.approx(TRUE_STARTS, abs=0.15)
    assert found[0]["section"] == "Artist: Ann Other\n[Verse 1]"
    assert Path("lyrics/song.txt").read_text(encoding="utf-8") == TEXT
    assert "<00:0" in Path("lyrics/song.lrc").read_text(encoding="utf-8")
    assert "[ar:Ann Other]" in Path("lyrics/song.lrc").read_text(encoding="utf-8")
    (manifest,) = Path("lyrics").glob(".lyricsep/manifest-*.json")
    document = json.loads(manifest.read_text(encoding="utf-8"))
    assert document["plan"]["backend"] == "openai-whisper"
    assert document["plan"]["mix_back"] == 0.3


def test_lyrics_beside_the_song(run: Callable, song: Path) -> None:
    song.with_suffix(".TXT").write_text(TEXT, encoding="utf-8")
    told = run("align", song, *OPTIONS, "-o", "-", "-f", "lrc")
    assert told.code == 0, told.err
    assert LINES[0] in told.out


def test_folders_match_by_name(run: Callable, library: Path) -> None:
    told = run("align", "library", "words", *OPTIONS, "-f", "json")
    assert told.code == 1
    assert told.written == [Path("lyrics/disc 1/Sång.json"), Path("lyrics/disc 1/other.json")]
    assert "failed: library/alone.wav: found no lyrics named alone in words" in told.err
    assert [line["text"] for line in lines_of(told.written[1])] == ["I left my home, I ride the train"]
    (heard,) = json.loads(told.written[1].read_text(encoding="utf-8"))["unwritten"]
    assert "shining in" in heard["text"]  # as tiny.en hears it over the band
    assert heard["start"] == pytest.approx(TRUE_STARTS[1], abs=0.5)
    assert "library/disc 1/other.wav: sung at 0:03" in told.err


def test_a_list_names_songs_and_lyrics(run: Callable, song: Path, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "songs.csv").write_text("path,lyrics,language\nsong.wav,w.txt,en\n", encoding="utf-8")
    told = run("align", "songs.csv", *OPTIONS[:4], "-f", "json")
    assert (told.code, told.written) == (0, [Path("lyrics/song.json")])


def test_a_batch_aligns_too_and_knows_what_is_done(run: Callable, library: Path) -> None:
    command = ("batch", "run", "library", "--lyrics", "words", "-o", "out", "-f", "json", "--workers", 1, *OPTIONS)
    told = run(*command)
    assert told.code == 1
    missing = "library/alone.wav: found no lyrics named alone in words; add them, or name a file"
    (line,) = [line for line in told.err.splitlines() if "alone" in line]
    assert line.startswith(f"[1/3] alone: failed: {missing}; about ")
    assert told.err.splitlines()[-1].startswith("2 of 3 songs done; 1 failed")
    assert "alignment_seconds" in Path("out/songs.csv").read_text(encoding="utf-8")
    run("align", "library", "words", *OPTIONS, "-f", "json", "-o", "alone")
    for name in ("Sång.json", "other.json"):
        assert (Path("out/disc 1") / name).read_bytes() == (Path("alone/disc 1") / name).read_bytes()

    # Changed lyrics of one song, and added lyrics of another: only these are done.
    Path("words/disc 1/other.lrc").write_text("[00:00.10]I ride the train\n", encoding="utf-8")
    Path("words/alone.txt").write_text(TEXT, encoding="utf-8")
    changed = run(*command)
    names = ("alone.json", "disc 1/other.json", "songs.csv", "songs.parquet")
    assert (changed.code, changed.written) == (0, [Path("out") / name for name in names])
    assert [line["text"] for line in lines_of(Path("out/disc 1/other.json"))] == ["I ride the train"]
    again = run(*command)
    assert (again.code, again.out) == (0, "")
    assert "already done: 3" in again.err

    # Other options, or a transcription: refused once, with nothing changed.
    files = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    for other, difference in [
        ((*command, "--mix-back", 0.5), r"results of other options \(mix_back 0\.3 → 0\.5\)"),
        (
            ("batch", "run", "library", "-o", "out", *OPTIONS),
            "lyrics that were aligned, and in this run they are transcribed",
        ),
    ]:
        refused = run(*other)
        assert (refused.code, refused.out) == (2, "")
        told = refused.err.splitlines()[-1]
        assert re.fullmatch(f"lyricsep: out: holds {difference}; choose another .*", told)
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == files


def test_what_is_refused_is_one_line(run: Callable, song: Path, library: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    (tmp_path / "wrong.txt").write_text(
        "Ground control calls the empty sky\nNobody hears the pilots cry\nMachines are humming in the dark",
        encoding="utf-8",
    )
    for arguments, code, message in [
        ((song, "none.txt"), 2, "none.txt: no such file or folder, for lyrics"),
        ((song,), 1, "found no lyrics named song beside it"),
        ((song, "empty.txt"), 1, "empty.txt"),
        ((song, "wrong.txt"), 1, "its lyrics are not sung in it"),
        ((song, "tags"), 1, "no lyrics in its tags"),
        (("library", "empty.txt"), 2, "one file of lyrics for 3 songs"),
    ]:
        told = run("align", *arguments, *OPTIONS, "-f", "txt")
        assert (told.code, told.out) == (code, ""), (arguments, told)
        assert message in told.err
    told = run("batch", "run", "library", "-o", "out", "--lyrics", "words", "--beam-size", 2)
    assert told.code == 2
    assert told.err.splitlines()[-1] == ("lyricsep: known lyrics are aligned, not transcribed; leave out --beam-size")


def test_a_header_alone_repeats_its_section(run: Callable, song: Path) -> None:
    song.with_suffix(".txt").write_text(
        f"[Chorus]\n{LINES[0]}\n\n[Verse]\n{LINES[1]}\n\n[Chorus]\n", encoding="utf-8"
    )
    told = run("align", song, *OPTIONS, "--fill-repeats", "-f", "json")
    assert told.code == 0, told.err
    assert [line["text"] for line in lines_of(Path("lyrics/song.json"))] == [*LINES, LINES[0]]
