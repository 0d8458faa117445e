"""The command `lyricsep`: parse, call one library function, print."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

from lyricsep.cli.console import say
from lyricsep.cli.doctor import doctor
from lyricsep.cli.models import models
from lyricsep.cli.segment import segment
from lyricsep.cli.separate import separate
from lyricsep.cli.transcribe import transcribe
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="lyricsep",
    help="Songs in, readable timed lyrics out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(transcribe)
app.command()(separate)
app.command()(segment)
app.add_typer(models, name="models")
app.command()(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lyricsep {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Songs in, readable timed lyrics out."""


def main() -> None:
    """Run the command line, and leave with its exit code.

    0 all done · 1 some or all songs failed · 2 wrong usage · 130 interrupted.
    """
    try:
        code = app(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("lyricsep: interrupted; what was finished is kept")
        code = 130
    except LyricsepError as error:
        say(f"lyricsep: {error}")
        code = 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
