"""A cycle of retraining: begun for a reason, on record at each step, ended once, whatever falls in between."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.access import SYSTEM, Principal, Role, local_principal
from modelyard.audit import AuditLog, Intents
from modelyard.bundling import BuiltBundle
from modelyard.core import Clock, Digest, Judgement, ManualClock, SeededIds, Unavailable, Verdict
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.monitoring import AlertBook, AlertSettings, FeatureDrift, Monitors, MonitorSettings, Window
from modelyard.pipelines import PipelineRun, RunContext, find_run, gate, pipeline, run_pipeline, step
from modelyard.registry import ApprovalRule, Approvals, Projector, Registry
from modelyard.retraining import LoopBusy, LoopEvent, LoopMovedOn, NoPolicy, Retraining, RetrainingSettings
from modelyard.rollout import INTENT, DeploymentSettings, Rollouts, RoutePublisher
from modelyard.rollout.state import active_rollout, put_rollout
from modelyard.routing import FeedFolder
from modelyard.storage import open_artifact_store, open_record_store

from ..rollout.yard import Numbers

ME = local_principal()
DAY = timedelta(days=1)


class Crash(Exception):
    """The process ended here."""


class Yard:
    """One model with its deployment, pipeline and policy, over real stores."""

    def __init__(self, folder: Path, clock: ManualClock, built: BuiltBundle) -> None:
        self.folder, self.clock, self.built = folder, clock, built
        self.records = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.audit = AuditLog(self.records, clock)
        self.tracker = Numbers()
        self.registry = Registry(
            self.records, self.audit, open_artifact_store(str(folder / "artifacts")), self.tracker, clock
        )
        self.feed = FeedFolder(folder / "feed")
        publisher = RoutePublisher(
            self.records,
            self.feed,
            lambda _: (),
            Projector(self.records, self.tracker).project,
            {},
            authentication=False,
        )
        self.intents = Intents(self.records, self.audit, clock, SeededIds(0), {INTENT: publisher})
        self.log = PredictionLog(folder / "journal", folder / "log")
        self.policy: dict[str, Any] = {"pipeline": "training", "deployment": "d", "cooldown": "7d"}
        self.strategy: dict[str, Any] = {"strategy": "all-at-once"}
        self.auc, self.gated, self.registers = 0.9, True, True
        self.trained: list[str] = []
        self.loop = self.restarted()

    def restarted(self, model: str = "fraud") -> Retraining:
        """The loop as a new process makes it."""
        deployment = DeploymentSettings.model_validate({"model": "fraud@production", **self.strategy})
        self.rollouts = Rollouts(
            self.records, self.intents, self.registry, self.feed, self.log, self.clock, SeededIds(1), {"d": deployment}
        )
        bundle = load_bundle(self.built.path)
        watched = {"d": MonitorSettings(metric="auc", min_labels=100)}
        alerts = AlertBook(self.records, self.clock, AlertSettings())
        monitors = Monitors(self.records, self.log, self.clock, lambda _d, _v: bundle, watched, alerts)
        policies = {model: RetrainingSettings.model_validate(self.policy)}
        self.loop = Retraining(
            self.records, self.audit, monitors, self.registry, self.rollouts, self.run, self.clock, policies
        )
        return self.loop

    def run(self, name: str, params: Mapping[str, Any], run_id: str) -> PipelineRun:
        """A real pipeline: evaluate, a gate at .8, register; one that ended under this id is only read."""
        before = find_run(self.records, run_id)
        if before is not None and before.state in ("done", "stopped"):
            return before
        self.trained.append(run_id)

        @step(kind="evaluate")
        def evaluate(as_of: object) -> dict[str, float]:
            """How the candidate does."""
            return {"auc": self.auc}

        @step(kind="register")
        def register(metrics: dict[str, float], gates: list[Judgement]) -> int | None:
            """A version with what its gates said."""
            return self.version(gates) if self.registers else None

        @pipeline
        def training(as_of: object, rounds: int = 1) -> None:
            """Evaluate, and register what is good enough."""
            metrics = evaluate(as_of)
            register(metrics, [gate(metrics, {"auc": 0.8})] if self.gated else [])

        return run_pipeline(training, params, RunContext(run_id, self.clock, 0, None), self.records)  # type: ignore[arg-type]  # no step asks for services

    def version(self, gates: list[Judgement] | None = None) -> int:
        """Register one more version."""
        gates = [Judgement(Verdict.PASS)] if gates is None else gates
        return self.registry.register(
            "fraud", principal=ME, source="models:/m", run="r", bundle=self.built.path, digest=self.built.digest,
            gates=gates,
        ).number  # fmt: skip

    def live(self) -> str | None:
        """The version that is fully live."""
        route = self.rollouts.route("d")
        return route.live.version if route is not None else None

    def saw(self, **changes: Any) -> None:
        """A window of the last week, in which all was well but for the changes."""
        end = self.clock.now()
        well = Window(
            deployment="d", version=self.live() or "1", start=(end - 7 * DAY).isoformat(), end=end.isoformat(),
            requests=1000, errors=0, latency_p99_ms=5.0, labels=1000, coverage=1.0,
            features=(drift("amount", 0.02), drift("visits", 0.01)), drift_score=0.02,
            performance={"auc": 0.9, "accuracy": 0.9}, baseline={"auc": 0.9, "accuracy": 0.9},
            verdict="pass", reasons=(),
        )  # fmt: skip
        window = msgspec.structs.replace(well, **changes)
        with self.records.transaction() as tx:
            tx.put("window", f"d/{window.start}", msgspec.to_builtins(window))

    def kinds(self) -> list[str]:
        """Every transition so far."""
        return [event.kind for event in self.loop.history("fraud")]


def drift(name: str, effect: float, verdict: Any = "pass") -> FeatureDrift:
    """A feature of a window."""
    return FeatureDrift(name, "number", 0.0, effect, 0.05, 0.0, 0.0, verdict, "")


DRIFTED = {"drift_score": 0.4, "features": (drift("amount", 0.5, "fail"), drift("visits", 0.9, "inconclusive"))}
DECAYED = {"performance": {"auc": 0.7, "accuracy": 0.9}}


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Yard:
    """Version 1 is live and nothing has been seen of it."""
    yard = Yard(tmp_path, clock, built)
    yard.rollouts.start("d", yard.version(), ME)
    return yard


def told(events: list[LoopEvent]) -> list[tuple[str, str]]:
    """Kind and detail of events."""
    return [(event.kind, event.detail) for event in events]


def test_drift_begins_a_cycle_that_ends_with_a_new_live_version(yard: Yard) -> None:
    """From trigger to promotion, each transition with its reason and in the audit record."""
    yard.saw(**DRIFTED)
    assert yard.loop.explain("fraud") == (
        "It will retrain: data drift score 0.40 above 0.15, most in amount."  # visits has too few rows to say so
    )
    assert told(yard.loop.tick()) == [
        ("triggered", "data drift score 0.40 above 0.15, most in amount"),
        ("registered", "v2 passed the gate (auc 0.900)"),
        ("rollout", "v2 is on its way"),
        ("promoted", "v2 is live"),
    ]
    assert (yard.live(), yard.trained) == ("2", ["fraud-000001"])
    actions = [entry.body["action"] for entry in yard.audit.entries() if entry.body["action"].startswith("loop.")]
    assert actions == ["loop.triggered", "loop.registered", "loop.rollout", "loop.promoted"]
    assert yard.loop.tick() == []


def test_decay_of_the_monitored_metric_begins_a_cycle(yard: Yard) -> None:
    """The metric that the monitor watches decides; another one does not."""
    yard.saw(performance={"auc": 0.9, "accuracy": 0.1})
    assert yard.loop.tick() == []
    yard.clock.advance(7 * DAY)
    yard.saw(**DECAYED)
    assert told(yard.loop.tick())[0] == ("triggered", "auc 0.700 is more than 0.05 worse than 0.900")


@pytest.mark.parametrize(
    "changes",
    [
        {**DECAYED, "labels": 99},
        {"performance": {"auc": 0.84}, "labels": 100},
        {"performance": {}},
        {"performance": {"auc": 0.2}, "baseline": {}},
        {"drift_score": 0.0, "features": (drift("amount", 0.9, "inconclusive"),)},
        {"drift_score": 0.15},
        {"performance": {"auc": 0.99}},
    ],
    ids=["few labels", "within the noise", "no performance", "no baseline", "few rows", "at the threshold", "better"],
)
def test_what_is_inconclusive_never_begins_a_cycle(yard: Yard, changes: dict[str, Any]) -> None:
    """Too few labels or rows are no decay, however bad the numbers look."""
    yard.saw(**changes)
    assert yard.loop.tick() == []
    assert yard.loop.explain("fraud") == "Nothing calls for retraining."


def test_a_window_of_an_earlier_champion_calls_for_nothing(yard: Yard) -> None:
    """What was seen of version 1 is no reason to replace version 2, which a person has just trained."""
    yard.saw(**DRIFTED)
    yard.loop.trigger("fraud", "by hand", ME)
    yard.loop.tick()
    assert yard.live() == "2"
    assert yard.loop.tick() == []
    yard.clock.advance(7 * DAY)
    yard.saw(**DRIFTED)
    assert yard.loop.tick()[0].kind == "triggered"


def test_triggers_can_be_switched_off(yard: Yard) -> None:
    """null: never."""
    yard.policy |= {"drift_above": None, "drop_above": None}
    yard.saw(**DRIFTED, **DECAYED)
    assert yard.restarted().tick() == []


def test_the_cooldown_holds_back_automatic_cycles_only(yard: Yard) -> None:
    """Until its last microsecond; a person need not wait."""
    yard.saw(**DRIFTED)
    yard.loop.tick()
    yard.clock.advance(7 * DAY - timedelta(microseconds=1))
    yard.saw(**DRIFTED)
    assert yard.loop.tick() == []
    assert yard.loop.explain("fraud").endswith("but waits until 2026-01-12T12:00:00+00:00: the cooldown is 7d.")
    yard.loop.trigger("fraud", "cannot wait", ME)
    assert yard.loop.tick()[-1].kind == "promoted"
    yard.clock.advance(timedelta(microseconds=1))
    yard.saw(**DRIFTED)
    assert yard.loop.tick()[0].kind == "triggered"


def test_a_longest_time_without_retraining_counts_from_any_cycle(yard: Yard) -> None:
    """Due at once when there never was one; a cycle begun by hand counts too."""
    yard.policy |= {"every": "30d"}
    loop = yard.restarted()
    assert told(loop.tick())[0] == ("triggered", "30d have passed")
    yard.clock.advance(20 * DAY)
    loop.trigger("fraud", "by hand", ME)
    loop.tick()
    yard.clock.advance(20 * DAY)
    assert loop.tick() == []
    yard.clock.advance(10 * DAY)
    assert loop.tick()[0].detail == "30d have passed"


def test_a_candidate_that_misses_its_gate_is_rejected(yard: Yard) -> None:
    """With the gate's words; nothing is registered and nothing is rolled out."""
    yard.auc = 0.5
    yard.saw(**DRIFTED)
    assert told(yard.loop.tick())[-1] == ("rejected", "auc 0.5000 (at least 0.8)")
    assert (yard.loop.state("fraud").state, yard.tracker.count, yard.live()) == ("idle", 1, "1")


def test_a_pipeline_that_registers_nothing_is_rejected(yard: Yard) -> None:
    """Passing its gates is not enough."""
    yard.registers = False
    yard.saw(**DRIFTED)
    assert told(yard.loop.tick())[-1] == ("rejected", "the pipeline registered nothing")


def test_a_policy_that_refuses_the_version_ends_the_cycle(yard: Yard) -> None:
    """A version that no gate judged may not serve: the cycle ends with that reason, and the next one can begin."""
    yard.gated = False
    yard.loop.trigger("fraud", "by hand", ME)
    assert told(yard.loop.tick())[-1] == (
        "rejected",
        "fraud v2 may not become production: its gate did not pass: none has judged it.",
    )
    assert (yard.loop.state("fraud").state, yard.live()) == ("idle", "1")


@pytest.mark.parametrize("params", [{"round": 1}, {"rounds": object}])
def test_a_pipeline_that_cannot_run_ends_the_cycle(yard: Yard, params: dict[str, Any]) -> None:
    """A parameter it does not have, a step that raises: on record as failed, and not tried for ever."""
    if "rounds" in params:
        params = {}
        yard.auc = "none"  # type: ignore[assignment]  # the gate compares it with a number, and raises
    yard.loop.trigger("fraud", "by hand", ME, params=params)
    (event,) = yard.loop.tick()
    assert event.kind == "failed"
    assert "do not fit" in event.detail or "TypeError" in event.detail
    assert yard.loop.tick() == []


def test_what_is_only_unavailable_is_tried_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cycle stays where it is, and goes on once the store answers."""
    with monkeypatch.context() as broken:
        broken.setattr(yard, "version", lambda _gates: (_ for _ in ()).throw(Unavailable("The store is down.")))
        broken.setattr(yard, "run", lambda *_: (_ for _ in ()).throw(Unavailable("The store is down.")))
        loop = yard.restarted()
        loop.trigger("fraud", "by hand", ME)
        with pytest.raises(Unavailable):
            loop.tick()
    assert yard.loop.state("fraud").state == "training"
    assert yard.restarted().tick()[-1].kind == "promoted"


def test_a_cycle_waits_while_another_rollout_is_under_way(yard: Yard) -> None:
    """It neither fails nor disturbs it; its turn comes when that one has ended."""
    yard.strategy = {"strategy": "canary"}
    loop = yard.restarted()
    yard.rollouts.start("d", yard.version(), ME)
    loop.trigger("fraud", "by hand", ME)
    assert [event.kind for event in loop.tick()] == ["registered"]
    assert loop.tick() == []
    yard.rollouts.rollback("d", ME, "an operator decided")
    assert [event.kind for event in loop.tick()] == ["rollout"]
    assert loop.tick() == []
    yard.rollouts.rollback("d", ME, "too slow")
    assert told(loop.tick()) == [("rolled_back", "v3: too slow")]


def test_a_deployment_that_only_shadows_ends_the_cycle_with_a_shadow(yard: Yard) -> None:
    """The new version answers copies until that has a verdict, which is no roll-back."""
    yard.strategy = {"strategy": "shadow"}
    loop = yard.restarted()
    loop.trigger("fraud", "by hand", ME)
    assert told(loop.tick())[-1][0] == "rollout"
    assert loop.tick() == []
    with yard.records.transaction() as tx:
        compared = active_rollout(tx, "d")
        assert compared is not None
        put_rollout(tx, msgspec.structs.replace(compared, state="ended", reason="it agrees"))
    assert told(loop.tick())[-1] == ("shadow", "v2: it agrees")
    assert (yard.live(), loop.state("fraud").state) == ("1", "idle")


@pytest.mark.parametrize("strategy", ["all-at-once", "canary"])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_cycle_that_is_cut_off_goes_on_after_the_restart(
    yard: Yard, at: int, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the effect of any step, before it was written down: one cycle, one training, one rollout."""
    yard.strategy = {"strategy": strategy}
    loop = yard.restarted()
    yard.saw(**DRIFTED)
    transitions = iter(range(10))
    advance = Retraining._advance

    def crash(self: Retraining, *args: Any, **named: Any) -> LoopEvent:
        if next(transitions) == at:
            raise Crash
        return advance(self, *args, **named)

    with monkeypatch.context() as dying:
        dying.setattr(Retraining, "_advance", crash)
        if strategy == "canary" and at == 3:
            loop.tick()  # the canary is under way; nothing more to write
        else:
            with pytest.raises(Crash):
                loop.tick()
    loop = yard.restarted()
    loop.tick()
    assert yard.kinds() == ["triggered", "registered", "rollout", "promoted"][: 4 if strategy == "all-at-once" else 3]
    assert yard.trained == ["fraud-000001"]
    starts = [event.kind for event in yard.rollouts.history("d")]
    assert starts == ["deployed", "deployed" if strategy == "all-at-once" else "started"]
    assert loop.state("fraud").cycle == 1


def test_a_canary_taken_back_while_the_loop_was_down_is_not_tried_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after starting it: the loop learns how it ended, and does not start it a second time."""
    yard.strategy = {"strategy": "canary"}
    loop = yard.restarted()
    loop.trigger("fraud", "by hand", ME)
    advance = Retraining._advance

    def crash(self: Retraining, before: Any, later: Any, kind: str, *args: Any) -> LoopEvent:
        if kind == "rollout":
            raise Crash
        return advance(self, before, later, kind, *args)

    with monkeypatch.context() as dying:
        dying.setattr(Retraining, "_advance", crash)
        with pytest.raises(Crash):
            loop.tick()
    yard.rollouts.rollback("d", ME, "it failed")
    assert told(yard.restarted().tick())[-1] == ("rolled_back", "v2: it failed")
    assert [event.kind for event in yard.rollouts.history("d")] == ["deployed", "started", "rolled_back"]


def test_of_two_processes_that_move_a_loop_one_wins(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one trains, another has finished the cycle: what comes late changes nothing, and nobody is deceived."""
    yard.loop.trigger("fraud", "by hand", ME)
    quick = yard.run

    def slow(name: str, params: Mapping[str, Any], run_id: str) -> PipelineRun:
        monkeypatch.setattr(yard, "run", quick)
        yard.restarted().tick()
        return quick(name, params, run_id)

    monkeypatch.setattr(yard, "run", slow)
    assert yard.restarted().tick() == []
    assert yard.kinds() == ["triggered", "registered", "rollout", "promoted"]


def test_one_cycle_at_a_time(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second trigger is refused with the reason of the first, also when both were read at once."""
    state = yard.loop.state("fraud")
    yard.loop.trigger("fraud", "Überprüfung", ME)
    with pytest.raises(LoopBusy, match=r"Überprüfung.*modelyard retrain status fraud"):
        yard.loop.trigger("fraud", "again", ME)
    monkeypatch.setattr(yard.loop, "state", lambda _: state)
    with pytest.raises(LoopMovedOn):
        yard.loop.trigger("fraud", "again", SYSTEM)
    assert yard.kinds() == ["triggered"]


def test_a_model_without_a_policy_is_not_found(yard: Yard) -> None:
    """With the nearest name."""
    for ask in (yard.loop.state, yard.loop.history, yard.loop.explain):
        with pytest.raises(NoPolicy, match="Did you mean 'fraud'"):
            ask("frauds")


def test_the_settings_of_a_monitor_that_is_gone_call_for_nothing(yard: Yard) -> None:
    """Windows of a deployment that is no longer watched are history."""
    yard.saw(**DRIFTED)
    yard.loop._monitors.watched = {}
    assert yard.loop.tick() == []


def test_a_clock_without_movement_decides_nothing_twice(yard: Yard, clock: Clock) -> None:
    """Ticking again and again at one instant is one tick."""
    yard.saw(**DRIFTED)
    assert len(yard.loop.tick()) == 4
    assert [yard.loop.tick() for _ in range(3)] == [[], [], []]


def test_a_version_that_needs_approval_waits_for_it(yard: Yard) -> None:
    """It is asked for once; the rollout begins when it has come, and a rejection ends the cycle."""
    yard.registry.approvals = Approvals(
        yard.records, yard.audit, yard.clock, {"production": ApprovalRule()}, lambda *_: Digest("c")
    )
    yard.loop.trigger("fraud", "by hand", ME)
    assert told(yard.loop.tick())[-1][0] == "registered"
    assert yard.loop.tick() == []
    assert [each.body["action"] for each in yard.audit.entries()].count("model.request") == 1
    version = yard.registry.get("fraud", 2)
    approver = Principal("ana", (Role.APPROVER,), "key")
    yard.registry.approvals.approve(version, "production", approver)
    assert "rollout" in [kind for kind, _ in told(yard.loop.tick())]


def test_a_version_that_is_rejected_ends_the_cycle(yard: Yard) -> None:
    """On record, with who and why."""
    yard.registry.approvals = Approvals(
        yard.records, yard.audit, yard.clock, {"production": ApprovalRule()}, lambda *_: Digest("c")
    )
    yard.loop.trigger("fraud", "by hand", ME)
    yard.loop.tick()
    approver = Principal("ana", (Role.APPROVER,), "key")
    yard.registry.approvals.reject(yard.registry.get("fraud", 2), "production", approver, "too slow")
    kind, detail = told(yard.loop.tick())[-1]
    assert kind == "rejected"
    assert "ana rejected it" in detail
    assert "too slow" in detail
