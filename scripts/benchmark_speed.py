"""lyricsep's speed against what a user would pick instead: the same songs and weights in one run, taking turns.

Transcribers hear the songs' vocals, which are made before anything is timed (with ``--mix-back 0.3`` and that share
of the band, as lyricsep hears by default); the whole job hears the songs. Every contender runs as processes of its
own, start and loading of the models included, and then "warm": loaded, heard once, and timed after that. Turns
alternate (A B C A B C ...), so that a machine that slows down slows all of them; ratios are of the turns of one
round, their median is told with its range. Last, the cost of more and longer songs.

    python scripts/benchmark_speed.py -o speed                                   # the example that ships
    python scripts/benchmark_speed.py --dataset ../shared/jam-alt -o speed --counts 1,4,16,64 --minutes 1,4,15,60
    python scripts/benchmark_speed.py -o speed --random-weights --model large-v2 --separator htdemucs --counts 64

``--random-weights`` needs no weights: a Whisper model of chance in the published shape and, for htdemucs, a separator
of chance are made before the race and given to everybody by path. Nobody decodes twice and no window ends early: each
is one run of the encoder and 224 tokens, which is checked on all that is written, as every token is a word. How many
windows a song has differs: whisper and faster-whisper go by 30 s, faster-whisper batched by its detector of speech,
lyricsep by what it finds sung. So ratios of transcribers are of seconds a window, and those of whole jobs are left
out where windows are not as many. It is no picture of songs, which have fewer tokens a window: lyricsep times every
word of them, the others none. It also hashes models that it is given by path when a process starts. There is no WER.

Wants lyricsep[embedded,ctranslate2,benchmark], faster-whisper and imageio-ffmpeg; who misses something is skipped.
Memory is the peak of the resident memory of a contender's processes together, where there is a /proc, else that of
the largest; on CUDA it is what all cards hold more than before, so nothing else should use them. "GPU busy" is the
share of time in which the busiest card had work (nvidia-smi's utilization.gpu, asked once a second), the mean over a
turn. Linux and macOS.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from importlib import metadata
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lyricsep.datasets import Dataset, Song
    from lyricsep.tables import Table

EXAMPLE = Path(__file__).resolve().parents[1] / "data" / "example"
LYRICSEP = (sys.executable, "-m", "lyricsep")
PRESET = "fast"  # for its options; separator and model are given
LIBRARIES = ("lyricsep", "openai-whisper", "faster-whisper", "ctranslate2", "demucs", "torch", "numpy", "av")
POLL = 0.1  # seconds between looks at the memory; ten times that at a card's

# ---------------------------------------------------------------- who takes part


@dataclass(frozen=True)
class Setting:
    """What all contenders share; `checkpoint` (openai-whisper) and `folder` (CTranslate2) hold the same weights."""

    model: str
    separator: str
    checkpoint: str
    folder: str
    demucs: str  # folder of the separator's checkpoint; empty where it is no single Demucs model
    device: str
    beam_size: int
    batch_size: int
    random: bool = False  # weights of chance, which lyricsep gets by path too

    def model_for(self, backend: str) -> str:
        """Give what ``--model`` of lyricsep is."""
        if not self.random:
            return self.model
        return self.checkpoint if backend == "openai-whisper" else self.folder


@dataclass(frozen=True)
class Batch:
    """Songs of one language, which one process hears, and the folder for what it writes."""

    songs: list[str]
    language: str
    out: str

    def target(self, song: str, suffix: str = ".txt") -> str:
        """Name what a contender writes for a song."""
        return str(Path(self.out, Path(song).stem + suffix))


Commands = Callable[[Setting, Batch], list[list[str]]]
"""The processes, one after another, that do a batch."""

Work = Callable[[Batch], dict[str, float]]
"""Does a batch in this process, and gives seconds by stage where it knows them."""


@dataclass(frozen=True)
class Contender:
    """One way to do a job: as processes, and loaded into this one."""

    name: str
    job: str
    commands: Commands
    load: Callable[[Setting], Work] | None = None


def _contenders() -> dict[str, Contender]:
    """List everybody by name, in the order of their turns."""

    def fast(name: str) -> Commands:  # faster-whisper has no command line
        return lambda setting, batch: [_worker(name, setting, json.dumps(asdict(batch)))]

    hear, job, split = "transcription", "whole job", "separation"
    all_of_them = (
        Contender("whisper", hear, lambda s, b: [_whisper(s, b)], _load_whisper),
        Contender("lyricsep, openai-whisper", hear, *_ours("openai-whisper", "none")),
        Contender("faster-whisper", hear, fast("faster-whisper"), _load_faster()),
        Contender(BATCHED, hear, fast(BATCHED), _load_faster(batched=True)),
        Contender(SEGMENTS, hear, fast(SEGMENTS), _load_faster(batched=True, segments=True)),
        Contender("lyricsep, ctranslate2", hear, *_ours("ctranslate2", "none")),
        Contender("separate, then whisper", job, _separate_then_whisper),
        Contender("lyricsep", job, *_ours()),
        Contender("demucs", split, _demucs),
        Contender("lyricsep separate", split, lambda s, b: [_separate(s, b)]),
    )
    return {one.name: one for one in all_of_them}


BATCHED = "faster-whisper batched"
# Its detector of speech drops singing, and what is not heard costs nothing: here it is given what lyricsep hears.
SEGMENTS = "faster-whisper batched, lyricsep's segments"
SCALED = (SEGMENTS, "lyricsep, ctranslate2", "lyricsep")  # by count and length of songs
# Ours, another, and how many times as fast ours should be on a CPU and on CUDA.
PAIRS: tuple[tuple[str, str, float | None, float | None], ...] = (
    ("lyricsep, ctranslate2", BATCHED, 1.0, 1.0),
    ("lyricsep, ctranslate2", SEGMENTS, 1.0, 1.0),
    ("lyricsep, ctranslate2", "faster-whisper", None, None),
    ("lyricsep, ctranslate2", "whisper", None, 10.0),
    ("lyricsep, openai-whisper", "whisper", 2.0, 10.0),
    ("lyricsep", "separate, then whisper", 2.0, None),
    ("lyricsep separate", "demucs", None, 4.0),
)

# ---------------------------------------------------------------- as processes


def _whisper(setting: Setting, batch: Batch) -> list[str]:
    beam_size = str(setting.beam_size) if setting.beam_size > 1 else "None"  # greedy
    options = ["--language", batch.language, "--beam_size", beam_size, "--model", setting.checkpoint]
    options += ["--device", setting.device, "--fp16", str(setting.device != "cpu"), "--verbose", "False"]
    if setting.random:
        options += [f"--{name}={value}" for name, value in _once("logprob_threshold").items()]
        options += ["--temperature_increment_on_fallback", "None"]
    return [sys.executable, "-m", "whisper", *batch.songs, *options, "-f", "txt", "-o", batch.out]


def _once(logprob: str) -> dict[str, Any]:
    """Give the options of openai-whisper, and but for one name of faster-whisper, that decode a window just once."""
    never = dict.fromkeys(("compression_ratio_threshold", logprob, "no_speech_threshold"))
    return {"temperature": 0.0, "condition_on_previous_text": False, **never}


def _separate(setting: Setting, batch: Batch) -> list[str]:
    options = ["--separator", setting.separator, "--device", setting.device, "--output", batch.out]
    return [*LYRICSEP, "separate", *batch.songs, *options]


def _separate_then_whisper(setting: Setting, batch: Batch) -> list[list[str]]:
    """Write vocals, then hear them; by our separator, as Spleeter's own package cannot be installed any more."""
    vocals = [batch.target(song, ".vocals.wav") for song in batch.songs]
    return [_separate(setting, batch), _whisper(setting, replace(batch, songs=vocals))]


def _demucs(setting: Setting, batch: Batch) -> list[list[str]]:
    """Run Demucs on the same checkpoint, without its random shifts, as we do."""
    if not setting.demucs:
        raise TurnFailedError(
            f"{setting.separator} is not one Demucs checkpoint; --separator htdemucs is, if at hand"
        )
    (checkpoint,) = Path(setting.demucs).iterdir()
    options = ["--repo", setting.demucs, "-n", checkpoint.stem.split("-")[0], "--two-stems", "vocals"]
    options += ["--shifts", "0", "--device", setting.device, "--out", batch.out]
    return [[sys.executable, "-m", "demucs", *options, *batch.songs]]


def _worker(name: str, setting: Setting, batch: str = "") -> list[str]:
    """Run this script as a contender: for one batch, or for those that stdin asks for."""
    return [sys.executable, __file__, "--worker", name, json.dumps(asdict(setting)), batch]


# ---------------------------------------------------------------- in one process


def _load_whisper(setting: Setting) -> Work:
    import whisper

    model = whisper.load_model(setting.checkpoint, device=setting.device)
    # As its command line.
    options = {"beam_size": setting.beam_size if setting.beam_size > 1 else None, "best_of": 5}
    options |= _once("logprob_threshold") if setting.random else {}

    def work(batch: Batch) -> dict[str, float]:
        for song in batch.songs:
            heard = model.transcribe(song, language=batch.language, fp16=setting.device != "cpu", **options)
            _write(batch, song, [segment["text"] for segment in heard["segments"]])
        return {}

    return work


def _load_faster(*, batched: bool = False, segments: bool = False) -> Callable[[Setting], Work]:
    """Take faster-whisper's own defaults but for the beam, the batch and perhaps what is heard."""

    def load(setting: Setting) -> Work:
        from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

        device = "cuda" if setting.device.startswith("cuda") else "cpu"
        model = WhisperModel(setting.folder, device=device, compute_type="float16" if device == "cuda" else "int8")
        hears = BatchedInferencePipeline(model) if batched else model
        options: dict[str, Any] = {"beam_size": setting.beam_size}
        options |= {"batch_size": setting.batch_size} if batched else {}
        options |= _once("log_prob_threshold") if setting.random else {}

        def work(batch: Batch) -> dict[str, float]:
            for song in batch.songs:
                audio = decode_audio(song)
                if segments:
                    options.update(vad_filter=False, clip_timestamps=_segments(audio))
                heard, _ = hears.transcribe(audio, language=batch.language, **options)
                _write(batch, song, [segment.text for segment in heard])
            return {}

        return work

    return load


def _segments(vocals: NDArray[np.float32]) -> list[dict[str, float]]:
    from lyricsep.presets import PRESETS
    from lyricsep.signals import Signals, find_vocal_segments

    return [asdict(found) for found in find_vocal_segments(Signals(vocals, vocals), PRESETS[PRESET].segmentation)]


def _ours(backend: str = "", separator: str = "") -> tuple[Commands, Callable[[Setting], Work]]:
    """Give lyricsep as a process and as a library, with the default backend and the setting's separator."""

    def commands(setting: Setting, batch: Batch) -> list[list[str]]:
        options = ["--preset", PRESET, "--model", setting.model_for(backend)]
        options += ["--separator", separator or setting.separator]
        options += ["--beam-size", str(setting.beam_size), "--batch-size", str(setting.batch_size), "-f", "txt"]
        options += ["-l", batch.language, "--device", setting.device, "-o", batch.out]
        options += ["--backend", backend] if backend else []
        options += ["--no-repeat-ngram-sizes", "0"] if setting.random else []
        return [[*LYRICSEP, "transcribe", *batch.songs, *options]]

    def load(setting: Setting) -> Work:
        from lyricsep import Transcriber
        from lyricsep.formats import render_lyrics

        transcriber = Transcriber(
            preset=PRESET,
            separator=separator or setting.separator,
            model=setting.model_for(backend),
            backend=backend or None,
            beam_size=setting.beam_size,
            batch_size=setting.batch_size,
            device=setting.device,
            no_repeat_ngram_sizes=() if setting.random else None,
        )

        def work(batch: Batch) -> dict[str, float]:
            stages: dict[str, float] = {}
            for outcome in transcriber.stream(batch.songs, language=batch.language):
                _write(batch, str(outcome.path), [render_lyrics(outcome.unwrap(), "txt")])
                _add(stages, outcome.seconds)
            return stages

        return work

    return commands, load


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for name, number in more.items():
        sums[name] = sums.get(name, 0.0) + number


def _write(batch: Batch, song: str, lines: Sequence[str]) -> None:
    Path(batch.target(song)).write_text("\n".join(line.strip() for line in lines) + "\n", encoding="utf-8")


def _work(name: str, setting: str, batch: str) -> None:
    """Be a worker."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply
    load = _contenders()[name].load
    assert load is not None
    work = load(Setting(**json.loads(setting)))
    for asked in [batch] if batch else sys.stdin:
        began, busy = time.perf_counter(), time.process_time()
        stages = work(Batch(**json.loads(asked)))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - busy
        usage = Usage(seconds, cpu_seconds, stages=stages)
        print(json.dumps(asdict(usage)), file=replies, flush=True)


# ---------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Usage:
    """Wall and processor seconds, peak bytes of memory and of the cards, their busy share, seconds by stage."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: int = 0
    cuda: int = 0
    busy: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: Usage) -> Usage:
        stages = dict(self.stages)
        _add(stages, other.stages)
        peaks = max(self.memory, other.memory), max(self.cuda, other.cuda)
        seconds = self.seconds + other.seconds
        busy = (self.busy * self.seconds + other.busy * other.seconds) / seconds if seconds else 0.0
        return Usage(seconds, self.cpu_seconds + other.cpu_seconds, *peaks, busy, stages)


class TurnFailedError(Exception):
    """A contender did not do its job."""


Measure = Callable[[Batch], Usage]


@dataclass
class Watched:
    """What was seen of a process: peak bytes of memory and of the cards, and their busy share at each look."""

    memory: int = 0
    cuda: int = 0
    busy_shares: list[float] = field(default_factory=list)

    @property
    def busy(self) -> float:
        """The mean over the looks; 0 without any."""
        return sum(self.busy_shares) / max(1, len(self.busy_shares))


@contextmanager
def _watched(pid: int) -> Iterator[Watched]:
    """Watch a process and its children; what was seen is final when the block ends."""
    seen, ended, (before, _) = Watched(), threading.Event(), _cards()

    def watch() -> None:
        n_looks = 0
        while not ended.wait(POLL):
            seen.memory = max(seen.memory, _memory(pid))
            if n_looks % 10 == 0:
                held, busy = _cards()
                seen.cuda = max(seen.cuda, held - before)
                seen.busy_shares.append(busy)
            n_looks += 1

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _memory(pid: int) -> int:
    try:
        n_bytes = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (OSError, IndexError):  # no /proc, or it has just ended
        return 0
    return n_bytes + sum(_memory(int(child)) for of_thread in children for child in of_thread)


def _cards() -> tuple[int, float]:
    """Give the bytes that all cards hold, and the share of the last moments in which the busiest had work."""
    if not shutil.which("nvidia-smi"):
        return 0, 0.0
    query = ["nvidia-smi", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
    said = subprocess.run(query, capture_output=True, text=True).stdout
    cards = [line.split(", ") for line in said.splitlines()]
    # Cards that do not tell it say "[N/A]".
    busy = [float(share) / 100 for _, share in cards if share.isdecimal()]
    return sum(int(held) << 20 for held, _ in cards if held.isdecimal()), max(busy, default=0.0)


def _run(command: list[str], log: Path) -> Usage:
    """Run a process to its end, which must be good."""
    with log.open("w", encoding="utf-8") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        with _watched(process.pid) as seen:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise TurnFailedError(_last_line(log))
    # Linux counts what this process held at the fork into its child's ru_maxrss, so that is the second choice.
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Usage(seconds, used.ru_utime + used.ru_stime, seen.memory or largest, seen.cuda, seen.busy)


def _in_processes(setting: Setting, contender: Contender, batch: Batch) -> Usage:
    usage = Usage()
    for number, command in enumerate(contender.commands(setting, batch)):
        usage += _run(command, Path(batch.out, f"said-{number}.log"))
    stages: dict[str, float] = {}
    for manifest in Path(batch.out).glob(".lyricsep/manifest-*.json"):
        for song in json.loads(manifest.read_text(encoding="utf-8"))["songs"]:
            _add(stages, song.get("seconds", {}))
    rest = {"start, loading, writing": usage.seconds - sum(stages.values())} if stages else {}
    return replace(usage, stages=stages | rest)


@contextmanager
def _warm(setting: Setting, contender: Contender, log: Path) -> Iterator[Callable[[Batch], Usage]]:
    """Keep a contender loaded."""
    with log.open("w", encoding="utf-8") as said:
        pipe = subprocess.PIPE
        process = subprocess.Popen(_worker(contender.name, setting), stdin=pipe, stdout=pipe, stderr=said, text=True)

        def measure(batch: Batch) -> Usage:
            assert process.stdin is not None
            assert process.stdout is not None
            with _watched(process.pid) as seen:
                try:
                    print(json.dumps(asdict(batch)), file=process.stdin, flush=True)
                    reply = process.stdout.readline()
                except BrokenPipeError:
                    reply = ""
            if not reply:
                raise TurnFailedError(_last_line(log))
            return replace(Usage(**json.loads(reply)), memory=seen.memory, busy=seen.busy)

        try:
            yield measure
        finally:
            process.communicate()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:120] if lines else "failed without a word"


@dataclass(frozen=True)
class Staged:
    """A song as contenders find it: a plain name, its vocals beside it (`--mix-back`), its seconds, what is sung."""

    path: Path
    vocals: Path
    duration: float
    language: str
    reference: str = ""

    def heard_for(self, job: str) -> Path:
        """Give the file that a contender hears."""
        return self.vocals if job == "transcription" else self.path


class Race:
    """Turns, a record each, and who is out for which reason."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.folder = folder
        self.turns: list[dict[str, Any]] = []
        self.skipped: dict[str, str] = {}

    def run(
        self, phase: str, names: Sequence[str], songs: Sequence[Staged], rounds: int, warm_up: Staged | None = None
    ) -> None:
        """Let contenders take turns at the same songs: as processes or, with something to warm up on, loaded."""
        with ExitStack() as stack:
            measures: dict[str, Measure] = {}
            for one in [_contenders()[name] for name in names if name not in self.skipped]:
                if warm_up is None:
                    measures[one.name] = partial(_in_processes, self.setting, one)
                elif one.load:
                    log = self.folder / f"{one.name}.log"
                    measures[one.name] = stack.enter_context(_warm(self.setting, one, log))
                    self._turn(one.name, measures[one.name], [warm_up])
            for number in range(rounds):
                for name in [name for name in measures if name not in self.skipped]:
                    turn = self._turn(name, measures[name], songs)
                    if turn:
                        self.turns.append({"phase": phase, "contender": name, "round": number, **turn})
                        print(f"{phase} {number}: {name}: {turn['seconds']:.1f} s", file=sys.stderr)

    def _turn(self, name: str, measure: Measure, songs: Sequence[Staged]) -> dict[str, Any] | None:
        usage, words, errors, windows = Usage(), 0, 0, 0
        job = _contenders()[name].job
        with TemporaryDirectory(dir=self.folder) as folder:
            try:
                for language, together in groupby(songs, key=lambda song: song.language):
                    same, out = list(together), Path(folder, language)
                    out.mkdir()
                    usage += measure(Batch([str(song.heard_for(job)) for song in same], language, str(out)))
                    if job == "separation":
                        continue
                    counts = [_count(song, out) for song in same]
                    words, errors = words + sum(n for n, _ in counts), errors + sum(n for _, n in counts)
                    if self.setting.random:
                        windows += sum(_count_windows(song, out) for song in same)
            except TurnFailedError as error:
                self.skipped[name] = str(error)
                return None
        audio = sum(song.duration for song in songs)
        wer = errors / words if words else None
        about = {"songs": len(songs), "audio": audio, "windows": windows or None}
        return {**about, "speed": audio / usage.seconds, "wer": wer, **asdict(usage)}


def _count(song: Staged, out: Path) -> tuple[int, int]:
    """Count the words of the reference, and the errors in what was heard; a song may have no reference."""
    from lyricsep.scoring import score

    heard = _heard(song, out)
    words = score(song.reference, heard, song.language).counts.words
    return (words.n_reference, words.errors) if song.reference else (0, 0)


def _count_windows(song: Staged, out: Path) -> int:
    """Count the windows of a song that was heard with random weights, all of which must be of full length."""
    n_words = len(_heard(song, out).split())
    windows = -(-n_words // N_TOKENS)
    # Where Whisper times its phrases, the first token of a window is a time.
    if not windows or n_words not in (windows * N_TOKENS, windows * (N_TOKENS - 1)):
        raise TurnFailedError(f"{song.path.name}: {n_words} tokens came, expected windows of {N_TOKENS}")
    return windows


def _heard(song: Staged, out: Path) -> str:
    names = [out / f"{song.path.stem}{suffix}.txt" for suffix in ("", ".vocals")]
    heard = [path.read_text(encoding="utf-8") for path in names if path.is_file()]
    if not heard:  # openai-whisper goes on after a failure, and its exit code is 0
        raise TurnFailedError(f"no lyrics came of {song.path.name}")
    return heard[0]


# ---------------------------------------------------------------- what is heard, and by what


def _stage(songs: Sequence[Song], folder: Path, setting: Setting, mix_back: float = 0.0) -> list[Staged]:
    """Give songs plain names, those of one language together, separate them, and mix some of the band back."""
    from lyricsep.audio import load_audio
    from lyricsep.devices import choose_device
    from lyricsep.errors import DatasetError
    from lyricsep.separators import create_separator, find_separator
    from lyricsep.signals import save_stems

    separator = create_separator(find_separator(setting.separator), choose_device(setting.device))
    staged = []
    for number, song in enumerate(sorted(songs, key=lambda song: song.language)):
        if song.audio:
            path = folder / f"song{number:03d}{song.audio.suffix}"
            path.symlink_to(song.audio.resolve())
            vocals = path.with_suffix(".vocals.wav")
            save_stems(path, {"vocals": vocals}, separator)
            if mix_back:
                _mix_back(path, vocals, mix_back)
            text = "" if setting.random else song.text
            staged.append(Staged(path, vocals, load_audio(path).duration, song.language, text))
    if not staged:
        raise DatasetError("the dataset has no audio for it; `lyricsep datasets show` lists what it has")
    return staged


def _mix_back(song: Path, vocals: Path, share: float) -> None:
    from lyricsep.audio import Audio, load_audio, save_audio

    mixture, sung = load_audio(song), load_audio(vocals)
    heard = sung.samples + share * (mixture.samples - sung.samples)
    save_audio(vocals, Audio(heard, sung.sample_rate), overwrite=True)


def _cut(song: Staged, path: Path, duration: float, start: float) -> Staged:
    """Take so many seconds of a song from `start`, going round and round; each start makes another file."""
    vocals = path.with_suffix(f".vocals{path.suffix}")
    for source, target in ((song.path, path), (song.vocals, vocals)):
        _cut_file(source, target, duration, start)
    return Staged(path, vocals, duration, song.language)


def _cut_file(source: Path, target: Path, duration: float, start: float) -> None:
    from lyricsep.audio import Audio, load_audio, save_audio

    audio = load_audio(source)
    n_samples = round(duration * audio.sample_rate)
    turned = audio.samples.roll(-round(start * audio.sample_rate), dims=1)
    samples = turned.repeat(1, -(-n_samples // audio.n_samples))[:, :n_samples]
    save_audio(target, Audio(samples.clamp(-1, 1), audio.sample_rate))


def _prepare(options: argparse.Namespace, folder: Path) -> Setting:
    """Fetch or make all weights before anything is timed, and write the same numbers as everybody wants them."""
    from lyricsep.devices import choose_device
    from lyricsep.weights import write_whisper

    separator, demucs = _prepare_separator(options, folder / "demucs")
    prepare = _random_whisper if options.random_weights else _known_whisper
    checkpoint, dims, state = prepare(options.model, folder)
    converted = folder / "ctranslate2"
    write_whisper(converted, dims, state, [])  # ours may lack the tokenizer that faster-whisper wants
    if not shutil.which("ffmpeg") and importlib.util.find_spec("imageio_ffmpeg"):  # openai-whisper wants one
        (folder / "ffmpeg").symlink_to(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    paths = str(checkpoint), str(converted), str(demucs) if demucs.exists() else ""
    how = str(choose_device(options.device)), options.beam_size, options.batch_size
    return Setting(options.model, separator, *paths, *how, random=options.random_weights)


def _prepare_separator(options: argparse.Namespace, demucs: Path) -> tuple[str, Path]:
    """Give what ``--separator`` of lyricsep is, and the folder of its checkpoint of Demucs, made where it has one."""
    from lyricsep.separators import find_separator
    from lyricsep.weights import fetch

    if options.random_weights and options.separator in DEMUCS:
        return str(_random_demucs(options.separator, demucs)), demucs
    separator = find_separator(options.separator)
    files = [fetch(file) for file in separator.files]
    if separator.family == "demucs" and [file.suffix for file in files] == [".th"]:
        demucs.mkdir()
        (demucs / files[0].name).symlink_to(files[0])
    return options.separator, demucs


def _known_whisper(name: str, folder: Path) -> tuple[Path, dict[str, int], dict[str, Tensor]]:
    """Give the checkpoint of a model, and what is in it."""
    import torch

    from lyricsep.transcribers import find_model
    from lyricsep.weights import fetch, fetch_folder, load_openai_checkpoint, read_whisper

    model = find_model(name)
    if model.files != model.ctranslate2:
        checkpoint = fetch(*model.files)
        return checkpoint, *load_openai_checkpoint(checkpoint)
    checkpoint = folder / f"{model.name}.pt"
    dims, state, _ = read_whisper(fetch_folder(model.name, model.ctranslate2))
    torch.save({"dims": dims, "model_state_dict": state}, checkpoint)
    return checkpoint, dims, state


# ---------------------------------------------------------------- weights of chance

N_TOKENS = 224  # of a window at most: half of Whisper's context, for openai-whisper and CTranslate2 alike
# The published arguments: facebookresearch/demucs, demucs/grids/mmi.py, and the catalogue of its models (segment).
# They give the 41,984,456 parameters of the published checkpoint.
DEMUCS: dict[str, dict[str, Any]] = {
    "htdemucs": {
        "sources": ["drums", "bass", "other", "vocals"],
        "segment": Fraction(39, 5),
        "depth": 4,
        "bottom_channels": 512,
        "dconv_mode": 3,
        "t_layers": 5,
    }
}


def _random_whisper(name: str, folder: Path) -> tuple[Path, dict[str, int], dict[str, Tensor]]:
    """Make a Whisper model of chance, in half precision, that says nothing but whole words, for ever.

    One number of what the decoder's last norm gives is made constant, 1, by its weight 0 and its bias 1. In the rows
    of the vocabulary it stands before what is added to a token's logit, whatever was heard: 0 for words, -30 for all
    other tokens, the times among them, and -60 for the end of the text. Else logits stay within a few units. Where a
    time is demanded the end is excluded, so nothing ends before the last token, whoever searches in which way.
    """
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    from lyricsep.errors import ConfigError
    from lyricsep.weights import whisper_dims

    try:
        dims = whisper_dims(name)
    except ValueError as error:
        raise ConfigError(f"--random-weights: {error}; choose a name of `lyricsep models list`") from error
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**dims))
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    state = model.state_dict()
    positions, tokens = state["decoder.positional_embedding"], state["decoder.token_embedding.weight"]
    positions.copy_(0.01 * torch.randn(positions.shape))  # as it comes, it is whatever was in the memory
    tokens.copy_(torch.randn(tokens.shape) / tokens.shape[1] ** 0.5)
    # Words that are one token each, so that the tokens of a text can be counted.
    texts = [tokenizer.encoding.decode_single_token_bytes(index) for index in range(tokenizer.eot)]
    words = [index for index, text in enumerate(texts) if text[:1] == b" " and text[1:].isalpha() and text.islower()]
    tokens[:, 0] = -30
    tokens[words, 0] = 0
    tokens[tokenizer.eot, 0] = -60
    state["decoder.ln.weight"][0], state["decoder.ln.bias"][0] = 0, 1
    state = {key: weights.half() for key, weights in state.items()}
    checkpoint = folder / f"random-{name}.pt"
    torch.save({"dims": dims, "model_state_dict": state}, checkpoint)
    return checkpoint, dims, state


def _random_demucs(name: str, folder: Path) -> Path:
    """Make a Demucs of chance, as `demucs` publishes its own, and the entry by which lyricsep finds it."""
    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import save_with_checksum

    torch.manual_seed(0)
    model = HTDemucs(**DEMUCS[name])
    with torch.no_grad():
        for layer in (model.decoder[-1].conv_tr, model.tdecoder[-1].conv_tr):
            for parameter in layer.parameters():
                parameter *= 8  # about as loud as the mixture, so that there is something to hear
    state = {key: weights.half() for key, weights in model.state_dict().items()}
    folder.mkdir()
    content = {"klass": HTDemucs, "args": (), "kwargs": DEMUCS[name], "state": state}
    save_with_checksum(content, folder / "random.th")  # type: ignore[no-untyped-call]
    (checkpoint,) = folder.iterdir()
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    entry = folder.with_name(f"{name}.toml")
    file = (
        f'[[files]]\nname = "{checkpoint.name}"\nsha256 = "{sha256}"\nsources = ["file:demucs/{checkpoint.name}"]\n'
    )
    entry.write_text(f'family = "demucs"\n\n{file}', encoding="utf-8")
    return entry


def _hardware(device: str) -> dict[str, Any]:
    from lyricsep.devices import choose_device, describe_device, describe_machine

    return describe_machine() | {
        "device": describe_device(choose_device(device)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: one.version for name in LIBRARIES for one in metadata.distributions(name=name)},
        "load_before": os.getloadavg()[0],
    }


# ---------------------------------------------------------------- what came of it


def _ratios(turns: Any, device: str) -> list[dict[str, Any]]:
    """Compare the pairs round by round; `turns` is a data frame.

    With random weights transcribers are compared by seconds a window, and whole jobs of other windows not at all.
    """
    jobs = {one.name: one.job for one in _contenders().values()}
    found = []
    for phase, own in turns[turns["phase"].isin(["process", "warm"])].groupby("phase"):
        by_round = {
            field: own.pivot(index="round", columns="contender", values=field)
            for field in ("seconds", "wer", "windows")
        }
        seconds, wer, windows = by_round.values()
        for ours, other, on_cpu, on_cuda in PAIRS:
            if not {ours, other} <= {*seconds.columns}:
                continue
            ratio = (seconds[other] / seconds[ours]).dropna()
            more = (windows[other] / windows[ours]).dropna()
            if len(more) and (more != 1).any():
                if jobs[ours] == "whole job":
                    continue
                ratio = (ratio / more).dropna()
            wanted = on_cuda if device.startswith("cuda") else on_cpu
            numbers = {"ratio": ratio.median(), "low": ratio.min(), "high": ratio.max()}
            points = 100 * (wer[ours] - wer[other]).median()
            numbers |= {"wanted": wanted, "wer_points": None if math.isnan(points) else points}
            found.append({"phase": phase, "ours": ours, "other": other, **numbers})
    return found


def _tables(
    turns: Any, ratios: Sequence[Mapping[str, Any]], skipped: Mapping[str, str], *, random: bool = False
) -> list[Table]:
    from lyricsep.tables import Table, percent

    jobs = {one.name: one.job for one in _contenders().values()}
    by_size = turns.groupby(["phase", "contender", "songs", "audio"], sort=False)
    rows: dict[bool, list[tuple[str, ...]]] = {False: [], True: []}
    for (phase, name, n_songs, audio), own in by_size:
        low, speed, high = own["speed"].min(), own["speed"].median(), own["speed"].max()
        numbers = [f"{speed:.2f}", f"{low:.2f}–{high:.2f}", f"{own['seconds'].median():.1f}"]
        numbers += [f"{own['cpu_seconds'].median():.1f}", f"{own['memory'].max() / 1e9:.2f}"]
        numbers += [f"{own['cuda'].max() / 1e9:.2f}", percent(own["busy"].mean())]
        if random:
            windows = own["windows"].median()
            numbers += (
                ["", ""] if math.isnan(windows) else [f"{windows:.0f}", f"{own['seconds'].median() / windows:.2f}"]
            )
        if phase in ("process", "warm"):
            rows[False].append(
                (jobs[name], name, phase, *numbers, *([] if random else [percent(own["wer"].median())]))
            )
        else:
            rows[True].append((f"more {phase}", name, str(n_songs), f"{audio / 60:.1f}", *numbers))
    costs = ["audio s / s", "range", "s", "CPU s", "memory GB", "CUDA GB", "GPU busy"]
    costs += ["windows", "s / window"] if random else []
    versus = [
        (
            f"{one['ours']} / {one['other']}",
            one["phase"],
            f"{one['ratio']:.2f}",
            f"{one['low']:.2f}–{one['high']:.2f}",
            "" if one["wanted"] is None else f"{one['wanted']:.0f}",
            *([] if random else ["" if one["wer_points"] is None else f"{one['wer_points']:+.2f}"]),
        )
        for one in ratios
    ]
    stages = [
        (turn["contender"], turn["phase"], ", ".join(f"{stage} {n:.1f}" for stage, n in turn["stages"].items()))
        for turn in turns[turns["phase"].isin(["process", "warm"]) & (turns["round"] == 0)].to_dict("records")
        if turn["stages"]
    ]
    chance = ", random weights" if random else ""
    wer = [] if random else ["WER"]
    points = [] if random else ["WER points"]
    pairs = ("pair", "phase", "ratio", "range", "wanted", *points)
    tables = [
        Table(f"Speed{chance}", ("job", "contender", "phase", *costs, *wer), tuple(rows[False]), 3),
        Table(f"How many times as fast{chance and ' a window' + chance}", pairs, tuple(versus), 2),
        Table(f"Stages of the first round{chance}", ("contender", "phase", "seconds"), tuple(stages), 3),
        Table(
            f"Cost of more, and of longer songs{chance}",
            ("", "contender", "songs", "min", *costs),
            tuple(rows[True]),
            2,
        ),
        Table("Skipped", ("contender", "why"), tuple(skipped.items()), 2),
    ]
    return [table for table in tables if table.rows]


def _plot(turns: Any, path: Path, *, random: bool) -> None:
    from matplotlib.figure import Figure

    sizes = [one for one in (("songs", "songs", 1), ("minutes", "audio", 60)) if (turns["phase"] == one[0]).any()]
    figure = Figure(figsize=(5 + 4 * len(sizes), 4.2), layout="constrained")
    speeds, *axes = figure.subplots(1, 1 + len(sizes), squeeze=False)[0]
    own = turns[turns["phase"].isin(["process", "warm"])]
    medians = own.pivot_table(index="contender", columns="phase", values="speed", aggfunc="median", sort=False)
    for place, phase in enumerate(medians):
        heights = [index + 0.4 * place for index in range(len(medians))]
        speeds.barh(heights, medians[phase], 0.38, label=phase)
    speeds.set_yticks(range(len(medians)), medians.index)
    speeds.set(xlabel="seconds of audio a second")
    speeds.invert_yaxis()
    speeds.legend()
    for axis, (phase, of, unit) in zip(axes, sizes, strict=True):
        for name, cost in turns[turns["phase"] == phase].groupby("contender", sort=False):
            axis.plot(cost[of] / unit, cost["seconds"], "o-", label=name)
        axis.set(xlabel=phase, ylabel="seconds", xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    if random:
        figure.suptitle("random weights: speed alone")
    figure.savefig(path, dpi=150)


def _parse() -> argparse.Namespace:
    def sizes(text: str) -> list[float]:
        return [float(size) for size in text.split(",") if size]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, help="folder for speed.json, speed.md and speed.png")
    add("--dataset", default=str(EXAMPLE), help="songs with lyrics, named as for `lyricsep benchmark` (the example)")
    add("-l", "--language", default="en", help="of songs whose dataset does not say it (default: %(default)s)")
    add("--songs", type=int, help="only so many of them, the first (default: all)")
    add("--model", default="base", help="Whisper model (default: %(default)s)")
    add("--separator", default="spleeter", help="separator of the whole job (default: %(default)s)")
    add("--mix-back", type=float, default=0.0, help="share of the band that transcribers hear (default: %(default)s)")
    add("--random-weights", action="store_true", help="speed alone, of models of chance in the named sizes")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--beam-size", type=int, default=5, help="of everybody; 1 is greedy (default: %(default)s)")
    add("--batch-size", type=int, default=16, help="of everybody who has one (default: %(default)s)")
    add("--threads", type=int, default=os.cpu_count(), help="of everybody (default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    add("--only", action="append", choices=list(_contenders()), help="a contender; may be repeated (default: all)")
    add("--no-warm", action="store_true", help="leave out the warm measure")
    add("--counts", type=sizes, default="1,2", help="numbers of songs, a minute each (default: %(default)s)")
    add("--minutes", type=sizes, default="1,2", help="lengths of one song (default: %(default)s)")
    return parser.parse_args()


def _run_all(race: Race, options: argparse.Namespace, songs: Sequence[Staged]) -> None:
    """Run all phases."""
    folder, first = race.folder, songs[0]
    names = options.only or list(_contenders())
    scaled = [name for name in SCALED if name in names]
    race.run("process", names, songs, options.rounds)
    if not options.no_warm:
        middle = _cut(first, folder / "warm-up.flac", min(30.0, first.duration), first.duration / 2)
        race.run("warm", names, songs, options.rounds, middle)
    for count in options.counts:
        # Each starts elsewhere: a contender may remember that it has heard the same sound.
        same = [_cut(first, folder / f"{count}-{n}.flac", 60.0, 7.0 * n) for n in range(int(count))]
        race.run("songs", scaled, same, 1)
    for length in options.minutes:
        race.run("minutes", scaled, [_cut(first, folder / f"{length}-minutes.flac", 60 * length, 3.0)], 1)


def _record(race: Race, options: argparse.Namespace, dataset: Dataset) -> None:
    """Write what came of it, and print the tables."""
    import pandas

    from lyricsep.files import replacing, write_text

    turns = pandas.DataFrame(race.turns).astype({"wer": float, "windows": float})
    ratios = _ratios(turns, race.setting.device)
    tables = _tables(turns, ratios, race.skipped, random=options.random_weights)
    about = _hardware(race.setting.device)
    about |= {"dataset": dataset.name, "songs": [song.id for song in dataset.songs], "threads": options.threads}
    about |= {name: getattr(options, name) for name in ("model", "separator", "mix_back", "beam_size", "batch_size")}
    about |= {"weights": "random weights: speed alone"} if options.random_weights else {}
    document = {"about": about, "turns": race.turns, "ratios": ratios, "skipped": race.skipped}
    write_text(options.output / "speed.json", json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    facts = [f"- {name}: {value}" for name, value in about.items()]
    write_text(options.output / "speed.md", "\n".join(["# Speed", "", *facts, "", *(t.markdown() for t in tables)]))
    with replacing(options.output / "speed.png") as path:
        _plot(turns, path, random=options.random_weights)
    print("\n".join(table.text() for table in tables))


def main() -> None:
    """Run the race and write what came of it."""
    if sys.argv[1:2] == ["--worker"]:
        _work(*sys.argv[2:])
        return
    options = _parse()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # PyTorch's and CTranslate2's

    from lyricsep.datasets import open_dataset
    from lyricsep.errors import ConfigError, LyricsepError

    try:
        if not importlib.util.find_spec("matplotlib"):
            raise ConfigError("the plot needs matplotlib: pip install 'lyricsep[benchmark]'")
        dataset = open_dataset(options.dataset, language=options.language).select(limit=options.songs)
        with TemporaryDirectory(prefix="lyricsep-speed-", ignore_cleanup_errors=True) as temporary:
            race = Race(_prepare(options, Path(temporary)), Path(temporary))
            songs = _stage(dataset.songs, race.folder, race.setting, options.mix_back)
            with suppress(KeyboardInterrupt):  # what is done is told
                _run_all(race, options, songs)
        if not race.turns:
            sys.exit("\n".join(f"{name}: {why}" for name, why in race.skipped.items()))
        _record(race, options, dataset)
    except LyricsepError as error:
        sys.exit(f"benchmark_speed: {error}")


if __name__ == "__main__":
    main()
