"""The machine: looks at what is under way, asks its strategy, and acts; also for an operator who promotes by hand.

Whatever it does rests on a look, and is dropped when anything about the rollout has changed since: several processes
may tick, and operators decide meanwhile, and each decision is taken once. It may be killed at any moment: a look that
was not written down has not happened, and one that was is not repeated.
"""

from collections.abc import Callable

import msgspec

from modelyard.access import SYSTEM, Principal
from modelyard.core import log_event
from modelyard.registry import ModelVersion, NotServable, Registry
from modelyard.storage import RecordStore, Snapshot, Transaction

from .acts import Acts
from .changes import Changes
from .errors import NotEnoughEvidence, RolloutMovedOn
from .looking import Look, Looks
from .records import Rollout, RolloutEvent
from .routes import current_route
from .settings import DeploymentSettings
from .state import WARM, put_rollout, read_rollout, require_active, require_unmoved
from .strategies import STRATEGIES, Decision

_TRIES = 5


class Machine:
    """Moves rollouts as far as the facts allow."""

    def __init__(
        self,
        records: RecordStore,
        registry: Registry,
        changes: Changes,
        looks: Looks,
        acts: Acts,
        settings: Callable[[str], DeploymentSettings],
    ) -> None:
        self._records = records
        self._registry = registry
        self._changes = changes
        self._looks = looks
        self._acts = acts
        self._settings = settings

    def tick(self, deployment: str) -> RolloutEvent | None:
        """One look; what was decided, or nothing: also when someone else decided while the log was being read."""
        with self._records.snapshot() as view:
            rollout = read_rollout(view, deployment)
        if rollout is None or rollout.state not in ("active", "promoted"):
            return None
        try:
            return self._move(rollout) if rollout.state == "active" else self._cool(rollout)
        except RolloutMovedOn:
            return None

    def promote(self, deployment: str, principal: Principal, reason: str) -> RolloutEvent:
        """Finish the rollout now, whatever step and time it is, if the evidence is there; else NotEnoughEvidence."""
        for left in reversed(range(_TRIES)):
            with self._records.snapshot() as view:
                rollout = require_active(view, deployment)
            try:
                return self._promote_by_hand(rollout, principal, reason)
            except RolloutMovedOn:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _move(self, rollout: Rollout) -> RolloutEvent | None:
        look = self._looks.look(rollout)
        decision = self._decide(look)
        if decision.action == "hold":
            return self._hold(rollout, look, decision)
        return self._act(rollout, look, decision, SYSTEM)

    def _decide(self, look: Look) -> Decision:
        """What is to be done: trouble before evidence, evidence before what the strategy wants."""
        if against := look.trouble or look.guardrail:
            return Decision("roll_back", against)
        if look.rollout.paused:
            return Decision("hold", missing=(f"being resumed: {look.rollout.paused}",))
        way = STRATEGIES[look.rollout.plan.strategy]
        decision = way.judge(look.facts)
        if decision.action == "promote" and (lacking := way.lacks(look.facts)):
            return Decision("hold", missing=lacking, kept=decision.kept)
        if decision.action in ("promote", "hand_over"):
            with self._records.snapshot() as view:
                barred = self._barred(view, look.rollout)
            if barred:
                return Decision("hold", missing=(f"what its alias asks for: {barred}",), kept=decision.kept)
        return decision

    def _act(self, rollout: Rollout, look: Look, decision: Decision, principal: Principal) -> RolloutEvent:
        """Carry out a decision about this very rollout, as it was looked at."""

        def decide(tx: Transaction) -> list[RolloutEvent]:
            require_unmoved(tx, rollout)
            return self._acted(tx, look, decision, principal)

        shown = decision.action != "roll_back"  # nothing on the way of a rollback waits for what only shows
        return self._changes.carry_out([rollout.deployment], principal, decide, project=shown)[0]

    def _acted(self, tx: Transaction, look: Look, decision: Decision, principal: Principal) -> list[RolloutEvent]:
        match decision.action:
            case "advance":
                return [self._acts.advance(tx, look.rollout, principal, why=decision.reason, look=look)]
            case "take":
                self._standing(tx, look.rollout)
                return [self._acts.take(tx, look, decision)]
            case "hand_over":
                version = self._standing(tx, look.rollout)
                return [self._acts.hand_over(tx, look, version, decision.to or "canary", decision)]
            case "promote":
                self._standing(tx, look.rollout)
                return [self._acts.promote(tx, look, decision, principal)]
            case "end":
                return [self._acts.end(tx, look, decision)]
            case "roll_back":
                evidence = {**look.rollout.evidence, **decision.evidence}
                return self._acts.take_back(tx, look.rollout, decision.reason, evidence, principal)
            case "hold":
                raise AssertionError("holding changes no route")

    def _hold(self, rollout: Rollout, look: Look, decision: Decision) -> RolloutEvent | None:
        """Keep what was seen, and what is missing, for `status`; holding is no change."""
        with self._records.transaction(durable=False) as tx:
            require_unmoved(tx, rollout)
            event = self._acts.hold(tx, look, decision)
        if event is not None:
            log_event("rollout", "held", deployment=event.deployment, version=event.version, why=event.detail)
        return event

    def _promote_by_hand(self, rollout: Rollout, principal: Principal, reason: str) -> RolloutEvent:
        look = self._looks.look(rollout)
        way = STRATEGIES[rollout.plan.strategy]
        if against := look.trouble or look.guardrail:
            raise _not_enough(rollout, f"it is about to be taken back: {against}")
        if lacking := way.lacks(look.facts):
            raise _not_enough(rollout, f"it lacks {'; '.join(lacking)}")
        with self._records.snapshot() as view:
            self._standing(view, look.rollout)
        told = f"{look.counted.tally.told(way.arm)}, promoted by {principal.name}{': ' if reason else ''}{reason}"
        return self._act(rollout, look, Decision("promote", told), principal)

    def _cool(self, rollout: Rollout) -> RolloutEvent | None:
        """Count the time for which the version before has been kept warm, and let it go when that has passed."""
        with self._records.snapshot() as view:
            route = current_route(view, rollout.deployment)
        if route is None or not any(each.name == WARM for each in route.arms):
            return None
        later = msgspec.structs.replace(rollout, warm_s=rollout.warm_s + self._looks.passed(rollout))
        if later.warm_s < rollout.plan.keep_warm_s:
            with self._records.transaction(durable=False) as tx:
                require_unmoved(tx, rollout)
                put_rollout(tx, self._looks.looked(later))
            return None

        def decide(tx: Transaction) -> list[RolloutEvent]:
            require_unmoved(tx, rollout)
            return [self._acts.cool(tx, later)]

        return self._changes.carry_out([rollout.deployment], SYSTEM, decide, project=False)[0]

    def _barred(self, view: Snapshot, rollout: Rollout) -> str:
        """Why the version may not hold the alias, or nothing."""
        try:
            self._standing(view, rollout)
        except NotServable as error:
            return error.message
        return ""

    def _standing(self, view: Snapshot, rollout: Rollout) -> ModelVersion:
        """The version, when it may hold its alias; else NotServable.

        Approvals that counted when the rollout began hold for it, though they expire on the way; a rejection since then
        does not.
        """
        settings = self._settings(rollout.deployment)
        version = self._registry.read(view, settings.model_name, rollout.version)
        rejected = self._registry.approvals.counted(view, version, settings.alias).rejected
        stands = rollout.approved and not rejected
        self._registry.require_standing(view, version, None if stands else settings.alias)
        return version


def _not_enough(rollout: Rollout, why: str) -> NotEnoughEvidence:
    deployment = rollout.deployment
    return NotEnoughEvidence(
        f"Version {rollout.version} is not promoted at '{deployment}': {why}.",
        context={"deployment": deployment, "rollout": rollout.id, "missing": list(rollout.missing)[:20]},
        remedy=f"It goes on by itself: modelyard rollout status {deployment}. To let it take over without evidence, "
        f"abort it and start it all at once: modelyard rollout start {deployment} --to {rollout.version} "
        "--strategy all-at-once",
    )
