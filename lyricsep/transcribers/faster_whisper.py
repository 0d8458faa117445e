"""Whisper by CTranslate2, the engine of faster-whisper: quick on CPUs and CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ctranslate2
import numpy as np
import torch
from torch import Tensor

from lyricsep.errors import WeightsError
from lyricsep.files import shown
from lyricsep.transcribers.alignment import AlignedWord, aligned_words
from lyricsep.transcribers.whisper import MAX_ROWS, Attempt, Hypothesis

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

    from lyricsep.transcribers.base import WhisperOptions

__all__ = ["FasterWhisper"]

MAX_LENGTH = 448  # the model's context; CTranslate2 decodes half of it at most, as openai-whisper does
MAX_INITIAL_TIMESTAMP = 50  # ticks; openai-whisper lets text start within the first second


class FasterWhisper:
    """The backend for speed.

    Parameters
    ----------
    name : str
        For people.
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
        self._settings = {
            "device": device.type,
            "device_index": device.index or 0,
            "compute_type": compute_type or ("float16" if device.type == "cuda" else "int8"),
            "intra_threads": torch.get_num_threads(),
        }
        self.model = self._open()
        self._has_sampled = False
        self.n_mels = int(self.model.n_mels)
        self.is_multilingual = bool(self.model.is_multilingual)
        self.n_languages = int(self.model.num_languages)

    def _open(self) -> ctranslate2.models.Whisper:
        try:
            return ctranslate2.models.Whisper(str(self._folder), **self._settings)
        except RuntimeError as error:
            raise WeightsError(
                f"{shown(self._folder)}: CTranslate2 cannot load the model ({error}); run again"
            ) from error

    def encode(self, mels: Tensor) -> Tensor:
        """Encode spectrograms; ``(n, n_mels, 3000)`` to ``(n, 1500, n_state)``, on the CPU."""
        # What a CPU keeps of one clip fits into its caches: one by one, eight take three quarters of the time.
        together = 1 if self._settings["device"] == "cpu" else len(mels)
        encoded = [self.model.encode(_view(some), to_cpu=True) for some in torch.split(mels, together)]
        # NumPy knows no bfloat16, the format of some compute types.
        arrays = [np.array(features.to(ctranslate2.DataType.float32)) for features in encoded]
        return torch.from_numpy(np.concatenate(arrays))

    def language_probabilities(self, features: Tensor) -> list[dict[str, float]]:
        """Probability of each language, per clip; English for a model that knows no other."""
        if not self.is_multilingual:
            return [{"en": 1.0}] * len(features)
        found = self.model.detect_language(_view(features))
        return [{token.strip("<|>"): probability for token, probability in clip} for clip in found]

    def decode(
        self, features: Tensor, tokenizer: Tokenizer, attempt: Attempt, options: WhisperOptions
    ) -> list[Hypothesis]:
        """Decode clips together: beam search at temperature 0, the best of several samples above."""
        prompt = list(tokenizer.sot_sequence)
        if not attempt.timestamps:
            prompt = list(tokenizer.sot_sequence_including_notimestamps)
        if attempt.temperature == 0:
            search = {"beam_size": options.beam_size}
            n_together = len(features)  # beams share what they attend to
        else:
            search = {"beam_size": 1, "num_hypotheses": options.best_of, "sampling_topk": 0}
            n_together = max(1, MAX_ROWS // options.best_of)
            self._has_sampled = True
        hypotheses = []
        for together in torch.split(features, n_together):
            results = self.model.generate(
                _view(together),
                [prompt] * len(together),
                sampling_temperature=attempt.temperature,
                max_length=MAX_LENGTH,
                max_initial_timestamp_index=MAX_INITIAL_TIMESTAMP,
                suppress_tokens=_suppressed(tokenizer),
                length_penalty=1.0,  # scores are then mean log-probabilities
                return_scores=True,
                return_no_speech_prob=True,
                **search,
            )
            hypotheses += [_hypothesis(result) for result in results]
        return hypotheses

    def align(self, feature: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], n_frames: int) -> list[AlignedWord]:
        """Find when each word of a decoded clip is sung, by the cross-attention."""
        (found,) = self.model.align(_view(feature[None]), list(tokenizer.sot_sequence), [list(tokens)], n_frames)
        indices, ticks = np.array(found.alignments).T
        return aligned_words(tokenizer, tokens, (indices, ticks), found.text_token_probs)

    def seed(self, seed: int) -> None:
        """Start the random numbers anew."""
        ctranslate2.set_random_seed(seed)
        if self._has_sampled:
            # The seed is read by a model's threads before their first sample, and never again.
            del self.model  # two would not fit into every GPU
            self.model = self._open()
            self._has_sampled = False


def _view(features: Tensor) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(features.numpy()))


def _hypothesis(result: ctranslate2.models.WhisperGenerationResult) -> Hypothesis:
    tokens = result.sequences_ids[0]
    # The score is the mean over the tokens; openai-whisper counts the end of the text as one more.
    avg_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
    return Hypothesis(tuple(tokens), avg_logprob, result.no_speech_prob)


def _suppressed(tokenizer: Tokenizer) -> list[int]:
    """Tokens that are never sung (openai-whisper `DecodingTask._get_suppress_tokens`)."""
    special = [
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    ]
    return sorted({*tokenizer.non_speech_tokens, *special})
