"""The operation that looks at any stretch of time: its values beside the reference, or beside another stretch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound
from modelyard.monitoring import Looked, ranked

from .contract import Call, Option, operation
from .times import instant_of
from .watched import shares_of

_LONGEST = timedelta(days=3660)


@dataclass(frozen=True)
class Between:
    """Which stretch, beside which."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]
    start: Annotated[str, Option("Its first instant: 2026-01-31, 2026-01-31T12:00Z, or how long ago.", flag="--from")]
    end: Annotated[str | None, Option("The instant after its last; now by default.", flag="--to")] = None
    other_start: Annotated[
        str | None, Option("Compare with the stretch from then on, not with the reference.", flag="--reference-from")
    ] = None
    other_end: Annotated[
        str | None, Option("The instant after its last; by default where --from begins.", flag="--reference-to")
    ] = None


@operation("drift", "between", Permission.READ)
def drift_between(call: Call[Between]) -> Any:
    """Compare any stretch with the reference or with another, feature by feature: 0 no drift, 3 drift, 6 too little."""
    project, given = call.project, call.input
    project.rollouts.settings(given.deployment)
    now = call.project.clock.now()
    start, end = _stretch(given.start, given.end, now, now, ("from", "to"))
    against = None
    if given.other_start is not None:
        against = _stretch(given.other_start, given.other_end, now, start, ("reference-from", "reference-to"))
    elif given.other_end is not None:
        raise InvalidInput(
            "An end of the reference is given, and no beginning.",
            context={"path": "other_start"},
            remedy="Give both, --reference-from and --reference-to, or neither.",
        )
    looked = project.stretches.look(given.deployment, start, end, against)
    if looked is None:
        raise NotFound(
            f"Nothing was asked of '{given.deployment}' from {_short(start)} to {_short(end)}.",
            code="NOTHING_LOGGED",
            remedy=f"Look at another time. What there is: modelyard log stats {given.deployment}",
        )
    return _told(looked)


def _told(looked: Looked) -> dict[str, Any]:
    stretch, importance = looked.stretch, dict(looked.profile.importance)
    told: dict[str, Any] = msgspec.to_builtins(stretch)
    told["features"] = [msgspec.to_builtins(each) for each in ranked(stretch.features, importance)]
    return told | {
        "drifted": [each.name for each in stretch.features if each.verdict == "fail"],
        "importance": importance,
        "bins": shares_of(looked.profile, looked.columns, looked.predictions, looked.reference),
    }


def _stretch(
    first: str, last: str | None, now: datetime, by_default: datetime, names: tuple[str, str]
) -> tuple[datetime, datetime]:
    """From the first instant to the one after the last; InvalidInput for what is no stretch of time that can be."""
    start = _instant(first, now, names[0])
    end = by_default if last is None else _instant(last, now, names[1])
    if start >= end:
        raise InvalidInput(
            f"--{names[0]} {_short(start)} is not before --{names[1]} {_short(end)}.",
            context={"path": names[0].replace("-", "_")},
            remedy="Choose a beginning before the end.",
        )
    if end - start > _LONGEST:
        raise InvalidInput(
            f"{(end - start).days:,} days are longer than ten years.", remedy="Choose a shorter stretch of time."
        )
    return start, end


def _instant(text: str, now: datetime, name: str) -> datetime:
    try:
        found = instant_of(text, now)
    except (InvalidInput, OverflowError) as error:
        raise InvalidInput(
            f"--{name} is {text[:40]!r}, which is no time.",
            code="NOT_A_TIME",
            context={"path": name.replace("-", "_")},
            remedy="Write 2026-01-31, 2026-01-31T12:00Z or 7d.",
        ) from error
    return now if found is None else found.astimezone(UTC)


def _short(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="minutes")[:16]
