"""LRC, which music and karaoke players show line by line: ``[mm:ss.xx]text``.

Times are rounded to hundredths; minutes grow beyond 99. A timed line without text ends each section, so that
the screen is cleared while nobody sings.
"""

from __future__ import annotations

from lyricsep.formats.clock import section_ends, to_ticks
from lyricsep.lyrics import Lyrics

__all__ = ["render_lrc"]


def render_lrc(lyrics: Lyrics, *, title: str | None = None, artist: str | None = None) -> str:
    """Render LRC; only the tags for an instrumental.

    Parameters
    ----------
    lyrics : Lyrics
        Lines in order of start.
    title, artist : str, optional
        Shown by players (``[ti:]``, ``[ar:]``).
    """
    minutes, seconds = divmod(to_ticks(lyrics.duration, 1), 60)
    tags = {
        "ti": title,
        "ar": artist,
        "length": f"{minutes:02d}:{seconds:02d}" if lyrics.duration else None,
        "re": "lyricsep",
    }
    # A tag is one line, whatever a file's metadata hold.
    rows = [f"[{key}:{' '.join(value.split())}]" for key, value in tags.items() if value]
    for line, end in zip(lyrics.lines, section_ends(lyrics), strict=True):
        # A bracket right behind the time would be read as another time.
        rows.append(_time(line.start) + (" " if line.text.startswith("[") else "") + line.text)
        if end is not None:
            rows.append(_time(end))
    return "\n".join(rows) + "\n"


def _time(time: float) -> str:
    seconds, hundredths = divmod(to_ticks(time, 100), 100)
    return f"[{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}]"
