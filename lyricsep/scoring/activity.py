"""Score segmentation against the line times of the reference: sung but not decoded time, and the reverse.

Task: vocal activity detection. The reference is the union of the lines' spans: short pauses inside a line count as
sung, time between lines does not. Precision and recall are of time, not of segments.

The area under the ROC curve evaluates the envelope independently of thresholds: the probability that a frame inside
a line is louder than one outside it (Mann and Whitney 1947). It compares frames within a song only, as RMS-VAD does.

Seconds and pairs are summed over songs; rates are derived from the sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.lyrics import Line, Segment
from lyricsep.scoring.counts import share
from lyricsep.segmentation.merge import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ActivityCounts:
    """Seconds and pairs of frames, of one or more songs.

    Parameters
    ----------
    sung : float
        Seconds inside lines of the reference.
    decoded : float
        Seconds inside segments.
    both : float
        Seconds inside both.
    duration : float
        Total seconds.
    pairs_won, pairs : float
        Pairs of a frame inside a line and one outside, in the same song: pairs in which the former is louder (ties
        count half), and all pairs. 0 without an envelope.
    """

    sung: float = 0.0
    decoded: float = 0.0
    both: float = 0.0
    duration: float = 0.0
    pairs_won: float = 0.0
    pairs: float = 0.0

    def __add__(self, other: ActivityCounts) -> ActivityCounts:
        return ActivityCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def precision(self) -> float:
        """Share of the decoded time that is sung; NaN if nothing was decoded."""
        return share(self.both, self.decoded)

    @property
    def recall(self) -> float:
        """Share of the sung time that was decoded; NaN if nothing is sung."""
        return share(self.both, self.sung)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if only one of sung and decoded time is 0, NaN if both are."""
        return share(2 * self.both, self.sung + self.decoded)

    @property
    def missed(self) -> float:
        """Sung seconds that were not decoded."""
        return max(0.0, self.sung - self.both)

    @property
    def silence_decoded(self) -> float:
        """Decoded seconds without singing."""
        return max(0.0, self.decoded - self.both)

    @property
    def auc(self) -> float:
        """Probability that a frame inside a line is louder than one outside, 0 to 1; NaN without such pairs."""
        return share(self.pairs_won, self.pairs)


def score_activity(
    segments: Sequence[Segment],
    lines: Sequence[Line],
    duration: float,
    envelope: NDArray[np.floating] | None = None,
    hop: float = 512 / SAMPLE_RATE,
) -> ActivityCounts:
    """Compare segments, and optionally their envelope, with the lines of the reference.

    Parameters
    ----------
    segments : sequence of Segment
        In any order; overlaps count once.
    lines : sequence of Line
        The reference, in any order.
    duration : float
        Length of the song in seconds; later times are ignored.
    envelope : ndarray of float, shape (n_frames,), optional
        Level of the vocals, such as from `lyricsep.segmentation.rms_envelope`. Frame `i` is at ``i * hop`` seconds,
        and counts as sung if a line starts at or before it and ends at or after it.
    hop : float
        Seconds between frames.

    Raises
    ------
    ValueError
        If the duration is negative or not finite, the envelope is not one-dimensional or has NaN,
        or the hop is not positive.
    """
    if not 0 <= duration < math.inf:
        raise ValueError(f"expected a duration of 0 s or more, got {duration!r}")
    sung = _union(((line.start, line.end) for line in lines), duration)
    decoded = _union(((segment.start, segment.end) for segment in segments), duration)
    won, pairs = (0.0, 0.0) if envelope is None else _compare_frames(envelope, lines, hop)
    return ActivityCounts(
        sung=_total(sung),
        decoded=_total(decoded),
        both=_total(_intersection(sung, decoded)),
        duration=duration,
        pairs_won=won,
        pairs=pairs,
    )


def _union(spans: Iterable[tuple[float, float]], duration: float) -> Spans:
    """Merge overlapping and adjacent spans, up to `duration`."""
    merged: Spans = []
    for start, end in sorted((start, min(end, duration)) for start, end in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif start < end:
            merged.append((start, end))
    return merged


def _intersection(a: Spans, b: Spans) -> Spans:
    # Computed span by span, not by inclusion and exclusion, so that rounding never makes it larger than the union.
    common: Spans = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            common.append((start, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return common


def _total(spans: Spans) -> float:
    return math.fsum(end - start for start, end in spans)


def _compare_frames(envelope: NDArray[np.floating], lines: Sequence[Line], hop: float) -> tuple[float, float]:
    """Count pairs of a sung and another frame: those in which the sung one is louder, and all."""
    if envelope.ndim != 1 or np.isnan(envelope).any() or not 0 < hop < math.inf:
        raise ValueError(f"expected one row of numbers and a hop above 0 s, got shape {envelope.shape}, hop {hop!r}")
    # Round to nanoseconds, so that a line that ends on a frame contains it despite rounding errors.
    time = np.round(np.arange(len(envelope)) * hop, 9)
    is_sung = np.zeros(len(envelope), dtype=bool)
    for line in lines:
        is_sung |= (line.start <= time) & (time <= line.end)
    sung, other = envelope[is_sung], np.sort(envelope[~is_sung])
    # Frames below, and half of those at the same level.
    below, up_to = np.searchsorted(other, sung, "left"), np.searchsorted(other, sung, "right")
    return float((below + up_to).sum()) / 2, float(len(sung)) * len(other)
