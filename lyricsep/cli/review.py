"""`lyricsep review`: correct lyrics in the browser."""

from __future__ import annotations

import os
import socket
import webbrowser
import zlib
from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.options import (
    DeviceOption,
    OfflineOption,
    ReferenceOption,
    ResultsArgument,
    SongsFolderOption,
    VerboseOption,
    VocalsFolderOption,
)
from lyricsep.files import shown
from lyricsep.terminal import status

FIRST_PORT, N_PORTS = 20_000, 10_000


def review(
    folder: ResultsArgument,
    reference: ReferenceOption = None,
    language: Annotated[
        str | None,
        typer.Option("--language", "-l", help="Language of lyrics that do not state it.", show_default="none"),
    ] = None,
    songs: SongsFolderOption = None,
    vocals: VocalsFolderOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Local port to serve on; 0 chooses a free one.", show_default="the folder's"
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    device: DeviceOption = "auto",
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Correct lyrics in the browser.

    Words, times and lines can be changed, tapped while the song plays, or found for another text; vocals that were
    not kept are separated again, as the run did. Prints the address of the page, which holds an access token and
    works only on this computer; Ctrl-C stops the server. Corrections are saved in DIR/corrected in every format, with
    all earlier revisions, and the machine's version is kept; that folder is a dataset, for
    `lyricsep score DIR/corrected DIR` and `lyricsep benchmark --dataset DIR/corrected`.
    """
    show_logs(verbose=verbose)
    from lyricsep.languages import language_code
    from lyricsep.pages import Redo, find_results, named_references, with_sound_of
    from lyricsep.review import ReviewServer

    code = language_code(language) if language else None
    results = find_results(folder, songs=songs, vocals=vocals)
    references = named_references(reference, code, results)[1] if reference else {}
    results = with_sound_of(results, references)
    redo = Redo(results, device=device, offline=offline)
    wanted = _port_of(folder) if port is None else port
    server = ReviewServer(results, references=references, language=code, port=wanted, redo=redo)
    with server, status(""):
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


def _port_of(folder: Path) -> int:
    """Return the port of a folder, where its unsaved changes are found again by the browser; 0 if it is taken."""
    port = FIRST_PORT + zlib.crc32(os.fsencode(folder.resolve())) % N_PORTS
    with socket.socket() as trial:
        if os.name == "posix":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port
