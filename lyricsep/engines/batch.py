"""A batch as a whole: what is left to do, how far it is, and the table of its results."""

from __future__ import annotations

import errno
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.engines.journal import Journal, Record
from lyricsep.engines.work import Delivery, Task, Work, incoming_folder, state_folder
from lyricsep.errors import ConfigError, OutputError
from lyricsep.files import replacing, shown, write_text
from lyricsep.remote import sweep

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Status"]

QUESTIONS_AT_ONCE = 16  # to those who keep remote songs
_LOCKLESS = {errno.ENOLCK, errno.ENOTSUP}  # file systems that know no locks, where two runs do songs twice


@dataclass(frozen=True)
class Status:
    """How far a batch is.

    Parameters
    ----------
    n_songs : int
        Of the list of the last run.
    n_done, n_without_vocals : int
        Songs that are done, and those of them that have no vocals.
    failures : mapping
        Why songs failed, by their ids.
    started : str
        When the last run began, UTC.
    n_recent : int
        Songs that ended since.
    elapsed : float
        Seconds from then to the end of the last of them.
    speed : float
        Seconds of sound in a second, since then; 0 where nothing was transcribed yet.
    """

    n_songs: int
    n_done: int
    n_without_vocals: int
    failures: Mapping[str, str] = field(default_factory=dict)
    started: str = ""
    n_recent: int = 0
    elapsed: float = 0.0
    speed: float = 0.0

    @property
    def n_left(self) -> int:
        """Songs that nothing is known of."""
        return self.n_songs - self.n_done - len(self.failures)

    @property
    def time_left(self) -> float | None:
        """Seconds that the rest may take at this pace; None where there is none yet."""
        return self.elapsed / self.n_recent * self.n_left if self.n_recent else None


class Batch:
    """A folder of results, with the journal of how they came about.

    Parameters
    ----------
    folder : Path
        Where the results are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(state_folder(folder) / "journal.jsonl")
        self._state = state_folder(folder) / "batch.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder, until the block or this process ends.

        Raises
        ------
        ConfigError
            If another run is at work there.
        OutputError
            If the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        path = state_folder(self.folder) / "lock"
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout as error:
            raise ConfigError(
                f"{shown(self.folder)}: another run is at work there (see `lyricsep batch status`); "
                "run again when it has ended, or name another --output"
            ) from error
        except OSError as error:
            if error.errno not in _LOCKLESS:
                raise OutputError(
                    f"{shown(path)}: cannot be made ({error.strerror or error}); check the folder and its permissions"
                ) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, tasks: Sequence[Task], work: Work, delivery: Delivery, device: torch.device) -> list[Task]:
        """Begin a run, or go on with one: write down what it is about, and give what is left to do.

        A song is done if its file, the work and its results are as they were (`Task.is_done`). Copies of remote
        songs that an earlier run left are removed.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        started = datetime.now(UTC).isoformat(timespec="microseconds")
        sweep(incoming_folder(self.folder))
        last = self.journal.last()
        with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
            ask = pool.map if any(task.song.url for task in tasks) else map
            done = ask(lambda task: task.is_done(last.get(task.id), work, delivery, device), tasks)
        todo = [task for task, is_done in zip(tasks, done, strict=True) if not is_done]
        state = {"started": started, "ids": [task.id for task in tasks], "todo": [task.id for task in todo]}
        write_text(self._state, json.dumps(state) + "\n")
        return todo

    def status(self) -> Status:
        """Say how far the last run is, also while it goes on.

        Raises
        ------
        ConfigError
            If no batch ever ran here.
        """
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            started, ids, todo = str(state["started"]), set(state["ids"]), set(state.get("todo", ()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{shown(self.folder)}: no batch ran here; name the --output of one") from error
        records = [
            record
            for record in self.journal.last().values()
            # What is to be done again says nothing of this run.
            if record.id in ids and (record.id not in todo or record.at >= started)
        ]
        done = [record for record in records if record.status == "done"]
        recent = [record for record in records if record.at >= started]
        ends = [datetime.fromisoformat(record.at) for record in recent]
        elapsed = (max(ends) - datetime.fromisoformat(started)).total_seconds() if ends else 0.0
        sound = sum(record.duration for record in recent if record.fresh)
        return Status(
            n_songs=len(ids),
            n_done=len(done),
            n_without_vocals=sum(not record.vocals_found for record in done),
            failures={record.id: record.error for record in records if record.status == "failed"},
            started=started,
            n_recent=len(recent),
            elapsed=elapsed,
            speed=sound / elapsed if elapsed else 0.0,
        )

    @property
    def has_table(self) -> bool:
        """Whether the table of results is as new as the journal, if there is one; a kill may have come between."""
        if not self.journal.path.exists():
            return True
        try:
            return (self.folder / "songs.csv").stat().st_mtime_ns >= self.journal.path.stat().st_mtime_ns
        except OSError:
            return False

    def write_table(self) -> list[Path]:
        """Write what became of every song as ``songs.csv``, and ``songs.parquet`` where pyarrow is installed.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        import pandas as pd

        table = pd.DataFrame(_rows(self.journal.last().values()))
        paths = [self.folder / "songs.csv"]
        with replacing(paths[0]) as temporary:
            table.to_csv(temporary, index=False, errors="surrogateescape")
        if importlib.util.find_spec("pyarrow"):
            paths.append(self.folder / "songs.parquet")
            with replacing(paths[1]) as temporary:
                table.to_parquet(temporary, index=False)
        return paths


def _rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    rows = []
    for record in sorted(records, key=lambda record: record.id):
        row = {
            key: getattr(record, key)
            for key in ("id", "path", "status", "error", "language", "duration", "lines", "doubtful_lines")
        }
        row |= {"vocals_found": record.vocals_found, "damage": record.damage}
        stages = ("separation", "segmentation", "transcription")
        row |= {f"{stage}_seconds": float(record.seconds.get(stage, 0.0)) for stage in stages}
        rows.append({**row, "worker": record.worker, "ended": record.at, "key": record.key})
    return rows
