"""Whisper's tokens as timed phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TICK = 0.02  # seconds from one timestamp token to the next (openai-whisper: 30 s / 1500)


@dataclass(frozen=True)
class Phrase:
    """Text between two timestamps.

    Parameters
    ----------
    start, end : float or None
        Seconds from the start of the decoded audio; None where the model wrote no timestamp.
    tokens : tuple of int
        The text's tokens, without timestamps.
    """

    start: float | None
    end: float | None
    tokens: tuple[int, ...]


def split_phrases(tokens: Sequence[int], timestamp_begin: int) -> list[Phrase]:
    """Split at timestamps; text after the last timestamp has no end, text before the first no start."""
    phrases: list[Phrase] = []
    start: float | None = None
    text: list[int] = []
    for token in tokens:
        if token < timestamp_begin:
            text.append(token)
            continue
        time = (token - timestamp_begin) * TICK
        if text:
            phrases.append(Phrase(start, time, tuple(text)))
            text = []
        start = time
    if text:
        phrases.append(Phrase(start, None, tuple(text)))
    return phrases


def unfinished_cut(tokens: Sequence[int], timestamp_begin: int) -> tuple[tuple[int, ...], float | None]:
    """Remove what the next window of a long recording decodes again (openai-whisper `transcribe`).

    A pair of timestamps ends one phrase and starts the next. Whatever follows the last pair is unfinished, unless
    the window ends with text and a single timestamp, which means that nothing is sung after it.

    Returns
    -------
    tokens : tuple of int
        The finished ones.
    done : float or None
        Seconds of the window that are done; None when all of it is.
    """
    is_time = [token >= timestamp_begin for token in tokens]
    pairs = [i + 1 for i in range(len(tokens) - 1) if is_time[i] and is_time[i + 1]]
    if not pairs or is_time[-2:] == [False, True]:
        return tuple(tokens), None
    finished = tuple(tokens[: pairs[-1]])
    return finished, (finished[-1] - timestamp_begin) * TICK
