"""Whisper models by path: a checkpoint or a CTranslate2 folder of one's own, in the place of a name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from whisper.model import ModelDimensions, Whisper

from lyricsep.benchmark.grid import read_grid
from lyricsep.errors import ConfigError, LyricsepError, WeightsError
from lyricsep.lyrics import Segment
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.plan import Plan, TranscribeOptions, resolve
from lyricsep.transcribers import (
    BACKENDS,
    SAMPLE_RATE,
    Clips,
    WhisperOptions,
    WhisperSpec,
    create_transcriber,
    find_model,
    model_catalog,
)
from lyricsep.transcribers.catalog import _published_name
from lyricsep.weights import cache as hashing
from lyricsep.weights import fetch_folder, load_openai_checkpoint, whisper_dims, write_whisper

CPU = torch.device("cpu")
ONCE = WhisperOptions(no_repeat_ngram_sizes=(), beam_size=1, word_times=True)
EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example" / "night_train.mp3"


def save(path: Path, seed: int = 0) -> Path:
    """Write a tiny Whisper of chance, as openai-whisper would publish it."""
    dims = ModelDimensions(80, 1500, 16, 2, 2, 51865, 448, 16, 2, 2)
    torch.manual_seed(seed)
    model = Whisper(dims)
    for parameter in model.parameters():
        # Weights that float16 can hold: both layouts are then the same.
        parameter.data = (0.3 * torch.randn(parameter.shape)).half().float()
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def layouts(tmp_path_factory) -> dict[str, Path]:
    """One model, as a checkpoint and as a CTranslate2 folder, which is called as no file may be elsewhere."""
    folder = tmp_path_factory.mktemp("mine")
    checkpoint = save(folder / "my sung.pt")
    write_whisper(folder / "sung: v1.5", *load_openai_checkpoint(checkpoint), [(1, 1)])
    return {"checkpoint": checkpoint, "folder": folder / "sung: v1.5"}


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return save(tmp_path / "my.pt")


@pytest.fixture
def folder(tmp_path, layouts) -> Path:
    return shutil.copytree(layouts["folder"], tmp_path / "my")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What a path stands for


def test_a_checkpoint_is_called_as_its_file(layouts) -> None:
    path = layouts["checkpoint"]
    spec = find_model(str(path))
    assert (spec.name, spec.summary) == ("my sung", "checkpoint my sung.pt")
    (file,) = spec.files
    assert (file.name, file.sha256, file.size) == ("my sung.pt", digest(path), path.stat().st_size)


def test_a_folder_is_called_as_it_is_and_pins_what_ctranslate2_reads(layouts) -> None:
    path = layouts["folder"]
    spec = find_model(str(path))
    assert spec.name == "sung_ v1.5"  # its name is part of the cache
    assert spec.openai is None
    assert {file.name: file.sha256 for file in spec.files} == {
        name: digest(path / name) for name in ("model.bin", "config.json", "vocabulary.json")
    }


def test_the_catalogue_comes_first_and_a_slash_means_a_path(folder, monkeypatch) -> None:
    folder.rename(folder.with_name("base"))
    monkeypatch.chdir(folder.parent)
    assert find_model("base") is model_catalog()["base"]
    own = find_model("./base")
    assert (own.name, own.openai) == ("base", None)
    monkeypatch.chdir("base")
    assert find_model(".").name == "base"
    assert [file.sha256 for file in find_model("../base").files] == [file.sha256 for file in own.files]
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find_model("~/base").files == own.files


def test_a_checkpoint_may_have_any_name(checkpoint) -> None:
    other = checkpoint.rename(checkpoint.with_name("a:b\nc.bin"))
    spec = find_model(str(other))
    assert (spec.name, spec.files[0].name) == ("a_b_c", "a_b_c.bin")
    assert create_transcriber(spec, CPU).name == "openai-whisper a_b_c"


def test_a_model_has_weights() -> None:
    with pytest.raises(ValueError, match="none: a model has a checkpoint or"):
        WhisperSpec("none", "", None)


# Its content is the model


def test_a_changed_file_is_another_model(checkpoint, cache) -> None:
    before = find_model(str(checkpoint))
    save(checkpoint, seed=1)
    after = find_model(str(checkpoint))
    assert after.files[0].sha256 == digest(checkpoint) != before.files[0].sha256
    with pytest.raises(WeightsError, match=r"my\.pt.*expected .*damaged, or another file"):
        create_transcriber(before, CPU, offline=True)


def test_a_file_is_hashed_once(checkpoint, folder, monkeypatch) -> None:
    hashed = []

    def counted(path: Path) -> tuple[str, int]:
        hashed.append(path.name)
        return digest(path), path.stat().st_size

    monkeypatch.setattr(hashing, "file_digest", counted)
    for path in (checkpoint, folder):
        for backend in BACKENDS:
            create_transcriber(find_model(str(path)), CPU, backend=backend, offline=True)
    assert sorted(hashed) == ["config.json", "model.bin", "my.pt", "vocabulary.json"]
    os.utime(checkpoint, (1, 1))  # as `cp --preserve` over it would leave it
    find_model(str(checkpoint))
    assert hashed[-1] == "my.pt"


def test_keys_and_manifest_tell_the_hash(checkpoint, tmp_path) -> None:
    def plan_with(path: Path) -> Plan:
        return resolve(TranscribeOptions(separator="none", model=str(path), backend="openai-whisper", device="cpu"))

    def key(path: Path) -> str:
        return plan_with(path).lyrics_key(["song"], "en")

    same = shutil.copy(checkpoint, tmp_path / "copy.pt")
    other = save(tmp_path / "other.pt", seed=1)
    # The bytes count, not the place.
    before = key(checkpoint)
    assert before == key(same) != key(other)
    save(checkpoint, seed=2)
    assert key(checkpoint) != before, "another model, in the same process"
    manifest = new_manifest("transcribe", plan_with(checkpoint))
    written = json.loads(write_manifest(tmp_path, manifest).read_text())
    assert written["weights"] == [{"name": "my.pt", "sha256": digest(checkpoint)}]


def test_a_benchmark_takes_a_path(checkpoint) -> None:
    grid = read_grid("lyricsep").with_models("none", str(checkpoint))
    assert find_model(grid.model) == find_model(str(checkpoint))
    with pytest.raises(ConfigError, match="no such file or folder"):
        read_grid("lyricsep").with_models(None, f"{checkpoint}.pt")


# Both backends run either


@pytest.mark.parametrize("layout", ["checkpoint", "folder"])
def test_both_backends_run_either_offline(layouts, layout) -> None:
    pytest.importorskip("ctranslate2")
    spec = find_model(str(layouts[layout]))
    running = [
        create_transcriber(spec, CPU, ONCE, backend=name, compute_type="float32", offline=True) for name in BACKENDS
    ]
    assert [one.name for one in running] == [f"{name} {spec.name}" for name in BACKENDS]
    noise = (0.1 * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE)).astype(np.float32)
    heard = [next(one.transcribe([Clips(noise, noise, [Segment(0.0, 4.0)], "en")])) for one in running]
    assert heard[0].text == heard[1].text != ""
    # The heads that config.json names; for a checkpoint of no published size all of the later half.
    assert running[0].backend._heads == ([[1, 1]] if layout == "folder" else [[1, 0], [1, 1]])
    words = [[word for line in lyrics.lines for word in line.words] for lyrics in heard]
    starts = [[word.start for word in own] for own in words]
    assert starts[0] == pytest.approx(starts[1], abs=0.021)


@pytest.mark.parametrize("name", ["base", "tiny.en"])
def test_the_published_sizes_are_those_of_the_installed_weights(real, name) -> None:
    assert vars(real(name, "openai-whisper").model.dims) == whisper_dims(name)


@pytest.mark.parametrize("name", model_catalog())
def test_heads_are_taken_from_a_published_model_where_that_is_certain(name, checkpoint) -> None:
    published = model_catalog()[name].openai
    assert published is not None
    assert _published_name(published, whisper_dims(name)) == name
    tuned = find_model(str(checkpoint)).files[0]
    is_certain = name not in ("large-v1", "large-v2")  # one size, other heads
    assert _published_name(tuned, whisper_dims(name)) == (name if is_certain else "")
    assert _published_name(tuned, whisper_dims(name) | {"n_text_layer": 2}) == ""


@pytest.mark.parametrize("name", ["", "huge", "large", "large-v2.en", "turbo"])
def test_sizes_of_models_that_were_not_published(name) -> None:
    with pytest.raises(ValueError, match=f"no Whisper model named '{name}' was published"):
        whisper_dims(name)


# What can be wrong with it


@pytest.mark.parametrize("name", ["nowhere.pt", "no/where", "./base"])
def test_nothing_is_there(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no such file or folder; set model to a checkpoint"):
        find_model(name)


def test_a_path_that_cannot_be(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .*check the path"):
        find_model(f"{tmp_path}/{'x' * 300}.pt")


def test_a_file_that_may_not_be_read(checkpoint) -> None:
    checkpoint.chmod(0)
    if os.access(checkpoint, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(WeightsError, match=r"my\.pt: cannot be read \(Permission denied\); check the path"):
        find_model(str(checkpoint))


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "vocabulary.json"])
def test_a_folder_that_lacks_a_file(folder, missing) -> None:
    (folder / missing).rename(folder / "elsewhere")
    with pytest.raises(ConfigError, match=f"my: is not a CTranslate2 model, it has no {missing}"):
        find_model(str(folder))


def test_a_folder_of_hugging_face(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"it has no model\.bin and no vocabulary.*ct2-transformers-converter"):
        find_model(str(tmp_path))


class Hostile:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("true",)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged"),
        (b"no checkpoint at all", "damaged"),
        ({"weights": 1}, "is not an openai-whisper checkpoint, it does not hold dims and a model_state_dict"),
        ({"dims": {}, "model_state_dict": {}}, "is not an openai-whisper checkpoint, its dims are not"),
        (Hostile(), "refused, as loading it would run .*system"),
        (None, "damaged"),  # the first half of a good one
    ],
)
def test_a_file_that_is_no_whisper(checkpoint, backend, content, reason) -> None:
    if isinstance(content, bytes) or content is None:
        whole = checkpoint.read_bytes()
        checkpoint.write_bytes(whole[: len(whole) // 2] if content is None else content)
    else:
        torch.save(content, checkpoint)
    with pytest.raises(WeightsError, match=rf"my\.pt: .*{reason}") as caught:
        create_transcriber(find_model(str(checkpoint)), CPU, backend=backend, offline=True)
    assert "\n" not in str(caught.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def forget_heads(path: Path) -> None:
    path.write_text(json.dumps({key: 0 for key in json.loads(path.read_text()) if key != "alignment_heads"}))


def of_another_kind(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"WhisperSpec", b"WhimperSpec", 1))


@pytest.mark.parametrize(
    ("name", "harm", "reason"),
    [
        ("model.bin", cut, r"model\.bin: (ends at byte|is damaged)"),
        ("model.bin", of_another_kind, r"model\.bin: holds a 'WhimperSpec'"),
        ("config.json", cut, r"config\.json: is not the config\.json of a CTranslate2 model"),
        ("config.json", forget_heads, r"config\.json: names no alignment_heads"),
        ("vocabulary.json", cut, r"vocabulary\.json: is not valid JSON"),
        ("vocabulary.json", lambda path: path.write_text('["a"]'), "has 51865 tokens and a vocabulary of 1,"),
    ],
)
def test_a_folder_that_is_damaged(folder, name, harm, reason) -> None:
    pytest.importorskip("ctranslate2")
    harm(folder / name)
    with pytest.raises(WeightsError, match=reason) as caught:
        create_transcriber(find_model(str(folder)), CPU, backend="ctranslate2", offline=True)
    assert "\n" not in str(caught.value)


# As a user meets it


@pytest.fixture
def tiny(tmp_path) -> Path:
    """The real tiny.en as a folder of one's own."""
    spec = model_catalog()["tiny.en"]
    try:
        return shutil.copytree(fetch_folder(spec.name, spec.ctranslate2, offline=True), tmp_path / "tuned")
    except LyricsepError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_commands_take_a_path(tiny, tmp_path) -> None:
    """Relative to where the user stands, in one process and in workers of their own."""
    pytest.importorskip("ctranslate2")
    quick = [
        "--separator",
        "none",
        "--beam-size",
        "1",
        "--no-repeat-ngram-sizes",
        "0",
        "-l",
        "en",
        "-f",
        "txt",
        "--offline",
    ]
    quick += ["--device", "cpu"]
    for command, out, model in (
        (["transcribe", EXAMPLE], "name", "tiny.en"),
        (["transcribe", EXAMPLE], "path", tiny.name),
        (["batch", "run", EXAMPLE, "--workers", "1"], "batch", f"./{tiny.name}"),
    ):
        arguments = [*command, *quick, "-o", out, "--model", model]
        line = [sys.executable, "-m", "lyricsep", *map(str, arguments)]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert out == "name" or "tuned by ctranslate2" in done.stderr
    texts = [next((tmp_path / out).glob("*.txt")).read_text() for out in ("name", "path", "batch")]
    assert texts[0] == texts[1] == texts[2] != ""
    (manifest,) = (tmp_path / "path" / ".lyricsep").glob("manifest-*.json")
    weights = {file["name"]: file["sha256"] for file in json.loads(manifest.read_text())["weights"]}
    assert weights["model.bin"] == digest(tiny / "model.bin")
