"""What a report holds beside its tables: the plots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lyricsep.benchmark.grid import Grid
from lyricsep.benchmark.results import write_report
from lyricsep.benchmark.running import Hypothesis, Unit
from lyricsep.datasets import Song
from lyricsep.reports.plots import Estimate

pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

GRID = Grid("Mine", ("d",), ("mixture", "stem"), ("native",), "base", (0,))
MIXTURE, STEM = GRID.conditions


def hypotheses(*languages: str) -> list[Hypothesis]:
    """Give one song of four words in each language: one word is wrong in the mixture, none in the stem."""
    found = []
    for number, language in enumerate(languages):
        song = Song(str(number), "d", language, "one two three four\n")
        found.append(Hypothesis(Unit(song, MIXTURE, 0), ("one two three five\n",)))
        found.append(Hypothesis(Unit(song, STEM, 0), ("one two three four\n",)))
    return found


def test_languages_are_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, hypotheses("fr", "en"), GRID)
    assert {path.name for path in tmp_path.glob("wer*")} == {
        f"{name}.{suffix}" for name in ("wer", "wer_by_language") for suffix in ("png", "svg", "pdf")
    }
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "wer_by_language.svg").read_text(encoding="utf-8"))
    assert [text for text in texts if text in ("en", "fr", "d", "mixture, native", "stem, native")] == [
        "en",
        "fr",
        "d",
        "mixture, native",
        "stem, native",
    ]
    drawn = []
    monkeypatch.setattr("lyricsep.reports.plots.plot_bars", lambda _, panels, **__: drawn.append(panels))
    write_report(tmp_path, hypotheses("fr", "en", "fr", "en"), GRID)
    wrong, right = Estimate(25.0, 25.0, 25.0), Estimate(0.0, 0.0, 0.0)
    conditions = {"mixture, native": wrong, "stem, native": right}
    assert drawn == [{"d": {"en": conditions, "fr": conditions}}]


def test_one_language_is_no_plot_of_its_own(tmp_path: Path) -> None:
    write_report(tmp_path, hypotheses("en", "en"), GRID)
    assert list(tmp_path.glob("wer_by_language*")) == []
