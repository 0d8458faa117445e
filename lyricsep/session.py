"""The session: loaded models, and the one composition of the stages.

A stream of songs goes through decoding, separation, segmentation, and transcription or the alignment of known lyrics.
A song that fails does not stop the others. While songs are transcribed, a thread decodes and separates the next one.
Segments of neighbouring songs share a batch, or each song is transcribed on its own, so that its lyrics depend on no
other. With a store, finished results are reused.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lyricsep.aligners import KnownClips, KnownLyrics, LyricsAligner
from lyricsep.audio import Damage, read_names
from lyricsep.documents import LyricsDocument, rounded
from lyricsep.errors import AudioError, LyricsepError
from lyricsep.files import file_digest, shown
from lyricsep.lyrics import NOT_SUNG, Lyrics, Segment
from lyricsep.plan import Plan
from lyricsep.separators import Separator
from lyricsep.signals import Progress, Signals, find_vocal_segments, load_signals
from lyricsep.store import SignalStore, Store
from lyricsep.tables import as_html
from lyricsep.transcribers import SAMPLE_RATE, Clips, LyricsTranscriber

if TYPE_CHECKING:
    from lyricsep.aligners.ctc import CtcModel
    from lyricsep.transcribers.whisper import Backend

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Job:
    """A song to do.

    Parameters
    ----------
    path : Path
        The file; it must exist until the next job is asked for.
    language : str or None
        ISO 639-1 code; None takes the plan's, or detects it.
    source : object
        Handed back with the outcome: whatever the caller knows the song by.
    segmenter : callable, optional
        Segments this song in place of the plan's RMS-VAD; None leaves the windows to Whisper. Its lyrics are not
        looked up in the store.
    apart : bool
        Transcribe each segment as if it were a song; they may overlap.
    known : KnownLyrics or None
        The lyrics, for a plan that aligns.
    before : callable, optional
        Called before the song is decoded, unless the store holds its lyrics; a `LyricsepError` from it fails the
        song.
    stems : mapping
        Files for its stems (`lyricsep.signals.save_stems`), replaced where they exist. The song is then not looked
        up in the stores.
    """

    path: Path
    language: str | None = None
    source: Any = None
    segmenter: Callable[[Signals], Sequence[Segment] | None] | None = None
    apart: bool = False
    known: KnownLyrics | None = None
    before: Callable[[], None] | None = None
    stems: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A song that is done, or that failed.

    Parameters
    ----------
    job : Job
        What was asked for.
    lyrics : Lyrics
        Empty where the song failed, where no vocals were found, or nothing was to be transcribed.
    segments : tuple of Segment or None
        The sung spans; None where the plan does not segment, or the song failed.
    parts : tuple of Lyrics
        Of each segment, for a job whose segments are transcribed apart; `lyrics` is then empty.
    title, artist : str or None
        As the known lyrics state them, else the tags of the file: they are no part of what a store keeps.
    error : LyricsepError or None
        Why it failed.
    damage : tuple of Damage
        Passages that could not be decoded.
    seconds : dict
        Time by stage. Songs share batches: transcription is counted for the song that was finished by it. What is
        decoded while others are transcribed takes its time as well, so the sum may be more than the time that passed.
    signals : Signals or None
        What was transcribed, where the session keeps it.
    fresh : bool
        Whether it was made now; False where the store held it.
    key, versions : str
        What identifies the lyrics, and the versions of the stages that made them, where a store is used.
    digests : tuple of str
        Of the files that were heard, where a store is used.
    """

    job: Job
    lyrics: Lyrics = field(default_factory=Lyrics)
    segments: tuple[Segment, ...] | None = None
    parts: tuple[Lyrics, ...] = ()
    title: str | None = None
    artist: str | None = None
    error: LyricsepError | None = None
    damage: tuple[Damage, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    signals: Signals | None = None
    fresh: bool = True
    key: str = ""
    versions: str = ""
    digests: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The song."""
        return self.job.path

    def unwrap(self) -> Lyrics:
        """Return the lyrics.

        Raises
        ------
        LyricsepError
            What went wrong with this song.
        """
        if self.error:
            raise self.error
        return self.lyrics

    def _repr_html_(self) -> str:
        if self.error:
            return f"<p><b>{as_html(shown(self.path))}</b> failed: {as_html(str(self.error))}</p>"
        took = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.seconds.items())
        damage = f"; {len(self.damage)} passages could not be decoded" if self.damage else ""
        return f"<p><b>{as_html(shown(self.path))}</b> {took}{damage}</p>{self.lyrics._repr_html_()}"


class Models:
    """Loaded models, shared by sessions."""

    def __init__(self) -> None:
        self._separators: list[tuple[object, Separator]] = []
        self._backends: list[tuple[object, Backend]] = []
        self._ctc: list[tuple[object, CtcModel]] = []

    def separator(self, plan: Plan) -> Separator:
        """Return the separator of a plan, loaded once.

        Raises
        ------
        WeightsError, ConfigError
            As `Plan.load_separator`.
        """
        wanted = (plan.separators, plan.query, plan.device)
        return _once(self._separators, wanted, plan.load_separator)

    def transcriber(self, plan: Plan) -> LyricsTranscriber:
        """Return the transcriber of a plan, whose model is loaded once.

        Raises
        ------
        WeightsError, ConfigError
            As `Plan.load_backend`.
        """
        wanted = (plan.model, plan.backend, plan.device)
        from lyricsep.transcribers.whisper import WhisperTranscriber

        return WhisperTranscriber(_once(self._backends, wanted, plan.load_backend), plan.transcription)

    def aligner(self, plan: Plan) -> LyricsAligner:
        """Return the aligner of a plan, whose model is loaded once.

        Raises
        ------
        WeightsError, ConfigError
            As `Plan.load_ctc` and `Plan.load_backend`.
        """
        from lyricsep.aligners.ctc import CtcAligner
        from lyricsep.aligners.whisper import WhisperAligner
        from lyricsep.transcribers.openai_whisper import OpenAIWhisper

        if plan.alignment is None:
            raise ValueError("this plan aligns nothing")
        if plan.aligner:
            return CtcAligner(_once(self._ctc, (plan.aligner, plan.device), plan.load_ctc), plan.alignment)
        backend = _once(self._backends, (plan.model, plan.backend, plan.device), plan.load_backend)
        if not isinstance(backend, OpenAIWhisper):
            raise ValueError("only openai-whisper aligns")
        return WhisperAligner(backend, plan.alignment)


class Session:
    """A plan with its models, loaded when they are first needed.

    Parameters
    ----------
    plan : Plan
        From `lyricsep.plan.resolve`.
    models : Models, optional
        Models of other sessions, to share what is loaded.
    together : bool
        Batch the segments of neighbouring songs; off, a song's lyrics depend on no other song.
    keep_signals : bool
        Hand on what was transcribed with each outcome.
    store : Store, optional
        Where lyrics are looked up and kept.
    refresh : bool
        Make lyrics of an older version anew instead of taking them from the store.
    signals : SignalStore, optional
        Where decoded and separated signals are looked up and kept.
    on_progress : callable, optional
        See `lyricsep.signals.Progress`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        models: Models | None = None,
        together: bool = True,
        keep_signals: bool = False,
        store: Store | None = None,
        refresh: bool = False,
        signals: SignalStore | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.plan = plan
        self.models = models or Models()
        self.together = together
        self.keep_signals = keep_signals
        self.store = store
        self.refresh = refresh
        self.signals = signals
        self._report: Progress = on_progress or _silent
        self._stage, self._doing = ("alignment", "aligning") if plan.alignment else ("transcription", "transcribing")

    def load(self) -> None:
        """Load the models now, so that what is wrong with them fails before the first song."""
        self.models.separator(self.plan)
        if self.plan.makes_lyrics:
            self._lyrics(iter(()))

    def stream(self, jobs: Iterable[Job | Outcome]) -> Iterator[Outcome]:
        """Do songs, as they come.

        Parameters
        ----------
        jobs : iterable of Job
            Read lazily. An `Outcome` among them, of a song that failed before it became a job, is handed on.

        Yields
        ------
        Outcome
            One for every job; one that failed, or that the store held, may come before jobs that were named earlier.

        Raises
        ------
        LyricsepError
            If a model cannot be loaded.
        """
        is_over = False

        def listening(path: Path, stage: str, share: float) -> None:
            if is_over:
                raise _StoppedError
            self._report(path, stage, share)

        coming = self._prepare(jobs, listening)
        with ThreadPoolExecutor(1, "lyricsep-prepare") as ahead:
            try:
                if not self.plan.makes_lyrics:
                    yield from map(self._handed_on, _ahead(coming, ahead))
                else:
                    yield from self._transcribe(_Timed(_ahead(coming, ahead)))
            except _ModelError as error:
                raise error.reason from error
            finally:
                is_over = True

    def _transcribe(self, coming: _Timed) -> Iterator[Outcome]:
        finished: deque[Outcome] = deque()
        started: deque[tuple[Outcome, int]] = deque()

        def clips() -> Iterator[Clips]:
            for outcome in coming:
                parts = self._clips(outcome)
                if parts:
                    self._report(outcome.path, self._doing, 0.0)
                    started.append((self._handed_on(outcome), len(parts)))
                else:
                    finished.append(self._handed_on(outcome))
                del outcome  # the next song needs the room
                while parts:
                    yield parts.pop(0)
                if not self.together:
                    return

        last = time.perf_counter()
        while True:
            parts: list[Lyrics | LyricsepError] = []
            # A transcriber of its own for each call, so that its random numbers start again.
            for lyrics in self._lyrics(clips()):
                parts.append(lyrics)
                outcome, n_parts = started[0]
                if len(parts) < n_parts:
                    continue
                started.popleft()
                seconds = {**outcome.seconds, self._stage: time.perf_counter() - last - coming.waited}
                yield from _drained(finished)
                yield self._finished(replace(outcome, seconds=seconds), parts)
                parts = []
                last, coming.waited = time.perf_counter(), 0.0
            yield from _drained(finished)
            if coming.is_over:
                return

    def _lyrics(self, clips: Iterator[Clips]) -> Iterator[Lyrics | LyricsepError]:
        if self.plan.alignment:
            return self.models.aligner(self.plan).align(cast("Iterator[KnownClips]", clips))
        return self.models.transcriber(self.plan).transcribe(clips)

    def _handed_on(self, outcome: Outcome) -> Outcome:
        """Return an outcome without its signals, unless they are kept."""
        return outcome if self.keep_signals or outcome.signals is None else replace(outcome, signals=None)

    def _clips(self, outcome: Outcome) -> list[Clips]:
        """Return the input of the transcriber for a song; nothing for one that is finished."""
        if outcome.signals is None:
            return []
        mixture, vocals = outcome.signals.mixture, outcome.signals.vocals
        language = outcome.job.language or self.plan.language
        if self.plan.alignment:
            progress = partial(self._report, outcome.path, self._doing)
            known = outcome.job.known or KnownLyrics()
            language = language or known.language
            return [KnownClips(mixture, vocals, outcome.segments, language, progress, known)]
        if not outcome.job.apart:
            progress = partial(self._report, outcome.path, self._doing)
            return [Clips(mixture, vocals, outcome.segments, language, progress)]
        parts = []
        for segment in outcome.segments or ():
            part = slice(round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE))
            whole = [Segment(0.0, len(mixture[part]) / SAMPLE_RATE)]
            parts.append(Clips(mixture[part], vocals[part], whole, language))
        return parts

    def _finished(self, outcome: Outcome, found: Sequence[Lyrics | LyricsepError]) -> Outcome:
        """Return the outcome of a song, kept in the store if there is one."""
        if isinstance(found[0], LyricsepError):
            return replace(outcome, error=found[0], segments=None)
        # What is handed on is what a file holds, whether it was made now or comes from the store.
        parts = [rounded(lyrics) for lyrics in found if isinstance(lyrics, Lyrics)]
        n_lines = sum(len(lyrics.lines) for lyrics in parts)
        logger.info(
            "%s: %s %.1f s, %d lines", shown(outcome.path), self._stage, outcome.seconds[self._stage], n_lines
        )
        if outcome.job.apart:
            return replace(outcome, parts=tuple(parts))
        (lyrics,) = parts
        if lyrics.segments and lyrics.lines and all(NOT_SUNG in line.flags for line in lyrics.lines):
            error = AudioError(
                f"{shown(outcome.path)}: its lyrics are not sung in it",
                hint="check that song and lyrics belong together",
            )
            return replace(outcome, error=error, segments=None)
        outcome = replace(outcome, lyrics=lyrics, segments=lyrics.segments)
        if self.store and outcome.key:
            result = {
                "versions": outcome.versions,
                "lyrics": LyricsDocument.of(lyrics).to_json(),
                "damage": [asdict(damage) for damage in outcome.damage],
                "seconds": {stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
            }
            try:
                self.store.save("lyrics", outcome.key, result)
            except LyricsepError as error:
                return Outcome(outcome.job, error=error)
        return outcome

    def _prepare(self, jobs: Iterable[Job | Outcome], report: Progress) -> Iterator[Outcome]:
        """Decode, separate and segment song after song; what the store holds comes finished, without signals."""
        for job in jobs:
            if isinstance(job, Outcome):
                yield job
                continue
            try:
                outcome = _named(self._prepared(job, report))
            except LyricsepError as error:
                outcome = Outcome(job, error=error)
            yield outcome
            del outcome

    def _prepared(self, job: Job, report: Progress) -> Outcome:
        outcome = Outcome(job)
        if self.store or self.signals:
            outcome = replace(outcome, digests=self.digests(job.path))
        if self.store and job.segmenter is None and not job.stems:
            key = self.plan.lyrics_key(outcome.digests, job.language or self.plan.language, job.known)
            outcome = replace(outcome, key=key, versions=self.plan.versions)
            known = self._known(outcome)
            if known:
                return known
        if job.before:
            job.before()
        laps = [time.perf_counter()]
        signals = self._load_signals(job.path, outcome.digests, report, job.stems)
        if outcome.digests and self.digests(job.path) != outcome.digests:
            raise AudioError(f"{shown(job.path)}: changed while it was read", hint="run again")
        laps.append(time.perf_counter())
        segments: Sequence[Segment] | None = None
        if job.segmenter:
            segments = job.segmenter(signals)
        elif self.plan.segmentation:
            segments = find_vocal_segments(signals, self.plan.segmentation)
        laps.append(time.perf_counter())
        seconds = {"separation": laps[1] - laps[0], "segmentation": laps[2] - laps[1]}
        _log(job.path, signals, segments, seconds)
        return replace(
            outcome,
            segments=None if segments is None else tuple(segments),
            damage=signals.damage,
            seconds=seconds,
            signals=signals,
        )

    def digests(self, path: Path) -> tuple[str, ...]:
        """Compute the digests of the files that are read for a song.

        Raises
        ------
        AudioError
            If one cannot be read.
        """
        paths = [path]
        if self.plan.uses_stems:
            from lyricsep.separators.stems import find_vocals

            paths.append(find_vocals(path))
        return tuple(_digest(file) for file in paths)

    def _known(self, outcome: Outcome) -> Outcome | None:
        """Return what the store holds of a song."""
        kept = self.store.load("lyrics", outcome.key) if self.store else None
        if kept is None or (self.refresh and kept["versions"] != self.plan.versions):
            return None
        lyrics = LyricsDocument.from_json(kept["lyrics"], name=shown(outcome.path)).lyrics
        damage = tuple(Damage(**one) for one in kept["damage"])
        return replace(
            outcome,
            lyrics=lyrics,
            segments=lyrics.segments,
            damage=damage,
            seconds=kept["seconds"],
            fresh=False,
            versions=kept["versions"],
        )

    def load_signals(self, path: Path) -> Signals:
        """Decode and separate a song, or take its signals from their store.

        Raises
        ------
        LyricsepError
            If the song or the separator fails.
        """
        digests = self.digests(path) if self.signals else ()
        try:
            return self._load_signals(path, digests, self._report, {})
        except _ModelError as error:
            raise error.reason from error

    def _load_signals(
        self, path: Path, digests: Sequence[str], report: Progress, stems: Mapping[str, Path]
    ) -> Signals:
        if self.signals and not stems:
            kept = self.signals.load(self.plan.vocals_key(digests), digests, path, report, self.plan.track)
            if kept:
                return kept
        try:
            separator = self.models.separator(self.plan)
        except LyricsepError as error:
            raise _ModelError(error) from error  # no song is to blame
        signals = load_signals(path, separator, track=self.plan.track, stems=stems, on_progress=report)
        if not self.signals:
            return signals
        return self.signals.save(self.plan.vocals_key(digests), digests, signals, self.plan.track)


class _ModelError(Exception):
    """A model cannot be loaded: it carries the error past the songs."""

    def __init__(self, reason: LyricsepError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _StoppedError(Exception):
    """Ends the thread that prepares the next song, in the middle of it."""


class _Timed:
    """Outcomes as they come, and the seconds spent waiting for them since `waited` was last set to 0."""

    def __init__(self, outcomes: Iterator[Outcome]) -> None:
        self._outcomes = outcomes
        self.waited = 0.0
        self.is_over = False

    def __iter__(self) -> Iterator[Outcome]:
        while True:
            began = time.perf_counter()
            outcome = next(self._outcomes, None)
            self.waited += time.perf_counter() - began
            if outcome is None:
                self.is_over = True
                return
            yield outcome
            del outcome


def _ahead(outcomes: Iterator[Outcome], pool: ThreadPoolExecutor) -> Iterator[Outcome]:
    """Yield outcomes while a thread prepares the next one."""
    coming = pool.submit(next, outcomes, None)
    while outcome := coming.result():
        coming = pool.submit(next, outcomes, None)
        yield outcome
        del outcome


def _once(loaded: list[tuple[object, T]], wanted: object, load: Callable[[], T]) -> T:
    """Return what was loaded for something equal, or load it."""
    for known, thing in loaded:
        if known == wanted:
            return thing
    loaded.append((wanted, load()))
    return loaded[-1][1]


def _drained(outcomes: deque[Outcome]) -> Iterator[Outcome]:
    while outcomes:
        yield outcomes.popleft()


def _named(outcome: Outcome) -> Outcome:
    title, artist = None, None
    with suppress(AudioError):  # a file that is gone by now has been read
        title, artist = read_names(outcome.path)
    known = outcome.job.known or KnownLyrics()
    return replace(outcome, title=known.title or title, artist=known.artist or artist)


def _digest(path: Path) -> str:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise AudioError(f"{shown(path)}: is a pipe or a device, which may never end", hint="name a file")
        return file_digest(path)[0]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{shown(path)}: cannot be read ({reason})", hint="check the path") from error


def _log(path: Path, signals: Signals, segments: Sequence[Segment] | None, seconds: dict[str, float]) -> None:
    logger.info(
        "%s: decoding and separation %.1f s for %.1f s of audio", shown(path), seconds["separation"], signals.duration
    )
    if segments is not None:
        logger.info(
            "%s: segmentation %.1f s, %d segments, %.1f s sung",
            shown(path),
            seconds["segmentation"],
            len(segments),
            sum(segment.duration for segment in segments),
        )


def _silent(path: Path, stage: str, share: float) -> None:
    pass
