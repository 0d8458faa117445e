"""Corrected lyrics, kept beside those of the machine, which are never touched.

For a song called NAME, the folder ``corrected`` within that of the results holds::

    .history/NAME/0001.json     every revision that was ever saved
    NAME.json, NAME.lrc, ...    the last of them, in every format
    .audio/NAME.mp3             the song; no copy of it where the file system can give a file two names
    metadata.jsonl              all corrected songs as a dataset, in the layout of Jam-ALT's hub

A revision is saved once its file is in the history. All else is made from the history, in this order, and made again
if it is found unfinished: a crash at any step loses nothing. Files of the history are only ever created: if two
servers or pages save the same song at once, one wins and the other gets an error.

History and audio are hidden, so that neither is taken for lyrics or songs of their own.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from lyricsep.datasets.tables import DatasetRecord, song_id
from lyricsep.datasets.verifying import TOLERANCE
from lyricsep.documents import LyricsDocument
from lyricsep.errors import DatasetError, LyricsepError, OutputError
from lyricsep.files import file_digest, replacing, shown, write_text
from lyricsep.formats import (
    CORRECTED,
    FORMATS,
    HISTORY,
    Transcript,
    file_suffixes,
    read_lyrics,
    render_lyrics,
)
from lyricsep.languages import language_code
from lyricsep.lyrics import Lyrics
from lyricsep.pages import FoundSong, Results

logger = logging.getLogger(__name__)

AUDIO = ".audio"
DATASET = "metadata.jsonl"

ALWAYS = ("txt", "lrc", "json")
"""Formats of corrected lyrics; those that the machine's lyrics are in come on top."""


class StaleError(LyricsepError):
    """The lyrics were saved by someone else since they were opened."""


@dataclass(frozen=True)
class Revision:
    """The lyrics of a song, as somebody saved them.

    Parameters
    ----------
    number : int
        From 1; 0 is the machine's version.
    file : Path
        Where it is kept.
    machine : str
        Digest of the machine's file that was corrected.
    text : str
        Name of the text that it was corrected with (`lyricsep.correction`); empty where a person corrected it.
    """

    number: int
    file: Path
    machine: str
    text: str = ""

    @property
    def transcript(self) -> Transcript:
        """The lyrics of the revision.

        Raises
        ------
        DatasetError
            If it cannot be read.
        """
        return read_lyrics(self.file)


class Corrections:
    """The corrected lyrics of a folder of results.

    Parameters
    ----------
    results : Results
        What is corrected.
    language : str, optional
        Of the lyrics whose file names none, as `lyricsep.languages.language_code` reads it. A song whose language is
        not known is corrected as any other, but is not in the dataset.
    """

    def __init__(self, results: Results, language: str | None = None) -> None:
        self.folder = results.folder / CORRECTED
        self._machine_folder = results.folder
        self._songs = {song.name: song for song in results.songs}
        self._language = language_code(language) if language else None
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Finish what a crash left unfinished, and adopt files that lyricsep did not write.

        A ``NAME.json`` that is no revision becomes the last one: somebody edited it, or brought it from elsewhere.

        Raises
        ------
        DatasetError
            If such a file is no lyrics.
        OutputError
            If something cannot be written.
        """
        with self._lock:
            for song in self._songs.values():
                self._take_over(song)
                if self.latest(song.name) and not self._is_delivered(song):
                    self._deliver(song)
            if self.folder.is_dir():
                self._write_dataset()

    def latest(self, name: str) -> int:
        """Return the number of the last revision of a song; 0 if it was never corrected.

        Raises
        ------
        DatasetError
            If the history cannot be read.
        """
        folder = self.folder / HISTORY / name
        try:
            found = [re.fullmatch(r"(\d{4,})\.json", path.name) for path in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            raise _unreadable(folder, error) from error
        return max((int(match[1]) for match in found if match), default=0)

    def load(self, name: str, number: int | None = None) -> Revision:
        """Load a revision of a song: the last one, or the one with a number.

        Raises
        ------
        DatasetError
            If the machine's file cannot be read.
        """
        song = self._songs[name]
        number = self.latest(name) if number is None else number
        file = self._file(name, number) if number else song.lyrics
        if not number:
            return Revision(number, file, self._digest(song))
        origin = _origin(file)
        return Revision(number, file, origin.get("machine", ""), origin.get("text", ""))

    def is_outdated(self, revision: Revision, name: str) -> bool:
        """Return whether the machine's lyrics have changed since they were corrected."""
        return revision.machine != self._digest(self._songs[name])

    def save(
        self, name: str, base: int, document: str, *, duration: float = 0.0, text: str = ""
    ) -> tuple[int, list[Path]]:
        """Save lyrics as a new revision, and write them in every format.

        Saving the same lyrics again returns the same revision.

        Parameters
        ----------
        name : str
            Of the song.
        base : int
            The revision that was edited.
        document : str
            The lyrics, in JSON (`lyricsep.documents`).
        duration : float
            Seconds of the song, for lyrics of the machine that do not tell, or tell less.
        text : str
            As in `Revision`.

        Returns
        -------
        number : int
            Of the revision.
        files : list of Path
            The lyrics in every format.

        Raises
        ------
        DatasetError
            If the document is none, or its times go back or beyond the song's end.
        StaleError
            If there is a newer revision than `base`.
        OutputError
            If something cannot be written. Where the revision could be written, it is there.
        """
        song = self._songs[name]
        with self._lock:
            content = self._document(song, document, name, duration, text)
            self._take_over(song)
            latest = self.latest(name)
            is_last = latest and self._file(name, latest).read_text(encoding="utf-8") == content
            if not (is_last and base >= latest - 1):
                if base != latest:
                    raise _stale(name, latest, base)
                self._refuse_foreign(song, latest)
                self._commit(song, latest + 1, content)
                latest += 1
            self._deliver(song)
            self._write_dataset()
        return latest, [path for _, path in self._targets(song)]

    def wait(self) -> None:
        """Wait until no save is in progress."""
        with self._lock:
            pass

    def _file(self, name: str, number: int) -> Path:
        return self.folder / HISTORY / name / f"{number:04d}.json"

    def _document(self, song: FoundSong, document: str, name: str, duration: float = 0.0, text: str = "") -> str:
        """Check lyrics and write them as they are kept: with what they correct."""
        read = LyricsDocument.from_json(document, name=name)
        lyrics = read.lyrics
        known = max(read_lyrics(song.lyrics).duration, duration) or lyrics.duration
        _check_times(lyrics, known, name)
        transcript = Transcript("", lyrics.lines, lyrics.language, known, lyrics.segments)
        kept = replace(transcript.lyrics, decodings=lyrics.decodings)
        entries = json.loads(LyricsDocument.of(kept, title=read.title, artist=read.artist).to_json())
        entries["corrected"] = {"machine": self._digest(song), **({"text": text} if text else {})}
        return json.dumps(entries, ensure_ascii=False, indent=2) + "\n"

    def _commit(self, song: FoundSong, number: int, text: str) -> None:
        """Create the file that makes a revision."""
        path = self._file(song.name, number)
        try:
            write_text(path, text, overwrite=False)
        except OutputError as error:
            if path.exists():  # another writer was faster
                raise _stale(song.name, number, number - 1) from error
            raise

    def _deliver(self, song: FoundSong) -> None:
        """Write the last revision in every format; the JSON last, as the sign that the others are there."""
        number = -1
        # Another server may save meanwhile. Whoever writes last sees what was saved before.
        while number != self.latest(song.name):
            revision = self.load(song.name)
            number, transcript = revision.number, revision.transcript
            if song.audio:
                self._link_audio(song.name, song.audio)
            for name, path in self._targets(song):
                if name == "json":
                    text = revision.file.read_text(encoding="utf-8")
                else:
                    title, artist = transcript.title, transcript.artist
                    text = render_lyrics(transcript.lyrics, name, title=title, artist=artist)
                write_text(path, text)

    def _is_delivered(self, song: FoundSong) -> bool:
        return _content(self._json(song)) == _content(self._file(song.name, self.latest(song.name)))

    def _targets(self, song: FoundSong) -> list[tuple[str, Path]]:
        """Return formats and files of a song's corrected lyrics; the JSON comes last."""
        names = self._formats(song)
        suffixes = file_suffixes(names)
        return [(name, self.folder / (song.name + suffix)) for name, suffix in zip(names, suffixes, strict=True)]

    def _formats(self, song: FoundSong) -> list[str]:
        stem = self._machine_folder / song.name
        present = [
            name
            for name, suffix in zip(FORMATS, file_suffixes(FORMATS), strict=True)
            if stem.with_name(stem.name + suffix).is_file()
        ]
        if "lrc" in present and _has_word_times(stem.with_name(stem.name + ".lrc")):  # either kind may be called .lrc
            present.append("elrc")
        wanted = {*ALWAYS, *present}
        return sorted((name for name in FORMATS if name in wanted), key=lambda name: name == "json")

    def _json(self, song: FoundSong) -> Path:
        return self.folder / f"{song.name}.json"

    def _digest(self, song: FoundSong) -> str:
        try:
            return file_digest(song.lyrics)[0]
        except OSError as error:
            raise _unreadable(song.lyrics, error) from error

    def _take_over(self, song: FoundSong) -> None:
        """Make a revision of JSON that lyricsep did not write."""
        path = self._json(song)
        content = _content(path)
        latest = self.latest(song.name)
        # From the last to the first: it is nearly always the last.
        revisions = [self._file(song.name, number) for number in range(latest, 0, -1)]
        if content is None or any(content == _content(file) for file in revisions):
            return
        try:
            text = self._document(song, content.decode(), shown(path))
        except (DatasetError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"{shown(path)}: was not written by `lyricsep review`, and is not lyrics of this song ({error})",
                hint="correct it, or move it away",
            ) from error
        if any(text.encode() == _content(file) for file in revisions):
            return  # it was adopted before, and will be written again
        self._commit(song, latest + 1, text)
        logger.warning("%s: was edited elsewhere; it is now revision %d", shown(path), latest + 1)

    def _refuse_foreign(self, song: FoundSong, latest: int) -> None:
        """Refuse to overwrite files that are no revision."""
        for _, path in self._targets(song) if not latest else ():
            if path.exists():
                raise OutputError(
                    f"{shown(path)}: exists and was not written by `lyricsep review`", hint="move it away"
                )

    def _link_audio(self, name: str, audio: Path) -> None:
        """Link or copy a song into the folder; names of a dataset may not point outside of it."""
        source, path = audio.resolve(), self.folder / AUDIO / (name + audio.suffix)
        try:
            if path.exists() and _is_same(source, path):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            try:
                path.hardlink_to(source)
            except OSError:  # another disk, or one that cannot
                with replacing(path) as temporary:
                    shutil.copyfile(source, temporary)
                    os.utime(temporary, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
        except (OSError, OutputError) as error:  # the lyrics are saved without it
            logger.warning("%s: is missing in the dataset of corrected lyrics (%s)", shown(audio), error)

    def _write_dataset(self) -> None:
        """Update the table of the dataset; rows of songs that are not among the results stay."""
        path = self.folder / DATASET
        while True:  # as in `_deliver`
            content = _content(path) or b""
            rows = _rows(content)
            latest = {name: self.latest(name) for name in self._songs}
            for name, number in latest.items():
                if number and rows.get(name, {}).get("revision") != number:
                    rows |= self._row(name, rows.get(name, {}))
            text = "".join(json.dumps(rows[name], ensure_ascii=False) + "\n" for name in sorted(rows))
            if text.encode() == content:
                return
            write_text(path, text)

    def _row(self, name: str, before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the row of a song by its name; empty if the dataset cannot hold it."""
        revision = self.load(name)
        transcript, audio = revision.transcript, self._songs[name].audio
        row = {
            "file_name": f"{AUDIO}/{name}{audio.suffix}" if audio else before.get("file_name", f"{AUDIO}/{name}"),
            "name": name,
            "language": transcript.language or self._language or before.get("language"),
            "title": transcript.title,
            "artist": transcript.artist,
            "text": transcript.text,
            "lines": [{"start": line.start, "end": line.end, "text": line.text} for line in transcript.lines],
            "revision": revision.number,
        }
        try:
            # One unreadable row would make the whole dataset unreadable.
            record = DatasetRecord(row, self.folder / DATASET)
            record.language("language")
            song_id(name, record, "name")
        except DatasetError as error:
            logger.warning("%s: is not in the dataset of corrected lyrics: %s", shown(Path(name)), error)
            return {}
        return {name: row}


def _check_times(lyrics: Lyrics, duration: float, name: str) -> None:
    for index, (line, following) in enumerate(pairwise(lyrics.lines), start=1):
        if following.start < line.start:
            raise DatasetError(
                f"{name}: lines[{index}] starts at {following.start:g} s, before lines[{index - 1}] at "
                f"{line.start:g} s; put the lines in order of start"
            )
    for index, line in enumerate(lyrics.lines):
        if line.end > duration + TOLERANCE:
            raise DatasetError(
                f"{name}: lines[{index}] ends at {line.end:g} s, after the song at {duration:g} s; end it earlier"
            )
        if any(later.start < word.start for word, later in pairwise(line.words)):
            raise DatasetError(f"{name}: lines[{index}].words are not in order of start; put them in order")


def _stale(name: str, latest: int, base: int) -> StaleError:
    return StaleError(
        f"{shown(Path(name))}: was saved by someone else (revision {latest}; you edited revision {base})",
        hint="copy your changes, then reload the page",
    )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{shown(path)}: cannot be read ({error.strerror or error})", hint="check its permissions")


def _has_word_times(path: Path) -> bool:
    try:
        return any(line.words for line in read_lyrics(path).lines)
    except DatasetError:  # an error in the machine's file is reported elsewhere
        return False


def _origin(file: Path) -> dict[str, str]:
    """Return the digest of the file that a revision corrects, and the name of the text it was corrected with."""
    try:
        return {key: str(value) for key, value in json.loads(file.read_text(encoding="utf-8"))["corrected"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_same(source: Path, path: Path) -> bool:
    ours, theirs = path.stat(), source.stat()
    return path.samefile(source) or (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _rows(content: bytes) -> dict[str, dict[str, Any]]:
    """Read the rows of the dataset, by name; invalid rows are left out, and made again."""
    rows = {}
    for line in content.split(b"\n"):
        try:
            row = json.loads(line)
            rows[str(row["name"])] = dict(row)
        except (ValueError, KeyError, TypeError):
            continue
    return rows
