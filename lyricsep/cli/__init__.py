"""The command line."""

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line, and exit with its code.

    0 all done · 1 some or all songs failed · 2 wrong usage · 130 interrupted, even during the imports.
    """
    try:
        from lyricsep.cli.app import run

        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer returns this code in most cases, and raises in others
        sys.stderr.write("lyricsep: interrupted; finished results are kept\n")
    sys.exit(code)
