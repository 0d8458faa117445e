"""Times as the formats write them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

__all__ = ["MIN_CUE", "decimal", "from_minutes", "hms", "to_ticks"]

MIN_CUE = 0.1
"""Seconds; players drop subtitles that end when they begin, and nobody sees much shorter ones."""


def to_ticks(time: float, per_second: int) -> int:
    """Round a time to whole ticks, halves up, as one rounds the decimal number that is printed for it.

    Rounding never changes the order of times.

    Parameters
    ----------
    time : float
        Seconds, at least 0.
    per_second : int
        Ticks per second: 100 for centiseconds.
    """
    return int((Decimal(repr(float(time))) * per_second).to_integral_value(ROUND_HALF_UP))


def from_minutes(minutes: int, seconds: str) -> float:
    """Give a time in seconds as the float of its decimal number, in whole milliseconds.

    Parameters
    ----------
    minutes : int
        At least 0.
    seconds : str
        A decimal number.
    """
    return (60_000 * minutes + round(1000 * float(seconds))) / 1000


def decimal(time: float, digits: int) -> str:
    """Write seconds as a decimal number with that many digits behind the point."""
    seconds, fraction = divmod(to_ticks(time, 10**digits), 10**digits)
    return f"{seconds}.{fraction:0{digits}d}"


def hms(milliseconds: int, point: str = ".") -> str:
    """Write ``hh:mm:ss.xxx``, with `point` before the fraction; hours grow beyond 99."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{point}{milliseconds:03d}"
