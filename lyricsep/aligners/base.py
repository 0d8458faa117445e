"""Interface of aligners: songs with known lyrics in, timed lyrics out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from lyricsep.aligners.words import KnownLyrics
from lyricsep.lyrics import Lyrics
from lyricsep.transcribers import Job

__all__ = ["Aligner", "AlignmentJob"]


@dataclass(frozen=True, eq=False)
class AlignmentJob(Job):
    """A song to align: what a transcriber hears, and the words.

    Parameters
    ----------
    known : KnownLyrics
        The lyrics.
    """

    known: KnownLyrics = field(default_factory=KnownLyrics)


class Aligner(Protocol):
    """Times known lyrics."""

    @property
    def name(self) -> str:
        """Method and model, as shown to the user."""
        ...

    def align(self, jobs: Iterable[AlignmentJob]) -> Iterator[Lyrics]:
        """Yield the timed lyrics of each job, in order.

        All lines come back as they are written. A line that nobody sings starts and ends where it would stand, and
        has the flag ``not-sung``.
        """
        ...
