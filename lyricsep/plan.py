"""Options, and the plan they are resolved into: the one place where a name becomes a specification.

The options classes hold every default, its documentation and its range; the flags of the command line are derived
from them. `resolve` looks every name up once; nothing later looks one up again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

from lyricsep.aligners import AlignmentOptions, KnownLyrics
from lyricsep.aligners.ctc_models import CtcSpec, find_ctc
from lyricsep.errors import ConfigError
from lyricsep.languages import language_code, to_whisper
from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import RmsVadOptions
from lyricsep.separators import Separator, SeparatorSpec, create_separator, find_separator
from lyricsep.store import key_of
from lyricsep.transcribers import (
    BACKENDS,
    NATIVE,
    WhisperOptions,
    WhisperSpec,
    backend_name,
    create_transcriber,
    default_backend,
    find_model,
)
from lyricsep.versions import ALIGNMENT, LYRICS, VOCALS, stamp
from lyricsep.weights import WeightFile, content_hash

if TYPE_CHECKING:
    import torch

    from lyricsep.aligners.ctc import CtcModel
    from lyricsep.transcribers.whisper import Backend


@dataclass(frozen=True)
class About:
    """Documentation and range of an option.

    Parameters
    ----------
    help : str
        One sentence for help texts.
    default : str
        Text shown as the default where None leaves the choice for later.
    min, max : float or None
        Range, both ends included.
    """

    help: str
    default: str = ""
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class SeparateOptions:
    """Options of separation; None leaves a choice to the preset."""

    preset: Annotated[
        str | None,
        About(
            "Models and options that go together. "
            + "; ".join(
                f"{name}: {preset.summary} ({preset.separator} + {preset.model})" for name, preset in PRESETS.items()
            )
            + ".",
            "chosen for your hardware",
        ),
    ] = None
    separator: Annotated[
        str | None,
        About(
            "Separation model: a name from `lyricsep models list`, none (no separation), stems (vocals files next to "
            "the songs), or the path of your own catalogue entry (.toml).",
            "the preset's",
        ),
    ] = None
    query: Annotated[str | None, About("What to separate, for separators that take a query.", "singing voice")] = None
    then: Annotated[
        str | None,
        About(
            "Second model, applied to the separated vocals: mossformer2 splits duets, apollo restores lossy audio.",
            "none",
        ),
    ] = None
    track: Annotated[
        int | None,
        About(
            "Which audio track of a file with several, counted from 1.", "the one flagged as default, or the first", 1
        ),
    ] = None
    device: Annotated[str, About("Where the models run: auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    offline: Annotated[bool, About("Make no network requests.")] = False

    def __post_init__(self) -> None:
        """Refuse values out of range and of the wrong type."""
        for name, option in about(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, str) and name in _SEQUENCES:
                raise ValueError(f"{name} must be a sequence of numbers, got the text {value!r}")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                too_low = option.min is not None and not value >= option.min
                if too_low or (option.max is not None and not value <= option.max):
                    limits = [f"at least {option.min:g}"] if option.min is not None else []
                    limits += [f"at most {option.max:g}"] if option.max is not None else []
                    raise ValueError(f"{name} must be {' and '.join(limits)}, got {value!r}")


_VAD = RmsVadOptions()
_WHISPER = WhisperOptions()
_SEGMENTATION = ("onset", "offset", "min_silence", "floor_db")
_SEQUENCES = ("no_repeat_ngram_sizes", "temperatures")


@dataclass(frozen=True)
class SegmentOptions(SeparateOptions):
    """Options of separation and segmentation; None leaves a choice to the preset."""

    onset: Annotated[
        float | None,
        About("RMS level that starts a segment, as a fraction of the loudest.", f"{_VAD.onset}", 0.001, 1.0),
    ] = None
    offset: Annotated[
        float | None,
        About("RMS level below which a segment ends, as a fraction of the loudest.", f"{_VAD.offset}", 0.001, 1.0),
    ] = None
    min_silence: Annotated[
        float | None, About("Shortest silence that ends a segment, in seconds.", f"{_VAD.min_silence}", 0.0)
    ] = None
    floor_db: Annotated[
        float | None, About("Level below which nothing counts as sung, in dBFS.", f"{_VAD.floor_db:g}")
    ] = None


@dataclass(frozen=True)
class ListenOptions(SegmentOptions):
    """Options of what Whisper hears, and of which Whisper; None leaves a choice to the preset."""

    language: Annotated[
        str | None, About("Language of the songs (en, french, pt-br, ...).", "detected for each song")
    ] = None
    model: Annotated[
        str | None,
        About(
            "Whisper model: a name from `lyricsep models list`, or the path of an openai-whisper checkpoint (.pt) or "
            "CTranslate2 folder.",
            "the preset's",
        ),
    ] = None
    mix_back: Annotated[
        float | None,
        About(
            "Gain of the accompaniment that is mixed back into the vocals before transcription: 0 is only the "
            "vocals, 1 the full mixture.",
            f"{_WHISPER.mix_back}; paper: 0",
            0.0,
            1.0,
        ),
    ] = None


AlignerOption = Annotated[
    str,
    About(
        "How words are timed: whisper, or ctc:MODEL, a CTC model of transformers (a folder or a name of the "
        "Hugging Face hub; needs the extra `ctc`)."
    ),
]


@dataclass(frozen=True)
class AlignOptions(ListenOptions):
    """Options of the alignment of known lyrics; None leaves a choice to the preset."""

    aligner: AlignerOption = "whisper"
    fill_repeats: Annotated[
        bool, About("Where only the header of a section is written ([Chorus]), repeat its lines from above.")
    ] = False


@dataclass(frozen=True)
class TranscribeOptions(ListenOptions):
    """Options of the whole job; None leaves a choice to the preset."""

    backend: Annotated[
        str | None, About(f"Whisper backend: {' or '.join(BACKENDS)}.", "the fastest that is installed")
    ] = None
    beam_size: Annotated[
        int | None, About("Beam size of Whisper's search; 1 is greedy decoding.", f"{_WHISPER.beam_size}", 1)
    ] = None
    batch_size: Annotated[int | None, About("Number of segments decoded at once.", "the preset's", 1)] = None
    no_repeat_ngram_sizes: Annotated[
        Sequence[int] | None,
        About(
            "Sizes of n-grams that may not repeat when a repetitive segment is decoded again, tried in this order; "
            "comma-separated, 0 to turn this off.",
            ",".join(map(str, _WHISPER.no_repeat_ngram_sizes)) + "; native: 0",
        ),
    ] = None
    temperatures: Annotated[
        Sequence[float] | None,
        About(
            "Temperature of the first attempt, and of retries where forbidding repeated n-grams did not help; above "
            "0 words are sampled. Comma-separated.",
            "0; native: Whisper's own",
        ),
    ] = None
    seed: Annotated[int | None, About("Random seed for temperatures above 0.", f"{_WHISPER.seed}")] = None
    timestamps: Annotated[
        bool,
        About("Use the phrases and times that Whisper predicts as lines, instead of lines made from aligned words."),
    ] = False
    native: Annotated[
        bool, About("Do not segment: Whisper runs its own 30 s windows and retries over the whole song.")
    ] = False


@dataclass(frozen=True)
class LibraryOptions(TranscribeOptions):
    """Options of the whole job for songs of which the lyrics may be known; None leaves a choice to the preset."""

    aligner: AlignerOption = "whisper"


def about(options: type[Any]) -> dict[str, About]:
    """Return documentation and range of each option of a class, in the order of its fields."""
    hints = get_type_hints(options, include_extras=True)
    return {
        each.name: next(part for part in get_args(hints[each.name]) if isinstance(part, About))
        for each in fields(options)
    }


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done with every song, resolved: specifications instead of names.

    Parameters
    ----------
    preset : str
        The name it started from.
    separators : tuple of SeparatorSpec
        One, or two in a chain.
    device : torch.device
        Where the models run.
    segmentation : RmsVadOptions or None
        None leaves the windows to Whisper.
    query : str or None
        For the first separator.
    track : int or None
        Which of several audio tracks of a file, from 1; None takes the default one.
    model : WhisperSpec or None
        None where nothing is transcribed.
    backend : str
        Which library runs Whisper.
    transcription : WhisperOptions
        How it decodes.
    alignment : AlignmentOptions or None
        How known lyrics are aligned; None where lyrics are transcribed.
    aligner : CtcSpec or None
        The CTC model that aligns them in place of Whisper.
    language : str or None
        Of songs whose job does not state one; None detects it for each song.
    offline : bool
        Never open a connection.
    is_default : bool
        Whether the preset was chosen for the hardware.
    names : mapping
        Separator, second separator and model as they were named: a name of a catalogue, or a path.
    """

    preset: str
    separators: tuple[SeparatorSpec, ...]
    device: torch.device
    segmentation: RmsVadOptions | None
    query: str | None = None
    track: int | None = None
    model: WhisperSpec | None = None
    backend: str = ""
    transcription: WhisperOptions = field(default_factory=WhisperOptions)
    alignment: AlignmentOptions | None = None
    aligner: CtcSpec | None = None
    language: str | None = None
    offline: bool = False
    is_default: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> list[WeightFile]:
        """The files of all models."""
        files = [file for spec in self.separators for file in spec.files]
        return [*files, *(self.model.files if self.model else ()), *(self.aligner.files if self.aligner else ())]

    @property
    def makes_lyrics(self) -> bool:
        """Whether songs are transcribed or aligned."""
        return self.model is not None or self.aligner is not None

    @property
    def uses_stems(self) -> bool:
        """Whether vocals are read from files beside the song."""
        return self.separators[0].name == "stems"

    @property
    def versions(self) -> str:
        """The versions of the stages, as a record of a result holds them."""
        return stamp(ALIGNMENT if self.alignment else LYRICS)

    def load_separator(self, *, batch_size: int | None = None) -> Separator:
        """Build the separator, or the chain of two.

        Raises
        ------
        WeightsError, ConfigError
            As `lyricsep.separators.create_separator`.
        """
        first, *then = self.separators
        return create_separator(
            first,
            self.device,
            batch_size=batch_size,
            offline=self.offline,
            query=self.query,
            then=then[0] if then else None,
        )

    def load_backend(self) -> Backend:
        """Build what runs Whisper.

        Raises
        ------
        WeightsError, ConfigError
            As `lyricsep.transcribers.create_transcriber`.
        """
        if self.model is None:
            raise ValueError("this plan transcribes nothing")
        return create_transcriber(self.model, self.device, backend=self.backend, offline=self.offline).backend

    def load_ctc(self) -> CtcModel:
        """Build the CTC model that aligns.

        Raises
        ------
        WeightsError
            As `lyricsep.aligners.ctc.CtcModel`.
        """
        from lyricsep.aligners.ctc import CtcModel

        if self.aligner is None:
            raise ValueError("this plan has no CTC model")
        return CtcModel(self.aligner, self.device, offline=self.offline)

    def vocals_key(self, audio: Sequence[str]) -> str:
        """Return the key of a song's vocals, by the digests of its files and the versions of their stages."""
        return key_of({"audio": audio, "vocals": self._digests[0], "versions": VOCALS})

    def lyrics_key(self, audio: Sequence[str], language: str | None, known: KnownLyrics | None = None) -> str:
        """Return what identifies a song's lyrics but the versions of the stages, which `versions` tells.

        Known lyrics are aligned; without, the song is transcribed.
        """
        facts = {"audio": audio, "lyrics": self._digests[1], "language": language}
        return key_of({**facts, "known": known.lines, "stated": known.language} if known else facts)

    @property
    def _digests(self) -> tuple[str, str]:
        # A download may pin a file whose hash nobody knew; hashing the options again takes a millisecond.
        hashes = tuple(content_hash(file) for file in self.weights)
        if hashes not in self._known_digests:
            vocals = {
                "separators": [
                    {
                        "name": spec.name,
                        "weights": [content_hash(file) for file in spec.files],
                        "settings": spec.settings,
                    }
                    for spec in self.separators
                ],
                "query": self.query,
                "device": self.device.type,
                **({"track": self.track} if self.track else {}),
            }
            lyrics = {
                "vocals": vocals,
                "segmentation": self.segmentation,
                "model": [content_hash(file) for file in self.model.files] if self.model else [],
                "backend": self.backend,
                **({"alignment": self.alignment} if self.alignment else {"transcription": self.transcription}),
                **(
                    {"aligner": [self.aligner.revision, *map(content_hash, self.aligner.files)]}
                    if self.aligner
                    else {}
                ),
            }
            self._known_digests[hashes] = key_of(vocals), key_of(lyrics)
        return self._known_digests[hashes]

    @cached_property
    def _known_digests(self) -> dict[tuple[str, ...], tuple[str, str]]:
        return {}

    def describe(self) -> dict[str, Any]:
        """Return every choice that can change a result, by the names of the options, as plain values."""
        chosen: dict[str, Any] = {
            "separator": self.separators[0].name,
            "then": self.separators[1].name if len(self.separators) > 1 else None,
            "query": self.query,
            "track": self.track,
            "model": self.model.name if self.model else None,
            "backend": self.backend or None,
            "aligner": self.aligner.name if self.aligner else None,
            "device": self.device.type,
            "language": self.language,
            "native": self.segmentation is None,
        }
        for options in (self.segmentation, self.alignment or (self.transcription if self.model else None)):
            chosen |= {each.name: getattr(options, each.name) for each in fields(options)} if options else {}
        chosen |= {f"weights of {file.name}": content_hash(file) for file in self.weights}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}

    @property
    def summary(self) -> str:
        """One line for people."""
        from lyricsep.devices import describe_device

        parts = " then ".join(spec.name for spec in self.separators)
        if self.model:
            parts += f" + {self.model.name} by {self.backend}"
        if self.aligner:
            parts += f" + ctc {self.aligner.name} ({self.aligner.terms})"
        chosen = " (chosen for your hardware)" if self.is_default else ""
        return f"preset {self.preset}{chosen}: {parts} on {describe_device(self.device)}"


def resolve(options: SeparateOptions) -> Plan:
    """Look up every name that options hold, once.

    Parameters
    ----------
    options : SeparateOptions
        `SegmentOptions` give a plan that segments, `TranscribeOptions` one that transcribes.

    Raises
    ------
    ConfigError
        If something does not exist, or options contradict each other.
    """
    from lyricsep.devices import choose_device

    device = choose_device(options.device)
    if options.preset is not None and options.preset not in PRESETS:
        raise ConfigError(f"no preset is called {options.preset!r}; choose from {', '.join(PRESETS)}")
    preset_name = options.preset or preset_for(device)
    preset = PRESETS[preset_name]
    names = (options.separator or preset.separator, options.then)
    plan = Plan(
        preset_name,
        tuple(find_separator(separator) for separator in names if separator),
        device,
        preset.segmentation,
        query=options.query,
        track=options.track,
        offline=options.offline,
        is_default=options.preset is None,
        names={key: name for key, name in zip(("separator", "then"), names, strict=True) if name},
    )
    if isinstance(options, SegmentOptions):
        plan = replace(plan, segmentation=_segmentation(preset.segmentation, options))
    if isinstance(options, AlignOptions):
        return _aligning(plan, options)
    return _transcribing(plan, options) if isinstance(options, TranscribeOptions) else plan


# Segments of up to 15 s place words as well as those of 30 s, and better where a song repeats itself.
ALIGNED_DURATION = 15.0  # seconds


def _aligning(plan: Plan, options: AlignOptions) -> Plan:
    preset = PRESETS[plan.preset].transcription
    alignment = AlignmentOptions(preset.mix_back if options.mix_back is None else options.mix_back)
    segmentation = plan.segmentation or RmsVadOptions()
    segmentation = replace(segmentation, merge_duration=min(segmentation.merge_duration, ALIGNED_DURATION))
    plan = replace(plan, segmentation=segmentation, alignment=alignment)
    if options.aligner == "whisper":
        return replace(_with_model(plan, options), backend="openai-whisper")  # the one that shows its attention
    kind, _, name = options.aligner.partition(":")
    if kind != "ctc" or not name:
        raise ConfigError(f"no aligner is called {options.aligner!r}; choose whisper or ctc:MODEL")
    if options.model is not None:
        raise ConfigError("a CTC model aligns without Whisper", hint="leave out {model}, or {aligner}")
    aligner = find_ctc(name, offline=options.offline)
    names = {**plan.names, "aligner": options.aligner}
    return replace(plan, aligner=aligner, names=names, language=language_for(options.language, None))


def _with_model(plan: Plan, options: ListenOptions) -> Plan:
    name = options.model or PRESETS[plan.preset].model
    model = find_model(name)
    return replace(
        plan, model=model, names={**plan.names, "model": name}, language=language_for(options.language, model)
    )


def aligning(options: LibraryOptions) -> AlignOptions:
    """Return the same options for an alignment.

    Raises
    ------
    ConfigError
        If an option is set that only a transcription has.
    """
    names = [*(each.name for each in fields(ListenOptions)), "aligner"]
    given = [each.name for each in fields(options) if getattr(options, each.name) != each.default]
    extra = [name for name in given if name not in names]
    if extra:
        raise ConfigError(
            "known lyrics are aligned, not transcribed",
            hint=f"leave out {', '.join(f'{{{name}}}' for name in extra)}",
        )
    return AlignOptions(**{name: getattr(options, name) for name in names})


def _transcribing(plan: Plan, options: TranscribeOptions) -> Plan:
    preset = PRESETS[plan.preset]
    backend = backend_name(options.backend) if options.backend else default_backend(plan.device)
    if options.native and any(getattr(options, name) is not None for name in _SEGMENTATION):
        raise ConfigError(
            "options of the segmentation have no effect in a native transcription, which does not segment",
            hint="leave out {onset}, {offset}, {min_silence} and {floor_db}, or {native}",
        )
    given = {
        name: getattr(options, name)
        for name in ("mix_back", "beam_size", "batch_size", "seed")
        if getattr(options, name) is not None
    }
    given |= {name: tuple(getattr(options, name)) for name in _SEQUENCES if getattr(options, name) is not None}
    transcription = preset.transcription
    if options.native:
        retries = ("no_repeat_ngram_sizes", "temperatures", "compression_ratio_threshold")
        transcription = replace(transcription, **{name: getattr(NATIVE, name) for name in retries})
    try:
        transcription = replace(transcription, timestamps=options.timestamps, **given)
    except ValueError as error:
        raise ConfigError(f"transcription: {error}", hint=_to_change(_SEQUENCES, str(error))) from error
    return replace(
        _with_model(plan, options),
        segmentation=None if options.native else plan.segmentation,
        backend=backend,
        transcription=transcription,
    )


def language_for(name: str | None, model: WhisperSpec | None) -> str | None:
    """Return the code of a language that a model knows; None for None.

    Raises
    ------
    ConfigError
        If there is no such language, or the model transcribes English only.
    """
    if name is None:
        return None
    code = language_code(name)
    if model:
        to_whisper(code)  # raises where Whisper does not know it
    if model and model.name.endswith(".en") and code != "en":
        raise ConfigError(
            f"language {name}: {model.name} transcribes English only", hint=f"set {{model={model.name[:-3]}}}"
        )
    return code


def _segmentation(preset: RmsVadOptions, options: SegmentOptions) -> RmsVadOptions:
    given = {name: getattr(options, name) for name in _SEGMENTATION if getattr(options, name) is not None}
    if "onset" in given and "offset" not in given:
        given["offset"] = min(preset.offset, given["onset"])
    try:
        return replace(preset, **given)
    except ValueError as error:
        # The message names the broken rule, and then all options.
        rule = str(error).partition(", got ")[0]
        raise ConfigError(f"segmentation: {rule}", hint=_to_change(_SEGMENTATION, rule)) from error


def _to_change(names: Sequence[str], rule: str) -> str:
    """Return the hint to change the options that a broken rule names."""
    named = [f"{{{name}}}" for name in names if re.search(rf"\b{name}\b", rule)]
    return f"change {' or '.join(named)}" if named else ""
