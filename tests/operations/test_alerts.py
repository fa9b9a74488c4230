"""Alerts as the command line asks for them: an operation, a project, an input."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard.access import Principal, Role
from modelyard.access.errors import PermissionDenied
from modelyard.core import InvalidInput, ManualClock, NotFound, SeededIds
from modelyard.monitoring import NoSuchAlert, NotDelivered, series
from modelyard.operations import Nothing, alerts, carry_out
from modelyard.wiring import Project

from ..monitoring.alerts.taking import taking

MINUTE = timedelta(minutes=1)
FILE = """
project: corner
models:
  fraud: {label: y, request: {a: number}, features: [a]}
deployments:
  shop: {model: fraud@production}
alerts:
  rules:
    moved: {when: feature_drift > 0.3, for: 1m, runbook: Look at the sensor., labels: {team: data}}
  notify:
    ops: {webhook: "http://127.0.0.1:9/x", secret: 0123456789abcdef, allow: [127.0.0.0/8]}
"""


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock) -> Iterator[Project]:
    """A project whose latency is high, and whose operator is the caller."""
    (tmp_path / "modelyard.yaml").write_text(FILE)
    project = Project(tmp_path, clock=clock, ids=SeededIds(0), environment={})
    project.alerts.tell("test", "shop", {"latency_p99": 500.0}, at=clock.now(), every=MINUTE)
    yield project
    project.close()


def listed(project: Project, **which: Any) -> list[dict[str, Any]]:
    """`alert list`."""
    found: list[dict[str, Any]] = carry_out(alerts.list_alerts, project, alerts.Which(**which))
    return found


def test_list_and_show_say_what_fires_and_what_to_do(project: Project, clock: ManualClock) -> None:
    """State, since when, labels, runbook, value now, history; pending ones with --all."""
    (row,) = listed(project)
    assert (row["name"], row["state"], row["severity"], row["deployment"]) == (
        "latency_p99", "firing", "warning", "shop",
    )  # fmt: skip
    shown = carry_out(alerts.show_alert, project, alerts.One(row["fingerprint"][:5]))
    assert (shown["value_now"], shown["series"], len(shown["history"])) == (500.0, "latency_p99", 1)
    clock.advance(MINUTE)
    values = {series("feature_drift", feature_name="pages"): 0.5}
    project.alerts.tell("test", "shop", values, at=clock.now(), every=MINUTE, speaks_for=("latency_p99",))
    states = {each["name"]: each for each in listed(project, all=True)}
    assert {name: each["state"] for name, each in states.items()} == {"latency_p99": "firing", "moved": "pending"}
    assert "No data since" in states["latency_p99"]["message"]
    assert states["moved"]["labels"] == {"feature_name": "pages", "team": "data"}
    assert carry_out(alerts.show_alert, project, alerts.One(states["moved"]["fingerprint"]))["runbook"]
    with pytest.raises(NotFound, match="shpo"):
        listed(project, deployment="shpo")


def test_ack_silence_and_unsilence_show_in_the_list(project: Project) -> None:
    """With who, until when and why."""
    (row,) = listed(project)
    told = carry_out(alerts.acknowledge, project, alerts.Acknowledge(row["fingerprint"], "90m", "on it"))
    assert (told["by"], told["note"]) == (project.principal.name, "on it")
    assert "acknowledged by" in listed(project)[0]["held_back"]
    hold = alerts.Hold(("name=latency*", "deployment=shop"), "disk swap", "2026-02-01")
    made = carry_out(alerts.silence, project, hold)
    assert (made["until"], len(made["firing_now"])) == ("2026-02-01T00:00:00Z", 1)
    assert "disk swap" in listed(project)[0]["held_back"]
    assert [each["id"] for each in carry_out(alerts.silences, project, Nothing())] == [made["id"]]
    carry_out(alerts.unsilence, project, alerts.Held(made["id"]))
    assert carry_out(alerts.silences, project, Nothing()) == []
    assert [each.body["action"] for each in project.audit.entries()] == [
        "alert.ack",
        "alert.silence",
        "alert.unsilence",
    ]


@pytest.mark.parametrize(
    ("operation", "given", "says"),
    [
        (alerts.silence, alerts.Hold(("latency",), "x"), "no matcher"),
        (alerts.silence, alerts.Hold(("team=data",), "x", "tomorrow"), "is no time"),
        (alerts.silence, alerts.Hold(("name=x",), "x", "2020-01-01"), "is no end"),
        (alerts.acknowledge, alerts.Acknowledge("zz"), "No alert 'zz'"),
        (alerts.show_alert, alerts.One("zz"), "There is no alert 'zz'"),
        (alerts.test_receiver, alerts.Told("opps"), "Did you mean 'ops'"),
        (alerts.rules, alerts.RulesAs(output=Path("x")), "--prometheus"),
    ],
)
def test_wrong_input_is_answered_with_what_to_do(project: Project, operation: Any, given: Any, says: str) -> None:
    """And a remedy."""
    with pytest.raises((InvalidInput, NotFound, NoSuchAlert)) as caught:
        carry_out(operation, project, given)
    assert says in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("operation", "given", "able"),
    [
        (alerts.list_alerts, alerts.Which(), [Role.VIEWER, Role.DEVELOPER, Role.APPROVER, Role.OPERATOR]),
        (alerts.acknowledge, alerts.Acknowledge("zz"), [Role.DEVELOPER, Role.OPERATOR]),
        (alerts.silence, alerts.Hold(("x",), "x"), [Role.OPERATOR]),
        (alerts.unsilence, alerts.Held("x"), [Role.OPERATOR]),
        (alerts.test_receiver, alerts.Told("x"), [Role.OPERATOR]),
    ],
    ids=["list", "ack", "silence", "unsilence", "test"],
)
def test_who_may(project: Project, operation: Any, given: Any, able: list[Role]) -> None:
    """Looking is for everybody who may look; holding back what others are told is not."""
    refused = set()
    for role in Role:
        project.principal = Principal("x", (role,), "key")
        try:
            carry_out(operation, project, given)
        except PermissionDenied:
            refused.add(role)
        except (InvalidInput, NotFound):
            continue
    assert refused == set(Role) - set(able)


def test_test_tells_a_receiver_now(tmp_path: Path, clock: ManualClock) -> None:
    """Or says why not; nothing is left in the outbox."""
    with taking() as server:
        (tmp_path / "modelyard.yaml").write_text(FILE.replace("http://127.0.0.1:9", server.url))
        project = Project(tmp_path, clock=clock, ids=SeededIds(0), environment={})
        told = carry_out(alerts.test_receiver, project, alerts.Told("ops"))
        assert told["delivered"]
        assert b"This is a test" in server.requests[0][2]
        server.status = 500
        with pytest.raises(NotDelivered, match="answered 500"):
            carry_out(alerts.test_receiver, project, alerts.Told("ops"))
        assert carry_out(alerts.notices, project, Nothing()) == []
        project.close()


def test_notices_show_what_waits(project: Project, clock: ManualClock) -> None:
    """With why it was not taken."""
    clock.advance(MINUTE)
    project.outbox.compose()
    project.outbox.deliver(project.receivers)
    (row,) = carry_out(alerts.notices, project, Nothing())
    assert (row["state"], row["receiver"], row["attempts"]) == ("waiting", "ops", 1)
    assert "did not answer" in row["error"]


def test_rules_are_shown_and_written_for_prometheus(project: Project, tmp_path: Path) -> None:
    """The same rules both ways."""
    shown = carry_out(alerts.rules, project, alerts.RulesAs())
    assert [each["name"] for each in shown["rules"]] == [
        "latency_p99", "error_rate", "accuracy_drop", "drift_score", "rollout_held", "moved",
    ]  # fmt: skip
    assert shown["rules"][-1]["when"] == "feature_drift > 0.3"
    file = tmp_path / "rules.yaml"
    carry_out(alerts.rules, project, alerts.RulesAs(prometheus=True, output=file))
    (group,) = yaml.safe_load(file.read_text())["groups"]
    assert [each["alert"] for each in group["rules"]] == [each["name"] for each in shown["rules"]]
