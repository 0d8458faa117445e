"""TTML, the subtitle format of broadcasters and streaming services: lines, with one ``div`` per section.

Times are rounded to milliseconds. Word times are not written: TTML would show each word alone.

References
----------
TTML: https://www.w3.org/TR/ttml2/
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from lyricsep.errors import DatasetError
from lyricsep.formats.clock import cue_ticks, from_minutes, hms
from lyricsep.formats.sections import section_ends
from lyricsep.formats.transcript import Transcript, in_order, in_parentheses, is_sung, sung, tidy
from lyricsep.languages import known_language
from lyricsep.lyrics import Line, Lyrics

_CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9}(?:\.\d+)?)")
_OFFSET = re.compile(r"(\d{1,12}(?:\.\d+)?)(h|m|s|ms)?")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, None: 1.0}
_XML = "{http://www.w3.org/XML/1998/namespace}"
# Roles of Apple Music and others.
_BACKGROUND = "x-bg"
_NOT_SUNG = re.compile(r"x-(?:translat|translit|roman)")
# Characters that XML cannot contain.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_ttml(lyrics: Lyrics, *, title: str | None = None) -> str:
    """Return lyrics as TTML, with a title in its head; an empty body for an instrumental.

    Lines are in order of start; those without text are skipped.
    """
    language = f" xml:lang={quoteattr(lyrics.language)}" if lyrics.language else ' xml:lang=""'
    rows = ['<?xml version="1.0" encoding="UTF-8"?>']
    rows += [
        f'<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"{language} '
        'xml:space="preserve">'
    ]
    if title:
        rows += [f"<head><metadata><ttm:title>{_escape(title)}</ttm:title></metadata></head>"]
    rows += ["<body>", *_sections(lyrics), "</body>", "</tt>"]
    return "\n".join(rows) + "\n"


def _sections(lyrics: Lyrics) -> Iterator[str]:
    section: list[str] = []
    for line, end in zip(lyrics.lines, section_ends(lyrics), strict=True):
        if line.text.strip():
            begin, stop = cue_ticks(line.start, line.end, 1000)
            section.append(f'<p begin="{hms(begin)}" end="{hms(stop)}">{_escape(line.text)}</p>')
        if end is not None and section:
            yield "\n".join(["<div>", *section, "</div>"])
            section = []


def _escape(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def read_ttml(text: str, name: str) -> Transcript:
    """Read TTML; see `lyricsep.formats.reading.read_lyrics`.

    Times are relative to the enclosing element, as TTML specifies, except in Apple Music files (with
    ``itunes:timing``), where they are relative to the start of the song. Word times are ignored; times in frames or
    ticks are not supported.
    """
    if not text.strip():
        return Transcript("")
    if "<!DOCTYPE" in text:
        raise DatasetError(f"{name}: expected TTML, got XML with a document type; remove it, or convert the file")
    try:
        # Without a document type no entities can be declared, so none can expand without limit.
        root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314
    except ET.ParseError as error:
        raise DatasetError(f"{name}: not XML ({error}); correct it") from error
    if _tag(root) != "tt":
        raise DatasetError(f"{name}: expected TTML, got <{_tag(root)}>; rename the file")
    is_relative = not any(key.endswith("}timing") for key in root.attrib)
    try:
        found = list(_lines(root, 0.0, is_relative))
    except RecursionError as error:
        raise DatasetError(f"{name}: has elements in too many others; convert it with a subtitle editor") from error
    except ValueError as error:
        raise DatasetError(f"{name}: {error}; correct it, or convert it with a subtitle editor") from error
    return Transcript(
        tidy(line.text if line and is_sung(line.text) else "" for line in found),
        in_order(sung((line for line in found if line), name)),
        language=known_language(root.get(_XML + "lang")),
        title=next(("".join(title.itertext()).strip() for title in root.iter() if _tag(title) == "title"), None)
        or None,
    )


def _lines(element: ET.Element, since: float, is_relative: bool) -> Iterator[Line | None]:
    """Yield the lines below an element in document order, and None at the end of each section."""
    if _is_beside(element):
        return
    start = round(since + _seconds(element.get("begin", "0s")), 6)
    if _tag(element) == "p":
        rows = [row.strip() for row in _content(element).split("\n")]
        yield from (Line(start, _end(element, start, since), row) for row in rows if row)
        return
    for child in element:
        yield from _lines(child, start if is_relative else 0.0, is_relative)
    if _tag(element) == "div":
        yield None


def _end(element: ET.Element, start: float, since: float) -> float:
    if "begin" not in element.attrib or not {"end", "dur"} & set(element.attrib):
        raise ValueError(f"<p> at {start:.3f} s has no begin with end or dur")
    ends = [since + _seconds(element.attrib["end"])] if "end" in element.attrib else []
    ends += [start + _seconds(element.attrib["dur"])] if "dur" in element.attrib else []
    return round(min(ends), 6)


def _content(element: ET.Element) -> str:
    """Return the text below an element, with its line breaks; background vocals are in parentheses."""
    text = _plain(element.text)
    for child in element:
        content = "" if _is_beside(child) else "\n" if _tag(child) == "br" else _content(child)
        for piece in (content, _plain(child.tail)):
            text += piece.lstrip(" ") if text.endswith(" ") else piece
    if _BACKGROUND in _roles(element) and text.strip():
        # It follows what others sing, often without a space.
        return f" {in_parentheses(text.strip())} "
    return text


def _roles(element: ET.Element) -> list[str]:
    return _attribute(element, "role").split()


def _is_beside(element: ET.Element) -> bool:
    """Return whether an element says something about the lyrics, such as a translation or how to read a ruby."""
    return (
        _tag(element) == "metadata"
        or "#metadata}" in element.tag
        or _attribute(element, "ruby") in ("text", "textContainer", "delimiter")
        or any(map(_NOT_SUNG.match, _roles(element)))
    )


def _attribute(element: ET.Element, name: str) -> str:
    """Return an attribute of any namespace, as versions of TTML have their own; the empty string if it is missing."""
    return next((value for key, value in element.attrib.items() if key.endswith(f"}}{name}")), "")


def _plain(text: str | None) -> str:
    # Keep spaces of the text, but not line breaks and indents of the XML.
    return re.sub(r"\s*[\n\r]\s*", " ", text or "")


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _seconds(time: str) -> float:
    clock, offset = _CLOCK.fullmatch(time.strip()), _OFFSET.fullmatch(time.strip())
    if clock:
        return from_minutes(60 * int(clock[1] or 0) + int(clock[2]), clock[3])
    if offset:
        return round(float(offset[1]) * _UNITS[offset[2]], 6)
    raise ValueError(f"expected a time as hh:mm:ss.xxx or 12.3s, got {time[:60]!r}")
