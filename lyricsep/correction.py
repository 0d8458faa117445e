"""Correct lyrics that were heard with a text that is nearly what is sung: another version, or one without ad-libs.

What was sung stays: its times, its words, its order. The text only says how the words are spelled, and where lines
break. The words of both are matched along one path through the text, which goes forward word by word, and may jump to
the beginning of any line where enough words agree: a chorus that the text writes once is matched as often as it is
sung, and a verse that is not sung is passed over. Then:

- A word that both have takes case and punctuation of the text, and one that differs in few letters its spelling,
  together with the words beside it if they are more alike so (*no se*, *nos*).
- Other words between two matched ones, or between one and the end of its line, become what the text has there if they
  are alike in letters, or the model doubted them. If their number differs, the words of the text share the time in
  proportion to their letters, without the pauses.
- Words only heard stay as heard. Words only in the text are left out: they were not sung.
- Between two words of the text, the text decides whether a line breaks; next to a word only heard, what was heard.
  A text on one line has no breaks to give.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from lyricsep.aligners.words import split_words, sung_form
from lyricsep.documents import rounded
from lyricsep.errors import DatasetError
from lyricsep.lyrics import NOT_SUNG, Line, Lyrics, Word, join_words
from lyricsep.scoring.tokens import letters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.aligners import KnownLyrics

# Points of a path through the text. A jump and the jump back are worth it from four equal words on; an equal word and
# two skipped ones are worth more than two that are nearly equal, so that no word that both have is lost.
EQUAL, NEAR, OTHER, SKIPPED, JUMP = 7, 1, -1, -2, -15

# Likeness is the share of letters in common: 2 * common / (letters of one + letters of the other).
NEARLY = 0.75  # trane, train: the same word wherever it stands
# Of words misheard between right ones, 65 % were as alike on five songs, and 7 % of words from elsewhere in the text.
ALIKE = 0.45
DOUBTED = 0.5  # mean probability; that of 9 % of the words heard right is lower

SAME_SONG = 0.25
"""Least share of words that must agree, of lyrics or text, whichever has fewer.

At least 0.57 do in the text of the same song, at most 0.2 in those of others.
"""


@dataclass(frozen=True)
class Change:
    """A line with other words than were heard.

    Parameters
    ----------
    line : int
        Its index in the corrected lyrics.
    heard, corrected : str
        Its words before and after.
    """

    line: int
    heard: str
    corrected: str


@dataclass(frozen=True)
class Correction:
    """Corrected lyrics, and what was changed.

    Parameters
    ----------
    lyrics : Lyrics
        The corrected lyrics.
    changes : tuple of Change
        The lines whose words changed, apart from case and punctuation.
    kept, respelled, replaced, only_heard : int
        Heard words that the text has too, that differ in few letters, that became others, and that the text lacks.
    only_in_text : int
        Words of the text that were not heard.
    """

    lyrics: Lyrics
    changes: tuple[Change, ...]
    kept: int
    respelled: int
    replaced: int
    only_heard: int
    only_in_text: int


def correct(lyrics: Lyrics, known: KnownLyrics) -> Correction:
    """Correct lyrics that were heard with a text that is nearly what is sung.

    Parameters
    ----------
    lyrics : Lyrics
        With times of lines, and of words if there are any; a line without word times gets none.
    known : KnownLyrics
        The text, such as `lyricsep.aligners.read_known` reads it; its times are not used.

    Returns
    -------
    Correction
        Lyrics with the same song's segments, decodings and flags; lines without words, and those marked as not sung,
        are as they were.

    Raises
    ------
    DatasetError
        If there are no words, or too few agree for lyrics of the same song.
    """
    heard = _heard_words(lyrics.lines)
    if not heard or not known.words:
        raise DatasetError("there are no words in the lyrics" if known.words else "there are no words in the text")
    known = replace(known, lines=tuple(replace(line, text=_composed(line.text)) for line in known.lines))
    text = [word.sung for word in known.words]
    _, begins = np.unique([word.line for word in known.words], return_index=True)
    runs = _runs(_points([word.sung for word in heard], text), begins)
    n_agreeing = len({j for run in runs for i, j in run if heard[i].sung == text[j]})
    n_shorter = min(len(heard), len(text))
    if n_agreeing < SAME_SONG * n_shorter:
        raise DatasetError(
            f"only {n_agreeing} of {n_shorter} words agree with the text",
            hint="check that it is the text of this song",
        )
    blocks = list(_blocks(runs, heard, known))
    lines = _lines(lyrics.lines, heard, _placed(blocks, heard, known), is_one_line=len(known.lines) == 1)
    counts: Counter[str] = Counter()
    for block in blocks:
        before, after = _texts(block, heard, known)
        is_kept = before == after and len(block.heard) == len(block.text)
        kind = "kept" if is_kept else "respelled" if _likeness(before, after) >= NEARLY else "replaced"
        counts[kind] += len(block.heard)
    changes = tuple(
        Change(number, before, line.text)
        for number, (line, before) in enumerate(lines)
        if _sung(before) != _sung(line.text)
    )
    return Correction(
        rounded(replace(lyrics, lines=tuple(line for line, _ in lines))),
        changes,
        counts["kept"],
        counts["respelled"],
        counts["replaced"],
        len(heard) - counts.total(),
        len(text) - len({j for block in blocks for j in block.text}),
    )


@dataclass(frozen=True, slots=True)
class _Heard:
    """A heard word, as `split_words` finds it in its line: a `Line.words` may be a part of it, or several of it."""

    word: Word
    sung: str
    line: int
    is_timed: bool


@dataclass(frozen=True, slots=True)
class _Block:
    """Heard words, and the words of the text that they become; the text goes on from block to block of a run."""

    heard: range
    text: range
    run: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word of the result: the heard words that it was, and its line of the text, by run, if it is in the text."""

    word: Word
    heard: range
    line: tuple[int, int] | None = None


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _sung(text: str) -> list[str]:
    return [sung_form(word) for word, _ in split_words(_composed(text))]


def _letters(text: str) -> list[str]:
    return letters_of(text) or list(sung_form(text)[:1])  # a fraction is sung, and has no letter


def _heard_words(lines: Sequence[Line]) -> list[_Heard]:
    heard = []
    for number, line in enumerate(lines):
        if NOT_SUNG in line.flags:
            continue
        pieces = split_words(line.text)
        n_letters = [len(_letters(text)) for text, _ in pieces]
        letters = [letter for word in line.words for letter in _split(word, len(_letters(word.text)))]
        is_timed = bool(letters) and len(letters) == sum(n_letters)
        if not is_timed:
            letters = _split(Word(line.start, line.end, line.text), sum(n_letters))
        for (text, is_apart), n in zip(pieces, n_letters, strict=True):
            own, letters = letters[:n], letters[n:]
            probability = fmean(letter.probability for letter in own)
            word = Word(own[0].start, max(own[-1].end, own[0].start), text, probability, is_apart)
            heard.append(_Heard(word, _sung(text)[0], number, is_timed))
    return heard


def _split(word: Word, n_parts: int) -> list[Word]:
    """Return equal parts of a word's time, one for each letter."""
    edges = np.linspace(word.start, word.end, n_parts + 1).tolist()
    return [replace(word, start=start, end=end) for start, end in pairwise(edges)]


def _points(heard: Sequence[str], text: Sequence[str]) -> NDArray[np.int8]:
    """Return the points of every pair of words, shape (n_heard, n_text)."""
    (rows, row_of), (columns, column_of) = (np.unique(words, return_inverse=True) for words in (heard, text))
    likeness = cdist(rows, columns, scorer=Indel.normalized_similarity, dtype=np.float32)
    points = np.where(likeness >= NEARLY, NEAR, OTHER)
    points[rows[:, None] == columns] = EQUAL
    return points.astype(np.int8)[np.ix_(row_of, column_of)]


def _runs(points: NDArray[np.int8], begins: NDArray[np.intp]) -> list[list[tuple[int, int]]]:
    """Return the matched words of the best path: pairs of indices in heard words and text, in runs without a jump.

    Parameters
    ----------
    points : ndarray of int8, shape (n_heard, n_text)
        Of every pair of words.
    begins : ndarray of int, shape (n_lines,)
        Words of the text that a jump may lead to.
    """
    n_heard, n_text = points.shape
    skipped = -SKIPPED * np.arange(n_text + 1, dtype=np.int32)

    def with_skips(row: NDArray[np.int32]) -> NDArray[np.int32]:
        reached: NDArray[np.int32] = np.maximum.accumulate(row + skipped) - skipped
        return reached

    def with_jumps(row: NDArray[np.int32]) -> NDArray[np.int32]:
        row = row.copy()
        row[begins] = np.maximum(row[begins], row.max() + JUMP)
        return row

    # best[i, j]: the most points of i heard words of which the last is matched before word j of the text
    best = np.empty((n_heard + 1, n_text + 1), np.int32)
    best[0] = n_text * SKIPPED
    best[0, begins] = 0
    best[0] = with_skips(best[0])
    for i in range(n_heard):
        before = with_jumps(best[i])
        row = before + SKIPPED
        row[1:] = np.maximum(row[1:], before[:-1] + points[i])
        best[i + 1] = with_skips(row)

    runs: list[list[tuple[int, int]]] = [[]]
    i, j = n_heard, int(best[-1].argmax())
    before = with_jumps(best[i - 1])
    while i:
        if j and best[i, j] == before[j - 1] + points[i - 1, j - 1]:
            i, j = i - 1, j - 1
            if points[i, j] > 0:
                runs[-1].append((i, j))
        elif best[i, j] == before[j] + SKIPPED:
            i -= 1
        else:
            j -= 1
            continue
        if before[j] != best[i, j]:
            runs.append([])
            j = int(best[i].argmax())
        before = with_jumps(best[i - 1])
    found = [_connected(run[::-1], points) for run in reversed(runs)]
    return [run for run in found if run]


def _connected(run: Sequence[tuple[int, int]], points: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Return a run without the pairs of nearly equal words that lack a matched neighbour, in lyrics or in text."""

    def touch(pair: tuple[int, int], other: tuple[int, int]) -> bool:
        return abs(pair[0] - other[0]) == 1 or abs(pair[1] - other[1]) == 1

    return [
        pair
        for index, pair in enumerate(run)
        if points[pair] == EQUAL or any(touch(pair, other) for other in (*run[:index][-1:], *run[index + 1 :][:1]))
    ]


def _blocks(
    runs: Sequence[Sequence[tuple[int, int]]], heard: Sequence[_Heard], known: KnownLyrics
) -> Iterator[_Block]:
    """Yield what becomes words of the text, in order: the matched words, and those between them that are misheard."""
    heard_lines, text_lines = [word.line for word in heard], [word.line for word in known.words]
    taken = 0
    for number, run in enumerate(runs):
        (i, j), (last_i, last_j) = run[0], run[-1]
        # Misheard words reach to the beginning and the end of a line too, where there is no other run.
        limit = runs[number + 1][0][0] if number + 1 < len(runs) else len(heard)
        i, j = max(taken, bisect_left(heard_lines, heard_lines[i])), bisect_left(text_lines, text_lines[j])
        end = min(limit, bisect_right(heard_lines, heard_lines[last_i])), bisect_right(text_lines, text_lines[last_j])
        for (match_i, match_j), (next_i, next_j) in pairwise([*run, end]):
            match = _Block(range(match_i, match_i + 1), range(match_j, match_j + 1), number)
            if heard[match_i].sung != known.words[match_j].sung:
                wider = [
                    _Block(range(first_i, stop_i), range(first_j, stop_j), number)
                    for first_i, first_j in ((match_i, match_j), (i, j))
                    for stop_i, stop_j in ((match_i + 1, match_j + 1), (next_i, next_j))
                ]
                match = max(wider, key=lambda block: _likeness(*_texts(block, heard, known)))
            between = _Block(range(i, match.heard.start), range(j, match.text.start), number)
            yield from (between, match) if _is_misheard(between, heard, known) else (match,)
            i, j = match.heard.stop, match.text.stop
        between = _Block(range(i, end[0]), range(j, end[1]), number)
        if _is_misheard(between, heard, known):
            yield between
            i = end[0]
        taken = i


def _texts(block: _Block, heard: Sequence[_Heard], known: KnownLyrics) -> tuple[str, str]:
    """Return the letters of a block: as heard, and in the text."""
    return "".join(heard[i].sung for i in block.heard), "".join(known.words[j].sung for j in block.text)


def _likeness(before: str, after: str) -> float:
    return float(Indel.normalized_similarity(before, after))


def _is_misheard(block: _Block, heard: Sequence[_Heard], known: KnownLyrics) -> bool:
    if not block.heard or not block.text:
        return False
    before, after = _texts(block, heard, known)
    is_doubted = fmean(heard[i].word.probability for i in block.heard) < DOUBTED
    is_as_long = 2 * min(len(before), len(after)) >= max(len(before), len(after))
    return _likeness(before, after) >= ALIKE or (is_doubted and is_as_long)


def _placed(blocks: Sequence[_Block], heard: Sequence[_Heard], known: KnownLyrics) -> Iterator[_Placed]:
    """Yield the words of the result, in order."""
    position = 0
    for block in blocks:
        yield from (_Placed(heard[i].word, range(i, i + 1)) for i in range(position, block.heard.start))
        position = block.heard.stop
        words = [heard[i].word for i in block.heard]
        probability = fmean(word.probability for word in words)
        texts = [known.words[j] for j in block.text]
        spans = _shared(words, [len(_letters(text.text)) for text in texts])
        for number, (text, span) in enumerate(zip(texts, spans, strict=True)):
            first, stop = (block.heard.start + n * len(words) // len(texts) for n in (number, number + 1))
            word = Word(*span, text.text, probability, text.space_before)
            yield _Placed(word, range(first, stop), (block.run, text.line))
    yield from (_Placed(heard[i].word, range(i, i + 1)) for i in range(position, len(heard)))


def _shared(words: Sequence[Word], n_letters: Sequence[int]) -> Iterator[tuple[float, float]]:
    """Yield the spans of new words: as many as before have theirs, others share them without the pauses between."""
    if len(words) == len(n_letters):
        yield from ((word.start, word.end) for word in words)
        return
    ends = np.round(np.cumsum([word.end - word.start for word in words]), 6)
    edges = np.round(ends[-1] * np.cumsum([0, *n_letters]) / sum(n_letters), 6)

    def time(edge: float, index: int) -> float:
        index = min(index, len(words) - 1)
        return words[index].start + float(edge - (ends[index - 1] if index else 0.0))

    for first, last in pairwise(edges.tolist()):
        start = time(first, int(np.searchsorted(ends, first, "right")))
        yield start, max(start, time(last, int(np.searchsorted(ends, last, "left"))))


def _lines(
    sources: Sequence[Line], heard: Sequence[_Heard], placed: Iterator[_Placed], *, is_one_line: bool
) -> list[tuple[Line, str]]:
    """Return the lines of the result, each with what was heard."""
    groups: list[list[_Placed]] = []
    last: _Placed | None = None  # of the words of the text
    is_broken = True  # since then
    for item in placed:
        before = groups[-1][-1] if groups else item
        was_break = heard[before.heard.start].line != heard[item.heard.start].line
        if item.line is None or last is None or is_one_line:
            is_break = was_break
        elif last is before:
            is_break = item.line != last.line
        else:  # a break among words only heard counts as that of the text
            is_break = was_break or (item.line != last.line and not is_broken)
        opens = _begins_line(item.heard.start, heard) and sources[heard[item.heard.start].line].section is not None
        overlaps = item.word.start < before.word.start
        if not groups or is_break or opens or overlaps:
            groups.append([])
            is_broken = True
        groups[-1].append(item)
        if item.line:
            last, is_broken = item, False
    sung = {word.line for word in heard}
    lines = [(line, "", number) for number, line in enumerate(sources) if number not in sung]
    lines += [(*_line(group, heard, sources), heard[group[0].heard.start].line) for group in groups]
    return [(line, before) for line, before, _ in sorted(lines, key=lambda line: (line[0].start, line[2]))]


def _begins_line(index: int, heard: Sequence[_Heard]) -> bool:
    return not index or heard[index - 1].line != heard[index].line


_NO_BRACKETS = str.maketrans("", "", "()")


def _line(group: Sequence[_Placed], heard: Sequence[_Heard], sources: Sequence[Line]) -> tuple[Line, str]:
    """Return the line of some words, and what was heard; a line that did not change is the same object."""
    first, stop = group[0].heard.start, max(group[-1].heard.stop, group[-1].heard.start + 1)
    words = tuple(item.word for item in group)
    before = join_words(one.word for one in heard[first:stop])
    source, final = sources[heard[first].line], sources[heard[stop - 1].line]
    text = join_words(words)
    if text == source.text:
        return source, before
    if text.count("(") != text.count(")"):  # the words of one of them were not heard
        words = tuple(replace(word, text=word.text.translate(_NO_BRACKETS)) for word in words)
        text = join_words(words)
    begins, ends = _begins_line(first, heard), stop == len(heard) or _begins_line(stop, heard)
    flags = dict.fromkeys(flag for one in heard[first:stop] for flag in sources[one.line].flags)
    line = Line(
        min(source.start, words[0].start) if begins else words[0].start,
        max([word.end for word in words] + [final.end] * ends),
        text,
        words if all(one.is_timed for one in heard[first:stop]) else (),
        tuple(flags),
        source.section if begins else None,
    )
    return line, before
