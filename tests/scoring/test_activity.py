"""Segments with known seconds, envelopes with known pairs, and ranks by another way on real songs."""

from __future__ import annotations

import json
from math import isnan, nan

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.lyrics import Line, Segment
from lyricsep.scoring.activity import ActivityCounts, score_activity
from lyricsep.segmentation import PAPER, find_segments, rms_envelope

LINES = [Line(1, 3, "a"), Line(2, 4, "(b)"), Line(6, 7, "c")]  # 4 s


def test_known_seconds() -> None:
    found = score_activity([Segment(3, 6.5), Segment(9, 12)], LINES, 10.0)
    assert found == ActivityCounts(sung=4.0, decoded=4.5, both=1.5, duration=10.0)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 0.375
    assert found.f1 == pytest.approx(3 / 8.5)
    assert found.missed == 2.5
    assert found.silence_decoded == 3.0
    assert isnan(found.auc)


def test_swapping_the_sides_swaps_precision_and_recall() -> None:
    segments = [Segment(0, 2.5), Segment(6.5, 9)]
    there = score_activity(segments, LINES, 10.0)
    back = score_activity(
        [Segment(x.start, x.end) for x in LINES], [Line(x.start, x.end, "") for x in segments], 10.0
    )
    assert (there.precision, there.recall) == (back.recall, back.precision) == (2 / 5, 2 / 4)
    assert (there.missed, there.silence_decoded) == (back.silence_decoded, back.missed)


def test_overlaps_count_once_in_any_order() -> None:
    segments = [Segment(5, 6), Segment(0, 4), Segment(3, 5), Segment(1, 2), Segment(8, 8)]
    assert score_activity(segments, LINES[::-1], 10.0) == ActivityCounts(4, 6, 3, 10)


def test_what_lies_beyond_the_song_is_not_counted() -> None:
    assert score_activity([Segment(2, 9)], [Line(4, 8, "a"), Line(6, 7, "b")], 5.0) == ActivityCounts(1, 3, 1, 5)


@pytest.mark.parametrize(
    ("segments", "lines", "rates"),
    [
        ([], [], (nan, nan, nan)),
        ([Segment(0, 1)], [], (0, nan, 0)),
        ([], [Line(0, 1, "a")], (nan, 0, 0)),
        ([Segment(0, 1)], [Line(2, 3, "a")], (0, 0, 0)),
    ],
)
def test_nothing_on_a_side(segments: list[Segment], lines: list[Line], rates: tuple[float, ...]) -> None:
    found = score_activity(segments, lines, 9.0)
    assert (found.precision, found.recall, found.f1) == pytest.approx(rates, nan_ok=True)


def test_known_pairs() -> None:
    # Frames at 0, 1, … 4 s; the line holds those at 1 and 2, its very ends.
    line = [Line(1, 2, "a")]
    found = score_activity([], line, 5.0, np.array([0.1, 0.4, 0.2, 0.2, 0.9]), hop=1.0)
    # 0.4 beats 0.1 and 0.2; 0.2 beats 0.1 and draws with 0.2.
    assert (found.pairs_won, found.pairs) == (3.5, 6)
    assert found.auc == pytest.approx(3.5 / 6)
    assert score_activity([], line, 5.0, np.zeros(5), hop=1.0).auc == 0.5
    assert score_activity([], line, 5.0, np.array([0, 1, 1, 0, 0.5]), hop=1.0).auc == 1
    assert score_activity([], line, 5.0, np.array([1, 0, 0, 1, 0.5]), hop=1.0).auc == 0
    # Half a second later only one frame is left inside.
    assert score_activity([], [Line(1.5, 2.5, "a")], 5.0, np.zeros(5), hop=1.0).pairs == 4


def test_the_frames_of_rms_are_the_default() -> None:
    assert score_activity([], [Line(0.032, 0.064, "a")], 1.0, np.zeros(10)).pairs == 2 * 8


@pytest.mark.parametrize("lines", [[], [Line(0, 9, "a")]])
def test_no_pairs(lines: list[Line]) -> None:
    assert isnan(score_activity([], lines, 9.0, np.ones(9), hop=1.0).auc)
    assert isnan(score_activity([], lines, 9.0, np.ones(0), hop=1.0).auc)


def test_songs_are_compared_with_themselves() -> None:
    # A loud song's silence is louder than the quiet song's singing; within each song all is well.
    quiet = score_activity([], [Line(1, 2, "a")], 4.0, np.array([0.0, 0.1, 0.1, 0.0]), hop=1.0)
    loud = score_activity([], [Line(1, 1, "a")], 4.0, np.array([0.5, 0.5, 0.5, 0.5]), hop=1.0)
    assert quiet + loud == ActivityCounts(sung=1.0, duration=8.0, pairs_won=4 + 1.5, pairs=4 + 3)
    assert (quiet + loud).auc == pytest.approx(5.5 / 7)


def test_wrong_arguments() -> None:
    for duration in (-1.0, nan, np.inf):
        with pytest.raises(ValueError, match="expected a duration of 0 s or more"):
            score_activity([], [], duration)
    for envelope in (np.zeros((2, 3)), np.array([0.0, nan])):
        with pytest.raises(ValueError, match="expected one row of numbers"):
            score_activity([], [], 1.0, envelope)
    with pytest.raises(ValueError, match="a hop above 0 s"):
        score_activity([], [], 1.0, np.zeros(3), hop=0.0)


times = st.integers(0, 50).map(lambda n: n / 10)
spans = st.lists(st.tuples(times, times).map(sorted), max_size=8)


@given(spans, spans)
def test_seconds_are_those_of_a_ruler(segments: list[list[float]], lines: list[list[float]]) -> None:
    found = score_activity([Segment(*span) for span in segments], [Line(*span, "") for span in lines], 4.5)
    ticks = (np.arange(45) + 0.5) / 10
    decoded = np.array([any(a < t < b for a, b in segments) for t in ticks])
    sung = np.array([any(a < t < b for a, b in lines) for t in ticks])
    expected = [sung.sum() / 10, decoded.sum() / 10, (sung & decoded).sum() / 10]
    assert [found.sung, found.decoded, found.both] == pytest.approx(expected, abs=1e-9)
    assert found.both <= min(found.sung, found.decoded)


@given(spans)
def test_a_perfect_segmenter(lines: list[list[float]]) -> None:
    found = score_activity([Segment(*span) for span in lines], [Line(*span, "") for span in lines], 5.0)
    assert found.sung == found.decoded == found.both
    assert found.f1 == 1 or found.sung == 0


def slow_auc(envelope: np.ndarray, lines: list[Line]) -> float:
    """Rank the frames."""
    time = np.arange(len(envelope)) * 512 / 16_000
    sung = np.zeros(len(envelope), bool)
    for line in lines:
        sung |= (line.start <= time) & (time <= line.end)
    _, index, counts = np.unique(envelope, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    n_sung, n_other = sung.sum(), (~sung).sum()
    return float((ranks[sung].sum() - n_sung * (n_sung + 1) / 2) / (n_sung * n_other))


def test_real_songs(shared) -> None:
    total, aucs = ActivityCounts(), []
    for row in map(json.loads, (shared / "jam-alt/metadata.jsonl").read_text(encoding="utf-8").splitlines()):
        vocals, rate = soundfile.read(shared / "golden/rms_vad" / f"{row['name']}.flac", dtype="float32")
        lines = [Line(line["start"], line["end"], line["text"]) for line in row["lines"]]
        envelope = rms_envelope(vocals)
        found = score_activity(find_segments(vocals, PAPER), lines, len(vocals) / rate, envelope)
        assert found.auc == pytest.approx(slow_auc(envelope, lines), abs=1e-12)
        aucs.append(found.auc)
        print(f"{row['name']}: P {found.precision:.3f} R {found.recall:.3f} F {found.f1:.3f} AUC {found.auc:.3f}")
        total += found
    print(f"pooled: P {total.precision:.3f} R {total.recall:.3f} F {total.f1:.3f} AUC {total.auc:.3f}")
    assert len(aucs) == 5
    assert min(aucs) <= total.auc <= max(aucs)
    # The vocals of Spleeter sing where the lines are.
    assert total.recall > 0.9
    assert total.precision > 0.7
    assert total.auc > 0.9
