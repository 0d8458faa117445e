"""Models of Ultimate Vocal Remover (UVR): MDX-Net in ONNX files, RoFormers and MDX23C as a checkpoint and its YAML.

``uvr:<file>`` names a model of UVR's own list (`uvr.toml` beside this module) or the path of a file its user has.

An MDX-Net works on the spectrum: real and imaginary parts of left and right, as far up as it was trained, become
those of one stem. ONNX Runtime runs it; the spectra are made here. Its file tells the bins and frames it takes, but
neither the length of a frame, nor what it gives, nor the gain that makes up for what it loses (``compensate``).
Those are published by the MD5 of the file's end; for files of a user's own UVR keeps them in ``model_data`` beside.
The vocals of a network that gives the instrumental are the rest of the mixture, as far up as it was trained.

A checkpoint goes to `lyricsep.separators.msst`, its YAML translated into the settings there. The networks of the VR
architecture (``.pth``) are left out: their classes cannot be imported without all of audio-separator, which stops
where there is no ffmpeg, and they are the weakest of the list.

References
----------
Kim, Choi, Chung, Lee, Jung: "KUIELab-MDX-Net: a two-stream neural network for music demixing", arXiv 2111.12203,
2021. Frames, overlap, the three lowest bins set to 0 and the parameters of each file are those of UVR 5.6.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from lyricsep.catalogs import did_you_mean
from lyricsep.errors import ConfigError, WeightsError, reason_of
from lyricsep.files import at_home, is_file, shown
from lyricsep.separators.base import SeparatorSpec
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.msst import load_msst
from lyricsep.separators.state import describing
from lyricsep.weights import Source, WeightFile, fetch

logger = logging.getLogger(__name__)

PREFIX = "uvr:"
SAMPLE_RATE = 44_100  # of every published model
HOP_LENGTH = 1024  # samples between frames of every MDX-Net
OVERLAP = 0.25  # share of a chunk that the next one sees too, UVR's default
N_SILENT = 3  # lowest bins, which UVR sets to 0
N_HASHED = 10_000 * 1024  # bytes at the end of a file by which it is known
MAX_YAML = 1 << 20  # bytes
MAX_CHUNK = 120 * SAMPLE_RATE  # samples, ten times what any model of the list takes

_RELEASE = "https://github.com/TRvlvr/model_repo/releases/download/all_public_uvr_models"
_CONFIGS = "https://raw.githubusercontent.com/TRvlvr/application_data/main/mdx_model_data/mdx_c_configs"
_OTHERS = "https://github.com/nomadkaraoke/python-audio-separator/releases/download/model-configs"
_MIRROR = "hub:Politrees/UVR_resources@main/models/MDXNet"

# What tells a YAML's network, and what stands in it for its training alone.
_NETWORKS = {"num_bands": "mel_band_roformer", "freqs_per_bands": "bs_roformer", "num_subbands": "mdx23c"}
_NETWORKS["band_SR"] = "scnet"
_TRAINING = ("multi_stft_", "dim_freqs_in", "linear_transformer_depth", "use_torch_checkpoint", "sage_attention")
_VOCALS = ("vocals", "karaoke")
_INSTRUMENTAL = ("instrumental", "other")


@dataclass(frozen=True)
class MdxOptions:
    """What the ONNX file of an MDX-Net does not say of itself.

    Parameters
    ----------
    n_fft : int
        Samples per frame, even and at least two hops.
    compensate : float
        Gain on what the network gives, above 0.
    is_vocals : bool
        Whether that is the vocals; else the instrumental.
    """

    n_fft: int
    compensate: float
    is_vocals: bool

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> MdxOptions:
        """Read a record under the names of UVR's model data; raise a `ValueError` if it is not of an MDX-Net."""
        n_fft, compensate = record.get("mdx_n_fft_scale_set"), record.get("compensate")
        stem = record.get("primary_stem")
        if not isinstance(n_fft, int) or not 2 * HOP_LENGTH <= n_fft <= 1 << 16 or n_fft % 2:
            raise ValueError(f"mdx_n_fft_scale_set is an even number of samples from {2 * HOP_LENGTH}, got {n_fft!r}")
        if not isinstance(compensate, int | float) or not 0 < compensate < 10:
            raise ValueError(f"compensate is a gain above 0, got {compensate!r}")
        if stem not in ("Vocals", "Instrumental"):
            raise ValueError(f"it gives {stem!r}, expected 'Vocals' or 'Instrumental' (primary_stem)")
        return cls(n_fft, float(compensate), stem == "Vocals")


class MdxNetwork(Network):
    """An MDX-Net as the engine runs it: stereo chunks of the frames it takes in, vocals out.

    Parameters
    ----------
    name : str
        For messages.
    model : bytes
        The ONNX file.
    options : MdxOptions
        What it does not say.

    Raises
    ------
    ValueError
        If ONNX Runtime finds it damaged, or it takes something else than spectra of these frames.
    """

    sample_rate = SAMPLE_RATE
    n_channels = 2

    def __init__(self, name: str, model: bytes, options: MdxOptions) -> None:
        super().__init__()
        self.name = name
        self.options = options
        self._model = model
        self._device = torch.device("cpu")
        self._session = _open(model, self._device)
        (self.n_bins, self.n_frames), self._takes_one = _shape(self._session)
        if not N_SILENT < self.n_bins <= options.n_fft // 2 + 1:
            raise ValueError(f"it takes {self.n_bins} bins, and frames of {options.n_fft} samples have fewer")
        length = HOP_LENGTH * (self.n_frames - 1)
        if not options.n_fft < length <= MAX_CHUNK:
            raise ValueError(
                f"its {self.n_frames} frames are {length} samples, expected {options.n_fft} to {MAX_CHUNK}"
            )
        self.chunking = Chunking(
            length, int((1 - OVERLAP) * length), options.n_fft // 2, torch.hann_window(length, periodic=False)
        )
        self.register_buffer("window", torch.hann_window(options.n_fft), persistent=False)

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, 2, chunking.length)`` to vocals of the same shape.

        Raises
        ------
        WeightsError
            If the network fails, or gives something else than a spectrum.
        """
        n_fft, window = self.options.n_fft, cast(Tensor, self.window)
        mono = chunks.flatten(0, 1)
        spectrum = torch.stft(mono, n_fft, HOP_LENGTH, window=window, return_complex=True)
        band = torch.view_as_real(spectrum[:, : self.n_bins]).permute(0, 3, 1, 2).contiguous()
        band[:, :, :N_SILENT] = 0
        given = self.options.compensate * self._run(band.reshape(len(chunks), 4, self.n_bins, self.n_frames))
        given = given.reshape(band.shape)
        band = given if self.options.is_vocals else band - given
        band = F.pad(band, (0, 0, 0, n_fft // 2 + 1 - self.n_bins))
        spectrum = torch.view_as_complex(band.permute(0, 2, 3, 1).contiguous())
        return torch.istft(spectrum, n_fft, HOP_LENGTH, window=window, length=mono.shape[-1]).reshape(chunks.shape)

    def _run(self, planes: Tensor) -> Tensor:
        """Run the network on left and right, real and imaginary: ``(batch, 4, n_bins, n_frames)`` to the same."""
        if planes.device != self._device:
            self._session, self._device = _open(self._model, planes.device), planes.device
        try:
            answers = [self._answer(part) for part in planes.chunk(len(planes) if self._takes_one else 1)]
        except _failures() as error:
            if "Failed to allocate memory" in str(error):
                raise torch.cuda.OutOfMemoryError(reason_of(error)) from error
            raise WeightsError(
                f"{self.name}: ONNX Runtime cannot run it ({reason_of(error)}); pull it again"
            ) from error
        return torch.cat(answers).to(planes)

    def _answer(self, part: Tensor) -> Tensor:
        (answer,) = self._session.run(None, {self._session.get_inputs()[0].name: part.cpu().numpy()})
        found = torch.from_numpy(answer)
        if found.shape != part.shape:
            raise WeightsError(
                f"{self.name}: returned shape {tuple(found.shape)} for {tuple(part.shape)}, so it is not an MDX-Net",
                hint="choose another {separator}",
            )
        return found


class _Rest(Network):
    """What a network that gives the instrumental leaves of the mixture."""

    def __init__(self, instrumental: Network) -> None:
        super().__init__()
        self.instrumental = instrumental
        self.sample_rate = instrumental.sample_rate
        self.n_channels = instrumental.n_channels
        self.chunking = instrumental.chunking

    def forward(self, chunks: Tensor) -> Tensor:
        return chunks - cast(Tensor, self.instrumental(chunks))

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        return chunks - self.instrumental.finish(chunks, n_samples)


def find_uvr(name: str) -> SeparatorSpec:
    """Describe the model that ``uvr:<file>`` names: a file of UVR's list, or else the path of a file.

    Raises
    ------
    ConfigError
        If it is neither, of the VR architecture, or a checkpoint without its YAML.
    WeightsError
        If a file cannot be read.
    """
    wanted = name.removeprefix(PREFIX)
    models = _facts()["models"]
    if wanted in models:
        files = [_listed(wanted), *([_listed(models[wanted])] if models[wanted] else [])]
    else:
        files = _of_user(wanted)
    return SeparatorSpec(
        PREFIX + shown(Path(wanted)),
        "uvr",
        f"{files[0].name}, a model of Ultimate Vocal Remover",
        "not stated (weights), MIT (code)",
        "Ultimate Vocal Remover, its developers and those who trained its models",
        tuple(files),
    )


def load_uvr(spec: SeparatorSpec, *, offline: bool) -> Network:
    """Build the network of an ONNX file, or of a checkpoint and its YAML.

    The settings of a spec are what UVR publishes of an ONNX file; where there are none, UVR's own are looked up.

    Raises
    ------
    ConfigError
        If a file's parameters are not known, it gives no vocals, or a library is not installed.
    """
    suffixes = [Path(file.name).suffix for file in spec.files]
    if suffixes == [".onnx"]:
        return _load_mdx(spec, offline=offline)
    if suffixes == [".ckpt", ".yaml"]:
        return _load_checkpoint(spec, offline=offline)
    raise ConfigError(
        f"{spec.name}: uvr needs an ONNX file, or a checkpoint (.ckpt) and its YAML, got {suffixes}; "
        "correct the catalogue entry"
    )


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("lyricsep.separators").joinpath("uvr.toml").read_text(encoding="utf-8"))


def _listed(name: str) -> WeightFile:
    """Return the source of a listed file; no hashes are published, so the first download pins the file."""
    places = {".onnx": (_RELEASE, _OTHERS, _MIRROR), ".yaml": (_CONFIGS, _OTHERS)}
    uris = [f"{place}/{name}" for place in places.get(Path(name).suffix, (_RELEASE, _OTHERS))]
    return WeightFile(name, "", None, tuple(Source.from_uri(uri) for uri in uris))


def _of_user(wanted: str) -> list[WeightFile]:
    """Describe a file of the user's own, and its YAML."""
    if wanted.endswith(".pth"):
        raise ConfigError(
            f"{PREFIX + wanted!r}: networks of the VR architecture (.pth) are not supported; "
            "choose an MDX-Net (.onnx) or a RoFormer (.ckpt)"
        )
    path = _existing(wanted)
    if path is None or path.suffix not in (".onnx", ".ckpt"):
        raise ConfigError(
            f"{PREFIX + wanted!r}: neither a UVR model with vocals nor a .onnx or .ckpt file; "
            f"{did_you_mean(wanted, _facts()['models'])}`lyricsep models show 'uvr:<file>'` lists them all"
        )
    paths = [path] if path.suffix == ".onnx" else [path, _yaml_beside(path)]
    try:
        return [WeightFile(path.name, "", None, (Source.from_uri(f"file:{path.absolute()}"),)) for path in paths]
    except ValueError as error:
        raise ConfigError(f"{shown(path)}: {error}; rename it") from error


def _existing(name: str) -> Path | None:
    try:
        path = at_home(name)
        return path if is_file(path) else None
    except (OSError, RuntimeError):  # too long, or the home of nobody
        return None


def _yaml_beside(path: Path) -> Path:
    """Find the YAML of a checkpoint: beside it or where UVR keeps them, under its own name or the published one."""
    names = [f"{path.stem}.yaml", _facts()["models"].get(path.name) or _record(path).get("config_yaml")]
    for folder in (path.parent, path.parent / "model_data" / "mdx_c_configs"):
        for name in names:
            if isinstance(name, str) and is_file(folder / name):
                return folder / name
    raise ConfigError(
        f"{shown(path)}: its YAML {names[0]} is not next to it; download it from the source of the checkpoint"
    )


def _record(path: Path) -> Mapping[str, Any]:
    """Look up what UVR knows of a file: published, or set by its user in UVR; empty if nothing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - N_HASHED))
            digest = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read ({error.strerror or error}); check the path") from error
    published: Mapping[str, Any] | None = _facts()["parameters"].get(digest)
    if published is not None:
        return published
    folder = path.parent / "model_data"
    for source, is_one in ((folder / f"{digest}.json", True), (folder / "model_data.json", False)):
        try:
            found = json.loads(source.read_text(encoding="utf-8"))
        except OSError:
            continue
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{shown(source)}: not valid JSON ({reason_of(error)}); correct or remove it"
            ) from error
        record = found if is_one else found.get(digest) if isinstance(found, dict) else None
        if isinstance(record, dict):
            return record
    return {}


def _load_mdx(spec: SeparatorSpec, *, offline: bool) -> MdxNetwork:
    _runtime(spec.name)  # said before 60 MB are fetched
    path = fetch(spec.files[0], offline=offline)
    record = spec.settings or _record(path)
    if not record:
        raise ConfigError(
            f"{shown(path)}: UVR publishes no parameters for this file; set them in UVR and name the file in its "
            "folder, or write mdx_n_fft_scale_set, compensate and primary_stem as [settings] of your own entry"
        )
    try:
        options = MdxOptions.of(record)
    except ValueError as error:
        raise ConfigError(
            f"{spec.name}: {error}", hint="choose another {separator} or correct its parameters"
        ) from error
    with describing(
        f"{spec.files[0].name}: not an MDX-Net", advice="get the file again", errors=(OSError, ValueError)
    ):
        return MdxNetwork(spec.name, path.read_bytes(), options)


def _runtime(name: str) -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(f"{name}: needs onnxruntime ({error}); pip install 'lyricsep[uvr]'") from error


def _failures() -> tuple[type[Exception], ...]:
    """Return all exceptions of ONNX Runtime, which share no base class."""
    module = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    found = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*found, RuntimeError, ValueError)


def _open(model: bytes, device: torch.device) -> Any:
    """Start ONNX Runtime on a model whose weights are all in the file; without CUDA of its own, on the CPU.

    Raise a `ValueError` if it is damaged, or reads weights from other files.
    """
    # Not left to the library, of which only late versions stay below a folder. No other file can be named without
    # this word: it is the key of the name.
    if b"location" in model:
        raise ValueError("refused, it reads weights from another file")
    runtime = _runtime("uvr")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters comes as an exception
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.load_model_format", "ONNX")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if "CUDAExecutionProvider" in runtime.get_available_providers():
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
        else:
            logger.warning("uvr: this onnxruntime has no CUDA, so the network runs on the CPU; see onnxruntime-gpu")
    try:
        return runtime.InferenceSession(model, options, providers=providers)
    except _failures() as error:
        raise ValueError(reason_of(error)) from error


def _shape(session: Any) -> tuple[tuple[int, int], bool]:
    """Read the bins and frames that a network takes, and whether it takes one chunk at a time only."""
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise ValueError("it has not one input and one output")
    given, answer = session.get_inputs()[0], session.get_outputs()[0]
    if {given.type, answer.type} != {"tensor(float)"} or len(given.shape) != 4:
        raise ValueError(f"it makes {answer.type} of {given.type} of shape {given.shape}, expected spectra")
    # A number that the file leaves open is a name here, or none.
    batch, planes, n_bins, n_frames = (size if isinstance(size, int) else None for size in given.shape)
    if planes != 4 or n_bins is None or n_frames is None or batch not in (1, None):
        raise ValueError(f"it takes the shape {given.shape}, expected 4 planes of as many bins and frames as it says")
    return (n_bins, n_frames), batch == 1


def _load_checkpoint(spec: SeparatorSpec, *, offline: bool) -> Network:
    checkpoint, config = spec.files
    path = fetch(config, offline=offline)
    try:
        settings, is_rest = _msst_settings(_read_yaml(path, spec.name))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else reason_of(error)
        raise ConfigError(f"{spec.name}: {config.name} describes no network known here ({reason})") from error
    network = load_msst(replace(spec, files=(checkpoint,), settings=settings), offline=offline)
    return _Rest(network) if is_rest else network


def _read_yaml(path: Path, name: str) -> Any:
    """Read a YAML file whose only tag beyond the plain ones is Python's tuple, read as a list."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise ConfigError(f"{name}: needs PyYAML ({error}); pip install 'lyricsep[msst]'") from error

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined,misc]
        pass

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_sequence)
    damage = (yaml.YAMLError, OSError, ValueError, RecursionError)
    with describing(f"{shown(path)}: not the YAML file of a network", advice="get it again", errors=damage):
        if path.stat().st_size > MAX_YAML:
            raise WeightsError(f"{shown(path)}: refused, the YAML file of a network has at most {MAX_YAML} bytes")
        return yaml.load(path.read_text(encoding="utf-8"), Loader)


def _msst_settings(config: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Translate a published YAML into settings of `lyricsep.separators.msst`; whether they give the instrumental."""
    audio, model, training = config["audio"], config["model"], config["training"]
    inference = config.get("inference") or {}
    name = next((_NETWORKS[key] for key in _NETWORKS if key in model), None)
    if name is None:
        raise ValueError(f"expected one of {', '.join(_NETWORKS)} in its model")
    if audio.get("sample_rate", SAMPLE_RATE) != SAMPLE_RATE:
        raise ValueError(f"expected {SAMPLE_RATE} Hz, got {audio['sample_rate']}")
    if not 0 < audio["chunk_size"] <= MAX_CHUNK:
        raise ValueError(f"chunk_size is a number of samples, got {audio['chunk_size']}")
    target = training.get("target_instrument")
    names = [target] if target else training["instruments"]
    options = {key: value for key, value in model.items() if not key.startswith(_TRAINING)}
    if name == "mdx23c":
        options |= {key: audio[key] for key in ("n_fft", "hop_length", "dim_f")} | {"instruments": names}
    elif name == "mel_band_roformer":
        # As the entries of the catalogue; see the note on the depth in msst.
        options["mask_estimator_depth"] = model.get("mask_estimator_depth", 1) + 1
        options |= {"zero_dc": False, "match_input_audio_length": True}
    source, is_rest = _source_of_vocals([str(one).lower() for one in names])
    settings = {
        "model": name,
        "segment": audio["chunk_size"] / SAMPLE_RATE,
        # Published: the chunks that see a sample. Without any overlap the joints would be heard.
        "overlap": 1 - 1 / max(2, inference.get("num_overlap", 2)),
        "source": source if len(names) > 1 else -1,
        "options": options,
    }
    return settings | ({"normalizes": True} if inference.get("normalize") is True else {}), is_rest


def _source_of_vocals(names: Sequence[str]) -> tuple[int, bool]:
    for index, name in enumerate(names):
        if name in _VOCALS:
            return index, False
    if len(names) == 1 and names[0] in _INSTRUMENTAL:
        return 0, True
    raise ValueError(f"it gives {', '.join(names)[:100]}, not vocals")
