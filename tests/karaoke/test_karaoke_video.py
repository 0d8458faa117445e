"""The video as a player shows it: kind, length, and the sweep on the clock of the sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image, ImageFont
from sung_lines import sung

from lyricsep.audio import load_audio
from lyricsep.karaoke import Painter, find_font, make_pages, save_preview, write_video
from lyricsep.lyrics import Lyrics

RATE = 44_100
FONT = find_font("DejaVu Sans")
LINE = sung(4.0, "Sing it with feeling", 4.0, 4.37, 5.73, 6.2)
PAGES = make_pages(Lyrics((LINE,)), "Song", "Band")
CLICK = 2.0  # seconds


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    sound = np.zeros((round(7.5 * RATE), 2))
    sound[round(CLICK * RATE) : round(CLICK * RATE) + 20] = 0.9
    soundfile.write(folder / "sound.wav", sound, RATE)
    write_video(folder / "song.mp4", folder / "sound.wav", PAGES, Painter(FONT), title="Song", artist="Band")
    return folder / "song.mp4"


def amber_until(image: np.ndarray) -> int:
    """Return the last column in which a letter of the middle line has the colour of what is sung; 0 for none."""
    red, green, blue = image[470:610].astype(int).transpose(2, 0, 1)
    columns = np.flatnonzero(((red > 200) & (green > 130) & (green < 215) & (blue < 110)).any(axis=0))
    return int(columns[-1]) if len(columns) else 0


def test_it_is_what_every_player_shows(video: Path) -> None:
    with av.open(video) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.width, picture.height, picture.average_rate) == (1920, 1080, 25)
        assert picture.codec_context.pix_fmt == "yuv420p"
        assert (sound.rate, sound.layout.name) == (RATE, "stereo")
        assert container.duration / 1e6 == pytest.approx(7.5, abs=0.1)
        assert float(picture.duration * picture.time_base) == pytest.approx(7.5, abs=0.04)
        assert (container.metadata["title"], container.metadata["artist"]) == ("Song", "Band")


def test_the_sound_is_on_time(video: Path) -> None:
    sound = load_audio(video)
    assert sound.duration == pytest.approx(7.5, abs=0.05)
    assert int(sound.samples[0].abs().argmax()) / RATE == pytest.approx(CLICK, abs=0.003)


def test_words_are_swept_when_they_are_sung(video: Path) -> None:
    font = ImageFont.truetype(FONT, 96)
    first = (1920 - font.getlength(LINE.text)) / 2
    with av.open(video) as container:
        swept = [(frame.time, amber_until(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]
    columns = [column for time, column in swept if time < 6.9]
    assert columns == sorted(columns)
    for word in LINE.words:
        left = first + font.getlength(LINE.text[: LINE.text.index(word.text)])
        began = next(time for time, column in swept if column > left)
        assert began == pytest.approx(word.start, abs=0.04), word.text
    assert columns[-1] == pytest.approx(first + font.getlength(LINE.text), abs=12)


def test_a_preview_is_the_frame_of_its_time(video: Path, tmp_path: Path) -> None:
    save_preview(tmp_path / "new" / "1.png", PAGES, Painter(FONT), 5.02)
    preview = np.asarray(Image.open(tmp_path / "new" / "1.png")).astype(int)
    with av.open(video) as container:
        frame = next(frame for frame in container.decode(video=0) if frame.time >= 5.0)
        shown = frame.to_ndarray(format="rgb24", src_colorspace="ITU709").astype(int)
    assert preview.shape == shown.shape == (1080, 1920, 3)
    assert np.abs(preview - shown).mean() < 4


def test_sound_of_many_channels_and_a_high_rate_is_what_players_know(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", np.full((96_000, 6), 0.25), 96_000)
    write_video(tmp_path / "song.mp4", tmp_path / "sound.wav", PAGES, Painter(FONT), title="Song")
    sound = load_audio(tmp_path / "song.mp4")
    assert (sound.n_channels, sound.sample_rate) == (2, 48_000)
    assert sound.duration == pytest.approx(1, abs=0.03)
    assert float(sound.samples[:, 24_000].mean()) == pytest.approx(0.25, abs=0.02)
