"""Results come back as they were kept, whatever happened to the files; keys change with all that made them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_models import Fickle, tone
from hypothesis import given
from hypothesis import strategies as st

from lyricsep import store as store_module
from lyricsep.errors import OutputError
from lyricsep.signals import Signals, load_signals
from lyricsep.store import KeptSignals, KeptVocals, Store, key_of
from lyricsep.versions import VOCALS

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


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


# Signals of songs

AUDIO = ("0" * 64,)


def silent(path: Path, stage: str, share: float) -> None:
    pass


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two seconds of a tone, half a second of which is damaged."""
    samples = tone(2).astype(np.float32)
    samples[8_000:16_000] = np.nan
    soundfile.write(tmp_path / "song.wav", samples, 16_000, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.mark.parametrize("kind", ["vocals", "signals"])
def test_signals_that_nobody_kept(store: Store, song: Path, kind: str) -> None:
    kept = KeptVocals(store, keep=True) if kind == "vocals" else KeptSignals(store)
    assert kept.load(KEY, AUDIO, song, silent) is None
    assert not store.folder.exists()


def test_vocals_are_kept_as_flac_and_the_mixture_is_decoded_again(store: Store, song: Path) -> None:
    made = load_signals(song, Fickle())
    used = KeptVocals(store, keep=True).save(KEY, AUDIO, made)
    (path,) = files(store)
    assert path.name == f"{KEY}.flac"
    assert soundfile.info(path).subtype == "PCM_24"
    assert path.stat().st_size < made.vocals.nbytes
    # What is kept is what is used, so that a second run gets the same.
    reports: list[tuple[Path, str, float]] = []
    for keep in (True, False):
        again = KeptVocals(store, keep=keep).load(KEY, AUDIO, song, lambda *report: reports.append(report))
        assert again is not None
        np.testing.assert_array_equal(again.vocals, used.vocals)
        np.testing.assert_array_equal(again.mixture, used.mixture)
        assert again.damage == used.damage == made.damage != ()
    np.testing.assert_array_equal(used.mixture, made.mixture)
    np.testing.assert_allclose(used.vocals, made.vocals, atol=2**-23)
    assert used.vocals.dtype == np.float32
    assert {path for path, _, _ in reports} == {song}
    assert (reports[0][2], reports[-1][2]) == (0.0, 1.0)


def test_vocals_are_kept_only_where_that_is_asked_for(store: Store, song: Path) -> None:
    made = load_signals(song, Fickle())
    assert KeptVocals(store, keep=False).save(KEY, AUDIO, made) is made
    assert not store.folder.exists()


@pytest.mark.parametrize("harm", [b"", b"no FLAC at all"])
def test_damaged_vocals_are_as_if_missing(store: Store, song: Path, harm: bytes) -> None:
    kept = KeptVocals(store, keep=True)
    kept.save(KEY, AUDIO, load_signals(song, Fickle()))
    (path,) = files(store)
    path.write_bytes(harm)
    assert kept.load(KEY, AUDIO, song, silent) is None


def test_signals_are_kept_to_the_last_bit(store: Store, song: Path) -> None:
    rng = np.random.default_rng(0)
    made = Signals(*rng.standard_normal((2, 1000)).astype(np.float32))
    kept = KeptSignals(store)
    assert kept.save(KEY, AUDIO, made) is made
    again = kept.load(KEY, AUDIO, song, silent)
    assert again is not None
    assert (again.mixture.tobytes(), again.vocals.tobytes()) == (made.mixture.tobytes(), made.vocals.tobytes())
    # Other vocals of the same song share its mixture.
    kept.save("cd" * 32, AUDIO, made)
    assert len(files(store)) == 3
    assert kept.load("ef" * 32, AUDIO, song, silent) is None
    assert kept.load(KEY, ("1" * 64,), song, silent) is None


def test_a_mixture_is_decoded_anew_by_another_version(
    store: Store, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptSignals(store)
    kept.save(KEY, AUDIO, load_signals(song, Fickle()))
    assert kept.load(KEY, AUDIO, song, silent) is not None
    monkeypatch.setattr(store_module, "VOCALS", {**VOCALS, "decoding": VOCALS["decoding"] + 1})
    assert kept.load(KEY, AUDIO, song, silent) is None
