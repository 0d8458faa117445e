"""Languages as datasets write them: by a code, or by an English word."""

from __future__ import annotations

import re

__all__ = ["LANGUAGES", "iso_language"]

# ISO 639-1 to English. Whisper's own table would do, but it takes torch and seconds to import.
LANGUAGES: dict[str, str] = dict(
    re.findall(
        r"(\w+):(\w+)",
        "af:afrikaans ar:arabic bg:bulgarian bs:bosnian ca:catalan cs:czech cy:welsh da:danish de:german el:greek "
        "en:english es:spanish et:estonian eu:basque fa:persian fi:finnish fr:french ga:irish gl:galician he:hebrew "
        "hi:hindi hr:croatian hu:hungarian id:indonesian is:icelandic it:italian ja:japanese ko:korean la:latin "
        "lt:lithuanian lv:latvian mk:macedonian ms:malay nl:dutch no:norwegian pl:polish pt:portuguese ro:romanian "
        "ru:russian sk:slovak sl:slovenian sq:albanian sr:serbian sv:swedish sw:swahili ta:tamil th:thai tl:tagalog "
        "tr:turkish uk:ukrainian vi:vietnamese zh:chinese",
    )
)
_CODES = {word: code for code, word in LANGUAGES.items()}


def iso_language(name: str) -> str | None:
    """Turn ``French``, ``fr`` or ``fr-CA`` into ISO 639-1.

    Returns
    -------
    str or None
        Two lower-case letters; None for a word that is no known language. Two letters are believed.
    """
    wanted = name.strip().lower()
    code = _CODES.get(wanted, re.split("[-_]", wanted)[0])
    return code if re.fullmatch("[a-z]{2}", code) else None
