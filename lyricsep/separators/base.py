"""Protocol and base classes of separators: mixture in, vocals out, block by block."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lyricsep.audio import Audio, Normalisation, measured
from lyricsep.errors import AudioError
from lyricsep.weights import WeightFile

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Status = Literal["works", "needs setup", "unavailable", "broken"]
"""Whether a separator can be selected: as it is; after its user made what it needs, an environment of its own or a
file that no program can fetch (`lyricsep models show NAME` says how); not at all, since nobody published what it
needs; not at all, since its plugin is broken."""


@dataclass(frozen=True)
class SeparatorSpec:
    """One separator, as the catalogue describes it.

    Parameters
    ----------
    name : str
        Unique name, as `find_separator` takes it.
    family : str
        The module that builds it.
    summary, licence, citation : str
        Text for users.
    files : tuple of WeightFile
        Weights files, in the order that the family expects.
    settings : mapping
        Settings of the family besides the weights; ``query_default`` is the query where the user gives none.
    status : {"works", "needs setup", "unavailable", "broken"}
        See `Status`.
    reason : str
        Why it is unavailable or broken.
    setup : str
        How to make its environment.
    vocals : bool
        Whether it returns the vocals of a song. Others are meant to run after one that does, such as those that
        separate speakers.
    generative : bool
        Whether it generates vocals instead of extracting them from the mixture.
    query : str
        The kind of query it takes (``text``); empty where it takes none.
    create : callable, optional
        Builds the separator on a device, for those of plugins.
    aliases : tuple of str
        Its names in other tools, which `find_separator` takes too.
    """

    name: str
    family: str
    summary: str
    licence: str
    citation: str
    files: tuple[WeightFile, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    status: Status = "works"
    reason: str = ""
    setup: str = ""
    vocals: bool = True
    generative: bool = False
    query: str = ""
    create: Callable[[torch.device], Separator] | None = None
    aliases: tuple[str, ...] = ()

    @property
    def is_non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return bool(re.search(r"\bNC\b|non-?commercial", self.licence, re.IGNORECASE))


@dataclass(frozen=True)
class Mixture:
    """A song as it comes out of the decoder.

    Parameters
    ----------
    blocks : iterable of Tensor
        Consecutive float32 blocks of shape (n_channels, n_samples), on the CPU.
    sample_rate : int
        Samples per second.
    n_channels : int
        Channels of every block.
    path : Path or None
        The file, for separators that look beside it.
    normalisation : Normalisation
        What the blocks were multiplied by, which those of a file beside it are not yet.
    """

    blocks: Iterable[Tensor]
    sample_rate: int
    n_channels: int
    path: Path | None = None
    normalisation: Normalisation = field(default_factory=Normalisation)


class Separator(ABC):
    """Mixture in, vocals out: same rate, channels, length and gain scale. A subclass implements `stream`.

    Attributes
    ----------
    name : str
        The name in the catalogue.
    """

    name: str

    @abstractmethod
    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield consecutive blocks of vocals, together as long as the mixture."""

    def separate(self, mixture: Audio, *, path: Path | None = None) -> Audio:
        """Separate a song that is in memory.

        Parameters
        ----------
        mixture : Audio
            Samples of shape (n_channels, n_samples), on any device.
        path : Path, optional
            Where the song came from, for separators that look beside it.

        Returns
        -------
        Audio
            Vocals of the same rate, channels, length and gain scale, on the same device.

        Raises
        ------
        AudioError
            If the vocals are not as long as the mixture.
        """
        import torch

        samples = mixture.samples.cpu()
        normalisation = measured([samples], mixture.sample_rate).normalisation
        blocks = [normalisation.apply(samples)]
        source = Mixture(blocks, mixture.sample_rate, mixture.n_channels, path, normalisation)
        vocals = normalisation.undo(torch.cat([samples[:, :0], *self.stream(source)], dim=1))
        if vocals.shape != mixture.samples.shape:
            raise AudioError(
                f"{self.name}: returned vocals of shape {tuple(vocals.shape)} for a mixture of shape "
                f"{tuple(mixture.samples.shape)}, which is a bug in the separator",
                hint="try another {separator}",
            )
        return Audio(vocals.to(mixture.samples.device), mixture.sample_rate)


class Chain(Separator):
    """Runs a second separator on the vocals of the first, such as one for the speakers of a duet."""

    def __init__(self, first: Separator, then: Separator) -> None:
        self.name = f"{first.name} then {then.name}"
        self._first = first
        self._then = then

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield consecutive blocks of vocals, together as long as the mixture."""
        yield from self._then.stream(replace(mixture, blocks=self._first.stream(mixture)))
