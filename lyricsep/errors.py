"""What lyricsep raises when a file, checkpoint, dataset, network or option lets it down.

A wrong argument in code is a plain ``ValueError``. Everything a user can meet is a `LyricsepError`: one line that
says what failed, on which object, what was expected and found, and what to try next. The command line prints
that line; the stream of songs records it and goes on with the next song.
"""


class LyricsepError(Exception):
    """Base of all errors a user can meet; its text is one line fit to be shown."""


class AudioError(LyricsepError):
    """An audio file cannot be read, or holds nothing that can be used."""


class WeightsError(LyricsepError):
    """Model weights cannot be found, fetched, verified or safely loaded."""


class DatasetError(LyricsepError):
    """A dataset is missing, incomplete or malformed."""


class ConfigError(LyricsepError):
    """Options that do not exist, contradict each other, or ask for something that is not installed."""


class OutputError(LyricsepError):
    """A result cannot be written: no permission, no space, or it exists already."""
