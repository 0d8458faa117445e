"""Where lines and sections break: what each rule is worth against the breaks of the reference, in one table.

    python scripts/benchmark_lines.py --dataset ../shared/jam-alt -o lines

The songs are transcribed once, with the times of words, by the preset `fast` and seed 0; then the same words are
broken into lines by one rule after the other (`LineRules`), by all of them but one, and by none. `--heard` takes
transcriptions that are there (json with word times, named as the songs). The words never change: WER is that of the
transcription in every row. Sections of the rows above are those of the txt writer.

F1, precision and recall of the breaks of lines and of sections are those of `lyricsep score`. Intervals are over
songs. `--held-out` chooses the weights of the rules anew for each song, on the other songs, and breaks it by them.

Writes lines.txt, lines.md and lines.json.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyricsep.datasets import Song
    from lyricsep.lyrics import Line, Lyrics, Word
    from lyricsep.scoring import Counts
    from lyricsep.tables import Table
    from lyricsep.transcribers.lines import LineRules

    Heard = Sequence[tuple[Song, Lyrics]]

LYRICSEP = (sys.executable, "-m", "lyricsep")
PRESET = ("--preset", "fast", "--seed", "0", "--format", "json")
RULES = ("sentence", "phrase", "pause", "repetition")
PAUSES = (1.5, 3.0)  # seconds that end a section, where nothing else does
# What weights of other rules are tried: round ones about the defaults.
TRIED = {
    "columns": (30, 35, 40),
    "spread": (10, 13, 16),
    "sentence": (1.5, 2.0, 3.0),
    "phrase": (0.5, 1.0, 1.5),
    "pause": (0.5, 1.0, 1.5),
    "repetition": (0.5, 1.0, 1.5),
}


def _transcribe(songs: Sequence[Song], folder: Path, *options: str) -> None:
    """Transcribe what is not in the folder yet."""
    from lyricsep.errors import ConfigError, DatasetError

    missing = [song for song in songs if not (folder / f"{song.id}.json").exists()]
    if not missing:
        return
    for song in missing:
        if song.audio is None:
            raise DatasetError(f"{song.id}: came without its audio; see `lyricsep datasets show`")
        print(f"{song.id}: transcribing", file=sys.stderr)
        done = subprocess.run(
            [*LYRICSEP, "transcribe", str(song.audio), "-o", str(folder), *PRESET, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
            raise ConfigError(f"{song.id}: cannot be transcribed ({said[-1][:300]}); try `lyricsep transcribe`")


def _read(songs: Sequence[Song], folder: Path) -> Heard:
    from lyricsep.documents import LyricsDocument
    from lyricsep.errors import DatasetError
    from lyricsep.scoring import find_hypotheses

    found = find_hypotheses(folder, songs)
    heard = []
    for song in songs:
        path = found.get(song.id)
        if path is None or path.suffix != ".json":
            raise DatasetError(f"{folder}: no {song.id}.json in it; transcribe it with --format json")
        lyrics = LyricsDocument.from_json(path.read_text(encoding="utf-8"), name=str(path)).lyrics
        if any(line.text and not line.words for line in lyrics.lines):
            raise DatasetError(f"{path}: lines without words; transcribe it again")
        heard.append((song, lyrics))
    return heard


def _words(lyrics: Lyrics) -> list[list[Word]]:
    """Give the words of each segment, joined as the transcriber joins them before it makes lines."""
    segments: list[list[Word]] = [[]]
    ends = [segment.end for segment in lyrics.segments[:-1]]
    for line in lyrics.lines:
        while ends and line.start >= ends[0]:
            ends.pop(0)
            segments.append([])
        segments[-1] += _joined(line)
    return segments


def _joined(line: Line) -> list[Word]:
    from lyricsep.lyrics import Word
    from lyricsep.transcribers.lines import JOINTS

    words: list[Word] = []
    position = 0
    for word in line.words:
        at = line.text.index(word.text, position)
        if words and at == position and word.text.startswith(JOINTS):
            before = words.pop()
            words.append(Word(before.start, word.end, before.text + word.text))
        else:
            words.append(word)
        position = at + len(word.text)
    return words


def _broken(lyrics: Lyrics, starts_of: Callable[[Sequence[Word]], list[int]]) -> Lyrics:
    """Break the words of each segment into other lines."""
    from lyricsep.lyrics import Line

    lines = [
        Line(words[first].start, words[last - 1].end, " ".join(word.text for word in words[first:last]))
        for words in _words(lyrics)
        if words
        for first, last in pairwise([*starts_of(words), len(words)])
    ]
    return replace(lyrics, lines=tuple(lines))


def _relined(lyrics: Lyrics, rules: LineRules) -> Lyrics:
    from lyricsep.transcribers.lines import line_starts

    return _broken(lyrics, lambda words: line_starts(words, lyrics.language or "", rules))


def _as_they_are(lyrics: Lyrics) -> str:
    from lyricsep.formats import render_lyrics

    return render_lyrics(lyrics, "txt")


def _whole(lyrics: Lyrics) -> str:
    return _as_they_are(_broken(lyrics, lambda words: [0]))


def _by(rules: LineRules) -> Callable[[Lyrics], str]:
    return lambda lyrics: _as_they_are(_relined(lyrics, rules))


def _with_pauses_alone(gap: float) -> Callable[[Lyrics], str]:
    """Break into the default lines, and into sections where nobody sings for longer than that."""
    from lyricsep.transcribers.lines import LineRules

    def text(lyrics: Lyrics) -> str:
        rows: list[str] = []
        end = math.inf
        for line in _relined(lyrics, LineRules()).lines:
            rows += ["", line.text] if line.start - end > gap else [line.text]
            end = line.end if math.isinf(end) else max(end, line.end)
        return "\n".join(rows)

    return text


def _spoken(song: Song) -> Lyrics:
    """Make lyrics of the reference: the times of its words, or those of its lines shared out by letters."""
    from lyricsep.lyrics import Line, Lyrics, Segment, Word
    from lyricsep.scoring import without_tags

    lines = []
    for line in song.lines:
        text, clock = " ".join(without_tags(line.text).split()), line.start
        n_letters = sum(map(len, text.split()))
        words = []
        for word in text.split():
            end = min(clock + (line.end - line.start) * len(word) / n_letters, line.end)
            words.append(Word(clock, max(clock, end), word))
            clock = words[-1].end
        lines.append(Line(line.start, line.end, text, line.words or tuple(words)))
    last = max((line.end for line in lines), default=0.0)
    return Lyrics(tuple(lines), song.language, last, (Segment(0.0, last),))


def _score(heard: Heard, text_of: Callable[[Lyrics], str]) -> dict[str, Counts]:
    return {song.id: _scored(song.text, text_of(lyrics), song.language) for song, lyrics in heard}


@cache
def _scored(reference: str, hypothesis: str, language: str) -> Counts:
    from lyricsep.scoring import score

    return score(reference, hypothesis, language).counts


def _variants() -> Iterator[tuple[str, Callable[[Lyrics], str]]]:
    """Give every way to break the words of a transcription that is measured, with its name."""
    from lyricsep.transcribers.lines import LineRules

    yield "a line a segment", _whole
    off: dict[str, Any] = dict.fromkeys(RULES, 0.0)
    for rule in ("length", *RULES):
        off.pop(rule, None)
        name = "length alone" if rule == "length" else f"+ {rule}"
        yield (name if off else f"{name}: all rules"), _by(replace(LineRules(), **off))
    for rule in RULES:
        without: dict[str, Any] = {rule: 0.0}
        yield f"all without {rule}", _by(replace(LineRules(), **without))
    yield "all without length", _by(replace(LineRules(), spread=1000))
    for gap in PAUSES:
        yield f"all rules; sections by pauses over {gap} s alone", _with_pauses_alone(gap)


def _held_out(heard: Heard) -> tuple[dict[str, Counts], dict[str, dict[str, float]]]:
    """Break each song by the weights that are best for the others; give the counts and those weights."""
    from lyricsep.scoring import pool, rates
    from lyricsep.transcribers.lines import LineRules

    grid: list[dict[str, Any]] = [dict(zip(TRIED, values, strict=True)) for values in product(*TRIED.values())]
    tried = [_score(heard, _by(replace(LineRules(), **weights))) for weights in grid]
    counts, chosen = {}, {}
    for song, _ in heard:

        def merit(index: int, out: str = song.id) -> float:
            return rates(pool(one for name, one in tried[index].items() if name != out))["F1_line"]

        best = max(range(len(grid)), key=merit)
        counts[song.id], chosen[song.id] = tried[best][song.id], grid[best]
    return counts, chosen


def _row(name: str, counts: Mapping[str, Counts]) -> dict[str, Any]:
    from lyricsep.scoring import bootstrap, pool, rates

    pooled, intervals = rates(pool(counts.values())), bootstrap(list(counts.values()))
    row: dict[str, Any] = {"lines": name, "WER": _finite(pooled["WER"])}
    for kind in ("line", "sect"):
        row |= {f"{rate}_{kind}": _finite(pooled[f"{rate}_{kind}"]) for rate in ("P", "R", "F1")}
        interval = intervals[f"F1_{kind}"]
        row[f"F1_{kind}_interval"] = [_finite(interval.low), _finite(interval.high)]
        row[f"F1_{kind}_of_songs"] = {song: _finite(rates(one)[f"F1_{kind}"]) for song, one in counts.items()}
    return row


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


def _table(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Table:
    from lyricsep.tables import Table, percent, with_interval

    def number(value: float | None) -> float:
        return math.nan if value is None else value

    cells = []
    for row in rows:
        of_songs = " ".join(percent(number(value), 0) for value in row["F1_line_of_songs"].values())
        lines, sections = (
            [
                *(percent(number(row[f"{rate}_{kind}"]), 1) for rate in ("P", "R")),
                with_interval(*map(number, (row[f"F1_{kind}"], *row[f"F1_{kind}_interval"]))),
            ]
            for kind in ("line", "sect")
        )
        cells.append((row["lines"], *lines, of_songs, *sections))
    headers = ("lines by", "P line", "R line", "F1 line [95 %]", "of each song", "P sect", "R sect", "F1 sect [95 %]")
    notes = (
        f"breaks of lines and of sections against the reference, in percent, {len(about['songs'])} songs; the words "
        f"are those of {about['heard']}, WER {percent(number(rows[0]['WER']))}, unless the row says otherwise",
    )
    return Table(f"Lines: {about['dataset']}", headers, tuple(cells), 1, notes)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="folder of the table and of the transcriptions")
    add("--dataset", default="jam-alt", help="songs with lyrics, as for `lyricsep benchmark` (default: %(default)s)")
    add("-l", "--language", default="en", help="of songs whose dataset does not say it (default: %(default)s)")
    add("--heard", type=Path, help="folder of transcriptions with word times (default: made in the output)")
    add("--phrases", action="store_true", help="also transcribe with --timestamps: lines are Whisper's own phrases")
    add("--held-out", action="store_true", help="also choose the rules' weights on the other songs (a minute or two)")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> None:
    from lyricsep.datasets import open_dataset
    from lyricsep.files import write_text
    from lyricsep.transcribers.lines import LineRules
    from lyricsep.version import __version__, library_versions

    dataset = open_dataset(options.dataset, language=options.language)
    folder = options.heard or options.output / "heard"
    if not options.heard:
        _transcribe(dataset.songs, folder)
    heard = _read(dataset.songs, folder)
    rows = [_row(name, _score(heard, text_of)) for name, text_of in _variants()]
    chosen = None
    if options.held_out:
        counts, chosen = _held_out(heard)
        rows.append(_row("all rules, weights from the other songs", counts))
    if options.phrases:
        _transcribe(dataset.songs, options.output / "phrases", "--timestamps")
        phrases = _read(dataset.songs, options.output / "phrases")
        rows.append(_row("Whisper's phrases", _score(phrases, _as_they_are)))
    reference = [(song, _spoken(song)) for song in dataset.songs if song.lines]
    if reference:
        rows.append(_row("all rules, on the reference's words", _score(reference, _by(LineRules()))))
        rows.append(_row("the reference's own lines", _score(reference, _as_they_are)))
    about = {
        "dataset": dataset.name,
        "songs": [song.id for song in dataset.songs],
        "heard": str(options.heard) if options.heard else "preset fast, seed 0",
        "rules": asdict(LineRules()),
        "held_out": chosen,
        "lyricsep": __version__,
        "libraries": library_versions(),
    }
    table = _table(rows, about)
    write_text(options.output / "lines.txt", table.text())
    write_text(options.output / "lines.md", table.markdown())
    document = json.dumps({"about": about, "rows": rows}, ensure_ascii=False, indent=1)
    write_text(options.output / "lines.json", document + "\n")
    print(table.text(), end="")


def main() -> None:
    """Transcribe, break, score, and write the table."""
    options = _parse()

    from lyricsep.errors import LyricsepError

    try:
        _measure(options)
    except LyricsepError as error:
        sys.exit(f"benchmark_lines: {error}")


if __name__ == "__main__":
    main()
