"""The version of lyricsep, read by the build and by every manifest, and those of libraries."""

from __future__ import annotations

__version__ = "0.2.0"

LIBRARIES = (
    "alt-eval",
    "av",
    "ctranslate2",
    "demucs",
    "jiwer",
    "numpy",
    "openai-whisper",
    "safetensors",
    "soundfile",
    "soxr",
    "torch",
    "transformers",
)


def library_versions() -> dict[str, str | None]:
    """Version of every library that can change a result; None where it is not installed."""
    from importlib import metadata

    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions
