"""The page of a run as HTML.

All that is shown stands in the page itself, fit for print and for who runs no scripts. The scripts sort, search, and
open the texts of songs, which wait as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from lyricsep.pages.charts import Mark, bars, histogram, interval, scatter, strips
from lyricsep.pages.html import render_page
from lyricsep.pages.manifests import changes, facts, settings_of
from lyricsep.pages.run import KINDS, PageSong, RunContent
from lyricsep.scoring import RATES, Counts, Difference, Interval, TimingCounts, bootstrap, compare, pool, rates
from lyricsep.tables import percent
from lyricsep.transcribers.guard import FLAGS

__all__ = ["render_run_page"]

MAIN_RATES = ("WER", "SR", "DR", "IR", "IR_hal", "IR_hal_sub", "WER_near", "WER_case", "CER")
F_SCORES = ("F1_punc", "F1_pare", "F1_line", "F1_sect")

COUNTED = {
    "substitutions": "substitutions",
    "near_misses": "… near misses among them",
    "deletions": "deletions",
    "nonlexical_deletions": "… non-lexical words among them",
    "backing_deletions": "… backing vocals among them",
    "insertions": "insertions",
    "hallucinated_insertions": "… in runs of more than 10",
    "case_errors": "words in another case",
}

N_MOVED = 10
SURE = 0.05


def render_run_page(content: RunContent) -> str:
    """Render the page of a run: one file of HTML that needs no other."""
    scored = [song for song in content.songs if song.heard.counts]
    sections = {
        "errors": _errors(scored, content),
        "comparison": _comparison(content),
        "songs": _song_table(content),
        "failed": _failures(content),
        "made": _manifests(content),
    }
    body = "\n".join([_header(content, sections), _summary(content, scored), *filter(None, sections.values())])
    texts = {
        "first": content.versus,
        "second": content.title,
        "kinds": KINDS,
        "flags": FLAGS,
        "songs": [_text_of(song) for song in content.songs],
    }
    page = render_page(
        "run.html",
        texts,
        title=f"{content.title} – run",
        styles=("page.css", "run.css"),
        scripts=("content.js", "theme.js", "run.js"),
    )
    # Nothing else on the page can hold this: all texts are escaped.
    return page.replace('<main id="run"></main>', f'<main id="run">\n{_whole(body)}\n</main>', 1)


def _text_of(song: PageSong) -> dict[str, Any]:
    found = {
        "title": song.title,
        "page": song.page,
        "aligned": song.heard.counts is not None,
        "text": song.heard.text,
    }
    return found | ({"versus": song.versus.text} if song.versus else {})


def _header(content: RunContent, sections: Mapping[str, str]) -> str:
    songs = content.songs
    parts = [_number_of(len(songs), "song")]
    duration = sum(song.duration for song in songs)
    parts += [f"{_clock(duration)} of sound"] if duration else []
    languages = _by_language(songs)
    if len(languages) == 1:
        parts += [f"language {escape(name)}" for name in languages if name != "–"]
    names = {
        "errors": "Errors" if any(song.heard.counts for song in songs) else "Doubtful lines",
        "comparison": "Comparison",
        "songs": "Songs",
        "failed": "Failed",
        "made": "How it was made",
    }
    jumps = "".join(f'<li><a href="#{id_}">{names[id_]}</a></li>' for id_, section in sections.items() if section)
    facts_shown = "".join(f"<li>{part}</li>" for part in parts)
    return (
        f'<header class="head"><div><h1>{escape(content.title)}</h1><ul class="facts">{facts_shown}</ul></div>'
        '<div class="head-tools"><button type="button" id="theme" class="round" aria-label="Dark colours" '
        'title="Light or dark"><span aria-hidden="true">◐</span></button></div></header>'
        f'<nav class="jumps" aria-label="Parts of this page"><ul>{jumps}</ul></nav>'
    )


def _summary(content: RunContent, scored: Sequence[PageSong]) -> str:
    songs = content.songs
    cards = []
    if scored:
        counts = _counts(scored)
        wer = bootstrap(counts)["WER"]
        words = pool(counts).words
        cards.append(
            _card(
                "Word error rate",
                f"{percent(wer.value, 1)} %",
                f"95 %: {_range(wer)}" if _range(wer) else f"{words.errors} of {words.n_reference} words",
                "main",
            )
        )
    n_failed = len(content.failed) + len(content.unread)
    told = "every song went through" if content.manifests else "as far as is known: there is no manifest"
    cards.append(_card("Failed", str(n_failed), "the list is below" if n_failed else told, "bad" if n_failed else ""))
    instrumental = [song for song in songs if not song.n_lines]
    cards.append(_card("Without vocals", str(len(instrumental)), "songs with no lyrics at all"))
    n_lines, n_flagged = sum(song.n_lines for song in songs), sum(song.flags[""] for song in songs)
    share = percent(n_flagged / n_lines, 1) if n_lines else "–"
    cards.append(_card("Doubtful lines", str(n_flagged), f"of {n_lines}, {share} %"))
    timing = [song.heard.timing for song in scored if song.heard.timing]
    if timing:
        total = sum(timing, TimingCounts())
        cards.append(
            _card(
                "Lines start within 0.3 s",
                f"{percent(total.start_within, 0)} %",
                f"{total.start_error:.2f} s off on average; {total.n_matched} of {total.n_lines} lines compared",
            )
        )
    notes = []
    if not scored:
        notes.append("There is no reference, so nothing is scored: <code>lyricsep report DIR --reference REF</code>.")
    elif len(scored) < len(songs):
        notes.append(f"{_number_of(len(songs) - len(scored), 'song')} without a reference: not in the scores.")
    if content.unheard:
        names = ", ".join(escape(name) for name in content.unheard[:5])
        more = f" and {len(content.unheard) - 5} more" if len(content.unheard) > 5 else ""
        notes.append(f"References without lyrics in this run, not in the scores: {names}{more}.")
    flags = [(flag, sum(song.flags[flag] for song in songs)) for flag in FLAGS]
    reasons = [f"<li><b>{escape(flag)}</b> {n}: {escape(FLAGS[flag])}</li>" for flag, n in flags if n]
    return (
        f'<section aria-label="Summary"><div class="cards">{"".join(cards)}</div>'
        + "".join(f"<p>{note}</p>" for note in notes)
        + (f'<ul class="reasons" aria-label="Why lines are doubtful">{"".join(reasons)}</ul>' if reasons else "")
        + "</section>"
    )


def _card(label: str, value: str, note: str, kind: str = "") -> str:
    return f'<div class="card {kind}"><h2>{label}</h2><p class="value">{value}</p><p class="quiet">{note}</p></div>'


def _errors(scored: Sequence[PageSong], content: RunContent) -> str:
    charts = "".join(_distributions(content))
    if not scored:
        section = f'<section id="errors"><h2>Doubtful lines</h2><div class="charts">{charts}</div></section>'
        return section if charts else ""
    intervals = bootstrap(_counts(scored))
    rest = [name for name in RATES if name not in MAIN_RATES + F_SCORES]
    several = len(scored) > 1
    note = "Percent; with 95 % intervals over songs (bootstrap)." if several else "Percent; of one song."
    return (
        '<section id="errors"><h2>Errors</h2><div class="halves"><div>'
        + _rate_table("Of words and characters", MAIN_RATES, intervals)
        + _rate_table("Of punctuation and breaks: F-scores, higher is better", F_SCORES, intervals)
        + f'<p class="quiet">{note} Whole-run rates come from summed counts.</p>'
        + f"<details><summary>All other rates</summary>{_rate_table('Other rates', rest, intervals)}</details></div>"
        + f"<div>{_language_table(scored)}{charts}</div></div></section>"
    )


def _rate_table(caption: str, names: Iterable[str], intervals: Mapping[str, Interval]) -> str:
    rows = [
        (
            f'<th scope="row">{name}<span class="quiet">{escape(RATES[name])}</span></th>',
            _num(percent(intervals[name].value, 1)),
            _num(_range(intervals[name])),
        )
        for name in names
        if not math.isnan(intervals[name].value)
    ]
    return _table(caption, ("rate", "value", "95 %"), rows, "meant") if rows else ""


def _language_table(scored: Sequence[PageSong]) -> str:
    groups = _by_language(scored)
    rows = []
    for name, songs in [*groups.items(), *([("all", list(scored))] if len(groups) > 1 else [])]:
        counts = _counts(songs)
        words = pool(counts).words
        wer = bootstrap(counts)["WER"]
        numbers = [
            str(len(songs)),
            str(words.n_reference),
            percent(wer.value, 1),
            _range(wer),
            *(
                percent(part / words.n_reference, 1) if words.n_reference else "–"
                for part in (words.substitutions, words.deletions, words.insertions)
            ),
        ]
        rows.append((f'<th scope="row">{escape(name)}</th>', *map(_num, numbers)))
    headers = ("language", "songs", "words", "WER", "95 %", "SR", "DR", "IR")
    return _table("By language, percent of the words", headers, rows)


def _distributions(content: RunContent) -> list[str]:
    marks = _wers(content)
    if marks:
        of = "Word error rate"
    else:
        of = "Doubtful lines"
        marks = {
            index: Mark(index, song.title, 100 * song.flags[""] / song.n_lines)
            for index, song in enumerate(content.songs)
            if song.n_lines
        }
    if len(marks) < 2:
        return []
    groups = {
        name: [marks[index] for index in indices if index in marks]
        for name, indices in _by_language_indices(content.songs).items()
    }
    return [
        _figure(f"{of}: how many songs have how much, percent", histogram(list(marks.values()), of=of)),
        _figure(f"{of} by language, percent", strips({k: v for k, v in groups.items() if v}, of=of)),
    ]


def _comparison(content: RunContent) -> str:
    if content.versus is None:
        return ""
    both = {
        str(index): (song.versus.counts, song.heard.counts)
        for index, song in enumerate(content.songs)
        if song.versus and song.versus.counts and song.heard.counts
    }
    title = f"<h2>Against {escape(content.versus)}</h2>"
    if not both:
        return f"<section id='comparison'>{title}<p>The runs have no scored song in common.</p></section>"
    first = {index: pair[0] for index, pair in both.items()}
    second = {index: pair[1] for index, pair in both.items()}
    found = compare(first, second)
    n_alone = sum(song.heard.counts is not None for song in content.songs) - len(both)
    note = "Points of percent; paired over songs: bootstrap interval, p of a permutation test."
    note += f" {_number_of(n_alone, 'song')} of this run alone left out." if n_alone else ""
    marks = _wers(content)
    before = _wers(content, of_versus=True)
    common = [int(index) for index in both if int(index) in marks and int(index) in before]
    steps = [Mark(i, content.songs[i].title, marks[i].value - before[i].value) for i in common]
    charts = []
    if len(common) > 1:
        charts = [
            _figure("Change of WER of each song, points", bars(steps, of="Change of the word error rate")),
            _figure(
                f"WER: {content.versus} across, {content.title} up",
                scatter([(before[i], marks[i]) for i in common], first=content.versus, second=content.title),
            ),
        ]
    return (
        f'<section id="comparison">{title}<p class="verdict">{_verdict(found["WER"], len(both))}</p>'
        f'<div class="charts">{"".join(charts)}</div><div class="halves"><div>'
        f'{_difference_table(content, found)}<p class="quiet">{note}</p></div>'
        f"<div>{_kind_table(content, pool(first.values()), pool(second.values()))}</div></div>"
        f"{_moved_table(content, common)}</section>"
    )


def _verdict(wer: Difference, n_songs: int) -> str:
    step = wer.difference
    told = f"WER {percent(wer.first, 1)} → <b>{percent(wer.second, 1)} %</b>"
    if math.isnan(step.value):
        return told
    told += f": {_points(step.value)} points"
    if math.isnan(step.low):
        return f"{told}, on one song alone."
    told += f" [{_points(step.low)}, {_points(step.high)}], p = {wer.p:.4f}, {n_songs} songs. "
    # An interval over a handful of songs is too narrow; the permutations know how few they are.
    is_clear = step.low > 0 or step.high < 0
    if is_clear and wer.p <= SURE:
        return told + f"This run is {'worse' if step.value > 0 else 'better'}."
    why = f"p is above {SURE:g}" if is_clear else "the interval holds zero"
    return told + f"These songs do not tell which run is better: {why}."


def _difference_table(content: RunContent, found: Mapping[str, Difference]) -> str:
    names = [name for name in (*MAIN_RATES, *F_SCORES) if not math.isnan(found[name].difference.value)]
    reach = max(
        (
            abs(bound)
            for name in names
            for bound in (found[name].difference.low, found[name].difference.high, found[name].difference.value)
            if not math.isnan(bound)
        ),
        default=0.0,
    )
    rows = []
    for name in names:
        step = found[name].difference
        drawn = interval(step.value, step.low, step.high, reach=reach, more_is_better=name in F_SCORES)
        rows.append(
            (
                f'<th scope="row"><abbr title="{escape(RATES[name])}">{name}</abbr></th>',
                _num(percent(found[name].first, 1)),
                _num(percent(found[name].second, 1)),
                _num(_points(step.value) + ("" if math.isnan(step.low) else f" {_step_range(step)}")),
                f"<td>{drawn}</td>",
                _num("–" if math.isnan(found[name].p) else f"{found[name].p:.4f}"),
            )
        )
    headers = ("rate", content.versus or "", content.title, "change [95 %]", "", "p")
    return _table("Rates", headers, rows)


def _kind_table(content: RunContent, first: Counts, second: Counts) -> str:
    of_first, of_second = first.as_fields(), second.as_fields()
    rows = [
        (
            f'<th scope="row">{told}</th>',
            _num(str(of_first[kind])),
            _num(str(of_second[kind])),
            _num(_signed(of_second[kind] - of_first[kind])),
        )
        for kind, told in COUNTED.items()
    ]
    return _table("Kinds of errors that moved, words", ("kind", content.versus or "", content.title, "change"), rows)


def _moved_table(content: RunContent, common: Iterable[int]) -> str:
    rows = []

    def errors(index: int) -> tuple[Counts, Counts]:
        song = content.songs[index]
        if song.versus is None or song.versus.counts is None or song.heard.counts is None:
            raise ValueError(f"song {index} is not in both runs")
        return song.versus.counts, song.heard.counts

    pairs = {index: errors(index) for index in common}
    order = sorted(pairs, key=lambda index: -abs(pairs[index][1].words.errors - pairs[index][0].words.errors))
    for index in order[:N_MOVED]:
        before, now = pairs[index][0].words, pairs[index][1].words
        if before == now:
            continue
        steps = (
            now.substitutions - before.substitutions,
            now.deletions - before.deletions,
            now.insertions - before.insertions,
        )
        wers = [percent(rates(counts)["WER"], 1) for counts in pairs[index]]
        rows.append(
            (_opener(index, content.songs[index]), *map(_num, wers), *(_num(_signed(step)) for step in steps))
        )
    headers = ("song", content.versus or "", content.title, "S", "D", "I")
    return _table("Songs that moved most: WER, and words more or less of each error", headers, rows) if rows else ""


def _song_table(content: RunContent) -> str:
    scored = any(song.heard.counts for song in content.songs)
    compared = any(song.versus for song in content.songs)
    headers = [("Song", "")]
    headers += [("WER", "%")] if scored else []
    headers += [("Change", "points")] if compared else []
    headers += [("", ""), ("Sub.", ""), ("Del.", ""), ("Ins.", ""), ("Halluc.", "")] if scored else []
    headers += [("Doubtful", "lines"), ("Lines", ""), ("Language", ""), ("Length", "")]
    order = sorted(range(len(content.songs)), key=lambda index: _badness(content.songs[index]))
    rows = "\n".join(
        _song_row(index, content.songs[index], scored=scored, compared=compared, rank=rank)
        for rank, index in enumerate(order)
    )
    first_sort = "WER" if scored else "Doubtful"
    cells = "".join(_sort_header(name, unit, sorted_by=name == first_sort) for name, unit in headers)
    languages = [name for name in _by_language(content.songs) if name != "–"]
    return (
        '<section id="songs"><h2 id="songs-title">Songs</h2>'
        f"{_controls(languages, len(content.songs), scored=scored)}"
        '<div class="scrolled" role="region" aria-labelledby="songs-title" tabindex="0">'
        '<table id="table" class="songs"><caption class="unseen">Songs, worst first; the buttons of the header sort '
        f"them</caption><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _controls(languages: Sequence[str], n_songs: int, *, scored: bool) -> str:
    options = [("all", "all songs"), ("doubtful", "with doubtful lines"), ("instrumental", "without vocals")]
    options += [("unscored", "without a reference")] if scored else []
    options += [(f"in-{name}", f"language {name}") for name in languages] if len(languages) > 1 else []
    drawn = "".join(f'<option value="{escape(value)}">{escape(told)}</option>' for value, told in options)
    return (
        '<div class="tools" id="controls" hidden><label>Search <input type="search" id="search" '
        'autocomplete="off" spellcheck="false"></label>'
        f'<label>Show <select id="which">{drawn}</select></label>'
        f'<output id="count" role="status">{_number_of(n_songs, "song")}</output></div>'
    )


def _sort_header(name: str, unit: str, *, sorted_by: bool) -> str:
    if not name:
        return '<td class="plain" aria-hidden="true"><b>S</b> <b>D</b> <b>I</b></td>'
    state = ' aria-sort="descending"' if sorted_by else ""
    told = f"{name}<small> {unit}</small>" if unit else name
    return f'<th scope="col"{state}><button type="button">{told}</button></th>'


def _song_row(index: int, song: PageSong, *, scored: bool, compared: bool, rank: int) -> str:
    cells = [_opener(index, song, with_page=True)]
    counts = song.heard.counts
    if scored:
        wer = rates(counts)["WER"] if counts else math.nan
        cells.append(_sortable(wer, percent(wer, 1)))
    if compared:
        step = _step(song)
        cells.append(_sortable(step, _points(step)))
    if scored:
        cells.append(f'<td aria-hidden="true">{_stack(counts) if counts else ""}</td>')
        cells += [_sortable(part, "–" if math.isnan(part) else str(part)) for part in _error_counts(counts)]
    flagged = song.flags[""]
    why = ", ".join(f"{flag}: {n}" for flag, n in song.flags.items() if flag)
    cells.append(_sortable(flagged, f'<span title="{escape(why)}">{flagged}</span>' if flagged else "0"))
    cells.append(_sortable(song.n_lines, str(song.n_lines)))
    cells.append(f"<td>{escape(song.language) or '–'}</td>")
    cells.append(_sortable(song.duration or math.nan, _clock(song.duration) if song.duration else "–"))
    tags = [f"in-{song.language}"] if song.language else []
    tags += ["doubtful"] if flagged else []
    tags += ["instrumental"] if not song.n_lines else []
    tags += ["unscored"] if scored and not song.heard.counts else []
    looked_for = f"{song.title} {song.name}".casefold()
    return (
        f'<tr data-rank="{rank}" data-tags="{escape(" ".join(tags))}" data-text="{escape(looked_for)}">'
        f"{''.join(cells)}</tr>"
    )


def _opener(index: int, song: PageSong, *, with_page: bool = False) -> str:
    note = "" if song.n_lines else ' <span class="tag">without vocals</span>'
    link = ""
    if with_page and song.page:
        told = escape(f"Page of {song.title}")
        link = f' <a class="page" href="{escape(song.page)}" aria-label="{told}">page</a>'
    title = escape(song.title)
    button = f'<button type="button" class="link open" dir="auto" data-song="{index}">{title}</button>'
    return f'<th scope="row">{button}{note}{link}</th>'


def _stack(counts: Counts) -> str:
    words = counts.words
    drawn, left = [], 0.0
    for kind, part in (("s", words.substitutions), ("d", words.deletions), ("i", words.insertions)):
        width = min(100 * part / words.n_reference, 100 - left) if words.n_reference else 0.0
        drawn.append(f'<rect class="{kind}" x="{left:.1f}" width="{width:.1f}" height="10"/>')
        left += width
    return f'<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none">{"".join(drawn)}</svg>'


def _failures(content: RunContent) -> str:
    failed = [*content.failed.items(), *content.unread.items()]
    if not failed:
        return ""
    rows = [
        (f'<th scope="row">{escape(song)}</th>', f"<td>{escape(error.removeprefix(f'{song}: '))}</td>")
        for song, error in failed
    ]
    table = _table("Why songs failed", ("song", "why"), rows, "wide")
    return f'<section id="failed"><h2>Songs that failed</h2>{table}</section>'


def _manifests(content: RunContent) -> str:
    if not content.manifests:
        return (
            '<section id="made"><h2>How it was made</h2><p>No manifest (lyricsep-*.json) lies beside the lyrics, so '
            "nothing tells how they were made.</p></section>"
        )
    parts = []
    if content.versus_manifests:
        before = content.versus_manifests[-1]
        named = (content.versus or "", content.title)
        parts.append(_change_table(f"What differs from {named[0]}", named, before, content.manifests[-1]))
    for before, now in zip(content.manifests, content.manifests[1:], strict=False):
        times = (_started(before), _started(now))
        parts.append(_change_table(f"What the run of {times[1]} changed", times, before, now))
    for manifest in reversed(content.manifests):
        rows = [
            (f'<th scope="row">{escape(name)}</th>', f"<td>{escape(value)}</td>")
            for name, value in facts(manifest).items()
        ]
        parts.append(
            f"<details><summary>{escape(_headline(manifest))}</summary>"
            f"{_table('Options, versions and model files', ('name', 'value'), rows, 'wide')}</details>"
        )
    return f'<section id="made"><h2>How it was made</h2>{"".join(parts)}</section>'


def _change_table(caption: str, runs: tuple[str, str], before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    found = changes(before, now)
    if not found:
        return f'<p class="quiet">{escape(caption)}: nothing that could change a result.</p>'
    rows = [
        (f'<th scope="row">{escape(name)}</th>', f"<td>{escape(old)}</td>", f"<td>{escape(new)}</td>")
        for name, old, new in found
    ]
    return _table(caption, ("name", *runs), rows, "wide")


def _headline(manifest: Mapping[str, Any]) -> str:
    known = facts(manifest)
    made_by = [str(settings_of(manifest).get(name) or "") for name in ("separator", "model")]
    parts = [
        _started(manifest),
        known.get("command"),
        " + ".join(filter(None, made_by)),
        known.get("device"),
        f"lyricsep {known['lyricsep']}" if "lyricsep" in known else "",
    ]
    return " · ".join(filter(None, parts))


def _started(manifest: Mapping[str, Any]) -> str:
    return str(manifest.get("started", "")).replace("T", " ").replace("+00:00", " UTC")


def _table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(header)}</th>' if header else "<td></td>" for header in headers)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scrolled" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f'<table class="{kind}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(caption: str, chart: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _num(text: str) -> str:
    return f'<td class="num">{text}</td>'


def _sortable(value: float, told: str) -> str:
    known = "" if math.isnan(value) else f' data-value="{value:.6g}"'
    return f'<td class="num"{known}>{told}</td>'


def _counts(songs: Iterable[PageSong]) -> list[Counts]:
    return [song.heard.counts for song in songs if song.heard.counts]


def _wers(content: RunContent, *, of_versus: bool = False) -> dict[int, Mark]:
    marks = {}
    for index, song in enumerate(content.songs):
        heard = song.versus if of_versus else song.heard
        if heard and heard.counts:
            wer = 100 * rates(heard.counts)["WER"]
            if not math.isnan(wer):
                marks[index] = Mark(index, song.title, wer)
    return marks


def _step(song: PageSong) -> float:
    if not (song.versus and song.versus.counts and song.heard.counts):
        return math.nan
    return rates(song.heard.counts)["WER"] - rates(song.versus.counts)["WER"]


def _error_counts(counts: Counts | None) -> tuple[float, ...]:
    """Give substitutions, deletions, insertions and hallucinated words; NaN where there is no reference."""
    if counts is None:
        return (math.nan,) * 4
    words = counts.words
    hallucinated = counts.hallucinated_insertions + counts.hallucinated_substitutions
    return (words.substitutions, words.deletions, words.insertions, hallucinated)


def _badness(song: PageSong) -> tuple[float, str]:
    """Give what sorts the worst songs first; those without a score behind them, by their doubtful lines."""
    if song.heard.counts:
        wer = rates(song.heard.counts)["WER"]
        return (1.0 if math.isnan(wer) else -wer, song.name)
    return (2.0 + 1 / (1 + song.flags[""]), song.name)


def _by_language_indices(songs: Sequence[PageSong]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, song in enumerate(songs):
        groups.setdefault(song.language or "–", []).append(index)
    return dict(sorted(groups.items()))


def _by_language(songs: Sequence[PageSong]) -> dict[str, list[PageSong]]:
    return {name: [songs[index] for index in own] for name, own in _by_language_indices(songs).items()}


def _range(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{percent(interval.low, 1)} – {percent(interval.high, 1)}"


def _signed(step: int) -> str:
    return f"{step:+d}".replace("-", "−") if step else "0"


def _points(step: float) -> str:
    return "–" if math.isnan(step) else f"{round(100 * step, 1) or 0.0:+.1f}".replace("-", "−").replace("+0.0", "0.0")


def _step_range(step: Interval) -> str:
    return f"[{_points(step.low)}, {_points(step.high)}]"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _number_of(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _whole(text: str) -> str:
    """Replace halves of characters, which names on disk may hold and no file of text can."""
    return text.encode("utf-8", "replace").decode()
