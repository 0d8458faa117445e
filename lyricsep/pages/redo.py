"""What a run did for a song, done again: its vocals where no file of them was kept, and the times of a text."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lyricsep.aligners import read_text
from lyricsep.errors import AudioError
from lyricsep.files import shown
from lyricsep.pages.manifests import plan_of, separators_of
from lyricsep.pages.results import manifests_of
from lyricsep.plan import AlignOptions, SeparateOptions, resolve
from lyricsep.session import Job, Models, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lyricsep.lyrics import Lyrics
    from lyricsep.pages.results import FoundSong, Results


class Redo:
    """Does work of a run again, with the options of its manifest; models load once, and one song is done at a time.

    Parameters
    ----------
    results : Results
        The run.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    offline : bool
        Download no weights.
    """

    def __init__(self, results: Results, *, device: str = "auto", offline: bool = False) -> None:
        self._manifests = manifests_of(results)
        self._options = SeparateOptions(device=device, offline=offline)
        self._models = Models()
        self._lock = threading.Lock()

    def has_vocals(self, found: FoundSong) -> bool:
        """Return whether the vocals of a song have no file, and can be separated as in its run."""
        is_separated = separators_of(self._manifests.get(found.name, {})) is not None
        return found.vocals is None and found.audio is not None and is_separated

    def vocals(self, found: FoundSong) -> NDArray[np.float32] | None:
        """Separate the vocals of a song as its run did.

        Returns
        -------
        ndarray of float32, shape (n_samples,), or None
            Mono at 16 kHz; None where there is a file of them, or nothing to separate (`has_vocals`).

        Raises
        ------
        LyricsepError
            If the song cannot be read or the separator not be loaded.
        """
        if found.vocals or not found.audio or not self.has_vocals(found):
            return None
        plan = resolve(replace(self._options, **self._chosen(found, "separator", "query", "then", "track")))
        with self._lock:
            return Session(plan, models=self._models).load_signals(found.audio).recorded().vocals

    def times(self, found: FoundSong, text: str) -> Lyrics:
        """Time a text in a song, with the separator and the model of its run.

        Raises
        ------
        LyricsepError
            If there is no file of the song, its lyrics are others, or a model cannot be loaded.
        """
        if found.audio is None:
            raise AudioError(f"{found.name}: its audio was not found", hint="name its folder with {songs}")
        chosen = self._chosen(found, "separator", "query", "then", "track", "model")
        options = AlignOptions(device=self._options.device, offline=self._options.offline, **chosen)
        job = Job(found.audio, known=read_text(text, shown(found.lyrics)))
        with self._lock:
            (outcome,) = Session(resolve(options), models=self._models).stream([job])
        if outcome.error:
            raise outcome.error
        return outcome.lyrics

    def _chosen(self, found: FoundSong, *names: str) -> dict[str, Any]:
        """Return options of the run of a song, as far as its manifest tells."""
        plan = plan_of(self._manifests.get(found.name, {}))
        return {name: plan[name] for name in names if isinstance(plan.get(name), str | int)}
