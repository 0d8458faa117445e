"""Files as players, editors and people leave them; then: our own files give the same text, whatever the format."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.errors import DatasetError
from lyricsep.formats import FORMATS, file_suffixes, render_lyrics, write_lyrics
from lyricsep.formats.reading import Transcript, read_lyrics
from lyricsep.formats.transcript import is_sung
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word

# Plain text and encodings


def test_txt(read) -> None:
    expected = Transcript("Même si l'été\n(ouh) <nl>\n\n¡niña!\n")
    assert read("\n\nMême si l'été  \n\t(ouh) <nl>\n\n \n\n¡niña!\n\n", ".txt") == expected


@pytest.mark.parametrize("suffix", [".txt", ".TXT"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(read, suffix: str, encoding: str, line_end: str) -> None:
    content = line_end.join(["Même", "si", "", "ß"]).encode(encoding)
    assert read(content, suffix).text == "Même\nsi\n\nß\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_byte_order_mark_in_every_format(read, name: str, encoding: str) -> None:
    song = Lyrics((Line(1.0, 2.0, "é"),), language="fr")
    content = render_lyrics(song, name).replace("\n", "\r\n").encode(encoding)
    assert read(content, file_suffixes([name])[0]).text == "é\n"


def test_another_encoding_is_refused(read) -> None:
    with pytest.raises(DatasetError, match=r"Grüße\.txt: row 1: is not UTF-8 \(byte 0xe9\); save it as UTF-8$"):
        read("L'été".encode("latin-1"), ".txt")
    with pytest.raises(DatasetError, match="expected UTF-16, got truncated data at byte 4"):
        read("a".encode("utf-16") + b"A", ".txt")


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n\r\n"])
@pytest.mark.parametrize("suffix", [*file_suffixes([name for name in FORMATS if name != "json"]), ".words.lrc"])
def test_an_empty_file_is_empty_lyrics(read, suffix: str, content: str) -> None:
    assert read(content, suffix) == Transcript("", (), None)


def test_an_empty_json_file_was_cut_short(read) -> None:
    with pytest.raises(DatasetError, match="not JSON"):
        read("", ".json")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError,
        match=r"x\.doc: expected a suffix among \.txt, \.lrc, \.srt, \.vtt, \.json, .*, \.labels\.txt, got '.d",
    ):
        read_lyrics(tmp_path / "x.doc")
    with pytest.raises(DatasetError, match=r"suffix among .*, got ''"):
        read_lyrics(tmp_path / "lyrics")
    with pytest.raises(DatasetError, match=r"x\.txt: cannot be read \(No such file or directory\)"):
        read_lyrics(tmp_path / "x.txt")
    (tmp_path / "folder.lrc").mkdir()
    with pytest.raises(DatasetError, match=r"folder\.lrc: cannot be read"):
        read_lyrics(tmp_path / "folder.lrc")


# LRC


def test_lrc(read) -> None:
    found = read("[ti:Song]\n[la:de]\n[00:01]a\n[00:02.5] b \n\n[00:04.25]\n[01:05.125](c) [d]\n[x]\n", ".lrc")
    assert found.text == "a\nb\n\n(c) [d]\n"
    assert found.lines == (Line(1.0, 2.5, "a"), Line(2.5, 4.25, "b"), Line(65.125, 65.125, "(c) [d]"))


def test_lrc_fractions_are_decimals(read) -> None:
    found = read("[00:01.5]a\n[00:01:75]b\n[01:08.040]c\n[100:01.005]d", ".lrc")
    # 60 + 8.04 is another float than 68.04.
    assert [line.start for line in found.lines] == [1.5, 1.75, 68.04, 6001.005]


def test_lrc_a_text_with_several_times_is_repeated(read) -> None:
    found = read("[00:01.00][00:09.00]refrain\n[00:05.00]verse\n[00:03.00][00:11.00]\n", ".lrc")
    assert found.text == "refrain\n\nverse\nrefrain\n"
    assert found.lines == (Line(1, 3, "refrain"), Line(5, 9, "verse"), Line(9, 11, "refrain"))


def test_lrc_lines_of_one_time_end_at_the_next(read) -> None:
    assert read("[00:01.00]a\n[00:01.00](b)\n[00:03.00]c", ".lrc").lines == (
        Line(1, 3, "a"),
        Line(1, 3, "(b)"),
        Line(3, 3, "c"),
    )


@pytest.mark.parametrize(
    ("offset", "start", "end"),
    [("+500", 0.5, 1.5), ("500", 0.5, 1.5), ("-500", 1.5, 2.5), ("1500", 0, 0.5), ("", 1, 2)],
)
def test_lrc_offset(read, offset: str, start: float, end: float) -> None:
    # A positive offset makes the lyrics come sooner; nothing comes before the song.
    found = read(f"[00:01.00]a\n[00:02.00]<00:02.00>b<00:03.00>\n[offset:{offset}]\n", ".lrc")
    assert found.lines[0] == Line(start, end, "a")
    assert found.lines[1] == Line(end, end + 1, "b", (Word(end, end + 1, "b"),))


def test_lrc_word_times(read) -> None:
    found = read(
        "[00:01.00]One <00:01.50>two,  <00:02.00>three\n"
        "[00:03.00] <00:03.10> I <00:03.50>love <00:04.00> <3 <00:04.50>\n"
        "[00:05.00]<00:05.00>hal<00:05.25>le<00:05.50>lu jah<00:06.00>\n"
        "[00:07.00]<00:07.00>a<00:07.25> b<00:07.50>",
        ".lrc",
    )
    assert found.text == "One two, three\nI love <3\nhallelu jah\na b\n"
    assert found.lines[0].words == (Word(1, 1.5, "One"), Word(1.5, 2, "two,"), Word(2, 3, "three"))
    assert found.lines[1] == Line(
        3, 4.5, "I love <3", (Word(3.1, 3.5, "I"), Word(3.5, 4, "love"), Word(4, 4.5, "<3"))
    )
    assert found.lines[3].words == (Word(7, 7.25, "a"), Word(7.25, 7.5, "b"))
    # Syllables are one word; the two words of one piece share its time.
    assert found.lines[2] == Line(5, 6, "hallelu jah", (Word(5, 6, "hallelu"), Word(5.5, 6, "jah")))


def test_lrc_word_times_of_a_repeated_line_move_with_it(read) -> None:
    found = read("[00:01.00][00:11.00]<00:01.50>a <00:02.00>b<00:02.50>", ".lrc")
    assert found.lines[1] == Line(11, 12.5, "a b", (Word(11.5, 12, "a"), Word(12, 12.5, "b")))


def test_lrc_without_any_time_is_refused(read) -> None:
    for row in ["hello", "[00:75.00]hello", "hello [00:01.00]"]:
        with pytest.raises(DatasetError, match=r"Grüße\.lrc: row 2 has no time \[mm:ss\.xx\]; add one"):
            read(f"[ti:x]\n{row}\n", ".lrc")


# Subtitles


def test_srt(read) -> None:
    found = read(
        "\n1\n00:00:01,000 --> 00:00:02,500 X1:10\n{\\an8}<i>One</i> <font color='red'>& <là>\n1999\n\n"
        "3\n00:00:03,000 --> 00:00:04,000\n\n"
        "2\n100:00:01,005 --> 100:00:02,000\n1 < 2 {\\k20}{x} <3\n7\n",
        ".srt",
    )
    assert found.text == "One & <là>\n1999\n\n1 < 2 {x} <3\n7\n"
    assert found.lines == (
        Line(1, 2.5, "One & <là>"),
        Line(1, 2.5, "1999"),
        Line(360001.005, 360002, "1 < 2 {x} <3"),
        Line(360001.005, 360002, "7"),
    )


def test_vtt(read) -> None:
    found = read(
        "WEBVTT - title\nLanguage: fr\n\nSTYLE\n::cue { color: red }\n\nNOTE a comment\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\nOne &amp; &lt;two&gt; &amp;amp;\n1999\n\n"
        "NOTE another\ncomment\n\n"
        "00:00:05.000 --> 00:00:06.000\nlater&#10;on\n\n"
        "00:00:02.500 --> 00:00:04.000\n"
        "<v Ann>Hel<00:00:03.000>lo <c.x>my</c><00:00:03.500> world</v>\n{brace} \\N\n",
        ".vtt",
    )
    assert found.text == "One & <two> &amp;\n1999\nHello my world\n{brace} \\N\nlater on\n"
    assert [(line.start, line.end) for line in found.lines] == [(1, 2), (1, 2), (2.5, 4), (2.5, 4), (5, 6)]
    assert [line.words for line in found.lines if line.words] == [
        (Word(2.5, 3.5, "Hello"), Word(3, 3.5, "my"), Word(3.5, 4, "world"))
    ]


def test_sections_of_subtitles_are_told_by_pauses(read) -> None:
    cue = "00:00:{:06.3f} --> 00:00:{:06.3f}\n{}\n\n"
    content = "WEBVTT\n\n" + cue.format(1, 2, "a") + cue.format(3.5, 6, "b") + cue.format(7.501, 10, "c")
    assert read(content, ".vtt").text == "a\nb\n\nc\n"


@pytest.mark.parametrize(
    "times",
    ["00:00:02,000 --> 00:00:01,000", "00:00:0x,000 --> 00:00:01,000", "00:01 --> 00:02", "00:00:01.000 -> 00:00:02"],
)
@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_broken_times_are_refused(read, suffix: str, times: str) -> None:
    content = "WEBVTT\n\n" if suffix == ".vtt" else "\n1\n"
    with pytest.raises(DatasetError, match=rf"Grüße\{suffix}: row 3: expected .*{re.escape(repr(times))}; correct"):
        read(f"{content}{times}\na\n", suffix)


@pytest.mark.parametrize("suffix", file_suffixes([name for name in FORMATS if name != "json"]))
@pytest.mark.parametrize("written", [name for name in FORMATS if name != "txt"])
def test_another_format_under_the_suffix_is_read_as_what_it_is(
    read, suffix: str, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (Line(1.0, 2.0, "a, b"), Line(3.0, 4.5, "c"))
    found = read(render_lyrics(Lyrics(lines), written), suffix)
    assert found.text == "a, b\nc\n"
    assert [(line.start, line.text) for line in found.lines] == [(1.0, "a, b"), (3.0, "c")]
    (own,) = file_suffixes([written])
    told = [f"Grüße{suffix}: is read as {own.lower()}, which its content is; rename it"]
    assert [message[message.index("Grüße") :] for message in caplog.messages] == (
        [] if suffix.endswith(own) else told
    )


def test_text_behind_a_blank_row_is_refused_in_srt(read) -> None:
    with pytest.raises(DatasetError, match="row 5 belongs to no cue"):
        read("1\n00:00:01,000 --> 00:00:02,000\na\n\nb\n", ".srt")


def test_careless_srt(read) -> None:
    # A number that is missing, a blank row that is missing, and a text that is a number.
    cues = "0:00:01.5 --> 0:00:02\n".replace("02", "02.25")
    found = read(f"{cues}1\n2\n00:00:03,000 --> 00:00:04,000\n99\n\n00:05,000-->00:06,000\n3", ".srt")
    assert found.lines == (Line(1.5, 2.25, "1"), Line(3, 4, "99"), Line(5, 6, "3"))


# JSON


def test_json_keeps_times_words_and_language(read) -> None:
    lines = (Line(0.1, 1, "a b", (Word(0.1, 0.5, "a"), Word(0.5, 1.0, "b", 0.25))), Line(4.25, 5, "c", flags=("x",)))
    song = Lyrics(lines, "de", 9.0, (Segment(0, 1), Segment(4, 6)), (Decoding(0, 1, 0, -0.5, 0.1, 1.2, 2, ("x",)),))
    found = read(render_lyrics(song, "json", title="T", artist="A"), ".json")
    assert found == Transcript("a b\n\nc\n", lines, "de", 9.0, song.segments, song.decodings, "T", "A")
    assert found.lyrics == song


def test_damaged_json_names_the_file(read) -> None:
    with pytest.raises(DatasetError, match=r"Grüße\.json: not JSON"):
        read('{"schema": ', ".json")


# What we write reads back

# No angle brackets or braces: srt cannot escape what looks like a tag (see the module).
texts = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>{}") | st.sampled_from("&[]:é\u0301")
    )
    .map(str.strip)
    .filter(bool)
    .filter(is_sung)
)


@st.composite
def songs(draw: st.DrawFn) -> Lyrics:
    # Whole hundredths, which every format holds, and no cue that subtitles would lengthen.
    starts = draw(st.lists(st.integers(0, 6_000), max_size=8).map(sorted))
    lines = [Line(start / 100, (start + draw(st.integers(10, 900))) / 100, draw(texts)) for start in starts]
    return Lyrics(tuple(lines), language="fr", duration=99.0)


@given(songs())
def test_every_format_gives_the_same_text(tmp_path_factory: pytest.TempPathFactory, lyrics: Lyrics) -> None:
    folder = tmp_path_factory.mktemp("songs")
    found = {}
    for name, suffix in zip(FORMATS, file_suffixes(FORMATS), strict=True):
        write_lyrics(folder / f"song{suffix}", lyrics, name, title="T")
        found[name] = read_lyrics(folder / f"song{suffix}")
    assert {name: transcript.text for name, transcript in found.items()} == dict.fromkeys(
        FORMATS, render_lyrics(lyrics, "txt")
    )
    assert found["txt"].lines == ()
    for name in ("srt", "vtt", "json", "ass", "ttml", "csv", "tsv", "textgrid", "audacity"):
        assert found[name].lines == lyrics.lines, name
    for name in ("lrc", "elrc"):
        of_lrc = found[name].lines
        assert [(line.start, line.text) for line in of_lrc] == [(line.start, line.text) for line in lyrics.lines]
    told = {name: transcript.language for name, transcript in found.items() if transcript.language}
    assert told == {"json": "fr", "ttml": "fr"}
    assert {name for name, transcript in found.items() if transcript.title == "T"} == {
        *("lrc", "elrc", "json", "ass", "ttml")
    }


@given(
    st.text(st.sampled_from("[]<>0123:.\n -a{}\\&"), max_size=60),
    st.sampled_from(["lrc", "srt", "vtt", "ass", "labels.txt"]),
)
def test_any_rows_are_lyrics_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, rows: str, suffix: str) -> None:
    start = {
        "lrc": "[00:01.00]a\n",
        "srt": "1\n00:00:01,000 --> 00:00:02,000\na\n\n",
        "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n",
        "ass": "[Events]\n" + "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,".join(["", "a\n", ""]),
        "labels.txt": "1.0\t2.0\ta\n",
    }
    path = tmp_path_factory.mktemp("rows") / f"x.{suffix}"
    path.write_text(start[suffix] + rows, encoding="utf-8", newline="\n")
    with suppress(DatasetError):
        found = read_lyrics(path)
        assert "a" in found.text.split("\n")
        assert "\n\n\n" not in found.text
        assert [row for row in found.text.split("\n") if row] == [line.text for line in found.lines]
