"""Who runs a batch: processes of this machine, or a Ray cluster; and what a batch is made of."""

from lyricsep.engines.batch import Batch, Status
from lyricsep.engines.cluster import run_ray
from lyricsep.engines.journal import Journal, Record
from lyricsep.engines.local import CPU_THREADS, Pool, Seat, run_local, seats_of
from lyricsep.engines.work import Delivery, StopError, Task, Work, Worker

__all__ = [
    "CPU_THREADS",
    "Batch",
    "Delivery",
    "Journal",
    "Pool",
    "Record",
    "Seat",
    "Status",
    "StopError",
    "Task",
    "Work",
    "Worker",
    "run_local",
    "run_ray",
    "seats_of",
]
