"""Lines with times from decoded text: the model's phrases, or lines made of aligned words."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lyricsep.lyrics import Line, Segment, Word
from lyricsep.transcribers.tokens import Phrase

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
PHRASE_ENDS = (",", ";", ":", "、", "，")
OPENING = "\"'“‘«([¿¡（「"  # may stand before a capital
CLOSING = "\"'”’»)]）」"  # may follow the end of a sentence
JOINTS = ("'", "’", "-", "‐")  # start a word that is written together with the one before
AFTER = ".,;:!?…、。，！？\"'”’"  # may follow a parenthesis
OPEN_PARENTHESES, CLOSE_PARENTHESES = ("(", "（"), (")", "）")
ALWAYS_CAPITAL = frozenset({"i", "i'm", "i'd", "i'll", "i've", "i’m", "i’d", "i’ll", "i’ve"})
REPEATED_COLUMNS = 6  # minimum of a repeated passage: two short words, or three East Asian characters

# Where nouns are capitalised, only the capital of a word that is not a noun indicates a new line.
GERMAN = """aber alle alles als am an auch auf aus bei bin bis bist da dann das dass dein deine dem den denn
der des dich die dir doch du durch ein eine einen einer er es für hab habe hast hat hier ich im in ist ja
jetzt kann kein keine man mein meine mich mir mit nach nein nicht nie noch nun nur ob oder ohne schon sein
seine seit sind so um und uns unser unsere unter vielleicht von vor war warum was weil wenn wer wie wieder
will wir wird wo zu zum zur über"""
LUXEMBOURGISH = """als awer bis dann dass dat datt de den denn deng dir du déi eis ech en eng hatt hien hei
keen mat mee meng mech mir mäi net nëmmen oder op si sou un wann wat well wéi wien wou zu"""
NO_NOUNS = {"de": frozenset(GERMAN.split()), "lb": frozenset(LUXEMBOURGISH.split())}


@dataclass(frozen=True)
class LineRules:
    """Costs of lines and gains of line breaks; a text is broken in the way that costs least.

    In brackets: the points of F1 of line breaks that are lost without the rule, on five songs of Jam-ALT transcribed
    with the preset fast (``scripts/benchmark_lines.py``). All rules together reach 81.2.

    Parameters
    ----------
    columns, spread : int
        A line of `columns` costs 0, one that differs by `spread` 1, by twice `spread` 4, and so on [11.1].
    most_columns : int
        Maximum of a line, unless a single word is longer.
    line : float
        Cost of every line in addition.
    sentence : float
        Gain of a break after the end of a sentence, or before a capital; in German and Luxembourgish only before the
        capital of a word that is not a noun [7.4].
    phrase : float
        Gain of a break after a comma or the like [3.7].
    pause : float
        Gain of a break per second of pause [2.6].
    longest_pause : float
        Pause in seconds that always ends a line.
    repetition : float
        Gain of a break before words that also occur after a different word: a repetition starts at the start of a
        line [6.4].
    """

    columns: int = 35
    spread: int = 13
    most_columns: int = 60
    line: float = 1.0
    sentence: float = 2.0
    phrase: float = 1.0
    pause: float = 1.5
    longest_pause: float = 2.0
    repetition: float = 1.0


@dataclass(frozen=True)
class TimedWord:
    """A word and the tokens it was decoded from."""

    word: Word
    tokens: tuple[int, ...]


def lines_of_words(words: Sequence[TimedWord], language: str, decode: Callable[[list[int]], str]) -> list[Line]:
    """Group aligned words into lines (`line_starts`), each from its first word to its last; no line is only marks."""
    groups = _written_together(words, decode)
    starts = line_starts([_joined(group) for group in groups], language)
    lines = [
        _line([timed for group in groups[first:last] for timed in group], decode)
        for first, last in pairwise([*starts, len(groups)])
    ]
    return [line for line in lines if _is_lyric(line.text)]


def lines_of_phrases(
    phrases: Sequence[Phrase], words: Sequence[TimedWord], span: Segment, decode: Callable[[list[int]], str]
) -> list[Line]:
    """Convert each phrase that the model timed to a line, unless it is only marks.

    Parameters
    ----------
    phrases : sequence of Phrase
        With times relative to the segment.
    words : sequence of TimedWord
        Of all phrases, with times relative to the song; empty if word times are not wanted.
    span : Segment
        The segment; all lines lie within it.
    decode : callable
        Converts tokens to text.
    """
    lines = []
    ahead = deque(words)
    n_ahead = 0  # tokens of the phrases so far that no word covers yet; negative where a word covers more
    for phrase in phrases:
        start = min(span.start + (phrase.start or 0.0), span.end)
        end = span.end if phrase.end is None else min(max(span.start + phrase.end, start), span.end)
        n_ahead += len(phrase.tokens)
        phrase_words: list[Word] = []
        while ahead and n_ahead > 0:
            timed = ahead.popleft()
            n_ahead -= len(timed.tokens)
            phrase_words.append(timed.word)
        if phrase_words:
            start, end = min(start, phrase_words[0].start), max(end, phrase_words[-1].end)
        text = _text(phrase.tokens, decode)
        if _is_lyric(text):
            lines.append(Line(start, end, text, tuple(phrase_words)))
    return lines


def _line(words: Sequence[TimedWord], decode: Callable[[list[int]], str]) -> Line:
    text = _text([token for timed in words for token in timed.tokens], decode)
    return Line(words[0].word.start, words[-1].word.end, text, tuple(timed.word for timed in words))


def _is_lyric(text: str) -> bool:
    """Return whether a text has a letter or a digit; Whisper also writes "..." and "♪" where nothing is sung."""
    return any(map(str.isalnum, text))


def _text(tokens: Sequence[int], decode: Callable[[list[int]], str]) -> str:
    return " ".join(decode(list(tokens)).split())


def _written_together(words: Sequence[TimedWord], decode: Callable[[list[int]], str]) -> list[list[TimedWord]]:
    """Group words that are written without a space: Whisper splits *t'es* and *celui-là* before the mark."""
    groups: list[list[TimedWord]] = []
    for timed in words:
        if groups and decode(list(timed.tokens)).startswith(JOINTS):
            groups[-1].append(timed)
        else:
            groups.append([timed])
    return groups


def _joined(group: Sequence[TimedWord]) -> Word:
    return Word(group[0].word.start, group[-1].word.end, "".join(timed.word.text for timed in group))


def line_starts(words: Sequence[Word], language: str, rules: LineRules | None = None) -> list[int]:
    """Return where to break words into lines at the lowest cost.

    Parameters
    ----------
    words : sequence of Word
        In order, with ends trimmed to where the vocals have energy.
    language : str
        ISO 639-1 code.
    rules : LineRules, optional
        Costs and gains.

    Returns
    -------
    list of int
        Index of the first word of every line, rising from 0; empty without words. No line breaks within parentheses,
        unless their text is too long for a line.
    """
    rules = rules or LineRules()
    widths = [_columns(word.text) for word in words]
    gains = _gains(words, language, rules)
    for inside in _inside_parentheses(words, widths, rules):
        gains[inside] = -math.inf
    forced = [i for i in range(1, len(words)) if gains[i] == math.inf]
    starts: list[int] = []
    for first, last in pairwise([0, *forced, len(words)]):
        starts += [first + i for i in _best_starts(widths[first:last], gains[first:last], rules)]
    return starts


def _best_starts(widths: Sequence[int], gains: Sequence[float], rules: LineRules) -> list[int]:
    """Return the best breaks, by dynamic programming: for every word the best line that ends with it."""
    worths, firsts = [0.0], [0]
    for end in range(1, len(widths) + 1):
        best, best_first, n_columns = -math.inf, end - 1, 0
        for first in reversed(range(end)):
            n_columns += widths[first]
            if n_columns > rules.most_columns and first < end - 1:
                break
            cost = rules.line + ((n_columns - rules.columns) / rules.spread) ** 2
            worth = worths[first] + (gains[first] if first else 0.0) - cost
            if worth > best:
                best, best_first = worth, first
        worths.append(best)
        firsts.append(best_first)
    starts, end = [], len(widths)
    while end:
        end = firsts[end]
        starts.append(end)
    return starts[::-1]


def _gains(words: Sequence[Word], language: str, rules: LineRules) -> list[float]:
    """Return the gain of a break before each word; infinity where one is required."""
    repeated = _repeated_starts(words)
    gains = [0.0]
    for i, (before, word) in enumerate(pairwise(words), start=1):
        pause = max(0.0, word.start - before.end)
        gain = rules.pause * pause if pause < rules.longest_pause else math.inf
        if _may_start(word.text, language) or before.text.rstrip(CLOSING).endswith(SENTENCE_ENDS):
            gain += rules.sentence
        if before.text.endswith(PHRASE_ENDS):
            gain += rules.phrase
        if i in repeated:
            gain += rules.repetition
        gains.append(gain)
    return gains


def _may_start(text: str, language: str) -> bool:
    """Return whether a word has a capital that indicates a new line."""
    bare = _bare(text)
    if bare in ALWAYS_CAPITAL or (language in NO_NOUNS and bare not in NO_NOUNS[language]):
        return False
    return text.lstrip(OPENING)[:1].isupper()


def _repeated_starts(words: Sequence[Word]) -> set[int]:
    """Return the words that begin a passage which also occurs after a different word.

    A passage is as short as possible: at least two words and `REPEATED_COLUMNS`.
    """
    texts = [_bare(word.text) for word in words]
    preceded: dict[tuple[str, ...], set[str | None]] = defaultdict(set)
    passages = [_passage(texts, i) for i in range(len(texts))]
    for i, passage in enumerate(passages):
        preceded[passage].add(texts[i - 1] if i else None)
    return {
        i
        for i in range(1, len(texts))
        if passages[i] and len(preceded[passages[i]]) > 1 and texts[i] != texts[i - 1]  # not "no, no, no"
    }


def _passage(texts: Sequence[str], first: int) -> tuple[str, ...]:
    """Return the shortest passage from a word on; empty if the text ends too early."""
    n_columns = 0
    for last in range(first, len(texts)):
        n_columns += _columns(texts[last])
        if last > first and n_columns >= REPEATED_COLUMNS:
            return tuple(texts[first : last + 1])
    return ()


def _inside_parentheses(words: Sequence[Word], widths: Sequence[int], rules: LineRules) -> Iterator[int]:
    """Yield the words, except the first, of each text in parentheses that fits on a line."""
    first = None
    for last, word in enumerate(words):
        if first is None and word.text.startswith(OPEN_PARENTHESES):
            first = last
        if first is not None and word.text.rstrip(AFTER).endswith(CLOSE_PARENTHESES):
            if sum(widths[first : last + 1]) <= rules.most_columns:
                yield from range(first + 1, last + 1)
            first = None


def _bare(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum() or character in "'’")


def _columns(text: str) -> int:
    """Return the width of a word with the space after it: East Asian characters are wide, and have no space."""
    is_wide = [unicodedata.east_asian_width(character) in "WF" for character in text]
    return len(text) + sum(is_wide) + (not is_wide or not is_wide[-1])
