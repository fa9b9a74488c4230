"""Quiet hours: until when none may begin."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from modelyard.core.cron import DAYS

from .settings import QuietHours

_DAY = timedelta(days=1)
_WEEK_OF_TURNS = 60
"""So many hours that follow on one another are looked through; beyond that there is no end to be told."""


def quiet_until(hours: Sequence[QuietHours], now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours end that `now` is in, and those that follow on them at once; None outside of them."""
    until = None
    for _ in range(_WEEK_OF_TURNS):
        at = until or now
        ends = [end for each in hours for start, end in _around(each, at, zone) if start <= at < end]
        if not ends:
            return until
        until = max(ends)
    return until


def _around(hours: QuietHours, at: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The quiet hours that began on this day and on the day before, in UTC."""
    today = at.astimezone(zone).date()
    for day in (today - _DAY, today):
        if DAYS[day.weekday()] in hours.days:
            last = day + _DAY if hours.end <= hours.start else day
            start, end = datetime.combine(day, hours.start, zone), datetime.combine(last, hours.end, zone)
            yield start.astimezone(UTC), end.astimezone(UTC)
