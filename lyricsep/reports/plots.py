"""Plots, readable in print and for the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lyricsep.errors import ConfigError
from lyricsep.files import replacing

__all__ = ["plot_boxes"]

SUFFIXES = (".png", ".svg", ".pdf")


def plot_boxes(
    stem: Path, groups: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, ylabel: str
) -> list[Path]:
    """Draw box plots: a panel for each group, a box for each of its samples, and every value as a point.

    Boxes reach from the first to the third quartile, whiskers to the last value within 1.5 times that range.

    Parameters
    ----------
    stem : Path
        The files' name without a suffix; PNG, SVG and PDF are written.
    groups : mapping of str to mapping of str to sequence of float
        Panels and boxes, by their titles.
    title, ylabel : str
        Of the whole.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    OutputError
        If a file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'lyricsep[benchmark]'") from error
    n_boxes = max((len(boxes) for boxes in groups.values()), default=1)
    figure = Figure(figsize=(max(4.0, 0.95 * n_boxes + 1.2) * max(1, len(groups)), 4.4), layout="constrained")
    axes = figure.subplots(1, max(1, len(groups)), sharey=True, squeeze=False)[0]
    for axis, (name, boxes) in zip(axes, groups.items(), strict=False):
        if boxes:
            axis.boxplot(
                list(boxes.values()),
                tick_labels=[label.replace(", ", "\n") for label in boxes],
                widths=0.5,
                showfliers=False,
                medianprops={"color": "black", "linewidth": 1.6},
            )
        for position, values in enumerate(boxes.values(), start=1):
            # Side by side in the order of the songs, so that a song can be followed from box to box.
            places = [position + 0.3 * ((i + 0.5) / len(values) - 0.5) for i in range(len(values))]
            axis.plot(places, values, "o", color="#0072B2", markersize=3.5, alpha=0.7)
        axis.set_title(name)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="y", alpha=0.3)
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel(ylabel)
    figure.suptitle(title)
    written = []
    for suffix in SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        with replacing(path) as temporary:
            # Without dates and random identifiers the same numbers give the same file.
            metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
            with rc_context({"svg.hashsalt": "lyricsep"}):
                figure.savefig(temporary, dpi=150, format=suffix[1:], metadata=metadata)
        written.append(path)
    return written
