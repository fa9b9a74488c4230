"""The retraining loop: one durable state machine a model, from a trigger to a verdict."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from modelyard.access import SYSTEM, Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Conflict, Failed, did_you_mean
from modelyard.monitoring import Monitors, Window
from modelyard.pipelines import PipelineRun
from modelyard.registry import Registry
from modelyard.rollout import Rollouts
from modelyard.storage import RecordStore

from .records import Loop, LoopEvent
from .settings import RetrainingSettings

KIND = "loop"
RunPipeline = Callable[[str, Mapping[str, Any], str], PipelineRun]
"""Runs a pipeline by name, with parameters and a run id; a run that is done under this id is not run again."""


class Retraining:
    """Acts on what monitors saw. Each state is written down before its effect, and each effect can be repeated.

    After a crash `tick` goes on where the record says. At most one cycle of a model is under way.
    """

    def __init__(
        self,
        records: RecordStore,
        audit: AuditLog,
        monitors: Monitors,
        registry: Registry,
        rollouts: Rollouts,
        run: RunPipeline,
        clock: Clock,
        policies: Mapping[str, RetrainingSettings],
    ) -> None:
        self._records = records
        self._audit = audit
        self._monitors = monitors
        self._registry = registry
        self._rollouts = rollouts
        self._run = run
        self._clock = clock
        self._policies = policies

    def state(self, model: str) -> Loop:
        """Where the loop of a model is."""
        self._policy(model)
        with self._records.snapshot() as view:
            document = view.get(KIND, model)
        return msgspec.convert(document.body, Loop) if document is not None else Loop(model)

    def history(self, model: str) -> list[LoopEvent]:
        """Every transition of a model's loop, oldest first."""
        self._policy(model)
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, LoopEvent) for each in view.entries(f"loops/{model}")]

    def trigger(
        self, model: str, reason: str, principal: Principal, *, params: Mapping[str, Any] | None = None
    ) -> LoopEvent:
        """Begin a cycle by hand; refused while one is under way."""
        loop = self.state(model)
        if loop.state != "idle":
            raise Conflict(
                f"'{model}' is being retrained since {loop.started_at} ({loop.reason}).",
                code="LOOP_BUSY",
                remedy="Wait for it: modelyard retrain status.",
            )
        return self._begin(loop, reason, params or {}, principal, automatic=False)

    def explain(self, model: str) -> str:
        """Why the loop would act now, or why it does not."""
        loop, policy = self.state(model), self._policy(model)
        if loop.state != "idle":
            return f"A cycle is under way since {loop.started_at}: {loop.reason} (now: {loop.state})."
        reason = self._reason(loop, policy)
        if reason and (wait := self._cooling(loop, policy)):
            return f"It would retrain ({reason}), but waits until {wait}: the cooldown is {policy.cooldown}."
        return f"It will retrain: {reason}." if reason else "Nothing calls for retraining."

    def tick(self) -> list[LoopEvent]:
        """Move every loop as far as it goes now; returns the transitions."""
        events: list[LoopEvent] = []
        for model in self._policies:
            while (event := self._step(model)) is not None:
                events.append(event)
        return events

    def _step(self, model: str) -> LoopEvent | None:
        loop, policy = self.state(model), self._policy(model)
        if loop.state == "training":
            return self._train(loop, policy)
        if loop.state == "registered":
            return self._roll_out(loop, policy)
        if loop.state == "rollout":
            return self._follow_rollout(loop, policy)
        reason = self._reason(loop, policy)
        if not reason or self._cooling(loop, policy):
            return None
        return self._begin(loop, reason, {}, SYSTEM, automatic=True)

    def _begin(
        self, loop: Loop, reason: str, params: Mapping[str, Any], principal: Principal, *, automatic: bool
    ) -> LoopEvent:
        now = self._clock.now().isoformat()
        later = Loop(
            model=loop.model,
            state="training",
            cycle=loop.cycle + 1,
            reason=reason,
            params=dict(params),
            started_at=now,
            automatic=automatic,
            last_automatic_at=now if automatic else loop.last_automatic_at,
        )
        return self._advance(later, "triggered", reason, principal)

    def _train(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent:
        params = {"as_of": datetime.fromisoformat(loop.started_at), **loop.params}
        try:
            run = self._run(policy.pipeline, params, loop.run_id)
        except Failed as error:
            return self._end(loop, "failed", error.message)
        number = run.result("register")
        if run.verdict != "pass" or number is None:
            return self._end(loop, "rejected", "; ".join(run.reasons) or "the pipeline registered nothing")
        later = msgspec.structs.replace(loop, state="registered", version=int(number))
        metrics = run.result("evaluate") or {}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items() if name == "auc")
        return self._advance(later, "registered", f"v{number} passed the gate ({shown})")

    def _roll_out(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent:
        version = str(loop.version)
        active = self._rollouts.state(policy.deployment)
        if active is None or active.state != "active" or str(active.version) != version:
            self._rollouts.start(policy.deployment, version, SYSTEM)
        return self._advance(msgspec.structs.replace(loop, state="rollout"), "rollout", f"v{version} is on its way")

    def _follow_rollout(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        route = self._rollouts.route(policy.deployment)
        if route is not None and route.live.version == str(loop.version):
            return self._end(loop, "promoted", f"v{loop.version} is live")
        rollout = self._rollouts.state(policy.deployment)
        if rollout is not None and rollout.version == loop.version and rollout.state == "active":
            return None
        why = rollout.reason if rollout is not None else "its rollout is gone"
        return self._end(loop, "rolled_back", f"v{loop.version}: {why}")

    def _reason(self, loop: Loop, policy: RetrainingSettings) -> str:
        """What calls for retraining, or nothing. Windows judged on an earlier champion's reference do not."""
        window = self._monitors.latest(policy.deployment)
        if window is not None and (found := _from_window(window, policy)):
            return found
        if policy.every is None:
            return ""
        last = loop.last_automatic_at or loop.started_at
        due = not last or self._clock.now() >= datetime.fromisoformat(last) + policy.every
        return f"{policy.every} have passed" if due else ""

    def _cooling(self, loop: Loop, policy: RetrainingSettings) -> str:
        if not loop.last_automatic_at:
            return ""
        until = datetime.fromisoformat(loop.last_automatic_at) + policy.cooldown
        return until.isoformat() if self._clock.now() < until else ""

    def _end(self, loop: Loop, kind: Any, detail: str) -> LoopEvent:
        return self._advance(msgspec.structs.replace(loop, state="idle"), kind, detail)

    def _advance(self, later: Loop, kind: Any, detail: str, principal: Principal = SYSTEM) -> LoopEvent:
        event = LoopEvent(self._clock.now().isoformat(), later.model, later.cycle, kind, detail)
        with self._records.transaction() as tx:
            tx.put(KIND, later.model, msgspec.to_builtins(later))
            tx.append(f"loops/{later.model}", msgspec.to_builtins(event))
            self._audit.record(tx, principal, f"loop.{kind}", later.model, {"cycle": later.cycle, "detail": detail})
        return event

    def _policy(self, model: str) -> RetrainingSettings:
        if model not in self._policies:
            raise Conflict(
                f"'{model}' has no retraining policy.", code="NO_POLICY", remedy=did_you_mean(model, self._policies)
            )
        return self._policies[model]


def _from_window(window: Window, policy: RetrainingSettings) -> str:
    if policy.drift_above is not None and window.drift_score > policy.drift_above:
        worst = max(window.features, key=lambda each: each.effect)
        return f"data drift score {window.drift_score:.2f} above {policy.drift_above:g}, most in {worst.name}"
    for name in ("auc", "accuracy"):
        value, before = window.performance.get(name), window.baseline.get(name)
        if value is None or before is None or policy.drop_above is None:
            continue
        if value < before - policy.drop_above:
            return f"{name} {value:.3f} fell more than {policy.drop_above:g} below {before:.3f}"
    return ""
