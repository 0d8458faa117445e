"""The fuzzer: a few cases of each kind end well, and what is wrong is found, whatever it is."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from script_modules import load_script, run_script

from lyricsep.audio import load_audio
from lyricsep.errors import LyricsepError

Attempt = Callable[[random.Random, Path], str]


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    module = load_script("fuzz")
    module.SHARED = Path("nosuch")  # so that the cases are the same everywhere
    return module


def outcomes(fuzz: ModuleType, kind: str, numbers: Sequence[int], **options: Any) -> list[Any]:
    return sorted(fuzz.fuzz(kind, numbers, **options), key=lambda outcome: outcome.number)


@pytest.fixture
def plant(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[Attempt], None]:
    """Replace what a case of lyrics does; processes are forks, so they do it too."""
    return lambda attempt: monkeypatch.setattr(fuzz, "KINDS", {"lyrics": fuzz.Kind(attempt, 3)})


@pytest.mark.parametrize(("kind", "count"), [("lyrics", 60), ("sound", 24), ("lists", 12), ("commands", 24)])
def test_cases_end_well(fuzz: ModuleType, kind: str, count: int) -> None:
    found = outcomes(fuzz, kind, range(count), seed=4)
    assert [(outcome.number, outcome.failure) for outcome in found if outcome.failure] == []
    assert [outcome.number for outcome in found] == list(range(count))
    assert len({outcome.result for outcome in found}) > 1  # some files are read, some are refused


def test_a_case_is_made_from_its_seed_and_number(
    fuzz: ModuleType, plant: Callable[[Attempt], None], tmp_path: Path
) -> None:
    def mutate(dice: random.Random, folder: Path) -> str:
        (folder / "song.lrc").write_bytes(fuzz.mutated(b"[00:01.00]one\n" * 9, dice, [b"two"], fuzz.TEXT_MUTATIONS))
        raise RuntimeError("keep it")

    plant(mutate)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        outcomes(fuzz, "lyrics", [5, 3], seed=seed, keep=tmp_path / name)
    made = [[(tmp_path / name / f"lyrics-{number}" / "song.lrc").read_bytes() for number in (3, 5)] for name in "abc"]
    assert made[0] == made[1]
    assert made[0] != made[2]
    assert made[0][0] != made[0][1]


def test_every_mutation_changes_files(fuzz: ModuleType) -> None:
    files = {
        "json": b'{"a": [1, {"b": "c"}]}\n',
        "rows": b'{"a": 1}\n{"a": 2}\n{"a": 3}\n',
        "text": b"[00:01.50]one\ntwo\n" * 4,
    }
    for mutation in {*fuzz.TEXT_MUTATIONS, *fuzz.SOUND_MUTATIONS}:
        changed = {
            name
            for name, data in files.items()
            for n in range(20)
            if mutation(data, random.Random(n), [b"x"]) != data
        }
        assert changed == ({"json", "rows"} if mutation is fuzz._json else set(files))
        assert isinstance(mutation(b"", random.Random(0), [b""]), bytes)


def test_containers_are_whole(fuzz: ModuleType, tmp_path: Path) -> None:
    files = fuzz.sound_files()
    assert len({Path(name).suffix for name, _ in files}) >= 15
    for name, data in files:
        (tmp_path / name).write_bytes(data)
        sound = load_audio(tmp_path / name)
        assert sound.samples.shape[1] / sound.sample_rate == pytest.approx(2.0, abs=0.1), name
        assert 0.1 < float(sound.samples.square().mean().sqrt()) < 0.4, name


def test_folders_are_whole(fuzz: ModuleType, plant: Callable[[Attempt], None]) -> None:
    def whole(_dice: random.Random, folder: Path) -> str:
        layout = fuzz.layouts()[int(folder.name.partition("-")[2])]
        fuzz.written(layout.files, folder)
        return str(fuzz.checked(layout.commands[0].split(), folder))

    plant(whole)
    found = outcomes(fuzz, "lyrics", range(len(fuzz.layouts())))
    assert len(found) >= 14
    assert [
        (outcome.number, outcome.failure, outcome.result) for outcome in found if outcome.result != "exit 0"
    ] == []


def test_command_lines_have_every_command(fuzz: ModuleType) -> None:
    lines = [fuzz.command_line(random.Random(number)) for number in range(500)]
    begun = {words for words, _ in fuzz.commands() for line in lines if tuple(line[: len(words)]) == words}
    assert begun == {words for words, _ in fuzz.commands()}
    assert len(begun) > 20
    assert not any(set(line) & set(fuzz.LEFT_OUT) for line in lines)


def test_a_traceback_is_found(
    fuzz: ModuleType,
    plant: Callable[[Attempt], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def attempt(_dice: random.Random, folder: Path) -> str:
        (folder / "bad.lrc").write_text("[")
        if folder.name == "lyrics-1":
            raise KeyError("planted")
        return "read"

    plant(attempt)
    with pytest.raises(SystemExit, match="1"):
        run_script(fuzz, monkeypatch, "lyrics", "--keep", tmp_path / "kept")
    printed = capsys.readouterr()
    assert printed.err.startswith("lyrics:1: KeyError at tests/test_fuzz.py:")
    assert "| lyrics | 3 | 2 read | 1 |" in printed.out
    assert "(--only lyrics:1)" in printed.out
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["lyrics-1"]
    assert (tmp_path / "kept" / "lyrics-1" / "bad.lrc").read_text() == "["
    assert "KeyError: 'planted'" in (tmp_path / "kept" / "lyrics-1" / "why.txt").read_text()


def test_a_clean_run_exits_with_0(
    fuzz: ModuleType,
    plant: Callable[[Attempt], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(lambda _dice, _folder: "read")
    with pytest.raises(SystemExit, match="0"):
        run_script(fuzz, monkeypatch, "--only", "lyrics:7", "--jobs", "2")
    assert "| lyrics | 1 | 1 read | 0 |" in capsys.readouterr().out


def test_a_message_that_is_no_line_is_found(fuzz: ModuleType) -> None:
    assert fuzz.refused(LyricsepError("song.lrc: is empty")) == "refused"
    for message in ("two\nrows", "\udcff", "x" * 5000, "tab\t"):
        with pytest.raises(fuzz.FindingError, match="no readable line"):
            fuzz.refused(LyricsepError(message))


def _burn() -> None:
    began = time.process_time()
    while time.process_time() - began < 0.5:
        pass


def _die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("harm", "failure"),
    [
        (_burn, "takes longer than 0.25 s"),
        (lambda: bytearray(200_000_000), "takes more than 0.1 GB of memory"),
        (_die, "the process died (-11)"),
        (lambda: time.sleep(60), "hangs for 1 s"),
        (lambda: bytearray(20_000_000_000), "MemoryError"),
    ],
    ids=["slow", "large", "crash", "hang", "out of memory"],
)
def test_a_file_that_costs_too_much_is_found(
    fuzz: ModuleType,
    plant: Callable[[Attempt], None],
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[], object],
    failure: str,
) -> None:
    def attempt(_dice: random.Random, folder: Path) -> str:
        if folder.name == "lyrics-1":
            harm()
        return "read"

    plant(attempt)
    monkeypatch.setattr(fuzz, "HANG", 1 if failure.startswith("hangs") else 60)
    found = outcomes(fuzz, "lyrics", range(3), limits=fuzz.Limits(seconds=0.25, gigabytes=0.1))
    assert [outcome.result for outcome in found] == ["read", "", "read"]
    assert found[1].failure.startswith(failure)


@pytest.mark.parametrize(
    ("arguments", "ends", "failure"),
    [
        ("score a b", (0, "", "failed: a: is empty\n"), "score: exit code 0 after a failure"),
        ("score a b", (0, "", "[1/2] a: failed: is empty; about 1 s left\n"), "score: exit code 0 after a failure"),
        ("batch run a", (0, "", "lyricsep: a: no such file\n"), "batch run: exit code 0 after a failure"),
        ("score a b", (1, "", "\n"), "score: exit code 1 without a message"),
        ("score a b", (130, "", "x"), "score: exit code 130"),
        ("score a b", (1, "", "Traceback (most recent call last):\n"), "score: traceback on stderr"),
        (
            "convert a",
            (0, "there.lrc\nout/nosuch.lrc\n", ""),
            "convert: exit code 0, and printed a path that is no file",
        ),
        ("convert a", (2, "", "lyricsep: no\n"), "convert: exit code 2 after files were written"),
    ],
)
def test_an_exit_code_that_lies_is_found(
    fuzz: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    ends: tuple[int, str, str],
    failure: str,
) -> None:
    def run(_arguments: Sequence[str]) -> tuple[int, str, str]:
        (tmp_path / "there.lrc").write_text("")
        return ends

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "_run", run)
    with pytest.raises(fuzz.FindingError) as found:
        fuzz.checked(arguments.split(), tmp_path)
    assert str(found.value) == failure


def test_exit_codes_that_are_right_are_no_finding(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.lrc").write_text("[00:01.00]one\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [])
    assert fuzz.checked(["convert", "a.lrc", "-f", "txt", "-o", "out"], tmp_path) == "exit 0"
    assert fuzz.checked(["convert", "nosuch.lrc", "-f", "txt"], tmp_path) == "exit 1"
    assert fuzz.checked(["convert", "a.lrc", "-f", "nosuch"], tmp_path) == "exit 2"
    assert (tmp_path / "out" / "a.txt").read_text() == "one\n"
