"""The table of alignment: an aligner whose errors are known, the figures of a peer, and songs that fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from script_modules import load_script

import lyricsep
from lyricsep.api import SongLyrics
from lyricsep.datasets import open_dataset
from lyricsep.errors import AudioError, DatasetError
from lyricsep.lyrics import Line, Word

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "benchmark_alignment.py"
SONGS = {"One_-_Band": ("here we go", "l'amour"), "Two_-_Band": ("go", "go go")}
LATE = {"One_-_Band": 0.25, "Two_-_Band": 6.0}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("benchmark_alignment")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two songs in the layout of JamendoLyrics; a word starts every second, from 10 s."""
    folder = tmp_path / "songs"
    for name in ("lyrics", "annotations/lines", "annotations/words", "mp3"):
        (folder / name).mkdir(parents=True)
    rows = [f"{name}.mp3,French" for name in SONGS]
    (folder / "JamendoLyrics.csv").write_text("\n".join(["Filepath,Language", *rows]) + "\n", encoding="utf-8")
    for name, texts in SONGS.items():
        (folder / "mp3" / f"{name}.mp3").touch()
        (folder / "lyrics" / f"{name}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        words = "\n".join(texts).replace(" ", "\n")
        (folder / "lyrics" / f"{name}.words.txt").write_text(words, encoding="utf-8")
        lines, times = ["start_time,end_time,lyrics_line"], ["word_start,word_end,line_end"]
        for line in aligned(texts):
            lines.append(f"{line.start},{line.end},{line.text}")
            times += [f"{w.start},{w.end},{w.end if w.end == line.end else 'nan'}" for w in line.words]
        (folder / "annotations" / "lines" / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "annotations" / "words" / f"{name}.csv").write_text("\n".join(times) + "\n", encoding="utf-8")
    return folder


def aligned(texts: tuple[str, ...], late: float = 0.0) -> tuple[Line, ...]:
    lines, clock = [], 10.0 + late
    for text in texts:
        words = tuple(Word(clock + k, clock + k + 1, word) for k, word in enumerate(text.split()))
        clock += len(words)
        lines.append(Line(words[0].start, clock, text, words))
    return tuple(lines)


class FakeAligner:
    """Aligns every line as it is written, late by a time of its own for each song."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, song: Path, text: str, *, language: str, **options: Any) -> SongLyrics:
        self.calls.append({"song": song.stem, "text": text, "language": language, **options})
        lines = tuple(line for line in text.split("\n") if line)
        return SongLyrics(aligned(lines, LATE[song.stem]), language, 60.0)


def use(monkeypatch: pytest.MonkeyPatch, align: Callable[..., SongLyrics]) -> None:
    """Put a fake in the place of the loaded models."""
    monkeypatch.setattr(
        lyricsep, "Aligner", lambda **options: SimpleNamespace(align=partial(align, **options)), raising=False
    )


@pytest.fixture
def align(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakeAligner:
    fake = FakeAligner()
    use(monkeypatch, fake)
    return fake


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    figures = {"AAE": 0.5, "median": 0.25, "PCO_03": 75.5, "PCO_01": 50.0}
    songs = [{"song": "One_-_Ba", "hears": hears, **figures} for hears in ("mixture", "vocals")]
    songs.append({"song": "Two_-_Ba", "hears": "vocals", **figures, "AAE": 1.5})
    songs.append({"song": "Other", "hears": "x", **figures})
    path = tmp_path / "peer.json"
    path.write_text(json.dumps({"what": "aligner 1.0, tiny", "songs": songs}), encoding="utf-8")
    return path


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    try:
        script.main()
    except SystemExit as left:
        if isinstance(left.code, str):
            raise
        return int(left.code or 0)
    return 0


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in text.splitlines()]


def test_the_table(
    script: ModuleType,
    dataset: Path,
    align: FakeAligner,
    peer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(script, monkeypatch, dataset, "--peer", peer) == 0
    text = capsys.readouterr().out
    # The seconds taken, next to last, are not known.
    rows = [row[:-2] + row[-1:] if "lyricsep" in row else row for row in cells(text)]
    assert rows[0] == ["Alignment: songs"]
    one, two, mean = (row for row in rows if "lyricsep" in row)
    assert one == ["One_-_Band", "lyricsep", "0.25", "0.25", "100.00", "0.00", "0.43", "60.0"]
    assert two == ["Two_-_Band", "lyricsep", "6.00", "6.00", "0.00", "0.00", "0.00", "60.0"]
    assert mean == ["mean of 2 songs", "lyricsep", "3.12", "3.12", "50.00", "0.00", "0.22", "60.0"]
    assert ["vocals", "0.50", "0.25", "75.50", "50.00", "–", "–", "–"] in rows
    assert ["mean of 1 song", "mixture", "0.50", "0.25", "75.50", "50.00", "–", "–", "–"] in rows
    assert ["mean of 2 songs", "vocals", "1.00", "0.25", "75.50", "50.00", "–", "–", "–"] in rows
    assert "AAE 3.12 [0.25, 6.00] s, PCO@0.3 50.00 [0.00, 100.00], 95 % over songs" in text
    assert "lost (AAE over 5 s): Two_-_Band" in text
    assert text.endswith("others: aligner 1.0, tiny\n")


def test_the_aligner_gets_the_lyrics_of_the_dataset(
    script: ModuleType, dataset: Path, align: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--option", "preset=fast", "--option", "seed=3", "--song", "One_-_Band")
    assert run(script, monkeypatch, dataset, *options) == 0
    assert align.calls == [
        {"song": "One_-_Band", "text": "here we go\n\nl'amour", "language": "fr", "preset": "fast", "seed": 3}
    ]


def test_json(
    script: ModuleType,
    dataset: Path,
    align: FakeAligner,
    peer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(script, monkeypatch, dataset, "--peer", peer, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["dataset"], document["failed"]) == ("songs", {})
    one = document["songs"][0]
    assert (one["song"], one["words"], one["AAE"], one["PCO_03"], one["audio"]) == ("One_-_Band", 4, 0.25, 1, 60)
    assert one["seconds"] >= 0
    assert (document["mean"]["AAE"], document["mean"]["lost"]) == (3.125, 0.5)
    assert document["intervals"]["AAE"] == [0.25, 6.0]
    assert document["peer"]["mean"]["vocals"] == {"AAE": 1.0, "median": 0.25, "PCO_03": 0.755, "PCO_01": 0.5}
    assert list(document["peer"]["songs"]) == ["mixture", "vocals"]


def test_a_song_that_fails(
    script: ModuleType,
    dataset: Path,
    peer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def align(song: Path, text: str, *, language: str) -> SongLyrics:
        if song.stem == "One_-_Band":
            raise AudioError(f"{song.name}: cannot be decoded")
        return SongLyrics(aligned(("go", "go")), language, 60.0)

    use(monkeypatch, align)
    assert run(script, monkeypatch, dataset, "--peer", peer) == 1
    told = capsys.readouterr()
    assert "failed: One_-_Band.mp3: cannot be decoded\n" in told.err
    # The peer's mean is over the song that was aligned, and words without a time are reported.
    assert ["mean of 1 song", "vocals", "1.50", "0.25", "75.50", "50.00", "–", "–", "–"] in cells(told.out)
    assert "mixture" not in told.out
    assert "Two_-_Band: 2 of 3 words were aligned" in told.out


def test_no_song_is_aligned(
    script: ModuleType, dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, lambda *_, **__: SongLyrics())
    assert run(script, monkeypatch, dataset) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("none of its words was aligned") == 2


def test_what_is_wrong_is_one_line(
    script: ModuleType, dataset: Path, align: FakeAligner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.json").write_text('{"what": "x", "songs": [{"song": "One", "hears": "y"}]}', encoding="utf-8")
    for name in ("odd.json", "gone.json"):
        with pytest.raises(SystemExit, match=rf"^benchmark_alignment: .*{name}: expected figures of an aligner"):
            run(script, monkeypatch, dataset, "--peer", tmp_path / name)
    with pytest.raises(SystemExit, match=r"^benchmark_alignment: .*no such file or folder"):
        run(script, monkeypatch, tmp_path / "nowhere")
    assert align.calls == []


def test_a_real_peer(script: ModuleType, shared: Path) -> None:
    path = shared / "jamendolyrics" / "align_baseline.json"
    if not path.is_file():
        pytest.skip("JamendoLyrics (../shared/jamendolyrics) is missing")
    songs = [song.id for song in open_dataset(path.parent).songs]
    found = script._read_peer(path, songs)
    assert {by: len(of) for by, of in found.figures.items()} == {
        "mixture": 5,
        "spleeter vocals": 5,
        "spleeter vocals + 0.3 accompaniment": 5,
    }
    means = json.loads(path.read_text(encoding="utf-8"))["mean"]
    for by, of in found.figures.items():
        mean = script._mean(list(of.values()))
        assert mean["AAE"] == pytest.approx(means[by]["AAE"], abs=0.001)
        assert 100 * mean["PCO_03"] == pytest.approx(means[by]["PCO_03"], abs=0.01)


def test_songs_that_cannot_be_measured(script: ModuleType, dataset: Path, align: FakeAligner) -> None:
    song = open_dataset(dataset).songs[0]
    with pytest.raises(DatasetError, match="One_-_Band: came without its audio"):
        script._align(replace(song, audio=None), align)
    with pytest.raises(DatasetError, match="One_-_Band: has no word times"):
        script._align(replace(song, lines=()), align)
    assert align.calls == []
