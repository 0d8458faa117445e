"""Sound in and out of files: known clicks at known times through every codec, and files with known damage."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peak_memory import PEAK
from sounds import bursts, encode, onsets, streamed

from lyricsep.audio import (
    Audio,
    AudioWriter,
    Damage,
    StreamResampler,
    downmix,
    load_audio,
    open_audio,
    resample,
    resampled_length,
    save_audio,
)
from lyricsep.audio import writing as writing_module
from lyricsep.audio.blocks import FrameConverter
from lyricsep.audio.timeline import DecodedFrame, adts_frame_size, mpeg_frame_size, with_gaps
from lyricsep.errors import AudioError, ConfigError, OutputError

# name: codec, rate, options of `encode`, and how far the encoder's undeclared delay moves the sound, in seconds.
# The delays are those of the codecs: 1024 samples (AAC), 1105 (LAME in AVI), 481 (MP2), 256 (AC-3), and WMA
# lacks its first block.
ENCODINGS: dict[str, tuple[str, int, dict[str, Any], float]] = {
    "mp3": ("libmp3lame", 44100, {}, 0),
    "m4a": ("aac", 44100, {}, 0),
    "mp4": ("aac", 44100, {"video": True}, 0),
    "mov": ("alac", 44100, {"video": True}, 0),
    "mkv": ("aac", 44100, {"video": True}, 0),
    "mka": ("flac", 44100, {}, 0),
    "webm": ("libopus", 48000, {}, 0),
    "flac": ("flac", 44100, {}, 0),
    "ogg": ("vorbis", 44100, {"strict": "experimental"}, 0),
    "opus": ("libopus", 48000, {}, 0),
    "aiff": ("pcm_s16be", 44100, {}, 0),
    "caf": ("alac", 44100, {}, 0),
    "wv": ("wavpack", 44100, {}, 0),
    "wav": ("pcm_s16le", 44100, {}, 0),
    "aac": ("aac", 44100, {}, 1024 / 44100),
    "ts": ("aac", 44100, {"delay": 1.0}, 1024 / 44100),
    "flv": ("aac", 44100, {}, 1024 / 44100),
    "avi": ("libmp3lame", 44100, {"video": True}, 1105 / 44100),
    "mp2": ("mp2", 44100, {}, 481 / 44100),
    "ac3": ("ac3", 44100, {}, 256 / 44100),
    "wma": ("wmav2", 44100, {"bit_rate": 128_000}, -2048 / 44100),
}
ONE_FRAME = 0.06


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bursts in every container."""
    folder = tmp_path_factory.mktemp("encoded")
    return {
        name: encode(folder / f"bursts.{name}", codec, bursts(rate), rate, **options)
        for name, (codec, rate, options, _) in ENCODINGS.items()
    }


def damaged(source: Path, target: Path, kind: str, n_bytes: int = 15_000) -> Path:
    """Copy a file with `n_bytes` in its middle overwritten, removed, or everything from there on cut off."""
    data = bytearray(source.read_bytes())
    n_bytes = min(n_bytes, len(data) // 8)
    first = int(len(data) * 0.45)
    span = slice(first, first + n_bytes)
    if kind == "random":
        data[span] = np.random.default_rng(1).integers(0, 256, n_bytes, dtype=np.uint8).tobytes()
    elif kind == "zeros":
        data[span] = bytes(n_bytes)
    elif kind == "removed":
        del data[span]
    else:
        del data[int(len(data) * 0.6) + 7 :]
    target.write_bytes(data)
    return target


# --- plain data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "samples", [torch.zeros(4), torch.zeros(2, 4, dtype=torch.float64), torch.zeros(0, 4), torch.zeros(1, 2, 4)]
)
def test_audio_refuses_other_samples(samples: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"samples must be float32 of shape \(channels, n_samples\)"):
        Audio(samples, 44100)


def test_audio_refuses_rate_zero() -> None:
    with pytest.raises(ValueError, match="sample_rate must be positive, got 0"):
        Audio(torch.zeros(1, 1), 0)


def test_downmix_is_the_mean() -> None:
    mixed = downmix(torch.tensor([[1.0, 0.0], [0.0, -0.5]]))
    assert mixed.tolist() == [[0.5, -0.25]]


# --- healthy files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_container_keeps_the_clock(
    encoded: dict[str, Path], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, rate, _, delay = ENCODINGS[name]
    reader, samples = streamed(encoded[name])
    assert reader.damage == ()
    assert caplog.records == []
    assert (reader.sample_rate, reader.n_channels) == (rate, 2)
    assert reader.estimated_duration == pytest.approx(12, abs=0.15)
    assert samples.shape[1] / rate == pytest.approx(12, abs=0.06)
    found = onsets(samples, rate)
    assert list(found) == list(range(1, 12))
    for second, onset in found.items():
        assert onset == pytest.approx(second + delay, abs=0.002)


@pytest.mark.parametrize("name", ENCODINGS)
def test_streaming_is_loading(encoded: dict[str, Path], name: str) -> None:
    audio = load_audio(encoded[name])
    with open_audio(encoded[name]) as reader:
        blocks = list(reader.blocks(0.7))
    assert {block.shape[1] for block in blocks[:-1]} == {round(0.7 * audio.sample_rate)}
    assert torch.equal(torch.cat(blocks, dim=1), audio.samples)
    assert audio.samples.is_contiguous()


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-24), ("FLOAT", 0), ("DOUBLE", 0)],
)
def test_wav_of_every_depth(tmp_path: Path, subtype: str, step: float) -> None:
    sound = bursts(8000, 2)
    sound[:, 5] = -1
    path = tmp_path / "a.wav"
    soundfile.write(path, sound.T, 8000, subtype=subtype)
    samples = load_audio(path).samples
    assert np.abs(samples.numpy() - sound).max() <= step
    assert samples[0, 5] == -1


@pytest.mark.parametrize("n_channels", [1, 2])
def test_vorbis_of_mixed_block_sizes_is_not_damaged(tmp_path: Path, n_channels: int) -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (480_000, n_channels)) * np.repeat(rng.uniform(0, 1, (4800, 1)), 100, axis=0)
    path = tmp_path / "a.ogg"
    soundfile.write(path, sound, 48000)
    with open_audio(path) as reader:
        n_samples = sum(block.shape[1] for block in reader.blocks())
    assert (n_samples, reader.damage) == (480_000, ())


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.mov", "late.ts"])
def test_sound_that_starts_late_is_late_in_a_video_alone(tmp_path: Path, name: str, video: bool) -> None:
    """Players show a video from its first picture on, and play a file of sound from its first sample."""
    codec = "aac" if name == "late.ts" else "flac" if name == "late.mkv" else "alac"
    path = encode(tmp_path / name, codec, bursts(duration=4), video=video, delay=1.5)
    reader, samples = streamed(path)
    assert reader.damage == ()
    lead = 1.5 * video
    # The priming of AAC in MPEG-TS is declared nowhere: it is before the sound, and at 0 without video.
    priming = 1024 / 44100 if codec == "aac" else 0
    assert samples.shape[1] / 44100 == pytest.approx(4 + lead, abs=0.05)
    assert reader.estimated_duration == pytest.approx(4 + lead, abs=0.05)
    assert not samples[:, : round(max(0.0, lead - priming) * 44100)].any()
    moved = samples[:, round(lead * 44100) :]
    late = 0 if video else priming
    assert onsets(moved, 44100) == pytest.approx({1: 1 + late, 2: 2 + late, 3: 3 + late}, abs=0.002)


def test_sound_that_starts_before_the_pictures_starts_the_clock(tmp_path: Path) -> None:
    path = encode(tmp_path / "early.mkv", "flac", bursts(duration=4), video=True, delay=-1.5)
    _, samples = streamed(path)
    assert samples.shape[1] == 4 * 44100
    assert onsets(samples, 44100) == pytest.approx({1: 1, 2: 2, 3: 3}, abs=0.001)


def test_the_cover_of_an_album_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "late.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("alac", rate=44100, layout="mono")
        cover: Any = container.add_stream("mjpeg")
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(bursts(duration=4, n_channels=1), "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), 44100
        for converted in av.AudioResampler(stream.format, "mono", 44100, frame_size=4096).resample(frame):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video[0].disposition & av.stream.Disposition.attached_pic
        assert container.streams.audio[0].start_time == 44100
    assert onsets(load_audio(path).samples, 44100) == pytest.approx({1: 1, 2: 2, 3: 3}, abs=0.001)


@pytest.mark.parametrize(
    "name",
    ["two\nlines", "🎤 ¿Qué? ß", "-rf", "x" * 200, "file:a", "100%d", "http:--a", "tab\tand\x07bell"],
)
def test_names_of_every_kind(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(f"{name}.flac")
    save_audio(path, Audio(torch.zeros(1, 100), 8000))
    assert load_audio(path).n_samples == 100
    path.write_bytes(b"junk" * 100)
    with pytest.raises(AudioError, match="FFmpeg cannot read it as audio") as caught:
        load_audio(path)
    assert len(str(caught.value).splitlines()) == 1


def test_tags_and_joined_songs_are_not_damage(tmp_path: Path, encoded: dict[str, Path]) -> None:
    song = encoded["mp3"].read_bytes()
    id3v1 = b"TAG" + b"x" * 125
    id3v2 = b"ID3\x03\0\0\0\0\x0f\x50" + b"y" * (15 * 128 + 0x50)
    lyrics = b"LYRICSBEGIN" + b"z" * 3000 + b"003011LYRICS200"
    variants = [song + id3v1, song + lyrics + id3v1, song + bytes(5000), song + id3v1 + id3v2 + song, id3v2 + song]
    for i, data in enumerate(variants):
        path = tmp_path / f"{i}.mp3"
        path.write_bytes(data)
        reader, samples = streamed(path)
        assert reader.damage == (), i
        assert onsets(samples, 44100)[11] == pytest.approx(11, abs=0.002)


def test_a_change_of_rate_and_channels_midway_is_converted(tmp_path: Path) -> None:
    first = encode(tmp_path / "first.mp3", "libmp3lame", bursts(44100, 4, 1), 44100)
    second = encode(tmp_path / "second.mp3", "libmp3lame", bursts(48000, 4, 2), 48000)
    path = tmp_path / "both.mp3"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    audio = load_audio(path)
    assert (audio.n_channels, audio.sample_rate) == (1, 44100)
    assert audio.duration == pytest.approx(8, abs=0.15)
    tail = audio.samples[:, -4 * 44100 :]
    spectrum = np.abs(np.fft.rfft(tail[0].numpy()))
    assert np.argmax(spectrum) * 44100 / tail.shape[1] == pytest.approx(1000, abs=50)


def test_blocks_are_read_once(encoded: dict[str, Path]) -> None:
    with open_audio(encoded["flac"]) as reader:
        with pytest.raises(ValueError, match="block_duration must be positive, got 0"):
            reader.blocks(0)
        next(reader.blocks())
        with pytest.raises(ValueError, match="open it again"):
            reader.blocks()


# --- damaged files ------------------------------------------------------------------------------------------------

DAMAGEABLE = [
    *((name, kind) for name in ("mp3", "aac", "m4a", "mp4", "flac", "caf") for kind in ("random", "zeros")),
    *((name, kind) for name in ("ogg", "opus", "mkv", "mka", "webm", "ts", "wma") for kind in ("random", "zeros")),
    *((name, "removed") for name in ("flac", "ogg", "opus")),
]


@pytest.mark.parametrize(("name", "kind"), DAMAGEABLE)
def test_what_follows_damage_stays_at_its_time(
    encoded: dict[str, Path], tmp_path: Path, name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, rate, _, delay = ENCODINGS[name]
    healthy = load_audio(encoded[name])
    path = damaged(encoded[name], tmp_path / f"a.{name}", kind)
    reader, samples = streamed(path)
    assert samples.shape[1] / rate == pytest.approx(healthy.duration, abs=ONE_FRAME)
    assert len(reader.damage) >= 1
    first, last = reader.damage[0], reader.damage[-1]
    assert 2 < first.start < last.end < 10.5
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert "damaged in" in caplog.text
    n_before = int((first.start - 0.1) * rate)
    assert torch.equal(samples[:, :n_before], healthy.samples[:, :n_before])
    found = onsets(samples, rate)
    for second in range(1, 12):
        if second + 0.2 < first.start or second - 0.1 > last.end:
            assert found[second] == pytest.approx(second + delay, abs=0.03)
    assert found[11] == pytest.approx(11 + delay, abs=0.03)
    for span in reader.damage:
        inside = samples[:, round(span.start * rate) : round(span.end * rate)]
        assert not inside.any()


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "ogg", "opus", "mkv", "mka", "webm", "wav", "wma"])
def test_a_truncated_file_gives_what_it_has(encoded: dict[str, Path], tmp_path: Path, name: str) -> None:
    _, rate, _, delay = ENCODINGS[name]
    path = damaged(encoded[name], tmp_path / f"a.{name}", "truncated")
    reader, samples = streamed(path)
    duration = samples.shape[1] / rate
    assert 6 < duration < 8
    assert onsets(samples, rate)[6] == pytest.approx(6 + delay, abs=0.002)
    assert len(reader.damage) == 1
    assert reader.damage[0].start == pytest.approx(duration, abs=0.001)
    assert "end" in reader.damage[0].reason


def test_a_truncated_mp4_without_its_index_is_an_error(encoded: dict[str, Path], tmp_path: Path) -> None:
    path = damaged(encoded["m4a"], tmp_path / "a.m4a", "truncated")
    with pytest.raises(AudioError, match=r"a\.m4a: FFmpeg cannot read it as audio .* download it again"):
        open_audio(path)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_non_finite_samples_become_silence(tmp_path: Path, subtype: str) -> None:
    sound = np.full((8000, 2), 0.5)
    sound[1000, 0] = np.nan
    sound[1001:1010, 1] = np.inf
    sound[6000] = -np.inf
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, 8000, subtype=subtype)
    reader, samples = streamed(path)
    reason = "non-finite samples (NaN or infinity)"
    assert reader.damage == (Damage(0.125, 1010 / 8000, reason), Damage(0.75, 6001 / 8000, reason))
    expected = torch.from_numpy(np.where(np.isfinite(sound), sound, 0).T.astype(np.float32))
    assert torch.equal(samples, expected)


def test_a_lost_beginning_is_told(encoded: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(encoded["flac"].read_bytes())
    with av.open(str(encoded["flac"])) as container:
        packet = next(container.demux(audio=0))
    data[packet.pos + 100 : packet.pos + 200] = bytes(100)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    with open_audio(path) as reader:
        list(reader.blocks())
    assert reader.damage == (Damage(0, 0, "the beginning could not be decoded"),)


def test_damage_that_looks_like_a_new_stream_is_survived(encoded: dict[str, Path], tmp_path: Path) -> None:
    """PyAV raises IndexError where a damaged FLV tag announces a stream (PyAV issue 692)."""
    data = bytearray(encoded["flv"].read_bytes())
    tag = data.index(b"\x08", len(data) // 2)
    while data[tag + 8 : tag + 11] != bytes(3):
        tag = data.index(b"\x08", tag + 1)
    data[tag] = 0x09
    path = tmp_path / "a.flv"
    path.write_bytes(data)
    assert onsets(load_audio(path).samples, 44100)[11] == pytest.approx(11 + 1024 / 44100, abs=0.03)


def test_the_estimate_at_a_variable_bit_rate(tmp_path: Path) -> None:
    source = encode(tmp_path / "vbr.mp3", "libmp3lame", bursts(), flags="+qscale", global_quality="236")
    path = damaged(source, tmp_path / "bad.mp3", "random")
    assert onsets(load_audio(path).samples, 44100)[11] == pytest.approx(11, abs=0.03)


# --- the timeline -------------------------------------------------------------------------------------------------


def pieces(*starts: float | None, doubtful: tuple[int, ...] = ()) -> list[DecodedFrame]:
    silence = np.zeros((1, 20), np.float32)
    return [DecodedFrame(silence, 0.02, start, i in doubtful) for i, start in enumerate(starts)]


def gaps(given_pieces: list[DecodedFrame], *, exact: bool = False, duration: float | None = None) -> dict[int, float]:
    result = enumerate(with_gaps(given_pieces, exact=exact, duration=duration))
    return {i: round(missing, 6) for i, (missing, _) in result if missing}


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        ([0, 0.021, 0.039, 0.061, 0.08], "timestamps in milliseconds"),
        ([-0.04, -0.02, 0, 0.02], "negative start"),
        ([3600, 3600.02, 3600.04], "late start"),
        ([95443.69, 0, 0.02, 0.04], "MPEG-TS wraps around"),
        ([0, 0.02, 5000, 5000.02], "a spliced stream"),
        ([0, 0.02, 7.5, 0.06, 0.08], "one wrong timestamp"),
        ([0, 0.02, 0, 0.02, 0.04], "joined files"),
        ([None, None, 0.04, None, 0.08], "few timestamps"),
        ([i * 0.0201 for i in range(2000)], "a clock that runs slow"),
    ],
)
def test_healthy_timestamps_have_no_gaps(starts: list[float | None], why: str) -> None:
    assert gaps(pieces(*starts)) == {}, why


def test_gaps_are_found() -> None:
    assert gaps(pieces(0, 0.02, 1.04, 1.06)) == {2: 1.0}
    assert gaps(pieces(0, None, 1.04, None)) == {2: 1.0}
    assert gaps(pieces(0, 0.02, 0.06, 0.08), exact=True) == {2: 0.02}
    assert gaps(pieces(0, 0.02, 0.06, 0.08)) == {}
    assert gaps(pieces(0, 0.02, 0.06, 0.08, doubtful=(2,))) == {2: 0.02}


def test_a_gap_beyond_the_end_of_the_file_is_not_believed() -> None:
    assert gaps(pieces(0, 0.02, 30.04, 30.06), duration=60) == {2: 30.0}
    assert gaps(pieces(0, 0.02, 30.04, 30.06), duration=10) == {}


@given(
    st.lists(st.floats(-0.004, 0.004), min_size=4, max_size=60),
    st.floats(0.2, 100),
    st.integers(1, 59),
    st.booleans(),
)
def test_a_gap_is_found_through_jitter(jitter: list[float], hole: float, where: int, doubtful: bool) -> None:
    where = min(where, len(jitter) - 1 - (not doubtful))  # the frame after it agrees, or the decoder does
    starts = [i * 0.02 + wobble + (hole if i >= where else 0) for i, wobble in enumerate(jitter)]
    found = gaps(pieces(*starts, doubtful=(where,) if doubtful else ()))
    assert found == {where: pytest.approx(hole, abs=0.01)}


@pytest.mark.parametrize("name", ["mp3", "mp2", "aac"])
def test_frame_sizes_are_those_of_the_packets(encoded: dict[str, Path], name: str) -> None:
    frame_size = adts_frame_size if name == "aac" else mpeg_frame_size
    with av.open(str(encoded[name])) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert len(packets) > 400
    assert [frame_size(packet) for packet in packets] == [len(packet) for packet in packets]


@given(st.binary(max_size=12))
def test_frame_sizes_of_anything(data: bytes) -> None:
    assert (mpeg_frame_size(data) or 0) >= 0
    assert (adts_frame_size(data) or 0) >= 0


# --- files that cannot be read ------------------------------------------------------------------------------------


def header_only(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 2)), 44100)
    assert path.stat().st_size == 44


def without_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(25):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def unknown_codec(path: Path) -> None:
    encode(path, "flac", bursts(duration=1))
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_XYZZ"))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("missing.mp3", lambda path: None, "no such file; check the name"),
        ("folder.mp3", Path.mkdir, "is a folder, not an audio file; name a file in it"),
        ("empty.mp3", Path.touch, r"is empty \(0 bytes\); download it again"),
        ("header.wav", header_only, "holds no audio samples that can be decoded .*download it again"),
        ("text.mp3", lambda path: path.write_text("la la la\n" * 500), "download it again if it should be a song"),
        ("text.txt", lambda path: path.write_text("la la la\n" * 500), "no audio stream|cannot read it as audio"),
        ("silent.mp4", without_sound, "has no audio stream .*with video.*; name a file with sound"),
        ("codec.mka", unknown_codec, "FFmpeg has no decoder for its audio stream .*convert it to .wav"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, name: str, make: Any, message: str) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AudioError, match=f"{name}: .*({message})") as caught:
        load_audio(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "private.wav"
    soundfile.write(path, np.zeros(10), 8000)
    path.chmod(0)
    code = (
        "import os, sys, av, torch\n"
        "from lyricsep.audio import load_audio\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "load_audio(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert "AudioError" in done.stderr
    assert "cannot be opened (Permission denied); check its permissions" in done.stderr


# --- resampling ---------------------------------------------------------------------------------------------------

RATES = [(44100, 16000), (48000, 44100), (16000, 44100), (44100, 48000), (22050, 16000), (192_000, 44100)]


def sine(frequency: float, rate: int, duration: float = 1.0) -> torch.Tensor:
    times = np.arange(int(rate * duration)) / rate
    return torch.from_numpy(np.sin(2 * np.pi * frequency * times).astype(np.float32))[None]


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_sine_stays_a_sine(from_rate: int, to_rate: int) -> None:
    frequency = 0.35 * min(from_rate, to_rate)
    output = resample(sine(frequency, from_rate), from_rate, to_rate)
    expected = sine(frequency, to_rate)
    assert output.shape == (1, to_rate)
    inner = slice(to_rate // 10, -to_rate // 10)
    assert (output - expected)[:, inner].abs().max() < 10 ** (-60 / 20)


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    assert resample(sine(9500, 44100), 44100, 16000)[:, 1600:-1600].abs().max() < 10 ** (-60 / 20)


def test_equal_rates_change_nothing() -> None:
    samples = torch.rand(2, 100)
    assert resample(samples, 44100, 44100) is samples


@pytest.mark.parametrize("n_samples", [0, 1, 2, 1000])
def test_short_signals(n_samples: int) -> None:
    for from_rate, to_rate in RATES:
        output = resample(torch.ones(2, n_samples), from_rate, to_rate)
        assert output.shape == (2, resampled_length(n_samples, from_rate, to_rate))
        assert (output.shape[1] > 0) == (n_samples > 0)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([*RATES, (44100, 44100), (11025, 48000)]),
    st.integers(1, 3),
    st.lists(st.integers(0, 5000), min_size=1, max_size=8),
)
def test_a_stream_is_resampled_as_a_whole(rates: tuple[int, int], n_channels: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(sum(lengths))
    whole = torch.from_numpy(rng.uniform(-1, 1, (n_channels, sum(lengths))).astype(np.float32))
    stream = StreamResampler(*rates, n_channels)
    parts = [stream.feed(block) for block in whole.split(lengths, dim=1)]
    joined = torch.cat([*parts, stream.flush()], dim=1)
    expected = resample(whole, *rates)
    assert joined.shape == expected.shape == (n_channels, resampled_length(sum(lengths), *rates))
    assert torch.allclose(joined, expected, rtol=0, atol=10 ** (-90 / 20))


def test_resamplers_refuse_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="sample rates must be positive, got 0 and 16000"):
        resample(torch.zeros(1, 1), 0, 16000)
    with pytest.raises(ValueError, match="n_channels must be positive"):
        StreamResampler(44100, 16000, 0)
    stream = StreamResampler(44100, 16000, 2)
    with pytest.raises(ValueError, match="expected blocks of 2 channels, got 1"):
        stream.feed(torch.zeros(1, 10))
    stream.flush()
    with pytest.raises(ValueError, match="was flushed"):
        stream.feed(torch.zeros(2, 10))


# --- writing ------------------------------------------------------------------------------------------------------


def test_wav_is_32_bit_float_and_exact(tmp_path: Path) -> None:
    samples = torch.from_numpy(bursts(duration=2)) * 5
    save_audio(tmp_path / "new" / "a.wav", Audio(samples, 44100))
    info = soundfile.info(tmp_path / "new" / "a.wav")
    assert (info.format, info.subtype, info.samplerate) == ("WAVEX", "FLOAT", 44100)
    assert (tmp_path / "new" / "a.wav").read_bytes()[:4] == b"RIFF"
    assert torch.equal(load_audio(tmp_path / "new" / "a.wav").samples, samples)


def test_flac_is_24_bit_and_clips_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = torch.tensor([[0.5, 1.0, 1.5, -1.5, float("nan"), -1.0], [0.0, 0.1, 0.2, 0.3, 0.4, 2.0]])
    save_audio(tmp_path / "a.flac", Audio(samples, 44100))
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_24"
    expected = torch.nan_to_num(samples).clamp(-1, 1)
    assert torch.allclose(load_audio(tmp_path / "a.flac").samples, expected, rtol=0, atol=2**-22)
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "4 of 12 samples were beyond full scale and were clipped; save as .wav to keep them"
    ]


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_subtypes_and_streaming(tmp_path: Path, suffix: str, subtype: str) -> None:
    samples = torch.from_numpy(bursts(16000, 2, 1))
    whole, streamed = tmp_path / f"whole{suffix}", tmp_path / f"streamed{suffix}"
    save_audio(whole, Audio(samples, 16000), subtype=subtype)
    with AudioWriter(streamed, 16000, 1, subtype=subtype) as writer:
        for block in samples.split([0, 1, 999, 15_000, 16_000], dim=1):
            writer.write(block)
    assert whole.read_bytes() == streamed.read_bytes()
    assert torch.equal(load_audio(whole).samples, load_audio(streamed).samples)


def test_the_header_of_a_small_wav_counts_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    save_audio(path, Audio(torch.zeros(1, 101), 8000), subtype="PCM_U8")
    data = path.read_bytes()
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    position = data.index(b"data")
    assert int.from_bytes(data[position + 4 : position + 8], "little") == 101


def test_a_wav_beyond_the_limit_of_its_header_is_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing_module, "RIFF_LIMIT", 10_000)
    samples = torch.rand(2, 5000)
    save_audio(tmp_path / "a.wav", Audio(samples, 8000))
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert torch.equal(load_audio(tmp_path / "a.wav").samples, samples)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        save_audio(path, Audio(torch.zeros(1, 10), 8000))
    assert path.read_bytes() == b"precious"
    save_audio(path, Audio(torch.zeros(1, 10), 8000), overwrite=True)
    assert load_audio(path).n_samples == 10


def fail_while_writing(path: Path) -> None:
    with AudioWriter(path, 8000, 1) as writer:
        writer.write(torch.zeros(1, 8000))
        raise FileNotFoundError("the cause")


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="the cause"):
        fail_while_writing(tmp_path / "a.flac")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("limit", [1_000_000, 100_000, 10])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str, limit: int) -> None:
    code = f"""
import resource, signal, torch
from lyricsep.audio import AudioWriter
from lyricsep.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open({str(tmp_path / "error.txt")!r}, "w") as report:
    try:
        torch.manual_seed(0)
        with AudioWriter({str(tmp_path / ("a" + suffix))!r}, 44100, 2) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
            for _ in range({limit} // 100_000 + 1):
                writer.write(torch.rand(2, 30_000))
    except OutputError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        report.write(str(error))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["error.txt"]
    message = (tmp_path / "error.txt").read_text()
    assert f"a{suffix}: cannot be written" in message
    assert "free some space" in message


def test_writers_refuse_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.mp3: sound is written as \.wav or \.flac, not as \.mp3"):
        save_audio(tmp_path / "a.mp3", Audio(torch.zeros(1, 10), 8000))
    with pytest.raises(ConfigError, match=r"no sample format PCM_12; choose one of .*PCM_24"):
        save_audio(tmp_path / "a.flac", Audio(torch.zeros(1, 10), 8000), subtype="PCM_12")
    with pytest.raises(ConfigError, match=r"cannot hold 9 channels at 8000 Hz .*; save as \.wav"):
        save_audio(tmp_path / "a.flac", Audio(torch.zeros(9, 10), 8000))
    with pytest.raises(ValueError, match="rate and channels must be positive, got 0 and 1"):
        AudioWriter(tmp_path / "a.wav", 0, 1)
    with pytest.raises(ValueError, match="use it in a with statement"):
        AudioWriter(tmp_path / "a.wav", 8000, 1).write(torch.zeros(1, 1))
    with (
        AudioWriter(tmp_path / "b.wav", 8000, 2) as writer,
        pytest.raises(ValueError, match="expected blocks of 2 channels, got 1"),
    ):
        writer.write(torch.zeros(1, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["b.wav"]


# --- memory, and real songs ---------------------------------------------------------------------------------------

MEASURE = f"""
{PEAK}
import json, torch
from lyricsep.audio import load_audio, open_audio
with open_audio(sys.argv[2]) as reader:
    sum(block.shape[1] for block in reader.blocks())
before = peak()
if sys.argv[3] == "stream":
    with open_audio(sys.argv[1]) as reader:
        n_samples = sum(block.shape[1] for block in reader.blocks())
else:
    n_samples = load_audio(sys.argv[1]).n_samples
print(json.dumps([n_samples, peak() - before]))
"""


@pytest.mark.parametrize(("how", "limit"), [("stream", 0.05), ("load", 1.4)])
def test_memory(tmp_path: Path, how: str, limit: float) -> None:
    """30 minutes are 635 MB of samples: streaming holds a few blocks of them, loading holds them once."""
    rate, minutes = 44100, 30
    minute = bursts(rate, 60)
    with soundfile.SoundFile(tmp_path / "long.flac", "w", rate, 2, "PCM_16", compression_level=0) as file:
        for _ in range(minutes):
            file.write(minute.T)
    save_audio(tmp_path / "short.flac", Audio(torch.from_numpy(minute), rate))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "long.flac", tmp_path / "short.flac", how],
        capture_output=True,
        text=True,
        check=True,
    )
    n_samples, grown = json.loads(done.stdout)
    assert n_samples == rate * 60 * minutes
    assert grown < limit * n_samples * 2 * 4


def test_the_songs_of_jam_alt_are_whole(shared: Path) -> None:
    songs = sorted(shared.glob("jam-alt/subsets/*/audio/*.mp3"))
    assert len(songs) == 5
    for path in songs:
        with open_audio(path) as reader:
            n_samples = sum(block.shape[1] for block in reader.blocks())
        assert reader.damage == ()
        assert reader.n_channels == 2
        # The header also counts the encoder's delay and padding, less than three frames.
        assert reader.estimated_duration is not None
        assert 0 <= reader.estimated_duration - n_samples / reader.sample_rate < 3 * 1152 / 44100


def test_a_frame_that_cannot_be_converted_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged frame may claim a rate, or channels, that FFmpeg itself refuses."""
    soundfile.write(tmp_path / "song.wav", np.ones((44_100, 1), np.float32) / 2, 44_100)
    convert, calls = FrameConverter.convert, itertools.count()

    def failing(self: FrameConverter, frame: av.AudioFrame) -> np.ndarray:
        if next(calls) == 3:
            raise av.error.ArgumentError(22, "Invalid argument")
        return convert(self, frame)

    monkeypatch.setattr(FrameConverter, "convert", failing)
    with open_audio(tmp_path / "song.wav") as reader:
        samples = torch.cat(list(reader.blocks()), dim=1)
        damage = reader.damage
    assert len(damage) == 1
    lost = samples[0] == 0
    assert 0 < int(lost.sum()) < 44_100 / 2
    assert samples.shape[1] == 44_100
    assert float(samples[0][~lost].min()) == 0.5
