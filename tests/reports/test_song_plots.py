"""What is drawn of a song stands where it was heard; songs of any length and any script can be drawn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lyricsep.lyrics import Line, Segment
from lyricsep.reports.figures import drawing
from lyricsep.reports.song_plots import plot_song, plot_spectrograms
from lyricsep.segmentation import RmsVadOptions, rms_envelope

pytest.importorskip("matplotlib")

from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

RATE = 16_000
OPTIONS = RmsVadOptions(onset=0.2, offset=0.1)
SEGMENTS = [Segment(4.0, 10.5), Segment(28.0, 33.0)]
LINES = [
    Line(4.25, 6.0, "Même si l'été"),
    Line(5.0, 7.0, "(ouh 日本 $x_1$)", flags=("loop",)),
    Line(28.5, 32.0, "über die Grenze"),
]


def tone(seconds: float, *, frequency: float = 440, level: float = 0.5) -> NDArray[np.float32]:
    clock = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency * clock)).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Figure]:
    """Give the figure of a call instead of writing it."""
    kept: list[Figure] = []
    monkeypatch.setattr(
        "lyricsep.reports.song_plots.save_figure", lambda figure, path, overwrite: kept.append(figure)
    )

    def call(draw: Callable[..., None], *arguments: object, **options: object) -> Figure:
        draw(tmp_path / "song.png", *arguments, **options)
        figure = kept.pop()
        with drawing():
            figure.canvas.draw()
        return figure

    return call


@pytest.fixture
def song(drawn: Callable[..., Figure]) -> Figure:
    """Forty-five seconds: a voice of half the mixture's level from 4 to 10 s."""
    vocals = silence(45)
    vocals[4 * RATE : 10 * RATE] = tone(6, level=0.25)
    options = {"segments": SEGMENTS, "options": OPTIONS, "lines": LINES, "reference": LINES[:1], "title": "Song $1"}
    return drawn(plot_song, tone(45), vocals, **options)


def test_rows_are_half_a_minute(song: Figure) -> None:
    assert len(song.axes) == 2 * 4
    assert [axis.get_xlim() for axis in song.axes] == [(0, 30)] * 4 + [(30, 60)] * 4
    labels = [label.get_text() for label in song.axes[3].get_xticklabels()]
    assert labels == ["0:00", "0:05", "0:10", "0:15", "0:20", "0:25", "0:30"]
    assert song.axes[7].get_xticklabels()[-1].get_text() == "1:00"


def test_waveforms_reach_as_far_as_the_signals(song: Figure) -> None:
    wave = song.axes[0]
    shapes = {found.get_label(): found.get_paths()[0].get_extents() for found in wave.collections}
    mixture, vocals = shapes["mixture"], shapes["vocals"]
    assert (mixture.y0, mixture.y1) == pytest.approx((-0.5, 0.5), abs=0.01)
    assert (vocals.y0, vocals.y1) == pytest.approx((-0.25, 0.25), abs=0.01)
    assert mixture.x0 == 0
    rest = {found.get_label(): found.get_paths()[0].get_extents() for found in song.axes[4].collections}
    assert rest["mixture"].x1 == pytest.approx(45, abs=0.1)


def test_the_envelope_and_its_thresholds_are_those_of_the_segmenter(song: Figure) -> None:
    level = song.axes[1]
    envelope, onset, offset = (line for line in level.lines if line.get_linewidth() > 0.5)
    times, levels = envelope.get_data()
    sung = (np.asarray(times) > 4.2) & (np.asarray(times) < 9.8)
    # The RMS of a sine of 0.25 is 0.25 / sqrt(2); a frame can lack a piece of a period.
    assert np.asarray(levels)[sung] == pytest.approx(20 * math.log10(0.25 / math.sqrt(2)), abs=0.05)
    loudest = 20 * math.log10(rms_envelope(tone(6, level=0.25)).max())
    assert onset.get_ydata() == pytest.approx([loudest + 20 * math.log10(0.2)] * 2, abs=0.01)
    assert offset.get_ydata() == pytest.approx([loudest - 20] * 2, abs=0.01)
    assert onset.get_linestyle() != offset.get_linestyle()


def test_a_floor_lifts_the_thresholds(drawn: Callable) -> None:
    quiet = tone(12, level=0.02)
    figure = drawn(plot_song, quiet, quiet, options=RmsVadOptions(floor_db=-40.0))
    assert [line.get_ydata()[0] for line in figure.axes[1].lines[1:]] == [-40, -40]
    figure = drawn(plot_song, quiet, quiet, options=None)
    assert len(figure.axes[1].lines) == 1


def test_segments_stand_at_their_seconds(song: Figure) -> None:
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in song.axes[1].patches if patch.get_gid()]
    assert spans == [(4.0, 10.5), (28.0, 30.0)]
    assert [
        (patch.get_x(), patch.get_x() + patch.get_width()) for patch in song.axes[5].patches if patch.get_gid()
    ] == [(30.0, 33.0)]
    edges = [line.get_xdata()[0] for line in song.axes[0].lines]
    assert edges == [4.0, 10.5, 28.0]


def bars(figure: Figure, panel: int) -> dict[tuple[float, float], PolyCollection]:
    found = [one for one in figure.axes[panel].collections if isinstance(one, PolyCollection)]
    return {
        (path.get_extents().x0, path.get_extents().x1): collection
        for collection in found
        for path in collection.get_paths()
    }


def test_lines_are_bars_with_texts(song: Figure) -> None:
    assert set(bars(song, 2)) == {(4.25, 6.0)}
    transcribed = bars(song, 3)
    assert set(transcribed) == {(4.25, 6.0), (5.0, 7.0), (28.5, 30.0)}
    assert [bool(transcribed[span].get_hatch()) for span in sorted(transcribed)] == [False, True, False]
    assert set(bars(song, 7)) == {(30.0, 32.0)}
    texts = {text.get_text(): text.get_position() for text in song.axes[3].texts}
    assert texts["Même si l'été"][0] == pytest.approx(4.25, abs=0.2)
    assert texts["(ouh 日本 $x_1$)"][0] == pytest.approx(5.0, abs=0.2)
    # The text of a line that goes on in the next row ends with its row.
    assert texts["über die Grenze"][0] < 28.5
    assert [text.get_text() for text in song.axes[7].texts] == ["transcribed"]
    # Tracks are told apart by more than colour: by their names.
    assert [song.axes[panel].texts[0].get_text() for panel in (2, 3)] == ["reference", "transcribed"]


def test_no_text_covers_another_or_leaves_its_row(drawn: Callable) -> None:
    crowd = [Line(0.7 * i, 0.7 * i + 0.6, f"line {i} with a text much longer than its time") for i in range(60)]
    figure = drawn(plot_song, tone(42), tone(42), lines=crowd, reference=[Line(29, 41, "x" * 500)])
    renderer = figure.canvas.get_renderer()
    n_texts = 0
    for axis in figure.axes:
        boxes = [text.get_window_extent(renderer) for text in axis.texts[1:]]
        n_texts += len(boxes)
        for index, box in enumerate(boxes):
            assert box.x0 >= axis.bbox.x0 - 1
            assert box.x1 <= axis.bbox.x1 + 1
            for other in boxes[index + 1 :]:
                assert not box.padded(-1.5).overlaps(other.padded(-1.5))
    assert n_texts > 20
    assert any(text.get_text().endswith("x…") for axis in figure.axes for text in axis.texts)
    assert sum(len(bars(figure, panel)) for panel in (3, 7)) >= len(crowd)


def test_tags_and_what_cannot_be_printed_are_left_out(drawn: Callable) -> None:
    lines = [Line(1, 2, "<nl>Na-na</nl> la\u200b\tla\x07")]
    figure = drawn(plot_song, tone(5), tone(5), reference=lines)
    assert figure.axes[2].texts[1].get_text() == "Na-na la la"


def test_the_legend_says_what_is_there(song: Figure, drawn: Callable) -> None:
    (legend,) = song.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["mixture", "vocals", "segment", "RMS of the vocals", "onset", "offset", "doubtful line"]
    assert song.texts[0].get_text() == "Song $1"
    (legend,) = drawn(plot_song, tone(1), tone(1)).legends
    assert [text.get_text() for text in legend.get_texts()] == names[:4]
    box = legend.get_window_extent()
    assert box.x1 < legend.figure.bbox.x1


@pytest.mark.parametrize("n_samples", [0, 1, 2, 511, 16_000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_short_and_silent_songs(tmp_path: Path, n_samples: int, level: float) -> None:
    signal = np.full(n_samples, level, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_song(tmp_path / "a.png", signal, signal, options=OPTIONS, lines=(), reference=())
        plot_spectrograms(tmp_path / "b.png", signal, signal)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_three_hours_are_ten_rows_of_few_points(drawn: Callable) -> None:
    seconds = 3 * 3600
    signal = silence(seconds)
    signal[-RATE:] = tone(1)
    lines = [Line(4.0 * i, 4.0 * i + 3, f"line {i}") for i in range(seconds // 4)]
    figure = drawn(plot_song, signal, signal, options=OPTIONS, lines=lines, segments=[Segment(0, 30)])
    assert len(figure.axes) == 10 * 3
    assert figure.axes[-1].get_xlim() == (9720, 10800)
    assert figure.axes[-1].get_xticklabels()[-1].get_text() == "3:00:00"
    for axis in figure.axes:
        assert all(path.vertices.shape[0] < 2500 for found in axis.collections for path in found.get_paths())
        assert all(len(line.get_xdata()) <= 900 for line in axis.lines)
    # Every line has a bar; there is no room for texts.
    assert sum(len(bars(figure, panel)) for panel in range(2, 30, 3)) == len(lines)
    assert all(len(figure.axes[panel].texts) == 1 for panel in range(2, 30, 3))


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_song_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b", "c"):
        signal = tone(3, frequency=300 if name == "c" else 440)
        plot_song(tmp_path / f"{name}.{suffix}", signal, signal, options=OPTIONS, lines=LINES)
        plot_spectrograms(tmp_path / f"{name}.s.{suffix}", signal, signal)
    for kind in ("", "s."):
        first, again, other = ((tmp_path / f"{name}.{kind}{suffix}").read_bytes() for name in "abc")
        assert first == again
        assert first != other


def test_scripts_without_a_font_are_no_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    lines = [Line(0, 1, "日本語 한국어 สวัสดี עברית 🎵 𓀀")]
    for suffix in ("png", "svg", "pdf"):
        plot_song(tmp_path / f"a.{suffix}", tone(2), tone(2), lines=lines, title="日本")
    assert capfd.readouterr() == ("", "")
    assert len(recwarn) == 0


# Spectrograms


def test_a_tone_is_at_its_frequency_and_level(drawn: Callable) -> None:
    for frequency in (110, 440, 1000, 5000):
        figure = drawn(plot_spectrograms, tone(4, frequency=frequency, level=0.1), silence(4))
        mixture, vocals = (axis.images[0] for axis in figure.axes[:2])
        levels = np.asarray(mixture.get_array())
        column = levels[:, levels.shape[1] // 2]
        left, right, low, high = mixture.get_extent()
        assert (left, right) == (0, 4)
        mel = low + (high - low) * (np.argmax(column) + 0.5) / len(column)
        assert 700 * (10 ** (mel / 2595) - 1) == pytest.approx(frequency, rel=0.04, abs=12)
        # A sine of 0.1 is at -20 dBFS; a band or two that hold it are at most some dB off.
        assert -23 < column.max() < -18
        assert np.asarray(vocals.get_array()).max() < -150


def test_time_goes_from_left_to_right(drawn: Callable) -> None:
    late = np.concatenate([silence(3), tone(1)])
    image = drawn(plot_spectrograms, late, late).axes[0].images[0]
    loudest = np.asarray(image.get_array()).max(axis=0)
    first = np.flatnonzero(loudest > -30)[0] / len(loudest) * 4
    assert first == pytest.approx(3, abs=0.1)


def test_a_long_song_has_no_more_columns(drawn: Callable) -> None:
    signal = np.tile(tone(1), 3600)
    image = drawn(plot_spectrograms, signal, signal).axes[0].images[0]
    assert np.asarray(image.get_array()).shape[1] <= 1200


def test_levels_do_not_depend_on_what_stands_beyond_a_short_signal(drawn: Callable) -> None:
    short, padded = tone(0.1), np.concatenate([tone(0.1), silence(0.2)])
    first, longer = (
        np.asarray(drawn(plot_spectrograms, signal, signal).axes[0].images[0].get_array())
        for signal in (short, padded)
    )
    assert first.shape == (160, 4)
    np.testing.assert_allclose(first, longer[:, :4], atol=1e-6)
