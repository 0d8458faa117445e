"""Whole songs, window by window, as openai-whisper's own `transcribe` does it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from whisper.model import Whisper
from whisper.transcribe import transcribe

from lyricsep.lyrics import Lyrics
from lyricsep.transcribers import Clips, WhisperOptions
from lyricsep.transcribers.whisper import WhisperTranscriber

GREEDY = WhisperOptions(mix_back=0.0, no_repeat_ngram_sizes=(), beam_size=1, word_times=False)


@pytest.fixture(scope="module")
def song(vocals) -> np.ndarray:
    """More than a minute of a real song's vocals."""
    return vocals("de_bonne", 10.0, 76.5)


@pytest.fixture(scope="module")
def lyrics(real, song) -> Lyrics:
    (found,) = WhisperTranscriber(real("base", "openai-whisper"), GREEDY).transcribe([Clips(song, song, None)])
    return found


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


@pytest.mark.slow
def test_as_openai_whisper(real, song, lyrics) -> None:
    assert lyrics.language == "fr"
    assert_is_whispers(lyrics, real("base", "openai-whisper").model, song, None)


@pytest.mark.slow
def test_as_openai_whisper_with_beams(real, vocals) -> None:
    backend, song = real("base", "openai-whisper"), vocals("Fantasma", 0.0, 70.0)
    options = replace(GREEDY, beam_size=5)
    (lyrics,) = WhisperTranscriber(backend, options).transcribe([Clips(song, song, None, "es")])
    assert_is_whispers(lyrics, backend.model, song, 5)


@pytest.mark.slow
def test_the_other_backend_goes_the_same_way(real, song, lyrics) -> None:
    (theirs,) = WhisperTranscriber(real("base", "ctranslate2"), GREEDY).transcribe([Clips(song, song, None)])
    assert theirs.language == lyrics.language
    assert theirs.lines == lyrics.lines
