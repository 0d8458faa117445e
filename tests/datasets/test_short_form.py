"""Equal to the paper's own lines and groups on five songs; every rule by a song made for it; then invariants."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.datasets.short_form import Passage, groups, merged_lines
from lyricsep.lyrics import Line

FIVE_SONGS = range(5)


@pytest.fixture(scope="module")
def golden(shared: Path) -> list[tuple[list[Line], dict]]:
    """Give the lines of each song and what the paper's code makes of them."""
    rows = map(json.loads, (shared / "jam-alt/metadata.jsonl").read_text(encoding="utf-8").splitlines())
    lines = {row["name"]: [Line(x["start"], x["end"], x["text_tagged"]) for x in row["lines"]] for row in rows}
    expected = json.loads((shared / "golden/scores.json").read_text(encoding="utf-8"))["short_form"]
    return [(lines[song["name"]], song) for song in expected]


def assert_same(found: list[Passage], expected: list[dict]) -> None:
    assert [passage.text for passage in found] == [row["text"] for row in expected]
    assert [time for p in found for time in (p.start, p.end)] == pytest.approx(
        [time for row in expected for time in (row["start"], row["end"])], abs=1e-9
    )


@pytest.mark.parametrize("song", FIVE_SONGS)
def test_merged_lines_of_the_paper(golden, song: int) -> None:
    lines, expected = golden[song]
    assert_same(merged_lines(lines, expected["duration"]), expected["merged_lines"])


@pytest.mark.parametrize("song", FIVE_SONGS)
def test_groups_of_the_paper(golden, song: int) -> None:
    lines, expected = golden[song]
    # In one of the songs the second passage comes 11 s after the first, which is then in no group.
    assert_same(groups(merged_lines(lines, expected["duration"])), expected["groups"])


# Merged lines


def spans(passages: list[Passage]) -> list[tuple[float, float]]:
    return [(passage.start, passage.end) for passage in passages]


def test_padding() -> None:
    # Half a second; less before the start of the song, its end, and 0.1 s from the next line.
    lines = [Line(0.25, 1, "a"), Line(3, 4, "b"), Line(4.5, 9.75, "c")]
    assert merged_lines(lines, 10.0) == [
        Passage(0, 1.5, "a\n"),
        Passage(2.5, 4.4, "b\n"),
        Passage(4.5 - (4.5 - 4.1), 10.0, "c\n"),
    ]


def test_lines_merge_above_a_fifth_of_a_second() -> None:
    assert [p.text for p in merged_lines([Line(0, 2, "a"), Line(1.75, 3, "b")], 9)] == ["a\nb\n"]
    assert [p.text for p in merged_lines([Line(0, 0.25, "a"), Line(0.0625, 3, "b")], 9)] == ["a\n", "b\n"]
    # 0.2 itself is not enough.
    assert [p.text for p in merged_lines([Line(0, 0.2, "a"), Line(0, 3, "b")], 9)] == ["a\n", "b\n"]


def test_a_short_line_does_not_part_what_overlaps_around_it() -> None:
    lines = [Line(4, 8, "late"), Line(0, 5, "early"), Line(3, 3.1, "short"), Line(7, 9, "later")]
    found = merged_lines(lines, 20)
    assert [passage.text for passage in found] == ["late\nearly\nlater\n", "short\n"]
    # The short line lies inside, and still keeps the padding away from itself, as in the paper's code.
    assert spans(found)[0] == (0, 9)


def test_lines_over_the_window_are_left_out() -> None:
    long = Line(0, 30.01, "long")
    # It neither merges nor limits the padding of others.
    assert merged_lines([long, Line(10, 11, "a")], 60) == [Passage(9.5, 11.5, "a\n")]
    assert merged_lines([Line(0, 20, "a"), Line(19, 31, "b"), Line(40, 41, "c")], 60) == [Passage(39.5, 41.5, "c\n")]


def test_padding_stays_within_the_window() -> None:
    # 0.4 s of room, half before and half behind, less the spare millisecond.
    [passage] = merged_lines([Line(10, 39.6, "a")], 60)
    assert spans([passage]) == [pytest.approx((10 - 0.1995, 39.6 + 0.1995))]
    # With 0.1 s on one side only, what is left of the 0.4 s is shared.
    lines = [Line(0, 9.8, "x"), Line(10, 39.6, "a")]
    assert spans(merged_lines(lines, 60))[1] == pytest.approx((10 - 0.1995, 39.6 + 0.1995))


def test_padding_stays_within_the_song() -> None:
    assert spans(merged_lines([Line(0.05, 29.6, "a")], 40)) == [pytest.approx((0, 29.6 + 0.2245))]
    assert spans(merged_lines([Line(10, 39.55, "a")], 39.6)) == [pytest.approx((10 - 0.2245, 39.6))]


def test_nothing() -> None:
    assert merged_lines([], 10.0) == []
    assert groups([]) == []


# Groups


def test_a_group_is_below_the_window() -> None:
    assert len(groups([Passage(0, 15, "a\n"), Passage(15, 29.99, "b\n")])) == 1
    assert len(groups([Passage(0, 15, "a\n"), Passage(15, 30, "b\n")])) == 2
    assert groups([Passage(0, 30, "a\n"), Passage(30, 31, "b\n")]) == [Passage(0, 30, "a\n"), Passage(30, 31, "b\n")]


def test_a_gap_parts_groups() -> None:
    assert len(groups([Passage(0, 1, "a\n"), Passage(8, 9, "b\n")])) == 1
    for at in (9.01, 300):
        passages = [Passage(at, at + 1, "c\n"), Passage(0, 1, "a\n"), Passage(1, 2, "b\n")]
        assert [group.text for group in groups(passages)] == ["a\nb\n", "c\n"]


def test_a_first_passage_alone_before_a_gap_is_left_out_as_published() -> None:
    passages = [Passage(0, 1, "a\n"), Passage(10, 11, "b\n"), Passage(30, 31, "c\n")]
    assert groups(passages) == passages[1:]
    assert groups(passages[:1]) == passages[:1]


# Invariants

# Hundredths, so that overlaps of just 0.2 s come up.
lines_of_songs = st.lists(
    st.tuples(st.integers(0, 9_000), st.integers(1, 800)).map(
        lambda span: Line(span[0] / 100, (span[0] + span[1]) / 100, f"{span[0]}")
    ),
    max_size=14,
)


@given(lines_of_songs)
def test_lines_merge_with_all_they_overlap(lines: list[Line]) -> None:
    lines = [Line(line.start, line.end, f"{index}") for index, line in enumerate(lines)]
    part = {index: {index} for index in range(len(lines))}
    for a, b in combinations(range(len(lines)), 2):
        if min(lines[a].end, lines[b].end) - max(lines[a].start, lines[b].start) > 0.2:
            part[a] |= part[b]
            for member in part[a]:
                part[member] = part[a]
    expected = sorted({tuple(sorted(members)) for members in part.values()})
    found = [tuple(map(int, passage.text.split())) for passage in merged_lines(lines, 100.0)]
    too_long = [members for members in expected if members not in found]
    assert [members for members in expected if members not in too_long] == found
    for members in too_long:
        assert max(lines[i].end for i in members) - min(lines[i].start for i in members) > 29.9


@given(lines_of_songs)
def test_passages_hold_their_lines_within_the_song(lines: list[Line]) -> None:
    for passage in merged_lines(lines, 98.0):
        assert 0 <= passage.start <= passage.end <= 98
        assert passage.end - passage.start <= 30


passages_of_songs = st.lists(
    st.tuples(st.integers(0, 70), st.integers(1, 12)).map(
        lambda span: Passage(float(span[0]), float(span[0] + span[1]), f"{span}\n")
    ),
    max_size=9,
)


@given(passages_of_songs)
def test_groups_are_in_order_and_keep_every_text(passages: list[Passage]) -> None:
    found = groups(passages)
    in_order = sorted(passages, key=lambda passage: passage.start)
    if len(in_order) > 1 and in_order[1].start - in_order[0].end > 7:
        in_order = in_order[1:]
    assert "".join(group.text for group in found) == "".join(passage.text for passage in in_order)
    assert [group.start for group in found] == sorted(group.start for group in found)
    assert all(group.end - group.start < 30 for group in found)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12)), min_size=1, max_size=9))
def test_no_other_way_is_better(steps: list[tuple[int, int]]) -> None:
    passages, now = [], 0.0
    for pause, length in steps:  # no pause is long enough to part groups
        passages.append(Passage(now + pause, now + pause + length, f"{len(passages)}\n"))
        now = passages[-1].end
    ways = []
    for n_cuts in range(len(passages)):
        for cuts in combinations(range(1, len(passages)), n_cuts):
            edges = [0, *cuts, len(passages)]
            lengths = [passages[behind - 1].end - passages[first].start for first, behind in pairwise(edges)]
            if max(lengths) < 30:
                ways.append((min(lengths), -edges[1]))
    found = groups(passages)
    shortest, n_first = min(group.end - group.start for group in found), found[0].text.count("\n")
    assert (shortest, -n_first) == max(ways)
