"""Content of the page of a run: its songs with their counts and texts, and the songs that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lyricsep.datasets import Song
from lyricsep.errors import DatasetError
from lyricsep.files import shown
from lyricsep.formats import Transcript, read_lyrics
from lyricsep.pages.manifests import failures
from lyricsep.pages.results import FoundSong, Results, references_of
from lyricsep.reports.alignment import edits_by_line
from lyricsep.scoring import Counts, Edit, TimingCounts, score, time_lines

Row = list[Any]


@dataclass(frozen=True)
class RunLyrics:
    """The lyrics of a song in one run.

    Parameters
    ----------
    text : list
        A row for each line, ready for JSON. With a reference these are its lines, and a row holds words: a string
        where it is right, else ``[kind, reference, hypothesis]`` with a kind of `KINDS`. Without one, a row is
        ``[start, text, *flags]``, and the start is null if unknown.
    counts : Counts or None
        Against the reference, where there is one.
    timing : TimingCounts or None
        If both have line times.
    """

    text: Sequence[Row]
    counts: Counts | None = None
    timing: TimingCounts | None = None


@dataclass(frozen=True)
class PageSong:
    """A song of the run.

    Parameters
    ----------
    name : str
        As in `FoundSong`.
    title : str
        Title and artist from the reference or the lyrics, else its name.
    language : str
        ISO 639-1 of the reference, else of the lyrics; empty if unknown.
    duration : float
        Seconds; 0 if unknown.
    n_lines, n_words : int
        Of the lyrics; 0 in an instrumental.
    flags : Counter
        Number of lines with each flag; under the empty string, of lines with any.
    lyrics : RunLyrics
        In this run.
    versus : RunLyrics or None
        In the run it is compared with.
    page : str or None
        URL of the song's own page, relative to that of the run.
    """

    name: str
    title: str
    language: str
    duration: float
    n_lines: int
    n_words: int
    flags: Counter[str]
    lyrics: RunLyrics
    versus: RunLyrics | None = None
    page: str | None = None


@dataclass(frozen=True)
class RunContent:
    """Content of the page of a run.

    Parameters
    ----------
    title : str
        Name of the folder.
    songs : tuple of PageSong
        In order of their names.
    failed : mapping of str to str
        Songs that failed, and why.
    unread : mapping of str to str
        Songs whose lyrics cannot be read, and why.
    untranscribed : tuple of str
        References without lyrics.
    manifests : tuple of mapping
        Of the run, oldest first.
    versus : str or None
        Name of the run it is compared with.
    versus_manifests : tuple of mapping
        Of that run.
    """

    title: str
    songs: tuple[PageSong, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    untranscribed: tuple[str, ...] = ()
    manifests: tuple[Mapping[str, Any], ...] = ()
    versus: str | None = None
    versus_manifests: tuple[Mapping[str, Any], ...] = ()


def run_content(
    results: Results,
    *,
    references: Sequence[Song] = (),
    versus: Results | None = None,
    pages: Mapping[str, str] | None = None,
) -> RunContent:
    """Read and score the songs of a run.

    Parameters
    ----------
    results : Results
        The run.
    references : sequence of Song
        Reference lyrics; songs without one are shown but not scored.
    versus : Results, optional
        Another run over the same songs, to compare this one with.
    pages : mapping of str to str, optional
        URLs of pages of the songs by their names, relative to that of the run.
    """
    known = references_of(results, references)
    title, other_title = _titles(results.folder, versus.folder if versus else None)
    transcripts, unread = _read(results.songs)
    others: dict[str, Transcript] = {}
    if versus:
        theirs, of_theirs = _read(versus.songs)
        unread |= {f"{other_title}/{name}": error for name, error in of_theirs.items()}
        others = {song.id: theirs[name] for name, song in references_of(versus, references).items() if name in theirs}
    songs = [
        _song(name, transcript, known.get(name), others, (pages or {}).get(name))
        for name, transcript in transcripts.items()
    ]
    ids = {reference.id for reference in known.values()}
    return RunContent(
        title=title,
        songs=tuple(songs),
        failed=failures(results.manifests),
        unread=unread,
        untranscribed=tuple(reference.id for reference in references if reference.id not in ids),
        manifests=results.manifests,
        versus=other_title,
        versus_manifests=versus.manifests if versus else (),
    )


def _titles(folder: Path, other: Path | None) -> tuple[str, str | None]:
    """Return names of two folders: their last parts, as many as make them differ."""
    parts, other_parts = folder.resolve().parts[1:] or ("run",), other.resolve().parts[1:] if other else ()
    n_parts = 1
    while parts[-n_parts:] == other_parts[-n_parts:] and n_parts < len(parts):
        n_parts += 1
    title, other_title = (shown(Path(*some[-n_parts:])) for some in (parts, other_parts))
    return title, other_title if other else None


def _read(songs: Iterable[FoundSong]) -> tuple[dict[str, Transcript], dict[str, str]]:
    """Return the lyrics that can be read, and the errors of the others."""
    read, unread = {}, {}
    for song in songs:
        try:
            read[song.name] = read_lyrics(song.lyrics)
        except DatasetError as error:
            unread[song.name] = str(error)
    return read, unread


def _song(
    name: str, transcript: Transcript, reference: Song | None, others: Mapping[str, Transcript], page: str | None
) -> PageSong:
    other = others.get(reference.id) if reference else None
    flags = Counter(flag for line in transcript.lines for flag in ("", *line.flags) if line.flags)
    # The title in the lyrics may be only the name of the file.
    title = (reference and reference.title) or transcript.title
    artist = (reference and reference.artist) or transcript.artist
    return PageSong(
        name=name,
        title=" – ".join(filter(None, (title, artist))) if title else shown(Path(name)),
        language=(reference.language if reference else transcript.language) or "",
        duration=transcript.lyrics.duration,
        n_lines=sum(bool(line.strip()) for line in transcript.text.split("\n")),
        n_words=len(transcript.text.split()),
        flags=flags,
        lyrics=_scored(transcript, reference) if reference else RunLyrics(_plain_text(transcript)),
        versus=_scored(other, reference) if other and reference else None,
        page=page,
    )


def _scored(transcript: Transcript, reference: Song) -> RunLyrics:
    found = score(reference.text, transcript.text, reference.language)
    timed = reference.lines and transcript.lines
    return RunLyrics(
        text=[
            [_word(edit) for edit in edits]
            for edits in edits_by_line(reference.text, found.edits, reference.language)
        ],
        counts=found.counts,
        timing=time_lines(reference.lines, transcript.lines, reference.language) if timed else None,
    )


KINDS = {"s": "substitution", "n": "near miss", "S": "hallucinated substitution", "d": "deletion", "i": "insertion"}
KINDS |= {"I": "hallucinated insertion", "c": "wrong case"}
"""Kinds of word errors."""


def _word(edit: Edit) -> str | Row:
    wanted, written = (word.text if word else "" for word in (edit.reference, edit.hypothesis))
    if edit.kind == "hit" and wanted == written:
        return wanted
    kind = {"hit": "c", "substitution": "n" if edit.near_miss else "s"}.get(edit.kind, edit.kind[0])
    return [kind.upper() if edit.hallucinated else kind, wanted, written]


def _plain_text(transcript: Transcript) -> list[Row]:
    if transcript.lines:
        return [[line.start, line.text, *line.flags] for line in transcript.lines]
    return [[None, line] for line in transcript.text.rstrip("\n").split("\n")] if transcript.text else []
