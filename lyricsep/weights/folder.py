"""The folder of downloaded files."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder: ``LYRICSEP_CACHE``, else the user's cache folder.

    Returns
    -------
    Path
        Absolute; it need not exist.
    """
    chosen = os.environ.get("LYRICSEP_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("lyricsep")
