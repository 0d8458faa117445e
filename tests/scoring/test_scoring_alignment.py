"""Starts with known errors, mir_eval as the judge, and the pairing of words and lines."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mir_eval import alignment as judge

from lyricsep.datasets import open_dataset
from lyricsep.lyrics import Line, Word
from lyricsep.scoring import bootstrap_means
from lyricsep.scoring.alignment import (
    mean_alignment,
    score_alignment,
    score_starts,
)


def timed(*lines: str, start: float = 1.0, step: float = 0.5) -> tuple[Line, ...]:
    """Lines whose words start every half second, from 1 s; ``_`` joins words without a space."""
    made, clock = [], start
    for text in lines:
        words = []
        for word in text.replace("_", " _").split():
            words.append(Word(clock, clock + step, word.removeprefix("_")))
            clock += step
        made.append(Line(words[0].start, words[-1].end, text.replace("_", ""), tuple(words)))
    return tuple(made)


def late(lines: tuple[Line, ...], shift: float) -> tuple[Line, ...]:
    return tuple(
        replace(
            line,
            start=line.start + shift,
            end=line.end + shift,
            words=tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in line.words),
        )
        for line in lines
    )


def without_words(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(replace(line, words=()) for line in lines)


class TestFigures:
    def test_known_errors(self) -> None:
        # Errors 0.0625, 0.25, 0.5 and 7.1875: early and late do not cancel.
        found = score_starts([1, 2, 3, 4], [1.0625, 1.75, 3.5, 11.1875])
        assert (found.n_reference, found.n_matched, found.matched) == (4, 4, 1)
        assert (found.mean_error, found.median_error) == (2.0, 0.375)
        assert (found.within_03, found.within_01) == (0.5, 0.25)
        assert not found.is_lost

    @pytest.mark.parametrize(
        ("start", "within_03", "within_01"),
        [(1.1, 1, 1), (0.9, 1, 1), (1.101, 1, 0), (1.3, 1, 0), (0.7, 1, 0), (1.301, 0, 0), (0.699, 0, 0)],
    )
    def test_the_tolerance_itself_is_within(self, start: float, within_03: float, within_01: float) -> None:
        found = score_starts([1.0], [start])
        assert (found.within_03, found.within_01) == (within_03, within_01)

    def test_early_is_perceived_milder_than_late(self) -> None:
        assert score_starts([5], [4.75]).perceptual > score_starts([5], [5.25]).perceptual

    @pytest.mark.parametrize(("error", "is_lost"), [(5.0, False), (5.001, True)])
    def test_lost_is_over_five_seconds(self, error: float, is_lost: bool) -> None:
        found = score_starts([10.0], [10.0 + error])
        assert found.is_lost == is_lost
        assert found.figures()["lost"] == is_lost

    def test_what_has_no_estimate_has_no_error(self) -> None:
        found = score_starts([1.0], [1.25], n_reference=4)
        assert (found.matched, found.mean_error) == (0.25, 0.25)
        nothing = score_starts([], [], n_reference=4)
        assert (nothing.matched, nothing.n_matched, nothing.is_lost) == (0, 0, False)
        assert all(isnan(value) for name, value in nothing.figures().items() if name != "matched")
        assert isnan(score_starts([], []).matched)

    @pytest.mark.parametrize(
        ("reference", "estimate"),
        [([1, 2], [1]), ([1], [1, 2]), ([[1]], [[1]]), (1.0, 1.0), ([nan], [1]), ([1], [float("inf")])],
    )
    def test_what_is_no_pair_of_starts(self, reference: object, estimate: object) -> None:
        with pytest.raises(ValueError, match="expected"):
            score_starts(reference, estimate)  # type: ignore[arg-type]

    def test_no_more_starts_than_the_reference_has(self) -> None:
        with pytest.raises(ValueError, match="at most 1 starts of the reference, got 2"):
            score_starts([1, 2], [1, 2], n_reference=1)


def assert_as_judged(reference: np.ndarray, estimate: np.ndarray) -> None:
    found = score_starts(reference, estimate)
    median, mean = judge.absolute_error(reference, estimate)
    assert found.mean_error == pytest.approx(mean, abs=1e-12)
    assert found.median_error == pytest.approx(median, abs=1e-12)
    assert found.within_03 == pytest.approx(judge.percentage_correct(reference, estimate, window=0.3))
    assert found.within_01 == pytest.approx(judge.percentage_correct(reference, estimate, window=0.1))
    assert found.perceptual == pytest.approx(judge.karaoke_perceptual_metric(reference, estimate), abs=1e-9)


class TestAgainstMirEval:
    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("spread", [0.05, 0.3, 3.0])
    def test_random_starts(self, seed: int, spread: float) -> None:
        draw = np.random.default_rng(seed)
        reference = np.sort(draw.uniform(10, 200, size=int(draw.integers(1, 300))))
        # A bias, so that a wrong sign or swapped arguments show in the perceptual measure.
        estimate = np.sort(np.maximum(reference + draw.normal(0.1, spread, size=len(reference)), 0))
        assert_as_judged(reference, estimate)
        assert_as_judged(estimate, reference)

    @pytest.mark.parametrize(
        ("reference", "estimate"),
        [
            ([1.0], [1.0]),
            ([0.0], [0.3]),
            ([0.3], [0.0]),
            ([0.0], [0.1]),
            ([0.0, 0.0], [0.0, 100.0]),
            ([5.0, 5.0, 5.0], [5.0, 5.0, 5.0]),
            ([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]),
            ([1.0, 2.0, 3.0], [0.5, 1.0, 300.0]),
        ],
    )
    def test_edges(self, reference: list[float], estimate: list[float]) -> None:
        assert_as_judged(np.array(reference), np.array(estimate))

    @given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=30))
    def test_binary_fractions(self, pairs: list[tuple[int, int]]) -> None:
        # Multiples of 1/64 s: no rounding, and no error is exactly a tolerance.
        reference, estimate = (np.sort([pair[side] for pair in pairs]) / 64 for side in (0, 1))
        assert_as_judged(reference, estimate)


class TestPairing:
    def test_the_same_words(self) -> None:
        reference = timed("one two three", "four five")
        words, lines = score_alignment(reference, late(reference, 0.25), "en")
        assert words == score_starts([1.0, 1.5, 2.0, 2.5, 3.0], [1.25, 1.75, 2.25, 2.75, 3.25])
        assert lines == score_starts([1.0, 2.5], [1.25, 2.75])

    def test_the_estimate_comes_second(self) -> None:
        reference = timed("one two", "three four five")
        words, _ = score_alignment(reference, late(reference, 0.25), "en")
        mirrored, _ = score_alignment(late(reference, 0.25), reference, "en")
        assert words is not None
        assert mirrored is not None
        assert words.perceptual == pytest.approx(score_starts([5], [5.25]).perceptual)
        assert mirrored.perceptual == pytest.approx(score_starts([5], [4.75]).perceptual)

    def test_case_and_punctuation_are_ignored(self) -> None:
        reference = timed("si t'es là c'est", "pour l'un")
        estimate = timed("Si t’es là, c'est", "– pour (l'un)!")
        words, lines = score_alignment(reference, estimate, "fr")
        assert words is not None
        assert lines is not None
        # "–" has no letters, and takes half a second.
        assert (words.n_reference, words.n_matched, words.mean_error) == (6, 6, pytest.approx(1 / 6))
        assert (lines.n_matched, lines.mean_error) == (2, 0)

    def test_lines_may_break_elsewhere(self) -> None:
        reference = timed("one two three", "four five")
        estimate = timed("one two", "three four five")
        words, lines = score_alignment(reference, estimate, "en")
        assert words is not None
        assert lines is not None
        assert (words.n_matched, words.mean_error) == (5, 0)
        assert (lines.n_matched, lines.mean_error) == (2, 0)
        # Without words, no line of the estimate starts where the second line does.
        words, lines = score_alignment(reference, without_words(estimate), "en")
        assert words is None
        assert lines is not None
        assert (lines.n_reference, lines.n_matched) == (2, 1)

    def test_words_may_be_split_elsewhere(self) -> None:
        reference, estimate = timed("l'un est là"), timed("l_'un est là")
        words, _ = score_alignment(reference, estimate, "fr")
        assert words == score_starts([1.0, 1.5, 2.0], [1.0, 2.0, 2.5])
        # The word "'un" of the other side starts within a word.
        words, _ = score_alignment(estimate, reference, "fr")
        assert words == score_starts([1.0, 2.0, 2.5], [1.0, 1.5, 2.0], n_reference=4)

    def test_case_and_spaces_may_differ_at_once(self) -> None:
        # As other words, "heya" would match nothing.
        words, _ = score_alignment(timed("heya go"), timed("He ya! Go"), "en")
        assert words == score_starts([1.0, 1.5], [1.0, 2.0])

    def test_only_matched_words_of_another_text(self) -> None:
        reference = timed("one two three", "four five six")
        estimate = timed("oh one too three", "five", "six seven")
        words, lines = score_alignment(reference, estimate, "en")
        # one, three, five, six; of the lines' first words only "one".
        assert words == score_starts([1.0, 2.0, 3.0, 3.5], [1.5, 2.5, 3.0, 3.5], n_reference=6)
        assert lines == score_starts([1.0], [1.5], n_reference=2)

    def test_a_word_is_matched_as_a_whole(self) -> None:
        words, lines = score_alignment(timed("l'un est là"), timed("l'autre est là"), "fr")
        assert words == score_starts([1.5, 2.0], [1.5, 2.0], n_reference=3)
        assert lines is not None
        assert (lines.n_reference, lines.n_matched) == (1, 0)

    def test_repeated_words_are_paired_in_order(self) -> None:
        reference = timed("na na na na")
        words, _ = score_alignment(reference, late(reference, 0.5), "en")
        assert words is not None
        assert (words.n_matched, words.mean_error) == (4, 0.5)

    def test_lines_alone(self) -> None:
        reference = timed("one two", "three")
        words, lines = score_alignment(reference, without_words(late(reference, 0.25)), "en")
        assert words is None
        assert lines == score_starts([1.0, 2.0], [1.25, 2.25])
        words, lines = score_alignment(without_words(reference), late(reference, 0.25), "en")
        assert words is None
        assert lines == score_starts([1.0, 2.0], [1.25, 2.25])

    def test_tags_are_no_words(self) -> None:
        reference = (Line(1, 2, "<nl> la la </nl>"), Line(3, 4, "one <nl>oh</nl>"))
        words, lines = score_alignment(reference, (Line(1.5, 2, "la la"), Line(3, 4, "one oh")), "en")
        assert words is None
        assert lines == score_starts([1, 3], [1.5, 3])

    def test_nothing(self) -> None:
        assert score_alignment((), (), "en") == (None, None)
        assert score_alignment(timed("one"), (), "en") == (None, None)
        words, lines = score_alignment(timed("one"), timed("two"), "en")
        assert words is not None
        assert lines is not None
        assert (words.n_reference, words.n_matched, lines.n_matched) == (1, 0, 0)

    def test_real_songs(self, shared: Path) -> None:
        """The reference against itself, 0.25 s late: every word and line of five songs is paired with itself."""
        folder = shared / "jamendolyrics"
        if not folder.is_dir():
            pytest.skip("JamendoLyrics (../shared/jamendolyrics) is missing")
        songs = open_dataset(folder).songs
        assert sum(len(line.words) for song in songs for line in song.lines) == 1169
        for song in songs:
            starts = np.array([word.start for line in song.lines for word in line.words])
            words, lines = score_alignment(song.lines, late(song.lines, 0.25), song.language)
            assert words is not None
            assert lines is not None
            assert (words.matched, words.n_matched, lines.matched) == (1, len(starts), 1)
            assert words.mean_error == pytest.approx(0.25)
            assert words.perceptual == pytest.approx(judge.karaoke_perceptual_metric(starts, starts + 0.25))


class TestMeans:
    def test_songs_count_alike(self) -> None:
        short, long = score_starts([1.0], [2.0]), score_starts([1.0] * 9, [21.0] * 9)
        means = mean_alignment([short, long])
        assert means["AAE"].value == 10.5
        assert means["lost"].value == 0.5
        assert (means["AAE"].low, means["AAE"].high) == (1, 20)

    def test_songs_without_a_start_count_for_the_share_alone(self) -> None:
        means = mean_alignment([score_starts([1.0], [2.0]), score_starts([], [], n_reference=3)])
        assert (means["AAE"].value, means["lost"].value, means["matched"].value) == (1, 0, 0.5)
        assert isnan(means["AAE"].low)
        assert (means["matched"].low, means["matched"].high) == (0, 1)

    def test_one_song_has_no_interval(self) -> None:
        mean = mean_alignment([score_starts([1.0], [2.0])])["AAE"]
        assert (mean.value, isnan(mean.low), isnan(mean.high)) == (1, True, True)

    def test_no_songs(self) -> None:
        with pytest.raises(ValueError, match="one song or more"):
            mean_alignment([])

    def test_the_interval_is_that_of_the_normal_distribution(self) -> None:
        values = np.random.default_rng(0).normal(1.0, 0.2, size=200)
        interval = bootstrap_means({"AAE": list(values)})["AAE"]
        half = 1.96 * values.std() / np.sqrt(200)
        assert interval.value == pytest.approx(values.mean())
        assert interval.low == pytest.approx(values.mean() - half, abs=0.003)
        assert interval.high == pytest.approx(values.mean() + half, abs=0.003)
