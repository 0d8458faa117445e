"""Shared by the commands that process songs: existing results, counts, the manifest, and the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from time import perf_counter

import typer

from lyricsep.cli.console import in_flags, say
from lyricsep.cli.settings import check_folder
from lyricsep.documents import Manifest, SongRecord
from lyricsep.errors import AudioError, LyricsepError, OutputError
from lyricsep.files import check_writable, file_digest, is_there, shown
from lyricsep.inputs import SongFile, find_songs
from lyricsep.manifest import write_manifest
from lyricsep.weights import WeightFile


class CommandRun:
    """The songs of one run of a command, and the outcome of each.

    Parameters
    ----------
    output : Path or None
        Folder of the results; None where they go to stdout.
    suffixes : sequence of str
        Of the results of each song.
    overwrite : bool
        Whether results that exist may be replaced.
    """

    def __init__(self, output: Path | None, suffixes: Sequence[str], *, overwrite: bool) -> None:
        if output:
            check_folder(output)
        self.output = output
        self.suffixes = suffixes
        self.overwrite = overwrite
        self.n_failed = 0
        self.n_without_vocals = 0
        self._records: list[SongRecord] = []

    def find(self, names: Iterable[str], *, remote: bool = False, offline: bool = False) -> list[SongFile]:
        """Return the songs to process; folders without songs, and songs that have results already, fail here.

        `names` and `offline` are as in `lyricsep.inputs.find_songs`. Songs behind URLs fail too, unless `remote`.
        """
        if self.output:
            check_writable(self.output)
        found = find_songs(names, offline=offline)
        for name in found.empty:
            self.fail(name, AudioError(f"{name}: no audio files found; name a song, or a folder of songs"))
        todo = []
        for song in found.songs:
            existing = [path for path in self.results(song) if is_there(path)]
            if song.url and not remote:
                self.fail(
                    song.name, AudioError(f"{song.name}: is a URL, which this command cannot read; download it first")
                )
            elif existing and not self.overwrite:
                self.fail(
                    song.name,
                    OutputError(f"{shown(existing[0])}: exists already", hint="set {overwrite=True} to replace it"),
                )
            else:
                todo.append(song)
        return todo

    def results(self, song: SongFile) -> list[Path]:
        """Return the paths of the results of a song; none where they go to stdout."""
        return [song.result(self.output, suffix) for suffix in self.suffixes] if self.output else []

    def done(self, song: SongFile, *, vocals_found: bool | None = None, **facts: object) -> None:
        """Record a song whose results are written, and print their paths."""
        results = self.results(song)
        known = {each.name for each in fields(SongRecord)}
        facts = {"vocals_found": vocals_found, **facts}
        details = {name: facts.pop(name) for name in list(facts) if name not in known}
        record = SongRecord(song.name, "done", _sha256(song), results=tuple(map(shown, results)), details=details)
        self._records.append(replace(record, **facts))  # type: ignore[arg-type]
        for path in results:
            typer.echo(path)
        if vocals_found is False:
            self.n_without_vocals += 1
            say(f"{song.name}: no vocals found")

    def fail(self, song: Path | str, error: LyricsepError) -> None:
        """Print and record why a song failed; the song is its path or its `SongFile.name`."""
        self.n_failed += 1
        say(f"failed: {in_flags(error)}")
        name = song if isinstance(song, str) else shown(song)
        self._records.append(SongRecord(name, "failed", error=in_flags(error)))

    @contextmanager
    def recorded(self, manifest: Manifest, weights: Iterable[WeightFile] = ()) -> Iterator[None]:
        """Write the manifest next to the results when the work ends, even if it fails.

        The exit code is then 1 if a song failed.
        """
        began = perf_counter()
        try:
            yield
        finally:
            if self.output and self._records:
                seconds = round(perf_counter() - began, 3)
                write_manifest(self.output, replace(manifest, songs=tuple(self._records), seconds=seconds), weights)
        n_songs = len(self._records)
        if n_songs > 1:
            without = f", {self.n_without_vocals} of them without vocals" if self.n_without_vocals else ""
            say(f"{n_songs - self.n_failed} of {n_songs} songs done{without}; {self.n_failed} failed")
        if self.n_failed:
            raise typer.Exit(1)


def _sha256(song: SongFile) -> str | None:
    """Return the digest of a song's file; None of a remote one, whose copy is gone."""
    try:
        return None if song.url else file_digest(song.path)[0]
    except (OSError, ValueError):
        return None
