"""Containers that lie, hold several sounds, or never knew how much would come: known lengths and times."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from sounds import FRAME, LAYOUTS, RATE, bursts, encode, encoded, onsets, pitch, several, streamed

from lyricsep.audio import Damage, load_audio, open_audio
from lyricsep.audio.opening import ogg_links
from lyricsep.audio.timeline import DecodedFrame, with_gaps
from lyricsep.errors import AudioError


def stamped(path: Path, starts: list[float], codec: str = "flac", options: dict[str, str] | None = None) -> Path:
    """Write frames of the bursts that claim to start at these seconds."""
    sound = bursts(RATE, len(starts) * FRAME / RATE + 1, 1)
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout="mono")
        packets = [packet for packet in encoded(stream, sound[:, : len(starts) * FRAME]) if packet.size]
        assert len(packets) == len(starts)
        for packet, start in zip(packets, starts, strict=True):
            packet.pts = packet.dts = round(start / packet.time_base)
            container.mux(packet)
    return path


def on_time(n_frames: int) -> list[float]:
    return [i * FRAME / RATE for i in range(n_frames)]


# --- timestamps ---------------------------------------------------------------------------------------------------


def test_a_flac_whose_header_has_another_rate_is_as_long_as_its_frames(shared: Path) -> None:
    path = shared / "cases" / "flac-timestamp-jump" / "jump.flac"
    reader, samples = streamed(path)
    assert samples.shape == (2, 132_300)
    assert reader.damage == ()
    assert reader.estimated_duration == 3.0


@pytest.mark.parametrize("rate", [4, 22_050, 48_000])
def test_the_rate_of_a_flac_is_that_of_its_frames(tmp_path: Path, rate: int) -> None:
    source = encode(tmp_path / "a.flac", "flac", bursts(duration=5))
    data = bytearray(source.read_bytes())
    data[18:21] = (rate << 4 | data[20] & 15).to_bytes(3, "big")  # STREAMINFO: 20 bits from byte 18 on
    path = tmp_path / "other.flac"
    path.write_bytes(data)
    reader, samples = streamed(path)
    assert (samples.shape[1], reader.damage) == (5 * RATE, ())


@pytest.mark.parametrize("name", ["a.mka", "a.mkv", "a.ogg"])
@pytest.mark.parametrize("later", [9 * 3600.0, 500.0, 8.0])
@pytest.mark.parametrize("first", [1, 20, 42])
def test_a_wrong_timestamp_adds_no_silence(tmp_path: Path, name: str, later: float, first: int) -> None:
    """4 s of sound cannot have lost 8 s, or hours."""
    n_frames = 43
    starts = [start + later * (i >= first) for i, start in enumerate(on_time(n_frames))]
    reader, samples = streamed(stamped(tmp_path / name, starts))
    assert samples.shape[1] == n_frames * FRAME
    assert not any("missing" in damage.reason for damage in reader.damage)


@pytest.mark.parametrize("factor", [3, 1000])
def test_a_clock_that_runs_wrong_adds_no_silence(tmp_path: Path, factor: int) -> None:
    """Every frame seems to follow a gap."""
    starts = [factor * start for start in on_time(43)]
    reader, samples = streamed(stamped(tmp_path / "a.mka", starts))
    assert samples.shape[1] == 43 * FRAME
    assert reader.damage == () or "early" in reader.damage[0].reason


@pytest.mark.parametrize("name", ["a.mka", "a.ogg"])
@pytest.mark.parametrize("hole", [0.5, 12.0])
def test_a_hole_as_long_as_half_the_sound_is_filled(tmp_path: Path, name: str, hole: float) -> None:
    starts = [start + hole * (i >= 100) for i, start in enumerate(on_time(250))]
    reader, samples = streamed(stamped(tmp_path / name, starts))
    assert samples.shape[1] == pytest.approx(250 * FRAME + hole * RATE, abs=RATE / 1000)
    (damage,) = reader.damage
    # Ogg tells the time of a page, which holds up to a second.
    within = 1.0 if name == "a.ogg" else 0.001
    assert (damage.start, damage.end) == pytest.approx((starts[100] - hole, starts[100]), abs=within)
    assert damage.end - damage.start == pytest.approx(hole, abs=0.001)


def test_a_hole_of_minutes_is_filled(tmp_path: Path) -> None:
    """Three of ten minutes are overwritten in the middle."""
    source = tmp_path / "whole.flac"
    soundfile.write(source, np.tile(bursts(8000, 60, 1), (1, 10)).T, 8000)
    data = bytearray(source.read_bytes())
    first, last = int(len(data) * 0.4), int(len(data) * 0.7)
    data[first:last] = bytes(last - first)
    path = tmp_path / "hole.flac"
    path.write_bytes(data)
    reader, samples = streamed(path)
    assert samples.shape[1] == 600 * 8000
    assert samples[:, 430 * 8000 :].equal(load_audio(source).samples[:, 430 * 8000 :])
    assert sum(damage.end - damage.start for damage in reader.damage) == pytest.approx(180, abs=2)


def packed(*starts: float, size: int = 100) -> list[DecodedFrame]:
    silence = np.zeros((1, 20), np.float32)
    return [DecodedFrame(silence, 0.02, start, False, i * size, size) for i, start in enumerate(starts)]


def gaps(frames: list[DecodedFrame], n_bytes: int | None, duration: float | None = None) -> dict[int, float]:
    found = enumerate(with_gaps(frames, exact=False, duration=duration, n_bytes=n_bytes))
    return {i: round(missing, 6) for i, (missing, _) in found if missing}


def test_gaps_last_no_longer_than_the_bytes_of_the_file() -> None:
    frames = packed(0, 0.02, 1.04, 1.06, 2.08, 2.10)
    assert gaps(frames, 10_000) == {2: 1.0, 4: 1.0}, "100 bytes are 20 ms: 2 s in all"
    assert gaps(frames, 9_999) == {2: 1.0}
    assert gaps(frames, 4_999) == {}
    assert gaps(frames, None) == {2: 1.0, 4: 1.0}


@pytest.mark.parametrize("later", [0.5, 8.0, 500.0, 32_400.0])
@pytest.mark.parametrize("n_wrong", [1, 2, 5])
def test_timestamps_that_come_back_add_no_silence_but_what_the_bytes_allow(later: float, n_wrong: int) -> None:
    starts = [0.02 * i + later * (20 <= i < 20 + n_wrong) for i in range(50)]
    found = gaps(packed(*starts), 5_000)
    assert found == ({20: 0.5} if later == 0.5 and n_wrong > 1 else {})


def test_the_end_confirms_a_gap_before_the_last_frame() -> None:
    assert gaps(packed(0, 0.02, 1.04), None) == {}
    assert gaps(packed(0, 0.02, 1.04), None, duration=1.06) == {2: 1.0}
    assert gaps(packed(0, 0.02, 1.04), None, duration=7.0) == {}


def test_silence_is_bounded_by_what_was_decoded(tmp_path: Path) -> None:
    """8 s of sound that jumps by minutes 40 times."""
    starts = [start + 550.0 * (i // 2) for i, start in enumerate(on_time(80))]
    _, samples = streamed(stamped(tmp_path / "a.mka", starts))
    assert samples.shape[1] == 80 * FRAME


@pytest.mark.parametrize("n_bytes", [36_000 * RATE * 2, 10**6])
def test_a_wav_that_claims_hours_has_lost_its_end(
    tmp_path: Path, n_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, bursts(duration=3, n_channels=1).T, RATE)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", n_bytes)
    path.write_bytes(data)
    reader, samples = streamed(path)
    assert samples.shape[1] == 3 * RATE
    assert reader.damage == (Damage(3.0, 3.0, "the file ends within a frame"),)
    assert "damaged in 1 place, how much is lost is not known; the first at 3.00 s: the file ends" in caplog.text


# --- videos -------------------------------------------------------------------------------------------------------


def test_the_sound_of_a_video_is_on_its_clock(shared: Path) -> None:
    """Its sound is at 5 s of the video; the priming of AAC is before."""
    reader, samples = streamed(shared / "cases" / "late-audio" / "late.mp4")
    lead = round(219_476 / 44_100 * 44_100)
    assert not samples[:, :lead].any()
    assert samples[:, lead : lead + 4410].any()
    assert samples.shape[1] / RATE == pytest.approx(19.0, abs=0.03)
    assert reader.damage == ()


# --- tracks -------------------------------------------------------------------------------------------------------


THREE = [(300.0, {"language": "eng", "title": "Commentary"}, False), (500.0, {}, True), (700.0, {}, False)]


def test_the_default_track_is_read_and_the_choice_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = several(tmp_path / "a.mkv", THREE)
    assert pitch(path) == 500
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"{path}: has 3 audio tracks (1: eng, Commentary, flac; 2: flac, default; 3: flac); track 2 is read"
    )


def test_a_track_can_be_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = several(tmp_path / "a.mkv", THREE)
    assert [pitch(path, track) for track in (1, 2, 3)] == [300, 500, 700]
    assert caplog.records == [], "there was nothing to be chosen"
    with pytest.raises(AudioError, match=r"a\.mkv: has 3 audio tracks, but track 4 is asked for"):
        open_audio(path, track=4)
    with pytest.raises(AudioError, match=r"a\.flac: has 1 audio track, but track 2 is asked for"):
        open_audio(several(tmp_path / "a.flac", THREE[:1]), track=2)


@pytest.mark.parametrize("is_default", [True, False])
def test_the_first_is_read_where_no_flag_decides(tmp_path: Path, is_default: bool) -> None:
    tracks = [(frequency, {}, is_default) for frequency in (300.0, 500.0)]
    assert pitch(several(tmp_path / "a.mkv", tracks)) == 300


def test_a_track_without_a_decoder_is_passed_over(tmp_path: Path) -> None:
    path = several(tmp_path / "a.mkv", [(300.0, {}, True), (500.0, {}, False)])
    data = path.read_bytes()
    first = data.index(b"A_FLAC")
    path.write_bytes(data[:first] + b"A_XYZZ" + data[first + 6 :])
    assert pitch(path) == 500


def test_the_second_track_of_the_case_is_read(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = shared / "cases" / "second-track" / "two.mkv"
    audio = load_audio(path)
    assert (audio.n_channels, audio.n_samples) == (2, 617_472)
    assert audio.samples.equal(load_audio(path, track=2).samples)
    assert not audio.samples.equal(load_audio(path, track=1).samples)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: has 2 audio tracks (1: aac; 2: aac, default); track 2 is read"
    ]


# --- chained Ogg --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "n_samples"), [("chain.opus", 14 * 48_000), ("chain_stmono.ogg", 14 * 44_100)])
def test_all_links_of_the_chained_cases_are_read(
    shared: Path, name: str, n_samples: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, samples = streamed(shared / "cases" / "chained-ogg" / name)
    assert samples.shape[1] == n_samples
    assert samples[:, -RATE:].square().mean() > 1e-5
    assert (reader.damage, caplog.records) == ((), [])


@pytest.mark.parametrize("codec", ["vorbis", "libopus", "flac"])
@pytest.mark.parametrize("second", [(48_000, 2), (48_000, 1), (24_000, 2)])
def test_all_links_of_a_chain_are_read(
    tmp_path: Path, codec: str, second: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    rate, n_channels = second
    options = {"strict": "experimental"} if codec == "vorbis" else {}
    channels = {"vorbis": (2, 2), "libopus": (1, n_channels), "flac": (1, n_channels)}[codec]
    links = [
        encode(tmp_path / "1.ogg", codec, bursts(48_000, 4, channels[0]), 48_000, **options),
        encode(tmp_path / "2.ogg", codec, bursts(rate, 5, channels[1]), rate, **options),
        encode(tmp_path / "3.ogg", codec, bursts(48_000, 3, channels[0]), 48_000, **options),
    ]
    lengths = [load_audio(link).duration for link in links]
    path = tmp_path / "chain.ogg"
    path.write_bytes(b"".join(link.read_bytes() for link in links))
    reader, samples = streamed(path)
    assert (reader.sample_rate, reader.n_channels) == (48_000, channels[0])
    assert samples.shape[1] / 48_000 == pytest.approx(sum(lengths), abs=0.002)
    found = onsets(samples, 48_000)
    for first, length, n_bursts in zip(np.cumsum([0.0, *lengths]), lengths, (3, 4, 2), strict=False):
        part = samples[:, round(first * 48_000) : round((first + length) * 48_000)]
        expected = dict(zip(range(1, n_bursts + 1), range(1, n_bursts + 1), strict=True))
        assert onsets(part, 48_000) == pytest.approx(expected, abs=0.003)
    assert len(found) >= 3
    assert (reader.damage, caplog.records) == ((), [])


def test_a_link_that_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = encode(tmp_path / "1.ogg", "libopus", bursts(48_000, 4, 1), 48_000).read_bytes()
    broken = bytearray(link)
    second_page = broken.index(b"OggS", 4)
    broken[second_page + 40 :] = bytes(len(broken) - second_page - 40)
    path = tmp_path / "chain.ogg"
    path.write_bytes(link + bytes(broken))
    reader, samples = streamed(path)
    assert samples.shape[1] == 4 * 48_000
    (damage,) = reader.damage
    assert (damage.start, damage.reason) == (4.0, "a link of the chain could not be decoded")
    assert "damaged in 1 place, how much is lost is not known; the first at 4.00 s: a link" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_NOFILE")
def test_a_stream_of_hundreds_of_links_is_read(tmp_path: Path) -> None:
    link = encode(tmp_path / "1.ogg", "libopus", bursts(48_000, 1, 1), 48_000)
    n_samples = load_audio(link).n_samples
    path = tmp_path / "chain.ogg"
    path.write_bytes(400 * link.read_bytes())
    code = (
        "import resource, sys; from lyricsep.audio import load_audio; load_audio(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); print(load_audio(sys.argv[1]).n_samples)"
    )
    done = subprocess.run([sys.executable, "-c", code, path, link], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 400 * n_samples
    assert done.stderr == ""


def test_links_are_found_behind_damage(tmp_path: Path) -> None:
    link = encode(tmp_path / "1.ogg", "libopus", bursts(48_000, 4, 1), 48_000).read_bytes()
    assert ogg_links(tmp_path / "1.ogg") == [(0, len(link))]
    damaged = bytearray(link)
    damaged[len(link) // 2 : len(link) // 2 + 2000] = bytes(2000)
    path = tmp_path / "chain.ogg"
    path.write_bytes(bytes(damaged) + link)
    assert ogg_links(path) == [(0, len(link)), (len(link), 2 * len(link))]


# --- headers without sizes ----------------------------------------------------------------------------------------


class Pipe:
    """Takes bytes, and cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def into_pipe(form: str, codec: str, n_channels: int = 1, **options: str) -> bytes:
    """Write 3 s as FFmpeg does into a pipe."""
    pipe = Pipe()
    with av.open(pipe, "w", format=form, options=options) as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout=LAYOUTS[n_channels])
        container.mux(encoded(stream, bursts(duration=3, n_channels=n_channels)))
    return bytes(pipe.data)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(
    ("form", "codec", "options"),
    [
        ("wav", "pcm_s16le", {}),
        ("wav", "pcm_f32le", {}),
        ("wav", "pcm_s24le", {"rf64": "always"}),
        ("w64", "pcm_s16le", {}),
        ("aiff", "pcm_s16be", {}),
        ("aiff", "pcm_s24be", {}),
        ("au", "pcm_s16be", {}),
        ("caf", "pcm_s16le", {}),
        ("flac", "flac", {}),
        ("ogg", "flac", {}),
        ("matroska", "flac", {}),
    ],
)
def test_sound_from_a_pipe_is_whole(
    tmp_path: Path,
    form: str,
    codec: str,
    options: dict[str, str],
    n_channels: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = into_pipe(form, codec, n_channels, **options)
    path = tmp_path / f"a.{form}"
    path.write_bytes(data)
    reader, samples = streamed(path)
    assert samples.shape == (n_channels, 3 * RATE)
    assert onsets(samples, RATE) == pytest.approx({1: 1, 2: 2}, abs=0.001)
    assert (reader.damage, caplog.records) == ((), [])
    assert reader.estimated_duration in (None, 3.0)


@pytest.mark.parametrize("size", [0, 2**31 - 1, 0x7FFFF000, 2**31, 0x7FFFFFFF - 36, 2**32 - 1, 2**32 - 1 - 36])
def test_a_wav_of_any_recorder_into_a_pipe_is_whole(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(into_pipe("wav", "pcm_s16le"))
    position = data.index(b"data") + 4
    data[position : position + 4] = struct.pack("<I", size)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    reader, samples = streamed(path)
    assert samples.shape == (1, 3 * RATE)
    assert (reader.damage, reader.estimated_duration, caplog.records) == ((), 3.0, [])


def test_the_streamed_case_is_whole(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader, samples = streamed(shared / "cases" / "embed-streamed-wav" / "in" / "a_stream.wav")
    assert samples.shape == (1, 8000)
    assert (reader.damage, caplog.records) == ((), [])
