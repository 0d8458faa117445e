"""Files as exports, captions and editors write them: every word with its time, and no more than the words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from lyricsep.errors import DatasetError
from lyricsep.formats import FORMATS, Transcript, file_suffixes, read_lyrics, render_lyrics, render_transcript
from lyricsep.lyrics import Line, Lyrics, Word

Read = Callable[[str, str], Transcript]
Spans = list[tuple[float, float, str]]


@pytest.fixture
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("../shared has no folder cases")
    return shared / "cases"


def spans(found: Transcript) -> Spans:
    return [(line.start, line.end, line.text) for line in found.lines]


def texts(found: Transcript) -> list[str]:
    return [line.text for line in found.lines]


# Times of hundreds of digits

HUGE = "9" * 400
"""Too large for a float; 5000 digits are too many for `int`."""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OverflowError_ass.py_142.ass", r"row 16: expected 10 fields with Start and End as h:mm:ss\.xx"),
        ("OverflowError_ass.py_152.ass", r"row 22: expected 10 fields with Start and End as h:mm:ss\.xx"),
        ("OverflowError_textgrid.py_173.TextGrid", "expected finite numbers, got one of hundreds of digits"),
    ],
)
def test_case_overflowing_times_are_refused(cases: Path, name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"{name}: {message}"):
        read_lyrics(cases / "overflowing-times" / name)


def test_case_overflowing_word_time_is_ignored(cases: Path) -> None:
    found = read_lyrics(cases / "overflowing-times" / "OverflowError_clock.py_38.vtt")
    line = found.lines[8]
    assert line.text == "All night long the wheels go round"
    assert line.words[:2] == (Word(37.604, 38.704, "All"), Word(38.704, 39.304, "night"))


@pytest.mark.parametrize("digits", [HUGE, "9" * 5000])
@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".srt", "1\n{}:00:01,000 --> {}:00:02,000\na\n"),
        (".vtt", "WEBVTT\n\n{}:00:01.000 --> {}:00:02.000\na\n"),
        (".lrc", "[{}:01.00]a\n"),
        (".ass", "[Events]\nDialogue: 0,{}:00:01.00,{}:00:02.00,D,,0,0,0,,a\n"),
        (".ttml", '<tt><body><p begin="{}s" end="{}s">a</p></body></tt>'),
        (".ttml", '<tt><body><p begin="{}:00:01" end="{}:00:02">a</p></body></tt>'),
        (".ttml", '<tt><body><p begin="00:00:{}" end="00:00:{}">a</p></body></tt>'),
        (".csv", "start,end,text\n{},{},a\n"),
        (".tsv", "start\tend\ttext\n{}\t{}\ta\n"),
        (".labels.txt", "{}\t{}\ta\n"),
        (".TextGrid", '"ooTextFile"\n"TextGrid"\n0 {} <exists> 1 "IntervalTier" "lines" 0 {} 1 0 {} "a"'),
        (".TextGrid", '"ooTextFile"\n"TextGrid"\n0 1 <exists> {} "IntervalTier" "lines" 0 1 1 0 1 "a"'),
    ],
)
def test_times_of_hundreds_of_digits_are_refused(read: Read, suffix: str, content: str, digits: str) -> None:
    with pytest.raises(DatasetError, match=rf"Grüße{suffix}: "):
        read(content.replace("{}", digits), suffix)


@pytest.mark.parametrize("time", ["inf", "-inf", "nan", "1e400"])
def test_infinite_times_of_tables_are_refused(read: Read, time: str) -> None:
    with pytest.raises(DatasetError, match="row 1"):
        read(f"start,end,text\n0,{time},a\n", ".csv")
    with pytest.raises(DatasetError, match="row 1"):
        read(f"0\t{time}\ta\n", ".labels.txt")


def test_syllables_of_any_length_end_with_their_event(read: Read) -> None:
    row = r"0,0:00:01.00,0:00:03.00,D,,0,0,0,,{\k50}a {\k" + HUGE + r"}b {\k10\p" + "0" * 5000 + "}c"
    (line,) = read(f"[Events]\nDialogue: {row}\n", ".ass").lines
    assert line.words == (Word(1, 1.5, "a"), Word(1.5, 3, "b"), Word(3, 3, "c"))


def test_other_times_of_lrc_that_overflow_are_ignored(read: Read) -> None:
    found = read(f"[length:{HUGE}:00]\n[offset:{HUGE}]\n[00:01.00]<{HUGE}:01.00>a\n[{HUGE}:02.00]b\n", ".lrc")
    assert texts(found) == [f"<{HUGE}:01.00>a"]
    assert (found.duration, found.lines[0].start) == (0, 1)


# LRC


def test_case_lrc_end_times(cases: Path) -> None:
    found = read_lyrics(cases / "lrc-end-and-inline-stamps" / "endtimes.lrc")
    assert spans(found) == [(1, 3, "one bright morning"), (3, 5.2, "we sail away"), (8, 10, "home again")]


def test_case_lrc_times_between_words(cases: Path) -> None:
    found = read_lyrics(cases / "lrc-end-and-inline-stamps" / "bracketwords.lrc")
    assert found.lines == (
        Line(1, 3, "one bright morning", (Word(1, 1.5, "one"), Word(1.5, 2, "bright"), Word(2, 3, "morning"))),
        Line(4, 5, "we sail", (Word(4, 4.4, "we"), Word(4.4, 5, "sail"))),
    )


def test_lrc_times_between_kana(read: Read) -> None:
    found = read("[00:01:00]よ[00:01:20]る[00:01:50]に[00:02:00]\n", ".lrc")
    assert found.lines == (Line(1, 2, "よるに", (Word(1, 1.2, "よ"), Word(1.2, 1.5, "る"), Word(1.5, 2, "に"))),)


@pytest.mark.parametrize("row", ["[00:01.00] [00:05.00] x", "[00:01.00]  [00:05.00]x", "[00:01.00][00:05.00] x"])
def test_lrc_several_times_with_spaces_between(read: Read, row: str) -> None:
    assert spans(read(f"{row}\n[00:03.00]\n[00:06.00]", ".lrc")) == [(1, 3, "x"), (5, 6, "x")]


def test_lrc_end_time_of_a_repeated_line_moves_with_it(read: Read) -> None:
    found = read("[00:01.00][00:11.00]a b[00:02.50]\n[00:20.00]c", ".lrc")
    assert spans(found)[:2] == [(1, 2.5, "a b"), (11, 12.5, "a b")]
    assert found.lines[0].words == ()


def test_lrc_first_word_with_a_time_of_its_own(read: Read) -> None:
    found = read("[00:01.00][00:01.25]one [00:01.50]two[00:02.00]", ".lrc")
    assert found.lines == (Line(1, 2, "one two", (Word(1.25, 1.5, "one"), Word(1.5, 2, "two"))),)


def test_lrc_row_with_word_times_only(read: Read) -> None:
    found = read("<00:01.00>one <00:01.50>two<00:02.00>\n[00:03.00]", ".lrc")
    assert found.lines == (Line(1, 2, "one two", (Word(1, 1.5, "one"), Word(1.5, 2, "two"))),)


def test_lrc_end_time_before_the_start_is_ignored(read: Read) -> None:
    assert spans(read("[00:05.00]a[00:03.00]\n[00:07.00]b", ".lrc"))[0] == (5, 7, "a")


def test_lrc_background_vocals_are_sung(read: Read) -> None:
    found = read(
        "[00:07.00]v1: <00:07.00>hello <00:07.50>you\n"
        "[bg: <00:07.60>ooh <00:07.80>yeah<00:08.20>]\n"
        "[bg:(hey)]\n"
        "[00:09.00][bg:la]\n"
        "[00:10.00]v2: end\n",
        ".lrc",
    )
    assert found.lines == (
        Line(7, 10, "hello you", (Word(7, 7.5, "hello"), Word(7.5, 10, "you"))),
        Line(7.6, 8.2, "(ooh yeah)", (Word(7.6, 7.8, "(ooh"), Word(7.8, 8.2, "yeah)"))),
        Line(7.6, 10, "(hey)"),
        Line(9, 10, "(la)"),
        Line(10, 10, "end"),
    )


@pytest.mark.parametrize("voice", ["v1:", "v2: ", "v1000: ", "F: ", "M:", "D: "])
def test_lrc_voices_are_not_sung(read: Read, voice: str) -> None:
    assert texts(read(f"[00:01.00]{voice}we sail\n", ".lrc")) == ["we sail"]


def test_lrc_hours(read: Read) -> None:
    found = read("[00:59:50.5]a\n[01:02:03.25]b\n[01:30:50]c", ".lrc")
    assert spans(found) == [(90.5, 3590.5, "c"), (3590.5, 3723.25, "a"), (3723.25, 3723.25, "b")]


def test_lrc_odd_rows_are_skipped_and_named(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = read(
            "[ti:x]\n@Ruby1=夜,よる\n[00:01.00]a\nhello\n[00:99.00]b [x]\n[ooh]\n[00:02.00]c\nd [00:03.00]\n[#:x]",
            ".lrc",
        )
    assert spans(found) == [(1, 2, "a"), (2, 2, "c")]
    assert [record.getMessage().partition("Grüße")[2] for record in caplog.records] == [
        ".lrc: skipped rows 4, 5, 6, 8: no time [mm:ss.xx] that can be read"
    ]


def test_lrc_offset_that_is_no_number_is_told(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    assert spans(read("[offset:0.5s]\n[00:01.00]a\n", ".lrc")) == [(1, 1, "a")]
    assert "ignored [offset:0.5s]" in caplog.text


def test_case_lrc_has_no_empty_row_at_the_next_time(cases: Path, tmp_path: Path) -> None:
    song = read_lyrics(cases / "lrc-empty-row-same-time" / "same.json")
    for name in ("lrc", "elrc"):
        rows = render_transcript(song, name, name="same.json").splitlines()
        times = [row[:10] for row in rows if row.startswith("[0")]
        assert times == sorted(set(times)), name
        assert rows[-1] == "[00:36.00]"
        path = tmp_path / "same.lrc"
        path.write_text("\n".join(rows), encoding="utf-8")
        # The sections of the song are those of its text.
        assert read_lyrics(path).text == song.text
        assert song.text.count("\n\n") == 2


def test_lrc_keeps_sections_that_follow_at_once(read: Read) -> None:
    lyrics = Lyrics(
        (Line(0, 1, "a", section=""), Line(1, 2, "b", section=""), Line(1, 3, "c"), Line(4, 5, "d", section=""))
    )
    content = render_lyrics(lyrics, "lrc")
    assert content == "[re:lyricsep]\n[00:00.00]a\n\n[00:01.00]b\n[00:01.00]c\n[00:03.00]\n[00:04.00]d\n[00:05.00]\n"
    assert read(content, ".lrc").text == "a\n\nb\nc\n\nd\n"


@pytest.mark.parametrize(
    "text",
    [
        "[00:05.00] x",
        "a [00:05.00] b",
        "a <00:05.00>",
        "[bg:x]",
        "v1: x",
        "F: x",
        "[x]",
        "v1",
        "<00:05.00",
        "[offset:900]",
        "x [length:9:00]",
    ],
)
def test_lrc_text_like_a_time_comes_back(read: Read, text: str) -> None:
    lyrics = Lyrics((Line(1, 2, text),), duration=9.0)
    for name in ("lrc", "elrc"):
        assert read(render_lyrics(lyrics, name), ".lrc").lines == (Line(1, 2, text),), name


# SubRip and WebVTT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dig.srt", [(1, 2, "count with me"), (3, 4, "99"), (5, 6, "red balloons")]),
        ("digblank.srt", [(1, 2, "count with me"), (1, 2, "99"), (3, 4, "red balloons")]),
        ("lastdig.srt", [(1, 2, "count"), (3, 4, "4")]),
        ("vttdig.vtt", [(1, 2, "5"), (3, 4, "six")]),
    ],
)
def test_case_sung_numbers(cases: Path, name: str, expected: Spans) -> None:
    assert spans(read_lyrics(cases / "srt-number-lines" / name)) == expected


CUE = "00:00:0{}.000 --> 00:00:0{}.000\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["1", 1, "2", 2, "b"], ["b"]),  # a cue without text
        (["1", 1, "1", "2", 2, "2"], ["1", "2"]),
        (["1", 1, "a", "7", 2, "b"], ["a", "b"]),  # numbers with gaps
        (["1", 1, "7", 2, "b"], ["7", "b"]),
        ([1, "a", "7", 2, "b"], ["a", "7", "b"]),  # no numbers
        ([1, "a", "2", 2, "b"], ["a", "b"]),
        (["1", 1, "a", " ", "2", 2, "b"], ["a", "b"]),
        (["1", 1, "a", "", "9" * 5000, 2, "b"], ["a", "b"]),
        (["1", 1, "a", "", "", "5", "", "", "2", 2, "b"], ["a", "5", "b"]),
        ([1, "²", "", 2, "١"], ["²", "١"]),
    ],
)
@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_sung_numbers_and_numbers_of_cues(
    read: Read, suffix: str, rows: list[str | int], expected: list[str]
) -> None:
    content = "\n".join(CUE.format(row, row + 1)[:-1] if isinstance(row, int) else row for row in rows)
    assert texts(read(("WEBVTT\n\n" if suffix == ".vtt" else "") + content, suffix)) == expected


def test_case_a_row_of_a_space_does_not_end_a_cue(cases: Path) -> None:
    found = read_lyrics(cases / "vtt-space-row" / "ws.vtt")
    assert spans(found) == [(1, 2, "first words"), (3, 4, "second row"), (3, 4, "third row")]


def test_a_row_of_a_space_in_subrip(read: Read) -> None:
    found = read("1\n00:00:01,000 --> 00:00:02,000\na\n \nb\n\t\n2\n00:00:03,000 --> 00:00:04,000\nc\n", ".srt")
    assert spans(found) == [(1, 2, "a"), (1, 2, "b"), (3, 4, "c")]


ROLLED = [
    Line(1, 3, "one bright morning", (Word(1, 1.5, "one"), Word(1.5, 2, "bright"), Word(2, 3, "morning"))),
    Line(3.01, 5, "we sail away", (Word(3.01, 3.5, "we"), Word(3.5, 4, "sail"), Word(4, 5, "away"))),
]


def test_case_rolling_captions(cases: Path) -> None:
    assert list(read_lyrics(cases / "vtt-space-row" / "yt.vtt").lines) == ROLLED


def test_rolling_captions_as_subrip(read: Read) -> None:
    cues = [(1, 3, "a b"), (3, 3.01, "a b"), (3.01, 5, "a b\nc d"), (5, 5.01, "c d"), (5.01, 7, "c d\na b")]
    content = "".join(
        f"{number}\n00:00:{start:06.3f} --> 00:00:{end:06.3f}\n{text}\n\n"
        for number, (start, end, text) in enumerate(cues, start=1)
    )
    assert spans(read(content, ".srt")) == [(1, 3, "a b"), (3.01, 5, "c d"), (5.01, 7, "a b")]
    # Broadcasters' captions roll without the short cues.
    content = "WEBVTT\n\n" + "".join(f"{CUE.format(n, n + 1)}{n - 1}\n{n}\n\n" for n in range(1, 6))
    assert texts(read(content, ".vtt")) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "rows",
    [
        ["la la"] * 5,
        ["la la\nla la"] * 5,
        ["la\nhey", "hey\nla"],
        ["a\nb", "b\nc", "d\ne", "f\ng", "h\ni"],
        ["a\nb", "a\nc", "a\nd", "a\ne"],
    ],
)
def test_refrains_are_no_rolling_captions(read: Read, rows: list[str]) -> None:
    content = "WEBVTT\n\n" + "".join(f"{CUE.format(n, n + 1)}{text}\n\n" for n, text in enumerate(rows))
    assert texts(read(content, ".vtt")) == "\n".join(rows).split("\n")


@pytest.mark.parametrize(("begin", "end"), [("<u>", "</u>"), ('<font color="#00ff00">', "</font>")])
def test_cues_that_highlight_each_word_are_one_line(read: Read, begin: str, end: str) -> None:
    rows = ["[la] la", "la [la]", "[la] la", "la la", "la [la]", "[home]", "[you]"]
    content = "".join(
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{row.replace('[', begin).replace(']', end)}\n\n"
        for n, row in enumerate(rows)
    )
    assert spans(read(content, ".srt")) == [(0, 2, "la la"), (2, 5, "la la"), (5, 6, "home"), (6, 7, "you")]


def test_lines_with_a_word_underlined_are_sung_again(read: Read) -> None:
    rows = ["la la", "la <u>la</u>", "la la", "hey"]
    content = "WEBVTT\n\n" + "".join(f"{CUE.format(n, n + 1)}{row}\n\n" for n, row in enumerate(rows))
    assert texts(read(content, ".vtt")) == ["la la", "la la", "la la", "hey"]


def test_case_entities_of_subrip(cases: Path) -> None:
    found = read_lyrics(cases / "srt-entities" / "ent.srt")
    assert spans(found) == [(1, 2, "rock & roll now"), (1, 2, "again")]
    written = render_transcript(found, "vtt", name="ent.srt")
    assert "rock &amp; roll now\n" in written
    assert "amp;amp" not in written


def test_case_substation_in_subrip(cases: Path) -> None:
    assert spans(read_lyrics(cases / "srt-entities" / "ssa.srt")) == [(1, 2, "hey you"), (1, 2, "there")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a<BR>b<br />c", ["a", "b", "c"]),
        (r"{\an8}a\nb\hc", ["a", "b c"]),
        ("&lt;3 &#39;til &#x27;em&quot;", ["<3 'til 'em\""]),
        ("R&B AT&T; & &notanentity; &#10;x", ["R&B AT&T; & &notanentity;  x"]),
        ("&amp;amp;", ["&amp;"]),
        ('<font color="#fff">a</font> <b>b</b>', ["a b"]),
    ],
)
def test_marks_in_subrip(read: Read, row: str, expected: list[str]) -> None:
    assert texts(read(f"1\n00:00:01,000 --> 00:00:02,000\n{row}\n", ".srt")) == expected


@pytest.mark.parametrize(
    "text", ["<i>a</i> <br>", r"a\Nb \h", r"{\an8}", "&amp; &#10;", "<b &lt;>", "<là> {x} & 3 < 4", "<00:01:02.500>"]
)
def test_text_like_a_mark_comes_back_from_subrip(read: Read, text: str) -> None:
    lyrics = Lyrics((Line(1, 2, text),))
    assert read(render_lyrics(lyrics, "srt"), ".srt").lines == lyrics.lines


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("now<br>again", ["now", "again"]),
        ("I <3 you <c>too</c>", ["I <3 you too"]),
        ("<ruby>夜<rt>よる</rt></ruby>に", ["夜に"]),
        ("a&nbsp;b &lrm;c", ["a b \u200ec"]),
        ("♪ we sail ♪", ["♪ we sail ♪"]),
    ],
)
def test_marks_in_webvtt(read: Read, row: str, expected: list[str]) -> None:
    assert texts(read(f"WEBVTT\n\n00:01.000 --> 00:02.000 align:start line:0%\n{row}\n", ".vtt")) == expected


def test_word_times_of_webvtt_go_on_in_the_next_row(read: Read) -> None:
    cue = "one <00:01.500>two<br>\n<00:02.000>three\nfour <00:02.500>five\nsix"
    found = read(f"WEBVTT\n\n00:01.000 --> 00:03.000\n{cue}\n", ".vtt")
    assert [(line.text, line.words) for line in found.lines] == [
        ("one two", (Word(1, 1.5, "one"), Word(1.5, 2, "two"))),
        ("three", (Word(2, 2.5, "three"),)),
        ("four five", (Word(2, 2.5, "four"), Word(2.5, 3, "five"))),
        ("six", ()),
    ]


def test_blocks_of_webvtt_are_no_lyrics(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = read(
            "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\nREGION\nid:fred\n\nNOTE\n5\n \nx\n\n"
            "STYLE\n::cue { color: red }\n\n1\n00:01.000 --> 00:02.000\na\n\nNOTE b\nc\n7\n\nname\n"
            "00:03.000 --> 00:04.000\nd\n\nWEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1\n\n00:05.000 --> 00:06.000\ne\n",
            ".vtt",
        )
    assert spans(found) == [(1, 2, "a"), (3, 4, "d"), (5, 6, "e")]
    assert not caplog.records


def test_text_behind_a_blank_row_is_told_in_webvtt(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    assert texts(read("WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nb\nc\n", ".vtt")) == ["a"]
    assert "skipped rows 6, 7: no cue, as a blank row is above" in caplog.text


@pytest.mark.parametrize("text", ["♪", "♪♪", "♫ ♪", "...", "…", "♪ ... ♪", "(…)", "- ... -"])
def test_lines_of_marks_alone_are_no_lyrics(read: Read, text: str, caplog: pytest.LogCaptureFixture) -> None:
    lyrics = Lyrics((Line(1, 2, "a"), Line(3, 4, text), Line(5, 6, "b")))
    with caplog.at_level(logging.INFO, "lyricsep"):
        for name in set(FORMATS) - {"txt", "json"}:
            assert texts(read(render_lyrics(lyrics, name), file_suffixes([name])[0])) == ["a", "b"], name
    assert {record.levelname for record in caplog.records} == {"INFO"}


# Tables


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wq.tsv", ['"Come along', 'to the shore" she sang', "and we went", '"Sing," he said']),
        ("wq2.tsv", ['"Come along', 'to the shore"', "and we went"]),
    ],
)
def test_case_whisper_never_quotes(cases: Path, name: str, expected: list[str]) -> None:
    found = read_lyrics(cases / "whisper-tsv-quotes" / name)
    assert spans(found) == [(float(n), float(n + 1), text) for n, text in enumerate(expected)]


def test_quotes_that_open_in_one_row_and_close_in_another(read: Read) -> None:
    content = 'start\tend\ttext\n0.5\t1.0\t"Come along\n1.0\t2.0\tto the shore"\n2.0\t3.0\t"a ""b"""\n'
    assert texts(read(content, ".tsv")) == ['"Come along', 'to the shore"', 'a "b"']
    with pytest.raises(DatasetError, match="row 1 below the header"):
        read("a\tb\tstart\tend\ttext\n0.5\t1.0\tx\n", ".tsv")
    # A quoted cell may hold a line break.
    assert texts(read('start\tend\ttext\n0\t1000\t"a\nb"\n1000\t2000\tc\n', ".tsv")) == ["a b", "c"]


def test_tables_of_ours_quote(read: Read) -> None:
    lyrics = Lyrics((Line(0, 1, '"Come along'), Line(1, 2, 'say "hi", x\ty'), Line(2, 3, '"la"')))
    for name in ("csv", "tsv"):
        assert read(render_lyrics(lyrics, name), f".{name}").lines == lyrics.lines


def test_delimiters_in_the_last_cell_are_text(read: Read) -> None:
    assert texts(read("start,end,text\n1,2,hello, world, you\n", ".csv")) == ["hello, world, you"]
    assert texts(read("start\tend\ttext\n1000\t2000\ta\tb\n", ".tsv")) == ["a\tb"]
    assert texts(read("start,text,end\n1,a,2,x\n", ".csv")) == ["a"]


# TTML

TT = (
    '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" '
    'xmlns:tts="http://www.w3.org/ns/ttml#styling"><body><div>{}</div></body></tt>'
)


def test_case_ttml_roles(cases: Path) -> None:
    assert spans(read_lyrics(cases / "ttml-roles" / "apple.ttml")) == [(1, 3, "Hello there (ooh)")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a<span ttm:role="x-bg">ooh</span>b', ["a (ooh) b"]),
        (
            '<span ttm:role="x-bg"><span>(ooh</span> <span>ah)</span><span ttm:role="x-roman">u</span></span>',
            ["(ooh ah)"],
        ),
        ('a <span ttm:role="x-transliteration">x</span><span ttm:role="x-romanization">y</span>', ["a"]),
        ('a<span ttm:role="caption x-translation">x</span> b', ["a b"]),
        ("a<metadata><ttm:desc>x</ttm:desc></metadata><ttm:desc>y</ttm:desc>b", ["ab"]),
        (
            '<span tts:ruby="container"><span tts:ruby="base">夜</span><span tts:ruby="text">よる</span></span>に',
            ["夜に"],
        ),
        ('a<br/><span ttm:role="x-bg">b</span>', ["a", "(b)"]),
    ],
)
def test_ttml_roles(read: Read, content: str, expected: list[str]) -> None:
    assert texts(read(TT.format(f'<p begin="1s" end="2s">{content}</p>'), ".ttml")) == expected


def test_ttml_roles_of_lines(read: Read) -> None:
    content = '<p begin="1s" end="2s">a</p><p begin="1s" end="2s" ttm:role="{}">b</p>'
    assert texts(read(TT.format(content.format("x-bg")), ".ttml")) == ["a", "(b)"]
    assert texts(read(TT.format(content.format("x-translation")), ".ttml")) == ["a"]
    old = TT.replace("/ns/ttml", "/2006/10/ttaf1").format(content.format("x-translation"))
    assert texts(read(old, ".ttml")) == ["a"]


def test_ttml_of_any_depth(read: Read) -> None:
    deep = "<span>" * 50_000 + "a" + "</span>" * 50_000
    with pytest.raises(DatasetError, match=r"Grüße\.ttml: has elements in too many others"):
        read(TT.format(f'<p begin="1s" end="2s">{deep}</p>'), ".ttml")


# TextGrid


def grid(*tiers: tuple[str, str, list[tuple[float, float, str]]], head: str = "ooTextFile") -> str:
    rows = [f'"{head}"', '"TextGrid"', "0", "9", "<exists>", str(len(tiers))]
    for kind, name, items in tiers:
        rows += [f'"{kind}"', f'"{name}"', "0", "9", str(len(items))]
        for start, end, text in items:
            rows += [str(start), *([str(end)] if kind == "IntervalTier" else []), f'"{text}"']
    return "\n".join(rows)


def test_textgrid_tiers_that_are_not_read_are_told(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    content = grid(
        ("IntervalTier", "Lines", [(0, 2, "a b")]),
        ("IntervalTier", "Words", [(0, 1, "a"), (1, 2, "b")]),
        ("IntervalTier", "singer 2", [(2, 3, "c")]),
        ("IntervalTier", "empty", [(0, 9, "")]),
        ("TextTier", "beats", [(1, 1, "x")]),
    )
    assert read(content, ".TextGrid").lines == (Line(0, 2, "a b", (Word(0, 1, "a"), Word(1, 2, "b"))),)
    assert "read the lines of Lines; skipped singer 2, beats" in caplog.text


def test_textgrid_tiers_of_one_name_are_one(read: Read) -> None:
    content = grid(
        ("IntervalTier", "lines", [(4, 5, "b")]), ("IntervalTier", "lines", [(0, 2, "a")]), head="ooTextFile short"
    )
    assert spans(read(content, ".TextGrid")) == [(0, 2, "a"), (4, 5, "b")]


def test_textgrid_in_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(grid(("IntervalTier", "lines", [(0, 2, "é")])).encode("utf-16"))
    assert spans(read_lyrics(path)) == [(0, 2, "é")]


# ASS


def events(*rows: str) -> str:
    return "[Events]\n" + "".join(f"{row}\n" for row in rows)


def event(layer: int, style: str, text: str, effect: str = "", kind: str = "Dialogue") -> str:
    return f"{kind}: {layer},0:00:01.00,0:00:02.00,{style},,0,0,0,{effect},{text}"


def test_ass_translations_are_told(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    content = events(event(0, "Main", "bonjour"), event(0, "Translation", "hello"), event(0, "Ann", "salut"))
    assert texts(read(content, ".ass")) == ["bonjour", "salut"]
    assert "skipped the lines of the styles that are not sung: Translation" in caplog.text
    assert texts(read(events(event(0, "Translation", "hello")), ".ass")) == ["hello"]


def test_ass_styles_with_the_same_times_are_told(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    times = [f"Dialogue: 0,0:00:0{n}.00,0:00:0{n + 1}.00," for n in range(1, 4)]
    rows = [f"{time}{style},,0,0,0,,{style} text" for time in times for style in ("Kanji", "English")]
    assert len(read(events(*rows), ".ass").lines) == 6
    assert "the styles Kanji and English have the same times; delete one if it translates" in caplog.text
    caplog.clear()
    # Two voices that meet once.
    assert len(read(events(*rows[::2], rows[1]), ".ass").lines) == 4
    assert not caplog.records


def test_ass_copies_in_other_layers_are_one_line(read: Read) -> None:
    content = events(event(0, "Shadow", r"la la\Nla la"), event(1, "Main", r"{\k50}la {\k50}la\N{\k0}la la"))
    found = read(content, ".ass")
    assert texts(found) == ["la la", "la la"]
    assert found.lines[0].words == (Word(1, 1.5, "la"), Word(1.5, 2, "la"))
    # The same layer shows it twice: two voices.
    assert texts(read(events(event(0, "Main", "la"), event(0, "Main", "la")), ".ass")) == ["la", "la"]


def test_ass_of_a_karaoke_template(read: Read) -> None:
    source = event(0, "Main", r"{\k50}hel{\k50}lo", "karaoke", "Comment")
    made = [event(1, "Main", r"{\pos(1,2)}hel", "fx"), event(1, "Main", r"{\pos(2,2)}lo", "fx")]
    credit = event(0, "Main", "by me")
    template = event(0, "Main", "!retime()!", "template syl", "Comment")
    assert texts(read(events(source, template, *made, credit), ".ass")) == ["hello", "by me"]
    assert texts(read(events(*made), ".ass")) == ["hel", "lo"]
    assert texts(read(events(source, credit), ".ass")) == ["by me"]


# Files of no song


def test_sections_of_many_lines_are_told_by_pauses(read: Read) -> None:
    content = "".join(f"{n}.000\t{n + 1}.000\tla\n" for n in range(30_000)) + "30004.0\t30005.0\tend\n"
    assert read(content, ".labels.txt").text == "la\n" * 30_000 + "\nend\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("song.csv", "start,end,text\n0,9e21,word\n"),
        ("song.tsv", "start\tend\ttext\n0.0\t1e300\tword\n"),
        ("song.labels.txt", "0\t9e21\tword\n"),
    ],
)
def test_a_time_that_no_format_can_write_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DatasetError, match="song"):
        read_lyrics(path)


def test_a_number_behind_a_separator_is_one(tmp_path: Path) -> None:
    path = tmp_path / "song.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\none\n\x1c2\n00:00:03,000 --> 00:00:04,000\ntwo\n")
    assert [line.text for line in read_lyrics(path).lines] == ["one", "two"]


def test_a_text_whose_stamps_no_clock_shows_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "song.txt"
    path.write_text("[99:99.99] One\ntwo\n")
    assert read_lyrics(path).text.split("\n")[:2] == ["[99:99.99] One", "two"]


@pytest.mark.parametrize("text", ["00:00:03,000 --> 00:00:04,000", "4:30 -> home", "12:00"])
def test_a_sung_clock_is_no_cue(tmp_path: Path, text: str) -> None:
    path = tmp_path / "song.srt"
    path.write_text(render_lyrics(Lyrics((Line(1.0, 2.0, text), Line(3.0, 4.0, "two"))), "srt"))
    assert [line.text for line in read_lyrics(path).lines] == [text, "two"]


def test_a_textgrid_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.TextGrid"
    text = render_lyrics(Lyrics((Line(1.0, 2.0, "one"),), None, 5.0), "textgrid")
    path.write_text(text.replace("xmax = 5", "xmax = 9e18"))
    with pytest.raises(DatasetError, match="correct it in Praat"):
        read_lyrics(path)
