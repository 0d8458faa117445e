"""Write audio of any length to .wav and .flac files, atomically."""

from __future__ import annotations

import logging
import os
import struct
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lyricsep.audio.signal import Audio, check_samples
from lyricsep.errors import ConfigError, OutputError
from lyricsep.files import replacing

if TYPE_CHECKING:
    import soundfile
    import torch

logger = logging.getLogger(__name__)

_FORMATS = {".wav": ("RF64", "FLOAT"), ".flac": ("FLAC", "PCM_24")}
_FLOATING = frozenset({"FLOAT", "DOUBLE"})

RIFF_LIMIT = 2**32 - 1
"""Bytes after the first eight that the header of an ordinary .wav can count."""


def save_audio(path: Path | str, audio: Audio, *, subtype: str | None = None, overwrite: bool = False) -> None:
    """Write sound into a file.

    Parameters
    ----------
    path : Path or str
        Ends in ``.wav`` or ``.flac``.
    audio : Audio
        What to write; nothing is scaled.
    subtype : str or None
        A sample format as soundfile names it (``PCM_16``, ...). Default: 32 bit float in .wav, where nothing
        is clipped; 24 bit in .flac, where samples beyond -1 to 1 are clipped and a warning says how many.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ConfigError
        If the file would be of another kind, or cannot hold this rate, number of channels or sample format.
    OutputError
        If it cannot be written, or exists and `overwrite` is False.
    """
    with AudioWriter(path, audio.sample_rate, audio.n_channels, subtype=subtype, overwrite=overwrite) as writer:
        writer.write(audio.samples)


class AudioWriter:
    """Writes sound into a file block by block; used in a ``with`` statement.

    The file appears under its name when the statement ends well; when it raises, nothing is left. A .wav that
    outgrows 4 GiB becomes RF64 (EBU Tech 3306), which soundfile, FFmpeg and audio editors read like any .wav.

    Parameters
    ----------
    path : Path or str
        Ends in ``.wav`` or ``.flac``.
    sample_rate : int
        Samples per second.
    n_channels : int
        Channels of every block.
    subtype, overwrite
        As in `save_audio`.

    Raises
    ------
    ValueError
        If the rate or the channels are not positive.
    ConfigError, OutputError
        As `save_audio`.
    """

    def __init__(
        self,
        path: Path | str,
        sample_rate: int,
        n_channels: int,
        *,
        subtype: str | None = None,
        overwrite: bool = False,
    ) -> None:
        import soundfile

        if sample_rate <= 0 or n_channels <= 0:
            raise ValueError(f"rate and channels must be positive, got {sample_rate} and {n_channels}")
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in _FORMATS:
            raise ConfigError(
                f"{self.path}: sound is written as .wav or .flac, not as {suffix or 'a file without suffix'}; "
                "change the suffix"
            )
        self._format, default = _FORMATS[suffix]
        self._subtype = (subtype or default).upper()
        if not soundfile.check_format(self._format, self._subtype):
            known = ", ".join(soundfile.available_subtypes(self._format))
            raise ConfigError(f"{self.path}: {suffix} has no sample format {subtype}; choose one of {known}")
        self._sample_rate = sample_rate
        self._n_channels = n_channels
        self._replacing: AbstractContextManager[Path] = replacing(self.path, overwrite=overwrite)
        self._file: soundfile.SoundFile | None = None
        self._n_clipped = 0
        self._n_written = 0

    def __enter__(self) -> Self:
        import soundfile

        temporary = self._replacing.__enter__()
        try:
            self._file = soundfile.SoundFile(
                temporary,
                "w",
                samplerate=self._sample_rate,
                channels=self._n_channels,
                subtype=self._subtype,
                format=self._format,
            )
        except soundfile.LibsndfileError as error:
            self._abandon()
            raise ConfigError(
                f"{self.path}: cannot hold {self._n_channels} channels at {self._sample_rate} Hz "
                f"({error.error_string.rstrip('.')}); save as .wav, or resample or downmix first"
            ) from error
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._finish()
        except BaseException:
            self._abandon()
            raise
        self._replacing.__exit__(None, None, None)
        if self._n_clipped:
            logger.warning(
                "%s: %d of %d samples were beyond full scale and were clipped; save as .wav to keep them",
                self.path,
                self._n_clipped,
                self._n_written * self._n_channels,
            )

    def write(self, block: torch.Tensor) -> None:
        """Append a block.

        Parameters
        ----------
        block : torch.Tensor
            float32, shape (channels, n_samples), n_samples from 0, on any device.

        Raises
        ------
        ValueError
            If the block is not of that kind, or the writer is not open.
        OutputError
            If it cannot be written: the disk is full.
        """
        import soundfile

        check_samples(block)
        if block.shape[0] != self._n_channels:
            raise ValueError(f"expected blocks of {self._n_channels} channels, got {block.shape[0]}")
        if self._file is None:
            raise ValueError(f"{self.path}: the writer is not open; use it in a with statement")
        data = block.detach().cpu().numpy().T
        if self._subtype not in _FLOATING:
            data = self._clip(data)
        try:
            self._file.write(data)
        except (soundfile.LibsndfileError, OSError) as error:
            raise self._output_error(error) from error
        self._n_written += len(data)

    def _clip(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        # NaN compares false, so it is counted here and becomes silence.
        self._n_clipped += int(np.count_nonzero(~(np.abs(data) <= 1)))
        return np.clip(np.nan_to_num(data), -1, 1)

    def _finish(self) -> None:
        import soundfile

        file, self._file = self._file, None
        if file is None:
            return
        stored = Path(file.name)
        try:
            file.close()
            # libsndfile loses what it still held in its buffers without a word when the disk is full.
            n_stored = soundfile.info(stored).frames
        except (soundfile.LibsndfileError, OSError) as error:
            raise self._output_error(error) from error
        if n_stored != self._n_written:
            raise self._output_error(OSError(f"{n_stored} of {self._n_written} samples were stored"))
        if self._format == "RF64":
            _as_riff_where_it_fits(stored)

    def _abandon(self) -> None:
        """Remove the temporary file without hiding the error that caused it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with suppress(_AbandonedError):
            self._replacing.__exit__(_AbandonedError, _AbandonedError(), None)

    def _output_error(self, error: Exception) -> OutputError:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        return OutputError(
            f"{self.path}: cannot be written ({reason})", hint="free some space or choose another {output}"
        )


class _AbandonedError(Exception):
    """Makes `replacing` clean up; internal to this module."""


def _as_riff_where_it_fits(path: Path) -> None:
    """Rewrite the header of an RF64 file as an ordinary .wav header where 32 bits can hold its size.

    Source: EBU Tech 3306: the ``ds64`` chunk of the one stands where the other has ``JUNK``.
    """
    with path.open("r+b") as file:
        riff_size, data_size = struct.unpack("<QQ", file.read(36)[20:])
        if riff_size > RIFF_LIMIT:
            return
        file.seek(0)
        file.write(b"RIFF" + struct.pack("<I", riff_size) + b"WAVEJUNK")
        file.seek(12)
        while True:
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                file.seek(-4, os.SEEK_CUR)
                file.write(struct.pack("<I", data_size))
                return
            file.seek(size + size % 2, os.SEEK_CUR)
