"""The retraining loop: one durable state machine a model, from a trigger to a verdict."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from modelyard.access import SYSTEM, Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Failed, Forbidden, InvalidInput, ModelyardError, NotFound, did_you_mean
from modelyard.monitoring import Monitors
from modelyard.pipelines import PipelineRun, RunActive
from modelyard.registry import NeedsApproval, Registry
from modelyard.rollout import RolloutActive, Rollouts
from modelyard.storage import RecordStore, Snapshot

from .champion import trained_at, window_of_champion
from .errors import LoopBusy, LoopMovedOn, NoPolicy, NoTrigger
from .explain import explained
from .machine import check_transition
from .policy import holds
from .records import Explanation, Hold, Kind, Loop, LoopEvent, Said
from .settings import RetrainingSettings
from .training import evidence_of, gates_of, seconds_of, shown_metric
from .triggers import ChangedSources, RowsSince, Seen, judge

KIND = "loop"
_DECLARE = "No model has one yet. Declare it in modelyard.yaml, in the section `retraining`."
RunPipeline = Callable[[str, Mapping[str, Any], str], PipelineRun]
"""Runs a pipeline by name, with parameters and a run id; a run that is done under this id is not run again."""


def _documents_unknown(_loop: Loop) -> str:
    """Nobody compares documents."""
    return "nobody compares documents"


def _rows_unknown(_model: str, _since: datetime, _until: datetime) -> int | None:
    """Nobody counts rows."""
    return None


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
        rows_since: RowsSince = _rows_unknown,
        changed_sources: ChangedSources = _documents_unknown,
    ) -> None:
        self._records = records
        self._audit = audit
        self._monitors = monitors
        self._registry = registry
        self._rollouts = rollouts
        self._run = run
        self._clock = clock
        self._policies = policies
        self._rows_since = rows_since
        self._changed_sources = changed_sources

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have a policy."""
        return tuple(self._policies)

    def policy(self, model: str) -> RetrainingSettings:
        """What is declared for a model; NoPolicy with the nearest name."""
        if model not in self._policies:
            remedy = did_you_mean(model, self._policies) if self._policies else _DECLARE
            raise NoPolicy(f"'{model}' has no retraining policy.", remedy=remedy)
        return self._policies[model]

    def state(self, model: str) -> Loop:
        """Where the loop of a model is."""
        self.policy(model)
        with self._records.snapshot() as view:
            return _stored(view, model)

    def history(self, model: str) -> list[LoopEvent]:
        """Every transition of a model's loop, oldest first."""
        self.policy(model)
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
        evidence = {"by": principal.name}
        return self._begin(loop, reason, params or {}, evidence, principal, automatic=False)

    def fire(self, model: str, name: str, principal: Principal) -> LoopEvent:
        """Fire a declared webhook: it stays fired until a cycle begins, which the next `tick` decides.

        Firing it again before that changes nothing. One that the policy does not declare is NoTrigger.
        """
        trigger = self.policy(model).trigger
        declared = [each.webhook for each in trigger.leaves() if each.webhook] if trigger is not None else []
        if name not in declared:
            raise NoTrigger(
                f"The policy of '{model}' declares no webhook '{name}'.",
                context={"model": model, "declared": declared},
                remedy=did_you_mean(name, declared),
            )
        now = self._clock.now().isoformat()
        with self._records.transaction() as tx:
            loop = _stored(tx, model)
            event = LoopEvent(now, model, loop.cycle, "fired", name, {"by": principal.name})
            if (before := loop.fired.get(name)) is not None:
                return replace(event, at=before, detail=f"{name} was fired already")
            self._write(tx, replace(loop, fired={**loop.fired, name: now}), event, principal)
        return event

    def explain(self, model: str) -> Explanation:
        """Why the loop would act now, or why it does not, with the evidence; changes nothing."""
        loop, policy = self.state(model), self.policy(model)
        return explained(
            loop,
            self._said(loop, policy),
            self._holds(loop, policy),
            now=self._clock.now().isoformat(),
            waits_for=self._waits_for(loop, policy),
            manual=policy.trigger is None,
        )

    def tick(self) -> list[LoopEvent]:
        """Move every loop as far as it goes now; returns the transitions.

        What is wrong with one model keeps no other waiting; it is raised in the end.
        """
        events: list[LoopEvent] = []
        troubles: list[ModelyardError] = []
        for model in self._policies:
            try:
                while (event := self._step_unless_moved_on(model)) is not None:
                    events.append(event)
            except ModelyardError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return events

    def _step_unless_moved_on(self, model: str) -> LoopEvent | None:
        try:
            return self._step(model)
        except LoopMovedOn:
            return None

    def _step(self, model: str) -> LoopEvent | None:
        loop, policy = self.state(model), self.policy(model)
        match loop.state:
            case "idle":
                return self._consider(self._noticed(loop), policy)
            case "triggered":
                told = f"pipeline {policy.learns_by}, run {loop.run_id}"
                return self._advance(loop, replace(loop, state="training"), "training", told)
            case "training":
                return self._train(loop, policy)
            case "gated":
                return self._register(loop)
            case "registered" | "approval":
                return self._roll_out(loop, policy)
            case "rollout":
                return self._follow_rollout(loop, policy)

    def _consider(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        """Begin a cycle when the trigger fires and no rule of the policy keeps it back."""
        said = self._said(loop, policy)
        if said is None or said.state != "fires":
            return None
        held = self._holds(loop, policy)
        if any(each.holds for each in held):
            return None
        evidence = {"trigger": msgspec.to_builtins(said), "policy": msgspec.to_builtins(held)}
        return self._begin(loop, said.reason, {}, evidence, SYSTEM, automatic=True)

    def _begin(
        self,
        loop: Loop,
        reason: str,
        params: Mapping[str, Any],
        evidence: Mapping[str, Any],
        principal: Principal,
        *,
        automatic: bool,
    ) -> LoopEvent:
        now = self._clock.now().isoformat()
        later = Loop(
            model=loop.model,
            state="triggered",
            cycle=loop.cycle + 1,
            reason=reason,
            params=dict(params),
            started_at=now,
            automatic=automatic,
            last_automatic_at=now if automatic else loop.last_automatic_at,
            since=loop.since,
            ended_at=loop.ended_at,
            evidence=dict(evidence),
        )
        return self._advance(loop, later, "triggered", reason, evidence, principal)

    def _train(self, loop: Loop, policy: RetrainingSettings) -> LoopEvent | None:
        if self._clock.now().isoformat() < loop.retry_at:
            return None
        params = policy.params(loop.model, datetime.fromisoformat(loop.started_at))
        try:
            run = self._run(policy.learns_by, {**params, **loop.params}, loop.run_id)
        except RunActive:
            return None  # another process is at it
        except Failed as error:
            return self._failed(loop, policy, error)
        except (InvalidInput, NotFound) as error:
            return self._end(loop, "failed", error.message, self._computed(loop))
        return self._trained(loop, run)

    def _trained(self, loop: Loop, run: PipelineRun) -> LoopEvent:
        """What a run that ended means for the cycle: a version that passed its gates, or its end."""
        number, evidence = run.result("register"), evidence_of(run, seconds_of(self._records, run.id))
        if run.verdict != "pass" or number is None:
            reasons = "; ".join(run.reasons) or "the pipeline registered nothing"
            return self._end(loop, "rejected", reasons, evidence)
        if not isinstance(number, int):
            told = f"the pipeline's register step gave {number!r}, no version number"
            return self._end(loop, "failed", told, evidence)
        metrics = shown_metric(run.result("evaluate"))
        later = replace(loop, state="gated", version=number, evidence={**loop.evidence, "metrics": metrics})
        return self._advance(loop, later, "gated", gates_of(run), evidence)

    def _failed(self, loop: Loop, policy: RetrainingSettings, error: Failed) -> LoopEvent:
        """Try again later, twice as late each time, until the policy allows no more."""
        evidence = {**self._computed(loop), "code": error.code, "attempt": loop.attempt + 1}
        if loop.attempt >= policy.retry.retries:
            return self._end(loop, "failed", error.message, evidence)
        at = (self._clock.now() + policy.retry.after * 2**loop.attempt).isoformat()
        later = replace(loop, attempt=loop.attempt + 1, retry_at=at)
        return self._advance(loop, later, "retrying", f"{error.message} It is tried again at {at}.", evidence)

    def _computed(self, loop: Loop) -> dict[str, Any]:
        return {"run": loop.run_id, "seconds": round(seconds_of(self._records, loop.run_id), 3)}

    def _register(self, loop: Loop) -> LoopEvent:
        try:
            version = self._registry.get(loop.model, str(loop.version))
        except NotFound as error:
            return self._end(loop, "failed", error.message)
        detail = f"{version.label} passed the gate{loop.evidence.get('metrics', '')}"
        evidence = {"version": version.number, "bundle": version.bundle, "run": loop.run_id}
        return self._advance(loop, replace(loop, state="registered"), "registered", detail, evidence)

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
        evidence = {"deployment": policy.deployment, "version": loop.version}
        return self._advance(
            loop, replace(loop, state="rollout"), "rollout", f"v{loop.version} is on its way", evidence
        )

    def _wait_for_approval(self, loop: Loop, policy: RetrainingSettings, error: NeedsApproval) -> LoopEvent | None:
        """Ask for it, once; go on when it has come, and end when it was rejected."""
        alias = self._rollouts.settings(policy.deployment).alias
        version = self._registry.get(loop.model, str(loop.version))
        approvals = self._registry.approvals
        with self._records.snapshot() as view:
            counted = approvals.counted(view, version, alias)
            asked = bool(approvals.open(view, version.name, version.number))
        evidence = {"alias": alias, "required": counted.required, "approved_by": list(counted.approved_by)}
        if counted.rejected:
            return self._end(loop, "rejected", error.message, evidence)
        if not asked:
            approvals.request(version, alias, SYSTEM, f"retrained: {loop.reason}"[:1000])
        if loop.state == "approval":
            return None
        return self._advance(loop, replace(loop, state="approval"), "approval", error.message, evidence)

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
        evidence = {"generation": route.generation} if route is not None else {}
        if route is not None and route.live.version == version:
            return self._end(loop, "promoted", f"v{version} is live", evidence)
        if rollout is not None and rollout.version == loop.version and rollout.state == "active":
            return None
        if rollout is not None and rollout.version == loop.version and rollout.state == "ended":
            return self._end(loop, "shadow", f"v{version}: {rollout.reason}", {**evidence, **rollout.evidence})
        history = reversed(self._rollouts.history(policy.deployment))
        last = next((event for event in history if event.version == loop.version), None)
        why = last.detail if last is not None else "its rollout is gone"
        told = {**evidence, **(last.evidence if last is not None else {})}
        return self._end(loop, "rolled_back", f"v{version}: {why}", told)

    def _said(self, loop: Loop, policy: RetrainingSettings) -> Said | None:
        """What the policy's trigger says now; None without one."""
        trigger = policy.trigger
        if trigger is None:
            return None
        kinds = {each.kind for each in trigger.leaves()}
        deployment = policy.deployment
        seen = Seen(
            now=self._clock.now(),
            loop=loop,
            deployment=deployment,
            zone=policy.zone,
            monitor=self._monitors.watched.get(deployment),
            window=window_of_champion(self._monitors, self._rollouts, deployment),
            firing=self._monitors.alerts.firing(deployment) if "alert" in kinds else (),
            trained_at=trained_at(self._records, self._registry, self._rollouts, deployment)
            if "new_rows" in kinds
            else None,
            rows_since=self._rows_since,
            changed_sources=self._changed_sources,
        )
        return judge(trigger, seen)

    def _holds(self, loop: Loop, policy: RetrainingSettings) -> tuple[Hold, ...]:
        now = self._clock.now()
        recent = self._recent(loop.model, now)
        return holds(loop, policy.cooldown, policy.budget, policy.quiet, policy.zone, recent, now)

    def _recent(self, model: str, now: datetime) -> Sequence[LoopEvent]:
        """The transitions of the last seven days, newest first."""
        since, found = (now - timedelta(days=7)).isoformat(), list[LoopEvent]()
        with self._records.snapshot() as view:
            for each in view.entries(f"loops/{model}", descending=True):
                event = msgspec.convert(each.body, LoopEvent)
                if event.at <= since:
                    break
                found.append(event)
        return found

    def _waits_for(self, loop: Loop, policy: RetrainingSettings) -> str:
        if loop.state == "training" and loop.retry_at:
            return f"tried again at {loop.retry_at}"
        if loop.state == "approval":
            return f"v{loop.version} waits for approval"
        if loop.state == "rollout":
            rollout = self._rollouts.state(policy.deployment)
            missing = "; ".join(rollout.missing) if rollout is not None else ""
            return f"v{loop.version} is at {missing}" if missing else f"v{loop.version} is on its way"
        return ""

    def _noticed(self, loop: Loop) -> Loop:
        """The loop with when it was looked at first, which is written once: schedules count from then."""
        if loop.since:
            return loop
        later = replace(loop, since=self._clock.now().isoformat())
        with self._records.transaction() as tx:
            _require(tx, loop)
            tx.put(KIND, later.model, msgspec.to_builtins(later))
        return later

    def _end(self, loop: Loop, kind: Kind, detail: str, evidence: Mapping[str, Any] | None = None) -> LoopEvent:
        later = replace(loop, state="idle", ended_at=self._clock.now().isoformat(), attempt=0, retry_at="", evidence={})
        return self._advance(loop, later, kind, detail, evidence)

    def _advance(
        self,
        loop: Loop,
        later: Loop,
        kind: Kind,
        detail: str,
        evidence: Mapping[str, Any] | None = None,
        principal: Principal = SYSTEM,
    ) -> LoopEvent:
        """Write the transition down; LoopMovedOn when the loop is not where it was read."""
        check_transition(loop, later, kind)
        event = LoopEvent(self._clock.now().isoformat(), later.model, later.cycle, kind, detail, dict(evidence or {}))
        with self._records.transaction() as tx:
            stored = _require(tx, loop)
            kept = {} if kind == "triggered" else stored.fired
            self._write(tx, replace(later, fired=kept), event, principal)
        return event

    def _write(self, tx: Any, later: Loop, event: LoopEvent, principal: Principal) -> None:
        tx.put(KIND, later.model, msgspec.to_builtins(later))
        tx.append(f"loops/{later.model}", msgspec.to_builtins(event))
        detail = {"cycle": later.cycle, "detail": event.detail, "evidence": event.evidence}
        self._audit.record(tx, principal, f"loop.{event.kind}", later.model, detail)


def _require(view: Snapshot, loop: Loop) -> Loop:
    """The loop as it is stored; LoopMovedOn when that is not where it was read, apart from triggers fired since."""
    stored = _stored(view, loop.model)
    if replace(stored, fired=loop.fired) != loop:
        raise LoopMovedOn(
            f"The loop of '{loop.model}' was moved on by another process.",
            remedy=f"See: modelyard retrain status {loop.model}.",
        )
    return stored


def _stored(view: Snapshot, model: str) -> Loop:
    document = view.get(KIND, model)
    return msgspec.convert(document.body, Loop) if document is not None else Loop(model)
