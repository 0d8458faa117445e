"""The page of a run: the numbers, tables and charts that the template ``run.html.j2`` lays out.

All that is shown is in the page itself, ready for print and for browsers without scripts. The scripts sort, search,
and open the texts of songs, which are embedded as JSON.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lyricsep.pages.charts import Mark, bars, histogram, interval, scatter, stack, strips
from lyricsep.pages.html import render_page
from lyricsep.pages.manifests import changes, facts
from lyricsep.pages.run import KINDS, PageSong, RunContent
from lyricsep.scoring import RATES, Counts, Difference, TimingCounts, bootstrap, compare, most_changed, pool, rates
from lyricsep.transcribers.guard import FLAGS

MAIN_RATES = ("WER", "SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_near", "WER_case", "CER")
F_SCORES = ("F1_punc", "F1_pare", "F1_line", "F1_sect")

COUNTED = {
    "substitutions": "substitutions",
    "near_misses": "… of which near misses",
    "deletions": "deletions",
    "nonlexical_deletions": "… of which non-lexical words",
    "backing_deletions": "… of which backing vocals",
    "insertions": "insertions",
    "hallucinated_insertions": "… of which in runs of more than 10",
    "case_errors": "words in the wrong case",
}

SIGNIFICANCE = 0.05
FEWEST = 5
"""Songs of which a distribution is drawn."""

UNKNOWN = "–"
"""The language of songs whose language is unknown."""


def render_run_page(content: RunContent) -> str:
    """Return the page of a run as one file of HTML."""
    songs = content.songs
    scored = [song for song in songs if song.lyrics.counts]
    texts = {
        "first": content.versus,
        "second": content.title,
        "kinds": KINDS,
        "flags": FLAGS,
        "songs": [_text_of(song) for song in songs],
    }
    return render_page(
        "run.html.j2",
        texts,
        title=f"{content.title} – run",
        styles=("page.css", "run.css"),
        scripts=("content.js", "theme.js", "run.js"),
        run=content,
        n_scored=len(scored),
        languages=list(_by_language(songs)),
        summary=_summary(content, scored),
        charts=_distributions(content),
        errors=_errors(scored) if scored else None,
        versus=_comparison(content),
        rows=_song_rows(content),
        failed=[
            (song, error.removeprefix(f"{song}: "))
            for song, error in (*content.failed.items(), *content.unread.items())
        ],
        changes=_manifest_changes(content),
        manifests=[(_headline(manifest), facts(manifest)) for manifest in reversed(content.manifests)],
    )


def _text_of(song: PageSong) -> dict[str, Any]:
    text = {
        "title": song.title,
        "page": song.page,
        "aligned": song.lyrics.counts is not None,
        "text": song.lyrics.text,
    }
    return text | ({"versus": song.versus.text} if song.versus else {})


def _summary(content: RunContent, scored: Sequence[PageSong]) -> dict[str, Any]:
    songs = content.songs
    timing = [song.lyrics.timing for song in scored if song.lyrics.timing]
    flags = {flag: sum(song.flags[flag] for song in songs) for flag in FLAGS}
    return {
        "duration": sum(song.duration for song in songs),
        "words": pool(_counts(scored)).words,
        "n_failed": len(content.failed) + len(content.unread),
        "n_instrumental": sum(not song.n_lines for song in songs),
        "n_lines": sum(song.n_lines for song in songs),
        "n_flagged": sum(song.flags[""] for song in songs),
        "timing": sum(timing, TimingCounts()) if timing else None,
        "flags": [(flag, n, FLAGS[flag]) for flag, n in flags.items() if n],
    }


def _errors(scored: Sequence[PageSong]) -> dict[str, Any]:
    intervals = bootstrap(_counts(scored))
    known = {name: (RATES[name], found) for name, found in intervals.items() if not math.isnan(found.value)}
    groups = _by_language(scored)
    languages = [*groups.items(), *([("all", list(scored))] if len(groups) > 1 else [])]
    return {
        "wer": intervals["WER"],
        "main": {name: known[name] for name in MAIN_RATES if name in known},
        "f_scores": {name: known[name] for name in F_SCORES if name in known},
        "others": {name: known[name] for name in RATES if name in known and name not in MAIN_RATES + F_SCORES},
        "languages": [
            (name, len(songs), pool(_counts(songs)).words, bootstrap(_counts(songs))["WER"])
            for name, songs in languages
        ],
    }


def _distributions(content: RunContent) -> list[tuple[str, str]]:
    """Return captions and charts of the word error rates or, without them, of the shares of doubtful lines.

    Few songs are told in words.
    """
    marks, of = _wers(content), "Word error rate"
    if not marks:
        of = "Doubtful lines"
        marks = {
            index: Mark(index, song.title, 100 * song.flags[""] / song.n_lines)
            for index, song in enumerate(content.songs)
            if song.n_lines
        }
    if len(marks) < 2:
        return []
    if len(marks) < FEWEST:
        return [(f"{of} of each song", _told(marks.values(), "{:.1f} %"))]
    groups: dict[str, list[Mark]] = {}
    for mark in marks.values():
        groups.setdefault(content.songs[mark.song].language or UNKNOWN, []).append(mark)
    drawn: list[tuple[str, str]] = [(f"{of}, percent: number of songs", histogram(list(marks.values()), of=of))]
    if any(len(group) >= FEWEST for group in groups.values()):
        drawn.append((f"{of} by language, percent", strips(dict(sorted(groups.items())), of=of)))
    return drawn


def _told(marks: Iterable[Mark], number: str) -> str:
    """Return the values of so few songs that a drawing would say less."""
    values = (f"{mark.name} {number.format(mark.value)}" for mark in sorted(marks, key=lambda mark: -mark.value))
    return f"{'; '.join(values).replace('-', '−')}."


def _comparison(content: RunContent) -> dict[str, Any] | None:
    """Return how the other run, B, differs from this one, A, as B - A; only its name if no song is scored in both."""
    if content.versus is None:
        return None
    both = {
        index: (song.lyrics.counts, song.versus.counts)
        for index, song in enumerate(content.songs)
        if song.versus and song.versus.counts and song.lyrics.counts
    }
    if not both:
        return {"name": content.versus, "n_songs": 0}
    first = {str(index): counts for index, (counts, _) in both.items()}
    second = {str(index): counts for index, (_, counts) in both.items()}
    differences = compare(first, second)
    of_first, of_second = (pool(run.values()).as_fields() for run in (first, second))
    return {
        "name": content.versus,
        "n_songs": len(both),
        "n_alone": sum(song.lyrics.counts is not None for song in content.songs) - len(both),
        "wer": differences["WER"],
        "outcome": _outcome(differences["WER"]),
        "charts": _changes_of_songs(content, both),
        "rates": _rate_differences(differences),
        "counts": [
            (label, of_first[kind], of_second[kind])
            for kind, label in COUNTED.items()
            if of_first[kind] or of_second[kind]
        ],
        "moved": [
            (int(index), *(rates(run[index])["WER"] for run in (first, second)), steps)
            for index, steps in most_changed(first, second)
        ],
    }


def _outcome(wer: Difference) -> str:
    step = wer.difference
    # An interval over a handful of songs is too narrow; the permutation test takes their number into account.
    is_clear = step.low > 0 or step.high < 0
    if is_clear and wer.p <= SIGNIFICANCE:
        return f"This run, A, is {'better' if step.value > 0 else 'worse'}."
    why = f"p is above {SIGNIFICANCE:g}" if is_clear else "the interval contains zero"
    return f"No significant difference: {why}."


def _changes_of_songs(content: RunContent, both: Iterable[int]) -> list[tuple[str, str]]:
    first, second = _wers(content), _wers(content, of_versus=True)
    common = [index for index in both if index in first and index in second]
    if len(common) < 2:
        return []
    caption = "WER of each song, B - A, points"
    steps = [Mark(index, first[index].name, second[index].value - first[index].value) for index in common]
    changed = [mark for mark in steps if abs(mark.value) >= 0.05]
    if not changed:
        return [(caption, f"None of the {len(steps)} songs differs.")]
    if len(changed) < FEWEST:
        n_same = len(steps) - len(changed)
        return [(caption, _told(changed, "{:+.1f}") + (f" The other {n_same} do not differ." if n_same else ""))]
    pairs = [(first[index], second[index]) for index in common]
    return [
        (caption, bars(changed, of="Difference of the word error rate, B - A,")),
        (
            f"WER: A, {content.title}, across; B, {content.versus}, up",
            scatter(pairs, first=content.title, second=content.versus or ""),
        ),
    ]


def _rate_differences(differences: Mapping[str, Difference]) -> list[tuple[str, str, Difference, str]]:
    """Return name, meaning, difference and chart of each rate."""
    names = [name for name in (*MAIN_RATES, *F_SCORES) if not math.isnan(differences[name].difference.value)]
    steps = {name: differences[name].difference for name in names}
    bounds = (abs(bound) for step in steps.values() for bound in (step.low, step.high, step.value))
    reach = max((bound for bound in bounds if not math.isnan(bound)), default=0.0)
    return [
        (
            name,
            RATES[name],
            differences[name],
            interval(step.value, step.low, step.high, reach=reach, more_is_better=name in F_SCORES),
        )
        for name, step in steps.items()
    ]


def _song_rows(content: RunContent) -> list[dict[str, Any]]:
    """Return the rows of the table of songs, worst first."""
    scored = any(song.lyrics.counts for song in content.songs)
    order = sorted(range(len(content.songs)), key=lambda index: _badness(content.songs[index]))
    return [_song_row(index, content.songs[index], scored=scored) for index in order]


def _song_row(index: int, song: PageSong, *, scored: bool) -> dict[str, Any]:
    counts = song.lyrics.counts
    n_flagged = song.flags[""]
    tags = {
        f"in-{song.language}": bool(song.language),
        "doubtful": bool(n_flagged),
        "instrumental": not song.n_lines,
        "unscored": scored and not counts,
    }
    other = song.versus.counts if song.versus else None
    return {
        "index": index,
        "tags": " ".join(tag for tag, applies in tags.items() if applies),
        "searched": f"{song.title} {song.name}".casefold(),
        "wer": rates(counts)["WER"] if counts else math.nan,
        "difference": rates(other)["WER"] - rates(counts)["WER"] if counts and other else math.nan,
        "stack": _stack(counts) if counts else "",
        "errors": _error_counts(counts),
        "n_flagged": n_flagged,
        "why": ", ".join(f"{flag}: {n}" for flag, n in song.flags.items() if flag),
    }


def _stack(counts: Counts) -> str:
    words = counts.words
    return stack({"s": words.substitutions, "d": words.deletions, "i": words.insertions}, words.n_reference)


def _error_counts(counts: Counts | None) -> tuple[float, ...]:
    """Return substitutions, deletions, insertions and hallucinated words; NaN without a reference."""
    if counts is None:
        return (math.nan,) * 4
    words = counts.words
    hallucinated = counts.hallucinated_insertions + counts.hallucinated_substitutions
    return (words.substitutions, words.deletions, words.insertions, hallucinated)


def _badness(song: PageSong) -> tuple[float, str]:
    """Return a key that sorts the worst songs first; those without a score follow, by their doubtful lines."""
    if song.lyrics.counts:
        wer = rates(song.lyrics.counts)["WER"]
        return (1.0 if math.isnan(wer) else -wer, song.name)
    return (2.0 + 1 / (1 + song.flags[""]), song.name)


def _manifest_changes(content: RunContent) -> list[tuple[str, tuple[str, str], list[tuple[str, str, str]]]]:
    """Return caption, names of the two runs and changes, against the other run and from each run to the next."""
    tables = []
    if content.manifests and content.versus_manifests:
        name = content.versus or ""
        found = changes(content.versus_manifests[-1], content.manifests[-1])
        tables.append((f"Differences from {name}", (name, content.title), found))
    for before, now in zip(content.manifests, content.manifests[1:], strict=False):
        times = (_started(before), _started(now))
        tables.append((f"Changes in the run of {times[1]}", times, changes(before, now)))
    return tables


def _headline(manifest: Mapping[str, Any]) -> str:
    known = facts(manifest)
    models = [known.get(f"plan.{name}") for name in ("separator", "model")]
    parts = [
        _started(manifest),
        shlex.join(map(str, manifest.get("command", ()))),
        " + ".join(filter(None, models)),
        known.get("device"),
        f"lyricsep {known['lyricsep']}" if "lyricsep" in known else "",
    ]
    return " · ".join(filter(None, parts))


def _started(manifest: Mapping[str, Any]) -> str:
    return str(manifest.get("started", "")).replace("T", " ").replace("+00:00", " UTC")


def _counts(songs: Iterable[PageSong]) -> list[Counts]:
    return [song.lyrics.counts for song in songs if song.lyrics.counts]


def _wers(content: RunContent, *, of_versus: bool = False) -> dict[int, Mark]:
    marks = {}
    for index, song in enumerate(content.songs):
        lyrics = song.versus if of_versus else song.lyrics
        if lyrics and lyrics.counts:
            wer = 100 * rates(lyrics.counts)["WER"]
            if not math.isnan(wer):
                marks[index] = Mark(index, song.title, wer)
    return marks


def _by_language(songs: Iterable[PageSong]) -> dict[str, list[PageSong]]:
    groups: dict[str, list[PageSong]] = {}
    for song in songs:
        groups.setdefault(song.language or UNKNOWN, []).append(song)
    return dict(sorted(groups.items()))
