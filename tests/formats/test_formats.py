"""Known files first, then: what is written reads back, by parsers that are not ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.errors import ConfigError, OutputError
from lyricsep.formats import (
    FORMATS,
    SECTION_GAP,
    SEGMENT_FORMATS,
    file_suffixes,
    render_lyrics,
    render_segments,
    segments_suffix,
    warn_left_out,
    write_lyrics,
)
from lyricsep.lyrics import Line, Lyrics, Segment

SONG = Lyrics(
    lines=(
        Line(0.5, 2.0, "Même si l'été"),
        Line(1.25, 6.004, "(ouh <là> & là-bas)"),
        Line(2.0, 3.5, "Grüße, ¡niña!"),
        Line(9.005, 9.005, "[fin]"),
    ),
    language="fr",
    duration=65.5,
    segments=(Segment(0.3, 9.2),),
)

EMPTY = Lyrics(duration=3.0)


def test_files_of_one_song_have_names_of_their_own() -> None:
    assert file_suffixes(["elrc", "textgrid", "audacity", "srt"]) == (".lrc", ".TextGrid", ".labels.txt", ".srt")
    assert file_suffixes(["elrc", "lrc"]) == (".words.lrc", ".lrc")
    assert len({suffix.lower() for suffix in file_suffixes(FORMATS)}) == len(FORMATS)
    suffixes = [segments_suffix(name) for name in SEGMENT_FORMATS]
    assert suffixes == [".segments.csv", ".segments.json", ".segments.txt", ".rttm", ".segments.TextGrid"]


def test_txt() -> None:
    # Three seconds after the backing vocals, which outlast the line behind them, another section begins.
    assert render_lyrics(SONG, "txt") == "Même si l'été\n(ouh <là> & là-bas)\nGrüße, ¡niña!\n\n[fin]\n"


def test_a_section_ends_above_the_gap() -> None:
    for gap, blank in [(SECTION_GAP, ""), (SECTION_GAP + 0.25, "\n")]:
        lyrics = Lyrics((Line(0, 1, "a"), Line(1 + gap, 9, "b")))
        assert render_lyrics(lyrics, "txt") == f"a\n{blank}b\n"


@pytest.mark.parametrize(("usual", "sections"), [(0.1, 2), (0.6, 2), (0.7, 1), (2.0, 1)])
def test_slow_songs_pause_within_their_sections(usual, sections) -> None:
    """Two seconds are a long pause where the others are short."""
    words = ("one", "three", "forty", "eleven", "hundred", "million", "twenty", "sixteen", "nil", "dozens")
    lines, clock = [], 0.0
    for index, word in enumerate(words):
        clock += 2.0 if index == 5 else usual
        lines.append(Line(clock, clock + 1, word))
        clock += 1
    assert render_lyrics(Lyrics(tuple(lines)), "txt").count("\n\n") == sections - 1


VERSE = ("the night is cold", "the wind is slow", "the road is long", "i do not know")
REFRAIN = ("so take me home", "and hold my hand", "and show me all", "the promised land")
HEARD_AGAIN = ("So take me on", "and hold my hands", "and show me all", "The promised plan")
ANOTHER = ("the day was long", "my love was true", "i sang a song", "of nothing new", "until the night")


@pytest.mark.parametrize(
    ("passages", "sections"),
    [
        ((VERSE, REFRAIN, ANOTHER, REFRAIN), (VERSE, REFRAIN, ANOTHER, REFRAIN)),
        ((VERSE, REFRAIN, ANOTHER, HEARD_AGAIN), (VERSE, REFRAIN, ANOTHER, HEARD_AGAIN)),
        ((VERSE, ANOTHER), (VERSE + ANOTHER,)),
        # Two times and three times at once.
        ((VERSE, REFRAIN, REFRAIN), (VERSE, REFRAIN, REFRAIN)),
        ((REFRAIN, HEARD_AGAIN, REFRAIN, VERSE), (REFRAIN, HEARD_AGAIN, REFRAIN, VERSE)),
        # Too short to be a section.
        ((VERSE, REFRAIN[:3], ANOTHER, REFRAIN[:3]), (VERSE + REFRAIN[:3] + ANOTHER + REFRAIN[:3],)),
        # Over and over again.
        ((VERSE, ("na na na",) * 12, ANOTHER), (VERSE + ("na na na",) * 12 + ANOTHER,)),
        ((VERSE, ("na na na", "hey hey hey") * 6, ANOTHER), (VERSE + ("na na na", "hey hey hey") * 6 + ANOTHER,)),
        ((("na na na",) * 9, VERSE, ("na na na",) * 9), (("na na na",) * 9, VERSE, ("na na na",) * 9)),
        # Nothing but marks, which are alike.
        ((("…",) * 3, VERSE), (("…",) * 3 + VERSE,)),
    ],
)
def test_what_is_sung_again_is_a_section(passages, sections) -> None:
    texts = [text for passage in passages for text in passage]
    lyrics = Lyrics(tuple(Line(2.0 * i, 2.0 * i + 2, text) for i, text in enumerate(texts)))
    assert render_lyrics(lyrics, "txt") == "\n\n".join("\n".join(section) for section in sections) + "\n"


def test_a_section_ends_before_the_next_begins() -> None:
    """Where backing vocals of the refrain outlast its end, so that times of LRC never fall."""
    texts = [*REFRAIN, *VERSE, *REFRAIN]
    lines = [Line(2.0 * i, 2.0 * i + (9 if i == 3 else 2), text) for i, text in enumerate(texts)]
    rows = render_lyrics(Lyrics(tuple(lines)), "lrc").splitlines()[1:]
    assert rows[3:6] == ["[00:06.00]the promised land", "", "[00:08.00]the night is cold"]
    times = [row[:10] for row in rows if row]
    assert times == sorted(times)


def test_lrc() -> None:
    assert render_lyrics(SONG, "lrc", title="L'été\n indien", artist="Les [Uns]") == (
        "[ti:L'été indien]\n[ar:Les [Uns]]\n[length:01:06]\n[re:lyricsep]\n"
        "[00:00.50]Même si l'été\n"
        "[00:01.25](ouh <là> & là-bas)\n"
        "[00:02.00]Grüße, ¡niña!\n"
        "[00:06.00]\n"
        "[00:09.01] [fin]\n"
        "[00:09.01]\n"
    )


def test_lrc_of_hours() -> None:
    text = render_lyrics(Lyrics((Line(6000, 7199.996, "late"),), duration=7200), "lrc")
    assert text == "[length:120:00]\n[re:lyricsep]\n[100:00.00]late\n[120:00.00]\n"


def test_srt() -> None:
    assert render_lyrics(SONG, "srt") == (
        "1\n00:00:00,500 --> 00:00:02,000\nMême si l'été\n\n"
        "2\n00:00:01,250 --> 00:00:06,004\n(ouh <là> & là-bas)\n\n"
        "3\n00:00:02,000 --> 00:00:03,500\nGrüße, ¡niña!\n\n"
        "4\n00:00:09,005 --> 00:00:09,105\n[fin]\n"
    )


def test_vtt() -> None:
    assert render_lyrics(SONG, "vtt") == (
        "WEBVTT\n\n"
        "00:00:00.500 --> 00:00:02.000\nMême si l'été\n\n"
        "00:00:01.250 --> 00:00:06.004\n(ouh &lt;là&gt; &amp; là-bas)\n\n"
        "00:00:02.000 --> 00:00:03.500\nGrüße, ¡niña!\n\n"
        "00:00:09.005 --> 00:00:09.105\n[fin]\n"
    )


def test_hours_beyond_99() -> None:
    lyrics = Lyrics((Line(360_000.9996, 360_002, "x"),))
    assert "100:00:01,000 --> 100:00:02,000" in render_lyrics(lyrics, "srt")
    assert "100:00:01.000 --> 100:00:02.000" in render_lyrics(lyrics, "vtt")


def test_a_line_without_text_is_no_cue() -> None:
    lyrics = Lyrics((Line(0, 1, ""), Line(1, 2, "a")))
    assert render_lyrics(lyrics, "srt") == "1\n00:00:01,000 --> 00:00:02,000\na\n"
    assert render_lyrics(lyrics, "vtt") == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n"


@pytest.mark.parametrize(
    ("time", "shown"), [(0.0, "00.00"), (0.125, "00.13"), (1.005, "01.01"), (2.675, "02.68"), (0.00499, "00.00")]
)
def test_halves_are_rounded_up(time: float, shown: str) -> None:
    # 1.005 and 2.675 are floats a little below; people see the halves.
    assert f"[00:{shown}]x\n" in render_lyrics(Lyrics((Line(time, time, "x"),)), "lrc")


def test_an_instrumental() -> None:
    assert render_lyrics(EMPTY, "txt") == ""
    assert render_lyrics(EMPTY, "srt") == ""
    assert render_lyrics(EMPTY, "vtt") == "WEBVTT\n"
    assert render_lyrics(EMPTY, "lrc") == "[length:00:03]\n[re:lyricsep]\n"


def test_segments() -> None:
    segments = [Segment(0.0, 1.9995), Segment(2.25, 3661.1234567)]
    assert render_segments(segments, "csv") == "start,end\n0.000,2.000\n2.250,3661.123\n"
    assert render_segments(segments, "audacity") == "0.000000\t1.999500\t1\n2.250000\t3661.123457\t2\n"
    assert '"end": 3661.1234567' in render_segments(segments, "json")


def test_no_segments() -> None:
    assert render_segments([], "csv") == "start,end\n"
    assert render_segments([], "audacity") == ""
    assert '"segments": []' in render_segments([], "json")


def test_unknown_formats() -> None:
    with pytest.raises(ConfigError, match="no format 'doc' for lyrics; choose one of txt, lrc, srt, vtt, json"):
        render_lyrics(SONG, "doc")
    with pytest.raises(ConfigError, match="no format 'srt' for segments; choose one of csv, json, audacity"):
        render_segments([], "srt")


@pytest.mark.parametrize("name", FORMATS)
def test_files_hold_what_was_rendered(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / f"Veränderung [1].{name}"
    write_lyrics(path, SONG, name, title="T")
    assert path.read_bytes() == render_lyrics(SONG, name, title="T").encode()
    with pytest.raises(OutputError, match="exists already"):
        write_lyrics(path, EMPTY, name, overwrite=False)
    assert path.read_bytes() == render_lyrics(SONG, name, title="T").encode()


# Reading back

# No line breaks, which a Line forbids; decomposed and composed letters alike.
texts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&[]:é\u0301"), max_size=20)
    .map(str.strip)
    .filter(bool)
)
times = st.floats(0, 40_000) | st.integers(0, 4000).map(lambda n: n / 200)


@st.composite
def songs(draw: st.DrawFn) -> Lyrics:
    spans = draw(st.lists(st.tuples(times, times, texts), max_size=8))
    lines = sorted(Line(min(a, b), max(a, b), text) for a, b, text in spans)
    return Lyrics(tuple(lines), duration=40_000.0)


@given(songs())
def test_lrc_reads_back(lyrics: Lyrics) -> None:
    rows = render_lyrics(lyrics, "lrc").removesuffix("\n").split("\n")
    assert rows[:2] == ["[length:666:40]", "[re:lyricsep]"]
    read = []
    for row in filter(None, rows[2:]):
        match = re.fullmatch(r"\[(\d{2,}):([0-5]\d\.\d\d)\](?!\[)(.*)", row, re.DOTALL)
        assert match, row
        read.append((int(match[1]) * 60 + float(match[2]), match[3].strip()))
    assert [text for _, text in read if text] == [line.text for line in lyrics.lines]
    assert [time for time, _ in read] == sorted(time for time, _ in read)
    assert [time for time, text in read if text] == pytest.approx([line.start for line in lyrics.lines], abs=0.00501)
    if lyrics.lines:
        time, text = read[-1]
        assert text == ""
        assert time == pytest.approx(max(line.end for line in lyrics.lines), abs=0.00501)


@given(songs())
def test_txt_reads_back(lyrics: Lyrics) -> None:
    text = render_lyrics(lyrics, "txt")
    assert [row for row in text.split("\n") if row] == [line.text for line in lyrics.lines]
    assert "\n\n\n" not in text
    assert not text.endswith("\n\n")


@given(st.lists(times, max_size=12).map(sorted))
def test_segments_read_back_in_order(edges: list[float]) -> None:
    segments = [Segment(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False)]
    for name, separator, tolerance in [("csv", ",", 0.000501), ("audacity", "\t", 0.000000501)]:
        rows = render_segments(segments, name).splitlines()[1 if name == "csv" else 0 :]
        read = [float(cell) for row in rows for cell in row.split(separator)[:2]]
        assert read == sorted(read)
        assert read == pytest.approx([edge for s in segments for edge in (s.start, s.end)], abs=tolerance)


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_that_nobody_sings_is_in_no_format_with_times(name: str) -> None:
    lines = (Line(1.0, 2.0, "Thank you", flags=("low-confidence", "invented")), Line(5.0, 6.0, "Grüße", section=""))
    text = render_lyrics(Lyrics(lines, "de", 10.0, (Segment(0.0, 10.0),)), name)
    assert "Grüße" in text
    assert ("Thank you" in text) == (name in ("txt", "json"))


@pytest.mark.parametrize(
    ("formats", "told"),
    [(("txt", "json"), ""), (("json", "lrc", "srt"), "1 line of words that are probably not sung")],
)
def test_what_is_left_out_is_told(formats: tuple[str, ...], told: str, caplog: pytest.LogCaptureFixture) -> None:
    lines = (Line(1.0, 2.0, "Thank you", flags=("low-confidence", "invented")), Line(5.0, 6.0, "Grüße"))
    warn_left_out(Lyrics(lines, "de", 10.0), formats, "song.mp3")
    assert caplog.messages == ([f"song.mp3: {told} left out of lrc, srt"] if told else [])
