"""`lyricsep report`: pages to look at what was heard, for a song or a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import quote

import typer

from lyricsep.cli.console import counting, say, show_logs
from lyricsep.cli.options import (
    DeviceOption,
    OfflineOption,
    OverwriteOption,
    ReferenceOption,
    ResultsArgument,
    SongsFolderOption,
    VerboseOption,
    VocalsFolderOption,
)
from lyricsep.errors import AudioError, ConfigError, LyricsepError, OutputError
from lyricsep.files import shown, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lyricsep.datasets import Song
    from lyricsep.pages import FoundSong, Results
    from lyricsep.separators import Separator

    Hear = Callable[[FoundSong, Mapping[str, Any]], NDArray[np.float32] | None]

__all__ = ["report"]

SOUND = ("embed", "link", "none")
MOST_EMBEDDED = 20
"""Songs whose sound goes into their pages unless something else is asked for; with vocals, a minute takes 1.3 MB."""


def report(
    folder: ResultsArgument,
    reference: ReferenceOption = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language", "-l", help="Language of references that do not say it.", show_default="must be said"
        ),
    ] = None,
    songs: SongsFolderOption = None,
    vocals: VocalsFolderOption = None,
    audio: Annotated[
        str | None,
        typer.Option(
            help="Where the pages have their sound from: embed (in the page, as Opus), link (the files where they "
            "are) or none.",
            show_default=f"embed for up to {MOST_EMBEDDED} songs, else link",
        ),
    ] = None,
    versus: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Another run of the same songs, to compare this one with; needs --reference.",
            show_default="none",
            file_okay=False,
        ),
    ] = None,
    separation: Annotated[
        bool,
        typer.Option(
            "--separation/--no-separation",
            help="Separate vocals that are nowhere anew, as the run did, where the sound is embedded.",
        ),
    ] = True,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make pages of what was heard: each is one file that needs no network.

    One song gets DIR/report.html: the song to listen to, with its lyrics. Several get a page each,
    DIR/report/NAME.html, and DIR/report.html is about all of them: scores, the worst songs first, failures, how it
    was made. Prints the path of every page.
    """
    show_logs(verbose=verbose)
    if audio is not None and audio not in SOUND:
        raise ConfigError(f"--audio {audio}: choose from {', '.join(SOUND)}")
    if versus and not reference:
        raise ConfigError("--versus compares how right two runs are; add --reference")

    from lyricsep.pages import find_results, named_references, with_sound_of

    results = find_results(folder, songs=songs, vocals=vocals)
    other = find_results(versus) if versus else None
    references, known = named_references(reference, language, results) if reference else ([], {})
    results = with_sound_of(results, known)
    is_run = len(results.songs) > 1 or other is not None
    whole = folder / "report.html"
    targets = {found.name: folder / "report" / f"{found.name}.html" if is_run else whole for found in results.songs}
    _refuse_existing([whole, *targets.values()], overwrite=overwrite)
    mode = audio or ("embed" if len(results.songs) <= MOST_EMBEDDED else "link")
    hear = _hearing(device, offline=offline) if separation and mode == "embed" else _hear_nothing
    home = whole if is_run else None
    n_failed = _write_songs(results, known, targets, home, cast("Literal['embed', 'link', 'none']", mode), hear)
    if is_run:
        n_failed = max(n_failed, _write_run(whole, results, references, other, targets))
    if n_failed:
        raise typer.Exit(1)


def _refuse_existing(targets: Sequence[Path], *, overwrite: bool) -> None:
    existing = next((target for target in targets if target.exists()), None)
    if existing and not overwrite:
        raise OutputError(f"{shown(existing)}: exists already; add --overwrite to replace it")


def _write_songs(
    results: Results,
    known: Mapping[str, Song],
    targets: Mapping[str, Path],
    home: Path | None,
    mode: Literal["embed", "link", "none"],
    hear: Hear,
) -> int:
    """Write the page of every song, with a link to that of the run, and give how many failed."""
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
                how = _write_song(found, target, home, reference, manifests.get(found.name), mode, hear)
            except OutputError:
                raise
            except LyricsepError as failure:
                n_failed += 1
                error = str(failure)
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
    hear: Hear,
) -> str:
    """Write the page of a song, and say what it is like."""
    from lyricsep.pages import render_song_page, song_content

    name = shown(Path(found.name))
    try:
        heard = hear(found, manifest or {})
        content = song_content(found, reference=reference, manifest=manifest, audio=mode, page=target, vocals=heard)
    except AudioError as error:
        say(f"{error}; the page of {name} is without sound")
        silent = replace(found, audio=None, vocals=None)
        content = song_content(silent, reference=reference, manifest=manifest, audio="none", page=target)
    if found.audio is None:
        say(f"{name}: its sound is nowhere to be found, and its page is without; name the folder with --songs")
    content["home"] = home and quote(Path(os.path.relpath(home, target.parent)).as_posix())
    page = render_song_page(content)
    write_text(target, page)
    return f"{len(page.encode()) / 1e6:.1f} MB"


def _write_run(
    target: Path,
    results: Results,
    references: Sequence[Song],
    versus: Results | None,
    pages: Mapping[str, Path],
) -> int:
    """Write the page of the run, and give how many songs could not be read."""
    from lyricsep.pages import render_run_page, run_content

    links = {
        name: "/".join(map(quote, page.relative_to(target.parent).parts))
        for name, page in pages.items()
        if page.exists()
    }
    if references:
        say(f"scoring {len(results.songs)} songs")
    content = run_content(results, references=references, versus=versus, pages=links)
    write_text(target, render_run_page(content))
    for name in content.unheard:
        say(f"{shown(Path(name))}: a reference without lyrics in {shown(results.folder)}; it is not in the scores")
    typer.echo(target)
    return len(content.unread)


def _hear_nothing(found: FoundSong, manifest: Mapping[str, Any]) -> None:
    return None


def _hearing(device: str, *, offline: bool) -> Hear:
    """Give a function that separates the vocals of a song as its run did, where there is no file of them."""

    @cache
    def separator(name: str, query: str | None, then: str | None) -> Separator:
        from lyricsep.devices import choose_device
        from lyricsep.separators import create_separator, find_separator

        then_spec = find_separator(then) if then else None
        return create_separator(
            find_separator(name), choose_device(device), offline=offline, query=query, then=then_spec
        )

    def hear(found: FoundSong, manifest: Mapping[str, Any]) -> NDArray[np.float32] | None:
        from lyricsep.pages import separators_of
        from lyricsep.pipeline import hear as hear_song

        used = separators_of(manifest)
        if found.vocals or not found.audio or used is None:
            return None
        try:
            return hear_song(found.audio, separator(*used)).vocals
        except LyricsepError as error:
            say(f"{error}; the page of {shown(Path(found.name))} is without vocals")
            return None

    return hear
