"""CTC models of transformers, found in a folder or on the Hugging Face hub.

What is known of a model without loading it: its files, its licence, and whether it is one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lyricsep.errors import ConfigError, WeightsError, reason_of
from lyricsep.files import at_home, is_file, is_folder, shown
from lyricsep.weights import WeightFile, pinned_here

ADAPTER = "adapter.{}.safetensors"  # of a language
NEEDED = ("config.json", "preprocessor_config.json", "vocab.json")
CARD = "README.md"
WEIGHTS = ("model*.safetensors*", "pytorch_model*.bin*")  # the first that a model has

_REPOSITORY = re.compile(r"\w[\w.-]*/[\w.-]+")
_LICENCE = re.compile(r"---\s*\n(?:(?!---).*\n)*?license:[\s\"'-]*(?P<name>[\w.+-]+)")


@dataclass(frozen=True)
class CtcSpec:
    """A CTC model.

    Parameters
    ----------
    name : str
        Of its folder, or ``OWNER/REPOSITORY`` on the hub.
    folder : Path
        Where its files are.
    files : tuple of WeightFile
        Those that decide what it computes.
    licence : str
        As its model card states it; empty where it states none.
    revision : str
        Commit of the hub's repository, from which adapters of languages are fetched; empty for a folder.
    """

    name: str
    folder: Path
    files: tuple[WeightFile, ...]
    licence: str
    revision: str = ""

    @property
    def terms(self) -> str:
        """The licence, in words."""
        if not self.licence:
            return "licence unknown"
        is_restricted = "nc" in re.split(r"\W", self.licence.lower())
        return f"licence {self.licence}" + is_restricted * ", not for commercial use"


def find_ctc(name: str, *, offline: bool = False) -> CtcSpec:
    """Return a CTC model; one of the hub is downloaded.

    Parameters
    ----------
    name : str
        A folder as transformers saves it, or ``OWNER/REPOSITORY`` on the hub.
    offline : bool
        True, or ``LYRICSEP_OFFLINE=1`` in the environment, makes no network requests.

    Raises
    ------
    ConfigError
        If transformers is not installed, or there is no such folder.
    WeightsError
        If the model cannot be downloaded or read, or is no CTC model.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ConfigError("transformers is not installed", hint="run: pip install 'lyricsep[ctc]'")
    path = at_home(name)
    if is_folder(path):
        return _spec(path.absolute().name, path.absolute())
    if not _REPOSITORY.fullmatch(name):
        raise ConfigError(
            f"{shown(path)}: there is no such folder",
            hint="set {aligner} to ctc: and the folder of a model, or its name on the Hugging Face hub",
        )
    folder = _from_hub(name, offline=_is_off(offline))
    return _spec(name, folder, folder.name)


def fetch_adapter(spec: CtcSpec, language: str, *, offline: bool) -> None:
    """Fetch the adapter of a language into the folder of a model, if it is not there.

    Raises
    ------
    WeightsError
        If it cannot be had.
    """
    file = ADAPTER.format(language)
    if is_file(spec.folder / file):
        return
    if not spec.revision:
        raise WeightsError(f"{spec.name}: has no {file}", hint="put it into the folder of the model")

    from huggingface_hub import hf_hub_download

    offline = _is_off(offline)
    try:
        hf_hub_download(spec.name, file, revision=spec.revision, local_files_only=offline)
    except _hub_errors() as error:
        raise _not_had(f"{spec.name}: {file}", error, offline=offline) from error


def _spec(name: str, folder: Path, revision: str = "") -> CtcSpec:
    missing = [file for file in NEEDED if not is_file(folder / file)]
    weights = next((found for pattern in WEIGHTS if (found := sorted(folder.glob(pattern)))), [])
    if missing or not weights:
        expected = missing[0] if missing else "model.safetensors"
        raise WeightsError(f"{name}: is no CTC model of transformers, it has no {expected}")
    # Adapters of the hub are fetched when they are needed; the commit tells them.
    adapters = [] if revision else sorted(folder.glob(ADAPTER.format("*")))
    files = tuple(pinned_here(path) for path in (*(folder / file for file in NEEDED), *weights, *adapters))
    try:
        architectures = json.loads((folder / NEEDED[0]).read_text(encoding="utf-8"))["architectures"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeightsError(f"{name}: its {NEEDED[0]} cannot be read ({reason_of(error)})") from error
    if not any(str(architecture).endswith("ForCTC") for architecture in architectures or ()):
        raise WeightsError(
            f"{name}: is no CTC model, but {', '.join(map(str, architectures or ['of no architecture']))}",
            hint="choose a model for speech recognition by CTC, such as wav2vec 2.0, HuBERT or MMS",
        )
    try:
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        card = ""
    stated = _LICENCE.match(card)
    return CtcSpec(name, folder, files, stated["name"] if stated else "", revision)


def _from_hub(name: str, *, offline: bool) -> Path:
    """Return the folder of a model in the cache of the hub's client, downloaded as far as needed."""
    from huggingface_hub import snapshot_download

    try:
        for patterns in ([*NEEDED, CARD, WEIGHTS[0]], [WEIGHTS[1]]):
            folder = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=offline))
            if any(folder.glob(WEIGHTS[0])):
                break
    except _hub_errors() as error:
        raise _not_had(name, error, offline=offline) from error
    return folder


def _is_off(offline: bool) -> bool:
    return offline or os.environ.get("LYRICSEP_OFFLINE", "") not in ("", "0")


def _hub_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import HfHubHTTPError

    # Its base class is that of all connection errors; the client also raises errors of disks and of names.
    return cast("type[Exception]", HfHubHTTPError.__bases__[0]), OSError, ValueError


def _not_had(what: str, error: Exception, *, offline: bool) -> WeightsError:
    if offline:
        return WeightsError(
            f"{what}: is not on this machine, and network access is off (offline mode)",
            hint="use it once while online, or set {aligner} to ctc: and the folder of a model",
        )
    return WeightsError(
        f"{what}: could not be downloaded ({reason_of(error)})",
        hint="check the name and the network, or set {aligner} to ctc: and the folder of a model",
    )
