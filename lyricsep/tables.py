"""Tables as text, Markdown, LaTeX and HTML."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

MOST_ROWS = 60  # rows shown in a notebook
LONGEST_CELL = 300  # characters shown in a notebook


@dataclass(frozen=True)
class Table:
    """A table of strings.

    Parameters
    ----------
    title : str
        Title above the table; may be empty.
    headers : tuple of str
        One per column.
    rows : tuple of tuple of str
        The first `n_labels` cells of a row are labels, the others numbers.
    n_labels : int
        Number of left-aligned columns; the others are right-aligned.
    notes : tuple of str
        Notes below the table.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Escape what would break a row or is no text: names of files may hold anything."""
        object.__setattr__(self, "title", _shown(self.title))
        object.__setattr__(self, "rows", tuple(tuple(map(_shown, row)) for row in self.rows))
        object.__setattr__(self, "notes", tuple(map(_shown, self.notes)))

    def text(self) -> str:
        """Return the table as aligned text for a terminal."""
        widths = [max(map(text_width, column)) for column in zip(self.headers, *self.rows, strict=True)]
        lines = [self._spaced(self.headers, widths), "  ".join("-" * width for width in widths)]
        lines += [self._spaced(row, widths) for row in self.rows]
        return "\n".join([*([self.title] if self.title else []), *lines, *self.notes]) + "\n"

    def markdown(self) -> str:
        """Return the table as GitHub Markdown."""
        marks = [":--" if index < self.n_labels else "--:" for index in range(len(self.headers))]
        rows = [self.headers, tuple(marks), *self.rows]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"### {self.title}", "", *lines, "", *(f"{note}  " for note in self.notes)]).rstrip() + "\n"

    def latex(self) -> str:
        """Return the table as LaTeX; needs the package booktabs."""
        columns = "l" * self.n_labels + "r" * (len(self.headers) - self.n_labels)
        lines = [
            f"% {self.title}",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            _latex_row(self.headers),
            "\\midrule",
            *map(_latex_row, self.rows),
            "\\bottomrule",
            "\\end{tabular}",
            *(f"% {note}" for note in self.notes),
        ]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """Return the table as HTML for a notebook; of a long table only the first `MOST_ROWS` rows."""
        head = _html_row("th", self.headers, self.n_labels)
        rows = [_html_row("td", row, self.n_labels) for row in self.rows[:MOST_ROWS]]
        left = len(self.rows) - len(rows)
        notes = [*self.notes, *([f"and {left} more rows"] if left else [])]
        caption = f"<caption>{as_html(self.title)}</caption>" if self.title else ""
        return (
            f"<table>{caption}<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
            f"{''.join(f'<p>{as_html(note)}</p>' for note in notes)}"
        )

    _repr_html_ = html

    def _spaced(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell + " " * (width - text_width(cell))
            if index < self.n_labels
            else " " * (width - text_width(cell)) + cell
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


# Control characters, line ends, marks that turn the direction of what follows, and half characters.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _shown(text: str) -> str:
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def decimal(value: float, digits: int = 2) -> str:
    """Return a number with so many decimals; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def percent(rate: float, digits: int = 2) -> str:
    """Return a rate in percent, without the percent sign; a dash for NaN."""
    return decimal(100 * rate, digits)


def clock(seconds: float) -> str:
    """Return a time as ``m:ss``, or ``h:mm:ss`` from one hour."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def with_interval(value: float, low: float, high: float) -> str:
    """Return a rate in percent with its interval."""
    return percent(value) + ("" if math.isnan(low) else f" [{percent(low)}, {percent(high)}]")


def as_html(text: str) -> str:
    """Return text escaped for HTML, truncated to `LONGEST_CELL` characters."""
    return escape(text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…")


_LATEX = str.maketrans(
    {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "–": "--",
        "±": "$\\pm$",
        "Δ": "$\\Delta$",
        **{mark: "\\" + mark for mark in "&%$#_{}"},
    }
)


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in row) + r" \\"


def _html_row(tag: str, row: Sequence[str], n_labels: int) -> str:
    sides = ["left" if index < n_labels else "right" for index in range(len(row))]
    cells = [
        f'<{tag} style="text-align: {side}">{as_html(cell)}</{tag}>' for side, cell in zip(sides, row, strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def text_width(text: str) -> int:
    """Return the width of a text in columns of a terminal."""
    # Skip combining marks (also those of combining class 0, as in Thai) and format characters such as joiners.
    seen = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in seen)
