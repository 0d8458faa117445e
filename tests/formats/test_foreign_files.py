"""Files of other programs in the formats that came later: as they are in the wild, and broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lyricsep.errors import ConfigError, DatasetError
from lyricsep.formats import (
    LYRICS_SUFFIXES,
    TIMED_SUFFIXES,
    Transcript,
    find_lyrics,
    lyrics_stem,
    render_transcript,
)
from lyricsep.lyrics import Line, Segment, Word

Read = Callable[[str, str], Transcript]


# ASS

EVENTS = "[Script Info]\nTitle: Lied\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: D,Arial\n\n[Events]\n"


def test_ass(read: Read) -> None:
    found = read(
        EVENTS + "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Comment: 0,0:00:00.00,0:00:01.00,D,,0,0,0,,not sung\n"
        "Dialogue: 0,0:00:05.00,0:00:07.00,D,Ann,0,0,0,,{\\an8\\fad(1,1)}later,{\\i1} on\\Nand\\hon{\\i0}\n"
        "Dialogue: 0,10:00:01.50,10:00:03.00,D,,0,0,0,karaoke,{\\k20}Hal{\\kf30}le {\\K25}lu{\\k10\\k15} \\{jah\\}\n"
        "Dialogue: 0,0:00:08.00,0:00:09.00,D,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}drawn{\\p2} l 1 1\n"
        "Dialogue: 0,0:00:09.00,0:00:10.00,D,,0,0,0,,\n",
        ".ass",
    )
    assert found.title == "Lied"
    assert [(line.start, line.end, line.text) for line in found.lines[:3]] == [
        (5, 7, "later, on"),
        (5, 7, "and on"),
        (8, 9, "drawn"),
    ]
    assert found.lines[3] == Line(
        36001.5,
        36003.0,
        "Halle lu {jah}",
        (Word(36001.5, 36002, "Halle"), Word(36002, 36002.25, "lu"), Word(36002.35, 36002.5, "{jah}")),
    )


def test_ssa_has_other_fields(read: Read) -> None:
    content = EVENTS + "Format: Marked, Start, End, Text\nDialogue: Marked=0,0:00:01.00,0:00:02.00,a, b\n"
    assert read(content, ".ass").lines == (Line(1, 2, "a, b"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,0:00:02.00,0:00:01.00,D,,0,0,0,,a", r"row 9: expected 10 fields with Start and End .*, got '0,0:00:02"),
        ("0,0:61:00.00,0:62:01.00,D,,0,0,0,,a", "row 9: expected 10 fields"),
        ("0,0:00:01.00,0:00:02.00,a", "row 9: expected 10 fields"),
    ],
)
def test_broken_events(read: Read, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"Grüße\.ass: {message}.*; correct it$"):
        read(f"{EVENTS}Dialogue: {row}\n", ".ass")


def test_ass_without_events(read: Read) -> None:
    with pytest.raises(DatasetError, match=r"Grüße\.ass: expected a row \[Events\]"):
        read("Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,a\n", ".ass")


# TTML


def test_ttml_times_count_from_the_element_around_them(read: Read) -> None:
    found = read(
        '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr-CA">\n'
        '<head><metadata><title xmlns="http://www.w3.org/ns/ttml#metadata">Été &amp; hiver</title></metadata>\n'
        "</head>"
        '<body begin="10s"><div begin="00:01:00.5">\n'
        '<p begin="1s" end="2500ms">a\n   <span tts="x">b</span><br/>c</p></div>\n'
        '<div><p begin="0.1m" dur="2s">&lt;d&gt;</p><p begin="7s" end="8s"> </p></div></body></tt>\n',
        ".ttml",
    )
    assert found.lines == (Line(16, 18, "<d>"), Line(71.5, 73, "a b"), Line(71.5, 73, "c"))
    assert found.text == "a b\nc\n\n<d>\n"
    assert (found.language, found.title) == ("fr", "Été & hiver")


def test_ttml_of_apple_counts_from_the_start(read: Read) -> None:
    found = read(
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:itunes="http://music.apple.com/lyric-ttml-internal" '
        'itunes:timing="Word"><body dur="1:10.5"><div begin="9.5" end="12.000"><p begin="9.5" end="12.000">'
        '<span begin="9.5" end="10.1">Hel</span><span begin="10.1" end="11">lo</span> '
        '<span begin="11" end="12">you</span></p></div><div begin="1:05.25" end="1:10.5">'
        '<p begin="1:05.25" end="1:10.5">bye</p></div></body></tt>',
        ".ttml",
    )
    assert found.lines == (Line(9.5, 12, "Hello you"), Line(65.25, 70.5, "bye"))
    assert found.text == "Hello you\n\nbye\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<tt><p", "not XML"),
        ("<html/>", "expected TTML, got <html>"),
        ('<!DOCTYPE tt [<!ENTITY a "b">]><tt>&a;</tt>', "expected TTML, got XML with a document type"),
        ('<tt><body><p begin="10f" end="2s">a</p></body></tt>', "expected a time as .*, got '10f'"),
        ('<tt><body><p begin="3s" end="2s">a</p></body></tt>', "Line needs 0 <= start <= end"),
        ("<tt><body><p>a</p></body></tt>", "<p> at 0.000 s has no begin with end or dur; correct it"),
    ],
)
def test_broken_ttml(read: Read, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"Grüße\.ttml: {message}"):
        read(content, ".ttml")


# Tables


def test_tables(read: Read) -> None:
    # Any order, other columns, quotes and line breaks in a text.
    found = read('n,End, START ,text\r\n2,4,3.5,b\r\n1,2.5,1,"a ""x"",\r\ny"\r\n3,5,5,\r\n\r\n', ".csv")
    assert found.lines == (Line(1, 2.5, 'a "x", y'), Line(3.5, 4, "b"))
    assert read("start_time,end_time,lyrics_line\n1,2,a\n", ".csv").lines == (Line(1, 2, "a"),)


def test_a_tsv_of_whisper_is_in_milliseconds(read: Read) -> None:
    assert read("start\tend\ttext\n500\t2000\ta b\n", ".tsv").lines == (Line(0.5, 2, "a b"),)
    assert read("start\tend\ttext\n500\t2000.0\ta b\n", ".tsv").lines == (Line(500, 2000, "a b"),)
    assert read("start,end,text\n500,2000,a b\n", ".csv").lines == (Line(500, 2000, "a b"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,a\n", "expected the header 'start,end,text', got '1,2,a'; add it"),
        (
            "start,end,text\n1,x,a\n",
            r"row 1 below the header: expected 0 <= start <= end in seconds, got \('1', 'x'\)",
        ),
        ("start,end,text\n1,2,a\n3,2,b\n", "row 2 below the header"),
        ("start,end,text\nnan,nan,a\n", "row 1 below the header"),
        ("start,end,text\n1\n", "row 1 below the header"),
        ('start,end,text\n1,2,"a\n', "not a table"),
    ],
)
def test_broken_tables(read: Read, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"Grüße\.csv: {message}"):
        read(content, ".csv")


def test_labels_of_audacity(read: Read) -> None:
    found = read("1.0\t2.5\ta b\n\\\t100.0\t200.0\n3.0\t3.0\tc\td\n4.0\t4.0\t\n", ".labels.txt")
    assert found.lines == (Line(1, 2.5, "a b"), Line(3, 3, "c\td"))
    with pytest.raises(DatasetError, match=r"Grüße\.labels\.txt: row 2: expected 0 <= start <= end"):
        read("1.0\t2.0\ta\nhello\n", ".labels.txt")


# TextGrid

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
4
<exists>
3
"TextTier"
"beats"
0
4
1
2.5
"x"
"IntervalTier"
"Lines"
0
4
3
0
1
""
1
3
"say ""hi""
there"
3
4
"bye"
"IntervalTier"
"words"
0
4
2
1
2
"say"
3
4
"bye"
"""


def test_a_short_textgrid(read: Read) -> None:
    found = read(SHORT, ".TextGrid")
    assert found.duration == 4
    assert found.lines == (
        Line(1, 3, 'say "hi" there', (Word(1, 2, "say"),)),
        Line(3, 4, "bye", (Word(3, 4, "bye"),)),
    )


def test_the_only_tier_of_intervals_is_the_lines(read: Read) -> None:
    content = SHORT.replace("<exists>\n3", "<exists>\n2").replace('"Lines"', '"Ann"')
    assert [line.text for line in read(content, ".textgrid").lines] == ['say "hi" there', "bye"]
    with pytest.raises(DatasetError, match="expected a tier called lines, got Ann, words; rename one"):
        read(SHORT.replace('"Lines"', '"Ann"'), ".TextGrid")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SHORT[:150], "not a complete TextGrid; save it again from Praat"),
        (SHORT.replace("\n1\n3\n", "\n3\n1\n"), "Line needs 0 <= start <= end"),
        ('File type = "ooTextFile"\n"PitchTier"\n', "expected an ooTextFile that is a TextGrid"),
        ("hello", "not a complete TextGrid"),
    ],
)
def test_broken_textgrids(read: Read, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"Grüße\.TextGrid: {message}"):
        read(content, ".TextGrid")


# JSON


def test_json_with_half_a_character(read: Read) -> None:
    lines = '[{"start": 0, "end": 1, "text": "\\ud83d"}]'
    with pytest.raises(DatasetError, match=r"lines\[0\]\.text: expected a string, got '.ud83d'"):
        read(f'{{"schema": "lyricsep/lyrics", "version": 1, "lines": {lines}}}', ".json")


# From one to another


def test_lrc_tags_are_kept(read: Read) -> None:
    found = read("[ti: Été ]\n[ar:Les Uns]\n[length:02:03.5]\n[00:01.00]a\n[00:02.00]\n", ".lrc")
    assert (found.title, found.artist, found.duration) == ("Été", "Les Uns", 123.5)
    assert render_transcript(found, "lrc", name="x").startswith("[ti:Été]\n[ar:Les Uns]\n[length:02:04]\n")


def test_what_a_file_does_not_say_is_told_from_its_lines() -> None:
    lyrics = Transcript("a\nb\nc\n", (Line(1, 4, "a"), Line(2, 3, "b"), Line(5, 6, "c"))).lyrics
    assert lyrics.segments == (Segment(1, 4), Segment(5, 6))
    assert lyrics.duration == 6


def test_text_keeps_the_sections_of_its_file(read: Read) -> None:
    found = read("[00:01.00]a\n[00:02.00]\n[00:02.50]b\n", ".lrc")
    assert render_transcript(found, "txt", name="x") == "a\n\nb\n"


def test_text_without_times_stays_text(read: Read) -> None:
    found = read("a\n\n\n b\n", ".txt")
    assert render_transcript(found, "txt", name="x.txt") == "a\n\nb\n"
    with pytest.raises(DatasetError, match=r"x\.txt: has no times, which srt needs; choose format='txt'"):
        render_transcript(found, "srt", name="x.txt")
    assert render_transcript(read("", ".txt"), "vtt", name="x.txt") == "WEBVTT\n"
    with pytest.raises(ConfigError, match="no format 'doc'"):
        render_transcript(read("", ".txt"), "doc", name="x.txt")


# Names


def test_stems() -> None:
    names = ["a.lrc", "a.words.lrc", "a.labels.txt", "a.TEXTGRID", "a.b.json", "a.doc", ".txt"]
    assert [lyrics_stem(Path("x") / name) for name in names] == ["a", "a", "a", "a", "a.b", "a.doc", ".txt"]


def test_find_lyrics(tmp_path: Path) -> None:
    for name in (
        *("é/a.txt", "é/a.lrc", "é/a.words.lrc", "b.srt", "b.ass", "c.csv", "d.TextGrid", "d.labels.txt"),
        *(".hidden.txt", ".git/x.txt", "lyricsep-20260101.json", "song.mp3"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "c.csv").write_text("start,end,text\n")
    found = {stem: str(path.relative_to(tmp_path)) for stem, path in find_lyrics(tmp_path, TIMED_SUFFIXES).items()}
    assert found == {"b": "b.ass", "c": "c.csv", "d": "d.TextGrid", "é/a": "é/a.words.lrc"}
    found = {stem: path.name for stem, path in find_lyrics(tmp_path, LYRICS_SUFFIXES).items()}
    assert found == {"b": "b.srt", "c": "c.csv", "d": "d.labels.txt", "é/a": "a.txt"}
