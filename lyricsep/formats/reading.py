"""Read lyrics files, written by lyricsep or other programs.

The same lyrics give the same text from every format, within its limits:

- txt, lrc and ttml store the complete text (lrc marks the end of each section with a timed empty line).
- The others store no sections; these are inferred from pauses and repetitions, as in the txt writer. Cues shorter
  than `lyricsep.formats.clock.MIN_CUE` are lengthened when they are written, so a pause that barely exceeds
  `SECTION_GAP`, or three times the song's median pause, may be lost.
- srt has no escapes: text that looks like a styling tag is read as one. Other angle brackets are text.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from lyricsep.documents import LyricsDocument
from lyricsep.encodings import read_text
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats.ass import read_ass
from lyricsep.formats.lrc import read_lrc
from lyricsep.formats.subtitles import read_srt, read_vtt
from lyricsep.formats.tables import read_audacity, read_table
from lyricsep.formats.textgrid import read_textgrid
from lyricsep.formats.transcript import Transcript, sectioned, tidy
from lyricsep.formats.ttml import read_ttml
from lyricsep.formats.whisper_json import from_whisper
from lyricsep.languages import known_language

logger = logging.getLogger(__name__)

T = TypeVar("T")

CORRECTED = "corrected"
"""Folder of corrected lyrics inside the output folder of a run."""

HISTORY = ".history"
"""Folder inside `CORRECTED` with every revision."""


LYRICS_SUFFIXES = (".json", ".txt", ".lrc", ".srt", ".vtt", ".ttml", ".ass", ".TextGrid", ".tsv", ".csv")
"""Suffixes of all formats that can be read, from the most to the least complete text."""

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
    r"""Read a lyrics file; the suffix determines the format, unless the content is surely another.

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
    - json: lyrics of lyricsep, or a transcript of Whisper (`lyricsep.formats.whisper_json`).
    - labels.txt: Audacity labels. Any other txt is text without times, unless it holds one of the above.

    Parameters
    ----------
    path : Path
        UTF-8, UTF-16 or UTF-32 (`lyricsep.encodings`); any line ends.

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
    text = read_text(path)
    is_json = suffix == ".json" and text.lstrip().startswith("{")  # parsed below, once
    content = suffix if is_json else _content_suffix(text) or suffix
    if content != suffix:
        _tell(f"{name}: is read as {content}, which its content is; rename it")
    elif content == ".txt":
        rows = [row for row in text.split("\n") if row.strip()]
        n_timed = sum(_TIMED_ROW.match(row) is not None for row in rows)
        if 4 * n_timed > len(rows):
            share = f"{n_timed} of {len(rows)} rows"
            _tell(f"{name}: {share} begin with a time, which is read as words; convert it to srt or lrc")
    return _READERS[content](text, name)


def timed_reader(text: str) -> Callable[[str, str], Transcript] | None:
    """Return what reads a text of unknown format, told by its first rows; None for plain text.

    The reader takes the text, with line feeds, and the name of the file for messages.
    """
    return _READERS.get(_content_suffix(text))


def _content_suffix(text: str) -> str:
    """Return the suffix of the format that a text is surely in; the empty string for plain text."""
    rows = [row for row in text.split("\n") if row.strip()]
    if not rows:
        return ""
    first, second = rows[0].strip(), "".join(rows[1:2]).strip()
    for suffix, is_written in (
        (".vtt", first.startswith("WEBVTT")),
        (".srt", _CUE.match(first) or (first.isdigit() and _CUE.match(second))),
        (".ass", first.lower() == "[script info]"),
        (".textgrid", first.startswith("File type") and second.endswith('"TextGrid"')),
        (".ttml", _TT.match(text)),
        (".csv", _is_header(first.split(","))),
        (".tsv", _is_header(first.split("\t"))),
        (".labels.txt", all(_LABEL.fullmatch(row) for row in rows)),
        (".lrc", _is_lrc(rows)),
        (".json", first[0] in "{[" and _is_json_lyrics(text)),
    ):
        if is_written:
            return suffix
    return ""


_CUE = re.compile(r"(?:\d+:)?\d+:\d\d[.,]\d+ *-->")
_TT = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:\w+:)?tt[\s>]", re.DOTALL)
_LABEL = re.compile(r"\d+(?:\.\d+)?\t\d+(?:\.\d+)?(?:\t.*)?|\\\t.*")  # the second kind is a frequency range
# Times that no reader knows: of transcripts of videos, MicroDVD, MPL2, labels with decimal commas.
_TIMED_ROW = re.compile(r"\W*\d+:\d\d\b|\{\d+\}\{\d+\}|\[\d+\]\[\d+\]|\d+[.,]\d+\t\d+[.,]\d+(?:\t|$)")
_LRC_TAG = re.compile(r"\[[a-z#]+:.*\]", re.IGNORECASE)
_LRC_TIME = re.compile(r"\[\d+:[0-5]\d(?:[.:,]\d+)?\]")


def _is_header(cells: Sequence[str]) -> bool:
    """Return whether a table with this header holds lines of lyrics."""
    names = {cell.strip().strip('"').lower() for cell in cells}
    return all(names & {ours, jamendo} for ours, jamendo in _COLUMNS)


_COLUMNS = (("start", "start_time"), ("end", "end_time"), ("text", "lyrics_line"))


def _is_lrc(rows: Iterable[str]) -> bool:
    """Return whether a text is LRC: at least half of its rows, without the tags, begin with a time."""
    contents = [row for row in map(str.strip, rows) if not _LRC_TAG.fullmatch(row)]
    return 0 < len(contents) <= 2 * sum(_LRC_TIME.match(row) is not None for row in contents)


def _is_json_lyrics(text: str) -> bool:
    try:
        return _is_lyrics(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _is_lyrics(document: object) -> bool:
    is_ours = isinstance(document, dict) and document.get("schema") == LyricsDocument.SCHEMA
    return is_ours or from_whisper(document) is not None


@cache  # some commands read a file more than once
def _tell(warning: str) -> None:
    logger.warning("%s", warning)


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
        If several files share a name, the one whose suffix comes first is returned. JSON and tables that hold no
        lyrics, and segments, are skipped.
    below : bool
        Also search the folders in it.

    Returns
    -------
    dict of str to Path
        Paths by name relative to `folder`, sorted.
    """
    is_reviewed = (folder / CORRECTED / HISTORY).is_dir()
    ranks = {suffix.lower(): rank for rank, suffix in enumerate(suffixes)}
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in sorted(folder.rglob("*") if below else folder.iterdir()):
        name, suffix = path.relative_to(folder), _suffix(path, suffixes)
        hidden = any(part.startswith(".") for part in name.parts)
        is_manifest = suffix == ".json" and name.name.startswith("lyricsep-")
        is_correction = is_reviewed and name.parts[0] == CORRECTED
        if suffix and path.is_file() and not hidden and not is_manifest and not is_correction:
            found[name.with_name(lyrics_stem(path)).as_posix()].append((ranks[suffix], path))
    lyrics, others = {}, []
    for stem, files in sorted(found.items()):
        for _, path in sorted(files):
            if _may_be_lyrics(path):
                lyrics[stem] = path
                break
            others.append(path)
    foreign = [path for path in others if path.suffix.lower() == ".json" and b'"lyricsep/' not in _head(path)]
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        logger.warning("%s%s: skipped, as JSON of another kind", shown(foreign[0]), more)
    return lyrics


def _may_be_lyrics(path: Path) -> bool:
    """Return False for a file that is surely something else: segments, a table of songs, JSON of another kind."""
    name = path.name.lower()
    if name.endswith(_SEGMENTS_SUFFIXES):
        return False
    try:
        if name.endswith(".json"):
            # Most files are ours, and then parsed only once.
            return LyricsDocument.SCHEMA.encode() in _head(path) or _is_lyrics(json.loads(read_text(path)))
        if name.endswith((".csv", ".tsv")):
            first = read_text(path).lstrip("\n").partition("\n")[0]
            return _content_suffix(first) != ""  # ours have a header even without lines
    except (DatasetError, OSError, ValueError, RecursionError):
        pass  # reported when the lyrics are read
    return True


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)


_SEGMENTS_SUFFIXES = (".segments.csv", ".segments.json", ".segments.txt", ".segments.textgrid")


def match_names(names: Iterable[str], files: Mapping[str, T], *, anywhere: bool = False) -> dict[str, T]:
    """Return what belongs to each name of a song, by names without suffixes and with ``/`` between their parts.

    An equal name comes first, then one that differs only in case or Unicode normal form. Where it is not clear what
    belongs to what, nothing is matched, and a warning tells the names.

    Parameters
    ----------
    names : iterable of str
        Names of songs.
    files : mapping of str to anything
        Lyrics, sound or references by their names.
    anywhere : bool
        For the names that are left, compare the last parts: folders may be kept or not.

    Returns
    -------
    dict
        By name, without the names that have nothing.
    """
    names = list(names)
    found = {name: files[name] for name in names if name in files}
    taken, settled = set(found), set(found)
    ways = [(match_key, "differ only in case or Unicode normal form")]
    ways += [(_last_key, "have the same name in different folders")] if anywhere else []
    for key, problem in ways:
        offered, wanting = defaultdict(list), defaultdict(list)
        for file in files:
            offered[key(file)].append(file)
        for name in names:
            if name not in settled:
                wanting[key(name)].append(name)
        for shared, some in wanting.items():
            fitting = offered[shared]
            if len(fitting) == len(some) == 1 and fitting[0] not in taken:
                found[some[0]] = files[fitting[0]]
                taken.add(fitting[0])
                settled.add(some[0])
            elif not taken.issuperset(fitting):
                one, other = (fitting if len(fitting) > 1 else some)[:2]
                logger.warning(
                    "%s and %s %s, so neither is matched; rename one", shown(Path(one)), shown(Path(other)), problem
                )
                settled.update(some)
    return found


def _last_key(stem: str) -> str:
    return match_key(stem.rpartition("/")[2])


def match_key(stem: str) -> str:
    """Return a name by which songs and lyrics match: whatever its case and Unicode normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def _suffix(path: Path, suffixes: Iterable[str]) -> str:
    """Return the longest matching suffix of a file in lower case, or the empty string."""
    name = path.name.lower()
    fitting = [suffix.lower() for suffix in suffixes if name.endswith(suffix.lower()) and len(name) > len(suffix)]
    return max(fitting, key=len, default="")


def _read_json(text: str, name: str) -> Transcript:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        document = LyricsDocument.from_json(text, name=name)  # raises the error
    else:
        if not isinstance(parsed, dict) or "schema" not in parsed:
            transcript = from_whisper(parsed)
            if transcript is None:
                raise DatasetError(
                    f"{name}: is JSON, but neither lyrics of lyricsep nor a transcript of Whisper; convert it to srt"
                )
            return transcript
        document = LyricsDocument.from_dict(parsed, name=name)
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
