"""Read known lyrics as people have them: with headers, repeats, credits and what websites add.

Only what is sung becomes a line. Headers, credits and notes are kept in `KnownLine.section` of the line after them,
and those after the last line in `KnownLyrics.closing`. A row that could be sung is sung.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from charset_normalizer import from_bytes

from lyricsep.aligners.words import KnownLine, KnownLyrics, sung_form
from lyricsep.encodings import decode_text, text_encoding
from lyricsep.errors import DatasetError, reason_of
from lyricsep.files import shown
from lyricsep.formats import Transcript, read_lyrics
from lyricsep.formats.reading import timed_reader
from lyricsep.languages import WHISPER_LANGUAGES, known_language
from lyricsep.lyrics import NOT_SUNG

logger = logging.getLogger(__name__)

MOST_REPEATS = 20
ENCODINGS = ("cp1252", "cp1251", "cp1253", "cp932", "gb18030", "big5", "cp949")
"""Encodings to guess among: without others of Latin letters, which are mistaken for cp1252."""

_INVISIBLE = "\ufeff\u200b\u200e\u200f"

# Headers. The words of `_SUNG_TOO` need brackets, a colon or a number.
_CHORUS = "chorus|refrain|hook|coro|estribillo|ritornello|refrão"
_SECTION = (
    rf"verse|{_CHORUS}|(?:pre|post|pré|prè|pos|pós)[- ]?(?:{_CHORUS})|bridge|intro|introduction"
    "|introducción|introdução|outro|interlude|instrumental(?: break)?|guitar solo|breakdown|middle (?:8|eight)"
    "|couplet|pont|strophe|zwischenspiel|kehrvers|verso|estrofa|puente|strofa|ponte|estrofe"
)
_SUNG_TOO = "break|coda|drop|ending|part|parte|partie|skit|solo|spoken|tag|teil|vamp|vers"
_ORDINAL = r"(?:(?:\d{1,2}(?:st|nd|rd|th|er|e|ème|\.|[ªº])?|final|first|last|repeat|second|third)\s+)?"
_NUMBER = r"(?P<number>\s*(?:\d{1,2}|\b[ivx]+))?"
_NAME = re.compile(rf"{_ORDINAL}(?:(?P<sure>{_SECTION})|{_SUNG_TOO}){_NUMBER}", re.IGNORECASE)
_REPEATED_NAME = re.compile(r"(?:final|last|repeat)\s+", re.IGNORECASE)

_TIMES = r"(?:[x×]\s?\d+|\d+\s?[x×]|bis)"
_HEADER = re.compile(
    r"(?P<open>[\[【(]?)(?P<name>[^\[\]【】]*?)"
    rf"(?P<inner>\s*(?:[(（]{_TIMES}[)）]|(?<!\w){_TIMES}))?"
    r"(?P<close>[\]】)]?)(?P<colon>\s?[:：])?"
    rf"(?P<outer>\s*(?:[(（\[]{_TIMES}[)）\]]|(?<!\w){_TIMES}))?",
    re.IGNORECASE,
)
_LINE_REPEAT = re.compile(rf"\s*[(（\[]\s?{_TIMES}\s?[)）\]]$|\s[x×]\d+$", re.IGNORECASE)

# Credits and notes.
_ROLE = (
    "lyrics?|lyricist|words|music|songwriters?|writers?|writer\\(s\\)|written|composers?|composed|producers?|produced"
    "|arrangements?|arrangers?|arranged|performed|authors?|album|year|genre|source|label|publishers?|copyright"
    "|paroles|musique|auteurs?|compositeurs?|interprètes?|écrit|produit|composé"
    "|songtext|text|musik|worte|komponist(?:en)?|geschrieben|produziert|komponiert"
    "|letras?|música|autor(?:es)?|compositor(?:es)?|escrit[ao]|compuest[ao]|composição|compost[ao]"
    "|testo|musica|autor[ei]|compositor[ei]|scritt[ao]|prodott[ao]"
    "|作[詞词曲]|編曲|编曲|[詞词曲]|작사|작곡|편곡"
)
_ROLES = rf"(?:{_ROLE})(?:\s*(?:[&,/+]|\b(?:and|et|und|e|y)\b)\s*(?:{_ROLE}))*"
_BY = "by|par|von|de|da|di|por"
_NOTE = re.compile(
    r".*(?:[©℗]|https?://|\bwww\.\w|\([cp]\)\s*(?:19|20)\d\d).*"
    r"|copyright\b.*\b(?:19|20)\d\d\b.*|all rights reserved\W*"
    r"|\d+ contributors?(?:.*lyrics)?|you might also like|see .+ live\s?get tickets as low as \$\d+|\d*embed"
    rf"|{_ROLES}(?:\s+(?:{_BY}))?\s?[:：].*",
    re.IGNORECASE,
)
_CREDIT = re.compile(rf"{_ROLES}\s+(?:{_BY})\s+(?=\S)", re.IGNORECASE)
_TITLE = re.compile(r"(?:(?:song )?title|titre|titel|título|titolo|曲名)\s?[:：]\s*(?P<value>.+)", re.IGNORECASE)
_ARTIST = re.compile(r"(?:artiste?|artista|interpret|künstler|singer|歌手)\s?[:：]\s*(?P<value>.+)", re.IGNORECASE)
_SIDES = re.compile(r"\s[-–—]\s|\sby\s")
_LYRICS_OF = re.compile(r"\W*\b(?:lyrics|songtext|paroles|letra|testo)\W*$", re.IGNORECASE)
_BROKEN_HEADER = re.compile(
    rf"^([ \t]*\[{_ORDINAL}(?:{_SECTION}|{_SUNG_TOO})\b[^\[\]\n]*)\n([^\[\]\n]*\][ \t]*)$",
    re.IGNORECASE | re.MULTILINE,
)
# Pages of Genius join what they add to the rows beside it.
_JOINED_ROWS = re.compile(
    r"\A(?:\d+ Contributors?.*? Lyrics)(?=\S)|(?<=\S)(?=You might also like)|(?<=You might also like)(?=\S)"
    r"|(?<=[^\s\d])(?=\d*Embed\s*\Z)"
)


@dataclass(frozen=True)
class _Header:
    """A header or a repeat marker alone on a row.

    Parameters
    ----------
    text : str
        As written, without the marker; empty for a marker.
    times : int
        How often the block is sung.
    """

    text: str
    times: int

    @property
    def name(self) -> str:
        """The section's name, to find it again."""
        name = _REPEATED_NAME.sub("", self.text.strip("[]【】() "))
        return " ".join(re.findall(r"\w+", re.split("[:：]", name)[0].casefold()))


@dataclass
class _Block:
    """Lines below a blank row, a header or notes."""

    is_apart: bool = False
    opening: list[str] = field(default_factory=list)
    name: str = ""
    times: int = 1
    lines: list[str] = field(default_factory=list)


def known_lyrics(text: str, *, title: str | None = None, fill_repeats: bool = False) -> KnownLyrics:
    """Read lyrics from plain text.

    - Headers: a row in ``[brackets]``, or the name of a section (``Chorus:``, ``(Bridge)``, ``Verse 2``).
    - Repeats: ``(x2)``, ``x2``, ``[2x]`` or ``(bis)`` at the end of a line repeat the line; in or after a header, or
      alone on a row, they repeat the block since the last header or blank row.
    - Credits and notes that are not sung: ``Lyrics by ...``, ``Artist: ...``, copyright, addresses of websites and
      what they add, the title in the first row.

    Parameters
    ----------
    text : str
        The lyrics.
    title : str, optional
        Title of the song, also as ``Artist - Title``, to tell a first row that repeats it.
    fill_repeats : bool
        Sing the lines of a section again where only its header is written.

    Returns
    -------
    KnownLyrics
        Each line as often as it is sung; title and artist where the text states them.
    """
    text = _JOINED_ROWS.sub(r"\g<0>\n", "\n".join(text.strip().splitlines()))
    rows = [_squeezed(row) for row in _BROKEN_HEADER.sub(r"\1 \2", text).split("\n")]
    names = _named_in_first_row(rows, title)
    notes = _notes(rows, has_title=bool(names))
    for row in (rows[index] for index in sorted(notes)):
        for key, label in (("title", _TITLE), ("artist", _ARTIST)):
            if found := label.fullmatch(row):
                names.setdefault(key, found["value"])
    lines, closing = _sung(_blocks(rows, notes), fill_repeats=fill_repeats)
    return KnownLyrics(tuple(lines), names.get("title"), names.get("artist"), closing=closing)


def read_known(path: Path, *, fill_repeats: bool = False) -> KnownLyrics:
    """Read lyrics from a file of any format that `lyricsep.formats.read_lyrics` reads.

    Lines of timed formats keep their times; headers and credits among them are not lines. A txt may hold timed lyrics
    (LRC, SRT or WebVTT), and need not be UTF-8.

    Parameters
    ----------
    path : Path
        The suffix determines the format.
    fill_repeats : bool
        As in `known_lyrics`; for text without times.

    Raises
    ------
    DatasetError
        If the file cannot be read, is malformed or has no lyrics.
    """
    name = path.name.lower()
    if name.endswith((".txt", ".lrc", ".srt")) and not name.endswith(".labels.txt"):
        return read_text(_decoded(path), shown(path), title=path.stem, fill_repeats=fill_repeats)
    return _not_empty(from_transcript(read_lyrics(path)), shown(path))


def read_text(text: str, name: str, *, title: str | None = None, fill_repeats: bool = False) -> KnownLyrics:
    """Read lyrics from text: plain, or timed as LRC, SRT or WebVTT.

    Parameters
    ----------
    text : str
        The lyrics.
    name : str
        What errors call it.
    title, fill_repeats
        As in `known_lyrics`; for text without times.

    Raises
    ------
    DatasetError
        If timed lyrics are malformed, or there are no lyrics.
    """
    text = "\n".join(text.splitlines())
    reader = timed_reader(text)
    if reader:
        return _not_empty(from_transcript(reader(text, name)), name)
    return _not_empty(known_lyrics(text, title=title, fill_repeats=fill_repeats), name)


def _not_empty(known: KnownLyrics, name: str) -> KnownLyrics:
    if not known.words:
        raise DatasetError(f"{name}: has no lyrics", hint="write the words of the song into it, one line a row")
    return known


def from_transcript(transcript: Transcript, *, fill_repeats: bool = False) -> KnownLyrics:
    """Return the known lyrics of a transcript, such as that of a song's tags (`lyricsep.formats.tags.read_tagged`).

    Lines keep their times; headers and credits among them are not lines. A blank line of the text opens a section.
    A transcript without times is read as `known_lyrics`.
    """
    if not transcript.lines:
        known = known_lyrics(transcript.text, title=transcript.title, fill_repeats=fill_repeats)
        return replace(
            known,
            title=transcript.title or known.title,
            artist=transcript.artist or known.artist,
            language=transcript.language,
        )
    rows = transcript.text.split("\n")
    timed = [line for line in transcript.lines if line.text.strip()]
    if [row for row in rows if row] != [line.text.strip() for line in timed]:
        rows = [line.text.strip() for line in timed]  # in another order, or with other rows between
    lines: list[KnownLine] = []
    opening: list[str] = []
    is_apart = False
    following = iter(timed)
    for row in rows:
        if not row:
            is_apart = True
            continue
        line = next(following)
        if _header(row) or _is_note(row):
            opening.append(row)
            continue
        opening += [line.section] if line.section else []
        section = _section(opening, is_apart=is_apart and bool(lines))
        span = (None, None) if NOT_SUNG in line.flags else (line.start, line.end)
        lines.append(KnownLine(_squeezed(line.text), section, *span))
        opening, is_apart = [], False
    language = known_language(transcript.language) if transcript.language else None
    if language not in WHISPER_LANGUAGES:
        language = None
    return KnownLyrics(tuple(lines), transcript.title, transcript.artist, language, "\n".join(opening))


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read ({reason_of(error)}); check the path") from error
    try:
        return decode_text(data, shown(path))
    except DatasetError:
        if text_encoding(data) != "utf-8-sig" or b"\0" in data:
            raise
        best = from_bytes(data, cp_isolation=list(ENCODINGS)).best()
        guess = best.encoding if best else ENCODINGS[0]
        logger.warning("%s: is not UTF-8; read as %s. If letters are wrong, save it as UTF-8", shown(path), guess)
        return data.decode(guess, errors="replace")


def _squeezed(row: str) -> str:
    return " ".join(row.strip(_INVISIBLE).split())


def _section(opening: Sequence[str], *, is_apart: bool) -> str | None:
    return "\n".join(opening) if opening or is_apart else None


def _blocks(rows: Sequence[str], notes: set[int]) -> list[_Block]:
    blocks = [_Block()]
    for index, row in enumerate(rows):
        block = blocks[-1]
        header = None if index in notes else _header(row)
        is_bare = not (block.lines or block.name or block.times > 1)  # nothing but notes
        if not row:
            if not is_bare:
                blocks.append(_Block(is_apart=True))
            elif len(blocks) > 1:
                block.is_apart = True
        elif index in notes:
            if block.lines:
                blocks.append(block := _Block())
            block.opening.append(row)
        elif header and header.text:
            if not is_bare:
                blocks.append(block := _Block())
            block.opening.append(row)
            block.name, block.times = header.name, header.times
        elif header:
            ends = index + 1 == len(rows) or not rows[index + 1]
            if is_bare and ends and len(blocks) > 1 and blocks[-2].lines:
                block = blocks[-2]  # below a blank row, and the end of nothing else
            elif not block.lines:
                block.opening.append(row)
            block.times = header.times
        else:
            block.lines.append(row)
    return blocks


def _sung(blocks: Sequence[_Block], *, fill_repeats: bool) -> tuple[list[KnownLine], str]:
    """Return the lines of blocks as often as they are sung, and what follows the last."""
    lines: list[KnownLine] = []
    named: dict[str, list[KnownLine]] = {}
    opening: list[str] = []
    is_apart = False
    for block in blocks:
        is_apart |= block.is_apart
        sung = [KnownLine(text) for row in block.lines for text in _repeated(row)]
        if block.name and sung:
            named[block.name] = sung
        elif fill_repeats and not sung:
            sung = named.get(block.name, [])
        if sung:  # then the marker of a header is followed
            headers = [(_header(row), row) for row in block.opening]
            opening += [text for header, row in headers if (text := header.text if header else row)]
            lines.append(replace(sung[0], section=_section(opening, is_apart=is_apart and bool(lines))))
            lines += sung[1:]
            lines += [replace(sung[0], section=""), *sung[1:]] * (block.times - 1)
            opening, is_apart = [], False
        else:
            opening += block.opening
    return lines, "\n".join(opening)


def _repeated(row: str) -> list[str]:
    found = _LINE_REPEAT.search(row)
    times = _times(found[0]) if found else 1
    return [row[: found.start()]] * times if found and times > 1 else [row]


def _times(marker: str) -> int:
    """Return how often a marker says to sing; 1 where it cannot be meant."""
    number = re.search(r"\d+", marker)
    times = int(number[0][:9]) if number else 2
    return times if times <= MOST_REPEATS else 1


def _header(row: str) -> _Header | None:
    """Return the header or the repeat marker that a row is, or None."""
    found = _HEADER.fullmatch(row)
    if found is None or not row:
        return None
    brackets = found["open"] + found["close"]
    name, marker = found["name"], found["inner"] or found["outer"] or ""
    times = _times(marker) if marker else 1
    if not name:
        is_word = not re.search(r"\d", marker) and not re.search(r"[(（\[]", row)
        if times > 1 and not is_word:
            return _Header("", times)
        return _Header(row, 1) if brackets in ("[]", "【】") and sung_form(row) else None
    known = _NAME.fullmatch(name.strip("-–—*~=# "))
    is_sure = known is not None and bool(known["sure"] or known["number"])
    is_header = {"[]": bool(sung_form(name)), "【】": bool(sung_form(name)), "()": is_sure}.get(
        brackets, not brackets and (is_sure or (known is not None and bool(found["colon"])))
    )
    if not is_header:
        return None
    text = found["open"] + name + found["close"] + (found["colon"] or "")
    return _Header(text, times) if times > 1 else _Header(row, 1)


def _is_note(row: str) -> bool:
    return not sung_form(row) or any(form.fullmatch(row) for form in (_NOTE, _TITLE, _ARTIST))


def _notes(rows: Sequence[str], *, has_title: bool) -> set[int]:
    """Return the indices of rows that are not sung."""
    written = [index for index, row in enumerate(rows) if row]
    notes = {index for index in written if _is_note(rows[index])}
    if has_title:
        notes.add(written[0])
    head = _edge(written, rows, notes)
    tail = _edge(written[::-1], rows, notes)
    return notes.union(head, tail if tail and not rows[tail[-1] - 1] else ())


def _edge(indices: Iterable[int], rows: Sequence[str], notes: set[int]) -> list[int]:
    """Return the rows before the first that is neither a note nor a credit."""
    return list(takewhile(lambda index: index in notes or _is_credit(rows[index]), indices))


def _is_credit(row: str) -> bool:
    """Return whether a row at either end of the lyrics names an author; elsewhere it could be sung."""
    found = _CREDIT.match(row)
    return found is not None and not row[found.end()].islower()


def _named_in_first_row(rows: Sequence[str], title: str | None) -> dict[str, str]:
    """Return title and artist if the first row states them, and is no line of the song."""
    first, *others = [*rows, ""]
    following = others[0] if others else ""
    if not any(others) or _header(first) or _is_note(first):
        return {}
    is_alone = not following or bool(_header(following)) or _is_note(following)
    plain = _LYRICS_OF.sub("", first)
    sides = [side.strip("\"'“”«»„ ") for side in _SIDES.split(plain)]
    titles = {_folded(title), _folded(_SIDES.split(title)[-1])} if title else set()
    if not is_alone and (len(sides) == 1 or _folded(plain) not in titles):
        return {}
    if len(sides) == 1:
        return {"title": sides[0]} if _folded(plain) in titles else {}
    if len(sides) > 2:
        return {}
    is_named = titles.intersection(map(_folded, (plain, *sides)))
    is_like_names = " by " not in plain and not any(side[:1].islower() for side in sides) and sides[0] != sides[1]
    if not is_named and not (is_like_names and first not in others and plain[-1].isalnum()):
        return {}
    if " by " in plain or _folded(sides[0]) in titles:
        sides.reverse()
    return dict(zip(("artist", "title"), sides, strict=True))


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
