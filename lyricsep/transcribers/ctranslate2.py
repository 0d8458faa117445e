"""The Whisper backend CTranslate2, the engine of faster-whisper: fast on CPUs and CUDA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import ctranslate2
import numpy as np
import torch
from torch import Tensor

from lyricsep.errors import WeightsError
from lyricsep.files import shown
from lyricsep.transcribers.alignment import AlignedWord, aligned_words, decoded_words, spelled
from lyricsep.transcribers.whisper import Attempt, DecodedText

if TYPE_CHECKING:
    from lyricsep.transcribers.base import WhisperOptions
    from lyricsep.transcribers.whisper_internals import Tokenizer

Part = TypeVar("Part")
Result = TypeVar("Result")

MAX_LENGTH = 448  # tokens, the model's context; like openai-whisper, CTranslate2 decodes at most half of it
# Samples drawn at once, of all clips together: each keeps its own copy of the keys and values it attends to, 37 MB
# for Whisper base in single precision and 250 MB for large-v2 in half precision.
MAX_ROWS = 16
MAX_INITIAL_TIMESTAMP = 50  # ticks; openai-whisper lets text start within the first second
# A step of the decoder is too small for many threads: with one thread per clip, 31 clips of Whisper base take 31 s of
# processor time and 18 s of wall time; with both threads on every clip, 36 s and 29 s (two cores).
MAX_WORKERS = 4


class CTranslate2Whisper:
    """The fastest Whisper backend, on CPU and CUDA.

    Parameters
    ----------
    name : str
        Shown to the user.
    folder : Path
        A CTranslate2 model.
    device : torch.device
        ``cpu`` or ``cuda``.
    compute_type : str, optional
        CTranslate2's number format; by default int8 on the CPU and float16 on CUDA.

    Raises
    ------
    WeightsError
        If CTranslate2 cannot load the model.
    """

    def __init__(self, name: str, folder: Path, device: torch.device, compute_type: str | None = None) -> None:
        self.name = name
        self._folder = folder
        n_threads = torch.get_num_threads()
        n_workers = min(MAX_WORKERS, n_threads) if device.type == "cpu" else 1
        self._settings = {
            "device": device.type,
            "device_index": device.index or 0,
            "compute_type": compute_type or ("float16" if device.type == "cuda" else "int8"),
        }
        self._n_threads = n_threads
        self._n_workers = n_workers
        self._workers = ThreadPoolExecutor(n_workers, thread_name_prefix="whisper")
        self.model = self._open(n_workers)
        self._sampler: ctranslate2.models.Whisper | None = None
        self.n_mels = int(self.model.n_mels)
        self.is_multilingual = bool(self.model.is_multilingual)
        self.n_languages = int(self.model.num_languages)

    def _open(self, n_workers: int) -> ctranslate2.models.Whisper:
        threads = {"inter_threads": n_workers, "intra_threads": max(1, self._n_threads // n_workers)}
        model = partial(ctranslate2.models.Whisper, str(self._folder), **self._settings, **threads)
        try:
            # This also sets PyTorch's number of threads, in the thread that opens the model.
            return self._workers.submit(model).result()
        except RuntimeError as error:
            raise WeightsError(
                f"{shown(self._folder)}: CTranslate2 cannot load the model ({error})", hint="run again"
            ) from error

    def encode(self, mels: Tensor) -> Tensor:
        """Encode spectrograms; ``(n, n_mels, 3000)`` to ``(n, 1500, n_state)``, on the CPU."""
        # One clip fits in a CPU's caches: encoding eight one by one takes three quarters of the time of a batch.
        batch_size = 1 if self._settings["device"] == "cpu" else len(mels)
        encoded = self._spread(
            lambda some: self.model.encode(_view(some), to_cpu=True), torch.split(mels, batch_size)
        )
        # NumPy has no bfloat16, which some compute types return.
        arrays = [np.array(features.to(ctranslate2.DataType.float32)) for features in encoded]
        return torch.from_numpy(np.concatenate(arrays))

    def _spread(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Process parts in parallel, as many at once as the model has workers."""
        return list(self._workers.map(work, parts))

    def language_probabilities(self, features: Tensor) -> list[dict[str, float]]:
        """Return the probability of each language, per clip; English for an English-only model."""
        if not self.is_multilingual:
            return [{"en": 1.0}] * len(features)
        ballots = self.model.detect_language(_view(features))
        return [{token.strip("<|>"): probability for token, probability in clip} for clip in ballots]

    def decode(
        self, features: Tensor, tokenizer: Tokenizer, attempt: Attempt, options: WhisperOptions
    ) -> list[list[DecodedText]]:
        """Decode clips together: beam search at temperature 0, several samples above 0; the most probable first."""
        prompt = list(tokenizer.sot_sequence)
        if not attempt.timestamps:
            prompt = list(tokenizer.sot_sequence_including_notimestamps)
        common = {
            "sampling_temperature": attempt.temperature,
            "no_repeat_ngram_size": attempt.no_repeat_ngram_size,
            "max_length": MAX_LENGTH,
            "max_initial_timestamp_index": MAX_INITIAL_TIMESTAMP,
            "suppress_tokens": _suppressed(tokenizer),
            "length_penalty": 1.0,  # scores are then mean log-probabilities
            "return_scores": True,
            "return_no_speech_prob": True,
        }

        def generate(
            model: ctranslate2.models.Whisper, some: Tensor, **search: int
        ) -> list[ctranslate2.models.WhisperGenerationResult]:
            results: list[ctranslate2.models.WhisperGenerationResult]
            results = model.generate(_view(some), [prompt] * len(some), **common, **search)
            return results

        if attempt.temperature == 0:
            # Beams share the keys and values they attend to, so no part is too large.
            parts = [features[first :: self._n_workers] for first in range(min(self._n_workers, len(features)))]
            search = {"beam_size": options.beam_size, "num_hypotheses": options.beam_size}
            by_part = self._spread(lambda some: generate(self.model, some, **search), parts)
            results = [by_part[index % len(parts)][index // len(parts)] for index in range(len(features))]
        else:
            sampler, n_together = self._sampling(), max(1, MAX_ROWS // options.best_of)
            results = [
                result
                for some in torch.split(features, n_together)
                for result in generate(sampler, some, beam_size=1, num_hypotheses=options.best_of, sampling_topk=0)
            ]
        return [_decoded_texts(result) for result in results]

    def align(
        self, features: Tensor, tokenizer: Tokenizer, texts: Sequence[Sequence[int]], n_frames: Sequence[int]
    ) -> list[list[AlignedWord]]:
        """Return the words of decoded clips with times, from the cross-attention."""
        prompt = list(tokenizer.sot_sequence)
        most = MAX_LENGTH - len(prompt) - 2  # beside <|notimestamps|> and the end

        def align_one(index: int) -> list[AlignedWord]:
            def written(tokens: Sequence[int]) -> ctranslate2.models.WhisperAlignmentResult:
                return self.model.align(_view(features[index, None]), prompt, [list(tokens)], n_frames[index])[0]

            words = decoded_words(tokenizer, texts[index], written(texts[index]).text_token_probs)
            spelling = spelled(tokenizer, words, most)
            numbers, ticks = np.array(written(spelling.tokens).alignments).T
            return aligned_words(words, spelling, (numbers, ticks))

        return self._spread(align_one, range(len(texts)))

    def seed(self, seed: int) -> None:
        """Seed the random numbers."""
        ctranslate2.set_random_seed(seed)
        # A model's workers read the seed once, before their first sample.
        if self._sampler is not None and self._sampler is self.model:
            del self.model, self._sampler  # two would not fit into every GPU
            self.model = self._open(self._n_workers)
        self._sampler = None

    def _sampling(self) -> ctranslate2.models.Whisper:
        """Return a model with one worker: each has its own random numbers, and which of several is free is random."""
        if self._sampler is None:
            self._sampler = self.model if self._n_workers == 1 else self._open(1)
        return self._sampler


def _view(features: Tensor) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(features.numpy()))


def _decoded_texts(result: ctranslate2.models.WhisperGenerationResult) -> list[DecodedText]:
    # The score is the mean over the tokens; openai-whisper counts the end of the text as one more.
    return [
        DecodedText(tuple(tokens), score * len(tokens) / (len(tokens) + 1), result.no_speech_prob)
        for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
    ]


def _suppressed(tokenizer: Tokenizer) -> list[int]:
    """Return tokens that are never sung (openai-whisper `DecodingTask._get_suppress_tokens`)."""
    special = [
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    ]
    return sorted({*tokenizer.non_speech_tokens, *special})
