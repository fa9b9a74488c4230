"""Rollouts decide by what was logged, survive crashes, and roll back without waiting for anything."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from modelyard.access import local_principal
from modelyard.audit import AuditLog, Intents
from modelyard.bundling import BuiltBundle
from modelyard.core import Clock, Digest, ManualClock, SeededIds, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import ErrorClass, Journal, PredictionRecord
from modelyard.registry import ModelVersion, NotServable, Registry
from modelyard.rollout import INTENT, DeploymentSettings, NoRollout, RolloutActive, Rollouts, RoutePublisher
from modelyard.routing import FeedFolder, assign
from modelyard.storage import RecordStore, open_artifact_store, open_record_store
from modelyard.tracking import Tracker

SETTINGS = DeploymentSettings(
    model="fraud@production",
    assign_by="customer",
    strategy="canary",
    steps=(10, 50, 100),
    dwell=timedelta(hours=1),
    min_requests=500,
)
ME = local_principal()


class House:
    """A workspace with three versions of one model, its rollouts, and a server that is only its log."""

    def __init__(self, folder: Path, clock: ManualClock, bundle: BuiltBundle) -> None:
        self.clock = clock
        self.folder = folder
        self.records: RecordStore = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.feed = FeedFolder(folder / "feed")
        self.log = PredictionLog(folder / "journal", folder / "log")
        self.journal = Journal(folder / "journal", "s", clock)
        artifacts = open_artifact_store(folder / "artifacts")
        audit = AuditLog(self.records, clock)
        tracker = Tracker(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "mlartifacts"), clock)
        self.registry = Registry(self.records, audit, artifacts, tracker, clock)
        self.projected: list[str] = []
        publisher = RoutePublisher(self.records, self.feed, lambda _: (), self.projected.append, authentication=False)
        self.intents = Intents(self.records, audit, clock, SeededIds(0), {INTENT: publisher})
        self.rollouts = Rollouts(
            self.records, self.intents, self.registry, self.feed, self.log, clock, SeededIds(1), {"fraud": SETTINGS}
        )
        artifact = artifacts.put_tree(bundle.path)
        for number, verdict in ((1, "pass"), (2, "pass"), (3, "fail")):
            self._add(number, verdict, bundle.digest, artifact, clock)
        self._asked = 0

    def _add(self, number: int, verdict: str, digest: Digest, artifact: Digest, clock: Clock) -> None:
        """A version as the registry records it, without MLflow's part."""
        gates = ({"verdict": verdict, "reasons": [], "evidence": {}},)
        at = clock.now().isoformat()
        version = ModelVersion("fraud", number, f"v{number}", at, "me", bundle=digest, artifact=artifact, gates=gates)
        with self.records.transaction() as tx:
            labels = {"model": "fraud", "label": f"fraud/v{number}"}
            tx.put("model-version", f"fraud/{number:08d}", msgspec.to_builtins(version), labels=labels)

    def ask(self, requests: int, *, failing: Sequence[str] = (), every: int = 1, slow: Sequence[str] = ()) -> None:
        """Requests of as many customers, as a server would answer and log them under the present route."""
        route = self.rollouts.route("fraud")
        assert route is not None
        records = []
        for number in range(self._asked, self._asked + requests):
            customer, now = f"c{number}", to_micros(self.clock.now())
            arm = assign(route, customer)
            error: ErrorClass | None = "model" if arm.name in failing and number % every == 0 else None
            latency = 900_000 if arm.name in slow and number % every == 0 else 1000
            answers = [(arm, error)] if error is None else [(arm, error), (route.live, None)]
            records += [
                PredictionRecord(
                    str(number), now, "fraud", route.generation, each.version, each.name, each.role, why is None,
                    customer, (), "1", (0.5,), latency, why, now,
                )
                for each, why in answers
            ]  # fmt: skip
        self._asked += requests
        self.journal.append(records)

    @property
    def live(self) -> str:
        """The live version, as servers see it in the feed."""
        feed = self.feed.read()
        assert feed is not None
        return feed.routes[0].live.version

    def weights(self) -> dict[str, float]:
        """The weight of each arm in the feed."""
        feed = self.feed.read()
        assert feed is not None
        return {arm.name: arm.weight for arm in feed.routes[0].arms}


@pytest.fixture
def house(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> House:
    """A workspace in which version 1 is live."""
    house = House(tmp_path, clock, built)
    assert house.rollouts.start("fraud", "1", ME).kind == "deployed"
    return house


def test_the_first_version_is_live_at_once_and_the_alias_follows(house: House) -> None:
    """Feed, alias and history agree; the bundle stands beside the feed."""
    assert house.live == "1"
    assert house.registry.aliases("fraud") == {"production": 1}
    assert [move["to"] for move in house.registry.history("fraud")] == [1]
    feed = house.feed.read()
    assert feed is not None
    assert house.feed.bundle_path(feed.routes[0].live.bundle).is_dir()


def test_a_healthy_canary_is_promoted_on_evidence_and_not_before(house: House) -> None:
    """It holds without requests, without time and without enough of both; then it takes over, alias and all."""
    house.rollouts.start("fraud", "2", ME)
    assert house.weights() == {"live": 0.9, "canary": 0.1}
    assert house.rollouts.tick() == []
    house.clock.advance(timedelta(days=30))
    assert house.rollouts.tick() == []
    house.ask(1000)
    (advanced,) = house.rollouts.tick()
    assert (advanced.kind, house.weights()) == ("advanced", {"live": 0.5, "canary": 0.5})
    house.clock.advance(timedelta(hours=2))
    house.ask(200)
    assert house.rollouts.tick() == []
    state = house.rollouts.state("fraud")
    assert state is not None
    assert "more canary requests" in state.reason
    house.ask(1000)
    (promoted,) = house.rollouts.tick()
    assert promoted.kind == "promoted"
    assert promoted.evidence["promotion_e_value"] >= 20
    assert (house.live, house.registry.aliases("fraud")) == ("2", {"production": 2})


def test_a_failing_canary_is_taken_back_after_a_few_bad_answers(house: House) -> None:
    """Live again for everyone; the reason and the evidence are on record; the alias never moved."""
    house.rollouts.start("fraud", "2", ME)
    house.ask(200, failing=["canary"])
    (event,) = house.rollouts.tick()
    assert event.kind == "rolled_back"
    assert event.detail.startswith("errors: ")
    assert house.weights() == {"live": 1.0}
    assert (house.live, house.registry.aliases("fraud")) == ("1", {"production": 1})
    assert house.rollouts.tick() == []


def test_a_slow_canary_is_taken_back_too(house: House) -> None:
    """Latency beyond the objective is a bad event of its own kind."""
    house.rollouts.start("fraud", "2", ME)
    house.ask(400, slow=["canary"])
    (event,) = house.rollouts.tick()
    assert (event.kind, event.detail.split(":")[0]) == ("rolled_back", "latency")


def test_trouble_that_both_arms_share_is_not_the_canarys(house: House) -> None:
    """When everyone is slow alike, nobody is rolled back."""
    house.rollouts.start("fraud", "2", ME)
    house.ask(2000, slow=["canary", "live"], every=10)
    assert not [event for event in house.rollouts.tick() if event.kind == "rolled_back"]


def test_a_shadow_stays_through_all_generations(house: House) -> None:
    """Start, roll back, deploy: it goes on watching."""
    house.rollouts.shadow("fraud", "1", ME, name="watcher")
    house.rollouts.start("fraud", "2", ME)
    assert house.weights() == {"live": 0.9, "canary": 0.1, "watcher": 1.0}
    house.rollouts.rollback("fraud", ME, "by hand")
    house.rollouts.start("fraud", "2", ME, strategy="all-at-once")
    assert house.weights() == {"live": 1.0, "watcher": 1.0}
    assert house.live == "2"


def test_rolling_back_returns_to_what_was_live_before(house: House) -> None:
    """Without an active rollout: the previous version, with its alias; once more there is nothing before."""
    with pytest.raises(NoRollout, match="never had another live version"):
        house.rollouts.rollback("fraud", ME, "by hand")
    house.rollouts.start("fraud", "2", ME, strategy="all-at-once")
    house.rollouts.rollback("fraud", ME, "it smells")
    assert (house.live, house.registry.aliases("fraud")) == ("1", {"production": 1})
    assert [(move["to"], move["reason"]) for move in house.registry.history("fraud")][-1] == (1, "it smells")


def test_a_rollback_leaves_the_projection_to_the_reconciler(house: House) -> None:
    """Nothing on its way waits for MLflow; the next reconciliation shows the aliases."""
    house.rollouts.start("fraud", "2", ME, strategy="all-at-once")
    shown = len(house.projected)
    house.rollouts.rollback("fraud", ME, "by hand")
    assert len(house.projected) == shown
    assert [intent.state for intent in house.intents.reconcile()] == ["done"]
    assert len(house.projected) == shown + 1


def test_what_may_not_serve_is_refused(house: House) -> None:
    """A version whose gate failed, and a second rollout beside an active one."""
    with pytest.raises(NotServable, match="gate did not pass"):
        house.rollouts.start("fraud", "3", ME)
    house.rollouts.start("fraud", "2", ME)
    with pytest.raises(RolloutActive, match="in progress"):
        house.rollouts.start("fraud", "1", ME)
    with pytest.raises(NoRollout, match="Did you mean 'fraud'"):
        house.rollouts.start("frued", "1", ME)


def test_a_rollback_never_imports_mlflow(house: House) -> None:
    """In a process of its own, with the real stores: the module is not even loaded."""
    house.rollouts.start("fraud", "2", ME)
    (house.folder / "modelyard.yaml").write_text(
        "project: p\nstores: {workspace: .}\n"
        "models: {fraud: {label: y, request: {a: number}, features: [a]}}\n"
        "deployments: {fraud: {model: fraud@production, strategy: canary}}\n"
    )
    program = (
        "import sys; from modelyard.wiring import Project;"
        f"p = Project.open({str(house.folder)!r}); p.rollouts.rollback('fraud', p.principal, 'test');"
        "print('mlflow' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
    assert house.weights() == {"live": 1.0}
