"""Where model files come from: pinned by sha256, fetched once, verified, loaded without running any code."""

from lyricsep.weights.cache import at_hand, check_file, content_hash, fetch, fetch_folder, is_available_offline
from lyricsep.weights.converting import convert_checkpoint
from lyricsep.weights.ctranslate2 import load_openai_checkpoint, read_whisper, write_whisper
from lyricsep.weights.download import DownloadPolicy
from lyricsep.weights.folder import cache_folder
from lyricsep.weights.loading import (
    Ignored,
    load_checkpoint,
    load_numpy_pickle,
    load_safetensors,
    save_safetensors,
)
from lyricsep.weights.pins import pinned
from lyricsep.weights.sources import Source, WeightFile
from lyricsep.weights.vocabulary import whisper_vocabulary

__all__ = [
    "DownloadPolicy",
    "Ignored",
    "Source",
    "WeightFile",
    "at_hand",
    "cache_folder",
    "check_file",
    "content_hash",
    "convert_checkpoint",
    "fetch",
    "fetch_folder",
    "is_available_offline",
    "load_checkpoint",
    "load_numpy_pickle",
    "load_openai_checkpoint",
    "load_safetensors",
    "pinned",
    "read_whisper",
    "save_safetensors",
    "whisper_vocabulary",
    "write_whisper",
]
