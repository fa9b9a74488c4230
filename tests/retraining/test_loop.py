"""A cycle of retraining: begun for a reason, on record at each step, ended once, whatever falls in between."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from modelyard.access import SYSTEM, Principal, Role
from modelyard.core import Clock, Digest, Unavailable
from modelyard.pipelines import PipelineRun
from modelyard.registry import ApprovalRule, Approvals
from modelyard.retraining import LoopBusy, LoopEvent, LoopMovedOn, NoPolicy, Retraining
from modelyard.rollout.state import active_rollout, put_rollout

from .yard import DAY, DECAYED, DRIFTED, ME, Yard, drift


class Crash(Exception):
    """The process ended here."""


WHOLE = ["triggered", "training", "gated", "registered", "rollout", "promoted"]
"""The transitions of a cycle that nothing stops."""


def told(events: list[LoopEvent]) -> list[tuple[str, str]]:
    """Kind and detail of events."""
    return [(event.kind, event.detail) for event in events]


def test_drift_begins_a_cycle_that_ends_with_a_new_live_version(yard: Yard) -> None:
    """From trigger to promotion, each transition with its reason and in the audit record."""
    yard.saw(**DRIFTED)
    assert yard.loop.explain("fraud").summary == (
        "It will retrain: data drift score 0.40 above 0.15, most in amount."  # visits has too few rows to say so
    )
    assert told(yard.loop.tick()) == [
        ("triggered", "data drift score 0.40 above 0.15, most in amount"),
        ("training", "pipeline training, run fraud-000001"),
        ("gated", "auc 0.9000 (at least 0.8)"),
        ("registered", "v2 passed the gate (auc 0.900)"),
        ("rollout", "v2 is on its way"),
        ("promoted", "v2 is live"),
    ]
    assert (yard.live(), yard.trained) == ("2", ["fraud-000001"])
    entries = [each.body for each in yard.audit.entries() if each.body["action"].startswith("loop.")]
    assert [each["action"] for each in entries] == [f"loop.{kind}" for kind in WHOLE]
    assert all(each["detail"]["evidence"] for each in entries if each["action"] != "loop.training")
    (trigger,) = [each for each in entries[0]["detail"]["evidence"]["trigger"]["parts"] if each["state"] == "fires"]
    assert (trigger["evidence"]["drift_score"], trigger["evidence"]["above"]) == (0.4, 0.15)
    assert entries[2]["detail"]["evidence"]["metrics"] == {"auc": 0.9}
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
    assert yard.loop.explain("fraud").summary == "Nothing calls for retraining."


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
    explained = yard.loop.explain("fraud")
    assert explained.summary.endswith("but waits until 2026-01-12T12:00:00+00:00: the cooldown is 7d.")
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
    assert (yard.loop.state("fraud").state, yard.numbers.count, yard.live()) == ("idle", 1, "1")


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
    yard.policy["retry"] = {"retries": 0}
    yard.restarted()
    if "rounds" in params:
        params = {}
        yard.auc = "none"  # type: ignore[assignment]  # the gate compares it with a number, and raises
    yard.loop.trigger("fraud", "by hand", ME, params=params)
    *_, event = yard.loop.tick()
    assert event.kind == "failed"
    assert "do not fit" in event.detail or "TypeError" in event.detail
    assert yard.loop.tick() == []


def test_a_training_that_failed_is_tried_again_once_after_five_minutes(yard: Yard) -> None:
    """Under the same run id; when it fails again the cycle has failed, and the budget knows what both computed."""
    yard.auc = "none"  # type: ignore[assignment]  # the gate compares it with a number, and raises
    yard.loop.trigger("fraud", "by hand", ME)
    *_, event = yard.loop.tick()
    assert (event.kind, event.evidence["attempt"], event.evidence["run"]) == ("retrying", 1, "fraud-000001")
    assert event.detail.endswith("It is tried again at 2026-01-05T12:05:00+00:00.")
    told = yard.loop.explain("fraud")
    assert (told.acts, "tried again at 2026-01-05T12:05:00+00:00" in told.summary) == (False, True)
    yard.clock.advance(timedelta(minutes=5) - timedelta(microseconds=1))
    assert yard.restarted().tick() == []
    yard.clock.advance(timedelta(microseconds=1))
    assert yard.loop.explain("fraud").acts
    assert [each.kind for each in yard.loop.tick()] == ["failed"]
    assert yard.trained == ["fraud-000001"] * 2


def test_each_further_try_waits_twice_as_long_and_may_succeed(yard: Yard) -> None:
    """5, 10 and 20 minutes; what helps is that the cause is gone."""
    yard.policy["retry"] = {"retries": 3}
    loop = yard.restarted()
    yard.auc = "none"  # type: ignore[assignment]  # as above
    loop.trigger("fraud", "by hand", ME)
    for minutes in (5, 10, 20):
        event = loop.tick()[-1]
        assert event.detail.endswith(f"at {(yard.clock.now() + timedelta(minutes=minutes)).isoformat()}.")
        yard.clock.advance(timedelta(minutes=minutes))
    yard.auc = 0.9
    assert loop.tick()[-1].kind == "failed"  # the step that gave no number is done, and done it stays
    loop.trigger("fraud", "by hand", ME)
    assert loop.tick()[-1].kind == "promoted"


def test_trouble_with_one_model_keeps_no_other_waiting(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is raised in the end, after the others were moved."""
    loop = yard.loop
    policies = {"broken": loop.policy("fraud"), "fraud": loop.policy("fraud")}
    monkeypatch.setattr(loop, "_policies", policies)
    step = Retraining._step

    def broken(self: Retraining, model: str) -> LoopEvent | None:
        if model == "broken":
            raise Unavailable("The store is down.")
        return step(self, model)

    monkeypatch.setattr(Retraining, "_step", broken)
    loop.trigger("fraud", "by hand", ME)
    with pytest.raises(Unavailable):
        loop.tick()
    assert yard.kinds() == WHOLE


def test_a_transition_that_the_machine_does_not_have_writes_nothing(yard: Yard) -> None:
    """A mistake of ours is loud."""
    loop = yard.loop.state("fraud")
    with pytest.raises(RuntimeError, match="'promoted' does not lead from idle"):
        yard.loop._advance(loop, loop, "promoted", "")
    assert yard.kinds() == []


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
    assert [event.kind for event in loop.tick()] == ["training", "gated", "registered"]
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
@pytest.mark.parametrize("at", range(6))
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
        if strategy == "canary" and at == 5:
            loop.tick()  # the canary is under way; nothing more to write
        else:
            with pytest.raises(Crash):
                loop.tick()
    loop = yard.restarted()
    loop.tick()
    assert yard.kinds() == (WHOLE if strategy == "all-at-once" else WHOLE[:-1])
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

    def crash(self: Retraining, before: Any, later: Any, kind: Any, *args: Any) -> LoopEvent:
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
    assert [event.kind for event in yard.restarted().tick()] == ["training"]
    assert yard.kinds() == WHOLE


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
    assert len(yard.loop.tick()) == len(WHOLE)
    assert [yard.loop.tick() for _ in range(3)] == [[], [], []]


def test_a_version_that_needs_approval_waits_for_it(yard: Yard) -> None:
    """It is asked for once; the rollout begins when it has come, and a rejection ends the cycle."""
    yard.registry.approvals = Approvals(
        yard.records, yard.audit, yard.clock, {"production": ApprovalRule()}, lambda *_: Digest("c")
    )
    yard.loop.trigger("fraud", "by hand", ME)
    kind, why = told(yard.loop.tick())[-1]
    assert (kind, yard.loop.state("fraud").state) == ("approval", "approval")
    assert "0 of 1 approvals" in why
    assert yard.loop.explain("fraud").summary.endswith("(now: approval, v2 waits for approval).")
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
