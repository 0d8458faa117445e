"""Lines as CSV, TSV and Audacity label tracks.

CSV and TSV have the header ``start,end,text``, times in seconds rounded to milliseconds, and quote as RFC 4180
specifies; times of Audacity labels are rounded to microseconds. None of them stores word times.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from lyricsep.errors import DatasetError, reason_of
from lyricsep.formats.clock import decimal
from lyricsep.formats.transcript import Transcript, sung, timed
from lyricsep.lyrics import Line, Lyrics

# Column names of lyricsep and Jam-ALT, then of JamendoLyrics.
_COLUMNS: Mapping[str, str] = {
    "start": "start",
    "end": "end",
    "text": "text",
    "start_time": "start",
    "end_time": "end",
    "lyrics_line": "text",
}

# A row of times and text. Whisper does not quote, so that quotes may open in one text and close in another.
_TIMED_ROW = re.compile(r"[\d.]+\t[\d.]+\t.*")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def render_table(lyrics: Lyrics, delimiter: str) -> str:
    """Return lyrics as CSV or, with tabs between cells, as TSV; only the header for an instrumental."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["start", "end", "text"])
    writer.writerows([decimal(line.start, 3), decimal(line.end, 3), line.text] for line in lyrics.lines)
    return table.getvalue()


def render_audacity(lyrics: Lyrics) -> str:
    """Return tab-separated start, end and text, for Audacity (File, Import, Labels).

    Tabs in a text become spaces.
    """
    return "".join(
        f"{decimal(line.start, 6)}\t{decimal(line.end, 6)}\t" + line.text.replace("\t", " ") + "\n"
        for line in lyrics.lines
        if line.text.strip()
    )


def read_table(text: str, name: str, *, delimiter: str) -> Transcript:
    """Read CSV, or TSV, whose delimiter is a tab; see `lyricsep.formats.reading.read_lyrics`."""
    has_rows = delimiter == "\t" and all(_TIMED_ROW.fullmatch(row) for row in text.split("\n")[1:] if row.strip())
    try:
        rows = (
            [row.split(delimiter) for row in text.split("\n")]
            if has_rows
            else list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        )
    except csv.Error as error:
        raise DatasetError(
            f"{name}: not a table ({reason_of(error)}); quote texts with quotes or line breaks"
        ) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return Transcript("")
    header = [_COLUMNS.get(cell.strip().lower(), "") for cell in rows[0]]
    if not {"start", "end", "text"} <= set(header):
        expected = delimiter.join(("start", "end", "text"))
        raise DatasetError(f"{name}: expected the header {expected!r}, got {delimiter.join(rows[0])[:60]!r}; add it")
    last = len(header) - 1
    # A text in the last column may hold delimiters that are not quoted.
    joined = [[*row[:last], delimiter.join(row[last:])] if header[last] == "text" else row for row in rows[1:]]
    cells = [dict(zip(header, row, strict=False)) for row in joined]
    # TSV of Whisper has whole milliseconds; seconds have a fraction.
    times = [cell.get(column, "").strip() for cell in cells for column in ("start", "end")]
    per_second = 1000 if delimiter == "\t" and all(time.isdecimal() for time in times) else 1
    if has_rows and per_second == 1:  # quoted, unless they are Whisper's
        cells = [{**cell, "text": _unquoted(cell.get("text", ""))} for cell in cells]
    lines = [
        _line(cell, per_second, f"{name}: row {number} below the header")
        for number, cell in enumerate(cells, start=1)
    ]
    return timed(sung(lines, name))


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"') if _QUOTED.fullmatch(text) else text


def read_audacity(text: str, name: str) -> Transcript:
    """Read Audacity labels; see `lyricsep.formats.reading.read_lyrics`."""
    rows = enumerate(text.split("\n"), start=1)
    # Rows that begin with a backslash are the frequency range of a label.
    labels = [(number, row.split("\t", 2)) for number, row in rows if row.strip() and not row.startswith("\\")]
    lines = [
        _line(dict(zip(("start", "end", "text"), row, strict=False)), 1, f"{name}: row {number}")
        for number, row in labels
    ]
    return timed(sung(lines, name))


def _line(cell: Mapping[str, str], per_second: int, where: str) -> Line:
    # A quoted cell may contain line breaks, which a line cannot.
    content = cell.get("text", "").replace("\n", " ").strip()
    try:
        return Line(float(cell["start"]) / per_second, float(cell["end"]) / per_second, content)
    except (KeyError, ValueError) as error:
        got = (cell.get("start", "")[:20], cell.get("end", "")[:20])
        raise DatasetError(f"{where}: expected 0 <= start <= end in seconds, got {got}; correct it") from error
