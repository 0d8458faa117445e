"""The stream of songs: one that fails costs one, results stay with their songs, and all share one clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lyricsep.audio import AudioReader, downmix, load_audio, resample, resampled_length
from lyricsep.errors import AudioError, LyricsepError, OutputError
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.pipeline import (
    BLOCKS_AHEAD,
    Failure,
    Heard,
    Result,
    find_vocal_segments,
    hear,
    save_vocals,
    transcribe_songs,
)
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import Mixture, create_separator, find_separator
from lyricsep.separators.base import StreamingSeparator
from lyricsep.transcribers import SAMPLE_RATE, Job

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"
NONE = create_separator(find_separator("none"), torch.device("cpu"))


class Fickle(StreamingSeparator):
    """Gives half the mixture as vocals, but cannot bear some songs."""

    name = "fickle"

    def __init__(self, *, fails_on: Iterable[str] = (), drops: int = 0) -> None:
        self.fails_on = set(fails_on)
        self.drops = drops

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        for block in mixture.blocks:
            if mixture.path and mixture.path.name in self.fails_on:
                raise AudioError(f"{mixture.path}: not this one")
            yield block[:, self.drops :] / 2


@dataclass
class Batching:
    """Reads so many jobs ahead before it gives the lyrics of the first; a line tells how long its song is."""

    ahead: int
    name: str = "batching"

    def transcribe(self, jobs: Iterable[Job]) -> Iterator[Lyrics]:
        waiting = []
        for job in jobs:
            waiting.append(job)
            if len(waiting) == self.ahead:
                yield from map(self.lyrics, waiting)
                waiting = []
        yield from map(self.lyrics, waiting)

    @staticmethod
    def lyrics(job: Job) -> Lyrics:
        duration = len(job.mixture) / 16_000
        if job.on_progress:
            job.on_progress(1.0)
        segments = tuple(job.segments or ())
        return Lyrics((Line(0.0, duration, f"{duration:.2f} s"),), job.language, duration, segments)


def tone(seconds: float, rate: int = 16_000, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six songs of 1 to 6 s."""
    folder = tmp_path_factory.mktemp("songs")
    paths = [folder / f"{seconds}.wav" for seconds in range(1, 7)]
    for seconds, path in enumerate(paths, start=1):
        soundfile.write(path, tone(seconds), 16_000)
    return paths


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    order=st.permutations(range(6)),
    fails=st.sets(st.integers(0, 5)),
    missing=st.sets(st.integers(0, 5)),
    ahead=st.integers(1, 7),
)
def test_results_stay_with_their_songs(
    songs: list[Path], order: list[int], fails: set[int], missing: set[int], ahead: int
) -> None:
    paths = [songs[i].with_suffix(".gone") if i in missing else songs[i] for i in order]
    separator = Fickle(fails_on={songs[i].name for i in fails})
    outcomes = list(transcribe_songs(paths, separator, RmsVadOptions(), Batching(ahead), language="fr"))
    assert sorted(outcome.path for outcome in outcomes) == sorted(paths)
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    assert [result.path for result in results] == [songs[i] for i in order if i not in fails | missing]
    for result in results:
        assert result.lyrics.text == f"{int(result.path.stem):.2f} s"
        assert result.lyrics.language == "fr"
        assert set(result.seconds) == {"separation", "segmentation", "transcription"}
        assert min(result.seconds.values()) >= 0
    for failure in (outcome for outcome in outcomes if isinstance(outcome, Failure)):
        assert ("no such file" if failure.path.suffix == ".gone" else "not this one") in str(failure.error)


def test_songs_are_read_as_they_are_needed(songs: list[Path]) -> None:
    read: list[Path] = []

    def names() -> Iterator[Path]:
        for path in songs:
            read.append(path)
            yield path

    stream = transcribe_songs(names(), NONE, PAPER, Batching(2))
    assert read == []
    next(stream)
    assert read in (songs[:2], songs[:3]), "those of a batch, and the one that is heard meanwhile"
    assert len(list(islice(stream, 2))) == 2
    assert read in (songs[:4], songs[:5])


def test_the_next_song_is_heard_while_one_is_transcribed(songs: list[Path]) -> None:
    second_is_heard = threading.Event()

    class Signals(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            if mixture.path == songs[1]:
                second_is_heard.set()
            return super().stream(mixture)

    class Waits(Batching):
        def lyrics(self, job: Job) -> Lyrics:
            assert second_is_heard.wait(timeout=60)
            return super().lyrics(job)

    assert len(list(transcribe_songs(songs[:2], Signals(), PAPER, Waits(1)))) == 2


def test_who_stops_listening_stops_the_song_that_is_heard(songs: list[Path], tmp_path: Path) -> None:
    n_seconds, begun, heard = 600, threading.Event(), 0

    class Slow(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            nonlocal heard
            for block in mixture.blocks:
                if mixture.path == long:
                    begun.set()
                    heard += block.shape[-1]
                    time.sleep(0.002 * block.shape[-1] / 800)
                yield block

    long = tmp_path / "long.wav"
    soundfile.write(long, tone(n_seconds, 8_000), 8_000)
    stream = transcribe_songs([songs[0], long], Slow(), PAPER, Batching(1))
    next(stream)
    assert begun.wait(timeout=60)
    stream.close()
    assert 0 < heard < n_seconds * 8_000


def _decoding(monkeypatch, fails_at: int = 99) -> list[int]:
    """Collect the numbers of the blocks that are decoded."""
    decoded: list[int] = []
    blocks = AudioReader.blocks

    def watched(reader: AudioReader) -> Iterator[Tensor]:
        for number, block in enumerate(blocks(reader)):
            if number == fails_at:
                raise AudioError("the disk is gone")
            decoded.append(number)
            yield block

    monkeypatch.setattr(AudioReader, "blocks", watched)
    return decoded


def test_the_next_blocks_are_decoded_while_one_is_separated(tmp_path: Path, monkeypatch) -> None:
    decoded, song = _decoding(monkeypatch), tmp_path / "song.wav"

    class Waits(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            for number, block in enumerate(mixture.blocks):
                deadline = time.monotonic() + 60
                while len(decoded) < min(8, number + 1 + BLOCKS_AHEAD) and time.monotonic() < deadline:
                    time.sleep(0.01)
                # Those ahead, and no more: a slow separator does not fill the memory.
                assert decoded == list(range(min(8, number + 1 + BLOCKS_AHEAD)))
                yield block

    soundfile.write(song, tone(80, 8_000), 8_000)
    heard = hear(song, Waits())
    assert len(heard.mixture) == len(heard.vocals) == 80 * SAMPLE_RATE


def test_nobody_decodes_a_file_that_is_closed(tmp_path: Path, monkeypatch) -> None:
    decoded, song = _decoding(monkeypatch), tmp_path / "song.wav"

    class Fails(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield next(iter(mixture.blocks))
            raise AudioError("out of order")

    soundfile.write(song, tone(80, 8_000), 8_000)
    with pytest.raises(AudioError, match="out of order"):
        hear(song, Fails())
    assert len(decoded) <= 1 + BLOCKS_AHEAD
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lyricsep-decode")]


def test_a_file_that_fails_while_it_is_decoded_fails(tmp_path: Path, monkeypatch) -> None:
    _decoding(monkeypatch, fails_at=4)
    song = tmp_path / "song.wav"
    soundfile.write(song, tone(80, 8_000), 8_000)
    with pytest.raises(AudioError, match="the disk is gone"):
        hear(song, NONE)


def test_no_songs_give_nothing() -> None:
    assert list(transcribe_songs([], NONE, PAPER, Batching(2))) == []


def test_a_bug_is_not_taken_for_a_bad_song(songs: list[Path]) -> None:
    class Buggy(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(transcribe_songs(songs, Buggy(), PAPER, Batching(1)))


def test_without_segmentation_the_transcriber_gets_the_whole_song(songs: list[Path]) -> None:
    (result,) = transcribe_songs(songs[:1], NONE, None, Batching(1))
    assert isinstance(result, Result)
    assert result.lyrics.segments == ()


def test_progress_goes_from_stage_to_stage_and_never_back(songs: list[Path]) -> None:
    told: list[tuple[Path, str, float]] = []
    list(transcribe_songs(songs[3:4], NONE, PAPER, Batching(1), on_progress=lambda *one: told.append(one)))
    assert {path for path, _, _ in told} == {songs[3]}
    stages = [stage for _, stage, _ in told]
    assert stages == sorted(stages), "separating, then transcribing"
    for stage in ("separating", "transcribing"):
        shares = [share for _, one, share in told if one == stage]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)


@pytest.mark.parametrize(("rate", "n_channels"), [(16_000, 1), (44_100, 2), (48_000, 1), (8_000, 2), (192_000, 8)])
def test_mixture_and_vocals_are_on_one_clock(tmp_path: Path, rate: int, n_channels: int) -> None:
    """An impulse comes out of both where it went in, however the file was sampled."""
    samples = np.zeros((3 * rate + 7, n_channels))
    samples[rate + 11] = 0.9
    soundfile.write(tmp_path / "impulse.wav", samples, rate)
    heard = hear(tmp_path / "impulse.wav", Fickle())
    assert len(heard.mixture) == len(heard.vocals) == resampled_length(len(samples), rate, 16_000)
    assert heard.duration == pytest.approx(len(samples) / rate, abs=1 / 16_000)
    for signal in (heard.mixture, heard.vocals):
        assert signal.dtype == np.float32
        assert abs(int(np.argmax(np.abs(signal))) - (rate + 11) * 16_000 / rate) <= 1
    np.testing.assert_allclose(heard.vocals, heard.mixture / 2, atol=1e-7)


def test_without_separation_the_vocals_are_the_mixture() -> None:
    heard = hear(EXAMPLE, NONE)
    np.testing.assert_array_equal(heard.vocals, heard.mixture)
    whole = load_audio(EXAMPLE)
    expected = resample(downmix(whole.samples), whole.sample_rate, 16_000)[0].numpy()
    np.testing.assert_allclose(heard.mixture, expected, atol=1e-5)


def test_spleeters_vocals_are_where_the_voice_is(tmp_path: Path) -> None:
    """The separated voice and the true one agree best without any shift, and at the same level."""
    mixture, rate = soundfile.read(EXAMPLE, start=4 * 44_100, frames=10 * 44_100)
    voice, _ = soundfile.read(EXAMPLE.with_suffix(".vocals.ogg"), start=4 * 44_100, frames=10 * 44_100)
    soundfile.write(tmp_path / "song.wav", mixture, rate)
    spleeter = create_separator(find_separator("spleeter"), torch.device("cpu"), offline=True)
    heard = hear(tmp_path / "song.wav", spleeter)
    true = resample(torch.tensor(voice.mean(axis=1), dtype=torch.float32)[None], rate, 16_000)[0].numpy()
    lags = range(-50, 51)
    likeness = [float(np.dot(heard.vocals[100:-100], np.roll(true, lag)[100:-100])) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0
    assert max(likeness) / float(np.dot(true, true)) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("drops", [1, 1000])
def test_vocals_of_another_length_are_the_separators_fault(songs: list[Path], drops: int) -> None:
    with pytest.raises(AudioError, match=r"3\.wav: fickle gave .* s of vocals for a song of 3\.00 s"):
        hear(songs[2], Fickle(drops=drops))


@pytest.mark.parametrize("amplitude", [1e7, 1e30])
def test_what_is_no_sound_is_refused(tmp_path: Path, amplitude: float) -> None:
    soundfile.write(tmp_path / "wild.wav", tone(1, amplitude=amplitude), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"wild\.wav: the song holds samples beyond 1e\+06 times full scale"):
        hear(tmp_path / "wild.wav", NONE)


def test_what_no_separator_may_give_is_refused(songs: list[Path]) -> None:
    class Mad(Fickle):
        def stream(self, mixture: Mixture) -> Iterator[Tensor]:
            yield from (block * float("nan") for block in mixture.blocks)

    with pytest.raises(AudioError, match=r"1\.wav: what fickle gave holds samples beyond"):
        hear(songs[0], Mad())


def test_unscaled_integers_are_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", tone(2, amplitude=32_767), 16_000, subtype="FLOAT")
    assert find_vocal_segments(hear(tmp_path / "loud.wav", NONE), RmsVadOptions()) == [Segment(0.0, 2.0)]


def test_damage_stays_with_its_song(songs: list[Path], tmp_path: Path) -> None:
    samples = tone(4).astype(np.float32)
    samples[16_000:24_000] = np.nan
    soundfile.write(tmp_path / "damaged.wav", samples, 16_000, subtype="FLOAT")
    (tmp_path / "cut.mp3").write_bytes(EXAMPLE.read_bytes()[:100_000])
    paths = [songs[0], tmp_path / "damaged.wav", songs[1], tmp_path / "cut.mp3"]
    by_path = {one.path: one for one in transcribe_songs(paths, NONE, PAPER, Batching(3))}
    damage = {path.name: getattr(one, "damage", None) for path, one in by_path.items()}
    assert damage["1.wav"] == damage["2.wav"] == ()
    (nan,) = damage["damaged.wav"]
    assert (nan.start, nan.end, nan.reason) == (1.0, 1.5, "non-finite samples (NaN or infinity)")
    (cut,) = damage["cut.mp3"]
    assert cut.reason == "the file ends early"
    # Silence stands where sound was lost, so that what follows keeps its time.
    heard = hear(tmp_path / "damaged.wav", NONE)
    assert len(heard.mixture) == 64_000
    assert not heard.mixture[16_000:24_000].any()


@pytest.fixture(scope="module")
def sung() -> Heard:
    """The example with its true vocals."""
    mixture = load_audio(EXAMPLE)
    vocals = load_audio(EXAMPLE.with_suffix(".vocals.ogg"))
    signals = [
        resample(one.samples.mean(dim=0, keepdim=True), one.sample_rate, 16_000)[0].numpy()
        for one in (mixture, vocals)
    ]
    return Heard(*signals)


def quieter(heard: Heard, decibels: float) -> Heard:
    gain = np.float32(10 ** (-decibels / 20))
    return Heard(heard.mixture * gain, heard.vocals * gain)


@pytest.mark.parametrize("decibels", [-6, 6, 12, 18, 24])
def test_the_floor_follows_a_quiet_recording(sung: Heard, decibels: float) -> None:
    expected = find_vocal_segments(sung, RmsVadOptions())
    assert len(expected) >= 2
    found = find_vocal_segments(quieter(sung, decibels), RmsVadOptions())
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.033), "a frame at most"


@pytest.mark.parametrize("decibels", [0, 12, 24])
def test_the_floor_keeps_bleed_out_at_any_level(sung: Heard, decibels: float) -> None:
    """What a separator lets through of a band lies far under the mixture, and is no voice."""
    band = sung.mixture - sung.vocals
    bleed = Heard(band, band * np.float32(10 ** (-26 / 20)))
    assert find_vocal_segments(quieter(bleed, decibels), RmsVadOptions()) == []
    assert find_vocal_segments(quieter(bleed, decibels), PAPER) != [], "the published method has no floor"


@pytest.mark.parametrize("decibels", [80.0, 95.0])
@pytest.mark.parametrize("kind", ["noise", "hum", "silence"])
def test_next_to_nothing_is_nothing(decibels: float, kind: str) -> None:
    signal = {
        "noise": np.random.default_rng(0).standard_normal(20 * 16_000),
        "hum": tone(20, amplitude=1.4),
        "silence": np.zeros(20 * 16_000),
    }[kind].astype(np.float32)
    assert find_vocal_segments(quieter(Heard(signal, signal), decibels), RmsVadOptions()) == []


def test_a_floor_that_was_chosen_is_heeded(sung: Heard) -> None:
    options = RmsVadOptions()
    assert find_vocal_segments(sung, replace(options, floor_db=-5.0)) == []
    assert find_vocal_segments(quieter(sung, 60), options) == []
    assert find_vocal_segments(quieter(sung, 60), replace(options, floor_db=None)) != []
    # One below the lowest that the floor follows to stays as it is.
    assert find_vocal_segments(quieter(sung, 60), replace(options, floor_db=-110.0)) != []


def test_an_empty_song_has_no_segments() -> None:
    nothing = np.zeros(0, dtype=np.float32)
    assert find_vocal_segments(Heard(nothing, nothing), RmsVadOptions()) == []


def test_vocals_are_saved_like_the_song(tmp_path: Path) -> None:
    target = tmp_path / "new" / "song.vocals.wav"
    assert save_vocals(EXAMPLE, target, Fickle()) == ()
    mixture, vocals = load_audio(EXAMPLE), load_audio(target)
    assert vocals.sample_rate == mixture.sample_rate
    torch.testing.assert_close(vocals.samples, mixture.samples / 2)


@pytest.mark.parametrize("error", [AudioError, OutputError])
def test_vocals_are_saved_whole_or_not_at_all(songs: list[Path], tmp_path: Path, error: type[LyricsepError]) -> None:
    target = tmp_path / "song.vocals.wav"
    if error is OutputError:
        target.write_text("mine")
    with pytest.raises(error):
        save_vocals(songs[0], target, Fickle(fails_on=["1.wav"]))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"] * (error is OutputError)
