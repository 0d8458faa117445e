"""Transcription of sung segments: Whisper with several backends, on the same weights."""

from lyricsep.transcribers.base import NATIVE, SAMPLE_RATE, Clips, LyricsTranscriber, WhisperOptions
from lyricsep.transcribers.catalog import (
    BACKENDS,
    WhisperSpec,
    backend_name,
    create_transcriber,
    default_backend,
    find_model,
    model_catalog,
)

__all__ = [
    "BACKENDS",
    "NATIVE",
    "SAMPLE_RATE",
    "Clips",
    "LyricsTranscriber",
    "WhisperOptions",
    "WhisperSpec",
    "backend_name",
    "create_transcriber",
    "default_backend",
    "find_model",
    "model_catalog",
]
