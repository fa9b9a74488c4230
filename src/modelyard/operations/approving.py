"""Operations on approvals: ask, approve, reject."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission, Principal
from modelyard.core import check_text
from modelyard.registry import Counted, ModelVersion

from .contract import Call, Option, operation
from .models import require_stage

_WHY = "Why; it goes on record."
Answer = Callable[[ModelVersion, str, Principal, str], Counted]


@dataclass(frozen=True)
class Approve:
    """A version, and the stage it is approved for."""

    name: Annotated[str, Option("Model.", positional=True)]
    version: Annotated[str, Option("Number, label or alias.", positional=True)]
    stage: Annotated[str, Option("Stage or alias.")] = "production"
    reason: Annotated[str, Option(_WHY)] = ""


@dataclass(frozen=True)
class Reject:
    """A version, and why it is rejected."""

    name: Annotated[str, Option("Model.", positional=True)]
    version: Annotated[str, Option("Number, label or alias.", positional=True)]
    reason: Annotated[str, Option(_WHY)]
    stage: Annotated[str, Option("Stage or alias.")] = "production"


@operation("model", "request", Permission.DEVELOP)
def request_approval(call: Call[Approve]) -> Any:
    """Ask for approval of a version; earlier answers are over."""
    return _answered(call, call.project.approvals.request)


@operation("model", "approve", Permission.APPROVE)
def approve(call: Call[Approve]) -> Any:
    """Approve a version for a stage: this bundle, with this configuration, for a while."""
    return _answered(call, call.project.approvals.approve)


@operation("model", "reject", Permission.APPROVE)
def reject(call: Call[Reject]) -> Any:
    """Reject a version for a stage, until somebody asks anew."""
    return _answered(call, call.project.approvals.reject)


def _answered(call: Call[Approve] | Call[Reject], answer: Answer) -> dict[str, Any]:
    given = call.input
    version = call.project.models.get(given.name, given.version)
    counted = answer(version, require_stage(given.stage), call.principal, check_text("reason", given.reason))
    told: dict[str, Any] = msgspec.to_builtins(counted)
    return {"name": version.name, "version": version.number, "label": version.label, **told, "missing": counted.missing}
