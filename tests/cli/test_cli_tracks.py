"""The option `--track`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import manifest_of
from sounds import pitch, several


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two tracks, of 300 Hz and of 500 Hz, the default one."""
    return several(tmp_path / "film.mkv", [(300.0, {}, False), (500.0, {}, True)])


@pytest.mark.parametrize(("track", "frequency"), [((), 500), (("--track", "1"), 300)])
def test_a_track_is_chosen_or_the_choice_is_told(
    run: Callable, film: Path, tmp_path: Path, track: tuple[str, ...], frequency: int
) -> None:
    told = run("separate", film, "--separator", "none", "-o", "out", *track)
    assert told.code == 0, told.err
    assert pitch(tmp_path / "out" / "film.vocals.wav") == frequency
    line = "film.mkv: has 2 audio tracks (1: flac; 2: flac, default); track 2 is read"
    assert told.err.count(line) == (not track), "once, where nobody chose"
    assert manifest_of(tmp_path / "out")["plan"]["track"] == (1 if track else None)


def test_a_track_that_is_not_there_fails_the_song(run: Callable, film: Path) -> None:
    told = run("segment", film, "--separator", "none", "--track", "3")
    assert (told.code, told.out) == (1, "")
    assert "film.mkv: has 2 audio tracks, but track 3 is asked for; set --track to one that is there" in told.err
