"""Read lyrics files, written by lyricsep or other programs.

The same lyrics give the same text from every format, within its limits:

- txt, lrc and ttml store the complete text (lrc marks the end of each section with a timed empty line).
- The others store no sections; these are inferred from pauses and repetitions, as in the txt writer. Cues shorter
  than `lyricsep.formats.clock.MIN_CUE` are lengthened when they are written, so a pause that barely exceeds
  `SECTION_GAP`, or three times the song's median pause, may be lost.
- srt has no escapes: text that looks like a styling tag is read as one. Other angle brackets are text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from lyricsep.documents import LyricsDocument
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats.ass import read_ass
from lyricsep.formats.lrc import read_lrc
from lyricsep.formats.subtitles import read_srt, read_vtt
from lyricsep.formats.tables import read_audacity, read_table
from lyricsep.formats.textgrid import read_textgrid
from lyricsep.formats.transcript import Transcript, sectioned, tidy
from lyricsep.formats.ttml import read_ttml
from lyricsep.languages import known_language

CORRECTED = "corrected"
"""Folder of corrected lyrics inside the output folder of a run."""

HISTORY = ".history"
"""Folder inside `CORRECTED` with every revision."""


LYRICS_SUFFIXES = (".json", ".txt", ".lrc", ".srt", ".vtt", ".ttml", ".ass", ".TextGrid")
"""Suffixes that identify lyrics files, from the most to the least complete text.

Tables (csv, tsv) can be read too, but many files with these suffixes are not lyrics.
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
"""Suffixes of all formats that can be read, from the most to the least complete times."""


def read_lyrics(path: Path) -> Transcript:
    r"""Read a lyrics file; the suffix determines the format.

    - An empty file is empty lyrics, except for json, where it is an error.
    - lrc: several times before one text repeat the line. The tags ``[offset:]`` (positive: lyrics are shown
      earlier), title, artist and length are read. Word times (``<mm:ss.xx>``) become `Line.words`. A line ends at
      the next time, or with its last word if the file has its end; without either, the last line ends at its start.
    - srt, vtt, ass: each row of a cue is a line with the times of the cue; styling is ignored. Word times in vtt
      (``<hh:mm:ss.xxx>``) and ass (``\k``) become `Line.words`; pieces without a space between them are one word.
    - ttml: see `lyricsep.formats.ttml.read_ttml`.
    - csv, tsv: columns start, end (seconds) and text, named in the header; a tsv whose times are all whole numbers
      is read as Whisper's, in milliseconds.
    - TextGrid: see `lyricsep.formats.textgrid.read_textgrid`.
    - labels.txt: Audacity labels. Any other txt is text without times.

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
        raise DatasetError(f"{name}: expected a suffix among {known}, got {path.suffix!r}; rename or convert it")
    return _READERS[suffix](_read_text(path, name), name)


def timed_reader(text: str) -> Callable[[str, str], Transcript] | None:
    """Return what reads a text of unknown format (LRC, SRT or WebVTT), told by its first rows; None for plain text.

    The reader takes the text, with line feeds, and the name of the file for messages.
    """
    rows = [row.strip() for row in text.split("\n") if row.strip()]
    contents = [row for row in rows if not re.fullmatch(r"\[[a-z#]+:.*\]", row, re.IGNORECASE)]
    if contents and re.match(r"\[\d+:\d\d(?:[.:,]\d+)?\]", contents[0]):
        return read_lrc
    if rows and rows[0].startswith("WEBVTT"):
        return read_vtt
    if re.match(r"\d+:\d\d:\d\d[.,]\d+ *-->", "".join(rows[1:2])) and rows[0].isdigit():
        return read_srt
    return None


def lyrics_stem(path: Path) -> str:
    """Return the name of a lyrics file without its suffix: ``song`` for ``song.words.lrc``."""
    return path.name[: len(path.name) - len(_suffix(path, TIMED_SUFFIXES))]


def find_lyrics(folder: Path, suffixes: Sequence[str] = LYRICS_SUFFIXES, *, below: bool = True) -> dict[str, Path]:
    """Return the lyrics files below a folder, by name without suffix.

    Parameters
    ----------
    folder : Path
        Searched recursively; hidden files, manifests of lyricsep and the corrections of `lyricsep review` are
        skipped.
    suffixes : sequence of str
        If several files share a name, the one whose suffix comes first is returned.
    below : bool
        Also search the folders in it.

    Returns
    -------
    dict of str to Path
        Paths by name relative to `folder`, sorted.
    """
    is_reviewed = (folder / CORRECTED / HISTORY).is_dir()
    ranks = {suffix.lower(): rank for rank, suffix in enumerate(suffixes)}
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.rglob("*") if below else folder.iterdir()):
        name, suffix = path.relative_to(folder), _suffix(path, suffixes)
        hidden = any(part.startswith(".") for part in name.parts)
        is_manifest = suffix == ".json" and name.name.startswith("lyricsep-")
        is_correction = is_reviewed and name.parts[0] == CORRECTED
        if suffix and path.is_file() and not hidden and not is_manifest and not is_correction:
            stem = name.with_name(lyrics_stem(path)).as_posix()
            found[stem] = min(found.get(stem, (len(ranks), path)), (ranks[suffix], path))
    return {stem: path for stem, (_, path) in sorted(found.items())}


def match_key(stem: str) -> str:
    """Return a name by which songs and lyrics match: whatever its case and Unicode normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def _suffix(path: Path, suffixes: Iterable[str]) -> str:
    """Return the longest matching suffix of a file in lower case, or the empty string."""
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


def _read_json(text: str, name: str) -> Transcript:
    document = LyricsDocument.from_json(text, name=name)
    kept = {each.name: getattr(document, each.name) for each in fields(Transcript) if each.name != "text"}
    kept["language"] = known_language(document.language) or document.language
    return Transcript(sectioned(document.lines), **kept)


_READERS: Mapping[str, Callable[[str, str], Transcript]] = {
    ".txt": lambda text, _name: Transcript(tidy(text.split("\n"))),
    ".lrc": read_lrc,
    ".srt": read_srt,
    ".vtt": read_vtt,
    ".json": _read_json,
    ".ass": read_ass,
    ".ttml": read_ttml,
    ".csv": partial(read_table, delimiter=","),
    ".tsv": partial(read_table, delimiter="\t"),
    ".textgrid": read_textgrid,
    ".labels.txt": read_audacity,
}
