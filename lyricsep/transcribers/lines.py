"""Decoded text to lines with times: the model's own phrases, or lines made of aligned words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lyricsep.lyrics import Line, Segment, Word
from lyricsep.transcribers.tokens import Piece

__all__ = ["TimedWord", "line_starts", "lines_of_pieces", "lines_of_words"]

PAUSE = 0.6  # seconds of silence that end a line
MAX_CHARACTERS = 60  # of a line that is still read at a glance
MIN_WORDS = 3  # of a line that a comma or a capital may end

# Languages that write capitals within a line for other reasons than its start.
CAPITALISES_NOUNS = frozenset({"de", "lb"})
CAPITALISED_WORDS = frozenset({"I", "I'm", "I'd", "I'll", "I've"})
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
CLOSING = "\"'”’»)]"  # may follow the end of a sentence
PHRASE_ENDS = (",", ";", ":", "、", "，")


@dataclass(frozen=True)
class TimedWord:
    """A word and the tokens it was decoded from."""

    word: Word
    tokens: tuple[int, ...]


def lines_of_words(words: Sequence[TimedWord], language: str, decode: Callable[[list[int]], str]) -> list[Line]:
    """Make lines of aligned words (`line_starts`), each from its first word to its last."""
    starts = line_starts([timed.word for timed in words], language)
    lines = [_line(words[first:last], decode) for first, last in pairwise([*starts, len(words)])]
    return [line for line in lines if line.text]


def lines_of_pieces(
    pieces: Sequence[Piece], words: Sequence[TimedWord], span: Segment, decode: Callable[[list[int]], str]
) -> list[Line]:
    """Make a line of each piece that the model timed.

    Parameters
    ----------
    pieces : sequence of Piece
        On the clock of the segment.
    words : sequence of TimedWord
        Of all pieces, on the song's clock; empty where word times are not wanted.
    span : Segment
        The segment; no line leaves it.
    decode : callable
        From tokens to text.
    """
    lines = []
    ahead = deque(words)
    n_ahead = 0  # tokens of the pieces so far that no word has held yet; negative where a word held more
    for piece in pieces:
        start = min(span.start + (piece.start or 0.0), span.end)
        end = span.end if piece.end is None else min(max(span.start + piece.end, start), span.end)
        n_ahead += len(piece.tokens)
        own: list[Word] = []
        while ahead and n_ahead > 0:
            timed = ahead.popleft()
            n_ahead -= len(timed.tokens)
            own.append(timed.word)
        if own:
            start, end = min(start, own[0].start), max(end, own[-1].end)
        text = _text(piece.tokens, decode)
        if text:
            lines.append(Line(start, end, text, tuple(own)))
    return lines


def _line(words: Sequence[TimedWord], decode: Callable[[list[int]], str]) -> Line:
    text = _text([token for timed in words for token in timed.tokens], decode)
    return Line(words[0].word.start, words[-1].word.end, text, tuple(timed.word for timed in words))


def _text(tokens: Sequence[int], decode: Callable[[list[int]], str]) -> str:
    return " ".join(decode(list(tokens)).split())


def line_starts(words: Sequence[Word], language: str) -> list[int]:
    """Break after sentences, at pauses, before capitals that start a line, and where a line grows too long.

    Parameters
    ----------
    words : sequence of Word
        In order, ends trimmed to what is sung.
    language : str
        ISO 639-1 code.

    Returns
    -------
    list of int
        Index of the first word of every line, rising from 0; empty without words.
    """
    natural = [0] if words else []
    for i in range(1, len(words)):
        if _starts_line(words[i], words[natural[-1] : i], language):
            natural.append(i)
    starts: list[int] = []
    for first, last in pairwise([*natural, len(words)]):
        starts.extend(_shortened(words, first, last))
    return starts


def _starts_line(word: Word, line: Sequence[Word], language: str) -> bool:
    last = line[-1]
    if last.text.rstrip(CLOSING).endswith(SENTENCE_ENDS) or word.start - last.end >= PAUSE:
        return True
    is_capital = word.text[:1].isupper() and word.text not in CAPITALISED_WORDS
    return is_capital and len(line) >= MIN_WORDS and language not in CAPITALISES_NOUNS


def _shortened(words: Sequence[Word], first: int, last: int) -> Iterator[int]:
    """Halve a line that is too long, at its best break nearest the middle."""
    yield first
    n_characters = sum(len(word.text) + 1 for word in words[first:last]) - 1
    if n_characters <= MAX_CHARACTERS or last - first < 2 * MIN_WORDS:
        return
    inner = range(first + MIN_WORDS, last - MIN_WORDS + 1)
    after_phrase = [i for i in inner if words[i - 1].text.endswith(PHRASE_ENDS)]
    cut = min(after_phrase or inner, key=lambda i: abs(i - (first + last) / 2))
    yield from list(_shortened(words, first, cut))[1:]
    yield from _shortened(words, cut, last)
