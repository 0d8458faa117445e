"""The page of a song in a real browser: it opens alone, plays, follows, seeks, filters, and can be corrected."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyricsep.datasets import Song
from lyricsep.documents import LyricsDocument, rounded
from lyricsep.lyrics import Decoding, Line, Lyrics, Segment, Word
from lyricsep.pages import FoundSong, render_song_page, song_content

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"
SUNG = json.loads((EXAMPLE / "night_train.json").read_text(encoding="utf-8"))["lines"]
HOST = "http://lyricsep.test"
SAVE = f"{HOST}/api/songs/night_train"

APART = """(() => {
    const [one, other] = document.querySelectorAll("audio");
    return Math.abs(one.currentTime - other.currentTime);
})()"""

Opened = Callable[..., "Page"]


def timed(line: dict[str, Any], text: str, flags: tuple[str, ...] = ()) -> Line:
    """A line whose words are equally long."""
    start, end, texts = line["start"], line["end"], text.split()
    step = (end - start) / len(texts)
    words = tuple(Word(start + n * step, start + (n + 1) * step, one, 0.9) for n, one in enumerate(texts))
    return Line(start, end, text, words, flags)


def heard_lyrics() -> Lyrics:
    """The example with one error of every kind: an invention follows line 5, and line 7 is missing."""
    texts: list[str] = [line["text"] for line in SUNG]
    texts[0] = texts[0].replace("home", "foam")
    texts[1] = texts[1].replace("shining ", "")
    texts[2] = texts[2].replace("lights", "lights very")
    lines = [timed(line, text) for line, text in zip(SUNG, texts, strict=True)]
    lines[3] = replace(lines[3], flags=("low-confidence",))
    invention = " ".join(["please", "subscribe", "now"] * 4)
    del lines[7]
    lines.insert(6, timed({"start": 26.0, "end": 30.0}, invention, ("over-silence",)))
    decodings = (Decoding(4.6, 24.8, 0.0, -0.3, 0.01, 1.4), Decoding(31.2, 44.8, 0.2, -0.6, 0.02, 1.5, 2))
    segments = tuple(Segment(decoding.start, decoding.end) for decoding in decodings)
    return rounded(Lyrics(tuple(lines), "en", 49.53, segments, decodings))


def reference() -> Song:
    lines = tuple(Line(line["start"], line["end"], line["text"]) for line in SUNG)
    return Song("night_train", "example", "en", "\n".join(line.text for line in lines) + "\n", lines)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page of the example shows; each test that changes it copies it."""
    lyrics = tmp_path_factory.mktemp("run") / "night_train.json"
    lyrics.write_text(
        LyricsDocument.of(heard_lyrics(), title="Night Train", artist="lyricsep").to_json(), encoding="utf-8"
    )
    found = FoundSong("night_train", lyrics, EXAMPLE / "night_train.mp3", EXAMPLE / "night_train.vocals.ogg")
    manifest = {"schema": "lyricsep/manifest", "command": "transcribe", "device": "cpu", "lyricsep": "0"}
    return song_content(found, reference=reference(), manifest=manifest)


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Give a function that opens content as a file; at the end the page must have said and asked nothing."""
    contexts: list[Any] = []
    noise: list[str] = []

    def open_page(content: dict[str, Any], **options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: noise.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(render_song_page(content), encoding="utf-8")
        allowed = ("blob:", "data:", file.as_uri())
        page.on("request", lambda request: request.url.startswith(allowed) or noise.append(f"asked: {request.url}"))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert noise == []


@pytest.fixture
def song(opened: Opened, content: dict[str, Any]) -> Page:
    return opened(content)


def sound(page: Page, name: str = "mixture") -> float:
    return float(page.evaluate("name => document.querySelector(`audio[data-name=${name}]`).currentTime", name))


def apart(page: Page) -> float:
    return float(page.evaluate(APART))


def until(page: Page, condition: str) -> None:
    """Wait for an expression to be true; the policy of the page forbids to have the page itself evaluate it."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def current(page: Page) -> str:
    """Give the words that are marked as sung now."""
    return " ".join(page.locator(".word.current").all_inner_texts())


def shown_rows(page: Page) -> list[int]:
    rows = page.locator(".line").evaluate_all(
        "(rows) => rows.filter((row) => !row.hidden).map((row) => row.dataset.index)"
    )
    return [int(row) for row in rows]


def test_tells_what_the_song_is(song: Page) -> None:
    assert song.locator("h1").inner_text() == "Night Train"
    assert song.title() == "Night Train – lyrics"
    facts = song.locator("#facts li").all_inner_texts()
    assert facts[:4] == ["English", "0:49", "10 lines", "2 doubtful lines"]
    assert song.locator("#scores .figure").inner_text() == facts[4].removesuffix(" word errors")
    tally = song.locator("#scores .tally b").all_inner_texts()
    # Line 7 has 7 words.
    assert tally == [str(SUNG_WORDS - 1 - 1 - 7), "1", "8", "13"]


SUNG_WORDS = sum(len(re.findall(r"[\w']+", line["text"])) for line in SUNG)


def test_plays_and_follows(song: Page) -> None:
    song.locator("#play").click()
    until(song, "document.querySelector('audio').currentTime > 0.5")
    song.locator("#play[aria-label=Pause]").wait_for()
    song.locator(".line[data-index='4'] .time").click()
    words = heard_lyrics().lines[4].words
    seen = set()
    while (now := sound(song)) < words[-1].end:
        marked = current(song)
        line = song.locator(".line.current").get_attribute("data-index")
        later = sound(song)
        if later >= words[-1].end:
            break
        sung = [word.text for word in words if word.start <= later and word.end >= now - 0.15]
        assert (line, marked in sung) == ("4", True)
        seen.add(marked)
    assert len(seen) > 3
    song.keyboard.press("Space")
    song.locator("#play[aria-label=Play]").wait_for()
    stopped = sound(song)
    song.wait_for_timeout(100)
    assert sound(song) == stopped


@pytest.mark.parametrize(
    ("row", "word", "start"), [(0, "I", 4.792), (0, "ride", 4.792 + 5 * 0.3645), (5, "the", 21.531 + 3.052 / 6)]
)
def test_a_click_on_a_word_seeks(song: Page, row: int, word: str, start: float) -> None:
    song.locator(f".line[data-index='{row}'] .word", has_text=re.compile(f"^{word}$")).first.click()
    assert sound(song) == pytest.approx(start, abs=1e-3)
    assert sound(song, "vocals") == sound(song)
    assert current(song) == word
    assert song.locator(".line.current").get_attribute("data-index") == str(row)


def test_a_click_on_the_waveform_seeks(song: Page) -> None:
    box = song.locator("#wave").bounding_box()
    assert box
    song.mouse.click(box["x"] + box["width"] / 4, box["y"] + 30)
    assert sound(song) == pytest.approx(49.53 / 4, abs=0.1)
    assert song.locator(".line.current").get_attribute("data-index") == "2"


def test_nothing_is_marked_where_nobody_sings(song: Page) -> None:
    box = song.locator("#wave").bounding_box()
    assert box
    song.mouse.click(box["x"] + 3, box["y"] + 30)
    assert song.locator(".line.current").count() == 0
    assert current(song) == ""


def test_the_switch_keeps_the_position(song: Page) -> None:
    song.locator(".line").first.locator(".time").click()
    song.locator("#volume").fill("0.5")
    song.keyboard.press("Escape")
    song.locator("#play").click()
    until(song, "document.querySelector('audio').currentTime > 6.5")
    song.evaluate("document.querySelector('audio[data-name=vocals]').currentTime += 0.2")
    until(song, f"{APART} < 0.01")
    before = sound(song)
    song.locator("[data-source=vocals]").click()
    state = song.evaluate(
        "[...document.querySelectorAll('audio')].map((sound) => [sound.dataset.name, sound.muted, sound.volume])"
    )
    assert state == [["mixture", True, 0.5], ["vocals", False, 0.5]]
    assert before - 0.2 < sound(song, "vocals") < before + 0.8
    assert song.locator("[data-source=vocals]").get_attribute("aria-pressed") == "true"
    song.locator("#play").focus()
    song.keyboard.press("v")
    assert song.locator("[data-source=mixture]").get_attribute("aria-pressed") == "true"
    song.keyboard.press("Space")
    assert apart(song) < 1e-3


def test_speed(song: Page) -> None:
    song.locator("#speed").select_option("1.5")
    rates = song.evaluate("[...document.querySelectorAll('audio')].map((sound) => sound.playbackRate)")
    assert rates == [1.5, 1.5]


def test_errors_are_marked_by_more_than_colour(song: Page) -> None:
    assert song.locator(".line[data-index='0'] .error.substitution ruby").inner_text() == "foam,home,"
    assert (
        song.locator(".line[data-index='1'] del").evaluate("(word) => getComputedStyle(word).textDecorationLine")
        == "line-through"
    )
    assert song.locator(".line[data-index='1'] del").text_content() == "[missed: shining]"
    inserted = song.locator(".line[data-index='2'] ins")
    assert "very" in inserted.inner_text()
    assert inserted.evaluate("(word) => getComputedStyle(word).borderBottomStyle") == "dotted"
    assert song.locator("ins.hallucinated").count() == 12


@pytest.mark.parametrize(
    ("kind", "rows"),
    # Row 6 is the invention, row 8 the line of which nothing was heard.
    [("substitution", [0]), ("deletion", [1, 8]), ("insertion", [2, 6]), ("hallucinated", [6]), ("flagged", [3, 6])],
)
def test_filters_show_the_rows_they_name(song: Page, kind: str, rows: list[int]) -> None:
    song.locator(f"[data-filter={kind}].chip").click()
    assert shown_rows(song) == rows
    song.locator("[data-filter=all].chip").click()
    assert shown_rows(song) == list(range(11))


def test_keys(song: Page) -> None:
    song.keyboard.press("n")
    assert sound(song) == pytest.approx(4.792 + 3 * 0.3645, abs=1e-3)
    assert "foam" in song.locator(".spot").inner_text()
    song.keyboard.press("n")
    assert song.locator("#spot").inner_text() == "2 of 5"
    song.keyboard.press("p")
    song.keyboard.press("p")
    assert song.locator("#spot").inner_text() == "5 of 5"  # the line that is missing
    assert sound(song) == pytest.approx(34.792, abs=1e-3)
    song.keyboard.press("k")
    assert sound(song) == pytest.approx(26.0, abs=1e-3)
    song.keyboard.press("j")
    assert sound(song) == pytest.approx(31.406, abs=1e-3)
    song.keyboard.press("ArrowLeft")
    assert sound(song) == pytest.approx(26.406, abs=1e-3)
    song.keyboard.press("Shift+ArrowRight")
    assert sound(song) == pytest.approx(27.406, abs=1e-3)
    song.keyboard.press("?")
    assert song.locator("#help").is_visible()
    song.keyboard.press("Escape")
    assert not song.locator("#help").is_visible()
    song.keyboard.press("+")
    assert song.locator("#overview").is_visible()
    song.keyboard.press("-")
    assert not song.locator("#overview").is_visible()


def test_theme(song: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = song.evaluate(paper)
    song.locator("#theme").click()
    assert song.evaluate(paper) != light
    song.locator("#theme").click()
    assert song.evaluate(paper) == light


@pytest.mark.parametrize("reduced", ["reduce", "no-preference"])
def test_scrolls_with_the_song(opened: Opened, content: dict[str, Any], reduced: str) -> None:
    page = opened(content, viewport={"width": 390, "height": 600}, reduced_motion=reduced)
    page.locator("#play").click()
    page.evaluate("document.querySelectorAll('button.time')[9].click()")
    until(page, "document.querySelector('.line.current')?.dataset.index === '9'")
    until(
        page,
        """(() => {
            const { top, bottom } = document.querySelector('.line.current').getBoundingClientRect();
            return top > document.querySelector('#player').getBoundingClientRect().bottom && bottom < innerHeight;
        })()""",
    )


def test_hostile_texts_stay_texts(opened: Opened, content: dict[str, Any]) -> None:
    evil = (
        "</script><script>console.log('evil')</script><img src=x onerror=console.log(1)> \"'& 🎵 שלום e\u0301 \u2028"
    )
    lines = [{**line, "text": evil, "words": [], "flags": [evil]} for line in content["lines"][:2]]
    words = [{"kind": "substitution", "heard": evil, "sung": evil}, {"kind": "deletion", "sung": evil}]
    rows = [{"line": 0, "start": 1.0, "words": words}, {"line": 1, "start": 2.0, "words": []}]
    changed = {"title": evil, "artist": evil, "language": evil[:8], "lines": lines, "manifest": {evil: evil}}
    page = opened({**content, **changed, "reference": {"lines": [], "rows": rows}})
    assert page.locator("h1").inner_text().strip() == evil.strip()
    assert page.title().strip() == f"{evil} – lyrics".replace("\u2028", "\u2028").strip()
    assert page.locator("img").count() == 0
    assert page.locator(".line[data-index='1'] .text").inner_text().split() == evil.split()


def test_leads_back_to_the_list(opened: Opened, content: dict[str, Any]) -> None:
    assert opened(content).locator(".home").count() == 0
    assert opened({**content, "home": "../report.html"}).locator(".home").get_attribute("href") == "../report.html"


def test_says_what_is_missing(opened: Opened, content: dict[str, Any]) -> None:
    bare = {"audio": {"mixture": None, "vocals": None}, "peaks": {"rate": 100, "mixture": None, "vocals": None}}
    nothing = {"envelope": None, "reference": None, "scores": None, "manifest": None, "segments": [], "decodings": []}
    page = opened({**content, **bare, **nothing})
    assert "without audio" in page.locator("#notes").inner_text()
    assert "no waveform" in page.locator("#notes").inner_text()
    assert "No reference was given" in page.locator("#scores").inner_text()
    assert not page.locator("#play").is_visible()
    page.locator(".line[data-index='4'] .time").click()  # it is read without audio as well
    assert page.locator(".line.current").get_attribute("data-index") == "4"
    assert page.locator(".chip:visible").all_inner_texts()[1].startswith("doubtful")
    instrumental = opened({**content, **bare, **nothing, "lines": []})
    assert "instrumental" in instrumental.locator("#notes").inner_text()


def test_what_is_sung_but_not_written(opened: Opened, content: dict[str, Any]) -> None:
    assert not opened(content).locator("#unwritten").is_visible()
    heard = [{"start": 1.2, "end": 2.0, "text": "and <b> again", "words": [], "flags": [], "section": None}]
    place = opened({**content, "unwritten": heard}).locator("#unwritten")
    assert place.is_visible()
    assert place.locator("button").inner_text() == "0:01 and <b> again"


def test_a_song_without_vocals(opened: Opened, content: dict[str, Any]) -> None:
    page = opened({**content, "audio": {**content["audio"], "vocals": None}, "envelope": None})
    assert page.locator("[data-source=vocals]").is_disabled()
    assert "only the song itself" in page.locator("#notes").inner_text()


@pytest.mark.parametrize("reference", [None, Song("a", "mine", "en", "hello there\nwe go home")])
def test_lyrics_without_times(opened: Opened, tmp_path: Path, reference: Song | None) -> None:
    (tmp_path / "a.txt").write_text("hello there\n...\nwe went home\n", encoding="utf-8")
    page = opened(song_content(FoundSong("a", tmp_path / "a.txt"), reference=reference, audio="none"))
    rows = [" ".join(row.split()) for row in page.locator(".line .text").all_inner_texts()]
    marked = "wentgo [reference: go]" if reference else "went"  # the first go is above the word
    assert rows == ["hello there", "...", f"we {marked} home"]
    assert "3 lines" in page.locator("#facts").inner_text()
    assert "These lyrics have no times" in page.locator("#notes").inner_text()


def test_sound_that_cannot_be_played(browser: Browser, content: dict[str, Any]) -> None:
    page = browser.new_page()
    broken = "data:audio/webm;base64,AAAA"
    page.set_content(render_song_page({**content, "audio": {**content["audio"], "vocals": broken}}))
    page.get_by_text("Cannot play the vocals").wait_for()
    assert page.locator("[data-source=vocals]").is_disabled()
    page.locator("#play").click()
    until(page, "document.querySelector('audio').currentTime > 0.1")
    page.set_content(render_song_page({**content, "audio": {"mixture": broken, "vocals": None}}))
    page.get_by_text("Cannot play the song").wait_for()
    assert not page.locator("#play").is_visible()
    page.close()


@pytest.mark.parametrize(
    ("scheme", "width", "editing"),
    [
        ("light", 1280, False),
        ("light", 390, False),
        ("dark", 1280, False),
        ("dark", 390, False),
        ("light", 1280, True),
        ("dark", 390, True),
    ],
)
def test_accessible(opened: Opened, content: dict[str, Any], scheme: str, width: int, editing: bool) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    review = (
        {"save": "/api", "revision": 0, "token": "T", "machine": content["lines"], "home": "/"} if editing else None
    )
    page = opened({**content, "review": review}, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.locator(".line[data-index='3'] .time").click()
    for summary in page.locator("summary").all():
        summary.click()
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# Correcting


class Desk:
    """A page that is corrected, and what it sent to be saved."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sent: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] | None = None

    def take(self, route: Route) -> None:
        assert route.request.method == "PUT"
        assert route.request.headers["x-lyricsep-token"] == "secret"
        self.sent.append(route.request.post_data_json)
        status, body = self.answer or (200, {"revision": self.sent[-1]["revision"] + 1, "files": []})
        route.fulfill(status=status, json=body)

    def row(self, index: int) -> Any:
        return self.page.locator(f".line[data-index='{index}']")

    def select(self, index: int) -> None:
        self.row(index).locator(".time").click()

    def tool(self, name: str) -> None:
        self.page.locator(f"[data-tool={name}]").click()

    def write(self, text: str, key: str = "Enter") -> None:
        self.page.locator(".edit-text").fill(text)
        self.page.keyboard.press(key)

    def texts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.page.locator(".line:not(.missing) .text").all_inner_texts()]

    def saved(self) -> Lyrics:
        """Save, and read what came as the server does."""
        n = len(self.sent)
        self.page.keyboard.press("Control+s")
        until(self.page, "/^Saved|^Not saved/.test(document.querySelector('#save-state').textContent)")
        assert len(self.sent) == n + 1
        return LyricsDocument.from_json(json.dumps(self.sent[-1]["lyrics"])).lyrics


@pytest.fixture
def desk(browser: Browser, content: dict[str, Any]) -> Iterator[Desk]:
    review = {"save": "/api/songs/night_train", "revision": 4, "token": "secret", "machine": None, "home": "/"}
    # What is corrected is plainer without marks.
    plain = {"reference": None, "scores": None, "review": review}
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    made = Desk(page)
    context.route(
        f"{HOST}/song",
        lambda route: route.fulfill(body=render_song_page({**content, **plain}), content_type="text/html"),
    )
    context.route(SAVE, made.take)
    page.goto(f"{HOST}/song")
    yield made
    context.close()
    assert errors == []


def test_correcting_words_keeps_the_times_of_the_others(desk: Desk) -> None:
    desk.select(0)
    desk.tool("open")
    desk.write("I left my old home, I ride the  train,")
    line = desk.saved().lines[0]
    before = heard_lyrics().lines[0]
    assert line.text == "I left my old home, I ride the train,"
    assert [word.text for word in line.words] == line.text.split()
    assert line.words[:3] == before.words[:3]
    assert line.words[5:] == before.words[4:]
    assert (
        before.words[3].start == line.words[3].start < line.words[4].start < line.words[4].end == before.words[3].end
    )
    assert desk.page.locator("#save-state").inner_text() == "Saved (revision 5)"


def test_lyrics_that_are_right_can_be_saved_as_they_are(browser: Browser, content: dict[str, Any]) -> None:
    review = {"save": "/api", "revision": 0, "token": "secret", "machine": None, "home": None}
    context = browser.new_context()
    desk = Desk(context.new_page())
    html = render_song_page({**content, "reference": None, "scores": None, "review": review})
    context.route(f"{HOST}/song", lambda route: route.fulfill(body=html, content_type="text/html"))
    context.route(f"{HOST}/api", desk.take)
    desk.page.goto(f"{HOST}/song")
    desk.page.locator("#save").click()
    until(desk.page, "/^Saved/.test(document.querySelector('#save-state').textContent)")
    assert desk.page.locator("#save").is_disabled()
    assert [line["text"] for line in desk.sent[0]["lyrics"]["lines"]] == [line["text"] for line in content["lines"]]
    context.close()


def test_undo_and_redo(desk: Desk) -> None:
    before = desk.texts()
    desk.select(2)
    desk.page.keyboard.press("e")
    desk.write("The city lights are far behind,")
    after = desk.texts()
    assert after[2] == "The city lights are far behind,"
    desk.page.keyboard.press("Control+z")
    assert desk.texts() == before
    assert desk.page.locator("#save").is_disabled()
    desk.page.keyboard.press("Control+y")
    assert desk.texts() == after
    desk.page.locator("#undo").click()
    assert desk.texts() == before


def test_escape_leaves_the_words(desk: Desk) -> None:
    before = desk.texts()
    desk.select(0)
    desk.page.keyboard.press("e")
    desk.write("nonsense", key="Escape")
    assert desk.texts() == before


def test_splitting_and_joining(desk: Desk) -> None:
    desk.select(4)
    desk.page.keyboard.press("e")
    desk.page.locator(".edit-text").evaluate("(input) => input.setSelectionRange(14, 14)")
    desk.page.keyboard.press("Shift+Enter")
    assert desk.texts()[4:6] == ["All night long", "the wheels go round,"]
    assert desk.page.locator(".edit-text").count() == 0
    lines = desk.saved().lines
    before = heard_lyrics().lines[4]
    assert lines[4].words + lines[5].words == before.words
    assert (lines[4].end, lines[5].start) == (before.words[2].end, before.words[3].start)
    desk.select(4)
    desk.tool("merge")
    assert desk.saved().lines == heard_lyrics().lines


def test_words_of_which_the_model_made_two(browser: Browser, content: dict[str, Any]) -> None:
    texts = ["c", "'est", "la", "vie"]
    words = [{"start": 5 + n, "end": 6 + n, "text": text, "probability": 1} for n, text in enumerate(texts)]
    line = {"start": 5, "end": 9, "text": "c'est la vie", "words": words, "flags": []}
    review = {"save": "/api", "revision": 0, "token": "", "machine": None, "home": None}
    context = browser.new_context()
    page = context.new_page()
    page.set_content(
        render_song_page({**content, "lines": [line], "reference": None, "scores": None, "review": review})
    )
    assert page.locator("[data-word='1'].word").inner_text() == "'est"
    page.locator(".line .word", has_text="vie").click()
    page.locator("[data-tool=split]").click()
    assert [" ".join(text.split()) for text in page.locator(".text").all_inner_texts()] == ["c'est la", "vie"]
    page.locator(".time").first.click()
    spans = page.locator(".handle").evaluate_all("(all) => all.map((one) => Number(one.ariaValueNow))")
    assert sorted(spans) == [5, 7, 7, 8]  # the line shares its edges with its first and last word
    context.close()


def test_nothing_is_split_off_a_line(desk: Desk) -> None:
    before = desk.texts()
    desk.select(4)
    desk.page.keyboard.press("e")
    desk.page.locator(".edit-text").evaluate("(input) => input.setSelectionRange(0, 0)")
    desk.page.keyboard.press("Shift+Enter")
    assert "put the cursor" in desk.page.locator("#save-state").inner_text()
    desk.page.keyboard.press("Enter")  # the words are still open
    assert desk.texts() == before
    assert desk.page.locator("#save").is_disabled()


def test_splitting_at_the_playing_position(desk: Desk) -> None:
    desk.row(4).locator(".word", has_text="the").click()
    desk.tool("split")
    assert desk.texts()[4:6] == ["All night long", "the wheels go round,"]


def test_inserting_and_deleting(desk: Desk) -> None:
    desk.select(5)
    desk.tool("insert")
    desk.write("Whistle, whistle")
    assert desk.texts()[6] == "Whistle, whistle"
    line = desk.saved().lines[6]
    assert (line.start, line.end, line.words) == (24.583, 26.0, ())
    desk.select(6)
    desk.tool("delete")
    assert desk.saved().lines == heard_lyrics().lines
    desk.select(5)
    desk.tool("insert")
    desk.write("", key="Escape")
    assert len(desk.texts()) == 10


def test_the_beginning_and_an_emptied_line(desk: Desk) -> None:
    desk.page.locator("#add-first").click()
    desk.write("Oh,")
    assert desk.texts()[0] == "Oh,"
    desk.page.keyboard.press("e")
    desk.write("")
    assert len(desk.texts()) == 10


def test_dragging_the_end_of_a_word(desk: Desk) -> None:
    desk.select(1)
    handle = desk.page.locator(".handle[data-word='0'][data-edge=end]")
    box = handle.bounding_box()
    assert box
    scale = (
        float(
            desk.page.evaluate(
                "document.querySelector('#wave > div').shadowRoot.querySelector('.wrapper').clientWidth"
            )
        )
        / 49.53
    )
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    desk.page.mouse.move(x, y)
    desk.page.mouse.down()
    desk.page.mouse.move(x + 10, y, steps=3)
    desk.page.mouse.move(x + 20, y)
    desk.page.mouse.up()
    assert sound(desk.page) == pytest.approx(8.073, abs=1e-3)  # a drag is no click
    line, before = desk.saved().lines[1], heard_lyrics().lines[1]
    assert line.words[0].end == pytest.approx(before.words[0].end + 20 / scale, abs=0.01)
    assert line.words[1].start == line.words[0].end  # they touched, and do so still
    assert line.words[2:] == before.words[2:]
    desk.page.locator("#undo").click()
    assert desk.saved().lines == heard_lyrics().lines


def test_nudging_by_keys(desk: Desk) -> None:
    desk.select(1)
    desk.page.locator(".handle.of-line[data-edge=start]").focus()
    desk.page.keyboard.press("ArrowLeft")
    desk.page.keyboard.press("Shift+ArrowLeft")
    assert desk.saved().lines[1].start == pytest.approx(8.073 - 0.11, abs=1e-6)
    assert sound(desk.page) == pytest.approx(8.073, abs=1e-3)


def test_times_from_the_playing_position(desk: Desk) -> None:
    desk.row(1).locator("[data-word='3']").click()
    desk.page.keyboard.press("]")
    line = desk.saved().lines[1]
    assert line.end == pytest.approx(sound(desk.page), abs=1e-3)
    assert all(word.end <= line.end for word in line.words)


def test_a_doubt_is_dispelled(desk: Desk) -> None:
    desk.select(3)
    desk.tool("check")
    assert desk.saved().lines[3].flags == ()
    assert desk.sent[-1]["lyrics"]["flagged"] == [6]


@pytest.mark.parametrize(
    ("status", "told"), [(409, "saved in another window"), (500, "the disk is full"), (413, "the disk is full")]
)
def test_a_refused_save_says_why_and_keeps_the_work(desk: Desk, status: int, told: str) -> None:
    desk.answer = (status, {"error": "the disk is full"})
    desk.select(0)
    desk.page.keyboard.press("e")
    desk.write("Something else")
    desk.saved()
    assert told in desk.page.locator("#save-state").inner_text()
    assert desk.texts()[0] == "Something else"
    desk.answer = None
    assert desk.saved().lines[0].text == "Something else"
    assert [sent["revision"] for sent in desk.sent] == [4, 4]


def test_leaving_unsaved_work_is_asked_about(desk: Desk) -> None:
    asked: list[str] = []
    desk.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    desk.select(0)
    desk.tool("delete")
    desk.page.reload()
    assert asked == ["beforeunload"]
    desk.page.reload()
    assert asked == ["beforeunload"]


def test_the_version_of_the_machine_can_be_taken_back(browser: Browser, content: dict[str, Any]) -> None:
    review = {
        "save": "/api/songs/night_train",
        "revision": 1,
        "token": "secret",
        "machine": content["lines"][:2],
        "home": None,
    }
    context = browser.new_context()
    page = context.new_page()
    page.set_content(render_song_page({**content, "review": review}))
    page.locator("#machine summary").click()
    page.locator("#take-back").click()
    assert page.locator(".line").count() == 2
    page.locator("#undo").click()
    assert page.locator(".line").count() == 11
    assert page.locator(".error").count() > 0  # what is compared again is marked again
    context.close()
