"""The budget: cycles and computing of the last seven days, by what is on record."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..records import Hold, LoopEvent
from .settings import Budget

WEEK = timedelta(days=7)


def runs_held(budget: Budget, history: Sequence[LoopEvent], now: datetime) -> Hold | None:
    """Whether as many cycles have begun as may; None where any number may."""
    most = budget.runs_a_week
    if most is None:
        return None
    begun = [datetime.fromisoformat(each.at) for each in history if each.kind == "triggered"]
    recent = sorted(each for each in begun if each > now - WEEK)
    evidence = {"used": len(recent), "of": most}
    if len(recent) < most:
        return Hold("runs", holds=False, reason=f"{len(recent)} of {most} cycles a week are used", evidence=evidence)
    until = (recent[-most] + WEEK).isoformat()
    return Hold("runs", holds=True, reason=f"the {most} cycles a week are used", until=until, evidence=evidence)


def minutes_held(budget: Budget, history: Sequence[LoopEvent], now: datetime) -> Hold | None:
    """Whether as many minutes have been computed as may be; None where any number may."""
    most = budget.minutes_a_week
    if most is None:
        return None
    spent = [(datetime.fromisoformat(each.at), float(each.evidence.get("seconds", 0.0)) / 60) for each in history]
    recent = sorted((at, minutes) for at, minutes in spent if at > now - WEEK and minutes)
    used = sum(minutes for _, minutes in recent)
    evidence = {"used": used, "of": most}
    said = f"{used:.3g} of {most:g} minutes a week"
    if used < most:
        return Hold("minutes", holds=False, reason=f"{said} are computed", evidence=evidence)
    left, until = used, now
    for at, minutes in recent:
        left -= minutes
        if left < most:
            until = at + WEEK
            break
    return Hold("minutes", holds=True, reason=f"{said} are computed", until=until.isoformat(), evidence=evidence)
