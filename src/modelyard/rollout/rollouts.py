"""Deployments and their rollouts: deploy, start, watch, promote, roll back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from modelyard.access import SYSTEM, Principal
from modelyard.audit import Intents
from modelyard.core import Clock, IdSource, did_you_mean, to_micros
from modelyard.history import PredictionLog
from modelyard.registry import ModelVersion, MoveKind, Registry, moves_of, pointed_at, previous_holders, read_version
from modelyard.routing import FeedFolder, Route
from modelyard.storage import RecordStore, Snapshot, Transaction

from .analysis import GUARDRAILS, Analysis
from .changes import Changes
from .errors import NoRollout, RolloutMovedOn
from .evidence import Evidence
from .records import Rollout, RolloutEvent
from .routes import current_route, generations, write_route
from .settings import DeploymentSettings, Strategy
from .state import (
    CANARY,
    LIVE,
    active_rollout,
    arm_of,
    put_rollout,
    read_rollout,
    refuse_active,
    require_route,
    require_unmoved,
    shadows,
    weighted,
)
from .uses import RouteUse, uses_of


@dataclass(frozen=True)
class Plan:
    """A rollback: whose rollouts are taken back, and which deployments get which version back."""

    taken: tuple[str, ...]
    restored: tuple[str, ...] = ()
    target: ModelVersion | None = None


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
        self._changes = Changes(intents, deployments)
        self._registry = registry
        self._feed = feed
        self._evidence = Evidence(records, feed, log, clock)
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

    def followed(self, model: str) -> set[str]:
        """The aliases of a model that deployments follow."""
        return {each.alias for each in self._deployments.values() if each.model_name == model}

    def route(self, deployment: str) -> Route | None:
        """The newest route of a deployment."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            return current_route(view, deployment)

    def state(self, deployment: str) -> Rollout | None:
        """The latest rollout of a deployment, active or ended."""
        with self._records.snapshot() as view:
            return read_rollout(view, deployment)

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
        in the hands of `tick`. Refused while another rollout is active, and for a version that may not hold the alias:
        its gate did not pass, or approvals are missing. A shadow needs the gate only.
        """
        return self.start_all([deployment], version, principal, strategy=strategy)[0]

    def start_all(
        self,
        deployments: Sequence[str],
        version: int | str,
        principal: Principal,
        *,
        strategy: Strategy | None = None,
        reason: str = "",
        action: str = "",
    ) -> list[RolloutEvent]:
        """`start` for deployments that follow the same alias: all of them begin, or none.

        The alias moves when the last of them has taken the version; when one takes it back, all do.
        """
        ways = {each: strategy or self.settings(each).strategy for each in deployments}
        settings = self.settings(deployments[0])
        alias = None if set(ways.values()) == {"shadow"} else settings.alias
        chosen = self._prepared(settings.model_name, version, alias)
        promotion = self._ids.new(to_micros(self._clock.now())) if len(deployments) > 1 else ""

        def decide(tx: Transaction) -> list[RolloutEvent]:
            self._registry.require_standing(tx, chosen, alias)
            told = _told(principal, reason)
            events = [self._begin(tx, each, chosen, way, promotion, tuple(ways), told) for each, way in ways.items()]
            kinds = {event.kind for event in events}
            if "deployed" in kinds and "started" not in kinds:
                self._move_alias(tx, deployments[0], chosen.number, principal, reason or events[0].detail)
            return events

        return self._changes.carry_out(deployments, principal, decide, action=action)

    def shadow(
        self, deployment: str, version: int | str, principal: Principal, *, name: str = "shadow"
    ) -> RolloutEvent:
        """Let a version ride along as a lasting shadow: it answers copies of all requests, and nobody hears it."""
        chosen = self._prepared(self.settings(deployment).model_name, version, None)

        def decide(tx: Transaction) -> list[RolloutEvent]:
            return [self._ride(tx, deployment, chosen, name)]

        return self._changes.carry_out([deployment], principal, decide)[0]

    def tick(self) -> list[RolloutEvent]:
        """Look at every active rollout and act on what the log says; returns what was decided."""
        decided = [self._tick_unless_moved_on(name) for name in self._deployments]
        return [event for event in decided if event is not None]

    def rollback(self, deployment: str, principal: Principal, reason: str) -> RolloutEvent:
        """Take back the active rollout, or else the last change of the live version; never waits for anything.

        The version that held the alias before is live again, as a new generation, and the alias moves back with it.
        """
        return self.roll_back([deployment], principal, reason)[0]

    def roll_back(
        self,
        deployments: Sequence[str],
        principal: Principal,
        reason: str,
        *,
        to: int | None = None,
        action: str = "",
    ) -> list[RolloutEvent]:
        """`rollback` of deployments that follow the same alias, all or none; with `to` to that version.

        `to` must have held the alias before: everything else is a promotion.
        """
        with self._records.snapshot() as view:
            plan = self._plan(view, deployments, to)
        if plan.target is not None:
            self._provide(plan.target)

        def decide(tx: Transaction) -> list[RolloutEvent]:
            if self._plan(tx, deployments, to) != plan:
                raise RolloutMovedOn(
                    f"What was live before at {', '.join(deployments)} has changed in this moment.",
                    remedy="See modelyard status, and roll back again if it is still wanted.",
                )
            return self._back(tx, plan, principal, reason)

        return self._changes.carry_out(deployments, principal, decide, project=False, action=action)

    def pointing_at(self, view: Snapshot, model: str, number: int) -> list[str]:
        """What serves a version, or is about to."""
        found = []
        for name, settings in self._deployments.items():
            route = current_route(view, name) if settings.model_name == model else None
            if route is not None and any(arm.version == str(number) for arm in route.arms):
                found.append(f"the route of '{name}'")
        return found

    def uses(self, model: str, number: int) -> list[RouteUse]:
        """What a version is, or was, to each deployment."""
        with self._records.snapshot() as view:
            return uses_of(view, model, number)

    def _plan(self, view: Snapshot, deployments: Sequence[str], to: int | None) -> Plan:
        """What a rollback of these deployments would do; NoRollout when there is nothing to go back to."""
        routes = {each: require_route(view, each) for each in deployments}
        active = tuple(each for each in deployments if active_rollout(view, each) is not None)
        if active and to is None:
            return Plan(active)
        settings = self.settings(deployments[0])
        model, alias = settings.model_name, settings.alias
        holder = pointed_at(view, model, alias)
        earlier = previous_holders(moves_of(view, model), alias)
        live = int(routes[deployments[0]].live.version)
        if len(deployments) == 1 and holder not in (None, live):  # it serves what the alias does not say, or not yet
            earlier = [holder, *(each for each in earlier if each != live)]
        versions = [each for each in (read_version(view, model, number) for number in earlier) if each is not None]
        target = next((each for each in versions if to in (None, each.number)), None)
        if target is None:
            raise _nothing_before(routes[deployments[0]], to, [each.number for each in versions])
        behind = tuple(each for each in deployments if routes[each].live.version != str(target.number))
        return Plan(active, behind or tuple(deployments), target)

    def _back(self, tx: Transaction, plan: Plan, principal: Principal, reason: str) -> list[RolloutEvent]:
        """Take back what is under way, and bring back the target."""
        events: list[RolloutEvent] = []
        for deployment in plan.taken:
            if (rollout := active_rollout(tx, deployment)) is not None:  # unless another one took it back with it
                events += self._take_back(tx, rollout, reason, rollout.evidence)
        if plan.target is None:
            return events
        events += [self._restore(tx, each, plan.target, reason) for each in plan.restored]
        settings = self.settings(plan.restored[0])
        if pointed_at(tx, settings.model_name, settings.alias) != plan.target.number:
            self._move_alias(tx, plan.restored[0], plan.target.number, principal, reason, kind="rollback")
        return events

    def _begin(
        self,
        tx: Transaction,
        deployment: str,
        version: ModelVersion,
        strategy: Strategy,
        promotion: str,
        together: tuple[str, ...],
        told: str,
    ) -> RolloutEvent:
        if strategy == "shadow":
            return self._ride(tx, deployment, version, "shadow")
        refuse_active(tx, deployment)
        route = current_route(tx, deployment)
        if route is None or strategy == "all-at-once":
            detail = f"{version.label} is live"
            before = route or self._first_route(deployment)
            write_route(tx, before, [arm_of(LIVE, "live", version, 1.0), *shadows(before)], detail)
            return self._event(deployment, version.number, "deployed", detail)
        return self._begin_canary(tx, route, version, promotion, together if promotion else (), told)

    def _begin_canary(
        self,
        tx: Transaction,
        route: Route,
        version: ModelVersion,
        promotion: str,
        together: tuple[str, ...],
        told: str,
    ) -> RolloutEvent:
        share = self.settings(route.deployment).steps[0] / 100
        detail = f"{version.label} starts as canary at {share:.0%}"
        arms = [*weighted(route.arms, 1 - share), arm_of(CANARY, "canary", version, share)]
        later = write_route(tx, route, arms, detail)
        now = self._now()
        rollout = Rollout(
            id=self._ids.new(to_micros(self._clock.now())),
            deployment=route.deployment,
            version=version.number,
            state="active",
            step=0,
            started_at=now,
            step_at=now,
            first_generation=later.generation,
            promotion=promotion,
            together=together,
            told=told,
        )
        put_rollout(tx, rollout)
        return self._event(route.deployment, version.number, "started", detail)

    def _ride(self, tx: Transaction, deployment: str, version: ModelVersion, name: str) -> RolloutEvent:
        route = require_route(tx, deployment)
        detail = f"{version.label} rides along as {name}"
        arms = [*(arm for arm in route.arms if arm.name != name), arm_of(name, "shadow", version, 1.0)]
        write_route(tx, route, arms, detail)
        return self._event(deployment, version.number, "shadow", detail)

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
        if why := self._evidence.failed_load(rollout):
            return self._abort(rollout, f"the canary could not be loaded: {why}", rollout.evidence)
        analysis = self._evidence.analyse(rollout, settings)
        if analysis.rollback >= GUARDRAILS / settings.alpha:
            return self._roll_back_on_evidence(rollout, analysis)
        if missing := self._evidence.missing(rollout, settings, analysis):
            self._hold(rollout, analysis, missing)
            return None
        if settings.steps[rollout.step + 1] < 100:
            return self._advance(rollout, settings, analysis)
        return self._promote(rollout, analysis)

    def _roll_back_on_evidence(self, rollout: Rollout, analysis: Analysis) -> RolloutEvent:
        reason = (
            f"{analysis.worst}: {analysis.bad} bad of {analysis.requests} canary answers against {analysis.live_bad} "
            f"of {analysis.live_requests} live (e-value {analysis.rollback:.3g})"
        )
        return self._abort(rollout, reason, analysis.evidence())

    def _abort(self, rollout: Rollout, reason: str, evidence: Mapping[str, Any]) -> RolloutEvent:
        """Take back this very rollout; RolloutMovedOn when it has ended or gone on meanwhile."""

        def decide(tx: Transaction) -> list[RolloutEvent]:
            require_unmoved(tx, rollout)
            return self._take_back(tx, rollout, reason, evidence)

        return self._changes.carry_out([rollout.deployment], SYSTEM, decide, project=False)[0]

    def _advance(self, rollout: Rollout, settings: DeploymentSettings, analysis: Analysis) -> RolloutEvent:
        step = rollout.step + 1
        share = settings.steps[step] / 100

        def decide(tx: Transaction) -> list[RolloutEvent]:
            require_unmoved(tx, rollout)
            route = require_route(tx, rollout.deployment)
            canary = next(arm for arm in route.arms if arm.name == CANARY)
            others = [arm for arm in route.arms if arm.name != CANARY]
            detail = f"canary at {share:.0%}"
            arms = [*weighted(others, 1 - share), msgspec.structs.replace(canary, weight=share)]
            write_route(tx, route, arms, detail)
            later = msgspec.structs.replace(rollout, step=step, step_at=self._now(), evidence=analysis.evidence())
            put_rollout(tx, later)
            return [self._event(rollout.deployment, rollout.version, "advanced", detail, analysis.evidence())]

        return self._changes.carry_out([rollout.deployment], SYSTEM, decide)[0]

    def _promote(self, rollout: Rollout, analysis: Analysis) -> RolloutEvent:
        def decide(tx: Transaction) -> list[RolloutEvent]:
            require_unmoved(tx, rollout)
            route = require_route(tx, rollout.deployment)
            canary = next(arm for arm in route.arms if arm.name == CANARY)
            live = msgspec.structs.replace(canary, name=LIVE, role="live", weight=1.0)
            detail = (
                f"v{rollout.version} is live: {analysis.bad} bad of {analysis.requests} canary answers "
                f"(e-value {min(analysis.promotion, 1e12):.3g})"
            )
            write_route(tx, route, [live, *shadows(route)], detail)
            put_rollout(tx, msgspec.structs.replace(rollout, state="promoted", evidence=analysis.evidence()))
            if not _waits_for_others(tx, rollout):
                why = f"{rollout.told}; {detail}" if rollout.told else detail
                self._move_alias(tx, rollout.deployment, rollout.version, SYSTEM, why)
            return [self._event(rollout.deployment, rollout.version, "promoted", detail, analysis.evidence())]

        return self._changes.carry_out([rollout.deployment], SYSTEM, decide)[0]

    def _hold(self, rollout: Rollout, analysis: Analysis, missing: str) -> None:
        """Keep what was seen, and what is missing, for `status`; holding is no change."""
        with self._records.transaction() as tx:
            require_unmoved(tx, rollout)
            later = msgspec.structs.replace(rollout, evidence=analysis.evidence(), reason=f"waits for {missing}")
            put_rollout(tx, later)

    def _take_back(
        self, tx: Transaction, rollout: Rollout, reason: str, evidence: Mapping[str, Any]
    ) -> list[RolloutEvent]:
        """Take back a rollout, and the version from every deployment that began together with it."""
        route = require_route(tx, rollout.deployment)
        write_route(tx, route, weighted([arm for arm in route.arms if arm.name != CANARY], 1.0), reason)
        put_rollout(tx, msgspec.structs.replace(rollout, state="rolled_back", reason=reason, evidence=dict(evidence)))
        events = [self._event(route.deployment, rollout.version, "rolled_back", reason, evidence)]
        for name in rollout.together:
            events += self._take_back_with(tx, rollout, name, f"{rollout.deployment}: {reason}")
        return events

    def _take_back_with(self, tx: Transaction, rollout: Rollout, deployment: str, reason: str) -> list[RolloutEvent]:
        """Take the version of a rollout back from another deployment of the same promotion."""
        other, route = read_rollout(tx, deployment), current_route(tx, deployment)
        if route is None or deployment == rollout.deployment:
            return []
        if other is not None and other.promotion == rollout.promotion and other.state == "active":
            alone = msgspec.structs.replace(other, together=())
            return self._take_back(tx, alone, reason, {})
        earlier = (each for each in reversed(generations(tx, deployment, since=1)))
        before = next((each for each in earlier if each.live.version != str(rollout.version)), None)
        if route.live.version != str(rollout.version) or before is None:
            return []
        write_route(tx, route, [msgspec.structs.replace(before.live, weight=1.0), *shadows(route)], reason)
        return [self._event(deployment, rollout.version, "rolled_back", reason)]

    def _restore(self, tx: Transaction, deployment: str, version: ModelVersion, reason: str) -> RolloutEvent:
        """Make a version live again that was before."""
        route = require_route(tx, deployment)
        write_route(tx, route, [arm_of(LIVE, "live", version, 1.0), *shadows(route)], reason)
        return self._event(deployment, int(route.live.version), "rolled_back", reason)

    def _prepared(self, model: str, version: int | str, alias: str | None) -> ModelVersion:
        """The version, its bundle standing beside the feed; NotServable when it may not hold the alias."""
        with self._records.snapshot() as view:
            chosen = self._registry.read(view, model, version)
            self._registry.require_standing(view, chosen, alias)
        self._provide(chosen)
        return chosen

    def _provide(self, version: ModelVersion) -> None:
        """Let the version's bundle stand beside the feed."""
        if version.bundle is None or (target := self._feed.bundle_path(version.bundle)).exists():
            return
        try:
            self._registry.fetch_bundle(version, target)
        except OSError:
            if not target.exists():  # otherwise another process put the same bundle there meanwhile, whole
                raise

    def _move_alias(
        self, tx: Transaction, deployment: str, to: int, principal: Principal, reason: str, *, kind: MoveKind = "move"
    ) -> None:
        settings = self.settings(deployment)
        self._registry.move_alias(tx, settings.model_name, settings.alias, to, principal, reason, kind=kind)

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


def _told(principal: Principal, reason: str) -> str:
    """Who began it, and why."""
    return f"{principal.name} began it{': ' if reason else ''}{reason}"


def _waits_for_others(tx: Transaction, rollout: Rollout) -> bool:
    """Whether another deployment of the same promotion is still on its way."""
    others = [active_rollout(tx, each) for each in rollout.together if each != rollout.deployment]
    return any(each is not None and each.promotion == rollout.promotion for each in others)


def _nothing_before(route: Route, to: int | None, earlier: Sequence[int]) -> NoRollout:
    model = route.model
    if to is None:
        return NoRollout(
            f"'{route.deployment}' never had another live version than {route.live.version}.",
            remedy=f"Deploy another version: modelyard rollout start {route.deployment} --to VERSION.",
        )
    return NoRollout(
        f"{model} {to} was not live at '{route.deployment}' before {route.live.version}.",
        remedy=f"{did_you_mean(str(to), map(str, earlier))} What was never live is promoted: "
        f"modelyard model promote --name {model} --version {to}",
    )
