"""Uncertainty of scores: intervals over songs, spread over seeds, and paired tests of two runs.

Songs are the random sample of all music that could have been tested, so songs are resampled, each with all its counts
(all seeds, segments and lines). The rates of a sample are derived from its summed counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lyricsep.errors import DatasetError
from lyricsep.scoring.counts import FIELDS, RATES, Counts, pool, rates, rates_of_fields
from lyricsep.tables import Table, percent, with_interval

if TYPE_CHECKING:
    from pandas import DataFrame

N_SAMPLES = 10_000
LEVEL = 0.95
_LARGEST_BLOCK = 4_000_000  # numbers in memory at once
_MOST_EXACT = 14  # songs; up to here all exchanges are enumerated

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its interval.

    Parameters
    ----------
    value : float
        Value for the original songs.
    low, high : float
        Percentiles of the resampled values; NaN for fewer than two songs.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Spread of a rate over seeds, for the same songs.

    Parameters
    ----------
    mean, std : float
        Mean and sample standard deviation (n - 1) over seeds; the latter is NaN for one seed.
    low, high : float
        Minimum and maximum.
    n_seeds : int
        Number of seeds.
    """

    mean: float
    std: float
    low: float
    high: float
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One rate in two runs over the same songs.

    Parameters
    ----------
    first, second : float
        The rate of each run.
    difference : Interval
        Second minus first, over songs.
    p : float
        Probability of a difference at least as large if the two results of each song are exchanged at random, 0 to 1.
        For n songs it is at least ``2 / 2**n``.
    """

    first: float
    second: float
    difference: Interval
    p: float


class Comparison(dict[str, Difference]):
    """Each rate in two runs over the same songs, by the name of the rate."""

    def to_dataframe(self) -> DataFrame:
        """Return a table with one row per rate.

        Returns
        -------
        pandas.DataFrame
            ``rate`` : str, one of `RATES`.
            ``first``, ``second`` : float, the rate of each run, a share (0.25, not 25 %).
            ``difference``, ``low``, ``high`` : float, second minus first, and its interval over songs.
            ``p`` : float, of the permutation test, 0 to 1.
            Each is NaN where it is not defined.
        """
        import pandas as pd

        columns = ["rate", "first", "second", "difference", "low", "high", "p"]
        rows = [(name, rate.first, rate.second, *astuple(rate.difference), rate.p) for name, rate in self.items()]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], "float64"))

    def _repr_html_(self) -> str:
        rows = [
            (
                name,
                percent(rate.first),
                percent(rate.second),
                with_interval(*astuple(rate.difference)),
                "–" if math.isnan(rate.p) else f"{rate.p:.4f}",
            )
            for name, rate in self.items()
        ]
        note = "percent; paired over songs: bootstrap interval, permutation p"
        headers = ("rate", "first", "second", "second - first [95 %]", "p")
        return Table("Two runs over the same songs", headers, tuple(rows), 1, (note,)).html()


def bootstrap(
    songs: Sequence[Counts], *, n_samples: int = N_SAMPLES, level: float = LEVEL, seed: int = 0
) -> dict[str, Interval]:
    """Return each rate with its percentile interval over songs (Efron 1979).

    Parameters
    ----------
    songs : sequence of Counts
        One per song.
    n_samples : int
        Number of bootstrap samples; each draws as many songs as there are, with replacement.
    level : float
        Share of the samples inside the interval.
    seed : int
        Random seed; the same seed gives the same interval.

    Raises
    ------
    ValueError
        If there are no songs.
    """
    if not songs:
        raise ValueError("expected one song or more, got none")
    matrix = _matrix(songs)
    samples = _resample(len(songs), n_samples, seed, lambda weights: rates_of_fields(_columns(weights @ matrix)))
    return {name: _interval(value, samples[name], level, len(songs)) for name, value in rates(pool(songs)).items()}


def bootstrap_means(
    figures: Mapping[str, Sequence[float]], *, n_samples: int = N_SAMPLES, level: float = LEVEL, seed: int = 0
) -> dict[str, Interval]:
    """Return the mean over songs of each figure with its percentile interval over songs (Efron 1979).

    Parameters
    ----------
    figures : mapping of str to sequence of float, shape (n_songs,)
        Values of the songs; a song whose value is NaN is left out of that mean.
    n_samples, level, seed : int, float, int
        As in `bootstrap`.

    Raises
    ------
    ValueError
        If there are no songs, or the lengths differ.
    """
    matrix = np.array(list(figures.values()), np.float64).T
    if not matrix.size:
        raise ValueError("expected one song or more, got none")
    known = ~np.isnan(matrix)
    values = np.where(known, matrix, 0.0)

    def means(weights: NDArray[np.int64]) -> dict[str, Samples]:
        # A sample that drew no song with a known value has no mean.
        with np.errstate(invalid="ignore"):
            return dict(zip(figures, ((weights @ values) / (weights @ known)).T, strict=True))

    n_songs = len(matrix)
    samples = _resample(n_songs, n_samples, seed, means)
    originals = means(np.ones((1, n_songs), np.int64))
    return {
        name: _interval(float(originals[name][0]), samples[name], level, int(n_known))
        for name, n_known in zip(figures, known.sum(axis=0), strict=True)
    }


def compare(
    first: Mapping[str, Counts],
    second: Mapping[str, Counts],
    *,
    n_samples: int = N_SAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare two runs over the same songs, rate by rate.

    Parameters
    ----------
    first, second : mapping of str to Counts
        By song.

    Returns
    -------
    Comparison
        The interval is a paired bootstrap over songs, p a paired permutation test (exact up to 14 songs).

    Raises
    ------
    DatasetError
        If the runs do not have the same songs, or have none.
    """
    if set(first) != set(second) or not first:
        odd = sorted(set(first) ^ set(second))
        raise DatasetError(
            f"expected two runs over the same songs, got {len(first)} and {len(second)} songs"
            + (f" ({odd[0]!r} is in only one)" if odd else "")
            + "; score both on the same dataset"
        )
    songs = sorted(first)
    a, b = _matrix([first[song] for song in songs]), _matrix([second[song] for song in songs])

    def difference(of_a: NDArray[np.int64], of_b: NDArray[np.int64]) -> dict[str, Samples]:
        left, right = rates_of_fields(_columns(of_a)), rates_of_fields(_columns(of_b))
        return {name: right[name] - left[name] for name in RATES}

    drawn = _resample(len(songs), n_samples, seed, lambda weights: difference(weights @ a, weights @ b))
    swapped = _exchange(
        len(songs), n_samples, seed, lambda keep: difference(keep @ a + (1 - keep) @ b, keep @ b + (1 - keep) @ a)
    )
    is_exact = len(songs) <= _MOST_EXACT
    rates_a, rates_b = rates(pool(first.values())), rates(pool(second.values()))
    return Comparison(
        {
            name: Difference(
                rates_a[name],
                rates_b[name],
                _interval(rates_b[name] - rates_a[name], drawn[name], level, len(songs)),
                _p_value(rates_b[name] - rates_a[name], swapped[name], is_exact=is_exact),
            )
            for name in RATES
        }
    )


def spread_over_seeds(seeds: Sequence[Sequence[Counts]], rate: str = "WER") -> Spread:
    """Return the spread of a pooled rate over seeds.

    Parameters
    ----------
    seeds : sequence of sequence of Counts
        For each seed, the counts of the same songs.
    rate : str
        One of `RATES`.
    """
    values = [rates(pool(songs))[rate] for songs in seeds]
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), std, min(values), max(values), len(values))


def _matrix(songs: Sequence[Counts]) -> NDArray[np.int64]:
    return np.array([list(song.as_fields().values()) for song in songs], np.int64).reshape(len(songs), len(FIELDS))


def _columns(matrix: NDArray[np.int64]) -> dict[str, Samples]:
    return dict(zip(FIELDS, matrix.T.astype(np.float64), strict=True))


def _resample(
    n_songs: int, n_samples: int, seed: int, statistic: Callable[[NDArray[np.int64]], dict[str, Samples]]
) -> dict[str, Samples]:
    """Draw songs with replacement; call `statistic` with how often each was drawn, block by block."""
    generator = np.random.default_rng(seed)
    shares = np.full(n_songs, 1 / n_songs)
    return _in_blocks(n_songs, n_samples, lambda n: statistic(generator.multinomial(n_songs, shares, size=n)))


def _exchange(
    n_songs: int, n_samples: int, seed: int, statistic: Callable[[NDArray[np.int64]], dict[str, Samples]]
) -> dict[str, Samples]:
    """Keep (1) or exchange (0) the two results of each song: all combinations, or a random sample."""
    if n_songs <= _MOST_EXACT:
        return statistic(np.array(list(product((0, 1), repeat=n_songs)), np.int64))
    generator = np.random.default_rng(seed)
    return _in_blocks(n_songs, n_samples, lambda n: statistic(generator.integers(0, 2, size=(n, n_songs))))


def _in_blocks(n_songs: int, n_samples: int, draw: Callable[[int], dict[str, Samples]]) -> dict[str, Samples]:
    size = max(1, _LARGEST_BLOCK // n_songs)
    blocks = [draw(min(size, n_samples - first)) for first in range(0, n_samples, size)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _interval(value: float, samples: Samples, level: float, n_songs: int) -> Interval:
    known = samples[~np.isnan(samples)]
    if math.isnan(value) or n_songs < 2 or not len(known):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def _p_value(difference: float, samples: Samples, *, is_exact: bool) -> float:
    known = samples[~np.isnan(samples)]
    if math.isnan(difference) or not len(known):
        return math.nan
    # The original runs are one of the combinations; the tolerance covers rounding of sums in another order.
    as_large = int(np.count_nonzero(np.abs(known) >= abs(difference) - 1e-12))
    return as_large / len(known) if is_exact else (as_large + 1) / (len(known) + 1)
