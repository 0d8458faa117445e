"""The words of a hypothesis laid over those of its reference, for a terminal.

Marked as `wdiff` does, so that it reads without colours too: ``[-deleted-]``, ``{+inserted+}``,
``[-sung-]{+heard+}``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from lyricsep.scoring import Edit, without_tags
from lyricsep.scoring.tokens import tokenize

__all__ = ["edits_by_line", "render_alignment"]

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
    rows = edits_by_line(reference, edits, language)
    return "\n".join(_line(own, colour=colour) for own in rows) + "\n"


def edits_by_line(reference: str, edits: Sequence[Edit], language: str) -> list[list[Edit]]:
    """Lay an alignment out by the lines of the reference, a list of edits for each.

    Lines without words, such as those between sections, have none. What was inserted stands on the line of the word
    behind it; what came behind the last word, on the last line.

    Parameters
    ----------
    reference : str
        The text that was scored.
    edits : sequence of Edit
        Its alignment.
    language : str
        By which it was tokenized.
    """
    waiting = deque(edits)
    rows = []
    for line in without_tags(reference).strip("\n").split("\n"):
        n_words = len(tokenize(line, language).words)
        own: list[Edit] = []
        while n_words and waiting:
            own.append(waiting.popleft())
            n_words -= own[-1].reference is not None
        rows.append(own)
    rows[-1].extend(waiting)
    return rows


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
