"""Everything that lyricsep uses of openai-whisper beyond the names that `import whisper` documents.

Those parts may move in any release. They are used here alone, `tests/transcribers/test_whisper_internals.py` checks
each of them, and ``pyproject.toml`` limits the release. Importing this module imports openai-whisper, which takes
seconds: import it where it is needed, inside functions.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from whisper import _ALIGNMENT_HEADS
from whisper.audio import log_mel_spectrogram, mel_filters
from whisper.decoding import DecodingOptions, DecodingTask, LogitFilter, MaximumLikelihoodRanker
from whisper.model import ModelDimensions, Whisper, disable_sdpa
from whisper.timing import WordTiming, median_filter, merge_punctuations
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE, get_tokenizer

__all__ = [
    "LANGUAGES",
    "TO_LANGUAGE_CODE",
    "RankedText",
    "TokenizedWord",
    "Tokenizer",
    "Whisper",
    "decode_batch",
    "decoder_attention",
    "empty_whisper",
    "load_tokenizer",
    "log_mel_spectrogram",
    "mel_filters",
    "merge_punctuation",
    "normalized_attention",
    "published_alignment_heads",
    "set_alignment_heads",
    "share_cross_attention",
    "smoothed",
    "take_alignment_heads",
    "text_logprobs",
    "visit_attention",
]

MEDIAN_WIDTH = 7  # ticks; of the filter over the attention (`whisper.timing.find_alignment`)


class Tokenizer(Protocol):
    """The parts of `whisper.tokenizer.Tokenizer` that lyricsep uses."""

    language: str | None
    sot_sequence: tuple[int, ...]

    @property
    def sot_sequence_including_notimestamps(self) -> tuple[int, ...]:
        """Prompt of a text without timestamps."""
        ...

    @property
    def eot(self) -> int:
        """End of text; every token below it is text."""
        ...

    @property
    def sot(self) -> int:
        """Start of transcript."""
        ...

    @property
    def sot_prev(self) -> int:
        """Start of the previous text."""
        ...

    @property
    def sot_lm(self) -> int:
        """Start of text without audio."""
        ...

    @property
    def transcribe(self) -> int:
        """The task of transcribing."""
        ...

    @property
    def translate(self) -> int:
        """The task of translating."""
        ...

    @property
    def no_speech(self) -> int:
        """The audio holds no speech."""
        ...

    @property
    def no_timestamps(self) -> int:
        """The text has no timestamps."""
        ...

    @property
    def timestamp_begin(self) -> int:
        """The timestamp of 0 s; every later token is a later timestamp."""
        ...

    @property
    def non_speech_tokens(self) -> tuple[int, ...]:
        """Symbols such as musical notes, which are never sung."""
        ...

    def encode(self, text: str, *, disallowed_special: tuple[str, ...] = ...) -> list[int]:
        """Return the tokens of a text; special tokens in it are refused, unless none are disallowed."""
        ...

    def decode(self, token_ids: list[int]) -> str:
        """Return the text of tokens, without timestamps."""
        ...

    def split_to_word_tokens(self, tokens: list[int]) -> tuple[list[str], list[list[int]]]:
        """Return the texts and the tokens of the words."""
        ...


def load_tokenizer(n_languages: int | None, language: str = "") -> Tokenizer:
    """Return the tokenizer that transcribes.

    Parameters
    ----------
    n_languages : int or None
        Of the model; None for a model of English only.
    language : str
        ISO 639-1 code; unused for a model of English only.
    """
    if n_languages is None:
        english: Tokenizer = get_tokenizer(multilingual=False)
        return english
    tokenizer: Tokenizer = get_tokenizer(
        multilingual=True, num_languages=n_languages, language=language, task="transcribe"
    )
    return tokenizer


# The model


def empty_whisper(dims: Mapping[str, int]) -> Whisper:
    """Build a model without initialising its weights, which would take seconds.

    Parameters
    ----------
    dims : mapping
        The sizes, as `whisper.model.ModelDimensions` names them.
    """
    with _NoInitialization():
        return Whisper(ModelDimensions(**dims))


class _NoInitialization(TorchFunctionMode):
    """Skips `torch.nn.init`. The meta device, which is meant for this, cannot build the model's sparse buffer."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Some functions have no module.
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def published_alignment_heads(name: str, dims: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return the decoder layers and heads that follow time; none for a model that openai-whisper does not know.

    Parameters
    ----------
    name : str
        Of a published model.
    dims : mapping
        Its sizes, as for `empty_whisper`.
    """
    if name not in _ALIGNMENT_HEADS:
        return []
    mask = np.frombuffer(gzip.decompress(base64.b85decode(_ALIGNMENT_HEADS[name])), dtype=bool)
    pairs = np.argwhere(mask.reshape(dims["n_text_layer"], dims["n_text_head"]))
    return [(int(layer), int(head)) for layer, head in pairs]


def set_alignment_heads(model: Whisper, heads: Sequence[tuple[int, int]]) -> None:
    """Choose the decoder layers and heads whose attention times the words."""
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    mask[tuple(zip(*heads, strict=True))] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


def take_alignment_heads(model: Whisper) -> list[list[int]]:
    """Remove the alignment heads from a model, and return them as [layer, head].

    They are kept in a sparse tensor, which not every device can hold.
    """
    heads: list[list[int]] = model.alignment_heads.to_dense().nonzero().tolist()
    model.register_buffer("alignment_heads", None)
    return heads


def share_cross_attention(model: Whisper) -> None:
    """Let the decoder take one row of audio features per clip, for any number of texts per clip.

    openai-whisper expects a copy of the features for each beam or sample.
    """
    for block in model.decoder.blocks:
        block.cross_attn.forward = partial(_attend_together, block.cross_attn.forward)


def _attend_together(
    forward: Callable[..., tuple[Tensor, Tensor | None]], x: Tensor, xa: Tensor, **others: Any
) -> tuple[Tensor, Tensor | None]:
    """Let all beams of a clip attend to it as one text: nothing of the audio is masked, so one copy serves all.

    `x` has a row for each beam of each clip, `xa` one for each clip.
    """
    out, weights = forward(x.reshape(len(xa), -1, x.shape[-1]), xa, **others)
    return out.reshape(x.shape), weights


# Decoding


class RankedText(NamedTuple):
    """One of the texts that were decoded from a clip."""

    tokens: tuple[int, ...]
    """Without the prompt and the end."""
    avg_logprob: float
    """Mean log-probability of the tokens and the end."""
    no_speech_prob: float
    """Probability that the clip holds no speech."""


def decode_batch(
    model: Whisper, features: Tensor, options: DecodingOptions, *, no_repeat_ngram_size: int = 0
) -> list[list[RankedText]]:
    """Decode several clips together, with several beams or samples each.

    Parameters
    ----------
    model : Whisper
        Prepared by `share_cross_attention`.
    features : Tensor, shape (n_clips, 1500, n_state)
        From the model's encoder.
    options : DecodingOptions
        With a language.
    no_repeat_ngram_size : int
        No sequence of this many tokens occurs twice in a text; 0 allows all.

    Returns
    -------
    list of list of RankedText
        All texts of each clip, the most probable first.
    """
    task = _BatchTask(model, options)
    if no_repeat_ngram_size:
        task.logit_filters.insert(0, _NoRepeat(no_repeat_ngram_size, task.sample_begin))
    with torch.inference_mode():
        results = task.run(features)
    return [
        [RankedText(tokens, avg_logprob, result.no_speech_prob) for tokens, avg_logprob in ranked]
        for result, ranked in zip(results, task.ranker.ranked(), strict=True)
    ]


class _BatchTask(DecodingTask):  # type: ignore[misc]
    """`whisper.decoding.DecodingTask` for several clips with several beams or samples each.

    The original repeats the tokens for every beam, but not the features they attend to, which works for one clip only
    (`share_cross_attention` lets it work for more); and of several texts it returns only the most probable.
    """

    def __init__(self, model: Whisper, options: DecodingOptions) -> None:
        super().__init__(model, options)
        self.sequence_ranker = self.ranker = _Ranker(options.length_penalty)

    def _get_audio_features(self, mel: Tensor) -> Tensor:
        features: Tensor = super()._get_audio_features(mel)
        return features.repeat_interleave(self.n_group, dim=0)  # as many as `run` expects, which thins them again

    def _main_loop(self, audio_features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, list[float]]:
        results: tuple[Tensor, Tensor, list[float]] = super()._main_loop(audio_features[:: self.n_group], tokens)
        return results

    def _detect_language(self, audio_features: Tensor, tokens: Tensor) -> tuple[list[str], None]:
        return [self.options.language] * tokens.shape[0], None


class _NoRepeat(LogitFilter):  # type: ignore[misc]
    """Forbids every token that would complete a sequence of `size` tokens which the text, after the prompt, holds."""

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
        """Return the tokens and mean log-probability of all texts of each clip, the most probable first."""
        return [
            [
                (tuple(t.tolist()), sum_logprob / (len(t) + 1))
                for t, sum_logprob in sorted(
                    zip(*texts, strict=True), key=lambda text: text[1] / len(text[0]), reverse=True
                )
            ]
            for texts in zip(*self._ranked, strict=True)
        ]


# Alignment


def decoder_attention(
    model: Whisper, feature: Tensor, sequence: Sequence[int], heads: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Run the decoder over one text and return what its heads attend to.

    Parameters
    ----------
    model : Whisper
        On any device.
    feature : Tensor, shape (1500, n_state)
        The clip, from the model's encoder.
    sequence : sequence of int
        Tokens, with prompt and end.
    heads : sequence of (int, int)
        Decoder layers and heads.

    Returns
    -------
    attention : Tensor, shape (n_heads, n_tokens, 1500)
        Before the softmax; float32, on the CPU.
    logits : Tensor, shape (n_tokens, n_vocab)
        float32, on the CPU.
    """
    found: dict[int, Tensor] = {}
    logits = visit_attention(model, feature, sequence, lambda layer, weights: found.update({layer: weights}))
    attention = torch.stack([found[layer][head].cpu() for layer, head in heads])
    return attention.float(), logits


def visit_attention(
    model: Whisper, feature: Tensor, sequence: Sequence[int], visit: Callable[[int, Tensor], None]
) -> Tensor:
    """Run the decoder over one text, and show what each of its layers attends to.

    Parameters
    ----------
    model, feature, sequence
        As for `decoder_attention`.
    visit : callable
        Called with the index of each layer and its attention before the softmax, (n_heads, n_tokens, 1500).

    Returns
    -------
    Tensor, shape (n_tokens, n_vocab)
        Logits; float32, on the CPU.
    """
    logits: Tensor
    hooks = [
        block.cross_attn.register_forward_hook(lambda _, __, outs, layer=layer: visit(layer, outs[1][0]))
        for layer, block in enumerate(model.decoder.blocks)
    ]
    try:
        with torch.inference_mode(), disable_sdpa():  # the fused kernel returns no attention
            logits = model.decoder(torch.tensor([sequence], device=feature.device), feature[None])[0]
    finally:
        for hook in hooks:
            hook.remove()
    return logits.float().cpu()


def text_logprobs(
    model: Whisper, feature: Tensor, prompt: Sequence[int], texts: Sequence[Sequence[int]], end: int
) -> list[tuple[Tensor, Tensor]]:
    """Return how probable texts are in one clip.

    Parameters
    ----------
    model : Whisper
        Prepared by `share_cross_attention`.
    feature : Tensor, shape (1500, n_state)
        The clip, from the model's encoder.
    prompt : sequence of int
        Tokens before each text.
    texts : sequence of sequence of int
        Tokens of each text; one may be empty.
    end : int
        The token that ends a text.

    Returns
    -------
    list of (Tensor, Tensor)
        Of each text, on the CPU: the log-probability of each of its tokens given those before, shape (n_tokens,), and
        that of the end before the first token and after each, shape (n_tokens + 1,).
    """
    longest = max(map(len, texts))
    rows = torch.tensor([[*prompt, *text, *[end] * (longest - len(text))] for text in texts], device=feature.device)
    with torch.inference_mode():
        logits = model.decoder(rows, feature[None])[:, len(prompt) - 1 :].float()
        totals = logits.logsumexp(dim=-1)
        following = rows[:, len(prompt) :, None]
        tokens = (logits[:, :longest].gather(2, following)[..., 0] - totals[:, :longest]).cpu()
        ends = (logits[..., end] - totals).cpu()
    return [(t[: len(text)], e[: len(text) + 1]) for t, e, text in zip(tokens, ends, texts, strict=True)]


def smoothed(weights: Tensor, width: int) -> Tensor:
    """Return the median over `width` ticks, an odd number, around each (`whisper.timing.median_filter`)."""
    if width == 3 and weights.shape[-1] > 1:  # the same without sorting, and much faster
        before = torch.cat([weights[..., 1:2], weights[..., :-1]], dim=-1)
        after = torch.cat([weights[..., 1:], weights[..., -2:-1]], dim=-1)
        low, high = torch.minimum(before, after), torch.maximum(before, after)
        return torch.maximum(low, torch.minimum(high, weights))
    filtered: Tensor = median_filter(weights, width)
    return filtered


def normalized_attention(attention: Tensor) -> Tensor:
    """Return the mean over heads of normalised, smoothed attention (`whisper.timing.find_alignment`).

    Parameters
    ----------
    attention : Tensor, shape (n_heads, n_tokens, n_ticks)
        Before the softmax.

    Returns
    -------
    Tensor, shape (n_tokens, n_ticks)
    """
    weights = attention.softmax(dim=-1)
    std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    matrix: Tensor = smoothed((weights - mean) / std, MEDIAN_WIDTH).mean(dim=0)
    return matrix


class TokenizedWord(NamedTuple):
    """A word with times, or a punctuation mark."""

    text: str
    tokens: list[int]
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    probability: float
    """Mean over the tokens, 0 to 1."""


def merge_punctuation(words: Sequence[TokenizedWord], prepended: str, appended: str) -> list[TokenizedWord]:
    """Merge punctuation marks with the words they belong to (`whisper.timing.merge_punctuations`).

    Parameters
    ----------
    words : sequence of TokenizedWord
        In order.
    prepended, appended : str
        Marks that belong to the next and to the previous word.
    """
    timings = [WordTiming(*word) for word in words]
    merge_punctuations(timings, prepended, appended)
    return [TokenizedWord(w.word, w.tokens, w.start, w.end, w.probability) for w in timings if w.tokens]
