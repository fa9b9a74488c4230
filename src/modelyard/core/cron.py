"""Schedules as cron writes them: `0 2 * * 0` is 02:00 on Sundays; in UTC unless a time zone says otherwise."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from .errors import InvalidInput
from .names import did_you_mean

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Days of the week as schedules and quiet hours call them, Monday first."""

_SHORT = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}  # fmt: skip
_PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")
_HORIZON_DAYS = 8 * 366 + 1
"""From one 29th of February to the next it is eight years at most."""


@dataclass(frozen=True)
class Cron:
    """When something is due. `days` of the week count from Monday, 0; `either`: of two kinds of days one is enough.

    A local time that a change of the clocks leaves out comes by as much later; one that it repeats comes once.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days: frozenset[int]
    either: bool

    def next(self, after: datetime, zone: ZoneInfo | None = None) -> datetime:
        """The first instant later than `after`, in UTC."""
        return next(each for each in self._from(after, zone, 1) if each > after)

    def last(self, until: datetime, zone: ZoneInfo | None = None) -> datetime:
        """The last instant that is not later than `until`, in UTC."""
        return next(each for each in self._from(until, zone, -1) if each <= until)

    def _from(self, at: datetime, zone: ZoneInfo | None, step: int) -> Iterator[datetime]:
        """The instants of the days around one and all beyond, forward or backward."""
        here = at.astimezone(zone or UTC).date() - timedelta(days=step)
        for number in range(_HORIZON_DAYS):
            yield from self._on(here + timedelta(days=step * number), zone, step)

    def _on(self, day: date, zone: ZoneInfo | None, step: int) -> list[datetime]:
        if not self.is_day(day):
            return []
        times = (time(hour, minute) for hour, minute in product(self.hours, self.minutes))
        found = {datetime.combine(day, each, zone or UTC).astimezone(UTC) for each in times}
        return sorted(found, reverse=step < 0)

    def is_day(self, day: date) -> bool:
        """Whether something is due on a day."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days_of_month, day.weekday() in self.days
        return of_month or of_week if self.either else of_month and of_week


def parse_cron(text: str) -> Cron:
    """Five fields: minute, hour, day of the month, month, day of the week; or `@daily` and its like.

    As in POSIX crontab(5) and Vixie's cron: lists, ranges, steps, names of months and days, Sunday as 0 and 7; where
    both kinds of days are restricted, either is enough. InvalidInput for anything else, and for what never comes.
    """
    fields = _SHORT.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise _wrong(text, f"it has {len(fields)} fields, not 5")
    minute, hour, of_month, month, of_week = fields
    try:
        cron = Cron(
            text=text,
            minutes=_numbers(minute, 0, 59),
            hours=_numbers(hour, 0, 23),
            days_of_month=_numbers(of_month, 1, 31),
            months=_numbers(month, 1, 12, _MONTHS, 1),
            days=frozenset((each - 1) % 7 for each in _numbers(of_week, 0, 7, (DAYS[-1], *DAYS[:-1]), 0)),
            either=not of_month.startswith("*") and not of_week.startswith("*"),
        )
    except ValueError as error:
        raise _wrong(text, str(error)) from None
    if not any(cron.is_day(date(2023, 1, 1) + timedelta(days=number)) for number in range(_HORIZON_DAYS)):
        raise _wrong(text, "there is no such day")
    return cron


def _numbers(field: str, lowest: int, highest: int, names: tuple[str, ...] = (), first: int = 0) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is neither a number, nor a range, nor *")
        begin, end, every = match.groups()
        if begin == "*":
            low, high = lowest, highest
        else:
            low = _number(begin, names, first)
            high = _number(end, names, first) if end is not None else highest if every else low
        if not lowest <= low <= high <= highest or every == "0":
            raise ValueError(f"'{part}' is not within {lowest} and {highest}")
        found.update(range(low, high + 1, int(every or 1)))
    return frozenset(found)


def _number(word: str, names: tuple[str, ...], first: int) -> int:
    if word in names:
        return names.index(word) + first
    if not word.isdigit():
        raise ValueError(f"'{word}' is no number")
    return int(word)


def _wrong(text: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is no schedule: {why}.",
        code="NOT_A_SCHEDULE",
        remedy="Write minute, hour, day of the month, month, day of the week, such as 0 2 * * 0: 02:00 on Sundays.",
    )


def find_zone(name: str) -> ZoneInfo:
    """A time zone by its name; InvalidInput with the nearest one."""
    if name != "UTC" and name not in available_timezones():
        remedy = did_you_mean(name, available_timezones())
        raise InvalidInput(f"There is no time zone {name!r}.", code="NO_ZONE", remedy=remedy)
    return ZoneInfo(name)


def _as_cron(value: str) -> str:
    try:
        parse_cron(value)
    except InvalidInput as error:
        raise ValueError(f"write a schedule such as 0 2 * * 0: {error.message}") from None
    return value


def _as_zone(value: str) -> str:
    try:
        find_zone(value)
    except InvalidInput as error:
        raise ValueError(str(error)) from None
    return value


CronText = Annotated[str, AfterValidator(_as_cron)]
"""A schedule in a settings model."""

ZoneName = Annotated[str, AfterValidator(_as_zone)]
"""A time zone in a settings model."""
