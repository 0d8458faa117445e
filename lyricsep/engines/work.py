"""The work of a batch, song by song: what the store holds is not done again.

Every song is transcribed on its own, from the same seed, by the same number of threads. So its lyrics depend on
nothing that was done before it: neither on who else is in the batch, nor on how many workers there are, nor on a kill
in the middle.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.engines.journal import Record
from lyricsep.errors import AudioError, LyricsepError, OutputError
from lyricsep.files import file_digest, shown
from lyricsep.formats import file_suffixes, lyrics_from_json, lyrics_to_json, render_lyrics, write_lyrics
from lyricsep.presets import Preset
from lyricsep.remote import put, shown_url, state_of
from lyricsep.separators import Separator, SeparatorSpec, create_separator, find_separator
from lyricsep.store import Store, code_version, heard_key, key_of, versions_of
from lyricsep.transcribers import SAMPLE_RATE, Transcriber, create_transcriber, find_model
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    import torch

    from lyricsep.inputs import SongFile
    from lyricsep.lyrics import Lyrics
    from lyricsep.pipeline import Heard
    from lyricsep.remote import Copy
    from lyricsep.weights import WeightFile

__all__ = ["Delivery", "StopError", "Task", "Work", "Worker", "incoming_folder", "state_folder"]

logger = logging.getLogger(__name__)

# What no song is to blame for: nothing can be written any more.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class StopError(LyricsepError):
    """The whole batch cannot go on; running it again goes on where it stopped."""


@dataclass(frozen=True)
class Work:
    """What is done with a song: all that can change its lyrics, but for its language.

    Parameters
    ----------
    settings : Preset
        Separator, model and their options.
    transcriber : str
        Who runs Whisper.
    query, then : str, optional
        What the separator looks for, and a second separator.
    native : bool
        Leave the windows to Whisper, without segmentation.
    """

    settings: Preset
    transcriber: str
    query: str | None = None
    then: str | None = None
    native: bool = False

    @property
    def separators(self) -> list[SeparatorSpec]:
        """The specifications of the one or two separators."""
        return [find_separator(name) for name in (self.settings.separator, self.then) if name]

    @property
    def weights(self) -> list[WeightFile]:
        """The files of all models."""
        files = [file for spec in self.separators for file in spec.files]
        return [*files, *find_model(self.settings.model).files]

    @property
    def _hashes(self) -> tuple[str, ...]:
        return tuple(content_hash(file) for file in self.weights)

    def heard_key(self, audio: Sequence[str], device: torch.device) -> str:
        """Digest what makes the vocals of a song, of which the digests of its files are given."""
        return key_of({"audio": audio, "by": _makers(self, device, self._hashes)[0]})

    def lyrics_key(self, audio: Sequence[str], device: torch.device, language: str | None) -> str:
        """Digest what makes the lyrics of a song."""
        return key_of(
            {
                "heard": self.heard_key(audio, device),
                "by": _makers(self, device, self._hashes)[1],
                "language": language,
            }
        )

    def load_separator(self, device: torch.device, *, offline: bool) -> Separator:
        """Build the separator, or the chain of two.

        Raises
        ------
        WeightsError, ConfigError
            As `lyricsep.separators.create_separator`.
        """
        spec, then = find_separator(self.settings.separator), find_separator(self.then) if self.then else None
        return create_separator(spec, device, offline=offline, query=self.query, then=then)

    def load_transcriber(self, device: torch.device, *, offline: bool) -> Transcriber:
        """Build the transcriber.

        Raises
        ------
        WeightsError, ConfigError
            As `lyricsep.transcribers.create_transcriber`.
        """
        model, options = find_model(self.settings.model), self.settings.transcription
        return create_transcriber(model, device, options, backend=self.transcriber, offline=offline)


@cache
def _makers(work: Work, device: torch.device, _hashes: tuple[str, ...]) -> tuple[str, str]:
    """Digest what makes vocals and lyrics beside the song: once for the same weights, for it takes a millisecond."""
    vocals = heard_key([], work.separators, device, work.query)
    lyrics = key_of(
        {
            "segmentation": None if work.native else work.settings.segmentation,
            "model": [content_hash(file) for file in find_model(work.settings.model).files],
            "transcriber": work.transcriber,
            "transcription": work.settings.transcription,
            "code": code_version("lyricsep.lyrics", "lyricsep.segmentation", "lyricsep.transcribers"),
            "libraries": versions_of("ctranslate2", "openai-whisper"),
        }
    )
    return vocals, lyrics


@dataclass(frozen=True)
class Delivery:
    """Where results go.

    Parameters
    ----------
    folder : Path
        Of the results; the store lies in it.
    formats : tuple of str
        Of the lyrics.
    overwrite : bool
        Replace files that exist and are not the same; without, songs that have such files fail before any work.
    keep_vocals : bool
        Keep the vocals in the store (FLAC, mono, 16 kHz), so that another transcription does not separate again.
    copy_to : str
        A URL below which results are put too; a song is done when they are there.
    """

    folder: Path
    formats: tuple[str, ...]
    overwrite: bool = False
    keep_vocals: bool = False
    copy_to: str = field(default="", repr=False)

    @property
    def copied_to(self) -> str:
        """Where results are put too, as messages and records may hold it."""
        return shown_url(self.copy_to) if self.copy_to else ""


@dataclass(frozen=True)
class Task:
    """A song to do.

    Parameters
    ----------
    song : SongFile
        The file, and what its results are called.
    language : str or None
        ISO 639-1 code; None lets the song vote.
    """

    song: SongFile
    language: str | None = None

    @property
    def id(self) -> str:
        """What the journal calls it: the name of its results."""
        return shown(self.song.stem)

    def is_done(self, record: Record | None, work: Work, delivery: Delivery, device: torch.device) -> bool:
        """Say whether a record of an earlier run is still true: same file, same work, and the results are there.

        The file is not read: its size and time tell, or of a remote file what its keeper says. Stems beside the song
        are not looked at, so those that use them are never done.
        """
        return (
            record is not None
            and record.status == "done"
            and work.settings.separator != "stems"
            and record.key == work.lyrics_key(record.audio, device, self.language)
            and (not delivery.copy_to or record.copied_to == delivery.copied_to)
            and all(self.song.result(delivery.folder, suffix).exists() for suffix in file_suffixes(delivery.formats))
            and self._is_as_it_was(record)
        )

    def _is_as_it_was(self, record: Record) -> bool:
        if not self.song.url:
            return record.is_of(self.song.path)
        state = record.size, record.version
        # A listing may tell less than the file alone.
        return bool(record.version) and (state == self.song.listed or state == state_of(self.song.url))

    def record(self, copy: Copy | None = None) -> Record:
        """Begin a record; of a remote song, its copy tells what the file is like."""
        record = Record.of(self.id, copy.path if copy else self.song.path)
        return replace(record, path=self.song.name, version=copy.version if copy else "")


def state_folder(folder: Path) -> Path:
    """Name the folder in which a batch keeps its store and its journal, within that of its results."""
    return folder / ".lyricsep"


def incoming_folder(folder: Path) -> Path:
    """Name the folder in which a batch keeps copies of remote songs while they are heard."""
    return state_folder(folder) / "incoming"


class Worker:
    """Does songs, one after the other; models are loaded by the first song that needs them.

    Parameters
    ----------
    work : Work
        What to do.
    delivery : Delivery
        Where to put it.
    device : torch.device
        Where the models run.
    offline : bool
        Never open a connection.
    """

    def __init__(self, work: Work, delivery: Delivery, device: torch.device, *, offline: bool = False) -> None:
        self.work = work
        self.delivery = delivery
        self.device = device
        self.offline = offline
        self.store = Store(state_folder(delivery.folder) / "store")

    @cached_property
    def separator(self) -> Separator:
        """The separator, once it is needed."""
        with _needed_by_all():
            return self.work.load_separator(self.device, offline=self.offline)

    @cached_property
    def transcriber(self) -> Transcriber:
        """The transcriber, once it is needed."""
        with _needed_by_all():
            return self.work.load_transcriber(self.device, offline=self.offline)

    def do(self, task: Task) -> Record:
        """Transcribe a song and write its lyrics, or say why that failed.

        Raises
        ------
        StopError
            If no other song could be done either: a model cannot be had, or the disk is full.
        """
        began = time.perf_counter()
        record = task.record()
        try:
            with task.song.at_hand(incoming_folder(self.delivery.folder)) as copy:
                record = task.record(copy)
                audio = self._digests(copy.path)
                key = self.work.lyrics_key(audio, self.device, task.language)
                kept = self.store.load("lyrics", key)
                fresh = kept is None
                if kept is None:
                    self._refuse_taken(task)
                    kept = self._transcribe(copy.path, audio, task.language)
                    if not record.is_of(copy.path):
                        raise AudioError(f"{shown(copy.path)}: changed while it was heard; run again")
                    self.store.save("lyrics", key, kept)
            lyrics = lyrics_from_json(kept["lyrics"], name=task.id)
            results = self._write(task, lyrics)
            if self.delivery.copy_to:
                put(results, self.delivery.folder, self.delivery.copy_to)
        except StopError:
            raise
        except LyricsepError as error:
            if _is_full(error):
                raise StopError(f"{error}; then run again: what is done is kept") from error
            return record.failed(error)
        return record.done(
            audio=tuple(audio),
            key=key,
            fresh=fresh,
            copied_to=self.delivery.copied_to,
            results=[*map(shown, results)],
            language=lyrics.language,
            duration=round(lyrics.duration, 3),
            lines=len(lyrics.lines),
            doubtful_lines=sum(bool(line.flags) for line in lyrics.lines),
            vocals_found=bool(lyrics.segments),
            damage=len(kept["damage"]),
            seconds={**kept["seconds"], "all": round(time.perf_counter() - began, 3)},
        )

    def _digests(self, song: Path) -> list[str]:
        paths = [song]
        if self.work.settings.separator == "stems":
            from lyricsep.separators.stems import find_vocals

            paths.append(find_vocals(song))
        digests = []
        for path in paths:
            try:
                if path.exists() and not (path.is_file() or path.is_dir()):
                    raise AudioError(f"{shown(path)}: is a pipe or a device, which may never end; name a file")
                digests.append(file_digest(path)[0])
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise AudioError(f"{shown(path)}: cannot be read ({reason}); check the path") from error
        return digests

    def _transcribe(self, song: Path, audio: Sequence[str], language: str | None) -> dict[str, Any]:
        from lyricsep.pipeline import find_vocal_segments
        from lyricsep.transcribers import Job

        laps = [time.perf_counter()]
        heard = self._heard(song, audio)
        laps.append(time.perf_counter())
        segments = None if self.work.native else find_vocal_segments(heard, self.work.settings.segmentation)
        laps.append(time.perf_counter())
        (lyrics,) = self.transcriber.transcribe([Job(heard.mixture, heard.vocals, segments, language)])
        laps.append(time.perf_counter())
        stages = ("separation", "segmentation", "transcription")
        seconds = {stage: round(b - a, 3) for stage, a, b in zip(stages, laps[:-1], laps[1:], strict=True)}
        return {
            "lyrics": lyrics_to_json(lyrics),
            "damage": [asdict(damage) for damage in heard.damage],
            "seconds": seconds,
        }

    def _heard(self, path: Path, audio: Sequence[str]) -> Heard:
        """Separate the song, or take its vocals from the store."""
        from lyricsep.pipeline import hear
        from lyricsep.separators.passthrough import Passthrough

        key = self.work.heard_key(audio, self.device)
        vocals = self.store.load_sound("vocals", key)
        if vocals is not None:
            return replace(hear(path, Passthrough()), vocals=vocals)
        heard = hear(path, self.separator)
        if self.delivery.keep_vocals:
            self.store.save_sound("vocals", key, heard.vocals, SAMPLE_RATE)
            # What is kept is what is used, so that a second run hears the same.
            kept = self.store.load_sound("vocals", key)
            heard = heard if kept is None else replace(heard, vocals=kept)
        return heard

    def _results(self, task: Task) -> list[tuple[str, Path]]:
        formats = self.delivery.formats
        return [
            (name, task.song.result(self.delivery.folder, suffix))
            for name, suffix in zip(formats, file_suffixes(formats), strict=True)
        ]

    def _refuse_taken(self, task: Task) -> None:
        """Refuse before the work what could hardly be written after it."""
        if self.delivery.overwrite:
            return
        for _, path in self._results(task):
            if os.path.lexists(path):
                raise OutputError(
                    f"{shown(path)}: exists already, by other options, another version or another hand; "
                    "add --overwrite to replace it"
                )

    def _write(self, task: Task, lyrics: Lyrics) -> list[Path]:
        title = shown(Path(task.song.stem.name))
        paths = self._results(task)
        if not self.delivery.overwrite:
            for name, path in paths:
                if _holds_another(path, render_lyrics(lyrics, name, title=title)):
                    raise OutputError(
                        f"{shown(path)}: exists already, with other lyrics; add --overwrite to replace it"
                    )
        for name, path in paths:
            write_lyrics(path, lyrics, name, title=title)
        return [path for _, path in paths]


@contextmanager
def _needed_by_all() -> Iterator[None]:
    try:
        yield
    except LyricsepError as error:
        raise StopError(str(error)) from error


def _holds_another(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return os.path.lexists(path)  # where Path.exists would raise, it says no


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
