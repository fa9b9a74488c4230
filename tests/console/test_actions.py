"""What people do in the console: each form is an operation, for who sends it, and nobody else can send it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.access import Role
from modelyard.core import ManualClock

from ..conftest import NOON
from .conftest import Console, console_of
from .site import person

PAUSE = "/rollouts/shop/pause"


def test_a_rollout_is_paused_and_resumed_with_the_reason_on_record(own: Console) -> None:
    """The page says what was done; the audit record says who and why."""
    text = own.browser.send("/rollouts/shop", PAUSE, reason="the shop is closed")
    assert "Done." in text
    rollout = own.project.rollouts.state("shop")
    assert rollout is not None
    assert "the shop is closed" in rollout.paused
    assert "Resume" in text
    own.browser.send("/rollouts/shop", "/rollouts/shop/resume")
    assert own.project.rollouts.history("shop")[-1].kind == "resumed"
    entry = own.project.audit.entries()[-1].body
    assert entry["principal"] == own.project.principal.name


def test_what_was_said_is_said_once(own: Console) -> None:
    """The message is gone when the page is loaded again."""
    assert "Done." in own.browser.send("/rollouts/shop", PAUSE)
    assert "Done." not in own.browser.get("/rollouts/shop").text


def test_a_rollout_is_taken_back(own: Console) -> None:
    """Roll back: live has all of the traffic again."""
    text = own.browser.send("/rollouts/shop", "/rollouts/shop/rollback", reason="not today")
    assert "Rolled back: not today" in text
    route = own.project.rollouts.route("shop")
    assert route is not None
    assert [(arm.name, arm.weight) for arm in route.arms] == [("live", 1.0)]


def test_a_rollout_is_started_from_the_form(own: Console) -> None:
    """With the strategy, steps and waiting that the form says; while one is under way there is no form."""
    assert "/rollouts/shop/start" not in own.browser.get("/rollouts/shop").text
    own.project.rollouts.rollback("shop", own.project.principal, "to begin anew")
    text = own.browser.send(
        "/rollouts/shop", "/rollouts/shop/start", to="2", strategy="canary", steps="5,100", dwell="20m",
        min_requests="70",
    )  # fmt: skip
    assert "Started" in text
    rollout = own.project.rollouts.state("shop")
    assert rollout is not None
    assert (rollout.version, rollout.state, rollout.plan.strategy) == (2, "active", "canary")
    assert (rollout.plan.steps, rollout.plan.dwell_s, rollout.plan.min_requests) == ((5, 100), 1200.0, 70)


def test_a_start_that_cannot_be_says_why(own: Console) -> None:
    """The operation's own words: steps that go down, and what a strategy has no use for."""
    own.project.rollouts.rollback("shop", own.project.principal, "to begin anew")
    for form, said in (({"steps": "50,5"}, "Steps 50,5"), ({"strategy": "sideways"}, "There is no strategy")):
        text = own.browser.send("/rollouts/shop", "/rollouts/shop/start", to="2", **form)
        assert "Not done." in text
        assert said in text
    rollout = own.project.rollouts.state("shop")
    assert rollout is not None
    assert rollout.state != "active"


def test_a_promotion_without_evidence_says_why_not_and_what_to_do(own: Console) -> None:
    """The operation's own error and remedy, on the page that the form was on."""
    text = own.browser.send("/rollouts/shop", "/rollouts/shop/promote")
    assert "Not done." in text
    assert "is not promoted at" in text
    assert "modelyard rollout status shop" in text


def test_a_version_is_approved_by_a_second_person_and_rejected_with_a_reason(own: Console) -> None:
    """Each signs in with a key of their own; the record has their names."""
    key, second = person(own.project, "second", "approver")
    assert own.browser.post("/sign-in", {"key": key}).status == 303
    page = "/models/purchase/2"
    assert second.name in own.browser.get(page).text
    text = own.browser.send(page, f"{page}/approve", stage="production", reason="measured it again")
    assert "is approved for production" in text
    version = own.project.models.get("purchase", 2)
    with own.project.records.snapshot() as view:
        assert second.name in own.project.approvals.counted(view, version, "production").approved_by
    text = own.browser.send(page, f"{page}/reject", stage="production", reason="a customer complained")
    assert "is rejected for production" in text
    assert "may not become production" in text


def test_who_may_not_sees_no_button_and_is_refused(own: Console) -> None:
    """A viewer reads everything and does nothing; a form sent all the same says which roles could."""
    key, _ = person(own.project, "guest", "viewer")
    token = re.search(r'name="token" value="(\w+)"', own.browser.get("/rollouts/shop").text)
    assert token is not None
    own.browser.post("/sign-in", {"key": key})
    text = own.browser.get("/rollouts/shop").text
    assert "Roll back" not in text
    assert own.browser.post(PAUSE, {"token": token[1]}).status == 403  # another's token
    settled = own.project.rollouts.history("shop")
    assert settled[-1].kind != "paused"


def test_an_alert_is_acknowledged_silenced_and_heard_again(own: Console) -> None:
    """It stays firing; who held it back and until when stands beside it."""
    (alert, *_) = own.project.alerts.firing("shop")
    text = own.browser.send("/alerts", f"/alerts/{alert.fingerprint}/ack", until="1h", note="looking")
    assert "is acknowledged until" in text
    text = own.browser.send("/alerts", "/silences", name=alert.alert.name, until="2h", reason="the week is odd")
    assert "holds 1 alert back now" in text
    (silence,) = own.project.responses.silences()
    text = own.browser.send("/alerts", f"/silences/{silence.id}/end")
    assert own.project.responses.silences() == []
    text = own.browser.send("/alerts", "/silences", name=alert.alert.name, until="whenever", reason="x")
    assert "is no time" in text


@pytest.mark.parametrize(
    ("form", "headers", "code"),
    [
        pytest.param({}, {}, 403, id="without a token"),
        pytest.param({"token": "0" * 64}, {}, 403, id="with another's token"),
        pytest.param(None, {"Origin": "https://evil.example"}, 403, id="from elsewhere"),
        pytest.param(None, {"Sec-Fetch-Site": "cross-site"}, 403, id="from a page of elsewhere"),
        pytest.param(None, {"Origin": "null"}, 403, id="from nowhere"),
        pytest.param(None, {"Host": "evil.example"}, 403, id="to a name of elsewhere"),
    ],
)
def test_a_forged_form_does_nothing(
    own: Console, form: dict[str, str] | None, headers: dict[str, str], code: int
) -> None:
    """Token, origin and host are each enough to refuse it; with all of them right it is carried out."""
    token = re.search(r'name="token" value="(\w+)"', own.browser.get("/rollouts/shop").text)
    assert token is not None
    sent = {"token": token[1]} if form is None else form
    before = own.project.rollouts.history("shop")
    assert own.browser.post(PAUSE, sent, **headers).status == code
    assert own.project.rollouts.history("shop") == before
    assert own.browser.post(PAUSE, {"token": token[1]}).status == 303
    assert own.project.rollouts.history("shop") != before


def test_a_message_that_somebody_else_wrote_is_not_shown(console: Console) -> None:
    """The cookie of what was said is sealed."""
    console.browser.cookies["modelyard_said"] = "WyJnb29kIiwgImhhIiwgIiJd.0000"
    text = console.browser.get("/alerts").text
    console.browser.cookies.clear()
    assert "Done." not in text


@pytest.fixture
def strict(trained: Path, tmp_path: Path) -> Iterator[Console]:
    """The console of a project that asks everybody for a key."""
    folder = Path(shutil.copytree(trained, tmp_path / "shop"))
    with (folder / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true}\n")
    yield from console_of(folder, ManualClock(NOON))


def test_a_project_that_asks_for_keys_shows_a_form_to_sign_in(strict: Console) -> None:
    """Without one nothing is told; a wrong one says so; a right one opens everything, and signing out closes it."""
    key, principal = person(strict.project, "reader", "viewer")
    answer = strict.browser.get("/models")
    assert answer.status == 401
    assert "API key" in answer.text
    assert "purchase" not in answer.text
    assert strict.browser.post("/sign-in", {"key": "my_x_y"}).status == 401
    assert strict.browser.get("/live/models").status == 401
    assert strict.browser.post("/sign-in", {"key": key}).status == 303
    assert principal.roles == (Role.VIEWER,)
    assert "purchase" in strict.browser.get("/models").text
    assert strict.browser.get("/models", Authorization=f"Bearer {key}").status == 200
    strict.browser.post("/sign-out", {})
    assert strict.browser.get("/models").status == 401
