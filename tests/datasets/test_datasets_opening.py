"""Names and folders to datasets, filters, and the catalogue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import write_jsonl, write_text

from lyricsep.datasets import dataset_catalog, open_dataset
from lyricsep.datasets.tables import DatasetFolder, DatasetRecord
from lyricsep.errors import DatasetError
from lyricsep.languages import language_code


def test_the_catalogue() -> None:
    catalog = dataset_catalog()
    assert list(catalog) == ["jam-alt", "musdb-alt", "jamendolyrics", "dali"]
    for spec in catalog.values():
        assert spec.summary
        assert spec.licence
        assert re.search(r"arXiv|TISMIR|ISMIR", spec.citation)
        assert [language_code(language) for language in spec.languages] == list(spec.languages)
        assert bool(spec.repository) == bool(spec.revision)
        assert spec.repository or spec.access


def test_what_is_not_there_is_told(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"jam-alt: was not pulled; run `lyricsep datasets pull jam-alt`, or name its fold"
    ):
        open_dataset("jam-alt")
    with pytest.raises(DatasetError, match="dali: cannot be pulled: ask its authors"):
        open_dataset("dali")
    with pytest.raises(
        DatasetError, match="jamalt: no such file or folder, and no dataset of that name; did you mean 'jam-al"
    ):
        open_dataset("jamalt")
    with pytest.raises(DatasetError, match=r"a\\x00b: no such file or folder"):
        open_dataset("a\0b")
    with pytest.raises(DatasetError, match=r"unknown dataset layout; expected one of JamendoLyrics.csv, .*\.gz"):
        open_dataset(tmp_path)


def test_a_folder_called_like_a_dataset_is_given_as_a_path(
    cache: Path, tmp_path: Path, hub_row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "jam-alt" / "metadata.jsonl", [hub_row])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match="jam-alt: was not pulled"):
        open_dataset("jam-alt")
    for path in (Path("jam-alt"), "./jam-alt"):
        dataset = open_dataset(path)
        assert (dataset.name, len(dataset.songs)) == ("jam-alt", 1)
    monkeypatch.chdir(tmp_path / "jam-alt")
    assert open_dataset(".").name == "jam-alt"


def test_songs_keep_the_order_of_the_dataset_and_pass_filters(tmp_path: Path, hub_row: dict[str, Any]) -> None:
    languages = {"c": "fr", "a": "en", "b": "fr"}
    write_jsonl(
        tmp_path / "metadata.jsonl", [{**hub_row, "name": name, "language": code} for name, code in languages.items()]
    )
    dataset = open_dataset(tmp_path)
    assert [song.id for song in dataset.songs] == ["c", "a", "b"]
    assert [song.id for song in dataset.select(languages=["fr"]).songs] == ["c", "b"]
    assert [song.id for song in dataset.select(languages=["fr"], limit=1).songs] == ["c"]
    assert [song.id for song in dataset.select(songs=["b", "a"]).songs] == ["a", "b"]
    assert dataset.select(splits=["test"]) == dataset
    with pytest.raises(DatasetError, match="no song is called 'd'; `lyricsep datasets show` lists them"):
        dataset.select(songs=["d"])
    with pytest.raises(DatasetError, match="none of its 3 songs passes the filters"):
        dataset.select(splits=["train"])


@given(
    st.text(max_size=30) | st.lists(st.sampled_from(["..", "a", "", ".", "C:", "\\", "/"]), max_size=8).map("/".join)
)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    top = Path("/top/folder")
    record = DatasetRecord({"x": name}, top / "table")
    try:
        path = DatasetFolder(top).locate(name, record, "x")
    except DatasetError as error:
        path, told = None, str(error)
    if path is None:
        assert "field 'x': expected a name inside the dataset's folder" in told
        assert len(told.splitlines()) == 1
    else:
        assert ".." not in path.parts
        assert path.is_relative_to(top)
        assert path != top


def test_layouts_beside_each_other_are_read_in_a_fixed_order(tmp_path: Path, hub_row: dict[str, Any]) -> None:
    write_jsonl(tmp_path / "metadata.jsonl", [hub_row])
    write_text(tmp_path / "metadata.csv", "broken")
    assert len(open_dataset(tmp_path).songs) == 1
