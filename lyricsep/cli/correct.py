"""`lyricsep correct`: correct timed lyrics with a text that is nearly what is sung."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs
from lyricsep.cli.known import known_for
from lyricsep.cli.options import FormatsOption, OverwriteOption
from lyricsep.cli.run import CommandRun
from lyricsep.cli.settings import STDOUT, chosen_formats
from lyricsep.documents import LyricsDocument
from lyricsep.errors import ConfigError, DatasetError, LyricsepError, OutputError
from lyricsep.files import check_writable, is_folder, is_there, shown, write_text
from lyricsep.formats import (
    CORRECTED,
    Transcript,
    file_suffixes,
    lyrics_stem,
    read_lyrics,
    render_lyrics,
    warn_left_out,
)
from lyricsep.inputs import SongFile
from lyricsep.manifest import new_manifest

if TYPE_CHECKING:
    from lyricsep.aligners import KnownLyrics
    from lyricsep.correction import Correction
    from lyricsep.pages import Results
    from lyricsep.review import Corrections


def correct(
    lyrics: Annotated[
        Path,
        typer.Argument(
            metavar="LYRICS",
            help="Transcribed or aligned lyrics, with times: a file (json, lrc, srt, vtt, ...), or a folder.",
            show_default=False,
        ),
    ],
    text: Annotated[
        Path,
        typer.Option(
            "--with",
            metavar="TEXT",
            help="A text that is nearly what is sung: a file (txt, lrc, ...), or a folder of files named like the "
            "lyrics.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results, created if missing; - prints the lyrics.",
            show_default=f"the folder {CORRECTED} beside the lyrics, which `lyricsep review` shows",
        ),
    ] = None,
    formats: FormatsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Correct timed lyrics with a text that is nearly what is sung.

    What was sung is kept, with its times: words that the text lacks stay, and words that were not sung are left out.
    Words that both have, or that were misheard, are spelled as in the text, and lines break where it breaks them.
    Prints the lines that changed, and the path of every file it writes. Without --output, the result is a revision
    like those of `lyricsep review`, which marks the differences.
    """
    show_logs(verbose=False)
    if output is None and formats is not None:
        raise ConfigError(f"--format {formats}: needs --output; without, the formats of the lyrics are written")
    from lyricsep.review import Corrections

    results = _find(lyrics)
    songs = [SongFile(song.lyrics, Path(song.name)) for song in results.songs]
    texts = known_for(songs, os.path.join(".", text))  # noqa: PTH118 - `tags` is a folder here
    to_stdout = output == STDOUT
    folder = None if to_stdout else output
    wanted = chosen_formats(formats, to_stdout=to_stdout)
    if to_stdout and len(songs) > 1:
        raise ConfigError(f"--output -: prints the lyrics of one song, and there are {len(songs)}; name a folder")
    run = CommandRun(folder, file_suffixes(wanted), overwrite=overwrite)
    if folder:
        check_writable(folder)
    corrections = Corrections(results) if output is None else None
    with run.recorded(new_manifest("correct", None, text=str(text), formats=wanted, overwrite=overwrite)):
        for song, known in zip(songs, texts, strict=True):
            try:
                if corrections:
                    _save(song, known, run, corrections, shown(Path(text.name)))
                else:
                    _write(song, known, run, wanted)
            except LyricsepError as error:
                run.fail(song.path, error)


def _find(path: Path) -> Results:
    from lyricsep.pages import FoundSong, find_results

    if is_folder(path):
        return find_results(path)
    if not is_there(path):
        raise DatasetError(f"{shown(path)}: no such file or folder; check the name")
    results, name = find_results(path.parent), lyrics_stem(path)
    found = next((song for song in results.songs if song.name == name), FoundSong(name, path))
    return replace(results, songs=(replace(found, lyrics=path),))


def _correct(song: SongFile, known: KnownLyrics | LyricsepError) -> tuple[Correction, Transcript]:
    """Return corrected lyrics, and the file that they were in, named as the text names them; print what changed."""
    from lyricsep.correction import correct as correct_lyrics

    if isinstance(known, LyricsepError):
        raise known
    transcript = read_lyrics(song.path)
    if transcript.text and not transcript.lines:
        raise DatasetError(f"{shown(song.path)}: has no times", hint="align the lyrics with the song first")
    try:
        correction = correct_lyrics(transcript.lyrics, known)
    except DatasetError as error:
        raise DatasetError(f"{shown(song.path)}: {error.args[0]}", hint=error.hint) from error
    for change in correction.changes:
        say(f"{change.line + 1}: {change.heard} → {change.corrected}")
    counts = (
        f"{correction.kept} words kept, {correction.respelled} respelled, {correction.replaced} replaced, "
        f"{correction.only_heard} only heard, {correction.only_in_text} only in the text"
    )
    say(f"{shown(song.path)}: {counts}")
    title, artist = known.title or transcript.title, known.artist or transcript.artist
    return correction, replace(transcript, title=title, artist=artist)


def _save(
    song: SongFile, known: KnownLyrics | LyricsepError, run: CommandRun, corrections: Corrections, text: str
) -> None:
    """Save the corrected lyrics as a revision."""
    name = song.stem.as_posix()
    latest = corrections.latest(name)
    if latest and not run.overwrite:
        path = corrections.folder / f"{name}.json"
        raise OutputError(
            f"{shown(path)}: exists already, as revision {latest}", hint="set {overwrite=True} to add a revision"
        )
    correction, transcript = _correct(song, known)
    document = LyricsDocument.of(correction.lyrics, title=transcript.title, artist=transcript.artist)
    for path in corrections.save(name, latest, document.to_json(), text=text)[1]:
        typer.echo(path)
    run.done(song)


def _write(song: SongFile, known: KnownLyrics | LyricsepError, run: CommandRun, formats: Sequence[str]) -> None:
    """Write the corrected lyrics in all formats, or in none if one fails."""
    results = run.results(song)
    existing = [path for path in results if is_there(path)]
    if existing and not run.overwrite:
        raise OutputError(f"{shown(existing[0])}: exists already", hint="set {overwrite=True} to replace it")
    correction, transcript = _correct(song, known)
    texts = [
        render_lyrics(correction.lyrics, name, title=transcript.title, artist=transcript.artist) for name in formats
    ]
    warn_left_out(correction.lyrics, formats, shown(song.path))
    for path, text in zip(results, texts, strict=bool(results)):
        write_text(path, text, overwrite=run.overwrite)
    if not results:
        typer.echo(texts[0], nl=False)
    run.done(song, language=transcript.language, lines=len(correction.lyrics.lines))
