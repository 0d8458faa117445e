from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lyricsep.datasets import Song
from lyricsep.documents import Manifest
from lyricsep.engines import Journal, Record
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.pages import FoundSong, find_results, manifests_of, references_of

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def entry(path: object, *results: object) -> dict[str, Any]:
    return {"path": shown(Path(str(path))), "status": "done", "results": [shown(Path(str(one))) for one in results]}


def leave_manifest(folder: Path, *entries: dict[str, Any], started: str = "2026-01-01T00:00:00+00:00") -> None:
    manifest = new_manifest("transcribe", None)
    document = {**manifest.as_dict(), "started": started, "songs": list(entries)}
    write_manifest(folder, Manifest.from_dict(document))


def the_song(folder: Path, **where: Path) -> FoundSong:
    (song,) = find_results(folder, **where).songs
    return song


def test_the_example_has_all_its_sound_and_its_json_is_no_lyrics() -> None:
    assert the_song(EXAMPLE) == FoundSong(
        "night_train",
        EXAMPLE / "night_train.lrc",
        EXAMPLE / "night_train.mp3",
        EXAMPLE / "night_train.vocals.ogg",
    )


def test_names_keep_their_folders_and_the_file_with_most_times_is_taken(tmp_path: Path) -> None:
    for name in ("b.txt", "a/b.txt", "a/b.lrc", "a/b.json", "a/b.words.lrc", "a/c.labels.txt"):
        touch(tmp_path / name)
    found = find_results(tmp_path).songs
    assert [(song.name, song.lyrics.name) for song in found] == [
        ("a/b", "b.json"),
        ("a/c", "c.labels.txt"),
        ("b", "b.txt"),
    ]


def test_what_is_no_lyrics_of_the_run_is_left_out(tmp_path: Path) -> None:
    leave_manifest(tmp_path)
    (tmp_path / "table.json").write_text("[1, 2]")
    (tmp_path / "scores.json").write_text('{"schema": "lyricsep/scores"}')
    touch(tmp_path / "a.lrc", tmp_path / "songs.csv", tmp_path / "report.html", tmp_path / "report" / "a.html")
    touch(tmp_path / "corrected" / "a.json", tmp_path / "corrected" / ".history" / "a" / "0001.json")
    touch(tmp_path / ".lyricsep" / "lyrics" / "a.json")
    assert [song.name for song in find_results(tmp_path).songs] == ["a"]


def test_a_song_is_found_where_the_manifest_says(tmp_path: Path) -> None:
    touch(tmp_path / "far" / "away.flac", tmp_path / "out" / "sub" / "away.txt")
    leave_manifest(tmp_path / "out", entry(tmp_path / "far" / "away.flac", tmp_path / "out" / "sub" / "away.txt"))
    assert the_song(tmp_path / "out").audio == tmp_path / "far" / "away.flac"


def test_relative_paths_start_where_the_run_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "then" / "songs" / "a.mp3", tmp_path / "then" / "out" / "a.txt", tmp_path / "now" / "x")
    leave_manifest(tmp_path / "then" / "out", entry("songs/a.mp3", "out/a.txt"))
    monkeypatch.chdir(tmp_path / "now")
    assert the_song(tmp_path / "then" / "out").audio == tmp_path / "then" / "songs" / "a.mp3"
    monkeypatch.chdir(tmp_path / "then")
    audio = the_song(Path("out")).audio
    assert audio is not None
    assert audio.samefile("songs/a.mp3")


def test_results_that_moved_still_know_the_song(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp3", tmp_path / "moved" / "disc 1" / "a.txt")
    leave_manifest(tmp_path / "moved", entry(tmp_path / "a.mp3", "elsewhere/out/disc 1/a.txt"))
    assert the_song(tmp_path / "moved").audio == tmp_path / "a.mp3"


def test_a_result_belongs_to_the_longest_name(tmp_path: Path) -> None:
    touch(tmp_path / "1.mp3", tmp_path / "2.mp3", tmp_path / "out" / "a.txt", tmp_path / "out" / "b" / "a.txt")
    leave_manifest(tmp_path / "out", entry(tmp_path / "1.mp3", "out/a.txt"), entry(tmp_path / "2.mp3", "out/b/a.txt"))
    found = {song.name: song.audio and song.audio.name for song in find_results(tmp_path / "out").songs}
    assert found == {"a": "1.mp3", "b/a": "2.mp3"}


def test_the_last_run_counts_but_not_for_a_file_that_is_gone(tmp_path: Path) -> None:
    touch(tmp_path / "1.mp3", tmp_path / "2.mp3", tmp_path / "out" / "a.txt")
    for day, name in enumerate(("1.mp3", "2.mp3", "gone.mp3"), 1):
        leave_manifest(
            tmp_path / "out", entry(tmp_path / name, "out/a.txt"), started=f"2026-01-0{day}T00:00:00+00:00"
        )
    assert the_song(tmp_path / "out").audio == tmp_path / "2.mp3"


def test_names_that_a_manifest_escapes_are_found(tmp_path: Path) -> None:
    for name in ("two\nlines.mp3", "zero\u200bwidth.mp3", "back\\nslash.mp3"):
        touch(tmp_path / name, tmp_path / "out" / Path(name).with_suffix(".txt"))
        leave_manifest(tmp_path / "out", entry(tmp_path / name, tmp_path / "out" / Path(name).with_suffix(".txt")))
    for song in find_results(tmp_path / "out").songs:
        assert song.audio == tmp_path / f"{song.name}.mp3"


def test_a_batch_tells_its_songs_in_its_journal(tmp_path: Path) -> None:
    touch(tmp_path / "odd.mp3", tmp_path / "out" / "id of a list.txt")
    record = Record.of("id of a list", tmp_path / "odd.mp3").done(
        results={str(tmp_path / "out" / "id of a list.txt"): "0" * 64}
    )
    Journal(tmp_path / "out" / ".lyricsep" / "journal.jsonl").add(record)
    assert the_song(tmp_path / "out").audio == tmp_path / "odd.mp3"


def test_a_folder_of_songs_comes_first_and_is_read_as_runs_name_their_results(tmp_path: Path) -> None:
    touch(tmp_path / "songs" / "x" / "a.mp3", tmp_path / "songs" / "x" / "a.wav", tmp_path / "old.mp3")
    touch(tmp_path / "out" / "x" / "a.wav.txt")
    leave_manifest(tmp_path / "out", entry(tmp_path / "old.mp3", "out/x/a.wav.txt"))
    assert the_song(tmp_path / "out").audio == tmp_path / "old.mp3"
    assert the_song(tmp_path / "out", songs=tmp_path / "songs").audio == tmp_path / "songs" / "x" / "a.wav"


def test_folders_of_songs_may_differ_where_the_name_is_one_of_a_kind(tmp_path: Path) -> None:
    touch(tmp_path / "songs" / "fr" / "a.mp3", tmp_path / "out" / "a.txt")
    assert the_song(tmp_path / "out", songs=tmp_path / "songs").audio == tmp_path / "songs" / "fr" / "a.mp3"
    touch(tmp_path / "songs" / "de" / "a.mp3")
    assert the_song(tmp_path / "out", songs=tmp_path / "songs").audio is None


@pytest.mark.parametrize("name", ["a.vocals.wav", "a.vocals.flac", "a/vocals.wav", "a.wav", "sub/../a.vocals.wav"])
def test_vocals_are_found_under_the_names_that_tools_give_them(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "out" / "disc" / "a.txt")
    (tmp_path / "vocals" / "sub").mkdir(parents=True)
    touch(tmp_path / "vocals" / name)
    found = the_song(tmp_path / "out", vocals=tmp_path / "vocals").vocals
    assert found is not None
    assert found.samefile(tmp_path / "vocals" / name)


def test_vocals_beside_lyrics_and_song_are_found_by_themselves(tmp_path: Path) -> None:
    touch(tmp_path / "out" / "a.txt", tmp_path / "a.mp3", tmp_path / "a.vocals.ogg")
    leave_manifest(tmp_path / "out", entry(tmp_path / "a.mp3", "out/a.txt"))
    assert the_song(tmp_path / "out").vocals == tmp_path / "a.vocals.ogg"
    touch(tmp_path / "out" / "a.vocals.flac")
    assert the_song(tmp_path / "out").vocals == tmp_path / "out" / "a.vocals.flac"


def test_manifests_come_oldest_first_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "a.txt", tmp_path / ".lyricsep" / "manifest-20250101T000000.json")
    (tmp_path / ".lyricsep" / "manifest-other.json").write_text(json.dumps({"schema": "other"}))
    leave_manifest(tmp_path, {"path": "3", "status": "done"}, started="2026-02-01T00:00:00+00:00")
    for number in range(11):
        leave_manifest(tmp_path, {"path": str(number), "status": "done"}, started="2026-01-01T00:00:00+00:00")
    found = find_results(tmp_path).manifests
    assert [manifest["songs"][0]["path"] for manifest in found] == [*map(str, range(11)), "3"]


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    touch(tmp_path / f"{name}.mp3", tmp_path / "out" / f"{name}.txt")
    leave_manifest(tmp_path / "out", entry(tmp_path / f"{name}.mp3", tmp_path / "out" / f"{name}.txt"))
    assert the_song(tmp_path / "out") == FoundSong(name, tmp_path / "out" / f"{name}.txt", tmp_path / f"{name}.mp3")


def test_no_folder_and_no_lyrics_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere: no such folder"):
        find_results(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"no lyrics in this folder"):
        find_results(tmp_path)
    touch(tmp_path / "corrected" / "a.txt", tmp_path / "corrected" / ".history" / "a" / "0001.json")
    with pytest.raises(DatasetError, match="no lyrics in this folder"):
        find_results(tmp_path)
    touch(tmp_path / "a.txt")
    with pytest.raises(DatasetError, match=r"songs: no such folder"):
        find_results(tmp_path, songs=tmp_path / "songs")


def test_references_go_by_the_whole_name_then_by_its_last_part(tmp_path: Path) -> None:
    touch(tmp_path / "fr" / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt")
    songs = [Song(id=name, dataset="d", language="fr", text="") for name in ("fr/a", "de/a", "es/b", "1/c", "2/c")]
    found = references_of(find_results(tmp_path), songs)
    assert {name: song.id for name, song in found.items()} == {"fr/a": "fr/a", "b": "es/b"}


def test_a_song_belongs_to_the_last_manifest_that_tells_of_it(tmp_path: Path) -> None:
    touch(tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt")
    assert manifests_of(find_results(tmp_path)) == {}
    leave_manifest(tmp_path, entry("a.mp3", "out/a.txt"), started="2026-01-01T00:00:00+00:00")
    leave_manifest(
        tmp_path, entry("a.mp3", "out/a.txt"), entry("b.mp3", "out/b.txt"), started="2026-02-01T00:00:00+00:00"
    )
    leave_manifest(tmp_path, started="2026-03-01T00:00:00+00:00")
    found = manifests_of(find_results(tmp_path))
    assert {name: one["started"][5:7] for name, one in found.items()} == {"a": "02", "b": "02", "c": "03"}
