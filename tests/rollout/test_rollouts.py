"""A canary goes on, or back, by what the log says of it."""

import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.yard import ME, Yard

from modelyard.audit import IntentUndone
from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, Verdict
from modelyard.history import PredictionLog
from modelyard.registry import NotServable
from modelyard.rollout import NoRollout, Rollout, RolloutActive


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Yard:
    """An empty yard."""
    return Yard(tmp_path, clock, built)


def test_a_healthy_canary_is_promoted_step_by_step(yard: Yard, clock: ManualClock) -> None:
    """10%, 50%, live; the alias moves only at the end and MLflow is shown it."""
    yard.canary()
    kinds = []
    for seed in range(4):
        yard.serve(1500, seed=seed)
        clock.advance(timedelta(hours=2))
        kinds += [event.kind for event in yard.rollouts.tick()]
        assert yard.registry.aliases("fraud") == {"production": 2 if "promoted" in kinds else 1}
    assert kinds == ["advanced", "promoted", "cooled"]
    assert yard.live() == "2"
    assert yard.numbers.aliases == {"production": 2}
    assert [event.kind for event in yard.rollouts.history("d")] == ["deployed", "started", *kinds]


def test_tests_are_looked_at_last(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> None:
    """An analysis reads all of a test: nobody's bad canary waits for it."""
    yard = Yard(tmp_path, clock, built)
    names = ("a", "b", "c")
    rollouts = yard.process(*names)
    for _ in range(2):
        yard.version()
    for name in names:
        rollouts.start(name, 1, ME)
        rollouts.start(name, 2, ME, strategy="ab" if name == "a" else "canary")
    looked: list[str] = []

    def note(rollout: Rollout) -> str:
        looked.append(rollout.deployment)
        return ""

    yard.process(*names, alarms=(note,)).tick()
    assert looked == ["b", "c", "a"]


def test_a_canary_that_fails_is_taken_back_early(yard: Yard) -> None:
    """60% errors: within 200 requests, of which the canary saw a tenth; the alias never moved."""
    yard.canary()
    yard.serve(200, canary_errors=0.6)
    (event,) = yard.rollouts.tick()
    assert event.kind == "rolled_back"
    assert event.evidence["rollback_e_value"] >= 200
    assert event.evidence["canary_requests"] < 40
    assert yard.live() == "1"
    assert yard.registry.aliases("fraud") == {"production": 1}


def test_no_data_is_no_reason_to_go_on(yard: Yard, clock: ManualClock) -> None:
    """A week without requests: still at the first step, and what is missing is told."""
    yard.canary()
    clock.advance(timedelta(days=7))
    assert yard.rollouts.tick() == []
    state = yard.rollouts.state("d")
    assert state is not None
    assert (state.state, state.step, state.reason) == ("active", 0, "waits for any canary request at this step")


def test_a_decision_on_what_has_moved_on_is_dropped(
    yard: Yard, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator takes the canary back while the log is being read: it stays back, and live stays live."""
    yard.canary()
    yard.serve(200, canary_errors=0.6)
    clock.advance(timedelta(hours=2))
    read = PredictionLog.predictions

    def meanwhile(self: PredictionLog, deployment: str, **asked: Any) -> object:
        yard.rollouts.rollback("d", ME, "an operator was quicker")
        return read(self, deployment, **asked)

    monkeypatch.setattr(PredictionLog, "predictions", meanwhile)
    assert yard.rollouts.tick() == []
    state = yard.rollouts.state("d")
    assert state is not None
    assert (state.state, state.reason) == ("rolled_back", "an operator was quicker")
    assert yard.live() == "1"


def test_one_rollout_at_a_time_and_only_of_what_passed_its_gate(yard: Yard) -> None:
    """Refusals change nothing."""
    yard.canary()
    with pytest.raises(RolloutActive, match="version 2"):
        yard.rollouts.start("d", yard.version(), ME)
    with pytest.raises(NotServable, match="gate did not pass"):
        yard.rollouts.shadow("d", yard.version(Verdict.FAIL), ME)
    with pytest.raises(NoRollout, match="no deployment"):
        yard.rollouts.route("e")


def test_rolling_back_the_live_version_restores_the_one_before(yard: Yard) -> None:
    """Route and alias go back together; a lasting shadow stays."""
    yard.rollouts.start("d", yard.version(), ME)
    with pytest.raises(NoRollout, match="never had another"):
        yard.rollouts.rollback("d", ME, "nothing before")
    yard.rollouts.shadow("d", yard.version(), ME)
    yard.rollouts.start("d", yard.version(), ME, strategy="all-at-once")
    assert yard.live() == "3"
    yard.rollouts.rollback("d", ME, "worse")
    assert yard.live() == "1"
    assert yard.registry.aliases("fraud") == {"production": 1}
    route = yard.rollouts.route("d")
    assert route is not None
    assert [arm.role for arm in route.arms] == ["live", "shadow"]
    assert yard.numbers.aliases == {"production": 3}  # what only shows waits for the reconciler
    yard.intents.reconcile()
    assert yard.numbers.aliases == {"production": 1}


def test_threads_that_deploy_at_once_leave_the_newest_route_published(yard: Yard) -> None:
    """The feed ends with the generation of the record store, and no decision is lost."""
    numbers = [yard.version() for _ in range(4)]
    yard.rollouts.start("d", numbers[0], ME)
    threads = [
        threading.Thread(target=yard.rollouts.start, args=("d", number, ME), kwargs={"strategy": "all-at-once"})
        for number in numbers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    route, feed = yard.rollouts.route("d"), yard.feed.read()
    assert route is not None
    assert feed is not None
    assert feed.routes == (route,)
    assert route.generation == 5
    assert yard.registry.aliases("fraud") == {"production": int(route.live.version)}
    assert len(yard.rollouts.history("d")) == len(yard.registry.history("fraud")) == 5


def test_a_rollback_never_imports_mlflow(tmp_path: Path, yard: Yard) -> None:
    """Its import alone takes seconds; the projection is the reconciler's."""
    yard.rollouts.start("d", yard.version(), ME)
    yard.rollouts.start("d", yard.version(), ME, strategy="all-at-once")
    program = f"""
import json, sys, time
from pathlib import Path
from modelyard.access import local_principal
from modelyard.audit import AuditLog, Intents
from modelyard.core import SystemClock, SystemIds
from modelyard.history import PredictionLog
from modelyard.registry import Projector, Registry
from modelyard.rollout import INTENT, DeploymentSettings, Rollouts, RoutePublisher
from modelyard.routing import FeedFolder
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import RegisteredModels, Tracker
folder, clock = Path({str(tmp_path)!r}), SystemClock()
records, feed = open_record_store(f"sqlite:///{{folder / 'records.db'}}"), FeedFolder(folder / "feed")
audit = AuditLog(records, clock)
tracker = RegisteredModels(Tracker(f"sqlite:///{{folder / 'mlflow.db'}}", (folder / "runs").as_uri(), clock))
registry = Registry(records, audit, open_artifact_store(str(folder / "artifacts")), tracker, clock)
publisher = RoutePublisher(
    records, feed, lambda _: (), Projector(records, tracker).project, {{}}, authentication=False
)
intents = Intents(records, audit, clock, SystemIds(), {{INTENT: publisher}})
log = PredictionLog(folder / "journal", folder / "log")
settings = {{"d": DeploymentSettings(model="fraud@production")}}
rollouts = Rollouts(records, intents, registry, feed, log, clock, SystemIds(), settings)
began = time.monotonic()
rollouts.rollback("d", local_principal(), "worse")
print(json.dumps([time.monotonic() - began, feed.read().routes[0].live.version, "mlflow" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, live, imported = json.loads(done.stdout)
    assert seconds < 2
    assert (live, imported) == ("1", False)


def test_a_change_that_cannot_be_published_leaves_route_alias_and_rollout_as_they_were(yard: Yard) -> None:
    """What servers never saw has not happened."""
    yard.rollouts.start("d", yard.version(), ME)
    other = yard.version()
    yard.feed.refuses = True
    for strategy in ("all-at-once", "canary"):
        with pytest.raises(IntentUndone, match="disk is full"):
            yard.rollouts.start("d", other, ME, strategy=strategy)
        assert yard.registry.aliases("fraud") == {"production": 1}
        state = yard.rollouts.state("d")
        assert state is None or state.state != "active"
        route = yard.rollouts.route("d")
        assert route is not None
        assert [arm.version for arm in route.arms] == ["1"]
