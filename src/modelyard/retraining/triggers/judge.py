"""What a declared trigger says of what was seen."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..records import Said
from . import drift, performance, schedule, told, volume
from .seen import Seen
from .settings import Condition

_TRIGGERS: Mapping[str, Callable[[Seen, Any], Said]] = MappingProxyType(
    {
        "drift_above": drift.score,
        "drifted_features": drift.features,
        "drop_above": performance.realised,
        "estimated_drop_above": performance.estimated,
        "new_rows": volume.new_rows,
        "changed_documents": volume.changed_documents,
        "schedule": schedule.schedule,
        "every": schedule.every,
        "alert": told.alert,
        "webhook": told.webhook,
    }
)


def judge(condition: Condition, seen: Seen) -> Said:
    """What it says now. Of `any` one must fire, of `all` all; what nobody can tell is never counted as firing."""
    if condition.any is not None:
        return _any([judge(each, seen) for each in condition.any])
    if condition.all is not None:
        return _all([judge(each, seen) for each in condition.all])
    return _TRIGGERS[condition.kind](seen, getattr(condition, condition.kind))


def _any(parts: Sequence[Said]) -> Said:
    if firing := [each for each in parts if each.state == "fires"]:
        return Said("any", "fires", _reasons(firing), parts=tuple(parts))
    untold = [each for each in parts if each.state == "unknown"]
    return Said("any", "unknown" if untold else "calm", _reasons(parts), parts=tuple(parts))


def _all(parts: Sequence[Said]) -> Said:
    missing = [each for each in parts if each.state != "fires"]
    if not missing:
        return Said("all", "fires", _reasons(parts, " and "), parts=tuple(parts))
    calm = any(each.state == "calm" for each in missing)
    return Said("all", "calm" if calm else "unknown", _reasons(missing), parts=tuple(parts))


def _reasons(parts: Sequence[Said], between: str = "; ") -> str:
    return between.join(each.reason for each in parts)
