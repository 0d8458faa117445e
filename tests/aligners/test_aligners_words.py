"""Words of known lyrics: what is a word, how it is sung, and that nothing of the line is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lyricsep.aligners.words import KnownLine, KnownLyrics, split_words, sung_form

# A line, and its words: "|" before a word without a space before it, "_" for a space within a word.
LINES = [
    ("Hello, world!", "Hello, world!"),
    (" a\tb  c ", "a b c"),
    ("wait - for me —", "wait_- for me_—"),
    ("- wait", "-_wait"),
    ("... « Oui »", "..._«_Oui_»"),
    ('"Hi" (oh no)', '"Hi" (oh no)'),
    ("( oh )", "(_oh_)"),
    ("l'un l’autre rock'n'roll 'cause dancin'", "l'un l’autre rock'n'roll 'cause dancin'"),
    ("rock 'n' roll & soul", "rock 'n' roll_& soul"),
    ("no-one well—you a/b", "no-one well—you a/b"),
    ("100 % of 3.14", "100_% of 3.14"),
    ("love ❤️ you 👨‍👩‍👧", "love_❤️ you_👨‍👩‍👧"),
    ("❤️ love", "❤️_love"),
    ("e\u0301te\u0301", "e\u0301te\u0301"),
    ("君が代は、千代に", "君 |が |代 |は、 |千 |代 |に"),
    ("「君」と「僕」 （ねえ）", "「君」 |と |「僕」 （ね |え）"),
    ("人々のシャッター", "人々 |の |シャッ |ター"),
    ("ｱｲｼﾃﾙﾊﾞｶ", "ｱ |ｲ |ｼ |ﾃ |ﾙ |ﾊﾞ |ｶ"),
    ("ＬＯＶＥ", "ＬＯＶＥ"),
    ("我爱你，baby哦 20歳 Tシャツ", "我 |爱 |你， |baby |哦 20 |歳 T |シャ |ツ"),
    ("go（ねえ）go「go」", "go |（ね |え） |go「go」"),
    ("사랑해 너를", "사랑해 너를"),
    ("เก้าน้ำใจ", "เก้า |น้ำ |ใจ"),
    ("ຂ້ອຍເຈົ້າ", "ຂ້ |ອ |ຍ |ເຈົ້າ"),
    ("שלום, עולם", "שלום, עולם"),
    ("مَرْحَبًا يا love", "مَرْحَبًا يا love"),
    ("", ""),
    ("♪ – ' ❤️", ""),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_words_of_a_line(line: str, expected: str) -> None:
    words = [(word.removeprefix("|").replace("_", " "), word[0] != "|") for word in expected.split()]
    assert split_words(line) == words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Hello,", "hello"),
        ("l’UN", "l'un"),
        ("Kahaʼi", "kaha'i"),
        ("'cause", "cause"),
        ("'dancin'”", "dancin"),
        ("(no-one)", "noone"),
        ("3.14", "314"),
        ("E\u0301té!", "e\u0301té"),
        ("❤️love", "love"),
        ("น้ำ", "น้ำ"),
        ("「君」", "君"),
        ("❤️", ""),
        ("'’ʼ", ""),
        ("", ""),
    ],
)
def test_what_is_sung_of_a_word(word: str, expected: str) -> None:
    assert sung_form(word) == expected


@given(st.text() | st.text(alphabet="a'é1 -—(「」、。君がーッ々เก้าำ사❤\ufe0f\u0301\u200b\u3000\n"))
@example("(((君「「a」")
@example("เ")
def test_the_words_are_the_line(line: str) -> None:
    words = split_words(line)
    assert all(sung_form(word) for word, _ in words)
    if sung_form(line):
        assert "".join(" " * apart + word for word, apart in words).strip() == " ".join(line.split())
        assert words[0][1]
    else:
        assert words == []


def test_words_of_lyrics() -> None:
    known = KnownLyrics((KnownLine("Oh, ♪"), KnownLine("♪"), KnownLine("君 – yes", "[Chorus]")))
    assert [(word.text, word.sung, word.line, word.space_before) for word in known.words] == [
        ("Oh, ♪", "oh", 0, True),
        ("君 –", "君", 2, True),
        ("yes", "yes", 2, True),
    ]


def test_lyrics_in_capitals_stay_as_written() -> None:
    known = KnownLyrics((KnownLine("HELLO WORLD"), KnownLine("OH, l'ÉTÉ")))
    assert [word.text for word in known.words] == ["HELLO", "WORLD", "OH,", "l'ÉTÉ"]
    assert known.is_in_capitals
    assert not KnownLyrics((KnownLine("Hello NASA"),)).is_in_capitals
    assert not KnownLyrics((KnownLine("君の名"),)).is_in_capitals


@pytest.mark.parametrize(
    ("starts", "expected"),
    [((), False), ((None,), False), ((0.0, None), False), ((0.0, 1.0), True), ((0.0, 0.0), False), ((0.0,), True)],
)
def test_lyrics_are_timed_where_every_line_is(starts: tuple[float | None, ...], expected: bool) -> None:
    assert KnownLyrics(tuple(KnownLine("la", start=start) for start in starts)).is_timed is expected


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("漢字とかな", ("ja",)),
        ("我爱你", ("zh", "yue", "ja")),
        ("나는 학교에", ("ko",)),
        ("ฉันรักเธอ oh yeah", ("th",)),
        ("Je t'aime", ()),
        ("Я тебя люблю", ()),
    ],
)
def test_languages_of_a_script(text: str, languages: tuple[str, ...]) -> None:
    assert KnownLyrics((KnownLine(text),)).possible_languages == languages
