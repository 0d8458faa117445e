"""The speed benchmark: turns alternate, costs are measured, and a run leaves what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import whisper
from script_modules import load_script

from lyricsep.audio import Audio, load_audio, save_audio
from lyricsep.errors import ConfigError
from lyricsep.separators import create_separator, find_separator
from lyricsep.weights import whisper_sizes, write_whisper

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "benchmark_speed.py"
EXAMPLE = SCRIPT.parents[1] / "data" / "example"
RATE = 8000


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    return load_script("benchmark_speed")


@pytest.fixture
def song(speed: ModuleType, tmp_path: Path) -> Any:
    """Three seconds in which every sample differs."""
    path = tmp_path / "song.wav"
    save_audio(path, Audio(torch.linspace(-0.9, 0.9, 3 * RATE)[None], RATE))
    return speed.Staged(path, path, 3.0, "en", "one two three four")


def python(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


class TestTurns:
    def test_alternate(self, speed: ModuleType, song: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        order = []

        def measure(setting: object, contender: Any, batch: Any) -> Any:
            order.append((contender.name, batch.language, [Path(name).name for name in batch.songs]))
            for name in batch.songs:
                Path(batch.target(name)).write_text("one two three four\n")
            return speed.Usage(seconds=1.5, memory=7)

        monkeypatch.setattr(speed, "_in_processes", measure)
        race = speed.Race(SimpleNamespace(random=False), tmp_path)
        other = speed.Staged(tmp_path / "autre.wav", tmp_path / "autre.wav", 6.0, "fr")
        race.run("process", ["whisper", "lyricsep"], [song, other], 2)
        once = [
            (name, *of) for name in ("whisper", "lyricsep") for of in (("en", ["song.wav"]), ("fr", ["autre.wav"]))
        ]
        assert order == once * 2
        assert [(turn["contender"], turn["round"]) for turn in race.turns] == [
            ("whisper", 0),
            ("lyricsep", 0),
            ("whisper", 1),
            ("lyricsep", 1),
        ]
        # Two languages are two processes, whose seconds add up; the memory is that of the larger.
        assert all(turn["seconds"] == 3.0 and turn["memory"] == 7 and turn["speed"] == 3.0 for turn in race.turns)

    def test_go_on_without_who_fails(
        self, speed: ModuleType, song: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def commands(setting: object, batch: Any) -> list[list[str]]:
            return [python("import sys", "sys.exit('no such model')")]

        broken = speed.Contender("broken", "transcription", commands)
        fine = speed.Contender("fine", "transcription", lambda s, b: [python(f"open({b.target(b.songs[0])!r}, 'w')")])
        monkeypatch.setattr(speed, "_contenders", lambda: {"broken": broken, "fine": fine})
        race = speed.Race(SimpleNamespace(random=False), tmp_path)
        race.run("process", ["broken", "fine"], [song], 2)
        assert race.skipped == {"broken": "no such model"}
        assert [turn["contender"] for turn in race.turns] == ["fine", "fine"]
        assert [turn["wer"] for turn in race.turns] == [1.0, 1.0]  # it heard nothing

    def test_score_what_was_heard(self, speed: ModuleType, song: Any, tmp_path: Path) -> None:
        with pytest.raises(speed.TurnFailedError, match=r"no lyrics came of song\.wav"):
            speed._count(song, tmp_path)
        (tmp_path / "song.vocals.txt").write_text("one two tree\n")
        assert speed._count(song, tmp_path) == (4, 2)


class TestCosts:
    def test_children_count_together(self, speed: ModuleType, tmp_path: Path) -> None:
        hold = "held = bytearray(b'x') * (100 << 20); time.sleep(0.8)"
        parent = [
            "import subprocess, sys, time",
            f"child = subprocess.Popen([sys.executable, '-c', 'import time; {hold}'])",
        ]
        if not Path("/proc/self/statm").exists():
            pytest.skip("without /proc only the largest process is known")
        child = parent[1].replace("b'x'", 'b"x"')
        usage = speed._run(python(parent[0], child, hold, "child.wait()"), tmp_path / "log")
        assert 200 << 20 < usage.memory < 300 << 20
        assert usage.seconds >= 0.8
        assert usage.cuda == 0 or torch.cuda.is_available()

    def test_the_cards_are_asked_while_it_runs(
        self, speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = tmp_path / "nvidia-smi"
        # Before a turn less is held than after; a card need not tell how busy it is.
        fake.write_text(f"#!/bin/sh\ncat {tmp_path}/cards\necho '90, 0\n20, [N/A]' > {tmp_path}/cards\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        (tmp_path / "cards").write_text("30, 75\n20, 50\n")
        assert speed._cards() == (50 << 20, 0.75)
        (tmp_path / "cards").write_text("30, 75\n20, 50\n")
        usage = speed._run(python("import time", "time.sleep(0.5)"), tmp_path / "log")
        assert (usage.cuda, usage.busy) == (60 << 20, 0.0)
        more = speed.Usage(seconds=3.0, busy=0.8) + speed.Usage(seconds=1.0, busy=0.4)
        assert more.busy == pytest.approx(0.7)

    def test_last_words_of_a_failure(self, speed: ModuleType, tmp_path: Path) -> None:
        with pytest.raises(speed.TurnFailedError, match=r"^the end$"):
            speed._run(python("print('once', flush=True)", "raise SystemExit('the end')"), tmp_path / "log")
        with pytest.raises(speed.TurnFailedError, match="without a word"):
            speed._run(python("raise SystemExit(3)"), tmp_path / "log")

    def test_stages_come_from_the_manifest(self, speed: ModuleType, tmp_path: Path) -> None:
        songs = [{"status": "done", "seconds": {"separation": 0.25}}, {"status": "failed"}]
        (tmp_path / ".lyricsep").mkdir()
        (tmp_path / ".lyricsep" / "manifest-20260101T000000.json").write_text(json.dumps({"songs": songs}))
        contender = speed.Contender("one", "transcription", lambda setting, batch: [python("pass")])
        usage = speed._in_processes(None, contender, speed.Batch([], "en", str(tmp_path)))
        assert usage.stages["separation"] == 0.25
        assert sum(usage.stages.values()) == pytest.approx(usage.seconds)


def test_ratios_are_of_rounds(speed: ModuleType) -> None:
    seconds = {"whisper": [4.0, 9.0, 30.0], "lyricsep, openai-whisper": [2.0, 3.0, 20.0]}
    turns = [
        {"phase": "process", "contender": name, "round": number, "seconds": value, "wer": 0.5 if "," in name else 0.4}
        | {"windows": np.nan}
        for name, values in seconds.items()
        for number, value in enumerate(values)
    ]
    (ratio,) = speed._ratios(pandas.DataFrame(turns), "cpu")
    assert (ratio["ratio"], ratio["low"], ratio["high"], ratio["wanted"]) == (2.0, 1.5, 3.0, 2.0)
    assert ratio["wer_points"] == pytest.approx(10.0)
    (on_cuda,) = speed._ratios(pandas.DataFrame(turns[:4]), "cuda:0")  # the second is out after its first turn
    assert (on_cuda["ratio"], on_cuda["wanted"]) == (2.0, 10.0)


def test_ratios_of_random_weights_are_of_windows(speed: ModuleType) -> None:
    made = {"whisper": (10, 40.0), "lyricsep, openai-whisper": (8, 16.0)}
    made |= {"separate, then whisper": (10, 50.0), "lyricsep": (8, 20.0)}
    turns = [
        {"phase": "warm", "contender": name, "round": 0, "seconds": seconds, "wer": np.nan, "windows": windows}
        for name, (windows, seconds) in made.items()
    ]
    (ratio,) = speed._ratios(pandas.DataFrame(turns), "cpu")  # whole jobs of other windows are not compared
    assert (ratio["ours"], ratio["ratio"], ratio["wer_points"]) == ("lyricsep, openai-whisper", 2.0, None)
    turns[-1]["windows"] = 10
    _, jobs = speed._ratios(pandas.DataFrame(turns), "cpu")
    assert (jobs["ours"], jobs["ratio"]) == ("lyricsep", 2.5)


def test_a_cut_goes_round_and_round(speed: ModuleType, song: Any, tmp_path: Path) -> None:
    source = load_audio(song.path).samples[0].numpy()
    found = speed._cut(song, tmp_path / "cut.flac", 7.0, 1.0)
    expected = np.concatenate([source[RATE:], source, source, source[:RATE]])[: 7 * RATE]
    np.testing.assert_allclose(load_audio(found.path).samples[0].numpy(), expected, atol=1e-6)
    assert (found.duration, found.language, found.reference) == (7.0, "en", "")


def test_some_of_the_band_comes_back(speed: ModuleType, song: Any, tmp_path: Path) -> None:
    mixture = load_audio(song.path).samples
    sung = tmp_path / "song.vocals.wav"
    save_audio(sung, Audio(-0.5 * mixture, RATE))
    speed._mix_back(song.path, sung, 0.3)
    torch.testing.assert_close(load_audio(sung).samples, -0.5 * mixture + 0.3 * 1.5 * mixture)


def test_demucs_wants_its_own_weights(speed: ModuleType) -> None:
    setting = SimpleNamespace(demucs="", separator="spleeter")
    with pytest.raises(speed.TurnFailedError, match="spleeter is not one Demucs checkpoint"):
        speed._demucs(setting, speed.Batch([], "en", "out"))


class TestRandomWeights:
    @pytest.fixture(params=["tiny", "tiny.en", "large-v3-turbo"])
    def made(
        self, request: pytest.FixtureRequest, speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        """A model of each vocabulary, far smaller than it was published."""
        size = request.param.removesuffix(".en")
        monkeypatch.setitem(whisper_sizes.WHISPER_SIZES, size, (64, 2, 1, 2))
        checkpoint, dims, state = speed._random_whisper(request.param, tmp_path)
        write_whisper(tmp_path / "ctranslate2", dims, state, [])
        assert dims["n_vocab"] == whisper_sizes.whisper_dims(request.param)["n_vocab"]
        return checkpoint

    @pytest.mark.slow
    @pytest.mark.parametrize("beam_size", [1, 5])
    @pytest.mark.parametrize("timestamps", [False, True])
    def test_every_window_is_of_one_length(
        self, speed: ModuleType, made: Path, beam_size: int, timestamps: bool
    ) -> None:
        ctranslate2 = pytest.importorskip("ctranslate2")
        model = whisper.load_model(str(made), device="cpu")
        mels = torch.randn(1, model.dims.n_mels, 3000, generator=torch.Generator().manual_seed(0))
        options = whisper.DecodingOptions(
            language="en",
            beam_size=beam_size if beam_size > 1 else None,
            without_timestamps=not timestamps,
            fp16=False,
        )
        steps: list[int] = []
        model.decoder.register_forward_hook(lambda *_: steps.append(1))
        for mel in mels:  # openai-whisper searches one at a time
            found = whisper.decode(model, mel, options)
            assert len(found.tokens) == speed.N_TOKENS
            assert len(found.text.split()) == speed.N_TOKENS - timestamps
        assert len(steps) == len(mels) * speed.N_TOKENS
        tokenizer = whisper.tokenizer.get_tokenizer(
            model.is_multilingual, num_languages=model.num_languages, language="en", task="transcribe"
        )
        prompt = list(tokenizer.sot_sequence if timestamps else tokenizer.sot_sequence_including_notimestamps)
        quick = ctranslate2.models.Whisper(str(made.parent / "ctranslate2"), compute_type="int8")
        view = ctranslate2.StorageView.from_array(mels.numpy())
        for result in quick.generate(view, [prompt] * len(mels), beam_size=beam_size, max_length=448):
            assert len(result.sequences_ids[0]) == speed.N_TOKENS
            assert len(tokenizer.decode(result.sequences_ids[0]).split()) == speed.N_TOKENS - timestamps

    def test_windows_are_counted_and_must_be_whole(self, speed: ModuleType, song: Any, tmp_path: Path) -> None:
        for n_words, n_windows in ((224, 1), (223, 1), (448, 2), (446, 2), (20 * 223, 20)):
            (tmp_path / "song.txt").write_text("la " * n_words)
            assert speed._count_windows(song, tmp_path) == n_windows
        for n_words in (0, 100, 225, 447):
            (tmp_path / "song.txt").write_text("la " * n_words)
            with pytest.raises(
                speed.TurnFailedError, match=rf"song\.wav: {n_words} tokens came, expected windows of"
            ):
                speed._count_windows(song, tmp_path)

    def test_a_separator_of_the_published_size(self, speed: ModuleType, tmp_path: Path) -> None:
        spec = find_separator(str(speed._random_demucs("htdemucs", tmp_path / "demucs")))
        separator = create_separator(spec, torch.device("cpu"))
        assert sum(one.numel() for one in separator.network.parameters()) == 41_984_456
        assert spec.name == "htdemucs"
        setting = SimpleNamespace(demucs=str(tmp_path / "demucs"), device="cpu")
        (command,) = speed._demucs(setting, speed.Batch([], "en", "out"))
        assert command[command.index("-n") + 1] == "random"

    def test_only_of_sizes_that_are_known(self, speed: ModuleType, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--random-weights: no Whisper model named 'huge' was published"):
            speed._random_whisper("huge", tmp_path)


@pytest.mark.slow
def test_the_smallest_race(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sung = load_audio(EXAMPLE / "night_train.mp3")
    (tmp_path / "songs").mkdir()
    first, last = 4 * sung.sample_rate, 14 * sung.sample_rate
    save_audio(tmp_path / "songs" / "lines.wav", Audio(sung.samples[:, first:last], sung.sample_rate))
    lyrics = (EXAMPLE / "night_train.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "songs" / "lines.txt").write_text("\n".join(lyrics[:3]), encoding="utf-8")
    options = ["--dataset", tmp_path / "songs", "--model", "tiny.en", "--beam-size", "1", "--rounds", "1"]
    options += ["--only", "lyricsep, openai-whisper", "--only", "demucs", "--counts", "", "--minutes", ""]
    command = [sys.executable, SCRIPT, *options, "-o", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "out" / "speed.json").read_text(encoding="utf-8"))
    assert [(turn["phase"], turn["contender"]) for turn in document["turns"]] == [
        ("process", "lyricsep, openai-whisper"),
        ("warm", "lyricsep, openai-whisper"),
    ]
    cold, warm = document["turns"]
    assert cold["wer"] == warm["wer"] < 0.5
    assert cold["seconds"] > warm["seconds"] >= warm["stages"]["transcription"] > 0
    assert min(cold["memory"], warm["memory"]) > 100e6
    assert "Demucs checkpoint" in document["skipped"]["demucs"]
    assert document["about"]["libraries"]["torch"] == torch.__version__
    markdown = (tmp_path / "out" / "speed.md").read_text(encoding="utf-8")
    assert "| transcription | lyricsep, openai-whisper | warm |" in markdown
    assert (tmp_path / "out" / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert "lyricsep, openai-whisper" in done.stdout
