"""The sizes of the Whisper models that OpenAI published."""

from __future__ import annotations

# Width, heads, and layers of the encoder and of the decoder: table 1 of the Whisper paper (Radford et al., 2022,
# arXiv 2212.04356), and for turbo its announcement (openai/whisper discussion 2363): large-v3 with 4 decoder layers.
WHISPER_SIZES = {
    "tiny": (384, 6, 4, 4),
    "base": (512, 8, 6, 6),
    "small": (768, 12, 12, 12),
    "medium": (1024, 16, 24, 24),
    "large-v1": (1280, 20, 32, 32),
    "large-v2": (1280, 20, 32, 32),
    "large-v3": (1280, 20, 32, 32),
    "large-v3-turbo": (1280, 20, 32, 4),
}


def whisper_dims(name: str) -> dict[str, int]:
    """Return the ``dims`` of a published checkpoint.

    Parameters
    ----------
    name : str
        As the catalogue of Whisper models calls it; those that end in ``.en`` are as large as those without.

    Returns
    -------
    dict
        The arguments of `whisper.model.ModelDimensions`.

    Raises
    ------
    ValueError
        If no such model was published.
    """
    size = name.removesuffix(".en")
    is_english = size != name
    if size not in WHISPER_SIZES or (is_english and size.startswith("large")):
        raise ValueError(f"no Whisper model named {name!r} was published")
    width, n_heads, n_audio_layers, n_text_layers = WHISPER_SIZES[size]
    # Since large-v3 there are 128 mel bands instead of 80, and one more language.
    is_third = size.startswith("large-v3")
    return {
        "n_mels": 128 if is_third else 80,
        "n_audio_ctx": 1500,
        "n_audio_state": width,
        "n_audio_head": n_heads,
        "n_audio_layer": n_audio_layers,
        "n_vocab": 51866 if is_third else 51864 if is_english else 51865,
        "n_text_ctx": 448,
        "n_text_state": width,
        "n_text_head": n_heads,
        "n_text_layer": n_text_layers,
    }
