"""Why a version may not hold an alias: every reason at once, each with what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .approvals import Counted
from .errors import NeedsApproval, NotServable
from .records import ModelVersion

_REASONS = 5


@dataclass(frozen=True)
class Obstacle:
    """One reason, and its remedy. `kind`: bundle, gate or approval."""

    kind: str
    why: str
    remedy: str


def obstacles(version: ModelVersion, counted: Counted | None = None) -> list[Obstacle]:
    """What stands between a version and serving; with `counted`, what approvals are missing as well."""
    found = []
    if version.bundle is None:
        why = "it is metadata only: it has no bundle to serve"
        found.append(Obstacle("bundle", why, "Register it with --run, --path or --bundle."))
    if not version.gate_passed:
        found.append(Obstacle("gate", _gate(version), f"See: modelyard model show {version.name} {version.number}"))
    if counted is not None and counted.missing:
        found.append(Obstacle("approval", counted.missing, _answer(version, counted)))
    return found


def require_standing(version: ModelVersion, purpose: str, found: Sequence[Obstacle]) -> None:
    """Return when nothing stands in the way; otherwise NotServable, or NeedsApproval when nothing else is missing."""
    if not found:
        return
    kind = NeedsApproval if all(each.kind == "approval" for each in found) else NotServable
    raise kind(
        f"{version.name} {version.label} may not {purpose}: {'; and '.join(each.why for each in found)}.",
        context={
            "model": version.name,
            "version": version.number,
            "obstacles": [{"kind": each.kind, "why": each.why, "remedy": each.remedy} for each in found],
        },
        remedy="\n".join(each.remedy for each in found),
    )


def _gate(version: ModelVersion) -> str:
    if not version.gates:
        return "its gate did not pass: none has judged it"
    failed = [each for each in (*version.gates, *version.checks) if each["verdict"] != "pass"]
    reasons = [reason for each in failed for reason in each.get("reasons", ())]
    more = f"; and {len(reasons) - _REASONS} more" if len(reasons) > _REASONS else ""
    return f"its gate did not pass{': ' if reasons else ''}{'; '.join(reasons[:_REASONS])[:600]}{more}"


def _answer(version: ModelVersion, counted: Counted) -> str:
    what = f"{version.name} {version.number} --stage {counted.alias}"
    if counted.rejected or not counted.requested_by:
        return f"Ask for it: modelyard model request {what}"
    return f"Someone else approves it: modelyard model approve {what}"
