"""Tables as text, Markdown, LaTeX and HTML."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Table", "as_html", "percent", "with_interval"]

MOST_ROWS = 60  # in a notebook
LONGEST_CELL = 300  # characters there


@dataclass(frozen=True)
class Table:
    """A table of strings.

    Parameters
    ----------
    title : str
        Above it; may be empty.
    headers : tuple of str
        One per column.
    rows : tuple of tuple of str
        The first `n_labels` cells of a row are words, the others numbers.
    n_labels : int
        Columns that are aligned to the left.
    notes : tuple of str
        Below it.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int = 1
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Render for a terminal."""
        widths = [max(map(_width, column)) for column in zip(self.headers, *self.rows, strict=True)]
        lines = [self._spaced(self.headers, widths), "  ".join("-" * width for width in widths)]
        lines += [self._spaced(row, widths) for row in self.rows]
        return "\n".join([*([self.title] if self.title else []), *lines, *self.notes]) + "\n"

    def markdown(self) -> str:
        """Render for GitHub."""
        marks = [":--" if index < self.n_labels else "--:" for index in range(len(self.headers))]
        rows = [self.headers, tuple(marks), *self.rows]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([f"### {self.title}", "", *lines, "", *(f"{note}  " for note in self.notes)]).rstrip() + "\n"

    def latex(self) -> str:
        """Render for a paper; needs the package booktabs."""
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
        """Render for a notebook, a screen or two at most: of a long table the first rows, and how many there are."""
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
            cell + " " * (width - _width(cell)) if index < self.n_labels else " " * (width - _width(cell)) + cell
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


def percent(rate: float, digits: int = 2) -> str:
    """Show a rate in percent, without its sign; a dash for NaN."""
    return "–" if math.isnan(rate) else f"{100 * rate:.{digits}f}"


def with_interval(value: float, low: float, high: float) -> str:
    """Show a rate in percent with its interval."""
    return percent(value) + ("" if math.isnan(low) else f" [{percent(low)}, {percent(high)}]")


def as_html(text: str) -> str:
    """Write text for a notebook: none of it becomes an element, and the end of a long one is cut."""
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


def _width(text: str) -> int:
    """Count the columns of a terminal."""
    # Marks above or below a letter (also those of no combining class, as in Thai), and letters that only join others.
    seen = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in seen)
