"""Plots of one song: waveforms, level of the vocals, segments and lines, on one time axis."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lyricsep.lyrics import Line, Segment
from lyricsep.reports.figures import BLUE, GREY, ORANGE, PAGE, SKY, VERMILION, YELLOW, drawing, save_figure
from lyricsep.segmentation import SAMPLE_RATE, RmsVadOptions, rms_envelope, thresholds
from lyricsep.tables import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# A row of half a minute has room for the words of its lines, one of a minute for most of them. Songs that are longer
# than ten rows get longer ones.
_ROW, _LONGEST_WITH_TEXT, _MOST_ROWS = 30.0, 60.0, 10  # seconds, seconds, rows
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds
_MOST_TICKS = 9

# Inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.72, 0.2, 0.52, 0.30
_WAVE, _LEVEL, _LANE, _GAP, _BETWEEN = 0.42, 0.55, 0.145, 0.05, 0.36
_MOST_LANES = 8

_BINS = 900  # of a signal in a row: what a printer can show, and a small file
_QUIETEST = -70.0  # dBFS

# Spectrograms: frames of 128 ms separate the harmonics of a low voice.
_FFT, _BANDS, _COLUMNS = 2048, 160, 1200
_LOWEST = 40.0  # Hz
_HANN_BINS = 1.5  # the power of a sine, of its loudest bin: the equivalent noise bandwidth of the Hann window
_RANGE = 70.0  # dB below the loudest
_FREQUENCIES = (200, 500, 1000, 2000, 4000, 8000)  # Hz


def plot_song(
    path: Path,
    mixture: NDArray[np.float32],
    vocals: NDArray[np.float32],
    *,
    segments: Sequence[Segment] = (),
    options: RmsVadOptions | None = None,
    lines: Sequence[Line] | None = None,
    reference: Sequence[Line] | None = None,
    title: str = "",
    overwrite: bool = True,
) -> None:
    """Draw a song in rows of half a minute or, where it is long, of a tenth of it.

    Each row has the waveforms, the RMS of the vocals with its thresholds, the segments, the lines of the reference
    and those that were transcribed. A line is a bar with its text, hatched where it is doubtful. Rows of more than a
    minute, that is songs of more than ten, have bars alone; in others a bar may lack its text where lines crowd.

    Parameters
    ----------
    path : Path
        The file; its suffix tells the format, one of `PLOT_FORMATS`.
    mixture, vocals : ndarray, shape (n_samples,)
        float32 mono at 16 kHz, equally long; possibly empty.
    segments : sequence of Segment
        In order.
    options : RmsVadOptions, optional
        Whose thresholds are drawn; None draws none.
    lines, reference : sequence of Line, optional
        Transcribed, and as they should be, in order of start; None leaves them out.
    title : str
        Above the plot.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written, or exists and `overwrite` is False.
    """
    tracks = {"reference": (reference, ORANGE), "transcribed": (lines, SKY)}
    given = [_Track(name, tuple(found), colour) for name, (found, colour) in tracks.items() if found is not None]
    with drawing([title, *(line.text for track in given for line in track.lines)]):
        figure = _song_figure(mixture, vocals, segments, options, given, title)
        save_figure(figure, path, overwrite=overwrite)


def plot_spectrograms(
    path: Path,
    mixture: NDArray[np.float32],
    vocals: NDArray[np.float32],
    *,
    title: str = "",
    overwrite: bool = True,
) -> None:
    """Draw the spectrograms of the mixture and the vocals above each other, in the same colours.

    Bands are equally wide in mel (HTK's formula, O'Shaughnessy 1987); a sine at full scale is at 0 dBFS in any band.

    Parameters
    ----------
    path, mixture, vocals, title, overwrite
        As `plot_song`.

    Raises
    ------
    ConfigError, OutputError
        As `plot_song`.
    """
    with drawing([title]):
        save_figure(_spectrogram_figure(mixture, vocals, title), path, overwrite=overwrite)


@dataclass(frozen=True)
class _Track:
    """Lines of one origin."""

    name: str
    lines: tuple[Line, ...]
    colour: str


@dataclass(frozen=True)
class _Placed:
    """A line in a row: its lane, and where its text begins in seconds; no text where there is no room."""

    line: Line
    lane: int
    left: float
    text: str


def _song_figure(
    mixture: NDArray[np.float32],
    vocals: NDArray[np.float32],
    segments: Sequence[Segment],
    options: RmsVadOptions | None,
    tracks: Sequence[_Track],
    title: str,
) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    duration = len(mixture) / SAMPLE_RATE
    rows = _rows(duration)
    figure = Figure(figsize=(PAGE, 1.0))
    measure = _measure(FigureCanvasAgg(figure), rows[0][1] - rows[0][0])
    placed = [[_place(track.lines, row, measure) for track in tracks] for row in rows]
    heights = [[_WAVE, _LEVEL, *(_LANE * _n_lanes(lines) for lines in row)] for row in placed]
    figure.set_figheight(
        _TOP + sum(sum(row) + _GAP * (len(row) - 1) for row in heights) + _BETWEEN * (len(rows) - 1) + _BOTTOM
    )
    envelope = _Envelope.of(vocals, options)
    # Two extremes see every sample without a copy.
    peak = max(0.01, *(float(max(one.max(initial=0), -one.min(initial=0))) for one in (mixture, vocals)))
    top = figure.get_figheight() - _TOP
    for row, row_heights, row_lines in zip(rows, heights, placed, strict=True):
        panels, top = _panels(figure, row, row_heights, top)
        wave, level, *lanes = panels
        _draw_waves(wave, row, {"mixture": (mixture, GREY), "vocals": (vocals, BLUE)}, peak)
        envelope.draw(level, row)
        for axis in (wave, level):
            _draw_segments(axis, row, segments)
        for axis, track, lines in zip(lanes, tracks, row_lines, strict=True):
            _draw_lines(axis, row, track, lines)
        _show_clock(panels[-1], row)
        top -= _BETWEEN
    _draw_head(figure, title, options, tracks)
    return figure


def _rows(duration: float) -> list[tuple[float, float]]:
    """Split a song into rows of equal length; a song shorter than a row gets one row of its length."""
    if duration <= _ROW:
        return [(0.0, max(duration, 1.0))]
    length = max(_ROW, 5 * math.ceil(duration / _MOST_ROWS / 5))
    return [(start * length, (start + 1) * length) for start in range(math.ceil(duration / length))]


def _panels(
    figure: Figure, row: tuple[float, float], heights: Sequence[float], top: float
) -> tuple[list[Axes], float]:
    """Stack the panels of a row from `top` inches downwards; return them and the position of their end."""
    width, height = figure.get_size_inches()
    panels: list[Axes] = []
    for own in heights:
        top -= own
        place = (_LEFT / width, top / height, (width - _LEFT - _RIGHT) / width, own / height)
        axis = figure.add_axes(place, sharex=panels[0] if panels else None)
        axis.set_xlim(*row)
        axis.tick_params(axis="x", labelbottom=False, length=0)
        panels.append(axis)
        top -= _GAP
    return panels, top + _GAP


def _draw_waves(
    axis: Axes,
    row: tuple[float, float],
    signals: dict[str, tuple[NDArray[np.float32], str]],
    peak: float,
) -> None:
    for name, (signal, colour) in signals.items():
        first, last = (min(round(time * SAMPLE_RATE), len(signal)) for time in row)
        part = signal[first:last]
        if not len(part):
            continue
        edges = np.unique(np.linspace(0, len(part), min(_BINS, len(part)) + 1).astype(int)[:-1])
        times = (first + edges) / SAMPLE_RATE
        low, high = np.minimum.reduceat(part, edges), np.maximum.reduceat(part, edges)
        axis.fill_between(times, low, high, color=colour, linewidth=0.3, label=name)
    axis.set_ylim(-1.05 * peak, 1.05 * peak)
    axis.set_yticks([])
    _name(axis, "waveform")


@dataclass(frozen=True, eq=False)
class _Envelope:
    """The RMS of the vocals and its thresholds, in dBFS."""

    levels: NDArray[np.float64]
    hop: float
    thresholds: dict[str, float]

    @classmethod
    def of(cls, vocals: NDArray[np.float32], options: RmsVadOptions | None) -> _Envelope:
        used = options or RmsVadOptions()
        rms = rms_envelope(vocals, frame_length=used.frame_length, hop_length=used.hop_length)
        found = thresholds(rms, options) if options else ()
        named = {name: float(_decibels(level)) for name, level in zip(_THRESHOLDS, found, strict=False)}
        return cls(_decibels(rms.astype(float)), used.hop_length / SAMPLE_RATE, named)

    def draw(self, axis: Axes, row: tuple[float, float]) -> None:
        first, last = (math.ceil(time / self.hop) for time in row)
        part = self.levels[first : last + 1]
        if len(part):
            # Of the frames that share a point the loudest is shown: it is the one that crosses a threshold.
            edges = np.unique(np.linspace(0, len(part), min(_BINS, len(part)) + 1).astype(int)[:-1])
            axis.plot((first + edges) * self.hop, np.maximum.reduceat(part, edges), color="black", linewidth=0.7)
        for name, level in self.thresholds.items():
            axis.axhline(level, **_THRESHOLDS[name])
        axis.set_ylim(_QUIETEST, 0)
        axis.set_yticks([-60, -40, -20, 0])
        axis.tick_params(axis="y", labelsize=6, pad=1.5, length=2)
        axis.set_ylabel("RMS, dBFS", fontsize=6, labelpad=1)


def _decibels(level: Any) -> Any:
    return 20 * np.log10(np.maximum(level, 1e-9))


_THRESHOLDS: dict[str, dict[str, Any]] = {
    "onset": {"color": VERMILION, "linestyle": "--", "linewidth": 1.0},
    "offset": {"color": BLUE, "linestyle": ":", "linewidth": 1.2},
}


def _draw_segments(axis: Axes, row: tuple[float, float], segments: Iterable[Segment]) -> None:
    for segment in segments:
        if segment.start < row[1] and segment.end > row[0]:
            span = max(segment.start, row[0]), min(segment.end, row[1])
            axis.axvspan(*span, color=YELLOW, alpha=0.35, linewidth=0, zorder=0, gid="segment")
            for edge in (segment.start, segment.end):
                if row[0] <= edge <= row[1]:
                    axis.axvline(edge, color="black", linewidth=0.5, zorder=0.5)


def _measure(canvas: Any, seconds: float) -> Callable[[str], float]:
    """Return a function that returns the width of a text in seconds of a row."""
    from matplotlib.font_manager import FontProperties

    renderer, font = canvas.get_renderer(), FontProperties(size=7)
    per_second = (PAGE - _LEFT - _RIGHT) * canvas.figure.dpi / seconds
    return lambda text: float(renderer.get_text_width_height_descent(text, font, ismath=False)[0]) / per_second


def _place(lines: Sequence[Line], row: tuple[float, float], width_of: Callable[[str], float]) -> list[_Placed]:
    """Arrange the lines of a row in lanes, so that no text overlaps another text or the bar of another line."""
    start, end = row
    has_text = end - start <= _LONGEST_WITH_TEXT
    space = width_of("n")
    free = [start] * _MOST_LANES  # until when each lane is taken
    placed = []
    for line in lines:
        begins = start <= line.start < end
        if not begins and not (line.start < start < line.end):
            continue
        lane, left, text, width = None, line.start, "", 0.0
        if min(free) <= max(start, line.start):
            text, width = _fitted(line.text if has_text and begins else "", width_of, end - start)
            left = max(start, min(line.start + space / 3, end - width))
            lane = next((i for i, taken in enumerate(free) if taken <= min(left, max(start, line.start))), None)
        if lane is None:
            # The bar goes where it overlaps least.
            lane, text, width = min(range(_MOST_LANES), key=lambda i: free[i]), "", 0.0
        free[lane] = max(free[lane], min(line.end, end), left + width)
        placed.append(_Placed(line, lane, left, text))
    return placed


def _fitted(text: str, width_of: Callable[[str], float], most: float) -> tuple[str, float]:
    """Truncate a text to the largest width; return it, and its width with a trailing space."""
    text = _printable(text)
    if not text:
        return "", 0.0
    space = width_of("n")
    if width_of(text) + space > most:
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if width_of(text[:middle] + "…") + space <= most else (low, middle - 1)
        text = text[:low] + "…"
    return text, width_of(text) + space


def _printable(text: str) -> str:
    untagged = re.sub("</?nl>", " ", text)  # what marks non-lexical words in references
    return " ".join("".join(c if c.isprintable() else " " for c in untagged).split())


def _n_lanes(lines: Sequence[_Placed]) -> int:
    return 1 + max((placed.lane for placed in lines), default=0)


def _draw_lines(axis: Axes, row: tuple[float, float], track: _Track, lines: Sequence[_Placed]) -> None:
    from matplotlib.collections import PolyCollection

    n_lanes = _n_lanes(lines)
    axis.set_ylim(n_lanes - 0.5, -0.5)
    axis.set_yticks([])
    for side in ("left", "right", "top", "bottom"):
        axis.spines[side].set_visible(side == "bottom")
    _name(axis, track.name)
    least = (row[1] - row[0]) / 400  # seconds; a bar that can be seen
    for is_doubtful in (False, True):
        bars = [_bar(placed, row, least) for placed in lines if bool(placed.line.flags) is is_doubtful]
        style: dict[str, Any] = {"facecolor": track.colour, "edgecolor": "black", "linewidth": 0.4, "alpha": 0.55}
        axis.add_collection(PolyCollection(bars, hatch="////" if is_doubtful else None, **style), autolim=False)
    for placed in lines:
        if placed.text:
            axis.text(placed.left, placed.lane, placed.text, fontsize=7, va="center_baseline")


def _bar(placed: _Placed, row: tuple[float, float], least: float) -> list[tuple[float, float]]:
    """Return the corners of the bar of a line, clipped to the row."""
    first, last = max(placed.line.start, row[0]), min(placed.line.end, row[1])
    last = max(last, first + least)
    top, bottom = placed.lane - 0.43, placed.lane + 0.43
    return [(first, top), (last, top), (last, bottom), (first, bottom)]


def _name(axis: Axes, name: str) -> None:
    axis.text(-0.006, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=7)


def _show_clock(axis: Axes, row: tuple[float, float]) -> None:
    step = next((step for step in _TICKS if (row[1] - row[0]) / step <= _MOST_TICKS), _TICKS[-1])
    ticks = np.arange(math.ceil(row[0] / step) * step, row[1] + 1e-6, step)
    axis.set_xticks(ticks, [clock(tick) for tick in ticks])
    axis.tick_params(axis="x", labelbottom=True, length=2.5, labelsize=7, pad=2)


def _draw_head(figure: Figure, title: str, options: RmsVadOptions | None, tracks: Sequence[_Track]) -> None:
    """Write the title and the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    height = figure.get_figheight()
    figure.text(_LEFT / PAGE, 1 - 0.08 / height, _printable(title)[:90], va="top", fontsize=10)
    handles: list[Any] = [
        Patch(color=GREY, label="mixture"),
        Patch(color=BLUE, label="vocals"),
        Patch(facecolor=YELLOW, alpha=0.5, edgecolor="black", label="segment"),
        Line2D([], [], color="black", linewidth=0.7, label="RMS of the vocals"),
    ]
    if options:
        handles += [Line2D([], [], label=name, **style) for name, style in _THRESHOLDS.items()]
    if any(line.flags for track in tracks for line in track.lines):
        handles.append(Patch(facecolor="white", edgecolor="black", hatch="////", label="doubtful line"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(_LEFT / PAGE, 1 - 0.26 / height),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.2,
        handlelength=1.6,
        handletextpad=0.5,
    )


def _spectrogram_figure(mixture: NDArray[np.float32], vocals: NDArray[np.float32], title: str) -> Figure:
    from matplotlib.figure import Figure

    duration = max(len(mixture) / SAMPLE_RATE, 1 / SAMPLE_RATE)
    levels = {"mixture": _levels(mixture), "vocals": _levels(vocals)}
    loudest = max(float(found.max()) for found in levels.values())
    top = 5 * math.ceil(loudest / 5) if loudest > -150 else 0
    figure = Figure(figsize=(PAGE, 4.2), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, sharey=True)
    extent = (0.0, duration, _mel(_LOWEST), _mel(SAMPLE_RATE / 2))
    images = []
    for axis, (name, found) in zip(axes, levels.items(), strict=True):
        colours: dict[str, Any] = {"cmap": "magma", "vmin": top - _RANGE, "vmax": top}
        images.append(
            axis.imshow(found, extent=extent, origin="lower", aspect="auto", interpolation="nearest", **colours)
        )
        axis.set_yticks([_mel(f) for f in _FREQUENCIES], [f"{f}" for f in _FREQUENCIES])
        axis.set_ylabel("frequency, Hz")
        axis.set_title(name, loc="left", pad=2)
    axes[1].set_xlabel("time, minutes:seconds")
    _show_clock(axes[1], (0.0, duration))
    figure.colorbar(images[0], ax=axes, label="level, dBFS", pad=0.01, fraction=0.04)
    if title:
        figure.suptitle(_printable(title)[:90], fontsize=10)
    return figure


def _mel(frequency: float) -> float:
    import librosa

    return float(librosa.hz_to_mel(frequency, htk=True))


def _levels(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of each band in each column, in dBFS: shape (bands, columns).

    The frames of a long song are farther apart, so that an hour takes no longer than a few minutes.
    """
    import librosa  # not at the top of the module: it takes 2 s

    hop = max(_FFT // 4, math.ceil(len(signal) / (4 * _COLUMNS)))
    n_frames = max(1, math.ceil(len(signal) / hop))
    power = librosa.feature.melspectrogram(
        # Zeros stand beyond the ends; librosa warns of signals that are shorter than a frame.
        y=np.pad(signal, (0, max(0, _FFT - len(signal)))),
        sr=SAMPLE_RATE,
        n_fft=_FFT,
        hop_length=hop,
        window="hann",
        center=True,
        pad_mode="constant",
        power=2.0,
        n_mels=_BANDS,
        fmin=_LOWEST,
        htk=True,
        norm=None,
    )[:, :n_frames]
    # A sine of amplitude 1 has a magnitude of half the sum of the window, which is n_fft / 2.
    power *= (4 / _FFT) ** 2 / _HANN_BINS
    edges = np.unique(np.linspace(0, n_frames, min(_COLUMNS, n_frames) + 1).astype(int))
    pooled = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    levels: NDArray[np.float64] = librosa.power_to_db(pooled, ref=1.0, amin=1e-20, top_db=None)
    return levels
