"""Where model files come from: pinned by sha256, downloaded once, verified, loaded without running code."""

from lyricsep.weights.cache import (
    check_file,
    content_hash,
    fetch,
    fetch_folder,
    is_available_offline,
    local_path,
    pinned_here,
)
from lyricsep.weights.converting import convert_checkpoint
from lyricsep.weights.ctranslate2 import check_whisper, load_openai_checkpoint, read_whisper, write_whisper
from lyricsep.weights.download import DownloadPolicy
from lyricsep.weights.folder import cache_folder
from lyricsep.weights.loading import Ignored, load_checkpoint, load_numpy_pickle, load_safetensors, save_safetensors
from lyricsep.weights.pins import pinned
from lyricsep.weights.sources import Source, WeightFile
from lyricsep.weights.vocabulary import whisper_vocabulary
from lyricsep.weights.whisper_sizes import whisper_dims

__all__ = [
    "DownloadPolicy",
    "Ignored",
    "Source",
    "WeightFile",
    "cache_folder",
    "check_file",
    "check_whisper",
    "content_hash",
    "convert_checkpoint",
    "fetch",
    "fetch_folder",
    "is_available_offline",
    "load_checkpoint",
    "load_numpy_pickle",
    "load_openai_checkpoint",
    "load_safetensors",
    "local_path",
    "pinned",
    "pinned_here",
    "read_whisper",
    "save_safetensors",
    "whisper_dims",
    "whisper_vocabulary",
    "write_whisper",
]
