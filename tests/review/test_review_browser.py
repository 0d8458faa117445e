"""A song is corrected in a real browser, by the real server: what is saved is on the disk, and there on reload."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from night_train import HEARD, corrected, document

from lyricsep.formats import write_lyrics
from lyricsep.pages import Results
from lyricsep.review import Corrections, ReviewServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = "été/night train"


@pytest.fixture
def review(results: Results) -> Iterator[ReviewServer]:
    with ReviewServer(results) as started:
        yield started


@pytest.fixture
def page(browser: Browser, review: ReviewServer) -> Iterator[Page]:
    """A page that knows the token, and must neither complain nor ask anybody else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    noise: list[str] = []
    own = review.url.partition("?")[0]
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((own, "blob:", "data:")) or noise.append(asked.url))
    page.goto(review.url)
    yield page
    context.close()
    assert [text for text in noise if "status of 409" not in text] == []


def until(page: Page, condition: str) -> None:
    """Wait; the policy of the page forbids it to evaluate what `wait_for_function` would give it."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def saved(page: Page) -> None:
    page.keyboard.press("Control+s")
    until(page, "/^Saved/.test(document.querySelector('#save-state').textContent)")


def write(page: Page, index: int, text: str) -> None:
    page.locator(f".line[data-index='{index}'] .time").click()
    page.keyboard.press("e")
    page.locator(".edit-text").fill(text)
    page.keyboard.press("Enter")


def test_from_the_list_to_what_is_saved(page: Page, review: ReviewServer, results: Results) -> None:
    assert page.url == review.url.partition("?")[0]  # the token is out of sight
    page.get_by_role("link", name=NAME).click()
    write(page, 0, "Red lights on the railway line")
    # The end of the line is dragged, its start is nudged by the keyboard.
    end = page.locator(".handle.of-line[data-edge=end]")
    box = end.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 30, y, steps=4)
    page.mouse.up()
    page.locator(".handle.of-line[data-edge=start]").press("Shift+ArrowLeft")
    write(page, 3, "Fright train")
    page.keyboard.press("Control+z")
    saved(page)

    found = Corrections(results).load(NAME)
    first, *others = found.transcript.lines
    assert found.number == 1
    assert first.text == "Red lights on the railway line"
    assert first.start == pytest.approx(4.5)
    assert 6.0 < first.end < 6.95
    assert [word.text for word in first.words[:2]] == ["Red", "lights"]
    assert tuple(others) == HEARD.lines[1:]
    assert found.transcript.title == "Night Train"

    page.reload()
    assert page.locator("#save-state").inner_text() == "Saved (revision 1)"
    assert page.locator(".line[data-index='0'] .text").inner_text().split() == first.text.split()
    page.locator("#machine summary").click()
    assert HEARD.lines[0].text in page.locator("#machine").inner_text()
    write(page, 3, "Last train")
    saved(page)
    assert [Corrections(results).load(NAME, number).transcript.lines[3].text for number in (1, 2)] == [
        "Night train",
        "Last train",
    ]
    page.get_by_role("link", name="All songs").click()
    assert page.get_by_role("row", name=NAME).inner_text().split("\t")[-1] == "revision 2"


def test_the_sound_plays_and_is_gone_to(page: Page, review: ReviewServer) -> None:
    page.goto(review.url_of(NAME))
    page.locator("#play").click()
    until(page, "document.querySelector('audio[data-name=mixture]').currentTime > 0.3")
    page.locator(".line[data-index='3'] .time").click()
    until(page, "document.querySelector('audio[data-name=mixture]').currentTime > 20")
    length = page.evaluate("document.querySelector('audio[data-name=mixture]').duration")
    assert length == pytest.approx(49.5, abs=0.5)


def test_all_of_it_is_taken_back(page: Page, review: ReviewServer, results: Results) -> None:
    Corrections(results).save(NAME, 0, document(corrected()))
    page.goto(review.url_of(NAME))
    page.locator("#machine summary").click()
    page.locator("#take-back").click()
    saved(page)
    assert Corrections(results).load(NAME).transcript.lines == HEARD.lines


def test_somebody_else_saved_meanwhile(page: Page, review: ReviewServer, results: Results) -> None:
    page.goto(review.url_of(NAME))
    write(page, 0, "mine")
    Corrections(results).save(NAME, 0, document(corrected("theirs")))
    page.keyboard.press("Control+s")
    until(page, "/^Not saved/.test(document.querySelector('#save-state').textContent)")
    assert "saved in another window" in page.locator("#save-state").inner_text()
    assert page.locator(".line[data-index='0'] .text").inner_text().split() == ["mine"]
    assert Corrections(results).load(NAME).transcript.lines[0].text == "theirs"


def test_the_machine_heard_it_anew(page: Page, review: ReviewServer, results: Results) -> None:
    Corrections(results).save(NAME, 0, document(corrected()))
    write_lyrics(results.folder / f"{NAME}.json", HEARD, "json", title="Another")
    page.goto(review.url_of(NAME))
    assert "transcribed again after these corrections" in page.locator("#notes").inner_text()


def test_another_site_cannot_look_in(browser: Browser, review: ReviewServer, page: Page) -> None:
    """A page of another origin, in the browser that holds the cookie, neither reads, embeds, links nor saves."""
    context = page.context
    context.route("http://evil.example/", lambda route: route.fulfill(body="<h1>evil</h1>", content_type="text/html"))
    evil = context.new_page()
    evil.goto("http://evil.example/")
    address = review.url.partition("?")[0]
    ask = """async ([url, method]) => {
        const body = method === "PUT" ? "{}" : undefined;
        try { return (await fetch(url, {method, body, credentials: "include"})).status; }
        catch { return "refused"; }
    }"""
    assert evil.evaluate(ask, [address, "GET"]) == "refused"
    assert evil.evaluate(ask, [review.url, "GET"]) == "refused"
    assert evil.evaluate(ask, [address + "api/songs/other", "PUT"]) == "refused"
    with context.expect_event("response", lambda answer: answer.url == address) as answered:
        evil.evaluate("url => { location.href = url; }", address)
    assert answered.value.status == 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_list_is_accessible(browser: Browser, review: ReviewServer, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(review.url)
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_what_a_text_changed_is_marked_until_it_is_saved(page: Page, review: ReviewServer, results: Results) -> None:
    Corrections(results).save(NAME, 0, document(corrected("Red light on railway bend")), text="words.txt")
    page.goto(review.url_of(NAME))
    first = page.locator(".line[data-index='0'] .text")
    assert [mark.get_attribute("title") for mark in first.locator(".error").all()] == ["changed", "removed"]
    assert first.locator("rt").all_inner_texts() == ["lights"]
    assert "corrected with a text" in page.locator("#notes").inner_text()
    assert page.locator("#save-state").inner_text() == "No changes; save if correct"
    saved(page)
    assert Corrections(results).load(NAME).text == ""
    page.reload()
    assert page.locator(".error").count() == 0
    assert page.locator("#save-state").inner_text() == "Saved (revision 2)"
