"""What the page of a song holds, without a browser: known rows, and texts that try to get out."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyricsep.datasets import Song
from lyricsep.documents import LyricsDocument
from lyricsep.lyrics import Line, Lyrics, Segment, Word
from lyricsep.pages import FoundSong, SongSound, render_song_page, song_content
from lyricsep.scoring import rates, score
from lyricsep.segmentation import RmsVadOptions
from lyricsep.transcribers.guard import FLAGS

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"


def line(start: float, text: str, *, timed: bool = True) -> Line:
    texts = text.split()
    words = tuple(Word(start + n, start + n + 0.5, one) for n, one in enumerate(texts)) if timed else ()
    return Line(start, start + len(texts), text, words)


def found_in(folder: Path, *lines: Line, name: str = "song") -> FoundSong:
    path = folder / f"{name}.json"
    segments = tuple(Segment(one.start, one.end) for one in lines)
    path.write_text(LyricsDocument.of(Lyrics(lines, "en", 100.0, segments), title=name).to_json(), encoding="utf-8")
    return FoundSong(name, path)


def content_of(folder: Path, reference: str, *lines: Line, **facts: Any) -> dict[str, Any]:
    return song_content(found_in(folder, *lines), reference=Song("song", "mine", "en", reference, **facts))


def told(row: dict[str, Any]) -> str:
    """Write a row as wdiff does."""
    forms = {
        "hit": "{heard}",
        "substitution": "[{sung}>{heard}]",
        "deletion": "[-{sung}-]",
        "insertion": "[+{heard}+]",
    }
    return "".join(forms[word["kind"]].format(**{"heard": "", "sung": "", **word}) for word in row["words"])


def test_rows_of_every_kind_of_error(tmp_path: Path) -> None:
    content = content_of(
        tmp_path,
        "I left my home,\n\nWe ride on.\nNever heard line\nLast one (oh)\n",
        line(1, "I left your home,"),
        line(10, "We gladly ride on."),
        line(20, "♪"),
        line(30, "Last one (oh)"),
    )
    rows = content["reference"]["rows"]
    assert [(row["line"], told(row)) for row in rows] == [
        (0, "I left [my >your ]home,"),
        (1, "We [+gladly +]ride on."),
        (None, "[-Never -][-heard -][-line-]"),
        (2, ""),
        (3, "Last one (oh)"),
    ]
    assert [word["word"] for word in rows[0]["words"]] == [0, 1, 2, 3]
    assert [row["start"] for row in rows] == [1, 10, None, 20, 30]


def test_a_deletion_stands_with_its_neighbours(tmp_path: Path) -> None:
    content = content_of(tmp_path, "one two three\nfour five six\n", line(1, "one two"), line(10, "five six"))
    assert [told(row) for row in content["reference"]["rows"]] == ["one two[-three-]", "[-four -]five six"]


def test_a_line_that_was_not_heard_has_the_time_of_the_reference(tmp_path: Path) -> None:
    timed = (Line(1.5, 3, "one two"), Line(4.5, 6, "<nl>oh</nl> three four"))
    content = content_of(tmp_path, "one two\n\n<nl>oh</nl> three four\n", line(1, "one two"), lines=timed)
    assert content["reference"]["rows"][1] == {
        "line": None,
        "start": 4.5,
        "words": [{"kind": "deletion", "sung": text} for text in ("oh ", "three ", "four")],
    }
    assert content["reference"]["lines"][1] == {"start": 4.5, "end": 6, "text": "oh three four"}


def test_parts_of_a_word_belong_to_one_timed_word(tmp_path: Path) -> None:
    content = content_of(tmp_path, "Don't go away", line(1, "Don't (go) a-way"))
    words = content["reference"]["rows"][0]["words"]
    assert [(word.get("heard"), word.get("word")) for word in words][:3] == [("Don", 0), ("'t ", 0), ("(go) ", 1)]


def test_without_times_of_words_none_are_told(tmp_path: Path) -> None:
    content = content_of(tmp_path, "one two", line(1, "one two", timed=False))
    assert content["reference"]["rows"][0]["words"] == [
        {"kind": "hit", "heard": "one ", "sung": "one "},
        {"kind": "hit", "heard": "two", "sung": "two"},
    ]


def test_long_runs_are_hallucinated(tmp_path: Path) -> None:
    content = content_of(tmp_path, "one", line(1, "one"), line(9, " ".join("abcdefghijkl")))
    assert [word.get("hallucinated") for word in content["reference"]["rows"][1]["words"]] == [True] * 12


def test_scores_are_those_of_the_scorer(tmp_path: Path) -> None:
    reference = "I left my home,\nI ride the train\n"
    content = content_of(tmp_path, reference, line(1, "I left my dome,"), line(6, "I ride train"))
    expected = score(reference, "I left my dome,\nI ride train\n", "en").counts
    found = {name: rate for name, rate in content["scores"]["rates"].items() if rate is not None}
    assert found == {name: rate for name, rate in rates(expected).items() if rate == rate}
    assert content["scores"]["counts"]["substitutions"] == 1
    assert content["scores"]["intervals"] is None
    assert content["reference"]["rows"][0]["words"][3]["near"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abc' -(),é🎵", max_size=12), max_size=6),
    st.lists(st.text("abc' -(),é🎵", max_size=12), max_size=6),
)
def test_rows_hold_every_word_once(
    tmp_path_factory: pytest.TempPathFactory, sung: list[str], heard: list[str]
) -> None:
    lines = tuple(line(10.0 * n, " ".join(text.split())) for n, text in enumerate(heard))
    content = content_of(tmp_path_factory.mktemp("x"), "\n".join(sung), *lines)
    rows = content["reference"]["rows"]
    assert [row["line"] for row in rows if row["line"] is not None] == list(range(len(lines)))
    counts = content["scores"]["counts"]
    words = [word for row in rows for word in row["words"]]
    for kind in ("hit", "substitution", "deletion", "insertion"):
        assert sum(word["kind"] == kind for word in words) == counts[f"{kind}s"]
    for row in rows:
        if row["line"] is not None and any("heard" in word for word in row["words"]):
            assert "".join(word.get("heard", "") for word in row["words"]) == lines[row["line"]].text


def test_what_is_not_there_is_null(tmp_path: Path) -> None:
    content = song_content(found_in(tmp_path))
    assert content["lines"] == []
    assert content["audio"] == {"mixture": None, "vocals": None}
    assert content["peaks"] == {"rate": 100, "mixture": None, "vocals": None}
    assert [content[key] for key in ("envelope", "reference", "scores", "manifest", "home", "review")] == [None] * 6
    assert content["flags"] == FLAGS
    assert content["duration"] == 100.0


def test_names(tmp_path: Path) -> None:
    found = found_in(tmp_path, line(1, "one"))
    assert song_content(found)["title"] == "song"
    known = Song("song", "mine", "en", "one", title="The Song", artist="A Band")
    content = song_content(found, reference=known)
    assert (content["title"], content["artist"]) == ("The Song", "A Band")
    lrc = tmp_path / "lost\udcff.lrc"
    lrc.write_text("[00:01.00]one\n", encoding="utf-8")
    assert song_content(FoundSong("a/lost\udcff", lrc))["title"] == "lost\\udcff"


def test_embedded_sound_is_a_uri_and_known_sound_is_not_read_again(tmp_path: Path) -> None:
    found = FoundSong("x", found_in(tmp_path).lyrics, EXAMPLE / "night_train.mp3")
    content = song_content(found)
    assert content["audio"]["mixture"].startswith("data:audio/webm;base64,GkXfo")  # the first bytes of EBML
    assert content["duration"] == 100.0
    assert len(base64.b64decode(content["peaks"]["mixture"])) == 4954
    missing = FoundSong("x", found.lyrics, tmp_path / "nothing.mp3")
    assert song_content(missing, sound=SongSound(), audio="none")["peaks"]["mixture"] is None


def test_links_are_relative_to_the_page(tmp_path: Path) -> None:
    song = tmp_path / "songs" / "a #1 & é.mp3"
    song.parent.mkdir()
    song.write_bytes((EXAMPLE / "night_train.mp3").read_bytes())
    found = FoundSong("x", found_in(tmp_path).lyrics, song)
    content = song_content(found, audio="link", page=tmp_path / "report" / "x.html")
    assert content["audio"] == {"mixture": "../songs/a%20%231%20%26%20%C3%A9.mp3", "vocals": None}
    assert content["peaks"]["mixture"]
    with pytest.raises(ValueError, match="needs the page"):
        song_content(found, audio="link")


def test_the_thresholds_are_those_of_the_run(tmp_path: Path) -> None:
    found = FoundSong("x", found_in(tmp_path).lyrics, None, EXAMPLE / "night_train.vocals.ogg")
    manifest = {"plan": asdict(RmsVadOptions(onset=0.2, offset=0.1))}
    quiet, loud = song_content(found, audio="none"), song_content(found, audio="none", manifest=manifest)
    assert loud["envelope"]["onset"] - quiet["envelope"]["onset"] == pytest.approx(6.02, abs=0.01)
    odd = song_content(found, audio="none", manifest={"plan": {"onset": "?"}})
    assert odd["envelope"] == quiet["envelope"]


def inner(page: str, pattern: str) -> str:
    match = re.search(pattern, page, re.DOTALL)
    assert match
    return match[1]


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path) -> None:
    page = render_song_page(content_of(tmp_path, "one", line(1, "one")))
    assert not re.search(r"<(link(?! rel=\"icon\" href=\"data:,\")|img|iframe|object)|<script[^>]* src", page)
    assert not re.search(r"\son\w+=", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    assert "BSD 3-Clause License" in page
    assert "katspaugh" in page
    assert "%" not in re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL).replace("95 %", "")


def test_only_scripts_of_the_page_may_run(tmp_path: Path) -> None:
    for review in (None, {"save": "/api", "revision": 0, "token": None, "machine": None, "home": None}):
        page = render_song_page({**content_of(tmp_path, "one", line(1, "one")), "review": review})
        policy = html.unescape(inner(page, r'Content-Security-Policy" content="([^"]*)"'))
        scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
        assert len(scripts) == 2
        assert policy.endswith("script-src " + " ".join(f"'sha256-{digest}'" for digest in digests))
        assert not any(re.search(r"^(import|export) ", script, re.MULTILINE) for script in scripts)
        assert ("new Editor" in page) == (review is not None)


@pytest.mark.parametrize(
    "evil",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "\"'><img src=x>",
        "\u2028\u2029",
        "{{ module }}{% raw %}",
        "e\u0301 שלום 🎵",
    ],
)
def test_texts_stay_texts(tmp_path: Path, evil: str) -> None:
    content = {
        **content_of(tmp_path, "one", line(1, "one")),
        "title": evil,
        "artist": evil,
        "manifest": {evil: [evil]},
    }
    page = render_song_page(content)
    read = json.loads(inner(page, r'<script type="application/json" id="content">(.*?)</script>'))
    assert read == json.loads(json.dumps(content))
    assert html.unescape(inner(page, "<title>(.*?)</title>")) == f"{evil} – lyrics"
    assert page.count("<script") == 3
    assert page.count("<!--") == render_song_page({**content, "title": "", "artist": "", "manifest": None}).count(
        "<!--"
    )


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    page = render_song_page({**content_of(tmp_path, "one", line(1, "one")), "name": "lost\udcff"})
    page.encode("utf-8")


def test_lines_are_those_of_the_document(tmp_path: Path) -> None:
    lines = (line(1, "one two"), line(5, "three"))
    content = song_content(found_in(tmp_path, *lines))
    assert content["lines"] == [{**asdict(one)} for one in lines]


def test_lyrics_without_times_are_compared_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_text("hello there my friend\n\n...\nwe went home\n", encoding="utf-8")
    found = FoundSong("song", tmp_path / "song.txt")
    reference = Song("song", "mine", "en", "hello there my friend\nwe go home\nnow")
    rows = song_content(found, reference=reference)["reference"]["rows"]
    assert [told(row) for row in rows] == ["hello there my friend", "...", "we [go >went ]home", "[-now-]"]
    assert all(row["line"] is None and row["start"] is None for row in rows)


def test_lyrics_without_times_are_shown(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_text("hello there\n\nwe go home\n", encoding="utf-8")
    content = song_content(FoundSong("song", tmp_path / "song.txt"))
    assert [told(row) for row in content["untimed"]] == ["hello there", "we go home"]
    assert content["lines"] == []
    assert song_content(found_in(tmp_path, line(1.0, "hello")))["untimed"] == []
