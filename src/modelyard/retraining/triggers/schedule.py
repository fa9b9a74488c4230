"""Triggers of time: a schedule, and a longest time without retraining.

A schedule is due from its instant on until a cycle begins, however many of its instants pass: what was missed while
nothing ran, or in quiet hours, is made up for once.
"""

from datetime import datetime, timedelta

from modelyard.core.cron import parse_cron
from modelyard.core.durations import format_duration

from ..records import Said
from .seen import Seen


def schedule(seen: Seen, text: str) -> Said:
    """Whether an instant of a cron schedule has come since the last cycle began, or the policy was first looked at."""
    cron, since = parse_cron(text), max(seen.loop.started_at, seen.loop.since)
    following = cron.next(seen.now, seen.zone).isoformat()
    evidence = {"schedule": text, "timezone": str(seen.zone), "next": following, "since": since}
    if since and cron.next(datetime.fromisoformat(since), seen.zone) <= seen.now:
        due = cron.last(seen.now, seen.zone).isoformat()
        return Said("schedule", "fires", f"{text} was due at {due}", {**evidence, "due": due})
    return Said("schedule", "calm", f"{text} is due at {following}", evidence)


def every(seen: Seen, longest: timedelta) -> Said:
    """Whether so much time has passed since the last cycle began; at once when there never was one."""
    said, started = format_duration(longest), seen.loop.started_at
    due = datetime.fromisoformat(started) + longest if started else seen.now
    evidence = {"every": said, "last": started or None, "due": due.isoformat()}
    if seen.now >= due:
        return Said("every", "fires", f"{said} have passed", evidence)
    return Said("every", "calm", f"{said} will have passed at {due.isoformat()}", evidence)
