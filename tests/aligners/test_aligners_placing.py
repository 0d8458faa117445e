"""Placement with likelihoods that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lyricsep.aligners.placing import Likelihoods, Placement, place_words

HEARD, UNKNOWN = -0.2, -9.0


def listener(sung: Sequence[range], n_words: int, tokens_per_word: int = 2):
    """Hear the words of a segment well if they follow each other as they are sung there, and no others."""

    def listen(segment: int, firsts: Sequence[int], most: int) -> list[Likelihoods]:
        found = []
        for first in firsts:
            words = range(first, min(first + most, n_words))
            inside = [word in sung[segment] for word in words]
            tokens = np.repeat([HEARD if here else UNKNOWN for here in inside], tokens_per_word).astype(float)
            ends = [
                HEARD if word == sung[segment].stop or not sung[segment] else UNKNOWN for word in (*words, words.stop)
            ]
            found.append(Likelihoods(tokens, np.array(ends), np.arange(len(words) + 1) * tokens_per_word))
        return found

    return listen


def spans(placements: Sequence[Placement]) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in placements]


@pytest.mark.parametrize(
    "sung",
    [
        [range(10), range(10, 20), range(20, 30)],
        [range(3), range(3, 25), range(25, 30)],
        [range(30)],
        [range(14), range(14, 14), range(14, 30)],  # a segment of other sound
    ],
)
def test_words_are_placed_where_they_are_heard(sung: list[range]) -> None:
    durations = [max(1.0, len(one)) for one in sung]
    found = place_words(range(0, 30, 2), 30, durations, listener(sung, 30))
    assert spans(found) == [(one.start, one.stop) for one in sung]
    assert found[0].logprobs == pytest.approx([HEARD] * len(sung[0]))


def test_a_verse_that_nobody_sings_is_left_out() -> None:
    sung = [range(10), range(22, 30)]
    assert spans(place_words(range(0, 30, 2), 30, [10.0, 8.0], listener(sung, 30))) == [(0, 10), (22, 30)]


def test_single_words_that_are_ill_heard_are_not_left_out() -> None:
    sung = [range(10), range(11, 20)]
    (first, second) = place_words(range(0, 20, 2), 20, [10.0, 10.0], listener(sung, 20))
    assert (first.first, second.last) == (0, 20)
    assert first.last == second.first


def test_wrong_words_among_right_ones_are_not_left_out() -> None:
    """Every fifth word is heard nowhere: with four tokens each, the line would cost more than to leave it out."""
    sung = [range(10), range(10, 20)]
    right = listener(sung, 20, tokens_per_word=4)

    def listen(segment: int, firsts: Sequence[int], most: int) -> list[Likelihoods]:
        found = right(segment, firsts, most)
        for first, heard in zip(firsts, found, strict=True):
            wrong = [token for token in range(len(heard.tokens)) if (first + token // 4) % 5 == 0]
            heard.tokens[wrong] = UNKNOWN
            right_ones = np.delete(np.arange(len(heard.tokens)), wrong)
            heard.tokens[right_ones] *= 10  # and the others are heard less well beside them
        return found

    assert spans(place_words(range(0, 20, 2), 20, [10.0, 10.0], listen)) == [(0, 10), (10, 20)]


def test_more_words_are_heard_where_they_go_on() -> None:
    """Three of four segments hold nothing, so many more words than expected are sung in the last."""
    asked: list[tuple[int, int]] = []
    sung = [range(0), range(0), range(0), range(60)]
    hear = listener(sung, 60)

    def listen(segment: int, firsts: Sequence[int], most: int) -> list[Likelihoods]:
        asked.append((segment, most))
        return hear(segment, firsts, most)

    found = place_words(range(0, 60, 2), 60, [10.0, 10.0, 10.0, 10.0], listen)
    assert spans(found) == [(0, 0), (0, 0), (0, 0), (0, 60)]
    assert [most for segment, most in asked if segment == 3] == [28, 60]  # 15 + 2 * (0.25 * 15 + 3) = 28.5


def test_words_that_are_heard_nowhere_at_the_end() -> None:
    sung = [range(12), range(12, 24)]
    found = place_words(range(0, 60, 2), 60, [12.0, 12.0], listener(sung, 60))
    assert spans(found)[0] == (0, 12)
    assert found[1].last == 24


def test_no_words() -> None:
    assert spans(place_words(range(0, 0, 2), 0, [3.0, 4.0], listener([range(0), range(0)], 0))) == [(0, 0), (0, 0)]
