"""The retraining loop: one durable state machine a model, from a trigger to a verdict."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from modelyard.access import SYSTEM, Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Failed, Forbidden, InvalidInput, NotFound, did_you_mean
from modelyard.core.durations import format_duration
from modelyard.monitoring import Monitors, MonitorSettings, Window
from modelyard.monitoring.performance import decline
from modelyard.pipelines import PipelineRun, RunActive
from modelyard.registry import NeedsApproval, Registry
from modelyard.rollout import RolloutActive, Rollouts
from modelyard.storage import RecordStore, Snapshot

from .errors import LoopBusy, LoopMovedOn, NoPolicy
from .records import Loop, LoopEvent
from .settings import RetrainingSettings

KIND = "loop"
RunPipeline = Callable[[str, Mapping[str, Any], str], PipelineRun]
"""Runs a pipeline by name, with parameters and a run id; a run that is done under this id is not run again."""


class Retraining:
    """Acts on what monitors saw. Each state is written down before its effect, and each effect can be repeated.

    After a crash `tick` goes on where the record says. At most one cycle of a model is under way: of two processes that
    move the same loop one is told that it moved on. What a cycle cannot overcome ends it, on record; what is only
    unavailable now is raised, and tried again by the next `tick`.
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
            return _stored(view, model)

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
            raise LoopBusy(
                f"'{model}' is being retrained since {loop.started_at} ({loop.reason}).",
                remedy=f"Wait for it: modelyard retrain status {model}.",
            )
        return self._begin(loop, reason, params or {}, principal, automatic=False)

    def explain(self, model: str) -> str:
        """Why the loop would act now, or why it does not."""
        loop, policy = self.state(model), self._policy(model)
        if loop.state != "idle":
            return f"A cycle is under way since {loop.started_at}: {loop.reason} (now: {loop.state})."
        reason = self._reason(loop, policy)
        if reason and (wait := self._cooling(loop, policy)):
            cooldown = format_duration(policy.cooldown)
            return f"It would retrain ({reason}), but waits until {wait}: the cooldown is {cooldown}."
        return f"It will retrain: {reason}." if reason else "Nothing calls for retraining."

    def tick(self) -> list[LoopEvent]:
        """Move every loop as far as it goes now; returns the transitions."""
        events: list[LoopEvent] = []
        for model in self._policies:
            while (event := self._step_unless_moved_on(model)) is not None:
                events.append(event)
        return events

    def _step_unless_moved_on(self, model: str) -> LoopEvent | None:
        try:
            return self._step(model)
        except LoopMovedOn:
            return None

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
        return self._advance(loop, later, "triggered", reason, principal)

    def _train(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        params = {"as_of": datetime.fromisoformat(loop.started_at), **loop.params}
        try:
            run = self._run(policy.pipeline, params, loop.run_id)
        except RunActive:
            return None  # another process is at it
        except (Failed, InvalidInput, NotFound) as error:
            return self._end(loop, "failed", error.message)
        number = run.result("register")
        if run.verdict != "pass" or number is None:
            return self._end(loop, "rejected", "; ".join(run.reasons) or "the pipeline registered nothing")
        if not isinstance(number, int):
            return self._end(loop, "failed", f"the pipeline's register step gave {number!r}, no version number")
        later = msgspec.structs.replace(loop, state="registered", version=number)
        return self._advance(loop, later, "registered", f"v{number} passed the gate{_shown(run.result('evaluate'))}")

    def _roll_out(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        """Start the rollout, once; while another one is under way it is not its turn."""
        if not self._begun(loop, policy):
            try:
                self._rollouts.start(policy.deployment, str(loop.version), SYSTEM)
            except RolloutActive:
                return None
            except NeedsApproval as error:
                return self._wait_for_approval(loop, policy, error)
            except (Forbidden, InvalidInput, NotFound) as error:
                return self._end(loop, "rejected", error.message)
        later = msgspec.structs.replace(loop, state="rollout")
        return self._advance(loop, later, "rollout", f"v{loop.version} is on its way")

    def _wait_for_approval(self, loop: Loop, policy: RetrainingSettings, error: NeedsApproval) -> LoopEvent | None:
        """Ask for it, once; go on when it has come, and end when it was rejected."""
        alias = self._rollouts.settings(policy.deployment).alias
        version = self._registry.get(loop.model, str(loop.version))
        approvals = self._registry.approvals
        with self._records.snapshot() as view:
            counted = approvals.counted(view, version, alias)
            asked = bool(approvals.open(view, version.name, version.number))
        if counted.rejected:
            return self._end(loop, "rejected", error.message)
        if not asked:
            approvals.request(version, alias, SYSTEM, f"retrained: {loop.reason}"[:1000])
        return None

    def _begun(self, loop: Loop, policy: RetrainingSettings) -> bool:
        """Whether the rollout was started before a crash; it may also have ended since."""
        rollout, route = self._rollouts.state(policy.deployment), self._rollouts.route(policy.deployment)
        arms = route.arms if route is not None else ()
        return (rollout is not None and rollout.version == loop.version) or str(loop.version) in {
            arm.version for arm in arms
        }

    def _follow_rollout(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        version = str(loop.version)
        route, rollout = self._rollouts.route(policy.deployment), self._rollouts.state(policy.deployment)
        if route is not None and route.live.version == version:
            return self._end(loop, "promoted", f"v{version} is live")
        if rollout is not None and rollout.version == loop.version and rollout.state == "active":
            return None
        if rollout is not None and rollout.version == loop.version and rollout.state == "ended":
            return self._end(loop, "shadow", f"v{version}: {rollout.reason}")
        history = reversed(self._rollouts.history(policy.deployment))
        why = next((event.detail for event in history if event.version == loop.version), "its rollout is gone")
        return self._end(loop, "rolled_back", f"v{version}: {why}")

    def _reason(self, loop: Loop, policy: RetrainingSettings) -> str:
        """What calls for retraining, or nothing."""
        monitor = self._monitors.watched.get(policy.deployment)
        window = self._window_of_champion(policy.deployment)
        if monitor is not None and window is not None and (found := _from_window(window, policy, monitor)):
            return found
        if policy.every is None:
            return ""
        due = not loop.started_at or self._clock.now() >= datetime.fromisoformat(loop.started_at) + policy.every
        return f"{format_duration(policy.every)} have passed" if due else ""

    def _window_of_champion(self, deployment: str) -> Window | None:
        """The newest window, unless it is of an earlier champion: what that one met calls for nothing."""
        window, route = self._monitors.latest(deployment), self._rollouts.route(deployment)
        if window is None or route is None or window.version != route.live.version:
            return None
        return window

    def _cooling(self, loop: Loop, policy: RetrainingSettings) -> str:
        if not loop.last_automatic_at:
            return ""
        until = datetime.fromisoformat(loop.last_automatic_at) + policy.cooldown
        return until.isoformat() if self._clock.now() < until else ""

    def _end(self, loop: Loop, kind: Any, detail: str) -> LoopEvent:
        return self._advance(loop, msgspec.structs.replace(loop, state="idle"), kind, detail)

    def _advance(self, loop: Loop, later: Loop, kind: Any, detail: str, principal: Principal = SYSTEM) -> LoopEvent:
        """Write the transition down; LoopMovedOn when the loop is not where it was read."""
        event = LoopEvent(self._clock.now().isoformat(), later.model, later.cycle, kind, detail)
        with self._records.transaction() as tx:
            if _stored(tx, loop.model) != loop:
                raise LoopMovedOn(
                    f"The loop of '{loop.model}' was moved on by another process.",
                    remedy=f"See: modelyard retrain status {loop.model}.",
                )
            tx.put(KIND, later.model, msgspec.to_builtins(later))
            tx.append(f"loops/{later.model}", msgspec.to_builtins(event))
            self._audit.record(tx, principal, f"loop.{kind}", later.model, {"cycle": later.cycle, "detail": detail})
        return event

    def _policy(self, model: str) -> RetrainingSettings:
        if model not in self._policies:
            raise NoPolicy(f"'{model}' has no retraining policy.", remedy=did_you_mean(model, self._policies))
        return self._policies[model]


def _stored(view: Snapshot, model: str) -> Loop:
    document = view.get(KIND, model)
    return msgspec.convert(document.body, Loop) if document is not None else Loop(model)


def _shown(metrics: Any) -> str:
    found = metrics.get("auc") if isinstance(metrics, Mapping) else None
    return f" (auc {found:.3f})" if isinstance(found, float) else ""


def _from_window(window: Window, policy: RetrainingSettings, monitor: MonitorSettings) -> str:
    """What in a window calls for retraining; what it cannot tell (few rows, few labels) never does."""
    told = [each for each in window.features if each.verdict != "inconclusive"]
    if policy.drift_above is not None and told and window.drift_score > policy.drift_above:
        worst = max(told, key=lambda each: each.effect)
        return f"data drift score {window.drift_score:.2f} above {policy.drift_above:g}, most in {worst.name}"
    worse, name = decline(window, monitor), monitor.metric
    if policy.drop_above is None or worse is None or worse <= policy.drop_above:
        return ""
    value, before = window.performance[name], window.baseline[name]
    return f"{name} {value:.3f} is more than {policy.drop_above:g} worse than {before:.3f}"
