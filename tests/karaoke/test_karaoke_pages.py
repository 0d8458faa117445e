"""Which line stands where, and when."""

from __future__ import annotations

import pytest
from sung_lines import sung

from lyricsep.karaoke import LEAD_IN, Page, SungText, make_pages
from lyricsep.karaoke.pages import APPEARS, STAYS, TURNS
from lyricsep.lyrics import NOT_SUNG, Line, Lyrics, Word


def rows(page: Page) -> dict[str, str]:
    return {place: text.text for place, text in page.rows.items()}


def shown_at(pages: list[Page], time: float) -> dict[str, str]:
    return rows(next(page for page in reversed(pages) if page.start <= time))


def test_words_are_swept_at_their_times() -> None:
    text = SungText.of(sung(1.0, "one two three", 1.0, 1.5, 4.0))
    # The pause before "three" sweeps the space.
    assert text == SungText("one two three", (1.0, 1.5, 2.0, 4.0, 4.5), (0, 4, 7, 8, 13))


def test_words_without_spaces_are_swept_too() -> None:
    words = (Word(1, 2, "夜の", space_before=False), Word(2, 3, "列車", space_before=False))
    assert SungText.of(Line(1, 3, "夜の列車", words)) == SungText("夜の列車", (1, 2, 3), (0, 2, 4))


def test_a_line_without_words_is_swept_evenly() -> None:
    assert SungText.of(Line(1, 3, "la la")) == SungText("la la", (1, 3), (0, 5))


def test_what_no_font_draws_is_a_space() -> None:
    text = SungText.of(Line(1, 3, "one\ttwo\x01\u3000three", (Word(1, 2, "one"), Word(2, 3, "two\x01\u3000three"))))
    assert text == SungText("one two  three", (1, 2, 3), (0, 4, 14))


def test_each_line_has_its_turn() -> None:
    lines = (sung(10, "one"), sung(11, "two"), sung(12, "three"), Line(12.2, 12.2, "not sung", flags=(NOT_SUNG,)))
    pages = make_pages(Lyrics(lines), "Song", "Band")
    assert pages[0].start == 0
    assert rows(pages[0]) == {"title": "Song", "artist": "Band"}
    assert shown_at(pages, 10 - APPEARS) == {"header": "Band – Song", "middle": "one", "below": "two"}
    assert shown_at(pages, 10 - APPEARS - 0.01) == {"title": "Song", "artist": "Band"}
    turn = 10.5 + TURNS
    assert shown_at(pages, turn - 0.01)["middle"] == "one"
    assert shown_at(pages, turn) == {"above": "one", "middle": "two", "below": "three"}
    assert shown_at(pages, 12) == {"above": "two", "middle": "three"}
    assert shown_at(pages, 12.5 + STAYS) == {}


def test_without_time_for_a_title_it_stands_above_the_first_line() -> None:
    pages = make_pages(Lyrics((sung(1, "one"),)), "Song")
    assert rows(pages[0]) == {"header": "Song", "middle": "one"}
    assert pages[0].count_in is None


def test_singers_are_counted_in_after_a_pause() -> None:
    lyrics = Lyrics((sung(0.5, "one"), sung(3.9, "two"), sung(4.5 + LEAD_IN, "three"), sung(30, "four")))
    pages = make_pages(lyrics, "Song")
    assert [(page.start, page.count_in) for page in pages if page.count_in] == [
        (4.4 + TURNS, 4.5 + LEAD_IN),
        (5.0 + LEAD_IN + TURNS, 30),
        (5.0 + LEAD_IN + STAYS, 30),
    ]
    # The bar is gone when the line begins, and the line before it some time earlier.
    assert next(page for page in pages if page.start == 30).count_in is None
    assert shown_at(pages, 20) == {"middle": "four"}


def test_lines_that_overlap_stand_side_by_side() -> None:
    lead, backing = sung(5, "lead sings a long line"), sung(6, "(echo)")
    pages = make_pages(Lyrics((lead, backing)), "Song")
    page = next(page for page in reversed(pages) if page.start <= 6.2)
    assert rows(page) == {"above": lead.text, "middle": "(echo)"}
    assert page.rows["above"].times[-1] == pytest.approx(7.5)


def test_lines_that_start_together_make_no_page_of_no_length() -> None:
    pages = make_pages(Lyrics((sung(5, "one"), sung(5, "two"), sung(5.2, "three"))), "Song")
    starts = [page.start for page in pages]
    assert starts == sorted(set(starts))
    assert shown_at(pages, 5.1)["middle"] == "two"


def test_an_instrumental_has_a_title() -> None:
    (page,) = make_pages(Lyrics(), "Song")
    assert rows(page) == {"title": "Song"}
