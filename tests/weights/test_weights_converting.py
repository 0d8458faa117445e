"""From pickles to plain data, without running what nobody trusts."""

from __future__ import annotations

import collections
import hashlib
import json
import types
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hostile import Hostile

from lyricsep.errors import ConfigError, OutputError, WeightsError
from lyricsep.weights import convert_checkpoint, load_safetensors


def saved(path: Path, value: object) -> str:
    torch.save(value, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0)
    return {
        "a.weight": torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).t(),
        "half": torch.ones(2, dtype=torch.float16),
        "count": torch.tensor(7),
        "whole": shared,
        "part": shared[2:4],
    }


@pytest.mark.parametrize("wrapper", [None, "state_dict", "state", "model_state_dict", "model"])
def test_every_tensor_arrives_to_the_bit(tmp_path: Path, wrapper: str | None) -> None:
    saved(tmp_path / "a.pth", {wrapper: state(), "epoch": 3} if wrapper else collections.OrderedDict(state()))
    assert convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors") == 5
    tensors, metadata = load_safetensors(tmp_path / "a.safetensors")
    assert metadata == {}
    assert tensors.keys() == state().keys()
    for key, value in state().items():
        assert tensors[key].dtype == value.dtype
        assert torch.equal(tensors[key], value)


def test_what_a_checkpoint_says_of_itself_is_kept(tmp_path: Path) -> None:
    saved(
        tmp_path / "a.pth",
        {
            "model_name": "ConvTasNet",
            "model_args": {"n_src": 2, "stride": 8, "names": ("a", "b")},
            "state_dict": state(),
        },
    )
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    metadata = load_safetensors(tmp_path / "a.safetensors")[1]
    assert metadata["model_name"] == "ConvTasNet"
    assert json.loads(metadata["model_args"]) == {"n_src": 2, "stride": 8, "names": ["a", "b"]}


def test_a_demucs_package_as_demucs_publishes_it(tmp_path: Path) -> None:
    """Class, arguments and fractions by the names that the published safetensors use."""
    package = {"klass": Fraction, "args": (), "kwargs": {"segment": Fraction(39, 5)}, "state": state()}
    digest = saved(tmp_path / "a.th", package)
    with pytest.raises(
        WeightsError, match=r"would run fractions.Fraction.*; if you trust its author, set allow_pickle=True"
    ):
        convert_checkpoint(tmp_path / "a.th", tmp_path / "a.safetensors")
    convert_checkpoint(tmp_path / "a.th", tmp_path / "a.safetensors", sha256=digest, allow_pickle=True)
    metadata = load_safetensors(tmp_path / "a.safetensors")[1]
    assert metadata["klass"] == "fractions.Fraction"
    assert json.loads(metadata["kwargs"]) == {"segment": {"_type": "fraction", "numerator": 39, "denominator": 5}}


def test_nothing_runs_that_is_not_trusted_by_its_hash(tmp_path: Path) -> None:
    mark, path, target = tmp_path / "mark", tmp_path / "evil.pth", tmp_path / "evil.safetensors"
    digest = saved(path, {"state_dict": state(), "hook": Hostile(mark)})
    with pytest.raises(WeightsError, match=r"evil.pth: refused, as loading it would run posix.system"):
        convert_checkpoint(path, target)
    with pytest.raises(ConfigError, match=r"unpickling may run any code .*; set sha256 too"):
        convert_checkpoint(path, target, allow_pickle=True)
    with pytest.raises(
        WeightsError, match=f"evil.pth: its sha256 is {digest}, expected {'0' * 64}; get the file again"
    ):
        convert_checkpoint(path, target, allow_pickle=True, sha256="0" * 64)
    assert not mark.exists()
    assert not target.exists()
    # And it is no stub: what is trusted is run.
    assert convert_checkpoint(path, target, allow_pickle=True, sha256=digest) == 5
    assert mark.exists()


def test_what_cannot_be_unpickled_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("gone_framework")
    module.Config = type("Config", (), {"__module__": "gone_framework"})  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "gone_framework", module)
        digest = saved(tmp_path / "a.ckpt", {"state_dict": state(), "config": module.Config()})
    with pytest.raises(WeightsError, match=r"a.ckpt: cannot be unpickled \(ModuleNotFoundError: .*'gone_framework'"):
        convert_checkpoint(tmp_path / "a.ckpt", tmp_path / "b.safetensors", sha256=digest, allow_pickle=True)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ([torch.zeros(1)], "a.pth: holds a list, expected a dictionary of tensors"),
        ({"a": torch.zeros(1), "lr": 0.1}, "a.pth: 'lr' is not a plain tensor but a float"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "a.pth: 'a' is not a plain tensor"),
        ({3: torch.zeros(1)}, "a.pth: '3' is not a plain tensor"),
    ],
)
def test_what_is_no_file_of_weights(tmp_path: Path, value: object, match: str) -> None:
    saved(tmp_path / "a.pth", value)
    with pytest.raises(WeightsError, match=match) as caught:
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.safetensors").exists()


def test_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with pytest.raises(WeightsError, match=r"a.pth: cannot be read"):
        convert_checkpoint(path, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"a.pth: cannot be read"):
        convert_checkpoint(path, tmp_path / "a.safetensors", sha256="0" * 64)
    saved(path, state())
    with pytest.raises(ConfigError, match=r"b.pth: the new file must end in .safetensors"):
        convert_checkpoint(path, tmp_path / "b.pth")
    with pytest.raises(ConfigError, match="a sha256 is 64 lower-case hexadecimal digits, got 'abc'"):
        convert_checkpoint(path, tmp_path / "b.safetensors", sha256="abc")
    (tmp_path / "b.safetensors").write_text("old")
    with pytest.raises(OutputError, match=r"b.safetensors: exists already"):
        convert_checkpoint(path, tmp_path / "b.safetensors")
    convert_checkpoint(path, tmp_path / "b.safetensors", overwrite=True)
    assert load_safetensors(tmp_path / "b.safetensors")[0].keys() == state().keys()
