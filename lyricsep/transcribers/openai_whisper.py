"""The Whisper backend openai-whisper: PyTorch, any device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from whisper import DecodingOptions, Whisper

from lyricsep.transcribers.alignment import AlignedWord, aligned_words, decoded_words, spelled, warping_path
from lyricsep.transcribers.whisper import Attempt, DecodedText
from lyricsep.transcribers.whisper_internals import (
    decode_batch,
    decoder_attention,
    normalized_attention,
    share_cross_attention,
    take_alignment_heads,
    text_logprobs,
    visit_attention,
)

if TYPE_CHECKING:
    from lyricsep.transcribers.base import WhisperOptions
    from lyricsep.transcribers.whisper_internals import Tokenizer

TEXTS_TOGETHER = 4  # whose logits are held at once: 190 MB for 220 tokens each


class OpenAIWhisper:
    """The Whisper backend that runs on every device.

    Parameters
    ----------
    name : str
        Shown to the user.
    model : whisper.model.Whisper
        Modified in place and moved to the device; on CUDA in half precision.
    device : torch.device
        Where to run.
    """

    def __init__(self, name: str, model: Whisper, device: torch.device) -> None:
        self.name = name
        self._heads = take_alignment_heads(model)
        self.model = model.eval().to(device)
        self.n_mels = int(model.dims.n_mels)
        self.is_multilingual = bool(model.is_multilingual)
        self.n_languages = int(model.num_languages)
        share_cross_attention(self.model)
        self._dtype = torch.float16 if device.type == "cuda" else torch.float32
        for module in self.model.modules():
            # Layers that openai-whisper casts again at every step; it keeps the others in full precision.
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
                module.to(self._dtype)

    def encode(self, mels: Tensor) -> Tensor:
        """Encode spectrograms; ``(n, n_mels, 3000)`` to ``(n, 1500, n_state)`` on the model's device."""
        with torch.inference_mode():
            features: Tensor = self.model.encoder(mels.to(self.model.device, self._dtype))
        return features

    def language_probabilities(self, features: Tensor) -> list[dict[str, float]]:
        """Return the probability of each language, per clip; English for an English-only model."""
        if not self.is_multilingual:
            return [{"en": 1.0}] * len(features)
        with torch.inference_mode():
            _, probabilities = self.model.detect_language(features)
        found: list[dict[str, float]] = probabilities
        return found

    def decode(
        self, features: Tensor, tokenizer: Tokenizer, attempt: Attempt, options: WhisperOptions
    ) -> list[list[DecodedText]]:
        """Decode clips together: beam search at temperature 0, several samples above 0; the most probable first."""
        searching = attempt.temperature == 0
        decoding = DecodingOptions(
            language=tokenizer.language or "en",
            temperature=attempt.temperature,
            beam_size=options.beam_size if searching and options.beam_size > 1 else None,
            best_of=None if searching else options.best_of,
            without_timestamps=not attempt.timestamps,
            fp16=self._dtype == torch.float16,
        )
        batch = decode_batch(self.model, features, decoding, no_repeat_ngram_size=attempt.no_repeat_ngram_size)
        return [[DecodedText(*text) for text in texts] for texts in batch]

    def align(
        self, features: Tensor, tokenizer: Tokenizer, texts: Sequence[Sequence[int]], n_frames: Sequence[int]
    ) -> list[list[AlignedWord]]:
        """Return the words of decoded clips with times, from the cross-attention."""
        return [
            self._align_one(feature, tokenizer, tokens, n)
            for feature, tokens, n in zip(features, texts, n_frames, strict=True)
        ]

    def _align_one(
        self, feature: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], n_frames: int
    ) -> list[AlignedWord]:
        """Align one clip as openai-whisper's `find_alignment` does, but for the spelling."""
        n_prompt = len(tokenizer.sot_sequence)

        def sequence(text: Sequence[int]) -> list[int]:
            return [*tokenizer.sot_sequence, tokenizer.no_timestamps, *text, tokenizer.eot]

        logits = visit_attention(self.model, feature, sequence(tokens), lambda _layer, _weights: None)
        chances = logits[n_prompt : n_prompt + len(tokens), : tokenizer.eot].softmax(dim=-1)
        probabilities = chances[torch.arange(len(tokens)), torch.tensor(tokens)]
        words = decoded_words(tokenizer, tokens, probabilities.tolist())
        spelling = spelled(tokenizer, words, self.n_text_tokens)
        attention, _ = decoder_attention(self.model, feature, sequence(spelling.tokens), self._heads)
        matrix = normalized_attention(attention[:, :, : n_frames // 2])[n_prompt:-1]
        return aligned_words(words, spelling, warping_path(-matrix.double().numpy()))

    def logprobs(
        self, feature: Tensor, tokenizer: Tokenizer, texts: Sequence[Sequence[int]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return how probable texts are in one clip: of each, the log-probabilities of its tokens and of its end.

        See `lyricsep.transcribers.whisper_internals.text_logprobs`.
        """
        prompt = tokenizer.sot_sequence_including_notimestamps
        return [
            pair
            for first in range(0, len(texts), TEXTS_TOGETHER)
            for pair in text_logprobs(
                self.model, feature, prompt, texts[first : first + TEXTS_TOGETHER], tokenizer.eot
            )
        ]

    def attention(
        self, feature: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], visit: Callable[[int, Tensor], None]
    ) -> None:
        """Show what each layer attends to before it writes each token of a text, and its end.

        Parameters
        ----------
        feature : Tensor, shape (1500, n_state)
            The clip, from `encode`.
        tokenizer : Tokenizer
            Of the language.
        tokens : sequence of int
            The text.
        visit : callable
            Called with the layer and its attention before the softmax, (n_heads, n_tokens + 1, 1500).
        """
        prompt = tokenizer.sot_sequence_including_notimestamps
        sequence = [*prompt, *tokens, tokenizer.eot]
        first = len(prompt) - 1  # what is attended to at a token writes the next
        visit_attention(self.model, feature, sequence, lambda layer, weights: visit(layer, weights[:, first:-1]))

    @property
    def n_text_tokens(self) -> int:
        """Tokens that a text may have beside its prompt and end."""
        return int(self.model.dims.n_text_ctx) - 5

    def seed(self, seed: int) -> None:
        """Seed the random numbers."""
        torch.manual_seed(seed)
