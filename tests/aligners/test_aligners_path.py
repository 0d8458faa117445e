"""The path against an exhaustive search, and against answers known to the tick."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.aligners.path import PAUSE, SILENCE, TICK, UNHEARD, Evidence, NoPathError, find_path, silence_of

SUNG, SILENT = 0.0, 1.0


def evidence(scores: list[list[float]], letter: int = 0, tick: int = 0) -> Evidence:
    return Evidence(letter, tick, np.array(scores, np.float32))


def best_by_trying(scores: np.ndarray, firsts: list[int], silence: np.ndarray) -> float:
    """Return the score of the best path, by trying all."""
    n_letters, n_ticks = scores.shape
    states = []
    for letter in range(n_letters):
        states += [-1] * (letter in firsts) + [letter]
    states.append(-1)
    best = -np.inf
    for walk in combinations_with_replacement(range(len(states)), n_ticks):
        visited = [states[index] for index in walk]
        if [letter for letter in dict.fromkeys(visited) if letter >= 0] != list(range(n_letters)):
            continue
        total = sum(
            PAUSE + SILENCE * silence[tick] if letter < 0 else scores[letter, tick]
            for tick, letter in enumerate(visited)
        )
        best = max(best, total)
    return best


@given(st.data())
def test_no_path_is_better(data: st.DataObject) -> None:
    n_letters = data.draw(st.integers(1, 3))
    n_ticks = data.draw(st.integers(n_letters, 6))
    values = st.floats(0, 1, width=16)
    scores = np.array(
        data.draw(
            st.lists(st.lists(values, min_size=n_ticks, max_size=n_ticks), min_size=n_letters, max_size=n_letters)
        )
    )
    firsts = [0, *(n for n in range(1, n_letters) if data.draw(st.booleans()))]
    silence = np.array(data.draw(st.lists(values, min_size=n_ticks, max_size=n_ticks)))
    path = find_path([Evidence(0, 0, scores.astype(np.float32))], firsts, n_letters, silence)
    total = sum(
        PAUSE + SILENCE * silence[tick] if letter < 0 else scores[letter, tick]
        for tick, letter in enumerate(path.letters)
    )
    assert total == pytest.approx(best_by_trying(scores, firsts, silence), abs=1e-4)


def test_words_start_and_end_at_their_ticks() -> None:
    """Two words of two letters: ticks 2-3 and 4, a pause, and ticks 7 and 8-9."""
    scores = np.zeros((4, 12), np.float32)
    for letter, ticks in enumerate(([2, 3], [4], [7], [8, 9])):
        scores[letter, ticks] = 1
    silence = np.ones(12)
    silence[[2, 3, 4, 7, 8, 9]] = SUNG
    path = find_path([Evidence(0, 0, scores)], [0, 2], 4, silence)
    assert path.starts.tolist() == [2, 7]
    assert path.ends.tolist() == [5, 10]
    assert path.letters.tolist() == [-1, -1, 0, 0, 1, -1, -1, 2, 3, 3, -1, -1]


def test_a_word_does_not_start_in_silence_even_where_it_seems_to_be_heard() -> None:
    heard = evidence([[0.6, 0.6, 0.2, 0.5]])
    assert find_path([heard], [0], 1, np.full(4, SUNG)).starts.tolist() == [0]
    assert find_path([heard], [0], 1, np.array([SILENT, SILENT, SUNG, SUNG])).starts.tolist() == [2]


def test_passages_have_their_place_and_what_lies_between_is_a_pause() -> None:
    passages = [evidence([[0, 1, 1]], letter=0, tick=2), evidence([[0, 1]], letter=1, tick=8)]
    path = find_path(passages, [0, 1], 2, np.zeros(12))
    assert path.starts.tolist() == [3, 9]
    assert path.ends.tolist() == [5, 10]


def test_a_second_passage_moves_a_word_over_the_border_of_the_first() -> None:
    first = evidence([[1, 0, 0, 0], [0, 0, 0, 0.1]], tick=0)  # the second word is sung after its end
    after = evidence([[0, 1, 0]], letter=2, tick=6)
    around = evidence([[0, 0, 0, 0, 0], [0, 0, 0, 1, 0]], letter=0, tick=1)
    alone = find_path([first, after], [0, 1, 2], 3, np.zeros(9))
    assert alone.starts.tolist() == [0, 3, 7]
    both = find_path([first, after, around], [0, 1, 2], 3, np.zeros(9))
    assert both.starts.tolist() == [0, 4, 7]


def test_overlapping_passages_count_by_their_mean() -> None:
    weak, strong = evidence([[0.9, 0, 0, 0.8]]), evidence([[0.0, 0, 0, 0.8]])
    assert find_path([weak], [0], 1, np.full(4, 0.9)).starts.tolist() != find_path([strong], [0], 1, np.full(4, 0.9))
    path = find_path([weak, strong], [0], 1, np.full(4, 0.5))
    assert path.starts.tolist() == [3]  # 0.8 beats the pause there, their mean of 0.45 at the first tick does not


def test_letters_that_do_not_fit() -> None:
    with pytest.raises(NoPathError, match="3 letters do not fit into 2 ticks"):
        find_path([evidence([[1, 1]] * 3)], [0], 3, np.zeros(2))


def test_what_is_unheard_loses_to_what_is_heard_faintly() -> None:
    masked = np.full((1, 6), UNHEARD, np.float32)
    masked[0, 4] = 0.1
    assert find_path([Evidence(0, 0, masked)], [0], 1, np.zeros(6)).starts.tolist() == [4]


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_silence_follows_the_level_of_the_song(gain: float) -> None:
    rng = np.random.default_rng(0)
    vocals = np.zeros(16_000, np.float32)
    vocals[4_800:11_200] = 0.1 * rng.standard_normal(6_400)
    vocals[11_200:12_800] = 1e-4 * rng.standard_normal(1_600)  # 60 dB below
    silence = silence_of(gain * vocals)
    assert len(silence) == 1 / TICK
    assert (silence[16:34] < 0.01).all()
    assert (silence[:14] > 0.99).all()
    assert (silence[36:] > 0.99).all()


def test_silence_of_every_length() -> None:
    assert silence_of(np.zeros(0, np.float32)).shape == (0,)
    assert silence_of(np.zeros(1, np.float32)).shape == (1,)
    assert silence_of(np.zeros(321, np.float32)).shape == (2,)
