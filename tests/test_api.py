"""`import lyricsep`: light, lazy, with the options of the command line, and errors that name no flag."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from tagged_songs import make
from typer.models import OptionInfo

import lyricsep
from lyricsep import api
from lyricsep.audio import load_audio
from lyricsep.cli.app import app
from lyricsep.engines import BatchOptions
from lyricsep.formats import read_lyrics
from lyricsep.lyrics import Line, Word
from lyricsep.plan import AlignOptions, LibraryOptions, SegmentOptions, SeparateOptions, TranscribeOptions, about

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"
QUICK: dict[str, Any] = {
    "preset": "fast",
    "separator": "none",
    "model": "tiny.en",
    "language": "en",
    "beam_size": 1,
    "device": "cpu",
    "offline": True,
}
HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "whisper",
    "ctranslate2",
    "soundfile",
    "typer",
    "lyricsep.plan",
    "lyricsep.session",
)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lines of the example."""
    path = tmp_path_factory.mktemp("songs") / "Night Train.wav"
    samples, rate = soundfile.read(EXAMPLE, start=int(4.5 * 44_100), frames=int(5.5 * 44_100))
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture(scope="module")
def transcriber() -> lyricsep.Transcriber:
    try:
        return lyricsep.Transcriber(**QUICK)
    except lyricsep.LyricsepError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def lyrics(transcriber: lyricsep.Transcriber, song: Path) -> lyricsep.SongLyrics:
    return transcriber.transcribe(song)


# The import


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_alone_imports_nothing_heavy() -> None:
    code = f"import lyricsep, sys; dir(lyricsep); print([name for name in {HEAVY} if name in sys.modules])"
    assert in_a_new_process(code) == "[]\n"


def test_an_error_is_caught_without_loading_anything() -> None:
    assert (
        in_a_new_process("import lyricsep, sys; lyricsep.LyricsepError; print('torch' in sys.modules)") == "False\n"
    )


def test_the_import_takes_no_time() -> None:
    code = "import time; began = time.process_time(); import lyricsep; print(time.process_time() - began)"
    assert min(float(in_a_new_process(code)) for _ in range(3)) < 0.1  # processor seconds


def test_everything_that_is_listed_is_there() -> None:
    assert dir(lyricsep) == sorted(lyricsep.__all__)
    for name in lyricsep.__all__:
        assert getattr(lyricsep, name)
    with pytest.raises(AttributeError, match="no attribute 'transcrib'"):
        lyricsep.transcrib  # noqa: B018


# Transcribing


def test_a_song_gives_lyrics(lyrics: lyricsep.SongLyrics) -> None:
    assert "train" in lyrics.text.lower()
    assert (lyrics.language, lyrics.title) == ("en", "Night Train")
    assert lyrics.duration == pytest.approx(5.5, abs=0.01)
    assert lyrics.words == tuple(word for line in lyrics.lines for word in line.words)
    assert [word.start for word in lyrics.words] == sorted(word.start for word in lyrics.words)
    assert len(lyrics.words) > 5


def test_the_function_gives_what_the_transcriber_gives(lyrics: lyricsep.SongLyrics, song: Path) -> None:
    assert lyricsep.transcribe(str(song), **QUICK) == lyrics


def test_lyrics_have_the_names_in_the_songs_tags(transcriber: lyricsep.Transcriber, tmp_path: Path) -> None:
    samples = np.zeros((2, 44100), np.float32)
    paths = [make(tmp_path / "a.m4a", {"title": "T", "artist": "A"}, samples=samples), make(tmp_path / "b.flac", {})]
    found = [outcome.unwrap() for outcome in transcriber.stream(paths)]
    assert [(lyrics.title, lyrics.artist) for lyrics in found] == [("T", "A"), ("b", None)]
    assert found[0].save(tmp_path / "a.lrc").read_text().startswith("[ti:T]\n[ar:A]\n")


def test_a_stream_gives_outcomes(transcriber: lyricsep.Transcriber, song: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp3").write_bytes(b"no sound")
    outcomes = {one.path: one for one in transcriber.stream([str(song), tmp_path / "broken.mp3"], language="english")}
    done, failed = outcomes[song], outcomes[tmp_path / "broken.mp3"]
    assert isinstance(done.lyrics, lyricsep.SongLyrics)
    assert done.unwrap() is done.lyrics
    assert isinstance(failed.error, lyricsep.LyricsepError)
    with pytest.raises(lyricsep.LyricsepError):
        failed.unwrap()


def test_songs_are_read_lazily(transcriber: lyricsep.Transcriber) -> None:
    transcriber.stream(pytest.fail("read") for _ in range(1))


@pytest.mark.parametrize("kind", [str, Path])
def test_one_path_in_place_of_a_list_is_refused(transcriber: lyricsep.Transcriber, kind: type) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        transcriber.stream(kind("song.mp3"))


def test_a_table_has_a_row_per_word(lyrics: lyricsep.SongLyrics) -> None:
    pytest.importorskip("pandas")
    table = lyrics.to_dataframe()
    assert list(table.columns) == ["line", "word", "start", "end", "text", "probability"]
    assert table["text"].tolist() == [word.text for word in lyrics.words]
    assert table["start"].tolist() == [word.start for word in lyrics.words]
    assert table["line"].tolist() == [number for number, line in enumerate(lyrics.lines) for _ in line.words]
    assert table["probability"].between(0, 1).all()


def test_a_line_without_words_is_a_row() -> None:
    pytest.importorskip("pandas")
    lines = (
        Line(0.0, 1.0, "one two", (Word(0.0, 0.5, "one", 0.9), Word(0.5, 1.0, "two", 0.8))),
        Line(2.0, 3.0, "x y"),
    )
    table = lyricsep.SongLyrics(lines, "en", 3.0).to_dataframe()
    assert table[["line", "start", "end", "text"]].to_numpy().tolist() == [
        [0, 0.0, 0.5, "one"],
        [0, 0.5, 1.0, "two"],
        [1, 2.0, 3.0, "x y"],
    ]
    assert table["word"].isna().tolist() == table["probability"].isna().tolist() == [False, False, True]
    empty = lyricsep.SongLyrics().to_dataframe()
    assert (len(empty), empty.columns[0]) == (0, "line")


@pytest.mark.parametrize("suffix", [".json", ".lrc", ".srt", ".txt", ".LRC"])
def test_lyrics_are_saved(lyrics: lyricsep.SongLyrics, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "new" / f"song{suffix}"
    assert lyrics.save(str(target)) == target
    assert read_lyrics(target).text.split() == lyrics.text.split()
    with pytest.raises(lyricsep.LyricsepError, match=r"exists already; .*overwrite=True") as caught:
        lyrics.save(target)
    assert "--" not in str(caught.value)
    lyrics.save(target, overwrite=True)


def test_a_format_may_be_named(lyrics: lyricsep.SongLyrics, tmp_path: Path) -> None:
    lyrics.save(tmp_path / "song.lrc", format="elrc")
    assert "<00:" in (tmp_path / "song.lrc").read_text(encoding="utf-8")
    assert "Night Train" in (tmp_path / "song.lrc").read_text(encoding="utf-8")
    for arguments in ({"path": tmp_path / "song.xyz"}, {"path": tmp_path / "song.txt", "format": "xyz"}):
        with pytest.raises(ValueError, match="no format is called 'xyz'; there are txt"):
            lyrics.save(**arguments)


# Separating, segmenting, scoring


def test_a_song_is_taken_apart(song: Path) -> None:
    stems = lyricsep.separate(str(song), separator="spleeter", device="cpu", offline=True)
    mixture = load_audio(song)
    assert stems.sample_rate == mixture.sample_rate
    assert stems.vocals.shape == stems.accompaniment.shape == mixture.samples.shape
    np.testing.assert_allclose(stems.vocals + stems.accompaniment, mixture.samples.numpy(), atol=1e-6)
    assert np.abs(stems.accompaniment).max() > 0.01


def test_a_song_is_segmented(song: Path) -> None:
    spans = lyricsep.segment(song, separator="none", device="cpu")
    assert spans
    assert all(0 <= span.start < span.end <= 5.6 for span in spans)
    assert lyricsep.segment(song, separator="none", floor_db=-1.0, device="cpu") == []


def test_lyrics_are_scored() -> None:
    assert lyricsep.score("I ride the train", "I rode the train", "en").rates["WER"] == 0.25
    texts = "One two", "one two."
    assert lyricsep.score(*texts, "english").counts.case_errors == 1
    assert lyricsep.score(*texts, "english", normalise=True).counts.case_errors == 0


# What is wrong

CALLS = {
    "Transcriber": lambda **options: lyricsep.Transcriber(**options),
    "transcribe": lambda **options: lyricsep.transcribe(EXAMPLE, **options),
    "separate": lambda **options: lyricsep.separate(EXAMPLE, **options),
    "segment": lambda **options: lyricsep.segment(EXAMPLE, **options),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_unknown_option_is_a_type_error(call: Any) -> None:
    with pytest.raises(TypeError, match="'seperator'"):
        call(seperator="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({"mix_back": 1.5}, "mix_back must be at least 0 and at most 1, got 1.5"),
        ({"mix_back": float("nan")}, "mix_back must be"),
        ({"onset": 0}, "onset must be at least 0.001"),
        ({"temperatures": "0,0.2"}, "temperatures must be a sequence of numbers, got the text '0,0.2'"),
        ({"no_repeat_ngram_sizes": "8"}, "no_repeat_ngram_sizes must be a sequence of numbers"),
    ],
)
def test_a_value_out_of_range_is_a_value_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lyricsep.Transcriber(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "slow"},
        {"separator": "spleter"},
        {"model": "tin"},
        {"backend": "ears"},
        {"language": "klingon"},
        {"device": "tpu"},
        {"native": True, "onset": 0.2},
        {"model": "tiny.en", "language": "fr"},
    ],
    ids=str,
)
def test_what_does_not_exist_is_one_line_without_a_flag(options: dict[str, Any]) -> None:
    with pytest.raises(lyricsep.LyricsepError) as caught:
        lyricsep.Transcriber(**{"device": "cpu", "offline": True, **options})
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no sound"], ids=["gone", "empty", "no sound"])
def test_a_failing_song_raises_without_a_flag(
    transcriber: lyricsep.Transcriber, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "song.mp3"
    if content is not None:
        path.write_bytes(content)
    for call in (
        transcriber.transcribe,
        lambda song: lyricsep.segment(song, separator="none", device="cpu"),
        lambda song: lyricsep.separate(song, separator="none", device="cpu"),
    ):
        with pytest.raises(lyricsep.LyricsepError, match=r"song\.mp3") as caught:
            call(path)
        assert "--" not in str(caught.value)
        assert "\n" not in str(caught.value)


# The examples


@pytest.fixture
def _songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("song", "another"):
        shutil.copy(EXAMPLE, tmp_path / f"{name}.mp3")
        shutil.copy(EXAMPLE.with_suffix(".txt"), tmp_path / f"{name}.txt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LYRICSEP_OFFLINE", "1")


EXAMPLES = [found for found in doctest.DocTestFinder().find(api, globs={"lyricsep": lyricsep}) if found.examples]


@pytest.mark.slow
@pytest.mark.usefixtures("_songs")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_examples_run(example: doctest.DocTest, capsys: pytest.CaptureFixture[str]) -> None:
    # What Whisper hears is no part of the documentation: the loop's output is looked at here.
    prints = [one for one in example.examples if "print(" in one.source]
    for one in prints:
        one.options[doctest.ELLIPSIS] = True
        one.want = "song.mp3 ...\nanother.mp3 ...\n"
    result = doctest.DocTestRunner().run(example, clear_globs=False)
    assert result.attempted == len(example.examples)
    assert result.failed == 0, capsys.readouterr().out
    for outcome in filter(None, [example.globs.get("outcome")]):
        assert outcome.error is None
        assert "train" in outcome.lyrics.text.lower()


def test_there_are_examples() -> None:
    assert {example.name.rpartition(".")[2] for example in EXAMPLES} == {
        *("Aligner", "Transcriber", "align", "correct", "transcribe", "separate", "segment", "score")
    }


# The command line has the same options

COMMANDS = {
    "align": (AlignOptions,),
    "transcribe": (TranscribeOptions,),
    "segment": (SegmentOptions,),
    "separate": (SeparateOptions,),
    "batch run": (LibraryOptions, BatchOptions),
}


def command_of(name: str) -> Any:
    found: Any = typer.main.get_command(app)
    for part in name.split():
        found = found.commands[part]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_options_of_its_classes(name: str) -> None:
    parameters = {parameter.name: parameter for parameter in command_of(name).params}
    for options in COMMANDS[name]:
        documented = about(options)
        assert set(documented) == {each.name for each in fields(options)}
        for each in fields(options):
            flag, option = parameters[each.name], documented[each.name]
            assert f"--{each.name.replace('_', '-')}" in flag.opts, each.name
            assert flag.help == option.help
            assert flag.default == (None if each.default is MISSING else each.default)
            # Where the range is kept depends on the version of Typer.
            kind = flag if hasattr(flag, "min") else flag.type
            assert (getattr(kind, "min", None), getattr(kind, "max", None)) == (option.min, option.max)


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, all_ in COMMANDS.items() for options in all_]
)
def test_an_option_without_a_default_says_what_stands_for_it(name: str, options: type) -> None:
    documented = about(options)
    for each in fields(options):
        assert each.default is not None or documented[each.name].default, f"{name} {each.name}"
        assert documented[each.name].help.endswith(".")
        assert "--" not in documented[each.name].help


def test_every_command_over_songs_derives_its_flags() -> None:
    """No flag of these commands repeats an option of the classes by hand."""
    for name, classes in COMMANDS.items():
        derived = {each.name for options in classes for each in fields(options)}
        written = {
            parameter.name
            for parameter in inspect.signature(inspect.unwrap(command_of(name).callback)).parameters.values()
            if parameter.annotation not in classes and not isinstance(parameter.default, OptionInfo)
        }
        assert not written & derived, name


def test_the_classes_extend_each_other() -> None:
    assert list(about(TranscribeOptions))[: len(about(SegmentOptions))] == list(about(SegmentOptions))
    assert list(about(SegmentOptions))[: len(about(SeparateOptions))] == list(about(SeparateOptions))


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = Path(__file__).resolve().parents[1] / "README.md"
    (example,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name in ("song", "a", "b"):
        shutil.copy(EXAMPLE, f"{name}.mp3")
    shutil.copy(EXAMPLE.with_suffix(".txt"), "song.txt")
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    assert (tmp_path / "song.lrc").read_text(encoding="utf-8").count("\n") > 5


@pytest.mark.slow
def test_a_notebook_goes_from_songs_to_words_subtitles_and_errors(tmp_path: Path) -> None:
    """Ten lines: transcribe songs, look at the words, save subtitles, score, and meet a song that fails."""
    gone = tmp_path / "gone.mp3"
    transcriber = lyricsep.Transcriber(preset="fast", language="english", offline=True)
    first, second = transcriber.stream([EXAMPLE, gone])
    if first.error:
        first, second = second, first
    words = first.unwrap().to_dataframe()
    assert words["start"].is_monotonic_increasing
    first.unwrap().save(tmp_path / "song.srt")
    assert " --> " in (tmp_path / "song.srt").read_text(encoding="utf-8")
    reference = EXAMPLE.with_suffix(".txt").read_text(encoding="utf-8")
    assert 0 <= lyricsep.score(reference, first.unwrap().text, "en").rates["WER"] < 0.5
    with pytest.raises(lyricsep.LyricsepError, match=r"gone.mp3: no such file") as failure:
        second.unwrap()
    assert "--" not in str(failure.value)
