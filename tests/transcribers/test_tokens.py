"""Tokens to timed pieces, and where the next window of a song begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.transcribers.tokens import Phrase, split_phrases, unfinished_cut

BEGIN = 1000  # the token of time 0; all below is text


def at(seconds: float) -> int:
    return BEGIN + round(seconds * 50)


@pytest.mark.parametrize(
    ("tokens", "pieces"),
    [
        ([], []),
        ([at(0)], []),
        ([1, 2], [Phrase(None, None, (1, 2))]),
        ([at(0), 1, 2, at(3.5)], [Phrase(0, 3.5, (1, 2))]),
        ([at(0), 1, at(1), at(1), 2, at(2)], [Phrase(0, 1, (1,)), Phrase(1, 2, (2,))]),
        ([at(0), 1, at(1), at(4), 2], [Phrase(0, 1, (1,)), Phrase(4, None, (2,))]),
        ([1, at(1), 2, at(2)], [Phrase(None, 1, (1,)), Phrase(1, 2, (2,))]),
        ([at(0), at(1), at(1), 2, at(30)], [Phrase(1, 30, (2,))]),
    ],
)
def test_pieces(tokens, pieces) -> None:
    found = split_phrases(tokens, BEGIN)
    assert [piece.tokens for piece in found] == [piece.tokens for piece in pieces]
    for piece, expected in zip(found, pieces, strict=True):
        assert (piece.start, piece.end) == pytest.approx((expected.start, expected.end))


@pytest.mark.parametrize(
    ("tokens", "n_kept", "done"),
    [
        # No pair of times: the window is done.
        ([], 0, None),
        ([at(0)], 1, None),
        ([at(0), 1, 2], 3, None),
        ([at(0), 1, at(9)], 3, None),
        # Text after the last pair is decoded again.
        ([at(0), 1, at(5), at(5), 2], 3, 5.0),
        ([at(0), 1, at(5), at(7), 2, 3], 3, 5.0),
        # A pair at the end: nothing to decode again, but the window is done only so far.
        ([at(0), 1, at(5), at(5)], 3, 5.0),
        ([at(0), 1, at(5), at(6), 2, at(8), at(8)], 6, 8.0),
        # Text and a single time at the end: nothing is sung after it.
        ([at(0), 1, at(5), at(6), 2, at(8)], 6, None),
    ],
)
def test_cut(tokens, n_kept, done) -> None:
    kept, until = unfinished_cut(tokens, BEGIN)
    assert kept == tuple(tokens[:n_kept])
    assert until == (None if done is None else pytest.approx(done))


def whispers_segments(tokens: list[int]) -> tuple[list[list[int]], int | None]:
    """The slices of openai-whisper's `transcribe`, and the tick it seeks to: written from its description."""
    shape = "".join("t" if token >= BEGIN else "w" for token in tokens)
    cuts = [i + 1 for i in range(len(tokens) - 1) if shape[i : i + 2] == "tt"]
    if not cuts:
        return [tokens], None
    ends_alone = shape.endswith("wt")
    if ends_alone:
        cuts.append(len(tokens))
    slices = [tokens[first:last] for first, last in zip([0, *cuts], cuts, strict=False)]
    return slices, None if ends_alone else tokens[cuts[-1] - 1] - BEGIN


@given(st.lists(st.integers(1, 3) | st.integers(BEGIN, BEGIN + 1500), max_size=12))
def test_cut_keeps_what_whisper_keeps(tokens) -> None:
    kept, done = unfinished_cut(tokens, BEGIN)
    slices, tick = whispers_segments(tokens)
    assert [token for piece in slices for token in piece] == list(kept)
    assert done == (None if tick is None else pytest.approx(tick * 0.02))


@st.composite
def sung(draw) -> list[tuple[int, int, list[int]]]:
    """Pieces as Whisper may write them: begin and end ticks that never fall, and some text."""
    n_pieces = draw(st.integers(0, 5))
    ticks = sorted(draw(st.lists(st.integers(0, 1500), min_size=2 * n_pieces, max_size=2 * n_pieces)))
    texts = draw(st.lists(st.lists(st.integers(0, BEGIN - 1), min_size=1), min_size=n_pieces, max_size=n_pieces))
    return [(ticks[2 * i], ticks[2 * i + 1], text) for i, text in enumerate(texts)]


@given(sung())
def test_pieces_are_what_was_written(pieces) -> None:
    tokens = [token for start, end, text in pieces for token in (BEGIN + start, *text, BEGIN + end)]
    found = split_phrases(tokens, BEGIN)
    assert [(p.start, p.end, list(p.tokens)) for p in found] == [
        (pytest.approx(start * 0.02), pytest.approx(end * 0.02), text) for start, end, text in pieces
    ]


@given(st.lists(st.integers(0, BEGIN + 1500), max_size=30))
def test_pieces_keep_all_text_in_order(tokens) -> None:
    found = split_phrases(tokens, BEGIN)
    assert [token for piece in found for token in piece.tokens] == [token for token in tokens if token < BEGIN]
    assert all(piece.tokens for piece in found)
