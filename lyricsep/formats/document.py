"""The JSON document of lyrics, as `lyricsep.documents` describes it, from and to `Lyrics`."""

from __future__ import annotations

from lyricsep.documents import LyricsDocument
from lyricsep.lyrics import Lyrics

__all__ = ["lyrics_from_json", "lyrics_to_json", "read_document"]

SCHEMA = LyricsDocument.SCHEMA
VERSION = LyricsDocument.VERSION


def lyrics_to_json(lyrics: Lyrics, *, title: str | None = None, artist: str | None = None) -> str:
    """Return the JSON document, from which `lyrics_from_json` reads them.

    Parameters
    ----------
    lyrics : Lyrics
        Their times are rounded to milliseconds, and the probabilities of words to four digits.
    title, artist : str, optional
        Of the song.

    Raises
    ------
    ValueError
        If a number in a decoding is not finite, which JSON cannot hold.
    """
    return LyricsDocument.of(lyrics, title=title, artist=artist).to_json()


def lyrics_from_json(text: str, *, name: str = "lyrics JSON") -> Lyrics:
    """Read the JSON document, of this version or an older one.

    Parameters
    ----------
    text : str
        What `lyrics_to_json` returned.
    name : str
        What errors call the document: its path.

    Raises
    ------
    DatasetError
        If the text is not such a document; the message names the field.
    """
    return LyricsDocument.from_json(text, name=name).lyrics


def read_document(text: str, name: str) -> tuple[Lyrics, str | None, str | None]:
    """Read the JSON document: the lyrics, the title and the artist.

    Raises
    ------
    DatasetError
        As `lyrics_from_json`.
    """
    document = LyricsDocument.from_json(text, name=name)
    return document.lyrics, document.title, document.artist
