"""The work on one song: done once, found again, and refused where somebody else's lyrics stand."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tagged_songs import make

from lyricsep import files
from lyricsep.aligners import KnownLine, KnownLyrics
from lyricsep.documents import LyricsDocument
from lyricsep.engines import Batch, Delivery, Record, StopError, Task, Worker
from lyricsep.errors import DatasetError
from lyricsep.inputs import SongFile, find_songs
from lyricsep.plan import Plan
from lyricsep.separators import find_separator
from lyricsep.session import Session
from lyricsep.transcribers import find_model


def worker(plan: Plan, folder: Path, **delivery: object) -> Worker:
    return Worker(plan, Delivery(folder, ("txt", "json"), **delivery))


def tasks_of(songs: Path) -> list[Task]:
    return [Task(song, "en") for song in find_songs([str(songs)]).songs]


def forbidden(*_: object) -> None:
    raise AssertionError("this was done already")


def test_a_song_is_transcribed_once(plan: Plan, songs: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    task = tasks_of(songs)[0]
    first = worker(plan, out).do(task)
    assert (first.id, first.status, first.fresh, first.error) == ("disc 1/söng 1", "done", True, "")
    assert first.duration == 5.5
    assert (first.language, first.vocals_found, first.damage) == ("en", True, 0)
    assert first.seconds.keys() == {"separation", "segmentation", "transcription", "all"}
    text = (out / "disc 1/söng 1.txt").read_text(encoding="utf-8")
    assert "train" in text
    assert first.lines == len([line for line in text.splitlines() if line])
    lyrics = LyricsDocument.from_json((out / "disc 1/söng 1.json").read_text(encoding="utf-8")).lyrics
    assert len(lyrics.lines) == first.lines

    # Renamed, with another format, by another worker: nothing is transcribed.
    monkeypatch.setattr(Session, "_load_signals", forbidden)
    renamed = songs / "another.wav"
    task.song.path.rename(renamed)
    again = worker(plan, out).do(Task(SongFile(renamed, Path("another")), "en"))
    assert (again.id, again.status, again.fresh, again.key) == ("another", "done", False, first.key)
    assert (out / "another.txt").read_text(encoding="utf-8") == text
    assert {**again.seconds, "all": 0} == {**first.seconds, "all": 0}

    # A name that the disk does not take costs its song alone.
    endless = worker(plan, out).do(Task(SongFile(renamed, Path("n" * 300)), "en"))
    assert endless.status == "failed"
    assert "cannot be written (File name too long)" in endless.error


def test_all_that_changes_the_lyrics_changes_the_key(plan: Plan) -> None:
    def key(plan: Plan, language: str | None = "en", audio: str = "a") -> str:
        return plan.lyrics_key([audio], language)

    def changed(stage: str, **options: object) -> Plan:
        return replace(plan, **{stage: replace(getattr(plan, stage), **options)})

    spleeter = find_separator("spleeter")
    others = [
        key(plan, language=None),
        key(plan, audio="b"),
        key(replace(plan, segmentation=None)),
        key(replace(plan, backend="openai-whisper")),
        key(replace(plan, separators=(spleeter,))),
        key(replace(plan, separators=(*plan.separators, spleeter))),
        key(replace(plan, query="a choir")),
        key(replace(plan, model=find_model("base"))),
        key(changed("transcription", seed=1)),
        key(changed("segmentation", onset=0.2)),
    ]
    assert len({key(plan), *others}) == len(others) + 1
    # What a preset is called changes nothing.
    assert key(replace(plan, preset="other", offline=False)) == key(plan)


def test_vocals_are_kept_on_request_and_used_again(plan: Plan, songs: Path, tmp_path: Path, monkeypatch) -> None:
    spleeter = replace(plan, separators=(find_separator("spleeter"),))
    task = tasks_of(songs)[0]
    kept = worker(spleeter, tmp_path / "kept", keep_vocals=True)
    first = kept.do(task)
    (flac,) = (tmp_path / "kept" / ".lyricsep" / "store" / "vocals").rglob("*.flac")
    assert flac.stat().st_size < 5.5 * 16000 * 4
    plain = worker(spleeter, tmp_path / "plain").do(task)
    assert not (tmp_path / "plain" / ".lyricsep" / "store" / "vocals").exists()
    assert (tmp_path / "plain" / "disc 1/söng 1.txt").read_text() == (tmp_path / "kept/disc 1/söng 1.txt").read_text()
    assert plain.key == first.key

    # Another transcription: no separator is even loaded.
    monkeypatch.setattr(Plan, "load_separator", forbidden)
    beams = replace(spleeter, transcription=replace(spleeter.transcription, beam_size=2))
    other = worker(beams, tmp_path / "kept", overwrite=True).do(task)
    assert (other.status, other.fresh) == ("done", True)
    assert other.key != first.key


def test_the_lyrics_of_somebody_else_stay(plan: Plan, songs: Path, tmp_path: Path, monkeypatch) -> None:
    task = tasks_of(songs)[0]
    theirs = tmp_path / "disc 1" / "söng 1.txt"
    theirs.parent.mkdir()
    theirs.write_text("corrected by hand\n")
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_load_signals", forbidden)  # hours of work that could not be written
        record = worker(plan, tmp_path).do(task)
    assert (record.status, record.fresh) == ("failed", False)
    assert record.error.endswith(
        "söng 1.txt: exists already, and this batch did not write it or it was changed since"
    )
    assert record.hint == "set {overwrite=True} to replace it"
    assert theirs.read_text() == "corrected by hand\n"
    assert not theirs.with_suffix(".json").exists()
    assert worker(plan, tmp_path, overwrite=True).do(task).status == "done"
    assert "train" in theirs.read_text()
    # Our own may be written again, but for what was corrected since.
    assert worker(plan, tmp_path).do(task).status == "done"
    theirs.write_text("corrected by hand\n")
    record = worker(plan, tmp_path).do(task)
    assert record.error.endswith(
        "söng 1.txt: exists already, and this batch did not write it or it was changed since"
    )
    assert theirs.read_text() == "corrected by hand\n"


def test_a_song_that_is_replaced_while_it_is_heard_fails(
    plan: Plan, songs: Path, tmp_path: Path, monkeypatch
) -> None:
    """Else its digest would lead to the lyrics of another song."""
    first, second, _ = tasks_of(songs)

    load = Session._load_signals

    def replaced(*arguments: object) -> object:
        signals = load(*arguments)
        second.song.path.replace(first.song.path)
        return signals

    monkeypatch.setattr(Session, "_load_signals", replaced)
    record = worker(plan, tmp_path / "out").do(first)
    assert (record.status, record.fresh) == ("failed", False)
    assert str(record.failure).endswith("söng 1.wav: changed while it was read; run again")
    assert not list((tmp_path / "out").rglob("*.json"))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("gone.mp3", None, "gone.mp3: cannot be read .No such file or directory.; check the path"),
        ("bad.mp3", b"no music", "bad.mp3: FFmpeg cannot read it as audio"),
        ("folder.mp3", "folder", "folder.mp3: cannot be read .Is a directory"),
        ("pipe.mp3", "pipe", "pipe.mp3: is a pipe or a device, which may never end; name a file"),
    ],
)
def test_a_song_that_fails_says_why(plan: Plan, tmp_path: Path, name: str, content: object, match: str) -> None:
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no named pipes on this system")
        os.mkfifo(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    record = worker(plan, tmp_path / "out").do(Task(SongFile(path, Path(name))))
    assert record.status == "failed"
    assert re.search(match, str(record.failure))
    assert "\n" not in record.error


def test_an_instrumental_is_done(plan: Plan, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros((16000, 1)), 16000)
    record = worker(plan, tmp_path / "out").do(Task(SongFile(tmp_path / "silence.wav", Path("silence"))))
    assert (record.status, record.vocals_found, record.lines, record.language) == ("done", False, 0, None)
    assert (tmp_path / "out" / "silence.txt").read_text() == ""


def test_a_full_disk_stops_the_batch(plan: Plan, songs: Path, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.tempfile, "mkstemp", full)
    with pytest.raises(StopError, match=r"No space left on device.*; then run again: finished songs are kept"):
        worker(plan, tmp_path / "out").do(tasks_of(songs)[0])


def test_models_that_cannot_be_had_stop_the_batch(plan: Plan, songs: Path, tmp_path: Path, cache) -> None:
    missing = replace(plan, separators=(find_separator("htdemucs"),))
    with pytest.raises(StopError, match=r"955717e8-8726e21a.th: could not be obtained: .*offline"):
        worker(missing, tmp_path / "out").do(tasks_of(songs)[0])


def test_stems_beside_the_song_are_part_of_it(plan: Plan, songs: Path, tmp_path: Path) -> None:
    task = tasks_of(songs)[0]
    stems = replace(plan, separators=(find_separator("stems"),))
    assert "no vocals file next to it" in worker(stems, tmp_path / "out").do(task).error
    stem = task.song.path.with_name("söng 1.vocals.wav")
    stem.write_bytes(task.song.path.read_bytes())
    first = worker(stems, tmp_path / "out").do(task)
    assert first.status == "done"
    stem.write_bytes(tasks_of(songs)[1].song.path.read_bytes())
    second = worker(stems, tmp_path / "out", overwrite=True).do(task)
    assert second.fresh
    assert second.key != first.key
    assert not task.is_done(second, stems, Delivery(tmp_path / "out", ("txt",)))


def names_of(path: Path) -> tuple[str | None, str | None]:
    document = LyricsDocument.from_json(path.read_text(encoding="utf-8"))
    return document.title, document.artist


def test_results_have_the_names_in_the_songs_tags(
    plan: Plan, excerpt: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "songs" / "a.mp3", {"title": "Title", "artist": "Artist"}, samples=excerpt.T.copy())
    out, batch = tmp_path / "out", Batch(tmp_path / "out")
    delivery = Delivery(out, ("txt", "json"))
    (task,) = tasks_of(tmp_path / "songs")
    with monkeypatch.context() as patch:  # as before songs had names
        patch.setattr("lyricsep.session.read_names", lambda _: (None, None))
        batch.journal.add(worker(plan, out).do(task))
    assert names_of(out / "a.json") == ("a", None)
    before = (out / "a.json").read_bytes()

    # What is done stays done, and as it is.
    assert batch.begin([task], plan, delivery).todo == ()
    assert (out / "a.json").read_bytes() == before

    # What is written again, here for another format, has the names; nothing is transcribed for that.
    monkeypatch.setattr(Session, "_load_signals", forbidden)
    delivery = replace(delivery, formats=("txt", "json", "lrc"))
    (todo,) = batch.begin([task], plan, delivery).todo
    record = Worker(plan, delivery).do(todo)
    assert (record.status, record.fresh, record.error) == ("done", False, "")
    assert names_of(out / "a.json") == ("Title", "Artist")
    assert (out / "a.lrc").read_text().startswith("[ti:Title]\n[ar:Artist]\n")
    batch.journal.add(record)
    assert batch.begin([task], plan, delivery).todo == ()
    # Corrections by hand stay.
    (out / "a.json").write_bytes(before)
    (out / "a.lrc").unlink()
    (todo,) = batch.begin([task], plan, delivery).todo
    assert "a.json: exists already, and this batch did not write it" in Worker(plan, delivery).do(todo).error


def test_what_makes_a_record_still_true(plan: Plan, tmp_path: Path) -> None:
    path, out = tmp_path / "a.wav", tmp_path / "out"
    path.write_bytes(b"1234")
    delivery = Delivery(out, ("txt",))
    task = Task(SongFile(path, Path("a")), "en")
    record = Record.of("a", path).done(results={"a.txt": ""}, audio=("x",), key=plan.lyrics_key(("x",), "en"))
    assert not task.is_done(record, plan, delivery)  # its result is gone
    out.mkdir()
    (out / "a.txt").write_text("la")
    assert task.is_done(record, plan, delivery)
    assert not task.is_done(None, plan, delivery)
    assert not task.is_done(replace(record, status="failed"), plan, delivery)
    assert not task.is_done(record, plan, replace(delivery, formats=("txt", "lrc")))
    assert not task.is_done(record, replace(plan, segmentation=None), delivery)
    assert not replace(task, language="fr").is_done(record, plan, delivery)
    assert not replace(task, known=KnownLyrics((KnownLine("la"),))).is_done(record, plan, delivery)
    assert not replace(task, known=DatasetError("a.wav: found no lyrics")).is_done(record, plan, delivery)
    path.write_bytes(b"12345")
    assert not task.is_done(record, plan, delivery)
