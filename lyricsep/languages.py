"""Languages: every way to write one, read in one place.

Everywhere in lyricsep a language is its ISO 639-1 code (``fr``), or its ISO 639-3 code where it has no shorter one
(``haw``, ``yue``). `language_code` reads codes, tags such as ``fr-CA`` and English names; `to_whisper` and
`from_whisper` translate at the border to Whisper, `iso_639_2b` for tags.

A part of a macrolanguage that people mean by the macrolanguage's name has its code, as in Unicode CLDR: Mandarin is
``zh``, Standard Arabic ``ar``.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError

if TYPE_CHECKING:
    from iso639 import Language

WHISPER_LANGUAGES: tuple[str, ...] = tuple(
    re.findall(
        r"\w+",
        "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt "
        "la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc "
        "ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jv su yue",
    )
)
"""The languages that Whisper knows, in its order; the last, ``yue``, since large-v3."""

_PLACES = frozenset(WHISPER_LANGUAGES)
_FROM_WHISPER = {"jw": "jv"}
# What Whisper has one language for. Bokmål is what most Norwegian is written in, Filipino is standard Tagalog.
_TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl"}

# Names and codes that ISO 639 does not list: shorter names, names of Whisper's and codes that were withdrawn.
_ALSO = {
    "bokmal": "nb",
    "bokmål": "nb",
    "cantonese": "yue",
    "creole": "ht",
    "farsi": "fa",
    "greek": "el",
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jw": "jv",
    "mandarin": "zh",
    "mo": "ro",
    "modern greek": "el",
    "myanmar": "my",
    "nynorsk": "nn",
    "odia": "or",
    "sami": "se",
    "scc": "sr",
    "scr": "hr",
    "slovene": "sl",
}
# CLDR's aliases: the language that the name of a macrolanguage stands for. Yue is not among those of `zh`.
_PART_OF: dict[str, str] = dict(
    re.findall(
        r"(\w+):(\w+)",
        "als:sq arb:ar azj:az cmn:zh ekk:et khk:mn lvs:lv npi:ne ory:or pbu:ps pes:fa plt:mg swh:sw uzn:uz ydd:yi "
        "zsm:ms",
    )
)
_VARIETIES = (
    "american|argentine|australian|austrian|brazilian|british|canadian|european|latin american|mexican|simplified|"
    "swiss|traditional"
)
_VARIETY = re.compile(rf"(?:{_VARIETIES}) (?P<name>.+)|(?P<named>.+) \([^()]*\)")
# BCP 47, and POSIX's fr_CA: language, extended language, script, region, variants.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<extended>[a-z]{3}))?(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|\d{3}))?"
    r"(?:[-_](?:[a-z\d]{5,8}|\d[a-z\d]{3}))*"
)
_FOLDER_CODE = re.compile(r"[a-z]{2,3}|[A-Z]{2}")
_FOLDER_TAG = re.compile(r"[a-z]{2,3}(?=[-_])(?:[-_](?:yue|hans|hant|latn|cyrl))?(?:[-_][a-z]{2})?", re.IGNORECASE)


@lru_cache(maxsize=1024)
def language_code(name: str) -> str:
    """Return the code of a language: ISO 639-1 where there is one, else ISO 639-3.

    Parameters
    ----------
    name : str
        A code (``fr``, ``fra``, ``fre``), a tag (``fr-CA``, ``fr_CA``, ``zh-Hans``) or an English name (``French``,
        ``Brazilian Portuguese``), in any case.

    Raises
    ------
    ConfigError
        If there is no such language.
    """
    code = _find(name)
    if code is None:
        text = name if len(name) <= 40 else name[:40] + "…"
        raise ConfigError(f"no language is called {text!r}", hint=_suggestion(name))
    return code


def known_language(name: str | None) -> str | None:
    """Return the code of a language as `language_code` does, or None where there is no such language."""
    return _find(name) if name else None


def language_name(code: str) -> str:
    """Return the English name of a language by any of the names that `language_code` reads."""
    return _plain(_language(language_code(code)).name)


def folder_language(name: str) -> str | None:
    """Return the language that the name of a folder stands for, or None.

    Folders have names for many reasons, so less is read than by `language_code`: only languages that Whisper knows,
    codes in lower case (two letters also in upper case), three letters only for a language without a code of two
    (``ben`` and ``dan`` are singers), and "Latin" only as ``la``.
    """
    is_name = len(name) > 3 and name.replace(" ", "").isalpha()
    if not (is_name or _FOLDER_CODE.fullmatch(name) or _FOLDER_TAG.fullmatch(name)):
        return None
    code = known_language(name)
    if code not in _PLACES or (code == "la" and name != "la"):
        return None
    return None if len(name) == 3 and name != code else code


def to_whisper(name: str) -> str:
    """Return Whisper's own code of a language.

    Raises
    ------
    ConfigError
        If there is no such language, or Whisper does not know it.
    """
    code = language_code(name)
    written = _TO_WHISPER.get(code, code)
    if from_whisper(written) not in _PLACES:
        raise ConfigError(
            f"Whisper does not know {language_name(code)} ({code})",
            hint="leave {language} out to let each song's language be detected",
        )
    return written


def from_whisper(code: str) -> str:
    """Return the code of a language that Whisper wrote."""
    return _FROM_WHISPER.get(code, code)


def iso_639_2b(name: str) -> str:
    """Return three letters: ISO 639-2, of its two codes the bibliographic one; ISO 639-3 where it has none."""
    found = _language(language_code(name))
    return str(found.part2b or found.part3)


def _find(name: str) -> str | None:
    text = _folded(name)
    if text in _PLACES:  # needs no table
        return text
    return _look_up(text) or _of_tag(text) or _of_variety(text)


def _look_up(text: str) -> str | None:
    names = _tables()[0]
    return _ALSO.get(text) or names.get(text) or names.get(re.sub("[-_]+", " ", text))


def _of_tag(text: str) -> str | None:
    tag = _TAG.fullmatch(text)
    if tag is None:
        return None
    code = _look_up(tag["language"])
    if code and tag["extended"]:
        # zh-yue is Cantonese; other extended languages belong to their language in the same way.
        extended = _look_up(tag["extended"])
        macrolanguage = _language(extended).macrolanguage if extended else None
        if extended != code and (macrolanguage is None or _look_up(macrolanguage) != code):
            return None
        return extended
    return code


def _of_variety(text: str) -> str | None:
    variety = _VARIETY.fullmatch(text)
    return _look_up(variety["name"] or variety["named"]) if variety else None


def _suggestion(name: str) -> str:
    text = _folded(name)
    names = {language_name(code).casefold(): code for code in WHISPER_LANGUAGES}
    names |= {name: code for name, code in _ALSO.items() if len(name) > 3 and code in _PLACES}
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0].title()}? Set {{language={names[near[0]]}}}"
    return "use an ISO 639 code or an English name, such as {language=fr} or {language=French}"


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name.casefold()).split())


def _plain(name: str) -> str:
    """Return a name of ISO 639 without its remark: "Malay" for "Malay (macrolanguage)"."""
    return re.sub(r"^Modern | \([^()]*\)$", "", name) if name.endswith(")") else name


def _code(language: Language) -> str:
    return _PART_OF.get(language.part3) or language.part1 or language.part3


def _language(code: str) -> Language:
    return _tables()[1][code]


@cache
def _tables() -> tuple[Mapping[str, str], Mapping[str, Language]]:
    """Return codes by all codes and names in lower case, and the languages by their codes."""
    from iso639 import ALL_LANGUAGES

    # Where two share a name it is that of the better known; "S" are codes for no language, such as `und`.
    languages = sorted(
        (language for language in ALL_LANGUAGES if language.scope != "S" and language.status == "A"),
        key=lambda language: (language.part1 is None, language.part2b is None, language.part3),
    )
    by_code = {_code(language): language for language in languages if language.part3 not in _PART_OF}
    names: dict[str, str] = {}
    for language in languages:
        for code in (language.part1, language.part2b, language.part2t, language.part3):
            if code:
                names.setdefault(code, _code(language))
    for language in languages:
        names.setdefault(_folded(language.name), _code(language))
    for language in languages:
        others = [text for other in language.other_names or () for text in (other.print, other.inverted)]
        for text in (_plain(language.name), *others):
            names.setdefault(_folded(text), _code(language))
    for retired in ALL_LANGUAGES:
        if retired.status != "A" and retired.retire_change_to in names:
            for text in (retired.part3, retired.name):
                names.setdefault(_folded(text), names[retired.retire_change_to])
    return names, by_code
