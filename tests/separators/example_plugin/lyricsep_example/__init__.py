"""A separator for lyricsep: what both channels have in common, where singers usually stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lyricsep.separators import Mixture, Separator, SeparatorSpec

if TYPE_CHECKING:
    import torch


class Centre(Separator):
    """The mean of all channels, in each of them."""

    name = "centre"

    def __init__(self, device: torch.device) -> None:
        self.device = device  # a network would be loaded here, and moved there

    def stream(self, mixture: Mixture) -> Iterator[torch.Tensor]:
        for block in mixture.blocks:  # float32 (n_channels, n_samples), at mixture.sample_rate
            yield block.mean(dim=0, keepdim=True).expand_as(block)


def separators() -> list[SeparatorSpec]:
    """Say what there is; called by lyricsep, so nothing heavy happens here."""
    return [SeparatorSpec("centre", "example", "The middle of the stereo image", "MIT", "-", create=Centre)]
