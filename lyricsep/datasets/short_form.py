"""Units of short-form transcription, derived from the line times of the reference.

`merged_lines` are the paper's "lines", `groups` its "groups". Both are at most as long as Whisper's window.

Both reproduce the code of the paper, including one peculiarity that the published numbers depend on: if the second
passage begins more than `GROUP_GAP` after the first, the first is in no group. Two failures of that code are fixed:

- Padding moved from one side to the other may extend beyond the song. Here it is clipped.
- A passage of exactly 30 s fits no group, which raises an error. Here it is a group of its own.

References
----------
arXiv 2506.15514 and its code, https://github.com/jaza-syed/mss-alt (``merge.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lyricsep.lyrics import Line

# All from the code of the paper.
GROUP_GAP = 7.0
"""Longest pause inside a group, in seconds."""

_WINDOW = 30.0  # seconds
_MIN_OVERLAP = 0.2  # seconds; lines that overlap by more are merged
_PADDING = 0.5  # seconds
_PADDING_BUFFER = 0.1  # seconds kept between padding and the next line
_SPARE = 1e-3  # seconds by which a passage that is padded to the window stays below it


@dataclass(frozen=True, order=True, slots=True)
class Passage:
    """A part of a song and its lyrics.

    Parameters
    ----------
    start, end : float
        Seconds.
    text : str
        One or more lines, each ended by a line break.
    """

    start: float
    end: float
    text: str


def merged_lines(lines: Sequence[Line], duration: float) -> list[Passage]:
    """Merge lines that overlap by more than 0.2 s, and pad the result by up to 0.5 s.

    Padding keeps 0.1 s distance from other lines and passages stay within 30 s; if one side has too little room, the
    other side may get more.

    Parameters
    ----------
    lines : sequence of Line
        The reference; lines over 30 s are dropped, and so are merged passages over 30 s.
    duration : float
        Length of the song in seconds.

    Returns
    -------
    list of Passage
        In the order of their first lines; padding may overlap padding.
    """
    short = [line for line in lines if line.end - line.start <= _WINDOW]
    padded = (_pad(members, short, duration) for members in _overlapping(short))
    return [passage for passage in padded if passage.end - passage.start <= _WINDOW]


def _overlapping(lines: Sequence[Line]) -> list[list[int]]:
    """Partition the lines' indices by their overlaps, in the order of the smallest index."""
    parts: list[list[int]] = []
    # Of the lines so far, in order of start, the one that ends last overlaps the next most; and any two that
    # overlap the next enough overlap each other enough. So its part is the only one the next can belong to.
    widest, latest = -1, 0.0
    for index in sorted(range(len(lines)), key=lambda index: lines[index].start):
        line = lines[index]
        if min(latest, line.end) - line.start > _MIN_OVERLAP:
            part = widest
            parts[part].append(index)
        else:
            part = len(parts)
            parts.append([index])
        if line.end > latest or widest < 0:
            widest, latest = part, line.end
    return sorted(sorted(part) for part in parts)


def _pad(members: Sequence[int], lines: Sequence[Line], duration: float) -> Passage:
    merged = set(members)
    start = min(lines[index].start for index in members)
    end = max(lines[index].end for index in members)
    others = [line for index, line in enumerate(lines) if index not in merged]
    earliest = max((line.end + _PADDING_BUFFER for line in others if line.end < end), default=0.0)
    latest = min((line.start - _PADDING_BUFFER for line in others if line.start > start), default=duration)
    before = min(max(0.0, start - max(0.0, earliest)), _PADDING)
    after = min(max(0.0, min(duration, latest) - end), _PADDING)
    room = max(0.0, _WINDOW - (end - start))
    if before + after > room:
        least = min(before, after, room / 2)
        before = after = least + (max(0.0, room - 2 * least) - _SPARE) / 2
    text = "".join(lines[index].text + "\n" for index in members)
    return Passage(max(0.0, start - before), min(max(duration, end), end + after), text)


def groups(passages: Sequence[Passage]) -> list[Passage]:
    """Join passages into groups below 30 s such that the shortest group is as long as possible.

    A single first passage before a gap over `GROUP_GAP` is dropped, as in the paper.

    No group spans a gap over `GROUP_GAP`; passages between two such gaps are grouped independently. Of equally good
    partitions, one with the shortest first group is chosen, and the rest is partitioned by the same rule.

    Parameters
    ----------
    passages : sequence of Passage
        Each at most 30 s long.

    Returns
    -------
    list of Passage
        In order of start; texts joined in that order.
    """
    in_order = sorted(passages, key=lambda passage: passage.start)
    return [_join(group) for part in _parts(in_order) for group in _partition(part)]


def _parts(passages: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    splits = [
        index
        for index, (passage, following) in enumerate(pairwise(passages), start=1)
        if following.start - passage.end > GROUP_GAP
    ]
    starts = splits if splits[:1] == [1] else [0, *splits]
    for first, behind in pairwise([*starts, len(passages)]):
        yield passages[first:behind]


def _partition(passages: Sequence[Passage]) -> list[Sequence[Passage]]:
    """Partition into consecutive groups from the end: the best partition of a suffix is independent of its prefix."""
    n_passages = len(passages)
    shortest = [float("inf")] * (n_passages + 1)  # shortest group of the best partition from here on
    behind = [n_passages] * n_passages  # the first group from here on
    for first in reversed(range(n_passages)):
        shortest[first] = -1.0
        for index in range(first, n_passages):
            length = passages[index].end - passages[first].start
            if length >= _WINDOW and index > first:
                break
            if min(length, shortest[index + 1]) > shortest[first]:
                shortest[first] = min(length, shortest[index + 1])
                behind[first] = index + 1
    found: list[Sequence[Passage]] = []
    first = 0
    while first < n_passages:
        found.append(passages[first : behind[first]])
        first = behind[first]
    return found


def _join(group: Sequence[Passage]) -> Passage:
    start = min(passage.start for passage in group)
    end = max(passage.end for passage in group)
    return Passage(start, end, "".join(passage.text for passage in group))
