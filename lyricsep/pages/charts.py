"""Charts as SVG that takes its colours and letters from the page (``run.css``), and says in words what it shows.

A chart is 420 units wide, so that its letters stay readable on a phone. Marks that stand for a song carry
``data-song``, by which the page opens it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Mark", "bars", "histogram", "interval", "scatter", "strips"]

WIDTH = 420
MARGIN = 34
HIGHEST = 150.0
"""Percent; what lies beyond is drawn at the edge, or a hallucinating song would squeeze all others."""

CROWD = 60
"""Points from which on they are drawn small."""

_GOLDEN = 0.618034


@dataclass(frozen=True)
class Mark:
    """A song in a chart: its index on the page, its name, and a value in percent."""

    song: int
    name: str
    value: float


def histogram(marks: Sequence[Mark], *, of: str) -> str:
    """Draw how many songs have which value.

    Parameters
    ----------
    marks : sequence of Mark
        One at least.
    of : str
        What the values are.
    """
    top = _top(mark.value for mark in marks)
    step = next(step for step in (1, 2, 5, 10) if top / step <= (30 if len(marks) >= 40 else 15))
    n_bins = math.ceil(top / step)
    counts = [0] * n_bins
    for mark in marks:
        counts[min(int(mark.value / step), n_bins - 1)] += 1
    height, most = 150.0, max(counts)
    width = (WIDTH - MARGIN - 8) / n_bins
    drawn = [_x_axis(top, height)]
    for value in sorted({most, most // 2} - {0}):
        y = height - value / most * (height - 14)
        drawn.append(f'<path class="grid" d="M{MARGIN} {y:.1f}H{WIDTH - 8}"/>')
        drawn.append(f'<text class="tick" x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    for index, count in enumerate(counts):
        bar = count / most * (height - 14)
        beyond = index == n_bins - 1 and any(mark.value > top for mark in marks)
        span = f"{index * step:g} % and more" if beyond else f"{index * step:g} to {(index + 1) * step:g} %"
        drawn.append(
            f'<rect class="bar" x="{MARGIN + index * width + 1:.1f}" y="{height - bar:.1f}" width="{width - 2:.1f}" '
            f'height="{bar:.1f}"><title>{span}: {count} song{"s" * (count != 1)}</title></rect>'
        )
    values = [mark.value for mark in marks]
    told = f"{of} of {len(marks)} songs: median {statistics.median(values):.1f} %, {_extent(values)}"
    return _chart(drawn, height + 22, told)


def strips(groups: Mapping[str, Sequence[Mark]], *, of: str) -> str:
    """Draw every song as a point, a row for each group, with a box from the first to the third quartile.

    Parameters
    ----------
    groups : mapping of str to sequence of Mark
        None of them empty.
    of : str
        What the values are.
    """
    top = _top(mark.value for marks in groups.values() for mark in marks)
    pitch = 38
    height = pitch * len(groups) + 4.0
    drawn = [_x_axis(top, height)]
    told = []
    for row, (name, marks) in enumerate(groups.items()):
        middle = row * pitch + pitch / 2 + 2
        values = [min(mark.value, top) for mark in marks]
        median = statistics.median(values)
        drawn.append(
            f'<text class="label" x="{MARGIN - 6}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        if len(values) > 3:
            first, _, third = statistics.quantiles(values, method="inclusive")
            left, right = _x(first, top), _x(third, top)
            drawn.append(
                f'<rect class="box" x="{left:.1f}" y="{middle - 12:.1f}" width="{right - left:.1f}" height="24"/>'
            )
        # A shift up and down that is the same every time keeps points apart.
        drawn += [
            _point(mark, _x(value, top), middle - 9 + 18 * ((index + 0.8) * _GOLDEN % 1), len(marks))
            for index, (mark, value) in enumerate(zip(marks, values, strict=True))
        ]
        drawn.append(f'<path class="median" d="M{_x(median, top):.1f} {middle - 14:.1f}v28"/>')
        told.append(f"{name}: {len(marks)} songs, median {median:.1f} %")
    return _chart(drawn, height + 22, f"{of} by language. {'; '.join(told)}")


def scatter(pairs: Sequence[tuple[Mark, Mark]], *, first: str, second: str) -> str:
    """Draw each song by its value in two runs; below the diagonal it fell.

    Parameters
    ----------
    pairs : sequence of tuple of Mark
        One at least: of the first run, across; of the second, up.
    first, second : str
        What the runs are called.
    """
    top = _top(mark.value for pair in pairs for mark in pair)
    size = 280.0
    drawn = [_x_axis(top, size)]
    for value in _ticks(top):
        y = size - value / top * size
        drawn.append(f'<path class="grid" d="M{MARGIN} {y:.1f}H{WIDTH - 8}"/>')
        drawn.append(f'<text class="tick" x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    drawn.append(f'<path class="diagonal" d="M{MARGIN} {size:.1f}L{WIDTH - 8} 0"/>')
    for of_first, of_second in pairs:
        told = f"{of_first.name}: {of_first.value:.1f} % → {of_second.value:.1f} %"
        y = size - min(of_second.value, top) / top * size
        drawn.append(_point(Mark(of_first.song, told, math.nan), _x(of_first.value, top), y, len(pairs)))
    fell = sum(b.value < a.value for a, b in pairs)
    rose = sum(b.value > a.value for a, b in pairs)
    return _chart(
        drawn,
        size + 22,
        f"Word error rate of {len(pairs)} songs, {first} across and {second} up: {fell} fell, {rose} rose",
    )


def bars(marks: Sequence[Mark], *, of: str) -> str:
    """Draw differences as bars, the largest fall first.

    Parameters
    ----------
    marks : sequence of Mark
        One at least; values are points of percent.
    of : str
        What differs.
    """
    ordered = sorted(marks, key=lambda mark: mark.value)
    reach = min(HIGHEST, max(1.0, *(abs(mark.value) for mark in ordered)))
    height = 200.0
    middle = height / 2
    width = min(40.0, (WIDTH - MARGIN - 8) / len(ordered))
    gap = 0.12 * width if len(ordered) < CROWD else 0.0
    drawn = []
    for value in (-reach, 0.0, reach):
        y = middle - value / reach * (middle - 10)
        drawn.append(f'<path class="{"axis" if not value else "grid"}" d="M{MARGIN} {y:.1f}H{WIDTH - 8}"/>')
        drawn.append(
            f'<text class="tick" x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value:+.0f}</text>'
            if value
            else f'<text class="tick" x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">0</text>'
        )
    for index, mark in enumerate(ordered):
        length = min(abs(mark.value), reach) / reach * (middle - 10)
        y = middle - length if mark.value > 0 else middle
        drawn.append(
            f'<rect class="{"worse" if mark.value > 0 else "better"}" data-song="{mark.song}" '
            f'x="{MARGIN + index * width + gap / 2:.2f}" y="{y:.1f}" width="{width - gap:.2f}" '
            f'height="{max(length, 0.5):.1f}"><title>{escape(mark.name)}: {mark.value:+.1f}</title></rect>'
        )
    fell, rose = sum(mark.value < 0 for mark in ordered), sum(mark.value > 0 for mark in ordered)
    return _chart(drawn, height, f"{of} of {len(ordered)} songs, sorted: {fell} fell, {rose} rose")


def interval(value: float, low: float, high: float, *, reach: float, more_is_better: bool = False) -> str:
    """Draw a difference and its interval around zero, small enough for a cell; what it says stands beside it.

    Parameters
    ----------
    value, low, high : float
        The bounds are NaN where nobody knows them.
    reach : float
        Where the axis ends, on both sides.
    more_is_better : bool
        Which way the colour means well.
    """
    if math.isnan(value) or not reach:
        return ""

    def x(at: float) -> float:
        return 60 + 56 * max(-1.0, min(1.0, at / reach))

    kind = "worse" if (value > 0) != more_is_better else "better"
    span = "" if math.isnan(low) else f'<path class="span" d="M{x(low):.1f} 8H{x(high):.1f}"/>'
    return (
        '<svg class="interval" viewBox="0 0 120 16" aria-hidden="true"><path class="axis" d="M60 0v16"/>'
        f'{span}<circle class="{kind}" cx="{x(value):.1f}" cy="8" r="4"/></svg>'
    )


def _chart(drawn: Iterable[str], height: float, told: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(told)}">'
        f"{''.join(drawn)}</svg>"
    )


def _point(mark: Mark, x: float, y: float, n_points: int) -> str:
    radius = 4 if n_points < CROWD else 2.5
    told = mark.name if math.isnan(mark.value) else f"{mark.name}: {mark.value:.1f} %"
    return (
        f'<circle class="point" data-song="{mark.song}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{escape(told)}</title></circle>"
    )


def _top(values: Iterable[float]) -> float:
    return min(HIGHEST, max(10.0, 10 * math.ceil(max(values, default=10.0) / 10)))


def _ticks(top: float) -> list[float]:
    step = next(step for step in (2, 5, 10, 25, 50) if top / step <= 6)
    return [step * index for index in range(int(top / step) + 1)]


def _x(value: float, top: float) -> float:
    return MARGIN + min(value, top) / top * (WIDTH - MARGIN - 8)


def _x_axis(top: float, y: float) -> str:
    ticks = "".join(
        f'<text class="tick" x="{_x(value, top):.1f}" y="{y + 16:.1f}" text-anchor="middle">'
        f"{value:g}{' %' if value == 0 else ''}</text>"
        for value in _ticks(top)
    )
    return f'<path class="axis" d="M{MARGIN} {y:.1f}H{WIDTH - 8}"/>{ticks}'


def _extent(values: Sequence[float]) -> str:
    return f"from {min(values):.1f} to {max(values):.1f} %"
