"""Batches: run by processes of this machine or on a Ray cluster, with a journal of every song."""

from lyricsep.engines.batch import Batch, BatchOptions, Beginning, Status
from lyricsep.engines.cluster import run_ray
from lyricsep.engines.journal import Journal, Record
from lyricsep.engines.local import Seat, run_local, seats_of
from lyricsep.engines.work import Delivery, StopError, Task, Worker

__all__ = [
    "Batch",
    "BatchOptions",
    "Beginning",
    "Delivery",
    "Journal",
    "Record",
    "Seat",
    "Status",
    "StopError",
    "Task",
    "Worker",
    "run_local",
    "run_ray",
    "seats_of",
]
