"""`lyricsep align`: songs and their lyrics to times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lyricsep.cli.known import BESIDE, LyricsArgument, known_for
from lyricsep.cli.options import (
    FormatsOption,
    KeepStemsOption,
    OverwriteOption,
    PlotOption,
    VerboseOption,
    with_options,
)
from lyricsep.cli.transcribe import LyricsOutputOption, Wanted, make_lyrics
from lyricsep.plan import AlignOptions, resolve


@with_options
def align(
    song: Annotated[
        str,
        typer.Argument(
            metavar="SONG",
            help="Audio or video file, folder, quoted pattern, list (.csv with the columns path and lyrics) or URL.",
            show_default=False,
        ),
    ],
    lyrics: LyricsArgument = BESIDE,
    output: LyricsOutputOption = Path("lyrics"),
    formats: FormatsOption = None,
    *,
    options: AlignOptions,
    plot: PlotOption = None,
    keep_stems: KeepStemsOption = False,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Find the times of lyrics that are known.

    Lines and words come back as they are written, with times. Section headers ([Chorus]) and credits are not sung;
    (x2) repeats a line or a section. In lyrics with line times, such as LRC, only the words are timed. Prints the
    path of every file it writes.
    """
    wanted = Wanted(output, formats, plot, keep_stems=keep_stems, overwrite=overwrite, verbose=verbose)
    make_lyrics(
        "align",
        [song],
        resolve(options),
        wanted,
        lambda songs: known_for(songs, lyrics, fill_repeats=options.fill_repeats),
    )
