"""What ``python -m lyricsep`` runs."""

from lyricsep.cli import main

if __name__ == "__main__":
    main()
