"""The pages in a browser: nothing loaded, nothing run but our own, usable at any width."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analyses import hostile_analysis
from evaluations import HOSTILE, NAMES, full_evaluation, typed
from tunings import tuning

from imbtool.report.analysis_files import write_analysis
from imbtool.report.evaluation_files import write_evaluation
from imbtool.report.html.tuning import write_tuning_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

PAGES = ("report", "tuning", "analysis")
EVENTS = [
    {
        "event": "epoch",
        "epoch": number,
        "step": 10 * number,
        "train_loss": 0.5 / number,
        "validation_loss": 0.4,
        "f1_macro": 0.3,
        "best": number == 2,
    }
    for number in (1, 2, 3)
]
CONTRAST = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => channels(colour).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const page = light(getComputedStyle(document.body).backgroundColor);
  const texts = [...document.querySelectorAll("p, dt, dd, td, th, small, a, summary, li, strong")];
  return Math.min(...texts.map(text => light(getComputedStyle(text).color))
    .map(text => (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05)));
}"""
"""The least contrast of a text with the page, as WCAG 2 defines it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # a container's root has no sandbox; the pages are our own
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pages")
    page = write_evaluation(typed(full_evaluation()), EVENTS, target)
    assert page == target / "report.html"
    write_tuning_page(tuning(), target / "tuning.html")
    write_analysis(*hostile_analysis(HOSTILE), target)
    return target


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    """The report, open at 1280 pixels; nothing may go wrong in it."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(5000)
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.on("request", lambda request: faults.append(request.url))
    tab.goto((folder / "report.html").as_uri())
    yield tab
    tab.close()
    assert faults == [(folder / "report.html").as_uri()]


def shown(page: Any) -> list[str]:
    return [
        text.split("\n")[0]
        for text in page.locator("#label-table tbody tr:visible th").all_inner_texts()
    ]


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_it_round(page: Any) -> None:
    assert shown(page) == [NAMES[3], NAMES[0], NAMES[1], NAMES[2]]
    heading = page.get_by_role("button", name="F1", exact=True)
    heading.click()
    assert shown(page) == [NAMES[0], NAMES[1], NAMES[2], NAMES[3]]
    heading.press("Enter")
    assert shown(page) == [NAMES[2], NAMES[1], NAMES[0], NAMES[3]], "undefined stays last"
    heads = page.locator("#label-table th[aria-sort]")
    assert [heads.count(), heads.get_attribute("aria-sort")] == [1, "descending"]


def test_search_keeps_the_labels_that_hold_what_is_typed(page: Any) -> None:
    page.get_by_label("Search").fill("  SCRIPT")
    assert shown(page) == [NAMES[0]]
    assert page.locator("#found").inner_text() == "1 of 4"
    page.get_by_label("Search").fill("")
    assert len(shown(page)) == 4
    assert page.locator("#found").inner_text() == ""


def test_a_point_names_its_label_and_leads_to_its_row_even_if_that_was_hidden(page: Any) -> None:
    page.get_by_label("Search").fill("script")
    point = page.get_by_label(f"{NAMES[2]}: F1 0.800", exact=False)
    point.focus()
    assert page.locator("#spoken").inner_text().startswith(f"{NAMES[2]}: F1 0.800")
    point.press("Enter")
    assert NAMES[2] in shown(page)
    assert page.locator("tr:target th").inner_text() == NAMES[2]
    assert page.locator("tr:target").evaluate("row => row.getBoundingClientRect().top") < 900


def test_errors_unfold_by_keyboard_and_a_long_text_shows_whole(page: Any) -> None:
    fold = page.locator("#mistakes ~ details.fold").nth(1)
    assert not fold.locator("ol").first.is_visible()
    fold.locator("> summary").press("Enter")
    text = fold.locator(".quoted summary").first
    before = text.bounding_box()["height"]
    assert before < 140, "three lines"
    text.press("Enter")
    assert text.bounding_box()["height"] > 2 * before


def test_hostile_texts_and_names_are_shown_as_they_are(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    text = page.locator("main").inner_text()
    assert NAMES[0] in text and NAMES[1] in text
    assert " ".join(HOSTILE.split()) in " ".join(text.split())
    assert page.locator("main :is(script, img, i, u, b)").count() == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_and_can_be_read(name: str, scheme: str, browser: Any, folder: Path) -> None:
    tab = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    tab.goto((folder / f"{name}.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.evaluate(CONTRAST) >= 4.5
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 25, 28)"
    assert dark == (scheme == "dark")
    tab.close()


def test_works_without_scripts(browser: Any, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((folder / "report.html").as_uri())
    assert not tab.get_by_label("Search").is_visible()
    assert tab.locator("#label-table tbody tr").count() == 4
    context.close()


def test_the_labels_of_an_analysis_sort_and_its_findings_unfold(browser: Any, folder: Path) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto((folder / "analysis.html").as_uri())
    assert tab.locator("main :is(script, img, i, u, b)").count() == 0
    tab.get_by_role("button", name="IRLbl").click()
    assert tab.locator("#label-table th[aria-sort=ascending]").inner_text() == "IRLbl"
    fold = tab.locator("details.found").nth(1)
    fold.locator("> summary").press("Enter")
    assert fold.get_attribute("open") is not None
    assert fold.locator("strong").first.is_visible()
    table = tab.locator("#label-table")
    assert table.evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")
    assert faults == []
    tab.close()
