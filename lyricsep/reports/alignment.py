"""The words of a hypothesis laid over those of its reference, for a terminal.

Marked as `wdiff` does, so that it reads without colours too: ``[-deleted-]``, ``{+inserted+}``,
``[-sung-]{+heard+}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lyricsep.scoring import Edit, without_tags
from lyricsep.scoring.tokens import tokenize

__all__ = ["render_alignment"]

_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"


def render_alignment(reference: str, edits: Sequence[Edit], language: str, *, colour: bool = False) -> str:
    """Show an alignment line by line of the reference.

    Parameters
    ----------
    reference : str
        The text that was scored.
    edits : sequence of Edit
        Its alignment.
    language : str
        By which it was tokenized.
    colour : bool
        Add ANSI colours; long runs, which count as hallucinated, are bold.
    """
    waiting = list(edits)
    lines = []
    for line in without_tags(reference).strip("\n").split("\n"):
        n_words = len(tokenize(line, language).words)
        own: list[Edit] = []
        while n_words and waiting:
            own.append(waiting.pop(0))
            n_words -= own[-1].reference is not None
        lines.append(_line(own, colour=colour))
    if waiting:  # inserted behind the last word
        lines[-1] = " ".join(filter(None, [lines[-1], _line(waiting, colour=colour)]))
    return "\n".join(lines) + "\n"


def _line(edits: Iterable[Edit], *, colour: bool) -> str:
    words: list[str] = []
    for edit in edits:
        if edit.kind == "hit" and edit.reference:
            words.append(edit.reference.text)
            continue
        parts = []
        if edit.reference:
            parts.append(_painted(f"[-{edit.reference.text}-]", _RED, edit, colour=colour))
        if edit.hypothesis:
            parts.append(_painted(f"{{+{edit.hypothesis.text}+}}", _GREEN, edit, colour=colour))
        words.append("".join(parts))
    return " ".join(words)


def _painted(text: str, paint: str, edit: Edit, *, colour: bool) -> str:
    if not colour:
        return text
    return f"{_BOLD if edit.hallucinated else ''}{paint}{text}{_PLAIN}"
