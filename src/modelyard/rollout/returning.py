"""Rolling back: what of a deployment is under way is taken back, or what was live before becomes live again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelyard.access import Principal
from modelyard.core import did_you_mean
from modelyard.registry import ModelVersion, moves_of, pointed_at, previous_holders, read_version
from modelyard.routing import Route
from modelyard.storage import Snapshot, Transaction

from .acts import Acts
from .errors import NoRollout, RolloutMovedOn
from .records import RolloutEvent
from .settings import DeploymentSettings
from .state import active_rollout, require_route


@dataclass(frozen=True)
class Return:
    """A rollback: whose rollouts are taken back, and which deployments get which version back."""

    taken: tuple[str, ...]
    restored: tuple[str, ...] = ()
    target: ModelVersion | None = None


class Returns:
    """Plans rollbacks outside a transaction, where bundles may have to be fetched, and carries them out inside one."""

    def __init__(self, acts: Acts, settings: Callable[[str], DeploymentSettings]) -> None:
        self._acts = acts
        self._settings = settings

    def plan(self, view: Snapshot, deployments: Sequence[str], to: int | None) -> Return:
        """What a rollback of these deployments would do; NoRollout when there is nothing to go back to."""
        routes = {each: require_route(view, each) for each in deployments}
        active = tuple(each for each in deployments if active_rollout(view, each) is not None)
        if active and to is None:
            return Return(active)
        settings = self._settings(deployments[0])
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
        return Return(active, behind or tuple(deployments), target)

    def carry_out(
        self,
        tx: Transaction,
        planned: Return,
        deployments: Sequence[str],
        to: int | None,
        principal: Principal,
        why: str,
    ) -> list[RolloutEvent]:
        """Take back what is under way, and bring back the target; RolloutMovedOn when the plan is another one now."""
        if self.plan(tx, deployments, to) != planned:
            raise RolloutMovedOn(
                f"What was live before at {', '.join(deployments)} has changed in this moment.",
                remedy="See modelyard status, and roll back again if it is still wanted.",
            )
        events: list[RolloutEvent] = []
        for deployment in planned.taken:
            if (rollout := active_rollout(tx, deployment)) is not None:  # unless another one took it back with it
                events += self._acts.take_back(tx, rollout, why, rollout.evidence, principal)
        target = planned.target
        if target is None:
            return events
        events += [self._acts.restore(tx, each, target, why, principal) for each in planned.restored]
        settings = self._settings(planned.restored[0])
        if pointed_at(tx, settings.model_name, settings.alias) != target.number:
            self._acts.move_alias(tx, planned.restored[0], target.number, principal, why, kind="rollback")
        return events


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
