"""`lyricsep review`: correct lyrics in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.options import (
    ReferenceOption,
    ResultsArgument,
    SongsFolderOption,
    VerboseOption,
    VocalsFolderOption,
)
from lyricsep.files import shown
from lyricsep.terminal import status


def review(
    folder: ResultsArgument,
    reference: ReferenceOption = None,
    language: Annotated[
        str | None,
        typer.Option("--language", "-l", help="Language of lyrics that do not state it.", show_default="none"),
    ] = None,
    songs: SongsFolderOption = None,
    vocals: VocalsFolderOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Local port to serve on; 0 chooses a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    verbose: VerboseOption = False,
) -> None:
    """Correct lyrics in the browser.

    Words, times and lines can be changed; the machine's version is kept. Prints the address of the page, which holds
    an access token and works only on this computer; Ctrl-C stops the server. Corrections are saved in DIR/corrected
    in every format, with all earlier revisions; that folder is a dataset, for `lyricsep score DIR/corrected DIR` and
    `lyricsep benchmark --dataset DIR/corrected`.
    """
    show_logs(verbose=verbose)
    from lyricsep.languages import language_code
    from lyricsep.pages import find_results, named_references, with_sound_of
    from lyricsep.review import ReviewServer

    code = language_code(language) if language else None
    results = find_results(folder, songs=songs, vocals=vocals)
    references = named_references(reference, code, results)[1] if reference else {}
    results = with_sound_of(results, references)
    with ReviewServer(results, references=references, language=code, port=port) as server, status(""):
        typer.echo(server.url)
        say(f"songs: {len(results.songs)}; press Ctrl-C to stop")
        try:
            if browser and not webbrowser.open(server.url):
                say("could not open a browser; open the address yourself")
            server.wait()
        except KeyboardInterrupt:
            say("stopped")
    for name, number in sorted(server.saved.items()):
        say(f"saved: {shown(Path(name))}, revision {number}")
    say(f"songs saved: {len(server.saved)}" + (f", in {shown(folder / 'corrected')}" if server.saved else ""))
