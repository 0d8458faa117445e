"""Whisper by openai-whisper: PyTorch, any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.timing import find_alignment, merge_punctuations

from lyricsep.transcribers.whisper import AlignedWord, Attempt, Hypothesis

if TYPE_CHECKING:
    from whisper.model import Whisper
    from whisper.tokenizer import Tokenizer

    from lyricsep.transcribers.base import WhisperOptions

__all__ = ["APPENDED", "PREPENDED", "OpenAIWhisper"]

# Punctuation that belongs to the next and the previous word (openai-whisper `add_word_timestamps`)
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


class OpenAIWhisper:
    """The backend that every device can run.

    Parameters
    ----------
    name : str
        For people.
    model : whisper.model.Whisper
        On the device it shall run on; half precision is used on CUDA only.
    """

    def __init__(self, name: str, model: Whisper) -> None:
        self.name = name
        self.model = model.eval()
        self.n_mels = int(model.dims.n_mels)
        self.is_multilingual = bool(model.is_multilingual)
        self.n_languages = int(model.num_languages)
        self._dtype = torch.float16 if model.device.type == "cuda" else torch.float32

    def encode(self, mels: Tensor) -> Tensor:
        """Encode spectrograms; ``(n, n_mels, 3000)`` to ``(n, 1500, n_state)`` on the model's device."""
        with torch.inference_mode():
            features: Tensor = self.model.encoder(mels.to(self.model.device, self._dtype))
        return features

    def language_probabilities(self, features: Tensor) -> list[dict[str, float]]:
        """Probability of each language, per clip; English for a model that knows no other."""
        if not self.is_multilingual:
            return [{"en": 1.0}] * len(features)
        with torch.inference_mode():
            _, probabilities = self.model.detect_language(features)
        found: list[dict[str, float]] = probabilities
        return found

    def decode(
        self, features: Tensor, tokenizer: Tokenizer, attempt: Attempt, options: WhisperOptions
    ) -> list[Hypothesis]:
        """Decode clips together: beam search at temperature 0, the best of several samples above."""
        searching = attempt.temperature == 0
        decoding = DecodingOptions(
            language=tokenizer.language or "en",
            temperature=attempt.temperature,
            beam_size=options.beam_size if searching and options.beam_size > 1 else None,
            best_of=None if searching else options.best_of,
            without_timestamps=not attempt.timestamps,
            fp16=self._dtype == torch.float16,
        )
        with torch.inference_mode():
            results = _BatchTask(self.model, decoding).run(features)
        return [Hypothesis(tuple(r.tokens), r.avg_logprob, r.no_speech_prob) for r in results]

    def align(self, mel: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], n_frames: int) -> list[AlignedWord]:
        """Find when each word of a decoded clip is sung, by the cross-attention."""
        mel = mel.to(self.model.device, self._dtype)
        words = find_alignment(self.model, tokenizer, list(tokens), mel, n_frames)
        merge_punctuations(words, PREPENDED, APPENDED)
        return [
            AlignedWord(tuple(word.tokens), float(word.start), float(word.end), float(word.probability))
            for word in words
            if word.tokens
        ]

    def seed(self, seed: int) -> None:
        """Start the random numbers anew."""
        torch.manual_seed(seed)


class _BatchTask(DecodingTask):  # type: ignore[misc]
    """openai-whisper's decoding, mended for several clips with several beams or samples each.

    It repeats the tokens for every beam, but not the features they attend to, which only works for one clip.
    """

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        features: Tensor = super()._get_audio_features(mel)
        return features.repeat_interleave(self.n_group, dim=0)

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        return [self.options.language] * tokens.shape[0], None
