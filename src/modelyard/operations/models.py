"""Operations on model versions."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict, check_name, did_you_mean
from modelyard.registry import ModelVersion, ModelVersionNotFound, NotServable, alias_of
from modelyard.wiring import Project

from .contract import Call, Option, operation


@dataclass(frozen=True)
class ListModels:
    """What to list."""

    name: Annotated[str | None, Option("Only versions of this model.")] = None
    stage: Annotated[str | None, Option("Only versions in this stage, such as production.")] = None


@dataclass(frozen=True)
class OneVersion:
    """One version, or a model's newest."""

    name: Annotated[str, Option("Model.", positional=True)]
    version: Annotated[str, Option("Number, label or alias.", positional=True)] = "production"


@dataclass(frozen=True)
class Promote:
    """A version on its way to a stage."""

    name: Annotated[str, Option("Model.")]
    version: Annotated[str, Option("Number, label or alias.")]
    stage: Annotated[str, Option("Stage or alias.")] = "production"


@dataclass(frozen=True)
class RollBack:
    """A model to roll back."""

    name: Annotated[str, Option("Model.")]
    reason: Annotated[str, Option("Why; it goes on record.")] = "rolled back by hand"


@dataclass(frozen=True)
class OneModel:
    """One model."""

    name: Annotated[str, Option("Model.", positional=True)]


@operation("model", "list", Permission.READ)
def list_models(call: Call[ListModels]) -> Any:
    """List model versions."""
    found = call.project.models.versions(call.input.name, stage=call.input.stage)
    aliases = {name: call.project.models.aliases(name) for name in {each.name for each in found}}
    return [_shown(each, aliases[each.name]) for each in found]


@operation("model", "show", Permission.READ)
def show_model(call: Call[OneVersion]) -> Any:
    """Show a version: metrics, parameters, gates, bundle."""
    version = call.project.models.get(call.input.name, call.input.version)
    return _shown(version, call.project.models.aliases(version.name))


@operation("model", "history", Permission.READ)
def model_history(call: Call[OneModel]) -> Any:
    """Every move of an alias: when, from, to, by whom and why."""
    _require_model(call.project, call.input.name)
    return call.project.models.history(call.input.name)


@operation("model", "promote", Permission.OPERATE)
def promote(call: Call[Promote]) -> Any:
    """Bring a version to a stage: starts the rollout of deployments that follow it; without any, moves the alias."""
    project, alias = call.project, alias_of(call.input.stage)
    if alias is None:
        raise Conflict(
            f"'{call.input.stage}' is no stage to promote to.",
            remedy="Promote to production or staging.",
            code="NO_STAGE",
        )
    following = project.rollouts.following(call.input.name, alias)
    if not following:
        return [_move(call, check_name("alias", alias))]
    events = [project.rollouts.start(name, call.input.version, call.principal) for name in following]
    return [msgspec.to_builtins(event) for event in events]


@operation("model", "rollback", Permission.OPERATE)
def roll_back_model(call: Call[RollBack]) -> Any:
    """Roll back every deployment of a model to what was live before."""
    _require_model(call.project, call.input.name)
    deployments = call.project.rollouts.following(call.input.name, "production")
    if not deployments:
        raise Conflict(
            f"No deployment follows {call.input.name}@production, so there is nothing to roll back.",
            code="NOTHING_FOLLOWS",
            remedy=f"Move the alias back: modelyard model promote --name {call.input.name} --version VERSION.",
        )
    events = [call.project.rollouts.rollback(name, call.principal, call.input.reason) for name in deployments]
    return [msgspec.to_builtins(event) for event in events]


def _move(call: Call[Promote], alias: str) -> dict[str, Any]:
    """Point an alias that nothing follows at a version; MLflow is shown it."""
    project, version = call.project, call.project.models.get(call.input.name, call.input.version)
    if not version.gate_passed:
        raise NotServable(
            f"{version.name} {version.label} may not become {alias}: its gate did not pass.",
            context={"model": version.name, "version": version.number},
            remedy=f"See why: modelyard model show {version.name} {version.number}",
        )
    detail = f"{version.label} is {alias}; no deployment follows it"
    with project.records.transaction() as tx:
        project.models.move_alias(tx, version.name, alias, version.number, call.principal, detail)
        moved = {"alias": alias, "version": version.number}
        project.audit.record(tx, call.principal, "model.promote", version.name, moved)
    project.models.project(version.name)
    at = project.clock.now().isoformat()
    return {"at": at, "deployment": None, "version": version.number, "kind": "promoted", "detail": detail}


def _require_model(project: Project, name: str) -> None:
    names = {each.name for each in project.models.versions()}
    if name not in names:
        raise ModelVersionNotFound(f"There is no model '{name}'.", remedy=did_you_mean(name, names))


def _shown(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    held = sorted(alias for alias, number in aliases.items() if number == version.number)
    shown: dict[str, Any] = msgspec.to_builtins(version)
    return {**shown, "aliases": held}
