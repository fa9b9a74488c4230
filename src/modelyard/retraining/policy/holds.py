"""Every rule that may keep an automatic cycle back, and what it says now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from modelyard.core.durations import format_duration

from ..records import Hold, Loop, LoopEvent
from .budget import minutes_held, runs_held
from .quiet import quiet_until
from .settings import Budget, QuietHours


def holds(
    loop: Loop,
    cooldown: timedelta,
    budget: Budget,
    quiet: Sequence[QuietHours],
    zone: ZoneInfo,
    history: Sequence[LoopEvent],
    now: datetime,
) -> tuple[Hold, ...]:
    """What each rule of the policy says, whether it holds a cycle back or not; `history` of the last seven days."""
    found = [
        _cooldown(loop, cooldown, now),
        runs_held(budget, history, now),
        minutes_held(budget, history, now),
        _quiet(quiet, zone, now),
    ]
    return tuple(each for each in found if each is not None)


def _cooldown(loop: Loop, cooldown: timedelta, now: datetime) -> Hold:
    said = format_duration(cooldown)
    if not loop.last_automatic_at:
        reason = f"there was no automatic cycle yet; the cooldown is {said}"
        return Hold("cooldown", holds=False, reason=reason, evidence={"cooldown": said})
    until = datetime.fromisoformat(loop.last_automatic_at) + cooldown
    left = max(timedelta(), until - now)
    evidence = {"cooldown": said, "last": loop.last_automatic_at, "left_s": left.total_seconds()}
    reason = f"the cooldown is {said}" if left else f"the cooldown of {said} is over"
    return Hold("cooldown", holds=bool(left), reason=reason, until=until.isoformat() if left else "", evidence=evidence)


def _quiet(quiet: Sequence[QuietHours], zone: ZoneInfo, now: datetime) -> Hold | None:
    if not quiet:
        return None
    until = quiet_until(quiet, now, zone)
    evidence = {"timezone": str(zone)}
    if until is None:
        return Hold("quiet", holds=False, reason="these are no quiet hours", evidence=evidence)
    return Hold("quiet", holds=True, reason="these are quiet hours", until=until.isoformat(), evidence=evidence)
