"""What `--plot` means: the suffixes of a song's plots, and their drawing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError
from lyricsep.reports.figures import PLOT_FORMATS, check_plots

if TYPE_CHECKING:
    from lyricsep.lyrics import Line, Segment
    from lyricsep.pipeline import Heard
    from lyricsep.segmentation import RmsVadOptions

__all__ = ["draw_song", "plot_suffixes"]


def plot_suffixes(name: str | None) -> tuple[str, ...]:
    """Read the value of ``--plot``: the suffixes of a song's plots, none where none are wanted.

    Raises
    ------
    ConfigError
        If there is no such format, or matplotlib is not installed.
    """
    if name is None:
        return ()
    if name not in PLOT_FORMATS:
        raise ConfigError(f"--plot {name}: choose from {', '.join(PLOT_FORMATS)}")
    check_plots()
    return (f".plot.{name}", f".spectrogram.{name}")


def draw_song(
    paths: Sequence[Path],
    heard: Heard,
    segments: Sequence[Segment],
    options: RmsVadOptions | None,
    *,
    lines: Sequence[Line] | None = None,
    title: str,
    overwrite: bool,
) -> None:
    """Write the plots of a song, by their suffixes: one with all that was found, and the spectrograms.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    if not paths:
        return
    from lyricsep.pipeline import options_for
    from lyricsep.reports.song_plots import plot_song, plot_spectrograms

    song, spectrograms = paths
    plot_song(
        song,
        heard.mixture,
        heard.vocals,
        segments=segments,
        options=options and options_for(heard, options),
        lines=lines,
        title=title,
        overwrite=overwrite,
    )
    plot_spectrograms(spectrograms, heard.mixture, heard.vocals, title=title, overwrite=overwrite)
