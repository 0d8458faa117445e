"""What the command line says of itself, and what it says to those who hold it wrongly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Outcome

from lyricsep.version import __version__

COMMANDS = [
    *("", "transcribe", "batch run", "batch status", "separate", "segment", "convert", "doctor"),
    *("models", "models list", "models show", "models pull", "models convert"),
]


def test_every_help_answers_without_the_heavy_libraries() -> None:
    script = f"""
import sys
from lyricsep.cli import main
for command in {COMMANDS!r}:
    sys.argv = ["lyricsep", *command.split(), "--help"]
    try:
        main()
    except SystemExit as left:
        assert left.code == 0, command
heavy = {{"torch", "librosa", "whisper", "ctranslate2", "demucs", "av", "soundfile", "requests"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f"Usage: lyricsep {command}".rstrip() in done.stdout


def test_help_shows_the_defaults(run: Callable) -> None:
    told = run("transcribe", "--help").out
    for text in (
        "[default: lyrics]",
        "txt,lrc,json",
        "lyricsep[embedded]",
        "LYRICSEP_OFFLINE",
        "0.3;",
    ):
        assert text in told


def test_version(run: Callable) -> None:
    assert run("--version") == Outcome(0, f"lyricsep {__version__}\n", "")


@pytest.mark.parametrize("command", [(), ("models",)])
def test_no_arguments_show_the_help(run: Callable, command: tuple[str, ...]) -> None:
    told = run(*command)
    assert told.code == 2
    assert "Commands:" in told.out + told.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("sing", "lyricsep: No such command 'sing'"),
        ("transcribe", "Missing argument 'SONG'"),
        ("transcribe x --bach-size 2", "No such option: --bach-size"),
        ("transcribe x --batch-size 0", "Invalid value for '--batch-size'"),
        ("transcribe x --beam-size many", "Invalid value for '--beam-size'"),
        ("transcribe x --onset 2", "Invalid value for '--onset'"),
        ("transcribe x --separator spleter", "no separator is called 'spleter'; did you mean 'spleeter'?"),
        ("transcribe x --model bas", "no Whisper model is called 'bas'; did you mean 'base'?"),
        ("transcribe x --preset quick", "no preset is called 'quick'; choose from fast, balanced, best, paper"),
        ("transcribe x --backend wisper", "choose from openai-whisper, ctranslate2"),
        ("transcribe x --format txt,doc", "--format txt,doc: choose from txt, lrc, srt, vtt, json"),
        ("transcribe x --format ,", "--format ,: choose from txt"),
        ("transcribe x --device tpu", "device tpu: unknown; set --device to auto, cpu, cuda"),
        ("transcribe x --device cuda:77", "device cuda:77: not on this machine"),
        ("transcribe x --language klingon", "Whisper does not know Klingon (tlh); leave --language out"),
        ("transcribe x --mix-back loud", "Invalid value for '--mix-back'"),
        ("transcribe x --mix-back 2", "Invalid value for '--mix-back'"),
        ("transcribe x --mix-back nan", "Invalid value for '--mix-back'"),
        ("transcribe x --floor-db 6", "floor_db <= 0 dBFS"),
        ("transcribe x --no-repeat-ngram-sizes few", "few: expected whole numbers such as 8,3, or 0 for none"),
        ("transcribe x --no-repeat-ngram-sizes 8,1", "no_repeat_ngram_sizes must be at least 2 each, got (8, 1)"),
        ("transcribe x --temperatures hot", "temperatures hot: expected numbers such as 0,0.2,0.4"),
        # What contradicts itself.
        ("transcribe x --onset 0.1 --offset 0.2", "0 < offset <= onset <= 1"),
        ("transcribe x --native --min-silence 2", "which does not segment; leave out --onset"),
        ("transcribe x --model tiny.en --language fr", "tiny.en transcribes English only; set --model tiny"),
        ("transcribe x --output - --format lrc,srt", "--output - prints one format"),
        ("separate x --format aac", "--format aac: choose from wav, flac, mp3, opus"),
        ("separate x --separator nobody", "no separator is called 'nobody'"),
        ("segment x --format srt", "--format srt: choose one of csv, json, audacity"),
        ("segment x --preset paper --separator none --offset 0.2", "0 < offset <= onset <= 1"),
        ("models show nothing", "no model is called 'nothing'"),
        ("models pull base nothing", "no model is called 'nothing'"),
    ],
)
def test_wrong_usage_is_one_line_and_no_work(run: Callable, tmp_path: Path, arguments: str, message: str) -> None:
    told = run(*arguments.split())
    assert (told.code, told.out) == (2, "")
    assert message in told.err
    assert told.err.startswith("lyricsep")
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "not even a folder"


def test_a_name_with_a_leading_dash_is_told_from_an_option(run: Callable) -> None:
    assert run("transcribe", "-song.mp3").code == 2
    told = run("transcribe", "--", "-song.mp3")
    assert told.code == 1
    assert "failed: -song.mp3: no such file" in told.err
