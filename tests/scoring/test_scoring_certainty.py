"""Differences that were planted, tests worked by hand, and intervals of known distributions."""

from __future__ import annotations

from itertools import product
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyricsep.errors import DatasetError
from lyricsep.scoring import RATES, Counts, Edits, bootstrap, compare, pool, rates, spread_over_seeds


def song(errors: int, length: int = 100, *, insertions: int = 0) -> Counts:
    return Counts(words=Edits(hits=length - errors, substitutions=errors, insertions=insertions))


def board(seed: int, n_songs: int = 79) -> dict[str, Counts]:
    """Songs of 200 to 500 words; some are hard, as real ones are."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(200, 501, size=n_songs)
    hardness = draw.beta(2, 8, size=n_songs)
    return {
        f"song {index}": song(int(draw.binomial(length, share)), int(length))
        for index, (length, share) in enumerate(zip(lengths, hardness, strict=True))
    }


def worse(songs: dict[str, Counts], points: float, seed: int) -> dict[str, Counts]:
    """More errors: `points` percent of the words on average, some songs much, some none, a few fewer."""
    draw = np.random.default_rng(seed)
    changed = {}
    for name, counts in songs.items():
        length = counts.words.n_reference
        more = round(length * draw.normal(points / 100, 0.03))
        changed[name] = song(min(length, max(0, counts.words.substitutions + more)), length)
    return changed


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_difference_of_two_points_is_found(seed: int) -> None:
    first = board(seed)
    second = worse(first, 2, seed + 100)
    found = compare(first, second)["WER"]
    assert found.difference.value == found.second - found.first == pytest.approx(0.02, abs=0.01)
    assert found.p < 0.05
    assert 0 < found.difference.low < found.difference.value < found.difference.high
    # Songs are further apart than that: only their pairs tell.
    alone = bootstrap(list(first.values()))["WER"]
    assert alone.high - alone.low > 0.03


def test_the_difference_is_second_minus_first() -> None:
    first, second = board(0), worse(board(0), 5, 1)
    there, back = compare(first, second), compare(second, first)
    assert there["WER"].difference.value > 0
    for name in RATES:
        a, b = there[name], back[name]
        assert (a.first, a.second) == pytest.approx((b.second, b.first), nan_ok=True)
        assert a.difference.value == pytest.approx(-b.difference.value, nan_ok=True)
        assert a.difference.low == pytest.approx(-b.difference.high, nan_ok=True)
        assert a.p == pytest.approx(b.p, nan_ok=True)


@pytest.mark.parametrize("n_songs", [2, 5, 14, 15, 79])
def test_a_run_does_not_differ_from_itself(n_songs: int) -> None:
    songs = board(3, n_songs)
    found = compare(songs, dict(reversed(songs.items())))["WER"]
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.p == 1
    assert found.first == found.second == rates(pool(songs.values()))["WER"]


def test_an_exact_p_worked_by_hand() -> None:
    first = {"a": song(10), "b": song(20), "c": song(30)}
    second = {"a": song(14), "b": song(21), "c": song(28)}
    # Differences of 4, 1 and -2: the eight sums of signs are ±7, ±5, ±3, ±1, and the true one is 3.
    found = compare(first, second)["WER"]
    assert found.difference.value == pytest.approx(3 / 300)
    assert found.p == 6 / 8
    # All to one side: only the runs as they are and their mirror are as far apart.
    all_worse = compare(first, {"a": song(14), "b": song(21), "c": song(32)})["WER"]
    assert all_worse.p == 2 / 8


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=7))
@settings(max_examples=40, deadline=None)
def test_an_exact_p_is_that_of_all_exchanges(errors: list[tuple[int, int]]) -> None:
    first = {str(index): song(a) for index, (a, _) in enumerate(errors)}
    second = {str(index): song(b) for index, (_, b) in enumerate(errors)}
    moved = [b - a for a, b in errors]
    sums = [
        abs(sum(sign * by for sign, by in zip(signs, moved, strict=True)))
        for signs in product((1, -1), repeat=len(moved))
    ]
    expected = sum(value >= abs(sum(moved)) for value in sums) / len(sums)
    found = compare(first, second, n_samples=10)["WER"].p
    assert found == pytest.approx(expected)
    assert found >= 2 / 2 ** len(errors)


def test_a_drawn_p_is_close_to_the_exact_one() -> None:
    # 15 songs are one too many to try every exchange; a song that does not differ halves nothing.
    first = {str(index): song(20) for index in range(15)}
    second = {**first, **{str(index): song(20 + by) for index, by in enumerate((5, 4, 3, 2, 1, -1, -2))}}
    signs = np.array(list(product((1, -1), repeat=7)))
    exact = float(np.mean(np.abs(signs @ [5, 4, 3, 2, 1, -1, -2]) >= 12))
    assert compare(first, second)["WER"].p == pytest.approx(exact, abs=0.02)


def test_a_drawn_p_is_never_nothing() -> None:
    # All 20 songs are worse: 2 of a million exchanges are as far apart, and the runs as they are count as one.
    first = {str(index): song(20) for index in range(20)}
    second = {str(index): song(25) for index in range(20)}
    assert compare(first, second, n_samples=99)["WER"].p == 1 / 100


def test_songs_that_differ() -> None:
    first, second = {"a": song(1), "b": song(2)}, {"a": song(1), "c": song(2)}
    with pytest.raises(DatasetError, match=r"got 2 and 2 songs \('b' is in only one\)") as caught:
        compare(first, second)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="2 and 1 songs"):
        compare(first, {"a": song(1)})
    with pytest.raises(DatasetError, match="0 and 0 songs"):
        compare({}, {})


def test_one_song_has_no_interval() -> None:
    found = bootstrap([song(20)])["WER"]
    assert found.value == 0.2
    assert isnan(found.low)
    assert isnan(found.high)
    difference = compare({"a": song(20)}, {"a": song(30)})["WER"]
    assert difference.difference.value == pytest.approx(0.1)
    assert isnan(difference.difference.low)
    assert isnan(difference.difference.high)
    assert difference.p == 1


def test_no_song() -> None:
    with pytest.raises(ValueError, match="expected one song or more"):
        bootstrap([])


def test_the_same_seed_gives_the_same_interval() -> None:
    songs = list(board(5).values())
    once, again, other = (bootstrap(songs, n_samples=500, seed=seed)["WER"] for seed in (1, 1, 2))
    assert once == again != other
    assert once.value == other.value
    first, second = board(5, 20), worse(board(5, 20), 1, 6)
    p, q, r = (compare(first, second, n_samples=500, seed=seed)["WER"] for seed in (1, 1, 2))
    assert p == q != r


def test_songs_weigh_as_much_as_their_words() -> None:
    found = bootstrap([song(0, 900), song(100, 100)])["WER"]
    # Either song twice, or both: 0, 0.1 and 1 are all there is.
    assert (found.value, found.low, found.high) == (0.1, 0, 1)


def test_a_wider_level_is_wider() -> None:
    songs = list(board(7).values())
    narrow, wide = (bootstrap(songs, level=level)["WER"] for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_rates_without_a_denominator_have_no_interval() -> None:
    found = bootstrap([song(20), song(30)])["F1_line"]
    assert all(isnan(value) for value in (found.value, found.low, found.high))
    assert isnan(compare({"a": song(1)}, {"a": song(2)})["F1_line"].p)


def test_samples_without_a_denominator_are_left_out() -> None:
    with_lines = Counts(words=Edits(hits=10), line_breaks=Edits(hits=3, insertions=1))
    found = bootstrap([with_lines, song(2)])["P_line"]
    assert (found.value, found.low, found.high) == (0.75, 0.75, 0.75)


def test_an_empty_reference_is_drawn_as_any_song() -> None:
    found = bootstrap([Counts(words=Edits(insertions=50)), song(10), song(10), song(10)])["WER"]
    assert found.value == pytest.approx(80 / 300)
    assert found.low == pytest.approx(0.1)
    assert found.high > found.value


def test_more_songs_than_fit_one_block_are_drawn_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    songs = list(board(9).values())
    whole = bootstrap(songs, n_samples=2000)["WER"]
    monkeypatch.setattr("lyricsep.scoring.certainty._LARGEST_BLOCK", 79 * 300)
    assert bootstrap(songs, n_samples=2000)["WER"] == whole


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """300 boards of 40 songs from one distribution, whose error rate is 0.2 (mean of the beta distribution)."""
    n_covered, n_boards = 0, 300
    for seed in range(n_boards):
        found = bootstrap(list(board(seed, 40).values()), n_samples=400)["WER"]
        n_covered += found.low <= 0.2 <= found.high
    # Percentile intervals of 40 songs are a little short of 0.95.
    assert 0.89 <= n_covered / n_boards <= 0.98


def test_the_spread_over_seeds_worked_by_hand() -> None:
    seeds = [[song(10), song(30)], [song(20), song(40)], [song(15), song(35)]]
    found = spread_over_seeds(seeds)
    assert (found.mean, found.low, found.high, found.n_seeds) == pytest.approx((0.25, 0.2, 0.3, 3))
    assert found.std == pytest.approx(0.05)


def test_the_spread_pools_songs_and_does_not_average_them() -> None:
    found = spread_over_seeds([[song(0, 900), song(100, 100)], [song(90, 900), song(10, 100)]])
    assert (found.mean, found.std) == pytest.approx((0.1, 0))


def test_the_spread_of_one_seed_is_not_known() -> None:
    found = spread_over_seeds([[song(10)]])
    assert (found.mean, found.low, found.high, found.n_seeds) == (0.1, 0.1, 0.1, 1)
    assert isnan(found.std)


def test_the_spread_of_another_rate() -> None:
    found = spread_over_seeds([[song(0, insertions=10)], [song(0, insertions=30)]], "IR")
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.1, 0.3))
    assert spread_over_seeds([[song(0, insertions=10)]], "SR").mean == 0


def test_the_table_of_a_comparison_has_a_row_per_rate() -> None:
    compared = compare({"a": song(10), "b": song(20, insertions=2)}, {"a": song(11), "b": song(24)}, n_samples=100)
    table = compared.to_dataframe()
    assert list(table.columns) == ["rate", "first", "second", "difference", "low", "high", "p"]
    assert table["rate"].tolist() == list(RATES)
    wer = table.set_index("rate").loc["WER"]
    assert (wer["first"], wer["second"]) == (0.16, 0.175)
    assert wer["difference"] == pytest.approx(0.015)
    found = compared["WER"]
    assert (wer["low"], wer["high"], wer["p"]) == (found.difference.low, found.difference.high, found.p)
    assert isnan(table.set_index("rate").loc["F1_line", "first"])
