"""What the control process watches between windows, up to a delivery."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.control import Watching
from modelyard.control.scheduler import tell_freshness
from modelyard.control.sending import sending
from modelyard.control.watching import tell_held, watching
from modelyard.core import ManualClock, SeededIds, SystemClock, to_micros
from modelyard.journal import Journal, PredictionRecord
from modelyard.monitoring import series
from modelyard.wiring import Project

from ..monitoring.alerts.taking import Taking, taking

MINUTE = timedelta(minutes=1)
NOTIFY = """
alerts:
  group_wait: 1s
  notify:
    ops: {{webhook: {url}/hook, secret: "${{OPS}}", allow: [127.0.0.0/8]}}
"""


@pytest.fixture
def server() -> Iterator[Taking]:
    """Who is told."""
    with taking() as found:
        yield found


@pytest.fixture
def project(shop: Path, clock: ManualClock, server: Taking) -> Iterator[Project]:
    """The shop, whose alerts go to the server."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(NOTIFY.format(url=server.url))
    project = Project(shop, clock=clock, ids=SeededIds(1), environment={"OPS": "a secret of the two of us"})
    yield project
    project.close()


def answered(project: Project, *, errors: int) -> None:
    """A hundred requests of this instant, some of them with errors."""
    at = to_micros(project.clock.now())
    journal = Journal(project.journal_folder, f"server-{at}", project.clock)
    journal.append(
        [
            PredictionRecord(
                f"{at}-{number}", at, "shop", 1, "1", "live", "live", number >= errors, None, (), "1", (0.9,), 900,
                "input" if number < errors else None, at,
            )
            for number in range(100)
        ]
    )  # fmt: skip
    journal.close()


def test_a_rollout_that_is_held_is_told_until_it_goes_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond an hour, by the default rule; watched with all that is watched each minute."""
    assert isinstance(project.clock, ManualClock)
    Watching(project).look()
    assert project.alerts.values("shop")[series("rollout_held")] == 0
    told = []
    for held in (3_599.0, 3_601.0, 7_200.0, 0.0):
        project.clock.advance(MINUTE)
        monkeypatch.setattr(type(project.rollouts), "held_s", lambda *_, held=held: held)
        told.append([(each.alert.name, each.until is None) for each in tell_held(project, "shop")])
    assert told == [[], [("rollout_held", True)], [], [("rollout_held", False)]]


def test_an_outage_is_told_within_minutes_and_so_is_its_end(project: Project, server: Taking) -> None:
    """Watched, evaluated, composed, sent by the thread, taken by a real server."""
    assert isinstance(project.clock, ManualClock)
    looking = Watching(project)
    assert looking.look() == []
    answered(project, errors=60)
    project.clock.advance(MINUTE)
    (fired,) = looking.look()
    assert fired.alert.name == "error_rate"
    assert looking.look() == []
    project.clock.advance(MINUTE / 60)
    looking.look()
    with sending(project, every=0.01):
        wait_for(server, 1)
    project.clock.advance(9 * MINUTE)
    answered(project, errors=0)
    project.clock.advance(MINUTE)
    (resolved,) = looking.look()
    assert resolved.until == project.clock.now().replace(second=0).isoformat()
    project.clock.advance(MINUTE)
    looking.look()
    project.outbox.deliver(project.receivers)
    assert [b'"resolved":[]' in body for _, _, body in server.requests] == [True, False]


def wait_for(server: Taking, count: int) -> None:
    """Until so many deliveries have come; the test's own timeout ends it otherwise."""
    pause = threading.Event()
    while len(server.requests) < count:
        pause.wait(0.005)


def test_the_thread_watches_while_others_train(project: Project) -> None:
    """By the machine's clock: an outage of two minutes ago fires, and the thread ends with the block."""
    outage = Project(project.file.folder, clock=ManualClock(SystemClock().now() - 2 * MINUTE), environment={})
    answered(outage, errors=60)
    outage.close()
    with watching(project.file.folder, every=0.01):
        while not project.alerts.firing("shop"):
            threading.Event().wait(0.01)
    assert [each.alert.name for each in project.alerts.firing()] == ["error_rate"]
    assert "watching" not in {each.name for each in threading.enumerate()}


def test_a_project_without_features_has_no_freshness(project: Project) -> None:
    """Nothing is told."""
    assert tell_freshness(project) == []
    assert project.alerts.told_at("features", "") is None


def test_freshness_of_features_is_told(shop: Path, clock: ManualClock) -> None:
    """A view that was materialized an hour ago is an hour old; told once a minute."""
    (shop / "features.py").write_text(FEATURES)
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\nfeatures: {}\nalerts:\n  rules:\n    old: {when: feature_freshness > 30m}\n")
    project = Project(shop, clock=clock, ids=SeededIds(1), environment={})
    assert tell_freshness(project) == []
    project.features.materializer.materialize(clock.now())
    clock.advance(timedelta(hours=1))
    (state,) = tell_freshness(project)
    assert state.alert.message.startswith("feature_freshness: ")
    assert project.alerts.values("") == {series("feature_freshness", feature_view="stats"): 3600.0}
    assert tell_freshness(project) == []
    project.close()


FEATURES = """
from datetime import UTC, datetime, timedelta
import pyarrow as pa
import modelyard as my

def rows():
    at = pa.array([datetime(2026, 1, 5, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    return pa.table({"customer": ["a"], "visits": [1.0], "at": at})

customer = my.Entity("customer", ["customer"])
stats = my.FeatureView("stats", [customer], rows, "at", ["visits"], timedelta(days=1))
"""
