"""JSON of Whisper and of the programs around it.

- openai-whisper and stable-ts: ``{"text", "language", "segments": [{"start", "end", "text", "words": [{"word",
  "start", "end", "probability"}]}]}``; words are there where they were asked for.
- whisperX: the same. Words have ``score`` for ``probability``, and no times where they are numbers or signs.
- whisper-timestamped: the same. Words have ``text`` and ``confidence``.
- The API of OpenAI (``verbose_json``): the same, but the words of all segments are in ``words`` beside ``segments``.
- faster-whisper: its segments as users dump them, a list of dicts as above or of the named tuples ``[id, seek, start,
  end, text, ..., words, ...]`` with words ``[start, end, word, probability]``.
- whisper.cpp: ``{"result": {"language"}, "transcription": [{"offsets": {"from", "to"}, "text", "tokens": [{"text",
  "offsets", "p"}]}]}``, offsets in milliseconds.
- transformers and insanely-fast-whisper: ``{"text", "chunks": [{"timestamp": [start, end], "text"}]}``.

Times are seconds where not stated otherwise. A segment is a line of lyrics; segments of one word each, which
whisper.cpp and transformers write where words were asked for, are joined to lines. What has no time, or one that is
not finite, gets its share of the time between its neighbours.

References
----------
whisper: https://github.com/openai/whisper, ``whisper/transcribe.py``;
whisperX: https://github.com/m-bain/whisperX, ``whisperx/types.py``;
faster-whisper: https://github.com/SYSTRAN/faster-whisper, ``faster_whisper/transcribe.py``;
whisper.cpp: https://github.com/ggml-org/whisper.cpp, ``examples/cli/cli.cpp``
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lyricsep.formats.transcript import Transcript, in_order, sectioned, tidy
from lyricsep.languages import known_language
from lyricsep.lyrics import LONGEST, Line, Word

_PAUSE = 1.0
"""Seconds without a word that end a line, where words stand without segments."""

_TEXT_ALONE = frozenset(("text", "language", "task", "duration", "usage", "logprobs"))
"""Keys of a document that has a text and no segments."""

# Of whisper.cpp: the begin of a text, times, the end.
_SPECIAL_TOKEN = re.compile(r"\[_.*\]|<\|.*\|>")
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass
class _Piece:
    """A segment or a word, as it is written; times in seconds, None where it has none."""

    text: str
    start: float | None = None
    end: float | None = None
    probability: float = 1.0
    words: list[_Piece] = field(default_factory=list)


def from_whisper(document: object) -> Transcript | None:
    """Return the lyrics of what `json.loads` returned; None if it is JSON of none of these programs."""
    facts: Mapping[str, Any] = document if isinstance(document, dict) else {}
    pieces = _pieces(document)
    text = facts.get("text")
    if not pieces and isinstance(text, str) and (pieces is not None or facts.keys() <= _TEXT_ALONE):
        return Transcript(tidy(_whole(text).split("\n")), language=_language(facts))
    if pieces is None:
        return None
    lines = in_order(_lines(pieces))
    duration = max(0.0, _number(facts.get("duration")) or 0.0)
    if all(piece.start is None for piece in pieces):
        return Transcript(tidy(line.text for line in lines), language=_language(facts), duration=duration)
    return Transcript(sectioned(lines), lines, language=_language(facts), duration=duration)


def _pieces(document: object) -> list[_Piece] | None:
    """Return the segments of a document; None if they are nowhere."""
    if isinstance(document, list):
        are_tuples = all(isinstance(item, list) for item in document)
        return _all_of(document, _named_tuple if are_tuples else _segment) if document else None
    if not isinstance(document, dict):
        return None
    if "transcription" in document:
        return _lines_of(_all_of(document["transcription"], _cpp_segment))
    if "chunks" in document:
        return _lines_of(_all_of(document["chunks"], _chunk))
    words = _all_of(document.get("words"), _word)
    if "segments" in document:
        segments = _pieces(document["segments"]) if document["segments"] != [] else []
        if segments and words and not any(segment.words for segment in segments):
            _share(words, segments)
        return segments
    return _phrases(words) if words else None


def _lines_of(pieces: list[_Piece] | None) -> list[_Piece] | None:
    """Return segments as they are, or joined to lines if each is a word or a part of one."""
    # Scripts without spaces between words begin no segment with one.
    n_spaced = sum(_is_spaced(piece) for piece in pieces or ())
    if not pieces or n_spaced < 3 or 2 * n_spaced < len(pieces) or any(" " in piece.text.strip() for piece in pieces):
        return pieces
    return _phrases(_words_of(pieces))


def _all_of(items: object, read: Any) -> list[_Piece] | None:
    """Read every item of a list; None if it is no list, or an item is not what `read` reads."""
    if not isinstance(items, list):
        return None
    pieces = [read(item) for item in items]
    return None if None in pieces else pieces


def _segment(item: object) -> _Piece | None:
    if not isinstance(item, dict):
        return None
    words = [] if item.get("words") is None else _all_of(item["words"], _word)
    text = item.get("text")
    if words is None or not isinstance(text, str | None) or (text is None and "words" not in item):
        return None
    if text is None:
        text = _joined(words)
    return _Piece(text, _number(item.get("start")), _number(item.get("end")), words=words)


def _named_tuple(item: Any) -> _Piece | None:
    if not (len(item) >= 5 and isinstance(item[4], str) and _number(item[2]) is not None):
        return None
    rows = next((_all_of(part, _word_tuple) for part in item[5:] if _all_of(part, _word_tuple)), None)
    return _Piece(item[4], _number(item[2]), _number(item[3]), words=rows or [])


def _word_tuple(item: object) -> _Piece | None:
    if not (isinstance(item, list) and len(item) >= 3 and isinstance(item[2], str)):
        return None
    return _Piece(item[2], _number(item[0]), _number(item[1]), _probability(*item[3:4]))


def _word(item: object) -> _Piece | None:
    text = item.get("word", item.get("text")) if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(text, str):
        return None
    probability = _probability(*(item[key] for key in ("probability", "score", "confidence") if key in item))
    return _Piece(text, _number(item.get("start")), _number(item.get("end")), probability)


def _chunk(item: object) -> _Piece | None:
    if not (isinstance(item, dict) and isinstance(item.get("text"), str)):
        return None
    times = item.get("timestamp")
    start, end = times if isinstance(times, list) and len(times) == 2 else (None, None)
    return _Piece(item["text"], _number(start), _number(end))


def _cpp_segment(item: object) -> _Piece | None:
    if not (isinstance(item, dict) and isinstance(item.get("text"), str)):
        return None
    tokens = _all_of(item.get("tokens", []), _cpp_token)
    if tokens is None:
        return None
    words = _words_of(token for token in tokens if not _SPECIAL_TOKEN.fullmatch(token.text))
    if "".join(word.text for word in words).split() != item["text"].split():
        words = []  # a letter whose bytes are in several tokens
    return _Piece(item["text"], *_offsets(item), words=words)


def _cpp_token(item: object) -> _Piece | None:
    if not (isinstance(item, dict) and isinstance(item.get("text"), str)):
        return None
    return _Piece(item["text"], *_offsets(item), _probability(item.get("p")))


def _words_of(parts: Iterable[_Piece]) -> list[_Piece]:
    """Return words from parts of words; a space begins a word."""
    words: list[_Piece] = []
    for part in parts:
        if words and not _is_spaced(part):
            last = words[-1]
            end = last.end if part.end is None else part.end
            words[-1] = _Piece(last.text + part.text, last.start, end, min(last.probability, part.probability))
        else:
            words.append(part)
    return words


def _offsets(item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    offsets = item.get("offsets")
    times = (_number(offsets.get(key)) for key in ("from", "to")) if isinstance(offsets, dict) else (None, None)
    start, end = (None if time is None else time / 1000 for time in times)
    return start, end


def _share(words: Iterable[_Piece], segments: Sequence[_Piece]) -> None:
    """Give each word to the last segment that starts before its middle."""
    for word in words:
        middle = ((word.start or 0.0) + (word.end or word.start or 0.0)) / 2
        fitting = [segment for segment in segments if (segment.start or 0.0) <= middle] or segments[:1]
        fitting[-1].words.append(word)


def _phrases(words: Sequence[_Piece]) -> list[_Piece]:
    """Return words that stand without segments as lines, which end where there is a pause."""
    phrases: list[list[_Piece]] = []
    last = None
    for word in words:
        if not phrases or (word.start is not None and last is not None and word.start - last >= _PAUSE):
            phrases.append([])
        phrases[-1].append(word)
        last = word.end if word.end is not None else last
    return [_Piece(_joined(phrase), phrase[0].start, phrase[-1].end, words=phrase) for phrase in phrases]


def _lines(pieces: Sequence[_Piece]) -> Iterator[Line]:
    for piece in pieces:
        timed = [word for word in piece.words if word.start is not None]
        piece.start = timed[0].start if piece.start is None and timed else piece.start
        piece.end = timed[-1].end if piece.end is None and timed else piece.end
    for piece, (start, end) in zip(pieces, _spans(pieces, 0.0, None), strict=True):
        text = " ".join(_whole(piece.text).split())
        written = [word for word in piece.words if word.text.strip()]
        has_times = any(word.start is not None for word in written)
        words = tuple(
            Word(*span, " ".join(_whole(word.text).split()), word.probability)
            for word, span in zip(written, _spans(written, start, end), strict=True)
        )
        if text:
            yield Line(start, end, text, words if has_times else ())


def _spans(pieces: Sequence[_Piece], start: float, end: float | None) -> list[tuple[float, float]]:
    """Return start and end of every piece; those without times share the time between their neighbours.

    `start` and `end` are those of what the pieces are in; the end may be unknown.
    """
    spans: list[tuple[float, float]] = []
    for _, run in groupby(pieces, lambda piece: piece.start is not None):
        group = list(run)
        later = next((piece.start for piece in pieces[len(spans) + len(group) :] if piece.start is not None), end)
        for number, piece in enumerate(group):
            if piece.start is not None:
                following = group[number + 1].start if number + 1 < len(group) else later
                stop = piece.end if piece.end is not None else following
                start = max(0.0, piece.start)
                spans.append((start, max(start, start if stop is None else stop)))
            else:
                step = max(0.0, (start if later is None else later) - start) / len(group)
                spans.append((start + number * step, start + (number + 1) * step))
        start = spans[-1][1]
    return spans


def _joined(words: Sequence[_Piece]) -> str:
    between = "" if any(map(_is_spaced, words)) else " "
    return between.join(word.text for word in words)


def _is_spaced(word: _Piece) -> bool:
    return word.text.startswith(" ")


def _language(facts: Mapping[str, Any]) -> str | None:
    result = facts.get("result")
    language = facts.get("language") or (result.get("language") if isinstance(result, dict) else None)
    return known_language(language) if isinstance(language, str) else None


def _number(value: object) -> float | None:
    # NaN, which json.loads reads, fails the comparison; a bool is no number here.
    is_number = type(value) in (int, float) and abs(value) < LONGEST  # type: ignore[arg-type]
    return float(value) if is_number else None  # type: ignore[arg-type]


def _probability(*values: object) -> float:
    number = _number(values[0]) if values else None
    return 1.0 if number is None else min(1.0, max(0.0, number))


def _whole(text: str) -> str:
    """Return a text without halves of characters, which JSON can hold and a text file cannot."""
    return _SURROGATES.sub("\ufffd", text)
