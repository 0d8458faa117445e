"""The floor of every stage: formulas against PyTorch's counter and by hand, and what a run leaves."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from script_modules import load_script, run_script
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from whisper.model import ModelDimensions, Whisper, disable_sdpa
from whisper.tokenizer import get_tokenizer

from lyricsep.separators.engine import Chunking, Network, NetworkSeparator
from lyricsep.separators.spleeter import UNet
from lyricsep.transcribers import WhisperOptions
from lyricsep.transcribers.openai_whisper import OpenAIWhisper
from lyricsep.transcribers.whisper import Attempt

CPU = torch.device("cpu")
# Small, every number another; the vocabulary is the English tokenizer's.
DIMS = ModelDimensions(
    n_mels=5,
    n_audio_ctx=7,
    n_audio_state=24,
    n_audio_head=2,
    n_audio_layer=3,
    n_vocab=51864,
    n_text_ctx=40,
    n_text_state=24,
    n_text_head=2,
    n_text_layer=2,
)


@pytest.fixture(scope="module")
def floor() -> ModuleType:
    return load_script("benchmark_floor")


@pytest.fixture(scope="module")
def backend() -> OpenAIWhisper:
    torch.manual_seed(0)
    return OpenAIWhisper("small", Whisper(DIMS), CPU)


def counted(run: Any) -> int:
    """What PyTorch counts; it has no formula for the CPU's fused attention."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode(), disable_sdpa():
        run()
    return counter.get_total_flops()


class TestWhisper:
    def test_encoder(self, floor: ModuleType, backend: OpenAIWhisper) -> None:
        mels = torch.zeros(2, DIMS.n_mels, 2 * DIMS.n_audio_ctx)
        work = floor._encoder_work(DIMS, 2, floor.Numbers("float32", "float32"))
        assert work.operations == {"float32": counted(lambda: backend.encode(mels))}

    @pytest.mark.parametrize("beam_size", [1, 3])
    def test_decoding(self, floor: ModuleType, backend: OpenAIWhisper, beam_size: int) -> None:
        features = torch.randn(1, DIMS.n_audio_ctx, DIMS.n_audio_state)
        tokenizer, options = get_tokenizer(multilingual=False), WhisperOptions(beam_size=beam_size)

        def decode() -> Any:
            return backend.decode(features, tokenizer, Attempt(0.0, timestamps=False), options)

        passes, _ = floor._calls(backend, decode)
        assert 1 < passes <= DIMS.n_text_ctx // 2
        numbers, n_prompt = floor.Numbers("float32", "float32"), len(tokenizer.sot_sequence_including_notimestamps)
        needed = partial(floor._decoding_work, DIMS, passes=passes, n_prompt=n_prompt, numbers=numbers)
        # openai-whisper hears the prompt for every beam; keys and values of the sound are made once.
        making = 2 * DIMS.n_audio_ctx * 2 * DIMS.n_text_state**2 * DIMS.n_text_layer
        again = (needed(steps=[1], n_beams=1).operations["float32"] - making) * (beam_size - 1)
        assert counted(decode) == needed(steps=[passes], n_beams=beam_size).operations["float32"] + again

    def test_formats_part_what_weights_do_from_the_rest(self, floor: ModuleType) -> None:
        same = floor.Numbers("float32", "float32")
        for work in (
            partial(floor._encoder_work, DIMS, 2),
            partial(floor._decoding_work, DIMS, [3, 5], 5, 2, 4),
        ):
            mixed, whole = work(floor.Numbers("int8", "float32")), work(same)
            assert set(mixed.operations) == {"int8", "float32"}
            assert sum(mixed.operations.values()) == whole.operations["float32"]
            assert whole.n_bytes / 4 < mixed.n_bytes < whole.n_bytes
        # Attention and convolutions of the encoder are not int8.
        encoder = floor._encoder_work(DIMS, 1, floor.Numbers("int8", "float32"))
        assert encoder.operations["int8"] == 2 * 7 * (12 * 24 * 24) * 3
        assert encoder.operations["float32"] == 2 * (14 * 5 * 24 * 3 + 7 * 24 * 24 * 3) + 3 * 4 * 7 * 7 * 24

    def test_bytes_of_decoding_by_hand(self, floor: ModuleType) -> None:
        """Two clips of one block, width 2, three places, a vocabulary of 11; two beams, a prompt of one token."""
        dims = ModelDimensions(5, 3, 2, 1, 1, 11, 8, 2, 1, 1)
        work = floor._decoding_work(dims, [1, 3], 3, 2, 1, floor.Numbers("int8", "float16"))
        decoder, vocabulary, making = 14 * 4, 2 * 11, 2 * 4
        per_clip = 3 * 2 + 3 * 4  # features in, keys and values out
        sound = (1 + 3) * 3 * 4  # once a step, however many beams
        past = 2 * (2 + 3) * 4  # both beams at the second and third step, themselves among them
        logits = (1 + (1 + 2 * 2)) * 11
        assert work.n_bytes == 3 * (decoder + vocabulary) + making + 2 * (2 * per_clip + sound + past + logits)

    def test_formats_are_those_that_lyricsep_chooses(self, floor: ModuleType) -> None:
        cuda = torch.device("cuda")
        assert floor._numbers("ctranslate2", CPU) == floor.Numbers("int8", "float32")
        assert floor._numbers("openai-whisper", CPU) == floor.Numbers("float32", "float32")
        assert floor._numbers("ctranslate2", cuda) == floor.Numbers("float16", "float16")


class TestCounter:
    def test_a_convolution_by_hand(self, floor: ModuleType) -> None:
        layer, image = nn.Conv2d(2, 3, 5, bias=False), torch.zeros(1, 2, 10, 20)
        with torch.inference_mode():
            work, out = floor._count(lambda: layer(image).relu())
        assert out.shape == (1, 3, 6, 16)
        assert work.operations == {"float32": 2 * 3 * 6 * 16 * 2 * 5 * 5}
        assert work.n_bytes == 4 * (2 * 10 * 20 + 3 * 2 * 5 * 5 + 3 * 6 * 16)

    def test_agrees_with_pytorch_on_a_real_network(self, floor: ModuleType) -> None:
        network, magnitude = UNet().eval(), torch.zeros(1, 2, 64, 128)
        with torch.inference_mode():
            work, _ = floor._count(lambda: network(magnitude))
        assert work.operations == {"float32": counted(lambda: network(magnitude))}
        weights = sum(one.numel() for name, one in network.named_parameters() if one.dim() == 4)
        assert work.n_bytes > 4 * weights

    def test_formats(self, floor: ModuleType) -> None:
        half = torch.zeros(4, 8, dtype=torch.float16)
        work, _ = floor._count(lambda: (half @ half.T, half.float() @ half.float().T))
        assert work.operations == {"float16": 2 * 4 * 4 * 8, "float32": 2 * 4 * 4 * 8}
        assert work.n_bytes == (2 + 4) * (2 * 4 * 8 + 4 * 4)

    def test_convolutions_on_cuda_are_tf32(self, floor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        aten = torch.ops.aten
        value = SimpleNamespace(dtype=torch.float32, is_cuda=True)
        assert floor._format(aten.convolution.default, value) == "tf32"
        assert floor._format(aten.mm.default, value) == "float32"
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        assert floor._format(aten.convolution.default, value) == "float32"
        monkeypatch.undo()
        half = SimpleNamespace(dtype=torch.float16, is_cuda=True)
        assert floor._format(aten.convolution.default, half) == "float16"

    def test_attention_of_the_cpu(self, floor: ModuleType) -> None:
        queries, keys = torch.zeros(1, 2, 5, 16), torch.zeros(1, 2, 9, 16)
        with torch.inference_mode():
            work, _ = floor._count(lambda: F.scaled_dot_product_attention(queries, keys, keys))
        assert work.operations == {"float32": 2 * (2 * 2 * 5 * 9 * 16)}

    def test_the_fast_path_of_a_transformer_is_counted_and_put_back(self, floor: ModuleType) -> None:
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        with torch.inference_mode():
            work, _ = floor._count(lambda: layer(torch.zeros(1, 5, 8)))
        weights, attention = 4 * 8 * 8 + 2 * 8 * 16, 2 * 5 * 5 * 8
        assert work.operations == {"float32": 2 * (5 * weights + attention)}
        assert torch.backends.mha.get_fastpath_enabled()


class Halves(Network):
    """One 1 x 1 convolution of two channels."""

    sample_rate, n_channels = 44_100, 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(2, 2, 1, bias=False)
        self.chunking = Chunking.triangular(44_100, overlap=0.0)

    def forward(self, chunks: torch.Tensor) -> torch.Tensor:
        vocals: torch.Tensor = self.layer(chunks)
        return vocals


def test_separation_counts_the_chunks_it_runs(floor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    song = floor._sound(2.5 / 60)
    separator = NetworkSeparator("halves", Halves(), CPU, batch_size=2)
    monkeypatch.setattr("lyricsep.separators.create_separator", lambda spec, device: separator)
    stage, vocals = floor._measure_separation("spleeter", song, CPU)
    assert vocals.samples.shape == song.samples.shape == (2, 110_250)
    # Two whole chunks together, and the half one at the end.
    assert (stage.by, stage.inputs, stage.passes) == ("halves", "3 chunks", 2)
    assert stage.work.operations == {"float32": 3 * 44_100 * 2 * 2 * 2}
    assert stage.work.n_bytes == 4 * (3 * 44_100 * (2 + 2) + 2 * 2 * 2)
    assert len(stage.seconds) == floor.ROUNDS
    assert not separator.network._forward_hooks


def test_sound_goes_round_and_round(floor: ModuleType) -> None:
    once, twice = floor._sound(0.5), floor._sound(1.5)
    n_samples = 2_184_420  # of the example
    assert twice.samples.shape == (2, 90 * 44_100)
    assert torch.equal(twice.samples[:, : once.n_samples], once.samples)
    assert torch.equal(twice.samples[:, n_samples:], twice.samples[:, : 90 * 44_100 - n_samples])


def test_floor_by_hand(floor: ModuleType) -> None:
    ceilings = {
        "int8": floor.Ceiling(100.0, "a"),
        "float32": floor.Ceiling(10.0, "b"),
        "memory": floor.Ceiling(5.0, "c"),
    }
    work = floor.Work({"int8": 100.0}, 20.0) + floor.Work({"float32": 20.0, "int8": 100.0}, 5.0)
    record = floor.Stage("decoding", "x", "1 clips", 7, work, (9.0, 30.0, 10.0)).record(ceilings)
    assert (record["floor_of_operations"], record["floor_of_bytes"]) == (4.0, 5.0)
    assert (record["floor"], record["binds"], record["measured"], record["gap"]) == (5.0, "bytes", 10.0, 2.0)
    ceilings["memory"] = floor.Ceiling(25.0, "c")
    record = floor.Stage("decoding", "x", "1 clips", 7, work, (9.0, 30.0, 10.0)).record(ceilings)
    assert (record["floor"], record["binds"], record["gap"]) == (4.0, "operations", 2.5)


def test_tables_by_hand(floor: ModuleType) -> None:
    rounds = [
        {"float32": floor.Ceiling(2e11, "a"), "memory": floor.Ceiling(3e10, "copy")},
        {"float32": floor.Ceiling(4e11, "b"), "memory": floor.Ceiling(1e10, "sum")},
    ]
    stage = floor.Stage("encoder", "x", "2 clips", 1, floor.Work({"float32": 2e11}, 6e9), (0.9, 1.0, 1.25))
    options = {"minutes": 1.0, "separator": "s", "model": "m", "beam_size": 5, "batch_size": 8}
    about = {"plan": options, "libraries": {"torch": "2", "av": None}, "cpu": "c", "cores": 2, "memory_gb": 8.0}
    about |= {"load_before": 0.25, "device": "cpu", "platform": "p", "lyricsep": "1", "python": "3"}
    tops, gaps = floor._tables(rounds, [stage.record(floor._higher(*rounds))], about)
    assert tops.rows == (
        ("float32", "b", "TFLOP/s", "0.400", "0.200–0.400"),
        ("memory", "copy", "GB/s", "30.0", "10.0–30.0"),
    )
    assert dict(zip(gaps.headers, gaps.rows[0], strict=True)) == {
        "stage": "encoder",
        "by": "x",
        "inputs": "2 clips",
        "passes": "1",
        "GFLOP": "200.0 float32",
        "GB": "6.00",
        "s by FLOP": "0.5",
        "s by bytes": "0.2",
        "s measured": "1",
        "range": "0.9–1.25",
        "gap": "2.00",
        "binds": "operations",
    }
    assert "torch 2" in gaps.notes[-1]
    assert "av" not in gaps.notes[-1]


class TestCeilings:
    def test_the_highest_wins(self, floor: ModuleType) -> None:
        low, high = floor.Ceiling(1.0, "low"), floor.Ceiling(2.0, "high")
        assert floor._higher({"a": low, "b": high}, {"a": high, "c": low}) == {"a": high, "b": high, "c": low}
        assert floor._higher({"b": high}, {"b": low}) == {"b": high}

    def test_of_this_machine(self, floor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(floor, "CPU_SIZES", (64,))
        monkeypatch.setattr(floor, "ARRAY", 1 << 20)
        monkeypatch.setattr(floor, "TRIAL", 0.0)
        tried = [(name, amount) for name, _, amount, _ in floor._trials(CPU)]
        product = 2 * 64**3
        assert tried == [
            ("float32", product),
            ("float32", product),
            ("int8", product),
            ("memory", 2 << 20),
            ("memory", 3 << 20),
            ("memory", 1 << 20),
        ]
        found = floor._ceilings(CPU)
        assert set(found) == {"float32", "int8", "memory"}
        assert all(one.rate > 0 for one in found.values())

    def test_both_float32_trials_are_one_product(self, floor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(floor, "CPU_SIZES", (32,))
        product, convolution, *_ = (work() for *_, work in floor._trials(CPU))
        assert product.numel() == convolution.numel() == 32 * 32

    def test_tf32_is_put_back(self, floor: ModuleType) -> None:
        before = torch.get_float32_matmul_precision()
        a = torch.eye(3)
        assert torch.equal(floor._as_tf32(a, 2 * a), 2 * a)
        assert torch.get_float32_matmul_precision() == before


def run(floor: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(floor, "TRIAL", 0.0)
    monkeypatch.setattr(floor, "CPU_SIZES", (256,))
    monkeypatch.setattr(floor, "ARRAY", 64 << 20)
    run_script(floor, monkeypatch, *arguments)


@pytest.mark.slow
def test_the_smallest_run(
    floor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ctranslate2")
    options = ("--model", "tiny.en", "--minutes", 0.2, "--beam-size", 2, "--device", "cpu")
    run(floor, monkeypatch, "-o", tmp_path / "out", *options)
    document = json.loads((tmp_path / "out" / "floor.json").read_text(encoding="utf-8"))
    stages = {(one["stage"], one["by"]): one for one in document["stages"]}
    whisper = ("openai-whisper", "ctranslate2")
    assert list(stages) == [
        ("separation", "spleeter"),
        *((stage, by) for by in whisper for stage in ("encoder", "decoding")),
    ]
    # 12 s are one whole chunk of Spleeter's and the beginning of another.
    separation = stages["separation", "spleeter"]
    assert (separation["inputs"], separation["passes"]) == ("2 chunks", 2)
    for one in document["stages"]:
        assert len(one["seconds"]) == 3
        assert one["gap"] == one["measured"] / one["floor"] > 0
        assert one["floor"] == max(one["floor_of_operations"], one["floor_of_bytes"]) > 0
    for stage in ("encoder", "decoding"):
        ours, theirs = (stages[stage, by] for by in whisper)
        assert ours["inputs"] == theirs["inputs"] == "1 clips"
        assert set(ours["operations"]) == {"float32"}
        assert set(theirs["operations"]) == {"int8", "float32"}
        assert theirs["bytes"] < ours["bytes"]
    encoder = stages["encoder", "ctranslate2"]["operations"]
    assert sum(encoder.values()) == stages["encoder", "openai-whisper"]["operations"]["float32"]
    assert all(10 < stages["decoding", by]["passes"] < 60 for by in whisper)  # two lines or three are sung
    assert len(document["rounds"]) == 1 + len(stages)
    for name, best in document["ceilings"].items():
        assert best["rate"] == max(one[name]["rate"] for one in document["rounds"])
    about = document["about"]
    assert about["device"] == f"cpu: {torch.get_num_threads()} threads"
    assert about["plan"] == {
        "separator": "spleeter",
        "model": "tiny.en",
        "minutes": 0.2,
        "beam_size": 2,
        "batch_size": 8,
    }
    assert len(about["weights"]) >= 3
    markdown = (tmp_path / "out" / "floor.md").read_text(encoding="utf-8")
    assert "### Ceilings" in markdown
    assert "| decoding | ctranslate2 | 1 clips |" in markdown
    assert about["cpu"] in markdown
    assert "Floor and gap" in capsys.readouterr().out


def test_what_is_wrong_is_one_line(floor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ("-o", tmp_path / "out", "--device", "cpu")
    with pytest.raises(SystemExit, match=r"^benchmark_floor: no separator is called 'spleter'"):
        run(floor, monkeypatch, *out, "--separator", "spleter")
    with pytest.raises(SystemExit, match=r"^benchmark_floor: none: has no network that could be counted; choose"):
        run(floor, monkeypatch, *out, "--separator", "none")
    with pytest.raises(SystemExit, match=r"^benchmark_floor: device gpu: unknown"):
        run(floor, monkeypatch, "-o", tmp_path / "out", "--device", "gpu")
    with pytest.raises(SystemExit, match=r"^2$"):
        run(floor, monkeypatch, *out, "--minutes", 0)
    monkeypatch.setattr("lyricsep.devices.choose_device", lambda name: torch.device("mps"))
    with pytest.raises(SystemExit, match=r"^benchmark_floor: the ceilings of mps are not known; use --device cpu$"):
        run(floor, monkeypatch, *out)
    assert not (tmp_path / "out" / "floor.json").exists()


def test_silence_is_one_line(floor: ModuleType) -> None:
    from lyricsep.errors import AudioError

    song = floor._sound(2 / 60)  # the band alone plays
    quiet = type(song)(torch.zeros_like(song.samples), song.sample_rate)
    with pytest.raises(
        AudioError, match=r"^night_train\.mp3: nothing is sung in what was heard; ask for more --minutes"
    ):
        floor._clips(song, quiet, 80)
