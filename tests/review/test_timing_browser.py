"""Times are set by ear, and what is edited is what is meant, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from night_train import TIMED

from lyricsep.lyrics import Line
from lyricsep.pages import Results
from lyricsep.review import Corrections, ReviewServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SOUND = "document.querySelector('audio[data-name=mixture]')"


@pytest.fixture
def server(timed: Results) -> Iterator[ReviewServer]:
    with ReviewServer(timed) as started:
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
    assert getattr(found[3], edge) == pytest.approx(position, abs=0.15)


def test_an_edge_set_between_lines_is_that_of_the_nearest_in_its_direction(page, lines) -> None:
    row(page, 0).locator(".time").click()
    start = play(page, 17.0, "[")
    end = play(page, 15.0, "]")
    found = lines()
    assert found[3].start == pytest.approx(start, abs=0.15)
    assert found[2].end == pytest.approx(end, abs=0.15)
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
    go(page, 7.5)
    page.keyboard.press("Space")
    for word in ("on", "I"):
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
    assert page.locator(".held").all_inner_texts() == ["Red", "lights", "on"]
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
