"""Grids that ship, and what is wrong with others; published figures against the table they were copied from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lyricsep.benchmark.grid import GRIDS, SEGMENTATIONS, Condition, Grid, Published, read_grid
from lyricsep.errors import ConfigError
from lyricsep.scoring import RATES
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import find_separator
from lyricsep.transcribers import NATIVE, WhisperOptions, find_model

SMALL = {
    "title": '"Mine"',
    "datasets": '["jam-alt"]',
    "audio": '["mixture", "spleeter+0.3"]',
    "segmentation": '["native", "rms-vad"]',
    "model": '"base"',
}


def write(folder: Path, more: str = "", **keys: str | None) -> str:
    """Write the small grid, with keys replaced or (None) left out, and tables at its end."""
    lines = [f"{key} = {value}" for key, value in {**SMALL, **keys}.items() if value is not None]
    path = folder / "grid.toml"
    path.write_text("\n".join(lines) + "\n" + more, encoding="utf-8")
    return str(path)


# Grids that ship


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_that_ships_reads(name: str) -> None:
    grid = read_grid(name)
    assert grid.title
    assert set(grid.segmentation) <= set(SEGMENTATIONS)
    assert set(grid.columns) <= set(RATES)
    assert set(grid.transcription) == set(grid.segmentation)
    assert len(set(grid.conditions)) == len(grid.conditions) == len(grid.audio) * len(grid.segmentation)
    assert find_model(grid.model).name == grid.model
    for condition in grid.conditions:
        assert find_separator(condition.separator).name == condition.separator


def test_every_preset_is_listed() -> None:
    import lyricsep.benchmark

    (package,) = lyricsep.benchmark.__path__
    assert {path.stem for path in (Path(package) / "presets").glob("*.toml")} == set(GRIDS)


@pytest.mark.parametrize("name", ["paper-long", "paper-short"])
def test_grids_of_the_paper_run_as_the_paper_did(name: str) -> None:
    grid = read_grid(name)
    assert grid.datasets == ("jam-alt", "musdb-alt")
    assert (grid.model, grid.seeds, grid.normalise, grid.rms_vad) == (
        "large-v2",
        (0, 1, 2, 3, 4),
        True,
        PAPER if name == "paper-long" else RmsVadOptions(),
    )
    for segmentation, options in grid.transcription.items():
        assert options.beam_size == 5
        # Clips are decoded once; whole songs fall back on sampling, as openai-whisper does.
        assert len(options.temperatures) == (6 if segmentation == "native" else 1)
        assert options.no_repeat_ngram_sizes == ()


def test_the_grid_of_our_own_compares_our_default() -> None:
    grid = read_grid("lyricsep")
    assert grid.rms_vad == RmsVadOptions()
    assert Condition("spleeter+0.3", "rms-vad") in grid.conditions
    assert Condition("mixture", "native") == grid.conditions[0]


# Published figures

AUDIO = {"mixture": "mixture", "separated": "mdx_extra", "stem": "stem", "mdx": "mdx", "mdx_extra": "mdx_extra"}
SEGMENTATION = {"native": "native", "RMS-VAD": "rms-vad", "group": "groups", "line": "lines"}


@pytest.fixture(scope="module")
def peers(shared: Path) -> dict[str, dict[tuple[str, str, str], list[float]]]:
    """The two tables, by preset: WER, SR, DR, IR and hallucinated IR in percent."""
    long: dict[tuple[str, str, str], list[float]] = {}
    short: dict[tuple[str, str, str], list[float]] = {}
    for line in (shared / "PEERS.md").read_text(encoding="utf-8").splitlines():
        row = re.fullmatch(r"\| (\S+), (\S+) \| (\S+) \| (\S+) \|", line)
        if not row:
            continue
        a, b, *cells = row.groups()
        is_long = a in ("mixture", "separated", "stem")
        audio, segmentation = (a, b) if is_long else (b, a)
        for dataset, cell in zip(("jam-alt", "musdb-alt"), cells, strict=True):
            if cell != "–":
                key = (dataset, AUDIO[audio], SEGMENTATION[segmentation])
                (long if is_long else short)[key] = [float(number) for number in cell.split("/")]
    return {"paper-long": long, "paper-short": short}


@pytest.mark.parametrize(
    ("name", "hallucinated", "n_rows"), [("paper-long", "IR_hal_sub", 10), ("paper-short", "IR_hal", 12)]
)
def test_published_figures(
    peers: dict[str, dict[tuple[str, str, str], list[float]]], name: str, hallucinated: str, n_rows: int
) -> None:
    grid = read_grid(name)
    published = {(row.dataset, row.audio, row.segmentation): row.rates for row in grid.published}
    assert len(published) == len(grid.published)
    assert len(peers[name]) == n_rows
    columns = ("WER", "SR", "DR", "IR", hallucinated)
    for key, figures in peers[name].items():
        assert [published[key][column] for column in columns] == figures, key


@pytest.mark.parametrize("name", ["paper-long", "paper-short"])
def test_every_condition_has_its_published_row(name: str) -> None:
    grid = read_grid(name)
    wanted = {
        (dataset, condition.audio, condition.segmentation)
        for dataset in grid.datasets
        for condition in grid.conditions
        if (dataset, condition.audio) != ("jam-alt", "stem")  # Jam-ALT has no stems
    }
    assert {(row.dataset, row.audio, row.segmentation) for row in grid.published} == wanted
    for row in grid.published:
        assert set(row.rates) == set(grid.columns)
        parts = row.rates["SR"] + row.rates["DR"] + row.rates["IR"]
        assert parts == pytest.approx(row.rates["WER"], abs=0.0151), row
        assert row.rates["DR_NL"] + row.rates["DR_BV"] < row.rates["DR"]
    assert "jaza-syed/mss-alt" in grid.published_source


# Conditions


def test_conditions_are_all_pairs_in_order(tmp_path: Path) -> None:
    grid = read_grid(write(tmp_path))
    assert [condition.name for condition in grid.conditions] == [
        "mixture, native",
        "mixture, rms-vad",
        "spleeter+0.3, native",
        "spleeter+0.3, rms-vad",
    ]


@pytest.mark.parametrize(
    ("audio", "separator", "mix_back"),
    [("mixture", "none", 0), ("stem", "stems", 0), ("htdemucs", "htdemucs", 0), ("spleeter+0.25", "spleeter", 0.25)],
)
def test_what_an_audio_means(audio: str, separator: str, mix_back: float) -> None:
    condition = Condition(audio, "native")
    assert (condition.separator, condition.mix_back) == (separator, mix_back)


def test_what_is_listened_to(tmp_path: Path) -> None:
    own = read_grid(write(tmp_path))
    assert own.segment_by is None
    assert [own.listens_to(condition) for condition in own.conditions] == [None, "none", None, "spleeter"]
    one = read_grid(write(tmp_path, segment_by='"htdemucs"'))
    assert [one.listens_to(condition) for condition in one.conditions] == [None, "htdemucs", None, "htdemucs"]


# Options


def test_defaults(tmp_path: Path) -> None:
    grid = read_grid(write(tmp_path))
    assert grid == Grid(
        title="Mine",
        datasets=("jam-alt",),
        audio=("mixture", "spleeter+0.3"),
        segmentation=("native", "rms-vad"),
        model="base",
        transcription={"native": NATIVE, "rms-vad": WhisperOptions()},
    )
    assert grid.normalise
    assert grid.seeds == (0,)
    assert grid.rms_vad == RmsVadOptions()


def test_options_of_one_segmentation_come_last(tmp_path: Path) -> None:
    tables = (
        "[transcription]\nbeam_size = 3\nbest_of = 2\n[transcription.rms-vad]\nbeam_size = 1\ntemperatures = [0.0]\n"
    )
    grid = read_grid(write(tmp_path, tables, rms_vad='"paper"', seeds="[3, 1]", normalise="false", columns='["CER"]'))
    assert grid.transcription == {
        "native": replace(NATIVE, beam_size=3, best_of=2),
        "rms-vad": WhisperOptions(beam_size=1, best_of=2, temperatures=(0.0,)),
    }
    assert (grid.rms_vad, grid.seeds, grid.normalise, grid.columns) == (PAPER, (3, 1), False, ("CER",))


def test_published_rows_of_ones_own(tmp_path: Path) -> None:
    row = '[[published]]\ndataset = "jam-alt"\naudio = "mixture"\nsegmentation = "native"\nWER = 22\n'
    assert read_grid(write(tmp_path, row)).published == (
        Published("jam-alt", "mixture", "native", "mixture", {"WER": 22.0}),
    )


def test_a_file_of_windows(tmp_path: Path) -> None:
    path = Path(write(tmp_path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_grid(str(path)).title == "Mine"


# What is wrong


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"titel": '"x"'}, "unknown key 'titel'; choose from title, model"),
        ({"title": "1"}, "title: expected a string, got 1"),
        ({"datasets": '"jam-alt"'}, "datasets: expected a list, got 'jam-alt'"),
        ({"datasets": "[1]"}, "datasets"),
        ({"datasets": "[]"}, "datasets is missing"),
        ({"audio": "[]"}, "audio is missing"),
        ({"audio": "[1]"}, "audio.* got 1"),
        ({"audio": '["mixtur"]'}, "no separator is called 'mixtur'"),
        ({"audio": '["mixture+0.3"]'}, r"audio: 'mixture\+0.3' should be mixture, stem, or a separator"),
        ({"audio": '["stem+0.3"]'}, r"audio: 'stem\+0.3' should be"),
        ({"audio": '["spleeter+1.5"]'}, r"audio: 'spleeter\+1.5' should be"),
        ({"audio": '["spleeter+"]'}, r"audio: 'spleeter\+' should be"),
        ({"audio": '["spleeter+nan"]'}, r"audio: 'spleeter\+nan' should be"),
        ({"audio": '["mixture", "mixture"]'}, "audio"),
        (
            {"segmentation": '["vad"]'},
            "segmentation: unknown name 'vad'; choose from native, rms-vad, fixed, lines, groups",
        ),
        ({"segmentation": '[["native"]]'}, r"segmentation.*\['native'\]"),
        ({"segmentation": '["native", "native"]'}, "segmentation"),
        ({"model": "3"}, "model: expected a string, got 3"),
        ({"model": None}, "model is missing"),
        ({"model": '""'}, "model is missing"),
        ({"title": None}, "title is missing"),
        ({"segment_by": '"splitter"'}, "no separator is called 'splitter'"),
        ({"rms_vad": '"papr"'}, "rms_vad: unknown name 'papr'; choose from paper, default"),
        ({"seeds": "0"}, "seeds: expected a list, got 0"),
        ({"seeds": "[0.5]"}, r"seeds.* got .*0\.5"),
        ({"seeds": "[true]"}, "seeds.* got .*True"),
        ({"seeds": "[]"}, "seeds"),
        ({"seeds": "[1, 1]"}, "seeds"),
        ({"normalise": "1"}, "normalise: expected true or false, got 1"),
        ({"columns": '["WERR"]'}, "columns: unknown name 'WERR'"),
        ({"transcription": '"x"'}, "transcription: expected an object, got 'x'"),
        ({"published": "[1]"}, "published"),
        ({"published": "{}"}, "published: expected a list"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_key_is_named(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    check(write(tmp_path, **keys), message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[transcription]\nbeam = 5\n", "transcription for native: unknown name 'beam'; choose from .*beam_size"),
        ("[transcription]\nbeam_size = 0\n", "transcription for native: beam_size.* must be at least 1"),
        ("[transcription]\nbeam_size = 'five'\n", "transcription for native: "),
        ("[transcription]\ntemperatures = 0.0\n", "transcription for native: temperatures"),
        ("[transcription]\ntemperatures = ['hot']\n", "transcription for native: "),
        ("[transcription]\nseed = 1\n", "transcription for native: unknown name 'seed'"),
        ("[transcription.rms-vad]\nbeam = 5\n", "transcription for rms-vad: unknown name 'beam'"),
        ("[transcription.rms_vad]\nbeam_size = 5\n", "transcription for native: unknown name 'rms_vad'"),
        ("[transcription]\nnative = 5\n", "transcription.*native"),
        ("[[published]]\ndataset = 'jam-alt'\n", "published.*audio"),
        ("[[published]]\ndataset = 'd'\naudio = 'mixture'\nsegmentation = 'native'\nWER = 'low'\n", "published.*WER"),
        ("[[published]]\ndataset = 'd'\naudio = 'mixture'\nsegmentation = 'native'\nWER = [1]\n", "published.*WER"),
        ("[[published]]\ndataset = 'd'\naudio = 'mixture'\nsegmentation = 'native'\nWERR = 1\n", "published.*WERR"),
        ("[grid]\nx = 1\n", "unknown key 'grid'"),
        ("title = 'again'\n", "at line 6"),
        ("[[[", "at line 6"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, table: str, message: str) -> None:
    check(write(tmp_path, table), message)


def check(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\S*grid\.toml: .*{message}") as caught:
        read_grid(name)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_no_such_grid(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for name in ("paper", "none.toml", str(tmp_path), str(binary), "a\nb", "a\0b"):
        with pytest.raises(
            ConfigError, match=r"no such grid or file; choose from paper-long, paper-short, lyricsep"
        ) as caught:
            read_grid(name)
        assert "\n" not in str(caught.value)


# Other separators and models


def test_one_separator_in_the_place_of_all() -> None:
    grid = read_grid("paper-long").with_models("spleeter", "base")
    assert grid.audio == ("mixture", "spleeter", "stem")
    assert (grid.segment_by, grid.model) == ("spleeter", "base")
    # The published rows stand beside what was run in their place.
    published = {(row.dataset, row.audio, row.segmentation): row.rates["WER"] for row in grid.published}
    assert published["jam-alt", "spleeter", "rms-vad"] == 19.72
    assert published["jam-alt", "mixture", "native"] == 22.36
    assert {audio for _, audio, _ in published} == {"mixture", "spleeter", "stem"}


def test_two_separators_become_one() -> None:
    grid = read_grid("paper-short").with_models("spleeter", None)
    assert grid.audio == ("mixture", "spleeter", "stem")
    assert grid.segment_by is None
    assert grid.model == "large-v2"
    assert len(grid.conditions) == 6


def test_the_mix_back_stays() -> None:
    grid = read_grid("lyricsep").with_models("htdemucs", None)
    assert grid.audio == ("mixture", "htdemucs", "htdemucs+0.3")
    assert grid.segment_by == "htdemucs"


def test_nothing_in_the_place_of_anything() -> None:
    grid = read_grid("paper-long")
    assert grid.with_models(None, None) == grid
    assert grid.with_models(None, "tiny").audio == grid.audio


@pytest.mark.parametrize("name", ["splitter", "spleeter+0.3", "mixture"])
def test_no_such_separator(name: str) -> None:
    with pytest.raises(ConfigError, match="no separator is called"):
        read_grid("paper-long").with_models(name, None)


def test_rows_are_sorted_as_in_the_papers_tables() -> None:
    long, short = read_grid("paper-long"), read_grid("paper-short")
    assert [c.name for c in long.conditions[:3]] == ["mixture, native", "mixture, rms-vad", "mdx_extra, native"]
    assert [c.name for c in short.conditions[:2]] == ["mixture, groups", "mdx, groups"]
    assert short.conditions[4].name == "mixture, lines"
