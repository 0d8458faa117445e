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
        # Options of other programs.
        (
            "transcribe x --stems",
            "lyricsep transcribe: No such option: --stems; `lyricsep separate SONG --stems vocals,",
        ),
        ("transcribe x --two-stems vocals", "No such option: --two-stems; `lyricsep separate SONG --stems vocals,"),
        ("separate x -n htdemucs", "No such option: -n; use --separator NAME"),
        ("separate x -p spleeter:2stems", "No such option: -p; use --preset NAME, or --separator NAME"),
        ("separate x --mp3", "No such option: --mp3; use --format mp3"),
        ("transcribe x --output_dir out", "No such option: --output_dir; use --output DIR"),
        ("transcribe x --output_format srt", "No such option: --output_format; use --format, such as --format srt"),
        ("transcribe x --beam_size 5", "No such option: --beam_size; use --beam-size"),
        ("transcribe x --task translate", "No such option: --task; songs are transcribed in their own language"),
        ("transcribe x --word_timestamps True", "No such option: --word_timestamps; words have times in the formats"),
        ("transcribe x --fp16 False", "No such option: --fp16; the precision is chosen for the device"),
        ("transcribe x --threads 4", "No such option: --threads; all cores are used; OMP_NUM_THREADS sets another"),
        ("transcribe x --temperature 0", "No such option: --temperature; use --temperatures"),
        ("transcribe x --model_dir x", "No such option: --model_dir; the variable LYRICSEP_CACHE names the folder"),
        # Songs where a command is expected.
        ("song.mp3", "lyricsep: No such command 'song.mp3'; to transcribe it: `lyricsep transcribe song.mp3`"),
        ("s3://bucket/song", "to transcribe it: `lyricsep transcribe s3://bucket/song`"),
        ("albums/", "to transcribe it: `lyricsep transcribe albums/`"),
        ("batch albums/", "to transcribe it: `lyricsep batch run albums/ -o DIR`"),
        # Files where a folder is expected.
        (
            "transcribe x -f srt -o song.srt",
            "--output song.srt: names a folder for the results, which are named like",
        ),
        ("separate x -o vocals.WAV", "--output vocals.WAV: names a folder for the results"),
        ("segment x -o -", "--output -: this command writes files; name a folder"),
        ("batch run x -o -", "--output -: this command writes files; name a folder"),
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


@pytest.mark.parametrize(
    "command",
    [
        "transcribe x",
        "align x",
        "separate x",
        "segment x",
        "batch run x",
        "convert x.lrc -f txt",
        "correct x.lrc --with x",
    ],
)
def test_an_output_that_is_a_file(run: Callable, tmp_path: Path, command: str) -> None:
    (tmp_path / "afile").touch()
    (tmp_path / "x").touch()
    (tmp_path / "x.lrc").write_text("[00:01.00]la\n")
    told = run(*command.split(), "-o", "afile")
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[-1] == "lyricsep: --output afile: is a file; name a folder for the results"


@pytest.mark.parametrize("command", ["transcribe", "align", "batch run -o out"])
def test_a_language_in_a_row_of_a_list(run: Callable, tmp_path: Path, command: str) -> None:
    for language, message in (
        ("Klingon", "Whisper does not know Klingon (tlh)"),
        ("xx", "no language is called 'xx'"),
    ):
        (tmp_path / "list.csv").write_text(f"path,language\na.mp3,en\nb.mp3,{language}\n")
        told = run(*command.split(), "list.csv")
        assert (told.code, told.out) == (2, "")
        assert told.err.splitlines()[-1] == (
            f"lyricsep: list.csv: row 3: {message}; change the row, or leave its language empty to let it be detected"
        )


@pytest.mark.parametrize(("name", "model"), [("turbo", "large-v3-turbo"), ("large", "large-v3")])
def test_names_of_models_of_openai_whisper(run: Callable, name: str, model: str) -> None:
    assert run("models", "show", name).out == run("models", "show", model).out
    told = run("transcribe", "x", "--model", name)
    assert told.err.splitlines()[0].count(f" + {model} by ") == 1


def test_formats_in_capitals_and_with_dots(run: Callable) -> None:
    Path("a.lrc").write_text("[00:01.00]la\n")
    assert run("convert", "a.lrc", "-f", "SRT, .vtt", "-o", "out").out == "out/a.srt\nout/a.vtt\n"
