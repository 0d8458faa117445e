"""Separators of other packages, found through the entry-point group ``lyricsep.separators``.

A package names a function in its ``pyproject.toml``::

    [project.entry-points."lyricsep.separators"]
    my_separators = "my_package:separators"

which takes nothing and gives a list of `SeparatorSpec`, each with a function that builds the separator on a device::

    def separators():
        return [SeparatorSpec("mine", "my_package", "What it is", "MIT", "Me, 2026", create=Mine)]

    class Mine(Separator):
        name = "mine"

        def __init__(self, device):
            ...

        def stream(self, mixture):
            for block in mixture.blocks:
                yield ...

``tests/separators/example_plugin`` is a whole package to start from. A network that works chunk by chunk is best
handed to `lyricsep.separators.engine.NetworkSeparator`, which takes care of rates, channels, overlap and memory.

The functions are called when somebody lists separators or asks for one that is not built in, so a package should
import what is heavy only in ``create``. Names of built-in separators cannot be taken. A package that cannot be
imported, or gives something else, is listed as broken, and costs nothing but itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from lyricsep.errors import AudioError, ConfigError, LyricsepError
from lyricsep.separators.base import Mixture, Separator, SeparatorSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

logger = logging.getLogger(__name__)

GROUP = "lyricsep.separators"


def plugin_catalog(taken: Collection[str]) -> Mapping[str, SeparatorSpec]:
    """Return the separators of all plugins by name; broken plugins have the status "broken".

    `taken` are names that are built in.
    """
    catalog: dict[str, SeparatorSpec] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        for spec in _specs_of(entry):
            if spec.name not in taken and spec.name not in catalog:
                catalog[spec.name] = spec
            elif spec.status == "broken":
                catalog[f"{spec.name} ({entry.value})"] = replace(spec, name=f"{spec.name} ({entry.value})")
            else:
                logger.warning(
                    "plugin %s: its separator %s is left out, since %s has that name",
                    _origin(entry),
                    spec.name,
                    "a built-in one" if spec.name in taken else "one of another plugin",
                )
    return catalog


def create_plugin(spec: SeparatorSpec, device: torch.device) -> Separator:
    """Build the separator of a plugin, and check its output.

    Raise a `ConfigError` if its plugin fails, or gives no separator.
    """
    assert spec.create is not None  # noqa: S101
    try:
        separator = spec.create(device)
    except LyricsepError:
        raise
    except Exception as error:  # whatever a stranger's code raises
        raise ConfigError(
            f"{spec.name}: its plugin could not build it ({_line(error)}); report it to its author"
        ) from error
    if not callable(getattr(separator, "stream", None)):
        raise ConfigError(
            f"{spec.name}: its plugin returned {type(separator).__name__} instead of a Separator; "
            "report it to its author"
        )
    return _Watched(spec.name, separator)


class _Watched(Separator):
    """A plugin's separator under its catalogue name, whose failures affect one song only."""

    def __init__(self, name: str, separator: Separator) -> None:
        self.name = name
        self._separator = separator

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        n_taken = n_given = 0

        def counted() -> Iterator[Tensor]:
            nonlocal n_taken
            for block in mixture.blocks:
                n_taken += block.shape[-1]
                yield block

        blocks = counted()
        for vocals in self._attempted(replace(mixture, blocks=blocks)):
            self._check(vocals, mixture.n_channels)
            n_given += vocals.shape[-1]
            yield vocals
        for _ in blocks:  # blocks that the plugin did not read count too
            pass
        if n_given != n_taken:
            raise AudioError(
                f"{self.name}: its plugin returned {n_given} samples of vocals for a song of {n_taken}",
                hint="report it to its author",
            )

    def _attempted(self, mixture: Mixture) -> Iterator[Tensor]:
        try:
            yield from self._separator.stream(mixture)
        except LyricsepError:
            raise
        except Exception as error:  # whatever a stranger's code raises
            raise AudioError(f"{self.name}: its plugin failed ({_line(error)}); report it to its author") from error

    def _check(self, vocals: object, n_channels: int) -> None:
        import torch

        got = type(vocals).__name__
        if isinstance(vocals, torch.Tensor):
            if vocals.dtype == torch.float32 and vocals.ndim == 2 and vocals.shape[0] == n_channels:
                return
            got = f"{vocals.dtype} {tuple(vocals.shape)}"
        raise AudioError(
            f"{self.name}: its plugin returned {got}, expected blocks of torch.float32 ({n_channels}, n_samples); "
            "report it to its author"
        )


def _specs_of(entry: EntryPoint) -> list[SeparatorSpec]:
    try:
        return [_checked(spec) for spec in entry.load()()]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's code raises
        return [
            SeparatorSpec(
                entry.name,
                "plugin",
                f"Plugin of {_origin(entry)}",
                "-",
                "-",
                status="broken",
                reason=_line(error),
            )
        ]


def _checked(spec: object) -> SeparatorSpec:
    if not isinstance(spec, SeparatorSpec):
        raise TypeError(f"expected a list of SeparatorSpec, got {type(spec).__name__} in it")
    if not callable(spec.create):
        raise TypeError(f"{spec.name}: create is a function of a device, got {spec.create!r}")
    if not spec.name or spec.name != spec.name.strip() or spec.name.endswith(".toml"):
        raise ValueError(f"{spec.name!r} is not a valid separator name")
    return spec


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")
