"""Verify a dataset: unchanged files, and consistent text, times and audio."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from lyricsep.datasets.base import Dataset, Song
from lyricsep.datasets.record import hash_file, read_record
from lyricsep.errors import AudioError
from lyricsep.files import shown

TOLERANCE = 0.5
"""Seconds by which a line may end after the audio, as codecs cut and pad and annotators are imprecise."""


def verify(dataset: Dataset) -> list[str]:
    """Return the problems of a dataset; the audio of every song is decoded completely.

    Parameters
    ----------
    dataset : Dataset
        From `open_dataset`. Files are compared with the record of the pull, if there is one.

    Returns
    -------
    list of str
        One line per problem; empty if there is none.

    Raises
    ------
    DatasetError
        If the record of the pull is damaged.
    """
    problems = list(_changed_files(dataset))
    n_silent = sum(song.audio is None for song in dataset.songs)
    if n_silent:
        problems.append(f"{dataset.name}: {n_silent} of {len(dataset.songs)} songs have no audio")
    for song in dataset.songs:
        problems += [
            f"{song.dataset}: {song.id}: {problem}" for problem in (*_text_problems(song), *_audio_problems(song))
        ]
    return problems


def words_of(text: str) -> list[str]:
    """Return the words of a text, without tags."""
    return re.sub(r"</?nl>", " ", text).split()


def _changed_files(dataset: Dataset) -> Iterator[str]:
    record = read_record(dataset.folder)
    for name, expected in record.files.items() if record else ():
        path = dataset.folder / name
        if not path.is_file():
            yield f"{shown(path)}: is missing; pull the dataset again"
        elif (found := hash_file(path)) != expected:
            yield (
                f"{shown(path)}: has changed since it was pulled (sha256 was {expected.sha256[:12]}..., is "
                f"{found.sha256[:12]}... now); remove it and pull again"
            )


def _text_problems(song: Song) -> Iterator[str]:
    words = words_of(song.text)
    if not words:
        yield "has no lyrics"
    if not song.lines:
        return
    # Compare counts, not order: lines are sorted by start, while the text has overlapping voices one after the other.
    in_text, in_lines = Counter(words), Counter(word for line in song.lines for word in words_of(line.text))
    for place, other, surplus in (("text", "lines", in_text - in_lines), ("lines", "text", in_lines - in_text)):
        if surplus:
            some = ", ".join(map(repr, list(surplus)[:3]))
            yield f"{surplus.total()} words of the {place} are not in the {other}: {some}" + (
                ", ..." if len(surplus) > 3 else ""
            )


def _audio_problems(song: Song) -> Iterator[str]:
    for stem, path in song.stems.items():
        if not path.is_file():
            yield f"{shown(path)}: the stem {stem!r} is missing"
    if song.audio is None:
        return
    if not song.audio.is_file():
        yield f"{shown(song.audio)}: the audio is missing"
        return
    from lyricsep.audio import open_audio

    try:
        with open_audio(song.audio) as reader:
            duration = sum(block.shape[-1] for block in reader.blocks()) / reader.sample_rate
            damage = reader.damage
    except AudioError as error:
        yield str(error)
        return
    for span in damage:
        yield f"{shown(song.audio)}: {span.start:.1f} to {span.end:.1f} s: {span.reason}"
    late = [line for line in song.lines if line.end > duration + TOLERANCE]
    if late:
        yield (
            f"{len(late)} lines end after the audio, which is {duration:.1f} s long: "
            f"the first at {late[0].end:.1f} s, {late[0].text!r}"
        )
