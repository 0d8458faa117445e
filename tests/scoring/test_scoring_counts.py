"""Rates of counts worked by hand; then that counts add up and come back from their fields."""

from __future__ import annotations

from dataclasses import fields
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyricsep.scoring import FIELDS, RATES, Counts, Edits, counts_from_dict, pool, rates
from lyricsep.scoring.counts import rates_of_fields

NUMBERS = st.integers(min_value=0, max_value=10_000)
EDITS = st.builds(Edits, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
COUNTS = st.builds(Counts, *(EDITS if f.type == "Edits" else NUMBERS for f in fields(Counts)))


def test_rates_worked_by_hand() -> None:
    counts = Counts(
        words=Edits(hits=12, substitutions=4, deletions=4, insertions=8),
        near_misses=1,
        case_errors=3,
        hallucinated_insertions=2,
        hallucinated_substitutions=1,
        nonlexical=Edits(hits=1, deletions=2),
        backing=Edits(hits=2, substitutions=1, deletions=1),
        punctuation=Edits(hits=3, substitutions=1, deletions=2, insertions=0),
        parentheses=Edits(hits=0, deletions=2, insertions=2),
        line_breaks=Edits(hits=4, insertions=1),
        section_breaks=Edits(deletions=1),
        characters=Edits(hits=30, substitutions=5, deletions=5, insertions=2),
    )
    found = rates(counts)
    expected = {
        "WER": 16 / 20,
        "SR": 4 / 20,
        "DR": 4 / 20,
        "IR": 8 / 20,
        "IR_hal": 2 / 20,
        "IR_hal_sub": 3 / 20,
        "DR_NL": 2 / 20,
        "DR_BV": 1 / 20,
        "near": 1 / 20,
        "WER_near": 15 / 20,
        "ER_case": 3 / 20,
        "WER_case": 19 / 20,
        "MER": 16 / 28,
        "WIL": 1 - 12 / 20 * 12 / 24,
        "CER": 12 / 40,
        "P_punc": 3 / 4,
        "R_punc": 3 / 6,
        "F1_punc": 0.6,
        "P_pare": 0,
        "R_pare": 0,
        "F1_pare": 0,
        "P_line": 4 / 5,
        "R_line": 1,
        "F1_line": 8 / 9,
        "P_sect": np.nan,
        "R_sect": 0,
        "F1_sect": np.nan,
    }
    assert list(found) == list(RATES) == list(expected)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_nothing_has_no_rates() -> None:
    assert pool([]) == Counts()
    assert all(isnan(value) for value in rates(Counts()).values())


def test_words_out_of_nowhere_have_no_rates_but_of_matches() -> None:
    found = rates(Counts(words=Edits(insertions=5)))
    assert {name for name, value in found.items() if not isnan(value)} == {"MER"}
    assert found["MER"] == 1


def test_where_nothing_was_heard_all_is_lost() -> None:
    found = rates(Counts(words=Edits(deletions=5)))
    assert found["WER"] == found["DR"] == found["MER"] == found["WIL"] == 1


def test_a_missing_count_is_named() -> None:
    flat = Counts().as_fields()
    del flat["backing_hits"]
    with pytest.raises(KeyError, match="backing_hits"):
        counts_from_dict(flat)


@given(COUNTS)
def test_fields_come_back(counts: Counts) -> None:
    flat = counts.as_fields()
    assert tuple(flat) == FIELDS
    assert counts_from_dict(flat) == counts
    assert counts_from_dict({**flat, "song": 7}) == counts


@given(st.lists(COUNTS, max_size=5))
def test_pooling_adds_every_field(many: list[Counts]) -> None:
    pooled = pool(many).as_fields()
    assert pooled == {name: sum(counts.as_fields()[name] for counts in many) for name in FIELDS}
    assert pool(reversed(many)) == pool(many)


@settings(deadline=None)
@given(st.lists(COUNTS, min_size=1, max_size=6))
def test_columns_give_the_rates_of_their_rows(many: list[Counts]) -> None:
    rows = [counts.as_fields() for counts in [*many, Counts()]]
    columns = rates_of_fields({name: np.array([row[name] for row in rows], np.float64) for name in FIELDS})
    assert set(columns) == set(RATES)
    for index, counts in enumerate([*many, Counts()]):
        assert {name: values[index] for name, values in columns.items()} == pytest.approx(
            rates(counts), abs=0, rel=0, nan_ok=True
        )


@given(COUNTS)
def test_parts_make_up_the_word_error_rate(counts: Counts) -> None:
    found = rates(counts)
    assert found["SR"] + found["DR"] + found["IR"] == pytest.approx(found["WER"], nan_ok=True)
    assert counts.words.errors == counts.words.substitutions + counts.words.deletions + counts.words.insertions
    assert counts.words.n_reference == counts.words.hits + counts.words.substitutions + counts.words.deletions


@pytest.mark.parametrize("value", [-1, 10**12, 10**400])
def test_what_no_songs_have_is_no_count(value: int) -> None:
    flat = Counts().as_fields()
    assert counts_from_dict(flat) == Counts()
    with pytest.raises(ValueError, match="hits is no count of words"):
        counts_from_dict({**flat, "hits": value})
