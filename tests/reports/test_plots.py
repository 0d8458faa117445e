"""Box plots are written whole, in three formats, and the same numbers give the same files."""

from __future__ import annotations

import re
import sys
from math import nan
from pathlib import Path

import pytest

from lyricsep.errors import ConfigError, OutputError
from lyricsep.reports.plots import plot_boxes

pytest.importorskip("matplotlib")

GROUPS = {
    "Jam-ALT": {"mixture, native": [10.0, 20.0, 30.0], "stem, native": [5.0, 10.0, 40.0]},
    "MUSDB-ALT": {"mixture, native": [12.0, 22.0, 33.0], "stem, native": [2.0]},
}
MAGIC = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


def check_whole(paths: list[Path]) -> None:
    assert [path.suffix for path in paths] == list(MAGIC)
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(MAGIC[path.suffix])
        assert content.rstrip().endswith(
            {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>", ".pdf": b"%%EOF"}[path.suffix]
        )


def test_three_files_are_written(tmp_path: Path) -> None:
    written = plot_boxes(tmp_path / "new" / "wer", GROUPS, title="WER of each song", ylabel="WER, %")
    assert [path.name for path in written] == ["wer.png", "wer.svg", "wer.pdf"]
    check_whole(written)
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)


def test_every_value_is_a_point(tmp_path: Path) -> None:
    _, svg, _ = plot_boxes(tmp_path / "wer", GROUPS, title="t", ylabel="y")
    text = svg.read_text(encoding="utf-8")
    # A marker is defined once for a box and used once for every point of it.
    n_points = len(re.findall(r"<use [^>]*fill: #0072b2", text))
    assert n_points == sum(len(values) for boxes in GROUPS.values() for values in boxes.values()) == 10


def test_the_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    first, again = (plot_boxes(tmp_path / name, GROUPS, title="t", ylabel="y") for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = plot_boxes(tmp_path / "c", {"Jam-ALT": {"mixture, native": [1.0]}}, title="t", ylabel="y")
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"Jam-ALT": {}},
        {"Jam-ALT": {"mixture": [1.0]}, "MUSDB-ALT": {}},
        {"Jam-ALT": {"mixture": []}},
        {"Jam-ALT": {"mixture": [20.0]}},
        {"Jam-ALT": {"mixture": [0.0, 0.0]}},
        {"Jam-ALT": {"mixture": [20.0, nan, 30.0]}},
        {"a": {"b": [1.0]}, "c": {"d": [1.0], "e": [2.0], "f": [3.0]}},
    ],
    ids=["nothing", "no boxes", "a group without", "no values", "one value", "zeros", "not known", "uneven"],
)
def test_little_is_plotted_too(tmp_path: Path, groups: dict[str, dict[str, list[float]]]) -> None:
    check_whole(plot_boxes(tmp_path / "wer", groups, title="t", ylabel="y"))


def test_a_name_may_hold_dots(tmp_path: Path) -> None:
    written = plot_boxes(tmp_path / "spleeter+0.3", GROUPS, title="t", ylabel="y")
    assert [path.name for path in written] == ["spleeter+0.3.png", "spleeter+0.3.svg", "spleeter+0.3.pdf"]


def test_earlier_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "wer.png").write_bytes(b"old")
    check_whole(plot_boxes(tmp_path / "wer", GROUPS, title="t", ylabel="y"))


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        plot_boxes(tmp_path / "file" / "wer", GROUPS, title="t", ylabel="y")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"plots need matplotlib: pip install 'lyricsep\[benchmark\]'"):
        plot_boxes(tmp_path / "wer", GROUPS, title="t", ylabel="y")
    assert list(tmp_path.iterdir()) == []
