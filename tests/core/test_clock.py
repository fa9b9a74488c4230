"""Instants survive the way to microseconds and back, and time moves only as told."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from modelyard.core import ManualClock, Micros, from_micros, to_micros


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_micros_and_back_is_exact(naive: datetime) -> None:
    """No instant loses a microsecond on the way to an integer and back."""
    at = naive.replace(tzinfo=UTC)
    assert from_micros(to_micros(at)) == at


def test_naive_times_are_utc_and_aware_times_are_instants() -> None:
    """A naive time means UTC; the same instant in another zone is the same number."""
    noon = datetime(2013, 6, 1, 12)
    in_new_york = datetime(2013, 6, 1, 8, tzinfo=timezone(timedelta(hours=-4)))
    assert to_micros(noon) == to_micros(in_new_york) == Micros(1_370_088_000_000_000)


def test_a_manual_clock_moves_only_when_told_and_monotonic_time_never_goes_back() -> None:
    """Setting the clock back moves `now` back, and leaves durations where they were."""
    clock = ManualClock(datetime(2013, 4, 1))
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2013, 4, 1, 1, tzinfo=UTC)
    assert clock.monotonic() == 3600
    clock.set(datetime(2013, 3, 1))
    assert clock.monotonic() == 3600
