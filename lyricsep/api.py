"""The Python interface: what ``import lyricsep`` hands on.

Options have the names, defaults and ranges of the command line (`lyricsep.plan.TranscribeOptions`). An unknown one is
a TypeError, a value out of its range a ValueError. A single song raises what went wrong, a `LyricsepError`; a stream
of songs yields outcomes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyricsep.aligners import KnownLyrics, read_known, read_text
from lyricsep.errors import LyricsepError
from lyricsep.files import shown
from lyricsep.formats import warn_left_out, write_lyrics
from lyricsep.lyrics import Lyrics, Segment, Word
from lyricsep.plan import AlignOptions, SegmentOptions, SeparateOptions, TranscribeOptions, language_for, resolve
from lyricsep.session import Job, Outcome, Session

if TYPE_CHECKING:
    from lyricsep.scoring import Score

Name = str | os.PathLike[str]


@dataclass(frozen=True)
class SongLyrics(Lyrics):
    """The lyrics of a song, ready to be shown and saved.

    Parameters
    ----------
    title : str
        As the known lyrics state it, or the song's own tags; else the name of the file.
    artist : str or None
        As the known lyrics or the song's own tags state it.
    """

    title: str = ""
    artist: str | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, in order."""
        return tuple(word for line in self.lines for word in line.words)

    def save(self, path: Name, *, format: str | None = None, overwrite: bool = False) -> Path:  # noqa: A002
        """Write the lyrics to a file.

        Parameters
        ----------
        path : str or path
            Its suffix tells the format: ``.txt``, ``.lrc``, ``.srt``, ``.vtt``, ``.json``, ``.ass``, ...
        format : str, optional
            Name of the format, where the suffix does not tell it (``elrc`` is LRC with word times).
        overwrite : bool
            Replace a file that exists.

        Raises
        ------
        ValueError
            If there is no such format.
        OutputError
            If the file exists already, or cannot be written.
        """
        from lyricsep.formats import FORMATS

        target = Path(path)
        name = format or target.suffix.removeprefix(".").lower()
        if name not in FORMATS:
            raise ValueError(f"no format is called {name!r}; there are {', '.join(FORMATS)}")
        write_lyrics(target, self, name, overwrite=overwrite, title=self.title, artist=self.artist)
        warn_left_out(self, [name], shown(target))
        return target


@dataclass(frozen=True, eq=False)
class Stems:
    """A song, taken apart.

    Parameters
    ----------
    vocals, accompaniment : ndarray, shape (n_channels, n_samples)
        float32, on the clock and at the level of the song; they add up to it.
    sample_rate : int
        Samples per second: the song's own.
    """

    vocals: NDArray[np.float32]
    accompaniment: NDArray[np.float32]
    sample_rate: int


class Transcriber:
    """Loaded models that transcribe many songs.

    Parameters
    ----------
    **options
        As the fields of `lyricsep.plan.TranscribeOptions`: ``preset``, ``separator``, ``model``, ``language``, ...

    Raises
    ------
    TypeError, ValueError
        If there is no such option, or a value is out of its range.
    LyricsepError
        If a model or a language does not exist, or a model cannot be loaded.

    Examples
    --------
    >>> transcriber = lyricsep.Transcriber(preset="fast")
    >>> for outcome in transcriber.stream(["song.mp3", "another.mp3"]):
    ...     print(outcome.path, outcome.error or outcome.lyrics.text)
    """

    def __init__(self, **options: Any) -> None:
        self.plan = resolve(TranscribeOptions(**options))
        self._session = Session(self.plan)
        self._session.load()

    def transcribe(self, song: Name, *, language: str | None = None) -> SongLyrics:
        """Transcribe one song.

        Parameters
        ----------
        song : str or path
            An audio or video file.
        language : str, optional
            Such as ``en``, ``french`` or ``pt-br``; by default that of the options, else it is detected.
        """
        (outcome,) = self.stream([song], language=language)
        lyrics = outcome.unwrap()
        assert isinstance(lyrics, SongLyrics)  # noqa: S101 - as `stream` makes them
        return lyrics

    def stream(self, songs: Iterable[Name], *, language: str | None = None) -> Iterator[Outcome]:
        """Transcribe songs as they come; segments of neighbouring songs share a batch.

        Parameters
        ----------
        songs : iterable of str or path
            Read lazily.
        language : str, optional
            As in `transcribe`, of all of them.

        Yields
        ------
        Outcome
            One for every song: ``outcome.lyrics`` (`SongLyrics`), or ``outcome.error``; ``outcome.unwrap()`` returns
            the one or raises the other.
        """
        if isinstance(songs, (str, os.PathLike)):
            raise TypeError(f"songs is a list of songs, got one path: {songs!r}; put it into a list")
        code = language_for(language, self.plan.model)
        jobs = (Job(Path(song), code) for song in songs)
        return (_finished(outcome) for outcome in self._session.stream(jobs))


class Aligner:
    """Loaded models that time known lyrics of many songs.

    Parameters
    ----------
    **options
        As the fields of `lyricsep.plan.AlignOptions`: ``preset``, ``separator``, ``model``, ``language``, ...

    Raises
    ------
    TypeError, ValueError
        If there is no such option, or a value is out of its range.
    LyricsepError
        If a model or a language does not exist, or a model cannot be loaded.

    Examples
    --------
    >>> from pathlib import Path
    >>> aligner = lyricsep.Aligner(preset="fast", language="en")
    >>> for outcome in aligner.stream([(f"{name}.mp3", Path(f"{name}.txt")) for name in ("song", "another")]):
    ...     print(outcome.path, outcome.error or outcome.lyrics.text)
    """

    def __init__(self, **options: Any) -> None:
        chosen = AlignOptions(**options)
        self.plan = resolve(chosen)
        self._fill_repeats = chosen.fill_repeats
        self._session = Session(self.plan)
        self._session.load()

    def align(self, song: Name, lyrics: str | os.PathLike[str], *, language: str | None = None) -> SongLyrics:
        """Time the lyrics of one song.

        Parameters
        ----------
        song : str or path
            An audio or video file.
        lyrics : str or path
            The text, with line breaks; or the path of a file of lyrics, as a `pathlib.Path`.
        language : str, optional
            Such as ``en``, ``french`` or ``pt-br``; by default that of the options or of the lyrics, else it is
            detected.

        Raises
        ------
        LyricsepError
            What went wrong.
        """
        (outcome,) = self.stream([(song, lyrics)], language=language)
        aligned = outcome.unwrap()
        assert isinstance(aligned, SongLyrics)  # noqa: S101 - as `stream` makes them
        return aligned

    def stream(
        self, songs: Iterable[tuple[Name, str | os.PathLike[str]]], *, language: str | None = None
    ) -> Iterator[Outcome]:
        """Time the lyrics of songs as they come.

        Parameters
        ----------
        songs : iterable of (str or path, str or path)
            Each song with its lyrics, as in `align`; read lazily.
        language : str, optional
            As in `align`, of all of them.

        Yields
        ------
        Outcome
            One for every song, as `Transcriber.stream` yields them.
        """
        if isinstance(songs, (str, os.PathLike)):
            raise TypeError(f"songs is a list of pairs of song and lyrics, got one path: {songs!r}")
        code = language_for(language, self.plan.model)

        def jobs() -> Iterator[Job | Outcome]:
            for song, lyrics in songs:
                job = Job(Path(song), code)
                try:
                    known = _known(lyrics, fill_repeats=self._fill_repeats)
                except LyricsepError as error:
                    yield Outcome(job, error=error)
                else:
                    yield replace(job, known=known)

        return (_finished(outcome) for outcome in self._session.stream(jobs()))


def align(song: Name, lyrics: str | os.PathLike[str], **options: Any) -> SongLyrics:
    """Time the lyrics of a song: every line and word comes back as written, with its start and end.

    Parameters
    ----------
    song : str or path
        An audio or video file.
    lyrics : str or path
        The text, with line breaks; or the path of a file of lyrics, as a `pathlib.Path`.
    **options
        As for `Aligner`, which loads the models once for many songs.

    Raises
    ------
    LyricsepError
        What went wrong; also if the lyrics are not sung in the song.

    Examples
    --------
    >>> from pathlib import Path
    >>> lyrics = lyricsep.align("song.mp3", Path("song.txt"), language="en")
    >>> all(word.start <= word.end for word in lyrics.words)
    True
    """
    return Aligner(**options).align(song, lyrics)


def correct(lyrics: Lyrics, text: str | os.PathLike[str]) -> SongLyrics:
    """Correct lyrics that were heard with a text that is nearly what is sung (`lyricsep.correction`).

    Parameters
    ----------
    lyrics : Lyrics
        As `transcribe` returns them.
    text : str or path
        The text, with line breaks; or the path of a file of lyrics, as a `pathlib.Path`.

    Returns
    -------
    SongLyrics
        The words that were sung, spelled as in the text.

    Raises
    ------
    LyricsepError
        If too few words agree for lyrics of the same song.

    Examples
    --------
    >>> from pathlib import Path
    >>> lyrics = lyricsep.transcribe("song.mp3", language="en")
    >>> lyricsep.correct(lyrics, Path("song.txt")).lines[0].text in Path("song.txt").read_text()
    True
    """
    from lyricsep.correction import correct as correct_lyrics

    known = _known(text)
    title, artist = (lyrics.title, lyrics.artist) if isinstance(lyrics, SongLyrics) else ("", None)
    return _named(correct_lyrics(lyrics, known).lyrics, known.title or title, known.artist or artist)


def transcribe(song: Name, **options: Any) -> SongLyrics:
    """Transcribe one song.

    Parameters
    ----------
    song : str or path
        An audio or video file.
    **options
        As for `Transcriber`, which loads the models once for many songs.

    Examples
    --------
    >>> lyrics = lyricsep.transcribe("song.mp3", language="en")
    >>> lyrics.to_dataframe().columns.tolist()
    ['line', 'word', 'start', 'end', 'text', 'probability']
    """
    return Transcriber(**options).transcribe(song)


def separate(song: Name, **options: Any) -> Stems:
    """Separate the vocals of a song, at its own rate and channels.

    Parameters
    ----------
    song : str or path
        An audio or video file; it is held in memory.
    **options
        As the fields of `lyricsep.plan.SeparateOptions`.

    Examples
    --------
    >>> stems = lyricsep.separate("song.mp3")
    >>> stems.vocals.shape == stems.accompaniment.shape
    True
    """
    from lyricsep.audio import load_audio

    plan = resolve(SeparateOptions(**options))
    mixture = load_audio(Path(song), track=plan.track)
    separator = plan.load_separator()
    vocals = separator.separate(mixture, path=Path(song)).samples.numpy()
    return Stems(vocals, mixture.samples.numpy() - vocals, mixture.sample_rate)


def segment(song: Name, **options: Any) -> list[Segment]:
    """Find the spans of a song in which somebody sings, in seconds, each at most 30 s.

    Parameters
    ----------
    song : str or path
        An audio or video file.
    **options
        As the fields of `lyricsep.plan.SegmentOptions`.

    Examples
    --------
    >>> all(span.duration <= 30 for span in lyricsep.segment("song.mp3"))
    True
    """
    (outcome,) = Session(resolve(SegmentOptions(**options))).stream([Job(Path(song))])
    outcome.unwrap()
    return list(outcome.segments or ())


def score(reference: str, hypothesis: str, language: str, *, normalise: bool = False) -> Score:
    """Score lyrics against what was sung.

    Parameters
    ----------
    reference, hypothesis : str
        Texts, with line breaks.
    language : str
        By which words are split, such as ``en``.
    normalise : bool
        First normalise both as the paper does (`lyricsep.scoring.score`).

    Examples
    --------
    >>> lyricsep.score("I ride the train", "I rode the train", "en").rates["WER"]
    0.25
    """
    from lyricsep.scoring import score as score_texts

    code = language_for(language, None)
    return score_texts(reference, hypothesis, code or language, normalise=normalise)


def _known(lyrics: str | os.PathLike[str], *, fill_repeats: bool = False) -> KnownLyrics:
    if isinstance(lyrics, str):
        return read_text(lyrics, "the lyrics", fill_repeats=fill_repeats)
    return read_known(Path(lyrics), fill_repeats=fill_repeats)


def _finished(outcome: Outcome) -> Outcome:
    if outcome.error:
        return outcome
    return replace(outcome, lyrics=_named(outcome.lyrics, outcome.title or outcome.path.stem, outcome.artist))


def _named(lyrics: Lyrics, title: str, artist: str | None) -> SongLyrics:
    return SongLyrics(
        **{each.name: getattr(lyrics, each.name) for each in fields(Lyrics)}, title=title, artist=artist
    )
