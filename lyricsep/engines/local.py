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
from dataclasses import dataclass, replace
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from lyricsep.engines.journal import Record
from lyricsep.engines.work import Delivery, StopError, Task, Worker
from lyricsep.errors import LyricsepError
from lyricsep.plan import Plan
from lyricsep.terminal import make_room

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

ATTEMPTS = 2  # at a song whose worker dies
SECONDS_TO_DIE = 5.0  # after which it is killed
FAILED_STARTS = 3  # of workers in a row, before any was ready: then it is not a song's fault
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
    plan: Plan,
    delivery: Delivery,
    seats: Sequence[Seat],
    *,
    time_limit: float | None = None,
) -> Generator[Record, None, None]:
    """Do songs in processes of this machine.

    They import the main module, so a script calls this below ``if __name__ == "__main__":``.

    Parameters
    ----------
    tasks : iterable of Task
        Read as workers become free.
    plan, delivery
        What to do, and where to put it.
    seats : sequence of Seat
        A worker for each.
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
    with Pool(plan, delivery, seats, time_limit=time_limit) as pool:
        yield from pool.run(tasks)


@dataclass(eq=False)
class _Process:
    """A worker's process, and the song it works on."""

    seat: Seat
    process: BaseProcess
    pipe: Connection
    is_ready: bool = False
    task: Task | None = None
    deadline: float = float("inf")


class Pool:
    """Workers in processes, made of the arguments of `run_local`; used in a ``with`` statement, which ends them."""

    def __init__(
        self,
        plan: Plan,
        delivery: Delivery,
        seats: Sequence[Seat],
        *,
        time_limit: float | None = None,
    ) -> None:
        self._made_of = (plan, delivery)
        self._time_limit = time_limit or float("inf")
        # A fork would share what threads of this process hold, and CUDA cannot live through one.
        self._context = multiprocessing.get_context("spawn")
        self._workers = [self._started(seat) for seat in seats]
        self._deaths: dict[str, int] = {}
        self._n_failed_starts = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            _end(worker)

    def run(self, tasks: Iterable[Task]) -> Iterator[Record]:
        """Do tasks; see `run_local`."""
        coming = iter(tasks)
        again: deque[Task] = deque()
        while True:
            for worker in self._workers:
                if worker.is_ready and worker.task is None:
                    task = again.popleft() if again else next(coming, None)
                    if task is not None:
                        self._hand(worker, task)
            working = [worker for worker in self._workers if worker.task or not worker.is_ready]
            if not any(worker.task for worker in working) and not again:
                # Nobody has a song: either all is done, or workers are still on their way.
                task = next(coming, None)
                if task is None:
                    return
                again.append(task)
                continue
            for worker in self._awaited(working):
                record = self._message_of(worker, again)
                if record is not None:
                    yield record

    def _awaited(self, workers: Sequence[_Process]) -> list[_Process]:
        """Wait for the first of the workers to say something, to die, or to take too long."""
        patience = min(worker.deadline for worker in workers) - time.monotonic()
        timeout = None if patience == float("inf") else max(0.0, patience)
        heard = connection.wait([thing for c in workers for thing in (c.pipe, c.process.sentinel)], timeout)
        now = time.monotonic()
        return [c for c in workers if c.pipe in heard or c.process.sentinel in heard or c.deadline <= now]

    def _message_of(self, worker: _Process, again: deque[Task]) -> Record | None:
        try:
            message = worker.pipe.recv() if worker.pipe.poll() else None
        except (EOFError, OSError):
            message = None
        match message:
            case "ready":
                worker.is_ready = True
                self._n_failed_starts = 0
                return None
            case Record():
                worker.task, worker.deadline = None, float("inf")
                return message
            case LyricsepError():
                worker.task, worker.deadline = None, float("inf")
                raise message
        return self._lost(worker, again)

    def _lost(self, worker: _Process, again: deque[Task]) -> Record | None:
        """Replace a worker that died or took too long; its song is tried again, or given up."""
        task, is_late = worker.task, worker.deadline <= time.monotonic()
        if not is_late:
            worker.process.join(SECONDS_TO_DIE)  # its pipe may close first
        _end(worker)
        self._workers[self._workers.index(worker)] = self._started(worker.seat)
        if task is None:
            self._n_failed_starts += 1
            if self._n_failed_starts >= FAILED_STARTS:
                raise StopError(
                    f"workers stop before their first song ({_cause(worker.process)})",
                    hint=_advice(worker.process) + "run again: finished songs are kept",
                )
            return None
        record = task.record()
        if is_late:
            limit = f"took longer than {self._time_limit:g} s"
            return record.failed(LyricsepError(limit, hint="raise {time_limit} and run again"))
        self._deaths[task.id] = self._deaths.get(task.id, 0) + 1
        if self._deaths[task.id] < ATTEMPTS:
            again.append(task)
            return None
        deaths = f"its worker stopped {ATTEMPTS} times ({_cause(worker.process)})"
        return record.failed(LyricsepError(deaths, hint=_advice(worker.process).removesuffix("; ")))

    def _hand(self, worker: _Process, task: Task) -> None:
        worker.task = task
        worker.deadline = time.monotonic() + self._time_limit
        with suppress(OSError):  # a dead worker is found out in a moment
            worker.pipe.send(task)

    def _started(self, seat: Seat) -> _Process:
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
        return _Process(seat, process, ours)


def _end(worker: _Process) -> None:
    # Asked first, so that it can end what it has started itself: commands of recipes.
    worker.process.terminate()
    worker.process.join(SECONDS_TO_DIE)
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _cause(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}, see above"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"{name}, probably out of memory" if name == "SIGKILL" else name


def _advice(process: BaseProcess) -> str:
    # A worker that ended by itself said why.
    was_killed = process.exitcode is not None and process.exitcode < 0
    return "use fewer {workers} or a smaller {model}; " if was_killed else ""


def _work(pipe: Connection, seat: Seat, plan: Plan, delivery: Delivery) -> None:
    """Worker process: run tasks read from the pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where nothing could be blocked
    make_room()
    with suppress(OSError):  # there may be no stderr
        os.dup2(2, 1)  # stdout is for the names of results, whatever libraries print
    import torch

    torch.set_num_threads(seat.n_threads)
    worker = Worker(replace(plan, device=torch.device(seat.device)), delivery)
    # Nobody listens any more where the pipe fails; what else goes wrong is for stderr.
    with suppress(EOFError, OSError):
        pipe.send("ready")
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        # Without a song there is nothing to clean up, and the exception of the handler could end up in a callback of
        # a library, as during the imports, which would print it and go on.
        signal.signal(signal.SIGTERM, _leave)
        answer = _answer(worker, task)
        if signal.signal(signal.SIGTERM, signal.SIG_DFL) is not _leave:
            return  # a callback kept the exception
        with suppress(OSError):
            pipe.send(answer)


def _leave(*_: object) -> None:
    """End the process through every `finally`, which a second signal would interrupt."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _answer(worker: Worker, task: Task) -> Any:
    try:
        return worker.do(task)
    except LyricsepError as error:
        return error
