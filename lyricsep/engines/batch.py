"""A batch as a whole: what is left to do, how far it is, and the table of its results."""

from __future__ import annotations

import errno
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from lyricsep.engines.journal import Journal, Record
from lyricsep.engines.local import CPU_THREADS
from lyricsep.engines.work import Delivery, Task, incoming_folder
from lyricsep.errors import ConfigError, LyricsepError, OutputError
from lyricsep.files import file_digest, replacing, shown, write_text
from lyricsep.manifest import state_folder
from lyricsep.plan import About, Plan
from lyricsep.remote import is_url, sweep

ENGINES = ("local", "ray")
QUESTIONS_AT_ONCE = 16  # requests to file systems of remote songs
_LOCKLESS = {errno.ENOLCK, errno.ENOTSUP}  # file systems that know no locks, where two runs do songs twice


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch that do not change its lyrics."""

    engine: Annotated[
        str, About("Where the workers run: local (this machine) or ray (a cluster; needs lyricsep[ray]).")
    ] = "local"
    address: Annotated[
        str | None, About("Address of the Ray cluster: auto, 10.0.0.1:6379, ...", "start one on this machine")
    ] = None
    workers: Annotated[
        int | None,
        About("Number of songs transcribed at the same time.", f"one per GPU, or per {CPU_THREADS} CPU cores", 1),
    ] = None
    time_limit: Annotated[float | None, About("Seconds after which a song fails.", "none", 1.0)] = None
    keep_vocals: Annotated[
        bool, About("Keep the separated vocals (FLAC), which saves separating again with other options.")
    ] = False
    copy_to: Annotated[
        str | None, About("URL to copy all results to (s3://bucket/lyrics, ...); needs lyricsep[remote].", "none")
    ] = None
    overwrite: Annotated[bool, About("Replace existing results, including those of other options.")] = False
    refresh: Annotated[bool, About("Redo results that an older version of a stage made.")] = False
    prune: Annotated[bool, About("Delete results of songs that are no longer listed.")] = False

    def __post_init__(self) -> None:
        """Refuse values that do not go together."""
        if self.engine not in ENGINES:
            raise ConfigError(f"no engine is called {self.engine!r}; choose from {', '.join(ENGINES)}")
        if self.address and self.engine != "ray":
            raise ConfigError("only a Ray cluster has an address", hint="set {engine=ray}, or leave out {address}")
        if self.copy_to and not is_url(self.copy_to):
            raise ConfigError(
                f"{self.copy_to}: expected a URL such as s3://bucket/lyrics", hint="set {copy_to} to a URL"
            )


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
    failures: Mapping[str, LyricsepError] = field(default_factory=dict)
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
        """Seconds that the rest may take at this pace; None before the first song ended."""
        return self.elapsed / self.n_recent * self.n_left if self.n_recent else None


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    Parameters
    ----------
    todo : tuple of Task
        What is left to do.
    n_older : int
        Songs that are done, by an older version of the stages.
    n_gone : int
        Songs of earlier runs, with results, that are no longer among the tasks.
    kept : tuple of str
        Results of those that were not deleted.
    """

    todo: tuple[Task, ...]
    n_older: int
    n_gone: int
    kept: tuple[str, ...]


class Batch:
    """A folder of results, with the journal of how they came about.

    Methods that write raise an `OutputError` if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(state_folder(folder) / "journal.jsonl")
        self._state = state_folder(folder) / "batch.json"
        self._plan = state_folder(folder) / "plan.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder, until the block or this process ends.

        Raises
        ------
        ConfigError
            If another run is at work there.
        """
        from filelock import FileLock, Timeout

        path = state_folder(self.folder) / "lock"
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout as error:
            raise ConfigError(
                f"{shown(self.folder)}: another run is using it (see `lyricsep batch status`)",
                hint="run again when it has ended, or choose another {output}",
            ) from error
        except OSError as error:
            if error.errno not in _LOCKLESS:
                raise OutputError(
                    f"{shown(path)}: cannot be created ({error.strerror or error}); check its permissions"
                ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def unchanged_if_refused(self) -> Iterator[None]:
        """Leave the batch as it was if a `ConfigError` ends the block before the outcome of any song is written."""
        paths = (self._state, self._plan)
        before = [path.read_bytes() if path.exists() else None for path in paths]
        records = list(self.journal)
        try:
            yield
        except ConfigError:
            if list(self.journal) == records:
                for path, content in zip(paths, before, strict=True):
                    if content is None:
                        path.unlink(missing_ok=True)
                    else:
                        path.write_bytes(content)
            raise

    def begin(self, tasks: Sequence[Task], plan: Plan, delivery: Delivery, *, prune: bool = False) -> Beginning:
        """Begin a run, or go on with one: write down what it is about, and find what is left to do.

        A song is done if its file, the plan and its results are as they were (`Task.is_done`). Copies of remote songs
        that an earlier run left are removed.

        Parameters
        ----------
        tasks, plan, delivery
            What to do, how, and where to put it.
        prune : bool
            Delete the results of songs that are not among the tasks, where they are as they were written.

        Raises
        ------
        ConfigError
            If the folder holds results of other options, and the delivery does not overwrite; nothing is changed.
        OutputError
            If the folder cannot be written.
        """
        last = self.journal.last()
        if not delivery.overwrite and any(record.status == "done" for record in last.values()):
            self._refuse_another(plan)
        started = datetime.now(UTC).isoformat(timespec="microseconds")
        sweep(incoming_folder(self.folder))
        tasks = [replace(task, written=last[task.id].results_below()) if task.id in last else task for task in tasks]
        with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
            ask = pool.map if any(task.song.url for task in tasks) else map
            done = list(ask(lambda task: task.is_done(last.get(task.id), plan, delivery), tasks))
        todo = [task for task, is_done in zip(tasks, done, strict=True) if not is_done]
        older = [
            task.id
            for task, is_done in zip(tasks, done, strict=True)
            if is_done and last[task.id].versions != plan.versions
        ]
        state = {"started": started, "ids": [task.id for task in tasks], "todo": [task.id for task in todo]}
        write_text(self._state, json.dumps(state) + "\n")
        write_text(self._plan, json.dumps(plan.describe(), indent=1) + "\n")  # ASCII: options need not be text
        gone = [record for id_, record in last.items() if record.results and id_ not in set(state["ids"])]
        kept = [path for record in gone for path in (self._prune(record) if prune else record.results)]
        return Beginning(tuple(todo), len(older), len(gone), tuple(kept))

    def _refuse_another(self, plan: Plan) -> None:
        """Refuse options other than those of the results that are there, naming what differs."""
        try:
            before = json.loads(self._plan.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return
        if not isinstance(before, dict):
            return
        now = plan.describe()
        kinds = [_kind(before), _kind(now)]
        if kinds[0] != kinds[1]:
            raise ConfigError(
                f"{shown(self.folder)}: holds lyrics that were {kinds[0]}, and in this run they are {kinds[1]}",
                hint="choose another {output}, or set {overwrite=True} to replace them",
            )
        changes = [
            f"{name} {_value(before.get(name))} → {_value(now.get(name))}"
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name)
        ]
        if changes:
            raise ConfigError(
                f"{shown(self.folder)}: holds results of other options ({', '.join(changes)})",
                hint="choose another {output}, or set {overwrite=True} to replace them",
            )

    def _prune(self, record: Record) -> list[str]:
        """Delete the results of a song, and return those that stay because somebody changed them."""
        changed = []
        for name, digest in record.results_below().items():
            path = self.folder / name
            try:
                if file_digest(path)[0] == digest:
                    path.unlink()
                else:
                    changed.append(shown(path))
            except FileNotFoundError:
                pass
            except OSError as error:
                raise OutputError(f"{shown(path)}: cannot be deleted ({error.strerror or error})") from error
        self.journal.add(record.removed())
        return changed

    def status(self) -> Status:
        """Return how far the last run is, also while it goes on; raise a `ConfigError` if no batch ever ran here."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            started, ids, todo = str(state["started"]), set(state["ids"]), set(state.get("todo", ()))
            began = datetime.fromisoformat(started).timestamp()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{shown(self.folder)}: no batch was run in this folder",
                hint="name the {output} folder of `lyricsep batch run`",
            ) from error
        records = [
            record
            for record in self.journal.last().values()
            # What is to be done again says nothing of this run.
            if record.id in ids and (record.id not in todo or record.at >= started)
        ]
        done = [record for record in records if record.status == "done"]
        recent = [record for record in records if record.at >= started]
        ends = [datetime.fromisoformat(record.at).timestamp() for record in recent]
        elapsed = max(ends) - began if ends else 0.0
        sound = sum(record.duration for record in recent if record.fresh)
        return Status(
            n_songs=len(ids),
            n_done=len(done),
            n_without_vocals=sum(not record.vocals_found for record in done),
            failures={record.id: record.failure for record in records if record.failure},
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
        """Write what became of every song as ``songs.csv``, and ``songs.parquet`` where pyarrow is installed."""
        import pandas as pd

        records = [record for record in self.journal.last().values() if record.status != "removed"]
        table = pd.DataFrame(_rows(records))
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
        stages = ("separation", "segmentation", "transcription", "alignment")
        row |= {f"{stage}_seconds": float(record.seconds.get(stage, 0.0)) for stage in stages}
        rows.append(
            {**row, "worker": record.worker, "ended": record.at, "versions": record.versions, "key": record.key}
        )
    return rows


def _kind(described: Mapping[str, Any]) -> str:
    """Return what a described plan does: only a transcription has temperatures."""
    return "transcribed" if "temperatures" in described else "aligned"


def _value(value: object) -> str:
    text = "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 20 else text[:12] + "…"  # hashes of weights
