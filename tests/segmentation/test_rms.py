"""The paper's RMS-VAD to the sample, and what ours adds to it."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lyricsep.lyrics import Segment
from lyricsep.segmentation import (
    MAX_DURATION,
    PAPER,
    SAMPLE_RATE,
    RmsVadOptions,
    find_segments,
    rms_envelope,
    segment,
    thresholds,
)

Samples = NDArray[np.float32]
HOP = RmsVadOptions().hop_length


def tone(*spans: tuple[float, float, float], duration: float) -> Samples:
    """Make silence with 220 Hz tones of (start, end, amplitude)."""
    time = np.arange(round(duration * SAMPLE_RATE)) / SAMPLE_RATE
    y = np.zeros_like(time)
    for start, end, amplitude in spans:
        y += amplitude * np.sin(2 * np.pi * 220 * time) * ((time >= start) & (time < end))
    return y.astype(np.float32)


def samples(segments: list[Segment]) -> list[tuple[int, int]]:
    return [(round(s.start * SAMPLE_RATE), round(s.end * SAMPLE_RATE)) for s in segments]


def read(path: Path) -> Samples:
    y, rate = sf.read(path, dtype="float32")
    assert rate == SAMPLE_RATE
    return np.asarray(y)


# Vocals as a list of (quarters of a second, level in dB); always some digital silence before and after.
envelopes = st.lists(st.tuples(st.integers(1, 16), st.sampled_from([-200, -60, -30, -12, -3, 0])), max_size=20)


def vocals_of(envelope: list[tuple[int, int]], *, lead: int = 4 * 2048, scale: float = 0.5) -> Samples:
    noise = np.random.default_rng(7)
    parts = [np.zeros(lead)]
    parts += [noise.uniform(-1, 1, n * SAMPLE_RATE // 4) * scale * 10 ** (db / 20) for n, db in envelope]
    parts += [np.zeros(2048)]
    return np.concatenate(parts).astype(np.float32)


# Golden


def test_the_reference_to_the_sample(shared: Path) -> None:
    golden = json.loads((shared / "golden" / "rms_vad.json").read_text())
    assert len(golden["cases"]) == 64
    audio: dict[str, Samples] = {}
    for case in golden["cases"]:
        y = audio.setdefault(case["file"], read(shared / "golden" / case["file"]))
        options = reference_options(case)
        assert len(rms_envelope(y)) == case["n_frames"]
        wanted = [(s["start"], s["end"]) for s in case["segments"]]
        merged = [(s["start"], s["end"]) for s in case["merged"]]
        assert samples(find_segments(y, options)) == wanted, (case["file"], options)
        assert samples(segment(y, options)) == merged, (case["file"], options)


def reference_options(case: dict[str, Any]) -> RmsVadOptions:
    given = case["options"]
    return replace(
        PAPER,
        onset=given["onset"],
        offset=given["offset"],
        min_speech=given["min_speech_duration_ms"] / 1000,
        min_silence=given["min_silence_duration_ms"] / 1000,
        pad=given["speech_pad_ms"] / 1000,
        max_duration=given["max_speech_duration_s"],
        merge_duration=case["merge_max_duration_s"],
    )


def test_our_additions_move_nothing_in_real_songs(shared: Path) -> None:
    songs = songs_of(shared)
    assert len(songs) == 5
    for _, vocals, _ in songs:
        assert segment(vocals) == segment(vocals, PAPER) != []


def test_what_is_left_of_vocals_between_the_lines_is_no_song(shared: Path) -> None:
    gaps = {name: between(vocals, lines, at_least=5.0) for name, vocals, lines in songs_of(shared)}
    gaps = {name: gap for name, gap in gaps.items() if len(gap)}
    assert len(gaps) == 4
    # Divided by their own maximum, as published, all of them sing.
    assert all(segment(gap, PAPER) for gap in gaps.values())
    # In one, something as loud as the verses sounds for a second after the last line.
    assert [name for name, gap in gaps.items() if segment(gap)] == ["Confession_-_Quesabe"]


def songs_of(shared: Path) -> list[tuple[str, Samples, list[tuple[float, float]]]]:
    rows = (shared / "jam-alt" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    songs = []
    for row in map(json.loads, rows):
        lines = sorted((line["start"], line["end"]) for line in row["lines"])
        vocals = read(shared / "golden" / "rms_vad" / f"{row['name']}.flac")
        songs.append((row["name"], vocals, lines))
    return songs


def between(vocals: Samples, lines: list[tuple[float, float]], *, at_least: float) -> Samples:
    """Cut what lies a second or more away from every line, where nobody sings for `at_least` seconds."""
    duration = len(vocals) / SAMPLE_RATE
    parts, last = [vocals[:0]], 0.0
    for start, end in [*lines, (duration, duration)]:
        if start - last > at_least:
            parts.append(vocals[round((last + 1) * SAMPLE_RATE) : round((start - 1) * SAMPLE_RATE)])
        last = max(last, end)
    return np.concatenate(parts)


# Envelope


@pytest.mark.parametrize("n_samples", [1, 2, 511, 512, 513, 2047, 2049, 1023 * 512, 1024 * 512, 1025 * 512 + 7])
def test_envelope_equals_librosa(n_samples: int) -> None:
    y = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    wanted = librosa.feature.rms(y=y, frame_length=2048, hop_length=512)[0]
    assert np.array_equal(rms_envelope(y), wanted)


@pytest.mark.parametrize(("frame_length", "hop_length"), [(1024, 256), (400, 160), (2048, 2048)])
def test_envelope_equals_librosa_at_other_lengths(frame_length: int, hop_length: int) -> None:
    y = np.random.default_rng(0).standard_normal(100_003).astype(np.float32)
    wanted = librosa.feature.rms(y=y, frame_length=frame_length, hop_length=hop_length)[0]
    assert np.array_equal(rms_envelope(y, frame_length=frame_length, hop_length=hop_length), wanted)


def test_envelope_of_known_signals() -> None:
    square = np.where(np.arange(16_000) % 2, 0.25, -0.25).astype(np.float32)
    envelope = rms_envelope(square)
    assert envelope.dtype == np.float32
    assert envelope.shape == (32,)
    np.testing.assert_array_equal(envelope[2:-2], 0.25)
    np.testing.assert_allclose(envelope[0], 0.25 / np.sqrt(2))  # half of its frame lies before the file


def test_envelope_of_nothing() -> None:
    np.testing.assert_array_equal(rms_envelope(np.zeros(0, np.float32)), [0])
    np.testing.assert_array_equal(rms_envelope(np.zeros(1, np.float32)), [0])
    np.testing.assert_array_equal(rms_envelope(np.zeros(5000, np.float32)), np.zeros(10))


def test_thresholds() -> None:
    rms = np.array([0, 0.125, 0.5, 0.25], np.float32)
    options = RmsVadOptions(onset=0.5, offset=0.2, floor_db=None)
    assert thresholds(rms, options) == (0.25, 0.1)
    assert thresholds(rms, replace(options, floor_db=-14.0)) == (0.25, pytest.approx(10 ** (-14 / 20)))
    assert thresholds(rms, replace(options, floor_db=0.0)) == (1.0, 1.0)
    # Half of the frames that are not silence are no louder than 0.25.
    assert thresholds(rms, replace(options, divisor=50.0)) == (0.125, 0.05)
    silence = np.zeros(4, np.float32)
    assert thresholds(silence, options) == (0.0, 0.0)
    assert thresholds(silence, replace(options, floor_db=-40.0)) == pytest.approx((0.01, 0.01))


def test_what_starts_a_segment_reaches_the_onset() -> None:
    vocals = tone((2.0, 5.0, 0.5), (8.0, 9.0, 0.04), duration=12.0)
    for level, n_found in [(0.079, 2), (0.081, 1)]:
        options = RmsVadOptions(onset=level, offset=level / 2, min_sung=0.0, floor_db=None)
        assert len(find_segments(vocals, options)) == n_found
        rms = rms_envelope(vocals)
        assert (rms[round(8.5 * SAMPLE_RATE / 512)] >= thresholds(rms, options)[0]) is np.bool_(n_found == 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_envelope_refuses_what_is_not_finite(bad: float) -> None:
    y = np.zeros(5000, np.float32)
    y[4321] = bad
    with pytest.raises(ValueError, match="samples must be finite"):
        rms_envelope(y)


@pytest.mark.parametrize("bad", [np.zeros((2, 100), np.float32), np.zeros(100), np.zeros(100, np.int16)])
def test_envelope_refuses_what_is_not_mono_float32(bad: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected mono float32 samples"):
        rms_envelope(bad)


def test_an_hour_takes_little_memory() -> None:
    hour = np.random.default_rng(0).standard_normal(3600 * SAMPLE_RATE, dtype=np.float32)
    tracemalloc.start()
    try:
        segments = segment(hour)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(segments) > 100
    assert peak < 64 * 2**20


# Known edges


def test_edges_of_a_tone() -> None:
    # Frames are centred 512 apart and reach 1024 to both sides: the tone is heard two hops early and late.
    [found] = find_segments(tone((2, 5, 0.5), duration=8), PAPER)
    assert found.start == pytest.approx(2 - 0.2, abs=1024 / SAMPLE_RATE)
    assert found.end == pytest.approx(5 + 0.2, abs=1536 / SAMPLE_RATE)


def test_a_gap_below_min_silence_does_not_part() -> None:
    assert len(find_segments(tone((1, 2, 0.5), (2.9, 4, 0.5), duration=6), PAPER)) == 1
    assert len(find_segments(tone((1, 2, 0.5), (3.3, 4, 0.5), duration=6), PAPER)) == 2


def test_min_speech_drops_short_runs() -> None:
    y = tone((1, 1.3, 0.5), (4, 6, 0.5), duration=8)
    assert len(find_segments(y, PAPER)) == 2
    [found] = find_segments(y, replace(PAPER, min_speech=0.6))
    assert found.start > 3


def test_hysteresis_keeps_what_falls_between_onset_and_offset() -> None:
    y = tone((1, 3, 0.5), (3, 6, 0.08), duration=9)
    [low] = find_segments(y, replace(PAPER, onset=0.2, offset=0.1))
    [high] = find_segments(y, replace(PAPER, onset=0.2, offset=0.2))
    assert low.end == pytest.approx(6.2, abs=0.1)
    assert high.end == pytest.approx(3.2, abs=0.1)


def test_a_long_run_is_cut_at_its_last_pause() -> None:
    # Two pauses of 0.4 s, too short to end a run; the second is where 40 s are cut.
    y = tone((0, 10, 0.5), (10.4, 22, 0.5), (22.4, 40, 0.5), duration=40)
    first, second = find_segments(y, PAPER)
    assert first.end == second.start == pytest.approx(22.2, abs=0.1)


def test_a_long_run_without_pause_is_cut_where_it_is_quietest() -> None:
    y = tone((0, 40, 0.5), duration=40)
    y[round(20 * SAMPLE_RATE) : round(20.5 * SAMPLE_RATE)] *= 0.5
    first, second = find_segments(y, PAPER)
    assert first.end == second.start == pytest.approx(20.25, abs=0.25)


def test_a_steady_tone_is_cut_into_what_fits() -> None:
    segments = segment(tone((0, 65, 0.5), duration=65))
    assert len(segments) >= 3
    assert segments[0].start == 0
    assert segments[-1].end == 65
    assert all(left.end == right.start for left, right in pairwise(segments))
    assert max(s.duration for s in segments) <= MAX_DURATION


# Nothing, and next to nothing


@pytest.mark.parametrize("options", [None, PAPER, replace(PAPER, divisor=99.0)])
@pytest.mark.parametrize("n_samples", [0, 1, 511, 512, 100_000])
def test_silence_has_no_segments(options: RmsVadOptions | None, n_samples: int) -> None:
    assert segment(np.zeros(n_samples, np.float32), options) == []


def test_the_least_sound() -> None:
    assert segment(np.full(1, 0.5, np.float32)) == [Segment(0, 1 / SAMPLE_RATE)]
    # One frame, but it begins where the file ends.
    assert segment(np.full(100, np.float32(1e-45))) == []


def test_a_constant_is_sound_from_end_to_end() -> None:
    assert segment(np.full(SAMPLE_RATE, 0.25, np.float32)) == [Segment(0, 1)]


def test_the_floor_silences_what_a_separator_lets_through() -> None:
    bleed = tone((1, 20, 0.005), duration=30)  # -49 dBFS
    assert segment(bleed, PAPER) != []
    assert segment(bleed) == []


def test_the_floor_spares_a_quiet_song() -> None:
    quiet = tone((1, 20, 0.05), duration=30)  # -29 dBFS
    assert segment(quiet) == segment(quiet, PAPER) != []


def test_a_few_bursts_make_no_song() -> None:
    bursts = tone(*[(20.0 * i + 3, 20.0 * i + 3.4, 0.1) for i in range(10)], duration=200)
    assert len(segment(bursts, PAPER)) >= 5
    assert segment(bursts) == []
    assert segment(bursts, RmsVadOptions(min_sung=3)) == segment(bursts, PAPER)


def test_a_short_file_may_hold_one_word() -> None:
    assert len(segment(tone((2, 2.6, 0.2), duration=8))) == 1


def test_a_long_file_may_hold_one_verse() -> None:
    assert len(segment(tone((500, 512, 0.2), duration=900))) == 1


def test_one_scream_hides_the_verses_from_the_maximum_only() -> None:
    verses = [(10.0 * i + 2, 10.0 * i + 9, 0.03) for i in range(12)]
    song = tone(*verses, (122, 122.4, 0.9), duration=130)
    robust = replace(PAPER, divisor=99.0)
    [scream] = find_segments(song, PAPER)
    assert scream.start > 121
    assert len(find_segments(song, robust)) == 13
    assert (
        samples(find_segments(song, robust))[:11] == samples(find_segments(tone(*verses, duration=130), PAPER))[:11]
    )


# Options


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"hop_length": 0}, "hop_length"),
        ({"hop_length": 4096}, "hop_length"),
        ({"onset": 0.1, "offset": 0.2}, "offset <= onset"),
        ({"offset": 0.0}, "0 < offset"),
        ({"onset": 2.0}, "onset <= 1"),
        ({"onset": float("nan")}, "onset"),
        ({"min_speech": -1.0}, "min_speech"),
        ({"min_silence": float("inf")}, "min_silence"),
        ({"pad": -0.1}, "pad"),
        ({"max_duration": 31.0}, "max_duration <= 30"),
        ({"max_duration": 0.4}, "max_duration >= 2"),
        ({"merge_duration": 0.0}, "merge_duration"),
        ({"divisor": 0.0}, "percentile"),
        ({"divisor": 101.0}, "percentile"),
        ({"floor_db": 3.0}, "floor_db"),
        ({"floor_db": float("nan")}, "floor_db"),
        ({"min_sung": -1.0}, "min_sung"),
    ],
)
def test_options_out_of_range(wrong: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rf"RMS-VAD needs .*{rule}.*, got RmsVadOptions"):
        RmsVadOptions(**wrong)


# What holds for all vocals


options_of_all_kinds = st.builds(
    RmsVadOptions,
    onset=st.sampled_from([0.1, 0.2, 0.5]),
    offset=st.sampled_from([0.05, 0.1]),
    min_speech=st.sampled_from([0.0, 0.3]),
    min_silence=st.sampled_from([0.0, 0.2, 1.0]),
    pad=st.sampled_from([0.0, 0.0333, 0.2]),
    max_duration=st.sampled_from([2.0, 5.0, 30.0]),
    divisor=st.sampled_from(["max", 50.0, 99.0]),
    floor_db=st.sampled_from([None, -40.0]),
    merge_duration=st.sampled_from([3.0, 30.0]),
    min_sung=st.sampled_from([0.0, 10.0]),
)


@settings(max_examples=60, deadline=None)
@given(envelopes, options_of_all_kinds, st.integers(0, 700))
def test_segments_are_in_order_apart_inside_and_short(
    envelope: list[tuple[int, int]], options: RmsVadOptions, odd: int
) -> None:
    y = vocals_of(envelope, lead=odd)
    for segments, longest in [
        (find_segments(y, options), options.max_duration),
        (segment(y, options), max(options.max_duration, options.merge_duration)),
    ]:
        edges = [edge for pair in samples(segments) for edge in pair]
        assert edges == sorted(edges)
        assert all(0 <= start < end <= len(y) for start, end in samples(segments))
        assert all(end - start <= longest * SAMPLE_RATE for start, end in samples(segments))


@settings(max_examples=30, deadline=None)
@given(envelopes, st.sampled_from([2.0**-20, 2.0**-5, 0.5, 4.0]), st.sampled_from(["max", 99.0]))
def test_gain_moves_nothing(envelope: list[tuple[int, int]], gain: float, divisor: Any) -> None:
    # Powers of two, so that the samples themselves are scaled without rounding.
    options = replace(PAPER, divisor=divisor)
    y = vocals_of(envelope)
    assert segment(y * np.float32(gain), options) == segment(y, options)


@settings(max_examples=30, deadline=None)
@given(envelopes, st.integers(0, 100))
def test_silence_in_front_shifts_everything(envelope: list[tuple[int, int]], hops: int) -> None:
    early, late = vocals_of(envelope), vocals_of(envelope, lead=4 * 2048 + hops * HOP)
    shifted = [(start + hops * HOP, end + hops * HOP) for start, end in samples(find_segments(early, PAPER))]
    assert samples(find_segments(late, PAPER)) == shifted
