"""Networks of Music-Source-Separation-Training, by the classes of ``pymss-core``.

The RoFormers, SCNet and MDX23C give vocals, Bandit the speech of films, and Apollo what a codec took away.

The library brings the networks alone; their weights come through our loader and our engine runs them. What the
authors publish as YAML beside a checkpoint stands in the catalogue, under the names of the library's arguments:

* ``model``: ``mel_band_roformer``, ``bs_roformer``, ``scnet``, ``mdx23c``, ``bandit`` (not its second version) or
  ``apollo``;
* ``segment``: seconds per chunk, what the training saw; ``overlap``: share of it that the next chunk sees too, 0 to
  below 1 (published as ``num_overlap``, the chunks that see a sample: 2 is 0.5, 4 is 0.75);
* ``source``: which of its stems the vocals are, from 0; -1 for networks of a single stem;
* ``normalizes``: true for networks that want every excerpt with a mean of 0 and a standard deviation of 1, "peak" for
  those that want its largest sample at 1, left out else;
* ``options``: the arguments of the class. Those of ``mdx23c`` are the published ``audio`` and ``model`` and the
  names of the stems (``instruments``), in one table.

One argument needs care. ``mask_estimator_depth`` counts the hidden layers of the masks' networks in the published
code of ``mel_band_roformer``, but all their layers in the library: it is one more here than in the YAML of a
checkpoint. That of ``bs_roformer`` is the same in both.

Bandit and Apollo hear every channel for itself, and get them one by one: the library's Bandit (0.1.14) confuses those
of a stereo song.

The RoFormers give vocals in proportion to the mixture. SCNet and Apollo do so where they normalize; MDX23C only
about, since the last of its layers bends the mixture itself, and Bandit only about, since its norms have a floor that
quiet bands come near: with random weights, a song at a tenth of its level gives a tenth of the
speech to -15 dB only.

References
----------
Wang, Lu, Won: "Mel-Band RoFormer for music source separation", arXiv 2310.01809, 2023. Lu, Wang, Kong, Hung: "Music
source separation with Band-Split RoPE Transformer", ICASSP 2024, arXiv 2309.02612. Tong et al.: "SCNet: sparse
compression network for music source separation", ICASSP 2024, arXiv 2401.13276. Kim, Lee, Jung: "Sound demixing
challenge 2023 music demixing track technical report: TFC-TDF-UNet v3", arXiv 2306.09382, 2023. Watcharasupat et al.:
"A generalized bandsplit neural network for cinematic audio source separation", IEEE OJSP 5, 2024, arXiv 2309.02539.
Li, Luo: "Apollo: band-sequence modeling for high-quality audio restoration", ICASSP 2025, arXiv 2409.08514.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from lyricsep.errors import ConfigError, reason_of
from lyricsep.separators.engine import Chunking, Network
from lyricsep.separators.state import describing, filled, read_state
from lyricsep.weights import Ignored, fetch

if TYPE_CHECKING:
    from lyricsep.separators.base import SeparatorSpec

SAMPLE_RATE = 44_100  # of every published checkpoint
SILENCE = 1e-8  # the least level that is brought to 1

_CLASSES = {
    "mel_band_roformer": ("pymss_core.modules.bs_roformer", "MelBandRoformer"),
    "bs_roformer": ("pymss_core.modules.bs_roformer", "BSRoformer"),
    "scnet": ("pymss_core.modules.scnet", "SCNet"),
    "mdx23c": ("pymss_core.modules.mdx23c_tfc_tdf_v3", "TFC_TDF_net"),
    "bandit": ("pymss_core.modules.bandit.core", "MultiMaskMultiSourceBandSplitRNNSimple"),
    "apollo": ("pymss_core.modules.look2hear.apollo", "Apollo"),
}
_MONO = ("bandit", "apollo")
_MDX23C_AUDIO = ("n_fft", "hop_length", "dim_f")
_MDX23C_MODEL = (
    "act",
    "bottleneck_factor",
    "growth",
    "norm",
    "num_blocks_per_scale",
    "num_channels",
    "num_scales",
    "num_subbands",
    "scale",
)
_MDX23C = {*_MDX23C_AUDIO, *_MDX23C_MODEL, "instruments"}
_WANTED = {"model": str, "segment": int | float, "overlap": int | float, "source": int, "options": dict}
_WRAPPERS = ("state", "state_dict", "model_state_dict")  # under which training scripts save the weights


# What Apollo's author saved: his settings as an OmegaConf, and the version of torch.
_NOTES = (
    "builtins.dict",
    "builtins.int",
    "builtins.list",
    "collections.defaultdict",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "torch.torch_version.TorchVersion",
    "typing.Any",
)


class MsstNetwork(Network):
    """A network of the library as the engine runs it.

    Parameters
    ----------
    model : nn.Module
        ``(batch, n_channels, n_samples)`` to the same of one stem, or to ``(batch, n_stems, n_channels, n_samples)``
        of all.
    n_channels : int
        Channels it takes.
    segment, overlap, source, normalizes
        As the settings. Vocals of normalized chunks, all channels together, get the level back. The authors normalize
        to a deviation of 1 by song, and to a peak of 1 by excerpt, where they train.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        n_channels: int,
        segment: float,
        overlap: float,
        source: int,
        normalizes: bool | Literal["peak"] = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.sample_rate = SAMPLE_RATE
        self.n_channels = n_channels
        self.chunking = Chunking.triangular(round(segment * SAMPLE_RATE), overlap)
        self.source = source
        self.normalizes = normalizes

    def forward(self, chunks: Tensor) -> Tensor:
        """Separate; ``(batch, n_channels, n_samples)`` to vocals of the same shape."""
        if not self.normalizes:
            return self._vocals(chunks)
        if self.normalizes == "peak":
            level = chunks.abs().amax(dim=(1, 2), keepdim=True)
        else:
            chunks = chunks - chunks.mean(dim=(1, 2), keepdim=True)
            level = chunks.std(dim=(1, 2), keepdim=True)
        level = level.clamp(min=SILENCE)
        return self._vocals(chunks / level) * level

    def _vocals(self, chunks: Tensor) -> Tensor:
        stems: Tensor = self.model(chunks)
        vocals = stems if stems.ndim == 3 else stems[:, self.source]
        # What does not fill a last frame is lost in some of them.
        return F.pad(vocals, (0, chunks.shape[-1] - vocals.shape[-1]))

    def finish(self, chunks: Tensor, n_samples: int) -> Tensor:
        """Separate; the last chunk of a song goes on as its mirror image, as published, if that is long enough."""
        n_more = chunks.shape[-1] - n_samples
        if n_more < n_samples:
            chunks = F.pad(chunks[..., :n_samples], (0, n_more), mode="reflect")
        vocals: Tensor = self(chunks)
        return vocals


def load_msst(spec: SeparatorSpec, *, offline: bool) -> MsstNetwork:
    """Build a network of the library from the settings of its catalogue entry, and load its checkpoint.

    Raises
    ------
    ConfigError
        If ``pymss-core`` is not installed, there is not one file, or the settings are not those of the module's
        description. All of it is known before anything is downloaded.
    """
    settings = spec.settings
    _check_settings(spec)
    model = _build(spec)
    length = round(settings["segment"] * SAMPLE_RATE)
    name, source = settings["model"], settings["source"]
    n_stems = _n_stems(name, model)
    if not (source == -1 if n_stems == 1 else 0 <= source < n_stems):
        wanted = "-1" if n_stems == 1 else f"0 to {n_stems - 1}"
        raise _wrong(spec, f"source is {wanted} for {n_stems} stems, got {source}")
    _check_length(spec, model, length)
    (file,) = spec.files
    path = fetch(file, offline=offline)
    with describing(f"{file.name}: not a checkpoint of {spec.name}"):
        allowed = [(Ignored, note) for note in _NOTES]
        filled(model, read_state(path, allow=allowed, wrappers=_WRAPPERS), str)
    # Each stem of a RoFormer or Bandit has a mask of its own, half of the weights: only that of the vocals is needed.
    if n_stems > 1 and hasattr(model, "mask_estimators"):
        model.mask_estimators = nn.ModuleList([model.mask_estimators[source]])
    elif name == "bandit":
        stem = model.stems[source]
        model.bsrnn.mask_estim = nn.ModuleDict({stem: model.bsrnn.mask_estim[stem]})
        source = 0
    return MsstNetwork(
        model,
        n_channels=1 if name in _MONO else getattr(model, "audio_channels", 2),
        segment=settings["segment"],
        overlap=settings["overlap"],
        source=source,
        normalizes=settings.get("normalizes", False),
    )


def _wrong(spec: SeparatorSpec, what: str) -> ConfigError:
    return ConfigError(f"{spec.name}: {what}; correct the catalogue entry")


def _check_settings(spec: SeparatorSpec) -> None:
    settings = spec.settings
    if len(spec.files) != 1:
        raise _wrong(spec, f"needs one file, got {len(spec.files)}")
    if unknown := settings.keys() - _WANTED.keys() - {"normalizes"}:
        raise _wrong(spec, f"{min(unknown)} is not a setting of msst")
    for key, kind in _WANTED.items():
        value = settings.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _wrong(spec, f"the setting {key} is missing or of another kind, got {value!r}")
    if settings["model"] not in _CLASSES:
        raise _wrong(spec, f"model is one of {', '.join(_CLASSES)}, got {settings['model']!r}")
    if not 0 <= settings["overlap"] < 1:
        raise _wrong(spec, f"overlap is 0 to below 1, got {settings['overlap']}")
    normalizes = settings.get("normalizes", False)
    if not isinstance(normalizes, bool) and normalizes != "peak":
        raise _wrong(spec, f"normalizes is true, false or peak, got {normalizes!r}")


def _build(spec: SeparatorSpec) -> Any:
    """Build the network that the settings describe, with weights that mean nothing yet."""
    name, options = spec.settings["model"], spec.settings["options"]
    module, class_name = _CLASSES[name]
    try:
        kind = getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        raise ConfigError(f"{spec.name}: needs pymss-core ({error}); pip install 'lyricsep[msst]'") from error
    # The library takes, and ignores, more than it names.
    known = _MDX23C if name == "mdx23c" else set(inspect.signature(kind).parameters) - {"kwargs", "stft_window_fn"}
    if unknown := options.keys() - known:
        raise _wrong(spec, f"{min(unknown)} is not an option of {name}")
    # SCNet was trained with frames as they are.
    warnings.filterwarnings("ignore", "A window was not provided")
    try:
        if name == "bandit" and options.get("in_channel") != 1:
            raise ValueError(f"in_channel is 1, each channel for itself, got {options.get('in_channel')!r}")
        if name == "scnet" and options.get("num_dplayer", 6) % 2:  # every other one widens what the next one narrows
            raise ValueError(f"num_dplayer is even, got {options['num_dplayer']}")
        return kind(_mdx23c_config(options)) if name == "mdx23c" else kind(**options)
    except (TypeError, ValueError, LookupError, ArithmeticError, AssertionError, RuntimeError) as error:
        raise _wrong(spec, f"the options make no {name} ({reason_of(error)})") from error


def _mdx23c_config(options: Mapping[str, Any]) -> SimpleNamespace:
    if missing := _MDX23C - options.keys():
        raise ValueError(f"{min(missing)} is missing")
    if not re.fullmatch(r"gelu|relu|elu\d+(\.\d+)?", str(options["act"])):
        raise ValueError(f"act is gelu, relu or elu and a number, got {options['act']!r}")
    return SimpleNamespace(
        audio=SimpleNamespace(num_channels=2, **{key: options[key] for key in _MDX23C_AUDIO}),
        model=SimpleNamespace(**{key: options[key] for key in _MDX23C_MODEL}),
        training=SimpleNamespace(target_instrument=None, instruments=options["instruments"]),
    )


def _n_stems(name: str, model: Any) -> int:
    if name == "mdx23c":
        return int(model.num_target_instruments)
    if name == "apollo":
        return 1
    stems = {"scnet": "sources", "bandit": "stems"}.get(name, "mask_estimators")
    return len(getattr(model, stems))


def _check_length(spec: SeparatorSpec, model: Any, length: int) -> None:
    name, options = spec.settings["model"], spec.settings["options"]
    if name == "mdx23c":
        n_fft = model.stft.n_fft
        n_frames, step = 1 + length // options["hop_length"], options["scale"][0] ** options["num_scales"]
        if n_frames % step:
            raise _wrong(spec, f"a segment of mdx23c has a multiple of {step} frames here, got {n_frames}")
    elif name in _MONO:
        n_fft = model.win if name == "apollo" else model.stft.n_fft
    else:
        n_fft = (model.stft_config if name == "scnet" else model.stft_kwargs)["n_fft"]
    if length < n_fft:
        raise _wrong(spec, f"a segment has {n_fft} samples or more, got {length}")
