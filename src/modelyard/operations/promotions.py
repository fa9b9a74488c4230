"""Operations that move aliases: promote, demote, archive, roll back, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import check_text

from .contract import Call, Option, operation
from .models import notice

_MODEL, _VERSION, _WHY = "Model.", "Number, label or alias.", "Why; it goes on record."


@dataclass(frozen=True)
class Promote:
    """A version on its way to a stage."""

    name: Annotated[str, Option(_MODEL)]
    version: Annotated[str, Option(_VERSION)]
    stage: Annotated[str, Option("Stage or alias.")] = "production"
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class Demote:
    """A version on its way out of a stage."""

    name: Annotated[str, Option(_MODEL)]
    version: Annotated[str, Option(_VERSION)]
    stage: Annotated[str | None, Option("Which stage; by default the one it is in.")] = None
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class Archive:
    """A version to put away."""

    name: Annotated[str, Option(_MODEL)]
    version: Annotated[str, Option(_VERSION)]
    undo: Annotated[bool, Option("Take it back from the archive.")] = False


@dataclass(frozen=True)
class SetAlias:
    """An alias to point at a version."""

    name: Annotated[str, Option(_MODEL)]
    version: Annotated[str, Option(_VERSION)]
    alias: Annotated[str, Option("Alias.")]
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class RemoveAlias:
    """An alias to take away."""

    name: Annotated[str, Option(_MODEL)]
    alias: Annotated[str, Option("Alias.")]
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class RollBack:
    """A model to roll back."""

    name: Annotated[str, Option(_MODEL)]
    reason: Annotated[str, Option(_WHY)] = "rolled back by hand"
    to: Annotated[str | None, Option("An earlier production version; the previous one by default.")] = None


@dataclass(frozen=True)
class Delete:
    """A version to delete."""

    name: Annotated[str, Option(_MODEL)]
    version: Annotated[str, Option(_VERSION)]


@operation("model", "promote", Permission.OPERATE)
def promote(call: Call[Promote]) -> Any:
    """Bring a version to a stage: starts the rollout of deployments that follow it; without any, moves the alias."""
    given = call.input
    notice(call.project, given.name)
    promotions, reason = call.project.promotions, check_text("reason", given.reason)
    return _told(promotions.promote(given.name, given.version, given.stage, call.principal, reason))


@operation("model", "demote", Permission.OPERATE)
def demote(call: Call[Demote]) -> Any:
    """Take a version out of its stage; refused while deployments serve it by that."""
    given, reason = call.input, check_text("reason", call.input.reason)
    promotions = call.project.promotions
    return _told(promotions.demote(given.name, given.version, call.principal, stage=given.stage, reason=reason))


@operation("model", "archive", Permission.OPERATE)
def archive(call: Call[Archive]) -> Any:
    """Put a version that holds no alias into the archive."""
    given, promotions = call.input, call.project.promotions
    return _told(promotions.archive(given.name, given.version, call.principal, archived=not given.undo))


@operation("model", "alias set", Permission.OPERATE)
def set_alias(call: Call[SetAlias]) -> Any:
    """Point an alias at a version; one that decides what serves asks for what a promotion asks for."""
    given, reason = call.input, check_text("reason", call.input.reason)
    return _told(call.project.promotions.set_alias(given.name, given.version, given.alias, call.principal, reason))


@operation("model", "alias remove", Permission.OPERATE)
def remove_alias(call: Call[RemoveAlias]) -> Any:
    """Let an alias point at nothing."""
    given, reason = call.input, check_text("reason", call.input.reason)
    return _told(call.project.promotions.remove_alias(given.name, given.alias, call.principal, reason))


@operation("model", "rollback", Permission.OPERATE)
def roll_back_model(call: Call[RollBack]) -> Any:
    """Bring back what was in production before, in every deployment that follows; nobody's approval is awaited."""
    given, reason = call.input, check_text("reason", call.input.reason)
    return _told(call.project.promotions.roll_back(given.name, call.principal, reason, to=given.to))


@operation("model", "delete", Permission.OPERATE)
def delete_model(call: Call[Delete]) -> Any:
    """Delete a version; refused while an alias, a route, a rollout or a request for approval points at it."""
    return _told(call.project.promotions.delete(call.input.name, call.input.version, call.principal))


def _told(events: Sequence[Any]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in events]
