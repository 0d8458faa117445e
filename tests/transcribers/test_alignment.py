"""Times of words: where their first letter is written; and the path of the warping, which is openai-whisper's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.timing import dtw_cpu

from lyricsep.transcribers.alignment import LATE, aligned_words, decoded_words, spelled, warping_path
from lyricsep.transcribers.whisper_internals import load_tokenizer

LONG = 443  # tokens that fit


def spell(text: str, language: str = "en", most: int = LONG):
    """Return the tokenizer, the words and the spelling of a text."""
    tokenizer = load_tokenizer(99, language)
    tokens = tokenizer.encode(text)
    words = decoded_words(tokenizer, tokens, [0.5] * len(tokens))
    return tokenizer, words, spelled(tokenizer, words, most)


@pytest.mark.parametrize(
    ("text", "language", "starts", "ends"),
    [
        (
            " Old trains, go!",
            "en",
            [" O", " Old t", " Old trains, g"],
            [" Old ", " Old trains, ", " Old trains, go! "],
        ),
        # Without a space, a word lasts until the next one starts.
        (" J'ai déjà", "fr", [" J", " J'a", " J'ai d"], [" J'a", " J'ai ", " J'ai déjà "]),
        (" ¿Qué? Ñ", "es", [" ¿Q", " ¿Qué? Ñ"], [" ¿Qué? ", " ¿Qué? Ñ "]),
        ("夜の電車", "ja", [" 夜", " 夜の", " 夜の電", " 夜の電車"], [" 夜の", " 夜の電", " 夜の電車", " 夜の電車 "]),
        (" ... oh", "en", [" .", " ... o"], [" ... ", " ... oh "]),
    ],
)
def test_a_word_starts_once_its_first_letter_is_written_and_ends_at_the_space(text, language, starts, ends) -> None:
    tokenizer, words, spelling = spell(text, language)
    written = [tokenizer.decode(list(spelling.tokens[:count])) for count in range(len(spelling.tokens) + 1)]
    assert written[-1] == f" {text.strip()} "
    assert [written[count] for count in spelling.starts] == starts
    assert [written[count] for count in spelling.ends] == ends
    assert [token for word in words for token in word.tokens] == tokenizer.encode(text)


def test_words_start_a_little_before_their_first_letter_is_attended_to() -> None:
    _, words, spelling = spell(" so it")
    # Nothing, a space, "s", "o", a space, "i", "t", and a space are written.
    ticks = np.array([0, 2, 50, 60, 70, 90, 95, 120])
    steps = np.repeat(np.arange(8), 2)  # each number of tokens lasts two ticks
    one, two = aligned_words(words, spelling, (steps, np.stack([ticks, ticks + 1], axis=1).ravel()))
    assert (one.start, one.end) == pytest.approx((1.0 - LATE, 1.4 - LATE))
    assert (two.start, two.end) == pytest.approx((1.8 - LATE, 2.4 - LATE))
    first, _ = aligned_words(words, spelling, (np.arange(8), np.zeros(8, int)))
    assert first.start == 0


def test_a_text_that_is_too_long_when_spelled_is_written_as_it_was_decoded() -> None:
    text = " la" * 220
    tokenizer, words, spelling = spell(text)
    assert len(words) == 220
    assert list(spelling.tokens) == tokenizer.encode(text)
    assert (spelling.starts, spelling.ends) == (tuple(range(220)), tuple(range(1, 221)))
    path = (np.arange(221), np.arange(221))
    assert aligned_words(words, spelling, path)[10].start == pytest.approx(0.2)
    tokenizer, words, spelling = spell(" la" * 140)
    assert len(spelling.tokens) == 3 * 140 + 1


def test_a_word_is_as_probable_as_its_tokens_without_punctuation() -> None:
    tokenizer = load_tokenizer(99, "en")
    tokens = tokenizer.encode(" Scherzer, no!")
    assert [tokenizer.decode([token]) for token in tokens] == [" Sch", "er", "zer", ",", " no", "!"]
    words = decoded_words(tokenizer, tokens, [0.2, 0.4, 0.6, 0.9, 0.5, 0.1])
    assert [(word.text, word.probability) for word in words] == [
        (" Scherzer,", pytest.approx(0.4)),
        (" no!", pytest.approx(0.5)),
    ]


def test_a_path_that_can_be_seen() -> None:
    costs = np.ones((3, 6))
    costs[0, :2] = costs[1, 2] = costs[2, 3:] = 0
    tokens, ticks = warping_path(costs)
    assert tokens.tolist() == [0, 0, 1, 2, 2, 2]
    assert ticks.tolist() == [0, 1, 2, 3, 4, 5]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.sampled_from(["noise", "ties", "attention"])
)
@settings(max_examples=60, deadline=None)
def test_the_same_as_openai_whisper_ties_and_rounding_included(seed: int, n: int, m: int, kind: str) -> None:
    dice = np.random.default_rng(seed)
    costs = {
        "noise": lambda: dice.standard_normal((n, m)),
        "ties": lambda: dice.integers(0, 3, (n, m)).astype(float),
        "attention": lambda: -(dice.random((n, m)).astype(np.float32).astype(float) ** 4),
    }[kind]()
    for ours, theirs in zip(warping_path(costs), dtw_cpu(costs), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 1), (224, 1500)])
def test_the_smallest_and_the_largest(shape: tuple[int, int]) -> None:
    costs = np.random.default_rng(1).standard_normal(shape)
    for ours, theirs in zip(warping_path(costs), dtw_cpu(costs), strict=True):
        assert np.array_equal(ours, theirs)
