"""Embeddings of texts that are kept: read once, found by all that makes them, and made again when damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lyricsep.separators import embeddings
from lyricsep.separators.embeddings import text_embedding
from lyricsep.weights import Source, WeightFile

SIZE = 3


class Reader:
    """A text model that counts how often it reads."""

    def __init__(self, *values: float) -> None:
        self.embedding = torch.tensor(values or (0.1, -2.0, 3e-9))
        self.n_readings = 0

    def __call__(self) -> Tensor:
        self.n_readings += 1
        return self.embedding


@pytest.fixture
def files(pinned: Callable[..., WeightFile], cache: Path) -> list[WeightFile]:
    return [pinned(b"model", "file:nowhere/model"), pinned(b"words", "file:nowhere/words", name="words")]


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "embeddings").glob("*"))


def test_a_text_is_read_once(files: list[WeightFile], cache: Path) -> None:
    """Also when the files of the model are not here, as these."""
    first, second = Reader(), Reader(7, 7, 7)
    assert text_embedding("a choir", files, "net", SIZE, first).equal(first.embedding)
    assert text_embedding("a choir", files, "net", SIZE, second).equal(first.embedding)
    assert (first.n_readings, second.n_readings) == (1, 0)
    (path,) = kept(cache)
    assert path.name.startswith("net-")
    assert load_file(path)["embedding"].equal(first.embedding)


def test_what_another_embedding_is(
    files: list[WeightFile], cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another text, family, file, order of files, or code that reads; and the first is still there."""
    first = Reader()
    text_embedding("a choir", files, "net", SIZE, first)
    changed = [replace(files[0], sha256=hashlib.sha256(b"modem").hexdigest()), files[1]]
    others = [("A choir", files, "net"), ("a choir", files, "ten"), ("a choir", changed, "net")]
    others += [("a choir", files[::-1], "net"), ("a choir", files[:1], "net")]
    for n_others, other in enumerate(others, 1):
        second = Reader(n_others, 0, 0)
        assert text_embedding(*other, SIZE, second).equal(second.embedding)
        assert len(kept(cache)) == 1 + n_others
    assert text_embedding("a choir", files, "net", SIZE, Reader(7, 7, 7)).equal(first.embedding)
    for name in embeddings.READERS:
        (tmp_path / name).write_text("# another way to read\n")
    monkeypatch.setattr("lyricsep.separators.embeddings.resources.files", lambda package: tmp_path)
    second = Reader()
    text_embedding("a choir", files, "net", SIZE, second)
    assert second.n_readings == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"<html>404</html>"),
        lambda path: save_file({"embedding": torch.tensor([0.0, float("nan"), 1.0])}, path),
        lambda path: save_file({"embedding": torch.zeros(SIZE + 1)}, path),
        lambda path: save_file({"embedding": torch.zeros(SIZE, dtype=torch.int64)}, path),
        lambda path: save_file({"another": torch.zeros(SIZE)}, path),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["empty", "cut", "page", "nan", "size", "whole numbers", "name", "folder"],
)
def test_what_is_damaged_is_made_again(
    files: list[WeightFile], cache: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    text_embedding("a choir", files, "net", SIZE, Reader(7, 7, 7))
    (path,) = kept(cache)
    damage(path)
    again = Reader()
    assert text_embedding("a choir", files, "net", SIZE, again).equal(again.embedding)
    assert again.n_readings == 1
    if path.is_dir():  # what cannot be kept is told, and does not cost the work
        assert "could not cache the embedding of a text: " in caplog.text
    else:
        assert load_file(path)["embedding"].equal(again.embedding)


def test_a_file_whose_hash_is_not_known(files: list[WeightFile], cache: Path, tmp_path: Path) -> None:
    """Nothing is looked up until the text model was fetched, and its hash is known."""
    path = tmp_path / "late.bin"
    unknown = [WeightFile("late.bin", "", None, (Source.from_uri(f"file:{path}"),))]

    def fetch_and_read() -> Tensor:
        path.write_bytes(b"model")
        return torch.ones(SIZE)

    assert text_embedding("a choir", unknown, "net", SIZE, lambda: torch.zeros(SIZE)).equal(torch.zeros(SIZE))
    assert kept(cache) == []
    text_embedding("a choir", unknown, "net", SIZE, fetch_and_read)
    assert len(kept(cache)) == 1
    assert text_embedding("a choir", unknown, "net", SIZE, Reader()).equal(torch.ones(SIZE))
    path.write_bytes(b"another model")
    another = Reader()
    text_embedding("a choir", unknown, "net", SIZE, another)
    assert another.n_readings == 1


def test_what_is_no_embedding_is_not_kept(files: list[WeightFile], cache: Path) -> None:
    with pytest.raises(ValueError, match="it gives 2 numbers, expected 3"):
        text_embedding("a choir", files, "net", SIZE, Reader(1, 2))
    with pytest.raises(ValueError, match="it gives numbers that are not finite"):
        text_embedding("a choir", files, "net", SIZE, Reader(1, 2, float("inf")))
    assert kept(cache) == []
