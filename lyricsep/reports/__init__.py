"""Plots of results for print and screen (here), and aligned texts for a terminal (`alignment`)."""

from lyricsep.reports.figures import PLOT_FORMATS
from lyricsep.reports.plots import Estimate, TradeOff, plot_bars, plot_boxes, plot_trade_off
from lyricsep.reports.song_plots import plot_song, plot_spectrograms

__all__ = [
    "PLOT_FORMATS",
    "Estimate",
    "TradeOff",
    "plot_bars",
    "plot_boxes",
    "plot_song",
    "plot_spectrograms",
    "plot_trade_off",
]
