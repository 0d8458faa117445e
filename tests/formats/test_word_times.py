"""Times of words: how each format writes them, and that they come back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.datasets import open_dataset
from lyricsep.formats import FORMATS as ALL_FORMATS
from lyricsep.formats import file_suffixes, read_lyrics, render_lyrics, write_lyrics
from lyricsep.formats.karaoke import marks, words_of
from lyricsep.formats.transcript import is_sung
from lyricsep.lyrics import Line, Lyrics, Word, join_words

LINE = Line(0.5, 2.0, "(Même si l'été)", (Word(0.6, 0.9, "Même"), Word(1.0, 1.2, "si"), Word(1.2, 1.9, "l'été)")))
FORMATS = ("json", "elrc", "vtt", "ass", "textgrid")


def body(line: Line, name: str) -> str:
    return render_lyrics(Lyrics((line,)), name)


def test_marks() -> None:
    assert marks(LINE, 10) == [(6, "(Même"), (9, " "), (10, "si "), (12, "l'été)"), (19, "")]
    assert marks(Line(0, 1, "a b"), 10) == []


@pytest.mark.parametrize("words", [(Word(0, 1, "b"), Word(1, 2, "a")), (Word(0, 1, "x"),), (Word(0, 1, " "),)])
def test_words_that_do_not_spell_the_line_have_no_times(words: tuple[Word, ...]) -> None:
    line = Line(0, 2, "a b", words)
    assert marks(line, 10) == []
    for name in ("elrc", "vtt", "ass"):
        assert body(line, name) == body(Line(0, 2, "a b"), name)


def test_times_never_fall_and_stay_in_the_line() -> None:
    line = Line(1, 2, "a b c", (Word(0, 0.5, "a"), Word(1.8, 3, "b"), Word(1.5, 4, "c")))
    assert marks(line, 10) == [(10, "a"), (10, " "), (18, "b "), (18, "c"), (20, "")]


def test_enhanced_lrc() -> None:
    text = body(LINE, "elrc")
    assert "[00:00.50]<00:00.60>(Même<00:00.90> <00:01.00>si <00:01.20>l'été)<00:01.90><00:02.00>\n" in text
    assert "<" not in body(LINE, "lrc")


def test_vtt_times_rise_inside_the_cue() -> None:
    text = body(LINE, "vtt")
    assert (
        "<00:00:00.600><c>(Même</c><00:00:00.900> <00:00:01.000><c>si </c><00:00:01.200><c>l'été)</c><00:00:01.900>\n"
    ) in text
    line = Line(1, 2, "a <b> c", (Word(1, 1, "a"), Word(1, 1.5, "<b>"), Word(1.5, 2, "c")))
    assert "\n<c>a </c><c>&lt;b&gt; </c><00:00:01.500><c>c</c>\n" in body(line, "vtt")
    # No time can stand inside this cue.
    assert "\na\n" in body(Line(1, 2, "a", (Word(1, 2, "a"),)), "vtt")


def test_ass() -> None:
    assert body(LINE, "ass").endswith(r",,{\k10}{\k30}(Même{\k10} {\k20}si {\k70}l'été){\k10}" + "\n")
    line = Line(1, 2, r"{a} \N", (Word(1, 1.5, "{a}"), Word(1.5, 2, r"\N")))
    assert body(line, "ass").endswith(",,{\\k50}\\{a\\} {\\k50}\\\u2060N{\\k0}\n")


def test_textgrid_pushes_on_words_without_length() -> None:
    line = Line(1, 2, "a b c", (Word(1, 1, "a"), Word(1, 1, "b"), Word(1, 2.5, "c")))
    found = [row.strip() for row in body(line, "textgrid").split('name = "words"')[1].splitlines()]
    assert [row for row in found if row.startswith(("xmin", "text"))][3:] == [
        *("xmin = 1", 'text = "a"', "xmin = 1.001", 'text = "b"', "xmin = 1.002", 'text = "c"')
    ]


def test_words_of_pieces() -> None:
    assert words_of([(0, 1, "hal"), (1, 2, ""), (2, 3, "le"), (3, 4, "lu jah")]) == (
        Word(0, 4, "hallelu"),
        Word(3, 4, "jah"),
    )
    # Where no spaces are written, every piece is a word.
    assert words_of([(0, 1, "夜"), (1, 2, "に"), (2, 3, "ok"), (3, 4, "สวัส")]) == (
        Word(0, 1, "夜"),
        Word(1, 2, "に"),
        Word(2, 3, "ok"),
        Word(3, 4, "สวัส"),
    )


def read_back(lyrics: Lyrics, name: str, folder: Path) -> Sequence[Line]:
    path = folder / f"song{file_suffixes([name])[0]}"
    write_lyrics(path, lyrics, name)
    return read_lyrics(path).lines


def test_three_hours_overlaps_and_scripts(tmp_path: Path) -> None:
    hours = 3 * 3600.0
    lyrics = Lyrics(
        (
            Line(
                hours, hours + 2, "el niño", (Word(hours, hours + 0.5, "el"), Word(hours + 0.75, hours + 2, "niño"))
            ),
            Line(
                hours + 1,
                hours + 3,
                "(uh ah)",
                (Word(hours + 1.25, hours + 2, "(uh"), Word(hours + 2, hours + 3, "ah)")),
            ),
            Line(
                hours + 4, hours + 5, "夜に", (Word(hours + 4, hours + 4.5, "夜"), Word(hours + 4.5, hours + 5, "に"))
            ),
            Line(hours + 6, hours + 6.5, "(no words)"),
        ),
        duration=hours + 9,
    )
    for name in FORMATS:
        found = read_back(lyrics, name, tmp_path)
        assert [(line.start, line.text, line.words) for line in found] == [
            (line.start, line.text, line.words) for line in lyrics.lines
        ], name
        # LRC says when a line ends only with its words.
        assert [line.end for line in found][: 3 if name == "elrc" else 4] == [line.end for line in lyrics.lines][
            : 3 if name == "elrc" else 4
        ]


letters = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="<>[]{}&\\"), min_size=1, max_size=5)


@st.composite
def sung(draw: st.DrawFn) -> Lyrics:
    # Whole hundredths, which all hold, in Latin letters or others that stand between spaces.
    lines, now = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = now = now + draw(st.integers(0, 400))
        words = []
        for text in draw(st.lists(letters, min_size=2, max_size=5)):
            begin = now + draw(st.integers(0, 30))
            now = begin + draw(st.integers(1, 50))
            words.append(Word(begin / 100, now / 100, text))
        now += draw(st.integers(0, 20))
        lines.append(
            Line(start / 100, max(now, start + 10) / 100, " ".join(word.text for word in words), tuple(words))
        )
        now += 10
    return Lyrics(tuple(lines), duration=99.0)


@given(sung())
def test_words_come_back(tmp_path_factory: pytest.TempPathFactory, lyrics: Lyrics) -> None:
    folder = tmp_path_factory.mktemp("words")
    for name in FORMATS:
        assert tuple(read_back(lyrics, name, folder)) == lyrics.lines, name


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=8)
spans = st.lists(st.floats(0, 20), min_size=2, max_size=2).map(sorted)


@given(st.lists(st.tuples(spans, anything, st.lists(st.tuples(spans, anything), max_size=4)), max_size=4))
def test_any_words_can_be_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[list[float], str, list[tuple[list[float], str]]]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    lines = [
        Line(*span, text or " ".join(word for _, word in words), tuple(Word(*at, word) for at, word in words))
        for span, text, words in drawn
    ]
    lyrics = Lyrics(tuple(sorted(lines, key=lambda line: line.start)))
    for name in FORMATS:
        for line in read_back(lyrics, name, folder):
            assert line.start <= 20.2
            assert all(word.text.strip() and word.start <= word.end for word in line.words) or name == "json"


# Word joiners are what ASS keeps a backslash whole with.
any_text = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2060")
        | st.sampled_from("<>{}[]&;\"\\Nnhk,'")
    )
    .map(str.strip)
    .filter(bool)
    .filter(is_sung)
)


@given(st.lists(any_text, max_size=5))
def test_formats_with_escapes_hold_any_text(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    folder = tmp_path_factory.mktemp("text")
    lyrics = Lyrics(tuple(Line(start, start + 0.5, text) for start, text in enumerate(rows)), duration=99.0)
    # XML has no noncharacters; they come back as the sign of replacement.
    in_xml = [re.sub("[\ufffe\uffff]", "\ufffd", text) for text in rows]
    for name in ("json", "lrc", "srt", "vtt", "ass", "ttml", "csv", "tsv", "textgrid", "audacity"):
        expected = in_xml if name == "ttml" else rows
        assert [line.text for line in read_back(lyrics, name, folder)] == expected, name


def test_real_songs_come_back(shared: Path, tmp_path: Path) -> None:
    n_lines = 0
    for song in open_dataset(str(shared / "jam-alt")).songs:
        lines = tuple(sorted((line for line in song.lines if line.text), key=lambda line: line.start))
        n_lines += len(lines)
        for name in set(ALL_FORMATS) - {"txt"}:
            found = read_back(Lyrics(lines), name, tmp_path)
            assert [line.text for line in found] == [line.text for line in lines], name
            precision = (0.005 if name in ("lrc", "elrc", "ass") else 0.0005) + 1e-9
            for line, original in zip(found, lines, strict=True):
                assert line.start == pytest.approx(original.start, abs=precision), name
                if name not in ("lrc", "elrc"):
                    assert line.end == pytest.approx(max(original.end, line.start + 0.1), abs=precision), name
    assert n_lines > 150


@pytest.mark.parametrize(
    ("text", "words", "whole"),
    [
        ("l'un et l'autre", ["l", "'un", "et", "l", "'autre"], ["l'un", "et", "l'autre"]),
        ("rendez-vous", ["rendez", "-vous"], ["rendez-vous"]),
        ("夜に OK", ["夜", "に", "OK"], ["夜", "に", "OK"]),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.25])
def test_no_format_puts_a_space_into_a_word(
    tmp_path: Path, text: str, words: list[str], whole: list[str], pause: float
) -> None:
    timed = tuple(Word(n, n + 1 - pause, word) for n, word in enumerate(words))
    lyrics = Lyrics((Line(0, 9, text, timed),), duration=9.0)
    for name in FORMATS:
        (line,) = read_back(lyrics, name, tmp_path)
        assert line.text == join_words(line.words) == text, name
        assert [word.text for word in line.words] == (words if name == "json" else whole), name
    content = [row.partition("= ")[2] for row in body(lyrics.lines[0], "textgrid").split('"words"')[1].splitlines()]
    assert [row for row in content if row.startswith('"') and len(row) > 3] == [f'"{w}"' for w in whole if len(w) > 1]
