"""RMS-VAD: find sung segments from the energy of the separated vocals.

Speech detectors miss sung lines; the energy of a vocals stem does not. A frame is sung when its RMS, divided
by how loud the song gets, reaches `onset`; a run of sung frames ends where the level stays below `offset` for
`min_silence`. A run that grows too long for Whisper is cut at its last short pause or, if it has none, at the
quietest frame of its second half. The segments are then padded, and `merge_segments` joins neighbours.

`PAPER` holds the published method (arXiv 2506.15514 and its code: the logic of Silero's
``get_speech_timestamps``, as in faster-whisper, on RMS frames). What the defaults add to it keeps an
instrumental, whose vocals are only what the separator let through, from being decoded.

All inner arithmetic is in whole samples at `SAMPLE_RATE`, so that edges are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from lyricsep.lyrics import Segment
from lyricsep.segmentation.merge import MAX_DURATION, SAMPLE_RATE, merge_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A pause must be longer than this for a run that is too long to be cut there (Silero's constant).
_MIN_PAUSE = round(0.098 * SAMPLE_RATE)

# Squares and ratios of louder samples could leave the range of float32.
_MAX_AMPLITUDE = 1e15

# Frames whose squares are held at once: 8 MiB at the default frame length.
_BLOCK_FRAMES = 1024

# In a short file less singing than `RmsVadOptions.min_sung` will do: this share of the file.
_MIN_SUNG_SHARE = 0.05


@dataclass(frozen=True)
class RmsVadOptions:
    """How `segment` decides; times in seconds, lengths in samples at `SAMPLE_RATE`.

    Parameters
    ----------
    frame_length, hop_length : int
        Samples under one RMS value, and from one to the next; ``1 <= hop_length <= frame_length``.
    onset, offset : float
        Levels, as a share of `divisor`, that start a run and below which it may end;
        ``0 < offset <= onset <= 1``.
    min_speech : float
        Seconds; a run that is not longer is dropped.
    min_silence : float
        Seconds below `offset` that end a run.
    pad : float
        Seconds added at both ends; where two segments are closer than twice that, they share the silence.
    max_duration : float
        Seconds; the longest segment, padding included. At most `MAX_DURATION`.
    divisor : "max" or float
        Reference level of the song: the loudest frame, or a percentile (above 0, at most 100) of
        the frames that are not digital silence: 99 is not moved by screams of less than 1 % of the song.
    floor_db : float or None
        dBFS (0 is an RMS of 1), at most 0; frames below are silence, however quiet the rest of the song is.
        None: no floor.
    merge_duration : float
        Seconds; neighbours are merged up to this length. At most `MAX_DURATION`.
    min_sung : float
        Seconds at or above `onset`, in all, below which the song counts as an instrumental: no segments. In a
        file so short that 5 % of it are less, those 5 % will do. 0: no such check.

    Raises
    ------
    ValueError
        If an option is out of its range; the message names it.
    """

    # Where nothing else is said: arXiv 2506.15514 and its code.
    frame_length: int = 2048
    hop_length: int = 512
    onset: float = 0.1
    offset: float = 0.1
    min_speech: float = 0.0
    min_silence: float = 1.0
    pad: float = 0.2
    max_duration: float = MAX_DURATION
    divisor: Literal["max"] | float = "max"
    # Ours, measured on five songs' Spleeter vocals, and on what Spleeter still finds in their accompaniments:
    # the paper's threshold lies at -35 ... -28 dBFS, so a floor of -40 moves no segment of theirs.
    # Recordings much quieter than theirs want less: 12 dB quieter, the worst of them loses 18 % of its sung time.
    floor_db: float | None = -40.0
    merge_duration: float = MAX_DURATION
    # Ours, same songs: 43 % of a song or more is sung above the floor, 3.6 % of an accompaniment at most.
    min_sung: float = 10.0

    def __post_init__(self) -> None:
        """Check the options."""
        percentile = 100.0 if self.divisor == "max" else self.divisor
        rules = {
            "1 <= hop_length <= frame_length": 1 <= self.hop_length <= self.frame_length,
            "0 < offset <= onset <= 1": 0 < self.offset <= self.onset <= 1,
            "min_speech >= 0 s": 0 <= self.min_speech < np.inf,
            "min_silence >= 0 s": 0 <= self.min_silence < np.inf,
            "pad >= 0 s": 0 <= self.pad < np.inf,
            f"max_duration <= {MAX_DURATION:g} s": self.max_duration <= MAX_DURATION,
            "max_duration >= 2 * pad + 2 hops": self._longest_run >= self.hop_length,
            "divisor 'max' or a percentile above 0, at most 100": 0 < percentile <= 100,
            "floor_db <= 0 dBFS, or None": self.floor_db is None or -np.inf < self.floor_db <= 0,
            f"0 < merge_duration <= {MAX_DURATION:g} s": 0 < self.merge_duration <= MAX_DURATION,
            "min_sung >= 0 s": 0 <= self.min_sung < np.inf,
        }
        for rule, is_met in rules.items():
            if not is_met:
                raise ValueError(f"RMS-VAD needs {rule}, got {self}")

    @property
    def _longest_run(self) -> int:
        # In samples, unpadded. A run can grow one hop beyond this before it is looked at.
        return round((self.max_duration - 2 * self.pad) * SAMPLE_RATE) - self.hop_length


PAPER = RmsVadOptions(divisor="max", floor_db=None, min_sung=0.0)
"""The options of arXiv 2506.15514."""


def segment(vocals: NDArray[np.float32], options: RmsVadOptions | None = None) -> list[Segment]:
    """Find the sung segments, in spans that fit Whisper's window.

    Parameters
    ----------
    vocals : ndarray of float32, shape (n_samples,)
        Separated vocals, mono, at `SAMPLE_RATE`, in the scale of the mixture (full scale is 1).
    options : RmsVadOptions, optional
        Defaults to ``RmsVadOptions()``.

    Returns
    -------
    list of Segment
        In order, not overlapping, inside the file, each at most `MAX_DURATION`; empty where nobody sings.

    Raises
    ------
    ValueError
        As `rms_envelope`.
    """
    options = options or RmsVadOptions()
    return merge_segments(find_segments(vocals, options), options.merge_duration)


def find_segments(vocals: NDArray[np.float32], options: RmsVadOptions | None = None) -> list[Segment]:
    """Find the sung segments before neighbours are merged: `segment` without its last step."""
    options = options or RmsVadOptions()
    rms = rms_envelope(vocals, frame_length=options.frame_length, hop_length=options.hop_length)
    loudness, floor = _loudness(rms, options), _floor(options)
    if not loudness:
        return []
    level = rms / loudness
    is_sung = (level >= options.onset) & (rms >= floor)
    is_quiet = (level < options.offset) | (rms < floor)
    sung = np.count_nonzero(is_sung) * options.hop_length
    if sung < min(options.min_sung * SAMPLE_RATE, _MIN_SUNG_SHARE * len(vocals)):
        return []
    runs = _find_runs(level, is_sung, is_quiet, len(vocals), options)
    padded = _pad(runs, len(vocals), round(options.pad * SAMPLE_RATE))
    return [Segment(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in padded]


def thresholds(rms: NDArray[np.float32], options: RmsVadOptions) -> tuple[float, float]:
    """Return the levels that start a run and below which it may end, on the scale of the envelope.

    Parameters
    ----------
    rms : ndarray of float32, shape (n_frames,)
        As `rms_envelope` returns it, of the whole song.
    options : RmsVadOptions
        Whose shares and floor they come from.

    Returns
    -------
    onset, offset : float
        The shares of the loudness, or the floor where that is higher; linear.
    """
    loudness, floor = float(_loudness(rms, options)), _floor(options)
    return max(options.onset * loudness, floor), max(options.offset * loudness, floor)


def _loudness(rms: NDArray[np.float32], options: RmsVadOptions) -> np.float32:
    """Return the reference level of the song (`RmsVadOptions.divisor`); 0 for digital silence."""
    heard = rms[rms > 0]
    if not len(heard):
        return np.float32(0)
    return np.float32(heard.max() if options.divisor == "max" else np.percentile(heard, options.divisor))


def _floor(options: RmsVadOptions) -> float:
    return 0.0 if options.floor_db is None else float(10 ** (options.floor_db / 20))


def rms_envelope(y: NDArray[np.float32], *, frame_length: int = 2048, hop_length: int = 512) -> NDArray[np.float32]:
    """Root mean square of frames centred on every `hop_length`-th sample; zeros stand beyond the ends.

    Equal, bit for bit, to ``librosa.feature.rms(y=y, frame_length=…, hop_length=…)[0]`` (for hops above 1),
    but in small blocks: an hour at 16 kHz would else take a gigabyte.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        Mono audio, possibly empty.
    frame_length, hop_length : int
        Samples; the frame length is even.

    Returns
    -------
    ndarray of float32, shape (1 + n_samples // hop_length,)
        Linear, 0 for silence; frame `i` is centred on sample ``i * hop_length``.

    Raises
    ------
    ValueError
        If `y` is not mono float32, or holds NaN, infinity or amplitudes whose squares overflow.
    """
    _check_samples(y)
    # Not librosa's own: importing it takes 2.1 to 2.5 s (numba, scipy), these sums 0.01 s for a song of 4 min.
    reach = frame_length // 2
    rms = np.empty(1 + len(y) // hop_length, dtype=np.float32)
    for first in range(0, len(rms), _BLOCK_FRAMES):
        block = rms[first : first + _BLOCK_FRAMES]
        start = first * hop_length - reach
        end = start + (len(block) - 1) * hop_length + frame_length
        part = np.pad(y[max(start, 0) : end], (max(-start, 0), max(end - len(y), 0)))
        frames = np.lib.stride_tricks.sliding_window_view(part, frame_length)[::hop_length]
        np.sqrt(np.square(frames).mean(axis=1), out=block)
    return rms


def _check_samples(y: NDArray[np.float32]) -> None:
    if y.ndim != 1 or y.dtype != np.float32:
        raise ValueError(f"expected mono float32 samples of shape (n_samples,), got {y.dtype} of shape {y.shape}")
    # Two extremes see every sample without a copy; NaN fails the comparison.
    if len(y) and not max(y.max(), -y.min()) < _MAX_AMPLITUDE:
        raise ValueError("samples must be finite: the vocals hold NaN or infinity, or are far beyond full scale")


def _find_runs(
    level: NDArray[np.float32],
    is_sung: NDArray[np.bool_],
    is_quiet: NDArray[np.bool_],
    n_samples: int,
    options: RmsVadOptions,
) -> list[tuple[int, int]]:
    """Return the first and the end sample of each run, unpadded."""
    hop = options.hop_length
    longest = options._longest_run
    min_speech = round(options.min_speech * SAMPLE_RATE)
    min_silence = round(options.min_silence * SAMPLE_RATE)
    runs: list[tuple[int, int]] = []
    start: int | None = None  # of the open run
    quiet: int | None = None  # since when it is below offset
    # The last pause of the open run that is long enough for a cut: since when, and where singing resumes.
    pause: int | None = None
    resume: int | None = None
    for frame, (sings, rests) in enumerate(zip(is_sung.tolist(), is_quiet.tolist(), strict=True)):
        now = frame * hop
        if sings:
            quiet = None
            if pause is not None and resume is None:
                resume = now
            if start is None:
                start = now
                continue
        if start is not None and now - start > longest:
            if pause is None:
                cut = _quietest(level, start // hop, frame) * hop
                runs.append((start, cut))
                start, quiet = cut, None
                continue
            runs.append((start, pause))
            start, quiet, pause, resume = resume, None, None, None
        if start is None or not rests:
            continue
        if quiet is None:
            quiet = now
        if now - quiet > _MIN_PAUSE and pause != quiet:
            pause, resume = quiet, None
        if now - quiet >= min_silence:
            if quiet - start > min_speech:
                runs.append((start, quiet))
            start, quiet, pause, resume = None, None, None, None
    if start is not None and n_samples - start > min_speech:
        runs.append((start, n_samples))
    return runs


def _quietest(level: NDArray[np.float32], first: int, last: int) -> int:
    """Find the last of the quietest frames in the second half of ``first ... last``."""
    middle = first + (last + 1 - first) // 2
    return last - int(np.argmin(level[middle : last + 1][::-1]))


def _pad(runs: list[tuple[int, int]], n_samples: int, pad: int) -> list[tuple[int, int]]:
    """Widen every run by `pad`, or by half the silence between two that are closer than twice that."""
    gaps = [start - end for (_, end), (start, _) in pairwise(runs)]
    inner = [pad if gap >= 2 * pad else gap // 2 for gap in gaps]
    if not runs:
        return []
    return [
        (max(0, start - before), min(n_samples, end + after))
        for (start, end), before, after in zip(runs, [pad, *inner], [*inner, pad], strict=True)
    ]
