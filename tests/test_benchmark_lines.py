"""The table of line rules: transcriptions whose breaks are known, and what the rules make of real references."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from script_modules import load_script, run_script

from lyricsep.datasets import open_dataset
from lyricsep.documents import LyricsDocument
from lyricsep.lyrics import Line, Lyrics, Segment, Word
from lyricsep.scoring import pool, rates
from lyricsep.transcribers.lines import LineRules

LINES = (
    "Si t'es là pour le meilleur et le pire,",
    "je te retiendrai quand tu voudras partir",
    "Et là, celui-là n'a jamais rien voulu de toi.",
    "Un coup c'est la guerre, un coup la fête",
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("benchmark_lines")


def sung(texts: tuple[str, ...]) -> Lyrics:
    """Lyrics in two segments, a line in each; words as Whisper parts them, with half a second between the lines."""
    lines, segments, clock = [], [], 0.0
    for half in (texts[: len(texts) // 2], texts[len(texts) // 2 :]):
        words = []
        for text in half:
            for piece in text.replace("'", " '").replace("-", " -").split():
                words.append(Word(clock, clock + 0.25, piece))
                clock += 0.25
            clock += 0.5
        lines.append(Line(words[0].start, words[-1].end, " ".join(half), tuple(words)))
        segments.append(Segment(words[0].start, words[-1].end))
        clock += 5
    return Lyrics(tuple(lines), "fr", clock, tuple(segments))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two songs with lyrics, and what was heard beside them."""
    folder = tmp_path / "songs"
    folder.mkdir()
    (tmp_path / "heard").mkdir()
    rows = []
    for name, texts in {"one": LINES, "two": LINES[::-1]}.items():
        text = "\n".join(texts[:2]) + "\n\n" + "\n".join(texts[2:])
        rows.append(json.dumps({"file_name": f"{name}.wav", "language": "fr", "text": text}))
        (folder / f"{name}.wav").touch()
        (tmp_path / "heard" / f"{name}.json").write_text(LyricsDocument.of(sung(texts)).to_json(), encoding="utf-8")
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_known_breaks(
    script: ModuleType,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(script, "TRIED", {"columns": (5, 35)})
    run_script(
        script, monkeypatch, "--dataset", dataset, "-o", out, "--heard", dataset.parent / "heard", "--held-out"
    )
    document = json.loads((out / "lines.json").read_text(encoding="utf-8"))
    rows = {row["lines"]: row for row in document["rows"]}
    assert list(rows)[:6] == [
        "a line a segment",
        "length alone",
        "+ sentence",
        "+ phrase",
        "+ pause",
        "+ repetition: all rules",
    ]
    assert all(row["WER"] == 0 for row in rows.values())
    # Both songs have three breaks of lines, of which that between the segments is one of sections too.
    whole = rows["a line a segment"]
    assert (whole["P_line"], whole["R_line"], whole["F1_sect"]) == (1, pytest.approx(1 / 3), 1)
    best = rows["+ repetition: all rules"]
    assert (best["F1_line"], best["F1_line_interval"], best["F1_sect"]) == (1, [1, 1], 1)
    assert best["F1_line_of_songs"] == {"one": 1, "two": 1}
    assert rows["all without length"]["F1_line"] < 1
    assert rows["all without sentence"]["F1_line"] < 1
    assert rows["all rules; sections by pauses over 3.0 s alone"]["F1_sect"] == 1
    assert rows["all rules, weights from the other songs"]["F1_line"] == 1
    assert document["about"]["held_out"] == {"one": {"columns": 35}, "two": {"columns": 35}}
    assert document["about"]["songs"] == ["one", "two"]
    text = (out / "lines.txt").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert "+ repetition: all rules" in text
    assert "| + repetition: all rules | 100.0 | 100.0 |" in (out / "lines.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_is_wrong_is_one_line(
    script: ModuleType, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--dataset", dataset, "-o", tmp_path / "out")
    heard = dataset.parent / "heard"
    lyrics = Lyrics((Line(0, 1, "a"),), "fr", 1.0, (Segment(0, 1),))
    (heard / "one.json").write_text(LyricsDocument.of(lyrics).to_json(), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^benchmark_lines: .*one\.json: lines without words; transcribe it again$"):
        run_script(script, monkeypatch, *arguments, "--heard", heard)
    (heard / "one.json").unlink()
    with pytest.raises(SystemExit, match=r"^benchmark_lines: .*: no one\.json in it; .*--format json$"):
        run_script(script, monkeypatch, *arguments, "--heard", heard)
    with pytest.raises(SystemExit, match=r"^benchmark_lines: one: cannot be transcribed \(.*one\.wav.*"):
        run_script(script, monkeypatch, *arguments)


def test_real_references(script: ModuleType, shared: Path) -> None:
    """What is missing to 100 % is not the fault of the transcription."""
    songs = open_dataset(str(shared / "jam-alt")).songs
    sung = [(song, script._spoken(song)) for song in songs]
    broken = pool(script._score(sung, script._by(LineRules())).values())
    assert broken.words.errors == 0
    assert rates(broken)["F1_line"] > 0.9
    assert rates(pool(script._score(sung, script._as_they_are).values()))["F1_sect"] > 0.7
    by_pauses = pool(script._score(sung, script._with_pauses_alone(3.0)).values())
    assert rates(by_pauses)["F1_sect"] < 0.5
