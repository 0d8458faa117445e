"""What every test may ask for: the shared real data, and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real songs and reference outputs beside the project; skips where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("the shared real data (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache of weights."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LYRICSEP_CACHE", str(tmp_path_factory.mktemp("cache")))
