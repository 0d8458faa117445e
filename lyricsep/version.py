"""The version of lyricsep, read by the build and by every manifest."""

__version__ = "0.2.0"
