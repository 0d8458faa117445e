"""Run a grid: hypotheses that are not in the store are made and stored, song by song.

Each song is transcribed on its own, from the same seed whatever was done before it. So a run that was killed and
resumed gives what an undisturbed one gives, and a song's result never depends on its neighbours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.benchmark.grid import default_options
from lyricsep.datasets.base import Dataset, Song
from lyricsep.datasets.short_form import Passage, groups, merged_lines
from lyricsep.documents import LyricsDocument
from lyricsep.errors import DatasetError, LyricsepError
from lyricsep.formats import render_lyrics
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.plan import Plan
from lyricsep.scoring import ActivityCounts, score_activity
from lyricsep.segmentation import rms_envelope
from lyricsep.separators import find_separator
from lyricsep.session import Job, Models, Session
from lyricsep.signals import Signals, find_vocal_segments
from lyricsep.store import KeptSignals, Store, key_of, versions_of
from lyricsep.transcribers import WhisperOptions, find_model
from lyricsep.versions import LYRICS

if TYPE_CHECKING:
    import torch

    from lyricsep.benchmark.grid import Condition, Grid
    from lyricsep.weights import WeightFile

WINDOW = 30.0  # seconds of a fixed segment


@dataclass(frozen=True)
class Unit:
    """One hypothesis of the grid: a song under a condition, with a seed."""

    song: Song
    condition: Condition
    seed: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.song.id}: {self.condition.name}, seed {self.seed}"


@dataclass(frozen=True)
class Hypothesis:
    """The result of a unit.

    Parameters
    ----------
    unit : Unit
        Whose it is.
    texts : tuple of str
        The text of the song, or of each passage of the reference.
    lyrics : Lyrics or None
        With times; None where passages were transcribed, or the unit failed.
    activity : ActivityCounts or None
        The decoded segments, and the envelope of the vocals they come from, against the reference's lines; None
        where passages were transcribed or the dataset has no times of lines.
    duration : float
        Length of the song in seconds.
    seconds : float
        What transcription took when it was done.
    error : str
        Why there is none; empty for a success.
    is_new : bool
        Made now, not found in the store.
    """

    unit: Unit
    texts: tuple[str, ...] = ()
    lyrics: Lyrics | None = None
    activity: ActivityCounts | None = None
    duration: float = 0.0
    seconds: float = 0.0
    error: str = ""
    is_new: bool = False


def passages_of(song: Song, condition: Condition, duration: float) -> tuple[Passage, ...] | None:
    """Return the passages of the reference that a condition transcribes; None where it transcribes the whole song.

    Raise a `DatasetError` if the song has no times of lines.
    """
    if condition.segmentation not in ("lines", "groups"):
        return None
    if not song.lines:
        raise DatasetError(f"{song.id}: the dataset has no line times, which {condition.segmentation!r} needs")
    lines = merged_lines(song.lines, duration)
    return tuple(lines if condition.segmentation == "lines" else groups(lines))


class Runner:
    """Makes the hypotheses of a grid over datasets, or finds them in the store."""

    def __init__(
        self,
        grid: Grid,
        datasets: Sequence[Dataset],
        store: Store,
        device: torch.device,
        *,
        backend: str,
        offline: bool = False,
    ) -> None:
        self.grid = grid
        self.store = store
        self.units = [
            Unit(song, condition, seed)
            for dataset in datasets
            for song in dataset.songs
            for condition in grid.conditions
            if condition.separator != "stems" or "vocals" in song.stems
            for seed in grid.seeds
        ]
        names = {condition.separator for condition in grid.conditions}
        names |= {name for name in map(grid.listens_to, grid.conditions) if name}
        base = Plan("", (), device, None, model=find_model(grid.model), backend=backend, offline=offline)
        self._plans = {name: replace(base, separators=(find_separator(name),)) for name in names}
        self._models = Models()
        self._failed: dict[int, Hypothesis] = {}
        self._digests: dict[tuple[str, Path], tuple[str, ...]] = {}

    @property
    def weights(self) -> list[WeightFile]:
        """The files of all models."""
        files = [file for name in sorted(self._plans) for file in self._plans[name].separators[0].files]
        model = next(iter(self._plans.values())).model
        return [*files, *(model.files if model else ())]

    def missing(self) -> list[Unit]:
        """Return the units that are not in the store; those that cannot be looked up count too.

        Seeds of what is not sampled are one.
        """
        missing: dict[str, Unit] = {}
        for unit in self.units:
            if self._found(unit) is None:
                try:
                    missing.setdefault(self.key(unit), unit)
                except LyricsepError:
                    missing[unit.name] = unit
        return list(missing.values())

    def run(self, on_start: Callable[[Unit], None] | None = None) -> Iterator[Hypothesis]:
        """Yield the hypothesis of every unit, in order; what failed is tried again the next time."""
        for index, unit in enumerate(self.units):
            found = self._found(unit)
            if found is None:
                if on_start:
                    on_start(unit)
                found = self._make(unit)
                if found.error:
                    self._failed[index] = found
            yield found

    def results(self) -> Iterator[Hypothesis]:
        """Yield the hypotheses of `run` again, from the store, so that they need not stay in memory."""
        for index, unit in enumerate(self.units):
            gone = Hypothesis(unit, error="its result is gone from the store; run again")
            yield self._failed.get(index) or self._found(unit) or gone

    def _found(self, unit: Unit) -> Hypothesis | None:
        try:
            kept = self.store.load("hypotheses", self.key(unit))
        except LyricsepError:
            return None
        return None if kept is None else _hypothesis(unit, kept)

    def _make(self, unit: Unit) -> Hypothesis:
        began = time.perf_counter()
        try:
            kept = self._transcribe(unit)
            kept["seconds"] = time.perf_counter() - began
            self.store.save("hypotheses", self.key(unit), kept)
        except LyricsepError as error:
            return Hypothesis(unit, error=str(error), is_new=True)
        return replace(_hypothesis(unit, kept), is_new=True)

    def _transcribe(self, unit: Unit) -> dict[str, Any]:
        apart = unit.condition.segmentation in ("lines", "groups")
        job = Job(_audio(unit.song), unit.song.language, segmenter=self._segmenter(unit), apart=apart)
        (outcome,) = self._session(self._plan(unit)).stream([job])
        lyrics = outcome.unwrap()
        signals = outcome.signals
        assert signals is not None  # noqa: S101 - the session keeps them
        if apart:
            texts = [part.text for part in outcome.parts]
            return {"texts": texts, "lyrics": None, "duration": signals.duration, "activity": None}
        return {
            "texts": [render_lyrics(lyrics, "txt")],
            "lyrics": LyricsDocument.of(lyrics).to_json(),
            "duration": signals.duration,
            "activity": self._activity(unit, lyrics.segments, signals),
        }

    def _segmenter(self, unit: Unit) -> Callable[[Signals], Sequence[Segment] | None] | None:
        """Return what segments a song under a condition; None leaves it to the plan."""
        match unit.condition.segmentation:
            case "fixed":
                return _windows
            case "lines" | "groups":
                return partial(_passage_spans, unit)
            case "rms-vad" if self._listened(unit):
                return lambda signals: find_vocal_segments(self._listened_signals(unit, signals), self.grid.rms_vad)
        return None

    def _activity(self, unit: Unit, segments: Sequence[Segment], signals: Signals) -> dict[str, float] | None:
        """Compare the decoded segments, and the vocals that were segmented, with the lines of the reference."""
        if not unit.song.lines:
            return None
        envelope = rms_envelope(self._listened_signals(unit, signals).vocals)
        return asdict(score_activity(segments, unit.song.lines, signals.duration, envelope))

    def _listened(self, unit: Unit) -> str | None:
        """Return the separator whose vocals are segmented, where it is not the one whose vocals are transcribed."""
        name = self.grid.listens_to(unit.condition)
        return name if name != unit.condition.separator else None

    def _listened_signals(self, unit: Unit, signals: Signals) -> Signals:
        listened = self._listened(unit)
        return self._session(self._plans[listened]).load_signals(_audio(unit.song)) if listened else signals

    def _session(self, plan: Plan) -> Session:
        return Session(plan, models=self._models, together=False, keep_signals=True, signals=KeptSignals(self.store))

    def _plan(self, unit: Unit) -> Plan:
        is_segmented = unit.condition.segmentation == "rms-vad"
        return replace(
            self._plans[unit.condition.separator],
            segmentation=self.grid.rms_vad if is_segmented else None,
            transcription=self._options(unit),
        )

    def _options(self, unit: Unit) -> WhisperOptions:
        segmentation = unit.condition.segmentation
        options = self.grid.transcription.get(segmentation) or default_options(segmentation)
        # Without sampling all seeds give the same result, so one is enough.
        seed = unit.seed if any(options.temperatures) else 0
        return replace(options, mix_back=unit.condition.mix_back, seed=seed)

    def key(self, unit: Unit) -> str:
        """Return the key of a unit's hypothesis: all that makes it, the versions of stages and libraries included.

        Raise a `LyricsepError` if the song has no audio that can be read.
        """
        plan, listened = self._plan(unit), self._listened(unit)
        return key_of(
            {
                "lyrics": plan.lyrics_key(self._audio_digests(unit, plan), unit.song.language),
                "segmentation": unit.condition.segmentation,
                "lines": unit.song.lines if unit.condition.segmentation in ("lines", "groups") else (),
                "listened": listened
                and self._plans[listened].vocals_key(self._audio_digests(unit, self._plans[listened])),
                "versions": LYRICS,
                "libraries": versions_of("av", "ctranslate2", "demucs", "numpy", "openai-whisper", "soxr", "torch"),
            }
        )

    def _audio_digests(self, unit: Unit, plan: Plan) -> tuple[str, ...]:
        path = _audio(unit.song)
        known = (plan.separators[0].name if plan.uses_stems else "", path)
        if known not in self._digests:
            self._digests[known] = self._session(plan).digests(path)
        return self._digests[known]


def _audio(song: Song) -> Path:
    if song.audio is None:
        raise DatasetError(f"{song.id}: the dataset has no audio for it; `lyricsep datasets show` lists what it has")
    return song.audio


def _windows(signals: Signals) -> list[Segment]:
    """Cut a song into windows of 30 s."""
    n_windows = math.ceil(signals.duration / WINDOW)
    return [Segment(i * WINDOW, min((i + 1) * WINDOW, signals.duration)) for i in range(n_windows)]


def _passage_spans(unit: Unit, signals: Signals) -> list[Segment]:
    passages = passages_of(unit.song, unit.condition, signals.duration) or ()
    return [Segment(passage.start, passage.end) for passage in passages]


def _hypothesis(unit: Unit, kept: dict[str, Any]) -> Hypothesis:
    lyrics = kept["lyrics"] and LyricsDocument.from_json(kept["lyrics"], name=unit.name).lyrics
    activity = kept["activity"] and ActivityCounts(**kept["activity"])
    return Hypothesis(unit, tuple(kept["texts"]), lyrics, activity, kept["duration"], kept["seconds"])
