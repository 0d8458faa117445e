"""The command line."""

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line, and leave with its exit code.

    0 all done · 1 some or all songs failed · 2 wrong usage · 130 interrupted, be it while it is still being imported.
    """
    try:
        from lyricsep.cli.app import run

        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer makes a code of it, but not everywhere
        sys.stderr.write("lyricsep: interrupted; what was finished is kept\n")
    sys.exit(code)
