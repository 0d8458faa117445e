"""Content of the review: the list of songs, the page of each, and its audio as browsers play it."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lyricsep.audio import Audio, save_audio
from lyricsep.errors import AudioError, DatasetError
from lyricsep.files import replacing, shown
from lyricsep.formats import read_lyrics
from lyricsep.pages import FoundSong, Redo, Results, manifests_of
from lyricsep.pages.html import render_page
from lyricsep.pages.song import changes_since, render_song_page, song_content
from lyricsep.pages.sound import MIXTURE_BIT_RATE, VOCALS_BIT_RATE, SongSound, read_sound, song_sound
from lyricsep.review.saving import Corrections
from lyricsep.segmentation import SAMPLE_RATE

if TYPE_CHECKING:
    from lyricsep.datasets import Song

logger = logging.getLogger(__name__)

KINDS = ("songs", "mixture", "vocals", "api/songs", "api/vocals", "api/times")


def url_of(kind: str, name: str) -> str:
    """Return the URL path of a part of a song: ``songs``, ``audio``, or one of `KINDS` that makes something."""
    return f"/{kind}/{quote(name, errors='surrogateescape')}"


class Content:
    """The pages of a folder of results. It is used by many threads.

    Parameters
    ----------
    results : Results
        The songs.
    corrections : Corrections
        Of these results.
    references : mapping of str to Song
        Reference lyrics, by the name of the song.
    token : str
        Secret that pages send when they save.
    redo : Redo, optional
        Separates vocals and times texts.
    """

    def __init__(
        self,
        results: Results,
        corrections: Corrections,
        references: Mapping[str, Song],
        token: str,
        redo: Redo | None = None,
    ) -> None:
        self.results = results
        self.corrections = corrections
        self._references = references
        self._token = token
        self._redo = redo
        self._manifests = manifests_of(results)
        self._folder = TemporaryDirectory(prefix="lyricsep-review-")
        folder = Path(self._folder.name)
        self._songs = {song.name: song for song in results.songs}
        self._sounds = {
            song.name: _Sound(song, folder / str(number), redo) for number, song in enumerate(results.songs)
        }

    def find(self, path: str) -> tuple[str, FoundSong | None]:
        """Return what a path stands for, and of which song.

        Names are looked up among those of the songs: a path is never made of them.

        Returns
        -------
        kind : str
            ``list``, ``songs``, ``mixture`` or ``vocals`` to be shown or played; ``api/songs`` (save), ``api/times``
            or ``api/vocals`` (make); empty if unknown.
        song : FoundSong or None
            None for the list.
        """
        if path == "/":
            return "list", None
        _, kind, name = (*path.split("/", 2), "", "")[:3]
        if kind == "audio":
            name, _, kind = name.rpartition("/")
        elif kind == "api":
            part, _, name = name.partition("/")
            kind = f"api/{part}"
        song = self._songs.get(name) if kind in KINDS else None
        return (kind if song else ""), song

    def list_page(self) -> str:
        """Return the list of the songs as HTML."""
        rows = [self._row(song) for song in self.results.songs]
        return render_page(
            "review.html.j2",
            title=f"Review of {shown(Path(self.results.folder.absolute().name))}",
            styles=("page.css", "review.css"),
            rows=rows,
            n_corrected=sum(self.corrections.latest(name) > 0 for name in self._songs),
            folder=shown(self.corrections.folder.absolute()),
        )

    def song_page(self, song: FoundSong) -> str:
        """Return the page of a song, with the last revision of its lyrics.

        Raises
        ------
        DatasetError
            If its lyrics cannot be read.
        """
        revision = self.corrections.load(song.name)
        kept = self._sounds[song.name]
        sound = kept.drawn()
        content = song_content(
            replace(song, lyrics=revision.file),
            reference=self._references.get(song.name),
            manifest=self._manifests.get(song.name),
            audio="none",
            sound=sound,
        )
        audio = url_of("audio", song.name)
        content["audio"] = {
            "mixture": f"{audio}/mixture" if sound.mixture else None,
            "vocals": f"{audio}/vocals" if sound.vocals else None,
        }
        machine = read_lyrics(song.lyrics) if revision.number else None
        if machine and revision.text and song.name not in self._references:
            content["reference"] = changes_since(machine, revision.transcript)
        content["review"] = {
            "save": url_of("api/songs", song.name),
            "align": url_of("api/times", song.name) if self._redo and song.audio else None,
            "vocals": url_of("api/vocals", song.name) if kept.lacks_vocals else None,
            "revision": revision.number,
            "token": self._token,
            "machine": machine and [asdict(line) for line in machine.lines],
            "changed": self.corrections.is_outdated(revision, song.name),
            "home": "/",
        }
        return render_song_page(content)

    def sound(self, song: FoundSong, stem: str) -> Path | None:
        """Return the audio of a song as Opus in WebM; None if there is none.

        Raises
        ------
        AudioError
            If it cannot be decoded.
        OutputError
            If the folder of temporary files is full.
        """
        return self._sounds[song.name].file(stem)

    def make_vocals(self, song: FoundSong) -> dict[str, Any]:
        """Separate the vocals of a song, and return what its page shows and plays of them.

        Raises
        ------
        LyricsepError
            As `Redo.vocals`; also if the folder of temporary files is full.
        """
        sound = self._sounds[song.name].with_vocals()
        return {
            "audio": f"{url_of('audio', song.name)}/vocals",
            "peaks": sound.vocals and base64.b64encode(sound.vocals.peaks).decode(),
            "envelope": sound.envelope,
        }

    def make_times(self, song: FoundSong, body: bytes) -> dict[str, Any]:
        """Time a text that a page sent, ``{"text": str}``, and return its lines.

        Raises
        ------
        LyricsepError
            As `Redo.times`.
        """
        text = _request(body, "text", str)["text"]
        if self._redo is None:
            raise DatasetError("this server times no lyrics")
        return {"lines": [asdict(line) for line in self._redo.times(song, text).lines]}

    def save(self, song: FoundSong, body: bytes) -> tuple[int, list[Path]]:
        """Save the lyrics that a page sent: ``{"revision": int, "lyrics": {...}}``.

        Raises
        ------
        DatasetError, StaleError, OutputError
            As `Corrections.save`.
        """
        request = _request(body, "revision", int)
        base, lyrics = request["revision"], json.dumps(_request(body, "lyrics", dict)["lyrics"])
        return self.corrections.save(song.name, base, lyrics, duration=self._sounds[song.name].duration)

    def close(self) -> None:
        """Remove the temporary audio."""
        self._folder.cleanup()

    def _row(self, song: FoundSong) -> dict[str, Any]:
        row = {"url": url_of("songs", song.name), "name": shown(Path(song.name)), "error": None}
        try:
            revision = self.corrections.load(song.name)
            is_outdated = self.corrections.is_outdated(revision, song.name)
            status = revision.file.stat()
            duration, n_lines, n_doubtful = _sizes(revision.file, status.st_mtime_ns, status.st_size)
        except (DatasetError, OSError) as error:
            return {**row, "error": str(error)}
        sizes = {"duration": duration, "n_lines": n_lines, "n_doubtful": n_doubtful}
        return {**row, **sizes, "revision": revision.number, "is_outdated": is_outdated}


def _request(body: bytes, name: str, kind: type) -> dict[str, Any]:
    """Return the JSON that a page sent, an object with a value of a kind."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or type(request.get(name)) is not kind:
        what = {int: "an integer", str: "a text", dict: "an object"}[kind]
        raise DatasetError(f"expected JSON with {what} called {name!r}", hint="reload the page")
    return request


@lru_cache(maxsize=10_000)
def _sizes(file: Path, mtime_ns: int, size: int) -> tuple[float, int, int]:
    """Return the duration of a song in seconds, and the numbers of its lines and of the doubtful ones.

    Reading hundreds of files takes seconds; each is read again only when its time or size has changed.
    """
    lyrics = read_lyrics(file).lyrics
    return lyrics.duration, len(lyrics.lines), sum(bool(line.flags) for line in lyrics.lines)


class _Sound:
    """The audio of a song, read on first use."""

    def __init__(self, song: FoundSong, stem: Path, redo: Redo | None) -> None:
        self._song = song
        self._stem = stem
        self._redo = redo
        self._locks = {name: threading.Lock() for name in ("drawn", "mixture", "vocals", "made")}
        self._drawn: SongSound | None = None

    @property
    def lacks_vocals(self) -> bool:
        """Whether the vocals can be separated, and are not yet."""
        return self._redo is not None and self._redo.has_vocals(self._song)

    def with_vocals(self) -> SongSound:
        """Separate the vocals, once, and return peaks and envelope with them."""
        with self._locks["made"]:
            if self._redo and self.lacks_vocals:
                import torch

                vocals = self._redo.vocals(self._song)
                path = self._stem.with_suffix(".wav")
                save_audio(path, Audio(torch.from_numpy(vocals)[None], SAMPLE_RATE))
                with self._locks["drawn"]:
                    self._song, self._drawn = replace(self._song, vocals=path), None
        return self.drawn()

    @property
    def duration(self) -> float:
        """Seconds; 0 if it was not read or is missing."""
        sound = self._drawn or SongSound()
        return max((part.duration for part in (sound.mixture, sound.vocals) if part), default=0.0)

    def drawn(self) -> SongSound:
        """Return peaks and envelope; none if the audio cannot be read, since the words can still be corrected."""
        with self._locks["drawn"]:
            if self._drawn is None:
                try:
                    self._drawn = song_sound(self._song, encode=False)
                except AudioError as error:
                    logger.warning("%s", error)
                    self._drawn = SongSound()
            return self._drawn

    def file(self, name: str) -> Path | None:
        """Return the file to play, complete."""
        is_mixture = name == "mixture"
        source = self._song.audio if is_mixture else self._song.vocals
        if source is None:
            return None
        path = self._stem.with_suffix(f".{name}.webm")
        with self._locks[name]:
            if not path.exists():
                rate = MIXTURE_BIT_RATE if is_mixture else VOCALS_BIT_RATE
                webm = read_sound(source, bit_rate=rate, mono=not is_mixture).webm
                with replacing(path) as temporary:
                    temporary.write_bytes(webm)
        return path
