"""How results show themselves in a notebook: small tables, every text escaped, never longer than a screen or two.

The classes of the lower rooms call these from their ``_repr_html_``, which a notebook looks for. They import this
module when they are shown, and this module imports none of them, so that the order of the rooms stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lyricsep.files import shown
from lyricsep.formats.clock import hms, to_ticks
from lyricsep.reports.tables import Table, percent, with_interval

if TYPE_CHECKING:
    from lyricsep.lyrics import Line, Lyrics
    from lyricsep.pipeline import Failure, Result
    from lyricsep.scoring import Counts, Difference, Run

__all__ = [
    "counts_html",
    "differences_html",
    "failure_html",
    "lyrics_html",
    "result_html",
    "run_html",
    "table_html",
]

MOST_ROWS = 60
LONGEST_CELL = 300  # characters
RATES_SHOWN = ("WER", "SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_case", "CER", "F1_punc", "F1_line", "F1_sect")


def lyrics_html(lyrics: Lyrics) -> str:
    """Show lyrics: when each line is sung, the line, and why it should be doubted."""
    parts = [f"{len(lyrics.lines)} lines" if lyrics.lines else "no vocals were found"]
    parts += [f"language {lyrics.language}"] if lyrics.language else []
    parts += [f"{_clock(lyrics.duration)[:-4]} long"] if lyrics.duration else []
    title = f"Lyrics: {', '.join(parts)}"
    if not lyrics.lines:
        return f"<p>{escape(title)}</p>"
    return table_html(Table(title, ("start", "end", "line", "doubtful"), tuple(map(_line_row, lyrics.lines)), 4))


def _line_row(line: Line) -> tuple[str, ...]:
    return (_clock(line.start), _clock(line.end), line.text, ", ".join(line.flags))


def table_html(table: Table) -> str:
    """Show a table; of a long one the first rows, and how many there are."""
    head = _cells("th", table.headers, table.n_labels)
    rows = [f"<tr>{_cells('td', row, table.n_labels)}</tr>" for row in table.rows[:MOST_ROWS]]
    notes = list(table.notes)
    if len(table.rows) > MOST_ROWS:
        notes.append(f"and {len(table.rows) - MOST_ROWS} more rows")
    caption = f"<caption>{_cut(table.title)}</caption>" if table.title else ""
    return (
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"{''.join(f'<p>{_cut(note)}</p>' for note in notes)}"
    )


def result_html(result: Result) -> str:
    """Show a song that went through: its lyrics, and how long each stage took."""
    took = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.seconds.items())
    damage = f"; {len(result.damage)} passages could not be decoded" if result.damage else ""
    return f"<p><b>{_cut(shown(result.path))}</b> {escape(took)}{damage}</p>{lyrics_html(result.lyrics)}"


def failure_html(failure: Failure) -> str:
    """Show a song that did not go through, and why."""
    return f"<p><b>{_cut(shown(failure.path))}</b> failed: {_cut(str(failure.error))}</p>"


def counts_html(counts: Counts) -> str:
    """Show what was counted: the words, and the rates that follow."""
    from lyricsep.scoring import rates

    words, found = counts.words, rates(counts)
    note = (
        f"{words.n_reference} words of the reference: {words.hits} hits, {words.substitutions} substituted, "
        f"{words.deletions} deleted, {words.insertions} inserted; rates in percent"
    )
    row = tuple(percent(found[name]) for name in RATES_SHOWN)
    return table_html(Table("Counts", RATES_SHOWN, (row,), 0, (note,)))


def run_html(run: Run) -> str:
    """Show the scores of songs, and of all of them with an interval."""
    from lyricsep.scoring import bootstrap, pool

    counts = [one.counts for one in run.songs]
    rows = [(one.song.id, one.song.language, *_score_cells(one.counts)) for one in run.songs]
    notes = [f"{len(run.missing)} songs without a hypothesis: {', '.join(run.missing)}"] if run.missing else []
    if counts:
        wer = bootstrap(counts)["WER"]
        total = ", ".join(
            f"{name} {cell}" for name, cell in zip(("words", "S", "D", "I"), _words(pool(counts)), strict=True)
        )
        told = ", 95 % over songs" if len(counts) > 1 else ""
        notes.insert(0, f"all: WER {with_interval(wer.value, wer.low, wer.high)}{told}; {total}; rates in percent")
    headers = ("song", "language", "WER", "words", "S", "D", "I")
    return table_html(Table(f"Scores of {len(run.songs)} songs", headers, tuple(rows), 2, tuple(notes)))


def differences_html(differences: Mapping[str, Difference]) -> str:
    """Show the rates of two runs beside each other, and how sure the differences are."""
    rows = tuple(
        (
            name,
            percent(one.first),
            percent(one.second),
            with_interval(one.difference.value, one.difference.low, one.difference.high),
            "–" if math.isnan(one.p) else f"{one.p:.4f}",
        )
        for name, one in differences.items()
    )
    note = "percent; paired over songs: bootstrap interval, permutation p"
    headers = ("rate", "first", "second", "second - first [95 %]", "p")
    return table_html(Table("Two runs over the same songs", headers, rows, 1, (note,)))


def _score_cells(counts: Counts) -> tuple[str, ...]:
    from lyricsep.scoring import rates

    return (percent(rates(counts)["WER"]), *_words(counts))


def _words(counts: Counts) -> tuple[str, ...]:
    words = counts.words
    return tuple(map(str, (words.n_reference, words.substitutions, words.deletions, words.insertions)))


def _cells(tag: str, row: Sequence[str], n_labels: int) -> str:
    return "".join(_aligned(tag, cell, is_label=index < n_labels) for index, cell in enumerate(row))


def _aligned(tag: str, cell: str, *, is_label: bool) -> str:
    side = "left" if is_label else "right"
    return f'<{tag} style="text-align: {side}">{_cut(cell)}</{tag}>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…")


def _clock(seconds: float) -> str:
    return hms(to_ticks(seconds, 1000))
