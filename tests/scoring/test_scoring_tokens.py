"""Tags, parentheses and languages with known answers; then what must hold whatever the text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyricsep.errors import ConfigError
from lyricsep.scoring import without_tags
from lyricsep.scoring.tokens import letters_of, score_language, spread, tokenize

pytest.importorskip("alt_eval")


def words(text: str, language: str = "en", *, normalise: bool = False) -> list[str]:
    return [word.text for word in tokenize(text, language, normalise=normalise).words]


def nonlexical(text: str, language: str = "en", *, normalise: bool = False) -> list[str]:
    return [word.text for word in tokenize(text, language, normalise=normalise).words if word.nonlexical]


def backing(text: str, language: str = "en") -> list[str]:
    return [word.text for word in tokenize(text, language).words if word.backing]


def breaks(text: str) -> list[str]:
    return [token.text for token in tokenize(text, "en").all if token.text in ("<L>", "<S>")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hey <nl>oh oh</nl> you", ["oh", "oh"]),
        ("<nl>oh\noh\n\nah</nl> you", ["oh", "oh", "ah"]),
        ("<NL>oh</NL> you <Nl>ah</nL>", ["oh", "ah"]),
        ("hey <nl>oh you", ["oh", "you"]),
        ("hey</nl> you", []),
        ("<nl>na-na, (la)</nl> you", ["na", "na", "la"]),
        ("ye<nl>ah</nl> you", ["ah"]),
        ("<nl></nl>hey", []),
        ("<nl>oh <nl>ah</nl> you</nl> me", ["oh", "ah"]),
        ("hey < nl>you<nl >", []),
    ],
    ids=["plain", "lines", "upper case", "unclosed", "unopened", "inside", "in a word", "empty", "nested", "no tags"],
)
def test_nonlexical_words(text: str, expected: list[str]) -> None:
    assert nonlexical(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hey (oh oh) you", ["oh", "oh"]),
        ("hey (oh\noh) you", ["oh", "oh"]),
        ("hey (oh you", ["oh", "you"]),
        ("hey) you", []),
        ("() hey", []),
        # The first parenthesis that closes ends it, as in the reference implementation.
        ("(a (b) c) d", ["a", "b"]),
        ("((a)) b", ["a"]),
    ],
    ids=["plain", "lines", "unclosed", "unopened", "empty", "nested", "double"],
)
def test_backing_vocals(text: str, expected: list[str]) -> None:
    assert backing(text) == expected


def test_a_word_may_be_both() -> None:
    found = tokenize("(<nl>ooh</nl> baby) <nl>ah</nl>", "en").words
    assert [(word.text, word.nonlexical, word.backing) for word in found] == [
        ("ooh", True, True),
        ("baby", False, True),
        ("ah", True, False),
    ]


@pytest.mark.parametrize(
    "tagged",
    [
        "hey\n<nl>\noh oh\n</nl>\nyou\n\nbye",
        "hey\n<nl>oh oh\n</nl>you\n\nbye",
        "hey\n <nl> \noh oh</nl>\nyou\n\nbye",
        "hey\n<nl>oh</nl> <nl>oh</nl>\nyou\n<nl></nl>\n\nbye",
        "hey\n<nl>oh oh\nyou</nl>\n\n<nl>\nbye</nl>",
    ],
)
def test_tags_make_no_line_and_no_section(tagged: str) -> None:
    plain = "hey\noh oh\nyou\n\nbye"
    assert without_tags(tagged) == plain
    assert tokenize(tagged, "en").all == tokenize(plain, "en").all
    assert breaks(tagged) == ["<L>", "<L>", "<L>", "<S>"]


def test_a_text_without_tags_stays_as_it_is() -> None:
    text = "  two  spaces \n\n\n\tx < y > z\r\n"
    assert without_tags(text) == text


def test_a_reference_of_tags_alone_is_empty() -> None:
    assert tokenize("<nl></nl>\n<nl>\n</nl>", "en").all == ()
    assert tokenize("", "en").all == tokenize("\n\n", "en").all == ()


@pytest.mark.parametrize("language", ["ja", "zh", "en"])
def test_chinese_and_japanese_characters_are_a_word_each(language: str) -> None:
    assert words("你好，世界！\nさくら 2本", language) == ["你", "好", "世", "界", "さ", "く", "ら", "2", "本"]
    assert nonlexical("歌<nl>らら</nl>歌(ああ)", language) == ["ら", "ら"]
    assert backing("歌<nl>らら</nl>歌(ああ)", language) == ["あ", "あ"]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    text = "Ñandú <nl>é é</nl> (über) señor\nがぎ"
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert tokenize(decomposed, "es") == tokenize(text, "es")
    assert nonlexical(decomposed, "es") == ["é", "é"]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        # Signs that join a letter are part of it, not something between words.
        ("की <nl>हिन्दी</nl> का", "hi", ["हिन्दी"]),
        ("مَرْحَبًا <nl>آهٍ</nl> يا", "ar", ["آهٍ"]),
        ("ที่ <nl>ลา</nl> รัก", "th", ["ล", "า"]),
        # What alt-eval drops must not shift the tags.
        ("½ ② x² <nl>oh</nl> yeah", "en", ["oh"]),
        ("♪ A&B №1 ™ € <nl>oh</nl> yeah", "en", ["oh"]),
        ("a_b <nl>oh</nl> yeah", "en", ["oh"]),
    ],
    ids=["hi", "ar", "th", "fractions", "symbols", "underscore"],
)
def test_letters_are_those_of_alt_eval(text: str, language: str, expected: list[str]) -> None:
    assert nonlexical(text, language) == expected


def test_vowel_signs_tell_words_apart() -> None:
    assert words("हिन्दी की", "hi") == ["हिन्दी", "की"]
    assert len(set(words("คา คี คู", "th"))) == 4


def test_normalising_keeps_the_words() -> None:
    text = "hey, you,\n(oh) <nl>na na,</nl>\nwell..."
    assert words(text, normalise=True) == ["Hey", "you", "Oh", "na", "na", "Well"]
    assert nonlexical(text, normalise=True) == ["na", "na"]
    punctuation = [token.text for token in tokenize(text, "en", normalise=True).all if token.tags == {"punctuation"}]
    assert punctuation == [","]


@pytest.mark.parametrize(
    ("code", "expected"), [("fr", "fr"), ("fra", "fr"), ("fre", "fr"), ("jpn", "ja"), ("German", "de"), ("yue", "en")]
)
def test_languages(code: str, expected: str) -> None:
    assert score_language(code) == expected


def test_a_three_letter_code_tokenizes_as_its_two_letters() -> None:
    text = "l'été, c'est geht's"
    assert words(text, "fra") == words(text, "fr") != words(text, "deu")
    assert words(text, "deu") == words(text, "de")


@pytest.mark.parametrize("code", ["xx", "", "klingonese"])
def test_an_unknown_language(code: str) -> None:
    with pytest.raises(ConfigError, match=rf"no language is called '{code}'; ") as caught:
        tokenize("hey", code)
    assert "\n" not in str(caught.value)


def test_marks_follow_letters() -> None:
    assert spread(["it's", "a", "--", "trap"], "iiiATTTT") == ["i", "A", None, "T"]
    assert spread(["ab", "c"], [1]) == [1, None]
    assert spread([], "abc") == []
    assert letters_of("e\u0301, 1½_") == ["é", "1", "_"]


# Whole words of several scripts, so that a tag never parts a word.
WORDS = st.sampled_from(
    ["hey", "Oh", "don't", "gon'", "l'été", "naïve", "愛してる", "이름", "Привет", "1", "हिन्दी", "co-op"]
)
GAPS = st.sampled_from([" ", ", ", "\n", "\n\n", " (", ") ", "! "])
TAGS = st.sampled_from(["", "", "<nl>", "</nl>", "<NL>", "</nl> <nl>"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, TAGS, GAPS, TAGS), max_size=20), st.booleans(), st.sampled_from(["en", "ja", "de"]))
def test_tags_change_no_word(parts: list[tuple[str, str, str, str]], normalise: bool, language: str) -> None:
    tagged = "".join(word + before + gap + after for word, before, gap, after in parts)
    plain = "".join(word + gap for word, _, gap, _ in parts)
    inside, expected = False, []
    for word, before, _, after in parts:
        expected += [inside] * len(tokenize(word, language).words)
        for tag in (before + after).lower().replace(" ", "").replace(">", "> ").split():
            inside = tag == "<nl>"
    found = tokenize(tagged, language, normalise=normalise).words
    untagged = tokenize(plain, language, normalise=normalise).words
    assert [word.text.lower() for word in found] == [word.text.lower() for word in untagged]
    assert [word.nonlexical for word in found] == expected
    assert not any(word.nonlexical for word in untagged)
    assert [word.backing for word in found] == [word.backing for word in untagged]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aB é½'’-()!?.,\n中ひ한яعَी1<>&", max_size=40), st.sampled_from(["en", "fr", "ja"]))
def test_words_are_those_of_alt_eval(text: str, language: str) -> None:
    from alt_eval.tokenizer import LyricsTokenizer, tokens_as_words

    expected = tokens_as_words(LyricsTokenizer()(text, language=language))
    assert words(text, language) == [token.text for token in expected]
