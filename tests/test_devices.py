"""Names of devices: those that are there are taken, the others refused in one line."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from lyricsep.devices import choose_device, describe_device, describe_machine
from lyricsep.errors import ConfigError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with neither CUDA nor mps, to which tests add what they want."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return monkeypatch


def _two_gpus(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(torch.cuda, "is_available", lambda: True)
    machine.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_takes_cuda_then_mps_then_the_cpu(machine: pytest.MonkeyPatch) -> None:
    assert choose_device() == torch.device("cpu")
    machine.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")
    _two_gpus(machine)
    assert choose_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_what_is_there_can_be_named(machine: pytest.MonkeyPatch, name: str) -> None:
    _two_gpus(machine)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda:2", "cuda:7", "mps", "xpu", "meta", "cpu:1"])
def test_what_is_not_there_is_refused(machine: pytest.MonkeyPatch, name: str) -> None:
    _two_gpus(machine)
    with pytest.raises(ConfigError, match=f"^device {name}: not on this machine.*; set device='cpu', or see"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "CPU", "cuda:256"])
def test_what_is_no_device_is_refused(machine: pytest.MonkeyPatch, name: str) -> None:
    _two_gpus(machine)
    with pytest.raises(ConfigError, match=f"^device {name}: unknown; set device to auto, cpu, cuda, cuda:1 or mps"):
        choose_device(name)


def test_devices_are_described_for_people(machine: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 10**9)
    machine.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    assert describe_device(torch.device("cuda:1")) == "cuda:1: NVIDIA H100, 80 GB"
    assert describe_device(torch.device("mps")) == "mps: Apple GPU"
    assert describe_device(torch.device("cpu")) == f"cpu: {torch.get_num_threads()} threads"


def test_a_machine_is_named_by_what_times_depend_on() -> None:
    machine = describe_machine()
    assert machine["cpu"]
    assert machine["cores"] == os.cpu_count()
    assert 0.1 < machine["memory_gb"] < 100_000
