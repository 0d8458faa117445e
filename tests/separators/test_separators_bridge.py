"""The bridge: commands of other environments, good, bad and worse."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lyricsep.audio import Audio
from lyricsep.errors import AudioError, ConfigError, LyricsepError
from lyricsep.separators import (
    Mixture,
    Separator,
    SeparatorSpec,
    create_separator,
    find_separator,
    separator_catalog,
)
from lyricsep.separators import bridge as bridge_module
from lyricsep.separators.base import Chain
from lyricsep.separators.bridge import Recipe, has_environment
from lyricsep.separators.catalog import _warn

CPU = torch.device("cpu")
RATE = 16000

# What every child can do with nothing but the standard library: 32 bit float WAV in, 16 bit WAV out.
CHILD = """
import os, pathlib, struct, sys, wave

def read(path):
    data = pathlib.Path(path).read_bytes()
    kind, channels, rate = struct.unpack_from("<HHI", data, data.index(b"fmt ") + 8)
    assert kind in (3, 0xFFFE), kind
    start = data.index(b"data") + 8
    n = struct.unpack_from("<I", data, start - 4)[0] // 4
    return rate, channels, struct.unpack_from(f"<{n}f", data, start)

def write(path, rate, channels, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *(round(32768 * s) for s in samples)))

song, folder, *rest = sys.argv[1:]
out = pathlib.Path(folder)
rate, channels, samples = read(song)
"""
HALVE = CHILD + "write(out / 'vocals.wav', rate, channels, [s / 2 for s in samples])\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary folders of the bridge are made here, under a name that is not ASCII, and are gone in the end."""
    folder = tmp_path / "tëmp 歌 'quoted'"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(autouse=True)
def _no_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LYRICSEP_ENV_")]:
        monkeypatch.delenv(name)


def sound(n_channels: int = 2, n_samples: int = RATE, seed: int = 1) -> Audio:
    """Noise without what resampling would take, at half of full scale at most."""
    time_ = np.arange(n_samples) / RATE
    tones = [[0.2 * np.sin(2 * np.pi * (220 * (c + seed) * k) * time_) for k in (1, 3)] for c in range(n_channels)]
    return Audio(torch.tensor(np.sum(tones, axis=1), dtype=torch.float32), RATE)


def spec(*command: str, name: str = "mine", query: str = "", **settings: object) -> SeparatorSpec:
    known = {"command": list(command), "output": "vocals.wav", "sample_rate": RATE, "channels": 2}
    return SeparatorSpec(name, "exec", "", "", "", settings={**known, **settings}, query=query)


def bridge(program: str, **settings: object) -> Separator:
    """A bridge to a program run by the interpreter of the tests."""
    program = textwrap.dedent(program)
    command = (sys.executable, "-c", program, "{input}", "{output_dir}", "{query}", "{device}")
    return create_separator(spec(*command, **settings), CPU)


def refused(separator: Separator, match: str, error: type[LyricsepError] = AudioError) -> None:
    with pytest.raises(error, match=match) as caught:
        separator.separate(sound())
    assert "\n" not in str(caught.value)


# A real environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own, without pip but with another numpy."""
    folder = tmp_path_factory.mktemp("räume") / "énv mit 歌"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    (packages / "numpy").mkdir()
    (packages / "numpy" / "__init__.py").write_text('__version__ = "0.1"\n')
    script = CHILD + textwrap.dedent("""
        import numpy
        assert numpy.__version__ == "0.1", numpy.__version__
        (out / "heard.txt").write_text(" ".join([numpy.__version__, sys.prefix, os.getcwd(), *rest]), "utf-8")
        print(numpy.__version__, sys.prefix, *rest, file=open("heard.txt", "w", encoding="utf-8"))
        write(out / "vocals.wav", rate, channels, [s / 2 for s in samples])
    """)
    (folder / "separate.py").write_text(script, encoding="utf-8")
    return folder


IN_ENVIRONMENT = ("{python}", "separate.py", "{input}", "{output_dir}", "{query}", "{device}")


def test_a_command_of_another_environment_with_another_numpy(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ours would win where it leaked in.
    monkeypatch.setenv("PYTHONPATH", str(Path(np.__file__).parents[1]))
    monkeypatch.setenv("LYRICSEP_ENV_MINE", str(environment))
    separator = create_separator(spec(*IN_ENVIRONMENT, query="text", query_default="Gesang, süß; $HOME"), CPU)
    song = sound()
    vocals = separator.separate(song)
    assert (vocals.sample_rate, vocals.samples.shape) == (song.sample_rate, song.samples.shape)
    assert float((vocals.samples - song.samples / 2).abs().max()) < 2**-15
    heard = (environment / "heard.txt").read_text(encoding="utf-8")
    assert heard == f"0.1 {environment} Gesang, süß; $HOME cpu\n"
    assert np.__version__ != "0.1"


def test_an_environment_may_be_named_by_its_interpreter(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYRICSEP_ENV_MINE", str(environment / "bin" / "python"))
    create_separator(spec(*IN_ENVIRONMENT), CPU).separate(sound())
    assert str(environment) in (environment / "heard.txt").read_text(encoding="utf-8")


def test_a_query_of_the_user(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYRICSEP_ENV_MINE", str(environment))
    mine = spec(*IN_ENVIRONMENT, query="text", query_default="singing voice")
    create_separator(mine, CPU, query="a choir").separate(sound())
    assert " a choir cpu" in (environment / "heard.txt").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="spleeter: takes no query; leave query out"):
        create_separator(find_separator("spleeter"), CPU, query="a choir")


def test_without_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LYRICSEP_ENV_FLOWSEP", raising=False)
    flowsep = find_separator("flowsep")
    assert not has_environment(flowsep)
    with pytest.raises(ConfigError, match=r"^flowsep: needs its own environment; `lyricsep models show flowsep` "):
        create_separator(flowsep, CPU)
    monkeypatch.setenv("LYRICSEP_ENV_FLOWSEP", str(tmp_path / "none"))
    with pytest.raises(
        ConfigError, match=r"none is neither an environment nor an interpreter; correct LYRICSEP_ENV_FLOWSEP"
    ):
        create_separator(flowsep, CPU)


def stand_in(folder: Path, device: str = "cpu") -> None:
    """Make an environment in which a stand-in for each package of the catalogue halves what it gets."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    body = CHILD.replace("song, folder, *rest = sys.argv[1:]\nout = pathlib.Path(folder)\n", "").replace(
        "rate, channels, samples = read(song)\n", ""
    )
    (packages / "standin.py").write_text(
        body
        + "def halve(song, target):\n"
        + "    rate, channels, samples = read(song)\n"
        + "    pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)\n"
        + "    write(target, rate, channels, [s / 2 for s in samples])\n"
    )
    (packages / "gensvs.py").write_text(
        "import os, standin\n"
        "class Model:\n"
        "    def __init__(self, device):\n"
        f"        assert device == {device!r}\n"
        "    def run_folder(self, test_dir, out_dir):\n"
        "        (name,) = os.listdir(test_dir)\n"
        "        standin.halve(f'{test_dir}/{name}', f'{out_dir}/{self.name}/separated_vocals_{name}')\n"
        "        standin.halve(f'{test_dir}/{name}', f'{out_dir}/../melroformer_small/{name}')\n"
        "class MelRoFoBigVGAN(Model):\n    name = 'melroformer_bigvgan'\n"
        "class SGMSVS(Model):\n    name = 'sgmsvs'\n"
    )
    (packages / "clearvoice.py").write_text(
        "import pathlib, standin\n"
        "class ClearVoice:\n"
        "    def __init__(self, task, model_names):\n"
        "        self.name, = model_names\n"
        "    def __call__(self, input_path, online_write, output_path):\n"
        "        for speaker in 's1', 's2':\n"
        "            name = f'{pathlib.Path(input_path).stem}_{speaker}.wav'\n"
        "            standin.halve(input_path, f'{output_path}/{self.name}/{name}')\n"
    )
    (folder / "separate.py").write_text(
        f"import sys, standin\nassert sys.argv[3:] == ['singing voice', {device!r}]\n"
        "standin.halve(sys.argv[1], sys.argv[2] + '/vocals.wav')\n"
    )


# Rates, channels, lengths


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 22050])
def test_any_song_through_any_recipe(n_channels: int, channels: int, rate: int) -> None:
    song = sound(n_channels, 8001)
    vocals = bridge(HALVE, sample_rate=rate, channels=channels).separate(song)
    assert vocals.samples.shape == song.samples.shape
    expected = song.samples / 2
    if channels != n_channels:
        expected = expected.mean(dim=0, keepdim=True).expand_as(expected)
    assert float((vocals.samples - expected)[:, 1000:-1000].abs().max()) < 2e-3


def test_blocks_are_those_of_one_song_and_silence_of_no_samples_is_nothing() -> None:
    separator = bridge(HALVE)
    song = sound()
    blocks = song.samples.split(3000, dim=1)
    vocals = torch.cat(list(separator.stream(Mixture(blocks, RATE, 2))), dim=1)
    assert torch.equal(vocals, separator.separate(song).samples)
    assert list(separator.stream(Mixture([], RATE, 2))) == []


@pytest.mark.parametrize(("extra", "fits"), [(0.09, True), (-0.09, True), (0.11, False), (-0.11, False)])
def test_lengths_within_a_tenth_of_a_second_are_made_to_fit(extra: float, fits: bool) -> None:
    n = round(extra * RATE) * 2
    longer = f"[*samples, *[0.0] * {n}]" if n > 0 else f"samples[:{n}]"
    separator = bridge(CHILD + f"write(out / 'vocals.wav', rate, channels, {longer})\n")
    if fits:
        assert separator.separate(sound()).samples.shape == (2, RATE)
    else:
        refused(separator, rf"^mine: its command wrote vocals.wav with {1 + extra:.2f} s, expected 1.00 s; ")


def test_a_chain_gives_the_vocals_of_one_to_the_other() -> None:
    song = sound()
    chain = Chain(bridge(HALVE), bridge(HALVE))
    assert chain.name == "mine then mine"
    assert float((chain.separate(song).samples - song.samples / 4).abs().max()) < 2**-14


# Commands that fail


def test_a_crash_says_what_the_command_said_last(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="lyricsep")
    program = """
        import sys
        print("on stdout")
        print("first\\n\\x1b[31mRuntimeError: no such\\x07 weights\\x1b[0m", file=sys.stderr)
        print("  ^^^^\\n\\n 50%|###   | 1/2", file=sys.stderr)
        sys.exit(3)
    """
    refused(
        bridge(program), r"^mine: its command failed with exit code 3: RuntimeError: no such weights; log level INFO"
    )
    assert "its stderr ended with\nfirst\nRuntimeError" in caplog.text


@pytest.mark.parametrize(
    ("program", "output", "match"),
    [
        ("raise KeyError('model')", "vocals.wav", "failed with exit code 1: KeyError: 'model'; "),
        ("import os; os.abort()", "vocals.wav", "failed with SIGABRT .it printed nothing.; "),
        (
            "print('all fine')",
            "vocals.wav",
            r"expected one file vocals.wav, got 0 \(its command wrote nothing\): all fine;",
        ),
        (
            CHILD + "(out / 'a').mkdir(); write(out / 'a' / 'other.wav', rate, channels, samples)",
            "vocals.wav",
            r"expected one file vocals.wav, got 0 \(its command wrote a/other.wav\)",
        ),
        (
            CHILD + "[write(out / f'{i}.wav', rate, channels, samples) for i in range(7)]",
            "*.wav",
            r"one file \*.wav, got 7 \(.* 0.wav, 1.wav, 2.wav, 3.wav, 4.wav, \.\.\.\)",
        ),
        (
            CHILD + "(out / 'vocals.wav').write_text('vocals')",
            "vocals.wav",
            "^mine: the output of its command cannot be read",
        ),
        (
            CHILD + "write(out / 'vocals.wav', 8000, channels, samples[: len(samples) // 2])",
            "vocals.wav",
            "wrote vocals.wav with 8000 Hz, expected 16000 Hz; ",
        ),
    ],
    ids=["traceback", "abort", "nothing", "another name", "too many", "no sound", "another rate"],
)
def test_commands_that_give_no_vocals(program: str, output: str, match: str) -> None:
    refused(bridge(program, output=output), match)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_no_numbers(value: str) -> None:
    program = CHILD + textwrap.dedent(f"""
        data = bytearray(pathlib.Path(song).read_bytes())
        data[-4:] = struct.pack("<f", float("{value}"))
        (out / "vocals.wav").write_bytes(data)
    """)
    refused(
        bridge(program),
        r"wrote vocals.wav with non-finite samples \(NaN or infinity\), expected a sound file without damage; ",
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A dead process whose parent did not ask for it is a name only.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def eventually(is_so: Callable[[], bool]) -> bool:
    for _ in range(200):
        if is_so():
            return True
        time.sleep(0.05)
    return False


HANG = """
    import os, pathlib, signal, subprocess, sys, time
    if {deaf}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path({pids!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
    print("thinking", file=sys.stderr, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("deaf", [False, True])
def test_a_command_that_hangs_is_stopped_with_all_it_started(
    deaf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyricsep.separators.bridge.GRACE", 0.5)
    pids = tmp_path / "pids"
    separator = bridge(HANG.format(deaf=deaf, pids=str(pids)), time_limit=4)
    refused(separator, r"^mine: stopped, since it did not finish within 4 s: thinking; use a faster device")
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert eventually(lambda: not any(map(is_alive, started)))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_what_a_command_leaves_running_is_ended() -> None:
    program = HALVE + textwrap.dedent("""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(rest[0]).write_text(str(child.pid))
    """)
    pid = Path(tempfile.mkdtemp()) / "pid"
    bridge(program, query_default=str(pid)).separate(sound())
    assert eventually(lambda: not is_alive(int(pid.read_text())))
    pid.unlink()
    pid.parent.rmdir()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_ctrl_c_ends_the_command_and_leaves_nothing(tmp_path: Path, place: Path) -> None:
    pids = tmp_path / "pids"
    program = textwrap.dedent(HANG.format(deaf=False, pids=str(pids)))
    recipe = tmp_path / "hängt.toml"
    # A list of JSON strings is one of TOML strings, too.
    command = json.dumps([sys.executable, "-c", program, "{input}", "{output_dir}"], ensure_ascii=False)
    recipe.write_text(
        f'[settings]\ncommand = {command}\noutput = "v.wav"\nsample_rate = 16000\nchannels = 1\n', "utf-8"
    )
    code = (
        "import sys, torch; from lyricsep.audio import Audio; from lyricsep.separators import *; "
        "s = create_separator(find_separator(sys.argv[1]), torch.device('cpu')); "
        "s.separate(Audio(torch.zeros(1, 16000), 16000))"
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", code, str(recipe)],
        env={**os.environ, "TMPDIR": str(place)},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        assert list(place.iterdir()) != []
        ours.send_signal(signal.SIGINT)
        _, told = ours.communicate(timeout=30)
    finally:
        ours.kill()
    assert b"KeyboardInterrupt" in told
    assert eventually(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()))


# Recipes


def test_a_program_that_is_not_there() -> None:
    missing = spec("/nowhere/separate", "{input}", "{output_dir}")
    assert not has_environment(missing)
    refused(
        create_separator(missing, CPU), "^mine: /nowhere/separate cannot be started in .*No such file", ConfigError
    )


def test_there_is_no_shell(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    program = HALVE + "assert rest[0].startswith('x; touch'), rest\n"
    bridge(program, query_default=f"x; touch {shlex.quote(str(trap))} $(touch {trap}) `touch {trap}`").separate(
        sound()
    )
    assert not trap.exists()


def test_braces_that_are_no_placeholders_stay() -> None:
    recipe = Recipe(("p", "{input}:{output_dir}", "{'a': 1}", "{inputs}", "{{query}}"), "v", 1, 1)
    values = {"input": "{output_dir}", "output_dir": "o", "query": "q"}
    assert recipe.arguments(values) == ["p", "{output_dir}:o", "{'a': 1}", "{inputs}", "{q}"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"command": []}, r"command needs \{input\} or"),
        ({"command": "separate {input}"}, "command: expected a list, got 'separate"),
        ({"command": ["p", "{input}"]}, r"command needs \{input\} or \{input_dir\}, and \{output_dir\}"),
        ({"output": "../vocals.wav"}, "output is a pattern below the output folder"),
        ({"output": "/vocals.wav"}, "output is a pattern below the output folder"),
        ({"output": ""}, "output is a pattern below the output folder"),
        ({"sample_rate": "16k"}, "sample_rate: expected an integer, got '16k'"),
        ({"sample_rate": 0}, "sample_rate is at least 1, got 0"),
        ({"channels": True}, "channels: expected an integer, got True"),
        ({"time_limit": 0}, "time_limit is a number of seconds above 0, got 0.0"),
        ({"rate": 3}, "unknown key 'rate'"),
    ],
)
def test_recipes_that_make_no_sense(change: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=f"^mine: its settings are not a recipe: {match}.*; correct the recipe$"):
        create_separator(spec(**{"command": ["p", "{input}", "{output_dir}"], **change}), CPU)  # type: ignore[arg-type]


def test_a_recipe_of_ones_own(tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the recipe, wherever the user is."""
    folder = tmp_path / "rezépte"
    folder.mkdir()
    (folder / "halve.py").write_text(HALVE + "assert os.path.exists('halve.py')\n")
    (folder / "halve.toml").write_text(
        textwrap.dedent(f"""
            generative = true
            licence = "CC BY-NC 4.0"
            query = "text"
            [settings]
            command = ["{{python}}", "halve.py", "{{input}}", "{{output_dir}}"]
            output = "*.wav"
            sample_rate = 16000
            channels = 2
            python = "{os.path.relpath(environment, folder)}"
        """),
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    found = find_separator("rezépte/halve.toml")
    assert (found.name, found.family, found.generative, found.status) == ("halve", "exec", True, "needs setup")
    assert has_environment(found)
    song = sound()
    assert float((create_separator(found, CPU).separate(song).samples - song.samples / 2).abs().max()) < 2**-15


def test_the_recipe_of_the_documentation_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"::\n\n(    summary = .*?)\n\n\S", bridge_module.__doc__, re.S)
    path = tmp_path / "mine.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    recipe = Recipe.of(find_separator(str(path)))
    assert recipe == Recipe(
        ("{python}", "separate.py", "{input}", "{output_dir}", "{query}", "{device}"),
        "vocals.wav",
        44100,
        2,
        3600.0,
        "singing voice",
        str(Path("~/envs/mine").expanduser()),
        str(tmp_path),
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "mine.toml: cannot be read"),
        ("a = ", "mine.toml: not valid TOML"),
        ("\xff", "mine.toml: not valid TOML"),
        ("", r"mine.toml: a recipe has a table \[settings\]; correct it, or add the family of the model"),
        ("family = 'demucs'\n[settings]\n", r"mine.toml: the family demucs needs files: add \[\[files\]\]"),
        ("files = [1]\n", "mine.toml: a file is a table, got 1; correct it"),
        ("aliases = [1]\n[settings]\n", r"mine.toml: aliases are names, got \[1\]; correct it"),
        ("sumary = 'x'\n[settings]\n", "mine.toml: unknown key 'sumary'; correct it"),
        ("generative = 1\n[settings]\n", "mine.toml: generative has the wrong type, got 1; correct it"),
        ("status = 'good'\n[settings]\n", "mine.toml: status is one of works, needs setup, .* got 'good'"),
        ("[settings]\noutput = 'v'\n", "mine: its settings are not a recipe: command is missing"),
    ],
)
def test_recipes_that_cannot_be_read(text: str | None, match: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=match) as caught:
        find_separator(str(path))
    assert "\n" not in str(caught.value)


# Labels


def test_what_makes_vocals_up_and_what_may_not_be_sold_warn_once(caplog: pytest.LogCaptureFixture) -> None:
    _warn.cache_clear()
    labelled = SeparatorSpec("two_labels", "passthrough", "", "CC BY-NC-SA 4.0", "", generative=True)
    for _ in range(2):
        create_separator(labelled, CPU)
        create_separator(find_separator("none"), CPU)
    assert [record.getMessage() for record in caplog.records] == [
        "two_labels: generates its vocals: it may invent words and must not be ranked by SDR",
        "two_labels: its licence forbids commercial use (CC BY-NC-SA 4.0)",
    ]


@pytest.mark.parametrize(
    ("licence", "forbids"),
    [
        ("CC BY-NC 4.0", True),
        ("Non-commercial use only", True),
        ("MIT", False),
        ("ENCORE", False),
        ("CC BY 4.0", False),
    ],
)
def test_licences_that_forbid_commercial_use(licence: str, forbids: bool) -> None:
    assert SeparatorSpec("x", "y", "", licence, "").is_non_commercial is forbids


def test_every_label_of_the_catalogue() -> None:
    catalog = separator_catalog().values()
    assert {s.name for s in catalog if s.generative} == {"gensvs_melrofo_bigvgan", "gensvs_sgmsvs", "flowsep"}
    bridged = {s.name for s in catalog if s.family == "exec"}
    assert {s.name for s in catalog if s.status == "needs setup"} - bridged == {"clipsep", "ibm_cnn", "uvr:<file>"}
    assert {s.name for s in catalog if s.status == "unavailable"} == {"hsm_tss", "one_avm"}
    for one in catalog:
        assert bool(one.setup) == (one.status == "needs setup")
        assert bool(one.reason) == (one.status in ("unavailable", "broken"))
        assert bool(one.settings.get("query_default")) == (bool(one.query) and one.status != "unavailable")
        if one.family == "exec":
            assert "Not verified: " in one.setup
            assert f"LYRICSEP_ENV_{one.name.upper()}" in one.setup
