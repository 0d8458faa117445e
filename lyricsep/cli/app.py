"""The command `lyricsep`: parse, call one library function, print."""

from __future__ import annotations

import io
import sys
from typing import Annotated, cast

import typer

from lyricsep.cli.align import align
from lyricsep.cli.batch import batch
from lyricsep.cli.benchmark import benchmark
from lyricsep.cli.console import in_flags, say
from lyricsep.cli.convert import convert
from lyricsep.cli.correct import correct
from lyricsep.cli.datasets import datasets
from lyricsep.cli.doctor import doctor
from lyricsep.cli.embed import embed
from lyricsep.cli.hints import hint_of
from lyricsep.cli.karaoke import karaoke
from lyricsep.cli.models import models
from lyricsep.cli.report import report
from lyricsep.cli.review import review
from lyricsep.cli.score import compare, score
from lyricsep.cli.segment import segment
from lyricsep.cli.separate import separate
from lyricsep.cli.transcribe import transcribe
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.terminal import status
from lyricsep.version import __version__

# The base class of usage errors. Some versions of Typer vendor click, others use the installed one; the class that
# Typer exports fits both.
WrongUsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)

app = typer.Typer(
    name="lyricsep",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes narrow the text, and [brackets] disappear as markup
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(transcribe)
app.command()(align)
app.add_typer(batch, name="batch")
app.command()(separate)
app.command()(segment)
app.command()(karaoke)
app.command()(convert)
app.command()(correct)
app.command()(embed)
app.command()(review)
app.command()(score)
app.command()(compare)
app.command()(report)
app.command()(benchmark)
app.add_typer(datasets, name="datasets")
app.add_typer(models, name="models")
app.command()(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lyricsep {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Transcribe songs, or time known lyrics; score, correct, convert and compare lyrics."""


def run() -> int:
    """Run the command line and return its exit code; see `lyricsep.cli.main`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Lyrics are in any script, and file names may not be valid text.
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        with status("working"):
            code = app(prog_name="lyricsep", standalone_mode=False)
    except WrongUsageError as error:
        say(_one_line(error))
        return error.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except LyricsepError as error:
        say(f"lyricsep: {in_flags(error)}")
        return 2 if isinstance(error, ConfigError) else 1
    return code if isinstance(code, int) else 0


def _one_line(error: typer.BadParameter) -> str:
    message = error.format_message()
    if "\n" in message:  # no command was named, and the message is the help
        return message
    command = error.ctx.command_path if error.ctx else "lyricsep"
    message = message.replace("Input should be", "must be").partition(", unable to parse")[0]  # where Typer validates
    hint = hint_of(error)
    if hint:
        return f"{command}: {error.message.rstrip('.')}; {hint}"
    return f"{command}: {message.rstrip('.')}{' See' if message.endswith('?') else '; see'} `{command} --help`"
