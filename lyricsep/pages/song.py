"""The page of a song: its content as plain data, and the page itself.

Content, version 1; times are seconds, null means unknown::

    {
      "schema": "lyricsep/page", "version": 1,
      "name": str, "title": str, "artist": str or null, "language": str or null, "duration": number,
      "audio": {"mixture": URL or null, "vocals": URL or null},
      "peaks": {"rate": number, "mixture": base64 or null, "vocals": base64 or null},   # a byte each
      "envelope": {...} or null,              # see `lyricsep.pages.sound.SongSound`
      "segments": [...], "decodings": [...], "lines": [...], "unwritten": [...],   # as in `lyricsep.documents`
      "untimed": [Row, ...],                  # of lyrics without times
      "flags": {str: str},                    # meaning of the flags of lines
      "reference": {"lines": [{"start", "end", "text"}, ...], "rows": [Row, ...], "is_machine": bool} or null,
      "scores": {"rates": {...}, "intervals": null, "counts": {...}, "timing": {...} or null} or null,
      "manifest": {...} or null,
      "home": URL or null,                    # page that lists the songs; set by its writer
      "review": {...} or null                 # set by the review server
    }

A Row is ``{"line": int or null, "start": number or null, "words": [...]}``: a line of the lyrics with the words of
the reference that it misses; without a number, a line of lyrics that have no times, or a line of the reference that
was missed as a whole. A word of it is ``{"kind", "heard", "sung", "word", "hallucinated", "near"}``: `kind` as in
`lyricsep.scoring.Edit`, the text on both sides with its punctuation and the space after it, and the number of the
timed word that it belongs to; false and missing values are left out. With `is_machine` the machine's version is in
the place of a reference, and the words show what was changed.
"""

from __future__ import annotations

import base64
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import regex

from lyricsep.datasets import Song
from lyricsep.documents import finite
from lyricsep.files import shown
from lyricsep.formats import Transcript, read_lyrics
from lyricsep.lyrics import Line
from lyricsep.pages.html import render_page
from lyricsep.pages.manifests import plan_of
from lyricsep.pages.sound import PEAKS_PER_SECOND, SongSound, data_uri, song_sound
from lyricsep.scoring import Edit, known_rates, score, time_lines, without_tags
from lyricsep.scoring.tokens import letters_of, spread, tokenize
from lyricsep.segmentation import RmsVadOptions
from lyricsep.transcribers.guard import FLAGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lyricsep.pages.results import FoundSong

SCHEMA = "lyricsep/page"
VERSION = 1

_SCRIPTS = ("content.js", "theme.js", "player.js", "wave.js", "lyrics.js", "panels.js", "song.js")
_LETTER = regex.compile(r"\w")  # as `letters_of`


def song_content(
    found: FoundSong,
    *,
    reference: Song | None = None,
    manifest: Mapping[str, Any] | None = None,
    audio: Literal["embed", "link", "none"] = "embed",
    page: Path | None = None,
    vocals: NDArray[np.float32] | None = None,
    sound: SongSound | None = None,
) -> dict[str, Any]:
    """Return the content of the page of a song.

    Parameters
    ----------
    found : FoundSong
        The song and its files.
    reference : Song, optional
        Reference lyrics.
    manifest : mapping, optional
        Of the run.
    audio : "embed", "link" or "none"
        Embed the audio as Opus, link to the files relative to `page`, or leave it out. The waveform is drawn in any
        case.
    page : Path, optional
        Path of the page; needed for links.
    vocals : ndarray of float32, shape (n_samples,), optional
        Mono at 16 kHz, for a song without a file of its vocals.
    sound : SongSound, optional
        The audio, if it has been read already.

    Raises
    ------
    AudioError, DatasetError
        If a file cannot be read.
    ValueError
        If `audio` is "link" and `page` is None.
    """
    if audio == "link" and page is None:
        raise ValueError("audio='link' needs the page that the links are relative to")
    transcript = read_lyrics(found.lyrics)
    if sound is None:
        sound = song_sound(found, vocals=vocals, encode=audio == "embed", segmentation=_segmentation(manifest))
    lyrics = transcript.lyrics
    durations = [lyrics.duration, *(part.duration for part in (sound.mixture, sound.vocals) if part)]
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "name": found.name,
        "title": (reference and reference.title) or transcript.title or shown(Path(PurePosixPath(found.name).name)),
        "artist": (reference and reference.artist) or transcript.artist,
        "language": transcript.language or (reference.language if reference else None),
        "duration": max(durations),
        "audio": _urls(found, sound, audio, page),
        "peaks": {
            "rate": PEAKS_PER_SECOND,
            "mixture": sound.mixture and _base64(sound.mixture.peaks),
            "vocals": sound.vocals and _base64(sound.vocals.peaks),
        },
        "envelope": sound.envelope,
        "segments": [asdict(segment) for segment in lyrics.segments],
        "decodings": [asdict(decoding) for decoding in lyrics.decodings],
        "lines": [asdict(line) for line in lyrics.lines],
        "untimed": _untimed(transcript),
        "unwritten": [asdict(line) for line in lyrics.unwritten],
        "flags": FLAGS,
        "reference": None,
        "scores": None,
        "manifest": manifest,
        "home": None,
        "review": None,
    }
    if reference is not None:
        content |= _comparison(transcript, reference)
    return content


def changes_since(machine: Transcript, corrected: Transcript) -> dict[str, Any]:
    """Return what was changed in the words of a transcript, as the ``reference`` of the content of its page."""
    language = corrected.language or machine.language or "en"
    found = score(machine.text, corrected.text, language)
    edits = [replace(edit, run=1) for edit in found.edits]  # long runs are no hallucinations here
    before = Song("", "", language, machine.text, machine.lines)
    return {"lines": [], "rows": _rows_of(corrected, edits, before), "is_machine": True}


def render_song_page(content: Mapping[str, Any]) -> str:
    """Return the page of a song as one file of HTML.

    Parameters
    ----------
    content : mapping
        From `song_content`; with a ``review`` the page can be edited.
    """
    editing = content["review"] is not None
    return render_page(
        "song.html.j2",
        content,
        title=f"{content['title']} – {'review' if editing else 'lyrics'}",
        styles=("page.css", "song.css", *(["edit.css"] if editing else [])),
        scripts=(*_SCRIPTS, *(["editing.js", "timing.js", "dialogs.js", "edit.js"] if editing else [])),
        libraries=("wavesurfer.min.js",),
    )


def _segmentation(manifest: Mapping[str, Any] | None) -> RmsVadOptions | None:
    """Return the segmenter options of a run, if its manifest holds them."""
    try:
        plan = plan_of(manifest or {})
        return RmsVadOptions(**{each.name: plan[each.name] for each in fields(RmsVadOptions)})
    except (KeyError, TypeError, ValueError):  # a manifest of another command, or of another version
        return None


def _urls(found: FoundSong, sound: SongSound, audio: str, page: Path | None) -> dict[str, str | None]:
    urls: dict[str, str | None] = {"mixture": None, "vocals": None}
    for name, part, file in (("mixture", sound.mixture, found.audio), ("vocals", sound.vocals, found.vocals)):
        if audio == "embed" and part:
            urls[name] = data_uri(part.webm)
        elif audio == "link" and page and file:
            relative = os.path.relpath(file.absolute(), page.absolute().parent)
            urls[name] = quote(os.fsencode(Path(relative).as_posix()))
    return urls


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _comparison(transcript: Transcript, reference: Song) -> dict[str, Any]:
    """Return the alignment of the lyrics with the reference, and the scores."""
    found = score(reference.text, transcript.text, reference.language)
    timing = (
        time_lines(reference.lines, transcript.lines, reference.language)
        if reference.lines and transcript.lines
        else None
    )
    return {
        "reference": {
            "lines": [
                {"start": line.start, "end": line.end, "text": without_tags(line.text)} for line in reference.lines
            ],
            "rows": _rows_of(transcript, found.edits, reference),
            "is_machine": False,
        },
        "scores": {
            "rates": known_rates(found.counts),
            "intervals": None,  # they are over songs, and this is one
            "counts": found.counts.as_fields(),
            "timing": timing and {**asdict(timing), "start_error": finite(timing.start_error)},
        },
    }


@dataclass(frozen=True)
class _Place:
    """Position of a word of an alignment: its line, its text there, and its timed word."""

    line: int
    text: str
    word: int | None = None


_Placed = tuple[Edit, _Place | None, _Place | None]
"""An edit with the positions of its word in reference and lyrics."""


def _rows_of(transcript: Transcript, edits: Sequence[Edit], reference: Song) -> list[dict[str, Any]]:
    """Return the rows of an alignment; those of lyrics without times have no line."""
    if transcript.lines:
        return list(_rows(edits, transcript.lines, reference))
    untimed = _untimed(transcript)
    lines = [Line(0.0, 0.0, row["words"][0]["heard"]) for row in untimed]
    # A row without a word that counts, such as "...", is shown as it is written.
    return [
        row if row["line"] is None else untimed[row["line"]] | ({"words": row["words"]} if row["words"] else {})
        for row in _rows(edits, lines, reference)
    ]


def _untimed(transcript: Transcript) -> list[dict[str, Any]]:
    """Return lyrics without times as rows; none where they have times."""
    texts = [] if transcript.lines else transcript.text.split("\n")
    return [{"line": None, "start": None, "words": [{"kind": "hit", "heard": text}]} for text in texts if text]


def _rows(edits: Sequence[Edit], lines: Sequence[Line], reference: Song) -> Iterator[dict[str, Any]]:
    sung_lines = [line for line in without_tags(reference.text).split("\n") if line.strip()]
    sung = (place for index, line in enumerate(sung_lines) for place in _places(index, line, reference.language))
    heard = (
        place
        for index, line in enumerate(lines)
        for place in _places(index, line.text, reference.language, [word.text for word in line.words])
    )
    placed = [
        (edit, next(sung) if edit.reference else None, next(heard) if edit.hypothesis else None) for edit in edits
    ]
    # Times are known only if they belong to the same lines as the text.
    is_timed = len(reference.lines) == len(sung_lines)
    n_shown = 0
    for (line, sung_line), group in groupby(zip(_owners(placed), placed, strict=True), key=itemgetter(0)):
        words = [_word(*edit) for _, edit in group]
        if line is None:
            start = reference.lines[sung_line].start if is_timed else None
            yield {"line": None, "start": start, "words": words}
            continue
        for index in range(n_shown, line):  # lines without a word that counts
            yield {"line": index, "start": lines[index].start, "words": []}
        yield {"line": line, "start": lines[line].start, "words": words}
        n_shown = line + 1
    for index in range(n_shown, len(lines)):
        yield {"line": index, "start": lines[index].start, "words": []}


def _owners(placed: Sequence[_Placed]) -> Iterator[tuple[int | None, int]]:
    """Yield for every edit the row that shows it: the line of the lyrics or, if there is none, of the reference.

    A missed word belongs to the line of the lyrics that holds its neighbours: those on both sides, or other words of
    its own line.
    """
    before = _neighbours(placed)
    after = reversed(_neighbours(placed[::-1]))
    for (_, sung, heard), left, right in zip(placed, before, after, strict=True):
        if heard is not None:
            yield heard.line, -1
        elif sung is not None:
            if left and right and left[0] == right[0]:
                yield left[0], -1
                continue
            near = (neighbour[0] for neighbour in (left, right) if neighbour and neighbour[1] == sung.line)
            line = next(near, None)
            yield (None, sung.line) if line is None else (line, -1)


def _neighbours(placed: Sequence[_Placed]) -> list[tuple[int, int | None] | None]:
    """Return for every edit the last line of the lyrics before it, and the last reference line within that."""
    neighbours: list[tuple[int, int | None] | None] = []
    last: tuple[int, int | None] | None = None
    for _, sung, heard in placed:
        neighbours.append(last)
        if heard is not None:
            same = last[1] if last and last[0] == heard.line else None
            last = (heard.line, sung.line if sung else same)
    return neighbours


def _word(edit: Edit, sung: _Place | None, heard: _Place | None) -> dict[str, Any]:
    facts = {
        "heard": heard and heard.text,
        "sung": sung and sung.text,
        "word": heard and heard.word,
        "hallucinated": edit.hallucinated or None,
        "near": edit.near_miss or None,
    }
    return {"kind": edit.kind, **{name: value for name, value in facts.items() if value is not None}}


def _places(line: int, text: str, language: str, timed: Sequence[str] = ()) -> Iterator[_Place]:
    """Yield the words of a line as they are compared, each with the text around it and its timed word."""
    words = [word.text for word in tokenize(text, language).words]
    owners = [number for number, word in enumerate(timed) for _ in letters_of(word)]
    known = letters_of(text) == [letter for word in timed for letter in letters_of(word)]
    numbers = spread(words, owners if known else [])
    for word, number, own in zip(words, numbers, _texts(words, text), strict=True):
        yield _Place(line, own or word, number)


def _texts(words: Sequence[str], text: str) -> Iterator[str]:
    """Yield parts of a line, cut after the space or else before the letters or apostrophe that a word begins with."""
    if not words:
        return
    plain = unicodedata.normalize("NFC", text)
    letters = [match.start() for match in _LETTER.finditer(plain)]
    first, cuts = 0, [0]
    for word, following in pairwise(words):
        first += len(letters_of(word))
        if first >= len(letters):
            break
        between = plain[letters[first - 1] + 1 : letters[first]]
        spaces = [index for index, character in enumerate(between) if character.isspace()]
        begins = letters[first] - (following.startswith("'") and bool(between))
        cuts.append(letters[first] - len(between) + spaces[-1] + 1 if spaces else begins)
    ends = [*cuts[1:], len(plain)]
    yield from (plain[start:end] for start, end in zip(cuts, ends, strict=True))
    yield from ("" for _ in range(len(words) - len(cuts)))
