"""Lyrics that were heard take the spelling of a text, and keep what was sung."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lyricsep.aligners import known_lyrics
from lyricsep.correction import Correction, correct
from lyricsep.errors import DatasetError
from lyricsep.lyrics import NOT_SUNG, Line, Lyrics, Word, join_words

VERSE = "I left my home, I ride the train,\nThe streets were shining in the rain."
CHORUS = "All night long the wheels go round,\nThrough the valley, through the town."


def sung(*rows: str, probability: float = 1.0, spaced: bool = True) -> Lyrics:
    """Lines of words that last half a second each, with one between lines; the model doubted ``word?``."""
    lines, now = [], 1.0
    for row in rows:
        words = []
        for text in row.split() if spaced else row:
            doubt = 0.25 if text.endswith("?") else probability
            words.append(Word(now, now + 0.5, text.rstrip("?"), doubt, spaced or not words))
            now += 0.5
        lines.append(Line(words[0].start, now, join_words(words), tuple(words)))
        now += 1.0
    return Lyrics(tuple(lines), "en", now)


def rows(correction: Correction) -> list[str]:
    return [line.text for line in correction.lyrics.lines]


def counts(correction: Correction) -> tuple[int, int, int, int, int]:
    one = correction
    return one.kept, one.respelled, one.replaced, one.only_heard, one.only_in_text


def spans(correction: Correction) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for line in correction.lyrics.lines for word in line.words]


def test_the_same_text_changes_nothing() -> None:
    heard = sung(*VERSE.split("\n"), *CHORUS.split("\n"))
    found = correct(heard, known_lyrics(f"{VERSE}\n\n{CHORUS}"))
    assert found.lyrics == heard
    assert (found.changes, counts(found)) == ((), (28, 0, 0, 0, 0))


def test_near_misses_take_the_spelling_and_keep_their_times() -> None:
    heard = sung("i left my home i rode the trane", "the streets were shining in the rain")
    found = correct(heard, known_lyrics(VERSE))
    assert rows(found) == VERSE.split("\n")
    assert [(line.start, line.end) for line in found.lyrics.lines] == [(line.start, line.end) for line in heard.lines]
    assert spans(found)[5:8] == [("ride", 3.5, 4.0), ("the", 4.0, 4.5), ("train,", 4.5, 5.0)]
    (change,) = found.changes
    assert (change.line, change.heard) == (0, "i left my home i rode the trane")
    assert change.corrected == "I left my home, I ride the train,"
    assert counts(found) == (13, 2, 0, 0, 0)


def test_case_and_punctuation_are_no_changes() -> None:
    found = correct(sung("all night long the wheels go round"), known_lyrics("All night long, the wheels go 'round!"))
    assert rows(found) == ["All night long, the wheels go 'round!"]
    assert (found.changes, counts(found)) == ((), (7, 0, 0, 0, 0))


def test_words_only_heard_stay_where_they_were_heard() -> None:
    heard = sung(
        "ooh", "i left my home yeah i ride the train oh", "whoa whoa", "the streets were shining in the rain"
    )
    found = correct(heard, known_lyrics(VERSE))
    assert rows(found) == [
        "ooh",
        "I left my home, yeah I ride the train, oh",
        "whoa whoa",
        "The streets were shining in the rain.",
    ]
    assert spans(found)[0] == ("ooh", 1.0, 1.5)
    assert (found.changes, counts(found)) == ((), (15, 0, 0, 5, 0))


def test_words_and_verses_only_in_the_text_are_left_out() -> None:
    heard = sung("i left my home i ride train", "all night long the wheels go round")
    found = correct(heard, known_lyrics(f"{VERSE}\n\nAnd you are waiting there for me\n\n{CHORUS}"))
    assert rows(found) == ["I left my home, I ride train,", "All night long the wheels go round,"]
    assert counts(found) == (14, 0, 0, 0, 1 + 7 + 7 + 6)


def test_a_chorus_that_is_written_once_is_matched_as_often_as_it_is_sung() -> None:
    chorus = ("all nite long the weels go round", "through the vallee through the town")
    heard = sung(*chorus, "i left my home i ride the train", *chorus, "the streets were shining in the rain", *chorus)
    found = correct(heard, known_lyrics(f"{CHORUS}\n\n{VERSE}"))
    assert rows(found) == [
        *CHORUS.split("\n"),
        "I left my home, I ride the train,",
        *CHORUS.split("\n"),
        "The streets were shining in the rain.",
        *CHORUS.split("\n"),
    ]
    assert [change.line for change in found.changes] == [0, 1, 3, 4, 6, 7]
    assert counts(found) == (45, 6, 3, 0, 0)  # three letters of "nite" differ


def test_several_words_become_several_others_in_the_same_time() -> None:
    found = correct(sung("i am gonna ride the train"), known_lyrics("I am going to ride the train"))
    assert rows(found) == ["I am going to ride the train"]
    going, to = spans(found)[2:4]
    assert going == ("going", 2.0, pytest.approx(2.0 + 0.5 * 5 / 7, abs=0.0006))
    assert to == ("to", going[2], 2.5)
    assert spans(found)[4][1] == 2.5
    assert counts(found) == (5, 0, 1, 0, 0)

    found = correct(sung("i am going to ride the train"), known_lyrics("I am gonna ride the train"))
    assert spans(found)[2] == ("gonna", 2.0, 3.0)
    assert counts(found) == (5, 0, 2, 0, 0)


def test_new_words_are_not_sung_in_a_pause() -> None:
    found = correct(
        sung("the train was con", "sumo for the town"), known_lyrics("The train was con sumption for the town")
    )
    heard = sung("the train was kon", "sumshon for the town")
    found = correct(heard, known_lyrics("The train was con\nsumption for the town"))
    assert [span for span in spans(found) if span[0] in ("con", "sumption")] == [
        ("con", 2.5, 3.0),
        ("sumption", 4.0, 4.5),
    ]
    found = correct(sung("go to my bruth", "errs the town"), known_lyrics("Go to my brothers the town"))
    assert spans(found)[3] == ("brothers", 2.5, 4.5)


@pytest.mark.parametrize(("word", "expected"), [("baby", "baby"), ("baby?", "honey")])
def test_another_word_is_replaced_only_if_the_model_doubted_it(word: str, expected: str) -> None:
    found = correct(sung(f"i love you {word} tonight"), known_lyrics("I love you honey tonight"))
    assert rows(found) == [f"I love you {expected} tonight"]


@pytest.mark.parametrize("heard", ["no se follow me tonight", "follow me you no se tonight"])
def test_a_near_miss_takes_in_the_rest_of_its_word(heard: str) -> None:
    found = correct(sung(heard), known_lyrics(heard.replace("no se", "nos")))
    assert rows(found) == [heard.replace("no se", "nos")]


def test_words_at_the_ends_of_a_line_are_corrected_too() -> None:
    found = correct(sung("alright my home is on the run in"), known_lyrics("All right, my home is on the running"))
    assert rows(found) == ["All right, my home is on the running"]


def test_japanese() -> None:
    text = "夜汽車は走る\n朝の海へ"
    heard = sung("夜汽車わ走る", "朝の海へ", probability=0.9, spaced=False)
    doubted = heard.lines[0].words[3]
    words = (*heard.lines[0].words[:3], replace(doubted, probability=0.2), *heard.lines[0].words[4:])
    heard = replace(heard, lines=(replace(heard.lines[0], words=words), heard.lines[1]))
    found = correct(heard, known_lyrics(text))
    assert rows(found) == text.split("\n")
    assert spans(found)[:4] == [("夜", 1.0, 1.5), ("汽", 1.5, 2.0), ("車", 2.0, 2.5), ("は", 2.5, 3.0)]
    assert counts(found) == (9, 0, 1, 0, 0)


def test_a_word_of_the_model_may_be_several_words_or_a_part_of_one() -> None:
    words = (Word(1.0, 2.0, "夜汽"), Word(2.0, 2.5, "車", space_before=False))
    found = correct(Lyrics((Line(1.0, 2.5, "夜汽車", words),), "ja", 3.0), known_lyrics("夜汽車！"))
    assert spans(found) == [("夜", 1.0, 1.5), ("汽", 1.5, 2.0), ("車！", 2.0, 2.5)]

    words = (Word(1.0, 1.5, "l"), Word(1.5, 2.0, "'un", space_before=False), Word(2.0, 2.5, "chante"))
    found = correct(Lyrics((Line(1.0, 2.5, "l'un chante", words),), "fr", 3.0), known_lyrics("L’un chante"))
    assert spans(found) == [("L’un", 1.0, 2.0), ("chante", 2.0, 2.5)]
    assert counts(found) == (2, 0, 0, 0, 0)


def test_words_are_the_same_in_any_normal_form_and_may_be_a_fraction() -> None:
    found = correct(sung("l'e\u0301te\u0301 ½ dure"), known_lyrics("L'e\u0301t\xe9 ½ dure !"))
    assert rows(found) == ["L'\xe9t\xe9 ½ dure !"]
    assert (found.changes, counts(found)) == ((), (3, 0, 0, 0, 0))


def test_the_text_breaks_lines_between_its_words() -> None:
    heard = sung("i left my home", "i ride the train the streets were", "shining in the rain")
    found = correct(heard, known_lyrics(VERSE))
    assert rows(found) == VERSE.split("\n")
    first, second = found.lyrics.lines
    assert (first.start, first.end, second.start, second.end) == (1.0, 6.0, 6.0, heard.lines[-1].end)


def test_an_ad_lib_at_a_break_stays_with_the_words_before_it_or_on_its_line() -> None:
    heard = sung("i left my home i ride the train yeah the streets were shining in the rain")
    assert rows(correct(heard, known_lyrics(VERSE))) == [
        "I left my home, I ride the train, yeah",
        "The streets were shining in the rain.",
    ]
    heard = sung("i left my home i ride the train", "yeah the streets were shining in the rain")
    assert rows(correct(heard, known_lyrics(VERSE))) == [
        "I left my home, I ride the train,",
        "yeah The streets were shining in the rain.",
    ]


def test_a_text_on_one_line_breaks_no_lines() -> None:
    heard = sung("i left my home i ride the train", "the streets were shining in the rain")
    assert rows(correct(heard, known_lyrics(VERSE.replace("\n", " ")))) == VERSE.split("\n")


@pytest.mark.parametrize(
    ("heard", "expected"),
    [("i left my home i ride", "I left my home, (I ride)"), ("i left my home i", "I left my home, I")],
)
def test_a_bracket_stays_with_its_other_half_only(heard: str, expected: str) -> None:
    assert rows(correct(sung(heard), known_lyrics("I left my home, (I ride)"))) == [expected]


def test_lines_without_word_times_get_none() -> None:
    heard = sung("i left my home i rode the trane the streets were shining in the rain")
    heard = replace(heard, lines=(replace(heard.lines[0], words=()),))
    first, second = correct(heard, known_lyrics(VERSE)).lyrics.lines
    assert [first.text, second.text] == VERSE.split("\n")
    assert (first.words, second.words) == ((), ())
    assert heard.lines[0].start == first.start < first.end == second.start < second.end == heard.lines[0].end


def test_words_that_do_not_fit_their_line_share_its_time() -> None:
    line = Line(1.0, 3.0, "the ½ trane goes", (Word(1.0, 1.5, "the"),))
    found = correct(Lyrics((line,), "en", 4.0), known_lyrics("The ½\ntrain goes"))
    assert [(one.start, one.end, one.text) for one in found.lyrics.lines] == [
        (1.0, 1.0 + round(2 * 4 / 13, 3), "The ½"),
        (1.0 + round(2 * 4 / 13, 3), 3.0, "train goes"),
    ]


def test_sections_flags_and_lines_that_are_not_sung_stay() -> None:
    first, second, third = sung("♪", "i left my home i rode the train", "the streets were shining in the rain").lines
    lines = (
        replace(first, section=""),
        replace(second, section="[Verse]", flags=("low-confidence",)),
        Line(third.start, third.start, "And you are waiting", (), (NOT_SUNG,)),
        replace(third, section="[Chorus]"),
    )
    found = correct(Lyrics(lines, "en", 20.0), known_lyrics(VERSE.replace(",\nThe", ", the")))
    assert [line.text for line in found.lyrics.lines] == [
        "♪",
        "I left my home, I ride the train,",
        "And you are waiting",
        "the streets were shining in the rain.",
    ]
    assert [line.section for line in found.lyrics.lines] == ["", "[Verse]", None, "[Chorus]"]
    assert [line.flags for line in found.lyrics.lines] == [(), ("low-confidence",), (NOT_SUNG,), ()]


def test_voices_that_overlap_are_not_joined() -> None:
    first, second = sung("i left my home", "i ride the train").lines
    words = tuple(replace(word, start=word.start - 2.5, end=word.end - 2.5) for word in second.words)
    lines = (first, replace(second, start=1.5, end=3.5, words=words))
    found = correct(Lyrics(lines, "en", 9.0), known_lyrics("I left my home, I ride the train"))
    assert [(line.start, line.text) for line in found.lyrics.lines] == [
        (1.0, "I left my home,"),
        (1.5, "I ride the train"),
    ]


def test_no_word_that_both_have_is_lost() -> None:
    vocabulary = [
        "home",
        "train",
        "street",
        "rain",
        "light",
        "mind",
        "wheel",
        "valley",
        "town",
        "sun",
        "sea",
        "night",
    ]
    random_words = random.Random(0)
    for _ in range(50):
        text = [random_words.choice(vocabulary) for _ in range(40)]
        kept = [word for word in text if random_words.random() < 0.85]
        heard = [word for word in kept for word in ([word, "zzz"] if random_words.random() < 0.1 else [word])]
        lines = [" ".join(text[start : start + 8]) for start in range(0, 40, 8)]
        found = correct(
            sung(*(" ".join(heard[start : start + 6]) for start in range(0, len(heard), 6))),
            known_lyrics("\n".join(lines)),
        )
        assert " ".join(rows(found)).split() == heard
        assert found.kept >= len(kept) - 1


@pytest.mark.parametrize(
    ("heard", "text", "message"),
    [
        (sung("i left my home i ride the train"), "Frère Jacques, dormez-vous ?", "only 0 of 3 words agree with the"),
        (
            sung("the one and the other are in the sea"),
            "In seven years, nobody knows them",
            "only 1 of 6 words agree",
        ),
        (Lyrics(), VERSE, "no words in the lyrics"),
        (sung("i left"), "", "no words in the text"),
    ],
)
def test_texts_of_other_songs_are_refused(heard: Lyrics, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        correct(heard, known_lyrics(text))
