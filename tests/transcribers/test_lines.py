"""Words to lines: known answers, and that no word is ever lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Segment, Word
from lyricsep.transcribers.lines import LineRules, TimedWord, line_starts, lines_of_phrases, lines_of_words
from lyricsep.transcribers.tokens import Phrase


def spoken(text: str, *, step: float = 0.5, pauses: dict[int, float] | None = None) -> list[Word]:
    """One word after the other; `pauses` gives the silence before some of them."""
    words, clock = [], 0.0
    for i, token in enumerate(text.split()):
        clock += (pauses or {}).get(i, 0.0)
        words.append(Word(clock, clock + step, token))
        clock += step
    return words


def broken(text: str, language: str = "en", *, rules: LineRules | None = None, **options) -> list[str]:
    words = spoken(text, **options)
    starts = line_starts(words, language, rules)
    return [" ".join(w.text for w in words[first:last]) for first, last in pairwise([*starts, len(words)])]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        # Sentences end lines, whatever closes behind them.
        (
            "I never wanted to go. You never wanted to stay… and we stayed together",
            ["I never wanted to go.", "You never wanted to stay…", "and we stayed together"],
        ),
        (
            'and then he said "never again." and went out for a walk',
            ['and then he said "never again."', "and went out for a walk"],
        ),
        # But not one word a line.
        ("Go. Stop! Why? Oh… so", ["Go. Stop! Why? Oh… so"]),
        # So do capitals, unless they are what I am called.
        (
            "I walk alone tonight again The streets are bare and I'm so cold",
            ["I walk alone tonight again", "The streets are bare and I'm so cold"],
        ),
        ("nunca te lo digo a ti ¿Dónde está mi corazón?", ["nunca te lo digo a ti", "¿Dónde está mi corazón?"]),
        ("my Mary sings and Jane", ["my Mary sings and Jane"]),
        # Commas end lines that are long enough.
        (
            "when all of the people are gone away, then nobody hears how the rivers are running",
            ["when all of the people are gone away,", "then nobody hears how the rivers are running"],
        ),
        ("well, I know, I know, you know", ["well, I know, I know, you know"]),
        # East Asian characters are wide.
        (
            "夜の街 を歩いて いた君の 声が 聞こえた。 明日も また会え ると 信じて いたよね",
            ["夜の街 を歩いて いた君の 声が 聞こえた。", "明日も また会え ると 信じて いたよね"],
        ),
    ],
)
def test_sentences_capitals_and_commas(text, lines) -> None:
    assert broken(text) == lines


def test_in_german_only_the_capital_of_what_is_no_noun_starts_a_line() -> None:
    text = "wir leben für die ewige Veränderung Und wir leben nur für die Liebe"
    assert broken(text, "de") == ["wir leben für die ewige Veränderung", "Und wir leben nur für die Liebe"]
    # Each capital is as good as the other here.
    assert broken("ich sehe heute nur den großen Himmel und nie wieder die Sonne", "de") == [
        "ich sehe heute nur den großen",
        "Himmel und nie wieder die Sonne",
    ]


@pytest.mark.parametrize(("after", "pause"), [(5, 1.0), (6, 1.5), (7, 1.0), (8, 1.5)])
def test_a_line_that_is_too_long_is_broken_at_a_pause(after, pause) -> None:
    words = ["all", "of", "the", "rivers", "are", "running", "and", "the", "wind", "is", "slow", "tonight"]
    expected = [" ".join(words[:after]), " ".join(words[after:])]
    assert broken(" ".join(words), pauses={after: pause}) == expected


@pytest.mark.parametrize(("pause", "n_lines"), [(0.0, 1), (1.95, 1), (2.05, 2), (9.0, 2)])
def test_a_long_pause_ends_the_shortest_line(pause, n_lines) -> None:
    assert len(broken("la la la la", pauses={2: pause})) == n_lines


def test_what_is_sung_again_after_other_words_starts_a_line() -> None:
    text = "miedo no se fue todavía miedo nos engañan con el miedo te lo digo miedo nos engañan con el miedo no"
    assert broken(text, "es") == [
        "miedo no se fue todavía",
        "miedo nos engañan con el miedo te lo digo",
        "miedo nos engañan con el miedo no",
    ]
    assert broken(text, "es", rules=LineRules(repetition=0.0))[0] == "miedo no se fue todavía miedo nos"


def test_a_word_that_is_said_again_and_again_is_not_parted() -> None:
    rules = LineRules(columns=12, spread=4)
    assert broken("never no no no never no no no", rules=rules) == ["never no no no", "never no no no"]


def test_a_long_line_without_any_hint_is_broken_evenly() -> None:
    lines = broken(" ".join(["word"] * 20))
    assert [len(line.split()) for line in lines] == [7, 7, 6]


def test_a_word_longer_than_a_line_has_one_of_its_own() -> None:
    text = "x" * 100
    assert broken(f"so {text} so") == ["so", text, "so"]


@pytest.mark.parametrize(
    "phrase", ["(oh, oh. Again and again)", "(I know. You know.)", "（はい。そう）", "(stay! here!),", "(Yeah)"]
)
def test_what_is_in_parentheses_stays_together(phrase) -> None:
    text = f"all of the rivers are running tonight {phrase} and the wind is slow on the hill"
    n_words = len(phrase.split())
    for pause in (0.0, 5.0):
        lines = broken(text, pauses={7 + i: pause for i in range(1, n_words)})
        assert any(phrase in line for line in lines), lines


def test_parentheses_that_hold_more_than_a_line_are_broken() -> None:
    text = "(" + " ".join(["again"] * 40) + ")"
    assert all(len(line) <= 60 for line in broken(text))
    assert len(broken("(" + " ".join(["again"] * 40))) > 1  # never closed


words_of_any_kind = st.lists(
    st.tuples(
        st.text(st.sampled_from("abÄI我.,!?…'\""), min_size=1, max_size=25),
        st.floats(0, 2),
        st.floats(0, 2),
    ),
    max_size=40,
)


def has_letter(text: str) -> bool:
    return any(character.isalnum() for character in text)


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
    kept = [word for line in lines for word in line.words]
    assert [word for word in kept if has_letter(word.text)] == [t.word for t in words if has_letter(t.word.text)]
    assert " ".join(line.text for line in lines) == " ".join(word.text for word in kept)
    for line in lines:
        assert has_letter(line.text)
        assert (line.start, line.end) == (line.words[0].start, line.words[-1].end)
    for before, after in pairwise(lines):
        assert before.end <= after.start


@given(words_of_any_kind, st.sampled_from(["en", "de", "ja"]), st.integers(10, 70))
def test_no_line_is_too_long_nor_spans_a_long_pause(rows, language, most) -> None:
    words = [one.word for one in timed(rows)]
    starts = line_starts(words, language, LineRules(most_columns=most))
    assert starts == sorted({0, *starts}) if words else starts == []
    for first, last in pairwise([*starts, len(words)]):
        line = words[first:last]
        text = " ".join(word.text for word in line)
        assert len(line) == 1 or len(text) <= most
        assert all(after.start - before.end < LineRules().longest_pause for before, after in pairwise(line))


parts = st.sampled_from(["la", "Oh", "yeah,", "(ooh", "(hey)", "now)", "again.)"])


@given(st.lists(st.tuples(parts, st.floats(0, 4), st.floats(0, 1)), max_size=30))
def test_what_fits_a_line_is_never_broken_within_parentheses(rows) -> None:
    words = [one.word for one in timed(rows)]
    starts = set(line_starts(words, "en"))
    for first, word in enumerate(words):
        if word.text.startswith("(") and "(" not in "".join(w.text for w in words[:first]):
            closed = [last for last in range(first, len(words)) if ")" in words[last].text]
            if closed and sum(len(w.text) + 1 for w in words[first : closed[0] + 1]) <= 60:
                assert not starts & set(range(first + 1, closed[0] + 1))


@pytest.mark.parametrize("i", range(2, 12))
def test_words_that_are_written_together_stay_so(i) -> None:
    """Whisper parts French words before the apostrophe and the hyphen."""
    texts = [" si", " t", "'es", " là", " celui", "-là", " qu", "'il", " est", "-ce", " 'cause", " we"]
    rows = [(text.strip(), 5.0 if n == i else 0.0, 0.5) for n, text in enumerate(texts)]
    lines = lines_of_words(timed(rows), "fr", lambda tokens: "".join(texts[i] for i in tokens))
    is_torn = texts[i].startswith(" ")
    assert len(lines) == 1 + is_torn
    assert " ".join(line.text for line in lines) == "si t'es là celui-là qu'il est-ce 'cause we"
    assert [word.text for line in lines for word in line.words] == [text for text, _, _ in rows]


def test_languages_without_spaces_get_none() -> None:
    rows = [("今", 0, 0.2), ("日", 0, 0.2), ("は", 0, 0.2)]
    (line,) = lines_of_words(timed(rows), "ja", lambda tokens: "".join(rows[i][0] for i in tokens))
    assert line.text == "今日は"
    assert [word.text for word in line.words] == ["今", "日", "は"]


def test_words_without_text_make_no_line() -> None:
    assert lines_of_words(timed([("a", 0, 0.1)]), "en", lambda tokens: " ") == []


@pytest.mark.parametrize("marks", ["...", "…", "♪", " ♪♪ ", " -", "(?)", "。"])
def test_a_line_without_a_letter_or_a_digit_is_no_lyric(marks) -> None:
    rows = [(marks, 0.0, 0.5), ("1999", 5.0, 5.5), (marks, 9.0, 9.5)]
    lines = lines_of_words(timed(rows), "en", lambda tokens: "".join(rows[i][0] for i in tokens))
    assert [line.text for line in lines] == ["1999"]
    lines = of_pieces((0.0, 1.0, marks.strip()), (3.0, 4.0, "c"), (5.0, 6.0, marks.strip()))
    assert [line.text for line in lines] == ["c"]


SPAN = Segment(10.0, 20.0)


def decode(tokens: list[int]) -> str:
    return "".join(f" {chr(token)}" for token in tokens)


def of_pieces(*pieces: tuple[float | None, float | None, str], words: list[TimedWord] | None = None):
    return lines_of_phrases([Phrase(s, e, tuple(map(ord, text))) for s, e, text in pieces], words or [], SPAN, decode)


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
