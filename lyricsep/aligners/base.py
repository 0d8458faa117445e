"""Interface of aligners: songs with known lyrics in, timed lyrics out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from lyricsep.aligners.words import KnownLyrics
from lyricsep.errors import LyricsepError
from lyricsep.lyrics import Lyrics
from lyricsep.transcribers import Clips


@dataclass(frozen=True, eq=False)
class KnownClips(Clips):
    """A song to align: what a transcriber hears, and the words.

    Parameters
    ----------
    known : KnownLyrics
        The lyrics.
    """

    known: KnownLyrics = field(default_factory=KnownLyrics)


@dataclass(frozen=True)
class AlignmentOptions:
    """How known lyrics are aligned.

    Parameters
    ----------
    mix_back : float
        Gain of the accompaniment that is mixed back into the vocals: 0 is only the vocals, 1 the mixture.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    mix_back: float = 0.3

    def __post_init__(self) -> None:
        """Check that all numbers are in range."""
        if not 0 <= self.mix_back <= 1:
            raise ValueError(f"mix_back must be a number from 0 to 1, got {self.mix_back}")


class LyricsAligner(Protocol):
    """Times known lyrics."""

    @property
    def name(self) -> str:
        """Method and model, as shown to the user."""
        ...

    def align(self, jobs: Iterable[KnownClips]) -> Iterator[Lyrics | LyricsepError]:
        """Yield the timed lyrics of each job, in order, or why there are none.

        All lines come back as they are written. A line that nobody sings starts and ends where it would stand, and
        has the flag ``not-sung``.
        """
        ...
