"""The page on which a person tries the model, in a browser: by keyboard, and as safe as text."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from liveserver import in_thread

from imbtool.serving.access import Access
from imbtool.serving.app import make_app
from imbtool.serving.batching import Batching
from imbtool.serving.limits import Limits
from imbtool.serving.served_model import ServedModel, load_model
from imbtool.serving.service import Service

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

HOSTILE = "<img src=x onerror=alert(1)><b>x</b>"
"""The name of a label that would be a picture and run a script."""
TOKEN = "0123456789abcdef0123456789abcdef"
LIMITS = Limits(characters=200)


@pytest.fixture(scope="module")
def model(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """The trained model, one of whose labels has another name."""
    folder = tmp_path_factory.mktemp("hostile") / "model"
    shutil.copytree(trained / "runs" / "first" / "checkpoint", folder)
    for name in ("imbtool.json", "config.json"):
        path = folder / name
        path.write_text(path.read_text().replace('"threats"', json.dumps(HOSTILE)))
    return load_model(folder)


@pytest.fixture(scope="module")
def service(model: ServedModel) -> Iterator[Service]:
    running = Service(model, LIMITS, Batching(), lambda line: None)
    yield running
    running.batcher.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # a container's root has no sandbox; the pages are our own
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module", params=[None, TOKEN], ids=["open", "token"])
def address(request: pytest.FixtureRequest, service: Service) -> Iterator[tuple[str, str | None]]:
    with in_thread(make_app(service, Access(request.param))) as url:
        yield url, request.param


@pytest.fixture
def page(browser: Any, address: tuple[str, str | None]) -> Iterator[Any]:
    """The page, ready to be asked; it loads nothing from elsewhere and runs no script of others."""
    url, token = address
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.on("request", lambda request: faults.extend([request.url] * (url not in request.url)))
    tab.goto(url)
    if token:
        assert not tab.locator("#ask").is_visible()
        tab.get_by_label("Token of this server").fill("a wrong one")
        tab.keyboard.press("Enter")
        tab.locator("#problem", has_text="needs its token").wait_for()
        tab.get_by_label("Token of this server").fill(token)
        tab.keyboard.press("Enter")
    tab.locator("#ask").wait_for()
    yield tab
    tab.close()
    assert [fault for fault in faults if not fault.startswith("data:")] == []


def rows(page: Any) -> dict[str, list[str]]:
    """The cells of each label's row."""
    table = page.locator("#rows tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return {label.partition("under ")[0]: cells for label, *cells in table}


def test_a_text_shows_decisions_probabilities_and_thresholds(page: Any, model: ServedModel) -> None:
    text = "we saw a knife and a stupid camera <script>alert(2)</script>"
    page.keyboard.type(text)  # the text has the focus
    page.keyboard.press("Control+Enter")
    page.locator("#result").wait_for()
    predicted = model.predict([text])
    raw = predicted.response(calibrated=False).results[0]
    calibrated = predicted.response(calibrated=True).results[0]
    shown = rows(page)
    assert shown == {
        name: [
            "yes" if name in raw.labels else "no",
            f"{raw.probabilities[name]:.3f}",
            f"{label.threshold:.3f}",
            f"{calibrated.probabilities[name]:.3f}",
        ]
        for name, label in model.checkpoint.meta.labels.items()
    }
    decided = page.locator("#decided").inner_text()
    assert all(name in decided for name in raw.labels)
    assert HOSTILE in page.locator("#rows").inner_text()
    assert page.locator("main :is(img, b, script)").count() == 0
    assert page.evaluate("document.activeElement.id") == "result", "a screen reader goes on here"


def test_a_refusal_is_a_sentence_and_the_page_can_be_used_again(page: Any) -> None:
    page.get_by_label("Text").fill("x" * 201)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the button
    page.locator("#problem", has_text="201 characters, more than the limit of 200").wait_for()
    page.get_by_label("Text").fill("a knife")
    page.get_by_role("button", name="Decide").click()
    page.locator("#result").wait_for()
    assert not page.locator("#problem").is_visible()


def test_it_fits_a_phone(page: Any) -> None:
    page.get_by_label("Text").fill("a knife")
    page.keyboard.press("Control+Enter")
    page.locator("#result").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
