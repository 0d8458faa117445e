"""Separators and transcribers without weights, and songs made of tones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lyricsep.errors import AudioError
from lyricsep.lyrics import Line, Lyrics
from lyricsep.plan import Plan
from lyricsep.segmentation import RmsVadOptions
from lyricsep.separators import Mixture, Separator, create_separator, find_separator
from lyricsep.session import Models
from lyricsep.transcribers import Clips, LyricsTranscriber, find_model

CPU = torch.device("cpu")
NONE = create_separator(find_separator("none"), CPU)


class Fickle(Separator):
    """Returns half the mixture as vocals, but fails on some songs."""

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
    """Reads so many clips ahead before it returns the lyrics of the first; a line holds how long its song is."""

    ahead: int
    name: str = "batching"

    def transcribe(self, jobs: Iterable[Clips]) -> Iterator[Lyrics]:
        waiting = []
        for job in jobs:
            waiting.append(job)
            if len(waiting) == self.ahead:
                yield from map(self.lyrics, waiting)
                waiting = []
        yield from map(self.lyrics, waiting)

    @staticmethod
    def lyrics(job: Clips) -> Lyrics:
        duration = len(job.mixture) / 16_000
        if job.on_progress:
            job.on_progress(1.0)
        segments = tuple(job.segments or ())
        return Lyrics((Line(0.0, duration, f"{duration:.2f} s"),), job.language, duration, segments)


class FakeModels(Models):
    """Returns the same models whatever the plan, and counts how often each was asked for."""

    def __init__(self, separator: Separator = NONE, transcriber: LyricsTranscriber | None = None) -> None:
        super().__init__()
        self.fake_separator = separator
        self.fake_transcriber = transcriber or Batching(1)
        self.n_separations = self.n_transcriptions = 0

    def separator(self, plan: Plan) -> Separator:
        self.n_separations += 1
        return self.fake_separator

    def transcriber(self, plan: Plan) -> LyricsTranscriber:
        self.n_transcriptions += 1
        return self.fake_transcriber


_RMS_VAD = RmsVadOptions()


def a_plan(segmentation: RmsVadOptions | None = _RMS_VAD, *, separator: str = "none", model: str = "tiny.en") -> Plan:
    """Return a plan that `FakeModels` carry out; without a model it transcribes nothing."""
    return Plan(
        "",
        (find_separator(separator),),
        CPU,
        segmentation,
        model=find_model(model) if model else None,
        backend="openai-whisper" if model else "",
    )


def tone(seconds: float, rate: int = 16_000, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
