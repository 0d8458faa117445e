"""Presets: a separator, a model and options that go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.transcribers import WhisperOptions

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Preset:
    """The parts of a preset; options can override each of them.

    Parameters
    ----------
    summary : str
        For people.
    separator, model : str
        Names in the catalogues.
    segmentation : RmsVadOptions
        How the vocals are segmented.
    transcription : WhisperOptions
        How the segments are decoded.
    """

    summary: str
    separator: str
    model: str
    segmentation: RmsVadOptions = field(default_factory=RmsVadOptions)
    transcription: WhisperOptions = field(default_factory=WhisperOptions)


PRESETS: Mapping[str, Preset] = {
    "fast": Preset(
        "small models, for a CPU; needs no download with lyricsep[embedded]",
        "spleeter",
        "base",
        # Most songs in one batch: base takes 37 MB for a segment, where large-v2 on a CPU takes 500.
        transcription=WhisperOptions(batch_size=16),
    ),
    "balanced": Preset("good lyrics on a small GPU", "htdemucs", "large-v3-turbo"),
    "best": Preset("the best lyrics, on a GPU of 10 GB or more", "htdemucs_ft", "large-v2"),
    # arXiv 2506.15514: its best long-form condition, separated vocals and RMS-VAD. Its implementation decodes the
    # clips once, with beam search, from the vocals alone.
    "paper": Preset(
        "exactly the options of arXiv 2506.15514",
        "mdx_extra",
        "large-v2",
        PAPER,
        WhisperOptions(mix_back=0.0, no_repeat_ngram_sizes=(), beam_size=5),
    ),
}

# large-v2 in half precision takes 3.1 GB, a batch of beams and a separator as much again.
BEST_MEMORY = 10e9  # bytes


def preset_for(device: torch.device) -> str:
    """Return the default preset of a device."""
    import torch

    if device.type == "cpu":
        return "fast"
    if device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory >= BEST_MEMORY:
        return "best"
    return "balanced"
