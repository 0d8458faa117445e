"""`lyricsep karaoke`: from a song to what is sung from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
import soundfile
from command_line import EXAMPLE, QUICKEST, manifest_of
from PIL import Image

from lyricsep.formats import read_lyrics
from lyricsep.separators.passthrough import Passthrough

WORDS = "I left my home, I ride the train,\nThe streets were shining in the rain,\n"


def test_a_song_and_its_lyrics_become_karaoke(
    run: Callable, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = []
    stream = Passthrough.stream
    monkeypatch.setattr(Passthrough, "stream", lambda *given: (streamed.append(1), stream(*given))[1])
    (tmp_path / "words.txt").write_text(WORDS)
    Image.new("RGB", (64, 64), (10, 120, 200)).save(tmp_path / "sky.png")
    told = run(
        *("karaoke", song, "--lyrics", "words.txt", "-o", "out", "--preview", "--picture", "sky.png"),
        *("--separator", "none", "--model", "tiny.en", "--format", "flac"),
    )
    assert told.code == 0, told.err
    names = ["song.instrumental.flac", "song.ass", "song.mp4", "song.preview/001.png", "song.preview/002.png"]
    assert told.out.splitlines() == [f"out/{name}" for name in names]
    assert streamed == [1], "one separation for the instrumental and the lyrics"
    instrumental = soundfile.read(told.written[0])[0]
    assert instrumental.shape == soundfile.read(song)[0].shape
    assert not instrumental.any()
    assert "{\\kf" in told.written[1].read_text()
    found = read_lyrics(told.written[1])
    assert [line.text for line in found.lines] == WORDS.splitlines()
    with av.open(told.written[2]) as video:
        assert video.duration / 1e6 == pytest.approx(soundfile.info(song).duration, abs=0.1)
    assert Image.open(told.written[3]).size == (1920, 1080)
    assert manifest_of(tmp_path / "out")["command"][1] == "karaoke"


def test_without_lyrics_the_song_is_transcribed(run: Callable, song: Path) -> None:
    told = run("karaoke", song, *QUICKEST)
    assert told.code == 0, told.err
    assert told.out.splitlines() == [f"karaoke/song.{name}" for name in ("instrumental.wav", "ass", "mp4")]
    assert "train" in read_lyrics(told.written[1]).text
    told = run("karaoke", song, *QUICKEST)
    assert told.code == 1
    assert "karaoke/song.instrumental.wav: exists already; set --overwrite" in told.err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--format", "aac"), "--format aac: choose from wav, flac, mp3, opus"),
        (("--font", "No Such Font"), "no font is called No Such Font; set --font"),
        (("--picture", EXAMPLE), "night_train.mp3: is no picture that can be read; set --picture"),
        (("--lyrics", "gone.txt"), "gone.txt: no such file or folder"),
        (
            ("--lyrics", "tags", "--beam-size", "1"),
            "known lyrics are aligned, not transcribed",
        ),
    ],
)
def test_what_is_wrong_is_said_before_the_work(
    run: Callable, song: Path, tmp_path: Path, options: tuple[str | Path, ...], error: str
) -> None:
    told = run("karaoke", song, "-o", "out", *options)
    assert (told.code, told.out) == (2, "")
    assert error in told.err
    assert not list(tmp_path.glob("out/*"))


def test_a_font_without_the_letters_of_a_song_fails_that_song(run: Callable, song: Path, tmp_path: Path) -> None:
    song.rename(tmp_path / "夜の列車.wav")
    told = run("karaoke", "夜の列車.wav", *QUICKEST, "--font", "DejaVu Sans")
    assert told.code == 1
    assert "failed: 夜の列車.wav: the font DejaVu Sans lacks 4: の (U+306E)" in told.err
    assert "set --font to one that has them" in told.err
