"""`Retry-After`: seconds or a date that can be meant."""

from datetime import UTC, datetime, timedelta

import pytest

from modelyard.core import ManualClock
from modelyard.generation import Breaker, retry_after

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("Mon, 05 Jan 2026 12:00:30 GMT", 30.0),
        ("Mon, 05 Jan 2026 11:59:30 GMT", 0.0),
        ("99999999999", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 01 Jan 9999 00:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("nan", None),
        ("", None),
        ("٣", None),
        ("Mon, 99 Foo 2026 12:00:30 GMT", None),
    ],
)
def test_only_what_can_be_meant_is_waited_for(header: str | None, seconds: float | None) -> None:
    """Three hundred years, the past and nonsense are not."""
    assert retry_after(header, NOW) == seconds


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_each_cooldown() -> None:
    """A success closes it."""
    clock = ManualClock(NOW)
    breaker = Breaker(clock, failures=3, cooldown_seconds=10)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    assert [breaker.admits() for _ in range(3)] == [False, False, False]
    clock.advance(timedelta(seconds=10))
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.failed()
    assert not breaker.admits()
    clock.advance(timedelta(seconds=10))
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True, True, True]
