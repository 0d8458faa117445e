"""Plots of benchmarks: spread over songs, results by language, and quality against cost.

Bars differ in hatch and points in marker, so that they are distinguishable in greyscale too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.reports.figures import BLUE, COLOURS, COLUMN, GREY, drawing, save_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "||||", "oooo", "****")
_MARKERS = "osD^vPX*<>"


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; NaN if unknown.

    Parameters
    ----------
    value, low, high : float
        In the unit of the axis; ``low <= value <= high``.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def reach(self) -> tuple[float, float]:
        """Distances from the value down to `low` and up to `high`; 0 if unknown."""
        down, up = self.value - self.low, self.high - self.value
        return (0.0 if math.isnan(down) else max(0.0, down), 0.0 if math.isnan(up) else max(0.0, up))


@dataclass(frozen=True)
class TradeOff:
    """The cost and the quality of one item.

    Parameters
    ----------
    name : str
        Label of the point.
    cost : float
        Cost, positive; the axis is logarithmic.
    worth : Estimate
        Quality with its interval.
    """

    name: str
    cost: float
    worth: Estimate


def plot_boxes(
    stem: Path, groups: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, ylabel: str
) -> list[Path]:
    """Draw box plots: one panel per group, one box per sample, and every value as a point.

    Boxes extend from the first to the third quartile, whiskers to the last value within 1.5 times that range.

    Parameters
    ----------
    stem : Path
        Path of the files without suffix; PNG, SVG and PDF are written.
    groups : mapping of str to mapping of str to sequence of float
        Panels and boxes, by their titles.
    title, ylabel : str
        Of the figure.

    Returns
    -------
    list of Path
        Files that were written.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    OutputError
        If a file cannot be written.
    """
    with drawing([title, ylabel, *groups, *(label for boxes in groups.values() for label in boxes)]):
        from matplotlib.figure import Figure

        n_boxes = max((len(boxes) for boxes in groups.values()), default=1)
        width = max(COLUMN, (0.62 * n_boxes + 0.5) * max(1, len(groups)))
        figure = Figure(figsize=(width, 3.0), layout="constrained")
        axes = figure.subplots(1, max(1, len(groups)), sharey=True, squeeze=False)[0]
        for axis, (name, boxes) in zip(axes, groups.items(), strict=False):
            if boxes:
                axis.boxplot(
                    list(boxes.values()),
                    tick_labels=[label.replace(", ", "\n") for label in boxes],
                    widths=0.5,
                    showfliers=False,
                    medianprops={"color": "black", "linewidth": 1.4},
                )
            for position, values in enumerate(boxes.values(), start=1):
                # Offset points in the order of the songs, so that a song can be followed from box to box.
                places = [position + 0.3 * ((i + 0.5) / len(values) - 0.5) for i in range(len(values))]
                axis.plot(places, values, "o", color=BLUE, markersize=3, alpha=0.7)
            axis.set_title(name)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="y", alpha=0.3)
        axes[0].set_ylim(bottom=0)
        axes[0].set_ylabel(ylabel)
        figure.suptitle(title)
        return save_figures(figure, stem)


def plot_bars(
    stem: Path, panels: Mapping[str, Mapping[str, Mapping[str, Estimate]]], *, title: str, ylabel: str
) -> list[Path]:
    """Draw grouped bars with intervals: one panel above another, each with groups (languages) of bars (conditions).

    Parameters
    ----------
    stem, title, ylabel
        As in `plot_boxes`, which also describes what is returned and raised.
    panels : mapping of str to mapping of str to mapping of str to Estimate
        Values by panel, group and bar. Unknown intervals have no whisker, and NaN values no bar.
    """
    names = list(dict.fromkeys(bar for groups in panels.values() for bars in groups.values() for bar in bars))
    with drawing([title, ylabel, *panels, *names, *(group for groups in panels.values() for group in groups)]):
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

        n_panels, n_groups = max(1, len(panels)), max((len(groups) for groups in panels.values()), default=1)
        # Make bars wide enough for their hatches.
        width = max(COLUMN, 0.6 + n_groups * (0.15 * len(names) + 0.12))
        n_columns = max(1, min(len(names), int(width / 1.6)))
        height = 1.9 * n_panels + 0.3 + 0.16 * math.ceil(len(names) / n_columns)
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(n_panels, 1, sharey=True, squeeze=False)[:, 0]
        for axis, (panel, groups) in zip(axes, panels.items(), strict=False):
            _draw_bars(axis, groups, names)
            axis.set_title(panel)
        # The panels share their axis, which autoscales until its limit is set.
        axes[0].set_ylim(bottom=0)
        for axis in axes:
            axis.set_ylabel(ylabel)
        figure.suptitle(title)
        if names:
            handles = [Patch(label=name, **_style(index)) for index, name in enumerate(names)]
            figure.legend(handles=handles, loc="outside lower center", ncols=n_columns, handlelength=1.6)
        return save_figures(figure, stem)


def _draw_bars(axis: Axes, groups: Mapping[str, Mapping[str, Estimate]], names: Sequence[str]) -> None:
    width = 0.84 / max(1, len(names))
    for index, name in enumerate(names):
        found = [(place, bars[name]) for place, bars in enumerate(groups.values()) if name in bars]
        known = [(place, bar) for place, bar in found if not math.isnan(bar.value)]
        places = [place + (index - (len(names) - 1) / 2) * width for place, _ in known]
        axis.bar(places, [bar.value for _, bar in known], width, label=name, **_style(index))
        axis.errorbar(
            places,
            [bar.value for _, bar in known],
            [[bar.reach[0] for _, bar in known], [bar.reach[1] for _, bar in known]],
            fmt="none",
            ecolor="black",
            elinewidth=0.8,
            capsize=1.5,
        )
    axis.set_xticks(range(len(groups)), list(groups))
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.5, max(1, len(groups)) - 0.5)
    axis.grid(axis="y", alpha=0.3)


def _style(index: int) -> dict[str, Any]:
    return {
        "facecolor": COLOURS[index % len(COLOURS)],
        "hatch": _HATCHES[index % len(_HATCHES)],
        "edgecolor": "black",
        "linewidth": 0.5,
    }


def plot_trade_off(stem: Path, points: Sequence[TradeOff], *, title: str, xlabel: str, ylabel: str) -> list[Path]:
    """Draw quality against cost, each point with its interval and a label; labels avoid overlaps.

    Parameters
    ----------
    stem, title, xlabel, ylabel
        As in `plot_boxes`, which also describes what is returned and raised.
    points : sequence of TradeOff
        Points with a quality of NaN are skipped; a cost that is not positive is a `ValueError`.
    """
    for point in points:
        if not 0 < point.cost < math.inf:
            raise ValueError(f"expected a positive, finite cost (the axis is logarithmic), got {point}")
    known = [point for point in points if not math.isnan(point.worth.value)]
    with drawing([title, xlabel, ylabel, *(point.name for point in known)]):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(COLUMN, 2.6 + 0.06 * len(known)), layout="constrained")
        axis = figure.subplots()
        axis.set_xscale("log")
        _show_costs(axis, [point.cost for point in known])
        for index, point in enumerate(known):
            down, up = point.worth.reach
            axis.errorbar(
                [point.cost],
                [point.worth.value],
                [[down], [up]],
                fmt=_MARKERS[index % len(_MARKERS)],
                color=COLOURS[index % len(COLOURS)],
                markeredgecolor="black",
                markeredgewidth=0.5,
                markersize=5,
                ecolor=GREY,
                elinewidth=0.8,
                capsize=2,
                label=point.name,
            )
        axis.margins(y=0.15)
        axis.grid(alpha=0.3)
        axis.set_xlabel(xlabel)
        axis.set_ylabel(ylabel)
        axis.set_title(title)
        _label(figure, axis, known)
        return save_figures(figure, stem)


def _show_costs(axis: Axes, costs: Sequence[float]) -> None:
    """Widen the axis of costs for the labels; mark its decades, and steps in between if there are few."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = min(costs, default=0.1), max(costs, default=10.0)
    margin = max(2.0, (high / low) ** 0.15)
    axis.set_xlim(low / margin, high * margin)
    axis.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


# Candidate positions of a label: offset from its point in typographic points, and its alignment.
_PLACES = [
    (distance * x, distance * y, {1: "left", 0: "center", -1: "right"}[x], {1: "bottom", 0: "center", -1: "top"}[y])
    for distance in (5, 12, 20, 30, 42)
    for x, y in ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
]


def _label(figure: Figure, axis: Axes, points: Sequence[TradeOff]) -> None:
    """Label each point where the label overlaps no point, interval or other label, or where it overlaps least."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # lays the axes out
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    taken = [_box_of(axis, point, figure.dpi) for point in points]
    for point in points:
        tries: list[tuple[float, Annotation, Bbox]] = []
        for x, y, ha, va in _PLACES:
            note = axis.annotate(
                point.name,
                (point.cost, point.worth.value),
                (x, y),
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=7,
                # Connect a distant label to its point.
                arrowprops={"arrowstyle": "-", "linewidth": 0.4, "shrinkB": 2} if max(abs(x), abs(y)) > 5 else None,
            )
            box = _text_box(note, renderer)
            tries.append((_overlap(box, taken) + _outside(box, axis.bbox), note, box))
            if not tries[-1][0]:
                break
        best = min(tries, key=lambda one: one[0])
        for one in tries:
            if one is not best:
                one[1].remove()
        taken.append(best[2])


def _text_box(note: Annotation, renderer: Any) -> Bbox:
    from matplotlib.text import Text

    note.update_positions(renderer)
    # Exclude the line that connects it to its point.
    return Text.get_window_extent(note, renderer).padded(1)


def _box_of(axis: Axes, point: TradeOff, dpi: float) -> Bbox:
    """Return the bounding box of a marker and its interval in pixels."""
    from matplotlib.transforms import Bbox

    down, up = point.worth.reach
    (x, low), (_, high) = axis.transData.transform(
        [(point.cost, point.worth.value - down), (point.cost, point.worth.value + up)]
    )
    half = 3 / 72 * dpi
    return Bbox.from_extents(x - half, low - half, x + half, high + half)


def _overlap(box: Bbox, others: Iterable[Bbox]) -> float:
    from matplotlib.transforms import Bbox

    shared = (Bbox.intersection(box, other) for other in others)
    return sum(one.width * one.height for one in shared if one is not None)


def _outside(box: Bbox, frame: Bbox) -> float:
    """Return the area of a box outside of a frame, in square pixels."""
    return box.width * box.height - _overlap(box, [frame])
