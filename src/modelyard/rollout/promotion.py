"""Promotion, demotion and rollback of models: through the rollouts of deployments that follow, or the alias alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelyard.access import Principal
from modelyard.audit import Intent, Intents, Note
from modelyard.core import Clock, Conflict
from modelyard.registry import (
    ModelVersion,
    MoveKind,
    Projector,
    Registry,
    VersionState,
    aliases_of,
    check_alias,
    moves_of,
    pointed_at,
    previous_holders,
    read_version,
    set_archived,
)
from modelyard.storage import RecordStore, Snapshot, Transaction

from .errors import NoRollout
from .records import AliasEvent, RolloutEvent
from .rollouts import Rollouts

ALIAS_CHANGE = "alias.change"
"""The kind of intent that `AliasProjection` carries out."""

_STAGED = ("production", "staging")
Event = RolloutEvent | AliasEvent


class _UnchangedError(Exception):
    """Somebody else has just done the same."""


class AliasProjection:
    """The intent handler of changes that no server needs to hear of: MLflow is shown them, and that is all."""

    def __init__(self, projector: Callable[[], Projector]) -> None:
        """`projector` is asked for only when a projection is wanted."""
        self._projector = projector

    def apply(self, intent: Intent) -> None:
        """Nothing is left to do: the record store has decided."""

    def project(self, intent: Intent) -> Note:
        """Show the model's aliases and stages, and delete there what is deleted here."""
        projector, model = self._projector(), str(intent.payload["model"])
        if (number := intent.payload.get("deleted")) is not None:
            projector.delete(model, int(number))
        if strays := intent.payload.get("strays"):
            projector.withdraw_stages(model, strays)
        return projector.project(model, intent.payload.get("claimed", ()))

    def undo(self, tx: Transaction, intent: Intent) -> None:
        """Never asked for, since applying cannot fail."""


class Promotions:
    """Moves aliases. Each decision is one record-store transaction with its audit entry and its intent.

    Whatever a crash left half done is finished or undone before the next decision. Safe for any process.
    """

    def __init__(
        self, records: RecordStore, intents: Intents, registry: Registry, rollouts: Rollouts, clock: Clock
    ) -> None:
        self._records = records
        self._intents = intents
        self._registry = registry
        self._rollouts = rollouts
        self._clock = clock

    def promote(
        self, name: str, version: int | str, stage: str, principal: Principal, reason: str = ""
    ) -> Sequence[Event]:
        """Bring a version to a stage or alias.

        Deployments that follow it start their rollouts, all or none; with none following the alias moves at once.
        NotServable gives every reason why the version may not hold it.
        """
        alias = _stage(stage)
        self._settle()
        chosen = self._registry.get(name, version)
        following = self._rollouts.following(name, alias)
        if self._holds(chosen, alias, following):
            return [self._event(chosen.number, "unchanged", f"{chosen.label} is {alias} already")]
        if following:
            return self._rollouts.start_all(following, chosen.number, principal, reason=reason, action="model.promote")
        detail = f"{chosen.label} is {alias}; no deployment follows it"
        return [self._move(chosen, alias, chosen.number, principal, reason or detail, "promoted", detail)]

    def set_alias(
        self, name: str, version: int | str, alias: str, principal: Principal, reason: str = ""
    ) -> Sequence[Event]:
        """Point an alias at a version: a promotion if it decides what serves, and a mere name otherwise."""
        if self.decides(name, _stage(alias)):
            return self.promote(name, version, alias, principal, reason)
        self._settle()
        chosen = self._registry.get(name, version)
        detail = f"{alias} is {chosen.label}"
        return [
            self._move(chosen, alias, chosen.number, principal, reason or detail, "promoted", detail, standing=False)
        ]

    def remove_alias(self, name: str, alias: str, principal: Principal, reason: str = "") -> Sequence[Event]:
        """Let an alias point at nothing; Conflict while deployments serve by it."""
        alias = _stage(alias)
        self._settle()
        chosen = self._registry.get(name, alias)
        self._refuse_served(chosen, alias)
        detail = f"{chosen.label} is {alias} no longer"
        return [self._move(chosen, alias, None, principal, reason or detail, "demoted", detail)]

    def demote(
        self, name: str, version: int | str, principal: Principal, *, stage: str | None = None, reason: str = ""
    ) -> Sequence[Event]:
        """Take a version out of its stage, the higher one if it is in both; Conflict while deployments serve it."""
        with self._records.snapshot() as view:
            chosen = self._registry.read(view, name, version)
            held = [alias for alias, number in aliases_of(view, name).items() if number == chosen.number]
        wanted = [_stage(stage)] if stage is not None else _STAGED
        alias = next((each for each in wanted if each in held), None)
        if alias is None:
            raise Conflict(
                f"{name} {chosen.label} is not in {' or '.join(wanted)}.",
                code="NOT_IN_STAGE",
                remedy=f"It is: {', '.join(held) or 'in no stage'}. See: modelyard model show {name} {chosen.number}",
            )
        return self.remove_alias(name, alias, principal, reason)

    def archive(self, name: str, version: int | str, principal: Principal, *, archived: bool = True) -> Sequence[Event]:
        """Put a version that holds no alias into the archive, or take it back from there."""
        chosen = self._registry.get(name, version)
        detail = f"{chosen.label} is {'archived' if archived else 'archived no longer'}"

        def decide(tx: Transaction) -> Mapping[str, Any]:
            held = [alias for alias, number in aliases_of(tx, name).items() if number == chosen.number]
            if archived and held:
                raise Conflict(
                    f"{name} {chosen.label} cannot be archived: it is {', '.join(held)}.",
                    code="STILL_POINTED_AT",
                    remedy=f"Demote it first: modelyard model demote --name {name} --version {chosen.number}",
                )
            set_archived(tx, name, chosen.number, archived=archived)
            return {"model": name, "version": chosen.number, "detail": detail}

        if chosen.archived == archived:
            return [self._event(chosen.number, "unchanged", f"{detail} already" if archived else detail)]
        self._intents.carry_out(
            ALIAS_CHANGE, name, {}, principal, decide, action="model.archive" if archived else "model.restore"
        )
        return [self._event(chosen.number, "archived" if archived else "restored", detail)]

    def relabel(
        self,
        version: ModelVersion,
        principal: Principal,
        action: str,
        change: Callable[[VersionState], VersionState],
        told: Mapping[str, Any],
    ) -> ModelVersion:
        """Change tags or description of a version, here and then in MLflow; returns it as it is then."""
        name, number = version.name, version.number

        def decide(tx: Transaction) -> Mapping[str, Any]:
            self._registry.change_within(tx, version, change)
            return {"model": name, "version": number, **told}

        self._intents.carry_out(ALIAS_CHANGE, f"{name}/{number}", {}, principal, decide, action=action)
        return self._registry.get(name, number)

    def roll_back(
        self, name: str, principal: Principal, reason: str, *, to: int | str | None = None
    ) -> Sequence[Event]:
        """Bring back the previous production version, or an earlier one that is named; nobody's approval is awaited.

        A rollout under way is taken back instead, unless a version is named. MLflow is shown it later.
        """
        self._settle()
        with self._records.snapshot() as view:
            self._registry.require_model(name, view)
            target = self._registry.read(view, name, to).number if to is not None else None
        following = [each for each in self._rollouts.following(name, "production") if self._rollouts.route(each)]
        if following:
            return self._rollouts.roll_back(following, principal, reason, to=target, action="model.rollback")
        return [self._roll_back_alias(name, target, principal, reason)]

    def delete(self, name: str, version: int | str, principal: Principal) -> Sequence[Event]:
        """Delete a version, in MLflow too; Conflict while an alias, a route, a rollout or a request points at it."""
        chosen = self._registry.get(name, version)

        def decide(tx: Transaction) -> Mapping[str, Any]:
            if serving := self._rollouts.pointing_at(tx, name, chosen.number):
                raise Conflict(
                    f"{name} {chosen.label} cannot be deleted. What points at it: {', '.join(serving[:5])}.",
                    code="STILL_POINTED_AT",
                    context={"model": name, "version": chosen.number, "pointing": serving},
                    remedy="Let them serve another version first.",
                )
            self._registry.forget(tx, chosen)
            return {"model": name, "deleted": chosen.number, "bundle": chosen.bundle}

        self._intents.carry_out(ALIAS_CHANGE, name, {}, principal, decide, action="model.delete")
        return [self._event(chosen.number, "deleted", f"{chosen.label} is deleted")]

    def decides(self, name: str, alias: str) -> bool:
        """Whether an alias decides what serves: a stage, one that a deployment follows, or that asks for approvals."""
        followed = bool(self._rollouts.following(name, alias))
        return alias in _STAGED or followed or self._registry.approvals.asked_for(alias)

    def deciding(self, name: str) -> list[str]:
        """The aliases of a model that decide what serves, as far as they are known."""
        return sorted({*_STAGED, *self._rollouts.followed(name), *self._registry.approvals.rules})

    def _move(
        self,
        version: ModelVersion,
        alias: str,
        to: int | None,
        principal: Principal,
        reason: str,
        kind: Any,
        detail: str,
        *,
        standing: bool = True,
        move: MoveKind = "move",
        project: bool = True,
        check: Callable[[Transaction], None] = lambda _: None,
    ) -> AliasEvent:
        name = version.name

        def decide(tx: Transaction) -> Mapping[str, Any]:
            check(tx)
            if pointed_at(tx, name, alias) == to:
                raise _UnchangedError
            if to is not None and move == "move" and standing:
                self._registry.require_standing(tx, version, alias)
            made = self._registry.move_alias(tx, name, alias, to, principal, reason, kind=move)
            return {"model": name, "alias": alias, "from": made.before, "version": to, "reason": reason}

        action = {"promoted": "model.promote", "demoted": "model.demote"}.get(kind, "model.rollback")
        try:
            self._intents.carry_out(ALIAS_CHANGE, name, {}, principal, decide, project=project, action=action)
        except _UnchangedError:
            return self._event(version.number, "unchanged", f"{detail}, and was before")
        return self._event(version.number, kind, detail)

    def _roll_back_alias(self, name: str, to: int | None, principal: Principal, reason: str) -> AliasEvent:
        """Move production back where nothing follows it."""
        with self._records.snapshot() as view:
            target = self._earlier(view, name, to)

        def unmoved(tx: Transaction) -> None:
            if self._earlier(tx, name, to).number != target.number:
                raise Conflict(
                    f"What was production of {name} before has changed in this moment.",
                    remedy=f"See modelyard model history {name}, and roll back again if it is still wanted.",
                )

        return self._move(
            target, "production", target.number, principal, reason, "rolled_back", reason, move="rollback",
            project=False, check=unmoved,
        )  # fmt: skip

    def _earlier(self, view: Snapshot, name: str, to: int | None) -> ModelVersion:
        numbers = previous_holders(moves_of(view, name), "production")
        found = [each for each in (read_version(view, name, number) for number in numbers) if each is not None]
        chosen = next((each for each in found if to in (None, each.number)), None)
        if chosen is None:
            which = f"version {to}" if to is not None else "another version"
            raise NoRollout(
                f"There is nothing to roll back to: {which} of {name} was not in production before.",
                context={"model": name, "earlier": [each.number for each in found][:20]},
                remedy=f"See: modelyard model history {name}. What was never there is promoted, not rolled back to.",
            )
        return chosen

    def _holds(self, version: ModelVersion, alias: str, following: Sequence[str]) -> bool:
        """Whether a version has all that a promotion would give it."""
        if self._registry.aliases(version.name).get(alias) != version.number:
            return False
        routes = [self._rollouts.route(each) for each in following]
        states = [self._rollouts.state(each) for each in following]
        quiet = all(each is None or each.state != "active" for each in states)
        return quiet and all(each is not None and each.live.version == str(version.number) for each in routes)

    def _refuse_served(self, version: ModelVersion, alias: str) -> None:
        serving = [each for each in self._rollouts.following(version.name, alias) if self._rollouts.route(each)]
        if serving:
            raise Conflict(
                f"{version.name} {version.label} stays {alias}: {', '.join(serving)} would serve without an alias.",
                code="STILL_SERVED",
                context={"model": version.name, "alias": alias, "deployments": serving},
                remedy=f"Promote another version, or: modelyard model rollback --name {version.name}",
            )

    def _settle(self) -> None:
        """Finish or undo what a crash cut off, as far as servers would hear of it."""
        self._intents.reconcile(project=False)

    def _event(self, version: int, kind: Any, detail: str) -> AliasEvent:
        return AliasEvent(self._clock.now().isoformat(), version, kind, detail)


def _stage(written: str) -> str:
    """The alias that a stage means; Conflict for the two that are none."""
    if written.lower() in ("none", "archived"):
        raise Conflict(
            f"'{written}' is no stage to promote to.",
            remedy="Promote to production or staging. To take a version out of its stage: modelyard model demote; "
            "to archive it: modelyard model archive.",
            code="NO_STAGE",
        )
    return check_alias(written)
