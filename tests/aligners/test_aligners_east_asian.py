"""Japanese and Chinese lyrics, spoken by eSpeak NG: Whisper base, as the preset fast runs it, without a separator."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from script_modules import load_script

from lyricsep.aligners import KnownClips, KnownLine, KnownLyrics
from lyricsep.errors import LyricsepError
from lyricsep.lyrics import NOT_SUNG, Lyrics
from lyricsep.plan import AlignOptions, resolve
from lyricsep.session import Models, Session
from lyricsep.signals import Signals, find_vocal_segments

pytestmark = pytest.mark.slow

SAMPLE_RATE = 16_000
PAUSE = 1.5  # seconds between the lines
RATE, RANGE = 1, 4  # parameters of speak_lib.h

# In kana, since eSpeak reads no kanji.
JAPANESE = (
    "きょうは とても いい てんき です",
    "そらが あおくて ひろい です",
    "わたしは えきまで あるきます",
    "ともだちが そこで まって います",
    "いっしょに うみを みに いきます",
    "かぜが すこし つめたい です",
    "よるには ほしが ひかります",
    "また あしたも あいましょう",
)
CHINESE = (
    "今天 天气 很好",
    "我们 一起 去 海边",
    "早上 的 风 有点 冷",
    "你 在 车站 等 我",
    "孩子们 在 沙滩 上 跑",
    "太阳 慢慢 下山",
    "晚上 我们 看 星星",
    "明天 再 见面",
)
PUNCTUATED = (
    "今天，天气很好。",
    "我们一起去海边！",
    "“早上的风，有点冷”；",
    "你在车站等我？",
    "孩子们，在沙滩上跑。",
    "太阳（慢慢）下山……",
    "晚上，我们看《星星》",
    "明天，再见面。",
)


def without_spaces(rows: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row.replace(" ", "") for row in rows)


@dataclass(frozen=True, eq=False)
class Speech:
    """Lines with pauses between: float32 at 16 kHz, and the seconds at which each line starts and ends."""

    samples: NDArray[np.float32]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]


@pytest.fixture(scope="module")
def session() -> Session:
    made = Session(resolve(AlignOptions(preset="fast", device="cpu", offline=True)), models=Models())
    try:
        made.load()
    except LyricsepError as error:
        pytest.skip(str(error))
    return made


def speak(voice: str, rows: tuple[str, ...]) -> Speech:
    pytest.importorskip("espeakng_loader", reason="espeakng_loader is needed only to make the example and to speak")
    speaker = load_script("make_example").Speaker()
    assert speaker._library.espeak_SetVoiceByName(voice.encode()) == 0
    for parameter, value in ((RATE, 120), (RANGE, 50)):
        speaker._library.espeak_SetParameter(parameter, value, 0)
    track = [np.zeros(SAMPLE_RATE)]
    starts, ends = [], []
    for row in without_spaces(rows):
        sound = soxr.resample(speaker.speak(row)[0], 44_100, SAMPLE_RATE)
        loud = np.flatnonzero(np.abs(sound) > 0.01)
        starts.append(sum(map(len, track)))
        track.append(sound[loud[0] : loud[-1] + 1])
        ends.append(sum(map(len, track)))
        track.append(np.zeros(round(PAUSE * SAMPLE_RATE)))
    samples = np.concatenate(track).astype(np.float32)
    return Speech(samples, np.array(starts) / SAMPLE_RATE, np.array(ends) / SAMPLE_RATE)


@pytest.fixture(scope="module")
def japanese() -> Speech:
    return speak("ja", JAPANESE)


@pytest.fixture(scope="module")
def chinese() -> Speech:
    return speak("cmn", CHINESE)


def align(session: Session, speech: Speech, language: str, rows: tuple[str, ...]) -> Lyrics:
    assert session.plan.segmentation
    segments = find_vocal_segments(Signals(speech.samples, speech.samples), session.plan.segmentation)
    known = KnownLyrics(tuple(map(KnownLine, rows)))
    job = KnownClips(speech.samples, speech.samples, segments, language, known=known)
    (found,) = session.models.aligner(session.plan).align([job])
    return found


def check(found: Lyrics, speech: Speech, rows: tuple[str, ...]) -> None:
    """Check that lines come back as written, with the times at which they are spoken."""
    assert tuple(line.text for line in found.lines) == rows
    for line in found.lines:
        assert "".join(" " * word.space_before + word.text for word in line.words).strip() == line.text
    assert not any(NOT_SUNG in line.flags for line in found.lines)
    assert found.unwritten == ()
    characters = [word for line in found.lines for word in line.words]
    assert all(word.end > word.start for word in characters)
    assert all(before.end <= after.start + 1e-6 for before, after in pairwise(characters))
    for side, true in (("start", speech.starts), ("end", speech.ends)):
        errors = np.abs([getattr(line, side) for line in found.lines] - true)
        assert np.median(errors) < 0.1
        assert errors.max() < 0.3


def starts(lyrics: Lyrics) -> list[float]:
    return [word.start for line in lyrics.lines for word in line.words]


def test_japanese_with_spaces_and_without(session: Session, japanese: Speech) -> None:
    rows = without_spaces(JAPANESE)
    apart, joined = (align(session, japanese, "ja", written) for written in (JAPANESE, rows))
    check(apart, japanese, JAPANESE)
    check(joined, japanese, rows)
    assert np.median(np.abs(np.subtract(starts(apart), starts(joined)))) < 0.1


def test_chinese_with_spaces_without_and_with_punctuation(session: Session, chinese: Speech) -> None:
    rows = without_spaces(CHINESE)
    apart, joined, marked = (align(session, chinese, "zh", written) for written in (CHINESE, rows, PUNCTUATED))
    check(apart, chinese, CHINESE)
    check(joined, chinese, rows)
    check(marked, chinese, PUNCTUATED)
    assert [[word.text for word in line.words] for line in joined.lines] == [list(row) for row in rows]
    assert [word.text for word in marked.lines[0].words] == ["今", "天，", "天", "气", "很", "好。"]
    for other in (apart, marked):
        assert np.median(np.abs(np.subtract(starts(other), starts(joined)))) < 0.1
