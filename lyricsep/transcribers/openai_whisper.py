"""Whisper by openai-whisper: PyTorch, any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from whisper.decoding import DecodingOptions, DecodingTask, LogitFilter, MaximumLikelihoodRanker
from whisper.model import ModelDimensions, Whisper, disable_sdpa
from whisper.timing import median_filter

from lyricsep.transcribers.alignment import AlignedWord, aligned_words, warping_path
from lyricsep.transcribers.whisper import Attempt, Hypothesis

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

    from lyricsep.transcribers.base import WhisperOptions

__all__ = ["OpenAIWhisper", "empty_whisper"]

MEDIAN_WIDTH = 7  # ticks; of the filter over the attention (openai-whisper `find_alignment`)


def empty_whisper(dims: Mapping[str, int]) -> Whisper:
    """Build a model that waits for its weights: to draw random ones first takes seconds.

    Parameters
    ----------
    dims : mapping
        The sizes, as `whisper.model.ModelDimensions` names them.
    """
    with _Undrawn():
        return Whisper(ModelDimensions(**dims))


class _Undrawn(TorchFunctionMode):
    """Where nothing is initialised; the meta device, which is for this, cannot make the model's mask of heads."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Some functions have no module.
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class OpenAIWhisper:
    """The backend that every device can run.

    Parameters
    ----------
    name : str
        For people.
    model : whisper.model.Whisper
        Becomes the backend's own: it is put on the device, on CUDA in half precision.
    device : torch.device
        Where to run.
    """

    def __init__(self, name: str, model: Whisper, device: torch.device) -> None:
        self.name = name
        self._heads: list[list[int]] = model.alignment_heads.to_dense().nonzero().tolist()
        # Only their indices are needed, and not every device takes a sparse tensor.
        model.register_buffer("alignment_heads", None)
        self.model = model.eval().to(device)
        self.n_mels = int(model.dims.n_mels)
        self.is_multilingual = bool(model.is_multilingual)
        self.n_languages = int(model.num_languages)
        for block in self.model.decoder.blocks:
            block.cross_attn.forward = partial(_attend_together, block.cross_attn.forward)
        self._dtype = torch.float16 if device.type == "cuda" else torch.float32
        for module in self.model.modules():
            # The layers that openai-whisper would cast anew at every step; the others stay in full precision there.
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
                module.to(self._dtype)

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
    ) -> list[list[Hypothesis]]:
        """Decode clips together: beam search at temperature 0, several samples above, the most probable first."""
        searching = attempt.temperature == 0
        decoding = DecodingOptions(
            language=tokenizer.language or "en",
            temperature=attempt.temperature,
            beam_size=options.beam_size if searching and options.beam_size > 1 else None,
            best_of=None if searching else options.best_of,
            without_timestamps=not attempt.timestamps,
            fp16=self._dtype == torch.float16,
        )
        task = _BatchTask(self.model, decoding)
        if attempt.no_repeat_ngram_size:
            task.logit_filters.insert(0, _NoRepeat(attempt.no_repeat_ngram_size, task.sample_begin))
        with torch.inference_mode():
            results = task.run(features)
        return [
            [Hypothesis(tokens, avg_logprob, result.no_speech_prob) for tokens, avg_logprob in found]
            for result, found in zip(results, task.ranker.ranked(), strict=True)
        ]

    def align(
        self, features: Tensor, tokenizer: Tokenizer, texts: Sequence[Sequence[int]], n_frames: Sequence[int]
    ) -> list[list[AlignedWord]]:
        """Find when each word of decoded clips is sung, by the cross-attention."""
        return [
            self._align_one(feature, tokenizer, tokens, n)
            for feature, tokens, n in zip(features, texts, n_frames, strict=True)
        ]

    def _align_one(
        self, feature: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], n_frames: int
    ) -> list[AlignedWord]:
        """Do as openai-whisper's `find_alignment`."""
        n_prompt = len(tokenizer.sot_sequence)
        sequence = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *tokens, tokenizer.eot]
        attention, logits = self._attend(feature, sequence)
        weights = attention[:, :, : n_frames // 2].softmax(dim=-1)
        std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        matrix = median_filter((weights - mean) / std, MEDIAN_WIDTH).mean(dim=0)[n_prompt:-1]
        # The path is for the tokens and, as the last, the end of the text.
        indices, ticks = warping_path(-matrix.double().numpy())
        chances = logits[n_prompt : n_prompt + len(tokens), : tokenizer.eot].softmax(dim=-1)
        probabilities = chances[torch.arange(len(tokens)), torch.tensor(tokens)]
        return aligned_words(tokenizer, tokens, (indices, ticks), probabilities.tolist())

    def _attend(self, feature: Tensor, sequence: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give the attention of the alignment heads, ``(n_heads, n_tokens, 1500)``, and the logits, on the CPU."""
        found: dict[int, Tensor] = {}
        blocks = {layer: self.model.decoder.blocks[layer] for layer, _ in self._heads}
        hooks = [
            block.cross_attn.register_forward_hook(lambda _, __, outs, layer=layer: found.update({layer: outs[1][0]}))
            for layer, block in blocks.items()
        ]
        try:
            with torch.inference_mode(), disable_sdpa():
                logits = self.model.decoder(torch.tensor([sequence], device=feature.device), feature[None])
        finally:
            for hook in hooks:
                hook.remove()
        attention = torch.stack([found[layer][head].cpu() for layer, head in self._heads])
        return attention.float(), logits[0].float().cpu()

    def seed(self, seed: int) -> None:
        """Start the random numbers anew."""
        torch.manual_seed(seed)


def _attend_together(
    forward: Callable[..., tuple[Tensor, Tensor | None]], x: Tensor, xa: Tensor, **others: Any
) -> tuple[Tensor, Tensor | None]:
    """Let all beams of a clip attend to it as one: nothing of the sound is hidden from any, so one copy serves all.

    `x` has a row for each beam of each clip, `xa` one for each clip.
    """
    out, weights = forward(x.reshape(len(xa), -1, x.shape[-1]), xa, **others)
    return out.reshape(x.shape), weights


class _BatchTask(DecodingTask):  # type: ignore[misc]
    """openai-whisper's decoding, mended for several clips with several beams or samples each.

    It repeats the tokens for every beam, but not the features they attend to, which only works for one clip (here
    `_attend_together` makes it work); and of several texts it gives the most probable alone.
    """

    def __init__(self, model: Whisper, options: DecodingOptions) -> None:
        super().__init__(model, options)
        self.sequence_ranker = self.ranker = _Ranker(options.length_penalty)

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        features: Tensor = super()._get_audio_features(mel)
        return features.repeat_interleave(self.n_group, dim=0)  # as many as `run` expects, which thins them again

    def _main_loop(self, audio_features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, list[float]]:
        found: tuple[Tensor, Tensor, list[float]] = super()._main_loop(audio_features[:: self.n_group], tokens)
        return found

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        return [self.options.language] * tokens.shape[0], None


class _NoRepeat(LogitFilter):  # type: ignore[misc]
    """Forbids every token that would end a run of `size` tokens which the text has already; the prompt is no text."""

    def __init__(self, size: int, first: int) -> None:
        self._size = size
        self._first = first

    def apply(self, logits: Tensor, tokens: Tensor) -> None:
        text = tokens[:, self._first :]
        if text.shape[1] >= self._size:
            runs = text.unfold(1, self._size, 1)
            tail = text[:, None, 1 - self._size :]
            rows, starts = (runs[..., :-1] == tail).all(dim=-1).nonzero(as_tuple=True)
            logits[rows, runs[rows, starts, -1]] = -torch.inf


class _Ranker(MaximumLikelihoodRanker):  # type: ignore[misc]
    """Remembers what it ranks."""

    def rank(self, tokens: list[list[Tensor]], sum_logprobs: list[list[float]]) -> list[int]:
        self._ranked = tokens, sum_logprobs
        best: list[int] = super().rank(tokens, sum_logprobs)
        return best

    def ranked(self) -> list[list[tuple[tuple[int, ...], float]]]:
        """Give the tokens and mean log-probability of all texts of each clip, the most probable first."""
        return [
            [
                (tuple(t.tolist()), sum_logprob / (len(t) + 1))
                for t, sum_logprob in sorted(
                    zip(*own, strict=True), key=lambda text: text[1] / len(text[0]), reverse=True
                )
            ]
            for own in zip(*self._ranked, strict=True)
        ]
