"""The stream of songs: one that fails costs one, results stay with their songs, the store does nothing twice."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from fake_models import NONE, Batching, FakeModels, Fickle, a_plan, tone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lyricsep import session as session_module
from lyricsep.aligners import KnownLyrics
from lyricsep.errors import AudioError, LyricsepError, OutputError, WeightsError
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.plan import Plan
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import Mixture, Separator
from lyricsep.session import Job, Models, Outcome, Session
from lyricsep.signals import Signals
from lyricsep.store import KeptSignals, KeptVocals, Store
from lyricsep.transcribers import Clips, LyricsTranscriber

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"


def stream(
    paths: Iterable[Path],
    separator: Separator = NONE,
    segmentation: RmsVadOptions | None = PAPER,
    transcriber: LyricsTranscriber | None = None,
    *,
    language: str | None = None,
    **options: Any,
) -> Iterator[Outcome]:
    """Stream songs through fake models."""
    session = Session(a_plan(segmentation), models=FakeModels(separator, transcriber), **options)
    return session.stream(Job(path, language) for path in paths)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six songs of 1 to 6 s."""
    folder = tmp_path_factory.mktemp("songs")
    paths = [folder / f"{seconds}.wav" for seconds in range(1, 7)]
    for seconds, path in enumerate(paths, start=1):
        soundfile.write(path, tone(seconds), 16_000)
    return paths


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    order=st.permutations(range(6)),
    fails=st.sets(st.integers(0, 5)),
    missing=st.sets(st.integers(0, 5)),
    ahead=st.integers(1, 7),
)
def test_results_stay_with_their_songs(
    songs: list[Path], order: list[int], fails: set[int], missing: set[int], ahead: int
) -> None:
    paths = [songs[i].with_suffix(".gone") if i in missing else songs[i] for i in order]
    separator = Fickle(fails_on={songs[i].name for i in fails})
    outcomes = list(stream(paths, separator, RmsVadOptions(), Batching(ahead), language="fr"))
    assert sorted(outcome.path for outcome in outcomes) == sorted(paths)
    results = [outcome for outcome in outcomes if not outcome.error]
    assert [result.path for result in results] == [songs[i] for i in order if i not in fails | missing]
    for result in results:
        assert result.lyrics.text == f"{int(result.path.stem):.2f} s"
        assert result.lyrics.language == "fr"
        assert set(result.seconds) == {"separation", "segmentation", "transcription"}
        assert min(result.seconds.values()) >= 0
    for failure in (outcome for outcome in outcomes if outcome.error):
        assert ("no such file" if failure.path.suffix == ".gone" else "not this one") in str(failure.error)


def test_songs_are_read_as_they_are_needed(songs: list[Path]) -> None:
    read: list[Path] = []

    def names() -> Iterator[Path]:
        for path in songs:
            read.append(path)
            yield path

    outcomes = stream(names(), NONE, PAPER, Batching(2))
    assert read == []
    next(outcomes)
    assert read in (songs[:2], songs[:3]), "those of a batch, and the one that is prepared meanwhile"
    assert len(list(islice(outcomes, 2))) == 2
    assert read in (songs[:4], songs[:5])


def test_the_next_song_is_separated_while_one_is_transcribed(songs: list[Path]) -> None:
    second_is_separated = threading.Event()

    class Announces(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            if mixture.path == songs[1]:
                second_is_separated.set()
            return super().stream(mixture)

    class Waits(Batching):
        def lyrics(self, job: Clips) -> Lyrics:
            assert second_is_separated.wait(timeout=60)
            return super().lyrics(job)

    assert len(list(stream(songs[:2], Announces(), PAPER, Waits(1)))) == 2


def test_who_stops_listening_stops_the_song_that_is_separated(songs: list[Path], tmp_path: Path) -> None:
    n_seconds, begun, n_separated = 600, threading.Event(), 0

    class Slow(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            nonlocal n_separated
            for block in mixture.blocks:
                if mixture.path == long:
                    begun.set()
                    n_separated += block.shape[-1]
                    time.sleep(0.002 * block.shape[-1] / 800)
                yield block

    long = tmp_path / "long.wav"
    soundfile.write(long, tone(n_seconds, 8_000), 8_000)
    outcomes = stream([songs[0], long], Slow(), PAPER, Batching(1))
    next(outcomes)
    assert begun.wait(timeout=60)
    outcomes.close()
    assert 0 < n_separated < n_seconds * 8_000


def test_no_songs_give_nothing() -> None:
    assert list(stream([], NONE, PAPER, Batching(2))) == []


def test_a_bug_is_not_taken_for_a_bad_song(songs: list[Path]) -> None:
    class Buggy(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(stream(songs, Buggy(), PAPER, Batching(1)))


def test_without_segmentation_the_transcriber_gets_the_whole_song(songs: list[Path]) -> None:
    (result,) = stream(songs[:1], NONE, None, Batching(1))
    assert result.error is None
    assert result.segments == ()
    assert result.lyrics.segments == ()


def test_progress_goes_from_stage_to_stage_and_never_back(songs: list[Path]) -> None:
    told: list[tuple[Path, str, float]] = []
    list(stream(songs[3:4], NONE, PAPER, Batching(1), on_progress=lambda *one: told.append(one)))
    assert {path for path, _, _ in told} == {songs[3]}
    stages = [stage for _, stage, _ in told]
    assert stages == sorted(stages), "separating, then transcribing"
    for stage in ("separating", "transcribing"):
        shares = [share for _, one, share in told if one == stage]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_damage_stays_with_its_song(songs: list[Path], tmp_path: Path) -> None:
    samples = tone(4).astype(np.float32)
    samples[16_000:24_000] = np.nan
    soundfile.write(tmp_path / "damaged.wav", samples, 16_000, subtype="FLOAT")
    (tmp_path / "cut.mp3").write_bytes(EXAMPLE.read_bytes()[:100_000])
    paths = [songs[0], tmp_path / "damaged.wav", songs[1], tmp_path / "cut.mp3"]
    by_path = {one.path: one for one in stream(paths, NONE, PAPER, Batching(3))}
    damage = {path.name: getattr(one, "damage", None) for path, one in by_path.items()}
    assert damage["1.wav"] == damage["2.wav"] == ()
    (nan,) = damage["damaged.wav"]
    assert (nan.start, nan.end, nan.reason) == (1.0, 1.5, "non-finite samples (NaN or infinity)")
    (cut,) = damage["cut.mp3"]
    assert cut.reason == "the file ends early"


# One song at a time


class Counting(Batching):
    """Records the clips of each call."""

    def __init__(self, ahead: int = 3) -> None:
        super().__init__(ahead)
        self.calls: list[list[float]] = []

    def transcribe(self, jobs: Iterable[Clips]) -> Iterator[Lyrics]:
        self.calls.append(call := [])
        for lyrics in super().transcribe(jobs):
            call.append(lyrics.duration)
            yield lyrics


@pytest.mark.parametrize("together", [True, False])
def test_song_by_song_the_transcriber_is_called_anew_for_each(songs: list[Path], together: bool) -> None:
    counting = Counting()
    models = FakeModels(Fickle(fails_on=["2.wav"]), counting)
    outcomes = list(Session(a_plan(), models=models, together=together).stream(map(Job, songs[:4])))
    assert [outcome.path for outcome in outcomes if not outcome.error] == [songs[0], songs[2], songs[3]]
    assert [outcome.path for outcome in outcomes if outcome.error] == [songs[1]]
    calls = [call for call in counting.calls if call]
    assert calls == ([[1.0, 3.0, 4.0]] if together else [[1.0], [3.0], [4.0]])
    # A transcriber of its own for each call, because its random numbers start anew with it.
    assert models.n_transcriptions == len(counting.calls)


def test_song_by_song_outcomes_come_in_order(songs: list[Path]) -> None:
    separator = Fickle(fails_on=["2.wav", "5.wav"])
    outcomes = list(stream(songs, separator, PAPER, Counting(), together=False))
    assert [outcome.path for outcome in outcomes] == songs


# What a job may ask for


def test_a_job_segments_in_place_of_the_plan(songs: list[Path]) -> None:
    seen: list[float] = []

    def halves(signals: Signals) -> Sequence[Segment]:
        seen.append(signals.duration)
        return [Segment(0.0, signals.duration / 2), Segment(signals.duration / 2, signals.duration)]

    jobs = [Job(songs[3], segmenter=halves), Job(songs[1], segmenter=lambda _: None), Job(songs[0])]
    halved, whole, plain = Session(a_plan(), models=FakeModels()).stream(jobs)
    assert seen == [4.0]
    assert halved.segments == halved.lyrics.segments == (Segment(0.0, 2.0), Segment(2.0, 4.0))
    assert whole.lyrics.segments == ()
    assert plain.segments == (Segment(0.0, 1.0),)


def test_segments_are_transcribed_apart(songs: list[Path]) -> None:
    """Each as if it were a song; they may overlap."""
    spans = [Segment(0.0, 2.0), Segment(1.0, 2.5), Segment(3.0, 4.0)]
    counting = Counting()
    jobs = [Job(songs[3], "fr", segmenter=lambda _: spans, apart=True), Job(songs[0])]
    apart, plain = Session(a_plan(), models=FakeModels(transcriber=counting)).stream(jobs)
    assert [part.text for part in apart.parts] == ["2.00 s", "1.50 s", "1.00 s"]
    assert [part.segments for part in apart.parts] == [(Segment(0.0, span.duration),) for span in spans]
    assert {part.language for part in apart.parts} == {"fr"}
    assert apart.lyrics == Lyrics()
    assert apart.segments == tuple(spans)
    assert (plain.parts, plain.lyrics.text) == ((), "1.00 s")
    assert counting.calls == [[2.0, 1.5, 1.0, 1.0]]


def test_no_segments_apart_are_no_parts(songs: list[Path]) -> None:
    jobs = [Job(songs[3], segmenter=lambda _: [], apart=True), Job(songs[0])]
    nothing, plain = Session(a_plan(), models=FakeModels()).stream(jobs)
    if nothing.path == songs[0]:
        nothing, plain = plain, nothing
    assert (nothing.parts, nothing.segments, nothing.error, nothing.signals) == ((), (), None, None)
    assert plain.lyrics.text == "1.00 s"


def test_an_outcome_among_the_jobs_is_handed_on(songs: list[Path]) -> None:
    failed = Outcome(Job(Path("far/away.mp3"), source="s3"), error=AudioError("far/away.mp3: no connection"))
    outcomes = list(Session(a_plan(), models=FakeModels()).stream([Job(songs[0]), failed, Job(songs[1])]))
    assert failed in outcomes
    assert [outcome.path for outcome in outcomes if not outcome.error] == songs[:2]
    with pytest.raises(AudioError, match="no connection"):
        failed.unwrap()


def test_what_the_caller_knows_a_song_by_comes_back(songs: list[Path]) -> None:
    sources = [object() for _ in songs]
    jobs = [Job(path, source=source) for path, source in zip(songs, sources, strict=True)]
    outcomes = Session(a_plan(), models=FakeModels()).stream(jobs)
    assert [outcome.job.source for outcome in outcomes] == sources


def test_the_language_of_a_job_comes_before_the_plans(songs: list[Path]) -> None:
    plan = replace(a_plan(), language="de")
    outcomes = Session(plan, models=FakeModels()).stream([Job(songs[0], "fr"), Job(songs[1])])
    assert [outcome.lyrics.language for outcome in outcomes] == ["fr", "de"]


@pytest.mark.parametrize("model", ["tiny.en", ""])
@pytest.mark.parametrize("keeps", [True, False])
def test_signals_are_handed_on_where_they_are_wanted(songs: list[Path], model: str, keeps: bool) -> None:
    session = Session(a_plan(model=model), models=FakeModels(), keep_signals=keeps)
    (outcome,) = session.stream([Job(songs[1])])
    assert outcome.segments == (Segment(0.0, 2.0),)
    assert (outcome.signals is not None) is keeps
    if outcome.signals:
        assert outcome.signals.duration == 2.0


def test_a_plan_without_a_model_segments_and_transcribes_nothing(songs: list[Path]) -> None:
    models = FakeModels(Fickle(fails_on=["2.wav"]))
    outcomes = list(Session(a_plan(model=""), models=models).stream(map(Job, songs[:3])))
    assert [outcome.path for outcome in outcomes] == songs[:3]
    assert [outcome.segments for outcome in outcomes] == [(Segment(0.0, 1.0),), None, (Segment(0.0, 3.0),)]
    assert models.n_transcriptions == 0


def test_before_a_song_a_job_may_refuse_it(songs: list[Path]) -> None:
    def refuse() -> None:
        raise OutputError("1.lrc: exists already")

    jobs = [Job(songs[0], before=refuse), Job(songs[1], before=lambda: None)]
    models = FakeModels()
    outcomes = {outcome.path: outcome for outcome in Session(a_plan(), models=models).stream(jobs)}
    assert str(outcomes[songs[0]].error) == "1.lrc: exists already"
    assert outcomes[songs[1]].error is None
    assert models.n_separations == 1, "refused before any work"


# Models that cannot be loaded


class Broken(FakeModels):
    """Cannot load one of its models."""

    def __init__(self, *, broken: str) -> None:
        super().__init__()
        self.broken = broken

    def separator(self, plan: Plan) -> Separator:
        if self.broken == "separator":
            raise WeightsError("spleeter: could not be downloaded")
        return super().separator(plan)

    def transcriber(self, plan: Plan) -> LyricsTranscriber:
        if self.broken == "transcriber":
            raise WeightsError("base: could not be downloaded")
        return super().transcriber(plan)


@pytest.mark.parametrize("broken", ["separator", "transcriber"])
@pytest.mark.parametrize("with_store", [True, False])
def test_a_model_that_cannot_be_loaded_is_no_songs_fault(
    songs: list[Path], tmp_path: Path, broken: str, with_store: bool
) -> None:
    store = Store(tmp_path) if with_store else None
    session = Session(a_plan(), models=Broken(broken=broken), together=False, store=store)
    with pytest.raises(WeightsError, match="could not be downloaded"):
        list(session.stream(map(Job, songs[:3])))
    with pytest.raises(WeightsError, match="could not be downloaded"):
        session.load()


def test_a_separator_that_cannot_be_loaded_for_one_song(songs: list[Path]) -> None:
    with pytest.raises(WeightsError, match="spleeter: could not be downloaded"):
        Session(a_plan(), models=Broken(broken="separator")).load_signals(songs[0])


def test_models_are_loaded_once_for_equal_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(Plan, "load_separator", lambda _: loaded.append("separator") or NONE)
    monkeypatch.setattr(Plan, "load_backend", lambda _: loaded.append("backend") or SimpleNamespace(name="backend"))
    models, plan = Models(), a_plan()
    for other in (plan, replace(plan, segmentation=PAPER), replace(plan, language="en"), a_plan()):
        assert models.separator(other) is NONE
        models.transcriber(other)
    assert loaded == ["separator", "backend"]
    models.separator(replace(plan, query="drums"))
    models.transcriber(replace(plan, backend="ctranslate2"))
    assert loaded == ["separator", "backend"] * 2


# The store


def kept(tmp_path: Path, models: Models | None = None, **options: Any) -> Session:
    return Session(a_plan(), models=models or FakeModels(), store=Store(tmp_path / "store"), **options)


def test_what_the_store_holds_is_not_made_again(songs: list[Path], tmp_path: Path) -> None:
    models = FakeModels(Fickle(fails_on=["2.wav"]))
    first = list(kept(tmp_path, models).stream(map(Job, songs[:4])))
    assert [outcome.fresh for outcome in first] == [True] * 4
    done = {outcome.path: outcome for outcome in first if not outcome.error}
    models = Broken(broken="separator")  # what fails is tried again, so leave it out
    second = list(kept(tmp_path, models).stream(map(Job, done)))
    assert [outcome.path for outcome in second] == list(done)
    for again in second:
        before = done[again.path]
        assert (again.fresh, before.fresh) == (False, True)
        assert (again.lyrics, again.segments, again.damage) == (before.lyrics, before.segments, before.damage)
        assert again.seconds == pytest.approx(before.seconds, abs=0.001)
        assert (again.key, again.versions, again.digests) == (before.key, before.versions, before.digests)
        assert again.key
        assert again.versions == a_plan().versions
    assert models.n_separations == 0


def test_songs_have_the_names_of_their_tags_or_of_their_lyrics(songs: list[Path], tmp_path: Path) -> None:
    tagged, gone = (shutil.copy(songs[0], tmp_path / name) for name in ("tagged.wav", "gone.wav"))
    with soundfile.SoundFile(tagged, "r+") as file:
        file.seek(0, soundfile.SEEK_END)
        file.title, file.artist = "Title", "Artist"
    known = [None, KnownLyrics(title="Known"), KnownLyrics(artist="Somebody")]
    jobs = [Job(songs[0]), *(Job(tagged, known=each) for each in known)]
    expected = [(None, None), ("Title", "Artist"), ("Known", "Artist"), ("Title", "Somebody")]
    for _ in ("made", "from the store"):
        outcomes = list(kept(tmp_path).stream(jobs))
        assert [(outcome.title, outcome.artist) for outcome in outcomes] == expected
    assert [outcome.fresh for outcome in outcomes] == [False] * 4

    class Removes(Fickle):  # what has been heard needs no file any more
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield from super().stream(mixture)
            gone.unlink(missing_ok=True)

    (outcome,) = stream([gone], Removes())
    assert (outcome.title, outcome.unwrap().text) == (None, "1.00 s")


def test_without_a_store_nothing_is_hashed_or_kept(songs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "file_digest", lambda path: pytest.fail("hashed"))
    (outcome,) = stream(songs[:1])
    assert (outcome.key, outcome.versions, outcome.digests, outcome.fresh) == ("", "", (), True)


@pytest.mark.parametrize(
    ("plan", "language"),
    [
        (replace(a_plan(), segmentation=PAPER), None),
        (replace(a_plan(), transcription=replace(a_plan().transcription, beam_size=2)), None),
        (replace(a_plan(), backend="ctranslate2"), None),
        (replace(a_plan(), query="voice"), None),
        (a_plan(model="base"), None),
        (a_plan(separator="spleeter"), None),
        (a_plan(), "en"),
        (replace(a_plan(), language="en"), None),
    ],
    ids=["segmentation", "transcription", "backend", "query", "model", "separator", "job's language", "language"],
)
def test_whatever_makes_lyrics_makes_other_lyrics(
    songs: list[Path], tmp_path: Path, plan: Plan, language: str | None
) -> None:
    list(kept(tmp_path).stream([Job(songs[0])]))
    (outcome,) = Session(plan, models=FakeModels(), store=Store(tmp_path / "store")).stream([Job(songs[0], language)])
    assert outcome.fresh
    (again,) = kept(tmp_path).stream([Job(songs[0])])
    assert not again.fresh


def test_what_makes_no_difference_finds_what_is_kept(songs: list[Path], tmp_path: Path) -> None:
    list(kept(tmp_path).stream([Job(songs[0])]))
    renamed = tmp_path / "renamed.wav"
    renamed.write_bytes(songs[0].read_bytes())
    plan = replace(a_plan(), preset="fast", offline=True)
    (outcome,) = Session(plan, models=FakeModels(), store=Store(tmp_path / "store")).stream([Job(renamed)])
    assert (outcome.fresh, outcome.path) == (False, renamed)


def test_results_of_another_version_are_made_anew_where_that_is_asked_for(
    songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = a_plan().versions
    list(kept(tmp_path).stream([Job(songs[0])]))
    monkeypatch.setattr(Plan, "versions", property(lambda _: "decoding 2"))
    (older,) = kept(tmp_path).stream([Job(songs[0])])
    assert (older.fresh, older.versions) == (False, versions)
    (newer,) = kept(tmp_path, refresh=True).stream([Job(songs[0])])
    assert (newer.fresh, newer.versions, newer.key) == (True, "decoding 2", older.key)
    (again,) = kept(tmp_path, refresh=True).stream([Job(songs[0])])
    assert (again.fresh, again.versions) == (False, "decoding 2")


def test_lyrics_of_a_segmenter_are_not_looked_up(songs: list[Path], tmp_path: Path) -> None:
    list(kept(tmp_path).stream([Job(songs[0])]))
    for _ in range(2):
        (outcome,) = kept(tmp_path).stream([Job(songs[0], segmenter=lambda _: [Segment(0.0, 0.5)])])
        assert (outcome.fresh, outcome.lyrics.segments, outcome.key) == (True, (Segment(0.0, 0.5),), "")


def test_a_song_that_the_store_holds_is_not_refused(songs: list[Path], tmp_path: Path) -> None:
    list(kept(tmp_path).stream([Job(songs[0])]))
    (outcome,) = kept(tmp_path).stream([Job(songs[0], before=lambda: pytest.fail("asked"))])
    assert not outcome.fresh


@pytest.mark.parametrize("where", ["store", "signals"])
def test_a_song_that_changes_while_it_is_read_fails(songs: list[Path], tmp_path: Path, where: str) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(songs[0].read_bytes())

    class Changes(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield from super().stream(mixture)
            song.write_bytes(songs[1].read_bytes())

    store = Store(tmp_path / "store")
    options: dict[str, Any] = {"store": store} if where == "store" else {"signals": KeptVocals(store, keep=False)}
    session = Session(a_plan(), models=FakeModels(Changes()), **options)
    (outcome,) = session.stream([Job(song)])
    assert str(outcome.error) == f"{song}: changed while it was read; run again"
    assert not store.folder.exists(), "nothing is kept under a key of other bytes"


def test_a_store_that_cannot_be_written_costs_the_song(songs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "store").write_text("", encoding="utf-8")
    outcomes = list(kept(tmp_path).stream(map(Job, songs[:2])))
    assert [type(outcome.error) for outcome in outcomes] == [OutputError] * 2


def test_signals_that_are_kept_are_not_separated_again(songs: list[Path], tmp_path: Path) -> None:
    store, models = KeptSignals(Store(tmp_path)), FakeModels(Fickle())
    session = Session(a_plan(), models=models, keep_signals=True, signals=store)
    (first,) = session.stream([Job(songs[1])])
    (second,) = session.stream([Job(songs[1])])
    assert models.n_separations == 1
    assert first.signals is not None
    assert second.signals is not None
    assert second.fresh, "the lyrics are made anew: only the signals are kept"
    for name in ("mixture", "vocals"):
        np.testing.assert_array_equal(getattr(first.signals, name), getattr(second.signals, name))
    np.testing.assert_array_equal(session.load_signals(songs[1]).vocals, first.signals.vocals)
    assert models.n_separations == 1


# Stems beside the song


def test_the_vocals_beside_a_song_are_part_of_its_digests(songs: list[Path], tmp_path: Path) -> None:
    song, vocals = tmp_path / "song.wav", tmp_path / "song.vocals.wav"
    for path in (song, vocals):
        path.write_bytes(songs[0].read_bytes())
    session = Session(a_plan(separator="stems"), models=FakeModels())
    first = session.digests(song)
    assert len(first) == 2
    vocals.write_bytes(songs[1].read_bytes())
    assert session.digests(song) != first
    assert Session(a_plan(), models=FakeModels()).digests(song) == first[:1]


@pytest.mark.parametrize("problem", ["gone", "pipe"])
def test_a_song_that_cannot_be_hashed_fails(tmp_path: Path, problem: str) -> None:
    song = tmp_path / "song.wav"
    if problem == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(song)
    (outcome,) = kept(tmp_path).stream([Job(song)])
    assert isinstance(outcome.error, AudioError)
    assert "\n" not in str(outcome.error)


def test_an_outcome_is_unwrapped(songs: list[Path]) -> None:
    (done,) = stream(songs[:1])
    assert done.unwrap() is done.lyrics
    (failed,) = stream([songs[0].with_suffix(".gone")])
    with pytest.raises(LyricsepError, match="no such file"):
        failed.unwrap()
    assert (failed.lyrics, failed.segments) == (Lyrics(), None)
