"""Tokenize lyrics with alt-eval's tokenizer, and with the tags of references that it does not know.

References may tag non-lexical words with ``<nl>`` and ``</nl>`` (the tags may cross lines); backing vocals are in
parentheses. Tags are never words, in references and hypotheses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import regex

from lyricsep.languages import language_code

if TYPE_CHECKING:
    from alt_eval.tokenizer import LyricsTokenizer, Token

_TAG = re.compile(r"</?nl>", re.IGNORECASE)
_TAGS_APART = re.compile(r"(</?nl>)", re.IGNORECASE)
# As in alt-eval and unlike `re`, vowel signs (Arabic, Hindi, Thai) are letters, fractions are not.
_LETTER = regex.compile(r"\w")
_NOT_OF_WORDS = regex.compile(r"[^\w']")

Mark = TypeVar("Mark")


@dataclass(frozen=True, slots=True)
class TaggedWord:
    """A word in the form in which it is compared.

    Parameters
    ----------
    text : str
        Letters, digits and apostrophes, in the original case; the comparison is case-insensitive.
    nonlexical : bool
        Whether it is between ``<nl>`` and ``</nl>``.
    backing : bool
        Whether it is in parentheses.
    """

    text: str
    nonlexical: bool = False
    backing: bool = False


@dataclass(frozen=True)
class Tokens:
    """A tokenized text: all tokens of alt-eval (words, punctuation, parentheses, line and section breaks).

    `words` are the words among them.
    """

    all: tuple[Token, ...]
    words: tuple[TaggedWord, ...]


def without_tags(text: str) -> str:
    """Return lyrics without tags; words separated only by a tag stay separate, and lines of tags only are removed."""
    lines = []
    for line in text.split("\n"):
        plain = _TAG.sub(" ", line)
        if plain == line:
            lines.append(line)
        elif plain.strip():
            lines.append(" ".join(plain.split()))
    return "\n".join(lines)


def score_language(code: str) -> str:
    """Return the ISO 639-1 code that alt-eval tokenizes by."""
    found = language_code(code)
    # Moses knows no language without a two-letter code; it then tokenizes as English.
    return found if len(found) == 2 else "en"


@lru_cache(maxsize=128)
def tokenize(text: str, language: str, *, normalise: bool = False) -> Tokens:
    """Tokenize lyrics as alt-eval does.

    Parameters
    ----------
    text : str
        Lyrics, with or without tags.
    language : str
        As `lyricsep.languages.language_code` reads it. Chinese and Japanese characters are a word each, whatever the
        language.
    normalise : bool
        First apply alt-eval's `normalize_lyrics`: no punctuation but ``!?'"`` at the end of a line, and a capital at
        its beginning. Words change only in case.

    Returns
    -------
    Tokens
        Cached, as one reference is scored many times.
    """
    from alt_eval import normalize_lyrics
    from alt_eval.tokenizer import PAREN, WORD

    plain = without_tags(text)
    tokens = _tokenizer()(normalize_lyrics(plain) if normalise else plain, language=score_language(language))
    words, is_backing, in_parentheses = [], [], False
    for token in tokens:
        if PAREN in token.tags:
            in_parentheses = token.text == "("
        elif WORD in token.tags:
            words.append(_NOT_OF_WORDS.sub("", token.text))
            is_backing.append(in_parentheses)
    is_nonlexical = spread(words, _tagged_letters(text))
    tagged = map(TaggedWord, words, (bool(mark) for mark in is_nonlexical), is_backing)
    return Tokens(tuple(tokens), tuple(tagged))


def spread(words: Sequence[str], letters: Iterable[Mark]) -> list[Mark | None]:
    r"""Return for every word the mark of its first letter.

    Tokenizing moves spaces and changes punctuation, but keeps the order of letters and digits, so marks of letters
    can be transferred to words.

    Parameters
    ----------
    words : sequence of str
        In the order of the text.
    letters : iterable
        A mark for every letter and digit (``\w``) of the text.

    Returns
    -------
    list
        A mark for every word; None if there are no marks left.
    """
    marks = iter(letters)
    marks_of_words = (list(islice(marks, len(letters_of(word)))) for word in words)
    return [marks_of_word[0] if marks_of_word else None for marks_of_word in marks_of_words]


def letters_of(text: str) -> list[str]:
    """Return the letters and digits of a text, as `spread` counts them."""
    found: list[str] = _LETTER.findall(unicodedata.normalize("NFC", text))
    return found


def _tagged_letters(text: str) -> Iterator[bool]:
    """Yield for every letter of lyrics whether it is between tags."""
    inside = False
    for part in _TAGS_APART.split(text):
        if _TAG.fullmatch(part):
            inside = "/" not in part
        else:
            yield from (inside for _ in letters_of(part))


@cache
def _tokenizer() -> LyricsTokenizer:
    from alt_eval.tokenizer import LyricsTokenizer

    return LyricsTokenizer()
