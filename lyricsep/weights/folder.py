"""The folder of downloaded files."""

from __future__ import annotations

import os
from pathlib import Path

from lyricsep.files import at_home


def cache_folder() -> Path:
    """Return the cache folder: ``LYRICSEP_CACHE``, else the user's cache folder.

    Returns
    -------
    Path
        Absolute; it need not exist.
    """
    chosen = os.environ.get("LYRICSEP_CACHE")
    if chosen:
        return at_home(chosen).absolute()
    import platformdirs

    return platformdirs.user_cache_path("lyricsep")
