"""Whisper over the sung segments of many songs: everything that does not depend on the backend.

A `Backend` encodes, decodes and aligns; this module adds batches across songs, one language per
song, retries of what fails, lines, word times and flags. No segment is conditioned on the text of another.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from lyricsep.errors import ConfigError
from lyricsep.languages import WHISPER_LANGUAGES, from_whisper, language_name, to_whisper
from lyricsep.lyrics import INVENTED, Decoding, Line, Lyrics, Segment, Word
from lyricsep.transcribers.alignment import AlignedWord
from lyricsep.transcribers.base import SAMPLE_RATE, Clips, WhisperOptions
from lyricsep.transcribers.guard import (
    DOUBTFUL,
    FLAGS,
    UNBELIEVABLE,
    Activity,
    compression_ratio,
    confidence_of,
    flags_of,
    is_accepted,
    repeats_itself,
)
from lyricsep.transcribers.lines import TimedWord, lines_of_phrases, lines_of_words
from lyricsep.transcribers.log_mel import FRAMES_PER_SECOND, N_FRAMES, clip_log_mel, song_log_mel
from lyricsep.transcribers.tokens import Phrase, split_phrases, unfinished_cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lyricsep.transcribers.whisper_internals import Tokenizer

logger = logging.getLogger(__name__)

N_VOTERS = 16  # segments that vote on the language of a long song; more would only take longer
MIN_FRAMES = 2  # at least this many are aligned; the attention has a step every other frame


@dataclass(frozen=True)
class Attempt:
    """One way to decode.

    Parameters
    ----------
    temperature : float
        0 is beam search; above 0, samples are drawn.
    timestamps : bool
        Whether the model writes times.
    no_repeat_ngram_size : int
        Forbid repeated n-grams of this size, in tokens; 0 allows all.
    """

    temperature: float
    timestamps: bool
    no_repeat_ngram_size: int = 0


@dataclass(frozen=True)
class DecodedText:
    """What a backend decoded from one clip.

    Parameters
    ----------
    tokens : tuple of int
        Without the prompt and the end.
    avg_logprob, no_speech_prob : float
        As in `lyricsep.lyrics.Decoding`.
    """

    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float


class Backend(Protocol):
    """A library that runs the network."""

    name: str
    n_mels: int
    is_multilingual: bool
    n_languages: int

    def encode(self, mels: Tensor) -> Tensor:
        """Encode spectrograms; ``(n, n_mels, 3000)`` to features whose first dimension is n."""
        ...

    def language_probabilities(self, features: Tensor) -> list[dict[str, float]]:
        """Return the probability of each language, per clip."""
        ...

    def decode(
        self, features: Tensor, tokenizer: Tokenizer, attempt: Attempt, options: WhisperOptions
    ) -> list[list[DecodedText]]:
        """Decode clips together; return the beams or samples of each, the most probable first."""
        ...

    def align(
        self, features: Tensor, tokenizer: Tokenizer, texts: Sequence[Sequence[int]], n_frames: Sequence[int]
    ) -> list[list[AlignedWord]]:
        """Return the words of decoded clips with times, from the cross-attention over a clip's first `n_frames`.

        See `lyricsep.transcribers.alignment`. No text may be empty.
        """
        ...

    def seed(self, seed: int) -> None:
        """Seed the random numbers."""
        ...


@dataclass(frozen=True)
class _Candidate:
    """A decoded text of a clip, and the attempt that produced it."""

    decoded: DecodedText
    text: str
    attempt: Attempt
    accepted: bool


@dataclass
class _SongInProgress:
    """A job, and the results of its clips so far."""

    job: Clips
    language: str
    activity: Activity
    n_clips: int = 0
    done: list[tuple[Decoding, tuple[Line, ...]]] = field(default_factory=list)

    def input_of(self, span: Segment, share: float) -> NDArray[np.float32]:
        """Return a span of the vocals plus a share of the accompaniment."""
        first = round(span.start * SAMPLE_RATE)
        samples = slice(first, first + round(span.duration * SAMPLE_RATE))
        vocals, mixture = self.job.vocals[samples], self.job.mixture[samples]
        return vocals + np.float32(share) * (mixture - vocals)

    def add(self, decoding: Decoding, lines: tuple[Line, ...]) -> None:
        """Add the result of a clip, and report progress."""
        self.done.append((decoding, lines))
        if self.job.on_progress:
            share = (
                len(self.done) / self.n_clips if self.n_clips else decoding.end * SAMPLE_RATE / len(self.job.mixture)
            )
            self.job.on_progress(min(1.0, share))

    def lyrics(self) -> Lyrics:
        """Return the lyrics of all clips, in order of time."""
        results = sorted(self.done, key=lambda result: result[0].start)
        return Lyrics(
            lines=tuple(line for _, lines in results for line in lines),
            language=from_whisper(self.language) if results else None,
            duration=len(self.job.mixture) / SAMPLE_RATE,
            segments=tuple(Segment(decoding.start, decoding.end) for decoding, _ in results),
            decodings=tuple(decoding for decoding, _ in results),
        )


@dataclass(eq=False)
class _Clip:
    """A segment that is being decoded."""

    song: _SongInProgress
    span: Segment
    feature: Tensor | None = None
    candidates: list[_Candidate] = field(default_factory=list)


def whisper_language(backend: Backend, code: str | None) -> str:
    """Return Whisper's code of a language, of a model's only one, or "" where it is to be detected.

    Raises
    ------
    ConfigError
        If the model does not know the language.
    """
    if not backend.is_multilingual:
        return "en"
    if code is None:
        return ""
    known = to_whisper(code)
    if from_whisper(known) not in WHISPER_LANGUAGES[: backend.n_languages]:
        raise ConfigError(
            f"{backend.name} does not know {language_name(code)} ({known})",
            hint="choose another {model}, such as {model=large-v3}",
        )
    return known


class WhisperTranscriber:
    """Transcribe jobs with a backend.

    Parameters
    ----------
    backend : Backend
        The library that runs the network.
    options : WhisperOptions
        How to decode.
    """

    def __init__(self, backend: Backend, options: WhisperOptions | None = None) -> None:
        self.backend = backend
        self.options = options or WhisperOptions()
        self.name = backend.name
        self._batch_size = self.options.batch_size  # halved, for good, when the device runs out of memory

    def transcribe(self, jobs: Iterable[Clips]) -> Iterator[Lyrics]:
        """Yield the lyrics of each job, in order; segments of several jobs share a batch.

        Raises
        ------
        ConfigError
            If the model does not know a job's language, or a single segment does not fit in the device's memory.
        """
        self.backend.seed(self.options.seed)
        songs: deque[_SongInProgress] = deque()
        waiting: list[_Clip] = []
        for job in jobs:
            song = _SongInProgress(job, whisper_language(self.backend, job.language), Activity(job.vocals))
            songs.append(song)
            if job.segments is None:
                self._fits(partial(self._transcribe_whole, song), 1)
            else:
                waiting.extend(self._clips(song, job.segments))
            while len(waiting) >= self._batch_size:
                waiting = self._decode_batch(waiting)
            while songs and len(songs[0].done) == songs[0].n_clips:
                yield songs.popleft().lyrics()
        while waiting:
            waiting = self._decode_batch(waiting)
        for song in songs:
            yield song.lyrics()

    def _clips(self, song: _SongInProgress, segments: Sequence[Segment]) -> list[_Clip]:
        song.n_clips = len(segments)
        clips = [_Clip(song, segment) for segment in segments]
        if not song.language and clips:
            song.language = self._vote(clips)
        return clips

    def _vote(self, clips: Sequence[_Clip]) -> str:
        """Return the language that a song's segments vote for, weighted by duration."""
        voters = clips[:: -(-len(clips) // N_VOTERS)]
        votes: Counter[str] = Counter()
        while voters:
            batch = voters[: self._batch_size]
            if self._fits(partial(self._count, batch, votes), len(batch)):
                voters = voters[len(batch) :]
        return votes.most_common(1)[0][0]

    def _count(self, voters: Sequence[_Clip], votes: Counter[str]) -> None:
        ballots = self.backend.language_probabilities(self._features(voters))
        for clip, ballot in zip(voters, ballots, strict=True):
            votes.update({language: p * clip.span.duration for language, p in ballot.items()})

    def _decode_batch(self, waiting: Sequence[_Clip]) -> list[_Clip]:
        """Decode the first clips of one language together, and return those that are still to do."""
        language = waiting[0].song.language
        batch = [clip for clip in waiting if clip.song.language == language][: self._batch_size]
        if self._fits(partial(self._decode, batch, self._tokenizer(language)), len(batch)):
            return [clip for clip in waiting if clip not in batch]
        for clip in batch:
            clip.candidates.clear()
        return list(waiting)

    def _fits(self, work: Callable[[], None], n_clips: int) -> bool:
        """Do work on `n_clips` clips; if the device runs out of memory, halve all later batches and return False.

        Raises
        ------
        ConfigError
            If it was a single clip.
        """
        try:
            work()
        except RuntimeError as error:
            if "out of memory" not in str(error):  # all that PyTorch's and CTranslate2's messages share
                raise
            if n_clips == 1:
                raise ConfigError(
                    f"{self.name}: one segment does not fit in the device's memory",
                    hint="close other programs that use it, choose a smaller {model} or {beam_size}, or set "
                    "{device=cpu}",
                ) from error
        else:
            return True
        # Not in the handler: until it ends, the error keeps that memory in use.
        torch.cuda.empty_cache()
        self._batch_size = n_clips // 2
        logger.warning("%s: out of memory, continuing with batches of %d", self.name, self._batch_size)
        return False

    def _decode(self, batch: Sequence[_Clip], tokenizer: Tokenizer) -> None:
        failed = batch
        for attempt in _attempts(self.options, timestamps=self.options.timestamps):
            if failed:
                self._attempt(failed, attempt, tokenizer)
                failed = [clip for clip in failed if self._may_do_better(clip)]
        chosen = [_best(clip.candidates, self.options) for clip in batch]
        self._finish(batch, chosen, self._features(batch), tokenizer)

    def _attempt(self, clips: Sequence[_Clip], attempt: Attempt, tokenizer: Tokenizer) -> None:
        decoded = self.backend.decode(self._features(clips), tokenizer, attempt, self.options)
        for clip, samples in zip(clips, decoded, strict=True):
            # The most probable sample is often a loop when others are not; openai-whisper ignores those and retries.
            candidates = [self._candidate(sample, attempt, tokenizer) for sample in samples]
            clip.candidates.append(_best(candidates, self.options))

    def _may_do_better(self, clip: _Clip) -> bool:
        """Return whether another attempt may improve a clip.

        It may for a loop, not for a guess: beam search has found its most probable words, and others were no better.
        """
        return not clip.candidates[-1].accepted and repeats_itself(clip.candidates[0].text, self.options)

    def _features(self, clips: Sequence[_Clip]) -> Tensor:
        """Return the features of clips; those not encoded yet are encoded together."""
        missing = [clip for clip in clips if clip.feature is None]
        if missing:
            signals = [clip.song.input_of(clip.span, self.options.mix_back) for clip in missing]
            mels = torch.stack([clip_log_mel(signal, self.backend.n_mels) for signal in signals])
            for clip, feature in zip(missing, self.backend.encode(mels), strict=True):
                clip.feature = feature
        return torch.stack([clip.feature for clip in clips if clip.feature is not None])

    def _transcribe_whole(self, song: _SongInProgress) -> None:
        """Transcribe in windows, each from the end of the last one's finished text (openai-whisper `transcribe`)."""
        duration = len(song.job.mixture) / SAMPLE_RATE
        mel = song_log_mel(song.input_of(Segment(0.0, duration), self.options.mix_back), self.backend.n_mels)
        position = 0  # of the window, in frames
        while position < mel.shape[1]:
            n_frames = min(N_FRAMES, mel.shape[1] - position)
            window = pad(mel[:, position : position + n_frames], (0, N_FRAMES - n_frames))
            feature = self.backend.encode(window[None])
            if not song.language:
                (ballot,) = self.backend.language_probabilities(feature)
                song.language = max(ballot, key=lambda language: ballot[language])
            tokenizer = self._tokenizer(song.language)
            start = position / FRAMES_PER_SECOND
            clip = _Clip(song, Segment(start, min(start + n_frames / FRAMES_PER_SECOND, duration)))
            chosen = self._decode_window(clip, feature, tokenizer)
            kept, done = unfinished_cut(chosen.decoded.tokens, tokenizer.timestamp_begin)
            if self._is_silent(chosen.decoded):
                done = None
            else:
                finished = replace(chosen.decoded, tokens=kept)
                self._finish([clip], [replace(chosen, decoded=finished)], feature, tokenizer)
            position += n_frames if done is None else max(1, round(done * FRAMES_PER_SECOND))
        song.n_clips = len(song.done)

    def _decode_window(self, clip: _Clip, feature: Tensor, tokenizer: Tokenizer) -> _Candidate:
        for attempt in _attempts(self.options, timestamps=True):
            ((decoded, *_),) = self.backend.decode(feature, tokenizer, attempt, self.options)
            candidate = self._candidate(decoded, attempt, tokenizer)
            clip.candidates.append(candidate)
            if candidate.accepted or self._is_silent(decoded):
                break
        # As in openai-whisper, the last attempt is kept even if it failed.
        return clip.candidates[-1]

    def _is_silent(self, decoded: DecodedText) -> bool:
        return (
            decoded.no_speech_prob > self.options.no_speech_threshold
            and decoded.avg_logprob < self.options.logprob_threshold
        )

    def _candidate(self, decoded: DecodedText, attempt: Attempt, tokenizer: Tokenizer) -> _Candidate:
        text = tokenizer.decode([t for t in decoded.tokens if t < tokenizer.eot]).strip()
        return _Candidate(decoded, text, attempt, is_accepted(text, decoded.avg_logprob, self.options))

    def _finish(
        self, clips: Sequence[_Clip], chosen: Sequence[_Candidate], features: Tensor, tokenizer: Tokenizer
    ) -> None:
        """Convert the chosen texts to lines with times and flags, and add them to their songs."""
        phrases = []
        for candidate in chosen:
            # Tokens that are neither text nor timestamps, such as languages, are dropped.
            tokens = [t for t in candidate.decoded.tokens if t < tokenizer.eot or t >= tokenizer.timestamp_begin]
            phrases.append(split_phrases(tokens, tokenizer.timestamp_begin))
        words: Sequence[Sequence[TimedWord]] = [()] * len(clips)
        if self.options.word_times or not chosen[0].attempt.timestamps:
            words = self._align(clips, phrases, features, tokenizer)
        for clip, candidate, clip_phrases, clip_words in zip(clips, chosen, phrases, words, strict=True):
            if candidate.attempt.timestamps:
                lines = lines_of_phrases(clip_phrases, clip_words, clip.span, tokenizer.decode)
            else:
                lines = lines_of_words(clip_words, clip.song.language, tokenizer.decode)
            self._record(clip, candidate, lines)

    def _record(self, clip: _Clip, chosen: _Candidate, lines: Sequence[Line]) -> None:
        activity, span, decoded = clip.song.activity, clip.span, chosen.decoded
        flags = flags_of(chosen.text, span, decoded.avg_logprob, decoded.no_speech_prob, activity, self.options)
        decoding = Decoding(
            start=span.start,
            end=span.end,
            temperature=chosen.attempt.temperature,
            no_repeat_ngram_size=chosen.attempt.no_repeat_ngram_size,
            avg_logprob=decoded.avg_logprob,
            no_speech_prob=decoded.no_speech_prob,
            compression_ratio=compression_ratio(chosen.text),
            attempts=len(clip.candidates),
            flags=flags,
        )
        clip.song.add(decoding, tuple(self._marked(line, flags, decoded.avg_logprob, activity) for line in lines))

    def _align(
        self, clips: Sequence[_Clip], phrases: Sequence[Sequence[Phrase]], features: Tensor, tokenizer: Tokenizer
    ) -> list[list[TimedWord]]:
        """Return the words of each clip; none where there is no text."""
        texts = [[token for phrase in clip_phrases for token in phrase.tokens] for clip_phrases in phrases]
        sung = [index for index, text in enumerate(texts) if text]
        n_frames = [
            min(N_FRAMES, max(MIN_FRAMES, round(clips[index].span.duration * FRAMES_PER_SECOND))) for index in sung
        ]
        words: list[list[TimedWord]] = [[] for _ in clips]
        if sung:
            all_words = self.backend.align(features[sung], tokenizer, [texts[index] for index in sung], n_frames)
            for index, aligned in zip(sung, all_words, strict=True):
                words[index] = _on_the_songs_clock(clips[index], aligned, tokenizer)
        return words

    def _marked(self, line: Line, flags: tuple[str, ...], avg_logprob: float, activity: Activity) -> Line:
        """Return a line with its confidence, its segment's flags, and flags of its own."""
        own = set(flags)
        if activity.share(line.start, line.end) == 0:
            own.add("over-silence")
        confidence = None
        if line.words:
            confidence = fmean(confidence_of(word.probability, avg_logprob) for word in line.words)
            if confidence < DOUBTFUL:
                own.add("low-confidence")
            if confidence < UNBELIEVABLE:
                own.add(INVENTED)
        return replace(line, flags=tuple(flag for flag in FLAGS if flag in own), confidence=confidence)

    def _tokenizer(self, language: str) -> Tokenizer:
        from lyricsep.transcribers.whisper_internals import load_tokenizer

        return load_tokenizer(self.backend.n_languages if self.backend.is_multilingual else None, language)


def _on_the_songs_clock(clip: _Clip, aligned: Sequence[AlignedWord], tokenizer: Tokenizer) -> list[TimedWord]:
    """Return words in order, within the segment, trimmed to where the vocals have energy.

    A text that is too long to be spelled is aligned without gaps: silence before the text belongs to its first word,
    every other silence to the word before it.
    """
    span = clip.span
    words: list[TimedWord] = []
    earliest = span.start
    for word in aligned:
        start = min(max(span.start + word.start, earliest), span.end)
        end = min(max(span.start + word.end, start), span.end)
        earliest = end
        start, end = clip.song.activity.trimmed(start, end, to_last=not words)
        text = " ".join(tokenizer.decode(list(word.tokens)).split())
        words.append(TimedWord(Word(start, end, text, word.probability), word.tokens))
    return words


def _attempts(options: WhisperOptions, *, timestamps: bool) -> list[Attempt]:
    """Return the attempts to decode, in the order in which they are made."""
    first, *others = [Attempt(temperature, timestamps) for temperature in options.temperatures]
    return [first, *(Attempt(0.0, timestamps, size) for size in options.no_repeat_ngram_sizes), *others]


def _best(candidates: Sequence[_Candidate], options: WhisperOptions) -> _Candidate:
    """Return the first accepted candidate; if there is none, the most probable with the least repetition.

    Slightly too much repetition costs little, so that a sung refrain wins over the random words of a high
    temperature, and a loop, which is probable but compresses many times over, loses to both.
    """

    def merit(candidate: _Candidate) -> float:
        excess = compression_ratio(candidate.text) - options.compression_ratio_threshold
        return candidate.decoded.avg_logprob - max(0.0, excess)

    return next((c for c in candidates if c.accepted), None) or max(candidates, key=merit)
