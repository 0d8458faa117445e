"""Use existing vocals: of a multitrack, or from another tool."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.audio import StreamResampler, downmix, open_audio
from lyricsep.errors import AudioError
from lyricsep.files import shown
from lyricsep.separators.base import Mixture, Separator

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".m4a", ".mp3")
TOLERANCE = 0.1  # seconds that codecs may add or cut at the end


class ExistingVocals(Separator):
    """Reads the vocals that lie beside the song (`find_vocals`)."""

    name = "stems"

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield the vocals at the mixture's rate, channels and length.

        Raise an `AudioError` if there are none beside the song, or they are not as long as the song.
        """
        import torch

        if mixture.path is None:
            raise AudioError("stems: audio without a file has no vocals beside it", hint="choose another {separator}")
        path = find_vocals(mixture.path)
        logger.info("%s: vocals from %s", shown(mixture.path), shown(path))
        n_samples = sum(block.shape[-1] for block in mixture.blocks)
        n_given = 0
        for block in _blocks(path, mixture):
            yield block[:, : max(0, n_samples - n_given)]
            n_given += block.shape[-1]
        difference = (n_given - n_samples) / mixture.sample_rate
        if abs(difference) > TOLERANCE:
            raise AudioError(
                f"{shown(path)}: the vocals are {abs(difference):.2f} s {'longer' if difference > 0 else 'shorter'} "
                f"than {shown(mixture.path)}, so their clocks differ; export both from the same session"
            )
        if n_given < n_samples:
            yield torch.zeros(mixture.n_channels, n_samples - n_given)


def find_vocals(song: Path) -> Path:
    """Find the vocals of a song; raise an `AudioError` if there are none.

    In this order: ``NAME.vocals.*`` beside ``NAME.mp3``; ``NAME/vocals.*`` (as Demucs and Spleeter write them);
    ``vocals.*`` beside a song called ``mixture.*`` (as MUSDB18 has them).
    """
    stems = [song.with_name(f"{song.stem}.vocals"), song.parent / song.stem / "vocals"]
    if song.stem == "mixture":
        stems.append(song.with_name("vocals"))
    for stem in stems:
        for suffix in SUFFIXES:
            candidate = stem.with_name(stem.name + suffix)
            if _exists(candidate):
                return candidate
    name = shown(Path(song.stem))
    raise AudioError(
        f"{shown(song)}: no vocals file next to it (looked for {name}.vocals.wav, {name}/vocals.wav and other "
        "audio suffixes)",
        hint="make them with `lyricsep separate` or choose another {separator}",
    )


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name may be short enough for the song and too long with our suffix
        return False


def _blocks(path: Path, mixture: Mixture) -> Iterator[Tensor]:
    with open_audio(path) as reader:
        if reader.n_channels != mixture.n_channels and 1 not in (reader.n_channels, mixture.n_channels):
            raise AudioError(
                f"{shown(path)}: {reader.n_channels} channels, but the song has {mixture.n_channels}; "
                "make both the same, or the vocals mono"
            )
        resampler = StreamResampler(reader.sample_rate, mixture.sample_rate, mixture.n_channels)
        normalisation = mixture.normalisation
        if reader.n_channels != mixture.n_channels:
            normalisation = replace(normalisation, polarity=())
        for block in reader.blocks():
            # Other tools write stereo vocals for mono songs.
            fitting = downmix(block) if mixture.n_channels == 1 else block.expand(mixture.n_channels, -1)
            yield resampler.feed(normalisation.apply(fitting))
        yield resampler.flush()
