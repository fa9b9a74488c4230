"""One look of the control plane: what a crash cut off is finished, what closed is judged, what is due is done."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from modelyard.control import look
from modelyard.core import ManualClock, Micros, NotFound, SeededIds, to_micros
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.operations import carry_out, loop
from modelyard.operations.contract import Nothing
from modelyard.rollout import RoutePublisher
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

WEEK = timedelta(days=7)


@pytest.fixture
def project(shop: Path, clock: ManualClock) -> Iterator[Project]:
    """The shop with version 1 live, at midnight between Sunday and Monday."""
    clock.set(clock.now().replace(hour=0) + WEEK)
    project = Project(shop, clock=clock, ids=SeededIds(1), environment={})
    project.rollouts.start("shop", 1, project.principal)
    yield project
    project.close()


def week(
    project: Project, *, deployment: str = "shop", version: str = "1", right: float = 0.95, pages: int = 6
) -> None:
    """A week of requests with their truths, as a server logs them; the clock stands at its end."""
    random = np.random.default_rng(0)
    start = project.clock.now()
    journal = Journal(project.journal_folder, f"server-{deployment}-{start:%m%d}", project.clock)
    for at in range(400):
        event = to_micros(start + WEEK * at / 401)
        score = float(random.random())
        bought = (score >= 0.5) == (random.random() < right)
        channel = ("mail", "direct", "search")[int(random.integers(3))]
        features = (float(random.poisson(pages - 1) + 1), float(random.gamma(2, 3)), channel)
        identity = f"{deployment}-{start:%m%d}-{at}"
        journal.append(
            [
                PredictionRecord(
                    identity, event, deployment, 1, version, "live", "live", True, None, features,
                    str(int(score >= 0.5)), (score,), 900, None, event,
                ),
                TruthRecord(identity, deployment, str(int(bought)), event, Micros(event + 1), event),
            ]
        )  # fmt: skip
    journal.close()
    assert isinstance(project.clock, ManualClock)
    project.clock.set(start + WEEK)


def test_a_look_at_nothing_does_nothing(project: Project) -> None:
    """However often."""
    for _ in range(2):
        happened = look(project)
        assert (happened.rollouts, happened.windows, happened.alerts, happened.loops) == ((), (), (), ())


def test_a_week_of_decay_is_judged_alerted_and_retrained_once(project: Project) -> None:
    """Window, alert and a whole cycle in one look; a second look finds nothing left to do."""
    week(project, right=0.5, pages=12)
    happened = look(project)
    (window,) = happened.windows
    assert (window.requests, window.verdict) == (400, "fail")
    assert "pages" in window.drifted
    assert {state.alert.name for state in happened.alerts} >= {"drift_score"}
    assert [event.kind for event in happened.loops] == [
        "triggered", "training", "gated", "registered", "rollout", "promoted",
    ]  # fmt: skip
    route = project.rollouts.route("shop")
    assert route is not None
    assert route.live.version == "2"
    again = look(project)
    assert (again.windows, again.alerts, again.loops) == ((), (), ())


@pytest.mark.long
def test_a_scheduler_of_another_kind_needs_one_step(project: Project) -> None:
    """`retrain tick` judges the week before it decides; nothing else has to be called for the loop to see it."""
    week(project, right=0.5, pages=12)
    told = carry_out(loop.tick, project, Nothing())
    assert [each["kind"] for each in told][:2] == ["triggered", "training"]
    assert [each.verdict for each in project.monitors.windows("shop")] == ["fail"]


def test_what_was_logged_is_sealed(project: Project) -> None:
    """Into Parquet, and nothing is lost or counted twice."""
    week(project)
    look(project)
    assert list((project.workspace / "log" / "predictions").rglob("*.parquet"))
    assert project.log.stats("shop").joined == 400


def test_a_change_that_a_crash_cut_off_is_finished_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died between deciding and publishing: the next look publishes."""

    class Killed(BaseException):
        """Nothing catches it."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(RoutePublisher, "apply", killed)
        with pytest.raises(Killed):
            project.rollouts.start("shop", 1, project.principal, strategy="all-at-once")
    before = project.feed.read()
    assert before is not None
    assert before.routes[0].generation == 1
    look(project)
    after = project.feed.read()
    assert after is not None
    assert after.routes[0].generation == 2
    assert project.intents.pending() == []


@pytest.mark.long
def test_trouble_with_one_deployment_keeps_no_other_waiting(shop: Path, clock: ManualClock) -> None:
    """The log names a version that nobody knows: it is raised, after the others were judged and retrained."""
    file = shop / "modelyard.yaml"
    text = file.read_text().replace("deployments:\n", "deployments:\n  odd: {model: purchase@staging}\n")
    file.write_text(text.replace("monitoring:\n", "monitoring:\n  odd: {metric: auc}\n"))
    clock.set(clock.now().replace(hour=0) + WEEK)
    project = Project(shop, clock=clock, ids=SeededIds(1), environment={})
    project.rollouts.start("shop", 1, project.principal)
    start = clock.now()
    week(project, deployment="odd", version="99")
    clock.set(start)
    week(project, pages=12)
    with pytest.raises(NotFound, match="99"):
        look(project)
    assert [window.deployment for window in project.monitors.windows("shop")] == ["shop"]
    assert [event.kind for event in project.retraining.history("purchase")][-1] == "promoted"
    project.close()


def test_the_reference_moves_with_the_champion(project: Project) -> None:
    """Visitors have changed for good: that is drift against version 1, and none against the version that learned it."""
    data = project.file.folder / "data.py"
    data.write_text(data.read_text().replace("random.poisson(5, count)", "random.poisson(11, count)"))
    week(project, pages=12)
    happened = look(project)
    assert ("pages" in happened.windows[0].drifted, happened.loops[-1].kind) == (True, "promoted")
    week(project, pages=12, version="2")
    (window,) = look(project).windows
    assert (window.version, "pages" in window.drifted) == ("2", False)
