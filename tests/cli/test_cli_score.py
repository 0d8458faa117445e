"""`lyricsep score` and `lyricsep compare` on files, folders and a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment

REFERENCE = "one two three\nfour (five)\n\n<nl> la la </nl>\nsix\n"


def lyrics_of(*texts: str) -> Lyrics:
    """Lines of 2 s, 4 s apart."""
    lines = tuple(Line(4.0 * index, 4.0 * index + 2, text) for index, text in enumerate(texts))
    return Lyrics(lines, "en", 60.0, (Segment(0.0, 30.0),))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    reference = tmp_path / "réf.txt"
    reference.write_text(REFERENCE, encoding="utf-8")
    hypothesis = tmp_path / "hyp.json"
    write_lyrics(hypothesis, lyrics_of("oh one two tree", "five", "six"), "json")
    return reference, hypothesis


def test_two_files(run: Callable, files: tuple[Path, Path]) -> None:
    told = run("score", *files, "--language", "en")
    assert (told.code, told.err) == (0, "")
    # Of 8 words one is replaced, "four la la" are deleted, "oh" is inserted.
    assert ["réf", "en", "8", "62.50", "1", "3", "1"] in [row.split() for row in told.out.splitlines()]
    assert "not normalised" in told.out


def test_json_holds_every_count_and_rate(run: Callable, files: tuple[Path, Path]) -> None:
    told = run("score", *files, "--language", "en", "--json", "--normalise")
    document = json.loads(told.out)
    assert (document["schema"], document["normalise"], document["missing"]) == ("lyricsep/scores", True, [])
    assert document["rates"]["WER"] == document["songs"][0]["rates"]["WER"] == 0.625
    assert document["rates"]["DR_NL"] == 0.25
    assert document["songs"][0]["counts"]["nonlexical_deletions"] == 2
    assert document["songs"][0]["counts"]["backing_hits"] == 1
    assert document["songs"][0]["timing"] is None


def test_the_words_of_a_song_are_shown(run: Callable, files: tuple[Path, Path]) -> None:
    told = run("score", *files, "--language", "en", "--show", "réf")
    shown = told.out.split("\n\n", 2)[2].strip("\n")
    assert shown == "{+oh+} one two [-three-]{+tree+}\n[-four-] five\n\n[-la-] [-la-]\nsix"


def test_a_language_must_be_known(run: Callable, files: tuple[Path, Path]) -> None:
    reference, hypothesis = files
    told = run("score", *files)
    assert (told.code, told.err) == (0, f"language: en, as {hypothesis} states it\n")
    assert told.out == run("score", *files, "-l", "en").out
    plain = hypothesis.with_suffix(".txt")
    plain.write_text("one", encoding="utf-8")
    told = run("score", reference, plain)
    assert told.code == 1
    assert "word splitting depends on it; set it, for example --language en" in told.err
    assert run("score", *files, "--language", "klingonese").code == 2


def test_songs_are_selected(run: Callable, tmp_path: Path) -> None:
    for name, language in (("One", "en"), ("Deux", "fr"), ("Trois", "fr")):
        for folder in ("ref", "hyp"):
            (tmp_path / folder).mkdir(exist_ok=True)
            words = Lyrics((Line(0.0, 1.0, f"{name} la"),), language, 60.0, (Segment(0.0, 30.0),))
            write_lyrics(tmp_path / folder / f"{name}.json", words, "json")

    def scored(*options: str) -> list[str]:
        told = run("score", "ref", "hyp", "--json", *options)
        assert told.code == 0, told.err
        return sorted(song["song"] for song in json.loads(told.out)["songs"])

    assert scored("--song", "deux") == ["Deux"]
    assert scored("--song", "Deux", "--song", "one") == ["Deux", "One"]
    assert scored("-l", "fr") == ["Deux", "Trois"]
    assert scored("-l", "French", "-l", "en", "--song", "tr") == ["Trois"]
    assert "Times" in run("score", "ref", "hyp", "--times", "--song", "one").out
    for options, code, message in (
        (("-l", "de"), 1, "ref: none of its 3 songs passes the filters; change --language or --song"),
        (("--song", "q"), 2, "--song q: no song has this name; choose from Deux, One, Trois"),
        (("--song", "o"), 2, "--song o: 2 songs have it in their names; choose from One, Trois"),
        (("--show", "q"), 2, "--show q: no song has this name; choose from Deux, One, Trois"),
    ):
        told = run("score", "ref", "hyp", *options)
        assert told.code == code, options
        assert message in told.err


def test_folders_are_matched_by_name(run: Callable, tmp_path: Path) -> None:
    for name in ("a", "sub/b", "c"):
        path = tmp_path / "refs" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one two\n", encoding="utf-8")
    heard = tmp_path / "hyps"
    write_lyrics(heard / "sub" / "b.json", lyrics_of("one"), "json")
    write_lyrics(heard / "a.lrc", lyrics_of("one two"), "lrc")
    (heard / "lyricsep-20260101T000000.json").write_text("{}", encoding="utf-8")
    told = run("score", tmp_path / "refs", heard, "-l", "en")
    assert told.code == 1
    assert told.err == f"failed: c: no hypothesis in {heard}; it is not scored\n"
    rows = [row.split() for row in told.out.splitlines()]
    assert ["a", "en", "2", "0.00", "0", "0", "0"] in rows
    assert ["sub/b", "en", "2", "50.00", "0", "1", "0"] in rows
    assert ["all", "2", "songs", "4", "25.00", "0", "1", "0"] in rows


def test_nothing_to_match(run: Callable, files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told = run("score", files[0], tmp_path / "empty", "-l", "en")
    assert told.code == 1
    assert "none of its 0 lyrics files is named after a reference, such as réf.txt" in told.err
    assert run("score", tmp_path / "gone", files[1], "-l", "en").code == 1
    assert run("score", files[0], tmp_path / "gone", "-l", "en").code == 1


# Comparing


def scores(folder: Path, name: str, wrong: dict[str, int]) -> Path:
    """Songs of 100 words, of which some are substituted."""
    none: dict[str, Any] = json.loads((folder / "zero.json").read_text(encoding="utf-8"))
    songs = []
    for song, n_wrong in wrong.items():
        counts = dict(none["songs"][0]["counts"], hits=100 - n_wrong, substitutions=n_wrong)
        songs.append(dict(none["songs"][0], song=song, counts=counts))
    path = folder / f"{name}.json"
    path.write_text(json.dumps(dict(none, songs=songs)), encoding="utf-8")
    return path


@pytest.fixture
def folder(run: Callable, tmp_path: Path) -> Path:
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    told = run("score", tmp_path / "empty.txt", tmp_path / "empty.txt", "-l", "en", "--json")
    (tmp_path / "zero.json").write_text(told.out, encoding="utf-8")
    return tmp_path


def test_a_planted_difference_is_found(run: Callable, folder: Path) -> None:
    first = scores(folder, "first", {f"s{i}": 20 + i % 7 for i in range(40)})
    second = scores(folder, "second", {f"s{i}": 22 + i % 7 + (i % 3 - 1) for i in range(40)})
    (found,) = json.loads(run("compare", first, second, "--json").out)
    wer = found["rates"]["WER"]
    assert wer["difference"] == pytest.approx(0.02, abs=0.001)
    low, high = wer["interval"]
    assert 0.015 < low < high < 0.025
    assert wer["p"] < 0.001
    told = run("compare", first, second)
    assert told.code == 0
    assert "change in errors: substitutions +79" in told.out
    assert "Songs that changed most" in told.out


def test_songs_of_one_run_alone_are_named(run: Callable, folder: Path) -> None:
    first, second = scores(folder, "first", {"a": 1, "b": 2}), scores(folder, "second", {"b": 3, "c": 1})
    told = run("compare", first, second)
    assert told.code == 0
    assert "2 songs are in only one of the runs and are ignored" in told.err
    assert run("compare", first, scores(folder, "other", {"x": 1})).code == 1


def test_what_is_no_run(run: Callable, folder: Path) -> None:
    (folder / "other.json").write_text("[]", encoding="utf-8")
    for name in ("other.json", "gone.json", "empty.txt"):
        told = run("compare", folder / name, folder / name)
        assert told.code == 1
        assert told.err.count("\n") == 1


def test_folders_that_are_no_runs(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "lyrics").mkdir()
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "songs.csv").write_text("id,path,status\n")
    for name in ("lyrics", "batch"):
        told = run("compare", name, "lyrics")
        assert (told.code, told.out) == (2, "")
        assert told.err == (
            f"lyricsep: {name}: is a folder, but not of `lyricsep benchmark`; score its lyrics first "
            "(`lyricsep score REF DIR --json > FILE`) and name the file\n"
        )
