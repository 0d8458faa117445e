"""Alignment by Whisper: its likelihood places the words, its attention times them.

First the words are placed into the sung segments (`lyricsep.aligners.placing`). Then the decoder is made to write the
words of each segment letter by letter, and the attention of the heads that follow them says when each letter is sung
(arXiv 2509.09987). The same is done for passages around the borders of the segments, so that a word on the wrong side
of one finds its place; one path through the evidence of all passages times the whole song.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from rapidfuzz import fuzz

from lyricsep.aligners.base import AlignmentOptions, KnownClips
from lyricsep.aligners.path import TICK, UNHEARD, Evidence, NoPathError, WordPath, find_path, silence_of
from lyricsep.aligners.placing import Likelihoods, Placement, place_words
from lyricsep.aligners.timed import Spans, line_spans, timed_lyrics
from lyricsep.aligners.words import KnownLyrics, sung_form
from lyricsep.languages import from_whisper
from lyricsep.lyrics import Line, Lyrics, Segment
from lyricsep.segmentation import merge_segments
from lyricsep.transcribers.base import Clips, WhisperOptions
from lyricsep.transcribers.log_mel import clip_log_mel
from lyricsep.transcribers.whisper import WhisperTranscriber, whisper_language
from lyricsep.transcribers.whisper_internals import load_tokenizer, smoothed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from lyricsep.transcribers.openai_whisper import OpenAIWhisper
    from lyricsep.transcribers.whisper_internals import Tokenizer

SAMPLE_RATE = 16_000
CLIP = 30.0  # seconds, of Whisper's input
TOKENS_PER_SECOND = 7.0  # of the fastest passages of lyrics that are placed; and some more
SOME_TOKENS = 10
DENSEST = 0.8  # letters in a tick, at most

# arXiv 2509.09987: heads that follow the text have large norms along both axes; the best of this clip are used.
N_RANKED = 16
MEDIAN_WIDTH = 3  # ticks
# Ours: of those the ones whose attention lies along the path that all of them give, chosen twice.
N_FOLLOWING = 8
N_REFINEMENTS = 2
# With Whisper base, 0.58 to 0.72 of the words of a song are heard clearly, 0.41 to 0.53 if a tenth of them are wrong,
# and at most 0.02 of those of another song.
HEARD, OTHER_SONG = -1.0, 0.1  # log-probability; share of all words
# Mean log-probability of the words of a line. Of 168 lines of five songs, 10 are wrong by more than 0.3 s (AUC of it
# 0.89); 14 are below, with 5 of those 10 among them.
DOUBTFUL = -3.0
MIN_SECTIONS = 3  # from which a song is left out section by section
# Somebody sings so many seconds and no word starts: then another text is heard, or a word goes on.
UNWRITTEN = 2.0
LONG_WORD = 1.0  # seconds; what a word lasts longer may be another text
NEAR, ALIKE = 1.0, 60.0  # seconds; percent of letters that what is heard shares with the words that are near
N_FEATURES = 32  # encoded passages that are kept, 3 MB each for Whisper base: some are heard again
VOTERS = 8  # segments that vote on the language


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Words in tokens.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the language.
    pieces : sequence of sequence of int
        Each word as Whisper would write it.
    letters : sequence of sequence of int
        Each word letter by letter.
    """

    tokenizer: Tokenizer
    pieces: Sequence[Sequence[int]]
    letters: Sequence[Sequence[int]]

    @classmethod
    def of(cls, known: KnownLyrics, tokenizer: Tokenizer) -> _Tokens:
        """Return the tokens of lyrics."""
        pieces, letters = [], []
        for word in known.words:
            space = " " if word.space_before else ""
            # Whisper knows words in capitals less well. A token such as <|endoftext|> is text here.
            written = word.text.lower() if known.is_in_capitals else word.text
            pieces.append(tokenizer.encode(space + written, disallowed_special=()))
            spelled = [space + word.sung[0], *word.sung[1:]]
            letters.append([token for letter in spelled for token in tokenizer.encode(letter)])
        return cls(tokenizer, pieces, letters)

    def only(self, words: Sequence[int]) -> _Tokens:
        """Return some of the words."""
        return _Tokens(self.tokenizer, [self.pieces[word] for word in words], [self.letters[word] for word in words])


@dataclass(frozen=True)
class _LineSpan:
    """The words of a line, and where they may be sung."""

    first: int
    last: int
    span: Segment


class WhisperAligner:
    """Align songs with a Whisper model.

    Parameters
    ----------
    model : OpenAIWhisper
        The backend whose attention can be seen.
    options : AlignmentOptions, optional
        What it hears.
    """

    def __init__(self, model: OpenAIWhisper, options: AlignmentOptions | None = None) -> None:
        self.model = model
        self.options = options or AlignmentOptions()
        self.name = f"{model.name} letter by letter"

    def align(self, jobs: Iterable[KnownClips]) -> Iterator[Lyrics]:
        """Yield the timed lyrics of each job, in order; no line is sung of lyrics that do not fit into their song.

        Raises
        ------
        ConfigError
            If the model does not know a job's language.
        """
        for job in jobs:
            try:
                yield _Song(self.model, job, self.options.mix_back).lyrics()
            except NoPathError:
                yield timed_lyrics(job.known, {}, Lyrics(duration=len(job.mixture) / SAMPLE_RATE))


class _Song:
    """A song while it is aligned."""

    def __init__(self, model: OpenAIWhisper, job: KnownClips, mix_back: float) -> None:
        self.model = model
        self.job = job
        self.mix_back = mix_back
        self.segments = list(job.segments or ())
        self.duration = len(job.mixture) / SAMPLE_RATE
        self._features: dict[Segment, Tensor] = {}

    def lyrics(self) -> Lyrics:
        """Align the song."""
        if not self.segments or not self.job.known.words:
            return timed_lyrics(self.job.known, {}, Lyrics(duration=self.duration))
        language = whisper_language(self.model, self.job.language) or self._language()
        tokenizer = load_tokenizer(self.model.n_languages if self.model.is_multilingual else None, language)
        text = _Tokens.of(self.job.known, tokenizer)
        if self.job.known.is_timed:
            spans, probabilities = self._times_in_lines(text)
        else:
            spans, probabilities = self._times_anywhere(text, self._place(text))
        unwritten = self._unwritten(spans, language)
        self._report(1.0)
        found = Lyrics(
            language=from_whisper(language),
            duration=self.duration,
            segments=tuple(self.segments),
            unwritten=unwritten,
        )
        return timed_lyrics(self.job.known, spans, found, probabilities, doubtful=DOUBTFUL)

    def _feature(self, segment: Segment) -> Tensor:
        if segment not in self._features:
            if len(self._features) == N_FEATURES:
                del self._features[next(iter(self._features))]
            first = round(segment.start * SAMPLE_RATE)
            part = slice(first, first + round(segment.duration * SAMPLE_RATE))
            vocals, mixture = self.job.vocals[part], self.job.mixture[part]
            heard = vocals + np.float32(self.mix_back) * (mixture - vocals)
            self._features[segment] = self.model.encode(clip_log_mel(heard, self.model.n_mels)[None])[0]
        return self._features[segment]

    def _language(self) -> str:
        """Return the language that the segments vote for, weighted by duration, among those of the text's script."""
        possible = self.job.known.possible_languages
        votes: Counter[str] = Counter()
        for segment in self.segments[:: math.ceil(len(self.segments) / VOTERS)]:
            (ballot,) = self.model.language_probabilities(self._feature(segment)[None])
            votes.update({language: p * segment.duration for language, p in ballot.items()})
        return max(votes, key=lambda language: (language in possible, votes[language]))

    def _report(self, share: float) -> None:
        if self.job.on_progress:
            self.job.on_progress(min(1.0, share))

    def _unwritten(self, spans: Spans, language: str) -> tuple[Line, ...]:
        """Return what Whisper hears where vocals go on and no word starts, unless it is probably not sung."""
        passages = list(_passages_between(spans, self.segments, silence_of(self.job.vocals)))
        if not spans or not passages:
            return ()
        transcriber = WhisperTranscriber(self.model, WhisperOptions(mix_back=self.mix_back))
        clips = Clips(self.job.mixture, self.job.vocals, passages, from_whisper(language))
        (heard,) = transcriber.transcribe([clips])
        words = self.job.known.words
        unwritten = []
        for line in heard.lines:
            near = [i for i, (start, _) in spans.items() if line.start - NEAR <= start <= line.end + NEAR]
            written = "".join(words[i].sung for i in near)
            is_sung = set(line.flags) <= {"low-confidence"}
            if is_sung and fuzz.partial_ratio(sung_form(line.text), written) < ALIKE:
                unwritten.append(line)
        return tuple(unwritten)

    def _place(self, text: _Tokens) -> list[Placement]:
        def listen(index: int, firsts: Sequence[int], n_words: int) -> list[Likelihoods]:
            most = min(
                self.model.n_text_tokens, round(self.segments[index].duration * TOKENS_PER_SECOND) + SOME_TOKENS
            )
            n_ticks = self.segments[index].duration / TICK
            counts = []
            for first in firsts:
                n_fitting = len(_fitting(text.letters[first:], round(DENSEST * n_ticks)))
                counts.append(_fitting(text.pieces[first : first + n_words], most)[:n_fitting])
            texts = [
                [token for piece in text.pieces[first : first + len(count) - 1] for token in piece]
                for first, count in zip(firsts, counts, strict=True)
            ]
            heard = self.model.logprobs(self._feature(self.segments[index]), text.tokenizer, texts)
            self._report(0.8 * (index + 1) / len(self.segments))
            return [
                Likelihoods(tokens.double().numpy(), ends.double().numpy()[count], count)
                for (tokens, ends), count in zip(heard, counts, strict=True)
            ]

        durations = [segment.duration for segment in self.segments]
        return place_words(_resumptions(self.job.known), len(text.pieces), durations, listen)

    def _times_anywhere(self, text: _Tokens, placements: Sequence[Placement]) -> tuple[Spans, dict[int, float]]:
        """Return start and end of each placed word, and the probability of each."""
        probabilities = {
            word: math.exp(logprob)
            for placement in placements
            for word, logprob in zip(range(placement.first, placement.last), placement.logprobs, strict=True)
        }
        words = sorted(probabilities)
        logprobs = [logprob for placement in placements for logprob in placement.logprobs]
        if sum(logprob > HEARD for logprob in logprobs) < OTHER_SONG * len(text.pieces):
            return {}, {}
        silence = silence_of(self.job.vocals)
        sung = text.only(words)
        rank = {word: index for index, word in enumerate(words)}
        evidence = []
        for span in merge_segments(self.segments, CLIP):
            placed = [
                placement
                for segment, placement in zip(self.segments, placements, strict=True)
                if span.start <= segment.start < span.end and placement.last > placement.first
            ]
            if placed:
                first, last = rank[placed[0].first], rank[placed[-1].last - 1] + 1
                evidence.append(self._evidence(span, sung, first, last, silence))
        path = _path(evidence, sung.letters, silence)
        self._report(0.9)
        for border in self._borders():
            inside = np.flatnonzero((path.starts * TICK >= border.start) & (path.starts * TICK < border.end))
            if len(inside):
                evidence.append(self._evidence(border, sung, int(inside[0]), int(inside[-1]) + 1, silence))
        return self._spans(words, _path(evidence, sung.letters, silence)), probabilities

    def _times_in_lines(self, text: _Tokens) -> tuple[Spans, dict[int, float]]:
        """Return start and end of each word, near the time of its line, and the probability of each."""
        lines = self._line_spans(text)
        words = [word for line in lines for word in range(line.first, line.last)]
        if not words:
            return {}, {}
        silence = silence_of(self.job.vocals)
        sung = text.only(words)
        evidence = []
        probabilities: dict[int, float] = {}
        for done, group in enumerate(groups := _within_clips(lines)):
            start = group[0].span.start
            span = Segment(start, min(max(line.span.end for line in group), start + CLIP))
            first = words.index(group[0].first)
            heard = self._evidence(span, sung, first, words.index(group[-1].last - 1) + 1, silence)
            row = 0
            for line in group:
                n_letters = sum(map(len, text.letters[line.first : line.last]))
                low, high = (round((time - span.start) / TICK) for time in (line.span.start, line.span.end))
                heard.scores[row : row + n_letters, : max(0, low)] = UNHEARD
                heard.scores[row : row + n_letters, max(1, high) :] = UNHEARD
                row += n_letters
            evidence.append(heard)
            probabilities |= self._probabilities(
                span, text, [word for line in group for word in range(line.first, line.last)]
            )
            self._report((done + 1) / len(groups))
        return self._spans(words, _path(evidence, sung.letters, silence)), probabilities

    def _line_spans(self, text: _Tokens) -> list[_LineSpan]:
        """Return where the words of each line may be sung; lines that the song has no room for are not sung."""
        words: dict[int, list[int]] = {}
        for index, word in enumerate(self.job.known.words):
            words.setdefault(word.line, []).append(index)
        return [
            _LineSpan(words[number][0], words[number][-1] + 1, span)
            for number, span in line_spans(self.job.known, self.duration).items()
            if number in words
            and sum(len(text.letters[index]) for index in words[number]) <= DENSEST * span.duration / TICK
        ]

    def _probabilities(self, span: Segment, text: _Tokens, words: Sequence[int]) -> dict[int, float]:
        """Return how probable each word is in a span of at most 30 s."""
        counts = _fitting([text.pieces[word] for word in words], self.model.n_text_tokens)
        tokens = [token for word in words[: len(counts) - 1] for token in text.pieces[word]]
        ((logprobs, _),) = self.model.logprobs(self._feature(span), text.tokenizer, [tokens])
        sums = np.append(0.0, np.cumsum(logprobs.double().numpy()))[counts]
        return dict(zip(words, np.exp(np.diff(sums) / np.diff(counts)).tolist(), strict=False))

    def _spans(self, words: Sequence[int], path: WordPath) -> Spans:
        return {
            word: (float(start) * TICK, min(float(end) * TICK, self.duration))
            for word, start, end in zip(words, path.starts, path.ends, strict=True)
        }

    def _borders(self) -> Iterator[Segment]:
        """Yield passages around the borders of segments that are close."""
        for before, after in pairwise(merge_segments(self.segments, CLIP)):
            middle = (before.end + after.start) / 2
            around = Segment(max(before.start, middle - CLIP / 2), min(after.end, middle + CLIP / 2))
            if around.start < before.end and after.start < around.end:
                yield around

    def _evidence(
        self, span: Segment, sung: _Tokens, first: int, last: int, silence: NDArray[np.float64]
    ) -> Evidence:
        """Return the evidence of words `first` to `last`, not included, in a span of at most 30 s."""
        first_tick = min(round(span.start / TICK), len(silence) - 1)
        n_ticks = max(1, min(round(span.duration / TICK), len(silence) - first_tick))
        letters = sung.letters[first:last]
        tokens = [token for word in letters for token in word]
        rows = list(range(len(tokens)))
        if len(tokens) > self.model.n_text_tokens:  # then word by word, and the letters of a word share its tokens
            rows, tokens = _shared_rows(letters, sung.pieces[first:last])
            tokens = tokens[: self.model.n_text_tokens]
            rows = [min(row, len(tokens) - 1) for row in rows]
        weights = _ranked_heads(self.model, self._feature(span), sung.tokenizer, tokens, n_ticks)[:, rows]
        quiet = silence[first_tick : first_tick + n_ticks]
        return Evidence(sum(map(len, sung.letters[:first])), first_tick, _followed(weights, letters, quiet))


def _passages_between(spans: Spans, segments: Sequence[Segment], silence: NDArray[np.float64]) -> Iterator[Segment]:
    """Yield the parts of segments between two words in which somebody sings for a while."""
    words = sorted(spans.values())
    befores = [0.0, *(min(end, start + LONG_WORD) for start, end in words)]
    for before, after in zip(befores, [*(start for start, _ in words), math.inf], strict=True):
        for segment in segments:
            start, end = max(segment.start, before), min(segment.end, after)
            if start < end and TICK * np.sum(1 - silence[round(start / TICK) : round(end / TICK)]) >= UNWRITTEN:
                yield Segment(start, end)


def _resumptions(known: KnownLyrics) -> list[int]:
    """Return the first word of each section, or of each line where sections are hardly known."""
    firsts = [i for i, word in enumerate(known.words) if not i or word.line != known.words[i - 1].line]
    sections = [i for i in firsts if known.lines[known.words[i].line].section is not None]
    return sections if len(sections) >= MIN_SECTIONS else firsts


def _fitting(pieces: Sequence[Sequence[int]], most: int) -> NDArray[np.intp]:
    """Return the number of tokens before the first word and after each, up to `most`."""
    counts = [0]
    for piece in pieces:
        if counts[-1] + len(piece) > most:
            break
        counts.append(counts[-1] + len(piece))
    return np.array(counts)


def _within_clips(lines: Sequence[_LineSpan]) -> list[list[_LineSpan]]:
    """Group lines whose spans fit together into the input of the model."""
    groups: list[list[_LineSpan]] = []
    for line in lines:
        if groups and line.span.end - groups[-1][0].span.start <= CLIP:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _shared_rows(letters: Sequence[Sequence[int]], pieces: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return for each letter the token of the word's pieces that stands for it, and these tokens."""
    rows: list[int] = []
    tokens: list[int] = []
    for word, piece in zip(letters, pieces, strict=True):
        rows += [len(tokens) + index * len(piece) // len(word) for index in range(len(word))]
        tokens += piece
    return rows, tokens


def _ranked_heads(
    model: OpenAIWhisper, feature: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], n_ticks: int
) -> NDArray[np.float32]:
    """Return the attention of the heads with the largest norms, (n_heads, n_tokens, n_ticks)."""
    best: list[tuple[float, Tensor]] = []

    def visit(_layer: int, attention: Tensor) -> None:
        weights = smoothed(attention[..., :n_ticks].float().softmax(dim=-1), MEDIAN_WIDTH).cpu()
        norms = weights.norm(dim=-2).mean(dim=-1) + weights.norm(dim=-1).mean(dim=-1)
        best.extend((float(norm), head[:-1]) for norm, head in zip(norms, weights, strict=True))
        best.sort(key=lambda pair: -pair[0])
        del best[N_RANKED:]

    model.attention(feature, tokenizer, tokens, visit)
    return torch.stack([head for _, head in best]).numpy()


def _followed(
    weights: NDArray[np.float32], letters: Sequence[Sequence[int]], silence: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the mean attention of the heads that follow the text best, (n_letters, n_ticks)."""
    norms = np.linalg.norm(weights, axis=-2, keepdims=True)  # of each tick
    # Each head counts alike, each tick half so: where attention is weak, or nobody sings, what it says is noise.
    normed = weights / ((norms + norms.mean(axis=-1, keepdims=True)) / 2 + 1e-9)
    normed *= 1 - silence.astype(np.float32)
    chosen = np.arange(len(weights))
    for _ in range(N_REFINEMENTS):
        scores: NDArray[np.float32] = normed[chosen].mean(axis=0)
        if scores.shape[0] > scores.shape[1]:
            return scores
        path = _path([Evidence(0, 0, scores)], letters, silence)
        ticks = np.flatnonzero(path.letters >= 0)
        along = weights[:, path.letters[ticks], ticks].sum(axis=-1) / weights.sum(axis=(1, 2))
        chosen = np.argsort(-along)[:N_FOLLOWING]
    best: NDArray[np.float32] = normed[chosen].mean(axis=0)
    return best


def _path(evidence: Sequence[Evidence], letters: Sequence[Sequence[int]], silence: NDArray[np.float64]) -> WordPath:
    counts = np.cumsum([0, *map(len, letters)])
    try:
        return find_path(evidence, counts[:-1].tolist(), int(counts[-1]), silence)
    except NoPathError:  # in very dense lyrics the first letters of words will do
        heard = []
        for one in evidence:
            words = range(*np.searchsorted(counts, (one.letters.start, one.letters.stop)).tolist())
            rows = counts[list(words)] - one.first_letter
            heard.append(Evidence(words.start, one.first_tick, one.scores[rows]))
        return find_path(heard, range(len(letters)), len(letters), silence)
