"""What a notebook is given: every text as text, and never a page too long to scroll past."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.datasets import Song
from lyricsep.errors import AudioError
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.scoring import ScoredRun, SongScore, compare, score
from lyricsep.session import Job, Outcome
from lyricsep.tables import LONGEST_CELL, MOST_ROWS, Table

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


class Seen(HTMLParser):
    """The elements, and the text of every cell."""

    def __init__(self, shown: object) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(shown._repr_html_())  # type: ignore[attr-defined]
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, text: str) -> None:
        self.text += text
        if self.cells:
            self.cells[-1] += text


def lyrics_of(*texts: str) -> Lyrics:
    lines = tuple(Line(70.25 * index, 70.25 * index + 2, text) for index, text in enumerate(texts))
    return Lyrics(lines, "en", 6000.0, (Segment(0.0, 6000.0),))


def scored(reference: str, hypothesis: str, name: str = "a") -> SongScore:
    song = Song(id=name, dataset="d", language="en", text=reference)
    return SongScore(song, score(reference, hypothesis, "en").counts, None)


def test_lyrics_show_times_lines_and_doubts() -> None:
    lyrics = Lyrics(
        (Line(61.5, 64.25, "One two", (), ("loop", "no-speech")), Line(3600, 3601, "three")), "en", 3700.0
    )
    seen = Seen(lyrics)
    assert seen.text.startswith("Lyrics: 2 lines, language en, 61:40.00 long")
    assert seen.cells == [
        *("start", "end", "line", "doubtful"),
        *("1:01.50", "1:04.25", "One two", "loop, no-speech"),
        *("60:00.00", "60:01.00", "three", ""),
    ]


def test_an_instrumental_says_so() -> None:
    assert Seen(Lyrics(duration=60.0)).text.startswith("Lyrics: no vocals found, 1:00.00 long")


def test_long_lyrics_are_cut_and_say_so() -> None:
    seen = Seen(lyrics_of(*["la " * 1000] * (MOST_ROWS + 7)))
    assert seen.elements.count("tr") == MOST_ROWS + 1
    assert max(map(len, seen.cells[:-1])) == LONGEST_CELL + 1
    assert seen.text.endswith("and 7 more rows")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"])))
def test_any_line_is_shown_as_it_is(text: str) -> None:
    assert Seen(lyrics_of(text)).cells[6] == text[:LONGEST_CELL] + "…" * (len(text) > LONGEST_CELL)


def test_what_cannot_be_seen_is_shown_as_an_escape() -> None:
    assert Seen(lyrics_of("a\x1fb\u202e")).cells[6] == r"a\x1fb\u202e"


def test_counts_show_the_rates() -> None:
    seen = Seen(scored("one two three four", "one two tree").counts)
    assert seen.cells[: seen.cells.index("WER") + 1] == ["WER"]
    assert "50.00" in seen.cells
    assert "4 words of the reference: 2 hits, 1 substituted, 1 deleted, 0 inserted" in seen.text


def test_a_run_shows_its_songs_and_an_interval() -> None:
    run = ScoredRun((scored("one two", "one"), scored("three four", "three four", "b")), missing=("c",))
    seen = Seen(run)
    assert seen.cells[7:14] == ["a", "en", "50.00", "2", "0", "1", "0"]
    assert "all: WER 25.00 [0.00, 50.00], 95 % over songs; words 4, S 0, D 1, I 0" in seen.text
    assert "1 songs without a hypothesis: c" in seen.text
    assert "Scores of 0 songs" in Seen(ScoredRun(())).text


def test_a_comparison_shows_itself_and_stays_a_dictionary() -> None:
    first, second = {"a": scored("one two", "one").counts}, {"a": scored("one two", "one two").counts}
    found = compare(first, second)
    assert found == dict(found)
    assert Seen(found).cells[5:10] == ["WER", "50.00", "0.00", "-50.00", "1.0000"]


@pytest.mark.parametrize(
    "shown",
    [
        lyrics_of(HOSTILE),
        Outcome(Job(Path(HOSTILE)), lyrics_of(HOSTILE), seconds={"separation": 1.5}),
        Outcome(Job(Path(HOSTILE)), error=AudioError(HOSTILE)),
        Table(HOSTILE, (HOSTILE,), ((HOSTILE,),), 1, (HOSTILE,)),
        ScoredRun((scored("one", "one", HOSTILE),), missing=(HOSTILE,)),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_no_text_becomes_an_element(shown: object) -> None:
    seen = Seen(shown)
    assert set(seen.elements) <= {"p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in seen.text


def test_results_say_how_long_it_took_and_failures_why() -> None:
    told = Seen(Outcome(Job(Path("a.mp3")), lyrics_of("one"), seconds={"separation": 1.54})).text
    assert told.startswith("a.mp3 separation 1.5 s")
    failed = Outcome(Job(Path("a.mp3")), error=AudioError("a.mp3: is empty"))
    assert Seen(failed).text == "a.mp3 failed: a.mp3: is empty"


def test_a_notebook_finds_it() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    data, _ = formatters.DisplayFormatter().format(lyrics_of("one two"))
    assert "one two" in data["text/html"]
    assert data["text/plain"].startswith("Lyrics(")
