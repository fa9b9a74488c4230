"""The console in a real browser, as stories; the pictures of the docs are taken on the way.

`MODELYARD_PICTURES=1` writes them to docs/images.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelyard.console import application
from modelyard.core import ManualClock
from modelyard.operations import carry_out, judging
from modelyard.pipelines import RUN_TAG, newest_runs
from modelyard.tracking.tracker import Point
from modelyard.wiring import Project

from ..conftest import NOON
from ..console.serving import serving
from ..console.site import RULES, answers, live_a_while, opened, person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.extras, pytest.mark.alone, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
PICTURES = Path(__file__).parents[2] / "docs" / "images"
PAGES = (
    "/", "/deployments/shop", "/models", "/models/purchase", "/models/purchase/1", "/models/purchase/compare",
    "/rollouts", "/rollouts/shop", "/alerts", "/drift", "/drift/shop", "/drift/shop?from=x", "/loop", "/loop/purchase",
    "/runs", "/features", "/features/skew/shop", "/judging", "/audit", "/settings", "/sign-in", "/api/docs",
)  # fmt: skip
FLAWS = (Path(__file__).parents[1] / "console" / "flaws.js").read_text()
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


@pytest.fixture(scope="module")
def lived(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """The trained project after two weeks, and the time it is there."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("lived") / "shop"))
    with (folder / "modelyard.yaml").open("a") as file:
        file.write(RULES)
    clock = ManualClock(NOON)
    project = opened(folder, clock)
    live_a_while(project, clock)
    project.requests.look("shop")
    project.close()
    return folder, clock.now()


@pytest.fixture
def story(lived: tuple[Path, datetime], tmp_path: Path) -> Iterator[Story]:
    """A copy of the lived project in a browser; at the end nothing was complained of, and nobody else was asked."""
    playwright = pytest.importorskip("playwright.sync_api")
    clock = ManualClock(lived[1])
    project = opened(Path(shutil.copytree(lived[0], tmp_path / "shop")), clock)
    with serving(application(project)) as port, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = Story(project, clock, f"http://127.0.0.1:{port}", browser)
        yield found
        browser.close()
        assert found.complaints == []
        assert [each for each in found.asked if not each.startswith(found.address)] == []
    project.close()


def picture(page: "Page", name: str, *, whole: bool = False) -> None:
    """Keep what is seen for the docs, or the whole page, when asked to."""
    if "MODELYARD_PICTURES" in os.environ:
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)


def drawn(page: "Page", path: str) -> None:
    """Open a page, and wait for its charts."""
    page.goto(path)
    page.wait_for_selector("html[data-drawn]")
    page.locator(".plot svg.main-svg").first.wait_for(state="attached")


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


def test_a_form_takes_the_focus_at_the_click_itself(story: Story) -> None:
    """Not a moment later: who fills another field in by then would find his words in the first one."""
    page = story.page()
    page.goto(f"{story.address}/alerts")
    row = page.locator("tbody tr", has_text="drift_score")
    row.locator("summary", has_text="Silence it").wait_for()
    opened = "summary => { summary.click(); return [summary.parentElement.open, document.activeElement.name]; }"
    assert row.locator("summary", has_text="Silence it").evaluate(opened) == [True, "until"]
    assert row.locator("summary", has_text="Acknowledge").evaluate(opened) == [True, "until"]
    assert page.locator("details.action[open]").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("details.action[open]").count() == 0


def test_any_time_is_looked_at_and_kept_as_an_address(story: Story) -> None:
    """Two instants into the form; what the log tells comes by itself, and the address shows it again."""
    page = story.page()
    page.goto(f"{story.address}/drift/shop")
    page.get_by_label("From").first.fill("2026-01-05 06:00")
    page.get_by_label("To").first.fill("2026-01-08 18:00")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("read from the log").wait_for()
    page.locator(".plot svg.main-svg").first.wait_for(state="attached")
    again = story.page()
    drawn(again, page.url)
    assert again.get_by_label("From").first.input_value() == "2026-01-05 06:00"
    picture(again, "console-drift")
    again.get_by_label("From").first.fill("2026-01-09")
    again.get_by_role("button", name="Compare").click()
    again.get_by_role("alert").filter(has_text="is not before").wait_for()


def test_a_run_is_followed_compared_and_its_artifacts_kept(story: Story) -> None:
    """Its steps and metrics by step; a file that a step gave comes down whole under its own name."""
    (run, *_), _ = newest_runs(story.project.records)
    tracked = story.project.tracker.tagged(run.pipeline, RUN_TAG, run.id)
    assert tracked is not None
    course = [
        (f"{part}_loss", 0.7 * rate**step) for part, rate in (("train", 0.9), ("valid", 0.93)) for step in range(30)
    ]
    points = [Point(name, value, 1_700_000_000_000, at % 30) for at, (name, value) in enumerate(course)]
    tracked.log_points(points)
    page = story.page()
    page.goto(f"{story.address}/runs/{run.id}")
    page.locator(".plot svg.main-svg").first.wait_for(state="attached", timeout=60_000)
    with page.expect_download() as coming:
        page.get_by_role("link", name="evaluate.json").click()
    assert coming.value.suggested_filename == "evaluate.json"
    assert set(json.loads(Path(coming.value.path()).read_text())) >= {"auc", "accuracy"}
    page.evaluate("scrollTo(0, 0)")
    picture(page, "console-run", whole=True)


ANSWERS = (
    ("When does an approval expire?", "After 30 days, unless the project file says otherwise.", "30 days"),
    ("Who may approve a version?", "Whoever registered it, once the gate has passed.", "Somebody else."),
    ("What does a canary take first?", "Five percent of the traffic.", "5 percent, as `steps` declares."),
)  # fmt: skip


def to_judge(story: Story, folder: Path) -> None:
    """Three answers wait in a queue."""
    lines = [
        {
            "item": f"{at}-{variant}", "question": question, "answer": answer, "expected": expected, "variant": variant,
            "chunks": ["Approvals count for `expires`, by default 30 days. Nobody approves what is their own.",
                       "A canary begins with the first of its `steps`: 5, 25, 50, 100."],
        }
        for at, (question, answer, expected) in enumerate(ANSWERS) for variant in "A"
    ]  # fmt: skip
    (folder / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    carry_out(judging.queue_answers, story.project, judging.QueueAnswers("pilot", folder / "answers.jsonl"))


def test_answers_are_judged_by_keys_and_by_buttons(story: Story, tmp_path: Path) -> None:
    """A number where nobody writes is a label, one in the note is a letter; after the window is closed it goes on."""
    to_judge(story, tmp_path)
    page = story.page()
    page.goto(f"{story.address}/judging/pilot")
    picture(page, "console-judging")
    first = page.locator("pre.told").first.inner_text()
    page.get_by_label("Note").fill("page 3 says so")
    page.keyboard.press("2")
    assert page.get_by_label("Note").input_value() == "page 3 says so2"
    page.locator("h1").click()
    page.keyboard.press("1")
    page.get_by_role("status").filter(has_text="You said pass.").wait_for()
    page.close()
    page = story.page()
    page.goto(f"{story.address}/judging/pilot")
    assert page.locator("pre.told").first.inner_text() != first
    page.keyboard.press("2")
    page.get_by_role("status").filter(has_text="You said fail.").wait_for()
    page.get_by_role("button", name="Skip").click()
    page.get_by_text("You have judged all of them.").wait_for()
    given = [(each.label, each.note) for _, each in story.project.queues.labels("pilot")]
    assert sorted(given) == [("fail", ""), ("pass", "page 3 says so2"), ("skip", "")]


def test_answers_are_judged_without_any_script(story: Story, tmp_path: Path) -> None:
    """A browser that runs none: buttons are forms."""
    to_judge(story, tmp_path)
    page = story.page(java_script_enabled=False)
    page.goto(f"{story.address}/judging/pilot")
    for label in ("Pass", "Fail", "Skip"):
        page.get_by_role("button", name=label).click()
        page.get_by_text(f"You said {label.lower()}.").wait_for()
    page.get_by_text("You have judged all of them.").wait_for()


def test_every_page_is_for_everybody_by_day_and_by_night(story: Story, tmp_path: Path) -> None:
    """Each text stands out from what it stands on, each control has a name, nothing is wider than the window."""
    (run, *_), _ = newest_runs(story.project.records)
    to_judge(story, tmp_path)
    pages = (*PAGES, f"/runs/{run.id}", "/judging/pilot", "/judging/pilot/agreement")
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark"}, phone):
        page = story.page(**options)
        for path in pages:
            page.goto(story.address + path)
            assert page.evaluate(FLAWS) == [], (path, options)
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path


def test_the_checks_in_the_browser_find_what_they_look_for(story: Story) -> None:
    """Pale words, a nameless button and a field without a label are told."""
    page = story.page()
    page.goto(f"{story.address}/audit")
    page.evaluate(
        """() => { const main = document.querySelector("main"); main.innerHTML =
        '<p class="pale">pale words</p><button></button><input>'; main.querySelector(".pale").style.color = "#aab"; }"""
    )
    assert sorted(each.split(":")[0] for each in page.evaluate(FLAWS)) == ["contrast", "no name", "no name"]


def test_a_page_is_gone_through_by_keyboard(story: Story) -> None:
    """The first stop leads past the navigation; every stop is seen, and the buttons of a rollout are among them."""
    page = story.page()
    drawn(page, f"{story.address}/rollouts/shop")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(
            "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineWidth]"
        )
        stops.append(text)
        assert outline != "0px", text
    assert [each for each in ("Pause", "Next step", "Promote", "Roll back") if each in stops] == [
        "Pause", "Next step", "Promote", "Roll back",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_can_be_turned_over(story: Story, scheme: str) -> None:
    """As the system has it until somebody turns it over; that is remembered."""
    for name, options in (("", {}), ("-phone", {"viewport": {"width": 390, "height": 844}})):
        page = story.page(color_scheme=scheme, **options)
        drawn(page, story.address)
        picture(page, f"console-overview-{scheme}{name}")
        colour = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(colour)
        page.locator("button[data-theme]").click()
        assert page.evaluate(colour) != before
        page.reload()
        assert page.evaluate(colour) != before
