"""The option `--plot`: the suffixes of the plots of a song, and drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError
from lyricsep.reports.figures import PLOT_FORMATS, check_plots

if TYPE_CHECKING:
    from lyricsep.segmentation import RmsVadOptions
    from lyricsep.session import Outcome


def plot_suffixes(name: str | None) -> tuple[str, ...]:
    """Read the value of ``--plot``: the suffixes of a song's plots, none where none are wanted.

    Raise a `ConfigError` if there is no such format, or matplotlib is not installed.
    """
    if name is None:
        return ()
    if name not in PLOT_FORMATS:
        raise ConfigError(f"--plot {name}: choose from {', '.join(PLOT_FORMATS)}")
    check_plots()
    return (f".plot.{name}", f".spectrogram.{name}")


def draw_song(
    paths: Sequence[Path], outcome: Outcome, options: RmsVadOptions | None, title: str, *, overwrite: bool
) -> None:
    """Write the plots of a song, by their suffixes: one with all that was found, and the spectrograms."""
    signals = outcome.signals
    if not paths or signals is None:
        return
    from lyricsep.reports.song_plots import plot_song, plot_spectrograms
    from lyricsep.signals import recorded_options

    song, spectrograms = paths
    recorded = signals.recorded()
    plot_song(
        song,
        recorded.mixture,
        recorded.vocals,
        segments=outcome.segments or (),
        options=options and recorded_options(signals, options),
        lines=outcome.lyrics.lines or None,
        title=title,
        overwrite=overwrite,
    )
    plot_spectrograms(spectrograms, recorded.mixture, recorded.vocals, title=title, overwrite=overwrite)
