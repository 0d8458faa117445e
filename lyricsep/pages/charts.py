"""Charts as SVG with the colours and fonts of the page (``run.css``), each with a text that describes it.

A chart is 420 units wide, so that its letters stay readable on a phone. Marks that stand for a song carry
``data-song``, by which the page opens it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lyricsep.pages.html import render_fragment

WIDTH = 420
MARGIN = 34
RIGHT = WIDTH - 8
HIGHEST = 150.0
"""Percent; higher values are drawn at the edge, or one hallucinating song would squeeze all others."""

CROWD = 60
"""Number of points from which on they are drawn small."""

_GOLDEN = 0.618034


@dataclass(frozen=True)
class Mark:
    """A song in a chart: its index on the page, its name, and a value in percent."""

    song: int
    name: str
    value: float


@dataclass(frozen=True)
class _Shape:
    """An element of an SVG."""

    tag: str
    attributes: Mapping[str, Any]
    text: str = ""
    title: str = ""


def histogram(marks: Sequence[Mark], *, of: str) -> Markup:
    """Return a chart of how many songs have which value; `of` names the values. There is at least one mark."""
    top = _top(mark.value for mark in marks)
    step = next(step for step in (1, 2, 5, 10) if top / step <= (30 if len(marks) >= 40 else 15))
    n_bins = math.ceil(top / step)
    counts = [0] * n_bins
    for mark in marks:
        counts[min(int(mark.value / step), n_bins - 1)] += 1
    height, most = 150.0, max(counts)
    width = (RIGHT - MARGIN) / n_bins
    shapes = _x_axis(top, height)
    for value in sorted({most, most // 2} - {0}):
        shapes += _y_tick(height - value / most * (height - 14), f"{value}")
    for index, count in enumerate(counts):
        bar = count / most * (height - 14)
        beyond = index == n_bins - 1 and any(mark.value > top for mark in marks)
        span = f"{index * step:g} % and more" if beyond else f"{index * step:g} to {(index + 1) * step:g} %"
        title = f"{span}: {count} song{'s' * (count != 1)}"
        shapes.append(_rect("bar", MARGIN + index * width + 1, height - bar, width - 2, bar, title=title))
    values = [mark.value for mark in marks]
    extent = f"from {min(values):.1f} to {max(values):.1f} %"
    label = f"{of} of {len(marks)} songs: median {statistics.median(values):.1f} %, {extent}"
    return _chart(shapes, height + 22, label)


def strips(groups: Mapping[str, Sequence[Mark]], *, of: str) -> Markup:
    """Return a chart with a row for each group: a point for every song, a box from the first to the third quartile.

    No group is empty; `of` names the values.
    """
    top = _top(mark.value for marks in groups.values() for mark in marks)
    pitch = 38
    height = pitch * len(groups) + 4.0
    shapes = _x_axis(top, height)
    labels = []
    for row, (name, marks) in enumerate(groups.items()):
        middle = row * pitch + pitch / 2 + 2
        values = [min(mark.value, top) for mark in marks]
        median = statistics.median(values)
        shapes.append(_text("label", MARGIN - 6, middle + 4, "end", name))
        if len(values) > 3:
            first, _, third = (_x(value, top) for value in statistics.quantiles(values, method="inclusive"))
            shapes.append(_rect("box", first, middle - 12, third - first, 24))
        # A vertical shift that is the same every time keeps points apart.
        shapes += [
            _point(mark.song, f"{mark.name}: {mark.value:.1f} %", _x(value, top), middle + shift, len(marks))
            for mark, value, shift in zip(marks, values, _shifts(len(marks)), strict=True)
        ]
        if len(values) > 1:
            shapes.append(_path("median", f"M{_x(median, top):.1f} {middle - 14:.1f}v28"))
        labels.append(f"{name}: {len(marks)} songs, median {median:.1f} %")
    return _chart(shapes, height + 22, f"{of} by language. {'; '.join(labels)}")


def scatter(pairs: Sequence[tuple[Mark, Mark]], *, first: str, second: str) -> Markup:
    """Return a chart of the songs by their values in two runs; those below the diagonal improved.

    In each pair, at least one, the value of the first run goes across and that of the second up.
    """
    top = _top(mark.value for pair in pairs for mark in pair)
    size = 280.0
    shapes = _x_axis(top, size)
    for value in _ticks(top):
        shapes += _y_tick(size - value / top * size, f"{value:g}")
    shapes.append(_path("diagonal", f"M{MARGIN} {size:.1f}L{RIGHT} 0"))
    for before, now in pairs:
        title = f"{before.name}: {before.value:.1f} % → {now.value:.1f} %"
        y = size - min(now.value, top) / top * size
        shapes.append(_point(before.song, title, _x(before.value, top), y, len(pairs)))
    fell = sum(b.value < a.value for a, b in pairs)
    rose = sum(b.value > a.value for a, b in pairs)
    label = f"Word error rate of {len(pairs)} songs, {first} across and {second} up: {fell} fell, {rose} rose"
    return _chart(shapes, size + 22, label)


def bars(marks: Sequence[Mark], *, of: str) -> Markup:
    """Return a chart of differences in percentage points as bars, the largest fall first; `of` says what differs."""
    ordered = sorted(marks, key=lambda mark: mark.value)
    reach = min(HIGHEST, max(1.0, *(abs(mark.value) for mark in ordered)))
    height = 200.0
    middle = height / 2
    width = min(40.0, (RIGHT - MARGIN) / len(ordered))
    gap = 0.12 * width if len(ordered) < CROWD else 0.0
    shapes = []
    for value in (-reach, 0.0, reach):
        y = middle - value / reach * (middle - 10)
        shapes += _y_tick(y, f"{value:+.0f}" if value else "0", "grid" if value else "axis")
    for index, mark in enumerate(ordered):
        length = min(abs(mark.value), reach) / reach * (middle - 10)
        x, y = MARGIN + index * width + gap / 2, middle - length if mark.value > 0 else middle
        kind = "worse" if mark.value > 0 else "better"
        title = f"{mark.name}: {mark.value:+.1f}"
        shapes.append(_rect(kind, x, y, width - gap, max(length, 0.5), title=title, song=mark.song))
    fell, rose = sum(mark.value < 0 for mark in ordered), sum(mark.value > 0 for mark in ordered)
    return _chart(shapes, height, f"{of} of {len(ordered)} songs, sorted: {fell} fell, {rose} rose")


def interval(value: float, low: float, high: float, *, reach: float, more_is_better: bool = False) -> Markup:
    """Return a difference and its interval around zero, small enough for a cell that follows the numbers.

    Parameters
    ----------
    value, low, high : float
        The bounds are NaN where they are unknown.
    reach : float
        Where the axis ends, on both sides.
    more_is_better : bool
        Whether a positive difference is drawn as an improvement.
    """
    if math.isnan(value) or not reach:
        return Markup()

    def x(at: float) -> float:
        return 60 + 56 * max(-1.0, min(1.0, at / reach))

    kind = "worse" if (value > 0) != more_is_better else "better"
    shapes = [_path("axis", "M60 0v16")]
    shapes += [] if math.isnan(low) else [_path("span", f"M{x(low):.1f} 8H{x(high):.1f}")]
    shapes.append(_Shape("circle", {"class": kind, "cx": _rounded(x(value)), "cy": 8, "r": 4}))
    return _svg(shapes, {"class": "interval", "viewBox": "0 0 120 16", "aria-hidden": "true"})


def stack(parts: Mapping[str, int], whole: int) -> Markup:
    """Return a bar of errors side by side, small enough for a cell: numbers of errors by the class of their bar.

    `whole` is what the full width stands for; the bar is cut there.
    """
    shapes, left = [], 0.0
    for kind, part in parts.items():
        width = min(100 * part / whole, 100 - left) if whole else 0.0
        shapes.append(_Shape("rect", {"class": kind, "x": _rounded(left), "width": _rounded(width), "height": 10}))
        left += width
    return _svg(shapes, {"class": "stack", "viewBox": "0 0 100 10", "preserveAspectRatio": "none"})


def _chart(shapes: Sequence[_Shape], height: float, label: str) -> Markup:
    return _svg(
        shapes, {"class": "chart", "viewBox": f"0 0 {WIDTH} {height:.0f}", "role": "img", "aria-label": label}
    )


def _svg(shapes: Sequence[_Shape], attributes: Mapping[str, str]) -> Markup:
    return render_fragment("chart.svg.j2", shapes=shapes, attributes=attributes)


def _path(kind: str, d: str) -> _Shape:
    return _Shape("path", {"class": kind, "d": d})


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> _Shape:
    return _Shape("text", {"class": kind, "x": _rounded(x), "y": _rounded(y), "text-anchor": anchor}, text)


def _rect(
    kind: str, x: float, y: float, width: float, height: float, *, title: str = "", song: int | None = None
) -> _Shape:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    placed = {name: _rounded(size) for name, size in sizes.items()}
    return _Shape("rect", {"class": kind, "data-song": song, **placed}, title=title)


def _point(song: int, title: str, x: float, y: float, n_points: int) -> _Shape:
    radius = 4 if n_points < CROWD else 2.5
    attributes = {"class": "point", "data-song": song, "cx": _rounded(x), "cy": _rounded(y), "r": radius}
    return _Shape("circle", attributes, title=title)


def _shifts(n: int) -> list[float]:
    return [18 * ((index + 0.8) * _GOLDEN % 1) - 9 for index in range(n)]


def _rounded(size: float) -> str:
    return f"{size:.2f}"


def _top(values: Iterable[float]) -> float:
    return min(HIGHEST, max(10.0, 10 * math.ceil(max(values, default=10.0) / 10)))


def _ticks(top: float) -> list[float]:
    step = next(step for step in (2, 5, 10, 25, 50) if top / step <= 6)
    return [step * index for index in range(int(top / step) + 1)]


def _x(value: float, top: float) -> float:
    return MARGIN + min(value, top) / top * (RIGHT - MARGIN)


def _x_axis(top: float, y: float) -> list[_Shape]:
    ticks = [
        _text("tick", _x(value, top), y + 16, "middle", f"{value:g}{' %' if value == 0 else ''}")
        for value in _ticks(top)
    ]
    return [_path("axis", f"M{MARGIN} {y:.1f}H{RIGHT}"), *ticks]


def _y_tick(y: float, text: str, line: str = "grid") -> list[_Shape]:
    return [_path(line, f"M{MARGIN} {y:.1f}H{RIGHT}"), _text("tick", MARGIN - 6, y + 4, "end", text)]
