"""Words to lines: known answers, and that no word is ever lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Segment, Word
from lyricsep.transcribers.lines import TimedWord, line_starts, lines_of_pieces, lines_of_words
from lyricsep.transcribers.tokens import Piece


def spoken(text: str, *, step: float = 0.5, pauses: dict[int, float] | None = None) -> list[Word]:
    """One word after the other; `pauses` gives the silence before some of them."""
    words, clock = [], 0.0
    for i, token in enumerate(text.split()):
        clock += (pauses or {}).get(i, 0.0)
        words.append(Word(clock, clock + step, token))
        clock += step
    return words


def broken(text: str, language: str = "en", **options) -> list[str]:
    words = spoken(text, **options)
    starts = line_starts(words, language)
    return [" ".join(w.text for w in words[first:last]) for first, last in pairwise([*starts, len(words)])]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        ("Go. Stop! Why? Oh… so", ["Go.", "Stop!", "Why?", "Oh…", "so"]),
        ('He said "go." and went', ['He said "go."', "and went"]),
        ("He left (at last!) and went", ["He left (at last!)", "and went"]),
        ("I walk alone The streets are bare", ["I walk alone", "The streets are bare"]),
        # Too short to be a line: a name.
        ("my Mary sings and Jane", ["my Mary sings and", "Jane"]),
        ("and then I know I'm here and I'll be", ["and then I know I'm here and I'll be"]),
        ("今日は。 明日", ["今日は。", "明日"]),
    ],
)
def test_sentences_and_capitals(text, lines) -> None:
    assert broken(text) == lines


def test_german_nouns_do_not_start_lines() -> None:
    text = "ich seh den Himmel und die Sonne nicht"
    assert broken(text, "de") == [text]
    assert broken(text, "en") == ["ich seh den", "Himmel und die", "Sonne nicht"]


@pytest.mark.parametrize(("pause", "n_lines"), [(0.0, 1), (0.55, 1), (0.65, 2), (9.0, 2)])
def test_a_pause_ends_a_line(pause, n_lines) -> None:
    assert len(broken("la la la la", pauses={2: pause})) == n_lines


def test_a_long_line_is_halved_after_a_comma_near_its_middle() -> None:
    text = "when all of the people are gone away, then nobody hears how the rivers are running"
    assert broken(text) == [
        "when all of the people are gone away,",
        "then nobody hears how the rivers are running",
    ]


def test_a_long_line_without_commas_is_halved_in_the_middle() -> None:
    lines = broken(" ".join(["word"] * 20))
    assert [len(line.split()) for line in lines] == [10, 10]


def test_a_long_line_of_few_words_stays() -> None:
    assert len(broken(" ".join(["x" * 20] * 5))) == 1


words_of_any_kind = st.lists(
    st.tuples(
        st.text(st.sampled_from("abÄI我.,!?…'\""), min_size=1, max_size=25),
        st.floats(0, 2),
        st.floats(0, 2),
    ),
    max_size=40,
)


def timed(rows: list[tuple[str, float, float]]) -> list[TimedWord]:
    """Words whose token is their index."""
    words, clock = [], 0.0
    for i, (text, pause, length) in enumerate(rows):
        start = clock + pause
        clock = start + length
        words.append(TimedWord(Word(start, clock, text), (i,)))
    return words


@given(words_of_any_kind, st.sampled_from(["en", "de", "ja"]))
def test_every_word_is_in_one_line_in_order(rows, language) -> None:
    words = timed(rows)
    lines = lines_of_words(words, language, lambda tokens: "".join(f" {rows[i][0]}" for i in tokens))
    assert [word for line in lines for word in line.words] == [t.word for t in words]
    assert " ".join(line.text for line in lines) == " ".join(text for text, _, _ in rows)
    for line in lines:
        assert line.words
        assert (line.start, line.end) == (line.words[0].start, line.words[-1].end)
    for before, after in pairwise(lines):
        assert before.end <= after.start


def test_languages_without_spaces_get_none() -> None:
    rows = [("今", 0, 0.2), ("日", 0, 0.2), ("は", 0, 0.2)]
    (line,) = lines_of_words(timed(rows), "ja", lambda tokens: "".join(rows[i][0] for i in tokens))
    assert line.text == "今日は"
    assert [word.text for word in line.words] == ["今", "日", "は"]


def test_words_without_text_make_no_line() -> None:
    assert lines_of_words(timed([("a", 0, 0.1)]), "en", lambda tokens: " ") == []


SPAN = Segment(10.0, 20.0)


def decode(tokens: list[int]) -> str:
    return "".join(f" {chr(token)}" for token in tokens)


def of_pieces(*pieces: tuple[float | None, float | None, str], words: list[TimedWord] | None = None):
    return lines_of_pieces([Piece(s, e, tuple(map(ord, text))) for s, e, text in pieces], words or [], SPAN, decode)


def test_pieces_become_lines_on_the_songs_clock() -> None:
    lines = of_pieces((0.0, 2.0, "ab"), (3.0, 4.5, "c"))
    assert [(line.start, line.end, line.text) for line in lines] == [(10.0, 12.0, "a b"), (13.0, 14.5, "c")]


def test_pieces_without_times_and_beyond_the_segment_stay_inside() -> None:
    lines = of_pieces((None, 1.0, "a"), (2.0, None, "b"), (9.0, 12.0, "c"), (29.0, 30.0, "d"))
    assert [(line.start, line.end) for line in lines] == [(10, 11), (12, 20), (19, 20), (20, 20)]


def word_of(text: str, start: float) -> TimedWord:
    return TimedWord(Word(start, start + 0.5, text), tuple(map(ord, text)))


def test_words_go_to_the_piece_they_begin_in() -> None:
    """Also where one reaches over its piece's end, as punctuation and languages without spaces can make it."""
    words = [word_of("a", 10), word_of("bc", 11), word_of("d", 12), word_of("e", 13), word_of("f", 14)]
    lines = of_pieces((0, 2, "ab"), (2, 3, "cd"), (3, 5, "ef"), words=words)
    assert [[word.text for word in line.words] for line in lines] == [["a", "bc"], ["d"], ["e", "f"]]


def test_a_line_holds_its_words() -> None:
    (line,) = of_pieces((1.0, 2.0, "ab"), words=[word_of("a", 10.2), word_of("b", 13)])
    assert (line.start, line.end) == (10.2, 13.5)


@given(st.lists(st.integers(1, 4), max_size=8), st.lists(st.integers(1, 4), max_size=20))
def test_every_word_is_in_one_line_however_tokens_are_shared(piece_lengths, word_lengths) -> None:
    text = "abcdefghijklmnopqrstuvwxyzABCDEFG"[: sum(piece_lengths)]
    pieces, rest = [], text
    for i, length in enumerate(piece_lengths):
        pieces.append((float(i), i + 0.5, rest[:length]))
        rest = rest[length:]
    words, rest = [], text
    for length in word_lengths:
        if rest:
            words.append(word_of(rest[:length], 10.0 + len(words)))
            rest = rest[length:]
    if rest:
        words.append(word_of(rest, 10.0 + len(words)))
    lines = of_pieces(*pieces, words=words)
    assert [word for line in lines for word in line.words] == [t.word for t in words]
