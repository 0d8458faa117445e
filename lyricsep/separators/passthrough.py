"""No separation: the mixture itself is segmented and transcribed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lyricsep.separators.base import Mixture, Separator

if TYPE_CHECKING:
    from torch import Tensor


class Passthrough(Separator):
    """Returns the mixture unchanged."""

    name = "none"

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield the blocks of the mixture."""
        yield from mixture.blocks
