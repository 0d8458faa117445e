"""Alignment by CTC: a model of transformers hears letters, one path through the whole song times them.

The model (wav2vec 2.0, HuBERT, MMS, ...) gives for each tick the probability of each letter of its vocabulary, and of
no letter at all (blank). It listens to the sung segments in windows that overlap; elsewhere nothing is sung. A letter
that its vocabulary lacks may be any letter there.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError

from lyricsep.aligners.base import AlignmentOptions, KnownClips
from lyricsep.aligners.ctc_models import CtcSpec, fetch_adapter
from lyricsep.aligners.path import TICK, TICK_SAMPLES, NoPathError, WordPath, best_states, silence_of
from lyricsep.aligners.timed import Spans, line_spans, timed_lyrics
from lyricsep.aligners.words import KnownLyrics
from lyricsep.errors import ConfigError, LyricsepError, WeightsError, reason_of
from lyricsep.languages import known_language, language_name
from lyricsep.lyrics import Lyrics, Segment
from lyricsep.segmentation import merge_segments
from lyricsep.weights import fetch
from lyricsep.weights.loading import UNREADABLE

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 24.0  # seconds that a window decides
CONTEXT = 3.0  # seconds that it hears before and after them
ANY = -1  # the token of a letter that the vocabulary lacks
UNHEARD = -20.0  # log-probability of a letter where the model does not listen; no letter has less
SILENT = 3.0  # log-probability that a word loses at a tick in silence; not tuned on songs
MOST_UNKNOWN = 0.5  # share of letters that a vocabulary may lack


@dataclass(frozen=True)
class Vocabulary:
    """The letters that a model knows.

    Parameters
    ----------
    letters : mapping
        Their tokens.
    blank : int
        The token that stands for no letter.
    delimiter : int or None
        The token between words.
    """

    letters: Mapping[str, int]
    blank: int
    delimiter: int | None

    @classmethod
    def of(cls, tokens: Mapping[str, int], blank: int) -> Vocabulary:
        """Return the vocabulary of all tokens of a model."""
        delimiter = tokens.get("|", tokens.get(" "))
        letters = {unicodedata.normalize("NFC", text): token for text, token in tokens.items()}
        return cls(
            {text: token for text, token in letters.items() if len(text) == 1 and token not in (blank, delimiter)},
            blank,
            delimiter,
        )

    def spell(self, word: str) -> list[int]:
        """Return the tokens of a word; letters in a row that it lacks are one `ANY`."""
        tokens: list[int] = []
        for letter in unicodedata.normalize("NFC", word):
            found = self._token(letter)
            if found != [ANY] or tokens[-1:] != [ANY]:
                tokens += found
        return tokens or [ANY]

    def unknown(self, text: str) -> float:
        """Return the share of the letters of a text that it lacks; all if it has none."""
        if not self.letters:
            return 1.0
        known = [self._token(letter) != [ANY] for letter in unicodedata.normalize("NFC", text) if letter.isalpha()]
        return known.count(False) / max(1, len(known))

    def _token(self, letter: str) -> list[int]:
        """Return a letter in the case of the vocabulary, or what it is made of, or without its marks."""
        parts = unicodedata.normalize("NFKD", letter)
        bare = "".join(part for part in parts if not unicodedata.category(part).startswith("M"))
        for form in (letter, letter.casefold(), parts, bare):
            for cased in (form, form.lower(), form.upper()):
                if cased and all(part in self.letters for part in cased):
                    return [self.letters[part] for part in cased]
        return [ANY] if bare and letter != "'" else []


@dataclass(frozen=True, eq=False)
class Emissions:
    """What is heard at each tick, as log-probabilities.

    Parameters
    ----------
    letters : ndarray, shape (n_ticks, n_tokens)
        Each token of the lyrics.
    blank : ndarray, shape (n_ticks,)
        No letter, within a word.
    pause : ndarray, shape (n_ticks,)
        No letter, between words.
    silence : ndarray, shape (n_ticks,)
        0 where somebody sings, 1 where nobody does: there a word, unlike a pause, has little chance.
    """

    letters: NDArray[np.float32]
    blank: NDArray[np.float32]
    pause: NDArray[np.float32]
    silence: NDArray[np.float64]


class CtcModel:
    """A CTC model, loaded.

    Parameters
    ----------
    spec : CtcSpec
        Which model.
    device : torch.device
        Where it runs.
    offline : bool
        Make no network requests.

    Raises
    ------
    WeightsError
        If it cannot be loaded, or gets or gives something else than expected.
    """

    def __init__(self, spec: CtcSpec, device: torch.device, *, offline: bool = False) -> None:
        from transformers import AutoFeatureExtractor, AutoModelForCTC

        self.spec = spec
        self.offline = offline
        for file in spec.files:
            fetch(file, offline=True)  # refuses what has changed since it was found
        try:
            with _quiet():
                here = {"local_files_only": True, "trust_remote_code": False}
                self._extractor = AutoFeatureExtractor.from_pretrained(spec.folder, **here)
                self._model, report = AutoModelForCTC.from_pretrained(spec.folder, output_loading_info=True, **here)
            self._vocabularies = _vocabularies(spec.folder / "vocab.json", self._model.config.pad_token_id)
        except (SafetensorError, *UNREADABLE) as error:
            raise WeightsError(f"{spec.name}: cannot be loaded ({reason_of(error)})", hint="get it again") from error
        if any(key.startswith("lm_head") for key in report["missing_keys"]):
            raise WeightsError(f"{spec.name}: is no CTC model, its weights have no lm_head")
        self._config = self._model.config
        tokens = self._vocabularies[""].letters.values() if "" in self._vocabularies else ()
        if max(tokens, default=0) >= self._config.vocab_size:
            raise WeightsError(f"{spec.name}: has tokens in its vocab.json that it never gives", hint="get it again")
        ratio = getattr(self._config, "inputs_to_logits_ratio", None)
        hears = self._extractor.model_input_names[0], self._extractor.sampling_rate, ratio
        if hears != ("input_values", SAMPLE_RATE, TICK_SAMPLES):
            raise WeightsError(
                f"{spec.name}: expected a model that hears samples at {SAMPLE_RATE} Hz and gives a frame for every "
                f"{TICK_SAMPLES}, got {hears[0]} at {hears[1]} Hz and a frame for every {ratio}",
                hint="choose a model such as wav2vec 2.0, HuBERT or MMS",
            )
        self._language = ""
        self._device = device
        self._model.to(device).eval()

    @property
    def overlap(self) -> int:
        """The samples that a frame hears beyond its tick."""
        field = 1
        for kernel, stride in zip(self._config.conv_kernel[::-1], self._config.conv_stride[::-1], strict=True):
            field = (field - 1) * stride + kernel
        return max(0, int(field) - TICK_SAMPLES)

    def vocabulary(self, language: str | None, text: str) -> Vocabulary:
        """Return the letters of a language; the model hears them from now on.

        Parameters
        ----------
        language : str or None
            ISO 639-1 code; only models with an adapter for each language need it.
        text : str
            Decides between the scripts of a language.

        Raises
        ------
        LyricsepError
            If the model needs the language and does not know it, or the adapter cannot be had.
        """
        if "" in self._vocabularies:
            return self._vocabularies[""]
        if language is None:
            raise ConfigError(
                f"{self.spec.name}: has an adapter for each language, so it needs that of the lyrics",
                hint="set {language}",
            )
        # Its names are codes of ISO 639-3, some with a script: srp-script_latin.
        names = [name for name in self._vocabularies if known_language(name.partition("-")[0]) == language]
        if not names:
            raise ConfigError(
                f"{self.spec.name}: does not know {language_name(language)} ({language})",
                hint="choose another {aligner}",
            )
        name = min(names, key=lambda name: self._vocabularies[name].unknown(text))
        if name != self._language:
            fetch_adapter(self.spec, name, offline=self.offline)
            try:
                with _quiet():
                    self._model.load_adapter(name, local_files_only=True)
            except (SafetensorError, *UNREADABLE) as error:
                raise WeightsError(f"{self.spec.name}: adapter {name}: {reason_of(error)}") from error
            self._model.to(self._device)
            self._language = name
        return self._vocabularies[name]

    def logprobs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-probability of each token at each tick.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            float32 mono at 16 kHz; whole ticks, and `overlap` more.

        Returns
        -------
        ndarray, shape (n_ticks, n_vocabulary)
            float32.
        """
        import torch

        heard = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(heard["input_values"].to(self._device)).logits[0]
        logprobs: NDArray[np.float32] = logits.float().log_softmax(dim=-1).cpu().numpy()
        n_ticks = len(samples) // TICK_SAMPLES
        if len(logprobs) != n_ticks:
            raise WeightsError(f"{self.spec.name}: gives {len(logprobs)} frames for {n_ticks} ticks")
        return logprobs


class CtcAligner:
    """Times known lyrics with a CTC model.

    Parameters
    ----------
    model : CtcModel
        What listens.
    options : AlignmentOptions
        How songs are aligned.
    """

    def __init__(self, model: CtcModel, options: AlignmentOptions) -> None:
        self.model = model
        self.options = options

    @property
    def name(self) -> str:
        """Method and model, as shown to the user."""
        return f"ctc {self.model.spec.name}"

    def align(self, jobs: Iterable[KnownClips]) -> Iterator[Lyrics | LyricsepError]:
        """Yield the timed lyrics of each job, in order.

        A song whose lyrics the model cannot spell gives an error.
        """
        for job in jobs:
            try:
                yield _aligned(self.model, job, self.options.mix_back)
            except LyricsepError as error:
                yield error


def find_ctc_path(
    emissions: Emissions,
    tokens: Sequence[int],
    word_starts: Sequence[int],
    bounds: NDArray[np.intp],
) -> WordPath:
    """Find the best path through all letters, by the Viterbi algorithm.

    Parameters
    ----------
    emissions : Emissions
        What is heard.
    tokens : sequence of int
        Of each letter, its column in the emissions. Between two that are alike there is at least one tick without a
        letter.
    word_starts : sequence of int
        The first letter of each word; rises from 0.
    bounds : ndarray of int, shape (n_letters, 2)
        First tick of each letter, and the tick after its last: outside, it counts as unheard.

    Raises
    ------
    NoPathError
        If there are more letters than ticks.
    """
    # States: letters are odd, what lies between them is even.
    columns = np.asarray(tokens)
    firsts = np.asarray(word_starts)
    n_letters, n_ticks = len(columns), len(emissions.silence)
    is_pause = np.zeros(n_letters + 1, bool)
    is_pause[[*firsts, n_letters]] = True
    may_skip = np.zeros(2 * n_letters + 1, bool)
    may_skip[3::2] = columns[1:] != columns[:-1]

    def rows() -> Iterator[tuple[int, NDArray[np.float64]]]:
        for tick in range(n_ticks):
            lost = SILENT * emissions.silence[tick] - UNHEARD * ((tick < bounds[:, 0]) | (tick >= bounds[:, 1]))
            row = np.empty(2 * n_letters + 1)
            row[1::2] = emissions.letters[tick, columns] - lost
            row[0::2] = np.where(is_pause, emissions.pause[tick], emissions.blank[tick] - np.append(lost, 0.0))
            yield 0, row

    states = best_states(rows(), may_skip)
    if states is None:
        raise NoPathError(f"{n_letters} letters do not fit into {n_ticks} ticks")
    starts = np.searchsorted(states, 2 * firsts + 1)
    ends = np.searchsorted(states, 2 * np.append(firsts[1:], n_letters) - 1, side="right")
    return WordPath(starts, ends, np.where(states % 2, states // 2, -1))


def _aligned(model: CtcModel, job: KnownClips, mix_back: float) -> Lyrics:
    segments = tuple(job.segments or ())
    known, duration = job.known, len(job.mixture) / SAMPLE_RATE
    found = Lyrics(language=job.language, duration=duration, segments=segments)
    bounds = _bounds(known, duration, -(-len(job.vocals) // TICK_SAMPLES))
    words = sorted(bounds)
    if not segments or not words:
        return timed_lyrics(known, {}, found)
    text = "".join(word.sung for word in known.words)
    vocabulary = model.vocabulary(job.language, text)
    if (unknown := vocabulary.unknown(text)) > MOST_UNKNOWN:
        raise ConfigError(
            f"{model.spec.name}: has no letters for {unknown:.0%} of the lyrics",
            hint="set {aligner} to a CTC model of their language, or {aligner=whisper}",
        )
    spelled = [vocabulary.spell(known.words[word].sung) for word in words]
    firsts = np.cumsum([0, *map(len, spelled[:-1])])
    used, tokens = np.unique([token for word in spelled for token in word], return_inverse=True)
    emissions = _emissions(model, job, mix_back, vocabulary, used)
    of_letters = np.repeat([bounds[word] for word in words], list(map(len, spelled)), axis=0)
    try:
        path = find_ctc_path(emissions, tokens.tolist(), firsts.tolist(), of_letters)
    except NoPathError:
        return timed_lyrics(known, {}, found)
    ends = _held(path, emissions)
    spans: Spans = {
        word: (float(start) * TICK, min(float(end) * TICK, duration))
        for word, start, end in zip(words, path.starts, ends, strict=True)
    }
    probabilities = _probabilities(path, emissions, tokens, firsts)
    return timed_lyrics(known, spans, found, dict(zip(words, probabilities.tolist(), strict=True)))


def _emissions(
    model: CtcModel, job: KnownClips, mix_back: float, vocabulary: Vocabulary, used: NDArray[np.intp]
) -> Emissions:
    """Listen to the segments, for the tokens that are used; what lies between segments is silent."""
    silence = silence_of(job.vocals)
    n_ticks = len(silence)
    letters = np.full((n_ticks, len(used)), UNHEARD, np.float32)
    blank, pause = np.zeros((2, n_ticks), np.float32)
    is_heard = np.zeros(n_ticks, bool)
    heard = np.zeros(n_ticks * TICK_SAMPLES + model.overlap, np.float32)
    heard[: len(job.vocals)] = job.vocals + np.float32(mix_back) * (job.mixture - job.vocals)
    known = list(vocabulary.letters.values())
    windows = list(_windows(job.segments or (), n_ticks))
    for done, (first, last) in enumerate(windows):
        context = round(CONTEXT / TICK)
        low, high = max(0, first - context), min(n_ticks, last + context)
        logprobs = model.logprobs(heard[low * TICK_SAMPLES : high * TICK_SAMPLES + model.overlap])
        logprobs = np.maximum(logprobs[first - low : last - low], UNHEARD)
        any_letter = logprobs[:, known].max(axis=1, keepdims=True)
        letters[first:last] = np.where(used == ANY, any_letter, logprobs[:, used])
        blank[first:last] = pause[first:last] = logprobs[:, vocabulary.blank]
        if vocabulary.delimiter is not None:
            pause[first:last] = np.maximum(pause[first:last], logprobs[:, vocabulary.delimiter])
        is_heard[first:last] = True
        if job.on_progress:
            job.on_progress((done + 1) / len(windows))
    silence[~is_heard] = 1.0
    return Emissions(letters, blank, pause, silence)


def _windows(segments: Iterable[Segment], n_ticks: int) -> Iterator[tuple[int, int]]:
    """Yield first tick, and the tick after the last, of what each window decides."""
    step = round(WINDOW / TICK)
    for span in merge_segments(segments, WINDOW):
        end = min(n_ticks, round(span.end / TICK))
        for first in range(round(span.start / TICK), end, step):
            yield first, min(first + step, end)


def _bounds(known: KnownLyrics, duration: float, n_ticks: int) -> dict[int, tuple[int, int]]:
    """Return the ticks between which each word may be sung; words of lines without a time have none."""
    if not known.is_timed:
        return dict.fromkeys(range(len(known.words)), (0, n_ticks))
    spans = line_spans(known, duration)
    return {
        index: (round(spans[word.line].start / TICK), round(spans[word.line].end / TICK))
        for index, word in enumerate(known.words)
        if word.line in spans
    }


def _held(path: WordPath, emissions: Emissions) -> NDArray[np.intp]:
    """Return the ends of words: CTC hears when a letter begins; the last is held until silence or the next word."""
    is_over = np.append((emissions.silence > 0.5) | (emissions.pause > emissions.blank), True)
    is_over[path.starts] = True
    over = np.flatnonzero(is_over)
    held: NDArray[np.intp] = over[np.searchsorted(over, path.ends)]
    return held


def _probabilities(
    path: WordPath, emissions: Emissions, tokens: NDArray[np.intp], firsts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the probability of each word: the geometric mean over its letters."""
    ticks = np.flatnonzero(path.letters >= 0)
    sung = path.letters[ticks]
    of_letters = np.bincount(sung, emissions.letters[ticks, tokens[sung]]) / np.bincount(sung)
    lengths = np.diff([*firsts, len(tokens)])
    probabilities: NDArray[np.float64] = np.exp(np.add.reduceat(of_letters, firsts) / lengths)
    return probabilities


def _vocabularies(path: Path, blank: int) -> dict[str, Vocabulary]:
    """Read a vocabulary, or those of the languages; without languages, its name is empty."""
    tokens = json.loads(path.read_text(encoding="utf-8"))
    languages = tokens if all(isinstance(each, dict) for each in tokens.values()) else {"": tokens}
    return {name: Vocabulary.of(each, blank) for name, each in languages.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing to stderr."""
    from transformers.utils import logging

    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()
