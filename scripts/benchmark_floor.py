"""The floor and the gap: how long separation and Whisper must take at least on a machine, and how long they take.

    python scripts/benchmark_floor.py -o floor                                # one minute of the example that ships
    python scripts/benchmark_floor.py -o floor --device cuda --separator htdemucs_ft --model large-v2 --minutes 10

First the ceilings of the device, measured by PyTorch: operations a second in the number formats of the stages, bytes
a second from and to memory. Then what each stage does at least: operations (two a multiply-add) and bytes. Its floor
is the time that whichever of the two is scarcer takes at the ceiling, its gap the measured time over the floor.

What is counted, layer by layer, is matrix products, convolutions and attention; a lower bound, since FFTs, recurrent
layers and all that is done element by element is not. Every layer reads its weights once a pass, reads its input and
writes its output. A step of decoding reads the decoder, the vocabulary and, for each clip that is not done, its
cross-attention's keys and values, which all its beams share. A cache that keeps what is counted as moved may bring a
small network under a floor that memory sets. The ceiling of int8 is that of PyTorch's own kernel, which stands in for
CTranslate2's: where that knows better instructions, the gap may be below 1.

OMP_NUM_THREADS sets the threads of ceilings and stages alike. Where others use the machine too, one fewer than it has
cores tells more: a step of decoding is many small operations, and each waits for its slowest thread.

Wants lyricsep[embedded]; without ctranslate2 only openai-whisper is measured. Linux and macOS, on a CPU or CUDA.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from whisper.model import ModelDimensions

    from lyricsep.audio import Audio
    from lyricsep.separators.engine import NetworkSeparator
    from lyricsep.tables import Table
    from lyricsep.transcribers import WhisperOptions
    from lyricsep.transcribers.whisper import Backend, DecodedText

Result = TypeVar("Result")

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example" / "night_train.mp3"
LANGUAGE = "en"  # of the example
PRESET = "fast"  # for its options of segments
ROUNDS = 3  # of every stage, after one to warm up
TRIAL = 0.3  # seconds at least that a ceiling is tried for, before and after every stage
CPU_SIZES = (256, 512, 1024, 2048)  # rows and columns of the matrices
CUDA_SIZES = (2048, 4096, 8192)
ARRAY = 1 << 30  # bytes of each array that is copied: many times any cache
MEMORY = "memory"  # beside the number formats, the name of a ceiling
N_BYTES = {"int8": 1, "float16": 2, "bfloat16": 2, "float32": 4}  # of a number

# ---------------------------------------------------------------- ceilings


@dataclass(frozen=True)
class Ceiling:
    """The most that was ever reached: operations or bytes a second, and by what."""

    rate: float
    by: str


def _ceilings(device: torch.device) -> dict[str, Ceiling]:
    """Measure operations a second by number format, and bytes a second under `MEMORY`."""
    import torch

    best: dict[str, Ceiling] = {}
    with torch.inference_mode():
        for name, by, amount, work in _trials(device):
            best = _higher(best, {name: Ceiling(amount / _fastest(work, device), by)})
    if device.type == "cuda":
        torch.cuda.empty_cache()  # CTranslate2 has memory of its own
    return best


def _higher(*found: Mapping[str, Ceiling]) -> dict[str, Ceiling]:
    """Take the highest of each name."""
    best: dict[str, Ceiling] = {}
    for ceilings in found:
        best |= {name: one for name, one in ceilings.items() if name not in best or one.rate > best[name].rate}
    return best


def _trials(device: torch.device) -> Iterator[tuple[str, str, float, Callable[[], object]]]:
    """Give what is tried: the name of the ceiling, by what, operations or bytes, and the work."""
    import torch
    from torch.nn.functional import conv2d

    on_cuda = device.type == "cuda"
    for n in CUDA_SIZES if on_cuda else CPU_SIZES:
        product, n_operations = f"product of {n} x {n} matrices", 2.0 * n**3
        a, b = torch.randn(2, n, n, device=device)
        yield "float32", product, n_operations, partial(torch.mm, a, b)
        if on_cuda:
            yield "tf32", product, n_operations, partial(_as_tf32, a, b)
            for format_ in (torch.float16, torch.bfloat16):
                work = partial(torch.mm, a.to(format_), b.to(format_))
                yield _name(format_), product, n_operations, work
        else:
            # The same product by another library (oneDNN): on some CPUs it is much the quicker.
            work = partial(conv2d, a.reshape(1, n, n // 16, 16), b[:, :, None, None])
            yield "float32", f"1 x 1 convolution, {n} channels at {n} places", n_operations, work
            c, d = torch.randint(-128, 128, (2, n, n), dtype=torch.int8)
            yield "int8", product, n_operations, partial(torch._int_mm, c, d)
    source, other, target = torch.ones(3, ARRAY // 4, device=device)
    yield MEMORY, "copy", 2.0 * ARRAY, partial(target.copy_, source)
    yield MEMORY, "triad", 3.0 * ARRAY, partial(torch.add, source, other, alpha=2.0, out=target)
    yield MEMORY, "sum", 1.0 * ARRAY, source.sum


def _as_tf32(a: Tensor, b: Tensor) -> Tensor:
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return torch.mm(a, b)
    finally:
        torch.set_float32_matmul_precision(before)


def _name(format_: torch.dtype) -> str:
    return str(format_).removeprefix("torch.")


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Repeat for a while and give the seconds of the quickest; others may use the machine in between."""
    times: list[float] = []
    work()
    while sum(times) < TRIAL or len(times) < ROUNDS:
        times.append(_seconds(work, device)[0])
    return min(times)


def _seconds(work: Callable[[], Result], device: torch.device) -> tuple[float, Result]:
    _wait(device)
    began = time.perf_counter()
    result = work()
    _wait(device)
    return time.perf_counter() - began, result


def _wait(device: torch.device) -> None:
    """Wait for what CUDA was only told to do."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


# ---------------------------------------------------------------- what must be done


@dataclass(frozen=True)
class Work:
    """Operations by number format, and bytes from and to memory."""

    operations: Mapping[str, float]
    n_bytes: float

    def __add__(self, other: Work) -> Work:
        names = dict.fromkeys((*self.operations, *other.operations))
        sums = {name: self.operations.get(name, 0.0) + other.operations.get(name, 0.0) for name in names}
        return Work(sums, self.n_bytes + other.n_bytes)

    def floors(self, ceilings: Mapping[str, Ceiling]) -> tuple[float, float]:
        """Give the seconds of the operations and those of the bytes, at the ceilings."""
        seconds = sum(amount / ceilings[name].rate for name, amount in self.operations.items())
        return seconds, self.n_bytes / ceilings[MEMORY].rate


NOTHING = Work({}, 0.0)


@dataclass(frozen=True)
class Numbers:
    """The number formats of a backend: of weights and the products with them, and of all else."""

    weights: str
    others: str


def _numbers(backend: str, device: torch.device) -> Numbers:
    """Say what lyricsep chooses; biases, convolutions and attention of CTranslate2's int8 are float32."""
    if device.type == "cuda":
        return Numbers("float16", "float16")
    return Numbers("int8" if backend == "ctranslate2" else "float32", "float32")


def _count(run: Callable[[], Result]) -> tuple[Work, Result]:
    """Run PyTorch and count what its layers do, by PyTorch's own formulas (`torch.utils.flop_counter`)."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    attention = torch.ops.aten._scaled_dot_product_flash_attention
    # PyTorch forgot the CPU's; its arguments are the same.
    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    formulas: dict[Any, Any] = {on_cpu: flop_registry[attention], **flop_registry}

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        work = NOTHING

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            options = kwargs or {}
            if func._overloadpacket not in formulas:
                with self:
                    decomposed = func.decompose(*args, **options)
                if decomposed is not NotImplemented:
                    return decomposed
            out = func(*args, **options)
            formula = formulas.get(func._overloadpacket)
            if formula:
                moved = [*_tensors(args), *_tensors(out)]
                operations = {_format(func, moved[0]): float(formula(*args, **options, out_val=out))}
                self.work += Work(operations, float(sum(one.numel() * one.element_size() for one in moved)))
            return out

    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one big operation without a formula
    try:
        with Counter() as counter:  # type: ignore[no-untyped-call]
            result = run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.work, result


def _tensors(values: object) -> list[Tensor]:
    from torch import Tensor

    return [one for one in (values if isinstance(values, tuple) else (values,)) if isinstance(one, Tensor)]


def _format(func: Any, value: Tensor) -> str:
    """Name the number format that an operation computes in."""
    import torch

    name = _name(value.dtype)
    is_convolution = "convolution" in str(func)
    if name == "float32" and value.is_cuda and is_convolution and torch.backends.cudnn.allow_tf32:
        return "tf32"  # PyTorch's default for convolutions, though not for products
    return name


def _encoder_work(dims: ModelDimensions, n_clips: int, numbers: Numbers) -> Work:
    """Count one pass of Whisper's encoder (layers as in openai-whisper, whisper/model.py).

    Two convolutions of width 3, the second of stride 2. In each block, of width d at T places, queries, keys, values
    and what they give are four products with d x d weights, the two layers after them 4 d x d each way: 12 d d
    weights. Attention is two products of T x T x d. In and out go 8 T d numbers by the former, 10 T d by the latter
    and 4 T d by attention.
    """
    places, width, blocks = dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_layer
    kernels = 3 * width * dims.n_mels, 3 * width * width
    weights = 12 * width * width * blocks
    others = 2 * (2 * places * kernels[0] + places * kernels[1]) + 4 * places * places * width * blocks
    crossing = 2 * places * (dims.n_mels + width) + places * (2 + 1) * width + 22 * places * width * blocks
    n_bytes = weights * N_BYTES[numbers.weights] + (sum(kernels) + n_clips * crossing) * N_BYTES[numbers.others]
    by_weights = Work({numbers.weights: 2.0 * places * weights * n_clips}, n_bytes)
    return by_weights + Work({numbers.others: float(others * n_clips)}, 0.0)


def _decoding_work(
    dims: ModelDimensions, steps: Sequence[int], passes: int, n_beams: int, n_prompt: int, numbers: Numbers
) -> Work:
    """Count the decoding of a batch (layers as in openai-whisper, whisper/model.py).

    Parameters
    ----------
    dims : ModelDimensions
        The model's.
    steps : sequence of int
        Per clip: the prompt's, which gives the first token, and one for each other, the end among them.
    passes : int
        Times that the decoder's weights are read.
    n_beams, n_prompt : int
        Beams of a clip after its prompt, and tokens of the prompt.
    numbers : Numbers
        Formats of the backend.

    Notes
    -----
    In each block, of width d, a token meets 14 d d weights (self-attention 4, queries and output of cross-attention
    2, the two layers after them 8), what came before it, and T places of sound; then the vocabulary. Keys and values
    of the sound, 2 d d weights, are made once a clip. What a token is inside a block is too little to count.
    """
    places, width, blocks, words = dims.n_audio_ctx, dims.n_text_state, dims.n_text_layer, dims.n_vocab
    weights = 14 * width * width * blocks + width * words
    making = 2 * width * width * blocks
    held = 2 * width * blocks  # numbers of keys and values a place, or a token
    by_weights = others = crossing = 0
    for n_steps in steps:
        rows = n_prompt + (n_steps - 1) * n_beams
        # Each token of the prompt sees all of it, each later one all before it and itself.
        seen = n_prompt * n_prompt + n_beams * sum(n_prompt + step for step in range(1, n_steps))
        by_weights += 2 * rows * weights + 2 * places * making
        others += 2 * held * (rows * places + seen)
        made = places * (width * blocks + held)
        read = n_steps * places * held + n_beams * sum(n_prompt + step for step in range(1, n_steps)) * held
        crossing += made + read + rows * words
    n_bytes = (passes * weights + making) * N_BYTES[numbers.weights] + crossing * N_BYTES[numbers.others]
    return Work({numbers.weights: float(by_weights)}, float(n_bytes)) + Work({numbers.others: float(others)}, 0.0)


# ---------------------------------------------------------------- what is done


@dataclass(frozen=True)
class Stage:
    """A stage as it ran: who ran it, on how many chunks or clips, in how many passes, its work, and its seconds."""

    name: str
    by: str
    inputs: str
    passes: int
    work: Work
    seconds: tuple[float, ...]

    def record(self, ceilings: Mapping[str, Ceiling]) -> dict[str, Any]:
        """Say all that is known of it."""
        by_operations, by_bytes = self.work.floors(ceilings)
        floor, measured = max(by_operations, by_bytes), statistics.median(self.seconds)
        return {
            "stage": self.name,
            "by": self.by,
            "inputs": self.inputs,
            "passes": self.passes,
            "operations": dict(self.work.operations),
            "bytes": self.work.n_bytes,
            "floor_of_operations": by_operations,
            "floor_of_bytes": by_bytes,
            "floor": floor,
            "seconds": list(self.seconds),
            "measured": measured,
            "gap": measured / floor,
            "binds": "operations" if by_operations >= by_bytes else "bytes",
        }


def _repeated(work: Callable[[], object], device: torch.device) -> tuple[float, ...]:
    return tuple(_seconds(work, device)[0] for _ in range(ROUNDS))


def _sound(minutes: float) -> Audio:
    """Take so many minutes of the example, again and again."""
    from lyricsep.audio import Audio, load_audio

    song = load_audio(EXAMPLE)
    n_samples = round(60 * minutes * song.sample_rate)
    return Audio(song.samples.repeat(1, -(-n_samples // song.n_samples))[:, :n_samples], song.sample_rate)


def _measure_separation(name: str, song: Audio, device: torch.device) -> tuple[Stage, Audio]:
    """Separate; the network's passes over the chunks that it really gets are counted."""
    from lyricsep.errors import ConfigError
    from lyricsep.separators import create_separator, find_separator
    from lyricsep.separators.engine import NetworkSeparator

    separator = create_separator(find_separator(name), device)
    if not isinstance(separator, NetworkSeparator):
        raise ConfigError(f"{name}: has no network that could be counted; choose another --separator")
    sizes, (work, vocals) = _watched(separator, lambda: _count(partial(separator.separate, song)))
    if not work.operations:
        raise ConfigError(f"{name}: its network is not run by PyTorch, and not counted; choose another --separator")
    seconds = _repeated(partial(separator.separate, song), device)
    return Stage("separation", separator.name, f"{sum(sizes)} chunks", len(sizes), work, seconds), vocals


def _watched(separator: NetworkSeparator, run: Callable[[], Result]) -> tuple[list[int], Result]:
    """Give the chunks of each pass beside what was done."""
    sizes: list[int] = []
    hook = separator.network.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    try:
        return sizes, run()
    finally:
        hook.remove()


def _clips(song: Audio, vocals: Audio, n_mels: int) -> Tensor:
    """Give the spectrograms that Whisper hears, ``(n_clips, n_mels, 3000)``: the sung segments, with their share."""
    import numpy as np
    import torch

    from lyricsep.audio import downmix, resample
    from lyricsep.errors import AudioError
    from lyricsep.presets import PRESETS
    from lyricsep.signals import Signals, find_vocal_segments
    from lyricsep.transcribers import SAMPLE_RATE
    from lyricsep.transcribers.log_mel import clip_log_mel

    mixture, sung = (
        resample(downmix(audio.samples), audio.sample_rate, SAMPLE_RATE).reshape(-1).numpy()
        for audio in (song, vocals)
    )
    segments = find_vocal_segments(Signals(mixture, sung), PRESETS[PRESET].segmentation)
    if not segments:
        raise AudioError(f"{EXAMPLE.name}: nothing is sung in what was heard; ask for more --minutes")
    heard = sung + np.float32(PRESETS[PRESET].transcription.mix_back) * (mixture - sung)
    spans = [slice(round(one.start * SAMPLE_RATE), round(one.end * SAMPLE_RATE)) for one in segments]
    return torch.stack([clip_log_mel(heard[span], n_mels) for span in spans])


def _measure_whisper(
    backend: Backend, name: str, clips: Tensor, dims: ModelDimensions, options: WhisperOptions, device: torch.device
) -> Iterator[Stage]:
    """Encode and decode the clips once each, at temperature 0 and without times, as lyricsep's first attempt does."""
    import torch
    from whisper.tokenizer import get_tokenizer

    from lyricsep.transcribers.whisper import Attempt

    tokenizer = get_tokenizer(
        backend.is_multilingual, num_languages=backend.n_languages, language=LANGUAGE, task="transcribe"
    )
    n_prompt = len(tokenizer.sot_sequence_including_notimestamps)
    batches = torch.split(clips, options.batch_size)
    numbers, inputs = _numbers(name, device), f"{len(clips)} clips"

    def encode() -> list[Tensor]:
        return [backend.encode(batch) for batch in batches]

    def decode(batch: Tensor) -> list[list[DecodedText]]:
        return backend.decode(batch, tokenizer, Attempt(0.0, timestamps=False), options)

    features = encode()
    work = sum((_encoder_work(dims, len(batch), numbers) for batch in batches), NOTHING)
    yield Stage("encoder", name, inputs, len(batches), work, _repeated(encode, device))
    work, n_passes = NOTHING, 0
    for batch in features:
        calls, hypotheses = _calls(backend, partial(decode, batch))
        steps = [min(len(best.tokens) + 1, dims.n_text_ctx // 2) for best, *_ in hypotheses]
        passes = calls or max(steps)
        work += _decoding_work(dims, steps, passes, options.beam_size, n_prompt, numbers)
        n_passes += passes
    seconds = _repeated(lambda: [decode(batch) for batch in features], device)
    yield Stage("decoding", name, inputs, n_passes, work, seconds)


def _calls(backend: Backend, run: Callable[[], Result]) -> tuple[int, Result]:
    """Count the calls of openai-whisper's decoder; of CTranslate2's nobody hears, and 0 is given."""
    from lyricsep.transcribers.openai_whisper import OpenAIWhisper

    if not isinstance(backend, OpenAIWhisper):
        return 0, run()
    calls: list[None] = []
    hook = backend.model.decoder.register_forward_hook(lambda *_: calls.append(None))
    try:
        result = run()
    finally:
        hook.remove()
    return len(calls), result


def _measure(options: argparse.Namespace, device: torch.device) -> Iterator[Stage]:
    """Run one stage after another."""
    from lyricsep.transcribers import WhisperOptions, create_transcriber, find_model
    from lyricsep.transcribers.openai_whisper import OpenAIWhisper

    model = find_model(options.model)
    decoding = WhisperOptions(beam_size=options.beam_size, batch_size=options.batch_size)
    song = _sound(options.minutes)
    separation, vocals = _measure_separation(options.separator, song, device)
    yield separation
    backend = create_transcriber(model, device, decoding, backend="openai-whisper").backend
    assert isinstance(backend, OpenAIWhisper)
    dims, clips = backend.model.dims, _clips(song, vocals, backend.n_mels)
    yield from _measure_whisper(backend, "openai-whisper", clips, dims, decoding, device)
    if importlib.util.find_spec("ctranslate2"):
        other = create_transcriber(model, device, decoding, backend="ctranslate2").backend
        yield from _measure_whisper(other, "ctranslate2", clips, dims, decoding, device)


def _run(options: argparse.Namespace, device: torch.device) -> tuple[list[dict[str, Ceiling]], list[Stage]]:
    """Run all stages, and look for the ceilings before and after each: a machine is not at its best all the time."""
    import torch

    n_threads, stages = torch.get_num_threads(), []
    ceilings = [_ceilings(device)]
    for stage in _measure(options, device):
        print(f"{stage.name}: {stage.by}: {statistics.median(stage.seconds):.3g} s", file=sys.stderr)
        stages.append(stage)
        torch.set_num_threads(n_threads)  # CTranslate2 sets those of the thread that loads a model
        ceilings.append(_ceilings(device))
    return ceilings, stages


# ---------------------------------------------------------------- what came of it


def _about(options: argparse.Namespace, device: torch.device, load: float) -> dict[str, Any]:
    """Say what ran on what: the manifest of a run, and the hardware."""
    from lyricsep.devices import describe_device, describe_machine
    from lyricsep.manifest import new_manifest
    from lyricsep.separators import find_separator
    from lyricsep.transcribers import find_model
    from lyricsep.weights import content_hash

    asked = {name: getattr(options, name) for name in ("separator", "model", "minutes", "beam_size", "batch_size")}
    files = [*find_separator(options.separator).files, *find_model(options.model).files]
    return new_manifest("benchmark_floor", None, **asked).as_dict() | {
        "device": describe_device(device),
        "weights": [{"name": file.name, "sha256": content_hash(file)} for file in files],
        "songs": [EXAMPLE.stem],
        **describe_machine(),
        "load_before": load,
    }


def _tables(
    ceilings: Sequence[Mapping[str, Ceiling]], records: Sequence[Mapping[str, Any]], about: Mapping[str, Any]
) -> list[Table]:
    from lyricsep.tables import Table

    def shown(name: str, rate: float) -> str:
        return f"{rate / 1e9:.1f}" if name == MEMORY else f"{rate / 1e12:.3f}"

    tops = []
    for name, best in _higher(*ceilings).items():
        rates = [found[name].rate for found in ceilings]
        scale = f"{shown(name, min(rates))}–{shown(name, max(rates))}"
        tops.append((name, best.by, "GB/s" if name == MEMORY else "TFLOP/s", shown(name, best.rate), scale))
    rows = [
        (
            one["stage"],
            one["by"],
            one["inputs"],
            str(one["passes"]),
            ", ".join(f"{amount / 1e9:.1f} {name}" for name, amount in one["operations"].items()),
            f"{one['bytes'] / 1e9:.2f}",
            f"{one['floor_of_operations']:.3g}",
            f"{one['floor_of_bytes']:.3g}",
            f"{one['measured']:.3g}",
            f"{min(one['seconds']):.3g}–{max(one['seconds']):.3g}",
            f"{one['gap']:.2f}",
            one["binds"],
        )
        for one in records
    ]
    headers = ["stage", "by", "inputs", "passes", "GFLOP", "GB", "s by FLOP", "s by bytes", "s measured", "range"]
    headers += ["gap", "binds"]
    asked = about["plan"]
    versions = ", ".join(f"{name} {version}" for name, version in about["libraries"].items() if version)
    notes = (
        f"{asked['minutes']:g} min of the example, {asked['separator']} and Whisper {asked['model']}, beams "
        f"{asked['beam_size']}, batches of {asked['batch_size']}, decoded once; measured is the median of {ROUNDS} "
        "after a warm-up, the floor is the larger of the two seconds before it, the gap is measured / floor",
        "passes: times that the weights are read: the separator's calls, the encoder's batches, the decoder's calls "
        "(openai-whisper) or the tokens of each batch's longest text (ctranslate2)",
        f"{about['cpu']}, {about['cores']} cores (load {about['load_before']:.1f} before), {about['memory_gb']} GB; "
        f"{about['device']}; {about['platform']}; lyricsep {about['lyricsep']}, Python {about['python']}, {versions}",
    )
    return [
        Table("Ceilings", ("of", "by", "in", "best", "range of rounds"), tuple(tops), 3),
        Table("Floor and gap", tuple(headers), tuple(rows), 3, notes),
    ]


def _record(
    ceilings: Sequence[Mapping[str, Ceiling]], stages: Sequence[Stage], about: Mapping[str, Any], folder: Path
) -> None:
    """Write what came of it, and print the tables."""
    from lyricsep.documents import plain
    from lyricsep.files import write_text

    best = _higher(*ceilings)
    records = [stage.record(best) for stage in stages]
    tables = _tables(ceilings, records, about)
    document = {"about": about, "ceilings": plain(best), "rounds": plain(ceilings), "stages": records}
    write_text(folder / "floor.json", json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    write_text(folder / "floor.md", "\n".join(["# Floor and gap", "", *(table.markdown() for table in tables)]))
    print("\n".join(table.text() for table in tables), end="")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="folder for floor.json and floor.md")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--separator", default="spleeter", help="one that PyTorch runs (default: %(default)s)")
    add("--model", default="base", help="Whisper model (default: %(default)s)")
    add("--minutes", type=float, default=1.0, help="of the example, again and again (default: %(default)s)")
    add("--beam-size", type=int, default=5, help="1 is greedy (default: %(default)s)")
    add("--batch-size", type=int, default=8, help="segments decoded together (default: %(default)s)")
    options = parser.parse_args()
    if not 0 < options.minutes < float("inf") or min(options.beam_size, options.batch_size) < 1:
        parser.error("--minutes is above 0, --beam-size and --batch-size are at least 1")
    return options


def main() -> None:
    """Measure the ceilings and the stages, and write the tables."""
    options, load = _parse(), os.getloadavg()[0]

    from lyricsep.devices import choose_device
    from lyricsep.errors import ConfigError, LyricsepError
    from lyricsep.files import check_writable
    from lyricsep.separators import find_separator
    from lyricsep.transcribers import find_model

    try:
        device = choose_device(options.device)
        if device.type not in ("cpu", "cuda"):
            raise ConfigError(f"the ceilings of {device.type} are not known; use --device cpu")
        find_separator(options.separator)
        find_model(options.model)
        check_writable(options.output)
        ceilings, stages = _run(options, device)
        _record(ceilings, stages, _about(options, device, load), options.output)
    except LyricsepError as error:
        sys.exit(f"benchmark_floor: {error}")


if __name__ == "__main__":
    main()
