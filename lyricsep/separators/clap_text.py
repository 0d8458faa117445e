"""CLAP's text encoder: from a text to its embedding in the space of sounds.

RoBERTa (base size in the published checkpoints) reads the tokens of a text; what it makes of the first one goes
through two layers to a vector of length 1. Tokens are those of GPT-2: runs of bytes, merged pair by pair.

References
----------
Wu, Chen, Zhang, Hui, Berg-Kirkpatrick, Dubnov: "Large-scale contrastive language-audio pretraining with feature
fusion and keyword-to-caption augmentation", ICASSP 2023, arXiv 2211.06687. Liu et al.: "RoBERTa: a robustly optimized
BERT pretraining approach", arXiv 1907.11692, 2019. Names and shapes of layers are those of the published checkpoints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.separators.state import filled, shape_of
from lyricsep.weights.vocabulary import byte_letters

START, END = 0, 2  # tokens around a text
FIRST_POSITION = 2  # the places before are for padding, which is not needed here
HEAD_WIDTH = 64
EPSILON = 1e-5  # of every norm

# Contractions, words, numbers, signs, white space; a space before belongs to what follows.
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


@dataclass(frozen=True)
class ClapTokenizer:
    """Texts to tokens.

    Parameters
    ----------
    vocabulary : mapping
        Numbers of tokens; bytes are written as the characters that GPT-2 chose for them.
    ranks : mapping
        Which pairs to merge, the lowest number first.
    """

    vocabulary: Mapping[str, int]
    ranks: Mapping[tuple[str, str], int]

    @classmethod
    def read(cls, vocabulary: Path, merges: Path) -> ClapTokenizer:
        """Read the files ``vocab.json`` and ``merges.txt``; raise a `ValueError` if they are not of that kind."""
        path = vocabulary
        try:
            numbers = json.loads(path.read_text(encoding="utf-8"))
            path = merges
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path.name}: its tokens cannot be read ({error})") from error
        if not isinstance(numbers, dict) or not all(type(number) is int for number in numbers.values()):
            raise ValueError(f"{vocabulary.name}: no dictionary of whole numbers")
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        if not all(len(pair) == 2 for pair in pairs):
            raise ValueError(f"{merges.name}: these are not pairs of tokens")
        return cls(numbers, {cast(tuple[str, str], pair): rank for rank, pair in enumerate(pairs)})

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of a text, with the start and end tokens.

        Raise a `ValueError` if a token is not in the vocabulary.
        """
        numbers = [START]
        for piece in _PIECES.findall(text):
            numbers += [self.number(token) for token in self.merged(spelled(piece))]
        return [*numbers, END]

    def number(self, token: str) -> int:
        """Return the id of a token of the vocabulary."""
        if token not in self.vocabulary:
            raise ValueError(f"the vocabulary lacks {token!r}")
        return self.vocabulary[token]

    def merged(self, characters: Iterable[str]) -> list[str]:
        """Join the characters of a piece of text to tokens, as far as the ranks go."""
        parts = list(characters)
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return parts


def spelled(text: str) -> list[str]:
    """Return a text with each byte as its character in the vocabulary."""
    letters = byte_letters()
    return [letters[byte] for byte in text.encode()]


@dataclass(frozen=True)
class TextSizes:
    """The sizes of a text encoder.

    Parameters
    ----------
    n_tokens, n_positions : int
        Size of the vocabulary, and places for tokens.
    width, n_hidden : int
        Numbers per token, a multiple of 64, and inside a layer.
    n_layers : int
        Layers.
    size : int
        Numbers of an embedding.
    """

    n_tokens: int
    n_positions: int
    width: int
    n_hidden: int
    n_layers: int
    size: int

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(vars(self).values()) < 1 or self.width % HEAD_WIDTH:
            raise ValueError(f"sizes are positive, and {HEAD_WIDTH} divides the width, got {self}")

    @classmethod
    def of(
        cls, state: Mapping[str, Any], published: Callable[[str], Sequence[str]], *, layer: str, projection: str
    ) -> TextSizes:
        """Return the sizes that published tensors show.

        Parameters
        ----------
        state : mapping
            The tensors.
        published : callable
            Our names to theirs.
        layer : str
            Regular expression of the start of a published name in a layer; its group is the layer's number.
        projection : str
            Our name of the last layer.
        """

        def shape(ours: str) -> tuple[int, ...]:
            return shape_of(state, published(f"{ours}.weight")[0], 2)

        n_tokens, width = shape("words")
        n_layers = len({match[1] for key in state if (match := re.match(layer, key))})
        return cls(
            n_tokens, shape("positions")[0], width, shape("layers.0.linear1")[0], n_layers, shape(projection)[0]
        )


def shortened(tokens: Tensor, n_fitting: int) -> Tensor:
    """Leave out what does not fit of texts, ``(batch, n_tokens)``, but for the last token, which ends them."""
    if tokens.shape[1] <= n_fitting:
        return tokens
    return torch.cat([tokens[:, : n_fitting - 1], tokens[:, -1:]], dim=1)


class ClapText(nn.Module):
    """Embeddings of texts, of length 1."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        width = sizes.width
        self.words = nn.Embedding(sizes.n_tokens, width)
        self.positions = nn.Embedding(sizes.n_positions, width)
        self.kind = nn.Parameter(torch.zeros(1, width))  # of the text: there is only one
        self.norm = nn.LayerNorm(width, EPSILON)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // HEAD_WIDTH, sizes.n_hidden, 0.1, "gelu", layer_norm_eps=EPSILON, batch_first=True
            )
            for _ in range(sizes.n_layers)
        )
        self.pool = nn.Linear(width, width)
        self.project1 = nn.Linear(width, sizes.size)
        self.project2 = nn.Linear(sizes.size, sizes.size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed texts of equally many tokens; ``(batch, n_tokens)`` to ``(batch, size)``.

        What does not fit into the positions is left out, but for the last token.
        """
        tokens = shortened(tokens, self.positions.num_embeddings - FIRST_POSITION)
        places = torch.arange(tokens.shape[1], device=tokens.device) + FIRST_POSITION
        x = self.norm(self.words(tokens) + self.positions(places) + self.kind)
        for layer in self.layers:
            x = layer(x)
        pooled = torch.tanh(self.pool(x[:, 0]))
        return F.normalize(self.project2(F.relu(self.project1(pooled))), dim=-1)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> ClapText:
        """Build the network from ``text_branch.*`` and ``text_projection.*`` of CLAP, with the sizes they show."""
        sizes = TextSizes.of(state, _keys, layer=r"text_branch\.encoder\.layer\.(\d+)\.", projection="project2")
        return filled(cls(sizes), state, _keys, unused=".*")


_PUBLISHED = {
    "words": "text_branch.embeddings.word_embeddings",
    "positions": "text_branch.embeddings.position_embeddings",
    "norm": "text_branch.embeddings.LayerNorm",
    "pool": "text_branch.pooler.dense",
    "project1": "text_projection.0",
    "project2": "text_projection.2",
}
_PUBLISHED_LAYER = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


def _keys(ours: str) -> list[str]:
    """Return the published names of one of our tensors, in the order in which they are stacked."""
    if ours == "kind":
        return ["text_branch.embeddings.token_type_embeddings.weight"]
    layer, _, leaf = ours.rpartition(".")
    if not layer.startswith("layers."):
        return [f"{_PUBLISHED[layer]}.{leaf}"]
    _, number, part = layer.split(".", 2)
    place = f"text_branch.encoder.layer.{number}"
    if part == "self_attn":
        return [f"{place}.attention.self.{one}.{leaf.removeprefix('in_proj_')}" for one in ("query", "key", "value")]
    return [f"{place}.{_PUBLISHED_LAYER[part]}.{leaf}"]
