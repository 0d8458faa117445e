"""Running a grid: every hypothesis that is not in the store is made and kept there, song by song.

Each song is transcribed on its own, from the same seed whatever was done before it. So a run that was killed and
resumed gives what an undisturbed one gives, and a song's result never depends on its neighbours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.benchmark.grid import default_options
from lyricsep.datasets.base import Dataset, Song
from lyricsep.datasets.short_form import Passage, groups, merged_lines
from lyricsep.errors import AudioError, DatasetError, LyricsepError
from lyricsep.files import file_digest, shown
from lyricsep.formats import lyrics_from_json, lyrics_to_json, render_lyrics
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.scoring import ActivityCounts, score_activity
from lyricsep.segmentation import rms_envelope
from lyricsep.separators import find_separator
from lyricsep.store import Store, code_version, heard_key, key_of, versions_of
from lyricsep.transcribers import SAMPLE_RATE, Job, WhisperOptions, find_model
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    import torch

    from lyricsep.benchmark.grid import Condition, Grid
    from lyricsep.pipeline import Heard
    from lyricsep.separators import Separator
    from lyricsep.transcribers.whisper import Backend

__all__ = ["Hypothesis", "Runner", "Unit", "passages_of"]

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
    """What came of a unit.

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
    """Give the passages of the reference that a condition transcribes; None where it transcribes the whole song.

    Raises
    ------
    DatasetError
        If the song has no times of lines.
    """
    if condition.segmentation not in ("lines", "groups"):
        return None
    if not song.lines:
        raise DatasetError(f"{song.id}: the dataset has no times of lines, which {condition.segmentation!r} needs")
    lines = merged_lines(song.lines, duration)
    return tuple(lines if condition.segmentation == "lines" else groups(lines))


class Runner:
    """Makes the hypotheses of a grid.

    Parameters
    ----------
    grid : Grid
        What to run.
    datasets : sequence of Dataset
        On what.
    store : Store
        Where results are kept.
    device : torch.device
        Where the models run.
    backend : str
        Who runs Whisper.
    offline : bool
        Never open a connection.
    """

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
        self.device = device
        self.backend = backend
        self.offline = offline
        self.units = [
            Unit(song, condition, seed)
            for dataset in datasets
            for song in dataset.songs
            for condition in grid.conditions
            if condition.separator != "stems" or "vocals" in song.stems
            for seed in grid.seeds
        ]
        self._song: _SongAtHand | None = None
        self._failed: dict[int, Hypothesis] = {}
        self._separators: dict[str, Separator] = {}
        self._digests: dict[Path, str] = {}

    def missing(self) -> list[Unit]:
        """List the units that the store does not hold; those that cannot be looked up count too.

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
        """Give the hypothesis of every unit, in order; what failed is tried again the next time."""
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
        """Give what `run` gave once more, from the store: a long list need not be held."""
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
        if self._song is None or self._song.song is not unit.song:
            self._song = _SongAtHand(unit.song, self)
        began = time.perf_counter()
        try:
            kept = self._transcribe(unit, self._song)
            kept["seconds"] = time.perf_counter() - began
            self.store.save("hypotheses", self.key(unit), kept)
        except LyricsepError as error:
            return Hypothesis(unit, error=str(error), is_new=True)
        return replace(_hypothesis(unit, kept), is_new=True)

    def _transcribe(self, unit: Unit, song: _SongAtHand) -> dict[str, Any]:
        from lyricsep.transcribers.whisper import WhisperTranscriber

        condition = unit.condition
        heard = song.heard(condition.separator)
        transcriber = WhisperTranscriber(self._whisper, self._options(unit))
        passages = passages_of(unit.song, condition, heard.duration)
        if passages is None:
            job = Job(heard.mixture, heard.vocals, song.segments(condition, self.grid), unit.song.language)
            (lyrics,) = transcriber.transcribe([job])
            texts = [render_lyrics(lyrics, "txt")]
            activity = song.activity(lyrics.segments, self.grid.listens_to(condition) or condition.separator)
            return {
                "texts": texts,
                "lyrics": lyrics_to_json(lyrics),
                "duration": heard.duration,
                "activity": activity,
            }
        jobs = [_job(heard, passage, unit.song.language) for passage in passages]
        texts = [lyrics.text for lyrics in transcriber.transcribe(jobs)]
        return {"texts": texts, "lyrics": None, "duration": heard.duration, "activity": None}

    def _options(self, unit: Unit) -> WhisperOptions:
        own = self.grid.transcription.get(unit.condition.segmentation) or default_options(unit.condition.segmentation)
        is_sampled = any(own.temperatures)
        # Without samples every seed gives the same, and is done once.
        return replace(own, mix_back=unit.condition.mix_back, seed=unit.seed if is_sampled else 0)

    @cached_property
    def _whisper(self) -> Backend:
        from lyricsep.transcribers import create_transcriber

        spec = find_model(self.grid.model)
        return create_transcriber(spec, self.device, backend=self.backend, offline=self.offline).backend

    def separator(self, name: str) -> Separator:
        """Load a separator, once."""
        from lyricsep.separators import create_separator

        if name not in self._separators:
            self._separators[name] = create_separator(find_separator(name), self.device, offline=self.offline)
        return self._separators[name]

    def heard_key(self, song: Song, separator: str) -> str:
        """Digest what makes the vocals of a song.

        Raises
        ------
        LyricsepError
            If the song has no audio that can be read.
        """
        spec = find_separator(separator)
        paths = [song.audio, song.stems.get("vocals")] if separator == "stems" else [song.audio]
        return heard_key([self._digest(song, path) for path in paths], [spec], self.device)

    def _digest(self, song: Song, path: Path | None) -> str:
        if path is None:
            raise DatasetError(f"{song.id}: the dataset came without its audio; see `lyricsep datasets show`")
        if path not in self._digests:
            try:
                self._digests[path], _ = file_digest(path)
            except OSError as error:
                raise AudioError(f"{shown(path)}: cannot be read ({error.strerror or error})") from error
        return self._digests[path]

    def key(self, unit: Unit) -> str:
        """Digest all that makes the hypothesis of a unit.

        Raises
        ------
        LyricsepError
            If the song has no audio that can be read.
        """
        condition, listened = unit.condition, self.grid.listens_to(unit.condition)
        return key_of(
            {
                "heard": self.heard_key(unit.song, condition.separator),
                "segmentation": condition.segmentation,
                "lines": unit.song.lines if condition.segmentation in ("lines", "groups") else (),
                "listened": listened and self.heard_key(unit.song, listened),
                "rms_vad": listened and self.grid.rms_vad,
                "options": self._options(unit),
                "language": unit.song.language,
                "model": [content_hash(file) for file in find_model(self.grid.model).files],
                "backend": self.backend,
                "code": code_version(
                    "lyricsep.lyrics",
                    "lyricsep.segmentation",
                    "lyricsep.transcribers",
                    "lyricsep.formats",
                    "lyricsep.scoring.activity",
                    "lyricsep.datasets.short_form",
                    "lyricsep.benchmark.running",
                ),
                "libraries": versions_of("ctranslate2", "openai-whisper"),
            }
        )


class _SongAtHand:
    """The signals of the song that is worked on, as they were kept or made."""

    def __init__(self, song: Song, runner: Runner) -> None:
        self.song = song
        self._runner = runner
        self._heard: dict[str, Heard] = {}
        self._errors: dict[str, LyricsepError] = {}

    def heard(self, separator: str) -> Heard:
        """Give mixture and vocals.

        Raises
        ------
        LyricsepError
            If the song cannot be decoded or separated; the same error again for who asks again.
        """
        if separator in self._errors:
            raise self._errors[separator]
        if separator not in self._heard:
            try:
                self._heard[separator] = self._load(separator) or self._make(separator)
            except LyricsepError as error:
                self._errors[separator] = error
                raise
        return self._heard[separator]

    def segments(self, condition: Condition, grid: Grid) -> list[Segment] | None:
        """Segment the song as the condition says; None leaves it to Whisper."""
        from lyricsep.pipeline import find_vocal_segments

        if condition.segmentation == "native":
            return None
        duration = self.heard(condition.separator).duration
        if condition.segmentation == "fixed":
            n_windows = math.ceil(duration / WINDOW)
            return [Segment(i * WINDOW, min((i + 1) * WINDOW, duration)) for i in range(n_windows)]
        return find_vocal_segments(self.heard(grid.listens_to(condition) or condition.separator), grid.rms_vad)

    def activity(self, segments: Sequence[Segment], separator: str) -> dict[str, float] | None:
        """Compare what was decoded, and the vocals that were listened to, with the lines of the reference."""
        if not self.song.lines:
            return None
        heard = self.heard(separator)
        counts = score_activity(segments, self.song.lines, heard.duration, rms_envelope(heard.vocals))
        return asdict(counts)

    def _load(self, separator: str) -> Heard | None:
        from lyricsep.pipeline import Heard

        store, key = self._runner.store, self._runner.heard_key
        mixture = store.load_signal("mixtures", key(self.song, "none"))
        vocals = mixture if separator == "none" else store.load_signal("vocals", key(self.song, separator))
        return None if mixture is None or vocals is None else Heard(mixture, vocals)

    def _make(self, separator: str) -> Heard:
        from lyricsep.pipeline import hear

        if self.song.audio is None:
            raise DatasetError(f"{self.song.id}: the dataset came without its audio; see `lyricsep datasets show`")
        store, key = self._runner.store, self._runner.heard_key
        heard = hear(self.song.audio, self._runner.separator(separator))
        store.save_signal("mixtures", key(self.song, "none"), heard.mixture)
        if separator != "none":
            store.save_signal("vocals", key(self.song, separator), heard.vocals)
        return heard


def _hypothesis(unit: Unit, kept: dict[str, Any]) -> Hypothesis:
    lyrics = kept["lyrics"] and lyrics_from_json(kept["lyrics"], name=unit.name)
    activity = kept["activity"] and ActivityCounts(**kept["activity"])
    return Hypothesis(unit, tuple(kept["texts"]), lyrics, activity, kept["duration"], kept["seconds"])


def _job(heard: Heard, passage: Passage, language: str) -> Job:
    """Cut a passage out: passages overlap, and each has a text of its own."""
    first, last = round(passage.start * SAMPLE_RATE), round(passage.end * SAMPLE_RATE)
    mixture, vocals = heard.mixture[first:last], heard.vocals[first:last]
    return Job(mixture, vocals, [Segment(0.0, len(mixture) / SAMPLE_RATE)], language)
