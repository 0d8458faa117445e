"""JSON of Whisper and of the programs around it, in the shapes that they write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lyricsep.errors import DatasetError
from lyricsep.formats import Transcript, read_lyrics
from lyricsep.formats.whisper_json import from_whisper
from lyricsep.lyrics import Line, Word

STATISTICS = {"temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.1}


def segment(start: float, end: float, text: str, **more: Any) -> dict[str, Any]:
    return {"id": 0, "seek": 0, "start": start, "end": end, "text": text, "tokens": [50364], **STATISTICS, **more}


def read(document: object) -> Transcript:
    found = from_whisper(json.loads(json.dumps(document)))
    assert found is not None
    return found


def words_of(transcript: Transcript, line: int = 0) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in transcript.lines[line].words]


def test_openai_whisper() -> None:
    words = [
        {"word": " One", "start": 0.5, "end": 0.75, "probability": 0.875},
        {"word": " l", "start": 0.75, "end": 1.0, "probability": 0.5},
        {"word": "'un", "start": 1.0, "end": 1.5, "probability": 0.25},
    ]
    segments = [segment(0.5, 1.5, " One l'un", words=words), segment(2.0, 3.0, " we sail")]
    found = read({"text": " One l'un we sail", "segments": segments, "language": "fr"})
    assert found.text == "One l'un\nwe sail\n"
    assert found.language == "fr"
    assert found.lines == (
        Line(
            0.5,
            1.5,
            "One l'un",
            (Word(0.5, 0.75, "One", 0.875), Word(0.75, 1.0, "l", 0.5), Word(1.0, 1.5, "'un", 0.25, False)),
        ),
        Line(2.0, 3.0, "we sail"),
    )


def test_whisperx_words_without_times_stay_and_share_the_gap() -> None:
    words = [
        {"word": "Unit", "start": 0.5, "end": 1.0, "score": 0.75, "speaker": "SPEAKER_01"},
        {"word": "1."},
        {"word": "2."},
        {"word": "Page", "start": 2.0, "end": 2.5, "score": 0.5},
        {"word": "58."},
    ]
    found = read(
        {
            "segments": [{"start": 0.5, "end": 3.0, "text": " Unit 1. 2. Page 58.", "words": words}],
            "word_segments": words,
        }
    )
    assert found.text == "Unit 1. 2. Page 58.\n"
    assert words_of(found) == [
        ("Unit", 0.5, 1.0),
        ("1.", 1.0, 1.5),
        ("2.", 1.5, 2.0),
        ("Page", 2.0, 2.5),
        ("58.", 2.5, 3.0),
    ]
    assert [word.probability for word in found.lines[0].words] == [0.75, 1.0, 1.0, 0.5, 1.0]


def test_a_segment_whose_words_have_no_times_has_its_own() -> None:
    found = read({"segments": [{"start": 1.0, "end": 2.0, "text": "1 2", "words": [{"word": "1"}, {"word": "2"}]}]})
    assert found.lines == (Line(1.0, 2.0, "1 2"),)


def test_whisper_timestamped() -> None:
    words = [{"text": "we", "start": 1.0, "end": 1.25, "confidence": 0.5}, {"text": "go", "start": 1.25, "end": 2.0}]
    found = read(
        {"text": " we go", "segments": [segment(1.0, 2.0, " we go", confidence=0.5, words=words)], "language": "en"}
    )
    assert found.lines == (Line(1.0, 2.0, "we go", (Word(1.0, 1.25, "we", 0.5), Word(1.25, 2.0, "go"))),)


def test_openai_api_has_the_words_beside_the_segments() -> None:
    words = [
        {"word": "hello", "start": 0.0, "end": 0.5},
        {"word": "there", "start": 0.5, "end": 1.0},
        {"word": "friend", "start": 1.5, "end": 2.0},
    ]
    document = {"task": "transcribe", "language": "english", "duration": 8.5, "text": "hello there friend"}
    segments = [segment(0.0, 1.0, " hello there"), segment(1.0, 2.0, " friend")]
    found = read({**document, "segments": segments, "words": words})
    assert (found.language, found.duration) == ("en", 8.5)
    assert words_of(found, 0) == [("hello", 0.0, 0.5), ("there", 0.5, 1.0)]
    assert words_of(found, 1) == [("friend", 1.5, 2.0)]
    found = read({**document, "words": [*words, {"word": "bye", "start": 3.0, "end": 3.5}]})
    assert [(line.start, line.end, line.text) for line in found.lines] == [
        (0.0, 2.0, "hello there friend"),
        (3.0, 3.5, "bye"),
    ]
    assert read(document) == Transcript("hello there friend\n", language="en")


def test_faster_whisper_dumps() -> None:
    words = [
        {"start": 1.0, "end": 1.5, "word": " we", "probability": 0.5},
        {"start": 1.5, "end": 2.0, "word": " go", "probability": 1.0},
    ]
    expected = (Line(1.0, 2.0, "we go", (Word(1.0, 1.5, "we", 0.5), Word(1.5, 2.0, "go"))), Line(2.0, 3.0, "home"))
    dicts = [segment(1.0, 2.0, " we go", words=words), segment(2.0, 3.0, " home", words=None)]
    assert read(dicts).lines == read({"segments": dicts, "language": "en"}).lines == expected
    rows = [list(word.values()) for word in words]
    tuples = [
        [1, 0, 1.0, 2.0, " we go", [50364, 321], 0.0, -0.2, 1.0, 0.1, rows],
        [2, 0, 2.0, 3.0, " home", [1], 0.0, -0.2, 1.0, 0.1, None],
    ]
    assert read(tuples).lines == expected


def cpp(text: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    stamps = {"from": "00:00:00,000", "to": "00:00:01,000"}
    return {"timestamps": stamps, "offsets": {"from": start, "to": end}, "text": text, **more}


def test_whisper_cpp() -> None:
    tokens = [
        cpp("[_BEG_]", 0, 0, id=50364, p=0.9, t_dtw=-1),
        cpp(" sail", 0, 400, id=1, p=0.5, t_dtw=-1),
        cpp("ing", 400, 500, id=2, p=0.25, t_dtw=-1),
        cpp(" on", 500, 900, id=3, p=1.0, t_dtw=-1),
        cpp(".", 900, 1000, id=4, p=0.75, t_dtw=-1),
        cpp("[_TT_50]", 1000, 1000, id=50414, p=0.1, t_dtw=-1),
    ]
    rows = [cpp(" sailing on.", 0, 1000, tokens=tokens), cpp(" away", 1000, 2250)]
    found = read({"systeminfo": "", "model": {}, "params": {}, "result": {"language": "en"}, "transcription": rows})
    assert found.language == "en"
    assert found.lines == (
        Line(0.0, 1.0, "sailing on.", (Word(0.0, 0.5, "sailing", 0.25), Word(0.5, 1.0, "on.", 0.75))),
        Line(1.0, 2.25, "away"),
    )


def test_letters_in_several_tokens_cost_the_word_times_alone() -> None:
    tokens = [cpp(" \ufffd", 0, 500, p=1.0), cpp("\ufffd", 500, 1000, p=1.0)]
    found = read({"transcription": [cpp("夜", 0, 1000, tokens=tokens)], "result": {"language": "ja"}})
    assert found.lines == (Line(0.0, 1.0, "夜"),)


def test_segments_of_one_word_are_joined_to_lines() -> None:
    rows = [cpp("", 0, 0), cpp(" We", 0, 500), cpp(" sail", 500, 900), cpp("ed", 900, 1000), cpp(" home", 3000, 3500)]
    found = read({"transcription": rows, "result": {"language": "en"}})
    assert [(line.start, line.end, line.text) for line in found.lines] == [
        (0.0, 1.0, "We sailed"),
        (3.0, 3.5, "home"),
    ]
    assert words_of(found) == [("We", 0.0, 0.5), ("sailed", 0.5, 1.0)]
    lines = [cpp("夜に", 0, 500), cpp("駆ける", 500, 900)]
    assert read({"transcription": lines}).text == "夜に\n駆ける\n"


def test_transformers() -> None:
    chunks = [{"timestamp": [0.5, 2.0], "text": " we sail"}, {"timestamp": [2.5, None], "text": " away"}]
    found = read({"speakers": [], "text": " we sail away", "chunks": chunks})
    assert found.lines == (Line(0.5, 2.0, "we sail"), Line(2.5, 2.5, "away"))


def test_segments_without_times_are_text() -> None:
    found = read({"segments": [{"text": " we sail"}, {"text": " away"}], "language": "en"})
    assert found == Transcript("we sail\naway\n", language="en")


def test_one_segment_without_times_stays_between_its_neighbours() -> None:
    segments = [segment(0.0, 1.0, " a"), {"text": " b"}, {"start": float("nan"), "end": None, "text": " c"}]
    found = read({"segments": [*segments, segment(3.0, 4.0, " d")]})
    assert [(line.start, line.end, line.text) for line in found.lines] == [
        (0.0, 1.0, "a"),
        (1.0, 2.0, "b"),
        (2.0, 3.0, "c"),
        (3.0, 4.0, "d"),
    ]


def test_odd_times_and_characters() -> None:
    segments = [
        segment(-1.0, 1.0, " a\nb"),
        segment(2.0, 1.5, " \ud83dc"),
        {"start": 10**400, "end": True, "text": "d"},
    ]
    found = from_whisper({"segments": segments})
    assert found is not None
    assert [(line.start, line.end, line.text) for line in found.lines] == [
        (0.0, 1.0, "a b"),
        (2.0, 2.0, "\ufffdc"),
        (2.0, 2.0, "d"),
    ]


def test_an_instrumental() -> None:
    assert read({"text": "", "segments": [], "language": "en"}) == Transcript("", language="en")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "3",
        "[1, 2]",
        '{"title": "a", "text": "b", "url": "c"}',
        '{"segments": [{"start": 0, "end": 1}]}',
        '{"segments": "a"}',
        '{"segments": [{"start": 0, "end": 1, "text": 3}]}',
        '{"transcription": "we sail"}',
        '[{"dataset": "a", "counts": {}}]',
    ],
)
def test_json_of_others_is_refused_in_one_line(tmp_path: Any, content: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"a\.json: (is JSON, but neither lyrics of lyricsep nor|schema and version)"
    ):
        read_lyrics(tmp_path / "a.json")
