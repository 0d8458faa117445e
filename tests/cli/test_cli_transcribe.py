"""`lyricsep transcribe`: the whole job, with the weights that come as packages."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alt_eval
import numpy as np
import pytest
import soundfile
from command_line import EXAMPLE, QUICK, QUICKEST, Outcome, finish, manifest_of
from numpy.typing import NDArray
from tagged_songs import make

from lyricsep.files import file_digest
from lyricsep.formats import FORMATS, file_suffixes
from lyricsep.presets import PRESETS
from lyricsep.separators import find_separator
from lyricsep.separators.passthrough import Passthrough
from lyricsep.transcribers import find_model
from lyricsep.version import __version__, library_versions

TEXT = EXAMPLE.with_suffix(".txt").read_text(encoding="utf-8")


def word_error_rate(hypothesis: str, reference: str = TEXT) -> float:
    return float(alt_eval.compute_metrics([reference], [hypothesis], languages="en")["WER"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Outcome:
    """The example with nothing chosen but the formats, in a process of its own."""
    return finish("transcribe", EXAMPLE, "--format", ",".join(FORMATS), "--verbose", "--device", "cpu", cwd=folder)


@pytest.fixture(scope="module")
def manifest(whole: Outcome, folder: Path) -> dict[str, Any]:
    assert whole.code == 0, whole.err
    return manifest_of(folder / "lyrics")


def test_the_example_becomes_lyrics(whole: Outcome, folder: Path) -> None:
    assert whole.code == 0, whole.err
    rate = word_error_rate((folder / "lyrics" / "night_train.txt").read_text(encoding="utf-8"))
    print(f"WER of the example: {rate:.3f}")
    assert rate < 0.35


def test_stdout_is_the_written_paths_and_nothing_else(whole: Outcome, folder: Path) -> None:
    assert whole.written == [Path("lyrics") / f"night_train{suffix}" for suffix in file_suffixes(FORMATS)]
    assert all((folder / path).stat().st_size for path in whole.written)
    left = {path.name for path in (folder / "lyrics").iterdir()} - {path.name for path in whole.written}
    assert left == {".lyricsep"}, "and the manifest"


def test_stderr_says_what_was_chosen_and_what_each_stage_did(whole: Outcome) -> None:
    first, *rest = whole.err.splitlines()
    assert re.fullmatch(
        r"preset fast \(chosen for your hardware\): spleeter \+ base by .* on cpu: \d+ threads", first
    ), first
    stages = [
        r".*night_train.mp3: decoding and separation \d+\.\d s for 49\.5 s of audio",
        r".*night_train.mp3: segmentation \d+\.\d s, \d segments, \d+\.\d s sung",
        r".*night_train.mp3: transcription \d+\.\d s, \d+ lines",
    ]
    for stage in stages:
        assert any(re.fullmatch(stage, line) for line in rest), (stage, rest)
    # And no library adds its own noise.
    assert all(line.startswith(("night_train.mp3:", str(EXAMPLE))) or "night_train.mp3" in line for line in rest), (
        rest
    )


def test_every_format_tells_the_same_lines(whole: Outcome, folder: Path) -> None:
    texts = {
        name: (folder / "lyrics" / f"night_train{suffix}").read_text(encoding="utf-8")
        for name, suffix in zip(FORMATS, file_suffixes(FORMATS), strict=True)
    }
    lines = [line["text"] for line in json.loads(texts["json"])["lines"]]
    assert [line for line in texts["txt"].splitlines() if line] == lines
    for name in FORMATS:
        # Where the times of words stand between them, the words are what is left.
        plain = re.sub(r"<[\d:.]+>|</?c>|\{\\kf?\d+\}", "", texts[name])
        plain = " ".join(html.unescape(plain).split()) if name in ("elrc", "ttml", "vtt") else plain
        assert all(line in plain for line in lines), name


def test_results_have_the_names_in_the_songs_tags(
    run: Callable, excerpt: NDArray[np.float32], tmp_path: Path
) -> None:
    suffixes = (".mp3", ".ogg", ".mkv")
    samples = np.ascontiguousarray(excerpt.T)
    for suffix in suffixes:
        make(
            tmp_path / "in" / suffix[1:] / f"{suffix[1:]}{suffix}",
            {"title": "Été 題", "artist": "Zoë"},
            samples=samples,
        )
    make(tmp_path / "in" / "none.mp3", {"album": "Album"}, samples=samples)
    told = run("transcribe", "in", "-o", "out", "-f", "lrc,json,ass,ttml", *QUICKEST)
    assert told.code == 0, told.err
    assert len(told.written) == 4 * (len(suffixes) + 1)
    for name in [f"{suffix[1:]}/{suffix[1:]}" for suffix in suffixes]:
        texts = {kind: Path(f"out/{name}.{kind}").read_text() for kind in ("lrc", "json", "ass", "ttml")}
        assert texts["lrc"].startswith("[ti:Été 題]\n[ar:Zoë]\n")
        document = json.loads(texts["json"])
        assert (document["title"], document["artist"]) == ("Été 題", "Zoë")
        assert "\nTitle: Été 題\n" in texts["ass"]
        assert "<ttm:title>Été 題</ttm:title>" in texts["ttml"]
    assert Path("out/none.lrc").read_text().startswith("[ti:none]\n[length:")
    # And on the pages of songs, of the run, and of the review.
    assert run("report", "out", "--audio", "none").code == 0
    assert "Été 題 – lyrics" in Path("out/report/mp3/mp3.html").read_text()


def test_lines_are_sung_when_the_file_says(whole: Outcome, folder: Path) -> None:
    truth = json.loads(EXAMPLE.with_suffix(".json").read_text(encoding="utf-8"))["lines"]
    told = json.loads((folder / "lyrics" / "night_train.json").read_text(encoding="utf-8"))["lines"]
    near = [min(abs(line["start"] - heard["start"]) for heard in told) for line in truth]
    assert sorted(near)[len(near) // 2] < 0.5
    assert max(near) < 3


def test_the_manifest_tells_how_it_was_made(manifest: dict[str, Any]) -> None:
    assert manifest["schema"] == "lyricsep/manifest"
    assert manifest["lyricsep"] == __version__
    assert manifest["libraries"] == library_versions()
    assert manifest["command"][1] == "transcribe"
    assert manifest["plan"]["formats"] == list(FORMATS)
    plan = manifest["plan"]
    assert (plan["separator"], plan["model"], plan["seed"], plan["onset"]) == ("spleeter", "base", 0, 0.1)
    assert plan["mix_back"] == PRESETS["fast"].transcription.mix_back
    files = [*find_separator("spleeter").files, *find_model("base").files]
    assert manifest["weights"] == [{"name": file.name, "sha256": file.sha256} for file in files]
    assert manifest["device"].startswith("cpu")
    assert manifest["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_manifest_records_the_song(manifest: dict[str, Any]) -> None:
    (song,) = manifest["songs"]
    assert song["path"] == str(EXAMPLE)
    assert song["sha256"] == file_digest(EXAMPLE)[0]
    assert (song["status"], song["vocals_found"], song["language"]) == ("done", True, "en")
    assert song["duration"] == pytest.approx(49.53, abs=0.05)
    assert song["damage"] == []
    assert song["results"] == [f"lyrics/night_train{suffix}" for suffix in file_suffixes(FORMATS)]
    assert set(song["seconds"]) == {"separation", "segmentation", "transcription"}
    assert all(seconds >= 0 for seconds in song["seconds"].values())


def test_running_twice_gives_the_same_bytes(excerpt: np.ndarray, tmp_path: Path) -> None:
    # Backwards nothing makes sense to the model: what it draws at random depends on the numbers it is given.
    soundfile.write(tmp_path / "song.wav", excerpt[::-1], 44100)
    options = (*QUICKEST, "--temperatures", "0.6,0.8")
    for output, seed in (("one", "0"), ("two", "0"), ("three", "1")):
        done = finish("transcribe", "song.wav", "-o", output, "--seed", seed, *options, cwd=tmp_path)
        assert done.code == 0
    for name in ("song.txt", "song.lrc", "song.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    one, three = (
        json.loads((tmp_path / name / "song.json").read_text(encoding="utf-8")) for name in ("one", "three")
    )
    assert one["lines"]
    assert one["decodings"] != three["decodings"]


def test_existing_results_are_refused_before_any_work(
    run: Callable, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "lyrics" / "song.lrc"
    old.parent.mkdir()
    old.write_text("mine")

    def work(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("lyricsep.plan.create_separator", work)
    told = run("transcribe", song, *QUICKEST)
    assert (told.code, told.out) == (1, "")
    assert "failed: lyrics/song.lrc: exists already; set --overwrite to replace it" in told.err
    assert old.read_text() == "mine"
    assert not (tmp_path / "lyrics" / "song.txt").exists()
    (record,) = manifest_of(old.parent)["songs"]
    assert record["status"] == "failed"
    assert "exists already" in record["error"]


def test_output_dash_prints_the_lyrics(run: Callable, song: Path, tmp_path: Path) -> None:
    told = run("transcribe", song, "-o", "-", *QUICK)
    assert told.code == 0
    first, second, *_ = told.out.splitlines()
    assert first.startswith("I left my")
    assert "streets" in second
    assert list(tmp_path.iterdir()) == [song], "and leaves nothing behind"


def test_options_reach_the_stages_and_the_manifest(run: Callable, song: Path) -> None:
    told = run(
        "transcribe", song, *QUICKEST, "--preset", "fast", "--backend", "openai-whisper", "--language", "English",
        "--batch-size", "2", "--seed", "7", "--timestamps", "--onset", "0.05", "--min-silence", "0.5",
        "--floor-db", "-50", "-f", "txt", "--no-repeat-ngram-sizes", "6,4", "--temperatures", "0,0.5",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert told.err.startswith("preset fast: none + tiny.en by openai-whisper on ")
    plan = manifest_of(Path("lyrics"))["plan"]
    assert plan["language"] == "en"
    assert plan["backend"] == "openai-whisper"
    expected = {
        "mix_back": 0.3,
        "beam_size": 1,
        "batch_size": 2,
        "seed": 7,
        "no_repeat_ngram_sizes": [6, 4],
        "temperatures": [0.0, 0.5],
        "timestamps": True,
    }
    assert plan.items() >= expected.items()
    # An offset that was not given follows the onset down.
    expected = {"onset": 0.05, "offset": 0.05, "min_silence": 0.5, "floor_db": -50.0}
    assert plan.items() >= expected.items()


def test_native_hears_the_whole_song(run: Callable, song: Path) -> None:
    told = run("transcribe", song, "--native", "-f", "json", *QUICKEST)
    assert told.code == 0, told.err
    settings = manifest_of(Path("lyrics"))["plan"]
    assert settings["temperatures"] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "as Whisper itself"
    assert settings["no_repeat_ngram_sizes"] == [], "as Whisper itself"
    assert settings["compression_ratio_threshold"] == 2.4, "as Whisper itself"
    lyrics = json.loads(Path("lyrics/song.json").read_text())
    assert lyrics["segments"][0]["start"] == 0
    assert lyrics["lines"]


def test_weights_that_cannot_be_had_are_one_line(run: Callable, song: Path, tmp_path: Path) -> None:
    told = run("transcribe", song, "--separator", "htdemucs", "--model", "tiny.en")
    assert (told.code, told.out) == (1, "")
    assert len(told.err.splitlines()) == 2
    assert "offline" in told.err
    assert "run `lyricsep models pull` with a network connection" in told.err
    assert not list((tmp_path / "lyrics").iterdir())


def test_stems_are_kept_with_one_separation(
    run: Callable, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = []
    stream = Passthrough.stream
    monkeypatch.setattr(Passthrough, "stream", lambda *given: (streamed.append(1), stream(*given))[1])
    told = run("transcribe", song, *QUICKEST, "-f", "txt", "--keep-stems", "-o", "out")
    assert told.code == 0, told.err
    assert told.out.splitlines() == ["out/song.txt", "out/song.vocals.wav", "out/song.accompaniment.wav"]
    assert streamed == [1]
    vocals, accompaniment = (soundfile.read(path)[0] for path in told.written[1:])
    np.testing.assert_allclose(vocals, soundfile.read(song)[0], atol=1e-6)
    assert not accompaniment.any()


def test_stems_have_no_place_on_stdout(run: Callable, song: Path) -> None:
    told = run("transcribe", song, *QUICKEST, "--keep-stems", "-o", "-")
    assert (told.code, told.out) == (2, "")
    assert "--keep-stems: --output - prints only lyrics" in told.err
