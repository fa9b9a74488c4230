"""What can become of a rollout, each within the caller's transaction: route, record and history together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from modelyard.access import SYSTEM, Principal
from modelyard.core import Clock, IdSource, to_micros
from modelyard.registry import ModelVersion, MoveKind, Registry
from modelyard.routing import Arm, Route
from modelyard.storage import Transaction

from .counting import forget_entities, put_counted, read_counted
from .looking import Look, Looks
from .records import EventKind, Plan, Rollout, RolloutEvent, Strategy
from .routes import current_route, generations, write_route
from .settings import DeploymentSettings
from .state import (
    LIVE,
    WARM,
    active_rollout,
    arm_of,
    arms_with,
    arms_without,
    candidate_of,
    lasting,
    put_rollout,
    read_rollout,
    refuse_active,
    require_route,
)
from .strategies import STRATEGIES, Decision


class Acts:
    """Writes what was decided. Nothing here reads the log or asks a strategy."""

    def __init__(
        self,
        registry: Registry,
        looks: Looks,
        clock: Clock,
        ids: IdSource,
        settings: Callable[[str], DeploymentSettings],
    ) -> None:
        self._registry = registry
        self._looks = looks
        self._clock = clock
        self._ids = ids
        self._settings = settings

    def begin(
        self,
        tx: Transaction,
        deployment: str,
        version: ModelVersion,
        plan: Plan,
        principal: Principal,
        *,
        promotion: str = "",
        together: tuple[str, ...] = (),
        told: str = "",
        approved: bool = True,
    ) -> RolloutEvent:
        """Live at once (the first version, and all-at-once), or the first step of the plan's strategy."""
        refuse_active(tx, deployment)
        known = current_route(tx, deployment)
        route = self._as_declared(known or _no_route(deployment, self._settings(deployment).model_name))
        if known is None or plan.strategy == "all-at-once":
            detail = f"{version.label} is live"
            self._write(tx, route, [arm_of(LIVE, "live", version, 1.0), *lasting(route)], detail)
            return self.event(deployment, version.number, "deployed", detail, by=principal)
        if (earlier := read_rollout(tx, deployment)) is not None:
            forget_entities(tx, earlier)
        detail = _starts(version.label, plan, 0)
        later = self._at_step(tx, route, version, plan, detail)
        now = self.now()
        rollout = Rollout(
            id=self._ids.new(to_micros(self._clock.now())),
            deployment=deployment,
            version=version.number,
            state="active",
            step=0,
            started_at=now,
            step_at=now,
            first_generation=later.generation,
            plan=plan,
            approved=approved,
            promotion=promotion,
            together=together if promotion else (),
            told=told,
        )
        put_rollout(tx, self._looks.looked(rollout))
        return self.event(deployment, version.number, "started", detail, by=principal)

    def ride(
        self, tx: Transaction, deployment: str, version: ModelVersion, name: str, principal: Principal
    ) -> RolloutEvent:
        """A lasting shadow."""
        route = require_route(tx, deployment)
        detail = f"{version.label} rides along as {name}"
        arms = [*(arm for arm in route.arms if arm.name != name), arm_of(name, "shadow", version, 1.0)]
        write_route(tx, route, arms, detail)
        return self.event(deployment, version.number, "shadow", detail, by=principal)

    def hold(self, tx: Transaction, look: Look, decision: Decision) -> RolloutEvent | None:
        """Keep what was seen and what is missing; tell it where waiting alone will not help, once."""
        _put(tx, look, _kept(look, decision, missing=decision.missing, held=decision.reason))
        if not decision.reason or decision.reason == look.rollout.held:
            return None
        evidence = {**look.counted.tally.evidence(), **decision.evidence}
        event = self.event(look.rollout.deployment, look.rollout.version, "held", decision.reason, evidence)
        tx.append(f"rollouts/{event.deployment}", msgspec.to_builtins(event))
        return event

    def advance(
        self, tx: Transaction, rollout: Rollout, principal: Principal, *, why: str = "", look: Look | None = None
    ) -> RolloutEvent:
        """The next step of the strategy."""
        way, step = STRATEGIES[rollout.plan.strategy], rollout.step + 1
        route = require_route(tx, rollout.deployment)
        share = way.shares(rollout.plan)[step]
        detail = f"{way.arm} at {share:.0%}{': ' if why else ''}{why}"
        candidate = msgspec.structs.replace(candidate_of(route, way.arm), weight=share)
        self._write(tx, route, arms_with(route, candidate), detail, rollout.plan)
        later = msgspec.structs.replace(rollout, step=step, step_at=self.now(), observed_s=0.0, missing=(), reason="")
        put_rollout(tx, self._looks.looked(later))
        counted = look.counted if look is not None else read_counted(tx, rollout)
        begun = msgspec.structs.replace(counted, tally=msgspec.structs.replace(counted.tally, step_rows=0))
        put_counted(tx, rollout, begun, look.entities if look is not None else None)
        return self.event(rollout.deployment, rollout.version, "advanced", detail, rollout.evidence, by=principal)

    def take(self, tx: Transaction, look: Look, decision: Decision) -> RolloutEvent:
        """One more server takes the candidate; the weights say how many of all have it."""
        rollout, way = look.rollout, STRATEGIES[look.rollout.plan.strategy]
        kept = _kept(look, decision, missing=(), held="")
        servers, every = tuple(kept.kept["servers"]), look.facts.loaded + len(look.facts.waiting)
        route = require_route(tx, rollout.deployment)
        share = min(1.0, len(servers) / every)
        candidate = msgspec.structs.replace(candidate_of(route, way.arm), weight=share)
        detail = f"{servers[-1]} takes v{rollout.version}, as number {len(servers)} of {every}"
        self._write(tx, route, arms_with(route, candidate), detail, rollout.plan, rolled=servers)
        _put(tx, look, msgspec.structs.replace(kept, step_at=self.now(), observed_s=0.0, reason=""))
        return self.event(rollout.deployment, rollout.version, "advanced", detail, rollout.evidence)

    def hand_over(
        self, tx: Transaction, look: Look, version: ModelVersion, to: Strategy, decision: Decision
    ) -> RolloutEvent:
        """The first step of another strategy, with evidence counted anew."""
        rollout = look.rollout
        plan = msgspec.structs.replace(rollout.plan, strategy=to)
        route = require_route(tx, rollout.deployment)
        cleared = msgspec.structs.replace(route, arms=tuple(arms_without(route, STRATEGIES[rollout.plan.strategy].arm)))
        detail = f"{_starts(version.label, plan, 0)}{': ' if decision.reason else ''}{decision.reason}"
        forget_entities(tx, rollout)
        later = self._at_step(tx, cleared, version, plan, detail)
        begun = msgspec.structs.replace(
            rollout, plan=plan, step=0, step_at=self.now(), observed_s=0.0, first_generation=later.generation,
            missing=(), reason="", held="", kept=dict(decision.kept or {}), approved=True,
        )  # fmt: skip
        put_rollout(tx, self._looks.looked(begun))
        evidence = {**rollout.evidence, **decision.evidence}
        return self.event(rollout.deployment, rollout.version, "handed_over", detail, evidence)

    def promote(self, tx: Transaction, look: Look, decision: Decision, principal: Principal = SYSTEM) -> RolloutEvent:
        """The candidate is live and the version before stays warm; the alias moves when no other deployment of the same
        promotion is still on its way.
        """
        rollout, plan = look.rollout, look.rollout.plan
        way = STRATEGIES[plan.strategy]
        route = require_route(tx, rollout.deployment)
        candidate = candidate_of(route, way.arm)
        live = msgspec.structs.replace(candidate, name=LIVE, role="live", weight=1.0)
        warm = [msgspec.structs.replace(route.live, name=WARM, role="arm", weight=0.0)] if plan.keep_warm_s else []
        detail = f"v{rollout.version} is live: {decision.reason or look.counted.tally.told(way.arm)}"
        self._write(tx, route, [live, *lasting(route, without=way.arm), *warm], detail)
        evidence = {"strategy": plan.strategy, **rollout.evidence, **decision.evidence}
        ended = msgspec.structs.replace(rollout, state="promoted", evidence=evidence, missing=(), reason=detail)
        _put(tx, look, ended)
        if not _waits_for_others(tx, rollout):
            why = f"{rollout.told}; {detail}" if rollout.told else detail
            self.move_alias(tx, rollout.deployment, rollout.version, principal, why)
        return self.event(rollout.deployment, rollout.version, "promoted", detail, evidence, by=principal)

    def end(self, tx: Transaction, look: Look, decision: Decision) -> RolloutEvent:
        """Over, with an answer: the candidate's arm goes, and nothing has taken over."""
        rollout = look.rollout
        route = require_route(tx, rollout.deployment)
        arms = arms_without(route, STRATEGIES[rollout.plan.strategy].arm)
        self._write(tx, route, arms, decision.reason)
        evidence = {**rollout.evidence, **decision.evidence}
        kept = _kept(look, decision, missing=(), held="")
        _put(tx, look, msgspec.structs.replace(kept, state="ended", reason=decision.reason, evidence=evidence))
        return self.event(rollout.deployment, rollout.version, "ended", decision.reason, evidence)

    def take_back(
        self,
        tx: Transaction,
        rollout: Rollout,
        reason: str,
        evidence: Mapping[str, Any],
        principal: Principal = SYSTEM,
        *,
        kind: EventKind = "rolled_back",
    ) -> list[RolloutEvent]:
        """Take back a rollout, and the version from every deployment that began together with it."""
        route = require_route(tx, rollout.deployment)
        self._write(tx, route, arms_without(route, STRATEGIES[rollout.plan.strategy].arm), reason)
        told = msgspec.structs.replace(
            rollout, state="rolled_back", reason=reason, evidence=dict(evidence), missing=(), paused=""
        )
        put_rollout(tx, told)
        events = [self.event(route.deployment, rollout.version, kind, reason, evidence, by=principal)]
        for name in rollout.together:
            events += self._take_back_with(tx, rollout, name, f"{rollout.deployment}: {reason}", principal)
        return events

    def restore(
        self, tx: Transaction, deployment: str, version: ModelVersion, reason: str, principal: Principal
    ) -> RolloutEvent:
        """Make a version live again that was before."""
        route = require_route(tx, deployment)
        self._write(tx, route, [arm_of(LIVE, "live", version, 1.0), *lasting(route)], reason)
        return self.event(deployment, int(route.live.version), "rolled_back", reason, by=principal)

    def cool(self, tx: Transaction, rollout: Rollout) -> RolloutEvent:
        """The version before is kept warm no longer."""
        route = require_route(tx, rollout.deployment)
        warm = next(each for each in route.arms if each.name == WARM)
        detail = f"v{warm.version} is kept warm no longer"
        self._write(tx, route, [each for each in route.arms if each.name != WARM], detail)
        put_rollout(tx, self._looks.looked(rollout))
        return self.event(rollout.deployment, int(warm.version), "cooled", detail)

    def move_alias(
        self, tx: Transaction, deployment: str, to: int, principal: Principal, reason: str, *, kind: MoveKind = "move"
    ) -> None:
        """Move the alias that a deployment follows."""
        settings = self._settings(deployment)
        self._registry.move_alias(tx, settings.model_name, settings.alias, to, principal, reason, kind=kind)

    def event(
        self,
        deployment: str,
        version: int,
        kind: EventKind,
        detail: str,
        evidence: Mapping[str, Any] | None = None,
        *,
        by: Principal = SYSTEM,
    ) -> RolloutEvent:
        """A decision of this moment."""
        return RolloutEvent(self.now(), deployment, version, kind, detail, dict(evidence or {}), by.name)

    def now(self) -> str:
        """This moment, as records have it."""
        return self._clock.now().isoformat()

    def _take_back_with(
        self, tx: Transaction, rollout: Rollout, deployment: str, reason: str, principal: Principal
    ) -> list[RolloutEvent]:
        """Take the version of a rollout back from another deployment of the same promotion."""
        other, route = read_rollout(tx, deployment), current_route(tx, deployment)
        if route is None or deployment == rollout.deployment:
            return []
        if other is not None and other.promotion == rollout.promotion and other.state == "active":
            alone = msgspec.structs.replace(other, together=())
            return self.take_back(tx, alone, reason, {}, principal)
        earlier = (each for each in reversed(generations(tx, deployment, since=1)))
        before = next((each for each in earlier if each.live.version != str(rollout.version)), None)
        if route.live.version != str(rollout.version) or before is None:
            return []
        self._write(tx, route, [msgspec.structs.replace(before.live, weight=1.0), *lasting(route)], reason)
        return [self.event(deployment, rollout.version, "rolled_back", reason, by=principal)]

    def _at_step(self, tx: Transaction, route: Route, version: ModelVersion, plan: Plan, detail: str) -> Route:
        """The first step of a strategy."""
        way = STRATEGIES[plan.strategy]
        candidate = arm_of(way.arm, way.role, version, way.shares(plan)[0])
        rolled = () if way.by_server else UNSET
        return self._write(tx, route, arms_with(route, candidate), detail, plan, rolled=rolled)

    def _write(
        self,
        tx: Transaction,
        route: Route,
        arms: Sequence[Arm],
        reason: str,
        plan: Plan | None = None,
        *,
        rolled: tuple[str, ...] | UnsetType = UNSET,
    ) -> Route:
        """The next generation; a plan's salt holds while its rollout lasts, and so does which servers have taken it."""
        salt = plan.salt if plan is not None and plan.salt else route.deployment
        return write_route(tx, msgspec.structs.replace(route, salt=salt, rolled=rolled), arms, reason)

    def _as_declared(self, route: Route) -> Route:
        """A route that assigns and measures as the project file says today; it holds until the next rollout begins."""
        settings = self._settings(route.deployment)
        return msgspec.structs.replace(
            route,
            assign_by=settings.assign_by,
            assign=UNSET if settings.assign == "sticky" else settings.assign,
            clock=settings.clock,
            latency_objective_ms=settings.latency_objective_ms,
        )


def _no_route(deployment: str, model: str) -> Route:
    """Before the first generation."""
    return Route(deployment=deployment, model=model, generation=0, arms=(), salt=deployment)


def _put(tx: Transaction, look: Look, rollout: Rollout) -> None:
    """The rollout, and what a look has counted for it."""
    put_rollout(tx, rollout)
    put_counted(tx, rollout, look.counted, look.entities)


def _starts(label: str, plan: Plan, step: int) -> str:
    way = STRATEGIES[plan.strategy]
    return f"{label} starts as {way.arm} at {way.shares(plan)[step]:.0%}"


def _kept(look: Look, decision: Decision, *, missing: tuple[str, ...], held: str) -> Rollout:
    """The rollout as looked at, with what its strategy remembers."""
    kept = look.rollout.kept if decision.kept is None else dict(decision.kept)
    reason = f"waits for {'; '.join(missing)}" if missing else decision.reason
    return msgspec.structs.replace(look.rollout, missing=missing, reason=reason, held=held, kept=kept)


def _waits_for_others(tx: Transaction, rollout: Rollout) -> bool:
    """Whether another deployment of the same promotion is still on its way."""
    others = [active_rollout(tx, each) for each in rollout.together if each != rollout.deployment]
    return any(each is not None and each.promotion == rollout.promotion for each in others)
