"""lyricsep: songs in, readable timed lyrics out.

>>> import lyricsep
>>> lyrics = lyricsep.transcribe("song.mp3", language="en")
>>> lyrics.save("song.lrc")

What this module hands on is imported when it is first used (`lyricsep.api`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyricsep.version import __version__

if TYPE_CHECKING:
    from lyricsep.api import (
        Aligner,
        SongLyrics,
        Stems,
        Transcriber,
        align,
        correct,
        score,
        segment,
        separate,
        transcribe,
    )
    from lyricsep.errors import LyricsepError

__all__ = [
    "Aligner",
    "LyricsepError",
    "SongLyrics",
    "Stems",
    "Transcriber",
    "__version__",
    "align",
    "correct",
    "score",
    "segment",
    "separate",
    "transcribe",
]


def __getattr__(name: str) -> Any:
    if name == "LyricsepError":
        from lyricsep.errors import LyricsepError

        return LyricsepError
    if name in __all__:
        from lyricsep import api

        return getattr(api, name)
    raise AttributeError(f"module 'lyricsep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
