"""Show the word alignment of a hypothesis and its reference in a terminal.

The marks are those of `wdiff`, which need no colours: ``[-deleted-]``, ``{+inserted+}``,
``[-reference-]{+hypothesis+}``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from lyricsep.scoring import Edit, without_tags
from lyricsep.scoring.tokens import tokenize

_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"


def render_alignment(reference: str, edits: Sequence[Edit], language: str, *, colour: bool = False) -> str:
    """Return an alignment as text, one row per line of the reference.

    Parameters
    ----------
    reference : str
        The reference text that was scored.
    edits : sequence of Edit
        Alignment from `score`.
    language : str
        ISO 639 code that was used to tokenize it.
    colour : bool
        Add ANSI colours; hallucinated words (long runs) are bold.
    """
    rows = edits_by_line(reference, edits, language)
    return "\n".join(_line(row, colour=colour) for row in rows) + "\n"


def edits_by_line(reference: str, edits: Sequence[Edit], language: str) -> list[list[Edit]]:
    """Return the edits of each line of the reference; arguments as `render_alignment`.

    Lines without words, such as those between sections, have none. Insertions belong to the line of the next word of
    the reference; those after the last word belong to the last line.
    """
    waiting = deque(edits)
    rows = []
    for line in without_tags(reference).strip("\n").split("\n"):
        n_words = len(tokenize(line, language).words)
        row: list[Edit] = []
        while n_words and waiting:
            row.append(waiting.popleft())
            n_words -= row[-1].reference is not None
        rows.append(row)
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
