"""One worker of a batch: songs in, files and records out.

Every song is transcribed on its own, from the same seed, by the same number of threads. So its lyrics depend neither
on the other songs of the batch, nor on the number of workers, nor on a kill in the middle.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.engines.journal import Record
from lyricsep.errors import LyricsepError, OutputError
from lyricsep.files import file_digest, shown
from lyricsep.formats import file_suffixes, render_lyrics, warn_left_out, write_lyrics
from lyricsep.manifest import state_folder
from lyricsep.plan import Plan
from lyricsep.remote import put, shown_url, state_of
from lyricsep.session import Job, Outcome, Session
from lyricsep.store import KeptVocals, Store

if TYPE_CHECKING:
    from lyricsep.aligners import KnownLyrics
    from lyricsep.inputs import SongFile
    from lyricsep.remote import Copy

# What no song is to blame for: nothing can be written any more.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class StopError(LyricsepError):
    """The whole batch cannot go on; running it again goes on where it stopped."""


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
    refresh : bool
        Make lyrics of an older version of the stages anew.
    copy_to : str
        A URL below which results are put too; a song is done when they are there.
    """

    folder: Path
    formats: tuple[str, ...]
    overwrite: bool = False
    keep_vocals: bool = False
    refresh: bool = False
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
        ISO 639-1 code; None takes the plan's, or detects it.
    known : KnownLyrics or LyricsepError or None
        Its lyrics, for a plan that aligns, or why there are none.
    written : mapping
        Files that an earlier run wrote for this song, below the folder of the results, and their sha256: they may
        be replaced while they are as they were written.
    """

    song: SongFile
    language: str | None = None
    known: KnownLyrics | LyricsepError | None = None
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the journal calls it: the name of its results."""
        return shown(self.song.stem)

    def is_done(self, record: Record | None, plan: Plan, delivery: Delivery) -> bool:
        """Return whether a record of an earlier run is still true: same file, same plan, and the results are there.

        The file is not read: its size and time tell, or of a remote file what its file system says. Stems beside the
        song are not looked at, so those that use them are never done. Another version of the stages is no reason to
        do a song again, unless the delivery says so.
        """
        return (
            record is not None
            and record.status == "done"
            and not plan.uses_stems
            and not isinstance(self.known, LyricsepError)
            and record.key == plan.lyrics_key(record.audio, self.language or plan.language, self.known)
            and not (delivery.refresh and record.versions != plan.versions)
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


def incoming_folder(folder: Path) -> Path:
    """Return the folder for copies of remote songs while they are in work."""
    return state_folder(folder) / "incoming"


class Worker:
    """Does songs, one after the other; models are loaded by the first song that needs them."""

    def __init__(self, plan: Plan, delivery: Delivery) -> None:
        self.delivery = delivery
        store = Store(state_folder(delivery.folder) / "store")
        self.session = Session(
            plan,
            together=False,
            store=store,
            refresh=delivery.refresh,
            signals=KeptVocals(store, keep=delivery.keep_vocals),
        )

    def do(self, task: Task) -> Record:
        """Transcribe a song and write its lyrics, or record why that failed.

        Raises
        ------
        StopError
            If no other song could be done either: a model cannot be loaded, or the disk is full.
        """
        began = time.perf_counter()
        record = task.record()
        if isinstance(task.known, LyricsepError):
            return record.failed(task.known)
        try:
            with task.song.local_copy(incoming_folder(self.delivery.folder)) as copy:
                record = task.record(copy)
                outcome = self._outcome(
                    Job(copy.path, task.language, known=task.known, before=partial(self._refuse_taken, task))
                )
                lyrics = outcome.unwrap()
            results = self._write(task, outcome)
            if self.delivery.copy_to:
                put(results, self.delivery.folder, self.delivery.copy_to)
        except StopError:
            raise
        except LyricsepError as error:
            if _is_full(error):
                raise StopError(f"{error}; then run again: finished songs are kept") from error
            return record.failed(error)
        return record.done(
            audio=outcome.digests,
            key=outcome.key,
            versions=outcome.versions,
            fresh=outcome.fresh,
            copied_to=self.delivery.copied_to,
            results={shown(path): digest for path, digest in results.items()},
            language=lyrics.language,
            duration=round(lyrics.duration, 3),
            lines=len(lyrics.lines),
            doubtful_lines=sum(bool(line.flags) for line in lyrics.lines),
            vocals_found=bool(lyrics.segments),
            damage=len(outcome.damage),
            seconds={
                **{stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
                "all": round(time.perf_counter() - began, 3),
            },
        )

    def _outcome(self, job: Job) -> Outcome:
        try:
            (outcome,) = self.session.stream([job])
        except LyricsepError as error:  # of a model: no song is to blame
            raise StopError(str(error.args[0]), hint=error.hint) from error
        return outcome

    def _results(self, task: Task) -> list[tuple[str, Path]]:
        formats = self.delivery.formats
        return [
            (name, task.song.result(self.delivery.folder, suffix))
            for name, suffix in zip(formats, file_suffixes(formats), strict=True)
        ]

    def _refuse_taken(self, task: Task) -> None:
        """Refuse before the work what could hardly be written after it."""
        for _, path in self._results(task):
            if os.path.lexists(path) and not self._may_replace(task, path):
                raise _taken(path)

    def _may_replace(self, task: Task, path: Path) -> bool:
        """Return whether a file that exists is as an earlier run wrote it, or is to be replaced anyway."""
        if self.delivery.overwrite:
            return True
        try:
            return task.written.get(shown(path.relative_to(self.delivery.folder))) == file_digest(path)[0]
        except (OSError, ValueError):
            return False

    def _write(self, task: Task, outcome: Outcome) -> dict[Path, str]:
        """Write the lyrics in every format, and return the sha256 of each file."""
        lyrics, artist = outcome.lyrics, outcome.artist
        title = outcome.title or shown(Path(task.song.stem.name))
        paths = self._results(task)
        for name, path in paths:
            text = render_lyrics(lyrics, name, title=title, artist=artist)
            if _holds_another(path, text) and not self._may_replace(task, path):
                raise _taken(path)
        for name, path in paths:
            write_lyrics(path, lyrics, name, title=title, artist=artist)
        warn_left_out(lyrics, self.delivery.formats, task.song.name)
        return {path: file_digest(path)[0] for _, path in paths}


def _taken(path: Path) -> OutputError:
    return OutputError(
        f"{shown(path)}: exists already, and this batch did not write it or it was changed since",
        hint="set {overwrite=True} to replace it",
    )


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
