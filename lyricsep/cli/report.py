"""`lyricsep report`: pages to listen to, read and judge lyrics, for a song or a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import quote

import typer

from lyricsep.cli.console import counting, in_flags, say, show_logs
from lyricsep.cli.options import (
    DeviceOption,
    OfflineOption,
    OverwriteOption,
    ReferenceLanguageOption,
    ReferenceOption,
    ResultsArgument,
    SongsFolderOption,
    VerboseOption,
    VocalsFolderOption,
)
from lyricsep.errors import AudioError, ConfigError, LyricsepError, OutputError
from lyricsep.files import is_there, shown, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lyricsep.datasets import Song
    from lyricsep.pages import FoundSong, Redo, Results

SOUND = ("embed", "link", "none")
MOST_EMBEDDED = 20
"""Largest number of songs whose audio is embedded by default; with vocals, a minute takes 1.3 MB."""


def report(
    folder: ResultsArgument,
    reference: ReferenceOption = None,
    language: ReferenceLanguageOption = None,
    songs: SongsFolderOption = None,
    vocals: VocalsFolderOption = None,
    audio: Annotated[
        str | None,
        typer.Option(
            help="Audio of the pages: embed (in the page, as Opus), link (to the audio files) or none.",
            show_default=f"embed for up to {MOST_EMBEDDED} songs, else link",
        ),
    ] = None,
    versus: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Another run, B, on the same songs; differences are B - DIR, as `lyricsep compare` has them. Needs "
            "--reference.",
            show_default="none",
            file_okay=False,
        ),
    ] = None,
    separation: Annotated[
        bool,
        typer.Option(
            "--separation/--no-separation",
            help="When audio is embedded but the vocals were not kept, separate them again as the run did.",
        ),
    ] = True,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make HTML pages of songs, lyrics and scores.

    A single song gets DIR/report.html. Of several, each gets DIR/report/NAME.html, and DIR/report.html sums them up:
    scores, the worst songs first, failures, options. Each page is one file that works offline. Prints the path of
    every page.
    """
    show_logs(verbose=verbose)
    if audio is not None and audio not in SOUND:
        raise ConfigError(f"--audio {audio}: choose from {', '.join(SOUND)}")
    if versus and not reference:
        raise ConfigError("--versus compares the scores of two runs; add --reference")

    from lyricsep.pages import Redo, find_results, named_references, with_sound_of

    results = find_results(folder, songs=songs, vocals=vocals)
    other = find_results(versus) if versus else None
    references, known = named_references(reference, language, results) if reference else ([], {})
    results = with_sound_of(results, known)
    is_run = len(results.songs) > 1 or other is not None
    whole = folder / "report.html"
    targets = {found.name: folder / "report" / f"{found.name}.html" if is_run else whole for found in results.songs}
    existing = next((target for target in (whole, *targets.values()) if is_there(target)), None)
    if existing and not overwrite:
        raise OutputError(f"{shown(existing)}: exists already", hint="set {overwrite=True} to replace it")
    mode = audio or ("embed" if len(results.songs) <= MOST_EMBEDDED else "link")
    redo = Redo(results, device=device, offline=offline) if separation and mode == "embed" else None
    home = whole if is_run else None
    n_failed = _write_songs(results, known, targets, home, cast("Literal['embed', 'link', 'none']", mode), redo)
    if is_run:
        n_failed = max(n_failed, _write_run(whole, results, references, other, targets))
    if n_failed:
        raise typer.Exit(1)


def _write_songs(
    results: Results,
    known: Mapping[str, Song],
    targets: Mapping[str, Path],
    home: Path | None,
    mode: Literal["embed", "link", "none"],
    redo: Redo | None,
) -> int:
    """Write the page of every song, with a link to that of the run, and return how many failed."""
    from lyricsep.pages import manifests_of

    manifests = manifests_of(results)
    n_failed = 0
    with counting(len(results.songs)) as (start, finish):
        for found in results.songs:
            name = shown(Path(found.name))
            start(name)
            error = ""
            try:
                target, reference = targets[found.name], known.get(found.name)
                how = _write_song(found, target, home, reference, manifests.get(found.name), mode, redo)
            except OutputError:
                raise
            except LyricsepError as failure:
                n_failed += 1
                error = in_flags(failure)
                how = ""
            if len(results.songs) > 1:
                finish(name, how, error)
            elif error:
                say(f"failed: {error}")
            if not error:
                typer.echo(targets[found.name])
    return n_failed


def _write_song(
    found: FoundSong,
    target: Path,
    home: Path | None,
    reference: Song | None,
    manifest: Mapping[str, Any] | None,
    mode: Literal["embed", "link", "none"],
    redo: Redo | None,
) -> str:
    """Write the page of a song, and return its size for the progress line."""
    from lyricsep.pages import render_song_page, song_content

    name = shown(Path(found.name))
    try:
        vocals = _vocals_of(found, redo) if redo else None
        content = song_content(found, reference=reference, manifest=manifest, audio=mode, page=target, vocals=vocals)
    except AudioError as error:
        say(f"{in_flags(error)}; the page of {name} has no audio")
        silent = replace(found, audio=None, vocals=None)
        content = song_content(silent, reference=reference, manifest=manifest, audio="none", page=target)
    if found.audio is None:
        say(f"{name}: audio file not found, so the page has no audio; set --songs to its folder")
    content["home"] = home and quote(os.fsencode(Path(os.path.relpath(home, target.parent)).as_posix()))
    page = render_song_page(content)
    write_text(target, page)
    return f"{len(page.encode()) / 1e6:.1f} MB"


def _vocals_of(found: FoundSong, redo: Redo) -> NDArray[np.float32] | None:
    try:
        return redo.vocals(found)
    except LyricsepError as error:
        say(f"{in_flags(error)}; the page of {shown(Path(found.name))} has no vocals")
        return None


def _write_run(
    target: Path,
    results: Results,
    references: Sequence[Song],
    versus: Results | None,
    pages: Mapping[str, Path],
) -> int:
    """Write the page of the run, and return how many songs could not be read."""
    from lyricsep.pages import render_run_page, run_content

    links = {
        name: quote(os.fsencode(page.relative_to(target.parent).as_posix()))
        for name, page in pages.items()
        if is_there(page)
    }
    if references:
        say(f"scoring {len(results.songs)} songs")
    content = run_content(results, references=references, versus=versus, pages=links)
    write_text(target, render_run_page(content))
    for name in content.untranscribed:
        say(f"{shown(Path(name))}: no lyrics for this reference in {shown(results.folder)}; it is not scored")
    typer.echo(target)
    return len(content.unread)
