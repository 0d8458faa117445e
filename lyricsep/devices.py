"""Choose and describe the device that runs the networks."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.errors import ConfigError

if TYPE_CHECKING:
    import torch


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name, after checking that it is available.

    Parameters
    ----------
    name : str
        ``auto`` (CUDA, else Apple's mps, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _unknown(name) from error
    if str(device) != name:  # PyTorch takes cuda:256 for cuda:0
        raise _unknown(name)
    there = {
        "cpu": not device.index,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise ConfigError(
            f"device {name}: not on this machine, or PyTorch was installed without support for it",
            hint="set {device=cpu}, or see `lyricsep doctor`",
        )
    return device


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"device {name}: unknown", hint="set {device} to auto, cpu, cuda, cuda:1 or mps")


def describe_device(device: torch.device) -> str:
    """Return a description of a device: ``cuda: NVIDIA H100, 80 GB`` or ``cpu: 8 threads``."""
    import torch

    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{device}: {properties.name}, {properties.total_memory / 1e9:.0f} GB"
    if device.type == "mps":
        return "mps: Apple GPU"
    return f"cpu: {torch.get_num_threads()} threads"


def describe_machine() -> dict[str, str | int | float]:
    """Return what a measured time depends on: ``cpu``, ``cores`` and, where known, ``memory_gb`` (10^9 bytes)."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = sorted({line.partition(":")[2].strip() for line in lines if line.startswith("model name")})
    machine: dict[str, str | int | float] = {
        "cpu": ", ".join(models) or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
    }
    if hasattr(os, "sysconf"):
        machine["memory_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    return machine
