"""Conversion between seconds and the times of file formats."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MIN_CUE = 0.1
"""Shortest cue in seconds; players drop subtitles of zero length, and much shorter ones cannot be read."""


def to_ticks(time: float, per_second: int) -> int:
    """Round a time in seconds, at least 0, to whole ticks, halves up, based on its printed decimal value.

    Rounding never changes the order of times. Centiseconds are 100 ticks per second.
    """
    return int((Decimal(repr(float(time))) * per_second).to_integral_value(ROUND_HALF_UP))


def cue_ticks(start: float, end: float, per_second: int) -> tuple[int, int]:
    """Round the times of a cue to ticks as `to_ticks` does; it lasts at least `MIN_CUE`."""
    first = to_ticks(start, per_second)
    return first, max(to_ticks(end, per_second), first + to_ticks(MIN_CUE, per_second))


def from_minutes(minutes: int, seconds: str) -> float:
    """Return minutes and seconds, a decimal number, as seconds, rounded to milliseconds."""
    return (60_000 * minutes + round(1000 * float(seconds))) / 1000


def decimal(time: float, digits: int) -> str:
    """Return seconds as a decimal number with `digits` digits after the point."""
    seconds, fraction = divmod(to_ticks(time, 10**digits), 10**digits)
    return f"{seconds}.{fraction:0{digits}d}"


def hms(milliseconds: int, point: str = ".") -> str:
    """Return ``hh:mm:ss.xxx``, with `point` before the fraction; hours may exceed 99."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{point}{milliseconds:03d}"
