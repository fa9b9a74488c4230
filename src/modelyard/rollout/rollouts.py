"""Deployments and their rollouts: deploy, start, watch, promote, roll back."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import pyarrow.compute as pc

from modelyard.access import SYSTEM, Principal
from modelyard.audit import Intents
from modelyard.core import Clock, IdSource, SystemClock, did_you_mean, to_micros
from modelyard.core.durations import format_duration
from modelyard.history import PredictionLog
from modelyard.registry import ModelVersion, NotServable, Registry, pointed_at
from modelyard.routing import Arm, FeedFolder, Route
from modelyard.storage import RecordStore, Snapshot, Transaction

from .analysis import GUARDRAILS, PROMOTE_AT, Analysis, analyse
from .errors import NoRollout, RolloutActive, RolloutMovedOn
from .records import Rollout, RolloutEvent
from .routes import INTENT, ROLLOUT, current_route, generations, write_route
from .settings import DeploymentSettings, Strategy

LIVE, CANARY = "live", "canary"
Decide = Callable[[Transaction], RolloutEvent]


class Rollouts:
    """Brings versions to deployments. Each change is one intent: route, alias, rollout state and audit together.

    At most one rollout of a deployment is active; lasting shadows stay through all of its generations.
    """

    def __init__(
        self,
        records: RecordStore,
        intents: Intents,
        registry: Registry,
        feed: FeedFolder,
        log: PredictionLog,
        clock: Clock,
        ids: IdSource,
        deployments: Mapping[str, DeploymentSettings],
    ) -> None:
        self._records = records
        self._intents = intents
        self._registry = registry
        self._feed = feed
        self._log = log
        self._clock = clock
        self._ids = ids
        self._deployments = deployments

    def settings(self, deployment: str) -> DeploymentSettings:
        """What the project file says of a deployment."""
        if deployment not in self._deployments:
            raise NoRollout(
                f"There is no deployment '{deployment}'.", remedy=did_you_mean(deployment, self._deployments)
            )
        return self._deployments[deployment]

    def following(self, model: str, alias: str) -> list[str]:
        """The deployments that follow an alias of a model."""
        return [name for name, each in self._deployments.items() if (each.model_name, each.alias) == (model, alias)]

    def route(self, deployment: str) -> Route | None:
        """The newest route of a deployment."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            return current_route(view, deployment)

    def state(self, deployment: str) -> Rollout | None:
        """The latest rollout of a deployment, active or ended."""
        with self._records.snapshot() as view:
            return _rollout(view, deployment)

    def history(self, deployment: str) -> list[RolloutEvent]:
        """Every decision about a deployment, oldest first."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, RolloutEvent) for each in view.entries(f"rollouts/{deployment}")]

    def start(
        self, deployment: str, version: int | str, principal: Principal, *, strategy: Strategy | None = None
    ) -> RolloutEvent:
        """Begin to bring a version to a deployment, by its declared strategy unless told otherwise.

        The first version of a deployment, and all-at-once, are live at once. A canary takes its first share and is then
        in the hands of `tick`. Refused while another rollout is active, and for a version whose gate did not pass.
        """
        settings = self.settings(deployment)
        chosen = self._servable(settings.model_name, version)
        if strategy == "shadow" or (strategy is None and settings.strategy == "shadow"):
            return self.shadow(deployment, chosen.number, principal)
        first = self.route(deployment) is None
        if first or (strategy or settings.strategy) == "all-at-once":
            return self._deploy(deployment, chosen, principal)
        return self._start_canary(deployment, chosen, principal)

    def shadow(
        self, deployment: str, version: int | str, principal: Principal, *, name: str = "shadow"
    ) -> RolloutEvent:
        """Let a version ride along as a lasting shadow: it answers copies of all requests, and nobody hears it."""
        chosen = self._servable(self.settings(deployment).model_name, version)

        def decide(tx: Transaction) -> RolloutEvent:
            route = self._require_route(tx, deployment)
            arms = [*(arm for arm in route.arms if arm.name != name), _arm(name, "shadow", chosen, 1.0)]
            write_route(tx, route, arms, f"{chosen.label} rides along as {name}")
            return self._event(deployment, chosen.number, "shadow", f"{chosen.label} rides along as {name}")

        return self._change(deployment, principal, decide)

    def tick(self) -> list[RolloutEvent]:
        """Look at every active rollout and act on what the log says; returns what was decided."""
        decided = [self._tick_unless_moved_on(name) for name in self._deployments]
        return [event for event in decided if event is not None]

    def rollback(self, deployment: str, principal: Principal, reason: str) -> RolloutEvent:
        """Take back the active rollout, or else the last change of the live version; never waits for anything.

        The arms before are published as a new generation, and the alias moves back with them.
        """

        def decide(tx: Transaction) -> RolloutEvent:
            route = self._require_route(tx, deployment)
            rollout = _rollout(tx, deployment)
            if rollout is not None and rollout.state == "active":
                return self._take_back(tx, route, rollout, reason, rollout.evidence)
            return self._restore_previous(tx, route, principal, reason)

        return self._change(deployment, principal, decide, project=False)

    def _deploy(self, deployment: str, version: ModelVersion, principal: Principal) -> RolloutEvent:
        def decide(tx: Transaction) -> RolloutEvent:
            self._refuse_active(tx, deployment)
            route = current_route(tx, deployment) or self._first_route(deployment)
            shadows = [arm for arm in route.arms if arm.role == "shadow"]
            detail = f"{version.label} is live"
            write_route(tx, route, [_arm(LIVE, "live", version, 1.0), *shadows], detail)
            self._move_alias(tx, deployment, version.number, principal, detail)
            return self._event(deployment, version.number, "deployed", detail)

        return self._change(deployment, principal, decide)

    def _start_canary(self, deployment: str, version: ModelVersion, principal: Principal) -> RolloutEvent:
        share = self.settings(deployment).steps[0] / 100

        def decide(tx: Transaction) -> RolloutEvent:
            self._refuse_active(tx, deployment)
            route = self._require_route(tx, deployment)
            detail = f"{version.label} starts as canary at {share:.0%}"
            arms = [*_weighted(route.arms, 1 - share), _arm(CANARY, "canary", version, share)]
            later = write_route(tx, route, arms, detail)
            now = self._now()
            rollout = Rollout(
                id=self._ids.new(to_micros(self._clock.now())),
                deployment=deployment,
                version=version.number,
                state="active",
                step=0,
                started_at=now,
                step_at=now,
                first_generation=later.generation,
            )
            _put(tx, rollout)
            return self._event(deployment, version.number, "started", detail)

        return self._change(deployment, principal, decide)

    def _tick_unless_moved_on(self, deployment: str) -> RolloutEvent | None:
        """What was decided; nothing when someone else decided while the log was being read."""
        try:
            return self._tick(deployment)
        except RolloutMovedOn:
            return None

    def _tick(self, deployment: str) -> RolloutEvent | None:
        rollout = self.state(deployment)
        if rollout is None or rollout.state != "active":
            return None
        settings = self.settings(deployment)
        if why := self._failed_load(rollout):
            return self._abort(rollout, f"the canary could not be loaded: {why}", rollout.evidence)
        analysis = self._analyse(rollout, settings)
        if analysis.rollback >= GUARDRAILS / settings.alpha:
            return self._roll_back_on_evidence(rollout, analysis)
        if missing := self._missing(rollout, settings, analysis):
            self._hold(rollout, analysis, missing)
            return None
        if settings.steps[rollout.step + 1] < 100:
            return self._advance(rollout, settings, analysis)
        return self._promote(rollout, analysis)

    def _missing(self, rollout: Rollout, settings: DeploymentSettings, analysis: Analysis) -> str:
        """What the next step still needs, or nothing. No data is never a reason to go on."""
        waited = self._clock.now() - datetime.fromisoformat(rollout.step_at)
        if waited < settings.dwell:
            return f"{format_duration(settings.dwell - waited)} of this step's time"
        if analysis.requests == 0:
            return "any canary request"
        if settings.steps[rollout.step + 1] < 100:
            return ""
        if analysis.requests < settings.min_requests:
            return f"{settings.min_requests - analysis.requests} more canary requests"
        return (
            "" if analysis.promotion >= PROMOTE_AT else f"an e-value of {PROMOTE_AT:g} (now {analysis.promotion:.3g})"
        )

    def _analyse(self, rollout: Rollout, settings: DeploymentSettings) -> Analysis:
        with self._records.snapshot() as view:
            routes = generations(view, rollout.deployment, since=rollout.first_generation)
        shares = {route.generation: _share(route) for route in routes}
        start = datetime.fromisoformat(rollout.started_at) - timedelta(days=1)
        predictions = self._log.predictions(rollout.deployment, start=start)
        return analyse(
            predictions.filter(pc.field("generation") >= rollout.first_generation),
            shares,
            canary=CANARY,
            objective_ms=settings.latency_objective_ms,
            acceptable=settings.acceptable,
            sticky=settings.assign_by is not None,
        )

    def _roll_back_on_evidence(self, rollout: Rollout, analysis: Analysis) -> RolloutEvent:
        reason = (
            f"{analysis.worst}: {analysis.bad} bad of {analysis.requests} canary answers against {analysis.live_bad} "
            f"of {analysis.live_requests} live (e-value {analysis.rollback:.3g})"
        )
        return self._abort(rollout, reason, analysis.evidence())

    def _abort(self, rollout: Rollout, reason: str, evidence: Mapping[str, Any]) -> RolloutEvent:
        """Take back this very rollout; RolloutMovedOn when it has ended or gone on meanwhile."""

        def decide(tx: Transaction) -> RolloutEvent:
            _require_unmoved(tx, rollout)
            route = self._require_route(tx, rollout.deployment)
            return self._take_back(tx, route, rollout, reason, evidence)

        return self._change(rollout.deployment, SYSTEM, decide, project=False)

    def _advance(self, rollout: Rollout, settings: DeploymentSettings, analysis: Analysis) -> RolloutEvent:
        step = rollout.step + 1
        share = settings.steps[step] / 100

        def decide(tx: Transaction) -> RolloutEvent:
            _require_unmoved(tx, rollout)
            route = self._require_route(tx, rollout.deployment)
            canary = next(arm for arm in route.arms if arm.name == CANARY)
            others = [arm for arm in route.arms if arm.name != CANARY]
            detail = f"canary at {share:.0%}"
            arms = [*_weighted(others, 1 - share), msgspec.structs.replace(canary, weight=share)]
            write_route(tx, route, arms, detail)
            _put(tx, msgspec.structs.replace(rollout, step=step, step_at=self._now(), evidence=analysis.evidence()))
            return self._event(rollout.deployment, rollout.version, "advanced", detail, analysis.evidence())

        return self._change(rollout.deployment, SYSTEM, decide)

    def _promote(self, rollout: Rollout, analysis: Analysis) -> RolloutEvent:
        def decide(tx: Transaction) -> RolloutEvent:
            _require_unmoved(tx, rollout)
            route = self._require_route(tx, rollout.deployment)
            canary = next(arm for arm in route.arms if arm.name == CANARY)
            shadows = [arm for arm in route.arms if arm.role == "shadow"]
            live = msgspec.structs.replace(canary, name=LIVE, role="live", weight=1.0)
            detail = (
                f"v{rollout.version} is live: {analysis.bad} bad of {analysis.requests} canary answers "
                f"(e-value {min(analysis.promotion, 1e12):.3g})"
            )
            write_route(tx, route, [live, *shadows], detail)
            _put(tx, msgspec.structs.replace(rollout, state="promoted", evidence=analysis.evidence()))
            self._move_alias(tx, rollout.deployment, rollout.version, SYSTEM, detail)
            return self._event(rollout.deployment, rollout.version, "promoted", detail, analysis.evidence())

        return self._change(rollout.deployment, SYSTEM, decide)

    def _hold(self, rollout: Rollout, analysis: Analysis, missing: str) -> None:
        """Keep what was seen, and what is missing, for `status`; holding is no change."""
        with self._records.transaction() as tx:
            _require_unmoved(tx, rollout)
            _put(tx, msgspec.structs.replace(rollout, evidence=analysis.evidence(), reason=f"waits for {missing}"))

    def _take_back(
        self, tx: Transaction, route: Route, rollout: Rollout, reason: str, evidence: Mapping[str, Any]
    ) -> RolloutEvent:
        arms = _weighted([arm for arm in route.arms if arm.name != CANARY], 1.0)
        write_route(tx, route, arms, reason)
        _put(tx, msgspec.structs.replace(rollout, state="rolled_back", reason=reason, evidence=dict(evidence)))
        return self._event(route.deployment, rollout.version, "rolled_back", reason, evidence)

    def _restore_previous(self, tx: Transaction, route: Route, principal: Principal, reason: str) -> RolloutEvent:
        earlier = generations(tx, route.deployment, since=1)
        before = next((each for each in reversed(earlier) if each.live.version != route.live.version), None)
        if before is None:
            raise NoRollout(
                f"'{route.deployment}' never had another live version than {route.live.version}.",
                remedy=f"Deploy another version: modelyard rollout start {route.deployment} --to VERSION.",
            )
        shadows = [arm for arm in route.arms if arm.role == "shadow"]
        write_route(tx, route, [msgspec.structs.replace(before.live, weight=1.0), *shadows], reason)
        self._move_alias(tx, route.deployment, int(before.live.version), principal, reason)
        return self._event(route.deployment, int(route.live.version), "rolled_back", reason)

    def _change(self, deployment: str, principal: Principal, decide: Decide, *, project: bool = True) -> RolloutEvent:
        """Carry out one change of a route, with its event in the deployment's history."""
        events: list[RolloutEvent] = []

        def decide_and_note(tx: Transaction) -> Mapping[str, Any]:
            settings = self.settings(deployment)
            route, rollout = current_route(tx, deployment), _rollout(tx, deployment)
            before = {
                "route": msgspec.to_builtins(route) if route is not None else None,
                "rollout": msgspec.to_builtins(rollout) if rollout is not None else None,
                "version": pointed_at(tx, settings.model_name, settings.alias),
            }
            event = decide(tx)
            tx.append(f"rollouts/{deployment}", msgspec.to_builtins(event))
            events.append(event)
            return {
                "model": settings.model_name,
                "alias": settings.alias,
                "at": event.at,
                "before": before,
                "detail": event.detail,
            }

        self._intents.carry_out(INTENT, deployment, {}, principal, decide_and_note, project=project)
        return events[0]

    def _servable(self, model: str, version: int | str) -> ModelVersion:
        """The version, its bundle standing beside the feed; NotServable unless its gate passed."""
        chosen = self._registry.get(model, version)
        if not chosen.gate_passed:
            raise NotServable(
                f"{model} {chosen.label} may not serve: its gate did not pass.",
                context={"model": model, "version": chosen.number},
                remedy=f"See why: modelyard model show {model} {chosen.number}",
            )
        if chosen.bundle is None:
            raise NotServable(f"{model} {chosen.label} has no bundle.", remedy="Register it with a model.")
        target = self._feed.bundle_path(chosen.bundle)
        if not target.exists():
            self._registry.fetch_bundle(chosen, target)
        return chosen

    def _failed_load(self, rollout: Rollout) -> str:
        """Why some server could not load the canary, or nothing."""
        # Servers beat by the wall clock, whatever clock events follow.
        now = to_micros(SystemClock().now())
        wanted = (rollout.deployment, CANARY, str(rollout.version))
        arms = [arm for status in self._feed.statuses(now) for arm in status.arms]
        refused = [arm for arm in arms if (arm.deployment, arm.arm, arm.version) == wanted and not arm.loaded]
        return next((arm.why_not for arm in refused if arm.why_not), "")

    def _move_alias(self, tx: Transaction, deployment: str, to: int, principal: Principal, reason: str) -> None:
        settings = self.settings(deployment)
        self._registry.move_alias(tx, settings.model_name, settings.alias, to, principal, reason)

    def _first_route(self, deployment: str) -> Route:
        settings = self.settings(deployment)
        return Route(
            deployment=deployment,
            model=settings.model_name,
            generation=0,
            arms=(),
            salt=deployment,
            assign_by=settings.assign_by,
            clock=settings.clock,
            latency_objective_ms=settings.latency_objective_ms,
        )

    def _require_route(self, view: Snapshot, deployment: str) -> Route:
        route = current_route(view, deployment)
        if route is None:
            raise NoRollout(
                f"Nothing is deployed to '{deployment}' yet.",
                remedy=f"Deploy a version: modelyard rollout start {deployment} --to VERSION.",
            )
        return route

    def _refuse_active(self, view: Snapshot, deployment: str) -> None:
        rollout = _rollout(view, deployment)
        if rollout is not None and rollout.state == "active":
            raise RolloutActive(
                f"'{deployment}' has a rollout of version {rollout.version} in progress since {rollout.started_at}.",
                remedy=f"Wait for it, or take it back: modelyard rollout rollback {deployment}.",
            )

    def _event(
        self,
        deployment: str,
        version: int,
        kind: Literal["deployed", "shadow", "started", "advanced", "held", "promoted", "rolled_back"],
        detail: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> RolloutEvent:
        return RolloutEvent(self._now(), deployment, version, kind, detail, dict(evidence or {}))

    def _now(self) -> str:
        return self._clock.now().isoformat()


def _arm(name: str, role: Literal["live", "canary", "shadow"], version: ModelVersion, weight: float) -> Arm:
    if version.bundle is None:
        raise NotServable(f"{version.name} {version.label} has no bundle.")
    return Arm(name, role, str(version.number), version.bundle, weight)


def _weighted(arms: Sequence[Arm], live_share: float) -> list[Arm]:
    """The arms with the live one at a share; the others as they are."""
    return [msgspec.structs.replace(arm, weight=live_share) if arm.role == "live" else arm for arm in arms]


def _share(route: Route) -> float:
    return sum(arm.weight for arm in route.arms if arm.name == CANARY)


def _rollout(view: Snapshot, deployment: str) -> Rollout | None:
    document = view.get(ROLLOUT, deployment)
    return msgspec.convert(document.body, Rollout) if document is not None else None


def _require_unmoved(tx: Transaction, rollout: Rollout) -> None:
    """What was read outside the transaction must still stand: same rollout, still active, at the same step."""
    now = _rollout(tx, rollout.deployment)
    if now is None or (now.id, now.state, now.step) != (rollout.id, "active", rollout.step):
        raise RolloutMovedOn(
            f"The rollout of version {rollout.version} to '{rollout.deployment}' was decided by someone else.",
            context={"deployment": rollout.deployment, "rollout": rollout.id},
            remedy=f"See: modelyard rollout history {rollout.deployment}.",
        )


def _put(tx: Transaction, rollout: Rollout) -> None:
    tx.put(ROLLOUT, rollout.deployment, msgspec.to_builtins(rollout))
