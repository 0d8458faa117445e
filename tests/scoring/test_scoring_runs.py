"""A run of scored songs as a table: one row per song, counts as integers, rates as shares."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest

from lyricsep.datasets import Song
from lyricsep.errors import DatasetError
from lyricsep.scoring import FIELDS, RATES, ScoredRun, SongScore, read_runs, score


def scored(name: str, reference: str, hypothesis: str, genre: str | None = None) -> SongScore:
    song = Song(id=name, dataset="mine", language="en", text=reference, genre=genre)
    return SongScore(song, score(reference, hypothesis, "en").counts, None)


def test_a_run_becomes_a_table_with_a_row_per_song() -> None:
    run = ScoredRun(
        (
            scored("b", "one two three four", "one too four five six", genre="Pop"),
            scored("a", "", "extra"),
        ),
        missing=("c",),
    )
    table = run.to_dataframe()
    assert list(table.columns) == ["song", "dataset", "language", "genre", *FIELDS, *RATES]
    assert table["song"].tolist() == ["b", "a"]
    first, second = (row for _, row in table.iterrows())
    assert (first["dataset"], first["language"], first["genre"]) == ("mine", "en", "Pop")
    errors = first["substitutions"] + first["deletions"] + first["insertions"]
    assert first["hits"] + first["substitutions"] + first["deletions"] == 4
    assert first["WER"] == errors / 4 == pytest.approx(1.0)
    assert second["insertions"] == 1
    assert isnan(second["WER"])


def test_the_table_of_no_songs_has_its_columns_and_types() -> None:
    empty, filled = ScoredRun(()).to_dataframe(), ScoredRun((scored("a", "one", "one"),)).to_dataframe()
    numbers = [*FIELDS, *RATES]
    assert empty.empty
    assert list(empty.columns) == list(filled.columns)
    assert empty[numbers].dtypes.to_dict() == filled[numbers].dtypes.to_dict()


@pytest.mark.parametrize("row", ["mixture,native,set,one,,7,8,9", "mixture,native,set,one,"], ids=["more", "fewer"])
def test_a_table_with_rows_of_another_length_is_refused(tmp_path: Path, row: str) -> None:
    counts = ",".join(FIELDS)
    whole = f"mixture,native,set,two,{',0' * len(FIELDS)}"
    row += ",1" * len(FIELDS) if row.endswith("9") else ""
    (tmp_path / "songs.csv").write_text(f"audio,segmentation,dataset,song,error,{counts}\n{whole}\n{row}\n")
    with pytest.raises(DatasetError, match="row 3 has more or fewer cells than the first row"):
        read_runs(tmp_path)
