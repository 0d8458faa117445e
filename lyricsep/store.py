"""Results of stages, kept by what made them, so that nothing is computed twice and a kill loses at most one result.

A key is a digest of everything that can change a result: the bytes that went in, the options, the weights, the
versions of libraries, and the source code of the rooms that did it. Whatever changes, the old result is just not
found any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyricsep.errors import AudioError, OutputError
from lyricsep.files import replacing, shown, write_text
from lyricsep.manifest import library_versions, plain
from lyricsep.weights import content_hash

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lyricsep.separators import SeparatorSpec

__all__ = ["Store", "code_version", "heard_key", "key_of", "versions_of"]


class Store:
    """A folder of results; every one is written whole or not at all, so several processes may share it.

    Parameters
    ----------
    folder : Path
        Made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, stage: str, key: str) -> dict[str, Any] | None:
        """Give a result that `save` kept; None where there is none, or none that can be read."""
        try:
            document = json.loads(self._path(stage, key, ".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def save(self, stage: str, key: str, result: Mapping[str, Any]) -> None:
        """Keep a result that JSON can hold.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_text(self._path(stage, key, ".json"), json.dumps(result, ensure_ascii=False) + "\n")

    def load_signal(self, stage: str, key: str) -> NDArray[np.float32] | None:
        """Give a signal that `save_signal` kept, to the last bit."""
        import numpy as np

        try:
            with self._path(stage, key, ".npy").open("rb") as file:
                # np.load would take other formats too, and each fails in its own way.
                signal: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError):
            return None
        return signal

    def save_signal(self, stage: str, key: str, signal: NDArray[np.float32]) -> None:
        """Keep a signal.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        import numpy as np

        path = self._path(stage, key, ".npy")
        with replacing(path) as temporary:
            try:
                np.save(temporary, signal, allow_pickle=False)
            except OSError as error:
                raise OutputError(f"{shown(path)}: cannot be written ({error}); free some space") from error

    def load_sound(self, stage: str, key: str) -> NDArray[np.float32] | None:
        """Give a sound that `save_sound` kept."""
        from lyricsep.audio import load_audio

        path = self._path(stage, key, ".flac")
        try:
            return load_audio(path).samples[0].numpy() if path.is_file() else None
        except AudioError:
            return None

    def save_sound(self, stage: str, key: str, sound: NDArray[np.float32], sample_rate: int) -> None:
        """Keep a mono sound as FLAC of 24 bits: a fifth of a signal's bytes, 140 dB under full scale.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        import torch

        from lyricsep.audio import Audio, save_audio

        save_audio(self._path(stage, key, ".flac"), Audio(torch.from_numpy(sound)[None], sample_rate), overwrite=True)

    def _path(self, stage: str, key: str, suffix: str) -> Path:
        # Folders of a few hundred files stay quick everywhere.
        return self.folder / stage / key[:2] / (key + suffix)


def key_of(parts: Mapping[str, object]) -> str:
    """Digest what made a result; dataclasses and paths are understood."""
    text = json.dumps(plain(dict(parts)), ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def heard_key(
    audio: Sequence[str], separators: Sequence[SeparatorSpec], device: torch.device, query: str | None = None
) -> str:
    """Digest what makes the vocals of a song.

    Parameters
    ----------
    audio : sequence of str
        Digests of its files.
    separators : sequence of SeparatorSpec
        One, or those of a chain.
    device : torch.device
        Where they run: kinds of devices differ in the last bits.
    query : str, optional
        What the first of them looks for.
    """
    return key_of(
        {
            "audio": audio,
            "separators": [
                {"name": spec.name, "weights": [content_hash(file) for file in spec.files], "settings": spec.settings}
                for spec in separators
            ],
            "query": query,
            "device": device.type,
            "code": code_version("lyricsep.audio", "lyricsep.separators", "lyricsep.pipeline"),
            "libraries": versions_of("av", "demucs", "numpy", "soxr", "torch"),
        }
    )


@cache
def versions_of(*names: str) -> Mapping[str, str | None]:
    """Give the versions of libraries."""
    versions = library_versions()
    return {name: versions[name] for name in names}


@cache
def code_version(*modules: str) -> str:
    """Digest the source of modules and packages of lyricsep, such as ``lyricsep.audio``."""
    digest = hashlib.sha256()
    for module in modules:
        package, _, name = module.rpartition(".")
        place = resources.files(package).joinpath(name)
        files = [place.joinpath(entry.name) for entry in place.iterdir()] if place.is_dir() else []
        for file in sorted(files or [resources.files(package).joinpath(name + ".py")], key=lambda file: file.name):
            if file.name.endswith((".py", ".toml")):
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
