"""Times are set by ear, and what is edited is what is meant, in a real browser."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from night_train import TIMED

from lyricsep.errors import AudioError
from lyricsep.lyrics import Line, Lyrics
from lyricsep.pages import FoundSong, Results, find_results
from lyricsep.review import Corrections, ReviewServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SOUND = "document.querySelector('audio[data-name=mixture]')"


class FakeRedo:
    """In the place of the models: a voice that sets in at 11.8 s, and times for any text."""

    def has_vocals(self, found: FoundSong) -> bool:
        return found.vocals is None

    def vocals(self, found: FoundSong) -> np.ndarray:
        vocals = np.full(16_000 * 49, 1e-4, np.float32)
        vocals[round(11.8 * 16_000) : 14 * 16_000] = 0.5
        return vocals

    def times(self, found: FoundSong, text: str) -> Lyrics:
        if "nonsense" in text:
            raise AudioError("song: its lyrics are not sung in it")
        return Lyrics(tuple(Line(10.0 + n, 10.5 + n, row) for n, row in enumerate(text.split("\n"))))


@pytest.fixture
def server(timed: Results) -> Iterator[ReviewServer]:
    with ReviewServer(timed, redo=FakeRedo()) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url_of("song"))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def lines(page: Page, timed: Results) -> Callable[[], tuple[Line, ...]]:
    """Give a function that saves the page and returns the lines of the file."""

    def save() -> tuple[Line, ...]:
        page.keyboard.press("Control+s")
        until(page, "/^Saved/.test(document.querySelector('#save-state').textContent)")
        return Corrections(timed).load("song").transcript.lines

    return save


def until(page: Page, condition: str) -> None:
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def row(page: Page, index: int) -> object:
    return page.locator(f".line[data-index='{index}']")


def go(page: Page, seconds: float) -> None:
    """Go to a time without selecting a line, as the song does when it plays."""
    page.evaluate(f"for (const sound of document.querySelectorAll('audio')) sound.currentTime = {seconds}")
    until(page, f"Math.abs({SOUND}.currentTime - {seconds}) < 0.01 && !{SOUND}.seeking")


def play(page: Page, start: float, key: str) -> float:
    """Play from a time, press a key while it plays, and return the position at which it was pressed."""
    go(page, start)
    page.keyboard.press("Space")
    until(page, f"{SOUND}.currentTime > {start + 0.2}")
    page.keyboard.press(key)
    position = float(page.evaluate(f"{SOUND}.currentTime"))
    page.keyboard.press("Space")
    return position


@pytest.mark.parametrize(("key", "edge"), [("[", "start"), ("]", "end")])
def test_an_edge_set_while_it_plays_is_that_of_the_line_that_is_sung(page, lines, key, edge) -> None:
    row(page, 0).locator(".time").click()
    position = play(page, 21.0, key)
    found = lines()
    assert found[:3] == TIMED.lines[:3]
    assert getattr(found[3], edge) == pytest.approx(position, abs=0.4)


def test_an_edge_set_between_lines_is_that_of_the_nearest_in_its_direction(page, lines) -> None:
    row(page, 0).locator(".time").click()
    start = play(page, 17.0, "[")
    end = play(page, 15.0, "]")
    found = lines()
    assert found[3].start == pytest.approx(start, abs=0.4)
    assert found[2].end == pytest.approx(end, abs=0.4)
    assert found[:2] == TIMED.lines[:2]


def test_a_start_after_the_end_moves_the_line(page, lines) -> None:
    row(page, 2).locator(".time").click()
    go(page, 16.0)
    page.keyboard.press("[")
    line = lines()[2]
    assert (line.start, line.end) == (pytest.approx(16.0, abs=0.02), pytest.approx(18.0, abs=0.02))
    assert [word.end - word.start for word in line.words] == pytest.approx([1.0, 1.0], abs=0.002)


@pytest.mark.parametrize("before", [None, 0, 2])
def test_a_double_click_edits_the_line_below_it(page, before) -> None:
    if before is not None:
        row(page, before).locator(".time").click()
    row(page, 3).locator(".text").dblclick(position={"x": 300, "y": 10})
    assert page.locator(".line[data-index='3'] .edit-text").input_value() == "Night train"


def drag(page: Page, selector: str, pixels: int) -> None:
    box = page.locator(selector).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels, y, steps=4)
    page.mouse.up()


def test_dragging_the_start_of_a_line_takes_its_first_word_along(page, lines) -> None:
    row(page, 2).locator(".time").click()
    drag(page, ".handle.of-line[data-edge=start]", -40)
    drag(page, ".handle.of-line[data-edge=end]", 30)
    line = lines()[2]
    assert 10.0 < line.start < 11.95
    assert (line.words[0].start, line.words[0].end) == (line.start, 13.0)
    assert line.end > 14.05
    assert (line.words[1].start, line.words[1].end) == (13.0, line.end)


def test_a_word_goes_out_when_the_next_line_follows_at_once(page) -> None:
    go(page, 6.5)
    for key in ("s", "s", "Space"):  # at half the speed
        page.keyboard.press(key)
    for word in ("ahead", "I"):
        until(
            page, f"[...document.querySelectorAll('.word.current')].map((one) => one.textContent).join() === '{word}'"
        )


def test_a_line_is_inserted_where_the_song_is(page, lines) -> None:
    row(page, 2).locator(".time").click()
    go(page, 16.5)
    page.locator("[data-tool=insert]").click()
    page.locator(".edit-text").fill("oh")
    page.keyboard.press("Enter")
    line = lines()[3]
    assert (line.text, line.start, line.end) == ("oh", pytest.approx(16.5, abs=0.02), pytest.approx(18.5, abs=0.02))


def test_a_short_word_can_be_read_and_looked_at_closely(page) -> None:
    row(page, 0).locator(".time").click()
    assert page.locator(".held").all_inner_texts() == ["Red", "lights", "ahead"]
    for _ in range(12):
        page.keyboard.press("+")
    box = page.locator(".held", has_text="lights").bounding_box()
    assert box["width"] >= 60  # of a tenth of a second


def test_the_tools_are_in_view_on_a_phone(browser, server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(server.url_of("song"))
    row(page, 3).locator(".time").click()
    box = page.locator("[data-tool=start]").bounding_box()
    assert box["y"] + box["height"] < 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_without_the_server_it_is_said_what_to_do(page, server) -> None:
    row(page, 0).locator(".time").click()
    page.keyboard.press("]")
    port = server.url.split(":")[2].split("/")[0]
    server.close()
    page.keyboard.press("Control+s")
    until(page, "/^Not saved/.test(document.querySelector('#save-state').textContent)")
    said = page.locator("#save-state").inner_text()
    assert "fetch" not in said
    assert f"--port {port}" in said


# Timing by ear


def test_lines_are_tapped_while_it_plays_and_the_last_tap_is_taken_back(page, lines) -> None:
    go(page, 4.0)
    page.keyboard.press("Space")
    taps = []
    for time_of_tap in (4.3, 5.0, 5.6):
        until(page, f"{SOUND}.currentTime > {time_of_tap}")
        page.keyboard.press("t")
        taps.append(float(page.evaluate(f"{SOUND}.currentTime")))
    assert page.locator(".line.next-tap").get_attribute("data-index") == "3"
    page.keyboard.press("Backspace")
    page.keyboard.press("Space")
    assert page.locator(".line.next-tap").get_attribute("data-index") == "2"
    assert float(page.evaluate(f"{SOUND}.currentTime")) < taps[2]
    found = lines()
    assert [line.text for line in found] == [line.text for line in TIMED.lines]
    assert [line.start for line in found[:2]] == pytest.approx(taps[:2], abs=0.4)
    assert found[0].end == found[1].start  # it had lasted longer
    assert found[1].end - found[1].start == pytest.approx(2.0, abs=0.002)
    assert found[2:] == TIMED.lines[2:]


def test_words_are_tapped(page, lines) -> None:
    row(page, 2).locator(".time").click()
    page.keyboard.press("Space")
    taps = []
    for time_of_tap in (12.3, 12.8, 13.4):
        until(page, f"{SOUND}.currentTime > {time_of_tap}")
        page.keyboard.press("w")
        taps.append(float(page.evaluate(f"{SOUND}.currentTime")))
    page.keyboard.press("Space")
    found = lines()
    words = [word for line in found[2:] for word in line.words]
    assert [word.text for word in words] == ["the", "train", "Night", "train"]
    assert [word.start for word in words[:3]] == pytest.approx(taps, abs=0.4)
    assert words[0].end == words[1].start
    assert found[2].end <= found[3].start == words[2].start


def test_a_line_is_looped(page) -> None:
    row(page, 1).locator(".time").click()
    page.keyboard.press("l")
    until(page, f"{SOUND}.currentTime > 9.5")
    until(page, f"{SOUND}.currentTime < 8.5")
    page.keyboard.press("l")
    assert page.locator("[data-tool=loop]").get_attribute("aria-pressed") == "false"


def test_a_line_moves_in_small_steps(page, lines) -> None:
    row(page, 3).locator(".time").click()
    for key in (".", ".", ">", ","):
        page.keyboard.press(key)
    line = lines()[3]
    assert (line.start, line.end) == (20.11, 24.11)
    assert [word.start for word in line.words] == [20.11, 22.11]


def test_lines_are_shifted_all_or_from_here(page, lines) -> None:
    row(page, 2).locator(".time").click()
    for button, seconds in (("Shift this line and those below", "1.5"), ("Shift all lines", "-0.25")):
        page.locator("[data-tool=shift]").click()
        page.locator("#shift-by").fill(seconds)
        page.get_by_role("button", name=button).click()
        row(page, 2).locator(".time").click()
    assert [line.start for line in lines()] == [4.75, 7.75, 13.25, 21.25]


def test_a_line_starts_with_the_voice(page, lines) -> None:
    until(page, "!document.querySelector('#vocals-note')")
    row(page, 2).locator(".time").click()
    page.keyboard.press("o")
    line = lines()[2]
    assert line.start == pytest.approx(11.8, abs=0.011)
    assert line.words[0].start == line.start
    assert line.end == 14.0


# Words, names and texts


def test_a_word_is_replaced_in_all_lines(page, lines) -> None:
    page.locator("[data-tool=replace]").click()
    page.locator("#replace-text").fill("TRAIN")
    page.locator("#replace-by").fill("bus")
    page.keyboard.press("Enter")
    assert page.locator("#save-state").inner_text() == "Replaced 2 times"
    found = lines()
    assert [line.text for line in found] == ["Red lights ahead", "I ride", "the bus", "Night bus"]
    assert found[3].words[1].start == 22.0


def test_title_and_artist_are_corrected(page, lines, timed) -> None:
    page.locator("[data-tool=title]").click()
    page.locator("#title-text").fill("Night Train")
    page.locator("#artist-text").fill("Nobody")
    page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == "Night Train"
    lines()
    found = Corrections(timed).load("song").transcript
    assert (found.title, found.artist) == ("Night Train", "Nobody")
    page.locator("#undo").click()
    assert page.locator("h1").inner_text() == "song"


def test_a_pasted_text_gets_times(page, lines) -> None:
    page.locator("[data-tool=align]").click()
    page.locator("#align-text").fill("one\ntwo")
    page.get_by_role("button", name="Find the times").click()
    until(page, "document.querySelectorAll('.line').length === 2")
    assert [(line.start, line.text) for line in lines()] == [(10.0, "one"), (11.0, "two")]
    page.locator("[data-tool=align]").click()
    page.locator("#align-text").fill("nonsense")
    page.get_by_role("button", name="Find the times").click()
    until(page, "/not sung in it/.test(document.querySelector('#save-state').textContent)")
    assert page.locator(".line").count() == 2


def test_vocals_that_were_not_kept_are_there_after_a_while(page) -> None:
    until(page, "!document.querySelector('#vocals-note')")
    assert page.get_by_role("button", name="Vocals").is_enabled()
    assert page.locator("#wave .level svg").count() == 1
    page.keyboard.press("v")
    page.keyboard.press("Space")
    until(page, "document.querySelector('audio[data-name=vocals]').currentTime > 0.2")


def test_unsaved_changes_survive_the_page(page, lines) -> None:
    row(page, 0).locator(".time").click()
    page.keyboard.press("e")
    page.locator(".edit-text").fill("Green lights")
    page.keyboard.press("Enter")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    assert "Unsaved changes were restored" in page.locator("#notes").inner_text()
    assert lines()[0].text == "Green lights"
    page.reload()
    assert page.locator("#draft").count() == 0
    assert page.locator("#save-state").inner_text() == "Saved (revision 1)"


def test_restored_changes_can_be_discarded(page) -> None:
    row(page, 0).locator(".time").click()
    page.keyboard.press(".")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_role("button", name="Discard them").click()
    assert page.locator("#save-state").inner_text() == "No changes; save if correct"
    page.reload()
    assert page.locator("#draft").count() == 0


@pytest.mark.slow
def test_a_real_song_from_mp3_to_checked_lrc_by_the_keyboard_alone(browser, shared, tmp_path) -> None:
    """Every doubtful line is gone to, listened to and confirmed, one of them corrected, and all of it saved."""
    (song,) = (shared / "jam-alt").glob("subsets/fr/audio/de_bonne*.mp3")
    command = [
        sys.executable,
        "-m",
        "lyricsep",
        "transcribe",
        str(song),
        "-o",
        "out",
        "--preset",
        "fast",
        "-f",
        "json",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    results = find_results(tmp_path / "out", songs=song.parent)
    name = results.songs[0].name
    heard = Corrections(results).load(name).transcript.lines
    n_doubtful = sum(bool(line.flags) for line in heard)
    assert n_doubtful > 2
    keys = 0
    with ReviewServer(results) as server:
        page = browser.new_context().new_page()
        page.goto(server.url_of(name))

        def press(*names: str) -> None:
            nonlocal keys
            for one in names:
                page.keyboard.press(one)
                keys += 1

        for _ in range(n_doubtful):
            press("n", "Space", "Space", "c")
        press("e", "End", "!", "Enter", "Control+s")
        until(page, "/^Saved/.test(document.querySelector('#save-state').textContent)")
        page.context.close()
    found = Corrections(results).load(name).transcript.lines
    assert [bool(line.flags) for line in found] == [False] * len(heard)
    assert sum(line.text.endswith("!") for line in found) == sum(line.text.endswith("!") for line in heard) + 1
    lrc = (tmp_path / "out" / "corrected" / f"{name}.lrc").read_text()
    assert lrc.count("\n[") > len(heard)
    assert keys == 4 * n_doubtful + 5


def test_a_song_is_timed_by_the_keyboard_alone(page, lines) -> None:
    keys = 0

    def press(*names: str) -> None:
        nonlocal keys
        for name in names:
            page.keyboard.press(name)
            keys += 1

    press("Space")
    for _ in range(4):
        page.wait_for_timeout(150)
        press("t")
    press("Space", "e", "End", "x", "Enter")
    found = lines()
    assert len(found) == 4
    assert found[3].text.endswith("x")
    assert [line.start for line in found] == sorted(line.start for line in found)
    assert keys == 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_while_it_is_edited(browser, server, scheme, width) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(server.url_of("song"))
    until(page, "!document.querySelector('#vocals-note')")
    row(page, 0).locator(".time").click()
    for opened in (None, "shift", "replace", "title", "align"):
        if opened:
            page.locator(f"[data-tool={opened}]").click()
        found = axe.Axe().run(page).response["violations"]
        assert [
            (opened, one["id"], one["nodes"][0]["html"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
        ] == []
        if opened:
            page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
