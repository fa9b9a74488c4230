"""The console in a real browser, as stories; the pictures of the docs are taken on the way.

`MODELYARD_PICTURES=1` writes them to docs/images.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelyard.console import application
from modelyard.core import ManualClock
from modelyard.wiring import Project

from ..conftest import NOON
from ..console.serving import serving
from ..console.site import RULES, answers, live_a_while, opened, person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.extras, pytest.mark.alone, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
PICTURES = Path(__file__).parents[2] / "docs" / "images"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@dataclass
class Story:
    """A project with its console open in a browser, and everything that the browser complained of."""

    project: Project
    clock: ManualClock
    address: str
    browser: "Browser"
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def page(self, **options: Any) -> "Page":
        """A fresh window, of somebody who has not signed in."""
        page = self.browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options)).new_page()
        page.on(
            "console", lambda each: self.complaints.append(each.text) if each.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        return page

    def sign_in(self, page: "Page", key: str) -> None:
        """As the holder of a key."""
        page.goto(f"{self.address}/sign-in")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()


@pytest.fixture
def story(shop: Path) -> Iterator[Story]:
    """The lived project in a browser; at the end nothing was complained of, and nobody else was asked."""
    playwright = pytest.importorskip("playwright.sync_api")
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(RULES)
    clock = ManualClock(NOON)
    project = opened(shop, clock)
    live_a_while(project, clock)
    with serving(application(project)) as port, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = Story(project, clock, f"http://127.0.0.1:{port}", browser)
        yield found
        browser.close()
        assert found.complaints == []
        assert [each for each in found.asked if not each.startswith(found.address)] == []
    project.close()


def picture(page: "Page", name: str) -> None:
    """Keep what is seen for the docs, when asked to."""
    if "MODELYARD_PICTURES" in os.environ:
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


def drawn(page: "Page", path: str) -> None:
    """Open a page, and wait for its charts."""
    page.goto(path)
    page.wait_for_selector("html[data-drawn]")
    page.wait_for_function("document.querySelectorAll('.plot svg.main-svg').length > 0")


def test_watching_a_canary_fail_and_roll_back_live(story: Story) -> None:
    """Nobody reloads: the page shows the errors, the evidence past its bound, and that the version is gone."""
    page = story.page()
    drawn(page, f"{story.address}/rollouts/shop")
    page.locator("h1", has_text="active").wait_for()
    story.clock.set(story.clock.now() + timedelta(minutes=5))
    answers(story.project, 400, generation=2, share=0.1, errors=0.9)
    (event,) = story.project.rollouts.tick()
    assert event.kind == "rolled_back"
    page.locator("h1", has_text="rolled back").wait_for(timeout=30_000)
    page.locator("#guardrails ~ .scroll >> text=broken").wait_for()
    assert page.locator(".timeline li").first.inner_text().count("rolled back") == 1
    page.wait_for_timeout(500)
    picture(page, "console-rollout")


def test_approving_a_version_as_a_second_person(story: Story) -> None:
    """Signed in with a key of one's own, by keyboard alone; the record has the name."""
    key, second = person(story.project, "second", "approver")
    number = "2"
    story.project.approvals.request(story.project.models.get("purchase", 2), "production", story.project.principal, "")
    page = story.page()
    story.sign_in(page, key)
    page.goto(f"{story.address}/models/purchase/{number}")
    page.locator("summary", has_text="Approve").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("measured it again")
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="is approved for production").wait_for()
    version = story.project.models.get("purchase", 2)
    with story.project.records.snapshot() as view:
        assert story.project.approvals.counted(view, version, "production").approved_by == (second.name,)
    picture(page, "console-approval")


def test_silencing_an_alert(story: Story) -> None:
    """From the list, with a reason; then it says by whom it is held back."""
    page = story.page()
    page.goto(f"{story.address}/alerts")
    row = page.locator("tbody tr", has_text="drift_score")
    row.locator("summary", has_text="Silence it").click()
    row.get_by_label("Why").fill("the sale brings other visitors")
    row.get_by_role("button", name="Silence it").click()
    page.get_by_role("status").filter(has_text="Silenced until").wait_for()
    assert "the sale brings other visitors" in page.locator("tbody tr", has_text="drift_score").inner_text()
    (silence,) = story.project.responses.silences()
    assert silence.reason == "the sale brings other visitors"
    picture(page, "console-alerts")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_look_well_by_day_by_night_and_on_a_phone(story: Story, scheme: str) -> None:
    """Charts are drawn, nothing is wider than the window, and the theme can be turned over."""
    for name, options in (("", {}), ("-phone", {"viewport": {"width": 390, "height": 844}})):
        page = story.page(color_scheme=scheme, **options)
        for path in ("/rollouts/shop", "/drift/shop", "/"):
            drawn(page, story.address + path)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
        for path in ("/models/purchase", "/models/purchase/1", "/alerts", "/runs", "/loop/purchase", "/audit"):
            page.goto(story.address + path)
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        drawn(page, story.address)
        picture(page, f"console-overview-{scheme}{name}")
        colour = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(colour)
        page.locator("button[data-theme]").click()
        assert page.evaluate(colour) != before
        page.reload()
        assert page.evaluate(colour) != before
