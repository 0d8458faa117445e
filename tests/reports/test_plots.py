"""Plots of benchmarks show their numbers where they belong; the same numbers give the same files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from math import nan
from pathlib import Path

import pytest

from lyricsep.errors import ConfigError, OutputError
from lyricsep.reports.figures import drawing
from lyricsep.reports.plots import Estimate, TradeOff, plot_bars, plot_boxes, plot_trade_off

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

GROUPS = {
    "Jam-ALT": {"mixture, native": [10.0, 20.0, 30.0], "stem, native": [5.0, 10.0, 40.0]},
    "MUSDB-ALT": {"mixture, native": [12.0, 22.0, 33.0], "stem, native": [2.0]},
}
MAGIC = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


LANGUAGES = {
    "Jam-ALT": {
        "en": {"mixture": Estimate(20.0, 15.0, 30.0), "stem": Estimate(10.0, 9.0, 12.0)},
        "fr": {"mixture": Estimate(40.0, 35.0, 90.0), "stem": Estimate(nan)},
    },
    "MUSDB-ALT": {"en": {"stem": Estimate(12.0)}},
}
POINTS = [
    TradeOff("none", 0.002, Estimate(45.0, 40.0, 53.0)),
    TradeOff("spleeter", 0.034, Estimate(43.0, 39.0, 48.0)),
    TradeOff("$slow$", 2.0, Estimate(30.0)),
    TradeOff("failed", 1.0, Estimate(nan)),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Figure]:
    """Give the figure of a call instead of writing it."""
    kept: list[Figure] = []

    def keep(figure: Figure, stem: Path) -> list[Path]:
        kept.append(figure)
        return []

    monkeypatch.setattr("lyricsep.reports.plots.save_figures", keep)

    def call(draw: Callable[..., list[Path]], *arguments: object, **labels: str) -> Figure:
        draw(tmp_path / "plot", *arguments, **{"title": "t", "ylabel": "y"} | labels)
        figure = kept.pop()
        with drawing():
            figure.canvas.draw()
        return figure

    return call


def check_whole(paths: list[Path]) -> None:
    assert [path.suffix for path in paths] == list(MAGIC)
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(MAGIC[path.suffix])
        assert content.rstrip().endswith(
            {".png": b"IEND\xaeB`\x82", ".svg": b"</svg>", ".pdf": b"%%EOF"}[path.suffix]
        )


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


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        plot_boxes(tmp_path / "file" / "wer", GROUPS, title="t", ylabel="y")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"plots need matplotlib: pip install 'lyricsep\[plots\]'"):
        plot_boxes(tmp_path / "wer", GROUPS, title="t", ylabel="y")
    assert list(tmp_path.iterdir()) == []


# Bars


def test_a_bar_is_as_high_as_its_value(drawn: Callable[..., Figure]) -> None:
    figure = drawn(plot_bars, LANGUAGES)
    jam, musdb = figure.axes
    assert (jam.get_title(), musdb.get_title()) == ("Jam-ALT", "MUSDB-ALT")
    groups = [container.patches for container in jam.containers if hasattr(container, "patches")]
    assert [[bar.get_height() for bar in group] for group in groups] == [[20.0, 40.0], [10.0]]
    assert [label.get_text() for label in jam.get_xticklabels()] == ["en", "fr"]
    # Bars of a group stand beside each other around its tick.
    first, second = (group[0] for group in groups)
    assert first.get_x() + first.get_width() == pytest.approx(second.get_x()) == pytest.approx(0)


def test_whiskers_reach_as_far_as_the_intervals(drawn: Callable[..., Figure]) -> None:
    jam, musdb = drawn(plot_bars, LANGUAGES).axes
    reaches = [tuple(segment[:, 1]) for found in jam.collections for segment in found.get_segments()]
    assert reaches == [(15.0, 30.0), (35.0, 90.0), (9.0, 12.0)]
    assert [tuple(segment[:, 1]) for found in musdb.collections for segment in found.get_segments()] == [(12.0, 12.0)]
    # The axis that both share begins at 0 and holds the highest whisker.
    assert jam.get_ylim() == musdb.get_ylim()
    assert jam.get_ylim()[0] == 0
    assert jam.get_ylim()[1] > 90


def test_bars_differ_without_colour(drawn: Callable[..., Figure]) -> None:
    names = [f"condition {i}" for i in range(10)]
    figure = drawn(plot_bars, {"a": {"en": {name: Estimate(1.0) for name in names}}})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    assert len({patch.get_hatch() for patch in legend.get_patches()}) == 10
    assert [bar.get_hatch() for bar in figure.axes[0].patches] == [
        patch.get_hatch() for patch in legend.get_patches()
    ]


# Worth and cost


def test_points_stand_at_their_cost_and_worth(drawn: Callable[..., Figure]) -> None:
    (axis,) = drawn(plot_trade_off, POINTS, xlabel="x").axes
    assert axis.get_xscale() == "log"
    found = {one.get_label(): one for one in axis.containers}
    assert list(found) == ["none", "spleeter", "$slow$"]
    assert [tuple(map(float, one.lines[0].get_xydata()[0])) for one in found.values()] == [
        (0.002, 45.0),
        (0.034, 43.0),
        (2.0, 30.0),
    ]
    assert [tuple(one.lines[2][0].get_segments()[0][:, 1]) for one in found.values()] == [
        (40.0, 53.0),
        (39.0, 48.0),
        (30.0, 30.0),
    ]
    assert len({one.lines[0].get_marker() for one in found.values()}) == 3
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert {"0.01", "0.1", "1"} <= set(labels)
    assert not any("$" in label for label in labels)


def crowd(n: int) -> list[TradeOff]:
    """Points of which some lie upon each other."""
    return [
        TradeOff(
            f"separator {i}", 10 ** (-3 + (i * 7 % 11) / 4), Estimate(40 + i * 5 % 9, 36 + i * 5 % 9, 44 + i * 5 % 9)
        )
        for i in range(n)
    ]


@pytest.mark.parametrize(
    "points", [POINTS[:3], crowd(12), [TradeOff(f"s{i}", 0.1, Estimate(40.0)) for i in range(6)]]
)
def test_names_do_not_overlap(drawn: Callable[..., Figure], points: list[TradeOff]) -> None:
    from matplotlib.text import Text

    figure = drawn(plot_trade_off, points, xlabel="x")
    (axis,) = figure.axes
    renderer = figure.canvas.get_renderer()
    assert [text.get_text() for text in axis.texts] == [point.name for point in points]
    boxes = [Text.get_window_extent(text, renderer) for text in axis.texts]
    for index, box in enumerate(boxes):
        assert axis.bbox.padded(1).contains(box.x0, box.y0)
        assert axis.bbox.padded(1).contains(box.x1, box.y1)
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_a_cost_is_positive(tmp_path: Path) -> None:
    for cost in (0.0, -1.0, nan):
        with pytest.raises(ValueError, match="expected a positive, finite cost"):
            plot_trade_off(tmp_path / "a", [TradeOff("a", cost, Estimate(1.0))], title="t", xlabel="x", ylabel="y")


def test_all_are_written_whole_and_alike(tmp_path: Path) -> None:
    labels = {"title": "t", "ylabel": "y"}
    for name in ("a", "b"):
        check_whole(plot_bars(tmp_path / f"{name}.bars", LANGUAGES, **labels))
        check_whole(plot_trade_off(tmp_path / f"{name}.trade", POINTS, xlabel="x", **labels))
    for path in tmp_path.glob("a.*"):
        assert path.read_bytes() == path.with_name(path.name.replace("a.", "b.", 1)).read_bytes()
    texts = (tmp_path / "a.trade.svg").read_text(encoding="utf-8")
    assert ">$slow$</text>" in texts


def test_nothing_is_plotted_too(tmp_path: Path) -> None:
    labels = {"title": "t", "ylabel": "y"}
    for number, panels in enumerate([{}, {"a": {}}, {"a": {"en": {}}}, {"a": {"en": {"b": Estimate(nan)}}}]):
        check_whole(plot_bars(tmp_path / f"bars{number}", panels, **labels))
    for number, points in enumerate([[], POINTS[3:], POINTS[:1]]):
        check_whole(plot_trade_off(tmp_path / f"trade{number}", points, xlabel="x", **labels))


def test_a_users_style_changes_nothing(tmp_path: Path) -> None:
    from matplotlib import rcParams

    before = plot_bars(tmp_path / "a", LANGUAGES, title="t", ylabel="y")
    old = rcParams["font.size"], rcParams["axes.facecolor"]
    try:
        rcParams["font.size"], rcParams["axes.facecolor"] = 30, "red"
        after = plot_bars(tmp_path / "b", LANGUAGES, title="t", ylabel="y")
        assert (rcParams["font.size"], rcParams["axes.facecolor"]) == (30, "red")
    finally:
        rcParams["font.size"], rcParams["axes.facecolor"] = old
    assert [path.read_bytes() for path in before] == [path.read_bytes() for path in after]
