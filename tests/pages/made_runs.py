"""Runs made of words: references, and lyrics that miss, mishear and invent some of them."""

from __future__ import annotations

import random
from pathlib import Path

from lyricsep.documents import Manifest
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.manifest import new_manifest, write_manifest

WORDS = ("river", "lantern", "morning", "carry", "silver", "window", "yellow", "thunder", "paper", "garden", "ember")
TITLES = ("Low Tide", "Paper Boats", "The Long Way Down", "Élan", "静かな夜", "Kite & Stone")
LANGUAGES = ("en", "fr", "de", "es")
N_LINES = 12


def make_run(folder: Path, references: Path, n_songs: int, *, badness: float = 0.2, seed: int = 0) -> None:
    """Write lyrics and their references; every 25th song is an instrumental, every 10th loops."""
    for index in range(n_songs):
        text = random.Random(index)
        chance = random.Random(f"{seed} {index}")
        sung = [" ".join(text.choices(WORDS, k=6)) for _ in range(N_LINES)]
        name = f"disc {index // 100}/song {index:03}"
        language = LANGUAGES[index % len(LANGUAGES)]
        write_lyrics(references / f"{name}.json", lyrics_of(sung, language), "json")
        share = badness * (0.2 + 1.6 * text.random())
        heard = [_misheard(line, share, chance) for line in sung]
        if index % 10 == 3:
            heard[5] += " " + " ".join(["oh"] * 14)
        if index % 25 == 4:
            heard = []
        title = f"{TITLES[index % len(TITLES)]} {index}"
        flags = {5: ("loop",)} if index % 10 == 3 else {}
        write_lyrics(
            folder / f"{name}.json", lyrics_of(heard, language, flags), "json", title=title, artist="Made Up"
        )


def lyrics_of(texts: list[str], language: str, flags: dict[int, tuple[str, ...]] | None = None) -> Lyrics:
    """Lines of 3 s, 4 s apart."""
    lines = tuple(
        Line(4.0 * index, 4.0 * index + 3, text, (), (flags or {}).get(index, ()))
        for index, text in enumerate(texts)
        if text
    )
    return Lyrics(lines, language, 4.0 * N_LINES, (Segment(0.0, 4.0 * N_LINES),) if lines else ())


def leave_manifest(folder: Path, **options: object) -> None:
    """Leave a manifest of a run, with two songs that failed."""
    plan = {"separator": "spleeter", "model": "base", **options}
    failed = [
        {"path": f"songs/{name}.mp3", "status": "failed", "error": f"songs/{name}.mp3: is empty (0 bytes)"}
        for name in ("empty", "<b>odd</b>")
    ]
    manifest = new_manifest("transcribe", None)
    document = {**manifest.as_dict(), "plan": plan, "device": "cpu: 2 threads", "songs": failed}
    write_manifest(folder, Manifest.from_dict(document))


def _misheard(line: str, share: float, chance: random.Random) -> str:
    heard = []
    for word in line.split():
        what = chance.random()
        if what < share / 2:
            heard.append(chance.choice(WORDS))
        elif what < share * 0.8:
            continue
        elif what < share:
            heard += [word, chance.choice(WORDS)]
        else:
            heard.append(word)
    return " ".join(heard)
