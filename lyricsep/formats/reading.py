"""Files of lyrics, ours and others' → what is scored and converted.

Every format gives the same text for the same lyrics, up to what it can hold:

- txt, lrc and ttml hold everything the text needs (lrc marks the end of each section with a timed empty line).
- The others have no sections; they are told from the pauses and from what is sung again, as the txt writer does. A
  cue shorter than `lyricsep.formats.clock.MIN_CUE` was lengthened when it was written, by which a pause that hardly
  exceeds `SECTION_GAP`, or three times the song's median pause, may be lost.
- srt has no escapes: a text that looks like a styling tag is taken for one. Other angle brackets are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats.ass import read_ass
from lyricsep.formats.document import read_document
from lyricsep.formats.lrc import read_lrc
from lyricsep.formats.subtitles import read_srt, read_vtt
from lyricsep.formats.tables import read_audacity, read_csv, read_tsv
from lyricsep.formats.textgrid import read_textgrid
from lyricsep.formats.transcript import Transcript, sectioned, tidy
from lyricsep.formats.ttml import read_ttml
from lyricsep.languages import known_language

__all__ = [
    "CORRECTED",
    "HISTORY",
    "LYRICS_SUFFIXES",
    "TIMED_SUFFIXES",
    "Transcript",
    "find_lyrics",
    "lyrics_stem",
    "read_lyrics",
]

CORRECTED = "corrected"
"""The folder of corrected lyrics within that of a run."""

HISTORY = ".history"
"""The folder in it that keeps every revision."""


LYRICS_SUFFIXES = (".json", ".txt", ".lrc", ".srt", ".vtt", ".ttml", ".ass", ".TextGrid")
"""What is lyrics by its suffix alone, from the format that tells most of a text to that which tells least.

Tables (csv, tsv) are read too, but many files of that suffix hold something else.
"""

TIMED_SUFFIXES = (
    ".json",
    ".TextGrid",
    ".words.lrc",
    ".ass",
    ".vtt",
    ".ttml",
    ".srt",
    ".lrc",
    ".labels.txt",
    ".tsv",
    ".csv",
    ".txt",
)
"""All that is read, from the format that tells most of the times to that which tells none."""


def read_lyrics(path: Path) -> Transcript:
    r"""Read a file of lyrics; its suffix tells the format.

    - An empty file is empty lyrics, except for json, where it is a file cut short.
    - lrc: several times before one text repeat the line, ``[offset:]`` is heeded (a positive one makes the lyrics
      come sooner), of other tags title, artist and length. Word times (``<mm:ss.xx>``) become `Line.words`. A line
      ends at the next time, or with its words where the file says when they end; the last line, else, where it
      starts.
    - srt, vtt, ass: each row of a cue is a line with the times of the cue; styling is left out. The times of words
      in vtt (``<hh:mm:ss.xxx>``) and ass (``\k``) become `Line.words`; pieces that no space parts are one word.
    - ttml: see `lyricsep.formats.ttml.read_ttml`.
    - csv, tsv: columns start, end and text in seconds, by their header; a tsv whose times are all whole numbers is
      one of Whisper's, in milliseconds.
    - TextGrid: see `lyricsep.formats.textgrid.read_textgrid`.
    - labels.txt: labels of Audacity. Any other txt is text without times.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 with a byte order mark; any line ends.

    Raises
    ------
    DatasetError
        If the suffix is none of these, or the file cannot be read, is in another encoding or is malformed.
    """
    name = shown(path)
    suffix = _suffix(path, _READERS)
    if not suffix:
        known = ", ".join(_READERS)
        raise DatasetError(f"{name}: lyrics are read from {known}, got {path.suffix!r}; rename or convert it")
    return _READERS[suffix](_read_text(path, name), name)


def lyrics_stem(path: Path) -> str:
    """Give the name of a file of lyrics without its suffix: ``song`` for ``song.words.lrc``."""
    return path.name[: len(path.name) - len(_suffix(path, TIMED_SUFFIXES))]


def find_lyrics(folder: Path, suffixes: Sequence[str] = LYRICS_SUFFIXES) -> dict[str, Path]:
    """Find files of lyrics below a folder, by name without suffix.

    Parameters
    ----------
    folder : Path
        Searched to the bottom; hidden files, the manifests of lyricsep, and what `lyricsep review` corrected below it
        are left out.
    suffixes : sequence of str
        Of several files of one name, that is taken whose suffix comes first.

    Returns
    -------
    dict of str to Path
        The names with the folders below `folder`, in order.
    """
    is_reviewed = (folder / CORRECTED / HISTORY).is_dir()
    ranks = {suffix.lower(): rank for rank, suffix in enumerate(suffixes)}
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.rglob("*")):
        name, suffix = path.relative_to(folder), _suffix(path, suffixes)
        hidden = any(part.startswith(".") for part in name.parts)
        is_manifest = suffix == ".json" and name.name.startswith("lyricsep-")
        is_correction = is_reviewed and name.parts[0] == CORRECTED
        if suffix and path.is_file() and not hidden and not is_manifest and not is_correction:
            stem = name.with_name(lyrics_stem(path)).as_posix()
            found[stem] = min(found.get(stem, (len(ranks), path)), (ranks[suffix], path))
    return {stem: path for stem, (_, path) in sorted(found.items())}


def _suffix(path: Path, suffixes: Iterable[str]) -> str:
    """Give the longest of the suffixes that a file has, in small letters, or the empty string."""
    name = path.name.lower()
    fitting = [suffix.lower() for suffix in suffixes if name.endswith(suffix.lower()) and len(name) > len(suffix)]
    return max(fitting, key=len, default="")


def _read_text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read ({error.strerror or error}); check the path") from error
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name}: expected UTF-8, got byte 0x{data[error.start]:02x} at {error.start}; save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_txt(text: str, _name: str) -> Transcript:
    return Transcript(tidy(text.split("\n")))


def _read_json(text: str, name: str) -> Transcript:
    lyrics, title, artist = read_document(text, name)
    return Transcript(
        sectioned(lyrics.lines),
        lyrics.lines,
        known_language(lyrics.language) or lyrics.language,
        lyrics.duration,
        lyrics.segments,
        lyrics.decodings,
        title,
        artist,
    )


_READERS: Mapping[str, Callable[[str, str], Transcript]] = {
    ".txt": _read_txt,
    ".lrc": read_lrc,
    ".srt": read_srt,
    ".vtt": read_vtt,
    ".json": _read_json,
    ".ass": read_ass,
    ".ttml": read_ttml,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".textgrid": read_textgrid,
    ".labels.txt": read_audacity,
}
