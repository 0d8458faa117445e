"""Tables with wide letters, marks that a format takes for its own, and numbers that are not known."""

from __future__ import annotations

import unicodedata
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.tables import Table, percent, with_interval

TABLE = Table(
    "Long form",
    ("audio", "segmentation", "WER"),
    (("mixture", "native", "22.36"), ("stem", "rms-vad", "–")),
    2,
    ("a note",),
)


def test_text() -> None:
    assert TABLE.text() == (
        "Long form\n"
        "audio    segmentation    WER\n"
        "-------  ------------  -----\n"
        "mixture  native        22.36\n"
        "stem     rms-vad           –\n"
        "a note\n"
    )


def test_markdown() -> None:
    assert TABLE.markdown() == (
        "### Long form\n"
        "\n"
        "| audio | segmentation | WER |\n"
        "| :-- | :-- | --: |\n"
        "| mixture | native | 22.36 |\n"
        "| stem | rms-vad | – |\n"
        "\n"
        "a note\n"
    )


def test_latex() -> None:
    assert TABLE.latex() == (
        "% Long form\n"
        "\\begin{tabular}{llr}\n"
        "\\toprule\n"
        "audio & segmentation & WER \\\\\n"
        "\\midrule\n"
        "mixture & native & 22.36 \\\\\n"
        "stem & rms-vad & -- \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "% a note\n"
    )


def test_no_rows() -> None:
    empty = Table("t", ("song", "WER"), ())
    assert empty.text() == "t\nsong  WER\n----  ---\n"
    assert empty.markdown().count("\n|") == 2
    assert "\\midrule\n\\bottomrule" in empty.latex()


# Columns of a terminal, counted by hand.
WIDTHS = [
    ("abc", 3),
    ("ß", 1),
    ("歌", 2),
    ("Ｗ", 2),
    ("e\u0301", 1),
    ("が", 2),
    ("か\u3099", 2),
    ("노래", 4),
    ("ﾗ", 1),
]


@pytest.mark.parametrize(("label", "width"), WIDTHS)
def test_wide_and_combining_letters_keep_the_columns(label: str, width: int) -> None:
    lines = Table("", ("song", "WER"), ((label, "1.00"), ("12345678", "2.00")), 1).text().splitlines()
    row, other = lines[-2:]
    assert row == label + " " * (8 - width) + "  1.00"
    assert other == "12345678  2.00"


def test_marks_without_a_width_keep_the_columns() -> None:
    # Signs of Thai and Hindi that stand above or below a letter have no combining class.
    for label, width in (("ที่รัก", 3), ("कु", 1), ("a\u200bb", 2)):
        row = Table("", ("song", "WER"), ((label, "1.00"), ("12345678", "2.00")), 1).text().splitlines()[-2]
        assert row == label + " " * (8 - width) + "  1.00", label


def test_numbers_are_on_the_right() -> None:
    lines = Table("t", ("a", "比率"), (("x", "1"), ("y", "100.00")), 1).text().splitlines()
    assert lines[1:] == ["a    比率", "-  ------", "x       1", "y  100.00"]


def test_pipes_in_markdown() -> None:
    text = Table("t", ("a|b", "c"), (("x | y", "|"),), 1).markdown()
    assert "| a\\|b | c |" in text
    assert "| x \\| y | \\| |" in text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a_b", "a\\_b"),
        ("50%", "50\\%"),
        ("R&B", "R\\&B"),
        ("#1 $", "\\#1 \\$"),
        ("{x}", "\\{x\\}"),
        ("\\", "\\textbackslash{}"),
        ("\\{_}", "\\textbackslash{}\\{\\_\\}"),
        ("–", "--"),
        ("± seeds", "$\\pm$ seeds"),
        ("Δ WER", "$\\Delta$ WER"),
        ("Veränderung ß", "Veränderung ß"),
        ("~", "\\textasciitilde{}"),
        ("^", "\\textasciicircum{}"),
    ],
)
def test_marks_of_latex(cell: str, expected: str) -> None:
    lines = Table("t", ("song", cell), ((cell, "1"),), 1).latex().splitlines()
    assert f"song & {expected} \\\\" in lines
    assert f"{expected} & 1 \\\\" in lines


def test_rows_of_another_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        Table("t", ("a", "b"), (("x",),)).text()


CELLS = st.text(alphabet="aß歌Ｗ\u0301|& ", max_size=6).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.integers(0, 3))
def test_every_row_is_as_wide_as_the_rule(rows: list[tuple[str, str, str]], n_labels: int) -> None:
    # The last column is of numbers of one width, so that no row ends early.
    filled = tuple((*row, "1.00") for row in rows)
    _, header, rule, *others = Table("t", ("a", "b", "c", "last"), filled, n_labels).text().splitlines()
    for line in (header, *others):
        wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
        combining = sum(unicodedata.combining(c) > 0 for c in line)
        assert len(line) + wide - combining == len(rule)


@pytest.mark.parametrize(
    ("rate", "expected"), [(0.2236, "22.36"), (0, "0.00"), (1.5, "150.00"), (-0.02, "-2.00"), (nan, "–")]
)
def test_percent(rate: float, expected: str) -> None:
    assert percent(rate) == expected


def test_percent_with_other_digits() -> None:
    assert percent(0.12345, 1) == "12.3"


def test_intervals() -> None:
    assert with_interval(0.2, 0.15, 0.25) == "20.00 [15.00, 25.00]"
    assert with_interval(0.2, nan, nan) == "20.00"
    assert with_interval(nan, nan, nan) == "–"


def test_what_breaks_a_row_is_escaped_in_every_form() -> None:
    table = Table("a\nb", ("song", "WER"), (("caf\udce9 \x1b[31m\u202e 君が\u3000代", "1"),), notes=("c\u2028",))
    for text in (table.text(), table.markdown(), table.html()):
        text.encode()
        assert "caf\\udce9 \\x1b[31m\\u202e 君が\u3000代" in text
        assert "a\\nb" in text
    assert table.text().splitlines()[-1] == "c\\u2028"
