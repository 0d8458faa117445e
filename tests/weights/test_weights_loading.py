"""Loading weights: the real ones load, and nothing that only looks like weights can do any harm."""

from __future__ import annotations

import builtins
import collections
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lyricsep.errors import OutputError, WeightsError
from lyricsep.weights import load_checkpoint, load_numpy_pickle, load_safetensors, save_safetensors

Loader = Callable[[Path], object]

LOADERS = [load_checkpoint, load_numpy_pickle, load_safetensors]


class Hostile:
    """Unpickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def hostile_objects(mark: Path) -> dict[str, object]:
    """Give objects that make the file `mark` when they are unpickled by an ordinary unpickler."""
    system = Hostile(os.system, f"touch {mark}")
    code = f"open({str(mark)!r}, 'w').close()"
    return {
        "system": system,
        "eval": Hostile(builtins.eval, code.replace("open", "__import__('io').open")),
        "exec": Hostile(builtins.exec, code),
        "nested": {"weights": [torch.zeros(2), {"deep": (1, system)}]},
        "among arrays": {"weights": np.zeros(3, np.float32), "other": system},
        "inside an object array": np.array([system], dtype=object),
        "chosen by getattr": Hostile(getattr, Hostile(__import__, "os"), "system"),
        "ordered": collections.OrderedDict(a=system),
    }


def saved_new(value: object, path: Path) -> None:
    torch.save(value, path)


def saved_old(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def saved_plain(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def saved_protocol_0(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=0))


def refused(loader: Loader, path: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        loader(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("kind", list(hostile_objects(Path("x"))))
@pytest.mark.parametrize("save", [saved_new, saved_old, saved_plain, saved_protocol_0])
@pytest.mark.parametrize("loader", LOADERS)
def test_nothing_is_executed(tmp_path, kind, save, loader) -> None:
    mark, path = tmp_path / "mark", tmp_path / "model.ckpt"
    save(hostile_objects(mark)[kind], path)
    refused(loader, path, "refused|is not")
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["system", "nested"])
def test_the_hostile_files_are_hostile(tmp_path, kind) -> None:
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(hostile_objects(mark)[kind]))
    assert mark.exists()


@pytest.mark.parametrize("loader", [load_checkpoint, load_numpy_pickle])
def test_the_refusal_names_what_was_asked_for(tmp_path, loader) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"a": Hostile(os.system, "true")}, path)
    refused(loader, path, r"refused, as loading it would run (posix|nt)\.system")


def crafted(*instructions: bytes) -> bytes:
    return b"\x80\x02" + b"".join(instructions) + b"."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
SHELL = RECONSTRUCT + b"(cnumpy\nndarray\n(K\x00tU\x01btR"


@pytest.mark.parametrize(
    "content",
    [
        crafted(b"cnumpy\nndarray\n(J\xff\xff\xff\x7ftR"),  # an array of the pickle's own making
        crafted(b"cnumpy\nndarray\n(K\x01X\x01\x00\x00\x00OX\x08\x00\x00\x00AAAAAAAAtR"),
        crafted(RECONSTRUCT, b"(cnumpy\ndtype\nK\x00X\x01\x00\x00\x00btR"),
        crafted(b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR"),
        crafted(b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4tR(K\x03X\x01\x00\x00\x00<NNNK\x10K\x08K\x00tb"),
        crafted(b"cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb"),  # state for the function itself
        crafted(b"cnumpy\ndtype.__class__\n"),
        crafted(b"cnumpy.core.multiarray\nfrombuffer\n"),
        crafted(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR"),
        crafted(b"c_codecs\ndecode\n"),
        crafted(b"cbuiltins\ngetattr\n"),
        crafted(SHELL, b"(K\x01(J\xff\xff\xff\x7ftcnumpy\ndtype\n(X\x02\x00\x00\x00f4tR\x89c_codecs\nencode\n"
                b"(X\x00\x00\x00\x00X\x06\x00\x00\x00latin1tRtb"),
        crafted(SHELL, b"(K\x01(K\x01tNI00\n]tb"),
        crafted(SHELL),  # an array without content
        b"\x80\x02K\x01Q.",  # a persistent id, as torch's storages have
        b"\x80\x02]q\x00h\x00a.",  # a list that holds itself
        b"\x80\x63.",
        b"",
        b".",
        crafted(b"cnumpy\nndarray\n"),
        b"\x80\x04\x8f.",  # a set
        b"\x80\x02K\x01.K\x02.",  # two pickles
        b"PK\x03\x04",
        b"<html>404</html>",
    ],
)  # fmt: skip
def test_crafted_pickles(tmp_path, content) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    refused(load_numpy_pickle, path, "refused|is not a pickle of NumPy arrays, or is damaged")


def test_a_pickle_that_refers_to_itself_billions_of_times(tmp_path) -> None:
    laughs: object = [np.ones(1)]
    for _ in range(60):
        laughs = [laughs, laughs]
    path = tmp_path / "model.ckpt"
    path.write_bytes(pickle.dumps(laughs))
    value = load_numpy_pickle(path)
    assert isinstance(value, list)
    assert value[0] is value[1]


@pytest.mark.parametrize("loader", [load_checkpoint, load_numpy_pickle])
def test_a_zip_bomb(tmp_path, loader) -> None:
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(50_000_000))
    refused(loader, path, r"refused, its \d+ bytes would unpack into 500000\d\d")


def test_an_ordinary_checkpoint(tmp_path) -> None:
    path = tmp_path / "model.th"
    saved = {"state": {"weight": torch.arange(6.0).reshape(2, 3).half()}, "epoch": 3, "name": "ß"}
    torch.save(saved, path)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, dict)
    assert torch.equal(loaded["state"]["weight"], saved["state"]["weight"])
    assert (loaded["epoch"], loaded["name"]) == (3, "ß")


def test_a_class_is_made_only_where_it_is_allowed(tmp_path) -> None:
    path = tmp_path / "model.th"
    torch.save({"segment": Fraction(39, 5)}, path)
    refused(load_checkpoint, path, r"would run fractions\.Fraction")
    assert load_checkpoint(path, allow=[Fraction]) == {"segment": Fraction(39, 5)}
    refused(load_checkpoint, path, r"would run fractions\.Fraction")


ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float16": np.array([0.5, -2], np.float16),
    "big endian": np.array([1.5, 2.5], ">f8"),
    "by columns": np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
    "bool": np.array([True, False]),
    "scalar": np.float64(3.25),
    "no dimensions": np.array(7, np.int16),
    "empty": np.zeros((0, 4), np.uint8),
    "complex": np.array([1 + 2j], np.complex64),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("spelling", ["numpy.core", "numpy._core"])
def test_arrays_of_all_protocols(tmp_path, protocol, spelling) -> None:
    content = pickle.dumps({"list": [(ARRAYS, "text", 1, None)]}, protocol=protocol)
    if protocol < 4:  # later ones store the length of the name
        content = content.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", spelling.encode())
    path = tmp_path / "arrays.pkl"
    path.write_bytes(content)
    loaded = load_numpy_pickle(path)["list"][0][0]
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
        assert name == "scalar" or (type(loaded[name]) is np.ndarray and loaded[name].flags.writeable)


def test_arrays_inside_a_zip(tmp_path) -> None:
    path = tmp_path / "arrays.ckpt"
    torch.save({"a": ARRAYS["float32"]}, path)
    loaded = load_numpy_pickle(path)
    np.testing.assert_array_equal(loaded["a"], ARRAYS["float32"], strict=True)


def test_tensors_are_not_for_the_reader_of_arrays(tmp_path) -> None:
    path = tmp_path / "tensors.ckpt"
    torch.save({"a": torch.zeros(3)}, path)
    refused(load_numpy_pickle, path, r"would run torch\._utils\._rebuild_tensor_v2")


def test_safetensors_round_trip(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3).t(), "b": torch.ones(2, dtype=torch.float16, requires_grad=True)}
    save_safetensors(path, tensors, {"source": "ß"})
    loaded, metadata = load_safetensors(path)
    assert metadata == {"source": "ß"}
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert [child.name for child in tmp_path.iterdir()] == ["model.safetensors"]


def test_safetensors_that_cannot_be_written(tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        save_safetensors(blocked / "model.safetensors", {"a": torch.zeros(1)}, {})


def test_truncated_safetensors(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    save_safetensors(path, {"a": torch.zeros(100)}, {})
    whole = path.read_bytes()
    for length in (0, 4, 8, 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(load_safetensors, path, "is not a safetensors file, or is damaged")
    path.write_bytes(struct.pack("<Q", 2**63) + whole[8:])
    refused(load_safetensors, path, "is not a safetensors file, or is damaged")


@pytest.mark.parametrize("loader", LOADERS)
def test_what_is_not_there(tmp_path, loader) -> None:
    refused(loader, tmp_path / "nothing.bin", "cannot be read|No such file")
    refused(loader, tmp_path, "cannot be read|Is a directory|is not")


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<!DOCTYPE html><html></html>", "Größe".encode() * 9])
def test_what_is_no_checkpoint(tmp_path, loader, content) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    refused(loader, path, "is not")


def sample(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "arrays":
        pickle.dump(ARRAYS, stream, protocol=2)
    else:
        torch.save({"a": torch.arange(4.0), "b": {"c": 1}}, stream, _use_new_zipfile_serialization=kind == "new")
    return stream.getvalue()


SAMPLES = {kind: sample(kind) for kind in ("arrays", "new", "old")}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kind=st.sampled_from(list(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 10**6),
)
def test_damage_anywhere_is_one_kind_of_error(tmp_path, kind, changes, cut) -> None:
    content = bytearray(SAMPLES[kind])
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path / "model.ckpt"
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    loader = load_numpy_pickle if kind == "arrays" else load_checkpoint
    try:
        loader(path)  # some changes harm nothing, or only a number
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017
