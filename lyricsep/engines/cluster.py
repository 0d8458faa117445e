"""A batch on a Ray cluster: Ray Data spreads the songs over workers on all of its nodes.

It makes workers as there is room for them, feeds them no faster than they work, and does again what was in the hands
of a node that is gone. Only names of songs and records travel through it, never sound. Every node needs lyricsep, and
the songs (or, for URLs, what opens them), the working folder and the folder of results under the same paths.

A song that was done again finds its lyrics in the store: it is transcribed once, whatever is lost.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from lyricsep.engines.journal import Record
from lyricsep.engines.local import CPU_THREADS, Pool, Seat
from lyricsep.engines.work import Delivery, StopError, Task
from lyricsep.errors import ConfigError, LyricsepError, reason_of
from lyricsep.plan import Plan

# Ray tells its makers what it is used for, and its users what only its makers understand.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
SONGS_AT_ONCE = 4  # handed to a worker together: records come in such groups


def run_ray(
    tasks: Sequence[Task],
    plan: Plan,
    delivery: Delivery,
    *,
    address: str | None = None,
    n_workers: int | None = None,
    time_limit: float | None = None,
) -> Generator[Record, None, None]:
    """Do songs on a cluster.

    Parameters
    ----------
    tasks : sequence of Task
        What to do.
    plan, delivery
        As `lyricsep.engines.local.run_local`. On ``cuda`` every worker gets a GPU of its own, on ``cpu`` cores.
    address : str, optional
        Of the cluster (``auto``, ``ray://head:10001``, ``10.0.0.1:6379``); by default one is made on this machine.
    n_workers : int, optional
        The most workers there may be; by default as many as the cluster has room for.
    time_limit
        As `lyricsep.engines.local.run_local`.

    Yields
    ------
    Record
        One for every task, as they end.

    Raises
    ------
    ConfigError
        If Ray is not installed, or there is no such cluster.
    LyricsepError
        If no song could be done.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ConfigError(f"a Ray cluster needs Ray ({error}); pip install 'lyricsep[ray]'") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address:
        _require_reachable(address)
    # A cluster of our own has no use for a dashboard; another's is not ours to configure.
    own: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{address}: no Ray cluster there ({reason_of(error)}); see `ray start`") from error
    try:
        yield from _records(tasks, (plan, delivery, time_limit), n_workers)
    finally:
        ray.shutdown()


def _require_reachable(address: str) -> None:
    """Ask for the port first: Ray waits minutes for one that is not there, and then ends the program."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"{address}: no Ray cluster there ({reason_of(error)}); see `ray start`") from error


def _records(tasks: Sequence[Task], made_of: tuple[Any, ...], n_workers: int | None) -> Generator[Record, None, None]:
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    cores = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    n_threads = min([CPU_THREADS, *(n for n in cores if n)])
    most = n_workers or max(1, sum(n // n_threads for n in cores))
    uses_gpu = made_of[0].device.type == "cuda"
    if uses_gpu:
        most = n_workers or max(1, int(sum(node["Resources"].get("GPU", 0) for node in nodes if node["Alive"])))
    n_together = max(1, min(SONGS_AT_ONCE, len(tasks) // (4 * most)))
    rows = [{"task": pickle.dumps(task)} for task in tasks]
    songs = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // n_together))
    done = songs.map_batches(
        _Worker,
        fn_constructor_args=(made_of, n_threads, os.getcwd()),  # noqa: PTH109
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=n_threads,
        num_gpus=1 if uses_gpu else None,
    )
    stopped = ""
    for row in done.iter_rows():
        answer = pickle.loads(row["answer"])  # noqa: S301 - of our own worker
        if isinstance(answer, Record):
            yield answer
        else:
            # The rest comes without work. Who leaves Ray in the middle is ended by it, a minute after its shutdown.
            stopped = answer
    if stopped:
        raise StopError(stopped)


class _Worker:
    """What Ray calls an actor: a pool of one worker process, which may die without it."""

    def __init__(self, made_of: tuple[Any, ...], n_threads: int, folder: str) -> None:
        os.chdir(folder)  # names of files start there
        plan, delivery, time_limit = made_of
        # Ray shows every actor the GPUs that are its own, from 0.
        seat = Seat("cuda:0" if plan.device.type == "cuda" else str(plan.device), n_threads)
        self._pool = Pool(plan, delivery, [seat], time_limit=time_limit)
        self._stopped = ""

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[bytes]]:
        tasks = [pickle.loads(bytes(task)) for task in batch["task"]]  # noqa: S301 - as `_records` made them
        return {"answer": [pickle.dumps(self._do(task)) for task in tasks]}

    def _do(self, task: Task) -> Record | str:
        """Return the record of a song, or why no other song can be done."""
        if not self._stopped:
            try:
                (record,) = self._pool.run([task])
            except LyricsepError as error:
                self._stopped = str(error)
            else:
                return record
        return self._stopped
