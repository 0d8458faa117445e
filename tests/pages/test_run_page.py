"""What the page of a run holds: known counts, known alignments, and nothing that a text could smuggle in."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import leave_manifest, lyrics_of, make_run

from lyricsep.datasets import Song
from lyricsep.formats import write_lyrics
from lyricsep.pages import find_results, render_run_page, run_content
from lyricsep.pages.charts import Mark, bars, histogram, interval, scatter, strips
from lyricsep.pages.manifests import changes, facts, failures, separators_of
from lyricsep.scoring import find_hypotheses, find_references, rates, score_songs

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'&amp; {{ content }} <!-- \u2028"


def song(name: str, text: str, language: str = "en") -> Song:
    return Song(id=name, dataset="made", language=language, text=text)


class Page(HTMLParser):
    """Elements with their attributes, the text that is shown, and the JSON."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.shown: list[str] = []
        self.hidden: list[str] = []
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += attributes
        self._within = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, text: str) -> None:
        (self.hidden if self._within else self.shown).append(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())

    @property
    def content(self) -> dict[str, object]:
        (found,) = (text for text in self.hidden if text.startswith('{"first"'))
        document = json.loads(found)
        assert isinstance(document, dict)
        return document


def write(folder: Path, name: str, *texts: str, flags: dict[int, tuple[str, ...]] | None = None) -> None:
    write_lyrics(folder / f"{name}.json", lyrics_of(list(texts), "en", flags), "json")


def test_words_are_laid_out_by_the_lines_that_were_sung(tmp_path: Path) -> None:
    write(tmp_path, "a", "oh one tree three", "Five colour")
    reference = song("a", "one two three\nfour (five)\n\ncolours\n")
    (found,) = run_content(find_results(tmp_path), references=[reference]).songs
    assert found.lyrics.text == [
        [["i", "", "oh"], "one", ["s", "two", "tree"], "three"],
        [["d", "four", ""], ["c", "five", "Five"]],
        [],
        [["n", "colours", "colour"]],
    ]
    counts = found.lyrics.counts
    assert counts is not None
    assert (counts.words.errors, counts.near_misses, counts.case_errors) == (4, 1, 1)


def test_long_runs_are_marked_as_hallucinated(tmp_path: Path) -> None:
    write(tmp_path, "a", "one " + "la " * 11 + "two")
    (found,) = run_content(find_results(tmp_path), references=[song("a", "one two")]).songs
    assert found.lyrics.text == [["one", *[["I", "", "la"]] * 11, "two"]]


def test_without_a_reference_lines_have_times_and_flags(tmp_path: Path) -> None:
    write(tmp_path, "a", "one two", "three", flags={1: ("loop", "no-speech")})
    (tmp_path / "b.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    write(tmp_path, "c")
    a, b, c = run_content(find_results(tmp_path)).songs
    assert a.lyrics.text == [[0.0, "one two"], [4.0, "three", "loop", "no-speech"]]
    assert a.flags == {"": 1, "loop": 1, "no-speech": 1}
    assert (a.n_lines, a.n_words, a.language) == (2, 3, "en")
    assert b.lyrics.text == [[None, "one"], [None, ""], [None, "two"]]
    assert (b.n_lines, b.language, b.duration) == (2, "", 0.0)
    assert (c.n_lines, c.lyrics.text) == (0, [])


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a", "one")
    write(tmp_path, "unknown", "one")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    content = run_content(
        find_results(tmp_path),
        references=[song("a", "one"), song("never heard", "one")],
    )
    assert [one.name for one in content.songs] == ["a", "unknown"]
    assert content.untranscribed == ("never heard",)
    assert "not JSON" in content.unread["broken"]
    told = Page(render_run_page(content)).text
    assert "1 song without a reference" in told
    assert "not scored: never heard" in told
    assert "Songs that failed" in told


def test_lyrics_of_the_other_run_that_cannot_be_read_cost_the_comparison_alone(tmp_path: Path) -> None:
    for folder in ("now", "before"):
        for name in "ab":
            write(tmp_path / folder, name, "one")
    (tmp_path / "before" / "a.json").write_text("{", encoding="utf-8")
    now, before = (find_results(tmp_path / folder) for folder in ("now", "before"))
    content = run_content(now, references=[song(name, "one two") for name in "ab"], versus=before)
    assert [one.versus is None for one in content.songs] == [True, False]
    assert list(content.unread) == ["before/a"]


def test_the_numbers_are_those_of_score(tmp_path: Path) -> None:
    make_run(tmp_path / "run", tmp_path / "ref", 12)
    references = find_references(str(tmp_path / "ref"))
    scores = score_songs(references, find_hypotheses(tmp_path / "run", references)).as_document()
    told = Page(render_run_page(run_content(find_results(tmp_path / "run"), references=references))).text
    low, high = (f"{100 * bound:.1f}" for bound in scores["intervals"]["WER"])
    assert f"Word error rate {100 * scores['rates']['WER']:.1f} % 95 %: {low} – {high}" in told


def test_worst_songs_come_first_and_unscored_ones_last(tmp_path: Path) -> None:
    for name, text in (("good", "one two"), ("bad", "four"), ("middling", "one"), ("unscored", "one")):
        write(tmp_path, name, text)
    references = [song(name, "one two") for name in ("good", "bad", "middling")]
    page = render_run_page(run_content(find_results(tmp_path), references=references))
    names = re.findall(r'class="link open" dir="auto" data-song="\d">(\w+)<', page)
    assert names == ["bad", "middling", "good", "unscored"]


def test_two_runs_are_compared_over_the_songs_of_both(tmp_path: Path) -> None:
    make_run(tmp_path / "now", tmp_path / "ref", 12, badness=0.1)
    make_run(tmp_path / "before", tmp_path / "ref", 11, badness=0.5, seed=1)
    leave_manifest(tmp_path / "now")
    leave_manifest(tmp_path / "before", model="tiny")
    references = find_references(str(tmp_path / "ref"))
    content = run_content(
        find_results(tmp_path / "now"), references=references, versus=find_results(tmp_path / "before")
    )
    assert [one.versus is None for one in content.songs] == [False] * 11 + [True]
    told = Page(render_run_page(content)).text
    assert "11 songs. This run, A, is better." in told
    assert "A is this run, now; B is before. Differences are B - A" in told
    assert "1 song only in this run: left out" in told
    assert "plan.model tiny base" in told


def test_the_same_run_is_no_better_than_itself(tmp_path: Path) -> None:
    make_run(tmp_path / "run", tmp_path / "ref", 3)
    results = find_results(tmp_path / "run")
    content = run_content(results, references=find_references(str(tmp_path / "ref")), versus=results)
    told = Page(render_run_page(content)).text
    assert "0.0 points [0.0, 0.0], p = 1.0000, 3 songs. No significant difference" in told
    assert "the interval contains zero." in told
    assert "Songs that differ most" not in told


def test_differences_have_the_sign_of_a_comparison(tmp_path: Path) -> None:
    for name, words in (("a", "one"), ("b", "one two")):
        write(tmp_path / "A", name, "one two")
        write(tmp_path / "B", name, words)
    references = [song(name, "one two") for name in "ab"]
    a, b = (find_results(tmp_path / run) for run in "AB")
    for first, second, sign in ((a, b, "+"), (b, a, "−")):
        told = Page(render_run_page(run_content(first, references=references, versus=second))).text
        (verdict,) = re.findall(r"WER [\d.]+ → [\d.]+ % ?: ?(.)25\.0 points", told)
        assert verdict == sign


@pytest.mark.parametrize(("n_songs", "n_charts"), [(2, 0), (4, 0), (5, 1), (24, 2)])
def test_few_songs_are_told_in_words_and_many_are_drawn(tmp_path: Path, n_songs: int, n_charts: int) -> None:
    make_run(tmp_path / "run", tmp_path / "ref", n_songs)
    content = run_content(find_results(tmp_path / "run"), references=find_references(str(tmp_path / "ref")))
    page = Page(render_run_page(content))
    assert [value for _, value in page.attributes].count("chart") == n_charts
    assert ("Word error rate of each song" in page.text) == (not n_charts)
    if not n_charts:
        assert all(f"{one.title} {100 * rates(one.lyrics.counts)['WER']:.1f} %" in page.text for one in content.songs)


def test_what_did_not_change_is_said_and_not_drawn(tmp_path: Path) -> None:
    make_run(tmp_path / "run", tmp_path / "ref", 6)
    results, references = find_results(tmp_path / "run"), find_references(str(tmp_path / "ref"))
    page = Page(render_run_page(run_content(results, references=references, versus=results)))
    assert "None of the 6 songs differs." in page.text
    assert "No song differs." in page.text
    assert not {"better", "worse", "diagonal"} & {value for name, value in page.attributes if name == "class"}


def test_one_song_that_changed_is_named(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / "now", name, "one two")
        write(tmp_path / "before", name, "one two" if name > "a" else "one")
    results = [find_results(tmp_path / run) for run in ("now", "before")]
    content = run_content(results[0], references=[song(name, "one two") for name in "abc"], versus=results[1])
    assert "a +50.0. The other 2 do not differ." in Page(render_run_page(content)).text


def test_few_songs_do_not_tell_which_run_is_better(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / "now", name, "one two")
        write(tmp_path / "before", name, "one")
    content = run_content(
        find_results(tmp_path / "now"),
        references=[song(name, "one two") for name in "abc"],
        versus=find_results(tmp_path / "before"),
    )
    told = Page(render_run_page(content)).text
    assert "p = 0.2500, 3 songs. No significant difference: p is above 0.05." in told


def test_runs_of_one_name_are_called_by_their_folders_too(tmp_path: Path) -> None:
    write(tmp_path / "a" / "out", "x", "one")
    write(tmp_path / "b" / "out", "x", "one")
    first, second = (find_results(tmp_path / name / "out") for name in "ab")
    content = run_content(first, references=[song("x", "one")], versus=second)
    assert (content.title, content.versus) == ("a/out", "b/out")
    assert run_content(first).title == "out"


def test_nothing_gets_out_of_its_place(tmp_path: Path) -> None:
    write_lyrics(
        tmp_path / "run" / "<b>x.json", lyrics_of([HOSTILE.split("\u2028")[0]], "en"), "json", title=HOSTILE.strip()
    )
    write(tmp_path / "run", "other", "one")
    leave_manifest(tmp_path / "run", separator=HOSTILE)
    results = find_results(tmp_path / "run")
    references = [song("<b>x", f"one {HOSTILE.split(chr(0x2028))[0]}"), song("other", "one")]
    plain = Page(render_run_page(run_content(results)))
    hostile = Page(
        render_run_page(
            run_content(results, references=references, versus=results, pages={"<b>x": 'x" onclick="alert(3)'})
        )
    )
    for page in (plain, hostile):
        assert page.elements["script"] == 2
        assert page.elements["img"] == 0
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        assert "<img src=x onerror=alert(2)>" in page.text
        assert "<b>odd</b>" in page.text
        assert "alert(1)" in json.dumps(page.content)


def test_a_run_of_one_song_and_of_none_that_can_be_read_still_make_pages(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    told = Page(render_run_page(run_content(find_results(tmp_path)))).text
    assert "0 songs" in told
    assert "Songs that failed" in told
    write(tmp_path, "a", "one")
    told = Page(render_run_page(run_content(find_results(tmp_path), references=[song("a", "one two")]))).text
    assert "Word error rate 50.0 % 1 of 2 words" in told
    assert "Percent; one song." in told


def test_nothing_is_fetched(tmp_path: Path) -> None:
    make_run(tmp_path / "run", tmp_path / "ref", 3)
    page = Page(render_run_page(run_content(find_results(tmp_path / "run"))))
    addresses = [value or "" for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_failures_are_those_of_songs_that_never_went_through() -> None:
    def entry(path: str, error: str = "") -> dict[str, str]:
        return {"path": path, "status": "failed" if error else "done", "error": error}

    first = {"songs": [entry("a", "no"), entry("b", "no"), entry("c")]}
    second = {"songs": [entry("a"), entry("c", "exists already")]}
    batch = {"songs": [], "failures": {"d": "no", "e": "no"}}
    later = {"songs": [], "failures": {"e": "still not"}}
    assert failures([first, second, batch, later]) == {"b": "no", "e": "still not"}
    assert failures([{"songs": None}, {}]) == {}


def test_manifests_differ_in_what_can_change_a_result() -> None:
    first = {
        "started": "1",
        "options": {"a": None, "b": [1, 2], "c": True},
        "weights": [{"name": "w", "sha256": "1"}],
    }
    second = {"started": "2", "options": {"a": 1.5, "b": [1, 2]}, "weights": [{"name": "w", "sha256": "2"}]}
    assert changes(first, second) == [
        ("options.a", "none", "1.5"),
        ("options.c", "yes", "–"),
        ("weights.w", "1", "2"),
    ]
    assert changes(first, first) == []
    twice = {"weights": [{"name": "config.json", "sha256": "1"}, {"name": "config.json", "sha256": "2"}]}
    assert facts(twice) == {"weights.config.json": "1, 2"}


def test_the_separator_of_a_run_is_known_from_its_manifest() -> None:
    plan = {"separator": "htdemucs", "query": "voice", "then": None}
    assert separators_of({"plan": plan}) == ("htdemucs", "voice", None)
    assert separators_of({"plan": {**plan, "then": "apollo"}}) == ("htdemucs", "voice", "apollo")
    assert separators_of({"plan": {"separator": "none"}}) is None
    assert separators_of({"options": {"separator": "spleeter"}}) is None
    assert separators_of({}) is None


values = st.floats(0, 1000, allow_nan=False)
marks = st.lists(values, min_size=1, max_size=60).map(
    lambda found: [Mark(index, f"<{index}>&", value) for index, value in enumerate(found)]
)


@given(marks)
def test_a_histogram_holds_every_song_once(found: list[Mark]) -> None:
    titles = [one.text or "" for one in ET.fromstring(histogram(found, of="WER")).iter("title")]  # noqa: S314
    assert sum(int(title.rsplit(": ", 1)[1].split()[0]) for title in titles) == len(found)


@given(marks, marks)
def test_charts_are_whole_and_stay_inside(first: list[Mark], second: list[Mark]) -> None:
    pairs = list(zip(first, second, strict=False))
    steps = [Mark(a.song, a.name, b.value - a.value) for a, b in pairs]
    for drawn, n_marks in (
        (strips({"<en>": first, "–": second}, of="WER"), len(first) + len(second)),
        (scatter(pairs, first="a & b", second="<c>"), len(pairs)),
        (bars(steps, of="WER"), len(steps)),
    ):
        svg = ET.fromstring(drawn)  # noqa: S314
        assert svg.get("role") == "img"
        assert svg.get("aria-label")
        placed = [one for one in svg.iter() if one.get("data-song") is not None]
        assert len(placed) == n_marks
        height = float(svg.attrib["viewBox"].split()[3])
        for one in placed:
            x, y = float(one.get("cx") or one.attrib["x"]), float(one.get("cy") or one.attrib["y"])
            assert 0 <= x <= 420
            assert -1 <= y <= height


def test_an_interval_says_which_way_is_worse() -> None:
    assert 'class="worse"' in interval(0.1, 0.0, 0.2, reach=0.2)
    assert 'class="better"' in interval(0.1, 0.0, 0.2, reach=0.2, more_is_better=True)
    assert 'class="span"' not in interval(0.1, math.nan, math.nan, reach=0.2)
    assert interval(math.nan, math.nan, math.nan, reach=0.2) == ""


def test_a_manifest_says_what_ran() -> None:
    plan = {"separator": "htdemucs", "model": "tiny", "query": "x"}
    manifest = {"version": 2, "command": ["lyricsep", "transcribe", "a.mp3"], "plan": plan}
    assert separators_of(manifest) == ("htdemucs", "x", None)
    assert separators_of({"plan": 3}) is None
    # The command line names songs, and is no option.
    assert facts({**manifest, "seconds": 3, "counts": {"n_songs": 1}}) == {
        "plan.separator": "htdemucs",
        "plan.model": "tiny",
        "plan.query": "x",
    }
