"""What we write, read by parsers that are not ours: FFmpeg, pysubs2, webvtt-py, praatio, textgrid, pandas."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import av
import pandas as pd
import pysubs2
import pytest
import textgrid
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid as praatio_textgrid

from lyricsep.formats import file_suffixes, render_lyrics, render_segments, write_lyrics
from lyricsep.lyrics import Line, Lyrics, Segment, Word

HOURS = 3 * 3600.0

# Overlapping backing vocals, word times with a pause, scripts, quotes, and three hours on the clock.
SONG = Lyrics(
    lines=(
        Line(0.51, 2.0, "Même si l'été", (Word(0.51, 0.9, "Même"), Word(1.0, 1.2, "si"), Word(1.2, 1.9, "l'été"))),
        Line(1.25, 6.0, '(ouh, "là" & là-bas; 3 > 2)'),
        Line(9.0, 9.5, "夜に駆ける", (Word(9.0, 9.2, "夜"), Word(9.2, 9.3, "に"), Word(9.3, 9.5, "駆ける"))),
        Line(HOURS + 1.01, HOURS + 2.5, "¡Grüße, niña!"),
        Line(HOURS + 1.01, HOURS + 3.0, "(Привет 👋)"),
    ),
    language="fr",
    duration=HOURS + 10,
)
EMPTY = Lyrics(duration=3.0)
PRECISION = {"srt": 0.0005, "vtt": 0.0005, "ttml": 0.0005, "ass": 0.005, "lrc": 0.005, "elrc": 0.005}

# No angle brackets or braces, which pysubs2 takes for styling; no backslash, which it takes for escapes.
texts = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"], exclude_characters="<>{}\\"), max_size=20
    )
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)


@st.composite
def songs(draw: st.DrawFn) -> Lyrics:
    spans = draw(st.lists(st.tuples(st.floats(0, 40_000), st.floats(0.1, 10), texts), max_size=6))
    return Lyrics(
        tuple(sorted(Line(start, start + length, text) for start, length, text in spans)), duration=40_100.0
    )


def same_spans(found: list[tuple[float, float, str]], lyrics: Lyrics, precision: float) -> None:
    assert [text for _, _, text in found] == [line.text for line in lyrics.lines]
    for (start, end, _), line in zip(found, lyrics.lines, strict=True):
        assert start == pytest.approx(line.start, abs=precision + 1e-6)
        assert end == pytest.approx(line.end, abs=2 * precision + 1e-6)


# pysubs2


def pysubs2_reads(lyrics: Lyrics, name: str) -> list[tuple[float, float, str]]:
    events = pysubs2.SSAFile.from_string(render_lyrics(lyrics, name), format_=name)
    # It leaves the escapes of WebVTT as they are.
    plain = html.unescape if name == "vtt" else str
    return [(event.start / 1000, event.end / 1000, plain(event.plaintext)) for event in events]


def test_webvtt_reads_the_song() -> None:
    # pysubs2 takes a row with two times of words for the times of a cue.
    for song in (SONG, EMPTY):
        captions = webvtt.from_string(render_lyrics(song, "vtt"))
        found = [(seconds(one.start), seconds(one.end), html.unescape(one.text)) for one in captions]
        same_spans(found, song, PRECISION["vtt"])


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "ttml"])
@settings(deadline=None, max_examples=60)
@given(lyrics=songs())
def test_pysubs2_reads_any_song(name: str, lyrics: Lyrics) -> None:
    same_spans(pysubs2_reads(lyrics, name), lyrics, PRECISION[name])


def test_pysubs2_reads_the_syllables_of_ass() -> None:
    event = pysubs2.SSAFile.from_string(render_lyrics(SONG, "ass"), format_="ass").events[0]
    assert event.text == r"{\k39}Même{\k10} {\k20}si {\k70}l'été{\k10}"
    lengths = [int(length) for length in re.findall(r"\\k(\d+)", event.text)]
    assert 10 * sum(lengths) == event.end - event.start


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


# FFmpeg


def ffmpeg_reads(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        assert stream.time_base is not None
        return [
            (
                float(packet.pts * stream.time_base),
                float((packet.pts + (packet.duration or 0)) * stream.time_base),
                bytes(packet).decode().rstrip("\0\n"),
            )
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "lrc", "elrc"])
def test_ffmpeg_reads_the_song(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"Grüße{file_suffixes([name])[0]}"
    write_lyrics(path, SONG, name, title="T")
    found = ffmpeg_reads(path)
    if name == "ass":  # order, layer, style, name, margins and effect, then the text
        found = [(start, end, text.split(",", 8)[8]) for start, end, text in found]
    if name in ("lrc", "elrc"):
        found = [span for span in found if span[2].strip()]
        # FFmpeg does not guess when a line of LRC ends.
        found = [(start, line.end, text) for (start, _, text), line in zip(found, SONG.lines, strict=True)]
    plain = [
        (start, end, re.sub(r"<[^>]*>|\{[^}]*\}", "", text).replace("&amp;", "&").replace("&gt;", ">"))
        for start, end, text in found
    ]
    same_spans(plain, SONG, PRECISION[name])


@pytest.mark.parametrize("name", ["vtt", "ass", "lrc", "elrc"])
def test_ffmpeg_reads_empty_lyrics(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"x{file_suffixes([name])[0]}"
    write_lyrics(path, EMPTY, name, title="T")
    assert ffmpeg_reads(path) == []


# Praat's format


def tiers_of_praatio(lyrics: Lyrics, folder: Path) -> dict[str, list[tuple[float, float, str]]]:
    path = folder / "x.TextGrid"
    write_lyrics(path, lyrics, "textgrid")
    grid = praatio_textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    assert grid.maxTimestamp == pytest.approx(max([lyrics.duration, *(line.end for line in lyrics.lines)]), abs=0.002)
    return {name: [tuple(entry) for entry in grid.getTier(name).entries] for name in grid.tierNames}


def test_praatio_reads_the_song(tmp_path: Path) -> None:
    first, backing, third, late, late_backing = SONG.lines
    tiers = tiers_of_praatio(SONG, tmp_path)
    assert list(tiers) == ["lines", "words", "lines 2"]
    assert tiers["lines"] == [(line.start, line.end, line.text) for line in (first, third, late)]
    assert tiers["lines 2"] == [(line.start, line.end, line.text) for line in (backing, late_backing)]
    assert tiers["words"] == [(word.start, word.end, word.text) for line in (first, third) for word in line.words]
    assert tiers_of_praatio(EMPTY, tmp_path) == {"lines": []}
    assert tiers_of_praatio(Lyrics(), tmp_path) == {"lines": []}


@settings(deadline=None, max_examples=60)
@given(lyrics=songs())
def test_textgrid_reads_any_song(tmp_path_factory: pytest.TempPathFactory, lyrics: Lyrics) -> None:
    path = tmp_path_factory.mktemp("grid") / "x.TextGrid"
    # The reader rounds to five digits.
    lines = sorted(Line(round(line.start, 3), round(line.end, 3), line.text) for line in lyrics.lines)
    write_lyrics(path, Lyrics(tuple(lines), duration=40_100.0), "textgrid")
    grid = textgrid.TextGrid.fromFile(str(path))
    found = []
    for tier in grid:
        assert [interval.minTime for interval in tier][1:] == [interval.maxTime for interval in tier][:-1]
        assert (tier[0].minTime, tier[-1].maxTime) == (0, grid.maxTime)
        found += [(interval.minTime, interval.maxTime, interval.mark) for interval in tier if interval.mark]
    assert sorted(found) == [(line.start, line.end, line.text) for line in lines]


# Tables


@pytest.mark.parametrize(("name", "separator"), [("csv", ","), ("tsv", "\t")])
@settings(deadline=None, max_examples=60)
@given(lyrics=songs())
def test_pandas_reads_tables(name: str, separator: str, lyrics: Lyrics) -> None:
    for song in (lyrics, SONG, EMPTY):
        table = pd.read_csv(
            io.StringIO(render_lyrics(song, name)), sep=separator, keep_default_na=False, dtype={"text": str}
        )
        assert list(table.columns) == ["start", "end", "text"]
        same_spans(list(table.itertuples(index=False, name=None)), song, 0.0005)


def test_labels_of_audacity() -> None:
    rows = [row.split("\t") for row in render_lyrics(SONG, "audacity").splitlines()]
    same_spans([(float(start), float(end), text) for start, end, text in rows], SONG, 1e-6)


# Segments

SEGMENTS = [Segment(0.0, 1.9995), Segment(2.25, 4.0), Segment(HOURS, HOURS + 1.5)]


def test_pandas_reads_rttm() -> None:
    fields = ["type", "file", "channel", "start", "duration", "_1", "_2", "speaker", "_3", "_4"]
    text = render_segments(SEGMENTS, "rttm", name="Grüße aus Kiel")
    table = pd.read_csv(io.StringIO(text), sep=" ", names=fields, keep_default_na=False)
    assert set(table["type"]) == {"SPEAKER"}
    assert set(table["file"]) == {"Grüße_aus_Kiel"}
    assert set(table["speaker"]) == {"vocals"}
    assert list(table["start"]) == [0.0, 2.25, HOURS]
    assert list(table["duration"]) == [2.0, 1.75, 1.5]
    assert render_segments([], "rttm") == ""
    assert render_segments(SEGMENTS[:1], "rttm", name=" ").startswith("SPEAKER song 1 0.000 2.000 ")


def test_textgrid_reads_segments(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    for segments in (SEGMENTS, []):
        path.write_text(render_segments(segments, "textgrid", duration=HOURS + 5), encoding="utf-8")
        grid = textgrid.TextGrid.fromFile(str(path))
        assert (grid.getNames(), grid.maxTime) == (["vocals"], HOURS + 5)
        found = [(interval.minTime, interval.maxTime) for interval in grid[0] if interval.mark]
        assert found == [(segment.start, segment.end) for segment in segments]
