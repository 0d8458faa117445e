"""Results of stages, kept by what made them, so that nothing is computed twice and a kill loses at most one result.

A key is a digest of what makes a result: the bytes that went in, the options, the weights, and the versions of the
stages (`lyricsep.versions`). Whatever changes, the old result is just not found any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyricsep.documents import plain
from lyricsep.errors import AudioError, OutputError
from lyricsep.files import replacing, shown, write_text
from lyricsep.transcribers import SAMPLE_RATE
from lyricsep.version import library_versions
from lyricsep.versions import VOCALS

if TYPE_CHECKING:
    from lyricsep.signals import Progress, Signals


class Store:
    """A folder of results, made when one is kept; each is written whole or not at all, so processes may share it.

    The methods that save raise an `OutputError` if that fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, stage: str, key: str) -> dict[str, Any] | None:
        """Load a result that `save` kept; None where there is none, or none that can be read."""
        try:
            document = json.loads(self._path(stage, key, ".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def save(self, stage: str, key: str, result: Mapping[str, Any]) -> None:
        """Keep a result that JSON can hold."""
        write_text(self._path(stage, key, ".json"), json.dumps(result, ensure_ascii=False) + "\n")

    def load_signal(self, stage: str, key: str) -> NDArray[np.float32] | None:
        """Load a signal that `save_signal` kept, to the last bit."""
        try:
            with self._path(stage, key, ".npy").open("rb") as file:
                # np.load would take other formats too, and each fails in its own way.
                signal: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError):
            return None
        return signal

    def save_signal(self, stage: str, key: str, signal: NDArray[np.float32]) -> None:
        """Keep a signal."""
        path = self._path(stage, key, ".npy")
        with replacing(path) as temporary:
            try:
                np.save(temporary, signal, allow_pickle=False)
            except OSError as error:
                raise OutputError(f"{shown(path)}: cannot be written ({error})", hint="free some space") from error

    def load_sound(self, stage: str, key: str) -> NDArray[np.float32] | None:
        """Load a sound that `save_sound` kept."""
        from lyricsep.audio import load_audio

        path = self._path(stage, key, ".flac")
        try:
            return load_audio(path).samples[0].numpy() if path.is_file() else None
        except AudioError:
            return None

    def save_sound(self, stage: str, key: str, sound: NDArray[np.float32], sample_rate: int) -> None:
        """Keep a mono sound as FLAC of 24 bits: a fifth of a signal's bytes, 140 dB under full scale."""
        import torch

        from lyricsep.audio import Audio, save_audio

        save_audio(self._path(stage, key, ".flac"), Audio(torch.from_numpy(sound)[None], sample_rate), overwrite=True)

    def _path(self, stage: str, key: str, suffix: str) -> Path:
        # Folders of a few hundred files stay quick everywhere.
        return self.folder / stage / key[:2] / (key + suffix)


def key_of(parts: Mapping[str, object]) -> str:
    """Return the digest of what made a result; dataclasses and paths are understood."""
    text = json.dumps(plain(dict(parts)), ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class KeptVocals:
    """Vocals as FLAC, a fifth of their size; the mixture is decoded again. Without `keep`, none are added."""

    def __init__(self, store: Store, *, keep: bool) -> None:
        self._store = store
        self._keep = keep

    def load(
        self, key: str, audio: Sequence[str], path: Path, report: Progress, track: int | None = None
    ) -> Signals | None:
        """Return the signals of a song, by the key of its vocals and the digests of its files; None to make them."""
        from lyricsep.separators.passthrough import Passthrough
        from lyricsep.signals import load_signals

        vocals = self._store.load_sound("vocals", key)
        if vocals is None:
            return None
        return replace(load_signals(path, Passthrough(), track=track, on_progress=report), vocals=vocals)

    def save(self, key: str, audio: Sequence[str], signals: Signals, track: int | None = None) -> Signals:
        """Keep the vocals; what is kept is what is used, so that a second run gets the same."""
        if not self._keep:
            return signals
        self._store.save_sound("vocals", key, signals.vocals, SAMPLE_RATE)
        kept = self._store.load_sound("vocals", key)
        return signals if kept is None else replace(signals, vocals=kept)


class KeptSignals:
    """Mixture and vocals to the last bit, for benchmarks, which come back to every song many times."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(
        self, key: str, audio: Sequence[str], path: Path, report: Progress, track: int | None = None
    ) -> Signals | None:
        """Return the signals of a song."""
        from lyricsep.signals import Signals

        mixture = self._store.load_signal("mixtures", self._mixture_key(audio, track))
        vocals = self._store.load_signal("vocals", key)
        return None if mixture is None or vocals is None else Signals(mixture, vocals)

    def save(self, key: str, audio: Sequence[str], signals: Signals, track: int | None = None) -> Signals:
        """Keep the signals of a song."""
        self._store.save_signal("mixtures", self._mixture_key(audio, track), signals.mixture)
        self._store.save_signal("vocals", key, signals.vocals)
        return signals

    def _mixture_key(self, audio: Sequence[str], track: int | None) -> str:
        chosen = {"track": track} if track else {}
        return key_of({"audio": audio[0], "version": VOCALS["decoding"], **chosen})


SignalStore = KeptVocals | KeptSignals
"""Where a session keeps decoded and separated signals."""


@cache
def versions_of(*names: str) -> Mapping[str, str | None]:
    """Return the versions of libraries."""
    versions = library_versions()
    return {name: versions[name] for name in names}
