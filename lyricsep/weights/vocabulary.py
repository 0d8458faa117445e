"""Write Whisper's vocabulary in the files that CTranslate2 and faster-whisper expect beside a model.

All of it follows from openai-whisper's own tokenizer, which needs no network. A token of text is a string of
bytes; in these files each byte is spelled as one printable character, as GPT-2 did it first.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

# Never to be decoded: they steer the decoder. To these come the tokenizer's own `non_speech_tokens`.
CONTROLS = ("startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech")


def whisper_vocabulary(multilingual: bool, n_languages: int) -> list[str]:
    """Spell all tokens of a Whisper model, in order of their ids.

    Parameters
    ----------
    multilingual : bool
        False for the models whose names end in ``.en``.
    n_languages : int
        How many languages the vocabulary names: 99, and 100 since large-v3.

    Returns
    -------
    list of str
        ``n_vocab`` strings; those of control, language and time are ``<|…|>``.
    """
    texts, specials = _spelled(multilingual, n_languages)
    return texts + specials


def whisper_token_ids(multilingual: bool, n_languages: int) -> dict[str, list[int]]:
    """Return the special tokens that the ``config.json`` of CTranslate2 lists, for arguments of `whisper_vocabulary`.

    Returns
    -------
    dict
        ``lang_ids``, the languages; ``suppress_ids``, never to be decoded; ``suppress_ids_begin``, not to be
        decoded first: a space and the end. The rules are those of `whisper.decoding.DecodingTask`.
    """
    tokenizer = _tokenizer(multilingual, n_languages)
    controls = [tokenizer.special_tokens[f"<|{name}|>"] for name in CONTROLS]
    return {
        "lang_ids": [tokenizer.sot + 1 + index for index in range(n_languages)],
        "suppress_ids": sorted({*tokenizer.non_speech_tokens, *controls}),
        "suppress_ids_begin": [*tokenizer.encode(" "), tokenizer.eot],
    }


def whisper_tokenizer(multilingual: bool, n_languages: int) -> dict[str, Any]:
    """Describe the tokenizer as a ``tokenizer.json`` does; without one faster-whisper asks the network.

    See `whisper_vocabulary` for the arguments. Text is tokenised exactly as by openai-whisper; the multilingual files
    that others publish lack its first merge, of a space and a "t".
    """
    texts, specials = _spelled(multilingual, n_languages)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": token, **flags} for index, token in enumerate(specials, len(texts))
        ],
        "normalizer": None,
        "pre_tokenizer": by_bytes,
        "post_processor": None,
        "decoder": by_bytes,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": {token: index for index, token in enumerate(texts)},
            "merges": _merges(texts),
        },
    }


def _tokenizer(multilingual: bool, n_languages: int) -> Tokenizer:
    from whisper.tokenizer import get_tokenizer

    return get_tokenizer(multilingual, num_languages=n_languages)


def _spelled(multilingual: bool, n_languages: int) -> tuple[list[str], list[str]]:
    """Spell the tokens of text, and the special ones that follow them."""
    tokenizer = _tokenizer(multilingual, n_languages)
    letters = byte_letters()
    single = tokenizer.encoding.decode_single_token_bytes
    texts = ["".join(letters[byte] for byte in single(index)) for index in range(tokenizer.eot)]
    specials = [single(index).decode() for index in range(tokenizer.eot, tokenizer.encoding.n_vocab)]
    return texts, specials


@cache
def byte_letters() -> list[str]:
    """Return the character that represents each byte: itself where Latin-1 can print it, else one from U+0100 on."""
    letters = [chr(byte) for byte in range(256)]
    # U+00AD, the soft hyphen, is printed only at the end of a line.
    unprintable = [*range(0x21), *range(0x7F, 0xA1), 0xAD]
    for index, byte in enumerate(unprintable):
        letters[byte] = chr(0x100 + index)
    return letters


def _merges(texts: list[str]) -> list[str]:
    """Return the two tokens from which each longer token is merged.

    Byte pair encoding learns a token by joining two known ones, so a token, tokenised with only those learned
    before it, falls into just these two.
    """
    ranks = {token: rank for rank, token in enumerate(texts)}
    merges = []
    for token in texts:
        parts = list(token)
        while len(parts) > 2:
            pairs = [ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            first = pairs.index(min(pairs))
            parts[first : first + 2] = [parts[first] + parts[first + 1]]
        if len(parts) == 2:
            merges.append(" ".join(parts))
    return merges
