"""The words of known lyrics: as they are written, and as they are sung."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import regex

MOSTLY = 0.8  # share of capitals from which a text counts as written in capitals

_SUNG = regex.compile(r"[\p{L}\p{N}]\p{M}*|['’]")
_STRAIGHT = str.maketrans("’ʼ", "''")

_OPENING = r"[\p{Ps}\p{Pi}]"
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Myanmar}]"  # as in Whisper's words
_VOWEL_BEFORE = "[เ-ไເ-ໄ]"
_JOINED = r"[\p{M}\p{Lm}ะาำๅະາຳぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮｧｨｩｪｫｯｬｭｮ]"
_PART = regex.compile(
    rf"(?:(?!{_OPENING}*{_UNSPACED}).)+"
    rf"|{_OPENING}*{_VOWEL_BEFORE}?{_UNSPACED}{_JOINED}*[^\p{{L}}\p{{N}}\p{{Ps}}\p{{Pi}}]*"
)

# Scripts of a few languages, as codes of Whisper; the first that a text has decides, as Japanese has Han, too.
_SCRIPTS = {
    r"[\p{Hiragana}\p{Katakana}]": ("ja",),
    r"\p{Hangul}": ("ko",),
    r"\p{Han}": ("zh", "yue", "ja"),
    r"\p{Thai}": ("th",),
    r"\p{Greek}": ("el",),
    r"\p{Hebrew}": ("he", "yi"),
}


@dataclass(frozen=True)
class KnownLine:
    """A line of known lyrics.

    Parameters
    ----------
    text : str
        As written, on one line.
    section : str or None
        What opens a section before this line: its header as written (``[Chorus]``), and rows that are not sung; an
        empty text for a blank line; None where the section continues.
    start, end : float or None
        Seconds, where the line's time is known.
    """

    text: str
    section: str | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class KnownWord:
    """A word of known lyrics.

    Parameters
    ----------
    text : str
        As written, with its punctuation.
    sung : str
        Its letters in lower case.
    line : int
        Index of its line.
    space_before : bool
        Whether it is written apart from the word before it in its line.
    """

    text: str
    sung: str
    line: int
    space_before: bool


@dataclass(frozen=True)
class KnownLyrics:
    """Lyrics whose words are known.

    Parameters
    ----------
    lines : tuple of KnownLine
        In the order they are sung.
    title, artist : str or None
        Where the lyrics state them.
    language : str or None
        ISO 639-1 code, where the lyrics state it.
    closing : str
        What is written after the last line and not sung, such as credits.
    """

    lines: tuple[KnownLine, ...] = ()
    title: str | None = None
    artist: str | None = None
    language: str | None = None
    closing: str = ""

    @cached_property
    def words(self) -> tuple[KnownWord, ...]:
        """All sung words, in order."""
        return tuple(
            KnownWord(text, sung_form(text), index, apart)
            for index, line in enumerate(self.lines)
            for text, apart in split_words(line.text)
        )

    @property
    def is_in_capitals(self) -> bool:
        """Whether the whole text is written in capitals."""
        letters = [letter for line in self.lines for letter in line.text if letter.isalpha()]
        return bool(letters) and sum(map(str.isupper, letters)) > MOSTLY * len(letters)

    @property
    def possible_languages(self) -> tuple[str, ...]:
        """Whisper's codes of the languages that its script is used for; empty where these are many."""
        text = "".join(line.text for line in self.lines)
        return next((codes for script, codes in _SCRIPTS.items() if regex.search(script, text)), ())

    @property
    def is_timed(self) -> bool:
        """Whether lines have times; several that all start at 0, as in LRC that waits for its times, have none."""
        starts = {line.start for line in self.lines if line.start is not None}
        return bool(starts) and (starts != {0.0} or len(self.lines) == 1)


def sung_form(text: str) -> str:
    """Return the letters, digits and inner apostrophes of a word, in lower case; empty if it has neither."""
    return "".join(_SUNG.findall(text)).translate(_STRAIGHT).strip("'").lower()


def split_words(text: str) -> list[tuple[str, bool]]:
    """Split a line into words as written, each with whether a space precedes it.

    What has no letter or digit, such as a dash between spaces, belongs to the word before it, or to the first. Each
    character of Chinese, Japanese, Thai, Lao and Burmese is a word, with the marks and vowels that belong to it.
    """
    words: list[tuple[str, bool]] = []
    opening = ""
    for piece in text.split():
        for number, part in enumerate(_PART.findall(piece)):
            is_apart = number == 0
            if words and sung_form(part):
                words.append((part, is_apart))
            elif words:
                words[-1] = words[-1][0] + " " * is_apart + part, words[-1][1]
            else:
                opening += " " * (is_apart and bool(opening)) + part
                if sung_form(part):
                    words.append((opening, True))
    return words
