"""CLIP's text encoder: from a text to its embedding in the space of images.

A transformer (12 layers of 512 in ViT-B/32) reads the tokens of a text from left to right; what it makes of the last
one is mapped to an embedding, whose length is left as it is. Tokens are runs of bytes, merged pair by pair, in which
the last one of a word is marked.

References
----------
Radford et al.: "Learning transferable visual models from natural language supervision", ICML 2021, arXiv 2103.00020.
Names and shapes of layers are those of the checkpoints that the hub publishes under ``openai``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from lyricsep.separators.clap_text import EPSILON, HEAD_WIDTH, ClapTokenizer, TextSizes, shortened, spelled
from lyricsep.separators.state import filled

START, END = "<|startoftext|>", "<|endoftext|>"  # tokens around a text
END_OF_WORD = "</w>"

# Contractions, words, single digits, signs.
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


@dataclass(frozen=True)
class ClipTokenizer(ClapTokenizer):
    """Converts texts to CLIP's tokens, in lower case."""

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of a text; see `ClapTokenizer.tokens`."""
        tokens = [START]
        for piece in _PIECES.findall(text.lower()):
            *before, last = spelled(piece)
            tokens += self.merged([*before, last + END_OF_WORD])
        return [self.number(token) for token in (*tokens, END)]


class ClipText(nn.Module):
    """Embeddings of texts."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        width = sizes.width
        self.words = nn.Embedding(sizes.n_tokens, width)
        self.positions = nn.Embedding(sizes.n_positions, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // HEAD_WIDTH, sizes.n_hidden, 0, _gelu, EPSILON, batch_first=True, norm_first=True
            )
            for _ in range(sizes.n_layers)
        )
        self.norm = nn.LayerNorm(width, EPSILON)
        self.project = nn.Linear(width, sizes.size, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed texts of equally many tokens; ``(batch, n_tokens)`` to ``(batch, size)``.

        What does not fit into the positions is left out, but for the last token.
        """
        tokens = shortened(tokens, self.positions.num_embeddings)
        n_tokens = tokens.shape[1]
        x = self.words(tokens) + self.positions.weight[:n_tokens]
        hides = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=tokens.device).triu(1)
        for layer in self.layers:
            x = layer(x, hides)
        return cast(Tensor, self.project(self.norm(x[:, -1])))

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> ClipText:
        """Build the network from CLIP's ``text_model.*`` and ``text_projection.weight``, with the sizes they show."""
        sizes = TextSizes.of(state, _keys, layer=r"text_model\.encoder\.layers\.(\d+)\.", projection="project")
        return filled(cls(sizes), state, _keys, unused=".*")


def _gelu(x: Tensor) -> Tensor:
    """Compute OpenAI's approximation of GELU."""
    return x * torch.sigmoid(1.702 * x)


_PUBLISHED = {
    "words": "text_model.embeddings.token_embedding",
    "positions": "text_model.embeddings.position_embedding",
    "norm": "text_model.final_layer_norm",
    "project": "text_projection",
    "self_attn.out_proj": "self_attn.out_proj",
    "norm1": "layer_norm1",
    "linear1": "mlp.fc1",
    "linear2": "mlp.fc2",
    "norm2": "layer_norm2",
}


def _keys(ours: str) -> list[str]:
    """Return the published names of one of our tensors, in the order in which they are stacked."""
    layer, _, leaf = ours.rpartition(".")
    if not layer.startswith("layers."):
        return [f"{_PUBLISHED[layer]}.{leaf}"]
    _, number, part = layer.split(".", 2)
    place = f"text_model.encoder.layers.{number}"
    if part == "self_attn":
        return [f"{place}.self_attn.{one}_proj.{leaf.removeprefix('in_proj_')}" for one in "qkv"]
    return [f"{place}.{_PUBLISHED[part]}.{leaf}"]
