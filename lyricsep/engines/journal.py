"""What became of every song of a batch, one line each, appended as it happens.

The journal is what a run goes on from, what ``lyricsep batch status`` reads, and what the table of results is made
of. A line that was cut off by a kill is ignored. A song may have several; the last one counts.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lyricsep.errors import LyricsepError, OutputError
from lyricsep.files import shown


@dataclass(frozen=True)
class Record:
    """What became of a song.

    Parameters
    ----------
    id : str
        The name of its results, without a suffix.
    path : str
        The file, or its URL without what is secret.
    status : {"done", "failed", "removed"}
        An instrumental is done; "removed" are songs whose results `Batch.prune` deleted.
    error, hint : str
        Why it failed, in one line, and what to try (see `lyricsep.errors`).
    fresh : bool
        Whether it was transcribed now; False where the store knew the lyrics.
    key : str
        What identifies the lyrics in the store.
    versions : str
        Versions of the stages that made them (`lyricsep.versions`).
    audio : tuple of str
        Digests of the files that were heard.
    size, mtime_ns : int
        Of the file when it was read, in bytes and nanoseconds; -1 where it could not be read.
    version : str
        Of a remote file, instead of a time; empty where nothing tells one version from another.
    copied_to : str
        Where the results were copied, as messages show it.
    results : mapping
        The files written, and the sha256 of each.
    language : str or None
        ISO 639-1 code.
    duration : float
        Seconds of sound.
    lines, doubtful_lines : int
        Of the lyrics, and those of them with a flag.
    vocals_found : bool
        False for an instrumental.
    damage : int
        Passages that could not be decoded.
    seconds : dict
        Time by stage, as it was when the lyrics were made, and ``all`` of this time.
    worker : str
        Host and process.
    at : str
        When it ended, UTC.
    """

    id: str
    path: str
    status: str = "failed"
    error: str = ""
    hint: str = ""
    fresh: bool = False
    key: str = ""
    versions: str = ""
    audio: tuple[str, ...] = ()
    size: int = -1
    mtime_ns: int = -1
    version: str = ""
    copied_to: str = ""
    results: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    duration: float = 0.0
    lines: int = 0
    doubtful_lines: int = 0
    vocals_found: bool = False
    damage: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: str = ""
    at: str = ""

    @classmethod
    def of(cls, id: str, path: Path) -> Self:  # noqa: A002 - what it is
        """Begin a record: who does it, and what the file is like."""
        try:
            status = path.stat()
            size, mtime_ns = status.st_size, status.st_mtime_ns
        except (OSError, ValueError):
            size = mtime_ns = -1
        return cls(id, shown(path), size=size, mtime_ns=mtime_ns, worker=f"{socket.gethostname()}:{os.getpid()}")

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` and JSON made of a record.

        Raise `KeyError`, `TypeError` or `ValueError` if it is none.
        """
        known = {each.name: entry[each.name] for each in fields(cls)}
        if known["at"]:
            datetime.fromisoformat(known["at"])
        return cls(**{**known, "audio": tuple(known["audio"]), "results": dict(known["results"])})

    def done(self, **facts: Any) -> Self:
        """Return the record of a song that is done."""
        return replace(self, status="done", at=_now(), **facts)

    def failed(self, error: LyricsepError) -> Self:
        """Return the record of a song that failed."""
        return replace(self, status="failed", error=str(error.args[0]), hint=error.hint, at=_now())

    @property
    def failure(self) -> LyricsepError | None:
        """Why it failed; None for a song that is done."""
        return LyricsepError(self.error, hint=self.hint) if self.status == "failed" else None

    def results_below(self) -> dict[str, str]:
        """Return the files written, by their paths below the folder of the results, and the sha256 of each."""
        n_parts = len(Path(self.id).parts)
        return {str(Path(*Path(path).parts[-n_parts:])): digest for path, digest in self.results.items()}

    def removed(self) -> Self:
        """Return the record of a song whose results were deleted."""
        return replace(self, status="removed", results={}, at=_now())

    def is_of(self, path: Path) -> bool:
        """Return whether the file is still as it was."""
        now = Record.of(self.id, path)
        return self.size >= 0 and (self.size, self.mtime_ns) == (now.size, now.mtime_ns)


class Journal:
    """The journal of a batch; its file is made when the first record is added."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Record) -> None:
        """Append a record, for good; raise an `OutputError` if it cannot be written."""
        line = json.dumps(asdict(record)) + "\n"  # ASCII: names of files need not be text
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write at the end of the file: lines of two runs never mix, and a cut one ends before the next.
            with self.path.open("ab") as file:
                if file.tell() and not _ends_in_newline(self.path):
                    line = "\n" + line
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{shown(self.path)}: cannot be written ({error.strerror or error})",
                hint="free some space and run again: finished songs are kept",
            ) from error

    def __iter__(self) -> Iterator[Record]:
        """Yield every record that is whole, in order."""
        try:
            file = self.path.open("rb")
        except OSError:
            return
        with file:
            for line in file:
                try:
                    record = Record.from_entry(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    continue
                yield record

    def last(self) -> dict[str, Record]:
        """Return the last record of every song, by its id."""
        return {record.id: record for record in self}


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
