"""Whole songs, window by window, as openai-whisper's own `transcribe` does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from whisper.model import Whisper
from whisper.transcribe import transcribe

from lyricsep.lyrics import Lyrics
from lyricsep.transcribers import Job, WhisperOptions
from lyricsep.transcribers.whisper import WhisperTranscriber

GREEDY = WhisperOptions(mix_back=0.0, temperatures=(0.0,), beam_size=1)


@pytest.fixture(scope="module")
def transcribed(real, vocals, example) -> Callable[[str, str], tuple[np.ndarray, Lyrics]]:
    """Give a function that transcribes a whole song of more than a minute, once by every model and backend."""
    songs = {
        "base": (vocals("de_bonne", 10.0, 76.5), "fr"),
        "tiny.en": (np.concatenate([example[1], example[1]]), "en"),
    }

    @cache
    def transcribe_once(model: str, runner: str) -> tuple[np.ndarray, Lyrics]:
        song, language = songs[model]
        (lyrics,) = WhisperTranscriber(real(model, runner), GREEDY).transcribe([Job(song, song, None, language)])
        return song, lyrics

    return transcribe_once


def assert_is_whispers(lyrics: Lyrics, model: Whisper, song: np.ndarray, beam_size: int | None) -> None:
    theirs = transcribe(
        model,
        song,
        temperature=0.0,
        beam_size=beam_size,
        condition_on_previous_text=False,
        language=lyrics.language,
        fp16=False,
    )
    expected = [segment for segment in theirs["segments"] if segment["text"].strip()]
    assert [line.text for line in lyrics.lines] == [" ".join(segment["text"].split()) for segment in expected]
    duration = len(song) / 16_000
    assert duration > 60
    for line, segment in zip(lyrics.lines, expected, strict=True):
        # Whisper's last window lasts half a minute, the song's end or not.
        times = min(segment["start"], duration), min(segment["end"], duration)
        assert (line.start, line.end) == pytest.approx(times, abs=0.021)
    assert len(expected) > 3
    assert len({segment["seek"] for segment in expected}) > 2


@pytest.mark.parametrize("model", ["base", "tiny.en"])
def test_as_openai_whisper(real, transcribed, model) -> None:
    song, lyrics = transcribed(model, "openai-whisper")
    assert_is_whispers(lyrics, real(model, "openai-whisper").model, song, None)


@pytest.mark.slow
def test_as_openai_whisper_with_beams(real, vocals) -> None:
    backend, song = real("base", "openai-whisper"), vocals("Fantasma", 0.0, 70.0)
    options = replace(GREEDY, beam_size=5)
    (lyrics,) = WhisperTranscriber(backend, options).transcribe([Job(song, song, None, "es")])
    assert_is_whispers(lyrics, backend.model, song, 5)


def test_the_other_backend_goes_the_same_way(transcribed) -> None:
    _, ours = transcribed("base", "openai-whisper")
    _, theirs = transcribed("base", "faster-whisper")
    assert theirs.lines == ours.lines
