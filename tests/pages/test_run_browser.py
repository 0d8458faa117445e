"""The page of a run in a browser: sorted, searched, read and compared by mouse and keys, and quiet about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_runs import leave_manifest, make_run

from lyricsep.pages import RunContent, find_results, render_run_page, run_content
from lyricsep.scoring import find_references

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> RunContent:
    """Thirty songs, two of them instrumentals, against another run."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "run", folder / "ref", 30)
    make_run(folder / "before", folder / "ref", 30, badness=0.4, seed=1)
    leave_manifest(folder / "run")
    leave_manifest(folder / "before", model="tiny")
    return run_content(
        find_results(folder / "run"),
        references=find_references(str(folder / "ref")),
        versus=find_results(folder / "before"),
        pages={"disc 0/song 007": "report/disc%200/song%20007.html"},
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunContent:
    """Ten songs, of which nobody knows what was sung."""
    folder = tmp_path_factory.mktemp("plain")
    make_run(folder / "run", folder / "ref", 10)
    return run_content(find_results(folder / "run"))


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Give a function that opens a page as a file; at the end, nothing may have been said or asked for."""
    noise: list[str] = []
    contexts = []

    def open_page(content: RunContent, part: str = "", **options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        file = tmp_path / "report.html"
        file.write_text(render_run_page(content), encoding="utf-8")
        page.on(
            "request", lambda request: request.url.startswith((file.as_uri(), "data:")) or noise.append(request.url)
        )
        page.goto(file.as_uri() + part)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert noise == []


def column(page: Page, header: str) -> list[str]:
    """The cells of a column of the songs that are shown, from above."""
    headers = [cell.split("\n")[0].split(" ")[0] for cell in page.locator("#table thead tr > *").all_inner_texts()]
    rows = page.locator("#table tbody tr:visible").all()
    return [row.locator("> *").nth(headers.index(header)).inner_text() for row in rows]


def sort_by(page: Page, name: str) -> str | None:
    button = page.locator("#table thead").get_by_role("button", name=name, exact=True)
    button.click()
    return button.locator("..").get_attribute("aria-sort")


def test_worst_songs_come_first_and_headers_sort(opened: Open, content: RunContent) -> None:
    page = opened(content)
    wers = [float(cell) for cell in column(page, "WER")]
    assert wers == sorted(wers, reverse=True)
    assert sort_by(page, "WER %") == "ascending"
    assert [float(cell) for cell in column(page, "WER")] == sorted(wers)
    assert sort_by(page, "Song") == "ascending"
    assert page.locator("th[aria-sort]").count() == 1
    names = column(page, "Song")
    assert names.index("Low Tide 6 – Made Up") < names.index("Low Tide 12 – Made Up")  # numbers as numbers
    assert sort_by(page, "Ins.") == "descending"
    inserted = [int(cell) for cell in column(page, "Ins.")]
    assert inserted == sorted(inserted, reverse=True)


def test_headers_sort_by_keys_alone(opened: Open, content: RunContent) -> None:
    page = opened(content)
    page.get_by_role("button", name="Del.").focus()
    page.keyboard.press("Enter")
    deleted = [int(cell) for cell in column(page, "Del.")]
    assert deleted == sorted(deleted, reverse=True)
    page.keyboard.press("Space")
    assert [int(cell) for cell in column(page, "Del.")] == sorted(deleted)


def test_search_and_filters_narrow_the_table(opened: Open, content: RunContent) -> None:
    page = opened(content)
    page.keyboard.press("/")
    page.keyboard.type("tide 1")
    assert sorted(column(page, "Song")) == ["Low Tide 12 – Made Up", "Low Tide 18 – Made Up"]
    assert page.get_by_role("status").inner_text() == "2 of 30 songs"
    page.locator("#search").fill("ELAN")  # written Élan
    assert len(column(page, "Song")) == 5
    page.locator("#search").fill("")
    page.locator("#which").select_option("instrumental")
    assert [name.split(" –")[0] for name in column(page, "Song")] == ["静かな夜 4", "Kite & Stone 29"]
    page.locator("#which").select_option("doubtful")
    assert column(page, "Doubtful") == ["1"] * 3
    page.locator("#which").select_option("in-fr")
    assert set(column(page, "Language")) == {"fr"}


def test_a_song_opens_with_its_errors_and_filters(opened: Open, content: RunContent) -> None:
    page = opened(content)
    opener = page.locator("#table").get_by_role("button", name="Élan 3 ")
    opener.click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "Élan 3 – Made Up"
    assert dialog.locator("li:visible").count() == 12
    found, before = (heard and heard.counts for heard in (content.songs[3].lyrics, content.songs[3].versus))
    assert found is not None
    assert before is not None
    for name, n, marks in (
        ("wrong", found.words.substitutions, ".s, .n, .S"),
        ("missed", found.words.deletions, ".d"),
        ("extra", found.words.insertions, ".i, .I"),
        ("hallucinated", found.hallucinated_insertions, ".I"),
    ):
        chip = dialog.get_by_role("button", name=f"{name} {n}", exact=True)
        chip.click()
        assert chip.get_attribute("aria-pressed") == "true"
        lines = dialog.locator("li:visible")
        assert lines.count() == dialog.locator("li", has=page.locator(marks)).count()
    hallucinated = (found.hallucinated_insertions, before.hallucinated_insertions)
    assert min(hallucinated) > 10
    assert dialog.locator("li:visible .I").count() == sum(hallucinated)
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    opener.and_(page.locator(":focus")).wait_for()


def test_both_runs_stand_line_by_line(opened: Open, content: RunContent) -> None:
    page = opened(content)
    page.locator("#table").get_by_role("button", name="Low Tide 0 ").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="lines that differ").click()
    line = dialog.locator("li:visible").first
    assert line.locator(".tag").all_inner_texts() == ["before", "run"]
    n_lines = int(dialog.get_by_role("button", name="lines that differ").inner_text().rsplit(" ", 1)[1])
    assert dialog.locator("li:visible").count() == n_lines > 0


def test_arrows_go_through_the_songs_as_they_are_sorted(opened: Open, content: RunContent) -> None:
    page = opened(content)
    sort_by(page, "Song")
    names = column(page, "Song")
    page.locator("#table .open").first.click()
    title = page.locator("#song-title")
    assert page.locator("#previous").is_disabled()
    assert title.inner_text() == names[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == names[2]
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == names[1]
    page.locator("#close").click()
    page.locator("#table .open:focus", has_text=names[1]).wait_for()


def test_a_song_has_an_address(opened: Open, content: RunContent) -> None:
    page = opened(content, "#song-7")
    assert page.locator("#song-title").inner_text() == "Paper Boats 7 – Made Up"
    link = page.get_by_role("dialog").get_by_role("link", name="Page of the song")
    assert link.get_attribute("href") == "report/disc%200/song%20007.html"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("location.hash").startswith("#song-")
    page.keyboard.press("Escape")
    page.wait_for_url("**/report.html")


def test_marks_of_charts_open_their_songs(opened: Open, content: RunContent) -> None:
    page = opened(content)
    assert page.locator("#comparison circle[data-song]").count() == 30
    page.locator("#comparison rect[data-song]").first.click()
    steps = [
        (one.versus.counts.words.errors - one.lyrics.counts.words.errors, one.title)
        for one in content.songs
        if one.lyrics.counts and one.versus and one.versus.counts
    ]
    assert page.locator("#song-title").inner_text() == min(steps)[1]


def test_without_a_reference_lines_have_times_and_flags(opened: Open, plain: RunContent) -> None:
    page = opened(plain)
    assert "no reference was given" in page.locator("main").inner_text()
    page.locator("#table .open").first.click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("li").nth(1).inner_text().startswith("0:04")
    dialog.get_by_role("button", name="doubtful 1").click()
    assert dialog.locator("li:visible .tag").inner_text() == "loop"
    page.keyboard.press("Escape")
    page.locator("#which").select_option("instrumental")
    page.locator("#table .open:visible").click()
    assert "No words were recognised" in dialog.inner_text()


def test_colours_follow_the_system_until_they_are_chosen(opened: Open, plain: RunContent) -> None:
    page = opened(plain, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.locator("#theme").click()
    assert page.evaluate(paper) != dark


def test_it_reads_and_prints_without_scripts(opened: Open, content: RunContent) -> None:
    page = opened(content, java_script_enabled=False)
    assert page.locator("#table tbody tr").count() == 30
    assert not page.locator("#controls").is_visible()
    page.emulate_media(media="print")
    assert not page.locator(".head-tools").is_visible()


def test_nothing_sticks_out_on_a_phone(opened: Open, content: RunContent) -> None:
    page = opened(content, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#table .open").first.click()
    assert page.evaluate("document.getElementById('song').scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(opened: Open, content: RunContent, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    page = opened(content, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    page.locator("#table .open").first.click()
    found += axe.Axe().run(page).response["violations"]
    serious = [
        (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
