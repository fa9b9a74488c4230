"""Deployments and their rollouts: deploy, start, watch, decide by hand, take back."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from modelyard.access import Principal
from modelyard.audit import Intents
from modelyard.core import Clock, IdSource, did_you_mean, to_micros
from modelyard.history import PredictionLog
from modelyard.registry import ModelVersion, Registry
from modelyard.routing import FeedFolder, Route
from modelyard.storage import RecordStore, Snapshot, Transaction

from .acts import Acts
from .changes import Changes
from .errors import NoNextStep, NoRollout
from .looking import Alarm, Looks
from .machine import Machine
from .parts import with_parts
from .plans import Asked, plan_of
from .records import EventKind, Plan, Rollout, RolloutEvent, Strategy
from .returning import Returns
from .routes import current_route, generations
from .settings import DeploymentSettings
from .state import active_rollout, put_rollout, read_rollout, require_active
from .strategies import STRATEGIES
from .trail import Point, Weights, read_trail, weights_over_time
from .uses import RouteUse, uses_of


class Rollouts:
    """Brings versions to deployments. Each change is one intent: route, alias, rollout state and audit together.

    At most one rollout of a deployment is active; lasting shadows stay through all of its generations. Safe for any
    number of processes: of two that decide at once the second finds what the first has done. What asks for something
    that is so already changes nothing and says `unchanged`.
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
        *,
        alarms: Sequence[Alarm] = (),
    ) -> None:
        """`alarms` are asked at every look; one that says why takes the rollout back."""
        self._records = records
        self._changes = Changes(intents, deployments)
        self._registry = registry
        self._feed = feed
        self._clock = clock
        self._ids = ids
        self._deployments = deployments
        looks = Looks(records, feed, log, clock, alarms)
        self._acts = Acts(registry, looks, clock, ids, self.settings)
        self._machine = Machine(records, registry, self._changes, looks, self._acts, self.settings)
        self._returns = Returns(self._acts, self.settings)

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

    def trail(self, deployment: str) -> list[Point]:
        """How the evidence of the latest rollout grew, oldest first."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            rollout = read_rollout(view, deployment)
            return read_trail(view, rollout.id) if rollout is not None else []

    def weights(self, deployment: str, *, last: int = 200) -> list[Weights]:
        """Who had which share of the traffic, over the newest so many generations, oldest first."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            route = current_route(view, deployment)
            newest = route.generation if route is not None else 0
            routes = generations(view, deployment, since=max(1, newest - last + 1))
            events = view.entries(f"rollouts/{deployment}")
        return weights_over_time(routes, [msgspec.convert(each.body, RolloutEvent) for each in events])

    def start(
        self,
        deployment: str,
        version: int | str,
        principal: Principal,
        *,
        strategy: Strategy | None = None,
        asked: Asked | None = None,
    ) -> RolloutEvent:
        """Begin to bring a version to a deployment, as declared unless `strategy` or `asked` says otherwise.

        The first version of a deployment, and all-at-once, are live at once. The others take their first step and are
        then in the hands of `tick`. Refused while another rollout is active, and for a version that may not hold the
        alias: its gate did not pass, or approvals are missing. A shadow needs the gate only.
        """
        asked = asked or Asked(strategy)
        if (going := self._going(deployment, version, asked)) is not None:
            return self._unchanged(going, f"version {going.version} is on its way already")
        return self.start_all([deployment], version, principal, asked=asked)[0]

    def start_all(
        self,
        deployments: Sequence[str],
        version: int | str,
        principal: Principal,
        *,
        asked: Asked | None = None,
        reason: str = "",
        action: str = "",
    ) -> list[RolloutEvent]:
        """`start` for deployments that follow the same alias: all of them begin, or none.

        The alias moves when the last of them has taken the version; when one takes it back, all do.
        """
        plans = {each: plan_of(self.settings(each), asked or Asked()) for each in deployments}
        settings = self.settings(deployments[0])
        alias = None if {each.strategy for each in plans.values()} == {"shadow"} else settings.alias
        chosen = self._prepared(settings.model_name, version, alias)
        promotion = self._ids.new(to_micros(self._clock.now())) if len(deployments) > 1 else ""

        def begun(tx: Transaction, each: str, plan: Plan) -> RolloutEvent:
            told = f"{principal.name} began it{': ' if reason else ''}{reason}"
            return self._acts.begin(
                tx, each, chosen, plan, principal, promotion=promotion, together=tuple(plans), told=told,
                approved=alias is not None,
            )  # fmt: skip

        def decide(tx: Transaction) -> list[RolloutEvent]:
            self._registry.require_standing(tx, chosen, alias)
            events = [begun(tx, each, plan) for each, plan in plans.items()]
            kinds = {event.kind for event in events}
            if "deployed" in kinds and "started" not in kinds:
                self._acts.move_alias(tx, deployments[0], chosen.number, principal, reason or events[0].detail)
            return events

        return self._changes.carry_out(deployments, principal, decide, action=action)

    def shadow(
        self, deployment: str, version: int | str, principal: Principal, *, name: str = "shadow"
    ) -> RolloutEvent:
        """Let a version ride along as a lasting shadow: it answers copies of all requests, and nobody hears it."""
        chosen = self._prepared(self.settings(deployment).model_name, version, None)

        def decide(tx: Transaction) -> list[RolloutEvent]:
            return [self._acts.ride(tx, deployment, chosen, name, principal)]

        return self._changes.carry_out([deployment], principal, decide)[0]

    def held_s(self, deployment: str) -> float:
        """For how many observed seconds, beyond the time of its step, a rollout is held for what it lacks: requests,
        evidence, approvals, an operator's word. 0 when none is under way, or when it is paused.
        """
        rollout = self.state(deployment)
        if rollout is None or rollout.state != "active" or rollout.paused or not rollout.missing:
            return 0.0
        return max(0.0, rollout.observed_s - rollout.plan.dwell_s)

    def tick(self) -> list[RolloutEvent]:
        """Look at every rollout under way and act on what is found; returns what was decided.

        Tests come last: an analysis reads all of a test, and nobody else's bad canary waits for it.
        """
        with self._records.snapshot() as view:
            found = {name: active_rollout(view, name) for name in self._deployments}
        tests = {name for name, each in found.items() if each is not None and each.plan.strategy == "ab"}
        decided = [self._machine.tick(name) for name in sorted(found, key=tests.__contains__)]
        return [event for event in decided if event is not None]

    def pause(self, deployment: str, principal: Principal, reason: str = "") -> RolloutEvent:
        """Let a rollout take no step until it is resumed. It still goes back by itself when it must."""
        said = f"paused by {principal.name}{': ' if reason else ''}{reason}"

        def change(rollout: Rollout) -> Rollout | None:
            return None if rollout.paused else msgspec.structs.replace(rollout, paused=said)

        return self._by_hand(deployment, principal, "pause", change, said)

    def resume(self, deployment: str, principal: Principal, reason: str = "") -> RolloutEvent:
        """Let a paused rollout go on. The time in between is not time in which its step was observed."""
        said = f"resumed by {principal.name}{': ' if reason else ''}{reason}"

        def change(rollout: Rollout) -> Rollout | None:
            return msgspec.structs.replace(rollout, paused="") if rollout.paused else None

        return self._by_hand(deployment, principal, "resume", change, said)

    def advance(
        self, deployment: str, principal: Principal, reason: str = "", *, step: int | None = None
    ) -> RolloutEvent:
        """The next step now, whatever time the present one still lacks; with `step` (from 1 on) unless it is there.

        NoNextStep where the next one is the takeover: that takes evidence, and `promote`.
        """
        self.settings(deployment)
        with self._records.snapshot() as view:
            rollout = require_active(view, deployment)
        if step is not None and rollout.step + 1 == step:
            return self._unchanged(rollout, f"it is at step {step} already")

        def decide(tx: Transaction) -> list[RolloutEvent]:
            now = require_active(tx, deployment)
            _require_next(now, step)
            said = f"advanced by {principal.name}{': ' if reason else ''}{reason}"
            return [self._acts.advance(tx, now, principal, why=said)]

        return self._changes.carry_out([deployment], principal, decide, action="rollout.advance")[0]

    def promote(self, deployment: str, principal: Principal, reason: str = "") -> RolloutEvent:
        """Let the rollout take over now, whatever its step, if the evidence and the approvals are there.

        NotEnoughEvidence says what is missing. All that a person may spare it are the steps and their time.
        """
        self.settings(deployment)
        state = self.state(deployment)
        if state is not None and state.state == "promoted":
            return self._unchanged(state, f"version {state.version} has taken over already")
        return self._machine.promote(deployment, principal, reason)

    def abort(self, deployment: str, principal: Principal, reason: str) -> RolloutEvent:
        """Take back the rollout under way, and nothing else; never waits for anything."""
        self.settings(deployment)
        state = self.state(deployment)
        if state is not None and state.state == "rolled_back":
            return self._unchanged(state, f"the rollout of version {state.version} is over already")

        def decide(tx: Transaction) -> list[RolloutEvent]:
            rollout = require_active(tx, deployment)
            return self._acts.take_back(tx, rollout, reason, rollout.evidence, principal, kind="aborted")

        return self._changes.carry_out([deployment], principal, decide, project=False, action="rollout.abort")[0]

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
            planned = self._returns.plan(view, deployments, to)
        if planned.target is not None:
            self._provide(planned.target)

        def decide(tx: Transaction) -> list[RolloutEvent]:
            return self._returns.carry_out(tx, planned, deployments, to, principal, reason)

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

    def _by_hand(
        self,
        deployment: str,
        principal: Principal,
        verb: str,
        change: Callable[[Rollout], Rollout | None],
        said: str,
    ) -> RolloutEvent:
        """Change what a rollout may do, not what it serves; None changes nothing."""
        self.settings(deployment)
        with self._records.snapshot() as view:
            rollout = require_active(view, deployment)
        if change(rollout) is None:
            return self._unchanged(rollout, f"it is {verb}d already")
        kind: EventKind = "paused" if verb == "pause" else "resumed"

        def decide(tx: Transaction) -> list[RolloutEvent]:
            now = require_active(tx, deployment)
            put_rollout(tx, change(now) or now)
            return [self._acts.event(deployment, now.version, kind, said, now.evidence, by=principal)]

        action = f"rollout.{verb}"
        return self._changes.carry_out([deployment], principal, decide, project=False, action=action)[0]

    def _going(self, deployment: str, version: int | str, asked: Asked) -> Rollout | None:
        """The rollout under way, if it is just the one that is asked for."""
        plan, settings = plan_of(self.settings(deployment), asked), self.settings(deployment)
        with self._records.snapshot() as view:
            rollout = active_rollout(view, deployment)
            if rollout is None or rollout.plan != plan:
                return None
            chosen = self._registry.read(view, settings.model_name, version)
        return rollout if rollout.version == chosen.number else None

    def _unchanged(self, rollout: Rollout, detail: str) -> RolloutEvent:
        return self._acts.event(rollout.deployment, rollout.version, "unchanged", detail, rollout.evidence)

    def _prepared(self, model: str, version: int | str, alias: str | None) -> ModelVersion:
        """The version, its bundle standing beside the feed; NotServable when it may not hold the alias."""
        with self._records.snapshot() as view:
            chosen = self._registry.read(view, model, version)
            self._registry.require_standing(view, chosen, alias)
        self._provide(chosen)
        return chosen

    def _provide(self, version: ModelVersion) -> None:
        """Let the version's bundle stand beside the feed, and those of its parts."""
        for each in with_parts(self._registry, version):
            if each.bundle is None or (target := self._feed.bundle_path(each.bundle)).exists():
                continue
            try:
                self._registry.fetch_bundle(each, target)
            except OSError:
                if not target.exists():  # otherwise another process put the same bundle there meanwhile, whole
                    raise


def _require_next(rollout: Rollout, step: int | None) -> None:
    """NoNextStep unless there is a step to go to, and it is the one that was meant."""
    deployment, steps = rollout.deployment, STRATEGIES[rollout.plan.strategy].shares(rollout.plan)
    if rollout.paused:
        raise NoNextStep(
            f"The rollout to '{deployment}' is {rollout.paused}.",
            remedy=f"First: modelyard rollout resume {deployment}",
        )
    if step is not None and step != rollout.step + 2:
        raise NoNextStep(
            f"The rollout to '{deployment}' is at step {rollout.step + 1} of {len(steps)}; {step} is not the next one.",
            remedy="Steps are taken one by one.",
        )
    if rollout.step + 1 >= len(steps):
        raise NoNextStep(
            f"The rollout to '{deployment}' is at its last step; what comes next is the takeover.",
            remedy=f"That takes evidence: modelyard rollout promote {deployment}",
        )
