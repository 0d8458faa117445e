"""Documents: the shipped schemas agree with the dataclasses, what is written is valid, and old versions are read."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.benchmark.grid import Grid
from lyricsep.benchmark.results import score_hypothesis, summarise
from lyricsep.benchmark.running import Hypothesis, Unit
from lyricsep.cli import main
from lyricsep.datasets import Song
from lyricsep.documents import (
    DOCUMENTS,
    BenchmarkSummary,
    DatasetRevision,
    Document,
    LyricsDocument,
    Manifest,
    Scores,
    SongRecord,
    SongResult,
    WeightRecord,
    finite,
    read_schema,
    schema_file_name,
    write_schemas,
)
from lyricsep.documents.fields import FieldError, as_json, from_json, json_schema
from lyricsep.errors import DatasetError
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word
from lyricsep.scoring import read_runs

LYRICS = Lyrics(
    lines=(
        Line(1.0, 2.5, "l'été", (Word(1.0, 1.5, "l", 0.9), Word(1.5, 2.5, "'été", 0.8))),
        Line(3.0, 4.0, "Thank you", flags=("credits",)),
    ),
    language="fr",
    duration=10.0,
    segments=(Segment(0.8, 4.2),),
    decodings=(Decoding(0.8, 4.2, 0.2, -0.5, 0.01, 1.5),),
)

MANIFEST = Manifest(
    lyricsep="1.0",
    command=("lyricsep", "transcribe", "my song.mp3"),
    started="2026-01-02T03:04:05+00:00",
    seconds=12.5,
    plan={"settings": {"separator": "none", "model": "tiny"}, "formats": ["json"]},
    filters={"language": "fr", "limit": None},
    songs=(
        SongRecord("a.mp3", "done", "0" * 64, results=("a.json",), vocals_found=True, seconds={"all": 1.5}),
        SongRecord("b.mp3", "failed", error="b.mp3: cannot be read"),
    ),
    datasets=(DatasetRevision("jam-alt", "v1"), DatasetRevision("folder")),
    weights=(WeightRecord("tiny.pt", "1" * 64), WeightRecord("config.json")),
    libraries={"numpy": "2.0", "ctranslate2": None},
    device="cpu: 2 threads",
    seed=0,
    python="3.11.9",
    platform="linux x86_64",
)

OLD_MANIFEST = {
    "schema": "lyricsep/manifest",
    "version": 1,
    "lyricsep": "0.1",
    "command": "separate",
    "started": "2026-01-02T03:04:05+00:00",
    "options": {"settings": {"separator": "htdemucs", "transcription": {"seed": 3}}, "datasets": {"jam-alt": "v1"}},
    "weights": [{"name": "a.th", "sha256": "2" * 64}],
    "device": "cpu",
    "python": "3.11.9",
    "platform": "linux x86_64",
    "libraries": {"numpy": "2.0"},
    "songs": [
        {"path": "a.mp3", "status": "done", "quality": {"sdr": "inf"}, "results": ["a.wav"]},
        {"path": "b.mp3", "status": "failed", "error": "gone"},
    ],
}


def validate(kind: type[Document], document: object) -> None:
    jsonschema.Draft202012Validator(read_schema(kind)).validate(document)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_shipped_schemas_agree_with_the_dataclasses(kind: type[Document], tmp_path: Path) -> None:
    schema = read_schema(kind)
    assert schema == kind.json_schema(), "run scripts/write_schemas.py"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert tmp_path / schema_file_name(kind) in write_schemas(tmp_path)
    for part in (schema, *schema.get("$defs", {}).values()):
        fields = part["properties"].items()
        assert part["description"]
        assert [name for name, field in fields if not field.keys() & {"const", "description"}] == []


def test_lyrics_are_valid() -> None:
    for lyrics in (LYRICS, Lyrics(duration=3.0)):
        validate(LyricsDocument, json.loads(LyricsDocument.of(lyrics).to_json()))
    document = json.loads(LyricsDocument.of(LYRICS).to_json())
    assert LyricsDocument.from_dict(document).lyrics == LYRICS
    for damaged in (
        document | {"version": 1},
        document | {"lines": [{"start": 0, "end": 1}]},
        {key: value for key, value in document.items() if key != "duration"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validate(LyricsDocument, damaged)


def test_manifests_are_valid_and_come_back() -> None:
    validate(Manifest, json.loads(MANIFEST.to_json()))
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert [song.is_done for song in MANIFEST.songs] == [True, False]


def test_old_manifests_are_read() -> None:
    manifest = Manifest.from_dict(OLD_MANIFEST)
    validate(Manifest, manifest.as_dict())
    assert manifest.command == ("lyricsep", "separate")
    assert manifest.plan == OLD_MANIFEST["options"]
    assert manifest.datasets == (DatasetRevision("jam-alt", "v1"),)
    assert manifest.weights == (WeightRecord("a.th", "2" * 64),)
    assert (manifest.seed, manifest.failures, manifest.counts) == (3, None, {})
    assert manifest.songs == (
        SongRecord("a.mp3", "done", results=("a.wav",), details={"quality": {"sdr": "inf"}}),
        SongRecord("b.mp3", "failed", error="gone"),
    )


def test_old_manifests_of_batches_and_benchmarks_are_read() -> None:
    batch = {**OLD_MANIFEST, "songs": [], "n_songs": 3, "n_failed": 1, "failures": {"b": "gone"}}
    manifest = Manifest.from_dict(batch)
    assert (manifest.songs, manifest.counts) == ((), {"n_songs": 3, "n_failed": 1})
    assert manifest.failures == {"b": "gone"}
    benchmark = {**OLD_MANIFEST, "failures": [{"unit": "d/s, mixture", "error": "gone"}], "n_new": 2}
    assert Manifest.from_dict(benchmark).failures == {"d/s, mixture": "gone"}


def test_the_manifest_of_a_command_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lyrics(tmp_path / "a.json", LYRICS, "json")
    monkeypatch.setattr(sys, "argv", ["lyricsep", "convert", str(tmp_path), "-f", "srt", "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        main()
    (path,) = (tmp_path / "out").glob(".lyricsep/manifest-*.json")
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"), name=str(path))
    assert manifest.command[:2] == ("lyricsep", "convert")
    assert [song.status for song in manifest.songs] == ["done"]
    validate(Manifest, manifest.as_dict())


def test_scores_hold_the_rates_of_each_song(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, texts in {
        "refs": ("one two\n", "one two three\n"),
        "heard": ("one too\n", "one two three\n"),
    }.items():
        (tmp_path / folder).mkdir()
        for name, text in zip("ab", texts, strict=True):
            (tmp_path / folder / f"{name}.txt").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lyricsep", "score", "refs", "heard", "--language", "en", "--json"])
    with pytest.raises(SystemExit):
        main()
    text = capsys.readouterr().out
    document = json.loads(text)
    validate(Scores, document)
    assert [song["rates"]["WER"] for song in document["songs"]] == [0.5, 0]
    assert document["songs"][0]["rates"]["F1_punc"] is None
    assert document["rates"]["WER"] == 0.2
    scores = Scores.from_json(text)
    assert scores.as_dict() == document

    (tmp_path / "new.json").write_text(text, encoding="utf-8")
    old = document | {"version": 1}
    for song in old["songs"]:
        del song["rates"]
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    assert read_runs(tmp_path / "old.json")["old"] == read_runs(tmp_path / "new.json")["new"]
    assert all(song.rates == {} for song in Scores.from_dict(old).songs)
    (tmp_path / "lyrics.json").write_text(LyricsDocument.of(LYRICS).to_json(), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lyrics\.json: schema and version are .* `lyricsep score`"):
        read_runs(tmp_path / "lyrics.json")


def test_summaries_of_benchmarks() -> None:
    grid = Grid("Mine", ("d",), ("mixture", "stem"), ("native",), "base", (0,))
    song = Song("s", "d", "en", "one two three four\n")
    texts = ("one two three five\n", "one two three four\n")
    conditions = zip(grid.conditions, texts, strict=True)
    heard = [Hypothesis(Unit(song, condition, 0), (text,)) for condition, text in conditions]
    scored = [score_hypothesis(one, grid)[0] for one in heard]
    groups = tuple(summarise(scored, grid))
    assert [(group.audio, group.group) for group in groups][:2] == [("mixture", "all"), ("mixture", "language en")]
    assert groups[0].rates["WER"] == 0.25
    songs = (SongResult("d", "s", "mixture", "native", 0, "en", error="no vocals"),)
    summary = BenchmarkSummary("Mine", "base", False, groups, songs)
    validate(BenchmarkSummary, summary.as_dict())
    assert BenchmarkSummary.from_json(summary.to_json()) == summary
    # Version 1 was the list of groups, without what is null.
    old = [{key: value for key, value in group.items() if value is not None} for group in summary.as_dict()["groups"]]
    assert BenchmarkSummary.from_dict(old).groups == groups


@pytest.mark.parametrize(
    ("kind", "document", "message"),
    [
        (Manifest, {**OLD_MANIFEST, "options": 3}, "options: expected an object"),
        (Manifest, {**OLD_MANIFEST, "songs": [3]}, r"songs\[0\]: expected an object, got 3"),
        (Manifest, {**OLD_MANIFEST, "libraries": {"numpy": 2}}, r"libraries\.numpy: expected a string, got 2"),
        (Manifest, {"schema": "lyricsep/manifest", "version": 1}, "lyricsep is missing"),
        (
            Manifest,
            {**MANIFEST.as_dict(), "songs": [{"path": "a", "status": "done", "vocals_found": 1}]},
            "true or f",
        ),
        (Manifest, {**OLD_MANIFEST, "version": 3}, "update lyricsep"),
        (Scores, {"schema": "lyricsep/scores", "version": 2, "counts": []}, r"counts: expected an object, got \[\]"),
        (BenchmarkSummary, [3], r"groups\[0\]: expected an object, got 3"),
        (BenchmarkSummary, 3, "schema and version are"),
    ],
)
def test_damage_is_named(kind: type[Document], document: object, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"^x\.json: .*{message}"):
        kind.from_dict(json.loads(json.dumps(document)), name="x.json")


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        Scores(rates={"WER": float("nan")}).to_json()
    assert [finite(value) for value in (1.5, float("nan"), float("inf"), None)] == [1.5, None, None, None]


@dataclass(frozen=True)
class Inner:
    """A part."""

    x: float
    flags: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Outer:
    """A whole.

    Parameters
    ----------
    a, b : int
        Two *numbers* of `Outer`.
    parts : dict
        By name,
        on two lines.

    Raises
    ------
    ValueError
        Never.
    """

    a: int
    b: int
    parts: dict[str, Inner | None]
    anything: Any = None


inners = st.builds(Inner, st.floats(allow_nan=False, allow_infinity=False), st.lists(st.booleans()).map(tuple))
leaves = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        Outer,
        st.integers(),
        st.integers(),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.none() | inners),
        st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner)),
    )
)
def test_dataclasses_come_back(outer: Outer) -> None:
    document = json.loads(json.dumps(as_json(outer)))
    assert from_json(Outer, document) == outer
    jsonschema.validate(document, json_schema(Outer))


def test_schema_of_a_dataclass() -> None:
    schema = json_schema(Outer)
    assert schema["properties"]["a"] == schema["properties"]["b"]
    assert schema["properties"]["a"] == {"type": "integer", "description": "Two numbers of Outer."}
    assert schema["properties"]["parts"]["description"] == "By name, on two lines."
    assert schema["properties"]["anything"] == {}
    assert schema["required"] == ["a", "b", "parts", "anything"]
    assert schema["$defs"]["Inner"]["properties"]["flags"] == {"type": "array", "items": {"type": "boolean"}}
    with pytest.raises(FieldError, match=r"^parts\.p\.flags\[0\]: expected true or false, got 1$"):
        from_json(Outer, {"a": 1, "b": 2, "parts": {"p": {"x": 1, "flags": [1]}}})
    assert asdict(from_json(Inner, {"x": 1, "unknown": 2})) == {"x": 1.0, "flags": ()}


def test_names_that_are_no_text_are_written_as_escapes() -> None:
    scores = Scores(missing=("caf\udce9",), counts={"\udce9": 1})
    assert json.loads(scores.to_json())["missing"] == ["caf\\udce9"]
    assert Scores.from_json(scores.to_json()) == Scores(missing=("caf\\udce9",), counts={"\\udce9": 1})
