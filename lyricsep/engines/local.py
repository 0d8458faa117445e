"""A batch on this machine: processes that each do one song at a time, watched by this one.

A worker that dies (killed, out of memory) is replaced, and its song is tried once more. A song that takes too long
is given up, with its worker. Workers that outlive this process stop after the song in their hands.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from lyricsep.engines.journal import Record
from lyricsep.engines.work import Delivery, StopError, Task, Work, Worker
from lyricsep.errors import LyricsepError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

__all__ = ["Pool", "Seat", "run_local", "seats_of"]

ATTEMPTS = 2  # at a song whose worker dies
SECONDS_TO_DIE = 5.0  # after which it is killed
STILLBIRTHS = 3  # of workers in a row, before any was ready: then it is not a song's fault
_HAS_MASKS = hasattr(signal, "pthread_sigmask")  # all but Windows
CPU_THREADS = 2  # of a worker without a GPU; more of them help its models little


@dataclass(frozen=True)
class Seat:
    """Where a worker sits.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda:0``, ...
    n_threads : int
        That its models may use.
    """

    device: str
    n_threads: int


def seats_of(device: str, n_workers: int | None = None) -> list[Seat]:
    """Seat workers on this machine: one for each GPU, or as many as its cores bear.

    Parameters
    ----------
    device : str
        ``cuda`` is every GPU, ``cuda:1`` that one; ``cpu`` or ``mps``.
    n_workers : int, optional
        How many; by default one for each GPU, or for every two cores.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device == "cpu":
        n_workers = n_workers or max(1, n_cores // CPU_THREADS)
        return [Seat(device, max(1, n_cores // n_workers))] * n_workers
    devices = [device]
    if device == "cuda":
        import torch

        devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    n_workers = n_workers or len(devices)
    n_threads = max(1, n_cores // n_workers)
    return [Seat(devices[index % len(devices)], n_threads) for index in range(n_workers)]


def run_local(
    tasks: Iterable[Task],
    work: Work,
    delivery: Delivery,
    seats: Sequence[Seat],
    *,
    offline: bool = False,
    time_limit: float | None = None,
) -> Generator[Record, None, None]:
    """Do songs in processes of this machine.

    They import the main module, so a script calls this below ``if __name__ == "__main__":``.

    Parameters
    ----------
    tasks : iterable of Task
        Read as workers become free.
    work, delivery
        What to do, and where to put it.
    seats : sequence of Seat
        A worker for each.
    offline : bool
        Never open a connection.
    time_limit : float, optional
        Seconds that a song may take, that of loading the models included.

    Yields
    ------
    Record
        One for every task, as they end.

    Raises
    ------
    LyricsepError
        If no song could be done: models that cannot be loaded, a full disk, workers that all die at once.
    """
    with Pool(work, delivery, seats, offline=offline, time_limit=time_limit) as pool:
        yield from pool.run(tasks)


@dataclass(eq=False)
class _Chair:
    """A worker's process, and the song in its hands."""

    seat: Seat
    process: BaseProcess
    pipe: Connection
    is_ready: bool = False
    task: Task | None = None
    deadline: float = float("inf")


class Pool:
    """Workers in processes; used in a ``with`` statement, which ends them.

    Parameters
    ----------
    work, delivery, seats, offline, time_limit
        As `run_local`.
    """

    def __init__(
        self,
        work: Work,
        delivery: Delivery,
        seats: Sequence[Seat],
        *,
        offline: bool = False,
        time_limit: float | None = None,
    ) -> None:
        self._made_of = (work, delivery, offline)
        self._time_limit = time_limit or float("inf")
        # A fork would share what threads of this process hold, and CUDA cannot live through one.
        self._context = multiprocessing.get_context("spawn")
        self._chairs = [self._seated(seat) for seat in seats]
        self._deaths: dict[str, int] = {}
        self._n_stillborn = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for chair in self._chairs:
            chair.process.terminate()
        for chair in self._chairs:
            _end(chair)

    def run(self, tasks: Iterable[Task]) -> Iterator[Record]:
        """Do tasks; see `run_local`."""
        coming = iter(tasks)
        again: deque[Task] = deque()
        while True:
            for chair in self._chairs:
                if chair.is_ready and chair.task is None:
                    task = again.popleft() if again else next(coming, None)
                    if task is not None:
                        self._hand(chair, task)
            working = [chair for chair in self._chairs if chair.task or not chair.is_ready]
            if not any(chair.task for chair in working) and not again:
                # Nobody has a song: either all is done, or workers are still on their way.
                task = next(coming, None)
                if task is None:
                    return
                again.append(task)
                continue
            for chair in self._awaited(working):
                record = self._heard_from(chair, again)
                if record is not None:
                    yield record

    def _awaited(self, chairs: Sequence[_Chair]) -> list[_Chair]:
        """Wait for the first of the workers to say something, to die, or to take too long."""
        patience = min(chair.deadline for chair in chairs) - time.monotonic()
        timeout = None if patience == float("inf") else max(0.0, patience)
        heard = connection.wait([thing for c in chairs for thing in (c.pipe, c.process.sentinel)], timeout)
        now = time.monotonic()
        return [c for c in chairs if c.pipe in heard or c.process.sentinel in heard or c.deadline <= now]

    def _heard_from(self, chair: _Chair, again: deque[Task]) -> Record | None:
        try:
            message = chair.pipe.recv() if chair.pipe.poll() else None
        except (EOFError, OSError):
            message = None
        match message:
            case "ready":
                chair.is_ready = True
                self._n_stillborn = 0
                return None
            case Record():
                chair.task, chair.deadline = None, float("inf")
                return message
            case LyricsepError():
                chair.task, chair.deadline = None, float("inf")
                raise message
        return self._lost(chair, again)

    def _lost(self, chair: _Chair, again: deque[Task]) -> Record | None:
        """Replace a worker that died or took too long; its song is tried again, or given up."""
        task, is_late = chair.task, chair.deadline <= time.monotonic()
        if not is_late:
            chair.process.join(SECONDS_TO_DIE)  # its pipe may close first
        _end(chair)
        self._chairs[self._chairs.index(chair)] = self._seated(chair.seat)
        if task is None:
            self._n_stillborn += 1
            if self._n_stillborn >= STILLBIRTHS:
                raise StopError(
                    f"workers die before their first song ({_cause(chair.process)}){_advice(chair.process)}; "
                    "run again then: what is done is kept"
                )
            return None
        record = task.record()
        if is_late:
            return record.failed(f"took longer than {self._time_limit:g} s; raise --time-limit and run again")
        self._deaths[task.id] = self._deaths.get(task.id, 0) + 1
        if self._deaths[task.id] < ATTEMPTS:
            again.append(task)
            return None
        return record.failed(f"its worker died {ATTEMPTS} times ({_cause(chair.process)}){_advice(chair.process)}")

    def _hand(self, chair: _Chair, task: Task) -> None:
        chair.task = task
        chair.deadline = time.monotonic() + self._time_limit
        with suppress(OSError):  # a dead worker is found out in a moment
            chair.pipe.send(task)

    def _seated(self, seat: Seat) -> _Chair:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, seat, *self._made_of), daemon=True)
        # Ctrl-C is for the one who watches; what is blocked here stays blocked there.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _HAS_MASKS else set()
        try:
            process.start()
        finally:
            if _HAS_MASKS:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Chair(seat, process, ours)


def _end(chair: _Chair) -> None:
    # Asked first, so that it can end what it has started itself: commands of recipes.
    chair.process.terminate()
    chair.process.join(SECONDS_TO_DIE)
    chair.process.kill()
    chair.process.join()
    chair.pipe.close()


def _cause(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}, see above"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"{name}, perhaps for lack of memory" if name == "SIGKILL" else name


def _advice(process: BaseProcess) -> str:
    # A worker that ended by itself said why.
    was_killed = process.exitcode is not None and process.exitcode < 0
    return "; use fewer --workers, or a smaller --model" if was_killed else ""


def _work(pipe: Connection, seat: Seat, work: Work, delivery: Delivery, offline: bool) -> None:
    """Be a worker: do what comes through the pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where nothing could be blocked
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through every `finally`
    with suppress(OSError):  # there may be no stderr
        os.dup2(2, 1)  # stdout is for the names of results, whatever libraries print
    import torch

    torch.set_num_threads(seat.n_threads)
    worker = Worker(work, delivery, torch.device(seat.device), offline=offline)
    # Nobody listens any more where the pipe fails; what else goes wrong is for stderr.
    with suppress(EOFError, OSError):
        pipe.send("ready")
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        answer = _answer(worker, task)
        with suppress(OSError):
            pipe.send(answer)


def _answer(worker: Worker, task: Task) -> Any:
    try:
        return worker.do(task)
    except LyricsepError as error:
        return error
