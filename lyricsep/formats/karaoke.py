"""Word times inside a line, which LRC, WebVTT and ASS write between its words.

All three say only when a piece of text begins, so that a pause is a piece without words, and pieces that no space
parts are syllables of one word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from lyricsep.formats.clock import to_ticks
from lyricsep.lyrics import Line, Word, find_words

# Scripts that put no space between words, as the names of their letters begin.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def marks(line: Line, per_second: int) -> list[tuple[int, str]]:
    """Cut a line into pieces with the time from which each is sung.

    Returns
    -------
    list of (int, str)
        Ticks, never falling and within the line, and text. The texts make up that of the line; the last is empty,
        and its time is when the last word ends. The list is empty where there are no words, or they do not
        spell the line.
    """
    spelled = _spelled(line)
    start, last = to_ticks(line.start, per_second), to_ticks(line.end, per_second)
    begins = []
    for word, _ in spelled:
        start = min(last, max(start, to_ticks(word.start, per_second)))
        begins.append(start)
    found = []
    for number, ((word, text), (begin, following)) in enumerate(
        zip(spelled, pairwise([*begins, last]), strict=True), start=1
    ):
        end = min(following, max(begin, to_ticks(word.end, per_second)))
        sung = text.rstrip()
        if end < following or number == len(spelled):
            found += [(begin, sung), (end, text[len(sung) :])]
        else:
            found.append((begin, text))
    return found


def _spelled(line: Line) -> list[tuple[Word, str]]:
    """Return each word with the part of the line from its start to the next word."""
    words = [word for word in line.words if word.text.strip()]
    text = line.text.rstrip()
    cuts = find_words(text, words)
    if not cuts:
        return []
    # What stands before the first word, such as a bracket, goes with it.
    edges = [0, *cuts[1:], len(text)]
    return [(word, text[begin:end]) for word, (begin, end) in zip(words, pairwise(edges), strict=True)]


def words_of(pieces: Iterable[tuple[float, float, str]]) -> tuple[Word, ...]:
    """Cut pieces (start, end, text) at their spaces, and join the syllables of a word.

    A piece that holds several words gives its time to each. Times before the song are moved to its start.
    """
    words: list[Word] = []
    is_open = False  # the last word may go on
    for start, end, piece in pieces:
        parts = piece.split()
        for index, part in enumerate(parts):
            begin, before = max(0.0, start), ""
            if index == 0 and is_open and not piece[0].isspace() and not _is_parted(words[-1].text, part):
                word = words.pop()
                begin, before = word.start, word.text
            words.append(Word(begin, max(begin, end), before + part))
        if piece:
            is_open = bool(words) and not piece[-1].isspace()
    return tuple(words)


def whole_words(line: Line) -> list[Word]:
    """Return the words of a line as a space separates them: *l* and *'un* are one word, as `words_of` reads them.

    Where no spaces are written, every word stays one.
    """
    whole: list[Word] = []
    for word in line.words:
        text = word.text.strip()
        if whole and text and not word.space_before and not _is_parted(whole[-1].text, text):
            before = whole.pop()
            start, end = before.start, max(before.end, word.end)
            probability = min(before.probability, word.probability)
            whole.append(Word(start, end, before.text + text, probability, before.space_before))
        elif text:
            whole.append(replace(word, text=text))
    return whole


def _is_parted(before: str, after: str) -> bool:
    """Return whether a word ends between two letters without a space."""
    return any(unicodedata.name(letter, "").startswith(_UNSPACED) for letter in (before[-1], after[0]))
