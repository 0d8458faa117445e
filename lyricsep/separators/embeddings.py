"""Cache of text embeddings, so that a text model of hundreds of megabytes runs once per text.

The cache holds ``embeddings/<family>-<key>.safetensors``. The key is a digest of the text, of the text model's files
and of the code that reads with it, so a change of any of them does not find the old embedding.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import OutputError, WeightsError
from lyricsep.weights import cache_folder, content_hash, load_safetensors, save_safetensors

if TYPE_CHECKING:
    from torch import Tensor

    from lyricsep.weights import WeightFile

logger = logging.getLogger(__name__)

READERS = ("clap_text.py", "clip_text.py", "state.py")
SHA256_DIGITS = 64


def text_embedding(
    text: str, files: Sequence[WeightFile], family: str, size: int, compute: Callable[[], Tensor]
) -> Tensor:
    """Return the embedding of a text, float32 of shape (size,), from the cache if it was computed before.

    Parameters
    ----------
    text : str
        What is asked for.
    files : sequence of WeightFile
        Of the text model. While the hash of one is not known, nothing is looked up; `compute` may fetch it.
    family : str
        Of the separator.
    size : int
        Numbers of an embedding.
    compute : callable
        Fetches and loads the text model, and gives the embedding, which must be of that size and finite
        (`ValueError`).
    """
    path = _place(text, files, family)
    kept = _read(path, size) if path else None
    if kept is not None:
        return kept
    embedding = compute().float()
    if embedding.shape != (size,):
        raise ValueError(f"it gives {embedding.numel()} numbers, expected {size}")
    if not bool(embedding.isfinite().all()):
        raise ValueError("it gives numbers that are not finite")
    path = _place(text, files, family)
    if path:
        try:
            save_safetensors(path, {"embedding": embedding}, {"text": text})
        except OutputError as error:  # it is only read again the next time
            logger.warning("could not cache the embedding of a text: %s", error)
    return embedding


def _place(text: str, files: Sequence[WeightFile], family: str) -> Path | None:
    hashes = [content_hash(file) for file in files]
    if any(len(sha256) < SHA256_DIGITS for sha256 in hashes):
        return None
    digest = hashlib.sha256(json.dumps([text, family, hashes]).encode())
    for name in READERS:
        digest.update(resources.files("lyricsep.separators").joinpath(name).read_bytes())
    return cache_folder() / "embeddings" / f"{family}-{digest.hexdigest()[:32]}.safetensors"


def _read(path: Path, size: int) -> Tensor | None:
    """Return the content of a cache file; None if it is missing or damaged."""
    import torch

    try:
        embedding = load_safetensors(path)[0].get("embedding") if path.is_file() else None
    except (WeightsError, OSError):
        return None
    if embedding is None or embedding.dtype != torch.float32 or embedding.shape != (size,):
        return None
    return embedding if bool(embedding.isfinite().all()) else None
