"""Languages by the names that people use."""

from __future__ import annotations

from lyricsep.errors import ConfigError

__all__ = ["language_code"]


def language_code(name: str) -> str:
    """Turn ``fr``, ``French`` or ``fr-CA`` into the code that Whisper knows.

    Raises
    ------
    ConfigError
        If Whisper knows no such language.
    """
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    wanted = name.strip().lower()
    code = TO_LANGUAGE_CODE.get(wanted, wanted.replace("_", "-").split("-")[0])
    if code not in LANGUAGES:
        raise ConfigError(f"--language {name}: Whisper knows no such language; use a code such as en, fr, de or ja")
    return str(code)
