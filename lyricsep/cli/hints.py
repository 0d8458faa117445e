"""What to type instead: options of other programs, and songs where a command is expected."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import typer

from lyricsep.files import is_there
from lyricsep.inputs import AUDIO_SUFFIXES
from lyricsep.remote import is_url

# Options of whisper, faster-whisper, whisperX, demucs and spleeter, in their spelling or ours.
_STEMS = "`lyricsep separate SONG --stems vocals,accompaniment` writes stems; others have --keep-stems"
_INSTEAD: Mapping[str, str] = {
    "--stems": _STEMS,
    "--two-stems": _STEMS,
    "--output-dir": "use --output DIR",
    "--out": "use --output DIR",
    "--output-path": "use --output DIR",
    "--output-format": "use --format, such as --format srt",
    "--filename-format": "results are named like their songs",
    "--task": "songs are transcribed in their own language; they are not translated",
    "--translate": "songs are transcribed in their own language; they are not translated",
    "--temperature": "use --temperatures",
    "--word-timestamps": "words have times in the formats json, elrc, ass, vtt and textgrid",
    "--highlight-words": "words have times in the formats json, elrc, ass, vtt and textgrid",
    "--fp16": "the precision is chosen for the device",
    "--compute-type": "the precision is chosen for the device",
    "--threads": "all cores are used; OMP_NUM_THREADS sets another number",
    "--jobs": "`lyricsep batch run` has --workers",
    "--model-dir": "the variable LYRICSEP_CACHE names the folder of models",
    "--repo": "the variable LYRICSEP_CACHE names the folder of models",
    "--model-name": "use --model, or --separator for the separation",
    "--name": "use --separator NAME",
    "-n": "use --separator NAME",
    "-p": "use --preset NAME, or --separator NAME",
    "-d": "use --device",
    "-j": "`lyricsep batch run` has --workers",
    "--mp3": "use --format mp3",
    "--flac": "use --format flac",
    "--float32": "use --format wav (32-bit float) or --format flac (24-bit)",
    "--int24": "use --format flac (24-bit)",
    "--vad-filter": "the sung segments are found by their energy: --onset, --offset, --min-silence, --floor-db",
    "--vad-method": "the sung segments are found by their energy: --onset, --offset, --min-silence, --floor-db",
    "--align-model": "use `lyricsep align --aligner ctc:MODEL` for lyrics that are known",
}


def hint_of(error: typer.BadParameter) -> str:
    """Return what to type instead of what was wrong; empty where that is not known."""
    option = cast("str | None", getattr(error, "option_name", None))
    if option and error.message.startswith("No such option"):
        known = {name for parameter in error.ctx.command.params for name in parameter.opts} if error.ctx else set()
        spelled = option.replace("_", "-")
        return f"use {spelled}" if spelled in known else _INSTEAD.get(spelled, "")
    command = re.fullmatch(r"No such command '(.+)'\.?", error.message)
    if command and error.ctx and _is_song(command[1]):
        name = shlex.quote(command[1])
        is_batch = error.ctx.command_path.endswith("batch")
        return f"to transcribe it: `lyricsep {f'batch run {name} -o DIR' if is_batch else f'transcribe {name}'}`"
    return ""


def _is_song(name: str) -> bool:
    return is_url(name) or Path(name).suffix.lower() in AUDIO_SUFFIXES or "/" in name or is_there(Path(name))
