"""Known lyrics and real songs: Whisper base and spleeter, as the preset fast runs them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lyricsep
from lyricsep.aligners import KnownClips, KnownLine, KnownLyrics
from lyricsep.aligners.whisper import _passages_between
from lyricsep.errors import LyricsepError
from lyricsep.lyrics import NOT_SUNG, Lyrics, Segment
from lyricsep.plan import AlignOptions, resolve
from lyricsep.session import Job, Models, Outcome, Session
from lyricsep.signals import Signals, find_vocal_segments

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example" / "night_train.mp3"
REFERENCE = json.loads(EXAMPLE.with_suffix(".json").read_text(encoding="utf-8"))["lines"]
TEXT = "\n".join(line["text"] for line in REFERENCE)
OTHER_TEXT = """Ground control calls the empty sky
Nobody hears the pilots cry
Machines are humming in the dark
A tiny planet leaves its mark"""


def known(text: str) -> KnownLyrics:
    return KnownLyrics(tuple(KnownLine(row) for row in text.split("\n")))


@pytest.fixture(scope="module")
def session() -> Session:
    options = AlignOptions(preset="fast", language="en", device="cpu", offline=True)
    made = Session(resolve(options), models=Models(), keep_signals=True)
    try:
        made.load()
    except LyricsepError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture(scope="module")
def outcome(session: Session) -> Outcome:
    (found,) = session.stream([Job(EXAMPLE, known=known(TEXT))])
    return found


@pytest.fixture(scope="module")
def signals(outcome: Outcome) -> Signals:
    assert outcome.signals
    return outcome.signals


def align(session: Session, signals: Signals, lyrics: KnownLyrics, language: str | None = "en") -> Lyrics:
    assert session.plan.segmentation
    segments = find_vocal_segments(signals, session.plan.segmentation)
    job = KnownClips(signals.mixture, signals.vocals, segments, language, known=lyrics)
    (found,) = session.models.aligner(session.plan).align([job])
    return found


def starts(lyrics: Lyrics) -> np.ndarray:
    return np.array([line.start for line in lyrics.lines])


def are_near(errors: np.ndarray) -> bool:
    """Return whether all starts are near, but for that of a line whose first word seems to begin in the last note."""
    sizes = np.sort(np.abs(errors))
    return bool(sizes[-2] < 0.3 and sizes[-1] < 1.2)


TRUE_STARTS = np.array([line["start"] for line in REFERENCE])


def test_the_example_comes_back_as_written_with_its_times(outcome: Outcome) -> None:
    lyrics = outcome.unwrap()
    assert lyrics.text == TEXT
    assert [" ".join(word.text for word in line.words) for line in lyrics.lines] == TEXT.split("\n")
    errors = starts(lyrics) - TRUE_STARTS
    assert are_near(errors)
    assert abs(np.median(errors)) < 0.06  # a bias of three ticks
    ends = np.array([line.end for line in lyrics.lines]) - [line["end"] for line in REFERENCE]
    assert np.median(np.abs(ends)) < 0.4
    words = [word for line in lyrics.lines for word in line.words]
    assert all(before.end <= after.start + 1e-6 for before, after in pairwise(words))
    assert all(word.end > word.start for word in words)
    assert np.mean([word.probability for word in words]) > 0.5
    assert not any(line.flags for line in lyrics.lines)
    assert (lyrics.language, set(outcome.seconds)) == ("en", {"separation", "segmentation", "alignment"})


def test_the_same_song_gives_the_same_times(session: Session, signals: Signals, outcome: Outcome) -> None:
    again = align(session, signals, known(TEXT))
    assert np.allclose(starts(again), starts(outcome.lyrics), atol=1e-3)


def test_the_language_is_found(session: Session, signals: Signals) -> None:
    assert align(session, signals, known(TEXT), None).language == "en"


@pytest.mark.parametrize(
    "changed", [TEXT.upper(), TEXT.replace("\n", " "), TEXT.replace(",", " –").replace(".", "!")]
)
def test_the_form_of_the_text_hardly_matters(
    session: Session, signals: Signals, outcome: Outcome, changed: str
) -> None:
    found = align(session, signals, known(changed))
    times = [[w.start for line in lyrics.lines for w in line.words] for lyrics in (found, outcome.lyrics)]
    assert len(times[0]) == len(times[1])
    assert np.median(np.abs(np.subtract(*times))) <= 0.1
    assert np.mean(np.abs(np.subtract(*times)) < 0.3) > 0.9


def test_a_verse_that_is_not_sung_has_no_time(session: Session, signals: Signals) -> None:
    rows = TEXT.split("\n")
    found = align(session, signals, known("\n".join([*rows[:4], *OTHER_TEXT.split("\n"), *rows[4:]])))
    flagged = [NOT_SUNG in line.flags for line in found.lines]
    assert flagged == [False] * 4 + [True] * 4 + [False] * (len(rows) - 4)
    sung = starts(replace(found, lines=tuple(line for line in found.lines if not line.flags)))
    assert are_near(sung - TRUE_STARTS)
    assert all(line.start == line.end == found.lines[3].end for line in found.lines[4:8])


def test_what_is_sung_but_not_written_is_told(session: Session, signals: Signals, outcome: Outcome) -> None:
    assert outcome.unwrap().unwritten == ()
    found = align(session, signals, known("\n".join(TEXT.split("\n")[:5])))
    assert [line.text for line in found.lines] == TEXT.split("\n")[:5]
    heard = [(line.start, line.text.lower()) for line in found.unwritten]
    for true, word in zip(TRUE_STARTS[5:], ("valley", "sun", "waiting", "wheels", "valley"), strict=True):
        assert any(abs(start - true) < 1 and word in text for start, text in heard), word


@pytest.mark.parametrize(
    ("words", "passages"),
    [
        ([], [(1, 9), (12, 20)]),
        ([(2.0, 3.0)], [(3, 9), (12, 20)]),
        ([(2.0, 9.0)], [(3, 9), (12, 20)]),  # a long word, or a short one and another text
        ([(5.0, 5.5), (16.0, 17.5)], [(1, 5), (5.5, 9), (12, 16), (17, 20)]),
        ([(2.9, 3.0), (4.9, 5.9), (7.5, 8.0), (12.5, 13.0), (14.9, 15.9), (17.0, 17.5)], []),
    ],
)
def test_passages_without_words(words: list[tuple[float, float]], passages: list[tuple[float, float]]) -> None:
    """Nobody sings in the last second, nor outside the segments."""
    silence = np.zeros(1000)
    silence[950:] = 1.0
    segments = [Segment(1.0, 9.0), Segment(12.0, 20.0)]
    found = _passages_between(dict(enumerate(words)), segments, silence)
    assert [(one.start, one.end) for one in found] == passages


def test_words_stay_with_lines_whose_times_are_known(session: Session, signals: Signals) -> None:
    shifted = 0.3  # as people tap them
    lines = tuple(
        KnownLine(line["text"], start=line["start"] + shifted, end=line["end"] + shifted) for line in REFERENCE
    )
    found = align(session, signals, KnownLyrics(lines))
    assert np.abs(starts(found) - TRUE_STARTS).max() < 0.3
    assert [line.text for line in found.lines] == [line.text for line in lines]
    assert all(word.probability > 0 for line in found.lines for word in line.words)


def test_lyrics_of_another_song_are_refused(session: Session) -> None:
    (found,) = session.stream([Job(EXAMPLE, known=known(OTHER_TEXT))])
    with pytest.raises(LyricsepError, match="its lyrics are not sung in it"):
        found.unwrap()


def test_nothing_is_sung_without_vocals(session: Session) -> None:
    silence = np.zeros(16_000, np.float32)
    job = KnownClips(silence, silence, [], "en", known=known(TEXT))
    (found,) = session.models.aligner(session.plan).align([job])
    assert (found.segments, found.text) == ((), TEXT)
    assert all(line.flags == (NOT_SUNG,) for line in found.lines)


def test_more_letters_than_the_decoder_takes(session: Session, signals: Signals) -> None:
    """Thirty seconds of very fast words: the letters of a word share its tokens."""
    words = " ".join(["supercalifragilistic"] * 40)
    job = KnownClips(
        signals.mixture[:480_000],
        signals.vocals[:480_000],
        [Segment(0.0, 30.0)],
        "en",
        known=KnownLyrics((KnownLine(words, start=0.0, end=30.0),)),
    )
    (found,) = session.models.aligner(session.plan).align([job])
    times = [word.start for word in found.lines[0].words]
    assert len(times) == 40
    assert times == sorted(times)


def test_lyrics_that_are_too_dense_for_their_lines(session: Session, signals: Signals) -> None:
    """Two lines at one time, at the end of the song: their letters take more ticks than are left."""
    end = signals.duration
    rows = ["All night long the wheels go round and round and round and round again"] * 2
    for start in (end - 0.4, end - 0.01, end + 5):
        lyrics = KnownLyrics(tuple(KnownLine(row, start=start, end=start) for row in rows))
        found = align(session, signals, lyrics)
        assert [line.text for line in found.lines] == rows
        times = [line.start for line in found.lines]
        assert times == sorted(times)
        assert max(line.end for line in found.lines) <= end


@pytest.mark.slow
def test_five_songs_are_aligned_as_well_as_promised(shared: Path) -> None:
    folder = shared / "jamendolyrics"
    languages = {"French": "fr", "Spanish": "es", "German": "de"}
    with (folder / "JamendoLyrics.csv").open(encoding="utf-8") as file:
        songs = list(csv.DictReader(file))
    aligner = lyricsep.Aligner(preset="fast", device="cpu", offline=True)
    figures = []
    for song in songs:
        name = Path(song["Filepath"]).stem
        with (folder / "annotations" / "words" / f"{name}.csv").open(encoding="utf-8") as file:
            true = np.array([float(row["word_start"]) for row in csv.DictReader(file)])
        lyrics = aligner.align(
            folder / "mp3" / song["Filepath"],
            folder / "lyrics" / f"{name}.txt",
            language=languages[song["Language"]],
        )
        errors = np.abs(np.array([word.start for word in lyrics.words]) - true)
        figures.append((errors.mean(), np.median(errors), np.mean(errors <= 0.3), np.mean(errors <= 0.1)))
    mean_error, median_error, within_03, within_01 = np.mean(figures, axis=0)
    assert mean_error <= 0.35
    assert median_error <= 0.08
    assert within_03 >= 0.86
    assert within_01 >= 0.58
