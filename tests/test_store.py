"""Results come back as they were kept, whatever happened to the files; keys change with all that made them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.errors import OutputError
from lyricsep.store import Store, code_version, key_of

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def _fresh_code() -> Iterator[None]:
    code_version.cache_clear()
    yield
    code_version.cache_clear()


def files(store: Store) -> list[Path]:
    return sorted(path for path in store.folder.rglob("*") if path.is_file())


def test_nothing_is_kept_at_first(store: Store) -> None:
    assert store.load("words", KEY) is None
    assert store.load_signal("vocals", KEY) is None
    assert not store.folder.exists()


def test_a_result_comes_back(store: Store) -> None:
    result = {"text": "Veränderung 歌 \u2028\n", "lines": [[0.1, 1 / 3, "¡ay!"]], "none": None, "n": {"a": 1}}
    store.save("words", KEY, result)
    assert store.load("words", KEY) == result
    assert Store(store.folder).load("words", KEY) == result
    assert store.load("lines", KEY) is None
    assert store.load("words", "cd" * 32) is None
    assert store.load_signal("words", KEY) is None


@pytest.mark.parametrize("shape", [(1000,), (2, 500), (0,)])
def test_a_signal_comes_back_to_the_last_bit(store: Store, shape: tuple[int, ...]) -> None:
    signal = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    store.save_signal("vocals", KEY, signal)
    found = store.load_signal("vocals", KEY)
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape == shape
    assert found.tobytes() == signal.tobytes()


def test_the_last_result_counts(store: Store) -> None:
    store.save("words", KEY, {"n": 1})
    store.save("words", KEY, {"n": 2})
    assert store.load("words", KEY) == {"n": 2}
    assert len(files(store)) == 1


def test_a_truncated_result_is_as_if_missing(store: Store) -> None:
    store.save("words", KEY, {"text": "ä", "n": [1, 2]})
    (path,) = files(store)
    whole = path.read_bytes()
    for size in range(len(whole.rstrip())):
        path.write_bytes(whole[:size])
        assert store.load("words", KEY) is None, size
    store.save("words", KEY, {"n": 2})
    assert store.load("words", KEY) == {"n": 2}


@pytest.mark.parametrize("content", [b"[1, 2]", b"null", b"3", b"\xff\xfe{}", b"\0" * 100])
def test_something_else_is_as_if_missing(store: Store, content: bytes) -> None:
    store.save("words", KEY, {})
    (path,) = files(store)
    path.write_bytes(content)
    assert store.load("words", KEY) is None


def test_a_truncated_signal_is_as_if_missing(store: Store) -> None:
    store.save_signal("vocals", KEY, np.arange(50, dtype=np.float32))
    (path,) = files(store)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert store.load_signal("vocals", KEY) is None, size


@pytest.mark.parametrize("content", [b"\0" * 300, b"PK\x03\x04 no archive", b"\x80\x04\x95 no pickle"])
def test_no_signal_is_as_if_missing(store: Store, content: bytes) -> None:
    store.save_signal("vocals", KEY, np.zeros(5, np.float32))
    (path,) = files(store)
    path.write_bytes(content)
    assert store.load_signal("vocals", KEY) is None


def test_objects_are_never_unpickled(store: Store) -> None:
    store.save_signal("vocals", KEY, np.zeros(5, np.float32))
    (path,) = files(store)
    with path.open("wb") as file:
        np.save(file, np.array([Path("x")], dtype=object), allow_pickle=True)
    assert store.load_signal("vocals", KEY) is None


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = Store(tmp_path / "file")
    assert store.load("words", KEY) is None
    with pytest.raises(OutputError, match=r"file.*cannot be written") as caught:
        store.save("words", KEY, {})
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match=r"file.*cannot be written"):
        store.save_signal("vocals", KEY, np.zeros(5, np.float32))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(store: Store) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        store.save("words", KEY, {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save_signal("vocals", KEY, np.ones(5, np.float32))
    before = files(store)[0].read_bytes()

    def save(path: Path, *args: object, **options: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(OutputError, match="No space left") as caught:
        store.save_signal("vocals", KEY, np.zeros(5, np.float32))
    assert isinstance(caught.value.__cause__, OSError)
    assert [path.read_bytes() for path in files(store)] == [before]


def test_what_json_cannot_hold_leaves_nothing(store: Store) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.save("words", KEY, {"a": object()})
    assert not store.folder.exists()


def test_killed_half_way_the_old_result_stays(store: Store) -> None:
    store.save("words", KEY, {"n": 1})
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from lyricsep.store import Store
        write = Path.write_text
        def half(path, text, *args, **options):
            write(path, text[: len(text) // 2], *args, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        Path.write_text = half
        store = Store(Path(sys.argv[1]))
        store.save("words", sys.argv[2], {"n": [2] * 100})
        """
    )
    for key in (KEY, "cd" * 32):
        done = subprocess.run([sys.executable, "-c", script, str(store.folder), key], check=False, timeout=60)
        assert done.returncode < 0
    assert store.load("words", KEY) == {"n": 1}
    assert store.load("words", "cd" * 32) is None


def test_broken_off_nothing_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, *args: object, **options: object) -> None:
        path.write_bytes(b"\x93NUMPY")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save_signal("vocals", KEY, np.zeros(5, np.float32))
    assert files(store) == []


# Keys


@dataclass(frozen=True)
class Inner:
    level: float = 0.1


@dataclass(frozen=True)
class Options:
    n: int = 5
    name: str = "a"
    temperatures: tuple[float, ...] = (0.0, 0.2)
    inner: Inner = field(default_factory=Inner)


PARTS = {"audio": "0" * 64, "options": Options(), "weights": ["x", "y"], "code": "1", "seed": 0, "path": Path("a/b")}


@pytest.mark.parametrize(
    "changed",
    [
        {"audio": "1" * 64},
        {"options": Options(n=6)},
        {"options": Options(name="b")},
        {"options": Options(temperatures=(0.0, 0.2, 0.4))},
        {"options": replace(Options(), inner=Inner(level=0.1000001))},
        {"options": None},
        {"weights": ["y", "x"]},
        {"weights": ["xy"]},
        {"code": "2"},
        {"seed": 1},
        {"seed": "0"},
        {"seed": None},
        {"path": Path("a/c")},
        {"more": 1},
    ],
    ids=str,
)
def test_a_key_changes_with_every_part(changed: dict[str, object]) -> None:
    assert key_of({**PARTS, **changed}) != key_of(PARTS)


def test_a_key_changes_when_a_part_is_gone() -> None:
    keys = [key_of({name: value for name, value in PARTS.items() if name != gone}) for gone in PARTS]
    assert len({*keys, key_of(PARTS)}) == len(PARTS) + 1


def test_a_key_is_the_same_elsewhere_and_later() -> None:
    assert key_of(dict(reversed(PARTS.items()))) == key_of({**PARTS, "options": Options()}) == key_of(PARTS)
    # Known, so that a new version finds what an old one kept.
    assert (
        key_of({"a": 1, "b": [0.1, "ä", None, True]})
        == "811efe0e75d6990fbeea4477d08296bae1235aacc2127f3e54be772b1b87047c"
    )
    assert len(key_of({})) == 64


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_keys_are_equal_where_their_parts_are(a: dict[str, object], b: dict[str, object]) -> None:
    # repr tells 1 from True and 1.0, which == does not.
    is_same = repr(sorted_deep(a)) == repr(sorted_deep(b))
    assert (key_of(a) == key_of(b)) is is_same


def sorted_deep(value: object) -> object:
    if isinstance(value, dict):
        return sorted((name, sorted_deep(inner)) for name, inner in value.items()) if value else {}
    if isinstance(value, list):
        return tuple(map(sorted_deep, value))
    return value


# Code and files


@pytest.mark.usefixtures("_fresh_code")
def test_the_version_of_code_changes_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "quaver"
    (package / "room").mkdir(parents=True)
    sources = {"__init__.py": "", "alone.py": "a = 1\n", "room/__init__.py": "", "room/inner.py": "b = 1\n"}
    sources |= {"room/catalog.toml": "c = 1\n", "room/notes.md": "d\n", "other.py": "e = 1\n"}
    for name, text in sources.items():
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def versions() -> tuple[str, str]:
        code_version.cache_clear()
        return code_version("quaver.alone"), code_version("quaver.room")

    try:
        alone, room = versions()
        assert alone != room
        assert versions() == (alone, room)
        for name, changes in {
            "alone.py": (True, False),
            "room/inner.py": (False, True),
            "room/catalog.toml": (False, True),
            "room/__init__.py": (False, True),
            "room/notes.md": (False, False),
            "other.py": (False, False),
        }.items():
            (package / name).write_text(sources[name] + "# new\n", encoding="utf-8")
            found = versions()
            assert (found[0] != alone, found[1] != room) == changes, name
            (package / name).write_text(sources[name], encoding="utf-8")
        (package / "room" / "new.py").write_text("", encoding="utf-8")
        assert versions()[1] != room
        assert code_version("quaver.alone", "quaver.room") not in (alone, room)
    finally:
        sys.modules.pop("quaver", None)


@pytest.mark.usefixtures("_fresh_code")
def test_the_version_of_our_own_code() -> None:
    found = {code_version(name) for name in ("lyricsep.audio", "lyricsep.segmentation", "lyricsep.separators")}
    assert len(found) == 3
