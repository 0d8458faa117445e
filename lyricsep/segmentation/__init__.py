"""Find the segments of the vocals in which somebody sings."""

from lyricsep.segmentation.merge import MAX_DURATION, SAMPLE_RATE, merge_segments
from lyricsep.segmentation.rms import PAPER, RmsVadOptions, find_segments, rms_envelope, segment, thresholds

__all__ = [
    "MAX_DURATION",
    "PAPER",
    "SAMPLE_RATE",
    "RmsVadOptions",
    "find_segments",
    "merge_segments",
    "rms_envelope",
    "segment",
    "thresholds",
]
