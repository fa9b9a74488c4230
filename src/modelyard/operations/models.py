"""Operations on model versions."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import Conflict
from modelyard.registry import ModelVersion, alias_of

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
    found = call.project.registry.versions(call.input.name, stage=call.input.stage)
    aliases = {name: call.project.registry.aliases(name) for name in {each.name for each in found}}
    return [_shown(each, aliases[each.name]) for each in found]


@operation("model", "show", Permission.READ)
def show_model(call: Call[OneVersion]) -> Any:
    """Show a version: metrics, parameters, gates, bundle."""
    version = call.project.registry.get(call.input.name, call.input.version)
    return _shown(version, call.project.registry.aliases(version.name))


@operation("model", "history", Permission.READ)
def model_history(call: Call[OneModel]) -> Any:
    """Every move of an alias: when, from, to, by whom and why."""
    call.project.registry.aliases(call.input.name)
    return call.project.registry.history(call.input.name)


@operation("model", "promote", Permission.OPERATE)
def promote(call: Call[Promote]) -> Any:
    """Bring a version to a stage: starts the rollout of deployments that follow it."""
    project, alias = call.project, alias_of(call.input.stage)
    if alias is None:
        raise Conflict(
            f"'{call.input.stage}' is no stage to promote to.",
            remedy="Promote to production or staging.",
            code="NO_STAGE",
        )
    following = project.rollouts.following(call.input.name, alias)
    if not following:
        raise Conflict(
            f"No deployment follows {call.input.name}@{alias}.",
            code="NOTHING_FOLLOWS",
            remedy="Declare one under deployments in modelyard.yaml.",
        )
    events = [project.rollouts.start(name, call.input.version, call.principal) for name in following]
    return [msgspec.to_builtins(event) for event in events]


@operation("model", "rollback", Permission.OPERATE)
def roll_back_model(call: Call[RollBack]) -> Any:
    """Roll back every deployment of a model to what was live before."""
    deployments = call.project.rollouts.following(call.input.name, "production")
    events = [call.project.rollouts.rollback(name, call.principal, call.input.reason) for name in deployments]
    return [msgspec.to_builtins(event) for event in events]


def _shown(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    held = sorted(alias for alias, number in aliases.items() if number == version.number)
    shown: dict[str, Any] = msgspec.to_builtins(version)
    return {**shown, "aliases": held}
