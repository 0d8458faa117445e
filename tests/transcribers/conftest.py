"""Real Whisper models that load once, real songs, and a backend that hears tones and says what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from whisper.audio import mel_filters

from lyricsep.audio import downmix, load_audio, resample
from lyricsep.errors import WeightsError
from lyricsep.lyrics import Segment
from lyricsep.transcribers import SAMPLE_RATE, Clips, create_transcriber, find_model
from lyricsep.transcribers.alignment import AlignedWord, decoded_words
from lyricsep.transcribers.log_mel import clip_log_mel
from lyricsep.transcribers.whisper import Attempt, Backend, DecodedText

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"
BACKENDS = {"openai-whisper": None, "ctranslate2": "float32"}


@pytest.fixture(scope="session")
def real() -> Callable[[str, str], Backend]:
    """Give a function that loads a real model, in full precision, once; it skips where that is not installed."""

    @cache
    def load(model: str, runner: str) -> Backend:
        if runner == "ctranslate2":
            pytest.importorskip("ctranslate2")
        spec, device = find_model(model), torch.device("cpu")
        try:
            made = create_transcriber(spec, device, backend=runner, compute_type=BACKENDS[runner], offline=True)
        except WeightsError as error:
            pytest.skip(str(error))
        return made.backend

    return load


@pytest.fixture(scope="session")
def vocals(shared: Path) -> Callable[..., np.ndarray]:
    """Give a function that cuts from the vocals of a real song, named by the beginning of its file."""

    @cache
    def read(name: str) -> np.ndarray:
        (path,) = (shared / "golden" / "rms_vad").glob(f"{name}*.flac")
        samples, sample_rate = soundfile.read(path, dtype="float32")
        assert sample_rate == SAMPLE_RATE
        return samples

    return lambda name, start, end: read(name)[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


@pytest.fixture(scope="session")
def mixture(shared: Path) -> Callable[..., np.ndarray]:
    """Give a function that cuts from a real song, mono at 16 kHz."""

    @cache
    def read(name: str) -> np.ndarray:
        (path,) = (shared / "jam-alt").glob(f"subsets/*/audio/{name}*.mp3")
        return _mono(path)

    return lambda name, start, end: read(name)[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


@pytest.fixture(scope="session")
def example() -> tuple[np.ndarray, np.ndarray]:
    """The mixture and the vocals of the song that ships, mono at 16 kHz."""
    return _mono(EXAMPLE / "night_train.mp3"), _mono(EXAMPLE / "night_train.vocals.ogg")


def _mono(path: Path) -> np.ndarray:
    song = load_audio(path)
    return resample(downmix(song.samples), song.sample_rate, SAMPLE_RATE)[0].numpy()


# A clip of the fake's songs is a tone in one of Whisper's mel bands, and the accompaniment a tone in a higher one:
# the fake knows by its ears alone which clip it was given, and with how much of the accompaniment.
CLIPS = range(20, 60)
LOWEST = 31  # band; those below are too narrow to be told apart
ACCOMPANIMENT = 76  # band
AMPLITUDE = 0.2


def _tone(band: int, n_samples: int) -> np.ndarray:
    frequency = int(mel_filters("cpu", 80)[band].argmax()) * SAMPLE_RATE / 400
    tone = AMPLITUDE * np.sin(2 * np.pi * frequency * np.arange(n_samples) / SAMPLE_RATE)
    return tone.astype(np.float32)


@cache
def _full_level() -> float:
    return float(clip_log_mel(_tone(ACCOMPANIMENT, SAMPLE_RATE), 80)[ACCOMPANIMENT].max())


@dataclass(frozen=True)
class Said:
    """What the fake says, and how sure it is."""

    text: str
    avg_logprob: float = -0.5
    no_speech_prob: float = 0.1


@dataclass(frozen=True)
class Call:
    """One batch the fake was asked to decode."""

    clips: tuple[int, ...]
    shares: tuple[float, ...]
    attempt: Attempt
    language: str | None


@dataclass
class FakeBackend:
    """Says of every clip what `say(clip, share, attempt)` tells it: one thing, or several, the likeliest first."""

    say: Callable[[int, float, Attempt], Said | list[Said]]
    ballots: dict[int, dict[str, float]] = field(default_factory=dict)
    is_multilingual: bool = True
    name: str = "fake"
    n_mels: int = 80
    n_languages: int = 99
    calls: list[Call] = field(default_factory=list)
    voters: list[int] = field(default_factory=list)
    n_encoded: int = 0

    def encode(self, mels: torch.Tensor) -> torch.Tensor:
        self.n_encoded += len(mels)
        levels = mels.amax(dim=2)
        clips = levels[:, LOWEST : LOWEST + len(CLIPS)].argmax(dim=1) + CLIPS.start
        shares = 10 ** (2 * (levels[:, ACCOMPANIMENT] - _full_level()))
        return torch.stack([clips, shares], dim=1)

    def language_probabilities(self, features: torch.Tensor) -> list[dict[str, float]]:
        clips = [int(clip) for clip, _ in features]
        self.voters.extend(clips)
        return [self.ballots[clip] for clip in clips]

    def decode(self, features: torch.Tensor, tokenizer, attempt: Attempt, options) -> list[list[DecodedText]]:
        heard = [(int(clip), round(float(share), 1)) for clip, share in features]
        clips, shares = zip(*heard, strict=True)
        self.calls.append(Call(clips, shares, attempt, tokenizer.language))
        found = []
        for clip, share in heard:
            samples = self.say(clip, share, attempt)
            found.append([])
            for said in samples if isinstance(samples, list) else [samples]:
                tokens = tokenizer.encode(f" {said.text}") if said.text else []
                if attempt.timestamps:
                    tokens = [tokenizer.timestamp_begin, *tokens, tokenizer.timestamp_begin + 50]
                found[-1].append(DecodedText(tuple(tokens), said.avg_logprob, said.no_speech_prob))
        return found

    def align(self, features: torch.Tensor, tokenizer, texts, n_frames: Sequence[int]) -> list[list[AlignedWord]]:
        words = []
        for _, tokens, n in zip(features, texts, n_frames, strict=True):
            decoded = decoded_words(tokenizer, tokens, [0.5] * len(tokens))
            counts = np.cumsum([0, *(len(word.tokens) for word in decoded)])
            times = (counts * (n // 2) // len(tokens) * 0.02).tolist()
            words.append(
                [
                    AlignedWord(tuple(word.tokens), start, end, word.probability)
                    for word, start, end in zip(decoded, times, times[1:], strict=False)
                ]
            )
        return words

    def seed(self, seed: int) -> None:
        pass


@pytest.fixture
def said() -> type[Said]:
    return Said


@pytest.fixture
def fake() -> Callable[..., FakeBackend]:
    """Give a function that makes a fake backend; without further word it says ``clip 20`` of clip 20."""

    def make(say: Callable[[int, float, Attempt], Said] | None = None, **others) -> FakeBackend:
        return FakeBackend(say or (lambda clip, share, attempt: Said(f"clip {clip}")), **others)

    return make


@pytest.fixture
def song() -> Callable[..., Clips]:
    """Give a function that makes a song of clips, each a second long but where `durations` says otherwise."""

    def make(
        clips: Iterable[int], *, durations: Sequence[float] | None = None, whole: bool = False, **others
    ) -> Clips:
        clips = list(clips)
        assert set(clips) <= set(CLIPS)
        segments, parts, position = [], [], 0.0
        for clip, duration in zip(clips, durations or [1.0] * len(clips), strict=True):
            segments.append(Segment(position, position + duration))
            # Half a second of silence stands between the clips.
            parts += [
                _tone(LOWEST + clip - CLIPS.start, round(duration * SAMPLE_RATE)),
                np.zeros(SAMPLE_RATE // 2, np.float32),
            ]
            position += duration + 0.5
        vocals = np.concatenate([*parts, np.zeros(SAMPLE_RATE, np.float32)])
        mixture = vocals + _tone(ACCOMPANIMENT, len(vocals))
        return Clips(mixture, vocals, None if whole else segments, **{"language": "en", **others})

    return make
