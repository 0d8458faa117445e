"""Lyrics as plain data: segments, words, lines, and how each segment was decoded.

All times are in seconds from the first sample of the decoded file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lyricsep.tables import Table

if TYPE_CHECKING:
    from pandas import DataFrame

NOT_SUNG = "not-sung"
"""Flag of a line of known lyrics that nobody sings: it stands where it would be sung, and has no length."""

LONGEST = 3.6e12
"""Seconds; formats write nine digits of hours, and read no more."""

INVENTED = "invented"
"""Flag of a line that was heard, of words that probably nobody sings."""


@dataclass(frozen=True, order=True, slots=True)
class Segment:
    """A span of time that contains singing.

    Parameters
    ----------
    start, end : float
        Seconds; ``0 <= start <= end``.

    Raises
    ------
    ValueError
        If the times are negative, reversed or not finite.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        """Check the times."""
        _check_span("Segment", self.start, self.end)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, order=True, slots=True)
class Word:
    """A word with its time.

    Parameters
    ----------
    start, end : float
        Seconds; ``0 <= start <= end``.
    text : str
        The word with its punctuation, without surrounding spaces.
    probability : float
        Probability of the word's tokens according to the model, 0 to 1.
    space_before : bool
        Whether a space precedes the word in its line: False for *'un* after *l*, and between Japanese words. In a
        `Line` it is set from the line's text.
    """

    start: float
    end: float
    text: str
    probability: float = 1.0
    space_before: bool = field(default=True, metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Check the times."""
        _check_span("Word", self.start, self.end)


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """A line of lyrics.

    Parameters
    ----------
    start, end : float
        Seconds; ``0 <= start <= end``.
    text : str
        The line, without line breaks or surrounding spaces.
    words : tuple of Word
        The words in order, if word times were requested; else empty.
    flags : tuple of str
        Reasons to doubt the line (`lyricsep.transcribers.guard`); empty if there are none.
    section : str or None
        Opens a section: its header as written (``[Chorus]``), or an empty text. None: the section continues; if no
        line opens one, sections are not known.
    confidence : float or None
        Share of its words that are expected to be right, 0 to 1 (`lyricsep.transcribers.guard`); None: not known.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    flags: tuple[str, ...] = ()
    section: str | None = field(default=None, metadata={"omit_default": True})
    confidence: float | None = field(default=None, metadata={"omit_default": True})

    def __post_init__(self) -> None:
        """Check the times, and that the text is one line."""
        _check_span("Line", self.start, self.end)
        if "\n" in self.text or "\r" in self.text:
            raise ValueError(f"a Line holds one line of text, got {self.text!r}")
        joined = _joined_as_in(self.text, self.words)
        if joined != self.words:
            object.__setattr__(self, "words", joined)


@dataclass(frozen=True, order=True, slots=True)
class Decoding:
    """How one segment was decoded: statistics of its decoding.

    Parameters
    ----------
    start, end : float
        The segment in seconds.
    temperature : float
        Sampling temperature of the accepted attempt; 0 is deterministic.
    avg_logprob : float
        Mean natural log-probability of the tokens, at most 0.
    no_speech_prob : float
        Whisper's probability of no speech, 0 to 1.
    compression_ratio : float
        Length of the text over its zlib-compressed length; high for repetitive text.
    attempts : int
        Number of decoding attempts, including the accepted one.
    flags : tuple of str
        As in `Line`.
    no_repeat_ngram_size : int
        Size of the token n-grams that the accepted attempt could not repeat; 0 for no limit.
    """

    start: float
    end: float
    temperature: float
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    attempts: int = 1
    flags: tuple[str, ...] = ()
    no_repeat_ngram_size: int = 0


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The lyrics of a song.

    Parameters
    ----------
    lines : tuple of Line
        In order of start; backing vocals may overlap.
    language : str or None
        ISO 639-1 code, or None if nothing was sung.
    duration : float
        Length of the song in seconds.
    segments : tuple of Segment
        The segments that were decoded. If empty, no vocals were found, and `lines` is empty too.
    decodings : tuple of Decoding
        One per decoded segment, in order.
    unwritten : tuple of Line
        Where known lyrics were aligned: what is sung and not written in them, as the model hears it.
    closing : str
        What known lyrics have below the last line and nobody sings, such as credits.
    """

    lines: tuple[Line, ...] = ()
    language: str | None = None
    duration: float = 0.0
    segments: tuple[Segment, ...] = ()
    decodings: tuple[Decoding, ...] = field(default=())
    unwritten: tuple[Line, ...] = ()
    closing: str = ""

    @property
    def text(self) -> str:
        """The lines joined by line breaks; the empty string for an instrumental."""
        return "\n".join(line.text for line in self.lines)

    def to_dataframe(self) -> DataFrame:
        """Return a table with one row per word; a line without word times is one row.

        Returns
        -------
        pandas.DataFrame
            ``line`` : int, index of the line, from 0.
            ``word`` : Int64, index of the word in its line, from 0; missing where the row is a line.
            ``start``, ``end`` : float, seconds.
            ``text`` : str, the word or the line.
            ``probability`` : float, of the word, 0 to 1; NaN where the row is a line.
        """
        import pandas as pd

        rows: list[tuple[int, int | None, float, float, str, float]] = []
        for index, line in enumerate(self.lines):
            if line.words:
                rows += [
                    (index, position, word.start, word.end, word.text, word.probability)
                    for position, word in enumerate(line.words)
                ]
            else:
                rows.append((index, None, line.start, line.end, line.text, float("nan")))
        types = {"line": "int64", "word": "Int64", "start": "float64", "end": "float64", "probability": "float64"}
        return pd.DataFrame(rows, columns=["line", "word", "start", "end", "text", "probability"]).astype(types)

    def _repr_html_(self) -> str:
        facts = [f"{len(self.lines)} lines" if self.lines else "no vocals found"]
        facts += [f"language {self.language}"] if self.language else []
        facts += [f"{clock(self.duration)} long"] if self.duration else []
        rows = [(clock(line.start), clock(line.end), line.text, ", ".join(line.flags)) for line in self.lines]
        return Table(f"Lyrics: {', '.join(facts)}", ("start", "end", "line", "doubtful"), tuple(rows), 4).html()


def sung_only(lyrics: Lyrics) -> Lyrics:
    """Return lyrics without the lines that nobody sings: those without a time, and those that were invented."""
    lines: list[Line] = []
    section: str | None = None
    for line in lyrics.lines:
        section = line.section if section is None else section
        if not {NOT_SUNG, INVENTED} & set(line.flags):
            lines.append(line if line.section == section else replace(line, section=section))
            section = None
    return lyrics if len(lines) == len(lyrics.lines) else replace(lyrics, lines=tuple(lines))


def join_words(words: Iterable[Word]) -> str:
    """Return the text of words, with a space where one precedes a word: the text of a line from its words."""
    return "".join(f"{' ' * word.space_before}{word.text}" for word in words).strip()


def find_words(text: str, words: Sequence[Word]) -> list[int]:
    """Return the position of each word in a text that contains them in order; empty where it does not.

    Words without letters (spaces only) are not allowed to be among them.
    """
    positions, end = [], 0
    for word in words:
        position = text.find(word.text.strip(), end)
        if position < 0:
            return []
        positions.append(position)
        end = position + len(word.text.strip())
    return positions


def _joined_as_in(text: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    if not all(word.text.strip() for word in words):
        return words
    joined, end = [], 0
    for number, (word, position) in enumerate(zip(words, find_words(text, words), strict=False)):
        is_apart = number == 0 or any(map(str.isspace, text[end:position]))
        joined.append(word if word.space_before == is_apart else replace(word, space_before=is_apart))
        end = position + len(word.text.strip())
    return tuple(joined) or words


def clock(time: float) -> str:
    """Return a time for people, such as 1:02.35."""
    minutes, seconds = divmod(round(100 * time), 6000)
    return f"{minutes}:{seconds / 100:05.2f}"


def _check_span(kind: str, start: float, end: float) -> None:
    # The comparison is written so that NaN fails it.
    if not (0 <= start <= end < LONGEST):
        raise ValueError(f"{kind} needs 0 <= start <= end < {LONGEST:g} s, got start={start!r}, end={end!r}")
