"""lyricsep: songs in, readable timed lyrics out.

The rooms, from the ground up: `errors`, `files`, `audio`, `lyrics`, `weights`, `devices`, `separators`,
`segmentation`, `transcribers`, `presets`, `formats`, `pipeline`, `manifest`, `cli`.
"""

from lyricsep.version import __version__

__all__ = ["__version__"]
