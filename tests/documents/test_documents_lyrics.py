"""The JSON document loses nothing, and says where it is damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyricsep.documents import LyricsDocument, rounded
from lyricsep.errors import DatasetError
from lyricsep.formats import render_lyrics
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word

LYRICS = Lyrics(
    lines=(
        Line(1.0, 2.5, "Grüße <&>", (Word(1.0, 2.5, "Grüße", 0.9), Word(2.5, 2.5, "<"), Word(2.5, 2.5, "&>"))),
        Line(3.0, 4.0, "Thank you", flags=("credits", "silence")),
    ),
    language="de",
    duration=10.0,
    segments=(Segment(0.8, 4.2),),
    decodings=(Decoding(0.8, 4.2, 0.2, -0.5, 0.01, 1.5, attempts=2, flags=("loop",), no_repeat_ngram_size=8),),
)


def test_the_document() -> None:
    document = json.loads(LyricsDocument.of(LYRICS, title="Lied").to_json())
    assert document == {
        "schema": "lyricsep/lyrics",
        "version": 2,
        "title": "Lied",
        "artist": None,
        "language": "de",
        "duration": 10.0,
        "vocals_found": True,
        "flagged": [1],
        "segments": [{"start": 0.8, "end": 4.2}],
        "decodings": [
            {
                "start": 0.8,
                "end": 4.2,
                "temperature": 0.2,
                "avg_logprob": -0.5,
                "no_speech_prob": 0.01,
                "compression_ratio": 1.5,
                "attempts": 2,
                "flags": ["loop"],
                "no_repeat_ngram_size": 8,
            }
        ],
        "lines": [
            {
                "start": 1.0,
                "end": 2.5,
                "text": "Grüße <&>",
                "words": [
                    {"start": 1.0, "end": 2.5, "text": "Grüße", "probability": 0.9},
                    {"start": 2.5, "end": 2.5, "text": "<", "probability": 1.0},
                    {"start": 2.5, "end": 2.5, "text": "&>", "probability": 1.0, "space_before": False},
                ],
                "flags": [],
            },
            {"start": 3.0, "end": 4.0, "text": "Thank you", "words": [], "flags": ["credits", "silence"]},
        ],
    }


def test_letters_are_kept_as_letters() -> None:
    assert "Grüße <&>" in render_lyrics(LYRICS, "json")


def test_an_instrumental() -> None:
    document = json.loads(LyricsDocument.of(Lyrics(duration=3.0)).to_json())
    assert document["vocals_found"] is False
    assert document["lines"] == document["segments"] == document["flagged"] == []
    assert LyricsDocument.from_json(json.dumps(document)).lyrics == Lyrics(duration=3.0)


def test_what_has_a_default_may_be_missing_and_what_is_unknown_is_ignored() -> None:
    text = '{"schema": "lyricsep/lyrics", "version": 1, "mood": 1, "lines": [{"start": 0, "end": 1, "text": "a"}]}'
    assert LyricsDocument.from_json(text).lyrics == Lyrics((Line(0.0, 1.0, "a"),))


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=10)
spans = st.lists(st.floats(0, 1e9), min_size=2, max_size=2).map(sorted)
flags = st.lists(st.sampled_from(["loop", "silence"]), max_size=2).map(tuple)
words = st.builds(lambda span, text, p: Word(*span, text, p), spans, texts, st.floats(0, 1))
lines = st.builds(
    lambda span, text, words, flags: Line(*span, text, tuple(words), flags),
    spans,
    texts,
    st.lists(words, max_size=3),
    flags,
)
decodings = st.builds(Decoding, finite, finite, finite, finite, finite, finite, st.integers(0), flags)


@settings(deadline=None)
@given(
    st.builds(
        Lyrics,
        st.lists(lines, max_size=3).map(tuple),
        st.none() | texts,
        st.floats(0, 1e9),
        st.lists(spans.map(lambda span: Segment(*span)), max_size=3).map(tuple),
        st.lists(decodings, max_size=2).map(tuple),
        st.lists(lines, max_size=2).map(tuple),
        texts,
    )
)
def test_nothing_but_digits_is_lost(lyrics: Lyrics) -> None:
    text = LyricsDocument.of(lyrics).to_json()
    assert LyricsDocument.from_json(text).lyrics == rounded(lyrics)
    assert LyricsDocument.of(LyricsDocument.from_json(text).lyrics).to_json() == text


def test_times_are_milliseconds() -> None:
    word = Word(1.00049, 2.0006, "a", 0.123456)
    lyrics = Lyrics((Line(1.00049, 2.0006, "a", (word,)),), "en", 3.14159, (Segment(0.9999, 2.0006),))
    found = LyricsDocument.from_json(LyricsDocument.of(lyrics).to_json()).lyrics
    assert found == Lyrics(
        (Line(1.0, 2.001, "a", (Word(1.0, 2.001, "a", 0.1235),)),), "en", 3.142, (Segment(1.0, 2.001),)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("l'un et l'autre", ["l", "'un", "et", "l", "'autre"]),
        ("rendez-vous là", ["rendez", "-vous", "là"]),
        ("夜に走る OK", ["夜", "に", "走", "る", "OK"]),
        ("rock'n'roll ain't", ["rock", "'n", "'roll", "ain", "'t"]),
        ("«Ô ma», dit-il", ["«Ô", "ma»,", "dit", "-il"]),
    ],
)
def test_words_spell_their_line(text: str, words: list[str]) -> None:
    line = Line(0, 9, text, tuple(Word(n, n + 1, word) for n, word in enumerate(words)))
    written = json.loads(LyricsDocument.of(Lyrics((line,))).to_json())["lines"][0]
    spelled = "".join(" " * word.get("space_before", True) + word["text"] for word in written["words"])
    assert spelled.strip() == written["text"] == text
    assert [word["text"] for word in written["words"]] == words
    old = {"schema": "lyricsep/lyrics", "version": 1, "lines": [{**written, "words": []}]}
    old["lines"][0]["words"] = [{k: v for k, v in one.items() if k != "space_before"} for one in written["words"]]
    assert LyricsDocument.from_json(json.dumps(old)).lyrics == Lyrics((line,))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("lines", 1, "start"), "x", r"lines\[1\]\.start: expected a finite number, got 'x'"),
        (("lines", 1, "start"), True, r"lines\[1\]\.start: expected a finite number, got True"),
        (("lines", 1, "start"), 10**400, r"lines\[1\]\.start: expected a finite number, got 10{59}…"),
        (("lines", 1, "start"), None, r"lines\[1\]\.start: expected a finite number, got None"),
        (("lines", 1, "start"), 9.0, r"lines\[1\]: Line needs 0 <= start <= end"),
        (("lines", 0, "text"), 3, r"lines\[0\]\.text: expected a string, got 3"),
        (("lines", 0, "text"), "a\nb", r"lines\[0\]: a Line holds one line"),
        (("lines", 0, "words", 0), [], r"lines\[0\]\.words\[0\]: expected an object, got \[\]"),
        (("lines", 1, "flags", 0), 1, r"lines\[1\]\.flags\[0\]: expected a string, got 1"),
        (("lines",), {}, r"lines: expected a list, got {}"),
        (("decodings", 0, "attempts"), 1.5, r"decodings\[0\]\.attempts: expected an integer, got 1\.5"),
        (("language",), 7, r"language: expected a string, got 7"),
    ],
)
def test_damage_is_named(path: tuple[str | int, ...], value: object, message: str) -> None:
    document: Any = json.loads(LyricsDocument.of(LYRICS).to_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(DatasetError, match=rf"^song\.json: {message}.*write it again with format='json'$"):
        LyricsDocument.from_json(json.dumps(document), name="song.json")


def test_a_missing_field_is_named() -> None:
    document = json.loads(LyricsDocument.of(LYRICS).to_json())
    del document["segments"][0]["end"]
    with pytest.raises(DatasetError, match=r"document: segments\[0\]\.end is missing"):
        LyricsDocument.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(DatasetError, match=r"^song\.json: not JSON \("):
        LyricsDocument.from_json(text, name="song.json")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", r"\(None, None\)"),
        ("{}", r"\(None, None\)"),
        ('{"schema": "lyricsep/lyrics", "version": 3}', r"\('lyricsep/lyrics', 3\)"),
        ('{"schema": "lyricsep/lyrics", "version": true}', r"\('lyricsep/lyrics', True\)"),
        ('{"schema": "lyricsep/scores", "version": 2}', r"\('lyricsep/scores', 2\)"),
    ],
)
def test_another_schema(text: str, found: str) -> None:
    with pytest.raises(DatasetError, match=rf"schema and version are {found}, expected \('lyricsep/lyrics', 2\)"):
        LyricsDocument.from_json(text)
