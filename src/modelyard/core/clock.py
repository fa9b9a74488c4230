"""The injected clock: events in UTC, durations by monotonic seconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

Micros = NewType("Micros", int)
"""Microseconds since 1970-01-01T00:00:00Z, the unit of every stored instant on the data plane."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time. Implementations are safe to read from any thread."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def micros(self) -> Micros:
        """The same, as microseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back; for durations only."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def micros(self) -> Micros:
        return Micros(time.time_ns() // 1000)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is moved: tests, and the replay of past events."""

    def __init__(self, at: datetime) -> None:
        self._now = _as_utc(at)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def micros(self) -> Micros:
        return to_micros(self._now)

    def monotonic(self) -> float:
        return self._elapsed

    def set(self, at: datetime) -> None:
        """Move to `at`; monotonic time advances with it and never goes back."""
        at = _as_utc(at)
        self._elapsed += max(0.0, (at - self._now).total_seconds())
        self._now = at

    def jump(self, by: timedelta) -> None:
        """Put the clock forward or back, as people and time servers do: no time passes."""
        self._now += by

    def advance(self, by: timedelta) -> None:
        """Move forward by a duration."""
        self.set(self._now + by)


def to_micros(at: datetime) -> Micros:
    """An instant as microseconds since the epoch; naive times are taken as UTC."""
    return Micros((_as_utc(at) - _EPOCH) // _MICROSECOND)


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`: aware, in UTC, exact."""
    return _EPOCH + timedelta(microseconds=micros)


def _as_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
