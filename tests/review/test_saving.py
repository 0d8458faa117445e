"""Corrections: nothing is lost, whoever saves, and whenever it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from night_train import HEARD, corrected, document, rows_of

from lyricsep.datasets import open_dataset, verify
from lyricsep.documents import LyricsDocument, rounded
from lyricsep.errors import DatasetError, OutputError
from lyricsep.formats import find_lyrics, read_lyrics, write_lyrics
from lyricsep.inputs import find_songs
from lyricsep.lyrics import Line, Lyrics, Word
from lyricsep.pages import Results, find_results
from lyricsep.review import Corrections, StaleError
from lyricsep.scoring import find_hypotheses, find_references, score_songs

NAME = "été/night train"


def contents(folder: Path) -> dict[str, bytes]:
    """All files that are not corrections."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "corrected" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def lyrics_of(path: Path) -> Lyrics:
    return LyricsDocument.from_json(path.read_text(encoding="utf-8"), name=str(path)).lyrics


def test_a_correction_is_written_in_every_format_and_the_machines_files_stay(folder: Path, results: Results) -> None:
    before = contents(folder)
    number, files = Corrections(results).save(NAME, 0, document(corrected()))
    assert number == 1
    names = {path.relative_to(folder / "corrected").as_posix() for path in files}
    assert names == {f"{NAME}.{suffix}" for suffix in ("txt", "lrc", "vtt", "words.lrc", "json")}
    for path in files:
        assert "railway line" in " ".join(read_lyrics(path).text.split())
    assert lyrics_of(folder / "corrected" / f"{NAME}.json") == corrected()
    assert contents(folder) == before


def test_lyrics_that_are_json_alone_are_written_as_text_and_lrc_too(results: Results) -> None:
    _, files = Corrections(results).save("other", 0, document(corrected(), title=None))
    assert [path.name for path in files] == ["other.txt", "other.lrc", "other.json"]


def test_word_times_in_a_plain_lrc_are_kept(folder: Path, results: Results) -> None:
    write_lyrics(folder / "other.lrc", HEARD, "elrc")
    _, files = Corrections(results).save("other", 0, document(HEARD))
    assert [path.name for path in files] == ["other.txt", "other.lrc", "other.words.lrc", "other.json"]
    assert read_lyrics(files[2]).lines[0].words


def test_every_revision_stays_readable(results: Results) -> None:
    corrections = Corrections(results)
    assert corrections.load(NAME).number == corrections.latest(NAME) == 0
    assert corrections.load(NAME).transcript.lines == HEARD.lines
    texts = ["one", "two", "three"]
    for base, text in enumerate(texts):
        assert corrections.save(NAME, base, document(corrected(text)))[0] == base + 1
    again = Corrections(results)
    assert again.load(NAME).number == again.latest(NAME) == 3
    read = [again.load(NAME, number).transcript.lines[0].text for number in range(4)]
    assert read == [HEARD.lines[0].text, *texts]


def test_titles_can_be_corrected(folder: Path, results: Results) -> None:
    _, files = Corrections(results).save(NAME, 0, document(HEARD, title="Nachtzug"))
    assert {read_lyrics(path).title for path in files if path.suffix in (".json", ".lrc")} == {"Nachtzug"}
    assert rows_of(folder)[0]["title"] == "Nachtzug"


def test_who_saves_after_another_is_told(results: Results) -> None:
    ours, theirs = Corrections(results), Corrections(results)
    ours.save(NAME, 0, document(corrected("ours")))
    with pytest.raises(StaleError, match=r"was saved by someone else \(revision 1; you edited revision 0\)"):
        theirs.save(NAME, 0, document(corrected("theirs")))
    assert theirs.save(NAME, 1, document(corrected("both")))[0] == 2
    with pytest.raises(StaleError, match="revision 2; you edited revision 7"):
        ours.save(NAME, 7, document(corrected("from nowhere")))


def test_of_two_at_the_same_moment_one_is_told(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Corrections(results), Corrections(results)
    # Theirs is saved between our look at the history and our writing.
    link = os.link

    def late(source: str, target: str, **options: bool) -> None:
        monkeypatch.setattr(os, "link", link)
        theirs.save(NAME, 0, document(corrected("theirs")))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(StaleError, match="revision 1; you edited revision 0"):
        ours.save(NAME, 0, document(corrected("ours")))
    assert ours.load(NAME).transcript.lines[0].text == "theirs"


def test_saving_the_same_again_is_no_revision(results: Results) -> None:
    corrections = Corrections(results)
    first = corrections.save(NAME, 0, document(corrected()))
    # The answer was lost on its way; or nothing has changed since.
    assert corrections.save(NAME, 0, document(corrected())) == first
    assert corrections.save(NAME, 1, document(corrected())) == first
    # What was heard may be right as it is: that is for a person to say.
    assert corrections.save("other", 0, document(replace(HEARD, lines=HEARD.lines[:2])))[0] == 1


def test_lyrics_that_the_machine_made_anew(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected()))
    assert not corrections.is_outdated(corrections.load(NAME), NAME)
    write_lyrics(folder / f"{NAME}.json", replace(HEARD, lines=HEARD.lines[:1]), "json")
    revision = corrections.load(NAME)
    assert corrections.is_outdated(revision, NAME)
    assert revision.transcript.lines == corrected().lines
    # Who saves has seen it.
    corrections.save(NAME, 1, document(corrected()))
    assert not corrections.is_outdated(corrections.load(NAME), NAME)


def _changed(**changes: object) -> str:
    return json.dumps({**json.loads(document(HEARD)), **changes})


def _line(start: float, end: float, **more: object) -> dict[str, object]:
    return {"start": start, "end": end, "text": "la", **more}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "not JSON"),
        ("[]", r"schema and version are \(None, None\)"),
        (_changed(version=3), "schema and version"),
        (_changed(lines="la"), r"lines: expected a list, got 'la'"),
        (_changed(lines=[_line(float("nan"), 1.0)]), r"lines\[0\]\.start: expected .*, got nan"),
        (_changed(lines=[_line(0.0, float("inf"))]), r"lines\[0\]\.end: expected .*, got inf"),
        (_changed(lines=[_line(-1.0, 1.0)]), r"lines\[0\]: Line needs 0 <= start <= end"),
        (_changed(lines=[_line(2.0, 1.0)]), r"lines\[0\]: Line needs 0 <= start <= end"),
        (_changed(lines=[_line(0.0, 1.0, text="a\nb")]), r"lines\[0\]: a Line holds one line of text"),
        (_changed(lines=[_line(0.0, 1.0, text="\ud800")]), r"lines\[0\]\.text: expected"),
        (_changed(lines=[_line(3.0, 4.0), _line(2.0, 5.0)]), r"lines\[1\] starts at 2 s, before lines\[0\] at 3 s"),
        (_changed(lines=[_line(50.0, 51.0)]), r"lines\[0\] ends at 51 s, after the song at 50.3 s"),
        (_changed(duration=90.0, lines=[_line(80.0, 81.0)]), r"after the song at 50.3 s"),
        (_changed(lines=[_line(1, 5, words=[_line(3, 4), _line(2, 3)])]), r"lines\[0\]\.words are not in order"),
    ],
)
def test_what_is_no_lyrics_is_refused(folder: Path, results: Results, bad: str, message: str) -> None:
    corrections = Corrections(results)
    with pytest.raises(DatasetError, match=message):
        corrections.save(NAME, 0, bad)
    assert corrections.latest(NAME) == 0
    assert not (folder / "corrected").exists()


def test_the_song_may_be_longer_than_the_lyrics_know(results: Results) -> None:
    late = replace(HEARD, lines=(Line(50.0, 59.0, "la"),))
    Corrections(results).save(NAME, 0, document(late), duration=60.0)
    assert Corrections(results).load(NAME).transcript.duration == 60.0


times = st.floats(0, 50, allow_nan=False)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=20)


@st.composite
def anything(draw: st.DrawFn) -> Lyrics:
    """Lyrics that are in order, whatever else they are."""
    starts = sorted(draw(st.lists(times, max_size=6)))
    lines = []
    for start in starts:
        words = sorted(Word(*sorted((draw(times), draw(times))), draw(texts)) for _ in range(draw(st.integers(0, 3))))
        lines.append(Line(start, draw(st.floats(start, 50)), draw(texts), tuple(words)))
    return replace(HEARD, lines=tuple(lines))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lyrics=anything())
def test_whatever_is_in_order_can_be_saved(tmp_path: Path, lyrics: Lyrics) -> None:
    formats = {"ass": "ass", "ttml": "ttml", "srt": "srt", "tsv": "tsv", "textgrid": "TextGrid", "elrc": "words.lrc"}
    for name, suffix in {**formats, "audacity": "labels.txt", "json": "json"}.items():
        write_lyrics(tmp_path / f"song.{suffix}", HEARD, name)
    corrections = Corrections(find_results(tmp_path))
    number, files = corrections.save("song", corrections.latest("song"), document(lyrics))
    assert len(files) == 10
    assert lyrics_of(tmp_path / "corrected" / "song.json") == rounded(lyrics)
    assert corrections.load("song", number).transcript.lines == rounded(lyrics).lines
    (song,) = open_dataset(tmp_path / "corrected").songs
    assert len(song.lines) == len(lyrics.lines)


def test_the_corrected_lyrics_are_a_dataset(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected()))
    corrections.save("other", 0, document(replace(HEARD, lines=HEARD.lines[:2])))
    dataset = open_dataset(folder / "corrected")
    other, song = dataset.songs
    assert (song.id, song.language, song.title) == (NAME, "en", "Night Train")
    assert [line.text for line in song.lines] == [line.text for line in corrected().lines]
    assert song.text == read_lyrics(folder / "corrected" / f"{NAME}.txt").text.strip("\n")
    assert song.audio is not None
    assert song.audio.samefile(results.songs[1].audio or "")
    assert [problem for problem in verify(dataset) if "night train" in problem] == []
    assert not (other.audio or Path()).exists()

    references = find_references(str(folder / "corrected"))
    run = score_songs(references, find_hypotheses(folder, references))
    assert {one.song.id: one.counts.words.errors for one in run.songs} == {NAME: 1, "other": 0}


def test_neither_history_nor_audio_is_taken_for_results(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected()))
    assert set(find_lyrics(folder / "corrected")) == {NAME}
    assert find_songs([str(folder)]).songs == ()
    assert find_results(folder, songs=folder.parent / "songs") == results


def test_the_dataset_follows_every_save(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected("one")))
    corrections.save(NAME, 1, document(corrected("two")))
    (row,) = rows_of(folder)
    assert (row["revision"], str(row["text"]).split("\n")[0]) == (2, "two")


def test_rows_of_songs_that_are_gone_stay_and_broken_ones_are_made_again(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected()))
    table = folder / "corrected" / "metadata.jsonl"
    (row,) = rows_of(folder)
    table.write_text(json.dumps({**row, "name": "gone"}) + "\nhalf a r\n[]\n")
    corrections.restore()
    assert [row["name"] for row in rows_of(folder)] == ["gone", NAME]


def test_without_a_language_there_is_no_row(folder: Path, results: Results, caplog: pytest.LogCaptureFixture) -> None:
    corrections = Corrections(results)
    corrections.save("other", 0, document(HEARD))
    corrections.save(NAME, 0, document(replace(HEARD, language=None)))
    assert [row["name"] for row in rows_of(folder)] == ["other"]
    assert "night train: is not in the dataset of corrected lyrics" in caplog.text
    Corrections(results, "de").restore()
    assert [(row["name"], row["language"]) for row in rows_of(folder)] == [("other", "en"), (NAME, "de")]
    assert len(open_dataset(folder / "corrected").songs) == 2


@pytest.mark.parametrize("name", ["C:x", "new\nline", "zero\x01"])
def test_names_that_no_dataset_can_have(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    write_lyrics(tmp_path / f"{name}.json", HEARD, "json")
    write_lyrics(tmp_path / "song.json", HEARD, "json")
    corrections = Corrections(find_results(tmp_path))
    assert corrections.save(name, 0, document(HEARD))[0] == 1
    corrections.save("song", 0, document(HEARD))
    assert [song.id for song in open_dataset(tmp_path / "corrected").songs] == ["song"]
    assert "is not in the dataset of corrected lyrics" in caplog.text


def test_the_lyrics_of_an_instrumental_have_somebody_who_sings(folder: Path) -> None:
    write_lyrics(folder / "empty.json", Lyrics(language="en", duration=30.0), "json")
    corrections = Corrections(find_results(folder))
    corrections.save("empty", 0, document(Lyrics((Line(1.0, 2.0, "la"),), "en", 30.0)))
    assert json.loads((folder / "corrected" / "empty.json").read_text())["vocals_found"]
    # And the other way round: nobody sings where the machine heard somebody.
    corrections.save("other", 0, document(Lyrics((), "en", 50.3)))
    assert (folder / "corrected" / "other.txt").read_text() == ""
    assert len(open_dataset(folder / "corrected").songs) == 2


def test_where_files_cannot_have_two_names(folder: Path, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    ours, theirs = Corrections(results), Corrections(results)
    ours.save(NAME, 0, document(corrected()))
    with pytest.raises(StaleError):
        theirs.save(NAME, 0, document(corrected("theirs")))
    audio = results.songs[1].audio
    copy = folder / "corrected" / ".audio" / f"{NAME}.mp3"
    assert audio is not None
    assert not copy.samefile(audio)
    assert copy.read_bytes() == audio.read_bytes()
    # It is copied once, and again when the song is another one.
    first = copy.stat().st_ino
    ours.save(NAME, 1, document(corrected("two")))
    assert copy.stat().st_ino == first
    audio.write_bytes(b"another song")
    ours.save(NAME, 2, document(corrected("three")))
    assert copy.read_bytes() == b"another song"


def test_a_song_that_is_not_there_does_not_keep_lyrics_from_being_saved(
    folder: Path, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.parent / "songs" / f"{NAME}.mp3").unlink()
    assert Corrections(results).save(NAME, 0, document(corrected()))[0] == 1
    assert "night train.mp3: is missing in the dataset of corrected lyrics" in caplog.text


def test_the_song_stays_in_the_dataset_when_nobody_knows_it_any_more(folder: Path, results: Results) -> None:
    Corrections(results).save(NAME, 0, document(corrected()))
    Corrections(find_results(folder)).save(NAME, 1, document(corrected("two")))
    (song,) = open_dataset(folder / "corrected").songs
    assert song.audio is not None
    assert song.audio.is_file()


def test_lyrics_that_another_hand_edited_become_a_revision(
    folder: Path, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected("ours")))
    write_lyrics(folder / "corrected" / f"{NAME}.json", corrected("by hand"), "json")
    write_lyrics(folder / "corrected" / "other.json", corrected("from elsewhere"), "json")
    with pytest.raises(StaleError):
        corrections.save(NAME, 1, document(corrected("ours again")))
    Corrections(results).restore()
    assert "was edited elsewhere; it is now revision 2" in caplog.text
    assert (corrections.latest(NAME), corrections.latest("other")) == (2, 1)
    assert corrections.load(NAME, 1).transcript.lines[0].text == "ours"
    assert corrections.load("other").transcript.lines[0].text == "from elsewhere"
    assert "by hand" in (folder / "corrected" / f"{NAME}.lrc").read_text()
    assert [str(row["text"]).split("\n")[0] for row in rows_of(folder)] == ["from elsewhere", "by hand"]


def test_what_another_hand_broke_is_not_overwritten(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected()))
    path = folder / "corrected" / f"{NAME}.json"
    path.write_text("{ hours of work")
    for attempt in (corrections.restore, lambda: corrections.save(NAME, 1, document(corrected("two")))):
        with pytest.raises(
            DatasetError, match=r"was not written by `lyricsep review`, and is not lyrics .*move it away"
        ):
            attempt()
    assert path.read_text() == "{ hours of work"
    path.unlink()
    corrections.restore()
    assert lyrics_of(path) == corrected()


def test_files_of_others_are_not_overwritten(folder: Path, results: Results) -> None:
    (folder / "corrected" / "été").mkdir(parents=True)
    (folder / "corrected" / f"{NAME}.lrc").write_text("[00:01.00]by hand\n")
    corrections = Corrections(results)
    with pytest.raises(OutputError, match=r"night train.lrc: exists and was not written by `lyricsep review`"):
        corrections.save(NAME, 0, document(corrected()))
    assert corrections.latest(NAME) == 0


def test_an_unwritable_format_does_not_lose_the_revision(folder: Path, results: Results) -> None:
    corrections = Corrections(results)
    corrections.save(NAME, 0, document(corrected("one")))
    lrc = folder / "corrected" / f"{NAME}.lrc"
    lrc.unlink()
    (lrc / "in the way").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"night train.lrc: cannot be written"):
        corrections.save(NAME, 1, document(corrected("two")))
    assert corrections.load(NAME).transcript.lines[0].text == "two"
    (lrc / "in the way").rmdir()
    lrc.rmdir()
    # The page sends it again, knowing of revision 1 alone.
    assert corrections.save(NAME, 1, document(corrected("two")))[0] == 2
    assert "two" in lrc.read_text()


STEPS = ("replace", "link", "unlink", "mkdir", "chmod", "fsync")
"""What changes the disk, apart from writing into a file."""


def _dying(n_steps: int, *, after: bool) -> None:
    """Let this process be killed at a step: before it, or after it; in writing, half way."""
    left = n_steps

    def count() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def dying(do: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            is_last = count()
            if is_last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return do(*arguments, **options)
            finally:
                if is_last:
                    os.kill(os.getpid(), signal.SIGKILL)

        return step

    def write_text(path: Path, text: str, **_: object) -> int:
        is_last = count()
        path.write_bytes(text.encode()[: len(text) // 2] if is_last else text.encode())
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return len(text)

    for name in STEPS:
        setattr(os, name, dying(getattr(os, name)))
    Path.write_text = write_text  # type: ignore[method-assign, assignment]


def _killed(work: Callable[[], object], n_steps: int, *, after: bool) -> bool:
    """Do work in a process that is killed at a step; False where it ended before."""
    child = os.fork()
    if not child:
        code = 1
        try:
            logging.disable()
            _dying(n_steps, after=after)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the disk: a killed process, unlike a killed machine, loses nothing that was written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _check_whole(folder: Path, results: Results, texts: list[str]) -> None:
    """Check that the last of these texts, or the one before, is what everything says, and all revisions are there."""
    corrections = Corrections(results)
    latest = corrections.latest(NAME)
    assert latest in (len(texts) - 1, len(texts))
    read = [corrections.load(NAME, number).transcript.lines[0].text for number in range(1, latest + 1)]
    assert read == texts[:latest]
    corrections.restore()
    assert corrections.latest(NAME) == latest
    if latest:
        for suffix in ("json", "txt", "lrc", "words.lrc", "vtt"):
            assert read_lyrics(folder / "corrected" / f"{NAME}.{suffix}").text.split("\n")[0] == texts[latest - 1]
        (song,) = open_dataset(folder / "corrected").songs
        assert song.lines[0].text == texts[latest - 1]
        assert song.audio is not None
        assert song.audio.is_file()
    number, _ = corrections.save(NAME, latest, document(corrected("at last")))
    assert corrections.load(NAME).number == number == latest + 1


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("n_before", [0, 2])
def test_killed_at_any_step(folder: Path, results: Results, tmp_path: Path, n_before: int, after: bool) -> None:
    n_steps = 0
    while True:
        n_steps += 1
        texts = [f"text {number}" for number in range(n_before + 1)]
        for base, text in enumerate(texts[:-1]):
            Corrections(results).save(NAME, base, document(corrected(text)))
        save = partial(Corrections(results).save, NAME, n_before, document(corrected(texts[-1])))
        was_killed = _killed(save, n_steps, after=after)
        _check_whole(folder, results, texts)
        (folder / "corrected").rename(tmp_path / f"{n_steps}")
        if not was_killed:
            break
    assert n_steps > 30


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_it_restores(folder: Path, results: Results, tmp_path: Path) -> None:
    n_steps, was_killed = 0, True
    while was_killed:
        n_steps += 1
        Corrections(results).save(NAME, 0, document(corrected("one")))
        write_lyrics(folder / "corrected" / f"{NAME}.json", corrected("by hand"), "json")
        was_killed = _killed(Corrections(results).restore, n_steps, after=False)
        Corrections(results).restore()
        assert Corrections(results).load(NAME, 1).transcript.lines[0].text == "one"
        _check_whole(folder, results, ["one", "by hand"])
        (folder / "corrected").rename(tmp_path / f"{n_steps}")
    assert n_steps > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_many_at_once_lose_nothing(folder: Path, results: Results) -> None:
    def save_ten(who: int) -> None:
        corrections = Corrections(results)
        for turn in range(10):
            for name in (NAME, "other"):
                while True:
                    try:
                        corrections.save(name, corrections.latest(name), document(corrected(f"{who} {turn}")))
                    except StaleError:
                        continue
                    break

    children = []
    for who in range(3):
        child = os.fork()
        if not child:
            code = 1
            try:
                logging.disable()
                save_ten(who)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    corrections = Corrections(results)
    for name in (NAME, "other"):
        saved = [corrections.load(name, number).transcript.lines[0].text for number in range(1, 31)]
        assert sorted(saved) == sorted(f"{who} {turn}" for who in range(3) for turn in range(10))
        assert corrections.latest(name) == 30
        for suffix in ("json", "txt", "lrc"):
            assert read_lyrics(folder / "corrected" / f"{name}.{suffix}").text.split("\n")[0] == saved[-1]
    assert {row["name"]: row["revision"] for row in rows_of(folder)} == {NAME: 30, "other": 30}
